//! What the web view writes into the audit trail.

use super::WebState;
use super::access::Visitor;
use super::error::WebError;
use crate::clock;
use crate::store::audit::{self, Deed};

/// One row. What is shown or heard comes only after this succeeded: the caller passes the error on.
pub(super) async fn append(
    state: &WebState,
    visitor: &Visitor,
    action: &str,
    object: &str,
    reason: &str,
) -> Result<(), WebError> {
    write(state, &visitor.name, action, object, reason).await
}

/// As [`append`], for somebody who is not, or not yet, logged in.
pub(super) async fn write(
    state: &WebState,
    actor: &str,
    action: &str,
    object: &str,
    reason: &str,
) -> Result<(), WebError> {
    audit::append(&state.pool, Deed { actor, action, object, reason, at: clock::wall() }).await?;
    Ok(())
}
