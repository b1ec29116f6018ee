//! Notices by telephone: what a task says is told to staff or residents by the dialler, as an interview of one question,
//! whose answer by key 1 is the acknowledgement.
//!
//! They are no survey: they count neither against what a household may be asked nor in any figure. Numbers that asked not
//! to be rung are not; their tasks stay for people.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::approvals;
use super::tasks::GATEWAY;
use crate::clock::china;
use crate::survey::{ATTEMPTS_MAX, Survey};

/// Tasks taken up at once, at most.
const RING_MAX: i64 = 200;

/// What is said for which tasks.
#[derive(Clone, Copy, Debug)]
pub struct Notices<'a> {
    /// To staff: a case runs out of time, or waits to be accepted.
    pub staff: &'a Survey,
    /// To residents: their case has a new day.
    pub extended: &'a Survey,
}

/// Hands tasks that are told by telephone to the dialler, each once; returns how many.
///
/// # Errors
/// When the database fails or is away.
pub async fn ring(pool: &PgPool, notices: Notices<'_>, now: DateTime<Utc>) -> Result<usize, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let waiting: Vec<(i64, String, String, i64)> = sqlx::query_as(
        "SELECT t.id, t.kind, t.number, t.case_number FROM tasks AS t
         WHERE t.done_at IS NULL AND t.claimed_by IS NULL AND t.sample_id IS NULL
             AND t.kind IN ('unaccepted', 'amber', 'red', 'red_leader', 'extended')
             AND t.number ~ '^\\+?[0-9]{3,32}$' AND t.case_number IS NOT NULL
             AND NOT EXISTS (SELECT FROM do_not_call AS d WHERE d.number = t.number)
         ORDER BY t.due_at, t.id LIMIT $1 FOR UPDATE OF t SKIP LOCKED",
    )
    .bind(RING_MAX)
    .fetch_all(&mut *tx)
    .await?;
    let mut handed = 0;
    for (task, kind, number, case) in waiting {
        let survey = if kind == "extended" { notices.extended } else { notices.staff };
        let campaign = campaign(&mut tx, &kind, survey, now).await?;
        // Somebody is told of a case once a day for one reason; a second reason of the kind waits for the next day.
        let sample: Option<i64> = sqlx::query_scalar(
            "INSERT INTO sample (campaign_id, number, household, case_number, draw, due_at)
             VALUES ($1, $2, $2, $3, 0, $4) ON CONFLICT DO NOTHING RETURNING id",
        )
        .bind(campaign)
        .bind(&number)
        .bind(case)
        .bind(now)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(sample) = sample else { continue };
        sqlx::query("UPDATE tasks SET sample_id = $2 WHERE id = $1").bind(task).bind(sample).execute(&mut *tx).await?;
        handed += 1;
    }
    tx.commit().await?;
    Ok(handed)
}

/// The day's campaign of this kind.
async fn campaign(db: &mut PgConnection, kind: &str, survey: &Survey, now: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    approvals::enter(&mut *db, &survey.name, &survey.hash, &survey.body, GATEWAY, now).await?;
    let day = now.with_timezone(&china()).date_naive();
    sqlx::query_scalar(
        "INSERT INTO campaigns (survey_hash, trunk, state, seed, attempts_max, created_by, created_at, notice)
         VALUES ($1, '', 'running', 0, $2, $3, $4, $5)
         ON CONFLICT (notice) DO UPDATE SET notice = campaigns.notice RETURNING id",
    )
    .bind(&survey.hash.0)
    .bind(i16::try_from(ATTEMPTS_MAX).unwrap_or(1))
    .bind(GATEWAY)
    .bind(now)
    .bind(format!("{kind}/{day}"))
    .fetch_one(db)
    .await
}
