//! What every page knows: who looks at it, in which language, and where it is.

use std::convert::Infallible;

use askama::Template;
use axum::extract::{FromRequestParts, Request};
use axum::http::header::CACHE_CONTROL;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Uri};
use axum::response::{Html, IntoResponse, Response};
use axum_extra::extract::CookieJar;

use super::access::{Right, Visitor};
use super::error::WebError;
use super::text::Lang;

/// The cookie that keeps the language.
pub(super) const LANG_COOKIE: &str = "lang";

/// What the frame around a page shows.
#[derive(Clone, Debug)]
pub(super) struct Page {
    /// The language.
    pub lang: Lang,
    /// Who is logged in; `None` before.
    pub visitor: Option<Visitor>,
    /// Where the reader is, for the language switch.
    pub here: String,
}

impl Page {
    /// Of a request that no guard has seen yet.
    pub(super) fn of_request(request: &Request) -> Self {
        Self::new(&CookieJar::from_headers(request.headers()), request.extensions().get().cloned(), request.uri())
    }

    fn new(cookies: &CookieJar, visitor: Option<Visitor>, uri: &Uri) -> Self {
        let lang = cookies.get(LANG_COOKIE).and_then(|c| Lang::from_code(c.value())).unwrap_or_default();
        let here = uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
        Self { lang, visitor, here }
    }

    /// The token that each form carries; empty before login.
    pub(super) fn csrf(&self) -> &str {
        self.visitor.as_ref().map_or("", |v| &v.csrf)
    }

    /// Whether the reader may do this: what they may not do is not offered.
    pub(super) fn may(&self, right: Right) -> bool {
        self.visitor.as_ref().is_some_and(|v| right.held_by(v.role))
    }

    /// Whether the reader is in this part of the site, for the mark in the navigation.
    pub(super) fn within(&self, part: &str) -> bool {
        self.here.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    }

    /// Whether the reader is in one of the evaluators' parts.
    pub(super) fn evaluates(&self) -> bool {
        ["/results", "/campaigns", "/surveys", "/disclosure", "/awards"].iter().any(|part| self.within(part))
    }

    /// The address of the same page in the other language.
    pub(super) fn language_switch(&self) -> String {
        let back = percent(&self.here);
        format!("/language/{}?back={back}", self.lang.text().other_lang)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::new(&CookieJar::from_headers(&parts.headers), parts.extensions.get().cloned(), &parts.uri))
    }
}

/// Writes a page out. Pages hold people's words: no cache keeps them.
pub(super) fn render(page: &impl Template) -> Result<Response, WebError> {
    let mut response = Html(page.render()?).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `text` as one value of a query string (RFC 3986 §2.1).
pub(super) fn percent(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            write!(out, "%{byte:02X}").ok();
        }
    }
    out
}

/// `path` when it leads to a page of ours, else the start page: a link must not send a reader elsewhere after login.
pub(super) fn own_path(path: Option<&str>) -> &str {
    path.filter(|p| p.starts_with('/') && !p.starts_with("//") && !p.contains(['\\', '\r', '\n', '\t'])).unwrap_or("/")
}

/// Of rows read one beyond a page, those of the page; says whether there are more.
pub(super) fn cut<T>(rows: &mut Vec<T>, page_rows: i64) -> bool {
    let rows_max = usize::try_from(page_rows).unwrap_or_default();
    let more = rows.len() > rows_max;
    rows.truncate(rows_max);
    more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_paths_are_followed() {
        for (path, followed) in [
            (Some("/cases?state=open"), "/cases?state=open"),
            (Some("//evil.example/"), "/"),
            (Some("/\\evil.example"), "/"),
            (Some("/\t/evil.example"), "/"),
            (Some("https://evil.example"), "/"),
            (None, "/"),
        ] {
            assert_eq!(own_path(path), followed, "{path:?}");
        }
    }

    #[test]
    fn a_path_survives_as_a_value() {
        assert_eq!(percent("/cases?q=路灯&a=1"), "/cases%3Fq%3D%E8%B7%AF%E7%81%AF%26a%3D1");
    }
}
