//! Offer and answer for one audio stream (RFC 3264).

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::SdpError;
use super::crypto::Crypto;
use super::description::{Description, Media};
use crate::call::stream::{Codec, Direction, OpusWishes, Srtp, SrtpSuite, Stream};
use crate::units::{NARROWBAND_HZ, PTIME, millis};

/// What we ask of the peer's Opus (RFC 7587 §6.1): we hear 8 kHz, and use forward error correction.
const OPUS_PARAMETERS: &str = "maxplaybackrate=8000;sprop-maxcapturerate=8000;maxaveragebitrate=40000;useinbandfec=1";
/// Packet times that we can send, in milliseconds.
const PTIMES_MS: RangeInclusive<u32> = 10..=60;
/// Dynamic payload types (RFC 3551 §6).
const DYNAMIC: RangeInclusive<u8> = 96..=127;

/// The transport of audio in the clear (RFC 3551).
const CLEAR: &str = "RTP/AVP";
/// The transport of audio protected by SRTP (RFC 3711 §1).
const PROTECTED: &str = "RTP/SAVP";

/// Whether a call's audio may be protected by SRTP, with keys in the description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    /// No: others could read the keys.
    Never,
    /// Where the peer offers it.
    Allowed,
    /// Always.
    Required,
}

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
    protection: Protection,
    /// Our SRTP keys, as we last offered them or used them to answer; empty where the audio is in the clear.
    keys: Vec<Crypto>,
    numbers: Numbers,
    /// Media lines agreed on so far: an offer keeps their number and order (RFC 3264 §8).
    lines: Vec<Line>,
    /// What was last sent, without `o=`.
    sent: Option<String>,
}

/// The dynamic payload types of our offers: ours until a peer has named others, which then stay (RFC 3264 §8.3.2).
#[derive(Clone, Copy, Debug)]
struct Numbers {
    opus: u8,
    /// Telephone events by a clock of 8 kHz.
    event: u8,
    /// Telephone events by the clock of Opus.
    opus_event: u8,
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
            protection: Protection::Never,
            keys: Vec::new(),
            numbers: Numbers { opus: Codec::Opus.payload_type(), event: 101, opus_event: 110 },
            lines: vec![Line::Audio],
            sent: None,
        }
    }

    /// The same, with audio protected as `protection` says.
    pub(crate) fn protected(mut self, protection: Protection) -> Self {
        self.protection = protection;
        if protection == Protection::Required {
            self.keys = (1..).zip(SrtpSuite::ALL).filter_map(|(tag, suite)| Crypto::fresh(tag, suite)).collect();
        }
        self
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
        let (at, choice) = choose(&offer, &self.codecs, self.protection)?;
        let media = &offer.media[at];
        let srtp = self.answer_key(media)?;
        let direction = answer_direction(offered_direction(media), self.wanted);
        let stream = Stream {
            remote_rtp: choice.rtp,
            remote_rtcp: choice.rtcp,
            codec: choice.codec,
            send_payload_type: choice.payload_type,
            recv_payload_type: choice.payload_type,
            send_event_type: choice.event.map(|event| event.number),
            recv_event_type: choice.event.map(|event| event.number),
            event_hz: choice.event_hz(),
            ptime: choice.ptime,
            direction,
            opus: choice.opus,
            srtp: srtp.map(Box::new),
        };
        self.numbers.learn(&choice);
        self.lines = offer.media.iter().enumerate().map(|(i, media)| Line::of(media, i == at)).collect();
        let codecs = [(choice.payload_type, choice.codec)];
        let audio = audio_line(self.local_rtp, &codecs, choice.event.as_slice(), &self.keys, choice.ptime, direction);
        Ok((self.print(&audio), stream))
    }

    /// Our offer: every codec we take, in the direction we want.
    pub(crate) fn offer(&mut self) -> String {
        let codecs: Vec<_> = self.codecs.iter().map(|codec| (self.numbers.of(*codec), *codec)).collect();
        let mut events = vec![Event { number: self.numbers.event, hz: NARROWBAND_HZ }];
        if self.codecs.contains(&Codec::Opus) {
            events.push(Event { number: self.numbers.opus_event, hz: Codec::Opus.clock_hz() });
        }
        let audio = audio_line(self.local_rtp, &codecs, &events, &self.keys, PTIME, self.wanted);
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
        let srtp = self.accepted_key(media)?;
        let choice = choose_in(media, &self.codecs)?;
        Ok(Stream {
            remote_rtp: choice.rtp,
            remote_rtcp: choice.rtcp,
            codec: choice.codec,
            send_payload_type: choice.payload_type,
            recv_payload_type: self.numbers.of(choice.codec),
            send_event_type: choice.event.map(|event| event.number),
            recv_event_type: choice.event.map(|event| self.numbers.of_event(event.hz)),
            event_hz: choice.event_hz(),
            ptime: choice.ptime,
            direction: answer_direction(offered_direction(media), self.wanted),
            opus: choice.opus,
            srtp: srtp.map(Box::new),
        })
    }

    /// What protects the audio line that we answer, and our key in `keys`: the one that was used before with that suite.
    fn answer_key(&mut self, media: &Media) -> Result<Option<Srtp>, SdpError> {
        if media.proto == CLEAR {
            self.keys.clear();
            return Ok(None);
        }
        let theirs = media.cryptos.first().ok_or(SdpError::NoKey)?;
        let kept = self.keys.iter().find(|key| key.suite == theirs.suite).map(|key| key.key.clone());
        let key =
            kept.or_else(|| Crypto::fresh(theirs.tag, theirs.suite).map(|fresh| fresh.key)).ok_or(SdpError::NoKey)?;
        self.keys = vec![Crypto { tag: theirs.tag, suite: theirs.suite, key: key.clone() }];
        Ok(Some(Srtp { suite: theirs.suite, ours: key, theirs: theirs.key.clone() }))
    }

    /// What protects the audio line by the peer's answer (RFC 4568 §5.1.3): one of our lines, by its tag.
    fn accepted_key(&mut self, media: &Media) -> Result<Option<Srtp>, SdpError> {
        if media.proto != transport(&self.keys) {
            return Err(SdpError::Mismatch);
        }
        if self.keys.is_empty() {
            return Ok(None);
        }
        let matching = |theirs: &Crypto| {
            let ours = self.keys.iter().find(|key| key.tag == theirs.tag && key.suite == theirs.suite)?;
            Some(Srtp { suite: ours.suite, ours: ours.key.clone(), theirs: theirs.key.clone() })
        };
        let srtp = media.cryptos.first().and_then(matching).ok_or(SdpError::NoKey)?;
        self.keys.retain(|key| key.suite == srtp.suite);
        Ok(Some(srtp))
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

/// The transport of audio under these keys.
fn transport(keys: &[Crypto]) -> &'static str {
    if keys.is_empty() { CLEAR } else { PROTECTED }
}

