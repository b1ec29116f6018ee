//! The JSON interface: the same calls and cases, for programs with a bearer token.

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::access::{Right, Visitor};
use super::error::WebError;
use super::{WebState, batches, call as call_page, case as case_page, form, mask, trail, way};
use crate::ids::CaseNumber;
use crate::store::read_calls::{self, CallFilter};
use crate::store::read_cases::{self, CaseFilter};
use crate::store::read_office::{self, WindowRow};

/// Rows of a list where the program does not say.
const LIMIT: i64 = 50;
/// Most rows of a list.
const LIMIT_MOST: i64 = 200;

/// A list, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Items<T> {
    pub(super) items: Vec<T>,
}

/// A line that can be dialled.
#[derive(Serialize, ToSchema)]
pub(super) struct Line {
    /// Its configured name.
    name: String,
    /// The numbers that lead to it.
    numbers: Vec<String>,
}

/// A call.
#[derive(Serialize, ToSchema)]
pub(super) struct Call {
    /// Its key.
    id: Uuid,
    /// The line that was dialled.
    line: String,
    /// The caller's number, masked; null when withheld.
    caller: Option<String>,
    /// The number dialled.
    called: String,
    /// When the INVITE came.
    started_at: DateTime<Utc>,
    /// When it was answered; null if never.
    answered_at: Option<DateTime<Utc>>,
    /// When it ended; null while in progress.
    ended_at: Option<DateTime<Utc>>,
    /// `caller`, `flow`, `cancelled`, `no_rtp`, `max_duration`, `drain`, `error` or `crash`.
    end_reason: Option<String>,
    /// Length of the recording in milliseconds; null when there is none.
    recording_ms: Option<i64>,
    /// `none`, `queued`, `running`, `done` or `failed`.
    transcript_state: String,
    /// The newest case that it opened.
    case_number: Option<i64>,
}

/// A call with everything known about it.
#[derive(Serialize, ToSchema)]
pub(super) struct CallDetail {
    #[serde(flatten)]
    call: Call,
    /// The SIP Call-ID.
    sip_call_id: String,
    /// Name and version of the flow that spoke.
    flow: String,
    /// The codec's RTP name.
    codec: Option<String>,
    /// The audio engine's figures.
    quality: Option<Value>,
    /// SHA-256 of the recording, in hex.
    recording_sha256: Option<String>,
    /// The cases that it opened.
    cases: Vec<i64>,
    /// Its way through the flow.
    events: Vec<Event>,
}

/// One thing that happened in a call.
#[derive(Serialize, ToSchema)]
pub(super) struct Event {
    /// Milliseconds since the answer.
    at_ms: i64,
    /// `state`, `prompt`, `key`, `heard`, `asked`, `case`, `hold` or `note`.
    kind: String,
    /// Particulars in a few words, numbers masked.
    detail: String,
}

/// A call's words.
#[derive(Serialize, ToSchema)]
pub(super) struct Transcript {
    /// `none`, `queued`, `running`, `done` or `failed`.
    state: String,
    /// The segments by time.
    segments: Vec<Segment>,
    /// The same, under the name that every list of the interface has.
    items: Vec<Segment>,
}

/// One segment of a transcript.
#[derive(Clone, Serialize, ToSchema)]
pub(super) struct Segment {
    /// What was said, as corrected; numbers masked.
    text: String,
    /// Start in milliseconds of the recording.
    start_ms: i64,
    /// End in milliseconds of the recording.
    end_ms: i64,
    /// 0 the caller, 1 the gateway.
    channel: i16,
    /// The recogniser's confidence, 0 to 1; null for known text.
    confidence: Option<f32>,
    /// Whether a person corrected it.
    corrected: bool,
}

