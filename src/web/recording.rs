//! Recordings: the sound itself, by ranges, and its shape. Who listens is in the audit trail before the first byte leaves.

use std::collections::HashMap;
use std::io::{self, SeekFrom};
use std::path::{Component, Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use super::access::Visitor;
use super::error::WebError;
use super::peaks;
use super::{WebState, trail};
use crate::clock;
use crate::store::read_calls::{self, CallDetail};

/// Requests for parts of one recording within this time of an audited one belong to the same listening: a player asks
/// anew at every seek.
const ONE_LISTENING: Duration = Duration::from_secs(600);

/// Listenings remembered; when full, all are forgotten, which writes rows too many and never one too few.
const LISTENINGS_LIMIT: usize = 4_096;

/// Which visit has listened to which recording, and when that was last audited.
#[derive(Clone, Debug, Default)]
pub(super) struct Listenings(Arc<Mutex<HashMap<(String, Uuid), Instant>>>);

impl Listenings {
    fn is_audited(&self, visit: &str, call: Uuid, now: Instant) -> bool {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.get(&(visit.to_owned(), call)).is_some_and(|at| now.duration_since(*at) < ONE_LISTENING)
    }

    fn audited(&self, visit: &str, call: Uuid, now: Instant) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.len() >= LISTENINGS_LIMIT {
            heard.clear();
        }
        heard.insert((visit.to_owned(), call), now);
    }
}

/// The recording, for the player of a page.
pub(super) async fn play(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    let (call, path) = recorded(&state, id).await?;
    let now = clock::monotonic();
    if !state.listenings.is_audited(&visitor.visit, id, now) {
        trail::append(&state, &visitor, "listen", &format!("call/{}", call.id), "").await?;
        state.listenings.audited(&visitor.visit, id, now);
    }
    send(&path, &headers, &format!("inline; filename=\"{id}.wav\"")).await
}

/// The recording, for a program: each request is a download and has its row.
pub(super) async fn download(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    let (call, path) = recorded(&state, id).await?;
    trail::append(&state, &visitor, "download", &format!("call/{}", call.id), "").await?;
    send(&path, &headers, &format!("attachment; filename=\"{id}.wav\"")).await
}

/// The recording's shape. It cannot be listened to, so it leaves no row.
pub(super) async fn shape(State(state): State<WebState>, Path(id): Path<Uuid>) -> Result<Response, WebError> {
    let (_, path) = recorded(&state, id).await?;
    let file = path.clone();
    let peaks = tokio::task::spawn_blocking(move || peaks::of_file(&file)).await?;
    let peaks = peaks.map_err(|source| WebError::Recording { path, source })?;
    Ok(([(CACHE_CONTROL, "private, max-age=3600")], axum::Json(peaks)).into_response())
}

async fn recorded(state: &WebState, id: Uuid) -> Result<(CallDetail, PathBuf), WebError> {
    let call = read_calls::call(&state.pool, id).await?.ok_or(WebError::NotFound)?;
    let below = call.recording_path.as_deref().ok_or(WebError::NotFound)?;
    // The path comes from the database, but a recording is never anywhere else than below the data directory.
    let below = FilePath::new(below);
    if !below.components().all(|c| matches!(c, Component::Normal(_))) {
        return Err(WebError::NotFound);
    }
    let path = state.recordings.join(below);
    Ok((call, path))
}

async fn send(path: &FilePath, headers: &HeaderMap, disposition: &str) -> Result<Response, WebError> {
    let fault = |source: io::Error| WebError::Recording { path: path.to_owned(), source };
    let mut file = tokio::fs::File::open(path).await.map_err(fault)?;
    let size = file.metadata().await.map_err(fault)?.len();
    let head = [
        (CONTENT_TYPE, "audio/wav".to_owned()),
        (ACCEPT_RANGES, "bytes".to_owned()),
        (CACHE_CONTROL, "no-store".to_owned()),
        (CONTENT_DISPOSITION, disposition.to_owned()),
    ];
    let asked = headers.get(RANGE).and_then(|v| v.to_str().ok());
    let (status, first, length) = match range(asked, size) {
        Range::All => (StatusCode::OK, 0, size),
        Range::Part { first, length } => (StatusCode::PARTIAL_CONTENT, first, length),
        Range::Outside => {
            let whole = [(CONTENT_RANGE, format!("bytes */{size}"))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, head, whole).into_response());
        }
    };
    file.seek(SeekFrom::Start(first)).await.map_err(fault)?;
    let body = Body::from_stream(ReaderStream::new(file.take(length)));
    let mut response = (status, head, [(CONTENT_LENGTH, length.to_string())], body).into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let part = format!("bytes {first}-{}/{size}", first + length - 1);
        if let Ok(part) = part.parse() {
            response.headers_mut().insert(CONTENT_RANGE, part);
        }
    }
    Ok(response)
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    All,
    Part { first: u64, length: u64 },
    Outside,
}

/// What a `Range` header asks of `size` bytes (RFC 9110 §14.1.2). Several ranges at once, and other units, get the whole.
fn range(asked: Option<&str>, size: u64) -> Range {
    let Some((first, last)) = asked.and_then(|a| a.strip_prefix("bytes=")?.split_once('-')) else { return Range::All };
    let (first, last) = (first.trim(), last.trim());
    let (first, end) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.saturating_add(1).min(size)),
        (Ok(first), Err(_)) if last.is_empty() => (first, size),
        (Err(_), Ok(suffix)) if first.is_empty() => (size.saturating_sub(suffix), size),
        _ => return Range::All,
    };
    if first < end { Range::Part { first, length: end - first } } else { Range::Outside }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let part = |first, length| Range::Part { first, length };
        for (asked, given) in [
            (None, Range::All),
            (Some("bytes=0-99"), part(0, 100)),
            (Some("bytes=900-"), part(900, 100)),
            (Some("bytes=-100"), part(900, 100)),
            (Some("bytes=-5000"), part(0, 1_000)),
            (Some("bytes=990-5000"), part(990, 10)),
            (Some("bytes=1000-"), Range::Outside),
            (Some("bytes=-0"), Range::Outside),
            (Some("bytes=5-4"), Range::All),
            (Some("bytes=0-1,5-6"), Range::All),
            (Some("bytes=x-y"), Range::All),
            (Some("lines=0-1"), Range::All),
            (Some("bytes=0-18446744073709551615"), part(0, 1_000)),
        ] {
            assert_eq!(range(asked, 1_000), given, "{asked:?}");
        }
        assert_eq!(range(Some("bytes=0-"), 0), Range::Outside);
    }

    #[test]
    fn one_listening_is_audited_once_and_the_next_anew() {
        let listenings = Listenings::default();
        let (now, call) = (clock::monotonic(), Uuid::nil());
        assert!(!listenings.is_audited("a", call, now));
        listenings.audited("a", call, now);
        assert!(listenings.is_audited("a", call, now + ONE_LISTENING / 2));
        assert!(!listenings.is_audited("a", call, now + ONE_LISTENING), "a new listening");
        assert!(!listenings.is_audited("b", call, now), "another visit");
        assert!(!listenings.is_audited("a", Uuid::max(), now), "another recording");
    }
}