/// What we take from the peer's audio line.
struct Choice {
    rtp: SocketAddr,
    rtcp: SocketAddr,
    codec: Codec,
    payload_type: u8,
    event: Option<Event>,
    ptime: Duration,
    opus: OpusWishes,
}

/// Telephone events: their payload type and the clock of their durations.
#[derive(Clone, Copy, Debug)]
struct Event {
    number: u8,
    hz: u32,
}

impl Choice {
    fn event_hz(&self) -> u32 {
        self.event.map_or(NARROWBAND_HZ, |event| event.hz)
    }
}

impl Numbers {
    fn of(&self, codec: Codec) -> u8 {
        match codec {
            Codec::Opus => self.opus,
            Codec::Pcma | Codec::Pcmu | Codec::G722 => codec.payload_type(),
        }
    }

    fn of_event(&self, hz: u32) -> u8 {
        if hz == NARROWBAND_HZ { self.event } else { self.opus_event }
    }

    /// Takes over what the peer named; a number of ours that it gave to something else moves on.
    fn learn(&mut self, choice: &Choice) {
        let mut named = [choice.payload_type, choice.event.map_or(choice.payload_type, |event| event.number)].to_vec();
        let mut settle = |number: &mut u8, by_peer: Option<u8>| match by_peer {
            Some(by_peer) => *number = by_peer,
            None => {
                if named.contains(number) {
                    *number = DYNAMIC.clone().find(|free| !named.contains(free)).unwrap_or(*number);
                }
                named.push(*number);
            }
        };
        let event_by = |hz| choice.event.filter(|event| event.hz == hz).map(|event| event.number);
        settle(&mut self.opus, (choice.codec == Codec::Opus).then_some(choice.payload_type));
        settle(&mut self.event, event_by(NARROWBAND_HZ));
        settle(&mut self.opus_event, event_by(Codec::Opus.clock_hz()));
    }
}

