//! Digits heard as tones, for lines that send no telephone events: each tone's sine and cosine against the audio.
//!
//! Two blocks in a row that hold nothing but the same digit from beginning to end make one. From the turn of phase between
//! them each tone's frequency is known to a few Hz, though a block by itself tells tones 75 Hz apart at best; then both are
//! fitted to the audio, and must leave next to nothing of it. Limits after ITU-T Q.24 table A-1 (AT&T).

use std::f32::consts::TAU;
use std::sync::LazyLock;

use super::vad::energy;

/// The rows and columns of the keypad in Hz (ITU-T Q.23).
const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
const KEYS: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
/// The network's own tone, which may still sound beneath a digit.
const DIAL_TONE: f32 = 450.0;
/// Tones looked for: rows, columns, the network's own.
const TONES: usize = ROWS.len() + COLUMNS.len() + 1;
/// Samples of one block, 13.25 ms: 40 ms hold two whole ones wherever they begin, 23 ms never do.
const BLOCK: usize = 106;
/// Least mean square of a block that may hold a digit: two tones of -39 dBm0.
const MIN_POWER: f32 = 60_000.0;
/// Column over row, at most: 6 dB (4 must do); row over column, at most: 10 dB (8 must do).
const TWIST: (f32, f32) = (4.0, 10.0);
/// The loudest tone of each group over the others of its group, at least: 6 dB. The other group leaks into a tone's sum at -20 dB.
const RELATIVE: f32 = 4.0;
/// A tone is off by at most this share of its frequency: 1.5 % must do, 3.5 % must not.
const DETUNED: f32 = 0.025;
/// Share of a block's power that two tones carry, at least, to be looked at closely.
const SHARE_ROUGH: f32 = 0.6;
/// Share of two blocks' power that the two tones, and the network's own, make up when they are fitted to it. A tone that
/// fills a part of the blocks has that part as its share: 23 ms have 0.87, a little more where the silence falls into a trough of their beat.
const SHARE: f32 = 0.92;
/// Share of the power that the digit itself has, at least; the rest may be the network's own tone.
const DIGIT_SHARE: f32 = 0.3;
/// Blocks without the digit after which it is over: a pause of 40 ms has three, a break of 10 ms at most two.
const RELEASE: u8 = 3;

/// Finds digits in decoded audio.
#[derive(Debug)]
pub struct ToneReceiver {
    /// The last whole block, and the one that is being filled.
    heard: [i16; 2 * BLOCK],
    filled: usize,
    last: Option<Candidate>,
    held: Option<char>,
    absent: u8,
}

/// A block that may be part of a digit.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    row: usize,
    column: usize,
    /// Phases of both tones at the block's beginning.
    phases: [f32; 2],
}

impl Default for ToneReceiver {
    fn default() -> Self {
        LazyLock::force(&WAVES); // Here and not at the first loud block.
        Self { heard: [0; 2 * BLOCK], filled: 0, last: None, held: None, absent: 0 }
    }
}

impl ToneReceiver {
    /// Takes in samples at 8 kHz; the key of a digit that is recognised within them.
    pub fn samples(&mut self, samples: &[i16]) -> Option<char> {
        let mut found = None;
        let mut rest = samples;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(BLOCK - self.filled));
            let at = BLOCK + self.filled;
            self.heard[at..at + now.len()].copy_from_slice(now);
            self.filled += now.len();
            rest = later;
            if self.filled == BLOCK {
                found = self.block().or(found);
            }
        }
        found
    }

    fn block(&mut self) -> Option<char> {
        let candidate = self.heard.last_chunk().and_then(candidate);
        let before = std::mem::replace(&mut self.last, candidate);
        let found = match (before, candidate) {
            (Some(before), Some(now)) if self.held != Some(now.key()) && now.completes(&before, &self.heard) => {
                Some(now.key())
            }
            (Some(_) | None, Some(_) | None) => None,
        };
        self.filled = 0;
        self.heard.copy_within(BLOCK.., 0);
        if found.is_some() {
            self.held = found;
        }
        if candidate.is_some_and(|candidate| self.held == Some(candidate.key())) {
            self.absent = 0;
        } else {
            self.absent = self.absent.saturating_add(1);
            if self.absent >= RELEASE {
                self.held = None;
            }
        }
        found
    }
}

