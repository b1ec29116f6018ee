//! A browser as a party of a call: what of WebRTC stands between its sound and the audio engine.
//!
//! ```text
//! browser ──STUN──▶ ice: whose address, and that it is reached
//!         ──DTLS──▶ dtls: whose certificate, and the SRTP keys ──▶ call::stream::Stream ──▶ the engine
//!         ──SRTP──────────────────────────────────────────────────────────────────────────▶ the engine
//! ```
//!
//! We are the lite side of ICE (RFC 8445 §2.5) and the server of DTLS. [`Peer`] is one browser: datagrams and time in,
//! datagrams and events out. It owns no socket, clock or task. Audio never passes through here: the engine opens SRTP at
//! the same port, under the keys that [`Peer`] agreed on.
//!
//! Invariants: only who knows the password of the description makes an address ours to answer, and nothing but its DTLS is
//! read, so that a stranger's ClientHello cannot come first (CVE-2023-49786); only the certificate whose fingerprint
//! signalling named gets keys.

mod dtls;
mod ice;
mod peer;
mod sdp;
mod stun;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use dtls::{DtlsError, Identity};
pub use ice::Credentials;
pub use peer::{Lost, News, Peer};
pub use sdp::{Fingerprint, Offer, SdpError, answer};
