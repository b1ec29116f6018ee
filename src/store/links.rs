//! One-time logins: a link that works once, for a while.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::secrets;

/// Makes a link's token for a user, valid for `lasting`. Links that nobody used in time are swept out.
pub async fn create(pool: &PgPool, user_id: i64, lasting: Duration, now: DateTime<Utc>) -> Result<String, sqlx::Error> {
    let token = secrets::token();
    let mut tx = pool.begin().await?;
    sqlx::query("DELETE FROM login_links WHERE expires_at <= $1").bind(now).execute(&mut *tx).await?;
    sqlx::query("INSERT INTO login_links (token_sha256, user_id, expires_at) VALUES ($1, $2, $3)")
        .bind(secrets::hash(&token))
        .bind(user_id)
        .bind(now + lasting)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(token)
}

/// Uses a token up; returns the user it logs in. `None`: unknown, used, too late, or the user is disabled.
pub async fn redeem(pool: &PgPool, token: &str, now: DateTime<Utc>) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "DELETE FROM login_links AS l USING users AS u
         WHERE l.token_sha256 = $1 AND l.expires_at > $2 AND u.id = l.user_id AND NOT u.disabled RETURNING l.user_id",
    )
    .bind(secrets::hash(token))
    .bind(now)
    .fetch_optional(pool)
    .await
}
