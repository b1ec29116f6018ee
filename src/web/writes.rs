//! What people change from the pages: handed to the store, which checks versions and moves and keeps history and audit
//! trail; then every open page is told.

use uuid::Uuid;

use super::WebState;
use super::access::Visitor;
use super::error::WebError;
use crate::cases::{Hand, Order};
use crate::clock;
use crate::directory::PostId;
use crate::ids::{CallId, CaseNumber};
use crate::store::Change;
use crate::store::cases::{self, By, CaseError};
use crate::store::joins;
use crate::store::read_office;
use crate::store::segments::{self, Correction, SegmentError};
use crate::store::users::{self, Role, UserError};

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

/// Moves a case.
pub(super) async fn move_case(
    state: &WebState,
    visitor: &Visitor,
    case: Shown<'_>,
    order: Order,
) -> Result<i32, CaseError> {
    let version = cases::move_case(&state.pool, by(visitor, case), order, hand(visitor)).await?;
    state.live.changed(Change::Case(case.number));
    Ok(version)
}

/// Corrects what a case is about.
pub(super) async fn correct_case(
    state: &WebState,
    visitor: &Visitor,
    case: Shown<'_>,
    summary: &str,
) -> Result<(), CaseError> {
    cases::correct_case(&state.pool, by(visitor, case), summary).await?;
    state.live.changed(Change::Case(case.number));
    Ok(())
}

/// Adds a note to a case.
pub(super) async fn note_case(state: &WebState, visitor: &Visitor, case: Shown<'_>) -> Result<(), CaseError> {
    cases::note_case(&state.pool, by(visitor, case)).await?;
    state.live.changed(Change::Case(case.number));
    Ok(())
}

/// What a case has to do with other cases and posts.
pub(super) enum Joining<'a> {
    /// It joins this one.
    Join(CaseNumber),
    /// It stands by itself again.
    Part,
    /// This post is asked to do that.
    Add(PostId, &'a str),
    /// A part is done; the reason says how.
    End(i64),
}

/// Joins, parts, or divides a case.
pub(super) async fn join_case(
    state: &WebState,
    visitor: &Visitor,
    case: Shown<'_>,
    how: Joining<'_>,
) -> Result<(), CaseError> {
    let (pool, by) = (&state.pool, by(visitor, case));
    match how {
        Joining::Join(lead) => joins::join(pool, by, lead).await?,
        Joining::Part => joins::part_ways(pool, by).await?,
        Joining::Add(post, what) => joins::add_part(pool, by, post, what).await?,
        Joining::End(part) => joins::end_part(pool, by, part).await?,
    };
    state.live.changed(Change::Case(case.number));
    Ok(())
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
    Ok(())
}

/// Keeps an account out, or lets it in again.
pub(super) async fn disable_user(
    state: &WebState,
    visitor: &Visitor,
    user: i64,
    disabled: bool,
) -> Result<(), WebError> {
    let name = read_office::user_name(&state.pool, user).await?.ok_or(WebError::NotFound)?;
    Ok(users::set_disabled(&state.pool, &name, disabled, &visitor.name, clock::wall()).await?)
}

/// By whose hand this visitor moves cases. What a role may not do at all, the routes refuse.
pub(super) fn hand(visitor: &Visitor) -> Hand {
    match visitor.role {
        Role::Admin => Hand::Leader,
        Role::Operator | Role::Evaluator | Role::Auditor | Role::Unit => Hand::Operator,
    }
}

fn by<'a>(visitor: &'a Visitor, case: Shown<'a>) -> By<'a> {
    By { number: case.number, version: case.version, actor: &visitor.name, reason: case.reason, at: clock::wall() }
}

impl From<CaseError> for WebError {
    fn from(error: CaseError) -> Self {
        match error {
            CaseError::Unknown { .. } => Self::NotFound,
            CaseError::Conflict { .. } => Self::Conflict,
            CaseError::Join { .. } => Self::Refused(error.to_string()),
            CaseError::Refused { rule, .. } => Self::Refused(rule.to_string()),
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
            UserError::NoPerson => Self::BadRequest { field: "person" },
            UserError::UnknownUnit { .. } => Self::BadRequest { field: "unit" },
            UserError::Database(source) => Self::Database(source),
        }
    }
}
