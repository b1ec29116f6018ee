//! Recordings that wait to be transcribed: a queue in the database, so that a crash of a worker loses nothing.
//!
//! A job is claimed for a time. Whoever does not finish or fail it within that time loses it to the next claim; finishing
//! twice is harmless, because segments have keys of their own.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::records::Segment;
use crate::ids::CallId;

/// Attempts, after which the transcript counts as failed and a person has to ask for it again.
pub const ATTEMPTS_MAX: i16 = 4;

/// Pause after the first failure; four times as long after each further one.
const RETRY: Duration = Duration::from_secs(30);

/// A claimed job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The call.
    pub call: CallId,
    /// Which attempt this is, from 1.
    pub attempt: i16,
    /// The recording, below `data_dir`.
    pub recording_path: String,
}

/// Takes the oldest job that is due, for `lease`; `None` when there is none. Workers never wait for each other.
pub async fn claim(pool: &PgPool, lease: Duration, now: DateTime<Utc>) -> Result<Option<Job>, sqlx::Error> {
    let row: Option<(uuid::Uuid, i16, String)> = sqlx::query_as(
        "WITH due AS (
             SELECT call_id FROM transcription_jobs
             WHERE (leased_until IS NULL OR leased_until <= $1) AND attempts < $2
             ORDER BY call_id LIMIT 1 FOR UPDATE SKIP LOCKED
         ), claimed AS (
             UPDATE transcription_jobs AS job SET leased_until = $3, attempts = attempts + 1
             FROM due WHERE job.call_id = due.call_id RETURNING job.call_id, job.attempts
         )
         UPDATE calls SET transcript_state = 'running' FROM claimed WHERE calls.id = claimed.call_id
         RETURNING calls.id, claimed.attempts, coalesce(calls.recording_path, '')",
    )
    .bind(now)
    .bind(ATTEMPTS_MAX)
    .bind(now + lease)
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|(call, attempt, recording_path)| Job { call: CallId(call), attempt, recording_path }))
}

/// Prolongs a claim to `lease` from now; whether it is still the claimer's.
pub async fn renew(pool: &PgPool, job: &Job, lease: Duration, now: DateTime<Utc>) -> Result<bool, sqlx::Error> {
    let renewed = sqlx::query("UPDATE transcription_jobs SET leased_until = $3 WHERE call_id = $1 AND attempts = $2")
        .bind(job.call.0)
        .bind(job.attempt)
        .bind(now + lease)
        .execute(pool)
        .await?;
    Ok(renewed.rows_affected() == 1)
}

/// Stores the transcript and removes the job, in one transaction.
pub async fn finish(pool: &PgPool, call: CallId, segments: &[Segment]) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    let segments: Vec<_> = segments.iter().map(|said| (call, said)).collect();
    super::segments::insert(&mut tx, &segments).await?;
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

