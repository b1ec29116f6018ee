//! Reads typed values out of a TOML document and the environment, collecting every mistake with its place.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml_edit::{Document, Item, TableLike, TomlError, Value};

/// Variables that start so belong to us.
pub(super) const ENV_PREFIX: &str = "MINXIN_";

/// One thing wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands.
    pub place: Place,
    /// The key in dotted form, `sip.udp`.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of a file, counted from 1.
    File(PathBuf, usize),
    /// An environment variable.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => write!(f, "environment {name}"),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.place, self.message)
        } else {
            write!(f, "{}: {}: {}", self.place, self.key, self.message)
        }
    }
}

/// The line, counted from 1, on which byte `offset` of `text` stands.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count()
}

/// A parsed file with the variables that override it.
pub(super) struct Reader {
    path: PathBuf,
    text: String,
    document: Document<String>,
    variables: BTreeMap<String, String>,
    read_variables: RefCell<BTreeSet<String>>,
    mistakes: RefCell<Vec<Mistake>>,
}

impl Reader {
    /// Parses `text`; a file that is not TOML is one mistake, at the place where it stops being so.
    pub(super) fn new(path: &Path, text: String, variables: BTreeMap<String, String>) -> Result<Self, Mistake> {
        let document = Document::parse(text.clone()).map_err(|error: TomlError| Mistake {
            place: Place::File(path.to_owned(), line_of(&text, error.span().map_or(0, |s| s.start))),
            key: String::new(),
            message: format!("not TOML: {}", error.message()),
        })?;
        Ok(Self {
            path: path.to_owned(),
            text,
            document,
            variables,
            read_variables: RefCell::default(),
            mistakes: RefCell::default(),
        })
    }

    /// The top of the file.
    pub(super) fn root(&self) -> Section<'_> {
        let table: &dyn TableLike = self.document.as_table();
        Section { reader: self, path: String::new(), table: Some(table), line: 1, known: RefCell::default() }
    }

    /// Every mistake found, variables that no key asked for included.
    pub(super) fn finish(self) -> Vec<Mistake> {
        let mut mistakes = self.mistakes.into_inner();
        let read = self.read_variables.into_inner();
        for name in self.variables.keys().filter(|name| !read.contains(*name)) {
            mistakes.push(Mistake {
                place: Place::Variable(name.clone()),
                key: String::new(),
                message: "names no key; sections are joined by two underscores, as in MINXIN_SIP__UDP".into(),
            });
        }
        mistakes
    }

    fn report(&self, place: Place, key: &str, message: impl Into<String>) {
        self.mistakes.borrow_mut().push(Mistake { place, key: key.to_owned(), message: message.into() });
    }

    fn file(&self, line: usize) -> Place {
        Place::File(self.path.clone(), line)
    }
}

