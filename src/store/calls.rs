//! Calls whose end nobody recorded.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::ids::CallId;

/// A call that began and, as far as the database knows, never ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unended {
    /// The call.
    pub call: CallId,
    /// When its INVITE came.
    pub started_at: DateTime<Utc>,
    /// When it was answered; `None`: not as far as is known.
    pub answered_at: Option<DateTime<Utc>>,
}

/// The calls without an end that began before `before`, oldest first.
///
/// Asked once everything from the spool is sent, with the time of this process's start, these are the calls in which an
/// earlier one died: append a [`super::records::CallEnded`] with reason `crash` for each.
pub async fn unended(pool: &PgPool, before: DateTime<Utc>) -> Result<Vec<Unended>, sqlx::Error> {
    let rows: Vec<(uuid::Uuid, DateTime<Utc>, Option<DateTime<Utc>>)> = sqlx::query_as(
        "SELECT id, started_at, answered_at FROM calls WHERE ended_at IS NULL AND started_at < $1 ORDER BY started_at",
    )
    .bind(before)
    .fetch_all(pool)
    .await?;
    let unended = |(id, started_at, answered_at)| Unended { call: CallId(id), started_at, answered_at };
    Ok(rows.into_iter().map(unended).collect())
}
