//! Work days: weekends, State Council holidays and the work days swapped for them; office hours.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc, Weekday};
use serde::{Deserialize, Serialize};

use crate::clock::china;

/// Days looked ahead at most for a work day; past it every day counts as one, so that a calendar without any still ends.
const LOOK_AHEAD_DAYS: u64 = 366;

/// Which days are worked, and when offices are open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// Days that differ from the week's rule: `true` for a worked weekend day, `false` for a holiday.
    pub exceptions: BTreeMap<NaiveDate, bool>,
    /// Spans of a work day in which offices are open, in China Standard Time, in order.
    pub hours: Vec<Hours>,
}

/// One span of opening, up to but not including `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// First minute open.
    pub from: NaiveTime,
    /// First minute closed.
    pub until: NaiveTime,
}

/// A span of opening on a certain day, in China Standard Time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// When offices open.
    pub from: NaiveDateTime,
    /// When they close.
    pub until: NaiveDateTime,
}

impl Calendar {
    /// Whether `day` is worked.
    pub fn is_workday(&self, day: NaiveDate) -> bool {
        let by_week = !matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        self.exceptions.get(&day).copied().unwrap_or(by_week)
    }

    /// The `n`th work day after `from`; for 0, `from` itself or the first work day after it.
    pub fn add_workdays(&self, from: NaiveDate, n: u16) -> NaiveDate {
        let mut day = if n == 0 { self.workday_from(from) } else { from };
        for _ in 0..n {
            day = self.workday_from(next(day));
        }
        day
    }

    /// Work days after `from`, up to and including `until`; none when it is not later.
    pub fn workdays_after(&self, from: NaiveDate, until: NaiveDate) -> u16 {
        let days = next(from).iter_days().take_while(|day| *day <= until).filter(|day| self.is_workday(*day));
        u16::try_from(days.count()).unwrap_or(u16::MAX)
    }

    /// Whether offices are open at `at`.
    pub fn is_open(&self, at: DateTime<Utc>) -> bool {
        let local = local(at);
        self.is_workday(local.date()) && self.hours.iter().any(|h| (h.from..h.until).contains(&local.time()))
    }

    /// The span of opening that `at` falls into, or else the next one; `None` when there are no office hours at all.
    pub fn next_opening(&self, at: DateTime<Utc>) -> Option<Opening> {
        let now = local(at);
        let mut day = self.workday_from(now.date());
        for _ in 0..2 {
            let open = self.openings(day).find(|o| o.until > now);
            if open.is_some() {
                return open;
            }
            day = self.workday_from(next(day));
        }
        None
    }

    /// Time in which offices are open between two moments; zero when `until` is not after `from`.
    pub fn open_between(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> TimeDelta {
        let (from, until) = (local(from), local(until));
        from.date()
            .iter_days()
            .take_while(|day| *day <= until.date())
            .filter(|day| self.is_workday(*day))
            .flat_map(|day| self.openings(day))
            .map(|o| (o.until.min(until) - o.from.max(from)).max(TimeDelta::zero()))
            .sum()
    }

    /// The first moment at which offices have been open for `span` since `from`; `from` itself where there are no office
    /// hours, or none within a year.
    pub fn after_open(&self, from: DateTime<Utc>, span: TimeDelta) -> DateTime<Utc> {
        let start = local(from);
        let mut left = span;
        if left <= TimeDelta::zero() {
            return from;
        }
        let days = start.date().iter_days().take(LOOK_AHEAD_DAYS as usize).filter(|day| self.is_workday(*day));
        for opening in days.flat_map(|day| self.openings(day)) {
            let begins = opening.from.max(start);
            let lasts = (opening.until - begins).max(TimeDelta::zero());
            if lasts >= left {
                return moment(begins + left);
            }
            left -= lasts;
        }
        from
    }

    /// The last moment of `day`'s office hours; the day's end when there are none.
    pub fn close_of(&self, day: NaiveDate) -> DateTime<Utc> {
        let close = self.hours.last().map_or(NaiveTime::from_hms_opt(23, 59, 59), |h| Some(h.until));
        moment(day.and_time(close.unwrap_or_default()))
    }

    fn openings(&self, day: NaiveDate) -> impl Iterator<Item = Opening> + '_ {
        self.hours.iter().map(move |h| Opening { from: day.and_time(h.from), until: day.and_time(h.until) })
    }

    fn workday_from(&self, first: NaiveDate) -> NaiveDate {
        let limit = first.checked_add_days(Days::new(LOOK_AHEAD_DAYS)).unwrap_or(NaiveDate::MAX);
        first.iter_days().take_while(|day| *day < limit).find(|day| self.is_workday(*day)).unwrap_or(limit)
    }
}

/// The wall clock of an office.
fn local(at: DateTime<Utc>) -> NaiveDateTime {
    at.with_timezone(&china()).naive_local()
}

/// The moment at which an office's wall clock says so.
fn moment(local: NaiveDateTime) -> DateTime<Utc> {
    china().from_local_datetime(&local).single().map_or_else(|| local.and_utc(), |t| t.to_utc())
}

