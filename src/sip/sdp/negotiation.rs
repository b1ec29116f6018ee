//! Offer and answer for one audio stream (RFC 3264).

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::SdpError;
use super::description::{Description, Media};
use crate::call::stream::{Codec, Direction, OpusWishes, Stream};
use crate::units::{NARROWBAND_HZ, PTIME, millis};

/// The payload type that we give telephone-event until a peer has named another.
const EVENT_TYPE: u8 = 101;

/// Our side of a call's offers and answers.
#[derive(Clone, Debug)]
pub(crate) struct Negotiation {
    session_id: u64,
    version: u64,
    local_rtp: SocketAddr,
    /// Codecs that we take, best first; never empty.
    codecs: Vec<Codec>,
    /// What we want: `SendRecv`, unless we hold the peer.
    wanted: Direction,
    event_type: u8,
    /// Media lines agreed on so far: an offer keeps their number and order (RFC 3264 §8).
    lines: Vec<Line>,
    /// What was last sent, without `o=`.
    sent: Option<String>,
}

/// One media line as we describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    Audio,
    /// Refused: kind, transport and formats are given back as they came.
    Refused {
        kind: String,
        proto: String,
        formats: String,
    },
}

impl Negotiation {
    /// A fresh session. `session_id` becomes that of `o=` and should be unlike any other of ours.
    pub(crate) fn new(session_id: u64, local_rtp: SocketAddr, codecs: Vec<Codec>) -> Self {
        let codecs = if codecs.is_empty() { vec![Codec::Pcma, Codec::Pcmu] } else { codecs };
        Self {
            // Some gateways read it into 63 bits.
            session_id: session_id >> 1,
            version: 1,
            local_rtp,
            codecs,
            wanted: Direction::SendRecv,
            event_type: EVENT_TYPE,
            lines: vec![Line::Audio],
            sent: None,
        }
    }

    /// What we want from now on: `SendOnly` holds the peer.
    pub(crate) fn want(&mut self, direction: Direction) {
        self.wanted = direction;
    }

    /// What we want now.
    pub(crate) fn wanted(&self) -> Direction {
        self.wanted
    }

    /// Our answer to `offer`, and what it agrees on.
    pub(crate) fn answer(&mut self, offer: &[u8]) -> Result<(String, Stream), SdpError> {
        let offer = Description::parse(offer)?;
        let (at, choice) = choose(&offer, &self.codecs)?;
        let media = &offer.media[at];
        let direction = answer_direction(offered_direction(media), self.wanted);
        let stream = Stream {
            remote_rtp: choice.rtp,
            remote_rtcp: choice.rtcp,
            codec: choice.codec,
            send_payload_type: choice.payload_type,
            recv_payload_type: choice.payload_type,
            send_event_type: choice.event_type,
            recv_event_type: choice.event_type,
            event_hz: NARROWBAND_HZ,
            ptime: choice.ptime,
            direction,
            opus: OpusWishes::default(),
        };
        self.event_type = choice.event_type.unwrap_or(self.event_type);
        self.lines = offer.media.iter().enumerate().map(|(i, media)| Line::of(media, i == at)).collect();
        let audio = audio_line(self.local_rtp, &[(choice.payload_type, choice.codec)], choice.event_type, direction);
        Ok((self.print(&audio), stream))
    }

    /// Our offer: every codec we take, in the direction we want.
    pub(crate) fn offer(&mut self) -> String {
        let codecs: Vec<(u8, Codec)> = self.codecs.iter().map(|codec| (codec.payload_type(), *codec)).collect();
        let audio = audio_line(self.local_rtp, &codecs, Some(self.event_type), self.wanted);
        self.print(&audio)
    }

