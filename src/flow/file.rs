//! The flow file: TOML to [`Flow`]. Every fault is told with its line and key, all of them at once.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::line_of;
use super::model::{Choice, Command, Field, Flow, Problem, State, StateId, Step, Timing};
use super::prompts::PromptId;
use crate::directory::WindowCode;

/// The version of the format that this code reads.
const FORMAT: u32 = 1;

/// Keys of a telephone that a flow may give a meaning.
const KEYS: &str = "0123456789*#";

type Name = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlowFile {
    format: Spanned<u32>,
    name: Name,
    version: u32,
    notice: Spanned<Vec<String>>,
    start: Name,
    person: Name,
    recording: Name,
    progress: Name,
    #[serde(default)]
    keys: BTreeMap<Name, Name>,
    #[serde(default)]
    timing: TimingTable,
    states: BTreeMap<Name, StateTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StateTable {
    step: Name,
    #[serde(default)]
    say: Vec<String>,
    again: Option<Spanned<Vec<String>>>,
    closed: Option<Spanned<Vec<String>>>,
    done: Option<Spanned<Vec<String>>>,
    keys: Option<Spanned<BTreeMap<Name, Name>>>,
    window: Option<Name>,
    what: Option<Name>,
    next: Option<Name>,
    redo: Option<Name>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TimingTable {
    first_nudge_ms: Option<Spanned<u64>>,
    next_nudge_ms: Option<Spanned<u64>>,
    end_of_turn_ms: Option<Spanned<u64>>,
    end_of_turn_slow_ms: Option<Spanned<u64>>,
    end_of_dictation_ms: Option<Spanned<u64>>,
    between_keys_ms: Option<Spanned<u64>>,
    between_keys_slow_ms: Option<Spanned<u64>>,
    answer_ms: Option<Spanned<u64>>,
    message_pause_ms: Option<Spanned<u64>>,
    message_max_ms: Option<Spanned<u64>>,
}

impl Flow {
    /// Reads a flow file. What it means as a whole is the business of [`check`](super::check()).
    ///
    /// # Errors
    /// Every fault found, in the order of lines.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let file: FlowFile = toml::from_str(text).map_err(|e| vec![Problem::of_toml(text, &e)])?;
        let mut reader =
            Reader { text, names: file.states.keys().map(|n| n.get_ref().clone()).collect(), problems: vec![] };

        if *file.format.get_ref() != FORMAT {
            reader.fault(
                &file.format,
                "format",
                format!("is {}, but this gateway reads {FORMAT}", file.format.get_ref()),
            );
        }
        let mut lines = BTreeMap::new();
        for (key, offset) in [
            ("name", file.name.span().start),
            ("notice", file.notice.span().start),
            ("start", file.start.span().start),
            ("person", file.person.span().start),
            ("recording", file.recording.span().start),
            ("progress", file.progress.span().start),
        ] {
            lines.insert(key, line_of(text, offset));
        }
        let [start, person, recording, progress] = [
            ("start", &file.start),
            ("person", &file.person),
            ("recording", &file.recording),
            ("progress", &file.progress),
        ]
        .map(|(key, name)| reader.target(key, name));
        let keys = reader.keys("keys", &file.keys, Reader::command);
        let timing = reader.timing(&file.timing);
        let states = file.states.into_iter().map(|(name, table)| reader.state(&name, table)).collect();

        reader.problems.sort();
        if reader.problems.is_empty() {
            let name = file.name.into_inner();
            let notice = prompts(file.notice.into_inner());
            Ok(Self {
                name,
                version: file.version,
                notice,
                start,
                person,
                recording,
                progress,
                keys,
                timing,
                states,
                lines,
            })
        } else {
            Err(reader.problems)
        }
    }
}

/// Turns tables into states and collects what is wrong with them.
struct Reader<'a> {
    text: &'a str,
    /// All states' names, in order: a name's place is its [`StateId`].
    names: Vec<String>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn fault<T>(&mut self, at: &Spanned<T>, key: &str, message: String) {
        self.problems.push(Problem { line: line_of(self.text, at.span().start), key: key.to_owned(), message });
    }

    /// The state named; after a fault any will do, since the flow is refused.
    fn target(&mut self, key: &str, name: &Name) -> StateId {
        match self.names.binary_search(name.get_ref()) {
            Ok(place) => StateId(place),
            Err(_) => {
                self.fault(name, key, format!("there is no state `{}`", name.get_ref()));
                StateId(0)
            }
        }
    }

    fn keys<T>(
        &mut self,
        path: &str,
        table: &BTreeMap<Name, Name>,
        meaning: impl Fn(&mut Self, &str, &Name) -> Option<T>,
    ) -> BTreeMap<char, T> {
        let mut keys = BTreeMap::new();
        for (key, value) in table {
            let path = format!("{path}.{}", key.get_ref());
            let mut chars = key.get_ref().chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) if KEYS.contains(c) => {
                    keys.extend(meaning(self, &path, value).map(|m| (c, m)));
                }
                _ => self.fault(key, &path, format!("is no key of a telephone ({KEYS})")),
            }
        }
        keys
    }

    fn command(&mut self, path: &str, value: &Name) -> Option<Command> {
        let command = command_named(value.get_ref());
        if command.is_none() {
            self.fault(value, path, format!("`{}` is none of {COMMANDS}", value.get_ref()));
        }
        command
    }

    fn choice(&mut self, path: &str, value: &Name) -> Option<Choice> {
        let word = value.get_ref();
        if let Some(command) = command_named(word) {
            return Some(Choice::Command(command));
        }
        if let Some(state) = word.strip_prefix("state.") {
            let name = Spanned::new(value.span(), state.to_owned());
            return Some(Choice::State(self.target(path, &name)));
        }
        let window =
            word.strip_prefix("window.").and_then(|code| code.parse().ok()).filter(|code| (1..=9).contains(code));
        if window.is_none() {
            self.fault(value, path, format!("`{word}` is none of window.1 to window.9, state.NAME, {COMMANDS}"));
        }
        window.map(|code| Choice::Window(WindowCode(code)))
    }

    fn timing(&mut self, table: &TimingTable) -> Timing {
        let base = Timing::default();
        let mut span = |key, value: &Option<Spanned<u64>>, default: Duration, least_ms: u64| {
            let Some(value) = value else { return default };
            let ms = *value.get_ref();
            if ms < least_ms {
                self.fault(value, &format!("timing.{key}"), format!("is {ms}, but callers need at least {least_ms}"));
            }
            Duration::from_millis(ms)
        };
        // The least values are what callers were measured to need (P12, P15, P16).
        Timing {
            first_nudge: span("first_nudge_ms", &table.first_nudge_ms, base.first_nudge, 10_000),
            next_nudge: span("next_nudge_ms", &table.next_nudge_ms, base.next_nudge, 10_000),
            end_of_turn: span("end_of_turn_ms", &table.end_of_turn_ms, base.end_of_turn, 800),
            end_of_turn_slow: span("end_of_turn_slow_ms", &table.end_of_turn_slow_ms, base.end_of_turn_slow, 2_500),
            end_of_dictation: span("end_of_dictation_ms", &table.end_of_dictation_ms, base.end_of_dictation, 3_000),
            between_keys: span("between_keys_ms", &table.between_keys_ms, base.between_keys, 2_000),
            between_keys_slow: span("between_keys_slow_ms", &table.between_keys_slow_ms, base.between_keys_slow, 6_000),
            answer: span("answer_ms", &table.answer_ms, base.answer, 1_000),
            message_pause: span("message_pause_ms", &table.message_pause_ms, base.message_pause, 3_000),
            message_max: span("message_max_ms", &table.message_max_ms, base.message_max, 10_000),
        }
    }

    fn state(&mut self, name: &Name, mut table: StateTable) -> State {
        let path = format!("states.{}", name.get_ref());
        let line = line_of(self.text, name.span().start);
        let Some(step) = self.step(name, &path, &mut table) else {
            return State { name: name.get_ref().clone(), line, say: vec![], step: Step::End };
        };
        let superfluous = [
            ("again", table.again.map(|v| v.span())),
            ("closed", table.closed.map(|v| v.span())),
            ("done", table.done.map(|v| v.span())),
            ("keys", table.keys.map(|v| v.span())),
            ("window", table.window.map(|v| v.span())),
            ("what", table.what.map(|v| v.span())),
            ("next", table.next.map(|v| v.span())),
            ("redo", table.redo.map(|v| v.span())),
        ];
        for (key, span) in superfluous {
            if let Some(span) = span {
                let message = format!("a state with step `{}` has no such key", table.step.get_ref());
                self.fault(&Spanned::new(span, ()), &format!("{path}.{key}"), message);
            }
        }
        State { name: name.get_ref().clone(), line, say: prompts(table.say), step }
    }

    /// The step, with the keys it needs taken out of the table; `None` when there is no such step.
    fn step(&mut self, name: &Name, path: &str, table: &mut StateTable) -> Option<Step> {
        let list = |value: &mut Option<Spanned<Vec<String>>>| prompts(value.take().map_or(vec![], Spanned::into_inner));
        Some(match table.step.get_ref().as_str() {
            "say" => Step::Say { next: self.required(name, path, "next", table.next.take()) },
            "verify" => Step::Verify { next: self.required(name, path, "next", table.next.take()) },
            "menu" => {
                let keys = table.keys.take().map_or_else(BTreeMap::new, Spanned::into_inner);
                Step::Menu {
                    again: list(&mut table.again),
                    keys: self.keys(&format!("{path}.keys"), &keys, Self::choice),
                    window: self.required(name, path, "window", table.window.take()),
                }
            }
            "words" => Step::Words { next: self.required(name, path, "next", table.next.take()) },
            "place" => Step::Place { next: self.required(name, path, "next", table.next.take()) },
            "phone" => Step::Phone { next: self.required(name, path, "next", table.next.take()) },
            "confirm" => Step::Confirm {
                what: self.field(name, path, table.what.take()),
                next: self.required(name, path, "next", table.next.take()),
                redo: self.required(name, path, "redo", table.redo.take()),
            },
            "person" | "recording" => Step::Message {
                closed: list(&mut table.closed),
                done: list(&mut table.done),
                person: table.step.get_ref() == "person",
                next: self.required(name, path, "next", table.next.take()),
            },
            "case" => Step::Case { next: self.required(name, path, "next", table.next.take()) },
            "progress" => Step::Progress { next: self.required(name, path, "next", table.next.take()) },
            "end" => Step::End,
            other => {
                let known = "say, verify, menu, words, place, phone, confirm, person, recording, case, progress, end";
                let message = format!("`{other}` is none of {known}");
                let at = Spanned::new(table.step.span(), ());
                self.fault(&at, &format!("{path}.step"), message);
                return None;
            }
        })
    }

    fn required(&mut self, state: &Name, path: &str, key: &str, value: Option<Name>) -> StateId {
        let path = format!("{path}.{key}");
        match value {
            Some(name) => self.target(&path, &name),
            None => {
                self.fault(state, &path, "is missing: a dead end".to_owned());
                StateId(0)
            }
        }
    }

    fn field(&mut self, state: &Name, path: &str, value: Option<Name>) -> Field {
        let path = format!("{path}.what");
        let Some(value) = value else {
            self.fault(state, &path, "is missing: window, place or phone".to_owned());
            return Field::Window;
        };
        match value.get_ref().as_str() {
            "window" => Field::Window,
            "place" => Field::Place,
            "phone" => Field::Phone,
            other => {
                self.fault(&value, &path, format!("`{other}` is none of window, place, phone"));
                Field::Window
            }
        }
    }
}

