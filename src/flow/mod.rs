//! The spoken exchange with a caller: parsed flow, state machine, numerals, read-back. Never touches audio.

mod intent;
mod prompts;

pub use intent::{Intent, command, emergency, yes_or_no};
pub use prompts::{Interruptible, Prompt, PromptBook, PromptBookError, PromptId};

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
}

/// The line, from 1, in which the byte at `offset` stands.
fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|b| *b == b'\n').count()
}
