//! Watches the room on the disk of the recordings: says when it runs short, and where allowed deletes the oldest recordings
//! whose words are in the database (S18).
//!
//! Recordings themselves stop before the disk is full ([`crate::media::Engine::keep_free`]), so that calls are answered and
//! cases are kept for as long as it lasts.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::PgPool;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::call_task::RECORDINGS;
use super::shared::Shared;
use crate::clock::wall;
use crate::config::Recordings;
use crate::media::free_bytes;
use crate::store::recordings;

/// How often the disk is looked at.
const EVERY: Duration = Duration::from_secs(2);
/// Recordings deleted in one go, before the disk is looked at again.
const BATCH: i64 = 32;

/// What is known of the disk, for metrics and readiness.
#[derive(Debug, Default)]
pub(super) struct Room {
    free: AtomicU64,
    short: AtomicBool,
    deleted: AtomicU64,
}

impl Room {
    /// Octets that are free, as last seen.
    pub(super) fn free(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }

    /// Whether that is less than recordings must leave.
    pub(super) fn is_short(&self) -> bool {
        self.short.load(Ordering::Relaxed)
    }

    /// Recordings deleted to make room.
    pub(super) fn deleted(&self) -> u64 {
        self.deleted.load(Ordering::Relaxed)
    }

    /// Notes what is free; true where it runs short at present.
    fn note(&self, free: u64, keep: u64) -> bool {
        let short = free < keep;
        self.free.store(free, Ordering::Relaxed);
        match (self.short.swap(short, Ordering::Relaxed), short) {
            (false, true) => {
                tracing::error!(free, keep, "the disk is nearly full: calls go on, recordings wait for room")
            }
            (true, false) => tracing::info!(free, keep, "the disk has room again"),
            (false, false) | (true, true) => {}
        }
        short
    }
}

/// Watches until it is told to stop.
pub(super) async fn watch(shared: Arc<Shared>, config: Recordings, stop: CancellationToken) {
    let folder = shared.data_dir.join(RECORDINGS);
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        let free = match free_bytes(&folder) {
            Ok(free) => free,
            Err(error) => {
                tracing::error!(folder = %folder.display(), %error, "cannot see how much room the recordings have");
                continue;
            }
        };
        if !shared.room.note(free, config.keep_free) || !config.delete_oldest {
            continue;
        }
        match make_room(shared.store.pool(), &shared.data_dir).await {
            Ok(0) => {}
            Ok(deleted) => {
                shared.room.deleted.fetch_add(deleted, Ordering::Relaxed);
                tracing::warn!(deleted, "the oldest recordings were deleted to make room");
            }
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "no room could be made"),
        }
    }
}

/// Deletes some of the oldest recordings that may go; how many it were.
async fn make_room(pool: &PgPool, data_dir: &Path) -> Result<u64, sqlx::Error> {
    let mut deleted = 0;
    for kept in recordings::expendable(pool, BATCH).await? {
        // The file first: after a crash in between it is asked for again, and found to be gone.
        match fs::remove_file(data_dir.join(&kept.path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::error!(path = kept.path, %error, "a recording cannot be deleted");
            }
            Ok(()) | Err(_) => {
                recordings::deleted(pool, kept.call, wall()).await?;
                deleted += 1;
            }
        }
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::CallId;
    use crate::store::audit::{self, Verdict};
    use crate::store::testing::{self, TestDatabase};

    #[test]
    fn it_is_short_below_what_must_stay_free() {
        let room = Room::default();
        for (free, short) in [(11, false), (10, false), (9, true), (10, false)] {
            assert_eq!((room.note(free, 10), room.is_short(), room.free()), (short, short, free));
        }
    }

    #[tokio::test]
    async fn only_recordings_whose_words_are_kept_make_room() {
        let database = TestDatabase::fresh().await;
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join(RECORDINGS)).expect("made");
        let calls: Vec<CallId> = (0..3).map(|_| CallId::fresh()).collect();
        let file = |call: &CallId| folder.path().join(format!("{RECORDINGS}/{call}.wav"));
        for (n, call) in calls.iter().enumerate() {
            testing::apply(&database.pool, &testing::started(*call)).await;
            testing::apply(&database.pool, &testing::ended(*call)).await;
            if n != 1 {
                testing::apply(&database.pool, &testing::transcript(*call)).await;
            }
            fs::write(file(call), "sound").expect("written");
        }
        fs::remove_file(file(&calls[2])).expect("gone already"); // As after a crash.
        assert_eq!(make_room(&database.pool, folder.path()).await.expect("made"), 2);
        assert_eq!(calls.iter().map(|call| file(call).exists()).collect::<Vec<_>>(), [false, true, false]);
        let mut left = Vec::new();
        recordings::kept(&database.pool, |kept| left.push(kept.call)).await.expect("read");
        assert_eq!(left, [calls[1]]);
        assert_eq!(make_room(&database.pool, folder.path()).await.expect("made"), 0);
        let verdict = audit::verify(&database.pool, None).await.expect("read");
        assert!(matches!(verdict, Verdict::Intact(head) if head.seq == 2), "each deletion is in the trail");
    }
}
