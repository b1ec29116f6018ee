//! The task of one established call: everything that happens within its dialog, in order.

mod asking;
mod proving;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rsipstack::sip::{Method, Request, Response};
use rsipstack::transaction::transaction::Transaction;
use tokio::sync::{mpsc, oneshot};

use super::SipError;
use super::address::NameAddr;
use super::body::info_digit;
use super::dialog::{COMMANDS, Command, Dialog, DialogEvent, EVENTS, EndReason};
use super::endpoint::Core;
use super::front::{ALLOW, SUPPORTED};
use super::invite_server::{InviteEvent, InviteServer};
use super::login::Login;
use super::reply::Reply;
use super::sdp::Negotiation;
use super::session_timer::SessionTimer;
use super::state::DialogState;
use super::wire::{self, Fields};
use crate::call::stream::{Direction, Stream};
use crate::clock::monotonic;
use proving::Query;

/// Most answers to our own requests that can wait for the task.
const OUTCOMES: usize = 8;

/// How long a re-INVITE waits for the ACK that was sent before it: the two take different ways through the library, and
/// over UDP through the network.
const ACK_TIME: Duration = Duration::from_millis(500);

/// What a call brings along from its set-up.
pub(super) struct Setup {
    pub(super) core: Arc<Core>,
    pub(super) negotiation: Negotiation,
    pub(super) timer: Option<SessionTimer>,
    /// Whether the peer takes UPDATE, the lighter refresh.
    pub(super) allows_update: bool,
    pub(super) stream: Option<Stream>,
    /// For a peer that challenges requests within the call: only one whom we called.
    pub(super) credentials: Option<Arc<Login>>,
}

/// The task's state.
pub(super) struct Leg {
    core: Arc<Core>,
    state: DialogState,
    negotiation: Negotiation,
    timer: Option<SessionTimer>,
    allows_update: bool,
    credentials: Option<Arc<Login>>,
    mailbox: mpsc::Receiver<Box<Transaction>>,
    commands: mpsc::Receiver<Command>,
    /// Boxed, as the outcomes are: a channel sets room aside for 32 of what it carries.
    events: mpsc::Sender<Box<DialogEvent>>,
    end: Arc<OnceLock<EndReason>>,
    outcomes: mpsc::Receiver<Box<Outcome>>,
    outcome_sender: mpsc::Sender<Box<Outcome>>,
    /// The peer's INVITE whose ACK we wait for.
    unacked: Option<Unacked>,
    /// A re-INVITE or UPDATE that came before the ACK, and how long it waits.
    early: Option<(Box<Transaction>, std::time::Instant)>,
    /// Whether an INVITE or UPDATE of our own is under way.
    asking: bool,
    /// The owner wants to hang up, but the ACK must come first.
    hanging_up: Option<HangUp>,
}

/// An INVITE that we answered with 200.
struct Unacked {
    server: InviteServer,
    /// Our 200 held an offer, so the ACK holds the answer (RFC 3261 §13.2.1).
    answer_due: bool,
    /// The INVITE that made the call.
    first: bool,
}

struct HangUp {
    reason: Option<&'static str>,
    done: Option<oneshot::Sender<()>>,
}

/// What a request of ours was for.
enum Asked {
    Refresh { offered: bool },
    Direction { previous: Direction, done: oneshot::Sender<Result<(), SipError>> },
    Digit { done: oneshot::Sender<Result<(), SipError>> },
}

/// A request of ours, and what became of it.
struct Outcome {
    asked: Asked,
    result: Result<Response, SipError>,
}

