//! The pages in a real Chromium, driven by the scripts under `tests/browser`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::timeout;

use super::office::{Office, PASSWORD};
use crate::clock;
use crate::ids::{CallId, PhoneNumber};
use crate::store::users::Role;
use crate::web::live::Level;

/// Far above what the scripts take, so that a hung browser fails instead of hanging the tests.
const LONGEST: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread")]
async fn people_can_work_with_the_pages() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    assert!(
        scripts.join("node_modules").is_dir(),
        "the browser's driver is missing: run `npm ci` in {}",
        scripts.display()
    );
    let office = Office::open().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = office.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let live = office.live.clone();
    tokio::spawn(async move { keep_calling(&live).await });
    let run = Command::new("node")
        .args(["--test", "--test-reporter=spec", "pages.test.mjs"])
        .current_dir(&scripts)
        .env("MINXIN_URL", format!("http://{address}"))
        .env("MINXIN_PASSWORD", PASSWORD)
        .env("MINXIN_OPERATOR", &office.session(Role::Operator).token)
        .env("MINXIN_AUDITOR", &office.session(Role::Auditor).token)
        .env("MINXIN_CALL", office.call.to_string())
        .env("MINXIN_CASE", office.case.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(LONGEST, run).await.expect("the scripts end").expect("node runs");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// One call that stays, and one that comes and goes every few seconds.
async fn keep_calling(live: &crate::web::live::Board) {
    let stays = CallId::fresh();
    live.started(stays, "民心热线", PhoneNumber::parse("13700001111").as_ref(), clock::wall());
    live.state(stays, "request");
    live.caption(stays, "我们村口的垃圾好几天没有人来收了");
    for step in 0_u16.. {
        live.level(
            stays,
            Level { caller_dbov: -20.0 - f32::from(step % 5) * 6.0, gateway_dbov: -60.0, ..Level::default() },
        );
        let comes = CallId::fresh();
        live.started(comes, "党员服务热线", PhoneNumber::parse("13700002222").as_ref(), clock::wall());
        tokio::time::sleep(Duration::from_secs(2)).await;
        live.state(comes, "main");
        tokio::time::sleep(Duration::from_secs(1)).await;
        live.ended(comes);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
