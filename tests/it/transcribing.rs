//! What a caller says becomes text: for operators while it is said, and afterwards whatever becomes of the gateway.

use std::time::Duration;

use minxin::clock::monotonic;

use crate::support::gateway::Gateway;
use crate::support::repository;
use crate::support::script::caller;

/// Words that the caller speaks, and how many of them must be found.
const REFERENCE: &str = "我们村口的路灯坏了半个月了晚上走路看不见请你们派人来修一修";
const WORDS_FOUND: usize = 8;

/// The caller speaks so many seconds after the answer: after the recording notice.
const SPEAKS_S: f64 = 9.5;

/// So long the words last, and some more.
const HANGS_UP_S: &str = "22";

fn play() -> String {
    format!("{SPEAKS_S}:{}", repository("tests/data/calls/request.streetlight.wav").display())
}

fn found(text: &str) -> usize {
    REFERENCE.chars().filter(|c| text.contains(*c)).count()
}

/// The gateway that took the call has no recogniser, and is killed; another process makes the transcript.
#[test]
fn another_process_transcribes_what_a_dead_gateway_recorded() {
    let mut gateway = Gateway::start();
    gateway.ring("12345", &["--from", &caller(1), "--play", &play(), "--duration", HANGS_UP_S]);
    let id = gateway.wait_for("a recording that waits", Duration::from_secs(20), |gateway| {
        let call = gateway.api("calls")["items"].get(0)?.clone();
        (call["transcript_state"] == "queued").then(|| call["id"].as_str().expect("an id").to_owned())
    });
    gateway.kill();
    assert_eq!(gateway.must(&["transcribe", "--once"]).trim(), "1 recordings");
    assert_eq!(gateway.must(&["transcribe", "--once"]).trim(), "0 recordings");
    gateway.run();
    assert_eq!(gateway.api(&format!("calls/{id}"))["transcript_state"], "done");
    let transcript = gateway.api(&format!("calls/{id}/transcript"));
    let segments = transcript["segments"].as_array().expect("segments");
    let said: String = segments.iter().filter(|s| s["channel"] == 0).filter_map(|s| s["text"].as_str()).collect();
    assert!(found(&said) >= WORDS_FOUND, "{said}");
}

/// An operator's page shows words while they are being said, marked as unfinished.
#[test]
fn an_operator_reads_along() {
    let gateway = Gateway::start_with(&[("MINXIN_SPEECH__THREADS", "2")]);
    let mut browser = gateway.log_in("operator");
    let telephone = gateway.dial("12345", &["--from", &caller(1), "--play", &play(), "--duration", HANGS_UP_S]);
    let until = monotonic() + Duration::from_secs(40);
    let page = loop {
        let page = browser.page("/calls");
        if page.contains("data-caption class=\"partial\"") {
            break page;
        }
        assert!(monotonic() < until, "no caption\n{page}");
        std::thread::sleep(Duration::from_millis(100));
    };
    let caption = page.split("class=\"partial\">").nth(1).and_then(|rest| rest.split('<').next()).expect("a caption");
    assert!(found(caption) >= 2, "{caption}");
    telephone.hang_up();
    assert!(gateway.metric("minxin_speech_captions_total") >= 1.0);
}
