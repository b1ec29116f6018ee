//! Bearer tokens of the JSON interface.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::secrets;
use super::users::User;

/// Makes a token that carries the user's rights. Shown once; only its hash is kept.
pub async fn create(pool: &PgPool, user_id: i64, now: DateTime<Utc>) -> Result<String, sqlx::Error> {
    let token = secrets::token();
    sqlx::query("INSERT INTO api_tokens (token_sha256, user_id, created_at) VALUES ($1, $2, $3)")
        .bind(secrets::hash(&token))
        .bind(user_id)
        .bind(now)
        .execute(pool)
        .await?;
    Ok(token)
}

/// Whose token it is; `None`: unknown, revoked, or the user is disabled.
pub async fn user(pool: &PgPool, token: &str) -> Result<Option<User>, sqlx::Error> {
    sqlx::query_as(
        "SELECT u.id, u.name, u.role, u.org_id, u.password_hash, u.disabled, u.failed_logins, u.locked_until
         FROM api_tokens AS t JOIN users AS u ON u.id = t.user_id
         WHERE t.token_sha256 = $1 AND t.revoked_at IS NULL AND NOT u.disabled",
    )
    .bind(secrets::hash(token))
    .fetch_optional(pool)
    .await
}

/// Ends every token of a user; returns how many.
pub async fn revoke_all(pool: &PgPool, user_id: i64, now: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    let done = sqlx::query("UPDATE api_tokens SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL")
        .bind(user_id)
        .bind(now)
        .execute(pool)
        .await?;
    Ok(done.rows_affected())
}
