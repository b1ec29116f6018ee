//! Whether and when a number is rung again (R7.4): a pure function of its attempts.

use chrono::{DateTime, TimeDelta, Utc};

use super::disposition::{Disposition, InterviewEnd, Outcome};
use super::windows::{DayPart, Windows, day_of};

/// A busy line is tried again after this long.
const BUSY_AFTER: TimeDelta = TimeDelta::minutes(20);

/// A call that no trunk took is tried again after this long; nobody's telephone rang.
const TRUNK_AFTER: TimeDelta = TimeDelta::minutes(2);

/// Attempts to reach a person. With [`DAY_MAX`] they fall on three days at least, and by [`apart`] on two parts of the day.
pub const ATTEMPTS_MAX: u16 = 5;

/// Attempts on one day.
const DAY_MAX: usize = 2;

/// Calls to one number that no trunk took, after which it is given up.
const TRUNK_FAULTS_MAX: usize = 30;

/// One attempt that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When its INVITE went out.
    pub at: DateTime<Utc>,
    /// How it ended.
    pub outcome: Outcome,
}

/// What becomes of a number after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its disposition so far: the most telling of all attempts.
    pub disposition: Disposition,
    /// When it is rung again; `None`: the disposition is final.
    pub again_at: Option<DateTime<Utc>>,
}

/// When the resident of a case closed at this moment is first rung: on the day after (R7.2).
pub fn first_attempt(closed_at: DateTime<Utc>, windows: &Windows) -> Option<DateTime<Utc>> {
    another_day(windows, closed_at)
}

/// What becomes of a number after these attempts, oldest first, the last of them just ended. `limit` is the campaign's own
/// count of attempts, at most [`ATTEMPTS_MAX`]. No answer or a machine: another part of the day. Refused: never again. Broken
/// off: once more, from the first question without an answer.
pub fn plan(attempts: &[Attempt], limit: u16, windows: &Windows, now: DateTime<Utc>) -> Plan {
    let disposition = attempts
        .iter()
        .map(|a| a.outcome.disposition())
        .reduce(Disposition::stronger)
        .unwrap_or(Disposition::NotAttempted);
    let Some(last) = attempts.last() else {
        return Plan { disposition, again_at: windows.next_open(now) };
    };
    let counted: Vec<&Attempt> = attempts.iter().filter(|a| a.outcome != Outcome::TrunkFault).collect();
    let left = counted.len() < usize::from(limit.min(ATTEMPTS_MAX));
    let again_at = match last.outcome {
        Outcome::TrunkFault if attempts.len() - counted.len() >= TRUNK_FAULTS_MAX => None,
        Outcome::TrunkFault => windows.next_open(now + TRUNK_AFTER),
        _ if !left => None,
        Outcome::Busy if on_day(&counted, now) < DAY_MAX => windows.next_open(now + BUSY_AFTER),
        Outcome::Busy | Outcome::NoAnswer | Outcome::Machine | Outcome::Unreachable | Outcome::Lost => {
            apart(&counted, windows, now)
        }
        Outcome::OutOfService => another_day(windows, now),
        Outcome::Declined | Outcome::NonWorking | Outcome::Fax => None,
        Outcome::Reached { end, .. } => match end {
            InterviewEnd::Thanked | InterviewEnd::OptedOut | InterviewEnd::ToPerson | InterviewEnd::Transferred => None,
            // Once: who hangs up twice does not want to talk.
            InterviewEnd::HungUp | InterviewEnd::Ours if hung_up(&counted) > 1 => None,
            InterviewEnd::HungUp | InterviewEnd::Ours => another_day(windows, now),
        },
    };
    Plan { disposition, again_at }
}

/// The next part of a day that differs from the last attempt's, on a day with room for an attempt.
fn apart(attempts: &[&Attempt], windows: &Windows, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let last = attempts.last().map(|a| DayPart::of(a.at));
    windows.parts(now).find(|(_, part, from)| Some(*part) != last && on_day(attempts, *from) < DAY_MAX).map(|p| p.2)
}

fn another_day(windows: &Windows, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    windows.parts(now).find(|(day, ..)| *day > day_of(now)).map(|p| p.2)
}

fn on_day(attempts: &[&Attempt], moment: DateTime<Utc>) -> usize {
    attempts.iter().filter(|a| day_of(a.at) == day_of(moment)).count()
}

