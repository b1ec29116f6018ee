//! After a crash: recordings are mended, and calls that were up get their end.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::call_task::{RECORDINGS, recording_path};
use crate::ids::CallId;
use crate::media::repair;
use crate::store::calls::{self, Unended};
use crate::store::records::{CallEnded, Recording};
use crate::store::{DatabaseState, Record, Store};
use crate::units::NARROWBAND_HZ;

/// Mends every recording that a crash cut short; to be called before the first call.
pub(super) fn mend_recordings(data_dir: &Path) -> std::io::Result<()> {
    let folder = data_dir.join(RECORDINGS);
    std::fs::create_dir_all(&folder)?;
    for mended in repair::folder(&folder)? {
        tracing::warn!(file = %mended.path.display(), frames = mended.frames, "a recording that a crash cut short is mended");
    }
    Ok(())
}

/// Ends the calls of an earlier run that never ended, once the database can say which they are.
pub(super) async fn end_calls(store: Store, data_dir: std::path::PathBuf, started: DateTime<Utc>) {
    let mut state = store.state();
    if state.wait_for(|state| *state == DatabaseState::Up).await.is_err() {
        return;
    }
    // Ends that were recorded lie in the spool and go first; what is appended here comes after them and changes nothing.
    let open = loop {
        match calls::unended(store.pool(), started).await {
            Ok(open) => break open,
            Err(error) => {
                tracing::warn!(%error, "cannot ask for calls that a crash cut short; asking again");
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        }
    };
    for Unended { call, started_at, answered_at: _ } in open {
        let dir = data_dir.clone();
        let found = tokio::task::spawn_blocking(move || measure(&dir, call)).await.ok().flatten();
        let (recording, ended_at) = found.map_or((None, started_at), |(recording, at)| (Some(recording), at));
        tracing::warn!(%call, recorded = recording.is_some(), "a call that a crash cut short is ended");
        let ended = CallEnded { call, ended_at, reason: "crash".into(), quality: None, recording, spoken: Vec::new() };
        if let Err(error) = store.append(Record::CallEnded(ended)).await {
            tracing::error!(%call, error = &error as &dyn std::error::Error, "its end cannot be recorded");
        }
    }
}

/// A call's recording as it lies on disk, and when it was last written.
fn measure(data_dir: &Path, call: CallId) -> Option<(Recording, DateTime<Utc>)> {
    let path = recording_path(data_dir, call);
    let content = std::fs::read(&path).ok()?;
    let written = std::fs::metadata(&path).and_then(|m| m.modified()).ok()?;
    let pairs = repair::frames(u64::try_from(content.len()).ok()?);
    let recording = Recording {
        path: path.strip_prefix(data_dir).ok()?.to_str()?.to_owned(),
        sha256: hex::encode(Sha256::digest(&content)),
        duration_ms: i64::try_from(pairs * 1_000 / u64::from(NARROWBAND_HZ)).ok()?,
    };
    Some((recording, written.into()))
}
