//! The table of spoken numbers, row by row.

use super::*;

const TABLE: &str = include_str!("spoken.txt");

fn rows() -> impl Iterator<Item = (&'static str, [&'static str; 2])> {
    TABLE.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let columns: Vec<_> = line.split('|').map(str::trim).collect();
        let [form, heard, pieces] = columns[..] else { panic!("three columns: {line}") };
        (form, [heard, pieces])
    })
}

fn say(form: &str) -> Vec<Piece> {
    let (kind, value) = form.split_once(' ').expect("a form and a value");
    let number = || value.parse().expect("a number");
    let day = || value.parse().expect("a date");
    match kind {
        "cardinal" => cardinal(number()),
        "workdays" => workdays(number()),
        "money" => money(number()),
        "percent" => percent(number()),
        "digits" => digits(value, One::Yao),
        "year" => digits(value, One::Yi),
        "date" => date(day()),
        "full" => full_date(day()),
        "near" => near_date(day(), "2026-10-09".parse().expect("a date")),
        "clock" => clock(value.parse().expect("a time")),
        other => panic!("no form {other}"),
    }
}

#[test]
fn numbers_are_spoken_as_in_the_table() {
    assert!(rows().count() >= 200, "the table has {} rows", rows().count());
    for (form, expected) in rows() {
        let pieces = say(form);
        let ids: Vec<_> = prompts(&pieces).iter().map(ToString::to_string).collect();
        assert_eq!([text(&pieces).as_str(), ids.join(" ").as_str()], expected, "{form}");
    }
}

/// Whatever is said is recorded: no number makes a piece that [`Piece::all`] lacks.
#[test]
fn every_number_is_made_of_known_pieces() {
    let known: std::collections::HashSet<_> = Piece::all().collect();
    let check = |pieces: Vec<Piece>| assert!(pieces.iter().all(|p| known.contains(p)), "{pieces:?}");
    for n in (0..2_000).chain((0..1_000_000_000_000).step_by(7_777_777_771)) {
        check(cardinal(n));
        check(workdays(n));
        check(money(n));
        check(percent(n));
        check(digits(&n.to_string(), One::Yao));
    }
    for day in NaiveDate::from_ymd_opt(2026, 1, 1).expect("a date").iter_days().take(800) {
        check(full_date(day));
        check(date(day));
    }
    for minute in 0..24 * 60 {
        check(clock(NaiveTime::from_num_seconds_from_midnight_opt(minute * 60, 0).expect("a time")));
    }
}

/// A number and its text are the same: read back digit by digit, none is lost.
#[test]
fn no_digit_is_lost_in_groups() {
    for n in 1..=30 {
        let string: String = "1234567890".chars().cycle().take(n).collect();
        let said = text(&digits(&string, One::Yi));
        assert_eq!(said.chars().count(), n, "{string}: {said}");
    }
}