/// The key whose tones are the loudest in a block.
fn candidate(block: &[i16; BLOCK]) -> Option<Candidate> {
    let power = energy(block);
    if power < MIN_POWER * BLOCK as f32 {
        return None;
    }
    let block = block.map(f32::from);
    let sums = |tone: usize| WAVES[tone].each_ref().map(|wave| product(&block, wave));
    // A tone of amplitude a gives (a N / 2)^2 in its sums and a^2 N / 2 in the sum of squares.
    let energy = |[real, imaginary]: [f32; 2]| (real * real + imaginary * imaginary) * 2.0 / BLOCK as f32;
    // In speech mostly no row stands out, and the rest need not be looked at.
    let rows: [[f32; 2]; ROWS.len()] = std::array::from_fn(sums);
    let (row, row_energy) = loudest(&rows.map(energy))?;
    let columns: [[f32; 2]; COLUMNS.len()] = std::array::from_fn(|column| sums(ROWS.len() + column));
    let (column, column_energy) = loudest(&columns.map(energy))?;
    let beneath = energy(sums(TONES - 1)).min(power * (1.0 - DIGIT_SHARE));
    if row_energy + column_energy < SHARE_ROUGH * (power - beneath) {
        return None;
    }
    let phase = |[real, imaginary]: [f32; 2]| (-imaginary).atan2(real);
    Some(Candidate { row, column, phases: [phase(rows[row]), phase(columns[column])] })
}

/// Sum of products, eight side by side: the compiler makes SIMD of it.
fn product(block: &[f32; BLOCK], wave: &[f32; BLOCK]) -> f32 {
    let mut sums = [0.0f32; 8];
    let ((blocks, rest), (waves, last)) = (block.as_chunks::<8>(), wave.as_chunks::<8>());
    for (block, wave) in blocks.iter().zip(waves) {
        for n in 0..8 {
            sums[n] += block[n] * wave[n];
        }
    }
    let rest: f32 = rest.iter().zip(last).map(|(sample, wave)| sample * wave).sum();
    sums.iter().sum::<f32>() + rest
}

impl Candidate {
    fn key(&self) -> char {
        KEYS[self.row][self.column]
    }

    /// Whether this block and the one before it, heard one after the other, are a digit.
    fn completes(&self, before: &Self, heard: &[i16; 2 * BLOCK]) -> bool {
        if self.key() != before.key() {
            return false;
        }
        let nominal = [ROWS[self.row], COLUMNS[self.column]];
        let mut angles = [TAU * DIAL_TONE / 8_000.0; 3];
        for (n, hz) in nominal.iter().enumerate() {
            let angle = TAU * hz / 8_000.0;
            let turn = self.phases[n] - before.phases[n] - angle * BLOCK as f32;
            let off = (turn - TAU * (turn / TAU).round()) / BLOCK as f32;
            if off.abs() > DETUNED * angle {
                return false;
            }
            angles[n] = angle + off;
        }
        let Some(fitted) = fit(heard, angles) else { return false };
        let energy: f32 = heard.iter().map(|sample| f32::from(*sample).powi(2)).sum();
        let [row, column, _] = fitted.powers;
        let twisted = column > row * TWIST.0 || row > column * TWIST.1;
        let digit = (row + column) * heard.len() as f32;
        !twisted && fitted.energy >= SHARE * energy && digit >= DIGIT_SHARE * energy
    }
}

/// Three sinusoids fitted to some audio.
struct Fitted {
    /// Mean square of each.
    powers: [f32; 3],
    /// Sum of squares of all together, over the whole of it.
    energy: f32,
}

/// Fits sinusoids of these angles a sample to `heard` by least squares; `None` where they cannot be told apart.
fn fit(heard: &[i16; 2 * BLOCK], angles: [f32; 3]) -> Option<Fitted> {
    // Normal equations, the audio's products in the last column.
    let mut rows = [[0.0f32; 7]; 6];
    let turns = angles.map(f32::sin_cos);
    let mut waves = [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0f32];
    for sample in heard {
        waves[6] = f32::from(*sample);
        for (n, row) in rows.iter_mut().enumerate() {
            for (cell, wave) in row.iter_mut().zip(waves) {
                *cell += waves[n] * wave;
            }
        }
        for (n, (sin, cos)) in turns.iter().enumerate() {
            let (s, c) = (waves[2 * n], waves[2 * n + 1]);
            waves[2 * n] = s * cos + c * sin;
            waves[2 * n + 1] = c * cos - s * sin;
        }
    }
    let products = rows.map(|row| row[6]);
    // Gauss without pivots: the matrix is nearly diagonal, since the angles are apart.
    for n in 0..6 {
        let pivot = rows[n];
        if pivot[n] < 1.0 {
            return None;
        }
        for (m, row) in rows.iter_mut().enumerate() {
            if m != n {
                let factor = row[n] / pivot[n];
                row.iter_mut().zip(pivot).for_each(|(cell, above)| *cell -= factor * above);
            }
        }
    }
    let solved: [f32; 6] = std::array::from_fn(|n| rows[n][6] / rows[n][n]);
    let energy = solved.iter().zip(products).map(|(weight, product)| weight * product).sum();
    let powers = std::array::from_fn(|n| (solved[2 * n].powi(2) + solved[2 * n + 1].powi(2)) / 2.0);
    Some(Fitted { powers, energy })
}

