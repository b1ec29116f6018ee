//! Sounds of a telephone line that are not speech, made from a seed; for tests.

use std::f32::consts::TAU;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Samples a second.
const RATE: f32 = 8_000.0;

/// What a line carries while nobody speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Low white noise, as a decoder fills pauses with (RFC 3389).
    ComfortNoise,
    /// Mains at 50 Hz with its harmonics, and some noise.
    Hum,
    /// Ring-back of China's network: 450 Hz, 1 s on, 4 s off (GF 002-9002).
    RingBack,
    /// Busy tone: 450 Hz, 350 ms on and off.
    Busy,
    /// Slow chords of decaying harmonics: a music box on hold.
    Music,
    /// A tune of single notes with vibrato, fifths in the bass and a drum of noise.
    Tune,
    /// Pink-ish noise that swells and ebbs every few seconds: somebody breathes.
    Breath,
    /// Clicks of a bad line.
    Clicks,
}

pub(crate) const ALL: [Signal; 8] = [
    Signal::ComfortNoise,
    Signal::Hum,
    Signal::RingBack,
    Signal::Busy,
    Signal::Music,
    Signal::Tune,
    Signal::Breath,
    Signal::Clicks,
];

impl Signal {
    /// So many seconds of it, through G.711.
    pub(crate) fn make(self, seconds: usize, seed: u64) -> Vec<i16> {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut noise = move || rng.random_range(-1.0..1.0_f32);
        let pitch = 1.0 + 0.01 * (seed % 12) as f32;
        let mut held = 0.0;
        let pcm: Vec<f32> = (0..seconds * RATE as usize)
            .map(|n| {
                let t = n as f32 / RATE;
                let tone = |hz: f32| (TAU * hz * t).sin();
                match self {
                    Self::ComfortNoise => 0.006 * noise(),
                    Self::Hum => {
                        0.05 * tone(50.0)
                            + 0.03 * tone(100.0)
                            + 0.02 * tone(150.0)
                            + 0.01 * tone(350.0)
                            + 0.003 * noise()
                    }
                    Self::RingBack => 0.2 * on(t, 1.0, 5.0) * tone(450.0) + 0.002 * noise(),
                    Self::Busy => 0.2 * on(t, 0.35, 0.7) * tone(450.0) + 0.002 * noise(),
                    Self::Music => {
                        let root = pitch * [220.0, 174.6, 196.0, 261.6][(t / 2.0) as usize % 4];
                        let decay = (-1.5 * (t % 2.0)).exp();
                        let chord = [1.0, 1.26, 1.498, 2.0].map(|r| tone(root * r) + 0.4 * tone(root * r * 2.0));
                        0.06 * decay * chord.iter().sum::<f32>() + 0.002 * noise()
                    }
                    Self::Tune => {
                        const NOTES: [f32; 8] = [392.0, 440.0, 523.3, 587.3, 523.3, 440.0, 659.3, 392.0];
                        let note = pitch * NOTES[(t / 0.4) as usize % 8];
                        let vibrato = 1.0 + 0.003 * (TAU * 5.5 * t).sin();
                        let envelope = (-2.0 * (t % 0.4)).exp() * (1.0 - (-80.0 * (t % 0.4)).exp());
                        let lead: f32 = (1..=4).map(|h| tone(note * vibrato * h as f32) / (h * h) as f32).sum();
                        let bass = tone(note / 4.0) + 0.5 * tone(note / 4.0 * 1.5);
                        let drum = (-40.0 * (t % 0.8)).exp() * noise();
                        0.12 * envelope * lead + 0.05 * bass + 0.1 * drum
                    }
                    Self::Breath => {
                        let swell = (TAU * t / (3.0 + pitch)).sin().max(0.0).powi(2);
                        held = 0.8 * held + 0.2 * noise();
                        0.06 * swell * held + 0.002 * noise()
                    }
                    Self::Clicks => 0.5 * on(t, 0.001, 0.37 * pitch) + 0.004 * noise(),
                }
            })
            .collect();
        super::bench::telephone::through_g711(&pcm, RATE as u32)
    }
}

/// One during the first `on` seconds of every `period`, zero after.
fn on(t: f32, on: f32, period: f32) -> f32 {
    if t % period < on { 1.0 } else { 0.0 }
}
