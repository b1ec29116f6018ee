//! The task that carries records from the spool to Postgres, in order, and knows whether Postgres is there.
//!
//! Records go in groups, one transaction each. A group that the database refuses is tried again one by one; a record
//! refused by itself, for what it contains, is set aside in `refused.jsonl`, so that it neither blocks the others nor is
//! lost. While the database is away nothing is tried but to reach it again.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::apply::apply;
use super::numbers::{Numbers, ReplenishError};
use super::pool::{self, DatabaseState};
use super::records::{Record, SurveyAnswered};
use super::spool::{Reader, Spool};
use super::unsent::Unsent;
use super::{Change, Shelf};

/// Records in one transaction: enough to catch up fast, few enough to be seen at once.
const GROUP: usize = 128;

/// How long records gather before they are applied: a transaction costs the database, and us, more than what is in it.
/// Nobody who looks at a page notices it.
const GATHER: Duration = Duration::from_millis(100);

/// Longest transaction. A stopped server answers nothing, not even an error, and pages must say so within five seconds.
const APPLY_WITHIN: Duration = Duration::from_secs(4);

/// Longest migration: one that rewrites a table of years.
const MIGRATE_WITHIN: Duration = Duration::from_secs(600);

/// How often an idle database is asked whether it is there; with [`ANSWER_WITHIN`], what the pages say is at most
/// three seconds old.
const PING: Duration = Duration::from_secs(1);

/// Longest wait for the answer to a ping.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// How often the directory is read anew.
const DIRECTORY: Duration = Duration::from_secs(30);

/// First and longest pause between attempts to reach the database.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));

/// Longest attempt to bring everything over at shutdown; what is left waits in the spool.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);

/// What the task works with.
#[derive(Debug)]
pub struct Uploader {
    pub pool: PgPool,
    pub spool: Arc<Spool>,
    pub numbers: Arc<Numbers>,
    pub unsent: Arc<Unsent>,
    pub shelf: Arc<Shelf>,
    pub changes: broadcast::Sender<Change>,
    pub state: watch::Sender<DatabaseState>,
    pub refused: PathBuf,
    pub stop: CancellationToken,
}

