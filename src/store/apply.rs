//! A record becomes rows. Each can be applied any number of times: keys are the record's own, and a row that is there is
//! left as it is, because operators may have changed it since.

use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::records::{CallAnswered, CallEnded, CallEvent, CallStarted, Record, Segment};
use crate::cases::NewCase;
use crate::ids::CallId;

/// Writes a group of records, within the caller's transaction.
///
/// What begins, answers, notes and ends calls goes in one statement a kind for the whole group: a call leaves half a dozen
/// such records, and it is the statement that costs. What belongs to one call keeps its order: cases are opened before their
/// call ends, and transcripts come after.
pub async fn apply<'a>(
    db: &mut PgConnection,
    records: impl IntoIterator<Item = &'a Record>,
) -> Result<(), sqlx::Error> {
    let (mut started, mut answered, mut noted) = (Vec::new(), Vec::new(), Vec::new());
    let (mut cases, mut ended, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for record in records {
        match record {
            Record::CallStarted(call) => started.push(call),
            Record::CallAnswered(call) => answered.push(call),
            Record::CallEvents { call, events } => noted.extend(events.iter().map(|event| (*call, event))),
            Record::CaseOpened(case) => cases.push(case),
            Record::CallEnded(call) => ended.push(call),
            Record::Transcript { .. }
            | Record::SurveyAnswered(_)
            | Record::DoNotCall(_)
            | Record::AttemptEnded(_)
            | Record::AnswersWithdrawn(_)
            | Record::Retaken(_)
            | Record::PersonWanted(_) => rest.push(record),
        }
    }
    call_started(db, &started).await?;
    call_answered(db, &answered).await?;
    call_events(db, &noted).await?;
    for case in cases {
        case_opened(db, case).await?;
    }
    call_ended(db, &ended).await?;
    for record in rest {
        match record {
            // Written above.
            Record::CallStarted(_)
            | Record::CallAnswered(_)
            | Record::CallEvents { .. }
            | Record::CaseOpened(_)
            | Record::CallEnded(_) => {}
            Record::Transcript { call, segments } => transcript(db, *call, segments).await?,
            Record::SurveyAnswered(answered) => super::answers::answered(db, answered).await?,
            Record::DoNotCall(wish) => super::answers::do_not_call(db, wish).await?,
            Record::AttemptEnded(ended) => super::answers::attempt_ended(db, ended).await?,
            Record::AnswersWithdrawn(withdrawn) => super::answers::withdrawn(db, withdrawn).await?,
            Record::Retaken(retaken) => super::answers::retaken(db, retaken).await?,
            Record::PersonWanted(wanted) => super::answers::person_wanted(db, wanted).await?,
        }
    }
    Ok(())
}

async fn call_started(db: &mut PgConnection, calls: &[&CallStarted]) -> Result<(), sqlx::Error> {
    if calls.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO calls (id, line, caller, called, sip_call_id, flow, started_at)
         SELECT id, line, caller, called, sip_call_id, '', started_at
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
             AS new (id, line, caller, called, sip_call_id, started_at)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(calls.iter().map(|c| c.call.0).collect::<Vec<_>>())
    .bind(calls.iter().map(|c| c.line.as_str()).collect::<Vec<_>>())
    .bind(calls.iter().map(|c| c.caller.as_ref().map(|number| number.reveal())).collect::<Vec<_>>())
    .bind(calls.iter().map(|c| c.called.as_str()).collect::<Vec<_>>())
    .bind(calls.iter().map(|c| c.sip_call_id.as_str()).collect::<Vec<_>>())
    .bind(calls.iter().map(|c| c.started_at).collect::<Vec<_>>())
    .execute(db)
    .await?;
    Ok(())
}

async fn call_answered(db: &mut PgConnection, calls: &[&CallAnswered]) -> Result<(), sqlx::Error> {
    if calls.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE calls SET flow = new.flow, codec = new.codec, answered_at = new.answered_at
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) AS new (id, flow, codec, answered_at)
         WHERE calls.id = new.id AND calls.answered_at IS NULL",
    )
    .bind(calls.iter().map(|c| c.call.0).collect::<Vec<_>>())
    .bind(calls.iter().map(|c| c.flow.as_str()).collect::<Vec<_>>())
    .bind(calls.iter().map(|c| c.codec.as_str()).collect::<Vec<_>>())
    .bind(calls.iter().map(|c| c.answered_at).collect::<Vec<_>>())
    .execute(db)
    .await?;
    Ok(())
}

