//! The shape of a recording for drawing: the loudest excursions of each channel in a fixed number of slices.
//!
//! Computed once from the WAV file and kept beside it; an hour of stereo takes well below a second.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Slices across a recording: enough for a screen's width at twice its pixels.
pub const SLICES: usize = 2_400;

/// Frames read at once.
const CHUNK_FRAMES: usize = 16_384;

/// The shape of one recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peaks {
    /// Size of the WAV file that this was computed from: a file that grew is computed anew.
    pub source_bytes: u64,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// For each channel, the largest absolute sample of each slice, 0 to 255.
    pub channels: Vec<Vec<u8>>,
}

/// The peaks of the WAV file at `wav`, from the file beside it where that still fits.
///
/// Blocks: call it where blocking is allowed.
///
/// # Errors
/// When the recording cannot be read or is no 16-bit PCM WAV file. A cache that cannot be written is not an error.
pub fn of_file(wav: &Path) -> io::Result<Peaks> {
    let source_bytes = fs::metadata(wav)?.len();
    let beside = beside(wav);
    let kept = fs::read(&beside).ok().and_then(|bytes| serde_json::from_slice::<Peaks>(&bytes).ok());
    if let Some(kept) = kept.filter(|p| p.source_bytes == source_bytes) {
        return Ok(kept);
    }
    let peaks = compute(wav, source_bytes)?;
    let kept = serde_json::to_vec(&peaks).map_err(io::Error::other).and_then(|bytes| {
        // Written aside and renamed: another reader never sees half a file.
        let part = beside.with_extension("part");
        fs::write(&part, bytes)?;
        fs::rename(&part, &beside)
    });
    if let Err(error) = kept {
        tracing::warn!(path = %beside.display(), %error, "peaks are not kept");
    }
    Ok(peaks)
}

fn beside(wav: &Path) -> PathBuf {
    wav.with_extension("peaks.json")
}

fn compute(wav: &Path, source_bytes: u64) -> io::Result<Peaks> {
    let reader = hound::WavReader::open(wav).map_err(bad_wav)?;
    let spec = reader.spec();
    if spec.bits_per_sample != 16 || spec.sample_format != hound::SampleFormat::Int || spec.channels == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("not 16-bit PCM: {spec:?}")));
    }
    let frames = u64::from(reader.duration());
    let channels = usize::from(spec.channels);
    let mut tops = vec![vec![0_u16; SLICES]; channels];
    // hound decodes sample by sample; reading the bytes behind its header in chunks is ten times faster.
    let mut bytes = reader.into_inner();
    let width = channels * 2;
    let mut chunk = vec![0_u8; CHUNK_FRAMES * width];
    let mut frame = 0_u64;
    while frame < frames {
        let want = usize::try_from(frames - frame).map_or(CHUNK_FRAMES, |left| left.min(CHUNK_FRAMES));
        let chunk = &mut chunk[..want * width];
        let filled = fill(&mut bytes, chunk)?;
        let chunk = &chunk[..filled];
        if chunk.is_empty() {
            break;
        }
        let mut rest = &chunk[..chunk.len() - chunk.len() % width];
        while !rest.is_empty() {
            // All frames up to the next slice at once: the loop within has nothing to decide.
            let slice = frame * SLICES as u64 / frames;
            let next = ((slice + 1) * frames).div_ceil(SLICES as u64);
            let left = rest.len() / width;
            let count = usize::try_from(next - frame).map_or(left, |until| until.min(left));
            let (block, after) = rest.split_at(count * width);
            let slice = usize::try_from(slice).unwrap_or(SLICES - 1);
            for (channel, top) in tops.iter_mut().enumerate() {
                top[slice] = top[slice].max(loudest(block, width, channel));
            }
            frame += count as u64;
            rest = after;
        }
    }
    let channels = tops.into_iter().map(|c| c.into_iter().map(to_byte).collect()).collect();
    Ok(Peaks { source_bytes, duration_ms: frames * 1000 / u64::from(spec.sample_rate.max(1)), channels })
}

