//! A private Postgres: made, run and watched by the gateway, from the system's own packages, reached by one Unix socket.
//!
//! The postmaster is our child but outlives us: after a kill -9 of the gateway it goes on, and the next gateway adopts
//! it. It runs as the owner of its directory, never as root. fsync stays on. When it dies it is started again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio_util::sync::CancellationToken;

mod place;
mod server;

pub use place::Account;
use place::Place;
use server::{Process, Server};

/// The database, and the role that owns it.
const NAME: &str = "minxin";

/// First wait before a postmaster that does not start is started again.
const RESTART_MIN: Duration = Duration::from_millis(200);

/// Longest wait before a postmaster that keeps dying is started again.
const RESTART_MAX: Duration = Duration::from_secs(10);

/// Why a private cluster cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The binaries are not installed.
    #[error("no Postgres server below {}: install the package `postgresql` (Debian, Ubuntu), or set `[database] url`", searched.display())]
    Missing {
        /// Where they were looked for.
        searched: PathBuf,
    },
    /// Root may not run Postgres, and there is nobody to run it as.
    #[error("running as root, and there is neither an account `postgres` nor `nobody` to run the database as")]
    NoAccount,
    /// The cluster belongs to another account.
    #[error("{} belongs to user {owner}: run as that user or as root", dir.display())]
    Owner {
        /// The cluster's directory.
        dir: PathBuf,
        /// User id of its owner.
        owner: u32,
    },
    /// The directory for the socket is not ours alone.
    #[error("{} exists and belongs to somebody else: remove it", dir.display())]
    Socket {
        /// The directory.
        dir: PathBuf,
    },
    /// A file or program could not be used.
    #[error("{}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A new cluster could not be made.
    #[error("{program} failed: {output}")]
    Init {
        /// `initdb`, or `postgres` making the database.
        program: &'static str,
        /// What it said.
        output: String,
    },
    /// The server did not come up.
    #[error("Postgres did not start ({why}); the end of {}:\n{tail}", log.display())]
    Start {
        /// It died, or took longer than the limit.
        why: &'static str,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
}

/// Whether [`Cluster::stop`] stops a server that was running already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenure {
    /// It is ours: an earlier gateway left it behind.
    Own,
    /// Somebody else may be using it: a command beside a running gateway.
    Borrow,
}

/// A running private cluster.
#[derive(Debug)]
pub struct Cluster {
    server: Arc<Server>,
    stop: CancellationToken,
    watch: Option<tokio::task::JoinHandle<()>>,
}

impl Cluster {
    /// Makes the cluster below `dir` where there is none, starts it, and keeps it running until [`Self::stop`] or drop.
    ///
    /// One that was made before and does not start (a full disk, a crashed server's last processes) is no error: it is
    /// tried again and again, and meanwhile the database is away.
    ///
    /// # Errors
    /// When it cannot be made, or could never run here. See [`PostgresError`].
    pub async fn start(dir: &Path, tenure: Tenure) -> Result<Self, PostgresError> {
        let server = Arc::new(Server::new(Place::prepare(dir)?)?);
        let made = server.initialise().await?;
        let (process, found) = match server.adopt_or_start().await {
            Ok((process, found)) => (Some(process), found),
            Err(e) if made => return Err(e),
            Err(e) => {
                tracing::error!(error = %e, "Postgres does not start");
                (None, false)
            }
        };
        let stop = CancellationToken::new();
        let watch = (!found || tenure == Tenure::Own).then(|| {
            let (server, stop) = (Arc::clone(&server), stop.clone());
            tokio::spawn(async move { keep_running(&server, process, &stop).await })
        });
        Ok(Self { server, stop, watch })
    }

    /// How to connect to the database.
    pub fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.server.place.sockets)
            .port(server::PORT)
            .username(NAME)
            .database(NAME)
            .ssl_mode(PgSslMode::Disable)
    }

    /// The same, as `psql` takes it.
    pub fn url(&self) -> String {
        format!("postgres:///{NAME}?host={}&user={NAME}", self.server.place.sockets.display())
    }

    /// The postmaster's process id, while it runs.
    pub fn pid(&self) -> Option<i32> {
        self.server.running().map(|pid| pid.as_raw_nonzero().get())
    }

    /// Stops the server, transactions rolled back ("fast"), and waits for its end.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(watch) = self.watch.take()
            && let Err(e) = watch.await
        {
            tracing::error!(error = %e, "the watch over Postgres ended badly");
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop.cancel();
        // Without a runtime the task can no longer do it.
        if self.watch.is_some() {
            self.server.interrupt();
        }
    }
}

/// Starts the server again whenever it dies, more and more patiently, until told to stop.
async fn keep_running(server: &Server, mut running: Option<Process>, stop: &CancellationToken) {
    let mut pause = RESTART_MIN;
    loop {
        if let Some(process) = &mut running {
            pause = RESTART_MIN;
            tokio::select! {
                () = stop.cancelled() => {}
                () = process.ended() => tracing::error!("Postgres died; starting it again"),
            }
        } else {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(RESTART_MAX),
            }
        }
        if stop.is_cancelled() {
            if let Some(process) = running {
                server.shut_down(process).await;
            }
            return;
        }
        running = match server.adopt_or_start().await {
            Ok((process, _)) => {
                tracing::info!("Postgres runs again");
                Some(process)
            }
            Err(e) => {
                tracing::error!(error = %e, retry_ms = pause.as_millis(), "Postgres does not start");
                None
            }
        };
    }
}
