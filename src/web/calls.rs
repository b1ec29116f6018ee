//! The list of calls: what is going on above, what has been below.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Extension, Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::access::{Right, Visitor};
use super::error::WebError;
use super::live::LiveCall;
use super::page::{Page, cut, render};
use super::text::{Lang, Text};
use super::{WebState, batches, form, mask, show};
use crate::clock;
use crate::store::read_calls::{self, CallFilter, CallRow};
use crate::store::read_office::{self, WindowRow};

/// Rows on one page.
const PAGE_ROWS: i64 = 50;
/// Live calls drawn at most; the page's script draws no more either.
const LIVE_ROWS: usize = 1_000;
/// Characters of a summary that a row shows.
const ABOUT_LIMIT: usize = 60;

/// What a reader may ask for.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Asked {
    line: Option<String>,
    date: Option<String>,
    window: Option<String>,
    number: Option<String>,
    before: Option<String>,
}

/// A filter's choice: value, label, chosen.
pub(super) struct Choice {
    pub value: String,
    pub label: String,
    pub chosen: bool,
}

struct Row {
    id: String,
    line: String,
    number: Option<String>,
    time: String,
    exact: String,
    length: String,
    state: &'static str,
    tone: &'static str,
    case: Option<String>,
    window: Option<String>,
    about: String,
    recorded: bool,
}

#[derive(Template)]
#[template(path = "calls.html")]
struct CallsPage {
    page: Page,
    t: &'static Text,
    /// The newest calls in progress.
    live: Vec<LiveRow>,
    live_count: usize,
    /// Whether there are more than are shown.
    more_live: bool,
    /// Whether recognition has too much to do.
    overloaded: bool,
    /// The words for the states of a flow, as JSON, for the script that shows calls as they come.
    states: String,
    rows: Vec<Row>,
    lines: Vec<Choice>,
    windows: Vec<Choice>,
    date: String,
    number: String,
    filtered: bool,
    first: bool,
    older: Option<String>,
}

struct LiveRow {
    id: String,
    line: String,
    number: Option<String>,
    since: String,
    started: String,
    state: String,
    caption: String,
    partial: bool,
}

/// `GET /calls`.
pub(super) async fn list(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<Asked>,
    page: Page,
) -> Result<Response, WebError> {
    let t = page.lang.text();
    let sees_surveys = batches::sees_surveys(&visitor);
    let text = |field: &Option<String>| form::text(field.as_deref()).unwrap_or_default().to_owned();
    let (line, date, window, number) = (text(&asked.line), text(&asked.date), text(&asked.window), text(&asked.number));
    let day = form::day("date", Some(&date))?;
    let filter = CallFilter {
        line: form::text(Some(&line)).map(str::to_owned),
        from: day.and_then(show::midnight),
        until: day.and_then(|d| d.succ_opt()).and_then(show::midnight),
        window: form::number("window", Some(&window))?,
        suffix: form::suffix(Some(&number))?,
        before: form::number("before", asked.before.as_deref())?,
        for_rated: !sees_surveys,
    };
    let first = filter.before.is_none();
    let mut calls = read_calls::calls(&state.pool, &filter, PAGE_ROWS + 1).await?;
    let more = cut(&mut calls, PAGE_ROWS);
    let older = calls.last().filter(|_| more).map(|last| {
        let before = last.id.to_string();
        let fields =
            [("line", &*line), ("date", &*date), ("window", &*window), ("number", &*number), ("before", &*before)];
        format!("/calls{}", form::query(fields))
    });
    let mut live = if first { state.live.calls() } else { Vec::new() };
    live.retain(|call| batches::is_shown(call, sees_surveys));
    let windows = read_office::windows(&state.pool).await?;
    let now = clock::wall();
    let rows = calls
        .into_iter()
        .filter(|c| !live.iter().any(|l| l.id.0 == c.id))
        .map(|c| row(c, t, page.lang, &windows, now))
        .collect();
    let filtered = [&line, &date, &window, &number].iter().any(|f| !f.is_empty());
    let choices = CallsPage {
        t,
        states: serde_json::json!(t.flow_states().into_iter().collect::<BTreeMap<_, _>>()).to_string(),
        live_count: live.len(),
        more_live: live.len() > LIVE_ROWS,
        overloaded: state.live.is_overloaded(),
        live: live.into_iter().take(LIVE_ROWS).map(live_row).collect(),
        rows,
        lines: state
            .lines
            .iter()
            .map(|l| Choice { value: l.name.clone(), label: l.name.clone(), chosen: l.name == line })
            .collect(),
        windows: window_choices(&windows, page.lang, &window),
        date,
        number,
        filtered,
        first,
        older,
        page,
    };
    render(&choices)
}

/// The windows as choices of a filter.
pub(super) fn window_choices(windows: &[WindowRow], lang: Lang, chosen: &str) -> Vec<Choice> {
    windows
        .iter()
        .map(|w| {
            let value = w.code.to_string();
            Choice { chosen: value == chosen, label: window_name(w, lang), value }
        })
        .collect()
}

/// A window's name in the reader's language.
pub(super) fn window_name(window: &WindowRow, lang: Lang) -> String {
    match lang {
        Lang::Zh => window.name.clone(),
        Lang::En => window.name_en.clone(),
    }
}

fn live_row(call: LiveCall) -> LiveRow {
    LiveRow {
        id: call.id.to_string(),
        line: call.line,
        number: call.caller,
        since: call.started_at.to_rfc3339(),
        started: show::exact(call.started_at),
        state: call.state,
        caption: call.caption,
        partial: call.partial,
    }
}

fn row(call: CallRow, t: &'static Text, lang: Lang, windows: &[WindowRow], now: chrono::DateTime<chrono::Utc>) -> Row {
    let (state, tone) = match (call.answered_at, call.ended_at, call.end_reason.as_deref()) {
        (None, Some(_), _) => (t.unanswered, "quiet"),
        (_, None, _) => (t.in_progress, "good"),
        (Some(_), Some(_), Some("no_rtp")) => (t.end_no_rtp, "warn"),
        (Some(_), Some(_), Some("error")) => (t.end_error, "bad"),
        (Some(_), Some(_), Some("crash")) => (t.end_crash, "bad"),
        (Some(_), Some(_), Some("drain")) => (t.end_drain, "warn"),
        (Some(_), Some(_), Some("max_duration")) => (t.end_max_duration, "warn"),
        (Some(_), Some(_), Some("caller")) => (t.end_caller, "quiet"),
        (Some(_), Some(_), Some(_) | None) => (t.end_flow, "quiet"),
    };
    let length = call.answered_at.zip(call.ended_at).map(|(a, e)| (e - a).num_milliseconds());
    let about = call.summary.as_deref().map(mask::mask).unwrap_or_default();
    Row {
        id: call.id.to_string(),
        line: call.line,
        number: mask::phone(call.caller.as_deref()),
        time: show::stamp(call.started_at, now),
        exact: show::exact(call.started_at),
        length: length.map(show::span).unwrap_or_default(),
        state,
        tone,
        case: call.case_number.map(|n| n.to_string()),
        window: call.window_code.and_then(|code| windows.iter().find(|w| w.code == code)).map(|w| window_name(w, lang)),
        about: show::cut(&about, ABOUT_LIMIT),
        recorded: call.recording_ms.is_some(),
    }
}
