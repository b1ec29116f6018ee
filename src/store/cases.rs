//! Cases: every change, with its event and its row in the audit trail, in one transaction.
//!
//! Where a case stands is folded from its log ([`case_log`](super::case_log)), decided on by [`Life`], and written back as
//! columns for lists to read. The database itself refuses a move that is not in `case_steps`, an owner who has not accepted,
//! and a change that no event tells of; what is checked here is only said better here.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use super::audit::{self, Deed};
use super::case_log::{self, NewEvent};
use super::{Change, Store, shelf, tasks};
use crate::cases::{Entry, Hand, Kind, Life, Move, Office, Order, Origin, Refusal, State};
use crate::directory::PostId;
use crate::ids::CaseNumber;

/// Why a case was not changed.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// There is no such case.
    #[error("no case {number}")]
    Unknown {
        /// The number asked for.
        number: CaseNumber,
    },
    /// Somebody changed it since it was shown.
    #[error("case {number} is at version {current}, not {seen}")]
    Conflict {
        /// The case.
        number: CaseNumber,
        /// The version that the change was based on.
        seen: i32,
        /// The version it has.
        current: i32,
    },
    /// The move is not possible.
    #[error("case {number}")]
    Refused {
        /// The case.
        number: CaseNumber,
        /// The rule against it.
        #[source]
        rule: Refusal,
    },
    /// It cannot join or part, or take or end a part, as it stands.
    #[error("case {number} cannot join, part or be done in parts so")]
    Join {
        /// The case.
        number: CaseNumber,
    },
    /// There is no such post.
    #[error("no post {}", post.0)]
    UnknownPost {
        /// The post asked for.
        post: PostId,
    },
    /// The database failed or is away.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
}

/// Which case, as whom, why, and when: what every change has in common.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// The case.
    pub number: CaseNumber,
    /// The version that was shown; another one is a [`CaseError::Conflict`].
    pub version: i32,
    /// User name.
    pub actor: &'a str,
    /// In the actor's words; may be empty.
    pub reason: &'a str,
    /// Now.
    pub at: DateTime<Utc>,
}

impl Store {
    /// Moves a case; returns its new version.
    ///
    /// # Errors
    /// See [`CaseError`].
    pub async fn move_case(&self, by: By<'_>, order: Order, hand: Hand) -> Result<i32, CaseError> {
        let version = move_case(self.pool(), by, order, hand).await?;
        self.announce(Change::Case(by.number));
        Ok(version)
    }
}

/// As [`Store::move_case`], without the announcement.
pub async fn move_case(pool: &PgPool, by: By<'_>, order: Order, hand: Hand) -> Result<i32, CaseError> {
    let mut tx = pool.begin().await?;
    let Locked { life, .. } = lock(&mut tx, by).await?;
    if let Some(post) = order.post {
        let known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM posts WHERE id = $1)")
            .bind(post.0)
            .fetch_one(&mut *tx)
            .await?;
        if !known {
            return Err(CaseError::UnknownPost { post });
        }
    }
    let made = carry_out(&mut tx, by, life, order, hand).await?;
    made.map_err(|rule| CaseError::Refused { number: by.number, rule })?;
    finish(tx, by, "move").await
}

/// Makes the move within the transaction that holds the case, and writes its event; or says which rule is against it.
pub(super) async fn carry_out(
    tx: &mut PgConnection,
    by: By<'_>,
    mut life: Life,
    order: Order,
    hand: Hand,
) -> Result<Result<(), Refusal>, sqlx::Error> {
    let (calendar, arbiter) = (shelf::calendar(tx).await?, arbiter(tx).await?.unwrap_or(life.owner));
    let office = Office { calendar: &calendar, arbiter };
    let from = life.state;
    let moved = match life.decide(order, hand, by.reason, by.at, office) {
        Ok(moved) => moved,
        Err(rule) => return Ok(Err(rule)),
    };
    life.apply(&Entry::Moved(moved.clone()));
    stand(tx, by, &life).await?;
    let detail = serde_json::to_value(moved.outcome).map_err(|e| sqlx::Error::Encode(e.into()))?;
    let event = NewEvent { kind: "moved", moved: Some((moved.mv, from, moved.to)), detail };
    case_log::add(tx, by, event).await?;
    if order.mv == Move::Answer {
        tasks::tell_joined(tx, by.number, &calendar, by.at).await?;
    }
    if order.mv == Move::Extend {
        tasks::tell_extension(tx, by.number, life.due_on, &calendar, by.at).await?;
    }
    Ok(Ok(()))
}

