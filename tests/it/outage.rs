//! The database stands still, then dies, while people talk: they notice nothing, and nothing is lost (S17, N18).

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::gateway::{Gateway, signal};
use crate::support::script::{MESSAGE, MESSAGE_TOLD_S, caller};

/// Names the length of the outage in seconds, for a longer run.
const LENGTH: &str = "MINXIN_OUTAGE_S";

#[test]
fn calls_go_on_while_the_database_stands_still() {
    let length: u64 = std::env::var(LENGTH).ok().map_or(8, |text| text.parse().expect("seconds"));
    let mut gateway = Gateway::start();
    gateway.api("calls"); // Makes the token while there is a database.
    let within = gateway.dial("12345", &["--from", &caller(1), "--dtmf", MESSAGE, "--duration", MESSAGE_TOLD_S]);
    thread::sleep(Duration::from_secs(5));

    // Before the message is left, so that the case is opened without a database.
    let stopped = gateway.database();
    for pid in &stopped {
        signal(*pid, Signal::STOP);
    }
    // The pages know within 5 s; readiness stands, for calls are taken.
    gateway.wait_for("database_up 0", Duration::from_secs(10), |gateway| {
        gateway.text("/metrics").lines().any(|l| l.starts_with("minxin_database_up 0")).then_some(())
    });
    assert_eq!(gateway.status("/readyz"), 200);
    let ready = gateway.text("/readyz");
    assert!(ready.contains("calls go on"), "{ready}");
    let begun = gateway.dial("12345", &["--from", &caller(2), "--dtmf", MESSAGE, "--duration", MESSAGE_TOLD_S]);
    thread::sleep(Duration::from_secs(length).max(Duration::from_secs(8)));
    for pid in &stopped {
        signal(*pid, Signal::CONT);
    }
    // And once more, the hard way: the postmaster is killed and has to be started again.
    signal(gateway.database()[0], Signal::KILL);

    let mut heard = BTreeSet::new();
    for call in [within.hang_up(), begun.hang_up()] {
        assert_eq!(call.report["ended_by"], "us", "{}", call.report);
        call.heard().must_have(&["notice", "beep", "record.done", "case.opened", "case.repeat", "case.due"]);
        let numbers: BTreeSet<_> = call.heard().case_numbers().iter().map(ToString::to_string).collect();
        assert_eq!(numbers.len(), 1, "{numbers:?}");
        heard.extend(numbers);
    }
    assert_eq!(heard.len(), 2, "two callers, two numbers: {heard:?}");

    gateway.wait_for("an empty spool", Duration::from_secs(60), |gateway| {
        let metrics = gateway.text("/metrics");
        let has = |start: &str| metrics.lines().any(|l| l.starts_with(start));
        (has("minxin_database_up 1") && has("minxin_spool_records 0")).then_some(())
    });
    let (calls, cases) = (gateway.api("calls"), gateway.api("cases"));
    let numbers: Vec<_> = cases["items"].as_array().expect("a list").iter().map(|c| c["number"].to_string()).collect();
    assert_eq!(numbers.len(), heard.len(), "{numbers:?}");
    assert!(heard.iter().all(|n| numbers.contains(n)), "{heard:?} were heard, {numbers:?} arrived");
    let ends: Vec<_> = calls["items"].as_array().expect("a list").iter().map(|c| c["end_reason"].clone()).collect();
    assert_eq!(ends, ["caller", "caller"]);
}
