//! Voice activity by energy over an adaptive noise floor, aware of our own echo.
//!
//! The floor is the least level of the last [`FLOOR_WINDOWS`] windows, so speech cannot lift it and a noisy street is
//! learnt within seconds. While we play something, the threshold rises with what we sent: an echo is weaker than that.

use std::collections::VecDeque;

use super::jitter::CELL;

/// Cells of speech, among the last [`ONSET_WINDOW`], that begin a talkspurt: 50 ms, which leaves out clicks.
const ONSET_CELLS: u32 = 4;
const ONSET_WINDOW: u32 = 5;
/// Cells below the threshold that end a talkspurt: 200 ms.
const HANGOVER: u32 = 20;
/// Speech is this much above the floor, in dB.
const MARGIN: f32 = 6.0;
/// Speech within a talkspurt may be this much weaker, in dB.
const HYSTERESIS: f32 = 3.0;
/// Below this no speech is sought, in dBov: the level of a quiet line.
const LEAST_SPEECH: f32 = -52.0;
/// Bounds of the floor in dBov. Steady sound above the upper one is not taken for noise.
const FLOOR_RANGE: (f32, f32) = (-75.0, -32.0);
/// Minimum statistics lie below the mean of noise by about this much, in dB.
const FLOOR_BIAS: f32 = 1.5;
/// Cells at the very beginning that only teach the floor: 100 ms.
const LEARNING: u32 = 10;
/// Cells of one window of the floor: 250 ms.
const FLOOR_WINDOW: u32 = 25;
/// Windows whose least level is the floor: 2 s.
const FLOOR_WINDOWS: usize = 8;
/// Our echo is weaker than what we sent by at least this much, in dB.
const ECHO_LOSS: f32 = 9.0;
/// Cells for which a sent level counts: 300 ms, more than the echo path of a mobile network.
const ECHO_CELLS: u32 = 30;
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
    let sum: f32 = samples.iter().map(|sample| f32::from(*sample) * f32::from(*sample)).sum();
    let mean = sum / samples.len().max(1) as f32;
    (10.0 * (mean / (32_768.0 * 32_768.0)).log10()).max(SILENT)
}

/// Detects talkspurts in one direction of one call.
#[derive(Debug)]
pub struct Vad {
    /// Level smoothed over some cells, in dBov; `None` before the first.
    smooth: Option<f32>,
    /// Cells of [`LEARNING`] left.
    learning: u32,
    floor: f32,
    windows: VecDeque<f32>,
    window_least: f32,
    window_cells: u32,
    /// Bit n: the cell n before the last was above the threshold.
    active: u32,
    speaking: bool,
    /// Cells since the last active one.
    quiet_for: u32,
    /// Level of the last cell, in dBov.
    last: f32,
    sent: f32,
    sent_for: u32,
}

impl Default for Vad {
    fn default() -> Self {
        Self {
            smooth: None,
            learning: LEARNING,
            floor: FLOOR_RANGE.1,
            windows: VecDeque::with_capacity(FLOOR_WINDOWS),
            window_least: 0.0,
            window_cells: 0,
            active: 0,
            speaking: false,
            quiet_for: 0,
            last: SILENT,
            sent: SILENT,
            sent_for: 0,
        }
    }
}

impl Vad {
    /// Notes the level, in dBov, of a cell that we sent.
    pub fn sent(&mut self, level: f32) {
        if level >= self.sent || self.sent_for == 0 {
            self.sent = level;
            self.sent_for = ECHO_CELLS;
        } else {
            self.sent_for -= 1;
        }
    }

    /// Takes in the next cell that we heard, and its level.
    pub fn heard(&mut self, cell: &[i16; CELL]) -> Option<Activity> {
        let level = level(cell);
        self.last = level;
        self.learn_floor(level);
        let margin = if self.speaking { MARGIN - HYSTERESIS } else { MARGIN };
        let threshold = (self.floor + margin).max(LEAST_SPEECH).max(self.sent - ECHO_LOSS);
        let active = level > threshold && self.learning == 0;
        self.active = (self.active << 1) | u32::from(active);
        self.quiet_for = if active { 0 } else { self.quiet_for.saturating_add(1) };
        let recent = self.active & ((1 << ONSET_WINDOW) - 1);
        if !self.speaking && recent.count_ones() >= ONSET_CELLS {
            self.speaking = true;
            return Some(Activity::Started { ago: u32::BITS - recent.leading_zeros() });
        }
        if self.speaking && self.quiet_for >= HANGOVER {
            self.speaking = false;
            return Some(Activity::Ended { ago: self.quiet_for });
        }
        None
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

    fn learn_floor(&mut self, level: f32) {
        self.learning = self.learning.saturating_sub(1);
        let smooth = self.smooth.map_or(level, |smooth| 0.7 * smooth + 0.3 * level);
        self.smooth = Some(smooth);
        self.window_least = self.window_least.min(smooth);
        self.window_cells += 1;
        if self.window_cells == FLOOR_WINDOW {
            if self.windows.len() == FLOOR_WINDOWS {
                self.windows.pop_front();
            }
            self.windows.push_back(self.window_least);
            self.window_least = 0.0;
            self.window_cells = 0;
        }
        let least = self.windows.iter().fold(self.window_least, |least, level| least.min(*level));
        self.floor = (least + FLOOR_BIAS).clamp(FLOOR_RANGE.0, FLOOR_RANGE.1);
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
