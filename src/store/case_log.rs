//! The log of cases: append-only, every event of every case bound to the one before by its hash (B18, R12.4).
//!
//! The database links an event at commit; [`verify`] computes every link anew, independently of it. As with the
//! [audit trail](super::audit), that the end was cut off or all of it written anew shows only against a [`Head`] noted
//! elsewhere.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};

use super::audit::Head;
use super::cases::{By, parse_state};
use crate::cases::{Entry, Life, Move, Moved, Opening, State};
use crate::directory::PostId;
use crate::ids::CaseNumber;

/// What the first link is bound to.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Links checked at a time.
const PAGE: i64 = 1_000;

/// An event to write.
#[derive(Clone, Debug)]
pub(super) struct NewEvent {
    /// As in `case_events.kind`.
    pub kind: &'static str,
    /// The move, from where to where.
    pub moved: Option<(Move, State, State)>,
    /// What belongs to the kind.
    pub detail: Value,
}

/// What [`verify`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every event is as it was written.
    Intact(Head),
    /// The first link that does not hold: its event was changed, or is gone, or was put there beside the chain.
    Broken {
        /// Its number.
        link: i64,
        /// The case of the event, where the link still says so.
        case: Option<i64>,
    },
}

/// The next event of a case, which the caller has locked.
pub(super) async fn add(tx: &mut PgConnection, by: By<'_>, event: NewEvent) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO case_events (case_number, seq, at, actor, kind, move, from_state, to_state, reason, detail)
         SELECT $1, coalesce(max(seq), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9 FROM case_events WHERE case_number = $1",
    )
    .bind(by.number.as_i64())
    .bind(by.at)
    .bind(by.actor)
    .bind(event.kind)
    .bind(event.moved.map(|(mv, ..)| mv.code()))
    .bind(event.moved.map(|(_, from, _)| from.code()))
    .bind(event.moved.map(|(.., to)| to.code()))
    .bind(by.reason)
    .bind(Json(event.detail))
    .execute(tx)
    .await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Told {
    at: DateTime<Utc>,
    kind: String,
    #[sqlx(rename = "move")]
    mv: Option<String>,
    to_state: Option<String>,
    detail: Value,
}

/// Where a case stands, as its log says.
///
/// # Errors
/// When there is no such case, or its log cannot be read.
pub async fn life(db: &mut PgConnection, number: CaseNumber) -> Result<Life, sqlx::Error> {
    let received_at = sqlx::query_scalar("SELECT received_at FROM cases WHERE number = $1")
        .bind(number.as_i64())
        .fetch_one(&mut *db)
        .await?;
    let rows: Vec<Told> = sqlx::query_as(
        "SELECT at, kind, move, to_state, detail FROM case_events
         WHERE case_number = $1 AND kind NOT IN ('corrected', 'noted') ORDER BY seq",
    )
    .bind(number.as_i64())
    .fetch_all(db)
    .await?;
    let unreadable = || sqlx::Error::Decode(format!("the log of case {number} cannot be read").into());
    let mut rows = rows.into_iter();
    let opening = rows.next().filter(|row| row.kind == "opened").and_then(|row| opening(&row, received_at));
    let mut life = Life::new(opening.ok_or_else(unreadable)?);
    for row in rows {
        life.apply(&entry(&row)?.ok_or_else(unreadable)?);
    }
    Ok(life)
}

fn opening(row: &Told, received_at: DateTime<Utc>) -> Option<Opening> {
    let owner = PostId(row.detail.get("owner")?.as_i64()?);
    let due_on: NaiveDate = row.detail.get("due_on")?.as_str()?.parse().ok()?;
    Some(Opening { owner, received_at, due_on })
}

fn entry(row: &Told) -> Result<Option<Entry>, sqlx::Error> {
    let key = |field: &str| row.detail.get(field).and_then(Value::as_i64);
    match row.kind.as_str() {
        "moved" => moved(row),
        "assigned" => Ok(key("owner").map(|post| Entry::Given(PostId(post)))),
        "part_added" => Ok(Some(Entry::PartAdded)),
        "part_done" => Ok(Some(Entry::PartDone)),
        // The log of the lead names who joined or left it, which changes nothing for the lead.
        "linked" | "unlinked" => match key("lead").map(CaseNumber::try_from) {
            None => Ok(Some(Entry::Joined(None))),
            Some(Ok(lead)) => Ok(Some(Entry::Joined(Some(lead).filter(|_| row.kind == "linked")))),
            Some(Err(e)) => Err(sqlx::Error::Decode(e.into())),
        },
        _ => Ok(None),
    }
}

fn moved(row: &Told) -> Result<Option<Entry>, sqlx::Error> {
    let (Some(mv), Some(to)) = (row.mv.as_deref().and_then(Move::from_code), row.to_state.as_deref()) else {
        return Ok(None);
    };
    let outcome = serde_json::from_value(row.detail.clone()).map_err(|e| sqlx::Error::Decode(e.into()))?;
    Ok(Some(Entry::Moved(Moved { mv, at: row.at, to: parse_state(to)?, outcome })))
}

#[derive(sqlx::FromRow)]
struct Link {
    link: i64,
    case_number: i64,
    seq: i32,
    prev: String,
    hash: String,
    at: Option<DateTime<Utc>>,
    actor: Option<String>,
    kind: Option<String>,
    #[sqlx(rename = "move")]
    mv: Option<String>,
    from_state: Option<String>,
    to_state: Option<String>,
    reason: Option<String>,
    detail: Option<String>,
}

/// Follows the chain from its beginning; with `known`, checks that it goes through that head.
///
/// # Errors
/// When the database fails or is away.
pub async fn verify(pool: &PgPool, known: Option<&Head>) -> Result<Verdict, sqlx::Error> {
    let mut head = Head { seq: 0, hash: GENESIS.to_owned() };
    loop {
        let links: Vec<Link> = sqlx::query_as(
            "SELECT l.link, l.case_number, l.seq, l.prev, l.hash, e.at, e.actor, e.kind, e.move, e.from_state, e.to_state,
                 e.reason, e.detail::text AS detail
             FROM case_log AS l LEFT JOIN case_events AS e ON e.case_number = l.case_number AND e.seq = l.seq
             WHERE l.link > $1 ORDER BY l.link LIMIT $2",
        )
        .bind(head.seq)
        .bind(PAGE)
        .fetch_all(pool)
        .await?;
        if links.is_empty() {
            break;
        }
        for link in links {
            let broken = Verdict::Broken { link: head.seq + 1, case: Some(link.case_number) };
            if link.link != head.seq + 1 || link.prev != head.hash || link.hash != link.computed() {
                return Ok(broken);
            }
            head = Head { seq: link.link, hash: link.hash };
            if known.is_some_and(|known| known.seq == head.seq && known.hash != head.hash) {
                return Ok(broken);
            }
        }
    }
    let beside: Option<i64> = sqlx::query_scalar(
        "SELECT e.case_number FROM case_events AS e
         WHERE NOT EXISTS (SELECT FROM case_log AS l WHERE l.case_number = e.case_number AND l.seq = e.seq) LIMIT 1",
    )
    .fetch_optional(pool)
    .await?;
    if beside.is_some() || known.is_some_and(|known| known.seq > head.seq) {
        return Ok(Verdict::Broken { link: head.seq + 1, case: beside });
    }
    Ok(Verdict::Intact(head))
}

/// Cases that do not stand where their log says: somebody wrote past it. At most `limit`, by number.
///
/// # Errors
/// When the database fails or is away, or a log cannot be read.
pub async fn astray(pool: &PgPool, limit: usize) -> Result<Vec<CaseNumber>, sqlx::Error> {
    type Row = (i64, String, i64, Option<i64>, NaiveDate, DateTime<Utc>, i16, i16, bool, Option<i64>, i64);
    let mut db = pool.acquire().await?;
    let (mut astray, mut last) = (Vec::new(), 0);
    loop {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT number, state, owner_post_id, offered_post_id, due_on, clock_from, returns, extensions, supervised,
                 lead_number, (SELECT count(*) FROM case_parts AS p WHERE p.case_number = number AND p.done_at IS NULL)
             FROM cases WHERE number > $1 ORDER BY number LIMIT $2",
        )
        .bind(last)
        .bind(PAGE)
        .fetch_all(&mut *db)
        .await?;
        let Some((newest, ..)) = rows.last() else { return Ok(astray) };
        last = *newest;
        for (number, state, owner, offered, due_on, clock_from, returns, extensions, supervised, lead, parts) in rows {
            let number = CaseNumber::try_from(number).map_err(|e| sqlx::Error::Decode(e.into()))?;
            let life = life(&mut db, number).await?;
            let told = (life.state.code(), life.owner.0, life.offered.map(|p| p.0), life.due_on, life.clock_from);
            let counted = (i32::from(life.returns), i32::from(life.extensions), life.supervised);
            let joined = (life.lead.map(CaseNumber::as_i64), i64::from(life.parts_open));
            if told != (state.as_str(), owner, offered, due_on, clock_from)
                || counted != (i32::from(returns), i32::from(extensions), supervised)
                || joined != (lead, parts)
            {
                astray.push(number);
                if astray.len() >= limit {
                    return Ok(astray);
                }
            }
        }
    }
}

