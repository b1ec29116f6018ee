//! Concealment of lost audio by repeating pitch periods (ITU-T G.711 Appendix I).
//!
//! Works on cells of 10 ms. The output lags the input by [`DELAY`] samples, so that the join before a loss can be
//! smoothed after the fact. A loss longer than [`FADED_AFTER`] cells is silence.

use super::jitter::CELL;

/// Samples by which output lags input: 3.75 ms.
pub const DELAY: usize = MAX_OVERLAP;

/// Cells of a loss after which the repeated signal has faded to silence: 60 ms.
const FADED_AFTER: usize = 6;
/// Shortest and longest pitch period looked for, in samples: 200 Hz to 66 Hz.
const PITCH_MIN: usize = 40;
const PITCH_MAX: usize = 120;
/// A quarter of the longest period: the longest join.
const MAX_OVERLAP: usize = PITCH_MAX / 4;
const HISTORY: usize = 3 * PITCH_MAX + MAX_OVERLAP;
/// Samples kept, so that the history is moved to the front once in some cells and not at each.
const ROOM: usize = HISTORY + 8 * CELL;
/// Samples compared to find the pitch: 20 ms.
const CORRELATED: usize = 160;
/// Step of the coarse search, in samples.
const DECIMATION: usize = 2;
/// Power below which no pitch is looked for, so that noise does not divide by nothing.
const MIN_POWER: f32 = 250.0;
/// By how much the join at the end of a loss grows with each lost cell, in samples: 4 ms.
const OVERLAP_STEP: usize = 32;
/// Attenuation with each lost cell after the first.
const ATTENUATION: f32 = 0.2;

/// Conceals losses in one direction of one call.
pub struct Concealer {
    /// What was handed in, up to `end`.
    kept: [i16; ROOM],
    end: usize,
    /// The history as it was when the loss began, as floats.
    periods: [f32; HISTORY],
    /// The last quarter period before the loss.
    tail: [f32; MAX_OVERLAP],
    /// Cells lost in a row so far.
    lost: usize,
    pitch: usize,
    overlap: usize,
    /// Samples of `periods`, from its end, that are being repeated.
    repeated: usize,
    offset: usize,
}

impl Default for Concealer {
    fn default() -> Self {
        Self {
            kept: [0; ROOM],
            end: HISTORY,
            periods: [0.0; HISTORY],
            tail: [0.0; MAX_OVERLAP],
            lost: 0,
            pitch: PITCH_MAX,
            overlap: MAX_OVERLAP,
            repeated: PITCH_MAX,
            offset: 0,
        }
    }
}

impl Concealer {
    /// A received cell: joined to what was concealed before it, and delayed by [`DELAY`].
    pub fn received(&mut self, cell: &mut [i16; CELL]) {
        if self.lost > 0 {
            let len = (self.overlap + (self.lost - 1) * OVERLAP_STEP).min(CELL);
            let mut synthetic = [0.0; CELL];
            self.repeat(&mut synthetic[..len]);
            let gain = (1.0 - (self.lost - 1) as f32 * ATTENUATION).max(0.0);
            for (n, (sample, old)) in cell.iter_mut().zip(&synthetic[..len]).enumerate() {
                let rising = (n + 1) as f32 / len as f32;
                *sample = round((1.0 - rising) * gain * old + rising * f32::from(*sample));
            }
            self.lost = 0;
        }
        self.keep(cell);
    }

    /// A lost cell: filled with what plausibly came next.
    pub fn lost(&mut self, cell: &mut [i16; CELL]) {
        let mut synthetic = [0.0; CELL];
        match self.lost {
            0 => {
                self.begin();
                self.repeat(&mut synthetic);
            }
            1 | 2 => {
                let mut old = [0.0; MAX_OVERLAP];
                let offset = self.offset;
                self.repeat(&mut old[..self.overlap]);
                self.offset = offset % self.pitch;
                self.repeated += self.pitch;
                self.join_periods();
                self.repeat(&mut synthetic);
                for n in 0..self.overlap {
                    let rising = (n + 1) as f32 / self.overlap as f32;
                    synthetic[n] = (1.0 - rising) * old[n] + rising * synthetic[n];
                }
                self.fade(&mut synthetic);
            }
            lost if lost < FADED_AFTER => {
                self.repeat(&mut synthetic);
                self.fade(&mut synthetic);
            }
            _ => {}
        }
        self.lost = (self.lost + 1).min(FADED_AFTER);
        for (sample, value) in cell.iter_mut().zip(synthetic) {
            *sample = round(value);
        }
        self.keep(cell);
    }

