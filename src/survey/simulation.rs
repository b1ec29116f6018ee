//! A campaign rung in thought before it runs: how long it takes, how often telephones ring, how many answer (R7.9).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::disposition::{Disposition, InterviewEnd, Outcome};
use super::random::Random;
use super::retry::{Attempt, plan};
use super::windows::Windows;

/// Attempts after which a simulation is given up; no campaign has as many.
const ATTEMPTS_MAX: u64 = 10_000_000;

/// What is taken for likely. Shares of attempts; what they leave is not answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assumptions {
    /// A person answers.
    pub person: f64,
    /// A machine answers.
    pub machine: f64,
    /// Busy.
    pub busy: f64,
    /// The number is dead.
    pub dead: f64,
    /// Of those who answer, how many refuse.
    pub refuse: f64,
    /// Of those who answer, how many hang up half-way.
    pub hang_up: f64,
    /// How long an interview lasts.
    pub interview: Duration,
    /// How long any other attempt lasts.
    pub attempt: Duration,
}

impl Default for Assumptions {
    /// Round numbers from which to begin; an installation's own campaigns give better ones.
    fn default() -> Self {
        Self {
            person: 0.35,
            machine: 0.05,
            busy: 0.10,
            dead: 0.02,
            refuse: 0.10,
            hang_up: 0.10,
            interview: Duration::from_secs(110),
            attempt: Duration::from_secs(45),
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// Numbers by disposition.
    pub dispositions: BTreeMap<Disposition, u64>,
    /// Attempts made.
    pub attempts: u64,
    /// When the last ended.
    pub ends_at: DateTime<Utc>,
    /// Most calls at once.
    pub busiest: usize,
}

/// Rings `numbers` numbers from `start` on, with `channels` calls at once and `attempts_max` attempts each.
pub fn forecast(
    numbers: usize,
    channels: usize,
    attempts_max: u16,
    windows: &Windows,
    assumed: &Assumptions,
    start: DateTime<Utc>,
    seed: u64,
) -> Forecast {
    let mut random = Random::new(seed);
    let mut histories: Vec<Vec<Attempt>> = vec![Vec::new(); numbers];
    let mut dispositions = vec![Disposition::NotAttempted; numbers];
    // What is due, and the ends of the calls under way.
    let mut due: BinaryHeap<Reverse<(DateTime<Utc>, usize)>> = (0..numbers).map(|n| Reverse((start, n))).collect();
    let mut calls: BinaryHeap<Reverse<DateTime<Utc>>> = BinaryHeap::new();
    let (mut attempts, mut busiest, mut ends_at) = (0, 0, start);
    while let Some(Reverse((at, number))) = due.pop() {
        if attempts >= ATTEMPTS_MAX {
            break;
        }
        while calls.peek().is_some_and(|Reverse(end)| *end <= at) {
            calls.pop();
        }
        // With every channel busy it waits for the first that is free.
        let free = if calls.len() < channels.max(1) { Some(at) } else { calls.peek().map(|Reverse(end)| *end) };
        let Some(now) = free.and_then(|free| windows.next_open(free)) else { continue };
        if now > at {
            due.push(Reverse((now, number)));
            continue;
        }
        let (outcome, lasts) = attempt(&mut random, assumed);
        attempts += 1;
        let end = now + TimeDelta::from_std(lasts).unwrap_or_default();
        calls.push(Reverse(end));
        busiest = busiest.max(calls.len());
        ends_at = ends_at.max(end);
        histories[number].push(Attempt { at: now, outcome });
        let plan = plan(&histories[number], attempts_max, windows, end);
        dispositions[number] = plan.disposition;
        due.extend(plan.again_at.map(|again| Reverse((again, number))));
    }
    let mut counts = BTreeMap::new();
    for disposition in dispositions {
        *counts.entry(disposition).or_default() += 1;
    }
    Forecast { dispositions: counts, attempts, ends_at, busiest }
}

fn attempt(random: &mut Random, assumed: &Assumptions) -> (Outcome, Duration) {
    let reached = |answered, end| Outcome::Reached { answered, applicable: 6, end };
    let drawn = random.unit();
    let bounds = [assumed.person, assumed.machine, assumed.busy, assumed.dead];
    let mut below = 0.0;
    let class = bounds.iter().position(|share| {
        below += share;
        drawn < below
    });
    match class {
        Some(0) => {
            let mood = random.unit();
            if mood < assumed.refuse {
                (reached(0, InterviewEnd::OptedOut), assumed.attempt)
            } else if mood < assumed.refuse + assumed.hang_up {
                (reached(2, InterviewEnd::HungUp), assumed.interview / 2)
            } else {
                (reached(6, InterviewEnd::Thanked), assumed.interview)
            }
        }
        Some(1) => (Outcome::Machine, assumed.attempt),
        Some(2) => (Outcome::Busy, assumed.attempt / 10),
        Some(_) => (Outcome::NonWorking, assumed.attempt / 10),
        None => (Outcome::NoAnswer, assumed.attempt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::example::{at, windows};

    fn ring(numbers: usize, channels: usize, assumed: &Assumptions) -> Forecast {
        forecast(numbers, channels, 5, &windows(), assumed, at("2026-09-28T09:00"), 4)
    }

    #[test]
    fn everybody_answers_at_once_where_everybody_is_at_home() {
        let assumed = Assumptions { person: 1.0, refuse: 0.0, hang_up: 0.0, ..Assumptions::default() };
        let found = ring(100, 10, &assumed);
        assert_eq!(found.dispositions, [(Disposition::Complete, 100)].into());
        assert_eq!((found.attempts, found.busiest), (100, 10));
        // Ten rounds of 110 seconds.
        assert_eq!(found.ends_at, at("2026-09-28T09:00") + TimeDelta::seconds(1_100));
    }

    #[test]
    fn nobody_at_home_costs_five_attempts_each_and_three_days() {
        let found =
            ring(20, 50, &Assumptions { person: 0.0, machine: 0.0, busy: 0.0, dead: 0.0, ..Assumptions::default() });
        assert_eq!((found.attempts, found.dispositions), (100, [(Disposition::NoAnswer, 20)].into()));
        assert!(found.ends_at > at("2026-09-30T09:00"));
    }

    #[test]
    fn numbers_add_up_and_a_seed_repeats() {
        let assumed = Assumptions::default();
        let found = ring(500, 8, &assumed);
        assert_eq!(found.dispositions.values().sum::<u64>(), 500);
        assert!(found.busiest <= 8 && found.attempts > 500);
        // Most answer within five attempts: 1 - 0.65^5 are reached, a fifth of whom do not stay.
        let complete = found.dispositions[&Disposition::Complete];
        assert!((300..=420).contains(&complete), "{complete}");
        assert_eq!(ring(500, 8, &assumed), found);
    }
}
