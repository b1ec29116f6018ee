//! Who saw or did what: append-only, each row bound to the one before by its hash (R12.4).
//!
//! The chain shows any row changed, removed or put between. That rows were cut off its end, or the whole of it written
//! anew, shows only against a [`Head`] noted elsewhere, so give [`verify`] one.

use chrono::{DateTime, SubsecRound, Utc};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};

/// Held while a row is appended: the next one must know its hash.
const CHAIN_LOCK: i64 = 0x6d69_6e78_696e_0002;

/// What the first row is bound to.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Rows checked at a time.
const PAGE: i64 = 1_000;

/// One thing that somebody did.
#[derive(Clone, Copy, Debug)]
pub struct Deed<'a> {
    /// User name, or `gateway`.
    pub actor: &'a str,
    /// `login`, `listen`, `download`, `reveal`, `correct`, `move`, `assign`, `user_add`, `token` and others.
    pub action: &'a str,
    /// `call/<id>`, `case/<number>`, `user/<name>`.
    pub object: &'a str,
    /// As given; may be empty.
    pub reason: &'a str,
    /// When; kept to the microsecond.
    pub at: DateTime<Utc>,
}

/// The end of the chain at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last row; 0 where there is none.
    pub seq: i64,
    /// Its hash.
    pub hash: String,
}

/// What [`verify`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every row is as it was written.
    Intact(Head),
    /// The first row that is not: changed, or the one before it is missing, or it is itself the missing one.
    Broken {
        /// Its number.
        seq: i64,
    },
}

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    at: DateTime<Utc>,
    actor: String,
    action: String,
    object: String,
    reason: String,
    prev: String,
    hash: String,
}

/// Appends a row; when this returns, it is durable. Whoever shows what is audited calls this first.
pub async fn append(pool: &PgPool, deed: Deed<'_>) -> Result<Head, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let head = append_in(&mut tx, deed).await?;
    tx.commit().await?;
    Ok(head)
}

/// As [`append`], within the transaction of what it tells of; appends elsewhere wait until that ends.
pub async fn append_in(tx: &mut PgConnection, deed: Deed<'_>) -> Result<Head, sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(CHAIN_LOCK).execute(&mut *tx).await?;
    let last: Option<(i64, String)> =
        sqlx::query_as("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetch_optional(&mut *tx).await?;
    let (last_seq, prev) = last.unwrap_or_else(|| (0, GENESIS.to_owned()));
    let deed = Deed { at: deed.at.trunc_subsecs(6), ..deed };
    let head = Head { seq: last_seq + 1, hash: hash(&prev, last_seq + 1, deed) };
    sqlx::query(
        "INSERT INTO audit (seq, at, actor, action, object, reason, prev, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(head.seq)
    .bind(deed.at)
    .bind(deed.actor)
    .bind(deed.action)
    .bind(deed.object)
    .bind(deed.reason)
    .bind(&prev)
    .bind(&head.hash)
    .execute(tx)
    .await?;
    Ok(head)
}

/// Follows the chain from its beginning; with `known`, checks that it goes through that head.
pub async fn verify(pool: &PgPool, known: Option<&Head>) -> Result<Verdict, sqlx::Error> {
    let mut head = Head { seq: 0, hash: GENESIS.to_owned() };
    loop {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT seq, at, actor, action, object, reason, prev, hash FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2",
        )
        .bind(head.seq)
        .bind(PAGE)
        .fetch_all(pool)
        .await?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let expected = head.seq + 1;
            let deed =
                Deed { actor: &row.actor, action: &row.action, object: &row.object, reason: &row.reason, at: row.at };
            if row.seq != expected || row.prev != head.hash || row.hash != hash(&row.prev, row.seq, deed) {
                return Ok(Verdict::Broken { seq: expected });
            }
            head = Head { seq: row.seq, hash: row.hash };
            if known.is_some_and(|known| known.seq == head.seq && known.hash != head.hash) {
                return Ok(Verdict::Broken { seq: head.seq });
            }
        }
    }
    if known.is_some_and(|known| known.seq > head.seq) {
        return Ok(Verdict::Broken { seq: head.seq + 1 });
    }
    Ok(Verdict::Intact(head))
}

