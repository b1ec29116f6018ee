//! The questionnaires: which versions there are, what a resident hears, question by question, and whether all of it is sound.

use std::path::PathBuf;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::access::Right;
use super::super::error::WebError;
use super::super::page::{Page, render};
use super::super::text::Text;
use super::super::text::survey::SurveyText;
use super::super::{WebState, form, show};
use crate::flow::{PromptBook, PromptId};
use crate::store::results;
use crate::survey::{Fact, Goto, Kind, Question, Say, Survey, check};

struct Row {
    name: String,
    title: String,
    hash: String,
    short: String,
    /// Whether it is the one below `config/surveys`.
    current: bool,
    campaigns: i64,
    approved_by: String,
    approved_at: String,
}

#[derive(Template)]
#[template(path = "evaluation/surveys.html")]
struct SurveysPage {
    page: Page,
    t: &'static Text,
    w: &'static SurveyText,
    rows: Vec<Row>,
}

/// `GET /surveys`: those that may be asked, and every version that was.
pub(in crate::web) async fn list(State(state): State<WebState>, page: Page) -> Result<Response, WebError> {
    let versions = results::versions(&state.pool).await?;
    let mut rows: Vec<Row> = Vec::new();
    for survey in state.surveys.values() {
        let asked = versions.iter().find(|v| v.hash == survey.hash.0);
        rows.push(Row {
            current: true,
            campaigns: asked.map_or(0, |v| v.campaigns),
            approved_by: asked.map(|v| v.approved_by.clone()).unwrap_or_default(),
            approved_at: asked.map(|v| show::exact(v.approved_at)).unwrap_or_default(),
            ..row(survey)
        });
    }
    for version in versions.iter().filter(|v| !state.surveys.values().any(|s| s.hash.0 == v.hash)) {
        let body = results::version_body(&state.pool, &version.hash).await?.unwrap_or_default();
        let Ok(survey) = Survey::parse(&body) else { continue };
        rows.push(Row {
            campaigns: version.campaigns,
            approved_by: version.approved_by.clone(),
            approved_at: show::exact(version.approved_at),
            ..row(&survey)
        });
    }
    render(&SurveysPage { t: page.lang.text(), w: page.lang.survey(), rows, page })
}

fn row(survey: &Survey) -> Row {
    Row {
        name: survey.name.clone(),
        title: survey.title.clone(),
        short: survey.hash.0.chars().take(12).collect(),
        hash: survey.hash.0.clone(),
        current: false,
        campaigns: 0,
        approved_by: String::new(),
        approved_at: String::new(),
    }
}

/// Something heard: a prompt that can be played, or a fact of the case.
struct Heard {
    text: String,
    prompt: Option<String>,
}

struct Asking {
    number: usize,
    id: String,
    title: String,
    kind: &'static str,
    measure: Option<&'static str>,
    needs_case: bool,
    counts: bool,
    say: Vec<Heard>,
    /// What labels of a scale or options say, each direction or option by itself.
    labels: Vec<(String, Vec<Heard>)>,
    reopens: Vec<String>,
    /// An answer, and where it leads.
    branches: Vec<(String, String)>,
}

struct Passage {
    name: &'static str,
    say: Vec<Heard>,
}

#[derive(Template)]
#[template(path = "evaluation/survey.html")]
struct SurveyPage {
    page: Page,
    t: &'static Text,
    w: &'static SurveyText,
    title: String,
    name: String,
    hash: String,
    current: bool,
    problems: Vec<String>,
    before: Vec<Passage>,
    questions: Vec<Asking>,
    after: Vec<Passage>,
    body: String,
}

/// Which version.
#[derive(Default, Deserialize)]
pub(in crate::web) struct Version {
    version: Option<String>,
}

