//! Case numbers, given out without asking the database: from blocks that it leased to us ahead.
//!
//! A serial is never given twice. Blocks are recorded in the database for ever, so no other gateway gets ours. On disk we
//! note a bound that every serial given so far lies below, `RESERVED` at a time, before giving the first of them; a
//! start goes on from the bound. So a crash skips serials and never repeats one.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tokio::sync::Mutex;

use super::spool::sync_dir;
use crate::ids::CaseNumber;

/// Serials in one leased block: more cases than a week without a database brings.
pub const BLOCK: i64 = 10_000;

/// Another block is leased when fewer serials are left.
pub const LOW: i64 = BLOCK / 2;

/// Serials noted as given at a time: what a crash skips at most, and how rarely the note costs an fsync.
const RESERVED: i64 = 256;

/// Held in the database while a block is leased, so that blocks of two gateways never overlap.
const LEASE_LOCK: i64 = 0x6d69_6e78_696e_0001;

/// Why there is no number.
#[derive(Debug, thiserror::Error)]
pub enum NumbersError {
    /// Every leased serial is used and the database is away.
    #[error("no case numbers are left, and the database is not there to lease more")]
    Exhausted,
    /// The note could not be written, so no serial may be given.
    #[error("cannot note case numbers in {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Serials `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The first.
    pub first: i64,
    /// The last.
    pub last: i64,
}

/// As it lies on disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Note {
    /// Our name in `number_blocks.holder`.
    holder: String,
    /// Leased and not used up, ascending.
    blocks: VecDeque<Block>,
    /// Every serial below may have been given.
    reserved_to: i64,
}

/// The giver of numbers.
#[derive(Debug)]
pub struct Numbers {
    path: Arc<Path>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    note: Note,
    next: i64,
}

impl Numbers {
    /// Reads the note at `path`; `seen` is the greatest serial found elsewhere on disk.
    ///
    /// A note that is missing or unreadable is begun anew: its blocks are lost, which skips serials and repeats none.
    ///
    /// # Errors
    /// When the file exists and cannot be read.
    pub fn open(path: &Path, seen: Option<i64>) -> io::Result<Self> {
        let fresh = || Note { holder: uuid::Uuid::new_v4().to_string(), blocks: VecDeque::new(), reserved_to: 0 };
        let note = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|e| {
                tracing::warn!(file = %path.display(), error = %e, "the note of case numbers is unreadable: leasing anew");
                fresh()
            }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => fresh(),
            Err(e) => return Err(e),
        };
        let next = note.reserved_to.max(seen.map_or(0, |serial| serial + 1));
        Ok(Self { path: path.into(), state: Mutex::new(State { note, next }) })
    }

    /// The next number. Waits for the disk once in `RESERVED` times.
    ///
    /// # Errors
    /// [`NumbersError::Exhausted`] when the leased blocks are used up; [`NumbersError::Io`] when the note cannot be kept.
    pub async fn take(&self) -> Result<CaseNumber, NumbersError> {
        let mut state = self.state.lock().await;
        let serial = state.upcoming().ok_or(NumbersError::Exhausted)?;
        if serial >= state.note.reserved_to {
            let mut note = state.note.clone();
            note.blocks.retain(|block| block.last >= serial);
            note.reserved_to = serial + RESERVED;
            self.keep(&mut state, note).await?;
        }
        state.next = serial + 1;
        Ok(CaseNumber::from_serial(serial))
    }

    /// Serials that can be given without the database.
    pub async fn left(&self) -> i64 {
        let state = self.state.lock().await;
        state.note.blocks.iter().map(|block| (block.last - state.next.max(block.first) + 1).max(0)).sum()
    }

    /// Leases a block when fewer than [`LOW`] serials are left.
    ///
    /// # Errors
    /// Of the database, or of the note; a block leased but not noted is skipped.
    pub async fn replenish(&self, pool: &PgPool) -> Result<(), ReplenishError> {
        if self.left().await >= LOW {
            return Ok(());
        }
        let (holder, after) = {
            let state = self.state.lock().await;
            let last = state.note.blocks.back().map_or(0, |block| block.last);
            (state.note.holder.clone(), last.max(state.next - 1))
        };
        let block = lease(pool, &holder, after).await?;
        let mut state = self.state.lock().await;
        let mut note = state.note.clone();
        note.blocks.push_back(block);
        self.keep(&mut state, note).await?;
        Ok(())
    }

    /// Writes the note, durably, and only then lets it hold.
    async fn keep(&self, state: &mut State, note: Note) -> Result<(), NumbersError> {
        let path = Arc::clone(&self.path);
        let kept = note.clone();
        let written = tokio::task::spawn_blocking(move || write(&path, &kept)).await.map_err(io::Error::other);
        written.and_then(|r| r).map_err(|source| NumbersError::Io { path: self.path.to_path_buf(), source })?;
        state.note = note;
        Ok(())
    }
}

