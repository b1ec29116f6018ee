//! The gateway's turn: prompts in runs, and what cuts them short (P13, P14).

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::json;

use super::action::{Action, EventKind};
use super::machine::{Call, Moment};
use super::phase::{Phase, Run, Saying, Utterance};
use crate::flow::{Event, Interruptible, Listening, PromptId, Then, Turn};

/// Speech over a prompt that counts as barge-in when it goes on this long (P13).
pub const BARGE_IN: Duration = Duration::from_millis(250);

/// How late at most the detector tells of a first sound (R2.5): that much of [`BARGE_IN`] is over by then.
const ONSET: Duration = Duration::from_millis(60);

impl Call {
    /// Begins a turn: whatever was being said or heard is over.
    pub(super) fn begin(&mut self, turn: Turn, m: &mut Moment) {
        self.note_state(m);
        (self.turn_began, self.latency) = (None, None);
        let listens = turn.then.listening().is_some();
        if self.kept != listens {
            self.kept = listens;
            m.actions.push(Action::Listen(listens));
        }
        let was_saying = matches!(self.phase, Phase::Saying(_));
        let rest = self.runs(turn.say);
        if rest.is_empty() {
            if was_saying {
                m.actions.push(Action::StopPlay);
            }
            self.settle(turn.then, m);
        } else {
            self.say(rest, turn.then, m);
        }
    }

    /// A run was played, or cut from our side: the next one, or what the turn leads to.
    pub(super) fn run_done(&mut self, m: &mut Moment) {
        if let Phase::Saying(saying) = std::mem::replace(&mut self.phase, Phase::Over) {
            if saying.rest.is_empty() {
                self.settle(saying.then, m);
            } else {
                self.say(saying.rest, saying.then, m);
            }
        }
    }

    /// A key while the gateway speaks; says whether it is still to be handled.
    pub(super) fn key_over_prompt(&mut self, m: &mut Moment) -> Option<Listening> {
        let Phase::Saying(saying) = &mut self.phase else { return None };
        match saying.stops {
            Interruptible::No => return None,
            Interruptible::Key | Interruptible::Speech => {}
        }
        m.actions.push(Action::StopPlay);
        let listening = saying.then.listening();
        match listening {
            Some(listening) => self.phase = Phase::Waiting { listening, quiet_until: m.now + listening.wait },
            None => self.skip(m),
        }
        listening
    }

    /// On to what cannot be skipped, the tone before a message, or else to what the turn leads to.
    fn skip(&mut self, m: &mut Moment) {
        if let Phase::Saying(saying) = &mut self.phase {
            while saying.rest.front().is_some_and(|run| run.stops != Interruptible::No) {
                saying.rest.pop_front();
            }
            self.run_done(m);
        }
    }

    /// The caller has been speaking over the prompt for long enough.
    pub(super) fn barge_in(&mut self, m: &mut Moment) {
        let Phase::Saying(Saying { over: Some((from, _)), then, .. }) = &self.phase else { return };
        m.actions.push(Action::StopPlay);
        match then.listening() {
            Some(listening) => {
                let quiet_until = m.now + listening.wait;
                self.spoke_at.get_or_insert(m.wall);
                self.phase = Phase::Speaking(Utterance { listening, from: *from, since: m.now, quiet_until });
            }
            None => self.skip(m),
        }
    }

    /// The caller speaks while the gateway does.
    pub(super) fn speech_over_prompt(&mut self, at: Duration, m: &Moment) {
        if let Phase::Saying(saying) = &mut self.phase {
            match saying.stops {
                Interruptible::Speech => saying.over = Some((at, m.now + BARGE_IN.saturating_sub(ONSET))),
                Interruptible::No | Interruptible::Key => {}
            }
        }
    }

    fn say(&mut self, mut rest: VecDeque<Run>, then: Then, m: &mut Moment) {
        let Some(run) = rest.pop_front() else { return self.settle(then, m) };
        let play = self.next_play();
        let slow = self.script.slow();
        self.note_prompts(&run.prompts, slow, m);
        m.actions.push(Action::Play { id: play, prompts: run.prompts, slow });
        self.phase = Phase::Saying(Saying { play, stops: run.stops, rest, then, over: None });
        if let Some(at) = self.talking {
            self.speech_over_prompt(at, m);
        }
    }

    /// Notes what is said with its words as they are today: a later recording of the same prompt may say others.
    pub(super) fn note_prompts(&self, prompts: &[PromptId], slow: bool, m: &mut Moment) {
        let ids: Vec<_> = prompts.iter().map(PromptId::as_str).collect();
        let text = self.book.text(prompts);
        self.note(EventKind::Prompt, json!({ "prompts": ids, "text": text, "slow": slow }), m);
    }

    /// Prompts gathered into runs that the same things interrupt. What is not in the book is not interruptible by speech.
    fn runs(&self, prompts: Vec<PromptId>) -> VecDeque<Run> {
        let mut runs: VecDeque<Run> = VecDeque::new();
        for id in prompts {
            let stops = self.book.prompt(&id).map_or(Interruptible::Key, |p| p.interruptible);
            match runs.back_mut() {
                Some(run) if run.stops == stops => run.prompts.push(id),
                _ => runs.push_back(Run { prompts: vec![id], stops }),
            }
        }
        runs
    }

    /// A key that decides by itself.
    pub(super) fn decide(&mut self, key: char, m: &mut Moment) {
        self.event(Event::Key(key), m);
    }
}
