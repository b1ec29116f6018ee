//! One campaign: progress, what became of its numbers, rates with their formulas; pause, resume, stop.

use askama::Template;
use axum::extract::{Extension, Form as FormBody, Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::super::access::{Right, Visitor};
use super::super::calls::window_name;
use super::super::error::WebError;
use super::super::page::{Page, cut, render};
use super::super::text::Text;
use super::super::text::survey::SurveyText;
use super::super::{WebState, form, mask, show, trail};
use super::campaigns::{bar, rate};
use super::chart::{Bar, Parts};
use super::figure::percent;
use super::sheet::{Cell, Form, Sheet};
use super::units;
use crate::clock;
use crate::store::campaigns::{self, CampaignState};
use crate::store::evidence::{self, Sampled};
use crate::store::read_office;
use crate::survey::Disposition;
use crate::survey::rates::Counts;

/// Numbers on one page.
const PAGE_ROWS: i64 = 100;

struct Became {
    code: &'static str,
    name: &'static str,
    n: u64,
    share: String,
    bar: Bar,
}

struct Rate {
    name: &'static str,
    value: Option<String>,
    formula: &'static str,
}

#[derive(Template)]
#[template(path = "evaluation/campaign.html")]
struct CampaignPage {
    page: Page,
    t: &'static Text,
    w: &'static SurveyText,
    id: i64,
    survey: String,
    hash: String,
    short: String,
    trunk: String,
    state: &'static str,
    code: &'static str,
    made: String,
    by: String,
    total: i64,
    remaining: i64,
    calling: i64,
    attempts: i64,
    done: String,
    bar: Parts,
    became: Vec<Became>,
    rates: Vec<Rate>,
    eligibility: String,
    saved: bool,
}

/// What a link back to the page may say.
#[derive(Default, Deserialize)]
pub(in crate::web) struct Came {
    saved: Option<String>,
}

/// `GET /campaigns/{id}`.
pub(in crate::web) async fn one(
    State(state): State<WebState>,
    Path(id): Path<i64>,
    Query(came): Query<Came>,
    page: Page,
) -> Result<Response, WebError> {
    let progress = campaigns::progress(&state.pool, id).await?;
    let w = page.lang.survey();
    let counts = Counts::of(progress.dispositions.iter().map(|(d, n)| (*d, *n)));
    let total = progress.total.unsigned_abs();
    let became = |(d, n): (&Disposition, &u64)| Became {
        code: d.code(),
        name: w.disposition(*d),
        n: *n,
        share: percent(*n as f64 / total.max(1) as f64),
        bar: Bar::of(*n, total),
    };
    let rate = |(name, formula): (&'static str, &'static str)| Rate {
        name,
        value: rate(&progress, name).map(percent),
        formula,
    };
    render(&CampaignPage {
        id,
        short: progress.hash.chars().take(12).collect(),
        state: w.campaign_state(progress.state),
        code: progress.state.code(),
        made: show::exact(progress.created_at),
        done: percent((progress.total - progress.remaining) as f64 / progress.total.max(1) as f64),
        bar: bar(&progress),
        became: progress.dispositions.iter().map(became).collect(),
        rates: w.rates().map(rate).into(),
        eligibility: counts.eligibility().map_or_else(|| "–".to_owned(), percent),
        saved: came.saved.is_some(),
        total: progress.total,
        remaining: progress.remaining,
        calling: progress.calling,
        attempts: progress.attempts,
        survey: progress.survey,
        hash: progress.hash,
        trunk: progress.trunk,
        by: progress.created_by,
        t: page.lang.text(),
        w,
        page,
    })
}

/// Which of the numbers.
#[derive(Default, Deserialize)]
pub(in crate::web) struct Wanted {
    disposition: Option<String>,
    after: Option<String>,
}

struct Number {
    number: String,
    unit: String,
    window: String,
    age: String,
    attempts: i16,
    outcome: String,
    started: String,
    call: Option<String>,
}

#[derive(Template)]
#[template(path = "evaluation/numbers.html")]
struct NumbersPage {
    page: Page,
    t: &'static Text,
    w: &'static SurveyText,
    id: i64,
    code: &'static str,
    name: &'static str,
    total: u64,
    rows: Vec<Number>,
    first: bool,
    next: Option<String>,
}

/// `GET /campaigns/{id}/numbers`: the numbers with one disposition, so many as the campaign's page says.
pub(in crate::web) async fn numbers(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
    Query(wanted): Query<Wanted>,
    page: Page,
) -> Result<Response, WebError> {
    let progress = campaigns::progress(&state.pool, id).await?;
    let disposition = match form::text(wanted.disposition.as_deref()) {
        None => None,
        Some(code) => Some(Disposition::from_code(code).ok_or(WebError::BadRequest { field: "disposition" })?),
    };
    let after: i64 = form::number("after", wanted.after.as_deref())?.unwrap_or(0);
    let code = disposition.map_or("", Disposition::code);
    trail::append(&state, &visitor, "numbers", &format!("campaign/{id}"), code).await?;
    let mut found =
        evidence::numbers(&state.pool, id, disposition.map(Disposition::code), after, PAGE_ROWS + 1).await?;
    let more = cut(&mut found, PAGE_ROWS);
    let next = found.last().filter(|_| more).map(|last| {
        format!("/campaigns/{id}/numbers{}", form::query([("disposition", code), ("after", &last.id.to_string())]))
    });
    let windows = read_office::windows(&state.pool).await?;
    let directory = (state.directory)();
    let w = page.lang.survey();
    let row = |s: Sampled| Number {
        number: mask::phone(Some(&s.number)).unwrap_or_default(),
        unit: s.unit_id.map(|unit| units::name(&directory, unit)).unwrap_or_default(),
        window: s
            .window_code
            .and_then(|code| windows.iter().find(|x| x.code == code))
            .map(|x| window_name(x, page.lang))
            .unwrap_or_default(),
        age: s.age_band.unwrap_or_default(),
        attempts: s.attempts,
        outcome: s.outcome.as_deref().map(|code| w.outcome(code).to_owned()).unwrap_or_default(),
        started: s.started_at.map(show::exact).unwrap_or_default(),
        call: s.attempt.filter(|_| s.called).map(|id| id.to_string()),
    };
    let total = match disposition {
        Some(d) => progress.dispositions.get(&d).copied().unwrap_or(0),
        None => progress.total.unsigned_abs(),
    };
    render(&NumbersPage {
        id,
        code,
        name: disposition.map_or(w.numbers, |d| w.disposition(d)),
        total,
        rows: found.into_iter().map(row).collect(),
        first: after == 0,
        next,
        t: page.lang.text(),
        w,
        page,
    })
}

/// Why a campaign is paused, goes on or ends.
#[derive(Deserialize)]
pub(in crate::web) struct Change {
    reason: String,
    /// The box that has to be ticked.
    sure: Option<String>,
}

/// `POST /campaigns/{id}/pause`.
pub(in crate::web) async fn pause(
    state: State<WebState>,
    visitor: Extension<Visitor>,
    id: Path<i64>,
    asked: FormBody<Change>,
) -> Result<Response, WebError> {
    change(state, visitor, id, asked, CampaignState::Paused).await
}

/// `POST /campaigns/{id}/resume`.
pub(in crate::web) async fn resume(
    state: State<WebState>,
    visitor: Extension<Visitor>,
    id: Path<i64>,
    asked: FormBody<Change>,
) -> Result<Response, WebError> {
    change(state, visitor, id, asked, CampaignState::Running).await
}

/// `POST /campaigns/{id}/stop`.
pub(in crate::web) async fn stop(
    state: State<WebState>,
    visitor: Extension<Visitor>,
    id: Path<i64>,
    asked: FormBody<Change>,
) -> Result<Response, WebError> {
    change(state, visitor, id, asked, CampaignState::Stopped).await
}

async fn change(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
    FormBody(asked): FormBody<Change>,
    to: CampaignState,
) -> Result<Response, WebError> {
    let reason = form::needed("reason", &asked.reason, form::LINE_LIMIT)?;
    // What cannot be undone is asked twice.
    if to == CampaignState::Stopped && asked.sure.is_none() {
        return Err(WebError::BadRequest { field: "sure" });
    }
    campaigns::set_state_because(&state.pool, id, to, &visitor.name, &reason, clock::wall()).await?;
    Ok(Redirect::to(&format!("/campaigns/{id}?saved=1")).into_response())
}

/// `GET /campaigns/{id}/export/{form}`: dispositions and rates of one campaign.
pub(in crate::web) async fn export(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path((id, form)): Path<(i64, String)>,
    page: Page,
) -> Result<Response, WebError> {
    let form = Form::from_code(&form)?;
    let progress = campaigns::progress(&state.pool, id).await?;
    trail::append(&state, &visitor, "campaigns_export", &format!("campaign/{id}"), "").await?;
    let w = page.lang.survey();
    let total = progress.total.max(1) as f64;
    let became = progress.dispositions.iter().map(|(d, n)| {
        vec![Cell::text(d.code()), Cell::text(w.disposition(*d)), Cell::Count(*n), Cell::Share(*n as f64 / total)]
    });
    let rates = w.rates().map(|(name, formula)| {
        vec![Cell::text(name), Cell::text(formula), Cell::Empty, Cell::share(rate(&progress, name))]
    });
    let head = [w.code, w.meaning, w.numbers, w.share];
    let rows = became.chain(rates).collect();
    Sheet { name: format!("campaign-{id}"), head: head.map(str::to_owned).to_vec(), rows }.into_response(form)
}
