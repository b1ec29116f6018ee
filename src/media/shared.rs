//! What an engine thread, its pump and the sessions have in common. Locks here are taken by sessions and pump only;
//! the engine thread reads atomics.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rtrb::Producer;
use tokio::sync::{Notify, mpsc, oneshot};

use super::ear::Ear;
use super::error::MediaError;
use super::event::MediaEvent;
use super::meter::Meter;
use super::quality::CallQuality;
use super::stats::ThreadStats;
use super::wake::Wake;
use super::worker::{Command, Order};

/// One engine thread, seen from outside.
pub struct Lane {
    /// Wakes the thread.
    pub wake: Wake,
    /// Tells the thread to end.
    pub stopping: AtomicBool,
    /// Its counters.
    pub stats: ThreadStats,
    /// Sessions that it carries.
    pub load: AtomicUsize,
    /// Orders that found the ring full.
    pub commands_dropped: AtomicU64,
    /// The one producer of the thread's command ring, shared by all sessions.
    pub commands: Mutex<Producer<Command>>,
    /// Who is in which slot.
    pub registry: Mutex<Registry>,
}

/// The sessions of a thread by slot.
#[derive(Debug)]
pub struct Registry {
    sessions: Vec<Option<Arc<SessionShared>>>,
    free: Vec<u32>,
}

/// One session, seen from thread and pump.
#[derive(Debug)]
pub struct SessionShared {
    /// Its number, unique within the engine.
    pub serial: u64,
    /// Set once the session is to end; the thread looks at every tick, so no full ring can keep a session alive.
    pub closing: AtomicBool,
    /// Whether it is in a bridge; read and written by bridges only.
    pub bridged: AtomicBool,
    /// How loud it is.
    pub meter: Meter,
    /// Events to the session; gone once the thread has let the call go.
    pub events: Mutex<Option<mpsc::Sender<MediaEvent>>>,
    /// The caller's recent audio.
    pub ear: Mutex<Ear>,
    /// Told when `ear` has grown.
    pub ear_grew: Notify,
    /// Where what is not RTP goes; `None` where nobody wants it.
    pub beside: Option<mpsc::Sender<(SocketAddr, Vec<u8>)>>,
    /// Where the call's figures go at the end.
    pub closed: Mutex<Option<oneshot::Sender<CallQuality>>>,
}

impl Lane {
    /// Gives an order to the thread.
    ///
    /// # Errors
    /// [`MediaError::Unresponsive`] when the ring is full or the thread has ended; the order is dropped and counted.
    pub fn order(&self, slot: u32, serial: u64, order: Order) -> Result<(), MediaError> {
        let mut commands = lock(&self.commands);
        if commands.is_abandoned() || commands.push(Command { slot, serial, order }).is_err() {
            self.commands_dropped.fetch_add(1, Ordering::Relaxed);
            return Err(MediaError::Unresponsive);
        }
        drop(commands);
        self.wake.wake();
        Ok(())
    }
}

impl Registry {
    /// Slots for so many sessions.
    pub fn new(slots: usize) -> Self {
        // Lowest slots first.
        Self { sessions: vec![None; slots], free: (0..slots as u32).rev().collect() }
    }

    /// Puts a session into a free slot.
    pub fn insert(&mut self, session: Arc<SessionShared>) -> Option<u32> {
        let slot = self.free.pop()?;
        self.sessions[slot as usize] = Some(session);
        Some(slot)
    }

    /// The session in a slot, if it is still this one.
    pub fn find(&self, slot: u32, serial: u64) -> Option<&Arc<SessionShared>> {
        self.sessions.get(slot as usize)?.as_ref().filter(|session| session.serial == serial)
    }

    /// Frees the slot of a session.
    pub fn remove(&mut self, slot: u32, serial: u64) -> Option<Arc<SessionShared>> {
        self.find(slot, serial)?;
        self.free.push(slot);
        self.sessions[slot as usize].take()
    }
}

/// Locks, whether or not a thread panicked while it held the lock: no invariant spans these locks.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(serial: u64) -> Arc<SessionShared> {
        Arc::new(SessionShared {
            serial,
            closing: AtomicBool::new(false),
            bridged: AtomicBool::new(false),
            meter: Meter::default(),
            events: Mutex::new(None),
            ear: Mutex::new(Ear::default()),
            ear_grew: Notify::new(),
            beside: None,
            closed: Mutex::new(None),
        })
    }

    #[test]
    fn a_slot_serves_one_session_at_a_time() {
        let mut registry = Registry::new(1);
        let slot = registry.insert(session(1)).expect("a slot");
        assert_eq!(registry.insert(session(2)), None);
        assert!(registry.find(slot, 2).is_none());
        assert!(registry.remove(slot, 2).is_none());
        assert!(registry.remove(slot, 1).is_some());
        assert_eq!(registry.insert(session(2)), Some(slot));
        assert!(registry.find(slot, 1).is_none());
    }
}
