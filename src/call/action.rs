//! What a call wants done.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::input::{AskId, PlayId};
use crate::cases::CaseDraft;
use crate::flow::{Expect, PromptId};
use crate::ids::CaseNumber;
use crate::survey::Answer;

/// Something for the shells to do, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Answer the call (200 OK).
    Answer,
    /// Play these one after the other; replaces what is being played.
    Play {
        /// Comes back in [`Input::PlaybackDone`](super::Input::PlaybackDone).
        id: PlayId,
        /// What.
        prompts: Vec<PromptId>,
        /// In the slower and louder rendering (R3.4).
        slow: bool,
    },
    /// Stop what is being played, at once.
    StopPlay,
    /// Begin to record. Never before the notice was heard to its end (R12.1).
    StartRecording,
    /// Keep the caller's audio so that utterances can be taken from it, or stop keeping it.
    Listen(bool),
    /// Recognise what the caller said between two media times.
    Recognise {
        /// Comes back with the answer.
        ask: AskId,
        /// Beginning, as media time.
        from: Duration,
        /// End, as media time.
        to: Duration,
        /// What is likely.
        expect: Expect,
        /// An answer after this long is useless: say [`TooLate`](super::Nothing::TooLate) instead.
        within: Duration,
    },
    /// Make the case durable, then say so with [`Input::CaseOpened`](super::Input::CaseOpened).
    OpenCase(CaseDraft),
    /// Make the answer durable, before anything else is done.
    KeepAnswer(Answer),
    /// Look the case up, then answer with [`Input::Progress`](super::Input::Progress).
    LookUp(CaseNumber),
    /// Take back what the caller answered to our survey; say with [`Input::Withdrawn`](super::Input::Withdrawn) whether that
    /// is durable.
    Withdraw,
    /// Fetch the interview that the caller was asked for, and give it to [`Call::retake`](super::Call::retake), or say
    /// [`Input::NotRetaken`](super::Input::NotRetaken).
    Retake,
    /// Put the other side through to a person; say with [`Input::Transferred`](super::Input::Transferred) how it went.
    Transfer,
    /// Ask the desk for a person; what it says comes as [`Input::Queued`](super::Input::Queued) and those after it.
    SeekPerson,
    /// The caller waits for no person any more.
    LeaveDesk,
    /// The call is over: send BYE, unless the reason is that the caller ended it. Nothing follows.
    HangUp(EndReason),
    /// Keep this in the call's timeline.
    Note(TimelineEvent),
}

/// Why a call ended, as stored with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The caller hung up.
    Caller,
    /// The flow came to its end.
    Flow,
    /// The caller gave up before the answer.
    Cancelled,
    /// No person answered our call, but a machine, the network or a tone.
    Machine,
    /// No RTP came for too long.
    NoRtp,
    /// The call reached its longest duration.
    MaxDuration,
    /// The gateway shut down.
    Drain,
    /// The recording notice could not be played, so nothing may be recorded and nothing asked.
    Error,
}

impl EndReason {
    /// As stored and as in the JSON interface.
    pub fn code(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Flow => "flow",
            Self::Cancelled => "cancelled",
            Self::Machine => "machine",
            Self::NoRtp => "no_rtp",
            Self::MaxDuration => "max_duration",
            Self::Drain => "drain",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// One thing worth seeing on the call's time axis.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineEvent {
    /// Since the answer; zero before it.
    pub at: Duration,
    /// What kind.
    pub kind: EventKind,
    /// Its particulars, as a JSON object. May hold the caller's words and keys: never logged.
    pub detail: Value,
}

/// The kinds of timeline event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The flow entered a state.
    State,
    /// Prompts began to play.
    Prompt,
    /// A key.
    Key,
    /// An utterance was sent to the recogniser.
    Asked,
    /// The recogniser's words, or why there are none.
    Heard,
    /// A case was asked for or opened.
    Case,
    /// Hold began or ended.
    Hold,
    /// Anything else worth seeing.
    Note,
}

impl EventKind {
    /// As stored and as in the JSON interface.
    pub fn code(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Prompt => "prompt",
            Self::Key => "key",
            Self::Asked => "asked",
            Self::Heard => "heard",
            Self::Case => "case",
            Self::Hold => "hold",
            Self::Note => "note",
        }
    }
}
