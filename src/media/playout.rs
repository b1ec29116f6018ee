//! Fits the peer's audio to our clock: cells go in as the peer counts its samples, 20 ms of ours come out.
//!
//! Three means against three causes. Clock drift is followed by reading a little faster or slower than the samples come:
//! between samples by windowed-sinc interpolation, at whole samples by plain copying, so a call without drift is passed
//! through bit by bit. When the jitter buffer wants another wait, one pitch period is left out or repeated where the
//! waveform is most like itself (the splice of waveform-similarity overlap-add: W. Verhelst, M. Roelands, ICASSP 1993).
//! In a quiet stretch any piece is left out or repeated. Nothing is ever cut without a cross-fade.

use std::f64::consts::PI;
use std::sync::LazyLock;

use super::jitter::CELL;
use crate::units::FRAME_SAMPLES;

/// Steps from one sample to the next while the audio is shifted.
const STEPS: i32 = 1_280;
/// Steps by which the reading runs ahead or behind with each sample: 0.08 %, or 0.3 % for more than [`FAST_ABOVE`]. Both
/// divide [`STEPS`], so that a shift ends at a whole sample. A change of pitch of 0.3 % is below what listeners notice.
const SLOW: i32 = 1;
const FAST: i32 = 4;
/// Excess, in samples, from which a shift begins, and from which it is fast.
const SHIFT_FROM: i32 = 2;
const FAST_ABOVE: i32 = 40;
/// Longest shift before the excess is looked at again, in samples.
const SHIFT_MOST: i32 = 16;
/// Excess of the wait, in samples, from which something is left out: 30 ms in speech, 10 ms in quiet.
const CUT_FROM: (i32, i32) = (240, 80);
/// Shortfall, in samples, from which something is repeated: 10 ms in speech, 5 ms in quiet. Sooner than leaving out: what
/// comes too late is lost, what waits too long is only late.
const EXTEND_FROM: (i32, i32) = (80, 40);
/// Beyond this, in samples, a less similar piece is good enough.
const URGENT: i32 = 400;
/// Similarity (normalised correlation) that a piece must have in speech, and when it is urgent.
const SIMILAR: (f32, f32) = (0.8, 0.5);
/// Shortest and longest piece, in samples: 4 to 15 ms.
const LAGS: (usize, usize) = (32, 120);
/// Samples over which a splice is cross-faded: 10 ms.
const OVERLAP: usize = 80;
/// Frames between two splices: 60 ms, so that speech does not stutter.
const REST: u32 = 3;
/// Mean square below which a stretch counts as quiet whatever it is: -66 dBov.
const SILENCE: f32 = 270.0;

/// Taps on either side of the interpolation, hence samples that it looks ahead.
const HALF: usize = 5;
/// Interpolation filters between two samples; between two of them it goes in a straight line.
const PHASES: usize = 128;
const STEPS_PER_PHASE: i32 = STEPS / PHASES as i32;
/// Samples kept behind the reading.
const HISTORY: usize = LAGS.1 + HALF;
/// Most that a frame may want before it is read.
const MOST_WANTED: usize = FRAME_SAMPLES + 1 + HALF + LAGS.1;
/// Room: history, what is wanted, one cell more, a repeated piece, and a frame of slack between two moves to the front.
const ROOM: usize = HISTORY + MOST_WANTED + CELL + LAGS.1 + 2 * FRAME_SAMPLES;

type Filters = [[f32; 2 * HALF]; PHASES + 1];

/// Windowed sinc filters (Kaiser), each normalised to pass a constant unchanged.
static FILTERS: LazyLock<Filters> = LazyLock::new(|| {
    const BETA: f64 = 4.0;
    std::array::from_fn(|phase| {
        let mut filter = [0.0; 2 * HALF];
        let offset = phase as f64 / PHASES as f64;
        for (tap, value) in filter.iter_mut().enumerate() {
            let x = tap as f64 - (HALF - 1) as f64 - offset;
            let sinc = if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) };
            let edge = (1.0 - (x / HALF as f64).powi(2)).max(0.0);
            *value = (sinc * bessel(BETA * edge.sqrt()) / bessel(BETA)) as f32;
        }
        let sum: f32 = filter.iter().sum();
        filter.map(|value| value / sum)
    })
});

/// Modified Bessel function of the first kind, order 0.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for n in 1..25 {
        term *= (x / (2.0 * f64::from(n))).powi(2);
        sum += term;
    }
    sum
}

