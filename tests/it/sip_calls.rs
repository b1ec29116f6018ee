//! Whole calls: set-up both ways, hold, digits, timers, and every way to end.

use std::time::Duration;

use minxin::call::stream::{Codec, Direction};
use minxin::sip::{Dialog, DialogEvent, EndReason, OutgoingCall, Reject, SipConfig, SipError};
use tokio::time::timeout;

use crate::support::sip::{Call, Line, OFFER, PATIENCE, SILENCE, answering, config, gateway, local_rtp};

/// The next event, which must come.
#[track_caller]
fn next(dialog: &mut Dialog) -> impl Future<Output = DialogEvent> {
    let caller = std::panic::Location::caller();
    async move {
        match timeout(PATIENCE, dialog.next()).await {
            Ok(Some(event)) => event,
            other => panic!("{other:?} awaited at {caller}"),
        }
    }
}

fn outgoing(to: String) -> OutgoingCall {
    OutgoingCall { ring_timeout: PATIENCE, ..OutgoingCall::new(to, "13812341234", ([127, 0, 0, 1], 41000).into()) }
}

#[tokio::test]
async fn a_call_is_answered_and_hung_up_over_both_transports() {
    let (endpoint, mut dialogs) = answering(config()).await;
    for mut line in [Line::udp(&endpoint).await, Line::tcp(&endpoint).await] {
        let mut call = Call::new(&line);
        let answer = call.establish(&mut line, "").await;
        assert!(answer.header("Contact").is_some_and(|c| c.starts_with("<sip:127.0.0.1:")), "{answer:?}");
        let (called, mut dialog) = dialogs.recv().await.expect("the call");
        assert_eq!(called, "12345");
        assert_eq!(dialog.sip_call_id(), call.id);
        let stream = dialog.stream().expect("an early offer").clone();
        assert_eq!((stream.codec, stream.send_event_type), (Codec::Pcma, Some(101)));
        assert_eq!(next(&mut dialog).await, DialogEvent::Confirmed);
        call.hang_up(&mut line).await;
        assert_eq!(next(&mut dialog).await, DialogEvent::Ended(EndReason::PeerHungUp));
        assert_eq!(dialog.next().await, None);
    }
}

#[tokio::test]
async fn the_caller_is_read_from_the_trunks_assertion_first() {
    let (endpoint, mut calls) = gateway(config()).await;
    let mut line = Line::udp(&endpoint).await;
    for (extra, number) in [
        ("", "13812341234"),
        ("P-Asserted-Identity: \"A, B\" <sip:+8687712345@trunk;user=phone>, <tel:110>\r\n", "+8687712345"),
        ("P-Asserted-Identity: <sip:anonymous@anonymous.invalid>\r\n", "13812341234"),
    ] {
        line.send(Call::new(&line).request("INVITE", extra, Some(OFFER))).await;
        let call = calls.recv().await.expect("the call");
        assert_eq!(call.caller.as_ref().map(|caller| caller.reveal()), Some(number), "{extra}");
        call.reject(Reject::Busy).await;
        assert_eq!(line.receive_final().await.status(), Some(486));
    }
}

#[tokio::test]
async fn a_late_offer_is_answered_in_the_ack() {
    let (endpoint, mut dialogs) = answering(config()).await;
    let mut line = Line::udp(&endpoint).await;
    let mut call = Call::new(&line);
    line.send(call.request("INVITE", "", None)).await;
    let offer = line.receive_final().await;
    assert!(offer.body().contains("m=audio 40000 RTP/AVP 8 0 9 111 101 110\r\n"), "{offer:?}");
    call.to_tag = offer.to_tag();
    line.send(call.ack(Some(&OFFER.replace("8 101", "0 101")))).await;
    let (_, mut dialog) = dialogs.recv().await.expect("the call");
    assert_eq!(dialog.stream(), None);
    let DialogEvent::Stream(stream) = next(&mut dialog).await else { panic!("no stream") };
    assert_eq!((stream.codec, stream.direction), (Codec::Pcmu, Direction::SendRecv));
    assert_eq!(dialog.stream(), Some(&stream));
    assert_eq!(next(&mut dialog).await, DialogEvent::Confirmed);
    call.hang_up(&mut line).await;
}