    fn begin(&mut self) {
        for (float, sample) in self.periods.iter_mut().zip(&self.kept[self.end - HISTORY..self.end]) {
            *float = f32::from(*sample);
        }
        self.pitch = self.find_pitch();
        self.overlap = self.pitch / 4;
        self.tail[..self.overlap].copy_from_slice(&self.periods[HISTORY - self.overlap..]);
        self.offset = 0;
        self.repeated = self.pitch;
        self.join_periods();
        // The end of the history has not been played yet: it takes the smoothed join.
        let history = &mut self.kept[self.end - HISTORY..self.end];
        for (sample, joined) in history.iter_mut().zip(&self.periods).skip(HISTORY - self.overlap) {
            *sample = round(*joined);
        }
    }

    /// Makes the end of the repeated stretch run smoothly into its beginning.
    fn join_periods(&mut self) {
        let start = HISTORY - self.repeated;
        for n in 0..self.overlap {
            let rising = (n + 1) as f32 / self.overlap as f32;
            self.periods[HISTORY - self.overlap + n] =
                (1.0 - rising) * self.tail[n] + rising * self.periods[start - self.overlap + n];
        }
    }

    fn repeat(&mut self, out: &mut [f32]) {
        let start = HISTORY - self.repeated;
        let mut done = 0;
        while done < out.len() {
            let len = (self.repeated - self.offset).min(out.len() - done);
            let from = start + self.offset;
            out[done..done + len].copy_from_slice(&self.periods[from..from + len]);
            self.offset = (self.offset + len) % self.repeated;
            done += len;
        }
    }

    fn fade(&self, cell: &mut [f32; CELL]) {
        let gain = 1.0 - (self.lost - 1) as f32 * ATTENUATION;
        for (n, sample) in cell.iter_mut().enumerate() {
            *sample *= gain - n as f32 * ATTENUATION / CELL as f32;
        }
    }

    /// Takes a cell into the history and hands out the one that is due.
    fn keep(&mut self, cell: &mut [i16; CELL]) {
        if self.end + CELL > ROOM {
            self.kept.copy_within(self.end - HISTORY..self.end, 0);
            self.end = HISTORY;
        }
        self.kept[self.end..self.end + CELL].copy_from_slice(cell);
        cell.copy_from_slice(&self.kept[self.end - DELAY..self.end - DELAY + CELL]);
        self.end += CELL;
    }

    /// The lag with the highest normalised correlation: a coarse search, then its neighbours.
    fn find_pitch(&self) -> usize {
        let lags = PITCH_MAX - PITCH_MIN;
        let coarse = self.best((0..=lags).step_by(DECIMATION), DECIMATION);
        let fine = coarse.saturating_sub(DECIMATION - 1)..=(coarse + DECIMATION - 1).min(lags);
        PITCH_MAX - self.best(fine, 1)
    }

    fn best(&self, candidates: impl Iterator<Item = usize>, step: usize) -> usize {
        let recent = &self.periods[HISTORY - CORRELATED..];
        let mut best = (0, f32::MIN);
        for candidate in candidates {
            let start = HISTORY - CORRELATED - PITCH_MAX + candidate;
            let earlier = &self.periods[start..start + CORRELATED];
            let (mut power, mut correlation) = (0.0, 0.0);
            for (old, new) in earlier.iter().zip(recent).step_by(step) {
                power += old * old;
                correlation += old * new;
            }
            let score = correlation / power.max(MIN_POWER).sqrt();
            if score >= best.1 {
                best = (candidate, score);
            }
        }
        best.0
    }
}

