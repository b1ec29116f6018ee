//! The front door: what is answered, mended or dropped before the SIP library sees it. Pure.
//!
//! A message from a trusted source is checked here against RFC 3261 §8.2 and answered without any state where the answer
//! needs none (RFC 3261 §8.2.7). So a malformed message or a flood costs one look, and the transaction layer holds only
//! requests that we mean to serve. An ACK is never answered, a bad response is never passed on.

use std::net::{IpAddr, SocketAddr};

use super::address::{NameAddr, Uri, UriError};
use super::body::{self, Body};
use super::message::{Message, is_token};
use super::reply::Reply;
use super::text::{compact, list};

/// Methods served, for the Allow header field.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK";
/// Extensions understood, for Supported and against Require (RFC 3262, RFC 4028).
pub(super) const SUPPORTED: &str = "100rel, timer";
/// Body types understood in an INVITE or UPDATE.
pub(super) const ACCEPT: &str = "application/sdp, multipart/mixed";
/// Body types understood in an INFO.
const ACCEPT_INFO: &str = "application/dtmf-relay, application/dtmf";
/// Methods of other services than a call: known, not served (RFC 3261 §8.2.1: 405).
const UNSERVED: &[&str] = &["REGISTER", "MESSAGE", "SUBSCRIBE", "NOTIFY", "REFER", "PUBLISH"];

/// Tag given to a From that has none, as RFC 2543 allowed: the SIP library tells transactions apart by it.
const NO_FROM_TAG: &str = "none-rfc2543";

/// How a message arrived: what its length says depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// The datagram ends the message.
    Datagram,
    /// Content-Length ends the message.
    Stream,
}

/// What is done with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Hand these octets to the SIP library.
    Pass(Vec<u8>),
    /// Send these octets back and forget the message.
    Answer {
        /// The whole response.
        response: Vec<u8>,
        /// Its status, for counting.
        status: u16,
    },
    /// Do nothing.
    Drop(&'static str),
}

/// What the rest of the endpoint says about a request that is sound.
pub(super) trait Gate {
    /// Whether a new call may come in now; `Some` holds the refusal.
    fn admit(&self, invite: &Message, source: IpAddr) -> Option<Reply>;
    /// Whether this Call-ID has been seen lately, so that its requests need the transaction layer.
    fn knows(&self, call_id: &str) -> bool;
    /// Whether the SIP library can read a message in its plainest form.
    fn readable(&self, message: &[u8]) -> bool;
    /// Whether new calls are turned away, which OPTIONS tells a trunk that watches us.
    fn draining(&self) -> Option<Reply>;
}

/// Judges one message from a trusted `source`.
pub(super) fn judge(data: &[u8], source: SocketAddr, framing: Framing, gate: &dyn Gate) -> Verdict {
    let Some(mut message) = Message::read(data) else { return Verdict::Drop("keep-alive") };
    if message.start_line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/")) {
        return judge_response(message, framing, gate);
    }
    let is_ack = message.start_line.starts_with("ACK ");
    let refusal = match check_request(&mut message, framing, source.ip(), gate) {
        Some(refusal) => refusal,
        None => {
            let plain = message.print();
            if gate.readable(&plain) {
                return Verdict::Pass(plain);
            }
            Reply::bad_request("Unreadable header")
        }
    };
    match refusal.print(&message, source) {
        _ if is_ack => Verdict::Drop("malformed ACK"),
        Some(response) => Verdict::Answer { response, status: refusal.status },
        None => Verdict::Drop("no Via to answer to"),
    }
}

