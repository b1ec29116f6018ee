//! Octets by RTP timestamp, and which of them are there: two bits for each.

use super::super::rtp::Timestamp;
use super::CELL;

/// Samples that the ring holds: 512 ms.
pub const CAPACITY: usize = 4_096;
const WORDS: usize = CAPACITY / u64::BITS as usize;

/// What the ring knows of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// It may still come.
    Missing,
    /// It is here.
    Present,
    /// The peer did not send it: its sequence numbers go on without a gap.
    Pause,
}

/// What the ring knows of a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// All of it is here.
    Whole,
    /// The peer sent no part of it, or not all.
    Paused,
    /// Some of it is missing.
    Holed,
}

/// See the module's documentation. A timestamp and the one [`CAPACITY`] later are the same place.
pub struct Ring {
    present: [u64; WORDS],
    pause: [u64; WORDS],
    codes: [u8; CAPACITY],
}

impl Default for Ring {
    fn default() -> Self {
        Self { present: [0; WORDS], pause: [0; WORDS], codes: [0; CAPACITY] }
    }
}

impl Ring {
    /// Writes codes from `start` on, at most as many as the ring holds.
    pub fn write(&mut self, start: Timestamp, codes: &[u8]) {
        let start = index(start);
        let (head, tail) = codes.split_at(codes.len().min(CAPACITY - start));
        self.codes[start..start + head.len()].copy_from_slice(head);
        self.codes[..tail.len()].copy_from_slice(tail);
    }

    /// Reads the cell that begins at `start`.
    pub fn read(&self, start: Timestamp, cell: &mut [u8; CELL]) {
        let start = index(start);
        let head = CELL.min(CAPACITY - start);
        cell[..head].copy_from_slice(&self.codes[start..start + head]);
        cell[head..].copy_from_slice(&self.codes[..CELL - head]);
    }

    /// Says of `len` samples from `start` on what they are.
    pub fn mark(&mut self, start: Timestamp, len: usize, as_: Sample) {
        for (word, mask) in masks(start, len) {
            let (present, pause) = (&mut self.present[word], &mut self.pause[word]);
            *present = if as_ == Sample::Present { *present | mask } else { *present & !mask };
            *pause = if as_ == Sample::Pause { *pause | mask } else { *pause & !mask };
        }
    }

    /// What the sample at `position` is.
    pub fn sample(&self, position: Timestamp) -> Sample {
        let (word, bit) = (index(position) / u64::BITS as usize, index(position) % u64::BITS as usize);
        match (self.present[word] >> bit & 1, self.pause[word] >> bit & 1) {
            (1, _) => Sample::Present,
            (_, 1) => Sample::Pause,
            (_, _) => Sample::Missing,
        }
    }

    /// What the cell that begins at `start` is.
    pub fn cell(&self, start: Timestamp) -> Stretch {
        let (mut whole, mut paused) = (true, false);
        for (word, mask) in masks(start, CELL) {
            whole &= self.present[word] & mask == mask;
            paused |= self.pause[word] & mask != 0;
        }
        match (whole, paused) {
            (true, _) => Stretch::Whole,
            (false, true) => Stretch::Paused,
            (false, false) => Stretch::Holed,
        }
    }

    /// Forgets all samples.
    pub fn clear(&mut self) {
        (self.present, self.pause) = ([0; WORDS], [0; WORDS]);
    }
}

/// The words, and in each the bits, of `len` samples from `start` on.
fn masks(start: Timestamp, len: usize) -> impl Iterator<Item = (usize, u64)> {
    let mut at = index(start);
    let mut left = len.min(CAPACITY);
    std::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        let bit = at % u64::BITS as usize;
        let here = left.min(u64::BITS as usize - bit);
        let found = (at / u64::BITS as usize, (u64::MAX >> (u64::BITS as usize - here)) << bit);
        at = (at + here) % CAPACITY;
        left -= here;
        Some(found)
    })
}

fn index(timestamp: Timestamp) -> usize {
    timestamp.0 as usize % CAPACITY
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Seeded: after any marks the ring says of each sample and cell what a plain array would.
    #[test]
    fn marks_are_kept_for_each_sample() {
        const MARKS: [Sample; 3] = [Sample::Missing, Sample::Present, Sample::Pause];
        let mut rng = StdRng::seed_from_u64(5);
        let (mut ring, mut plain) = (Ring::default(), [Sample::Missing; CAPACITY]);
        for round in 0..400 {
            let start = Timestamp(rng.random());
            let len = rng.random_range(0..if round % 50 == 0 { 5_000 } else { 300 });
            let mark = MARKS[rng.random_range(0..3)];
            ring.mark(start, len, mark);
            (0..len).for_each(|n| plain[index(start.plus(n as i32))] = mark);
            let at = start.plus(rng.random_range(-100..100));
            let cell: Vec<Sample> = (0..CELL).map(|n| plain[index(at.plus(n as i32))]).collect();
            let expected = match (cell.iter().all(|s| *s == Sample::Present), cell.contains(&Sample::Pause)) {
                (true, _) => Stretch::Whole,
                (false, true) => Stretch::Paused,
                (false, false) => Stretch::Holed,
            };
            assert_eq!((ring.sample(at), ring.cell(at)), (cell[0], expected), "round {round}");
        }
        ring.clear();
        assert!((0..CAPACITY as u32).all(|at| ring.sample(Timestamp(at)) == Sample::Missing));
    }

    #[test]
    fn codes_go_round_the_end() {
        let mut ring = Ring::default();
        let codes: [u8; CELL] = std::array::from_fn(|n| n as u8 + 1);
        for start in [0, 4_000, 4_050, CAPACITY as u32 - 1, u32::MAX - 20] {
            ring.write(Timestamp(start), &codes);
            let mut read = [0; CELL];
            ring.read(Timestamp(start), &mut read);
            assert_eq!(read, codes, "{start}");
        }
    }
}
