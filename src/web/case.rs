//! One case: what was asked, who answers for it, its life so far, and what may be done with it next.

use askama::Template;
use axum::extract::{Extension, Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::access::{Right, Visitor};
use super::calls::{Choice, window_name};
use super::case_joins::Joins;
use super::cases::{Due, Owners, due, owners};
use super::error::WebError;
use super::page::{Page, render};
use super::text::Text;
use super::writes::hand;
use super::{WebState, form, mask, show, trail};
use crate::cases::{Deadline, EXTENSIONS_MAX, Ground, Light, Move, RETURNS_MAX, State as CaseState};
use crate::clock;
use crate::ids::CaseNumber;
use crate::store::case_log;
use crate::store::read_cases::{self, CaseDetail, CaseEventRow};
use crate::store::read_office::{self, PostRow};

/// Most steps of a case's life shown.
pub(super) const EVENTS_LIMIT: i64 = 1_000;

/// A move that needs nothing but a reason.
struct Button {
    code: &'static str,
    label: &'static str,
    /// The straight way stands out; what departs from it is quieter.
    main: bool,
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
    /// What else the step set, in words.
    facts: Vec<String>,
    link: i64,
    hash: String,
}

/// What a form held that could not be done, and why: the page shows both again, so that nothing typed is lost.
#[derive(Default)]
pub(super) struct Kept {
    /// As answered.
    pub status: StatusCode,
    /// Why it was not done.
    pub trouble: Option<&'static str>,
    /// The text of the summary.
    pub summary: Option<String>,
    /// The reason given.
    pub reason: String,
    /// The move that was wished, by its code.
    pub mv: String,
    /// The post chosen.
    pub post: Option<i64>,
    /// The day chosen.
    pub day: String,
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
    /// Times it was given back.
    returns: i16,
    supervised: bool,
    first: String,
    offered: Option<String>,
    /// Until when it should be accepted, and whether that is past.
    accept_by: Option<(String, bool)>,
    /// When it turns amber, while it is green.
    amber_at: Option<String>,
    buttons: Vec<Button>,
    /// Whether it may be assigned, returned, extended.
    assigns: bool,
    hands_on: bool,
    grounds: Vec<Choice>,
    extends: bool,
    owners: Vec<Owners>,
    joins: Joins,
    events: Vec<Event>,
    saved: bool,
    kept: Kept,
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
    show_case(&state, case, page, None, came.saved.is_some(), Kept::default()).await
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
    show_case(&state, case, page, Some(callback), false, Kept::default()).await
}

pub(super) async fn find(state: &WebState, number: &str) -> Result<CaseDetail, WebError> {
    let number: CaseNumber = number.parse().map_err(|_| WebError::NotFound)?;
    read_cases::case(&state.pool, number.as_i64()).await?.ok_or(WebError::NotFound)
}

pub(super) fn case_number(case: &CaseDetail) -> Result<CaseNumber, WebError> {
    CaseNumber::try_from(case.number).map_err(|_| WebError::NotFound)
}

/// The page as the case stands.
pub(super) async fn show_case(
    state: &WebState,
    case: CaseDetail,
    page: Page,
    revealed: Option<String>,
    saved: bool,
    kept: Kept,
) -> Result<Response, WebError> {
    let t = page.lang.text();
    let now = clock::wall();
    let events = read_cases::case_events(&state.pool, case.number, EVENTS_LIMIT).await?;
    let windows = read_office::windows(&state.pool).await?;
    let posts = read_office::posts(&state.pool).await?;
    let stands = CaseState::from_code(&case.state);
    let hand = page.visitor.as_ref().map(hand);
    let possible: Vec<Move> = match (stands, hand) {
        (Some(stands), Some(hand)) => Move::possible(stands, hand).collect(),
        (None, _) | (_, None) => Vec::new(),
    };
    let life = case_log::life(&mut *state.pool.acquire().await?, case_number(&case)?).await?;
    let deadline = Deadline::of(&life, &(state.directory)().calendar);
    let joins = Joins::of(state, &life, case.number, t, now).await?;
    let may_return = possible.contains(&Move::Return) && life.returns < RETURNS_MAX;
    let status = kept.status;
    let mut response = render(&CasePage {
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
        due: due(deadline.due_on, stands, deadline.light(now), now, t),
        received: show::exact(case.received_at),
        opened: show::exact(case.opened_at),
        closed_at: case.closed_at.map(show::exact),
        call_id: case.call_id.to_string(),
        returns: case.returns,
        supervised: case.supervised,
        first: case.first,
        offered: case.offered,
        accept_by: deadline.accept_by.map(|by| (show::stamp(by, now), deadline.acceptance_is_late(now))),
        amber_at: (deadline.light(now) == Some(Light::Green)).then(|| show::stamp(deadline.amber_at, now)),
        buttons: buttons(&possible, stands, t),
        assigns: possible.contains(&Move::Assign),
        hands_on: stands != Some(CaseState::Received),
        grounds: if may_return { grounds(t) } else { Vec::new() },
        extends: possible.contains(&Move::Extend)
            && life.extensions < EXTENSIONS_MAX
            && deadline.light(now) != Some(Light::Red),
        events: events.into_iter().rev().map(|e| event(e, t, now, &posts)).collect(),
        owners: owners(posts, kept.post.or(case.offered_post_id).or(Some(case.owner_post_id))),
        joins,
        saved,
        state_code: case.state,
        kept,
        page,
    })?;
    *response.status_mut() = status;
    Ok(response)
}

/// The moves that need nothing but a reason.
fn buttons(possible: &[Move], stands: Option<CaseState>, t: &'static Text) -> Vec<Button> {
    let needs_more = |mv: Move| matches!(mv, Move::Assign | Move::Return | Move::Extend);
    let button = |mv: &Move| Button {
        code: mv.code(),
        label: t.case_move(*mv),
        main: stands.is_some_and(|from| mv.goes_on(from)),
    };
    possible.iter().filter(|mv| !needs_more(**mv)).map(button).collect()
}

fn grounds(t: &'static Text) -> Vec<Choice> {
    let choice =
        |g: Ground| Choice { value: g.code().to_owned(), label: t.ground_code(g.code()).to_owned(), chosen: false };
    Ground::ALL.into_iter().map(choice).collect()
}

fn event(row: CaseEventRow, t: &'static Text, now: DateTime<Utc>, posts: &[PostRow]) -> Event {
    let text = |field: &str| row.detail.get(field).and_then(Value::as_str).map(mask::mask);
    let post = |field: &str| {
        let id = row.detail.get(field)?.as_i64()?;
        let named = posts.iter().find(|p| p.id == id).map(|p| format!("{} · {}", p.org, p.title));
        Some(named.unwrap_or_else(|| id.to_string()))
    };
    let number = |field: &str| row.detail.get(field)?.as_i64().map(|number| number.to_string());
    let named = |code: &Option<String>| {
        let code = code.as_deref()?;
        Some(CaseState::from_code(code).map_or(code, |s| t.case_state(s)).to_owned())
    };
    let mv = row.mv.as_deref().and_then(Move::from_code);
    let fact = |label: &str, value: Option<String>| value.map(|value| format!("{label}：{value}"));
    // Who owns it is told where a move may change that, and at the beginning.
    let owner = matches!(mv, Some(Move::Accept | Move::Return)) || row.kind == "opened";
    let facts = [
        fact(t.offered, post("offered")),
        fact(t.owner, post("owner").filter(|_| owner)),
        fact(t.due, text("due_on")),
        fact(t.ground, text("ground").map(|code| t.ground_code(&code).to_owned())),
        fact(t.part_post, post("post")),
        fact(t.part_what, text("what")),
        fact(t.joined_lead, number("lead")),
        fact(t.case_, number("joined").or_else(|| number("left"))),
    ];
    let same = row.from_state == row.to_state;
    Event {
        exact: show::exact(row.at),
        stamp: show::stamp(row.at, now),
        actor: if row.actor == "gateway" { t.gateway.to_owned() } else { row.actor.clone() },
        label: mv.map_or_else(|| t.case_event(&row.kind), |mv| t.case_move(mv)).to_owned(),
        from: named(&row.from_state).filter(|_| !same),
        to: named(&row.to_state).filter(|_| !same),
        reason: mask::mask(&row.reason),
        // A correction holds the texts; an assignment of an earlier version the posts.
        before: text("before").or_else(|| post("from_post")).unwrap_or_default(),
        after: text("after").or_else(|| post("to_post")).unwrap_or_default(),
        facts: facts.into_iter().flatten().collect(),
        link: row.link,
        hash: row.hash,
        kind: row.kind,
    }
}
