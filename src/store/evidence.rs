//! The calls and answers behind a figure. Numbers come whole: whoever shows them masks them.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

/// A sampled number, and the call that reached it.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Sampled {
    /// Its key.
    pub id: i64,
    /// The campaign.
    pub campaign_id: i64,
    /// The number, whole.
    pub number: String,
    /// The organisation that is rated.
    pub unit_id: Option<i64>,
    /// The window that is rated.
    pub window_code: Option<i16>,
    /// As drawn.
    pub age_band: Option<String>,
    /// Attempts so far.
    pub attempts: i16,
    /// Its AAPOR code.
    pub disposition: String,
    /// The last attempt: the call, where it came to one.
    pub attempt: Option<Uuid>,
    /// When that began.
    pub started_at: Option<DateTime<Utc>>,
    /// How it came out; `None`: not over.
    pub outcome: Option<String>,
    /// Whether there is a call to look at.
    pub called: bool,
    /// The recording's length in milliseconds; `None`: there is none.
    pub recording_ms: Option<i64>,
}

/// One answer with the call in which it was given.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Answered {
    /// The sampled number's key.
    pub sample_id: i64,
    /// The campaign.
    pub campaign_id: i64,
    /// The questionnaire's version.
    pub survey_hash: String,
    /// The number, whole.
    pub number: String,
    /// The case it is about.
    pub case_number: Option<i64>,
    /// The organisation that is rated.
    pub unit_id: Option<i64>,
    /// The window that is rated.
    pub window_code: Option<i16>,
    /// As drawn.
    pub age_band: Option<String>,
    /// The draw by lot.
    pub draw: i64,
    /// As stored.
    pub value: String,
    /// `key`, `speech` or `person`.
    pub mode: String,
    /// From the question's end, in milliseconds.
    pub latency_ms: Option<i32>,
    /// When it was given.
    pub at: DateTime<Utc>,
    /// Whether the same person answered this question again later, so that this answer does not count.
    pub replaced: bool,
    /// Whether the person took the answers back.
    pub withdrawn: bool,
    /// When the call was answered; `None`: nothing is known of the call.
    pub answered_at: Option<DateTime<Utc>>,
    /// Below the data directory; `None`: not recorded.
    pub recording_path: Option<String>,
    /// SHA-256 of the recording, in hexadecimal.
    pub recording_sha256: Option<String>,
    /// Its length in milliseconds.
    pub recording_ms: Option<i64>,
}

/// What was said or keyed at some time of a call.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Said {
    /// 0 caller, 1 gateway.
    pub channel: i16,
    /// Milliseconds since the recording began.
    pub start_ms: i64,
    /// As `start_ms`.
    pub end_ms: i64,
    /// As corrected, or else as recognised.
    pub text: String,
    /// 0 to 1; `None`: our own prompt.
    pub confidence: Option<f32>,
}

/// What joins a sampled number `s` with its last attempt `a` and that one's call `k`.
macro_rules! sampled {
    ($condition:literal) => {
        concat!(
            "SELECT s.id, s.campaign_id, s.number, s.unit_id, s.window_code, s.age_band, s.attempts, s.disposition,
                 a.id AS attempt, a.started_at, a.outcome, k.id IS NOT NULL AS called, k.recording_ms
             FROM sample AS s
             LEFT JOIN LATERAL (SELECT id, started_at, outcome FROM attempts WHERE sample_id = s.id
                                ORDER BY ordinal DESC LIMIT 1) AS a ON true
             LEFT JOIN calls AS k ON k.id = a.id ",
            $condition
        )
    };
}

/// These numbers, in the order of their keys.
pub async fn sampled(pool: &PgPool, samples: &[i64]) -> Result<Vec<Sampled>, sqlx::Error> {
    sqlx::query_as(sampled!("WHERE s.id = ANY($1) ORDER BY s.id")).bind(samples).fetch_all(pool).await
}

/// A campaign's numbers with this disposition, or all of them, after the one with key `after`; at most `limit`.
pub async fn numbers(
    pool: &PgPool,
    campaign: i64,
    disposition: Option<&str>,
    after: i64,
    limit: i64,
) -> Result<Vec<Sampled>, sqlx::Error> {
    sqlx::query_as(sampled!(
        "WHERE s.campaign_id = $1 AND ($2::text IS NULL OR s.disposition = $2) AND s.id > $3 ORDER BY s.id LIMIT $4"
    ))
    .bind(campaign)
    .bind(disposition)
    .bind(after)
    .bind(limit)
    .fetch_all(pool)
    .await
}

/// The last answer to a question in an attempt; `None`: there is none.
pub async fn answer(pool: &PgPool, attempt: Uuid, question: &str) -> Result<Option<Answered>, sqlx::Error> {
    sqlx::query_as(
        "SELECT r.sample_id, s.campaign_id, c.survey_hash, s.number, s.case_number, s.unit_id, s.window_code, s.age_band,
             s.draw, r.value, r.mode, r.latency_ms, r.at,
             EXISTS (SELECT FROM answers AS later WHERE later.sample_id = r.sample_id AND later.question = r.question
                     AND (later.at, later.ordinal) > (r.at, r.ordinal)) AS replaced,
             EXISTS (SELECT FROM answer_withdrawals AS w WHERE w.sample_id = r.sample_id) AS withdrawn,
             k.answered_at, k.recording_path, k.recording_sha256, k.recording_ms
         FROM answers AS r JOIN sample AS s ON s.id = r.sample_id JOIN campaigns AS c ON c.id = s.campaign_id
         LEFT JOIN calls AS k ON k.id = r.attempt_id
         WHERE r.attempt_id = $1 AND r.question = $2 ORDER BY r.at DESC, r.ordinal DESC LIMIT 1",
    )
    .bind(attempt)
    .bind(question)
    .fetch_optional(pool)
    .await
}

/// When the question last began before `until_ms`, in milliseconds since the answer of the call.
pub async fn began(pool: &PgPool, call: Uuid, question: &str, until_ms: i64) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT max(at_ms) FROM call_events
         WHERE call_id = $1 AND kind = 'state' AND detail ->> 'state' = $2 AND at_ms <= $3",
    )
    .bind(call)
    .bind(question)
    .bind(until_ms)
    .fetch_one(pool)
    .await
}

/// The keys pressed between two moments of a call, in milliseconds since its answer.
pub async fn keys(pool: &PgPool, call: Uuid, from_ms: i64, until_ms: i64) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT coalesce(detail ->> 'key', '') FROM call_events
         WHERE call_id = $1 AND kind = 'key' AND at_ms BETWEEN $2 AND $3 ORDER BY seq",
    )
    .bind(call)
    .bind(from_ms)
    .bind(until_ms)
    .fetch_all(pool)
    .await
}

/// What was said in a call between two moments, corrected where somebody corrected it; at most `limit` segments.
pub async fn said(
    pool: &PgPool,
    call: Uuid,
    from_ms: i64,
    until_ms: i64,
    limit: i64,
) -> Result<Vec<Said>, sqlx::Error> {
    sqlx::query_as(
        "SELECT t.channel, t.start_ms, t.end_ms, t.confidence,
             coalesce((SELECT c.text FROM segment_corrections AS c WHERE c.segment_id = t.id
                       ORDER BY c.version DESC LIMIT 1), t.text) AS text
         FROM transcript_segments AS t
         WHERE t.call_id = $1 AND t.end_ms >= $2 AND t.start_ms <= $3 ORDER BY t.start_ms, t.channel LIMIT $4",
    )
    .bind(call)
    .bind(from_ms)
    .bind(until_ms)
    .bind(limit)
    .fetch_all(pool)
    .await
}
