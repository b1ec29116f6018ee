//! Digits as telephone events (RFC 4733): told apart on receipt, paced when sent.
//!
//! An event is known by its RTP timestamp, never by its marker bit or its end packets, so that any one packet of it
//! suffices and no number of them doubles it.

use std::collections::VecDeque;
use std::time::Duration;

use super::rtp::Timestamp;
use crate::units::{FRAME_SAMPLES, NARROWBAND_HZ};

/// Events that the receiver remembers, to know their later and reordered packets.
const REMEMBERED: usize = 16;
/// From this duration on, in samples, an event may go on in a further segment (RFC 4733 §2.5.1.3).
const SEGMENT_MIN: u16 = 0xF000;
/// Slack in the start of a further segment, in samples: packets of 60 ms.
const SEGMENT_SLACK: i32 = 480;
/// Segments of 8.2 s that may be lost entirely within one long press.
const MAX_LOST_SEGMENTS: i32 = 8;
/// Times that the final packet is sent (RFC 4733 §2.5.1.4).
const END_PACKETS: u8 = 3;
/// Digits that wait to be sent; more are refused.
const MAX_QUEUED: usize = 32;
/// Silence between two sent digits, in ticks: 60 ms.
const GAP_TICKS: u8 = 3;
/// Shortest and longest digit that we send (ITU-T Q.24 asks for 40 ms; a longer one would need segments).
const SENT_RANGE: (Duration, Duration) = (Duration::from_millis(40), Duration::from_secs(8));
/// Loudness that we claim, in dB below the reference (RFC 4733 §2.3.3).
const VOLUME: u8 = 10;

/// A telephone-event payload (RFC 4733 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPayload {
    /// Event number; 0 to 15 are digits.
    pub event: u8,
    /// Whether the event is over.
    pub end: bool,
    /// Samples since its timestamp.
    pub duration: u16,
}

impl EventPayload {
    /// Octets of one event.
    pub const LEN: usize = 4;

    /// The first event in `payload`; `None` where it is too short.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let [event, flags, high, low] = *payload.first_chunk::<{ Self::LEN }>()?;
        Some(Self { event, end: flags & 0x80 != 0, duration: u16::from_be_bytes([high, low]) })
    }

    /// The same with its duration, counted at 8 kHz, counted by another clock. One longer than 16 bits hold stays at the
    /// most that they do: the far end hears one press all the same.
    pub fn at_clock(self, clock_hz: u32) -> Self {
        let duration = u32::from(self.duration) * (clock_hz / NARROWBAND_HZ);
        Self { duration: u16::try_from(duration).unwrap_or(u16::MAX), ..self }
    }

    /// The payload on the wire.
    pub fn print(self) -> [u8; Self::LEN] {
        let [high, low] = self.duration.to_be_bytes();
        [self.event, (u8::from(self.end) << 7) | VOLUME, high, low]
    }
}

/// The key of a digit event (RFC 4733 §3.2); `None` for other events.
pub fn key(event: u8) -> Option<char> {
    b"0123456789*#ABCD".get(usize::from(event)).map(|key| char::from(*key))
}

/// The digit event of a key.
pub fn event(key: char) -> Option<u8> {
    "0123456789*#ABCD".find(key.to_ascii_uppercase()).and_then(|at| u8::try_from(at).ok())
}

/// Tells presses apart.
#[derive(Debug, Default)]
pub struct EventReceiver {
    /// Newest last.
    known: VecDeque<Known>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    timestamp: Timestamp,
    event: u8,
    duration: u16,
    ended: bool,
}

impl EventReceiver {
    /// An empty memory that will not allocate later.
    pub fn new() -> Self {
        Self { known: VecDeque::with_capacity(REMEMBERED) }
    }

    /// Takes in one packet; the key and how long it has been held, if this is the first packet of a press.
    pub fn packet(&mut self, timestamp: Timestamp, payload: EventPayload) -> Option<(char, Duration)> {
        let key = key(payload.event)?;
        if let Some(known) = self.known.iter_mut().find(|known| known.is(timestamp, payload.event)) {
            known.duration = known.duration.max(payload.duration);
            known.ended |= payload.end;
            return None;
        }
        let continued = self.known.iter().any(|known| known.goes_on_at(timestamp, payload.event));
        if self.known.len() == REMEMBERED {
            self.known.pop_front();
        }
        let (event, duration, ended) = (payload.event, payload.duration, payload.end);
        self.known.push_back(Known { timestamp, event, duration, ended });
        let held = Duration::from_secs(1) * u32::from(duration) / NARROWBAND_HZ;
        (!continued).then_some((key, held))
    }
}

