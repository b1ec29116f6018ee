//! Award bars with due process (N9): proposals with their evidence, replies of the units, decisions of people.

use askama::Template;
use axum::extract::{Extension, Form as FormBody, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::NaiveDate;
use serde::Deserialize;
use uuid::Uuid;

use super::super::access::{Right, Visitor};
use super::super::error::WebError;
use super::super::page::{Page, cut, render};
use super::super::text::survey::SurveyText;
use super::super::text::{Lang, Text};
use super::super::{WebState, form, mask, show, trail};
use super::chart::Whisker;
use super::figure::percent;
use super::filter::{Asked, View};
use super::sheet::{Cell, Form, Sheet};
use super::units;
use crate::clock::wall;
use crate::directory::Directory;
use crate::store::awards::{self, AwardError, Looked, Proposed};
use crate::store::evidence;
use crate::survey::award::{BAD_SHARE, Decision, MayDecide, REPLY_WORKDAYS, may_decide, proposals};
use crate::survey::figures::{Interval, RANKED_MIN};

/// Rows on one page.
const PAGE_ROWS: i64 = 50;

/// Rows of the spreadsheet.
const EXPORT_ROWS: i64 = 5_000;

/// Bad answers whose calls are listed; the figure counts all.
const CALLS_MAX: usize = 500;

/// How a proposal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Waiting,
    Ready,
    Barred,
    Refused,
    Expired,
}

impl Standing {
    fn of(proposed: &Proposed, today: NaiveDate) -> Self {
        match decision(proposed) {
            Some(decision) if decision.bars(today) => Self::Barred,
            Some(decision) if decision.barred => Self::Expired,
            Some(_) => Self::Refused,
            None if proposed.replies > 0 || today > proposed.reply_until => Self::Ready,
            None => Self::Waiting,
        }
    }

    fn tone(self) -> &'static str {
        match self {
            Self::Waiting => "",
            Self::Ready => "warn",
            Self::Barred => "bad",
            Self::Refused | Self::Expired => "good",
        }
    }

    fn name(self, w: &SurveyText) -> &'static str {
        match self {
            Self::Waiting => w.a_waiting,
            Self::Ready => w.a_ready,
            Self::Barred => w.a_barred,
            Self::Refused => w.a_refused,
            Self::Expired => w.a_expired,
        }
    }
}

fn decision(proposed: &Proposed) -> Option<Decision> {
    Some(Decision {
        barred: proposed.barred?,
        decided_by: proposed.decided_by.clone()?,
        decided_at: proposed.decided_at?,
    })
}

struct Row {
    id: i64,
    unit: String,
    cause: &'static str,
    bad: i32,
    answers: i32,
    share: String,
    interval: String,
    drawn: Whisker,
    proposed: String,
    by: String,
    reply_until: NaiveDate,
    state: &'static str,
    tone: &'static str,
    bar_until: Option<NaiveDate>,
}

#[derive(Template)]
#[template(path = "evaluation/awards.html")]
struct AwardsPage {
    page: Page,
    t: &'static Text,
    w: &'static SurveyText,
    rows: Vec<Row>,
    new: Option<u64>,
    first: bool,
    older: Option<String>,
}

/// What a link back to the page may say.
#[derive(Default, Deserialize)]
pub(in crate::web) struct Came {
    before: Option<String>,
    new: Option<u64>,
}

/// `GET /awards`.
pub(in crate::web) async fn list(
    State(state): State<WebState>,
    Query(came): Query<Came>,
    page: Page,
) -> Result<Response, WebError> {
    let before = form::number("before", came.before.as_deref())?;
    let mut found = awards::list(&state.pool, before, PAGE_ROWS + 1).await?;
    let more = cut(&mut found, PAGE_ROWS);
    let older = found.last().filter(|_| more).map(|last| format!("/awards?before={}", last.id));
    let directory = (state.directory)();
    let rows = found.iter().map(|p| row(p, &directory, page.lang)).collect::<Result<_, _>>()?;
    render(&AwardsPage {
        rows,
        new: came.new,
        first: before.is_none(),
        older,
        t: page.lang.text(),
        w: page.lang.survey(),
        page,
    })
}

