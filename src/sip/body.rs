//! Message bodies: which one describes the session, and digits in INFO. Pure.

use std::time::Duration;

/// What an INVITE, UPDATE, PRACK or ACK carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body<'a> {
    /// Nothing.
    Empty,
    /// A session description.
    Sdp(&'a [u8]),
    /// Something that the sender lets us ignore (RFC 3261 §20.11).
    Ignorable,
    /// Something that we must understand and do not.
    Unknown,
}

/// Finds the session description, alone or as one part of several (RFC 5621 §3: a trunk that carries ISUP sends it so).
pub(super) fn session_description<'a>(
    content_type: Option<&str>,
    disposition: Option<&str>,
    body: &'a [u8],
) -> Body<'a> {
    if body.is_empty() {
        return Body::Empty;
    }
    let content_type = content_type.unwrap_or_default();
    if is_type(content_type, "application/sdp") {
        return Body::Sdp(body);
    }
    if content_type.get(..10).is_some_and(|t| t.eq_ignore_ascii_case("multipart/"))
        && let Some(sdp) = param(content_type, "boundary").and_then(|boundary| sdp_part(boundary, body))
    {
        return Body::Sdp(sdp);
    }
    let optional = disposition.and_then(|d| param(d, "handling")).is_some_and(|h| h.eq_ignore_ascii_case("optional"));
    if optional { Body::Ignorable } else { Body::Unknown }
}

/// A digit that came by INFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InfoDigit {
    /// `0`-`9`, `*`, `#`, `A`-`D`.
    pub(super) key: char,
    /// How long it was held.
    pub(super) duration: Duration,
}

/// The duration assumed where INFO names none.
const DIGIT_DURATION: Duration = Duration::from_millis(160);
/// The longest duration believed.
const MAX_DIGIT_DURATION: Duration = Duration::from_secs(10);

/// Whether the Content-Type is one of the two in which phones send digits.
pub(super) fn is_dtmf(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|t| is_type(t, "application/dtmf-relay") || is_type(t, "application/dtmf"))
}

/// Reads `application/dtmf-relay` (`Signal=5`, `Duration=160`) or `application/dtmf` (the digit alone). No RFC has them;
/// the forms are what gateways send: events as 10 and 11 for star and hash, durations in milliseconds.
pub(super) fn info_digit(content_type: Option<&str>, body: &[u8]) -> Option<InfoDigit> {
    let text = std::str::from_utf8(body).ok()?;
    if !content_type.is_some_and(|t| is_type(t, "application/dtmf-relay")) {
        return Some(InfoDigit { key: key(text.trim())?, duration: DIGIT_DURATION });
    }
    let value = |name: &str| {
        text.lines()
            .filter_map(|line| line.split_once('='))
            .find_map(|(key, value)| key.trim().eq_ignore_ascii_case(name).then_some(value.trim()))
    };
    let duration = value("Duration").and_then(|ms| ms.parse().ok()).map_or(DIGIT_DURATION, Duration::from_millis);
    Some(InfoDigit { key: key(value("Signal")?)?, duration: duration.min(MAX_DIGIT_DURATION) })
}

fn key(text: &str) -> Option<char> {
    match text {
        "10" => Some('*'),
        "11" => Some('#'),
        "12" => Some('A'),
        "13" => Some('B'),
        "14" => Some('C'),
        "15" => Some('D'),
        _ => {
            let mut chars = text.chars();
            let key = chars.next()?.to_ascii_uppercase();
            (chars.next().is_none() && matches!(key, '0'..='9' | '*' | '#' | 'A'..='D')).then_some(key)
        }
    }
}

fn is_type(content_type: &str, wanted: &str) -> bool {
    content_type.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case(wanted))
}

fn param<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    super::text::split_outside_quotes(value, ';').skip(1).find_map(|param| {
        let (key, value) = param.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

/// The first part of type `application/sdp` (RFC 2046 §5.1).
fn sdp_part<'a>(boundary: &str, body: &'a [u8]) -> Option<&'a [u8]> {
    let delimiter = format!("--{boundary}");
    let find = |from: usize| {
        body[from..].windows(delimiter.len()).position(|window| window == delimiter.as_bytes()).map(|at| from + at)
    };
    let mut start = find(0)? + delimiter.len();
    while let Some(end) = find(start) {
        let part = &body[start..end];
        let head_len = super::message::head_len(part)?;
        let head = std::str::from_utf8(&part[..head_len]).ok()?;
        let is_sdp = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .any(|(name, value)| name.trim().eq_ignore_ascii_case("Content-Type") && is_type(value, "application/sdp"));
        if is_sdp {
            return Some(&part[head_len..]);
        }
        start = end + delimiter.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_two_forms() {
        let check = |content_type: &str, body: &str, expected: Option<(char, u64)>| {
            let digit = info_digit(Some(content_type), body.as_bytes());
            assert_eq!(digit.map(|d| (d.key, d.duration.as_millis() as u64)), expected, "{body:?}");
        };
        check("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", Some(('5', 160)));
        check("Application/DTMF-Relay", "Signal= *\nDuration= 250", Some(('*', 250)));
        check("application/dtmf-relay", "Duration=80\r\nSignal=11", Some(('#', 80)));
        check("application/dtmf-relay", "Signal=d", Some(('D', 160)));
        check("application/dtmf-relay", "Signal=5\nDuration=99999999999", Some(('5', 10_000)));
        check("application/dtmf-relay", "Duration=160", None);
        check("application/dtmf-relay", "Signal=55", None);
        check("application/dtmf", "7\r\n", Some(('7', 160)));
        check("application/dtmf", "", None);
        check("application/dtmf", "E", None);
    }

    #[test]
    fn the_session_description_is_found() {
        let sdp = b"v=0\r\n";
        assert_eq!(session_description(None, None, b""), Body::Empty);
        assert_eq!(session_description(Some("application/SDP; charset=utf-8"), None, sdp), Body::Sdp(sdp));
        assert_eq!(session_description(Some("text/plain"), None, sdp), Body::Unknown);
        assert_eq!(session_description(None, None, sdp), Body::Unknown);
        assert_eq!(session_description(Some("text/plain"), Some("render;handling=optional"), sdp), Body::Ignorable);
        let parts = b"--b1\r\nContent-Type: application/isup\r\n\r\n\x01\x00\r\n--b1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b1--\r\n";
        assert_eq!(session_description(Some("multipart/mixed;boundary=\"b1\""), None, parts), Body::Sdp(sdp));
        assert_eq!(session_description(Some("multipart/mixed;boundary=b2"), None, parts), Body::Unknown);
        assert_eq!(session_description(Some("multipart/mixed"), None, parts), Body::Unknown);
    }
}
