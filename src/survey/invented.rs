//! An invented survey, to see pages filled and to measure them: people of villages that differ, rung over some months. The same
//! seed invents the same people.
//!
//! Shares and moods are made up. Villages differ in size, so that some are too small to rank or to show, and in how well they
//! serve; one has been told what to answer (N1).

use chrono::{DateTime, Days, TimeDelta, Utc};

use super::answer::Mode;
use super::disposition::{Disposition, InterviewEnd, Outcome};
use super::interview::Draw;
use super::model::{Kind, LEVELS, Measure, Question, Survey};
use super::random::Random;

/// Days over which one campaign rings.
const CAMPAIGN_DAYS: u64 = 25;

/// Attempts to reach one number, at most.
const ATTEMPTS: usize = 3;

/// Age bands, with how many of a hundred fall into each and how many of a hundred of them answer by speech.
const AGES: [(&str, u64, u64); 5] =
    [("18-34", 14, 55), ("35-49", 24, 40), ("50-59", 22, 28), ("60-69", 24, 16), ("70+", 16, 8)];

/// Somebody who was sampled.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// The unit that is rated.
    pub unit: i64,
    /// The window that is rated.
    pub window: i16,
    /// Their age band.
    pub age_band: &'static str,
    /// Their design weight.
    pub weight: f64,
    /// Their draw by lot.
    pub draw: Draw,
    /// How often they were rung, and what came of it; the last one counts.
    pub attempts: Vec<Try>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Try {
    /// When it was rung.
    pub at: DateTime<Utc>,
    /// How long it took, ringing included.
    pub lasted: TimeDelta,
    /// How it came out.
    pub outcome: Outcome,
    /// What was answered.
    pub answers: Vec<Reply>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The question's name.
    pub question: String,
    /// As stored.
    pub value: String,
    /// By what.
    pub mode: Mode,
    /// From the question's end, in milliseconds.
    pub latency_ms: i32,
    /// When the question began, since the call was answered.
    pub asked: TimeDelta,
    /// When it was answered, likewise.
    pub given: TimeDelta,
}

/// How a village serves.
#[derive(Clone, Copy, Debug)]
struct Village {
    unit: i64,
    /// Chance that an answer is a good one.
    good: f64,
    /// How much more often its people are drawn than those of the smallest village.
    size: u64,
    /// Whether two in five of its people were told what to answer.
    told: bool,
}

impl Person {
    /// The disposition that the attempts come to.
    pub fn disposition(&self) -> Disposition {
        let all = self.attempts.iter().map(|attempt| attempt.outcome.disposition());
        all.reduce(Disposition::stronger).unwrap_or(Disposition::NotAttempted)
    }
}

/// The people of one campaign that begins at `start`, of these units and windows. Those whose call would begin at `now` or
/// later are not rung yet.
pub fn people(
    survey: &Survey,
    units: &[i64],
    windows: &[i16],
    numbers: usize,
    start: DateTime<Utc>,
    now: DateTime<Utc>,
    seed: u64,
) -> Vec<Person> {
    let villages = villages(units, seed);
    let mut random = Random::stream(seed, start.timestamp().unsigned_abs());
    let mut people = Vec::with_capacity(numbers);
    while people.len() < numbers {
        let Some(village) = pick(&villages, &mut random) else { break };
        let window = windows.get(random.below(windows.len() as u64) as usize).copied().unwrap_or(1);
        people.push(person(survey, village, window, start, now, &mut random));
    }
    people
}

/// Villages as the seed has them, whichever campaign asks.
fn villages(units: &[i64], seed: u64) -> Vec<Village> {
    let mut random = Random::new(seed);
    let village = |(at, unit): (usize, &i64)| Village {
        unit: *unit,
        good: 0.58 + 0.38 * random.unit(),
        // Half of the people live in a few large villages; every seventh is tiny.
        size: if at % 7 == 3 { 1 } else { 8 + random.below(40) + if at % 5 == 0 { 60 } else { 0 } },
        told: at == 1,
    };
    units.iter().enumerate().map(village).collect()
}

