//! Session descriptions: reading them (RFC 8866) and agreeing on one audio stream (RFC 3264). Pure.
//!
//! Invariants: nothing is allocated by a number that a peer sent; every media line of an offer is answered, in order;
//! the peer's payload types are kept; the version in `o=` grows when and only when the description changes.

mod audio;
mod choice;
mod crypto;
mod description;
mod negotiation;
mod numbers;

pub(super) use choice::Protection;
pub(super) use negotiation::Negotiation;

/// Why a session description cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Octets that are no UTF-8, or a NUL, which no field allows (RFC 8866 §5).
    #[error("the session description is no text")]
    NotText,
    /// A line that cannot be read; counted from 1.
    #[error("line {line} of the session description is malformed")]
    Line {
        /// Which line.
        line: usize,
    },
    /// A mandatory line is not there.
    #[error("the session description has no {0}= line")]
    Missing(char),
    /// A port that is no number up to 65535.
    #[error("line {line} of the session description names no port")]
    Port {
        /// Which line.
        line: usize,
    },
    /// No usable connection address for the audio.
    #[error("the session description names no address for its audio")]
    NoAddress,
    /// More media or formats than anybody needs.
    #[error("the session description has too many entries")]
    TooMany,
    /// No audio line that we can take.
    #[error("the session description offers no audio over RTP/AVP, or over RTP/SAVP where keys are safe")]
    NoAudio,
    /// Protected audio without a usable key.
    #[error("the session description has no SRTP key that we can use")]
    NoKey,
    /// No codec that both sides speak.
    #[error("no codec in common: peer offered {offered:?}")]
    NoCommonCodec {
        /// The formats of the audio line.
        offered: Vec<String>,
    },
    /// The answer does not fit the offer: other media lines, or payload types never offered.
    #[error("the answer does not fit the offer")]
    Mismatch,
}
