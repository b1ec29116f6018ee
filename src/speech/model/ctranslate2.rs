//! Reads the index of a CTranslate2 `model.bin`, so that single tensors can be copied out of it.
//!
//! The file is a header (binary version, specification name, revision), then the variables one after the other (name,
//! rank, dimensions, element type, byte count, bytes), then aliases that let two names share one tensor. All numbers are
//! little-endian. Nothing but the index is held in memory, and every length is checked against the file before it is used.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

/// The binary version that this reader knows: what CTranslate2 3.x and 4.x write.
const VERSION: u32 = 6;

/// Most variables that a file may name; the largest Whisper has about a thousand.
const MAX_VARIABLES: u32 = 16_384;

/// Most dimensions of one variable.
const MAX_RANK: u8 = 4;

/// Longest name, in bytes, with its closing NUL.
const MAX_NAME: u16 = 512;

/// Why a `model.bin` cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("cannot read {what} at byte {offset}")]
    Read { what: &'static str, offset: u64, source: io::Error },
    #[error("binary version {found}; only {VERSION} is known")]
    Version { found: u32 },
    #[error("holds a {found:?}, not a WhisperSpec")]
    Specification { found: String },
    #[error("{what} is {found} at byte {offset}; at most {most} is possible")]
    TooLarge { what: &'static str, found: u64, most: u64, offset: u64 },
    #[error("name at byte {offset} is not NUL-terminated UTF-8")]
    Name { offset: u64 },
    #[error("{variable} has an unknown element type {found}")]
    ElementType { variable: String, found: u8 },
    #[error("{variable} of shape {shape:?} takes {found} bytes instead of {expected}")]
    Size { variable: String, shape: Vec<u32>, found: u64, expected: u64 },
    #[error("{variable} occurs twice")]
    Twice { variable: String },
    #[error("alias {alias} stands for {target}, which does not exist")]
    Dangling { alias: String, target: String },
    #[error("{extra} bytes follow the last alias")]
    Trailing { extra: u64 },
}

/// How the elements of a variable are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    Float32,
    Int8,
    Int16,
    Int32,
    Float16,
    BFloat16,
}

impl ElementType {
    fn parse(id: u8) -> Option<Self> {
        Some(match id {
            0 => Self::Float32,
            1 => Self::Int8,
            2 => Self::Int16,
            3 => Self::Int32,
            4 => Self::Float16,
            5 => Self::BFloat16,
            _ => return None,
        })
    }

    /// Bytes of one element.
    fn width(self) -> u64 {
        match self {
            Self::Int8 => 1,
            Self::Int16 | Self::Float16 | Self::BFloat16 => 2,
            Self::Float32 | Self::Int32 => 4,
        }
    }
}

/// Where one tensor lies in the file, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Dimensions, outermost first; empty for a scalar.
    pub shape: Vec<u32>,
    /// Its elements.
    pub element: ElementType,
    /// First byte in the file.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
}

/// The variables of one `model.bin`, by name; an alias is listed as the variable that it stands for.
#[derive(Debug)]
pub struct Index {
    variables: BTreeMap<String, Variable>,
}

impl Index {
    /// Reads the index from the start of `source` and checks it to the last byte.
    ///
    /// # Errors
    /// When the file is cut short, of another kind, or contradicts itself.
    pub fn read(source: &mut (impl Read + Seek)) -> Result<Self, IndexError> {
        let mut cursor = Cursor::start(source)?;
        let version = cursor.u32("the binary version")?;
        if version != VERSION {
            return Err(IndexError::Version { found: version });
        }
        let found = cursor.name("the specification")?;
        if found != "WhisperSpec" {
            return Err(IndexError::Specification { found });
        }
        cursor.u32("the revision")?;

        let mut variables = BTreeMap::new();
        for _ in 0..cursor.count("the number of variables")? {
            let (name, variable) = cursor.variable()?;
            if variables.insert(name.clone(), variable).is_some() {
                return Err(IndexError::Twice { variable: name });
            }
        }
        for _ in 0..cursor.count("the number of aliases")? {
            let alias = cursor.name("an alias")?;
            let target = cursor.name("an alias's target")?;
            let Some(variable) = variables.get(&target).cloned() else {
                return Err(IndexError::Dangling { alias, target });
            };
            variables.insert(alias, variable);
        }
        match cursor.end - cursor.offset {
            0 => Ok(Self { variables }),
            extra => Err(IndexError::Trailing { extra }),
        }
    }

    /// The variable of that name.
    pub fn get(&self, name: &str) -> Option<&Variable> {
        self.variables.get(name)
    }
}

/// A reader that knows where it is and where the file ends.
struct Cursor<'a, R> {
    source: &'a mut R,
    offset: u64,
    end: u64,
}

impl<'a, R: Read + Seek> Cursor<'a, R> {
    fn start(source: &'a mut R) -> Result<Self, IndexError> {
        let at = |source| IndexError::Read { what: "the file's length", offset: 0, source };
        let end = source.seek(SeekFrom::End(0)).map_err(at)?;
        source.seek(SeekFrom::Start(0)).map_err(at)?;
        Ok(Self { source, offset: 0, end })
    }

