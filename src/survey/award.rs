//! Whether a unit or person is proposed to be left out of awards for two years (B37, N9). A proposal with its evidence: a
//! person decides, and the unit is heard first.

use chrono::{DateTime, Days, NaiveDate, Utc};

use super::figures::{Interval, Proportion, RANKED_MIN};
use super::groups::{By, grouped};
use super::model::{Measure, Survey};
use super::results::{Respondent, good};

/// How long a decided bar lasts, in days.
pub const BAR_DAYS: u64 = 730;

/// Work days in which the unit may reply before anybody decides.
pub const REPLY_WORKDAYS: u16 = 10;

/// Share of bad answers above which a cause is proposed, when even the lower bound of its interval lies above.
pub const BAD_SHARE: f64 = 0.20;

/// Why a bar is proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// 服务态度差: rated 1 to 3 for attitude.
    Attitude,
    /// 服务不到位: not solved.
    NotDelivered,
    /// 群众不满意: rated 1 to 3 on the whole.
    Dissatisfied,
}

/// A proposal.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Why.
    pub cause: Cause,
    /// Bad answers and answers.
    pub bad: (u64, u64),
    /// Wilson's 95 % interval for the share of bad answers.
    pub interval: Interval,
    /// The answers that make it, by sampled numbers' keys.
    pub samples: Vec<i64>,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Attitude, Self::NotDelivered, Self::Dissatisfied];

    /// As stored.
    pub fn code(self) -> &'static str {
        match self {
            Self::Attitude => "attitude",
            Self::NotDelivered => "not_delivered",
            Self::Dissatisfied => "dissatisfied",
        }
    }

    /// The cause so stored.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.code() == code)
    }

    /// The figure whose bad answers make it.
    pub fn measure(self) -> Measure {
        match self {
            Self::Attitude => Measure::Attitude,
            Self::NotDelivered => Measure::Solved,
            Self::Dissatisfied => Measure::Satisfied,
        }
    }
}

/// What is proposed for each unit, by the units' keys; people of no unit propose nothing.
pub fn proposals(survey: &Survey, respondents: &[Respondent]) -> Vec<(i64, Proposal)> {
    let shares = grouped(survey, respondents, By::Unit);
    let mut found = Vec::new();
    for share in &shares {
        let cause = Cause::ALL.into_iter().find(|cause| cause.measure() == share.measure);
        let (Some(cause), Ok(unit)) = (cause, share.group.parse::<i64>()) else { continue };
        let Some(question) = survey.questions.iter().find(|q| q.measure == Some(share.measure)) else { continue };
        let bad = |respondent: &&Respondent| {
            let given = respondent.given.iter().find(|g| g.question == question.id);
            respondent.unit == Some(unit)
                && given.is_some_and(|g| good(&question.kind, question.measure, &g.value) == Some(false))
        };
        let samples = respondents.iter().filter(bad).map(|r| r.sample).collect();
        found.extend(proposal(cause, &share.share, samples).map(|proposal| (unit, proposal)));
    }
    found
}

/// Why nobody may decide on a proposal, or that somebody may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MayDecide {
    /// This person may, today.
    Yes,
    /// The time to reply is not over, and no reply was taken down.
    TooEarly,
    /// Whoever proposed does not decide.
    Proposer,
}

/// Whether `person` may decide on `day` on what `proposer` proposed: after the last day for a reply, or once one was taken down.
pub fn may_decide(proposer: &str, person: &str, reply_until: NaiveDate, replied: bool, day: NaiveDate) -> MayDecide {
    if proposer == person {
        MayDecide::Proposer
    } else if replied || day > reply_until {
        MayDecide::Yes
    } else {
        MayDecide::TooEarly
    }
}

/// What a person decided on a proposal, after the unit could reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the bar holds.
    pub barred: bool,
    /// Who decided.
    pub decided_by: String,
    /// When.
    pub decided_at: DateTime<Utc>,
}

