//! What a survey call leaves behind becomes rows. Each record can be applied any number of times.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::audit::{self, Deed};
use super::case_log::{self, NewEvent};
use super::cases::{self, By};
use super::records::{AnswersWithdrawn, AttemptEnded, DoNotCall, PersonWanted, Retaken, SurveyAnswered};
use super::tasks;
use crate::cases::{Hand, Move, Order};
use crate::ids::CaseNumber;

/// Who acts where no person does.
const ACTOR: &str = "gateway";

/// The answer by which a notice is acknowledged.
const HEARD: &str = "yes";

/// Keeps an answer. A dissatisfied one reopens its case in the same transaction, and a person is to ring back (R7.13).
pub(super) async fn answered(db: &mut PgConnection, answer: &SurveyAnswered) -> Result<(), sqlx::Error> {
    let kept = sqlx::query(
        "INSERT INTO answers (attempt_id, ordinal, sample_id, question, value, mode, latency_ms, at, call_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
    )
    .bind(answer.attempt.0)
    .bind(answer.ordinal)
    .bind(answer.sample)
    .bind(&answer.question)
    .bind(&answer.value)
    .bind(answer.mode.code())
    .bind(answer.latency_ms)
    .bind(answer.at)
    .bind(answer.call.map(|call| call.0))
    .execute(&mut *db)
    .await?;
    if kept.rows_affected() == 1 && answer.value == HEARD {
        tasks::acknowledged(db, answer.sample, answer.at).await?;
    }
    let Some(case) = answer.reopens.filter(|_| kept.rows_affected() == 1) else { return Ok(()) };
    let reason = format!("回访：{}={}", answer.question, answer.value);
    reopen(db, case, &reason, answer.at).await?;
    ring_back(db, answer.attempt.0, "dissatisfied", answer.at).await
}

/// Takes answers back, as the person who gave them asked for by key.
pub(super) async fn withdrawn(db: &mut PgConnection, withdrawn: &AnswersWithdrawn) -> Result<(), sqlx::Error> {
    let reason = format!("call/{}", withdrawn.call);
    withdraw(db, &withdrawn.samples, ACTOR, &reason, withdrawn.at).await?;
    Ok(())
}

/// Takes the answers of these sampled numbers back; returns of how many. They count as refusals from then on, and their
/// answers in no figure; the answers stay, as everything that was recorded does. Such numbers are not rung again.
pub(super) async fn withdraw(
    db: &mut PgConnection,
    samples: &[i64],
    actor: &str,
    reason: &str,
    at: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let taken: Vec<i64> = sqlx::query_scalar(
        "INSERT INTO answer_withdrawals (sample_id, at, reason)
         SELECT id, $2, $3 FROM sample WHERE id = ANY($1) ON CONFLICT DO NOTHING RETURNING sample_id",
    )
    .bind(samples)
    .bind(at)
    .bind(reason)
    .fetch_all(&mut *db)
    .await?;
    sqlx::query(
        "UPDATE sample SET disposition = '2.11', state = CASE WHEN state = 'due' THEN 'done' ELSE state END, due_at = NULL
         WHERE id = ANY($1)",
    )
    .bind(&taken)
    .execute(&mut *db)
    .await?;
    for sample in &taken {
        let object = format!("sample/{sample}");
        audit::append_in(&mut *db, Deed { actor, action: "withdraw", object: &object, reason, at }).await?;
    }
    Ok(taken.len() as u64)
}

/// A number whose interview was given anew is interviewed: not rung again, however the call went in which it was begun. One
/// whose answers are taken back stays a refusal.
pub(super) async fn retaken(db: &mut PgConnection, retaken: &Retaken) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE sample SET disposition = $2, state = CASE WHEN state = 'due' THEN 'done' ELSE state END, due_at = NULL
         WHERE id = $1 AND NOT EXISTS (SELECT FROM answer_withdrawals AS w WHERE w.sample_id = sample.id)",
    )
    .bind(retaken.sample)
    .bind(&retaken.disposition)
    .execute(db)
    .await?;
    Ok(())
}

/// A person is to ring back, because none could be reached in the call.
pub(super) async fn person_wanted(db: &mut PgConnection, wanted: &PersonWanted) -> Result<(), sqlx::Error> {
    ring_back(db, wanted.attempt.0, "person", wanted.at).await
}

