//! Speech to text with Whisper on this machine, and the rules that make its text trustworthy.
//!
//! A channel of a call goes this way: [`talkspurt`] finds where somebody speaks, [`utterance`] cuts and readies it, a
//! [`recogniser`] (today [`whisper`]) turns it into text, [`guard`] keeps out what nobody said, [`simplified`] and [`numbers`]
//! give it its form; [`choice`] understands one word where only a few make sense. [`service`] does this on threads of its own, answers before finished calls.
//!
//! Invariants: no audio leaves the machine; silence, tones and noise never reach the model; the same audio gives the same
//! text; whatever is dropped is counted. Punctuation is Whisper's own, and only for the eye: nothing decides by it.

pub mod bench;
#[cfg(test)]
mod calibration;
pub mod choice;
pub mod guard;
pub mod level;
pub mod model;
pub mod numbers;
pub mod queue;
pub mod recogniser;
pub mod resample;
pub mod service;
pub mod simplified;
pub mod stats;
pub mod talkspurt;
mod transcriber;
pub mod utterance;
pub mod voice;
pub mod whisper;

#[cfg(test)]
mod signals;

pub use self::service::{Heard, Segment, Speech, SpeechConfig, SpeechError};
pub use self::stats::SpeechStats;

/// Tells Whisper that simplified Mandarin follows. A hint only: [`simplified`] makes sure.
const PROMPT: &str = "以下是普通话的句子。";

/// The same as [`guard`] compares text.
const PROMPT_BARE: &str = "以下是普通话的句子";

/// What an answer should hold: the form of its text, and for a single word what it is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    #[default]
    Free,
    /// Yes or no.
    YesNo,
    /// A number read out digit by digit: a telephone number, a case number.
    Digits,
    /// One of the labels of a scale of satisfaction, or the digit of its key.
    Rating,
}
