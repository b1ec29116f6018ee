//! The handle of one established call.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::SipError;
use crate::call::stream::{Direction, Stream};

/// Most commands that can wait for a call's task; the caller of a method waits for room.
pub(super) const COMMANDS: usize = 8;
/// Most events that can wait for their reader; beyond it digits are dropped and logged. The end of a call is never lost.
pub(super) const EVENTS: usize = 64;

/// What happens in an established call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialogEvent {
    /// The peer confirmed our answer: the ACK is there.
    Confirmed,
    /// The audio goes by these parameters from now on: the answer to our offer, a re-INVITE, an UPDATE.
    Stream(Stream),
    /// A digit that came by INFO.
    Digit {
        /// `0`-`9`, `*`, `#`, `A`-`D`.
        key: char,
        /// How long it was held.
        duration: Duration,
    },
    /// The call is over. The last event.
    Ended(EndReason),
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The peer hung up.
    PeerHungUp,
    /// We did.
    WeHungUp,
    /// Our 200 was never confirmed (RFC 3261 §13.3.1.4).
    NoAck,
    /// No refresh of the session came through (RFC 4028 §10).
    Expired,
    /// The peer no longer knows the call: 481 or 408 (RFC 3261 §12.2.1.2).
    Lost,
    /// The peer's answer to our offer cannot be used.
    BadAnswer,
}

/// What the owner of a call asks of its task.
pub(super) enum Command {
    HangUp { reason: Option<&'static str>, done: oneshot::Sender<()> },
    Direct { direction: Direction, done: oneshot::Sender<Result<(), SipError>> },
    Digit { key: char, duration: Duration, done: oneshot::Sender<Result<(), SipError>> },
}

/// One established call. Dropping it hangs up.
#[derive(Debug)]
pub struct Dialog {
    sip_call_id: String,
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<Box<DialogEvent>>,
    end: Arc<OnceLock<EndReason>>,
    stream: Option<Stream>,
    over: bool,
}

impl Dialog {
    pub(super) fn new(
        sip_call_id: String,
        commands: mpsc::Sender<Command>,
        events: mpsc::Receiver<Box<DialogEvent>>,
        end: Arc<OnceLock<EndReason>>,
        stream: Option<Stream>,
    ) -> Self {
        Self { sip_call_id, commands, events, end, stream, over: false }
    }

    /// The Call-ID of the signalling, to find the call in a capture.
    pub fn sip_call_id(&self) -> &str {
        &self.sip_call_id
    }

    /// The audio agreed on; `None` until the ACK when the peer left the offer to us.
    pub fn stream(&self) -> Option<&Stream> {
        self.stream.as_ref()
    }

    /// The next event; `None` after [`DialogEvent::Ended`]. Safe to cancel.
    pub async fn next(&mut self) -> Option<DialogEvent> {
        if self.over {
            return None;
        }
        match self.events.recv().await {
            Some(event) => {
                if let DialogEvent::Stream(stream) = &*event {
                    self.stream = Some(stream.clone());
                }
                Some(*event)
            }
            None => {
                self.over = true;
                Some(DialogEvent::Ended(self.end.get().copied().unwrap_or(EndReason::Lost)))
            }
        }
    }

    /// Hangs up; returns when the BYE is on its way, or waits for the ACK that must come before it. `reason` goes into a
    /// Reason header field (RFC 3326) and must be ASCII without quotes.
    pub async fn hang_up(&mut self, reason: Option<&'static str>) {
        let (done, sent) = oneshot::channel();
        if self.commands.send(Command::HangUp { reason, done }).await.is_ok() {
            // An error means that the call ended meanwhile, which is as good.
            drop(sent.await);
        }
    }

    /// Puts the peer on hold by a re-INVITE: we go on sending, it stops.
    pub async fn hold(&mut self) -> Result<(), SipError> {
        self.direct(Direction::SendOnly).await
    }

    /// Takes the peer off hold.
    pub async fn resume(&mut self) -> Result<(), SipError> {
        self.direct(Direction::SendRecv).await
    }

    /// Sends a digit by INFO (`application/dtmf-relay`).
    pub async fn info_digit(&mut self, key: char, duration: Duration) -> Result<(), SipError> {
        let (done, result) = oneshot::channel();
        self.commands.send(Command::Digit { key, duration, done }).await.map_err(|_| SipError::Ended)?;
        result.await.map_err(|_| SipError::Ended)?
    }

    async fn direct(&mut self, direction: Direction) -> Result<(), SipError> {
        let (done, result) = oneshot::channel();
        self.commands.send(Command::Direct { direction, done }).await.map_err(|_| SipError::Ended)?;
        result.await.map_err(|_| SipError::Ended)?
    }
}
