//! From state to state, and what each says on entering.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{CaseState, Dialogue, Keys, Listening, MAX_REPEATS, MAX_TRAIL, REPEAT_WAIT, Then, Tries, Turn};
use crate::cases::Origin;
use crate::flow::model::{Field, StateId, Step};
use crate::flow::prompts::PromptId;
use crate::flow::{Expect, tell, vocabulary as say};

impl Dialogue {
    pub(super) fn recorded(&mut self, wall: DateTime<Utc>) -> Turn {
        let flow = Arc::clone(&self.flow);
        match &flow.state(self.at).step {
            Step::Message { done, next, .. } => self.go(*next, done.clone(), wall),
            Step::Say { .. }
            | Step::Verify { .. }
            | Step::Menu { .. }
            | Step::Words { .. }
            | Step::Place { .. }
            | Step::Phone { .. }
            | Step::Confirm { .. }
            | Step::Case { .. }
            | Step::Progress { .. }
            | Step::End => self.repeat(vec![], wall),
        }
    }

    /// Past a case, a progress answer or the offer to take answers back.
    pub(super) fn onward(&mut self, lead: Vec<PromptId>, wall: DateTime<Utc>) -> Turn {
        match *self.step() {
            Step::Case { next } | Step::Progress { next } | Step::Verify { next } => self.go(next, lead, wall),
            Step::Say { .. }
            | Step::Menu { .. }
            | Step::Words { .. }
            | Step::Place { .. }
            | Step::Phone { .. }
            | Step::Confirm { .. }
            | Step::Message { .. }
            | Step::End => self.repeat(lead, wall),
        }
    }

    /// Goes to a state and remembers the way back.
    pub(super) fn go(&mut self, id: StateId, lead: Vec<PromptId>, wall: DateTime<Utc>) -> Turn {
        if self.step().listens() && self.told.is_empty() {
            self.trail.push(self.at);
            let surplus = self.trail.len().saturating_sub(MAX_TRAIL);
            self.trail.drain(..surplus);
        }
        self.enter(id, lead, wall)
    }

    /// Enters a state, or the first one after it that has something to do.
    pub(super) fn enter(&mut self, id: StateId, mut lead: Vec<PromptId>, wall: DateTime<Utc>) -> Turn {
        let flow = Arc::clone(&self.flow);
        let mut at = id;
        // Every state at most once: `check` refuses rings of states that only speak, and a passed-over state has had its turn.
        for _ in 0..=flow.states().count() {
            let state = flow.state(at);
            self.at = at;
            self.told.clear();
            self.tries = Tries::default();
            let next = match &state.step {
                Step::Say { next } => {
                    lead.extend(state.say.iter().cloned());
                    Some(*next)
                }
                Step::Verify { .. } if self.revocable() => None,
                Step::Verify { next } => {
                    lead.extend(state.say.iter().cloned());
                    lead.extend(tell::rung(self.rung, wall));
                    Some(*next)
                }
                Step::Words { next } => self.slots.has_request().then_some(*next),
                Step::Place { next } => (self.slots.village.is_some() || !self.slots.place.is_empty()).then_some(*next),
                Step::Phone { next } => self.slots.phone.is_some().then_some(*next),
                Step::Confirm { what, next, .. } => self.read_back(*what).is_empty().then_some(*next),
                Step::Case { next } if self.case == CaseState::Asked => {
                    lead.extend(tell::callback(&self.directory, wall));
                    Some(*next)
                }
                Step::Menu { .. } | Step::Message { .. } | Step::Case { .. } | Step::Progress { .. } | Step::End => {
                    None
                }
            };
            match next {
                Some(next) => at = next,
                None => break,
            }
        }
        self.present(lead, wall)
    }

    /// Says the present state's words again, unless it was said often enough.
    pub(super) fn repeat(&mut self, mut lead: Vec<PromptId>, wall: DateTime<Utc>) -> Turn {
        if !self.told.is_empty() {
            self.tries.repeats += 1;
            if self.tries.repeats > MAX_REPEATS {
                return self.onward(lead, wall);
            }
            lead.extend(self.told.iter().cloned());
            return self.listen(lead);
        }
        self.present(lead, wall)
    }