fn judge_response(mut message: Message, framing: Framing, gate: &dyn Gate) -> Verdict {
    let mut parts = message.start_line.splitn(3, ' ');
    let version_ok = parts.next().is_some_and(|v| v.eq_ignore_ascii_case("SIP/2.0"));
    let status_ok = parts.next().is_some_and(|s| s.len() == 3 && s.parse().is_ok_and(|s: u16| (100..700).contains(&s)));
    let sound = version_ok
        && status_ok
        && !message.damaged
        && singletons(&message).is_none()
        && message.field("Via").is_some_and(is_via)
        && message.field("CSeq").and_then(cseq).is_some()
        && message.field("From").is_some_and(|v| NameAddr::parse(v).is_some())
        && message.field("To").is_some_and(|v| NameAddr::parse(v).is_some())
        && fit_body(&mut message, framing).is_ok();
    let plain = message.print();
    if sound && gate.readable(&plain) { Verdict::Pass(plain) } else { Verdict::Drop("malformed response") }
}

/// The checks in the order of RFC 3261 §8.2, syntax first.
fn check_request(message: &mut Message, framing: Framing, source: IpAddr, gate: &dyn Gate) -> Option<Reply> {
    let bad = |reason| Some(Reply::bad_request(reason));
    let mut parts = message.start_line.split(' ');
    let (Some(method), Some(uri), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return bad("Malformed Request-Line");
    };
    let method = method.to_owned();
    if !is_token(&method) || uri.is_empty() {
        return bad("Malformed Request-Line");
    }
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        let is_sip = version.get(..4).is_some_and(|v| v.eq_ignore_ascii_case("SIP/"));
        return if is_sip { Some(Reply::new(505)) } else { bad("Malformed Request-Line") };
    }
    let known_scheme = match Uri::parse(uri) {
        Ok(_) => true,
        Err(UriError::Scheme) => false,
        Err(UriError::Malformed) => return bad("Malformed Request-URI"),
    };
    if message.damaged {
        return bad("Malformed header");
    }
    if let Some(reply) = check_fields(message, &method) {
        return Some(reply);
    }
    if let Err(reason) = fit_body(message, framing) {
        return bad(reason);
    }
    if !known_scheme && !UNSERVED.contains(&method.as_str()) {
        return Some(Reply::new(416));
    }
    check_service(message, &method, source, gate)
}

/// Mandatory header fields (RFC 3261 §8.1.1), each once and sound.
fn check_fields(message: &mut Message, method: &str) -> Option<Reply> {
    let bad = |reason| Some(Reply::bad_request(reason));
    for (name, reason) in [
        ("Via", "Missing Via"),
        ("From", "Missing From"),
        ("To", "Missing To"),
        ("Call-ID", "Missing Call-ID"),
        ("CSeq", "Missing CSeq"),
    ] {
        if message.field(name).is_none_or(str::is_empty) {
            return bad(reason);
        }
    }
    if let Some(reason) = singletons(message) {
        return bad(reason);
    }
    if !message.field("Via").is_some_and(is_via) {
        return bad("Malformed Via");
    }
    match message.field("CSeq").and_then(cseq) {
        None => return bad("Malformed CSeq"),
        Some((_, named)) if named != method => return bad("CSeq method does not match"),
        Some(_) => {}
    }
    let from = message.field("From").and_then(NameAddr::parse).map(|from| from.tag().is_some());
    let to = message.field("To").and_then(NameAddr::parse);
    match (from, to) {
        (None, _) => return bad("Malformed From"),
        (_, None) => return bad("Malformed To"),
        (Some(true), Some(_)) => {}
        (Some(false), Some(_)) => {
            for (_, value) in message.fields.iter_mut().filter(|(name, _)| name == "From") {
                value.push_str(";tag=");
                value.push_str(NO_FROM_TAG);
            }
        }
    }
    if message.field("Max-Forwards").is_some_and(|hops| hops.parse::<u16>().is_ok_and(|h| h <= 255).eq(&false)) {
        return bad("Malformed Max-Forwards");
    }
    // A dialog is made from it, so it must be one good address (RFC 3261 §8.1.1.8).
    if method == "INVITE" && message.field("Contact").is_some_and(|c| NameAddr::parse(c).is_none()) {
        return bad("Malformed Contact");
    }
    None
}

