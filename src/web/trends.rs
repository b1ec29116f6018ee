//! Figures of surveys in the JSON interface: over the months, of persons, of one's own unit, and the answers behind each.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::access::Visitor;
use super::error::WebError;
use super::{WebState, trail};
use crate::store::{batches, trends};
use crate::survey::Measure;
use crate::survey::figures::Standing;
use crate::survey::groups::{By, grouped};
use crate::survey::trend::{Figure, Hit, figures, hits, month_of};

/// Closed campaigns that a unit's own figures are made of, at most: the newest.
const UNIT_CAMPAIGNS: i64 = 50;

/// A share with all that it takes to judge it.
#[derive(Serialize, ToSchema)]
pub(super) struct Share {
    /// What it measures.
    measure: &'static str,
    /// The month as `2026-09`, the post's key, or the campaign's.
    key: String,
    /// Answers that count for it; null where fewer than five answered.
    numerator: Option<u64>,
    /// Answers; null where fewer than five answered.
    denominator: Option<u64>,
    /// The share, weighted where the sample is.
    value: Option<f64>,
    /// Lower end of Wilson's 95 % interval.
    low: Option<f64>,
    /// Upper end of it.
    high: Option<f64>,
    /// How many are better beyond doubt, plus one; null where fewer than thirty answered, or keys do not compete.
    rank: Option<usize>,
}

/// A questionnaire's figures by month.
#[derive(Serialize, ToSchema)]
pub(super) struct Trend {
    /// The questionnaire's name.
    survey: String,
    /// Campaigns that it is made of.
    campaigns: usize,
    /// A share for each measure and month, in their order.
    months: Vec<Share>,
}

/// Whose figures a trend is of.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TrendAsked {
    /// The questionnaire's name.
    survey: String,
    /// Only of this unit.
    unit: Option<i64>,
    /// Only of this window.
    window: Option<i16>,
}

/// The figures of those who answered for the cases that people were asked about.
#[derive(Serialize, ToSchema)]
pub(super) struct Persons {
    /// The campaign.
    campaign: i64,
    /// The posts, with whoever holds them.
    posts: Vec<Post>,
    /// A share for each measure and post.
    shares: Vec<Share>,
}

/// A post with whoever holds it.
#[derive(Serialize, ToSchema)]
pub(super) struct Post {
    /// Its key.
    post: i64,
    /// What it is called.
    title: String,
    /// The organisation it belongs to.
    organisation: String,
    /// Who holds it.
    person: String,
}

/// The answers that make a figure.
#[derive(Serialize, ToSchema)]
pub(super) struct Evidence {
    /// What it measures.
    measure: &'static str,
    /// Good answers: those among `items` with `good`.
    numerator: u64,
    /// Answers: as many as `items`.
    denominator: u64,
    /// The answers, by sampled number.
    items: Vec<Answer>,
}

/// One answer behind a figure.
#[derive(Serialize, ToSchema)]
pub(super) struct Answer {
    /// The sampled number's key.
    sample: i64,
    /// The call in which it can be heard: see `/api/v1/calls/{id}`.
    call: Uuid,
    /// As stored.
    value: String,
    /// `key`, `speech` or `person`.
    mode: &'static str,
    /// When.
    at: DateTime<Utc>,
    /// Whether it is a good one.
    good: bool,
}

/// Which figure is opened.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EvidenceAsked {
    /// `responded`, `solved`, `kept`, `attitude`, `satisfied` or `coached`.
    measure: String,
    /// As `results` is told apart by; left out: of everybody.
    by: Option<String>,
    /// The group's key, as `results` names it.
    group: Option<String>,
}

/// A unit's own figures, campaign by campaign.
#[derive(Serialize, ToSchema)]
pub(super) struct UnitFigures {
    /// The unit.
    unit: i64,
    /// A share for each measure and campaign that is over.
    shares: Vec<Share>,
}

/// A questionnaire's figures by month, over all its campaigns and versions.
#[utoipa::path(get, path = "/api/v1/trends", params(TrendAsked), responses((status = 200, body = Trend)))]
pub(super) async fn months(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<TrendAsked>,
) -> Result<Json<Trend>, WebError> {
    let campaigns = trends::campaigns_of(&state.pool, &asked.survey).await?;
    trail::append(&state, &visitor, "results", &format!("survey/{}", asked.survey), "").await?;
    let mut hits = Vec::new();
    for campaign in &campaigns {
        hits.extend(trends::campaign_hits(&state.pool, *campaign).await?.unwrap_or_default());
    }
    let asked_for = |hit: &&Hit| {
        asked.unit.is_none_or(|unit| hit.unit == Some(unit)) && asked.window.is_none_or(|w| hit.window == Some(w))
    };
    let hits: Vec<Hit> = hits.iter().filter(asked_for).cloned().collect();
    let months = figures(&hits, false, |hit| Some(month_of(hit.at))).into_iter().map(Share::from).collect();
    Ok(Json(Trend { survey: asked.survey, campaigns: campaigns.len(), months }))
}

