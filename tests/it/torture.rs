//! The 49 messages of RFC 4475, over UDP and TCP, each on a fresh line.
//!
//! The files hold the octets of the RFC's text, transcribed; those whose Content-Length is right have exactly that many
//! octets in their body. Their lengths agree with those of another transcription, but for a blank line that it puts
//! after bodies. After each message the gateway must still answer OPTIONS and take a call. The messages of RFC 5118
//! follow.

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
    // §3.1.2.7 to §3.1.2.11 let a lenient receiver mend these five; what they cost in doubt they bring nobody.
    ("ltgtruri", Status(400), Status(400)),
    ("lwsruri", Status(400), Status(400)),
    ("lwsstart", Status(400), Status(400)),
    ("trws", Status(400), Status(400)),
    ("escruri", Status(400), Status(400)),
    ("baddate", Taken, Taken), // §3.1.2.12: whoever has no use for Date may ignore it.
    ("regbadct", Status(405), Status(405)),
    // §3.1.2.14 and §3.1.2.15: a malformed To or From is refused, though §3.1.2.15 lets one guess.
    ("badaspec", Status(400), Status(400)),
    ("baddn", Status(400), Status(400)),
    ("badvers", Status(505), Status(505)),
    ("mismatch01", Status(400), Status(400)),
    // §3.1.2.18 leaves 400 and 501 open; the message contradicts itself whatever the method.
    ("mismatch02", Status(400), Status(400)),
    ("bigcode", Silence, Silence),
    // 3.2 Transaction layer semantics.
    ("badbranch", Status(200), Status(200)), // Told apart by the other header fields, as before RFC 3261.
    // 3.3 Application layer semantics.
    ("insuf", Status(400), Status(400)),
    // §3.3.2, §3.3.3: 416 for a scheme that we do not know; that of To matters to a registrar only.
    ("unkscm", Status(416), Status(416)),
    ("novelsc", Status(416), Status(416)),
    ("unksm2", Status(405), Status(405)),
    ("bext01", Status(420), Status(420)),
    ("invut", Status(415), Status(415)),
    ("regaut01", Status(405), Status(405)),
    ("multi01", Status(400), Status(400)),
    ("mcl01", Status(400), Status(400)),
    ("bcast", Silence, Silence),
    // §3.3.11 would let an endpoint serve it. Ours refuses, as a proxy must: nobody rings a hotline over seventy hops, so
    // a request without any left has gone round between exchanges, and 483 is what tells them.
    ("zeromf", Status(483), Status(483)),
    ("cparam01", Status(405), Status(405)),
    ("cparam02", Status(405), Status(405)),
    ("regescrt", Status(405), Status(405)),
    // §3.3.15 asks for 406: what we would answer is not among what the caller takes.
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
    check_message(name, &data, expected, &mut line, &mut other, endpoint).await;
}

async fn check_message(
    name: &str,
    data: &[u8],
    expected: Expected,
    line: &mut Line,
    other: &mut Line,
    endpoint: &Endpoint,
) {
    line.send(data).await;
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
    let mut call = Call::new(other);
    other.send(call.request("OPTIONS", "", None)).await;
    assert_eq!(other.receive().await.status(), Some(200), "OPTIONS after {name}");
    call.establish(other, "").await;
    call.hang_up(other).await;
    assert!(!endpoint.is_draining());
}

