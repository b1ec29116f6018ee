//! The state machine that a flow file describes: one event in, one turn out. Knows no time but the wall clock it is given.
//!
//! Invariants: every turn that speaks ends in listening, in a request to the store or in the end of the call; a caller who
//! wants a person, or whom we cannot help, leaves a recording, and a recording becomes a case; after [`MAX_TURNS`] turns
//! the exchange goes to a recording, or ends when it has served its end, whatever is said.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};

use super::model::{Flow, StateId, Step};
use super::prompts::{PromptBook, PromptId};
use super::slots::{CaseFacts, Slots};
use super::spoken::{MOBILE_DIGITS, PHONE_DIGITS};
use super::{Expect, tell, vocabulary as say};
use crate::cases::{CaseDraft, Origin, ProgressAnswer};
use crate::directory::{Directory, PostId, WindowCode};
use crate::ids::{CaseNumber, PhoneNumber};

mod caller;
mod failing;
mod moving;
mod revoking;

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
    /// No person comes to the caller who wants one.
    NobodyReady,
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
    /// Whether the caller's answers are durably taken back.
    Withdrawn(bool),
    /// What was asked in our call cannot be asked again.
    NotRetaken,
    /// The caller spoke with a person of ours, and that is over.
    Transferred,
    /// No person of ours took the call.
    NotTransferred,
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
    /// A person is sought; comes back as [`Event::NobodyReady`], or the person ends the call.
    SeekPerson,
    /// A message is taken until `#`, a long pause or its longest duration; comes back as [`Event::Recorded`].
    TakeMessage,
    /// A case is opened; comes back as [`Event::Opened`] or [`Event::NotOpened`].
    OpenCase(Origin),
    /// A case is looked up; comes back as [`Event::Progress`] or [`Event::NotLookedUp`].
    LookUp(CaseNumber),
    /// The caller's answers are taken back; comes back as [`Event::Withdrawn`].
    Withdraw,
    /// The caller answers anew: an interview takes over, or else this comes back as [`Event::NotRetaken`].
    Retake,
    /// The caller is put through to a person; comes back as [`Event::Transferred`] or [`Event::NotTransferred`].
    Transfer,
    /// The call ends.
    HangUp,
}

impl Then {
    /// How the caller is listened to, where it is the caller's turn.
    pub fn listening(&self) -> Option<Listening> {
        match self {
            Self::Listen(listening) => Some(*listening),
            Self::SeekPerson
            | Self::TakeMessage
            | Self::OpenCase(_)
            | Self::LookUp(_)
            | Self::Withdraw
            | Self::Retake
            | Self::Transfer
            | Self::HangUp => None,
        }
    }
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
    /// A number of at most so many digits; likewise.
    Number(u8),
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
            Self::Number(longest) => digits.len() >= usize::from(longest),
        }
    }
}

/// Whether we rang a caller lately, who may want to know that it was us (N14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// It cannot be told: the number is withheld, or the database is away.
    Unknown,
    /// We did not.
    Never,
    /// We did.
    Ours(OurCall),
}

/// The last of our calls to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OurCall {
    /// When.
    pub at: DateTime<Utc>,
    /// The case it was about, and the day that was opened.
    pub case: Option<(CaseNumber, NaiveDate)>,
    /// Whether something was answered that can still be taken back (N1).
    pub revocable: bool,
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
    /// Whether we rang this caller.
    rung: Rung,
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
    pub fn new(
        flow: Arc<Flow>,
        directory: Arc<Directory>,
        book: Arc<PromptBook>,
        caller: Option<PhoneNumber>,
        rung: Rung,
    ) -> Self {
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
            rung,
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
        if self.turns >= MAX_TURNS && !in_message && event != Event::Drain {
            match self.case {
                CaseState::None => return self.give_up(&[say::RECORD], wall),
                CaseState::NotNeeded => return Turn { say: vec![say::GOODBYE_EARLY.into()], then: Then::HangUp },
                CaseState::Asked => {}
            }
        }
        match event {
            Event::Began => self.enter(self.flow.start, vec![], wall),
            Event::Key(key) => self.key(key, wall),
            Event::Entered(digits) => self.entered(&digits, wall),
            Event::Words { text, confidence } => self.words(&text, confidence, wall),
            Event::Unintelligible => self.not_understood(vec![], wall),
            Event::RecogniserDown => self.recogniser_down(wall),
            Event::Silence => self.silence(wall),
            Event::NobodyReady => self.take_message(vec![], wall),
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
            // A dialogue puts nobody through by itself: who cannot be, leaves a message.
            Event::NotLookedUp
            | Event::NotRetaken
            | Event::Withdrawn(false)
            | Event::Transferred
            | Event::NotTransferred => self.give_up(&[say::TROUBLE, say::RECORD], wall),
            Event::Withdrawn(true) => self.withdrawn(wall),
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
}
