//! A campaign against real telephones: every kind of person, counted as what it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use minxin::clock::wall;
use minxin::ids::PhoneNumber;
use minxin::store::campaigns::{self, NewCampaign, Sampled};
use minxin::survey::Survey;
use sqlx::PgPool;

use crate::support::gateway::Gateway;
use crate::support::repository;
use crate::support::residents::{Habit, Village};

/// Longest campaign of these tests.
const CAMPAIGN: Duration = Duration::from_secs(90);

/// Solved, attitude 5, overall 4, three trips, nothing more to say, nobody told me what to answer.
const CONTENT: &str = "1543#22";

/// What a number is to come to: its AAPOR code, and its answers.
struct Truth {
    habit: Habit,
    code: &'static str,
    answers: &'static [(&'static str, &'static str)],
}

/// The answers of [`CONTENT`] where key 1 is the worst of a scale, and where it is the best.
fn truths() -> BTreeMap<String, Truth> {
    let all = |habit, code, answers| Truth { habit, code, answers };
    let full = &[("solved", "yes"), ("trips", "3"), ("more", "no"), ("coached", "no")];
    [
        all(Habit::Keys(CONTENT), "1.1", full),
        all(Habit::Keys(CONTENT), "1.1", full),
        all(Habit::Busy, "3.12", &[]),
        all(Habit::Declines, "2.11", &[]),
        all(Habit::Away, "3.13", &[]),
        all(Habit::NoSuchNumber, "4.31", &[]),
        all(Habit::HangsUpAfter(""), "2.11", &[]),
        all(Habit::HangsUpAfter("1"), "2.12", &[("solved", "yes")]),
        all(Habit::HangsUpAfter("155"), "1.2", &[("solved", "yes")]),
        all(Habit::Keys("18"), "2.11", &[("solved", "yes")]),
        all(Habit::Machine("tests/data/answered/machine.02.wav"), "3.14", &[]),
    ]
    .into_iter()
    .enumerate()
    .map(|(at, truth)| (number(at), truth))
    .collect()
}

fn number(index: usize) -> String {
    format!("1390000{index:04}")
}

/// Makes a campaign of these numbers, one attempt each.
async fn campaign(pool: &PgPool, numbers: impl Iterator<Item = String>) -> i64 {
    let body = std::fs::read_to_string(repository("config/surveys/callback.toml")).expect("the questionnaire");
    let survey = Survey::parse(&body).expect("a sound questionnaire");
    let now = wall();
    let sampled = |number: String| Sampled::new(PhoneNumber::parse(&number).expect("a number"), None, now);
    let new = NewCampaign {
        survey: survey.name.clone(),
        hash: survey.hash,
        body,
        trunk: "village".into(),
        seed: 7,
        attempts_max: 1,
        standing: false,
        created_by: "test".into(),
        sample: numbers.map(sampled).collect(),
    };
    campaigns::create(pool, &new, now).await.expect("a campaign")
}

/// The trunk to the village, and the switch that lets tests ring at any hour.
fn trunk(village: &Village, channels: usize) -> String {
    format!(
        "[[trunks]]\nname = \"village\"\naddress = \"{}\"\ncaller_id = \"12345\"\nchannels = {channels}\ncps = 20\n\
         [dialling]\nring_s = 5\n[survey]\nalways_open = true\n",
        village.addr()
    )
}

async fn finished(pool: &PgPool, campaign: i64, gateway: &Gateway) {
    let done = async {
        while campaigns::progress(pool, campaign).await.expect("progress").remaining > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(CAMPAIGN, done).await.unwrap_or_else(|_| panic!("not done\n{}", gateway.log()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_person_counts_as_what_it_is() {
    let truths = truths();
    let village = Village::new(truths.iter().map(|(n, truth)| (n.clone(), truth.habit.clone())).collect()).await;
    let gateway = tokio::task::block_in_place(|| Gateway::start_with_more(&trunk(&village, 20)));
    let pool = PgPool::connect(gateway.must(&["db", "url"]).trim()).await.expect("the database");
    let id = campaign(&pool, truths.keys().cloned()).await;
    finished(&pool, id, &gateway).await;

    let rows: Vec<(String, String)> = sqlx::query_as("SELECT number, disposition FROM sample WHERE campaign_id = $1")
        .bind(id)
        .fetch_all(&pool)
        .await
        .expect("the sample");
    let found: BTreeMap<String, String> = rows.into_iter().collect();
    let expected: BTreeMap<String, String> = truths.iter().map(|(n, t)| (n.clone(), t.code.to_owned())).collect();
    assert_eq!(found, expected, "{}", gateway.log());
    for (number, truth) in &truths {
        let answers: Vec<(String, String)> = sqlx::query_as(
            "SELECT question, value FROM answers AS a JOIN sample AS s ON s.id = a.sample_id WHERE s.number = $1",
        )
        .bind(number)
        .fetch_all(&pool)
        .await
        .expect("the answers");
        let answers: BTreeSet<(&str, &str)> = answers.iter().map(|(q, v)| (q.as_str(), v.as_str())).collect();
        for answer in truth.answers {
            assert!(answers.contains(answer), "{number}: {answer:?} is not in {answers:?}");
        }
    }
    assert_eq!(village.rung(), truths.keys().map(|n| (n.clone(), 1)).collect(), "each number rings once");
    let refusing: Vec<String> =
        sqlx::query_scalar("SELECT number FROM do_not_call").fetch_all(&pool).await.expect("a list");
    assert_eq!(refusing, [number(9)]);
    let log = gateway.log();
    assert!(!truths.keys().any(|number| log.contains(number.as_str())), "a number in the log\n{log}");
}
