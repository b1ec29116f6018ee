//! What is found to be done, who does it, and what is told by telephone.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use crate::cases::{Hand, Move, NewCase, Order, Origin};
use crate::directory::Directory;
use crate::ids::{CallId, CaseNumber, PhoneNumber};
use crate::store::cases::move_case;
use crate::store::notices::{self, Notices};
use crate::store::records::{Record, SurveyAnswered};
use crate::store::tasks::{self, Outcome, TaskError};
use crate::store::testing::{self, TestDatabase, apply, by, noon, order, walk};
use crate::store::{campaigns, case_log, consent, dialling, escalate};
use crate::survey::{self, InterviewEnd, Mode, Plan, Survey};

const SHORT: Duration = Duration::from_secs(5);
const LEASE: Duration = Duration::from_secs(30);

/// A moment of the first week of March 2026, in China.
fn at(text: &str) -> DateTime<Utc> {
    format!("2026-03-{text}:00+08:00").parse().expect("a moment")
}

/// A call that began at `began`, was answered after two seconds or never, and ended after so many.
async fn call(pool: &PgPool, caller: Option<&str>, began: DateTime<Utc>, answered: bool, lasted: i64) -> Uuid {
    let id = Uuid::now_v7();
    sqlx::query(
        "INSERT INTO calls (id, line, caller, called, sip_call_id, flow, started_at, answered_at, ended_at, end_reason)
         VALUES ($1, '民心热线', $2, '12345', '', '', $3, $4, $5, 'caller')",
    )
    .bind(id)
    .bind(caller)
    .bind(began)
    .bind(answered.then_some(began + TimeDelta::seconds(2)))
    .bind(began + TimeDelta::seconds(lasted))
    .execute(pool)
    .await
    .expect("a call");
    id
}

async fn case(pool: &PgPool, serial: i64, origin: Origin) -> CaseNumber {
    let number = CaseNumber::from_serial(5_000_000 + serial);
    let draft = crate::cases::CaseDraft { origin, ..testing::draft(CallId::fresh()) };
    apply(pool, &Record::CaseOpened(NewCase { number, draft })).await;
    number
}

async fn gather(pool: &PgPool, now: DateTime<Utc>) -> u64 {
    let calendar = testing::directory(pool).await.calendar;
    tasks::gather(pool, &calendar, SHORT, now).await.expect("looks")
}

async fn open(pool: &PgPool) -> Vec<tasks::TaskRow> {
    tasks::open(pool, None, 99).await.expect("reads")
}

#[tokio::test]
async fn a_call_that_left_nothing_behind_is_rung_back() {
    let pool = TestDatabase::fresh().await.pool;
    let ringing = call(&pool, Some("13900000001"), at("02T10:00"), false, 20).await;
    call(&pool, Some("13900000001"), at("02T10:05"), false, 20).await; // The same resident, once more.
    call(&pool, Some("13900000002"), at("02T20:00"), true, 6).await; // Hung up before anything could be said.
    call(&pool, Some("13900000003"), at("02T10:00"), true, 60).await; // Asked how a case stands.
    call(&pool, None, at("02T10:00"), false, 20).await;
    assert_eq!(gather(&pool, at("02T20:01")).await, 2);
    assert_eq!(gather(&pool, at("02T20:02")).await, 0, "each is found once");
    let found = open(&pool).await;
    let told: Vec<_> = found.iter().map(|t| (t.kind.as_str(), t.number.as_deref(), t.due_at)).collect();
    // Within 30 minutes of office time: at once, or after the next morning's opening.
    let first = at("02T10:30") + TimeDelta::seconds(20);
    assert_eq!(told, [("missed", Some("13900000001"), first), ("missed", Some("13900000002"), at("03T09:00"))]);
    assert_eq!(found[0].call_id, Some(ringing));

    tasks::finish(&pool, found[0].id, "li", Outcome::Done, "已回电", at("03T08:40")).await.expect("done");
    assert_eq!(gather(&pool, at("03T08:41")).await, 0, "the second call was before the one back");
    call(&pool, Some("13900000001"), at("03T09:00"), false, 20).await;
    assert_eq!(gather(&pool, at("03T09:01")).await, 1, "and a third is another one");
}

#[tokio::test]
async fn whoever_was_heard_since_is_not_rung_back() {
    let pool = TestDatabase::fresh().await.pool;
    // The draft's resident opens a case at noon.
    call(&pool, Some("14008771234"), at("02T11:50"), false, 20).await;
    case(&pool, 0, Origin::Dialogue).await;
    assert_eq!(gather(&pool, at("02T12:01")).await, 0);
}

