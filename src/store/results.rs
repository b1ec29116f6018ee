//! What was answered in a campaign, and the questionnaire it was asked with.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use super::campaigns::CampaignError;
use crate::survey::{Draw, Given, Mode, Respondent};

/// The file of the questionnaire that a campaign asks.
pub async fn survey_body(pool: &PgPool, campaign: i64) -> Result<String, CampaignError> {
    sqlx::query_scalar("SELECT v.body FROM campaigns AS c JOIN surveys AS v ON v.hash = c.survey_hash WHERE c.id = $1")
        .bind(campaign)
        .fetch_optional(pool)
        .await?
        .ok_or(CampaignError::Unknown(campaign))
}

/// Everybody whom a campaign reached and who did not take the answers back, with the last answer to each question.
pub async fn respondents(pool: &PgPool, campaign: i64) -> Result<Vec<Respondent>, sqlx::Error> {
    type Person = (i64, Option<i64>, Option<i16>, Option<String>, f64, i64);
    let persons: Vec<Person> = sqlx::query_as(
        "SELECT s.id, s.unit_id, s.window_code, s.age_band, s.weight, s.draw FROM sample AS s
         WHERE s.campaign_id = $1 AND NOT EXISTS (SELECT FROM answer_withdrawals AS w WHERE w.sample_id = s.id)
             AND (EXISTS (SELECT FROM attempts AS a WHERE a.sample_id = s.id AND a.answered IS NOT NULL)
                  OR EXISTS (SELECT FROM answers AS a WHERE a.sample_id = s.id))
         ORDER BY s.id",
    )
    .bind(campaign)
    .fetch_all(pool)
    .await?;
    type Row = (i64, Uuid, String, String, String, Option<i32>, DateTime<Utc>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT DISTINCT ON (a.sample_id, a.question)
             a.sample_id, coalesce(a.call_id, a.attempt_id), a.question, a.value, a.mode, a.latency_ms, a.at
         FROM answers AS a JOIN sample AS s ON s.id = a.sample_id
         WHERE s.campaign_id = $1 ORDER BY a.sample_id, a.question, a.at DESC, a.ordinal DESC",
    )
    .bind(campaign)
    .fetch_all(pool)
    .await?;
    let mut given: BTreeMap<i64, Vec<Given>> = BTreeMap::new();
    for (sample, attempt, question, value, mode, latency_ms, at) in rows {
        let mode =
            Mode::from_code(&mode).ok_or_else(|| sqlx::Error::Decode(format!("answers.mode is {mode:?}").into()))?;
        let answer = Given { attempt, question, value, mode, latency_ms, at };
        given.entry(sample).or_default().push(answer);
    }
    let respondent = |(sample, unit, window, age_band, weight, draw): Person| Respondent {
        sample,
        unit,
        window,
        age_band,
        weight,
        draw: Draw(draw.cast_unsigned()),
        given: given.remove(&sample).unwrap_or_default(),
    };
    Ok(persons.into_iter().map(respondent).collect())
}
