//! A call of our own: INVITE, credentials where asked, CANCEL when we give up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::sip::{Request, Response, SipMessage, StatusCodeKind, Transport};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::SipConnection;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::address::{NameAddr, Uri};
use super::client::{self, Hop};
use super::dialog::Dialog;
use super::digest::{DigestCredentials, authorize};
use super::door::Expected;
use super::endpoint::{Core, MAILBOX, default_codecs};
use super::front::{ACCEPT, ALLOW};
use super::leg::{Leg, Setup};
use super::sdp::Negotiation;
use super::session_timer::SessionTimer;
use super::state::{DialogState, Ends, address_towards, contact, finish, is_sips, resolve, transport, via};
use super::{SipError, wire};
use crate::call::stream::{Codec, Stream};
use crate::clock::monotonic;

/// Extensions that we understand as caller. No 100rel: a test phone and a dialler need no early media.
const SUPPORTED: &str = "timer";
/// How long a cancelled INVITE may take to end (RFC 3261 §9.1: 64*T1).
const CANCEL_TIME: Duration = Duration::from_secs(32);
/// Most responses that can wait.
const RESPONSES: usize = 32;

/// Whom to call, and with what.
#[derive(Clone, Debug)]
pub struct OutgoingCall {
    /// The `sip:` URI to call; `;transport=tcp` chooses TCP, `;transport=tls` or `sips:` TLS.
    pub to: String,
    /// Who calls: a user part such as a number, or a whole `sip:` URI.
    pub from: String,
    /// For a peer that challenges us.
    pub credentials: Option<DigestCredentials>,
    /// Where audio is received; RTCP one port above.
    pub local_rtp: SocketAddr,
    /// Codecs to offer, best first; empty for all.
    pub codecs: Vec<Codec>,
    /// How long it may ring.
    pub ring_timeout: Duration,
}

/// Places the call; gives up when the returned future is dropped.
pub(super) async fn call(core: Arc<Core>, call: OutgoingCall) -> Result<Dialog, SipError> {
    let (mut done, result) = oneshot::channel();
    tokio::spawn(async move {
        let placed = place(&core, call, &mut done).await;
        match placed {
            // The caller is kept as long as the call: its peer is answered because of it.
            Ok((leg, dialog, _caller)) => {
                drop(done.send(Ok(dialog)));
                leg.run(None).await;
            }
            Err(error) => drop(done.send(Err(error))),
        }
    });
    result.await.unwrap_or(Err(SipError::Ended))
}

/// Who we are to this peer, fixed for all attempts.
struct Caller {
    target: String,
    from: String,
    to: String,
    local_tag: String,
    call_id: String,
    contact: SocketAddr,
    connection: SipConnection,
    peer: SocketAddr,
    _expected: Expected,
}

type Owner = oneshot::Sender<Result<Dialog, SipError>>;

async fn place(
    core: &Arc<Core>,
    call: OutgoingCall,
    owner: &mut Owner,
) -> Result<(Leg, Dialog, Arc<Caller>), SipError> {
    let unusable = |uri: &str| SipError::Uri { uri: uri.to_owned() };
    let is_sip = |uri: &Uri<'_>| matches!(uri.scheme.as_str(), "sip" | "sips");
    let uri = Uri::parse(&call.to).ok().filter(is_sip).ok_or_else(|| unusable(&call.to))?;
    let transport = transport(&uri).ok_or_else(|| unusable(&call.to))?;
    let peer = resolve(&call.to).await.ok_or_else(|| unusable(&call.to))?;
    let expected = Expected::new(Arc::clone(&core.door), peer.ip());
    let connection = if transport == Transport::Udp {
        let (udp, _) = core.udp.as_ref().ok_or(SipError::NoTransport("UDP"))?;
        SipConnection::Udp(udp.clone())
    } else {
        client::dial(core, transport, &call.to, peer).await?
    };
    let local = connection.get_addr().get_socketaddr().unwrap_or(peer);
    let contact = address_towards(core.bound(&connection).unwrap_or(local), peer);
    let from_uri = if call.from.contains(':') { call.from.clone() } else { format!("sip:{}@{}", call.from, contact) };
    if Uri::parse(&from_uri).is_err() || NameAddr::parse(&format!("<{from_uri}>")).is_none() {
        return Err(unusable(&call.from));
    }
    let local_tag = format!("{:016x}", rand::random::<u64>());
    let caller = Arc::new(Caller {
        from: format!("<{from_uri}>;tag={local_tag}"),
        to: format!("<{}>", call.to),
        target: call.to.clone(),
        call_id: format!("{:032x}", rand::random::<u128>()),
        local_tag,
        contact,
        connection,
        peer,
        _expected: expected,
    });
    let codecs = if call.codecs.is_empty() { default_codecs() } else { call.codecs.clone() };
    let mut negotiation = Negotiation::new(rand::random(), call.local_rtp, codecs);
    let sdp = negotiation.offer();
    let (sender, mailbox) = mpsc::channel(MAILBOX);
    core.door.registry.insert(&caller.call_id, &caller.local_tag, sender, None);
    let dialled = dial(core, &caller, &call, &sdp, owner).await;
    let established = match dialled {
        Ok((invite, response)) => establish(core, &caller, &invite, &response, &mut negotiation).await,
        Err(error) => Err(error),
    };
    match established {
        Ok((state, stream, response)) => {
            let setup = Setup {
                core: Arc::clone(core),
                negotiation,
                timer: SessionTimer::granted(wire::timer_offer(&response), core.session_limits, monotonic()),
                allows_update: wire::allows_update(&response),
                stream: Some(stream),
            };
            let (leg, dialog) = Leg::new(setup, state, mailbox);
            Ok((leg, dialog, caller))
        }
        Err(error) => {
            core.door.registry.remove(&caller.call_id, &caller.local_tag, monotonic());
            Err(error)
        }
    }
}

