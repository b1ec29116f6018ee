//! An audio line as we write it.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::choice::{CLEAR, Event, PROTECTED};
use super::crypto::Crypto;
use crate::call::stream::{Codec, Direction};
use crate::units::millis;

/// What we ask of the peer's Opus (RFC 7587 §6.1): we hear 8 kHz, and use forward error correction.
const OPUS_PARAMETERS: &str = "maxplaybackrate=8000;sprop-maxcapturerate=8000;maxaveragebitrate=40000;useinbandfec=1";

/// The line of our audio, with all that belongs to it.
pub(super) fn audio_line(
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

/// The transport of audio under these keys.
pub(super) fn transport(keys: &[Crypto]) -> &'static str {
    if keys.is_empty() { CLEAR } else { PROTECTED }
}

/// How an address is introduced (RFC 8866 §5.7).
pub(super) fn family(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "IP4" } else { "IP6" }
}

/// The attribute of a direction (RFC 8866 §6.7).
pub(super) fn attribute(direction: Direction) -> &'static str {
    match direction {
        Direction::SendRecv => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::RecvOnly => "recvonly",
        Direction::Inactive => "inactive",
    }
}
