//! Working on cases and transcripts: what changes, what is kept, and what happens when two people do it at once.

use axum::http::StatusCode;

use super::office::{MASKED, Office, PLANTED, name};
use crate::directory::PersonId;
use crate::store::users::{self, Role};
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
        ("/cases?view=red", 1),
        ("/cases?view=mine", 0),
        ("/cases?view=returned", 0),
        ("/cases?view=callback", 0),
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
    for bad in [
        "/calls?number=13988776655",
        "/calls?date=gestern",
        "/cases?state=x",
        "/cases?view=x",
        "/cases?window=x",
        "/calls?before=x",
    ] {
        assert_eq!(office.get(Role::Operator, bad).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test]
async fn lost_calls_are_listed_claimed_and_done() {
    let office = Office::open().await;
    let sql = "INSERT INTO tasks (kind, about, case_number, number, created_at, due_at)
               VALUES ('message', 'test', $1, $2, now(), now() - interval '1 minute') RETURNING id";
    let id: i64 =
        sqlx::query_scalar(sql).bind(office.case.as_i64()).bind(PLANTED).fetch_one(&office.pool).await.expect("a task");
    let page = office.get(Role::Operator, "/tasks").await.text();
    assert!(page.contains("留言待回电") && page.contains(MASKED) && !page.contains(PLANTED));
    let rows = async |path: &str| office.get(Role::Operator, path).await.text().matches("class=\"row\"").count();
    assert_eq!(rows("/cases?view=callback").await, 1);
    assert!(!office.get(Role::Evaluator, "/tasks").await.text().contains("/claim"), "evaluators only look");
    let told = async |role, what: &str, fields: &[(&str, &str)]| {
        office.post(role, &format!("/tasks/{id}/{what}"), fields).await.header("location").to_owned()
    };
    assert_eq!(told(Role::Operator, "claim", &[]).await, "/tasks");
    assert_eq!(told(Role::Admin, "claim", &[]).await, "/tasks?taken=1");
    assert!(office.get(Role::Admin, "/tasks?taken=1").await.text().contains("别人已认领"));
    assert!(office.get(Role::Operator, "/tasks?mine=1").await.text().contains(&format!("/tasks/{id}/done")));
    assert!(!office.get(Role::Admin, "/tasks?mine=1").await.text().contains("data-task"));
    assert_eq!(told(Role::Operator, "done", &[("outcome", "done"), ("remark", "已告知")]).await, "/tasks");
    assert!(office.get(Role::Operator, "/tasks").await.text().contains("现在没有要办的事"));
    assert_eq!(office.trail().await[0].1, "task_done");
}

#[tokio::test]
async fn people_find_the_cases_of_their_posts_and_those_that_are_pressing() {
    let office = Office::open().await;
    let numbers = async |path: &str| -> Vec<String> {
        let page = office.get(Role::Operator, path).await.text();
        page.split("data-key=\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
    };
    assert!(office.get(Role::Operator, "/cases?view=mine").await.text().contains("minxin user person"));
    let b: i64 = sqlx::query_scalar(
        "SELECT p.b_person_id FROM cases AS k JOIN posts AS p ON p.id = k.owner_post_id WHERE k.number = $1",
    )
    .bind(office.case.as_i64())
    .fetch_one(&office.pool)
    .await
    .expect("a person");
    users::set_person(&office.pool, name(Role::Operator), Some(PersonId(b))).await.expect("says who");
    assert_eq!(numbers("/cases?view=mine").await, [office.case.to_string()]);
    assert!(users::set_person(&office.pool, name(Role::Operator), Some(PersonId(-1))).await.is_err());
    // Of the five cases one is overdue; one that is due today and came yesterday is nearly so.
    assert_eq!(numbers("/cases?view=red").await.len(), 1);
    let amber = "UPDATE cases SET clock_from = clock_from - interval '60 days'
                 WHERE number = (SELECT max(number) FROM cases WHERE due_on >= (now() AT TIME ZONE 'Asia/Shanghai')::date)
                 RETURNING number";
    let amber: i64 = sqlx::query_scalar(amber).fetch_one(&office.pool).await.expect("an old case");
    assert!(numbers("/cases?view=amber").await.contains(&amber.to_string()));
    assert!(!numbers("/cases?view=amber").await.contains(&office.case.to_string()));
}

#[tokio::test]
async fn a_case_is_joined_and_divided_on_its_page() {
    let office = Office::open().await;
    let path = format!("/cases/{}", office.case);
    let other: i64 = sqlx::query_scalar("SELECT min(number) FROM cases WHERE number <> $1")
        .bind(office.case.as_i64())
        .fetch_one(&office.pool)
        .await
        .expect("a case");
    let version = async || -> String {
        let version: i32 = sqlx::query_scalar("SELECT version FROM cases WHERE number = $1")
            .bind(office.case.as_i64())
            .fetch_one(&office.pool)
            .await
            .expect("a version");
        version.to_string()
    };
    let tell = async |what: &str, fields: &[(&str, &str)]| {
        let version = version().await;
        let fields: Vec<_> = fields.iter().copied().chain([("version", &*version)]).collect();
        office.post(Role::Operator, &format!("{path}/{what}"), &fields).await.status
    };
    assert_eq!(
        tell("join", &[("lead", &office.case.to_string()), ("reason", "同一件事")]).await,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(tell("join", &[("lead", &other.to_string()), ("reason", "同一件事")]).await, StatusCode::SEE_OTHER);
    let page = office.get(Role::Operator, &path).await.text();
    assert!(page.contains(&format!("并入 <a href=\"/cases/{other}\"")), "{page}");
    assert!(office.get(Role::Operator, &format!("/cases/{other}")).await.text().contains("并入本案的"));
    assert_eq!(tell("part", &[("reason", "不是一回事")]).await, StatusCode::SEE_OTHER);
    assert_eq!(tell("parts", &[("post", "8"), ("reason", "核实年龄")]).await, StatusCode::SEE_OTHER);
    let page = office.get(Role::Operator, &path).await.text();
    assert!(page.contains("核实年龄") && page.contains("/parts/1/done") && !page.contains("并入 <a"));
    assert_eq!(tell("parts/1/done", &[("reason", "已核实")]).await, StatusCode::SEE_OTHER);
    assert!(!office.get(Role::Operator, &path).await.text().contains("/parts/1/done"));
    for mv in ["linked", "unlinked", "part_added", "part_done"] {
        assert!(office.get(Role::Operator, &path).await.text().contains(&format!("class=\"k-{mv}\"")), "{mv}");
    }
}
