//! Where a call is within its present turn. Each phase owns what only it needs.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::input::{AskId, PlayId};
use super::seeking::Seeking;
use crate::flow::{Event, Interruptible, Listening, PromptId, Then};

#[derive(Debug)]
pub(super) enum Phase {
    /// Not answered.
    Ringing,
    /// The recording notice plays; nothing else counts.
    Notice { play: PlayId, tries: u8 },
    /// The gateway speaks.
    Saying(Saying),
    /// The caller's turn, and silence so far.
    Waiting { listening: Listening, quiet_until: Instant },
    /// The caller speaks.
    Speaking(Utterance),
    /// The caller paused, perhaps at the end.
    Pausing { utterance: Utterance, to: Duration, until: Instant },
    /// The caller keys a number.
    Keying { listening: Listening, digits: String, until: Instant },
    /// The recogniser works.
    Asking(Asking),
    /// A message is taken.
    Message { until: Instant, ends: Instant },
    /// The store works.
    AtStore { request: Request, until: Instant },
    /// The other side is with a person, or on the way to one.
    AtPerson,
    /// A person is sought, or talks.
    Person(Seeking),
    /// The call has ended.
    Over,
}

/// A turn being spoken, in runs of prompts that the same things interrupt.
#[derive(Debug)]
pub(super) struct Saying {
    pub(super) play: PlayId,
    /// What stops the run that plays.
    pub(super) stops: Interruptible,
    /// Runs after it.
    pub(super) rest: VecDeque<Run>,
    pub(super) then: Then,
    /// The caller speaks over it: since when, and when that counts as barge-in.
    pub(super) over: Option<(Duration, Instant)>,
}

/// Prompts played without a gap.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) prompts: Vec<PromptId>,
    pub(super) stops: Interruptible,
}

/// One utterance, from its first sound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Utterance {
    pub(super) listening: Listening,
    /// Its beginning, as media time.
    pub(super) from: Duration,
    /// When we learned of it.
    pub(super) since: Instant,
    /// When silence would have run out, had nothing been said.
    pub(super) quiet_until: Instant,
}

/// An utterance at the recogniser.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) utterance: Utterance,
    pub(super) ask: AskId,
    /// Its end, as media time.
    pub(super) to: Duration,
    /// When the answer is given up.
    pub(super) until: Instant,
    pub(super) comfort: Comfort,
}

/// "One moment, please": said when the recogniser takes long, so that nobody asks whether we are still there.
#[derive(Debug)]
pub(super) enum Comfort {
    Due(Instant),
    /// It plays; what the recogniser answered meanwhile waits for its end.
    Playing(PlayId, Option<Event>),
    Done,
}

/// What the store was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    OpenCase,
    LookUp,
    Withdraw,
    Retake,
}

impl Phase {
    /// When this phase ends by itself.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Ringing | Self::Notice { .. } | Self::AtPerson | Self::Person(_) | Self::Over => None,
            Self::Saying(saying) => saying.over.map(|(_, due)| due),
            Self::Waiting { quiet_until, .. } => Some(*quiet_until),
            Self::Speaking(utterance) => Some(utterance.longest()),
            Self::Asking(Asking { until, comfort, .. }) => match comfort {
                Comfort::Due(at) => Some(*at.min(until)),
                Comfort::Playing(..) | Comfort::Done => Some(*until),
            },
            Self::Pausing { until, .. }
            | Self::Keying { until, .. }
            | Self::Message { until, .. }
            | Self::AtStore { until, .. } => Some(*until),
        }
    }
}

impl Utterance {
    /// Longest utterance sent to the recogniser, whose window is 30 s; also the guard against a caller's hold music (P16).
    pub(super) const MAX: Duration = Duration::from_secs(28);

    /// When it is cut off.
    pub(super) fn longest(&self) -> Instant {
        self.since + Self::MAX
    }

    /// The media time that `now` is, as near as the news of the first sound allows.
    pub(super) fn media_time(&self, now: Instant) -> Duration {
        self.from + now.saturating_duration_since(self.since)
    }
}
