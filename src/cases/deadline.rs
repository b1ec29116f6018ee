//! What follows from a case's log and the calendar for its time: when it is due, when it turns amber and red, when its
//! clock stands still (B17, R5.3). Computed, never counted up.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone as _, Utc};

use super::promise::AMBER_PERCENT;
use super::{Life, Light};
use crate::clock::china;
use crate::directory::Calendar;

/// Office time within which a post accepts what it was offered (R5.6).
const ACCEPT_WITHIN: TimeDelta = TimeDelta::hours(2);

/// The deadlines of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The last day of the promise, China Standard Time.
    pub due_on: NaiveDate,
    /// From when it is amber: four fifths of the office time are gone.
    pub amber_at: DateTime<Utc>,
    /// From when it is red: the last day is over.
    pub red_at: DateTime<Utc>,
    /// Until when the post that it was offered to should have accepted it; `None`: it is not offered.
    pub accept_by: Option<DateTime<Utc>>,
    /// Whether the clock stands still, because the resident has an answer.
    pub stopped: bool,
}

impl Deadline {
    /// Of a case that stands so.
    pub fn of(life: &Life, calendar: &Calendar) -> Self {
        let whole = calendar.open_between(life.clock_from, calendar.close_of(life.due_on));
        let amber = TimeDelta::milliseconds(whole.num_milliseconds() / 100 * AMBER_PERCENT);
        let red_at = midnight_after(life.due_on);
        Self {
            due_on: life.due_on,
            amber_at: calendar.after_open(life.clock_from, amber).min(red_at),
            red_at,
            accept_by: life.offered_at.map(|at| calendar.after_open(at, ACCEPT_WITHIN)),
            stopped: life.state.is_answered(),
        }
    }

    /// How the case stands at `now`; `None` while its clock stands still.
    pub fn light(&self, now: DateTime<Utc>) -> Option<Light> {
        if self.stopped {
            None
        } else if now >= self.red_at {
            Some(Light::Red)
        } else if now >= self.amber_at {
            Some(Light::Amber)
        } else {
            Some(Light::Green)
        }
    }

    /// Whether it should have been accepted by `now`.
    pub fn acceptance_is_late(&self, now: DateTime<Utc>) -> bool {
        self.accept_by.is_some_and(|by| now >= by)
    }
}

/// The last day of a promise whose clock stood still from `stopped` until `now`: the work days that were left are left
/// still, one at least.
pub(super) fn resumed(due_on: NaiveDate, stopped: DateTime<Utc>, now: DateTime<Utc>, calendar: &Calendar) -> NaiveDate {
    let day = |at: DateTime<Utc>| at.with_timezone(&china()).date_naive();
    let left = calendar.workdays_after(day(stopped), due_on).max(1);
    calendar.add_workdays(day(now), left)
}

