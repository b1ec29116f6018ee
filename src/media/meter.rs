//! How loud a call is at the moment, for people who watch: the engine thread notes each frame in two atomics, and whoever
//! looks takes the loudest since the last look.

use std::sync::atomic::{AtomicI8, Ordering};

/// Digital silence in dBov (RFC 6465 §3).
const SILENT_DBOV: i8 = -127;

/// The loudest frame of each direction since the last look, in dBov: 0 is full scale, -127 silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// The peer's.
    pub received_dbov: i8,
    /// Ours.
    pub sent_dbov: i8,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Meter {
    received: AtomicI8,
    sent: AtomicI8,
}

impl Default for Meter {
    fn default() -> Self {
        Self { received: AtomicI8::new(SILENT_DBOV), sent: AtomicI8::new(SILENT_DBOV) }
    }
}

impl Meter {
    /// Notes the levels of a frame, in dBov.
    pub fn note(&self, received: f32, sent: f32) {
        for (loudest, level) in [(&self.received, whole(received)), (&self.sent, whole(sent))] {
            // Mostly it was louder before, and looking is cheaper than an exchange.
            if level > loudest.load(Ordering::Relaxed) {
                loudest.fetch_max(level, Ordering::Relaxed);
            }
        }
    }

    /// The loudest since the last look.
    pub fn take(&self) -> Levels {
        Levels {
            received_dbov: self.received.swap(SILENT_DBOV, Ordering::Relaxed),
            sent_dbov: self.sent.swap(SILENT_DBOV, Ordering::Relaxed),
        }
    }
}

fn whole(dbov: f32) -> i8 {
    (dbov - 0.5).clamp(f32::from(SILENT_DBOV), 0.0) as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(frames: &[(f32, f32)], expected: (i8, i8)) {
        let meter = Meter::default();
        for (received, sent) in frames {
            meter.note(*received, *sent);
        }
        let seen = meter.take();
        assert_eq!((seen.received_dbov, seen.sent_dbov), expected, "{frames:?}");
        assert_eq!(
            meter.take(),
            Levels { received_dbov: SILENT_DBOV, sent_dbov: SILENT_DBOV },
            "each look begins anew"
        );
    }

    #[test]
    fn the_loudest_frame_since_the_last_look_counts() {
        check(&[], (-127, -127));
        check(&[(-30.4, -60.0), (-20.6, -127.0), (-50.0, -90.0)], (-21, -60));
        check(&[(3.0, f32::NEG_INFINITY), (f32::NAN, -200.0)], (0, -127));
    }
}
