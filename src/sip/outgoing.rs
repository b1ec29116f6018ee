//! A call of our own: INVITE, credentials where asked, CANCEL when we give up.
//!
//! Never follows a redirection: a 3xx is a refusal like any other, and REFER is not served. So who can answer for a peer
//! cannot make us call a third (S8).

mod invite;
mod ringing;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::transport::SipConnection;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::SipError;
use super::address::Uri;
use super::dialog::Dialog;
use super::endpoint::{Core, MAILBOX, default_codecs};
use super::leg::{Leg, Setup};
use super::login::{Login, is_stale};
use super::sdp::{Negotiation, Protection};
use super::session_timer::SessionTimer;
use super::state::{DialogState, transport};
use super::wire;
use crate::call::stream::{Codec, Stream};
use crate::clock::monotonic;
use invite::Caller;
use ringing::{Answered, Ringing};

/// INVITEs for one call: the first, one with credentials, one more where the nonce was too old.
const TRIES: usize = 3;

/// Whom to call, and with what.
#[derive(Clone, Debug)]
pub struct OutgoingCall {
    /// The `sip:` URI to call; `;transport=tcp` chooses TCP, `;transport=tls` or `sips:` TLS.
    pub to: String,
    /// Who calls: a user part such as a number, or a whole `sip:` URI.
    pub from: String,
    /// A whole `sip:` or `tel:` URI for P-Asserted-Identity (RFC 3325 §9.1), for a peer that trusts our word.
    pub asserted: Option<String>,
    /// For a peer that challenges us.
    pub credentials: Option<Arc<Login>>,
    /// Where audio is received; RTCP one port above.
    pub local_rtp: SocketAddr,
    /// Codecs to offer, best first; empty for all.
    pub codecs: Vec<Codec>,
    /// Whether audio is to be protected by SRTP; then it is not had in the clear. The keys go with the INVITE.
    pub srtp: bool,
    /// How long it may ring.
    pub ring_timeout: Duration,
    /// Learns what happens before the answer; what it has no room for is lost.
    pub early: Option<mpsc::Sender<Early>>,
}

/// What happens before an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Early {
    /// The far telephone rings.
    Ringing,
    /// The network lets us hear something: ring-back, or an announcement that nobody will answer.
    Media(Stream),
}

impl OutgoingCall {
    /// A call with every codec to a peer that asks for no password; it may ring for a minute.
    pub fn new(to: impl Into<String>, from: impl Into<String>, local_rtp: SocketAddr) -> Self {
        const RING: Duration = Duration::from_secs(60);
        Self {
            to: to.into(),
            from: from.into(),
            asserted: None,
            credentials: None,
            local_rtp,
            codecs: Vec::new(),
            srtp: false,
            ring_timeout: RING,
            early: None,
        }
    }
}

type Owner = oneshot::Sender<Result<Dialog, SipError>>;

/// Places the call, over `flow` where that is a stream to the same peer; gives up when the returned future is dropped.
pub(super) async fn call(core: Arc<Core>, call: OutgoingCall, flow: Option<SipConnection>) -> Result<Dialog, SipError> {
    let (mut done, result) = oneshot::channel();
    tokio::spawn(async move {
        let placed = place(&core, call, flow, &mut done).await;
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

async fn place(
    core: &Arc<Core>,
    call: OutgoingCall,
    flow: Option<SipConnection>,
    owner: &mut Owner,
) -> Result<(Leg, Dialog, Arc<Caller>), SipError> {
    let unusable = || SipError::Uri { uri: call.to.clone() };
    let is_sip = |uri: &Uri<'_>| matches!(uri.scheme.as_str(), "sip" | "sips");
    let uri = Uri::parse(&call.to).ok().filter(is_sip).ok_or_else(unusable)?;
    let transport = transport(&uri).ok_or_else(unusable)?;
    let caller = Arc::new(Caller::reach(core, &call, transport, flow).await?);
    let codecs = if call.codecs.is_empty() { default_codecs() } else { call.codecs.clone() };
    let protection = if call.srtp { Protection::Required } else { Protection::Never };
    let mut negotiation = Negotiation::new(rand::random(), call.local_rtp, codecs).protected(protection);
    let sdp = negotiation.offer();
    let (sender, mailbox) = mpsc::channel(MAILBOX);
    core.door.registry.insert(&caller.call_id, &caller.local_tag, sender, None);
    let established = match dial(core, &caller, &call, &negotiation, &sdp, owner).await {
        Ok(answered) => establish(core, &caller, &answered, &mut negotiation).await.map(|made| (made, answered)),
        Err(error) => Err(error),
    };
    match established {
        Ok(((state, stream), Answered { response, .. })) => {
            let setup = Setup {
                core: Arc::clone(core),
                negotiation,
                timer: SessionTimer::granted(wire::timer_offer(&response), core.session_limits, monotonic()),
                allows_update: wire::allows_update(&response),
                stream: Some(stream),
                credentials: call.credentials.clone(),
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

/// Sends the INVITE, again with credentials if the peer asks for them, and waits for a 2xx.
async fn dial(
    core: &Arc<Core>,
    caller: &Arc<Caller>,
    call: &OutgoingCall,
    negotiation: &Negotiation,
    sdp: &str,
    owner: &mut Owner,
) -> Result<Answered, SipError> {
    let deadline = Instant::now() + call.ring_timeout;
    let mut authorization = None;
    let mut stale_once = false;
    for tries in 1..=TRIES {
        let invite = caller.invite(core, call.asserted.as_deref(), authorization.take(), sdp)?;
        let ringing = Ringing::new(Arc::clone(core), Arc::clone(caller), invite, negotiation.clone());
        let answered = ringing.answer(call.early.as_ref(), deadline, owner).await?;
        let (ask, tell) = match answered.response.status_code.code() {
            200..=299 => return Ok(answered),
            401 => ("WWW-Authenticate", "Authorization"),
            407 => ("Proxy-Authenticate", "Proxy-Authorization"),
            _ => return Err(wire::refused(&answered.response)),
        };
        let challenges: Vec<&str> = wire::all(&answered.response, ask).collect();
        // Asked a second time, the credentials are wrong, unless the peer says that only the nonce was too old.
        let again = tries == 1 || (!stale_once && challenges.iter().any(|challenge| is_stale(challenge)));
        stale_once |= tries > 1;
        authorization = call
            .credentials
            .as_ref()
            .filter(|_| again)
            .and_then(|login| login.answer(&challenges, "INVITE", &caller.target))
            .map(|value| (tell, value));
        if authorization.is_none() {
            return Err(wire::refused(&answered.response));
        }
    }
    Err(SipError::NoAnswer)
}

/// The dialog and the audio that a 2xx agrees on; hangs up where it agrees on nothing.
async fn establish(
    core: &Arc<Core>,
    caller: &Caller,
    answered: &Answered,
    negotiation: &mut Negotiation,
) -> Result<(DialogState, Stream), SipError> {
    let Answered { invite, response, early_answer } = answered;
    let state = DialogState::client(invite, response, caller.ends(core))?;
    state.count_from(caller.last_cseq());
    // The answer to our offer may have come in a reliable 183 already; then the 200 need not repeat it (RFC 6337 §2).
    let answer = early_answer.as_deref().filter(|_| response.body.is_empty()).unwrap_or(&response.body);
    match negotiation.accept(answer) {
        Ok(stream) => Ok((state, stream)),
        Err(error) => {
            caller.hang_up(core, invite, response).await;
            Err(error.into())
        }
    }
}
