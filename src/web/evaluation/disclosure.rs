//! Published figures: the list, the sheet to print, the check that everything in it still follows, and freezing new ones.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::extract::{Extension, Form as FormBody, Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::NaiveDate;
use serde::Deserialize;

use super::super::access::{Right, Visitor};
use super::super::error::WebError;
use super::super::page::{Page, cut, render};
use super::super::text::survey::SurveyText;
use super::super::text::{Lang, Text};
use super::super::{WebState, form, show, trail};
use super::figure::percent;
use super::sheet::{Cell, Form, Sheet};
use super::units;
use crate::clock::wall;
use crate::directory::Directory;
use crate::store::campaigns;
use crate::store::disclosures::{self, DisclosureError, Listed, Publication};
use crate::survey::Measure;
use crate::survey::disclosure::{Disclosure, Doubt, Figure};

/// Rows on one page.
const PAGE_ROWS: i64 = 30;

/// Campaigns offered for publication, at most: the newest that ring nobody any more.
const OFFERED: i64 = 50;

struct Published {
    id: i64,
    title: String,
    scope: String,
    objections_until: NaiveDate,
    frozen: String,
    by: String,
    short: String,
}

struct Offered {
    id: i64,
    label: String,
}

#[derive(Template)]
#[template(path = "evaluation/disclosures.html")]
struct ListPage {
    page: Page,
    t: &'static Text,
    w: &'static SurveyText,
    rows: Vec<Published>,
    offered: Vec<Offered>,
    trouble: Option<&'static str>,
    first: bool,
    older: Option<String>,
}

/// From where to read.
#[derive(Default, Deserialize)]
pub(in crate::web) struct Asked {
    before: Option<String>,
}

/// `GET /disclosure`.
pub(in crate::web) async fn list(
    State(state): State<WebState>,
    Query(asked): Query<Asked>,
    page: Page,
) -> Result<Response, WebError> {
    list_page(&state, page, form::number("before", asked.before.as_deref())?, None).await
}

async fn list_page(
    state: &WebState,
    page: Page,
    before: Option<i64>,
    trouble: Option<&'static str>,
) -> Result<Response, WebError> {
    let mut rows = disclosures::list(&state.pool, before, PAGE_ROWS + 1).await?;
    let more = cut(&mut rows, PAGE_ROWS);
    let offered = if page.may(Right::RunCampaigns) {
        let over = campaigns::recent(&state.pool, None, OFFERED).await?.into_iter().filter(|c| c.remaining == 0);
        over.map(|c| Offered { id: c.id, label: format!("{} · {} · {}", c.id, c.survey, show::day(c.created_at)) })
            .collect()
    } else {
        Vec::new()
    };
    render(&ListPage {
        older: rows.last().filter(|_| more).map(|last| format!("/disclosure?before={}", last.id)),
        first: before.is_none(),
        rows: rows.into_iter().map(published).collect(),
        offered,
        trouble,
        t: page.lang.text(),
        w: page.lang.survey(),
        page,
    })
}

fn published(listed: Listed) -> Published {
    Published {
        id: listed.id,
        title: listed.title,
        scope: listed.scope,
        objections_until: listed.objections_until,
        frozen: show::exact(listed.created_at),
        by: listed.created_by,
        short: listed.sha256.chars().take(12).collect(),
    }
}

/// What is to be published.
#[derive(Deserialize)]
pub(in crate::web) struct Freeze {
    campaign: i64,
    title: String,
    scope: String,
    from: String,
    until: String,
}

