//! The one place where faults become HTTP answers. What went wrong inside is logged here and never sent.

use std::io;
use std::path::PathBuf;

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;

use super::WebState;
use super::access::Right;
use super::page::{Page, render};
use super::text::Text;

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// There is no such thing, or this visitor may not know of it.
    #[error("not found")]
    NotFound,
    /// The role does not reach.
    #[error("forbidden")]
    Forbidden,
    /// The form carries no valid token: it is old, or another site sent it.
    #[error("the form's token does not fit")]
    FormOld,
    /// Nobody is logged in who could open a socket.
    #[error("not logged in")]
    NotLoggedIn,
    /// No valid bearer token on the JSON interface.
    #[error("no valid bearer token")]
    Unauthorised,
    /// A field does not hold what it must.
    #[error("bad {field}")]
    BadRequest {
        /// The field.
        field: &'static str,
    },
    /// What a program sent cannot be done; it is told why.
    #[error("{0}")]
    Refused(String),
    /// A stored questionnaire cannot be read.
    #[error("questionnaire: {0}")]
    Survey(String),
    /// Somebody else changed it first.
    #[error("changed meanwhile")]
    Conflict,
    /// A limit is reached.
    #[error("too many {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
    },
    /// The database does not answer, or not as expected.
    #[error("database")]
    Database(#[from] sqlx::Error),
    /// A recording cannot be read.
    #[error("recording {path}")]
    Recording {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A page cannot be written out.
    #[error("template")]
    Template(#[from] askama::Error),
    /// A workbook cannot be written out.
    #[error("workbook")]
    Workbook(#[source] rust_xlsxwriter::XlsxError),
    /// A password cannot be hashed or its stored hash not be read.
    #[error("password hash: {0}")]
    Password(String),
    /// A task of ours ended before its answer.
    #[error("task")]
    Task(#[from] tokio::task::JoinError),
}

impl WebError {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Forbidden | Self::FormOld => StatusCode::FORBIDDEN,
            Self::Unauthorised | Self::NotLoggedIn => StatusCode::UNAUTHORIZED,
            Self::BadRequest { .. } => StatusCode::BAD_REQUEST,
            Self::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            // A statement that does not fit the schema is our mistake, and does not pass by waiting.
            Self::Database(
                sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::ColumnIndexOutOfBounds { .. }
                | sqlx::Error::Decode(_)
                | sqlx::Error::TypeNotFound { .. },
            ) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Database(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Recording { source, .. } if source.kind() == io::ErrorKind::NotFound => StatusCode::NOT_FOUND,
            Self::Recording { .. }
            | Self::Template(_)
            | Self::Workbook(_)
            | Self::Password(_)
            | Self::Task(_)
            | Self::Survey(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Marks an answer to a form whose token did not fit, so that the page can say what to do.
#[derive(Clone, Copy)]
struct FormWasOld;

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            tracing::warn!(error = &self as &dyn std::error::Error, "request failed: {self}");
        }
        let mut response = status.into_response();
        match self {
            Self::Refused(why) => response = (status, axum::Json(json!({ "error": why }))).into_response(),
            Self::FormOld => {
                response.extensions_mut().insert(FormWasOld);
            }
            Self::Unauthorised => {
                let scheme = HeaderValue::from_static("Bearer realm=\"minxin\"");
                response.headers_mut().insert("www-authenticate", scheme);
            }
            Self::NotFound
            | Self::Forbidden
            | Self::NotLoggedIn
            | Self::BadRequest { .. }
            | Self::Survey(_)
            | Self::Conflict
            | Self::TooMany { .. }
            | Self::Database(_)
            | Self::Recording { .. }
            | Self::Template(_)
            | Self::Workbook(_)
            | Self::Password(_)
            | Self::Task(_) => {}
        }
        response
    }
}

#[derive(askama::Template)]
#[template(path = "trouble.html")]
struct TroublePage {
    page: Page,
    t: &'static Text,
    status: u16,
    title: &'static str,
    text: &'static str,
}

/// Gives every failed answer a body that its reader understands: a page for people, JSON for programs.
pub(super) async fn dress(State(_state): State<WebState>, request: Request, next: Next) -> Response {
    let program = request.uri().path().starts_with("/api/");
    let page = Page::of_request(&request);
    let response = next.run(request).await;
    let status = response.status();
    let written = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|t| t.as_bytes().starts_with(b"text/html") || t.as_bytes().starts_with(b"application/json"));
    if !(status.is_client_error() || status.is_server_error()) || written {
        return response;
    }
    let old = response.extensions().get::<FormWasOld>().is_some();
    let body = if program {
        axum::Json(json!({ "error": status.canonical_reason().unwrap_or("error") })).into_response()
    } else {
        let t = page.lang.text();
        let (title, text) = words(t, status, old);
        let page = TroublePage { page, t, status: status.as_u16(), title, text };
        render(&page).unwrap_or_else(|_| Html(title).into_response())
    };
    // The status and headers (a range, a login scheme) stay; only the body is new.
    let (mut parts, _) = response.into_parts();
    let (new, body) = body.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.extend(new.headers);
    Response::from_parts(parts, body)
}

fn words(t: &'static Text, status: StatusCode, form_was_old: bool) -> (&'static str, &'static str) {
    match status {
        StatusCode::FORBIDDEN if form_was_old => (t.bad_request, t.form_old),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (t.forbidden, t.forbidden_text),
        StatusCode::NOT_FOUND => (t.not_found, t.not_found_text),
        StatusCode::CONFLICT => (t.conflict, t.version_conflict),
        StatusCode::TOO_MANY_REQUESTS => (t.too_many, t.too_many_text),
        StatusCode::SERVICE_UNAVAILABLE => (t.unavailable, t.unavailable_text),
        other if other.is_client_error() => (t.bad_request, t.bad_request_text),
        _ => (t.internal, t.internal_text),
    }
}
