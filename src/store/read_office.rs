//! Reads of what stands around calls and cases: windows, posts, users, the audit trail.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgPool};

use super::secrets;
use super::sessions::{ABSOLUTE_MAX, IDLE_MAX, LoginSession};

/// One of the eight windows.
#[derive(Clone, Debug, FromRow)]
pub struct WindowRow {
    /// The key a caller presses.
    pub code: i16,
    /// Its Chinese name.
    pub name: String,
    /// Its English name.
    pub name_en: String,
}

/// A post that can answer for a case.
#[derive(Clone, Debug, FromRow)]
pub struct PostRow {
    /// Its key.
    pub id: i64,
    /// Its title.
    pub title: String,
    /// The organisation's name.
    pub org: String,
    /// Who holds the A role.
    pub a: String,
    /// Who stands in.
    pub b: String,
}

/// Someone who can log in.
#[derive(Clone, Debug, FromRow)]
pub struct UserRow {
    /// Their key.
    pub id: i64,
    /// The name they log in with.
    pub name: String,
    /// `operator`, `evaluator`, `admin` or `auditor`.
    pub role: String,
    /// Whether they are kept out.
    pub disabled: bool,
    /// Until when wrong passwords lock them out.
    pub locked_until: Option<DateTime<Utc>>,
    /// When they were added.
    pub created_at: DateTime<Utc>,
    /// When a login session of theirs was last used.
    pub seen_at: Option<DateTime<Utc>>,
}

/// One row of the audit trail.
#[derive(Clone, Debug, FromRow)]
pub struct AuditRow {
    /// Its place in the chain, without gaps.
    pub seq: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// On what.
    pub object: String,
    /// Why, as stated.
    pub reason: String,
    /// SHA-256 over the row before and this one, in hex.
    pub hash: String,
}

/// The windows by key.
pub async fn windows(pool: &PgPool) -> Result<Vec<WindowRow>, sqlx::Error> {
    sqlx::query_as("SELECT code, name, name_en FROM windows ORDER BY code").fetch_all(pool).await
}

/// Every post, the district's first.
pub async fn posts(pool: &PgPool) -> Result<Vec<PostRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT p.id, p.title, o.name AS org, a.name AS a, b.name AS b
         FROM posts p
         JOIN organisations o ON o.id = p.org_id
         JOIN persons a ON a.id = p.a_person_id
         JOIN persons b ON b.id = p.b_person_id
         ORDER BY array_position(ARRAY['district', 'township', 'village', 'point'], o.level), o.id, p.window_code, p.id",
    )
    .fetch_all(pool)
    .await
}

/// Everybody who can log in.
pub async fn users(pool: &PgPool) -> Result<Vec<UserRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT u.id, u.name, u.role, u.disabled, u.locked_until, u.created_at,
                (SELECT max(seen_at) FROM login_sessions WHERE user_id = u.id) AS seen_at
         FROM users u ORDER BY u.name",
    )
    .fetch_all(pool)
    .await
}

/// The newest rows of the audit trail before `before`, at most `limit`.
pub async fn audit(pool: &PgPool, before: Option<i64>, limit: i64) -> Result<Vec<AuditRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT seq, at, actor, action, object, reason, hash FROM audit
         WHERE ($1::bigint IS NULL OR seq < $1) ORDER BY seq DESC LIMIT $2",
    )
    .bind(before)
    .bind(limit)
    .fetch_all(pool)
    .await
}

/// The session that holds this token at `now`, without counting the request as use: for what a page asks by itself.
pub async fn login_session(
    pool: &PgPool,
    token: &str,
    now: DateTime<Utc>,
) -> Result<Option<LoginSession>, sqlx::Error> {
    sqlx::query_as(
        "SELECT s.user_id, u.name, u.role, u.org_id, s.csrf FROM login_sessions s JOIN users u ON u.id = s.user_id
         WHERE s.token_sha256 = $1 AND s.created_at > $2 AND s.seen_at > $3 AND NOT u.disabled",
    )
    .bind(secrets::hash(token))
    .bind(now - ABSOLUTE_MAX)
    .bind(now - IDLE_MAX)
    .fetch_optional(pool)
    .await
}

/// Whether anybody can log in at all: not so right after the installation.
pub async fn has_users(pool: &PgPool) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM users)").fetch_one(pool).await
}

/// The name of a user.
pub async fn user_name(pool: &PgPool, id: i64) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT name FROM users WHERE id = $1").bind(id).fetch_optional(pool).await
}
