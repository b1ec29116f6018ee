//! The accounts: who may log in. Adding them and setting passwords is the command line's.

use askama::Template;
use axum::extract::{Extension, Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::access::{Right, Visitor};
use super::error::WebError;
use super::page::{Page, render};
use super::text::Text;
use super::{WebState, show, writes};
use crate::clock;
use crate::store::read_office;

struct Row {
    id: i64,
    name: String,
    role: String,
    disabled: bool,
    locked: Option<String>,
    added: String,
    seen: Option<String>,
    own: bool,
}

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage {
    page: Page,
    t: &'static Text,
    rows: Vec<Row>,
}

/// `GET /users`.
pub(super) async fn list(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    page: Page,
) -> Result<Response, WebError> {
    let t = page.lang.text();
    let now = clock::wall();
    let rows = read_office::users(&state.pool).await?.into_iter().map(|u| Row {
        id: u.id,
        own: u.id == visitor.user,
        name: u.name,
        role: t.role_code(&u.role).to_owned(),
        disabled: u.disabled,
        locked: u.locked_until.filter(|until| *until > now).map(|until| show::stamp(until, now)),
        added: show::stamp(u.created_at, now),
        seen: u.seen_at.map(|at| show::stamp(at, now)),
    });
    render(&UsersPage { t, rows: rows.collect(), page })
}

/// Whether somebody is kept out.
#[derive(Deserialize)]
pub(super) struct Disable {
    disabled: bool,
}

/// `POST /users/{id}/disabled`. Nobody can shut themselves out.
pub(super) async fn disable(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
    Form(asked): Form<Disable>,
) -> Result<Response, WebError> {
    if id == visitor.user {
        return Err(WebError::BadRequest { field: "user" });
    }
    writes::disable_user(&state, &visitor, id, asked.disabled).await?;
    Ok(Redirect::to("/users").into_response())
}
