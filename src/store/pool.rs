//! Connections, and the schema they find.

use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgPool};

/// Every schema version, in order. Applied files are never edited; a checksum refuses that.
static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations");

/// Connections at most. Pages, the uploader and jobs share them; the private cluster allows a few more for `psql`.
const CONNECTIONS_MAX: u32 = 16;

/// Longest wait for a connection: a page then says that the database is away.
const ACQUIRE_WITHIN: Duration = Duration::from_secs(3);

/// How long an idle connection is taken to be alive without asking: to ask costs as much as a short statement.
const FRESH: Duration = Duration::from_millis(500);

/// Longest statement, enforced by the server; nothing of ours takes a tenth of it.
const STATEMENT_WITHIN_MS: &str = "15000";

/// Whether the database answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseState {
    /// It answers, and the schema is the one this program knows.
    Up,
    /// It does not: calls go on from the spool, pages cannot. Changes made meanwhile are not announced one by one, so
    /// whoever shows data reads it anew at the next [`Self::Up`].
    Down,
}

/// A pool that connects when first used, so that a database that is away stops nobody from starting.
pub fn lazy(options: PgConnectOptions) -> PgPool {
    let options = options.application_name("minxin").options([("statement_timeout", STATEMENT_WITHIN_MS)]);
    PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(ACQUIRE_WITHIN)
        .idle_timeout(Duration::from_secs(300))
        .test_before_acquire(false)
        .before_acquire(|connection, used| {
            Box::pin(async move {
                if used.idle_for > FRESH {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options)
}

/// Brings the schema up to date; does nothing when it is.
///
/// On a connection of its own, which takes as long as it must: the lock that keeps two migrations apart belongs to the
/// connection, and one given back to the pool in the middle would keep it.
///
/// # Errors
/// When the database is away, a file fails, or an applied file was edited.
pub async fn migrate(pool: &PgPool) -> Result<(), MigrateError> {
    let options = pool.connect_options().as_ref().clone().options([("statement_timeout", "0")]);
    let own = PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_WITHIN).connect_lazy_with(options);
    let done = MIGRATIONS.run(&own).await;
    own.close().await;
    done
}

/// Whether an error is of the moment, so that the same statement may succeed later.
///
/// Only bad values and broken constraints (SQLSTATE classes 22 and 23) are not: repeating them is in vain. A missing table
/// is, because migrations run again at the next connection.
pub fn is_transient(error: &sqlx::Error) -> bool {
    match error.as_database_error().and_then(|e| e.code()) {
        Some(code) => !matches!(code.get(..2), Some("22" | "23")),
        None => !matches!(error, sqlx::Error::Encode(_) | sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. }),
    }
}
