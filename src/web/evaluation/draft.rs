//! Making a campaign: whom to ring comes from a file or from closed cases; everything is checked before anybody is rung, and
//! the whole is looked at once more before it begins.

use askama::Template;
use axum::extract::{Extension, Form as FormBody, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::super::access::{Right, Visitor};
use super::super::calls::{Choice, window_choices};
use super::super::error::WebError;
use super::super::page::{Page, render};
use super::super::text::Text;
use super::super::text::survey::SurveyText;
use super::super::upload::Upload;
use super::super::{WebState, form, show};
use super::units::{self, Branch};
use crate::clock::wall;
use crate::store::campaigns::{self, NewCampaign, SAMPLE_MAX, Sampled};
use crate::store::drafts::{self, Draft};
use crate::store::sample_file::{self, COLUMNS, Fault, FaultKind};
use crate::store::{population, read_office, results};
use crate::survey::sampling::Quota;
use crate::survey::simulation::{Assumptions, Forecast, forecast};
use crate::survey::{ATTEMPTS_MAX, Disposition, SurveyHash, Windows, is_delivered};

/// Numbers of a draft that are shown.
const SHOWN: usize = 20;

/// Numbers that are rung in thought, at most; a larger campaign is not forecast.
const FORECAST_MAX: usize = 20_000;

/// Calls at once of a forecast.
const CHANNELS: usize = 10;

struct Trouble {
    line: String,
    what: String,
}

#[derive(Template)]
#[template(path = "evaluation/campaign_new.html")]
struct NewPage {
    page: Page,
    t: &'static Text,
    w: &'static SurveyText,
    surveys: Vec<Choice>,
    trunks: Vec<Choice>,
    branches: Vec<Branch>,
    windows: Vec<Choice>,
    columns: String,
    attempts: u16,
    seed: String,
    from: String,
    until: String,
    quota: String,
    each: bool,
    closed: bool,
    trouble: Vec<Trouble>,
    more: bool,
}

/// `GET /campaigns/new`.
pub(in crate::web) async fn new(State(state): State<WebState>, page: Page) -> Result<Response, WebError> {
    form_page(&state, page, &Upload::default(), &[]).await
}

/// The form with what was sent, the file excepted, which browsers do not send back.
async fn form_page(state: &WebState, page: Page, sent: &Upload, faults: &[Fault]) -> Result<Response, WebError> {
    let w = page.lang.survey();
    let windows = read_office::windows(&state.pool).await?;
    let choice = |value: &str, label: String, field: &str| Choice {
        value: value.to_owned(),
        label,
        chosen: sent.field(field) == value,
    };
    let page = NewPage {
        surveys: state
            .surveys
            .values()
            .map(|s| choice(&s.name, format!("{} ({})", s.title, s.name), "survey"))
            .collect(),
        trunks: state.trunks.iter().map(|name| choice(name, name.clone(), "trunk")).collect(),
        branches: units::branches(&(state.directory)(), sent.field("unit").parse().ok()),
        windows: window_choices(&windows, page.lang, sent.field("window")),
        columns: COLUMNS.join(","),
        attempts: sent.field("attempts").parse().unwrap_or(ATTEMPTS_MAX),
        seed: sent.field("seed").to_owned(),
        from: sent.field("from").to_owned(),
        until: sent.field("until").to_owned(),
        quota: sent.field("quota").to_owned(),
        each: sent.field("kind") == "each",
        closed: sent.field("source") == "closed",
        trouble: faults.iter().map(|fault| trouble(fault, w)).collect(),
        more: faults.len() >= sample_file::FAULTS_MAX,
        t: page.lang.text(),
        w,
        page,
    };
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok((status, render(&page)?).into_response())
}

fn trouble(fault: &Fault, w: &SurveyText) -> Trouble {
    let what = match &fault.kind {
        FaultKind::Table(why) => format!("{} {why}", w.f_table),
        FaultKind::Column(name) => format!("{} {name}", w.f_column),
        FaultKind::NoNumbers => w.f_no_numbers.to_owned(),
        FaultKind::Size(n) => format!("{} {n} / {SAMPLE_MAX}", w.f_size),
        FaultKind::Number => w.f_number.to_owned(),
        FaultKind::Case(_) => w.f_case.to_owned(),
        FaultKind::UnknownCase => w.f_unknown_case.to_owned(),
        FaultKind::Unit => w.f_unit.to_owned(),
        FaultKind::Window => w.f_window.to_owned(),
        FaultKind::AgeBand => w.f_age_band.to_owned(),
        FaultKind::Weight => w.f_weight.to_owned(),
        FaultKind::Twice(line) => format!("{} {line}", w.f_twice),
    };
    Trouble { line: if fault.line > 0 { fault.line.to_string() } else { "–".to_owned() }, what }
}

/// `POST /campaigns/new`: checks everything; rings nobody.
pub(in crate::web) async fn prepare(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Extension(sent): Extension<Upload>,
    page: Page,
) -> Result<Response, WebError> {
    let survey = state.surveys.get(sent.field("survey")).ok_or(WebError::BadRequest { field: "survey" })?;
    let trunk = sent.field("trunk");
    if !trunk.is_empty() && !state.trunks.iter().any(|name| name == trunk) {
        return Err(WebError::BadRequest { field: "trunk" });
    }
    let attempts = form::number("attempts", Some(sent.field("attempts")))?.unwrap_or(ATTEMPTS_MAX);
    if !(1..=ATTEMPTS_MAX).contains(&attempts) {
        return Err(WebError::BadRequest { field: "attempts" });
    }
    let seed = form::number("seed", Some(sent.field("seed")))?.unwrap_or_else(rand::random);
    let now = wall();
    let found = match sent.field("source") {
        "closed" => Ok(closed(&state, &sent, seed, now).await?),
        _ => from_file(&state, &sent, now).await?,
    };
    let sample = match found {
        Ok(sample) if sample.is_empty() => Err(vec![Fault { line: 0, kind: FaultKind::Size(0) }]),
        other => other,
    };
    match sample {
        Err(faults) => form_page(&state, page, &sent, &faults).await,
        Ok(sample) => {
            let draft = Draft::new(&survey.name, survey.hash.clone(), trunk.to_owned(), attempts, seed, sample);
            let id = drafts::keep(&state.pool, &draft, &visitor.name, now).await?;
            Ok(Redirect::to(&format!("/campaigns/drafts/{id}")).into_response())
        }
    }
}

async fn from_file(
    state: &WebState,
    sent: &Upload,
    now: DateTime<Utc>,
) -> Result<Result<Vec<Sampled>, Vec<Fault>>, WebError> {
    let file = sent.file.clone();
    let lines = match tokio::task::spawn_blocking(move || sample_file::read(&file, now)).await? {
        Ok(lines) => lines,
        Err(faults) => return Ok(Err(faults)),
    };
    let faults = drafts::examine(&state.pool, &lines).await?;
    Ok(if faults.is_empty() { Ok(lines.into_iter().map(|(_, sampled)| sampled).collect()) } else { Err(faults) })
}

/// A random sample of the cases closed in a period, of one unit or window where so asked.
async fn closed(state: &WebState, sent: &Upload, seed: u64, now: DateTime<Utc>) -> Result<Vec<Sampled>, WebError> {
    let from = form::day("from", Some(sent.field("from")))?.ok_or(WebError::BadRequest { field: "from" })?;
    let until = form::day("until", Some(sent.field("until")))?.ok_or(WebError::BadRequest { field: "until" })?;
    let unit: Option<i64> = form::number("unit", Some(sent.field("unit")))?;
    let window: Option<i16> = form::number("window", Some(sent.field("window")))?;
    let n: usize = form::number("quota", Some(sent.field("quota")))?.ok_or(WebError::BadRequest { field: "quota" })?;
    let quota = if sent.field("kind") == "each" { Quota::Each(n) } else { Quota::Total(n) };
    let units = unit.and_then(|unit| units::below(&(state.directory)(), unit));
    let mut all = population::closed_cases(&state.pool, from, until, now).await?;
    all.retain(|s| {
        let here = units.as_ref().is_none_or(|units| s.unit.is_some_and(|u| units.contains(&u.0)));
        here && window.is_none_or(|window| s.window.is_some_and(|w| w.0 == window))
    });
    Ok(population::drawn(&all, quota, seed))
}

struct Shown {
    number: String,
    case: String,
    unit: String,
    window: String,
    age: String,
    weight: String,
}

struct Expected {
    name: &'static str,
    n: u64,
}

struct Thought {
    attempts: u64,
    ends: String,
    expected: Vec<Expected>,
}

#[derive(Template)]
#[template(path = "evaluation/draft.html")]
struct DraftPage {
    page: Page,
    t: &'static Text,
    w: &'static SurveyText,
    id: i64,
    title: String,
    survey: String,
    hash: String,
    short: String,
    /// Whether the questionnaire changed since: it must be prepared anew.
    stale: bool,
    /// Whether a second person approved it.
    approved: bool,
    trunk: String,
    attempts: u16,
    seed: u64,
    total: usize,
    refused: i64,
    shown: Vec<Shown>,
    thought: Option<Thought>,
}

/// `GET /campaigns/drafts/{id}`: everything once more, with what to expect.
pub(in crate::web) async fn look(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
    page: Page,
) -> Result<Response, WebError> {
    let now = wall();
    let draft = drafts::read(&state.pool, id, &visitor.name, now).await?.ok_or(WebError::NotFound)?;
    let survey = state.surveys.get(&draft.survey);
    let sample = draft.sample(now);
    let directory = (state.directory)();
    let w = page.lang.survey();
    let shown = |s: &Sampled| Shown {
        number: s.number.masked(),
        case: s.case.map(|c| c.to_string()).unwrap_or_default(),
        unit: s.unit.map(|u| units::name(&directory, u.0)).unwrap_or_default(),
        window: s.window.map(|code| code.0.to_string()).unwrap_or_default(),
        age: s.age_band.clone().unwrap_or_default(),
        weight: format!("{:.2}", s.weight),
    };
    let refused = drafts::refused(&state.pool, &sample).await?;
    let (total, attempts, seed) = (sample.len(), draft.attempts_max, draft.seed);
    let windows = Windows::standard(&directory.calendar, []);
    let thought = if total <= FORECAST_MAX {
        let rung = move || forecast(total, CHANNELS, attempts, &windows, &Assumptions::default(), now, seed);
        Some(thought(&tokio::task::spawn_blocking(rung).await?, w))
    } else {
        None
    };
    render(&DraftPage {
        id,
        title: survey.map_or_else(|| draft.survey.clone(), |s| s.title.clone()),
        stale: survey.is_none_or(|s| s.hash != draft.hash),
        approved: approved(&state, &draft.hash).await?,
        short: draft.hash.0.chars().take(12).collect(),
        hash: draft.hash.0,
        survey: draft.survey,
        trunk: draft.trunk,
        attempts,
        seed,
        total,
        refused,
        shown: sample.iter().take(SHOWN).map(shown).collect(),
        thought,
        t: page.lang.text(),
        w,
        page,
    })
}

/// Whether campaigns may ask this version: somebody approved it, or it was delivered with the program.
async fn approved(state: &WebState, hash: &SurveyHash) -> Result<bool, WebError> {
    Ok(is_delivered(hash) || results::version_body(&state.pool, &hash.0).await?.is_some())
}

fn thought(found: &Forecast, w: &SurveyText) -> Thought {
    let expected = |(d, n): (&Disposition, &u64)| Expected { name: w.disposition(*d), n: *n };
    Thought {
        attempts: found.attempts,
        ends: show::exact(found.ends_at),
        expected: found.dispositions.iter().map(expected).collect(),
    }
}

/// The box that has to be ticked.
#[derive(Deserialize)]
pub(in crate::web) struct Begin {
    sure: Option<String>,
}

/// `POST /campaigns/drafts/{id}`: the campaign begins.
pub(in crate::web) async fn begin(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
    FormBody(asked): FormBody<Begin>,
) -> Result<Response, WebError> {
    if asked.sure.is_none() {
        return Err(WebError::BadRequest { field: "sure" });
    }
    let now = wall();
    let draft = drafts::read(&state.pool, id, &visitor.name, now).await?.ok_or(WebError::NotFound)?;
    let survey = state.surveys.get(&draft.survey).filter(|s| s.hash == draft.hash).ok_or(WebError::Conflict)?;
    if !approved(&state, &draft.hash).await? {
        return Err(WebError::Conflict);
    }
    // From here on it is this request's alone.
    let draft = drafts::take(&state.pool, id, &visitor.name, now).await?.ok_or(WebError::NotFound)?;
    let new = NewCampaign {
        survey: survey.name.clone(),
        hash: survey.hash.clone(),
        body: survey.body.clone(),
        trunk: draft.trunk.clone(),
        seed: draft.seed,
        attempts_max: draft.attempts_max,
        standing: false,
        created_by: visitor.name.clone(),
        sample: draft.sample(now),
    };
    let campaign = campaigns::create(&state.pool, &new, now).await?;
    Ok(Redirect::to(&format!("/campaigns/{campaign}?saved=1")).into_response())
}