/// Whether the call goes on.
enum Next {
    GoOn,
    /// The peer ended it, or it is beyond a BYE.
    Over(EndReason),
    /// We end it by a BYE.
    Bye(EndReason, Option<&'static str>),
}

impl Leg {
    /// The task and its handle.
    pub(super) fn new(setup: Setup, state: DialogState, mailbox: mpsc::Receiver<Box<Transaction>>) -> (Self, Dialog) {
        let (command_sender, commands) = mpsc::channel(COMMANDS);
        let (events, event_receiver) = mpsc::channel(EVENTS);
        let (outcome_sender, outcomes) = mpsc::channel(OUTCOMES);
        let end = Arc::new(OnceLock::new());
        let dialog = Dialog::new(state.call_id.clone(), command_sender, event_receiver, Arc::clone(&end), setup.stream);
        let leg = Self {
            core: setup.core,
            state,
            negotiation: setup.negotiation,
            timer: setup.timer,
            allows_update: setup.allows_update,
            credentials: setup.credentials,
            mailbox,
            commands,
            events,
            end,
            outcomes,
            outcome_sender,
            unacked: None,
            early: None,
            asking: false,
            hanging_up: None,
        };
        (leg, dialog)
    }

    /// Runs the call to its end. `invite` is the peer's INVITE that we answered; `None` where the call is ours.
    pub(super) async fn run(mut self, invite: Option<InviteServer>) {
        self.unacked = invite.map(|server| {
            let answer_due = wire::offer(&server.request).is_none();
            Unacked { server, answer_due, first: true }
        });
        let (reason, bye) = loop {
            match self.step().await {
                Next::GoOn => {}
                Next::Over(reason) => break (reason, None),
                Next::Bye(reason, text) => break (reason, Some(text)),
            }
        };
        // Boxed, as all that is rare here: every call holds room for the largest step of its task.
        Box::pin(self.finish(reason, bye)).await;
    }

    /// Waits for the next thing to happen, and handles it.
    async fn step(&mut self) -> Next {
        if self.unacked.is_none()
            && let Some((transaction, _)) = self.early.take()
        {
            return Box::pin(self.renegotiate(transaction)).await;
        }
        let due = self.due();
        let waiting = self.early.as_ref().map(|(_, until)| *until);
        tokio::select! {
            Some(transaction) = self.mailbox.recv() => Box::pin(self.serve(transaction)).await,
            event = next_event(&mut self.unacked) => self.on_invite(event),
            command = self.commands.recv(), if self.hanging_up.is_none() => self.on_command(command),
            Some(outcome) = self.outcomes.recv() => self.on_outcome(*outcome),
            () = sleep_until(waiting) => match self.early.take() {
                Some((transaction, _)) => Box::pin(self.renegotiate(transaction)).await,
                None => Next::GoOn,
            },
            () = sleep_until(due) => self.on_timer(),
            () = self.core.closing.cancelled(), if self.hanging_up.is_none() => self.hang_up(None, None),
        }
    }

    /// Ends the call: tells its owner, sends BYE if that is ours to do, and serves what still comes.
    async fn finish(self, reason: EndReason, bye: Option<Option<&'static str>>) {
        let Self { core, state, mut mailbox, events, end, hanging_up, commands, early, credentials, .. } = self;
        let _ = end.set(reason);
        drop(events);
        drop(commands);
        let call_id = state.call_id.clone();
        tracing::debug!(call_id, ?reason, "call over");
        if let Some((mut transaction, _)) = early {
            drop(transaction.reply(wire::status_code(481)).await);
        }
        if let Some(text) = bye {
            core.door.registry.leave(&call_id, &state.local_tag);
            let reason = text.map(|text| ("Reason", format!("SIP;cause=200;text=\"{text}\"")));
            let query = Query { method: "BYE", fields: reason.into_iter().collect(), body: None };
            let mut sent = Box::pin(query.send(Arc::clone(&core), state.clone(), credentials));
            if let Some(done) = hanging_up.and_then(|hang_up| hang_up.done) {
                let _ = done.send(());
            }
            loop {
                tokio::select! {
                    result = &mut sent => {
                        if let Err(error) = result {
                            tracing::debug!(call_id, %error, "BYE not answered");
                        }
                        break;
                    }
                    Some(mut transaction) = mailbox.recv() => {
                        // The two BYEs crossed, or a request did: the call is over either way (RFC 3261 §15.1.2).
                        let status = if transaction.original.method == Method::Bye { 200 } else { 481 };
                        drop(transaction.reply(wire::status_code(status)).await);
                    }
                }
            }
        }
        core.door.registry.remove(&state.call_id, &state.local_tag, monotonic());
    }

