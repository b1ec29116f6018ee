//! The same shares for each unit, window, age band, mode and hour, side by side (R9.2, R9.5).

use std::collections::{BTreeMap, BTreeSet};

use chrono::Timelike;

use super::figures::{Proportion, Standing, standings};
use super::model::{Measure, Survey};
use super::results::{Given, Respondent, good};
use crate::clock::china;

/// What respondents are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// The organisation that is rated.
    Unit,
    /// The window that is rated.
    Window,
    /// The age band.
    Age,
    /// Key, speech or person.
    Mode,
    /// The hour of the answer, China Standard Time.
    Hour,
    /// The month of the answer, China Standard Time.
    Month,
}

/// A group's share of good answers for one measure.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupShare {
    /// What it measures.
    pub measure: Measure,
    /// The unit's key, the window's key, the age band, the mode, the hour or the month; empty where it is not known.
    pub group: String,
    /// The share.
    pub share: Proportion,
    /// What may be said of it beside the others.
    pub standing: Standing,
    /// Whose answers make it (R9.4), by the sampled numbers' keys; as many as the share's denominator.
    pub samples: Vec<i64>,
}

impl By {
    /// As in the JSON interface.
    pub fn from_code(code: &str) -> Option<Self> {
        Some(match code {
            "unit" => Self::Unit,
            "window" => Self::Window,
            "age" => Self::Age,
            "mode" => Self::Mode,
            "hour" => Self::Hour,
            "month" => Self::Month,
            _ => return None,
        })
    }

    /// As in the JSON interface.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Window => "window",
            Self::Age => "age",
            Self::Mode => "mode",
            Self::Hour => "hour",
            Self::Month => "month",
        }
    }

    /// The group of somebody, as far as it does not hang on the answer.
    pub fn of_person(self, respondent: &Respondent) -> Option<String> {
        match self {
            Self::Unit => Some(respondent.unit.map(|unit| unit.to_string()).unwrap_or_default()),
            Self::Window => Some(respondent.window.map(|window| window.to_string()).unwrap_or_default()),
            Self::Age => Some(respondent.age_band.clone().unwrap_or_default()),
            Self::Mode | Self::Hour | Self::Month => None,
        }
    }

    /// The group of an answer.
    pub fn of_answer(self, respondent: &Respondent, given: &Given) -> String {
        match self {
            Self::Unit | Self::Window | Self::Age => self.of_person(respondent).unwrap_or_default(),
            Self::Mode => given.mode.code().to_owned(),
            Self::Hour => format!("{:02}", given.at.with_timezone(&china()).hour()),
            Self::Month => given.at.with_timezone(&china()).format("%Y-%m").to_string(),
        }
    }
}

/// Every measure's shares, group by group. Ranks are given among units only: ages and hours do not compete.
pub fn grouped(survey: &Survey, respondents: &[Respondent], by: By) -> Vec<GroupShare> {
    let mut out = Vec::new();
    for question in &survey.questions {
        let Some(measure) = question.measure else { continue };
        let mut hits: BTreeMap<String, Vec<(i64, bool, f64)>> = BTreeMap::new();
        let mut missing: BTreeMap<String, u64> = BTreeMap::new();
        for respondent in respondents {
            let answer = respondent.given.iter().find(|g| g.question == question.id).and_then(|given| {
                Some((by.of_answer(respondent, given), good(&question.kind, question.measure, &given.value)?))
            });
            match answer {
                Some((group, hit)) => {
                    hits.entry(group).or_default().push((respondent.sample, hit, respondent.weight));
                }
                None => {
                    if let Some(group) = by.of_person(respondent) {
                        *missing.entry(group).or_default() += 1;
                    }
                }
            }
        }
        if hits.is_empty() {
            continue; // Numbers and remarks have no share.
        }
        let groups: BTreeSet<String> = hits.keys().chain(missing.keys()).cloned().collect();
        let share = |group: &String| {
            let hits = hits.get(group).map_or(&[][..], Vec::as_slice);
            let missing = missing.get(group).copied().unwrap_or(0);
            Proportion::of(hits.iter().map(|(_, hit, weight)| (*hit, *weight)), missing)
        };
        let shares: Vec<Proportion> = groups.iter().map(share).collect();
        let ranks = match by {
            By::Unit | By::Window => competing(&groups, &shares),
            By::Age | By::Mode | By::Hour | By::Month => {
                shares.iter().map(|s| if s.shown() { Standing::Unranked } else { Standing::Hidden }).collect()
            }
        };
        for ((group, share), standing) in groups.into_iter().zip(shares).zip(ranks) {
            let samples = hits.get(&group).map(|hits| hits.iter().map(|(sample, ..)| *sample).collect());
            out.push(GroupShare { measure, group, share, standing, samples: samples.unwrap_or_default() });
        }
    }
    out
}

