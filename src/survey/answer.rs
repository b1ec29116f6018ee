//! What a person answered, as it is stored.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// An answer's value, whatever keys or words gave it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// A level from 1, the worst, to [`LEVELS`](super::LEVELS), the best.
    Rating(u8),
    /// Yes or no.
    YesNo(bool),
    /// An option's code.
    Choice(String),
    /// A number.
    Number(u32),
    /// A remark, which is in the recording.
    Remark,
}

/// By what it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A key.
    Key,
    /// Words.
    Speech,
    /// A person who rang back and wrote it down.
    Person,
}

/// One answer to one question. A later answer to the same question takes its place; both are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The question's name.
    pub question: String,
    /// What was answered.
    pub value: Value,
    /// By what.
    pub mode: Mode,
    /// From the question's end to the first key or sound; `None`: over the question, or not known.
    pub latency: Option<Duration>,
    /// When.
    pub at: DateTime<Utc>,
    /// Whether the case is to be worked on again for it (R7.13).
    pub reopens: bool,
}

impl fmt::Display for Value {
    /// As stored.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rating(level) => write!(f, "{level}"),
            Self::YesNo(true) => f.write_str("yes"),
            Self::YesNo(false) => f.write_str("no"),
            Self::Choice(code) => f.write_str(code),
            Self::Number(number) => write!(f, "{number}"),
            Self::Remark => f.write_str("remark"),
        }
    }
}

impl Mode {
    /// The mode with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Key, Self::Speech, Self::Person].into_iter().find(|mode| mode.code() == code)
    }

    /// As stored.
    pub fn code(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Speech => "speech",
            Self::Person => "person",
        }
    }
}
