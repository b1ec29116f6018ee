//! Which database: an outside one, or a private cluster; for the gateway and for commands beside it.

use std::fs::{self, File};
use std::path::Path;

use sqlx::PgPool;
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgConnectOptions;

use super::postgres::{Cluster, Tenure};
use super::{StoreConfig, StoreError, at, pool};

/// A connection for a command beside the gateway: the same database, without the spool.
#[derive(Debug)]
pub struct Database {
    /// Connections to it.
    pub pool: PgPool,
    /// As `psql` takes it.
    pub url: String,
    cluster: Option<Cluster>,
    _lock: Option<File>,
}

impl Database {
    /// Reaches the database, starting a private cluster if no gateway has done so, and brings its schema up to date.
    ///
    /// # Errors
    /// When it is away or its schema cannot be brought up to date.
    pub async fn open(config: StoreConfig) -> Result<Self, StoreError> {
        let StoreConfig { data_dir, url } = config;
        fs::create_dir_all(&data_dir).map_err(at(&data_dir))?;
        let lock = lock(&data_dir)?;
        let tenure = if lock.is_some() { Tenure::Own } else { Tenure::Borrow };
        let (options, cluster) = connection(&data_dir, url.as_deref(), tenure).await?;
        let pool = pool::lazy(options);
        pool::migrate(&pool).await?;
        let url = cluster.as_ref().map(Cluster::url).or(url).unwrap_or_default();
        Ok(Self { pool, url, cluster, _lock: lock })
    }

    /// Gives the connections back, and stops a cluster that was not running before.
    pub async fn close(self) {
        self.pool.close().await;
        if let Some(cluster) = self.cluster {
            cluster.stop().await;
        }
    }
}

/// How to connect, and the private cluster where there is no URL.
pub(super) async fn connection(
    data_dir: &Path,
    url: Option<&str>,
    tenure: Tenure,
) -> Result<(PgConnectOptions, Option<Cluster>), StoreError> {
    match url {
        Some(url) => Ok((url.parse().map_err(StoreError::Url)?, None)),
        None => {
            let cluster = Cluster::start(&data_dir.join("pg"), tenure).await?;
            Ok((cluster.options(), Some(cluster)))
        }
    }
}

/// The data directory's lock, given back by the kernel however we end; `None` while another process has it.
pub(super) fn lock(data_dir: &Path) -> Result<Option<File>, StoreError> {
    let path = data_dir.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(e)) => Err(at(&path)(e)),
    }
}

/// Whether a migration failed only because the database is not there, or not ready: a later attempt may succeed.
pub(super) fn is_away(error: &MigrateError) -> bool {
    let MigrateError::Execute(e) = error else { return false };
    // 08 connection, 28 login, 3D no such database, 53 resources, 57 shutting down or starting (PostgreSQL, appendix A).
    let away = |code: &str| matches!(code.get(..2), Some("08" | "28" | "3D" | "53" | "57"));
    e.as_database_error().is_none_or(|e| e.code().is_some_and(|code| away(&code)))
}
