//! The database away: at the start, stopped, killed.

use std::fs;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};

use super::*;
use crate::cases::State;
use crate::store::postgres::{Cluster, Tenure};
use crate::store::testing::{self, TestDatabase};
use crate::store::{StoreError, seed};

/// An address where nobody answers.
const NOWHERE: &str = "postgres:///minxin?host=/nonexistent&user=minxin";

#[tokio::test]
async fn without_database_and_numbers_the_gateway_is_not_ready() {
    let dir = testing::tempdir();
    let config = StoreConfig { data_dir: dir.path().to_owned(), url: Some(NOWHERE.into()) };
    assert!(matches!(Store::open(config).await, Err(StoreError::NotReady(_))));
}

#[tokio::test]
async fn with_numbers_left_it_opens_cases_without_a_database_and_brings_them_over_later() {
    let database = TestDatabase::fresh().await;
    let dir = testing::tempdir();
    let store = open(dir.path(), Some(&database.url)).await;
    let first = call_with_case(&store).await;
    store.shutdown().await;

    let store = open(dir.path(), Some(NOWHERE)).await;
    assert_eq!(*store.state().borrow(), DatabaseState::Down);
    let second = call_with_case(&store).await;
    assert!(second.number.serial() > first.number.serial());
    let answer = store.case_status(second.number).await.expect("answers").expect("on its way");
    assert_eq!((answer.state, answer.owner), (State::Received, second.draft.owner));
    assert!(store.case_status(first.number).await.is_err(), "whether it exists cannot be known");
    assert_eq!(store.unsent(), 4);
    store.shutdown().await;

    let store = open(dir.path(), Some(&database.url)).await;
    sent(&store).await;
    assert_eq!(count(&database.pool, "SELECT count(*) FROM cases").await, 2);
    store.shutdown().await;
}

/// The postmaster and its children.
fn processes(postmaster: i32) -> Vec<Pid> {
    let child = |path: PathBuf| {
        let stat = fs::read_to_string(path.join("stat")).ok()?;
        let parent: i32 = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
        let pid: i32 = path.file_name()?.to_str()?.parse().ok()?;
        (parent == postmaster || pid == postmaster).then(|| Pid::from_raw(pid)).flatten()
    };
    fs::read_dir("/proc").expect("/proc").flatten().filter_map(|entry| child(entry.path())).collect()
}

fn signal(pids: &[Pid], signal: Signal) {
    for pid in pids {
        let _gone_already = kill_process(*pid, signal);
    }
}

fn postmaster(data_dir: &Path) -> i32 {
    let lock = fs::read_to_string(data_dir.join("pg/data/postmaster.pid")).expect("it runs");
    lock.lines().next().and_then(|l| l.parse().ok()).expect("a process id")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_and_a_killed_database_lose_nothing_and_double_nothing() {
    let dir = testing::tempdir();
    let store = open(dir.path(), None).await;
    seed::seed(store.pool(), &testing::seeds()).await.expect("seeds");
    let mut opened = vec![call_with_case(&store).await];
    sent(&store).await;

    // Stopped: connections stay open and nothing answers.
    let stopped = processes(postmaster(dir.path()));
    signal(&stopped, Signal::STOP);
    for _ in 0..50 {
        opened.push(call_with_case(&store).await);
    }
    becomes(&store, DatabaseState::Down).await;
    let known = opened.last().expect("some").number;
    assert!(store.case_status(known).await.expect("answers").is_some());
    signal(&stopped, Signal::CONT);
    becomes(&store, DatabaseState::Up).await;
    sent(&store).await;

    // Killed, with records under way; the watch starts it again.
    let before = postmaster(dir.path());
    signal(&processes(before), Signal::KILL);
    for _ in 0..50 {
        opened.push(call_with_case(&store).await);
    }
    sent(&store).await;
    assert_ne!(postmaster(dir.path()), before);

    let pool = store.pool();
    let expected = i64::try_from(opened.len()).expect("few");
    assert_eq!(count(pool, "SELECT count(*) FROM cases").await, expected);
    assert_eq!(count(pool, "SELECT count(*) FROM case_events").await, expected);
    assert_eq!(count(pool, "SELECT count(*) FROM calls WHERE ended_at IS NOT NULL").await, expected);
    assert_eq!(count(pool, "SELECT count(*) FROM call_events").await, expected * 2);
    for case in &opened {
        assert!(store.case_status(case.number).await.expect("answers").is_some(), "{} is lost", case.number);
    }
    let last = postmaster(dir.path());
    store.shutdown().await;
    assert!(processes(last).is_empty(), "shutdown stops the private cluster");
}

#[tokio::test]
async fn a_running_cluster_is_borrowed_or_taken_over() {
    let dir = testing::tempdir();
    let pg = dir.path().join("pg");
    let first = Cluster::start(&pg, Tenure::Own).await.expect("starts");
    let pid = first.pid().expect("runs");
    let guest = Cluster::start(&pg, Tenure::Borrow).await.expect("finds it");
    assert_eq!(guest.pid(), Some(pid));
    guest.stop().await;
    assert_eq!(first.pid(), Some(pid), "a guest stops nothing");
    let heir = Cluster::start(&pg, Tenure::Own).await.expect("finds it");
    assert_eq!(heir.pid(), Some(pid));
    heir.stop().await;
    assert_ne!(first.pid(), Some(pid), "an heir does");
    first.stop().await;
}
