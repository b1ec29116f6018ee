//! A negotiated stream and its peer: which of the datagrams that come are the peer's, and what is in them.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::latch::Latch;
use super::super::receiver::Kind;
use super::super::rtp::{Header, Packet};
use super::super::srtp;
use crate::call::stream::Stream;

/// Longest packet that is opened or protected, in octets; no telephone's comes near it.
const MAX_PROTECTED: usize = 1_500;
/// Static payload type of comfort noise (RFC 3389).
const COMFORT_NOISE: u8 = 13;

/// Room for a protected packet; taken only where there is one, since most are not.
pub type Opened = Option<[u8; MAX_PROTECTED]>;

/// A stream and its peer.
pub struct Link {
    /// What was agreed.
    pub stream: Stream,
    /// What protects it, where it is protected.
    pub srtp: Option<Box<srtp::Session>>,
    /// Where the peer is.
    pub latch: Latch,
    /// When it was agreed, since the session's opening.
    pub since: Duration,
}

/// Why a datagram is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It comes from somebody else.
    Foreign,
    /// Its protection is wrong.
    Unauthentic,
    /// It is no packet of this stream.
    Invalid,
}

impl Link {
    /// The packet in a datagram from the RTP socket, and its kind; its sender is still to be judged.
    ///
    /// # Errors
    /// Those of [`Refused`].
    pub fn open<'a>(
        &mut self,
        datagram: &'a [u8],
        from: SocketAddr,
        room: &'a mut Opened,
    ) -> Result<(Packet<'a>, Kind), Refused> {
        let datagram = match &mut self.srtp {
            // Who cannot be the peer is not worth the reckoning, and must not use up an index.
            Some(_) if self.latch.excludes(from) => return Err(Refused::Foreign),
            Some(srtp) => {
                let header = Header::parse(datagram).map(|(header, _)| header);
                if !header.is_ok_and(|header| kind(&self.stream, header.payload_type).is_some()) {
                    return Err(Refused::Invalid);
                }
                opened(datagram, room, |copied| srtp.open(copied)).ok_or(Refused::Unauthentic)?
            }
            None => datagram,
        };
        let packet = Packet::parse(datagram).map_err(|_| Refused::Invalid)?;
        let kind = kind(&self.stream, packet.header.payload_type).ok_or(Refused::Invalid)?;
        Ok((packet, kind))
    }

    /// The report in a datagram from the RTCP socket.
    ///
    /// # Errors
    /// Those of [`Refused`].
    pub fn open_rtcp<'a>(
        &mut self,
        datagram: &'a [u8],
        from: SocketAddr,
        room: &'a mut Opened,
    ) -> Result<&'a [u8], Refused> {
        if from.ip() != self.remote_rtcp().ip() {
            return Err(Refused::Foreign);
        }
        match &mut self.srtp {
            Some(srtp) => opened(datagram, room, |copied| srtp.open_rtcp(copied)).ok_or(Refused::Unauthentic),
            None => Ok(datagram),
        }
    }

    /// Whether RTP and RTCP share the peer's port, and ours (RFC 5761).
    pub fn is_muxed(&self) -> bool {
        self.stream.remote_rtcp == self.stream.remote_rtp
    }

    /// Where RTCP goes: as described, or beside the RTP of a peer behind a translator.
    pub fn remote_rtcp(&self) -> SocketAddr {
        if self.is_muxed() {
            self.latch.remote()
        } else if self.latch.translated() {
            let rtp = self.latch.remote();
            SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1))
        } else {
            self.stream.remote_rtcp
        }
    }
}

/// Whether a packet at a shared port is RTCP, by its second octet (RFC 5761 §4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.get(1).is_some_and(|second| (192..224).contains(second))
}

/// What a payload type carries in a stream; `None` where it was not negotiated.
fn kind(stream: &Stream, payload_type: u8) -> Option<Kind> {
    if payload_type == stream.recv_payload_type {
        Some(Kind::Audio)
    } else if Some(payload_type) == stream.recv_event_type {
        Some(Kind::Event)
    } else {
        (payload_type == COMFORT_NOISE).then_some(Kind::ComfortNoise)
    }
}

/// Hands a datagram out under its protection; false where it is too long or the system refused.
pub fn send_protected(srtp: &mut srtp::Session, datagram: &[u8], send: impl FnOnce(&[u8]) -> bool) -> bool {
    let mut room = None;
    let Some(copied) = copy(datagram, &mut room) else { return false };
    let len = srtp.protect(copied, datagram.len());
    len.and_then(|len| copied.get(..len)).is_some_and(send)
}

/// What a protected datagram holds, in `room`; `None` where it is too long, or `open` finds that it is not the peer's.
fn opened<'a, E>(
    datagram: &[u8],
    room: &'a mut Opened,
    open: impl FnOnce(&mut [u8]) -> Result<usize, E>,
) -> Option<&'a [u8]> {
    let copied = copy(datagram, room)?;
    let len = open(copied.get_mut(..datagram.len())?).ok()?;
    copied.get(..len)
}

/// A copy of the datagram at the beginning of `room`; `None` where that is too short.
fn copy<'a>(datagram: &[u8], room: &'a mut Opened) -> Option<&'a mut [u8; MAX_PROTECTED]> {
    let room = room.insert([0; MAX_PROTECTED]);
    room.get_mut(..datagram.len())?.copy_from_slice(datagram);
    Some(room)
}
