//! Recordings that wait to be transcribed: a queue in the database, so that a crash of a worker loses nothing.
//!
//! A job is claimed for a time. Whoever does not finish or fail it within that time loses it to the next claim; finishing
//! twice is harmless, because segments have keys of their own.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::records::Segment;
use crate::ids::CallId;

/// Attempts, after which the transcript counts as failed and a person has to ask for it again.
pub const ATTEMPTS_MAX: i16 = 4;

/// Pause after the first failure; four times as long after each further one.
const RETRY: Duration = Duration::from_secs(30);

/// A claimed job.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Job {
    /// The call.
    #[sqlx(try_from = "uuid::Uuid")]
    pub call: CallId,
    /// Which attempt this is, from 1.
    pub attempt: i16,
    /// The recording, below `data_dir`.
    pub recording_path: String,
}

impl From<uuid::Uuid> for CallId {
    fn from(id: uuid::Uuid) -> Self {
        Self(id)
    }
}

/// Takes the oldest job that is due, for `lease`; `None` when there is none. Workers never wait for each other.
pub async fn claim(pool: &PgPool, lease: Duration, now: DateTime<Utc>) -> Result<Option<Job>, sqlx::Error> {
    sqlx::query_as(
        "WITH due AS (
             SELECT call_id FROM transcription_jobs
             WHERE (leased_until IS NULL OR leased_until <= $1) AND attempts < $2
             ORDER BY call_id LIMIT 1 FOR UPDATE SKIP LOCKED
         ), claimed AS (
             UPDATE transcription_jobs AS job SET leased_until = $3, attempts = attempts + 1
             FROM due WHERE job.call_id = due.call_id RETURNING job.call_id, job.attempts
         )
         UPDATE calls SET transcript_state = 'running' FROM claimed WHERE calls.id = claimed.call_id
         RETURNING calls.id AS call, claimed.attempts AS attempt, coalesce(calls.recording_path, '') AS recording_path",
    )
    .bind(now)
    .bind(ATTEMPTS_MAX)
    .bind(now + lease)
    .fetch_optional(pool)
    .await
}

/// Stores the transcript and removes the job, in one transaction.
pub async fn finish(pool: &PgPool, call: CallId, segments: &[Segment]) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    super::segments::insert(&mut tx, call, segments).await?;
    complete(&mut tx, call).await?;
    tx.commit().await
}

/// Gives the job back for a later attempt, or for good after [`ATTEMPTS_MAX`].
pub async fn fail(pool: &PgPool, job: &Job, error: &str, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    let pause = RETRY * 4_u32.pow(u32::from(job.attempt.clamp(1, ATTEMPTS_MAX).unsigned_abs()) - 1);
    let mut tx = pool.begin().await?;
    sqlx::query(
        "UPDATE transcription_jobs SET leased_until = $3, last_error = $4 WHERE call_id = $1 AND attempts = $2",
    )
    .bind(job.call.0)
    .bind(job.attempt)
    .bind(now + pause)
    .bind(error)
    .execute(&mut *tx)
    .await?;
    let state = if job.attempt >= ATTEMPTS_MAX { "failed" } else { "queued" };
    sqlx::query("UPDATE calls SET transcript_state = $2 WHERE id = $1 AND transcript_state = 'running'")
        .bind(job.call.0)
        .bind(state)
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// Makes a failed job due again.
pub async fn retry(pool: &PgPool, call: CallId) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    sqlx::query(
        "UPDATE transcription_jobs SET attempts = 0, leased_until = NULL WHERE call_id = $1 AND attempts >= $2",
    )
    .bind(call.0)
    .bind(ATTEMPTS_MAX)
    .execute(&mut *tx)
    .await?;
    sqlx::query("UPDATE calls SET transcript_state = 'queued' WHERE id = $1 AND transcript_state = 'failed'")
        .bind(call.0)
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// Queues a call's recording.
pub(super) async fn enqueue(db: &mut PgConnection, call: CallId) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO transcription_jobs (call_id) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(call.0)
        .execute(db)
        .await?;
    Ok(())
}

/// The transcript is stored: the job is done.
pub(super) async fn complete(db: &mut PgConnection, call: CallId) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE calls SET transcript_state = 'done' WHERE id = $1").bind(call.0).execute(&mut *db).await?;
    sqlx::query("DELETE FROM transcription_jobs WHERE call_id = $1").bind(call.0).execute(db).await?;
    Ok(())
}
