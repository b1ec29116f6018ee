//! SIP: offer and answer, the endpoint, inbound and outbound calls. Nothing outside names a type of the SIP library.
//!
//! The way of a message: socket ([`udp`], [`tcp`], [`tls`]) -> front door ([`door`], [`front`]: who, what, whether at all) -> the
//! library's transactions -> [`endpoint`], which finds the call -> the call's own task ([`incoming`], then [`leg`]).
//! [`sdp`], [`session_timer`], [`digest`], [`front`], [`framing`] and [`body`] decide and are pure; the rest does.
//!
//! Invariants: an unknown source gets no octet back; each call is one task, so its offers and answers never race; every
//! channel is bounded and says what happens when it is full; a call whose owner goes away is ended, not leaked.

mod address;
mod body;
mod client;
mod counters;
mod dialog;
mod digest;
mod dns;
mod door;
mod endpoint;
mod failure;
mod framing;
mod front;
#[cfg(fuzzing)]
pub mod fuzzing;
mod incoming;
mod invite_server;
mod leg;
mod login;
mod message;
mod outgoing;
mod rate;
mod registry;
mod reply;
mod sdp;
mod session_timer;
mod state;
mod tcp;
mod text;
mod tls;
mod trunk;
mod udp;
mod wire;

use std::io;
use std::net::SocketAddr;

pub use dialog::{Dialog, DialogEvent, EndReason};
pub use digest::DigestCredentials;
pub use dns::name_servers;
pub use endpoint::{Endpoint, SipConfig, SipStats, start};
pub use failure::Failure;
pub use incoming::{IncomingCall, Reject};
pub use login::Login;
pub use outgoing::{Early, OutgoingCall};
pub use sdp::SdpError;
pub use state::resolve;
pub use tls::{TlsConfig, TlsError};
pub use trunk::{Channel, TrunkAnswer, TrunkCall, TrunkConfig, TrunkStats, TrunkTransport, Trunks};

/// To be added to every log filter: below `warn`, the SIP library writes whole messages, telephone numbers included.
pub const LOG_DIRECTIVE: &str = "rsipstack=warn";

/// What can go wrong in signalling.
#[derive(Debug, thiserror::Error)]
pub enum SipError {
    /// A socket could not be opened.
    #[error("cannot listen for SIP on {addr}")]
    Listen {
        /// Where.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The configuration names no socket.
    #[error("no UDP, TCP or TLS address is configured for SIP")]
    NoListener,
    /// A certificate or key cannot be used.
    #[error("TLS for SIP cannot be set up")]
    Tls(#[from] TlsError),
    /// No connection to the peer.
    #[error("cannot reach {peer} for SIP")]
    Connect {
        /// Who.
        peer: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A URI that cannot be called.
    #[error("{uri} is no SIP address that can be called")]
    Uri {
        /// The URI.
        uri: String,
    },
    /// A transport that is not configured.
    #[error("no {0} socket is configured for SIP")]
    NoTransport(&'static str),
    /// A message lacks what a dialog needs, or has it malformed.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// The peer's session description cannot be used.
    #[error("unusable session description")]
    Sdp(#[from] SdpError),
    /// The peer refused.
    #[error("the call was refused: {status} {reason}")]
    Refused {
        /// SIP status.
        status: u16,
        /// Its phrase.
        reason: String,
        /// The telephone network's own reason (ITU-T Q.850), where the peer gave one in Reason (RFC 3326).
        cause: Option<u8>,
    },
    /// The peer sent nothing at all while the request was repeated for 64*T1.
    #[error("the peer does not respond")]
    Unresponsive,
    /// Nobody answered in time.
    #[error("the call was not answered in time")]
    NoAnswer,
    /// The peer gave up before the answer.
    #[error("the caller gave up")]
    Cancelled,
    /// The call is over.
    #[error("the call is over")]
    Ended,
}
