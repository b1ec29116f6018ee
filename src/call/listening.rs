//! The caller's turn: keys and speech in parallel, and where each ends (P12, P15).

use std::time::Duration;

use serde_json::json;

use super::action::{Action, EventKind};
use super::input::{AskId, Nothing};
use super::machine::{Call, Moment};
use super::phase::{Asking, Comfort, Phase, Utterance};
use crate::flow::{Event, Expect, Keys, Listening, MOMENT, emergency};
use crate::units::millis;

/// Sound before the detected beginning that goes to the recogniser too: soft first consonants are detected late.
const PRE_ROLL: Duration = Duration::from_millis(300);

/// A shorter sound without words in it was a cough or a click, not an answer.
const NOISE_MAX: Duration = Duration::from_millis(700);

/// The recogniser's silence after which the caller is asked for patience.
const COMFORT_AFTER: Duration = Duration::from_millis(1_500);

/// Added to the recogniser's own deadline before its answer is given up.
const ANSWER_GRACE: Duration = Duration::from_millis(500);

impl Call {
    /// The caller's turn begins; who speaks already goes on speaking.
    pub(super) fn listen(&mut self, listening: Listening, m: &mut Moment) {
        let quiet_until = m.now + listening.wait;
        (self.turn_began, self.latency) = (Some(m.now), None);
        self.phase = match self.talking {
            Some(from) => Phase::Speaking(Utterance { listening, from, since: m.now, quiet_until }),
            None => Phase::Waiting { listening, quiet_until },
        };
    }

    pub(super) fn key(&mut self, key: char, m: &mut Moment) {
        self.spoke_at.get_or_insert(m.wall);
        self.reacted(m);
        self.cut_talk(m);
        let listening = match &self.phase {
            Phase::Saying(_) => self.key_over_prompt(m),
            Phase::Waiting { listening, .. } | Phase::Keying { listening, .. } => Some(*listening),
            Phase::Speaking(utterance) if key == '#' && utterance.listening.hash_ends => {
                let utterance = *utterance;
                return self.ask(utterance, utterance.media_time(m.now), m);
            }
            Phase::Pausing { utterance, to, .. } if key == '#' && utterance.listening.hash_ends => {
                let (utterance, to) = (*utterance, *to);
                return self.ask(utterance, to, m);
            }
            Phase::Asking(asking) if key == '#' && asking.utterance.listening.hash_ends => return,
            // The first key mutes speech (P12).
            Phase::Speaking(utterance) | Phase::Pausing { utterance, .. } => Some(utterance.listening),
            Phase::Asking(Asking { utterance, .. }) => {
                let listening = utterance.listening;
                self.stop_comfort(m);
                Some(listening)
            }
            Phase::Message { .. } if key == '#' => return self.event(Event::Recorded, m),
            Phase::Person(_) => return self.key_while_waiting(key, m),
            Phase::Ringing
            | Phase::Notice { .. }
            | Phase::Message { .. }
            | Phase::AtStore { .. }
            | Phase::AtPerson
            | Phase::Over => None,
        };
        if let Some(listening) = listening {
            match listening.keys {
                Keys::One => self.decide(key, m),
                Keys::Phone | Keys::CaseNumber | Keys::Number(_) => self.entry(key, listening, m),
            }
        }
    }

    /// The first key or sound since the question's end: how long it took tells a drilled answer from a considered one (N1).
    fn reacted(&mut self, m: &Moment) {
        if let Some(began) = self.turn_began.take() {
            self.latency = Some(m.now.saturating_duration_since(began));
        }
    }

    /// A key while a number is entered. From the first digit on only the time between keys counts (P12).
    fn entry(&mut self, key: char, listening: Listening, m: &mut Moment) {
        let mut digits = match &mut self.phase {
            Phase::Keying { digits, .. } => std::mem::take(digits),
            Phase::Ringing
            | Phase::Notice { .. }
            | Phase::Saying(_)
            | Phase::Waiting { .. }
            | Phase::Speaking(_)
            | Phase::Pausing { .. }
            | Phase::Asking(_)
            | Phase::Message { .. }
            | Phase::AtStore { .. }
            | Phase::AtPerson
            | Phase::Person(_)
            | Phase::Over => String::new(),
        };
        match key {
            '#' | '*' if digits.is_empty() => return self.decide(key, m),
            '#' => return self.event(Event::Entered(digits), m),
            '*' => {
                self.phase = Phase::Waiting { listening, quiet_until: m.now + listening.wait };
                return;
            }
            '0'..='9' => digits.push(key),
            _ => {}
        }
        if listening.keys.complete(&digits) {
            self.event(Event::Entered(digits), m);
        } else {
            self.phase = Phase::Keying { listening, digits, until: m.now + listening.between_keys };
        }
    }

    /// What is being said up to now is not part of what will be heard next.
    fn cut_talk(&mut self, m: &Moment) {
        if let Phase::Speaking(utterance) = &self.phase {
            self.talking = self.talking.map(|_| utterance.media_time(m.now));
        }
    }

    pub(super) fn speech_started(&mut self, at: Duration, m: &mut Moment) {
        self.talking = Some(at);
        self.reacted(m);
        let speaks = match &mut self.phase {
            Phase::Saying(_) => {
                self.speech_over_prompt(at, m);
                return;
            }
            Phase::Waiting { listening, quiet_until } => {
                Utterance { listening: *listening, from: at, since: m.now, quiet_until: *quiet_until }
            }
            // Not the end after all, or more to say while the recogniser works: one utterance (P15).
            Phase::Pausing { utterance, .. } => *utterance,
            Phase::Asking(Asking { utterance, .. }) => {
                let utterance = *utterance;
                self.stop_comfort(m);
                utterance
            }
            Phase::Message { until, ends } => {
                *until = *ends;
                self.spoke_at.get_or_insert(m.wall);
                return;
            }
            Phase::Ringing
            | Phase::Notice { .. }
            | Phase::Speaking(_)
            | Phase::Keying { .. }
            | Phase::AtStore { .. }
            | Phase::AtPerson
            | Phase::Person(_)
            | Phase::Over => return,
        };
        self.spoke_at.get_or_insert(m.wall);
        self.phase = Phase::Speaking(speaks);
    }