impl Link {
    /// SHA-256 over the link before and every column of the event, each with its length before it; -1 for null.
    fn computed(&self) -> String {
        let mut sha = Sha256::new();
        let mut field = |text: Option<&str>| match text {
            Some(text) => {
                sha.update((text.len() as u64).to_be_bytes());
                sha.update(text.as_bytes());
            }
            None => sha.update((-1_i64).to_be_bytes()),
        };
        let [link, case, seq] = [self.link, self.case_number, i64::from(self.seq)].map(|n| n.to_string());
        let at = self.at.map(|at| at.timestamp_micros().to_string());
        for text in [&self.prev, &link, &case, &seq] {
            field(Some(text));
        }
        for text in
            [&at, &self.actor, &self.kind, &self.mv, &self.from_state, &self.to_state, &self.reason, &self.detail]
        {
            field(text.as_deref());
        }
        hex::encode(sha.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::NewCase;
    use crate::ids::CallId;
    use crate::store::Record;
    use crate::store::cases::{correct_case, note_case};
    use crate::store::testing::{self, TestDatabase, by, walk};

    /// Two cases with a log of nine entries; the third is a correction.
    async fn written() -> (PgPool, Head) {
        let pool = TestDatabase::fresh().await.pool;
        let number = |n: i64| CaseNumber::from_serial(5_000_000 + n);
        for n in 0..2 {
            let case = NewCase { number: number(n), draft: testing::draft(CallId::fresh()) };
            testing::apply(&pool, &Record::CaseOpened(case)).await;
        }
        correct_case(&pool, by(number(0), 1), "高龄津贴").await.expect("corrects");
        use Move::{Accept, Assign, Extend, Return};
        walk(&pool, number(0), 2, &[Assign, Accept, Return]).await;
        walk(&pool, number(1), 1, &[Assign, Extend]).await;
        note_case(&pool, by(number(1), 3)).await.expect("notes");
        let Verdict::Intact(head) = verify(&pool, None).await.expect("verifies") else { panic!("broken") };
        assert_eq!(head.seq, 9);
        (pool, head)
    }

    /// Runs statements as an intruder with every right would, and takes all of it back afterwards.
    async fn after(pool: &PgPool, statement: &'static str, known: Option<&Head>) -> Verdict {
        let found = TestDatabase::copy_of(pool).await.pool;
        let mut tx = found.begin().await.expect("begins");
        sqlx::query("SET LOCAL session_replication_role = replica").execute(&mut *tx).await.expect("triggers off");
        let done = sqlx::query(statement).execute(&mut *tx).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
        assert!(done.rows_affected() > 0, "{statement}");
        tx.commit().await.expect("commits");
        verify(&found, known).await.expect("verifies")
    }

    #[tokio::test]
    async fn every_change_of_any_column_is_found_where_it_is() {
        let (pool, head) = written().await;
        for statement in [
            "UPDATE case_events SET at = at + interval '1 microsecond' FROM case_log AS l
             WHERE l.link = 3 AND l.case_number = case_events.case_number AND l.seq = case_events.seq",
            "UPDATE case_events SET actor = 'wang' WHERE kind = 'corrected'",
            "UPDATE case_events SET kind = 'noted' WHERE kind = 'corrected'",
            "UPDATE case_events SET reason = reason || ' ' WHERE kind = 'corrected'",
            "UPDATE case_events SET detail = detail || '{\"after\": \"高龄津帖\"}' WHERE kind = 'corrected'",
            "UPDATE case_events SET to_state = 'closed' WHERE kind = 'corrected'",
            "UPDATE case_events SET seq = 90 WHERE kind = 'corrected'",
            "DELETE FROM case_events WHERE kind = 'corrected'",
            "DELETE FROM case_log WHERE link = 3",
            "UPDATE case_log SET prev = hash WHERE link = 3",
            "UPDATE case_log SET hash = prev WHERE link = 3",
            "UPDATE case_log SET link = 30 WHERE link = 3",
            "UPDATE case_log SET case_number = 1 WHERE link = 3",
        ] {
            let verdict = after(&pool, statement, None).await;
            assert!(matches!(verdict, Verdict::Broken { link: 3, .. }), "{statement}: {verdict:?}");
        }
        let verdict = after(&pool, "UPDATE case_events SET move = 'urge' WHERE move = 'extend'", None).await;
        assert!(matches!(verdict, Verdict::Broken { link: 8, .. }), "{verdict:?}");
        let verdict = after(&pool, "UPDATE case_events SET from_state = 'handling' WHERE move = 'return'", None).await;
        assert!(matches!(verdict, Verdict::Broken { link: 6, .. }), "{verdict:?}");
        assert_eq!(verify(&pool, Some(&head)).await.expect("verifies"), Verdict::Intact(head));
    }

    #[tokio::test]
    async fn an_end_cut_off_shows_against_a_noted_head_and_an_entry_put_beside_by_itself() {
        let (pool, head) = written().await;
        let cut = "WITH cut AS (DELETE FROM case_log WHERE link > 7 RETURNING case_number, seq)
                   DELETE FROM case_events AS e USING cut WHERE e.case_number = cut.case_number AND e.seq = cut.seq";
        assert!(matches!(after(&pool, cut, None).await, Verdict::Intact(Head { seq: 7, .. })));
        assert!(matches!(after(&pool, cut, Some(&head)).await, Verdict::Broken { link: 8, .. }));
        let beside = "INSERT INTO case_events (case_number, seq, at, actor, kind, reason, detail)
                      SELECT min(number), 99, now(), 'li', 'noted', '', '{}' FROM cases";
        assert!(matches!(after(&pool, beside, None).await, Verdict::Broken { link: 10, case: Some(_) }));
    }

    #[tokio::test]
    async fn a_case_moved_past_its_log_is_astray() {
        let (pool, _) = written().await;
        assert_eq!(astray(&pool, 9).await.expect("reads"), []);
        for statement in [
            "UPDATE cases SET returns = 0 WHERE returns = 1",
            "UPDATE cases SET due_on = due_on + 1 WHERE returns = 1",
            "UPDATE cases SET owner_post_id = 8 WHERE returns = 1",
            "UPDATE cases SET state = 'closed', closed_at = now() WHERE returns = 1",
            "UPDATE cases SET clock_from = clock_from + interval '1 hour' WHERE returns = 1",
        ] {
            let found = TestDatabase::copy_of(&pool).await.pool;
            let mut tx = found.begin().await.expect("begins");
            sqlx::query("SET LOCAL session_replication_role = replica").execute(&mut *tx).await.expect("triggers off");
            sqlx::query(statement).execute(&mut *tx).await.expect("tampers");
            tx.commit().await.expect("commits");
            assert_eq!(astray(&found, 9).await.expect("reads"), [CaseNumber::from_serial(5_000_000)], "{statement}");
        }
    }

    #[tokio::test]
    async fn entries_written_at_the_same_time_make_one_chain() {
        let pool = TestDatabase::fresh().await.pool;
        let tasks: Vec<_> = (0..12)
            .map(|n| {
                let pool = pool.clone();
                tokio::spawn(async move {
                    let number = CaseNumber::from_serial(5_000_000_i64 + n);
                    let case = NewCase { number, draft: testing::draft(CallId::fresh()) };
                    testing::apply(&pool, &Record::CaseOpened(case)).await;
                    walk(&pool, number, 1, &[Move::Assign, Move::Accept, Move::Handle]).await;
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("ends");
        }
        assert!(matches!(verify(&pool, None).await.expect("verifies"), Verdict::Intact(Head { seq: 48, .. })));
    }
}
