//! People who log in: their roles, passwords, and the lock against guessing.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

/// Wrong passwords in a row after which the account is locked for a while.
pub const FAILED_LOGINS_MAX: i16 = 5;

/// How long it is locked.
pub const LOCKED_FOR: Duration = Duration::from_secs(15 * 60);

/// What a person may do. Stored by [`Role::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Works on calls and cases.
    Operator,
    /// Judges quality.
    Evaluator,
    /// Manages users and the directory.
    Admin,
    /// Reads the audit and checks it.
    Auditor,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Operator, Self::Evaluator, Self::Admin, Self::Auditor];

    /// As stored and as on the command line.
    pub fn code(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Evaluator => "evaluator",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        }
    }

    /// The role with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.code() == code)
    }
}

/// A role as stored; the database admits no other.
#[derive(Debug, thiserror::Error)]
#[error("there is no role {0:?}")]
pub struct UnknownRole(String);

impl TryFrom<String> for Role {
    type Error = UnknownRole;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        Self::from_code(&code).ok_or(UnknownRole(code))
    }
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct User {
    /// Key.
    pub id: i64,
    /// Login name.
    pub name: String,
    /// What they may do.
    #[sqlx(try_from = "String")]
    pub role: Role,
    /// argon2id as a PHC string; `None`: may log in by one-time link only.
    pub password_hash: Option<String>,
    /// May not log in.
    pub disabled: bool,
    /// Wrong passwords since the last right one.
    pub failed_logins: i16,
    /// No login before.
    pub locked_until: Option<DateTime<Utc>>,
}

impl User {
    /// Whether a right password would let them in at `now`.
    pub fn may_log_in(&self, now: DateTime<Utc>) -> bool {
        !self.disabled && self.locked_until.is_none_or(|until| until <= now)
    }
}

/// Why a user was not added or changed.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The name is taken.
    #[error("there is a user {name:?} already")]
    Taken {
        /// The name.
        name: String,
    },
    /// There is no such user.
    #[error("there is no user {name:?}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The database failed or is away.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
}

/// Adds a user; returns the key.
pub async fn add(
    pool: &PgPool,
    name: &str,
    role: Role,
    password_hash: Option<&str>,
    now: DateTime<Utc>,
) -> Result<i64, UserError> {
    let inserted: Option<i64> = sqlx::query_scalar(
        "INSERT INTO users (name, role, password_hash, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (name) DO NOTHING RETURNING id",
    )
    .bind(name)
    .bind(role.code())
    .bind(password_hash)
    .bind(now)
    .fetch_optional(pool)
    .await?;
    inserted.ok_or_else(|| UserError::Taken { name: name.to_owned() })
}

/// Sets the password, lifts a lock, and ends every login session of the user.
pub async fn set_password(pool: &PgPool, name: &str, password_hash: &str) -> Result<(), UserError> {
    let mut tx = pool.begin().await?;
    let id: Option<i64> = sqlx::query_scalar(
        "UPDATE users SET password_hash = $2, failed_logins = 0, locked_until = NULL WHERE name = $1 RETURNING id",
    )
    .bind(name)
    .bind(password_hash)
    .fetch_optional(&mut *tx)
    .await?;
    let id = id.ok_or_else(|| UserError::Unknown { name: name.to_owned() })?;
    sqlx::query("DELETE FROM login_sessions WHERE user_id = $1").bind(id).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}

/// Forbids or allows logging in. Forbidding ends every login session; tokens no longer work.
pub async fn set_disabled(pool: &PgPool, name: &str, disabled: bool) -> Result<(), UserError> {
    let mut tx = pool.begin().await?;
    let id: Option<i64> = sqlx::query_scalar("UPDATE users SET disabled = $2 WHERE name = $1 RETURNING id")
        .bind(name)
        .bind(disabled)
        .fetch_optional(&mut *tx)
        .await?;
    let id = id.ok_or_else(|| UserError::Unknown { name: name.to_owned() })?;
    if disabled {
        sqlx::query("DELETE FROM login_sessions WHERE user_id = $1").bind(id).execute(&mut *tx).await?;
        sqlx::query("DELETE FROM login_links WHERE user_id = $1").bind(id).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// The user with this name.
pub async fn by_name(pool: &PgPool, name: &str) -> Result<Option<User>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, name, role, password_hash, disabled, failed_logins, locked_until FROM users WHERE name = $1",
    )
    .bind(name)
    .fetch_optional(pool)
    .await
}

/// Counts a wrong password; the one that reaches [`FAILED_LOGINS_MAX`] locks the account and begins the count anew.
pub async fn login_failed(pool: &PgPool, id: i64, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE users SET
             failed_logins = CASE WHEN failed_logins + 1 >= $2 THEN 0 ELSE failed_logins + 1 END,
             locked_until = CASE WHEN failed_logins + 1 >= $2 THEN $3 ELSE locked_until END
         WHERE id = $1",
    )
    .bind(id)
    .bind(FAILED_LOGINS_MAX)
    .bind(now + LOCKED_FOR)
    .execute(pool)
    .await?;
    Ok(())
}

/// Forgets the wrong passwords.
pub async fn login_succeeded(pool: &PgPool, id: i64) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE users SET failed_logins = 0, locked_until = NULL WHERE id = $1").bind(id).execute(pool).await?;
    Ok(())
}
