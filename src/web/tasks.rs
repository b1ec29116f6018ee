//! What somebody is to do: residents to ring back, callers to tell, staff to remind. Claimed, so that two do not ring the
//! same resident; done, with how it came out.

use askama::Template;
use axum::extract::{Extension, Form, Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::access::{Right, Visitor};
use super::error::WebError;
use super::page::{Page, render};
use super::text::Text;
use super::{WebState, form, mask, show};
use crate::clock;
use crate::store::tasks::{self, Outcome, TaskError, TaskRow};

/// Most tasks shown; the most pressing come first.
const TASKS_LIMIT: i64 = 200;
/// Characters of a summary that a row shows.
const ABOUT_LIMIT: usize = 60;

struct Row {
    id: i64,
    label: String,
    hint: String,
    case: Option<i64>,
    call: Option<String>,
    about: String,
    number: Option<String>,
    person: Option<String>,
    due: String,
    late: bool,
    rung: bool,
    claimed_by: Option<String>,
    own: bool,
}

#[derive(Template)]
#[template(path = "tasks.html")]
struct TasksPage {
    page: Page,
    t: &'static Text,
    rows: Vec<Row>,
    mine: bool,
    full: bool,
    /// A task that the reader wanted was taken by somebody else.
    taken: bool,
}

/// What a reader may ask for.
#[derive(Deserialize)]
pub(super) struct Asked {
    mine: Option<String>,
    taken: Option<String>,
}

/// `GET /tasks`.
pub(super) async fn list(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<Asked>,
    page: Page,
) -> Result<Response, WebError> {
    let (t, now) = (page.lang.text(), clock::wall());
    let mine = form::text(asked.mine.as_deref()).is_some();
    let tasks = tasks::open(&state.pool, mine.then_some(&*visitor.name), TASKS_LIMIT).await?;
    let full = tasks.len() as i64 == TASKS_LIMIT;
    let rows = tasks.into_iter().map(|task| row(task, t, &visitor.name, now)).collect();
    render(&TasksPage { page, t, rows, mine, full, taken: asked.taken.is_some() })
}

/// `POST /tasks/{id}/claim`.
pub(super) async fn claim(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
) -> Result<Response, WebError> {
    back(tasks::claim(&state.pool, id, &visitor.name, true, clock::wall()).await)
}

/// `POST /tasks/{id}/release`.
pub(super) async fn release(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
) -> Result<Response, WebError> {
    back(tasks::claim(&state.pool, id, &visitor.name, false, clock::wall()).await)
}

/// A form that ends a task.
#[derive(Deserialize)]
pub(super) struct DoneForm {
    outcome: String,
    remark: String,
}

/// `POST /tasks/{id}/done`.
pub(super) async fn done(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
    Form(asked): Form<DoneForm>,
) -> Result<Response, WebError> {
    let outcome = Outcome::from_code(&asked.outcome).ok_or(WebError::BadRequest { field: "outcome" })?;
    let remark = form::needed("remark", &asked.remark, form::LINE_LIMIT)?;
    back(tasks::finish(&state.pool, id, &visitor.name, outcome, &remark, clock::wall()).await)
}

/// The list again; whoever came too late is told so there.
fn back(done: Result<(), TaskError>) -> Result<Response, WebError> {
    let to = match done {
        Ok(()) => "/tasks",
        Err(TaskError::Taken(_)) => "/tasks?taken=1",
        Err(TaskError::Unknown(_)) => return Err(WebError::NotFound),
        Err(TaskError::Database(e)) => return Err(e.into()),
    };
    Ok(Redirect::to(to).into_response())
}

fn row(task: TaskRow, t: &'static Text, user: &str, now: DateTime<Utc>) -> Row {
    let (label, hint) = t.task(&task.kind);
    let promised = task.promised.map(|day| format!("{} {day}", t.due)).unwrap_or_default();
    let summary = task.summary.map(|text| show::cut(&mask::mask(&text), ABOUT_LIMIT)).unwrap_or_default();
    Row {
        id: task.id,
        label: label.to_owned(),
        hint: hint.to_owned(),
        case: task.case_number,
        call: task.call_id.map(|id| id.to_string()),
        about: [promised, summary].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · "),
        number: mask::phone(task.number.as_deref()),
        person: task.person,
        due: show::stamp(task.due_at, now),
        late: task.due_at < now,
        rung: task.rung,
        own: task.claimed_by.as_deref() == Some(user),
        claimed_by: task.claimed_by,
    }
}
