//! The desk over the running product: an operator in Chromium talks with a caller on a telephone.

use std::f64::consts::TAU;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::gateway::Gateway;
use crate::support::repository;

/// What the caller and the operator's microphone say, in Hz.
const CALLER_HZ: f64 = 440.0;
const OPERATOR_HZ: f64 = 1_050.0;
/// The caller presses 0 so many seconds after the answer: the notice is over then.
const ASKS_AT_S: u32 = 9;

/// Bursts of a tone, a third of a second each: a browser takes a tone without end for noise.
fn bursts(path: &Path, hz: f64, rate: u32, seconds: u32) {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, spec).expect("a file");
    for n in 0..rate * seconds {
        let on = (n / (rate / 3)).is_multiple_of(2);
        let sample = 9_000.0 * (TAU * hz * f64::from(n) / f64::from(rate)).sin();
        writer.write_sample(if on { sample as i16 } else { 0 }).expect("written");
    }
    writer.finalize().expect("whole");
}

/// How many tenths of a second are mostly this tone.
fn tenths(audio: &[i16], hz: f64) -> usize {
    let holds = |tenth: &&[i16]| {
        let (mut re, mut im, mut energy) = (0.0, 0.0, 0.0);
        for (n, sample) in tenth.iter().enumerate() {
            let (angle, sample) = (TAU * hz * n as f64 / 8_000.0, f64::from(*sample));
            re += sample * angle.cos();
            im += sample * angle.sin();
            energy += sample * sample;
        }
        let len = tenth.len() as f64;
        // A sine's own share of the energy is 1; quieter than -50 dBov is silence.
        energy / len > 100.0 * 100.0 && 2.0 * (re * re + im * im) / len > 0.6 * energy
    };
    audio.chunks_exact(800).filter(holds).count()
}

#[test]
fn an_operator_in_a_browser_talks_with_a_caller() {
    let mut gateway = Gateway::start();
    let link = gateway.must(&["user", "add", "李坐席", "--role", "operator"]);
    let (speech, microphone) = (gateway.dir().join("caller.wav"), gateway.dir().join("microphone.wav"));
    bursts(&speech, CALLER_HZ, 8_000, 110);
    bursts(&microphone, OPERATOR_HZ, 48_000, 20);
    let mut browser = Command::new("node")
        .args(["--test", "--test-reporter=spec", "desk.test.mjs"])
        .current_dir(repository("tests/browser"))
        .env("MINXIN_URL", format!("http://{}", gateway.web))
        .env("MINXIN_LINK", link.trim())
        .env("MINXIN_MICROPHONE", &microphone)
        .env("MINXIN_CALLER_HZ", CALLER_HZ.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node runs");
    // The caller rings once somebody is ready: a caller before that is asked for a message.
    gateway.wait_for("operator who is ready", std::time::Duration::from_secs(60), |gateway| {
        let gone = browser.try_wait().expect("its state").is_some();
        (gone || gateway.metric("minxin_desk_ready") > 0.0).then_some(())
    });
    let play = format!("{ASKS_AT_S}:{}", speech.display());
    let arguments = ["--from", "13800000001", "--play", &play, "--dtmf", "8:0", "--duration", "100"];
    let call = gateway.ring("12345", &arguments);
    let output = browser.wait_with_output().expect("node ends");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), gateway.log());
    assert_eq!(call.report["ended_by"], "peer", "the operator hung up: {}", call.report);
    assert_eq!(call.report["digits"], "5", "a key of the operator's: {}", call.report);
    let heard = call.heard();
    heard.must_have(&["queue.connecting", "queue.held", "queue.parked"]);

    // The recording holds both: left the caller, right what the caller heard.
    let id = gateway.wait_for("recording", std::time::Duration::from_secs(20), |gateway| {
        let calls = gateway.api("calls");
        calls["items"][0]["recording_ms"].as_u64().and(calls["items"][0]["id"].as_str().map(str::to_owned))
    });
    let wav = gateway.download(&format!("calls/{id}/recording.wav"));
    let path = gateway.dir().join("recording.wav");
    std::fs::write(&path, wav).expect("written");
    let stereo: Vec<i16> =
        hound::WavReader::open(&path).expect("a recording").into_samples().map(|s| s.expect("a sample")).collect();
    let side = |n: usize| stereo.iter().skip(n).step_by(2).copied().collect::<Vec<i16>>();
    let (caller, operator) = (tenths(&side(0), CALLER_HZ), tenths(&side(1), OPERATOR_HZ));
    println!("tenths of a second of the caller's tone {caller}, of the operator's {operator}");
    assert!(caller > 60 && operator > 20, "{caller} {operator}");
}
