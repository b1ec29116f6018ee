//! The inbox of cases.

use askama::Template;
use axum::extract::{Extension, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;

use super::access::{Right, Visitor};
use super::calls::{Choice, window_choices, window_name};
use super::error::WebError;
use super::page::{Page, cut, render};
use super::text::{Lang, Text};
use super::{WebState, form, mask, show};
use crate::cases::{Light, State as CaseState, light};
use crate::clock;
use crate::directory::Calendar;
use crate::ids::CaseNumber;
use crate::store::read_cases::{self, CaseFilter, CaseRow};
use crate::store::read_office::{self, PostRow, WindowRow};

/// Rows on one page.
const PAGE_ROWS: i64 = 50;
/// Cases looked at in one query, and in all, for the amber ones.
const SCAN_ROWS: i64 = 500;
const SCAN_MOST: i64 = 10_000;
/// Characters of a summary that a row shows.
const ABOUT_LIMIT: usize = 80;
/// The filter's value for every state in which somebody still has to act.
const OPEN: &str = "open";

/// What a reader may ask for.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Asked {
    state: Option<String>,
    window: Option<String>,
    owner: Option<String>,
    view: Option<String>,
    q: Option<String>,
    before: Option<String>,
}

/// The questions with which people come to the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    All,
    /// Of the posts that the reader holds.
    Mine,
    Amber,
    Red,
    Returned,
    /// Their residents wait to be rung.
    Callback,
}

struct Row {
    number: i64,
    state: &'static str,
    state_code: String,
    kind: String,
    window: Option<String>,
    about: String,
    place: String,
    owner: String,
    owner_org: String,
    due: Due,
    returned: bool,
    supervised: bool,
    opened: String,
    exact: String,
}

/// How a promise stands.
pub(super) struct Due {
    /// The last day.
    pub day: String,
    /// `late`, `soon`, `fine` or `done`.
    pub tone: &'static str,
    /// In words; empty once the case is closed.
    pub words: String,
}

#[derive(Template)]
#[template(path = "cases.html")]
struct CasesPage {
    page: Page,
    t: &'static Text,
    rows: Vec<Row>,
    states: Vec<Choice>,
    windows: Vec<Choice>,
    owners: Vec<Owners>,
    views: Vec<Choice>,
    mine: bool,
    words: String,
    filtered: bool,
    first: bool,
    older: Option<String>,
}

/// The posts of one organisation, as choices.
pub(super) struct Owners {
    /// The organisation.
    pub org: String,
    /// Its posts.
    pub posts: Vec<Choice>,
}

