//! What somebody is to do about a call or a case: found by [`gather`] in what is stored, so that nothing is lost whatever
//! dies when (B31, N7); claimed and done by people; some of it done by the dialler.
//!
//! A task is named by its kind and what it is about; finding the same twice adds nothing.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::json;
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;

use super::audit::{self, Deed};
use super::case_log::{self, NewEvent};
use super::cases::By;
use crate::clock::china;
use crate::directory::Calendar;
use crate::ids::CaseNumber;

/// Office time within which a resident whose call was lost is rung back.
const RING_BACK_WITHIN: TimeDelta = TimeDelta::minutes(30);

/// Office time within which a resident is told of a later day.
const TELL_WITHIN: TimeDelta = TimeDelta::hours(2);

/// How far back calls and cases are looked at; what is older was found by an earlier look.
const LOOK_BACK: TimeDelta = TimeDelta::days(7);

/// Who acts where no person does.
pub(super) const GATEWAY: &str = "gateway";

/// How a person left a task. Stored by [`Outcome::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was done: the resident was reached, the holder told.
    Done,
    /// It was tried as often as is reasonable.
    Unreachable,
}

/// Why a task was not claimed or done.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// There is no such task.
    #[error("no task {0}")]
    Unknown(i64),
    /// Somebody else has it, or it is done.
    #[error("task {0} is another's, or done")]
    Taken(i64),
    /// The database failed or is away.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
}

/// One task as shown.
#[derive(Clone, Debug, FromRow)]
pub struct TaskRow {
    /// Key.
    pub id: i64,
    /// As stored.
    pub kind: String,
    /// The case.
    pub case_number: Option<i64>,
    /// What the case is about.
    pub summary: Option<String>,
    /// The call.
    pub call_id: Option<Uuid>,
    /// The number to ring, whole.
    pub number: Option<String>,
    /// Who is to be told.
    pub person: Option<String>,
    /// The promise it is about.
    pub promised: Option<NaiveDate>,
    /// When it came to be.
    pub created_at: DateTime<Utc>,
    /// Until when it is to be done.
    pub due_at: DateTime<Utc>,
    /// Whether the dialler rings for it.
    pub rung: bool,
    /// Who took it.
    pub claimed_by: Option<String>,
}

impl Outcome {
    /// As stored and as in forms.
    pub fn code(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unreachable => "unreachable",
        }
    }

    /// The outcome with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Done, Self::Unreachable].into_iter().find(|o| o.code() == code)
    }
}

/// Finds what is to be done about calls and messages; returns how much was new. `short` is the length up to which an
/// answered call leaves no case behind.
///
/// # Errors
/// When the database fails or is away.
pub async fn gather(
    pool: &PgPool,
    calendar: &Calendar,
    short: Duration,
    now: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let found = missed(&mut tx, calendar, short, now).await?
        + messages(&mut tx, calendar, now).await?
        + wishes(&mut tx, calendar, now).await?;
    tx.commit().await?;
    Ok(found)
}

/// Calls of a known number that ended without a case: hung up while it rang, or before anything could be said. Whoever
/// rang again since and was heard, or is waiting to be rung back already, is not waiting for another call.
async fn missed(
    db: &mut PgConnection,
    calendar: &Calendar,
    short: Duration,
    now: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let lost: Vec<(Uuid, String, DateTime<Utc>)> = sqlx::query_as(
        "SELECT DISTINCT ON (c.caller) c.id, c.caller, c.ended_at FROM calls AS c
         WHERE c.caller IS NOT NULL AND c.started_at > $1 AND c.ended_at IS NOT NULL
             AND (c.answered_at IS NULL OR c.ended_at < c.answered_at + make_interval(secs => $2))
             AND NOT EXISTS (SELECT FROM attempts AS a WHERE a.id = c.id)
             AND NOT EXISTS (SELECT FROM cases AS k WHERE k.call_id = c.id)
             AND NOT EXISTS (SELECT FROM cases AS k WHERE k.callback = c.caller AND k.opened_at > c.started_at)
             AND NOT EXISTS (SELECT FROM tasks AS t WHERE t.number = c.caller AND t.kind IN ('missed', 'message')
                                 AND (t.done_at IS NULL OR t.done_at >= c.started_at))
         ORDER BY c.caller, c.started_at",
    )
    .bind(now - LOOK_BACK)
    .bind(short.as_secs_f64())
    .fetch_all(&mut *db)
    .await?;
    let due: Vec<_> = lost.iter().map(|(.., ended)| calendar.after_open(*ended, RING_BACK_WITHIN)).collect();
    let made = sqlx::query(
        "INSERT INTO tasks (kind, about, call_id, number, created_at, due_at)
         SELECT 'missed', 'call/' || id, id, number, $4, due_at
         FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS new (id, number, due_at) ON CONFLICT DO NOTHING",
    )
    .bind(lost.iter().map(|(id, ..)| *id).collect::<Vec<_>>())
    .bind(lost.iter().map(|(_, number, _)| number.as_str()).collect::<Vec<_>>())
    .bind(due)
    .bind(now)
    .execute(db)
    .await?;
    Ok(made.rows_affected())
}

