//! What was answered, question by question. Every answer counts that was given and not taken back, also that of an interview
//! broken off later: each question says how many answered it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::answer::Mode;
use super::figures::{self, Mean, Proportion};
use super::interview::Draw;
use super::model::{Kind, Measure, Survey};

/// Level from which a rating counts as satisfied.
const SATISFIED_FROM: u8 = 4;

/// A person who was reached, with the answers that hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Respondent {
    /// The sampled number's key.
    pub sample: i64,
    /// The organisation that is rated.
    pub unit: Option<i64>,
    /// The window that is rated.
    pub window: Option<i16>,
    /// As drawn.
    pub age_band: Option<String>,
    /// Design weight.
    pub weight: f64,
    /// The draw by lot of scales and orders.
    pub draw: Draw,
    /// The answers, one for each question at most.
    pub given: Vec<Given>,
}

/// An answer that holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// The attempt, which is the call in which it can be heard.
    pub attempt: uuid::Uuid,
    /// The question's name.
    pub question: String,
    /// As stored.
    pub value: String,
    /// By what.
    pub mode: Mode,
    /// From the question's end, in milliseconds.
    pub latency_ms: Option<i32>,
    /// When.
    pub at: DateTime<Utc>,
}

/// One question's results.
#[derive(Clone, Debug, PartialEq)]
pub struct QuestionResult {
    /// The question's name.
    pub id: String,
    /// What it is headed with.
    pub title: String,
    /// [`Kind::code`].
    pub kind: &'static str,
    /// The figure it makes.
    pub measure: Option<Measure>,
    /// Answers.
    pub n: u64,
    /// Answers by value; every value that can be given stands there, save numbers.
    pub counts: BTreeMap<String, u64>,
    /// The mean of levels or numbers.
    pub mean: Option<Mean>,
    /// The share of the good answers: satisfied, solved, kept, not coached; of yes where it is no measure.
    pub share: Option<Proportion>,
}

/// The results of every question, in the questionnaire's order.
pub fn results(survey: &Survey, respondents: &[Respondent]) -> Vec<QuestionResult> {
    let result = |question: &super::Question| {
        let mut counts: BTreeMap<String, u64> = codes(&question.kind).map(|code| (code, 0)).collect();
        let mut numbers = Vec::new();
        let mut hits = Vec::new();
        for respondent in respondents {
            let Some(given) = respondent.given.iter().find(|g| g.question == question.id) else { continue };
            if question.kind.value(&given.value).is_none() {
                continue;
            }
            *counts.entry(given.value.clone()).or_default() += 1;
            numbers.extend(given.value.parse::<f64>().ok().map(|v| (v, respondent.weight)));
            hits.extend(good(&question.kind, question.measure, &given.value).map(|hit| (hit, respondent.weight)));
        }
        let n = counts.values().sum();
        let missing = (respondents.len() as u64).saturating_sub(n);
        let shared = matches!(question.kind, Kind::Rating { .. } | Kind::YesNo);
        QuestionResult {
            id: question.id.clone(),
            title: question.title.clone(),
            kind: question.kind.code(),
            measure: question.measure,
            n,
            counts,
            mean: if question.kind.numeric() { figures::mean(&numbers) } else { None },
            share: shared.then(|| Proportion::of(hits, missing)),
        }
    };
    survey.questions.iter().map(result).collect()
}

/// Whether an answer counts for its question's share; `None` for kinds without one.
pub fn good(kind: &Kind, measure: Option<Measure>, value: &str) -> Option<bool> {
    match kind {
        Kind::Rating { .. } => value.parse().ok().map(|level: u8| level >= SATISFIED_FROM),
        Kind::YesNo => Some((value == "yes") != (measure == Some(Measure::Coached))),
        Kind::Choice { .. } | Kind::Number { .. } | Kind::Remark => None,
    }
}

/// The values that can be given, where they can be listed.
fn codes(kind: &Kind) -> impl Iterator<Item = String> {
    let codes: Vec<String> = match kind {
        Kind::Rating { .. } => (1..=super::LEVELS).map(|level| level.to_string()).collect(),
        Kind::YesNo => vec!["yes".to_owned(), "no".to_owned()],
        Kind::Choice { options, .. } => options.iter().map(|o| o.code.clone()).collect(),
        Kind::Number { .. } => Vec::new(),
        Kind::Remark => vec!["remark".to_owned()],
    };
    codes.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::example::{at, callback};

    fn respondent(sample: i64, given: &[(&str, &str)]) -> Respondent {
        let given = given.iter().map(|(question, value)| Given {
            attempt: uuid::Uuid::nil(),
            question: (*question).to_owned(),
            value: (*value).to_owned(),
            mode: Mode::Key,
            latency_ms: Some(900),
            at: at("2026-09-28T10:00"),
        });
        Respondent {
            sample,
            unit: None,
            window: None,
            age_band: None,
            weight: 1.0,
            draw: Draw(0),
            given: given.collect(),
        }
    }

    #[test]
    fn counts_means_and_shares() {
        let respondents = [
            respondent(1, &[("solved", "yes"), ("overall", "5"), ("trips", "0"), ("coached", "no")]),
            respondent(2, &[("solved", "no"), ("overall", "4"), ("trips", "3"), ("coached", "yes")]),
            respondent(3, &[("solved", "yes"), ("overall", "2")]),
            respondent(4, &[("solved", "perhaps"), ("gone", "1")]),
        ];
        let results = results(&callback(), &respondents);
        let question = |id: &str| results.iter().find(|r| r.id == id).expect("a question");
        let solved = question("solved");
        assert_eq!((solved.n, solved.counts["yes"], solved.counts["no"]), (3, 2, 1));
        let share = solved.share.expect("a share");
        assert_eq!((share.numerator, share.denominator, share.missing), (2, 3, 1));
        let overall = question("overall");
        assert_eq!((overall.n, overall.counts["1"], overall.counts["5"]), (3, 0, 1));
        assert!((overall.mean.expect("a mean").value - 11.0 / 3.0).abs() < 1e-12);
        assert_eq!(overall.share.map(|s| s.numerator), Some(2));
        assert_eq!(question("trips").counts.keys().collect::<Vec<_>>(), ["0", "3"]);
        assert_eq!(question("trips").share, None);
        // Nobody is to have been told what to say.
        assert_eq!(question("coached").share.map(|s| (s.numerator, s.denominator)), Some((1, 2)));
    }
}
