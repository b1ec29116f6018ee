//! Recognises the network's tones, fax machines and beeps in what is heard.
//!
//! Each 20 ms are taken for one sinusoid in noise, whose frequency and share of the power follow from three sums of products
//! (a symmetric form of Pisarenko, Geophys. J. R. astr. Soc. 33, 1973): white noise does not move the frequency. What is a
//! tone then goes by its rhythm. A frame costs three products a sample and no memory.

use std::f32::consts::TAU;

use super::tones::{ANNOUNCEMENT_HZ, ANSWERING_FAX_HZ, CALLING_FAX_HZ, NETWORK_HZ};
use super::vad::{SILENT, level};
use crate::call::tone::Tone;
use crate::units::{FRAME_SAMPLES, NARROWBAND_HZ};

/// Share of a frame's power that a tone has, at least: 7 dB above the noise.
const PURE: f32 = 0.83;
/// Weakest tone that is looked at, in dBov: 30 dB below what the network sends.
const LEAST: f32 = -45.0;
/// A pause between two bursts is this much weaker than they are, in dB; else it is music.
const PAUSE_BELOW: f32 = 7.0;
/// A tone that moves by more than this many Hz is another one.
const STEADY: f32 = 25.0;
/// How exactly the pitch of a burst is known in noise, in Hz.
const RESOLUTION: f32 = 7.0;
/// Shorter bursts, in frames, are the seam between two tones, or chance.
const SEAM: u16 = 2;
/// Frames after a beep before it is taken for one, 80 ms: an announcement's three tones follow each other closer.
const BEEP_PAUSE: u16 = 4;
/// Frames of a beep, at least: 240 ms. Held vowels are shorter or move.
const BEEP_MIN: u16 = 12;
/// Frames of a beep, at most: 1.5 s.
const BEEP_MAX: u16 = 75;
/// Pitches of beeps in Hz.
const BEEP_HZ: std::ops::Range<f32> = 500.0..2_600.0;
/// Frames of the dial tone before it is taken for one, 2.5 s: longer than any burst.
const DIAL: u16 = 125;
/// Frames of an answering fax machine before it is taken for one: 0.5 s of at least 2.6 s (T.30 §4.2).
const ANSWERING_FAX: u16 = 25;
/// Frames of silence after which bursts do not belong together: 6 s.
const APART: u16 = 300;
/// Frames of silence after a burst that tell ring-back from congestion: 1.2 s.
const RING_PAUSE: u16 = 60;
/// Bursts remembered: those of the longest rhythm.
const BURSTS: usize = 4;

/// Lengths in frames that pass for one of `millis`: by 15 %, which is more than GF 002 allows, and by a frame and a half
/// of our own resolution.
const fn passes(frames: u16, millis: u16) -> bool {
    let (have, want) = (frames as u32 * 20, millis as u32);
    have.abs_diff(want) <= want * 15 / 100 + 30
}

/// A tone without a break.
#[derive(Clone, Copy, Debug, Default)]
struct Burst {
    hz: f32,
    frames: u16,
    /// Frames of pause before it; [`APART`] where it was longer.
    pause: u16,
    /// Mean square of its loudest frame, in dBov.
    level: f32,
    /// Whether the pause before it was clearly weaker.
    distinct: bool,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct ToneListener {
    now: Option<Burst>,
    /// Finished bursts, newest last.
    bursts: [Burst; BURSTS],
    pause: u16,
    /// Loudest frame of the present pause, in dBov.
    pause_level: f32,
    /// The last tone told of; the same one is told again only where it means something new.
    told: Option<Tone>,
}

impl Default for ToneListener {
    fn default() -> Self {
        Self { now: None, bursts: [Burst::default(); BURSTS], pause: APART, pause_level: SILENT, told: None }
    }
}

impl ToneListener {
    /// Takes in the next 20 ms; the tone that is recognised by them. A rhythm that goes on is told of once, each ring and
    /// each beep by itself.
    pub fn frame(&mut self, samples: &[i16; FRAME_SAMPLES]) -> Option<Tone> {
        let level = level(samples);
        let hz = if level >= LEAST { pitch(samples) } else { None };
        let found = match (hz, self.now) {
            (Some(hz), Some(burst)) if (hz - burst.hz).abs() <= STEADY => self.goes_on(burst, hz, level),
            (Some(hz), Some(burst)) => {
                let found = self.ends(burst);
                self.begins(hz, level);
                found
            }
            (Some(hz), None) => {
                self.begins(hz, level);
                None
            }
            (None, Some(burst)) => {
                let found = self.ends(burst);
                self.rests(level).or(found)
            }
            (None, None) => self.rests(level),
        };
        match found {
            Some(Tone::RingBack | Tone::Beep) => found,
            Some(tone) if self.told != Some(tone) => {
                self.told = Some(tone);
                found
            }
            Some(_) | None => None,
        }
    }

