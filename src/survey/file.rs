//! The questionnaire's file: TOML to [`Survey`]. Every fault is told with its line and key, all of them at once.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use toml::Spanned;

use super::model::{ChoiceOption, Fact, Goto, Kind, Measure, Question, Say, Survey, SurveyHash};
use crate::flow::{Problem, PromptId, line_of};

/// The version of the format that this code reads.
const FORMAT: u32 = 1;

/// Questions at most: a longer questionnaire is no telephone call of two minutes.
const QUESTIONS_MAX: usize = 30;

/// Options at most: keys 8, 9 and 0 mean the same in every question.
const OPTIONS_MAX: usize = 7;

/// Greatest number that can be asked for.
const NUMBER_MAX: u32 = 999_999;

const MEASURES: &str = "responded, solved, kept, attitude, satisfied, trips, coached";
const FACTS: &str = "{case}, {date}, {unit}, {promise}";

type Name = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SurveyFile {
    format: Spanned<u32>,
    name: Name,
    title: String,
    notice: Spanned<Vec<String>>,
    opening: Spanned<Vec<Name>>,
    opening_without_case: Spanned<Vec<Name>>,
    thanks: Spanned<Vec<String>>,
    no_more: Spanned<Vec<String>>,
    person: Spanned<Vec<String>>,
    pass: Spanned<Vec<String>>,
    questions: Spanned<Vec<QuestionTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuestionTable {
    id: Name,
    title: String,
    kind: Name,
    #[serde(default)]
    say: Vec<Name>,
    #[serde(default)]
    needs_case: bool,
    #[serde(default = "yes")]
    counts: bool,
    measure: Option<Name>,
    #[serde(default)]
    reopens: Vec<Name>,
    #[serde(default)]
    go: BTreeMap<Name, Name>,
    up: Option<Spanned<Vec<String>>>,
    down: Option<Spanned<Vec<String>>>,
    options: Option<Spanned<Vec<OptionTable>>>,
    keys: Option<Spanned<Vec<String>>>,
    min: Option<Spanned<u32>>,
    max: Option<Spanned<u32>>,
    hash: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OptionTable {
    code: String,
    say: String,
    #[serde(default)]
    words: Vec<String>,
}

fn yes() -> bool {
    true
}

impl Survey {
    /// Reads a questionnaire. What it means as a whole is the business of [`check`](super::check()).
    ///
    /// # Errors
    /// Every fault found, in the order of lines.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let file: SurveyFile = toml::from_str(text).map_err(|e| vec![Problem::of_toml(text, &e)])?;
        let mut reader = Reader { text, problems: Vec::new(), ids: Vec::new() };
        if *file.format.get_ref() != FORMAT {
            let message = format!("is {}, but this gateway reads {FORMAT}", file.format.get_ref());
            reader.fault(&file.format, "format", message);
        }
        let lines = [
            ("name", file.name.span().start),
            ("notice", file.notice.span().start),
            ("opening", file.opening.span().start),
            ("opening_without_case", file.opening_without_case.span().start),
            ("thanks", file.thanks.span().start),
            ("no_more", file.no_more.span().start),
            ("person", file.person.span().start),
            ("pass", file.pass.span().start),
        ];
        let lines = lines.map(|(key, offset)| (key, line_of(text, offset))).into();
        let opening = reader.sentence("opening", file.opening.get_ref());
        let opening_without_case = reader.sentence("opening_without_case", file.opening_without_case.get_ref());
        let questions = reader.questions(file.questions);
        reader.problems.sort();
        if !reader.problems.is_empty() {
            return Err(reader.problems);
        }
        Ok(Self {
            name: file.name.into_inner(),
            title: file.title,
            hash: SurveyHash(hex::encode(Sha256::digest(text.as_bytes()))),
            body: text.to_owned(),
            notice: prompts(file.notice),
            opening,
            opening_without_case,
            thanks: prompts(file.thanks),
            no_more: prompts(file.no_more),
            person: prompts(file.person),
            pass: prompts(file.pass),
            questions,
            lines,
        })
    }
}

/// Turns tables into questions and collects what is wrong with them.
struct Reader<'a> {
    text: &'a str,
    problems: Vec<Problem>,
    /// The questions' names in order: a name's place is the question's.
    ids: Vec<String>,
}

