//! The desk's socket: who may open it (S11).

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use tokio::sync::mpsc;

use super::office::Office;
use crate::store::users::Role;
use crate::web::desk::{Desk, Seat};

/// A desk at which nothing happens.
pub fn nobody() -> Desk {
    let enter = |_, _| Seat { commands: mpsc::channel(1).0, messages: mpsc::channel(1).1 };
    Desk { enter: Arc::new(enter), relay: None }
}

#[tokio::test]
async fn only_a_page_of_ours_with_a_login_opens_the_socket() {
    let office = Office::open().await;
    let check = async |role: Option<Role>, origin: Option<&str>, expected: StatusCode| {
        let mut request = Request::builder().uri("/api/v1/desk").header("host", "desk.example");
        for (name, value) in [
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            request = request.header(name, value);
        }
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        if let Some(role) = role {
            request = request.header("cookie", format!("minxin={}", office.session(role).token));
        }
        let answer = office.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.status, expected, "{role:?} from {origin:?}");
        answer
    };
    let ours = Some("http://desk.example");
    check(None, ours, StatusCode::UNAUTHORIZED).await;
    for origin in
        [None, Some("null"), Some("http://evil.example"), Some("https://desk.example"), Some("http://desk.example:81")]
    {
        check(Some(Role::Operator), origin, StatusCode::FORBIDDEN).await;
    }
    check(Some(Role::Evaluator), ours, StatusCode::FORBIDDEN).await;
    let answer = check(Some(Role::Operator), ours, StatusCode::SWITCHING_PROTOCOLS).await;
    // The sample of RFC 6455 §1.3.
    assert_eq!(answer.header("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[tokio::test]
async fn a_request_that_asks_for_no_upgrade_is_told_so() {
    let office = Office::open().await;
    let cookie = format!("minxin={}", office.session(Role::Operator).token);
    let request = Request::builder().uri("/api/v1/desk").header("host", "h").header("origin", "http://h");
    let answer = office.send(request.header("cookie", cookie).body(Body::empty()).expect("a request")).await;
    assert_eq!(answer.status, StatusCode::UPGRADE_REQUIRED);
}
