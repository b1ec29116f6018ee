//! What was answered: question by question, over time, unit beside unit, and by mode, age, window and hour.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Extension, Path, Query, State};
use axum::response::Response;

use super::super::access::{Right, Visitor};
use super::super::calls::window_name;
use super::super::error::WebError;
use super::super::page::{Page, render};
use super::super::text::survey::SurveyText;
use super::super::text::{Lang, Text};
use super::super::{WebState, form};
use super::chart::{Bar, Moment, Trend};
use super::figure::{self, Average, Share, percent};
use super::filter::{Asked, Fields, View, shared};
use super::sheet::{Cell, Form, Sheet};
use super::units;
use crate::survey::figures::{SHOWN_MIN, Standing};
use crate::survey::groups::{By, GroupShare, grouped};
use crate::survey::{Kind, Measure, Mode, QuestionResult, results};

/// Values of a number's distribution that are shown, at most.
const VALUES_MAX: usize = 20;

/// What is told apart beside the units, in this order.
const BESIDE: [By; 4] = [By::Window, By::Age, By::Mode, By::Hour];

struct Asking {
    id: String,
    title: String,
    kind: &'static str,
    n: u64,
    values: Vec<Counted>,
    /// Values that are not shown because there are too many different ones.
    more: usize,
    mean: Option<Average>,
    share: Option<Share>,
    /// Whether too few answered to show anything.
    hidden: bool,
    opens: Option<String>,
    /// Leads to those who did not answer.
    silent: Option<String>,
}

struct Counted {
    label: String,
    n: u64,
    share: String,
    bar: Bar,
    opens: Option<String>,
}

struct Head {
    name: &'static str,
    share: Share,
    opens: Option<String>,
}

struct Course {
    name: &'static str,
    trend: Trend,
    months: Vec<Month>,
}

struct Month {
    label: String,
    share: Share,
    opens: Option<String>,
}

/// One of several that stand beside each other.
struct Ranked {
    name: String,
    rank: Option<usize>,
    /// Enough to be ranked.
    ranked: bool,
    share: Share,
    opens: Option<String>,
    good: Option<String>,
}

struct Table {
    id: &'static str,
    title: &'static str,
    head: &'static str,
    rows: Vec<Ranked>,
}

#[derive(Template)]
#[template(path = "evaluation/results.html")]
struct ResultsPage {
    page: Page,
    t: &'static Text,
    w: &'static SurveyText,
    /// Where exports lie, with the same fields; `None` where nothing was asked yet.
    query: String,
    fields: Option<Fields>,
    title: String,
    reached: usize,
    too_few: bool,
    own: Option<String>,
    heads: Vec<Head>,
    questions: Vec<Asking>,
    courses: Vec<Course>,
    measure: &'static str,
    league: Option<Table>,
    beside: Vec<Table>,
}

/// `GET /results`.
pub(in crate::web) async fn show(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<Asked>,
    page: Page,
) -> Result<Response, WebError> {
    let (t, w) = (page.lang.text(), page.lang.survey());
    let own = visitor.unit.map(|unit| units::name(&(state.directory)(), unit));
    let Some(view) = View::open(&state, &visitor, &asked, "results").await? else {
        return render(&ResultsPage {
            query: String::new(),
            fields: None,
            title: String::new(),
            reached: 0,
            too_few: false,
            heads: Vec::new(),
            questions: Vec::new(),
            courses: Vec::new(),
            measure: "",
            league: None,
            beside: Vec::new(),
            page,
            t,
            w,
            own,
        });
    };
    // Figures are sums over everybody: off the threads that answer others.
    let lang = page.lang;
    let opens = page.may(Right::RunCampaigns);
    render(&tokio::task::spawn_blocking(move || whole(page, own, &view, lang, opens)).await?)
}

fn whole(page: Page, own: Option<String>, view: &View, lang: Lang, opens: bool) -> ResultsPage {
    let w = lang.survey();
    let links = Links { view, opens };
    let too_few = (view.respondents.len() as u64) < SHOWN_MIN;
    let found = results(&view.survey, &view.respondents);
    let chosen = view.filter.measure.or_else(|| preferred(view));
    let compared = |by| chosen.map(|measure| table(view, &links, by, measure, lang));
    ResultsPage {
        t: lang.text(),
        w,
        query: view.filter.query(&[]),
        fields: Some(view.fields(lang)),
        title: view.survey.title.clone(),
        reached: view.respondents.len(),
        too_few,
        own,
        heads: if too_few { Vec::new() } else { heads(&found, &links, w) },
        questions: if too_few { Vec::new() } else { found.iter().map(|q| asking(q, &links, w)).collect() },
        courses: if too_few { Vec::new() } else { courses(view, &links, w) },
        measure: chosen.map_or("", |measure| w.measure(measure)),
        league: compared(By::Unit).filter(|_| !too_few),
        beside: if too_few { Vec::new() } else { BESIDE.into_iter().filter_map(compared).collect() },
        page,
    }
}

