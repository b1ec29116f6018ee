//! How times, spans and sizes read on a page. Every time is shown in China Standard Time.

use chrono::{DateTime, Datelike, NaiveDate, Utc};

use crate::clock;

/// `11-24 16:20`, with the year before it when that is not `now`'s.
pub fn stamp(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let zone = clock::china();
    let (at, now) = (at.with_timezone(&zone), now.with_timezone(&zone));
    let form = if at.year() == now.year() { "%m-%d %H:%M" } else { "%Y-%m-%d %H:%M" };
    at.format(form).to_string()
}

/// `2026-11-24 16:20:07`.
pub fn exact(at: DateTime<Utc>) -> String {
    at.with_timezone(&clock::china()).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// The day in China.
pub fn day(at: DateTime<Utc>) -> NaiveDate {
    at.with_timezone(&clock::china()).date_naive()
}

/// The first moment of a day in China.
pub fn midnight(day: NaiveDate) -> Option<DateTime<Utc>> {
    Some(day.and_hms_opt(0, 0, 0)?.and_local_timezone(clock::china()).single()?.to_utc())
}

/// `1:05` or `1:02:03` of milliseconds.
pub fn span(ms: i64) -> String {
    let s = ms.max(0) / 1000;
    let (h, m, s) = (s / 3600, s / 60 % 60, s % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m}:{s:02}") }
}

/// At most `limit` characters of `text`, with a mark where more follows.
pub fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    #[test]
    fn times_are_chinese_times() {
        let now = at("2026-11-24T08:00:00Z");
        assert_eq!(stamp(at("2026-11-23T16:30:00Z"), now), "11-24 00:30");
        assert_eq!(stamp(at("2025-11-23T16:30:00Z"), now), "2025-11-24 00:30");
        assert_eq!(day(at("2026-11-23T16:00:00Z")), day(now));
        assert_eq!(midnight(day(now)), Some(at("2026-11-23T16:00:00Z")));
    }

    #[test]
    fn spans_read_as_clocks() {
        for (ms, shown) in [(0, "0:00"), (65_400, "1:05"), (3_723_000, "1:02:03"), (-5, "0:00")] {
            assert_eq!(span(ms), shown);
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(cut("路灯坏了", 2), "路灯…");
        assert_eq!(cut("路灯", 2), "路灯");
    }
}
