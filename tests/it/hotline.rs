//! The way through the product: somebody rings, says what is wanted, hears a case number; the case is there.

use std::time::Duration;

use crate::support::gateway::Gateway;
use crate::support::repository;
use crate::support::script::{caller, masked};

/// Most by which a recording and its call may differ in length (P22), in milliseconds.
const LENGTH_TOLERANCE_MS: i64 = 100;

/// How long the notice takes at least, in milliseconds: nothing is recorded before it is over (R12.1).
const NOTICE_MS: usize = 5_200;

/// Words that the caller speaks, and of which the transcript must have some.
const REFERENCE: &str = "我们村口的路灯坏了半个月了晚上走路看不见请你们派人来修一修";

/// How many of them.
const WORDS_FOUND: usize = 8;

#[test]
fn a_caller_says_what_is_wanted_and_hears_a_number() {
    let mut gateway = Gateway::start_listening();
    let request = format!("8:{}", repository("tests/data/calls/request.streetlight.wav").display());
    let place = format!("29:{}", repository("tests/data/calls/request.pension.wav").display());
    // A key that comes when nothing is asked makes the gateway say its last sentence again; that harms nobody.
    let keys = "24:1,46:1,51:1,56:1";
    let call = gateway.ring(
        "12345",
        &["--from", &caller(1), "--play", &request, "--play", &place, "--dtmf", keys, "--duration", "90"],
    );
    println!("{}", call.report);
    let summary = gateway.wait_for("a transcript", Duration::from_secs(120), |gateway| {
        let calls = gateway.api("calls");
        let call = calls["items"].get(0)?.clone();
        (call["transcript_state"] == "done").then_some(call)
    });
    assert_eq!(summary["caller"], masked(1));
    assert_eq!(summary["line"], "民心热线");
    let id = summary["id"].as_str().expect("an id").to_owned();
    println!("{:#}", gateway.api(&format!("calls/{id}"))["events"]);
    let transcript = gateway.api(&format!("calls/{id}/transcript"));
    println!("{transcript:#}");

    let number = summary["case_number"].as_i64().expect("a case");
    let heard = call.heard();
    heard.must_have(&["notice", "welcome", "case.opened", "case.due"]);
    let numbers = heard.case_numbers();
    assert!(!numbers.is_empty(), "no number was heard");
    assert!(numbers.iter().all(|n| n.to_string() == number.to_string()), "{numbers:?} heard, {number} given");

    let case = gateway.api(&format!("cases/{number}"));
    assert!(case["window"].is_i64(), "{case}");
    assert!(case["owner"].as_str().is_some_and(|owner| !owner.is_empty()), "{case}");
    assert!(case["due_on"].is_string(), "{case}");
    assert_eq!(case["call_id"].as_str(), Some(id.as_str()));
    assert_eq!(case["callback"], masked(1));

    let said = |channel: u64| -> String {
        let segments = transcript["segments"].as_array().expect("segments");
        segments.iter().filter(|s| s["channel"] == channel).filter_map(|s| s["text"].as_str()).collect()
    };
    let found = REFERENCE.chars().filter(|c| said(0).contains(*c)).count();
    assert!(found >= WORDS_FOUND, "{found} of the caller's characters in {}", said(0));
    assert!(said(1).contains("本次通话会录音"), "{}", said(1));

    let recording = gateway.download(&format!("calls/{id}/recording.wav"));
    let mut reader = hound::WavReader::new(recording.as_slice()).expect("a file that plays");
    let recorded = i64::from(reader.duration()) / 8;
    let lasted = call.report["duration_ms"].as_i64().expect("a duration");
    assert!((recorded - lasted).abs() <= LENGTH_TOLERANCE_MS, "{recorded} ms of {lasted} ms");
    let before = reader.samples::<i16>().step_by(2).take(NOTICE_MS * 8);
    assert!(before.map(|s| s.expect("a sample")).all(|s| s == 0), "the caller was recorded before the notice was over");
}
