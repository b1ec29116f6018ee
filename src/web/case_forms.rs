//! What people do with a case on its page. What cannot be done is said on the page, with everything that was typed.

use axum::extract::{Extension, Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::access::Visitor;
use super::case::{Kept, case_number, find, show_case};
use super::error::WebError;
use super::page::Page;
use super::writes::{self, Shown};
use super::{WebState, form, mask};
use crate::cases::{Ground, Move, Order};
use crate::directory::PostId;
use crate::store::cases::CaseError;
use crate::store::read_cases::CaseDetail;

/// A form that moves the case.
#[derive(Deserialize)]
pub(super) struct MoveForm {
    #[serde(rename = "move")]
    mv: String,
    reason: String,
    version: i32,
    post: Option<i64>,
    due_on: Option<String>,
    ground: Option<String>,
}

/// `POST /cases/{number}/move`.
pub(super) async fn move_on(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(number): Path<String>,
    page: Page,
    Form(asked): Form<MoveForm>,
) -> Result<Response, WebError> {
    let mv = Move::from_code(&asked.mv).ok_or(WebError::BadRequest { field: "move" })?;
    let reason = form::needed("reason", &asked.reason, form::LINE_LIMIT)?;
    let order = Order {
        mv,
        post: asked.post.map(PostId),
        due_on: form::day("due_on", asked.due_on.as_deref())?,
        ground: asked.ground.as_deref().and_then(Ground::from_code),
    };
    let case = find(&state, &number).await?;
    let shown = Shown { number: case_number(&case)?, version: asked.version, reason: &reason };
    match writes::move_case(&state, &visitor, shown, order).await {
        Ok(_) => Ok(back(&case)),
        Err(error) => {
            let day = asked.due_on.unwrap_or_default();
            let kept = Kept { reason, mv: asked.mv, post: asked.post, day, ..Kept::default() };
            again(&state, case, page, error, kept).await
        }
    }
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
    page: Page,
    Form(asked): Form<CorrectForm>,
) -> Result<Response, WebError> {
    let typed = form::needed("summary", &asked.summary, form::TEXT_LIMIT)?;
    let case = find(&state, &number).await?;
    let summary = mask::restore(&typed, &case.summary);
    if summary == case.summary {
        return Ok(back(&case));
    }
    let shown = Shown { number: case_number(&case)?, version: asked.version, reason: "" };
    match writes::correct_case(&state, &visitor, shown, &summary).await {
        Ok(()) => Ok(back(&case)),
        Err(error) => again(&state, case, page, error, Kept { summary: Some(typed), ..Kept::default() }).await,
    }
}

/// A form with a note.
#[derive(Deserialize)]
pub(super) struct NoteForm {
    reason: String,
    version: i32,
}

/// `POST /cases/{number}/note`.
pub(super) async fn note(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(number): Path<String>,
    page: Page,
    Form(asked): Form<NoteForm>,
) -> Result<Response, WebError> {
    let reason = form::needed("reason", &asked.reason, form::LINE_LIMIT)?;
    let case = find(&state, &number).await?;
    let shown = Shown { number: case_number(&case)?, version: asked.version, reason: &reason };
    match writes::note_case(&state, &visitor, shown).await {
        Ok(()) => Ok(back(&case)),
        Err(error) => again(&state, case, page, error, Kept { reason, ..Kept::default() }).await,
    }
}

pub(super) fn back(case: &CaseDetail) -> Response {
    Redirect::to(&format!("/cases/{}?saved=1", case.number)).into_response()
}

/// The page as the case stands now, with why it was not changed and what was typed.
pub(super) async fn again(
    state: &WebState,
    case: CaseDetail,
    page: Page,
    error: CaseError,
    kept: Kept,
) -> Result<Response, WebError> {
    let t = page.lang.text();
    let (status, trouble) = match error {
        CaseError::Conflict { .. } => (StatusCode::CONFLICT, t.version_conflict),
        CaseError::Refused { rule, .. } => (StatusCode::UNPROCESSABLE_ENTITY, t.refusal(rule)),
        CaseError::Join { .. } => (StatusCode::UNPROCESSABLE_ENTITY, t.no_join),
        CaseError::UnknownPost { .. } => (StatusCode::UNPROCESSABLE_ENTITY, t.no_post),
        CaseError::Unknown { .. } | CaseError::Database(_) => return Err(error.into()),
    };
    let here = format!("/cases/{}", case.number);
    // Read anew: it is the case of now that the reader must decide on.
    let case = find(state, &case.number.to_string()).await?;
    let kept = Kept { status, trouble: Some(trouble), ..kept };
    show_case(state, case, Page { here, ..page }, None, false, kept).await
}