/// The largest absolute sample of one channel in a block of frames, `width` bytes each.
fn loudest(block: &[u8], width: usize, channel: usize) -> u16 {
    let samples = block.chunks_exact(width).map(|f| i16::from_le_bytes([f[channel * 2], f[channel * 2 + 1]]));
    samples.map(i16::unsigned_abs).max().unwrap_or(0)
}

/// Reads until `chunk` is full or the file ends: a recording cut by a crash is shown as far as it goes.
fn fill(bytes: &mut impl Read, chunk: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < chunk.len() {
        match bytes.read(&mut chunk[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn to_byte(level: u16) -> u8 {
    u8::try_from(level >> 7).unwrap_or(u8::MAX)
}

fn bad_wav(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        hound::Error::FormatError(_)
        | hound::Error::TooWide
        | hound::Error::UnfinishedSample
        | hound::Error::Unsupported
        | hound::Error::InvalidSampleFormat => io::Error::new(io::ErrorKind::InvalidData, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn write(path: &Path, seconds: u32, sample: impl Fn(u32, u16) -> i16) {
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec).expect("create");
        for frame in 0..seconds * 8_000 {
            for channel in 0..2 {
                writer.write_sample(sample(frame, channel)).expect("write");
            }
        }
        writer.finalize().expect("finalize");
    }

    #[test]
    fn each_channel_has_its_own_shape() {
        let dir = tempfile::tempdir().expect("dir");
        let wav = dir.path().join("a.wav");
        // The caller speaks in the first half, full scale; the gateway in the second, half scale.
        write(&wav, 2, |frame, channel| match (frame < 8_000, channel) {
            (true, 0) => i16::MIN,
            (false, 1) => 16_384,
            _ => 0,
        });
        let peaks = of_file(&wav).expect("peaks");
        assert_eq!(peaks.duration_ms, 2_000);
        let half = SLICES / 2;
        assert!(
            peaks.channels[0][..half].iter().all(|p| *p == 255) && peaks.channels[0][half..].iter().all(|p| *p == 0)
        );
        assert!(
            peaks.channels[1][..half].iter().all(|p| *p == 0) && peaks.channels[1][half..].iter().all(|p| *p == 128)
        );
    }

    #[test]
    fn the_kept_file_serves_until_the_recording_changes() {
        let dir = tempfile::tempdir().expect("dir");
        let wav = dir.path().join("a.wav");
        write(&wav, 1, |_, _| 1_000);
        let first = of_file(&wav).expect("peaks");
        let mut forged = first.clone();
        forged.duration_ms = 7;
        fs::write(beside(&wav), serde_json::to_vec(&forged).expect("json")).expect("write");
        assert_eq!(of_file(&wav).expect("kept"), forged);
        write(&wav, 2, |_, _| 1_000);
        assert_eq!(of_file(&wav).expect("anew").duration_ms, 2_000);
    }

    #[test]
    fn a_file_cut_by_a_crash_is_shown_as_far_as_it_goes() {
        let dir = tempfile::tempdir().expect("dir");
        let wav = dir.path().join("a.wav");
        write(&wav, 2, |_, _| 1_000);
        let bytes = fs::read(&wav).expect("read");
        fs::write(&wav, &bytes[..bytes.len() / 2]).expect("cut");
        let peaks = of_file(&wav).expect("peaks");
        assert!(peaks.channels[0][0] > 0 && peaks.channels[0][SLICES - 1] == 0);
        fs::write(&wav, b"not a recording").expect("write");
        assert!(of_file(&wav).is_err());
    }

    #[test]
    fn an_hour_is_fast() {
        let dir = tempfile::tempdir().expect("dir");
        let wav = dir.path().join("hour.wav");
        write(&wav, 3_600, |frame, _| (frame % 3_000) as i16);
        let begun = clock::monotonic();
        of_file(&wav).expect("peaks");
        let took = begun.elapsed();
        println!("peaks of one hour: {took:?}");
        assert!(took.as_secs() < 20, "{took:?}");
    }
}