#[tokio::test]
async fn a_message_waits_until_its_resident_has_an_answer() {
    let pool = TestDatabase::fresh().await.pool;
    let number = case(&pool, 0, Origin::Person).await;
    case(&pool, 1, Origin::Dialogue).await;
    assert_eq!(gather(&pool, noon()).await, 1);
    let [task] = <[tasks::TaskRow; 1]>::try_from(open(&pool).await).expect("one");
    assert_eq!((task.kind.as_str(), task.case_number), ("message", Some(number.as_i64())));
    assert_eq!(task.due_at, at("02T14:30"), "offices are closed at noon");
    assert_eq!(tasks::settle(&pool, noon()).await.expect("settles"), 0);
    walk(&pool, number, 1, &[Move::Assign, Move::Accept, Move::Handle, Move::Answer]).await;
    assert_eq!(tasks::settle(&pool, noon()).await.expect("settles"), 1);
    assert_eq!((open(&pool).await.len(), gather(&pool, noon()).await), (0, 0));
}

#[tokio::test]
async fn a_task_is_one_persons_and_done_once() {
    let pool = TestDatabase::fresh().await.pool;
    call(&pool, Some("13900000001"), at("02T10:00"), false, 20).await;
    gather(&pool, at("02T10:01")).await;
    let id = open(&pool).await[0].id;
    let now = at("02T10:05");
    tasks::claim(&pool, id, "li", true, now).await.expect("claims");
    let wang = tasks::claim(&pool, id, "wang", true, now).await;
    assert!(matches!(wang, Err(TaskError::Taken(_))));
    assert!(matches!(tasks::finish(&pool, id, "wang", Outcome::Done, "x", now).await, Err(TaskError::Taken(_))));
    assert_eq!(tasks::open(&pool, Some("li"), 9).await.expect("reads").len(), 1);
    tasks::claim(&pool, id, "li", false, now).await.expect("lays it down");
    tasks::finish(&pool, id, "wang", Outcome::Unreachable, "三次无人接听", now).await.expect("does it");
    assert!(matches!(tasks::finish(&pool, id, "wang", Outcome::Done, "x", now).await, Err(TaskError::Taken(_))));
    assert!(matches!(tasks::claim(&pool, id + 1, "li", true, now).await, Err(TaskError::Unknown(_))));
    let trail: Vec<String> =
        sqlx::query_scalar("SELECT action FROM audit ORDER BY seq").fetch_all(&pool).await.expect("reads");
    assert_eq!(trail, ["task_claim", "task_release", "task_unreachable"]);
    assert!(sqlx::query("UPDATE tasks SET done_by = 'li'").execute(&pool).await.is_err(), "what was done stays");
    assert!(sqlx::query("DELETE FROM tasks").execute(&pool).await.is_err());
}