/// One table of the file.
pub(super) struct Section<'a> {
    reader: &'a Reader,
    path: String,
    table: Option<&'a dyn TableLike>,
    line: usize,
    known: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Section<'a> {
    /// The table under `key`, empty where the file has none: its keys may still come from the environment.
    pub(super) fn section(&self, key: &'static str) -> Section<'a> {
        self.known.borrow_mut().insert(key);
        let item = self.table.and_then(|t| t.get(key));
        let line = item.and_then(Item::span).map_or(self.line, |s| line_of(&self.reader.text, s.start));
        let table = item.and_then(Item::as_table_like);
        if item.is_some() && table.is_none() {
            self.reader.report(self.reader.file(line), &self.dotted(key), "must be a table");
        }
        Section { reader: self.reader, path: self.dotted(key), table, line, known: RefCell::default() }
    }

    /// Whether the file or the environment says anything under this table.
    pub(super) fn is_present(&self) -> bool {
        let prefix = format!("{}__", self.variable(&self.path));
        self.table.is_some() || self.reader.variables.keys().any(|name| name.starts_with(&prefix))
    }

    /// The tables of the array `[[key]]`, in order.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        self.known.borrow_mut().insert(key);
        let Some(item) = self.table.and_then(|t| t.get(key)) else { return Vec::new() };
        let path = self.dotted(key);
        let at = |span: Option<std::ops::Range<usize>>| span.map_or(self.line, |s| line_of(&self.reader.text, s.start));
        let section = |index: usize, line, table| Section {
            reader: self.reader,
            path: format!("{path}[{index}]"),
            table: Some(table),
            line,
            known: RefCell::default(),
        };
        if let Some(tables) = item.as_array_of_tables() {
            let each = |(index, table): (usize, &'a toml_edit::Table)| section(index, at(table.span()), table);
            tables.iter().enumerate().map(each).collect()
        } else {
            self.reader.report(
                self.reader.file(at(item.span())),
                &path,
                format!("must be written as [[{key}]] tables"),
            );
            Vec::new()
        }
    }

    /// The text under `key`.
    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        let (value, place) = self.value(key)?;
        match value.as_str() {
            Some(text) => Some(text.to_owned()),
            None => self.wrong(place, key, "must be text in quotes"),
        }
    }

    /// The text under `key`, parsed; `expected` completes the sentence "must be".
    pub(super) fn parsed<T: FromStr<Err: fmt::Display>>(&self, key: &'static str, expected: &str) -> Option<T> {
        let (value, place) = self.value(key)?;
        let text = value.as_str().map_or_else(|| value.to_string().trim().to_owned(), str::to_owned);
        match text.parse() {
            Ok(parsed) => Some(parsed),
            Err(error) => self.wrong(place, key, format!("must be {expected}, not {text:?} ({error})")),
        }
    }

    /// The whole number under `key`.
    pub(super) fn integer<T>(&self, key: &'static str, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + fmt::Display,
    {
        let (value, place) = self.value(key)?;
        let number = value.as_integer().and_then(|n| T::try_from(n).ok()).filter(|n| range.contains(n));
        let expected = || format!("must be a whole number from {} to {}", range.start(), range.end());
        number.map_or_else(|| self.wrong(place, key, expected()), Some)
    }

    /// Yes or no under `key`.
    pub(super) fn boolean(&self, key: &'static str) -> Option<bool> {
        let (value, place) = self.value(key)?;
        value.as_bool().map_or_else(|| self.wrong(place, key, "must be true or false"), Some)
    }

    /// Several texts under `key`, each parsed. A single text counts as its comma-separated parts, which is how a list
    /// comes from the environment.
    pub(super) fn list<T: FromStr<Err: fmt::Display>>(&self, key: &'static str, expected: &str) -> Option<Vec<T>> {
        let (value, place) = self.value(key)?;
        let texts: Vec<String> = match &value {
            Value::Array(array) => array.iter().map(plain).collect(),
            scalar @ (Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::InlineTable(_)) => plain(scalar).split(',').map(|part| part.trim().to_owned()).collect(),
        };
        if texts.is_empty() {
            return self.wrong(place, key, format!("must be a list of {expected}, at least one"));
        }
        let mut parsed = Vec::new();
        for text in texts {
            match text.parse() {
                Ok(one) => parsed.push(one),
                Err(error) => {
                    return self.wrong(place, key, format!("must be a list of {expected}; {text:?} is none ({error})"));
                }
            }
        }
        Some(parsed)
    }

    /// A pair of whole numbers under `key`: `[first, last]`, `{ first = .., last = .. }` or `"first-last"`.
    pub(super) fn pair(&self, key: &'static str) -> Option<(u16, u16)> {
        let (value, place) = self.value(key)?;
        let number = |v: &Value| v.as_integer().and_then(|n| u16::try_from(n).ok());
        let pair = if let Some(array) = value.as_array().filter(|array| array.len() == 2) {
            array.get(0).and_then(number).zip(array.get(1).and_then(number))
        } else if let Some(table) = value.as_inline_table() {
            table.get("first").and_then(number).zip(table.get("last").and_then(number))
        } else {
            value.as_str().and_then(|text| {
                let (first, last) = text.split_once(['-', ','])?;
                first.trim().parse().ok().zip(last.trim().parse().ok())
            })
        };
        pair.map_or_else(|| self.wrong(place, key, "must be two port numbers, as in [20000, 29999]"), Some)
    }

    /// Reports something wrong with `key` that only the caller can judge.
    pub(super) fn reject(&self, key: &'static str, message: impl Into<String>) {
        let place = self.value(key).map_or_else(|| self.reader.file(self.line), |(_, place)| place);
        self.reader.report(place, &self.dotted(key), message);
    }

    /// Reports `key` as missing, unless it is there and was reported as wrong.
    pub(super) fn missing(&self, key: &'static str, message: &str) {
        if self.table.is_some_and(|t| t.contains_key(key)) || self.is_overridden(key) {
            return;
        }
        self.reader.report(self.reader.file(self.line), &self.dotted(key), format!("is missing: {message}"));
    }

    /// Reports keys of this table that nothing asked for; call it when the table is read.
    pub(super) fn done(&self) {
        let Some(table) = self.table else { return };
        let known = self.known.borrow();
        for (key, item) in table.iter().filter(|(key, _)| !known.contains(key)) {
            let span = table.key(key).and_then(toml_edit::Key::span).or_else(|| item.span());
            let line = span.map_or(self.line, |s| line_of(&self.reader.text, s.start));
            let list: Vec<_> = known.iter().copied().collect();
            let message = format!("is no key here; there are: {}", list.join(", "));
            self.reader.report(self.reader.file(line), &self.dotted(key), message);
        }
    }

    /// The value under `key`, the environment's before the file's.
    fn value(&self, key: &'static str) -> Option<(Value, Place)> {
        self.known.borrow_mut().insert(key);
        let name = self.variable(&self.dotted(key));
        if let Some(text) = self.reader.variables.get(&name) {
            self.reader.read_variables.borrow_mut().insert(name.clone());
            let value = text.parse::<Value>().unwrap_or_else(|_| Value::from(text.as_str()));
            return Some((value, Place::Variable(name)));
        }
        let table = self.table?;
        let item = table.get(key)?;
        let span = table.key(key).and_then(toml_edit::Key::span).or_else(|| item.span());
        let place = self.reader.file(span.map_or(self.line, |s| line_of(&self.reader.text, s.start)));
        match item.as_value() {
            Some(value) => Some((value.clone(), place)),
            None => self.wrong(place, key, "must be a value, not a table"),
        }
    }

    fn is_overridden(&self, key: &str) -> bool {
        self.reader.variables.contains_key(&self.variable(&self.dotted(key)))
    }

    fn wrong<T>(&self, place: Place, key: &str, message: impl Into<String>) -> Option<T> {
        self.reader.report(place, &self.dotted(key), message);
        None
    }

    fn dotted(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn variable(&self, dotted: &str) -> String {
        format!("{ENV_PREFIX}{}", dotted.replace('.', "__").to_uppercase())
    }
}

/// A scalar without its quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string().trim().to_owned(), str::to_owned)
}
