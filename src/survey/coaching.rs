//! Whether the answers of a village look as if somebody had told people what to say (N1).
//!
//! No single answer is judged, and nobody is accused: a flag asks for a look. Four signs are held against what the rest of
//! the district shows, each by a one-sided test; a village is flagged when the least likely of them would come by chance in
//! fewer than [`ALPHA`] of clean villages, the number of tests allowed for (Bonferroni).
//!
//! What people were told to press does not follow a scale that was turned round by lot; what they were told to say comes
//! faster than one can listen; and some of them say so when asked.

use std::collections::BTreeMap;

use super::model::{Kind, LEVELS, Measure, Question, Survey};
use super::results::{Given, Respondent};

/// Chance that a clean village is flagged.
pub const ALPHA: f64 = 0.05;

/// An answer that comes sooner after the question than this was not thought about.
pub const FAST_MS: i32 = 800;

/// Interviews below which a village is not judged.
pub const JUDGED_MIN: usize = 20;

/// Least share that is taken for usual: a district in which nobody ever answered fast does not make two fast answers a sign.
const USUAL_MIN: f64 = 0.03;

/// The same for people who say that they were told what to answer: some press the wrong key.
const TOLD_MIN: f64 = 0.03;

/// What one interview shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The ratings given, 1 the worst.
    pub levels: Vec<u8>,
    /// Whether key 1 was the best in this call.
    pub down: bool,
    /// Time from each question's end to its answer, in milliseconds, where known.
    pub latencies_ms: Vec<i32>,
    /// What was said to the question whether somebody asked for certain answers.
    pub told: Option<bool>,
}

/// One sign, and how likely it is by chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sign {
    /// What it is.
    pub kind: SignKind,
    /// Share or difference seen in the village.
    pub seen: f64,
    /// What the rest of the district shows; zero for a difference.
    pub usual: f64,
    /// Probability of seeing at least that by chance.
    pub p: f64,
}

/// The signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignKind {
    /// Most answers of an interview came within [`FAST_MS`].
    Fast,
    /// Every rating the best, and fast.
    UniformBest,
    /// Ratings that hang on the direction of the scale: keys were pressed by rote.
    Direction,
    /// People say that they were told.
    Told,
}

impl SignKind {
    /// As in the JSON interface.
    pub fn code(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::UniformBest => "uniform_best",
            Self::Direction => "direction",
            Self::Told => "told",
        }
    }
}

/// The signs of a village beside the rest of the district; none where there are too few interviews to judge.
pub fn signs(village: &[Trace], rest: &[Trace]) -> Vec<Sign> {
    if village.len() < JUDGED_MIN {
        return Vec::new();
    }
    let share = |kind, of: &dyn Fn(&Trace) -> Option<bool>, least: f64| {
        let count = |traces: &[Trace]| {
            let known: Vec<bool> = traces.iter().filter_map(of).collect();
            (known.iter().filter(|hit| **hit).count(), known.len())
        };
        let ((hits, n), (rest_hits, rest_n)) = (count(village), count(rest));
        let usual = (rest_hits as f64 / rest_n.max(1) as f64).max(least);
        Sign { kind, seen: hits as f64 / n.max(1) as f64, usual, p: at_least(hits, n, usual) }
    };
    vec![
        share(SignKind::Fast, &|t| t.fast(), USUAL_MIN),
        share(SignKind::UniformBest, &|t| Some(t.fast()? && t.uniform()?), USUAL_MIN),
        direction(village),
        share(SignKind::Told, &|t| t.told, TOLD_MIN),
    ]
}

/// The signs of every unit beside all the others, by the units' keys.
pub fn signs_by_unit(survey: &Survey, respondents: &[Respondent]) -> BTreeMap<i64, Vec<Sign>> {
    let mut traces: BTreeMap<i64, Vec<Trace>> = BTreeMap::new();
    for respondent in respondents {
        if let Some(unit) = respondent.unit {
            traces.entry(unit).or_default().push(Trace::of(survey, respondent));
        }
    }
    let rest = |unit: &i64| -> Vec<Trace> {
        traces.iter().filter(|(other, _)| *other != unit).flat_map(|(_, traces)| traces.iter().cloned()).collect()
    };
    traces.iter().map(|(unit, village)| (*unit, signs(village, &rest(unit)))).collect()
}

/// Whether the signs together ask for a look.
pub fn flagged(signs: &[Sign]) -> bool {
    signs.iter().any(|sign| sign.p < ALPHA / signs.len() as f64)
}

impl Trace {
    /// What somebody's interview shows.
    pub fn of(survey: &Survey, respondent: &Respondent) -> Self {
        let rating = |given: &&Given| {
            matches!(survey.question(&given.question), Some((_, Question { kind: Kind::Rating { .. }, .. })))
        };
        let told = |given: &Given| {
            let (_, question) = survey.question(&given.question)?;
            (question.measure == Some(Measure::Coached)).then(|| given.value == "yes")
        };
        Self {
            levels: respondent.given.iter().filter(rating).filter_map(|g| g.value.parse().ok()).collect(),
            down: respondent.draw.down(),
            latencies_ms: respondent.given.iter().filter_map(|g| g.latency_ms).collect(),
            told: respondent.given.iter().find_map(told),
        }
    }

