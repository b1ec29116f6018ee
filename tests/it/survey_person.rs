//! Residents who want a person in a survey: put through to one, or asked on and rung back.

use std::time::Duration;

use sqlx::PgPool;

use crate::support::campaign::{create, database, finished, found, number, trunk};
use crate::support::gateway::Gateway;
use crate::support::residents::{Habit, Village};

/// The telephone of whoever takes such calls.
const PERSON: &str = "2012345";

/// Rings one resident who presses these keys, with a person of this habit at [`PERSON`].
async fn ring(keys: &'static str, person: Habit) -> (PgPool, i64, usize, Gateway) {
    let resident = number(0);
    let people = [(resident.clone(), Habit::Keys(keys)), (PERSON.to_owned(), person)];
    let village = Village::new(people.into()).await;
    let config = format!("{}person = \"{PERSON}\"\nperson_ring_s = 5\n", trunk(&village, 4, 4));
    let gateway = tokio::task::block_in_place(|| Gateway::start_with_more(&config));
    let pool = database(&gateway).await;
    let id = create(&pool, [resident].into_iter(), 1).await;
    finished(&pool, id, &gateway, Duration::from_secs(60)).await;
    let rung = village.rung().get(PERSON).copied().unwrap_or(0);
    (pool, id, rung, gateway)
}

async fn tasks(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("SELECT reason FROM callback_tasks").fetch_all(pool).await.expect("the tasks")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_a_person_is_put_through() {
    let (pool, _, rung, gateway) = ring("10", Habit::HangsUpAfter("")).await;
    let outcomes: Vec<String> =
        sqlx::query_scalar("SELECT outcome FROM attempts").fetch_all(&pool).await.expect("the attempts");
    assert_eq!((rung, outcomes), (1, vec!["transferred".to_owned()]), "{}", gateway.log());
    assert_eq!(tasks(&pool).await, [] as [&str; 0], "nobody need ring back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_interview_goes_on_when_nobody_takes_the_call() {
    // The key after 0 cuts short what is said meanwhile.
    let (pool, id, rung, gateway) = ring("10944#22", Habit::Busy).await;
    let (disposition, given) = found(&pool, id).await.remove(&number(0)).expect("the resident");
    assert_eq!((rung, disposition.as_str()), (1, "1.1"), "{given:?}\n{}", gateway.log());
    assert_eq!(tasks(&pool).await, ["person"], "somebody is to ring back");
}
