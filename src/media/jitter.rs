//! The jitter buffer: packets go in as they arrive, a steady 20 ms comes out.
//!
//! It holds G.711 codes in a ring addressed by RTP timestamp, so reordering, duplicates, any packet time and partly late
//! packets need no special case: a sample is there or it is not. How long it waits is learnt: the relative delay of each
//! packet goes into a histogram that slowly forgets, and the target is the delay that all but [`LATE_SHARE`] keep.
//! The target is approached by a whole frame at a time, where it is not heard: in a gap, or in a quiet frame.

use super::rtp::Timestamp;
use crate::units::FRAME_SAMPLES;

/// Samples of one cell: 10 ms, the unit in which audio is present or missing.
pub const CELL: usize = 80;
/// Cells of one pulled frame.
pub const CELLS: usize = FRAME_SAMPLES / CELL;

const FRAME: i32 = FRAME_SAMPLES as i32;
/// Samples that the ring holds: 512 ms. A packet further ahead than this restarts the buffer.
const CAPACITY: usize = 4_096;
/// The largest packet accepted, in samples: 100 ms. Longer ones are cut.
const MAX_PACKET: usize = 800;
/// Shortest and longest wait, in samples: 20 to 240 ms.
const TARGET_RANGE: (i32, i32) = (160, 1_920);
/// The wait before anything is known, in samples: 60 ms.
const FIRST_TARGET: i32 = 480;
/// Packets needed before the histogram is believed.
const LEARNT_AFTER: f32 = 25.0;
/// Samples of one histogram bin: 5 ms.
const BIN: i32 = 40;
/// Bins of the histogram; the last one takes all that is later.
const BINS: usize = 64;
/// Share of packets that may come too late for the target.
const LATE_SHARE: f32 = 0.004;
/// What a packet's weight in the histogram becomes with each later packet: half after 10 s of 20 ms packets.
const FORGET: f32 = 0.998_6;
/// The least transit is looked for in two windows of this many samples each (5 s), so that clock drift is followed.
const BASE_WINDOW: i64 = 40_000;
/// How far a timestamp may lie behind without being taken for a restart, in samples: 2 s.
const MAX_BEHIND: i32 = 16_000;
/// Late packets in a row that prove a restart: the peer's clock stood still while ours went on.
const MAX_LATE_RUN: u8 = 8;
/// A hole this long, in samples, lets the buffer realign to the next packet: 60 ms.
const GAP: i32 = 480;
/// Delay above target at which a frame is left out even where it may be heard, in samples: 160 ms.
const MAX_EXCESS: i32 = 8 * FRAME;

/// What one [`CELL`] of a pulled frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Received audio.
    Audio,
    /// Audio that did not come in time; to be concealed.
    Missing,
    /// The peer is not sending: before its first packet, or in a pause that is no loss.
    Idle,
}

/// One pulled frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// Each cell's kind, in order of time.
    pub cells: [Cell; CELLS],
    /// How long after the fastest packets' arrival these samples are played, in samples.
    pub delay: i32,
}

/// Counters over the buffer's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets of which nothing could be played any more.
    pub late: u64,
    /// Cells that had to be concealed because of loss or lateness.
    pub concealed_cells: u64,
    /// Frames left out or put in to approach the target.
    pub adjusted: u64,
    /// Restarts: a new source or a timestamp jump.
    pub restarts: u64,
}

/// What the ring knows of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sample {
    Missing,
    Present,
    /// The peer did not send it: its sequence numbers go on without a gap.
    Pause,
}

/// See the module's documentation.
pub struct JitterBuffer {
    codes: [u8; CAPACITY],
    samples: [Sample; CAPACITY],
    playing: Option<Playing>,
    target: i32,
    histogram: [f32; BINS],
    weight: f32,
    counters: Counters,
}

/// Where an established stream stands.
struct Playing {
    /// The first sample that is not yet played.
    position: Timestamp,
    /// One past the newest sample received.
    end: Timestamp,
    /// Transit (our clock minus timestamp, modulo 2^32) of the packet that began this stream; others relate to it.
    transit: u32,
    /// Least relative transit in the present and in the previous window.
    least: [i32; 2],
    window_ends: i64,
    /// Cells played past `end`: loss or pause, the next packet tells.
    undecided: u64,
    late_run: u8,
}

