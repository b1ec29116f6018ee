//! Versions of questionnaires in the JSON interface: put up by one person, approved by another.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::WebState;
use super::access::Visitor;
use super::api::Items;
use super::error::WebError;
use crate::clock::wall;
use crate::store::approvals::{self, ApprovalError, INSTALLATION};
use crate::survey::is_delivered;

/// A version of a questionnaire.
#[derive(Serialize, ToSchema)]
pub(super) struct Version {
    /// The questionnaire's name.
    name: String,
    /// SHA-256 of its file.
    hash: String,
    /// Whether it is the one that this gateway asks in new campaigns.
    current: bool,
    /// Whether campaigns may ask it.
    approved: bool,
    /// Who submitted it; null: nobody had to, or nobody has yet.
    author: Option<String>,
    /// When.
    submitted_at: Option<DateTime<Utc>>,
    /// Who approved it; `installation` for what the program was delivered with.
    approved_by: Option<String>,
    /// When.
    approved_at: Option<DateTime<Utc>>,
}

/// A version to put up for approval.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubmissionAsked {
    /// The questionnaire's name: the version that this gateway has read is submitted.
    survey: String,
}

/// A version that was submitted or approved.
#[derive(Serialize, ToSchema)]
pub(super) struct Signed {
    /// SHA-256 of its file.
    hash: String,
}

/// The versions that wait or are approved, newest first, after those that this gateway has read and nobody has submitted.
#[utoipa::path(get, path = "/api/v1/surveys", responses((status = 200, body = Items<Version>)))]
pub(super) async fn list(State(state): State<WebState>) -> Result<Json<Items<Version>>, WebError> {
    let stored = approvals::versions(&state.pool).await?;
    let current = |hash: &str| state.surveys.values().any(|survey| survey.hash.0 == hash);
    let unknown = state.surveys.values().filter(|survey| stored.iter().all(|v| v.hash != survey.hash.0));
    let mut items: Vec<Version> = unknown
        .map(|survey| {
            let delivered = is_delivered(&survey.hash);
            Version {
                name: survey.name.clone(),
                hash: survey.hash.0.clone(),
                current: true,
                approved: delivered,
                author: None,
                submitted_at: None,
                approved_by: delivered.then(|| INSTALLATION.to_owned()),
                approved_at: None,
            }
        })
        .collect();
    items.extend(stored.into_iter().map(|version| Version {
        current: current(&version.hash),
        approved: version.approved_by.is_some(),
        name: version.name,
        hash: version.hash,
        author: version.author,
        submitted_at: version.submitted_at,
        approved_by: version.approved_by,
        approved_at: version.approved_at,
    }));
    Ok(Json(Items { items }))
}

/// Puts up the version that this gateway has read. Whoever does it is its author.
#[utoipa::path(
    post, path = "/api/v1/surveys", request_body = SubmissionAsked,
    responses((status = 201, body = Signed), (status = 409, description = "it was submitted or approved before"),
              (status = 422, description = "there is no such questionnaire"))
)]
pub(super) async fn submit(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Json(asked): Json<SubmissionAsked>,
) -> Result<Response, WebError> {
    let survey = state.surveys.get(&asked.survey);
    let survey =
        survey.ok_or_else(|| WebError::Refused(format!("survey: there is no questionnaire `{}`", asked.survey)))?;
    approvals::submit(&state.pool, survey, &visitor.name, wall()).await?;
    Ok((StatusCode::CREATED, Json(Signed { hash: survey.hash.0.clone() })).into_response())
}

/// Approves a version that somebody else submitted: campaigns may ask it from then on.
#[utoipa::path(
    post, path = "/api/v1/surveys/{hash}/approve", params(("hash" = String, Path)),
    responses((status = 200, body = Signed), (status = 404), (status = 409, description = "it was approved before"),
              (status = 422, description = "its author cannot approve it"))
)]
pub(super) async fn approve(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(hash): Path<String>,
) -> Result<Json<Signed>, WebError> {
    approvals::approve(&state.pool, &hash, &visitor.name, wall()).await?;
    Ok(Json(Signed { hash }))
}

impl From<ApprovalError> for WebError {
    fn from(error: ApprovalError) -> Self {
        match error {
            ApprovalError::Unknown(_) => Self::NotFound,
            ApprovalError::Twice(_) => Self::Conflict,
            ApprovalError::Own(_) => Self::Refused(error.to_string()),
            ApprovalError::Database(e) => Self::Database(e),
        }
    }
}