/// A case.
#[derive(Serialize, ToSchema)]
pub(super) struct Case {
    /// Its number, check digit included.
    number: i64,
    /// `enquiry`, `request` or `complaint`.
    kind: String,
    /// `received`, `assigned`, `accepted`, `handling`, `answered`, `follow_up`, `closed` or `archived`.
    state: String,
    /// The window's Chinese name; null until chosen.
    window: Option<String>,
    /// The window's key; null until chosen.
    window_code: Option<i16>,
    /// The place in the caller's words.
    place: String,
    /// The caller's words as recognised.
    words: String,
    /// What it is about, as operators corrected it.
    summary: String,
    /// The number to ring back, masked.
    callback: Option<String>,
    /// The post that answers for it.
    owner: String,
    /// The last day of the promise, China Standard Time.
    due_on: NaiveDate,
    /// When it was opened.
    opened_at: DateTime<Utc>,
    /// When it was closed.
    closed_at: Option<DateTime<Utc>>,
}

/// A case with everything known about it.
#[derive(Serialize, ToSchema)]
pub(super) struct CaseDetail {
    #[serde(flatten)]
    case: Case,
    /// The call that opened it.
    call_id: Uuid,
    /// The line that was dialled.
    line: String,
    /// `dialogue`, `person`, `recording` or `abandoned`.
    origin: String,
    /// The service item's name.
    item: Option<String>,
    /// The village's name.
    village: Option<String>,
    /// What was promised.
    promise: String,
    /// When the caller first spoke.
    received_at: DateTime<Utc>,
    /// The post that was asked first.
    first_asked: String,
    /// The post that is to accept it, while it is assigned.
    offered: Option<String>,
    /// Times it was given back.
    returns: i16,
    /// Times its promise was extended.
    extensions: i16,
    /// Whether leadership watches it.
    supervised: bool,
    /// Goes up with every change; a move names the one it is based on.
    version: i32,
    /// Its life so far.
    events: Vec<CaseEvent>,
}

/// One step in the life of a case.
#[derive(Serialize, ToSchema)]
pub(super) struct CaseEvent {
    /// When.
    at: DateTime<Utc>,
    /// Who.
    actor: String,
    /// `opened`, `moved`, `corrected` or `noted`; `assigned` in logs of earlier versions.
    kind: String,
    /// The move, where it is one; the case's log tells more of it.
    #[serde(rename = "move")]
    mv: Option<String>,
    /// The state it left.
    from_state: Option<String>,
    /// The state it came to.
    to_state: Option<String>,
    /// Why.
    reason: String,
}

/// Which part of the list of calls.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CallsAsked {
    /// Most rows, 1 to 200.
    limit: Option<i64>,
    /// Only calls older than the one with this key.
    before: Option<Uuid>,
    /// Only calls on this line.
    line: Option<String>,
    /// Why whole numbers are needed; audited.
    reveal: Option<String>,
}

/// Which part of the list of cases.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CasesAsked {
    /// Most rows, 1 to 200.
    limit: Option<i64>,
    /// Only cases older than the one with this number.
    before: Option<i64>,
    /// Only cases in this state; `open` for all that are not closed.
    state: Option<String>,
    /// Why whole numbers are needed; audited.
    reveal: Option<String>,
}

/// How one thing is shown.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OneAsked {
    /// Why the whole number is needed; audited.
    reveal: Option<String>,
}

/// The lines of the gateway.
#[utoipa::path(get, path = "/api/v1/lines", responses((status = 200, body = Items<Line>)))]
pub(super) async fn lines(State(state): State<WebState>) -> Json<Items<Line>> {
    let items = state.lines.iter().map(|l| Line { name: l.name.clone(), numbers: l.numbers.clone() }).collect();
    Json(Items { items })
}

/// Calls, newest first.
#[utoipa::path(get, path = "/api/v1/calls", params(CallsAsked), responses((status = 200, body = Items<Call>)))]
pub(super) async fn calls(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<CallsAsked>,
) -> Result<Json<Items<Call>>, WebError> {
    let limit = limit(asked.limit)?;
    let for_rated = !batches::sees_surveys(&visitor);
    let filter = CallFilter { line: asked.line, before: asked.before, for_rated, ..CallFilter::default() };
    let numbers = Numbers::asked(&state, &visitor, asked.reveal.as_deref(), "calls").await?;
    let rows = read_calls::calls(&state.pool, &filter, limit).await?;
    let items = rows
        .into_iter()
        .map(|c| Call {
            id: c.id,
            line: c.line,
            caller: numbers.show(c.caller),
            called: c.called,
            started_at: c.started_at,
            answered_at: c.answered_at,
            ended_at: c.ended_at,
            end_reason: c.end_reason,
            recording_ms: c.recording_ms,
            transcript_state: c.transcript_state,
            case_number: c.case_number,
        })
        .collect();
    Ok(Json(Items { items }))
}

