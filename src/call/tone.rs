//! The tones by which a telephone network tells how a call stands.

use std::fmt;

/// A tone that was recognised on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tone {
    /// The network waits for a number; on a call that we placed, a line that fell back.
    Dial,
    /// The far telephone rings.
    RingBack,
    /// The far line is engaged.
    Busy,
    /// No way through the network.
    Congestion,
    /// The number does not exist or the call cannot be completed: China's vacant-number tone, or the three rising tones
    /// of ITU-T E.180 before an announcement.
    SpecialInformation,
    /// A fax machine, calling (1,100 Hz) or answering (2,100 Hz): ITU-T T.30 §4.
    Fax,
    /// One steady tone of another pitch: the signal to speak after a machine's greeting.
    Beep,
}

impl fmt::Display for Tone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dial => "dial",
            Self::RingBack => "ring_back",
            Self::Busy => "busy",
            Self::Congestion => "congestion",
            Self::SpecialInformation => "special_information",
            Self::Fax => "fax",
            Self::Beep => "beep",
        })
    }
}
