//! Who is answered, and what is refused before it becomes a call.

use std::sync::Arc;

use minxin::sip::{DigestCredentials, Login, OutgoingCall, SipConfig, SipError};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::support::sip::{Call, Line, OFFER, PATIENCE, SILENCE, answering, config, gateway, local_rtp};

/// One request, its status, and a header field of the answer.
async fn check(method: &'static str, extra: &'static str, status: u16, header: Option<(&'static str, &'static str)>) {
    let (endpoint, _dialogs) = answering(config()).await;
    for mut line in [Line::udp(&endpoint).await, Line::tcp(&endpoint).await] {
        let mut call = Call::new(&line);
        let sdp = (method == "INVITE").then_some(OFFER);
        line.send(call.request(method, extra, sdp)).await;
        let answer = line.receive_final().await;
        assert_eq!(answer.status(), Some(status), "{answer:?}");
        if let Some((name, value)) = header {
            assert_eq!(answer.header(name), Some(value), "{answer:?}");
        }
    }
}

const ALLOW: Option<(&str, &str)> = Some(("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK"));

#[tokio::test]
async fn options_tell_what_we_can_do() {
    check("OPTIONS", "", 200, ALLOW).await;
    check("OPTIONS", "", 200, Some(("Supported", "100rel, timer"))).await;
}

#[tokio::test]
async fn other_services_are_refused() {
    for method in ["REGISTER", "MESSAGE", "SUBSCRIBE", "NOTIFY", "REFER", "PUBLISH"] {
        check(method, "", 405, ALLOW).await;
    }
    check("FROBNICATE", "", 501, ALLOW).await;
}

#[tokio::test]
async fn requests_of_no_dialog_are_refused() {
    for method in ["BYE", "INFO", "UPDATE", "PRACK", "CANCEL"] {
        check(method, "", 481, None).await;
    }
}

#[tokio::test]
async fn what_we_cannot_do_is_said() {
    check("INVITE", "Require: 100rel, replaces\r\n", 420, Some(("Unsupported", "replaces"))).await;
    check("INVITE", "Content-Encoding: gzip\r\n", 415, Some(("Accept-Encoding", "identity"))).await;
    check("INVITE", "Accept: text/plain\r\n", 406, None).await;
    check("INVITE", "Session-Expires: 60\r\nSupported: timer\r\n", 422, Some(("Min-SE", "90"))).await;
}

#[tokio::test]
async fn offers_without_a_common_codec_are_refused() {
    let (endpoint, _dialogs) = answering(config()).await;
    let mut line = Line::udp(&endpoint).await;
    let refused = |sdp: String| (sdp, 488);
    let nonsense = |sdp: String| (sdp, 400);
    for (sdp, status) in [
        refused(OFFER.replace("RTP/AVP 8 101", "RTP/AVP 18")),
        refused(OFFER.replace("RTP/AVP 8 101", "RTP/SAVP 8")),
        refused(OFFER.replace("c=IN IP4 127.0.0.1\r\n", "")),
        nonsense(OFFER.replace("audio 4000", "audio 4294967296")),
        nonsense(OFFER.replace("a=rtpmap", "a=fmtp:101 \0\r\na=rtpmap")),
        nonsense(OFFER.replace("v=0", "v=1")),
    ] {
        let mut call = Call::new(&line);
        line.send(call.request("INVITE", "", Some(&sdp))).await;
        let answer = line.receive_final().await;
        assert_eq!(answer.status(), Some(status), "{sdp}\n{answer:?}");
        call.to_tag = answer.to_tag();
        line.send(call.repeat("ACK", "", None)).await;
    }
}

#[tokio::test]
async fn strangers_get_no_octet() {
    let trusted = vec!["192.0.2.0/24".parse().expect("a network")];
    let (endpoint, _calls) = gateway(SipConfig { trusted, ..config() }).await;
    let mut line = Line::udp(&endpoint).await;
    let mut call = Call::new(&line);
    for method in ["OPTIONS", "INVITE", "REGISTER", "BYE"] {
        line.send(call.request(method, "", None)).await;
    }
    line.send("nonsense").await;
    assert!(line.receive_within(SILENCE).await.is_none());
    let mut line = Line::tcp(&endpoint).await;
    assert!(line.receive_within(PATIENCE).await.is_none(), "the connection is closed");
    let stats = endpoint.stats();
    assert_eq!((stats.untrusted, stats.requests, stats.calls), (6, 0, 0));
}

#[tokio::test]
async fn calls_beyond_capacity_are_sent_elsewhere() {
    let (endpoint, mut dialogs) = answering(SipConfig { max_calls: 1, ..config() }).await;
    let mut line = Line::udp(&endpoint).await;
    let mut first = Call::new(&line);
    first.establish(&mut line, "").await;
    let mut second = Call::new(&line);
    line.send(second.request("INVITE", "", Some(OFFER))).await;
    let answer = line.receive_final().await;
    assert_eq!((answer.status(), answer.header("Retry-After")), (Some(503), Some("5")));
    first.hang_up(&mut line).await;
    let (_, mut dialog) = dialogs.recv().await.expect("the first call");
    while dialog.next().await.is_some() {}
    let mut third = Call::new(&line);
    third.establish(&mut line, "").await;
    assert_eq!(endpoint.stats().over_capacity, 1);
}