const COMMANDS: &str = "person, slower, repeat, back, progress";

fn command_named(word: &str) -> Option<Command> {
    Some(match word {
        "person" => Command::Person,
        "slower" => Command::Slower,
        "repeat" => Command::Repeat,
        "back" => Command::Back,
        "progress" => Command::Progress,
        _ => return None,
    })
}

fn prompts(names: Vec<String>) -> Vec<PromptId> {
    names.into_iter().map(PromptId::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOTLINE: &str = include_str!("../../config/flows/hotline.toml");

    #[track_caller]
    fn faults(change: (&str, &str), expected: &[&str]) {
        assert!(HOTLINE.contains(change.0), "nothing to change");
        let problems = Flow::parse(&HOTLINE.replacen(change.0, change.1, 1)).expect_err("faults");
        let line = |text: &str| text.split_once(": ").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        assert_eq!(problems.iter().map(|p| line(&p.to_string())).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn reads_the_flows_that_are_delivered() {
        let flow = Flow::parse(HOTLINE).unwrap_or_else(|p| panic!("{p:?}"));
        assert_eq!(flow.state(flow.start).name, "main");
        assert!(flow.label().starts_with("hotline@"));
        Flow::parse(include_str!("../../config/flows/party.toml")).unwrap_or_else(|p| panic!("{p:?}"));
    }

    #[test]
    fn faults_name_line_and_key() {
        faults(("start = \"main\"", "start = \"mian\""), &["start: there is no state `mian`"]);
        faults(
            ("step = \"menu\"", "step = \"menue\""),
            &[
                "states.main.step: `menue` is none of say, verify, menu, words, place, phone, confirm, person, recording, case, progress, end",
            ],
        );
        faults(
            ("next = \"goodbye\"", "next = \"goodbye\"\nredo = \"main\""),
            &["states.case.redo: a state with step `case` has no such key"],
        );
        faults(
            ("what = \"phone\"", "what = \"fax\""),
            &["states.confirm_phone.what: `fax` is none of window, place, phone"],
        );
        faults(("\"0\" = \"person\"", "\"x\" = \"person\""), &["keys.x: is no key of a telephone (0123456789*#)"]);
        faults(("format = 1", "format = 2"), &["format: is 2, but this gateway reads 1"]);
        faults(
            ("first_nudge_ms = 10000", "first_nudge_ms = 500"),
            &["timing.first_nudge_ms: is 500, but callers need at least 10000"],
        );
        faults(("name = \"hotline\"", "name = 7"), &["name: invalid type: integer `7`, expected a string"]);
    }

    #[test]
    fn a_fault_stands_on_its_own_line() {
        let text = HOTLINE.replacen("start = \"main\"", "start = \"mian\"", 1);
        let line = 1 + text.lines().position(|l| l.starts_with("start = ")).expect("the line");
        assert_eq!(Flow::parse(&text).expect_err("a fault")[0].line, line);
    }

    #[test]
    fn a_state_without_a_way_on_is_refused() {
        let text = HOTLINE.replacen("next = \"place\"", "", 1);
        let problems = Flow::parse(&text).expect_err("a fault");
        assert_eq!(problems[0].key, "states.request.next");
        assert_eq!(problems[0].message, "is missing: a dead end");
    }
}