/// What is to be done about the wait before the next frame is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Splice {
    None,
    /// Leave something out: at most so many samples.
    Cut(usize),
    /// Repeat something: at most so many samples.
    Extend(usize),
}

/// What was done, over the life of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fitted {
    /// Samples by which the reading was shifted for drift, either way.
    pub shifted: u64,
    /// Pieces left out.
    pub cut: u64,
    /// Pieces repeated.
    pub extended: u64,
}

/// See the module's documentation.
pub struct Playout {
    pcm: [i16; ROOM],
    /// The next sample to be read, and one past the last.
    read: usize,
    end: usize,
    /// Steps past `read`.
    phase: i32,
    /// Samples still to be shifted; positive: read faster.
    shift: i32,
    rate: i32,
    splice: Splice,
    quiet: bool,
    urgent: bool,
    rest: u32,
    fitted: Fitted,
}

impl Default for Playout {
    fn default() -> Self {
        LazyLock::force(&FILTERS); // Here and not in the first frame that needs them.
        Self {
            pcm: [0; ROOM],
            read: HISTORY,
            end: HISTORY,
            phase: 0,
            shift: 0,
            rate: SLOW,
            splice: Splice::None,
            quiet: true,
            urgent: false,
            rest: 0,
            fitted: Fitted::default(),
        }
    }
}

impl Playout {
    /// Samples taken in and not yet read.
    pub fn held(&self) -> i32 {
        (self.end - self.read) as i32
    }

    /// What was done so far.
    pub fn fitted(&self) -> Fitted {
        self.fitted
    }

    /// Before each frame: by how many samples its audio waits longer than it should. `quiet` says that a splice here would
    /// not be heard.
    pub fn steer(&mut self, excess: i32, quiet: bool) {
        self.quiet = quiet;
        self.urgent = excess.abs() >= URGENT;
        self.rest = self.rest.saturating_sub(1);
        let from = |(speech, still)| if quiet { still } else { speech };
        let most = (excess.unsigned_abs() as usize).clamp(LAGS.0, LAGS.1);
        self.splice = match excess {
            _ if self.rest > 0 => Splice::None,
            excess if excess >= from(CUT_FROM) => Splice::Cut(most),
            excess if -excess >= from(EXTEND_FROM) => Splice::Extend(most),
            _ => Splice::None,
        };
        let spliced = quiet && self.splice != Splice::None;
        if self.shift == 0 && excess.abs() >= SHIFT_FROM && !spliced {
            self.shift = excess.clamp(-SHIFT_MOST, SHIFT_MOST);
            self.rate = if excess.abs() > FAST_ABOVE { FAST } else { SLOW };
        }
    }

    /// Whether another cell must come before the next frame can be read.
    pub fn wants(&self) -> bool {
        let cut = if let Splice::Cut(most) = self.splice { most } else { 0 };
        let ahead = if self.shift == 0 { 0 } else { HALF + 1 };
        self.end - self.read < FRAME_SAMPLES + cut + ahead
    }

    /// Takes in the next 10 ms.
    pub fn push(&mut self, cell: &[i16; CELL]) {
        if self.end + CELL + LAGS.1 > ROOM {
            let from = self.read - HISTORY;
            self.pcm.copy_within(from..self.end, 0);
            self.read -= from;
            self.end -= from;
        }
        self.pcm[self.end..self.end + CELL].copy_from_slice(cell);
        self.end += CELL;
    }

    /// The next 20 ms. What is missing, if the caller pushed less than [`Self::wants`] asked for, is silence.
    pub fn frame(&mut self, out: &mut [i16; FRAME_SAMPLES]) {
        self.splice();
        if self.shift == 0 {
            let len = FRAME_SAMPLES.min(self.end - self.read);
            out[..len].copy_from_slice(&self.pcm[self.read..self.read + len]);
            out[len..].fill(0);
            self.read += len;
            return;
        }
        for sample in out {
            *sample = self.between();
            self.advance();
        }
    }