    /// What `answer` to our last offer agrees on.
    pub(crate) fn accept(&mut self, answer: &[u8]) -> Result<Stream, SdpError> {
        let answer = Description::parse(answer)?;
        let at = self.lines.iter().position(|line| *line == Line::Audio).unwrap_or_default();
        if answer.media.len() != self.lines.len() || answer.media[at].kind != "audio" {
            return Err(SdpError::Mismatch);
        }
        let media = &answer.media[at];
        if media.port == 0 {
            return Err(SdpError::NoAudio);
        }
        let choice = choose_in(media, &self.codecs)?;
        Ok(Stream {
            remote_rtp: choice.rtp,
            remote_rtcp: choice.rtcp,
            codec: choice.codec,
            send_payload_type: choice.payload_type,
            recv_payload_type: choice.codec.payload_type(),
            send_event_type: choice.event_type,
            recv_event_type: choice.event_type.map(|_| self.event_type),
            event_hz: NARROWBAND_HZ,
            ptime: choice.ptime,
            direction: answer_direction(offered_direction(media), self.wanted),
            opus: OpusWishes::default(),
        })
    }

    fn print(&mut self, audio: &str) -> String {
        let family = family(self.local_rtp.ip());
        let ip = self.local_rtp.ip();
        let mut body = format!("s=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n");
        for line in &self.lines {
            match line {
                Line::Audio => body.push_str(audio),
                Line::Refused { kind, proto, formats } => {
                    let _ = write!(body, "m={kind} 0 {proto} {formats}\r\n");
                }
            }
        }
        if self.sent.as_ref().is_some_and(|sent| *sent != body) {
            self.version += 1;
        }
        let text = format!("v=0\r\no=- {} {} IN {family} {ip}\r\n{body}", self.session_id, self.version);
        self.sent = Some(body);
        text
    }
}

impl Line {
    fn of(media: &Media, chosen: bool) -> Self {
        if chosen {
            return Self::Audio;
        }
        Self::Refused { kind: media.kind.clone(), proto: media.proto.clone(), formats: media.formats.join(" ") }
    }
}

/// What we take from the peer's audio line.
struct Choice {
    rtp: SocketAddr,
    rtcp: SocketAddr,
    codec: Codec,
    payload_type: u8,
    event_type: Option<u8>,
    ptime: Duration,
}

/// The first audio line that we can take, and what we take of it.
fn choose(offer: &Description, codecs: &[Codec]) -> Result<(usize, Choice), SdpError> {
    let mut fault = SdpError::NoAudio;
    for (at, media) in offer.media.iter().enumerate() {
        if media.kind != "audio" || media.port == 0 || media.proto != "RTP/AVP" {
            continue;
        }
        match choose_in(media, codecs) {
            Ok(choice) => return Ok((at, choice)),
            Err(error) => fault = error,
        }
    }
    Err(fault)
}

/// The peer's first codec that we speak: its order is its preference (RFC 3264 §6.1).
fn choose_in(media: &Media, codecs: &[Codec]) -> Result<Choice, SdpError> {
    let (payload_type, codec) = media
        .encodings()
        .find_map(|(number, encoding)| codecs.iter().find(|c| is_encoding(encoding, c.name())).map(|c| (number, *c)))
        .ok_or_else(|| SdpError::NoCommonCodec { offered: media.formats.clone() })?;
    let event_type =
        media.encodings().find(|(_, encoding)| is_encoding(encoding, "telephone-event")).map(|(number, _)| number);
    let address = media.address.ok_or(SdpError::NoAddress)?;
    let (rtcp_port, rtcp_address) = media.rtcp.unwrap_or((media.port.saturating_add(1), None));
    Ok(Choice {
        rtp: SocketAddr::new(address, media.port),
        rtcp: SocketAddr::new(rtcp_address.unwrap_or(address), rtcp_port),
        codec,
        payload_type,
        event_type,
        ptime: packet_time(media.ptime_ms),
    })
}

