//! Mends recordings that a crash cut short: the header is made to say what the file holds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Octets of the header that [`super::recorder`] writes.
const HEADER: u64 = 44;
/// Octets of one pair of samples.
const PAIR: u64 = 4;
/// Folders are searched this deep.
const MAX_DEPTH: u32 = 4;

/// A file that was mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// Which.
    pub path: PathBuf,
    /// Sample pairs that it holds.
    pub frames: u64,
}

/// Sample pairs in a recording of `len` octets.
pub fn frames(len: u64) -> u64 {
    len.saturating_sub(HEADER) / PAIR
}

/// Mends all recordings below `folder`; to be called before any call is taken. Files of other kinds, and recordings in
/// order, are left alone.
///
/// # Errors
/// When the folder cannot be read or a file cannot be mended.
pub fn folder(folder: &Path) -> io::Result<Vec<Repaired>> {
    let mut repaired = Vec::new();
    search(folder, MAX_DEPTH, &mut repaired)?;
    Ok(repaired)
}

fn search(folder: &Path, depth: u32, repaired: &mut Vec<Repaired>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let path = entry.path();
        if kind.is_dir() && depth > 0 {
            search(&path, depth - 1, repaired)?;
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "wav") {
            repaired.extend(file(&path)?.map(|frames| Repaired { path, frames }));
        }
    }
    Ok(())
}

/// Mends one recording; its sample pairs if it had to be, `None` if it was in order or is none of ours.
///
/// # Errors
/// When the file cannot be read or written.
pub fn file(path: &Path) -> io::Result<Option<u64>> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut header = [0; HEADER as usize];
    if len < HEADER || file.read_exact(&mut header).is_err() || !is_ours(&header) {
        return Ok(None);
    }
    let data = frames(len) * PAIR;
    let (Ok(riff), Ok(data_len)) = (u32::try_from(data + HEADER - 8), u32::try_from(data)) else { return Ok(None) };
    let right = header[4..8] == riff.to_le_bytes() && header[40..44] == data_len.to_le_bytes();
    if right && len == HEADER + data {
        return Ok(None);
    }
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.set_len(HEADER + data)?;
    file.seek(SeekFrom::Start(4))?;
    file.write_all(&riff.to_le_bytes())?;
    file.seek(SeekFrom::Start(40))?;
    file.write_all(&data_len.to_le_bytes())?;
    file.sync_all()?;
    Ok(Some(frames(len)))
}

/// A 16-bit stereo PCM header as hound prints it.
fn is_ours(header: &[u8; HEADER as usize]) -> bool {
    let pcm_stereo = header[20..24] == [1, 0, 2, 0] && header[34..36] == [16, 0];
    header.starts_with(b"RIFF") && &header[8..16] == b"WAVEfmt " && &header[36..40] == b"data" && pcm_stereo
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recording of 1,000 pairs.
    fn recording(path: &Path) {
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec).expect("a file");
        (0..2_000).for_each(|n| writer.write_sample(n as i16).expect("written"));
        writer.finalize().expect("finished");
    }

    #[track_caller]
    fn check(damage: impl FnOnce(&Path), expected: Option<u64>, readable: Option<usize>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("day").join("call.wav");
        fs::create_dir(folder.path().join("day")).expect("made");
        recording(&path);
        damage(&path);
        let repaired = super::folder(folder.path()).expect("searched");
        assert_eq!(repaired.first().map(|repaired| repaired.frames), expected);
        let read = hound::WavReader::open(&path).ok().map(|reader| reader.into_samples::<i16>().flatten().count());
        assert_eq!(read, readable);
        assert_eq!(super::folder(folder.path()).expect("searched"), [], "a second time nothing is left to do");
    }

    fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
        let mut file = OpenOptions::new().write(true).open(path).expect("opened");
        file.seek(SeekFrom::Start(at)).expect("there");
        file.write_all(bytes).expect("written");
    }

    #[test]
    fn a_whole_file_is_left_alone() {
        check(|_| {}, None, Some(2_000));
    }

    #[test]
    fn a_header_left_at_zero_is_filled_in() {
        check(
            |path| {
                overwrite(path, 4, &[0; 4]);
                overwrite(path, 40, &[0; 4]);
            },
            Some(1_000),
            Some(2_000),
        );
    }

    #[test]
    fn half_a_pair_at_the_end_is_cut_off() {
        let cut = |path: &Path| OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(44 + 403));
        check(|path| cut(path).expect("cut"), Some(100), Some(200));
    }

    #[test]
    fn other_files_are_left_alone() {
        check(|path| overwrite(path, 0, b"JUNK"), None, None);
        check(|path| fs::write(path, b"RIFF").expect("written"), None, None);
    }
}
