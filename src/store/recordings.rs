//! Where recordings lie, what they were when they were closed, and which of them may make room.

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tokio_stream::StreamExt;
use uuid::Uuid;

use super::audit::{self, Deed};
use crate::ids::CallId;

/// A recording that is on the disk, as the database knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whose.
    pub call: CallId,
    /// Where it lies, below the data directory.
    pub path: String,
    /// SHA-256 of the file when it was closed, in hexadecimal.
    pub sha256: String,
}

/// Shows `each` recording, oldest first.
pub async fn kept(pool: &PgPool, mut each: impl FnMut(Kept)) -> Result<(), sqlx::Error> {
    let mut rows = sqlx::query_as::<_, (Uuid, String, String)>(
        "SELECT id, recording_path, recording_sha256 FROM calls
         WHERE recording_path IS NOT NULL AND recording_sha256 IS NOT NULL ORDER BY started_at, id",
    )
    .fetch(pool);
    while let Some((id, path, sha256)) = rows.try_next().await? {
        each(Kept { call: CallId(id), path, sha256 });
    }
    Ok(())
}

/// The oldest recordings that may be deleted to make room, `most` of them at most: their calls are over, their words are in
/// the database.
pub async fn expendable(pool: &PgPool, most: i64) -> Result<Vec<Kept>, sqlx::Error> {
    let rows: Vec<(Uuid, String, String)> = sqlx::query_as(
        "SELECT id, recording_path, coalesce(recording_sha256, '') FROM calls
         WHERE recording_path IS NOT NULL AND ended_at IS NOT NULL AND transcript_state = 'done'
         ORDER BY started_at, id LIMIT $1",
    )
    .bind(most)
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|(id, path, sha256)| Kept { call: CallId(id), path, sha256 }).collect())
}

/// Notes that a recording was deleted to make room, in the audit trail too. Its hash and its length stay.
pub async fn deleted(pool: &PgPool, call: CallId, at: DateTime<Utc>) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    sqlx::query("UPDATE calls SET recording_path = NULL WHERE id = $1").bind(call.0).execute(&mut *tx).await?;
    let object = format!("call/{call}");
    let deed = Deed { actor: "gateway", action: "free", object: &object, reason: "the disk was full", at };
    audit::append_in(&mut tx, deed).await?;
    tx.commit().await
}
