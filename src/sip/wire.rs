//! The SIP library's messages, read and written by header name.

use rsipstack::sip::{HasHeaders, Header, HeadersExt as _, Request, Response, SipMessage, StatusCode};
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};

use super::SipError;
use super::address::NameAddr;
use super::body::{Body, session_description};
use super::reply::Reply;
use super::session_timer::{Refresher, SessionTimer, TimerOffer};
use super::text::list;

/// Whether the library can read a message and tell its transaction: what it cannot, it drops without an answer.
pub(super) fn readable(message: &[u8]) -> bool {
    match SipMessage::try_from(message) {
        Ok(SipMessage::Request(request)) => TransactionKey::from_request(&request, TransactionRole::Server).is_ok(),
        Ok(SipMessage::Response(response)) => TransactionKey::from_response(&response, TransactionRole::Client).is_ok(),
        Err(_) => false,
    }
}

/// The first value of a header field.
pub(super) fn field<'a>(message: &'a impl HasHeaders, name: &'static str) -> Option<&'a str> {
    all(message, name).next()
}

/// Every value of a header field, in order.
pub(super) fn all<'a, M: HasHeaders>(message: &'a M, name: &'static str) -> impl Iterator<Item = &'a str> + use<'a, M> {
    message.headers().iter().filter(move |h| h.name().eq_ignore_ascii_case(name)).map(|h| h.value().trim())
}

/// Whether a comma-separated header field holds `token`.
pub(super) fn has_token(message: &impl HasHeaders, name: &'static str, token: &str) -> bool {
    all(message, name).flat_map(list).any(|item| item.eq_ignore_ascii_case(token))
}

/// The number in CSeq.
pub(super) fn cseq(message: &impl HasHeaders) -> Option<u32> {
    field(message, "CSeq").and_then(super::front::cseq).map(|(number, _)| number)
}

/// What a final response that is no 2xx comes to.
pub(super) fn refused(response: &Response) -> SipError {
    SipError::Refused {
        status: response.status_code.code(),
        reason: response.wire_reason.clone().unwrap_or_else(|| response.status_code.text().to_owned()),
        cause: all(response, "Reason").flat_map(list).find_map(cause),
    }
}

/// The cause of one `Q.850` value of Reason (RFC 3326 §2).
fn cause(reason: &str) -> Option<u8> {
    let (protocol, params) = reason.split_once(';')?;
    let cause = params.split(';').find_map(|param| param.trim().strip_prefix("cause="))?;
    cause.trim().parse().ok().filter(|_| protocol.trim().eq_ignore_ascii_case("Q.850"))
}

/// The tag that a response's sender gave the dialog.
pub(super) fn to_tag(response: &Response) -> Option<String> {
    field(response, "To").and_then(NameAddr::parse).and_then(|to| to.tag().map(str::to_owned))
}

/// What a message says of session timers.
pub(super) fn timer_offer(message: &impl HasHeaders) -> TimerOffer {
    let supported = has_token(message, "Supported", "timer") || has_token(message, "Require", "timer");
    TimerOffer::parse(supported, field(message, "Session-Expires"), field(message, "Min-SE"))
}

/// The session description that a request carries.
pub(super) fn offer(request: &Request) -> Option<Vec<u8>> {
    let content_type = field(request, "Content-Type");
    match session_description(content_type, field(request, "Content-Disposition"), &request.body) {
        Body::Sdp(sdp) => Some(sdp.to_vec()),
        Body::Empty | Body::Ignorable | Body::Unknown => None,
    }
}

/// Whether the peer's Allow has UPDATE (RFC 3311 §4).
pub(super) fn allows_update(message: &impl HasHeaders) -> bool {
    has_token(message, "Allow", "UPDATE")
}

/// Header fields that the library copies from no request.
pub(super) type Fields = Vec<(&'static str, String)>;

/// A response to `request` with extra header fields and perhaps a session description.
pub(super) fn response(
    stack: &EndpointInnerRef,
    request: &Request,
    status: u16,
    fields: Fields,
    sdp: Option<&str>,
) -> Response {
    let body = sdp.map(|sdp| sdp.as_bytes().to_vec());
    let mut response = stack.make_response(request, status_code(status), body);
    response.headers.extend(headers(fields));
    if sdp.is_some() {
        response.headers.push(Header::Other("Content-Type".into(), "application/sdp".into()));
    }
    response
}

/// Session-Expires for a 2xx of ours, and Require where the peer has to refresh (RFC 4028 §9).
pub(super) fn timer_fields(timer: &SessionTimer) -> Fields {
    let mut fields = vec![("Session-Expires", timer.header(false))];
    if timer.refresher == Refresher::Peer {
        fields.push(("Require", "timer".into()));
    }
    fields
}

/// A refusal as a response.
pub(super) fn refusal(stack: &EndpointInnerRef, request: &Request, reply: &Reply) -> Response {
    let fields = reply.fields().map(|(name, value)| (name, value.to_owned())).collect();
    response(stack, request, reply.status, fields, None)
}

/// Header fields in the library's form.
pub(super) fn headers(fields: Fields) -> Vec<Header> {
    fields.into_iter().map(|(name, value)| Header::Other(name.into(), value)).collect()
}

/// A status with its usual phrase.
pub(super) fn status_code(status: u16) -> StatusCode {
    StatusCode::from(status)
}

/// The same request with our tag in To, so that every response carries it.
pub(super) fn with_to_tag(mut request: Request, tag: &str) -> Request {
    if let Ok(to) = request.to_header_mut() {
        *to = rsipstack::sip::headers::To::new(format!("{};tag={tag}", to.value()));
    }
    request
}
