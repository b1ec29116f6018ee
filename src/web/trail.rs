//! What the web view writes into the audit trail, always before the thing that it tells of happens.

use super::WebState;
use super::access::Visitor;
use super::error::WebError;
use crate::clock;
use crate::store::desk;

/// What checking the chain found.
pub(super) enum Chain {
    /// Every row follows from the one before.
    Whole {
        /// How many.
        rows: i64,
    },
    /// The first row that does not.
    Broken {
        /// Its place.
        seq: i64,
    },
}

/// One row. When it cannot be written the thing must not happen either: the caller passes the error on.
pub(super) async fn append(
    state: &WebState,
    visitor: &Visitor,
    action: &str,
    object: &str,
    reason: &str,
) -> Result<(), WebError> {
    Ok(desk::audit(&state.pool, clock::wall(), &visitor.name, action, object, reason).await?)
}

/// Reads the whole chain.
pub(super) async fn verify(state: &WebState) -> Result<Chain, WebError> {
    Ok(match desk::verify_audit(&state.pool).await? {
        Ok(rows) => Chain::Whole { rows },
        Err(seq) => Chain::Broken { seq },
    })
}
