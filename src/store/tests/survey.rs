//! Numbers to ring: claimed once, rung once, ended once.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

use crate::cases::{Move, NewCase};
use crate::ids::{CallId, CaseNumber, PhoneNumber};
use crate::store::apply::apply;
use crate::store::campaigns::{self, CampaignError, CampaignState, NewCampaign, Sampled};
use crate::store::dialling::{self, Claimed};
use crate::store::disclosures::{self, DisclosureError, Publication};
use crate::store::records::{AnswersWithdrawn, DoNotCall, Record, Retaken, SurveyAnswered};
use crate::store::testing::{self, TestDatabase, noon, walk};
use crate::store::{consent, population, results};
use crate::survey::disclosure::Disclosure;
use crate::survey::{Disposition, InterviewEnd, Mode, Outcome, Plan, Survey, Windows, plan};

const LEASE: Duration = Duration::from_secs(120);
pub(super) const CALLBACK: &str = include_str!("../../../config/surveys/callback.toml");

pub(super) fn number(last: u32) -> PhoneNumber {
    PhoneNumber::parse(&format!("1390877{last:04}")).expect("a number")
}

pub(super) fn campaign(sample: Vec<Sampled>) -> NewCampaign {
    let survey = Survey::parse(CALLBACK).unwrap_or_else(|p| panic!("{p:?}"));
    NewCampaign {
        survey: survey.name,
        hash: survey.hash,
        body: survey.body,
        trunk: "main".into(),
        seed: 11,
        attempts_max: 5,
        standing: false,
        created_by: "li".into(),
        sample,
    }
}

/// A campaign of so many numbers that are due.
async fn waiting(pool: &PgPool, count: u32) -> i64 {
    let sample = (0..count).map(|n| Sampled::new(number(n), None, noon())).collect();
    campaigns::create(pool, &campaign(sample), noon()).await.expect("a campaign")
}

pub(super) async fn claim(pool: &PgPool, limit: i64, now: DateTime<Utc>) -> Vec<Claimed> {
    dialling::claim_due(pool, limit, now, LEASE).await.expect("claims")
}

pub(super) async fn write(pool: &PgPool, record: Record) {
    let mut tx = pool.begin().await.expect("begins");
    apply(&mut tx, [&record]).await.expect("applies");
    tx.commit().await.expect("commits");
}

pub(super) fn answer(claimed: &Claimed, ordinal: i16, question: &str, value: &str) -> Record {
    Record::SurveyAnswered(SurveyAnswered {
        attempt: claimed.attempt,
        ordinal,
        sample: claimed.sample,
        question: question.into(),
        value: value.into(),
        mode: Mode::Key,
        latency_ms: Some(1_200),
        at: noon() + TimeDelta::seconds(i64::from(ordinal)),
        reopens: None,
        call: None,
    })
}

pub(super) fn ended(claimed: &Claimed, outcome: Outcome, again_at: Option<DateTime<Utc>>) -> Record {
    let plan = Plan { disposition: outcome.disposition(), again_at };
    Record::AttemptEnded(claimed.ended(outcome, plan, noon() + TimeDelta::minutes(2)))
}

pub(super) const COMPLETE: Outcome = Outcome::Reached { answered: 6, applicable: 6, end: InterviewEnd::Thanked };

async fn standing(pool: &PgPool, id: i64) -> (i64, Vec<(&'static str, u64)>) {
    let progress = campaigns::progress(pool, id).await.expect("progress");
    (progress.remaining, progress.dispositions.into_iter().map(|(d, n)| (d.code(), n)).collect())
}

#[tokio::test]
async fn claims_never_share_a_number() {
    let pool = TestDatabase::fresh().await.pool;
    waiting(&pool, 30).await;
    let claims = (0..6).map(|_| {
        let pool = pool.clone();
        tokio::spawn(async move { claim(&pool, 5, noon()).await })
    });
    let mut numbers = Vec::new();
    for claimed in claims.collect::<Vec<_>>() {
        numbers.extend(claimed.await.expect("ends").into_iter().map(|c| c.number.reveal().to_owned()));
    }
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 30);
    assert_eq!(claim(&pool, 5, noon()).await, []);
}

