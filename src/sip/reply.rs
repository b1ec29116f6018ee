//! Responses written without the SIP library, for requests that get no further than the front door.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use super::SdpError;
use super::address::NameAddr;
use super::message::Message;
use super::text::compact;

/// A response before it is addressed: status and the header fields beside those copied from the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// Status code.
    pub(super) status: u16,
    reason: &'static str,
    fields: Vec<(&'static str, String)>,
}

impl Reply {
    /// A response with the usual phrase.
    pub(super) fn new(status: u16) -> Self {
        Self { status, reason: phrase(status), fields: Vec::new() }
    }

    /// 400 with a phrase that says what is wrong (RFC 3261 §21.4.1).
    pub(super) fn bad_request(reason: &'static str) -> Self {
        Self { status: 400, reason, fields: Vec::new() }
    }

    /// 503 with the time after which to try again (RFC 3261 §21.5.4).
    pub(super) fn unavailable(retry_after_s: u64) -> Self {
        Self::new(503).with("Retry-After", retry_after_s.to_string())
    }

    /// Adds a header field.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// The header fields beside those copied from the request.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.fields.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The response to `request`, or `None` where that has no Via to answer to.
    ///
    /// The To tag is made from the request, as a stateless server must (RFC 3261 §8.2.7).
    pub(super) fn print(&self, request: &Message, source: SocketAddr) -> Option<Vec<u8>> {
        let mut vias = request.all("Via");
        let top = with_source(&compact(vias.next()?), source);
        let mut out = format!("SIP/2.0 {} {}\r\nVia: {top}\r\n", self.status, self.reason);
        for via in vias {
            out.push_str(&format!("Via: {via}\r\n"));
        }
        for name in ["From", "To", "Call-ID", "CSeq"] {
            let Some(value) = request.field(name) else { continue };
            out.push_str(&format!("{name}: {value}"));
            if name == "To" && NameAddr::parse(value).is_none_or(|to| to.tag().is_none()) {
                out.push_str(&format!(";tag={:016x}", stable_tag(request)));
            }
            out.push_str("\r\n");
        }
        for (name, value) in &self.fields {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        out.push_str("Content-Length: 0\r\n\r\n");
        Some(out.into_bytes())
    }
}

/// The refusal of a session description: nothing in common is 488, nonsense is 400.
impl From<&SdpError> for Reply {
    fn from(error: &SdpError) -> Self {
        match error {
            SdpError::NoAddress
            | SdpError::NoAudio
            | SdpError::NoKey
            | SdpError::NoCommonCodec { .. }
            | SdpError::Mismatch => Self::new(488),
            SdpError::NotText
            | SdpError::Line { .. }
            | SdpError::Missing(_)
            | SdpError::Port { .. }
            | SdpError::TooMany => Self::bad_request("Malformed session description"),
        }
    }
}

/// The topmost Via with `received` and `rport` (RFC 3261 §18.2.1, RFC 3581 §4).
///
/// The answer goes to where the request came from, asked for by `rport` or not: a trunk behind a translator is reached
/// no other way.
fn with_source(via: &str, source: SocketAddr) -> String {
    let (top, below) = match super::text::split_outside_quotes(via, ',').next() {
        Some(top) => (top, &via[top.len()..]),
        None => (via, ""),
    };
    let kept: Vec<&str> = top
        .split(';')
        .filter(|param| {
            let name = param.split('=').next().unwrap_or_default();
            !name.eq_ignore_ascii_case("rport") && !name.eq_ignore_ascii_case("received")
        })
        .collect();
    format!("{};received={};rport={}{below}", kept.join(";"), source.ip(), source.port())
}

/// Same for every retransmission of one request, hard to guess for none: it protects nothing.
fn stable_tag(request: &Message) -> u64 {
    let mut hasher = DefaultHasher::new();
    for name in ["Via", "From", "Call-ID", "CSeq"] {
        request.field(name).hash(&mut hasher);
    }
    hasher.finish()
}

/// The usual phrase for the statuses we send (RFC 3261 §21, RFC 3262, RFC 4028).
pub(super) fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        603 => "Decline",
        _ => "Unspecified",
    }
}