    fn begins(&mut self, hz: f32, level: f32) {
        let last = self.bursts[BURSTS - 1];
        let distinct = self.pause_level <= last.level - PAUSE_BELOW;
        self.now = Some(Burst { hz, frames: 1, pause: self.pause, level, distinct });
    }

    fn goes_on(&mut self, mut burst: Burst, hz: f32, level: f32) -> Option<Tone> {
        // The first frame may hold only a corner of the tone.
        burst.hz += (hz - burst.hz) * if burst.frames == 1 { 1.0 } else { 0.2 };
        burst.frames = burst.frames.saturating_add(1);
        if burst.frames == SEAM {
            self.pause = 0;
            self.pause_level = SILENT;
        }
        burst.level = burst.level.max(level);
        self.now = Some(burst);
        if near(burst.hz, NETWORK_HZ) && burst.frames == DIAL {
            return Some(Tone::Dial);
        }
        (near(burst.hz, ANSWERING_FAX_HZ) && burst.frames == ANSWERING_FAX).then_some(Tone::Fax)
    }

    fn ends(&mut self, burst: Burst) -> Option<Tone> {
        self.now = None;
        if burst.frames < SEAM {
            self.pause = burst.pause.saturating_add(burst.frames).min(APART);
            return None;
        }
        self.bursts.rotate_left(1);
        self.bursts[BURSTS - 1] = burst;
        self.rhythm()
    }

    fn rests(&mut self, level: f32) -> Option<Tone> {
        if self.pause < APART {
            self.pause += 1;
        } else {
            self.told = None;
        }
        self.pause_level = self.pause_level.max(level);
        let last = self.bursts[BURSTS - 1];
        let quiet = self.pause_level <= last.level - PAUSE_BELOW;
        if self.pause == BEEP_PAUSE && self.beeps() {
            return Some(Tone::Beep);
        }
        let rings = self.pause == RING_PAUSE && quiet && near(last.hz, NETWORK_HZ) && passes(last.frames, 1_000);
        rings.then_some(Tone::RingBack)
    }

    /// What the bursts up to the one that just ended are.
    fn rhythm(&self) -> Option<Tone> {
        let [.., b, a] = self.bursts;
        if self.bursts.iter().all(|burst| near(burst.hz, NETWORK_HZ))
            && self.alternate(&[(100, APART * 20), (100, 100), (100, 100), (400, 100)])
        {
            return Some(Tone::SpecialInformation);
        }
        if self.announces() {
            return Some(Tone::SpecialInformation);
        }
        if near(a.hz, NETWORK_HZ) {
            if !near(b.hz, NETWORK_HZ) {
                return None;
            }
            if self.alternate(&[(350, APART * 20), (350, 350)]) {
                return Some(Tone::Busy);
            }
            return self.alternate(&[(700, APART * 20), (700, 700)]).then_some(Tone::Congestion);
        }
        if near(a.hz, CALLING_FAX_HZ) && passes(a.frames, 500) {
            return Some(Tone::Fax);
        }
        None
    }

