//! What was answered, and the questionnaires it was asked with.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use super::campaigns::CampaignError;
use crate::survey::{Draw, Given, Mode, Respondent};

/// People whose answers are read at once, at most: what the district asks in some years.
pub const RESPONDENTS_MAX: usize = 100_000;

/// A version of a questionnaire that was asked.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Version {
    /// SHA-256 of its file.
    pub hash: String,
    /// Its name.
    pub name: String,
    /// Who first made a campaign of it.
    pub approved_by: String,
    /// When.
    pub approved_at: DateTime<Utc>,
    /// Campaigns that ask it.
    pub campaigns: i64,
}

/// Whose answers are read; every part that is `None` lets all through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The questionnaire's version.
    pub survey: String,
    /// One campaign only.
    pub campaign: Option<i64>,
    /// Rated organisations.
    pub units: Option<Vec<i64>>,
    /// Rated window.
    pub window: Option<i16>,
    /// First moment at which somebody was reached, for the last time.
    pub from: Option<DateTime<Utc>>,
    /// First moment after it.
    pub until: Option<DateTime<Utc>>,
    /// Only campaigns that ring nobody any more: a rated unit learns nothing before (N1).
    pub closed: bool,
}

/// Why results were not read.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// More people than are read at once; the scope must be narrower.
    #[error("more than {RESPONDENTS_MAX} people answered")]
    TooMany,
    /// The database failed or is away.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
}

/// The versions that campaigns asked, the newest campaign's first.
pub async fn versions(pool: &PgPool) -> Result<Vec<Version>, sqlx::Error> {
    sqlx::query_as(
        "SELECT v.hash, v.name, v.approved_by, v.approved_at, count(c.id) AS campaigns
         FROM surveys AS v LEFT JOIN campaigns AS c ON c.survey_hash = v.hash
         GROUP BY v.hash ORDER BY max(c.id) DESC NULLS LAST, v.approved_at DESC",
    )
    .fetch_all(pool)
    .await
}

/// The file of a version; `None`: it was never asked.
pub async fn version_body(pool: &PgPool, hash: &str) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT body FROM surveys WHERE hash = $1").bind(hash).fetch_optional(pool).await
}

/// The file of the questionnaire that a campaign asks.
pub async fn survey_body(pool: &PgPool, campaign: i64) -> Result<String, CampaignError> {
    sqlx::query_scalar("SELECT v.body FROM campaigns AS c JOIN surveys AS v ON v.hash = c.survey_hash WHERE c.id = $1")
        .bind(campaign)
        .fetch_optional(pool)
        .await?
        .ok_or(CampaignError::Unknown(campaign))
}

/// Everybody in this scope who was reached and did not take the answers back, with the last answer to each question.
///
/// # Errors
/// [`ResultsError::TooMany`] beyond [`RESPONDENTS_MAX`].
pub async fn respondents_in(pool: &PgPool, scope: &Scope) -> Result<Vec<Respondent>, ResultsError> {
    let persons: Vec<Person> = sqlx::query_as(
        "SELECT s.id, s.unit_id, s.window_code, s.age_band, s.weight, s.draw
         FROM campaigns AS c JOIN sample AS s ON s.campaign_id = c.id
         CROSS JOIN LATERAL (
             SELECT max(a.started_at) AS at FROM attempts AS a
             WHERE a.sample_id = s.id
                 AND (a.answered IS NOT NULL OR EXISTS (SELECT FROM answers AS r WHERE r.attempt_id = a.id))) AS reached
         WHERE c.survey_hash = $1 AND ($2::bigint IS NULL OR c.id = $2) AND ($3::bigint[] IS NULL OR s.unit_id = ANY($3))
             AND ($4::smallint IS NULL OR s.window_code = $4) AND reached.at >= coalesce($5, '-infinity')
             AND reached.at < coalesce($6, 'infinity')
             AND NOT EXISTS (SELECT FROM answer_withdrawals AS w WHERE w.sample_id = s.id)
             AND (NOT $7 OR NOT EXISTS (SELECT FROM sample AS o WHERE o.campaign_id = c.id
                                        AND (o.state = 'calling' OR (o.state = 'due' AND c.state <> 'stopped'))))
         ORDER BY s.id LIMIT $8",
    )
    .bind(&scope.survey)
    .bind(scope.campaign)
    .bind(&scope.units)
    .bind(scope.window)
    .bind(scope.from)
    .bind(scope.until)
    .bind(scope.closed)
    .bind(i64::try_from(RESPONDENTS_MAX + 1).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await?;
    if persons.len() > RESPONDENTS_MAX {
        return Err(ResultsError::TooMany);
    }
    let samples: Vec<i64> = persons.iter().map(|(sample, ..)| *sample).collect();
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT DISTINCT ON (a.sample_id, a.question)
             a.sample_id, a.attempt_id, a.question, a.value, a.mode, a.latency_ms, a.at
         FROM answers AS a WHERE a.sample_id = ANY($1)
         ORDER BY a.sample_id, a.question, a.at DESC, a.ordinal DESC",
    )
    .bind(&samples)
    .fetch_all(pool)
    .await?;
    Ok(with_answers(persons, rows)?)
}

/// Everybody whom a campaign reached and who did not take the answers back, with the last answer to each question.
pub async fn respondents(pool: &PgPool, campaign: i64) -> Result<Vec<Respondent>, sqlx::Error> {
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
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT DISTINCT ON (a.sample_id, a.question)
             a.sample_id, coalesce(a.call_id, a.attempt_id), a.question, a.value, a.mode, a.latency_ms, a.at
         FROM answers AS a JOIN sample AS s ON s.id = a.sample_id
         WHERE s.campaign_id = $1 ORDER BY a.sample_id, a.question, a.at DESC, a.ordinal DESC",
    )
    .bind(campaign)
    .fetch_all(pool)
    .await?;
    with_answers(persons, rows)
}

type Person = (i64, Option<i64>, Option<i16>, Option<String>, f64, i64);
type Row = (i64, Uuid, String, String, String, Option<i32>, DateTime<Utc>);

fn with_answers(persons: Vec<Person>, rows: Vec<Row>) -> Result<Vec<Respondent>, sqlx::Error> {
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
