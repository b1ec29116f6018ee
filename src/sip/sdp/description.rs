//! Reading a session description (RFC 8866), as far as a voice call needs it.

use std::net::IpAddr;

use super::SdpError;
use super::crypto::Crypto;
use crate::call::stream::Direction;

/// Most media lines looked at.
const MAX_MEDIA: usize = 16;
/// Most SRTP keys of one media line.
const MAX_CRYPTOS: usize = 16;
/// Most formats of one media line; a payload type has 128 values.
const MAX_FORMATS: usize = 128;

/// A session description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Description {
    /// Media in order.
    pub(super) media: Vec<Media>,
}

/// One media line with what applies to it, from its own lines or from the session's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Media {
    /// `audio`, `video`, ...
    pub(super) kind: String,
    /// Where it is received; 0 refuses it.
    pub(super) port: u16,
    /// `RTP/AVP`, ...
    pub(super) proto: String,
    /// Payload types as written.
    pub(super) formats: Vec<String>,
    /// Who sends, seen from the describing side.
    pub(super) direction: Direction,
    /// The address, where there is one.
    pub(super) address: Option<IpAddr>,
    /// `a=rtpmap`: payload type and `name/clock`.
    pub(super) rtpmaps: Vec<(u8, String)>,
    /// `a=fmtp`: payload type and parameters.
    pub(super) fmtps: Vec<(u8, String)>,
    /// `a=crypto` of suites that we know.
    pub(super) cryptos: Vec<Crypto>,
    /// `a=ptime` in milliseconds.
    pub(super) ptime_ms: Option<u32>,
    /// `a=maxptime` in milliseconds.
    pub(super) maxptime_ms: Option<u32>,
    /// `a=rtcp` (RFC 3605).
    pub(super) rtcp: Option<(u16, Option<IpAddr>)>,
}

impl Description {
    /// Reads `text`.
    pub(super) fn parse(text: &[u8]) -> Result<Self, SdpError> {
        let text = std::str::from_utf8(text).map_err(|_| SdpError::NotText)?;
        if text.contains('\0') {
            return Err(SdpError::NotText);
        }
        let mut seen = String::new();
        let mut session_address = None;
        let mut session_direction = None;
        let mut session_ptime_ms = None;
        let mut media: Vec<(Media, Option<Direction>)> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let number = at + 1;
            if line.is_empty() {
                continue;
            }
            let (name, value) = line.split_once('=').ok_or(SdpError::Line { line: number })?;
            // `m =video` stands in RFC 4475 §3.1.1.8 as part of a valid message.
            let mut names = name.trim_end().chars();
            let (Some(name), None) = (names.next(), names.next()) else { return Err(SdpError::Line { line: number }) };
            if seen.is_empty() && (name != 'v' || value.trim() != "0") {
                return Err(SdpError::Line { line: number });
            }
            if !seen.contains(name) {
                seen.push(name);
            }
            if name == 'm' {
                if media.len() == MAX_MEDIA {
                    return Err(SdpError::TooMany);
                }
                media.push((parse_media(value, number)?, None));
                continue;
            }
            match (name, media.last_mut()) {
                ('c', Some((media, _))) => media.address = parse_connection(value, number)?,
                ('c', None) => session_address = parse_connection(value, number)?,
                ('a', Some((media, direction))) => parse_attribute(value, media, direction),
                ('a', None) => {
                    if let Some(direction) = parse_direction(value) {
                        session_direction = Some(direction);
                    } else if let Some(ms) = value.strip_prefix("ptime:") {
                        session_ptime_ms = ms.trim().parse().ok();
                    }
                }
                _ => {}
            }
        }
        for mandatory in ['v', 'o', 's', 't'] {
            if !seen.contains(mandatory) {
                return Err(SdpError::Missing(mandatory));
            }
        }
        let media = media
            .into_iter()
            .map(|(mut media, direction)| {
                media.address = media.address.or(session_address);
                media.direction = direction.or(session_direction).unwrap_or(Direction::SendRecv);
                media.ptime_ms = media.ptime_ms.or(session_ptime_ms);
                media
            })
            .collect();
        Ok(Self { media })
    }
}

