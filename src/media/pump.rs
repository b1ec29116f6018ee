//! Carries news and audio from one engine thread to its sessions, and frees what that thread must not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rtrb::Consumer;
use tokio::sync::mpsc::error::TrySendError;

use super::beside::Beside;
use super::event::MediaEvent;
use super::shared::{Lane, SessionShared, lock};
use super::wake::Wake;
use super::worker::{Heard, News, Note};

/// The pump's ends of an engine thread's rings.
pub struct Pump {
    /// The thread.
    pub lane: Arc<Lane>,
    /// Its news.
    pub notes: Consumer<Note>,
    /// Callers' audio.
    pub heard: Consumer<Heard>,
    /// What came to RTP ports and is not RTP.
    pub beside: Consumer<Beside>,
    /// Wakes the pump.
    pub wake: Arc<Wake>,
    /// Events that a session did not take in time.
    pub dropped: Arc<AtomicU64>,
}

impl Pump {
    /// Runs until the engine thread has gone and all it said is delivered.
    pub fn run(mut self) {
        while !(self.notes.is_abandoned() && self.notes.is_empty()) {
            self.wake.wait();
            while let Ok(heard) = self.heard.pop() {
                self.deliver_audio(&heard);
            }
            while let Ok(beside) = self.beside.pop() {
                self.hand_on(&beside);
            }
            while let Ok(note) = self.notes.pop() {
                self.deliver(note);
            }
        }
    }

    fn deliver(&self, note: Note) {
        match note.news {
            News::Event(event) => self.send(note.slot, note.serial, event),
            News::Finished(finished) => {
                let event = MediaEvent::PlaybackDone { id: finished.id, interrupted: finished.interrupted };
                self.send(note.slot, note.serial, event);
            }
            News::Closed(mut call) => {
                let figures = call.leg.figures();
                drop(call); // The ports are free before the session hears that it is closed.
                let Some(session) = lock(&self.lane.registry).remove(note.slot, note.serial) else { return };
                self.lane.load.fetch_sub(1, Ordering::Relaxed);
                lock(&session.events).take();
                if let Some(closed) = lock(&session.closed).take() {
                    let _ = closed.send(figures); // A session that was dropped does not care.
                }
            }
            News::Rejected(command) => drop(command),
            News::Unplugged(plug) => drop(plug),
        }
    }

    fn send(&self, slot: u32, serial: u64, event: MediaEvent) {
        let Some(session) = self.session(slot, serial) else { return };
        let events = lock(&session.events);
        match events.as_ref().map(|events| events.try_send(event)) {
            Some(Err(TrySendError::Full(_))) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            Some(Ok(()) | Err(TrySendError::Closed(_))) | None => {}
        }
    }

    fn deliver_audio(&self, heard: &Heard) {
        let Some(session) = self.session(heard.slot, heard.serial) else { return };
        lock(&session.ear).push(heard.at, &heard.frame);
        session.ear_grew.notify_waiters();
    }

    fn hand_on(&self, beside: &Beside) {
        let Some(session) = self.session(beside.slot, beside.serial) else { return };
        let sender = session.beside.as_ref();
        if sender.is_some_and(|sender| sender.try_send((beside.from, beside.octets().to_vec())).is_err()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn session(&self, slot: u32, serial: u64) -> Option<Arc<SessionShared>> {
        lock(&self.lane.registry).find(slot, serial).cloned()
    }
}
