//! What is wrong with a flow as a whole: states that nobody reaches or leaves, no way to a person, prompts nobody recorded.

use std::collections::BTreeSet;

use super::model::{Choice, Command, Flow, Problem, State, StateId, Step};
use super::prompts::{Interruptible, PromptBook, PromptId};
use super::vocabulary::vocabulary;

/// Every problem of a flow with a prompt book, in the order of lines. A flow without any may run.
pub fn check(flow: &Flow, book: &PromptBook) -> Vec<Problem> {
    let mut problems = Vec::new();
    notice(flow, book, &mut problems);
    destinations(flow, &mut problems);
    reach(flow, &mut problems);
    depth(flow, &mut problems);
    recorded(flow, book, &mut problems);
    problems.sort();
    problems
}

/// The notice is heard to its end, and there is one (R12.1, P14).
fn notice(flow: &Flow, book: &PromptBook, problems: &mut Vec<Problem>) {
    let mut fault = |message: String| problems.push(top(flow, "notice", message));
    if flow.notice.is_empty() {
        fault("is empty: callers must hear that they are recorded".to_owned());
    }
    for id in &flow.notice {
        let cut = book.prompt(id).is_some_and(|p| match p.interruptible {
            Interruptible::No => false,
            Interruptible::Key | Interruptible::Speech => true,
        });
        if cut {
            fault(format!("prompt `{id}` can be interrupted"));
        }
    }
}

/// The states that the machine itself leads to are of the right kind.
fn destinations(flow: &Flow, problems: &mut Vec<Problem>) {
    let message = |id, wanted| matches!(&flow.state(id).step, Step::Message { person, .. } if *person == wanted);
    let mut expect = |key, id, fits: bool, kind| {
        if !fits {
            problems.push(top(flow, key, format!("`{}` must have step `{kind}`", flow.state(id).name)));
        }
    };
    expect("person", flow.person, message(flow.person, true), "person");
    expect("recording", flow.recording, message(flow.recording, false), "recording");
    let progress = matches!(flow.state(flow.progress).step, Step::Progress { .. });
    expect("progress", flow.progress, progress, "progress");
}

/// Every state is reached, leads to an end and, where the caller is listened to, to a person (R3.3, R3.9).
fn reach(flow: &Flow, problems: &mut Vec<Problem>) {
    let reached = closure(flow, flow.start, Ways::All);
    for (id, state) in flow.states() {
        if !reached.contains(&id) {
            problems.push(own(state, "cannot be reached"));
        }
        let onward = closure(flow, id, Ways::Own);
        let ends = onward.iter().any(|s| matches!(flow.state(*s).step, Step::End));
        if !ends {
            problems.push(own(state, "is a dead end: no way on leads to a state with step `end`"));
        }
        if state.step.listens() && !closure(flow, id, Ways::ByKey).contains(&flow.person) {
            problems.push(own(state, "has no way to a person"));
        }
        if silent_ring(flow, id) {
            problems.push(own(state, "goes round in a ring of states that only speak"));
        }
    }
}

/// Help is at most one level away: a menu does not lead into another one (R3.1).
fn depth(flow: &Flow, problems: &mut Vec<Problem>) {
    for (_, state) in flow.states() {
        let Step::Menu { keys, .. } = &state.step else { continue };
        for (key, choice) in keys {
            let Choice::State(target) = choice else { continue };
            if matches!(flow.state(*target).step, Step::Menu { .. }) {
                problems.push(Problem {
                    line: state.line,
                    key: format!("states.{}.keys.{key}", state.name),
                    message: format!(
                        "leads to another menu, `{}`: more than one level before help",
                        flow.state(*target).name
                    ),
                });
            }
        }
    }
}