#[tokio::test]
async fn a_late_offer_without_an_answer_is_hung_up() {
    let (endpoint, mut dialogs) = answering(config()).await;
    let mut line = Line::udp(&endpoint).await;
    let mut call = Call::new(&line);
    line.send(call.request("INVITE", "", None)).await;
    call.to_tag = line.receive_final().await.to_tag();
    line.send(call.ack(None)).await;
    let bye = line.receive_final().await;
    assert_eq!(bye.method(), Some("BYE"));
    line.send(bye.ok("")).await;
    let (_, mut dialog) = dialogs.recv().await.expect("the call");
    assert_eq!(next(&mut dialog).await, DialogEvent::Ended(EndReason::BadAnswer));
}

#[tokio::test]
async fn hold_and_resume_by_re_invite_and_update() {
    let (endpoint, mut dialogs) = answering(config()).await;
    let mut line = Line::udp(&endpoint).await;
    let mut call = Call::new(&line);
    call.establish(&mut line, "").await;
    let (_, mut dialog) = dialogs.recv().await.expect("the call");
    assert_eq!(next(&mut dialog).await, DialogEvent::Confirmed);
    for (method, offered, answered, direction) in [
        ("INVITE", "a=sendonly", "a=recvonly", Direction::RecvOnly),
        ("INVITE", "a=inactive", "a=inactive", Direction::Inactive),
        ("UPDATE", "a=recvonly", "a=sendonly", Direction::SendOnly),
        ("UPDATE", "a=sendrecv", "a=sendrecv", Direction::SendRecv),
        ("INVITE", "c=IN IP4 0.0.0.0", "a=recvonly", Direction::RecvOnly),
        ("INVITE", "", "a=sendrecv", Direction::SendRecv),
    ] {
        let offer = format!("{OFFER}{offered}\r\n");
        line.send(call.request(method, "", Some(offer.trim_end_matches("\r\n\r\n")))).await;
        let answer = line.receive_final().await;
        assert_eq!(answer.status(), Some(200), "{method} {offered}");
        assert!(answer.body().contains(answered), "{method} {offered}: {answer:?}");
        if method == "INVITE" {
            line.send(call.ack(None)).await;
        }
        let DialogEvent::Stream(stream) = next(&mut dialog).await else { panic!("{method} {offered}") };
        assert_eq!(stream.direction, direction, "{method} {offered}");
    }
    // A re-INVITE without an offer: ours is answered in the ACK.
    line.send(call.request("INVITE", "", None)).await;
    let offer = line.receive_final().await;
    assert!(offer.body().contains("a=sendrecv"), "{offer:?}");
    line.send(call.ack(Some(&format!("{OFFER}a=sendonly\r\n")))).await;
    let DialogEvent::Stream(stream) = next(&mut dialog).await else { panic!("no stream") };
    assert_eq!(stream.direction, Direction::RecvOnly);
    // An offer that cannot be taken leaves the call as it was.
    line.send(call.request("INVITE", "", Some(&OFFER.replace("8 101", "18")))).await;
    assert_eq!(line.receive_final().await.status(), Some(488));
    line.send(call.repeat("ACK", "", None)).await;
    call.hang_up(&mut line).await;
    assert_eq!(next(&mut dialog).await, DialogEvent::Ended(EndReason::PeerHungUp));
}

#[tokio::test]
async fn requests_out_of_order_or_of_another_dialog_are_refused() {
    let (endpoint, _dialogs) = answering(config()).await;
    let mut line = Line::udp(&endpoint).await;
    let mut call = Call::new(&line);
    call.establish(&mut line, "").await;
    let mut statuses = Vec::new();
    call.cseq = 0;
    line.send(call.request("INFO", "", None)).await;
    statuses.extend(line.receive_final().await.status());
    call.cseq = 10;
    line.send(call.request("INFO", "", None).replace("tag=phone", "tag=thief")).await;
    statuses.extend(line.receive_final().await.status());
    line.send(call.request("BYE", "", None).replace(&call.to_tag, "wrong")).await;
    statuses.extend(line.receive_final().await.status());
    assert_eq!(statuses, [500, 481, 481]);
    call.hang_up(&mut line).await;
}

