//! Turns a CTranslate2 Whisper model into the ggml file that whisper.cpp loads.
//!
//! The ggml file is a header (magic number, eleven sizes), the mel filters, the vocabulary, then every tensor: rank, name
//! length, type, dimensions innermost first, name, elements. Layout and names are those of `whisper_model_load` in
//! whisper.cpp. Matrices stay in half precision; vectors, convolution biases and position tables become single precision.
//! CTranslate2 keeps query, key and value of one attention block in one matrix, which is cut apart again by rows; the keys
//! have no bias in Whisper, so the stored one must be zero.
//!
//! Tensors are copied one block at a time. Whisper base comes out as the very file that whisper.cpp's project publishes.

use std::io::{self, Read, Seek, SeekFrom, Write};

use super::ctranslate2::{ElementType, Index, IndexError, Variable};
use super::mel;

/// `ggml` as whisper.cpp spells it.
const MAGIC: u32 = 0x6767_6d6c;

/// Types of tensors, and the file's own "mostly half precision".
const GGML_F32: u32 = 0;
const GGML_F16: u32 = 1;

/// Vocabulary entries that are text; those above are special and are named by whisper.cpp itself.
const TEXT_TOKENS: usize = 50_257;

/// Bytes copied at a time.
const BLOCK: usize = 64 * 1024;

