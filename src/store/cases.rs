//! Cases: every change by a person, with its event and its row in the audit trail, in one transaction.
//!
//! The database itself refuses a move that is not in `case_moves`, a case without an owner, and a change of state without
//! an event; what is checked here is only said better here.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use super::audit::{self, Deed};
use super::{Change, Store};
use crate::cases::{Kind, Origin, State};
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
    /// The move is not allowed.
    #[error("case {number} cannot go from {from} to {to}")]
    Move {
        /// The case.
        number: CaseNumber,
        /// Where it stands.
        from: State,
        /// Where it should go.
        to: State,
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
    /// Moves a case; returns its new version. Closing it notes the time, reopening clears it.
    pub async fn move_case(&self, by: By<'_>, to: State) -> Result<i32, CaseError> {
        let version = move_case(self.pool(), by, to).await?;
        self.announce(Change::Case(by.number));
        Ok(version)
    }

    /// Gives a case to another post; returns its new version. The state stays: giving and moving are two events.
    pub async fn assign_case(&self, by: By<'_>, to: PostId) -> Result<i32, CaseError> {
        let version = assign_case(self.pool(), by, to).await?;
        self.announce(Change::Case(by.number));
        Ok(version)
    }

    /// Corrects the summary; what was recognised stays in `words`, what stood before in the event. Returns the new version.
    pub async fn correct_case(&self, by: By<'_>, summary: &str) -> Result<i32, CaseError> {
        let version = correct_case(self.pool(), by, summary).await?;
        self.announce(Change::Case(by.number));
        Ok(version)
    }

    /// Adds a note, the reason of `by`, and changes nothing else. Returns the new version.
    pub async fn note_case(&self, by: By<'_>) -> Result<i32, CaseError> {
        let version = note_case(self.pool(), by).await?;
        self.announce(Change::Case(by.number));
        Ok(version)
    }
}

/// As [`Store::move_case`], without the announcement.
pub async fn move_case(pool: &PgPool, by: By<'_>, to: State) -> Result<i32, CaseError> {
    let mut tx = pool.begin().await?;
    let locked = lock(&mut tx, by).await?;
    if !locked.state.may_become(to) {
        return Err(CaseError::Move { number: by.number, from: locked.state, to });
    }
    let closed = matches!(to, State::Closed | State::Archived);
    sqlx::query(
        "UPDATE cases SET state = $2, closed_at = CASE WHEN $3 THEN coalesce(closed_at, $4) END WHERE number = $1",
    )
    .bind(by.number.as_i64())
    .bind(to.code())
    .bind(closed)
    .bind(by.at)
    .execute(&mut *tx)
    .await?;
    add_event(&mut tx, by, "moved", Some((locked.state, to)), json!({})).await?;
    finish(tx, by, "move").await
}

/// As [`Store::assign_case`], without the announcement.
pub async fn assign_case(pool: &PgPool, by: By<'_>, to: PostId) -> Result<i32, CaseError> {
    let mut tx = pool.begin().await?;
    let locked = lock(&mut tx, by).await?;
    let known: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM posts WHERE id = $1)").bind(to.0).fetch_one(&mut *tx).await?;
    if !known {
        return Err(CaseError::UnknownPost { post: to });
    }
    sqlx::query("UPDATE cases SET owner_post_id = $2 WHERE number = $1")
        .bind(by.number.as_i64())
        .bind(to.0)
        .execute(&mut *tx)
        .await?;
    add_event(&mut tx, by, "assigned", None, json!({ "from_post": locked.owner.0, "to_post": to.0 })).await?;
    finish(tx, by, "assign").await
}

/// As [`Store::correct_case`], without the announcement.
pub async fn correct_case(pool: &PgPool, by: By<'_>, summary: &str) -> Result<i32, CaseError> {
    let mut tx = pool.begin().await?;
    let locked = lock(&mut tx, by).await?;
    sqlx::query("UPDATE cases SET summary = $2 WHERE number = $1")
        .bind(by.number.as_i64())
        .bind(summary)
        .execute(&mut *tx)
        .await?;
    let detail = json!({ "field": "summary", "before": locked.summary, "after": summary });
    add_event(&mut tx, by, "corrected", None, detail).await?;
    finish(tx, by, "correct").await
}