/// One source may ring as often as it likes: what it leaves unanswered or unconfirmed counts against it, not against
/// the others, and its room comes back when those calls end.
#[tokio::test]
async fn one_source_cannot_take_every_call() {
    let (endpoint, mut calls) = gateway(SipConfig { max_calls: 4, max_calls_per_source: 2, ..config() }).await;
    let mut flooder = Line::udp(&endpoint).await;
    let invite = |line: &Line| Call::new(line).request("INVITE", "", Some(OFFER));
    for _ in 0..2 {
        flooder.send(invite(&flooder)).await;
    }
    let waiting = [calls.recv().await.expect("a call"), calls.recv().await.expect("a call")];
    flooder.send(invite(&flooder)).await;
    assert_eq!(flooder.receive_final().await.status(), Some(503));
    let mut other = Line::udp_from(&endpoint, [127, 0, 0, 2]).await;
    other.send(invite(&other)).await;
    let served = calls.recv().await.expect("the other source's call");
    drop(waiting);
    while endpoint.stats().calls > 1 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    flooder.send(invite(&flooder)).await;
    assert!(timeout(PATIENCE, calls.recv()).await.is_ok_and(|call| call.is_some()));
    drop(served);
}

#[tokio::test]
async fn calls_beyond_the_rate_are_sent_elsewhere() {
    let (endpoint, _dialogs) = answering(SipConfig { max_calls_per_second: 2, ..config() }).await;
    let mut line = Line::udp(&endpoint).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let mut call = Call::new(&line);
        line.send(call.request("INVITE", "", Some(OFFER))).await;
        let answer = line.receive_final().await;
        statuses.extend(answer.status());
        call.to_tag = answer.to_tag();
        line.send(call.ack(None)).await;
    }
    assert_eq!(statuses, [200, 200, 503, 503]);
}

#[tokio::test]
async fn a_draining_gateway_turns_calls_away_and_keeps_those_it_has() {
    let (endpoint, _dialogs) = answering(config()).await;
    let mut line = Line::udp(&endpoint).await;
    let mut live = Call::new(&line);
    live.establish(&mut line, "").await;
    endpoint.drain();
    for method in ["INVITE", "OPTIONS"] {
        let mut call = Call::new(&line);
        line.send(call.request(method, "", Some(OFFER))).await;
        let answer = line.receive_final().await;
        assert_eq!(answer.status(), Some(503), "{method}");
        assert!(answer.header("Retry-After").is_some(), "{method}");
    }
    live.hang_up(&mut line).await;
}

#[tokio::test]
async fn a_merged_request_is_refused() {
    let (endpoint, mut calls) = gateway(config()).await;
    let mut line = Line::udp(&endpoint).await;
    let mut call = Call::new(&line);
    line.send(call.request("INVITE", "", Some(OFFER))).await;
    let waiting = calls.recv().await.expect("the call");
    call.branch += 1;
    line.send(call.repeat("INVITE", "", Some(OFFER))).await;
    let answer = line.receive_final().await;
    assert_eq!(answer.status(), Some(482));
    drop(waiting);
}

#[tokio::test]
async fn a_challenge_is_met_by_the_right_password_only() {
    let who = DigestCredentials { realm: "minxin".into(), username: "trunk".into(), password: "secret".into() };
    let (endpoint, _dialogs) = answering(SipConfig { auth: Some(who.clone()), ..config() }).await;
    let (phone, _calls) = gateway(config()).await;
    let udp = endpoint.udp_addr().expect("UDP is on");
    let call = |who: Option<DigestCredentials>| OutgoingCall {
        credentials: who.map(|who| Arc::new(Login::new(Some(who.realm), &who.username, &who.password))),
        ring_timeout: PATIENCE,
        ..OutgoingCall::new(format!("sip:12345@{udp}"), "13812341234", local_rtp())
    };
    let mut dialog = phone.call(call(Some(who.clone()))).await.expect("the right password");
    dialog.hang_up(None).await;
    for wrong in [
        None,
        Some(DigestCredentials { password: "guess".into(), ..who.clone() }),
        Some(DigestCredentials { username: "other".into(), ..who.clone() }),
        Some(DigestCredentials { realm: "elsewhere".into(), ..who }),
    ] {
        let refused = phone.call(call(wrong.clone())).await;
        assert!(matches!(refused, Err(SipError::Refused { status: 401, .. })), "{wrong:?}: {refused:?}");
    }
    let mut line = Line::udp(&endpoint).await;
    line.send(Call::new(&line).request("INVITE", "", Some(OFFER))).await;
    let answer = line.receive_final().await;
    let challenges: Vec<&str> = answer.headers("WWW-Authenticate").collect();
    assert!(challenges[0].contains("algorithm=SHA-256") && challenges[1].contains("algorithm=MD5"), "{challenges:?}");
}

