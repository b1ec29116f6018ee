//! The descriptions of a browser's leg (RFC 8866, RFC 8829): what we read of its offer, and our answer.

use std::fmt;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::str::FromStr;

use super::ice::Credentials;
use crate::call::stream::Codec;

/// Longest offer, in octets; a browser's with one audio line has about 2,000.
pub const MAX_OFFER: usize = 16 * 1024;

/// SHA-256 of a certificate, as `a=fingerprint` says it (RFC 8122 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// Why an offer cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// It is longer than any browser's.
    #[error("the offer is longer than {MAX_OFFER} octets")]
    Long,
    /// A line that must be there is missing, or says nothing we can use.
    #[error("the offer has no usable {0}")]
    Missing(&'static str),
}

/// What matters of a browser's offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// `a=mid` of the audio line.
    pub mid: String,
    /// The certificate it will show.
    pub fingerprint: Fingerprint,
    /// Its payload type for telephone-event at 8 kHz.
    pub event_type: Option<u8>,
}

impl FromStr for Offer {
    type Err = SdpError;

    /// Reads the first audio line and what stands before any line.
    fn from_str(text: &str) -> Result<Self, SdpError> {
        if text.len() > MAX_OFFER {
            return Err(SdpError::Long);
        }
        let mut sections = text.split("\nm=").map(str::lines);
        let session: Vec<&str> = sections.next().into_iter().flatten().collect();
        let audio = sections.map(Iterator::collect::<Vec<&str>>).find(|lines| lines[0].starts_with("audio "));
        let audio = audio.ok_or(SdpError::Missing("m=audio"))?;
        let line = |name: &str| {
            let all = audio.iter().chain(&session);
            all.copied().find_map(|line| line.trim_end().strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':'))
        };
        let types: Vec<u8> = audio[0].split_whitespace().skip(3).filter_map(|word| word.parse().ok()).collect();
        if !audio[0].contains("UDP/TLS/RTP/SAVPF") || !types.contains(&Codec::Pcma.payload_type()) {
            return Err(SdpError::Missing("PCMA over DTLS-SRTP"));
        }
        if !audio.iter().any(|line| line.trim_end() == "a=rtcp-mux") {
            return Err(SdpError::Missing("a=rtcp-mux"));
        }
        // A browser that offers is both, and leaves the choice to us (RFC 8842 §5.2).
        if !matches!(line("setup"), Some("actpass" | "active")) {
            return Err(SdpError::Missing("a=setup"));
        }
        let mid = line("mid").filter(|mid| !mid.is_empty() && mid.chars().all(|c| c.is_ascii_alphanumeric()));
        let fingerprint = line("fingerprint").and_then(Fingerprint::parse).ok_or(SdpError::Missing("a=fingerprint"))?;
        let event_type = audio.iter().find_map(|line| {
            let (number, name) = line.trim_end().strip_prefix("a=rtpmap:")?.split_once(' ')?;
            let number = number.parse().ok()?;
            (name.eq_ignore_ascii_case("telephone-event/8000") && types.contains(&number)).then_some(number)
        });
        Ok(Self { mid: mid.ok_or(SdpError::Missing("a=mid"))?.to_owned(), fingerprint, event_type })
    }
}

impl Fingerprint {
    fn parse(value: &str) -> Option<Self> {
        let (hash, octets) = value.split_once(' ')?;
        let octets = hex::decode(octets.trim().replace(':', "")).ok()?;
        hash.eq_ignore_ascii_case("sha-256").then_some(())?;
        octets.try_into().ok().map(Self)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha-256 ")?;
        self.0.iter().enumerate().try_for_each(|(n, octet)| {
            let colon = if n > 0 { ":" } else { "" };
            write!(f, "{colon}{octet:02X}")
        })
    }
}

