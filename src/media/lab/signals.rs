//! What the measurements hear: recordings of the project, noises of five kinds, a line.

use std::f32::consts::TAU;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::media::g711;
use crate::media::g711::Law;
use crate::media::jitter::CELL;
use crate::media::vad::level;
use crate::media::wav::read_mono_8k;

/// The recordings below a folder of the project, in the order of their names, with these.
pub(crate) fn recordings(folder: &str, wanted: impl Fn(&str) -> bool) -> Vec<(String, Vec<i16>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".wav") && wanted(name))
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let sound = read_mono_8k(&folder.join(&name)).expect("a recording");
            (name, sound)
        })
        .collect()
}

/// People who speak: callers, answers, greetings.
pub(crate) fn people() -> Vec<(String, Vec<i16>)> {
    let mut people = recordings("tests/data/calls", |_| true);
    people.extend(recordings("tests/data/answers", |_| true));
    people.extend(recordings("tests/data/answered", |name| name.starts_with("person")));
    people
}

/// Our own sentences, longer than two seconds.
pub(crate) fn prompts() -> Vec<Vec<i16>> {
    recordings("prompts/zh-CN", |_| true).into_iter().map(|(_, sound)| sound).filter(|s| s.len() > 16_000).collect()
}

/// The level in dBov of the cells of 10 ms that are at most 20 dB below the loudest: the active level, nearly.
pub(crate) fn active_level(sound: &[i16]) -> f32 {
    let levels: Vec<f32> = sound.chunks_exact(CELL).map(level).collect();
    let loudest = levels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> =
        levels.iter().filter(|level| **level > loudest - 20.0).map(|level| 10f32.powf(level / 10.0)).collect();
    10.0 * (powers.iter().sum::<f32>() / powers.len().max(1) as f32).log10()
}

/// `sound` at this active level in dBov.
pub(crate) fn levelled(sound: &[i16], dbov: f32) -> Vec<f32> {
    let gain = 10f32.powf((dbov - active_level(sound)) / 20.0);
    sound.iter().map(|sample| f32::from(*sample) * gain).collect()
}

/// Kinds of noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noise {
    White,
    Pink,
    /// Eight people at once.
    Babble,
    /// Falls with the square of the frequency, as within a car.
    Car,
    /// 50 Hz and its harmonics.
    Hum,
}

pub(crate) const NOISES: [Noise; 5] = [Noise::White, Noise::Pink, Noise::Babble, Noise::Car, Noise::Hum];

/// Noise of this kind and mean level in dBov, as it sounds behind a telephone's filters.
pub(crate) fn noise(
    kind: Noise,
    dbov: f32,
    samples: usize,
    voices: &[(String, Vec<i16>)],
    rng: &mut StdRng,
) -> Vec<f32> {
    let mut white = || rng.random_range(-1.0f32..1.0);
    let raw: Vec<f32> = match kind {
        Noise::White => (0..samples).map(|_| white()).collect(),
        Noise::Pink => {
            // Paul Kellet's filter: within 0.5 dB of -3 dB an octave.
            let mut b = [0.0f32; 3];
            (0..samples)
                .map(|_| {
                    let w = white();
                    b = [
                        0.997_65 * b[0] + 0.099_046 * w,
                        0.963 * b[1] + 0.296_516_4 * w,
                        0.57 * b[2] + 1.052_691_3 * w,
                    ];
                    b[0] + b[1] + b[2] + 0.184_8 * w
                })
                .collect()
        }
        Noise::Babble => {
            let mut sum = vec![0.0; samples];
            for _ in 0..8 {
                let mut at = 0;
                while at < samples {
                    let (_, voice) = &voices[rng.random_range(0..voices.len())];
                    let from = rng.random_range(0..voice.len() / 2);
                    for (sum, sample) in sum[at..].iter_mut().zip(levelled(&voice[from..], -26.0)) {
                        *sum += sample;
                    }
                    at += voice.len() - from;
                }
            }
            sum
        }
        Noise::Car => {
            let mut low = 0.0f32;
            (0..samples)
                .map(|_| {
                    low = 0.98 * low + white();
                    low
                })
                .collect()
        }
        Noise::Hum => {
            let phase = white() * TAU;
            let wave =
                |n: usize| (1..=8).map(|k| (phase + TAU * 50.0 * k as f32 * n as f32 / 8_000.0).sin() / k as f32).sum();
            (0..samples).map(wave).collect()
        }
    };
    let heard = telephone(&raw);
    let mean = heard.iter().map(|sample| sample * sample).sum::<f32>() / samples.max(1) as f32;
    let gain = 32_768.0 * 10f32.powf(dbov / 20.0) / mean.sqrt().max(1e-9);
    heard.into_iter().map(|sample| sample * gain).collect()
}

