//! The pages in a real Chromium, driven by the scripts under `tests/browser`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::office::{Office, PASSWORD};
use crate::clock;
use crate::ids::{CallId, PhoneNumber};
use crate::store::invention::{Extent, invent};
use crate::store::users::Role;
use crate::survey::example::callback;
use crate::web::live::{Board, Level};

/// Far above what the scripts take, so that a hung browser fails instead of hanging the tests.
const LONGEST: Duration = Duration::from_secs(240);

/// Calls of the crowded board.
const CROWD: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn people_can_work_with_the_pages() {
    let office = Office::open().await;
    let tasks = "INSERT INTO tasks (kind, about, call_id, case_number, number, created_at, due_at)
                 SELECT 'missed', 'a', id, NULL::bigint, caller, now(), now() - interval '9 minutes' FROM calls WHERE id = $1
                 UNION ALL SELECT 'amber', 'b', NULL, $2, '13300000001', now(), now() + interval '2 hours'";
    sqlx::query(tasks).bind(office.call).bind(office.case.as_i64()).execute(&office.pool).await.expect("tasks");
    tokio::spawn(keep_calling(office.live.clone()));
    drive(
        &office,
        "pages.test.mjs",
        &[("MINXIN_CALL", office.call.to_string()), ("MINXIN_CASE", office.case.to_string())],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_live_calls_leave_the_board_quick() {
    let office = Office::open().await;
    tokio::spawn(crowd(office.live.clone()));
    drive(&office, "board.test.mjs", &[("MINXIN_NEWEST_LINE", "党员服务热线".to_owned())]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn evaluators_can_work_with_the_pages() {
    let office = Office::open().await;
    let extent = Extent { campaigns: 6, numbers: 400, seed: 20_261 };
    invent(&office.pool, &callback(), extent, clock::wall()).await.expect("invents");
    // One of the invented calls gets the sound of the office's own.
    let (heard, asked_ms): (uuid::Uuid, i64) = sqlx::query_as(
        "UPDATE calls AS k SET recording_path = o.recording_path, recording_sha256 = o.recording_sha256,
             recording_ms = o.recording_ms
         FROM calls AS o, call_events AS e
         WHERE o.id = $1 AND k.id = (SELECT attempt_id FROM answers WHERE question = 'attitude' AND mode = 'key'
                                     ORDER BY at LIMIT 1)
             AND e.call_id = k.id AND e.kind = 'state' AND e.detail ->> 'state' = 'attitude'
         RETURNING k.id, e.at_ms",
    )
    .bind(office.call)
    .fetch_one(&office.pool)
    .await
    .expect("a recording");
    let variables = [("MINXIN_HEARD", heard.to_string()), ("MINXIN_ASKED_MS", asked_ms.to_string())];
    drive(&office, "survey.test.mjs", &variables).await;
}

/// Serves the office and runs a script of `tests/browser` against it.
async fn drive(office: &Office, script: &str, variables: &[(&str, String)]) {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    assert!(
        scripts.join("node_modules").is_dir(),
        "the browser's driver is missing: run `npm ci` in {}",
        scripts.display()
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = office.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let run = Command::new("node")
        .args(["--test", "--test-reporter=spec", script])
        .current_dir(&scripts)
        .env("MINXIN_URL", format!("http://{address}"))
        .env("MINXIN_PASSWORD", PASSWORD)
        .env("MINXIN_OPERATOR", &office.session(Role::Operator).token)
        .env("MINXIN_AUDITOR", &office.session(Role::Auditor).token)
        .env("MINXIN_EVALUATOR", &office.session(Role::Evaluator).token)
        .env("MINXIN_ADMIN", &office.session(Role::Admin).token)
        .env("MINXIN_UNIT", &office.session(Role::Unit).token)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(LONGEST, run).await.expect("the script ends").expect("node runs");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// One call that stays, and one that comes and goes every few seconds.
async fn keep_calling(live: Board) {
    let stays = CallId::fresh();
    live.started(stays, "民心热线", PhoneNumber::parse("13700001111").as_ref(), clock::wall());
    live.state(stays, "request");
    live.caption(stays, "我们村口的垃圾好几天没有人来收了", false);
    for step in (0_i8..5).cycle() {
        live.level(vec![(stays, Level { caller_dbov: -20 - step * 6, gateway_dbov: -60 })]);
        let comes = CallId::fresh();
        live.started(comes, "党员服务热线", PhoneNumber::parse("13700002222").as_ref(), clock::wall());
        sleep(Duration::from_secs(2)).await;
        live.state(comes, "main");
        sleep(Duration::from_secs(1)).await;
        live.ended(comes);
        sleep(Duration::from_secs(1)).await;
    }
}

/// A thousand calls, of which a hundred a second change, ten a second end and are followed by others; all have levels.
async fn crowd(live: Board) {
    let start = |line: &str| {
        let id = CallId::fresh();
        live.started(id, line, PhoneNumber::parse("13700001111").as_ref(), clock::wall());
        id
    };
    let mut calls: Vec<CallId> = (0..=CROWD).map(|_| start("民心热线")).collect();
    for step in 0_usize.. {
        for n in 0..10 {
            let id = calls[(step * 10 + n) % calls.len()];
            live.state(id, if step.is_multiple_of(2) { "request" } else { "main" });
            live.caption(id, &format!("第{step}次说的话"), false);
        }
        let oldest = calls.remove(0);
        live.ended(oldest);
        calls.push(start("党员服务热线"));
        for (n, id) in calls.iter().enumerate() {
            let level = i8::try_from((n + step) % 60).map_or(0, |level| -level);
            live.level(vec![(*id, Level { caller_dbov: level, gateway_dbov: -60 - level })]);
        }
        sleep(Duration::from_millis(100)).await;
    }
}