fn row(proposed: &Proposed, directory: &Directory, lang: Lang) -> Result<Row, WebError> {
    let w = lang.survey();
    let standing = Standing::of(proposed, show::day(wall()));
    let share = f64::from(proposed.bad) / f64::from(proposed.answers.max(1));
    let interval = Interval { low: proposed.low, high: proposed.high };
    Ok(Row {
        id: proposed.id,
        unit: units::name(directory, proposed.unit_id),
        cause: w.cause(proposed.cause()?),
        bad: proposed.bad,
        answers: proposed.answers,
        share: percent(share),
        interval: format!("{}–{}", percent(interval.low), percent(interval.high)),
        drawn: Whisker::of_share(share, Some(interval)),
        proposed: show::exact(proposed.proposed_at),
        by: proposed.proposed_by.clone(),
        reply_until: proposed.reply_until,
        state: standing.name(w),
        tone: standing.tone(),
        bar_until: decision(proposed).filter(|d| d.barred).map(|d| d.ends()),
    })
}

/// `POST /awards`: looks at every unit in a scope and writes down what is proposed.
pub(in crate::web) async fn propose(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    FormBody(asked): FormBody<Asked>,
) -> Result<Response, WebError> {
    let view = View::open(&state, &visitor, &asked, "award_look").await?.ok_or(WebError::NotFound)?;
    let (survey, period) = (view.filter.survey().to_owned(), view.filter.period());
    let calendar = view.directory.calendar.clone();
    let found = tokio::task::spawn_blocking(move || proposals(&view.survey, &view.respondents)).await?;
    let now = wall();
    let looked = Looked {
        survey,
        period,
        reply_until: calendar.add_workdays(show::day(now), REPLY_WORKDAYS),
        actor: visitor.name.clone(),
    };
    let new = awards::propose(&state.pool, &looked, &found, now).await?;
    Ok(Redirect::to(&format!("/awards?new={new}")).into_response())
}

struct Said {
    said: String,
    call: Option<String>,
    by: String,
    at: String,
}

struct Call {
    number: String,
    at: String,
    id: Option<String>,
}

struct Decided {
    barred: bool,
    reason: String,
    by: String,
    at: String,
}

#[derive(Template)]
#[template(path = "evaluation/award.html")]
struct AwardPage {
    page: Page,
    t: &'static Text,
    w: &'static SurveyText,
    row: Row,
    period: String,
    version: String,
    bound: String,
    minimum: u64,
    calls: Vec<Call>,
    replies: Vec<Said>,
    decided: Option<Decided>,
    may: MayDecide,
    trouble: Option<&'static str>,
}

/// `GET /awards/{id}`.
pub(in crate::web) async fn one(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
    page: Page,
) -> Result<Response, WebError> {
    award_page(&state, &visitor, id, page, None).await
}

async fn award_page(
    state: &WebState,
    visitor: &Visitor,
    id: i64,
    page: Page,
    trouble: Option<&'static str>,
) -> Result<Response, WebError> {
    let (proposed, replies) = awards::read(&state.pool, id).await?.ok_or(WebError::NotFound)?;
    trail::append(state, visitor, "award_evidence", &format!("award/{id}"), "").await?;
    let samples: Vec<i64> = proposed.samples.iter().copied().take(CALLS_MAX).collect();
    let calls = evidence::sampled(&state.pool, &samples).await?.into_iter().map(|s| Call {
        number: mask::phone(Some(&s.number)).unwrap_or_default(),
        at: s.started_at.map(show::exact).unwrap_or_default(),
        id: s.attempt.filter(|_| s.called).map(|id| id.to_string()),
    });
    let w = page.lang.survey();
    let today = show::day(wall());
    let day = |day: Option<NaiveDate>| day.map(|d| d.to_string()).unwrap_or_default();
    let period = match (proposed.period_from, proposed.period_until) {
        (None, None) => w.period_all.to_owned(),
        (from, until) => format!("{} – {}", day(from), day(until)),
    };
    let replied = proposed.replies > 0;
    let page = AwardPage {
        row: row(&proposed, &(state.directory)(), page.lang)?,
        period,
        version: proposed.survey_hash.chars().take(12).collect(),
        bound: percent(BAD_SHARE),
        minimum: RANKED_MIN,
        calls: calls.collect(),
        replies: replies
            .into_iter()
            .map(|r| Said {
                said: mask::mask(&r.said),
                call: r.call_id.map(|id| id.to_string()),
                by: r.taken_by,
                at: show::exact(r.at),
            })
            .collect(),
        may: may_decide(&proposed.proposed_by, &visitor.name, proposed.reply_until, replied, today),
        decided: decision(&proposed).map(|d| Decided {
            barred: d.barred,
            reason: mask::mask(proposed.reason.as_deref().unwrap_or_default()),
            by: d.decided_by,
            at: show::exact(d.decided_at),
        }),
        trouble,
        t: page.lang.text(),
        w,
        page,
    };
    let status = if trouble.is_some() { StatusCode::CONFLICT } else { StatusCode::OK };
    Ok((status, render(&page)?).into_response())
}

