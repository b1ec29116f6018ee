//! People who log in: their roles, passwords, and the lock against guessing.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::audit::{self, Deed};
use crate::directory::{OrgId, PersonId};

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
    /// Belongs to a rated unit, and sees its sums.
    Unit,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] = [Self::Operator, Self::Evaluator, Self::Admin, Self::Auditor, Self::Unit];

    /// As stored and as on the command line.
    pub fn code(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Evaluator => "evaluator",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
            Self::Unit => "unit",
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
    /// The rated unit that they belong to, for the role of that name alone.
    pub org_id: Option<i64>,
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
    /// There is no such person in the directory.
    #[error("there is no such person in the directory")]
    NoPerson,
    /// There is no such organisation.
    #[error("there is no organisation {unit}")]
    UnknownUnit {
        /// Its key.
        unit: i64,
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
    insert(pool, name, role, None, password_hash, now).await
}

/// Adds somebody of a rated unit, with the role of that name; returns the key.
pub async fn add_to_unit(
    pool: &PgPool,
    name: &str,
    unit: OrgId,
    password_hash: Option<&str>,
    now: DateTime<Utc>,
) -> Result<i64, UserError> {
    let known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM organisations WHERE id = $1)")
        .bind(unit.0)
        .fetch_one(pool)
        .await?;
    if !known {
        return Err(UserError::UnknownUnit { unit: unit.0 });
    }
    insert(pool, name, Role::Unit, Some(unit), password_hash, now).await
}

