//! What a caller heard, found in a telephone's recording by comparing it with the prompts: a witness that asks nothing
//! of the gateway.

use super::{repository, samples};

/// A prompt counts as heard where the recording resembles it at least so much (normalised cross-correlation).
const LIKENESS: f64 = 0.9;

/// Samples of a prompt's beginning that are searched for.
const PROBE: usize = 1_200;

/// The engine plays whole 20 ms frames.
const FRAME: usize = 160;

/// Where prompt `id` begins in `recording`, if it was heard.
pub fn position(recording: &[i16], id: &str) -> Option<usize> {
    let prompt = prompt(id);
    let lead = prompt.iter().position(|s| s.unsigned_abs() > 400)?;
    let probe = &prompt[lead..(lead + PROBE).min(prompt.len())];
    let mut best = (LIKENESS, None);
    for at in 0..recording.len().saturating_sub(probe.len()) {
        // Most places are ruled out by a few samples.
        if likeness(&probe[..probe.len() / 8], &recording[at..]) > 0.6 {
            let found = likeness(probe, &recording[at..]);
            if found > best.0 {
                best = (found, Some(at.saturating_sub(lead)));
            }
        }
    }
    best.1
}

/// Every case number that was spoken to its last digit.
pub fn case_numbers(recording: &[i16]) -> Vec<String> {
    let pieces: Vec<(char, Vec<i16>)> = ('0'..='9')
        .flat_map(|digit| [(digit, format!("d.{digit}")), (digit, format!("d.{digit}.end"))])
        .chain([('1', "d.yao".to_owned()), ('1', "d.yao.end".to_owned())])
        .map(|(digit, id)| (digit, prompt(&id)))
        .collect();
    let mut numbers = Vec::new();
    for opener in ["case.opened", "case.repeat"] {
        let Some(at) = position(recording, opener) else { continue };
        let mut at = at + frames(prompt(opener).len());
        let mut number = String::new();
        while let Some((digit, length)) = next_digit(recording, at, &pieces) {
            number.push(digit);
            at += frames(length);
        }
        if number.parse::<minxin::ids::CaseNumber>().is_ok() {
            numbers.push(number);
        }
    }
    numbers
}

/// The digit that begins at `at`, give or take a frame, and its length in samples.
fn next_digit(recording: &[i16], at: usize, pieces: &[(char, Vec<i16>)]) -> Option<(char, usize)> {
    let starts = at.saturating_sub(8)..at + 8;
    let scored = pieces.iter().flat_map(|(digit, piece)| {
        starts
            .clone()
            .filter(|s| *s + piece.len() <= recording.len())
            .map(move |s| (likeness(piece, &recording[s..]), (*digit, piece.len())))
    });
    scored.filter(|(found, _)| *found > LIKENESS).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, piece)| piece)
}

fn prompt(id: &str) -> Vec<i16> {
    samples(&repository(&format!("prompts/zh-CN/{id}.wav")))
}

fn frames(samples: usize) -> usize {
    samples.div_ceil(FRAME) * FRAME
}

fn likeness(piece: &[i16], recording: &[i16]) -> f64 {
    let (mut product, mut ours, mut theirs) = (0f64, 1f64, 1f64);
    for (a, b) in piece.iter().zip(recording) {
        let (a, b) = (f64::from(*a), f64::from(*b));
        product += a * b;
        ours += a * a;
        theirs += b * b;
    }
    product / (ours * theirs).sqrt()
}
