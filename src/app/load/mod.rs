//! Many telephones at once from one thread, to measure an engine by what reaches its callers.
//!
//! Each call rings, hears the prompts, speaks, presses one key and hangs up. Signalling is a handful of templates and all
//! calls share a few sockets, so that the telephones cost a fraction of what they measure. Everything is measured here,
//! at the receiving end, and the telephones say how late they were themselves: figures of a starved tester prove nothing.
//!
//! Works with any SIP server that takes PCMA over UDP. Record-Route, digest and re-INVITE are beyond it.

mod exchange;
mod figures;
mod meter;
mod process;
mod signalling;
mod sound;
mod telephone;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use figures::{Report, Server, Spread};

/// What to measure.
#[derive(Clone, Debug)]
pub struct Load {
    /// Whom to ring: `sip:NUMBER@HOST:PORT`.
    pub uri: String,
    /// Where the far end listens.
    pub peer: SocketAddr,
    /// Calls in all; they overlap where they last longer than it takes to begin them.
    pub calls: usize,
    /// Calls begun each second.
    pub per_second: f64,
    /// From answer to BYE; zero hangs up at once.
    pub duration: Duration,
    /// Whether audio flows. Without it only signalling is measured.
    pub audio: bool,
    /// What the callers say; `None` for a made-up voice.
    pub voice: Option<PathBuf>,
    /// The key that each presses half-way.
    pub key: Option<char>,
    /// The process to watch: the server, when it runs on this machine.
    pub pid: Option<u32>,
    /// First and last port for audio.
    pub ports: (u16, u16),
}

impl Load {
    /// Rings, measures, and tells.
    ///
    /// # Errors
    /// When sockets cannot be opened, the voice cannot be read, or the process is not there.
    pub fn run(self) -> anyhow::Result<Report> {
        exchange::Exchange::new(self)?.run()
    }
}
