//! What test callers say.

use std::f32::consts::TAU;
use std::path::Path;

use crate::media::wav;

/// The made-up voice speaks and pauses in turns of so many samples: 2.4 s and 0.8 s.
const SPEAKS: usize = 19_200;
const TURN: usize = 25_600;
/// How often it goes round: 12.8 s.
const TURNS: usize = 4;

/// The samples of a file at 8 kHz, or a made-up voice: four syllables a second, their pitch between 110 and 150 Hz, with
/// pauses. Loud enough to be speech to any voice activity detector, and the same in every run.
pub fn voice(file: Option<&Path>) -> anyhow::Result<Vec<i16>> {
    match file {
        Some(path) => Ok(wav::read_mono_8k(path)?),
        None => Ok((0..TURN * TURNS).map(sample).collect()),
    }
}

fn sample(n: usize) -> i16 {
    let t = n as f32 / 8_000.0;
    if n % TURN >= SPEAKS {
        return 0;
    }
    let syllable = (TAU * 2.0 * t).sin().abs();
    let phase = TAU * (130.0 * t + 1.5 * (TAU * 1.7 * t).sin());
    let voiced: f32 = (1..12).map(|k| (phase * k as f32).sin() / k as f32).sum();
    (voiced * syllable * 4_000.0) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_made_up_voice_is_loud_and_pauses() {
        let voice = voice(None).expect("made up");
        let power = |range: std::ops::Range<usize>| {
            voice[range.clone()].iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / range.len() as f64
        };
        assert!(power(0..SPEAKS).sqrt() > 1_500.0);
        assert!(power(SPEAKS..TURN) == 0.0);
        assert!(voice.iter().all(|s| s.unsigned_abs() < 16_000));
    }
}