fn hung_up(attempts: &[&Attempt]) -> usize {
    let broken =
        |a: &&&Attempt| matches!(a.outcome, Outcome::Reached { end: InterviewEnd::HungUp | InterviewEnd::Ours, .. });
    attempts.iter().filter(broken).count()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::survey::example::{at, windows};

    fn ended(end: InterviewEnd, answered: u16) -> Outcome {
        Outcome::Reached { answered, applicable: 8, end }
    }

    #[track_caller]
    fn check(attempts: &[(&str, Outcome)], code: &str, again: Option<&str>) {
        let attempts: Vec<_> = attempts.iter().map(|(t, outcome)| Attempt { at: at(t), outcome: *outcome }).collect();
        let now = attempts.last().expect("one").at + TimeDelta::minutes(1);
        let plan = plan(&attempts, ATTEMPTS_MAX, &windows(), now);
        assert_eq!((plan.disposition.code(), plan.again_at), (code, again.map(at)));
    }

    #[test]
    fn a_closed_case_is_asked_about_on_the_next_day() {
        let check = |closed: &str, first: &str| assert_eq!(first_attempt(at(closed), &windows()), Some(at(first)));
        check("2026-09-28T10:00", "2026-09-29T09:00");
        check("2026-09-28T23:59", "2026-09-29T09:00");
        check("2026-09-29T00:01", "2026-09-30T09:00");
        check("2026-09-30T16:00", "2026-10-09T09:00");
    }

    #[test]
    fn busy_is_tried_again_soon() {
        check(&[("2026-09-28T10:00", Outcome::Busy)], "3.12", Some("2026-09-28T10:21"));
        check(&[("2026-09-28T11:50", Outcome::Busy)], "3.12", Some("2026-09-28T14:30"));
        let twice = [("2026-09-28T10:00", Outcome::Busy), ("2026-09-28T10:21", Outcome::Busy)];
        check(&twice, "3.12", Some("2026-09-29T14:30"));
    }

    #[test]
    fn no_answer_is_tried_in_another_part_of_the_day() {
        check(&[("2026-09-28T10:00", Outcome::NoAnswer)], "3.13", Some("2026-09-28T14:30"));
        check(&[("2026-09-28T19:00", Outcome::Machine)], "3.14", Some("2026-09-29T09:00"));
    }

    #[test]
    fn refusals_are_final_and_break_offs_are_resumed_once() {
        check(&[("2026-09-28T10:00", ended(InterviewEnd::OptedOut, 0))], "2.11", None);
        check(&[("2026-09-28T10:00", Outcome::Declined)], "2.11", None);
        check(&[("2026-09-28T10:00", ended(InterviewEnd::Thanked, 8))], "1.1", None);
        let first = ("2026-09-28T10:00", ended(InterviewEnd::HungUp, 2));
        check(&[first], "2.12", Some("2026-09-29T09:00"));
        check(&[first, ("2026-09-29T09:00", ended(InterviewEnd::HungUp, 3))], "2.12", None);
        check(&[first, ("2026-09-29T09:00", Outcome::NoAnswer)], "2.12", Some("2026-09-29T14:30"));
    }

    #[test]
    fn a_trunk_that_fails_is_no_attempt() {
        check(&[("2026-09-28T10:00", Outcome::TrunkFault)], "3.11", Some("2026-09-28T10:03"));
        let faults = vec![("2026-09-28T10:00", Outcome::TrunkFault); TRUNK_FAULTS_MAX];
        check(&faults, "3.11", None);
    }

    #[test]
    fn a_number_out_of_service_has_a_day_and_a_dead_one_none() {
        check(&[("2026-09-28T10:00", Outcome::OutOfService)], "4.33", Some("2026-09-29T09:00"));
        check(&[("2026-09-28T10:00", Outcome::NonWorking)], "4.31", None);
    }

    proptest! {
        /// Whatever happens at whatever time: rung only within windows, twice a day at most, five times at most; who never
        /// answers is rung on three days and in two parts of the day.
        #[test]
        fn attempts_keep_the_rules(start in 0_i64..360 * 24 * 60, outcomes in proptest::collection::vec(0_u8..5, 12)) {
            let windows = windows();
            let mut now = windows.next_open(at("2026-01-01T00:00") + TimeDelta::minutes(start)).expect("a window");
            let mut attempts: Vec<Attempt> = Vec::new();
            for outcome in outcomes {
                let outcome = match outcome {
                    0 => Outcome::Busy,
                    1 => Outcome::NoAnswer,
                    2 => Outcome::Machine,
                    3 => Outcome::Unreachable,
                    _ => Outcome::Lost,
                };
                prop_assert!(windows.open(now), "rung at {}", now);
                attempts.push(Attempt { at: now, outcome });
                let on_that_day = attempts.iter().filter(|a| day_of(a.at) == day_of(now)).count();
                prop_assert!(on_that_day <= DAY_MAX);
                match plan(&attempts, ATTEMPTS_MAX, &windows, now + TimeDelta::seconds(40)).again_at {
                    Some(again) => now = again,
                    None => break,
                }
            }
            prop_assert_eq!(attempts.len(), usize::from(ATTEMPTS_MAX));
            let days: BTreeSet<_> = attempts.iter().map(|a| day_of(a.at)).collect();
            let parts: BTreeSet<_> = attempts.iter().map(|a| DayPart::of(a.at)).collect();
            prop_assert!(days.len() >= 3 && parts.len() >= 2);
        }
    }
}
