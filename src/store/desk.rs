//! What the web view writes: login sessions, audit rows, changes of cases and transcripts.

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use sqlx::{FromRow, PgPool, Postgres, Transaction};

use crate::cases::State;
use crate::ids::CaseNumber;

/// Someone known by a login session or a token.
#[derive(Clone, Debug, FromRow)]
pub struct Known {
    /// The user's key.
    pub id: i64,
    /// The user's name.
    pub name: String,
    /// The role's code.
    pub role: String,
    /// The form token of the login session; empty for programs.
    pub csrf: String,
}

/// What a login needs of an account.
#[derive(Clone, Debug, FromRow)]
pub struct Account {
    /// The user's key.
    pub id: i64,
    /// The user's name.
    pub name: String,
    /// PHC string; `None`: by link only.
    pub password_hash: Option<String>,
    /// Kept out.
    pub disabled: bool,
    /// Locked until.
    pub locked_until: Option<DateTime<Utc>>,
}

/// The login session with this digest, if it is still good; `used` counts this request as use.
pub async fn session(
    pool: &PgPool,
    token_sha256: &str,
    now: DateTime<Utc>,
    idle: TimeDelta,
    absolute: TimeDelta,
    used: bool,
) -> Result<Option<Known>, sqlx::Error> {
    sqlx::query_as(
        "UPDATE login_sessions s SET seen_at = CASE WHEN $5 THEN $2 ELSE s.seen_at END
         FROM users u
         WHERE s.token_sha256 = $1 AND u.id = s.user_id AND NOT u.disabled AND s.seen_at > $3 AND s.created_at > $4
         RETURNING u.id, u.name, u.role, s.csrf",
    )
    .bind(token_sha256)
    .bind(now)
    .bind(now - idle)
    .bind(now - absolute)
    .bind(used)
    .fetch_optional(pool)
    .await
}

/// Opens a login session.
pub async fn open_session(
    pool: &PgPool,
    user: i64,
    token_sha256: &str,
    csrf: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    sqlx::query("UPDATE users SET failed_logins = 0, locked_until = NULL WHERE id = $1")
        .bind(user)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "INSERT INTO login_sessions (token_sha256, user_id, csrf, created_at, seen_at) VALUES ($1, $2, $3, $4, $4)",
    )
    .bind(token_sha256)
    .bind(user)
    .bind(csrf)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Closes a login session.
pub async fn close_session(pool: &PgPool, token_sha256: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM login_sessions WHERE token_sha256 = $1").bind(token_sha256).execute(pool).await.map(drop)
}

/// The user of a bearer token.
pub async fn token(pool: &PgPool, token_sha256: &str) -> Result<Option<Known>, sqlx::Error> {
    sqlx::query_as(
        "SELECT u.id, u.name, u.role, '' AS csrf FROM api_tokens t JOIN users u ON u.id = t.user_id
         WHERE t.token_sha256 = $1 AND t.revoked_at IS NULL AND NOT u.disabled",
    )
    .bind(token_sha256)
    .fetch_optional(pool)
    .await
}

/// The account of this name.
pub async fn account(pool: &PgPool, name: &str) -> Result<Option<Account>, sqlx::Error> {
    sqlx::query_as("SELECT id, name, password_hash, disabled, locked_until FROM users WHERE name = $1")
        .bind(name)
        .fetch_optional(pool)
        .await
}

/// Counts a wrong password; true when it locked the account.
pub async fn bad_login(pool: &PgPool, user: i64, limit: i16, until: DateTime<Utc>) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "UPDATE users SET failed_logins = CASE WHEN failed_logins + 1 >= $2 THEN 0 ELSE failed_logins + 1 END,
                          locked_until = CASE WHEN failed_logins + 1 >= $2 THEN $3 ELSE locked_until END
         WHERE id = $1 RETURNING failed_logins = 0",
    )
    .bind(user)
    .bind(limit)
    .bind(until)
    .fetch_one(pool)
    .await
}

