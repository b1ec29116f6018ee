//! The jitter buffer: packets go in as they arrive, cells of 10 ms come out as they are wanted.
//!
//! It holds octets in a [`ring`] addressed by RTP timestamp, one for each unit of an 8 kHz clock (G.711, G.722), so
//! reordering, duplicates, any packet time and partly late packets need no special case: a sample is there or it is not.
//! Of a codec that has no such octets it only keeps the times. How long it waits is learnt: the target is the delay that
//! all packets but a small share keep ([`delays`]).
//! In a gap the buffer itself approaches the target; where something is heard, [`super::playout`] does it from
//! [`JitterBuffer::wait`].

mod delays;
mod ring;

use super::rtp::Timestamp;
use crate::units::FRAME_SAMPLES;
use delays::Delays;
use ring::{CAPACITY, Ring, Sample, Stretch};

/// Samples of one cell: 10 ms, the unit in which audio is present or missing.
pub const CELL: usize = 80;
const FRAME: i32 = FRAME_SAMPLES as i32;
/// The largest packet accepted, in samples: 120 ms, the most that Opus has. Longer ones are cut.
const MAX_PACKET: usize = 960;
/// Shortest and longest wait, in samples: 20 to 240 ms.
const TARGET_RANGE: (i32, i32) = (160, 1_920);
/// The wait before anything is known, in samples: 60 ms.
const FIRST_TARGET: i32 = 480;
/// Packets needed before their delays are believed.
const LEARNT_AFTER: f32 = 25.0;
/// Samples of one bin of the delays: 5 ms.
const BIN: i32 = 40;
/// The least transit is looked for in two windows of this many samples each (5 s), so that clock drift is followed.
const BASE_WINDOW: i64 = 40_000;
/// How far a timestamp may lie behind without being taken for a restart, in samples: 2 s.
const MAX_BEHIND: i32 = 16_000;
/// Late packets in a row that prove a restart: the peer's clock stood still while ours went on.
const MAX_LATE_RUN: u8 = 8;
/// A hole this long, in samples, lets the buffer realign to the next packet: 60 ms.
const GAP: i32 = 480;
/// Delay above target at which missing cells are left out rather than made up, in samples: 40 ms.
const HIGH_EXCESS: i32 = 2 * FRAME;
/// Delay above target at which cells are left out even where they may be heard, in samples: 160 ms.
const MAX_EXCESS: i32 = 8 * FRAME;
/// How far before the boundary of a packet a frame should begin, in samples: 1 ms. Enough for the look-ahead of
/// [`super::playout`] not to reach into the packet after.
const MARGIN: i32 = 8;
/// How far the wait may exceed the range in which one boundary is the right one before another is, in samples: 1 ms.
const HYSTERESIS: i32 = 8;
/// Packets for which the target must lie above what is needed before it falls by a [`BIN`]: 2 s of 20 ms packets. What
/// comes and goes within that time would only be heard as changes of pace.
const FALL_AFTER: u32 = 100;

/// What a pulled [`CELL`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Received audio.
    Audio,
    /// Audio that did not come in time; to be concealed.
    Missing,
    /// The peer is not sending: before its first packet, or in a pause that is no loss.
    Idle,
}

/// How long audio waits, in samples after the arrival of the fastest packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// As things stand.
    pub is: i32,
    /// As it should be: the target, up to where a frame begins with a packet, so that no packet is wanted earlier than
    /// it must be. Never so little that nothing would be left in the buffer.
    pub wanted: i32,
}

/// Counters over the buffer's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets of which nothing could be played any more.
    pub late: u64,
    /// Cells that had to be concealed because of loss or lateness.
    pub concealed_cells: u64,
    /// Cells left out or put in to approach the target.
    pub adjusted: u64,
    /// Restarts: a new source or a timestamp jump.
    pub restarts: u64,
}

/// See the module's documentation.
pub struct JitterBuffer {
    playing: Option<Playing>,
    target: i32,
    /// Packets since the target was last needed.
    unneeded: u32,
    counters: Counters,
    delays: Delays,
    ring: Ring,
}