/// `GET /surveys/{name}`: the current version, or another one by its hash.
pub(in crate::web) async fn one(
    State(state): State<WebState>,
    Path(name): Path<String>,
    Query(asked): Query<Version>,
    page: Page,
) -> Result<Response, WebError> {
    let w = page.lang.survey();
    let loaded = state.surveys.get(&name);
    let hash = form::text(asked.version.as_deref());
    let survey = match (loaded, hash) {
        (Some(survey), None) => Survey::clone(survey),
        (Some(survey), Some(hash)) if survey.hash.0 == hash => Survey::clone(survey),
        (_, Some(hash)) => {
            let body = results::version_body(&state.pool, hash).await?.ok_or(WebError::NotFound)?;
            Survey::parse(&body).ok().filter(|s| s.name == name).ok_or(WebError::NotFound)?
        }
        (None, None) => return Err(WebError::NotFound),
    };
    let book = &state.book;
    let prompts = |ids: &[PromptId]| ids.iter().map(|id| heard(book, id)).collect();
    let passage = |name, ids: &[PromptId]| Passage { name, say: prompts(ids) };
    render(&SurveyPage {
        problems: check(&survey, book).iter().map(ToString::to_string).collect(),
        before: vec![
            passage(w.s_notice, &survey.notice),
            Passage { name: w.s_opening, say: say(book, &survey.opening, w) },
            Passage { name: w.s_opening_without_case, say: say(book, &survey.opening_without_case, w) },
        ],
        questions: (1..).zip(&survey.questions).map(|(n, q)| asking(book, &survey, n, q, w)).collect(),
        after: vec![
            passage(w.s_thanks, &survey.thanks),
            passage(w.s_no_more, &survey.no_more),
            passage(w.s_person, &survey.person),
            passage(w.s_pass, &survey.pass),
        ],
        current: loaded.is_some_and(|s| s.hash == survey.hash),
        title: survey.title.clone(),
        hash: survey.hash.0.clone(),
        name: survey.name.clone(),
        body: survey.body,
        t: page.lang.text(),
        w,
        page,
    })
}

fn asking(book: &PromptBook, survey: &Survey, number: usize, question: &Question, w: &SurveyText) -> Asking {
    let prompts = |ids: &[PromptId]| -> Vec<Heard> { ids.iter().map(|id| heard(book, id)).collect() };
    let labels = match &question.kind {
        Kind::Rating { up, down } => {
            vec![(w.scale_up.to_owned(), prompts(up)), (w.scale_down.to_owned(), prompts(down))]
        }
        Kind::Choice { options, .. } => options.iter().map(|o| (o.code.clone(), vec![heard(book, &o.say)])).collect(),
        Kind::YesNo | Kind::Number { .. } | Kind::Remark => Vec::new(),
    };
    let way = |way: &Goto| match way {
        Goto::Question(at) => survey.questions.get(*at).map_or_else(String::new, |q| format!("{} {}", at + 1, q.title)),
        Goto::End => w.s_thanks.to_owned(),
    };
    Asking {
        number,
        id: question.id.clone(),
        title: question.title.clone(),
        kind: w.kind(&question.kind),
        measure: question.measure.map(|m| w.measure(m)),
        needs_case: question.needs_case,
        counts: question.counts,
        say: say(book, &question.say, w),
        labels,
        reopens: question.reopens.iter().map(|value| w.value(&question.kind, value)).collect(),
        branches: question.go.iter().map(|(value, to)| (w.value(&question.kind, value), way(to))).collect(),
    }
}

fn heard(book: &PromptBook, id: &PromptId) -> Heard {
    let text = book.prompt(id).map_or_else(|| id.to_string(), |p| p.text.clone());
    Heard { text, prompt: book.has(id).then(|| id.to_string()) }
}

fn say(book: &PromptBook, parts: &[Say], w: &SurveyText) -> Vec<Heard> {
    let part = |part: &Say| match part {
        Say::Prompt(id) => heard(book, id),
        Say::Fact(fact) => Heard { text: format!("〔{}〕", fact_name(*fact, w)), prompt: None },
    };
    parts.iter().map(part).collect()
}

fn fact_name(fact: Fact, w: &SurveyText) -> &'static str {
    match fact {
        Fact::Case => w.fact_case,
        Fact::Date => w.fact_date,
        Fact::Unit => w.fact_unit,
        Fact::Promise => w.fact_promise,
    }
}

/// What a question says, in words.
pub(super) fn spoken(book: &PromptBook, parts: &[Say], w: &SurveyText) -> String {
    say(book, parts, w).into_iter().map(|h| h.text).collect()
}

/// `GET /prompts/{prompt}`: the sound of one prompt. Only names of the prompt book lead to files.
pub(in crate::web) async fn prompt(
    State(state): State<WebState>,
    Path(file): Path<String>,
) -> Result<Response, WebError> {
    let id = file.strip_suffix(".wav").map(PromptId::from).ok_or(WebError::NotFound)?;
    if !state.book.has(&id) {
        return Err(WebError::NotFound);
    }
    let path: PathBuf = state.prompts.join(format!("{id}.wav"));
    let sound = tokio::fs::read(&path).await.map_err(|source| WebError::Recording { path, source })?;
    // A person's recording may replace it at any time.
    let head = [(CONTENT_TYPE, "audio/wav"), (CACHE_CONTROL, "private, no-cache")];
    Ok((head, sound).into_response())
}
