//! A call that comes in, until it is answered: ringing, reliable provisional responses, CANCEL.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::sip::{Method, Request, Response};
use rsipstack::transaction::transaction::Transaction;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::SipError;
use super::address::{NameAddr, Uri};
use super::dialog::Dialog;
use super::door::Door;
use super::endpoint::{Core, MAILBOX, default_codecs, reply};
use super::front::{ALLOW, SUPPORTED};
use super::invite_server::{InviteEvent, InviteServer};
use super::leg::{Leg, Setup};
use super::registry::{Inbound, Origin};
use super::reply::Reply;
use super::sdp::Negotiation;
use super::session_timer::SessionTimer;
use super::state::{DialogState, Ends, address_towards};
use super::text::list;
use super::wire::{self, Fields};
use crate::call::stream::Stream;
use crate::clock::monotonic;
use crate::ids::PhoneNumber;

/// How long a call may stay unanswered; then it gets 480. RFC 3261 §13.3.1.1 lets proxies give up after three minutes.
const SETUP_TIME: Duration = Duration::from_secs(180);
/// First interval between retransmissions of a reliable provisional response (RFC 3262 §3: T1).
const RELIABLE_T1: Duration = Duration::from_millis(500);
/// How long a PRACK is waited for (RFC 3262 §3: 64*T1).
const PRACK_TIME: Duration = Duration::from_secs(32);

/// A call that rings. Dropping it refuses the call with 480.
#[derive(Debug)]
pub struct IncomingCall {
    /// The Call-ID of the signalling.
    pub sip_call_id: String,
    /// Who calls: P-Asserted-Identity (RFC 3325), else From; `None` when withheld (RFC 3323) or no number.
    pub caller: Option<PhoneNumber>,
    /// The user part of the Request-URI, by which the line is chosen.
    pub called: String,
    /// Where the INVITE came from.
    pub source: SocketAddr,
    commands: mpsc::Sender<EarlyCommand>,
    cancelled: CancellationToken,
}

/// Why a call is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// 486.
    Busy,
    /// 503, with the seconds after which to try again.
    Unavailable {
        /// Retry-After, in seconds.
        retry_after_s: u32,
    },
    /// 404: no such line.
    NotFound,
    /// 480: nobody is there.
    NobodyThere,
    /// 603.
    Decline,
}

impl Reject {
    fn reply(self) -> Reply {
        match self {
            Self::Busy => Reply::new(486),
            Self::Unavailable { retry_after_s } => Reply::unavailable(u64::from(retry_after_s)),
            Self::NotFound => Reply::new(404),
            Self::NobodyThere => Reply::new(480),
            Self::Decline => Reply::new(603),
        }
    }
}

enum EarlyCommand {
    Ring,
    Answer { local_rtp: SocketAddr, done: oneshot::Sender<Result<Dialog, SipError>> },
    Reject(Reject),
}

impl IncomingCall {
    /// Sends 180, reliably where the peer requires it.
    pub async fn ring(&mut self) {
        // An error means that the call is over; the answer will say so.
        drop(self.commands.send(EarlyCommand::Ring).await);
    }

    /// Sends 200. Audio is received at `local_rtp`, RTCP one port above.
    pub async fn answer(self, local_rtp: SocketAddr) -> Result<Dialog, SipError> {
        let (done, result) = oneshot::channel();
        let command = EarlyCommand::Answer { local_rtp, done };
        self.commands.send(command).await.map_err(|_| SipError::Cancelled)?;
        result.await.unwrap_or(Err(SipError::Cancelled))
    }

    /// Refuses the call.
    pub async fn reject(self, reject: Reject) {
        drop(self.commands.send(EarlyCommand::Reject(reject)).await);
    }

    /// Resolves when the peer gives up, or the call is lost otherwise, before the answer. Safe to cancel.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }
}