impl Known {
    fn is(&self, timestamp: Timestamp, event: u8) -> bool {
        self.timestamp == timestamp && self.event == event
    }

    /// Whether an event at `timestamp` is this one held on: a further segment of a long press, or a sender that moves
    /// the timestamp on with each packet.
    fn goes_on_at(&self, timestamp: Timestamp, event: u8) -> bool {
        if self.event != event || self.ended {
            return false;
        }
        let after = timestamp.since(self.timestamp);
        let full = (1..=MAX_LOST_SEGMENTS).any(|n| after == n * i32::from(u16::MAX));
        let next = self.duration >= SEGMENT_MIN && (after - i32::from(self.duration)).abs() <= SEGMENT_SLACK;
        let overlapping = after > 0 && after <= i32::from(self.duration);
        full || next || overlapping
    }
}

/// What the sender wants on the wire in this tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPacket {
    /// The payload.
    pub payload: EventPayload,
    /// When the event began: the packet's RTP timestamp.
    pub timestamp: Timestamp,
    /// Set on the first packet only (RFC 4733 §2.5.1.1).
    pub marker: bool,
}

/// Sends digits, one packet a tick.
#[derive(Debug)]
pub struct EventSender {
    queue: VecDeque<(u8, u16)>,
    state: Sending,
}

#[derive(Clone, Copy, Debug)]
enum Sending {
    Idle,
    Digit { event: u8, total: u16, begun: Timestamp, duration: u16, ends_sent: u8 },
    Gap { ticks: u8 },
}

impl Default for EventSender {
    fn default() -> Self {
        Self { queue: VecDeque::with_capacity(MAX_QUEUED), state: Sending::Idle }
    }
}

impl EventSender {
    /// Queues a key held for `duration` (brought within bounds); false where it is no key or the queue is full.
    pub fn send(&mut self, key: char, duration: Duration) -> bool {
        let Some(event) = event(key).filter(|_| self.queue.len() < MAX_QUEUED) else { return false };
        let millis = duration.clamp(SENT_RANGE.0, SENT_RANGE.1).as_millis() as u32;
        self.queue.push_back((event, (millis * NARROWBAND_HZ / 1_000) as u16));
        true
    }

