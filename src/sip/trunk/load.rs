//! What a trunk carries and how fast it may be given more. Pure.

use std::time::Instant;

/// Calls on one trunk.
#[derive(Debug)]
pub(super) struct Load {
    channels: usize,
    per_second: f64,
    in_use: usize,
    /// Calls that may begin at once: a token bucket of one second's worth, at least one.
    tokens: f64,
    filled: Instant,
}

impl Load {
    /// An idle trunk of `channels` calls at once and `per_second` new ones a second.
    pub(super) fn new(channels: usize, per_second: f64, now: Instant) -> Self {
        Self { channels, per_second, in_use: 0, tokens: per_second.max(1.0), filled: now }
    }

    /// Calls that may begin now.
    pub(super) fn room(&mut self, now: Instant) -> usize {
        let most = self.per_second.max(1.0);
        let elapsed = now.saturating_duration_since(self.filled);
        self.filled = now;
        self.tokens = (self.tokens + elapsed.as_secs_f64() * self.per_second).min(most);
        // Truncation is meant: half a token begins no call.
        (self.tokens as usize).min(self.channels.saturating_sub(self.in_use))
    }

    /// Takes a channel; `false` where there is none, or the next call would come too soon.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let taken = self.room(now) > 0;
        if taken {
            self.tokens -= 1.0;
            self.in_use += 1;
        }
        taken
    }

    /// Gives a channel back.
    pub(super) fn give_back(&mut self) {
        self.in_use = self.in_use.saturating_sub(1);
    }

    /// Calls that are set up or up.
    pub(super) fn in_use(&self) -> usize {
        self.in_use
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::monotonic;

    #[test]
    fn calls_begin_no_faster_than_agreed() {
        let start = monotonic(); // Only an origin: nothing below sleeps.
        let mut load = Load::new(100, 2.0, start);
        let began: usize = (0..=1_000).filter(|ms| load.take(start + Duration::from_millis(*ms * 10))).count();
        assert_eq!(began, 2 + 20, "two at once, then two a second for ten seconds");
    }

    #[test]
    fn a_rate_below_one_a_second_still_begins_calls() {
        let start = monotonic(); // Only an origin: nothing below sleeps.
        let mut load = Load::new(10, 0.5, start);
        assert!(load.take(start) && !load.take(start + Duration::from_millis(1_990)));
        assert!(load.take(start + Duration::from_secs(2)));
    }

    #[test]
    fn channels_are_never_exceeded() {
        let start = monotonic(); // Only an origin: nothing below sleeps.
        let mut load = Load::new(3, 100.0, start);
        assert_eq!((0..10).filter(|_| load.take(start)).count(), 3);
        load.give_back();
        assert_eq!((load.room(start), load.in_use()), (1, 2));
    }
}
