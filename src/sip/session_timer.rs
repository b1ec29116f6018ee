//! Session timers (RFC 4028): noticing that the peer is gone. Pure.

use std::time::{Duration, Instant};

/// The shortest interval that RFC 4028 §4 recommends to agree to.
pub(super) const MIN_SE: Duration = Duration::from_secs(90);

/// Who sends the refreshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refresher {
    /// We do.
    Us,
    /// The peer does.
    Peer,
}

/// What an INVITE or UPDATE says of session timers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TimerOffer {
    /// `timer` in Supported.
    pub(super) supported: bool,
    /// Session-Expires.
    pub(super) interval: Option<Duration>,
    /// The `refresher` parameter: `uac` is whoever sent the request.
    pub(super) refresher_is_uac: Option<bool>,
    /// Min-SE.
    pub(super) min_se: Option<Duration>,
}

impl TimerOffer {
    /// Reads the header fields; what cannot be read counts as absent.
    pub(super) fn parse(supported: bool, session_expires: Option<&str>, min_se: Option<&str>) -> Self {
        let seconds = |text: &str| text.trim().parse::<u32>().ok().map(|s| Duration::from_secs(u64::from(s)));
        let mut parts = session_expires.unwrap_or_default().split(';');
        let interval = parts.next().and_then(seconds);
        let refresher_is_uac = parts.find_map(|param| {
            let (name, value) = param.split_once('=')?;
            let is = |who: &str| value.trim().eq_ignore_ascii_case(who);
            (name.trim().eq_ignore_ascii_case("refresher") && (is("uac") || is("uas"))).then(|| is("uac"))
        });
        let min_se = min_se.and_then(|text| text.split(';').next()).and_then(seconds);
        Self { supported, interval, refresher_is_uac, min_se }
    }
}

/// The intervals that we want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Our own choice; the peer may make it shorter.
    pub(super) wanted: Duration,
    /// The shortest that we agree to.
    pub(super) min: Duration,
}

/// A session timer agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SessionTimer {
    /// Session-Expires.
    pub(super) interval: Duration,
    /// Who refreshes.
    pub(super) refresher: Refresher,
    refreshed: Instant,
}

/// What is due next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Send a refresh.
    Refresh(Instant),
    /// Give the call up.
    Expire(Instant),
}

impl SessionTimer {
    /// What we agree to as user agent server, or `Err` with the Min-SE for a 422 (RFC 4028 §9).
    ///
    /// A peer that does not know timers is refreshed by us: it answers a re-INVITE or does not.
    pub(super) fn agree(offer: TimerOffer, limits: Limits, now: Instant) -> Result<Self, Duration> {
        let Limits { wanted, min } = limits;
        if offer.supported && offer.interval.is_some_and(|interval| interval < min) {
            return Err(min);
        }
        let interval =
            offer.interval.map_or(wanted, |theirs| theirs.min(wanted)).max(offer.min_se.unwrap_or(min)).max(min);
        let peer_refreshes = offer.supported && offer.refresher_is_uac != Some(false);
        let refresher = if peer_refreshes { Refresher::Peer } else { Refresher::Us };
        Ok(Self { interval, refresher, refreshed: now })
    }

    /// What a 2xx to our own request agrees to (RFC 4028 §7.2); without Session-Expires there is no timer.
    pub(super) fn granted(answer: TimerOffer, limits: Limits, now: Instant) -> Option<Self> {
        let interval = answer.interval?.max(limits.min);
        let refresher = if answer.refresher_is_uac == Some(false) { Refresher::Peer } else { Refresher::Us };
        Some(Self { interval, refresher, refreshed: now })
    }

    /// The same timer, counting from `now`.
    pub(super) fn refreshed_at(self, now: Instant) -> Self {
        Self { refreshed: now, ..self }
    }

    /// The value of Session-Expires, `we_are_uac` in the transaction that carries it.
    pub(super) fn header(&self, we_are_uac: bool) -> String {
        let uac = (self.refresher == Refresher::Us) == we_are_uac;
        format!("{};refresher={}", self.interval.as_secs(), if uac { "uac" } else { "uas" })
    }

    /// When something is due: a refresh at half the interval, else the end a little before it (RFC 4028 §10).
    pub(super) fn due(&self) -> Due {
        match self.refresher {
            Refresher::Us => Due::Refresh(self.refreshed + self.interval / 2),
            Refresher::Peer => Due::Expire(self.expiry()),
        }
    }

    /// When the call ends unless a refresh comes through.
    pub(super) fn expiry(&self) -> Instant {
        self.refreshed + self.interval - (self.interval / 3).min(Duration::from_secs(32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic;

    const LIMITS: Limits = Limits { wanted: Duration::from_secs(1800), min: MIN_SE };

    fn offer(supported: bool, session_expires: &str, min_se: &str) -> TimerOffer {
        TimerOffer::parse(supported, Some(session_expires), Some(min_se))
    }

    #[test]
    fn what_is_agreed_as_server() {
        let now = monotonic(); // Only an origin: nothing below sleeps.
        let check = |offer, expected: Result<(u64, Refresher, &str), u64>| {
            let agreed = SessionTimer::agree(offer, LIMITS, now);
            let got = agreed.map(|t| (t.interval.as_secs(), t.refresher, t.header(false))).map_err(|min| min.as_secs());
            assert_eq!(got, expected.map(|(s, who, header)| (s, who, header.to_owned())), "{offer:?}");
        };
        use Refresher::{Peer, Us};
        check(TimerOffer::default(), Ok((1800, Us, "1800;refresher=uas")));
        check(offer(true, "", ""), Ok((1800, Peer, "1800;refresher=uac")));
        check(offer(true, "600", ""), Ok((600, Peer, "600;refresher=uac")));
        check(offer(true, "600 ; refresher=UAS", ""), Ok((600, Us, "600;refresher=uas")));
        check(offer(false, "600;refresher=uac", ""), Ok((600, Us, "600;refresher=uas")));
        check(offer(true, "7200", ""), Ok((1800, Peer, "1800;refresher=uac")));
        check(offer(true, "7200", "3600"), Ok((3600, Peer, "3600;refresher=uac")));
        check(offer(true, "89", ""), Err(90));
        check(offer(true, "90", ""), Ok((90, Peer, "90;refresher=uac")));
        check(offer(false, "30", ""), Ok((90, Us, "90;refresher=uas")));
        check(offer(true, "99999999999", ""), Ok((1800, Peer, "1800;refresher=uac")));
    }

    #[test]
    fn refreshes_at_half_time_and_gives_up_before_the_end() {
        let now = monotonic(); // Only an origin: nothing below sleeps.
        let check = |interval: &str, refresher: &str, due: u64, expiry: u64| {
            let answer = offer(true, &format!("{interval};refresher={refresher}"), "");
            let timer = SessionTimer::granted(answer, LIMITS, now).expect("a timer");
            let at = match timer.due() {
                Due::Refresh(at) => (at, Refresher::Us),
                Due::Expire(at) => (at, Refresher::Peer),
            };
            assert_eq!(at, (now + Duration::from_secs(due), timer.refresher));
            assert_eq!(timer.expiry(), now + Duration::from_secs(expiry));
        };
        check("1800", "uac", 900, 1768);
        check("1800", "uas", 1768, 1768);
        check("90", "uas", 60, 60);
        assert_eq!(SessionTimer::granted(TimerOffer::default(), LIMITS, now), None);
    }
}
