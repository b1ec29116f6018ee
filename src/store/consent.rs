//! What residents ask for when they ring back: whether it was us, not to be rung, or to have their answers forgotten (R7.8, N1, N14).

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use super::answers::{self, refuse_number};
use super::audit::{self, Deed};
use super::dialling::{self, Claimed};
use crate::clock::china;
use crate::flow::OurCall;
use crate::ids::{CaseNumber, PhoneNumber};

/// How long after an interview its answers can be taken back.
pub const WITHDRAW_WITHIN: Duration = Duration::from_secs(24 * 3_600);

/// How far back callers are told that we rang them, in days.
const RUNG_DAYS: i32 = 7;

/// Calls looked at for one number, at most; nobody is rung that often in [`RUNG_DAYS`].
const CALLS_MAX: i64 = 50;

/// Our calls to a number, as somebody who rings from it may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OurCalls {
    /// The last one.
    pub last: OurCall,
    /// The sampled numbers whose answers can be taken back, the last answered first.
    pub revocable: Vec<i64>,
}

/// Our survey calls to a number within [`RUNG_DAYS`], however the trunk writes it: +86139…, 86139…, 0139… or 139…. Answers of
/// a call under way are not yet there to be taken back, and a notice has none.
pub async fn our_calls(
    pool: &PgPool,
    number: &PhoneNumber,
    now: DateTime<Utc>,
) -> Result<Option<OurCalls>, sqlx::Error> {
    type Row = (DateTime<Utc>, i64, Option<i64>, Option<DateTime<Utc>>, bool);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT a.started_at, s.id, s.case_number, k.opened_at, a.ended_at IS NOT NULL
             AND EXISTS (SELECT FROM answers AS g WHERE g.attempt_id = a.id AND g.at > $4)
             AND NOT EXISTS (SELECT FROM answer_withdrawals AS w WHERE w.sample_id = s.id)
             AND NOT EXISTS (SELECT FROM campaigns AS c WHERE c.id = s.campaign_id AND c.notice IS NOT NULL)
         FROM attempts AS a JOIN sample AS s ON s.id = a.sample_id LEFT JOIN cases AS k ON k.number = s.case_number
         WHERE a.started_at > $2 - make_interval(days => $3) AND a.outcome IS DISTINCT FROM 'trunk_fault'
             AND regexp_replace(s.number, '^([+]?86|0)', '') = regexp_replace($1, '^([+]?86|0)', '')
         ORDER BY a.started_at DESC LIMIT $5",
    )
    .bind(number.reveal())
    .bind(now)
    .bind(RUNG_DAYS)
    .bind(now - WITHDRAW_WITHIN)
    .bind(CALLS_MAX)
    .fetch_all(pool)
    .await?;
    let mut revocable: Vec<i64> = Vec::new();
    for (_, sample, .., answered) in &rows {
        if *answered && !revocable.contains(sample) {
            revocable.push(*sample);
        }
    }
    let last = rows.first().map(|(at, _, case, opened_at, _)| OurCall {
        at: *at,
        case: case
            .and_then(|case| CaseNumber::try_from(case).ok())
            .zip(opened_at.map(|at| at.with_timezone(&china()).date_naive())),
        revocable: !revocable.is_empty(),
    });
    Ok(last.map(|last| OurCalls { last, revocable }))
}

/// The attempt in which a sampled number was last answered, to be asked anew; `None`: there is none.
pub async fn interviewed(pool: &PgPool, sample: i64) -> Result<Option<Claimed>, sqlx::Error> {
    let mut db = pool.acquire().await?;
    let attempt: Option<Uuid> = sqlx::query_scalar(
        "SELECT a.id FROM attempts AS a WHERE a.sample_id = $1 AND EXISTS (SELECT FROM answers AS g WHERE g.attempt_id = a.id)
         ORDER BY a.ordinal DESC LIMIT 1",
    )
    .bind(sample)
    .fetch_optional(&mut *db)
    .await?;
    Ok(dialling::read(&mut db, attempt.as_slice()).await?.pop())
}

/// Takes back what was answered by this number within [`WITHDRAW_WITHIN`]; returns how many interviews that were.
pub async fn withdraw(
    pool: &PgPool,
    number: &PhoneNumber,
    actor: &str,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let samples: Vec<i64> = sqlx::query_scalar(
        "SELECT s.id FROM sample AS s
         WHERE s.number = $1 AND EXISTS (SELECT FROM answers AS a WHERE a.sample_id = s.id AND a.at > $2)",
    )
    .bind(number.reveal())
    .bind(now - WITHDRAW_WITHIN)
    .fetch_all(&mut *tx)
    .await?;
    let taken = answers::withdraw(&mut tx, &samples, actor, reason, now).await?;
    tx.commit().await?;
    Ok(taken)
}

/// Adds a number to those that are not rung, as somebody asked for who rang.
pub async fn refuse(pool: &PgPool, number: &PhoneNumber, actor: &str, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    refuse_number(&mut tx, number.reveal(), &format!("user/{actor}"), now).await?;
    let object = format!("number/{}", number.masked());
    audit::append_in(&mut tx, Deed { actor, action: "do_not_call", object: &object, reason: "", at: now }).await?;
    tx.commit().await
}
