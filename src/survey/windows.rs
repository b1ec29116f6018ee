//! When a resident may be rung (R7.3, P26): a pure function of the moment and the district's calendar.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};

use crate::clock::china;
use crate::directory::{Calendar, Hours};

/// Days looked ahead for a window; a calendar that closes more days in a row opens none.
const LOOK_AHEAD_DAYS: u64 = 60;

/// The part of the day in which an attempt falls: an unanswered call is tried again in another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DayPart {
    /// Up to noon.
    Morning,
    /// Up to half past five, when people come home.
    Afternoon,
    /// After it.
    Evening,
}

/// When people may be rung, in China Standard Time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Spans of a day, in order. None: at any time, which is for tests.
    hours: Vec<Hours>,
    /// Days on which nobody is rung: State Council holidays, market days, the harvest.
    quiet: Vec<NaiveDate>,
}

impl Windows {
    /// 09:00 to 12:00 and 14:30 to 20:30, on every day that is neither one of the calendar's holidays nor of `quiet`. Weekends
    /// count: many people are at home only then.
    pub fn standard(calendar: &Calendar, quiet: impl IntoIterator<Item = NaiveDate>) -> Self {
        let hours =
            [((9, 0), (12, 0)), ((14, 30), (20, 30))].map(|(from, until)| Hours { from: at(from), until: at(until) });
        let holidays = calendar.exceptions.iter().filter(|(_, worked)| !**worked).map(|(day, _)| *day);
        let mut quiet: Vec<_> = holidays.chain(quiet).collect();
        quiet.sort_unstable();
        quiet.dedup();
        Self { hours: hours.to_vec(), quiet }
    }

    /// At any time: `[survey] always_open`, for tests.
    pub fn always() -> Self {
        Self { hours: Vec::new(), quiet: Vec::new() }
    }

    /// Whether people may be rung at `now`.
    pub fn open(&self, now: DateTime<Utc>) -> bool {
        self.next_open(now) == Some(now)
    }

    /// The first moment from `now` on at which people may be rung; `None` when there is none within [`LOOK_AHEAD_DAYS`].
    pub fn next_open(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.hours.is_empty() {
            return Some(now);
        }
        let local = now.with_timezone(&china()).naive_local();
        self.spans(local.date()).find(|(_, until)| *until > local).map(
            |(from, _)| {
                if from <= local { now } else { utc(from) }
            },
        )
    }

    /// When the present window ends; `None` when people may be rung at any time. Outside of windows: `now`.
    pub fn closes(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.hours.is_empty() {
            return None;
        }
        let local = now.with_timezone(&china()).naive_local();
        let present = self.spans(local.date()).find(|(from, until)| (*from..*until).contains(&local));
        Some(present.map_or(now, |(_, until)| utc(until)))
    }

    /// The starts of the parts of the days in which people may be rung, from `now` on.
    pub fn parts(&self, now: DateTime<Utc>) -> impl Iterator<Item = (NaiveDate, DayPart, DateTime<Utc>)> + '_ {
        let local = now.with_timezone(&china()).naive_local();
        let always = [Hours { from: NaiveTime::MIN, until: at((23, 59)) }];
        let hours = if self.hours.is_empty() { always.to_vec() } else { self.hours.clone() };
        self.days(local.date()).flat_map(move |day| {
            let mut parts = Vec::new();
            for (part, from, until) in PARTS {
                let opens = hours.iter().map(|h| (h.from.max(at(from)), h.until.min(at(until)))).find(|(f, u)| f < u);
                let Some((opens, closes)) = opens else { continue };
                let (opens, closes) = (day.and_time(opens), day.and_time(closes));
                if opens >= local {
                    parts.push((day, part, utc(opens)));
                } else if closes > local {
                    parts.push((day, part, now));
                }
            }
            parts
        })
    }

    fn spans(&self, from: NaiveDate) -> impl Iterator<Item = (NaiveDateTime, NaiveDateTime)> + '_ {
        self.days(from).flat_map(|day| self.hours.iter().map(move |h| (day.and_time(h.from), day.and_time(h.until))))
    }

    fn days(&self, from: NaiveDate) -> impl Iterator<Item = NaiveDate> + '_ {
        (0..LOOK_AHEAD_DAYS)
            .filter_map(move |ahead| from.checked_add_days(Days::new(ahead)))
            .filter(|day| self.quiet.binary_search(day).is_err())
    }
}

/// Hour and minute.
type HourMinute = (u32, u32);

