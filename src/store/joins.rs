//! Cases that belong together: parts that other posts do for a case (A10, B27), and cases that tell of the same matter and
//! have joined one (R5.8). Every step stands in the log of each case that it concerns, so that all of it can be told, and a
//! join be undone without loss.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::{FromRow, PgConnection, PgPool};

use super::case_log::{self, NewEvent};
use super::cases::{By, CaseError, finish, lock};
use crate::cases::alike::{self, Sketch, WITHIN_DAYS};
use crate::directory::{OrgId, PostId, WindowCode};
use crate::ids::CaseNumber;

/// Parts of one case at most: there are eight windows.
const PARTS_MAX: i64 = 16;

/// Cases compared for a suggestion, the newest first.
const COMPARED_MAX: i64 = 500;

/// A part of a case.
#[derive(Clone, Debug, FromRow)]
pub struct PartRow {
    /// Key.
    pub id: i64,
    /// The post that does it, with its organisation.
    pub post: String,
    /// What it is to do.
    pub what: String,
    /// When it was asked.
    pub created_at: DateTime<Utc>,
    /// What came of it; `None`: it is open.
    pub result: Option<String>,
    /// When it was done.
    pub done_at: Option<DateTime<Utc>>,
}

/// A case that belongs to another, in a few words.
#[derive(Clone, Debug, FromRow)]
pub struct KinRow {
    /// Its number.
    pub number: i64,
    /// Its state's code.
    pub state: String,
    /// What it is about.
    pub summary: String,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
}

/// Asks another post to do a part of a case; returns the case's new version.
///
/// # Errors
/// See [`CaseError`]; a case that has an answer takes no part any more.
pub async fn add_part(pool: &PgPool, by: By<'_>, post: PostId, what: &str) -> Result<i32, CaseError> {
    let mut tx = pool.begin().await?;
    let locked = lock(&mut tx, by).await?;
    let parts: i64 = sqlx::query_scalar("SELECT count(*) FROM case_parts WHERE case_number = $1")
        .bind(by.number.as_i64())
        .fetch_one(&mut *tx)
        .await?;
    if locked.life.state.is_answered() || parts >= PARTS_MAX {
        return Err(CaseError::Join { number: by.number });
    }
    let made: Option<i64> = sqlx::query_scalar(
        "INSERT INTO case_parts (case_number, post_id, what, created_at, created_by)
         SELECT $1, id, $3, $4, $5 FROM posts WHERE id = $2 RETURNING id",
    )
    .bind(by.number.as_i64())
    .bind(post.0)
    .bind(what)
    .bind(by.at)
    .bind(by.actor)
    .fetch_optional(&mut *tx)
    .await?;
    let part = made.ok_or(CaseError::UnknownPost { post })?;
    let detail = json!({ "part": part, "post": post.0, "what": what });
    case_log::add(&mut tx, by, NewEvent { kind: "part_added", moved: None, detail }).await?;
    finish(tx, by, "part").await
}

/// Notes what came of a part, the reason of `by`; returns the case's new version.
///
/// # Errors
/// See [`CaseError`]; a part that is done, or of another case, is not there.
pub async fn end_part(pool: &PgPool, by: By<'_>, part: i64) -> Result<i32, CaseError> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, by).await?;
    let done = sqlx::query(
        "UPDATE case_parts SET done_at = $3, done_by = $4, result = $5 WHERE id = $2 AND case_number = $1 AND done_at IS NULL",
    )
    .bind(by.number.as_i64())
    .bind(part)
    .bind(by.at)
    .bind(by.actor)
    .bind(by.reason)
    .execute(&mut *tx)
    .await?;
    if done.rows_affected() == 0 {
        return Err(CaseError::Join { number: by.number });
    }
    let detail = json!({ "part": part });
    case_log::add(&mut tx, by, NewEvent { kind: "part_done", moved: None, detail }).await?;
    finish(tx, by, "part").await
}

/// Lets a case join `lead`, which tells of the same matter; returns its new version. Both keep everything that they have;
/// once the lead has an answer, whoever opened the case is rung too.
///
/// # Errors
/// See [`CaseError`]; a case joins one that has not itself joined another, and none joins it then.
pub async fn join(pool: &PgPool, by: By<'_>, lead: CaseNumber) -> Result<i32, CaseError> {
    let mut tx = pool.begin().await?;
    hold_both(&mut tx, by.number, lead).await?;
    let locked = lock(&mut tx, by).await?;
    let stands: Option<bool> = sqlx::query_scalar("SELECT lead_number IS NULL FROM cases WHERE number = $1")
        .bind(lead.as_i64())
        .fetch_optional(&mut *tx)
        .await?;
    let led: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM cases WHERE lead_number = $1)")
        .bind(by.number.as_i64())
        .fetch_one(&mut *tx)
        .await?;
    let stands = stands.ok_or(CaseError::Unknown { number: lead })?;
    if !stands || led || locked.life.lead.is_some() || lead == by.number {
        return Err(CaseError::Join { number: by.number });
    }
    set_lead(&mut tx, by, Some(lead)).await?;
    case_log::add(&mut tx, by, NewEvent { kind: "linked", moved: None, detail: json!({ "lead": lead.as_i64() }) })
        .await?;
    tell_lead(&mut tx, by, lead, "joined").await?;
    finish(tx, by, "join").await
}