#[tokio::test]
async fn digits_come_by_info() {
    let (endpoint, mut dialogs) = answering(config()).await;
    let mut line = Line::udp(&endpoint).await;
    let mut call = Call::new(&line);
    call.establish(&mut line, "").await;
    let (_, mut dialog) = dialogs.recv().await.expect("the call");
    assert_eq!(next(&mut dialog).await, DialogEvent::Confirmed);
    for (content_type, body, key, duration_ms, status) in [
        ("application/dtmf-relay", "Signal=5\r\nDuration=200\r\n", '5', 200, 200),
        ("application/dtmf", "#", '#', 160, 200),
        ("application/dtmf-relay", "Signal=zz\r\n", ' ', 0, 400),
        ("text/plain", "5", ' ', 0, 415),
    ] {
        let request = call.request("INFO", "", Some(body)).replace("application/sdp", content_type);
        line.send(request).await;
        assert_eq!(line.receive_final().await.status(), Some(status), "{body}");
        if status == 200 {
            let duration = Duration::from_millis(duration_ms);
            assert_eq!(next(&mut dialog).await, DialogEvent::Digit { key, duration });
        }
    }
    call.hang_up(&mut line).await;
}

#[tokio::test]
async fn a_caller_may_give_up() {
    let (endpoint, mut calls) = gateway(config()).await;
    let mut line = Line::udp(&endpoint).await;
    let mut call = Call::new(&line);
    line.send(call.request("INVITE", "", Some(OFFER))).await;
    let mut ringing = calls.recv().await.expect("the call");
    ringing.ring().await;
    assert_eq!(line.receive().await.status(), Some(100));
    assert_eq!(line.receive().await.status(), Some(180));
    line.send(call.repeat("CANCEL", "", None)).await;
    let answers = [line.receive().await, line.receive().await];
    let statuses: Vec<_> = answers.iter().map(|a| (a.status(), a.header("CSeq"))).collect();
    assert_eq!(statuses, [(Some(200), Some("1 CANCEL")), (Some(487), Some("1 INVITE"))]);
    timeout(PATIENCE, ringing.cancelled()).await.expect("the news");
    assert!(matches!(ringing.answer(local_rtp()).await, Err(SipError::Cancelled)));
    assert_eq!(endpoint.stats().calls, 0);
}

#[tokio::test]
async fn refusals_have_their_status() {
    let (endpoint, mut calls) = gateway(config()).await;
    let mut line = Line::udp(&endpoint).await;
    for (reject, status) in [
        (Some(Reject::Busy), 486),
        (Some(Reject::NotFound), 404),
        (Some(Reject::NobodyThere), 480),
        (Some(Reject::Decline), 603),
        (Some(Reject::Unavailable { retry_after_s: 7 }), 503),
        (None, 480), // Dropped.
    ] {
        let mut call = Call::new(&line);
        line.send(call.request("INVITE", "", Some(OFFER))).await;
        let incoming = calls.recv().await.expect("the call");
        match reject {
            Some(reject) => incoming.reject(reject).await,
            None => drop(incoming),
        }
        let answer = line.receive_final().await;
        assert_eq!(answer.status(), Some(status));
        call.to_tag = answer.to_tag();
        line.send(call.repeat("ACK", "", None)).await;
    }
}