    /// The packet due in the tick whose audio would carry `timestamp`; `None` when audio may be sent.
    pub fn tick(&mut self, timestamp: Timestamp) -> Option<EventPacket> {
        match &mut self.state {
            Sending::Gap { ticks: ticks @ 1.. } => {
                *ticks -= 1;
                return None;
            }
            Sending::Idle | Sending::Gap { .. } => {
                let Some((event, total)) = self.queue.pop_front() else {
                    self.state = Sending::Idle;
                    return None;
                };
                self.state = Sending::Digit { event, total, begun: timestamp, duration: 0, ends_sent: 0 };
            }
            Sending::Digit { .. } => {}
        }
        let Sending::Digit { event, total, begun, duration, ends_sent } = &mut self.state else { return None };
        let marker = *duration == 0;
        *duration = duration.saturating_add(FRAME_SAMPLES as u16).min(*total);
        let end = *duration == *total;
        let payload = EventPayload { event: *event, end, duration: *duration };
        let packet = EventPacket { payload, timestamp: *begun, marker };
        if end {
            *ends_sent += 1;
            if *ends_sent == END_PACKETS {
                self.state = Sending::Gap { ticks: GAP_TICKS };
            }
        }
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::seq::SliceRandom;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Packets as `(timestamp, event, end, duration)`.
    #[track_caller]
    fn check(packets: &[(u32, u8, bool, u16)], keys: &str) {
        let mut receiver = EventReceiver::new();
        let heard: String = packets
            .iter()
            .filter_map(|(timestamp, event, end, duration)| {
                let payload = EventPayload { event: *event, end: *end, duration: *duration };
                receiver.packet(Timestamp(*timestamp), payload).map(|(key, _)| key)
            })
            .collect();
        assert_eq!(heard, keys);
    }

    #[test]
    fn a_press_is_reported_once() {
        check(&[(0, 5, false, 160), (0, 5, false, 320), (0, 5, true, 480), (0, 5, true, 480)], "5");
    }

    #[test]
    fn one_packet_suffices_whichever_it_is() {
        check(&[(0, 5, false, 160)], "5");
        check(&[(0, 11, true, 800)], "#");
    }

    #[test]
    fn the_same_key_twice_with_a_lost_end() {
        check(&[(0, 5, false, 160), (0, 5, false, 320), (2_000, 5, false, 160)], "55");
    }

    #[test]
    fn a_packet_of_the_event_before_comes_late() {
        check(&[(0, 1, false, 160), (2_000, 2, false, 160), (0, 1, true, 800), (2_000, 2, true, 800)], "12");
    }

    #[test]
    fn a_press_longer_than_a_segment_is_one() {
        check(&[(0, 5, false, 65_440), (65_535, 5, false, 100), (131_070, 5, true, 800)], "5");
        check(&[(0, 5, false, 65_440), (65_440, 5, false, 160)], "5");
        check(&[(0, 5, false, 160), (131_070, 5, true, 800)], "5"); // The segment between is lost.
    }

    #[test]
    fn a_sender_that_moves_its_timestamp_on() {
        check(&[(0, 5, false, 160), (160, 5, false, 320), (320, 5, false, 480), (480, 5, true, 640)], "5");
    }

    #[test]
    fn an_ended_press_does_not_go_on() {
        check(&[(0, 5, true, 800), (400, 5, true, 800)], "55");
    }

    #[test]
    fn other_events_are_not_keys() {
        check(&[(0, 16, false, 160), (0, 255, true, 160)], "");
        assert_eq!(EventPayload::parse(&[1, 2, 3]), None);
        assert_eq!(event('x'), None);
    }

    /// What a sender puts on the wire for `digits`, with the tick of each packet.
    fn wire(digits: &[(char, u64)]) -> Vec<(usize, EventPacket)> {
        let mut sender = EventSender::default();
        let mut digits = digits.iter().peekable();
        let mut packets = Vec::new();
        let mut idle = 0;
        for tick in 0.. {
            if idle > 5 {
                let Some((key, millis)) = digits.next() else { break };
                assert!(sender.send(*key, Duration::from_millis(*millis)));
                idle = 0;
            }
            match sender.tick(Timestamp(tick as u32 * 160)) {
                Some(packet) => packets.push((tick, packet)),
                None => idle += 1,
            }
        }
        packets
    }

    #[test]
    fn a_sent_digit_has_one_marker_and_three_ends() {
        let packets = wire(&[('7', 100)]);
        let shape: Vec<(bool, bool, u16)> =
            packets.iter().map(|(_, packet)| (packet.marker, packet.payload.end, packet.payload.duration)).collect();
        let (body, end) = ((false, false), (false, true, 800));
        assert_eq!(shape[0], (true, false, 160));
        assert_eq!(shape[1..4].iter().map(|p| (p.0, p.1)).collect::<Vec<_>>(), [body; 3]);
        assert_eq!(shape[4..], [end; 3]);
    }

    #[test]
    fn a_full_queue_refuses() {
        let mut sender = EventSender::default();
        let taken = (0..100).filter(|_| sender.send('1', Duration::from_millis(100))).count();
        assert_eq!(taken, MAX_QUEUED);
        assert!(!EventSender::default().send('x', Duration::from_millis(100)));
    }

    /// A sender and its line.
    #[derive(Clone, Copy)]
    struct Line {
        digits: usize,
        /// Share of packets lost by themselves, and in bursts of three on top of it.
        loss: f64,
        bursts: f64,
        /// Samples of a packet: 160 with a clock of 8 kHz, 960 with one of 48 kHz.
        step: u32,
        /// Shortest and longest press in packets.
        held: (u32, u32),
        /// Share of digits that lose all their ends.
        endless: f64,
    }

    const USUAL: Line = Line { digits: 10_000, loss: 0.05, bursts: 0.0, step: 160, held: (2, 20), endless: 0.1 };

    /// S13: 20 % loss at random, bursts of three on top, digits as long as people press (80 ms and more).
    const BAD: Line = Line { loss: 0.2, bursts: 0.02, held: (4, 20), endless: 0.0, ..USUAL };

    /// Sends random digits as RFC 4733 §2.5 asks (a packet each 20 ms, three at the end, a new segment past 0xFFFF) over a
    /// line that loses, doubles and reorders within 60 ms. Checks that nothing is
    /// heard twice or falsely, and that each digit of which a packet arrives is heard. The share of all digits heard.
    fn heard_share(seed: u64, line: &Line) -> f64 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut sent: Vec<(char, Vec<(u32, EventPayload)>)> = Vec::new();
        let mut clock = rng.random::<u32>();
        for _ in 0..line.digits {
            let event = rng.random_range(0..16);
            let packets = rng.random_range(line.held.0..=line.held.1);
            let (mut begun, mut press) = (clock, Vec::new());
            for n in 1..=packets {
                let now = clock.wrapping_add(n * line.step);
                if now.wrapping_sub(begun) > 0xFFFF {
                    begun = begun.wrapping_add(0xFFFF);
                }
                let duration = now.wrapping_sub(begun) as u16;
                press.push((begun, EventPayload { event, end: n == packets, duration }));
            }
            let last = press[press.len() - 1];
            press.extend([last; 2]);
            clock = clock.wrapping_add((packets + rng.random_range(4..30)) * line.step);
            sent.push((key(event).expect("a key"), press));
        }
        let mut arrived: Vec<(usize, u32, EventPayload)> = Vec::new();
        let mut burst = 0u32;
        for (n, (_, press)) in sent.iter().enumerate() {
            let no_ends = rng.random_bool(line.endless);
            for (timestamp, payload) in press {
                if burst == 0 && rng.random_bool(line.bursts) {
                    burst = 3;
                }
                let lost = burst > 0 || rng.random_bool(line.loss) || (no_ends && payload.end);
                burst = burst.saturating_sub(1);
                if !lost {
                    arrived.push((n, *timestamp, *payload));
                    if rng.random_bool(0.02) {
                        arrived.push((n, *timestamp, *payload));
                    }
                }
            }
        }
        for window in arrived.chunks_mut(3) {
            window.shuffle(&mut rng);
        }
        let mut receiver = EventReceiver::new();
        let mut heard = vec![0; sent.len()];
        for (n, timestamp, payload) in &arrived {
            if let Some((key, _)) = receiver.packet(Timestamp(*timestamp), *payload) {
                assert_eq!(key, sent[*n].0, "seed {seed}");
                heard[*n] += 1;
            }
        }
        let mut expected = vec![0; sent.len()];
        for (n, ..) in &arrived {
            expected[*n] = 1;
        }
        assert!(heard == expected, "seed {seed}: missed or doubled");
        heard.iter().sum::<usize>() as f64 / sent.len() as f64
    }

