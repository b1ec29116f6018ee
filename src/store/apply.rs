//! A record becomes rows. Each can be applied any number of times: keys are the record's own, and a row that is there is
//! left as it is, because operators may have changed it since.

use sqlx::PgConnection;
use sqlx::types::Json;

use super::records::{CallAnswered, CallEnded, CallEvent, CallStarted, Record, Segment};
use crate::cases::NewCase;
use crate::ids::CallId;

/// Writes one record, within the caller's transaction.
pub async fn apply(db: &mut PgConnection, record: &Record) -> Result<(), sqlx::Error> {
    match record {
        Record::CallStarted(started) => call_started(db, started).await,
        Record::CallAnswered(answered) => call_answered(db, answered).await,
        Record::CallEvents { call, events } => call_events(db, *call, events).await,
        Record::CaseOpened(case) => case_opened(db, case).await,
        Record::CallEnded(ended) => call_ended(db, ended).await,
        Record::Transcript { call, segments } => transcript(db, *call, segments).await,
        Record::SurveyAnswered(answered) => super::answers::answered(db, answered).await,
        Record::DoNotCall(wish) => super::answers::do_not_call(db, wish).await,
        Record::AttemptEnded(ended) => super::answers::attempt_ended(db, ended).await,
    }
}

async fn call_started(db: &mut PgConnection, started: &CallStarted) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO calls (id, line, caller, called, sip_call_id, flow, started_at)
         VALUES ($1, $2, $3, $4, $5, '', $6) ON CONFLICT (id) DO NOTHING",
    )
    .bind(started.call.0)
    .bind(&started.line)
    .bind(started.caller.as_ref().map(|number| number.reveal()))
    .bind(&started.called)
    .bind(&started.sip_call_id)
    .bind(started.started_at)
    .execute(db)
    .await?;
    Ok(())
}

async fn call_answered(db: &mut PgConnection, answered: &CallAnswered) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE calls SET flow = $2, codec = $3, answered_at = $4 WHERE id = $1 AND answered_at IS NULL")
        .bind(answered.call.0)
        .bind(&answered.flow)
        .bind(&answered.codec)
        .bind(answered.answered_at)
        .execute(db)
        .await?;
    Ok(())
}

async fn call_events(db: &mut PgConnection, call: CallId, events: &[CallEvent]) -> Result<(), sqlx::Error> {
    let seqs: Vec<i32> = events.iter().map(|e| e.seq).collect();
    let times: Vec<i64> = events.iter().map(|e| e.at_ms).collect();
    let kinds: Vec<&str> = events.iter().map(|e| e.kind.as_str()).collect();
    let details: Vec<Json<&serde_json::Value>> = events.iter().map(|e| Json(&e.detail)).collect();
    sqlx::query(
        "INSERT INTO call_events (call_id, seq, at_ms, kind, detail)
         SELECT $1, * FROM unnest($2::integer[], $3::bigint[], $4::text[], $5::jsonb[]) ON CONFLICT DO NOTHING",
    )
    .bind(call.0)
    .bind(seqs)
    .bind(times)
    .bind(kinds)
    .bind(details)
    .execute(db)
    .await?;
    Ok(())
}

/// A case whose window, item, village or owner is no longer in the directory is kept without it, or with the district's
/// duty post: what a caller was promised matters more than where it pointed.
async fn case_opened(db: &mut PgConnection, case: &NewCase) -> Result<(), sqlx::Error> {
    let draft = &case.draft;
    // The call's own record stands before this one, unless the disk was full.
    sqlx::query(
        "INSERT INTO calls (id, line, called, sip_call_id, flow, started_at)
         VALUES ($1, $2, '', '', '', $3) ON CONFLICT (id) DO NOTHING",
    )
    .bind(draft.call.0)
    .bind(&draft.line)
    .bind(draft.received_at)
    .execute(&mut *db)
    .await?;
    let inserted: Option<i64> = sqlx::query_scalar(
        "INSERT INTO cases (number, call_id, line, origin, kind, state, window_code, item_id, village_id, place, words,
             summary, callback, owner_post_id, promise, due_on, received_at, opened_at)
         VALUES ($1, $2, $3, $4, $5, 'received',
             (SELECT code FROM windows WHERE code = $6),
             (SELECT id FROM service_items WHERE id = $7),
             (SELECT id FROM organisations WHERE id = $8),
             $9, $10, $10, $11,
             coalesce((SELECT id FROM posts WHERE id = $12),
                      (SELECT id FROM posts WHERE window_code IS NULL ORDER BY id LIMIT 1),
                      (SELECT min(id) FROM posts)),
             $13, $14, $15, $16)
         ON CONFLICT (number) DO NOTHING RETURNING owner_post_id",
    )
    .bind(case.number.as_i64())
    .bind(draft.call.0)
    .bind(&draft.line)
    .bind(super::cases::origin_code(draft.origin))
    .bind(super::cases::kind_code(draft.kind))
    .bind(draft.window.map(|w| w.0))
    .bind(draft.item.map(|i| i.0))
    .bind(draft.village.map(|v| v.0))
    .bind(&draft.place)
    .bind(&draft.words)
    .bind(draft.callback.as_ref().map(|number| number.reveal()))
    .bind(draft.owner.0)
    .bind(&draft.promise)
    .bind(draft.due_on)
    .bind(draft.received_at)
    .bind(draft.opened_at)
    .fetch_optional(&mut *db)
    .await?;
    let Some(owner) = inserted else { return Ok(()) };
    sqlx::query(
        "INSERT INTO case_events (case_number, seq, at, actor, kind, to_state, reason, detail)
         VALUES ($1, 1, $2, 'gateway', 'opened', 'received', '', $3)",
    )
    .bind(case.number.as_i64())
    .bind(draft.opened_at)
    .bind(Json(serde_json::json!({ "owner_post": owner, "asked_first": draft.owner.0 })))
    .execute(db)
    .await?;
    Ok(())
}

async fn call_ended(db: &mut PgConnection, ended: &CallEnded) -> Result<(), sqlx::Error> {
    let recording = ended.recording.as_ref();
    let changed = sqlx::query(
        "UPDATE calls SET ended_at = $2, end_reason = $3, quality = $4, recording_path = $5, recording_sha256 = $6,
             recording_ms = $7, transcript_state = CASE WHEN $5 IS NULL THEN transcript_state ELSE 'queued' END
         WHERE id = $1 AND ended_at IS NULL",
    )
    .bind(ended.call.0)
    .bind(ended.ended_at)
    .bind(&ended.reason)
    .bind(ended.quality.as_ref().map(Json))
    .bind(recording.map(|r| &r.path))
    .bind(recording.map(|r| &r.sha256))
    .bind(recording.map(|r| r.duration_ms))
    .execute(&mut *db)
    .await?;
    super::segments::insert(db, ended.call, &ended.spoken).await?;
    // Only at the first time: a job that was done is not to be done again.
    if changed.rows_affected() == 1 && recording.is_some() {
        super::jobs::enqueue(db, ended.call).await?;
    }
    Ok(())
}

async fn transcript(db: &mut PgConnection, call: CallId, segments: &[Segment]) -> Result<(), sqlx::Error> {
    super::segments::insert(db, call, segments).await?;
    super::jobs::complete(db, call).await
}