async fn insert(
    pool: &PgPool,
    name: &str,
    role: Role,
    unit: Option<OrgId>,
    password_hash: Option<&str>,
    now: DateTime<Utc>,
) -> Result<i64, UserError> {
    let inserted: Option<i64> = sqlx::query_scalar(
        "INSERT INTO users (name, role, org_id, password_hash, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (name) DO NOTHING RETURNING id",
    )
    .bind(name)
    .bind(role.code())
    .bind(unit.map(|unit| unit.0))
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

/// Says who of the directory a user is, so that they see the cases of their posts; `None`: nobody in it.
pub async fn set_person(pool: &PgPool, name: &str, person: Option<PersonId>) -> Result<(), UserError> {
    let changed = sqlx::query("UPDATE users SET person_id = $2 WHERE name = $1")
        .bind(name)
        .bind(person.map(|p| p.0))
        .execute(pool)
        .await;
    match changed {
        Ok(done) if done.rows_affected() == 1 => Ok(()),
        Ok(_) => Err(UserError::Unknown { name: name.to_owned() }),
        Err(e) if e.as_database_error().is_some_and(|e| e.is_foreign_key_violation()) => Err(UserError::NoPerson),
        Err(e) => Err(e.into()),
    }
}

/// Forbids or allows logging in, as `actor` wants it, with its row in the audit trail. Forbidding ends every login
/// session; tokens no longer work.
pub async fn set_disabled(
    pool: &PgPool,
    name: &str,
    disabled: bool,
    actor: &str,
    at: DateTime<Utc>,
) -> Result<(), UserError> {
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
    let (action, object) = (if disabled { "disable" } else { "enable" }, format!("user/{name}"));
    audit::append_in(&mut tx, Deed { actor, action, object: &object, reason: "", at }).await?;
    tx.commit().await?;
    Ok(())
}

/// The user with this name.
pub async fn by_name(pool: &PgPool, name: &str) -> Result<Option<User>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, name, role, org_id, password_hash, disabled, failed_logins, locked_until FROM users WHERE name = $1",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TestDatabase, noon};
    use crate::store::{links, sessions, tokens};

    async fn li() -> (PgPool, i64) {
        let pool = TestDatabase::fresh().await.pool;
        let id = add(&pool, "li", Role::Operator, Some("$argon2id$"), noon()).await.expect("adds");
        (pool, id)
    }

    async fn user(pool: &PgPool) -> User {
        by_name(pool, "li").await.expect("reads").expect("there")
    }

    #[tokio::test]
    async fn names_are_taken_once() {
        let (pool, id) = li().await;
        let found = user(&pool).await;
        assert_eq!((found.id, found.role, found.password_hash.as_deref()), (id, Role::Operator, Some("$argon2id$")));
        assert!(matches!(add(&pool, "li", Role::Admin, None, noon()).await, Err(UserError::Taken { .. })));
        assert!(matches!(set_password(&pool, "wang", "x").await, Err(UserError::Unknown { .. })));
        assert_eq!(by_name(&pool, "wang").await.expect("reads"), None);
    }

    #[tokio::test]
    async fn guessing_locks_for_a_while() {
        let (pool, id) = li().await;
        for _ in 1..FAILED_LOGINS_MAX {
            login_failed(&pool, id, noon()).await.expect("counts");
            assert!(user(&pool).await.may_log_in(noon()));
        }
        login_failed(&pool, id, noon()).await.expect("counts");
        let locked = user(&pool).await;
        assert!(!locked.may_log_in(noon()) && !locked.may_log_in(noon() + LOCKED_FOR - Duration::from_secs(1)));
        assert!(locked.may_log_in(noon() + LOCKED_FOR));
        login_succeeded(&pool, id).await.expect("forgets");
        assert!(user(&pool).await.may_log_in(noon()));
    }

    #[tokio::test]
    async fn a_session_ends_when_idle_and_at_its_limit() {
        let (pool, id) = li().await;
        let minute = Duration::from_secs(60);
        let session = sessions::create(&pool, id, noon()).await.expect("logs in");
        let there = |at| sessions::touch(&pool, &session.token, at);
        let found = there(noon()).await.expect("reads").expect("logged in");
        assert_eq!((found.user_id, found.role, found.csrf), (id, Role::Operator, session.csrf.clone()));
        assert!(sessions::touch(&pool, &session.csrf, noon()).await.expect("reads").is_none(), "another token is none");

        let mut now = noon();
        while now + minute * 29 < noon() + sessions::ABSOLUTE_MAX {
            now += minute * 29;
            assert!(there(now).await.expect("reads").is_some(), "in use");
        }
        assert!(there(noon() + sessions::ABSOLUTE_MAX).await.expect("reads").is_none(), "in use, but too long");

        let idle = sessions::create(&pool, id, noon()).await.expect("logs in");
        assert!(sessions::touch(&pool, &idle.token, noon() + sessions::IDLE_MAX).await.expect("reads").is_none());
        sessions::delete(&pool, &idle.token).await.expect("logs out");
        assert!(sessions::touch(&pool, &idle.token, noon()).await.expect("reads").is_none());
    }

    #[tokio::test]
    async fn a_link_works_once_and_in_time() {
        let (pool, id) = li().await;
        let hour = Duration::from_secs(3_600);
        let link = links::create(&pool, id, hour, noon()).await.expect("makes");
        assert_eq!(links::redeem(&pool, &link, noon()).await.expect("reads"), Some(id));
        assert_eq!(links::redeem(&pool, &link, noon()).await.expect("reads"), None, "used");
        let late = links::create(&pool, id, hour, noon()).await.expect("makes");
        assert_eq!(links::redeem(&pool, &late, noon() + hour).await.expect("reads"), None, "too late");
    }

    #[tokio::test]
    async fn a_disabled_user_gets_in_by_no_way() {
        let (pool, id) = li().await;
        let token = tokens::create(&pool, id, noon()).await.expect("makes");
        assert_eq!(tokens::user(&pool, &token).await.expect("reads").map(|u| u.id), Some(id));
        let session = sessions::create(&pool, id, noon()).await.expect("logs in");
        let link = links::create(&pool, id, LOCKED_FOR, noon()).await.expect("makes");
        set_disabled(&pool, "li", true, "wang", noon()).await.expect("disables");
        assert!(!user(&pool).await.may_log_in(noon()));
        assert_eq!(tokens::user(&pool, &token).await.expect("reads"), None);
        assert_eq!(sessions::touch(&pool, &session.token, noon()).await.expect("reads"), None);
        assert_eq!(links::redeem(&pool, &link, noon()).await.expect("reads"), None);
        set_disabled(&pool, "li", false, "wang", noon()).await.expect("enables");
        assert_eq!(sessions::touch(&pool, &session.token, noon()).await.expect("reads"), None, "ended, not suspended");
        assert_eq!(tokens::revoke_all(&pool, id, noon()).await.expect("revokes"), 1);
        assert_eq!(tokens::user(&pool, &token).await.expect("reads"), None);
    }

    #[tokio::test]
    async fn a_new_password_ends_what_the_old_one_opened() {
        let (pool, id) = li().await;
        let session = sessions::create(&pool, id, noon()).await.expect("logs in");
        set_password(&pool, "li", "$argon2id$new").await.expect("sets");
        assert_eq!(sessions::touch(&pool, &session.token, noon()).await.expect("reads"), None);
    }
}
