//! One answer: what was asked, what was keyed or said, and its place in the recording.

use askama::Template;
use axum::extract::{Extension, Path, State};
use axum::response::Response;
use chrono::TimeDelta;
use uuid::Uuid;

use super::super::access::{Right, Visitor};
use super::super::calls::window_name;
use super::super::error::WebError;
use super::super::page::{Page, render};
use super::super::text::Text;
use super::super::text::survey::SurveyText;
use super::super::{WebState, mask, show, trail};
use super::evidence::seconds;
use super::units;
use crate::store::evidence::{self, Answered};
use crate::store::{read_office, results};
use crate::survey::{Draw, Kind, Mode, REMARK_MAX, Survey};

/// Sound heard after the answer was known, in milliseconds: the end of the last key or word.
const AFTER_MS: i64 = 1_500;

/// Where the question's beginning is not known, what is heard before the answer, in milliseconds.
const BEFORE_MS: i64 = 15_000;

/// Most segments of the transcript shown.
const SEGMENTS_MAX: i64 = 100;

struct Said {
    caller: bool,
    clock: String,
    text: String,
}

/// The part of the recording in which the answer was given, in seconds as media fragments have it (W3C Media Fragments URI,
/// §4.2.1).
struct Part {
    from: String,
    until: String,
    clock: String,
    sha256: String,
}

#[derive(Template)]
#[template(path = "evaluation/heard.html")]
struct HeardPage {
    page: Page,
    t: &'static Text,
    w: &'static SurveyText,
    call: String,
    campaign: i64,
    case: Option<i64>,
    title: String,
    asked: String,
    value: String,
    mode: &'static str,
    keys: String,
    latency: String,
    at: String,
    number: String,
    unit: String,
    window: String,
    age: String,
    /// Which way the scale was read out; `None`: it has none.
    scale: Option<&'static str>,
    replaced: bool,
    withdrawn: bool,
    known: bool,
    part: Option<Part>,
    said: Vec<Said>,
}

/// `GET /results/answers/{id}/{question}`.
pub(in crate::web) async fn show(
    State(state): State<WebState>,
    Extension(visitor): Extension<Visitor>,
    Path((attempt, question)): Path<(Uuid, String)>,
    page: Page,
) -> Result<Response, WebError> {
    let answer = evidence::answer(&state.pool, attempt, &question).await?.ok_or(WebError::NotFound)?;
    let body = results::version_body(&state.pool, &answer.survey_hash).await?.ok_or(WebError::NotFound)?;
    let survey = Survey::parse(&body).map_err(|problems| WebError::Survey(format!("{problems:?}")))?;
    let (_, asked) = survey.question(&question).ok_or(WebError::NotFound)?;
    trail::append(&state, &visitor, "answer", &format!("call/{attempt}"), &question).await?;
    let (t, w) = (page.lang.text(), page.lang.survey());
    let span = span(&state, attempt, &question, &answer, matches!(asked.kind, Kind::Remark)).await?;
    let (keys, said) = match span {
        None => (Vec::new(), Vec::new()),
        Some((from, until)) => (
            evidence::keys(&state.pool, attempt, from, until).await?,
            evidence::said(&state.pool, attempt, from, until, SEGMENTS_MAX).await?,
        ),
    };
    let directory = (state.directory)();
    let windows = read_office::windows(&state.pool).await?;
    let window = answer.window_code.and_then(|code| windows.iter().find(|x| x.code == code));
    render(&HeardPage {
        call: attempt.to_string(),
        campaign: answer.campaign_id,
        case: answer.case_number,
        title: asked.title.clone(),
        asked: super::surveys::spoken(&state.book, &asked.say, w),
        value: w.value(&asked.kind, &answer.value),
        mode: Mode::from_code(&answer.mode).map_or("", |mode| w.mode(mode)),
        keys: keys.join(" "),
        latency: answer.latency_ms.map(seconds).unwrap_or_default(),
        at: show::exact(answer.at),
        number: mask::phone(Some(&answer.number)).unwrap_or_default(),
        unit: answer.unit_id.map(|unit| units::name(&directory, unit)).unwrap_or_default(),
        window: window.map(|x| window_name(x, page.lang)).unwrap_or_default(),
        age: answer.age_band.clone().unwrap_or_default(),
        scale: scale(&asked.kind, Draw(answer.draw.cast_unsigned()), w),
        replaced: answer.replaced,
        withdrawn: answer.withdrawn,
        known: answer.answered_at.is_some(),
        part: span.filter(|_| answer.recording_path.is_some()).map(|(from, until)| Part {
            from: format!("{:.1}", from as f64 / 1e3),
            until: format!("{:.1}", until.min(answer.recording_ms.unwrap_or(until)) as f64 / 1e3),
            clock: format!("{}–{}", show::span(from), show::span(until)),
            sha256: answer.recording_sha256.clone().unwrap_or_default(),
        }),
        said: said
            .into_iter()
            .map(|s| Said { caller: s.channel == 0, clock: show::span(s.start_ms), text: mask::mask(&s.text) })
            .collect(),
        page,
        t,
        w,
    })
}

/// From the question's beginning to just after its answer, in milliseconds since the answer of the call, which is where the
/// recording begins; `None`: nothing is known of the call.
async fn span(
    state: &WebState,
    attempt: Uuid,
    question: &str,
    answer: &Answered,
    remark: bool,
) -> Result<Option<(i64, i64)>, WebError> {
    let Some(answered_at) = answer.answered_at else { return Ok(None) };
    let given = (answer.at - answered_at).max(TimeDelta::zero()).num_milliseconds();
    let longest = if remark { i64::try_from(REMARK_MAX.as_millis()).unwrap_or(BEFORE_MS) } else { BEFORE_MS };
    let began = evidence::began(&state.pool, attempt, question, given).await?;
    Ok(Some((began.unwrap_or_else(|| (given - longest).max(0)), given + AFTER_MS)))
}

fn scale(kind: &Kind, draw: Draw, w: &SurveyText) -> Option<&'static str> {
    match kind {
        Kind::Rating { .. } => Some(if draw.down() { w.scale_down } else { w.scale_up }),
        Kind::YesNo | Kind::Choice { .. } | Kind::Number { .. } | Kind::Remark => None,
    }
}