/// Where an established stream stands.
struct Playing {
    /// The first sample that is not yet played.
    position: Timestamp,
    /// One past the newest sample received.
    end: Timestamp,
    /// Samples of the newest packet, and the grid on which its like begin as seen from the beginnings of our frames.
    packet: i32,
    grid: i32,
    /// Transit (our clock minus timestamp, modulo 2^32) of the packet that began this stream; others relate to it.
    transit: u32,
    /// Least relative transit in the present and in the previous window.
    least: [i32; 2],
    window_ends: i64,
    /// Cells played past `end`: loss or pause, the next packet tells.
    undecided: u64,
    /// The peer has announced that nothing follows `end` for a while.
    paused: bool,
    late_run: u8,
}

impl Default for JitterBuffer {
    fn default() -> Self {
        Self {
            playing: None,
            target: FIRST_TARGET,
            unneeded: 0,
            counters: Counters::default(),
            delays: Delays::default(),
            ring: Ring::default(),
        }
    }
}

impl JitterBuffer {
    /// Takes in a packet that arrived at `now`, our clock in samples. `contiguous` says that its sequence number follows
    /// the newest one before it, so that a hole in front of it is a pause and no loss.
    pub fn push(&mut self, timestamp: Timestamp, payload: &[u8], contiguous: bool, now: i64) {
        let payload = &payload[..payload.len().min(MAX_PACKET)];
        let Some(past) = self.expect(timestamp, payload.len(), contiguous, now) else { return };
        self.ring.write(timestamp.plus(past as i32), &payload[past..]);
    }

    /// As [`Self::push`], for a packet of so many samples that somebody else keeps. Returns how many of them come too
    /// late; `None` where all do.
    pub fn expect(&mut self, timestamp: Timestamp, samples: usize, contiguous: bool, now: i64) -> Option<usize> {
        let samples = samples.min(MAX_PACKET);
        if self.playing.as_ref().is_some_and(|playing| playing.is_restart(timestamp, samples as i32)) {
            self.restart();
        }
        let relative = match &mut self.playing {
            Some(playing) => playing.transit_of(timestamp, now),
            None => {
                self.playing = Some(Playing::begin(timestamp, self.target, now));
                self.ring.mark(timestamp.plus(-self.target), self.target as usize, Sample::Pause);
                0
            }
        };
        self.hole(timestamp, contiguous, relative);
        let past = self.place(timestamp, samples);
        self.learn(relative);
        past
    }

    /// The first sample that is not yet pulled; `None` without a stream.
    pub fn position(&self) -> Option<Timestamp> {
        self.playing.as_ref().map(|playing| playing.position)
    }

    /// Fills `codes` with the next 10 ms at `now`, our clock in samples, when `held` samples pulled before are still to be
    /// played. Where the cell is not [`Cell::Audio`], `codes` keeps what it held.
    pub fn pull(&mut self, codes: &mut [u8; CELL], held: i32, now: i64) -> Cell {
        let Some(playing) = &mut self.playing else { return Cell::Idle };
        let excess = playing.delay(now) + held - self.target;
        let buffered = playing.end.since(playing.position);
        let here = self.ring.sample(playing.position);
        if excess <= -BIN && (buffered <= 0 || here != Sample::Present) {
            self.counters.adjusted += 1;
            let idle = here == Sample::Pause || (playing.paused && buffered <= 0);
            return if idle { Cell::Idle } else { Cell::Missing };
        }
        // Where the way has become longer for good, the excess is only apparent: there is nothing to leave out.
        let excess = excess.min(buffered);
        if excess >= if here == Sample::Present { MAX_EXCESS } else { HIGH_EXCESS } {
            self.counters.adjusted += 1;
            self.skip();
        }
        self.take(codes)
    }

    /// How long the next sample to be heard waits at `now`, when `held` samples pulled before come first; `None` without a
    /// stream.
    pub fn wait(&self, held: i32, now: i64) -> Option<Wait> {
        let playing = self.playing.as_ref()?;
        let is = playing.delay(now) + held;
        let grid = playing.grid;
        let least = self.target + FRAME - grid + MARGIN;
        let aligned = MARGIN + playing.due(now).since(playing.end);
        let nearest = is + (aligned - is + grid / 2).rem_euclid(grid) - grid / 2;
        let allowed = least..least + grid + HYSTERESIS;
        let wanted = if allowed.contains(&nearest) { nearest } else { least + (aligned - least).rem_euclid(grid) };
        let buffered = playing.end.since(playing.position).max(0) + held;
        Some(Wait { is, wanted: wanted.max(is - buffered) })
    }

