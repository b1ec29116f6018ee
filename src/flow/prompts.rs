//! The prompt book: every sentence and piece the gateway can say, by id, with its words and what may interrupt it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::line_of;

/// A prompt's name: lower-case, dot-separated; also its recording's file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PromptId(Arc<str>);

impl PromptId {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PromptId {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for PromptId {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for PromptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stops a prompt before its end (P14). Ordered: each also stops at what the one before it stops at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interruptible {
    /// Nothing: the recording notice is heard to its end.
    No,
    /// A key.
    Key,
    /// A key, or the caller's voice.
    Speech,
}

/// One prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// What is said, word for word: shown in transcripts.
    pub text: String,
    /// What stops it.
    pub interruptible: Interruptible,
}

/// All prompts by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PromptBook {
    prompts: BTreeMap<PromptId, Prompt>,
}

/// A prompt list that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PromptBookError {
    /// No TOML, or an entry without its keys.
    #[error("line {line}: {message}")]
    Syntax {
        /// Line in the file, from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// An id that stands twice.
    #[error("line {line}: prompt `{id}` is defined twice")]
    Twice {
        /// Line of the second one, from 1.
        line: usize,
        /// The id.
        id: PromptId,
    },
    /// An id that could not be a file name: not lower-case letters, digits, dots and underscores.
    #[error("line {line}: `{id}` is no prompt id: lower-case letters, digits, `.` and `_`")]
    BadId {
        /// Line, from 1.
        line: usize,
        /// The id.
        id: PromptId,
    },
}

impl PromptBook {
    /// Reads `prompts.toml`: entries `[[prompt]]` with `id`, `text`, `interruptible` and `group`.
    ///
    /// # Errors
    /// The first fault, with its line.
    pub fn parse(text: &str) -> Result<Self, PromptBookError> {
        let file: BookFile = toml::from_str(text).map_err(|e| PromptBookError::Syntax {
            line: e.span().map_or(1, |span| line_of(text, span.start)),
            message: e.message().to_owned(),
        })?;
        let mut prompts = BTreeMap::new();
        for entry in file.prompt {
            let line = line_of(text, entry.id.span().start);
            let id = PromptId::from(entry.id.into_inner());
            let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '_';
            if id.as_str().is_empty() || id.as_str().starts_with('.') || !id.as_str().chars().all(named) {
                return Err(PromptBookError::BadId { line, id });
            }
            let prompt = Prompt { text: entry.text, interruptible: entry.interruptible };
            if prompts.insert(id.clone(), prompt).is_some() {
                return Err(PromptBookError::Twice { line, id });
            }
        }
        Ok(Self { prompts })
    }

    /// The prompt with this id.
    pub fn prompt(&self, id: &PromptId) -> Option<&Prompt> {
        self.prompts.get(id)
    }

    /// Whether there is one with this id.
    pub fn has(&self, id: &PromptId) -> bool {
        self.prompts.contains_key(id)
    }

    /// Every id, in order.
    pub fn ids(&self) -> impl Iterator<Item = &PromptId> {
        self.prompts.keys()
    }

    /// What a sequence of prompts says; ids that are not in the book say nothing.
    pub fn text<'a>(&self, ids: impl IntoIterator<Item = &'a PromptId>) -> String {
        ids.into_iter().filter_map(|id| self.prompt(id)).map(|p| p.text.as_str()).collect()
    }
}

impl FromIterator<(PromptId, Prompt)> for PromptBook {
    fn from_iter<T: IntoIterator<Item = (PromptId, Prompt)>>(prompts: T) -> Self {
        Self { prompts: prompts.into_iter().collect() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BookFile {
    #[serde(default)]
    prompt: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: Spanned<String>,
    text: String,
    interruptible: Interruptible,
    /// Read, so that it may stand there; only people use it.
    #[serde(default, rename = "group")]
    _group: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTICE: &str =
        "[[prompt]]\nid = \"notice\"\ntext = \"本次通话会录音。\"\ninterruptible = \"no\"\ngroup = \"hotline\"\n";

    #[track_caller]
    fn refused(text: &str, message: &str) {
        assert_eq!(PromptBook::parse(text).expect_err("a fault").to_string(), message);
    }

    #[test]
    fn reads_id_words_and_interruption() {
        let book = PromptBook::parse(NOTICE).expect("a book");
        let notice = book.prompt(&"notice".into()).expect("the notice");
        assert_eq!((notice.text.as_str(), notice.interruptible), ("本次通话会录音。", Interruptible::No));
        assert_eq!(book.text(&["notice".into(), "gone".into()]), "本次通话会录音。");
    }

    #[test]
    fn faults_name_their_line() {
        refused(&format!("{NOTICE}\n{NOTICE}"), "line 8: prompt `notice` is defined twice");
        refused(
            &NOTICE.replace("\"notice\"", "\"../notice\""),
            "line 2: `../notice` is no prompt id: lower-case letters, digits, `.` and `_`",
        );
        let unknown = PromptBook::parse(&NOTICE.replace("\"no\"", "\"never\"")).expect_err("a fault").to_string();
        assert!(unknown.starts_with("line 4: unknown variant `never`"), "{unknown}");
    }
}
