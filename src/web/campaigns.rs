//! The campaigns of the JSON interface: made, watched, paused, and what was answered.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Visitor;
use super::api::{Items, limit};
use super::error::WebError;
use super::{WebState, trail};
use crate::clock::wall;
use crate::store::campaigns::{self, CampaignError, CampaignState, NewCampaign, Progress, Sampled};
use crate::store::results;
use crate::survey::figures::{Interval, Proportion, Standing};
use crate::survey::groups::{By, grouped};
use crate::survey::listing::Line;
use crate::survey::rates::Counts;
use crate::survey::{ATTEMPTS_MAX, Survey};

/// A campaign to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CampaignAsked {
    /// The questionnaire's name.
    survey: String,
    /// The trunk that is tried first; left out: any.
    #[serde(default)]
    trunk: String,
    /// The numbers.
    sample: Vec<SampledAsked>,
    /// Attempts to reach one number, 1 to 5.
    #[serde(default)]
    attempts: Option<u16>,
    /// What scales and orders are drawn from by lot; left out: drawn itself.
    #[serde(default)]
    seed: Option<u64>,
}

/// A number to ring.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SampledAsked {
    /// The number.
    number: String,
    /// The case it is about, as number or text.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    case: Option<CaseAsked>,
    /// The organisation that is rated; left out: the case's village.
    #[serde(default)]
    unit: Option<i64>,
    /// The window that is rated; left out: the case's.
    #[serde(default)]
    window: Option<i16>,
    /// The age band, as drawn.
    #[serde(default)]
    age_band: Option<String>,
    /// The design weight; left out: 1.
    #[serde(default)]
    weight: Option<f64>,
}

/// A case number as programs write it.
#[derive(Deserialize)]
#[serde(untagged)]
enum CaseAsked {
    Number(i64),
    Text(String),
}

/// A campaign that was made.
#[derive(Serialize, ToSchema)]
pub(super) struct Made {
    /// Its key.
    id: i64,
}

/// A campaign's state, after it was changed.
#[derive(Serialize, ToSchema)]
pub(super) struct Changed {
    /// Its key.
    id: i64,
    /// `running`, `paused` or `stopped`.
    state: &'static str,
}

/// How far a campaign is.
#[derive(Serialize, ToSchema)]
pub(super) struct Campaign {
    /// Its key.
    id: i64,
    /// The questionnaire's name.
    survey: String,
    /// The questionnaire's version: SHA-256 of its file.
    survey_hash: String,
    /// The trunk that is tried first; empty: any.
    trunk: String,
    /// `running`, `paused` or `stopped`.
    state: &'static str,
    /// Who made it.
    created_by: String,
    /// When.
    created_at: DateTime<Utc>,
    /// Numbers in all.
    total: i64,
    /// Numbers that are rung or will be.
    remaining: i64,
    /// Numbers being rung.
    calling: i64,
    /// Attempts made.
    attempts: i64,
    /// Numbers by AAPOR code, final or so far.
    dispositions: BTreeMap<&'static str, u64>,
    /// RR1 to RR6, COOP1 to COOP4, REF1 to REF3, CON1 to CON3; null where nothing can be divided by.
    rates: BTreeMap<&'static str, Option<f64>>,
}

/// What was answered in a campaign.
#[derive(Serialize, ToSchema)]
pub(super) struct Results {
    /// The campaign.
    campaign: i64,
    /// The questionnaire's name.
    survey: String,
    /// What it is headed with.
    title: String,
    /// People reached whose answers hold.
    respondents: usize,
    /// The questions in their order.
    questions: Vec<Question>,
    /// The shares of groups, where they were asked for.
    groups: Vec<Group>,
}

/// One question's answers.
#[derive(Serialize, ToSchema)]
pub(super) struct Question {
    /// Its name.
    id: String,
    /// What it is headed with.
    title: String,
    /// `rating`, `yes_no`, `choice`, `number` or `remark`.
    kind: &'static str,
    /// The figure it makes; null: none.
    measure: Option<&'static str>,
    /// Answers.
    n: u64,
    /// Answers by value.
    counts: BTreeMap<String, u64>,
    /// The mean of levels, 1 the worst and 5 the best, or of numbers.
    mean: Option<f64>,
    /// 95 % interval of the mean, or of the share where there is no mean.
    interval: Option<Ends>,
    /// The share of good answers.
    share: Option<Share>,
}

/// A 95 % interval.
#[derive(Serialize, ToSchema)]
pub(super) struct Ends {
    /// Its lower end.
    low: f64,
    /// Its upper end.
    high: f64,
}

/// A share with all that it takes to judge it.
#[derive(Serialize, ToSchema)]
pub(super) struct Share {
    /// Answers that count for it.
    numerator: u64,
    /// Answers.
    denominator: u64,
    /// Reached, and did not answer.
    missing: u64,
    /// The share, weighted where the sample is.
    value: Option<f64>,
    /// Wilson's 95 % interval.
    interval: Option<Ends>,
}

