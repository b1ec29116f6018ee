//! Comfort noise (RFC 3389): what is heard while the peer sends no audio because nobody speaks.
//!
//! The peer describes its background by a level and, if it likes, the reflection coefficients of an all-pole model. White
//! noise through that filter sounds like the background did, where dead silence would sound like a broken line.

use super::jitter::CELL;

/// Reflection coefficients used; RFC 3389 §3.1 lets a receiver leave out higher ones.
const ORDER: usize = 12;
/// Amplitude of 0 dBov: a square wave at the overload of 16-bit samples (RFC 3389 §3.1).
const OVERLOAD: f32 = 32_768.0;
/// Share of the way to a new level that a cell makes, so that updates are not heard as steps: half of it in 30 ms.
const APPROACH: f32 = 0.2;
/// A filter that needs less power than this to make 1 of it, 60 dB, is no background but a ringing tone, in which rounding
/// errors grow: it is damped.
const LEAST_LOSS: f32 = 1e-6;
/// The variance of an even distribution between -1 and 1 is a third.
const SPREAD: f32 = 1.732_050_8;

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct ComfortNoise {
    /// Root mean square of the noise aimed at; `None` before the first description.
    wanted: Option<f32>,
    /// And as it is.
    level: f32,
    coefficients: [f32; ORDER],
    /// The lattice filter's delayed backward errors.
    backward: [f32; ORDER],
    /// A linear congruential generator: the same call makes the same noise.
    random: u32,
}

impl Default for ComfortNoise {
    fn default() -> Self {
        Self { wanted: None, level: 0.0, coefficients: [0.0; ORDER], backward: [0.0; ORDER], random: 1 }
    }
}

impl ComfortNoise {
    /// Takes in a payload. An empty one is ignored.
    pub fn describe(&mut self, payload: &[u8]) {
        let Some((level, spectrum)) = payload.split_first() else { return };
        let wanted = OVERLOAD * 10f32.powf(-f32::from(level & 0x7F) / 20.0);
        if self.wanted.is_none() {
            self.level = wanted;
        }
        self.wanted = Some(wanted);
        self.coefficients = [0.0; ORDER];
        for (coefficient, quantised) in self.coefficients.iter_mut().zip(spectrum) {
            // RFC 3389 §3.2; 255 is reserved and would make the filter unstable.
            *coefficient = 258.0 * (f32::from(*quantised) - 127.0).min(126.0) / 32_768.0;
        }
        while self.loss() < LEAST_LOSS {
            self.coefficients = self.coefficients.map(|coefficient| 0.9 * coefficient);
        }
    }

    /// Forgets the description: another source, or one that was silent without noise.
    pub fn forget(&mut self) {
        self.wanted = None;
    }

    /// Fills a cell with noise; with silence before any description.
    pub fn cell(&mut self, cell: &mut [i16; CELL]) {
        let Some(wanted) = self.wanted else {
            cell.fill(0);
            return;
        };
        self.level += APPROACH * (wanted - self.level);
        let amplitude = SPREAD * self.level * self.loss().sqrt();
        for sample in cell {
            self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let white = (self.random >> 8) as f32 / 8_388_608.0 - 1.0;
            *sample = self.filter(amplitude * white).round() as i16; // Saturates.
        }
    }

    /// Power of white noise that the filter makes into a power of 1.
    fn loss(&self) -> f32 {
        self.coefficients.iter().map(|k| 1.0 - k * k).product()
    }

    /// All-pole lattice: 1 / A(z), where A(z) = 1 + k1 z^-1 for a single coefficient. The RFC leaves the sign to its
    /// reference; this is the sign that WebRTC sends and expects.
    fn filter(&mut self, excitation: f32) -> f32 {
        let mut forward = excitation;
        for stage in (0..ORDER).rev() {
            forward -= self.coefficients[stage] * self.backward[stage];
            if stage + 1 < ORDER {
                self.backward[stage + 1] = self.backward[stage] + self.coefficients[stage] * forward;
            }
        }
        self.backward[0] = forward;
        forward
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two seconds of the noise that a payload describes.
    fn noise(payload: &[u8]) -> Vec<f64> {
        let mut comfort = ComfortNoise::default();
        comfort.describe(payload);
        let mut cell = [0; CELL];
        let cells = (0..200).flat_map(|_| {
            comfort.cell(&mut cell);
            cell.map(f64::from)
        });
        cells.collect()
    }

    fn power(samples: &[f64]) -> f64 {
        samples.iter().map(|sample| sample * sample).sum::<f64>() / samples.len() as f64
    }

    #[track_caller]
    fn check_level(payload: &[u8], dbov: f64) {
        let level = 10.0 * (power(&noise(payload)) / 32_768f64.powi(2)).log10();
        assert!((level - dbov).abs() < 1.0, "{payload:?}: {level} dBov");
    }

    #[test]
    fn the_level_is_the_one_described_whatever_the_spectrum() {
        check_level(&[40], -40.0);
        check_level(&[60], -60.0);
        check_level(&[0x80 | 50], -50.0); // The first bit means nothing.
        check_level(&[45, 40, 160, 120], -45.0);
        check_level(&[45, 230, 100, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 1, 254], -45.0);
    }

    /// Correlation of neighbouring samples, which for one coefficient is -k1.
    #[track_caller]
    fn check_colour(payload: &[u8], correlation: f64) {
        let samples = noise(payload);
        let product: f64 = samples.windows(2).map(|pair| pair[0] * pair[1]).sum();
        let found = product / samples.len() as f64 / power(&samples);
        assert!((found - correlation).abs() < 0.05, "{payload:?}: {found}");
    }

    #[test]
    fn the_spectrum_is_the_one_described() {
        check_colour(&[30], 0.0);
        check_colour(&[30, 127 - 80], 0.63);
        check_colour(&[30, 127 + 80], -0.63);
    }

    #[test]
    fn a_new_level_is_approached_and_a_wild_description_stays_bounded() {
        let mut comfort = ComfortNoise::default();
        let mut cell = [0; CELL];
        comfort.describe(&[60]);
        comfort.cell(&mut cell);
        comfort.describe(&[20]);
        comfort.cell(&mut cell);
        let loudest = |cell: &[i16]| cell.iter().map(|sample| sample.unsigned_abs()).max();
        assert!(loudest(&cell) < Some(2_000), "{:?}", loudest(&cell));
        comfort.describe(&[50, 255, 255, 255, 0, 0, 255]);
        (0..100).for_each(|_| comfort.cell(&mut cell));
        assert!(loudest(&cell) < Some(5_000), "{:?}", loudest(&cell));
    }

    #[test]
    fn without_a_description_there_is_silence() {
        let mut comfort = ComfortNoise::default();
        let mut cell = [7; CELL];
        comfort.describe(&[]);
        comfort.cell(&mut cell);
        assert_eq!(cell, [0; CELL]);
        comfort.describe(&[40]);
        comfort.forget();
        comfort.cell(&mut cell);
        assert_eq!(cell, [0; CELL]);
    }
}
