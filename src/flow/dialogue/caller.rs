//! What the caller does: keys, numbers, words, commands.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Dialogue, MAX_READ_BACKS, Then, Turn, YES_NO_MIN_CONFIDENCE, revoking};
use crate::directory::WindowCode;
use crate::flow::intent::{Intent, command, emergency, greeting, yes_or_no};
use crate::flow::model::{Choice, Command, Field, StateId, Step};
use crate::flow::prompts::PromptId;
use crate::flow::slots::REQUEST_MIN_CHARS;
use crate::flow::spoken::{digit_runs, is_phone};
use crate::flow::vocabulary as say;
use crate::ids::{CaseNumber, CaseNumberError, PhoneNumber};

impl Dialogue {
    pub(super) fn key(&mut self, key: char, wall: DateTime<Utc>) -> Turn {
        let flow = Arc::clone(&self.flow);
        let own = match &flow.state(self.at).step {
            Step::Menu { keys, .. } => keys.get(&key).copied(),
            Step::Confirm { .. } => match key {
                '1' => return self.confirmed(true, wall),
                '2' => return self.confirmed(false, wall),
                _ => None,
            },
            Step::Verify { .. } => match self.revoking(key, wall) {
                Some(turn) => return turn,
                None => None,
            },
            // After the answer, `#` is "enough".
            Step::Case { .. } | Step::Progress { .. } if key == '#' && !self.told.is_empty() => {
                return self.onward(vec![], wall);
            }
            Step::Say { .. }
            | Step::Words { .. }
            | Step::Place { .. }
            | Step::Phone { .. }
            | Step::Message { .. }
            | Step::Case { .. }
            | Step::Progress { .. }
            | Step::End => None,
        };
        match own.or_else(|| flow.keys.get(&key).map(|c| Choice::Command(*c))) {
            // A window that the district has closed is no choice.
            Some(Choice::Window(code)) if self.directory.windows.contains_key(&code) => {
                self.chosen(code, false, vec![], wall)
            }
            Some(Choice::Window(_)) => self.wrong_key(wall),
            Some(Choice::Command(command)) => self.command(command, vec![], wall),
            Some(Choice::State(id)) => self.go(id, vec![], wall),
            None if !self.told.is_empty() => self.command(Command::Repeat, vec![], wall),
            None => self.wrong_key(wall),
        }
    }

    pub(super) fn entered(&mut self, digits: &str, wall: DateTime<Utc>) -> Turn {
        // No number begins with a lone 0: it is the key for a person, as everywhere.
        if digits == "0" {
            return self.key('0', wall);
        }
        match self.step() {
            Step::Phone { next } => {
                let next = *next;
                let number = PhoneNumber::parse(digits).filter(|_| is_phone(digits));
                match number {
                    Some(number) => {
                        self.slots.phone = Some(number);
                        self.go(next, vec![], wall)
                    }
                    None => self.wrong_key(wall),
                }
            }
            Step::Progress { .. } => match digits.parse::<CaseNumber>() {
                Ok(number) => Turn { say: vec![], then: Then::LookUp(number) },
                Err(CaseNumberError::Check | CaseNumberError::Shape) => self.wrong_number(say::PROGRESS_WRONG, wall),
            },
            Step::Say { .. }
            | Step::Verify { .. }
            | Step::Menu { .. }
            | Step::Words { .. }
            | Step::Place { .. }
            | Step::Confirm { .. }
            | Step::Message { .. }
            | Step::Case { .. }
            | Step::End => self.wrong_key(wall),
        }
    }

