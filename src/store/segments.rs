//! Transcripts: inserted as recognised, corrected with history.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::records::Segment;
use super::{Change, Store};
use crate::ids::CallId;

/// Why a segment was not corrected.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// There is no such segment.
    #[error("no segment {segment}")]
    Unknown {
        /// The key asked for.
        segment: i64,
    },
    /// Somebody corrected it since it was shown.
    #[error("segment {segment} was corrected {current} times, not {seen}")]
    Conflict {
        /// The segment.
        segment: i64,
        /// The version that the correction was based on; 0 for the text as recognised.
        seen: i32,
        /// The version it has.
        current: i32,
    },
    /// The database failed or is away.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
}

/// A correction of one segment.
#[derive(Clone, Copy, Debug)]
pub struct Correction<'a> {
    /// The segment.
    pub segment: i64,
    /// Corrections that were shown; 0 for the text as recognised. Another count is a [`SegmentError::Conflict`].
    pub version: i32,
    /// The text as it should be.
    pub text: &'a str,
    /// Who says so.
    pub author: i64,
    /// Now.
    pub at: DateTime<Utc>,
}

impl Store {
    /// Corrects a segment; returns its new version. What was recognised, and every earlier correction, stays.
    pub async fn correct_segment(&self, correction: Correction<'_>) -> Result<i32, SegmentError> {
        let (call, version) = correct(self.pool(), correction).await?;
        self.announce(Change::Call(call));
        Ok(version)
    }
}

/// As [`Store::correct_segment`], without the announcement; returns the segment's call too.
pub async fn correct(pool: &PgPool, correction: Correction<'_>) -> Result<(CallId, i32), SegmentError> {
    let Correction { segment, version: seen, text, author, at } = correction;
    let mut tx = pool.begin().await?;
    // Held, so that two corrections cannot both count the same history.
    let call: Option<uuid::Uuid> =
        sqlx::query_scalar("SELECT call_id FROM transcript_segments WHERE id = $1 FOR UPDATE")
            .bind(segment)
            .fetch_optional(&mut *tx)
            .await?;
    let call = call.ok_or(SegmentError::Unknown { segment })?;
    let current: i32 =
        sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM segment_corrections WHERE segment_id = $1")
            .bind(segment)
            .fetch_one(&mut *tx)
            .await?;
    if current != seen {
        return Err(SegmentError::Conflict { segment, seen, current });
    }
    sqlx::query(
        "INSERT INTO segment_corrections (segment_id, version, text, author_id, at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(segment)
    .bind(current + 1)
    .bind(text)
    .bind(author)
    .bind(at)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok((CallId(call), current + 1))
}

/// Inserts segments; one that is there already, by call, channel and start, is left as it is.
pub(super) async fn insert(db: &mut PgConnection, call: CallId, segments: &[Segment]) -> Result<(), sqlx::Error> {
    let channels: Vec<i16> = segments.iter().map(|s| s.channel).collect();
    let starts: Vec<i64> = segments.iter().map(|s| s.start_ms).collect();
    let ends: Vec<i64> = segments.iter().map(|s| s.end_ms).collect();
    let texts: Vec<&str> = segments.iter().map(|s| s.text.as_str()).collect();
    let confidences: Vec<Option<f32>> = segments.iter().map(|s| s.confidence).collect();
    sqlx::query(
        "INSERT INTO transcript_segments (call_id, channel, start_ms, end_ms, text, confidence)
         SELECT $1, * FROM unnest($2::smallint[], $3::bigint[], $4::bigint[], $5::text[], $6::real[])
         ON CONFLICT (call_id, channel, start_ms) DO NOTHING",
    )
    .bind(call.0)
    .bind(channels)
    .bind(starts)
    .bind(ends)
    .bind(texts)
    .bind(confidences)
    .execute(db)
    .await?;
    Ok(())
}
