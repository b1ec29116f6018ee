//! The live board as server-sent events (WHATWG HTML §9.2), so that pages update without a reload.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

use super::WebState;
use super::error::WebError;
use super::live::{Board, Event, Level, LiveCall, Resume};
use crate::ids::CallId;

/// Most browsers that follow at once; one more gets 429 and tries again by itself.
pub(super) const FOLLOWERS_LIMIT: usize = 256;
/// Events that wait for one slow browser; then its task waits, lags, and sends the whole board.
const WAITING_LIMIT: usize = 64;
/// How often levels are sent.
const LEVELS_EVERY: Duration = Duration::from_secs(1);
/// After this the browser connects anew, and the guard looks at its login again.
const LIFETIME: Duration = Duration::from_secs(600);
/// A comment this often keeps proxies from closing a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The stream, from where the browser left off.
pub(super) async fn events(
    State(state): State<WebState>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, WebError> {
    let place = Arc::clone(&state.followers).try_acquire_owned();
    let place = place.map_err(|_| WebError::TooMany { what: "followers" })?;
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok()).map(str::to_owned);
    let (sender, receiver) = mpsc::channel(WAITING_LIMIT);
    tokio::spawn(async move {
        // An error means that the browser went away.
        follow(&state.live, last.as_deref(), &sender).await.ok();
        drop(place);
    });
    Ok(Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// Places for browsers that follow.
pub(super) fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(FOLLOWERS_LIMIT))
}

type Sender = mpsc::Sender<Result<Sent, Infallible>>;
type Gone = mpsc::error::SendError<Result<Sent, Infallible>>;

async fn follow(board: &Board, last_event_id: Option<&str>, sender: &Sender) -> Result<(), Gone> {
    let (resume, mut news) = board.follow(last_event_id);
    match resume {
        Resume::Missed(events) => {
            for event in events {
                sender.send(Ok(one(board, &event))).await?;
            }
        }
        Resume::Whole(calls, seq) => sender.send(Ok(whole(board, &calls, seq))).await?,
    }
    let mut ticks = interval(LEVELS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = sleep(LIFETIME);
    tokio::pin!(end);
    let mut told: Vec<(CallId, Level)> = Vec::new();
    loop {
        tokio::select! {
            event = news.recv() => match event {
                Ok(event) => sender.send(Ok(one(board, &event))).await?,
                Err(RecvError::Lagged(_)) => {
                    let (resume, fresh) = board.follow(None);
                    news = fresh;
                    if let Resume::Whole(calls, seq) = resume {
                        sender.send(Ok(whole(board, &calls, seq))).await?;
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
