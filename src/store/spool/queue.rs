//! Appends on their way to the writing thread, in order.
//!
//! One that somebody waits for is written at once, together with all that came before it. Those that nobody waits for
//! gather for up to [`LINGER`] first: a sync costs thread, kernel and disk far more than the few octets it makes durable.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::writer::Append;
use super::{QUEUE, SpoolError};
use crate::clock::monotonic;

/// How long a record that nobody waits for may gather others, if none that is waited for comes before.
const LINGER: Duration = Duration::from_millis(50);

/// The queue: any number of appenders, one writer.
#[derive(Debug)]
pub struct Queue {
    /// A permit for each place that is free.
    room: Semaphore,
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    appends: VecDeque<Append>,
    /// Whether somebody waits for one of them.
    urgent: bool,
    closed: bool,
}

impl Queue {
    /// An empty queue for [`QUEUE`] appends.
    pub fn new() -> Self {
        Self { room: Semaphore::new(QUEUE), state: Mutex::default(), news: Condvar::new() }
    }

    /// Queues an append, once there is room.
    ///
    /// # Errors
    /// [`SpoolError::Closed`].
    pub async fn push(&self, append: Append) -> Result<(), SpoolError> {
        let room = self.room.acquire().await.map_err(|_| SpoolError::Closed)?;
        room.forget();
        self.insert(append)
    }

    /// Queues an append if there is room.
    ///
    /// # Errors
    /// [`SpoolError::Busy`] without room, [`SpoolError::Closed`].
    pub fn try_push(&self, append: Append) -> Result<(), SpoolError> {
        let room = self.room.try_acquire().map_err(|error| match error {
            tokio::sync::TryAcquireError::NoPermits => SpoolError::Busy,
            tokio::sync::TryAcquireError::Closed => SpoolError::Closed,
        })?;
        room.forget();
        self.insert(append)
    }

    /// Blocks until something is to be written, and moves the oldest appends, at most `most`, into `group`. False once the
    /// queue is closed and empty.
    pub fn take(&self, group: &mut Vec<Append>, most: usize) -> bool {
        let mut state = self.lock();
        while state.appends.is_empty() && !state.closed {
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let until = monotonic() + LINGER;
        while !(state.urgent || state.closed || state.appends.len() >= most) {
            let left = until.saturating_duration_since(monotonic());
            if left.is_zero() {
                break;
            }
            (state, _) = self.news.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
        let taken = state.appends.len().min(most);
        group.extend(state.appends.drain(..taken));
        state.urgent = state.appends.iter().any(Append::is_awaited);
        drop(state);
        self.room.add_permits(taken);
        taken > 0
    }

    /// Takes nothing more; what is queued can still be taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.room.close();
        self.news.notify_one();
    }

    /// Takes nothing more and lets go of what is queued: whoever waits for it hears that the spool is closed.
    pub fn abandon(&self) {
        self.close();
        self.lock().appends.clear();
    }

    fn insert(&self, append: Append) -> Result<(), SpoolError> {
        let mut state = self.lock();
        if state.closed {
            return Err(SpoolError::Closed);
        }
        let awaited = append.is_awaited();
        // The first one starts the writer's clock; those that follow need not wake it.
        let wakes = awaited || state.appends.is_empty();
        state.urgent |= awaited;
        state.appends.push_back(append);
        drop(state);
        if wakes {
            self.news.notify_one();
        }
        Ok(())
    }

    /// A panic while this was held left the queue whole: each change is one insertion or removal.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Weight;
    use super::*;
    use tokio::sync::oneshot;

    fn append(awaited: bool) -> Append {
        Append { payload: Vec::new(), weight: Weight::Ordinary, done: awaited.then(|| oneshot::channel().0) }
    }

    /// Pushes appends, awaited or not, and takes once: how many came, and whether at once.
    #[track_caller]
    fn check(pushed: &[bool], most: usize, taken: usize, at_once: bool) {
        let queue = Queue::new();
        for awaited in pushed {
            queue.try_push(append(*awaited)).expect("room");
        }
        let (mut group, began) = (Vec::new(), monotonic());
        assert!(queue.take(&mut group, most));
        assert_eq!((group.len(), began.elapsed() < LINGER), (taken, at_once), "{pushed:?}");
    }

    #[test]
    fn what_is_waited_for_goes_at_once_and_takes_the_rest_along() {
        check(&[true], 9, 1, true);
        check(&[false, false, true, false], 9, 4, true);
        check(&[false, false], 9, 2, false);
        check(&[false, false, false], 2, 2, true);
    }

    #[test]
    fn what_is_left_over_is_as_urgent_as_it_was() {
        let queue = Queue::new();
        for awaited in [false, false, true] {
            queue.try_push(append(awaited)).expect("room");
        }
        let (mut group, began) = (Vec::new(), monotonic());
        assert!(queue.take(&mut group, 2) && queue.take(&mut group, 2));
        assert!(group.len() == 3 && began.elapsed() < LINGER);
    }

    #[test]
    fn a_full_queue_refuses_until_there_is_room() {
        let queue = Queue::new();
        for _ in 0..QUEUE {
            queue.try_push(append(false)).expect("room");
        }
        assert!(matches!(queue.try_push(append(false)), Err(SpoolError::Busy)));
        assert!(queue.take(&mut Vec::new(), 1));
        queue.try_push(append(false)).expect("room");
    }

    #[test]
    fn a_closed_queue_gives_out_what_it_has() {
        let queue = Queue::new();
        queue.try_push(append(false)).expect("room");
        queue.close();
        assert!(matches!(queue.try_push(append(false)), Err(SpoolError::Closed)));
        let mut group = Vec::new();
        assert!(queue.take(&mut group, 9) && !queue.take(&mut group, 9));
        assert_eq!(group.len(), 1);
    }

    #[tokio::test]
    async fn an_abandoned_queue_keeps_nobody_waiting() {
        let queue = Queue::new();
        let (done, outcome) = oneshot::channel();
        let append = Append { payload: Vec::new(), weight: Weight::Essential, done: Some(done) };
        queue.push(append).await.expect("room");
        queue.abandon();
        assert!(outcome.await.is_err());
        let late = Append { payload: Vec::new(), weight: Weight::Essential, done: None };
        assert!(matches!(queue.push(late).await, Err(SpoolError::Closed)));
    }
}