/// Why a model cannot be converted.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    #[error("malformed CTranslate2 model: {0}")]
    Index(#[from] IndexError),
    #[error("the model lacks {variable}")]
    Missing { variable: String },
    #[error("{variable} is {found:?}, where {expected:?} belongs")]
    Shape { variable: String, found: Vec<u32>, expected: Vec<u32> },
    #[error("{variable} is stored as {found:?}, where {expected:?} belongs")]
    Type { variable: String, found: ElementType, expected: ElementType },
    #[error("{variable} gives the keys a bias, which Whisper does not have")]
    KeyBias { variable: String },
    #[error("the vocabulary has {found} tokens; Whisper has {TEXT_TOKENS} of text")]
    Vocabulary { found: usize },
    #[error("cannot read {variable}")]
    Read { variable: String, source: io::Error },
    #[error("cannot write the converted model")]
    Write(#[source] io::Error),
}

/// Converts `model` with its `vocabulary` (the bytes of every token, in order) and writes the ggml file to `out`. `progress`
/// is told after every tensor how many bytes of weights are done, and how many there are.
///
/// # Errors
/// When the model is not a Whisper model in half precision, or reading or writing fails.
pub fn convert(
    model: &mut (impl Read + Seek),
    vocabulary: &[Vec<u8>],
    out: &mut impl Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), ConvertError> {
    if vocabulary.len() < TEXT_TOKENS {
        return Err(ConvertError::Vocabulary { found: vocabulary.len() });
    }
    let index = Index::read(model)?;
    let sizes = Sizes::of(&index, model)?;
    let Plan { tensors, zeros, .. } = Plan::of(&index, &sizes)?;
    for bias in &zeros {
        bias.expect_zero(model)?;
    }

    write_header(out, &sizes, &vocabulary[..TEXT_TOKENS]).map_err(ConvertError::Write)?;
    let total = tensors.iter().map(|t| t.len).sum();
    let mut done = 0;
    for tensor in &tensors {
        tensor.copy(model, out)?;
        done += tensor.len;
        progress(done, total);
    }
    Ok(())
}

/// The sizes that the header states and every shape follows from.
struct Sizes {
    vocabulary: u32,
    state: u32,
    audio_context: u32,
    audio_heads: u32,
    audio_layers: u32,
    text_context: u32,
    text_heads: u32,
    text_layers: u32,
}

impl Sizes {
    fn of(index: &Index, model: &mut (impl Read + Seek)) -> Result<Self, ConvertError> {
        let shape = |name: &str| -> Result<[u32; 2], ConvertError> {
            let shape = &find(index, name)?.shape;
            <[u32; 2]>::try_from(shape.as_slice()).map_err(|_| ConvertError::Shape {
                variable: name.to_owned(),
                found: shape.clone(),
                expected: vec![0, 0],
            })
        };
        let layers = |side: &str| {
            (0..).take_while(|i| index.get(&format!("{side}/layer_{i}/ffn/linear_0/weight")).is_some()).count() as u32
        };
        let [vocabulary, state] = shape("decoder/embeddings/weight")?;
        let [audio_context, _] = shape("encoder/position_encodings/encodings")?;
        let [text_context, _] = shape("decoder/position_encodings/encodings")?;
        Ok(Self {
            vocabulary,
            state,
            audio_context,
            text_context,
            audio_layers: layers("encoder"),
            text_layers: layers("decoder"),
            audio_heads: scalar(index, model, "encoder/num_heads")?,
            text_heads: scalar(index, model, "decoder/num_heads")?,
        })
    }
}

fn write_header(out: &mut impl Write, sizes: &Sizes, vocabulary: &[Vec<u8>]) -> io::Result<()> {
    let bands = mel::BANDS as u32;
    let header = [
        MAGIC,
        sizes.vocabulary,
        sizes.audio_context,
        sizes.state,
        sizes.audio_heads,
        sizes.audio_layers,
        sizes.text_context,
        sizes.state,
        sizes.text_heads,
        sizes.text_layers,
        bands,
        GGML_F16,
        bands,
        mel::BINS as u32,
    ];
    write_numbers(out, &header)?;
    for weight in mel::filters() {
        out.write_all(&weight.to_le_bytes())?;
    }
    write_numbers(out, &[vocabulary.len() as u32])?;
    for token in vocabulary {
        write_numbers(out, &[token.len() as u32])?;
        out.write_all(token)?;
    }
    Ok(())
}

fn write_numbers(out: &mut impl Write, numbers: &[u32]) -> io::Result<()> {
    numbers.iter().try_for_each(|n| out.write_all(&n.to_le_bytes()))
}

/// One tensor of the ggml file: a run of bytes of one CTranslate2 variable under another name.
struct Tensor {
    name: String,
    /// Innermost first, as ggml counts.
    dimensions: Vec<u32>,
    single: bool,
    variable: String,
    offset: u64,
    len: u64,
}

impl Tensor {
    fn expect_zero(&self, model: &mut (impl Read + Seek)) -> Result<(), ConvertError> {
        blocks(model, &self.variable, self.offset, self.len, |block| {
            // The sign of a zero carries nothing.
            if halves(block).all(|h| h & 0x7fff == 0) {
                Ok(())
            } else {
                Err(ConvertError::KeyBias { variable: self.variable.clone() })
            }
        })
    }

    fn copy(&self, model: &mut (impl Read + Seek), out: &mut impl Write) -> Result<(), ConvertError> {
        let kind = if self.single { GGML_F32 } else { GGML_F16 };
        write_numbers(out, &[self.dimensions.len() as u32, self.name.len() as u32, kind])
            .and_then(|()| write_numbers(out, &self.dimensions))
            .and_then(|()| out.write_all(self.name.as_bytes()))
            .map_err(ConvertError::Write)?;
        blocks(model, &self.variable, self.offset, self.len, |block| {
            if self.single {
                let wide: Vec<u8> = halves(block).flat_map(|h| widen(h).to_le_bytes()).collect();
                out.write_all(&wide).map_err(ConvertError::Write)
            } else {
                out.write_all(block).map_err(ConvertError::Write)
            }
        })
    }
}

/// The tensors of the ggml file, in the order of OpenAI's own checkpoint: so the result is the published file, to the byte.
struct Plan<'a> {
    index: &'a Index,
    tensors: Vec<Tensor>,
    /// Biases that CTranslate2 stores and ggml does not: they must be zero.
    zeros: Vec<Tensor>,
}

/// Whether a matrix has a bias in Whisper; the one of the keys does not.
enum Bias {
    Stored,
    Absent,
}

impl<'a> Plan<'a> {
    fn of(index: &'a Index, sizes: &Sizes) -> Result<Self, ConvertError> {
        let mut plan = Plan { index, tensors: Vec::new(), zeros: Vec::new() };
        plan.positions("decoder", sizes.text_context, sizes.state)?;
        plan.positions("encoder", sizes.audio_context, sizes.state)?;
        plan.decoder(sizes)?;
        plan.encoder(sizes)?;
        Ok(plan)
    }

    fn positions(&mut self, side: &str, context: u32, state: u32) -> Result<(), ConvertError> {
        let (to, from) = (format!("{side}.positional_embedding"), format!("{side}/position_encodings/encodings"));
        self.put(&to, &from, &[context, state], true)
    }

