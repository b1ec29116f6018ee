//! Logging in and out: by name and password, or once by a link.

use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use askama::Template;
use axum::extract::{Extension, Form, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use serde::Deserialize;
use tokio::time::timeout;

use super::access::{self, Right, Visitor, cookie, form_cookie, secret, session_cookie};
use super::error::WebError;
use super::page::{LANG_COOKIE, Page, own_path, render};
use super::text::{Lang, Text};
use super::{WebState, trail};
use crate::clock;
use crate::store::{links, read_office, sessions, tokens, users};

/// Passwords checked at once: each takes a core and 19 MiB for some tens of milliseconds.
pub(super) const CHECKS_AT_ONCE: usize = 2;
/// How long a login waits for its turn to be checked before it is told to come back.
const CHECK_WAIT: Duration = Duration::from_secs(5);
/// Longest password looked at, in bytes.
const PASSWORD_LIMIT: usize = 256;
/// Requests that a page makes by itself say so, and do not count as use of the login session.
const BACKGROUND: &str = "x-minxin-background";

/// What a password is compared with where there is no such user: the answer takes the same time.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$Y2l2aWNob3RsaW5l$8mC2v0u0o1O2i8Xo3nq4kH1pW0yq5cZ0i1q3m2b4n5c";

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    page: Page,
    t: &'static Text,
    token: String,
    next: String,
    trouble: Option<&'static str>,
    /// Whether there is anybody yet who could log in.
    first_run: bool,
}

#[derive(Template)]
#[template(path = "login_once.html")]
struct OncePage {
    page: Page,
    t: &'static Text,
    token: String,
    link: String,
    trouble: Option<&'static str>,
}

/// Where to go after login.
#[derive(Default, Deserialize)]
pub(super) struct Next {
    next: Option<String>,
}

/// `GET /`: where each role begins.
pub(super) async fn start(Extension(visitor): Extension<Visitor>) -> Redirect {
    Redirect::to(access::start(visitor.role))
}

/// `GET /login`.
pub(super) async fn form(
    State(state): State<WebState>,
    Query(next): Query<Next>,
    cookies: CookieJar,
    page: Page,
) -> Result<Response, WebError> {
    login_page(&state, cookies, page, own_path(next.next.as_deref()).to_owned(), None).await
}

/// A login by name and password.
#[derive(Deserialize)]
pub(super) struct Credentials {
    name: String,
    password: String,
    next: Option<String>,
}

/// `POST /login`.
pub(super) async fn log_in(
    State(state): State<WebState>,
    cookies: CookieJar,
    page: Page,
    Form(given): Form<Credentials>,
) -> Result<Response, WebError> {
    let t = page.lang.text();
    let next = own_path(given.next.as_deref()).to_owned();
    let page = Page { here: "/login".to_owned(), ..page };
    let now = clock::wall();
    let account = users::by_name(&state.pool, &given.name).await?;
    let turn = timeout(CHECK_WAIT, state.password_checks.clone().acquire_owned()).await;
    let Ok(Ok(turn)) = turn else {
        return login_page(&state, cookies, page, next, Some((StatusCode::TOO_MANY_REQUESTS, t.busy))).await;
    };
    let hash = account.as_ref().and_then(|a| a.password_hash.clone()).unwrap_or_else(|| NOBODY.to_owned());
    let right = tokio::task::spawn_blocking(move || {
        let right = fits(&hash, &given.password);
        drop(turn);
        right
    });
    let right = right.await?;
    let Some(account) = account.filter(|a| !a.disabled) else {
        return login_page(&state, cookies, page, next, Some((StatusCode::UNAUTHORIZED, t.bad_login))).await;
    };
    if !account.may_log_in(now) {
        return login_page(&state, cookies, page, next, Some((StatusCode::UNAUTHORIZED, t.locked))).await;
    }
    let object = format!("user/{}", account.name);
    if !right {
        users::login_failed(&state.pool, account.id, now).await?;
        let locked = !users::by_name(&state.pool, &account.name).await?.is_some_and(|a| a.may_log_in(now));
        let action = if locked { "lock" } else { "bad_login" };
        trail::write(&state, &account.name, action, &object, "").await?;
        let words = if locked { t.locked } else { t.bad_login };
        return login_page(&state, cookies, page, next, Some((StatusCode::UNAUTHORIZED, words))).await;
    }
    users::login_succeeded(&state.pool, account.id).await?;
    let cookies = enter(&state, cookies, account.id, &account.name, "").await?;
    Ok((cookies, Redirect::to(&next)).into_response())
}

/// The token of a one-time link.
#[derive(Deserialize)]
pub(super) struct Link {
    token: String,
}

/// `GET /login/once?token=…`: a button, because mail programs and browsers fetch links ahead of a click.
pub(super) async fn once_form(
    State(state): State<WebState>,
    Query(link): Query<Link>,
    cookies: CookieJar,
    page: Page,
) -> Result<Response, WebError> {
    once_page(&state, cookies, page, link.token, None)
}

/// `POST /login/once`: uses the link up.
pub(super) async fn once(
    State(state): State<WebState>,
    cookies: CookieJar,
    page: Page,
    Form(link): Form<Link>,
) -> Result<Response, WebError> {
    let t = page.lang.text();
    let Some(user) = links::redeem(&state.pool, &link.token, clock::wall()).await? else {
        return once_page(&state, cookies, page, String::new(), Some(t.once_bad));
    };
    let name = read_office::user_name(&state.pool, user).await?.ok_or(WebError::NotFound)?;
    let cookies = enter(&state, cookies, user, &name, "link").await?;
    Ok((cookies, Redirect::to("/")).into_response())
}

