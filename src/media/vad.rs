//! Voice activity by energy over an adaptive noise floor, aware of our own echo.
//!
//! The floor is the least level of the last [`FLOOR_WINDOWS`] windows, so speech cannot lift it and a noisy street is
//! learnt within seconds; the less a noise varies, the less speech must stand out of it. While we play something,
//! [`EchoPath`] says how loud our echo may be: only what is louder is the caller.

use std::collections::VecDeque;

use super::echo::EchoPath;
use super::jitter::CELL;

/// Cells of speech, among the last [`ONSET_WINDOW`], that begin a talkspurt: 50 ms, which leaves out clicks.
const ONSET_CELLS: u32 = 4;
const ONSET_WINDOW: u32 = 5;
/// Cells clearly above the threshold, among the last [`STRONG_WINDOW`], that begin one sooner: 30 ms.
const STRONG_CELLS: u32 = 3;
const STRONG_WINDOW: u32 = 4;
/// Clearly above the threshold, in dB.
const STRONG: f32 = 4.0;
/// Cells below the threshold that end a talkspurt: as many as it had, 80 ms at least and 200 ms at most. So a cough of a
/// moment is over before it could stop a prompt.
const HANGOVER: (u32, u32) = (8, 20);
/// Speech is this much above the floor, in dB: by how much the noise varies, within bounds.
const MARGIN: std::ops::RangeInclusive<f32> = 3.0..=7.0;
const MARGIN_BASE: f32 = 2.5;
const MARGIN_PER_SPREAD: f32 = 2.0;
/// Mean deviation of a noise that is not known yet, in dB.
const SPREAD: f32 = 1.2;
/// Share of a cell in the averages of the noise: over 0.6 s.
const NOISE_RATE: f32 = 1.0 / 60.0;
/// Within a talkspurt this share of it is enough.
const HYSTERESIS: f32 = 0.5;
/// Below this no speech is sought, in dBov: the level of a quiet line.
const LEAST_SPEECH: f32 = -52.0;
/// Bounds of the floor in dBov. Steady sound above the upper one is not taken for noise.
const FLOOR_RANGE: (f32, f32) = (-75.0, -32.0);
/// The least level of a noise lies below its mean by about this many of its mean deviations, and dB at most.
const FLOOR_BIAS: (f32, f32) = (2.5, 1.5);
/// Cells at the very beginning that only teach the floor: 100 ms.
const LEARNING: u32 = 10;
/// Cells of one window of the floor: 250 ms.
const FLOOR_WINDOW: u32 = 25;
/// Windows whose least level is the floor: 2 s.
const FLOOR_WINDOWS: usize = 8;
/// The level of digital silence in dBov.
pub const SILENT: f32 = -96.0;

/// A change of activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// A talkspurt began `ago` cells before the end of the present one.
    Started { ago: u32 },
    /// A talkspurt ended `ago` cells before the end of the present one.
    Ended { ago: u32 },
}

/// The mean level of some samples in dB below overload (RFC 6464's dBov, negative).
pub fn level(samples: &[i16]) -> f32 {
    let mean = energy(samples) / samples.len().max(1) as f32;
    (10.0 * (mean / (32_768.0 * 32_768.0)).log10()).max(SILENT)
}

/// The sum of squares.
pub fn energy(samples: &[i16]) -> f32 {
    // One sum would wait for itself at each sample; of eight, the compiler makes SIMD.
    let mut sums = [0.0f32; 8];
    let (chunks, rest) = samples.as_chunks::<8>();
    for chunk in chunks {
        for (sum, sample) in sums.iter_mut().zip(chunk) {
            *sum += f32::from(*sample) * f32::from(*sample);
        }
    }
    let rest: f32 = rest.iter().map(|sample| f32::from(*sample) * f32::from(*sample)).sum();
    sums.iter().sum::<f32>() + rest
}

