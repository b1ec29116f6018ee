//! Counters of the engine threads, published once a step.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the pacing histogram, in microseconds; a last bin takes the rest.
pub const PACING_BOUNDS_US: [u64; 7] = [250, 500, 1_000, 2_000, 5_000, 10_000, 20_000];
const BINS: usize = PACING_BOUNDS_US.len() + 1;

/// A thread's own counters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Datagrams received, of any kind.
    pub received: u64,
    /// RTP packets sent.
    pub sent: u64,
    /// Datagrams that the system would not send.
    pub send_errors: u64,
    /// Events that found the pump's ring full.
    pub events_dropped: u64,
    /// Frames or blocks that found no room on their way to a recording or a listener.
    pub taps_dropped: u64,
    /// Digits that could not be queued.
    pub refused_digits: u64,
    /// Ticks by lateness.
    pub pacing: [u64; BINS],
}

impl Tally {
    /// Notes a tick that was so late.
    pub fn ticked(&mut self, late: Duration) {
        let late_us = late.as_micros() as u64;
        let bin = PACING_BOUNDS_US.iter().position(|bound| late_us <= *bound).unwrap_or(BINS - 1);
        self.pacing[bin] += 1;
    }
}

/// The same, for others to read.
#[derive(Debug, Default)]
pub struct ThreadStats {
    counters: [AtomicU64; 6],
    pacing: [AtomicU64; BINS],
}

impl ThreadStats {
    /// Makes a thread's counters visible.
    pub fn publish(&self, tally: &Tally) {
        for (shown, value) in self.counters.iter().zip(tally.counters()) {
            shown.store(value, Ordering::Relaxed);
        }
        for (shown, value) in self.pacing.iter().zip(tally.pacing) {
            shown.store(value, Ordering::Relaxed);
        }
    }

    /// The counters as last published.
    pub fn read(&self) -> Tally {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let [received, sent, send_errors, events_dropped, taps_dropped, refused_digits] =
            std::array::from_fn(|n| load(&self.counters[n]));
        let pacing = std::array::from_fn(|n| load(&self.pacing[n]));
        Tally { received, sent, send_errors, events_dropped, taps_dropped, refused_digits, pacing }
    }
}

impl Tally {
    fn counters(&self) -> [u64; 6] {
        let Self { received, sent, send_errors, events_dropped, taps_dropped, refused_digits, pacing: _ } = *self;
        [received, sent, send_errors, events_dropped, taps_dropped, refused_digits]
    }
}

/// The whole engine in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// Sessions that are open.
    pub sessions: usize,
    /// Port pairs that are free.
    pub ports_available: usize,
    /// Datagrams received, of any kind.
    pub received: u64,
    /// RTP packets sent.
    pub sent: u64,
    /// Datagrams that the system would not send.
    pub send_errors: u64,
    /// Events that were dropped because their consumer lagged.
    pub events_dropped: u64,
    /// Frames or blocks of audio that were dropped because recorder or listener lagged.
    pub taps_dropped: u64,
    /// Commands that were dropped because a thread lagged.
    pub commands_dropped: u64,
    /// Digits to send that were no key or found their queue full.
    pub refused_digits: u64,
    /// Recordings that wait for room on their disk at present.
    pub recordings_waiting: u64,
    /// Recordings whose file could not be written, so far.
    pub recordings_given_up: u64,
    /// Audio of recordings that could not be written, in milliseconds so far.
    pub recording_lost_ms: u64,
    /// Ticks by lateness, bounds as in [`PACING_BOUNDS_US`].
    pub pacing: [u64; BINS],
}

impl EngineStats {
    /// Adds one thread's counters.
    pub fn add(&mut self, tally: &Tally) {
        self.received += tally.received;
        self.sent += tally.sent;
        self.send_errors += tally.send_errors;
        self.events_dropped += tally.events_dropped;
        self.taps_dropped += tally.taps_dropped;
        self.refused_digits += tally.refused_digits;
        for (sum, value) in self.pacing.iter_mut().zip(tally.pacing) {
            *sum += value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_falls_into_its_bin_and_is_published() {
        let mut tally = Tally { received: 1, sent: 2, send_errors: 3, refused_digits: 6, ..Tally::default() };
        for late_us in [0, 250, 251, 5_000, 1_000_000] {
            tally.ticked(Duration::from_micros(late_us));
        }
        let stats = ThreadStats::default();
        stats.publish(&tally);
        let mut engine = EngineStats::default();
        engine.add(&stats.read());
        engine.add(&stats.read());
        assert_eq!(engine.pacing, [4, 2, 0, 0, 2, 0, 0, 2]);
        assert_eq!((engine.received, engine.sent, engine.send_errors, engine.refused_digits), (2, 4, 6, 12));
    }
}