/// The parts of the day, each from and until.
const PARTS: [(DayPart, HourMinute, HourMinute); 3] = [
    (DayPart::Morning, (0, 0), (12, 0)),
    (DayPart::Afternoon, (12, 0), (17, 30)),
    (DayPart::Evening, (17, 30), (23, 59)),
];

impl DayPart {
    /// The part of the day of a moment.
    pub fn of(moment: DateTime<Utc>) -> Self {
        let time = moment.with_timezone(&china()).time();
        PARTS.into_iter().rev().find(|(_, from, _)| time >= at(*from)).map_or(Self::Morning, |(part, ..)| part)
    }
}

/// The day of a moment in China Standard Time.
pub(super) fn day_of(moment: DateTime<Utc>) -> NaiveDate {
    moment.with_timezone(&china()).date_naive()
}

fn at((hour, minute): HourMinute) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, minute, 0).unwrap_or_default()
}

fn utc(local: NaiveDateTime) -> DateTime<Utc> {
    china().from_local_datetime(&local).single().map_or_else(|| local.and_utc(), |t| t.to_utc())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::survey::example::{at, windows};

    #[test]
    fn the_next_moment_people_may_be_rung() {
        let check = |now: &str, next: &str| assert_eq!(windows().next_open(at(now)), Some(at(next)), "{now}");
        check("2026-09-28T08:59", "2026-09-28T09:00");
        check("2026-09-28T09:00", "2026-09-28T09:00");
        check("2026-09-28T11:59", "2026-09-28T11:59");
        check("2026-09-28T12:00", "2026-09-28T14:30");
        check("2026-09-28T20:29", "2026-09-28T20:29");
        check("2026-09-28T20:30", "2026-09-29T09:00");
        // 1 to 7 October are holidays, the 8th a market day.
        check("2026-09-30T20:30", "2026-10-09T09:00");
        // A Saturday.
        check("2026-09-26T10:00", "2026-09-26T10:00");
    }

    #[test]
    fn the_end_of_the_present_window() {
        let check = |now: &str, ends: &str| assert_eq!(windows().closes(at(now)), Some(at(ends)), "{now}");
        check("2026-09-28T09:00", "2026-09-28T12:00");
        check("2026-09-28T11:59", "2026-09-28T12:00");
        check("2026-09-28T12:00", "2026-09-28T12:00");
        check("2026-09-28T15:00", "2026-09-28T20:30");
        check("2026-10-01T10:00", "2026-10-01T10:00");
        assert_eq!(Windows::always().closes(at("2026-09-28T09:00")), None);
    }

    #[test]
    fn parts_of_the_coming_days() {
        let check = |now: &str, expected: [(DayPart, &str); 4]| {
            let found: Vec<_> = windows().parts(at(now)).map(|(_, part, from)| (part, from)).take(4).collect();
            assert_eq!(found, expected.map(|(part, from)| (part, at(from))), "{now}");
        };
        use DayPart::{Afternoon, Evening, Morning};
        check(
            "2026-09-28T10:00",
            [
                (Morning, "2026-09-28T10:00"),
                (Afternoon, "2026-09-28T14:30"),
                (Evening, "2026-09-28T17:30"),
                (Morning, "2026-09-29T09:00"),
            ],
        );
        check(
            "2026-09-30T18:00",
            [
                (Evening, "2026-09-30T18:00"),
                (Morning, "2026-10-09T09:00"),
                (Afternoon, "2026-10-09T14:30"),
                (Evening, "2026-10-09T17:30"),
            ],
        );
        assert_eq!(DayPart::of(at("2026-09-28T17:29")), Afternoon);
        assert_eq!(DayPart::of(at("2026-09-28T17:30")), Evening);
    }

    #[test]
    fn tests_may_ring_at_any_time() {
        assert!(Windows::always().open(at("2026-10-01T03:00")));
        assert_eq!(Windows::always().parts(at("2026-10-01T03:00")).next().map(|p| p.2), Some(at("2026-10-01T03:00")));
    }

    proptest! {
        /// P26: whatever the clock says, the next moment is inside a window, and asking again there changes nothing.
        #[test]
        fn the_next_moment_lies_in_a_window(minute in 0_i64..366 * 24 * 60) {
            let now = at("2026-01-01T00:00") + chrono::TimeDelta::minutes(minute);
            let next = windows().next_open(now).expect("within sixty days");
            prop_assert!(next >= now && windows().open(next));
            let local = next.with_timezone(&china());
            let time = local.time();
            let inside = |from, until| time >= super::at(from) && time < super::at(until);
            prop_assert!(inside((9, 0), (12, 0)) || inside((14, 30), (20, 30)));
            prop_assert!(windows().quiet.binary_search(&local.date_naive()).is_err());
        }
    }
}