/// What we serve, and whether now.
fn check_service(message: &Message, method: &str, source: IpAddr, gate: &dyn Gate) -> Option<Reply> {
    if UNSERVED.contains(&method) {
        return Some(Reply::new(405).with("Allow", ALLOW));
    }
    if !list(ALLOW).any(|served| served == method) {
        return Some(Reply::new(501).with("Allow", ALLOW));
    }
    if matches!(method, "ACK" | "CANCEL") {
        return None;
    }
    let unknown: Vec<&str> = message
        .all("Require")
        .flat_map(list)
        .filter(|tag| !list(SUPPORTED).any(|known| known.eq_ignore_ascii_case(tag)))
        .collect();
    if !unknown.is_empty() {
        return Some(Reply::new(420).with("Unsupported", unknown.join(", ")));
    }
    let in_dialog = message.field("To").and_then(NameAddr::parse).is_some_and(|to| to.tag().is_some());
    // Within a dialog the hops were counted when it was made; a BYE that just reached us must still end the call.
    if !in_dialog && message.field("Max-Forwards").is_some_and(|hops| hops.bytes().all(|b| b == b'0')) {
        return Some(Reply::new(483));
    }
    if method == "OPTIONS" {
        return Some(gate.draining().unwrap_or_else(capabilities));
    }
    if let Some(reply) = check_body(message, method) {
        return Some(reply);
    }
    let known = message.field("Call-ID").is_some_and(|id| gate.knows(id));
    match (method, in_dialog) {
        ("INVITE", false) if !known => gate.admit(message, source),
        ("INVITE", false) => None,
        _ if in_dialog && known => None,
        _ => Some(Reply::new(481)),
    }
}

/// Bodies and what the peer would take back (RFC 3261 §8.2.3, §21.4.7).
fn check_body(message: &Message, method: &str) -> Option<Reply> {
    let accept = match method {
        "INVITE" | "UPDATE" | "PRACK" => ACCEPT,
        "INFO" => ACCEPT_INFO,
        _ => return None,
    };
    if message.field("Content-Encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Some(Reply::new(415).with("Accept-Encoding", "identity"));
    }
    let content_type = message.field("Content-Type");
    let disposition = message.field("Content-Disposition");
    let understood = match method {
        "INFO" => message.body.is_empty() || body::is_dtmf(content_type),
        _ => match body::session_description(content_type, disposition, &message.body) {
            Body::Empty | Body::Sdp(_) | Body::Ignorable => true,
            Body::Unknown => false,
        },
    };
    if !understood {
        return Some(Reply::new(415).with("Accept", accept));
    }
    let takes_sdp = |range: &str| {
        let range = range.split(';').next().unwrap_or(range).trim();
        ["application/sdp", "application/*", "*/*"].iter().any(|ours| ours.eq_ignore_ascii_case(range))
    };
    let mut ranges = message.all("Accept").flat_map(list).peekable();
    if method == "INVITE" && ranges.peek().is_some() && !ranges.any(takes_sdp) {
        return Some(Reply::new(406));
    }
    None
}

/// The answer to OPTIONS (RFC 3261 §11.2).
fn capabilities() -> Reply {
    Reply::new(200)
        .with("Allow", ALLOW)
        .with("Accept", ACCEPT)
        .with("Accept-Encoding", "identity")
        .with("Accept-Language", "zh-CN")
        .with("Supported", SUPPORTED)
}

/// Cuts or keeps the body by Content-Length (RFC 3261 §18.3), or says why it cannot be.
fn fit_body(message: &mut Message, framing: Framing) -> Result<(), &'static str> {
    let len = match message.field("Content-Length") {
        None if framing == Framing::Datagram => message.body.len(),
        None => return Err("Missing Content-Length"),
        Some(text) => content_length(text).ok_or("Malformed Content-Length")?,
    };
    if len > message.body.len() {
        return Err("Content-Length exceeds the message");
    }
    message.body.truncate(len);
    Ok(())
}

