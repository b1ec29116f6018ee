//! What a case has to do with others: parts that other posts do for it, the case that it has joined, cases that have joined it,
//! and cases that may tell of the same matter.

use axum::extract::{Extension, Form, Path, State};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::access::Visitor;
use super::case::{Kept, case_number, find};
use super::case_forms::{again, back};
use super::error::WebError;
use super::page::Page;
use super::text::Text;
use super::writes::{self, Joining, Shown};
use super::{WebState, form, mask, show};
use crate::cases::{Life, State as CaseState};
use crate::directory::PostId;
use crate::ids::CaseNumber;
use crate::store::joins::{self, KinRow};

/// Characters of a summary that a line shows.
const ABOUT_LIMIT: usize = 40;

/// What the page shows.
pub(super) struct Joins {
    /// Parts that other posts do.
    pub parts: Vec<Part>,
    /// Whether another post may be asked for a part.
    pub divisible: bool,
    /// The case that it has joined.
    pub lead: Option<i64>,
    /// The cases that have joined it.
    pub joined: Vec<Kin>,
    /// Whether it may join one: no case has joined it.
    pub free: bool,
    /// Cases that may tell of the same matter.
    pub suggested: Vec<Kin>,
}

/// A part of a case.
pub(super) struct Part {
    pub id: i64,
    pub post: String,
    pub what: String,
    pub open: bool,
    pub result: Option<String>,
}

/// Another case, in a line.
pub(super) struct Kin {
    pub number: i64,
    pub state: &'static str,
    pub code: String,
    pub about: String,
    pub opened: String,
}

impl Joins {
    /// Of a case that stands so.
    pub(super) async fn of(
        state: &WebState,
        life: &Life,
        number: i64,
        t: &'static Text,
        now: DateTime<Utc>,
    ) -> Result<Self, WebError> {
        let parts = joins::parts(&state.pool, number).await?.into_iter().map(|part| Part {
            id: part.id,
            post: part.post,
            what: mask::mask(&part.what),
            open: part.done_at.is_none(),
            result: part.result.map(|text| mask::mask(&text)),
        });
        let kin = |row: KinRow| Kin {
            number: row.number,
            state: CaseState::from_code(&row.state).map_or("", |state| t.case_state(state)),
            code: row.state,
            about: show::cut(&mask::mask(&row.summary), ABOUT_LIMIT),
            opened: show::stamp(row.opened_at, now),
        };
        let joined: Vec<Kin> = match life.lead {
            Some(_) => Vec::new(),
            None => joins::kin(&state.pool, number).await?.into_iter().map(kin).collect(),
        };
        let free = life.lead.is_none() && joined.is_empty() && !life.state.is_answered();
        let suggested = if free { joins::suggestions(&state.pool, number).await? } else { Vec::new() };
        Ok(Self {
            parts: parts.collect(),
            divisible: !life.state.is_answered(),
            lead: life.lead.map(CaseNumber::as_i64),
            joined,
            free,
            suggested: suggested.into_iter().map(kin).collect(),
        })
    }
}

/// What all forms of this page send, and what some do.
#[derive(Deserialize)]
pub(super) struct JoinForm {
    reason: String,
    version: i32,
    lead: Option<String>,
    post: Option<i64>,
}

/// `POST /cases/{number}/join`.
pub(super) async fn join(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(number): Path<String>,
    page: Page,
    Form(asked): Form<JoinForm>,
) -> Result<Response, WebError> {
    let lead = asked.lead.as_deref().and_then(|lead| lead.trim().parse().ok());
    let lead: CaseNumber = lead.ok_or(WebError::BadRequest { field: "lead" })?;
    carry_out(&state, &visitor, &number, page, &asked, |_| Joining::Join(lead)).await
}

/// `POST /cases/{number}/part`.
pub(super) async fn part(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(number): Path<String>,
    page: Page,
    Form(asked): Form<JoinForm>,
) -> Result<Response, WebError> {
    carry_out(&state, &visitor, &number, page, &asked, |_| Joining::Part).await
}

/// `POST /cases/{number}/parts`.
pub(super) async fn add(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(number): Path<String>,
    page: Page,
    Form(asked): Form<JoinForm>,
) -> Result<Response, WebError> {
    let post = PostId(asked.post.ok_or(WebError::BadRequest { field: "post" })?);
    carry_out(&state, &visitor, &number, page, &asked, |what| Joining::Add(post, what)).await
}

/// `POST /cases/{number}/parts/{id}/done`.
pub(super) async fn end(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path((number, id)): Path<(String, i64)>,
    page: Page,
    Form(asked): Form<JoinForm>,
) -> Result<Response, WebError> {
    carry_out(&state, &visitor, &number, page, &asked, |_| Joining::End(id)).await
}

async fn carry_out<'a>(
    state: &WebState,
    visitor: &Visitor,
    number: &str,
    page: Page,
    asked: &'a JoinForm,
    how: impl FnOnce(&'a str) -> Joining<'a>,
) -> Result<Response, WebError> {
    let reason = form::needed("reason", &asked.reason, form::LINE_LIMIT)?;
    let case = find(state, number).await?;
    let shown = Shown { number: case_number(&case)?, version: asked.version, reason: &reason };
    match writes::join_case(state, visitor, shown, how(asked.reason.trim())).await {
        Ok(()) => Ok(back(&case)),
        Err(error) => again(state, case, page, error, Kept { reason: reason.clone(), ..Kept::default() }).await,
    }
}
