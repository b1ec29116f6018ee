//! The state machine that a flow file describes: one event in, one turn out. Knows no time but the wall clock it is given.
//!
//! Invariants: every turn that speaks ends in listening, in a request to the store or in the end of the call; a caller who
//! wants a person, or whom we cannot help, leaves a recording, and a recording becomes a case; after [`MAX_TURNS`] turns
//! the exchange goes to a recording whatever is said.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};

use super::intent::{Intent, command, emergency, yes_or_no};
use super::model::{Choice, Command, Field, Flow, StateId, Step};
use super::prompts::{PromptBook, PromptId};
use super::slots::{CaseFacts, Slots};
use super::spoken::digit_runs;
use super::{Expect, tell, vocabulary as say};
use crate::cases::{CaseDraft, Origin, ProgressAnswer};
use crate::directory::{Directory, PostId, WindowCode};
use crate::ids::{CaseNumber, CaseNumberError, PhoneNumber};

/// Failures of one kind, in one state, that lead to a recording (R3.1, P8).
const MAX_TRIES: u8 = 3;

/// Times one field is read back and asked again before a recording is taken (R3.6).
const MAX_READ_BACKS: u8 = 2;

/// Times a case number or a progress answer is repeated on request.
const MAX_REPEATS: u8 = 3;

/// Turns after which the exchange goes to a recording: a caller who presses keys at random is not stuck for ever.
pub const MAX_TURNS: u16 = 60;

/// Steps back that are remembered.
const MAX_TRAIL: usize = 16;

/// Silence after a case number or a progress answer, in which it can be asked for again.
const REPEAT_WAIT: Duration = Duration::from_secs(5);

/// A yes or no less certain than this is asked for again.
const YES_NO_MIN_CONFIDENCE: f32 = 0.4;

/// Digits of a mobile number in China.
const MOBILE_DIGITS: usize = 11;

/// Digits of a number to ring back: from a local number without area code to a landline with it.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=12;

/// What the caller or the store did.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The notice was heard.
    Began,
    /// A key, where one key decides.
    Key(char),
    /// Digits, where a number is entered.
    Entered(String),
    /// Words.
    Words {
        /// As recognised.
        text: String,
        /// 0 to 1.
        confidence: f32,
    },
    /// Something was said, but no words were recognised in it.
    Unintelligible,
    /// Something was said, but the recogniser is late, busy or broken.
    RecogniserDown,
    /// Nothing was said or pressed for as long as the turn allows.
    Silence,
    /// The message is over.
    Recorded,
    /// The case is durable.
    Opened {
        /// Its number.
        number: CaseNumber,
        /// Its first owner.
        owner: PostId,
        /// The last day of the promise.
        due_on: NaiveDate,
    },
    /// The case could not be made durable.
    NotOpened,
    /// How the case stands; `None` where it is not known.
    Progress(Option<ProgressAnswer>),
    /// The case could not be looked up.
    NotLookedUp,
    /// The gateway shuts down.
    Drain,
}

/// What the gateway does next: speaks, then waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// What is said; may be empty.
    pub say: Vec<PromptId>,
    /// What follows.
    pub then: Then,
}

/// What follows once everything is said.
#[derive(Clone, Debug, PartialEq)]
pub enum Then {
    /// The caller's turn.
    Listen(Listening),
    /// A message is taken until `#`, a long pause or its longest duration; comes back as [`Event::Recorded`].
    TakeMessage,
    /// A case is opened; comes back as [`Event::Opened`] or [`Event::NotOpened`].
    OpenCase(Origin),
    /// A case is looked up; comes back as [`Event::Progress`] or [`Event::NotLookedUp`].
    LookUp(CaseNumber),
    /// The call ends.
    HangUp,
}

/// How the caller is listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// What keys are.
    pub keys: Keys,
    /// What words are expected.
    pub expect: Expect,
    /// Silence that counts as none.
    pub wait: Duration,
    /// Pause that ends an utterance.
    pub end_of_turn: Duration,
    /// Pause that ends an entry of digits.
    pub between_keys: Duration,
    /// Whether `#` ends an utterance at once instead of counting as a key.
    pub hash_ends: bool,
}

/// What keys are in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Each decides by itself.
    One,
    /// Digits of a telephone number; `#` ends it, `*` starts it anew.
    Phone,
    /// Digits of a case number; likewise.
    CaseNumber,
}

impl Keys {
    /// Whether these digits are complete, so that nothing more need be waited for.
    pub fn complete(self, digits: &str) -> bool {
        match self {
            Self::One => !digits.is_empty(),
            // A mobile number has eleven digits and begins with 1; landlines differ in length.
            Self::Phone if digits.starts_with('1') => digits.len() >= MOBILE_DIGITS,
            Self::Phone => digits.len() >= *PHONE_DIGITS.end(),
            Self::CaseNumber => digits.len() >= CaseNumber::MAX_DIGITS,
        }
    }
}

