//! Parts of cases, and cases that join others: nothing is lost by either, and both can be told from the log.

use sqlx::PgPool;

use crate::cases::{CaseDraft, Hand, Move, NewCase, Refusal};
use crate::directory::PostId;
use crate::ids::{CallId, CaseNumber, PhoneNumber};
use crate::store::cases::{By, CaseError, move_case};
use crate::store::records::Record;
use crate::store::testing::{self, TestDatabase, apply, by, noon, order, walk};
use crate::store::{case_log, joins, tasks};

async fn case(pool: &PgPool, serial: i64, words: &str) -> CaseNumber {
    let number = CaseNumber::from_serial(5_000_000 + serial);
    let callback = PhoneNumber::parse(&format!("1390000000{serial}"));
    let draft = CaseDraft { words: words.into(), callback, ..testing::draft(CallId::fresh()) };
    apply(pool, &Record::CaseOpened(NewCase { number, draft })).await;
    number
}

/// Three cases of one matter.
async fn three() -> (PgPool, [CaseNumber; 3]) {
    let pool = TestDatabase::fresh().await.pool;
    let mut cases = Vec::new();
    for serial in 0..3 {
        cases.push(case(&pool, serial, "村口的路灯坏了，晚上黑得看不见").await);
    }
    (pool, cases.try_into().expect("three"))
}

fn is_join(result: Result<i32, CaseError>) -> bool {
    matches!(result, Err(CaseError::Join { .. }))
}

/// The kinds and details of a case's log after its opening.
async fn told(pool: &PgPool, number: CaseNumber) -> Vec<(String, String)> {
    sqlx::query_as("SELECT kind, detail::text FROM case_events WHERE case_number = $1 AND seq > 1 ORDER BY seq")
        .bind(number.as_i64())
        .fetch_all(pool)
        .await
        .expect("the log")
}

#[tokio::test]
async fn a_case_joins_another_keeps_its_own_life_and_parts_again() {
    let (pool, [lead, one, other]) = three().await;
    assert_eq!(joins::join(&pool, by(one, 1), lead).await.expect("joins"), 2);
    joins::join(&pool, by(other, 1), lead).await.expect("joins");
    let kin = joins::kin(&pool, lead.as_i64()).await.expect("reads");
    assert_eq!(kin.iter().map(|k| k.number).collect::<Vec<_>>(), [one.as_i64(), other.as_i64()]);
    assert_eq!(joins::kin(&pool, one.as_i64()).await.expect("reads")[0].number, lead.as_i64());
    // Only one storey high.
    let fourth = case(&pool, 3, "村口的路灯坏了").await;
    assert!(is_join(joins::join(&pool, by(fourth, 1), one).await), "to one that has joined");
    assert!(is_join(joins::join(&pool, by(lead, 3), fourth).await), "one that others have joined");
    assert!(is_join(joins::join(&pool, by(one, 2), fourth).await), "twice");
    assert!(is_join(joins::join(&pool, by(fourth, 1), fourth).await), "itself");
    assert!(is_join(joins::part_ways(&pool, by(fourth, 1)).await), "one that stands by itself");
    let nowhere = joins::join(&pool, by(fourth, 1), CaseNumber::from_serial(6_000_000)).await;
    assert!(matches!(nowhere, Err(CaseError::Unknown { .. })));

    walk(&pool, one, 2, &[Move::Assign, Move::Accept]).await;
    assert_eq!(joins::part_ways(&pool, by(one, 4)).await.expect("parts"), 5);
    assert_eq!(case_log::astray(&pool, 9).await.expect("reads"), []);
    let life = case_log::life(&mut pool.acquire().await.expect("a connection"), one).await.expect("reads");
    assert_eq!((life.lead, life.state), (None, crate::cases::State::Accepted), "what was done meanwhile stays");
    let lead_says: Vec<String> = told(&pool, lead).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(lead_says, ["linked", "linked", "unlinked"]);
    let one_says = told(&pool, one).await;
    assert_eq!(one_says[0], ("linked".to_owned(), format!("{{\"lead\": {lead}}}")));
    assert_eq!(one_says[3].0, "unlinked");
}

