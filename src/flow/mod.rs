//! The spoken exchange with a caller: parsed flow, state machine, numerals, read-back. Never touches audio.
//!
//! [`Flow`] is a file of `config/flows`; [`check()`] finds what is wrong with it; [`Dialogue`] runs it. It is a machine of
//! turns: one [`Event`] in, one [`Turn`] out. Playing, listening and timing a turn is the business of [`crate::call`].

mod check;
mod dialogue;
#[cfg(test)]
pub(crate) mod example;
mod file;
mod intent;
mod model;
pub mod numerals;
mod prompts;
pub mod queue;
mod slots;
mod spoken;
mod tell;
pub(crate) mod vocabulary;

pub use check::check;
pub use dialogue::{Dialogue, Event, Keys, Listening, MAX_TURNS, OurCall, Rung, Then, Turn};
pub use intent::{Intent, command, emergency, greeting, satisfaction, yes_or_no};
pub use model::{Choice, Command, Field, Flow, Problem, State, StateId, Step, Timing};
pub use prompts::{Interruptible, Prompt, PromptBook, PromptBookError, PromptId};
pub use slots::CaseFacts;
pub use vocabulary::{MOMENT, vocabulary};

pub(crate) use spoken::digit_runs;
#[cfg(test)]
pub(crate) use spoken::is_phone;
pub(crate) use tell::{case_number, owner_name};

/// What an utterance is expected to hold: lets the recogniser prefer what fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expect {
    /// A request in the caller's own words.
    Request,
    /// A village, a street, a house number.
    Place,
    /// 对 or 不对, in their many wordings.
    YesNo,
    /// A string of digits.
    Digits,
    /// One of the labels of a scale from very satisfied to very dissatisfied, or its key.
    Rating,
}

/// The line, from 1, in which the byte at `offset` stands.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|b| *b == b'\n').count()
}