/// Callers who asked for a person, left a recording or hung up midway, at whatever hour, and have no answer yet.
async fn messages(db: &mut PgConnection, calendar: &Calendar, now: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    let left: Vec<(i64, Uuid, String, DateTime<Utc>)> = sqlx::query_as(
        "SELECT k.number, k.call_id, k.callback, k.opened_at FROM cases AS k
         WHERE k.origin IN ('person', 'recording', 'abandoned') AND k.callback IS NOT NULL AND k.opened_at > $1
             AND k.state IN ('received', 'assigned', 'accepted', 'handling')
             AND NOT EXISTS (SELECT FROM tasks AS t WHERE t.kind = 'message' AND t.case_number = k.number)",
    )
    .bind(now - LOOK_BACK)
    .fetch_all(&mut *db)
    .await?;
    let due: Vec<_> = left.iter().map(|(.., opened)| calendar.after_open(*opened, RING_BACK_WITHIN)).collect();
    let made = sqlx::query(
        "INSERT INTO tasks (kind, about, case_number, call_id, number, created_at, due_at)
         SELECT 'message', 'case/' || case_number, case_number, call_id, number, $5, due_at
         FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::timestamptz[]) AS new (case_number, call_id, number, due_at)
         ON CONFLICT DO NOTHING",
    )
    .bind(left.iter().map(|row| row.0).collect::<Vec<_>>())
    .bind(left.iter().map(|row| row.1).collect::<Vec<_>>())
    .bind(left.iter().map(|row| row.2.as_str()).collect::<Vec<_>>())
    .bind(due)
    .bind(now)
    .execute(db)
    .await?;
    Ok(made.rows_affected())
}

/// Residents who were not satisfied, or asked for a person, when they were surveyed: within one work day.
async fn wishes(db: &mut PgConnection, calendar: &Calendar, now: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    let wished: Vec<(i64, DateTime<Utc>)> = sqlx::query_as(
        "SELECT w.id, w.created_at FROM callback_tasks AS w
         WHERE w.done_at IS NULL AND NOT EXISTS (SELECT FROM tasks AS t WHERE t.callback_id = w.id)",
    )
    .fetch_all(&mut *db)
    .await?;
    let day_after = |at: &DateTime<Utc>| calendar.add_workdays(at.with_timezone(&china()).date_naive(), 1);
    let due: Vec<_> = wished.iter().map(|(_, at)| calendar.close_of(day_after(at))).collect();
    let made = sqlx::query(
        "INSERT INTO tasks (kind, about, case_number, callback_id, number, created_at, due_at)
         SELECT w.reason, 'callback/' || w.id, w.case_number, w.id, w.number, $3, new.due_at
         FROM unnest($1::bigint[], $2::timestamptz[]) AS new (id, due_at) JOIN callback_tasks AS w ON w.id = new.id
         ON CONFLICT DO NOTHING",
    )
    .bind(wished.iter().map(|row| row.0).collect::<Vec<_>>())
    .bind(due)
    .bind(now)
    .execute(db)
    .await?;
    Ok(made.rows_affected())
}