/// Whether `a=rtpmap` names this encoding at 8000 Hz and one channel.
fn is_encoding(encoding: &str, name: &str) -> bool {
    let mut parts = encoding.split('/');
    parts.next().is_some_and(|n| n.eq_ignore_ascii_case(name))
        && parts.next() == Some("8000")
        && parts.next().is_none_or(|channels| channels == "1")
}

/// The peer's wish where it is one that phones use, else our own (RFC 8866 §6.4: it is a wish).
fn packet_time(ptime_ms: Option<u32>) -> Duration {
    match ptime_ms {
        Some(ms @ (10 | 20 | 30 | 40 | 60)) => Duration::from_millis(u64::from(ms)),
        _ => PTIME,
    }
}

/// The peer's direction; the address 0.0.0.0 is how RFC 2543 said "do not send to me" (RFC 3264 §8.4).
fn offered_direction(media: &Media) -> Direction {
    match media.address {
        Some(address) if address.is_unspecified() => direction(media.direction.sends(), false),
        _ => media.direction,
    }
}

/// Our direction against the peer's: we send what it receives, and receive what it sends, if we want to
/// (RFC 3264 §6.1).
fn answer_direction(theirs: Direction, wanted: Direction) -> Direction {
    direction(wanted.sends() && theirs.receives(), wanted.receives() && theirs.sends())
}

fn direction(sends: bool, receives: bool) -> Direction {
    match (sends, receives) {
        (true, true) => Direction::SendRecv,
        (true, false) => Direction::SendOnly,
        (false, true) => Direction::RecvOnly,
        (false, false) => Direction::Inactive,
    }
}

fn attribute(direction: Direction) -> &'static str {
    match direction {
        Direction::SendRecv => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::RecvOnly => "recvonly",
        Direction::Inactive => "inactive",
    }
}

fn family(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "IP4" } else { "IP6" }
}