/// SHA-256 over every column; each is preceded by its length, so that no two rows give the same bytes.
fn hash(prev: &str, seq: i64, deed: Deed<'_>) -> String {
    let mut sha = Sha256::new();
    let (seq, at) = (seq.to_string(), deed.at.timestamp_micros().to_string());
    for field in [prev, &seq, &at, deed.actor, deed.action, deed.object, deed.reason] {
        sha.update((field.len() as u64).to_be_bytes());
        sha.update(field.as_bytes());
    }
    hex::encode(sha.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{self, TestDatabase};

    async fn written(count: usize) -> (PgPool, Head) {
        let pool = TestDatabase::fresh().await.pool;
        let mut head = None;
        for n in 0..count {
            let object = format!("call/{n}");
            let deed = Deed { actor: "li", action: "listen", object: &object, reason: "回访", at: testing::noon() };
            head = Some(append(&pool, deed).await.expect("appends"));
        }
        (pool, head.expect("some"))
    }

    /// Runs statements as an intruder with every right would.
    async fn tamper(pool: &PgPool, statement: &'static str) {
        let mut tx = pool.begin().await.expect("begins");
        sqlx::query("SET LOCAL session_replication_role = replica")
            .execute(&mut *tx)
            .await
            .expect("switches triggers off");
        let done = sqlx::query(statement).execute(&mut *tx).await.expect("tampers");
        assert!(done.rows_affected() > 0, "{statement}");
        tx.commit().await.expect("commits");
    }

    #[tokio::test]
    async fn an_honest_chain_is_intact() {
        let (pool, head) = written(5).await;
        assert_eq!(verify(&pool, None).await.expect("verifies"), Verdict::Intact(head.clone()));
        assert_eq!(verify(&pool, Some(&head)).await.expect("verifies"), Verdict::Intact(head));
    }

    #[tokio::test]
    async fn every_change_of_any_column_is_found_where_it_is() {
        let (pool, head) = written(5).await;
        for statement in [
            "UPDATE audit SET at = at + interval '1 microsecond' WHERE seq = 3",
            "UPDATE audit SET actor = 'wang' WHERE seq = 3",
            "UPDATE audit SET action = 'login' WHERE seq = 3",
            "UPDATE audit SET object = 'call/9' WHERE seq = 3",
            "UPDATE audit SET reason = reason || ' ' WHERE seq = 3",
            // The same bytes, cut between the columns elsewhere.
            "UPDATE audit SET action = 'lis', object = 'ten' || object WHERE seq = 3",
            "UPDATE audit SET prev = hash WHERE seq = 3",
            "UPDATE audit SET hash = prev WHERE seq = 3",
            "DELETE FROM audit WHERE seq = 3",
            "UPDATE audit SET seq = 30 WHERE seq = 3",
        ] {
            let rows: Vec<Row> =
                sqlx::query_as("SELECT * FROM audit ORDER BY seq").fetch_all(&pool).await.expect("reads");
            tamper(&pool, statement).await;
            assert_eq!(verify(&pool, None).await.expect("verifies"), Verdict::Broken { seq: 3 }, "{statement}");
            restore(&pool, &rows).await;
            assert_eq!(verify(&pool, None).await.expect("verifies"), Verdict::Intact(head.clone()));
        }
    }

    async fn restore(pool: &PgPool, rows: &[Row]) {
        tamper(pool, "DELETE FROM audit").await;
        for row in rows {
            sqlx::query("INSERT INTO audit VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
                .bind(row.seq)
                .bind(row.at)
                .bind(&row.actor)
                .bind(&row.action)
                .bind(&row.object)
                .bind(&row.reason)
                .bind(&row.prev)
                .bind(&row.hash)
                .execute(pool)
                .await
                .expect("restores");
        }
    }

    #[tokio::test]
    async fn rows_cut_off_the_end_show_against_a_noted_head() {
        let (pool, head) = written(5).await;
        tamper(&pool, "DELETE FROM audit WHERE seq > 3").await;
        assert!(matches!(verify(&pool, None).await.expect("verifies"), Verdict::Intact(Head { seq: 3, .. })));
        assert_eq!(verify(&pool, Some(&head)).await.expect("verifies"), Verdict::Broken { seq: 4 });
    }

    #[tokio::test]
    async fn a_chain_written_anew_shows_against_a_noted_head() {
        let (pool, head) = written(5).await;
        tamper(&pool, "DELETE FROM audit").await;
        for _ in 0..6 {
            let deed = Deed { actor: "wang", action: "login", object: "", reason: "", at: testing::noon() };
            append(&pool, deed).await.expect("appends");
        }
        assert_eq!(verify(&pool, Some(&head)).await.expect("verifies"), Verdict::Broken { seq: 5 });
    }

    #[tokio::test]
    async fn appends_at_the_same_time_make_one_chain() {
        let (pool, _) = written(1).await;
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move {
                    let deed =
                        Deed { actor: "li", action: "reveal", object: "case/1", reason: "", at: crate::clock::wall() };
                    append(&pool, deed).await.expect("appends")
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("ends");
        }
        assert!(matches!(verify(&pool, None).await.expect("verifies"), Verdict::Intact(Head { seq: 21, .. })));
    }

    #[tokio::test]
    async fn nobody_changes_a_row_by_the_ordinary_way() {
        let (pool, _) = written(1).await;
        for statement in ["UPDATE audit SET reason = ''", "DELETE FROM audit", "TRUNCATE audit"] {
            assert!(sqlx::query(statement).execute(&pool).await.is_err(), "accepted: {statement}");
        }
    }
}