/// The figure that units are compared by where nobody chose one.
fn preferred(view: &View) -> Option<Measure> {
    shared(&view.survey).find(|m| *m == Measure::Satisfied).or_else(|| shared(&view.survey).next())
}

/// Where a figure leads: to the calls that make it, for who may see them.
struct Links<'a> {
    view: &'a View,
    opens: bool,
}

impl Links<'_> {
    fn to(&self, more: &[(&str, &str)]) -> Option<String> {
        self.opens.then(|| format!("/results/calls{}", self.view.filter.query(more)))
    }
}

fn heads(found: &[QuestionResult], links: &Links<'_>, w: &SurveyText) -> Vec<Head> {
    let head = |q: &QuestionResult| {
        Some(Head {
            name: w.measure(q.measure?),
            share: Share::of(q.share.as_ref()?),
            opens: links.to(&[("question", &q.id)]),
        })
    };
    found.iter().filter_map(head).collect()
}

fn asking(q: &QuestionResult, links: &Links<'_>, w: &SurveyText) -> Asking {
    let kind = links.view.survey.question(&q.id).map(|(_, question)| &question.kind);
    let hidden = q.n < SHOWN_MIN;
    let mut values: Vec<(&String, u64)> = q.counts.iter().map(|(value, n)| (value, *n)).collect();
    match kind {
        // The best first; numbers by size.
        Some(Kind::Rating { .. }) => values.reverse(),
        Some(Kind::YesNo) => values.sort_by_key(|(value, _)| *value != "yes"),
        Some(Kind::Number { .. }) => values.sort_by_key(|(value, _)| value.parse::<u64>().unwrap_or(u64::MAX)),
        Some(Kind::Choice { .. } | Kind::Remark) | None => {}
    }
    let more = values.len().saturating_sub(VALUES_MAX);
    values.truncate(VALUES_MAX);
    let counted = |(value, n): (&String, u64)| Counted {
        label: kind.map_or_else(|| value.clone(), |kind| w.value(kind, value)),
        n,
        share: percent(n as f64 / q.n.max(1) as f64),
        bar: Bar::of(n, q.n),
        opens: links.to(&[("question", &q.id), ("value", value)]).filter(|_| n > 0),
    };
    let missing = links.view.respondents.len() as u64 - q.n;
    Asking {
        id: q.id.clone(),
        title: q.title.clone(),
        kind: kind.map_or("", |kind| w.kind(kind)),
        n: q.n,
        values: if hidden { Vec::new() } else { values.into_iter().map(counted).collect() },
        more,
        mean: q.mean.as_ref().and_then(|m| Average::of(m, matches!(kind, Some(Kind::Rating { .. })))),
        share: q.share.as_ref().filter(|_| !hidden).map(Share::of),
        hidden,
        opens: links.to(&[("question", &q.id)]).filter(|_| q.n > 0),
        silent: links.to(&[("question", &q.id), ("silent", "1")]).filter(|_| missing > 0),
    }
}

fn courses(view: &View, links: &Links<'_>, w: &SurveyText) -> Vec<Course> {
    let shares = grouped(&view.survey, &view.respondents, By::Month);
    let course = |measure: Measure| {
        let months: Vec<&GroupShare> = shares.iter().filter(|s| s.measure == measure).collect();
        // One month is no course.
        if months.len() < 2 {
            return None;
        }
        let question = view.question_of(measure)?;
        let moment = |s: &&GroupShare| Moment {
            label: s.group.clone(),
            share: s.share.value.filter(|_| s.share.shown()).map(|value| (value, s.share.interval)),
        };
        let moments: Vec<Moment> = months.iter().map(moment).collect();
        let month = |s: &&GroupShare| Month {
            label: s.group.clone(),
            share: Share::of(&s.share),
            opens: links.to(&[("question", &question.id), ("by", By::Month.code()), ("group", &s.group)]),
        };
        Some(Course {
            name: w.measure(measure),
            trend: Trend::of(format!("{} · {}", w.measure(measure), w.trend), &moments),
            months: months.iter().map(month).collect(),
        })
    };
    shared(&view.survey).filter_map(course).collect()
}

