//! SIP addresses: URIs and the `name-addr` form of From, To and Contact (RFC 3261 §19.1, §20.10).

use super::text::{percent_decode, split_outside_quotes};

/// A URI as far as a user agent server looks into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Uri<'a> {
    /// The scheme, in lower case.
    pub(super) scheme: String,
    /// Before the `@` of a SIP URI, or the number of a `tel:` URI (RFC 3966), still escaped.
    pub(super) user: Option<&'a str>,
    /// Host and port of a SIP URI; empty for other schemes.
    pub(super) hostport: &'a str,
    /// From the first `;` on, without it.
    pub(super) params: &'a str,
}

/// What is wrong with a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UriError {
    /// Not a URI at all.
    Malformed,
    /// A URI of a scheme that is not telephony.
    Scheme,
}

impl<'a> Uri<'a> {
    /// Reads a `sip:`, `sips:` or `tel:` URI.
    pub(super) fn parse(text: &'a str) -> Result<Self, UriError> {
        let (scheme, rest) = text.split_once(':').ok_or(UriError::Malformed)?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        if !is_scheme || rest.is_empty() || text.bytes().any(|b| b <= b' ' || matches!(b, b'<' | b'>' | b'"')) {
            return Err(UriError::Malformed);
        }
        let scheme = scheme.to_ascii_lowercase();
        match scheme.as_str() {
            "sip" | "sips" => {
                // `;` and `?` may stand in a user part (RFC 3261 §25.1), so the host begins after the last `@`.
                let (user, after) = match rest.rfind('@') {
                    Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
                    None => (None, rest),
                };
                let (hostport, params) = after.split_once(';').unwrap_or((after, ""));
                if hostport.is_empty() || after.contains('?') || !is_hostport(hostport) {
                    return Err(UriError::Malformed);
                }
                Ok(Self { scheme, user, hostport, params })
            }
            "tel" => {
                let (number, params) = rest.split_once(';').unwrap_or((rest, ""));
                Ok(Self { scheme, user: Some(number), hostport: "", params })
            }
            _ => Err(UriError::Scheme),
        }
    }

    /// The user part with its escapes resolved and a password cut off.
    pub(super) fn user_name(&self) -> Option<String> {
        self.user.map(|user| percent_decode(user.split(':').next().unwrap_or(user)))
    }

    /// The host of a SIP URI without its port; an IPv6 address without its brackets.
    pub(super) fn host(&self) -> &'a str {
        match self.hostport.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, _)) => host,
            None => self.hostport.split_once(':').map_or(self.hostport, |(host, _)| host),
        }
    }

    /// A URI parameter by name.
    pub(super) fn param(&self, name: &str) -> Option<&'a str> {
        self.params.split(';').find_map(|param| {
            let (key, value) = param.split_once('=').unwrap_or((param, ""));
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// Whether `text` can be a host with an optional port.
fn is_hostport(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((host, after)) = rest.split_once(']') else { return false };
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            (host, after.strip_prefix(':').or(after.is_empty().then_some("5060")))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, Some("5060")),
        },
    };
    !host.is_empty() && port.is_some_and(|port| port.parse::<u16>().is_ok())
}

/// One value of From, To, Contact, Route or P-Asserted-Identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NameAddr<'a> {
    /// The URI alone.
    pub(super) uri: &'a str,
    params: Vec<&'a str>,
}

impl<'a> NameAddr<'a> {
    /// Reads one value, `None` where it is malformed: an unterminated quote, a bare comma in a display name, space
    /// within the angle brackets.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let angle = find_angle(text)?;
        let (uri, after) = match angle {
            Some(open) => {
                if !is_display_name(text[..open].trim()) {
                    return None;
                }
                let close = open + text[open..].find('>')?;
                (&text[open + 1..close], text[close + 1..].trim_start())
            }
            None => {
                // Without brackets every parameter belongs to the header field, not to the URI (RFC 3261 §20).
                let end = text.find(';').unwrap_or(text.len());
                (text[..end].trim_end(), &text[end..])
            }
        };
        let is_uri = uri.split_once(':').is_some_and(|(scheme, rest)| {
            !rest.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        });
        if !is_uri || uri.bytes().any(|b| b <= b' ' || b == b'"') {
            return None;
        }
        let params = match after.strip_prefix(';') {
            Some(params) => split_outside_quotes(params, ';').map(str::trim).collect(),
            None if after.is_empty() => Vec::new(),
            None => return None,
        };
        // A parameter without a name (`;;`) is no parameter.
        if params.iter().any(|param: &&str| param.is_empty() || param.starts_with(['=', ','])) {
            return None;
        }
        Some(Self { uri, params })
    }

    /// A header parameter by name; empty where it has no value.
    pub(super) fn param(&self, name: &str) -> Option<&'a str> {
        self.params.iter().find_map(|param| {
            let (key, value) = param.split_once('=').unwrap_or((param, ""));
            key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The tag that names one side of a dialog (RFC 3261 §19.3).
    pub(super) fn tag(&self) -> Option<&'a str> {
        self.param("tag").filter(|tag| !tag.is_empty())
    }
}

