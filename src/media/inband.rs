//! Digits heard as tones: eight Goertzel filters, for lines that send no telephone events.
//!
//! Blocks of 102 samples, two of which must agree, keep to ITU-T Q.24: a tone of 40 ms is a digit, one of 20 ms is not.
//! Thresholds after Q.24 annex A; talk-off is held down by asking that the two tones carry nearly all the power.

use std::f32::consts::TAU;

/// The rows and columns of the keypad in Hz (ITU-T Q.23).
const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
const KEYS: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
/// Samples of one block: 12.75 ms.
const BLOCK: usize = 102;
/// Least mean square of a block that may hold a digit: about -36 dB below the loudest tone.
const MIN_POWER: f32 = 60_000.0;
/// Column over row, at most: 4 dB; row over column, at most: 8 dB (Q.24 table A-1).
const TWIST: (f32, f32) = (2.5, 6.3);
/// The loudest tone of each group over the others of its group, at least: 8 dB.
const RELATIVE: f32 = 6.3;
/// Share of the block's power that the two tones carry, at least.
const SHARE: f32 = 0.75;
/// Blocks without the digit after which it is over.
const RELEASE: u8 = 2;

/// Finds digits in decoded audio.
#[derive(Debug, Default)]
pub struct ToneReceiver {
    filters: [[f32; 2]; 8],
    power: f32,
    filled: usize,
    last: Option<char>,
    held: Option<char>,
    absent: u8,
}

impl ToneReceiver {
    /// Takes in samples at 8 kHz; the key of a digit that is recognised within them.
    pub fn samples(&mut self, samples: &[i16]) -> Option<char> {
        let mut found = None;
        let mut rest = samples;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(BLOCK - self.filled));
            self.run(now);
            self.filled += now.len();
            rest = later;
            if self.filled == BLOCK {
                found = self.block().or(found);
            }
        }
        found
    }

    fn run(&mut self, samples: &[i16]) {
        let mut filters = self.filters;
        for sample in samples {
            let sample = f32::from(*sample);
            self.power += sample * sample;
            for (state, coefficient) in filters.iter_mut().zip(COEFFICIENTS.iter()) {
                let next = coefficient * state[0] - state[1] + sample;
                *state = [next, state[0]];
            }
        }
        self.filters = filters;
    }

    fn block(&mut self) -> Option<char> {
        let key = self.key();
        self.filters = [[0.0; 2]; 8];
        self.power = 0.0;
        self.filled = 0;
        let before = std::mem::replace(&mut self.last, key);
        if key.is_some() && key == before && key != self.held {
            self.held = key;
            self.absent = 0;
            return key;
        }
        if key == self.held {
            self.absent = 0;
        } else {
            self.absent += 1;
            if self.absent >= RELEASE {
                self.held = None;
                self.absent = 0;
            }
        }
        None
    }

    /// The key that this block holds.
    fn key(&self) -> Option<char> {
        if self.power < MIN_POWER * BLOCK as f32 {
            return None;
        }
        let mut powers = [0.0; 8];
        for ((power, state), coefficient) in powers.iter_mut().zip(&self.filters).zip(COEFFICIENTS.iter()) {
            *power = state[0] * state[0] + state[1] * state[1] - coefficient * state[0] * state[1];
        }
        let (row, row_power) = loudest(&powers[..4])?;
        let (column, column_power) = loudest(&powers[4..])?;
        if column_power > row_power * TWIST.0 || row_power > column_power * TWIST.1 {
            return None;
        }
        // A tone of amplitude a gives (a N / 2)^2 in its filter and a^2 N / 2 in the sum of squares.
        let share = (row_power + column_power) * 2.0 / (BLOCK as f32 * self.power);
        (share >= SHARE).then_some(KEYS[row][column])
    }
}

/// The index and power of the loudest, where it stands out.
fn loudest(powers: &[f32]) -> Option<(usize, f32)> {
    let (at, power) = powers.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let alone = powers.iter().enumerate().all(|(n, other)| n == at || *other * RELATIVE <= power);
    alone.then_some((at, power))
}

/// Twice the cosine of each tone's angle per sample.
static COEFFICIENTS: std::sync::LazyLock<[f32; 8]> = std::sync::LazyLock::new(|| {
    std::array::from_fn(|n| {
        let hz = if n < 4 { ROWS[n] } else { COLUMNS[n - 4] };
        2.0 * (TAU * hz / 8_000.0).cos()
    })
});

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// A dual tone: milliseconds, level of each tone as amplitude, detuning in per cent.
    fn tone(key: char, millis: usize, amplitudes: (f32, f32), detuned: f32) -> Vec<i16> {
        let (row, column) = KEYS
            .iter()
            .enumerate()
            .find_map(|(row, keys)| keys.iter().position(|k| *k == key).map(|column| (row, column)))
            .expect("a key");
        let angle = |hz: f32, n: usize| TAU * hz * (1.0 + detuned / 100.0) * n as f32 / 8_000.0;
        (0..millis * 8)
            .map(|n| (amplitudes.0 * angle(ROWS[row], n).sin() + amplitudes.1 * angle(COLUMNS[column], n).sin()) as i16)
            .collect()
    }

    fn keys(samples: &[i16]) -> String {
        let mut receiver = ToneReceiver::default();
        samples.chunks(160).filter_map(|frame| receiver.samples(frame)).collect()
    }

    #[track_caller]
    fn check(millis: usize, amplitudes: (f32, f32), detuned: f32, heard: bool) {
        for key in KEYS.as_flattened() {
            for offset in [0, 37, 80, 101] {
                let mut samples = vec![0; offset];
                samples.extend(tone(*key, millis, amplitudes, detuned));
                samples.extend([0; 800]);
                let expected = if heard { key.to_string() } else { String::new() };
                assert_eq!(keys(&samples), expected, "{key}, {millis} ms, {amplitudes:?}, {detuned} %, {offset}");
            }
        }
    }

    #[test]
    fn every_key_at_usual_and_low_level() {
        check(60, (4_000.0, 4_000.0), 0.0, true);
        check(60, (500.0, 500.0), 0.0, true);
        check(60, (60.0, 60.0), 0.0, false);
    }

    #[test]
    fn forty_milliseconds_are_a_digit_and_ten_are_not() {
        check(40, (4_000.0, 4_000.0), 0.0, true);
        check(10, (4_000.0, 4_000.0), 0.0, false);
    }

    #[test]
    fn detuning_and_twist_within_limits() {
        check(60, (4_000.0, 4_000.0), 1.5, true);
        check(60, (4_000.0, 4_000.0), -1.5, true);
        check(60, (4_000.0, 5_500.0), 0.0, true);
        check(60, (6_000.0, 3_000.0), 0.0, true);
        check(60, (1_000.0, 8_000.0), 0.0, false);
    }

    #[test]
    fn one_long_press_is_one_digit_and_two_presses_are_two() {
        assert_eq!(keys(&tone('5', 2_000, (4_000.0, 4_000.0), 0.0)), "5");
        let mut twice = tone('5', 60, (4_000.0, 4_000.0), 0.0);
        twice.extend([0; 480]);
        twice.extend(tone('5', 60, (4_000.0, 4_000.0), 0.0));
        twice.extend([0; 480]);
        assert_eq!(keys(&twice), "55");
    }

    #[test]
    fn noise_is_no_digit() {
        let mut rng = StdRng::seed_from_u64(23);
        let noise: Vec<i16> = (0..8_000 * 60).map(|_| rng.random_range(-8_000..8_000)).collect();
        assert_eq!(keys(&noise), "");
    }
}
