//! The thread that writes: gathers what waits, writes it with one call, syncs once, answers everybody.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{oneshot, watch};

use super::queue::Queue;
use super::{LIMIT_BYTES, RESERVE_BYTES, SEGMENT_BYTES, SpoolError, Usage, Weight, frame, segment};

/// Most records that share one sync, so that a long queue does not delay the first in it.
const GROUP: usize = 1_024;

/// One record to append.
#[derive(Debug)]
pub struct Append {
    /// The record.
    pub payload: Vec<u8>,
    /// Whether it may use the reserve.
    pub weight: Weight,
    /// Told when it is on the disk; `None` where nobody waits.
    pub done: Option<oneshot::Sender<Result<u64, SpoolError>>>,
}

impl Append {
    /// Whether somebody waits for it.
    pub fn is_awaited(&self) -> bool {
        self.done.is_some()
    }
}

/// Owns the newest segment.
pub struct Writer {
    dir: PathBuf,
    next_seq: u64,
    usage: Arc<Usage>,
    progress: watch::Sender<u64>,
    open: Open,
}

/// Keeps nobody waiting for a writer that has ended, however it did.
struct Ending<'a>(&'a Queue);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// The segment that is written to.
struct Open {
    file: File,
    bytes: u64,
}

impl Writer {
    /// Begins a segment of its own: files of an earlier process are only read.
    pub fn create(dir: PathBuf, next_seq: u64, usage: Arc<Usage>, progress: watch::Sender<u64>) -> io::Result<Self> {
        let open = begin(&dir, next_seq)?;
        Ok(Self { dir, next_seq, usage, progress, open })
    }

    /// Serves the queue until it is closed and empty.
    pub fn run(mut self, queue: &Queue) {
        let _ending = Ending(queue);
        let mut group = Vec::new();
        while queue.take(&mut group, GROUP) {
            self.commit(group.drain(..));
        }
    }

    fn commit(&mut self, group: impl Iterator<Item = Append>) {
        let mut bytes = Vec::new();
        let mut waiting = Vec::new();
        let mut seq = self.next_seq;
        for Append { payload, weight, done } in group {
            let room = match weight {
                Weight::Essential => LIMIT_BYTES + RESERVE_BYTES,
                Weight::Ordinary => LIMIT_BYTES,
            };
            if self.usage.bytes.load(Ordering::Acquire) + bytes.len() as u64 >= room {
                answer(done, Err(SpoolError::Full));
                continue;
            }
            frame::write(&mut bytes, seq, &payload);
            waiting.push((done, seq));
            seq += 1;
        }
        if waiting.is_empty() {
            return;
        }
        match self.write(&bytes) {
            Ok(()) => {
                self.next_seq = seq;
                self.progress.send_replace(seq - 1);
                waiting.into_iter().for_each(|(done, seq)| answer(done, Ok(seq)));
            }
            Err(source) => {
                // What of it reached the disk is unknown, so these numbers are never used again.
                self.next_seq = seq;
                let error = SpoolError::Io { dir: self.dir.clone(), source: Arc::new(source) };
                waiting.into_iter().for_each(|(done, _)| answer(done, Err(error.clone())));
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.open.bytes >= SEGMENT_BYTES {
            self.open = begin(&self.dir, self.next_seq)?;
        }
        let written = self.open.file.write_all(bytes).and_then(|()| self.open.file.sync_data());
        if let Err(e) = written {
            self.abandon();
            return Err(e);
        }
        self.open.bytes += bytes.len() as u64;
        self.usage.bytes.fetch_add(bytes.len() as u64, Ordering::AcqRel);
        Ok(())
    }

    /// After a failed write or sync the kernel may have dropped dirty pages, so the file cannot be trusted to take more:
    /// its good part is kept and the next record begins a new one.
    fn abandon(&mut self) {
        if let Err(e) = self.open.file.set_len(self.open.bytes) {
            tracing::error!(error = %e, "cannot cut a half-written group off the spool; it will be applied if it is whole");
        }
        self.open.bytes = SEGMENT_BYTES;
    }
}

fn begin(dir: &std::path::Path, first_seq: u64) -> io::Result<Open> {
    let file = OpenOptions::new().append(true).create_new(true).open(segment::path(dir, first_seq))?;
    segment::sync_dir(dir)?;
    Ok(Open { file, bytes: 0 })
}

fn answer(done: Option<oneshot::Sender<Result<u64, SpoolError>>>, result: Result<u64, SpoolError>) {
    match (done, result) {
        // A waiter that went away loses nothing: the record is written all the same.
        (Some(done), result) => drop(done.send(result)),
        (None, Ok(_)) => {}
        (None, Err(error)) => tracing::error!(%error, "a record was not written to the spool"),
    }
}