/// Where the `<` of a name-addr stands: `None` for a quote that never closes, `Some(None)` without brackets.
fn find_angle(text: &str) -> Option<Option<usize>> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, b) in text.bytes().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'<' if !quoted => return Some(Some(at)),
            _ => {}
        }
    }
    (!quoted).then_some(None)
}

/// Whether `text` is empty, one quoted string, or tokens (RFC 3261 §25.1 display-name).
fn is_display_name(text: &str) -> bool {
    if text.len() >= 2 && text.starts_with('"') && text.ends_with('"') {
        return true;
    }
    // Characters beyond ASCII are not tokens, but phones do send names that way; only separators are refused.
    !text.bytes().any(|b| matches!(b, b',' | b';' | b':' | b'"' | b'@' | b'\\' | b'<' | b'>' | b'(' | b')'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_give_user_and_host() {
        let check = |text: &str, user: Option<&str>, host: &str| {
            let uri = Uri::parse(text).expect(text);
            assert_eq!((uri.user_name().as_deref(), uri.hostport), (user, host), "{text}");
        };
        check("sip:alice@example.com", Some("alice"), "example.com");
        check("sip:sips%3Auser%40example.com@example.net", Some("sips:user@example.com"), "example.net");
        check("sip:user;par=u%40example.net@example.com", Some("user;par=u@example.net"), "example.com");
        check("sip:12345:secret@[2001:db8::1]:5070;transport=tcp", Some("12345"), "[2001:db8::1]:5070");
        check("SIPS:gateway", None, "gateway");
        check("tel:+86877;phone-context=cn", Some("+86877"), "");
    }

    #[test]
    fn bad_uris_are_told_apart() {
        let check = |text: &str, error| assert_eq!(Uri::parse(text), Err(error), "{text}");
        check("nobodyKnowsThisScheme:totallyopaquecontent", UriError::Scheme);
        check("soap.beep://192.0.2.103:3002", UriError::Scheme);
        check("<sip:user@example.com>", UriError::Malformed);
        check("sip:user@example.com?Route=%3Csip:example.com%3E", UriError::Malformed);
        check("sip:", UriError::Malformed);
        check("sip:user@", UriError::Malformed);
        check("sip:user@host:99999", UriError::Malformed);
        check("sip:[2001:db8::1", UriError::Malformed);
        check("nothing", UriError::Malformed);
    }

    #[test]
    fn name_addrs_give_uri_and_tag() {
        let check = |text: &str, uri: &str, tag: Option<&str>| {
            let value = NameAddr::parse(text).expect(text);
            assert_eq!((value.uri, value.tag()), (uri, tag), "{text}");
        };
        check("sip:user@example.com;tag=1", "sip:user@example.com", Some("1"));
        check(r#""J Rosenberg \\\"" <sip:j@example.com> ; tag = 98asjd8"#, "sip:j@example.com", Some("98asjd8"));
        check("caller<sip:c@example.com;tag=no>;x;tag=yes", "sip:c@example.com;tag=no", Some("yes"));
        check(r#"token1~` t2 <sip:m@h>;p="a;tag=x";tag=t"#, "sip:m@h", Some("t"));
        check("<isbn:2983792873>", "isbn:2983792873", None);
    }

    #[test]
    fn malformed_name_addrs_are_refused() {
        for text in [
            r#""Mr. J. User <sip:j.user@example.com>"#,
            "Bell, Alexander <sip:a.g.bell@example.com>;tag=43",
            r#""Watson, Thomas" < sip:t.watson@example.org >"#,
            "sip:j@example.com;tag=1;;,;,,",
            "<sip:j@example.com",
            "<sip:j@example.com> trailing",
            "",
            "example.com",
        ] {
            assert_eq!(NameAddr::parse(text), None, "{text}");
        }
    }
}
