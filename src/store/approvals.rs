//! Versions of questionnaires: written by one person, approved by another, and only then asked.
//!
//! A version waits in `survey_submissions`; a row of `surveys` is an approved one, which names both people. The versions that
//! the program is delivered with are approved by whoever installed it ([`INSTALLATION`]).

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::audit::{self, Deed};
use crate::survey::{Survey, SurveyHash, is_delivered};

/// Stands for the person who approved what the program was delivered with.
pub const INSTALLATION: &str = "installation";

/// Versions listed, at most.
const LISTED: i64 = 200;

/// Why a version was not submitted or approved.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// No version with this hash waits.
    #[error("no version {0} waits for approval")]
    Unknown(String),
    /// It has been submitted or approved already.
    #[error("version {0} was submitted or approved before")]
    Twice(String),
    /// Whoever wrote it cannot approve it.
    #[error("a version is approved by somebody else than {0}, who submitted it")]
    Own(String),
    /// The database failed or is away.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
}

/// A version of a questionnaire.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Version {
    /// SHA-256 of its file, in hexadecimal.
    pub hash: String,
    /// The questionnaire's name.
    pub name: String,
    /// Who submitted it; `None`: nobody had to.
    pub author: Option<String>,
    /// When.
    pub submitted_at: Option<DateTime<Utc>>,
    /// Who approved it; `None`: it waits.
    pub approved_by: Option<String>,
    /// When.
    pub approved_at: Option<DateTime<Utc>>,
}

/// Puts a version up for approval. The caller has checked it.
pub async fn submit(pool: &PgPool, survey: &Survey, author: &str, now: DateTime<Utc>) -> Result<(), ApprovalError> {
    let mut tx = pool.begin().await?;
    let new = sqlx::query(
        "INSERT INTO survey_submissions (hash, name, body, author, submitted_at)
         SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS (SELECT FROM surveys WHERE hash = $1) ON CONFLICT DO NOTHING",
    )
    .bind(&survey.hash.0)
    .bind(&survey.name)
    .bind(&survey.body)
    .bind(author)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    if new.rows_affected() == 0 || is_delivered(&survey.hash) {
        return Err(ApprovalError::Twice(survey.hash.0.clone()));
    }
    record(&mut tx, "survey_submit", &survey.name, &survey.hash.0, author, now).await?;
    tx.commit().await?;
    Ok(())
}

/// Approves a version that waits. From then on campaigns may ask it.
pub async fn approve(pool: &PgPool, hash: &str, approver: &str, now: DateTime<Utc>) -> Result<(), ApprovalError> {
    let mut tx = pool.begin().await?;
    let waiting: Option<(String, String)> =
        sqlx::query_as("SELECT name, author FROM survey_submissions WHERE hash = $1 FOR UPDATE")
            .bind(hash)
            .fetch_optional(&mut *tx)
            .await?;
    let Some((name, author)) = waiting else { return Err(ApprovalError::Unknown(hash.to_owned())) };
    if author == approver {
        return Err(ApprovalError::Own(author));
    }
    let new = sqlx::query(
        "INSERT INTO surveys (hash, name, body, author, approved_by, approved_at)
         SELECT hash, name, body, author, $2, $3 FROM survey_submissions WHERE hash = $1 ON CONFLICT DO NOTHING",
    )
    .bind(hash)
    .bind(approver)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    if new.rows_affected() == 0 {
        return Err(ApprovalError::Twice(hash.to_owned()));
    }
    record(&mut tx, "survey_approve", &name, hash, approver, now).await?;
    tx.commit().await?;
    Ok(())
}

/// The versions that wait or are approved, the newest first.
pub async fn versions(pool: &PgPool) -> Result<Vec<Version>, sqlx::Error> {
    sqlx::query_as(
        "SELECT coalesce(v.hash, w.hash) AS hash, coalesce(v.name, w.name) AS name, coalesce(v.author, w.author) AS author,
             w.submitted_at, v.approved_by, v.approved_at
         FROM surveys AS v FULL JOIN survey_submissions AS w ON w.hash = v.hash
         ORDER BY coalesce(w.submitted_at, v.approved_at) DESC, hash LIMIT $1",
    )
    .bind(LISTED)
    .fetch_all(pool)
    .await
}

/// Whether a campaign may ask this version. A delivered one is entered as approved when it is first asked.
pub(super) async fn approved(
    db: &mut PgConnection,
    name: &str,
    hash: &SurveyHash,
    body: &str,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM surveys WHERE hash = $1)")
        .bind(&hash.0)
        .fetch_one(&mut *db)
        .await?;
    if known || !is_delivered(hash) {
        return Ok(known);
    }
    if enter(&mut *db, name, hash, body, INSTALLATION, now).await? {
        record(db, "survey_approve", name, &hash.0, INSTALLATION, now).await?;
    }
    Ok(true)
}

/// Enters a version that needs no second person, as approved by whom it came from; says whether it is new.
pub(super) async fn enter(
    db: &mut PgConnection,
    name: &str,
    hash: &SurveyHash,
    body: &str,
    by: &str,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let new = sqlx::query(
        "INSERT INTO surveys (hash, name, body, approved_by, approved_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING",
    )
    .bind(&hash.0)
    .bind(name)
    .bind(body)
    .bind(by)
    .bind(now)
    .execute(db)
    .await?;
    Ok(new.rows_affected() == 1)
}

async fn record(
    db: &mut PgConnection,
    action: &str,
    name: &str,
    hash: &str,
    actor: &str,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let object = format!("survey/{name}");
    audit::append_in(db, Deed { actor, action, object: &object, reason: hash, at }).await.map(|_| ())
}