/// As [`Store::note_case`], without the announcement.
pub async fn note_case(pool: &PgPool, by: By<'_>) -> Result<i32, CaseError> {
    let mut tx = pool.begin().await?;
    lock(&mut tx, by).await?;
    add_event(&mut tx, by, "noted", None, json!({})).await?;
    finish(tx, by, "note").await
}

/// A case as it stands, held until the transaction ends.
struct Locked {
    state: State,
    owner: PostId,
    summary: String,
}

/// Takes the case for this transaction, if its version is the one seen, and raises the version.
async fn lock(tx: &mut PgConnection, by: By<'_>) -> Result<Locked, CaseError> {
    let row: Option<(String, i64, String, i32)> =
        sqlx::query_as("SELECT state, owner_post_id, summary, version FROM cases WHERE number = $1 FOR UPDATE")
            .bind(by.number.as_i64())
            .fetch_optional(&mut *tx)
            .await?;
    let (state, owner, summary, current) = row.ok_or(CaseError::Unknown { number: by.number })?;
    if current != by.version {
        return Err(CaseError::Conflict { number: by.number, seen: by.version, current });
    }
    sqlx::query("UPDATE cases SET version = version + 1 WHERE number = $1")
        .bind(by.number.as_i64())
        .execute(tx)
        .await?;
    Ok(Locked { state: parse_state(&state)?, owner: PostId(owner), summary })
}

/// Writes the change into the audit trail and makes all of it durable; returns the new version. The trail comes last:
/// until the end of the transaction nobody else can append to it.
async fn finish(mut tx: Transaction<'_, Postgres>, by: By<'_>, action: &str) -> Result<i32, CaseError> {
    let object = format!("case/{}", by.number);
    audit::append_in(&mut tx, Deed { actor: by.actor, action, object: &object, reason: by.reason, at: by.at }).await?;
    tx.commit().await?;
    Ok(by.version + 1)
}