/// RFC 5118: section, start line, Via, body; the fields that no section is about are filled in.
const IPV6: [(&str, &str, &str, &str, Expected); 12] = [
    ("4.1", "REGISTER sip:[2001:db8::10]", "[2001:db8::9:1];branch=z9hG4bKas3-111", "", Status(405)),
    // An address without its brackets cannot be told from a name with a port.
    ("4.2", "REGISTER sip:2001:db8::10", "[2001:db8::9:1];branch=z9hG4bKas3-112", "", Status(400)),
    // Legal, though 5070 was meant as a port.
    ("4.3", "REGISTER sip:[2001:db8::10:5070]", "[2001:db8::9:1];branch=z9hG4bKas3-113", "", Status(405)),
    ("4.4", "REGISTER sip:[2001:db8::10]:5070", "[2001:db8::9:1];branch=z9hG4bKas3-114", "", Status(405)),
    (
        "4.5 a",
        "BYE sip:[2001:db8::10]",
        "[2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-115",
        "",
        Status(481),
    ),
    (
        "4.5 b",
        "BYE sip:[2001:db8::10]",
        "[2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3-116",
        "",
        Status(481),
    ),
    (
        "4.6",
        "INVITE sip:user@[2001:db8::10]",
        "[2001:db8::20];branch=z9hG4bKas3-117",
        "v=0\r\no=assistant 971731711378798081 0 IN IP6 2001:db8::20\r\ns=Live video feed for today's meeting\r\n\
         c=IN IP6 2001:db8::20\r\nt=3338481189 3370017201\r\nm=audio 6000 RTP/AVP 0\r\nm=video 6024 RTP/AVP 107\r\n\
         a=rtpmap:107 H263-1998/90000\r\n",
        Taken,
    ),
    (
        "4.7",
        "BYE sip:user@host.example.net",
        "[2001:db8::9:1]:6050;branch=z9hG4bKas3-118\r\nVia: SIP/2.0/UDP 192.0.2.1;received=[2001:db8::9:255];branch=z9hG4bKjhja8781hjuaij65144",
        "",
        Status(481),
    ),
    (
        "4.8",
        "INVITE sip:user@[2001:db8::10]",
        "[2001:db8::9:1];branch=z9hG4bKas3-119",
        "v=0\r\no=bob 280744730 28977631 IN IP4 host.example.com\r\ns=\r\nt=0 0\r\nm=audio 22334 RTP/AVP 0\r\n\
         c=IN IP4 192.0.2.1\r\nm=video 6024 RTP/AVP 107\r\nc=IN IP6 2001:db8::1\r\na=rtpmap:107 H263-1998/90000\r\n",
        Taken,
    ),
    (
        "4.9",
        "INVITE sip:user@example.com",
        "[::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19\r\nVia: SIP/2.0/UDP [::ffff:192.0.2.2]:5060;branch=z9hG4bKas3-120",
        "v=0\r\no=bob 280744730 28977631 IN IP6 ::ffff:192.0.2.2\r\ns=\r\nc=IN IP6 ::ffff:192.0.2.2\r\nt=0 0\r\n\
         m=audio 22334 RTP/AVP 0\r\n",
        Taken,
    ),
    // The grammar of RFC 3261 allowed a third colon. RFC 5118 lets a receiver refuse it; no address has it.
    ("4.10 a", "OPTIONS sip:user@[2001:db8:::192.0.2.1]", "[2001:db8::9:1];branch=z9hG4bKas3-121", "", Status(400)),
    ("4.10 b", "OPTIONS sip:user@[2001:db8::192.0.2.1]", "[2001:db8::9:1];branch=z9hG4bKas3-122", "", Status(200)),
];

#[tokio::test]
async fn addresses_of_rfc_5118() {
    let (endpoint, _dialogs) = answering(config()).await;
    for (section, start, via, body, expected) in IPV6 {
        let method = start.split(' ').next().expect("a method");
        let content_type = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        for mut line in [Line::udp(&endpoint).await, Line::tcp(&endpoint).await] {
            let transport = line.transport();
            let message = format!(
                "{start} SIP/2.0\r\nVia: SIP/2.0/{transport} {via}\r\nTo: <sip:user@[2001:db8::10]>\r\n\
                 From: <sip:user@example.com>;tag=81x2\r\nCall-ID: {transport}{section}@[2001:db8::9:1]\r\nMax-Forwards: 70\r\n\
                 Contact: \"Caller\" <sip:caller@[2001:db8::1]>\r\nCSeq: 98176 {method}\r\n{content_type}\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let mut other = Line::udp(&endpoint).await;
            check_message(section, message.as_bytes(), expected, &mut line, &mut other, &endpoint).await;
        }
    }
}

/// An independent parser must be able to read what we answer. It cannot read what intmeth makes us repeat.
fn well_formed(name: &str, answer: &str) {
    if matches!(name, "intmeth" | "esc02" | "mismatch02") {
        return;
    }
    let parsed = rsip::Response::try_from(answer.as_bytes());
    assert!(parsed.is_ok(), "{name}: {answer}");
}
