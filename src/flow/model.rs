//! A flow as parsed: states by index, every reference resolved.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::{PromptId, line_of};
use crate::directory::WindowCode;

/// A state's place in its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateId(pub(super) usize);

/// One spoken exchange, as a file describes it. Made by [`Flow::parse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Its name: `hotline`.
    pub name: String,
    /// Raised with every change; stored with each call.
    pub version: u32,
    /// Heard first and to its end; recording begins after it (R12.1).
    pub notice: Vec<PromptId>,
    /// Where the exchange begins.
    pub start: StateId,
    /// Where a caller is led who wants a person.
    pub person: StateId,
    /// Where a caller is led whom we cannot help by key or word.
    pub recording: StateId,
    /// Where a caller is led who asks how a case stands.
    pub progress: StateId,
    /// Keys that mean the same in every state but while digits are entered.
    pub keys: BTreeMap<char, Command>,
    /// Spans of waiting.
    pub timing: Timing,
    pub(super) states: Vec<State>,
    /// Where each top-level key stands in the file, for [`check`](super::check()).
    pub(super) lines: BTreeMap<&'static str, usize>,
}

/// One state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Its name in the file.
    pub name: String,
    /// Its line in the file, from 1.
    pub line: usize,
    /// What is said on entering.
    pub say: Vec<PromptId>,
    /// What it is for.
    pub step: Step,
}

/// What a state is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Only says something.
    Say {
        /// Then.
        next: StateId,
    },
    /// Says whether we rang this caller, and about what (N14); who answered us lately may take the answers back, or give
    /// them anew (N1). Passed over after saying so where nothing was answered.
    Verify {
        /// Then.
        next: StateId,
    },
    /// Asks what the caller wants, by words or by key.
    Menu {
        /// Said instead of `say` from the second time on.
        again: Vec<PromptId>,
        /// What keys mean here, before the flow's own.
        keys: BTreeMap<char, Choice>,
        /// Once a window is chosen.
        window: StateId,
    },
    /// Takes the request in the caller's words; passed over when they are known already.
    Words {
        /// Then.
        next: StateId,
    },
    /// Asks for the place; passed over when the words named a village.
    Place {
        /// Then.
        next: StateId,
    },
    /// Asks for the number to ring back; passed over when one was signalled.
    Phone {
        /// Then.
        next: StateId,
    },
    /// Reads back what was understood; passed over when there is nothing to read.
    Confirm {
        /// What is read back.
        what: Field,
        /// When it is right.
        next: StateId,
        /// When it is wrong: the state that asks for it again.
        redo: StateId,
    },
    /// Takes a message.
    Message {
        /// Said instead of `say` while offices are closed.
        closed: Vec<PromptId>,
        /// Said when it is taken.
        done: Vec<PromptId>,
        /// Whether the caller asked for a person; else nothing was understood.
        person: bool,
        /// Then.
        next: StateId,
    },
    /// Opens the case and tells its number, owner and date; passed over when one is open.
    Case {
        /// Then.
        next: StateId,
    },
    /// Takes a case number and tells how the case stands.
    Progress {
        /// Then.
        next: StateId,
    },
    /// Ends the call.
    End,
}

/// What a confirm state reads back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The window, where words chose it.
    Window,
    /// The village, where it has a recorded name, and numbers of the place digit by digit.
    Place,
    /// The number to ring back, digit by digit.
    Phone,
}

/// What a key means in a menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// A window.
    Window(WindowCode),
    /// What it could mean in any state.
    Command(Command),
    /// Another state.
    State(StateId),
}

/// What a key, or the caller's words, can ask for in any state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A person, or while there is none, a recording.
    Person,
    /// The same again, slower and louder (R3.4).
    Slower,
    /// The same again.
    Repeat,
    /// The state before.
    Back,
    /// How a case stands.
    Progress,
}

/// How long the gateway waits, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Silence before the first nudge (P16).
    pub first_nudge: Duration,
    /// Silence before each further one.
    pub next_nudge: Duration,
    /// Pause that ends an utterance (P15).
    pub end_of_turn: Duration,
    /// The same for a caller who asked for slow speech.
    pub end_of_turn_slow: Duration,
    /// The same while a place or a number is dictated.
    pub end_of_dictation: Duration,
    /// Pause that ends an entry of digits (P12).
    pub between_keys: Duration,
    /// The same for a caller who asked for slow speech.
    pub between_keys_slow: Duration,
    /// A recogniser's answer after this long is useless.
    pub answer: Duration,
    /// Pause that ends a message.
    pub message_pause: Duration,
    /// Longest message.
    pub message_max: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            first_nudge: Duration::from_secs(10),
            next_nudge: Duration::from_secs(20),
            end_of_turn: Duration::from_millis(800),
            end_of_turn_slow: Duration::from_millis(2_500),
            end_of_dictation: Duration::from_secs(3),
            between_keys: Duration::from_secs(4),
            between_keys_slow: Duration::from_secs(6),
            answer: Duration::from_secs(4),
            message_pause: Duration::from_secs(6),
            message_max: Duration::from_secs(180),
        }
    }
}

impl Flow {
    /// `hotline@3`: what is stored with a call.
    pub fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// The state at this place.
    pub fn state(&self, id: StateId) -> &State {
        &self.states[id.0]
    }

    /// Every state.
    pub fn states(&self) -> impl Iterator<Item = (StateId, &State)> {
        self.states.iter().enumerate().map(|(i, state)| (StateId(i), state))
    }
}

impl Step {
    /// Whether the caller is listened to here, so that the flow's keys and commands apply.
    pub fn listens(&self) -> bool {
        match self {
            Self::Menu { .. }
            | Self::Words { .. }
            | Self::Place { .. }
            | Self::Phone { .. }
            | Self::Confirm { .. }
            | Self::Verify { .. }
            | Self::Case { .. }
            | Self::Progress { .. } => true,
            Self::Say { .. } | Self::Message { .. } | Self::End => false,
        }
    }
}

/// Something wrong in a flow file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Line in the file, from 1.
    pub line: usize,
    /// The key, dotted: `states.main.next`.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
}

impl Problem {
    /// A fault of TOML itself. The key is what stands left of `=` on its line, or the table's name.
    pub(crate) fn of_toml(text: &str, error: &toml::de::Error) -> Self {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        let begun = text.lines().nth(line - 1).and_then(|line| line.split('=').next()).unwrap_or_default();
        let key = begun.trim().trim_matches(['[', ']']).to_owned();
        Self { line, key, message: error.message().to_owned() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, key, message } = self;
        write!(f, "line {line}: {key}: {message}")
    }
}
