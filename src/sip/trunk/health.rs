//! Whether a trunk carries calls, by its answers to OPTIONS and to our calls. Pure.

use std::time::{Duration, Instant};

/// Between two OPTIONS to a trunk that answers.
const WATCH: Duration = Duration::from_secs(30);
/// Between two OPTIONS to a trunk that does not.
const WATCH_DOWN: Duration = Duration::from_secs(10);
/// OPTIONS in a row without an answer, or calls in a row that it could not carry, that put a trunk down: one lost
/// datagram or one odd number shall not.
const FAULTS: u8 = 2;

/// One trunk's state of health.
#[derive(Debug)]
pub(super) struct Health {
    faults: u8,
    next: Instant,
}

impl Health {
    /// A trunk that counts as up until it fails.
    pub(super) fn new(now: Instant) -> Self {
        Self { faults: 0, next: now }
    }

    /// Whether calls go this way.
    pub(super) fn is_up(&self) -> bool {
        self.faults < FAULTS
    }

    /// When it is to be asked again.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// It answered OPTIONS with this status, or with none. Any answer shows that it is there (RFC 3261 §11), but 503 says
    /// that it takes no calls, and 408 is what a proxy says for a silent one behind it.
    pub(super) fn asked(&mut self, status: Option<u16>, now: Instant) {
        match status {
            Some(status) if !matches!(status, 408 | 503) => self.faults = 0,
            Some(_) | None => self.fault(),
        }
        self.next = now + if self.is_up() { WATCH } else { WATCH_DOWN };
    }

    /// Another of its servers is to be asked, at once.
    pub(super) fn ask_again(&mut self, now: Instant) {
        self.next = now;
    }

    /// It carried a call to its answer, or to the called telephone's refusal.
    pub(super) fn carried(&mut self) {
        self.faults = 0;
    }

    /// It could not carry a call. Asked again at once where that puts it down.
    pub(super) fn failed(&mut self, now: Instant) {
        self.fault();
        if !self.is_up() {
            self.next = self.next.min(now + WATCH_DOWN);
        }
    }

    fn fault(&mut self) {
        self.faults = self.faults.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic;

    #[test]
    fn two_faults_in_a_row_put_a_trunk_down_and_one_answer_up_again() {
        let now = monotonic(); // Only an origin: nothing below sleeps.
        let mut health = Health::new(now);
        let mut check = |asked: Option<u16>, up: bool, next: Duration| {
            health.asked(asked, now);
            assert_eq!((health.is_up(), health.next() - now), (up, next), "{asked:?}");
        };
        check(Some(200), true, WATCH);
        check(None, true, WATCH);
        check(Some(404), true, WATCH);
        check(None, true, WATCH);
        check(Some(503), false, WATCH_DOWN);
        check(None, false, WATCH_DOWN);
        check(Some(405), true, WATCH);
    }

    #[test]
    fn calls_tell_as_well() {
        let now = monotonic(); // Only an origin: nothing below sleeps.
        let mut health = Health::new(now);
        health.asked(Some(200), now);
        health.failed(now);
        health.carried();
        health.failed(now);
        assert!(health.is_up());
        health.failed(now);
        assert!(!health.is_up() && health.next() == now + WATCH_DOWN);
    }
}
