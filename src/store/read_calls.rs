//! Reads of calls for the web view and the JSON interface. Numbers come whole: whoever shows them masks them.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

/// Which calls a list shows; every part that is `None` lets all through.
#[derive(Clone, Debug, Default)]
pub struct CallFilter {
    /// The configured name of the line.
    pub line: Option<String>,
    /// First moment of the span asked for.
    pub from: Option<DateTime<Utc>>,
    /// First moment after it.
    pub until: Option<DateTime<Utc>>,
    /// The window of the case that the call opened.
    pub window: Option<i16>,
    /// Last digits of the caller's number.
    pub suffix: Option<String>,
    /// Only calls older than this one.
    pub before: Option<Uuid>,
    /// Leave out the calls that rated units may not see yet ([`batches`](super::batches)).
    pub for_rated: bool,
}

/// One row of a list of calls.
#[derive(Clone, Debug, FromRow)]
pub struct CallRow {
    /// Its key.
    pub id: Uuid,
    /// The configured name of the line that was dialled.
    pub line: String,
    /// The signalled number, whole; `None` when withheld.
    pub caller: Option<String>,
    /// The number dialled.
    pub called: String,
    /// When the INVITE came.
    pub started_at: DateTime<Utc>,
    /// When it was answered; `None` if never.
    pub answered_at: Option<DateTime<Utc>>,
    /// When it ended; `None` while in progress, or when a crash hid the end.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it ended.
    pub end_reason: Option<String>,
    /// Length of the recording in milliseconds; `None` when there is none.
    pub recording_ms: Option<i64>,
    /// `none`, `queued`, `running`, `done` or `failed`.
    pub transcript_state: String,
    /// The case it opened, if any.
    pub case_number: Option<i64>,
    /// That case's window.
    pub window_code: Option<i16>,
    /// That case's summary.
    pub summary: Option<String>,
}

/// Everything stored about one call but its events and words.
#[derive(Clone, Debug, FromRow)]
pub struct CallDetail {
    /// Its key.
    pub id: Uuid,
    /// The configured name of the line that was dialled.
    pub line: String,
    /// The signalled number, whole; `None` when withheld.
    pub caller: Option<String>,
    /// The number dialled.
    pub called: String,
    /// The SIP Call-ID (RFC 3261 §8.1.1.4), to find the call in a capture.
    pub sip_call_id: String,
    /// Name and version of the flow that spoke.
    pub flow: String,
    /// When the INVITE came.
    pub started_at: DateTime<Utc>,
    /// When it was answered; `None` if never.
    pub answered_at: Option<DateTime<Utc>>,
    /// When it ended; `None` while in progress, or when a crash hid the end.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it ended.
    pub end_reason: Option<String>,
    /// The codec's RTP name.
    pub codec: Option<String>,
    /// The audio engine's figures at the end.
    pub quality: Option<serde_json::Value>,
    /// Where the recording lies, below the data directory.
    pub recording_path: Option<String>,
    /// The recording's SHA-256 in hex.
    pub recording_sha256: Option<String>,
    /// The recording's length in milliseconds.
    pub recording_ms: Option<i64>,
    /// `none`, `queued`, `running`, `done` or `failed`.
    pub transcript_state: String,
}

/// One thing that happened in a call.
#[derive(Clone, Debug, FromRow)]
pub struct EventRow {
    /// Milliseconds since the answer.
    pub at_ms: i64,
    /// `state`, `prompt`, `key`, `heard`, `asked`, `case`, `hold`, `note` …
    pub kind: String,
    /// What belongs to this kind.
    pub detail: serde_json::Value,
}

/// One segment of the transcript, with its latest correction applied.
#[derive(Clone, Debug, FromRow)]
pub struct SegmentRow {
    /// Its key.
    pub id: i64,
    /// 0 the caller, 1 the gateway.
    pub channel: i16,
    /// Start in milliseconds of the recording.
    pub start_ms: i64,
    /// End in milliseconds of the recording.
    pub end_ms: i64,
    /// The text as it stands.
    pub text: String,
    /// The recogniser's confidence, 0 to 1; `None` for our own prompts.
    pub confidence: Option<f32>,
    /// How often it was corrected; 0: as recognised.
    pub version: i32,
}

/// One version of a corrected segment.
#[derive(Clone, Debug, FromRow)]
pub struct CorrectionRow {
    /// The segment.
    pub segment_id: i64,
    /// 0 is the text as recognised.
    pub version: i32,
    /// The text.
    pub text: String,
    /// Who wrote it; empty for the recogniser.
    pub author: String,
    /// When; `None` for the recogniser.
    pub at: Option<DateTime<Utc>>,
}

