//! What can go wrong with a call's audio.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::codec::CodecError;

/// A fault of the audio engine.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// No pair of ports is left for another call.
    #[error("RTP port pool {first}-{last} is used up")]
    PortsExhausted { first: u16, last: u16 },
    /// The engine carries as many calls as it was made for.
    #[error("the audio engine carries its most of {most} calls")]
    CallsExhausted { most: usize },
    /// A socket could not be made.
    #[error("cannot open a socket on {address}")]
    Socket { address: SocketAddr, source: io::Error },
    /// An engine thread could not be set up.
    #[error("cannot start an audio thread: {step}")]
    Start { step: &'static str, source: io::Error },
    /// The peer's address is of another family than ours.
    #[error("peer {peer} cannot be reached from {local}")]
    Family { peer: SocketAddr, local: SocketAddr },
    /// The codec cannot be set up.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The engine thread does not take commands: it is overloaded or has stopped.
    #[error("the audio thread takes no commands")]
    Unresponsive,
    /// A session has one recording.
    #[error("the call is being recorded already")]
    AlreadyRecording,
    /// A session is in one bridge at a time.
    #[error("the call is in a bridge already")]
    AlreadyBridged,
    /// A bridge has its most of parties.
    #[error("the bridge has its most of {most} parties")]
    BridgeFull { most: usize },
    /// A sound file could not be read.
    #[error("cannot read {}", path.display())]
    Wav { path: PathBuf, source: hound::Error },
    /// A sound file is of a kind that we do not take.
    #[error("{}: {reason}", path.display())]
    Format { path: PathBuf, reason: String },
}