/// One call.
#[utoipa::path(
    get, path = "/api/v1/calls/{id}", params(("id" = Uuid, Path), OneAsked),
    responses((status = 200, body = CallDetail), (status = 404))
)]
pub(super) async fn call(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<Uuid>,
    Query(asked): Query<OneAsked>,
) -> Result<Json<CallDetail>, WebError> {
    let c = read_calls::call(&state.pool, id).await?.ok_or(WebError::NotFound)?;
    let numbers = Numbers::asked(&state, &visitor, asked.reveal.as_deref(), &format!("call/{id}")).await?;
    let events = read_calls::call_events(&state.pool, id, call_page::EVENTS_LIMIT).await?;
    let cases: Vec<i64> = read_cases::cases_of_call(&state.pool, id).await?.into_iter().map(|c| c.number).collect();
    Ok(Json(CallDetail {
        call: Call {
            id: c.id,
            line: c.line,
            caller: numbers.show(c.caller),
            called: c.called,
            started_at: c.started_at,
            answered_at: c.answered_at,
            ended_at: c.ended_at,
            end_reason: c.end_reason,
            recording_ms: c.recording_ms,
            transcript_state: c.transcript_state,
            case_number: cases.last().copied(),
        },
        sip_call_id: c.sip_call_id,
        flow: c.flow,
        codec: c.codec,
        quality: c.quality,
        recording_sha256: c.recording_sha256,
        cases,
        events: way::joined(&events)
            .into_iter()
            .map(|e| Event { at_ms: e.at_ms, kind: e.kind, detail: e.detail })
            .collect(),
    }))
}

/// A call's words.
#[utoipa::path(
    get, path = "/api/v1/calls/{id}/transcript", params(("id" = Uuid, Path)),
    responses((status = 200, body = Transcript), (status = 404))
)]
pub(super) async fn transcript(
    State(state): State<WebState>,
    Path(id): Path<Uuid>,
) -> Result<Json<Transcript>, WebError> {
    let call = read_calls::call(&state.pool, id).await?.ok_or(WebError::NotFound)?;
    let segments = read_calls::segments(&state.pool, id, call_page::SEGMENTS_LIMIT).await?;
    let segment = |s: read_calls::SegmentRow| Segment {
        text: mask::mask(&s.text),
        start_ms: s.start_ms,
        end_ms: s.end_ms,
        channel: s.channel,
        confidence: s.confidence,
        corrected: s.version > 0,
    };
    let segments: Vec<Segment> = segments.into_iter().map(segment).collect();
    Ok(Json(Transcript { state: call.transcript_state, items: segments.clone(), segments }))
}

/// A call's recording: stereo, the caller left, the gateway right. Takes ranges; each request is audited.
#[utoipa::path(
    get, path = "/api/v1/calls/{id}/recording.wav", params(("id" = Uuid, Path)),
    responses((status = 200, content_type = "audio/wav"), (status = 206, content_type = "audio/wav"), (status = 404))
)]
#[expect(dead_code, reason = "carries the description; `recording::download` serves it")]
pub(super) fn recording() {}

