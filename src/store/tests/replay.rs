//! Records applied again, refused ones, numbers and answers.

use super::*;
use crate::cases::{Hand, Move, State};
use crate::directory::PostId;
use crate::ids::CaseNumber;
use crate::store::apply::apply;
use crate::store::testing::{self, TestDatabase};
use crate::store::{Change, Record, StoreError};

/// Every table that records fill, as text.
async fn contents(pool: &PgPool) -> Vec<String> {
    let mut all = Vec::new();
    for query in [
        "SELECT t::text FROM calls AS t ORDER BY 1",
        "SELECT t::text FROM call_events AS t ORDER BY 1",
        "SELECT t::text FROM cases AS t ORDER BY 1",
        "SELECT t::text FROM case_events AS t ORDER BY 1",
        "SELECT case_number || ' ' || seq FROM case_log ORDER BY 1",
        "SELECT t::text FROM transcript_segments AS t ORDER BY 1",
        "SELECT t::text FROM transcription_jobs AS t ORDER BY 1",
    ] {
        let rows: Vec<String> = sqlx::query_scalar(query).fetch_all(pool).await.expect("reads");
        all.extend(rows);
    }
    all
}

async fn apply_all(pool: &PgPool, records: &[Record]) {
    for record in records {
        let mut tx = pool.begin().await.expect("begins");
        apply(&mut tx, [record]).await.expect("applies");
        tx.commit().await.expect("commits");
    }
}

#[tokio::test]
async fn applying_twice_changes_nothing() {
    let database = TestDatabase::fresh().await;
    let call = CallId::fresh();
    let records = [
        testing::started(call),
        testing::answered(call),
        testing::events(call),
        Record::CaseOpened(NewCase { number: CaseNumber::from_serial(5_000_000), draft: testing::draft(call) }),
        testing::ended(call),
    ];
    apply_all(&database.pool, &records).await;
    let once = contents(&database.pool).await;
    assert_eq!(once.len(), 1 + 2 + 1 + 1 + 1 + 1, "{once:#?}");
    apply_all(&database.pool, &records).await;
    assert_eq!(contents(&database.pool).await, once);

    let transcript = [testing::transcript(call)];
    apply_all(&database.pool, &transcript).await;
    let done = contents(&database.pool).await;
    assert_eq!(done.len(), once.len() + 2 - 1, "two segments more, and the job is gone");
    apply_all(&database.pool, &transcript).await;
    apply_all(&database.pool, &records).await;
    assert_eq!(contents(&database.pool).await, done, "a job that was done does not come back");
}

#[tokio::test]
async fn a_group_leaves_what_its_records_leave_one_by_one() {
    let (grouped, single) = (TestDatabase::fresh().await, TestDatabase::fresh().await);
    let calls = [CallId::fresh(), CallId::fresh()];
    let mut records: Vec<Record> = calls.map(testing::started).into();
    records.extend(calls.map(testing::answered));
    records.extend(calls.map(testing::events));
    records.extend(calls.map(testing::started)); // As after a crash.
    records.extend(calls.map(testing::ended));
    records.push(testing::transcript(calls[0]));
    apply_all(&single.pool, &records).await;
    let mut tx = grouped.pool.begin().await.expect("begins");
    apply(&mut tx, &records).await.expect("applies");
    tx.commit().await.expect("commits");
    assert_eq!(contents(&grouped.pool).await, contents(&single.pool).await);
}

#[tokio::test]
async fn a_replay_does_not_undo_an_operator() {
    let database = TestDatabase::fresh().await;
    let dir = testing::tempdir();
    let store = open(dir.path(), Some(&database.url)).await;
    let case = call_with_case(&store).await;
    sent(&store).await;
    let by = testing::by(case.number, 1);
    store.move_case(by, testing::order(Move::Assign), Hand::Operator).await.expect("moves");
    let before = contents(&database.pool).await;
    apply_all(&database.pool, &[Record::CaseOpened(case)]).await;
    assert_eq!(contents(&database.pool).await, before);
    store.shutdown().await;
}