/// Why the database is taken to be away.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It failed, or is not there.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
    /// A migration failed.
    #[error("the schema cannot be brought up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// No case numbers could be leased.
    #[error(transparent)]
    Numbers(#[from] ReplenishError),
    /// It is there and does not answer.
    #[error("no answer within the time allowed")]
    Silent(#[from] tokio::time::error::Elapsed),
    /// Not the database's fault: the spool's files cannot be read, or a record not be set aside.
    #[error("cannot use the spool")]
    Spool(#[from] io::Error),
}

impl Uploader {
    /// Reaches the database, brings the schema and our number blocks up to date, and reads the directory.
    pub async fn connect(&self) -> Result<(), LinkError> {
        tokio::time::timeout(MIGRATE_WITHIN, pool::migrate(&self.pool)).await??;
        tokio::time::timeout(APPLY_WITHIN, self.numbers.replenish(&self.pool)).await??;
        tokio::time::timeout(APPLY_WITHIN, self.shelf.refresh(&self.pool)).await??;
        self.state.send_if_modified(|state| std::mem::replace(state, DatabaseState::Up) != DatabaseState::Up);
        Ok(())
    }

    /// Runs until stopped; then brings over what it can.
    pub async fn run(self) {
        let mut pause = RETRY.0;
        let mut reader = self.spool.reader();
        loop {
            let lost = tokio::select! {
                ended = self.serve(&mut reader, &mut pause) => ended,
                () = self.stop.cancelled() => break,
            };
            if self.state.send_if_modified(|state| std::mem::replace(state, DatabaseState::Down) != DatabaseState::Down)
            {
                tracing::error!(
                    error = &lost as &dyn std::error::Error,
                    "the database is away: keeping records in the spool"
                );
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(RETRY.1),
                () = self.stop.cancelled() => break,
            }
        }
        if *self.state.borrow() == DatabaseState::Down {
            return tracing::warn!(unsent = self.spool.unsent(), "records wait in the spool for the next start");
        }
        let mut reader = self.spool.reader();
        let rest = async {
            self.drain(&mut reader).await?;
            Ok::<_, LinkError>(self.note().await?)
        };
        match tokio::time::timeout(DRAIN_WITHIN, rest).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(unsent = self.spool.unsent(), "records wait in the spool for the next start")
            }
        }
    }

    /// Carries records until the database is lost, and says how.
    async fn serve(&self, reader: &mut Reader, pause: &mut Duration) -> LinkError {
        let attempt = async {
            self.connect().await?;
            *pause = RETRY.0;
            tracing::info!(unsent = self.spool.unsent(), "the database is there");
            // Where an attempt was cut off, the reader is ahead of the database.
            *reader = self.spool.reader();
            let mut durable = self.spool.durable();
            let mut ping = tokio::time::interval(PING);
            let mut directory = tokio::time::interval(DIRECTORY);
            loop {
                self.drain(reader).await?;
                tokio::select! {
                    Ok(()) = durable.changed() => tokio::time::sleep(GATHER).await, // The writer's end is told by `stop`.
                    _ = ping.tick() => {
                        self.note().await?;
                        let answer = sqlx::query("SELECT 1").execute(&self.pool);
                        tokio::time::timeout(ANSWER_WITHIN, answer).await??;
                        tokio::time::timeout(APPLY_WITHIN, self.numbers.replenish(&self.pool)).await??;
                    }
                    _ = directory.tick() => {
                        tokio::time::timeout(APPLY_WITHIN, self.shelf.refresh(&self.pool)).await??;
                    }
                }
            }
        };
        match attempt.await {
            Ok::<std::convert::Infallible, LinkError>(never) => match never {},
            Err(lost) => lost,
        }
    }

    /// Applies everything that is on the disk.
    async fn drain(&self, reader: &mut Reader) -> Result<(), LinkError> {
        let durable = self.spool.durable();
        loop {
            let up_to = *durable.borrow();
            let group = read(reader, up_to).await?;
            let Some((last, _)) = group.last() else {
                // The numbers of a group that failed to be written are missing from the log.
                self.spool.applied(up_to);
                return Ok(());
            };
            self.apply_group(&group).await?;
            self.spool.applied(*last);
            if *last == up_to {
                return Ok(());
            }
        }
    }

    async fn note(&self) -> io::Result<()> {
        let spool = Arc::clone(&self.spool);
        tokio::task::spawn_blocking(move || spool.note()).await.map_err(io::Error::other)?
    }

    async fn apply_group(&self, group: &[(u64, Vec<u8>)]) -> Result<(), LinkError> {
        let mut records = Vec::with_capacity(group.len());
        for (seq, payload) in group {
            match Record::decode(payload) {
                Ok(record) => records.push((*seq, record)),
                Err(error) => self.refuse(*seq, payload, &error)?,
            }
        }
        let whole = tokio::time::timeout(APPLY_WITHIN, self.commit(&records)).await?;
        match whole {
            Ok(()) => self.announce(&records),
            Err(e) if pool::is_transient(&e) => return Err(e.into()),
            Err(_) => {
                for one in records.chunks(1) {
                    match tokio::time::timeout(APPLY_WITHIN, self.commit(one)).await? {
                        Ok(()) => self.announce(one),
                        Err(e) if pool::is_transient(&e) => return Err(e.into()),
                        Err(e) => {
                            for (seq, record) in one {
                                self.refuse(*seq, &record.encode().map_err(io::Error::other)?, &e)?;
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    async fn commit(&self, records: &[(u64, Record)]) -> Result<(), sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        apply(&mut tx, records.iter().map(|(_, record)| record)).await?;
        tx.commit().await
    }

    fn announce(&self, records: &[(u64, Record)]) {
        for (_, record) in records {
            if let Record::CaseOpened(case) = record {
                self.unsent.remove(case.number);
                let _nobody_watches = self.changes.send(Change::Case(case.number));
            }
            if let Record::SurveyAnswered(SurveyAnswered { reopens: Some(case), .. }) = record {
                let _nobody_watches = self.changes.send(Change::Case(*case));
            }
            let _nobody_watches = self.changes.send(Change::Call(record.call()));
        }
    }

    /// Sets a record aside that no later attempt could apply; one line of JSON each, on the disk before it is passed by.
    fn refuse(&self, seq: u64, payload: &[u8], why: &(dyn std::error::Error + 'static)) -> io::Result<()> {
        tracing::error!(seq, error = why, file = %self.refused.display(), "the database refused a record for its contents: set aside");
        let record: serde_json::Value = serde_json::from_slice(payload)
            .unwrap_or_else(|_| serde_json::Value::String(String::from_utf8_lossy(payload).into_owned()));
        let line = serde_json::json!({ "seq": seq, "error": why.to_string(), "record": record });
        let mut file = std::fs::File::options().create(true).append(true).open(&self.refused)?;
        writeln!(file, "{line}")?;
        file.sync_data()
    }
}

/// The next group, read away from the async threads. Where this is cancelled, the reader stays where it was.
async fn read(reader: &mut Reader, up_to: u64) -> io::Result<Vec<(u64, Vec<u8>)>> {
    let mut ahead = reader.clone();
    let read = move || ahead.read(up_to, GROUP).map(|group| (ahead, group));
    let (ahead, group) = tokio::task::spawn_blocking(read).await.map_err(io::Error::other)??;
    *reader = ahead;
    Ok(group)
}
