//! One case: what was asked, who answers for it, its life so far, and what may be done with it next.

use askama::Template;
use axum::extract::{Extension, Form, Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::access::{Right, Visitor};
use super::calls::window_name;
use super::cases::{Due, Owners, due, owners};
use super::error::WebError;
use super::page::{Page, render};
use super::text::Text;
use super::writes::{self, Shown};
use super::{WebState, form, mask, show, trail};
use crate::cases::State as CaseState;
use crate::clock;
use crate::directory::PostId;
use crate::ids::CaseNumber;
use crate::store::read_cases::{self, CaseDetail, CaseEventRow};
use crate::store::read_office::{self, PostRow};

/// Most steps of a case's life shown.
pub(super) const EVENTS_LIMIT: i64 = 1_000;

struct Move {
    code: &'static str,
    label: &'static str,
    /// Closing and going forward stand out; going back is quieter.
    forward: bool,
}

struct Event {
    exact: String,
    stamp: String,
    actor: String,
    kind: String,
    label: String,
    from: Option<String>,
    to: Option<String>,
    reason: String,
    before: String,
    after: String,
}

#[derive(Template)]
#[template(path = "case.html")]
struct CasePage {
    page: Page,
    t: &'static Text,
    number: i64,
    version: i32,
    state: &'static str,
    state_code: String,
    closed: bool,
    kind: String,
    origin: String,
    window: Option<String>,
    item: Option<String>,
    procedure: Option<String>,
    village: Option<String>,
    place: String,
    words: String,
    summary: String,
    corrected: bool,
    callback: Option<String>,
    revealed: Option<String>,
    owner: String,
    owner_org: String,
    owner_a: String,
    owner_b: String,
    promise: String,
    due: Due,
    received: String,
    opened: String,
    closed_at: Option<String>,
    call_id: String,
    moves: Vec<Move>,
    owners: Vec<Owners>,
    events: Vec<Event>,
    saved: bool,
}

/// What a link back to the page may say.
#[derive(Deserialize)]
pub(super) struct Came {
    saved: Option<String>,
}

/// `GET /cases/{number}`.
pub(super) async fn one(
    State(state): State<WebState>,
    Path(number): Path<String>,
    Query(came): Query<Came>,
    page: Page,
) -> Result<Response, WebError> {
    let case = find(&state, &number).await?;
    show_case(&state, case, page, None, came.saved.is_some()).await
}

/// `POST /cases/{number}/reveal`: the page again, once, with the whole number.
pub(super) async fn reveal(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(number): Path<String>,
    page: Page,
    Form(asked): Form<form::Reveal>,
) -> Result<Response, WebError> {
    let reason = form::needed("reason", &asked.reason, form::LINE_LIMIT)?;
    let case = find(&state, &number).await?;
    let callback = case.callback.clone().ok_or(WebError::NotFound)?;
    trail::append(&state, &visitor, "reveal", &format!("case/{}", case.number), &reason).await?;
    let page = Page { here: format!("/cases/{}", case.number), ..page };
    show_case(&state, case, page, Some(callback), false).await
}

/// A form that moves the case on.
#[derive(Deserialize)]
pub(super) struct MoveForm {
    to: String,
    reason: String,
    version: i32,
}

/// `POST /cases/{number}/move`.
pub(super) async fn move_on(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(number): Path<String>,
    Form(asked): Form<MoveForm>,
) -> Result<Response, WebError> {
    let to = CaseState::from_code(&asked.to).ok_or(WebError::BadRequest { field: "to" })?;
    let reason = form::needed("reason", &asked.reason, form::LINE_LIMIT)?;
    let case = find(&state, &number).await?;
    let shown = Shown { number: case_number(&case)?, version: asked.version, reason: &reason };
    writes::move_case(&state, &visitor, shown, to).await?;
    Ok(back(&case))
}

/// A form that gives the case to a post.
#[derive(Deserialize)]
pub(super) struct AssignForm {
    post: i64,
    reason: String,
    version: i32,
}

/// `POST /cases/{number}/assign`.
pub(super) async fn assign(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(number): Path<String>,
    Form(asked): Form<AssignForm>,
) -> Result<Response, WebError> {
    let reason = form::needed("reason", &asked.reason, form::LINE_LIMIT)?;
    let case = find(&state, &number).await?;
    if case.owner_post_id != asked.post {
        let shown = Shown { number: case_number(&case)?, version: asked.version, reason: &reason };
        writes::assign_case(&state, &visitor, shown, PostId(asked.post)).await?;
    }
    Ok(back(&case))
}

/// A form with the corrected text.
#[derive(Deserialize)]
pub(super) struct CorrectForm {
    summary: String,
    version: i32,
}

/// `POST /cases/{number}/correct`.
pub(super) async fn correct(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(number): Path<String>,
    Form(asked): Form<CorrectForm>,
) -> Result<Response, WebError> {
    let summary = form::needed("summary", &asked.summary, form::TEXT_LIMIT)?;
    let case = find(&state, &number).await?;
    let summary = mask::restore(&summary, &case.summary);
    if summary != case.summary {
        let shown = Shown { number: case_number(&case)?, version: asked.version, reason: "" };
        writes::correct_case(&state, &visitor, shown, &summary).await?;
    }
    Ok(back(&case))
}

async fn find(state: &WebState, number: &str) -> Result<CaseDetail, WebError> {
    let number: CaseNumber = number.parse().map_err(|_| WebError::NotFound)?;
    read_cases::case(&state.pool, number.as_i64()).await?.ok_or(WebError::NotFound)
}

fn case_number(case: &CaseDetail) -> Result<CaseNumber, WebError> {
    CaseNumber::try_from(case.number).map_err(|_| WebError::NotFound)
}

fn back(case: &CaseDetail) -> Response {
    Redirect::to(&format!("/cases/{}?saved=1", case.number)).into_response()
}

async fn show_case(
    state: &WebState,
    case: CaseDetail,
    page: Page,
    revealed: Option<String>,
    saved: bool,
) -> Result<Response, WebError> {
    let t = page.lang.text();
    let now = clock::wall();
    let events = read_cases::case_events(&state.pool, case.number, EVENTS_LIMIT).await?;
    let windows = read_office::windows(&state.pool).await?;
    let posts = read_office::posts(&state.pool).await?;
    let stands = CaseState::from_code(&case.state);
    let moves = CaseState::ALL
        .into_iter()
        .filter(|to| stands.is_some_and(|from| from.may_become(*to)))
        .map(|to| Move { code: to.code(), label: t.case_state(to), forward: stands.is_some_and(|from| to > from) })
        .collect();
    render(&CasePage {
        t,
        number: case.number,
        version: case.version,
        state: stands.map_or("", |s| t.case_state(s)),
        closed: matches!(stands, Some(CaseState::Archived)),
        kind: t.kind(&case.kind).to_owned(),
        origin: t.origin(&case.origin).to_owned(),
        window: case
            .window_code
            .and_then(|code| windows.iter().find(|w| w.code == code))
            .map(|w| window_name(w, page.lang)),
        item: case.item,
        procedure: case.procedure,
        village: case.village,
        place: mask::mask(&case.place),
        corrected: case.summary != case.words,
        words: mask::mask(&case.words),
        summary: mask::mask(&case.summary),
        callback: mask::phone(case.callback.as_deref()),
        revealed,
        owner: case.owner,
        owner_org: case.owner_org,
        owner_a: case.owner_a,
        owner_b: case.owner_b,
        promise: case.promise,
        due: due(case.received_at, case.due_on, &case.state, now, &(state.directory)().calendar, t),
        received: show::exact(case.received_at),
        opened: show::exact(case.opened_at),
        closed_at: case.closed_at.map(show::exact),
        call_id: case.call_id.to_string(),
        moves,
        events: events.into_iter().rev().map(|e| event(e, t, now, &posts)).collect(),
        owners: owners(posts, Some(case.owner_post_id)),
        saved,
        state_code: case.state,
        page,
    })
}

fn event(row: CaseEventRow, t: &'static Text, now: DateTime<Utc>, posts: &[PostRow]) -> Event {
    // A correction holds the texts, an assignment the posts.
    let part = |text: &str, post: &str| match (row.detail.get(text), row.detail.get(post).and_then(Value::as_i64)) {
        (Some(Value::String(text)), _) => mask::mask(text),
        (_, Some(id)) => {
            posts.iter().find(|p| p.id == id).map_or_else(|| id.to_string(), |p| format!("{} · {}", p.org, p.title))
        }
        (Some(_) | None, None) => String::new(),
    };
    let named = |code: &Option<String>| {
        let code = code.as_deref()?;
        Some(CaseState::from_code(code).map_or(code, |s| t.case_state(s)).to_owned())
    };
    Event {
        exact: show::exact(row.at),
        stamp: show::stamp(row.at, now),
        actor: if row.actor == "gateway" { t.gateway.to_owned() } else { row.actor.clone() },
        label: t.case_event(&row.kind).to_owned(),
        from: named(&row.from_state),
        to: named(&row.to_state),
        reason: mask::mask(&row.reason),
        before: part("before", "from_post"),
        after: part("after", "to_post"),
        kind: row.kind,
    }
}
