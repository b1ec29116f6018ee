//! Who can be asked: the cases closed in a period, and the standing campaign that follows each closed case.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgPool;

use super::campaigns::{self, CampaignError, Sampled};
use crate::directory::{OrgId, WindowCode};
use crate::ids::{CaseNumber, PhoneNumber};
use crate::survey::sampling::{Quota, Stratum, draw};
use crate::survey::{Windows, first_attempt};

/// Cases added to the standing campaign at once, at most.
const FOLLOW_MAX: i64 = 500;

/// The cases closed from `from` to `until`, both included, China Standard Time, that have a number to ring; by case number.
/// A number with several cases stands there with its newest: nobody is asked twice.
pub async fn closed_cases(
    pool: &PgPool,
    from: NaiveDate,
    until: NaiveDate,
    due_at: DateTime<Utc>,
) -> Result<Vec<Sampled>, sqlx::Error> {
    let rows: Vec<(i64, String, Option<i64>, Option<i16>)> = sqlx::query_as(
        "SELECT number, callback, village_id, window_code FROM (
             SELECT DISTINCT ON (callback) number, callback, village_id, window_code FROM cases
             WHERE state IN ('closed', 'archived') AND callback IS NOT NULL
                 AND (closed_at AT TIME ZONE 'Asia/Shanghai')::date BETWEEN $1 AND $2
             ORDER BY callback, number DESC) AS newest
         ORDER BY number",
    )
    .bind(from)
    .bind(until)
    .fetch_all(pool)
    .await?;
    let sampled = |(number, callback, village, window): (i64, String, Option<i64>, Option<i16>)| {
        let mut sampled = Sampled::new(PhoneNumber::parse(&callback)?, CaseNumber::try_from(number).ok(), due_at);
        sampled.unit = village.map(OrgId);
        sampled.window = window.map(WindowCode);
        Some(sampled)
    };
    Ok(rows.into_iter().filter_map(sampled).collect())
}

/// A random sample of these, with weights; strata are unit, window and age band.
pub fn drawn(population: &[Sampled], quota: Quota, seed: u64) -> Vec<Sampled> {
    let strata: Vec<Stratum> =
        population.iter().map(|s| (s.unit.map(|u| u.0), s.window.map(|w| w.0), s.age_band.clone())).collect();
    let drawn = draw(&strata, quota, seed);
    drawn.into_iter().map(|d| Sampled { weight: d.weight, ..population[d.index].clone() }).collect()
}

/// Adds the cases closed since the standing campaign began and not yet in it, each to be rung on the next day (R7.2); returns
/// how many. Nothing where no standing campaign runs.
pub async fn follow_closed(pool: &PgPool, windows: &Windows) -> Result<usize, CampaignError> {
    let standing: Option<(i64, i64)> =
        sqlx::query_as("SELECT id, seed FROM campaigns WHERE standing AND state = 'running'")
            .fetch_optional(pool)
            .await?;
    let Some((campaign, seed)) = standing else { return Ok(0) };
    let rows: Vec<(i64, String, DateTime<Utc>)> = sqlx::query_as(
        "SELECT k.number, k.callback, k.closed_at FROM cases AS k JOIN campaigns AS c ON c.id = $1
         WHERE k.state = 'closed' AND k.callback IS NOT NULL AND k.closed_at >= c.created_at
             AND NOT EXISTS (SELECT FROM sample AS s WHERE s.campaign_id = $1 AND s.case_number = k.number)
         ORDER BY k.closed_at LIMIT $2",
    )
    .bind(campaign)
    .bind(FOLLOW_MAX)
    .fetch_all(pool)
    .await?;
    let sampled = |(number, callback, closed_at): (i64, String, DateTime<Utc>)| {
        let due_at = first_attempt(closed_at, windows)?;
        Some(Sampled::new(PhoneNumber::parse(&callback)?, Some(CaseNumber::try_from(number).ok()?), due_at))
    };
    let sample: Vec<Sampled> = rows.into_iter().filter_map(sampled).collect();
    if !sample.is_empty() {
        let mut tx = pool.begin().await?;
        // Each portion has draws of its own.
        let portion = sample.first().and_then(|s| s.case).map_or(0, CaseNumber::as_i64);
        campaigns::add(&mut tx, campaign, seed.cast_unsigned() ^ portion.cast_unsigned(), &sample).await?;
        tx.commit().await?;
    }
    Ok(sample.len())
}
