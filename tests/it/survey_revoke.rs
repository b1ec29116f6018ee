//! Residents who were interviewed ring the hotline from the same number, and take their answers back or give others (N1, N14).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::campaign::{CONTENT, create, database, draws, finished, found, number, trunk};
use crate::support::gateway::Gateway;
use crate::support::residents::{Habit, Village};

/// `#` after the welcome, then the offer's key over the offer.
const WITHDRAWS: &str = "6.5:#,13:1";

/// The same with the other key; then every question anew: not solved, key 1 on both scales, no way made, nothing to say, told
/// by nobody.
const RETAKES: &str = "6.5:#,13:2,19:2,21.5:1,24:1,26.5:0,27.5:#,30:2,32.5:2";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_taken_back_and_given_anew_by_ringing_in() {
    let people: Vec<String> = (0..2).map(number).collect();
    let village = Village::new(people.iter().map(|n| (n.clone(), Habit::Keys(CONTENT))).collect()).await;
    let gateway = tokio::task::block_in_place(|| Gateway::start_with_more(&trunk(&village, 2, 2)));
    let pool = database(&gateway).await;
    let id = create(&pool, people.iter().cloned(), 1).await;
    finished(&pool, id, &gateway, Duration::from_secs(60)).await;

    let (withdrawn, anew) = tokio::task::block_in_place(|| {
        let ring = |from: &str, keys: &str, lasts: &str| {
            gateway.dial("12345", &["--from", from, "--dtmf", keys, "--duration", lasts])
        };
        let withdraws = ring(&people[0], WITHDRAWS, "24");
        // Other ways of writing one number are one number.
        let retakes = ring(&format!("+86{}", people[1]), RETAKES, "45");
        (withdraws.hang_up(), retakes.hang_up())
    });
    withdrawn.heard().must_have(&["survey.check.ours", "survey.check.withdrawn", "progress.ask"]);
    anew.heard().must_have(&["survey.check.ours", "survey.check.again", "survey.about_service", "survey.thanks"]);

    let reasons: Vec<(String, String)> =
        sqlx::query_as("SELECT s.number, w.reason FROM answer_withdrawals AS w JOIN sample AS s ON s.id = w.sample_id")
            .fetch_all(&pool)
            .await
            .expect("the withdrawals");
    let [(who, reason)] = &reasons[..] else { panic!("{reasons:?}\n{}", gateway.log()) };
    assert!(who == &people[0] && reason.starts_with("call/"), "{reason}");
    let found = found(&pool, id).await;
    assert_eq!(found[&people[0]].0, "2.11", "who takes back counts as having refused");
    let level = if draws(&pool, id).await[&people[1]] & 1 == 1 { "5" } else { "1" };
    let given: Vec<(String, String)> = sqlx::query_as(
        "SELECT DISTINCT ON (question) question, value FROM answers AS a JOIN sample AS s ON s.id = a.sample_id
         WHERE s.number = $1 ORDER BY question, at DESC",
    )
    .bind(&people[1])
    .fetch_all(&pool)
    .await
    .expect("the answers");
    let expected = [("solved", "no"), ("attitude", level), ("overall", level), ("trips", "0"), ("more", "no")];
    let mut expected: BTreeMap<_, _> = expected.map(|(q, v)| (q.to_owned(), v.to_owned())).into();
    expected.insert("coached".into(), "no".into());
    assert_eq!(BTreeMap::from_iter(given), expected, "{}", gateway.log());
    assert_eq!(found[&people[1]].0, "1.1");
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM case_events").fetch_one(&pool).await.expect("a count");
    assert_eq!(left, 0, "nobody who came for this is owed a case");
}
