//! Offer and answer for one audio stream (RFC 3264).

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::SdpError;
use super::audio::{audio_line, family, transport};
use super::choice::{CLEAR, Event, Protection, answer_direction, choose, choose_in, offered_direction};
use super::crypto::Crypto;
use super::description::{Description, Media};
use super::numbers::Numbers;
use crate::call::stream::{Codec, Direction, Srtp, SrtpSuite, Stream};
use crate::units::{NARROWBAND_HZ, PTIME};

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
            numbers: Numbers::default(),
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

#[cfg(test)]
mod tests;