/// Sends the INVITE, once more with credentials if the peer asks for them, and waits for a 2xx.
async fn dial(
    core: &Arc<Core>,
    caller: &Arc<Caller>,
    call: &OutgoingCall,
    sdp: &str,
    owner: &mut Owner,
) -> Result<(Request, Response), SipError> {
    let deadline = Instant::now() + call.ring_timeout;
    let mut authorization = None;
    for cseq in 1.. {
        let invite = invite(core, caller, cseq, authorization.take(), sdp)?;
        let transaction = client::start(core, invite.clone(), caller.connection.clone(), caller.peer).await?;
        let response = await_final(core, caller, &invite, transaction, deadline, owner).await?;
        let status = response.status_code.code();
        let challenge = match status {
            200..=299 => return Ok((invite, response)),
            401 => Some(("WWW-Authenticate", "Authorization")),
            407 => Some(("Proxy-Authenticate", "Proxy-Authorization")),
            _ => None,
        };
        // Asked a second time, the credentials are wrong.
        authorization =
            challenge.filter(|_| cseq == 1).zip(call.credentials.as_ref()).and_then(|((ask, tell), who)| {
                let cnonce = format!("{:016x}", rand::random::<u64>());
                authorize(wire::all(&response, ask), who, "INVITE", &caller.target, &cnonce).map(|value| (tell, value))
            });
        if authorization.is_none() {
            let reason = response.wire_reason.clone().unwrap_or_else(|| response.status_code.text().to_owned());
            return Err(SipError::Refused { status, reason });
        }
    }
    Err(SipError::NoAnswer)
}

