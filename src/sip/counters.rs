//! What is counted since the start.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters for [`super::SipStats`], which says what each means.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) requests: AtomicU64,
    pub(super) responses: AtomicU64,
    pub(super) untrusted: AtomicU64,
    pub(super) malformed: AtomicU64,
    pub(super) unauthorized: AtomicU64,
    pub(super) over_capacity: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) connections_refused: AtomicU64,
}

impl Counters {
    /// One more.
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
