//! A case that runs out of time, told by telephone to whoever answers for it, and acknowledged by key; a lost call that
//! becomes a task.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::PgPool;

use crate::support::campaign::{database, trunk};
use crate::support::gateway::Gateway;
use crate::support::residents::{Habit, Village};

const B_ROLE: &str = "13900001001";
const LEADER: &str = "13900001002";
const RESIDENT: &str = "13900001003";

/// From a start until all that it finds is told: the calls take some 20 s, on a machine that runs other tests beside.
const WITHIN: Duration = Duration::from_secs(90);

/// A case long overdue, whose owner's B role and the duty post above it have telephones; and a call that nobody answered.
async fn furnish(pool: &PgPool) {
    let statements = [
        "UPDATE persons SET phone = NULL",
        "UPDATE persons SET phone = '13900001001' WHERE id = (SELECT b_person_id FROM posts WHERE id = 7)",
        "UPDATE persons SET phone = '13900001002' WHERE id =
             (SELECT a_person_id FROM posts WHERE org_id = 1 AND window_code IS NULL ORDER BY id LIMIT 1)",
        "INSERT INTO calls (id, line, caller, called, sip_call_id, flow, started_at, ended_at, end_reason)
         VALUES (gen_random_uuid(), '民心热线', '13900001003', '12345', 'a@test', '', now() - interval '1 hour',
                 now() - interval '1 hour', 'cancelled')",
        "INSERT INTO calls (id, line, called, sip_call_id, flow, started_at)
         VALUES ('00000000-0000-7000-8000-000000000001', '民心热线', '12345', 'b@test', '', now() - interval '60 days')",
        "INSERT INTO cases (number, call_id, line, origin, kind, state, place, words, summary, owner_post_id, promise, due_on,
                            received_at, opened_at)
         VALUES (50000001, '00000000-0000-7000-8000-000000000001', '民心热线', 'dialogue', 'request', 'received', '', '', '', 7,
                 '五个工作日内答复', (now() - interval '40 days')::date, now() - interval '60 days', now() - interval '60 days');
         INSERT INTO case_events (case_number, seq, at, actor, kind, to_state, reason, detail)
         SELECT number, 1, opened_at, 'gateway', 'opened', 'received', '',
                jsonb_build_object('owner', owner_post_id, 'due_on', due_on) FROM cases",
    ];
    let mut tx = pool.begin().await.expect("begins");
    for statement in statements {
        sqlx::raw_sql(statement).execute(&mut *tx).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
    tx.commit().await.expect("commits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_answers_for_an_overdue_case_is_rung_and_acknowledges() {
    // The notice to staff takes 7.6 s, longer than a survey's, and no key counts before its end: they press once more.
    let people = [(B_ROLE, Habit::Keys("111")), (LEADER, Habit::Keys("111")), (RESIDENT, Habit::Keys("111"))];
    let people: BTreeMap<_, _> = people.into_iter().map(|(number, habit)| (number.to_owned(), habit)).collect();
    let village = Village::new(people).await;
    let mut gateway = tokio::task::block_in_place(|| Gateway::start_with_more(&trunk(&village, 4, 4)));
    let pool = database(&gateway).await;
    furnish(&pool).await;
    pool.close().await;
    // What is to be done is found in the database alone, so also by a gateway that was not there when it came to be.
    tokio::task::block_in_place(|| {
        gateway.kill();
        gateway.run();
    });
    let pool = database(&gateway).await;
    let told = async {
        loop {
            let told: Vec<(String, String)> =
                sqlx::query_as("SELECT kind, done_by FROM tasks WHERE outcome = 'acknowledged' ORDER BY kind")
                    .fetch_all(&pool)
                    .await
                    .expect("tasks");
            if told.len() == 2 {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let told =
        tokio::time::timeout(WITHIN, told).await.unwrap_or_else(|_| panic!("nobody was told\n{}", gateway.log()));
    assert_eq!(told, [("red", "gateway"), ("red_leader", "gateway")].map(|(k, by)| (k.to_owned(), by.to_owned())));
    assert_eq!(village.rung(), BTreeMap::from([(B_ROLE.to_owned(), 1), (LEADER.to_owned(), 1)]));
    let left: Vec<String> = sqlx::query_scalar("SELECT kind FROM tasks WHERE done_at IS NULL ORDER BY kind")
        .fetch_all(&pool)
        .await
        .expect("tasks");
    assert_eq!(left, ["listed", "missed"], "the list is read by people, and a lost call rung back by them");
    let log: Vec<String> =
        sqlx::query_scalar("SELECT detail->>'told' FROM case_events WHERE kind = 'noted' ORDER BY seq")
            .fetch_all(&pool)
            .await
            .expect("the log");
    assert_eq!(log.len(), 2, "{log:?}");
    pool.close().await;
    let verified = tokio::task::block_in_place(|| gateway.must(&["verify"]));
    assert!(verified.contains("log of cases: 3 entries as written"), "{verified}");
}
