//! What one source's packets tell about the way here: sequence (RFC 3550 A.1), loss (A.3) and jitter (A.8).

use super::rtp::{SeqNo, Timestamp};

/// Packets a sequence number may jump ahead before we take the source for restarted (RFC 3550 A.1, MAX_DROPOUT).
const MAX_DROPOUT: u16 = 3_000;
/// How far back a reordered packet may come (RFC 3550 A.1, MAX_MISORDER); also the duplicate window below.
const MAX_MISORDER: u16 = 100;

/// How a packet relates to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The first of its source, or of a restart.
    First,
    /// Newer than all before; `skipped` numbers were left out.
    Ahead { skipped: u16 },
    /// Older than the newest, not seen before.
    Reordered,
    /// Seen before.
    Duplicate,
    /// So far off that either the source restarted or the packet is a stray; decided by the next one.
    Stray,
}

/// Counters of one source.
#[derive(Clone, Debug, Default)]
pub struct Reception {
    started: bool,
    base: u32,
    /// Extended highest sequence number (RFC 3550 §6.4.1).
    highest: u32,
    /// Bit n: number `highest - n` was received.
    seen: u128,
    /// The number that would prove a restart.
    restart: Option<SeqNo>,
    received: u64,
    duplicates: u64,
    /// Lost by sources before the present one or before a restart.
    lost_before: u64,
    /// Expected and received at the last report.
    reported: (u32, u64),
    /// Received by the present source, since its base.
    received_here: u64,
    transit: Option<i32>,
    /// Sixteenths of a sample, as A.8 keeps it.
    jitter: u32,
}

impl Reception {
    /// Takes note of a packet that arrived at `arrival`, our clock in samples.
    pub fn packet(&mut self, seq: SeqNo, timestamp: Timestamp, arrival: u32) -> Order {
        let order = self.order(seq);
        match order {
            Order::First | Order::Ahead { .. } | Order::Reordered => {
                self.received += 1;
                self.received_here += 1;
                self.time(timestamp, arrival);
            }
            Order::Duplicate => self.duplicates += 1,
            Order::Stray => {}
        }
        order
    }

    /// Forgets the present source's numbering; totals stay (a new SSRC, or the old one after a hold).
    pub fn new_source(&mut self) {
        self.lost_before = self.lost();
        self.started = false;
        self.restart = None;
        self.transit = None;
        self.received_here = 0;
        self.reported = (0, 0);
    }

    /// Packets received, duplicates left out.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Packets that came twice.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Packets that never came, as far as numbers tell (RFC 3550 A.3).
    pub fn lost(&self) -> u64 {
        self.lost_before + u64::from(self.expected()).saturating_sub(self.received_here)
    }

    /// Interarrival jitter in samples (RFC 3550 A.8).
    pub fn jitter(&self) -> u32 {
        self.jitter >> 4
    }

    /// Extended highest sequence number received.
    pub fn highest(&self) -> u32 {
        self.highest
    }

    /// The fraction lost since the last call, in 1/256 (RFC 3550 A.3).
    pub fn fraction_lost(&mut self) -> u8 {
        let (expected_before, received_before) = self.reported;
        self.reported = (self.expected(), self.received_here);
        let expected = u64::from(self.expected().saturating_sub(expected_before));
        let lost = expected.saturating_sub(self.received_here.saturating_sub(received_before));
        match expected {
            0 => 0,
            expected => u8::try_from(lost * 256 / expected).unwrap_or(u8::MAX),
        }
    }

    fn expected(&self) -> u32 {
        if self.started { self.highest.wrapping_sub(self.base).wrapping_add(1) } else { 0 }
    }