/// Our answer: A-law and telephone events at `address`, the lite side of ICE, the server of DTLS.
pub fn answer(offer: &Offer, address: SocketAddr, ice: &Credentials, ours: Fingerprint) -> String {
    let pcma = Codec::Pcma.payload_type();
    let (ip, port) = (address.ip(), address.port());
    let family = if address.is_ipv4() { "IP4" } else { "IP6" };
    let Offer { mid, event_type, .. } = offer;
    let Credentials { ufrag, password } = ice;
    let types = event_type.map_or_else(|| pcma.to_string(), |event| format!("{pcma} {event}"));
    let mut out = format!(
        "v=0\r\no=minxin 1 1 IN {family} {ip}\r\ns=-\r\nt=0 0\r\na=ice-lite\r\na=group:BUNDLE {mid}\r\n\
         m=audio {port} UDP/TLS/RTP/SAVPF {types}\r\nc=IN {family} {ip}\r\na=mid:{mid}\r\na=sendrecv\r\na=rtcp-mux\r\n\
         a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\na=fingerprint:{ours}\r\na=setup:passive\r\n\
         a=rtpmap:{pcma} PCMA/8000\r\n"
    );
    if let Some(event) = event_type {
        // Writing to a String cannot fail.
        let _ = write!(out, "a=rtpmap:{event} telephone-event/8000\r\na=fmtp:{event} 0-16\r\n");
    }
    // The highest priority of a host candidate on the first component (RFC 8445 §5.1.2).
    let _ = write!(out, "a=ptime:20\r\na=candidate:1 1 udp 2130706431 {ip} {port} typ host\r\na=end-of-candidates\r\n");
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What Chromium offers, shortened.
    const CHROMIUM: &str = "v=0\r\no=- 46 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:4ZcD\r\na=ice-pwd:secret\r\n\
        a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n\
        a=setup:actpass\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:110 telephone-event/48000\r\n\
        a=rtpmap:126 telephone-event/8000\r\n";

    fn expected() -> Offer {
        let mut octets = [0; 32];
        octets.iter_mut().zip(0..).for_each(|(octet, n)| *octet = n);
        Offer { mid: "0".into(), fingerprint: Fingerprint(octets), event_type: Some(126) }
    }

    #[test]
    fn what_chromium_offers_is_read() {
        assert_eq!(CHROMIUM.parse(), Ok(expected()));
    }

    #[test]
    fn what_cannot_be_answered_is_told() {
        let check = |change: (&str, &str), missing: &'static str| {
            let text = CHROMIUM.replacen(change.0, change.1, 1);
            assert_eq!(text.parse::<Offer>(), Err(SdpError::Missing(missing)), "{change:?}");
        };
        check(("m=audio", "m=video"), "m=audio");
        check((" 0 8 13", " 0 13"), "PCMA over DTLS-SRTP");
        check(("UDP/TLS/RTP/SAVPF", "RTP/AVP"), "PCMA over DTLS-SRTP");
        check(("a=rtcp-mux\r\n", ""), "a=rtcp-mux");
        check(("a=setup:actpass", "a=setup:passive"), "a=setup");
        check(("a=mid:0", "a=mid:0 x"), "a=mid");
        check(("sha-256 00", "sha-1 00"), "a=fingerprint");
        check(("sha-256 00:", "sha-256 "), "a=fingerprint");
        assert_eq!("x".repeat(MAX_OFFER + 1).parse::<Offer>(), Err(SdpError::Long));
    }

    #[test]
    fn a_session_line_serves_the_audio_line() {
        let moved =
            CHROMIUM.replacen("a=setup:actpass\r\n", "", 1).replacen("t=0 0\r\n", "t=0 0\r\na=setup:actpass\r\n", 1);
        assert_eq!(moved.parse(), Ok(expected()));
    }

    #[test]
    fn the_answer_says_who_and_where_we_are() {
        let ice = Credentials { ufrag: "ours".into(), password: "word".into() };
        let offer = expected();
        let text = answer(&offer, "192.0.2.1:4000".parse().expect("an address"), &ice, offer.fingerprint);
        for line in [
            "a=ice-lite",
            "m=audio 4000 UDP/TLS/RTP/SAVPF 8 126",
            "a=ice-ufrag:ours",
            "a=ice-pwd:word",
            "a=setup:passive",
            "a=rtcp-mux",
            "a=candidate:1 1 udp 2130706431 192.0.2.1 4000 typ host",
        ] {
            assert!(text.contains(&format!("{line}\r\n")), "{line}: {text}");
        }
        assert!(text.contains("a=fingerprint:sha-256 00:01:02:03:"), "{text}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(v=0|m=audio|a=mid:|a=|\r\n|\n|[ -~]){0,60}") {
            let _ = text.parse::<Offer>();
        }
    }
}
