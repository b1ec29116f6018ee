//! Answers one by one, and figures made of them by whatever key: month, person, group. Every figure lists the answers that make
//! it, and sums to them (R9.4).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::answer::Mode;
use super::figures::{Proportion, Standing, standings};
use super::model::{Measure, Survey};
use super::results::{Respondent, good};
use crate::clock::china;

/// An answer that counts for a figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The figure.
    pub measure: Measure,
    /// The sampled number's key.
    pub sample: i64,
    /// The call in which it can be heard.
    pub call: Uuid,
    /// The organisation that is rated.
    pub unit: Option<i64>,
    /// The window that is rated.
    pub window: Option<i16>,
    /// As drawn.
    pub age_band: Option<String>,
    /// As stored.
    pub value: String,
    /// By what it was given.
    pub mode: Mode,
    /// When.
    pub at: DateTime<Utc>,
    /// Whether it is a good one.
    pub good: bool,
    /// Design weight.
    pub weight: f64,
}

/// A share with what may be said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure<K> {
    /// What it measures.
    pub measure: Measure,
    /// What it is the share of.
    pub key: K,
    /// The share.
    pub share: Proportion,
    /// Beside the others of the same measure.
    pub standing: Standing,
}

/// Every answer that counts for a figure, by measure and sampled number.
pub fn hits(survey: &Survey, respondents: &[Respondent]) -> Vec<Hit> {
    let mut hits = Vec::new();
    for question in &survey.questions {
        let Some(measure) = question.measure else { continue };
        for respondent in respondents {
            let Some(given) = respondent.given.iter().find(|given| given.question == question.id) else { continue };
            let Some(good) = good(&question.kind, question.measure, &given.value) else { continue };
            hits.push(Hit {
                measure,
                sample: respondent.sample,
                call: given.attempt,
                unit: respondent.unit,
                window: respondent.window,
                age_band: respondent.age_band.clone(),
                value: given.value.clone(),
                mode: given.mode,
                at: given.at,
                good,
                weight: respondent.weight,
            });
        }
    }
    hits.sort_by_key(|hit| (hit.measure, hit.sample));
    hits
}

/// The shares of answers that have one key. `ranked`: the keys compete, and are ranked where that is beyond doubt (R9.3).
pub fn figures<K: Ord + Clone>(hits: &[Hit], ranked: bool, key: impl Fn(&Hit) -> Option<K>) -> Vec<Figure<K>> {
    let mut answers: BTreeMap<(Measure, K), Vec<(bool, f64)>> = BTreeMap::new();
    for hit in hits {
        if let Some(key) = key(hit) {
            answers.entry((hit.measure, key)).or_default().push((hit.good, hit.weight));
        }
    }
    let mut figures: Vec<Figure<K>> = answers
        .into_iter()
        .map(|((measure, key), answers)| {
            let share = Proportion::of(answers, 0);
            let standing = if share.shown() { Standing::Unranked } else { Standing::Hidden };
            Figure { measure, key, share, standing }
        })
        .collect();
    if ranked {
        for same in figures.chunk_by_mut(|a, b| a.measure == b.measure) {
            let shares: Vec<Proportion> = same.iter().map(|figure| figure.share).collect();
            for (figure, standing) in same.iter_mut().zip(standings(&shares)) {
                figure.standing = standing;
            }
        }
    }
    figures
}

/// The month of an answer, China Standard Time: `2026-09`.
pub fn month_of(at: DateTime<Utc>) -> String {
    at.with_timezone(&china()).format("%Y-%m").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::example::{at, callback};
    use crate::survey::{Draw, Given};

    /// So many people, each with "solved" and an overall rating, at this moment.
    fn people(first: i64, solved: &[(&str, &str, &str)]) -> Vec<Respondent> {
        let given = |question: &str, value: &str, when: &str| Given {
            attempt: Uuid::nil(),
            question: question.into(),
            value: value.into(),
            mode: Mode::Key,
            latency_ms: None,
            at: at(when),
        };
        (first..)
            .zip(solved)
            .map(|(sample, (solved, overall, when))| Respondent {
                sample,
                unit: Some(sample % 2),
                window: None,
                age_band: None,
                weight: 1.0,
                draw: Draw(0),
                given: vec![given("solved", solved, when), given("overall", overall, when), given("trips", "3", when)],
            })
            .collect()
    }

    #[test]
    fn months_are_told_apart_in_china() {
        // The first is still September in UTC.
        let respondents = people(
            1,
            &[("yes", "5", "2026-10-01T07:59"), ("no", "4", "2026-10-31T23:59"), ("yes", "2", "2026-11-01T00:01")],
        );
        let hits = hits(&callback(), &respondents);
        assert_eq!(hits.len(), 6, "numbers have no share");
        let months = figures(&hits, false, |hit| Some(month_of(hit.at)));
        let found: Vec<_> =
            months.iter().map(|f| (f.measure, f.key.as_str(), f.share.numerator, f.share.denominator)).collect();
        let expected = [
            (Measure::Solved, "2026-10", 1, 2),
            (Measure::Solved, "2026-11", 1, 1),
            (Measure::Satisfied, "2026-10", 2, 2),
            (Measure::Satisfied, "2026-11", 0, 1),
        ];
        assert_eq!(found, expected);
        assert!(months.iter().all(|f| f.standing == Standing::Hidden), "fewer than five");
    }

    #[test]
    fn a_figure_is_the_sum_of_its_answers() {
        let respondents = people(1, &[("yes", "5", "2026-10-01T10:00"); 40]);
        let respondents = [respondents, people(100, &[("no", "1", "2026-10-01T10:00"); 35])].concat();
        let hits = hits(&callback(), &respondents);
        for figure in figures(&hits, true, |hit| hit.unit) {
            let own = hits.iter().filter(|hit| hit.measure == figure.measure && hit.unit == Some(figure.key));
            let (good, all) = own.fold((0, 0), |(good, all), hit| (good + u64::from(hit.good), all + 1));
            assert_eq!((figure.share.numerator, figure.share.denominator), (good, all));
        }
        let ranks: Vec<_> =
            figures(&hits, true, |hit| Some(hit.sample >= 100)).into_iter().map(|f| (f.key, f.standing)).collect();
        let expected = [(false, Standing::Rank(1)), (true, Standing::Rank(2))];
        assert_eq!(ranks, [expected, expected].concat());
    }
}