/// `POST /disclosure`: freezes a campaign's figures, for ever.
pub(in crate::web) async fn freeze(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    page: Page,
    FormBody(asked): FormBody<Freeze>,
) -> Result<Response, WebError> {
    let from = form::day("from", Some(&asked.from))?.ok_or(WebError::BadRequest { field: "from" })?;
    let until = form::day("until", Some(&asked.until))?.ok_or(WebError::BadRequest { field: "until" })?;
    if until < from {
        return Err(WebError::BadRequest { field: "until" });
    }
    let what = Publication {
        campaign: asked.campaign,
        title: form::needed("title", &asked.title, form::LINE_LIMIT)?,
        scope: form::needed("scope", &asked.scope, form::LINE_LIMIT)?,
        objections: (from, until),
        actor: visitor.name.clone(),
    };
    match disclosures::freeze(&state.pool, &what, wall()).await {
        Ok((id, _)) => Ok(Redirect::to(&format!("/disclosure/{id}")).into_response()),
        Err(DisclosureError::Open { .. }) => {
            let trouble = Some(page.lang.survey().still_ringing);
            let page = Page { here: "/disclosure".to_owned(), ..page };
            Ok((StatusCode::CONFLICT, list_page(&state, page, None, trouble).await?).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// One unit's figures on the sheet.
struct Row {
    unit: String,
    cells: Vec<Option<Shown>>,
}

struct Shown {
    value: String,
    counts: String,
    interval: String,
    rank: Option<String>,
}

enum Verdict {
    Holds(usize),
    Doubted(Vec<String>),
}

#[derive(Template)]
#[template(path = "evaluation/disclosure.html")]
struct SheetPage {
    page: Page,
    t: &'static Text,
    w: &'static SurveyText,
    id: i64,
    title: String,
    scope: String,
    period: String,
    objections: String,
    frozen: String,
    phone: String,
    by: String,
    campaign: i64,
    method: String,
    hash: String,
    previous: String,
    rung: u64,
    people: usize,
    response: String,
    measures: Vec<&'static str>,
    rows: Vec<Row>,
    verdict: Option<Verdict>,
}

/// `GET /disclosure/{id}`.
pub(in crate::web) async fn one(
    State(state): State<WebState>,
    Path(id): Path<i64>,
    page: Page,
) -> Result<Response, WebError> {
    sheet_page(&state, id, page, false).await
}

/// `POST /disclosure/{id}/verify`: recomputes every figure from the answers.
pub(in crate::web) async fn verify(
    State(state): State<WebState>,
    Path(id): Path<i64>,
    page: Page,
) -> Result<Response, WebError> {
    let page = Page { here: format!("/disclosure/{id}"), ..page };
    sheet_page(&state, id, page, true).await
}

async fn sheet_page(state: &WebState, id: i64, page: Page, check: bool) -> Result<Response, WebError> {
    let (frozen, hash) = disclosures::read(&state.pool, id).await?.ok_or(WebError::NotFound)?;
    let verdict = if check { Some(checked(state, id, &frozen, &hash).await?) } else { None };
    let directory = (state.directory)();
    let w = page.lang.survey();
    let measures = measures(&frozen);
    let days: Vec<NaiveDate> = frozen.evidence.iter().flat_map(|r| &r.given).map(|g| show::day(g.at)).collect();
    let period = days.iter().min().zip(days.iter().max()).map(|(from, until)| span(*from, *until, page.lang));
    let phone = state.lines.first().and_then(|line| line.numbers.first()).cloned().unwrap_or_default();
    render(&SheetPage {
        id,
        period: period.unwrap_or_default(),
        objections: span(frozen.objections_from, frozen.objections_until, page.lang),
        frozen: day(show::day(frozen.frozen_at), page.lang),
        phone,
        by: format!("{}{}", district(&directory), w.office),
        campaign: frozen.campaign,
        hash,
        rung: frozen.dispositions.values().sum(),
        people: frozen.evidence.len(),
        response: frozen.rates.get("RR1").copied().flatten().map(percent).unwrap_or_default(),
        measures: measures.iter().map(|m| w.measure(*m)).collect(),
        rows: rows(&frozen, &measures, &directory, w),
        title: frozen.title,
        scope: frozen.scope,
        method: frozen.method,
        previous: frozen.previous,
        verdict,
        t: page.lang.text(),
        w,
        page,
    })
}

async fn checked(state: &WebState, id: i64, frozen: &Disclosure, hash: &str) -> Result<Verdict, WebError> {
    let text = frozen.canonical().map_err(|e| WebError::Survey(e.to_string()))?;
    let published = hash.to_owned();
    let found = tokio::task::spawn_blocking(move || Disclosure::verify(&text, Some(&published))).await?;
    let mut doubts: Vec<String> = match &found {
        Ok(_) => Vec::new(),
        Err(doubts) => doubts.iter().map(Doubt::to_string).collect(),
    };
    let before = disclosures::before(&state.pool, id).await?;
    if before != frozen.previous {
        doubts.push(format!("previous: {before} ≠ {}", frozen.previous));
    }
    Ok(if doubts.is_empty() { Verdict::Holds(frozen.figures.len()) } else { Verdict::Doubted(doubts) })
}

/// The name of the district.
fn district(directory: &Directory) -> &str {
    directory.organisations.values().find(|o| o.parent.is_none()).map_or("", |o| &o.name)
}

/// The measures of the sheet, in the order in which they are known.
fn measures(frozen: &Disclosure) -> Vec<Measure> {
    Measure::ALL.into_iter().filter(|m| frozen.figures.iter().any(|f| f.measure == m.code())).collect()
}

/// The units by name, each with a figure for each measure that may be shown.
fn rows(frozen: &Disclosure, measures: &[Measure], directory: &Directory, w: &SurveyText) -> Vec<Row> {
    let figures: BTreeMap<(&str, &str), &Figure> =
        frozen.figures.iter().map(|f| ((&*f.unit, &*f.measure), f)).collect();
    let units: BTreeSet<&str> = frozen.figures.iter().map(|f| &*f.unit).collect();
    let mut rows: Vec<Row> = units
        .into_iter()
        .map(|unit| Row {
            unit: match unit.parse() {
                Ok(key) => units::name(directory, key),
                Err(_) => w.no_unit.to_owned(),
            },
            cells: measures.iter().map(|m| figures.get(&(unit, m.code())).map(|f| shown(f, w))).collect(),
        })
        .collect();
    rows.sort_by(|a, b| a.unit.cmp(&b.unit));
    rows
}

fn shown(figure: &Figure, w: &SurveyText) -> Shown {
    let interval = figure.low.zip(figure.high).map(|(low, high)| format!("{}–{}", percent(low), percent(high)));
    Shown {
        value: figure.value.map(percent).unwrap_or_default(),
        counts: format!("{}/{}", figure.numerator, figure.denominator),
        interval: interval.unwrap_or_default(),
        rank: figure.rank.map(|rank| w.rank_th.replace('#', &rank.to_string())),
    }
}

fn day(day: NaiveDate, lang: Lang) -> String {
    match lang {
        Lang::Zh => show::han_day(day),
        Lang::En => day.format("%-d %B %Y").to_string(),
    }
}

fn span(from: NaiveDate, until: NaiveDate, lang: Lang) -> String {
    let between = match lang {
        Lang::Zh => "至",
        Lang::En => " to ",
    };
    if from == until { day(from, lang) } else { format!("{}{between}{}", day(from, lang), day(until, lang)) }
}

/// `GET /disclosure/{id}/export/{form}`: the figures as a table.
pub(in crate::web) async fn export(
    State(state): State<WebState>,
    Path((id, form)): Path<(i64, String)>,
    page: Page,
) -> Result<Response, WebError> {
    let form = Form::from_code(&form)?;
    let (frozen, _) = disclosures::read(&state.pool, id).await?.ok_or(WebError::NotFound)?;
    let directory = (state.directory)();
    let w = page.lang.survey();
    let row = |f: &Figure| {
        let measure = Measure::from_code(&f.measure).map_or(&*f.measure, |m| w.measure(m));
        vec![
            Cell::text(f.unit.parse().map_or_else(|_| w.no_unit.to_owned(), |unit| units::name(&directory, unit))),
            Cell::text(measure),
            Cell::Count(f.numerator),
            Cell::Count(f.denominator),
            Cell::Count(f.missing),
            Cell::share(f.value),
            Cell::share(f.low),
            Cell::share(f.high),
            f.rank.map_or(Cell::Empty, |rank| Cell::Count(rank as u64)),
        ]
    };
    let head = [w.unit, w.compare_by, w.good, w.answers, w.missing, w.share, w.low, w.high, w.rank];
    let rows = frozen.figures.iter().map(row).collect();
    Sheet { name: format!("disclosure-{id}"), head: head.map(str::to_owned).to_vec(), rows }.into_response(form)
}

/// `GET /disclosure/{id}/evidence.json`: the whole document, as `minxin export disclosure --verify` reads it.
pub(in crate::web) async fn whole(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
) -> Result<Response, WebError> {
    let (frozen, hash) = disclosures::read(&state.pool, id).await?.ok_or(WebError::NotFound)?;
    trail::append(&state, &visitor, "disclosure_export", &format!("disclosure/{id}"), &hash).await?;
    let text = frozen.canonical().map_err(|e| WebError::Survey(e.to_string()))?;
    let head = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (CACHE_CONTROL, "no-store".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"disclosure-{id}.json\"")),
    ];
    Ok((head, text).into_response())
}

impl From<DisclosureError> for WebError {
    fn from(error: DisclosureError) -> Self {
        match error {
            DisclosureError::Campaign(error) => error.into(),
            DisclosureError::Open { .. } => Self::Conflict,
            DisclosureError::Survey(_) | DisclosureError::Encode(_) => Self::Survey(error.to_string()),
            DisclosureError::Database(source) => Self::Database(source),
        }
    }
}
