//! Sums what one party of a bridge is to hear, and keeps the sum within the codec's range.
//!
//! Each listener has a mixer of its own that never sees the listener's own audio (N-1 sums), so nobody hears an echo of
//! themselves. One source alone passes unchanged, sample by sample; since every G.711 code survives decoding and
//! encoding, two parties of one law hear each other without any loss.

use crate::units::FRAME_SAMPLES;

/// Largest magnitude that goes out, on the 16-bit scale: the largest of the A-law (G.711 table 1), so that one source
/// alone never meets the limiter.
const CEILING: f32 = 32_256.0;
/// Samples over which the gain falls when the sum would exceed [`CEILING`]: 2.5 ms. What exceeds it meanwhile is cut.
const ATTACK: usize = 20;
/// By how much the gain may rise from frame to frame: 0.5 dB in 20 ms, so that it is not heard to pump.
const RELEASE: f32 = 1.059;
/// Bits by which the others are quieter while a prompt plays: 12 dB.
const DUCKED: u32 = 2;

/// See the module's documentation.
#[derive(Debug)]
pub struct Mixer {
    sum: [i32; FRAME_SAMPLES],
    sources: usize,
    gain: f32,
}

impl Default for Mixer {
    fn default() -> Self {
        Self { sum: [0; FRAME_SAMPLES], sources: 0, gain: 1.0 }
    }
}

impl Mixer {
    /// Begins a frame.
    pub fn begin(&mut self) {
        if self.sources > 0 {
            self.sum.fill(0);
            self.sources = 0;
        }
    }

    /// Adds a source to the frame.
    pub fn add(&mut self, frame: &[i16; FRAME_SAMPLES]) {
        for (sum, sample) in self.sum.iter_mut().zip(frame) {
            *sum += i32::from(*sample);
        }
        self.sources += 1;
    }

    /// Whether the frame has a source.
    pub fn is_sounding(&self) -> bool {
        self.sources > 0
    }

    /// Lays a prompt over the sources, which step back.
    pub fn announce(&mut self, prompt: &[i16; FRAME_SAMPLES]) {
        for sum in &mut self.sum {
            *sum >>= DUCKED;
        }
        self.add(prompt);
    }

    /// The frame.
    pub fn frame(&mut self) -> [i16; FRAME_SAMPLES] {
        let peak = self.sum.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0) as f32;
        let allowed = if peak > CEILING { CEILING / peak } else { 1.0 };
        if self.gain >= 1.0 && allowed >= 1.0 {
            return std::array::from_fn(|n| self.sum[n] as i16);
        }
        let from = self.gain;
        let (to, over) =
            if allowed < from { (allowed, ATTACK) } else { ((from * RELEASE).min(allowed), FRAME_SAMPLES) };
        self.gain = to;
        std::array::from_fn(|n| {
            let gain = from + (to - from) * ((n + 1) as f32 / over as f32).min(1.0);
            (self.sum[n] as f32 * gain).clamp(-CEILING, CEILING) as i16
        })
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;
    use crate::media::g711::{self, Law};

    type Frame = [i16; FRAME_SAMPLES];

    /// Frame `n` of a tone.
    fn tone(hz: f32, amplitude: f32, n: usize) -> Frame {
        std::array::from_fn(|i| (amplitude * (TAU * hz * (n * FRAME_SAMPLES + i) as f32 / 8_000.0).sin()) as i16)
    }

    fn mixed(mixer: &mut Mixer, sources: &[Frame]) -> Frame {
        mixer.begin();
        for source in sources {
            mixer.add(source);
        }
        mixer.frame()
    }

    fn peak(frame: &Frame) -> u16 {
        frame.iter().map(|sample| sample.unsigned_abs()).max().expect("samples")
    }

    #[test]
    fn one_source_passes_unchanged_at_any_level() {
        let mut mixer = Mixer::default();
        for law in [Law::A, Law::Mu] {
            for first in [0, 96] {
                let codes: [u8; FRAME_SAMPLES] = std::array::from_fn(|n| first + n as u8);
                let mut frame = [0; FRAME_SAMPLES];
                g711::decode(law, &codes, &mut frame);
                assert_eq!(mixed(&mut mixer, &[frame]), frame, "{law:?}");
            }
        }
    }

    #[test]
    fn sources_add_up_and_a_source_that_goes_leaves_the_others() {
        let (a, b) = (tone(440.0, 8_000.0, 0), tone(700.0, 6_000.0, 0));
        let mut mixer = Mixer::default();
        let sum = mixed(&mut mixer, &[a, b]);
        assert!((0..FRAME_SAMPLES).all(|n| sum[n] == a[n] + b[n]));
        assert_eq!(mixed(&mut mixer, &[a]), a);
        mixer.begin();
        assert!(!mixer.is_sounding());
        assert_eq!(mixer.frame(), [0; FRAME_SAMPLES]);
    }

    #[test]
    fn loud_sums_are_limited_not_folded() {
        let mut mixer = Mixer::default();
        let frames: Vec<(Frame, [f32; FRAME_SAMPLES])> = (0..10)
            .map(|n| {
                let (a, b) = (tone(400.0, 30_000.0, n), tone(800.0, 30_000.0, n));
                let exact = std::array::from_fn(|i| f32::from(a[i]) + f32::from(b[i]));
                (mixed(&mut mixer, &[a, b]), exact)
            })
            .collect();
        assert!(frames.iter().all(|(frame, _)| f32::from(peak(frame)) <= CEILING));
        // Past the attack the wave keeps its shape: one gain for the whole frame.
        let (last, exact) = &frames[9];
        let gain = f32::from(peak(last)) / exact.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
        assert!((0.5..0.7).contains(&gain), "{gain}");
        let off = (0..FRAME_SAMPLES).map(|n| (f32::from(last[n]) - gain * exact[n]).abs()).fold(0.0, f32::max);
        assert!(off < 2.0, "{off}");
    }

    #[test]
    fn after_a_loud_moment_the_gain_comes_back_in_steps() {
        let mut mixer = Mixer::default();
        let loud = tone(400.0, 30_000.0, 0);
        mixed(&mut mixer, &[loud, loud, loud]);
        let soft = tone(400.0, 3_000.0, 0);
        let peaks: Vec<u16> = (0..40).map(|_| peak(&mixed(&mut mixer, &[soft]))).collect();
        assert!(peaks[0] < 1_500, "{peaks:?}");
        assert!(peaks.windows(2).all(|pair| pair[1] >= pair[0] && f32::from(pair[1]) < f32::from(pair[0]) * 1.08));
        assert_eq!(mixed(&mut mixer, &[soft]), soft, "unity again within 0.8 s");
    }

    #[test]
    fn a_prompt_is_heard_over_the_others() {
        let mut mixer = Mixer::default();
        mixer.begin();
        mixer.add(&[4_000; FRAME_SAMPLES]);
        mixer.announce(&[1_000; FRAME_SAMPLES]);
        assert_eq!(mixer.frame(), [2_000; FRAME_SAMPLES]);
    }
}