/// Queues the recordings of these calls.
pub(super) async fn enqueue(db: &mut PgConnection, calls: &[Uuid]) -> Result<(), sqlx::Error> {
    if calls.is_empty() {
        return Ok(());
    }
    sqlx::query("INSERT INTO transcription_jobs (call_id) SELECT * FROM unnest($1::uuid[]) ON CONFLICT DO NOTHING")
        .bind(calls)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::apply::apply;
    use crate::store::testing::{self, TestDatabase};

    const LEASE: Duration = Duration::from_secs(60);

    /// A database in which the recordings of so many calls wait, and the calls, oldest first.
    async fn waiting(count: usize) -> (PgPool, Vec<CallId>) {
        let pool = TestDatabase::fresh().await.pool;
        let mut calls = Vec::new();
        for _ in 0..count {
            let call = CallId::fresh();
            let mut tx = pool.begin().await.expect("begins");
            apply(&mut tx, [&testing::started(call)]).await.expect("applies");
            apply(&mut tx, [&testing::ended(call)]).await.expect("applies");
            tx.commit().await.expect("commits");
            calls.push(call);
        }
        (pool, calls)
    }

    async fn state(pool: &PgPool, call: CallId) -> String {
        sqlx::query_scalar("SELECT transcript_state FROM calls WHERE id = $1")
            .bind(call.0)
            .fetch_one(pool)
            .await
            .expect("reads")
    }

    #[tokio::test]
    async fn workers_share_the_jobs_and_never_one() {
        let (pool, calls) = waiting(8).await;
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move {
                    claim(&pool, LEASE, testing::noon()).await.expect("claims").expect("one each").call
                })
            })
            .collect();
        let mut claimed = Vec::new();
        for task in tasks {
            claimed.push(task.await.expect("ends"));
        }
        claimed.sort_unstable();
        assert_eq!(claimed, calls);
        assert_eq!(claim(&pool, LEASE, testing::noon()).await.expect("asks"), None);
    }

    #[tokio::test]
    async fn a_claim_held_in_a_transaction_is_stepped_over() {
        let (pool, calls) = waiting(2).await;
        let mut other = pool.begin().await.expect("begins");
        sqlx::query("SELECT FROM transcription_jobs WHERE call_id = $1 FOR UPDATE")
            .bind(calls[0].0)
            .execute(&mut *other)
            .await
            .expect("locks");
        let job = claim(&pool, LEASE, testing::noon()).await.expect("does not wait").expect("the other one");
        assert_eq!(job.call, calls[1]);
    }

    #[tokio::test]
    async fn a_lease_that_ran_out_is_claimed_again() {
        let (pool, calls) = waiting(1).await;
        let now = testing::noon();
        let first = claim(&pool, LEASE, now).await.expect("claims").expect("one");
        assert_eq!((first.attempt, first.recording_path.as_str()), (1, &*format!("recordings/{}.wav", calls[0])));
        assert_eq!(claim(&pool, LEASE, now + LEASE / 2).await.expect("asks"), None);
        assert!(renew(&pool, &first, LEASE, now).await.expect("renews"));
        assert_eq!(claim(&pool, LEASE, now + LEASE).await.expect("claims").expect("again").attempt, 2);
        assert!(!renew(&pool, &first, LEASE, now + LEASE).await.expect("asks"), "it is another one's");
        // The first worker was slow, not dead: what it says no longer counts, and what it brings does no harm.
        fail(&pool, &first, "slow", now + LEASE).await.expect("says so");
        assert_eq!(claim(&pool, LEASE, now + LEASE + RETRY).await.expect("asks"), None, "the second lease holds");
        finish(&pool, calls[0], &testing::segments()).await.expect("finishes");
        finish(&pool, calls[0], &testing::segments()).await.expect("finishes twice");
        assert_eq!(state(&pool, calls[0]).await, "done");
        let segments: i64 =
            sqlx::query_scalar("SELECT count(*) FROM transcript_segments").fetch_one(&pool).await.expect("counts");
        assert_eq!(segments, 2);
    }

    #[tokio::test]
    async fn a_job_that_keeps_failing_ends_and_can_be_asked_for_again() {
        let (pool, calls) = waiting(1).await;
        let mut now = testing::noon();
        for attempt in 1..=ATTEMPTS_MAX {
            let job = claim(&pool, LEASE, now).await.expect("claims").expect("due");
            assert_eq!((job.attempt, state(&pool, calls[0]).await.as_str()), (attempt, "running"));
            fail(&pool, &job, "no model", now).await.expect("fails");
            assert_eq!(claim(&pool, LEASE, now).await.expect("asks"), None, "not before its pause");
            now += RETRY * 64;
        }
        assert_eq!(state(&pool, calls[0]).await, "failed");
        assert_eq!(claim(&pool, LEASE, now).await.expect("asks"), None);
        retry(&pool, calls[0]).await.expect("asks again");
        assert_eq!(claim(&pool, LEASE, now).await.expect("claims").expect("due").attempt, 1);
    }
}