    fn decoder(&mut self, sizes: &Sizes) -> Result<(), ConvertError> {
        let state = sizes.state;
        let embedding = "decoder/embeddings/weight";
        self.put("decoder.token_embedding.weight", embedding, &[sizes.vocabulary, state], false)?;
        for i in 0..sizes.text_layers {
            let (to, from) = (format!("decoder.blocks.{i}"), format!("decoder/layer_{i}"));
            self.feed_forward(&to, &from, state)?;
            self.self_attention(&to, &from, state)?;
            self.cross_attention(&to, &from, state)?;
        }
        self.norm("decoder.ln", "decoder/layer_norm", state)
    }

    fn encoder(&mut self, sizes: &Sizes) -> Result<(), ConvertError> {
        let state = sizes.state;
        for (i, inputs) in [(1, mel::BANDS as u32), (2, state)] {
            let (to, from) = (format!("encoder.conv{i}"), format!("encoder/conv{i}"));
            self.put(&format!("{to}.weight"), &format!("{from}/weight"), &[state, inputs, 3], false)?;
            self.put(&format!("{to}.bias"), &format!("{from}/bias"), &[state], true)?;
            // whisper.cpp wants a bias that broadcasts over time: one column.
            self.tensors.last_mut().expect("just put").dimensions.insert(0, 1);
        }
        for i in 0..sizes.audio_layers {
            let (to, from) = (format!("encoder.blocks.{i}"), format!("encoder/layer_{i}"));
            self.feed_forward(&to, &from, state)?;
            self.self_attention(&to, &from, state)?;
        }
        self.norm("encoder.ln_post", "encoder/layer_norm", state)
    }

    fn self_attention(&mut self, to: &str, from: &str, state: u32) -> Result<(), ConvertError> {
        self.norm(&format!("{to}.attn_ln"), &format!("{from}/self_attention/layer_norm"), state)?;
        let fused = format!("{from}/self_attention/linear_0");
        self.rows(&format!("{to}.attn.query"), &fused, (0, 3), state, Bias::Stored)?;
        self.rows(&format!("{to}.attn.key"), &fused, (1, 3), state, Bias::Absent)?;
        self.rows(&format!("{to}.attn.value"), &fused, (2, 3), state, Bias::Stored)?;
        self.rows(&format!("{to}.attn.out"), &format!("{from}/self_attention/linear_1"), (0, 1), state, Bias::Stored)
    }

    fn cross_attention(&mut self, to: &str, from: &str, state: u32) -> Result<(), ConvertError> {
        self.norm(&format!("{to}.cross_attn_ln"), &format!("{from}/attention/layer_norm"), state)?;
        let fused = format!("{from}/attention/linear_1");
        self.rows(
            &format!("{to}.cross_attn.query"),
            &format!("{from}/attention/linear_0"),
            (0, 1),
            state,
            Bias::Stored,
        )?;
        self.rows(&format!("{to}.cross_attn.key"), &fused, (0, 2), state, Bias::Absent)?;
        self.rows(&format!("{to}.cross_attn.value"), &fused, (1, 2), state, Bias::Stored)?;
        self.rows(&format!("{to}.cross_attn.out"), &format!("{from}/attention/linear_2"), (0, 1), state, Bias::Stored)
    }

    fn feed_forward(&mut self, to: &str, from: &str, state: u32) -> Result<(), ConvertError> {
        self.norm(&format!("{to}.mlp_ln"), &format!("{from}/ffn/layer_norm"), state)?;
        let inner = state.saturating_mul(4);
        self.linear(&format!("{to}.mlp.0"), &format!("{from}/ffn/linear_0"), [inner, state])?;
        self.linear(&format!("{to}.mlp.2"), &format!("{from}/ffn/linear_1"), [state, inner])
    }

    fn norm(&mut self, to: &str, from: &str, state: u32) -> Result<(), ConvertError> {
        self.put(&format!("{to}.weight"), &format!("{from}/gamma"), &[state], true)?;
        self.put(&format!("{to}.bias"), &format!("{from}/beta"), &[state], true)
    }

    fn linear(&mut self, to: &str, from: &str, shape: [u32; 2]) -> Result<(), ConvertError> {
        self.put(&format!("{to}.weight"), &format!("{from}/weight"), &shape, false)?;
        self.put(&format!("{to}.bias"), &format!("{from}/bias"), &shape[..1], true)
    }