    /// The peer says that it sends nothing from `timestamp` on until its next audio (comfort noise): what is missing there
    /// is no loss, and need not be told from one by the next packet.
    pub fn pause(&mut self, timestamp: Timestamp) {
        if let Some(playing) = &mut self.playing
            && timestamp.since(playing.end) >= 0
        {
            playing.paused = true;
        }
    }

    /// Forgets the stream, keeps what was learnt about the way here (a new source).
    pub fn restart(&mut self) {
        self.counters.restarts += u64::from(self.playing.is_some());
        self.playing = None;
        self.ring.clear();
    }

    /// The wait aimed at, in samples.
    pub fn target(&self) -> i32 {
        self.target
    }

    /// Samples of the peer's packets, those of one frame before the first.
    pub fn packet(&self) -> i32 {
        self.playing.as_ref().map_or(FRAME, |playing| playing.packet)
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
            let early = (self.target + MARGIN - relative).max(0) as usize;
            playing.position = timestamp.plus(-(early.next_multiple_of(CELL) as i32));
        }
        if pause {
            let from = if playing.position.since(playing.end) > 0 { playing.position } else { playing.end };
            self.ring.mark(from, timestamp.since(from).max(0) as usize, Sample::Pause);
        }
    }

    fn place(&mut self, timestamp: Timestamp, samples: usize) -> Option<usize> {
        let playing = self.playing.as_mut()?;
        let past = playing.position.since(timestamp).max(0) as usize;
        if past >= samples {
            self.counters.late += 1;
            playing.late_run += 1;
            return None;
        }
        playing.late_run = 0;
        let after = timestamp.plus(samples as i32);
        if after.since(playing.end) > 0 {
            playing.end = after;
            playing.paused = false;
            if playing.packet != samples as i32 {
                playing.packet = samples as i32;
                playing.grid = gcd(playing.packet, FRAME);
            }
        }
        self.ring.mark(timestamp.plus(past as i32), samples - past, Sample::Present);
        Some(past)
    }

    fn take(&mut self, codes: &mut [u8; CELL]) -> Cell {
        let Some(playing) = &mut self.playing else { return Cell::Idle };
        let cell = match self.ring.cell(playing.position) {
            Stretch::Whole => {
                self.ring.read(playing.position, codes);
                Cell::Audio
            }
            Stretch::Paused | Stretch::Holed if playing.end.since(playing.position) <= 0 => {
                playing.undecided += u64::from(!playing.paused);
                if playing.paused { Cell::Idle } else { Cell::Missing }
            }
            Stretch::Paused => Cell::Idle,
            Stretch::Holed => {
                self.counters.concealed_cells += 1;
                Cell::Missing
            }
        };
        self.skip();
        cell
    }

    /// Leaves the next cell behind.
    fn skip(&mut self) {
        let Some(playing) = &mut self.playing else { return };
        let skipped = playing.position;
        playing.position = skipped.plus(CELL as i32);
        self.ring.mark(skipped, CELL, Sample::Missing);
    }

    /// Learns from a relative delay, in samples, and derives the target.
    fn learn(&mut self, delay: i32) {
        self.delays.add((delay / BIN).max(0) as usize);
        if self.delays.packets() < LEARNT_AFTER {
            return;
        }
        let needed = (self.delays.needed() as i32 * BIN).clamp(TARGET_RANGE.0, TARGET_RANGE.1);
        self.unneeded = if needed < self.target { self.unneeded + 1 } else { 0 };
        if needed > self.target || self.delays.packets() < 2.0 * LEARNT_AFTER {
            self.target = needed; // At first there is nothing to hold on to but a guess.
        } else if self.unneeded >= FALL_AFTER {
            self.unneeded = 0;
            self.target -= BIN;
        }
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
            packet: FRAME,
            grid: FRAME,
            undecided: 0,
            paused: false,
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
        self.due(now).since(self.position)
    }

    /// The sample of which the fastest packet would arrive at `now`.
    fn due(&self, now: i64) -> Timestamp {
        Timestamp((now as u32).wrapping_sub(self.transit).wrapping_sub(self.base() as u32))
    }
}