/// Takes an INVITE outside a dialog: refuses it, or hands an [`IncomingCall`] to `deliver`, which may have no room.
pub(super) fn receive(
    core: &Arc<Core>,
    transaction: Transaction,
    deliver: impl FnOnce(IncomingCall) -> Result<(), ()>,
) {
    match Early::new(core, &transaction) {
        Err(refusal) => reply(core, transaction, refusal),
        Ok((early, call)) => {
            let registry = &core.door.registry;
            registry.insert(
                &early.state.call_id,
                &early.state.local_tag,
                early.sender.clone(),
                Some(early.inbound.clone()),
            );
            match deliver(call) {
                Ok(()) => {
                    let server = InviteServer::spawn(transaction, Arc::clone(&early.invite));
                    tokio::spawn(early.run(server));
                }
                Err(()) => {
                    registry.remove(&early.state.call_id, &early.state.local_tag, monotonic());
                    reply(core, transaction, Door::over_capacity());
                }
            }
        }
    }
}

/// The task of a call before its answer.
struct Early {
    core: Arc<Core>,
    state: DialogState,
    invite: Arc<Request>,
    offer: Option<Vec<u8>>,
    timer: SessionTimer,
    inbound: Inbound,
    sender: mpsc::Sender<Box<Transaction>>,
    mailbox: mpsc::Receiver<Box<Transaction>>,
    commands: mpsc::Receiver<EarlyCommand>,
    cancelled: CancellationToken,
    reliable: Option<Reliable>,
    rseq: u32,
}

/// A reliable provisional response that waits for its PRACK.
struct Reliable {
    response: Response,
    interval: Duration,
    next: Instant,
    give_up: Instant,
}

/// How the early phase ended.
enum Outcome {
    Answer { local_rtp: SocketAddr, done: oneshot::Sender<Result<Dialog, SipError>> },
    Over,
}

impl Early {
    fn new(core: &Arc<Core>, transaction: &Transaction) -> Result<(Self, IncomingCall), Reply> {
        let malformed = || Reply::bad_request("Malformed INVITE");
        let request = &transaction.original;
        let connection = transaction.connection.clone().ok_or_else(malformed)?;
        let source = connection.get_remote_addr().and_then(|a| a.get_socketaddr().ok()).ok_or_else(malformed)?;
        let bound = core.bound(&connection).unwrap_or(source);
        let local_tag = format!("{:016x}", rand::random::<u64>());
        let ends =
            Ends { source, contact: address_towards(bound, source), connection, user_agent: core.user_agent.clone() };
        let state = DialogState::server(request, &local_tag, ends).map_err(|_| malformed())?;
        let cseq = wire::cseq(request).ok_or_else(malformed)?;
        let origin = Origin { from_tag: state.remote_tag.clone(), cseq };
        if core.door.registry.has_origin(&state.call_id, &origin) {
            return Err(Reply::new(482));
        }
        if !core.door.has_room(source.ip()) {
            return Err(Door::over_capacity());
        }
        let timer = SessionTimer::agree(wire::timer_offer(request), core.session_limits, monotonic())
            .map_err(|min| Reply::new(422).with("Min-SE", min.as_secs().to_string()))?;
        let offer = wire::offer(request);
        if let Some(offer) = &offer {
            // A trial: whether there is anything to talk in should be known before anybody's telephone rings.
            let trial = Negotiation::new(0, state.contact, default_codecs())
                .protected(core.protection(&state.connection))
                .answer(offer);
            if let Err(error) = trial {
                tracing::debug!(call_id = state.call_id, %error, "call refused");
                return Err(Reply::from(&error));
            }
        }
        let (sender, mailbox) = mpsc::channel(MAILBOX);
        let (command_sender, commands) = mpsc::channel(super::dialog::COMMANDS);
        let cancelled = core.cancel.child_token();
        let call = IncomingCall {
            sip_call_id: state.call_id.clone(),
            caller: caller(request),
            called: called(request),
            source,
            commands: command_sender,
            cancelled: cancelled.clone(),
        };
        let early = Self {
            core: Arc::clone(core),
            invite: Arc::new(wire::with_to_tag(request.clone(), &local_tag)),
            state,
            offer,
            timer,
            inbound: Inbound { origin, source: source.ip().to_canonical() },
            sender,
            mailbox,
            commands,
            cancelled,
            reliable: None,
            rseq: rand::random::<u32>() >> 8,
        };
        Ok((early, call))
    }

