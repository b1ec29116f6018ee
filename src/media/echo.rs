//! How loud our own echo may be at the moment, learnt from levels alone.
//!
//! An echo is what we sent some time ago, weaker by a constant. For each delay up to [`LAGS`] the difference between what is
//! heard and what was sent is followed in dB; at the delay of the echo path it hardly varies, at all others it varies as
//! speech does. A known path gives a threshold that follows the echo syllable by syllable, so that a caller is heard
//! between our words and beneath them; while it is not known, everything must be nearly as loud as what we sent.

use super::vad::SILENT;

/// Delays that are tried, in cells: 450 ms, with both jitter buffers in it.
const LAGS: usize = 45;
/// Sent levels remembered: as far back as the echo of a cell at the longest delay may come from.
const SENT: usize = LAGS + SPREAD;
/// What we send says something about an echo from this level on, in dBov.
const LOUD: f32 = -38.0;
/// Cells over which a difference is averaged: 1.5 s of sound.
const MEMORY: f32 = 150.0;
/// Cells after which an average is believed: 300 ms of sound.
const ENOUGH: f32 = 30.0;
/// Standard deviation of the difference, in dB, below which it belongs to an echo path.
const STEADY: f32 = 4.5;
/// An echo that is not known yet is weaker than what we sent by at least this much, in dB.
const LEAST_LOSS: f32 = 9.0;
/// Cells to either side of the delay whose echo may be in a cell: 20 ms for our packets, 10 ms for the path.
const SPREAD: usize = 3;
/// The echo is louder than predicted by at most this many standard deviations and dB.
const MARGIN: (f32, f32) = (1.5, 3.0);
/// Share of audible cells below which there is no echo.
const AUDIBLE: f32 = 0.02;

/// See the module's documentation. A cell is 10 ms.
#[derive(Clone, Debug)]
pub struct EchoPath {
    /// Levels sent, in dBov, the newest first: what was sent before a delay stands at its index.
    sent: [f32; SENT],
    /// The loudest of them at any delay.
    loudest: f32,
    mean: [f32; LAGS],
    variance: [f32; LAGS],
    weight: [f32; LAGS],
    /// Delay and loss with its deviation, where they are known.
    known: Option<(usize, f32, f32)>,
    /// Share of cells that were audible while we sent, and how many there were.
    audible: (f32, f32),
    until_search: u8,
}

impl Default for EchoPath {
    fn default() -> Self {
        Self {
            sent: [SILENT; SENT],
            loudest: SILENT,
            mean: [0.0; LAGS],
            variance: [0.0; LAGS],
            weight: [0.0; LAGS],
            known: None,
            audible: (1.0, 0.0),
            until_search: 0,
        }
    }
}

impl EchoPath {
    /// Notes the level, in dBov, of a cell that we sent.
    pub fn sent(&mut self, level: f32) {
        self.sent.copy_within(..SENT - 1, 1);
        self.sent[0] = level;
        self.loudest = loudest(&self.sent[..=LAGS]);
    }

    /// What is louder than this, in dBov, is not our echo.
    pub fn threshold(&self) -> f32 {
        match self.known {
            Some((lag, mean, deviation)) => {
                let around = &self.sent[lag.saturating_sub(SPREAD)..=lag + SPREAD];
                loudest(around) + mean + (MARGIN.0 * deviation + MARGIN.1)
            }
            None if self.audible.1 >= ENOUGH && self.audible.0 < AUDIBLE => SILENT,
            None => self.loudest - LEAST_LOSS,
        }
    }

    /// Learns from a cell that was heard at `level` over a noise of `floor` dBov. While somebody speaks it learns little.
    pub fn heard(&mut self, level: f32, floor: f32, audible: bool, speaking: bool) {
        if self.loudest < LOUD {
            return;
        }
        let share = if speaking { 0.25 } else { 1.0 };
        if !speaking {
            self.audible.1 = (self.audible.1 + 1.0).min(MEMORY);
            self.audible.0 += (f32::from(u8::from(audible)) - self.audible.0) / self.audible.1;
        }
        let level = level.max(floor);
        let lags = self.mean.iter_mut().zip(&mut self.variance).zip(&mut self.weight).zip(&self.sent);
        for (((mean, variance), weight), sent) in lags {
            // Without a branch, for SIMD: a share of nothing changes nothing.
            let share = if *sent >= LOUD { share } else { 0.0 };
            *weight = (*weight + share).min(MEMORY);
            let rate = share / weight.max(1.0);
            let off = level - sent - *mean;
            *mean += rate * off;
            *variance = (1.0 - rate) * (*variance + rate * off * off);
        }
        self.until_search = self.until_search.saturating_sub(1);
        if self.until_search == 0 {
            self.until_search = 5;
            self.search();
        }
    }

    /// Looks for the delay at which the difference varies least.
    fn search(&mut self) {
        let believed = (0..LAGS).filter(|lag| self.weight[*lag] >= ENOUGH);
        let best = believed.min_by(|a, b| self.variance[*a].total_cmp(&self.variance[*b]));
        self.known = best.and_then(|lag| {
            let deviation = self.variance[lag].sqrt();
            (deviation <= STEADY).then_some((lag, self.mean[lag], deviation))
        });
    }
}

/// The loudest of some levels, eight side by side for SIMD.
fn loudest(levels: &[f32]) -> f32 {
    let mut lanes = [SILENT; 8];
    let (chunks, rest) = levels.as_chunks::<8>();
    for chunk in chunks {
        for (lane, level) in lanes.iter_mut().zip(chunk) {
            *lane = if level > lane { *level } else { *lane };
        }
    }
    lanes.iter().chain(rest).copied().fold(SILENT, f32::max)
}
