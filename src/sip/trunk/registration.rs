//! When to register, and what a registrar's answer changes (RFC 3261 §10). Pure.

use std::time::{Duration, Instant};

/// Shortest and longest wait after a failure; between them it doubles, and is spread (RFC 5626 §4.5).
const BACKOFF: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// Shortest time between two refreshes, whatever the registrar grants: no registrar makes us flood it.
const REFRESH_MIN: Duration = Duration::from_secs(5);
/// Longest that we register for, whatever a 423 asks.
const EXPIRES_MAX: Duration = Duration::from_secs(86_400);

/// One trunk's registration.
#[derive(Debug)]
pub(super) struct Registration {
    /// What we ask for.
    expires: Duration,
    /// Until when the registrar keeps us.
    until: Option<Instant>,
    failures: u32,
    next: Instant,
}

/// What a registrar said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// We are registered for so long.
    Granted(Duration),
    /// 423: ask for at least so long (RFC 3261 §10.2.8).
    TooBrief(Duration),
    /// Anything else, or nothing.
    Failed,
}

impl Registration {
    /// One that is due at once.
    pub(super) fn new(expires: Duration, now: Instant) -> Self {
        Self { expires, until: None, failures: 0, next: now }
    }

    /// What to ask for.
    pub(super) fn expires(&self) -> Duration {
        self.expires
    }

    /// When to register next.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Whether the registrar knows us.
    pub(super) fn is_registered(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Takes an answer. `spread`, from 0 to 1, keeps many gateways from coming back in the same instant after a
    /// registrar's restart.
    pub(super) fn answered(&mut self, answer: Answer, spread: f64, now: Instant) {
        match answer {
            Answer::Granted(granted) => {
                self.failures = 0;
                self.until = Some(now + granted);
                // Early enough for a second try before it runs out.
                self.next = now + (granted * 4 / 5).max(REFRESH_MIN);
            }
            Answer::TooBrief(least) if least > self.expires && least <= EXPIRES_MAX => {
                self.expires = least;
                self.next = now;
            }
            Answer::TooBrief(_) | Answer::Failed => {
                let (least, most) = BACKOFF;
                let wait = least.saturating_mul(1 << self.failures.min(16)).min(most);
                self.failures = self.failures.saturating_add(1);
                self.next = now + wait.mul_f64(0.5 + spread.clamp(0.0, 1.0) / 2.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[track_caller]
    fn check(registration: &mut Registration, answer: Answer, now: Instant, wait_s: f64, registered: bool) {
        registration.answered(answer, 1.0, now);
        let wait = registration.next() - now;
        assert_eq!((wait.as_secs_f64(), registration.is_registered(now)), (wait_s, registered), "{answer:?}");
    }

    #[test]
    fn it_is_refreshed_before_it_ends() {
        let now = monotonic(); // Only an origin: nothing below sleeps.
        let mut registration = Registration::new(HOUR, now);
        assert!(registration.next() == now && !registration.is_registered(now));
        check(&mut registration, Answer::Granted(Duration::from_secs(60)), now, 48.0, true);
        assert!(!registration.is_registered(now + Duration::from_secs(60)));
        check(&mut registration, Answer::Granted(Duration::from_secs(1)), now, 5.0, true);
    }

    #[test]
    fn failures_wait_longer_and_longer() {
        let now = monotonic(); // Only an origin: nothing below sleeps.
        let mut registration = Registration::new(HOUR, now);
        check(&mut registration, Answer::Granted(HOUR), now, 2_880.0, true);
        for wait_s in [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0] {
            check(&mut registration, Answer::Failed, now, wait_s, true);
        }
        check(&mut registration, Answer::Granted(HOUR), now, 2_880.0, true);
        registration.answered(Answer::Failed, 0.0, now);
        assert_eq!(registration.next() - now, Duration::from_millis(2_500));
    }

    #[test]
    fn a_registrars_least_time_is_taken_within_reason() {
        let now = monotonic(); // Only an origin: nothing below sleeps.
        let mut registration = Registration::new(Duration::from_secs(60), now);
        check(&mut registration, Answer::TooBrief(HOUR), now, 0.0, false);
        assert_eq!(registration.expires(), HOUR);
        check(&mut registration, Answer::TooBrief(HOUR), now, 5.0, false);
        check(&mut registration, Answer::TooBrief(EXPIRES_MAX * 2), now, 10.0, false);
        assert_eq!(registration.expires(), HOUR);
    }
}
