//! Every route, as everybody: who is let in, who is sent to log in, who is refused, and what happens without a token.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};

use super::office::{Office, Surveyed, form};
use crate::store::users::Role;
use crate::web::access::{Access, Right};
use crate::web::headers::POLICY;
use crate::web::routes::{Route, table};

/// Who may do what, written out once more and independently of the table: `OEAUN` for operator, evaluator, administrator,
/// auditor, and people of a rated unit.
const EXPECTED: &[(&str, &str)] = &[
    ("GET /healthz", "open"),
    ("GET /readyz", "open"),
    ("GET /metrics", "open"),
    ("GET /assets/{name}", "open"),
    ("GET /login", "open"),
    ("POST /login", "form"),
    ("GET /login/once", "open"),
    ("POST /login/once", "form"),
    ("GET /language/{code}", "open"),
    ("POST /logout", "OEAUN"),
    ("GET /", "OEAUN"),
    ("GET /calls", "OEA"),
    ("GET /live/events", "OEA"),
    ("GET /calls/{id}", "OEA"),
    ("POST /calls/{id}/reveal", "OA"),
    ("GET /calls/{id}/recording.wav", "OEA"),
    ("GET /calls/{id}/peaks.json", "OEA"),
    ("POST /calls/{id}/segments/{segment}", "OEA"),
    ("GET /desk", "OA"),
    ("GET /api/v1/desk", "socket OA"),
    ("GET /cases", "OEA"),
    ("GET /cases/{number}", "OEA"),
    ("POST /cases/{number}/reveal", "OA"),
    ("POST /cases/{number}/correct", "OA"),
    ("POST /cases/{number}/note", "OA"),
    ("POST /cases/{number}/move", "OA"),
    ("POST /cases/{number}/join", "OA"),
    ("POST /cases/{number}/part", "OA"),
    ("POST /cases/{number}/parts", "OA"),
    ("POST /cases/{number}/parts/{id}/done", "OA"),
    ("GET /tasks", "OEA"),
    ("POST /tasks/{id}/claim", "OA"),
    ("POST /tasks/{id}/release", "OA"),
    ("POST /tasks/{id}/done", "OA"),
    ("GET /results", "EAN"),
    ("GET /results/export/{form}", "EAN"),
    ("GET /results/calls", "EA"),
    ("GET /results/calls/export/{form}", "EA"),
    ("GET /results/answers/{id}/{question}", "EA"),
    ("GET /campaigns", "EA"),
    ("GET /campaigns/export/{form}", "EA"),
    ("GET /campaigns/new", "EA"),
    ("POST /campaigns/new", "EA"),
    ("GET /campaigns/drafts/{draft}", "EA"),
    ("POST /campaigns/drafts/{draft}", "EA"),
    ("GET /campaigns/{id}", "EA"),
    ("GET /campaigns/{id}/numbers", "EA"),
    ("GET /campaigns/{id}/export/{form}", "EA"),
    ("POST /campaigns/{id}/pause", "EA"),
    ("POST /campaigns/{id}/resume", "EA"),
    ("POST /campaigns/{id}/stop", "EA"),
    ("GET /surveys", "EA"),
    ("GET /surveys/{survey}", "EA"),
    ("GET /prompts/{prompt}", "EA"),
    ("GET /disclosure", "OEAUN"),
    ("POST /disclosure", "EA"),
    ("GET /disclosure/{disclosure}", "OEAUN"),
    ("POST /disclosure/{disclosure}/verify", "OEAUN"),
    ("GET /disclosure/{disclosure}/export/{form}", "OEAUN"),
    ("GET /disclosure/{disclosure}/evidence.json", "EA"),
    ("GET /awards", "EA"),
    ("POST /awards", "EA"),
    ("GET /awards/export/{form}", "EA"),
    ("GET /awards/{award}", "EA"),
    ("POST /awards/{award}/reply", "EA"),
    ("POST /awards/{award}/decide", "EA"),
    ("GET /users", "A"),
    ("POST /users/{id}/disabled", "A"),
    ("GET /audit", "U"),
    ("POST /audit/check", "U"),
    ("GET /api/v1/openapi.json", "open"),
    ("GET /api/v1/lines", "api OEA"),
    ("GET /api/v1/calls", "api OEA"),
    ("GET /api/v1/calls/{id}", "api OEA"),
    ("GET /api/v1/calls/{id}/transcript", "api OEA"),
    ("GET /api/v1/calls/{id}/recording.wav", "api OEA"),
    ("GET /api/v1/cases", "api OEA"),
    ("GET /api/v1/cases/{number}", "api OEA"),
    ("GET /api/v1/cases/{number}/log", "api OEA"),
    ("POST /api/v1/cases/{number}/moves", "api OA"),
    ("GET /api/v1/campaigns", "api EA"),
    ("POST /api/v1/campaigns", "api EA"),
    ("GET /api/v1/campaigns/{id}", "api EA"),
    ("GET /api/v1/campaigns/{id}/results", "api EA"),
    ("POST /api/v1/campaigns/{id}/pause", "api EA"),
    ("POST /api/v1/campaigns/{id}/resume", "api EA"),
    ("POST /api/v1/campaigns/{id}/stop", "api EA"),
    ("GET /api/v1/campaigns/{id}/persons", "api EA"),
    ("GET /api/v1/campaigns/{id}/evidence", "api EA"),
    ("GET /api/v1/trends", "api EA"),
    ("GET /api/v1/units/{id}/results", "api OEA"),
    ("GET /api/v1/surveys", "api EA"),
    ("POST /api/v1/surveys", "api EA"),
    ("POST /api/v1/surveys/{hash}/approve", "api EA"),
];

