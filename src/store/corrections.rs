//! What people corrected in transcripts, as data to test recognition with.

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use super::audit::{self, Deed};
use crate::ids::CallId;

/// A segment of a caller's words that somebody corrected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrected {
    /// The call it belongs to.
    pub call: CallId,
    /// Its key.
    pub segment: i64,
    /// Where in the recording it begins and ends, in milliseconds.
    pub start_ms: i64,
    pub end_ms: i64,
    /// The newest correction.
    pub text: String,
    /// The recording, below the data directory.
    pub recording_path: String,
}

/// Corrected segments whose recording is still here, oldest call first. Calls of interviews whose answers were taken back
/// are left out: who wants to be forgotten is not made test data.
pub async fn all(pool: &PgPool) -> Result<Vec<Corrected>, sqlx::Error> {
    let rows: Vec<(Uuid, i64, i64, i64, String, String)> = sqlx::query_as(
        "SELECT c.id, s.id, s.start_ms, s.end_ms, k.text, c.recording_path
         FROM calls c
         JOIN transcript_segments s ON s.call_id = c.id AND s.channel = 0
         JOIN LATERAL (SELECT text FROM segment_corrections WHERE segment_id = s.id ORDER BY version DESC LIMIT 1) k ON true
         WHERE c.recording_path IS NOT NULL
           AND NOT EXISTS (SELECT FROM attempts a JOIN answer_withdrawals w ON w.sample_id = a.sample_id WHERE a.id = c.id)
         ORDER BY c.started_at, c.id, s.start_ms",
    )
    .fetch_all(pool)
    .await?;
    let corrected = |(call, segment, start_ms, end_ms, text, recording_path)| Corrected {
        call: CallId(call),
        segment,
        start_ms,
        end_ms,
        text,
        recording_path,
    };
    Ok(rows.into_iter().map(corrected).collect())
}

/// Notes in the audit trail that a call's sound leaves the system, and why; before it does.
pub async fn leaving(
    pool: &PgPool,
    call: CallId,
    actor: &str,
    reason: &str,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let object = format!("call/{call}");
    audit::append(pool, Deed { actor, action: "download", object: &object, reason, at }).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::segments::{self, Correction};
    use crate::store::testing::{self, TestDatabase, noon};
    use crate::store::users::{self, Role};

    #[tokio::test]
    async fn the_newest_correction_of_each_segment_whose_sound_is_here() {
        let pool = TestDatabase::fresh().await.pool;
        let author = users::add(&pool, "li", Role::Operator, None, noon()).await.expect("adds");
        let call = CallId::fresh();
        for record in [testing::started(call), testing::ended(call), testing::transcript(call)] {
            testing::apply(&pool, &record).await;
        }
        assert_eq!(all(&pool).await.expect("reads"), [], "nobody has corrected anything");
        let query = "SELECT id FROM transcript_segments WHERE channel = $1";
        for channel in [0_i16, 1] {
            let segment = sqlx::query_scalar(query).bind(channel).fetch_one(&pool).await.expect("one");
            for (version, text) in [(0, "我想申请高龄"), (1, "我想申请高龄津贴")] {
                let correction = Correction { segment, version, text, author, at: noon() };
                segments::correct(&pool, correction).await.expect("corrects");
            }
        }
        let found = all(&pool).await.expect("reads");
        let texts: Vec<&str> = found.iter().map(|c| c.text.as_str()).collect();
        assert_eq!(texts, ["我想申请高龄津贴"], "the caller's alone");
        assert_eq!((found[0].call, found[0].start_ms, found[0].end_ms), (call, 0, 900));

        sqlx::query("UPDATE calls SET recording_path = NULL").execute(&pool).await.expect("frees");
        assert_eq!(all(&pool).await.expect("reads"), [], "its sound is gone");
    }
}
