//! Which calls are due when: each call once every 20 ms, calls spread over phases of 1 ms.

use std::time::{Duration, Instant};

/// Phases of the wheel.
pub const PHASES: usize = 20;
/// Time from one phase to the next.
pub const STEP: Duration = Duration::from_millis(1);
/// Time of one turn.
const TURN: Duration = Duration::from_millis(PHASES as u64);
/// Lateness beyond which missed turns are left out rather than made up: a suspended machine.
const MAX_BEHIND: Duration = Duration::from_millis(200);

/// Where a call stands on the wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    phase: usize,
}

/// A step that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The phase whose calls are due.
    pub phase: usize,
    /// When they were due.
    pub at: Instant,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Wheel {
    phases: [Vec<u32>; PHASES],
    /// When step 0 was due.
    epoch: Instant,
    /// The next step that has not been handed out.
    next: u64,
}

impl Wheel {
    /// An empty wheel that begins to turn at `now`, with room for `calls` before it allocates.
    pub fn new(now: Instant, calls: usize) -> Self {
        Self { phases: std::array::from_fn(|_| Vec::with_capacity(calls.div_ceil(PHASES))), epoch: now, next: 1 }
    }

    /// Puts a call into the emptiest phase.
    pub fn insert(&mut self, call: u32) -> Place {
        let emptiest = (0..PHASES).min_by_key(|phase| self.phases[*phase].len()).unwrap_or(0);
        self.phases[emptiest].push(call);
        Place { phase: emptiest }
    }

    /// Puts a call into the emptiest of the next `steps` phases, so that its first turn is due within so many steps.
    pub fn insert_soon(&mut self, call: u32, steps: usize) -> Place {
        let next = (self.next % PHASES as u64) as usize;
        let soon = (0..steps.clamp(1, PHASES)).map(|n| (next + n) % PHASES);
        let emptiest = soon.min_by_key(|phase| self.phases[*phase].len()).unwrap_or(next);
        self.phases[emptiest].push(call);
        Place { phase: emptiest }
    }

    /// Takes a call off.
    pub fn remove(&mut self, place: Place, call: u32) {
        let calls = &mut self.phases[place.phase];
        if let Some(at) = calls.iter().position(|other| *other == call) {
            calls.swap_remove(at);
        }
    }

    /// The next step due at `now`, if any. Steps missed by more than a bound are left out by whole turns, so that each
    /// call keeps its phase.
    pub fn due(&mut self, now: Instant) -> Option<Due> {
        let mut at = self.at(self.next);
        if now < at {
            return None;
        }
        if now - at > MAX_BEHIND {
            let turns = (now - at).as_millis() as u64 / TURN.as_millis() as u64;
            self.next += turns * PHASES as u64;
            at = self.at(self.next);
        }
        let phase = (self.next % PHASES as u64) as usize;
        self.next += 1;
        Some(Due { phase, at })
    }

    /// The calls of a phase.
    pub fn calls(&self, phase: usize) -> &[u32] {
        &self.phases[phase]
    }

    fn at(&self, step: u64) -> Instant {
        self.epoch + STEP * u32::try_from(step % STEPS_PER_DAY).unwrap_or(0) + DAY * (step / STEPS_PER_DAY) as u32
    }
}

/// `Duration` multiplies by 32 bits: steps are counted in days and the rest.
const DAY: Duration = Duration::from_secs(86_400);
const STEPS_PER_DAY: u64 = DAY.as_millis() as u64;

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        crate::clock::monotonic() // Only an origin.
    }

    #[test]
    fn calls_spread_over_the_phases() {
        let mut wheel = Wheel::new(start(), 40);
        let places: Vec<Place> = (0..40).map(|call| wheel.insert(call)).collect();
        assert!((0..PHASES).all(|phase| wheel.calls(phase).len() == 2));
        wheel.remove(places[7], 7);
        assert_eq!(wheel.insert(99), places[7]);
    }

    #[test]
    fn who_is_in_a_hurry_is_due_within_so_many_steps() {
        let epoch = start();
        let mut wheel = Wheel::new(epoch, 40);
        while wheel.due(epoch + STEP * 17).is_some() {}
        // The next phase is 18, and 18, 19, 0, 1 and 2 take turns.
        let places: Vec<usize> = (0..10).map(|call| wheel.insert_soon(call, 5).phase).collect();
        assert_eq!(places, [18, 19, 0, 1, 2, 18, 19, 0, 1, 2]);
        assert_eq!(wheel.due(epoch + STEP * 18).map(|due| due.phase), Some(18));
    }

    #[test]
    fn every_phase_is_due_once_a_turn_without_drift() {
        let epoch = start();
        let mut wheel = Wheel::new(epoch, 0);
        let mut seen = [0; PHASES];
        // A shell that wakes up at odd times.
        for wake in 1..=400 {
            let now = epoch + Duration::from_micros(wake * 2_500);
            while let Some(due) = wheel.due(now) {
                assert!(due.at <= now && now - due.at < Duration::from_millis(4));
                seen[due.phase] += 1;
            }
        }
        assert_eq!(seen, [50; PHASES]);
    }

    #[test]
    fn a_long_stop_is_left_out_by_whole_turns() {
        let epoch = start();
        let mut wheel = Wheel::new(epoch, 0);
        let first = wheel.due(epoch + STEP).expect("due");
        let now = epoch + Duration::from_secs(10);
        let steps = std::iter::from_fn(|| wheel.due(now)).collect::<Vec<_>>();
        assert!(steps.len() <= 2 * PHASES, "{}", steps.len());
        assert_eq!(steps[0].phase, (first.phase + 1) % PHASES);
        assert!(now - steps[0].at < MAX_BEHIND);
    }

    #[test]
    fn it_turns_for_months() {
        let epoch = start();
        let mut wheel = Wheel::new(epoch, 0);
        let now = epoch + DAY * 90;
        assert!(wheel.due(now).is_some_and(|due| now - due.at < MAX_BEHIND));
    }
}