/// `GET /cases`.
pub(super) async fn list(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<Asked>,
    page: Page,
) -> Result<Response, WebError> {
    let t = page.lang.text();
    let text = |field: &Option<String>| form::text(field.as_deref()).unwrap_or_default().to_owned();
    let (wanted, window, owner, words) = (text(&asked.state), text(&asked.window), text(&asked.owner), text(&asked.q));
    // A whole case number among the words leads straight to the case.
    if words.parse::<CaseNumber>().is_ok() {
        return Ok(Redirect::to(&format!("/cases/{words}")).into_response());
    }
    if words.chars().count() > form::LINE_LIMIT {
        return Err(WebError::BadRequest { field: "q" });
    }
    if !(wanted.is_empty() || wanted == OPEN || CaseState::from_code(&wanted).is_some()) {
        return Err(WebError::BadRequest { field: "state" });
    }
    let now = clock::wall();
    let view = match form::text(asked.view.as_deref()) {
        None => View::All,
        Some(code) => View::from_code(code).ok_or(WebError::BadRequest { field: "view" })?,
    };
    let today = show::day(now);
    let filter = CaseFilter {
        state: form::text(Some(&wanted)).map(str::to_owned),
        window: form::number("window", Some(&window))?,
        owner: form::number("owner", Some(&owner))?,
        due_before: (view == View::Red).then_some(today),
        due_from: (view == View::Amber).then_some(today),
        holder: (view == View::Mine).then_some(visitor.user),
        returned: view == View::Returned,
        callback: view == View::Callback,
        words: form::text(Some(&words)).map(str::to_owned),
        before: form::number("before", asked.before.as_deref())?,
    };
    let first = filter.before.is_none();
    let directory = (state.directory)();
    let mut cases = match view {
        View::Amber => amber(&state, filter, now, &directory.calendar).await?,
        View::All | View::Mine | View::Red | View::Returned | View::Callback => {
            read_cases::cases(&state.pool, &filter, PAGE_ROWS + 1).await?
        }
    };
    let more = cut(&mut cases, PAGE_ROWS);
    let older = cases.last().filter(|_| more).map(|last| {
        let before = last.number.to_string();
        let fields = [
            ("state", &*wanted),
            ("window", &window),
            ("owner", &owner),
            ("view", view.code()),
            ("q", &words),
            ("before", &before),
        ];
        format!("/cases{}", form::query(fields))
    });
    let windows = read_office::windows(&state.pool).await?;
    let posts = read_office::posts(&state.pool).await?;
    let open = Choice { value: OPEN.to_owned(), label: t.open_states.to_owned(), chosen: wanted == OPEN };
    let states = CaseState::ALL.into_iter().map(|s| Choice {
        value: s.code().to_owned(),
        label: t.case_state(s).to_owned(),
        chosen: wanted == s.code(),
    });
    render(&CasesPage {
        t,
        rows: cases.into_iter().map(|c| row(c, t, page.lang, &windows, now, &directory.calendar)).collect(),
        states: std::iter::once(open).chain(states).collect(),
        windows: window_choices(&windows, page.lang, &window),
        owners: owners(posts, owner.parse().ok()),
        filtered: view != View::All || [&wanted, &window, &owner, &words].iter().any(|f| !f.is_empty()),
        views: View::LISTED.into_iter().map(|v| v.choice(t, view)).collect(),
        mine: view == View::Mine,
        words,
        first,
        older,
        page,
    })
}

/// The newest cases that are amber, one more than a page holds where there are more. How much office time is gone is reckoned
/// here, so cases are looked through in portions, [`SCAN_MOST`] at most.
async fn amber(
    state: &WebState,
    mut filter: CaseFilter,
    now: DateTime<Utc>,
    calendar: &Calendar,
) -> Result<Vec<CaseRow>, WebError> {
    let mut found = Vec::new();
    for _ in 0..SCAN_MOST / SCAN_ROWS {
        let portion = read_cases::cases(&state.pool, &filter, SCAN_ROWS).await?;
        let Some(last) = portion.last() else { break };
        filter.before = Some(last.number);
        found.extend(portion.into_iter().filter(|case| light_of(case, now, calendar) == Some(Light::Amber)));
        if found.len() > PAGE_ROWS as usize {
            break;
        }
    }
    Ok(found)
}

impl View {
    const LISTED: [Self; 6] = [Self::All, Self::Mine, Self::Amber, Self::Red, Self::Returned, Self::Callback];

    /// As in the address; empty for all.
    fn code(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Mine => "mine",
            Self::Amber => "amber",
            Self::Red => "red",
            Self::Returned => "returned",
            Self::Callback => "callback",
        }
    }

    fn from_code(code: &str) -> Option<Self> {
        Self::LISTED.into_iter().find(|view| view.code() == code)
    }

    fn choice(self, t: &'static Text, chosen: Self) -> Choice {
        let label = match self {
            Self::All => t.all,
            Self::Mine => t.view_mine,
            Self::Amber => t.view_amber,
            Self::Red => t.overdue,
            Self::Returned => t.returned,
            Self::Callback => t.view_callback,
        };
        Choice { value: self.code().to_owned(), label: label.to_owned(), chosen: self == chosen }
    }
}

