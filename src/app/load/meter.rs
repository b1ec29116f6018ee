//! What one caller received: how far each packet was from the ideal grid of its own timestamps, and what never came. Pure.

use crate::media::rtp::Header;

/// Measures one stream, time in microseconds since any origin.
#[derive(Debug, Default)]
pub struct Meter {
    first: Option<First>,
    /// Lag of each packet behind the first, by its timestamp; microseconds.
    lags: Vec<i32>,
    /// Extended number of the newest packet, counted from the first.
    newest: i64,
    duplicates: u64,
}

#[derive(Debug)]
struct First {
    at_us: i64,
    header: Header,
}

/// What is left of a stream at its end.
#[derive(Debug, Default)]
pub struct Heard {
    /// Pacing error of each packet: how late it was against the grid through the stream's earliest one; microseconds.
    pub errors_us: Vec<u32>,
    /// Packets that should have come.
    pub expected: u64,
    /// Packets that did.
    pub received: u64,
}

impl Meter {
    /// A meter that does not allocate while it takes in this many packets.
    pub fn with_room(packets: usize) -> Self {
        Self { lags: Vec::with_capacity(packets), ..Self::default() }
    }

    /// Whether nothing came yet.
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Takes in a packet of audio.
    pub fn packet(&mut self, header: &Header, at_us: i64) {
        let Some(first) = &self.first else {
            self.first = Some(First { at_us, header: *header });
            self.lags.push(0);
            return;
        };
        let elapsed_us = i64::from(header.timestamp.since(first.header.timestamp)) * 125;
        self.lags.push(i32::try_from(at_us - first.at_us - elapsed_us).unwrap_or(i32::MAX));
        // Numbers wrap after 21 minutes: the distance is taken from the newest.
        let newest = first.header.seq.0.wrapping_add(self.newest as u16);
        let step = header.seq.0.wrapping_sub(newest) as i16;
        self.duplicates += u64::from(step == 0);
        self.newest = self.newest.max(self.newest + i64::from(step));
    }

    /// The result, once the stream is over.
    pub fn finish(self) -> Heard {
        if self.first.is_none() {
            return Heard::default();
        }
        let least = self.lags.iter().copied().min().unwrap_or(0);
        let received = self.lags.len() as u64 - self.duplicates;
        Heard {
            errors_us: self.lags.iter().map(|lag| lag.abs_diff(least)).collect(),
            expected: self.newest as u64 + 1,
            received,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::rtp::{SeqNo, Timestamp};

    /// Packets as `(sequence number, timestamp, arrival in microseconds)`.
    #[track_caller]
    fn check(packets: &[(u16, u32, i64)], errors_us: &[u32], expected: u64, received: u64) {
        let mut meter = Meter::default();
        for (seq, timestamp, at_us) in packets {
            let (seq, timestamp) = (SeqNo(*seq), Timestamp(*timestamp));
            meter.packet(&Header { marker: false, payload_type: 8, seq, timestamp, ssrc: 1 }, *at_us);
        }
        let heard = meter.finish();
        assert_eq!(heard.errors_us, errors_us);
        assert_eq!((heard.expected, heard.received), (expected, received));
    }

    #[test]
    fn errors_are_lateness_against_the_earliest_packet() {
        check(&[(7, 160, 5_000), (8, 320, 25_300), (9, 480, 44_900)], &[100, 400, 0], 3, 3);
        check(&[(7, 160, 0), (8, 480, 40_000)], &[0, 0], 2, 2); // A pause is no error.
    }

    #[test]
    fn numbers_wrap_and_gaps_count() {
        check(&[(65_535, 0, 0), (1, 320, 40_000)], &[0, 0], 3, 2);
        check(&[(1, 0, 0), (3, 320, 40_000), (2, 160, 41_000)], &[0, 0, 21_000], 3, 3);
        check(&[(1, 0, 0), (1, 0, 10)], &[0, 10], 1, 1);
        check(&[], &[], 0, 0);
    }
}
