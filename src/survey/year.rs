//! A year of callbacks, in thought: cases close at every hour of every day, telephones ring and are answered or not, machines
//! are slow; and no INVITE goes out when people may not be rung (R7.3, P26).
//!
//! The rules are written a second time here, in other words: [`may_be_rung`] knows the year 2026 as the State Council announced
//! it, and nothing of [`Windows`].

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Timelike, Utc};

use super::disposition::{InterviewEnd, Outcome};
use super::random::Random;
use super::retry::{ATTEMPTS_MAX, Attempt, first_attempt, plan};
use super::windows::Windows;
use crate::clock::china;
use crate::directory::Calendar;
use crate::survey::example::at;

/// Cases closed in the year.
const CASES: usize = 20_000;

const SEED: u64 = 2026;

/// The delivered calendar: the State Council's notice on the holidays of 2026.
const CALENDAR: &str = include_str!("../../seeds/calendar_days.csv");

/// Market days on which the district rings nobody.
const MARKET: [(u32, u32); 3] = [(3, 18), (7, 24), (11, 12)];

/// First and last days of the holidays of 2026, by month and day.
const HOLIDAYS: [(u32, u32, u32); 7] =
    [(1, 1, 3), (2, 15, 23), (4, 4, 6), (5, 1, 5), (6, 19, 21), (9, 25, 27), (10, 1, 7)];

fn may_be_rung(moment: DateTime<Utc>) -> bool {
    let local = moment.with_timezone(&china());
    let (month, day) = (local.month(), local.day());
    let holiday =
        local.year() == 2026 && HOLIDAYS.iter().any(|(m, from, until)| *m == month && (*from..=*until).contains(&day));
    let market = local.year() == 2026 && MARKET.contains(&(month, day));
    let minute = local.hour() * 60 + local.minute();
    let morning = (9 * 60..12 * 60).contains(&minute);
    let evening = (14 * 60 + 30..20 * 60 + 30).contains(&minute);
    (morning || evening) && !holiday && !market
}

fn calendar() -> Calendar {
    let day = |line: &str| {
        let mut columns = line.split(',');
        let day: NaiveDate = columns.next()?.parse().ok()?;
        Some((day, columns.next()? == "true"))
    };
    Calendar { exceptions: CALENDAR.lines().skip(1).filter_map(day).collect(), hours: vec![] }
}

fn outcome(random: &mut Random) -> Outcome {
    let reached = |end| Outcome::Reached { answered: 2, applicable: 6, end };
    match random.below(10) {
        0 | 1 => reached(InterviewEnd::Thanked),
        2 => reached(InterviewEnd::HungUp),
        3 => reached(InterviewEnd::Ours),
        4 => Outcome::Busy,
        5 => Outcome::Machine,
        6 => Outcome::TrunkFault,
        7 => Outcome::OutOfService,
        8 => Outcome::Lost,
        _ => Outcome::NoAnswer,
    }
}

/// Everything that happened in a year: moments at which INVITEs went out, and how many were held back at the last gate.
fn year(windows: &Windows) -> (Vec<DateTime<Utc>>, usize) {
    let mut random = Random::new(SEED);
    let (mut sent, mut held_back) = (Vec::new(), 0);
    let minutes = 365 * 24 * 60;
    for _ in 0..CASES {
        let closed = at("2026-01-01T00:00") + TimeDelta::minutes(random.below(minutes) as i64);
        let mut attempts: Vec<Attempt> = Vec::new();
        let mut due = first_attempt(closed, windows);
        while let Some(mut now) = due {
            // The dialler asks twice a second, and has other numbers to ring: somewhen after it is due.
            now += TimeDelta::milliseconds(random.below(4 * 3_600_000) as i64);
            let Some(open) = windows.next_open(now) else { break };
            let claimed = if windows.open(now) { now } else { open };
            // From the claim to the INVITE: the database, a first trunk that does not answer.
            let invite = claimed + TimeDelta::milliseconds(random.below(40_000) as i64);
            let outcome = if windows.closes(claimed).is_none_or(|closes| invite < closes) {
                sent.push(invite);
                outcome(&mut random)
            } else {
                held_back += 1;
                Outcome::TrunkFault
            };
            attempts.push(Attempt { at: claimed, outcome });
            let ended = invite + TimeDelta::seconds(random.below(120) as i64);
            due = plan(&attempts, ATTEMPTS_MAX, windows, ended).again_at;
        }
    }
    (sent, held_back)
}

#[test]
fn a_simulated_year_rings_nobody_out_of_hours() {
    let market = MARKET.map(|(month, day)| NaiveDate::from_ymd_opt(2026, month, day).expect("a day"));
    let windows = Windows::standard(&calendar(), market);
    let (sent, held_back) = year(&windows);
    let outside: Vec<_> = sent.iter().filter(|moment| !may_be_rung(**moment)).collect();
    let days: std::collections::BTreeSet<_> = sent.iter().map(|m| m.with_timezone(&china()).date_naive()).collect();
    println!(
        "{CASES} cases closed in 2026: {} INVITEs on {} days, {} outside the windows; {held_back} held back at the last gate",
        sent.len(),
        days.len(),
        outside.len()
    );
    assert_eq!(outside, Vec::<&DateTime<Utc>>::new());
    assert!(sent.len() > 2 * CASES && days.len() > 300, "hardly anybody was rung: nothing is shown");
    assert!(held_back > 0, "the last gate was not needed: nothing is shown of it");
    // The second rule is stricter than none: a clock that knows no windows breaks it.
    let any = Windows::always();
    assert!(year(&any).0.iter().any(|moment| !may_be_rung(*moment)));
}
