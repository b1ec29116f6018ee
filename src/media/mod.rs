//! The real-time audio engine: RTP, jitter buffer, digits, voice activity, playback, recording.
//!
//! ```text
//!                    commands                     packets
//! MediaSession ───────ring──────▶ engine thread ◀─────────▶ sockets
//!      ▲                            │   │
//!      │ tokio channel, ear         │   └──ring: blocks──▶ recorder thread ──▶ WAV files ──▶ hash thread
//!      └────────── pump ◀──ring─────┘
//! ```
//!
//! [`leg`] is one call without its sockets and is built of pure parts: [`jitter`], [`conceal`], [`dtmf`], [`vad`] and so
//! on. [`worker`] owns sockets and time. [`engine`] and [`session`] are what the rest of the gateway sees.
//!
//! Invariants: an engine thread never locks, logs, blocks or awaits, and allocates nothing per packet; a full ring drops
//! a recording's or a listener's audio, never the call; nobody but the negotiated peer reaches recording or recogniser.

pub mod beside;
pub mod bridge;
pub mod capture;
pub mod clip;
pub mod codec;
pub mod comfort;
pub mod conceal;
pub mod disk;
pub mod dtmf;
pub mod ear;
pub mod echo;
pub mod engine;
pub mod error;
pub mod event;
pub mod feed;
pub mod g711;
pub mod impair;
pub mod inband;
pub mod jitter;
pub mod junction;
pub mod latch;
pub mod leg;
pub mod meter;
pub mod mixer;
pub mod player;
pub mod playout;
pub mod ports;
pub mod progress;
pub mod quality;
pub mod receiver;
pub mod reception;
pub mod recorder;
pub mod repair;
pub mod resample;
pub mod rtcp;
pub mod rtp;
pub mod sender;
pub mod session;
pub mod srtp;
pub mod stats;
pub mod stretch;
pub mod tape;
pub mod tones;
pub mod track;
pub mod vad;
pub mod wav;
pub mod wheel;

#[cfg(test)]
mod badline;
#[cfg(test)]
mod bridging;
#[cfg(test)]
mod crossing;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod loopback;
mod pump;
mod shared;
mod wake;
mod worker;

pub use beside::BesidePort;
pub use bridge::{Bridge, MAX_PARTIES, PartyId, Role};
pub use clip::Clip;
pub use disk::free_bytes;
pub use engine::{Engine, MediaConfig};
pub use error::MediaError;
pub use event::{DigitSource, MediaEvent, PlayId, RecordingFault};
pub use leg::SILENCE_LIMIT;
pub use meter::Levels;
pub use quality::CallQuality;
pub use recorder::{Recording, RecordingSummary};
pub use session::{Loudness, MediaSession, MediaSummary};
pub use stats::EngineStats;
pub use tape::MAX_RECORDING;
