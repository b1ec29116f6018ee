//! What people change from the pages: handed to the store, which checks versions and moves and keeps the history.

use uuid::Uuid;

use super::WebState;
use super::access::Visitor;
use super::error::WebError;
use super::trail;
use crate::cases::State as CaseState;
use crate::clock;
use crate::ids::CaseNumber;
use crate::store::desk;

/// Moves a case to another state.
pub(super) async fn move_case(
    state: &WebState,
    visitor: &Visitor,
    number: CaseNumber,
    version: i32,
    to: CaseState,
    reason: &str,
) -> Result<(), WebError> {
    let done = desk::move_case(&state.pool, number, version, to, &visitor.name, reason, clock::wall()).await?;
    finish(state, visitor, "move", number, done, reason).await
}

/// Gives a case to another post.
pub(super) async fn assign_case(
    state: &WebState,
    visitor: &Visitor,
    number: CaseNumber,
    version: i32,
    post: i64,
    reason: &str,
) -> Result<(), WebError> {
    let done = desk::assign_case(&state.pool, number, version, post, &visitor.name, reason, clock::wall()).await?;
    finish(state, visitor, "assign", number, done, reason).await
}

/// Corrects what a case is about.
pub(super) async fn correct_case(
    state: &WebState,
    visitor: &Visitor,
    number: CaseNumber,
    version: i32,
    summary: &str,
) -> Result<(), WebError> {
    let done = desk::correct_case(&state.pool, number, version, summary, &visitor.name, clock::wall()).await?;
    finish(state, visitor, "correct", number, done, "").await
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
    if !desk::correct_segment(&state.pool, segment, version, text, visitor.user, clock::wall()).await? {
        return Err(WebError::Conflict);
    }
    trail::append(state, visitor, "correct", &format!("call/{call}"), "").await
}

/// Keeps an account out, or lets it in again.
pub(super) async fn disable_user(
    state: &WebState,
    visitor: &Visitor,
    user: i64,
    disabled: bool,
) -> Result<(), WebError> {
    let name = desk::disable_user(&state.pool, user, disabled).await?.ok_or(WebError::NotFound)?;
    let action = if disabled { "disable" } else { "enable" };
    trail::append(state, visitor, action, &format!("user/{name}"), "").await
}

async fn finish(
    state: &WebState,
    visitor: &Visitor,
    action: &str,
    number: CaseNumber,
    done: bool,
    reason: &str,
) -> Result<(), WebError> {
    if !done {
        return Err(WebError::Conflict);
    }
    trail::append(state, visitor, action, &format!("case/{number}"), reason).await
}