#[tokio::test]
async fn a_reliable_180_waits_for_its_prack() {
    let (endpoint, mut calls) = gateway(config()).await;
    let mut line = Line::udp(&endpoint).await;
    let mut call = Call::new(&line);
    line.send(call.request("INVITE", "Require: 100rel\r\n", Some(OFFER))).await;
    let mut ringing = calls.recv().await.expect("the call");
    ringing.ring().await;
    assert_eq!(line.receive().await.status(), Some(100));
    let first = line.receive().await;
    assert_eq!((first.status(), first.header("Require")), (Some(180), Some("100rel")));
    let rseq = first.header("RSeq").expect("a number").to_owned();
    let again = line.receive().await;
    assert_eq!(again.header("RSeq"), Some(rseq.as_str()), "retransmitted until the PRACK");
    call.to_tag = first.to_tag();
    line.send(call.request("PRACK", "RAck: 1 1 INVITE\r\n", None)).await;
    assert_eq!(line.receive_final().await.status(), Some(481));
    line.send(call.request("PRACK", &format!("RAck: {rseq} 1 INVITE\r\n"), None)).await;
    assert_eq!(line.receive_final().await.status(), Some(200));
    let mut dialog = ringing.answer(local_rtp()).await.expect("an answer");
    let answer = line.receive_final().await;
    assert_eq!((answer.status(), answer.header("CSeq")), (Some(200), Some("1 INVITE")));
    let cseq = std::mem::replace(&mut call.cseq, 1);
    line.send(call.ack(None)).await;
    call.cseq = cseq;
    assert_eq!(next(&mut dialog).await, DialogEvent::Confirmed);
    call.hang_up(&mut line).await;
}

#[tokio::test]
async fn session_timers_are_agreed_on() {
    let (endpoint, _dialogs) = answering(SipConfig { session_expires: Duration::from_secs(1200), ..config() }).await;
    let mut line = Line::udp(&endpoint).await;
    for (extra, session_expires, require) in [
        ("Supported: timer\r\nSession-Expires: 600\r\n", "600;refresher=uac", Some("timer")),
        ("Supported: timer\r\nSession-Expires: 3600;refresher=uas\r\n", "1200;refresher=uas", None),
        ("", "1200;refresher=uas", None),
    ] {
        let mut call = Call::new(&line);
        let answer = call.establish(&mut line, extra).await;
        assert_eq!((answer.header("Session-Expires"), answer.header("Require")), (Some(session_expires), require));
        line.send(call.request("UPDATE", "Supported: timer\r\nSession-Expires: 90\r\n", None)).await;
        assert_eq!(line.receive_final().await.header("Session-Expires"), Some("90;refresher=uac"));
        call.hang_up(&mut line).await;
    }
}

#[tokio::test]
async fn the_gateway_hangs_up_after_the_ack_and_not_before() {
    let (endpoint, mut dialogs) = answering(config()).await;
    let mut line = Line::udp(&endpoint).await;
    let mut call = Call::new(&line);
    line.send(call.request("INVITE", "", Some(OFFER))).await;
    call.to_tag = line.receive_final().await.to_tag();
    let (_, mut dialog) = dialogs.recv().await.expect("the call");
    let hanging_up = tokio::spawn(async move {
        dialog.hang_up(Some("normal")).await;
        next(&mut dialog).await
    });
    let early = line.receive_within(SILENCE).await;
    assert!(early.is_none_or(|message| message.status() == Some(200)), "a BYE before the ACK");
    line.send(call.ack(None)).await;
    let bye = loop {
        let message = line.receive_final().await;
        if message.method().is_some() {
            break message;
        }
    };
    assert_eq!((bye.method(), bye.header("Reason")), (Some("BYE"), Some("SIP;cause=200;text=\"normal\"")));
    line.send(bye.ok("")).await;
    let events = hanging_up.await.expect("no panic");
    assert!(matches!(events, DialogEvent::Confirmed | DialogEvent::Ended(EndReason::WeHungUp)), "{events:?}");
}

#[tokio::test]
async fn a_dropped_call_is_hung_up() {
    let (endpoint, mut dialogs) = answering(config()).await;
    let mut line = Line::udp(&endpoint).await;
    let mut call = Call::new(&line);
    call.establish(&mut line, "").await;
    drop(dialogs.recv().await.expect("the call"));
    let bye = line.receive_final().await;
    assert_eq!(bye.method(), Some("BYE"));
    line.send(bye.ok("")).await;
}

#[tokio::test]
async fn shutdown_hangs_up_every_call() {
    let (endpoint, _dialogs) = answering(config()).await;
    let mut line = Line::udp(&endpoint).await;
    let mut call = Call::new(&line);
    call.establish(&mut line, "").await;
    let shutdown = tokio::spawn(endpoint.shutdown());
    let bye = line.receive_final().await;
    assert_eq!(bye.method(), Some("BYE"));
    line.send(bye.ok("")).await;
    timeout(PATIENCE, shutdown).await.expect("in time").expect("no panic");
}

