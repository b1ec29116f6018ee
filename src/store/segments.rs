//! Transcripts: inserted as recognised, corrected with history.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::audit::{self, Deed};
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

/// As [`Store::correct_segment`], without the announcement; returns the segment's call too. The row in the audit trail
/// belongs to the same transaction.
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
    let actor: String =
        sqlx::query_scalar("SELECT name FROM users WHERE id = $1").bind(author).fetch_one(&mut *tx).await?;
    let object = format!("call/{call}");
    audit::append_in(&mut tx, Deed { actor: &actor, action: "correct", object: &object, reason: "", at }).await?;
    tx.commit().await?;
    Ok((CallId(call), current + 1))
}

/// Inserts segments; one that is there already, by call, channel and start, is left as it is.
pub(super) async fn insert(db: &mut PgConnection, segments: &[(CallId, &Segment)]) -> Result<(), sqlx::Error> {
    if segments.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO transcript_segments (call_id, channel, start_ms, end_ms, text, confidence)
         SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::bigint[], $5::text[], $6::real[])
         ON CONFLICT (call_id, channel, start_ms) DO NOTHING",
    )
    .bind(segments.iter().map(|(call, _)| call.0).collect::<Vec<_>>())
    .bind(segments.iter().map(|(_, s)| s.channel).collect::<Vec<_>>())
    .bind(segments.iter().map(|(_, s)| s.start_ms).collect::<Vec<_>>())
    .bind(segments.iter().map(|(_, s)| s.end_ms).collect::<Vec<_>>())
    .bind(segments.iter().map(|(_, s)| s.text.as_str()).collect::<Vec<_>>())
    .bind(segments.iter().map(|(_, s)| s.confidence).collect::<Vec<_>>())
    .execute(db)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::apply::apply;
    use crate::store::testing::{self, TestDatabase};
    use crate::store::users::{self, Role};

    #[tokio::test]
    async fn corrections_pile_up_and_what_was_recognised_stays() {
        let pool = TestDatabase::fresh().await.pool;
        let author = users::add(&pool, "li", Role::Operator, None, testing::noon()).await.expect("adds");
        let call = CallId::fresh();
        let mut tx = pool.begin().await.expect("begins");
        apply(&mut tx, [&testing::started(call)]).await.expect("applies");
        apply(&mut tx, [&testing::transcript(call)]).await.expect("applies");
        tx.commit().await.expect("commits");
        let query = "SELECT id FROM transcript_segments WHERE channel = 0";
        let segment: i64 = sqlx::query_scalar(query).fetch_one(&pool).await.expect("one");
        let correction = |version, text| Correction { segment, version, text, author, at: testing::noon() };

        assert_eq!(correct(&pool, correction(0, "高龄津贴")).await.expect("corrects"), (call, 1));
        assert_eq!(correct(&pool, correction(1, "申请高龄津贴")).await.expect("corrects"), (call, 2));
        let late = correct(&pool, correction(1, "别的")).await;
        assert!(matches!(late, Err(SegmentError::Conflict { seen: 1, current: 2, .. })));
        let unknown = correct(&pool, Correction { segment: segment + 99, ..correction(0, "") }).await;
        assert!(matches!(unknown, Err(SegmentError::Unknown { .. })));

        let history: Vec<String> = sqlx::query_scalar("SELECT text FROM segment_corrections ORDER BY version")
            .fetch_all(&pool)
            .await
            .expect("reads");
        assert_eq!(history, ["高龄津贴", "申请高龄津贴"]);
        let recognised: String = sqlx::query_scalar("SELECT text FROM transcript_segments WHERE channel = 0")
            .fetch_one(&pool)
            .await
            .expect("reads");
        assert_eq!(recognised, "我想申请高领津贴");
        assert!(sqlx::query("UPDATE transcript_segments SET text = ''").execute(&pool).await.is_err());
        assert!(sqlx::query("DELETE FROM segment_corrections").execute(&pool).await.is_err());
    }
}
