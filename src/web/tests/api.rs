//! The JSON interface, as scripts rely on it.

use axum::http::StatusCode;
use serde_json::json;

use super::office::{MASKED, Office, PLANTED};
use crate::store::users::Role;

#[tokio::test]
async fn things_have_the_shape_that_scripts_rely_on() {
    let office = Office::open().await;
    let ask = async |path: &str| office.ask(Role::Operator, path).await.json();
    let lines = ask("/api/v1/lines").await;
    assert_eq!(lines["items"][0]["numbers"][0], "12345");
    let calls = ask("/api/v1/calls").await;
    assert_eq!(calls["items"][0]["id"], office.call.to_string(), "newest first");
    assert_eq!(calls["items"][0]["caller"], MASKED);
    let call = ask(&format!("/api/v1/calls/{}", office.call)).await;
    assert_eq!(call["cases"][0], office.case.as_i64());
    assert_eq!(call["quality"]["lost"], 6);
    let transcript = ask(&format!("/api/v1/calls/{}/transcript", office.call)).await;
    let segment = &transcript["segments"][1];
    assert_eq!(
        (&segment["start_ms"], &segment["end_ms"], &segment["channel"]),
        (&6_100.into(), &10_900.into(), &0.into())
    );
    assert!(segment["text"].as_str().is_some_and(|t| t.contains("高龄津贴")));
    let cases = ask("/api/v1/cases").await;
    assert_eq!(cases["items"][0]["number"], office.case.as_i64());
    let case = ask(&format!("/api/v1/cases/{}", office.case)).await;
    assert_eq!((&case["window"], &case["window_code"]), (&"老年人服务".into(), &7.into()));
    assert_eq!(case["words"], cases["items"][0]["words"]);
    assert_eq!((&case["state"], &case["callback"]), (&"received".into(), &MASKED.into()));
    assert_eq!(case["events"][0]["kind"], "opened");
}

#[tokio::test]
async fn lists_page_without_gaps_or_repeats() {
    let office = Office::open().await;
    for (list, key, expected) in [("calls", "id", 6), ("cases", "number", 5)] {
        let mut seen = Vec::new();
        let mut before = String::new();
        loop {
            let page = office.ask(Role::Operator, &format!("/api/v1/{list}?limit=2{before}")).await.json();
            let items = page["items"].as_array().expect("items").clone();
            let Some(last) = items.last() else { break };
            before = format!("&before={}", last[key].to_string().trim_matches('"'));
            seen.extend(items.iter().map(|i| i[key].to_string()));
        }
        let mut unique = seen.clone();
        unique.sort();
        unique.dedup();
        assert_eq!((seen.len(), unique.len()), (expected, expected), "{list}");
    }
    for limit in ["0", "201", "-1", "x"] {
        let answer = office.ask(Role::Operator, &format!("/api/v1/calls?limit={limit}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{limit}");
        assert_eq!(answer.json()["error"], "Bad Request");
    }
}

#[tokio::test]
async fn whole_numbers_need_a_role_a_reason_and_a_row() {
    let office = Office::open().await;
    for path in
        ["calls".to_owned(), "cases".to_owned(), format!("calls/{}", office.call), format!("cases/{}", office.case)]
    {
        let path = format!("/api/v1/{path}?reveal=%E5%AF%B9%E8%B4%A6");
        let before = office.trail().await.len();
        assert_eq!(office.ask(Role::Evaluator, &path).await.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(office.trail().await.len(), before);
        assert!(office.ask(Role::Operator, &path).await.text().contains(PLANTED), "{path}");
        assert_eq!(office.trail().await[0].1, "reveal");
    }
}

#[tokio::test]
async fn the_description_names_every_path() {
    let office = Office::open().await;
    let document = office.ask(Role::Operator, "/api/v1/openapi.json").await.json();
    let described: Vec<&String> = document["paths"].as_object().expect("paths").keys().collect();
    let served: std::collections::BTreeSet<&str> = crate::web::routes::table()
        .iter()
        .map(|r| r.path)
        .filter(|p| p.starts_with("/api/v1/") && !p.ends_with("openapi.json") && *p != "/api/v1/desk") // A WebSocket.
        .collect();
    assert_eq!(described.len(), served.len());
    assert!(served.iter().all(|p| described.iter().any(|d| d == p)), "{described:?}");
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}

#[tokio::test]
async fn programs_move_cases_and_read_their_log() {
    let office = Office::open().await;
    let path = format!("/api/v1/cases/{}", office.case);
    let tell = async |body: serde_json::Value| office.tell(Role::Operator, &format!("{path}/moves"), &body).await;
    let assigned = tell(json!({"move": "assign", "post": 8, "reason": "属地办理", "version": 1})).await;
    assert_eq!((assigned.status, &assigned.json()["state"]), (StatusCode::OK, &"assigned".into()));
    let late = tell(json!({"move": "accept", "reason": "收到", "version": 1})).await;
    assert_eq!((late.status, &late.json()["version"]), (StatusCode::CONFLICT, &2.into()));
    for (body, why) in [
        (json!({"move": "close", "reason": "省事", "version": 2}), "not possible"),
        (json!({"move": "vanish", "reason": "x", "version": 2}), "no such move"),
        (json!({"move": "extend", "reason": "x", "version": 2}), "for leadership"),
        (json!({"move": "return", "reason": "x", "version": 2}), "ground"),
        (json!({"move": "assign", "reason": "x", "version": 2, "post": 999_999}), "post"),
    ] {
        let answer = tell(body.clone()).await;
        assert!(answer.status.is_client_error() && answer.status != StatusCode::CONFLICT, "{body}");
        assert!(
            answer.text().to_lowercase().contains(why) || answer.status == StatusCode::BAD_REQUEST,
            "{}",
            answer.text()
        );
    }
    let returned =
        tell(json!({"move": "return", "ground": "duty", "reason": format!("请拨{PLANTED}"), "version": 2})).await;
    assert_eq!(returned.json()["version"], 3);
    let log = office.ask(Role::Evaluator, &format!("{path}/log")).await;
    assert!(!log.text().contains(PLANTED) && log.text().contains(MASKED));
    let log = log.json();
    let told = |field: &str| -> Vec<String> {
        log["items"].as_array().expect("items").iter().map(|i| i[field].to_string()).collect()
    };
    assert_eq!(told("move"), ["null", "\"assign\"", "\"return\""]);
    assert_eq!(told("offered"), ["null", "8", "null"]);
    assert_eq!(told("ground"), ["null", "null", "\"duty\""]);
    assert_eq!(told("seq"), ["1", "2", "3"]);
    let case = office.ask(Role::Operator, &path).await.json();
    assert_eq!(
        (&case["returns"], &case["version"], &case["offered"]),
        (&1.into(), &3.into(), &serde_json::Value::Null)
    );
}