    fn order(&mut self, seq: SeqNo) -> Order {
        if !self.started {
            self.start(seq);
            return Order::First;
        }
        let ahead = seq.0.wrapping_sub(self.highest as u16);
        let behind = ahead.wrapping_neg();
        if (1..MAX_DROPOUT).contains(&ahead) {
            self.highest = self.highest.wrapping_add(u32::from(ahead));
            self.seen = self.seen.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            self.restart = None;
            Order::Ahead { skipped: ahead - 1 }
        } else if behind <= MAX_MISORDER {
            let bit = 1 << behind;
            if self.seen & bit != 0 {
                return Order::Duplicate;
            }
            // Older than the first packet of all: not counted as expected, so not counted at all.
            if u32::from(behind) > self.highest.wrapping_sub(self.base) {
                self.base = self.base.wrapping_sub(u32::from(behind) - self.highest.wrapping_sub(self.base));
            }
            self.seen |= bit;
            Order::Reordered
        } else if self.restart == Some(seq) {
            self.new_source();
            self.start(seq);
            Order::First
        } else {
            self.restart = Some(seq.next());
            Order::Stray
        }
    }

    fn start(&mut self, seq: SeqNo) {
        self.started = true;
        // One cycle up, so that a reordered packet from before the first does not wrap below zero.
        self.base = 0x1_0000 | u32::from(seq.0);
        self.highest = self.base;
        self.seen = 1;
        self.restart = None;
        self.reported = (0, 0);
    }

    fn time(&mut self, timestamp: Timestamp, arrival: u32) {
        let transit = arrival.wrapping_sub(timestamp.0) as i32;
        if let Some(before) = self.transit.replace(transit) {
            // A timestamp jump is no jitter: it would poison the estimate for minutes.
            let difference = transit.wrapping_sub(before).unsigned_abs().min(8_000);
            self.jitter = self.jitter.saturating_add(difference).saturating_sub((self.jitter + 8) >> 4);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(numbers: &[u16], received: u64, lost: u64, duplicates: u64) {
        let mut reception = Reception::default();
        for number in numbers {
            reception.packet(SeqNo(*number), Timestamp(0), 0);
        }
        assert_eq!((reception.received(), reception.lost(), reception.duplicates()), (received, lost, duplicates));
    }

    #[test]
    fn gaps_count_as_lost_until_they_are_filled() {
        check(&[1, 2, 3], 3, 0, 0);
        check(&[1, 4], 2, 2, 0);
        check(&[1, 4, 2], 3, 1, 0);
        check(&[5, 4], 2, 0, 0);
    }

    #[test]
    fn duplicates_do_not_fill_gaps() {
        check(&[1, 3, 3], 2, 1, 1);
        check(&[1, 2, 1], 2, 0, 1);
        check(&[1, 3, 2, 2], 3, 0, 1);
    }

    #[test]
    fn numbers_wrap() {
        check(&[65_534, 65_535, 0, 2], 4, 1, 0);
    }

    #[test]
    fn a_restart_needs_two_packets_in_a_row() {
        check(&[1, 2, 40_000, 3], 3, 0, 0); // A stray.
        check(&[1, 2, 40_000, 40_001, 40_002], 4, 0, 0); // The stray itself is not counted.
    }

    #[test]
    fn fraction_covers_the_interval_only() {
        let mut reception = Reception::default();
        for number in [0, 1, 3, 4] {
            reception.packet(SeqNo(number), Timestamp(0), 0);
        }
        assert_eq!(reception.fraction_lost(), 51); // One of five.
        for number in 5..9 {
            reception.packet(SeqNo(number), Timestamp(0), 0);
        }
        assert_eq!(reception.fraction_lost(), 0);
        reception.new_source();
        for number in [70, 72] {
            reception.packet(SeqNo(number), Timestamp(0), 0);
        }
        assert_eq!(reception.fraction_lost(), 85); // One of three.
    }

    #[test]
    fn a_steady_alternation_of_delay_is_its_own_jitter() {
        let mut reception = Reception::default();
        for n in 0..400u16 {
            let late = if n % 2 == 0 { 0 } else { 80 };
            reception.packet(SeqNo(n), Timestamp(u32::from(n) * 160), u32::from(n) * 160 + late);
        }
        assert!((78..=80).contains(&reception.jitter()), "{}", reception.jitter());
    }
}