/// A proposal for one cause, from the share of its good answers and those who gave the bad ones; `None` where the answers are
/// too few, or do not show beyond doubt that more than [`BAD_SHARE`] were bad.
pub fn proposal(cause: Cause, good: &Proportion, bad_samples: Vec<i64>) -> Option<Proposal> {
    if good.denominator < RANKED_MIN {
        return None;
    }
    let interval = good.interval.map(|i| Interval { low: 1.0 - i.high, high: 1.0 - i.low })?;
    let bad = (good.denominator - good.numerator, good.denominator);
    (interval.low > BAD_SHARE).then_some(Proposal { cause, bad, interval, samples: bad_samples })
}

impl Decision {
    /// First day on which a bar does not hold any more.
    pub fn ends(&self) -> NaiveDate {
        super::windows::day_of(self.decided_at).checked_add_days(Days::new(BAR_DAYS)).unwrap_or(NaiveDate::MAX)
    }

    /// Whether the unit is left out of awards on `day`: from the decision's day, for [`BAR_DAYS`], by itself no longer.
    pub fn bars(&self, day: NaiveDate) -> bool {
        let from = super::windows::day_of(self.decided_at);
        self.barred && day >= from && day < self.ends()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::example::at;

    #[track_caller]
    fn check(bad: u64, n: u64, proposed: bool) {
        let good = Proportion::of((0..n).map(|i| (i >= bad, 1.0)), 0);
        let found = proposal(Cause::Attitude, &good, (0..bad as i64).collect());
        assert_eq!(found.is_some(), proposed, "{bad} of {n}");
        if let Some(found) = found {
            assert_eq!((found.bad, found.samples.len() as u64), ((bad, n), bad));
            assert!(found.interval.low > BAD_SHARE);
        }
    }

    #[test]
    fn nobody_is_barred_for_a_few_angry_calls() {
        check(3, 3, false);
        check(29, 29, false);
        check(20, 100, false);
        // The intervals begin at 0.193 and 0.201.
        check(27, 100, false);
        check(28, 100, true);
        check(30, 30, true);
    }

    #[test]
    fn each_unit_is_proposed_by_its_own_bad_answers() {
        let survey = crate::survey::example::callback();
        let person = |sample: i64| Respondent {
            sample,
            unit: Some(if sample < 40 { 1 } else { 2 }),
            window: None,
            age_band: None,
            weight: 1.0,
            draw: crate::survey::Draw(0),
            given: [("overall", if sample < 20 { "2" } else { "5" }), ("attitude", "5")]
                .map(|(question, value)| crate::survey::Given {
                    attempt: uuid::Uuid::nil(),
                    question: question.into(),
                    value: value.into(),
                    mode: crate::survey::Mode::Key,
                    latency_ms: None,
                    at: at("2026-03-01T10:00"),
                })
                .into(),
        };
        let found = proposals(&survey, &(0..80).map(person).collect::<Vec<_>>());
        let [(1, proposal)] = &found[..] else { panic!("{found:?}") };
        assert_eq!((proposal.cause, proposal.bad), (Cause::Dissatisfied, (20, 40)));
        assert_eq!(proposal.samples, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn the_unit_is_heard_first_and_another_person_decides() {
        let until = "2026-03-20".parse().expect("a day");
        let check = |person, replied, day: &str, may| {
            let found = may_decide("li", person, until, replied, day.parse().expect("a day"));
            assert_eq!(found, may, "{person} {replied} {day}");
        };
        check("wang", false, "2026-03-20", MayDecide::TooEarly);
        check("wang", false, "2026-03-21", MayDecide::Yes);
        check("wang", true, "2026-03-02", MayDecide::Yes);
        check("li", true, "2026-04-01", MayDecide::Proposer);
    }

    #[test]
    fn a_bar_ends_by_itself() {
        let decision = Decision { barred: true, decided_by: "王".into(), decided_at: at("2026-03-01T10:00") };
        let check = |day: &str, barred| assert_eq!(decision.bars(day.parse().expect("a day")), barred, "{day}");
        check("2026-02-28", false);
        check("2026-03-01", true);
        check("2028-02-28", true);
        check("2028-02-29", false);
        let refused = Decision { barred: false, ..decision };
        assert!(!refused.bars("2026-03-02".parse().expect("a day")));
    }
}
