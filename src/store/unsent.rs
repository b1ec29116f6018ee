//! Cases that are durable on disk and not yet in the database: their callers may ask for them meanwhile.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::ProgressAnswer;
use crate::cases::{NewCase, State};
use crate::directory::{PostId, WindowCode};
use crate::ids::CaseNumber;

/// What is kept of each. Bounded by the numbers that can be given without a database: two blocks at most.
#[derive(Clone, Debug)]
struct Entry {
    owner: PostId,
    window: Option<WindowCode>,
    due_on: chrono::NaiveDate,
}

/// The cases, by number.
#[derive(Debug, Default)]
pub struct Unsent(Mutex<BTreeMap<CaseNumber, Entry>>);

impl Unsent {
    pub fn insert(&self, case: &NewCase) {
        let entry = Entry { owner: case.owner, window: case.window, due_on: case.due_on };
        self.entries().insert(case.number, entry);
    }

    pub fn remove(&self, number: CaseNumber) {
        self.entries().remove(&number);
    }

    /// How the case stands, its owner named by `title`.
    pub fn answer(&self, number: CaseNumber, title: impl FnOnce(PostId) -> String) -> Option<ProgressAnswer> {
        let Entry { owner, window, due_on } = self.entries().get(&number)?.clone();
        Some(ProgressAnswer { state: State::Received, owner: title(owner), window, due_on })
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<CaseNumber, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
