//! A planted number stands in a call, in its keys, in its words and in a case: nothing that leaves may hold it whole.

use super::matrix::path;
use super::office::{MASKED, Office, PLANTED};
use crate::store::users::Role;
use crate::web::access::Access;
use crate::web::routes::table;
use axum::http::Method;

#[tokio::test]
async fn no_answer_holds_a_whole_number() {
    let office = Office::open().await;
    let survey = office.surveyed().await;
    let mut masked = 0;
    for route in table().into_iter().filter(|r| r.method == Method::GET && r.path != "/live/events") {
        let path = path(&office, &survey, &route);
        for role in Role::ALL {
            let answer = match route.access {
                Access::Socket(_) => continue, // Tested where the desk is.
                Access::Api(_) => office.ask(role, &path).await,
                Access::Open | Access::OpenForm | Access::Page(_) | Access::Upload(_) => office.get(role, &path).await,
            };
            let text = answer.text();
            assert!(!text.contains(PLANTED), "{path} as {role:?}");
            masked += usize::from(text.contains(MASKED));
        }
    }
    assert!(masked >= 15, "the pages show the number at all, masked: {masked}");
}

#[tokio::test]
async fn correcting_masked_text_keeps_the_number() {
    let office = Office::open().await;
    let path = format!("/cases/{}", office.case);
    let corrected = format!("父亲八十二岁，申请高龄津贴。电话{MASKED}。");
    let answer =
        office.post(Role::Operator, &format!("{path}/correct"), &[("summary", &corrected), ("version", "1")]).await;
    assert_eq!(answer.header("location"), format!("{path}?saved=1"));
    let stored: String = sqlx::query_scalar("SELECT summary FROM cases WHERE number = $1")
        .bind(office.case.as_i64())
        .fetch_one(&office.pool)
        .await
        .expect("the case");
    assert_eq!(stored, corrected.replace(MASKED, PLANTED));
    let page = office.get(Role::Operator, &path).await.text();
    assert!(page.contains(&corrected) && !page.contains(PLANTED));
}

#[tokio::test]
async fn a_whole_number_is_shown_once_it_is_audited() {
    let office = Office::open().await;
    for (path, object) in [
        (format!("/cases/{}/reveal", office.case), format!("case/{}", office.case)),
        (format!("/calls/{}/reveal", office.call), format!("call/{}", office.call)),
    ] {
        let answer = office.post(Role::Operator, &path, &[("reason", "回电核实")]).await;
        assert!(answer.text().contains(PLANTED), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(office.trail().await[0], ("李坐席".into(), "reveal".into(), object));
        let before = office.trail().await.len();
        let answer = office.post(Role::Operator, &path, &[("reason", "  ")]).await;
        assert!(answer.status.is_client_error() && !answer.text().contains(PLANTED), "without a reason");
        assert_eq!(office.trail().await.len(), before);
    }
}

#[tokio::test]
async fn when_the_audit_cannot_be_written_nothing_is_shown() {
    let office = Office::open().await;
    sqlx::query("ALTER TABLE audit ADD CHECK (seq < 0) NOT VALID").execute(&office.pool).await.expect("a broken trail");
    let case = office.post(Role::Operator, &format!("/cases/{}/reveal", office.case), &[("reason", "回电")]).await;
    let api = office.ask(Role::Operator, &format!("/api/v1/calls/{}?reveal=x", office.call)).await;
    let sound = office.get(Role::Operator, &format!("/calls/{}/recording.wav", office.call)).await;
    for answer in [case, api, sound] {
        assert_eq!(answer.status.as_u16(), 503);
        assert!(!answer.text().contains(PLANTED) && !answer.body.starts_with(b"RIFF"));
    }
}