fn invite(
    core: &Arc<Core>,
    caller: &Caller,
    cseq: u32,
    authorization: Option<(&'static str, String)>,
    sdp: &str,
) -> Result<Request, SipError> {
    let text = format!(
        "INVITE {} SIP/2.0\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} INVITE\r\nContact: {}\r\n\
         Max-Forwards: 70\r\nUser-Agent: {}\r\nAllow: {ALLOW}\r\nAccept: {ACCEPT}\r\nSupported: {SUPPORTED}\r\n\
         Session-Expires: {}\r\n",
        caller.target,
        via(caller.contact, &caller.connection),
        caller.from,
        caller.to,
        caller.call_id,
        contact(caller.contact, &caller.connection, caller.is_secure()),
        core.user_agent,
        core.session_limits.wanted.as_secs(),
    );
    let fields: Vec<(&str, String)> = authorization.into_iter().collect();
    finish(text, &fields, Some(("application/sdp", sdp)))
}

/// Waits for the final response. When the owner goes, the time is up or the endpoint closes, it returns at once and
/// leaves the INVITE to be cancelled behind its back.
async fn await_final(
    core: &Arc<Core>,
    caller: &Arc<Caller>,
    invite: &Request,
    transaction: Transaction,
    deadline: Instant,
    owner: &mut Owner,
) -> Result<Response, SipError> {
    let (sender, mut responses) = mpsc::channel(RESPONSES);
    tokio::spawn(forward(transaction, sender));
    let mut provisional = false;
    let given_up = loop {
        tokio::select! {
            response = responses.recv() => match response {
                None => return Err(SipError::NoAnswer),
                Some(response) if is_final(&response) => return Ok(response),
                Some(_) => provisional = true,
            },
            () = tokio::time::sleep_until(deadline) => break SipError::NoAnswer,
            () = owner.closed() => break SipError::Ended,
            () = core.closing.cancelled() => break SipError::Ended,
        }
    };
    tokio::spawn(withdraw(Arc::clone(core), Arc::clone(caller), invite.clone(), responses, provisional));
    Err(given_up)
}

/// Cancels an INVITE, which may be done only after a provisional response (RFC 3261 §9.1), and hangs up a call whose
/// answer crossed the CANCEL: the library has confirmed it.
async fn withdraw(
    core: Arc<Core>,
    caller: Arc<Caller>,
    invite: Request,
    mut responses: mpsc::Receiver<Response>,
    mut provisional: bool,
) {
    let mut cancelled = false;
    let deadline = Instant::now() + CANCEL_TIME;
    loop {
        if provisional && !cancelled {
            cancelled = true;
            cancel(&core, &caller, &invite);
        }
        match timeout_at(deadline, responses.recv()).await {
            Ok(Some(response)) if response.status_code.kind() == StatusCodeKind::Successful => {
                return hang_up(&core, &caller, &invite, &response).await;
            }
            Ok(Some(response)) if !is_final(&response) => provisional = true,
            Ok(Some(_) | None) | Err(_) => return,
        }
    }
}

fn is_final(response: &Response) -> bool {
    response.status_code.kind() != StatusCodeKind::Provisional
}

/// Drives the client transaction, which must not be cancelled half-way, and passes its responses on.
async fn forward(mut transaction: Transaction, responses: mpsc::Sender<Response>) {
    while let Some(message) = transaction.receive().await {
        let SipMessage::Response(response) = message else { continue };
        let last = is_final(&response);
        if responses.send(response).await.is_err() || last {
            // The library keeps the ACK for retransmissions of the final response.
            return;
        }
    }
}

/// Sends CANCEL for `invite`: the same branch, the same CSeq number (RFC 3261 §9.1).
fn cancel(core: &Arc<Core>, caller: &Caller, invite: &Request) {
    let via = wire::field(invite, "Via").unwrap_or_default();
    let cseq = wire::cseq(invite).unwrap_or(1);
    let text = format!(
        "CANCEL {} SIP/2.0\r\nVia: {via}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} CANCEL\r\nMax-Forwards: 70\r\n",
        caller.target, caller.from, caller.to, caller.call_id,
    );
    let (core, hop) = (Arc::clone(core), caller.hop());
    tokio::spawn(async move {
        let sent = match finish(text, &[], None) {
            Ok(request) => client::request(&core, hop, request).await,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "CANCEL not answered");
        }
    });
}

/// The dialog and the audio that a 2xx agrees on; hangs up where it agrees on nothing.
async fn establish(
    core: &Arc<Core>,
    caller: &Caller,
    invite: &Request,
    response: &Response,
    negotiation: &mut Negotiation,
) -> Result<(DialogState, Stream, Response), SipError> {
    let state = DialogState::client(invite, response, caller.ends(core))?;
    match negotiation.accept(&response.body) {
        Ok(stream) => Ok((state, stream, response.clone())),
        Err(error) => {
            hang_up(core, caller, invite, response).await;
            Err(error.into())
        }
    }
}

async fn hang_up(core: &Arc<Core>, caller: &Caller, invite: &Request, response: &Response) {
    let bye = DialogState::client(invite, response, caller.ends(core))
        .and_then(|mut state| Ok((state.hop(), state.request("BYE", &[], None)?)));
    let sent = match bye {
        Ok((hop, request)) => client::request(core, hop, request).await,
        Err(error) => Err(error),
    };
    if let Err(error) = sent {
        tracing::debug!(%error, "BYE not answered");
    }
}

impl Caller {
    fn is_secure(&self) -> bool {
        is_sips(&self.target)
    }

    fn hop(&self) -> Hop {
        Hop { uri: self.target.clone(), fallback: self.peer, connection: self.connection.clone() }
    }

    fn ends(&self, core: &Core) -> Ends {
        Ends {
            source: self.peer,
            connection: self.connection.clone(),
            contact: self.contact,
            user_agent: core.user_agent.clone(),
        }
    }
}
