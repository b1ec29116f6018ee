//! What one frame of telephone audio sounds like: how loud, how periodic and at which pitch.

/// Samples from one frame to the next: 10 ms at 8 kHz.
pub const HOP: usize = 80;

/// Samples that one frame looks at: 32 ms, two periods of the lowest voice.
const WINDOW: usize = 256;

/// Periods of a human voice, in samples at 8 kHz: 400 Hz down to 62 Hz.
const SHORTEST_PERIOD: usize = 20;
const LONGEST_PERIOD: usize = 128;

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Level without rumble, in decibels below full scale (a full-scale sine lies at -3).
    pub level_db: f32,
    /// Largest normalised autocorrelation within the periods of a voice; near one for a vowel, or any tone.
    pub periodicity: f32,
    /// The period of that largest value, in samples; fractions interpolated.
    pub period: f32,
}

impl Frame {
    /// How far the period has moved since `earlier`, relatively; leaps of an octave count as none, for they are mistakes of
    /// the search, not of the voice.
    pub fn period_change(&self, earlier: &Self) -> f32 {
        let ratio = self.period / earlier.period;
        [0.5, 1.0, 2.0].map(|octave| (ratio / octave - 1.0).abs()).into_iter().fold(f32::INFINITY, f32::min)
    }
}

/// The frames of a clip, one every [`HOP`] samples; a last incomplete window is left out.
pub fn frames(pcm_8k: &[i16]) -> Vec<Frame> {
    let clean = without_rumble(pcm_8k);
    clean.windows(WINDOW).step_by(HOP).map(frame).collect()
}

/// Takes out what lies below about 100 Hz: mains hum, handling noise and offset. Two first-order high-passes.
fn without_rumble(pcm_8k: &[i16]) -> Vec<f32> {
    /// Half power of one stage at 60 Hz, of both at about 95 Hz: exp(-2 pi 60 / 8000).
    const POLE: f32 = 0.954;
    let mut pcm: Vec<f32> = pcm_8k.iter().map(|&s| f32::from(s) / 32_768.0).collect();
    for _ in 0..2 {
        let (mut last_in, mut last_out) = (pcm.first().copied().unwrap_or(0.0), 0.0);
        for sample in &mut pcm {
            last_out = POLE * (last_out + *sample - last_in);
            last_in = std::mem::replace(sample, last_out);
        }
    }
    pcm
}

fn frame(window: &[f32]) -> Frame {
    let energy: f32 = window.iter().map(|s| s * s).sum::<f32>() / window.len() as f32;
    let (periodicity, period) = pitch(window);
    Frame { level_db: 10.0 * (energy + 1e-12).log10(), periodicity, period }
}

fn pitch(window: &[f32]) -> (f32, f32) {
    let correlation = |lag: usize| {
        let (a, b) = (&window[..WINDOW - lag], &window[lag..]);
        let (mut ab, mut aa, mut bb) = (0.0, 1e-9, 1e-9);
        for (x, y) in a.iter().zip(b) {
            ab += x * y;
            aa += x * x;
            bb += y * y;
        }
        ab / f32::sqrt(aa * bb)
    };
    let curve: Vec<f32> = (SHORTEST_PERIOD - 1..=LONGEST_PERIOD + 1).map(correlation).collect();
    let best = curve.windows(3).map(|w| w[1]).fold(0.0, f32::max);
    // The first peak that is nearly the best: the period itself, not a multiple of it.
    let peak = curve.windows(3).position(|w| w[1] >= 0.9 * best && w[1] >= w[0] && w[1] >= w[2]);
    let Some(i) = peak else { return (0.0, LONGEST_PERIOD as f32) };
    let [before, at, after] = [curve[i], curve[i + 1], curve[i + 2]];
    let bend = before - 2.0 * at + after;
    let shift = if bend < 0.0 { 0.5 * (before - after) / bend } else { 0.0 };
    (at.clamp(0.0, 1.0), (SHORTEST_PERIOD + i) as f32 + shift)
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;

    fn pulses(hz: f32, samples: usize) -> Vec<i16> {
        (0..samples)
            .map(|n| (1..=10).map(|h| (TAU * hz * h as f32 * n as f32 / 8000.0).cos()).sum::<f32>() * 1000.0)
            .map(|s| s as i16)
            .collect()
    }

    #[test]
    fn pitch_of_voices_high_and_low() {
        for hz in [80.0, 123.0, 210.0, 333.0] {
            for frame in frames(&pulses(hz, 2000)).iter().skip(10) {
                assert!(frame.periodicity > 0.95, "{hz}: {frame:?}");
                assert!((8000.0 / frame.period / hz - 1.0).abs() < 0.02, "{hz}: {frame:?}");
            }
        }
    }

    #[test]
    fn level_leaves_rumble_out() {
        let tone =
            |hz: f32| -> Vec<i16> { (0..4000).map(|n| (3276.8 * (TAU * hz * n as f32 / 8e3).sin()) as i16).collect() };
        let level = |hz| frames(&tone(hz)).last().unwrap().level_db;
        // A sine at a tenth of full scale lies at -23 dB.
        assert!((level(1000.0) + 23.0).abs() < 0.5, "{}", level(1000.0));
        assert!((level(300.0) + 23.0).abs() < 2.0, "{}", level(300.0));
        assert!(level(50.0) < -30.0, "{}", level(50.0));
    }

    #[test]
    fn an_octave_is_no_movement() {
        let frame = frames(&pulses(150.0, 400))[0];
        let moved = |factor: f32| Frame { period: frame.period * factor, ..frame }.period_change(&frame);
        assert!(moved(2.0) < 1e-3 && moved(0.5) < 1e-3 && moved(1.0) < 1e-3);
        assert!((moved(1.05) - 0.05).abs() < 1e-3);
    }

    #[test]
    fn silence_has_no_pitch() {
        let frame = frames(&[0; 400])[0];
        assert_eq!((frame.periodicity, frame.level_db), (0.0, -120.0));
    }
}
