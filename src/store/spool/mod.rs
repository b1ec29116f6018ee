//! The append-only log on disk that stands before Postgres: what is in it survives kill -9 and a database that is away.
//!
//! Appends are grouped: however many wait, one write and one fsync serve them all ([`queue`]). A segment that is full gives way to
//! the next; a segment whose records are all in the database is deleted. Damage never stops a start: a torn tail is cut,
//! anything else unreadable is set aside as `*.damaged` and reported, and reading goes on with the next segment.
//!
//! The spool knows nothing of what its records mean, and never of SQL.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::{oneshot, watch};

pub mod frame;
mod queue;
mod reader;
mod segment;
mod writer;

pub use frame::MAX_PAYLOAD_BYTES;
use queue::Queue;
pub use reader::Reader;
pub(super) use segment::sync_dir;
use writer::{Append, Writer};

/// Most bytes on disk. Beyond, ordinary records are refused with [`SpoolError::Full`]; essential ones may still use
/// [`RESERVE_BYTES`]. A day of 5,000 calls takes about 50 MB, so this lasts for weeks without a database.
pub const LIMIT_BYTES: u64 = 1 << 30;

/// Bytes beyond [`LIMIT_BYTES`] that only essential records (calls and cases) may take.
pub const RESERVE_BYTES: u64 = 64 << 20;

/// Length after which a segment gives way to the next.
pub const SEGMENT_BYTES: u64 = 8 << 20;

/// Appends waiting for the disk. Beyond, [`Spool::append`] waits for room and [`Spool::append_soon`] refuses.
pub const QUEUE: usize = 8_192;

/// What can go wrong on the way to the disk.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SpoolError {
    /// The file system refused; nothing was promised to anybody.
    #[error("cannot write the spool in {}", dir.display())]
    Io {
        /// The spool's directory.
        dir: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
    /// [`LIMIT_BYTES`] are on disk and the database does not take them.
    #[error("the spool holds its limit of {LIMIT_BYTES} bytes")]
    Full,
    /// [`QUEUE`] appends wait already: the disk does not keep up.
    #[error("{QUEUE} records wait for the disk already")]
    Busy,
    /// Longer than [`MAX_PAYLOAD_BYTES`].
    #[error("a record of {bytes} bytes is longer than {MAX_PAYLOAD_BYTES}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The spool was shut down.
    #[error("the spool is closed")]
    Closed,
}

/// Whether a record may use the reserve of a full spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Calls and cases: what a caller was told must be kept.
    Essential,
    /// All else.
    Ordinary,
}

/// A handle to the log. Its thread ends, everything queued written, at [`Spool::close`] or when the handle is dropped.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    queue: Arc<Queue>,
    durable: watch::Receiver<u64>,
    usage: Arc<Usage>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

/// Bytes on disk and how far the database is: shared by the writing thread and the handle.
#[derive(Debug, Default)]
pub(super) struct Usage {
    bytes: AtomicU64,
    applied: AtomicU64,
    /// The last `applied` that was noted on the disk.
    noted: AtomicU64,
}

impl Spool {
    /// Opens the log in `dir`, mends what a crash left, and shows `visit` every record not yet applied, in order.
    ///
    /// # Errors
    /// When the directory cannot be made, read or written.
    pub fn open(dir: &Path, mut visit: impl FnMut(u64, &[u8])) -> io::Result<Self> {
        // Whole telephone numbers lie within.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let applied = segment::read_progress(dir)?;
        let recovered = segment::recover(dir, applied, &mut visit)?;
        let last = recovered.last_seq.max(applied);
        let usage = Arc::new(Usage {
            bytes: AtomicU64::new(recovered.bytes),
            applied: AtomicU64::new(recovered.applied(applied)),
            noted: AtomicU64::new(applied),
        });
        let queue = Arc::new(Queue::new());
        let (progress, durable) = watch::channel(last);
        let writer = Writer::create(dir.to_owned(), last + 1, Arc::clone(&usage), progress)?;
        let writing = Arc::clone(&queue);
        let thread = thread::Builder::new().name("spool".into()).spawn(move || writer.run(&writing))?;
        Ok(Self { dir: dir.to_owned(), queue, durable, usage, thread: Mutex::new(Some(thread)) })
    }

    /// Appends and waits until the record is on the disk; returns its sequence number.
    pub async fn append(&self, payload: Vec<u8>, weight: Weight) -> Result<u64, SpoolError> {
        check_length(&payload)?;
        let (done, outcome) = oneshot::channel();
        self.queue.push(Append { payload, weight, done: Some(done) }).await?;
        outcome.await.map_err(|_| SpoolError::Closed)?
    }

    /// Queues the record and does not wait for the disk, which has it with the next record that somebody waits for, or a
    /// moment later. A failure then is logged by the writing thread.
    pub fn append_soon(&self, payload: Vec<u8>, weight: Weight) -> Result<(), SpoolError> {
        check_length(&payload)?;
        self.queue.try_push(Append { payload, weight, done: None })
    }

    /// The sequence number of the last record on the disk, as it grows.
    pub fn durable(&self) -> watch::Receiver<u64> {
        self.durable.clone()
    }

    /// A reader of everything not yet applied.
    pub fn reader(&self) -> Reader {
        Reader::after(&self.dir, self.usage.applied.load(Ordering::Acquire))
    }

    /// Records on the disk that are not applied.
    pub fn unsent(&self) -> usize {
        let applied = self.usage.applied.load(Ordering::Acquire);
        usize::try_from(self.durable.borrow().saturating_sub(applied)).unwrap_or(usize::MAX)
    }

    /// Bytes on the disk.
    pub fn bytes(&self) -> u64 {
        self.usage.bytes.load(Ordering::Acquire)
    }

    /// Counts every record up to `seq` as being in the database; [`Self::note`] writes it down.
    pub fn applied(&self, seq: u64) {
        self.usage.applied.fetch_max(seq, Ordering::AcqRel);
    }

    /// Notes how far the database is, and deletes the segments that this empties. Blocks on the file system.
    ///
    /// The note is not forced to the disk, and need not be made for every record: after a crash, records are applied a
    /// second time, which changes nothing.
    pub fn note(&self) -> io::Result<()> {
        let seq = self.usage.applied.load(Ordering::Acquire);
        if self.usage.noted.swap(seq, Ordering::AcqRel) == seq {
            return Ok(());
        }
        segment::write_progress(&self.dir, seq)?;
        let freed = segment::delete_up_to(&self.dir, seq)?;
        self.usage.bytes.fetch_sub(freed, Ordering::AcqRel);
        Ok(())
    }

    /// Writes what is queued and ends the thread; appends that come later fail with [`SpoolError::Closed`].
    pub async fn close(&self) {
        let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        self.queue.close();
        if !matches!(tokio::task::spawn_blocking(move || thread.join()).await, Ok(Ok(()))) {
            tracing::error!("the spool's thread panicked");
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.queue.close();
    }
}

fn check_length(payload: &[u8]) -> Result<(), SpoolError> {
    if payload.len() > MAX_PAYLOAD_BYTES { Err(SpoolError::TooLong { bytes: payload.len() }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
