//! Questionnaires in the JSON interface: whoever submits a version does not approve it.

use axum::http::StatusCode;
use serde_json::json;

use super::office::{Office, name};
use crate::clock::wall;
use crate::store::approvals;
use crate::store::users::Role;
use crate::survey::Survey;
use crate::survey::example::CALLBACK;

#[tokio::test]
async fn two_people_sign() {
    let office = Office::open().await;
    let post = async |role, path: &str, body| office.tell(role, path, &body).await.status;
    let delivered = office.ask(Role::Evaluator, "/api/v1/surveys").await.json();
    let first = &delivered["items"][0];
    assert_eq!((&first["name"], &first["approved"]), (&json!("callback"), &json!(true)), "{delivered}");
    assert_eq!(first["approved_by"], "installation");
    assert_eq!(
        post(Role::Evaluator, "/api/v1/surveys", json!({ "survey": "callback" })).await,
        StatusCode::CONFLICT,
        "what is delivered needs no submission"
    );
    assert_eq!(
        post(Role::Evaluator, "/api/v1/surveys", json!({ "survey": "gone" })).await,
        StatusCode::UNPROCESSABLE_ENTITY
    );

    let survey = Survey::parse(&CALLBACK.replacen("办结回访", "秋季回访", 1)).unwrap_or_else(|p| panic!("{p:?}"));
    let approve = format!("/api/v1/surveys/{}/approve", survey.hash);
    assert_eq!(post(Role::Admin, &approve, json!(null)).await, StatusCode::NOT_FOUND);
    approvals::submit(&office.pool, &survey, name(Role::Evaluator), wall()).await.expect("submits");
    assert_eq!(post(Role::Evaluator, &approve, json!(null)).await, StatusCode::UNPROCESSABLE_ENTITY, "its author");
    assert_eq!(post(Role::Admin, &approve, json!(null)).await, StatusCode::OK);
    assert_eq!(post(Role::Admin, &approve, json!(null)).await, StatusCode::CONFLICT);
    let versions = office.ask(Role::Evaluator, "/api/v1/surveys").await.json();
    let version = versions["items"].as_array().expect("versions").iter().find(|v| v["hash"] == survey.hash.0);
    let version = version.expect("the version");
    assert_eq!((&version["approved"], &version["current"]), (&json!(true), &json!(false)));
    assert_eq!(version["approved_by"], name(Role::Admin));
}
