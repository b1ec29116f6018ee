//! How many calls a trunk was given in this hour and on this day, China Standard Time. Pure.

use chrono::{DateTime, NaiveDate, Timelike as _, Utc};

use crate::call::Usage;
use crate::clock::china;

/// One trunk's count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ledger {
    per_hour: u32,
    per_day: u32,
    hour: Option<(NaiveDate, u32)>,
    in_hour: u32,
    in_day: u32,
}

impl Ledger {
    /// An empty one with its caps.
    pub(super) fn new(per_hour: u32, per_day: u32) -> Self {
        Self { per_hour, per_day, hour: None, in_hour: 0, in_day: 0 }
    }

    /// What was used at `now`.
    pub(super) fn usage(&self, now: DateTime<Utc>) -> Usage {
        let present = hour_of(now);
        let same_day = self.hour.is_some_and(|(day, _)| day == present.0);
        Usage {
            hour: (if self.hour == Some(present) { self.in_hour } else { 0 }, self.per_hour),
            day: (if same_day { self.in_day } else { 0 }, self.per_day),
        }
    }

    /// What an earlier run of the gateway used up to `at`; counts where it is more than is known.
    pub(super) fn restore(&mut self, at: DateTime<Utc>, in_hour: u32, in_day: u32) {
        let (present, then) = (self.hour, hour_of(at));
        match present {
            Some(hour) if hour == then => {
                (self.in_hour, self.in_day) = (self.in_hour.max(in_hour), self.in_day.max(in_day));
            }
            Some((day, _)) if day == then.0 => self.in_day = self.in_day.max(in_day),
            Some((day, _)) if day > then.0 => {}
            Some(_) | None => (self.hour, self.in_hour, self.in_day) = (Some(then), in_hour, in_day),
        }
    }

    /// One more call.
    pub(super) fn count(&mut self, now: DateTime<Utc>) {
        let Usage { hour: (in_hour, _), day: (in_day, _) } = self.usage(now);
        (self.in_hour, self.in_day) = (in_hour + 1, in_day + 1);
        self.hour = Some(hour_of(now));
    }
}

fn hour_of(now: DateTime<Utc>) -> (NaiveDate, u32) {
    let local = now.with_timezone(&china());
    (local.date_naive(), local.hour())
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone as _};

    use super::*;

    #[test]
    fn hours_and_days_begin_anew() {
        let start = china().with_ymd_and_hms(2026, 9, 28, 22, 59, 0).single().expect("a moment").to_utc();
        let mut ledger = Ledger::new(10, 100);
        let mut check = |minutes: i64, hour: u32, day: u32| {
            let now = start + TimeDelta::minutes(minutes);
            ledger.count(now);
            assert_eq!(ledger.usage(now), Usage { hour: (hour, 10), day: (day, 100) }, "{minutes} min later");
        };
        check(0, 1, 1);
        check(0, 2, 2);
        check(1, 1, 3);
        check(60, 2, 4);
        check(61, 1, 1);
        // The same hour of the next day.
        check(61 + 24 * 60, 1, 1);
    }

    #[test]
    fn what_an_earlier_run_used_counts() {
        let start = china().with_ymd_and_hms(2026, 9, 28, 22, 30, 0).single().expect("a moment").to_utc();
        let later = |minutes| start + TimeDelta::minutes(minutes);
        let check = |counted_at: Option<i64>, now: i64, hour: u32, day: u32| {
            let mut ledger = Ledger::new(10, 100);
            if let Some(at) = counted_at {
                ledger.count(later(at));
            }
            ledger.restore(start, 7, 40);
            let found = ledger.usage(later(now));
            assert_eq!(found, Usage { hour: (hour, 10), day: (day, 100) }, "{counted_at:?}, at {now} min");
        };
        check(None, 1, 7, 40);
        check(None, 31, 0, 40);
        check(None, 95, 0, 0);
        check(Some(1), 1, 7, 40);
        // In the next hour it has begun to count anew.
        check(Some(31), 31, 1, 40);
        check(Some(95), 95, 1, 1);
    }
}