    fn bytes<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], IndexError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8], what: &'static str) -> Result<(), IndexError> {
        let offset = self.offset;
        self.source.read_exact(bytes).map_err(|source| IndexError::Read { what, offset, source })?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, IndexError> {
        self.bytes(what).map(u32::from_le_bytes)
    }

    fn count(&mut self, what: &'static str) -> Result<u32, IndexError> {
        let count = self.u32(what)?;
        self.at_most(what, count.into(), MAX_VARIABLES.into())?;
        Ok(count)
    }

    fn name(&mut self, what: &'static str) -> Result<String, IndexError> {
        let offset = self.offset;
        let len = u16::from_le_bytes(self.bytes(what)?);
        self.at_most(what, len.into(), MAX_NAME.into())?;
        let mut name = vec![0; len.into()];
        self.fill(&mut name, what)?;
        match (name.pop(), String::from_utf8(name)) {
            (Some(0), Ok(name)) => Ok(name),
            (_, _) => Err(IndexError::Name { offset }),
        }
    }

    fn variable(&mut self) -> Result<(String, Variable), IndexError> {
        let name = self.name("a variable's name")?;
        let [rank] = self.bytes("a variable's rank")?;
        self.at_most("a rank", rank.into(), MAX_RANK.into())?;
        let shape = (0..rank).map(|_| self.u32("a dimension")).collect::<Result<Vec<_>, _>>()?;
        let [id] = self.bytes("an element type")?;
        let Some(element) = ElementType::parse(id) else {
            return Err(IndexError::ElementType { variable: name, found: id });
        };
        let len = u64::from(self.u32("a byte count")?);
        let expected = shape.iter().try_fold(element.width(), |bytes, &d| bytes.checked_mul(d.into()));
        if expected != Some(len) {
            let expected = expected.unwrap_or(u64::MAX);
            return Err(IndexError::Size { variable: name, shape, found: len, expected });
        }
        self.at_most("a variable's byte count", len, self.end - self.offset)?;
        let variable = Variable { shape, element, offset: self.offset, len };
        self.offset += len;
        let offset = self.offset;
        self.source.seek(SeekFrom::Start(offset)).map_err(|source| IndexError::Read {
            what: "past a variable",
            offset,
            source,
        })?;
        Ok((name, variable))
    }

    fn at_most(&self, what: &'static str, found: u64, most: u64) -> Result<(), IndexError> {
        if found > most { Err(IndexError::TooLarge { what, found, most, offset: self.offset }) } else { Ok(()) }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Cursor;

    use super::*;

    /// Builds a file of the given variables (name, shape, element type, bytes) and aliases.
    pub(in crate::speech::model) fn file(
        variables: &[(&str, &[u32], u8, Vec<u8>)],
        aliases: &[(&str, &str)],
    ) -> Vec<u8> {
        fn name(out: &mut Vec<u8>, name: &str) {
            out.extend((name.len() as u16 + 1).to_le_bytes());
            out.extend(name.bytes().chain([0]));
        }
        let mut out = VERSION.to_le_bytes().to_vec();
        name(&mut out, "WhisperSpec");
        out.extend(3_u32.to_le_bytes());
        out.extend((variables.len() as u32).to_le_bytes());
        for (n, shape, element, bytes) in variables {
            name(&mut out, n);
            out.push(shape.len() as u8);
            out.extend(shape.iter().flat_map(|d| d.to_le_bytes()));
            out.push(*element);
            out.extend((bytes.len() as u32).to_le_bytes());
            out.extend(bytes);
        }
        out.extend((aliases.len() as u32).to_le_bytes());
        for (alias, target) in aliases {
            name(&mut out, alias);
            name(&mut out, target);
        }
        out
    }

    fn sample() -> Vec<u8> {
        file(&[("heads", &[], 2, vec![8, 0]), ("w", &[2, 3], 4, vec![7; 12])], &[("projection", "w")])
    }

    #[track_caller]
    fn refused(file: &[u8], reason: &str) {
        let error = Index::read(&mut Cursor::new(file)).expect_err("must be refused").to_string();
        assert!(error.contains(reason), "{error:?} does not say {reason:?}");
    }

    #[test]
    fn finds_variables_and_aliases() {
        let bytes = sample();
        let index = Index::read(&mut Cursor::new(&bytes)).unwrap();
        let w = index.get("w").unwrap();
        assert_eq!((w.shape.as_slice(), w.element, w.len), (&[2, 3][..], ElementType::Float16, 12));
        assert_eq!(bytes[w.offset as usize..][..12], [7; 12]);
        assert_eq!(index.get("projection"), Some(w));
        assert!(index.get("heads").unwrap().shape.is_empty());
        assert_eq!(index.get("none"), None);
    }

    #[test]
    fn refuses_a_file_cut_anywhere() {
        let whole = sample();
        for len in 0..whole.len() {
            assert!(Index::read(&mut Cursor::new(&whole[..len])).is_err(), "accepted the first {len} bytes");
        }
    }

    #[test]
    fn refuses_what_contradicts_itself() {
        let mut version = sample();
        version[0] = 9;
        refused(&version, "binary version 9");
        let mut spec = sample();
        spec[6] = b'V';
        refused(&spec, "\"VhisperSpec\"");
        let mut trailing = sample();
        trailing.push(0);
        refused(&trailing, "1 bytes follow");
        refused(&file(&[("w", &[2, 3], 4, vec![7; 10])], &[]), "instead of 12");
        refused(&file(&[("w", &[u32::MAX; 4], 4, vec![])], &[]), "takes 0 bytes");
        refused(&file(&[("w", &[1; 5], 1, vec![7])], &[]), "rank is 5");
        refused(&file(&[("w", &[1], 9, vec![7])], &[]), "element type 9");
        refused(&file(&[("w", &[1], 1, vec![7]), ("w", &[1], 1, vec![7])], &[]), "twice");
        refused(&file(&[], &[("a", "b")]), "does not exist");
    }
}