    /// What the present state says and then does.
    pub(super) fn present(&mut self, mut lead: Vec<PromptId>, wall: DateTime<Utc>) -> Turn {
        let flow = Arc::clone(&self.flow);
        let state = flow.state(self.at);
        match &state.step {
            Step::Menu { again, .. } => {
                let first = !std::mem::replace(&mut self.greeted, true);
                lead.extend(if first { &state.say } else { again }.iter().cloned());
                self.listen(lead)
            }
            Step::Confirm { what, .. } => {
                lead.extend(state.say.iter().cloned());
                lead.extend(self.read_back(*what));
                lead.push(say::CONFIRM.into());
                self.listen(lead)
            }
            Step::Message { person: true, .. } => Turn { say: lead, then: Then::SeekPerson },
            Step::Message { person: false, .. } => self.take_message(lead, wall),
            Step::Case { .. } => {
                lead.extend(state.say.iter().cloned());
                self.trail.clear();
                Turn { say: lead, then: Then::OpenCase(self.origin) }
            }
            Step::End => {
                lead.extend(state.say.iter().cloned());
                Turn { say: lead, then: Then::HangUp }
            }
            Step::Verify { .. } => {
                lead.extend(state.say.iter().cloned());
                lead.extend(tell::rung(self.rung, wall));
                lead.push(say::CHECK_OFFER.into());
                self.listen(lead)
            }
            Step::Say { .. } | Step::Words { .. } | Step::Place { .. } | Step::Phone { .. } | Step::Progress { .. } => {
                lead.extend(state.say.iter().cloned());
                self.listen(lead)
            }
        }
    }

    /// Takes a message in the present state.
    pub(super) fn take_message(&mut self, mut lead: Vec<PromptId>, wall: DateTime<Utc>) -> Turn {
        let flow = Arc::clone(&self.flow);
        let state = flow.state(self.at);
        if let Step::Message { closed, person, .. } = &state.step {
            self.origin = if *person { Origin::Person } else { Origin::Recording };
            let shut = !closed.is_empty() && !self.directory.calendar.is_open(wall);
            lead.extend(if shut { closed } else { &state.say }.iter().cloned());
        }
        Turn { say: lead, then: Then::TakeMessage }
    }

    /// Tells an answer, then leaves a moment to ask for it again.
    pub(super) fn tell(&mut self, what: Vec<PromptId>) -> Turn {
        self.tries = Tries::default();
        self.told = what.clone();
        self.listen(what)
    }

    pub(super) fn read_back(&self, what: Field) -> Vec<PromptId> {
        match what {
            Field::Window => tell::window(&self.slots, &self.book),
            Field::Place => tell::place(&self.slots, &self.book),
            Field::Phone => self.slots.phone.as_ref().map_or(vec![], tell::phone),
        }
    }

    /// The caller's turn, with the patience that the state and the caller need.
    pub(super) fn listen(&self, say: Vec<PromptId>) -> Turn {
        let timing = &self.flow.timing;
        let (keys, expect, dictated) = match self.step() {
            Step::Place { .. } => (Keys::One, Expect::Place, true),
            Step::Confirm { .. } => (Keys::One, Expect::YesNo, false),
            Step::Phone { .. } => (Keys::Phone, Expect::Digits, true),
            Step::Progress { .. } if self.told.is_empty() => (Keys::CaseNumber, Expect::Digits, true),
            Step::Say { .. }
            | Step::Verify { .. }
            | Step::Menu { .. }
            | Step::Words { .. }
            | Step::Message { .. }
            | Step::Case { .. }
            | Step::Progress { .. }
            | Step::End => (Keys::One, Expect::Request, false),
        };
        let wait = match self.tries.silences {
            _ if !self.told.is_empty() => REPEAT_WAIT,
            0 => timing.first_nudge,
            _ => timing.next_nudge,
        };
        let own_pace = if self.slow { timing.end_of_turn_slow } else { timing.end_of_turn };
        let listening = Listening {
            keys,
            expect,
            wait,
            end_of_turn: if dictated { own_pace.max(timing.end_of_dictation) } else { own_pace },
            between_keys: if self.slow { timing.between_keys_slow } else { timing.between_keys },
            hash_ends: matches!(self.step(), Step::Words { .. } | Step::Place { .. }),
        };
        Turn { say, then: Then::Listen(listening) }
    }
}
