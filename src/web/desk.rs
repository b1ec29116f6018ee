//! The operators' desk in the browser: a page, and a WebSocket over which it and the gateway talk (S11).
//!
//! The guard has looked at origin and login before an upgrade; the socket then lives no longer than the login does. While
//! an operator takes calls, the socket counts as use of the login: it must not end in mid-call.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Extension, Request, State};
use axum::http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use ring::digest;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message as Frame};

use super::WebState;
use super::access::{Right, Visitor, session_cookie};
use super::error::WebError;
use super::page::{Page, render};
use super::text::{DeskText, Text};
use crate::clock;
use crate::desk::AgentId;
use crate::desk::protocol::{Command, MAX_MESSAGE, Message};
use crate::store::{read_office, sessions};

/// What is added to a key before it is hashed (RFC 6455 §1.3).
const ACCEPT_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// How often the operator's login is looked at: a socket ends this soon after a logout.
const LOGIN_EVERY: Duration = Duration::from_millis(500);
/// How often an operator who takes calls counts as using the login.
const USED_EVERY: u32 = 120;
/// A ping this often: one that is not answered before the next ends the socket.
const PING_EVERY: u32 = 20;
/// A browser that takes nothing for so long is gone.
const SEND_LIMIT: Duration = Duration::from_secs(5);

/// An operator's place at the desk. Dropping it is leaving.
#[derive(Debug)]
pub struct Seat {
    /// What the operator wants.
    pub commands: mpsc::Sender<Command>,
    /// What the operator is told; ends where another window takes over.
    pub messages: mpsc::Receiver<Message>,
}

/// Lets an operator in, with the name that colleagues see.
pub type Enter = Arc<dyn Fn(AgentId, String) -> Seat + Send + Sync>;

/// A TURN server (RFC 8656) for browsers that cannot reach the gateway's ports.
#[derive(Clone)]
pub struct Relay {
    /// As in `turn:relay.example:3478?transport=tcp`.
    pub url: String,
    /// What browsers log in with.
    pub username: String,
    /// With it.
    pub password: String,
}

/// The desk as the web view is given it.
#[derive(Clone)]
pub struct Desk {
    /// Lets operators in.
    pub enter: Enter,
    /// The relay that browsers are told of.
    pub relay: Option<Relay>,
}

#[derive(Template)]
#[template(path = "desk.html")]
struct DeskPage {
    page: Page,
    t: &'static Text,
    d: &'static DeskText,
    relays: String,
}

/// `GET /desk`: the window in which an operator talks.
pub(super) async fn window(State(state): State<WebState>, page: Page) -> Result<Response, WebError> {
    let relay = |relay: &Relay| json!({ "urls": relay.url, "username": relay.username, "credential": relay.password });
    let relays = json!(state.desk.relay.iter().map(relay).collect::<Vec<_>>()).to_string();
    render(&DeskPage { t: page.lang.text(), d: page.lang.desk(), relays, page })
}

/// `GET /api/v1/desk`: upgrades to a WebSocket (RFC 6455 §4.2).
pub(super) async fn socket(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    cookies: CookieJar,
    mut request: Request,
) -> Response {
    let Some(accept) = accepted(request.headers()) else {
        return (StatusCode::UPGRADE_REQUIRED, [(UPGRADE, "websocket"), (SEC_WEBSOCKET_VERSION, "13")]).into_response();
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let upgraded = match upgrade.await {
            Ok(upgraded) => upgraded,
            Err(error) => return tracing::debug!(%error, "a connection was not upgraded"),
        };
        let limits = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(limits)).await;
        let seat = (state.desk.enter)(AgentId(visitor.user), visitor.name);
        let token = cookies.get(session_cookie(&state)).map(|cookie| cookie.value().to_owned()).unwrap_or_default();
        Connection { state, token, socket, seat, takes_calls: false, unanswered: false }.run().await;
    });
    let head = [(UPGRADE, "websocket".to_owned()), (CONNECTION, "upgrade".to_owned()), (SEC_WEBSOCKET_ACCEPT, accept)];
    (StatusCode::SWITCHING_PROTOCOLS, head).into_response()
}

