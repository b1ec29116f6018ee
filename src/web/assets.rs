//! Styles, scripts and images of the pages, compiled into the binary. Nothing comes from another host.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use super::error::WebError;

#[derive(RustEmbed)]
#[folder = "src/web/assets"]
struct Files;

/// One file, or 304 when the browser has it already.
pub(super) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, WebError> {
    let content_type = content_type(&name).ok_or(WebError::NotFound)?;
    let file = Files::get(&name).ok_or(WebError::NotFound)?;
    let etag = format!("\"{}\"", hex::encode(file.metadata.sha256_hash()));
    // `no-cache` lets the browser keep the file and ask each time: a new version is seen at once.
    let known = headers.get(IF_NONE_MATCH).is_some_and(|seen| seen.as_bytes() == etag.as_bytes());
    let head = [(CONTENT_TYPE, content_type.to_owned()), (CACHE_CONTROL, "no-cache".to_owned()), (ETAG, etag)];
    Ok(if known {
        (StatusCode::NOT_MODIFIED, head).into_response()
    } else {
        (head, file.data.into_owned()).into_response()
    })
}

fn content_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}
