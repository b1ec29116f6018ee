//! Wake-ups between threads by eventfd.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};

/// Wakes one thread. Many wake-ups before it looks are one.
#[derive(Debug)]
pub struct Wake(OwnedFd);

impl Wake {
    /// For a thread that blocks in [`Self::wait`].
    pub fn blocking() -> std::io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC)?))
    }

    /// For a thread that waits in epoll, edge-triggered: the count is never read.
    pub fn polled() -> std::io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Wakes the thread.
    pub fn wake(&self) {
        // Fails only when the count is full, and then the thread is awake anyway.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    /// Blocks until the next wake-up, or returns at once after one that was not waited for.
    pub fn wait(&self) {
        // An interrupted wait is a wake-up for nothing, which does no harm.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
