//! Writes recordings: one thread for all calls, another that hashes finished files.
//!
//! A file is a stereo WAV at 8 kHz, the caller left, we right. Its header is brought up to date about every two
//! seconds, so that whoever reads along, or finds it after a crash, misses no more than three. What happens when a file cannot be written, [`super::track`] says.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender};
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer};
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};

use super::disk::Disk;
use super::event::MediaEvent;
use super::repair;
use super::tape::{Block, TapeItem};
use super::track::{RecorderStats, Scratch, Track};
use super::wake::Wake;
use crate::units::NARROWBAND_HZ;

/// Where to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The file to create; its folder is made where missing.
    pub path: PathBuf,
    /// When the file's time axis begins. From then until the engine takes up the recording, however late it gets to it,
    /// the file is silent.
    pub origin: Instant,
}

/// A finished recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingSummary {
    /// The file.
    pub path: PathBuf,
    /// Sample pairs in it.
    pub frames: u64,
    /// SHA-256 of the whole file.
    pub sha256: [u8; 32],
    /// How long it plays.
    pub duration: Duration,
    /// Whether all of the call since the beginning of the recording is in it.
    pub complete: bool,
}

/// A recording that begins; goes to the writer before its first block.
#[derive(Debug)]
pub struct Start {
    /// Its number.
    pub recording: u64,
    /// Its file.
    pub path: PathBuf,
    /// Where a failure is told.
    pub events: Option<mpsc::Sender<MediaEvent>>,
    /// Where the summary goes.
    pub done: oneshot::Sender<RecordingSummary>,
}

/// One engine thread's rings, seen from the writer.
pub struct Source {
    /// Its recordings.
    pub tape: Consumer<TapeItem>,
    /// Blocks on their way back.
    pub written: Producer<Box<Block>>,
}

/// The writer thread.
pub struct Writer {
    /// Recordings that begin.
    pub starts: Receiver<Start>,
    /// The engine threads.
    pub sources: Vec<Source>,
    /// Wakes the writer.
    pub wake: Arc<Wake>,
    /// Where files are made.
    pub disk: Box<dyn Disk>,
    /// What befalls recordings.
    pub stats: Arc<RecorderStats>,
    /// Finished files, to be hashed.
    pub finished: Sender<Finished>,
}

/// What the writer accepts starts through; bounded, so a stuck disk shows as refused recordings.
pub type Starts = SyncSender<Start>;

/// A file that is closed but not hashed.
#[derive(Debug)]
pub struct Finished {
    path: PathBuf,
    complete: bool,
    done: oneshot::Sender<RecordingSummary>,
}

impl Writer {
    /// Runs until the engine threads have gone and all they said is written.
    pub fn run(mut self) {
        let mut files = HashMap::new();
        let mut scratch = Scratch::default();
        loop {
            let last = self.sources.iter().all(|source| source.tape.is_abandoned());
            let mut sources = std::mem::take(&mut self.sources);
            for source in &mut sources {
                while let Ok(item) = source.tape.pop() {
                    self.item(item, source, &mut files, &mut scratch);
                }
            }
            self.sources = sources;
            if last {
                break;
            }
            self.wake.wait();
        }
        for (_, mut track) in files.drain() {
            track.close(&self.stats);
            self.finish(track, false);
        }
    }

    fn item(&self, item: TapeItem, source: &mut Source, files: &mut HashMap<u64, Track>, scratch: &mut Scratch) {
        let recording = match &item {
            TapeItem::Block(block) => block.recording,
            TapeItem::End { recording, .. } => *recording,
        };
        if !files.contains_key(&recording) {
            // A start is sent before the order that makes the first block: it is here by now.
            let begin = |start: Start| (start.recording, Track::begin(start, &*self.disk, &self.stats));
            files.extend(self.starts.try_iter().map(begin));
        }
        match item {
            TapeItem::Block(block) => {
                if let Some(track) = files.get_mut(&recording) {
                    track.block(&block, &*self.disk, scratch, &self.stats);
                }
                let _ = source.written.push(block); // Full only if blocks multiplied; then this one is freed.
            }
            TapeItem::End { samples, .. } => {
                if let Some(mut track) = files.remove(&recording) {
                    let complete = track.end(samples, &*self.disk, &self.stats);
                    self.finish(track, complete);
                }
            }
        }
    }

    fn finish(&self, track: Track, complete: bool) {
        let finished = Finished { path: track.path, complete, done: track.done };
        let _ = self.finished.send(finished); // The hasher outlives the writer.
    }
}

/// Hashes finished files until the writer has gone.
pub fn hash_all(finished: &Receiver<Finished>) {
    for Finished { path, mut complete, done } in finished {
        let summary = File::open(&path).and_then(|file| {
            if let Err(error) = file.sync_data() {
                // What is read back below may be gone after a power cut: the kernel forgets that it owed it to the disk.
                tracing::error!(path = %path.display(), %error, "a recording may not be on the disk");
                complete = false;
            }
            if !complete {
                let _ = repair::file(&path); // As good as it gets: the summary says that it is not complete.
            }
            summary(&path, file, complete)
        });
        match summary {
            Ok(summary) => {
                let _ = done.send(summary); // A session that was dropped does not care.
            }
            Err(error) => tracing::warn!(path = %path.display(), %error, "a recording cannot be hashed"),
        }
    }
}

fn summary(path: &Path, file: File, complete: bool) -> io::Result<RecordingSummary> {
    let (sha256, len) = hash(file)?;
    let frames = repair::frames(len);
    let duration = Duration::from_secs(frames) / NARROWBAND_HZ;
    Ok(RecordingSummary { path: path.to_owned(), frames, sha256, duration, complete })
}

/// A file's SHA-256, and its length in octets.
///
/// # Errors
/// When it cannot be read.
pub fn sha256(path: &Path) -> io::Result<([u8; 32], u64)> {
    hash(File::open(path)?)
}

fn hash(file: File) -> io::Result<([u8; 32], u64)> {
    let len = file.metadata()?.len();
    let mut file = file.take(len); // A device would have no end.
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    Ok((hash.finalize().into(), len))
}