/// The standing of each group among those that have a name: whoever belongs nowhere does not compete.
fn competing(groups: &BTreeSet<String>, shares: &[Proportion]) -> Vec<Standing> {
    let named: Vec<Proportion> =
        groups.iter().zip(shares).filter(|(group, _)| !group.is_empty()).map(|(_, share)| *share).collect();
    let mut ranks = standings(&named).into_iter();
    let alone = |share: &Proportion| if share.shown() { Standing::Unranked } else { Standing::Hidden };
    let standing = |(group, share): (&String, &Proportion)| match group.is_empty() {
        true => alone(share),
        false => ranks.next().unwrap_or_else(|| alone(share)),
    };
    groups.iter().zip(shares).map(standing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::Mode;
    use crate::survey::example::{at, callback};

    fn respondent(sample: i64, unit: i64, solved: Option<(&str, Mode)>) -> Respondent {
        let given = solved.map(|(value, mode)| Given {
            attempt: uuid::Uuid::nil(),
            question: "solved".into(),
            value: value.into(),
            mode,
            latency_ms: None,
            at: at("2026-09-28T10:30"),
        });
        Respondent {
            sample,
            unit: Some(unit),
            window: None,
            age_band: None,
            weight: 1.0,
            draw: crate::survey::Draw(0),
            given: given.into_iter().collect(),
        }
    }

    fn village(unit: i64, yes: i64, no: i64, silent: i64) -> Vec<Respondent> {
        let first = unit * 1_000;
        let answers = (0..yes).map(|_| Some(("yes", Mode::Key))).chain((0..no).map(|_| Some(("no", Mode::Speech))));
        let answers = answers.chain((0..silent).map(|_| None));
        answers.zip(first..).map(|(answer, sample)| respondent(sample, unit, answer)).collect()
    }

    #[test]
    fn units_side_by_side() {
        let respondents =
            [village(1, 38, 2, 3), village(2, 20, 20, 0), village(3, 10, 0, 0), village(4, 3, 0, 9)].concat();
        let shares = grouped(&callback(), &respondents, By::Unit);
        let seen: Vec<_> = shares
            .iter()
            .map(|s| (s.group.as_str(), s.share.numerator, s.share.denominator, s.share.missing, s.standing))
            .collect();
        let expected = [
            ("1", 38, 40, 3, Standing::Rank(1)),
            ("2", 20, 40, 0, Standing::Rank(2)),
            ("3", 10, 10, 0, Standing::Unranked),
            ("4", 3, 3, 9, Standing::Hidden),
        ];
        assert_eq!(seen, expected);
        for share in &shares {
            assert_eq!(share.samples.len() as u64, share.share.denominator, "every figure opens what makes it");
        }
        assert_eq!(shares[3].samples, [4_000, 4_001, 4_002]);
    }

    #[test]
    fn whoever_belongs_nowhere_does_not_compete() {
        let mut respondents = [village(1, 20, 20, 0), village(2, 39, 1, 0)].concat();
        for respondent in respondents.iter_mut().filter(|r| r.unit == Some(2)) {
            respondent.unit = None;
        }
        let standing: Vec<_> =
            grouped(&callback(), &respondents, By::Unit).into_iter().map(|s| (s.group, s.standing)).collect();
        assert_eq!(standing, [(String::new(), Standing::Unranked), ("1".to_owned(), Standing::Rank(1))]);
    }

    #[test]
    fn modes_and_hours_side_by_side() {
        let respondents = village(1, 12, 8, 5);
        let groups = |by| {
            grouped(&callback(), &respondents, by).into_iter().map(|s| (s.group, s.share.numerator)).collect::<Vec<_>>()
        };
        assert_eq!(groups(By::Mode), [("key".to_owned(), 12), ("speech".to_owned(), 0)]);
        assert_eq!(groups(By::Hour), [("10".to_owned(), 12)]);
        assert_eq!(groups(By::Age), [(String::new(), 12)]);
    }
}