fn audio_line(local: SocketAddr, codecs: &[(u8, Codec)], event: Option<u8>, direction: Direction) -> String {
    let mut line = format!("m=audio {} RTP/AVP", local.port());
    let mut maps = String::new();
    for (number, codec) in codecs {
        let _ = write!(line, " {number}");
        let _ = write!(maps, "a=rtpmap:{number} {}/8000\r\n", codec.name());
    }
    if let Some(number) = event {
        let _ = write!(line, " {number}");
        let _ = write!(maps, "a=rtpmap:{number} telephone-event/8000\r\na=fmtp:{number} 0-15\r\n");
    }
    let ptime = millis(PTIME);
    format!("{line}\r\n{maps}a=ptime:{ptime}\r\na={}\r\n", attribute(direction))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIRECTIONS: [Direction; 4] =
        [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];

    fn negotiation() -> Negotiation {
        Negotiation::new(99, "192.0.2.10:40000".parse().expect("an address"), vec![Codec::Pcma, Codec::Pcmu])
    }

    fn description(rest: &str) -> Vec<u8> {
        format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{rest}").into_bytes()
    }

    #[track_caller]
    fn answer(rest: &str) -> (String, Stream) {
        negotiation().answer(&description(rest)).expect(rest)
    }

    #[test]
    fn directions_as_answerer() {
        // Offered, wanted, answered (RFC 3264 §6.1).
        use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
        let check = |offered: Direction, wanted: Direction, expected: Direction| {
            let mut ours = negotiation();
            ours.want(wanted);
            let offer = description(&format!("m=audio 4000 RTP/AVP 8\r\na={}\r\n", attribute(offered)));
            let (sdp, stream) = ours.answer(&offer).expect("an answer");
            assert_eq!(stream.direction, expected, "{offered:?} {wanted:?}");
            assert!(sdp.ends_with(&format!("a={}\r\n", attribute(expected))), "{sdp}");
        };
        for (offered, expected) in
            [(SendRecv, SendRecv), (SendOnly, RecvOnly), (RecvOnly, SendOnly), (Inactive, Inactive)]
        {
            check(offered, SendRecv, expected);
        }
        for (offered, expected) in
            [(SendRecv, SendOnly), (SendOnly, Inactive), (RecvOnly, SendOnly), (Inactive, Inactive)]
        {
            check(offered, SendOnly, expected);
        }
        for offered in DIRECTIONS {
            check(offered, Inactive, Inactive);
        }
    }

    #[test]
    fn directions_as_offerer() {
        use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
        let check = |wanted: Direction, answered: Direction, expected: Direction| {
            let mut ours = negotiation();
            ours.want(wanted);
            let offer = ours.offer();
            assert!(offer.ends_with(&format!("a={}\r\n", attribute(wanted))), "{offer}");
            let answer = description(&format!("m=audio 4000 RTP/AVP 8\r\na={}\r\n", attribute(answered)));
            assert_eq!(ours.accept(&answer).map(|s| s.direction), Ok(expected), "{wanted:?} {answered:?}");
        };
        for (answered, expected) in
            [(SendRecv, SendRecv), (SendOnly, RecvOnly), (RecvOnly, SendOnly), (Inactive, Inactive)]
        {
            check(SendRecv, answered, expected);
        }
        for (answered, expected) in
            [(SendRecv, SendOnly), (SendOnly, Inactive), (RecvOnly, SendOnly), (Inactive, Inactive)]
        {
            check(SendOnly, answered, expected);
        }
    }

    #[test]
    fn the_null_address_holds() {
        let check = |direction: &str, expected| {
            let offer = format!("m=audio 4000 RTP/AVP 8\r\nc=IN IP4 0.0.0.0\r\n{direction}");
            assert_eq!(answer(&offer).1.direction, expected, "{direction}");
        };
        check("", Direction::RecvOnly);
        check("a=sendonly\r\n", Direction::RecvOnly);
        check("a=recvonly\r\n", Direction::Inactive);
        check("a=inactive\r\n", Direction::Inactive);
    }

    #[test]
    fn payload_types_stay_as_offered() {
        let check = |m: &str, expected: Option<(Codec, u8, Option<u8>)>| {
            let result = negotiation().answer(&description(m));
            let got = result.as_ref().ok().map(|(_, s)| (s.codec, s.send_payload_type, s.send_event_type));
            assert_eq!(got, expected, "{m}");
            if let (Ok((sdp, stream)), Some((_, number, event))) = (result, expected) {
                let formats = event.map_or(format!("{number}"), |event| format!("{number} {event}"));
                assert!(sdp.contains(&format!("m=audio 40000 RTP/AVP {formats}\r\n")), "{sdp}");
                assert_eq!((stream.recv_payload_type, stream.recv_event_type), (number, event));
            }
        };
        check("m=audio 4000 RTP/AVP 0 8\r\n", Some((Codec::Pcmu, 0, None)));
        check("m=audio 4000 RTP/AVP 18 8 0\r\n", Some((Codec::Pcma, 8, None)));
        check("m=audio 4000 RTP/AVP 8 96\r\na=rtpmap:96 telephone-event/8000\r\n", Some((Codec::Pcma, 8, Some(96))));
        check("m=audio 4000 RTP/AVP 98\r\na=rtpmap:98 pcma/8000/1\r\n", Some((Codec::Pcma, 98, None)));
        check("m=audio 4000 RTP/AVP 8 96\r\na=rtpmap:96 telephone-event/48000\r\n", Some((Codec::Pcma, 8, None)));
        check("m=audio 4000 RTP/AVP 98\r\na=rtpmap:98 PCMA/16000\r\n", None);
        check("m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 opus/48000/2\r\n", None);
        check("m=audio 4000 RTP/SAVP 8\r\n", None);
        check("m=audio 0 RTP/AVP 8\r\n", None);
    }

    #[test]
    fn every_media_line_is_answered_in_order() {
        let (sdp, stream) = answer(
            "m=video 3000 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 18\r\nm=audio 4002 RTP/AVP 8\r\nm=application 9 udp wb\r\n",
        );
        let lines: Vec<&str> = sdp.lines().filter(|line| line.starts_with("m=")).collect();
        assert_eq!(
            lines,
            ["m=video 0 RTP/AVP 31", "m=audio 0 RTP/AVP 18", "m=audio 40000 RTP/AVP 8", "m=application 0 udp wb"]
        );
        assert_eq!(stream.remote_rtp, "192.0.2.1:4002".parse::<SocketAddr>().expect("an address"));
    }

    #[test]
    fn rtcp_is_next_door_or_where_it_says() {
        let check = |rest: &str, rtcp: &str| {
            let stream = answer(&format!("m=audio {rest}")).1;
            assert_eq!(stream.remote_rtcp, rtcp.parse::<SocketAddr>().expect("an address"), "{rest}");
        };
        check("4000 RTP/AVP 8\r\n", "192.0.2.1:4001");
        check("4000 RTP/AVP 8\r\na=rtcp:5005\r\n", "192.0.2.1:5005");
        check("4000 RTP/AVP 8\r\na=rtcp:5005 IN IP6 2001:db8::1\r\n", "[2001:db8::1]:5005");
        check("65535 RTP/AVP 8\r\n", "192.0.2.1:65535");
    }

    #[test]
    fn the_version_grows_with_changes_only() {
        let version = |sdp: &str| {
            let origin = sdp.lines().find(|line| line.starts_with("o=")).expect("an origin").to_owned();
            origin.split(' ').nth(2).and_then(|v| v.parse::<u64>().ok()).expect("a version")
        };
        let mut ours = negotiation();
        let offer = description("m=audio 4000 RTP/AVP 8\r\n");
        let held = description("m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n");
        let mut versions = Vec::new();
        for offer in [&offer, &offer, &held, &held, &offer] {
            versions.push(version(&ours.answer(offer).expect("an answer").0));
        }
        assert_eq!(versions, [1, 1, 2, 2, 3]);
    }

    #[test]
    fn an_offer_keeps_the_lines_agreed_on() {
        let mut ours = negotiation();
        let offer =
            description("m=audio 4000 RTP/AVP 8 96\r\na=rtpmap:96 telephone-event/8000\r\nm=video 3000 RTP/AVP 31\r\n");
        ours.answer(&offer).expect("an answer");
        let offer = ours.offer();
        assert!(offer.contains("m=audio 40000 RTP/AVP 8 0 96\r\n"), "{offer}");
        assert!(offer.ends_with("m=video 0 RTP/AVP 31\r\n"), "{offer}");
        let check = |rest: &str, expected: Result<u8, SdpError>| {
            let result = ours.clone().accept(&description(rest));
            assert_eq!(result.map(|s| s.send_payload_type), expected, "{rest}");
        };
        check("m=audio 4000 RTP/AVP 0\r\nm=video 0 RTP/AVP 31\r\n", Ok(0));
        check("m=audio 4000 RTP/AVP 0\r\n", Err(SdpError::Mismatch));
        check("m=audio 0 RTP/AVP 0\r\nm=video 0 RTP/AVP 31\r\n", Err(SdpError::NoAudio));
        check("m=video 4000 RTP/AVP 0\r\nm=video 0 RTP/AVP 31\r\n", Err(SdpError::Mismatch));
    }

    #[test]
    fn what_we_print_we_can_read() {
        let mut ours = Negotiation::new(7, "[2001:db8::9]:40000".parse().expect("an address"), Vec::new());
        let offer = ours.offer();
        let (answer, stream) = negotiation().answer(offer.as_bytes()).expect("an answer");
        assert_eq!(stream.remote_rtp, "[2001:db8::9]:40000".parse::<SocketAddr>().expect("an address"));
        assert_eq!(ours.accept(answer.as_bytes()).map(|s| s.codec), Ok(Codec::Pcma));
    }
}
