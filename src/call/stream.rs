//! One negotiated audio stream: what signalling agreed on and the audio engine obeys.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::{NARROWBAND_HZ, PTIME};

/// An audio codec, by its RTP name (RFC 3551 §6, RFC 7587).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Codec {
    /// G.711 µ-law, static payload type 0.
    Pcmu,
    /// G.711 A-law, static payload type 8; what China's network speaks.
    Pcma,
    /// G.722 at 64 kbit/s, static payload type 9. It samples at 16 kHz, but its RTP clock is 8 kHz (RFC 3551 §4.5.2).
    G722,
    /// Opus, with a dynamic payload type and an RTP clock of 48 kHz whatever it samples at (RFC 7587 §4.1).
    Opus,
}

impl Codec {
    /// All that there are.
    pub const ALL: [Self; 4] = [Self::Pcma, Self::Pcmu, Self::G722, Self::Opus];

    /// The encoding name in `a=rtpmap` (RFC 8866 §6.6).
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus => "opus",
        }
    }

    /// The codec of this name, in either case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// The payload type that we give it: the static one (RFC 3551 table 4), or for Opus the one that browsers use.
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
            Self::Opus => 111,
        }
    }

    /// The RTP clock in hertz.
    pub fn clock_hz(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => NARROWBAND_HZ,
            Self::Opus => 48_000,
        }
    }
}

/// What the peer's `a=fmtp` asks of the Opus that we send (RFC 7587 §6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OpusWishes {
    /// It makes use of in-band forward error correction.
    pub fec: bool,
    /// It would rather get nothing than silence.
    pub dtx: bool,
    /// The most that it wants, in bit/s.
    pub max_bitrate: Option<u32>,
}

/// How SRTP protects packets, by its name in `a=crypto` (RFC 4568 §6.2, RFC 7714 §14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SrtpSuite {
    /// AES-GCM with a key of 256 bits.
    AeadAes256Gcm,
    /// AES-GCM with a key of 128 bits.
    AeadAes128Gcm,
    /// AES counter mode, and a tag of 80 bits.
    AesCm128HmacSha1_80,
    /// AES counter mode, and a tag of 32 bits.
    AesCm128HmacSha1_32,
}

impl SrtpSuite {
    /// All that there are, best first.
    pub const ALL: [Self; 4] =
        [Self::AeadAes256Gcm, Self::AeadAes128Gcm, Self::AesCm128HmacSha1_80, Self::AesCm128HmacSha1_32];

    /// The name in `a=crypto`.
    pub fn name(self) -> &'static str {
        match self {
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// The suite of this name, in either case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name))
    }

    /// Octets of the master key.
    pub fn key_len(self) -> usize {
        match self {
            Self::AeadAes256Gcm => 32,
            Self::AeadAes128Gcm | Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 => 16,
        }
    }

    /// Octets of the master salt.
    pub fn salt_len(self) -> usize {
        match self {
            Self::AeadAes256Gcm | Self::AeadAes128Gcm => 12,
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 => 14,
        }
    }
}

/// A master key with its salt (RFC 3711 §3.2.1). It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    octets: Box<[u8]>,
    key_len: usize,
}

impl MasterKey {
    /// Key and salt of a suite, one after the other; `None` where there are too few or too many octets.
    pub fn new(suite: SrtpSuite, octets: &[u8]) -> Option<Self> {
        let key_len = suite.key_len();
        (octets.len() == key_len + suite.salt_len()).then(|| Self { octets: octets.into(), key_len })
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        &self.octets[..self.key_len]
    }

    /// The salt.
    pub fn salt(&self) -> &[u8] {
        &self.octets[self.key_len..]
    }

    /// Key and salt, one after the other.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// What both sides agreed on for SRTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srtp {
    /// How.
    pub suite: SrtpSuite,
    /// By which key we protect.
    pub ours: MasterKey,
    /// By which key the peer protects.
    pub theirs: MasterKey,
}

/// Who sends, seen from us (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The clock of the events' durations, in hertz.
    pub event_hz: u32,
    /// Audio in each packet we send.
    pub ptime: Duration,
    /// Who sends.
    pub direction: Direction,
    /// How the peer wants its Opus.
    pub opus: OpusWishes,
    /// The keys by which both ways are protected; `None` where they are not. Never written down.
    #[serde(skip)]
    pub srtp: Option<Box<Srtp>>,
}

impl Stream {
    /// Both ways in our own numbering, without telephone events, in packets of [`PTIME`]; RTCP is one port above.
    pub fn new(remote_rtp: SocketAddr, codec: Codec) -> Self {
        Self {
            remote_rtp,
            remote_rtcp: SocketAddr::new(remote_rtp.ip(), remote_rtp.port().saturating_add(1)),
            codec,
            send_payload_type: codec.payload_type(),
            recv_payload_type: codec.payload_type(),
            send_event_type: None,
            recv_event_type: None,
            event_hz: codec.clock_hz(),
            ptime: PTIME,
            direction: Direction::SendRecv,
            opus: OpusWishes::default(),
            srtp: None,
        }
    }
}
