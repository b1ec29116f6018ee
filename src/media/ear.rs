//! The caller's recent audio, kept while someone listens, so that an utterance can be cut out of it.

use std::collections::VecDeque;
use std::time::Duration;

use super::receiver::samples;

/// How much is kept, in samples: 60 s, the longest utterance. Older audio goes first.
pub const KEPT: usize = 60 * 8_000;

/// See the module's documentation. Positions are samples on the session's clock.
#[derive(Debug, Default)]
pub struct Ear {
    start: i64,
    kept: VecDeque<i16>,
}

impl Ear {
    /// Adds audio that begins at `at`. What is known already is skipped; a gap shorter than what is kept is filled with
    /// silence, a longer one empties the buffer.
    pub fn push(&mut self, at: i64, audio: &[i16]) {
        let gap = at - self.end();
        if self.kept.is_empty() || gap > KEPT as i64 {
            self.kept.clear();
            self.start = at;
        } else {
            self.kept.extend(std::iter::repeat_n(0, gap.max(0) as usize));
        }
        let known = (self.end() - at).max(0) as usize;
        self.kept.extend(audio.iter().skip(known));
        let excess = self.kept.len().saturating_sub(KEPT);
        self.kept.drain(..excess);
        self.start += excess as i64;
    }

    /// One past the newest sample.
    pub fn end(&self) -> i64 {
        self.start + self.kept.len() as i64
    }

    /// The audio between two spans since the opening, as far as it is kept.
    pub fn cut(&self, from: Duration, to: Duration) -> Vec<i16> {
        let index = |span| (samples(span) - self.start).clamp(0, self.kept.len() as i64) as usize;
        let (from, to) = (index(from), index(to));
        self.kept.range(from..to.max(from)).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pushes: &[(i64, &[i16])], from_ms: u64, to_ms: u64, expected: &[i16]) {
        let mut ear = Ear::default();
        for (at, audio) in pushes {
            ear.push(*at, audio);
        }
        let cut = ear.cut(Duration::from_millis(from_ms), Duration::from_millis(to_ms));
        assert_eq!(cut, expected);
    }

    #[test]
    fn an_utterance_is_cut_by_its_times() {
        let audio: Vec<i16> = (0..800).collect();
        check(&[(8_000, &audio)], 1_010, 1_011, &[80, 81, 82, 83, 84, 85, 86, 87]);
        check(&[(8_000, &audio[..4]), (8_004, &audio[4..8])], 1_000, 1_001, &[0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn what_is_not_kept_is_left_out() {
        check(&[(8_000, &[1, 2])], 0, 2_000, &[1, 2]);
        check(&[(8_000, &[1, 2])], 2_000, 3_000, &[]);
        check(&[(8_000, &[1, 2])], 3_000, 0, &[]);
    }

    #[test]
    fn overlap_is_kept_once_and_a_gap_is_silence() {
        check(&[(0, &[1, 2, 3]), (1, &[2, 3, 4])], 0, 1_000, &[1, 2, 3, 4]);
        check(&[(0, &[1]), (3, &[4])], 0, 1_000, &[1, 0, 0, 4]);
        check(&[(0, &[1]), (10_000_000, &[4])], 0, 10_000_000, &[4]);
    }

    #[test]
    fn it_is_bounded() {
        let mut ear = Ear::default();
        for n in 0..4_000 {
            ear.push(n * 160, &[1; 160]);
        }
        assert_eq!((ear.kept.len(), ear.end()), (KEPT, 640_000));
    }
}
