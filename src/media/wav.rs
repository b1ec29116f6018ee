//! Sound files: read at any rate, width and number of channels into 8 kHz mono.

use std::path::Path;

use super::error::MediaError;
use super::resample;
use crate::units::NARROWBAND_HZ;

/// Longest file read, in seconds of audio.
const MAX_SECONDS: u32 = 3_600;

/// The file's audio at 8 kHz, its channels averaged.
///
/// # Errors
/// When the file cannot be read, is longer than an hour, or its rate cannot be converted.
pub fn read_mono_8k(path: &Path) -> Result<Vec<i16>, MediaError> {
    let wav = |source| MediaError::Wav { path: path.to_owned(), source };
    let format = |reason: String| MediaError::Format { path: path.to_owned(), reason };
    let mut reader = hound::WavReader::open(path).map_err(wav)?;
    let spec = reader.spec();
    if reader.duration() / spec.sample_rate.max(1) >= MAX_SECONDS {
        return Err(format(format!("longer than {MAX_SECONDS} s")));
    }
    let interleaved: Vec<f32> = match spec.sample_format {
        hound::SampleFormat::Float => reader.samples::<f32>().collect::<Result<_, _>>().map_err(wav)?,
        hound::SampleFormat::Int => {
            let full_scale = (1u64 << (spec.bits_per_sample.clamp(1, 32) - 1)) as f32;
            let samples = reader.samples::<i32>().map(|sample| sample.map(|sample| sample as f32 / full_scale));
            samples.collect::<Result<_, _>>().map_err(wav)?
        }
    };
    let channels = usize::from(spec.channels.max(1));
    let mono: Vec<f32> =
        interleaved.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32).collect();
    let narrow = resample::whole(&mono, spec.sample_rate, NARROWBAND_HZ).map_err(|error| format(error.to_string()))?;
    Ok(narrow.into_iter().map(resample::to_i16).collect())
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;

    /// Writes a second of a 440 Hz tone, reads it back, and compares power and pitch.
    #[track_caller]
    fn check(rate: u32, channels: u16, bits: u16, format: hound::SampleFormat) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tone.wav");
        let spec = hound::WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format: format };
        let mut writer = hound::WavWriter::create(&path, spec).expect("a file");
        for n in 0..rate {
            let value = 0.5 * (TAU * 440.0 * n as f32 / rate as f32).sin();
            for _ in 0..channels {
                match format {
                    hound::SampleFormat::Float => writer.write_sample(value),
                    hound::SampleFormat::Int => writer.write_sample((value * (1i64 << (bits - 1)) as f32) as i32),
                }
                .expect("written");
            }
        }
        writer.finalize().expect("finished");
        let samples = read_mono_8k(&path).expect("read");
        assert!((7_990..=8_010).contains(&samples.len()), "{rate} Hz: {} samples", samples.len());
        let middle = &samples[1_000..7_000];
        let crossings = middle.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
        assert!((329..=331).contains(&crossings), "{rate} Hz: {crossings} periods");
        let peak = middle.iter().map(|sample| sample.unsigned_abs()).max().expect("samples");
        assert!((16_000..17_000).contains(&peak), "{rate} Hz: peak {peak}");
    }

    #[test]
    fn any_rate_width_and_number_of_channels() {
        check(8_000, 1, 16, hound::SampleFormat::Int);
        check(16_000, 1, 16, hound::SampleFormat::Int);
        check(44_100, 2, 24, hound::SampleFormat::Int);
        check(48_000, 2, 32, hound::SampleFormat::Float);
        check(22_050, 1, 8, hound::SampleFormat::Int);
    }

    #[test]
    fn errors_name_the_file() {
        let error = read_mono_8k(Path::new("/nonexistent/prompt.wav")).expect_err("no such file");
        assert!(error.to_string().contains("/nonexistent/prompt.wav"));
    }
}
