//! Whether a unit or person is proposed to be left out of awards for two years (B37, N9). A proposal with its evidence: a
//! person decides, and the unit is heard first.

use chrono::{DateTime, Days, NaiveDate, Utc};

use super::figures::{Interval, Proportion, RANKED_MIN};

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
    /// Whether the unit is left out of awards on `day`: from the decision's day, for [`BAR_DAYS`], by itself no longer.
    pub fn bars(&self, day: NaiveDate) -> bool {
        let from = super::windows::day_of(self.decided_at);
        let until = from.checked_add_days(Days::new(BAR_DAYS));
        self.barred && day >= from && until.is_some_and(|until| day < until)
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