/// Corrects the summary; what was recognised stays in `words`, what stood before in the event. Returns the new version.
pub async fn correct_case(pool: &PgPool, by: By<'_>, summary: &str) -> Result<i32, CaseError> {
    let mut tx = pool.begin().await?;
    let locked = lock(&mut tx, by).await?;
    sqlx::query("UPDATE cases SET summary = $2 WHERE number = $1")
        .bind(by.number.as_i64())
        .bind(summary)
        .execute(&mut *tx)
        .await?;
    let detail = json!({ "field": "summary", "before": locked.summary, "after": summary });
    case_log::add(&mut tx, by, NewEvent { kind: "corrected", moved: None, detail }).await?;
    finish(tx, by, "correct").await
}

/// Adds a note, the reason of `by`, and changes nothing else. Returns the new version.
pub async fn note_case(pool: &PgPool, by: By<'_>) -> Result<i32, CaseError> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, by).await?;
    case_log::add(&mut tx, by, NewEvent { kind: "noted", moved: None, detail: json!({}) }).await?;
    finish(tx, by, "note").await
}

/// A case as it stands, held until the transaction ends.
pub(super) struct Locked {
    pub life: Life,
    pub summary: String,
}

/// Takes the case for this transaction, if its version is the one seen, and raises the version.
pub(super) async fn lock(tx: &mut PgConnection, by: By<'_>) -> Result<Locked, CaseError> {
    let row: Option<(String, i32)> = sqlx::query_as("SELECT summary, version FROM cases WHERE number = $1 FOR UPDATE")
        .bind(by.number.as_i64())
        .fetch_optional(&mut *tx)
        .await?;
    let (summary, current) = row.ok_or(CaseError::Unknown { number: by.number })?;
    if current != by.version {
        return Err(CaseError::Conflict { number: by.number, seen: by.version, current });
    }
    sqlx::query("UPDATE cases SET version = version + 1 WHERE number = $1")
        .bind(by.number.as_i64())
        .execute(&mut *tx)
        .await?;
    let life = case_log::life(tx, by.number).await?;
    Ok(Locked { life, summary })
}

/// Writes back where the case stands. Closing notes the time, taking it up again clears it.
async fn stand(tx: &mut PgConnection, by: By<'_>, life: &Life) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE cases SET state = $2, owner_post_id = $3, offered_post_id = $4, due_on = $5, clock_from = $6, returns = $7,
             extensions = $8, supervised = $9, closed_at = CASE WHEN $10 THEN coalesce(closed_at, $11) END, offered_at = $12
         WHERE number = $1",
    )
    .bind(by.number.as_i64())
    .bind(life.state.code())
    .bind(life.owner.0)
    .bind(life.offered.map(|post| post.0))
    .bind(life.due_on)
    .bind(life.clock_from)
    .bind(i16::try_from(life.returns).unwrap_or(i16::MAX))
    .bind(i16::try_from(life.extensions).unwrap_or(i16::MAX))
    .bind(life.supervised)
    .bind(matches!(life.state, State::Closed | State::Archived))
    .bind(by.at)
    .bind(life.offered_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// The district's duty post, or else any; `None` in a directory without posts.
async fn arbiter(tx: &mut PgConnection) -> Result<Option<PostId>, sqlx::Error> {
    let id: Option<i64> = sqlx::query_scalar(
        "SELECT p.id FROM posts AS p JOIN organisations AS o ON o.id = p.org_id
         ORDER BY p.window_code IS NOT NULL, o.level <> 'district', p.id LIMIT 1",
    )
    .fetch_optional(tx)
    .await?;
    Ok(id.map(PostId))
}

/// Writes the change into the audit trail and makes all of it durable; returns the new version. The trail comes last:
/// until the end of the transaction nobody else can append to it.
pub(super) async fn finish(mut tx: Transaction<'_, Postgres>, by: By<'_>, action: &str) -> Result<i32, CaseError> {
    let object = format!("case/{}", by.number);
    audit::append_in(&mut tx, Deed { actor: by.actor, action, object: &object, reason: by.reason, at: by.at }).await?;
    tx.commit().await?;
    Ok(by.version + 1)
}

/// A state as stored; the database admits no other.
pub(super) fn parse_state(code: &str) -> Result<State, sqlx::Error> {
    State::from_code(code).ok_or_else(|| sqlx::Error::Decode(format!("cases.state is {code:?}").into()))
}

/// As stored.
pub(super) fn kind_code(kind: Kind) -> &'static str {
    match kind {
        Kind::Enquiry => "enquiry",
        Kind::Request => "request",
        Kind::Complaint => "complaint",
    }
}

