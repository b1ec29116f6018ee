//! The audit trail: who saw, heard and changed what.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::access::Right;
use super::error::WebError;
use super::page::{Page, cut, render};
use super::text::Text;
use super::{WebState, form, mask, show};
use crate::store::audit::{self, Verdict};
use crate::store::read_office;

/// Rows on one page.
const PAGE_ROWS: i64 = 100;
/// Digits of a hash that a row shows.
const HASH_DIGITS: usize = 12;

struct Row {
    seq: i64,
    at: String,
    actor: String,
    action: String,
    deed: String,
    object: String,
    reason: String,
    hash: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    page: Page,
    t: &'static Text,
    rows: Vec<Row>,
    verdict: Option<Verdict>,
    first: bool,
    older: Option<String>,
}

/// From where to read.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    before: Option<String>,
}

/// `GET /audit`.
pub(super) async fn list(
    State(state): State<WebState>,
    Query(asked): Query<Asked>,
    page: Page,
) -> Result<Response, WebError> {
    let before = form::number("before", asked.before.as_deref())?;
    show_trail(&state, page, before, None).await
}

/// `POST /audit/check`: reads the whole chain and says whether it holds.
pub(super) async fn check(State(state): State<WebState>, page: Page) -> Result<Response, WebError> {
    let verdict = audit::verify(&state.pool, None).await?;
    let page = Page { here: "/audit".to_owned(), ..page };
    show_trail(&state, page, None, Some(verdict)).await
}

async fn show_trail(
    state: &WebState,
    page: Page,
    before: Option<i64>,
    verdict: Option<Verdict>,
) -> Result<Response, WebError> {
    let mut rows = read_office::audit(&state.pool, before, PAGE_ROWS + 1).await?;
    let more = cut(&mut rows, PAGE_ROWS);
    let older = rows.last().filter(|_| more).map(|last| format!("/audit?before={}", last.seq));
    let (t, words) = (page.lang.text(), page.lang.survey());
    let rows = rows.into_iter().map(|r| Row {
        seq: r.seq,
        at: show::exact(r.at),
        actor: r.actor,
        deed: words.deed(&r.action).unwrap_or_else(|| t.deed(&r.action)).to_owned(),
        action: r.action,
        object: r.object,
        reason: mask::mask(&r.reason),
        hash: r.hash.chars().take(HASH_DIGITS).collect(),
    });
    render(&AuditPage { t, rows: rows.collect(), verdict, first: before.is_none(), older, page })
}
