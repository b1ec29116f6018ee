//! Calls of ours against a peer that is no more than a socket: what happens between INVITE and answer, on the wire.

use std::sync::Arc;
use std::time::Duration;

use minxin::sip::{Dialog, DialogEvent, Early, EndReason, Endpoint, Login, OutgoingCall, SipError};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::support::sip::{Line, OFFER, PATIENCE, Received, SILENCE, answer_as, config, gateway, local_rtp};

/// A gateway, and the socket that stands for the trunk.
async fn wire() -> (Arc<Endpoint>, Line, OutgoingCall) {
    let (endpoint, _calls) = gateway(config()).await;
    let trunk = Line::udp(&endpoint).await;
    let call = OutgoingCall {
        ring_timeout: PATIENCE,
        ..OutgoingCall::new(format!("sip:13900000001@{}", trunk.addr()), "12345", local_rtp())
    };
    (Arc::new(endpoint), trunk, call)
}

fn place(endpoint: &Arc<Endpoint>, call: OutgoingCall) -> tokio::task::JoinHandle<Result<Dialog, SipError>> {
    let endpoint = Arc::clone(endpoint);
    tokio::spawn(async move { endpoint.call(call).await })
}

/// The next request of this method; repetitions of earlier ones are passed over.
#[track_caller]
fn request<'a>(trunk: &'a mut Line, method: &'a str) -> impl Future<Output = Received> + use<'a> {
    let caller = std::panic::Location::caller();
    async move {
        loop {
            match trunk.receive_within(PATIENCE).await {
                Some(message) if message.method() == Some(method) => return message,
                Some(_) => {}
                None => panic!("no {method}, awaited at {caller}"),
            }
        }
    }
}

#[tokio::test]
async fn the_first_of_two_telephones_that_answer_keeps_the_call() {
    let (endpoint, mut trunk, call) = wire().await;
    let placed = place(&endpoint, call);
    let invite = request(&mut trunk, "INVITE").await;
    trunk.send(answer_as(&invite, 180, "home", "", None)).await;
    trunk.send(answer_as(&invite, 180, "mobile", "", None)).await;
    trunk.send(answer_as(&invite, 200, "mobile", "", Some(OFFER))).await;
    let ack = request(&mut trunk, "ACK").await;
    assert_eq!(ack.to_tag(), "mobile");
    let mut dialog = placed.await.expect("the task").expect("an answer");
    trunk.send(answer_as(&invite, 200, "home", "", Some(OFFER))).await;
    let (mut confirmed, mut ended) = (false, false);
    while !(confirmed && ended) {
        let message = trunk.receive().await;
        assert_eq!(message.to_tag(), "home", "{message:?}");
        match message.method() {
            Some("ACK") => confirmed = true,
            Some("BYE") => {
                ended = true;
                trunk.send(message.ok("")).await;
            }
            other => panic!("{other:?}"),
        }
    }
    dialog.hang_up(None).await;
    let bye = request(&mut trunk, "BYE").await;
    assert_eq!(bye.to_tag(), "mobile");
    trunk.send(bye.ok("")).await;
}

#[tokio::test]
async fn a_reliable_announcement_is_heard_and_confirmed_once() {
    let (endpoint, mut trunk, mut call) = wire().await;
    let (early, mut news) = mpsc::channel(8);
    call.early = Some(early);
    let placed = place(&endpoint, call);
    let invite = request(&mut trunk, "INVITE").await;
    assert!(invite.header("Supported").is_some_and(|tags| tags.contains("100rel")), "{invite:?}");
    let progress = answer_as(&invite, 183, "a", "Require: 100rel\r\nRSeq: 7\r\n", Some(OFFER));
    trunk.send(&progress).await;
    trunk.send(&progress).await;
    let prack = request(&mut trunk, "PRACK").await;
    assert_eq!((prack.header("RAck"), prack.header("CSeq")), (Some("7 1 INVITE"), Some("2 PRACK")));
    trunk.send(prack.ok("")).await;
    let heard = timeout(PATIENCE, news.recv()).await.expect("in time");
    assert!(matches!(heard, Some(Early::Media(stream)) if stream.remote_rtp.port() == 4000));
    // RFC 3262 §4: a response out of order is not confirmed.
    trunk.send(answer_as(&invite, 183, "a", "Require: 100rel\r\nRSeq: 9\r\n", None)).await;
    assert!(trunk.receive_within(SILENCE).await.is_none(), "confirmed twice, or out of order");
    // The answer was in the 183 already.
    trunk.send(answer_as(&invite, 200, "a", "", None)).await;
    let mut dialog = placed.await.expect("the task").expect("an answer");
    dialog.hang_up(None).await;
    let bye = request(&mut trunk, "BYE").await;
    assert_eq!(bye.header("CSeq"), Some("3 BYE"));
    trunk.send(bye.ok("")).await;
}