impl Default for JitterBuffer {
    fn default() -> Self {
        Self {
            codes: [0; CAPACITY],
            samples: [Sample::Missing; CAPACITY],
            playing: None,
            target: FIRST_TARGET,
            histogram: [0.0; BINS],
            weight: 0.0,
            counters: Counters::default(),
        }
    }
}

impl JitterBuffer {
    /// Takes in a packet that arrived at `now`, our clock in samples. `contiguous` says that its sequence number follows
    /// the newest one before it, so that a hole in front of it is a pause and no loss.
    pub fn push(&mut self, timestamp: Timestamp, payload: &[u8], contiguous: bool, now: i64) {
        let payload = &payload[..payload.len().min(MAX_PACKET)];
        if self.playing.as_ref().is_some_and(|playing| playing.is_restart(timestamp, payload.len() as i32)) {
            self.restart();
        }
        let relative = match &mut self.playing {
            Some(playing) => playing.transit_of(timestamp, now),
            None => {
                self.playing = Some(Playing::begin(timestamp, self.target, now));
                self.mark(timestamp.plus(-self.target), self.target as usize, Sample::Pause);
                0
            }
        };
        self.hole(timestamp, contiguous, relative);
        self.store(timestamp, payload);
        self.learn(relative);
    }

    /// Fills `codes` with the next 20 ms at `now`, our clock in samples. `quiet` says that leaving out or doubling a frame
    /// here would not be heard. Cells that are not [`Cell::Audio`] keep what `codes` held.
    pub fn pull(&mut self, codes: &mut [u8; FRAME_SAMPLES], quiet: bool, now: i64) -> Pulled {
        let Some(playing) = &mut self.playing else {
            return Pulled { cells: [Cell::Idle; CELLS], delay: self.target };
        };
        let delay = playing.delay(now);
        let excess = delay - self.target;
        let buffered = playing.end.since(playing.position) > 0;
        let here = self.samples[index(playing.position)];
        if excess <= -BIN && (quiet || !buffered || here != Sample::Present) {
            self.counters.adjusted += u64::from(here == Sample::Present);
            let cell = if here == Sample::Pause { Cell::Idle } else { Cell::Missing };
            return Pulled { cells: [cell; CELLS], delay };
        }
        if buffered && excess >= FRAME && (quiet || here != Sample::Present || excess >= MAX_EXCESS) {
            self.counters.adjusted += 1;
            self.skip();
        }
        self.take(codes, now)
    }

    /// Forgets the stream, keeps what was learnt about the way here (a new source).
    pub fn restart(&mut self) {
        self.counters.restarts += u64::from(self.playing.is_some());
        self.playing = None;
        self.samples = [Sample::Missing; CAPACITY];
    }

    /// The wait aimed at, in samples.
    pub fn target(&self) -> i32 {
        self.target
    }

    /// Counters since the beginning.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Decides what lies between the newest sample so far and a packet ahead of it.
    fn hole(&mut self, timestamp: Timestamp, contiguous: bool, relative: i32) {
        let Some(playing) = &mut self.playing else { return };
        let hole = timestamp.since(playing.end);
        if hole < 0 {
            return;
        }
        let pause = contiguous && hole > 0;
        if !pause {
            self.counters.concealed_cells += playing.undecided;
        }
        playing.undecided = 0;
        if hole >= GAP && playing.end.since(playing.position) <= 0 {
            // Nothing is heard here: begin the talkspurt at the wanted delay.
            let early = (self.target - relative).max(0) as usize;
            playing.position = timestamp.plus(-(early.next_multiple_of(CELL) as i32));
        }
        if pause {
            let from = if playing.position.since(playing.end) > 0 { playing.position } else { playing.end };
            self.mark(from, timestamp.since(from).max(0) as usize, Sample::Pause);
        }
    }