/// Every prompt is in the book.
fn recorded(flow: &Flow, book: &PromptBook, problems: &mut Vec<Problem>) {
    let unknown = |id: &PromptId| format!("there is no prompt `{id}`");
    for id in flow.notice.iter().filter(|id| !book.has(id)) {
        problems.push(top(flow, "notice", unknown(id)));
    }
    for (_, state) in flow.states() {
        let (second, third): (&[PromptId], &[PromptId]) = match &state.step {
            Step::Menu { again, .. } => (again, &[]),
            Step::Message { closed, done, .. } => (closed, done),
            Step::Say { .. }
            | Step::Verify { .. }
            | Step::Words { .. }
            | Step::Place { .. }
            | Step::Phone { .. }
            | Step::Confirm { .. }
            | Step::Case { .. }
            | Step::Progress { .. }
            | Step::End => (&[], &[]),
        };
        let lists = [("say", state.say.as_slice()), ("again/closed", second), ("done", third)];
        for (key, list) in lists {
            for id in list.iter().filter(|id| !book.has(id)) {
                let key = format!("states.{}.{key}", state.name);
                problems.push(Problem { line: state.line, key, message: unknown(id) });
            }
        }
    }
    for id in vocabulary().filter(|id| !book.has(id)) {
        problems.push(top(flow, "name", format!("{}, which every flow needs", unknown(&id))));
    }
}

/// Which ways out of a state count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ways {
    /// Everything that can happen, failures and commands included.
    All,
    /// What the state's own keys in the file name.
    Own,
    /// The same and what a caller's keys lead to.
    ByKey,
}

/// The states that can be reached from one, itself included.
fn closure(flow: &Flow, from: StateId, ways: Ways) -> BTreeSet<StateId> {
    let mut reached = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(id) = open.pop() {
        for next in out(flow, flow.state(id), ways) {
            if reached.insert(next) {
                open.push(next);
            }
        }
    }
    reached
}

fn out(flow: &Flow, state: &State, ways: Ways) -> Vec<StateId> {
    let mut out = match &state.step {
        Step::Say { next }
        | Step::Verify { next }
        | Step::Words { next }
        | Step::Place { next }
        | Step::Phone { next }
        | Step::Message { next, .. }
        | Step::Case { next }
        | Step::Progress { next } => vec![*next],
        Step::Confirm { next, redo, .. } => vec![*next, *redo],
        Step::Menu { keys, window, .. } => {
            let chosen = keys.values().filter_map(|choice| match choice {
                Choice::State(id) => Some(*id),
                Choice::Command(command) => destination(flow, *command),
                Choice::Window(_) => None,
            });
            std::iter::once(*window).chain(chosen).collect()
        }
        Step::End => vec![],
    };
    if state.step.listens() {
        let own = |key: &char| matches!(&state.step, Step::Menu { keys, .. } if keys.contains_key(key));
        if ways != Ways::Own {
            let global =
                flow.keys.iter().filter(|(key, _)| !own(key)).filter_map(|(_, command)| destination(flow, *command));
            out.extend(global);
        }
        if ways == Ways::All {
            out.extend([flow.person, flow.recording]);
        }
    }
    out
}

fn destination(flow: &Flow, command: Command) -> Option<StateId> {
    match command {
        Command::Person => Some(flow.person),
        Command::Progress => Some(flow.progress),
        Command::Slower | Command::Repeat | Command::Back => None,
    }
}

/// Whether states that only speak lead from `id` back to it.
fn silent_ring(flow: &Flow, id: StateId) -> bool {
    let mut at = id;
    for _ in 0..flow.states().count() {
        let (Step::Say { next } | Step::Verify { next }) = flow.state(at).step else { return false };
        if next == id {
            return true;
        }
        at = next;
    }
    false
}

fn own(state: &State, message: &str) -> Problem {
    Problem { line: state.line, key: format!("states.{}", state.name), message: message.to_owned() }
}