/// The newest calls that pass `filter`, at most `limit`.
pub async fn calls(pool: &PgPool, filter: &CallFilter, limit: i64) -> Result<Vec<CallRow>, sqlx::Error> {
    // The anchor is read first: a row comparison with constants can walk the index, one with a subquery cannot.
    let anchor: Option<(DateTime<Utc>, Uuid)> = match filter.before {
        Some(id) => {
            let anchor = sqlx::query_as("SELECT started_at, id FROM calls WHERE id = $1").bind(id);
            let Some(anchor) = anchor.fetch_optional(pool).await? else { return Ok(Vec::new()) };
            Some(anchor)
        }
        None => None,
    };
    sqlx::query_as(
        "SELECT c.id, c.line, c.caller, c.called, c.started_at, c.answered_at, c.ended_at, c.end_reason, c.recording_ms,
                c.transcript_state, k.number AS case_number, k.window_code, k.summary
         FROM calls c
         LEFT JOIN LATERAL (SELECT number, window_code, summary FROM cases WHERE call_id = c.id
                            ORDER BY number DESC LIMIT 1) k ON true
         WHERE ($1::text IS NULL OR c.line = $1)
           AND ($2::timestamptz IS NULL OR c.started_at >= $2)
           AND ($3::timestamptz IS NULL OR c.started_at < $3)
           AND ($4::smallint IS NULL OR k.window_code = $4)
           AND ($5::text IS NULL OR right(c.caller, length($5)) = $5)
           AND ($6::timestamptz IS NULL OR (c.started_at, c.id) < ($6, $7::uuid))
           AND NOT ($8 AND EXISTS (SELECT FROM withheld_calls w WHERE w.call_id = c.id))
         ORDER BY c.started_at DESC, c.id DESC
         LIMIT $9",
    )
    .bind(&filter.line)
    .bind(filter.from)
    .bind(filter.until)
    .bind(filter.window)
    .bind(&filter.suffix)
    .bind(anchor.map(|a| a.0))
    .bind(anchor.map(|a| a.1))
    .bind(filter.for_rated)
    .bind(limit)
    .fetch_all(pool)
    .await
}

/// One call.
pub async fn call(pool: &PgPool, id: Uuid) -> Result<Option<CallDetail>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, line, caller, called, sip_call_id, flow, started_at, answered_at, ended_at, end_reason, codec, quality,
                recording_path, recording_sha256, recording_ms, transcript_state
         FROM calls WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(pool)
    .await
}

/// What happened in a call, in order, at most `limit` things.
pub async fn call_events(pool: &PgPool, id: Uuid, limit: i64) -> Result<Vec<EventRow>, sqlx::Error> {
    sqlx::query_as("SELECT at_ms, kind, detail FROM call_events WHERE call_id = $1 ORDER BY seq LIMIT $2")
        .bind(id)
        .bind(limit)
        .fetch_all(pool)
        .await
}

/// A call's words, both channels, by time, at most `limit` segments.
pub async fn segments(pool: &PgPool, id: Uuid, limit: i64) -> Result<Vec<SegmentRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT s.id, s.channel, s.start_ms, s.end_ms, coalesce(k.text, s.text) AS text, s.confidence,
                coalesce(k.version, 0) AS version
         FROM transcript_segments s
         LEFT JOIN LATERAL (SELECT text, version FROM segment_corrections WHERE segment_id = s.id
                            ORDER BY version DESC LIMIT 1) k ON true
         WHERE s.call_id = $1
         ORDER BY s.start_ms, s.channel
         LIMIT $2",
    )
    .bind(id)
    .bind(limit)
    .fetch_all(pool)
    .await
}

/// One segment of a call as it stands.
pub async fn segment(pool: &PgPool, call: Uuid, id: i64) -> Result<Option<SegmentRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT s.id, s.channel, s.start_ms, s.end_ms, coalesce(k.text, s.text) AS text, s.confidence,
                coalesce(k.version, 0) AS version
         FROM transcript_segments s
         LEFT JOIN LATERAL (SELECT text, version FROM segment_corrections WHERE segment_id = s.id
                            ORDER BY version DESC LIMIT 1) k ON true
         WHERE s.call_id = $1 AND s.id = $2",
    )
    .bind(call)
    .bind(id)
    .fetch_optional(pool)
    .await
}

/// Every version of the corrected segments of a call, the recognised text as version 0, oldest first.
pub async fn corrections(pool: &PgPool, call: Uuid) -> Result<Vec<CorrectionRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT s.id AS segment_id, 0 AS version, s.text, '' AS author, NULL::timestamptz AS at
         FROM transcript_segments s
         WHERE s.call_id = $1 AND EXISTS (SELECT 1 FROM segment_corrections k WHERE k.segment_id = s.id)
         UNION ALL
         SELECT k.segment_id, k.version, k.text, coalesce(u.name, '?'), k.at
         FROM segment_corrections k
         JOIN transcript_segments s ON s.id = k.segment_id
         LEFT JOIN users u ON u.id = k.author_id
         WHERE s.call_id = $1
         ORDER BY segment_id, version",
    )
    .bind(call)
    .fetch_all(pool)
    .await
}
