//! Sounds ready to be played: encoded once, in both laws, cut into 20 ms payloads.

use std::time::Duration;

use super::g711::{self, Law};
use super::vad::level;
use crate::units::{FRAME_SAMPLES, PTIME};

/// A prompt as it goes on the wire. Playing it costs no signal processing.
pub struct Clip {
    pcma: Box<[u8]>,
    pcmu: Box<[u8]>,
    /// Level of each frame in dBov, for the echo-aware threshold of speech.
    levels: Box<[f32]>,
}

impl Clip {
    /// Encodes audio at 8 kHz; the last frame is filled up with silence.
    pub fn from_pcm(samples: &[i16]) -> Self {
        let mut whole = samples.to_vec();
        whole.resize(samples.len().next_multiple_of(FRAME_SAMPLES), 0);
        let encoded = |law| {
            let mut codes = vec![0; whole.len()];
            g711::encode(law, &whole, &mut codes);
            codes.into_boxed_slice()
        };
        Self {
            pcma: encoded(Law::A),
            pcmu: encoded(Law::Mu),
            levels: whole.chunks_exact(FRAME_SAMPLES).map(level).collect(),
        }
    }

    /// A-law codes, µ-law codes and the level of each frame in dBov.
    pub fn parts(&self) -> (&[u8], &[u8], &[f32]) {
        (&self.pcma, &self.pcmu, &self.levels)
    }

    /// A clip of what [`Self::parts`] gave; `None` where the parts are not of whole and equally many frames.
    pub fn from_parts(pcma: Vec<u8>, pcmu: Vec<u8>, levels: Vec<f32>) -> Option<Self> {
        let len = levels.len().checked_mul(FRAME_SAMPLES)?;
        let fit = pcma.len() == len && pcmu.len() == len;
        fit.then(|| Self { pcma: pcma.into(), pcmu: pcmu.into(), levels: levels.into() })
    }

    /// Number of 20 ms frames.
    pub fn frames(&self) -> usize {
        self.levels.len()
    }

    /// How long it plays.
    pub fn duration(&self) -> Duration {
        PTIME * u32::try_from(self.frames()).unwrap_or(u32::MAX)
    }

    /// The payload of frame `index` and its level in dBov; `None` past the end.
    pub fn frame(&self, law: Law, index: usize) -> Option<(&[u8; FRAME_SAMPLES], f32)> {
        let codes = match law {
            Law::A => &self.pcma,
            Law::Mu => &self.pcmu,
        };
        let payload = codes.get(index * FRAME_SAMPLES..)?.first_chunk()?;
        Some((payload, *self.levels.get(index)?))
    }
}

impl std::fmt::Debug for Clip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clip").field("duration", &self.duration()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_frame_is_filled_up_with_silence() {
        for (samples, frames) in [(0, 0), (1, 1), (160, 1), (161, 2)] {
            assert_eq!(Clip::from_pcm(&vec![1_000; samples]).frames(), frames, "{samples} samples");
        }
        let clip = Clip::from_pcm(&[1_000; 161]);
        let (last, _) = clip.frame(Law::A, 1).expect("a frame");
        assert_eq!(last[1..], [g711::silence(Law::A); 159]);
        assert!(clip.frame(Law::A, 2).is_none());
        assert_eq!(clip.duration(), Duration::from_millis(40));
    }

    #[test]
    fn both_laws_hold_the_same_sound() {
        let sound: Vec<i16> = (0..160).map(|n| n * 100 - 8_000).collect();
        let clip = Clip::from_pcm(&sound);
        for law in [Law::A, Law::Mu] {
            let mut decoded = [0; FRAME_SAMPLES];
            g711::decode(law, clip.frame(law, 0).expect("a frame").0, &mut decoded);
            for (a, b) in sound.iter().zip(decoded) {
                assert!((i32::from(*a) - i32::from(b)).abs() <= 260, "{law:?}: {a} {b}");
            }
        }
    }
}