/// `POST /logout`.
pub(super) async fn log_out(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    cookies: CookieJar,
) -> Result<Response, WebError> {
    if let Some(token) = cookies.get(session_cookie(&state)) {
        sessions::delete(&state.pool, token.value()).await?;
    }
    trail::append(&state, &visitor, "logout", &format!("user/{}", visitor.name), "").await?;
    let gone = Cookie::build((session_cookie(&state), "")).path("/").secure(state.secure).build();
    Ok((cookies.remove(gone), Redirect::to("/login")).into_response())
}

/// Where to go after the language is set.
#[derive(Deserialize)]
pub(super) struct Back {
    back: Option<String>,
}

/// `GET /language/{code}`: keeps the choice and goes back.
pub(super) async fn language(
    State(state): State<WebState>,
    Path(code): Path<String>,
    Query(back): Query<Back>,
    cookies: CookieJar,
) -> Result<Response, WebError> {
    let lang = Lang::from_code(&code).ok_or(WebError::NotFound)?;
    let kept = Cookie::build((LANG_COOKIE, lang.code()))
        .path("/")
        .same_site(SameSite::Strict)
        .secure(state.secure)
        .permanent()
        .build();
    Ok((cookies.add(kept), Redirect::to(own_path(back.back.as_deref()))).into_response())
}

/// What of a request says whose it is.
pub(super) struct Called {
    cookies: CookieJar,
    /// Whether a person made it, rather than a page by itself.
    by_person: bool,
}

impl Called {
    pub(super) fn of(request: &Request) -> Self {
        let by_page = request.headers().contains_key(BACKGROUND) || request.uri().path() == "/live/events";
        Self { cookies: CookieJar::from_headers(request.headers()), by_person: !by_page }
    }
}

/// The person whose login session the request's cookie names.
pub(super) async fn person(state: &WebState, called: Called) -> Result<Option<Visitor>, WebError> {
    let Some(cookie) = called.cookies.get(session_cookie(state)) else { return Ok(None) };
    let now = clock::wall();
    let session = if called.by_person {
        sessions::touch(&state.pool, cookie.value(), now).await?
    } else {
        read_office::login_session(&state.pool, cookie.value(), now).await?
    };
    Ok(session.map(|s| Visitor {
        user: s.user_id,
        name: s.name,
        role: s.role,
        unit: s.org_id,
        visit: s.csrf.clone(),
        csrf: s.csrf,
    }))
}

/// The user whose bearer token this is (RFC 6750 §2.1).
pub(super) async fn program(state: &WebState, token: &str) -> Result<Option<Visitor>, WebError> {
    let user = tokens::user(&state.pool, token).await?;
    Ok(user.map(|u| Visitor {
        user: u.id,
        name: u.name,
        role: u.role,
        unit: u.org_id,
        csrf: String::new(),
        visit: String::new(),
    }))
}

async fn enter(state: &WebState, cookies: CookieJar, user: i64, name: &str, how: &str) -> Result<CookieJar, WebError> {
    trail::write(state, name, "login", &format!("user/{name}"), how).await?;
    let session = sessions::create(&state.pool, user, clock::wall()).await?;
    Ok(cookies.add(cookie(state, session_cookie(state), session.token)))
}

async fn login_page(
    state: &WebState,
    cookies: CookieJar,
    page: Page,
    next: String,
    trouble: Option<(StatusCode, &'static str)>,
) -> Result<Response, WebError> {
    let (cookies, token) = form_token(state, cookies);
    let status = trouble.map_or(StatusCode::OK, |t| t.0);
    // With the database away the page still comes; it says so when somebody logs in.
    let first_run = !read_office::has_users(&state.pool).await.unwrap_or(true);
    let page = LoginPage { t: page.lang.text(), token, next, trouble: trouble.map(|t| t.1), first_run, page };
    Ok((status, cookies, render(&page)?).into_response())
}

fn once_page(
    state: &WebState,
    cookies: CookieJar,
    page: Page,
    link: String,
    trouble: Option<&'static str>,
) -> Result<Response, WebError> {
    let (cookies, token) = form_token(state, cookies);
    let page = Page { here: "/login".to_owned(), ..page };
    let page = OncePage { t: page.lang.text(), token, link, trouble, page };
    Ok((cookies, render(&page)?).into_response())
}

/// The token of a form before login, kept over several tries.
fn form_token(state: &WebState, cookies: CookieJar) -> (CookieJar, String) {
    let name = form_cookie(state);
    let token = cookies.get(name).map(|c| c.value().to_owned()).filter(|t| t.len() == 64).unwrap_or_else(secret);
    (cookies.add(cookie(state, name, token.clone())), token)
}

fn fits(hash: &str, password: &str) -> bool {
    password.len() <= PASSWORD_LIMIT
        && PasswordHash::new(hash).is_ok_and(|h| Argon2::default().verify_password(password.as_bytes(), &h).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_nobody_costs_as_much_as_a_real_one_and_fits_nothing() {
        let hash = PasswordHash::new(NOBODY).expect("a PHC string");
        assert_eq!(hash.algorithm.as_str(), "argon2id");
        assert!(!fits(NOBODY, ""));
    }
}
