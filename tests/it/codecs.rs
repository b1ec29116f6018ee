//! A call in each codec: the caller hears the prompts, and the recording has what the caller said.

use std::time::Duration;

use crate::support::gateway::Gateway;
use crate::support::heard::likeness_near;
use crate::support::script::{caller, masked};
use crate::support::{repository, samples};

/// When the caller speaks, in seconds after the answer: the notice is over, and the recording has begun.
const SPEAKS_S: usize = 9;

/// What the caller says.
const WORDS: &str = "tests/data/calls/request.streetlight.wav";

/// By how much the call's clock and the recording's may differ, in samples: 400 ms.
const SLACK: usize = 3_200;

#[test]
fn every_codec_carries_prompts_and_words() {
    let mut gateway = Gateway::start();
    let words = repository(WORDS).display().to_string();
    let play = format!("{SPEAKS_S}:{words}");
    // What comes through resembles what was sent at least so much. Opus takes the lowest tones away and shifts others.
    let codecs = [("pcma", "PCMA", 0.97), ("pcmu", "PCMU", 0.97), ("g722", "G722", 0.95), ("opus", "opus", 0.7)];
    let calls: Vec<_> = codecs
        .iter()
        .enumerate()
        .map(|(n, (offered, ..))| {
            gateway.dial(
                "12345",
                &["--from", &caller(n), "--codec", offered, "--play", &play, "--dtmf", "15:9", "--duration", "17"],
            )
        })
        .collect();
    for (n, (call, (_, name, least))) in calls.into_iter().zip(codecs).enumerate() {
        let call = call.hang_up();
        assert_eq!(call.report["codec"], name, "{}", call.report);
        assert_eq!(call.report["packets_lost"], 0, "{name}: {}", call.report);
        let welcome = call.heard().best("welcome");
        assert!(welcome > least, "{name}: the welcome as heard resembles itself by {welcome}");

        let id = gateway.wait_for("an ended call", Duration::from_secs(20), |gateway| {
            let calls = gateway.api("calls");
            let call = calls["items"].as_array()?.iter().find(|call| call["caller"] == masked(n))?.clone();
            call["ended_at"].is_string().then(|| call["id"].as_str().map(str::to_owned))?
        });
        let file = gateway.download(&format!("calls/{id}/recording.wav"));
        let reader = hound::WavReader::new(file.as_slice()).expect("a file that plays");
        let track: Vec<i16> = reader.into_samples::<i16>().step_by(2).map(|s| s.expect("a sample")).collect();
        let said = likeness_near(&samples(&repository(WORDS)), &track, SPEAKS_S * 8_000, SLACK);
        assert!(said > least, "{name}: the words as recorded resemble themselves by {said}");
        let events = gateway.api(&format!("calls/{id}"))["events"].to_string();
        assert!(events.contains("\"9\""), "{name}: the key is missing in {events}");
    }
}