/// The value of Content-Length; nothing is ever allocated by it.
pub(super) fn content_length(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Sequence number and method of a CSeq value; the number stays below 2^31 (RFC 3261 §8.1.1.5).
pub(super) fn cseq(value: &str) -> Option<(u32, &str)> {
    let (number, method) = value.split_once([' ', '\t'])?;
    let number = number.parse().ok().filter(|n| *n < 1 << 31)?;
    let method = method.trim();
    is_token(method).then_some((number, method))
}

/// The first header field that came twice though its meaning is single.
fn singletons(message: &Message) -> Option<&'static str> {
    [
        ("From", "Multiple From"),
        ("To", "Multiple To"),
        ("Call-ID", "Multiple Call-ID"),
        ("CSeq", "Multiple CSeq"),
        ("Max-Forwards", "Multiple Max-Forwards"),
        ("Content-Length", "Multiple Content-Length"),
        ("Content-Type", "Multiple Content-Type"),
    ]
    .into_iter()
    .find(|(name, _)| message.all(name).nth(1).is_some())
    .map(|(_, reason)| reason)
}

/// Whether the topmost Via names protocol, transport and sender, and has no empty parameter (RFC 3261 §20.42).
fn is_via(value: &str) -> bool {
    let value = compact(value);
    let Some(top) = list(&value).next() else { return false };
    let Some((protocol, sender)) = top.split_once(' ') else { return false };
    let mut parts = sender.split(';');
    let sender = parts.next().unwrap_or_default();
    let transport = protocol.get(..8).filter(|p| p.eq_ignore_ascii_case("SIP/2.0/")).map(|_| &protocol[8..]);
    transport.is_some_and(is_token) && !sender.is_empty() && !sender.contains(' ') && !parts.any(str::is_empty)
}

#[cfg(test)]
mod tests {
    use super::super::wire::readable;
    use super::*;

    /// Lets every call in and knows those whose Call-ID begins with `known`.
    struct Open;

    impl Gate for Open {
        fn admit(&self, _: &Message, _: IpAddr) -> Option<Reply> {
            None
        }

        fn knows(&self, call_id: &str) -> bool {
            call_id.starts_with("known")
        }

        fn draining(&self) -> Option<Reply> {
            None
        }

        fn readable(&self, message: &[u8]) -> bool {
            readable(message)
        }
    }

    fn source() -> SocketAddr {
        ([192, 0, 2, 1], 5060).into()
    }

    fn request(start_line: &str, fields: &str) -> String {
        let method = start_line.split(' ').next().expect("a method");
        format!(
            "{start_line}\r\nVia: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n\
             Call-ID: c\r\nCSeq: 1 {method}\r\n{fields}\r\n"
        )
    }

    #[track_caller]
    fn check(message: &str, expected: Option<u16>) {
        let status = match judge(message.as_bytes(), source(), Framing::Datagram, &Open) {
            Verdict::Answer { status, .. } => Some(status),
            Verdict::Pass(_) => None,
            Verdict::Drop(reason) => panic!("{reason}: {message}"),
        };
        assert_eq!(status, expected, "{message}");
    }

    #[test]
    fn addresses_of_ipv6_are_told_from_nonsense() {
        // RFC 5118 §4.1 to §4.5 and §4.10.
        check(&request("OPTIONS sip:[2001:db8::10] SIP/2.0", ""), Some(200));
        check(&request("OPTIONS sip:2001:db8::10 SIP/2.0", ""), Some(400));
        check(&request("OPTIONS sip:[2001:db8::10:5070] SIP/2.0", ""), Some(200));
        check(&request("OPTIONS sip:[2001:db8::10]:5070 SIP/2.0", ""), Some(200));
        check(&request("OPTIONS sip:user@[2001:db8:::192.0.2.1] SIP/2.0", ""), Some(400));
        check(
            &request("OPTIONS sip:h SIP/2.0", "").replace(";branch", ";received=[2001:db8::9:255];branch"),
            Some(200),
        );
        check(&request("OPTIONS sip:h SIP/2.0", "").replace(";branch", ";received=2001:db8::9:255;branch"), Some(200));
    }