/// One group's share for one measure.
#[derive(Serialize, ToSchema)]
pub(super) struct Group {
    /// What it measures.
    measure: &'static str,
    /// The unit's or window's key, the age band, the mode or the hour; empty where it is not known.
    group: String,
    /// Null where fewer than five answered.
    share: Option<Share>,
    /// How many are better beyond doubt, plus one; null where fewer than thirty answered, or groups do not compete.
    rank: Option<usize>,
}

/// How results are told apart.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ResultsAsked {
    /// `unit`, `window`, `age`, `mode` or `hour`.
    by: Option<String>,
}

/// Which part of the list of campaigns.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CampaignsAsked {
    /// Most rows, 1 to 200.
    limit: Option<i64>,
    /// Only campaigns made before the one with this key.
    before: Option<i64>,
}

/// Campaigns, newest first.
#[utoipa::path(get, path = "/api/v1/campaigns", params(CampaignsAsked), responses((status = 200, body = Items<Campaign>)))]
pub(super) async fn list(
    State(state): State<WebState>,
    Query(asked): Query<CampaignsAsked>,
) -> Result<Json<Items<Campaign>>, WebError> {
    let campaigns = campaigns::recent(&state.pool, asked.before, limit(asked.limit)?).await?;
    Ok(Json(Items { items: campaigns.into_iter().map(Campaign::from).collect() }))
}

/// Makes a campaign: its numbers are rung from now on, in the hours in which people may be.
#[utoipa::path(
    post, path = "/api/v1/campaigns", request_body = CampaignAsked,
    responses((status = 201, body = Made), (status = 422, description = "what is wrong with it"))
)]
pub(super) async fn create(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Json(asked): Json<CampaignAsked>,
) -> Result<Response, WebError> {
    let survey = state.surveys.get(&asked.survey);
    let survey = survey.ok_or_else(|| refused(format!("survey: there is no questionnaire `{}`", asked.survey)))?;
    if !asked.trunk.is_empty() && !state.trunks.contains(&asked.trunk) {
        return Err(refused(format!("trunk: there is no trunk `{}`", asked.trunk)));
    }
    let now = wall();
    let new = new_campaign(survey, asked, &visitor.name, now)?;
    let id = campaigns::create(&state.pool, &new, now).await?;
    Ok((StatusCode::CREATED, Json(Made { id })).into_response())
}

/// How far a campaign is.
#[utoipa::path(
    get, path = "/api/v1/campaigns/{id}", params(("id" = i64, Path)),
    responses((status = 200, body = Campaign), (status = 404))
)]
pub(super) async fn one(State(state): State<WebState>, Path(id): Path<i64>) -> Result<Json<Campaign>, WebError> {
    Ok(Json(campaigns::progress(&state.pool, id).await?.into()))
}

/// What was answered, question by question, and group by group where asked for. Looked at by name: audited.
#[utoipa::path(
    get, path = "/api/v1/campaigns/{id}/results", params(("id" = i64, Path), ResultsAsked),
    responses((status = 200, body = Results), (status = 404))
)]
pub(super) async fn answers(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
    Query(asked): Query<ResultsAsked>,
) -> Result<Json<Results>, WebError> {
    let by = match asked.by.as_deref() {
        None | Some("") => None,
        Some(code) => Some(By::from_code(code).ok_or(WebError::BadRequest { field: "by" })?),
    };
    let body = results::survey_body(&state.pool, id).await?;
    let survey = Survey::parse(&body).map_err(|problems| WebError::Survey(format!("{problems:?}")))?;
    trail::append(&state, &visitor, "results", &format!("campaign/{id}"), "").await?;
    let respondents = results::respondents(&state.pool, id).await?;
    let groups = by.map_or(Vec::new(), |by| grouped(&survey, &respondents, by));
    Ok(Json(Results {
        campaign: id,
        respondents: respondents.len(),
        questions: crate::survey::results(&survey, &respondents).into_iter().map(Question::from).collect(),
        groups: groups.into_iter().map(Group::from).collect(),
        survey: survey.name,
        title: survey.title,
    }))
}

/// Rings nobody until resumed; calls under way go on.
#[utoipa::path(
    post, path = "/api/v1/campaigns/{id}/pause", params(("id" = i64, Path)),
    responses((status = 200, body = Changed), (status = 404), (status = 409, description = "it was stopped"))
)]
pub(super) async fn pause(
    state: State<WebState>,
    visitor: Extension<Visitor>,
    id: Path<i64>,
) -> Result<Json<Changed>, WebError> {
    change(state, visitor, id, CampaignState::Paused).await
}

/// Goes on after a pause.
#[utoipa::path(
    post, path = "/api/v1/campaigns/{id}/resume", params(("id" = i64, Path)),
    responses((status = 200, body = Changed), (status = 404), (status = 409, description = "it was stopped"))
)]
pub(super) async fn resume(
    state: State<WebState>,
    visitor: Extension<Visitor>,
    id: Path<i64>,
) -> Result<Json<Changed>, WebError> {
    change(state, visitor, id, CampaignState::Running).await
}