/// Detects talkspurts in one direction of one call.
#[derive(Debug)]
pub struct Vad {
    /// Level smoothed over some cells, in dBov; `None` before the first.
    smooth: Option<f32>,
    /// Cells of [`LEARNING`] left.
    learning: u32,
    floor: f32,
    /// Mean level of the noise in dBov, and mean deviation from it in dB.
    noise: f32,
    spread: f32,
    windows: VecDeque<f32>,
    /// The least of `windows`; no level lies above zero.
    windows_least: f32,
    window_least: f32,
    window_cells: u32,
    /// Bit n: the cell n before the last was above the threshold.
    active: u32,
    /// The same for cells clearly above it.
    strong: u32,
    speaking: bool,
    /// Cells since the talkspurt began.
    spoken_for: u32,
    /// Cells since the last active one.
    quiet_for: u32,
    /// Level of the last cell, in dBov.
    last: f32,
    echo: EchoPath,
}

impl Default for Vad {
    fn default() -> Self {
        Self {
            smooth: None,
            learning: LEARNING,
            floor: FLOOR_RANGE.1,
            noise: FLOOR_RANGE.1,
            spread: SPREAD,
            windows: VecDeque::with_capacity(FLOOR_WINDOWS),
            windows_least: 0.0,
            window_least: 0.0,
            window_cells: 0,
            active: 0,
            strong: 0,
            speaking: false,
            spoken_for: 0,
            quiet_for: 0,
            last: SILENT,
            echo: EchoPath::default(),
        }
    }
}

impl Vad {
    /// Notes the level, in dBov, of a cell that we sent.
    pub fn sent(&mut self, level: f32) {
        self.echo.sent(level);
    }

    /// Takes in the next cell that we heard, and its level.
    pub fn heard(&mut self, cell: &[i16; CELL]) -> Option<Activity> {
        let level = level(cell);
        self.last = level;
        self.learn_floor(level);
        let full = self.margin();
        let margin = if self.speaking { full * HYSTERESIS } else { full };
        let threshold = (self.floor + margin).max(LEAST_SPEECH).max(self.echo.threshold());
        let active = level > threshold && self.learning == 0;
        self.echo.heard(level, self.floor, level > self.floor + full, self.speaking);
        self.active = (self.active << 1) | u32::from(active);
        self.strong = (self.strong << 1) | u32::from(active && level > threshold + STRONG);
        self.quiet_for = if active { 0 } else { self.quiet_for.saturating_add(1) };
        self.spoken_for = self.spoken_for.saturating_add(1);
        if !self.speaking && self.begins() {
            let recent = self.active & ((1 << ONSET_WINDOW) - 1);
            self.speaking = true;
            self.spoken_for = u32::BITS - recent.leading_zeros();
            return Some(Activity::Started { ago: self.spoken_for });
        }
        let hangover = self.spoken_for.saturating_sub(self.quiet_for).clamp(HANGOVER.0, HANGOVER.1);
        if self.speaking && self.quiet_for >= hangover {
            self.speaking = false;
            return Some(Activity::Ended { ago: self.quiet_for });
        }
        None
    }

    fn begins(&self) -> bool {
        let count = |bits: u32, window: u32| (bits & ((1 << window) - 1)).count_ones();
        count(self.active, ONSET_WINDOW) >= ONSET_CELLS || count(self.strong, STRONG_WINDOW) >= STRONG_CELLS
    }

    /// The level of the last cell, in dBov.
    pub fn level(&self) -> f32 {
        self.last
    }

    /// Whether a talkspurt is on, hangover included.
    pub fn speaking(&self) -> bool {
        self.speaking
    }

    /// Whether the last cell was near the noise floor, so that cutting there is not heard.
    pub fn quiet(&self) -> bool {
        self.quiet_for > 2
    }

    /// A noise that comes and goes, of many voices, needs more than a steady one.
    fn margin(&self) -> f32 {
        (MARGIN_BASE + MARGIN_PER_SPREAD * self.spread).clamp(*MARGIN.start(), *MARGIN.end())
    }

