//! The evaluators' pages: figures that are sums of calls, what a rated unit may see, campaigns steered, questionnaires heard.

use axum::http::StatusCode;

use super::office::{Office, UNIT, total};
use crate::clock;
use crate::store::invention::{Extent, invent};
use crate::store::users::Role;
use crate::survey::example::callback;

/// Links to calls with the count that each shows.
fn links(page: &str) -> Vec<(String, u64)> {
    let link = |part: &str| {
        let (address, rest) = part.split_once('"')?;
        let (text, _) = rest.strip_prefix('>')?.split_once('<')?;
        Some((address.replace("&#38;", "&"), text.split('/').nth(1).unwrap_or(text).trim().parse().ok()?))
    };
    page.split("href=\"").filter(|part| part.starts_with("/results/calls?")).filter_map(link).collect()
}

#[tokio::test]
async fn every_figure_opens_the_calls_that_make_it() {
    let office = Office::invented(260).await;
    let page = office.get(Role::Evaluator, "/results").await.text();
    let links = links(&page);
    assert!(links.len() > 60, "{} links", links.len());
    // Every seventh, so that the test stays short; all kinds of figures are among them.
    for (address, n) in links.iter().step_by(7) {
        let calls = office.get(Role::Evaluator, address).await;
        assert_eq!((calls.status, total(&calls.text())), (StatusCode::OK, Some(*n)), "{address}");
    }
    let (address, n) = &links[0];
    let list = office.get(Role::Evaluator, address).await.text();
    assert_eq!(list.matches("class=\"row\"").count() as u64, (*n).min(100), "a row each");
    let answer = list.split_once("/results/answers/").and_then(|(_, rest)| rest.split_once('"')).expect("an answer").0;
    let answer = office.get(Role::Evaluator, &format!("/results/answers/{answer}")).await;
    assert_eq!(answer.status, StatusCode::OK);
    let deeds: Vec<String> = office.trail().await.into_iter().map(|(_, action, _)| action).collect();
    assert_eq!((&*deeds[0], &*deeds[1]), ("answer", "evidence"), "looking at people's answers leaves a trail");
}