/// Adds a number to those that are not rung. Sampled numbers not yet rung are done: they refused.
pub(super) async fn do_not_call(db: &mut PgConnection, wish: &DoNotCall) -> Result<(), sqlx::Error> {
    let source = format!("call/{}", wish.call);
    refuse_number(db, wish.number.reveal(), &source, wish.at).await
}

/// As [`do_not_call`], whoever says so.
pub(super) async fn refuse_number(
    db: &mut PgConnection,
    number: &str,
    source: &str,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO do_not_call (number, at, source) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(number)
        .bind(at)
        .bind(source)
        .execute(&mut *db)
        .await?;
    sqlx::query(
        "UPDATE sample SET state = 'done', due_at = NULL,
             disposition = CASE WHEN disposition IN ('1.1', '1.2', '2.12') THEN disposition ELSE '2.11' END
         WHERE number = $1 AND state = 'due'",
    )
    .bind(number)
    .execute(db)
    .await?;
    Ok(())
}

/// Ends an attempt and says what becomes of its number. One that has ended is left as it is.
pub(super) async fn attempt_ended(db: &mut PgConnection, ended: &AttemptEnded) -> Result<(), sqlx::Error> {
    let count = |n: u16| i16::try_from(n).unwrap_or(i16::MAX);
    let closed = sqlx::query(
        "UPDATE attempts SET ended_at = $2, outcome = $3, answered = $4, applicable = $5, disposition = $6
         WHERE id = $1 AND ended_at IS NULL",
    )
    .bind(ended.attempt.0)
    .bind(ended.ended_at)
    .bind(&ended.outcome)
    .bind(ended.reached.map(|(answered, _)| count(answered)))
    .bind(ended.reached.map(|(_, applicable)| count(applicable)))
    .bind(&ended.disposition)
    .execute(&mut *db)
    .await?;
    if closed.rows_affected() == 0 {
        return Ok(());
    }
    // Who asked meanwhile not to be rung, perhaps in this very call, is not rung again.
    sqlx::query(
        "UPDATE sample AS s SET leased_until = NULL, disposition = $2,
             state = CASE WHEN $3::timestamptz IS NULL OR refused.number IS NOT NULL THEN 'done' ELSE 'due' END,
             due_at = CASE WHEN refused.number IS NULL THEN $3 END
         FROM (SELECT id, (SELECT number FROM do_not_call AS d WHERE d.number = sample.number) FROM sample
               WHERE id = $1 AND state = 'calling') AS refused
         WHERE s.id = refused.id",
    )
    .bind(ended.sample)
    .bind(&ended.standing)
    .bind(ended.again_at)
    .execute(&mut *db)
    .await?;
    if ended.outcome == "to_person" {
        ring_back(db, ended.attempt.0, "person", ended.ended_at).await?;
    }
    Ok(())
}

/// Works on a case again that counted as answered (重办); one that is still being worked on goes on with a note.
async fn reopen(db: &mut PgConnection, case: CaseNumber, reason: &str, at: DateTime<Utc>) -> Result<(), sqlx::Error> {
    let version: Option<i32> =
        sqlx::query_scalar("UPDATE cases SET version = version + 1 WHERE number = $1 RETURNING version")
            .bind(case.as_i64())
            .fetch_optional(&mut *db)
            .await?;
    let Some(version) = version else { return Ok(()) };
    let by = By { number: case, version, actor: ACTOR, reason, at };
    let life = case_log::life(db, case).await?;
    if cases::carry_out(db, by, life, Order::new(Move::Redo), Hand::Gateway).await?.is_err() {
        case_log::add(db, by, NewEvent { kind: "noted", moved: None, detail: json!({}) }).await?;
    }
    let object = format!("case/{case}");
    audit::append_in(db, Deed { actor: ACTOR, action: "reopen", object: &object, reason, at }).await?;
    Ok(())
}

/// A person is to ring the number of this attempt back.
async fn ring_back(
    db: &mut PgConnection,
    attempt: uuid::Uuid,
    reason: &str,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO callback_tasks (attempt_id, case_number, number, reason, created_at)
         SELECT a.id, s.case_number, s.number, $2, $3 FROM attempts AS a JOIN sample AS s ON s.id = a.sample_id
         WHERE a.id = $1 ON CONFLICT DO NOTHING",
    )
    .bind(attempt)
    .bind(reason)
    .bind(at)
    .execute(db)
    .await?;
    Ok(())
}
