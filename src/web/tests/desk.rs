//! Working on cases and transcripts: what changes, what is kept, and what happens when two people do it at once.

use axum::http::StatusCode;

use super::office::Office;
use crate::store::users::Role;
use crate::web::live::{News, Resume};

#[tokio::test]
async fn a_case_goes_through_its_life() {
    let office = Office::open().await;
    let path = format!("/cases/{}", office.case);
    for (version, to) in (1..).zip(["assigned", "accepted", "handling", "answered", "closed", "archived"]) {
        let page = office.get(Role::Operator, &path).await.text();
        assert!(page.contains(&format!("name=\"to\" value=\"{to}\"")), "{to} is offered");
        let fields = [("to", to), ("reason", "已联系本人"), ("version", &*version.to_string())];
        let answer = office.post(Role::Operator, &format!("{path}/move"), &fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{to}");
        assert_eq!(office.trail().await[0].1, "move");
    }
    let page = office.get(Role::Operator, &path).await.text();
    assert!(page.contains("案件已归档") && !page.contains("name=\"to\""));
    assert_eq!(page.matches("已联系本人").count(), 6);
}

#[tokio::test]
async fn a_move_that_is_not_allowed_is_refused_and_not_offered() {
    let office = Office::open().await;
    let path = format!("/cases/{}", office.case);
    assert!(!office.get(Role::Operator, &path).await.text().contains("value=\"closed\""));
    let fields = [("to", "closed"), ("reason", "省事"), ("version", "1")];
    assert_eq!(office.post(Role::Operator, &format!("{path}/move"), &fields).await.status, StatusCode::CONFLICT);
    let fields = [("to", "nowhere"), ("reason", "x"), ("version", "1")];
    assert_eq!(office.post(Role::Operator, &format!("{path}/move"), &fields).await.status, StatusCode::BAD_REQUEST);
    assert!(office.trail().await.is_empty());
}

#[tokio::test]
async fn nobody_overwrites_what_they_have_not_seen() {
    let office = Office::open().await;
    let path = format!("/cases/{}/correct", office.case);
    let first = office.post(Role::Operator, &path, &[("summary", "先改的"), ("version", "1")]).await;
    assert_eq!(first.status, StatusCode::SEE_OTHER);
    let second = office.post(Role::Admin, &path, &[("summary", "后改的"), ("version", "1")]).await;
    assert_eq!(second.status, StatusCode::CONFLICT);
    assert!(second.text().contains("别人改动了这个案件"));
    let page = office.get(Role::Operator, &format!("/cases/{}", office.case)).await.text();
    assert!(page.contains("先改的") && !page.contains("后改的"));
}

#[tokio::test]
async fn a_segment_is_corrected_with_its_history() {
    let office = Office::open().await;
    let (segment, said): (i64, String) =
        sqlx::query_as("SELECT id, text FROM transcript_segments WHERE call_id = $1 AND start_ms = 11300")
            .bind(office.call)
            .fetch_one(&office.pool)
            .await
            .expect("a segment");
    let path = format!("/calls/{}/segments/{segment}", office.call);
    let correct = async |text: &str, version: &str| {
        office.post(Role::Evaluator, &path, &[("text", text), ("version", version)]).await.status
    };
    assert_eq!(correct("我们住在高龙潭社区三组。", "0").await, StatusCode::SEE_OTHER);
    assert_eq!(correct("我们住在高龙潭社区三组一号。", "0").await, StatusCode::CONFLICT);
    assert_eq!(correct("我们住在高龙潭社区三组一号。", "1").await, StatusCode::SEE_OTHER);
    let page = office.get(Role::Operator, &format!("/calls/{}", office.call)).await.text();
    for shown in [&*said, "社区三组。", "三组一号。", "王评估"] {
        assert!(page.contains(shown), "{shown}");
    }
    let kept: String = sqlx::query_scalar("SELECT text FROM transcript_segments WHERE id = $1")
        .bind(segment)
        .fetch_one(&office.pool)
        .await
        .expect("a segment");
    assert_eq!(kept, said, "what was recognised never changes");
    let elsewhere = format!("/calls/{}/segments/{segment}", uuid::Uuid::nil());
    let answer = office.post(Role::Evaluator, &elsewhere, &[("text", "x"), ("version", "2")]).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "a segment of another call");
}

#[tokio::test]
async fn assigning_names_the_new_owner_and_every_open_page_hears_of_it() {
    let office = Office::open().await;
    let (post, title): (i64, String) = sqlx::query_as("SELECT id, title FROM posts ORDER BY id DESC LIMIT 1")
        .fetch_one(&office.pool)
        .await
        .expect("a post");
    let path = format!("/cases/{}", office.case);
    let fields = [("post", &*post.to_string()), ("reason", "属地办理"), ("version", "1")];
    let answer = office.post(Role::Operator, &format!("{path}/assign"), &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let page = office.get(Role::Operator, &path).await.text();
    assert!(page.contains(&format!("· {title}</ins>")), "the timeline names the post");
    let (resume, _) = office.live.follow(Some(&office.live.event_id(0)));
    let Resume::Missed(news) = resume else { panic!("the board knows its beginning") };
    assert_eq!(news.last().map(|e| e.news.clone()), Some(News::CaseStored { number: office.case }));
}

#[tokio::test]
async fn lists_filter_and_page() {
    let office = Office::open().await;
    let rows = async |path: &str| office.get(Role::Operator, path).await.text().matches("class=\"row\"").count();
    for (path, expected) in [
        ("/cases", 5),
        ("/cases?state=open", 5),
        ("/cases?state=closed", 0),
        ("/cases?window=7", 1),
        ("/cases?overdue=1", 1),
        ("/cases?q=%E8%B7%AF%E7%81%AF", 1),
        ("/cases?q=%25", 0),
        ("/calls", 6),
        ("/calls?number=6655", 1),
        ("/calls?window=8", 1),
        ("/calls?line=nowhere", 0),
        ("/calls?date=2001-01-01", 0),
    ] {
        assert_eq!(rows(path).await, expected, "{path}");
    }
    let newest = office.call;
    assert_eq!(rows(&format!("/calls?before={newest}")).await, 5);
    let number = office.get(Role::Operator, &format!("/cases?q={}", office.case)).await;
    assert_eq!(number.header("location"), format!("/cases/{}", office.case));
    for bad in
        ["/calls?number=13988776655", "/calls?date=gestern", "/cases?state=x", "/cases?window=x", "/calls?before=x"]
    {
        assert_eq!(office.get(Role::Operator, bad).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }
}
