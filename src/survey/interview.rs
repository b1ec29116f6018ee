//! One interview: one event in, one turn out. Knows no time but the wall clock it is given.
//!
//! Invariants: every answer is handed out by [`Interview::take_answers`] before the next turn is spoken; a person who wants
//! one reaches a person, and one who wants to be left alone is; silence, wrong keys and words that nobody understands lead on
//! to the next question and in the end to goodbye; after [`MAX_TURNS`] turns the interview ends whatever is said.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Mode, Value};
use super::disposition::{InterviewEnd, Outcome};
use super::model::{Fact, Goto, Kind, Question, Say, Survey};
use super::random::Random;
use crate::directory::{Directory, PostId};
use crate::flow::vocabulary as say;
use crate::flow::{self, Event, PromptId, Then, Turn, numerals};
use crate::ids::CaseNumber;

mod asking;
mod hearing;

/// Silences, wrong keys or words not understood at one question, after which it is passed over.
const MAX_TRIES: u8 = 3;

/// Questions passed over one after the other, after which nobody is thought to be there any more.
const MAX_PASSED: u8 = 2;

/// Turns after which an interview ends: somebody who presses keys at random is not kept for ever.
const MAX_TURNS: u16 = 80;

/// The case an interview is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its number.
    pub number: CaseNumber,
    /// The day it was opened, China Standard Time.
    pub opened_on: NaiveDate,
    /// Who answered for it.
    pub owner: PostId,
    /// The last day of what was promised.
    pub due_on: NaiveDate,
}

/// What is drawn by lot for one interview: the direction of its scales and the order of options (N1). Kept with the sampled
/// number, so that it is the same when the interview is resumed, and can be told afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Draw(pub u64);

impl Draw {
    /// Whether key 1 is the best of a scale instead of the worst.
    pub fn down(self) -> bool {
        self.0 & 1 == 1
    }

    /// The order of so many options.
    pub fn order(self, question: usize, options: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..options).collect();
        Random::stream(self.0, question as u64).shuffle(&mut order);
        order
    }
}

/// The exchange with one person.
#[derive(Clone, Debug)]
pub struct Interview {
    survey: Arc<Survey>,
    directory: Arc<Directory>,
    subject: Option<Subject>,
    draw: Draw,
    at: Place,
    /// Questions put before the present one, for going back.
    trail: Vec<usize>,
    /// What was answered, earlier calls included.
    given: BTreeMap<usize, Value>,
    /// Questions passed over.
    passed: Vec<usize>,
    passed_in_a_row: u8,
    /// Answers not yet taken away.
    fresh: Vec<Answer>,
    end: Option<InterviewEnd>,
    /// Whether who wants a person can be put through to one: once, as long as nobody was found not to be there.
    transfers: bool,
    slow: bool,
    advised: bool,
    silences: u8,
    failures: u8,
    turns: u16,
}

/// Where an interview stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Opening,
    Question(usize),
    Over,
}

impl Interview {
    /// An interview about `subject`. `given` holds what was answered in an earlier call, as question and value as stored; what
    /// this questionnaire does not know is left out.
    pub fn new(
        survey: Arc<Survey>,
        directory: Arc<Directory>,
        subject: Option<Subject>,
        draw: Draw,
        given: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let known = |(id, value): (String, String)| {
            let (at, question) = survey.question(&id)?;
            Some((at, question.kind.value(&value)?))
        };
        let given = given.into_iter().filter_map(known).collect();
        Self {
            survey,
            directory,
            subject,
            draw,
            at: Place::Opening,
            trail: Vec::new(),
            given,
            passed: Vec::new(),
            passed_in_a_row: 0,
            fresh: Vec::new(),
            end: None,
            transfers: false,
            slow: false,
            advised: false,
            silences: 0,
            failures: 0,
            turns: 0,
        }
    }

