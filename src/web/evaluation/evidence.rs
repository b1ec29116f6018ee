//! The calls that make a figure (R9.4): as many as the figure says, each leading to its answer.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Extension, Path, Query, State};
use axum::response::Response;
use serde::Deserialize;
use uuid::Uuid;

use super::super::access::{Right, Visitor};
use super::super::error::WebError;
use super::super::page::{Page, render};
use super::super::text::survey::SurveyText;
use super::super::text::{Lang, Text};
use super::super::{WebState, form, mask, show};
use super::filter::{Asked, View};
use super::results::{given, group_name};
use super::sheet::{Cell, Form, Sheet};
use crate::store::evidence::{self, Sampled};
use crate::survey::groups::By;
use crate::survey::{Given, Question, Respondent, good};

/// Rows on one page.
const PAGE_ROWS: usize = 100;

/// Which of the answers.
#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::web) struct Wanted {
    question: Option<String>,
    value: Option<String>,
    good: Option<String>,
    silent: Option<String>,
    by: Option<String>,
    group: Option<String>,
    after: Option<String>,
}

/// The same, understood.
struct Choice<'a> {
    question: &'a Question,
    value: Option<&'a str>,
    good: Option<bool>,
    /// Those who were reached and did not answer.
    silent: bool,
    group: Option<(By, &'a str)>,
}

/// Somebody whose answer counts for the figure.
struct Counted<'a> {
    respondent: &'a Respondent,
    given: Option<&'a Given>,
}

impl<'a> Choice<'a> {
    fn read(view: &'a View, wanted: &'a Wanted) -> Result<Self, WebError> {
        let question = given(&wanted.question).ok_or(WebError::BadRequest { field: "question" })?;
        let (_, question) = view.survey.question(question).ok_or(WebError::NotFound)?;
        let by = given(&wanted.by)
            .map(|code| By::from_code(code).ok_or(WebError::BadRequest { field: "by" }))
            .transpose()?;
        Ok(Self {
            question,
            value: given(&wanted.value),
            good: given(&wanted.good).map(|good| good == "1"),
            silent: given(&wanted.silent).is_some(),
            group: by.map(|by| (by, wanted.group.as_deref().unwrap_or_default())),
        })
    }