fn questionnaire(text: &str) -> Survey {
    Survey::parse(text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

async fn ring(pool: &PgPool, now: DateTime<Utc>) -> usize {
    let staff = questionnaire(include_str!("../../../config/surveys/notice.toml"));
    let extended = questionnaire(include_str!("../../../config/surveys/extended.toml"));
    notices::ring(pool, Notices { staff: &staff, extended: &extended }, now).await.expect("rings")
}

/// The dialler rings all that is due, and each is acknowledged.
async fn acknowledge(pool: &PgPool, now: DateTime<Utc>) -> Vec<String> {
    let mut rung = Vec::new();
    for claimed in dialling::claim_due(pool, 9, now, LEASE).await.expect("claims") {
        rung.push(claimed.number.reveal().to_owned());
        let answered = SurveyAnswered {
            attempt: claimed.attempt,
            ordinal: 0,
            sample: claimed.sample,
            question: "heard".into(),
            value: "yes".into(),
            mode: Mode::Key,
            latency_ms: None,
            at: now,
            reopens: None,
            call: None,
        };
        apply(pool, &Record::SurveyAnswered(answered)).await;
    }
    rung.sort();
    rung
}

/// The directory, in which the holders of the draft's post can be rung.
async fn reachable(pool: &PgPool) -> Directory {
    let change =
        "UPDATE persons SET phone = CASE WHEN id = (SELECT a_person_id FROM posts WHERE id = 7) THEN '13900000001'
                      WHEN id = (SELECT b_person_id FROM posts WHERE id = 7) THEN '13900000002' ELSE NULL END";
    sqlx::query(change).execute(pool).await.expect("telephones");
    testing::directory(pool).await
}

#[tokio::test]
async fn a_case_that_runs_out_of_time_is_told_by_telephone_each_step_once() {
    let pool = TestDatabase::fresh().await.pool;
    let directory = reachable(&pool).await;
    let number = case(&pool, 0, Origin::Dialogue).await; // Promised for the 16th.
    let step = async |now: &str| escalate::escalate(&pool, &directory, at(now)).await.expect("plans");
    let kinds = async || -> Vec<String> { open(&pool).await.into_iter().map(|t| t.kind).collect() };
    assert_eq!(step("06T10:00").await, 0);
    assert_eq!((step("13T17:00").await, step("13T17:01").await), (1, 0));
    assert_eq!(kinds().await, ["amber"]);
    assert_eq!((ring(&pool, at("13T17:02")).await, ring(&pool, at("13T17:03")).await), (1, 0));
    assert_eq!(acknowledge(&pool, at("13T17:05")).await, ["13900000001"]);
    assert_eq!(kinds().await, <[String; 0]>::default());
    let log: Vec<(String, serde_json::Value)> =
        sqlx::query_as("SELECT kind, detail FROM case_events WHERE seq > 1").fetch_all(&pool).await.expect("reads");
    assert_eq!(log, [("noted".to_owned(), serde_json::json!({"told": "amber", "promised": "2026-03-16"}))]);

    assert_eq!(step("17T00:01").await, 2);
    assert_eq!(kinds().await, ["red", "red_leader"], "B, and the duty post above");
    assert_eq!(ring(&pool, at("17T09:00")).await, 1, "whose telephone is not known, people must tell");
    // Answered before anybody was rung: nobody is any more.
    walk(&pool, number, 2, &[Move::Assign, Move::Accept, Move::Handle, Move::Answer]).await;
    assert_eq!(tasks::settle(&pool, at("17T09:01")).await.expect("settles"), 2);
    assert_eq!(acknowledge(&pool, at("17T09:02")).await, <[String; 0]>::default());
    assert_eq!(campaigns::recent(&pool, None, 9).await.expect("reads").len(), 0, "notices are no survey");
}

#[tokio::test]
async fn what_is_not_accepted_in_time_is_told_to_its_b() {
    let pool = TestDatabase::fresh().await.pool;
    let directory = reachable(&pool).await;
    let number = case(&pool, 0, Origin::Dialogue).await;
    walk(&pool, number, 1, &[Move::Assign]).await;
    assert_eq!(escalate::escalate(&pool, &directory, at("02T15:59")).await.expect("plans"), 0);
    assert_eq!(escalate::escalate(&pool, &directory, at("02T16:00")).await.expect("plans"), 1);
    assert_eq!(open(&pool).await[0].kind, "unaccepted");
    walk(&pool, number, 2, &[Move::Accept]).await;
    assert_eq!(tasks::settle(&pool, at("02T16:01")).await.expect("settles"), 1);
}

#[tokio::test]
async fn the_caller_is_told_of_a_new_day_and_the_log_says_so() {
    let pool = TestDatabase::fresh().await.pool;
    let number = case(&pool, 0, Origin::Dialogue).await;
    let later = Order { due_on: "2026-03-20".parse().ok(), ..order(Move::Extend) };
    move_case(&pool, by(number, 1), later, Hand::Leader).await.expect("extends");
    let found = open(&pool).await;
    assert_eq!((found.len(), found[0].kind.as_str(), found[0].due_at), (1, "extended", at("02T16:00")));
    assert_eq!(found[0].promised, "2026-03-20".parse().ok());
    // Whoever asked not to be rung is left to people.
    let wish = "INSERT INTO do_not_call (number, at, source) VALUES ('14008771234', now(), 'test')";
    sqlx::query(wish).execute(&pool).await.expect("a wish");
    assert_eq!(ring(&pool, noon()).await, 0);
    sqlx::query("DELETE FROM do_not_call").execute(&pool).await.expect("taken back");
    assert_eq!(ring(&pool, noon()).await, 1);
    let [claimed] =
        <[dialling::Claimed; 1]>::try_from(dialling::claim_due(&pool, 9, noon(), LEASE).await.expect("claims"))
            .expect("one");
    assert_eq!(claimed.number, PhoneNumber::parse("14008771234").expect("a number"));
    let subject = claimed.subject.expect("the case");
    assert_eq!((subject.number, subject.due_on.to_string().as_str()), (number, "2026-03-20"), "the new day is said");
    let mut heard = SurveyAnswered {
        attempt: claimed.attempt,
        ordinal: 0,
        sample: claimed.sample,
        question: "heard".into(),
        value: "no".into(),
        mode: Mode::Key,
        latency_ms: None,
        at: noon(),
        reopens: None,
        call: None,
    };
    apply(&pool, &Record::SurveyAnswered(heard.clone())).await;
    assert_eq!(open(&pool).await.len(), 1, "key 2 acknowledges nothing");
    (heard.ordinal, heard.value) = (1, "yes".into());
    for _ in 0..2 {
        apply(&pool, &Record::SurveyAnswered(heard.clone())).await;
    }
    assert_eq!(open(&pool).await.len(), 0);
    let outcome = survey::Outcome::Reached { answered: 1, applicable: 1, end: InterviewEnd::Thanked };
    let plan = Plan { disposition: outcome.disposition(), again_at: None };
    apply(&pool, &Record::AttemptEnded(claimed.ended(outcome, plan, noon()))).await;
    let ours = consent::our_calls(&pool, &claimed.number, noon()).await.expect("reads").expect("rung by us");
    assert_eq!(ours.revocable, <[i64; 0]>::default(), "there is no answer to take back");
    let withheld: i64 =
        sqlx::query_scalar("SELECT count(*) FROM withheld_calls").fetch_one(&pool).await.expect("reads");
    assert_eq!(withheld, 0, "nor a batch to wait for");
    let told: Vec<serde_json::Value> = sqlx::query_scalar("SELECT detail FROM case_events WHERE kind = 'noted'")
        .fetch_all(&pool)
        .await
        .expect("reads");
    assert_eq!(told, [serde_json::json!({"told": "extended", "promised": "2026-03-20"})]);
    assert_eq!(case_log::astray(&pool, 9).await.expect("reads"), []);
}