/// Uses a one-time link up.
pub async fn use_link(pool: &PgPool, token_sha256: &str, now: DateTime<Utc>) -> Result<Option<Account>, sqlx::Error> {
    sqlx::query_as(
        "WITH used AS (DELETE FROM login_links WHERE token_sha256 = $1 RETURNING user_id, expires_at)
         SELECT u.id, u.name, u.password_hash, u.disabled, u.locked_until FROM used
         JOIN users u ON u.id = used.user_id WHERE used.expires_at > $2 AND NOT u.disabled",
    )
    .bind(token_sha256)
    .bind(now)
    .fetch_optional(pool)
    .await
}

/// Keeps an account out or lets it in; its name.
pub async fn disable_user(pool: &PgPool, user: i64, disabled: bool) -> Result<Option<String>, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let name = sqlx::query_scalar("UPDATE users SET disabled = $2 WHERE id = $1 RETURNING name")
        .bind(user)
        .bind(disabled)
        .fetch_optional(&mut *tx)
        .await?;
    sqlx::query("DELETE FROM login_sessions WHERE user_id = $1").bind(user).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(name)
}

/// Appends one row to the chain.
pub async fn audit(
    pool: &PgPool,
    at: DateTime<Utc>,
    actor: &str,
    action: &str,
    object: &str,
    reason: &str,
) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock(7229)").execute(&mut *tx).await?;
    let last: Option<(i64, String)> =
        sqlx::query_as("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetch_optional(&mut *tx).await?;
    let (seq, prev) = last.map_or((1, String::new()), |(seq, hash)| (seq + 1, hash));
    let hash = chain(seq, at, actor, action, object, reason, &prev);
    sqlx::query(
        "INSERT INTO audit (seq, at, actor, action, object, reason, prev, hash) VALUES ($1,$2,$3,$4,$5,$6,$7,$8)",
    )
    .bind(seq)
    .bind(at)
    .bind(actor)
    .bind(action)
    .bind(object)
    .bind(reason)
    .bind(prev)
    .bind(hash)
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Rows of a whole chain, or the first row that does not follow.
pub async fn verify_audit(pool: &PgPool) -> Result<Result<i64, i64>, sqlx::Error> {
    type Row = (i64, DateTime<Utc>, String, String, String, String, String, String);
    let rows: Vec<Row> =
        sqlx::query_as("SELECT seq, at, actor, action, object, reason, prev, hash FROM audit ORDER BY seq")
            .fetch_all(pool)
            .await?;
    let mut prev = String::new();
    for (n, row) in (1..).zip(&rows) {
        let expected = chain(row.0, row.1, &row.2, &row.3, &row.4, &row.5, &prev);
        if row.0 != n || row.6 != prev || row.7 != expected {
            return Ok(Err(n));
        }
        prev.clone_from(&row.7);
    }
    Ok(Ok(i64::try_from(rows.len()).unwrap_or(i64::MAX)))
}

fn chain(seq: i64, at: DateTime<Utc>, actor: &str, action: &str, object: &str, reason: &str, prev: &str) -> String {
    let row = serde_json::json!([prev, seq, at.timestamp_micros(), actor, action, object, reason]);
    hex::encode(Sha256::digest(row.to_string()))
}

/// Moves a case; false when `version` is not its version.
pub async fn move_case(
    pool: &PgPool,
    number: CaseNumber,
    version: i32,
    to: State,
    actor: &str,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let from: Option<String> =
        sqlx::query_scalar("SELECT state FROM cases WHERE number = $1 AND version = $2 FOR UPDATE")
            .bind(number.as_i64())
            .bind(version)
            .fetch_optional(&mut *tx)
            .await?;
    let Some(from) = from else { return Ok(false) };
    sqlx::query(
        "UPDATE cases SET state = $2, version = version + 1, closed_at = CASE WHEN $2 = 'closed' THEN $3 ELSE closed_at END
         WHERE number = $1",
    )
    .bind(number.as_i64())
    .bind(to.code())
    .bind(now)
    .execute(&mut *tx)
    .await?;
    event(&mut tx, number, now, actor, "moved", Some((&from, to.code())), reason, serde_json::json!({})).await?;
    tx.commit().await?;
    Ok(true)
}

/// Gives a case to a post; false when `version` is not its version.
pub async fn assign_case(
    pool: &PgPool,
    number: CaseNumber,
    version: i32,
    post: i64,
    actor: &str,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let before: Option<i64> =
        sqlx::query_scalar("SELECT owner_post_id FROM cases WHERE number = $1 AND version = $2 FOR UPDATE")
            .bind(number.as_i64())
            .bind(version)
            .fetch_optional(&mut *tx)
            .await?;
    let Some(before) = before else { return Ok(false) };
    sqlx::query("UPDATE cases SET owner_post_id = $2, version = version + 1 WHERE number = $1")
        .bind(number.as_i64())
        .bind(post)
        .execute(&mut *tx)
        .await?;
    let detail = serde_json::json!({ "from_post": before, "to_post": post });
    event(&mut tx, number, now, actor, "assigned", None, reason, detail).await?;
    tx.commit().await?;
    Ok(true)
}

/// Corrects a case's summary; false when `version` is not its version.
pub async fn correct_case(
    pool: &PgPool,
    number: CaseNumber,
    version: i32,
    summary: &str,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let before: Option<String> =
        sqlx::query_scalar("SELECT summary FROM cases WHERE number = $1 AND version = $2 FOR UPDATE")
            .bind(number.as_i64())
            .bind(version)
            .fetch_optional(&mut *tx)
            .await?;
    let Some(before) = before else { return Ok(false) };
    sqlx::query("UPDATE cases SET summary = $2, version = version + 1 WHERE number = $1")
        .bind(number.as_i64())
        .bind(summary)
        .execute(&mut *tx)
        .await?;
    let detail = serde_json::json!({ "field": "summary", "before": before, "after": summary });
    event(&mut tx, number, now, actor, "corrected", None, "", detail).await?;
    tx.commit().await?;
    Ok(true)
}

/// Corrects a segment; false when `version` is not its version.
pub async fn correct_segment(
    pool: &PgPool,
    segment: i64,
    version: i32,
    text: &str,
    author: i64,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    sqlx::query(
        "INSERT INTO segment_corrections (segment_id, version, text, author_id, at)
         SELECT $1, $2 + 1, $3, $4, $5
         WHERE $2 = coalesce((SELECT max(version) FROM segment_corrections WHERE segment_id = $1), 0)
         ON CONFLICT DO NOTHING",
    )
    .bind(segment)
    .bind(version)
    .bind(text)
    .bind(author)
    .bind(now)
    .execute(pool)
    .await
    .map(|done| done.rows_affected() == 1)
}

#[expect(clippy::too_many_arguments, reason = "one row's columns")]
async fn event(
    tx: &mut Transaction<'_, Postgres>,
    number: CaseNumber,
    at: DateTime<Utc>,
    actor: &str,
    kind: &str,
    moved: Option<(&str, &str)>,
    reason: &str,
    detail: serde_json::Value,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO case_events (case_number, seq, at, actor, kind, from_state, to_state, reason, detail)
         SELECT $1, coalesce(max(seq), 0) + 1, $2, $3, $4, $5, $6, $7, $8 FROM case_events WHERE case_number = $1",
    )
    .bind(number.as_i64())
    .bind(at)
    .bind(actor)
    .bind(kind)
    .bind(moved.map(|m| m.0))
    .bind(moved.map(|m| m.1))
    .bind(reason)
    .bind(detail)
    .execute(&mut **tx)
    .await
    .map(drop)
}