#[tokio::test]
async fn a_redirection_is_not_followed() {
    let (endpoint, mut trunk, call) = wire().await;
    let premium = std::net::UdpSocket::bind(("127.0.0.1", 0)).expect("a free port");
    premium.set_nonblocking(true).expect("it can");
    let placed = place(&endpoint, call);
    let invite = request(&mut trunk, "INVITE").await;
    let contact = format!("Contact: <sip:0900@{}>\r\n", premium.local_addr().expect("it is bound"));
    trunk.send(answer_as(&invite, 302, "a", &contact, None)).await;
    let refused = placed.await.expect("the task");
    assert!(matches!(refused, Err(SipError::Refused { status: 302, .. })), "{refused:?}");
    assert_eq!(request(&mut trunk, "ACK").await.header("CSeq"), Some("1 ACK"));
    assert!(trunk.receive_within(SILENCE).await.is_none());
    assert!(premium.recv(&mut [0; 10]).is_err(), "the redirection was followed");
}

#[tokio::test]
async fn the_networks_own_reason_comes_through() {
    let (endpoint, mut trunk, call) = wire().await;
    let placed = place(&endpoint, call);
    let invite = request(&mut trunk, "INVITE").await;
    let reason = "Reason: SIP;cause=480, Q.850;cause=20;text=\"Subscriber absent\"\r\n";
    trunk.send(answer_as(&invite, 480, "a", reason, None)).await;
    let refused = placed.await.expect("the task");
    assert!(matches!(refused, Err(SipError::Refused { status: 480, cause: Some(20), .. })), "{refused:?}");
}

#[tokio::test]
async fn a_challenge_is_answered_once_and_again_when_only_stale() {
    const FIRST: &str = "WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n1\", qop=\"auth\", algorithm=MD5\r\n\
                         WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n1\", qop=\"auth\", algorithm=SHA-256\r\n";
    const STALE: &str = "WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n2\", qop=\"auth\", stale=true\r\n";
    const OTHER: &str = "Proxy-Authenticate: Digest realm=\"behind\", nonce=\"n3\", qop=\"auth\"\r\n";
    let (endpoint, mut trunk, mut call) = wire().await;
    call.credentials = Some(Arc::new(Login::new(None, "minxin", "secret")));
    for (second, status, tries) in [(STALE, 401, 3), (FIRST, 401, 2), (OTHER, 407, 2)] {
        let placed = place(&endpoint, call.clone());
        for (tried, (status, challenge)) in [(401, FIRST), (status, second), (401, FIRST)].into_iter().enumerate() {
            let invite = request(&mut trunk, "INVITE").await;
            let authorization = invite.header("Authorization");
            assert_eq!(authorization.is_some(), tried > 0, "{invite:?}");
            if tried == 1 {
                assert!(authorization.is_some_and(|value| value.contains("algorithm=SHA-256")), "{authorization:?}");
            }
            assert!(invite.header("Proxy-Authorization").is_none());
            trunk.send(answer_as(&invite, status, "a", challenge, None)).await;
            request(&mut trunk, "ACK").await;
            if tried + 1 == tries {
                break;
            }
        }
        let refused = placed.await.expect("the task");
        assert!(matches!(refused, Err(SipError::Refused { status: 401 | 407, .. })), "{refused:?}");
        assert!(trunk.receive_within(SILENCE).await.is_none(), "one INVITE too many");
    }
}

#[tokio::test]
async fn a_realm_that_first_asks_within_a_call_gets_no_credentials() {
    let (endpoint, mut trunk, mut call) = wire().await;
    call.credentials = Some(Arc::new(Login::new(None, "minxin", "secret")));
    let placed = place(&endpoint, call);
    let invite = request(&mut trunk, "INVITE").await;
    trunk.send(answer_as(&invite, 200, "a", "", Some(OFFER))).await;
    request(&mut trunk, "ACK").await;
    let mut dialog = placed.await.expect("the task").expect("an answer");
    let challenge = "Proxy-Authenticate: Digest realm=\"trunk\", nonce=\"n\", qop=\"auth\"\r\n";
    let holding = tokio::spawn(async move {
        let held = dialog.hold().await;
        dialog.hang_up(None).await;
        (held, dialog.next().await)
    });
    let hold = request(&mut trunk, "INVITE").await;
    trunk.send(answer_as(&hold, 407, "a", challenge, None)).await;
    let bye = request(&mut trunk, "BYE").await;
    trunk.send(answer_as(&bye, 407, "a", challenge, None)).await;
    let (held, event) = holding.await.expect("the task");
    assert!(matches!(held, Err(SipError::Refused { status: 407, .. })), "{held:?}");
    assert_eq!(event, Some(DialogEvent::Ended(EndReason::WeHungUp)));
    while let Some(message) = trunk.receive_within(SILENCE + Duration::from_millis(600)).await {
        assert!(message.header("Proxy-Authorization").is_none() && message.header("Authorization").is_none());
    }
}

#[tokio::test]
async fn who_calls_is_asserted_where_asked() {
    let (endpoint, mut trunk, mut call) = wire().await;
    call.from = "sip:12345@office.example".into();
    call.asserted = Some("sip:12345@office.example".into());
    let placed = place(&endpoint, call.clone());
    let invite = request(&mut trunk, "INVITE").await;
    assert_eq!(invite.header("P-Asserted-Identity"), Some("<sip:12345@office.example>"));
    assert!(invite.header("From").is_some_and(|from| from.starts_with("<sip:12345@office.example>;tag=")));
    trunk.send(answer_as(&invite, 486, "a", "", None)).await;
    assert!(placed.await.expect("the task").is_err());
    call.asserted = Some("sip:12345@office.example>\r\nEvil: 1".into());
    assert!(matches!(endpoint.call(call).await, Err(SipError::Uri { .. })));
}