    /// A square matrix that is part `part.0` of `part.1` stacked ones, and its bias.
    fn rows(&mut self, to: &str, from: &str, part: (u32, u32), state: u32, bias: Bias) -> Result<(), ConvertError> {
        let stacked = state.saturating_mul(part.1);
        self.put(&format!("{to}.weight"), &format!("{from}/weight"), &[stacked, state], false)?;
        self.keep(part, state);
        self.put(&format!("{to}.bias"), &format!("{from}/bias"), &[stacked], true)?;
        self.keep(part, state);
        match bias {
            Bias::Stored => {}
            Bias::Absent => self.zeros.extend(self.tensors.pop()),
        }
        Ok(())
    }

    /// Narrows the last tensor to part `part.0` of its `part.1` equal parts.
    fn keep(&mut self, part: (u32, u32), rows: u32) {
        let last = self.tensors.last_mut().expect("called after `put`");
        last.len /= u64::from(part.1);
        last.offset += last.len * u64::from(part.0);
        *last.dimensions.last_mut().expect("vectors and matrices have a dimension") = rows;
    }

    fn put(&mut self, name: &str, variable: &str, shape: &[u32], single: bool) -> Result<(), ConvertError> {
        let found = find(self.index, variable)?;
        expect_type(variable, found, ElementType::Float16)?;
        if found.shape != shape {
            let (found, expected) = (found.shape.clone(), shape.to_vec());
            return Err(ConvertError::Shape { variable: variable.to_owned(), found, expected });
        }
        self.tensors.push(Tensor {
            name: name.to_owned(),
            dimensions: shape.iter().rev().copied().collect(),
            single,
            variable: variable.to_owned(),
            offset: found.offset,
            len: found.len,
        });
        Ok(())
    }
}

fn find<'a>(index: &'a Index, name: &str) -> Result<&'a Variable, ConvertError> {
    index.get(name).ok_or_else(|| ConvertError::Missing { variable: name.to_owned() })
}

fn expect_type(name: &str, found: &Variable, expected: ElementType) -> Result<(), ConvertError> {
    match found.element {
        element if element == expected => Ok(()),
        found => Err(ConvertError::Type { variable: name.to_owned(), found, expected }),
    }
}

/// A count that is stored as a 16-bit scalar.
fn scalar(index: &Index, model: &mut (impl Read + Seek), name: &str) -> Result<u32, ConvertError> {
    let variable = find(index, name)?;
    expect_type(name, variable, ElementType::Int16)?;
    let mut value = 0;
    blocks(model, name, variable.offset, variable.len, |bytes| {
        value = halves(bytes).next().unwrap_or(0).into();
        Ok(())
    })?;
    Ok(value)
}

/// Calls `each` with the bytes from `offset` on, a block at a time.
fn blocks(
    model: &mut (impl Read + Seek),
    variable: &str,
    offset: u64,
    len: u64,
    mut each: impl FnMut(&[u8]) -> Result<(), ConvertError>,
) -> Result<(), ConvertError> {
    let at = |source| ConvertError::Read { variable: variable.to_owned(), source };
    model.seek(SeekFrom::Start(offset)).map_err(at)?;
    let mut block = vec![0; BLOCK.min(len as usize)];
    let mut left = len;
    while left > 0 {
        let bytes = &mut block[..(BLOCK as u64).min(left) as usize];
        model.read_exact(bytes).map_err(at)?;
        each(bytes)?;
        left -= bytes.len() as u64;
    }
    Ok(())
}

fn halves(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
}

