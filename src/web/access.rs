//! Who may do what: roles, rights, and the guard that stands before every handler.
//!
//! A route without an entry in [`super::routes`] does not exist, and an entry without a right does not compile: refusal
//! is the default. The guard knows people by their session cookie and programs by their bearer token, never both ways
//! at once: pages take no tokens and the JSON interface takes no cookies, so no other site can make a browser use it.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, http};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use serde::Deserialize;

use super::WebState;
use super::error::WebError;
use super::login::{Called, person, program};
use super::page::percent;
use super::upload::{UPLOAD_LIMIT, Upload};
use crate::store::users::Role;

/// Longest body of a form, in bytes: a corrected text and its fields.
const FORM_LIMIT: usize = 64 * 1024;

/// Something that a role may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Be logged in.
    Enter,
    /// Read calls and their transcripts, numbers masked.
    SeeCalls,
    /// Play or download a recording; each time is audited.
    Listen,
    /// Correct the text of a transcript.
    CorrectWords,
    /// Read cases, numbers masked.
    SeeCases,
    /// Correct, assign, move and close cases.
    WorkCases,
    /// Ring residents for surveys, and read what they answered.
    RunCampaigns,
    /// See what the answers of surveys come to: people of a rated unit those of their own.
    SeeResults,
    /// Talk with callers at the desk.
    TakeCalls,
    /// See a whole telephone number; each time is audited.
    Reveal,
    /// See and disable accounts.
    ManageUsers,
    /// Read and check the audit trail.
    SeeAudit,
}

/// How a route is guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// For everybody, logged in or not; changes nothing.
    Open,
    /// A form for people who are not logged in; its token sits in a cookie.
    OpenForm,
    /// A page or a form for people with this right.
    Page(Right),
    /// A form that carries a file, for people with this right; handlers find it as an [`Upload`].
    Upload(Right),
    /// A WebSocket of a page, for people with this right; no other site's page opens it.
    Socket(Right),
    /// A part of the JSON interface for programs whose user holds this right.
    Api(Right),
}

/// Who sent a request.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The user's key.
    pub user: i64,
    /// The user's name.
    pub name: String,
    /// What they are.
    pub role: Role,
    /// The rated unit that they belong to: all that they may see is its sums.
    pub unit: Option<i64>,
    /// The token that their forms carry; empty for programs.
    pub csrf: String,
    /// Names the login session, for what is kept per visit; empty for programs.
    pub visit: String,
}

/// Where a role begins its work.
pub(super) fn start(role: Role) -> &'static str {
    match role {
        Role::Operator | Role::Evaluator | Role::Admin => "/calls",
        Role::Auditor => "/audit",
        Role::Unit => "/results",
    }
}

impl Right {
    /// Whether `role` holds it. The auditor reads the trail that the others write and writes none themselves.
    pub fn held_by(self, role: Role) -> bool {
        use Role::{Admin, Auditor, Evaluator, Operator, Unit};
        match self {
            Self::Enter => true,
            Self::SeeCalls | Self::Listen | Self::CorrectWords | Self::SeeCases => {
                matches!(role, Operator | Evaluator | Admin)
            }
            Self::RunCampaigns => matches!(role, Evaluator | Admin),
            Self::SeeResults => matches!(role, Evaluator | Admin | Unit),
            Self::WorkCases | Self::TakeCalls | Self::Reveal => matches!(role, Operator | Admin),
            Self::ManageUsers => matches!(role, Admin),
            Self::SeeAudit => matches!(role, Auditor),
        }
    }
}

