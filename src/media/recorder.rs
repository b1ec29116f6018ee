//! Writes recordings: one thread for all calls, another that hashes finished files.
//!
//! A file is a stereo WAV at 8 kHz, the caller left, we right. Its header is brought up to date about once a second, so
//! that a crash costs less than two seconds. When a file cannot be written, its call hears of it once and goes on; the
//! rest of that recording is thrown away.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender};
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer};
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};

use super::event::{MediaEvent, RecordingFault};
use super::g711;
use super::repair;
use super::tape::{BLOCK_SAMPLES, Block, TapeItem};
use super::wake::Wake;
use crate::units::NARROWBAND_HZ;

/// Blocks between two updates of a file's header: 0.96 s.
const FLUSH_BLOCKS: u32 = 3;
/// Octets gathered before a write.
const WRITE_BUFFER: usize = 32 * 1024;
/// Samples of silence written at once to fill a gap.
const FILL: usize = 1_600;

/// The format of every recording.
pub const SPEC: hound::WavSpec = hound::WavSpec {
    channels: 2,
    sample_rate: NARROWBAND_HZ,
    bits_per_sample: 16,
    sample_format: hound::SampleFormat::Int,
};

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
        loop {
            let last = self.sources.iter().all(|source| source.tape.is_abandoned());
            let mut sources = std::mem::take(&mut self.sources);
            for source in &mut sources {
                while let Ok(item) = source.tape.pop() {
                    self.item(item, source, &mut files);
                }
            }
            self.sources = sources;
            if last {
                break;
            }
            self.wake.wait();
        }
        for (_, file) in files.drain() {
            self.close(file, false);
        }
    }

    fn item(&self, item: TapeItem, source: &mut Source, files: &mut HashMap<u64, Track>) {
        let recording = match &item {
            TapeItem::Block(block) => block.recording,
            TapeItem::End { recording, .. } => *recording,
        };
        if !files.contains_key(&recording) {
            // A start is sent before the order that makes the first block: it is here by now.
            files.extend(self.starts.try_iter().map(|start| (start.recording, Track::begin(start))));
        }
        match item {
            TapeItem::Block(block) => {
                if let Some(track) = files.get_mut(&recording) {
                    track.attempt(|open| open.block(&block));
                }
                let _ = source.written.push(block); // Full only if blocks multiplied; then this one is freed.
            }
            TapeItem::End { samples, .. } => {
                if let Some(mut track) = files.remove(&recording) {
                    track.attempt(|open| open.fill(samples));
                    self.close(track, true);
                }
            }
        }
    }

    fn close(&self, mut track: Track, ended: bool) {
        let failed = match track.open.take() {
            Some(open) => open.writer.finalize().inspect_err(|error| track.failed(error)).is_err(),
            None => true,
        };
        let finished = Finished { path: track.path, complete: ended && !failed, done: track.done };
        let _ = self.finished.send(finished); // The hasher outlives the writer.
    }
}

/// Hashes finished files until the writer has gone.
pub fn hash_all(finished: &Receiver<Finished>) {
    for Finished { path, complete, done } in finished {
        if !complete {
            let _ = repair::file(&path); // As good as it gets: the summary says that it is not complete.
        }
        match summary(&path, complete) {
            Ok(summary) => {
                let _ = done.send(summary); // A session that was dropped does not care.
            }
            Err(error) => tracing::warn!(path = %path.display(), %error, "a recording cannot be hashed"),
        }
    }
}

fn summary(path: &Path, complete: bool) -> io::Result<RecordingSummary> {
    let file = File::open(path)?;
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
    let frames = repair::frames(len);
    let duration = Duration::from_secs(frames) / NARROWBAND_HZ;
    Ok(RecordingSummary { path: path.to_owned(), frames, sha256: hash.finalize().into(), duration, complete })
}

/// One recording at the writer.
struct Track {
    path: PathBuf,
    /// `None` once writing has failed.
    open: Option<Open>,
    events: Option<mpsc::Sender<MediaEvent>>,
    done: oneshot::Sender<RecordingSummary>,
}

struct Open {
    writer: hound::WavWriter<BufWriter<File>>,
    /// Sample pairs written.
    written: u64,
    since_flush: u32,
}

impl Track {
    fn begin(start: Start) -> Self {
        let mut track = Self { path: start.path, open: None, events: start.events, done: start.done };
        match Open::create(&track.path) {
            Ok(open) => track.open = Some(open),
            Err(error) => track.failed(&error),
        }
        track
    }

    fn attempt(&mut self, write: impl FnOnce(&mut Open) -> hound::Result<()>) {
        if let Some(Err(error)) = self.open.as_mut().map(write) {
            self.open = None;
            self.failed(&error);
        }
    }

    fn failed(&self, error: &hound::Error) {
        let kind = match error {
            hound::Error::IoError(error) => error.kind(),
            hound::Error::FormatError(_)
            | hound::Error::TooWide
            | hound::Error::UnfinishedSample
            | hound::Error::Unsupported
            | hound::Error::InvalidSampleFormat => io::ErrorKind::InvalidData,
        };
        tracing::error!(path = %self.path.display(), %error, "a recording cannot be written; its call goes on");
        if let Some(events) = &self.events {
            // A session so far behind loses an event that its summary repeats.
            let _ = events.try_send(MediaEvent::RecordingFailed { fault: RecordingFault::Write(kind) });
        }
    }
}

impl Open {
    fn create(path: &Path) -> hound::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = BufWriter::with_capacity(WRITE_BUFFER, File::create(path)?);
        let mut writer = hound::WavWriter::new(file, SPEC)?;
        writer.flush()?;
        Ok(Self { writer, written: 0, since_flush: 0 })
    }

    fn block(&mut self, block: &Block) -> hound::Result<()> {
        self.fill(block.start)?;
        let len = block.len.min(BLOCK_SAMPLES);
        let (mut left, mut right) = ([0; BLOCK_SAMPLES], [0; BLOCK_SAMPLES]);
        g711::decode(block.codec, &block.left[..len], &mut left);
        g711::decode(block.codec, &block.right[..len], &mut right);
        let mut pairs = self.writer.get_i16_writer(2 * len as u32);
        for (left, right) in left[..len].iter().zip(&right[..len]) {
            pairs.write_sample(*left);
            pairs.write_sample(*right);
        }
        pairs.flush()?;
        self.written += len as u64;
        self.since_flush += 1;
        if self.since_flush >= FLUSH_BLOCKS {
            self.since_flush = 0;
            self.writer.flush()?;
        }
        Ok(())
    }

    /// Writes silence up to a position of the recording.
    fn fill(&mut self, until: u64) -> hound::Result<()> {
        while self.written < until {
            let len = (until - self.written).min(FILL as u64) as u32;
            let mut pairs = self.writer.get_i16_writer(2 * len);
            for _ in 0..2 * len {
                pairs.write_sample(0i16);
            }
            pairs.flush()?;
            self.written += u64::from(len);
        }
        Ok(())
    }
}
