//! Work days: weekends, State Council holidays and the work days swapped for them; office hours.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};

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