/// An IEEE 754 half as the single of the same value; every half is one exactly.
fn widen(half: u16) -> f32 {
    let sign = u32::from(half >> 15) << 31;
    let exponent = u32::from(half >> 10) & 0x1f;
    let fraction = u32::from(half) & 0x3ff;
    match (exponent, fraction) {
        // Zero and subnormals: `fraction` units of 2^-24.
        (0, _) => f32::from_bits(sign | (fraction as f32 * 2_f32.powi(-24)).to_bits()),
        (0x1f, _) => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        (_, _) => f32::from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::speech::model::ctranslate2::tests::file;

    const ONE: u16 = 0x3c00;

    /// A Whisper of one layer each side, state 4, context 6 and 5, vocabulary 3: every element is one, except that row `r`
    /// of a fused matrix holds the half whose bits are `r`, and key biases are zero.
    fn tiny() -> Vec<(&'static str, Vec<u32>, u8, Vec<u8>)> {
        let ones = |shape: &[u32]| vec![ONE; shape.iter().product::<u32>() as usize];
        let mut all = vec![
            ("decoder/num_heads", vec![], 2, vec![2]),
            ("encoder/num_heads", vec![], 2, vec![1]),
            ("decoder/embeddings/weight", vec![3, 4], 4, ones(&[3, 4])),
            ("decoder/position_encodings/encodings", vec![5, 4], 4, ones(&[5, 4])),
            ("encoder/position_encodings/encodings", vec![6, 4], 4, ones(&[6, 4])),
            ("encoder/conv1/weight", vec![4, 80, 3], 4, ones(&[4, 80, 3])),
            ("encoder/conv1/bias", vec![4], 4, ones(&[4])),
            ("encoder/conv2/weight", vec![4, 4, 3], 4, ones(&[4, 4, 3])),
            ("encoder/conv2/bias", vec![4], 4, ones(&[4])),
        ];
        for (name, rows, columns) in [
            ("encoder/layer_0/self_attention/linear_0", 12, 4),
            ("encoder/layer_0/self_attention/linear_1", 4, 4),
            ("encoder/layer_0/ffn/linear_0", 16, 4),
            ("encoder/layer_0/ffn/linear_1", 4, 16),
            ("decoder/layer_0/self_attention/linear_0", 12, 4),
            ("decoder/layer_0/self_attention/linear_1", 4, 4),
            ("decoder/layer_0/attention/linear_0", 4, 4),
            ("decoder/layer_0/attention/linear_1", 8, 4),
            ("decoder/layer_0/attention/linear_2", 4, 4),
            ("decoder/layer_0/ffn/linear_0", 16, 4),
            ("decoder/layer_0/ffn/linear_1", 4, 16),
        ] {
            let weight = (0..rows).flat_map(|row| vec![row as u16; columns as usize]).collect();
            let bias = if rows == 12 { [[ONE; 4], [0; 4], [ONE; 4]].concat() } else { vec![ONE; rows as usize] };
            let bias =
                if name.ends_with("attention/linear_1") && rows == 8 { [[0; 4], [ONE; 4]].concat() } else { bias };
            all.push((format!("{name}/weight").leak(), vec![rows, columns], 4, weight));
            all.push((format!("{name}/bias").leak(), vec![rows], 4, bias));
        }
        for norm in [
            "encoder/layer_0/self_attention/layer_norm",
            "encoder/layer_0/ffn/layer_norm",
            "encoder/layer_norm",
            "decoder/layer_0/self_attention/layer_norm",
            "decoder/layer_0/attention/layer_norm",
            "decoder/layer_0/ffn/layer_norm",
            "decoder/layer_norm",
        ] {
            all.push((format!("{norm}/gamma").leak(), vec![4], 4, ones(&[4])));
            all.push((format!("{norm}/beta").leak(), vec![4], 4, ones(&[4])));
        }
        all.into_iter()
            .map(|(name, shape, kind, halves)| {
                (name, shape, kind, halves.iter().flat_map(|h: &u16| h.to_le_bytes()).collect())
            })
            .collect()
    }

    fn run(variables: &[(&str, Vec<u32>, u8, Vec<u8>)]) -> Result<Vec<u8>, ConvertError> {
        let variables: Vec<_> = variables.iter().map(|(n, s, k, b)| (*n, s.as_slice(), *k, b.clone())).collect();
        let bytes = file(&variables, &[("decoder/projection/weight", "decoder/embeddings/weight")]);
        let vocabulary: Vec<_> = (0..TEXT_TOKENS).map(|i| vec![b'a'; i % 3]).collect();
        let mut out = Vec::new();
        let mut last = (0, 1);
        convert(&mut Cursor::new(bytes), &vocabulary, &mut out, &mut |done, total| last = (done, total))?;
        assert_eq!(last.0, last.1, "progress ends at the whole");
        Ok(out)
    }

    /// The tensors of a ggml file, after a header of known length: name, dimensions, type, elements as bytes.
    fn tensors(file: &[u8]) -> Vec<(String, Vec<u32>, u32, Vec<u8>)> {
        let tokens: usize = (0..TEXT_TOKENS).map(|i| 4 + i % 3).sum();
        let mut rest = &file[14 * 4 + mel::BANDS * mel::BINS * 4 + 4 + tokens..];
        let mut all = Vec::new();
        let take = |rest: &mut &[u8], n: usize| {
            let (head, tail) = rest.split_at(n);
            *rest = tail;
            head.to_vec()
        };
        let number = |rest: &mut &[u8]| u32::from_le_bytes(take(rest, 4).try_into().unwrap());
        while !rest.is_empty() {
            let (rank, name, kind) = (number(&mut rest), number(&mut rest), number(&mut rest));
            let dimensions: Vec<_> = (0..rank).map(|_| number(&mut rest)).collect();
            let name = String::from_utf8(take(&mut rest, name as usize)).unwrap();
            let width = if kind == GGML_F32 { 4 } else { 2 };
            let len = dimensions.iter().product::<u32>() as usize * width;
            all.push((name, dimensions, kind, take(&mut rest, len)));
        }
        all
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut Vec<(&'static str, Vec<u32>, u8, Vec<u8>)>), reason: &str) {
        let mut variables = tiny();
        change(&mut variables);
        let error = run(&variables).expect_err("must be refused").to_string();
        assert!(error.contains(reason), "{error:?} does not say {reason:?}");
    }

    #[test]
    fn writes_every_tensor_once_with_its_shape() {
        let out = run(&tiny()).unwrap();
        let header: Vec<_> = out.chunks(4).take(14).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(header, [MAGIC, 3, 6, 4, 1, 1, 5, 4, 2, 1, 80, 1, 80, 201]);
        let tensors = tensors(&out);
        // 15 for an encoder layer, 24 for a decoder layer; 7 and 4 stand outside the layers.
        assert_eq!(tensors.len(), 15 + 24 + 7 + 4);
        let find = |name: &str| tensors.iter().find(|t| t.0 == name).unwrap();
        assert_eq!(find("encoder.conv1.weight").1, [3, 80, 4]);
        assert_eq!((&find("encoder.conv1.bias").1, find("encoder.conv1.bias").2), (&vec![1, 4], GGML_F32));
        assert_eq!(find("encoder.blocks.0.mlp.0.weight").1, [4, 16]);
        assert_eq!(find("decoder.ln.bias").3, [1_f32; 4].map(f32::to_le_bytes).concat());
        assert!(!tensors.iter().any(|t| t.0.ends_with("key.bias")));
    }

    #[test]
    fn cuts_fused_rows_apart() {
        let tensors = tensors(&run(&tiny()).unwrap());
        for (name, first_row) in [
            ("encoder.blocks.0.attn.query", 0_u16),
            ("encoder.blocks.0.attn.key", 4),
            ("encoder.blocks.0.attn.value", 8),
            ("decoder.blocks.0.cross_attn.key", 0),
            ("decoder.blocks.0.cross_attn.value", 4),
        ] {
            let (_, dimensions, kind, bytes) = tensors.iter().find(|t| t.0 == format!("{name}.weight")).unwrap();
            assert_eq!((dimensions.as_slice(), *kind), (&[4, 4][..], GGML_F16));
            let rows: Vec<_> = halves(bytes).step_by(4).collect();
            assert_eq!(rows, [first_row, first_row + 1, first_row + 2, first_row + 3], "{name}");
        }
    }

    #[test]
    fn refuses_what_is_no_whisper() {
        refused(|v| v.retain(|x| x.0 != "encoder/layer_norm/beta"), "lacks encoder/layer_norm/beta");
        refused(|v| v.iter_mut().find(|x| x.0 == "encoder/conv1/bias").unwrap().2 = 2, "stored as Int16");
        refused(
            |v| {
                let conv = v.iter_mut().find(|x| x.0 == "encoder/conv2/weight").unwrap();
                conv.1 = vec![4, 3, 4];
            },
            "[4, 3, 4], where [4, 4, 3]",
        );
        let key_bias = |v: &mut Vec<(&str, Vec<u32>, u8, Vec<u8>)>| {
            let bias = v.iter_mut().find(|x| x.0 == "decoder/layer_0/attention/linear_1/bias").unwrap();
            bias.3[2] = 1;
        };
        refused(key_bias, "gives the keys a bias");
    }

    #[test]
    fn widens_every_kind_of_half() {
        for (half, single) in [
            (0x0000, 0.0_f32),
            (0x8000, -0.0),
            (0x0001, 2_f32.powi(-24)),
            (0x83ff, -1023.0 * 2_f32.powi(-24)),
            (0x0400, 2_f32.powi(-14)),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(widen(half).to_bits(), single.to_bits(), "{half:#06x}");
        }
        assert!(widen(0x7e00).is_nan());
    }
}
