//! The files of a spool: their names, their recovery after a crash, their deletion, and the note of progress.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::frame::{self, Parsed};

/// Where the sequence number of the last applied record is noted.
const PROGRESS: &str = "applied";

/// The name of the segment whose first record is `first_seq`; sorts by it.
pub fn path(dir: &Path, first_seq: u64) -> PathBuf {
    dir.join(format!("{first_seq:020}.log"))
}

/// Every segment, oldest first, by the sequence number that begins it.
pub fn list(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "log")
            && let Some(seq) = path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse().ok())
        {
            found.push((seq, path));
        }
    }
    found.sort();
    Ok(found)
}

/// What [`recover`] found.
pub struct Recovered {
    /// The greatest sequence number seen; 0 where there is none.
    pub last_seq: u64,
    /// The first sequence number that is not applied.
    first_unsent: Option<u64>,
    /// Bytes of all segments.
    pub bytes: u64,
}

impl Recovered {
    /// How far the database is, given the note of progress: with nothing unsent, as far as the log.
    pub fn applied(&self, noted: u64) -> u64 {
        self.first_unsent.map_or(self.last_seq.max(noted), |first| first - 1)
    }
}

/// Reads every segment, cuts torn tails, sets damage aside, and shows `visit` the records after `applied`.
pub fn recover(dir: &Path, applied: u64, visit: &mut impl FnMut(u64, &[u8])) -> io::Result<Recovered> {
    let mut result = Recovered { last_seq: 0, first_unsent: None, bytes: 0 };
    for (_, path) in list(dir)? {
        let bytes = fs::read(&path)?;
        let mut at = 0;
        loop {
            match frame::parse(&bytes[at..]) {
                Parsed::Frame { seq, payload, len } => {
                    at += len;
                    result.last_seq = result.last_seq.max(seq);
                    if seq > applied {
                        result.first_unsent.get_or_insert(seq);
                        visit(seq, payload);
                    }
                }
                Parsed::End => break,
                Parsed::Torn => {
                    tracing::warn!(file = %path.display(), at, bytes = bytes.len() - at, "cutting a torn tail off the spool");
                    cut(&path, at)?;
                    break;
                }
                Parsed::Damaged => {
                    tracing::error!(file = %path.display(), at, bytes = bytes.len() - at, "setting damaged bytes of the spool aside");
                    fs::write(path.with_extension("damaged"), &bytes[at..])?;
                    cut(&path, at)?;
                    break;
                }
            }
        }
        if at == 0 {
            fs::remove_file(&path)?;
        }
        result.bytes += at as u64;
    }
    Ok(result)
}

fn cut(path: &Path, at: usize) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(at as u64)?;
    file.sync_all()
}

/// Deletes the segments that hold nothing after `seq`, never the newest; returns the bytes freed.
pub fn delete_up_to(dir: &Path, seq: u64) -> io::Result<u64> {
    let mut freed = 0;
    for pair in list(dir)?.windows(2) {
        let [(_, path), (next_first, _)] = pair else { break };
        if *next_first > seq.saturating_add(1) {
            break;
        }
        freed += fs::metadata(path)?.len();
        fs::remove_file(path)?;
    }
    Ok(freed)
}

/// The sequence number of the last applied record; 0 where none is noted or the note is unreadable.
pub fn read_progress(dir: &Path) -> io::Result<u64> {
    match fs::read_to_string(dir.join(PROGRESS)) {
        Ok(text) => Ok(text.trim().parse().unwrap_or_else(|_| {
            tracing::warn!(dir = %dir.display(), "the spool's note of progress is unreadable: applying all of it again");
            0
        })),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(e) => Err(e),
    }
}

/// Notes the last applied record; whole or not at all.
pub fn write_progress(dir: &Path, seq: u64) -> io::Result<()> {
    let fresh = dir.join("applied.new");
    fs::write(&fresh, seq.to_string())?;
    fs::rename(fresh, dir.join(PROGRESS))
}

/// Makes names made or removed in `dir` durable (fsync(2): a new file's entry needs its directory synced too).
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
