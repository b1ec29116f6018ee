//! Everything durable: the spool on disk, Postgres, and the only SQL of the project.
//!
//! What happens in a call is appended to the spool, is durable from then on, and is carried to Postgres by a task of its
//! own; a call never waits for the database. What a person does at the web view is written to Postgres at once.
//!
//! Invariants: a case number that [`Store::open_case`] returned is on disk, and is never given again; a record reaches the
//! database exactly once, however often either side dies.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use sqlx::migrate::MigrateError;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

mod answers;
mod apply;
pub mod approvals;
pub mod audit;
pub mod awards;
pub mod batches;
pub mod calls;
pub mod campaigns;
pub mod case_log;
pub mod cases;
pub mod consent;
pub mod corrections;
mod database;
pub mod dialling;
pub mod disclosures;
pub mod drafts;
pub mod escalate;
pub mod evidence;
pub mod export;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod invention;
pub mod jobs;
pub mod joins;
pub mod links;
pub mod notices;
pub mod numbers;
pub mod pool;
pub mod population;
pub mod postgres;
mod progress;
pub mod read_calls;
pub mod read_cases;
pub mod read_office;
pub mod recordings;
pub mod records;
pub mod results;
pub mod sample_file;
mod secrets;
pub mod seed;
pub mod segments;
pub mod sessions;
mod shelf;
mod spool;
pub mod tasks;
#[cfg(test)]
pub(crate) mod testing;
pub mod tokens;
pub mod trends;
mod unsent;
mod uploader;
pub mod usage;
pub mod users;

pub use database::Database;
pub use pool::DatabaseState;
pub use records::Record;
pub use spool::SpoolError;
pub use uploader::LinkError;

use crate::cases::{CaseDraft, NewCase};
use crate::directory::Directory;
use crate::ids::{CallId, CaseNumber};
use numbers::{Numbers, NumbersError};
use postgres::{Cluster, PostgresError, Tenure};
use shelf::Shelf;
use spool::Spool;
use unsent::Unsent;
use uploader::Uploader;

/// Change notices kept for a slow reader; one that falls behind further is told so and reads everything anew.
const CHANGES: usize = 1_024;

/// Longest wait for the database at a start; afterwards the gateway starts without, if it can.
const FIRST_CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Longest wait for connections to be given back at shutdown.
const POOL_CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Where things are.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The directory of everything that is not in an outside database.
    pub data_dir: PathBuf,
    /// An outside database; `None` for a private cluster below `data_dir`.
    pub url: Option<String>,
}