#[tokio::test]
async fn two_endpoints_talk() {
    for parameter in ["", ";transport=tcp"] {
        let (endpoint, mut dialogs) = answering(config()).await;
        let (phone, _calls) = gateway(config()).await;
        let addr = if parameter.is_empty() { endpoint.udp_addr() } else { endpoint.tcp_addr() }.expect("it is on");
        let mut ours = phone.call(outgoing(format!("sip:67890@{addr}{parameter}"))).await.expect("an answer");
        let (called, mut theirs) = dialogs.recv().await.expect("the call");
        assert_eq!(called, "67890");
        assert_eq!(ours.stream().map(|s| s.remote_rtp), Some(local_rtp()));
        assert_eq!(theirs.stream().map(|s| s.remote_rtp), Some(([127, 0, 0, 1], 41000).into()));
        assert_eq!(next(&mut theirs).await, DialogEvent::Confirmed);

        ours.hold().await.expect("held");
        let DialogEvent::Stream(stream) = next(&mut theirs).await else { panic!("no stream") };
        assert_eq!(stream.direction, Direction::RecvOnly);
        let DialogEvent::Stream(stream) = next(&mut ours).await else { panic!("no stream") };
        assert_eq!(stream.direction, Direction::SendOnly);
        // The ACK of the hold may still be under way: then the resumption is refused for the moment.
        while let Err(error) = ours.resume().await {
            assert!(matches!(error, SipError::Refused { status: 491 | 500, .. }), "{error:?}");
        }
        let DialogEvent::Stream(stream) = next(&mut theirs).await else { panic!("no stream") };
        assert_eq!(stream.direction, Direction::SendRecv);
        let DialogEvent::Stream(_) = next(&mut ours).await else { panic!("no stream") };

        ours.info_digit('7', Duration::from_millis(120)).await.expect("taken");
        let digit = DialogEvent::Digit { key: '7', duration: Duration::from_millis(120) };
        assert_eq!(next(&mut theirs).await, digit);

        theirs.hang_up(None).await;
        assert_eq!(next(&mut ours).await, DialogEvent::Ended(EndReason::PeerHungUp));
        assert_eq!(next(&mut theirs).await, DialogEvent::Ended(EndReason::WeHungUp));
    }
}

