//! Finds where somebody speaks in a channel of telephone audio, before any of it reaches Whisper: what it never hears, it
//! cannot write down.
//!
//! Two questions, in this order. *Is there more sound than the line's own?* The level is held against the quietest tenth of
//! the last and next seconds. *Is it a voice?* A stretch counts only where vowels are heard in it, and where their pitch
//! glides: in speech it always moves, and in Mandarin it carries meaning, while ring-back, hum and the notes of a tune stand
//! still, and breath, clicks and comfort noise have no pitch at all.

use std::ops::Range;

use super::voice::{self, Frame, HOP};

/// Frames on each side from which the level of the line itself is taken: five seconds.
const FLOOR_FRAMES: usize = 500;

/// Share of those frames that are taken to be quiet.
const FLOOR_SHARE: f32 = 0.1;

/// Speech begins so far above the floor, in decibels, and ends at half of it.
const ONSET_DB: f32 = 9.0;

/// The threshold never falls below this level: a quieter voice is not understood anyway.
const QUIETEST_DB: f32 = -56.0;

/// It never rises above this one: somebody who speaks without a pause leaves no floor to measure.
const LOUDEST_FLOOR_DB: f32 = -42.0;

/// Quiet frames that end a talkspurt; shorter gaps are stops within words.
const HANGOVER: usize = 30;

/// Shortest stretch above the threshold that can be a word, in frames.
const SHORTEST: usize = 8;

/// Added before and after, in samples: consonants start and end below the threshold.
const LEAD_IN: usize = 1600;
const LEAD_OUT: usize = 2400;

/// Least periodicity of a vowel.
const VOICED: f32 = 0.6;

/// Distance of the frames that are compared for movement: 30 ms.
const STEP: usize = 3;

/// Movement of the pitch over [`STEP`] that counts as a glide: more than a held note, less than a leap to another one.
const GLIDE: Range<f32> = 0.008..0.15;

/// Least number of voiced pairs, and of glides among them.
const LEAST_VOICED: usize = 6;
const LEAST_GLIDES: usize = 4;

/// Least share of voiced pairs in a stretch, and of glides among voiced pairs. Of 15 recordings through G.711 none had less
/// than 0.24 and 0.57; the tunes and chords of the tests stay below 0.11 or below 0.05.
const VOICED_SHARE: f32 = 0.13;
const GLIDE_SHARE: f32 = 0.4;

/// A stretch of sound, in samples at 8 kHz.
pub type Span = Range<usize>;

/// What a channel holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Talkspurts in order, apart from each other, with some quiet around each.
    pub speech: Vec<Span>,
    /// Stretches that were loud enough and no voice.
    pub rejected: usize,
}

/// The talkspurts of a channel.
pub fn talkspurts(pcm_8k: &[i16]) -> Found {
    let frames = voice::frames(pcm_8k);
    let mut found = Found::default();
    for stretch in loud(&frames) {
        if is_voice(&frames[stretch.clone()]) {
            let start = (stretch.start * HOP).saturating_sub(LEAD_IN);
            let end = (stretch.end * HOP + LEAD_OUT).min(pcm_8k.len());
            match found.speech.last_mut() {
                Some(last) if last.end >= start => last.end = end,
                _ => found.speech.push(start..end),
            }
        } else {
            found.rejected += 1;
        }
    }
    found
}

/// Stretches of frames above the line's own level.
fn loud(frames: &[Frame]) -> Vec<Range<usize>> {
    let floor = floor(frames);
    let mut stretches = Vec::new();
    let mut open: Option<Range<usize>> = None;
    for (i, frame) in frames.iter().enumerate() {
        let onset = (floor[i] + ONSET_DB).max(QUIETEST_DB);
        let threshold = if open.is_some() { onset - ONSET_DB / 2.0 } else { onset };
        if frame.level_db >= threshold {
            open.get_or_insert(i..i).end = i + 1;
        } else if open.as_ref().is_some_and(|o| i - o.end >= HANGOVER) {
            stretches.extend(open.take());
        }
    }
    stretches.extend(open);
    stretches.retain(|s| s.len() >= SHORTEST);
    stretches
}

/// The level of the line itself at every frame, in decibels.
fn floor(frames: &[Frame]) -> Vec<f32> {
    /// The floor moves slowly: it is reckoned once in so many frames.
    const EVERY: usize = 25;
    let mut floor = Vec::with_capacity(frames.len());
    for middle in (0..frames.len()).step_by(EVERY) {
        let around = middle.saturating_sub(FLOOR_FRAMES)..(middle + FLOOR_FRAMES).min(frames.len());
        let mut levels: Vec<f32> = frames[around].iter().map(|f| f.level_db).collect();
        // A tenth is less than all, so the place exists.
        let quiet = (levels.len() as f32 * FLOOR_SHARE) as usize;
        let (_, level, _) = levels.select_nth_unstable_by(quiet, f32::total_cmp);
        let level = level.min(LOUDEST_FLOOR_DB);
        floor.extend(std::iter::repeat_n(level, EVERY.min(frames.len() - middle)));
    }
    floor
}