/// Why no block was added.
#[derive(Debug, thiserror::Error)]
pub enum ReplenishError {
    /// The database did not lease.
    #[error("cannot lease case numbers")]
    Database(#[from] sqlx::Error),
    /// The block could not be noted.
    #[error(transparent)]
    Note(#[from] NumbersError),
}

impl State {
    /// The serial that is given next.
    fn upcoming(&self) -> Option<i64> {
        self.note
            .blocks
            .iter()
            .map(|block| (self.next.max(block.first), block.last))
            .find(|(s, last)| s <= last)
            .map(|(s, _)| s)
    }
}

/// Takes the block after every block of the database and after `after`, for a database that was restored from before
/// our last lease.
async fn lease(pool: &PgPool, holder: &str, after: i64) -> Result<Block, sqlx::Error> {
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LEASE_LOCK).execute(&mut *tx).await?;
    let (first, last): (i64, i64) = sqlx::query_as(
        "INSERT INTO number_blocks (first, last, holder, leased_at)
         SELECT start, start + $2 - 1, $3, $4
         FROM (SELECT greatest(coalesce(max(last) + 1, 0), $1 + 1, $5) AS start FROM number_blocks) AS next
         RETURNING first, last",
    )
    .bind(after)
    .bind(BLOCK)
    .bind(holder)
    .bind(crate::clock::wall())
    .bind(CaseNumber::FIRST_SERIAL)
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Block { first, last })
}

/// Replaces the file whole, and returns when the disk has it.
fn write(path: &Path, note: &Note) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(&serde_json::to_vec(note)?)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(dir: &Path, blocks: &[(i64, i64)], reserved_to: i64) -> PathBuf {
        let path = dir.join("numbers.json");
        let blocks = blocks.iter().map(|&(first, last)| Block { first, last }).collect();
        write(&path, &Note { holder: "test".into(), blocks, reserved_to }).expect("writes");
        path
    }

    async fn serials(numbers: &Numbers, count: usize) -> Vec<i64> {
        let mut out = Vec::new();
        for _ in 0..count {
            match numbers.take().await {
                Ok(number) => out.push(number.serial()),
                Err(NumbersError::Exhausted) => break,
                Err(NumbersError::Io { .. }) => panic!("the note cannot be written"),
            }
        }
        out
    }

    #[tokio::test]
    async fn serials_run_through_the_blocks_and_then_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = noted(dir.path(), &[(1_000_000, 1_000_002), (2_000_000, 2_000_001)], 0);
        let numbers = Numbers::open(&path, None).expect("opens");
        assert_eq!(numbers.left().await, 5);
        assert_eq!(serials(&numbers, 9).await, [1_000_000, 1_000_001, 1_000_002, 2_000_000, 2_000_001]);
        assert_eq!(numbers.left().await, 0);
    }

    #[tokio::test]
    async fn a_start_never_repeats_a_serial() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = noted(dir.path(), &[(1_000_000, 1_009_999)], 0);
        let mut last = 0;
        for _ in 0..5 {
            // Dropped without a word, as by kill -9.
            let given = serials(&Numbers::open(&path, None).expect("opens"), 300).await;
            assert!(given.is_sorted() && given[0] > last, "{} after {last}", given[0]);
            last = given[299];
        }
        assert!(last < 1_000_000 + 5 * (300 + RESERVED), "skips no more than it says: {last}");
    }

    #[tokio::test]
    async fn what_the_spool_saw_counts_too() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = noted(dir.path(), &[(1_000_000, 1_009_999)], 1_000_100);
        let numbers = Numbers::open(&path, Some(1_000_500)).expect("opens");
        assert_eq!(serials(&numbers, 1).await, [1_000_501]);
    }

    #[tokio::test]
    async fn a_damaged_note_gives_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("numbers.json");
        fs::write(&path, "{").expect("writes");
        assert!(serials(&Numbers::open(&path, None).expect("opens"), 1).await.is_empty());
    }

    #[tokio::test]
    async fn a_database_from_before_our_last_lease_does_not_lease_it_again() {
        let pool = crate::store::testing::TestDatabase::fresh().await.pool;
        let dir = tempfile::tempdir().expect("a directory");
        let path = noted(dir.path(), &[(1_000_000, 1_000_002)], 0);
        let numbers = Numbers::open(&path, None).expect("opens");
        numbers.replenish(&pool).await.expect("leases");
        assert_eq!(serials(&numbers, 5).await, [1_000_000, 1_000_001, 1_000_002, 1_000_003, 1_000_004]);
        assert_eq!(numbers.left().await, BLOCK - 2);
        numbers.replenish(&pool).await.expect("has enough");
        assert_eq!(numbers.left().await, BLOCK - 2);
        // With every block lost, the database still knows what it leased.
        let anew = Numbers::open(&dir.path().join("other.json"), None).expect("opens");
        anew.replenish(&pool).await.expect("leases");
        assert_eq!(serials(&anew, 1).await, [1_000_003 + BLOCK]);
    }
}