fn roles(right: Right) -> String {
    let letter = |role| match role {
        Role::Operator => 'O',
        Role::Evaluator => 'E',
        Role::Admin => 'A',
        Role::Auditor => 'U',
        Role::Unit => 'N',
    };
    Role::ALL.into_iter().filter(|r| right.held_by(*r)).map(letter).collect()
}

#[test]
fn the_table_is_as_agreed() {
    let written: Vec<(String, String)> = table()
        .iter()
        .map(|r| {
            let who = match r.access {
                Access::Open => "open".to_owned(),
                Access::OpenForm => "form".to_owned(),
                Access::Page(right) | Access::Upload(right) => roles(right),
                Access::Socket(right) => format!("socket {}", roles(right)),
                Access::Api(right) => format!("api {}", roles(right)),
            };
            (format!("{} {}", r.method, r.path), who)
        })
        .collect();
    let expected: Vec<_> = EXPECTED.iter().map(|(r, w)| ((*r).to_owned(), (*w).to_owned())).collect();
    assert_eq!(written, expected);
}

/// The address of a route, with things that there are.
pub(super) fn path(office: &Office, survey: &Surveyed, route: &Route) -> String {
    let path = route.path.replace("{number}", &office.case.to_string());
    let path =
        path.replace("{segment}", "1").replace("{name}", "style.css").replace("{code}", "en").replace("{hash}", "0");
    let path = path.replace("{form}", "csv").replace("{survey}", "callback").replace("{prompt}", "survey.notice.wav");
    let path = path.replace("{question}", "overall").replace("{draft}", &survey.draft.to_string());
    let path =
        path.replace("{disclosure}", &survey.disclosure.to_string()).replace("{award}", &survey.award.to_string());
    let id = if path.starts_with("/users") || path.starts_with("/tasks") || path.contains("/parts/") {
        "1".to_owned()
    } else if path.contains("/campaigns/") {
        survey.campaign.to_string()
    } else if path.contains("/answers/") {
        survey.attempt.to_string()
    } else if path.contains("/units/") {
        "1".to_owned()
    } else {
        office.call.to_string()
    };
    let needed = match route.path {
        "/api/v1/campaigns/{id}/evidence" => "?measure=solved",
        "/api/v1/trends" => "?survey=callback",
        "/results/calls" | "/results/calls/export/{form}" => "?question=overall",
        _ => "",
    };
    path.replace("{id}", &id) + needed
}

