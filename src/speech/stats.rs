//! What recognition has done so far, for metrics and the live board.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::guard::{Drops, Rule};

/// A snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpeechStats {
    /// Answers and utterances that wait.
    pub waiting: (usize, usize),
    /// Answers recognised, turned away for a full queue, and given up as late.
    pub answered: u64,
    pub busy: u64,
    pub late: u64,
    /// Captions of calls in progress recognised, and left out for want of a spare worker.
    pub captions: u64,
    pub captions_skipped: u64,
    /// Utterances of finished calls recognised.
    pub utterances: u64,
    /// What was kept out, by rule.
    pub drops: Drops,
    /// Audio given to the recogniser, without padding.
    pub audio: Duration,
    /// Processor time that workers spent on it.
    pub work: Duration,
}

/// The counters behind it.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<SpeechStats>);

impl Counters {
    pub(super) fn snapshot(&self, waiting: (usize, usize)) -> SpeechStats {
        SpeechStats { waiting, ..self.lock().clone() }
    }

    pub(super) fn dropped(&self, rule: Rule, times: u64) {
        if times > 0 {
            *self.lock().drops.entry(rule).or_default() += times;
        }
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut SpeechStats)) {
        change(&mut self.lock());
    }

    /// Counters stay usable after a panic elsewhere: each change is complete in itself.
    fn lock(&self) -> MutexGuard<'_, SpeechStats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