/// Lets a case stand by itself again; returns its new version.
///
/// # Errors
/// See [`CaseError`]; it must have joined one.
pub async fn part_ways(pool: &PgPool, by: By<'_>) -> Result<i32, CaseError> {
    let mut tx = pool.begin().await?;
    let lead: Option<i64> = sqlx::query_scalar("SELECT lead_number FROM cases WHERE number = $1")
        .bind(by.number.as_i64())
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(CaseError::Unknown { number: by.number })?;
    let lead = lead.and_then(|lead| CaseNumber::try_from(lead).ok()).ok_or(CaseError::Join { number: by.number })?;
    hold_both(&mut tx, by.number, lead).await?;
    let locked = lock(&mut tx, by).await?;
    if locked.life.lead != Some(lead) {
        return Err(CaseError::Join { number: by.number });
    }
    set_lead(&mut tx, by, None).await?;
    let detail = json!({ "lead": lead.as_i64() });
    case_log::add(&mut tx, by, NewEvent { kind: "unlinked", moved: None, detail }).await?;
    tell_lead(&mut tx, by, lead, "left").await?;
    finish(tx, by, "part_ways").await
}

/// Takes both cases in the order of their numbers, so that two people who join them at once do not wait for each other.
async fn hold_both(tx: &mut PgConnection, a: CaseNumber, b: CaseNumber) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT FROM cases WHERE number IN ($1, $2) ORDER BY number FOR UPDATE")
        .bind(a.as_i64())
        .bind(b.as_i64())
        .execute(tx)
        .await?;
    Ok(())
}

async fn set_lead(tx: &mut PgConnection, by: By<'_>, lead: Option<CaseNumber>) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE cases SET lead_number = $2 WHERE number = $1")
        .bind(by.number.as_i64())
        .bind(lead.map(CaseNumber::as_i64))
        .execute(tx)
        .await?;
    Ok(())
}

/// The log of the lead says too who joined or left it.
async fn tell_lead(tx: &mut PgConnection, by: By<'_>, lead: CaseNumber, what: &str) -> Result<(), sqlx::Error> {
    let version: i32 = sqlx::query_scalar("UPDATE cases SET version = version + 1 WHERE number = $1 RETURNING version")
        .bind(lead.as_i64())
        .fetch_one(&mut *tx)
        .await?;
    let kind = if what == "joined" { "linked" } else { "unlinked" };
    let event = NewEvent { kind, moved: None, detail: json!({ what: by.number.as_i64() }) };
    case_log::add(tx, By { number: lead, version, ..by }, event).await
}

/// The parts of a case, in the order in which they were asked.
///
/// # Errors
/// When the database fails or is away.
pub async fn parts(pool: &PgPool, number: i64) -> Result<Vec<PartRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT c.id, o.name || ' · ' || p.title AS post, c.what, c.created_at, c.result, c.done_at
         FROM case_parts AS c JOIN posts AS p ON p.id = c.post_id JOIN organisations AS o ON o.id = p.org_id
         WHERE c.case_number = $1 ORDER BY c.id",
    )
    .bind(number)
    .fetch_all(pool)
    .await
}

/// The cases that have joined this one, or the one that it has joined.
///
/// # Errors
/// When the database fails or is away.
pub async fn kin(pool: &PgPool, number: i64) -> Result<Vec<KinRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT k.number, k.state, k.summary, k.opened_at FROM cases AS k
         WHERE k.lead_number = $1 OR k.number = (SELECT lead_number FROM cases WHERE number = $1) ORDER BY k.number",
    )
    .bind(number)
    .fetch_all(pool)
    .await
}

/// Open cases that may tell of the same matter as this one and stand by themselves: of the same window, opened within
/// [`WITHIN_DAYS`] of it.
///
/// # Errors
/// When the database fails or is away.
pub async fn suggestions(pool: &PgPool, number: i64) -> Result<Vec<KinRow>, sqlx::Error> {
    type Row = (i64, Option<i16>, Option<i64>, String, String, DateTime<Utc>, String);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT o.number, o.window_code, o.village_id, o.place, o.summary, o.opened_at, o.state
         FROM cases AS k JOIN cases AS o ON o.window_code IS NOT DISTINCT FROM k.window_code
             AND o.opened_at BETWEEN k.opened_at - $2 AND k.opened_at + $2
         WHERE k.number = $1 AND k.lead_number IS NULL AND o.lead_number IS NULL AND o.summary <> ''
             AND (o.number = k.number OR o.state IN ('received', 'assigned', 'accepted', 'handling'))
             AND NOT EXISTS (SELECT FROM cases AS f WHERE f.lead_number = k.number)
         ORDER BY o.opened_at DESC LIMIT $3",
    )
    .bind(number)
    .bind(TimeDelta::days(WITHIN_DAYS))
    .bind(COMPARED_MAX)
    .fetch_all(pool)
    .await?;
    let sketch = |(number, window, village, place, summary, ..): &Row| {
        Some(Sketch {
            number: CaseNumber::try_from(*number).ok()?,
            window: window.map(WindowCode),
            village: village.map(OrgId),
            place: place.clone(),
            summary: summary.clone(),
        })
    };
    let sketches: Vec<Sketch> = rows.iter().filter_map(sketch).collect();
    let Some(own) = sketches.iter().find(|sketch| sketch.number.as_i64() == number) else { return Ok(Vec::new()) };
    let found = alike::suggest(own, &sketches);
    let kin = |found: CaseNumber| {
        let (number, .., summary, opened_at, state) = rows.iter().find(|row| row.0 == found.as_i64())?;
        Some(KinRow { number: *number, state: state.clone(), summary: summary.clone(), opened_at: *opened_at })
    };
    Ok(found.into_iter().filter_map(kin).collect())
}
