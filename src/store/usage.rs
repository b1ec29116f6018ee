//! How many calls each trunk was given in this hour and on this day, so that its caps hold over a restart.
//!
//! What is written is never less than what was sent: before numbers are rung they are counted, with those under way, for every
//! trunk that may get them. So a gateway that dies loses a few calls of a cap, and never rings more.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

/// One trunk's count.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct TrunkUsage {
    /// The trunk's name.
    pub trunk: String,
    /// When it was counted: in which hour and on which day, China Standard Time.
    pub at: DateTime<Utc>,
    /// Calls of that hour.
    pub in_hour: i64,
    /// Calls of that day.
    pub in_day: i64,
}

/// Writes these counts in place of earlier ones.
pub async fn write(pool: &PgPool, usage: &[TrunkUsage]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO trunk_usage (trunk, at, in_hour, in_day)
         SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::bigint[])
         ON CONFLICT (trunk) DO UPDATE SET at = excluded.at, in_hour = excluded.in_hour, in_day = excluded.in_day",
    )
    .bind(usage.iter().map(|u| u.trunk.as_str()).collect::<Vec<_>>())
    .bind(usage.iter().map(|u| u.at).collect::<Vec<_>>())
    .bind(usage.iter().map(|u| u.in_hour).collect::<Vec<_>>())
    .bind(usage.iter().map(|u| u.in_day).collect::<Vec<_>>())
    .execute(pool)
    .await?;
    Ok(())
}

/// The counts last written.
pub async fn read(pool: &PgPool) -> Result<Vec<TrunkUsage>, sqlx::Error> {
    sqlx::query_as("SELECT trunk, at, in_hour, in_day FROM trunk_usage ORDER BY trunk").fetch_all(pool).await
}
