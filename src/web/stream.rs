//! The live board as server-sent events (WHATWG HTML §9.2), so that pages update without a reload.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum_extra::extract::CookieJar;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

use super::access::{Right, Visitor, session_cookie};
use super::error::WebError;
use super::live::{Board, Event, Level, LiveCall, Resume};
use super::{WebState, batches};
use crate::clock;
use crate::ids::CallId;
use crate::store::read_office;

/// Most browsers that follow at once; one more gets 429 and tries again by itself.
pub(super) const FOLLOWERS_LIMIT: usize = 256;
/// Events that wait for one slow browser; then its task waits, lags, and sends the whole board.
const WAITING_LIMIT: usize = 64;
/// How often levels are sent.
const LEVELS_EVERY: Duration = Duration::from_secs(1);
/// How often the reader's login is looked at: a stream ends this soon after a logout or the end of an account.
const LOGIN_EVERY: Duration = Duration::from_millis(500);
/// After this the browser connects anew, so that none hangs on a connection that is long dead.
const LIFETIME: Duration = Duration::from_secs(600);
/// A comment this often keeps proxies from closing a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The stream, from where the browser left off.
pub(super) async fn events(
    State(state): State<WebState>,
    cookies: CookieJar,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, WebError> {
    let place = Arc::clone(&state.followers).try_acquire_owned();
    let place = place.map_err(|_| WebError::TooMany { what: "followers" })?;
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok()).map(str::to_owned);
    let sees_surveys = batches::sees_surveys(&visitor);
    let (sender, receiver) = mpsc::channel(WAITING_LIMIT);
    tokio::spawn(async move {
        tokio::select! {
            // An error means that the browser went away.
            _ = follow(&state.live, last.as_deref(), sees_surveys, &sender) => {}
            () = logged_out(&state, &cookies) => {}
        }
        drop(place);
    });
    Ok(Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// Ends when the reader's login does, or no longer allows what the stream shows. A database that is away ends nothing:
/// nobody can log out meanwhile.
async fn logged_out(state: &WebState, cookies: &CookieJar) {
    let Some(token) = cookies.get(session_cookie(state)) else { return };
    let mut ticks = interval(LOGIN_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match read_office::login_session(&state.pool, token.value(), clock::wall()).await {
            Ok(Some(session)) if Right::SeeCalls.held_by(session.role) => {}
            Ok(_) => return,
            Err(_) => {}
        }
    }
}

/// Places for browsers that follow.
pub(super) fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(FOLLOWERS_LIMIT))
}

type Sender = mpsc::Sender<Result<Sent, Infallible>>;
type Gone = mpsc::error::SendError<Result<Sent, Infallible>>;

async fn follow(board: &Board, last_event_id: Option<&str>, sees_surveys: bool, sender: &Sender) -> Result<(), Gone> {
    let shown = |calls: Vec<LiveCall>| -> Vec<LiveCall> {
        calls.into_iter().filter(|call| batches::is_shown(call, sees_surveys)).collect()
    };
    let (resume, mut news) = board.follow(last_event_id);
    match resume {
        Resume::Missed(events) => {
            for event in events.iter().filter(|event| batches::is_told(&event.news, sees_surveys)) {
                sender.send(Ok(one(board, event))).await?;
            }
        }
        Resume::Whole(calls, seq) => sender.send(Ok(whole(board, &shown(calls), seq))).await?,
    }
    let mut ticks = interval(LEVELS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = sleep(LIFETIME);
    tokio::pin!(end);
    let mut told: Vec<(CallId, Level)> = Vec::new();
    let mut told_overloaded = None;
    loop {
        tokio::select! {
            event = news.recv() => match event {
                Ok(event) if !batches::is_told(&event.news, sees_surveys) => {}
                Ok(event) => sender.send(Ok(one(board, &event))).await?,
                Err(RecvError::Lagged(_)) => {
                    let (resume, fresh) = board.follow(None);
                    news = fresh;
                    if let Resume::Whole(calls, seq) = resume {
                        sender.send(Ok(whole(board, &shown(calls), seq))).await?;
                    }
                }
                Err(RecvError::Closed) => return Ok(()),
            },
            _ = ticks.tick() => {
                let levels = board.levels();
                if levels != told {
                    let rows: Vec<_> = levels.iter().map(|(id, level)| json!({ "id": id, "level": level })).collect();
                    sender.send(Ok(Sent::default().event("levels").data(json!(rows).to_string()))).await?;
                    told = levels;
                }
                let overloaded = board.is_overloaded();
                if told_overloaded != Some(overloaded) {
                    sender.send(Ok(Sent::default().event("recognition").data(json!({ "overloaded": overloaded }).to_string()))).await?;
                    told_overloaded = Some(overloaded);
                }
            }
            () = &mut end => return Ok(()),
            () = sender.closed() => return Ok(()),
        }
    }
}

fn one(board: &Board, event: &Event) -> Sent {
    Sent::default().event("news").id(board.event_id(event.seq)).data(json!(event.news).to_string())
}

fn whole(board: &Board, calls: &[LiveCall], seq: u64) -> Sent {
    Sent::default().event("board").id(board.event_id(seq)).data(json!(calls).to_string())
}
