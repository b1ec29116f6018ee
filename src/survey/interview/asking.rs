//! How the present question is put, and what it listens for.

use std::sync::Arc;
use std::time::Duration;

use super::{Interview, InterviewEnd, Kind, Place};
use crate::flow::{Expect, Keys, Listening, PromptId, Then, Timing, Turn};

impl Interview {
    /// Says the present question, labels and all, and listens.
    pub(super) fn present(&mut self, mut lead: Vec<PromptId>) -> Turn {
        let survey = Arc::clone(&self.survey);
        let Place::Question(at) = self.at else {
            return match self.at {
                Place::Opening | Place::Question(_) => self.begin(),
                Place::Over => Turn { say: lead, then: Then::HangUp },
            };
        };
        let question = &survey.questions[at];
        lead.extend(self.spoken(&question.say));
        match &question.kind {
            Kind::Rating { up, down } => lead.extend(if self.draw.down() { down } else { up }.iter().cloned()),
            Kind::Choice { options, keys } => {
                for (key, option) in keys.iter().zip(self.draw.order(at, options.len())) {
                    lead.extend([options[option].say.clone(), key.clone()]);
                }
            }
            Kind::YesNo | Kind::Number { .. } => {}
            Kind::Remark => return Turn { say: lead, then: Then::TakeMessage },
        }
        self.listen(lead)
    }

    /// The person's turn.
    pub(super) fn listen(&mut self, say: Vec<PromptId>) -> Turn {
        let timing = Timing::default();
        let (keys, expect) = match self.question().map(|(_, q)| &q.kind) {
            Some(Kind::Rating { .. }) => (Keys::One, Expect::Rating),
            Some(Kind::YesNo) => (Keys::One, Expect::YesNo),
            Some(Kind::Number { max, .. }) => (Keys::Number(digits(*max)), Expect::Digits),
            Some(Kind::Choice { .. }) => (Keys::One, Expect::Request),
            // Nothing is asked there.
            Some(Kind::Remark) | None => return self.close(InterviewEnd::Ours, say),
        };
        let listening = Listening {
            keys,
            expect,
            wait: if self.silences == 0 { timing.first_nudge } else { timing.next_nudge },
            end_of_turn: if self.slow { timing.end_of_turn_slow } else { timing.end_of_turn },
            between_keys: self.between_keys(&timing),
            hash_ends: false,
        };
        Turn { say, then: Then::Listen(listening) }
    }

    fn between_keys(&self, timing: &Timing) -> Duration {
        if self.slow { timing.between_keys_slow } else { timing.between_keys }
    }
}

/// Digits of the longest number up to `max`.
fn digits(max: u32) -> u8 {
    u8::try_from(max.to_string().len()).unwrap_or(u8::MAX)
}