fn top(flow: &Flow, key: &'static str, message: String) -> Problem {
    Problem { line: flow.lines.get(key).copied().unwrap_or(1), key: key.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::super::example::{HOTLINE, PARTY, book};
    use super::*;

    #[track_caller]
    fn check_change(change: (&str, &str), expected: &[&str]) {
        assert!(HOTLINE.contains(change.0), "nothing to change");
        let flow = Flow::parse(&HOTLINE.replacen(change.0, change.1, 1)).unwrap_or_else(|p| panic!("{p:?}"));
        let found: Vec<_> = check(&flow, &book()).iter().map(|p| format!("{}: {}", p.key, p.message)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_delivered_flows_are_sound() {
        for text in [HOTLINE, PARTY] {
            let flow = Flow::parse(text).unwrap_or_else(|p| panic!("{p:?}"));
            assert_eq!(check(&flow, &book()), []);
        }
    }

    #[test]
    fn unreachable_states_are_found() {
        check_change(
            ("[states.goodbye]", "[states.attic]\nstep = \"say\"\nnext = \"goodbye\"\n\n[states.goodbye]"),
            &["states.attic: cannot be reached"],
        );
    }

    #[test]
    fn dead_ends_are_found() {
        const DEAD: &str = "is a dead end: no way on leads to a state with step `end`";
        let expected =
            ["phone", "confirm_phone", "case", "person", "recording"].map(|name| format!("states.{name}: {DEAD}"));
        // `main` still leads to an end, by way of the progress state.
        check_change(
            ("step = \"case\"\nnext = \"goodbye\"", "step = \"case\"\nnext = \"case\""),
            &expected.each_ref().map(String::as_str),
        );
    }

    #[test]
    fn rings_of_speaking_are_found() {
        let (there, back) = ("step = \"say\"\nnext = \"back\"", "[states.back]\nstep = \"say\"\nnext = \"request\"");
        check_change(
            ("step = \"words\"\nsay = [\"say_request\"]\nnext = \"place\"", &format!("{there}\n{back}")),
            &[
                "states.request: goes round in a ring of states that only speak",
                "states.request: is a dead end: no way on leads to a state with step `end`",
                "states.back: goes round in a ring of states that only speak",
                "states.back: is a dead end: no way on leads to a state with step `end`",
                "states.place: cannot be reached",
                "states.confirm_window: cannot be reached",
                "states.confirm_place: cannot be reached",
                "states.phone: cannot be reached",
                "states.confirm_phone: cannot be reached",
            ],
        );
    }

    #[test]
    fn a_state_without_a_way_to_a_person_is_found() {
        check_change(
            ("\"0\" = \"person\"", "\"0\" = \"repeat\""),
            &[
                "states.main: has no way to a person",
                "states.request: has no way to a person",
                "states.place: has no way to a person",
                "states.confirm_window: has no way to a person",
                "states.confirm_place: has no way to a person",
                "states.phone: has no way to a person",
                "states.confirm_phone: has no way to a person",
                "states.case: has no way to a person",
                "states.check: has no way to a person",
                "states.progress: has no way to a person",
            ],
        );
    }

    #[test]
    fn a_menu_below_a_menu_is_found() {
        let more = "\"8\" = \"state.more\"\n[states.more]\nstep = \"menu\"\nwindow = \"request\"\n[states.more.keys]";
        check_change(
            ("\"8\" = \"window.8\"", more),
            &["states.main.keys.8: leads to another menu, `more`: more than one level before help"],
        );
    }

    #[test]
    fn unknown_prompts_are_found() {
        check_change(
            ("say = [\"say_request\"]", "say = [\"say_reqest\"]"),
            &["states.request.say: there is no prompt `say_reqest`"],
        );
        check_change(
            ("done = [\"record.done\"]", "done = [\"gone\"]"),
            &["states.person.done: there is no prompt `gone`"],
        );
    }

    #[test]
    fn the_notice_cannot_be_cut_or_left_out() {
        check_change(
            ("notice = [\"notice\"]", "notice = [\"welcome\"]"),
            &["notice: prompt `welcome` can be interrupted"],
        );
        check_change(
            ("notice = [\"notice\"]", "notice = []"),
            &["notice: is empty: callers must hear that they are recorded"],
        );
    }

    #[test]
    fn destinations_are_of_their_kind() {
        check_change(
            ("recording = \"recording\"", "recording = \"person\""),
            &["recording: `person` must have step `recording`", "states.recording: cannot be reached"],
        );
    }
}
