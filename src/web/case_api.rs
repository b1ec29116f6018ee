//! The life of a case on the JSON interface: its log, and the moves that programs make.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::access::Visitor;
use super::api::Items;
use super::case::{EVENTS_LIMIT, case_number, find};
use super::error::WebError;
use super::writes::{self, Shown};
use super::{WebState, form, mask};
use crate::cases::{Ground, Move, Order, Outcome};
use crate::directory::PostId;
use crate::store::cases::CaseError;
use crate::store::read_cases;

/// One entry of a case's log.
#[derive(Serialize, ToSchema)]
pub(super) struct LogEntry {
    /// Its place in the case's log, from 1.
    seq: i32,
    /// When.
    at: DateTime<Utc>,
    /// Who: a user's name, or `gateway`.
    actor: String,
    /// `opened`, `moved`, `corrected` or `noted`; `assigned` in logs of earlier versions.
    kind: String,
    /// The move: `assign`, `accept`, `handle`, `answer`, `follow_up`, `close`, `archive`, `return`, `redo`, `extend`, `urge`
    /// or `supervise`.
    #[serde(rename = "move")]
    mv: Option<String>,
    /// The state it left.
    from_state: Option<String>,
    /// The state it came to.
    to_state: Option<String>,
    /// Why, numbers masked.
    reason: String,
    /// The post that owned it from then on, where the entry says so.
    owner: Option<i64>,
    /// The post that was to accept it.
    offered: Option<i64>,
    /// The last day from then on.
    due_on: Option<NaiveDate>,
    /// Returned: `duty`, `place` or `facts`.
    ground: Option<String>,
    /// Its link in the chain over all cases.
    link: i64,
    /// SHA-256 of the link, in hex.
    hash: String,
}

/// A wish to move a case.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MoveAsked {
    /// The move, as in the log.
    #[serde(rename = "move")]
    mv: String,
    /// Why; kept with the case.
    reason: String,
    /// The version that the wish is based on, as the case has it.
    version: i32,
    /// Assign: the post's key.
    #[serde(default)]
    post: Option<i64>,
    /// Extend: the new last day.
    #[serde(default)]
    due_on: Option<NaiveDate>,
    /// Return: `duty`, `place` or `facts`.
    #[serde(default)]
    ground: Option<String>,
}

/// Where a case stands after a move.
#[derive(Serialize, ToSchema)]
pub(super) struct Moved {
    /// The case.
    number: i64,
    /// Its state.
    state: String,
    /// Its version, to base the next move on.
    version: i32,
}

/// The log of a case, oldest entry first.
#[utoipa::path(
    get, path = "/api/v1/cases/{number}/log", params(("number" = i64, Path)),
    responses((status = 200, body = Items<LogEntry>), (status = 404))
)]
pub(super) async fn log(
    State(state): State<WebState>,
    Path(number): Path<String>,
) -> Result<Json<Items<LogEntry>>, WebError> {
    let case = find(&state, &number).await?;
    let rows = read_cases::case_events(&state.pool, case.number, EVENTS_LIMIT).await?;
    let items = rows.into_iter().map(|row| {
        // What a move sets, and only that: the texts of corrections may hold numbers.
        let set: Outcome = serde_json::from_value(row.detail).unwrap_or_default();
        LogEntry {
            seq: row.seq,
            at: row.at,
            actor: row.actor,
            kind: row.kind,
            mv: row.mv,
            from_state: row.from_state,
            to_state: row.to_state,
            reason: mask::mask(&row.reason),
            owner: set.owner.map(|post| post.0),
            offered: set.offered.map(|post| post.0),
            due_on: set.due_on,
            ground: set.ground.map(|ground| ground.code().to_owned()),
            link: row.link,
            hash: row.hash,
        }
    });
    Ok(Json(Items { items: items.collect() }))
}

/// Moves a case on. 409: it was changed since, and the answer has its version; 422: the move is not possible.
#[utoipa::path(
    post, path = "/api/v1/cases/{number}/moves", params(("number" = i64, Path)), request_body = MoveAsked,
    responses((status = 200, body = Moved), (status = 404), (status = 409), (status = 422))
)]
pub(super) async fn move_on(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(number): Path<String>,
    Json(asked): Json<MoveAsked>,
) -> Result<Response, WebError> {
    let refused = |why: &str| WebError::Refused(why.to_owned());
    let mv = Move::from_code(&asked.mv).ok_or_else(|| refused("move: there is no such move"))?;
    let ground = match asked.ground.as_deref() {
        None => None,
        Some(code) => Some(Ground::from_code(code).ok_or_else(|| refused("ground: there is no such ground"))?),
    };
    let reason = form::needed("reason", &asked.reason, form::LINE_LIMIT)?;
    let case = find(&state, &number).await?;
    let shown = Shown { number: case_number(&case)?, version: asked.version, reason: &reason };
    let order = Order { mv, post: asked.post.map(PostId), due_on: asked.due_on, ground };
    match writes::move_case(&state, &visitor, shown, order).await {
        Ok(version) => {
            let state = find(&state, &number).await?.state;
            Ok(Json(Moved { number: case.number, state, version }).into_response())
        }
        Err(CaseError::Conflict { current, .. }) => {
            let body: Value = json!({ "error": "changed meanwhile", "version": current });
            Ok((StatusCode::CONFLICT, Json(body)).into_response())
        }
        Err(error) => Err(error.into()),
    }
}