/// The exchange with one caller.
#[derive(Clone, Debug)]
pub struct Dialogue {
    flow: Arc<Flow>,
    directory: Arc<Directory>,
    book: Arc<PromptBook>,
    at: StateId,
    /// States passed, for going back.
    trail: Vec<StateId>,
    slots: Slots,
    /// The caller asked for slow and loud speech.
    slow: bool,
    /// Failures in the present state.
    tries: Tries,
    /// Fields found wrong, by kind.
    read_backs: [u8; 3],
    /// The menu was spoken at length.
    greeted: bool,
    /// The recogniser failed the caller before.
    degraded: bool,
    /// The caller was told whom to ring in danger.
    advised: bool,
    /// What was told last: a case number or a progress answer.
    told: Vec<PromptId>,
    /// How the case will be marked that is opened next.
    origin: Origin,
    case: CaseState,
    turns: u16,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tries {
    silences: u8,
    wrong_keys: u8,
    failures: u8,
    repeats: u8,
}

/// Whether this call has a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CaseState {
    /// None yet.
    None,
    /// It was asked for, opened, or failed: none is asked for again.
    Asked,
    /// The call only asked how another case stands, and was told.
    NotNeeded,
}

impl Dialogue {
    /// An exchange with a caller whose signalled number is `caller`.
    pub fn new(flow: Arc<Flow>, directory: Arc<Directory>, book: Arc<PromptBook>, caller: Option<PhoneNumber>) -> Self {
        let at = flow.start;
        Self {
            flow,
            directory,
            book,
            at,
            trail: Vec::new(),
            slots: Slots { phone: caller, ..Slots::default() },
            slow: false,
            tries: Tries::default(),
            read_backs: [0; 3],
            greeted: false,
            degraded: false,
            advised: false,
            told: Vec::new(),
            origin: Origin::Dialogue,
            case: CaseState::None,
            turns: 0,
        }
    }

    /// The name of the present state.
    pub fn state(&self) -> &str {
        &self.flow.state(self.at).name
    }

    /// Whether prompts are to be played slower and louder.
    pub fn slow(&self) -> bool {
        self.slow
    }

    /// The window chosen so far.
    pub fn window(&self) -> Option<WindowCode> {
        self.slots.window
    }

    /// Whether the call would leave nothing behind if it ended now, though it should (R5.1).
    pub fn owes_case(&self) -> bool {
        self.case == CaseState::None
    }

    /// The case that what is known so far makes; from then on none is owed.
    pub fn draft(&mut self, facts: &CaseFacts, origin: Origin, wall: DateTime<Utc>) -> CaseDraft {
        self.case = CaseState::Asked;
        self.slots.draft(facts, origin, &self.directory, wall)
    }

    /// What to do about an event.
    pub fn handle(&mut self, event: Event, wall: DateTime<Utc>) -> Turn {
        self.turns = self.turns.saturating_add(1);
        let in_message = matches!(self.step(), Step::Message { .. });
        if self.turns == MAX_TURNS && self.case == CaseState::None && !in_message && event != Event::Drain {
            return self.give_up(&[say::RECORD], wall);
        }
        match event {
            Event::Began => self.enter(self.flow.start, vec![], wall),
            Event::Key(key) => self.key(key, wall),
            Event::Entered(digits) => self.entered(&digits, wall),
            Event::Words { text, confidence } => self.words(&text, confidence, wall),
            Event::Unintelligible => self.not_understood(vec![], wall),
            Event::RecogniserDown => self.recogniser_down(wall),
            Event::Silence => self.silence(wall),
            Event::Recorded => self.recorded(wall),
            Event::Opened { number, owner, due_on } => {
                let mut out = tell::case_opened(&self.directory, number, owner, due_on);
                match self.origin {
                    Origin::Person | Origin::Recording => out.extend(tell::callback(&self.directory, wall)),
                    Origin::Dialogue | Origin::Abandoned => {}
                }
                self.tell(out)
            }
            Event::NotOpened => self.onward(vec![say::TROUBLE.into(), say::CALLBACK_SOON.into()], wall),
            Event::Progress(Some(answer)) => {
                self.case = match self.case {
                    CaseState::None | CaseState::NotNeeded => CaseState::NotNeeded,
                    CaseState::Asked => CaseState::Asked,
                };
                self.tell(tell::progress(&self.directory, &answer))
            }
            Event::Progress(None) => self.wrong_number(say::PROGRESS_UNKNOWN, wall),
            Event::NotLookedUp => self.give_up(&[say::TROUBLE, say::RECORD], wall),
            Event::Drain => Turn { say: vec![say::GOODBYE_EARLY.into()], then: Then::HangUp },
        }
    }

