//! Coming in and going out.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tower::ServiceExt;

use super::office::{Answer, Office, PASSWORD, form, name};
use crate::clock;
use crate::store::users::Role;
use crate::store::{links, users};

/// The form's token and the cookie that must come with it.
async fn login_form(office: &Office, path: &str) -> String {
    let answer = office.send(Request::get(path).body(Body::empty()).expect("a request")).await;
    cookie(&answer, "minxin-form").expect("a form cookie")
}

fn cookie(answer: &Answer, name: &str) -> Option<String> {
    answer.headers.get_all("set-cookie").iter().find_map(|set| {
        let (pair, flags) = set.to_str().ok()?.split_once(';')?;
        let (set_name, value) = pair.split_once('=')?;
        assert!(flags.contains("HttpOnly") && flags.contains("SameSite=Strict"), "{flags}");
        (set_name == name && !value.is_empty()).then(|| value.to_owned())
    })
}

async fn log_in(office: &Office, name: &str, password: &str, next: &str) -> Answer {
    let token = login_form(office, "/login").await;
    let fields = [("name", name), ("password", password), ("next", next), ("csrf", &token)];
    office.send(form("/login", &format!("minxin-form={token}"), &fields)).await
}

#[tokio::test]
async fn the_right_password_lets_in_and_leads_on() {
    let office = Office::open().await;
    let answer = log_in(&office, "admin", PASSWORD, "/cases?state=open").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/cases?state=open"));
    let session = cookie(&answer, "minxin").expect("a session cookie");
    let page = Request::get("/users").header("cookie", format!("minxin={session}")).body(Body::empty());
    assert_eq!(office.send(page.expect("a request")).await.status, StatusCode::OK);
    assert_eq!(office.trail().await[0].1, "login");
    let elsewhere = log_in(&office, "admin", PASSWORD, "//evil.example/").await;
    assert_eq!(elsewhere.header("location"), "/");
}

