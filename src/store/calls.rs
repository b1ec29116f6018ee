//! Calls as a whole.

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use crate::ids::CallId;

/// Calls that rang before `started` and whose end nobody recorded, with the time at which each rang: a crash cut them
/// short.
pub async fn unended(pool: &PgPool, started: DateTime<Utc>) -> Result<Vec<(CallId, DateTime<Utc>)>, sqlx::Error> {
    let rows: Vec<(Uuid, DateTime<Utc>)> =
        sqlx::query_as("SELECT id, started_at FROM calls WHERE ended_at IS NULL AND started_at < $1 ORDER BY started_at")
            .bind(started)
            .fetch_all(pool)
            .await?;
    Ok(rows.into_iter().map(|(id, at)| (CallId(id), at)).collect())
}
