//! What the engine reports of a call.

use std::time::Duration;

use crate::call::tone::Tone;

/// The caller's name for one playback, so that its end is not taken for another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlayId(pub u64);

/// How a digit reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DigitSource {
    /// As a telephone event (RFC 4733).
    TelephoneEvent,
    /// As a tone within the audio; only until the first telephone event of the call.
    Tone,
}

/// Why a recording has a gap, or stopped before the call did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum RecordingFault {
    /// The file could not be created or written. Without room on its disk the recording goes on when there is room again,
    /// with a gap; otherwise it has stopped. What was written stays playable.
    #[error("the file cannot be written: {0}")]
    Write(std::io::ErrorKind),
    /// The longest recording ([`super::MAX_RECORDING`]) is reached.
    #[error("the longest recording is reached")]
    TooLong,
}

/// Something that happened in a call's audio. Each `at` is a span since the session was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaEvent {
    /// The peer's first valid packet.
    FirstPacket { at: Duration },
    /// A key was pressed: reported at its first packet, once; `duration` is how long it had been held by then.
    Digit { key: char, source: DigitSource, at: Duration, duration: Duration },
    /// The caller began to speak at `at`; reported 40 to 60 ms later.
    SpeechStarted { at: Duration },
    /// The caller's talkspurt ended at `at`; reported 200 ms later. Whether the turn is over is the flow's to decide.
    SpeechEnded { at: Duration },
    /// A tone of the network, a fax machine or a beep was recognised. A rhythm that goes on is told of once, each ring and
    /// each beep by itself.
    Tone { tone: Tone, at: Duration },
    /// A playback ended, by itself or by [`super::MediaSession::stop`] or a later playback.
    PlaybackDone { id: PlayId, interrupted: bool },
    /// No valid packet came for [`super::SILENCE_LIMIT`] though the stream lets the peer send; repeated while it lasts.
    Silent { lasting: Duration },
    /// The recording has a gap or stopped; the call goes on.
    RecordingFailed { fault: RecordingFault },
}