#[tokio::test]
async fn a_call_of_ours_can_be_refused_unanswered_or_given_up() {
    let (endpoint, mut calls) = gateway(config()).await;
    let (phone, _none) = gateway(config()).await;
    let uri = format!("sip:1@{}", endpoint.udp_addr().expect("UDP is on"));

    let placed = phone.call(outgoing(uri.clone()));
    let (refused, ()) =
        tokio::join!(placed, async { calls.recv().await.expect("the call").reject(Reject::Busy).await });
    assert!(matches!(refused, Err(SipError::Refused { status: 486, .. })), "{refused:?}");

    let mut short = outgoing(uri.clone());
    short.ring_timeout = Duration::from_millis(50);
    let (unanswered, ()) = tokio::join!(phone.call(short), async {
        let mut ringing = calls.recv().await.expect("the call");
        ringing.ring().await;
        ringing.cancelled().await;
    });
    assert!(matches!(unanswered, Err(SipError::NoAnswer)), "{unanswered:?}");

    let nobody = std::net::UdpSocket::bind(("127.0.0.1", 0)).expect("a free port");
    let mut silent = outgoing(format!("sip:1@{}", nobody.local_addr().expect("it is bound")));
    silent.ring_timeout = Duration::from_millis(50);
    let unreachable = timeout(PATIENCE, phone.call(silent)).await.expect("in time");
    assert!(matches!(unreachable, Err(SipError::NoAnswer)), "{unreachable:?}");

    {
        let placed = phone.call(outgoing(uri));
        tokio::select! {
            other = placed => panic!("{other:?}"),
            mut ringing = async { calls.recv().await.expect("the call") } => {
                tokio::spawn(async move {
                    ringing.ring().await;
                    ringing.cancelled().await;
                });
            }
        }
    }
    timeout(PATIENCE, async {
        while endpoint.stats().calls + phone.stats().calls > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the CANCEL ends both sides");
    assert!(matches!(phone.call(outgoing("http://example.com".into())).await, Err(SipError::Uri { .. })));
}

#[tokio::test]
async fn a_session_is_refreshed_or_given_up() {
    let short = SipConfig { min_session_expires: Duration::from_secs(1), ..config() };
    let (endpoint, mut dialogs) = answering(short).await;
    for (extra, refreshes) in [
        ("Supported: timer\r\nAllow: INVITE, UPDATE\r\nSession-Expires: 2;refresher=uas\r\n", "UPDATE"),
        ("Supported: timer\r\nSession-Expires: 2;refresher=uas\r\n", "INVITE"),
    ] {
        let mut line = Line::udp(&endpoint).await;
        let mut call = Call::new(&line);
        call.establish(&mut line, extra).await;
        for _ in 0..2 {
            let refresh = line.receive().await;
            assert_eq!(
                (refresh.method(), refresh.header("Session-Expires")),
                (Some(refreshes), Some("2;refresher=uac"))
            );
            if refreshes == "INVITE" {
                line.send(refresh.ok(OFFER)).await;
                assert_eq!(line.receive().await.method(), Some("ACK"));
            } else {
                line.send(refresh.ok("")).await;
            }
        }
        call.hang_up(&mut line).await;
        drop(dialogs.recv().await);
    }

    let mut line = Line::udp(&endpoint).await;
    let mut call = Call::new(&line);
    call.establish(&mut line, "Supported: timer\r\nSession-Expires: 1\r\n").await;
    let (_, mut dialog) = dialogs.recv().await.expect("the call");
    assert_eq!(next(&mut dialog).await, DialogEvent::Confirmed);
    assert_eq!(line.receive().await.method(), Some("BYE"));
    assert_eq!(next(&mut dialog).await, DialogEvent::Ended(EndReason::Expired));
}

/// P20: a call whose answer nobody confirms is ended after 64*T1 (RFC 3261 §13.3.1.4) and leaves nothing behind.
#[tokio::test]
async fn an_answer_without_an_ack_is_given_up() {
    let (endpoint, mut dialogs) = answering(config()).await;
    let mut line = Line::udp(&endpoint).await;
    let mut call = Call::new(&line);
    line.send(call.request("INVITE", "", Some(OFFER))).await;
    let (_, mut dialog) = dialogs.recv().await.expect("the call");
    let mut answers = 0;
    let bye = loop {
        let message = line.receive_final().await;
        match message.status() {
            Some(status) => {
                assert_eq!(status, 200);
                answers += 1;
            }
            None => break message,
        }
    };
    assert!(answers > 5, "the 200 was sent {answers} times");
    assert_eq!(bye.method(), Some("BYE"));
    line.send(bye.ok("")).await;
    assert_eq!(next(&mut dialog).await, DialogEvent::Ended(EndReason::NoAck));
    while endpoint.stats().calls > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// P20: BYE is answered at once, whatever else the call's owner is doing.
#[tokio::test]
async fn a_bye_is_answered_without_waiting_for_the_owner() {
    const CALLS: u32 = 100;
    let (endpoint, mut dialogs) = answering(config()).await;
    let mut line = Line::udp(&endpoint).await;
    let mut spent = Vec::new();
    for _ in 0..CALLS {
        let mut call = Call::new(&line);
        call.establish(&mut line, "").await;
        // The handle is held and not listened to.
        let _owner = dialogs.recv().await.expect("the call");
        let sent = minxin::clock::monotonic();
        call.hang_up(&mut line).await;
        spent.push(sent.elapsed());
    }
    spent.sort();
    // Fifty milliseconds are the aim; the bound allows for a machine that runs other tests beside.
    assert!(spent[spent.len() / 2] < Duration::from_millis(50), "median {:?}", spent[spent.len() / 2]);
    assert_eq!(endpoint.stats().calls, 0);
}