/// The caller is to be told of a promise's new day, in the transaction that extends it. Nothing where no number is known.
pub(super) async fn tell_extension(
    db: &mut PgConnection,
    case: CaseNumber,
    promised: NaiveDate,
    calendar: &Calendar,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO tasks (kind, about, case_number, number, promised, created_at, due_at)
         SELECT 'extended', 'case/' || number || '/' || $2::date, number, callback, $2, $3, $4
         FROM cases WHERE number = $1 AND callback IS NOT NULL ON CONFLICT DO NOTHING",
    )
    .bind(case.as_i64())
    .bind(promised)
    .bind(now)
    .bind(calendar.after_open(now, TELL_WITHIN))
    .execute(db)
    .await?;
    Ok(())
}

/// The case that others have joined has an answer: each of their callers is to be told, once for each answer.
pub(super) async fn tell_joined(
    db: &mut PgConnection,
    lead: CaseNumber,
    calendar: &Calendar,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO tasks (kind, about, case_number, number, created_at, due_at)
         SELECT 'answered', 'case/' || number || '/' || $2::timestamptz, number, callback, $2, $3 FROM cases
         WHERE lead_number = $1 AND state IN ('received', 'assigned', 'accepted', 'handling') ON CONFLICT DO NOTHING",
    )
    .bind(lead.as_i64())
    .bind(now)
    .bind(calendar.close_of(calendar.add_workdays(now.with_timezone(&china()).date_naive(), 1)))
    .execute(db)
    .await?;
    Ok(())
}

/// Ends what there is nothing left to do about: the resident has an answer, the case was accepted or has another promise.
/// Nobody is rung for it any more. Returns how many.
///
/// # Errors
/// When the database fails or is away.
pub async fn settle(pool: &PgPool, now: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let moot: Vec<i64> = sqlx::query_scalar(
        "UPDATE tasks AS t SET done_at = $1, done_by = $2, outcome = 'moot' FROM cases AS k
         WHERE k.number = t.case_number AND t.done_at IS NULL AND t.claimed_by IS NULL
             AND ((t.kind IN ('message', 'answered', 'unaccepted', 'amber', 'red', 'red_leader', 'listed')
                      AND k.state IN ('answered', 'follow_up', 'closed', 'archived'))
                  OR (t.kind IN ('amber', 'red', 'red_leader', 'listed', 'extended') AND t.promised <> k.due_on)
                  OR (t.kind = 'unaccepted' AND k.offered_post_id IS NULL))
         RETURNING t.id",
    )
    .bind(now)
    .bind(GATEWAY)
    .fetch_all(&mut *tx)
    .await?;
    ring_no_more(&mut tx, &moot).await?;
    tx.commit().await?;
    Ok(moot.len() as u64)
}

/// The dialler does not ring any more for tasks that are done.
async fn ring_no_more(db: &mut PgConnection, tasks: &[i64]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE sample AS s SET state = 'done', due_at = NULL FROM tasks AS t
         WHERE t.id = ANY($1) AND s.id = t.sample_id AND s.state = 'due'",
    )
    .bind(tasks)
    .execute(db)
    .await?;
    Ok(())
}

/// A notice was heard to its end and acknowledged by key: its task is done. That a caller knows the new day stands in the
/// log of the case from then on.
pub(super) async fn acknowledged(db: &mut PgConnection, sample: i64, at: DateTime<Utc>) -> Result<(), sqlx::Error> {
    let done: Option<(String, Option<i64>, Option<NaiveDate>)> = sqlx::query_as(
        "UPDATE tasks SET done_at = $2, done_by = $3, outcome = 'acknowledged'
         WHERE sample_id = $1 AND done_at IS NULL RETURNING kind, case_number, promised",
    )
    .bind(sample)
    .bind(at)
    .bind(GATEWAY)
    .fetch_optional(&mut *db)
    .await?;
    let Some((kind, Some(number), promised)) = done else { return Ok(()) };
    let number = CaseNumber::try_from(number).map_err(|e| sqlx::Error::Decode(e.into()))?;
    let version: i32 = sqlx::query_scalar("UPDATE cases SET version = version + 1 WHERE number = $1 RETURNING version")
        .bind(number.as_i64())
        .fetch_one(&mut *db)
        .await?;
    let by = By { number, version, actor: GATEWAY, reason: "", at };
    let detail = json!({ "told": kind, "promised": promised });
    case_log::add(db, by, NewEvent { kind: "noted", moved: None, detail }).await
}