    fn learn_floor(&mut self, level: f32) {
        self.learning = self.learning.saturating_sub(1);
        if self.learning > 0 {
            self.noise = level;
        } else if !self.speaking && level < self.floor + self.margin() {
            let off = level - self.noise;
            self.noise += NOISE_RATE * off;
            self.spread += NOISE_RATE * (off.abs().min(2.0 * self.spread.max(SPREAD)) - self.spread);
        }
        let smooth = self.smooth.map_or(level, |smooth| 0.7 * smooth + 0.3 * level);
        self.smooth = Some(smooth);
        self.window_least = self.window_least.min(smooth);
        self.window_cells += 1;
        if self.window_cells == FLOOR_WINDOW {
            if self.windows.len() == FLOOR_WINDOWS {
                self.windows.pop_front();
            }
            self.windows.push_back(self.window_least);
            self.windows_least = self.windows.iter().copied().fold(0.0, f32::min);
            self.window_least = 0.0;
            self.window_cells = 0;
        }
        let least = self.windows_least.min(self.window_least);
        let bias = (FLOOR_BIAS.0 * self.spread).min(FLOOR_BIAS.1);
        self.floor = (least + bias).clamp(FLOOR_RANGE.0, FLOOR_RANGE.1);
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// White noise of this level in dBov.
    fn noise(rng: &mut StdRng, dbov: f32) -> [i16; CELL] {
        let peak = 32_768.0 * 10f32.powf(dbov / 20.0) * 3f32.sqrt();
        std::array::from_fn(|_| rng.random_range(-peak..=peak) as i16)
    }

    /// Runs sections of `(cells, heard dBov, sent dBov)`; the cell and kind of each change.
    fn changes(seed: u64, sections: &[(u32, f32, f32)]) -> Vec<(u32, Activity)> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut vad = Vad::default();
        let mut changes = Vec::new();
        let mut cell = 0;
        for (cells, heard, sent) in sections {
            for _ in 0..*cells {
                vad.sent(*sent);
                changes.extend(vad.heard(&noise(&mut rng, *heard)).map(|change| (cell, change)));
                cell += 1;
            }
        }
        changes
    }

    #[test]
    fn onset_within_60_ms_and_end_after_200() {
        for (line, speech) in [(-96.0, -30.0), (-60.0, -40.0), (-45.0, -35.0), (-36.0, -22.0)] {
            let found = changes(1, &[(300, line, SILENT), (100, speech, SILENT), (100, line, SILENT)]);
            let [(start, Activity::Started { ago }), (end, Activity::Ended { ago: quiet })] = found[..] else {
                panic!("{line} {speech}: {found:?}");
            };
            assert!((300..306).contains(&start), "{line} {speech}: {found:?}");
            assert!((299..=301).contains(&(start + 1 - ago)), "{line} {speech}: {found:?}");
            assert!((399..=402).contains(&(end + 1 - quiet)), "{line} {speech}: {found:?}");
        }
    }

    #[test]
    fn a_click_is_no_speech() {
        assert_eq!(changes(2, &[(300, -60.0, SILENT), (2, -20.0, SILENT), (100, -60.0, SILENT)]), []);
    }

    #[test]
    fn steady_noise_is_no_speech() {
        for seed in 0..10 {
            assert_eq!(changes(seed, &[(6_000, -50.0, SILENT)]), [], "seed {seed}");
        }
    }

    #[test]
    fn a_street_that_gets_louder_is_learnt() {
        let found = changes(3, &[(300, -60.0, SILENT), (600, -40.0, SILENT), (100, -25.0, SILENT)]);
        assert!(matches!(found.last(), Some((900..906, Activity::Started { .. }))), "{found:?}");
    }

    #[test]
    fn our_echo_is_no_speech_and_a_caller_over_it_is() {
        assert_eq!(changes(4, &[(300, -60.0, SILENT), (300, -35.0, -20.0)]), []);
        let found = changes(4, &[(300, -60.0, SILENT), (300, -35.0, -20.0), (50, -22.0, -20.0)]);
        assert!(matches!(found[..], [(600..606, Activity::Started { .. })]), "{found:?}");
    }

    #[test]
    fn a_speaker_at_10_db_over_noise_is_not_missed() {
        let missed = (0..1_000)
            .filter(|seed| {
                let found = changes(*seed, &[(250, -45.0, SILENT), (30, -35.0, SILENT)]);
                !found.iter().any(|(cell, _)| (250..258).contains(cell))
            })
            .count();
        assert!(missed < 10, "{missed} of 1000");
    }
}