#[tokio::test]
async fn a_number_of_two_campaigns_is_rung_by_one_at_a_time() {
    let pool = TestDatabase::fresh().await.pool;
    waiting(&pool, 1).await;
    waiting(&pool, 1).await;
    let [first] = <[Claimed; 1]>::try_from(claim(&pool, 9, noon()).await).expect("one");
    assert_eq!(claim(&pool, 9, noon()).await, []);
    // Nobody answered, so that the other campaign may try.
    write(&pool, ended(&first, Outcome::NoAnswer, Some(noon() + TimeDelta::hours(3)))).await;
    let [second] = <[Claimed; 1]>::try_from(claim(&pool, 9, noon()).await).expect("the other one");
    assert_ne!(second.campaign, first.campaign);
    write(&pool, ended(&second, COMPLETE, None)).await;
    // A household is surveyed once in seven days, and twice in thirty.
    assert_eq!(claim(&pool, 9, noon() + TimeDelta::days(6)).await, []);
    assert_eq!(claim(&pool, 9, noon() + TimeDelta::days(8)).await.len(), 1);
}

#[tokio::test]
async fn a_household_is_surveyed_twice_in_thirty_days_at_most() {
    let pool = TestDatabase::fresh().await.pool;
    let household = "INSERT INTO households (id, org_id, head, phone, member_id)
        SELECT 900001, min(o.id), '某', $1, (SELECT min(id) FROM persons) FROM organisations AS o";
    sqlx::query(household).bind(number(0).reveal()).execute(&pool).await.expect("a household");
    let mut now = noon();
    for expected in [1, 1, 0] {
        campaigns::create(&pool, &campaign(vec![Sampled::new(number(0), None, now)]), now).await.expect("a campaign");
        let claimed = claim(&pool, 9, now).await;
        assert_eq!(claimed.len(), expected, "at {now}");
        for claimed in claimed {
            let plan = Plan { disposition: Disposition::Complete, again_at: None };
            write(&pool, Record::AttemptEnded(claimed.ended(COMPLETE, plan, now))).await;
        }
        now += TimeDelta::days(8);
    }
    assert_eq!(claim(&pool, 9, noon() + TimeDelta::days(31)).await.len(), 1);
}

#[tokio::test]
async fn an_end_counts_once_and_what_is_answered_is_kept() {
    let pool = TestDatabase::fresh().await.pool;
    let id = waiting(&pool, 1).await;
    let [claimed] = <[Claimed; 1]>::try_from(claim(&pool, 1, noon()).await).expect("one");
    assert_eq!((claimed.attempts_max, claimed.trunk.as_str(), claimed.before.len()), (5, "main", 0));
    assert_eq!(claimed.survey_body, CALLBACK);
    let broken = Outcome::Reached { answered: 2, applicable: 6, end: InterviewEnd::HungUp };
    let again = noon() + TimeDelta::days(1);
    for _ in 0..2 {
        write(&pool, answer(&claimed, 0, "solved", "yes")).await;
        write(&pool, answer(&claimed, 1, "solved", "no")).await;
        write(&pool, answer(&claimed, 2, "attitude", "4")).await;
        write(&pool, ended(&claimed, broken, Some(again))).await;
    }
    assert_eq!(standing(&pool, id).await, (1, vec![("2.12", 1)]));
    assert_eq!(claim(&pool, 1, again - TimeDelta::minutes(1)).await, []);

    let [second] = <[Claimed; 1]>::try_from(claim(&pool, 1, again).await).expect("again");
    let given = [("attitude", "4"), ("solved", "no")].map(|(q, v)| (q.to_owned(), v.to_owned()));
    assert_eq!(second.given, given, "the last answer to each question");
    assert_eq!(second.before.iter().map(|a| a.outcome).collect::<Vec<_>>(), [broken]);
    // The end of the first attempt, told once more, does not end the second.
    write(&pool, ended(&claimed, broken, None)).await;
    assert_eq!(campaigns::progress(&pool, id).await.expect("progress").calling, 1);
    write(&pool, ended(&second, COMPLETE, None)).await;
    assert_eq!(standing(&pool, id).await, (0, vec![("1.1", 1)]));
    let respondents = results::respondents(&pool, id).await.expect("reads");
    let values: Vec<_> = respondents[0].given.iter().map(|g| (g.question.as_str(), g.value.as_str())).collect();
    assert_eq!(values, [("attitude", "4"), ("solved", "no")]);
}