impl Reader<'_> {
    fn fault<T>(&mut self, at: &Spanned<T>, key: &str, message: String) {
        self.problems.push(Problem { line: line_of(self.text, at.span().start), key: key.to_owned(), message });
    }

    fn questions(&mut self, tables: Spanned<Vec<QuestionTable>>) -> Vec<Question> {
        let count = tables.get_ref().len();
        if count == 0 || count > QUESTIONS_MAX {
            self.fault(&tables, "questions", format!("{count} of them: one to {QUESTIONS_MAX} can be asked"));
        }
        for table in tables.get_ref() {
            let id = table.id.get_ref();
            let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if id.is_empty() || !id.chars().all(named) {
                let message = format!("`{id}` is no name: lower-case letters, digits and `_`");
                self.fault(&table.id, "questions.id", message);
            } else if self.ids.contains(id) {
                self.fault(&table.id, &format!("questions.{id}"), "is defined twice".to_owned());
            }
            self.ids.push(id.clone());
        }
        let tables = tables.into_inner().into_iter().enumerate();
        tables.filter_map(|(at, table)| self.question(at, table)).collect()
    }

    fn question(&mut self, at: usize, mut table: QuestionTable) -> Option<Question> {
        let path = format!("questions.{}", table.id.get_ref());
        let kind = self.kind(&path, &mut table)?;
        self.superfluous(&path, &table);
        let reopens = self.reopening(&path, &kind, &table.reopens);
        let go = self.ways(at, &path, &kind, &table.go);
        let measure = self.measure(&path, table.measure.as_ref());
        Some(Question {
            line: line_of(self.text, table.id.span().start),
            say: self.sentence(&format!("{path}.say"), &table.say),
            id: table.id.into_inner(),
            title: table.title,
            kind,
            needs_case: table.needs_case,
            counts: table.counts,
            measure,
            reopens,
            go,
        })
    }

    /// How it is answered, with the keys it needs taken out of the table; `None` when it cannot be.
    fn kind(&mut self, path: &str, table: &mut QuestionTable) -> Option<Kind> {
        match table.kind.get_ref().as_str() {
            "rating" => {
                let (up, down) = (table.up.take(), table.down.take());
                if up.is_none() || down.is_none() {
                    let message =
                        "needs `up` and `down`: the labels with key 1 as the worst, and as the best".to_owned();
                    self.fault(&table.kind, path, message);
                    return None;
                }
                Some(Kind::Rating { up: prompts(up?), down: prompts(down?) })
            }
            "yes_no" => Some(Kind::YesNo),
            "choice" => {
                let (options, keys) = (table.options.take(), table.keys.take());
                let count = options.as_ref().map_or(0, |o| o.get_ref().len());
                let spoken = keys.as_ref().map_or(0, |k| k.get_ref().len());
                if !(2..=OPTIONS_MAX).contains(&count) || spoken != count {
                    let message = format!(
                        "needs two to {OPTIONS_MAX} `options` and as many `keys`; there are {count} and {spoken}"
                    );
                    self.fault(&table.kind, path, message);
                    return None;
                }
                let option = |o: OptionTable| ChoiceOption { code: o.code, say: o.say.into(), words: o.words };
                Some(Kind::Choice {
                    options: options?.into_inner().into_iter().map(option).collect(),
                    keys: prompts(keys?),
                })
            }
            "number" => {
                let [min, max] = [table.min.take(), table.max.take()].map(|n| n.map_or(0, Spanned::into_inner));
                let hash = table.hash.take().map(Spanned::into_inner);
                if min >= max || max > NUMBER_MAX || hash.is_some_and(|n| !(min..=max).contains(&n)) {
                    let message = format!("needs `min` below `max`, at most {NUMBER_MAX}, and `hash` between them");
                    self.fault(&table.kind, path, message);
                    return None;
                }
                Some(Kind::Number { min, max, hash })
            }
            "remark" => Some(Kind::Remark),
            other => {
                let message = format!("`{other}` is none of rating, yes_no, choice, number, remark");
                self.fault(&Spanned::new(table.kind.span(), ()), &format!("{path}.kind"), message);
                None
            }
        }
    }

    fn superfluous(&mut self, path: &str, table: &QuestionTable) {
        let left = [
            ("up", table.up.as_ref().map(Spanned::span)),
            ("down", table.down.as_ref().map(Spanned::span)),
            ("options", table.options.as_ref().map(Spanned::span)),
            ("keys", table.keys.as_ref().map(Spanned::span)),
            ("min", table.min.as_ref().map(Spanned::span)),
            ("max", table.max.as_ref().map(Spanned::span)),
            ("hash", table.hash.as_ref().map(Spanned::span)),
        ];
        for (key, span) in left {
            if let Some(span) = span {
                let message = format!("a question of kind `{}` has no such key", table.kind.get_ref());
                self.fault(&Spanned::new(span, ()), &format!("{path}.{key}"), message);
            }
        }
    }

    fn reopening(&mut self, path: &str, kind: &Kind, codes: &[Name]) -> BTreeSet<String> {
        for code in codes.iter().filter(|code| kind.value(code.get_ref()).is_none()) {
            let message = format!("`{}` is no answer of a question of kind `{}`", code.get_ref(), kind.code());
            self.fault(code, &format!("{path}.reopens"), message);
        }
        codes.iter().map(|code| code.get_ref().clone()).collect()
    }

    fn ways(&mut self, at: usize, path: &str, kind: &Kind, table: &BTreeMap<Name, Name>) -> BTreeMap<String, Goto> {
        let mut ways = BTreeMap::new();
        for (code, target) in table {
            let path = format!("{path}.go.{}", code.get_ref());
            if kind.value(code.get_ref()).is_none() {
                self.fault(code, &path, format!("is no answer of a question of kind `{}`", kind.code()));
            }
            let found = self.ids.iter().position(|id| id == target.get_ref());
            let way = match (target.get_ref().as_str(), found) {
                ("end", _) => Goto::End,
                (_, Some(next)) if next > at => Goto::Question(next),
                (name, Some(_)) => {
                    self.fault(target, &path, format!("leads back to `{name}`: answers lead only onward"));
                    continue;
                }
                (name, None) => {
                    self.fault(target, &path, format!("there is no question `{name}`, and it is not `end`"));
                    continue;
                }
            };
            ways.insert(code.get_ref().clone(), way);
        }
        ways
    }

    fn measure(&mut self, path: &str, name: Option<&Name>) -> Option<Measure> {
        let name = name?;
        let measure = Measure::from_code(name.get_ref());
        if measure.is_none() {
            self.fault(name, &format!("{path}.measure"), format!("`{}` is none of {MEASURES}", name.get_ref()));
        }
        measure
    }

    fn sentence(&mut self, path: &str, parts: &[Name]) -> Vec<Say> {
        let part = |reader: &mut Self, part: &Name| match part.get_ref().as_str() {
            "{case}" => Some(Say::Fact(Fact::Case)),
            "{date}" => Some(Say::Fact(Fact::Date)),
            "{unit}" => Some(Say::Fact(Fact::Unit)),
            "{promise}" => Some(Say::Fact(Fact::Promise)),
            other if other.starts_with('{') => {
                reader.fault(part, path, format!("`{other}` is none of {FACTS}"));
                None
            }
            id => Some(Say::Prompt(id.into())),
        };
        parts.iter().filter_map(|p| part(self, p)).collect()
    }
}