impl Media {
    /// The encoding behind a payload type: from `a=rtpmap`, else the static one (RFC 3551 §6).
    pub(super) fn encoding(&self, payload_type: u8) -> Option<&str> {
        let mapped = self.rtpmaps.iter().find(|(number, _)| *number == payload_type).map(|(_, name)| name.as_str());
        mapped.or(match payload_type {
            0 => Some("PCMU/8000"),
            8 => Some("PCMA/8000"),
            9 => Some("G722/8000"),
            _ => None,
        })
    }

    /// One parameter of a payload type, by its name in either case (RFC 7587 §6.1 writes `name=value;name=value`).
    pub(super) fn parameter(&self, payload_type: u8, name: &str) -> Option<&str> {
        let (_, parameters) = self.fmtps.iter().find(|(number, _)| *number == payload_type)?;
        parameters.split(';').find_map(|parameter| {
            let (found, value) = parameter.split_once('=')?;
            found.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Payload types with their encodings, in the order of preference.
    pub(super) fn encodings(&self) -> impl Iterator<Item = (u8, &str)> {
        self.formats.iter().filter_map(|format| {
            let number: u8 = format.parse().ok().filter(|n| *n < 128)?;
            Some((number, self.encoding(number)?))
        })
    }
}

fn parse_media(value: &str, line: usize) -> Result<Media, SdpError> {
    let mut parts = value.split_ascii_whitespace();
    let (Some(kind), Some(port), Some(proto)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(SdpError::Line { line });
    };
    // `49170/2` asks for two ports; one is all that a call needs, the number is not followed.
    let port = port.split('/').next().and_then(|port| port.parse().ok()).ok_or(SdpError::Port { line })?;
    let formats: Vec<String> = parts.map(str::to_owned).take(MAX_FORMATS + 1).collect();
    if formats.len() > MAX_FORMATS {
        return Err(SdpError::TooMany);
    }
    if formats.is_empty() {
        return Err(SdpError::Line { line });
    }
    Ok(Media {
        kind: kind.to_owned(),
        port,
        proto: proto.to_owned(),
        formats,
        direction: Direction::SendRecv,
        address: None,
        rtpmaps: Vec::new(),
        fmtps: Vec::new(),
        cryptos: Vec::new(),
        ptime_ms: None,
        maxptime_ms: None,
        rtcp: None,
    })
}

/// The address of a `c=` line; `None` for a name, which is allowed and never seen: we resolve nothing for a peer.
fn parse_connection(value: &str, line: usize) -> Result<Option<IpAddr>, SdpError> {
    let mut parts = value.split_ascii_whitespace();
    match (parts.next(), parts.next(), parts.next()) {
        (Some("IN"), Some("IP4" | "IP6"), Some(address)) => Ok(parse_address(address)),
        _ => Err(SdpError::Line { line }),
    }
}

/// One unicast address; a time to live or a count after a slash belongs to multicast, which is no phone.
fn parse_address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical()).filter(|address| !address.is_multicast())
}

fn parse_attribute(value: &str, media: &mut Media, direction: &mut Option<Direction>) {
    let (name, rest) = value.split_once(':').unwrap_or((value, ""));
    match name {
        "rtpmap" if media.rtpmaps.len() < MAX_FORMATS => media.rtpmaps.extend(parse_of_format(rest)),
        "fmtp" if media.fmtps.len() < MAX_FORMATS => media.fmtps.extend(parse_of_format(rest)),
        "crypto" if media.cryptos.len() < MAX_CRYPTOS => media.cryptos.extend(Crypto::parse(rest)),
        "ptime" => media.ptime_ms = rest.trim().parse().ok(),
        "maxptime" => media.maxptime_ms = rest.trim().parse().ok(),
        "rtcp" => {
            let mut parts = rest.split_ascii_whitespace();
            let port = parts.next().and_then(|port| port.parse().ok());
            media.rtcp = port.map(|port| (port, parts.nth(2).and_then(parse_address)));
        }
        _ => *direction = parse_direction(value).or(*direction),
    }
}

/// A payload type and what is said of it.
fn parse_of_format(text: &str) -> Option<(u8, String)> {
    let (number, said) = text.trim().split_once([' ', '\t'])?;
    Some((number.parse().ok()?, said.trim().to_owned()))
}

fn parse_direction(attribute: &str) -> Option<Direction> {
    match attribute.trim() {
        "sendrecv" => Some(Direction::SendRecv),
        "sendonly" => Some(Direction::SendOnly),
        "recvonly" => Some(Direction::RecvOnly),
        "inactive" => Some(Direction::Inactive),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n";

    #[track_caller]
    fn parse(rest: &str) -> Result<Description, SdpError> {
        Description::parse(format!("{HEAD}{rest}").as_bytes())
    }

    #[test]
    fn media_lines_override_the_session() {
        let check = |rest: &str, address: &str, direction, ptime_ms| {
            let description = parse(rest).expect(rest);
            let media = &description.media[0];
            assert_eq!(media.address, Some(address.parse().expect("an address")), "{rest}");
            assert_eq!((media.direction, media.ptime_ms), (direction, ptime_ms), "{rest}");
        };
        let m = "t=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
        check(
            &format!("c=IN IP4 192.0.2.2\r\na=sendonly\r\na=ptime:30\r\n{m}"),
            "192.0.2.2",
            Direction::SendOnly,
            Some(30),
        );
        check(
            &format!(
                "c=IN IP4 192.0.2.2\r\na=sendonly\r\na=ptime:30\r\n{m}c=IN IP6 2001:db8::1\r\na=inactive\r\na=ptime:20\r\n"
            ),
            "2001:db8::1",
            Direction::Inactive,
            Some(20),
        );
        check(&format!("{m}c=IN IP6 ::ffff:192.0.2.9\r\n"), "192.0.2.9", Direction::SendRecv, None);
    }

    #[test]
    fn faults_are_named() {
        let check = |text: &[u8], error| assert_eq!(Description::parse(text), Err(error), "{text:?}");
        check(b"", SdpError::Missing('v'));
        check(b"o=- 1 1 IN IP4 h\r\n", SdpError::Line { line: 1 });
        check(b"v=0\r\ns=-\r\nt=0 0\r\n", SdpError::Missing('o'));
        check(b"v=0\r\no=x\r\ns=-\r\nm=audio 1 RTP/AVP 8\r\n", SdpError::Missing('t'));
        check(b"v=0\r\nnonsense\r\n", SdpError::Line { line: 2 });
        check(b"v=0\r\nm=audio 4294967296 RTP/AVP 8\r\n", SdpError::Port { line: 2 });
        check(b"v=0\r\nm=audio 65536 RTP/AVP 8\r\n", SdpError::Port { line: 2 });
        check(b"v=0\r\nm=audio -1 RTP/AVP 8\r\n", SdpError::Port { line: 2 });
        check(b"v=0\r\nm=audio 1\r\n", SdpError::Line { line: 2 });
        check(b"v=0\r\nm=audio 1 RTP/AVP\r\n", SdpError::Line { line: 2 });
        check(b"v=0\r\nc=IN IP4\r\n", SdpError::Line { line: 2 });
        check(b"v=0\r\na=fmtp:8 \0\r\n", SdpError::NotText);
        check(b"v=0\r\ns=\xff\r\n", SdpError::NotText);
        check(format!("v=0\r\n{}", "m=audio 1 RTP/AVP 8\r\n".repeat(17)).as_bytes(), SdpError::TooMany);
        check(format!("v=0\r\nm=audio 1 RTP/AVP{}\r\n", " 8".repeat(129)).as_bytes(), SdpError::TooMany);
    }

    #[test]
    fn rtcp_and_maps_are_read() {
        let description = parse(
            "t=0 0\r\nm=audio 4000/2 RTP/AVP 8 98 200 x 101\r\na=rtpmap:98 PCMU/8000/1\r\na=rtpmap:101 telephone-event/8000\r\n\
             a=rtcp:53020 IN IP4 192.0.2.7\r\na=fmtp:98 a=1; B = 2;c\r\na=fmtp:x y\r\na=maxptime:60\r\n",
        )
        .expect("a description");
        let media = &description.media[0];
        assert_eq!(media.rtcp, Some((53020, Some("192.0.2.7".parse().expect("an address")))));
        assert_eq!(media.maxptime_ms, Some(60));
        let parameters = ["a", "b", "c", "d"].map(|name| media.parameter(98, name));
        assert_eq!(parameters, [Some("1"), Some("2"), None, None]);
        let encodings: Vec<_> = media.encodings().collect();
        assert_eq!(encodings, [(8, "PCMA/8000"), (98, "PCMU/8000/1"), (101, "telephone-event/8000")]);
    }
}