#[tokio::test]
async fn a_crash_rings_nobody_twice() {
    let pool = TestDatabase::fresh().await.pool;
    let id = waiting(&pool, 2).await;
    let claimed = claim(&pool, 2, noon()).await;
    let late = noon() + LEASE + TimeDelta::seconds(1);
    assert!(dialling::renew(&pool, claimed[0].attempt, late + LEASE).await.expect("renews"), "one call still lives");
    // The gateway is gone: nobody rings the other number without its first attempt being ended.
    assert_eq!(claim(&pool, 9, late).await, []);
    let lost = dialling::lost(&pool, late).await.expect("reads");
    assert_eq!(lost.iter().map(|l| l.attempt).collect::<Vec<_>>(), [claimed[1].attempt]);
    let attempts = [crate::survey::Attempt { at: lost[0].started_at, outcome: Outcome::Lost }];
    let plan = plan(&attempts, 5, &Windows::always(), late);
    write(&pool, Record::AttemptEnded(lost[0].ended(Outcome::Lost, plan, late))).await;
    assert_eq!(dialling::lost(&pool, late).await.expect("reads"), []);
    assert_eq!(standing(&pool, id).await, (2, vec![("3.11", 1), ("3.16", 1)]));
    assert!(!dialling::renew(&pool, claimed[1].attempt, late + LEASE).await.expect("asks"), "it has ended");
}

#[tokio::test]
async fn who_asks_not_to_be_rung_is_not_rung_by_any_campaign() {
    let pool = TestDatabase::fresh().await.pool;
    let first = waiting(&pool, 2).await;
    let claimed = claim(&pool, 1, noon()).await.remove(0);
    let wish = DoNotCall { call: claimed.attempt, number: claimed.number.clone(), at: noon() };
    write(&pool, Record::DoNotCall(wish)).await;
    // The attempt's own plan would ring again.
    write(&pool, ended(&claimed, Outcome::NoAnswer, Some(noon()))).await;
    assert!(dialling::refuses_calls(&pool, &claimed.number).await.expect("reads"));
    let second = waiting(&pool, 2).await;
    let left: Vec<_> = claim(&pool, 9, noon()).await.into_iter().map(|c| c.number).collect();
    assert_eq!(left, [number(1)], "the other number, once");
    assert_eq!(standing(&pool, first).await.0, 1);
    assert_eq!(standing(&pool, second).await, (1, vec![("2.11", 1), ("3.11", 1)]));
}

#[tokio::test]
async fn a_dissatisfied_answer_reopens_the_case_and_somebody_rings_back() {
    let pool = TestDatabase::fresh().await.pool;
    let case = CaseNumber::from_serial(5_000_000);
    write(&pool, Record::CaseOpened(NewCase { number: case, draft: testing::draft(CallId::fresh()) })).await;
    walk(&pool, case, 1, &[Move::Assign, Move::Accept, Move::Handle, Move::Answer, Move::Close]).await;
    campaigns::create(&pool, &campaign(vec![Sampled::new(number(0), Some(case), noon())]), noon()).await.expect("made");
    let claimed = claim(&pool, 1, noon()).await.remove(0);
    let subject = claimed.subject.expect("a case");
    assert_eq!((subject.number, subject.opened_on.to_string().as_str()), (case, "2026-03-02"));
    let Record::SurveyAnswered(mut answered) = answer(&claimed, 0, "solved", "no") else { panic!("an answer") };
    answered.reopens = Some(case);
    for _ in 0..2 {
        write(&pool, Record::SurveyAnswered(answered.clone())).await;
    }
    let (state, version): (String, i32) =
        sqlx::query_as("SELECT state, version FROM cases").fetch_one(&pool).await.expect("reads");
    assert_eq!((state.as_str(), version), ("handling", 7));
    let tasks: Vec<(String, i64)> =
        sqlx::query_as("SELECT reason, case_number FROM callback_tasks").fetch_all(&pool).await.expect("reads");
    assert_eq!(tasks, [("dissatisfied".to_owned(), case.as_i64())]);
    // A second one finds the case being worked on, and is noted.
    answered.ordinal = 1;
    write(&pool, Record::SurveyAnswered(answered)).await;
    let kinds: Vec<String> =
        sqlx::query_scalar("SELECT kind FROM case_events WHERE actor = 'gateway' AND kind <> 'opened' ORDER BY seq")
            .fetch_all(&pool)
            .await
            .expect("reads");
    assert_eq!(kinds, ["moved", "noted"]);
}

