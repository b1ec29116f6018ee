//! What every call task shares.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::watch;

use super::desk::Desk;
use super::levels::Levels;
use super::put_through::PersonLine;
use super::room::Room;
use super::voice::Voice;
use crate::call::{LineProfile, ProfileError};
use crate::config::Line;
use crate::directory::Directory;
use crate::media::Engine;
use crate::ops::Counters;
use crate::speech::Speech;
use crate::store::Store;
use crate::web::live::Board;

/// How far the gateway is on its way to a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drain {
    /// It is not.
    Running,
    /// New calls are turned away; those that are up go on.
    Ending,
    /// Those still up hear a goodbye (P24).
    Goodbye,
}

/// Resolves when the gateway no longer waits for calls.
pub(super) async fn at_goodbye(drain: &mut watch::Receiver<Drain>) {
    // The sender lives as long as the gateway.
    if drain.wait_for(|drain| *drain == Drain::Goodbye).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The parts that calls work with.
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) engine: Engine,
    /// `None` when switched off: callers are led by keys.
    pub(super) speech: Option<Speech>,
    pub(super) voice: Arc<Voice>,
    pub(super) board: Board,
    pub(super) counters: Counters,
    pub(super) data_dir: PathBuf,
    pub(super) drain: watch::Sender<Drain>,
    pub(super) profiles: Profiles,
    pub(super) room: Room,
    /// Who takes calls of surveyed people; unset where nobody does.
    pub(super) person: OnceLock<PersonLine>,
    pub(super) levels: Levels,
    pub(super) desk: Arc<Desk>,
}

/// The lines' profiles, made anew when the directory was replaced.
#[derive(Default)]
pub(super) struct Profiles(Mutex<Made>);

#[derive(Default)]
struct Made {
    from: Arc<Directory>,
    profiles: BTreeMap<String, Arc<LineProfile>>,
}

impl Profiles {
    /// What a call on `line` begins with.
    ///
    /// # Errors
    /// When the directory names nobody who answers for a case.
    pub(super) fn of(&self, line: &Line, voice: &Voice, store: &Store) -> Result<Arc<LineProfile>, ProfileError> {
        let directory = store.directory();
        // A panic while this was held would have left a whole map.
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&made.from, &directory) {
            *made = Made { from: Arc::clone(&directory), profiles: BTreeMap::new() };
        }
        if let Some(profile) = made.profiles.get(&line.flow) {
            return Ok(Arc::clone(profile));
        }
        let flow = voice.flow(&line.flow).expect("every line's flow is loaded at the start");
        let profile = Arc::new(LineProfile::new(flow, directory, Arc::clone(&voice.book))?);
        made.profiles.insert(line.flow.clone(), Arc::clone(&profile));
        Ok(profile)
    }
}