    fn fast(&self) -> Option<bool> {
        let fast = self.latencies_ms.iter().filter(|ms| **ms < FAST_MS).count();
        (!self.latencies_ms.is_empty()).then(|| fast * 2 > self.latencies_ms.len())
    }

    fn uniform(&self) -> Option<bool> {
        (self.levels.len() > 1).then(|| self.levels.iter().all(|level| *level == LEVELS))
    }

    fn mean(&self) -> Option<f64> {
        let sum: u32 = self.levels.iter().map(|level| u32::from(*level)).sum();
        (!self.levels.is_empty()).then(|| f64::from(sum) / self.levels.len() as f64)
    }
}

/// Whether ratings are better where key 5 was the best than where key 1 was. Who listens gives the same rating either way; who
/// presses 5 by rote, or 1, does not. Welch's test in its normal approximation, two-sided.
fn direction(village: &[Trace]) -> Sign {
    let (down, up): (Vec<&Trace>, Vec<&Trace>) = village.iter().partition(|t| t.down);
    let moments = |traces: &[&Trace]| {
        let means: Vec<f64> = traces.iter().filter_map(|t| t.mean()).collect();
        let n = means.len() as f64;
        let mean = means.iter().sum::<f64>() / n;
        let spread = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (n >= 5.0).then_some((mean, spread / n))
    };
    let none = Sign { kind: SignKind::Direction, seen: 0.0, usual: 0.0, p: 1.0 };
    let (Some((up, up_error)), Some((down, down_error))) = (moments(&up), moments(&down)) else { return none };
    let seen = up - down;
    let error = (up_error + down_error).sqrt();
    let p = if error > 0.0 { 2.0 * upper_tail(seen.abs() / error) } else { f64::from(u8::from(seen == 0.0)) };
    Sign { seen, p, ..none }
}

/// Probability of at least `hits` of `n` where each has the chance `p` (binomial).
fn at_least(hits: usize, n: usize, p: f64) -> f64 {
    if hits == 0 {
        return 1.0;
    }
    let log_choose = |k: usize| (1..=k).map(|i| ((n - k + i) as f64 / i as f64).ln()).sum::<f64>();
    let term = |k: usize| (log_choose(k) + k as f64 * p.ln() + (n - k) as f64 * (1.0 - p).ln()).exp();
    if p >= 1.0 { 1.0 } else { (hits..=n).map(term).sum::<f64>().min(1.0) }
}