    /// A request within the dialog.
    async fn serve(&mut self, transaction: Box<Transaction>) -> Next {
        let request = &transaction.original;
        let from_tag =
            wire::field(request, "From").and_then(NameAddr::parse).and_then(|from| from.tag().map(str::to_owned));
        if from_tag.as_deref() != Some(self.state.remote_tag.as_str()) {
            return answer(transaction, Reply::new(481)).await;
        }
        if !self.state.in_order(request) {
            return answer(transaction, Reply::new(500).with("Retry-After", "1")).await;
        }
        let is = |method| request.method == method;
        if is(Method::Bye) {
            answer(transaction, Reply::new(200)).await;
            if let Some(done) = self.hanging_up.take().and_then(|hang_up| hang_up.done) {
                let _ = done.send(());
            }
            Next::Over(EndReason::PeerHungUp)
        } else if is(Method::Invite) || is(Method::Update) {
            if self.unacked.is_some() && self.early.is_none() && !self.asking {
                self.early = Some((transaction, monotonic() + ACK_TIME));
                return Next::GoOn;
            }
            self.renegotiate(transaction).await
        } else if is(Method::Info) {
            let digit = info_digit(wire::field(request, "Content-Type"), &request.body);
            // An INFO without a body asks only whether we are there (RFC 2976 §2.2); one we cannot read is 400.
            let status = if request.body.is_empty() || digit.is_some() { 200 } else { 400 };
            if let Some(digit) = digit.filter(|_| !request.body.is_empty()) {
                self.tell(DialogEvent::Digit { key: digit.key, duration: digit.duration });
            }
            answer(transaction, Reply::new(status)).await
        } else if is(Method::PRack) {
            // It crossed our 200.
            answer(transaction, Reply::new(200)).await
        } else {
            answer(transaction, Reply::new(405).with("Allow", ALLOW)).await
        }
    }

    async fn renegotiate(&mut self, transaction: Box<Transaction>) -> Next {
        if transaction.original.method == Method::Invite {
            self.serve_invite(transaction)
        } else {
            self.serve_update(transaction).await
        }
    }

    /// A re-INVITE (RFC 3261 §14.2).
    fn serve_invite(&mut self, transaction: Box<Transaction>) -> Next {
        let request = Arc::new(transaction.original.clone());
        // Two offers at once: the later gives way.
        let glare = if self.asking {
            Some(Reply::new(491))
        } else if self.unacked.is_some() {
            Some(Reply::new(500).with("Retry-After", "1"))
        } else {
            None
        };
        let agreed = match glare {
            Some(refusal) => Err(refusal),
            None => self.agree(&request),
        };
        let server = InviteServer::spawn(*transaction, Arc::clone(&request));
        match agreed {
            Err(refusal) => {
                server.respond(wire::refusal(&self.core.stack, &request, &refusal));
                Next::GoOn
            }
            Ok((sdp, fields)) => {
                let (sdp, answer_due) = match sdp {
                    Some(sdp) => (sdp, false),
                    None => (self.negotiation.offer(), true),
                };
                server.respond(wire::response(&self.core.stack, &request, 200, fields, Some(&sdp)));
                self.unacked = Some(Unacked { server, answer_due, first: false });
                Next::GoOn
            }
        }
    }

    /// UPDATE (RFC 3311 §5.2).
    async fn serve_update(&mut self, transaction: Box<Transaction>) -> Next {
        let request = transaction.original.clone();
        let has_offer = wire::offer(&request).is_some();
        if has_offer && self.asking {
            return answer(transaction, Reply::new(491)).await;
        }
        if has_offer && self.unacked.as_ref().is_some_and(|unacked| unacked.answer_due) {
            return answer(transaction, Reply::new(500).with("Retry-After", "1")).await;
        }
        match self.agree(&request) {
            Err(refusal) => answer(transaction, refusal).await,
            Ok((sdp, fields)) => {
                let mut transaction = transaction;
                let response = wire::response(&self.core.stack, &request, 200, fields, sdp.as_deref());
                if let Err(error) = transaction.respond(response).await {
                    tracing::debug!(call_id = self.state.call_id, %error, "cannot answer an UPDATE");
                }
                Next::GoOn
            }
        }
    }