#[tokio::test]
async fn oversized_and_slow_streams_are_cut_off() {
    let (endpoint, _dialogs) = answering(config()).await;
    let mut line = Line::tcp(&endpoint).await;
    let mut call = Call::new(&line);
    line.send(call.request("OPTIONS", "", None).replace("Content-Length: 0", "Content-Length: 4294967295")).await;
    assert_eq!(line.receive_final().await.status(), Some(513));
    assert!(line.receive_within(PATIENCE).await.is_none(), "the connection is closed");

    let mut line = Line::tcp(&endpoint).await;
    let Line::Tcp { stream, .. } = &mut line else { panic!("a stream") };
    let noise = async { while stream.write_all(&[b'x'; 4096]).await.is_ok() {} };
    timeout(PATIENCE, noise).await.expect("the connection is closed");
    let mut line = Line::tcp(&endpoint).await;
    line.send(call.request("OPTIONS", "", None)).await;
    assert_eq!(line.receive_final().await.status(), Some(200));
}

#[tokio::test]
async fn what_brought_other_gateways_down_is_refused() {
    let (endpoint, _dialogs) = answering(config()).await;
    let mut line = Line::udp(&endpoint).await;
    let change = |from: &'static str, to: &'static str| move |request: String| request.replace(from, to);
    let without_to = |request: String| {
        let lines = request.split_inclusive("\r\n").filter(|line| !line.starts_with("To:"));
        lines.collect::<String>()
    };
    let damages: [&dyn Fn(String) -> String; 6] = [
        &without_to,
        &change("From: <sip:13812341234@127.0.0.1>;tag=phone", "From: <<>>;;"),
        &change("Content-Length: ", "Content-Length: 4294967295"),
        &change("CSeq: 1", "CSeq: 99999999999"),
        &change("Max-Forwards: 70", "Max-Forwards: -1"),
        &change("INVITE sip:12345@127.0.0.1 ", "INVITE sip:12345@[::1 "),
    ];
    for damage in damages {
        let mut call = Call::new(&line);
        let request = damage(call.request("INVITE", "", Some(OFFER)));
        line.send(&request).await;
        let answer = line.receive_final().await;
        assert_eq!(answer.status(), Some(400), "{request}");
    }
    let mut call = Call::new(&line);
    call.establish(&mut line, "").await;
    call.hang_up(&mut line).await;
}

/// CVE-2021-41158: credentials given to whoever asks within a call that came in.
#[tokio::test]
async fn a_caller_that_asks_for_credentials_gets_none() {
    let (endpoint, mut dialogs) = answering(config()).await;
    let mut line = Line::udp(&endpoint).await;
    let mut call = Call::new(&line);
    call.establish(&mut line, "").await;
    drop(dialogs.recv().await.expect("the call"));
    let bye = line.receive_final().await;
    let challenge = "SIP/2.0 407 Proxy Authentication Required\r\nProxy-Authenticate: Digest realm=\"x\", nonce=\"n\"";
    line.send(bye.ok("").replace("SIP/2.0 200 OK", challenge)).await;
    assert!(line.receive_within(SILENCE).await.is_none(), "the challenge ends the matter");
}

/// S5: many connections that say nothing, and many that trickle a header without end, cost little and are closed. The
/// limit on the time that a message may take is longer than a test should last; the limit on their number is not.
#[tokio::test]
async fn idle_streams_cost_little_and_leave_room_for_others() {
    const STREAMS: usize = 1000;
    let (endpoint, _dialogs) = answering(config()).await;
    let before = resident_kib();
    let mut lines = Vec::new();
    for number in 0..STREAMS {
        let mut line = Line::tcp(&endpoint).await;
        if number % 2 == 0 {
            line.send(format!("OPTIONS sip:a SIP/2.0\r\nX: {}", "x".repeat(4000))).await;
        }
        lines.push(line);
    }
    let mut line = Line::tcp(&endpoint).await;
    line.send(Call::new(&line).request("OPTIONS", "", None)).await;
    assert_eq!(line.receive_final().await.status(), Some(200));
    // Both ends of every connection are in this process, and other tests beside.
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB for {STREAMS} streams");
}

/// Messages that are almost all header, as many as come in a second: nothing of them is kept.
#[tokio::test]
async fn a_flood_of_huge_headers_is_not_kept() {
    let (endpoint, _dialogs) = answering(config()).await;
    let mut line = Line::tcp(&endpoint).await;
    let before = resident_kib();
    let filler = format!("X-Filler: {}\r\n", "x".repeat(60_000));
    for _ in 0..1000 {
        line.send(Call::new(&line).request("OPTIONS", &filler, None)).await;
        assert_eq!(line.receive_final().await.status(), Some(200));
    }
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB after 60 MB of headers");
}

/// Memory of this process, in KiB.
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