/// Why the store does not open, or a record was not kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file could not be used.
    #[error("{}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has the data directory.
    #[error("another gateway is using {}", data_dir.display())]
    InUse {
        /// The directory.
        data_dir: PathBuf,
    },
    /// The database's address is none.
    #[error("the database's address is not understood")]
    Url(#[source] sqlx::Error),
    /// The private cluster cannot be had.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// There is no database, and no block of case numbers from an earlier run: nobody could be given a number.
    #[error("the database is away and no case numbers are left from an earlier run: not ready to take calls")]
    NotReady(#[source] LinkError),
    /// The schema is not as it should be.
    #[error("the schema cannot be brought up to date")]
    Migrate(#[from] MigrateError),
    /// The spool did not take a record.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// There is no case number to give.
    #[error(transparent)]
    Numbers(#[from] NumbersError),
    /// A record cannot be written as JSON.
    #[error("a record cannot be written as JSON")]
    Encode(#[from] serde_json::Error),
    /// The database failed or is away.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
}

/// Something that pages may be showing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A call, its events or its transcript.
    Call(CallId),
    /// A case.
    Case(CaseNumber),
}

/// The store. Cheap to clone; every clone is the same store.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: PgPool,
    spool: Arc<Spool>,
    numbers: Arc<Numbers>,
    unsent: Arc<Unsent>,
    shelf: Arc<Shelf>,
    changes: broadcast::Sender<Change>,
    state: watch::Receiver<DatabaseState>,
    stop: CancellationToken,
    running: Mutex<Option<Running>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel(); // Without a shutdown, what is unsent waits in the spool.
    }
}

/// What ends with the store, in this order.
#[derive(Debug)]
struct Running {
    uploader: JoinHandle<()>,
    cluster: Option<Cluster>,
    /// Held for as long as the data directory is ours.
    _lock: File,
}

impl Store {
    /// Opens the spool, mends it, starts or reaches the database, and begins to carry records over.
    ///
    /// A database that is away stops nobody who has case numbers from an earlier run; see [`StoreError::NotReady`].
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn open(config: StoreConfig) -> Result<Self, StoreError> {
        let StoreConfig { data_dir, url } = config;
        fs::create_dir_all(&data_dir).map_err(at(&data_dir))?;
        let lock = database::lock(&data_dir)?.ok_or_else(|| StoreError::InUse { data_dir: data_dir.clone() })?;

        let unsent = Unsent::default();
        let mut greatest = None;
        let spool_dir = data_dir.join("spool");
        let spool = Spool::open(&spool_dir, |_, payload| {
            if let Ok(Record::CaseOpened(case)) = Record::decode(payload) {
                greatest = greatest.max(Some(case.number.serial()));
                unsent.insert(&case);
            }
        })
        .map_err(at(&spool_dir))?;
        let numbers_path = data_dir.join("numbers.json");
        let numbers = Numbers::open(&numbers_path, greatest).map_err(at(&numbers_path))?;
        let directory_path = data_dir.join("directory.json");
        let shelf = Shelf::open(directory_path.clone()).map_err(at(&directory_path))?;

        let (options, cluster) = database::connection(&data_dir, url.as_deref(), Tenure::Own).await?;
        let (changes, _) = broadcast::channel(CHANGES);
        let (state_sender, state) = watch::channel(DatabaseState::Down);
        let stop = CancellationToken::new();
        let uploader = Uploader {
            pool: pool::lazy(options),
            spool: Arc::new(spool),
            numbers: Arc::new(numbers),
            unsent: Arc::new(unsent),
            shelf: Arc::new(shelf),
            changes: changes.clone(),
            state: state_sender,
            refused: spool_dir.join("refused.jsonl"),
            stop: stop.clone(),
        };
        let reached = tokio::time::timeout(FIRST_CONNECT_WITHIN, uploader.connect()).await;
        match reached.unwrap_or_else(|elapsed| Err(elapsed.into())) {
            Ok(()) => {}
            Err(LinkError::Migrate(e)) if !database::is_away(&e) => return Err(e.into()),
            Err(e) if uploader.numbers.left().await == 0 => return Err(StoreError::NotReady(e)),
            Err(e) => tracing::error!(error = &e as &dyn std::error::Error, "the database is away at the start"),
        }
        let inner = Inner {
            pool: uploader.pool.clone(),
            spool: Arc::clone(&uploader.spool),
            numbers: Arc::clone(&uploader.numbers),
            unsent: Arc::clone(&uploader.unsent),
            shelf: Arc::clone(&uploader.shelf),
            changes,
            state,
            stop,
            running: Mutex::new(Some(Running { uploader: tokio::spawn(uploader.run()), cluster, _lock: lock })),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Keeps a record: when this returns, it is on the disk.
    ///
    /// # Errors
    /// When the disk refuses or is full; then nothing was kept.
    pub async fn append(&self, record: Record) -> Result<(), StoreError> {
        if let Record::CaseOpened(case) = &record {
            self.0.unsent.insert(case);
        }
        let weight = record.weight();
        let appended = match record.encode() {
            Ok(payload) => self.0.spool.append(payload, weight).await.map_err(StoreError::from),
            Err(e) => Err(e.into()),
        };
        if let (Record::CaseOpened(case), Err(_)) = (&record, &appended) {
            self.0.unsent.remove(case.number);
        }
        appended.map(drop)
    }

    /// Keeps a record soon, in order with the others, and waits for nothing. What cannot be kept is logged and lost: use
    /// [`Self::append`] for what somebody was promised.
    pub fn append_soon(&self, record: Record) {
        let weight = record.weight();
        let queued = record.encode().map_err(StoreError::from).and_then(|p| Ok(self.0.spool.append_soon(p, weight)?));
        if let Err(e) = queued {
            tracing::error!(call = %record.call(), error = &e as &dyn std::error::Error, "a record is lost");
        }
    }

    /// Gives the next case number to `draft` and keeps the case; when this returns, the number may be spoken.
    ///
    /// # Errors
    /// When there is no number, or the disk refuses; then the caller must not hear one.
    pub async fn open_case(&self, draft: CaseDraft) -> Result<NewCase, StoreError> {
        let number = self.0.numbers.take().await?;
        let case = NewCase { number, draft };
        self.append(Record::CaseOpened(case.clone())).await?;
        Ok(case)
    }

    /// The directory as last read: from the database, or else as it was when it was last reached.
    pub fn directory(&self) -> Arc<Directory> {
        self.0.shelf.current()
    }

    /// Reads the directory anew at once, after it was edited.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn reload_directory(&self) -> Result<(), StoreError> {
        Ok(self.0.shelf.refresh(&self.0.pool).await?)
    }

    /// Notices of what was written. Nothing is announced twice; see [`DatabaseState::Down`] for when to read anew.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.0.changes.subscribe()
    }

    /// Whether the database answers.
    pub fn state(&self) -> watch::Receiver<DatabaseState> {
        self.0.state.clone()
    }

    /// Records on the disk that are not in the database.
    pub fn unsent(&self) -> usize {
        self.0.spool.unsent()
    }

    /// Bytes that the spool takes on the disk.
    pub fn spool_bytes(&self) -> u64 {
        self.0.spool.bytes()
    }

    /// Case numbers that can be given without the database.
    pub async fn numbers_left(&self) -> i64 {
        self.0.numbers.left().await
    }

    /// Connections to the database.
    pub fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    /// Tells whoever watches that something was written, by a way that does not tell itself.
    pub fn announce(&self, change: Change) {
        let _nobody_watches = self.0.changes.send(change);
    }

    /// Writes what is queued, brings over what it can, and stops a private cluster. Appends fail from here on. A second
    /// call does nothing.
    pub async fn shutdown(&self) {
        let running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { uploader, cluster, _lock }) = running else { return };
        self.0.spool.close().await;
        self.0.stop.cancel();
        if let Err(e) = uploader.await {
            tracing::error!(error = %e, "the uploader ended badly");
        }
        if tokio::time::timeout(POOL_CLOSE_WITHIN, self.0.pool.close()).await.is_err() {
            tracing::warn!("connections to the database are still in use");
        }
        if let Some(cluster) = cluster {
            cluster.stop().await;
        }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { path, source }
}

#[cfg(test)]
mod tests;