/// Stands before a handler: lets through who may, with the [`Visitor`] in the request's extensions. `reads` says that the
/// route changes nothing; every other one needs the token of its form.
pub(super) async fn guard(
    State((state, access, reads)): State<(WebState, Access, bool)>,
    request: Request,
    next: Next,
) -> Result<Response, WebError> {
    let request = match access {
        Access::Open => request,
        Access::OpenForm => {
            let cookies = CookieJar::from_headers(request.headers());
            let expected = cookies.get(form_cookie(&state)).map(|c| c.value().to_owned());
            with_token(request, expected.as_deref()).await?
        }
        Access::Page(right) | Access::Upload(right) => {
            let visitor = person(&state, Called::of(&request)).await?;
            let Some(visitor) = visitor else {
                return if reads {
                    let here = request.uri().path_and_query().map_or("/", |p| p.as_str());
                    Ok(Redirect::to(&format!("/login?next={}", percent(here))).into_response())
                } else {
                    Err(WebError::FormOld)
                };
            };
            if !right.held_by(visitor.role) {
                return Err(WebError::Forbidden);
            }
            let csrf = visitor.csrf.clone();
            let mut request = if matches!(access, Access::Upload(_)) {
                with_file(request, &csrf).await?
            } else if reads {
                request
            } else {
                with_token(request, Some(&csrf)).await?
            };
            request.extensions_mut().insert(visitor);
            request
        }
        Access::Socket(right) => {
            // Browsers send the cookie whoever's page asks: its origin tells whose it is (RFC 6455 §10.2).
            if !of_our_origin(request.headers(), state.secure) {
                return Err(WebError::Forbidden);
            }
            let visitor = person(&state, Called::of(&request)).await?.ok_or(WebError::NotLoggedIn)?;
            if !right.held_by(visitor.role) {
                return Err(WebError::Forbidden);
            }
            let mut request = request;
            request.extensions_mut().insert(visitor);
            request
        }
        Access::Api(right) => {
            let token = bearer(request.headers()).map(str::to_owned).ok_or(WebError::Unauthorised)?;
            let visitor = program(&state, &token).await?.ok_or(WebError::Unauthorised)?;
            if !right.held_by(visitor.role) {
                return Err(WebError::Forbidden);
            }
            let mut request = request;
            request.extensions_mut().insert(visitor);
            request
        }
    };
    Ok(next.run(request).await)
}

#[derive(Deserialize)]
struct Token {
    csrf: String,
}

/// The same request once the token in its form equals `expected`.
async fn with_token(request: Request, expected: Option<&str>) -> Result<Request, WebError> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, FORM_LIMIT).await.map_err(|_| WebError::BadRequest { field: "body" })?;
    let copy = Request::from_parts(parts.clone(), Body::from(body.clone()));
    let Form(token) = Form::<Token>::from_request(copy, &()).await.map_err(|_| WebError::FormOld)?;
    if !expected.is_some_and(|e| !e.is_empty() && same(e, &token.csrf)) {
        return Err(WebError::FormOld);
    }
    Ok(http::Request::from_parts(parts, Body::from(body)))
}

/// The same request, its form read, once the token in it equals `expected`.
async fn with_file(request: Request, expected: &str) -> Result<Request, WebError> {
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, UPLOAD_LIMIT).await.map_err(|_| WebError::BadRequest { field: "body" })?;
    let upload = Upload::read(&parts.headers, body).await.map_err(|_| WebError::FormOld)?;
    if expected.is_empty() || !same(expected, upload.field("csrf")) {
        return Err(WebError::FormOld);
    }
    parts.extensions.insert(upload);
    Ok(Request::from_parts(parts, Body::empty()))
}

/// Whether a page of ours asks: its origin (RFC 6454 §7) is the host that the request was sent to.
fn of_our_origin(headers: &HeaderMap, secure: bool) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = if secure { "https://" } else { "http://" };
    let origin = text(ORIGIN).and_then(|origin| origin.strip_prefix(scheme));
    origin.is_some_and(|origin| text(HOST).is_some_and(|host| host.eq_ignore_ascii_case(origin)))
}

/// Whether two secrets are equal, in a time that does not tell how far.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// The name of the cookie of a login session. The prefix makes browsers refuse one that another host or path set.
pub(super) fn session_cookie(state: &WebState) -> &'static str {
    if state.secure { "__Host-minxin" } else { "minxin" }
}

/// The name of the cookie with the token of a form before login.
pub(super) fn form_cookie(state: &WebState) -> &'static str {
    if state.secure { "__Host-minxin-form" } else { "minxin-form" }
}

/// A cookie that scripts cannot read and other sites cannot send.
pub(super) fn cookie(state: &WebState, name: &'static str, value: String) -> Cookie<'static> {
    Cookie::build((name, value)).path("/").http_only(true).same_site(SameSite::Strict).secure(state.secure).build()
}

/// A secret of 256 bits, in hex.
pub(super) fn secret() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

/// The bearer token of a request (RFC 6750 §2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