#[tokio::test]
async fn a_rated_unit_sees_its_own_sums_and_nobody() {
    let office = Office::invented(900).await;
    let own: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM sample AS s JOIN campaigns AS c ON c.id = s.campaign_id
         WHERE c.state = 'stopped' AND s.unit_id = $1
             AND EXISTS (SELECT FROM attempts AS a WHERE a.sample_id = s.id AND a.answered IS NOT NULL)",
    )
    .bind(UNIT.0)
    .fetch_one(&office.pool)
    .await
    .expect("a count");
    assert!(own >= 5, "the village has {own}");
    for path in ["/results", "/results?unit=10010", "/results?unit=200", "/results?level=township"] {
        let page = office.get(Role::Unit, path).await.text();
        let asked_elsewhere = path.ends_with("10010");
        let reached = if asked_elsewhere { 0 } else { own };
        assert!(page.contains(&format!("data-reached>{reached}<")), "{path}");
        for hidden in ["/results/calls", "/results/answers", "珊瑚社区</td>", "/campaigns\""] {
            assert!(!page.contains(hidden), "{path} shows {hidden}");
        }
    }
    let sheet = office.get(Role::Unit, "/results/export/csv").await.text();
    assert!(sheet.contains("高龙潭社区") && !sheet.contains("珊瑚社区"));
    assert_eq!(office.get(Role::Operator, "/results").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_filter_narrows_and_stays_in_every_link() {
    let office = Office::invented(260).await;
    let reached = async |path: &str| -> u64 {
        let page = office.get(Role::Evaluator, path).await.text();
        page.split_once("data-reached>")
            .and_then(|(_, rest)| rest.split_once('<'))
            .and_then(|(n, _)| n.parse().ok())
            .expect(path)
    };
    let all = reached("/results").await;
    let windows: u64 = [1, 2, 3, 4, 5, 6, 7, 8].len() as u64;
    let mut sum = 0;
    for window in 1..=windows {
        sum += reached(&format!("/results?window={window}")).await;
    }
    assert_eq!(sum, all, "everybody belongs to one window");
    assert_eq!(reached("/results?until=2001-01-01").await, 0);
    assert!(reached("/results?campaign=1").await < all);
    let page = office.get(Role::Evaluator, "/results?window=7&level=township").await.text();
    assert!(links(&page).iter().all(|(address, _)| address.contains("window=7") && address.contains("level=township")));
    for bad in ["/results?unit=x", "/results?from=gestern", "/results?level=street", "/results?measure=height"] {
        assert_eq!(office.get(Role::Evaluator, bad).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    assert_eq!(office.get(Role::Evaluator, "/results?survey=abc").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn tables_leave_for_spreadsheets() {
    let office = Office::invented(260).await;
    let csv = office.get(Role::Evaluator, "/results/export/csv").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert!(csv.text().starts_with("\u{feff}题目,") && csv.text().contains("高龙潭社区"));
    let xlsx = office.get(Role::Evaluator, "/campaigns/export/xlsx").await;
    assert!(xlsx.body.starts_with(b"PK") && xlsx.header("content-disposition").contains("campaigns.xlsx"));
    assert_eq!(office.get(Role::Evaluator, "/results/export/pdf").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_campaign_is_steered_with_a_reason() {
    let office = Office::open().await;
    let id = office.campaign().await;
    let path = format!("/campaigns/{id}");
    let change = async |what: &str, fields: &[(&str, &str)]| {
        office.post(Role::Evaluator, &format!("{path}/{what}"), fields).await.status
    };
    assert_eq!(change("pause", &[("reason", " ")]).await, StatusCode::BAD_REQUEST);
    assert_eq!(change("pause", &[("reason", "农忙")]).await, StatusCode::SEE_OTHER);
    assert!(office.get(Role::Evaluator, &path).await.text().contains("已暂停"));
    assert_eq!(change("resume", &[("reason", "农忙结束")]).await, StatusCode::SEE_OTHER);
    assert_eq!(change("stop", &[("reason", "作废")]).await, StatusCode::BAD_REQUEST, "not by mistake");
    assert_eq!(change("stop", &[("reason", "作废"), ("sure", "1")]).await, StatusCode::SEE_OTHER);
    assert_eq!(change("resume", &[("reason", "反悔")]).await, StatusCode::CONFLICT);
    let page = office.get(Role::Evaluator, &path).await.text();
    assert!(page.contains("任务已终止") && !page.contains("/resume\""));
    let reasons: Vec<String> =
        sqlx::query_scalar("SELECT reason FROM audit WHERE action LIKE 'campaign_%' ORDER BY seq")
            .fetch_all(&office.pool)
            .await
            .expect("the trail");
    assert_eq!(reasons, ["", "农忙", "农忙结束", "作废"]);
}

#[tokio::test]
async fn every_disposition_opens_its_numbers() {
    let office = Office::invented(260).await;
    let page = office.get(Role::Evaluator, "/campaigns/1").await.text();
    let mut seen = 0;
    for part in page.split("/campaigns/1/numbers?disposition=").skip(1) {
        let (code, rest) = part.split_once("\">").expect("a link");
        let n: u64 = rest.split_once('<').and_then(|(n, _)| n.parse().ok()).expect("a count");
        let list = office.get(Role::Evaluator, &format!("/campaigns/1/numbers?disposition={code}")).await.text();
        let rows = list.matches("<tr>").count() as u64 - 1;
        assert_eq!((total(&list), rows), (Some(n), n.min(100)), "{code}");
        seen += n;
    }
    assert_eq!(seen, 260, "every number stands somewhere");
}

#[tokio::test]
async fn a_questionnaire_is_seen_and_heard() {
    let office = Office::open().await;
    let page = office.get(Role::Evaluator, "/surveys/callback").await.text();
    for (number, question) in (1..).zip(&callback().questions) {
        assert!(page.contains(&format!("{number}. {}", question.title)), "{}", question.id);
    }
    assert!(page.contains("检查通过") && page.contains("否 → 8 有没有人要求怎么回答"));
    for source in page.split("src=\"/prompts/").skip(1).step_by(4) {
        let file = source.split_once('"').expect("a name").0;
        let sound = office.get(Role::Evaluator, &format!("/prompts/{file}")).await;
        assert!(sound.status == StatusCode::OK && sound.body.starts_with(b"RIFF"), "{file}");
    }
    for nothing in ["/prompts/nobody.wav", "/prompts/..%2Fprompts.toml", "/prompts/survey.notice", "/surveys/nobody"] {
        assert_eq!(office.get(Role::Evaluator, nothing).await.status, StatusCode::NOT_FOUND, "{nothing}");
    }
}

/// Prints how long the pages take with 48,000 numbers; run by hand:
/// `cargo test --lib pages_of_a_large_district -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: invents 48,000 numbers first"]
async fn pages_of_a_large_district() {
    let office = Office::open().await;
    let extent = Extent { campaigns: 12, numbers: 4_000, seed: 20_261 };
    let written = invent(&office.pool, &callback(), extent, clock::wall()).await.expect("invents");
    sqlx::query("ANALYZE").execute(&office.pool).await.expect("statistics");
    println!("{} numbers, {} attempts, {} answers", written.numbers, written.attempts, written.answers);
    for path in [
        "/results",
        "/results?unit=20010",
        "/results/calls?question=overall&value=5",
        "/results/export/xlsx",
        "/campaigns",
        "/campaigns/3",
        "/campaigns/3/numbers?disposition=3.13",
        "/awards",
    ] {
        let mut taken = Vec::new();
        for _ in 0..3 {
            let began = clock::monotonic();
            let answer = office.get(Role::Evaluator, path).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}");
            taken.push(began.elapsed());
        }
        println!("{:>6} ms  {path}", taken.iter().min().map_or(0, std::time::Duration::as_millis));
    }
}