async fn call_events(db: &mut PgConnection, events: &[(CallId, &CallEvent)]) -> Result<(), sqlx::Error> {
    if events.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO call_events (call_id, seq, at_ms, kind, detail)
         SELECT * FROM unnest($1::uuid[], $2::integer[], $3::bigint[], $4::text[], $5::jsonb[]) ON CONFLICT DO NOTHING",
    )
    .bind(events.iter().map(|(call, _)| call.0).collect::<Vec<_>>())
    .bind(events.iter().map(|(_, e)| e.seq).collect::<Vec<_>>())
    .bind(events.iter().map(|(_, e)| e.at_ms).collect::<Vec<_>>())
    .bind(events.iter().map(|(_, e)| e.kind.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|(_, e)| Json(&e.detail)).collect::<Vec<_>>())
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
    .bind(Json(serde_json::json!({ "owner": owner, "asked_first": draft.owner.0, "due_on": draft.due_on })))
    .execute(db)
    .await?;
    Ok(())
}

async fn call_ended(db: &mut PgConnection, calls: &[&CallEnded]) -> Result<(), sqlx::Error> {
    if calls.is_empty() {
        return Ok(());
    }
    let recordings: Vec<_> = calls.iter().map(|c| c.recording.as_ref()).collect();
    // Only at the first time: a job that was done is not to be done again.
    let recorded: Vec<Uuid> = sqlx::query_scalar(
        "WITH ended AS (
             UPDATE calls SET ended_at = new.ended_at, end_reason = new.reason, quality = new.quality,
                 recording_path = new.path, recording_sha256 = new.sha256, recording_ms = new.ms,
                 transcript_state = CASE WHEN new.path IS NULL THEN transcript_state ELSE 'queued' END
             FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::jsonb[], $5::text[], $6::text[], $7::bigint[])
                 AS new (id, ended_at, reason, quality, path, sha256, ms)
             WHERE calls.id = new.id AND calls.ended_at IS NULL
             RETURNING calls.id, calls.recording_path)
         SELECT id FROM ended WHERE recording_path IS NOT NULL",
    )
    .bind(calls.iter().map(|c| c.call.0).collect::<Vec<_>>())
    .bind(calls.iter().map(|c| c.ended_at).collect::<Vec<_>>())
    .bind(calls.iter().map(|c| c.reason.as_str()).collect::<Vec<_>>())
    .bind(calls.iter().map(|c| c.quality.as_ref().map(Json)).collect::<Vec<_>>())
    .bind(recordings.iter().map(|r| r.map(|r| r.path.as_str())).collect::<Vec<_>>())
    .bind(recordings.iter().map(|r| r.map(|r| r.sha256.as_str())).collect::<Vec<_>>())
    .bind(recordings.iter().map(|r| r.map(|r| r.duration_ms)).collect::<Vec<_>>())
    .fetch_all(&mut *db)
    .await?;
    let spoken: Vec<_> = calls.iter().flat_map(|c| c.spoken.iter().map(|said| (c.call, said))).collect();
    super::segments::insert(db, &spoken).await?;
    super::jobs::enqueue(db, &recorded).await
}

async fn transcript(db: &mut PgConnection, call: CallId, segments: &[Segment]) -> Result<(), sqlx::Error> {
    let segments: Vec<_> = segments.iter().map(|said| (call, said)).collect();
    super::segments::insert(db, &segments).await?;
    super::jobs::complete(db, call).await
}
