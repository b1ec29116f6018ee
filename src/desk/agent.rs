//! One operator: the states between coming and going.

use std::time::{Duration, Instant};

use crate::ids::CallId;

/// How long an operator is rung; then the call goes to the next, and the operator counts as busy.
pub const RING: Duration = Duration::from_secs(20);
/// How long an operator may write up a call before the next one.
pub const WRAP_UP: Duration = Duration::from_secs(60);
/// How long a call waits for an operator whose browser was lost; then it goes to the head of the queue.
pub const PARK: Duration = Duration::from_secs(30);

/// A user of the web view as an operator: the user's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentId(pub i64);

/// What an operator does. Whoever is not signed in has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// At the desk, and takes no calls.
    Busy,
    /// Takes the next call.
    Ready,
    /// Is rung.
    Ringing {
        /// For this call.
        call: CallId,
        /// At most until then.
        until: Instant,
    },
    /// Talks.
    Talking {
        /// In this call.
        call: CallId,
        /// The caller hears music, and nobody.
        held: bool,
    },
    /// Writes up the last call.
    WrapUp {
        /// At most until then.
        until: Instant,
    },
    /// The browser is gone in mid-call: the caller is asked to wait.
    Parked {
        /// This call.
        call: CallId,
        /// At most until then.
        until: Instant,
    },
}

impl State {
    /// The call that the operator has, or is rung for.
    pub fn call(self) -> Option<CallId> {
        match self {
            Self::Ringing { call, .. } | Self::Talking { call, .. } | Self::Parked { call, .. } => Some(call),
            Self::Busy | Self::Ready | Self::WrapUp { .. } => None,
        }
    }

    /// When it ends by itself.
    pub fn until(self) -> Option<Instant> {
        match self {
            Self::Ringing { until, .. } | Self::WrapUp { until } | Self::Parked { until, .. } => Some(until),
            Self::Busy | Self::Ready | Self::Talking { .. } => None,
        }
    }

    /// Whether the operator takes calls, now or after the present one.
    pub fn serves(self) -> bool {
        match self {
            Self::Ready | Self::Ringing { .. } | Self::Talking { .. } | Self::WrapUp { .. } => true,
            Self::Busy | Self::Parked { .. } => false,
        }
    }

    /// As told to browsers.
    pub fn code(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Ready => "ready",
            Self::Ringing { .. } => "ringing",
            Self::Talking { held: false, .. } => "talking",
            Self::Talking { held: true, .. } => "holding",
            Self::WrapUp { .. } => "wrap_up",
            Self::Parked { .. } => "parked",
        }
    }
}
