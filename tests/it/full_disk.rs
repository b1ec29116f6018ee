//! The disk of the recordings is full: calls are answered, cases are kept, people are told, and recordings come back with
//! the room (S18).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::gateway::Gateway;
use crate::support::script::{MESSAGE, MESSAGE_TOLD_S, caller, masked};

/// By when a full disk is told of, and by when recordings go on once there is room.
const TOLD: Duration = Duration::from_secs(10);
/// The disk's size in octets; one of the kind that systems give out in memory.
const DISK: u64 = 16 << 20;

/// A small disk in the place of a folder.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where mounting is not allowed.
    fn mount(folder: &Path) -> Option<Self> {
        let size = format!("size={DISK},mode=0755");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).output().ok()?;
        mounted.status.success().then(|| Self(folder.to_owned()))
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The gateway may still have files open.
        drop(Command::new("umount").arg("--lazy").arg(&self.0).output());
    }
}

#[test]
fn a_full_disk_costs_sound_and_nothing_else() {
    let mut gateway = Gateway::start_with(&[("MINXIN_RECORDINGS__KEEP_FREE_MB", "1")]);
    let Some(disk) = SmallDisk::mount(&gateway.dir().join("data/recordings")) else {
        eprintln!(
            "skipped: no file system can be mounted here; media::track and media::loopback test the same by a disk of their own"
        );
        return;
    };
    fs::write(disk.filler(), vec![0; DISK as usize + 1]).expect_err("more than there is room for");
    let call = gateway.dial("12345", &["--from", &caller(1), "--dtmf", MESSAGE, "--duration", MESSAGE_TOLD_S]);
    let metric =
        |gateway: &Gateway, line: &str| gateway.text("/metrics").lines().any(|found| found == line).then_some(());
    gateway.wait_for("alarm", TOLD, |gateway| metric(gateway, "minxin_disk_short 1.0"));
    gateway.wait_for("waiting recording", TOLD, |gateway| metric(gateway, "minxin_recordings_waiting 1.0"));
    assert_eq!(gateway.status("/readyz"), 200, "calls are taken");
    assert!(gateway.text("/readyz").contains("recordings wait for room"));

    fs::remove_file(disk.filler()).expect("removed");
    gateway.wait_for("end of the alarm", TOLD, |gateway| metric(gateway, "minxin_disk_short 0.0"));
    gateway.wait_for("recording again", TOLD, |gateway| metric(gateway, "minxin_recordings_waiting 0.0"));

    let call = call.hang_up();
    let numbers = call.heard().case_numbers();
    assert!(!numbers.is_empty(), "a number was told: {}", call.report);
    let stored = gateway.wait_for("the call's end", Duration::from_secs(10), |gateway| {
        let calls = gateway.api("calls");
        let stored = calls["items"].as_array()?.iter().find(|call| call["caller"] == masked(1))?.clone();
        stored["ended_at"].is_string().then_some(stored)
    });
    assert_eq!(stored["case_number"].to_string(), numbers[0].to_string());
    let length_ms = |value: &serde_json::Value| value.as_i64().expect("a length");
    let off = length_ms(&stored["recording_ms"]) - length_ms(&call.report["duration_ms"]);
    assert!(off.abs() < 1_000, "the recording has the length of its call: {off} ms off");
    assert!(gateway.must(&["verify"]).contains("1 recordings are as they were; 0 are not"));
}
