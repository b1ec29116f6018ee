//! Cuts a channel into utterances that the recogniser takes one at a time, and readies each of them.

use std::ops::Range;

use super::level;
use super::resample::to_speech_rate;
use super::talkspurt::Span;
use crate::units::{NARROWBAND_HZ, SPEECH_HZ};

/// Talkspurts closer together than this are one utterance, in samples at 8 kHz: Whisper understands a sentence better than
/// its pieces. One second.
const JOIN: usize = 8_000;

/// Utterances are joined up to this length, in samples at 8 kHz: ten seconds, which the reader of a transcript takes in at a
/// glance.
const COMFORTABLE: usize = 80_000;

/// Longest utterance, in samples at 8 kHz: 28 s, within Whisper's window of thirty. A longer talkspurt is cut.
pub const LONGEST: usize = 224_000;

/// Where a talkspurt is cut: within its last so many samples, at the quietest place.
const CUT_WITHIN: usize = 48_000;

/// Shortest audio that Whisper is given, in samples at 16 kHz: from less than a second it makes nothing, without an error, so
/// that 是 and 不是 would vanish. Shorter ones are padded with silence.
pub const SHORTEST_16K: usize = 17_600;

/// The utterances of a channel with these talkspurts, in order.
pub fn utterances(pcm_8k: &[i16], talkspurts: &[Span]) -> Vec<Span> {
    let mut all: Vec<Span> = Vec::new();
    for talkspurt in talkspurts.iter().flat_map(|t| cut(pcm_8k, t.clone())) {
        match all.last_mut() {
            Some(last)
                if talkspurt.start.saturating_sub(last.end) <= JOIN && talkspurt.end - last.start <= COMFORTABLE =>
            {
                last.end = talkspurt.end;
            }
            _ => all.push(talkspurt),
        }
    }
    all
}

/// One talkspurt in pieces no longer than [`LONGEST`].
fn cut(pcm_8k: &[i16], mut rest: Span) -> Vec<Span> {
    let mut pieces = Vec::new();
    while rest.len() > LONGEST {
        let end = rest.start + LONGEST;
        let at = quietest(pcm_8k, end - CUT_WITHIN..end);
        pieces.push(rest.start..at);
        rest.start = at;
    }
    pieces.push(rest);
    pieces
}

/// The middle of the quietest 100 ms of `range`.
fn quietest(pcm_8k: &[i16], range: Range<usize>) -> usize {
    const STRETCH: usize = 800;
    let energy = |start: &usize| -> i64 { pcm_8k[*start..*start + STRETCH].iter().map(|&s| i64::from(s).pow(2)).sum() };
    let starts = range.clone().step_by(STRETCH / 2).filter(|s| s + STRETCH <= range.end);
    starts.min_by_key(energy).map_or(range.end, |s| s + STRETCH / 2)
}

/// What the recogniser is given for an utterance: at its rate, at one level, long enough.
pub fn ready(pcm_8k: &[i16]) -> Vec<f32> {
    let mut pcm = to_speech_rate(pcm_8k);
    level::normalise(&mut pcm);
    pcm.resize(pcm.len().max(SHORTEST_16K), 0.0);
    pcm
}

/// Milliseconds at which a sample at 8 kHz lies.
pub fn millis(sample: usize) -> i64 {
    (sample as u64 * 1000 / u64::from(NARROWBAND_HZ)) as i64
}

// The padding and the resampler count in whole multiples.
const _: () = assert!(SPEECH_HZ == 2 * NARROWBAND_HZ);

#[cfg(test)]
mod tests {
    use super::*;

    /// Spans as first and last sample.
    #[track_caller]
    fn check(talkspurts: &[(usize, usize)], expected: &[(usize, usize)]) {
        let talkspurts: Vec<Span> = talkspurts.iter().map(|t| t.0..t.1).collect();
        let found = utterances(&vec![0; 800_000], &talkspurts);
        assert_eq!(found.iter().map(|u| (u.start, u.end)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn near_talkspurts_are_joined_up_to_a_length() {
        check(&[], &[]);
        check(&[(0, 8000), (16_000, 24_000)], &[(0, 24_000)]);
        check(&[(0, 8000), (16_001, 24_000)], &[(0, 8000), (16_001, 24_000)]);
        check(&[(0, 60_000), (61_000, 80_000), (81_000, 90_000)], &[(0, 80_000), (81_000, 90_000)]);
    }

    #[test]
    fn a_long_talkspurt_is_cut_where_it_is_quiet() {
        let mut pcm = vec![1000; 500_000];
        pcm[200_000..202_000].fill(0);
        let pieces = utterances(&pcm, std::slice::from_ref(&(0..500_000)));
        assert!((200_000..202_000).contains(&pieces[0].end), "{pieces:?}");
        assert!(pieces.iter().all(|p| p.len() <= LONGEST));
        assert_eq!((pieces[0].start, pieces[2].end), (0, 500_000));
        assert!(pieces.windows(2).all(|w| w[0].end == w[1].start), "nothing is lost between pieces");
    }

    #[test]
    fn one_word_is_padded_and_a_sentence_is_not() {
        assert_eq!(ready(&[100; 1200]).len(), SHORTEST_16K);
        assert_eq!(ready(&[100; 12_000]).len(), 24_000);
        assert!(ready(&[0; 1200]).iter().all(|&s| s == 0.0));
    }

    #[test]
    fn times() {
        assert_eq!((millis(0), millis(8), millis(8_000 * 3600)), (0, 1, 3_600_000));
    }
}