#[tokio::test]
async fn campaigns_pause_resume_and_stop_for_good() {
    let pool = TestDatabase::fresh().await.pool;
    let id = waiting(&pool, 3).await;
    let set = |to| campaigns::set_state(&pool, id, to, "li", noon());
    set(CampaignState::Paused).await.expect("pauses");
    assert_eq!(claim(&pool, 1, noon()).await, []);
    set(CampaignState::Running).await.expect("resumes");
    assert_eq!(claim(&pool, 1, noon()).await.len(), 1);
    set(CampaignState::Stopped).await.expect("stops");
    assert_eq!(claim(&pool, 9, noon()).await, []);
    assert_eq!(standing(&pool, id).await.0, 1, "the call under way");
    assert!(matches!(set(CampaignState::Running).await, Err(CampaignError::Stopped(_))));
    assert!(matches!(
        campaigns::set_state(&pool, 999, CampaignState::Paused, "li", noon()).await,
        Err(CampaignError::Unknown(999))
    ));
}

#[tokio::test]
async fn a_resident_learns_that_it_was_us() {
    let pool = TestDatabase::fresh().await.pool;
    waiting(&pool, 1).await;
    let asked = async |text: &str, at| {
        let number = PhoneNumber::parse(text).expect("a number");
        consent::our_calls(&pool, &number, at).await.expect("reads").map(|ours| ours.last.at)
    };
    assert_eq!(asked("13908770000", noon()).await, None);
    let claimed = claim(&pool, 1, noon()).await.remove(0);
    for written in ["13908770000", "+8613908770000", "8613908770000", "013908770000"] {
        assert_eq!(asked(written, noon()).await, Some(noon()), "{written}");
    }
    assert_eq!(asked("13908770001", noon()).await, None);
    assert_eq!(asked("13908770000", noon() + TimeDelta::days(8)).await, None);
    write(&pool, ended(&claimed, Outcome::TrunkFault, Some(noon()))).await;
    assert_eq!(asked("13908770000", noon()).await, None, "no telephone rang");
}

/// N1: by key, in a call of one's own; once, within a day, and in no figure from then on.
#[tokio::test]
async fn a_resident_takes_answers_back_or_gives_them_anew() {
    let pool = TestDatabase::fresh().await.pool;
    let case = CaseNumber::from_serial(5_000_000);
    write(&pool, Record::CaseOpened(NewCase { number: case, draft: testing::draft(CallId::fresh()) })).await;
    let sample = vec![Sampled::new(number(0), Some(case), noon()), Sampled::new(number(1), None, noon())];
    let id = campaigns::create(&pool, &campaign(sample), noon()).await.expect("a campaign");
    let mut claimed = claim(&pool, 2, noon()).await;
    claimed.sort_by_key(|claimed| claimed.sample);
    let ours = async |n, hours| {
        let at = noon() + TimeDelta::hours(hours);
        consent::our_calls(&pool, &number(n), at).await.expect("reads").expect("we rang")
    };
    let broken = Outcome::Reached { answered: 1, applicable: 6, end: InterviewEnd::HungUp };
    for (n, claimed) in (0..).zip(&claimed) {
        write(&pool, answer(claimed, 0, "solved", "yes")).await;
        assert_eq!(ours(n, 1).await.revocable, Vec::<i64>::new(), "the call is under way");
        write(&pool, ended(claimed, broken, Some(noon() + TimeDelta::days(1)))).await;
    }
    let found = ours(0, 23).await;
    assert_eq!((found.last.case.map(|c| c.0), found.last.revocable), (Some(case), true));
    assert_eq!(found.revocable, [claimed[0].sample]);
    assert_eq!((ours(0, 25).await.revocable, ours(0, 25).await.last.revocable), (vec![], false), "too late");

    // The second one gives other answers, twice as everything may be applied twice.
    let read = consent::interviewed(&pool, claimed[1].sample).await.expect("reads").expect("an interview");
    assert_eq!((read.attempt, read.draw), (claimed[1].attempt, claimed[1].draw));
    let call = CallId::fresh();
    for _ in 0..2 {
        for (ordinal, question, value) in [(0, "solved", "no"), (1, "attitude", "2")] {
            let Record::SurveyAnswered(anew) = answer(&read, ordinal, question, value) else { unreachable!() };
            let at = noon() + TimeDelta::hours(2);
            write(&pool, Record::SurveyAnswered(SurveyAnswered { call: Some(call), at, ..anew })).await;
        }
        let sample = read.sample;
        write(&pool, Record::Retaken(Retaken { call, sample, disposition: "1.1".into() })).await;
    }
    assert_eq!(standing(&pool, id).await, (1, vec![("1.1", 1), ("2.12", 1)]), "not rung again");
    let withdrawn = AnswersWithdrawn { call, samples: found.revocable, at: noon() + TimeDelta::hours(3) };
    for _ in 0..2 {
        write(&pool, Record::AnswersWithdrawn(withdrawn.clone())).await;
    }
    assert_eq!(ours(0, 4).await.revocable, Vec::<i64>::new(), "once");
    assert_eq!(standing(&pool, id).await, (0, vec![("1.1", 1), ("2.11", 1)]));
    let respondents = results::respondents(&pool, id).await.expect("reads");
    let [second] = &respondents[..] else { panic!("{respondents:?}") };
    let given: Vec<_> = second.given.iter().map(|g| (g.question.as_str(), g.value.as_str(), g.attempt)).collect();
    assert_eq!(given, [("attitude", "2", call.0), ("solved", "no", call.0)], "in the call in which it can be heard");
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM answers").fetch_one(&pool).await.expect("counts");
    assert_eq!(kept, 4, "what was recorded stays");
    let what = Publication {
        campaign: id,
        title: "九月回访".into(),
        scope: "红塔区".into(),
        objections: ("2026-03-10".parse().expect("a day"), "2026-03-20".parse().expect("a day")),
        actor: "li".into(),
    };
    let (frozen, _) = disclosures::freeze(&pool, &what, noon()).await.expect("freezes");
    let (disclosure, _) = disclosures::read(&pool, frozen).await.expect("reads").expect("it");
    assert_eq!((disclosure.withdrawn, disclosure.evidence.len()), (Some(1), 1));
}

