//! The process dies at random moments of calls; a number that somebody heard exists for ever, once (S16, P23).

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use minxin::clock::{monotonic, wall};
use serde_json::Value;

use crate::support::gateway::Gateway;
use crate::support::script::{MESSAGE, caller, masked};

/// Names the number of kills, for a longer run.
const KILLS: &str = "MINXIN_KILLS";

/// Names the number of calls at each kill.
const CALLS: &str = "MINXIN_KILL_CALLS";

/// The kills come so long after a round's first call, in milliseconds: from before the first telling of its number to
/// after the second.
const KILL_BETWEEN_MS: (u64, u64) = (15_000, 26_000);

/// From one call of a round to the next, so that a kill finds each somewhere else.
const STAGGER_MS: u64 = 1_000;

/// How long telephones stay after the gateway's death.
const LINGER: Duration = Duration::from_millis(500);

/// Most audio that a crash may cost a recording, in milliseconds.
const AUDIO_LOST_MS: i64 = 2_000;

/// Longest start after a crash: 5 s where nothing else runs.
const READY: Duration = Duration::from_secs(20);

#[test]
fn a_number_that_was_heard_exists_for_ever() {
    let (kills, calls) = (number(KILLS, 4), number(CALLS, 6));
    let mut gateway = Gateway::start();
    let mut random = Lcg(0x6d69_6e78);
    let (mut spoken, mut cut) = (BTreeSet::new(), 0);
    let mut slowest = Duration::ZERO;
    for kill in 0..kills {
        let moment = Duration::from_millis(random.between(KILL_BETWEEN_MS));
        println!("kill {kill}: {moment:?} after the first call");
        let began = monotonic();
        let telephones: Vec<_> = (0..calls)
            .take_while(|call| Duration::from_millis(call * STAGGER_MS) < moment)
            .map(|call| {
                thread::sleep(Duration::from_millis(call * STAGGER_MS).saturating_sub(began.elapsed()));
                let stays = (moment + LINGER).saturating_sub(began.elapsed()).as_secs_f64().to_string();
                let index = usize::try_from(kill * 100 + call).expect("a small number");
                (index, gateway.dial("12345", &["--from", &caller(index), "--dtmf", MESSAGE, "--duration", &stays]))
            })
            .collect();
        thread::sleep(moment.saturating_sub(began.elapsed()));
        let killed_at = wall();
        gateway.kill();
        let ended: Vec<_> = telephones.into_iter().map(|(index, phone)| (index, phone.hang_up())).collect();
        let restarted = monotonic();
        gateway.run();
        slowest = slowest.max(restarted.elapsed());

        for (index, call) in ended {
            // The last call may not have been answered before the kill.
            let Some(heard) = &call.heard else { continue };
            spoken.extend(heard.case_numbers().iter().map(ToString::to_string));
            cut += 1;
            check_mended(&mut gateway, index, killed_at);
        }
    }
    println!("{cut} calls cut by {kills} kills, {} numbers spoken, slowest start {slowest:?}", spoken.len());
    assert!(cut > kills, "only {cut} calls in {kills} kills: nothing is shown");
    assert!(!spoken.is_empty(), "no number was heard: nothing is shown");
    assert!(slowest < READY, "ready only after {slowest:?}");
    gateway.wait_for("an empty spool", Duration::from_secs(30), |gateway| {
        gateway.text("/metrics").lines().any(|l| l.starts_with("minxin_spool_records 0")).then_some(())
    });
    let cases = all_cases(&mut gateway);
    for number in &spoken {
        let times =
            cases.iter().filter(|case| case["number"].as_i64().is_some_and(|n| n.to_string() == *number)).count();
        assert_eq!(times, 1, "case {number} was heard, and is there {times} times\n{}", gateway.log());
    }
}

/// A call that the crash cut has its end, and its recording up to then.
fn check_mended(gateway: &mut Gateway, index: usize, killed_at: DateTime<Utc>) {
    let call = gateway.wait_for("the end of a cut call", Duration::from_secs(20), |gateway| {
        let calls = gateway.api("calls?limit=200");
        let call = calls["items"].as_array()?.iter().find(|c| c["caller"] == masked(index))?.clone();
        call["ended_at"].is_string().then_some(call)
    });
    assert_eq!(call["end_reason"], "crash", "{call}");
    let answered_at = call["answered_at"].as_str().expect("an answered call");
    let answered_at = DateTime::parse_from_rfc3339(answered_at).expect("a time");
    let lasted = (killed_at - answered_at.to_utc()).num_milliseconds();
    // Recording begins after the notice; a call cut before has none.
    if lasted < 5_000 + AUDIO_LOST_MS {
        return;
    }
    let id = call["id"].as_str().expect("an id");
    let recording = gateway.download(&format!("calls/{id}/recording.wav"));
    let reader = hound::WavReader::new(recording.as_slice()).expect("a file that plays");
    assert_eq!((reader.spec().channels, reader.spec().sample_rate), (2, 8_000));
    let recorded = i64::from(reader.duration()) / 8;
    assert_eq!(call["recording_ms"], recorded, "{call}");
    assert!((lasted - recorded).abs() <= AUDIO_LOST_MS, "{recorded} ms are left of {lasted} ms");
}

/// Every case, page by page.
fn all_cases(gateway: &mut Gateway) -> Vec<Value> {
    let mut cases: Vec<Value> = Vec::new();
    loop {
        let before = cases.last().map_or_else(String::new, |last| format!("&before={}", last["number"]));
        let page = gateway.api(&format!("cases?limit=200{before}"));
        match page["items"].as_array() {
            Some(items) if !items.is_empty() => cases.extend(items.iter().cloned()),
            _ => return cases,
        }
    }
}

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e}")))
}

/// Knuth's generator: the same kills at every run.
struct Lcg(u64);

impl Lcg {
    fn between(&mut self, (least, most): (u64, u64)) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        least + (self.0 >> 33) % (most - least)
    }
}