    fn store(&mut self, timestamp: Timestamp, payload: &[u8]) {
        let Some(playing) = &mut self.playing else { return };
        let past = playing.position.since(timestamp).max(0) as usize;
        let Some(kept) = payload.get(past..).filter(|kept| !kept.is_empty()) else {
            self.counters.late += 1;
            playing.late_run += 1;
            return;
        };
        playing.late_run = 0;
        let after = timestamp.plus(payload.len() as i32);
        if after.since(playing.end) > 0 {
            playing.end = after;
        }
        let start = timestamp.plus(past as i32);
        let (head, tail) = kept.split_at(kept.len().min(CAPACITY - index(start)));
        self.codes[index(start)..index(start) + head.len()].copy_from_slice(head);
        self.codes[..tail.len()].copy_from_slice(tail);
        self.mark(start, kept.len(), Sample::Present);
    }

    fn take(&mut self, codes: &mut [u8; FRAME_SAMPLES], now: i64) -> Pulled {
        let Some(playing) = &mut self.playing else {
            return Pulled { cells: [Cell::Idle; CELLS], delay: self.target };
        };
        let delay = playing.delay(now);
        let mut cells = [Cell::Missing; CELLS];
        for (cell, codes) in cells.iter_mut().zip(codes.chunks_exact_mut(CELL)) {
            let start = index(playing.position);
            let head = CELL.min(CAPACITY - start);
            let runs = [&self.samples[start..start + head], &self.samples[..CELL - head]];
            let all = |kind| runs.iter().all(|run| run.iter().all(|sample| *sample == kind));
            if all(Sample::Present) {
                codes[..head].copy_from_slice(&self.codes[start..start + head]);
                codes[head..].copy_from_slice(&self.codes[..CELL - head]);
                *cell = Cell::Audio;
            } else if playing.end.since(playing.position) <= 0 {
                playing.undecided += 1;
            } else if runs.iter().any(|run| run.contains(&Sample::Pause)) {
                *cell = Cell::Idle;
            } else {
                self.counters.concealed_cells += 1;
            }
            playing.position = playing.position.plus(CELL as i32);
        }
        let played = playing.position.plus(-FRAME);
        self.mark(played, FRAME_SAMPLES, Sample::Missing);
        Pulled { cells, delay }
    }

    fn skip(&mut self) {
        let Some(playing) = &mut self.playing else { return };
        let skipped = playing.position;
        playing.position = skipped.plus(FRAME);
        self.mark(skipped, FRAME_SAMPLES, Sample::Missing);
    }

    fn mark(&mut self, start: Timestamp, len: usize, as_: Sample) {
        let len = len.min(CAPACITY);
        let start = index(start);
        let head = len.min(CAPACITY - start);
        self.samples[start..start + head].fill(as_);
        self.samples[..len - head].fill(as_);
    }

    /// Puts a relative delay, in samples, into the histogram and derives the target.
    fn learn(&mut self, delay: i32) {
        let bin = ((delay / BIN).max(0) as usize).min(BINS - 1);
        for share in &mut self.histogram {
            *share *= FORGET;
        }
        self.histogram[bin] += 1.0;
        self.weight = self.weight * FORGET + 1.0;
        if self.weight < LEARNT_AFTER {
            return;
        }
        let mut later = 0.0;
        let mut kept = BINS;
        while kept > 1 && later + self.histogram[kept - 1] <= LATE_SHARE * self.weight {
            later += self.histogram[kept - 1];
            kept -= 1;
        }
        self.target = (kept as i32 * BIN).clamp(TARGET_RANGE.0, TARGET_RANGE.1);
    }
}

impl Playing {
    fn begin(timestamp: Timestamp, target: i32, now: i64) -> Self {
        Self {
            position: timestamp.plus(-target),
            end: timestamp,
            transit: (now as u32).wrapping_sub(timestamp.0),
            least: [0; 2],
            window_ends: now + BASE_WINDOW,
            undecided: 0,
            late_run: 0,
        }
    }