    /// S13: every digit at 5 % loss. Of a digit of 40 ms all four packets may be lost, though: once in 160,000.
    #[test]
    fn ten_thousand_digits_at_5_per_cent_loss() {
        let share = heard_share(4_733, &USUAL);
        assert!(share > 0.999, "{share}");
    }

    #[test]
    fn digits_at_20_per_cent_loss_and_bursts_of_three() {
        let share = heard_share(4_734, &BAD);
        assert!(share >= 0.999, "{share}");
    }

    #[test]
    fn digits_of_a_clock_of_48_khz_and_longer_than_a_segment() {
        heard_share(4_735, &Line { digits: 2_000, step: 960, held: (2, 60), ..USUAL });
        heard_share(4_736, &Line { digits: 300, step: 960, held: (2, 400), ..USUAL });
        heard_share(4_737, &Line { digits: 300, step: 160, held: (2, 1_200), ..USUAL });
    }

    #[test]
    #[ignore = "two hundred thousand digits"]
    fn two_hundred_thousand_digits() {
        for seed in 0..10 {
            let five = heard_share(seed, &USUAL);
            let twenty = heard_share(seed + 100, &BAD);
            println!("| {seed} | {:.3} % | {:.3} % |", 100.0 * five, 100.0 * twenty);
        }
    }
}
