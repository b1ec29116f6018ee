//! What figures over time and of persons are made of: campaigns of one questionnaire, and the posts that answered for cases.

use std::collections::BTreeMap;

use sqlx::PgPool;

use super::campaigns::CampaignError;
use super::results;
use crate::survey::trend::{Hit, hits};
use crate::survey::{Respondent, Survey};

/// Campaigns that a trend is made of, at most: the newest.
pub const CAMPAIGNS_MAX: i64 = 200;

/// A post with whoever holds it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Holder {
    /// The post's key.
    pub post: i64,
    /// What it is called.
    pub title: String,
    /// The organisation it belongs to.
    pub organisation: String,
    /// Who holds it (A).
    pub person: String,
}

/// The answers of a campaign that count for figures; `None` where its questionnaire cannot be read by this program.
pub async fn campaign_hits(pool: &PgPool, campaign: i64) -> Result<Option<Vec<Hit>>, CampaignError> {
    Ok(self::campaign(pool, campaign).await?.map(|(survey, respondents)| hits(&survey, &respondents)))
}

/// A campaign's questionnaire, and everybody whose answers hold; `None` where this program cannot read the former.
pub async fn campaign(pool: &PgPool, id: i64) -> Result<Option<(Survey, Vec<Respondent>)>, CampaignError> {
    let Ok(survey) = Survey::parse(&results::survey_body(pool, id).await?) else { return Ok(None) };
    Ok(Some((survey, results::respondents(pool, id).await?)))
}

/// The newest campaigns that ask a questionnaire, whatever its version; at most [`CAMPAIGNS_MAX`].
pub async fn campaigns_of(pool: &PgPool, survey: &str) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT c.id FROM campaigns AS c JOIN surveys AS v ON v.hash = c.survey_hash WHERE v.name = $1
         ORDER BY c.id DESC LIMIT $2",
    )
    .bind(survey)
    .bind(CAMPAIGNS_MAX)
    .fetch_all(pool)
    .await
}

/// Which post answered for the case that each sampled number of a campaign is about.
pub async fn posts(pool: &PgPool, campaign: i64) -> Result<BTreeMap<i64, i64>, sqlx::Error> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT s.id, k.owner_post_id FROM sample AS s JOIN cases AS k ON k.number = s.case_number WHERE s.campaign_id = $1",
    )
    .bind(campaign)
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().collect())
}

/// These posts with their holders.
pub async fn holders(pool: &PgPool, posts: &[i64]) -> Result<Vec<Holder>, sqlx::Error> {
    sqlx::query_as(
        "SELECT p.id AS post, p.title, o.name AS organisation, a.name AS person
         FROM posts AS p JOIN organisations AS o ON o.id = p.org_id JOIN persons AS a ON a.id = p.a_person_id
         WHERE p.id = ANY($1) ORDER BY p.id",
    )
    .bind(posts)
    .fetch_all(pool)
    .await
}
