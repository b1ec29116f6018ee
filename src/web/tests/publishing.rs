//! Campaigns made from lists, figures published, award bars decided.

use axum::body::Body;
use axum::http::{Request, StatusCode};

use super::office::{Answer, Office, name, total};
use crate::store::users::Role;

/// Sends the form of a new campaign with a file.
async fn upload(office: &Office, token: bool, file: &str) -> Answer {
    let session = office.session(Role::Evaluator);
    let csrf = if token { &*session.csrf } else { "" };
    let mut body = String::new();
    for (field, value) in
        [("csrf", csrf), ("survey", "callback"), ("trunk", "main"), ("attempts", "3"), ("source", "file")]
    {
        body += &format!("--X\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n");
    }
    body +=
        &format!("--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n{file}\r\n--X--\r\n");
    let request = Request::post("/campaigns/new")
        .header("cookie", format!("minxin={}", session.token))
        .header("content-type", "multipart/form-data; boundary=X")
        .body(Body::from(body));
    office.send(request.expect("a request")).await
}

#[tokio::test]
async fn a_list_is_checked_before_anybody_is_rung() {
    let office = Office::open().await;
    let bad = upload(&office, true, "number,unit,window\n13900000001,20010,7\nabc,,\n13900000002,,9\n").await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(bad.text().contains("<td class=\"num right\">3</td><td>不是电话号码</td>"), "{}", bad.text());
    let bad = upload(&office, true, "number,unit,window\n13900000001,77,7\n13900000002,,9\n").await.text();
    assert!(bad.contains("2</td><td>没有这个单位") && bad.contains("3</td><td>没有这个窗口"));
    assert_eq!(upload(&office, false, "number\n13900000001\n").await.status, StatusCode::FORBIDDEN);

    let good = upload(&office, true, "number,unit,age_band\n13900000001,20010,70+\n13900000002,20010,\n").await;
    assert_eq!(good.status, StatusCode::SEE_OTHER, "{}", good.text());
    let draft = good.header("location").to_owned();
    let page = office.get(Role::Evaluator, &draft).await.text();
    assert_eq!(total(&page), Some(2));
    assert!(page.contains("139****0001") && !page.contains("13900000001"));
    assert_eq!(office.get(Role::Admin, &draft).await.status, StatusCode::NOT_FOUND, "another person's draft");
    let campaigns = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM campaigns").fetch_one(&office.pool).await.expect("a count")
    };
    assert_eq!(campaigns().await, 0);
    assert_eq!(office.post(Role::Evaluator, &draft, &[]).await.status, StatusCode::BAD_REQUEST);
    let begun = office.post(Role::Evaluator, &draft, &[("sure", "1")]).await;
    assert_eq!((begun.status, campaigns().await), (StatusCode::SEE_OTHER, 1));
    assert_eq!(office.post(Role::Evaluator, &draft, &[("sure", "1")]).await.status, StatusCode::NOT_FOUND, "once");
    assert!(office.get(Role::Evaluator, begun.header("location")).await.text().contains("data-watch"));
}

#[tokio::test]
async fn figures_are_frozen_shown_and_checked() {
    let office = Office::invented(700).await;
    let publish = async |campaign: &str| {
        let fields = [
            ("campaign", campaign),
            ("title", "<b>九月</b>回访"),
            ("scope", "红塔区"),
            ("from", "2026-10-10"),
            ("until", "2026-10-20"),
        ];
        office.post(Role::Evaluator, "/disclosure", &fields).await
    };
    let open = publish("2").await;
    assert_eq!(open.status, StatusCode::CONFLICT);
    assert!(open.text().contains("还有号码待拨"));
    let frozen = publish("1").await;
    assert_eq!(frozen.status, StatusCode::SEE_OTHER, "{}", frozen.text());
    let path = frozen.header("location").to_owned();
    let sheet = office.get(Role::Unit, &path).await.text();
    assert!(sheet.contains("二〇二六年十月十日至二〇二六年十月二十日"));
    assert!(sheet.contains("&#60;b&#62;九月") && !sheet.contains("<b>九月"), "titles are escaped");
    assert!(sheet.contains("12345"), "objections by telephone");
    let checked = office.post(Role::Auditor, &format!("{path}/verify"), &[]).await.text();
    assert!(checked.contains("核对无误"));
    let document = office.get(Role::Evaluator, &format!("{path}/evidence.json")).await;
    assert!(
        crate::survey::disclosure::Disclosure::verify(&document.text(), None).is_ok(),
        "as the command line reads it"
    );
    let figures = office.get(Role::Unit, &format!("{path}/export/csv")).await.text();
    assert!(figures.lines().count() > 20, "{figures}");
}

#[tokio::test]
async fn a_bar_is_proposed_replied_to_and_decided_by_another() {
    let office = Office::invented(1_500).await;
    let proposed = office.post(Role::Evaluator, "/awards", &[("level", "village")]).await;
    assert_eq!(proposed.status, StatusCode::SEE_OTHER);
    let id: i64 = sqlx::query_scalar("SELECT min(id) FROM award_proposals").fetch_one(&office.pool).await.expect("one");
    let path = format!("/awards/{id}");
    let page = office.get(Role::Evaluator, &path).await.text();
    assert!(page.contains("等待申辩") && page.contains("提出建议的人不能作决定"));
    let (bad, cause): (i32, String) = sqlx::query_as("SELECT bad, cause FROM award_proposals WHERE id = $1")
        .bind(id)
        .fetch_one(&office.pool)
        .await
        .expect("a proposal");
    assert_eq!(total(&page), Some(u64::from(bad.unsigned_abs())), "{cause}");
    assert_eq!(page.matches("<li class=\"num\">").count(), bad.unsigned_abs() as usize, "every bad answer is listed");
    let decision = [("barred", "true"), ("reason", "多次核实属实")];
    let early = office.post(Role::Admin, &format!("{path}/decide"), &decision).await;
    assert_eq!(early.status, StatusCode::CONFLICT);
    let reply = [("said", "当时人手不足，电话13812341234")];
    assert_eq!(office.post(Role::Evaluator, &format!("{path}/reply"), &reply).await.status, StatusCode::SEE_OTHER);
    let own = office.post(Role::Evaluator, &format!("{path}/decide"), &decision).await;
    assert_eq!(own.status, StatusCode::CONFLICT, "whoever proposed does not decide");
    assert_eq!(office.post(Role::Admin, &format!("{path}/decide"), &decision).await.status, StatusCode::SEE_OTHER);
    let page = office.get(Role::Evaluator, &path).await.text();
    assert!(page.contains("限制评先") && page.contains(name(Role::Admin)) && page.contains("138****1234"));
    assert_eq!(office.post(Role::Admin, &format!("{path}/decide"), &decision).await.status, StatusCode::CONFLICT);
}
