//! Transcripts of whole calls, made after their end: one recording at a time, behind every caller who is waiting.
//!
//! The queue is in the database, so any number of processes may work on it: the gateway itself, and `minxin transcribe` on
//! this machine or on one that sees the same database and recordings. A job is leased, and the lease renewed while the work
//! goes on; after a crash it runs out, and whoever asks next takes the job.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use crate::clock::wall;
use crate::ids::CallId;
use crate::speech::Speech;
use crate::store::jobs::{self, Job};
use crate::store::records::Segment;
use crate::store::{Change, DatabaseState};

/// How long a job belongs to a worker that says nothing more: so long it lies after a crash.
const LEASE: Duration = Duration::from_secs(120);

/// How often a worker says that it is still there.
const RENEW_EVERY: Duration = Duration::from_secs(30);

/// How often the queue is asked when nothing told of a change.
const IDLE: Duration = Duration::from_secs(5);

/// The caller's channel in recordings and transcripts.
const CALLER: i16 = 0;

/// Works through the queue until told to stop.
pub(super) async fn work(shared: Arc<Shared>, stop: CancellationToken) {
    // Without a recogniser recordings wait for a start that has one, or for another process.
    let Some(speech) = &shared.speech else { return };
    let mut changes = shared.store.changes();
    loop {
        let done = tokio::select! {
            done = take_one(shared.store.pool(), speech, &shared.data_dir) => done,
            () = stop.cancelled() => return,
        };
        match done {
            Ok(Some(call)) => shared.store.announce(Change::Call(call)),
            Ok(None) => tokio::select! {
                _ = changes.recv() => {}
                () = tokio::time::sleep(IDLE) => {}
                () = stop.cancelled() => return,
            },
            Err(error) => {
                if *shared.store.state().borrow() == DatabaseState::Up {
                    tracing::error!(error = format!("{error:#}"), "the transcription queue");
                }
                tokio::time::sleep(IDLE).await;
            }
        }
    }
}

/// Works through the queue of a database, beside a gateway or without one; `done` is told of each call. With `once` until
/// nothing waits, else for ever.
///
/// # Errors
/// When the database is away. A recording that cannot be transcribed is tried again later, and is no error.
pub async fn drain(
    pool: &PgPool,
    speech: &Speech,
    data_dir: &Path,
    once: bool,
    mut done: impl FnMut(CallId),
) -> anyhow::Result<()> {
    loop {
        match take_one(pool, speech, data_dir).await? {
            Some(call) => done(call),
            None if once => return Ok(()),
            None => tokio::time::sleep(IDLE).await,
        }
    }
}

/// Transcribes the oldest recording that waits; whose it was.
async fn take_one(pool: &PgPool, speech: &Speech, data_dir: &Path) -> anyhow::Result<Option<CallId>> {
    let Some(job) = jobs::claim(pool, LEASE, wall()).await? else { return Ok(None) };
    let transcribed = tokio::select! {
        transcribed = transcribe(speech, data_dir, &job) => transcribed,
        lost = renew(pool, &job) => {
            lost?;
            tracing::warn!(call = %job.call, "another worker has taken over a recording");
            return Ok(Some(job.call));
        }
    };
    match transcribed {
        Ok(segments) => jobs::finish(pool, job.call, &segments).await?,
        Err(error) => {
            tracing::error!(call = %job.call, error = format!("{error:#}"), "a recording cannot be transcribed");
            jobs::fail(pool, &job, &format!("{error:#}"), wall()).await?;
        }
    }
    Ok(Some(job.call))
}

/// Keeps the lease; ends when it is no longer ours.
async fn renew(pool: &PgPool, job: &Job) -> Result<(), sqlx::Error> {
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        if !jobs::renew(pool, job, LEASE, wall()).await? {
            return Ok(());
        }
    }
}

async fn transcribe(speech: &Speech, data_dir: &Path, job: &Job) -> anyhow::Result<Vec<Segment>> {
    if job.recording_path.is_empty() {
        bail!("the recording is gone");
    }
    let path = data_dir.join(&job.recording_path);
    let caller = tokio::task::spawn_blocking(move || caller_channel(&path)).await??;
    let segments = speech.transcribe(caller).await?;
    Ok(segments
        .into_iter()
        .map(|s| Segment {
            channel: CALLER,
            start_ms: s.start_ms,
            end_ms: s.end_ms,
            text: s.text,
            confidence: Some(s.confidence),
        })
        .collect())
}

/// The left channel of a recording.
fn caller_channel(path: &PathBuf) -> anyhow::Result<Vec<i16>> {
    let mut reader = hound::WavReader::open(path).with_context(|| path.display().to_string())?;
    let channels = usize::from(reader.spec().channels);
    let left = reader.samples::<i16>().step_by(channels.max(1)).collect::<Result<_, _>>();
    left.with_context(|| path.display().to_string())
}
