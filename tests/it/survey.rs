//! A campaign against real telephones: every kind of person, counted as what it is.

use std::collections::BTreeMap;
use std::time::Duration;

use minxin::clock::{monotonic, wall};
use minxin::store::campaigns::{self, CampaignState};

use crate::support::campaign::{CONTENT, answered, create, database, draws, finished, found, number, trunk};
use crate::support::gateway::Gateway;
use crate::support::residents::{Habit, Village};

/// Names the number of people, for a larger campaign.
const PEOPLE: &str = "MINXIN_PEOPLE";

/// What a machine says before its beep.
const MACHINE: &str = "tests/data/answered/machine.02.wav";

/// Every kind of person, with the AAPOR code that such a person comes to: complete above 80 % of the questions, partial
/// from 50 %, else a break-off; who hangs up at once has refused.
const KINDS: [(Habit, &str); 14] = [
    (Habit::Keys(CONTENT), "1.1"),
    (Habit::Keys("2210#21"), "1.1"),
    (Habit::Busy, "3.12"),
    (Habit::Declines, "2.11"),
    (Habit::Away, "3.13"),
    (Habit::NoSuchNumber, "4.31"),
    (Habit::HangsUpAfter(""), "2.11"),
    (Habit::HangsUpAfter("1"), "2.12"),
    (Habit::HangsUpAfter("15"), "2.12"),
    (Habit::HangsUpAfter("154"), "1.2"),
    (Habit::HangsUpAfter("1543#"), "1.2"),
    (Habit::HangsUpAfter("1543#2"), "1.2"),
    (Habit::Keys("18"), "2.11"),
    (Habit::Machine(MACHINE), "3.14"),
];

/// Rings this many people, kinds in turn, one attempt each; checks that what is found is what is true.
#[expect(clippy::print_stdout, reason = "figures for whoever runs the large one by hand")]
async fn ring(people: usize, channels: usize, cps: u32, within: Duration) {
    let kinds: BTreeMap<String, (Habit, &str)> =
        (0..people).map(|at| (number(at), KINDS[at % KINDS.len()].clone())).collect();
    let village = Village::new(kinds.iter().map(|(n, (habit, _))| (n.clone(), habit.clone())).collect()).await;
    let gateway = tokio::task::block_in_place(|| Gateway::start_with_more(&trunk(&village, channels, cps)));
    let pool = database(&gateway).await;
    let used = gateway.processor_time();
    let began = monotonic();
    let id = create(&pool, kinds.keys().cloned(), 1).await;
    let mut peak = 0.0_f64;
    let watching = async {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            peak = peak.max(tokio::task::block_in_place(|| gateway.metric("minxin_trunk_calls")));
        }
    };
    tokio::select! {
        () = finished(&pool, id, &gateway, within) => {}
        () = watching => {}
    }
    let lasted = began.elapsed();
    let used = gateway.processor_time() - used;

    let draws = draws(&pool, id).await;
    let truth: BTreeMap<_, _> = kinds
        .iter()
        .map(|(n, (habit, code))| (n.clone(), ((*code).to_owned(), answered(habit.keys(), draws[n]))))
        .collect();
    let wrong: Vec<_> = found(&pool, id).await.into_iter().filter(|(n, found)| truth.get(n) != Some(found)).collect();
    let log = gateway.log();
    assert!(wrong.is_empty(), "not what is true: {wrong:?}\n{log}");
    assert_eq!(village.rung(), kinds.keys().map(|n| (n.clone(), 1)).collect(), "each number rings once");
    let refusing: i64 = sqlx::query_scalar("SELECT count(*) FROM do_not_call").fetch_one(&pool).await.expect("a count");
    let refused = kinds.values().filter(|(habit, _)| habit.keys().contains('8')).count();
    assert_eq!(usize::try_from(refusing).ok(), Some(refused));
    assert!(!kinds.keys().any(|number| log.contains(number.as_str())), "a number in the log\n{log}");
    let talked: f64 = sqlx::query_scalar(
        "SELECT coalesce(sum(extract(epoch FROM ended_at - answered_at)), 0)::float8 FROM calls WHERE line = '回访'",
    )
    .fetch_one(&pool)
    .await
    .expect("a sum");
    let kept = tokio::task::block_in_place(|| gateway.kept_within());
    println!("answers kept, by the time from their input to the disk: {kept}");
    println!(
        "{people} people in {:.0} s: dispositions and answers as true; peak {peak} channels; {talked:.0} s of calls, \
         {:.1} s of processor, {:.2} % of a core for each call",
        lasted.as_secs_f64(),
        used.as_secs_f64(),
        100.0 * used.as_secs_f64() / talked
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_person_counts_as_what_it_is() {
    ring(KINDS.len(), 20, 20, Duration::from_secs(90)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_a_pause_nor_a_stop_rings_anybody_new() {
    let people: Vec<String> = (0..12).map(number).collect();
    let village = Village::new(people.iter().map(|n| (n.clone(), Habit::Keys(CONTENT))).collect()).await;
    let mut gateway = tokio::task::block_in_place(|| Gateway::start_with_more(&trunk(&village, 12, 1)));
    let pool = database(&gateway).await;
    let id = create(&pool, people.iter().cloned(), 1).await;
    until(|| village.rung().len() >= 2).await;
    campaigns::set_state(&pool, id, CampaignState::Paused, "test", wall()).await.expect("a pause");
    tokio::time::sleep(LATE_INVITE).await;
    let paused = village.rung().len();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(village.rung().len(), paused, "rung in a pause");
    campaigns::set_state(&pool, id, CampaignState::Running, "test", wall()).await.expect("an end of the pause");
    until(|| village.rung().len() > paused).await;
    pool.close().await;
    gateway.terminate();
    tokio::time::sleep(LATE_INVITE).await;
    let stopped = village.rung();
    assert_eq!(tokio::task::block_in_place(|| gateway.wait()), Some(0), "{}", gateway.log());
    assert_eq!(village.rung(), stopped, "rung while the gateway drained");
    assert!(stopped.len() < people.len(), "everybody was rung already: nothing is shown");

    tokio::task::block_in_place(|| gateway.run());
    let pool = database(&gateway).await;
    let found = found(&pool, id).await;
    for number in stopped.keys() {
        assert_eq!(found[number].0, "1.1", "{number} was cut off by the stop");
    }
}

/// By then an INVITE that was on its way has arrived.
const LATE_INVITE: Duration = Duration::from_millis(800);

async fn until(holds: impl Fn() -> bool) {
    let held = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), held).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; run it by hand, with MINXIN_PEOPLE for another number than 500"]
async fn a_campaign_of_five_hundred() {
    let people = std::env::var(PEOPLE).ok().map_or(500, |text| text.parse().expect("a number of people"));
    ring(people, 70, 10, Duration::from_secs(600)).await;
}
