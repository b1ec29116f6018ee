//! The 49 messages of RFC 4475, over UDP and TCP, each on a fresh line.
//!
//! The files hold the octets of the RFC's text, transcribed; those whose Content-Length is right have exactly that many
//! octets in their body. After each message the gateway must still answer OPTIONS and take a call.

use minxin::sip::Endpoint;

use crate::support::sip::{Call, Line, SILENCE, answering, config};

/// What a user agent server that is no registrar and no proxy does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// Answers with this status.
    Status(u16),
    /// Takes the call: 200, and BYE ends it.
    Call,
    /// Sends nothing.
    Silence,
}

use Expected::{Call as Taken, Silence, Status};

/// Name, outcome over UDP, outcome over TCP.
const MESSAGES: [(&str, Expected, Expected); 49] = [
    // 3.1.1 Valid messages.
    ("wsinv", Status(481), Status(481)), // It has a To tag, so it belongs to a dialog that nobody knows.
    ("intmeth", Status(501), Status(501)), // §3.1.1.2: "Endpoints will generate a 501".
    ("esc01", Taken, Taken),
    ("escnull", Status(405), Status(405)), // No registrar.
    ("esc02", Status(501), Status(501)),   // Not REGISTER: methods have no escapes.
    ("lwsdisp", Status(200), Status(200)),
    ("longreq", Taken, Taken),
    // The rest of a datagram is ignored. The rest of a stream is a call whose length is three octets short: what follows
    // is no message, so the connection is closed.
    ("dblreq", Status(405), Status(405)),
    ("semiuri", Status(200), Status(200)),
    ("transports", Status(200), Status(200)),
    ("mpart01", Status(405), Status(405)), // No messaging.
    ("unreason", Silence, Silence),        // A response that nobody asked for.
    ("noreason", Silence, Silence),
    // 3.1.2 Invalid messages.
    ("badinv01", Status(400), Status(400)),
    ("clerr", Status(400), Silence), // On a stream the rest may still come.
    ("ncl", Status(400), Status(400)),
    ("scalar02", Status(400), Status(400)),
    ("scalarlg", Silence, Silence),
    ("quotbal", Status(400), Status(400)),
    ("ltgtruri", Status(400), Status(400)),
    ("lwsruri", Status(400), Status(400)),
    ("lwsstart", Status(400), Status(400)),
    ("trws", Status(400), Status(400)),
    ("escruri", Status(400), Status(400)),
    ("baddate", Taken, Taken), // §3.1.2.12: whoever has no use for Date may ignore it.
    ("regbadct", Status(405), Status(405)),
    ("badaspec", Status(400), Status(400)),
    ("baddn", Status(400), Status(400)),
    ("badvers", Status(505), Status(505)),
    ("mismatch01", Status(400), Status(400)),
    ("mismatch02", Status(400), Status(400)),
    ("bigcode", Silence, Silence),
    // 3.2 Transaction layer semantics.
    ("badbranch", Status(200), Status(200)), // Told apart by the other header fields, as before RFC 3261.
    // 3.3 Application layer semantics.
    ("insuf", Status(400), Status(400)),
    ("unkscm", Status(416), Status(416)),
    ("novelsc", Status(416), Status(416)),
    ("unksm2", Status(405), Status(405)),
    ("bext01", Status(420), Status(420)),
    ("invut", Status(415), Status(415)),
    ("regaut01", Status(405), Status(405)),
    ("multi01", Status(400), Status(400)),
    ("mcl01", Status(400), Status(400)),
    ("bcast", Silence, Silence),
    ("zeromf", Status(483), Status(483)),
    ("cparam01", Status(405), Status(405)),
    ("cparam02", Status(405), Status(405)),
    ("regescrt", Status(405), Status(405)),
    ("sdp01", Status(406), Status(406)),
    // 3.4 Backward compatibility. No Content-Length: a stream cannot be cut without one.
    ("inv2543", Taken, Status(400)),
];

#[tokio::test]
async fn over_udp() {
    let (endpoint, _dialogs) = answering(config()).await;
    for (name, expected, _) in MESSAGES {
        let line = Line::udp(&endpoint).await;
        check(name, expected, line, Line::udp(&endpoint).await, &endpoint).await;
    }
}

#[tokio::test]
async fn over_tcp() {
    let (endpoint, _dialogs) = answering(config()).await;
    for (name, _, expected) in MESSAGES {
        let line = Line::tcp(&endpoint).await;
        check(name, expected, line, Line::tcp(&endpoint).await, &endpoint).await;
    }
}

async fn check(name: &str, expected: Expected, mut line: Line, mut other: Line, endpoint: &Endpoint) {
    let path = format!("{}/tests/data/rfc4475/{name}.dat", env!("CARGO_MANIFEST_DIR"));
    let data = std::fs::read(&path).expect(&path);
    line.send(&data).await;
    match expected {
        Silence => {
            let answer = line.receive_within(SILENCE).await;
            assert!(answer.is_none(), "{name}: {answer:?}");
        }
        Status(status) => {
            let answer = line.receive_final_of(name).await;
            assert_eq!(answer.status(), Some(status), "{name}: {answer:?}");
            well_formed(name, &answer.0);
        }
        Taken => {
            let answer = line.receive_final_of(name).await;
            assert_eq!(answer.status(), Some(200), "{name}: {answer:?}");
            assert!(answer.body().contains("m=audio 40000 RTP/AVP 0\r\n"), "{name}: {answer:?}");
            well_formed(name, &answer.0);
            let end = |method: &str| {
                let cseq: u32 = answer.header("CSeq").and_then(|c| c.split(' ').next()?.parse().ok()).expect("a CSeq");
                let cseq = if method == "ACK" { cseq } else { cseq + 1 };
                format!(
                    "{method} sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{} {};branch=z9hG4bK{method}{name};rport\r\nFrom: {}\r\n\
                     To: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n",
                    line.transport(),
                    line.addr(),
                    answer.header("From").expect("a From"),
                    answer.header("To").expect("a To"),
                    answer.header("Call-ID").expect("a Call-ID"),
                )
            };
            let (ack, bye) = (end("ACK"), end("BYE"));
            line.send(ack).await;
            line.send(bye).await;
            let answer = line.receive_final_of(name).await;
            assert_eq!(
                (answer.status(), answer.header("CSeq").map(|c| c.ends_with("BYE"))),
                (Some(200), Some(true)),
                "{name}"
            );
        }
    }
    let mut call = Call::new(&other);
    other.send(call.request("OPTIONS", "", None)).await;
    assert_eq!(other.receive().await.status(), Some(200), "OPTIONS after {name}");
    call.establish(&mut other, "").await;
    call.hang_up(&mut other).await;
    assert!(!endpoint.is_draining());
}

/// An independent parser must be able to read what we answer. It cannot read what intmeth makes us repeat.
fn well_formed(name: &str, answer: &str) {
    if matches!(name, "intmeth" | "esc02" | "mismatch02") {
        return;
    }
    let parsed = rsip::Response::try_from(answer.as_bytes());
    assert!(parsed.is_ok(), "{name}: {answer}");
}