#[tokio::test]
async fn answers_are_taken_back_within_a_day() {
    let pool = TestDatabase::fresh().await.pool;
    let id = waiting(&pool, 2).await;
    for claimed in claim(&pool, 2, noon()).await {
        write(&pool, answer(&claimed, 0, "solved", "yes")).await;
        write(&pool, ended(&claimed, COMPLETE, None)).await;
    }
    let take_back = |n, hours| {
        let (pool, number) = (pool.clone(), number(n));
        async move {
            consent::withdraw(&pool, &number, "li", "想改", noon() + TimeDelta::hours(hours)).await.expect("asks")
        }
    };
    assert_eq!(take_back(0, 25).await, 0, "too late");
    assert_eq!(take_back(0, 23).await, 1);
    assert_eq!(take_back(0, 23).await, 0, "once");
    assert_eq!(standing(&pool, id).await, (0, vec![("1.1", 1), ("2.11", 1)]));
    let left: Vec<i64> = results::respondents(&pool, id).await.expect("reads").into_iter().map(|r| r.sample).collect();
    assert_eq!(left.len(), 1);
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM answers").fetch_one(&pool).await.expect("counts");
    assert_eq!(kept, 2, "what was recorded stays");
}

#[tokio::test]
async fn figures_are_frozen_once_nobody_is_rung_any_more() {
    let pool = TestDatabase::fresh().await.pool;
    let id = waiting(&pool, 6).await;
    let what = Publication {
        campaign: id,
        title: "九月回访".into(),
        scope: "红塔区".into(),
        objections: ("2026-03-10".parse().expect("a day"), "2026-03-20".parse().expect("a day")),
        actor: "li".into(),
    };
    assert!(matches!(disclosures::freeze(&pool, &what, noon()).await, Err(DisclosureError::Open { remaining: 6, .. })));
    for claimed in claim(&pool, 6, noon()).await {
        write(&pool, answer(&claimed, 0, "overall", "5")).await;
        write(&pool, ended(&claimed, COMPLETE, None)).await;
    }
    let (first, hash) = disclosures::freeze(&pool, &what, noon()).await.expect("freezes");
    let (second, _) = disclosures::freeze(&pool, &what, noon()).await.expect("freezes");
    let (disclosure, stored) = disclosures::read(&pool, second).await.expect("reads").expect("it");
    assert_eq!(disclosure.previous, hash, "each names the one before");
    let text = serde_json::to_string(&disclosure).expect("a text");
    let (_, recomputed) = Disclosure::verify(&text, Some(&stored)).unwrap_or_else(|d| panic!("{d:?}"));
    assert_eq!(recomputed, stored);
    assert!(!text.contains("1390877"), "no numbers");
    assert_eq!(disclosures::read(&pool, first).await.expect("reads").expect("it").0.figures.len(), 1);
}

