//! What residents ask for when they ring back: not to be rung, or to have their answers forgotten (R7.8, N1).

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::answers::refuse_number;
use super::audit::{self, Deed};
use crate::ids::PhoneNumber;

/// How long after an interview its answers can be taken back.
pub const WITHDRAW_WITHIN: Duration = Duration::from_secs(24 * 3_600);

/// Takes back what was answered by this number within [`WITHDRAW_WITHIN`]; returns how many interviews that were. They count
/// as refusals from then on, and their answers in no figure; the answers stay, as everything that was recorded does.
pub async fn withdraw(
    pool: &PgPool,
    number: &PhoneNumber,
    actor: &str,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let samples: Vec<i64> = sqlx::query_scalar(
        "INSERT INTO answer_withdrawals (sample_id, at, reason)
         SELECT s.id, $2, $3 FROM sample AS s
         WHERE s.number = $1 AND EXISTS (SELECT FROM answers AS a WHERE a.sample_id = s.id AND a.at > $4)
         ON CONFLICT DO NOTHING RETURNING sample_id",
    )
    .bind(number.reveal())
    .bind(now)
    .bind(reason)
    .bind(now - WITHDRAW_WITHIN)
    .fetch_all(&mut *tx)
    .await?;
    sqlx::query(
        "UPDATE sample SET disposition = '2.11', state = CASE WHEN state = 'due' THEN 'done' ELSE state END, due_at = NULL
         WHERE id = ANY($1)",
    )
    .bind(&samples)
    .execute(&mut *tx)
    .await?;
    for sample in &samples {
        let object = format!("sample/{sample}");
        audit::append_in(&mut tx, Deed { actor, action: "withdraw", object: &object, reason, at: now }).await?;
    }
    tx.commit().await?;
    Ok(samples.len() as u64)
}

/// Adds a number to those that are not rung, as somebody asked for who rang.
pub async fn refuse(pool: &PgPool, number: &PhoneNumber, actor: &str, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    refuse_number(&mut tx, number.reveal(), &format!("user/{actor}"), now).await?;
    let object = format!("number/{}", number.masked());
    audit::append_in(&mut tx, Deed { actor, action: "do_not_call", object: &object, reason: "", at: now }).await?;
    tx.commit().await
}
