//! The notes of a capture beside its packets: orders, ticks and what came of them, as JSON.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::call::stream::Stream;
use crate::media::clip::Clip;

/// What a leg is born with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// NTP time of the opening.
    pub ntp: u64,
    /// Our synchronisation source.
    pub ssrc: u32,
    /// Its random origins.
    pub random: u64,
    /// Our RTP socket; RTCP is one port above.
    pub local: SocketAddr,
}

/// A note. Times are spans since the opening.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Entry {
    /// The first: who the leg is, and when it opened by the wall clock, since 1970.
    Open {
        identity: Identity,
        opened: Duration,
    },
    Tick {
        due: Duration,
        now: Duration,
    },
    Connect {
        at: Duration,
        stream: Stream,
    },
    /// A sound; playbacks name sounds by their order of appearance. Codes are base64, levels the bits of floats.
    Clip {
        pcma: String,
        pcmu: String,
        levels: Vec<u32>,
    },
    Play {
        id: u64,
        clips: Vec<usize>,
    },
    Stop,
    Digit {
        key: char,
        held: Duration,
    },
    Record {
        recording: u64,
        origin_ns: i64,
        at: Duration,
    },
    Listen {
        on: bool,
    },
    Finish {
        at: Duration,
    },
    /// What came of it; see [`crate::media::MediaEvent`].
    Event {
        text: String,
    },
    Finished {
        id: u64,
        interrupted: bool,
    },
    /// The capture is not complete from here on.
    Cut,
}

impl Entry {
    /// A sound as a note.
    pub(super) fn of_clip(clip: &Clip) -> Self {
        let (pcma, pcmu, levels) = clip.parts();
        let levels = levels.iter().map(|level| level.to_bits()).collect();
        Self::Clip { pcma: STANDARD.encode(pcma), pcmu: STANDARD.encode(pcmu), levels }
    }

    /// The sound of a note; `None` where its parts do not fit each other.
    pub(super) fn clip(pcma: &str, pcmu: &str, levels: &[u32]) -> Option<Clip> {
        let levels = levels.iter().map(|bits| f32::from_bits(*bits)).collect();
        Clip::from_parts(STANDARD.decode(pcma).ok()?, STANDARD.decode(pcmu).ok()?, levels)
    }
}
