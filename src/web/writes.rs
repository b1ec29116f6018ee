//! What people change from the pages: handed to the store, which checks versions and moves and keeps the history; then the
//! audit trail and every open page are told.

use uuid::Uuid;

use super::WebState;
use super::access::Visitor;
use super::error::WebError;
use super::trail;
use crate::cases::State as CaseState;
use crate::clock;
use crate::directory::PostId;
use crate::ids::{CallId, CaseNumber};
use crate::store::Change;
use crate::store::cases::{self, By, CaseError};
use crate::store::read_office;
use crate::store::segments::{self, Correction, SegmentError};
use crate::store::users::{self, UserError};

/// A case as a form showed it, and why it is to change.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    /// The case.
    pub number: CaseNumber,
    /// The version that the form carried.
    pub version: i32,
    /// As stated; may be empty.
    pub reason: &'a str,
}

/// Moves a case to another state.
pub(super) async fn move_case(
    state: &WebState,
    visitor: &Visitor,
    case: Shown<'_>,
    to: CaseState,
) -> Result<(), WebError> {
    cases::move_case(&state.pool, by(visitor, case), to).await?;
    tell(state, visitor, "move", case).await
}

/// Gives a case to another post.
pub(super) async fn assign_case(
    state: &WebState,
    visitor: &Visitor,
    case: Shown<'_>,
    post: PostId,
) -> Result<(), WebError> {
    cases::assign_case(&state.pool, by(visitor, case), post).await?;
    tell(state, visitor, "assign", case).await
}

/// Corrects what a case is about.
pub(super) async fn correct_case(
    state: &WebState,
    visitor: &Visitor,
    case: Shown<'_>,
    summary: &str,
) -> Result<(), WebError> {
    cases::correct_case(&state.pool, by(visitor, case), summary).await?;
    tell(state, visitor, "correct", case).await
}

/// Corrects the text of one segment of a transcript.
pub(super) async fn correct_segment(
    state: &WebState,
    visitor: &Visitor,
    call: Uuid,
    segment: i64,
    version: i32,
    text: &str,
) -> Result<(), WebError> {
    let correction = Correction { segment, version, text, author: visitor.user, at: clock::wall() };
    segments::correct(&state.pool, correction).await?;
    state.live.changed(Change::Call(CallId(call)));
    trail::append(state, visitor, "correct", &format!("call/{call}"), "").await
}

/// Keeps an account out, or lets it in again.
pub(super) async fn disable_user(
    state: &WebState,
    visitor: &Visitor,
    user: i64,
    disabled: bool,
) -> Result<(), WebError> {
    let name = read_office::user_name(&state.pool, user).await?.ok_or(WebError::NotFound)?;
    users::set_disabled(&state.pool, &name, disabled).await?;
    let action = if disabled { "disable" } else { "enable" };
    trail::append(state, visitor, action, &format!("user/{name}"), "").await
}

fn by<'a>(visitor: &'a Visitor, case: Shown<'a>) -> By<'a> {
    By { number: case.number, version: case.version, actor: &visitor.name, reason: case.reason, at: clock::wall() }
}

async fn tell(state: &WebState, visitor: &Visitor, action: &str, case: Shown<'_>) -> Result<(), WebError> {
    state.live.changed(Change::Case(case.number));
    trail::append(state, visitor, action, &format!("case/{}", case.number), case.reason).await
}

impl From<CaseError> for WebError {
    fn from(error: CaseError) -> Self {
        match error {
            CaseError::Unknown { .. } => Self::NotFound,
            // A move that the page offered and the case no longer allows: somebody else moved it.
            CaseError::Conflict { .. } | CaseError::Move { .. } => Self::Conflict,
            CaseError::UnknownPost { .. } => Self::BadRequest { field: "post" },
            CaseError::Database(source) => Self::Database(source),
        }
    }
}

impl From<SegmentError> for WebError {
    fn from(error: SegmentError) -> Self {
        match error {
            SegmentError::Unknown { .. } => Self::NotFound,
            SegmentError::Conflict { .. } => Self::Conflict,
            SegmentError::Database(source) => Self::Database(source),
        }
    }
}

impl From<UserError> for WebError {
    fn from(error: UserError) -> Self {
        match error {
            UserError::Unknown { .. } => Self::NotFound,
            UserError::Taken { .. } => Self::Conflict,
            UserError::Database(source) => Self::Database(source),
        }
    }
}