#[tokio::test]
async fn every_route_refuses_whom_it_must() {
    let office = Office::open().await;
    let survey = office.surveyed().await;
    let mut checked = 0;
    for route in table() {
        let path = path(&office, &survey, &route);
        let at = format!("{} {path}", route.method);
        let bare = Request::builder().method(route.method.clone()).uri(&path);
        let nobody = if path == "/live/events" && matches!(route.access, Access::Open) {
            continue;
        } else {
            office.send(bare.body(Body::empty()).expect("a request")).await
        };
        let reads = route.method == Method::GET;
        match route.access {
            Access::Open => {
                assert!(!nobody.status.is_client_error() || path == "/login/once", "{at}: {}", nobody.status)
            }
            Access::OpenForm => assert_eq!(nobody.status, StatusCode::FORBIDDEN, "{at}"),
            Access::Page(_) if reads => {
                assert_eq!(nobody.status, StatusCode::SEE_OTHER, "{at}");
                assert!(nobody.header("location").starts_with("/login?next="), "{at}");
            }
            Access::Page(_) | Access::Upload(_) => assert_eq!(nobody.status, StatusCode::FORBIDDEN, "{at}"),
            // Without an origin of ours; with one in the tests of the desk.
            Access::Socket(_) => assert_eq!(nobody.status, StatusCode::FORBIDDEN, "{at}"),
            Access::Api(_) => assert_eq!(nobody.status, StatusCode::UNAUTHORIZED, "{at}"),
        }
        assert_eq!(nobody.header("content-security-policy"), POLICY, "{at}");
        checked += 1;
        for role in Role::ALL {
            let at = format!("{at} as {role:?}");
            match route.access {
                Access::Open | Access::OpenForm => {}
                Access::Page(right) | Access::Upload(right) => {
                    let cookie = format!("minxin={}", office.session(role).token);
                    if !reads {
                        // Without the token, and with another person's.
                        let other = if role == Role::Operator { Role::Admin } else { Role::Operator };
                        for fields in [vec![], vec![("csrf", &*office.session(other).csrf)], vec![("csrf", "")]] {
                            let answer = office.send(form(&path, &cookie, &fields)).await;
                            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{at} {fields:?}");
                        }
                    }
                    if !right.held_by(role) {
                        let answer =
                            if reads { office.get(role, &path).await } else { office.post(role, &path, &[]).await };
                        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{at}");
                        assert_eq!(answer.header("content-security-policy"), POLICY, "{at}");
                    } else if reads && path != "/live/events" {
                        // A draft is its maker's alone.
                        let others = route.path.contains("{draft}") && role != Role::Evaluator;
                        let answer = office.get(role, &path).await;
                        let expected = if others { StatusCode::NOT_FOUND } else { StatusCode::OK };
                        assert!(answer.status == expected || path == "/", "{at}: {}", answer.status);
                    }
                    let program = office.ask(role, &path).await;
                    assert!(!program.status.is_success(), "{at}: a token opens a page");
                }
                Access::Socket(_) => {
                    assert_eq!(office.get(role, &path).await.status, StatusCode::FORBIDDEN, "{at}: no origin");
                    assert_eq!(office.ask(role, &path).await.status, StatusCode::FORBIDDEN, "{at}: a token");
                }
                Access::Api(right) if !reads => {
                    let answer = office.tell(role, &path, &serde_json::Value::Null).await;
                    let refused = matches!(answer.status, StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED);
                    assert_eq!(refused, !right.held_by(role), "{at}: {}", answer.status);
                    let cookie = format!("minxin={}", office.session(role).token);
                    let answer = office.send(form(&path, &cookie, &[("csrf", &*office.session(role).csrf)])).await;
                    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{at}: by cookie");
                }
                Access::Api(right) => {
                    let expected = if right.held_by(role) { StatusCode::OK } else { StatusCode::FORBIDDEN };
                    assert_eq!(office.ask(role, &path).await.status, expected, "{at}");
                    assert_eq!(office.get(role, &path).await.status, StatusCode::UNAUTHORIZED, "{at}: by cookie");
                }
            }
            checked += 1;
        }
    }
    assert_eq!(checked, (1 + Role::ALL.len()) * EXPECTED.len());
}

#[tokio::test]
async fn what_is_not_in_the_table_is_not_there() {
    let office = Office::open().await;
    for path in ["/nowhere", "/calls/../audit", "/assets/..%2f..%2fCargo.toml", "/assets/nothing.css", "/api/v1/users"]
    {
        let answer = office.get(Role::Admin, path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.header("content-security-policy"), POLICY, "{path}");
    }
    assert!(office.get(Role::Admin, "/nowhere").await.text().contains("找不到这一页"));
    assert_eq!(office.ask(Role::Admin, "/api/v1/nowhere").await.json()["error"], "Not Found");
}

#[test]
fn the_document_has_the_table() {
    let document = include_str!("../../../docs/web.md");
    for route in table() {
        let (needs, right) = match route.access {
            Access::Open | Access::OpenForm => ("nothing", None),
            Access::Page(right) | Access::Upload(right) | Access::Socket(right) => ("login", Some(right)),
            Access::Api(right) => ("token", Some(right)),
        };
        let may = |role| if right.is_none_or(|right| right.held_by(role)) { "yes" } else { "–" };
        let [operator, evaluator, admin, auditor] =
            [Role::Operator, Role::Evaluator, Role::Admin, Role::Auditor].map(may);
        let (method, path) = (route.method, route.path);
        let row = format!("| `{method} {path}` | {needs} | {operator} | {evaluator} | {admin} | {auditor} |");
        assert!(document.lines().any(|line| line == row), "docs/web.md lacks {row}");
    }
    assert_eq!(document.matches("| `GET /").count() + document.matches("| `POST /").count(), table().len());
}