/// The figures of whoever answered for the cases of a campaign. Looked at by name: audited.
#[utoipa::path(
    get, path = "/api/v1/campaigns/{id}/persons", params(("id" = i64, Path)),
    responses((status = 200, body = Persons), (status = 404))
)]
pub(super) async fn persons(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
) -> Result<Json<Persons>, WebError> {
    let hits = campaign_hits(&state, id).await?;
    trail::append(&state, &visitor, "results", &format!("campaign/{id}"), "persons").await?;
    let posts = trends::posts(&state.pool, id).await?;
    let figures = figures(&hits, true, |hit| posts.get(&hit.sample).copied());
    let mut shown: Vec<i64> = figures.iter().map(|figure| figure.key).collect();
    shown.sort_unstable();
    shown.dedup();
    let posts = trends::holders(&state.pool, &shown).await?.into_iter().map(|holder| Post {
        post: holder.post,
        title: holder.title,
        organisation: holder.organisation,
        person: holder.person,
    });
    Ok(Json(Persons { campaign: id, posts: posts.collect(), shares: figures.into_iter().map(Share::from).collect() }))
}

/// The answers that make a figure; their count is its denominator, those that are good its numerator. Audited.
#[utoipa::path(
    get, path = "/api/v1/campaigns/{id}/evidence", params(("id" = i64, Path), EvidenceAsked),
    responses((status = 200, body = Evidence), (status = 404))
)]
pub(super) async fn evidence(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
    Query(asked): Query<EvidenceAsked>,
) -> Result<Json<Evidence>, WebError> {
    let measure = Measure::from_code(&asked.measure).ok_or(WebError::BadRequest { field: "measure" })?;
    let by = match asked.by.as_deref() {
        None | Some("") => None,
        Some(code) => Some(By::from_code(code).ok_or(WebError::BadRequest { field: "by" })?),
    };
    let (survey, respondents) = trends::campaign(&state.pool, id).await?.ok_or_else(|| unreadable(id))?;
    trail::append(&state, &visitor, "results", &format!("campaign/{id}"), measure.code()).await?;
    let mut hits = hits(&survey, &respondents);
    hits.retain(|hit| hit.measure == measure);
    if let Some(by) = by {
        // The same groups as `results` shows, whatever they are told apart by.
        let group = asked.group.unwrap_or_default();
        let shares = grouped(&survey, &respondents, by);
        let own = shares.into_iter().find(|share| share.measure == measure && share.group == group);
        let samples: BTreeSet<i64> = own.map(|share| share.samples).unwrap_or_default().into_iter().collect();
        hits.retain(|hit| samples.contains(&hit.sample));
    }
    let numerator = hits.iter().filter(|hit| hit.good).count() as u64;
    let items: Vec<Answer> = hits.into_iter().map(Answer::from).collect();
    Ok(Json(Evidence { measure: measure.code(), numerator, denominator: items.len() as u64, items }))
}

/// What a unit may see of itself: shares of campaigns that are over, none of fewer than five answers, no answer by itself.
#[utoipa::path(
    get, path = "/api/v1/units/{id}/results", params(("id" = i64, Path)), responses((status = 200, body = UnitFigures))
)]
pub(super) async fn of_unit(State(state): State<WebState>, Path(id): Path<i64>) -> Result<Json<UnitFigures>, WebError> {
    let mut shares = Vec::new();
    for campaign in batches::closed_for(&state.pool, id, UNIT_CAMPAIGNS).await? {
        let mut hits = campaign_hits(&state, campaign).await?;
        hits.retain(|hit| hit.unit == Some(id));
        let shown = figures(&hits, false, |_| Some(campaign)).into_iter().filter(|f| f.standing != Standing::Hidden);
        shares.extend(shown.map(Share::from));
    }
    Ok(Json(UnitFigures { unit: id, shares }))
}

async fn campaign_hits(state: &WebState, campaign: i64) -> Result<Vec<Hit>, WebError> {
    trends::campaign_hits(&state.pool, campaign).await?.ok_or_else(|| unreadable(campaign))
}

fn unreadable(campaign: i64) -> WebError {
    WebError::Survey(format!("the questionnaire of campaign {campaign} cannot be read"))
}

impl<K: ToString> From<Figure<K>> for Share {
    fn from(figure: Figure<K>) -> Self {
        let shown = figure.standing != Standing::Hidden;
        let share = figure.share;
        let interval = share.interval.filter(|_| shown);
        Self {
            measure: figure.measure.code(),
            key: figure.key.to_string(),
            numerator: shown.then_some(share.numerator),
            denominator: shown.then_some(share.denominator),
            value: share.value.filter(|_| shown),
            low: interval.map(|i| i.low),
            high: interval.map(|i| i.high),
            rank: match figure.standing {
                Standing::Rank(rank) => Some(rank),
                Standing::Hidden | Standing::Unranked => None,
            },
        }
    }
}

impl From<Hit> for Answer {
    fn from(hit: Hit) -> Self {
        Self { sample: hit.sample, call: hit.call, value: hit.value, mode: hit.mode.code(), at: hit.at, good: hit.good }
    }
}
