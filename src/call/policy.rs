//! What may be rung at all (S8): the last question before an INVITE, whatever asked for the call. A pure function.
//!
//! It stands apart from a campaign's windows and retries on purpose: a fault there, or somebody who got hold of the
//! interface, still rings no stranger, no night and no expensive number.

use std::fmt;

use chrono::{DateTime, Timelike as _, Utc};

use crate::ids::PhoneNumber;

/// The hours of the night, China Standard Time, in which nobody is rung: from the first up to the second.
const NIGHT: (u32, u32) = (21, 8);

/// Longest number rung: E.164 allows 15 digits.
const DIGITS_MAX: usize = 15;

/// Shortest number rung. Numbers of three digits are emergency services and the like.
const DIGITS_MIN: usize = 4;

/// Why a number is somebody's whom we may ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It is the number of a case.
    Case,
    /// Somebody with the right to do so put it on a campaign's list.
    Listed,
    /// Nothing speaks for it.
    None,
}

/// The rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialPolicy {
    /// Beginnings of numbers that are never rung.
    pub barred: Vec<String>,
    /// Whether people may be rung by night: in tests only.
    pub by_night: bool,
}

/// A trunk's caps and what was rung by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Calls within the last hour, and the most there may be.
    pub hour: (u32, u32),
    /// Calls within the last day, and the most there may be.
    pub day: (u32, u32),
}

/// Why a number is not rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Barred {
    /// Too short, too long, abroad, or on the list of barred beginnings.
    Number,
    /// Neither the number of a case nor on an approved list.
    Stranger,
    /// It is night.
    Night,
    /// The hours are over in which whoever asked for the call may ring people.
    Closed,
    /// The trunk's calls of this hour are used up.
    Hour,
    /// The trunk's calls of this day are used up.
    Day,
}

impl DialPolicy {
    /// Whether `number` may be rung at `now`.
    ///
    /// # Errors
    /// The first rule against it; those that no waiting changes come first.
    pub fn check(
        &self,
        number: &PhoneNumber,
        standing: Standing,
        usage: Usage,
        now: DateTime<Utc>,
    ) -> Result<(), Barred> {
        if !self.is_domestic(number.reveal()) {
            return Err(Barred::Number);
        }
        match standing {
            Standing::Case | Standing::Listed => {}
            Standing::None => return Err(Barred::Stranger),
        }
        let (from, until) = NIGHT;
        let hour = now.with_timezone(&crate::clock::china()).hour();
        if !self.by_night && (hour >= from || hour < until) {
            return Err(Barred::Night);
        }
        if usage.hour.0 >= usage.hour.1 {
            return Err(Barred::Hour);
        }
        if usage.day.0 >= usage.day.1 {
            return Err(Barred::Day);
        }
        Ok(())
    }

    fn is_domestic(&self, number: &str) -> bool {
        let national = match number.strip_prefix("+86").or_else(|| number.strip_prefix("0086")) {
            Some(rest) => rest,
            None if number.starts_with('+') || number.starts_with("00") => return false,
            None => number,
        };
        (DIGITS_MIN..=DIGITS_MAX).contains(&national.len())
            && !self.barred.iter().any(|barred| national.starts_with(barred.as_str()))
    }
}

impl Barred {
    /// Whether the same number may be rung later.
    pub const fn passes(self) -> bool {
        match self {
            Self::Number | Self::Stranger => false,
            Self::Night | Self::Closed | Self::Hour | Self::Day => true,
        }
    }
}

impl fmt::Display for Barred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "barred number",
            Self::Stranger => "neither of a case nor listed",
            Self::Night => "night",
            Self::Closed => "out of hours",
            Self::Hour => "this hour's calls are used up",
            Self::Day => "this day's calls are used up",
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use proptest::prelude::*;

    use super::*;
    use crate::clock::china;

    fn policy() -> DialPolicy {
        DialPolicy { barred: vec!["168".into()], by_night: false }
    }

    fn at(hour: u32, minute: u32) -> DateTime<Utc> {
        china().with_ymd_and_hms(2026, 9, 28, hour, minute, 0).single().expect("a moment").to_utc()
    }

    const FREE: Usage = Usage { hour: (0, 10), day: (0, 100) };

    #[track_caller]
    fn check(number: &str, standing: Standing, usage: Usage, now: DateTime<Utc>, expected: Result<(), Barred>) {
        let number = PhoneNumber::parse(number).expect("a number");
        assert_eq!(policy().check(&number, standing, usage, now), expected, "{}", number.reveal());
    }

    #[test]
    fn numbers() {
        let noon = at(12, 0);
        check("13800000001", Standing::Case, FREE, noon, Ok(()));
        check("+8613800000001", Standing::Listed, FREE, noon, Ok(()));
        check("008613800000001", Standing::Listed, FREE, noon, Ok(()));
        check("0877-7012345", Standing::Case, FREE, noon, Ok(()));
        for barred in ["+12025550100", "0012025550100", "1688899", "+861688899", "110", "1234567890123456"] {
            check(barred, Standing::Case, FREE, noon, Err(Barred::Number));
        }
        check("13800000001", Standing::None, FREE, noon, Err(Barred::Stranger));
    }

    #[test]
    fn nights_and_caps() {
        let number = "13800000001";
        check(number, Standing::Case, FREE, at(20, 59), Ok(()));
        check(number, Standing::Case, FREE, at(21, 0), Err(Barred::Night));
        check(number, Standing::Case, FREE, at(7, 59), Err(Barred::Night));
        check(number, Standing::Case, FREE, at(8, 0), Ok(()));
        check(number, Standing::Case, Usage { hour: (10, 10), ..FREE }, at(9, 0), Err(Barred::Hour));
        check(number, Standing::Case, Usage { day: (100, 100), ..FREE }, at(9, 0), Err(Barred::Day));
        let tests = DialPolicy { by_night: true, ..policy() };
        let number = PhoneNumber::parse(number).expect("a number");
        assert_eq!(tests.check(&number, Standing::Case, FREE, at(3, 0)), Ok(()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// S8: whatever is asked for, nothing out of policy is rung. The rules are written a second time here, in other words.
        #[test]
        fn nothing_out_of_policy_is_rung(
            start in prop_oneof![Just("+"), Just("+86"), Just("00"), Just("0086"), Just("168"), Just("13"), Just("0"), Just("")],
            (digits, length) in (0_u64..100_000_000_000_000, 1_usize..15),
            standing in prop_oneof![Just(Standing::Case), Just(Standing::Listed), Just(Standing::None)],
            used in (0_u32..20, 0_u32..200),
            minute in 0_i64..366 * 24 * 60,
        ) {
            let number = format!("{start}{}", &format!("{digits:014}")[14 - length..]);
            let now = at(0, 0) + chrono::TimeDelta::minutes(minute);
            let usage = Usage { hour: (used.0, 10), day: (used.1, 100) };
            let asked = PhoneNumber::parse(&number).expect("a number");
            if policy().check(&asked, standing, usage, now).is_ok() {
                let time = now.with_timezone(&china()).time();
                prop_assert!((8..21).contains(&time.hour()));
                prop_assert!(standing != Standing::None && used.0 < 10 && used.1 < 100);
                let abroad = (number.starts_with('+') && !number.starts_with("+86"))
                    || (number.starts_with("00") && !number.starts_with("0086"));
                prop_assert!(!abroad && number.len() >= 4);
                prop_assert!(!["168", "+86168", "0086168"].iter().any(|barred| number.starts_with(barred)));
            }
        }
    }
}