    /// The same, where who wants a person is put through to one.
    pub fn with_transfers(self, transfers: bool) -> Self {
        Self { transfers, ..self }
    }

    /// The questionnaire.
    pub fn survey(&self) -> &Arc<Survey> {
        &self.survey
    }

    /// The present question's name; `opening` before the first, `end` after the last.
    pub fn state(&self) -> &str {
        match self.at {
            Place::Opening => "opening",
            Place::Question(at) => &self.survey.questions[at].id,
            Place::Over => "end",
        }
    }

    /// Whether prompts are to be played slower and louder (R3.4).
    pub fn slow(&self) -> bool {
        self.slow
    }

    /// The answers given since this was last called: to be durable before anything else is done.
    pub fn take_answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.fresh)
    }

    /// Whether the person asked never to be rung again: to be kept at once (R7.8).
    pub fn opted_out(&self) -> bool {
        self.end == Some(InterviewEnd::OptedOut)
    }

    /// The case it is about.
    pub fn subject(&self) -> Option<Subject> {
        self.subject
    }

    /// How it came out. A call that ends before the interview does was hung up, or ended by us where `ours` says so.
    pub fn outcome(&self, ours: bool) -> Outcome {
        let counted = |at: &usize| self.survey.questions[*at].counts;
        let answered = self.given.keys().filter(|at| counted(at)).count();
        let end = self.end.unwrap_or(if ours { InterviewEnd::Ours } else { InterviewEnd::HungUp });
        let open = self.path().into_iter().filter(counted).filter(|at| !self.given.contains_key(at)).count();
        let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        Outcome::Reached { answered: count(answered), applicable: count(answered + open), end }
    }

    /// What to do about an event.
    pub fn handle(&mut self, event: Event, wall: DateTime<Utc>) -> Turn {
        self.turns = self.turns.saturating_add(1);
        if self.end.is_some() {
            return Turn { say: vec![], then: Then::HangUp };
        }
        if self.turns >= MAX_TURNS {
            return self.close(InterviewEnd::Ours, vec![say::GOODBYE_EARLY.into()]);
        }
        match event {
            Event::Began => self.begin(),
            Event::Key(key) => self.key(key, wall),
            Event::Entered(digits) => self.entered(&digits, Mode::Key, wall),
            Event::Words { text, confidence } => self.words(&text, confidence, wall),
            Event::Unintelligible => self.not_understood(vec![]),
            Event::RecogniserDown => self.recogniser_down(),
            Event::Silence => self.silence(),
            Event::Recorded => self.recorded(wall),
            Event::Drain => self.close(InterviewEnd::Ours, vec![say::GOODBYE_EARLY.into()]),
            Event::Transferred => self.close(InterviewEnd::Transferred, vec![]),
            Event::NotTransferred => self.present(vec![say::TRANSFER_NONE.into()]),
            // An interview asks nothing of the store, and seeks no person.
            Event::Opened { .. }
            | Event::NotOpened
            | Event::Progress(_)
            | Event::NotLookedUp
            | Event::Withdrawn(_)
            | Event::NotRetaken
            | Event::NobodyReady => self.again(),
        }
    }

    /// The present turn again, as after a hold.
    pub fn again(&mut self) -> Turn {
        self.present(vec![])
    }

    /// Greets, and puts the first question without an answer.
    fn begin(&mut self) -> Turn {
        let survey = Arc::clone(&self.survey);
        let opening = if self.subject.is_some() { &survey.opening } else { &survey.opening_without_case };
        let lead = self.spoken(opening);
        let first = self.path().into_iter().find(|at| !self.given.contains_key(at));
        self.put(first, lead)
    }

    /// Takes an answer, and puts the next question.
    fn take(&mut self, at: usize, value: Value, mode: Mode, lead: Vec<PromptId>, wall: DateTime<Utc>) -> Turn {
        let survey = Arc::clone(&self.survey);
        let question = &survey.questions[at];
        self.fresh.push(Answer {
            question: question.id.clone(),
            value: value.clone(),
            mode,
            latency: None,
            at: wall,
            reopens: self.subject.is_some() && question.reopens.contains(&value.to_string()),
        });
        self.passed.retain(|passed| *passed != at);
        self.passed_in_a_row = 0;
        self.given.insert(at, value);
        self.trail.push(at);
        let next = self.after(at);
        self.put(next, lead)
    }

    /// Goes on without an answer; with too many in a row, to goodbye.
    fn pass(&mut self) -> Turn {
        let Place::Question(at) = self.at else { return self.close(InterviewEnd::HungUp, vec![]) };
        self.passed.push(at);
        self.passed_in_a_row += 1;
        if self.passed_in_a_row >= MAX_PASSED {
            return self.close(InterviewEnd::HungUp, vec![say::GOODBYE_EARLY.into()]);
        }
        self.trail.push(at);
        let (next, lead) = (self.after(at), self.survey.pass.clone());
        self.put(next, lead)
    }

    /// Puts the question at this place, or says thanks after the last.
    fn put(&mut self, at: Option<usize>, mut lead: Vec<PromptId>) -> Turn {
        self.silences = 0;
        self.failures = 0;
        match at {
            Some(at) => {
                self.at = Place::Question(at);
                self.present(lead)
            }
            None => {
                lead.extend(self.survey.thanks.iter().cloned());
                self.close(InterviewEnd::Thanked, lead)
            }
        }
    }

    fn close(&mut self, end: InterviewEnd, say: Vec<PromptId>) -> Turn {
        self.at = Place::Over;
        self.end = Some(end);
        Turn { say, then: Then::HangUp }
    }

    /// The questions that apply, as far as the answers tell, in order.
    fn path(&self) -> Vec<usize> {
        let mut path = Vec::new();
        let mut next = self.applicable(0);
        while let Some(at) = next {
            path.push(at);
            next = self.after(at);
        }
        path
    }

    /// The question after this one; `None` after the last. Answers lead only onward, so that this ends.
    fn after(&self, at: usize) -> Option<usize> {
        let question = &self.survey.questions[at];
        match self.given.get(&at).and_then(|value| question.go.get(&value.to_string())) {
            Some(Goto::End) => None,
            Some(Goto::Question(next)) => self.applicable(*next),
            None => self.applicable(at + 1),
        }
    }

    fn applicable(&self, from: usize) -> Option<usize> {
        let applies = |q: &Question| !q.needs_case || self.subject.is_some();
        (from..self.survey.questions.len()).find(|at| applies(&self.survey.questions[*at]))
    }

    /// The prompts of a sentence, facts of the case included.
    fn spoken(&self, sentence: &[Say]) -> Vec<PromptId> {
        let mut out = Vec::new();
        for part in sentence {
            match (part, &self.subject) {
                (Say::Prompt(id), _) => out.push(id.clone()),
                (Say::Fact(_), None) => {}
                (Say::Fact(Fact::Case), Some(case)) => out.extend(flow::case_number(case.number)),
                (Say::Fact(Fact::Date), Some(case)) => out.extend(numerals::prompts(&numerals::date(case.opened_on))),
                (Say::Fact(Fact::Unit), Some(case)) => out.push(flow::owner_name(&self.directory, case.owner)),
                (Say::Fact(Fact::Promise), Some(case)) => {
                    out.extend(numerals::prompts(&numerals::date(case.due_on)));
                }
            }
        }
        out
    }

    fn question(&self) -> Option<(usize, &Question)> {
        match self.at {
            Place::Question(at) => Some((at, &self.survey.questions[at])),
            Place::Opening | Place::Over => None,
        }
    }

    fn remark_awaited(&self) -> bool {
        self.question().is_some_and(|(_, q)| matches!(q.kind, Kind::Remark))
    }
}

#[cfg(test)]
mod tests;