/// The posts as choices, by organisation.
pub(super) fn owners(posts: Vec<PostRow>, chosen: Option<i64>) -> Vec<Owners> {
    let mut owners: Vec<Owners> = Vec::new();
    for post in posts {
        let choice = Choice {
            value: post.id.to_string(),
            label: format!("{}（A {} / B {}）", post.title, post.a, post.b),
            chosen: chosen == Some(post.id),
        };
        match owners.last_mut() {
            Some(last) if last.org == post.org => last.posts.push(choice),
            Some(_) | None => owners.push(Owners { org: post.org, posts: vec![choice] }),
        }
    }
    owners
}

/// How a promise stands at `now`: the light of the case, and the day in words.
pub(super) fn due(
    due_on: NaiveDate,
    state: Option<CaseState>,
    light: Option<Light>,
    now: DateTime<Utc>,
    t: &Text,
) -> Due {
    let day = due_on.format("%Y-%m-%d").to_string();
    let tone = match light {
        None => {
            // The resident has an answer: the clock stands still, or has come to its end.
            let waits = matches!(state, Some(CaseState::Answered | CaseState::FollowUp));
            let words = if waits { t.clock_stopped.to_owned() } else { String::new() };
            return Due { day, tone: "done", words };
        }
        Some(Light::Green) => "fine",
        Some(Light::Amber) => "soon",
        Some(Light::Red) => "late",
    };
    let words = match (due_on - show::day(now)).num_days() {
        0 => t.due_today.to_owned(),
        1 => t.due_tomorrow.to_owned(),
        days @ 2.. => format!("{days} {}", t.days_left),
        days => format!("{} {}", -days, t.days_over),
    };
    Due { day, tone, words }
}

/// The light of a case in a list; `None` while its clock stands still.
pub(super) fn light_of(case: &CaseRow, now: DateTime<Utc>, calendar: &Calendar) -> Option<Light> {
    let runs = CaseState::from_code(&case.state).is_some_and(|state| !state.is_answered());
    runs.then(|| light(case.clock_from, case.due_on, now, calendar))
}

fn row(
    case: CaseRow,
    t: &'static Text,
    lang: Lang,
    windows: &[WindowRow],
    now: DateTime<Utc>,
    calendar: &Calendar,
) -> Row {
    let state = CaseState::from_code(&case.state);
    let light = light_of(&case, now, calendar);
    Row {
        number: case.number,
        state: state.map_or("", |s| t.case_state(s)),
        kind: t.kind(&case.kind).to_owned(),
        window: case.window_code.and_then(|code| windows.iter().find(|w| w.code == code)).map(|w| window_name(w, lang)),
        about: show::cut(&mask::mask(&case.summary), ABOUT_LIMIT),
        place: mask::mask(&case.place),
        owner: case.owner,
        owner_org: case.owner_org,
        due: due(case.due_on, state, light, now, t),
        returned: case.returns > 0,
        supervised: case.supervised,
        opened: show::stamp(case.opened_at, now),
        exact: show::exact(case.opened_at),
        state_code: case.state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_has_its_light_and_its_day_in_words() {
        let now = "2026-11-24T16:30:00Z".parse::<DateTime<Utc>>().expect("a time"); // The 25th in China.
        let t = Lang::Zh.text();
        let check = |day: &str, state, light, tone, words: &str| {
            let due = due(day.parse().expect("a day"), Some(state), light, now, t);
            assert_eq!((due.tone, &*due.words), (tone, words), "{day} {state}");
        };
        use CaseState::{Answered, Archived, Closed, Handling};
        check("2026-11-24", Handling, Some(Light::Red), "late", &format!("1 {}", t.days_over));
        check("2026-11-25", Handling, Some(Light::Amber), "soon", t.due_today);
        check("2026-11-26", Handling, Some(Light::Green), "fine", t.due_tomorrow);
        check("2027-01-27", Handling, Some(Light::Green), "fine", &format!("63 {}", t.days_left));
        check("2026-11-24", Answered, None, "done", t.clock_stopped);
        check("2026-11-24", Closed, None, "done", "");
        check("2026-11-24", Archived, None, "done", "");
    }
}
