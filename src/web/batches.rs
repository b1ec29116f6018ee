//! Keeps the calls of open survey batches from whoever works at a rated window: operators (N1).

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use uuid::Uuid;

use super::WebState;
use super::access::{Right, Visitor};
use super::error::WebError;
use super::live::{LiveCall, News};
use crate::store::batches;
use crate::survey::LINE;

/// Stands before every handler of one call, after the guard: to who may not see it, it is not there.
pub(super) async fn withhold(
    State(state): State<WebState>,
    request: Request,
    next: Next,
) -> Result<Response, WebError> {
    let sees_all = request.extensions().get::<Visitor>().is_some_and(sees_surveys);
    let call = request.uri().path().split('/').find_map(|part| part.parse::<Uuid>().ok());
    if let Some(call) = call.filter(|_| !sees_all)
        && batches::is_withheld(&state.pool, call).await?
    {
        return Err(WebError::NotFound);
    }
    Ok(next.run(request).await)
}

/// Whether somebody may see whom open campaigns ring.
pub(super) fn sees_surveys(visitor: &Visitor) -> bool {
    Right::RunCampaigns.held_by(visitor.role)
}

/// Whether a call in progress is shown to somebody.
pub(super) fn is_shown(call: &LiveCall, sees_surveys: bool) -> bool {
    sees_surveys || call.line != LINE
}

/// Whether news is told to somebody.
pub(super) fn is_told(news: &News, sees_surveys: bool) -> bool {
    match news {
        News::Call(call) => is_shown(call, sees_surveys),
        News::Ended { .. } | News::CallStored { .. } | News::CaseStored { .. } => true,
    }
}