/// The band of a telephone: second-order filters at 200 and 3,400 Hz.
pub(crate) fn telephone(sound: &[f32]) -> Vec<f32> {
    let high = Biquad::new(200.0, true);
    let low = Biquad::new(3_400.0, false);
    low.run(&high.run(sound))
}

/// A Butterworth section (R. Bristow-Johnson's cookbook).
struct Biquad {
    b: [f32; 3],
    a: [f32; 2],
}

impl Biquad {
    fn new(hz: f32, high: bool) -> Self {
        let (sin, cos) = (TAU * hz / 8_000.0).sin_cos();
        let alpha = sin / std::f32::consts::SQRT_2;
        let a0 = 1.0 + alpha;
        let (edge, middle) = if high { ((1.0 + cos) / 2.0, -(1.0 + cos)) } else { ((1.0 - cos) / 2.0, 1.0 - cos) };
        Self { b: [edge / a0, middle / a0, edge / a0], a: [-2.0 * cos / a0, (1.0 - alpha) / a0] }
    }

    fn run(&self, sound: &[f32]) -> Vec<f32> {
        let (mut x, mut y) = ([0.0f32; 2], [0.0f32; 2]);
        sound
            .iter()
            .map(|sample| {
                let out =
                    self.b[0] * sample + self.b[1] * x[0] + self.b[2] * x[1] - self.a[0] * y[0] - self.a[1] * y[1];
                x = [*sample, x[0]];
                y = [out, y[0]];
                out
            })
            .collect()
    }
}

/// Sounds added up and sent through A-law, in 16 bits.
pub(crate) fn line(sounds: &[&[f32]]) -> Vec<i16> {
    let samples = sounds.iter().map(|sound| sound.len()).max().unwrap_or(0);
    let mut sum = vec![0.0; samples];
    for sound in sounds {
        for (sum, sample) in sum.iter_mut().zip(*sound) {
            *sum += sample;
        }
    }
    let linear: Vec<i16> = sum.into_iter().map(|sample| sample as i16).collect();
    let mut codes = vec![0; linear.len()];
    g711::encode(Law::A, &linear, &mut codes);
    let mut heard = vec![0; linear.len()];
    g711::decode(Law::A, &codes, &mut heard);
    heard
}

/// `sound` with so many samples of silence before it.
pub(crate) fn delayed(sound: &[f32], by: usize) -> Vec<f32> {
    let mut out = vec![0.0; by];
    out.extend_from_slice(sound);
    out
}

/// Whether each cell of a clean recording holds speech: at most `within` dB below its active level.
pub(crate) fn labels(clean: &[f32], within: f32) -> Vec<bool> {
    let whole: Vec<i16> = clean.iter().map(|sample| *sample as i16).collect();
    let least = active_level(&whole) - within;
    whole.chunks_exact(CELL).map(|cell| level(cell) >= least).collect()
}

/// A generator for the case of this number, of a measurement with this seed.
pub(crate) fn seeded(seed: u64, case: usize) -> StdRng {
    StdRng::seed_from_u64(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(case as u64))
}

/// The value below which a share of these lie.
pub(crate) fn quantile(values: &mut [f32], share: f32) -> f32 {
    values.sort_by(f32::total_cmp);
    let at = ((values.len() as f32 * share).ceil() as usize).clamp(1, values.len().max(1)) - 1;
    values.get(at).copied().unwrap_or(f32::NAN)
}