#[tokio::test]
async fn each_caller_is_told_when_the_lead_is_answered() {
    let (pool, [lead, one, other]) = three().await;
    joins::join(&pool, by(one, 1), lead).await.expect("joins");
    joins::join(&pool, by(other, 1), lead).await.expect("joins");
    walk(&pool, other, 2, &[Move::Assign, Move::Accept, Move::Handle, Move::Answer]).await; // Answered by itself.
    walk(&pool, lead, 3, &[Move::Assign, Move::Accept, Move::Handle, Move::Answer]).await;
    let open = tasks::open(&pool, None, 9).await.expect("reads");
    let found: Vec<_> = open.iter().map(|t| (t.kind.as_str(), t.case_number, t.number.as_deref())).collect();
    assert_eq!(found, [("answered", Some(one.as_i64()), Some("13900000001"))]);
    walk(&pool, one, 2, &[Move::Assign, Move::Accept, Move::Handle, Move::Answer]).await;
    assert_eq!(tasks::settle(&pool, noon()).await.expect("settles"), 1);
}

#[tokio::test]
async fn two_who_join_two_cases_to_each_other_do_not_hang() {
    let (pool, [a, b, _]) = three().await;
    let (one, other) = tokio::join!(joins::join(&pool, by(a, 1), b), joins::join(&pool, by(b, 1), a));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
}

#[tokio::test]
async fn a_case_is_closed_once_all_its_parts_are_done() {
    let (pool, [number, ..]) = three().await;
    let why = |version, reason| By { reason, ..by(number, version) };
    joins::add_part(&pool, by(number, 1), PostId(8), "核实电路").await.expect("asks");
    joins::add_part(&pool, by(number, 2), PostId(6), "换灯泡").await.expect("asks");
    let nowhere = joins::add_part(&pool, by(number, 3), PostId(999_999), "看看").await;
    assert!(matches!(nowhere, Err(CaseError::UnknownPost { .. })));
    let parts = joins::parts(&pool, number.as_i64()).await.expect("reads");
    assert_eq!(parts.iter().map(|p| p.what.as_str()).collect::<Vec<_>>(), ["核实电路", "换灯泡"]);
    joins::end_part(&pool, why(3, "线路正常"), parts[0].id).await.expect("done");
    assert!(is_join(joins::end_part(&pool, why(4, "又一次"), parts[0].id).await), "done once");
    walk(&pool, number, 4, &[Move::Assign, Move::Accept, Move::Handle, Move::Answer]).await;
    assert!(is_join(joins::add_part(&pool, by(number, 8), PostId(8), "太晚").await), "it has an answer");
    let early = move_case(&pool, by(number, 8), order(Move::Close), Hand::Leader).await;
    assert!(matches!(early, Err(CaseError::Refused { rule: Refusal::Parts, .. })));
    // Past our own check: the database alone decides.
    let mut tx = pool.begin().await.expect("begins");
    let raw = "UPDATE cases SET state = 'closed', closed_at = now() WHERE number = $1";
    sqlx::query(raw).bind(number.as_i64()).execute(&mut *tx).await.expect("for now");
    let event =
        "INSERT INTO case_events (case_number, seq, at, actor, kind, move, from_state, to_state, reason, detail)
                 VALUES ($1, 99, now(), 'li', 'moved', 'close', 'answered', 'closed', '', '{\"owner\": 7}')";
    sqlx::query(event).bind(number.as_i64()).execute(&mut *tx).await.expect("for now");
    let refused = tx.commit().await.expect_err("a part is open");
    assert!(refused.to_string().contains("a part of it is open"), "{refused}");
    joins::end_part(&pool, why(8, "已更换"), parts[1].id).await.expect("done");
    walk(&pool, number, 9, &[Move::Close]).await;
    assert_eq!(case_log::astray(&pool, 9).await.expect("reads"), []);
}

#[tokio::test]
async fn the_same_matter_is_suggested_until_it_is_joined() {
    let (pool, [lead, one, other]) = three().await;
    case(&pool, 3, "我想申请低保，需要什么材料").await;
    let suggested = async |number: CaseNumber| -> Vec<i64> {
        joins::suggestions(&pool, number.as_i64()).await.expect("reads").into_iter().map(|k| k.number).collect()
    };
    assert_eq!(suggested(lead).await, [one.as_i64(), other.as_i64()]);
    joins::join(&pool, by(one, 1), lead).await.expect("joins");
    assert_eq!(suggested(other).await, [lead.as_i64()]);
    assert_eq!(suggested(one).await, <[i64; 0]>::default(), "it has joined one");
    let later = "UPDATE cases SET window_code = 8 WHERE number = $1";
    sqlx::query(later).bind(other.as_i64()).execute(&pool).await.expect("another window");
    assert_eq!(suggested(other).await, <[i64; 0]>::default());
}