    /// The signal at the reading, which lies between two samples.
    fn between(&self) -> i16 {
        let filter = (self.phase / STEPS_PER_PHASE) as usize;
        let part = (self.phase % STEPS_PER_PHASE) as f32 / STEPS_PER_PHASE as f32;
        let first = self.read + 1 - HALF;
        let Some(samples) = self.pcm.get(first..).and_then(|rest| rest.first_chunk::<{ 2 * HALF }>()) else { return 0 };
        let (left, right) = (&FILTERS[filter], &FILTERS[filter + 1]);
        // Products side by side and their sum afterwards: SIMD.
        let mut products = [0.0; 2 * HALF];
        for (n, product) in products.iter_mut().enumerate() {
            *product = f32::from(samples[n]) * (left[n] + part * (right[n] - left[n]));
        }
        let sum: f32 = products.iter().sum();
        (sum + 0.5f32.copysign(sum)) as i16 // Rounds, without a call to do it; saturates.
    }

    fn advance(&mut self) {
        self.read += 1;
        if self.shift != 0 {
            self.phase += self.rate * self.shift.signum();
            if self.phase < 0 {
                self.phase += STEPS;
                self.read -= 1;
            } else if self.phase >= STEPS {
                self.phase -= STEPS;
                self.read += 1;
            }
            if self.phase == 0 {
                self.shift -= self.shift.signum();
                self.fitted.shifted += 1;
            }
        }
        self.read = self.read.min(self.end);
    }

    fn splice(&mut self) {
        let (lags, forward) = match std::mem::replace(&mut self.splice, Splice::None) {
            Splice::None => return,
            Splice::Cut(most) if self.end - self.read >= most + OVERLAP => (LAGS.0..=most, true),
            Splice::Extend(most) if self.end - self.read >= OVERLAP => (LAGS.0..=most, false),
            Splice::Cut(_) | Splice::Extend(_) => return,
        };
        let Some(lag) = self.similar(lags, forward) else { return };
        self.rest = REST;
        let other = if forward { self.read + lag } else { self.read - lag };
        let mut faded = [0; OVERLAP];
        for (n, sample) in faded.iter_mut().enumerate() {
            let rising = (n + 1) as f32 / OVERLAP as f32;
            let (old, new) = (f32::from(self.pcm[self.read + n]), f32::from(self.pcm[other + n]));
            *sample = ((1.0 - rising) * old + rising * new).round() as i16;
        }
        self.pcm.copy_within(other + OVERLAP..self.end, self.read + OVERLAP);
        self.pcm[self.read..self.read + OVERLAP].copy_from_slice(&faded);
        if forward {
            self.end -= lag;
            self.fitted.cut += 1;
        } else {
            self.end += lag;
            self.fitted.extended += 1;
        }
    }

