//! Who answered, the whole way: every recording of the labelled set answers a call by SIP and RTP, and the recogniser listens.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::campaign::{create, database, finished, number, trunk};
use crate::support::gateway::Gateway;
use crate::support::repository;
use crate::support::residents::{Habit, Village};

/// Calls at once: one thread recognises.
const CHANNELS: usize = 2;

/// What an announcement comes to, by words in its label; the network's reason where it can be told.
const REASONS: [(&str, &str); 7] = [
    ("关机", "unreachable"),
    ("通话中", "busy"),
    ("无法接通", "unreachable"),
    ("空号", "non_working"),
    ("停机", "out_of_service"),
    ("无人接听", "no_answer"),
    ("服务区", "unreachable"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes, and a model: run it by hand"]
async fn who_answered_by_sound_and_words() {
    let labels = std::fs::read_to_string(repository("tests/data/answered/labels.tsv")).expect("the labels");
    let mut truth: BTreeMap<String, (&str, &str)> = BTreeMap::new();
    let mut people = BTreeMap::new();
    for (at, line) in labels.lines().enumerate() {
        let mut columns = line.split('\t');
        let mut column = || columns.next().expect("three columns");
        let (file, label, words) = (column(), column(), column());
        let recording: &'static str = format!("tests/data/answered/{file}").leak();
        let habit = match label {
            "person" => Habit::Greets(recording),
            "machine" => Habit::Machine(recording),
            _ => Habit::Announced(recording),
        };
        people.insert(number(at), habit);
        truth.insert(number(at), (label, words));
    }
    let village = Village::new(people).await;
    let config = trunk(&village, CHANNELS, 1);
    let gateway = tokio::task::block_in_place(|| Gateway::start_listening_with_more(&config));
    let pool = database(&gateway).await;
    let id = create(&pool, truth.keys().cloned(), 1).await;
    finished(&pool, id, &gateway, Duration::from_secs(900)).await;

    let outcomes: Vec<(String, String)> =
        sqlx::query_as("SELECT s.number, a.outcome FROM attempts AS a JOIN sample AS s ON s.id = a.sample_id")
            .fetch_all(&pool)
            .await
            .expect("the attempts");
    let mut matrix: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut reasons = (0, 0);
    for (number, outcome) in &outcomes {
        let (label, words) = truth[number];
        let party = match outcome.as_str() {
            "machine" => "machine",
            "thanked" | "hung_up" | "opted_out" | "to_person" | "ours" => "person",
            _ => "announcement",
        };
        *matrix.entry((label, party)).or_default() += 1;
        if label == "announcement" {
            let reason = REASONS.iter().find(|(word, _)| words.contains(word)).expect("a reason").1;
            reasons = (reasons.0 + usize::from(outcome == reason), reasons.1 + 1);
        }
        if label != party {
            println!("{label} taken for {outcome}: {words}");
        }
    }
    let count = |label, party| matrix.get(&(label, party)).copied().unwrap_or(0);
    println!("| | person | machine | announcement |\n|---|---|---|---|");
    for label in ["person", "machine", "announcement"] {
        let row = ["person", "machine", "announcement"].map(|party| count(label, party).to_string());
        println!("| {label} | {} |", row.join(" | "));
    }
    println!("the network's reason right in {} of {} announcements", reasons.0, reasons.1);
    let all = |label| ["person", "machine", "announcement"].map(|party| count(label, party)).iter().sum::<usize>();
    assert!(count("person", "person") * 10 >= all("person") * 9, "people taken for something else");
    assert!(count("machine", "person") + count("announcement", "person") <= 2, "machines taken for people");
}