    /// Everybody who counts, in the order of their keys.
    fn of(&self, respondents: &'a [Respondent]) -> Vec<Counted<'a>> {
        respondents.iter().filter_map(|respondent| self.counted(respondent)).collect()
    }

    fn counted(&self, respondent: &'a Respondent) -> Option<Counted<'a>> {
        let valid = |g: &&Given| g.question == self.question.id && self.question.kind.value(&g.value).is_some();
        let given = respondent.given.iter().find(valid);
        let fits = match given {
            None => {
                let here = self.group.is_none_or(|(by, group)| by.of_person(respondent).is_some_and(|g| g == group));
                self.silent && here
            }
            Some(given) => {
                let is_good = good(&self.question.kind, self.question.measure, &given.value);
                !self.silent
                    && self.value.is_none_or(|value| given.value == value)
                    && self.good.is_none_or(|good| is_good == Some(good))
                    && self.group.is_none_or(|(by, group)| by.of_answer(respondent, given) == group)
            }
        };
        fits.then_some(Counted { respondent, given })
    }

    /// What the figure is about, in words.
    fn words(&self, view: &View, lang: Lang) -> String {
        let w = lang.survey();
        let value = self.value.map(|value| w.value(&self.question.kind, value));
        let good = self.good.map(|good| if good { w.good } else { w.not_good }.to_owned());
        let silent = self.silent.then(|| w.missing.to_owned());
        let group = self.group.map(|(by, group)| group_name(view, by, group, lang));
        let parts = [Some(self.question.title.clone()), group, value, good, silent];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
    }
}

struct Row {
    number: String,
    answered: String,
    unit: String,
    window: String,
    age: String,
    value: String,
    mode: &'static str,
    latency: String,
    /// The answer's page.
    opens: Option<String>,
    call: Option<String>,
    recorded: bool,
}

#[derive(Template)]
#[template(path = "evaluation/evidence.html")]
struct EvidencePage {
    page: Page,
    t: &'static Text,
    w: &'static SurveyText,
    words: String,
    total: usize,
    first: usize,
    rows: Vec<Row>,
    back: String,
    query: String,
    start: Option<String>,
    next: Option<String>,
}

/// `GET /results/calls`.
pub(in crate::web) async fn list(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<Asked>,
    Query(wanted): Query<Wanted>,
    page: Page,
) -> Result<Response, WebError> {
    let view = View::open(&state, &visitor, &asked, "evidence").await?.ok_or(WebError::NotFound)?;
    let choice = Choice::read(&view, &wanted)?;
    let counted = choice.of(&view.respondents);
    let after: i64 = form::number("after", wanted.after.as_deref())?.unwrap_or(0);
    let first = counted.partition_point(|c| c.respondent.sample <= after);
    let part: Vec<&Counted<'_>> = counted.iter().skip(first).take(PAGE_ROWS).collect();
    let rows = rows(&state, &view, &choice, &part, page.lang).await?;
    let query = |more: &[(&str, &str)]| view.filter.query(&[&fields(&wanted), more].concat());
    let next = part
        .last()
        .filter(|_| first + part.len() < counted.len())
        .map(|last| format!("/results/calls{}", query(&[("after", &last.respondent.sample.to_string())])));
    render(&EvidencePage {
        t: page.lang.text(),
        w: page.lang.survey(),
        words: choice.words(&view, page.lang),
        total: counted.len(),
        first,
        rows,
        back: format!("/results{}", view.filter.query(&[])),
        query: query(&[]),
        start: (first > 0).then(|| format!("/results/calls{}", query(&[]))),
        next,
        page,
    })
}

fn fields(wanted: &Wanted) -> Vec<(&str, &str)> {
    let fields = [
        ("question", &wanted.question),
        ("value", &wanted.value),
        ("good", &wanted.good),
        ("silent", &wanted.silent),
        ("by", &wanted.by),
        ("group", &wanted.group),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name, given(value)?))).collect()
}

async fn rows(
    state: &WebState,
    view: &View,
    choice: &Choice<'_>,
    part: &[&Counted<'_>],
    lang: Lang,
) -> Result<Vec<Row>, WebError> {
    let keys: Vec<i64> = part.iter().map(|c| c.respondent.sample).collect();
    let sampled = evidence::sampled(&state.pool, &keys).await?;
    let sampled: HashMap<i64, Sampled> = sampled.into_iter().map(|s| (s.id, s)).collect();
    let w = lang.survey();
    let row = |counted: &&Counted<'_>| {
        let Counted { respondent, given } = **counted;
        let known = sampled.get(&respondent.sample);
        let attempt: Option<Uuid> = given.map(|g| g.attempt).or_else(|| known.and_then(|s| s.attempt));
        let at = given.map(|g| g.at).or_else(|| known.and_then(|s| s.started_at));
        Row {
            number: mask::phone(known.map(|s| &*s.number)).unwrap_or_default(),
            answered: at.map(show::exact).unwrap_or_default(),
            unit: group_name(view, By::Unit, &By::Unit.of_person(respondent).unwrap_or_default(), lang),
            window: group_name(view, By::Window, &By::Window.of_person(respondent).unwrap_or_default(), lang),
            age: respondent.age_band.clone().unwrap_or_default(),
            value: given.map_or_else(String::new, |g| w.value(&choice.question.kind, &g.value)),
            mode: given.map_or("", |g| w.mode(g.mode)),
            latency: given.and_then(|g| g.latency_ms).map(seconds).unwrap_or_default(),
            opens: given.map(|g| format!("/results/answers/{}/{}", g.attempt, g.question)),
            call: attempt.filter(|_| known.is_some_and(|s| s.called)).map(|id| id.to_string()),
            recorded: known.is_some_and(|s| s.recording_ms.is_some()),
        }
    };
    Ok(part.iter().map(row).collect())
}