#[tokio::test]
async fn five_wrong_passwords_lock_and_are_audited() {
    let office = Office::open().await;
    for n in 1..=5 {
        let answer = log_in(&office, "admin", "wrong", "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "try {n}");
        assert_eq!(answer.text().contains("锁定"), n == 5, "try {n}");
        assert!(cookie(&answer, "minxin").is_none());
    }
    let answer = log_in(&office, "admin", PASSWORD, "").await;
    assert!(answer.status == StatusCode::UNAUTHORIZED && answer.text().contains("锁定"), "the right one, too late");
    let deeds: Vec<String> = office.trail().await.into_iter().map(|t| t.1).rev().collect();
    assert_eq!(deeds, ["bad_login", "bad_login", "bad_login", "bad_login", "lock"]);
    sqlx::query("UPDATE users SET locked_until = now() - interval '1 second'")
        .execute(&office.pool)
        .await
        .expect("later");
    assert_eq!(log_in(&office, "admin", PASSWORD, "").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn nobody_learns_which_names_exist() {
    let office = Office::open().await;
    let unknown = log_in(&office, "nobody", "wrong", "").await;
    let known = log_in(&office, "admin", "wrong", "").await;
    let by_link_only = log_in(&office, "李坐席", "", "").await;
    for answer in [&unknown, &known, &by_link_only] {
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.text().contains("用户名或密码不对"));
    }
}

#[tokio::test]
async fn a_link_works_once_and_only_by_its_button() {
    let office = Office::open().await;
    let user = users::by_name(&office.pool, "admin").await.expect("reads").expect("a user").id;
    let link = links::create(&office.pool, user, Duration::from_secs(600), clock::wall()).await.expect("a link");
    let path = format!("/login/once?token={link}");
    // Looking at it, however often, does not use it up.
    login_form(&office, &path).await;
    let token = login_form(&office, &path).await;
    let press = async || {
        let fields = [("token", &*link), ("csrf", &*token)];
        office.send(form("/login/once", &format!("minxin-form={token}"), &fields)).await
    };
    let first = press().await;
    assert_eq!(first.status, StatusCode::SEE_OTHER);
    assert!(cookie(&first, "minxin").is_some());
    let second = press().await;
    assert!(second.text().contains("已用过") && cookie(&second, "minxin").is_none());
}

#[tokio::test]
async fn a_session_ends_when_idle_when_old_and_when_logged_out() {
    let office = Office::open().await;
    let status = async || office.get(Role::Operator, "/calls").await.status;
    let age = async |column: &str, by: &str| {
        let change = format!("UPDATE login_sessions SET {column} = {column} - interval '{by}'");
        sqlx::query(sqlx::AssertSqlSafe(change)).execute(&office.pool).await.expect("older");
    };
    age("seen_at", "29 minutes").await;
    assert_eq!(status().await, StatusCode::OK);
    age("seen_at", "31 minutes").await;
    assert_eq!(status().await, StatusCode::SEE_OTHER);
    age("seen_at", "-31 minutes").await;
    assert_eq!(status().await, StatusCode::OK);
    age("created_at", "12 hours 1 second").await;
    assert_eq!(status().await, StatusCode::SEE_OTHER);
    age("created_at", "-12 hours 1 second").await;
    assert_eq!(office.post(Role::Operator, "/logout", &[]).await.header("location"), "/login");
    assert_eq!(status().await, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn what_a_page_asks_by_itself_does_not_keep_a_session_alive() {
    let office = Office::open().await;
    sqlx::query("UPDATE login_sessions SET seen_at = seen_at - interval '20 minutes'")
        .execute(&office.pool)
        .await
        .expect("older");
    let seen = async || -> chrono::DateTime<chrono::Utc> {
        sqlx::query_scalar("SELECT max(seen_at) FROM login_sessions").fetch_one(&office.pool).await.expect("a time")
    };
    let before = seen().await;
    let by_itself = Request::get("/calls")
        .header("cookie", format!("minxin={}", office.session(Role::Operator).token))
        .header("x-minxin-background", "1")
        .body(Body::empty());
    assert_eq!(office.send(by_itself.expect("a request")).await.status, StatusCode::OK);
    assert_eq!(seen().await, before);
    office.get(Role::Operator, "/calls").await;
    assert!(seen().await > before);
}

#[tokio::test]
async fn a_disabled_user_is_out_at_once() {
    let office = Office::open().await;
    let id = users::by_name(&office.pool, "李坐席").await.expect("reads").expect("a user").id;
    let answer = office.post(Role::Admin, &format!("/users/{id}/disabled"), &[("disabled", "true")]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(office.get(Role::Operator, "/calls").await.status, StatusCode::SEE_OTHER);
    assert_eq!(office.ask(Role::Operator, "/api/v1/calls").await.status, StatusCode::UNAUTHORIZED);
    let own = users::by_name(&office.pool, "admin").await.expect("reads").expect("a user").id;
    let answer = office.post(Role::Admin, &format!("/users/{own}/disabled"), &[("disabled", "true")]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "nobody shuts themselves out");
}

#[tokio::test]
async fn pages_speak_english_when_asked() {
    let office = Office::open().await;
    let request = Request::get("/login").header("cookie", "lang=en").body(Body::empty());
    let page = office.send(request.expect("a request")).await.text();
    assert!(page.contains("<html lang=\"en\">") && page.contains("Log in"));
    let answer = office.get(Role::Operator, "/language/en?back=/cases").await;
    assert_eq!(answer.header("location"), "/cases");
    assert!(answer.header("set-cookie").starts_with("lang=en"));
}

#[tokio::test]
async fn the_auditor_sees_a_whole_chain_and_a_broken_one() {
    let office = Office::open().await;
    for _ in 0..3 {
        office.post(Role::Operator, &format!("/calls/{}/reveal", office.call), &[("reason", "核实")]).await;
    }
    let page = office.post(Role::Auditor, "/audit/check", &[]).await.text();
    assert!(page.contains("记录链完整") && page.contains("核实"), "{page}");
    let forge = "ALTER TABLE audit DISABLE TRIGGER append_only; UPDATE audit SET reason = '无' WHERE seq = 2";
    sqlx::raw_sql(forge).execute(&office.pool).await.expect("a forger");
    let page = office.post(Role::Auditor, "/audit/check", &[]).await.text();
    assert!(page.contains("序号：2"), "{page}");
}

/// Reads the live stream of an operator until it ends; whether it did within `limit`.
async fn ends_within(office: &Office, limit: Duration, what: impl AsyncFnOnce(&Office)) -> bool {
    let cookie = format!("minxin={}", office.session(Role::Operator).token);
    let request = Request::get("/live/events").header("cookie", cookie).body(Body::empty()).expect("a request");
    let mut body = office.router.clone().oneshot(request).await.expect("an answer").into_body().into_data_stream();
    body.next().await.expect("the board").expect("a chunk");
    what(office).await;
    timeout(limit, async { while body.next().await.is_some() {} }).await.is_ok()
}

#[tokio::test]
async fn a_live_stream_ends_with_the_login() {
    let soon = Duration::from_secs(1);
    let office = Office::open().await;
    assert!(!ends_within(&office, soon, async |_| {}).await, "it lives as long as the login");
    let left = ends_within(&office, soon, async |office| {
        assert_eq!(office.post(Role::Operator, "/logout", &[]).await.status, StatusCode::SEE_OTHER);
    });
    assert!(left.await, "after a logout");
    let office = Office::open().await;
    let kept_out = ends_within(&office, soon, async |office| {
        users::set_disabled(&office.pool, name(Role::Operator), true, "admin", clock::wall()).await.expect("disables");
    });
    assert!(kept_out.await, "after the account was disabled");
}

#[tokio::test]
async fn the_login_page_says_how_to_make_the_first_user() {
    let office = Office::open().await;
    let login = Request::get("/login").body(Body::empty()).expect("a request");
    assert!(!office.send(login).await.text().contains("minxin user add"));
    for table in ["api_tokens", "login_links", "login_sessions", "users"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM {table}"))).execute(&office.pool).await.expect("empties");
    }
    let login = Request::get("/login").body(Body::empty()).expect("a request");
    assert!(office.send(login).await.text().contains("minxin user add admin --role admin"));
}
