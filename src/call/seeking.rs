//! A caller who wants a person: waits, talks, is asked to wait again (R3.9).
//!
//! Who comes, and when, is the desk's to say; here is what the caller hears meanwhile. The caller's place is told at once
//! and again whenever the desk says it; between, the telephone rings. Who has waited long is offered to leave a message
//! and be rung back.

use std::time::Duration;

use serde_json::json;

use super::action::{Action, EndReason, EventKind};
use super::input::PlayId;
use super::machine::{Call, Moment};
use super::phase::Phase;
use crate::flow::{Event, PromptId, queue};

/// Where a caller is who wants a person.
#[derive(Debug)]
pub(super) struct Seeking {
    stage: Stage,
    /// Whether keys mean what [`queue::OFFER`] says.
    offered: bool,
    /// Whether there was a talk already: then there is nothing to leave a message for.
    talked: bool,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// The desk was asked.
    Asked,
    /// Hears this, and waits for a person.
    Waiting(PlayId),
    /// Talks.
    Talking,
    /// Hears this, and waits for the person to come back to the call.
    Held(PlayId),
}

impl Call {
    /// Asks the desk for a person.
    pub(super) fn seek(&mut self, m: &mut Moment) {
        self.phase = Phase::Person(Seeking { stage: Stage::Asked, offered: false, talked: false });
        self.sought = true;
        m.actions.push(Action::SeekPerson);
    }

    /// The desk tells the place.
    pub(super) fn queued(&mut self, ahead: usize, wait: Duration, offer: bool, m: &mut Moment) {
        if let Phase::Person(seeking) = &mut self.phase
            && !matches!(seeking.stage, Stage::Talking)
        {
            seeking.offered |= offer;
            let first = matches!(seeking.stage, Stage::Asked);
            self.note(EventKind::Note, json!({ "queue": ahead, "wait_s": wait.as_secs() }), m);
            self.wait_with(queue::place(first, ahead, wait, offer), Stage::Waiting, m);
        }
    }

    /// Nobody will come. After a talk the caller was served; else a message is taken.
    pub(super) fn nobody_ready(&mut self, m: &mut Moment) {
        if let Phase::Person(Seeking { talked, .. }) = self.phase {
            if talked {
                self.finish(EndReason::Flow, m);
            } else {
                self.sought = false;
                self.event(Event::NobodyReady, m);
            }
        }
    }

    /// The person is on the line, for the first time or again.
    pub(super) fn person_answered(&mut self, m: &mut Moment) {
        if let Phase::Person(seeking) = &mut self.phase {
            let silent = matches!(seeking.stage, Stage::Asked | Stage::Talking);
            *seeking = Seeking { stage: Stage::Talking, talked: true, offered: false };
            if !silent {
                m.actions.push(Action::StopPlay);
            }
            self.note(EventKind::Note, json!({ "person": "talks" }), m);
        }
    }

    /// The person lets the caller wait; `held`: by choice, else by a fault or for a colleague.
    pub(super) fn person_away(&mut self, held: bool, m: &mut Moment) {
        if let Phase::Person(_) = &self.phase {
            self.note(EventKind::Note, json!({ "person": if held { "holds" } else { "away" } }), m);
            let say = if held { queue::HELD } else { queue::PARKED };
            self.wait_with(vec![say.into(), queue::MUSIC.into()], Stage::Held, m);
        }
    }

    /// The person ended the talk.
    pub(super) fn person_left(&mut self, m: &mut Moment) {
        if let Phase::Person(_) = self.phase {
            self.finish(EndReason::Flow, m);
        }
    }

    /// What the caller hears while waiting comes round again.
    pub(super) fn waited(&mut self, id: PlayId, m: &mut Moment) {
        let Phase::Person(seeking) = &self.phase else { return };
        match seeking.stage {
            Stage::Waiting(play) if play == id => self.wait_with(vec![queue::RINGING.into()], Stage::Waiting, m),
            Stage::Held(play) if play == id => self.wait_with(vec![queue::MUSIC.into()], Stage::Held, m),
            Stage::Asked | Stage::Waiting(_) | Stage::Talking | Stage::Held(_) => {}
        }
    }

    /// A key of a caller who waits.
    pub(super) fn key_while_waiting(&mut self, key: char, m: &mut Moment) {
        let Phase::Person(Seeking { stage: Stage::Waiting(_), offered: true, .. }) = self.phase else { return };
        if key == queue::MESSAGE_KEY {
            m.actions.push(Action::LeaveDesk);
            self.nobody_ready(m);
        }
    }

    fn wait_with(&mut self, prompts: Vec<PromptId>, stage: fn(PlayId) -> Stage, m: &mut Moment) {
        let play = self.next_play();
        m.actions.push(Action::Play { id: play, prompts, slow: false });
        if let Phase::Person(seeking) = &mut self.phase {
            seeking.stage = stage(play);
        }
    }
}