    async fn run(mut self, mut server: InviteServer) {
        match self.wait(&mut server).await {
            Outcome::Answer { local_rtp, done } => match self.agree(local_rtp) {
                Ok((negotiation, sdp, stream)) => {
                    let timer = self.respond_ok(&server, &sdp);
                    let setup = Setup {
                        core: self.core,
                        negotiation,
                        timer: Some(timer),
                        allows_update: wire::allows_update(self.invite.as_ref()),
                        stream,
                        credentials: None,
                    };
                    let (leg, dialog) = Leg::new(setup, self.state, self.mailbox);
                    // The caller may have gone away; then the dropped handle makes the task hang up.
                    drop(done.send(Ok(dialog)));
                    // A task of its own, so that nothing of the set-up is kept for as long as the call lasts.
                    tokio::spawn(leg.run(Some(server)));
                }
                Err(error) => {
                    server.respond(wire::refusal(&self.core.stack, &self.invite, &Reply::new(488)));
                    self.forget();
                    drop(done.send(Err(error)));
                }
            },
            Outcome::Over => self.forget(),
        }
    }

    /// Serves the call until it is answered or over.
    async fn wait(&mut self, server: &mut InviteServer) -> Outcome {
        let deadline = Instant::now() + SETUP_TIME;
        loop {
            let retransmit = self.reliable.as_ref().map_or(deadline, |reliable| reliable.next);
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(EarlyCommand::Ring) => self.ring(server),
                    Some(EarlyCommand::Answer { local_rtp, done }) => return Outcome::Answer { local_rtp, done },
                    Some(EarlyCommand::Reject(reject)) => return self.refuse(server, &reject.reply()),
                    None => return self.refuse(server, &Reply::new(480)),
                },
                event = server.next() => match event {
                    Some(InviteEvent::Cancelled) => return self.refuse(server, &Reply::new(487)),
                    Some(InviteEvent::Acked(_)) => {}
                    Some(InviteEvent::Unacked) | None => return Outcome::Over,
                },
                Some(transaction) = self.mailbox.recv() => {
                    if self.serve(*transaction).await {
                        return self.refuse(server, &Reply::new(487));
                    }
                }
                () = self.core.closing.cancelled() => return self.refuse(server, &Reply::unavailable(30)),
                () = tokio::time::sleep_until(retransmit) => {
                    let now = Instant::now();
                    match &mut self.reliable {
                        Some(reliable) if now < reliable.give_up => {
                            server.respond(reliable.response.clone());
                            reliable.interval *= 2;
                            reliable.next = now + reliable.interval;
                        }
                        // RFC 3262 §3: without a PRACK the INVITE is refused with a 5xx.
                        Some(_) => return self.refuse(server, &Reply::new(500)),
                        None => return self.refuse(server, &Reply::new(480)),
                    }
                }
            }
        }
    }

    fn ring(&mut self, server: &InviteServer) {
        let requires_reliable = wire::has_token(self.invite.as_ref(), "Require", "100rel");
        let mut fields = self.fields();
        if !requires_reliable {
            server.respond(wire::response(&self.core.stack, &self.invite, 180, fields, None));
            return;
        }
        // Without an offer in the INVITE ours would have to go into the first reliable response (RFC 3262 §5), and
        // before the answer there is no port to offer: 100 has to do. One unconfirmed response at a time (§3).
        if self.offer.is_none() || self.reliable.is_some() {
            return;
        }
        self.rseq += 1;
        fields.push(("Require", "100rel".into()));
        fields.push(("RSeq", self.rseq.to_string()));
        let response = wire::response(&self.core.stack, &self.invite, 180, fields, None);
        server.respond(response.clone());
        let now = Instant::now();
        self.reliable =
            Some(Reliable { response, interval: RELIABLE_T1, next: now + RELIABLE_T1, give_up: now + PRACK_TIME });
    }

    /// A request within the early dialog; `true` when it ends the call.
    async fn serve(&mut self, mut transaction: Transaction) -> bool {
        let request = &transaction.original;
        let ordered = self.state.in_order(request);
        let is = |method| request.method == method;
        let (status, over) = if !ordered {
            (500, false)
        } else if is(Method::Bye) {
            (200, true)
        } else if is(Method::PRack) {
            let acknowledged = self.reliable.is_some() && self.acknowledges(request);
            (if acknowledged { 200 } else { 481 }, false)
        } else if is(Method::Update) && wire::offer(request).is_some() {
            // An offer before the answer to the first one is out of turn (RFC 3311 §5.2).
            (500, false)
        } else if is(Method::Update) || is(Method::Info) {
            (200, false)
        } else {
            (491, false)
        };
        if is(Method::PRack) && status == 200 {
            self.reliable = None;
        }
        let retry = if status == 500 { vec![("Retry-After", "1".to_owned())] } else { Vec::new() };
        if let Err(error) = transaction.reply_with(wire::status_code(status), wire::headers(retry), None).await {
            tracing::debug!(%error, status, "cannot answer a request");
        }
        over
    }

    /// Whether RAck names our provisional response (RFC 3262 §7.2).
    fn acknowledges(&self, prack: &Request) -> bool {
        let mut parts = wire::field(prack, "RAck").unwrap_or_default().split_ascii_whitespace();
        let mut number = || parts.next().and_then(|text| text.parse::<u32>().ok());
        let (rseq, cseq) = (number(), number());
        rseq == Some(self.rseq) && cseq == wire::cseq(self.invite.as_ref()) && parts.next() == Some("INVITE")
    }

    /// Our description: the answer to the peer's offer, or an offer where it left that to us.
    fn agree(&self, local_rtp: SocketAddr) -> Result<(Negotiation, String, Option<Stream>), SipError> {
        let mut negotiation = Negotiation::new(rand::random(), local_rtp, default_codecs())
            .protected(self.core.protection(&self.state.connection));
        match &self.offer {
            Some(offer) => negotiation.answer(offer).map(|(sdp, stream)| (negotiation, sdp, Some(stream))),
            None => {
                let sdp = negotiation.offer();
                Ok((negotiation, sdp, None))
            }
        }
        .map_err(SipError::Sdp)
    }

    /// Sends 200; the session timer counts from here.
    fn respond_ok(&self, server: &InviteServer, sdp: &str) -> SessionTimer {
        let timer = self.timer.refreshed_at(monotonic());
        let mut fields = self.fields();
        fields.push(("Allow", ALLOW.into()));
        fields.push(("Supported", SUPPORTED.into()));
        fields.extend(wire::timer_fields(&timer));
        server.respond(wire::response(&self.core.stack, &self.invite, 200, fields, Some(sdp)));
        timer
    }

    fn refuse(&self, server: &InviteServer, reply: &Reply) -> Outcome {
        server.respond(wire::refusal(&self.core.stack, &self.invite, reply));
        Outcome::Over
    }

    fn forget(&self) {
        self.cancelled.cancel();
        self.core.door.registry.remove(&self.state.call_id, &self.state.local_tag, monotonic());
    }

    /// Contact and the route set, which every response that makes a dialog carries (RFC 3261 §12.1.1).
    fn fields(&self) -> Fields {
        let mut fields: Fields =
            wire::all(self.invite.as_ref(), "Record-Route").map(|route| ("Record-Route", route.to_owned())).collect();
        fields.push(("Contact", self.state.contact()));
        fields
    }
}

fn caller(request: &Request) -> Option<PhoneNumber> {
    let number = |value: &str| {
        let uri = NameAddr::parse(value)?.uri;
        PhoneNumber::parse(&Uri::parse(uri).ok()?.user_name()?)
    };
    let withheld = wire::all(request, "Privacy")
        .flat_map(|value| value.split(';'))
        .any(|kind| ["id", "user", "header"].iter().any(|withheld| kind.trim().eq_ignore_ascii_case(withheld)));
    if withheld {
        return None;
    }
    wire::all(request, "P-Asserted-Identity")
        .flat_map(list)
        .find_map(number)
        .or_else(|| wire::field(request, "From").and_then(number))
}

fn called(request: &Request) -> String {
    let uri = request.uri.to_string();
    Uri::parse(&uri).ok().and_then(|uri| uri.user_name()).unwrap_or_default()
}