/// As stored.
pub(super) fn origin_code(origin: Origin) -> &'static str {
    match origin {
        Origin::Dialogue => "dialogue",
        Origin::Person => "person",
        Origin::Recording => "recording",
        Origin::Abandoned => "abandoned",
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::cases::{MOVES, NewCase};
    use crate::ids::CallId;
    use crate::store::Record;
    use crate::store::apply::apply;
    use crate::store::testing::{self, TestDatabase, by, order, walk};

    async fn open(pool: &PgPool) -> CaseNumber {
        let number = CaseNumber::from_serial(5_000_000);
        let mut tx = pool.begin().await.expect("begins");
        apply(&mut tx, [&Record::CaseOpened(NewCase { number, draft: testing::draft(CallId::fresh()) })])
            .await
            .expect("applies");
        tx.commit().await.expect("commits");
        number
    }

    /// Whether the database refuses the statement, given the case's number.
    async fn refuses(pool: &PgPool, number: CaseNumber, statement: &'static str) -> bool {
        let mut tx = pool.begin().await.expect("begins");
        let done = sqlx::query(statement).bind(number.as_i64()).execute(&mut *tx).await;
        match done {
            Ok(_) => tx.commit().await.is_err(),
            Err(e) => e.as_database_error().is_some(),
        }
    }

    #[tokio::test]
    async fn the_database_lists_the_same_moves() {
        let pool = TestDatabase::fresh().await.pool;
        let stored: Vec<(String, String, String)> =
            sqlx::query_as("SELECT move, from_state, to_state FROM case_steps").fetch_all(&pool).await.expect("reads");
        assert_eq!(stored.len(), MOVES.len());
        for (mv, from, to) in MOVES {
            let step = (mv.code().to_owned(), from.code().to_owned(), to.code().to_owned());
            assert!(stored.contains(&step), "{step:?}");
        }
    }

    #[tokio::test]
    async fn a_random_walk_goes_only_along_the_moves() {
        let pool = TestDatabase::fresh().await.pool;
        let number = open(&pool).await;
        let seed = 7;
        let mut random = rand::rngs::StdRng::seed_from_u64(seed);
        let (mut state, mut version, mut told) = (State::Received, 1, vec!["received"]);
        for step in 0..300 {
            let (at, to) = (format!("seed {seed}, step {step}"), State::ALL[random.random_range(0..State::ALL.len())]);
            // Past our own check: the database alone decides.
            let mut tx = pool.begin().await.expect("begins");
            let raw = "UPDATE cases SET state = $2, closed_at = CASE WHEN $3 THEN now() END,
                           offered_post_id = CASE WHEN $4 THEN owner_post_id END,
                           offered_at = CASE WHEN $4 THEN now() END WHERE number = $1";
            let raw = sqlx::query(raw)
                .bind(number.as_i64())
                .bind(to.code())
                .bind(matches!(to, State::Closed | State::Archived))
                .bind(to == State::Assigned)
                .execute(&mut *tx)
                .await;
            let listed = MOVES.iter().any(|(_, start, end)| (*start, *end) == (state, to));
            assert_eq!(raw.is_ok(), listed || state == to, "{at}: {state:?} to {to:?}");
            tx.rollback().await.expect("rolls back");

            let mv = Move::ALL[random.random_range(0..Move::ALL.len())];
            match move_case(&pool, by(number, version), order(mv), Hand::Leader).await {
                Ok(next) => {
                    assert!(mv.leads(state).is_some(), "{at}: {mv} from {state}");
                    state = mv.leads(state).unwrap_or(state);
                    version = next;
                    told.push(state.code());
                }
                Err(CaseError::Refused { rule: Refusal::State { from, .. }, .. }) => {
                    assert!(mv.leads(state).is_none() && from == state, "{at}: {mv} from {state}");
                }
                Err(CaseError::Refused { rule: Refusal::Extended | Refusal::Final | Refusal::Day, .. }) => {
                    assert!(mv.leads(state).is_some(), "{at}: {mv} from {state}");
                }
                Err(e) => panic!("{at}: {e}"),
            }
        }
        let events: Vec<String> =
            sqlx::query_scalar("SELECT to_state FROM case_events ORDER BY seq").fetch_all(&pool).await.expect("reads");
        assert_eq!(events, told);
        assert!(told.len() > 15, "a walk that goes nowhere proves nothing: {told:?}");
        assert_eq!(case_log::astray(&pool, 9).await.expect("reads"), []);
    }

    #[tokio::test]
    async fn two_who_saw_the_same_cannot_both_change_it() {
        let pool = TestDatabase::fresh().await.pool;
        let number = open(&pool).await;
        let (a, b) = tokio::join!(correct_case(&pool, by(number, 1), "甲"), correct_case(&pool, by(number, 1), "乙"));
        assert!(a.is_ok() != b.is_ok());
        let lost = a.err().or(b.err()).expect("one of them");
        assert!(matches!(lost, CaseError::Conflict { seen: 1, current: 2, .. }), "{lost}");
        let missing = by(CaseNumber::from_serial(6_000_000), 1);
        let unknown = move_case(&pool, missing, order(Move::Assign), Hand::Operator).await;
        assert!(matches!(unknown, Err(CaseError::Unknown { .. })));
    }

    #[tokio::test]
    async fn a_correction_keeps_what_was_recognised_and_what_stood_before() {
        let pool = TestDatabase::fresh().await.pool;
        let number = open(&pool).await;
        let words = "我想给老人申请高龄津贴";
        correct_case(&pool, by(number, 1), "高龄津贴").await.expect("corrects");
        let version = correct_case(&pool, by(number, 2), "母亲的高龄津贴").await.expect("corrects");
        let kept: (String, String) =
            sqlx::query_as("SELECT words, summary FROM cases").fetch_one(&pool).await.expect("reads");
        assert_eq!((version, kept), (3, (words.to_owned(), "母亲的高龄津贴".to_owned())));
        let before: Vec<String> =
            sqlx::query_scalar("SELECT detail->>'before' FROM case_events WHERE kind = 'corrected' ORDER BY seq")
                .fetch_all(&pool)
                .await
                .expect("reads");
        assert_eq!(before, [words, "高龄津贴"]);
    }

    #[tokio::test]
    async fn a_post_owns_a_case_once_it_accepted_it() {
        let pool = TestDatabase::fresh().await.pool;
        let number = open(&pool).await;
        let to = |post| Order { post: Some(PostId(post)), ..order(Move::Assign) };
        let posts = async || -> (i64, Option<i64>) {
            sqlx::query_as("SELECT owner_post_id, offered_post_id FROM cases").fetch_one(&pool).await.expect("reads")
        };
        move_case(&pool, by(number, 1), to(8), Hand::Operator).await.expect("offers");
        assert_eq!(posts().await, (7, Some(8)));
        move_case(&pool, by(number, 2), order(Move::Accept), Hand::Operator).await.expect("accepts");
        assert_eq!(posts().await, (8, None));
        let nowhere = move_case(&pool, by(number, 3), to(999_999), Hand::Operator).await;
        assert!(matches!(nowhere, Err(CaseError::UnknownPost { .. })));
        assert_eq!(note_case(&pool, by(number, 3)).await.expect("notes"), 4, "a refused change raised no version");
    }

    #[tokio::test]
    async fn the_second_return_goes_to_the_district_and_is_the_last() {
        let pool = TestDatabase::fresh().await.pool;
        let number = open(&pool).await;
        use Move::{Accept, Assign, Return};
        let version = walk(&pool, number, 1, &[Assign, Accept, Return, Assign, Return]).await;
        let stands: (i64, i16) =
            sqlx::query_as("SELECT owner_post_id, returns FROM cases").fetch_one(&pool).await.expect("reads");
        assert_eq!(stands, (9, 2), "the district's duty post");
        let version = walk(&pool, number, version, &[Assign]).await;
        let third = move_case(&pool, by(number, version), order(Return), Hand::Leader).await;
        assert!(matches!(third, Err(CaseError::Refused { rule: Refusal::Final, .. })));
    }

    #[tokio::test]
    async fn closing_notes_the_time_and_taking_up_again_clears_it() {
        let pool = TestDatabase::fresh().await.pool;
        let number = open(&pool).await;
        use Move::{Accept, Answer, Assign, Close, Handle, Redo};
        for (version, (mv, closed)) in (1..).zip([
            (Assign, false),
            (Accept, false),
            (Handle, false),
            (Answer, false),
            (Close, true),
            (Redo, false),
        ]) {
            walk(&pool, number, version, &[mv]).await;
            let at: Option<DateTime<Utc>> =
                sqlx::query_scalar("SELECT closed_at FROM cases").fetch_one(&pool).await.expect("reads");
            assert_eq!(at.is_some(), closed, "{mv}");
        }
    }

    #[tokio::test]
    async fn the_database_guards_what_no_program_may_break() {
        let pool = TestDatabase::fresh().await.pool;
        let number = open(&pool).await;
        for statement in [
            "UPDATE cases SET owner_post_id = NULL WHERE number = $1",
            "UPDATE cases SET words = 'other' WHERE number = $1",
            "UPDATE cases SET received_at = now() WHERE number = $1",
            "DELETE FROM cases WHERE number = $1",
            "UPDATE case_events SET actor = 'nobody' WHERE case_number = $1",
            "DELETE FROM case_events WHERE case_number = $1",
            "UPDATE cases SET first_post_id = 8 WHERE number = $1",
            // A lawful move and a lawful day, but nobody says so.
            "UPDATE cases SET state = 'assigned', offered_post_id = 8, offered_at = now() WHERE number = $1",
            "UPDATE cases SET due_on = due_on + 1 WHERE number = $1",
            // Nobody has accepted it.
            "UPDATE cases SET owner_post_id = 8 WHERE number = $1",
            "INSERT INTO case_events (case_number, seq, at, actor, kind, move, from_state, to_state, reason, detail)
             VALUES ($1, 9, now(), 'li', 'moved', 'close', 'received', 'closed', '', '{}')",
            "INSERT INTO case_events (case_number, seq, at, actor, kind, move, from_state, to_state, reason, detail)
             VALUES ($1, 9, now(), 'li', 'moved', 'urge', 'received', 'received', '', '{}')",
            "DELETE FROM case_log WHERE case_number = $1",
            "UPDATE case_log SET hash = prev WHERE case_number = $1",
        ] {
            assert!(refuses(&pool, number, statement).await, "accepted: {statement}");
        }
        assert!(!refuses(&pool, number, "UPDATE cases SET place = '' WHERE number = $1").await, "the rest may change");
        assert!(sqlx::query("TRUNCATE case_events").execute(&pool).await.is_err());
    }
}