/// What a unit said.
#[derive(Deserialize)]
pub(in crate::web) struct ReplyForm {
    said: String,
    call: Option<String>,
}

/// `POST /awards/{id}/reply`.
pub(in crate::web) async fn reply(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
    FormBody(asked): FormBody<ReplyForm>,
) -> Result<Response, WebError> {
    let said = form::needed("said", &asked.said, form::TEXT_LIMIT)?;
    let call: Option<Uuid> = form::number("call", asked.call.as_deref())?;
    awards::reply(&state.pool, id, &said, call, &visitor.name, wall()).await?;
    Ok(Redirect::to(&format!("/awards/{id}")).into_response())
}

/// What a person decides.
#[derive(Deserialize)]
pub(in crate::web) struct DecisionForm {
    barred: bool,
    reason: String,
}

/// `POST /awards/{id}/decide`.
pub(in crate::web) async fn decide(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<i64>,
    page: Page,
    FormBody(asked): FormBody<DecisionForm>,
) -> Result<Response, WebError> {
    let reason = form::needed("reason", &asked.reason, form::TEXT_LIMIT)?;
    let w = page.lang.survey();
    let trouble = match awards::decide(&state.pool, id, asked.barred, &reason, &visitor.name, wall()).await {
        Ok(()) => return Ok(Redirect::to(&format!("/awards/{id}")).into_response()),
        Err(AwardError::TooEarly) => w.decide_early,
        Err(AwardError::Proposer) => w.decide_other,
        Err(error) => return Err(error.into()),
    };
    let page = Page { here: format!("/awards/{id}"), ..page };
    award_page(&state, &visitor, id, page, Some(trouble)).await
}

/// `GET /awards/export/{form}`: every proposal with what became of it.
pub(in crate::web) async fn export(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(form): Path<String>,
    page: Page,
) -> Result<Response, WebError> {
    let form = Form::from_code(&form)?;
    let (t, w) = (page.lang.text(), page.lang.survey());
    trail::append(&state, &visitor, "awards_export", "awards", "").await?;
    let directory = (state.directory)();
    let found = awards::list(&state.pool, None, EXPORT_ROWS).await?;
    let cells = |p: &Proposed| -> Result<Vec<Cell>, WebError> {
        let r = row(p, &directory, page.lang)?;
        Ok(vec![
            Cell::Count(p.id.unsigned_abs()),
            Cell::Text(r.unit),
            Cell::text(r.cause),
            Cell::Count(u64::from(p.bad.unsigned_abs())),
            Cell::Count(u64::from(p.answers.unsigned_abs())),
            Cell::Share(f64::from(p.bad) / f64::from(p.answers.max(1))),
            Cell::Share(p.low),
            Cell::Share(p.high),
            Cell::Text(r.proposed),
            Cell::text(r.reply_until.to_string()),
            Cell::text(r.state),
            Cell::text(p.decided_by.as_deref().unwrap_or_default()),
            Cell::text(p.reason.as_deref().map(mask::mask).unwrap_or_default()),
            Cell::text(r.bar_until.map(|d| d.to_string()).unwrap_or_default()),
        ])
    };
    let rows = found.iter().map(cells).collect::<Result<_, _>>()?;
    let head = [
        t.number,
        w.unit,
        w.cause,
        w.bad_answers,
        w.answers,
        w.bad_share,
        w.low,
        w.high,
        w.proposed,
        w.reply_until,
        t.state,
        w.decided_by,
        w.decide_reason,
        w.bar_until,
    ];
    Sheet { name: "awards".into(), head: head.map(str::to_owned).to_vec(), rows }.into_response(form)
}

impl From<AwardError> for WebError {
    fn from(error: AwardError) -> Self {
        match error {
            AwardError::Unknown(_) => Self::NotFound,
            AwardError::UnknownCall => Self::BadRequest { field: "call" },
            AwardError::Decided(_) | AwardError::TooEarly | AwardError::Proposer => Self::Conflict,
            AwardError::Database(source) => Self::Database(source),
        }
    }
}