    pub(super) fn words(&mut self, text: &str, confidence: f32, wall: DateTime<Utc>) -> Turn {
        // In danger the advice comes first, and the rest goes on: a false alarm must not end the call (R1.10).
        let mut lead = Vec::new();
        if emergency(text) && !self.advised {
            self.advised = true;
            lead.push(say::EMERGENCY.into());
        }
        let flow = Arc::clone(&self.flow);
        let step = &flow.state(self.at).step;
        let menu = matches!(step, Step::Menu { .. });
        match command(text) {
            Some(Intent::Person) => return self.command(Command::Person, lead, wall),
            Some(Intent::Slower) => return self.command(Command::Slower, lead, wall),
            Some(Intent::Repeat) => return self.command(Command::Repeat, lead, wall),
            Some(Intent::Back) => return self.command(Command::Back, lead, wall),
            Some(Intent::Progress) if menu => return self.command(Command::Progress, lead, wall),
            Some(Intent::Progress) | None => {}
        }
        // People greet before they speak; like silence, it is answered with patience.
        if greeting(text) {
            return self.silence(wall);
        }
        match step {
            Step::Menu { window, .. } => self.wish(text, *window, lead, wall),
            Step::Words { next } => {
                self.slots.take_words(text, &Arc::clone(&self.directory));
                self.go(*next, lead, wall)
            }
            Step::Place { next } => {
                self.slots.take_place(text, &Arc::clone(&self.directory));
                self.go(*next, lead, wall)
            }
            Step::Confirm { .. } => match yes_or_no(text).filter(|_| confidence >= YES_NO_MIN_CONFIDENCE) {
                Some(yes) => self.confirmed(yes, wall),
                None => self.not_understood(lead, wall),
            },
            Step::Verify { .. } => match revoking::meant(text).filter(|_| confidence >= YES_NO_MIN_CONFIDENCE) {
                Some(key) => self.key(key, wall),
                None => self.not_understood(lead, wall),
            },
            Step::Case { .. } | Step::Progress { .. } if !self.told.is_empty() => self.onward(lead, wall),
            Step::Phone { .. } | Step::Progress { .. } => match digit_runs(text).concat() {
                digits if digits.is_empty() => self.not_understood(lead, wall),
                digits => self.entered(&digits, wall),
            },
            Step::Say { .. } | Step::Message { .. } | Step::Case { .. } | Step::End => self.not_understood(lead, wall),
        }
    }

    /// What the caller said at the menu: with a window it is the choice and, when long enough, the request too.
    pub(super) fn wish(&mut self, text: &str, window: StateId, mut lead: Vec<PromptId>, wall: DateTime<Utc>) -> Turn {
        let directory = Arc::clone(&self.directory);
        let found = directory.match_windows(text).first().map(|c| c.key);
        let had_request = self.slots.has_request();
        let long = text.chars().count() >= REQUEST_MIN_CHARS;
        if long {
            self.slots.take_words(text, &directory);
        }
        match found {
            Some(code) => self.chosen(code, true, lead, wall),
            // Danger that is no matter of any window: somebody is to hear it at once.
            None if !lead.is_empty() => {
                if !long {
                    self.slots.take_words(text, &directory);
                }
                self.go(self.flow.person, lead, wall)
            }
            // Told twice and no window fits: an operator will choose one.
            None if had_request && long => self.go(window, lead, wall),
            None if long => {
                self.tries.failures += 1;
                lead.extend([say::NOTED.into(), say::NUDGE_KEY.into()]);
                self.repeat(lead, wall)
            }
            None => self.not_understood(lead, wall),
        }
    }

    pub(super) fn chosen(
        &mut self,
        code: WindowCode,
        by_words: bool,
        lead: Vec<PromptId>,
        wall: DateTime<Utc>,
    ) -> Turn {
        self.slots.choose(code, by_words, &Arc::clone(&self.directory));
        match self.step() {
            Step::Menu { window, .. } => {
                let next = *window;
                self.go(next, lead, wall)
            }
            Step::Say { .. }
            | Step::Verify { .. }
            | Step::Words { .. }
            | Step::Place { .. }
            | Step::Phone { .. }
            | Step::Confirm { .. }
            | Step::Message { .. }
            | Step::Case { .. }
            | Step::Progress { .. }
            | Step::End => self.repeat(lead, wall),
        }
    }

    pub(super) fn confirmed(&mut self, right: bool, wall: DateTime<Utc>) -> Turn {
        let Step::Confirm { what, next, redo } = *self.step() else { return self.repeat(vec![], wall) };
        if right {
            return self.go(next, vec![], wall);
        }
        let count = &mut self.read_backs[what as usize];
        *count += 1;
        if *count > MAX_READ_BACKS {
            return self.give_up(&[say::GIVE_UP, say::RECORD], wall);
        }
        match what {
            Field::Window => self.slots.unchoose(),
            Field::Place => {
                self.slots.place.clear();
                self.slots.village = None;
            }
            Field::Phone => self.slots.phone = None,
        }
        self.go(redo, vec![say::AGAIN.into()], wall)
    }

    pub(super) fn command(&mut self, command: Command, mut lead: Vec<PromptId>, wall: DateTime<Utc>) -> Turn {
        match command {
            Command::Person => self.go(self.flow.person, lead, wall),
            Command::Progress => self.go(self.flow.progress, lead, wall),
            Command::Slower => {
                self.slow = true;
                lead.push(say::SLOWER.into());
                self.repeat(lead, wall)
            }
            Command::Repeat => self.repeat(lead, wall),
            Command::Back => match self.trail.pop() {
                Some(id) => {
                    lead.push(say::BACK.into());
                    self.enter(id, lead, wall)
                }
                None => self.repeat(lead, wall),
            },
        }
    }
}