    fn is_restart(&self, timestamp: Timestamp, len: i32) -> bool {
        let ahead = timestamp.plus(len).since(self.position);
        ahead > CAPACITY as i32 || ahead < -MAX_BEHIND || self.late_run >= MAX_LATE_RUN
    }

    /// Transit of a packet above the least of late, in samples.
    fn transit_of(&mut self, timestamp: Timestamp, now: i64) -> i32 {
        let relative = (now as u32).wrapping_sub(timestamp.0).wrapping_sub(self.transit) as i32;
        if now >= self.window_ends {
            self.window_ends = now + BASE_WINDOW;
            self.least = [relative, self.least[0]];
        }
        self.least[0] = self.least[0].min(relative);
        relative.wrapping_sub(self.base())
    }

    fn base(&self) -> i32 {
        self.least[0].min(self.least[1])
    }

    /// How long after the fastest packets' arrival the sample at `position` would be played at `now`.
    fn delay(&self, now: i64) -> i32 {
        let due = Timestamp((now as u32).wrapping_sub(self.transit).wrapping_sub(self.base() as u32));
        due.since(self.position)
    }
}

fn index(timestamp: Timestamp) -> usize {
    timestamp.0 as usize % CAPACITY
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Packets as `(sequence number, timestamp, arrival)`, the last two in milliseconds. Pulls every 20 ms and draws
    /// each cell: `.` idle, `?` missing, else the low digit of the packet's sequence number.
    fn drawn(packets: &[(u16, u32, i64)], frames: i64) -> (String, Counters) {
        let mut buffer = JitterBuffer::default();
        let mut packets = packets.to_vec();
        packets.sort_by_key(|packet| packet.2);
        let mut waiting = packets.into_iter().peekable();
        let mut newest: Option<u16> = None;
        let mut picture = String::new();
        for frame in 0..frames {
            let now = frame * i64::from(FRAME);
            while let Some((seq, timestamp, arrival)) = waiting.next_if(|packet| packet.2 * 8 <= now) {
                let contiguous = newest.is_none_or(|newest| newest.wrapping_add(1) == seq);
                newest = Some(newest.map_or(seq, |newest| newest.max(seq)));
                buffer.push(Timestamp(timestamp.wrapping_mul(8)), &[seq as u8; 160], contiguous, arrival * 8);
            }
            let mut codes = [0; FRAME_SAMPLES];
            let pulled = buffer.pull(&mut codes, false, now);
            for (cell, codes) in pulled.cells.iter().zip(codes.chunks(CELL)) {
                picture.push(match cell {
                    Cell::Audio => char::from(b'0' + codes[0] % 10),
                    Cell::Missing => '?',
                    Cell::Idle => '.',
                });
            }
        }
        (picture, buffer.counters())
    }

    #[track_caller]
    fn check(packets: &[(u16, u32, i64)], expected: &str) {
        let (picture, _) = drawn(packets, expected.len() as i64 / 2);
        assert_eq!(picture, expected);
    }

    #[test]
    fn the_first_packet_waits_for_the_first_target() {
        check(&[(1, 1_000, 0), (2, 1_020, 20), (3, 1_040, 40)], "......112233??");
    }

    #[test]
    fn reordered_packets_are_played_in_order() {
        check(&[(1, 0, 20), (3, 40, 60), (2, 20, 61)], "........112233");
    }

    #[test]
    fn a_duplicate_is_played_once() {
        check(&[(1, 0, 0), (2, 20, 20), (2, 20, 30), (3, 40, 40)], "......112233");
    }

    #[test]
    fn a_lost_packet_leaves_its_own_place_empty() {
        check(&[(1, 0, 0), (3, 40, 40)], "......11??33");
    }

    #[test]
    fn a_pause_is_no_loss() {
        check(&[(1, 0, 0), (2, 40, 40)], "......11..22");
        assert_eq!(drawn(&[(1, 0, 0), (2, 400, 400)], 40).1.concealed_cells, 0);
        assert_ne!(drawn(&[(1, 0, 0), (3, 400, 400)], 40).1.concealed_cells, 0);
    }

    #[test]
    fn timestamps_wrap() {
        let edge = u32::MAX / 8 - 19;
        let (picture, counters) = drawn(&[(1, edge, 0), (2, 0, 20)], 5);
        // The timestamps are multiples of 8 samples, so the wrap lies 7 samples inside the first packet.
        assert_eq!((&picture[..8], counters.restarts), ("......11", 0));
    }

    #[test]
    fn a_timestamp_jump_starts_anew() {
        let (picture, counters) = drawn(&[(1, 0, 0), (2, 20, 20), (3, 90_000, 40), (4, 90_020, 60)], 9);
        assert_eq!(counters.restarts, 1);
        assert!(picture.ends_with("3344????") || picture.contains("3344"), "{picture}");
    }

    #[test]
    fn a_peer_whose_clock_stood_still_is_heard_again() {
        let packets: Vec<(u16, u32, i64)> =
            (0..60).map(|n| (n, u32::from(n) * 20, i64::from(n) * 20 + if n < 20 { 0 } else { 1_000 })).collect();
        let (picture, _) = drawn(&packets, 120);
        assert!(picture.contains("99"), "{picture}");
        assert!(picture.trim_end_matches('?').ends_with("99"), "{picture}");
    }

    /// Seeded network: jitter of `jitter_ms` peak to peak, `loss` of the packets, `drift_ppm` between the clocks.
    fn network(seed: u64, jitter_ms: f64, loss: f64, drift_ppm: f64, packets: u16) -> (u64, Counters, Vec<i32>) {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut buffer = JitterBuffer::default();
        let mut lost = 0;
        let mut arrivals = Vec::new();
        for n in 0..packets {
            if rng.random_bool(loss) {
                lost += 1;
                continue;
            }
            let sent_ms = f64::from(n) * 20.0 * (1.0 + drift_ppm / 1e6);
            arrivals.push((((sent_ms + rng.random_range(0.0..jitter_ms.max(0.1))) * 8.0) as i64, n));
        }
        arrivals.sort_unstable();
        let mut waiting = arrivals.into_iter().peekable();
        let mut newest = 0;
        let mut delays = Vec::new();
        for frame in 0..i64::from(packets) {
            let now = frame * i64::from(FRAME) + 40;
            while let Some((arrival, n)) = waiting.next_if(|packet| packet.0 <= now) {
                let contiguous = n == newest + 1;
                newest = newest.max(n);
                buffer.push(Timestamp(u32::from(n) * 160), &[1; 160], contiguous, arrival);
            }
            let pulled = buffer.pull(&mut [0; FRAME_SAMPLES], frame % 20 == 0, now);
            delays.push(pulled.delay);
        }
        delays.sort_unstable();
        (lost, buffer.counters(), delays)
    }

    #[test]
    fn jitter_of_40_ms_costs_half_a_percent_and_60_ms_of_delay() {
        for seed in 0..5 {
            let (_, counters, delays) = network(seed, 40.0, 0.0, 0.0, 15_000);
            assert!(counters.late * 200 <= 15_000, "seed {seed}: {counters:?}");
            let p95 = delays[delays.len() * 95 / 100];
            assert!(p95 <= 480, "seed {seed}: p95 {p95} samples");
        }
    }

    #[test]
    fn concealed_is_what_was_lost_and_little_more() {
        for seed in 0..5 {
            let (lost, counters, _) = network(seed, 60.0, 0.03, 0.0, 15_000);
            let frames = counters.concealed_cells / CELLS as u64;
            assert!(frames <= lost + 150, "seed {seed}: lost {lost}, {counters:?}");
            assert!(frames + 50 >= lost, "seed {seed}: lost {lost}, {counters:?}");
        }
    }

    #[test]
    fn drift_is_followed_for_twenty_minutes() {
        for drift_ppm in [-200.0, 200.0] {
            let (_, counters, delays) = network(1, 5.0, 0.0, drift_ppm, 60_000);
            assert!(counters.late < 60, "{drift_ppm} ppm: {counters:?}");
            assert!(delays[delays.len() - 1] <= 960, "{drift_ppm} ppm: {}", delays[delays.len() - 1]);
        }
    }
}
