//! One negotiated audio stream: what signalling agreed on and the audio engine obeys.

use std::net::SocketAddr;
use std::time::Duration;

/// An audio codec of the telephone network, by its RTP name (RFC 3551 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law, static payload type 0.
    Pcmu,
    /// G.711 A-law, static payload type 8; what China's network speaks.
    Pcma,
}

impl Codec {
    /// The encoding name in `a=rtpmap` (RFC 8866 §6.6).
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The static payload type (RFC 3551 table 4).
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }
}

/// Who sends, seen from us (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both.
    SendRecv,
    /// Only we.
    SendOnly,
    /// Only the peer.
    RecvOnly,
    /// Nobody.
    Inactive,
}

impl Direction {
    /// Whether we send audio.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether we take in what the peer sends.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }
}

/// What offer and answer agreed on for one audio stream (RFC 3264).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Where the peer wants RTP: the `c=` and `m=` lines of its description.
    pub remote_rtp: SocketAddr,
    /// Where the peer wants RTCP: one port above, or as `a=rtcp` says (RFC 3605).
    pub remote_rtcp: SocketAddr,
    /// The codec of both directions.
    pub codec: Codec,
    /// The payload type in which we send, as the peer numbered it.
    pub send_payload_type: u8,
    /// The payload type in which the peer sends, as we numbered it.
    pub recv_payload_type: u8,
    /// The peer's number for telephone-event (RFC 4733), where it takes digits.
    pub send_event_type: Option<u8>,
    /// Our number for telephone-event, where negotiated.
    pub recv_event_type: Option<u8>,
    /// Audio in each packet we send.
    pub ptime: Duration,
    /// Who sends.
    pub direction: Direction,
}