#[tokio::test]
async fn a_case_outlives_the_directory_it_pointed_to() {
    let database = TestDatabase::fresh().await;
    let mut draft = testing::draft(CallId::fresh());
    draft.owner = PostId(999_999);
    draft.item = Some(crate::directory::ItemId(999_999));
    // Its call's record is missing too, as after a full disk.
    apply_all(&database.pool, &[Record::CaseOpened(NewCase { number: CaseNumber::from_serial(5_000_000), draft })])
        .await;
    let kept: (i64, Option<i64>) =
        sqlx::query_as("SELECT owner_post_id, item_id FROM cases").fetch_one(&database.pool).await.expect("one case");
    assert_eq!(kept, (9, None), "the district's duty post answers for it");
}

#[tokio::test]
async fn a_record_that_no_attempt_could_apply_is_set_aside_and_blocks_nothing() {
    let database = TestDatabase::fresh().await;
    let dir = testing::tempdir();
    let store = open(dir.path(), Some(&database.url)).await;
    // Events of a call that never was: its key refers to nothing.
    store.append(testing::events(CallId::fresh())).await.expect("kept");
    let case = call_with_case(&store).await;
    sent(&store).await;
    let answer = store.case_status(case.number).await.expect("answers").expect("there");
    assert_eq!((answer.state, answer.owner), (State::Received, case.draft.owner));
    let refused = std::fs::read_to_string(dir.path().join("spool/refused.jsonl")).expect("set aside");
    assert_eq!(refused.lines().count(), 1);
    store.shutdown().await;
}

#[tokio::test]
async fn what_is_written_is_announced() {
    let database = TestDatabase::fresh().await;
    let dir = testing::tempdir();
    let store = open(dir.path(), Some(&database.url)).await;
    let mut changes = store.changes();
    let case = call_with_case(&store).await;
    sent(&store).await;
    let by = testing::by(case.number, 1);
    store.move_case(by, testing::order(Move::Assign), Hand::Operator).await.expect("moves");
    let mut heard = Vec::new();
    while let Ok(change) = changes.try_recv() {
        heard.push(change);
    }
    assert!(heard.contains(&Change::Call(case.draft.call)));
    assert_eq!(heard.iter().filter(|c| **c == Change::Case(case.number)).count(), 2, "opened and moved: {heard:?}");
    store.shutdown().await;
}

#[tokio::test]
async fn an_unknown_number_is_unknown() {
    let database = TestDatabase::fresh().await;
    let dir = testing::tempdir();
    let store = open(dir.path(), Some(&database.url)).await;
    assert_eq!(store.case_status(CaseNumber::from_serial(9_999_999)).await.expect("answers"), None);
    store.shutdown().await;
}

#[tokio::test]
async fn one_gateway_at_a_time() {
    let database = TestDatabase::fresh().await;
    let dir = testing::tempdir();
    let store = open(dir.path(), Some(&database.url)).await;
    let config = StoreConfig { data_dir: dir.path().to_owned(), url: Some(database.url.clone()) };
    assert!(matches!(Store::open(config.clone()).await, Err(StoreError::InUse { .. })));
    store.shutdown().await;
    Store::open(config).await.expect("free again").shutdown().await;
}

#[tokio::test]
async fn blocks_of_two_gateways_never_overlap() {
    let database = TestDatabase::fresh().await;
    let (a, b) = (testing::tempdir(), testing::tempdir());
    let (a, b) = tokio::join!(open(a.path(), Some(&database.url)), open(b.path(), Some(&database.url)));
    let (ours, theirs) = (call_with_case(&a).await, call_with_case(&b).await);
    assert!(ours.number.serial().abs_diff(theirs.number.serial()) >= 10_000);
    a.shutdown().await;
    b.shutdown().await;
}
