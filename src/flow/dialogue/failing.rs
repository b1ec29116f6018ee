//! What goes wrong: silence, wrong keys, words that nobody understands. It leads to a recording, never to a hang-up.

use chrono::{DateTime, Utc};

use super::{Dialogue, MAX_TRIES, Turn};
use crate::flow::model::{Command, Step};
use crate::flow::prompts::PromptId;
use crate::flow::vocabulary as say;

impl Dialogue {
    pub(super) fn silence(&mut self, wall: DateTime<Utc>) -> Turn {
        if !self.told.is_empty() {
            return self.onward(vec![], wall);
        }
        self.tries.silences += 1;
        match self.tries.silences {
            1 => self.listen(vec![say::NUDGE.into()]),
            2 => self.listen(vec![say::NUDGE_KEY.into()]),
            _ => self.beyond_help(&[say::SILENT], wall),
        }
    }

    pub(super) fn wrong_key(&mut self, wall: DateTime<Utc>) -> Turn {
        self.tries.wrong_keys += 1;
        if self.tries.wrong_keys >= MAX_TRIES {
            self.beyond_help(&[say::RECORD], wall)
        } else {
            self.repeat(vec![say::WRONG_KEY.into()], wall)
        }
    }

    /// A case number that is mistyped or unknown: as a wrong key, with its own words.
    pub(super) fn wrong_number(&mut self, prompt: &str, wall: DateTime<Utc>) -> Turn {
        self.tries.wrong_keys += 1;
        if self.tries.wrong_keys >= MAX_TRIES {
            self.give_up(&[say::RECORD], wall)
        } else {
            self.listen(vec![prompt.into()])
        }
    }

    /// Once: please again. Twice: the keys. Thrice: somebody else will understand (P8, N6).
    pub(super) fn not_understood(&mut self, mut lead: Vec<PromptId>, wall: DateTime<Utc>) -> Turn {
        if !self.told.is_empty() {
            return self.command(Command::Repeat, lead, wall);
        }
        self.tries.failures += 1;
        match self.tries.failures {
            1 => {
                lead.push(say::NOT_UNDERSTOOD.into());
                self.listen(lead)
            }
            2 => {
                lead.push(say::NUDGE_KEY.into());
                self.repeat(lead, wall)
            }
            _ => {
                let mut turn = self.beyond_help(&[say::GIVE_UP, say::RECORD], wall);
                turn.say.splice(0..0, lead);
                turn
            }
        }
    }

    /// The recogniser is late, busy or broken (P9): what was dictated is in the recording; a choice is made by keys, once
    /// offered, or else becomes a recording.
    pub(super) fn recogniser_down(&mut self, wall: DateTime<Utc>) -> Turn {
        match *self.step() {
            Step::Words { next } | Step::Place { next } => return self.go(next, vec![say::NOTED.into()], wall),
            Step::Say { .. }
            | Step::Verify { .. }
            | Step::Menu { .. }
            | Step::Phone { .. }
            | Step::Confirm { .. }
            | Step::Message { .. }
            | Step::Case { .. }
            | Step::Progress { .. }
            | Step::End => {}
        }
        if !self.told.is_empty() {
            return self.onward(vec![], wall);
        }
        if std::mem::replace(&mut self.degraded, true) {
            return self.beyond_help(&[say::TROUBLE, say::RECORD], wall);
        }
        self.repeat(vec![say::DEGRADED.into()], wall)
    }

    /// Leads to the recording; but who only wanted to know whether it was us has been told, and goes on.
    fn beyond_help(&mut self, why: &[&str], wall: DateTime<Utc>) -> Turn {
        match self.step() {
            Step::Verify { .. } => self.onward(vec![], wall),
            Step::Say { .. }
            | Step::Menu { .. }
            | Step::Words { .. }
            | Step::Place { .. }
            | Step::Phone { .. }
            | Step::Confirm { .. }
            | Step::Message { .. }
            | Step::Case { .. }
            | Step::Progress { .. }
            | Step::End => self.give_up(why, wall),
        }
    }

    /// Leads to the recording, after the words that say why.
    pub(super) fn give_up(&mut self, why: &[&str], wall: DateTime<Utc>) -> Turn {
        self.go(self.flow.recording, why.iter().map(|id| PromptId::from(*id)).collect(), wall)
    }
}
