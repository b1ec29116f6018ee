//! One call: its sound, its words, its way through the flow, its figures.

use askama::Template;
use axum::extract::{Extension, Form, Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::access::{Right, Visitor};
use super::error::WebError;
use super::page::{Page, render};
use super::text::Text;
use super::way::{self, Step};
use super::{WebState, form, mask, show, trail};
use crate::clock;
use crate::store::read_calls::{self, CallDetail, CorrectionRow, SegmentRow};
use crate::store::read_cases;

/// Most segments of a transcript shown: an hour of quick talk.
pub(super) const SEGMENTS_LIMIT: i64 = 5_000;
/// Most events of a call read.
pub(super) const EVENTS_LIMIT: i64 = 5_000;
/// Below this confidence the reader is asked to check.
const LOW_CONFIDENCE: f32 = 0.5;

struct Version {
    text: String,
    by: String,
}

struct Segment {
    id: i64,
    caller: bool,
    start_ms: i64,
    end_ms: i64,
    clock: String,
    text: String,
    low: bool,
    versions: Vec<Version>,
}

struct LinkedCase {
    number: i64,
    state: &'static str,
    summary: String,
    owner: String,
}

struct Figure {
    label: &'static str,
    value: String,
}

#[derive(Template)]
#[template(path = "call.html")]
struct CallPage {
    page: Page,
    t: &'static Text,
    id: String,
    number: Option<String>,
    revealed: Option<String>,
    called: String,
    line: String,
    started: String,
    answered: Option<String>,
    ended: Option<String>,
    end_reason: Option<String>,
    length: Option<String>,
    codec: Option<String>,
    flow: String,
    sip_call_id: String,
    sha256: Option<String>,
    recorded: bool,
    duration_ms: i64,
    transcript_state: String,
    segments: Vec<Segment>,
    keys: String,
    steps: Vec<Step>,
    figures: Vec<Figure>,
    cases: Vec<LinkedCase>,
    saved: bool,
}

/// What a link back to the page may say.
#[derive(Deserialize)]
pub(super) struct Came {
    saved: Option<String>,
}

/// `GET /calls/{id}`.
pub(super) async fn one(
    State(state): State<WebState>,
    Path(id): Path<Uuid>,
    Query(came): Query<Came>,
    page: Page,
) -> Result<Response, WebError> {
    let call = read_calls::call(&state.pool, id).await?.ok_or(WebError::NotFound)?;
    show_call(&state, call, page, None, came.saved.is_some()).await
}

/// `POST /calls/{id}/reveal`: the page again, once, with the whole number, which stands in no address and no cache.
pub(super) async fn reveal(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<Uuid>,
    page: Page,
    Form(asked): Form<form::Reveal>,
) -> Result<Response, WebError> {
    let reason = form::needed("reason", &asked.reason, form::LINE_LIMIT)?;
    let call = read_calls::call(&state.pool, id).await?.ok_or(WebError::NotFound)?;
    let number = call.caller.clone().ok_or(WebError::NotFound)?;
    trail::append(&state, &visitor, "reveal", &format!("call/{id}"), &reason).await?;
    let page = Page { here: format!("/calls/{id}"), ..page };
    show_call(&state, call, page, Some(number), false).await
}

/// A corrected segment.
#[derive(Deserialize)]
pub(super) struct Correction {
    text: String,
    version: i32,
}

/// `POST /calls/{id}/segments/{segment}`.
pub(super) async fn correct(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path((id, segment)): Path<(Uuid, i64)>,
    Form(correction): Form<Correction>,
) -> Result<Response, WebError> {
    let text = form::needed("text", &correction.text, form::TEXT_LIMIT)?;
    let stored = read_calls::segment(&state.pool, id, segment).await?.ok_or(WebError::NotFound)?;
    let text = mask::restore(&text, &stored.text);
    if text != stored.text {
        super::writes::correct_segment(&state, &visitor, id, segment, correction.version, &text).await?;
    }
    Ok(Redirect::to(&format!("/calls/{id}?saved=1#s{segment}")).into_response())
}

async fn show_call(
    state: &WebState,
    call: CallDetail,
    page: Page,
    revealed: Option<String>,
    saved: bool,
) -> Result<Response, WebError> {
    let t = page.lang.text();
    let events = read_calls::call_events(&state.pool, call.id, EVENTS_LIMIT).await?;
    let segments = read_calls::segments(&state.pool, call.id, SEGMENTS_LIMIT).await?;
    let corrections = read_calls::corrections(&state.pool, call.id).await?;
    let cases = read_cases::cases_of_call(&state.pool, call.id).await?;
    let talk_ms = call.answered_at.zip(call.ended_at).map(|(a, e)| (e - a).num_milliseconds());
    let steps = way::steps(&events, t);
    let now = clock::wall();
    render(&CallPage {
        t,
        id: call.id.to_string(),
        number: mask::phone(call.caller.as_deref()),
        revealed,
        called: call.called,
        line: call.line,
        started: show::exact(call.started_at),
        answered: call.answered_at.map(show::exact),
        ended: call.ended_at.map(show::exact),
        end_reason: call.end_reason.map(|r| t.end_reason(&r).to_owned()),
        length: talk_ms.map(show::span),
        codec: call.codec,
        flow: call.flow,
        sip_call_id: call.sip_call_id,
        sha256: call.recording_sha256,
        recorded: call.recording_path.is_some(),
        duration_ms: call.recording_ms.unwrap_or_default(),
        transcript_state: call.transcript_state,
        segments: segments.into_iter().map(|s| segment(s, &corrections, t, now)).collect(),
        keys: way::keys(&events),
        steps,
        figures: figures(call.quality.as_ref(), t),
        cases: cases
            .into_iter()
            .map(|c| LinkedCase {
                number: c.number,
                state: crate::cases::State::from_code(&c.state).map_or("", |s| t.case_state(s)),
                summary: mask::mask(&c.summary),
                owner: format!("{} · {}", c.owner_org, c.owner),
            })
            .collect(),
        saved,
        page,
    })
}

fn segment(row: SegmentRow, corrections: &[CorrectionRow], t: &'static Text, now: DateTime<Utc>) -> Segment {
    let versions = corrections
        .iter()
        .filter(|c| c.segment_id == row.id)
        .map(|c| Version {
            text: mask::mask(&c.text),
            by: match c.at {
                Some(at) => format!("{} · {}", c.author, show::stamp(at, now)),
                None => t.as_recognised.to_owned(),
            },
        })
        .collect();
    Segment {
        id: row.id,
        caller: row.channel == 0,
        start_ms: row.start_ms,
        end_ms: row.end_ms,
        clock: show::span(row.start_ms),
        text: mask::mask(&row.text),
        low: row.version == 0 && row.confidence.is_some_and(|c| c < LOW_CONFIDENCE),
        versions,
    }
}

fn figures(quality: Option<&Value>, t: &'static Text) -> Vec<Figure> {
    let Some(Value::Object(quality)) = quality else { return Vec::new() };
    quality
        .iter()
        .filter_map(|(key, value)| {
            let value = match value.as_f64()? {
                whole if whole.fract() == 0.0 => format!("{whole:.0}"),
                part => format!("{part:.2}"),
            };
            Some(Figure { label: t.figure(key)?, value })
        })
        .collect()
}
