//! One INVITE server transaction, driven by a task of its own.
//!
//! The SIP library's `receive` must not be cancelled half-way, so nothing selects over it: responses go in by the
//! transaction's own event queue, what matters comes out by a channel.

use std::sync::Arc;

use rsipstack::sip::{Method, Request, Response, SipMessage, StatusCodeKind};
use rsipstack::transaction::transaction::{Transaction, TransactionEvent, TransactionEventSender};
use tokio::sync::mpsc;

/// Most events that can wait: a CANCEL, its retransmissions, an ACK.
const EVENTS: usize = 8;

/// What happens to the transaction.
#[derive(Debug)]
pub(super) enum InviteEvent {
    /// The peer gave up before we answered; the CANCEL is answered, the INVITE is not.
    Cancelled,
    /// The ACK of our 2xx.
    Acked(Box<Request>),
    /// No ACK of our 2xx within 64*T1 (RFC 3261 §13.3.1.4).
    Unacked,
}

/// The handle: to answer with, and to listen to.
pub(super) struct InviteServer {
    responses: TransactionEventSender,
    events: mpsc::Receiver<InviteEvent>,
    /// The INVITE, with our tag in To.
    pub(super) request: Arc<Request>,
}

impl InviteServer {
    /// Starts driving `transaction`; answers 100 at once. `request` is its INVITE with our tag in To.
    pub(super) fn spawn(transaction: Transaction, request: Arc<Request>) -> Self {
        let responses = transaction.tu_sender.clone();
        let (sender, events) = mpsc::channel(EVENTS);
        tokio::spawn(drive(transaction, sender));
        Self { responses, events, request }
    }

    /// Sends a response; the library retransmits a final one until its ACK.
    pub(super) fn respond(&self, response: Response) {
        // The receiver lives as long as the transaction; afterwards nobody waits for a response.
        drop(self.responses.send(TransactionEvent::Respond(response)));
    }

    /// The next event; `None` when the transaction is over.
    pub(super) async fn next(&mut self) -> Option<InviteEvent> {
        self.events.recv().await
    }
}

async fn drive(mut transaction: Transaction, events: mpsc::Sender<InviteEvent>) {
    if let Err(error) = transaction.send_trying().await {
        tracing::debug!(%error, "cannot send 100");
    }
    let mut acked = false;
    while let Some(message) = transaction.receive().await {
        let SipMessage::Request(request) = message else { continue };
        let event = if request.method == Method::Ack {
            acked = true;
            InviteEvent::Acked(Box::new(request))
        } else if request.method == Method::Cancel {
            InviteEvent::Cancelled
        } else {
            continue;
        };
        // Full only when the call's task no longer listens.
        drop(events.try_send(event));
    }
    let answered =
        transaction.last_response.as_ref().is_some_and(|r| r.status_code.kind() == StatusCodeKind::Successful);
    if answered && !acked {
        drop(events.try_send(InviteEvent::Unacked));
    }
}