/// The first audio line that we can take, and what we take of it.
fn choose(offer: &Description, codecs: &[Codec], protection: Protection) -> Result<(usize, Choice), SdpError> {
    let mut fault = SdpError::NoAudio;
    for (at, media) in offer.media.iter().enumerate() {
        let fits = match protection {
            Protection::Never => media.proto == CLEAR,
            Protection::Allowed => media.proto == CLEAR || media.proto == PROTECTED,
            Protection::Required => media.proto == PROTECTED,
        };
        if media.kind != "audio" || media.port == 0 || !fits {
            continue;
        }
        if media.proto == PROTECTED && media.cryptos.is_empty() {
            fault = SdpError::NoKey;
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
        .find_map(|(number, encoding)| codecs.iter().find(|c| speaks(encoding, **c)).map(|c| (number, *c)))
        .ok_or_else(|| SdpError::NoCommonCodec { offered: media.formats.clone() })?;
    let event = |hz: u32| {
        let named = |(_, encoding): &(u8, &str)| is_encoding(encoding, "telephone-event", hz, 1);
        media.encodings().find(named).map(|(number, _)| Event { number, hz })
    };
    let flag = |name| media.parameter(payload_type, name) == Some("1");
    let opus = match codec {
        Codec::Opus => OpusWishes {
            fec: flag("useinbandfec"),
            dtx: flag("usedtx"),
            max_bitrate: media.parameter(payload_type, "maxaveragebitrate").and_then(|most| most.parse().ok()),
        },
        Codec::Pcma | Codec::Pcmu | Codec::G722 => OpusWishes::default(),
    };
    let address = media.address.ok_or(SdpError::NoAddress)?;
    let (rtcp_port, rtcp_address) = media.rtcp.unwrap_or((media.port.saturating_add(1), None));
    Ok(Choice {
        rtp: SocketAddr::new(address, media.port),
        rtcp: SocketAddr::new(rtcp_address.unwrap_or(address), rtcp_port),
        codec,
        payload_type,
        // Events share the audio's clock (RFC 4733 §2.1); many a phone names the telephone's for Opus all the same.
        event: event(codec.clock_hz()).or_else(|| event(NARROWBAND_HZ)),
        ptime: packet_time(media.ptime_ms, media.maxptime_ms),
        opus,
    })
}

/// Whether `a=rtpmap` names this codec; Opus always says two channels, whatever is in it (RFC 7587 §7).
fn speaks(encoding: &str, codec: Codec) -> bool {
    let channels = if codec == Codec::Opus { 2 } else { 1 };
    is_encoding(encoding, codec.name(), codec.clock_hz(), channels)
}

/// Whether `a=rtpmap` names this encoding, clock and number of channels; no number is one.
fn is_encoding(encoding: &str, name: &str, hz: u32, channels: u8) -> bool {
    let mut parts = encoding.split('/');
    parts.next().is_some_and(|n| n.eq_ignore_ascii_case(name))
        && parts.next().and_then(|clock| clock.parse().ok()) == Some(hz)
        && parts.next().map_or(Some(1), |number| number.parse().ok()) == Some(channels)
}

/// The peer's wish, in whole steps of 10 ms within what we can send, else our own packet time (RFC 8866 §6.4: it is a
/// wish); `a=maxptime` is none.
fn packet_time(ptime_ms: Option<u32>, maxptime_ms: Option<u32>) -> Duration {
    let wish =
        ptime_ms.filter(|ms| PTIMES_MS.contains(ms)).map_or(PTIME, |ms| Duration::from_millis((ms / 10 * 10).into()));
    let most = maxptime_ms.map_or(wish, |ms| Duration::from_millis((ms / 10 * 10).max(*PTIMES_MS.start()).into()));
    wish.min(most)
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

fn audio_line(
    local: SocketAddr,
    codecs: &[(u8, Codec)],
    events: &[Event],
    keys: &[Crypto],
    ptime: Duration,
    direction: Direction,
) -> String {
    let mut line = format!("m=audio {} {}", local.port(), transport(keys));
    let mut maps = String::new();
    for (number, codec) in codecs {
        let _ = write!(line, " {number}");
        let _ = write!(maps, "a=rtpmap:{number} {}/{}", codec.name(), codec.clock_hz());
        let _ = match codec {
            Codec::Opus => write!(maps, "/2\r\na=fmtp:{number} {OPUS_PARAMETERS}\r\n"),
            Codec::Pcma | Codec::Pcmu | Codec::G722 => write!(maps, "\r\n"),
        };
    }
    for Event { number, hz } in events {
        let _ = write!(line, " {number}");
        let _ = write!(maps, "a=rtpmap:{number} telephone-event/{hz}\r\na=fmtp:{number} 0-15\r\n");
    }
    for key in keys {
        let _ = write!(maps, "a=crypto:{}\r\n", key.print());
    }
    let ptime = millis(ptime);
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
        check("m=audio 4000 RTP/AVP 9 8\r\n", Some((Codec::Pcma, 8, None)));
        check("m=audio 4000 RTP/SAVP 8\r\n", None);
        check("m=audio 0 RTP/AVP 8\r\n", None);
    }

    fn all_codecs() -> Negotiation {
        Negotiation::new(99, "192.0.2.10:40000".parse().expect("an address"), Codec::ALL.to_vec())
    }

    #[test]
    fn wideband_codecs_are_named_as_their_rfcs_say() {
        let check = |m: &str, codec: Codec, event: Option<(u8, u32)>, lines: &[&str]| {
            let (sdp, stream) = all_codecs().answer(&description(m)).expect(m);
            assert_eq!((stream.codec, stream.send_event_type.map(|e| (e, stream.event_hz))), (codec, event), "{m}");
            for line in lines {
                assert!(sdp.contains(line), "{line} in {sdp}");
            }
        };
        check("m=audio 4000 RTP/AVP 9\r\n", Codec::G722, None, &["RTP/AVP 9\r\n", "a=rtpmap:9 G722/8000\r\n"]);
        // 16000 is what it samples at, not its RTP clock (RFC 3551 §4.5.2).
        check("m=audio 4000 RTP/AVP 97 8\r\na=rtpmap:97 g722/16000\r\n", Codec::Pcma, None, &[]);
        let opus = "m=audio 4000 RTP/AVP 96 8 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n";
        let lines = ["RTP/AVP 96 101\r\n", "a=rtpmap:96 opus/48000/2\r\n", "a=fmtp:96 ", "useinbandfec=1"];
        check(opus, Codec::Opus, Some((101, 8_000)), &lines);
        let wide = format!("{opus}a=rtpmap:98 telephone-event/48000\r\n").replace("8 101", "8 101 98");
        check(&wide, Codec::Opus, Some((98, 48_000)), &["RTP/AVP 96 98\r\n", "a=rtpmap:98 telephone-event/48000\r\n"]);
        check(&wide.replace("96 8 ", "8 96 "), Codec::Pcma, Some((101, 8_000)), &["RTP/AVP 8 101\r\n"]);
        check("m=audio 4000 RTP/AVP 96 8\r\na=rtpmap:96 opus/48000\r\n", Codec::Pcma, None, &[]);
    }

    #[test]
    fn what_the_peer_wants_of_opus() {
        let check = |parameters: &str, expected: OpusWishes| {
            let m = format!("m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n{parameters}");
            assert_eq!(all_codecs().answer(&description(&m)).expect("an answer").1.opus, expected, "{parameters}");
        };
        check("", OpusWishes::default());
        check(
            "a=fmtp:96 minptime=10; useinbandfec=1;UseDTX = 1;maxaveragebitrate=16000\r\n",
            OpusWishes { fec: true, dtx: true, max_bitrate: Some(16_000) },
        );
        check("a=fmtp:96 useinbandfec=0;maxaveragebitrate=lots\r\na=fmtp:8 usedtx=1\r\n", OpusWishes::default());
    }

    #[test]
    fn packet_times() {
        let check = |lines: &str, ptime_ms| {
            let (sdp, stream) = answer(&format!("m=audio 4000 RTP/AVP 8\r\n{lines}"));
            assert_eq!(stream.ptime, Duration::from_millis(ptime_ms), "{lines}");
            assert!(sdp.contains(&format!("a=ptime:{ptime_ms}\r\n")), "{sdp}");
        };
        check("", 20);
        for ms in [10, 30, 40, 50, 60] {
            check(&format!("a=ptime:{ms}\r\n"), ms);
        }
        check("a=ptime:25\r\n", 20);
        check("a=ptime:5\r\n", 20);
        check("a=ptime:200\r\n", 20);
        check("a=maxptime:15\r\n", 10);
        check("a=ptime:60\r\na=maxptime:40\r\n", 40);
        check("a=ptime:30\r\na=maxptime:150\r\n", 30);
        check("a=maxptime:0\r\n", 10);
    }

    #[test]
    fn each_side_has_its_own_payload_types() {
        let mut ours = all_codecs();
        let offer = ours.offer();
        assert!(offer.contains("m=audio 40000 RTP/AVP 8 0 9 111 101 110\r\n"), "{offer}");
        let answer = "m=audio 4000 RTP/AVP 96 97\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 telephone-event/48000\r\n";
        let stream = ours.accept(&description(answer)).expect("a stream");
        assert_eq!((stream.codec, stream.send_payload_type, stream.recv_payload_type), (Codec::Opus, 96, 111));
        assert_eq!((stream.send_event_type, stream.recv_event_type), (Some(97), Some(110)));
    }

    #[test]
    fn numbers_that_the_peer_gave_stay_and_ours_make_way() {
        let mut ours = all_codecs();
        // What we would call Opus and its events, the peer calls events of 8 kHz and Opus.
        let offer =
            "m=audio 4000 RTP/AVP 110 111\r\na=rtpmap:110 opus/48000/2\r\na=rtpmap:111 telephone-event/8000\r\n";
        ours.answer(&description(offer)).expect("an answer");
        let again = ours.offer();
        assert!(again.contains("m=audio 40000 RTP/AVP 8 0 9 110 111 96\r\n"), "{again}");
        assert!(again.contains("a=rtpmap:110 opus/48000/2\r\n"), "{again}");
        assert!(again.contains("a=rtpmap:111 telephone-event/8000\r\n"), "{again}");
    }

    const KEY: &str = "a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj\r\n";

    #[test]
    fn protected_audio_is_taken_where_keys_are_safe() {
        let check = |protection, rest: &str, expected: Result<bool, SdpError>| {
            let answered = negotiation().protected(protection).answer(&description(rest));
            assert_eq!(answered.map(|(_, stream)| stream.srtp.is_some()), expected, "{protection:?} {rest}");
        };
        let (clear, protected) = ("m=audio 4000 RTP/AVP 8\r\n", format!("m=audio 4000 RTP/SAVP 8\r\n{KEY}"));
        let unusable = "m=audio 4000 RTP/SAVP 8\r\na=crypto:1 F8_128_HMAC_SHA1_80 inline:AAAA\r\n";
        check(Protection::Never, clear, Ok(false));
        check(Protection::Never, &protected, Err(SdpError::NoAudio));
        check(Protection::Allowed, clear, Ok(false));
        check(Protection::Allowed, &protected, Ok(true));
        check(Protection::Allowed, unusable, Err(SdpError::NoKey));
        check(Protection::Allowed, &format!("{unusable}{clear}"), Ok(false));
        check(Protection::Required, clear, Err(SdpError::NoAudio));
        check(Protection::Required, &protected, Ok(true));
    }

    #[test]
    fn each_side_protects_by_its_own_key_and_keeps_it() {
        let mut ours = all_codecs().protected(Protection::Required);
        let mut theirs = all_codecs().protected(Protection::Allowed);
        let mut keys = Vec::new();
        for _ in 0..2 {
            let offer = ours.offer();
            assert!(offer.contains("m=audio 40000 RTP/SAVP 8 0 "), "{offer}");
            let (answer, far) = theirs.answer(offer.as_bytes()).expect("an answer");
            assert_eq!(answer.matches("a=crypto:1 AEAD_AES_256_GCM ").count(), 1, "{answer}");
            let near = ours.accept(answer.as_bytes()).expect("a stream");
            let (near, far) = (near.srtp.expect("keys"), far.srtp.expect("keys"));
            assert_eq!((&near.ours, &near.theirs), (&far.theirs, &far.ours));
            assert_ne!(near.ours, near.theirs);
            keys.push(near);
        }
        assert_eq!(keys[0], keys[1], "a later offer changes no key");
        // The side that answered may offer next.
        let answer = ours.answer(theirs.offer().as_bytes()).expect("an answer").0;
        let near = theirs.accept(answer.as_bytes()).expect("a stream").srtp.expect("keys");
        assert_eq!((&near.ours, &near.theirs), (&keys[0].theirs, &keys[0].ours));
    }

    #[test]
    fn an_answer_cannot_lower_the_protection() {
        let mut ours = negotiation().protected(Protection::Required);
        ours.offer();
        let check = |rest: &str, expected| {
            let accepted = ours.clone().accept(&description(rest)).map(|stream| stream.srtp.is_some());
            assert_eq!(accepted, expected, "{rest}");
        };
        let usual = KEY.replace("crypto:4", "crypto:3");
        check(&format!("m=audio 4000 RTP/SAVP 8\r\n{usual}"), Ok(true));
        check("m=audio 4000 RTP/AVP 8\r\n", Err(SdpError::Mismatch));
        check("m=audio 4000 RTP/SAVP 8\r\n", Err(SdpError::NoKey));
        check(&format!("m=audio 4000 RTP/SAVP 8\r\n{KEY}"), Err(SdpError::NoKey)); // A tag that we did not offer.
        let mut clear = negotiation();
        clear.offer();
        let answer = description(&format!("m=audio 4000 RTP/SAVP 8\r\n{usual}"));
        assert_eq!(clear.accept(&answer), Err(SdpError::Mismatch));
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