    /// Whether the last bursts are the three tones before an announcement.
    fn announces(&self) -> bool {
        let [.., b, a] = self.bursts;
        let rising = self.bursts[1..].iter().zip(ANNOUNCEMENT_HZ.0);
        let mut rising = rising.map(|(burst, hz)| near(burst.hz, (hz, ANNOUNCEMENT_HZ.1)) && passes(burst.frames, 330));
        rising.all(|fits| fits) && a.pause < BEEP_PAUSE && b.pause < BEEP_PAUSE
    }

    /// Whether the last burst is a machine's signal to speak.
    fn beeps(&self) -> bool {
        let last = self.bursts[BURSTS - 1];
        let fax = near(last.hz, CALLING_FAX_HZ) && passes(last.frames, 500) || near(last.hz, ANSWERING_FAX_HZ);
        let lasts = (BEEP_MIN..=BEEP_MAX).contains(&last.frames);
        lasts && BEEP_HZ.contains(&last.hz) && !fax && !self.announces()
    }

    /// Whether the last bursts have these lengths, each after a pause as long as given, in ms. The first burst's pause is
    /// whatever it is.
    fn alternate(&self, rhythm: &[(u16, u16)]) -> bool {
        let last = &self.bursts[BURSTS - rhythm.len()..];
        last.iter().zip(rhythm).enumerate().all(|(n, (burst, (on, off)))| {
            passes(burst.frames, *on) && (n == 0 || (passes(burst.pause, *off) && burst.distinct))
        })
    }
}

fn near(hz: f32, (middle, off): (f32, f32)) -> bool {
    (hz - middle).abs() <= off + RESOLUTION
}

/// The frequency in Hz of the one tone that these samples are; `None` where they are not one.
fn pitch(samples: &[i16; FRAME_SAMPLES]) -> Option<f32> {
    // Eight partial sums each, which the compiler turns into SIMD. Rather than two lags, the neighbours' sum is taken: of a
    // sinusoid it is 2 cos w times the sample between them, exactly, wherever the frame begins and ends.
    let mut sums = [[0.0f32; 8]; 3];
    for block in 0..(FRAME_SAMPLES - 2) / 8 {
        let block = &samples[block * 8..block * 8 + 10];
        for n in 0..8 {
            let sample = f32::from(block[n + 1]);
            let neighbours = f32::from(block[n]) + f32::from(block[n + 2]);
            sums[0][n] += sample * sample;
            sums[1][n] += sample * neighbours;
            sums[2][n] += neighbours * neighbours;
        }
    }
    let [own, cross, both] = sums.map(|sum| sum.iter().sum::<f32>());
    // With a tone of power p in white noise q: own = p + q, cross = 2 p cos w, both = 4 p cos^2 w + 2 q.
    let excess = 2.0 * own - both;
    let tone = (excess + (excess * excess + 8.0 * cross * cross).sqrt()) / 4.0;
    let cosine = cross / (2.0 * tone);
    (tone > 0.0 && tone >= PURE * own && cosine.abs() < 1.0).then(|| cosine.acos() * NARROWBAND_HZ as f32 / TAU)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::media::g711;
    use crate::media::g711::Law;
    use crate::media::tones::sound;

    /// Sound through A-law, in white noise of this level below -16 dBov, by so many dB softer.
    fn line(sound: &[i16], snr_db: f32, loss_db: f32, seed: u64) -> Vec<i16> {
        let mut rng = StdRng::seed_from_u64(seed);
        let gain = 10f32.powf(-loss_db / 20.0);
        let noise = 5_105.0 * 10f32.powf(-snr_db / 20.0) * 3f32.sqrt();
        let noisy: Vec<i16> =
            sound.iter().map(|s| ((f32::from(*s) + rng.random_range(-noise..=noise)) * gain) as i16).collect();
        let mut codes = vec![0; noisy.len()];
        g711::encode(Law::A, &noisy, &mut codes);
        let mut heard = vec![0; noisy.len()];
        g711::decode(Law::A, &codes, &mut heard);
        heard
    }

    /// Tones recognised, each with its time in ms.
    fn tones(sound: &[i16]) -> Vec<(usize, Tone)> {
        let mut listener = ToneListener::default();
        let frames = sound.as_chunks::<FRAME_SAMPLES>().0;
        frames.iter().enumerate().filter_map(|(n, frame)| listener.frame(frame).map(|tone| (n * 20, tone))).collect()
    }

    fn parts(parts: &[(f32, u32)]) -> Vec<i16> {
        let mut sound = Vec::new();
        for (hz, millis) in parts {
            let step = TAU * hz / 8_000.0;
            sound.extend((0..millis * 8).map(|n| (7_217.0 * (step * n as f32).sin()) as i16));
        }
        sound
    }

    #[track_caller]
    fn check(heard: &[i16], expected: &[Tone]) {
        for (snr_db, loss_db) in [(60.0, 0.0), (20.0, 0.0), (15.0, 5.0), (40.0, 22.0)] {
            for seed in 0..2 {
                let offset = vec![0; 37 * seed as usize + 800];
                let found = tones(&line(&[&offset, heard].concat(), snr_db, loss_db, seed));
                let kinds: Vec<Tone> = found.iter().map(|(_, tone)| *tone).collect();
                assert_eq!(kinds, expected, "{snr_db} dB, {loss_db} dB softer, seed {seed}: {found:?}");
            }
        }
    }

    #[test]
    fn the_network_s_tones() {
        for tone in [Tone::Dial, Tone::Busy, Tone::Congestion, Tone::SpecialInformation] {
            check(&sound(tone, Duration::from_secs(8)), &[tone]);
        }
        check(&sound(Tone::RingBack, Duration::from_secs(14)), &[Tone::RingBack; 3]);
    }

    #[test]
    fn tones_that_are_off_by_what_the_network_allows() {
        for hz in [428.0, 472.0] {
            check(&parts(&[(hz, 385), (0.0, 315), (hz, 385), (0.0, 315), (hz, 385), (0.0, 400)]), &[Tone::Busy]);
            check(&parts(&[(hz, 630), (0.0, 770), (hz, 630), (0.0, 770), (hz, 630), (0.0, 800)]), &[Tone::Congestion]);
        }
        // Another country's busy tone is not ours.
        check(&parts(&[(520.0, 350), (0.0, 350), (520.0, 350), (0.0, 350)]), &[Tone::Beep; 2]);
    }

    #[test]
    fn busy_is_told_within_1_2_s() {
        let found = tones(&sound(Tone::Busy, Duration::from_secs(3)));
        assert!(matches!(found[..], [(1_000..1_200, Tone::Busy)]), "{found:?}");
    }

    #[test]
    fn fax_machines_and_beeps() {
        check(&sound(Tone::Fax, Duration::from_secs(6)), &[Tone::Fax]);
        check(&parts(&[(2_100.0, 2_600), (0.0, 500)]), &[Tone::Fax]);
        check(&parts(&[(950.0, 330), (1_400.0, 330), (1_800.0, 330), (0.0, 500)]), &[Tone::SpecialInformation]);
        for hz in [600.0, 1_000.0, 1_400.0, 2_000.0] {
            check(&parts(&[(hz, 300), (0.0, 1_000)]), &[Tone::Beep]);
        }
        check(&parts(&[(1_000.0, 100), (0.0, 1_000)]), &[]);
    }

    #[test]
    fn noise_digits_and_music_are_none() {
        check(&vec![0; 8_000 * 10], &[]);
        let digit: Vec<i16> =
            parts(&[(770.0, 300)]).iter().zip(parts(&[(1_336.0, 300)])).map(|(a, b)| a / 2 + b / 2).collect();
        check(&digit, &[]);
        // A tune of A4 and B4 without rests, which lie within the network's band and beside it.
        check(&parts(&[(440.0, 350), (493.9, 350)].repeat(8)), &[]);
    }
}
