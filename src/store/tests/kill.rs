//! kill -9 at random moments: a number that was printed after `open_case` is there for ever, and never again.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use rand::{RngExt, SeedableRng};

use super::*;
use crate::ids::CaseNumber;
use crate::store::testing::{self, TestDatabase};

/// Processes killed.
const KILLS: usize = 20;

/// Calls that open cases at the same time in each.
const CALLS: usize = 20;

/// What a number is printed behind.
const MARK: &str = "spoken ";

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_was_spoken_exists_for_ever() {
    let database = TestDatabase::fresh().await;
    let dir = testing::tempdir();
    let seed = 20_260_302;
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let mut spoken = BTreeSet::new();
    for round in 0..KILLS {
        let (url, data_dir) = (database.url.clone(), dir.path().to_owned());
        // A time to live after the first number, in milliseconds; some die in the middle of the first group.
        let life = Duration::from_millis(random.random_range(0..150));
        let numbers = tokio::task::spawn_blocking(move || speak_and_die(&data_dir, &url, life)).await.expect("runs");
        assert!(!numbers.is_empty(), "round {round} of seed {seed} spoke nothing");
        for number in numbers {
            assert!(spoken.insert(number), "round {round} of seed {seed}: {number} was spoken twice");
        }
    }
    let store = open(dir.path(), Some(&database.url)).await;
    sent(&store).await;
    let kept: Vec<i64> = sqlx::query_scalar("SELECT number FROM cases").fetch_all(&database.pool).await.expect("reads");
    let kept: BTreeSet<CaseNumber> = kept.into_iter().map(|n| CaseNumber::try_from(n).expect("a number")).collect();
    let lost: Vec<_> = spoken.difference(&kept).collect();
    assert!(lost.is_empty(), "of {} numbers spoken (seed {seed}), lost: {lost:?}", spoken.len());
    eprintln!("{} numbers spoken before {KILLS} kills, {} cases kept, none lost", spoken.len(), kept.len());
    store.shutdown().await;
}

/// Runs [`speaker`] in a process of its own until `life` after its first number; returns what it spoke.
fn speak_and_die(data_dir: &Path, url: &str, life: Duration) -> Vec<CaseNumber> {
    let mut child = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", "store::tests::kill::speaker", "--ignored", "--nocapture"])
        .env("MINXIN_TEST_DATA_DIR", data_dir)
        .env("MINXIN_TEST_URL", url)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut numbers = Vec::new();
    let mut killer = Some(child);
    let mut dying = None;
    for line in lines {
        let line = line.expect("text");
        let Some((_, number)) = line.split_once(MARK) else { continue };
        // The last line may have been cut off by the kill.
        numbers.extend(number.parse::<CaseNumber>());
        if let Some(mut child) = killer.take() {
            dying = Some(std::thread::spawn(move || {
                std::thread::sleep(life);
                child.kill().expect("kills");
                child.wait().expect("ends");
            }));
        }
    }
    match (dying, killer) {
        (Some(dying), _) => dying.join().expect("killed"),
        (None, Some(mut child)) => drop(child.wait()),
        (None, None) => {}
    }
    numbers
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "not a test: the process that `a_number_that_was_spoken_exists_for_ever` kills"]
async fn speaker() {
    let (Ok(data_dir), Ok(url)) = (std::env::var("MINXIN_TEST_DATA_DIR"), std::env::var("MINXIN_TEST_URL")) else {
        return;
    };
    let store = open(Path::new(&data_dir), Some(&url)).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..CALLS {
        let store = store.clone();
        calls.spawn(async move {
            loop {
                let case = call_with_case(&store).await;
                let mut out = std::io::stdout().lock();
                writeln!(out, "{MARK}{}", case.number).and_then(|()| out.flush()).expect("somebody listens");
            }
        });
    }
    calls.join_all().await;
}