/// Ends it for good; calls under way go on.
#[utoipa::path(
    post, path = "/api/v1/campaigns/{id}/stop", params(("id" = i64, Path)),
    responses((status = 200, body = Changed), (status = 404))
)]
pub(super) async fn stop(
    state: State<WebState>,
    visitor: Extension<Visitor>,
    id: Path<i64>,
) -> Result<Json<Changed>, WebError> {
    change(state, visitor, id, CampaignState::Stopped).await
}

async fn change(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
    to: CampaignState,
) -> Result<Json<Changed>, WebError> {
    campaigns::set_state(&state.pool, id, to, &visitor.name, wall()).await?;
    Ok(Json(Changed { id, state: to.code() }))
}

fn new_campaign(
    survey: &Survey,
    asked: CampaignAsked,
    created_by: &str,
    now: DateTime<Utc>,
) -> Result<NewCampaign, WebError> {
    let attempts_max = asked.attempts.unwrap_or(ATTEMPTS_MAX);
    if !(1..=ATTEMPTS_MAX).contains(&attempts_max) {
        return Err(refused(format!("attempts: must be 1 to {ATTEMPTS_MAX}")));
    }
    let numbered = asked.sample.into_iter().enumerate();
    let sample = numbered.map(|(at, sampled)| sampled.parsed(at, now)).collect::<Result<_, _>>()?;
    Ok(NewCampaign {
        survey: survey.name.clone(),
        hash: survey.hash.clone(),
        body: survey.body.clone(),
        trunk: asked.trunk,
        seed: asked.seed.unwrap_or_else(rand::random),
        attempts_max,
        standing: false,
        created_by: created_by.to_owned(),
        sample,
    })
}

impl SampledAsked {
    fn parsed(self, at: usize, now: DateTime<Utc>) -> Result<Sampled, WebError> {
        let Self { number, case, unit, window, age_band, weight } = self;
        let case = case.map(|case| match case {
            CaseAsked::Number(number) => number.to_string(),
            CaseAsked::Text(text) => text,
        });
        let line = Line { number, case, unit, window, age_band, weight };
        let listed = line.parsed().map_err(|fault| refused(format!("sample[{at}].{fault}")))?;
        Ok(Sampled::listed(listed, now))
    }
}

fn refused(what: String) -> WebError {
    WebError::Refused(what)
}

impl From<CampaignError> for WebError {
    fn from(error: CampaignError) -> Self {
        match error {
            CampaignError::Unknown(_) => Self::NotFound,
            CampaignError::Stopped(_) => Self::Conflict,
            CampaignError::Size(_)
            | CampaignError::Twice(_)
            | CampaignError::UnknownCase { .. }
            | CampaignError::UnknownPlace(_)
            | CampaignError::NotApproved { .. }
            | CampaignError::Standing => Self::Refused(error.to_string()),
            CampaignError::Database(e) => Self::Database(e),
        }
    }
}

impl From<Progress> for Campaign {
    fn from(progress: Progress) -> Self {
        let counts = Counts::of(progress.dispositions.iter().map(|(d, n)| (*d, *n)));
        Self {
            id: progress.id,
            survey: progress.survey,
            survey_hash: progress.hash,
            trunk: progress.trunk,
            state: progress.state.code(),
            created_by: progress.created_by,
            created_at: progress.created_at,
            total: progress.total,
            remaining: progress.remaining,
            calling: progress.calling,
            attempts: progress.attempts,
            dispositions: progress.dispositions.into_iter().map(|(d, n)| (d.code(), n)).collect(),
            rates: counts.rates().into_iter().map(|rate| (rate.name, rate.value)).collect(),
        }
    }
}

impl From<crate::survey::QuestionResult> for Question {
    fn from(result: crate::survey::QuestionResult) -> Self {
        let mean = result.mean.map(|mean| mean.value);
        let interval = match (result.mean, result.share) {
            (Some(mean), _) => mean.interval,
            (None, Some(share)) => share.interval,
            (None, None) => None,
        };
        Self {
            id: result.id,
            title: result.title,
            kind: result.kind,
            measure: result.measure.map(|m| m.code()),
            n: result.n,
            counts: result.counts,
            mean,
            interval: interval.map(Ends::from),
            share: result.share.map(Share::from),
        }
    }
}

impl From<crate::survey::groups::GroupShare> for Group {
    fn from(group: crate::survey::groups::GroupShare) -> Self {
        let (shown, rank) = match group.standing {
            Standing::Hidden => (false, None),
            Standing::Unranked => (true, None),
            Standing::Rank(rank) => (true, Some(rank)),
        };
        Self { measure: group.measure.code(), group: group.group, share: shown.then(|| Share::from(group.share)), rank }
    }
}

impl From<Proportion> for Share {
    fn from(share: Proportion) -> Self {
        Self {
            numerator: share.numerator,
            denominator: share.denominator,
            missing: share.missing,
            value: share.value,
            interval: share.interval.map(Ends::from),
        }
    }
}

impl From<Interval> for Ends {
    fn from(interval: Interval) -> Self {
        Self { low: interval.low, high: interval.high }
    }
}
