//! Quantities of telephone audio that every layer shares.

use std::time::Duration;

/// Samples a second of narrow-band telephone audio (ITU-T G.711).
pub const NARROWBAND_HZ: u32 = 8_000;

/// Samples a second that the recogniser takes.
pub const SPEECH_HZ: u32 = 16_000;

/// The packet time in which we send (RFC 3551 §4.2 default).
pub const PTIME: Duration = Duration::from_millis(20);

/// Samples in one [`PTIME`] at [`NARROWBAND_HZ`].
pub const FRAME_SAMPLES: usize = 160;

/// Whole milliseconds, saturating: the form in which times are stored and shown.
pub fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