/// The next event; the case is locked, so its number is ours.
async fn add_event(
    tx: &mut PgConnection,
    by: By<'_>,
    kind: &str,
    moved: Option<(State, State)>,
    detail: serde_json::Value,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO case_events (case_number, seq, at, actor, kind, from_state, to_state, reason, detail)
         SELECT $1, coalesce(max(seq), 0) + 1, $2, $3, $4, $5, $6, $7, $8 FROM case_events WHERE case_number = $1",
    )
    .bind(by.number.as_i64())
    .bind(by.at)
    .bind(by.actor)
    .bind(kind)
    .bind(moved.map(|(from, _)| from.code()))
    .bind(moved.map(|(_, to)| to.code()))
    .bind(by.reason)
    .bind(Json(detail))
    .execute(tx)
    .await?;
    Ok(())
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
    use crate::cases::NewCase;
    use crate::ids::CallId;
    use crate::store::Record;
    use crate::store::apply::apply;
    use crate::store::testing::{self, TestDatabase, by};

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
        let moves: Vec<(String, String)> =
            sqlx::query_as("SELECT from_state, to_state FROM case_moves").fetch_all(&pool).await.expect("reads");
        for from in State::ALL {
            for to in State::ALL {
                let listed = moves.contains(&(from.code().to_owned(), to.code().to_owned()));
                assert_eq!(listed, from.may_become(to), "{from:?} to {to:?}");
            }
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
            let to = State::ALL[random.random_range(0..State::ALL.len())];
            // Past our own check: the trigger alone decides.
            let mut tx = pool.begin().await.expect("begins");
            let raw = "UPDATE cases SET state = $2, closed_at = CASE WHEN $3 THEN now() END WHERE number = $1";
            let closed = matches!(to, State::Closed | State::Archived);
            let raw = sqlx::query(raw).bind(number.as_i64()).bind(to.code()).bind(closed).execute(&mut *tx).await;
            let allowed = state.may_become(to);
            assert_eq!(raw.is_ok(), allowed || state == to, "seed {seed}, step {step}: {state:?} to {to:?}");
            tx.rollback().await.expect("rolls back");

            match move_case(&pool, by(number, version), to).await {
                Ok(next) => {
                    assert!(allowed, "seed {seed}, step {step}: {state:?} to {to:?}");
                    (state, version) = (to, next);
                    told.push(to.code());
                }
                Err(CaseError::Move { from, .. }) => assert!(!allowed && from == state, "seed {seed}, step {step}"),
                Err(e) => panic!("seed {seed}, step {step}: {e}"),
            }
            if state == State::Archived {
                break; // Nothing moves it any more.
            }
        }
        let events: Vec<String> =
            sqlx::query_scalar("SELECT to_state FROM case_events ORDER BY seq").fetch_all(&pool).await.expect("reads");
        assert_eq!(events, told);
        assert!(told.len() > 5, "a walk that goes nowhere proves nothing: {told:?}");
    }

    #[tokio::test]
    async fn two_who_saw_the_same_cannot_both_change_it() {
        let pool = TestDatabase::fresh().await.pool;
        let number = open(&pool).await;
        let (a, b) = tokio::join!(correct_case(&pool, by(number, 1), "甲"), correct_case(&pool, by(number, 1), "乙"));
        assert!(a.is_ok() != b.is_ok());
        let lost = a.err().or(b.err()).expect("one of them");
        assert!(matches!(lost, CaseError::Conflict { seen: 1, current: 2, .. }), "{lost}");
        let unknown = move_case(&pool, by(CaseNumber::from_serial(6_000_000), 1), State::Assigned).await;
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
    async fn assigning_tells_from_whom_to_whom() {
        let pool = TestDatabase::fresh().await.pool;
        let number = open(&pool).await;
        assign_case(&pool, by(number, 1), PostId(8)).await.expect("assigns");
        let posts: (i64, i64) = sqlx::query_as(
            "SELECT (detail->>'from_post')::bigint, (detail->>'to_post')::bigint FROM case_events WHERE kind = 'assigned'",
        )
        .fetch_one(&pool)
        .await
        .expect("one event");
        assert_eq!(posts, (7, 8));
        let nowhere = assign_case(&pool, by(number, 2), PostId(999_999)).await;
        assert!(matches!(nowhere, Err(CaseError::UnknownPost { .. })));
        assert_eq!(note_case(&pool, by(number, 2)).await.expect("notes"), 3, "a refused change raised no version");
    }

    #[tokio::test]
    async fn closing_notes_the_time_and_reopening_clears_it() {
        let pool = TestDatabase::fresh().await.pool;
        let number = open(&pool).await;
        use State::{Accepted, Answered, Assigned, Closed, Handling};
        for (version, (to, closed)) in (1..).zip([
            (Assigned, false),
            (Accepted, false),
            (Handling, false),
            (Answered, false),
            (Closed, true),
            (Handling, false),
        ]) {
            move_case(&pool, by(number, version), to).await.expect("moves");
            let at: Option<DateTime<Utc>> =
                sqlx::query_scalar("SELECT closed_at FROM cases").fetch_one(&pool).await.expect("reads");
            assert_eq!(at.is_some(), closed, "{to:?}");
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
            // A lawful move, but nobody says so.
            "UPDATE cases SET state = 'assigned' WHERE number = $1",
            "INSERT INTO case_events (case_number, seq, at, actor, kind, from_state, to_state, reason, detail)
             VALUES ($1, 9, now(), 'li', 'moved', 'received', 'closed', '', '{}')",
        ] {
            assert!(refuses(&pool, number, statement).await, "accepted: {statement}");
        }
        assert!(!refuses(&pool, number, "UPDATE cases SET place = '' WHERE number = $1").await, "the rest may change");
        assert!(sqlx::query("TRUNCATE case_events").execute(&pool).await.is_err());
    }
}
