//! Changes the sample rate of a whole clip: what the telephone gives at 8 kHz, Whisper takes at 16 kHz.
//!
//! One band-limited pass over the clip, never chunk by chunk: no clicks at seams, and the delay of the filter is taken out,
//! so times measured on one side hold on the other.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};

use crate::units::{NARROWBAND_HZ, SPEECH_HZ};

/// Samples that the resampler works on at a time.
const CHUNK: usize = 1024;

/// Telephone audio as the recogniser takes it: 16 kHz, full scale at one.
pub fn to_speech_rate(pcm_8k: &[i16]) -> Vec<f32> {
    let pcm: Vec<f32> = pcm_8k.iter().map(|&s| f32::from(s) / 32_768.0).collect();
    resample(&pcm, NARROWBAND_HZ, SPEECH_HZ)
}

/// `pcm` at another rate; as long as it was, in time, to the sample.
pub fn resample(pcm: &[f32], from_hz: u32, to_hz: u32) -> Vec<f32> {
    if from_hz == to_hz || pcm.is_empty() {
        return pcm.to_vec();
    }
    let mut resampler = Fft::<f32>::new(from_hz as usize, to_hz as usize, CHUNK, 1, FixedSync::Input)
        .expect("two positive rates, one channel and a positive chunk always make a resampler");
    let input = InterleavedSlice::new(pcm, 1, pcm.len()).expect("a slice holds as many frames as it is long");
    let output = resampler.process_all(&input, pcm.len(), None).expect("input and output have one channel each");
    output.take_data()
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;

    fn tone(hz: f32, rate_hz: u32, samples: usize) -> Vec<f32> {
        (0..samples).map(|n| 0.5 * (TAU * hz * n as f32 / rate_hz as f32).sin()).collect()
    }

    /// Largest distance between `pcm` and the ideal tone, away from the ends.
    fn error(pcm: &[f32], hz: f32, rate_hz: u32) -> f32 {
        let ideal = tone(hz, rate_hz, pcm.len());
        let range = 400..pcm.len() - 400;
        pcm[range.clone()].iter().zip(&ideal[range]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn keeps_tones_and_their_phase() {
        for hz in [300.0, 1000.0, 3400.0] {
            let up = resample(&tone(hz, 8000, 8000), 8000, 16_000);
            assert_eq!(up.len(), 16_000);
            assert!(error(&up, hz, 16_000) < 0.002, "{hz} Hz: {}", error(&up, hz, 16_000));
        }
    }

    #[test]
    fn makes_no_image_above_the_old_band() {
        let up = resample(&tone(3000.0, 8000, 8000), 8000, 16_000);
        // The image of 3 kHz lies at 5 kHz: what is left there must be far below what a listener or a network notices.
        let (re, im) = up[400..15_600].iter().enumerate().fold((0.0_f32, 0.0_f32), |(re, im), (n, s)| {
            let phase = TAU * 5000.0 * n as f32 / 16_000.0;
            (re + s * phase.cos(), im + s * phase.sin())
        });
        assert!(re.hypot(im) / 15_200.0 < 1e-4);
    }

    #[test]
    fn odd_lengths_and_nothing() {
        assert!(to_speech_rate(&[]).is_empty());
        for len in [1, 7, 1023, 1025] {
            assert_eq!(to_speech_rate(&vec![100; len]).len(), 2 * len);
        }
    }
}
