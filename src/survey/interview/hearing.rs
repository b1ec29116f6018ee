//! What the person does: keys, numbers, words, nothing at all.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Interview, InterviewEnd, Kind, MAX_TRIES, Place};
use crate::flow::vocabulary as say;
use crate::flow::{Intent, PromptId, Then, Turn, command, digit_runs, emergency, greeting, satisfaction, yes_or_no};
use crate::survey::answer::{Mode, Value};
use crate::survey::model::{ChoiceOption, LEVELS, Question};

/// An answer in words less certain than this is asked for again.
const MIN_CONFIDENCE: f32 = 0.4;

/// Wordings by which somebody asks never to be rung again (R7.8).
const NO_MORE: [&str; 12] = [
    "别再打",
    "不要再打",
    "不要打",
    "别打了",
    "别打来",
    "莫再打",
    "莫打",
    "别给我打",
    "不要给我打",
    "不接受回访",
    "拒绝回访",
    "骚扰",
];

impl Interview {
    pub(super) fn key(&mut self, key: char, wall: DateTime<Utc>) -> Turn {
        let survey = Arc::clone(&self.survey);
        let Place::Question(at) = self.at else { return self.again() };
        match self.by_key(at, &survey.questions[at], key) {
            Some(value) => self.take(at, value, Mode::Key, vec![], wall),
            None => match key {
                '0' => self.wants_person(vec![]),
                '8' => self.opt_out(),
                '9' => self.slower(vec![]),
                '*' => self.back(vec![]),
                '#' => self.again(),
                _ => self.wrong_key(),
            },
        }
    }

    pub(super) fn entered(&mut self, digits: &str, mode: Mode, wall: DateTime<Utc>) -> Turn {
        let Some((at, question)) = self.question() else { return self.again() };
        let Kind::Number { min, max, .. } = question.kind else { return self.wrong_key() };
        match digits.parse() {
            Ok(number) if (min..=max).contains(&number) => self.take(at, Value::Number(number), mode, vec![], wall),
            // A lone 0 that is no answer asks for a person, as everywhere.
            Ok(0) if digits == "0" && mode == Mode::Key => self.wants_person(vec![]),
            Ok(_) | Err(_) => self.wrong_key(),
        }
    }

    pub(super) fn words(&mut self, text: &str, confidence: f32, wall: DateTime<Utc>) -> Turn {
        let mut lead = Vec::new();
        if emergency(text) && !self.advised {
            self.advised = true;
            lead.push(say::EMERGENCY.into());
        }
        if NO_MORE.iter().any(|wording| text.contains(wording)) {
            return self.opt_out();
        }
        match command(text) {
            Some(Intent::Person) => return self.wants_person(lead),
            Some(Intent::Slower) => return self.slower(lead),
            Some(Intent::Repeat) => return self.present(lead),
            Some(Intent::Back) => return self.back(lead),
            Some(Intent::Progress) | None => {}
        }
        if greeting(text) {
            return self.silence();
        }
        let survey = Arc::clone(&self.survey);
        let Place::Question(at) = self.at else { return self.again() };
        match self.by_words(at, &survey.questions[at], text).filter(|_| confidence >= MIN_CONFIDENCE) {
            Some(value) => self.take(at, value, Mode::Speech, lead, wall),
            None => self.not_understood(lead),
        }
    }

    pub(super) fn silence(&mut self) -> Turn {
        self.silences += 1;
        match self.silences {
            1 => self.listen(vec![say::NUDGE.into()]),
            2 => self.present(vec![]),
            _ => self.pass(),
        }
    }

    pub(super) fn not_understood(&mut self, mut lead: Vec<PromptId>) -> Turn {
        self.failures += 1;
        match self.failures {
            1 => {
                lead.push(say::NOT_UNDERSTOOD.into());
                self.listen(lead)
            }
            n if n < MAX_TRIES => {
                lead.push(say::NOT_UNDERSTOOD.into());
                self.present(lead)
            }
            _ => self.pass(),
        }
    }

    /// The recogniser is late, busy or broken: keys are offered (P9).
    pub(super) fn recogniser_down(&mut self) -> Turn {
        self.failures += 1;
        if self.failures >= MAX_TRIES { self.pass() } else { self.present(vec![say::DEGRADED.into()]) }
    }

    pub(super) fn recorded(&mut self, wall: DateTime<Utc>) -> Turn {
        match self.at {
            Place::Question(at) if self.remark_awaited() => self.take(at, Value::Remark, Mode::Speech, vec![], wall),
            Place::Opening | Place::Question(_) | Place::Over => self.again(),
        }
    }