fn next(day: NaiveDate) -> NaiveDate {
    day.succ_opt().unwrap_or(NaiveDate::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// National Day 2026 as an example: 1 to 7 October free, Saturday the 10th worked.
    fn calendar() -> Calendar {
        let october = |d| day(&format!("2026-10-{d:02}"));
        let mut exceptions: BTreeMap<_, _> = (1..=7).map(|d| (october(d), false)).collect();
        exceptions.insert(october(10), true);
        let time = |h, m| NaiveTime::from_hms_opt(h, m, 0).expect("a time");
        let hours =
            vec![Hours { from: time(8, 30), until: time(12, 0) }, Hours { from: time(14, 0), until: time(17, 30) }];
        Calendar { exceptions, hours }
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    /// A moment in China Standard Time.
    fn at(text: &str) -> DateTime<Utc> {
        format!("{text}:00+08:00").parse().expect("a moment")
    }

    #[test]
    fn promises_count_work_days_only() {
        let check =
            |from: &str, n, due: &str| assert_eq!(calendar().add_workdays(day(from), n), day(due), "{from} + {n}");
        check("2026-09-28", 1, "2026-09-29");
        check("2026-09-28", 0, "2026-09-28");
        check("2026-09-26", 0, "2026-09-28"); // A Saturday.
        check("2026-09-25", 1, "2026-09-28"); // Over a weekend.
        check("2026-09-30", 1, "2026-10-08"); // Over the holiday.
        check("2026-10-08", 2, "2026-10-10"); // The swapped Saturday is worked.
        check("2026-10-10", 1, "2026-10-12");
        check("2026-10-01", 0, "2026-10-08");
    }

    #[test]
    fn opens_on_work_days_but_not_at_lunch() {
        let check = |when: &str, open| assert_eq!(calendar().is_open(at(when)), open, "{when}");
        check("2026-09-28T08:29", false);
        check("2026-09-28T08:30", true);
        check("2026-09-28T12:00", false);
        check("2026-09-28T14:00", true);
        check("2026-09-28T17:30", false);
        check("2026-10-05T10:00", false);
        check("2026-10-10T10:00", true);
    }

    #[test]
    fn next_opening_is_the_present_one_or_the_first_after() {
        let check = |when: &str, from: &str| {
            let opening = calendar().next_opening(at(when)).expect("office hours");
            assert_eq!(opening.from.format("%Y-%m-%dT%H:%M").to_string(), from, "{when}");
        };
        check("2026-09-28T09:00", "2026-09-28T08:30");
        check("2026-09-28T13:00", "2026-09-28T14:00");
        check("2026-09-28T20:00", "2026-09-29T08:30");
        check("2026-09-30T18:00", "2026-10-08T08:30");
        assert_eq!(Calendar::default().next_opening(at("2026-09-28T09:00")), None);
    }

    #[test]
    fn open_time_between_two_moments() {
        let check = |from: &str, until: &str, minutes| {
            assert_eq!(calendar().open_between(at(from), at(until)).num_minutes(), minutes, "{from} {until}");
        };
        check("2026-09-28T09:00", "2026-09-28T10:00", 60);
        check("2026-09-28T11:30", "2026-09-28T14:30", 60);
        check("2026-09-28T00:00", "2026-09-29T00:00", 420);
        check("2026-09-30T17:00", "2026-10-08T09:00", 60);
        check("2026-09-28T10:00", "2026-09-28T09:00", 0);
    }

    #[test]
    fn office_time_is_added() {
        let check = |from: &str, minutes, until: &str| {
            assert_eq!(calendar().after_open(at(from), TimeDelta::minutes(minutes)), at(until), "{from} + {minutes}");
        };
        check("2026-09-28T09:00", 60, "2026-09-28T10:00");
        check("2026-09-28T11:30", 30, "2026-09-28T12:00");
        check("2026-09-28T11:30", 60, "2026-09-28T14:30");
        check("2026-09-28T20:00", 1, "2026-09-29T08:31");
        check("2026-09-30T17:00", 60, "2026-10-08T09:00");
        check("2026-10-01T10:00", 0, "2026-10-01T10:00");
        assert_eq!(Calendar::default().after_open(at("2026-09-28T09:00"), TimeDelta::hours(1)), at("2026-09-28T09:00"));
    }

    #[test]
    fn work_days_are_counted() {
        let check = |from: &str, until: &str, days| {
            assert_eq!(calendar().workdays_after(day(from), day(until)), days, "{from} {until}");
        };
        check("2026-09-28", "2026-09-30", 2);
        check("2026-09-30", "2026-10-12", 4);
        check("2026-09-30", "2026-09-30", 0);
        check("2026-09-30", "2026-09-01", 0);
    }

    #[test]
    fn a_calendar_without_work_days_still_answers() {
        let start = day("2026-01-01");
        let exceptions = start.iter_days().take(1_000).map(|d| (d, false)).collect();
        let calendar = Calendar { exceptions, hours: vec![] };
        assert_eq!(calendar.add_workdays(start, 1), start + Days::new(1 + LOOK_AHEAD_DAYS));
    }
}