/// The proof that we speak the protocol; `None` where the request asks for none of it.
fn accepted(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let upgrades = text(UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    let version = text(SEC_WEBSOCKET_VERSION) == Some("13");
    let key = text(SEC_WEBSOCKET_KEY).filter(|_| upgrades && version)?;
    let proof = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{ACCEPT_SUFFIX}").as_bytes());
    Some(BASE64_STANDARD.encode(proof))
}

/// Why a socket ends.
enum End {
    /// The browser closed it, or is gone.
    Gone,
    /// We close it: another window took over, the login ended, or what came makes no sense.
    Ours,
}

struct Connection {
    state: WebState,
    token: String,
    socket: WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>,
    seat: Seat,
    /// Whether the operator is at work, by what was told last.
    takes_calls: bool,
    /// Whether the last ping is unanswered.
    unanswered: bool,
}

impl Connection {
    async fn run(mut self) {
        let mut ticks = interval(LOGIN_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut count = 0_u32;
        let end = loop {
            let done = tokio::select! {
                frame = self.socket.next() => self.received(frame).await,
                message = self.seat.messages.recv() => self.told(message).await,
                _ = ticks.tick() => {
                    count = count.wrapping_add(1);
                    self.ticked(count).await
                }
            };
            if let Err(end) = done {
                break end;
            }
        };
        if matches!(end, End::Ours) {
            // It may be gone as well.
            let _ = timeout(SEND_LIMIT, self.socket.close(None)).await;
        }
    }

    async fn received(&mut self, frame: Option<Result<Frame, SocketError>>) -> Result<(), End> {
        match frame {
            Some(Ok(Frame::Text(text))) => match serde_json::from_str(&text) {
                Ok(command) => self.seat.commands.send(command).await.map_err(|_| End::Ours),
                Err(_) => self.say(&Message::Error { error: "bad_message" }).await,
            },
            Some(Ok(Frame::Pong(_))) => {
                self.unanswered = false;
                Ok(())
            }
            Some(Ok(Frame::Ping(_))) => Ok(()), // Answered by the protocol itself.
            Some(Ok(Frame::Binary(_) | Frame::Frame(_))) => self.say(&Message::Error { error: "bad_message" }).await,
            Some(Ok(Frame::Close(_))) | None => Err(End::Gone),
            Some(Err(error)) => {
                tracing::debug!(%error, "a browser's socket failed");
                Err(End::Ours)
            }
        }
    }

    async fn told(&mut self, message: Option<Message>) -> Result<(), End> {
        let message = message.ok_or(End::Ours)?;
        if let Message::State(view) = &message {
            self.takes_calls = view.state != "busy";
        }
        self.say(&message).await
    }

    /// Looks whether login and browser are still there.
    async fn ticked(&mut self, count: u32) -> Result<(), End> {
        if count.is_multiple_of(PING_EVERY) {
            if std::mem::replace(&mut self.unanswered, true) {
                return Err(End::Ours);
            }
            self.send(Frame::Ping(Vec::new().into())).await?;
        }
        let now = clock::wall();
        let session = if self.takes_calls && count.is_multiple_of(USED_EVERY) {
            sessions::touch(&self.state.pool, &self.token, now).await
        } else {
            read_office::login_session(&self.state.pool, &self.token, now).await
        };
        match session {
            Ok(Some(session)) if Right::TakeCalls.held_by(session.role) => Ok(()),
            Ok(_) => Err(End::Ours),
            // A database that is away ends no call: nobody can log out meanwhile.
            Err(_) => Ok(()),
        }
    }

    async fn say(&mut self, message: &Message) -> Result<(), End> {
        let text = serde_json::to_string(message).map_err(|_| End::Ours)?;
        self.send(Frame::text(text)).await
    }

    async fn send(&mut self, frame: Frame) -> Result<(), End> {
        match timeout(SEND_LIMIT, self.socket.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }
}
