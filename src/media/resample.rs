//! Changes of sample rate, by rubato's FFT resampler.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _};

use crate::units::{FRAME_SAMPLES, NARROWBAND_HZ, SPEECH_HZ};

/// Samples of 20 ms at [`SPEECH_HZ`].
pub const SPEECH_FRAME_SAMPLES: usize = FRAME_SAMPLES * 2;

/// A change of rate that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ResampleError {
    /// One of the rates is zero or absurd.
    #[error("cannot convert {from_hz} Hz to {to_hz} Hz")]
    Rates { from_hz: u32, to_hz: u32, source: rubato::ResamplerConstructionError },
    /// The resampler refused the audio.
    #[error("resampling failed")]
    Process(#[from] rubato::ResampleError),
}

/// Turns a running 8 kHz signal into 16 kHz, frame by frame; allocates nothing after it is made.
pub struct Upsampler {
    fft: Fft<f32>,
    input: [f32; FRAME_SAMPLES],
    output: [f32; SPEECH_FRAME_SAMPLES],
}

impl Upsampler {
    /// A resampler at the beginning of a signal.
    ///
    /// # Errors
    /// None in practice: the rates are fixed and valid.
    pub fn new() -> Result<Self, ResampleError> {
        let (from_hz, to_hz) = (NARROWBAND_HZ, SPEECH_HZ);
        let fft = Fft::new(from_hz as usize, to_hz as usize, FRAME_SAMPLES, 1, FixedSync::Both)
            .map_err(|source| ResampleError::Rates { from_hz, to_hz, source })?;
        Ok(Self { fft, input: [0.0; FRAME_SAMPLES], output: [0.0; SPEECH_FRAME_SAMPLES] })
    }

    /// Samples at 16 kHz by which the output lags.
    pub fn delay(&self) -> usize {
        self.fft.output_delay()
    }

    /// The next 20 ms at 16 kHz, in the range -1 to 1.
    ///
    /// # Errors
    /// None in practice: the buffers always fit.
    pub fn frame(&mut self, samples: &[i16; FRAME_SAMPLES]) -> Result<&[f32; SPEECH_FRAME_SAMPLES], ResampleError> {
        for (float, sample) in self.input.iter_mut().zip(samples) {
            *float = f32::from(*sample) / 32_768.0;
        }
        let fits = "an array holds the samples that it was made for";
        let input = InterleavedSlice::new(&self.input[..], 1, FRAME_SAMPLES).expect(fits);
        let mut output = InterleavedSlice::new_mut(&mut self.output[..], 1, SPEECH_FRAME_SAMPLES).expect(fits);
        self.fft.process_into_buffer(&input, &mut output, None)?;
        Ok(&self.output)
    }
}

/// A whole signal at another rate, without delay.
///
/// # Errors
/// When one of the rates is zero.
pub fn whole(samples: &[f32], from_hz: u32, to_hz: u32) -> Result<Vec<f32>, ResampleError> {
    if from_hz == to_hz {
        return Ok(samples.to_vec());
    }
    let mut fft = Fft::new(from_hz as usize, to_hz as usize, 1_024, 1, FixedSync::Input)
        .map_err(|source| ResampleError::Rates { from_hz, to_hz, source })?;
    let input = InterleavedSlice::new(samples, 1, samples.len()).expect("a slice holds its own length");
    Ok(fft.process_all(&input, samples.len(), None)?.take_data())
}

/// A sample in the range -1 to 1 as 16 bits; saturates.
pub fn to_i16(sample: f32) -> i16 {
    (sample * 32_768.0).round() as i16
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    /// A sweep over the telephone band, one of whose parts is as good as another for finding seams.
    fn sweep(frames: usize) -> Vec<i16> {
        let len = frames * FRAME_SAMPLES;
        (0..len)
            .map(|n| {
                let t = n as f64 / 8_000.0;
                let hz = 300.0 + 1_550.0 * n as f64 / len as f64; // Instantaneous: up to 3.4 kHz.
                (12_000.0 * (TAU * hz * t).sin()) as i16
            })
            .collect()
    }

    #[test]
    fn frame_by_frame_equals_one_shot() {
        let samples = sweep(500);
        let mut upsampler = Upsampler::new().expect("made");
        let mut chunked = Vec::new();
        for frame in samples.as_chunks::<FRAME_SAMPLES>().0 {
            chunked.extend_from_slice(upsampler.frame(frame).expect("resampled"));
        }
        let floats: Vec<f32> = samples.iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
        // One shot: the same filter over the whole signal at once.
        let mut fft = Fft::new(8_000, 16_000, FRAME_SAMPLES, 1, FixedSync::Both).expect("made");
        let input = InterleavedSlice::new(&floats[..], 1, floats.len()).expect("fits");
        let whole = fft.process_all(&input, floats.len(), None).expect("resampled").take_data();
        let delay = upsampler.delay();
        let compared = whole.iter().zip(&chunked[delay..]).take(whole.len() - delay);
        let (mut signal, mut error) = (0.0, 0.0);
        for (a, b) in compared {
            signal += f64::from(*a).powi(2);
            error += f64::from(a - b).powi(2);
        }
        assert!(10.0 * (error / signal).log10() < -80.0, "{error} in {signal}");
    }

    #[test]
    fn a_tone_keeps_its_level_and_pitch() {
        let tone: Vec<f32> =
            (0..8_000).map(|n| (0.5 * (TAU * 1_000.0 * f64::from(n) / 8_000.0).sin()) as f32).collect();
        let wide = whole(&tone, 8_000, 16_000).expect("resampled");
        for (n, sample) in wide.iter().enumerate().skip(2_000).take(12_000) {
            let expected = 0.5 * (TAU * 1_000.0 * n as f64 / 16_000.0).sin();
            assert!((f64::from(*sample) - expected).abs() < 0.001, "{n}: {sample} for {expected}");
        }
    }

    #[test]
    fn no_rate_is_an_error() {
        assert!(matches!(whole(&[0.0], 0, 8_000), Err(ResampleError::Rates { .. })));
    }
}
