//! The campaigns: how far each is.

use askama::Template;
use axum::extract::{Extension, Path, Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::super::access::{Right, Visitor};
use super::super::error::WebError;
use super::super::page::{Page, cut, render};
use super::super::text::Text;
use super::super::text::survey::SurveyText;
use super::super::{WebState, form, show, trail};
use super::chart::Parts;
use super::figure::percent;
use super::sheet::{Cell, Form, Sheet};
use crate::clock;
use crate::store::campaigns::{self, Progress};
use crate::survey::rates::Counts;
use crate::survey::{Disposition, Group};

/// Rows on one page.
const PAGE_ROWS: i64 = 30;

/// Rows of the spreadsheet: every campaign of some years.
const EXPORT_ROWS: i64 = 5_000;

struct Row {
    id: i64,
    survey: String,
    state: &'static str,
    code: &'static str,
    made: String,
    exact: String,
    by: String,
    total: i64,
    remaining: i64,
    complete: u64,
    response: String,
    bar: Parts,
}

#[derive(Template)]
#[template(path = "evaluation/campaigns.html")]
struct CampaignsPage {
    page: Page,
    t: &'static Text,
    w: &'static SurveyText,
    rows: Vec<Row>,
    first: bool,
    older: Option<String>,
}

/// From where to read.
#[derive(Default, Deserialize)]
pub(in crate::web) struct Asked {
    before: Option<String>,
}

/// `GET /campaigns`.
pub(in crate::web) async fn list(
    State(state): State<WebState>,
    Query(asked): Query<Asked>,
    page: Page,
) -> Result<Response, WebError> {
    let before = form::number("before", asked.before.as_deref())?;
    let mut recent = campaigns::recent(&state.pool, before, PAGE_ROWS + 1).await?;
    let more = cut(&mut recent, PAGE_ROWS);
    let w = page.lang.survey();
    render(&CampaignsPage {
        older: recent.last().filter(|_| more).map(|last| format!("/campaigns?before={}", last.id)),
        rows: recent.iter().map(|progress| row(progress, w)).collect(),
        first: before.is_none(),
        t: page.lang.text(),
        w,
        page,
    })
}

fn row(progress: &Progress, w: &SurveyText) -> Row {
    Row {
        id: progress.id,
        survey: progress.survey.clone(),
        state: w.campaign_state(progress.state),
        code: progress.state.code(),
        made: show::stamp(progress.created_at, clock::wall()),
        exact: show::exact(progress.created_at),
        by: progress.created_by.clone(),
        total: progress.total,
        remaining: progress.remaining,
        complete: progress.dispositions.get(&Disposition::Complete).copied().unwrap_or(0),
        response: rate(progress, "RR1").map(percent).unwrap_or_default(),
        bar: bar(progress),
    }
}

/// How far it is: interviewed, refused, not reached or not eligible; what is left stays empty.
pub(super) fn bar(progress: &Progress) -> Parts {
    let sum = |wanted: fn(Group) -> bool| -> u64 {
        progress.dispositions.iter().filter(|(d, _)| wanted(d.group())).map(|(_, n)| n).sum()
    };
    let interviewed = sum(|g| matches!(g, Group::Complete | Group::Partial));
    let refused = sum(|g| matches!(g, Group::Refusal | Group::Other));
    let left = progress.remaining.unsigned_abs();
    let total = progress.total.unsigned_abs();
    let rest = total.saturating_sub(interviewed + refused + left);
    Parts::of([("good", interviewed), ("bad", refused), ("done", rest)], total)
}

/// One of AAPOR's rates.
pub(super) fn rate(progress: &Progress, name: &str) -> Option<f64> {
    let rates = Counts::of(progress.dispositions.iter().map(|(d, n)| (*d, *n))).rates();
    rates.into_iter().find(|rate| rate.name == name).and_then(|rate| rate.value)
}

/// `GET /campaigns/export/{form}`: every campaign with its dispositions and rates.
pub(in crate::web) async fn export(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(form): Path<String>,
    page: Page,
) -> Result<Response, WebError> {
    let form = Form::from_code(&form)?;
    let (t, w) = (page.lang.text(), page.lang.survey());
    trail::append(&state, &visitor, "campaigns_export", "campaigns", "").await?;
    let row = |p: &Progress| {
        let mut row = vec![
            Cell::Count(p.id.unsigned_abs()),
            Cell::text(&*p.survey),
            Cell::text(&*p.hash),
            Cell::text(w.campaign_state(p.state)),
            Cell::text(show::exact(p.created_at)),
            Cell::text(&*p.created_by),
            Cell::Count(p.total.unsigned_abs()),
            Cell::Count(p.remaining.unsigned_abs()),
            Cell::Count(p.attempts.unsigned_abs()),
        ];
        row.extend(Disposition::ALL.map(|d| Cell::Count(p.dispositions.get(&d).copied().unwrap_or(0))));
        row.extend(w.rates().map(|(name, _)| Cell::share(rate(p, name))));
        row
    };
    let rows = campaigns::recent(&state.pool, None, EXPORT_ROWS).await?.iter().map(row).collect();
    let head = [t.number, w.questionnaire, w.version, t.state, w.made, w.made_by, w.numbers, w.remaining, w.attempts];
    let mut head = head.map(str::to_owned).to_vec();
    head.extend(Disposition::ALL.map(|d| format!("{} {}", d.code(), w.disposition(d))));
    head.extend(w.rates().map(|(name, _)| name.to_owned()));
    Sheet { name: "campaigns".into(), head, rows }.into_response(form)
}
