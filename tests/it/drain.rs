//! A stop lets calls end, or says goodbye to them; nobody new is let in meanwhile (S20).

use std::time::Duration;

use crate::support::gateway::Gateway;

#[test]
fn a_stop_waits_for_the_last_call() {
    let mut gateway = Gateway::start();
    let live = gateway.dial("12345", &["--duration", "12"]);
    up(&mut gateway);
    gateway.terminate();
    gateway
        .wait_for("503 at /readyz", Duration::from_secs(5), |gateway| (gateway.status("/readyz") == 503).then_some(()));
    let late = gateway.ring("12345", &["--duration", "1"]);
    assert_eq!(late.report["status"], 503, "{}", late.report);

    let live = live.hang_up();
    live.heard().must_have(&["notice", "welcome"]);
    assert_eq!(live.report["ended_by"], "us", "{}", live.report);
    assert_eq!(gateway.wait(), Some(0), "{}", gateway.log());
}

#[test]
fn at_the_limit_callers_hear_goodbye() {
    let mut gateway = Gateway::start_with(&[("MINXIN_DRAIN_LIMIT_S", "2")]);
    let live = gateway.dial("12345", &["--duration", "40"]);
    up(&mut gateway);
    std::thread::sleep(Duration::from_secs(6)); // The notice is over.
    gateway.terminate();
    let live = live.hang_up();
    live.heard().must_have(&["notice", "welcome", "goodbye.early"]);
    assert_eq!(live.report["ended_by"], "peer", "{}", live.report);
    assert_eq!(gateway.wait(), Some(0), "{}", gateway.log());

    gateway.run();
    let calls = gateway.api("calls");
    assert_eq!(calls["items"][0]["end_reason"], "drain", "{calls}");
    assert!(calls["items"][0]["case_number"].is_i64(), "{calls}");
}

fn up(gateway: &mut Gateway) {
    gateway.wait_for("a call", Duration::from_secs(5), |gateway| {
        gateway.text("/metrics").lines().any(|line| line.starts_with("minxin_calls 1")).then_some(())
    });
}
