//! Sound files: read at any rate, width and number of channels into 8 kHz mono; the header of our recordings.

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

/// Octets of a recording's header.
const HEADER: usize = 44;
/// Octets of one pair of 16-bit samples.
const PAIR: u64 = 4;

/// Where a recording's sample pair of this number lies in its file, in octets.
pub fn offset(pair: u64) -> u64 {
    HEADER as u64 + PAIR * pair
}

/// The header of a recording of so many sample pairs: 16-bit PCM, two channels, 8 kHz, as WAVE_FORMAT_PCM (RFC 2361 §A).
pub fn header(pairs: u64) -> [u8; HEADER] {
    let data = u32::try_from(PAIR * pairs).unwrap_or(u32::MAX - HEADER as u32);
    let mut header = *b"RIFF____WAVEfmt \x10\0\0\0\x01\0\x02\0____\0\0\0\0\x04\0\x10\0data____";
    header[4..8].copy_from_slice(&(data + HEADER as u32 - 8).to_le_bytes());
    header[24..28].copy_from_slice(&NARROWBAND_HZ.to_le_bytes());
    header[28..32].copy_from_slice(&(NARROWBAND_HZ * PAIR as u32).to_le_bytes());
    header[40..44].copy_from_slice(&data.to_le_bytes());
    header
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

    /// Against an independent writer.
    #[test]
    fn a_recording_has_the_header_that_others_write() {
        for pairs in [0, 1, 12_345] {
            let mut written = std::io::Cursor::new(Vec::new());
            let spec = hound::WavSpec {
                channels: 2,
                sample_rate: 8_000,
                bits_per_sample: 16,
                sample_format: hound::SampleFormat::Int,
            };
            let mut writer = hound::WavWriter::new(&mut written, spec).expect("a header");
            (0..2 * pairs).for_each(|_| writer.write_sample(0i16).expect("written"));
            writer.finalize().expect("finished");
            let written = written.into_inner();
            assert_eq!(written[..HEADER], header(pairs));
            assert_eq!(written.len() as u64, offset(pairs));
        }
    }

    #[test]
    fn errors_name_the_file() {
        let error = read_mono_8k(Path::new("/nonexistent/prompt.wav")).expect_err("no such file");
        assert!(error.to_string().contains("/nonexistent/prompt.wav"));
    }
}