    #[test]
    fn a_dialog_is_served_whatever_its_hops() {
        let bye = request("BYE sip:h SIP/2.0", "Max-Forwards: 0\r\n");
        check(&bye, Some(483));
        let within = bye.replace("Call-ID: c", "Call-ID: known").replace("To: <sip:b@h>", "To: <sip:b@h>;tag=2");
        check(&within, None);
        check(&within.replace("known", "other"), Some(481));
    }

    #[test]
    fn only_the_answerable_is_answered() {
        let silent = |message: &str| {
            let verdict = judge(message.as_bytes(), source(), Framing::Datagram, &Open);
            assert!(matches!(verdict, Verdict::Drop(_)), "{message}: {verdict:?}");
        };
        silent("\r\n\r\n");
        silent("nonsense");
        silent("INVITE sip:h SIP/2.0\r\n\r\n");
        silent(&request("ACK sip:h SIP/2.0", "").replace("From", "X-From"));
        silent("SIP/2.0 200 OK\r\n\r\n");
        silent("SIP/3.0 200 OK\r\nVia: SIP/2.0/UDP h\r\nCSeq: 1 BYE\r\nFrom: <sip:a@h>\r\nTo: <sip:a@h>\r\n\r\n");
    }

    #[test]
    fn an_answer_goes_back_by_the_way_it_came() {
        let message = request("NOTIFY sip:h SIP/2.0", "").replace("Via: ", "Via: SIP/2.0/UDP h;rport;branch=z9,");
        let Verdict::Answer { response, .. } = judge(message.as_bytes(), source(), Framing::Datagram, &Open) else {
            panic!("no answer")
        };
        let response = String::from_utf8(response).expect("text");
        assert!(
            response.starts_with(
                "SIP/2.0 405 Method Not Allowed\r\n\
                 Via: SIP/2.0/UDP h;branch=z9;received=192.0.2.1;rport=5060,SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bK1\r\n"
            ),
            "{response}"
        );
        assert!(response.contains("To: <sip:b@h>;tag="), "{response}");
    }

    /// Every message of RFC 4475 cut at each octet, and with each octet changed: nothing panics, hardly anything that we
    /// take for sound is beyond the SIP library, and every answer can be read.
    #[test]
    fn damaged_messages_are_answered_dropped_or_passed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/rfc4475");
        let (mut passed, mut unreadable) = (0, 0);
        for file in std::fs::read_dir(folder).expect(folder) {
            let path = file.expect("a file").path();
            let data = std::fs::read(&path).expect("its octets");
            let cut = (0..=data.len()).map(|len| data[..len].to_vec());
            let changed = (0..data.len()).flat_map(|at| {
                [b'\0', b'\n', b';', b'\xff'].map(|octet| {
                    let mut data = data.clone();
                    data[at] = octet;
                    data
                })
            });
            for message in cut.chain(changed) {
                match judge(&message, source(), Framing::Datagram, &Open) {
                    Verdict::Pass(_) => passed += 1,
                    Verdict::Answer { response, .. } => {
                        assert!(Message::read(&response).is_some_and(|m| !m.damaged), "{path:?}");
                        unreadable += u32::from(response.starts_with(b"SIP/2.0 400 Unreadable header"));
                    }
                    Verdict::Drop(_) => {}
                }
            }
        }
        assert!(passed > 10_000, "{passed}");
        assert!(unreadable < passed / 10, "{unreadable} of {passed}");
    }
}