fn pick(villages: &[Village], random: &mut Random) -> Option<Village> {
    let mut drawn = random.below(villages.iter().map(|v| v.size).sum());
    villages.iter().copied().find(|village| {
        let here = drawn < village.size;
        drawn = drawn.saturating_sub(village.size);
        here
    })
}

fn person(
    survey: &Survey,
    village: Village,
    window: i16,
    start: DateTime<Utc>,
    now: DateTime<Utc>,
    random: &mut Random,
) -> Person {
    let (age_band, _, speaks) = age(random);
    let mut person = Person {
        unit: village.unit,
        window,
        age_band,
        weight: 1.0 + (village.size % 5) as f64 / 2.0,
        draw: Draw(random.bits()),
        attempts: Vec::new(),
    };
    let mut day = random.below(CAMPAIGN_DAYS);
    for _ in 0..ATTEMPTS {
        // Between nine and noon, or half past two and half past eight.
        let minute = random.below(540);
        let minute = if minute < 180 { minute } else { minute + 150 };
        let at = start + Days::new(day) + TimeDelta::minutes(minute.cast_signed());
        if at >= now {
            break;
        }
        let attempt = attempt(survey, village, speaks, at, person.draw, random);
        let reached = attempt.outcome.disposition().contacted();
        let dead = matches!(attempt.outcome, Outcome::NonWorking | Outcome::OutOfService | Outcome::Fax);
        person.attempts.push(attempt);
        if reached || dead {
            break;
        }
        day += 1 + random.below(3);
    }
    person
}

fn age(random: &mut Random) -> (&'static str, u64, u64) {
    let mut drawn = random.below(100);
    let found = AGES.into_iter().find(|(_, share, _)| {
        let here = drawn < *share;
        drawn = drawn.saturating_sub(*share);
        here
    });
    found.unwrap_or(AGES[0])
}

fn attempt(survey: &Survey, village: Village, speaks: u64, at: DateTime<Utc>, draw: Draw, random: &mut Random) -> Try {
    let nobody = |outcome, seconds| Try { at, lasted: TimeDelta::seconds(seconds), outcome, answers: Vec::new() };
    match random.below(100) {
        0..50 => interview(survey, village, speaks, at, draw, random),
        50..58 => nobody(Outcome::Machine, 24),
        58..67 => nobody(Outcome::Busy, 4),
        67..90 => nobody(Outcome::NoAnswer, 45),
        90..93 => nobody(Outcome::Unreachable, 9),
        93..97 => nobody(Outcome::NonWorking, 6),
        97..99 => nobody(Outcome::OutOfService, 6),
        _ => nobody(Outcome::Fax, 12),
    }
}

fn interview(
    survey: &Survey,
    village: Village,
    speaks: u64,
    at: DateTime<Utc>,
    draw: Draw,
    random: &mut Random,
) -> Try {
    let told = village.told && random.below(5) < 2;
    // One in twelve hangs up, at any question; one in thirty asks never to be rung.
    let leaves = (random.below(12) == 0).then(|| random.below(survey.questions.len() as u64) as usize);
    let refuses = random.below(30) == 0;
    let mut clock = TimeDelta::seconds(17);
    let mut answers: Vec<Reply> = Vec::new();
    let mut skip = false;
    for (place, question) in survey.questions.iter().enumerate() {
        if refuses || leaves == Some(place) {
            break;
        }
        if std::mem::take(&mut skip) {
            continue;
        }
        let asked = clock;
        let value = value(question, village.good, told, draw, random);
        let mode = if random.below(100) < speaks { Mode::Speech } else { Mode::Key };
        let latency_ms = if told { 250 + random.below(500) } else { 900 + random.below(2_600) };
        clock +=
            TimeDelta::seconds(6 + random.below(5).cast_signed()) + TimeDelta::milliseconds(latency_ms.cast_signed());
        // A remark follows only a wish to leave one.
        skip = value == "no" && !question.go.is_empty();
        let latency_ms = i32::try_from(latency_ms).unwrap_or(i32::MAX);
        answers.push(Reply { question: question.id.clone(), value, mode, latency_ms, asked, given: clock });
        clock += TimeDelta::milliseconds(400);
    }
    let counts = |id: &str| survey.question(id).is_some_and(|(_, q)| q.counts);
    let answered = answers.iter().filter(|a| counts(&a.question)).count() as u16;
    let applicable = survey.questions.iter().filter(|q| q.counts).count() as u16;
    let end = match (refuses, leaves) {
        (true, _) => InterviewEnd::OptedOut,
        (false, Some(_)) => InterviewEnd::HungUp,
        (false, None) => InterviewEnd::Thanked,
    };
    let outcome = Outcome::Reached { answered, applicable, end };
    Try { at, lasted: clock + TimeDelta::seconds(12), outcome, answers }
}

