//! The few SIP messages of a test call, from templates, and what is read of the answers. Pure.

use std::net::SocketAddr;

/// Writes requests and reads answers for calls that differ by a number.
#[derive(Debug)]
pub struct Script {
    uri: String,
    local: SocketAddr,
    /// Tells this run's Call-IDs from those of any other.
    run: u32,
}

/// What the far end answered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// INVITE.
    Invite,
    /// BYE.
    Bye,
}

/// A message from the far end, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A response.
    Response {
        /// The call's number.
        call: usize,
        /// Its status.
        status: u16,
        /// To what.
        method: Method,
        /// The To field, with the tag.
        to: &'a str,
        /// The URI in Contact.
        contact: Option<&'a str>,
        /// Where the description wants RTP.
        rtp: Option<SocketAddr>,
    },
    /// The far end hangs up.
    Bye {
        /// The call's number.
        call: usize,
    },
}

impl Script {
    /// For calls to `uri` from `local`.
    pub fn new(uri: String, local: SocketAddr, run: u32) -> Self {
        Self { uri, local, run }
    }

    /// The INVITE of a call that hears RTP at `rtp`.
    pub fn invite(&self, call: usize, rtp: SocketAddr) -> String {
        let family = if rtp.is_ipv4() { "IP4" } else { "IP6" };
        let (ip, port) = (rtp.ip(), rtp.port());
        let body = format!(
            "v=0\r\no=- {call} 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 101\r\n\
             a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
        );
        let (head, local, len) = (self.head("INVITE", &self.uri, call, &self.to()), self.local, body.len());
        format!(
            "{head}CSeq: 1 INVITE\r\nContact: <sip:load@{local}>\r\nMax-Forwards: 70\r\n\
             Content-Type: application/sdp\r\nContent-Length: {len}\r\n\r\n{body}"
        )
    }

    /// The ACK of a 200 from `contact`, or of a refusal where there is none.
    pub fn ack(&self, call: usize, to: &str, contact: Option<&str>) -> String {
        // The ACK of a refusal belongs to the INVITE's transaction (RFC 3261 §17.1.1.3), that of a 200 does not (§13.2.2.4).
        let branch = if contact.is_some() { "ACK" } else { "INVITE" };
        let head = self.branched("ACK", contact.unwrap_or(&self.uri), call, to, branch);
        format!("{head}CSeq: 1 ACK\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n")
    }

    /// The BYE.
    pub fn bye(&self, call: usize, to: &str, contact: &str) -> String {
        let head = self.head("BYE", contact, call, to);
        format!("{head}CSeq: 2 BYE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n")
    }

    /// The 200 to a BYE of the far end.
    pub fn ok(request: &str) -> String {
        let copied = |line: &&str| {
            let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
            ["via", "v", "from", "f", "to", "t", "call-id", "i", "cseq"].contains(&name.as_str())
        };
        let fields: String = request.lines().skip(1).filter(copied).flat_map(|line| [line, "\r\n"]).collect();
        format!("SIP/2.0 200 OK\r\n{fields}Content-Length: 0\r\n\r\n")
    }

    /// Reads a message; `None` for what is not ours or does not matter.
    pub fn read<'a>(&self, message: &'a str) -> Option<Message<'a>> {
        let field = |names: [&str; 2]| {
            message.lines().skip(1).take_while(|line| !line.is_empty()).find_map(|line| {
                let (name, value) = line.split_once(':')?;
                names.iter().any(|n| name.trim().eq_ignore_ascii_case(n)).then_some(value.trim())
            })
        };
        let id = field(["Call-ID", "i"])?;
        let call = id.strip_prefix(&format!("{:08x}-", self.run))?.split('@').next()?.parse().ok()?;
        let start = message.lines().next()?;
        if start.starts_with("BYE ") {
            return Some(Message::Bye { call });
        }
        let status = start.strip_prefix("SIP/2.0 ")?.split(' ').next()?.parse().ok()?;
        let method = match field(["CSeq", "cseq"])?.split_ascii_whitespace().nth(1)? {
            "INVITE" => Method::Invite,
            "BYE" => Method::Bye,
            _ => return None,
        };
        let contact = field(["Contact", "m"]).map(|value| {
            value.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(value, |(uri, _)| uri)
        });
        Some(Message::Response { call, status, method, to: field(["To", "t"])?, contact, rtp: described(message) })
    }

    fn to(&self) -> String {
        format!("<{}>", self.uri)
    }

    fn head(&self, method: &str, uri: &str, call: usize, to: &str) -> String {
        self.branched(method, uri, call, to, method)
    }

    fn branched(&self, method: &str, uri: &str, call: usize, to: &str, branch: &str) -> String {
        let Self { local, run, .. } = self;
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK{run:08x}-{call}-{branch}\r\n\
             From: <sip:138{call:08}@{local}>;tag={call}\r\nTo: {to}\r\nCall-ID: {run:08x}-{call}@load\r\n"
        )
    }
}