fn table(view: &View, links: &Links<'_>, by: By, measure: Measure, lang: Lang) -> Table {
    let w = lang.survey();
    let question = view.question_of(measure).map_or("", |q| &q.id);
    let mut shares: Vec<GroupShare> =
        grouped(&view.survey, &view.respondents, by).into_iter().filter(|s| s.measure == measure).collect();
    let competes = by == By::Unit;
    if competes {
        // The ranked ones first, by rank; then those too few to rank; last those too few to show. Within a rank by name.
        let place = |s: &GroupShare| match s.standing {
            Standing::Rank(rank) => (0, rank),
            Standing::Unranked => (1, 0),
            Standing::Hidden => (2, 0),
        };
        shares.sort_by_key(|s| (place(s), group_name(view, by, &s.group, lang)));
    }
    let row = |s: &GroupShare| {
        let shown = s.share.shown();
        let more = [("question", question), ("by", by.code()), ("group", &*s.group)];
        Ranked {
            name: group_name(view, by, &s.group, lang),
            rank: if competes { figure::rank(s.standing) } else { None },
            ranked: matches!(s.standing, Standing::Rank(_)),
            share: Share::of(&s.share),
            opens: links.to(&more).filter(|_| shown),
            good: links.to(&[more[0], more[1], more[2], ("good", "1")]).filter(|_| shown && s.share.numerator > 0),
        }
    };
    let (id, title, head) = match by {
        By::Unit => ("league", w.league, w.unit),
        By::Window => ("by-window", w.by_window, lang.text().window),
        By::Age => ("by-age", w.by_age, w.age_band),
        By::Mode => ("by-mode", w.by_mode, w.mode_head),
        By::Hour => ("by-hour", w.by_hour, w.hour),
        By::Month => ("by-month", w.trend, w.month),
    };
    Table { id, title, head, rows: shares.iter().map(row).collect() }
}

/// A group as people call it.
pub(super) fn group_name(view: &View, by: By, group: &str, lang: Lang) -> String {
    let w = lang.survey();
    if group.is_empty() {
        return w.unknown.to_owned();
    }
    match by {
        By::Unit => group.parse().map_or_else(|_| group.to_owned(), |unit| units::name(&view.directory, unit)),
        By::Window => {
            let window = view.windows.iter().find(|x| x.code.to_string() == group);
            window.map_or_else(|| group.to_owned(), |x| window_name(x, lang))
        }
        By::Mode => Mode::from_code(group).map_or(group, |mode| w.mode(mode)).to_owned(),
        By::Hour => format!("{group}:00–{group}:59"),
        By::Age | By::Month => group.to_owned(),
    }
}

/// `GET /results/export/{form}`: every figure of the page, a row each.
pub(in crate::web) async fn export(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path(form): Path<String>,
    Query(asked): Query<Asked>,
    page: Page,
) -> Result<Response, WebError> {
    let form = Form::from_code(&form)?;
    let lang = page.lang;
    let view = View::open(&state, &visitor, &asked, "results_export").await?.ok_or(WebError::NotFound)?;
    tokio::task::spawn_blocking(move || sheet(&view, lang)).await?.into_response(form)
}

fn sheet(view: &View, lang: Lang) -> Sheet {
    let w = lang.survey();
    let mut rows = Vec::new();
    let found = results(&view.survey, &view.respondents);
    let whole = |q: &QuestionResult| {
        let share = q.share.as_ref()?;
        let mut row = vec![Cell::text(&*q.title), Cell::text(w.everybody), Cell::text("")];
        row.extend(figure::cells(share));
        row.push(Cell::Empty);
        Some(row)
    };
    rows.extend(found.iter().filter_map(whole));
    let titles: BTreeMap<&str, &str> = view.survey.questions.iter().map(|q| (&*q.id, &*q.title)).collect();
    for by in [By::Unit, By::Window, By::Age, By::Mode, By::Hour, By::Month] {
        let head = match by {
            By::Unit => w.unit,
            By::Window => lang.text().window,
            By::Age => w.age_band,
            By::Mode => w.mode_head,
            By::Hour => w.hour,
            By::Month => w.month,
        };
        for s in grouped(&view.survey, &view.respondents, by) {
            let title = view.question_of(s.measure).and_then(|q| titles.get(&*q.id)).copied().unwrap_or_default();
            let mut row = vec![Cell::text(title), Cell::text(head), Cell::text(group_name(view, by, &s.group, lang))];
            row.extend(figure::cells(&s.share));
            let rank = if by == By::Unit { figure::rank(s.standing) } else { None };
            row.push(rank.map_or(Cell::Empty, |rank| Cell::Count(rank as u64)));
            rows.push(row);
        }
    }
    let head = [w.question, w.told_apart_by, w.group, w.good, w.answers, w.missing, w.share, w.low, w.high, w.rank];
    Sheet { name: "results".into(), head: head.map(str::to_owned).to_vec(), rows }
}

/// The field of a form, where it was given.
pub(super) fn given(field: &Option<String>) -> Option<&str> {
    form::text(field.as_deref())
}