fn value(question: &Question, good: f64, told: bool, draw: Draw, random: &mut Random) -> String {
    let good = if told { 0.99 } else { good };
    match &question.kind {
        Kind::Rating { .. } if told => {
            // Pressed by rote: where the scale is turned round, the same key says the opposite.
            if draw.down() { "1".to_owned() } else { LEVELS.to_string() }
        }
        Kind::Rating { .. } => match random.unit() {
            mood if mood < good * 0.6 => "5".to_owned(),
            mood if mood < good => "4".to_owned(),
            mood if mood < good + (1.0 - good) * 0.5 => "3".to_owned(),
            mood if mood < good + (1.0 - good) * 0.8 => "2".to_owned(),
            _ => "1".to_owned(),
        },
        Kind::YesNo => {
            let yes = match question.measure {
                Some(Measure::Coached) => {
                    if told {
                        0.3
                    } else {
                        0.01
                    }
                }
                None => 0.18,
                Some(_) => good,
            };
            if random.unit() < yes { "yes" } else { "no" }.to_owned()
        }
        Kind::Choice { options, .. } => {
            options.get(random.below(options.len() as u64) as usize).map(|o| o.code.clone()).unwrap_or_default()
        }
        Kind::Number { min, .. } => (u64::from(*min) + random.below(3) + random.below(2)).to_string(),
        Kind::Remark => "remark".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::example::{at, callback};

    const UNITS: [i64; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

    fn invent(now: &str, seed: u64) -> Vec<Person> {
        people(&callback(), &UNITS, &[1, 2, 7], 2_000, at("2026-03-01T09:00"), at(now), seed)
    }

    #[test]
    fn a_seed_invents_the_same_people_again() {
        let people = invent("2026-06-01T09:00", 7);
        assert_eq!(people.len(), 2_000);
        assert_eq!(people, invent("2026-06-01T09:00", 7));
        assert_ne!(people, invent("2026-06-01T09:00", 8));
    }

    #[test]
    fn every_answer_is_one_that_its_question_takes() {
        let survey = callback();
        for reply in invent("2026-06-01T09:00", 7).iter().flat_map(|p| &p.attempts).flat_map(|t| &t.answers) {
            let (_, question) = survey.question(&reply.question).expect("a question");
            assert!(question.kind.value(&reply.value).is_some(), "{reply:?}");
            assert!(reply.asked < reply.given, "{reply:?}");
        }
    }

    #[test]
    fn there_are_all_kinds_of_people_and_villages() {
        let people = invent("2026-06-01T09:00", 7);
        let with = |disposition| people.iter().filter(|p| p.disposition() == disposition).count();
        for disposition in Disposition::ALL {
            let rare = matches!(disposition, Disposition::Other | Disposition::NotAttempted | Disposition::Technical);
            assert!(rare || with(disposition) > 0, "{disposition}");
        }
        let complete =
            |unit| people.iter().filter(|p| p.unit == unit && p.disposition() == Disposition::Complete).count();
        let sizes: Vec<usize> = UNITS.into_iter().map(complete).collect();
        assert!(sizes.iter().any(|n| *n < 5) && sizes.iter().any(|n| *n >= 30), "{sizes:?}");
    }

    #[test]
    fn nobody_is_rung_in_the_future() {
        let people = invent("2026-03-05T12:00", 7);
        assert!(people.iter().flat_map(|p| &p.attempts).all(|t| t.at < at("2026-03-05T12:00")));
        assert!(people.iter().any(|p| p.disposition() == Disposition::NotAttempted));
    }
}