/// Milliseconds as seconds with one decimal.
pub(super) fn seconds(ms: i32) -> String {
    format!("{:.1}", f64::from(ms) / 1e3)
}

/// `GET /results/calls/export/{form}`: all of them, numbers masked.
pub(in crate::web) async fn export(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(form): Path<String>,
    Query(asked): Query<Asked>,
    Query(wanted): Query<Wanted>,
    page: Page,
) -> Result<Response, WebError> {
    let form = Form::from_code(&form)?;
    let view = View::open(&state, &visitor, &asked, "evidence_export").await?.ok_or(WebError::NotFound)?;
    let choice = Choice::read(&view, &wanted)?;
    let counted = choice.of(&view.respondents);
    let all: Vec<&Counted<'_>> = counted.iter().collect();
    let (t, w) = (page.lang.text(), page.lang.survey());
    let cells = |row: Row| {
        let call = row.call.unwrap_or_default();
        let texts = [
            row.number,
            row.answered,
            row.unit,
            row.window,
            row.age,
            row.value,
            row.mode.to_owned(),
            row.latency,
            call,
        ];
        texts.map(Cell::Text).to_vec()
    };
    let rows = rows(&state, &view, &choice, &all, page.lang).await?.into_iter().map(cells).collect();
    let head = [w.phone, w.answered_at, w.unit, t.window, w.age_band, w.answer, w.mode_head, w.latency, t.call];
    Sheet { name: "calls".into(), head: head.map(str::to_owned).to_vec(), rows }.into_response(form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::example::{at, callback};
    use crate::survey::groups::grouped;
    use crate::survey::{Draw, Mode, results};

    fn people() -> Vec<Respondent> {
        let person = |sample: i64| {
            let answer = |question: &str, value: String, mode| Given {
                attempt: Uuid::nil(),
                question: question.into(),
                value,
                mode,
                latency_ms: None,
                at: at(if sample % 2 == 0 { "2026-03-28T10:00" } else { "2026-04-28T15:00" }),
            };
            let mode = if sample % 3 == 0 { Mode::Speech } else { Mode::Key };
            let mut given = vec![answer("overall", (1 + sample % 5).to_string(), mode)];
            if sample % 4 > 0 {
                given.push(answer("solved", if sample % 3 > 0 { "yes" } else { "no" }.into(), mode));
            }
            Respondent {
                sample,
                unit: Some(10 + sample % 3),
                window: Some(7),
                age_band: Some("70+".into()),
                weight: 1.0,
                draw: Draw(1),
                given,
            }
        };
        (1..=60).map(person).collect()
    }

    #[test]
    fn every_figure_is_the_sum_of_the_calls_it_opens() {
        let (survey, people) = (callback(), people());
        let size = |choice: Choice<'_>| choice.of(&people).len() as u64;
        for result in results(&survey, &people) {
            let (_, question) = survey.question(&result.id).expect("a question");
            let choice = |value| Choice { question, value, good: None, silent: false, group: None };
            assert_eq!(size(choice(None)), result.n, "{}", result.id);
            for (value, n) in &result.counts {
                assert_eq!(size(choice(Some(value))), *n, "{} {value}", result.id);
            }
            let silent = size(Choice { silent: true, ..choice(None) });
            assert_eq!(silent, people.len() as u64 - result.n, "{}", result.id);
            if let Some(share) = result.share {
                assert_eq!(size(Choice { good: Some(true), ..choice(None) }), share.numerator, "{}", result.id);
            }
        }
        for by in [By::Unit, By::Window, By::Age, By::Mode, By::Hour, By::Month] {
            for share in grouped(&survey, &people, by) {
                let question = survey.questions.iter().find(|q| q.measure == Some(share.measure)).expect("a question");
                let choice =
                    |good| Choice { question, value: None, good, silent: false, group: Some((by, &share.group)) };
                let opened: Vec<i64> = choice(None).of(&people).iter().map(|c| c.respondent.sample).collect();
                assert_eq!(opened, share.samples, "{by:?} {}", share.group);
                assert_eq!(size(choice(Some(true))), share.share.numerator, "{by:?} {}", share.group);
            }
        }
    }
}
