//! What happens to a call.

use std::fmt;
use std::time::Duration;

use chrono::NaiveDate;

use crate::cases::ProgressAnswer;
use crate::directory::PostId;
use crate::flow::Rung;
use crate::ids::{CallId, CaseNumber, PhoneNumber};

/// What is known of a call when it rings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Our name for it.
    pub call: CallId,
    /// The line that was dialled, by its configured name.
    pub line: String,
    /// The signalled number; `None` where withheld.
    pub caller: Option<PhoneNumber>,
    /// Whether we rang that number lately.
    pub rung: Rung,
}

/// One playback, so that its end can be told from that of an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlayId(pub u32);

/// One question to the recogniser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AskId(pub u32);

/// How a key press reached us (P11); noted with the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// A telephone-event in RTP (RFC 4733).
    Rtp,
    /// A SIP INFO request.
    Info,
    /// Tones in the audio.
    InBand,
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rtp => "rtp",
            Self::Info => "info",
            Self::InBand => "in_band",
        })
    }
}

/// Why an utterance yielded no words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nothing {
    /// The deadline passed.
    TooLate,
    /// The queue was full.
    Busy,
    /// There were no words in it: noise, a cough.
    Empty,
    /// The recogniser failed.
    Failed,
}

impl fmt::Display for Nothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLate => "too_late",
            Self::Busy => "busy",
            Self::Empty => "empty",
            Self::Failed => "failed",
        })
    }
}

/// An event of the call. Times named `at` are media times: spans since the media session opened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The call record is on disk: the call may be answered.
    Start,
    /// The answer is confirmed and audio may flow.
    Answered,
    /// The peer put us on hold, or took us back.
    StreamChanged {
        /// Whether the peer receives nothing or sends nothing.
        held: bool,
    },
    /// A key was pressed: `0` to `9`, `*`, `#`, `A` to `D`.
    Digit {
        /// The key.
        key: char,
        /// How it came.
        source: KeySource,
    },
    /// The caller began to speak.
    SpeechStarted {
        /// When, as media time.
        at: Duration,
    },
    /// The caller paused.
    SpeechEnded {
        /// When the last sound ended, as media time.
        at: Duration,
    },
    /// A playback ended.
    PlaybackDone {
        /// Which.
        id: PlayId,
        /// Whether it was stopped before its end.
        interrupted: bool,
    },
    /// The recogniser's answer.
    Heard {
        /// To which question.
        ask: AskId,
        /// The words.
        text: String,
        /// 0 to 1, from token probabilities (P3).
        confidence: f32,
    },
    /// The recogniser has no answer.
    HeardNothing {
        /// To which question.
        ask: AskId,
        /// Why.
        why: Nothing,
    },
    /// The case is durable: its number may be spoken.
    CaseOpened {
        /// Its number.
        number: CaseNumber,
        /// Its first owner.
        owner: PostId,
        /// The last day of the promise.
        due_on: NaiveDate,
    },
    /// The case could not be made durable: no number may be spoken.
    CaseFailed,
    /// The answer to [`LookUp`](super::Action::LookUp): `None` where no such case is known.
    Progress(Option<ProgressAnswer>),
    /// The case could not be looked up.
    ProgressFailed,
    /// Whether the caller's answers to our survey are durably taken back.
    Withdrawn(bool),
    /// The interview cannot be had again; where it can, [`Call::retake`](super::Call::retake) is called.
    NotRetaken,
    /// [`Transfer`](super::Action::Transfer) is over: `true` where the other side spoke with a person.
    Transferred(bool),
    /// The caller waits for a person.
    Queued {
        /// So many callers are before.
        ahead: usize,
        /// The likely wait.
        wait: Duration,
        /// Whether to offer to leave a message instead.
        offer: bool,
    },
    /// No person will come.
    NobodyReady,
    /// A person talks with the caller, for the first time or again.
    PersonAnswered,
    /// The person lets the caller wait; `held`: by choice, else because of a fault or for a colleague.
    PersonAway {
        /// Which it is.
        held: bool,
    },
    /// The person ended the talk.
    PersonLeft,
    /// No valid RTP for too long, and not on hold (P20).
    MediaSilent,
    /// No person answered our call: a machine, an announcement of the network, a tone.
    NobodyThere,
    /// The caller hung up, or gave up before the answer.
    HungUp,
    /// The gateway shuts down: say goodbye and end (P24).
    Drain,
    /// [`Call::poll_timeout`](super::Call::poll_timeout) has come.
    Timeout,
}
