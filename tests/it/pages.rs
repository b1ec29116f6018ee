//! The pages over the running product: a real call is watched live in a browser, its words come, its case is closed.

use std::process::{Command, Stdio};

use crate::support::gateway::Gateway;
use crate::support::repository;

/// Keys and speech of a caller who wants a person, leaves a message, and ends it with `#`.
const KEYS: &str = "8:0,33:#";
const MESSAGE_AT_S: u32 = 20;

#[test]
fn a_call_is_watched_read_and_its_case_closed() {
    let gateway = Gateway::start_with(&[("MINXIN_SPEECH__THREADS", "1")]);
    let link = gateway.must(&["user", "add", "李坐席", "--role", "operator"]);
    let message = format!("{MESSAGE_AT_S}:{}", repository("tests/data/calls/request.streetlight.wav").display());
    let arguments = ["--from", "13800000001", "--play", &message, "--dtmf", KEYS, "--duration", "80"];
    let mut phone = gateway.phone("12345", &arguments).stdout(Stdio::null()).spawn().expect("the telephone runs");
    let output = Command::new("node")
        .args(["--test", "--test-reporter=spec", "hotline.test.mjs"])
        .current_dir(repository("tests/browser"))
        .env("MINXIN_URL", format!("http://{}", gateway.web))
        .env("MINXIN_LINK", link.trim())
        .stdin(Stdio::null())
        .output()
        .expect("node runs");
    phone.wait().expect("the telephone ends");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), gateway.log());
}