    fn wrong_key(&mut self) -> Turn {
        self.failures += 1;
        if self.failures >= MAX_TRIES { self.pass() } else { self.present(vec![say::WRONG_KEY.into()]) }
    }

    /// Put through, or else rung back.
    fn wants_person(&mut self, mut lead: Vec<PromptId>) -> Turn {
        if std::mem::take(&mut self.transfers) {
            lead.push(say::TRANSFER_WAIT.into());
            return Turn { say: lead, then: Then::Transfer };
        }
        lead.extend(self.survey.person.iter().cloned());
        self.close(InterviewEnd::ToPerson, lead)
    }

    fn opt_out(&mut self) -> Turn {
        let say = self.survey.no_more.clone();
        self.close(InterviewEnd::OptedOut, say)
    }

    fn slower(&mut self, mut lead: Vec<PromptId>) -> Turn {
        self.slow = true;
        lead.push(say::SLOWER.into());
        self.present(lead)
    }

    /// To the question before, whose answer may be given anew.
    fn back(&mut self, mut lead: Vec<PromptId>) -> Turn {
        match self.trail.pop() {
            Some(at) => {
                lead.push(say::BACK.into());
                self.put(Some(at), lead)
            }
            None => self.present(lead),
        }
    }

    /// What a single key answers.
    fn by_key(&self, at: usize, question: &Question, key: char) -> Option<Value> {
        let digit = key.to_digit(10).and_then(|d| u8::try_from(d).ok());
        match &question.kind {
            Kind::Rating { .. } => digit.filter(|d| (1..=LEVELS).contains(d)).map(|d| self.level(d)),
            Kind::YesNo => match key {
                '1' => Some(Value::YesNo(true)),
                '2' => Some(Value::YesNo(false)),
                _ => None,
            },
            Kind::Choice { options, .. } => {
                let order = self.draw.order(at, options.len());
                let option = order.get(usize::from(digit?).checked_sub(1)?)?;
                Some(Value::Choice(options[*option].code.clone()))
            }
            Kind::Number { hash, .. } => hash.filter(|_| key == '#').map(Value::Number),
            Kind::Remark => None,
        }
    }

    /// What words answer: the label, or the key's name.
    fn by_words(&self, at: usize, question: &Question, text: &str) -> Option<Value> {
        let said = digit_runs(text);
        let alone = said.first().filter(|_| said.len() == 1 && !text.contains('分'));
        let key = || alone.filter(|run| run.len() == 1).and_then(|run| self.by_key(at, question, run.chars().next()?));
        match &question.kind {
            Kind::Rating { .. } => satisfaction(text).map(Value::Rating).or_else(key),
            Kind::YesNo => agreed(text).map(Value::YesNo),
            Kind::Choice { options, .. } => {
                let named = |o: &&ChoiceOption| o.words.iter().any(|w| text.contains(w.as_str()));
                options.iter().find(named).map(|o| Value::Choice(o.code.clone())).or_else(key)
            }
            Kind::Number { min, max, hash } => {
                let none = ["没有", "没跑", "没去", "一次都没", "一趟都没", "不用"].iter().any(|w| text.contains(w));
                let number = if none { *hash } else { alone.and_then(|run| run.parse().ok()) };
                number.filter(|n| (*min..=*max).contains(n)).map(Value::Number)
            }
            Kind::Remark => None,
        }
    }

    /// The level of a scale's key: its place, or where the scale was turned round, its place from the other end.
    fn level(&self, key: u8) -> Value {
        Value::Rating(if self.draw.down() { LEVELS + 1 - key } else { key })
    }
}

/// Yes or no to "was it solved, was the promise kept, did somebody ask you": 没解决 and 有 are answers there.
fn agreed(text: &str) -> Option<bool> {
    const UNSURE: [&str; 7] = ["不知道", "不清楚", "不晓得", "说不清", "说不好", "记不得", "不记得"];
    const DONE: [&str; 9] = ["解决", "有", "办到", "做到", "办好", "修好", "弄好", "搞好", "按时"];
    let says = |list: &[&str]| list.iter().any(|w| text.contains(w));
    if says(&UNSURE) {
        None
    } else if text.contains(['没', '未']) && !says(&["没错", "没问题"]) {
        Some(false)
    } else {
        yes_or_no(text).or_else(|| says(&DONE).then_some(true))
    }
}
