//! Cases that are durable on disk and not yet in the database: their callers may ask for them meanwhile.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cases::{NewCase, ProgressAnswer, State};
use crate::directory::PostId;
use crate::ids::CaseNumber;

/// What is kept of each. Bounded by the numbers that can be given without a database: two blocks at most.
#[derive(Clone, Debug)]
struct Entry {
    owner: PostId,
    due_on: chrono::NaiveDate,
}

/// The cases, by number.
#[derive(Debug, Default)]
pub struct Unsent(Mutex<BTreeMap<CaseNumber, Entry>>);

impl Unsent {
    pub fn insert(&self, case: &NewCase) {
        let entry = Entry { owner: case.draft.owner, due_on: case.draft.due_on };
        self.entries().insert(case.number, entry);
    }

    pub fn remove(&self, number: CaseNumber) {
        self.entries().remove(&number);
    }

    /// How the case stands.
    pub fn answer(&self, number: CaseNumber) -> Option<ProgressAnswer> {
        let Entry { owner, due_on } = self.entries().get(&number)?.clone();
        Some(ProgressAnswer { state: State::Received, owner, due_on })
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<CaseNumber, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