/// What is to be done, most pressing first, at most `limit`; with `mine`, only what this user has claimed.
///
/// # Errors
/// When the database fails or is away.
pub async fn open(pool: &PgPool, mine: Option<&str>, limit: i64) -> Result<Vec<TaskRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT t.id, t.kind, t.case_number, k.summary, t.call_id, t.number, p.name AS person, t.promised, t.created_at,
             t.due_at, t.sample_id IS NOT NULL AS rung, t.claimed_by
         FROM tasks AS t LEFT JOIN cases AS k ON k.number = t.case_number LEFT JOIN persons AS p ON p.id = t.person_id
         WHERE t.done_at IS NULL AND ($1::text IS NULL OR t.claimed_by = $1) ORDER BY t.due_at, t.id LIMIT $2",
    )
    .bind(mine)
    .bind(limit)
    .fetch_all(pool)
    .await
}

/// Takes a task for a user, or with `claimed` false lays it down again.
///
/// # Errors
/// See [`TaskError`].
pub async fn claim(pool: &PgPool, id: i64, user: &str, claimed: bool, now: DateTime<Utc>) -> Result<(), TaskError> {
    let mut tx = pool.begin().await?;
    hold(&mut tx, id, user).await?;
    sqlx::query("UPDATE tasks SET claimed_at = $2, claimed_by = $3 WHERE id = $1")
        .bind(id)
        .bind(claimed.then_some(now))
        .bind(claimed.then_some(user))
        .execute(&mut *tx)
        .await?;
    let object = format!("task/{id}");
    let action = if claimed { "task_claim" } else { "task_release" };
    audit::append_in(&mut tx, Deed { actor: user, action, object: &object, reason: "", at: now }).await?;
    Ok(tx.commit().await?)
}

/// Ends a task as a user left it; `remark` is kept in the audit trail. Nobody is rung for it any more.
///
/// # Errors
/// See [`TaskError`].
pub async fn finish(
    pool: &PgPool,
    id: i64,
    user: &str,
    outcome: Outcome,
    remark: &str,
    now: DateTime<Utc>,
) -> Result<(), TaskError> {
    let mut tx = pool.begin().await?;
    hold(&mut tx, id, user).await?;
    sqlx::query(
        "WITH done AS (UPDATE tasks SET done_at = $2, done_by = $3, outcome = $4 WHERE id = $1 RETURNING callback_id)
         UPDATE callback_tasks AS w SET done_at = $2, done_by = $3 FROM done WHERE w.id = done.callback_id",
    )
    .bind(id)
    .bind(now)
    .bind(user)
    .bind(outcome.code())
    .execute(&mut *tx)
    .await?;
    ring_no_more(&mut tx, &[id]).await?;
    let (object, action) = (format!("task/{id}"), format!("task_{}", outcome.code()));
    audit::append_in(&mut tx, Deed { actor: user, action: &action, object: &object, reason: remark, at: now }).await?;
    Ok(tx.commit().await?)
}

/// Holds an open task that is nobody else's until the transaction ends.
async fn hold(db: &mut PgConnection, id: i64, user: &str) -> Result<(), TaskError> {
    let row: Option<(bool, Option<String>)> =
        sqlx::query_as("SELECT done_at IS NOT NULL, claimed_by FROM tasks WHERE id = $1 FOR UPDATE")
            .bind(id)
            .fetch_optional(db)
            .await?;
    match row {
        None => Err(TaskError::Unknown(id)),
        Some((false, claimed)) if claimed.as_deref().is_none_or(|by| by == user) => Ok(()),
        Some(_) => Err(TaskError::Taken(id)),
    }
}
