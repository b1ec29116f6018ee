//! What is wrong with a questionnaire as a whole: prompts nobody recorded, a notice that can be cut, questions nobody hears.

use std::collections::BTreeSet;

use super::model::{Goto, Kind, Question, Say, Survey};
use crate::flow::{Interruptible, Problem, PromptBook, PromptId};

/// Every problem of a questionnaire with a prompt book, in the order of lines. One without any may be asked.
pub fn check(survey: &Survey, book: &PromptBook) -> Vec<Problem> {
    let mut problems = Vec::new();
    notice(survey, book, &mut problems);
    reach(survey, &mut problems);
    recorded(survey, book, &mut problems);
    problems.sort();
    problems.dedup();
    problems
}

/// The notice is heard to its end, and there is one (R12.1, P14).
fn notice(survey: &Survey, book: &PromptBook, problems: &mut Vec<Problem>) {
    if survey.notice.is_empty() {
        problems.push(top(survey, "notice", "is empty: people must hear who rings and that they are recorded".into()));
    }
    for id in &survey.notice {
        if book.prompt(id).is_some_and(|p| p.interruptible != Interruptible::No) {
            problems.push(top(survey, "notice", format!("prompt `{id}` can be interrupted")));
        }
    }
}

/// Every question is reached by some way of answering.
fn reach(survey: &Survey, problems: &mut Vec<Problem>) {
    let mut reached = BTreeSet::from([0]);
    for (at, question) in survey.questions.iter().enumerate() {
        if !reached.contains(&at) {
            problems.push(own(question, "", "cannot be reached: every answer before leads past it".into()));
            continue;
        }
        for way in question.go.values() {
            match way {
                Goto::Question(next) => _ = reached.insert(*next),
                Goto::End => {}
            }
        }
        // Silence leads on as no answer does.
        reached.insert(at + 1);
    }
}

/// Every prompt is in the book, every question says something, and what invites to speak is over before the recording begins.
fn recorded(survey: &Survey, book: &PromptBook, problems: &mut Vec<Problem>) {
    let unknown = |id: &PromptId| format!("there is no prompt `{id}`");
    let missing = |say: &[Say]| -> Vec<PromptId> {
        let prompt = |part: &Say| match part {
            Say::Prompt(id) => Some(id.clone()),
            Say::Fact(_) => None,
        };
        say.iter().filter_map(prompt).filter(|id| !book.has(id)).collect()
    };
    for (key, ids) in [
        ("notice", &survey.notice),
        ("thanks", &survey.thanks),
        ("no_more", &survey.no_more),
        ("person", &survey.person),
        ("pass", &survey.pass),
    ] {
        problems.extend(ids.iter().filter(|id| !book.has(id)).map(|id| top(survey, key, unknown(id))));
    }
    for (key, say) in [("opening", &survey.opening), ("opening_without_case", &survey.opening_without_case)] {
        problems.extend(missing(say).iter().map(|id| top(survey, key, unknown(id))));
    }
    for question in &survey.questions {
        let labels: Vec<&PromptId> = match &question.kind {
            Kind::Rating { up, down } => up.iter().chain(down).collect(),
            Kind::Choice { options, keys } => options.iter().map(|o| &o.say).chain(keys).collect(),
            Kind::YesNo | Kind::Number { .. } | Kind::Remark => Vec::new(),
        };
        if question.say.is_empty() {
            problems.push(own(question, ".say", "is empty: nothing would be asked".into()));
        }
        problems.extend(missing(&question.say).iter().map(|id| own(question, ".say", unknown(id))));
        let labels = labels.into_iter().filter(|id| !book.has(id));
        problems.extend(labels.map(|id| own(question, "", unknown(id))));
    }
}

fn own(question: &Question, key: &str, message: String) -> Problem {
    Problem { line: question.line, key: format!("questions.{}{key}", question.id), message }
}

fn top(survey: &Survey, key: &'static str, message: String) -> Problem {
    Problem { line: survey.lines.get(key).copied().unwrap_or(1), key: key.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::example::{CALLBACK, book};

    #[track_caller]
    fn check_change(change: (&str, &str), expected: &[&str]) {
        assert!(CALLBACK.contains(change.0), "nothing to change");
        let survey = Survey::parse(&CALLBACK.replacen(change.0, change.1, 1)).unwrap_or_else(|p| panic!("{p:?}"));
        let found: Vec<_> = check(&survey, &book()).iter().map(|p| format!("{}: {}", p.key, p.message)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_delivered_is_sound() {
        let survey = Survey::parse(CALLBACK).unwrap_or_else(|p| panic!("{p:?}"));
        assert_eq!(check(&survey, &book()), []);
    }

    #[test]
    fn the_notice_cannot_be_cut_or_left_out() {
        const NOTICE: &str = "notice = [\"survey.notice\"]";
        check_change(
            (NOTICE, "notice = []"),
            &["notice: is empty: people must hear who rings and that they are recorded"],
        );
        check_change((NOTICE, "notice = [\"survey.thanks\"]"), &["notice: prompt `survey.thanks` can be interrupted"]);
    }

    #[test]
    fn unknown_prompts_are_found() {
        check_change(
            ("\"survey.solved\"", "\"survey.solvd\""),
            &["questions.solved.say: there is no prompt `survey.solvd`"],
        );
        check_change(("\"survey.scale.up\"", "\"survey.up\""), &["questions.attitude: there is no prompt `survey.up`"]);
        check_change(("thanks = [\"survey.thanks\"]", "thanks = [\"bye\"]"), &["thanks: there is no prompt `bye`"]);
    }
}
