//! Published figures: frozen once, read for ever.

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use sqlx::types::Json;

use super::audit::{self, Deed};
use super::campaigns::{self, CampaignError};
use super::results;
use crate::survey::Survey;
use crate::survey::disclosure::{self, Disclosure, Occasion};

/// Serialises freezing: each disclosure names the one before.
const CHAIN_LOCK: i64 = 0x6d69_6e78_696e_0008;

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum DisclosureError {
    /// There is no such campaign.
    #[error(transparent)]
    Campaign(#[from] CampaignError),
    /// The unit would learn who was rung while numbers are still being rung (N1).
    #[error("campaign {campaign} still has {remaining} numbers to ring: stop it or wait")]
    Open {
        /// The campaign.
        campaign: i64,
        /// Numbers that are rung or will be.
        remaining: i64,
    },
    /// The stored questionnaire cannot be read by this program.
    #[error("the questionnaire of campaign {0} cannot be read")]
    Survey(i64),
    /// It cannot be written as JSON.
    #[error("the figures cannot be written as JSON")]
    Encode(#[from] serde_json::Error),
    /// The database failed or is away.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
}

/// What is published about a campaign, as people decide it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The campaign, which rings nobody any more.
    pub campaign: i64,
    /// What it is headed with.
    pub title: String,
    /// To whom it is published.
    pub scope: String,
    /// First and last day for objections.
    pub objections: (chrono::NaiveDate, chrono::NaiveDate),
    /// Who publishes.
    pub actor: String,
}

/// Freezes a campaign's figures; returns the disclosure's key and hash.
pub async fn freeze(pool: &PgPool, what: &Publication, now: DateTime<Utc>) -> Result<(i64, String), DisclosureError> {
    let campaign = what.campaign;
    let progress = campaigns::progress(pool, campaign).await?;
    if progress.remaining > 0 {
        return Err(DisclosureError::Open { campaign, remaining: progress.remaining });
    }
    let survey = Survey::parse(&results::survey_body(pool, campaign).await?);
    let survey = survey.map_err(|_| DisclosureError::Survey(campaign))?;
    let evidence = results::respondents(pool, campaign).await?;
    let withdrawn: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM answer_withdrawals AS w JOIN sample AS s ON s.id = w.sample_id WHERE s.campaign_id = $1",
    )
    .bind(campaign)
    .fetch_one(pool)
    .await?;
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(CHAIN_LOCK).execute(&mut *tx).await?;
    let previous: Option<String> =
        sqlx::query_scalar("SELECT sha256 FROM disclosures ORDER BY id DESC LIMIT 1").fetch_optional(&mut *tx).await?;
    let occasion = Occasion {
        title: what.title.clone(),
        scope: what.scope.clone(),
        objections: what.objections,
        at: now,
        campaign,
        previous: previous.unwrap_or_default(),
        withdrawn: withdrawn.unsigned_abs(),
    };
    let frozen = Disclosure::freeze(&survey, occasion, &progress.dispositions, evidence);
    let hash = disclosure::hash(&frozen.canonical()?);
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO disclosures (body, sha256, created_by, created_at) VALUES ($1, $2, $3, $4) RETURNING id",
    )
    .bind(Json(&frozen))
    .bind(&hash)
    .bind(&what.actor)
    .bind(now)
    .fetch_one(&mut *tx)
    .await?;
    let object = format!("disclosure/{id}");
    let deed = Deed { actor: &what.actor, action: "disclose", object: &object, reason: &hash, at: now };
    audit::append_in(&mut tx, deed).await?;
    tx.commit().await?;
    Ok((id, hash))
}

/// A disclosure in a list.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Listed {
    /// Its key.
    pub id: i64,
    /// What it is headed with.
    pub title: String,
    /// To whom it is published.
    pub scope: String,
    /// The campaign.
    pub campaign: i64,
    /// Last day for objections.
    pub objections_until: chrono::NaiveDate,
    /// Its hash.
    pub sha256: String,
    /// Who published it.
    pub created_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// The newest disclosures, at most `limit`; those before the one with key `before`, where one is given.
pub async fn list(pool: &PgPool, before: Option<i64>, limit: i64) -> Result<Vec<Listed>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, body ->> 'title' AS title, body ->> 'scope' AS scope, (body ->> 'campaign')::bigint AS campaign,
             (body ->> 'objections_until')::date AS objections_until, sha256, created_by, created_at
         FROM disclosures WHERE id < coalesce($1, id + 1) ORDER BY id DESC LIMIT $2",
    )
    .bind(before)
    .bind(limit)
    .fetch_all(pool)
    .await
}

/// The hash of the disclosure before this one, which it must name; empty for the first.
pub async fn before(pool: &PgPool, id: i64) -> Result<String, sqlx::Error> {
    let hash: Option<String> =
        sqlx::query_scalar("SELECT sha256 FROM disclosures WHERE id < $1 ORDER BY id DESC LIMIT 1")
            .bind(id)
            .fetch_optional(pool)
            .await?;
    Ok(hash.unwrap_or_default())
}

/// A disclosure with its hash; `None`: there is none with this key.
pub async fn read(pool: &PgPool, id: i64) -> Result<Option<(Disclosure, String)>, sqlx::Error> {
    let row: Option<(Json<Disclosure>, String)> =
        sqlx::query_as("SELECT body, sha256 FROM disclosures WHERE id = $1").bind(id).fetch_optional(pool).await?;
    Ok(row.map(|(body, hash)| (body.0, hash)))
}
