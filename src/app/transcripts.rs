//! Transcripts of whole calls, made after their end: one recording at a time, behind every caller who is waiting.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use crate::clock::wall;
use crate::store::jobs::{self, Job};
use crate::store::records::Segment;
use crate::store::{Change, DatabaseState};

/// How long a worker may take over one recording before another may try it.
const LEASE: Duration = Duration::from_secs(30 * 60);

/// How often the queue is asked when nothing told of a change.
const IDLE: Duration = Duration::from_secs(5);

/// The caller's channel in recordings and transcripts.
const CALLER: i16 = 0;

/// Works through the queue until told to stop.
pub(super) async fn work(shared: Arc<Shared>, stop: CancellationToken) {
    let mut changes = shared.store.changes();
    loop {
        let done = tokio::select! {
            done = take_one(&shared) => done,
            () = stop.cancelled() => return,
        };
        match done {
            Ok(true) => {}
            Ok(false) => tokio::select! {
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

/// Transcribes the oldest recording that waits; whether there was one.
async fn take_one(shared: &Shared) -> anyhow::Result<bool> {
    let pool = shared.store.pool();
    let Some(job) = jobs::claim(pool, LEASE, wall()).await? else { return Ok(false) };
    match transcribe(shared, &job).await {
        Ok(segments) => jobs::finish(pool, job.call, &segments).await?,
        Err(error) => {
            tracing::error!(call = %job.call, error = format!("{error:#}"), "a recording cannot be transcribed");
            jobs::fail(pool, &job, &format!("{error:#}"), wall()).await?;
        }
    }
    shared.store.announce(Change::Call(job.call));
    Ok(true)
}

async fn transcribe(shared: &Shared, job: &Job) -> anyhow::Result<Vec<Segment>> {
    let speech = shared.speech.as_ref().context("recognition is switched off")?;
    let path = shared.data_dir.join(&job.recording_path);
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
