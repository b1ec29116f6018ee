//! Campaigns by the JSON interface.

use axum::http::StatusCode;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::office::Office;
use crate::clock::wall;
use crate::store::dialling;
use crate::store::users::Role;

async fn make(office: &Office, body: Value) -> (StatusCode, Value) {
    let answer = office.tell(Role::Evaluator, "/api/v1/campaigns", &body).await;
    (answer.status, answer.json())
}

fn three() -> Value {
    json!({ "survey": "callback", "trunk": "main",
            "sample": [{ "number": "13900000001" }, { "number": "139-0000-0002" }, { "number": "13900000003" }] })
}

#[tokio::test]
async fn a_campaign_is_made_watched_and_stopped() {
    let office = Office::open().await;
    let mut body = three();
    body["sample"][0]["case"] = json!(office.case.as_i64());
    body["sample"][1]["case"] = json!(office.case.to_string());
    let (status, made) = make(&office, body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let id = made["id"].as_i64().expect("a key");
    let path = format!("/api/v1/campaigns/{id}");
    let campaign = office.ask(Role::Evaluator, &path).await.json();
    assert_eq!(
        (&campaign["state"], &campaign["total"], &campaign["remaining"]),
        (&json!("running"), &json!(3), &json!(3))
    );
    assert_eq!(campaign["dispositions"], json!({ "3.11": 3 }));
    assert_eq!((&campaign["rates"]["RR1"], &campaign["rates"]["COOP1"]), (&json!(0.0), &Value::Null));
    assert_eq!(office.ask(Role::Admin, "/api/v1/campaigns").await.json()["items"][0]["id"], json!(id));

    let claimed =
        dialling::claim_due(&office.pool, 1, wall(), std::time::Duration::from_secs(60)).await.expect("claims");
    assert_eq!(claimed[0].subject.map(|s| s.number), Some(office.case));
    for (action, state) in [("pause", "paused"), ("resume", "running"), ("pause", "paused"), ("stop", "stopped")] {
        let answer = office.tell(Role::Evaluator, &format!("{path}/{action}"), &Value::Null).await;
        assert_eq!((answer.status, &answer.json()["state"]), (StatusCode::OK, &json!(state)), "{action}");
    }
    let again = office.tell(Role::Evaluator, &format!("{path}/resume"), &Value::Null).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert_eq!(office.ask(Role::Evaluator, &path).await.json()["remaining"], json!(1), "the call under way");
    let trail: Vec<_> = office.trail().await.into_iter().map(|(_, action, _)| action).collect();
    assert_eq!(trail[0], "campaign_stopped");
    assert!(trail.contains(&"campaign_create".to_owned()));
}

#[tokio::test]
async fn results_tell_counts_means_and_intervals() {
    let office = Office::open().await;
    let sample: Vec<_> = (0..8).map(|n| json!({ "number": format!("1390000{n:04}") })).collect();
    let mut body = three();
    body["sample"] = sample.into();
    let unit: i64 = sqlx::query_scalar("SELECT min(id) FROM organisations WHERE level = 'village'")
        .fetch_one(&office.pool)
        .await
        .expect("a village");
    for sampled in body["sample"].as_array_mut().expect("a sample") {
        sampled["unit"] = json!(unit);
    }
    let (status, made) = make(&office, body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let claimed =
        dialling::claim_due(&office.pool, 8, wall(), std::time::Duration::from_secs(60)).await.expect("claims");
    for (claimed, level) in claimed.iter().zip([5, 5, 4, 4, 3, 2]) {
        for (ordinal, question, value) in [(0, "solved", "yes".to_owned()), (1, "overall", level.to_string())] {
            sqlx::query(
                "INSERT INTO answers (attempt_id, ordinal, sample_id, question, value, mode, at)
                 VALUES ($1, $2, $3, $4, $5, 'key', $6)",
            )
            .bind(claimed.attempt.0)
            .bind(ordinal)
            .bind(claimed.sample)
            .bind(question)
            .bind(value)
            .bind(wall() + TimeDelta::seconds(1))
            .execute(&office.pool)
            .await
            .expect("an answer");
        }
    }
    let path = format!("/api/v1/campaigns/{}/results?by=unit", made["id"]);
    let results = office.ask(Role::Evaluator, &path).await.json();
    let overall =
        results["questions"].as_array().expect("questions").iter().find(|q| q["id"] == "overall").expect("it");
    assert_eq!((&overall["n"], &overall["counts"]["5"], &overall["counts"]["1"]), (&json!(6), &json!(2), &json!(0)));
    let mean = overall["mean"].as_f64().expect("a mean");
    assert!((mean - 23.0 / 6.0).abs() < 1e-9, "{mean}");
    assert!(overall["interval"]["low"].as_f64().expect("an end") < mean);
    assert_eq!(overall["share"]["numerator"], json!(4));
    let satisfied =
        results["groups"].as_array().expect("groups").iter().find(|g| g["measure"] == "satisfied").expect("it");
    assert_eq!((&satisfied["group"], &satisfied["share"]["denominator"]), (&json!(unit.to_string()), &json!(6)));
    assert_eq!(satisfied["rank"], Value::Null, "six answers are no league");
    assert_eq!(office.ask(Role::Evaluator, &path.replace("unit", "colour")).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_cannot_be_rung_is_refused_and_says_why() {
    let office = Office::open().await;
    let refused = async |change: fn(&mut Value), why: &str| {
        let mut body = three();
        change(&mut body);
        let (status, answer) = make(&office, body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
        let error = answer["error"].as_str().expect("a reason").to_owned();
        assert!(error.contains(why), "{error}");
    };
    refused(|b| b["survey"] = json!("nobody"), "survey: there is no questionnaire `nobody`").await;
    refused(|b| b["trunk"] = json!("none"), "trunk: there is no trunk `none`").await;
    refused(|b| b["sample"] = json!([]), "1 to 200000 numbers").await;
    refused(|b| b["sample"][1]["number"] = json!("anonymous"), "sample[1].number").await;
    refused(|b| b["sample"][2]["case"] = json!("12345678"), "sample[2].case: the check digit").await;
    refused(|b| b["sample"][2]["case"] = json!(55_000_001), "sample[2]").await;
    refused(|b| b["sample"][0]["unit"] = json!(-5), "unit or window").await;
    refused(|b| b["sample"][2]["number"] = json!("13900000001"), "sample[2]: the number stands there twice").await;
    refused(|b| b["attempts"] = json!(6), "attempts").await;
    let unknown = office.ask(Role::Evaluator, "/api/v1/campaigns/4711").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}
