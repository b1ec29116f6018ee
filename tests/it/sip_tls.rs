//! SIP over TLS, both ways.

use std::fs;
use std::time::Duration;

use minxin::sip::{DialogEvent, EndReason, OutgoingCall, SipConfig, SipError, TlsConfig, TlsError, start};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::sip::{Call, Line, OFFER, PATIENCE, answering, config, gateway, local_rtp};
use crate::support::tls::Certificate;

fn with_tls(certificate: &Certificate) -> SipConfig {
    SipConfig { tls: Some(certificate.config()), ..config() }
}

fn outgoing(to: String) -> OutgoingCall {
    OutgoingCall { ring_timeout: PATIENCE, ..OutgoingCall::new(to, "13812341234", local_rtp()) }
}

#[tokio::test]
async fn a_call_comes_in_and_we_hang_up() {
    let certificate = Certificate::new();
    let (endpoint, mut dialogs) = answering(with_tls(&certificate)).await;
    let mut line = Line::tls(&endpoint, &certificate).await;
    let mut call = Call::new(&line);
    let answer = call.establish(&mut line, "").await;
    assert!(answer.header("Via").is_some_and(|via| via.starts_with("SIP/2.0/TLS ")), "{answer:?}");
    let tls = endpoint.tls_addr().expect("TLS is on");
    assert_eq!(answer.header("Contact"), Some(format!("<sip:{tls};transport=tls>").as_str()));
    drop(dialogs.recv().await.expect("the call"));
    let bye = line.receive_final().await;
    assert_eq!(bye.method(), Some("BYE"));
    assert!(bye.header("Via").is_some_and(|via| via.starts_with(&format!("SIP/2.0/TLS {tls};"))), "{bye:?}");
    line.send(bye.ok("")).await;

    let mut call = Call::new(&line);
    call.establish(&mut line, "").await;
    call.hang_up(&mut line).await;
}

#[tokio::test]
async fn who_asks_for_sips_is_answered_by_sips() {
    let certificate = Certificate::new();
    let (endpoint, _dialogs) = answering(with_tls(&certificate)).await;
    let mut line = Line::tls(&endpoint, &certificate).await;
    let mut call = Call::new(&line);
    line.send(call.request("INVITE", "", Some(OFFER)).replace("sip:", "sips:")).await;
    let answer = line.receive_final().await;
    assert_eq!(answer.status(), Some(200), "{answer:?}");
    assert!(answer.header("Contact").is_some_and(|contact| contact.starts_with("<sips:")), "{answer:?}");
}

#[tokio::test]
async fn a_call_goes_out_to_whom_the_authority_vouches_for() {
    let (certificate, other) = (Certificate::new(), Certificate::new());
    let (far, mut dialogs) = answering(with_tls(&certificate)).await;
    let tls = far.tls_addr().expect("TLS is on");
    let (near, _calls) = gateway(SipConfig { tls_authorities: Some(certificate.path()), ..config() }).await;
    for to in [format!("sips:12345@{tls}"), format!("sip:12345@{tls};transport=tls")] {
        let mut dialog = near.call(outgoing(to)).await.expect("an answer");
        let (_, mut there) = dialogs.recv().await.expect("the call");
        assert_eq!(timeout(PATIENCE, there.next()).await, Ok(Some(DialogEvent::Confirmed)));
        there.hang_up(None).await;
        let end = loop {
            match timeout(PATIENCE, dialog.next()).await.expect("an end") {
                Some(DialogEvent::Ended(reason)) => break reason,
                Some(_) => {}
                None => panic!("no reason"),
            }
        };
        assert_eq!(end, EndReason::PeerHungUp);
    }
    // Neither another authority's peer nor one of another name is talked to.
    let (stranger, _dialogs) = answering(with_tls(&other)).await;
    let stranger = stranger.tls_addr().expect("TLS is on");
    for to in [format!("sips:12345@{stranger}"), format!("sips:12345@localhost:{}", tls.port())] {
        let refused = near.call(outgoing(to)).await;
        assert!(matches!(refused, Err(SipError::Connect { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn strangers_and_silent_peers_are_cut_off_before_the_handshake() {
    let certificate = Certificate::new();
    let trusted = vec!["192.0.2.0/24".parse().expect("a network")];
    let (endpoint, _calls) = gateway(SipConfig { trusted, ..with_tls(&certificate) }).await;
    closed(TcpStream::connect(endpoint.tls_addr().expect("TLS is on")).await.expect("it listens")).await;
    assert_eq!((endpoint.stats().untrusted, endpoint.stats().requests), (1, 0));

    let (endpoint, _calls) = gateway(with_tls(&certificate)).await;
    let connect = || TcpStream::connect(endpoint.tls_addr().expect("TLS is on"));
    // As many as may shake hands at once, and one more, which is closed at once; the others within seconds.
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(connect().await.expect("it listens"));
    }
    closed(connect().await.expect("it listens")).await;
    assert_eq!(endpoint.stats().connections_refused, 1);
    for stream in silent {
        closed(stream).await;
    }
    let mut line = Line::tls(&endpoint, &certificate).await;
    line.send(Call::new(&line).request("OPTIONS", "", None)).await;
    assert_eq!(line.receive_final().await.status(), Some(200));
}

/// Waits until the gateway closes a connection without a word.
async fn closed(mut stream: TcpStream) {
    let read = timeout(PATIENCE + Duration::from_secs(5), stream.read(&mut [0; 16])).await.expect("it is closed");
    assert!(!matches!(read, Ok(1..)), "{read:?}");
}

#[tokio::test]
async fn an_unusable_certificate_is_named() {
    let (certificate, other) = (Certificate::new(), Certificate::new());
    let fault = async |tls: TlsConfig| match start(SipConfig { tls: Some(tls), ..config() }).await {
        Err(SipError::Tls(fault)) => fault,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it started"),
    };
    let good = certificate.config();
    let missing = fault(TlsConfig { key: "/nowhere/key.pem".into(), ..good.clone() }).await;
    assert!(matches!(missing, TlsError::File { .. }), "{missing}");
    let swapped = fault(TlsConfig { certificate: certificate.key_path(), ..good.clone() }).await;
    assert!(matches!(swapped, TlsError::Pem { what: "certificate", .. }), "{swapped}");
    let mixed = fault(TlsConfig { key: other.key_path(), ..good.clone() }).await;
    assert!(matches!(mixed, TlsError::Certificate { .. }), "{mixed}");
    fs::write(certificate.key_path(), "-----BEGIN NOTHING-----").expect("written");
    let broken = fault(good).await;
    assert!(matches!(broken, TlsError::Pem { what: "private key", .. }), "{broken}");
}