#[tokio::test]
async fn closed_cases_are_followed_and_drawn_from() {
    let pool = TestDatabase::fresh().await.pool;
    let standing = NewCampaign { standing: true, ..campaign(vec![]) };
    let id = campaigns::create(&pool, &standing, noon() - TimeDelta::days(1)).await.expect("a campaign");
    assert!(matches!(campaigns::create(&pool, &standing, noon()).await, Err(CampaignError::Standing)));
    let windows = Windows::always();
    assert_eq!(population::follow_closed(&pool, &windows).await.expect("follows"), 0);
    let case = CaseNumber::from_serial(5_000_000);
    write(&pool, Record::CaseOpened(NewCase { number: case, draft: testing::draft(CallId::fresh()) })).await;
    walk(&pool, case, 1, &[Move::Assign, Move::Accept, Move::Handle, Move::Answer, Move::Close]).await;
    for expected in [1, 0] {
        assert_eq!(population::follow_closed(&pool, &windows).await.expect("follows"), expected);
    }
    assert_eq!(claim(&pool, 9, noon()).await, [], "not on the same day");
    let claimed = claim(&pool, 9, noon() + TimeDelta::days(1)).await;
    assert_eq!(
        claimed.iter().map(|c| (c.campaign, c.subject.map(|s| s.number))).collect::<Vec<_>>(),
        [(id, Some(case))]
    );
    let closed = async |from: &str, until: &str| {
        let day = |text: &str| text.parse().expect("a day");
        population::closed_cases(&pool, day(from), day(until), noon()).await.expect("reads")
    };
    let population = closed("2026-03-02", "2026-03-02").await;
    assert_eq!(population.iter().map(|s| s.case).collect::<Vec<_>>(), [Some(case)]);
    assert_eq!(closed("2026-03-03", "2026-03-09").await, []);
}

#[tokio::test]
async fn a_sample_that_cannot_be_is_refused() {
    let pool = TestDatabase::fresh().await.pool;
    let unknown = CaseNumber::from_serial(6_000_000);
    let good = || Sampled::new(number(1), None, noon());
    let make = async |sample| campaigns::create(&pool, &campaign(sample), noon()).await.expect_err("refused");
    let case = make(vec![good(), Sampled::new(number(2), Some(unknown), noon())]).await;
    assert!(matches!(case, CampaignError::UnknownCase { at: 1, .. }), "{case}");
    let twice = make(vec![good(), good()]).await;
    assert!(matches!(twice, CampaignError::Twice(1)), "{twice}");
    assert!(matches!(make(vec![]).await, CampaignError::Size(0)));
    let made: i64 = sqlx::query_scalar("SELECT count(*) FROM campaigns").fetch_one(&pool).await.expect("counts");
    assert_eq!(made, 0, "a refused campaign leaves nothing");
}

#[tokio::test]
async fn the_database_guards_what_was_answered() {
    let pool = TestDatabase::fresh().await.pool;
    waiting(&pool, 1).await;
    let claimed = claim(&pool, 1, noon()).await.remove(0);
    write(&pool, answer(&claimed, 0, "solved", "yes")).await;
    write(&pool, ended(&claimed, COMPLETE, None)).await;
    for statement in [
        "UPDATE answers SET value = 'no'",
        "DELETE FROM answers",
        "UPDATE attempts SET disposition = '1.2'",
        "UPDATE attempts SET ended_at = NULL, outcome = NULL, disposition = NULL",
        "UPDATE surveys SET body = ''",
        "UPDATE sample SET state = 'calling'",
        "INSERT INTO answers SELECT attempt_id, 1, sample_id, question, value, 'guess', latency_ms, at FROM answers",
    ] {
        assert!(sqlx::query(statement).execute(&pool).await.is_err(), "accepted: {statement}");
    }
}