/// The greatest common divisor of two positive numbers; the second for none.
fn gcd(a: i32, b: i32) -> i32 {
    let (mut a, mut b) = (a.max(0), b);
    while a != 0 {
        (a, b) = (b % a, a);
    }
    b
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
            for held in [0, CELL as i32] {
                let mut codes = [0; CELL];
                picture.push(match buffer.pull(&mut codes, held, now) {
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
    fn an_announced_pause_is_never_taken_for_loss() {
        let mut buffer = JitterBuffer::default();
        let pull = |buffer: &mut JitterBuffer, frame: i64| {
            [0, CELL as i32].map(|held| buffer.pull(&mut [0; CELL], held, frame * i64::from(FRAME)))
        };
        buffer.push(Timestamp(0), &[1; FRAME_SAMPLES], true, 0);
        buffer.pause(Timestamp(160));
        let first = (0..3).map(|frame| pull(&mut buffer, frame)).last();
        assert_eq!(first, Some([Cell::Idle; 2]), "the wait at the beginning");
        assert_eq!(pull(&mut buffer, 3), [Cell::Audio; 2]);
        assert!((4..20).all(|frame| pull(&mut buffer, frame) == [Cell::Idle; 2]));
        // The next audio follows a lost packet: still no loss that anybody could have heard.
        buffer.push(Timestamp(20 * 160), &[1; FRAME_SAMPLES], false, 20 * 160);
        assert_eq!(buffer.counters().concealed_cells, 0);
        buffer.push(Timestamp(21 * 160), &[1; FRAME_SAMPLES], true, 21 * 160);
        let after = (20..28).map(|frame| pull(&mut buffer, frame)[0]).filter(|cell| *cell == Cell::Missing).count();
        assert!(after > 0, "audio ends the announcement");
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

    /// Pulls 4 s of 20 ms packets that arrive with so many samples of even jitter; how the wait ends.
    fn settled(jitter: i32, phase: i64) -> (JitterBuffer, Wait) {
        let mut rng = StdRng::seed_from_u64(7);
        let mut buffer = JitterBuffer::default();
        let mut arrivals: Vec<_> =
            (0..1_000).map(|n: u32| (i64::from(n) * 160 + i64::from(rng.random_range(0..=jitter)), n * 160)).collect();
        arrivals.sort_unstable();
        let mut waiting = arrivals.into_iter().peekable();
        for frame in 0..1_000 {
            let now = frame * i64::from(FRAME) + phase;
            while let Some((arrival, timestamp)) = waiting.next_if(|packet| packet.0 <= now) {
                buffer.push(Timestamp(timestamp), &[1; 160], true, arrival);
            }
            for held in [0, CELL as i32] {
                buffer.pull(&mut [0; CELL], held, now);
            }
        }
        let wait = buffer.wait(0, 1_000 * i64::from(FRAME) + phase).expect("a stream");
        (buffer, wait)
    }

    #[test]
    fn the_wait_wanted_is_the_target_up_to_a_whole_packet() {
        for (jitter, target) in [(8, 160), (150, 160), (310, 320)] {
            for phase in [0, 40, 100, 159] {
                let (buffer, wait) = settled(jitter, phase);
                assert_eq!(buffer.target(), target, "jitter of {jitter} samples");
                let extra = wait.wanted - target - MARGIN;
                assert!((0..FRAME + HYSTERESIS).contains(&extra), "{jitter}, {phase}: {wait:?}");
                // A frame that waits so long begins just before a packet does; the fastest one took no time, or one sample.
                let before = (wait.wanted - phase as i32).rem_euclid(FRAME);
                assert!((MARGIN - 1..=MARGIN).contains(&before), "{jitter}, {phase}: {wait:?}");
            }
        }
    }

    #[test]
    fn a_target_that_is_no_longer_needed_falls_slowly() {
        let mut buffer = JitterBuffer::default();
        let push = |buffer: &mut JitterBuffer, n: u32, late: i64| {
            buffer.push(Timestamp(n * 160), &[1; 160], true, i64::from(n) * 160 + late);
            for held in [0, CELL as i32] {
                buffer.pull(&mut [0; CELL], held, i64::from(n) * 160 + 100);
            }
        };
        (0..200).for_each(|n| push(&mut buffer, n, if n % 10 == 9 { 400 } else { 0 }));
        assert_eq!(buffer.target(), 440);
        (200..200 + FALL_AFTER).for_each(|n| push(&mut buffer, n, 0));
        assert_eq!(buffer.target(), 440, "what was seen is not forgotten yet");
        (300..5_000).for_each(|n| push(&mut buffer, n, 0));
        assert_eq!(buffer.target(), TARGET_RANGE.0);
    }
}