    /// The present turn again, as after a hold: what is asked, and the caller's turn.
    pub fn again(&mut self, wall: DateTime<Utc>) -> Turn {
        self.repeat(vec![], wall)
    }

    fn step(&self) -> &Step {
        &self.flow.state(self.at).step
    }

    // What the caller does ---------------------------------------------------------------------------------------------

    fn key(&mut self, key: char, wall: DateTime<Utc>) -> Turn {
        let flow = Arc::clone(&self.flow);
        let own = match &flow.state(self.at).step {
            Step::Menu { keys, .. } => keys.get(&key).copied(),
            Step::Confirm { .. } => match key {
                '1' => return self.confirmed(true, wall),
                '2' => return self.confirmed(false, wall),
                _ => None,
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
            Some(Choice::Window(code)) => self.chosen(code, false, vec![], wall),
            Some(Choice::Command(command)) => self.command(command, vec![], wall),
            Some(Choice::State(id)) => self.go(id, vec![], wall),
            None if !self.told.is_empty() => self.command(Command::Repeat, vec![], wall),
            None => self.wrong_key(wall),
        }
    }

    fn entered(&mut self, digits: &str, wall: DateTime<Utc>) -> Turn {
        // No number begins with a lone 0: it is the key for a person, as everywhere.
        if digits == "0" {
            return self.key('0', wall);
        }
        match self.step() {
            Step::Phone { next } => {
                let next = *next;
                let number = PhoneNumber::parse(digits).filter(|_| PHONE_DIGITS.contains(&digits.len()));
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
            | Step::Menu { .. }
            | Step::Words { .. }
            | Step::Place { .. }
            | Step::Confirm { .. }
            | Step::Message { .. }
            | Step::Case { .. }
            | Step::End => self.wrong_key(wall),
        }
    }

    fn words(&mut self, text: &str, confidence: f32, wall: DateTime<Utc>) -> Turn {
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
            Step::Case { .. } | Step::Progress { .. } if !self.told.is_empty() => self.onward(lead, wall),
            Step::Phone { .. } | Step::Progress { .. } => match digit_runs(text).concat() {
                digits if digits.is_empty() => self.not_understood(lead, wall),
                digits => self.entered(&digits, wall),
            },
            Step::Say { .. } | Step::Message { .. } | Step::Case { .. } | Step::End => self.not_understood(lead, wall),
        }
    }

    /// What the caller said at the menu: with a window it is the choice and, when long enough, the request too.
    fn wish(&mut self, text: &str, window: StateId, mut lead: Vec<PromptId>, wall: DateTime<Utc>) -> Turn {
        let directory = Arc::clone(&self.directory);
        let found = directory.match_windows(text).first().map(|c| c.key);
        let had_request = self.slots.has_request();
        let long = text.chars().count() >= super::slots::REQUEST_MIN_CHARS;
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

    fn chosen(&mut self, code: WindowCode, by_words: bool, lead: Vec<PromptId>, wall: DateTime<Utc>) -> Turn {
        self.slots.choose(code, by_words, &Arc::clone(&self.directory));
        match self.step() {
            Step::Menu { window, .. } => {
                let next = *window;
                self.go(next, lead, wall)
            }
            Step::Say { .. }
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

    fn confirmed(&mut self, right: bool, wall: DateTime<Utc>) -> Turn {
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

    fn command(&mut self, command: Command, mut lead: Vec<PromptId>, wall: DateTime<Utc>) -> Turn {
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

    // What goes wrong ----------------------------------------------------------------------------------------------------

    fn silence(&mut self, wall: DateTime<Utc>) -> Turn {
        if !self.told.is_empty() {
            return self.onward(vec![], wall);
        }
        self.tries.silences += 1;
        match self.tries.silences {
            1 => self.listen(vec![say::NUDGE.into()]),
            2 => self.listen(vec![say::NUDGE_KEY.into()]),
            _ => self.give_up(&[say::SILENT], wall),
        }
    }

    fn wrong_key(&mut self, wall: DateTime<Utc>) -> Turn {
        self.tries.wrong_keys += 1;
        if self.tries.wrong_keys >= MAX_TRIES {
            self.give_up(&[say::RECORD], wall)
        } else {
            self.repeat(vec![say::WRONG_KEY.into()], wall)
        }
    }

    /// A case number that is mistyped or unknown: as a wrong key, with its own words.
    fn wrong_number(&mut self, prompt: &str, wall: DateTime<Utc>) -> Turn {
        self.tries.wrong_keys += 1;
        if self.tries.wrong_keys >= MAX_TRIES {
            self.give_up(&[say::RECORD], wall)
        } else {
            self.listen(vec![prompt.into()])
        }
    }

    /// Once: please again. Twice: the keys. Thrice: somebody else will understand (P8, N6).
    fn not_understood(&mut self, mut lead: Vec<PromptId>, wall: DateTime<Utc>) -> Turn {
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
                let mut turn = self.give_up(&[say::GIVE_UP, say::RECORD], wall);
                turn.say.splice(0..0, lead);
                turn
            }
        }
    }

    /// The recogniser is late, busy or broken (P9): what was dictated is in the recording; a choice is made by keys, once
    /// offered, or else becomes a recording.
    fn recogniser_down(&mut self, wall: DateTime<Utc>) -> Turn {
        match *self.step() {
            Step::Words { next } | Step::Place { next } => return self.go(next, vec![say::NOTED.into()], wall),
            Step::Say { .. }
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
            return self.give_up(&[say::TROUBLE, say::RECORD], wall);
        }
        self.repeat(vec![say::DEGRADED.into()], wall)
    }

    /// Leads to the recording, after the words that say why.
    fn give_up(&mut self, why: &[&str], wall: DateTime<Utc>) -> Turn {
        self.go(self.flow.recording, why.iter().map(|id| PromptId::from(*id)).collect(), wall)
    }

    // Moving ----------------------------------------------------------------------------------------------------------------

    fn recorded(&mut self, wall: DateTime<Utc>) -> Turn {
        let flow = Arc::clone(&self.flow);
        match &flow.state(self.at).step {
            Step::Message { done, next, .. } => self.go(*next, done.clone(), wall),
            Step::Say { .. }
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

    /// Past a case or a progress answer.
    fn onward(&mut self, lead: Vec<PromptId>, wall: DateTime<Utc>) -> Turn {
        match *self.step() {
            Step::Case { next } | Step::Progress { next } => self.go(next, lead, wall),
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
    fn go(&mut self, id: StateId, lead: Vec<PromptId>, wall: DateTime<Utc>) -> Turn {
        if self.step().listens() && self.told.is_empty() {
            self.trail.push(self.at);
            let surplus = self.trail.len().saturating_sub(MAX_TRAIL);
            self.trail.drain(..surplus);
        }
        self.enter(id, lead, wall)
    }

    /// Enters a state, or the first one after it that has something to do.
    fn enter(&mut self, id: StateId, mut lead: Vec<PromptId>, wall: DateTime<Utc>) -> Turn {
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
    fn repeat(&mut self, mut lead: Vec<PromptId>, wall: DateTime<Utc>) -> Turn {
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
    fn present(&mut self, mut lead: Vec<PromptId>, wall: DateTime<Utc>) -> Turn {
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
            Step::Message { closed, person, .. } => {
                self.origin = if *person { Origin::Person } else { Origin::Recording };
                let shut = !closed.is_empty() && !self.directory.calendar.is_open(wall);
                lead.extend(if shut { closed } else { &state.say }.iter().cloned());
                Turn { say: lead, then: Then::TakeMessage }
            }
            Step::Case { .. } => {
                lead.extend(state.say.iter().cloned());
                self.trail.clear();
                Turn { say: lead, then: Then::OpenCase(self.origin) }
            }
            Step::End => {
                lead.extend(state.say.iter().cloned());
                Turn { say: lead, then: Then::HangUp }
            }
            Step::Say { .. } | Step::Words { .. } | Step::Place { .. } | Step::Phone { .. } | Step::Progress { .. } => {
                lead.extend(state.say.iter().cloned());
                self.listen(lead)
            }
        }
    }

    /// Tells an answer, then leaves a moment to ask for it again.
    fn tell(&mut self, what: Vec<PromptId>) -> Turn {
        self.tries = Tries::default();
        self.told = what.clone();
        self.listen(what)
    }

    fn read_back(&self, what: Field) -> Vec<PromptId> {
        match what {
            Field::Window => tell::window(&self.slots, &self.book),
            Field::Place => tell::place(&self.slots, &self.book),
            Field::Phone => self.slots.phone.as_ref().map_or(vec![], tell::phone),
        }
    }

    /// The caller's turn, with the patience that the state and the caller need.
    fn listen(&self, say: Vec<PromptId>) -> Turn {
        let timing = &self.flow.timing;
        let (keys, expect, dictated) = match self.step() {
            Step::Place { .. } => (Keys::One, Expect::Place, true),
            Step::Confirm { .. } => (Keys::One, Expect::YesNo, false),
            Step::Phone { .. } => (Keys::Phone, Expect::Digits, true),
            Step::Progress { .. } if self.told.is_empty() => (Keys::CaseNumber, Expect::Digits, true),
            Step::Say { .. }
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
