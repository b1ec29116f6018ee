//! What we take of a peer's description: its audio line, codec, payload types, packet time and direction.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::SdpError;
use super::description::{Description, Media};
use crate::call::stream::{Codec, Direction, OpusWishes};
use crate::units::{NARROWBAND_HZ, PTIME};

/// Packet times that we can send, in milliseconds.
const PTIMES_MS: RangeInclusive<u32> = 10..=60;

/// The transport of audio in the clear (RFC 3551).
pub(super) const CLEAR: &str = "RTP/AVP";
/// The transport of audio protected by SRTP (RFC 3711 §1).
pub(super) const PROTECTED: &str = "RTP/SAVP";

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

/// What we take from the peer's audio line.
pub(super) struct Choice {
    pub(super) rtp: SocketAddr,
    pub(super) rtcp: SocketAddr,
    pub(super) codec: Codec,
    pub(super) payload_type: u8,
    pub(super) event: Option<Event>,
    pub(super) ptime: Duration,
    pub(super) opus: OpusWishes,
}

/// Telephone events: their payload type and the clock of their durations.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) number: u8,
    pub(super) hz: u32,
}

impl Choice {
    pub(super) fn event_hz(&self) -> u32 {
        self.event.map_or(NARROWBAND_HZ, |event| event.hz)
    }
}

/// The first audio line that we can take, and what we take of it.
pub(super) fn choose(
    offer: &Description,
    codecs: &[Codec],
    protection: Protection,
) -> Result<(usize, Choice), SdpError> {
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
pub(super) fn choose_in(media: &Media, codecs: &[Codec]) -> Result<Choice, SdpError> {
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
pub(super) fn offered_direction(media: &Media) -> Direction {
    match media.address {
        Some(address) if address.is_unspecified() => direction(media.direction.sends(), false),
        _ => media.direction,
    }
}

/// Our direction against the peer's: we send what it receives, and receive what it sends, if we want to
/// (RFC 3264 §6.1).
pub(super) fn answer_direction(theirs: Direction, wanted: Direction) -> Direction {
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
