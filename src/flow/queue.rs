//! What a caller hears who waits for a person.

use std::time::Duration;

use super::numerals;
use super::prompts::PromptId;

/// "I connect you, one moment."
pub const CONNECTING: &str = "queue.connecting";
/// "Before you are", number, [`PEOPLE`].
pub const AHEAD: &str = "queue.ahead";
/// Ends [`AHEAD`].
pub const PEOPLE: &str = "queue.people";
/// "You are next."
pub const NEXT: &str = "queue.next";
/// "It takes about", number, [`MINUTES`].
pub const WAIT: &str = "queue.wait";
/// Ends [`WAIT`].
pub const MINUTES: &str = "queue.minutes";
/// "You need not wait: press 1 and leave a message, and we ring you back."
pub const OFFER: &str = "queue.offer";
/// "One moment, please": the person holds the call.
pub const HELD: &str = "queue.held";
/// "The line to our colleague is interrupted; please stay."
pub const PARKED: &str = "queue.parked";
/// A telephone that rings, one period.
pub const RINGING: &str = "queue.ringing";
/// Soft music.
pub const MUSIC: &str = "queue.music";

/// The key that takes [`OFFER`] up.
pub const MESSAGE_KEY: char = '1';

/// Every prompt of this module.
pub(super) const ALL: [&str; 11] =
    [CONNECTING, AHEAD, PEOPLE, NEXT, WAIT, MINUTES, OFFER, HELD, PARKED, RINGING, MUSIC];

/// Longest wait that is told in minutes; nobody waits longer for a number to come true.
const LONGEST_TOLD_MIN: u64 = 60;

/// The place and the likely wait, in whole minutes upwards; at the first time after "I connect you".
pub fn place(first: bool, ahead: usize, wait: Duration, offer: bool) -> Vec<PromptId> {
    let number = |n, falling| numerals::prompts(&numerals::counted(n, falling));
    let mut out: Vec<PromptId> = Vec::new();
    out.extend(first.then(|| CONNECTING.into()));
    if ahead == 0 {
        out.push(NEXT.into());
    } else {
        out.push(AHEAD.into());
        out.extend(number(u64::try_from(ahead).unwrap_or(u64::MAX), true)); // 位 falls, 分 does not.
        out.push(PEOPLE.into());
        let minutes = wait.as_secs().div_ceil(60).clamp(1, LONGEST_TOLD_MIN);
        out.push(WAIT.into());
        out.extend(number(minutes, false));
        out.push(MINUTES.into());
    }
    out.extend(offer.then(|| OFFER.into()));
    out.push(RINGING.into());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_and_the_wait_are_told() {
        let check = |first, ahead, seconds, offer, expected: &str| {
            let told = place(first, ahead, Duration::from_secs(seconds), offer);
            let told: Vec<&str> = told.iter().map(PromptId::as_str).collect();
            assert_eq!(told.join(" "), expected);
        };
        check(true, 0, 90, false, "queue.connecting queue.next queue.ringing");
        check(false, 0, 90, true, "queue.next queue.offer queue.ringing");
        check(false, 2, 61, false, "queue.ahead liang queue.people queue.wait liang queue.minutes queue.ringing");
        check(false, 3, 9_000, false, "queue.ahead n.3 queue.people queue.wait n.60 queue.minutes queue.ringing");
    }
}