/// Whether a stretch has vowels whose pitch moves.
fn is_voice(frames: &[Frame]) -> bool {
    let pairs = frames.iter().zip(frames.iter().skip(STEP));
    let voiced: Vec<_> = pairs.filter(|(a, b)| a.periodicity >= VOICED && b.periodicity >= VOICED).collect();
    let glides = voiced.iter().filter(|(a, b)| GLIDE.contains(&b.period_change(a))).count();
    voiced.len() >= LEAST_VOICED
        && glides >= LEAST_GLIDES
        && voiced.len() as f32 >= VOICED_SHARE * frames.len() as f32
        && glides as f32 >= GLIDE_SHARE * voiced.len() as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::signals::{ALL, Signal};

    /// A voice of two syllables, the first rising and the second falling, in samples at 8 kHz.
    fn voice(seconds: f32) -> Vec<i16> {
        let mut phase = 0.0_f32;
        (0..(seconds * 8000.0) as usize)
            .map(|n| {
                let t = n as f32 / 8000.0;
                let glide = if t % 0.5 < 0.25 { t % 0.25 } else { 0.25 - t % 0.25 };
                phase += (120.0 + 160.0 * glide) / 8000.0;
                let envelope = (std::f32::consts::PI * (t % 0.25) / 0.25).sin();
                let wave: f32 = (1..=12).map(|h| (std::f32::consts::TAU * phase * h as f32).sin() / h as f32).sum();
                (4000.0 * envelope * wave) as i16
            })
            .collect()
    }

    fn noise(seconds: f32) -> Vec<i16> {
        Signal::ComfortNoise.make(seconds.ceil() as usize, 1)[..(seconds * 8000.0) as usize].to_vec()
    }

    #[track_caller]
    fn check(parts: &[Vec<i16>], speech: &[(f32, f32)]) {
        let found = talkspurts(&parts.concat());
        let seconds: Vec<_> = found.speech.iter().map(|s| (s.start as f32 / 8e3, s.end as f32 / 8e3)).collect();
        assert_eq!(seconds.len(), speech.len(), "{seconds:?}");
        for (found, expected) in seconds.iter().zip(speech) {
            // The lead-in and lead-out belong to the span; the edges are as sharp as a window.
            assert!((found.0 - (expected.0 - 0.2)).abs() < 0.06, "{seconds:?}");
            assert!((found.1 - (expected.1 + 0.3)).abs() < 0.08, "{seconds:?}");
        }
    }

    #[test]
    fn finds_talkspurts_where_they_are() {
        check(&[noise(2.0), voice(1.0), noise(2.0), voice(0.5), noise(1.0)], &[(2.0, 3.0), (5.0, 5.5)]);
    }

    #[test]
    fn a_short_gap_does_not_end_a_talkspurt() {
        check(&[noise(1.0), voice(0.5), noise(0.2), voice(0.5), noise(1.0)], &[(1.0, 2.2)]);
    }

    #[test]
    fn one_syllable_is_enough() {
        check(&[noise(1.0), voice(0.25), noise(1.0)], &[(1.0, 1.25)]);
    }

    #[test]
    fn a_clip_that_is_all_voice() {
        let found = talkspurts(&voice(3.0));
        assert_eq!((found.speech.len(), found.rejected), (1, 0));
        assert_eq!((found.speech[0].start, found.speech[0].end), (0, 24_000));
    }

    #[test]
    fn nothing_and_almost_nothing() {
        for len in [0, 1, 255, 256, 400] {
            assert_eq!(talkspurts(&vec![0; len]), Found::default());
        }
    }

    #[test]
    fn no_signal_of_the_line_is_speech() {
        for signal in ALL {
            for seed in 0..3 {
                let found = talkspurts(&signal.make(20, seed));
                assert!(found.speech.is_empty(), "{signal:?} with seed {seed}: {:?}", found.speech);
            }
        }
    }

    #[test]
    fn rejected_stretches_are_counted() {
        assert_eq!(talkspurts(&Signal::RingBack.make(15, 0)).rejected, 3);
    }

    #[test]
    #[ignore = "half an hour of sound takes a minute to search: `cargo test thirty_minutes -- --ignored`"]
    fn thirty_minutes_of_every_signal_of_the_line() {
        for signal in ALL {
            for seed in 0..30 {
                let found = talkspurts(&signal.make(60, 1000 + seed));
                assert!(found.speech.is_empty(), "{signal:?} with seed {seed}: {:?}", found.speech);
            }
        }
    }
}