/// Address and port of the first audio line.
fn described(message: &str) -> Option<SocketAddr> {
    let (_, body) = message.split_once("\r\n\r\n")?;
    let ip = body.lines().find_map(|line| line.strip_prefix("c=IN IP4 ").or(line.strip_prefix("c=IN IP6 ")))?;
    let port = body.lines().find_map(|line| line.strip_prefix("m=audio "))?.split(' ').next()?;
    Some(SocketAddr::new(ip.trim().parse().ok()?, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script() -> Script {
        let local = "192.0.2.1:5070".parse().expect("an address");
        Script::new("sip:12345@192.0.2.9".into(), local, 0xAB)
    }

    #[test]
    fn answers_are_told_apart() {
        let ok = "SIP/2.0 200 OK\r\nv: SIP/2.0/UDP x\r\nt: <sip:12345@192.0.2.9>;tag=7\r\nCall-ID: 000000ab-12@load\r\n\
                  CSeq: 1 INVITE\r\nm: \"x\" <sip:gw@192.0.2.9:5060;a=b>;c=d\r\n\r\n\
                  v=0\r\nc=IN IP4 192.0.2.9\r\nm=audio 20002 RTP/AVP 8 101\r\n";
        let expected = Message::Response {
            call: 12,
            status: 200,
            method: Method::Invite,
            to: "<sip:12345@192.0.2.9>;tag=7",
            contact: Some("sip:gw@192.0.2.9:5060;a=b"),
            rtp: "192.0.2.9:20002".parse().ok(),
        };
        assert_eq!(script().read(ok), Some(expected));
        assert_eq!(script().read(&ok.replace("000000ab", "000000ac")), None, "another run's");
        let bye = "BYE sip:load@192.0.2.1:5070 SIP/2.0\r\nVia: x\r\nCall-ID: 000000ab-3@load\r\nCSeq: 1 BYE\r\n\r\n";
        assert_eq!(script().read(bye), Some(Message::Bye { call: 3 }));
        let answer = Script::ok(bye);
        assert!(answer.starts_with("SIP/2.0 200 OK\r\nVia: x\r\nCall-ID: 000000ab-3@load\r\n"), "{answer}");
    }

    #[test]
    fn an_ack_goes_where_its_answer_came_from() {
        let branch =
            |message: &str| message.split("branch=").nth(1).and_then(|rest| rest.lines().next()).map(str::to_owned);
        let rtp = "192.0.2.1:4000".parse().expect("an address");
        let invite = script().invite(1, rtp);
        let refused = script().ack(1, "<sip:12345@192.0.2.9>;tag=7", None);
        let answered = script().ack(1, "<sip:12345@192.0.2.9>;tag=7", Some("sip:gw@192.0.2.9:5080"));
        assert!(answered.starts_with("ACK sip:gw@192.0.2.9:5080 SIP/2.0\r\n") && answered.contains(";tag=7\r\n"));
        assert_eq!(branch(&invite), branch(&refused));
        assert_ne!(branch(&invite), branch(&answered));
        let body = invite.split_once("\r\n\r\n").map(|(_, body)| body.len());
        assert!(invite.contains(&format!("Content-Length: {}\r\n", body.expect("a body"))));
    }
}
