//! What machines ask of the gateway: is it alive, is it ready, how is it doing. Open to all; holds no personal data.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::WebState;

/// One thing that readiness depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name: `database`, `sip`, `speech` …
    pub name: &'static str,
    /// Whether it works.
    pub ok: bool,
    /// What is wrong, in words for an administrator; never a number or anybody's words.
    pub detail: String,
}

/// `200` as long as the process answers at all.
pub(super) async fn alive() -> Json<serde_json::Value> {
    Json(json!({ "status": "ok" }))
}

/// `200` when calls can be taken, else `503`; each check by name.
pub(super) async fn ready(State(state): State<WebState>) -> Response {
    let checks = (state.health)();
    let ready = checks.iter().all(|c| c.ok);
    let named: serde_json::Map<_, _> =
        checks.into_iter().map(|c| (c.name.to_owned(), json!({ "ok": c.ok, "detail": c.detail }))).collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "checks": named }))).into_response()
}

/// The figures, in the OpenMetrics text format that `prometheus-client` writes.
pub(super) async fn metrics(State(state): State<WebState>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], (state.metrics)()).into_response()
}
