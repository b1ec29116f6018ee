//! Whose calls a rated unit may not see yet: it learns whom a campaign rang once the campaign is over, and enough have answered
//! that nobody can be told from the others (N1, R12.5).
//!
//! `open_batches` and `withheld_calls` are views, so that whoever adds a page asks the same question. What a unit must know to
//! do its work it learns all the same: a case that is worked on again, and whom to ring back for it.

use sqlx::PgPool;
use uuid::Uuid;

/// Whether a call is one that rated units may not see yet.
pub async fn is_withheld(pool: &PgPool, call: Uuid) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM withheld_calls WHERE call_id = $1)").bind(call).fetch_one(pool).await
}

/// The campaigns that are over and whose figures for this unit may be shown to it, the newest first; with the keys of those at
/// most `limit`.
pub async fn closed_for(pool: &PgPool, unit: i64, limit: i64) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT c.id FROM campaigns AS c
         WHERE c.id NOT IN (SELECT campaign_id FROM open_batches)
             AND EXISTS (SELECT FROM sample AS s WHERE s.campaign_id = c.id AND s.unit_id = $1)
         ORDER BY c.id DESC LIMIT $2",
    )
    .bind(unit)
    .bind(limit)
    .fetch_all(pool)
    .await
}
