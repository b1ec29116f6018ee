//! Browsers that are logged in. A session ends when idle, at its absolute limit, or when its user may not log in.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::secrets;
use super::users::Role;

/// Longest pause between two requests (ASVS 5.0 §7.3).
pub const IDLE_MAX: Duration = Duration::from_secs(30 * 60);

/// Longest session: one long shift.
pub const ABSOLUTE_MAX: Duration = Duration::from_secs(12 * 60 * 60);

/// How stale `seen_at` may be: not every request writes a row.
const SEEN_EVERY: Duration = Duration::from_secs(60);

/// What a browser gets.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// For the cookie; nowhere else.
    pub token: String,
    /// For every form.
    pub csrf: String,
}

/// Who is at the browser.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct LoginSession {
    /// The user's key.
    pub user_id: i64,
    /// The user's login name.
    pub name: String,
    /// What they may do.
    #[sqlx(try_from = "String")]
    pub role: Role,
    /// The rated unit that they belong to, for the role of that name alone.
    pub org_id: Option<i64>,
    /// What every form of theirs carries.
    pub csrf: String,
}

/// Logs a user in. Old sessions that nobody ended are swept out.
pub async fn create(pool: &PgPool, user_id: i64, now: DateTime<Utc>) -> Result<NewSession, sqlx::Error> {
    let session = NewSession { token: secrets::token(), csrf: secrets::token() };
    let mut tx = pool.begin().await?;
    sqlx::query("DELETE FROM login_sessions WHERE created_at <= $1 OR seen_at <= $2")
        .bind(now - ABSOLUTE_MAX)
        .bind(now - IDLE_MAX)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "INSERT INTO login_sessions (token_sha256, user_id, csrf, created_at, seen_at) VALUES ($1, $2, $3, $4, $4)",
    )
    .bind(secrets::hash(&session.token))
    .bind(user_id)
    .bind(&session.csrf)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(session)
}

/// The session that holds this token at `now`, noting that it was used; `None`: log in anew.
pub async fn touch(pool: &PgPool, token: &str, now: DateTime<Utc>) -> Result<Option<LoginSession>, sqlx::Error> {
    let hash = secrets::hash(token);
    let row: Option<(DateTime<Utc>,)> = sqlx::query_as(
        "SELECT s.seen_at FROM login_sessions s JOIN users u ON u.id = s.user_id
         WHERE s.token_sha256 = $1 AND s.created_at > $2 AND s.seen_at > $3 AND NOT u.disabled",
    )
    .bind(&hash)
    .bind(now - ABSOLUTE_MAX)
    .bind(now - IDLE_MAX)
    .fetch_optional(pool)
    .await?;
    let Some((seen_at,)) = row else { return Ok(None) };
    if now >= seen_at + SEEN_EVERY {
        sqlx::query("UPDATE login_sessions SET seen_at = greatest(seen_at, $2) WHERE token_sha256 = $1")
            .bind(&hash)
            .bind(now)
            .execute(pool)
            .await?;
    }
    sqlx::query_as(
        "SELECT s.user_id, u.name, u.role, u.org_id, s.csrf FROM login_sessions s JOIN users u ON u.id = s.user_id
         WHERE s.token_sha256 = $1 AND NOT u.disabled",
    )
    .bind(&hash)
    .fetch_optional(pool)
    .await
}

/// Logs out.
pub async fn delete(pool: &PgPool, token: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM login_sessions WHERE token_sha256 = $1").bind(secrets::hash(token)).execute(pool).await?;
    Ok(())
}
