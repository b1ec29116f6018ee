//! Why a call of ours came to nothing, in the words that decide what happens next (P27). Pure.

use std::fmt;

use super::SipError;
use crate::call::Barred;

/// What became of a call that nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The telephone is in use.
    Busy,
    /// It rang, and nobody took it.
    NoAnswer,
    /// Somebody or something at the far end turned the call away.
    Declined,
    /// The telephone is switched off, out of reach or out of order.
    Unreachable,
    /// There is no such number, or it is no longer in use.
    Gone,
    /// The far end wants us to call elsewhere, which we never do (S8).
    Redirected,
    /// The trunk could not or would not carry the call; the number was not tried.
    Trunk,
    /// It must not be rung, or not now: nothing was sent.
    Barred(Barred),
    /// Every trunk was down or full: nothing was sent.
    NoRoom,
    /// We gave up before anything else happened.
    Withdrawn,
}

impl Failure {
    /// What an error of [`Endpoint::call`](super::Endpoint::call) means. The network's own cause, where it came through, goes
    /// before the SIP status, which stands for several causes (RFC 3398 §8.2.6.1).
    pub fn of(error: &SipError) -> Self {
        match error {
            SipError::Refused { status, cause, .. } => cause.and_then(of_cause).unwrap_or_else(|| of_status(*status)),
            SipError::NoAnswer => Self::NoAnswer,
            SipError::Cancelled | SipError::Ended => Self::Withdrawn,
            SipError::Unresponsive
            | SipError::Connect { .. }
            | SipError::Listen { .. }
            | SipError::NoListener
            | SipError::Tls(_)
            | SipError::Uri { .. }
            | SipError::NoTransport(_)
            | SipError::Malformed(_)
            | SipError::Sdp(_) => Self::Trunk,
        }
    }

    /// As stored and counted.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Declined => "declined",
            Self::Unreachable => "unreachable",
            Self::Gone => "gone",
            Self::Redirected => "redirected",
            Self::Trunk => "trunk",
            Self::Barred(_) => "barred",
            Self::NoRoom => "no_room",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// ITU-T Q.850 (2018) table 1, as far as it says something of the called telephone.
fn of_cause(cause: u8) -> Option<Failure> {
    match cause {
        17 => Some(Failure::Busy),
        18 | 19 => Some(Failure::NoAnswer),
        21 | 55 | 57 => Some(Failure::Declined),
        20 | 27 => Some(Failure::Unreachable),
        1 | 22 | 28 => Some(Failure::Gone),
        2 | 3 | 34 | 38 | 41..=44 | 47 => Some(Failure::Trunk),
        _ => None,
    }
}

/// RFC 3261 §21, the other way round from RFC 3398 §7.2.4.1.
fn of_status(status: u16) -> Failure {
    match status {
        300..=399 => Failure::Redirected,
        486 | 600 => Failure::Busy,
        408 | 480 | 487 => Failure::NoAnswer,
        // RFC 8197, RFC 8688.
        603 | 607 | 608 => Failure::Declined,
        502 => Failure::Unreachable,
        404 | 410 | 484 | 604 => Failure::Gone,
        _ => Failure::Trunk,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, cause: Option<u8>, expected: Failure) {
        let refused = SipError::Refused { status, reason: String::new(), cause };
        assert_eq!(Failure::of(&refused), expected, "{status} {cause:?}");
    }

    #[test]
    fn statuses() {
        check(486, None, Failure::Busy);
        check(480, None, Failure::NoAnswer);
        check(603, None, Failure::Declined);
        check(404, None, Failure::Gone);
        check(302, None, Failure::Redirected);
        check(403, None, Failure::Trunk);
        check(503, None, Failure::Trunk);
        check(488, None, Failure::Trunk);
    }

    #[test]
    fn the_networks_cause_goes_first() {
        check(480, Some(20), Failure::Unreachable);
        check(403, Some(21), Failure::Declined);
        check(404, Some(34), Failure::Trunk);
        check(486, Some(127), Failure::Busy);
    }
}
