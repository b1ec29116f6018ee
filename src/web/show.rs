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

/// `二〇二六年十一月二十四日`, as official papers have it (GB/T 15835).
pub fn han_day(day: NaiveDate) -> String {
    let digit = |d: u32| ['〇', '一', '二', '三', '四', '五', '六', '七', '八', '九'][d as usize % 10];
    let year: String = day.year().to_string().chars().filter_map(|c| c.to_digit(10)).map(digit).collect();
    let small = |n: u32| match (n / 10, n % 10) {
        (0, ones) => digit(ones).to_string(),
        (1, 0) => "十".to_owned(),
        (1, ones) => format!("十{}", digit(ones)),
        (tens, 0) => format!("{}十", digit(tens)),
        (tens, ones) => format!("{}十{}", digit(tens), digit(ones)),
    };
    format!("{year}年{}月{}日", small(day.month()), small(day.day()))
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
    fn days_in_chinese_numerals() {
        for (day, written) in [
            ("2026-11-24", "二〇二六年十一月二十四日"),
            ("2026-10-10", "二〇二六年十月十日"),
            ("2027-01-30", "二〇二七年一月三十日"),
            ("2030-12-01", "二〇三〇年十二月一日"),
        ] {
            assert_eq!(han_day(day.parse().expect("a day")), written);
        }
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