/// Cases, newest first.
#[utoipa::path(get, path = "/api/v1/cases", params(CasesAsked), responses((status = 200, body = Items<Case>)))]
pub(super) async fn cases(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<CasesAsked>,
) -> Result<Json<Items<Case>>, WebError> {
    let limit = limit(asked.limit)?;
    let filter = CaseFilter { state: asked.state, before: asked.before, ..CaseFilter::default() };
    let numbers = Numbers::asked(&state, &visitor, asked.reveal.as_deref(), "cases").await?;
    let rows = read_cases::cases(&state.pool, &filter, limit).await?;
    let windows = read_office::windows(&state.pool).await?;
    let items = rows
        .into_iter()
        .map(|c| Case {
            number: c.number,
            kind: c.kind,
            state: c.state,
            window: window_name(&windows, c.window_code),
            window_code: c.window_code,
            place: mask::mask(&c.place),
            words: mask::mask(&c.words),
            summary: mask::mask(&c.summary),
            callback: numbers.show(c.callback),
            owner: format!("{} {}", c.owner_org, c.owner),
            due_on: c.due_on,
            opened_at: c.opened_at,
            closed_at: c.closed_at,
        })
        .collect();
    Ok(Json(Items { items }))
}

/// One case.
#[utoipa::path(
    get, path = "/api/v1/cases/{number}", params(("number" = i64, Path), OneAsked),
    responses((status = 200, body = CaseDetail), (status = 404))
)]
pub(super) async fn case(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(number): Path<String>,
    Query(asked): Query<OneAsked>,
) -> Result<Json<CaseDetail>, WebError> {
    let number: CaseNumber = number.parse().map_err(|_| WebError::NotFound)?;
    let c = read_cases::case(&state.pool, number.as_i64()).await?.ok_or(WebError::NotFound)?;
    let numbers = Numbers::asked(&state, &visitor, asked.reveal.as_deref(), &format!("case/{number}")).await?;
    let events = read_cases::case_events(&state.pool, c.number, case_page::EVENTS_LIMIT).await?;
    let windows = read_office::windows(&state.pool).await?;
    Ok(Json(CaseDetail {
        case: Case {
            number: c.number,
            kind: c.kind,
            state: c.state,
            window: window_name(&windows, c.window_code),
            window_code: c.window_code,
            place: mask::mask(&c.place),
            words: mask::mask(&c.words),
            summary: mask::mask(&c.summary),
            callback: numbers.show(c.callback),
            owner: format!("{} {}", c.owner_org, c.owner),
            due_on: c.due_on,
            opened_at: c.opened_at,
            closed_at: c.closed_at,
        },
        call_id: c.call_id,
        line: c.line,
        origin: c.origin,
        item: c.item,
        village: c.village,
        promise: c.promise,
        received_at: c.received_at,
        first_asked: c.first,
        offered: c.offered,
        returns: c.returns,
        extensions: c.extensions,
        supervised: c.supervised,
        version: c.version,
        events: events
            .into_iter()
            .map(|e| CaseEvent {
                at: e.at,
                actor: e.actor,
                kind: e.kind,
                mv: e.mv,
                from_state: e.from_state,
                to_state: e.to_state,
                reason: mask::mask(&e.reason),
            })
            .collect(),
    }))
}

fn window_name(windows: &[WindowRow], code: Option<i16>) -> Option<String> {
    windows.iter().find(|w| Some(w.code) == code).map(|w| w.name.clone())
}

pub(super) fn limit(asked: Option<i64>) -> Result<i64, WebError> {
    match asked.unwrap_or(LIMIT) {
        limit @ 1..=LIMIT_MOST => Ok(limit),
        _ => Err(WebError::BadRequest { field: "limit" }),
    }
}

/// How numbers are shown in one answer.
enum Numbers {
    Masked,
    Whole,
}

impl Numbers {
    /// Whole when asked for with a reason by somebody who may, once that stands in the audit trail.
    async fn asked(state: &WebState, visitor: &Visitor, reason: Option<&str>, object: &str) -> Result<Self, WebError> {
        let Some(reason) = reason else { return Ok(Self::Masked) };
        if !Right::Reveal.held_by(visitor.role) {
            return Err(WebError::Forbidden);
        }
        let reason = form::needed("reveal", reason, form::LINE_LIMIT)?;
        trail::append(state, visitor, "reveal", object, &reason).await?;
        Ok(Self::Whole)
    }

    fn show(&self, number: Option<String>) -> Option<String> {
        match self {
            Self::Masked => mask::phone(number.as_deref()),
            Self::Whole => number,
        }
    }
}