    /// The lag at which the signal is most like what is to be read next; `None` where it is too unlike to go unheard.
    fn similar(&self, lags: std::ops::RangeInclusive<usize>, forward: bool) -> Option<usize> {
        let here = &self.pcm[self.read..self.read + OVERLAP];
        let power: f32 = here.iter().map(|sample| f32::from(*sample).powi(2)).sum();
        let longest = *lags.end();
        let mut best = (longest, f32::MIN);
        for lag in lags {
            let at = if forward { self.read + lag } else { self.read - lag };
            let (mut product, mut energy) = (0.0, 1.0);
            for (a, b) in here.iter().zip(&self.pcm[at..at + OVERLAP]) {
                product += f32::from(*a) * f32::from(*b);
                energy += f32::from(*b) * f32::from(*b);
            }
            let likeness = product / (energy * power.max(1.0)).sqrt();
            if likeness > best.1 {
                best = (lag, likeness);
            }
        }
        let enough = if self.urgent { SIMILAR.1 } else { SIMILAR.0 };
        if self.quiet || power < SILENCE * OVERLAP as f32 {
            Some(longest)
        } else {
            (best.1 >= enough).then_some(best.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn tone(hz: f64, at: f64) -> f64 {
        8_000.0 * (TAU * hz * at / 8_000.0).sin()
    }

    /// Plays `frames` of a tone with the excess that `excess` says before each; the excess that is left is its business.
    fn played(
        hz: f64,
        frames: usize,
        quiet: bool,
        mut excess: impl FnMut(usize, &Playout) -> i32,
    ) -> (Vec<i16>, Playout) {
        let mut playout = Playout::default();
        let (mut out, mut next) = (Vec::new(), 0);
        for frame in 0..frames {
            let excess = excess(frame, &playout);
            playout.steer(excess, quiet);
            while playout.wants() {
                playout.push(&std::array::from_fn(|n| tone(hz, (next + n) as f64).round() as i16));
                next += CELL;
            }
            let mut pcm = [0; FRAME_SAMPLES];
            playout.frame(&mut pcm);
            out.extend(pcm);
        }
        (out, playout)
    }

    fn steepest(samples: &[i16]) -> i32 {
        samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().expect("samples")
    }

    #[test]
    fn without_excess_every_sample_is_passed_through() {
        let (out, playout) = played(440.0, 50, false, |_, _| 0);
        assert!(out.iter().enumerate().all(|(n, sample)| *sample == tone(440.0, n as f64).round() as i16));
        assert_eq!(playout.fitted(), Fitted::default());
    }

    /// While shifting, the output is the tone read at a rising place; the error against it, in dB.
    #[track_caller]
    fn check_shift(hz: f64, excess: i32, at_most_db: f64) {
        let (out, playout) = played(hz, 40, false, |_, _| excess);
        let step = f64::from(if excess.abs() > FAST_ABOVE { FAST } else { SLOW } * excess.signum()) / f64::from(STEPS);
        let (mut signal, mut error) = (0.0, 0.0);
        for (n, sample) in out.iter().enumerate().skip(FRAME_SAMPLES) {
            let wanted = tone(hz, n as f64 * (1.0 + step));
            signal += wanted * wanted;
            error += (wanted - f64::from(*sample)).powi(2);
        }
        let db = 10.0 * (error / signal).log10();
        assert!(db < at_most_db, "{hz} Hz by {excess}: {db} dB");
        assert!(playout.fitted().shifted > 3 && playout.fitted().cut + playout.fitted().extended == 0);
    }

    #[test]
    fn a_shift_is_clean_over_the_telephone_band() {
        for excess in [10, -10, 60, -60] {
            // A-law's own noise lies at -38 dB.
            check_shift(300.0, excess, -45.0);
            check_shift(1_000.0, excess, -43.0);
            check_shift(2_500.0, excess, -45.0);
            check_shift(3_200.0, excess, -21.0);
        }
    }

    #[test]
    fn a_shift_ends_at_a_whole_sample() {
        let (out, playout) = played(440.0, 40, false, |frame, _| if frame == 0 { 3 } else { 0 });
        assert_eq!(playout.fitted().shifted, 3);
        let last = 39 * FRAME_SAMPLES;
        assert!((0..FRAME_SAMPLES).all(|n| out[last + n] == tone(440.0, (last + n + 3) as f64).round() as i16));
    }

    /// Speech-like: 125 Hz has a period of 64 samples. What is left out or repeated is whole periods, and nothing leaps.
    #[test]
    fn splices_are_whole_periods_without_a_leap() {
        for (excess, cut, extended) in [(300, 1, 0), (-100, 0, 1)] {
            let (out, playout) = played(125.0, 60, false, |frame, _| if frame == 10 { excess } else { 0 });
            assert_eq!((playout.fitted().cut, playout.fitted().extended), (cut, extended), "by {excess}");
            assert!(steepest(&out) <= steepest(&out[..FRAME_SAMPLES * 5]) + 40, "by {excess}");
            let shift = playout.fitted().shifted as f64 * f64::from(excess.signum());
            let last = 59 * FRAME_SAMPLES;
            assert!((0..100).all(|n| (tone(125.0, (last + n) as f64 + shift) - f64::from(out[last + n])).abs() < 60.0));
        }
    }

    #[test]
    fn what_resembles_nothing_is_spliced_in_quiet_only() {
        let mut state = 1u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 20) as i16 - 2_048
        };
        for (quiet, spliced) in [(false, 0), (true, 1)] {
            let mut playout = Playout::default();
            playout.steer(300, quiet);
            while playout.wants() {
                playout.push(&std::array::from_fn(|_| noise()));
            }
            playout.frame(&mut [0; FRAME_SAMPLES]);
            assert_eq!(playout.fitted().cut, spliced);
        }
    }

    #[test]
    fn splices_rest_in_between() {
        let (_, playout) = played(125.0, 12, true, |_, _| 300);
        assert_eq!(playout.fitted().cut, 4);
    }

    #[test]
    fn what_never_came_is_silence() {
        let mut playout = Playout::default();
        let mut pcm = [7; FRAME_SAMPLES];
        playout.frame(&mut pcm);
        assert_eq!(pcm, [0; FRAME_SAMPLES]);
    }
}