fn round(value: f32) -> i16 {
    value as i16 // Saturates.
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;
    use std::path::Path;

    use super::*;
    use crate::media::g711::{self, Law};
    use crate::media::impair::{Conditions, Line, Loss};

    fn tone(hz: f32, n: usize) -> i16 {
        (8_000.0 * (TAU * hz * n as f32 / 8_000.0).sin()) as i16
    }

    /// Plays a tone through a concealer that loses the cells in `lost`; returns what came out.
    fn heard(hz: f32, cells: usize, lost: &[usize]) -> Vec<i16> {
        let mut concealer = Concealer::default();
        let mut out = Vec::new();
        for n in 0..cells {
            let mut cell = std::array::from_fn(|k| tone(hz, n * CELL + k));
            if lost.contains(&n) {
                concealer.lost(&mut cell)
            } else {
                concealer.received(&mut cell)
            }
            out.extend(cell);
        }
        out
    }

    fn power(samples: &[i16]) -> f64 {
        samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len() as f64
    }

    #[test]
    fn without_loss_only_the_delay_is_heard() {
        let out = heard(300.0, 20, &[]);
        for (n, sample) in out.iter().enumerate().skip(DELAY) {
            assert_eq!(*sample, tone(300.0, n - DELAY));
        }
    }

    #[test]
    fn a_lost_cell_of_a_voiced_sound_is_continued() {
        for hz in [80.0, 100.0, 125.0, 190.0] {
            let whole = heard(hz, 30, &[]);
            let concealed = heard(hz, 30, &[15, 16]);
            let error: Vec<i16> = whole.iter().zip(&concealed).map(|(a, b)| a.wrapping_sub(*b)).collect();
            let window = 15 * CELL..17 * CELL;
            let ratio = power(&whole[window.clone()]) / power(&error[window]).max(1.0);
            assert!(ratio > 10.0, "{hz} Hz: signal to error {ratio}");
        }
    }

    #[test]
    fn a_long_loss_fades_to_silence_without_a_click() {
        let out = heard(120.0, 40, &(20..32).collect::<Vec<_>>());
        assert_eq!(power(&out[27 * CELL..31 * CELL]), 0.0);
        let steepest = |samples: &[i16]| {
            samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().expect("samples")
        };
        let natural = steepest(&heard(120.0, 40, &[]));
        assert!(steepest(&out[18 * CELL..]) <= natural * 3, "{} against {natural}", steepest(&out[18 * CELL..]));
    }

    /// A resident's request as it sounds after A-law.
    fn speech() -> Vec<i16> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/calls/request.pension.wav");
        let reader = hound::WavReader::open(path).expect("a test's sound");
        let mut samples: Vec<i16> = reader.into_samples().collect::<Result<_, _>>().expect("samples");
        samples.truncate(samples.len() / FRAME * FRAME);
        let mut codes = vec![0; samples.len()];
        g711::encode(Law::A, &samples, &mut codes);
        g711::decode(Law::A, &codes, &mut samples);
        samples
    }

    const FRAME: usize = 2 * CELL;

    /// Log power, in dB over a floor, of the bands of 100 Hz up to 3.4 kHz in a frame under a Hann window.
    fn spectrum(frame: &[i16]) -> [f64; 34] {
        std::array::from_fn(|band| {
            let step = std::f64::consts::TAU * (band + 1) as f64 * 100.0 / 8_000.0;
            let (mut re, mut im) = (0.0, 0.0);
            for (n, sample) in frame.iter().enumerate() {
                let window = (std::f64::consts::PI * n as f64 / frame.len() as f64).sin().powi(2);
                let value = window * f64::from(*sample);
                re += value * (step * n as f64).cos();
                im += value * (step * n as f64).sin();
            }
            10.0 * (re * re + im * im + 1e6).log10()
        })
    }

    /// Mean log-spectral distance, in dB, of the lost frames and those behind them, where the clean sound is no silence.
    fn distance(clean: &[i16], heard: &[i16], lost: &[bool]) -> f64 {
        let (mut sum, mut frames) = (0.0, 0);
        for (n, (clean, heard)) in clean.chunks_exact(FRAME).zip(heard.chunks_exact(FRAME)).enumerate() {
            if !(lost[n] || n > 0 && lost[n - 1]) || power(clean) < 1e4 {
                continue;
            }
            let squares = spectrum(clean).iter().zip(spectrum(heard)).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            sum += (squares / 34.0).sqrt();
            frames += 1;
        }
        sum / f64::from(frames)
    }

    /// Speech with losses, concealed and filled with zeros: the distance of both from the clean sound.
    #[track_caller]
    fn check_speech(loss: Loss, at_most_db: f64, better_by_db: f64) {
        const SEED: u64 = 711;
        let clean = speech();
        let mut line = Line::new(SEED, Conditions { loss, ..Conditions::GOOD });
        let lost: Vec<bool> =
            (0..clean.len() / FRAME).map(|_| line.arrivals(std::time::Duration::ZERO)[0].is_none()).collect();
        let mut concealer = Concealer::default();
        let (mut concealed, mut empty) = (Vec::new(), clean.clone());
        for (n, frame) in clean.chunks_exact(CELL).enumerate() {
            let mut cell: [i16; CELL] = std::array::from_fn(|k| frame[k]);
            if lost[n / 2] {
                empty[n * CELL..(n + 1) * CELL].fill(0);
                concealer.lost(&mut cell);
            } else {
                concealer.received(&mut cell);
            }
            concealed.extend(cell);
        }
        let ours = distance(&clean, &concealed[DELAY..], &lost);
        let zeros = distance(&clean, &empty, &lost);
        println!("{loss:?}: log-spectral distance {ours:.2} dB, filled with zeros {zeros:.2} dB");
        assert!(ours <= at_most_db, "seed {SEED}, {loss:?}: {ours} dB");
        assert!(zeros - ours >= better_by_db, "seed {SEED}, {loss:?}: {ours} dB, zeros {zeros} dB");
    }

    #[test]
    fn lost_speech_is_concealed_better_than_by_silence() {
        check_speech(Loss::Bernoulli(0.03), 3.8, 2.9);
        check_speech(Loss::Bernoulli(0.05), 4.0, 2.5);
        check_speech(Loss::Gilbert { share: 0.05, burst: 2.5 }, 11.3, 0.9);
    }

    #[test]
    fn loss_before_any_sound_is_silence() {
        let mut concealer = Concealer::default();
        let mut cell = [99; CELL];
        concealer.lost(&mut cell);
        assert_eq!(cell, [0; CELL]);
    }
}