fn prompts(names: Spanned<Vec<String>>) -> Vec<PromptId> {
    names.into_inner().into_iter().map(PromptId::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::example::CALLBACK;

    #[track_caller]
    fn faults(change: (&str, &str), expected: &[&str]) {
        assert!(CALLBACK.contains(change.0), "nothing to change");
        let problems = Survey::parse(&CALLBACK.replacen(change.0, change.1, 1)).expect_err("faults");
        let found: Vec<_> = problems.iter().map(|p| format!("{}: {}", p.key, p.message)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn reads_what_is_delivered_and_knows_its_version() {
        let survey = Survey::parse(CALLBACK).unwrap_or_else(|p| panic!("{p:?}"));
        assert_eq!(survey.questions[0].id, "solved");
        assert_eq!(survey.question("overall").map(|(_, q)| q.measure), Some(Some(Measure::Satisfied)));
        let other = Survey::parse(&CALLBACK.replacen("办结回访", "回访", 1)).unwrap_or_else(|p| panic!("{p:?}"));
        assert_ne!(survey.hash, other.hash);
    }

    #[test]
    fn faults_name_line_and_key() {
        faults(("format = 1", "format = 2"), &["format: is 2, but this gateway reads 1"]);
        faults(
            ("kind = \"number\"", "kind = \"nummer\""),
            &["questions.trips.kind: `nummer` is none of rating, yes_no, choice, number, remark"],
        );
        faults(
            ("kind = \"rating\"", "kind = \"yes_no\""),
            &[
                "questions.attitude.up: a question of kind `yes_no` has no such key",
                "questions.attitude.down: a question of kind `yes_no` has no such key",
                "questions.attitude.reopens: `1` is no answer of a question of kind `yes_no`",
                "questions.attitude.reopens: `2` is no answer of a question of kind `yes_no`",
            ],
        );
        faults(("\"{case}\"", "\"{number}\""), &["opening: `{number}` is none of {case}, {date}, {unit}, {promise}"]);
        faults(
            ("go = { no = \"coached\" }", "go = { no = \"coach\" }"),
            &["questions.more.go.no: there is no question `coach`, and it is not `end`"],
        );
        faults(
            ("go = { no = \"coached\" }", "go = { no = \"solved\" }"),
            &["questions.more.go.no: leads back to `solved`: answers lead only onward"],
        );
        faults(("id = \"kept\"", "id = \"solved\""), &["questions.solved: is defined twice"]);
        faults(
            ("measure = \"kept\"", "measure = \"keeping\""),
            &[
                "questions.kept.measure: `keeping` is none of responded, solved, kept, attitude, satisfied, trips, coached",
            ],
        );
    }

    #[test]
    fn a_fault_stands_on_its_own_line() {
        let text = CALLBACK.replacen("measure = \"kept\"", "measure = \"keeping\"", 1);
        let line = 1 + text.lines().position(|l| l.contains("keeping")).expect("the line");
        assert_eq!(Survey::parse(&text).expect_err("a fault")[0].line, line);
    }
}
