//! Working on cases and transcripts: what changes, what is kept, and what happens when two people do it at once.

use axum::http::StatusCode;

use super::office::Office;
use crate::store::users::Role;
use crate::web::live::{News, Resume};

#[tokio::test]
async fn a_case_goes_through_its_life() {
    let office = Office::open().await;
    let path = format!("/cases/{}", office.case);
    for (version, mv) in (1..).zip(["assign", "accept", "handle", "answer", "follow_up", "close", "archive"]) {
        let page = office.get(Role::Operator, &path).await.text();
        assert!(page.contains(&format!("name=\"move\" value=\"{mv}\"")), "{mv} is offered");
        let fields = [("move", mv), ("reason", "已联系本人"), ("version", &*version.to_string()), ("post", "7")];
        let answer = office.post(Role::Operator, &format!("{path}/move"), &fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{mv}");
        assert_eq!(office.trail().await[0].1, "move");
    }
    let page = office.get(Role::Operator, &path).await.text();
    assert!(page.contains("案件已归档") && !page.contains("name=\"move\""));
    assert_eq!(page.matches("<p>已联系本人").count(), 7);
}

#[tokio::test]
async fn a_move_that_is_not_possible_is_refused_and_not_offered() {
    let office = Office::open().await;
    let path = format!("/cases/{}", office.case);
    let page = office.get(Role::Operator, &path).await.text();
    assert!(!page.contains("value=\"close\"") && !page.contains("value=\"extend\""));
    assert!(office.get(Role::Admin, &path).await.text().contains("value=\"extend\""), "leadership may");
    let refused = async |role, mv: &str, reason: &str, why: &str| {
        let fields = [("move", mv), ("reason", reason), ("version", "1"), ("due_on", "2026-01-05")];
        let answer = office.post(role, &format!("{path}/move"), &fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{mv}");
        assert!(answer.text().contains(why) && answer.text().contains(reason), "{mv}: the page keeps what was typed");
    };
    refused(Role::Operator, "close", "省事省事", "案件已不在这一步").await;
    refused(Role::Operator, "supervise", "请领导看看", "由负责人办理").await;
    refused(Role::Operator, "assign", "属地办理一下", "请选择岗位").await;
    refused(Role::Admin, "extend", "材料在路上", "新日期要晚于").await;
    let fields = [("move", "vanish"), ("reason", "x"), ("version", "1")];
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
    let shown = second.text();
    assert!(shown.contains("别人改动了这个案件") && shown.contains("后改的"), "what was typed is still there");
    assert!(shown.contains("先改的") && shown.contains("name=\"version\" value=\"2\""), "beside what stands now");
    let fields = [("move", "assign"), ("post", "8"), ("reason", "同时派的"), ("version", "1")];
    let third = office.post(Role::Admin, &format!("/cases/{}/move", office.case), &fields).await;
    assert!(third.status == StatusCode::CONFLICT && third.text().contains("同时派的"));
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
async fn assigning_names_who_is_to_accept_it_and_every_open_page_hears_of_it() {
    let office = Office::open().await;
    let (post, title): (i64, String) = sqlx::query_as("SELECT id, title FROM posts ORDER BY id DESC LIMIT 1")
        .fetch_one(&office.pool)
        .await
        .expect("a post");
    let path = format!("/cases/{}", office.case);
    let fields = [("move", "assign"), ("post", &*post.to_string()), ("reason", "属地办理"), ("version", "1")];
    let answer = office.post(Role::Operator, &format!("{path}/move"), &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let page = office.get(Role::Operator, &path).await.text();
    assert!(page.contains(&format!("· {title}</p>")), "the timeline names the post");
    assert!(page.contains(&format!("<dd>{title} · ")), "and so does the card of its owner, as who is to accept it");
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
