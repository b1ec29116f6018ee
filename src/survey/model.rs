//! A questionnaire as parsed: questions in order, every reference resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::answer::Value;
use crate::flow::PromptId;

/// Longest voice remark.
pub const REMARK_MAX: std::time::Duration = std::time::Duration::from_secs(60);

/// The levels of a rating: 1 is the worst, 5 the best, whatever the keys say.
pub const LEVELS: u8 = 5;

/// A questionnaire's version: SHA-256 of its file, in hexadecimal. What was asked can be told from it for ever.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SurveyHash(pub String);

impl fmt::Display for SurveyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One questionnaire, as a file describes it. Made by [`Survey::parse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Its name: `callback`.
    pub name: String,
    /// What results are headed with.
    pub title: String,
    /// Its version.
    pub hash: SurveyHash,
    /// The file itself.
    pub body: String,
    /// The greeting and the recording notice: heard first and to its end.
    pub notice: Vec<PromptId>,
    /// Who rings and about which case (N14).
    pub opening: Vec<Say>,
    /// The same for a number without a case.
    pub opening_without_case: Vec<Say>,
    /// Ends a whole interview.
    pub thanks: Vec<PromptId>,
    /// Said to who asks not to be rung again (R7.8).
    pub no_more: Vec<PromptId>,
    /// Said to who wants a person, who rings back.
    pub person: Vec<PromptId>,
    /// Said when a question is passed over.
    pub pass: Vec<PromptId>,
    /// The questions in their order; none is empty.
    pub questions: Vec<Question>,
    /// Where each top-level key stands in the file, for [`check`](super::check()).
    pub(super) lines: BTreeMap<&'static str, usize>,
}

/// Something to say: a prompt, or a fact of the case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Say {
    /// A prompt of the book.
    Prompt(PromptId),
    /// A fact of the case, said where there is one.
    Fact(Fact),
}

/// A fact of the case that is said within a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// Its number, digit by digit.
    Case,
    /// The day it was opened.
    Date,
    /// Who answered for it.
    Unit,
    /// The last day of the promise.
    Promise,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Its name in results and in the database.
    pub id: String,
    /// Its line in the file, from 1.
    pub line: usize,
    /// What results are headed with.
    pub title: String,
    /// What is said.
    pub say: Vec<Say>,
    /// How it is answered.
    pub kind: Kind,
    /// Passed over where there is no case.
    pub needs_case: bool,
    /// Whether it counts for whether an interview is complete.
    pub counts: bool,
    /// What figure it makes, if any.
    pub measure: Option<Measure>,
    /// Answers that reopen the case (R7.13).
    pub reopens: BTreeSet<String>,
    /// Where certain answers lead, instead of to the next question.
    pub go: BTreeMap<String, Goto>,
}

/// How a question is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// On a scale of [`LEVELS`], by key or label. Which end the keys begin at is drawn for each call (N1).
    Rating {
        /// The labels with their keys: key 1 is the worst.
        up: Vec<PromptId>,
        /// The same, turned round: key 1 is the best.
        down: Vec<PromptId>,
    },
    /// Yes by key 1, no by key 2.
    YesNo,
    /// One of several, by key or word. Their order, and so their keys, is drawn for each call.
    Choice {
        /// The options as the file lists them.
        options: Vec<ChoiceOption>,
        /// "Press N", for the first option, the second and so on.
        keys: Vec<PromptId>,
    },
    /// A number; keys are its digits.
    Number {
        /// Least.
        min: u32,
        /// Greatest.
        max: u32,
        /// What `#` means by itself, without digits.
        hash: Option<u32>,
    },
    /// A recording of up to [`REMARK_MAX`].
    Remark,
}

/// One option of a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChoiceOption {
    /// As stored.
    pub code: String,
    /// Its label.
    pub say: PromptId,
    /// Words that mean it.
    pub words: Vec<String>,
}

/// Where an answer leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goto {
    /// To the question at this place.
    Question(usize),
    /// To the thanks.
    End,
}

/// What figure a question makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// 响应: somebody got in touch.
    Responded,
    /// 解决: it is solved.
    Solved,
    /// 承诺: the promised date was kept (N13).
    Kept,
    /// 态度: satisfied with the manner.
    Attitude,
    /// 满意: satisfied on the whole.
    Satisfied,
    /// Ways made in vain and otherwise (N12).
    Trips,
    /// Somebody asked for certain answers (N1).
    Coached,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Responded, Self::Solved, Self::Kept, Self::Attitude, Self::Satisfied, Self::Trips, Self::Coached];

    /// As a questionnaire writes it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Responded => "responded",
            Self::Solved => "solved",
            Self::Kept => "kept",
            Self::Attitude => "attitude",
            Self::Satisfied => "satisfied",
            Self::Trips => "trips",
            Self::Coached => "coached",
        }
    }

    /// The measure so written.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.code() == code)
    }
}

impl Kind {
    /// As a questionnaire writes it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Rating { .. } => "rating",
            Self::YesNo => "yes_no",
            Self::Choice { .. } => "choice",
            Self::Number { .. } => "number",
            Self::Remark => "remark",
        }
    }

    /// Whether answers are numbers of which a mean makes sense.
    pub fn numeric(&self) -> bool {
        matches!(self, Self::Rating { .. } | Self::Number { .. })
    }

    /// The answer that is stored as `code`; `None` where it is none of this kind.
    pub fn value(&self, code: &str) -> Option<Value> {
        match self {
            Self::Rating { .. } => code.parse().ok().filter(|level| (1..=LEVELS).contains(level)).map(Value::Rating),
            Self::YesNo => match code {
                "yes" => Some(Value::YesNo(true)),
                "no" => Some(Value::YesNo(false)),
                _ => None,
            },
            Self::Choice { options, .. } => {
                options.iter().find(|o| o.code == code).map(|o| Value::Choice(o.code.clone()))
            }
            Self::Number { min, max, .. } => code.parse().ok().filter(|n| (*min..=*max).contains(n)).map(Value::Number),
            Self::Remark => (code == "remark").then_some(Value::Remark),
        }
    }
}

impl Survey {
    /// `callback@1f3c…`: what is stored with a call.
    pub fn label(&self) -> String {
        format!("{}@{}", self.name, &self.hash.0[..8.min(self.hash.0.len())])
    }

    /// The question of this name, with its place.
    pub fn question(&self, id: &str) -> Option<(usize, &Question)> {
        self.questions.iter().enumerate().find(|(_, q)| q.id == id)
    }
}
