//! Speech made slower and louder without changing its pitch, for callers who ask for it (R3.4).
//!
//! Waveform-similarity overlap-add (W. Verhelst, M. Roelands, ICASSP 1993): frames are laid down at one pace and taken up
//! at another, each from where the waveform best continues what was laid down before it.

use crate::units::NARROWBAND_HZ;

/// Samples laid down per step: 10 ms, half a window.
const STEP: usize = NARROWBAND_HZ as usize / 100;

/// How far a frame may be moved to fit, in samples: 7.5 ms, a pitch period of the lowest voices.
const REACH: usize = NARROWBAND_HZ as usize * 3 / 400;

/// `pcm` at `speed` (0.8: a quarter longer), as loud as before.
///
/// A speed of 1 or above, or a clip shorter than two windows, comes back as it is: there is nothing to stretch.
pub fn slower(pcm: &[i16], speed: f64) -> Vec<i16> {
    let window = 2 * STEP;
    if speed >= 1.0 || speed <= 0.0 || pcm.len() < 2 * window + REACH {
        return pcm.to_vec();
    }
    let fade: Vec<f32> = (0..STEP).map(|i| (i as f32 + 0.5) / STEP as f32).collect();
    let advance = STEP as f64 * speed;
    let mut out: Vec<i16> = pcm[..STEP].to_vec();
    // What would have followed the frame laid down last: the next one is chosen to resemble it.
    let mut natural = STEP;
    for step in 1.. {
        let target = (f64::from(step) * advance) as usize;
        if target + REACH + window > pcm.len() || natural + STEP > pcm.len() {
            break;
        }
        let taken = best_match(pcm, natural, target);
        let (old, new) = (&pcm[natural..natural + STEP], &pcm[taken..taken + STEP]);
        let mixed = fade.iter().zip(old.iter().zip(new));
        out.extend(mixed.map(|(w, (o, n))| (f32::from(*o) * (1.0 - w) + f32::from(*n) * w) as i16));
        natural = taken + STEP;
    }
    out.extend_from_slice(&pcm[natural.min(pcm.len())..]);
    out
}

/// `pcm` louder by `decibels`; peaks are rounded off towards full scale instead of clipped.
pub fn louder(pcm: &[i16], decibels: f64) -> Vec<i16> {
    /// From here on the curve bends.
    const KNEE: f64 = 0.6;
    let gain = 10f64.powf(decibels / 20.0);
    let limit = |sample: i16| {
        let x = f64::from(sample) / 32_768.0 * gain;
        let over = (x.abs() - KNEE).max(0.0) / (1.0 - KNEE);
        let shaped = if over > 0.0 { KNEE + (1.0 - KNEE) * over.tanh() } else { x.abs() };
        (shaped * 32_767.0).copysign(x) as i16
    };
    pcm.iter().map(|s| limit(*s)).collect()
}

/// Where, within [`REACH`] of `target`, one step of `pcm` looks most like the step at `natural` (largest normalised
/// cross-correlation; every second sample is compared, which a telephone band allows).
fn best_match(pcm: &[i16], natural: usize, target: usize) -> usize {
    let wanted = &pcm[natural..natural + STEP];
    let first = target.saturating_sub(REACH);
    let last = (target + REACH).min(pcm.len() - STEP);
    let likeness = |at: usize| {
        let (mut product, mut energy) = (0f32, 1f32);
        for (a, b) in wanted.iter().zip(&pcm[at..at + STEP]).step_by(2) {
            product += f32::from(*a) * f32::from(*b);
            energy += f32::from(*b) * f32::from(*b);
        }
        product / energy.sqrt()
    };
    let best = (first..=last).map(|at| (likeness(at), at)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or(target, |(_, at)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, samples: usize) -> Vec<i16> {
        let step = std::f64::consts::TAU * hertz / f64::from(NARROWBAND_HZ);
        (0..samples).map(|i| ((i as f64 * step).sin() * 8_000.0) as i16).collect()
    }

    /// Cycles a second, counted at upward zero crossings.
    fn pitch(pcm: &[i16]) -> f64 {
        let crossings = pcm.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
        crossings as f64 * f64::from(NARROWBAND_HZ) / pcm.len() as f64
    }

    #[test]
    fn slower_lasts_longer_at_the_same_pitch() {
        for hertz in [110.0, 220.0, 431.0] {
            let pcm = tone(hertz, 16_000);
            let slow = slower(&pcm, 0.8);
            let ratio = slow.len() as f64 / pcm.len() as f64;
            assert!((1.22..1.28).contains(&ratio), "{ratio}");
            assert!((pitch(&slow) - hertz).abs() < 3.0, "{hertz} became {}", pitch(&slow));
        }
    }

    #[test]
    fn slower_makes_no_clicks() {
        let slow = slower(&tone(200.0, 16_000), 0.8);
        let steepest = slow.windows(2).map(|w| (i32::from(w[0]) - i32::from(w[1])).abs()).max();
        // A 200 Hz tone of this level moves at most 1,257 a sample.
        assert!(steepest < Some(1_700), "{steepest:?}");
    }

    #[test]
    fn short_clips_and_speeds_that_are_none_come_back_as_they_are() {
        let pcm = tone(300.0, 300);
        assert_eq!(slower(&pcm, 0.8), pcm);
        assert_eq!(slower(&tone(300.0, 4_000), 1.0), tone(300.0, 4_000));
    }

    #[test]
    fn louder_doubles_quiet_sounds_and_keeps_loud_ones_below_full_scale() {
        assert_eq!(louder(&[1_000, -1_000], 6.02), [1_999, -1_999]);
        let loud = louder(&[20_000, 32_767, i16::MIN], 6.0);
        assert!(loud[0] > 20_000 && loud[1] > loud[0], "{loud:?}");
        assert!(loud[2] <= -loud[1] + 10, "{loud:?}");
    }
}
