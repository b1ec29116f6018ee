//! What a caller heard, found in a telephone's recording by comparing it with the prompts: a witness that asks nothing
//! of the gateway.

use std::path::Path;

use minxin::ids::CaseNumber;

use super::{repository, samples};

/// A prompt counts as heard where the recording resembles it at least so much (normalised cross-correlation).
const LIKENESS: f64 = 0.9;

/// A place is looked at closely when a few samples are at least so much alike.
const PROMISING: f64 = 0.7;

/// Samples of a prompt that are searched for, and of a digit.
const PROBE: usize = 1_200;

/// Pieces of a prompt that are searched for, until one is found: a starved machine loses packets, and a telephone
/// conceals what it lost.
const PROBES: usize = 6;

/// Samples that are compared first.
const GLANCE: usize = 120;

/// Samples of a probe that move together, and how far they may lie from their place: a change of speed of 0.3 %, over a probe.
const PIECE: usize = 400;
const BEND: usize = 4;

/// By how much the codec may change a quiet sample.
const QUANTUM: u16 = 64;

/// Quieter samples are a prompt's lead-in, which resembles everything.
const LOUD: u16 = 500;

/// The engine plays whole 20 ms frames.
const FRAME: usize = 160;

/// Where the sentences that tell a case number begin with it.
const OPENERS: [&str; 2] = ["case.opened", "case.repeat"];

/// A telephone's recording.
pub struct Heard(Vec<i16>);

impl Heard {
    /// Reads what a telephone recorded.
    pub fn read(path: &Path) -> Self {
        Self(samples(path))
    }

    /// Whether prompt `id` was begun.
    pub fn has(&self, id: &str) -> bool {
        self.position(id, 0).is_some()
    }

    /// How much the most alike piece resembles the loudest part of prompt `id`, wherever it is: for sound that a codec
    /// has changed too much to be told by [`Self::has`].
    pub fn best(&self, id: &str) -> f64 {
        likeness_near(&prompt(id), &self.0, 0, self.0.len())
    }

    /// Fails unless these prompts were begun in this order.
    #[track_caller]
    pub fn must_have(&self, ids: &[&str]) {
        let mut from = 0;
        for id in ids {
            let Some(at) = self.position(id, from) else {
                panic!("{id} was not heard after {:.1} s of {:.1} s", seconds(from), seconds(self.0.len()))
            };
            from = at + 1;
        }
    }

    /// Every case number that was spoken to its last digit; one that was told twice is there twice.
    pub fn case_numbers(&self) -> Vec<CaseNumber> {
        let digits = Digit::all();
        let pause = prompt("pause").len();
        let mut numbers = Vec::new();
        for opener in OPENERS {
            let Some(opened) = self.position(opener, 0) else { continue };
            let mut at = opened + whole_frames(prompt(opener).len());
            let mut number = String::new();
            while let Some((digit, begins)) = self.next_digit(&digits, at, pause + 3 * FRAME) {
                number.push(digit.value);
                at = begins + whole_frames(digit.sound.len());
            }
            numbers.extend(number.parse::<CaseNumber>());
        }
        numbers
    }

    /// Where prompt `id` begins, in samples, at `from` or later; as near as what came through allows.
    fn position(&self, id: &str, from: usize) -> Option<usize> {
        let sound = prompt(id);
        let lead = lead(&sound);
        let step = ((sound.len() - lead) / PROBES).max(PROBE);
        (lead..sound.len()).step_by(step).find_map(|offset| {
            let probe = &sound[offset..(offset + PROBE).min(sound.len())];
            // What is left of a prompt's end may be nearly silent, which resembles everything.
            let loud = probe.len() > GLANCE && probe[..GLANCE].iter().any(|s| s.unsigned_abs() > LOUD);
            let last = self.0.len().checked_sub(probe.len()).filter(|_| loud)?;
            (from + offset..=last).find(|at| self.resembles(probe, *at)).map(|at| at - offset)
        })
    }

    /// The digit that begins at `at`, or within `slack` samples after it.
    fn next_digit<'a>(&self, digits: &'a [Digit], at: usize, slack: usize) -> Option<(&'a Digit, usize)> {
        let starts = at.saturating_sub(3 * FRAME)..at + slack;
        let first = starts.into_iter().find(|start| digits.iter().any(|d| self.resembles(d.loud(), start + d.lead)))?;
        // The neighbourhood decides: a digit resembles another one's shifted sound before its own is reached.
        (first..first + FRAME)
            .flat_map(|start| digits.iter().map(move |d| (d, start)))
            .filter(|(d, start)| start + d.sound.len() <= self.0.len())
            .max_by(|a, b| {
                let score = |(d, start): &(&Digit, usize)| bent_likeness(d.loud(), &self.0, start + d.lead);
                score(a).total_cmp(&score(b))
            })
    }

    fn resembles(&self, sound: &[i16], at: usize) -> bool {
        let Some(there) = self.0.get(at..at + sound.len()) else { return false };
        // Levels are kept on the way, so that most places are ruled out by one sample.
        if there[0].abs_diff(sound[0]) > sound[0].unsigned_abs() / 4 + QUANTUM {
            return false;
        }
        likeness(&sound[..GLANCE.min(sound.len())], there) > PROMISING && bent_likeness(sound, &self.0, at) > LIKENESS
    }
}