/// The first moment of the day after.
fn midnight_after(day: NaiveDate) -> DateTime<Utc> {
    let next = day.checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX).and_time(NaiveTime::MIN);
    china().from_local_datetime(&next).single().map_or_else(|| next.and_utc(), |at| at.to_utc())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cases::{Entry, Kind, Move, Moved, Opening, Outcome, State, light};
    use crate::directory::PostId;
    use crate::directory::example::{at, year_2026};

    fn life(received: &str, due: &str) -> Life {
        let opening = Opening { owner: PostId(1), received_at: at(received), due_on: due.parse().expect("a day") };
        Life::new(opening)
    }

    #[test]
    fn turns_amber_and_red_in_office_time() {
        let check = |received: &str, due: &str, amber: &str, red: &str| {
            let deadline = Deadline::of(&life(received, due), &year_2026());
            assert_eq!((deadline.amber_at, deadline.red_at), (at(amber), at(red)), "{received} {due}");
        };
        // Five days of seven hours; four fifths end with the fourth.
        check("2026-03-02T17:30", "2026-03-09", "2026-03-06T17:30", "2026-03-10T00:00");
        // 30 September is the last work day before National Day; the case waits for the 8th, and the 10th is worked.
        check("2026-09-30T17:30", "2026-10-12", "2026-10-12T09:54", "2026-10-13T00:00");
        // One work day over the nine days of Spring Festival; Saturday the 14th before it is worked.
        check("2026-02-14T16:30", "2026-02-24", "2026-02-24T15:54", "2026-02-25T00:00");
        // Due on the day it came, after hours: nothing is left of it.
        check("2026-03-02T20:00", "2026-03-02", "2026-03-02T20:00", "2026-03-03T00:00");
    }

    #[test]
    fn the_clock_stands_still_while_the_resident_has_an_answer() {
        let mut life = life("2026-03-02T10:00", "2026-03-09");
        let check = |life: &Life, now: &str, expected| {
            assert_eq!(Deadline::of(life, &year_2026()).light(at(now)), expected, "{now}");
        };
        let moved = |mv, to, when: &str, due: Option<&str>| {
            let outcome = Outcome { due_on: due.map(|day| day.parse().expect("a day")), ..Default::default() };
            Entry::Moved(Moved { mv, at: at(when), to, outcome })
        };
        life.apply(&moved(Move::Answer, State::Answered, "2026-03-04T10:00", None));
        check(&life, "2026-03-30T10:00", None);
        life.apply(&moved(Move::Redo, State::Handling, "2026-03-30T10:00", Some("2026-04-02")));
        check(&life, "2026-03-30T10:00", Some(Light::Green));
        check(&life, "2026-04-02T10:11", Some(Light::Green));
        check(&life, "2026-04-02T10:12", Some(Light::Amber));
        check(&life, "2026-04-03T00:00", Some(Light::Red));
    }

    #[test]
    fn what_was_left_is_left() {
        let check = |due: &str, stopped: &str, now: &str, expected: &str| {
            let due = due.parse().expect("a day");
            assert_eq!(resumed(due, at(stopped), at(now), &year_2026()).to_string(), expected, "{due} {stopped} {now}");
        };
        check("2026-03-09", "2026-03-04T10:00", "2026-03-30T10:00", "2026-04-02"); // Thursday, Friday, Monday were left.
        check("2026-03-09", "2026-03-04T10:00", "2026-09-29T10:00", "2026-10-09"); // Over National Day.
        check("2026-03-09", "2026-03-09T10:00", "2026-03-30T10:00", "2026-03-31"); // Nothing was left.
        check("2026-03-09", "2026-03-20T10:00", "2026-03-30T10:00", "2026-03-31"); // Answered late.
    }

    #[test]
    fn two_hours_of_office_time_to_accept() {
        let mut life = life("2026-03-02T09:00", "2026-03-09");
        life.apply(&Entry::Moved(Moved {
            mv: Move::Assign,
            at: at("2026-03-06T16:30"),
            to: State::Assigned,
            outcome: Default::default(),
        }));
        let deadline = Deadline::of(&life, &year_2026());
        assert_eq!(deadline.accept_by, Some(at("2026-03-09T09:30")));
        assert!(!deadline.acceptance_is_late(at("2026-03-09T09:29")));
        assert!(deadline.acceptance_is_late(at("2026-03-09T09:30")));
    }

    #[test]
    fn a_year_of_promises() {
        // The State Council's notice for 2026, written out once more: days off, and the weekend days worked for them.
        let off = "0101-0103 0215-0223 0404-0406 0501-0505 0619-0621 0925-0927 1001-1007";
        let on = ["0104", "0214", "0228", "0509", "0920", "1010"];
        let day = |text: &str| NaiveDate::parse_from_str(&format!("2026{text}"), "%Y%m%d").expect("a day");
        let spans: Vec<_> =
            off.split(' ').map(|s| s.split_once('-').expect("two days")).map(|(a, b)| (day(a), day(b))).collect();
        let worked = |d: NaiveDate| {
            use chrono::Datelike as _;
            let weekend = d.weekday().number_from_monday() > 5;
            let free = spans.iter().any(|(from, until)| (*from..=*until).contains(&d));
            on.iter().any(|text| day(text) == d) || !(weekend || free)
        };
        let year: Vec<_> = day("0101").iter_days().take(365).collect();
        assert_eq!(year.iter().filter(|d| worked(**d)).count(), 248);
        let calendar = year_2026();
        let mut checked = 0;
        for (at, from) in year.iter().enumerate() {
            assert_eq!(calendar.is_workday(*from), worked(*from), "{from}");
            for kind in [Kind::Enquiry, Kind::Request, Kind::Complaint] {
                let days = kind.default_workdays();
                let Some(due) = year[at + 1..].iter().filter(|d| worked(**d)).nth(usize::from(days) - 1) else {
                    continue;
                };
                let found = calendar.add_workdays(*from, days);
                assert_eq!(found, *due, "{from} + {days}");
                assert_eq!(calendar.workdays_after(*from, found), days, "{from} to {found}");
                checked += 1;
            }
        }
        assert_eq!(checked, 1_073);
    }

    proptest! {
        /// The moment at which a case turns is the moment at which reckoning its office time anew says so.
        #[test]
        fn the_moment_agrees_with_the_reckoning(minute in 0_i64..330 * 24 * 60, days in 0_u16..15, after in 0_i64..25 * 24 * 60) {
            let calendar = year_2026();
            let received = at("2026-01-01T00:00") + TimeDelta::minutes(minute);
            let due = calendar.add_workdays(received.with_timezone(&china()).date_naive(), days);
            let opening = Opening { owner: PostId(1), received_at: received, due_on: due };
            let deadline = Deadline::of(&Life::new(opening), &calendar);
            for now in [received + TimeDelta::minutes(after), deadline.amber_at, deadline.red_at - TimeDelta::seconds(1), deadline.red_at] {
                prop_assert_eq!(deadline.light(now), Some(light(received, due, now, &calendar)), "{} at {}", due, now);
            }
            prop_assert!(deadline.amber_at >= received && deadline.amber_at <= deadline.red_at);
        }
    }
}
