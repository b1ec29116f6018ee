//! Figures over time, of persons and of one's own unit; and every figure opens the answers that make it.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::office::Office;
use crate::clock::wall;
use crate::store::dialling;
use crate::store::users::Role;

/// A campaign of the office's one case, rung and answered; its key and the case's village.
async fn answered(office: &Office) -> (i64, i64) {
    let village: i64 = sqlx::query_scalar("SELECT min(id) FROM organisations WHERE level = 'village'")
        .fetch_one(&office.pool)
        .await
        .expect("a village");
    let number = |n: u32| format!("1390000{n:04}");
    let case = office.case.to_string();
    let sample: Vec<Value> =
        (0..7).map(|n| json!({ "number": number(n), "case": &case, "unit": village, "age_band": "60+" })).collect();
    let body = json!({ "survey": "callback", "trunk": "main", "sample": sample, "seed": 3 });
    let made = office.tell(Role::Evaluator, "/api/v1/campaigns", &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let id = made.json()["id"].as_i64().expect("a key");
    let claimed = dialling::claim_due(&office.pool, 9, wall(), Duration::from_secs(60)).await.expect("claims");
    assert_eq!(claimed.len(), 7);
    for (n, claimed) in claimed.iter().enumerate() {
        sqlx::query("INSERT INTO answers (attempt_id, ordinal, sample_id, question, value, mode, at) VALUES ($1, 0, $2, 'solved', $3, 'key', now())")
            .bind(claimed.attempt.0)
            .bind(claimed.sample)
            .bind(if n < 5 { "yes" } else { "no" })
            .execute(&office.pool)
            .await
            .expect("an answer");
    }
    (id, village)
}

#[tokio::test]
async fn every_figure_opens_what_makes_it() {
    let office = Office::open().await;
    let (id, village) = answered(&office).await;
    let month = wall().with_timezone(&crate::clock::china()).format("%Y-%m").to_string();
    let trend = office.ask(Role::Evaluator, "/api/v1/trends?survey=callback").await.json();
    let point = &trend["months"][0];
    assert_eq!((&point["measure"], &point["key"], &point["numerator"]), (&json!("solved"), &json!(month), &json!(5)));
    let elsewhere = office.ask(Role::Evaluator, "/api/v1/trends?survey=callback&unit=-1").await.json();
    assert_eq!(elsewhere["months"], json!([]));

    let persons = office.ask(Role::Evaluator, &format!("/api/v1/campaigns/{id}/persons")).await.json();
    let (share, post) = (&persons["shares"][0], &persons["posts"][0]);
    assert_eq!((&share["denominator"], &share["rank"]), (&json!(7), &Value::Null), "seven are no league");
    assert_eq!(share["key"], post["post"].to_string());
    assert!(post["person"].as_str().is_some_and(|name| !name.is_empty()), "{persons}");

    for (by, group) in [("unit", village.to_string()), ("mode", "key".into()), ("age", "60%2B".into())] {
        let path = format!("/api/v1/campaigns/{id}/evidence?measure=solved&by={by}&group={group}");
        let evidence = office.ask(Role::Evaluator, &path).await.json();
        let items = evidence["items"].as_array().expect("answers");
        let good = items.iter().filter(|item| item["good"] == true).count();
        assert_eq!((items.len(), good), (7, 5), "{path}: {evidence}");
        assert_eq!((&evidence["denominator"], &evidence["numerator"]), (&json!(7), &json!(5)), "{path}");
    }
    let path = format!("/api/v1/campaigns/{id}/evidence?measure=solved&by=mode&group=speech");
    assert_eq!(office.ask(Role::Evaluator, &path).await.json()["items"], json!([]));
    let unknown = office.ask(Role::Evaluator, &format!("/api/v1/campaigns/{id}/evidence?measure=colour")).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    assert_eq!(office.trail().await[0].1, "results");
}

/// N1, R12.5: a unit's people see its shares once the campaign is over, and no call of it before.
#[tokio::test]
async fn a_unit_sees_its_own_aggregates_once_the_batch_is_closed() {
    let office = Office::open().await;
    let (id, village) = answered(&office).await;
    let call: uuid::Uuid =
        sqlx::query_scalar("SELECT id FROM attempts LIMIT 1").fetch_one(&office.pool).await.expect("an attempt");
    sqlx::query(
        "INSERT INTO calls (id, line, called, sip_call_id, flow, started_at) VALUES ($1, '回访', 'main', '', '', now())",
    )
    .bind(call)
    .execute(&office.pool)
    .await
    .expect("a call");
    let own = format!("/api/v1/units/{village}/results");
    let one = format!("/api/v1/calls/{call}");
    let listed = async |role| office.ask(role, "/api/v1/calls").await.text().contains(&call.to_string());
    assert_eq!(office.ask(Role::Operator, &own).await.json()["shares"], json!([]));
    for path in [one.clone(), format!("{one}/transcript"), format!("{one}/recording.wav")] {
        assert_eq!(office.ask(Role::Operator, &path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(office.get(Role::Operator, &format!("/calls/{call}")).await.status, StatusCode::NOT_FOUND);
    assert!(!office.get(Role::Operator, "/calls").await.text().contains(&call.to_string()));
    assert_eq!((listed(Role::Operator).await, listed(Role::Evaluator).await), (false, true));
    assert_eq!(office.ask(Role::Evaluator, &one).await.status, StatusCode::OK);

    sqlx::query("UPDATE sample SET state = 'done', leased_until = NULL, disposition = '1.1' WHERE campaign_id = $1")
        .bind(id)
        .execute(&office.pool)
        .await
        .expect("an end");
    let figures = office.ask(Role::Operator, &own).await.json();
    let share = &figures["shares"][0];
    assert_eq!(
        (&share["key"], &share["numerator"], &share["denominator"]),
        (&json!(id.to_string()), &json!(5), &json!(7))
    );
    assert!(!figures.to_string().contains("sample") && !figures.to_string().contains(&call.to_string()), "{figures}");
    assert_eq!(office.ask(Role::Operator, &one).await.status, StatusCode::OK);
    assert!(listed(Role::Operator).await);
}