    pub(super) fn speech_ended(&mut self, at: Duration, m: &mut Moment) {
        self.talking = None;
        match &mut self.phase {
            Phase::Saying(saying) => saying.over = None,
            Phase::Speaking(utterance) => {
                let utterance = *utterance;
                let until = m.now + utterance.listening.end_of_turn;
                self.phase = Phase::Pausing { utterance, to: at.max(utterance.from), until };
            }
            Phase::Message { until, ends } => *until = (*ends).min(m.now + self.timing.message_pause),
            Phase::Ringing
            | Phase::Notice { .. }
            | Phase::Waiting { .. }
            | Phase::Pausing { .. }
            | Phase::Keying { .. }
            | Phase::Asking(_)
            | Phase::AtStore { .. }
            | Phase::AtPerson
            | Phase::Person(_)
            | Phase::Over => {}
        }
    }

    /// Sends an utterance to the recogniser.
    pub(super) fn ask(&mut self, utterance: Utterance, to: Duration, m: &mut Moment) {
        self.cut_talk(m);
        self.spoke_at.get_or_insert(m.wall);
        self.last_ask = self.last_ask.wrapping_add(1);
        let ask = AskId(self.last_ask);
        let from = utterance.from.saturating_sub(PRE_ROLL);
        let within = self.timing.answer;
        let expect = utterance.listening.expect;
        let named = match expect {
            Expect::Request => "request",
            Expect::Place => "place",
            Expect::YesNo => "yes_no",
            Expect::Digits => "digits",
            Expect::Rating => "rating",
        };
        let detail = json!({ "ask": ask.0, "from_ms": millis(from), "to_ms": millis(to), "expect": named });
        self.note(EventKind::Asked, detail, m);
        m.actions.push(Action::Recognise { ask, from, to, expect, within });
        let comfort = Comfort::Due(m.now + COMFORT_AFTER);
        self.phase = Phase::Asking(Asking { utterance, ask, to, until: m.now + within + ANSWER_GRACE, comfort });
    }

    pub(super) fn heard(&mut self, ask: AskId, text: &str, confidence: f32, m: &mut Moment) {
        if !matches!(&self.phase, Phase::Asking(asking) if asking.ask == ask) {
            return;
        }
        if text.chars().all(|c| !c.is_alphanumeric()) {
            return self.heard_nothing(ask, Nothing::Empty, m);
        }
        let danger = emergency(text);
        let detail = json!({ "ask": ask.0, "text": text, "confidence": confidence, "emergency": danger });
        self.note(EventKind::Heard, detail, m);
        self.answered_by_recogniser(Event::Words { text: text.to_owned(), confidence }, m);
    }

    pub(super) fn heard_nothing(&mut self, ask: AskId, why: Nothing, m: &mut Moment) {
        let Phase::Asking(asking) = &self.phase else { return };
        if asking.ask != ask {
            return;
        }
        let (utterance, lasted) = (asking.utterance, asking.to.saturating_sub(asking.utterance.from));
        self.note(EventKind::Heard, json!({ "ask": ask.0, "nothing": why.to_string() }), m);
        match why {
            Nothing::Empty if lasted < NOISE_MAX => {
                let Utterance { listening, quiet_until, .. } = utterance;
                self.phase = Phase::Waiting { listening, quiet_until };
            }
            Nothing::Empty => self.answered_by_recogniser(Event::Unintelligible, m),
            Nothing::TooLate | Nothing::Busy | Nothing::Failed => {
                self.answered_by_recogniser(Event::RecogniserDown, m);
            }
        }
    }

    /// The recogniser's answer counts now, or when the caller was asked for patience, once that is said.
    fn answered_by_recogniser(&mut self, event: Event, m: &mut Moment) {
        if let Phase::Asking(Asking { comfort: Comfort::Playing(_, answer), .. }) = &mut self.phase {
            *answer = Some(event);
        } else {
            self.event(event, m);
        }
    }

    /// The recogniser takes long, or too long.
    pub(super) fn recogniser_slow(&mut self, m: &mut Moment) {
        let play = self.next_play();
        let slow = self.script.slow();
        let Phase::Asking(asking) = &mut self.phase else { return };
        match &mut asking.comfort {
            Comfort::Due(_) if m.now < asking.until => {
                asking.comfort = Comfort::Playing(play, None);
                m.actions.push(Action::Play { id: play, prompts: vec![MOMENT.into()], slow });
            }
            Comfort::Playing(_, answer) => {
                let event = answer.take().unwrap_or(Event::RecogniserDown);
                self.event(event, m);
            }
            Comfort::Due(_) | Comfort::Done => self.event(Event::RecogniserDown, m),
        }
    }

    /// The caller was asked for patience: what the recogniser answered meanwhile counts.
    pub(super) fn comforted(&mut self, m: &mut Moment) {
        let Phase::Asking(asking) = &mut self.phase else { return };
        if let Comfort::Playing(_, Some(event)) = std::mem::replace(&mut asking.comfort, Comfort::Done) {
            self.event(event, m);
        }
    }

    fn stop_comfort(&mut self, m: &mut Moment) {
        if matches!(&self.phase, Phase::Asking(Asking { comfort: Comfort::Playing(..), .. })) {
            m.actions.push(Action::StopPlay);
        }
    }
}