    /// What a re-INVITE or UPDATE changes: our answer if it holds an offer, and the header fields of our 200.
    fn agree(&mut self, request: &Request) -> Result<(Option<String>, Fields), Reply> {
        let timer = SessionTimer::agree(wire::timer_offer(request), self.core.session_limits, monotonic())
            .map_err(|min| Reply::new(422).with("Min-SE", min.as_secs().to_string()))?;
        let sdp = match wire::offer(request) {
            None => None,
            Some(offer) => {
                let (sdp, stream) = self.negotiation.answer(&offer).map_err(|error| {
                    tracing::debug!(call_id = self.state.call_id, %error, "offer refused");
                    Reply::from(&error)
                })?;
                self.tell(DialogEvent::Stream(stream));
                Some(sdp)
            }
        };
        self.timer = Some(timer);
        self.allows_update |= wire::allows_update(request);
        self.state.refresh_target(wire::field(request, "Contact"));
        let mut fields =
            vec![("Contact", self.state.contact()), ("Allow", ALLOW.to_owned()), ("Supported", SUPPORTED.to_owned())];
        fields.extend(wire::timer_fields(&timer));
        Ok((sdp, fields))
    }

    /// The fate of a 200 of ours.
    fn on_invite(&mut self, event: Option<InviteEvent>) -> Next {
        match event {
            Some(InviteEvent::Acked(ack)) => {
                let Some(unacked) = self.unacked.take() else { return Next::GoOn };
                if unacked.answer_due {
                    let accepted = wire::offer(&ack).map(|answer| self.negotiation.accept(&answer));
                    match accepted {
                        Some(Ok(stream)) => self.tell(DialogEvent::Stream(stream)),
                        Some(Err(error)) => {
                            tracing::info!(call_id = self.state.call_id, %error, "call ended: bad answer in the ACK");
                            return Next::Bye(EndReason::BadAnswer, None);
                        }
                        None => return Next::Bye(EndReason::BadAnswer, None),
                    }
                }
                if unacked.first {
                    self.tell(DialogEvent::Confirmed);
                }
                match &self.hanging_up {
                    Some(hang_up) => Next::Bye(EndReason::WeHungUp, hang_up.reason),
                    None => Next::GoOn,
                }
            }
            // We had answered; a CANCEL changes nothing any more (RFC 3261 §9.2).
            Some(InviteEvent::Cancelled) => Next::GoOn,
            Some(InviteEvent::Unacked) => Next::Bye(EndReason::NoAck, None),
            None => {
                self.unacked = None;
                Next::GoOn
            }
        }
    }

    /// Tells the owner.
    fn tell(&self, event: DialogEvent) {
        if self.events.try_send(Box::new(event)).is_err() {
            tracing::debug!(call_id = self.state.call_id, "event dropped: its reader is gone or too slow");
        }
    }
}

async fn answer(mut transaction: Box<Transaction>, reply: Reply) -> Next {
    let fields = reply.fields().map(|(name, value)| (name, value.to_owned())).collect();
    if let Err(error) = transaction.reply_with(wire::status_code(reply.status), wire::headers(fields), None).await {
        tracing::debug!(%error, status = reply.status, "cannot answer a request");
    }
    Next::GoOn
}

/// The next event of the INVITE that waits for its ACK; never, where none does.
async fn next_event(unacked: &mut Option<Unacked>) -> Option<InviteEvent> {
    match unacked {
        Some(unacked) => unacked.server.next().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<std::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep(at.saturating_duration_since(monotonic()).max(Duration::from_millis(1))).await,
        None => std::future::pending().await,
    }
}