/// Probability that a standard normal variable exceeds `z`, for `z` not below zero (Abramowitz and Stegun 26.2.17; error below
/// 7.5e-8).
fn upper_tail(z: f64) -> f64 {
    const COEFFICIENTS: [f64; 5] = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let sum = COEFFICIENTS.iter().rev().fold(0.0, |sum, c| (sum + c) * t);
    (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::example::{at, callback};
    use crate::survey::random::Random;
    use crate::survey::{Draw, Mode};

    #[test]
    fn tails_as_tabulated() {
        let check = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        check(upper_tail(1.959_964), 0.025);
        check(upper_tail(0.0), 0.5);
        check(at_least(2, 2, 0.5), 0.25);
        check(at_least(3, 10, 0.1), 0.070_190_8);
        check(at_least(0, 10, 0.1), 1.0);
    }

    /// How the people of a simulated village answer.
    #[derive(Clone, Copy)]
    enum Coached {
        /// Nobody was told anything.
        Nobody,
        /// Some were told which key to press.
        Keys,
        /// Some were told what to say.
        Words,
    }

    /// One person. Honest ratings scatter about the village's own level; honest latencies are log-normal with a median of 2.2 s,
    /// one in twelve people is quick by nature, one in fifty presses the wrong key at the last question.
    fn person(random: &mut Random, level: f64, told_what: Option<Coached>) -> Trace {
        let normal = |random: &mut Random| (0..12).map(|_| random.unit()).sum::<f64>() - 6.0;
        let down = random.unit() < 0.5;
        let quick = random.unit() < 0.08;
        let honest: Vec<u8> = {
            let own = level + 0.9 * normal(random);
            (0..2).map(|_| (own + 0.4 * normal(random)).round().clamp(1.0, 5.0) as u8).collect()
        };
        let rote = match told_what {
            Some(Coached::Keys) => Some(if down { 1 } else { 5 }),
            Some(Coached::Words) => Some(5),
            Some(Coached::Nobody) | None => None,
        };
        let latencies_ms = (0..6)
            .map(|_| {
                let median: f64 = if rote.is_some() || quick { 650.0 } else { 2_200.0 };
                (median.ln() + 0.45 * normal(random)).exp() as i32
            })
            .collect();
        // One in six of those who were told says so.
        let told = Some(random.unit() < if rote.is_some() { 1.0 / 6.0 } else { 0.02 });
        Trace { levels: rote.map_or(honest, |level| vec![level, level]), down, latencies_ms, told }
    }

    /// A village in which this share of people was coached.
    fn village(random: &mut Random, coached: Coached, share: f64) -> Vec<Trace> {
        // Villages differ, and so do their sizes.
        let level = 3.4 + 1.2 * random.unit();
        let size = 40 + random.below(60);
        (0..size)
            .map(|_| {
                let told = !matches!(coached, Coached::Nobody) && random.unit() < share;
                person(random, level, told.then_some(coached))
            })
            .collect()
    }

    fn share_flagged(coached: Coached, share: f64, villages: u64, seed: u64) -> f64 {
        let mut random = Random::new(seed);
        let rest: Vec<Trace> = (0..20).flat_map(|_| village(&mut random, Coached::Nobody, 0.0)).collect();
        let flags = (0..villages).filter(|_| flagged(&signs(&village(&mut random, coached, share), &rest))).count();
        flags as f64 / villages as f64
    }

    /// N1: at least 95 of 100 villages in which two in five were coached are flagged, and at most 5 of 100 clean ones.
    #[test]
    fn coached_villages_are_flagged_and_clean_ones_are_not() {
        let seed = 20_261;
        let clean = share_flagged(Coached::Nobody, 0.0, 400, seed);
        println!(
            "flagged of 400 villages each, seed {seed}\n| coached | which key to press | what to say |\n|---|---|---|"
        );
        println!("| nobody | {:.1} % | {:.1} % |", 100.0 * clean, 100.0 * clean);
        for share in [0.1, 0.2, 0.3, 0.4] {
            let [keys, words] = [Coached::Keys, Coached::Words].map(|how| share_flagged(how, share, 400, seed));
            println!("| {:.0} in 100 | {:.1} % | {:.1} % |", 100.0 * share, 100.0 * keys, 100.0 * words);
            assert!(share < 0.4 || (keys >= 0.95 && words >= 0.95), "{keys} {words}");
        }
        assert!(clean <= 0.05, "{clean}");
    }

    #[test]
    fn each_sign_is_seen_by_itself() {
        let honest = |i: usize| Trace {
            levels: vec![3 + (i % 3) as u8, 3 + (i / 3 % 3) as u8],
            down: i.is_multiple_of(2),
            latencies_ms: vec![2_000; 6],
            told: Some(false),
        };
        let rest: Vec<Trace> = (0..300).map(honest).collect();
        let check = |change: &dyn Fn(usize, &mut Trace), expected: &[SignKind]| {
            let mut village: Vec<Trace> = (0..60).map(honest).collect();
            village.iter_mut().enumerate().for_each(|(i, trace)| change(i, trace));
            let signs = signs(&village, &rest);
            let found: Vec<_> = signs.iter().filter(|s| s.p < ALPHA / signs.len() as f64).map(|s| s.kind).collect();
            assert_eq!(found, expected);
            assert_eq!(flagged(&signs), !expected.is_empty());
        };
        check(&|_, _| {}, &[]);
        check(
            &|i, t| {
                if i.is_multiple_of(5) {
                    t.latencies_ms = vec![500; 6]
                }
            },
            &[SignKind::Fast],
        );
        check(
            &|i, t| {
                if i.is_multiple_of(5) {
                    t.told = Some(true)
                }
            },
            &[SignKind::Told],
        );
        check(
            &|i, t| {
                if i % 5 < 2 {
                    t.levels = vec![if t.down { 1 } else { 5 }; 2]
                }
            },
            &[SignKind::Direction],
        );
        // A good village is no coached one: everybody satisfied, in their own time.
        check(&|_, t| t.levels = vec![5, 5], &[]);
    }

    #[test]
    fn interviews_are_read_by_their_questions() {
        let survey = callback();
        let given = [("solved", "yes", 900), ("attitude", "5", 400), ("overall", "4", 700), ("coached", "yes", 1_000)];
        let given = given.map(|(question, value, latency_ms)| Given {
            attempt: uuid::Uuid::nil(),
            question: question.into(),
            value: value.into(),
            mode: Mode::Key,
            latency_ms: Some(latency_ms),
            at: at("2026-09-28T10:00"),
        });
        let respondent = Respondent {
            sample: 1,
            unit: Some(100),
            window: None,
            age_band: None,
            weight: 1.0,
            draw: Draw(1),
            given: given.to_vec(),
        };
        let trace = Trace::of(&survey, &respondent);
        let expected =
            Trace { levels: vec![5, 4], down: true, latencies_ms: vec![900, 400, 700, 1_000], told: Some(true) };
        assert_eq!(trace, expected);
        assert_eq!(signs_by_unit(&survey, &[respondent]).into_iter().collect::<Vec<_>>(), [(100, vec![])]);
    }

    #[test]
    fn a_handful_is_not_judged() {
        let trace = Trace { levels: vec![5, 5], down: false, latencies_ms: vec![300; 6], told: Some(true) };
        assert_eq!(signs(&vec![trace; JUDGED_MIN - 1], &[]), []);
        assert!(!flagged(&[]));
    }
}