/// The index and power of the loudest, where it stands out.
fn loudest(powers: &[f32]) -> Option<(usize, f32)> {
    let (at, power) = powers.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let alone = powers.iter().enumerate().all(|(n, other)| n == at || *other * RELATIVE <= power);
    alone.then_some((at, power))
}

/// Cosine and sine of each tone over a block: rows, columns, the network's own. By table rather than by Goertzel's
/// recurrence, in which each sample waits for the one before.
static WAVES: LazyLock<[[[f32; BLOCK]; 2]; TONES]> = LazyLock::new(|| {
    std::array::from_fn(|tone| {
        let hz = ROWS.into_iter().chain(COLUMNS).nth(tone).unwrap_or(DIAL_TONE);
        let angle = |n: usize| TAU * hz / 8_000.0 * n as f32;
        [std::array::from_fn(|n| angle(n).cos()), std::array::from_fn(|n| angle(n).sin())]
    })
});

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::media::g711::{self, Law};

    /// A digit on a line, as ITU-T Q.24 describes it.
    #[derive(Clone, Copy)]
    struct Digit {
        millis: usize,
        /// Level of each tone in dBm0.
        row_dbm0: f32,
        column_dbm0: f32,
        /// Detuning of row and column in per cent.
        detuned: (f32, f32),
        /// White noise below the digit, in dB.
        snr_db: f32,
        /// The network's own tone, in dBm0.
        dial_dbm0: f32,
    }

    const USUAL: Digit =
        Digit { millis: 60, row_dbm0: -9.0, column_dbm0: -9.0, detuned: (0.0, 0.0), snr_db: 60.0, dial_dbm0: -90.0 };

    /// Peak of a sine of this level: full scale is +3.14 dBm0 in A-law.
    #[expect(clippy::approx_constant, reason = "the level of full scale in dBm0 (G.711 A-law), not pi")]
    fn amplitude(dbm0: f32) -> f32 {
        32_768.0 * 10f32.powf((dbm0 - 3.14) / 20.0)
    }

    fn digit(key: char, digit: &Digit) -> Vec<f32> {
        let at = KEYS.as_flattened().iter().position(|k| *k == key).expect("a key");
        let angle = |hz: f32, off: f32, n: usize| TAU * hz * (1.0 + off / 100.0) * n as f32 / 8_000.0;
        let (row, column) = (amplitude(digit.row_dbm0), amplitude(digit.column_dbm0));
        (0..digit.millis * 8)
            .map(|n| {
                row * angle(ROWS[at / 4], digit.detuned.0, n).sin()
                    + column * angle(COLUMNS[at % 4], digit.detuned.1, n).sin()
            })
            .collect()
    }

    /// Adds noise and dial tone, and sends it through A-law.
    fn line(sound: &[f32], digit: &Digit, rng: &mut StdRng) -> Vec<i16> {
        let power = (amplitude(digit.row_dbm0).powi(2) + amplitude(digit.column_dbm0).powi(2)) / 2.0;
        let peak = (3.0 * power).sqrt() * 10f32.powf(-digit.snr_db / 20.0);
        let dial = amplitude(digit.dial_dbm0);
        let linear: Vec<i16> = sound
            .iter()
            .enumerate()
            .map(|(n, s)| {
                (s + rng.random_range(-peak..=peak) + dial * (TAU * DIAL_TONE * n as f32 / 8_000.0).sin()) as i16
            })
            .collect();
        let mut codes = vec![0; linear.len()];
        g711::encode(Law::A, &linear, &mut codes);
        let mut heard = vec![0; linear.len()];
        g711::decode(Law::A, &codes, &mut heard);
        heard
    }

    fn keys(samples: &[i16]) -> String {
        let mut receiver = ToneReceiver::default();
        samples.chunks(160).filter_map(|frame| receiver.samples(frame)).collect()
    }

    /// Every key, at many places within a block.
    #[track_caller]
    fn check(setup: Digit, heard: bool) {
        let mut rng = StdRng::seed_from_u64(24);
        for key in KEYS.as_flattened() {
            for offset in (0..BLOCK).step_by(7) {
                let sound = [vec![0.0; 320 + offset], digit(*key, &setup), vec![0.0; 800]].concat();
                let expected = if heard { key.to_string() } else { String::new() };
                assert_eq!(keys(&line(&sound, &setup, &mut rng)), expected, "{key}, {offset}");
            }
        }
    }

    /// Q.24 table A-1, signal frequencies: ±1.5 % (AT&T) operates, ±3.5 % does not.
    #[test]
    fn frequency_tolerance() {
        for off in [1.5, -1.5] {
            for detuned in [(off, 0.0), (0.0, off), (off, off), (off, -off)] {
                check(Digit { detuned, ..USUAL }, true);
            }
        }
        for off in [3.5, -3.5, 5.0, -5.0] {
            for detuned in [(off, 0.0), (0.0, off), (off, off)] {
                check(Digit { detuned, ..USUAL }, false);
            }
        }
    }

    /// Q.24 table A-1, power levels: -3 to -25 dBm a frequency operates, -55 does not.
    #[test]
    fn levels() {
        for dbm0 in [-3.0, -9.0, -25.0] {
            check(Digit { row_dbm0: dbm0, column_dbm0: dbm0, ..USUAL }, true);
        }
        check(Digit { row_dbm0: -55.0, column_dbm0: -55.0, ..USUAL }, false);
    }

    /// Q.24 table A-1, level difference between frequencies: column +4 to -8 dB over row (AT&T) operates.
    #[test]
    fn twist() {
        check(Digit { row_dbm0: -10.0, column_dbm0: -6.0, ..USUAL }, true);
        check(Digit { row_dbm0: -10.0, column_dbm0: -6.0, detuned: (-1.5, 1.5), ..USUAL }, true);
        check(Digit { row_dbm0: -6.0, column_dbm0: -14.0, ..USUAL }, true);
        check(Digit { row_dbm0: -18.0, column_dbm0: -9.0, ..USUAL }, false);
        check(Digit { row_dbm0: -6.0, column_dbm0: -18.0, ..USUAL }, false);
    }

    /// Q.24 table A-1, signal reception timing: 40 ms operates, 23 ms does not (AT&T).
    #[test]
    fn duration() {
        check(Digit { millis: 40, ..USUAL }, true);
        check(Digit { millis: 40, snr_db: 20.0, detuned: (1.5, -1.5), ..USUAL }, true);
        for millis in [10, 20, 23] {
            check(Digit { millis, ..USUAL }, false);
        }
    }

    /// Q.24 table A-1, pause 40 ms (AT&T) parts two digits; a break of 10 ms does not.
    #[test]
    fn pause_and_break() {
        let mut rng = StdRng::seed_from_u64(25);
        for offset in 0..BLOCK {
            for (pause, expected) in [(40, "55"), (10, "5")] {
                let tone = digit('5', &USUAL);
                let sound = [vec![0.0; offset], tone.clone(), vec![0.0; pause * 8], tone, vec![0.0; 800]].concat();
                assert_eq!(keys(&line(&sound, &USUAL, &mut rng)), expected, "{pause} ms at {offset}");
            }
        }
        // At the fastest of Q.24, 93 ms a digit (AT&T), other digits follow each other.
        let quick = Digit { millis: 50, ..USUAL };
        let sound: Vec<f32> =
            "1593*0D7".chars().flat_map(|key| [digit(key, &quick), vec![0.0; 43 * 8]].concat()).collect();
        assert_eq!(keys(&line(&sound, &quick, &mut rng)), "1593*0D7");
    }

    #[test]
    fn one_long_press_is_one_digit() {
        check(Digit { millis: 1_000, snr_db: 20.0, ..USUAL }, true);
    }

    /// Q.24 clause A.7: digits are received in noise. Here 15 dB of white noise, all of a telephone's band.
    #[test]
    fn noise() {
        check(Digit { snr_db: 15.0, ..USUAL }, true);
        let mut rng = StdRng::seed_from_u64(23);
        let noise: Vec<i16> = (0..8_000 * 60).map(|_| rng.random_range(-8_000..8_000)).collect();
        assert_eq!(keys(&noise), "");
    }

    /// A digit cuts through the network's tone, as loud as each of its own tones.
    #[test]
    fn dial_tone() {
        check(Digit { dial_dbm0: -9.0, ..USUAL }, true);
        let alone = Digit { row_dbm0: -90.0, column_dbm0: -90.0, dial_dbm0: -9.0, ..USUAL };
        check(alone, false);
    }

    #[test]
    fn one_tone_alone_is_no_digit() {
        check(Digit { row_dbm0: -90.0, ..USUAL }, false);
        check(Digit { column_dbm0: -90.0, ..USUAL }, false);
    }
}
