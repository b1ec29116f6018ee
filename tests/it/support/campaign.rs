//! Campaigns by the store's own functions, and the way to the village that is rung.

use std::collections::BTreeMap;
use std::time::Duration;

use minxin::clock::wall;
use minxin::ids::PhoneNumber;
use minxin::store::campaigns::{self, NewCampaign, Sampled};
use minxin::survey::Survey;
use sqlx::PgPool;

use super::gateway::Gateway;
use super::repository;
use super::residents::Village;

/// Solved, attitude 5, overall 4, three trips, nothing more to say, nobody told me what to answer.
pub const CONTENT: &str = "1543#22";

/// Somebody's own number.
pub fn number(index: usize) -> String {
    format!("1390000{index:04}")
}

/// The database of a running gateway.
pub async fn database(gateway: &Gateway) -> PgPool {
    PgPool::connect(gateway.must(&["db", "url"]).trim()).await.expect("the database")
}

/// Makes a campaign of these numbers with the delivered questionnaire.
pub async fn create(pool: &PgPool, numbers: impl Iterator<Item = String>, attempts_max: u16) -> i64 {
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
        attempts_max,
        standing: false,
        created_by: "test".into(),
        sample: numbers.map(sampled).collect(),
    };
    campaigns::create(pool, &new, now).await.expect("a campaign")
}

/// The trunk to the village, and the switch that lets tests ring at any hour.
pub fn trunk(village: &Village, channels: usize, cps: u32) -> String {
    format!(
        "[[trunks]]\nname = \"village\"\naddress = \"{}\"\ncaller_id = \"12345\"\nchannels = {channels}\ncps = {cps}\n\
         [dialling]\nring_s = 5\n[survey]\nalways_open = true\n",
        village.addr()
    )
}

/// What these keys answer, by question, for a number without a case and with this draw: every other person hears the scales
/// turned round.
pub fn answered(keys: &str, draw: i64) -> BTreeMap<String, String> {
    let mut keys = keys.chars();
    let mut given = BTreeMap::new();
    for question in ["solved", "attitude", "overall", "trips", "more", "coached"] {
        // 8 asks not to be rung again.
        let Some(key) = keys.next().filter(|key| *key != '8') else { break };
        let value = match question {
            "attitude" | "overall" if draw & 1 == 1 => (6 - key.to_digit(10).expect("a level")).to_string(),
            "trips" if keys.next() != Some('#') => break,
            "attitude" | "overall" | "trips" => key.to_string(),
            _ => if key == '1' { "yes" } else { "no" }.to_owned(),
        };
        given.insert(question.to_owned(), value);
    }
    given
}

/// What was answered at each number, by question, and the number's disposition.
pub async fn found(pool: &PgPool, campaign: i64) -> BTreeMap<String, (String, BTreeMap<String, String>)> {
    let rows: Vec<(String, String, Option<String>, Option<String>)> = sqlx::query_as(
        "SELECT s.number, s.disposition, a.question, a.value FROM sample AS s LEFT JOIN answers AS a ON a.sample_id = s.id
         WHERE s.campaign_id = $1 ORDER BY s.number, a.ordinal",
    )
    .bind(campaign)
    .fetch_all(pool)
    .await
    .expect("the sample");
    let mut found: BTreeMap<String, (String, BTreeMap<String, String>)> = BTreeMap::new();
    for (number, disposition, question, value) in rows {
        let (_, given) = found.entry(number).or_insert((disposition, BTreeMap::new()));
        given.extend(question.zip(value));
    }
    found
}

/// The draw of each number.
pub async fn draws(pool: &PgPool, campaign: i64) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> = sqlx::query_as("SELECT number, draw FROM sample WHERE campaign_id = $1")
        .bind(campaign)
        .fetch_all(pool)
        .await
        .expect("the sample");
    rows.into_iter().collect()
}

/// Waits until nobody is left to ring.
pub async fn finished(pool: &PgPool, campaign: i64, gateway: &Gateway, within: Duration) {
    let done = async {
        while campaigns::progress(pool, campaign).await.expect("progress").remaining > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(within, done).await.unwrap_or_else(|_| panic!("not done\n{}", gateway.log()));
}
