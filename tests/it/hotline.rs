//! The way through the product: somebody rings, says what is wanted, hears a case number; the case is there.

use std::sync::Arc;
use std::time::Duration;

use minxin::app::phone::{Answer, Phone, Step, Talk, read_wav};
use minxin::clock::monotonic;
use tokio::sync::mpsc;

use crate::support::gateway::Gateway;
use crate::support::heard::Heard;
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
    let recording = gateway.dir().join("heard.wav");
    let talk = talk(&mut gateway, &recording);
    let heard = Heard::read(&recording);
    let summary = gateway.wait_for("a transcript", Duration::from_secs(120), |gateway| {
        let calls = gateway.api("calls");
        let call = calls["items"].get(0)?.clone();
        (call["transcript_state"] == "done").then_some(call)
    });
    assert_eq!(summary["caller"], masked(1));
    assert_eq!(summary["line"], "民心热线");
    let id = summary["id"].as_str().expect("an id").to_owned();
    // Shown when something below fails.
    println!("{:#}", gateway.api(&format!("calls/{id}"))["events"]);
    let transcript = gateway.api(&format!("calls/{id}/transcript"));

    let number = summary["case_number"].as_i64().expect("a case");
    heard.must_have(&["notice", "welcome", "case.opened", "case.due", "goodbye"]);
    let numbers = heard.case_numbers();
    assert!(!numbers.is_empty(), "no number was heard");
    assert!(numbers.iter().all(|n| n.to_string() == number.to_string()), "{numbers:?} heard, {number} given");

    let case = gateway.api(&format!("cases/{number}"));
    assert!(case["window"].is_string() && case["window_code"].is_i64(), "{case}");
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
    let lasted = i64::try_from(talk.duration.as_millis()).expect("a short call");
    assert!((recorded - lasted).abs() <= LENGTH_TOLERANCE_MS, "{recorded} ms of {lasted} ms");
    let before = reader.samples::<i16>().step_by(2).take(NOTICE_MS * 8);
    // A-law knows no zero: its silence is 8.
    assert!(
        before.map(|s| s.expect("a sample")).all(|s| s.abs() <= 8),
        "the caller was recorded before the notice was over"
    );
}

/// Longest call, on a machine that runs other tests beside.
const CALL_LIMIT: Duration = Duration::from_secs(150);

/// How long the caller listens before answering: long enough to recognise what is asked.
const THINKS: Duration = Duration::from_millis(2_500);

/// A caller who answers what is asked: speaks at the menu and where a place is asked for, confirms by key.
fn talk(gateway: &mut Gateway, recording: &std::path::Path) -> Talk {
    let words = |name: &str| {
        Step::Speak(Arc::new(read_wav(&repository(&format!("tests/data/calls/{name}.wav"))).expect("a recording")))
    };
    let (does, live) = mpsc::channel(4);
    let uri = format!("sip:12345@{}", gateway.sip);
    let record = Some(recording.to_owned());
    let phone = Phone { live: Some(live), record, ..Phone::new(uri, caller(1), CALL_LIMIT) };
    let ringing = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(phone.ring()).expect("the telephone works")
    });
    let (mut seen, until) = (String::new(), monotonic() + CALL_LIMIT);
    while !ringing.is_finished() && monotonic() < until {
        std::thread::sleep(Duration::from_millis(200));
        let state = state(gateway).unwrap_or_default();
        if state == seen {
            continue;
        }
        seen.clone_from(&state);
        let step = match state.as_str() {
            "main" => words("request.streetlight"),
            "place" => words("request.pension"),
            confirms if confirms.starts_with("confirm") => Step::Press("1".into()),
            _ => continue,
        };
        std::thread::sleep(THINKS);
        let _ = does.blocking_send(step);
    }
    drop(does);
    match ringing.join().expect("the telephone's end") {
        Answer::Talked(talk) => *talk,
        refused @ Answer::Refused { .. } => panic!("{refused:?}"),
    }
}

/// The state that the call has come to, as its page tells.
fn state(gateway: &mut Gateway) -> Option<String> {
    let id = gateway.api("calls")["items"].get(0)?["id"].as_str()?.to_owned();
    let call = gateway.api(&format!("calls/{id}"));
    let last = call["events"].as_array()?.iter().rfind(|event| event["kind"] == "state")?.clone();
    last["detail"].as_str().map(str::to_owned)
}
