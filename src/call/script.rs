//! What a call says and asks: the dialogue of a line, or an interview. Both are machines of turns.

use chrono::{DateTime, Utc};

use crate::cases::{CaseDraft, Origin};
use crate::flow::{CaseFacts, Dialogue, Event, Turn};
use crate::survey::{Answer, Interview};

/// What speaks in a call.
#[derive(Debug)]
pub(super) enum Script {
    /// A line's dialogue with somebody who rang.
    Dialogue(Box<Dialogue>),
    /// An interview with somebody whom we rang.
    Interview(Box<Interview>),
}

impl Script {
    pub(super) fn handle(&mut self, event: Event, wall: DateTime<Utc>) -> Turn {
        match self {
            Self::Dialogue(dialogue) => dialogue.handle(event, wall),
            Self::Interview(interview) => interview.handle(event, wall),
        }
    }

    pub(super) fn again(&mut self, wall: DateTime<Utc>) -> Turn {
        match self {
            Self::Dialogue(dialogue) => dialogue.again(wall),
            Self::Interview(interview) => interview.again(),
        }
    }

    pub(super) fn state(&self) -> &str {
        match self {
            Self::Dialogue(dialogue) => dialogue.state(),
            Self::Interview(interview) => interview.state(),
        }
    }

    pub(super) fn slow(&self) -> bool {
        match self {
            Self::Dialogue(dialogue) => dialogue.slow(),
            Self::Interview(interview) => interview.slow(),
        }
    }

    /// The window that was chosen, by its code.
    pub(super) fn window(&self) -> Option<i16> {
        match self {
            Self::Dialogue(dialogue) => dialogue.window().map(|window| window.0),
            Self::Interview(_) => None,
        }
    }

    /// Answers given since the last time.
    pub(super) fn take_answers(&mut self) -> Vec<Answer> {
        match self {
            Self::Dialogue(_) => Vec::new(),
            Self::Interview(interview) => interview.take_answers(),
        }
    }

    /// Whether a caller who leaves now is owed a case.
    pub(super) fn owes_case(&self) -> bool {
        match self {
            Self::Dialogue(dialogue) => dialogue.owes_case(),
            Self::Interview(_) => false,
        }
    }

    /// The case to open; an interview opens none.
    pub(super) fn draft(&mut self, facts: &CaseFacts, origin: Origin, wall: DateTime<Utc>) -> Option<CaseDraft> {
        match self {
            Self::Dialogue(dialogue) => Some(dialogue.draft(facts, origin, wall)),
            Self::Interview(_) => None,
        }
    }
}