/// One digit as it is recorded for one place in a number.
struct Digit {
    value: char,
    sound: Vec<i16>,
    lead: usize,
}

impl Digit {
    fn all() -> Vec<Self> {
        let names = ('0'..='9').map(|value| (value, value.to_string())).chain([('1', "yao".to_owned())]);
        names
            .flat_map(|(value, name)| {
                [format!("d.{name}"), format!("d.{name}.end")].map(|id| {
                    let sound = prompt(&id);
                    Self { value, lead: lead(&sound), sound }
                })
            })
            .collect()
    }

    fn loud(&self) -> &[i16] {
        let loud = &self.sound[self.lead..];
        &loud[..loud.len().min(PROBE)]
    }
}

fn prompt(id: &str) -> Vec<i16> {
    samples(&repository(&format!("prompts/zh-CN/{id}.wav")))
}

/// The number of quiet samples that a sound begins with.
fn lead(sound: &[i16]) -> usize {
    sound.iter().position(|s| s.unsigned_abs() > LOUD).unwrap_or(0)
}

fn whole_frames(samples: usize) -> usize {
    samples.next_multiple_of(FRAME)
}

fn seconds(samples: usize) -> f64 {
    samples as f64 / 8_000.0
}

fn likeness(sound: &[i16], there: &[i16]) -> f64 {
    let (mut product, mut ours, mut theirs) = (0i64, 1i64, 1i64);
    for (a, b) in sound.iter().zip(there) {
        let (a, b) = (i64::from(*a), i64::from(*b));
        product += a * b;
        ours += a * a;
        theirs += b * b;
    }
    product as f64 / (ours as f64 * theirs as f64).sqrt()
}

/// How much `sound` resembles what lies at `at` in `track`, where a telephone may play a little faster or slower while its
/// jitter buffer's wait changes: piece by piece, each where it fits best nearby, louder pieces counting for more.
fn bent_likeness(sound: &[i16], track: &[i16], at: usize) -> f64 {
    let (mut alike, mut whole) = (0.0, 0.0);
    for (offset, piece) in (at..).step_by(PIECE).zip(sound.chunks(PIECE)) {
        let weight = (1.0 + power(piece) as f64).sqrt();
        let places =
            (offset.saturating_sub(BEND)..=offset + BEND).filter_map(|from| track.get(from..from + piece.len()));
        alike += weight * places.map(|there| likeness(piece, there)).fold(0.0, f64::max);
        whole += weight;
    }
    alike / whole
}

fn power(piece: &[i16]) -> i64 {
    piece.iter().map(|s| i64::from(*s) * i64::from(*s)).sum()
}

/// How much the loudest part of `sound` resembles what lies in `track`, where `sound` begins at `at` give or take
/// `slack` samples.
pub fn likeness_near(sound: &[i16], track: &[i16], at: usize, slack: usize) -> f64 {
    let pieces = (0..).step_by(PROBE).zip(sound.chunks_exact(PROBE));
    let (offset, probe) = pieces.max_by_key(|(_, piece)| power(piece)).expect("a sound");
    let first = (at + offset).saturating_sub(slack);
    let last = (at + offset + slack).min(track.len().saturating_sub(PROBE));
    // A coarse look first: every other place, by a tenth of the samples.
    let glance = |from: usize| {
        let thin = |piece: &[i16]| piece.iter().step_by(9).copied().collect::<Vec<_>>();
        likeness(&thin(probe), &thin(&track[from..from + PROBE]))
    };
    let mut places: Vec<_> = (first..=last).step_by(2).map(|from| (glance(from), from)).collect();
    places.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near = places.iter().take(GLANCE).flat_map(|(_, from)| [from.saturating_sub(1), *from, from + 1]);
    near.map(|from| bent_likeness(probe, track, from)).fold(0.0, f64::max)
}

/// The witness is believed only as far as this goes.
#[test]
fn a_spoken_number_is_found() {
    let said = ["notice", "case.opened", "d.yao", "d.0", "d.0", "d.0", "pause", "d.0", "d.0", "d.yao", "d.2.end"];
    let mut recording = vec![0; 77];
    for id in said.into_iter().chain(["case.repeat"]) {
        let mut sound = prompt(id);
        sound.resize(whole_frames(sound.len()), 0);
        recording.extend(sound);
    }
    let heard = Heard(recording);
    assert_eq!(heard.case_numbers().iter().map(ToString::to_string).collect::<Vec<_>>(), ["10000012"]);
    heard.must_have(&["notice", "case.opened", "case.repeat"]);
    assert!(!heard.has("welcome"));
}
