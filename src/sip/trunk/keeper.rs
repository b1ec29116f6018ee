//! Keeps one trunk: asks by OPTIONS whether it is there, keeps the registration, ends it at the stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::sip::{Request, Response};
use rsipstack::transport::SipConnection;
use tokio_util::sync::CancellationToken;

use super::registration::Answer;
use super::{Trunk, TrunkTransport};
use crate::clock::monotonic;
use crate::sip::SipError;
use crate::sip::address::{NameAddr, Uri};
use crate::sip::client::{self, Hop};
use crate::sip::door::Expected;
use crate::sip::endpoint::Core;
use crate::sip::front::{ALLOW, SUPPORTED};
use crate::sip::login::is_stale;
use crate::sip::state::{address_towards, contact, finish, transport, via};
use crate::sip::text::list;
use crate::sip::wire;

/// How long an answer is waited for: a trunk that takes longer is as good as gone.
const PATIENCE: Duration = Duration::from_secs(8);
/// Requests for one answer: the first, one with credentials, one more where the nonce was too old.
const TRIES: usize = 3;

/// The two series of requests outside of calls; each has one Call-ID and counts on (RFC 3261 §10.2).
struct Series {
    call_id: String,
    tag: String,
    cseq: u32,
}

/// What a request outside of calls says.
struct Question {
    method: &'static str,
    from: String,
    to: String,
    fields: Vec<(&'static str, String)>,
}

/// Where the trunk is reached, and where it reaches us.
struct Way {
    uri: String,
    peer: SocketAddr,
    connection: SipConnection,
    contact: SocketAddr,
}

/// Runs until `stop`.
pub(super) async fn keep(core: Arc<Core>, trunk: Arc<Trunk>, stop: CancellationToken) {
    let (mut watching, mut registering) = (Series::new(), Series::new());
    loop {
        let (watch, register) = {
            let state = trunk.state();
            (state.health.next(), state.registration.as_ref().map(|registration| registration.next()))
        };
        let due = register.map_or(watch, |register| register.min(watch));
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => {}
            () = stop.cancelled() => break,
        }
        let now = monotonic();
        let work = async {
            if register.is_some_and(|at| at <= now) {
                register_once(&core, &trunk, &mut registering).await;
            }
            if watch <= now {
                ask_once(&core, &trunk, &mut watching).await;
            }
        };
        tokio::select! {
            () = work => {}
            () = stop.cancelled() => break,
        }
    }
    let registered = trunk.state().registration.as_ref().is_some_and(|r| r.is_registered(monotonic()));
    if registered {
        // The registrar forgets us by itself when this is lost.
        drop(register(&core, &trunk, &mut registering, Duration::ZERO).await);
    }
}

/// OPTIONS (RFC 3261 §11).
async fn ask_once(core: &Arc<Core>, trunk: &Trunk, series: &mut Series) {
    let answer = async {
        let way = reach(core, trunk).await?;
        let us = trunk.config.identity(&trunk.config.caller_id);
        let contact = contact(way.contact, &way.connection, false);
        let fields = vec![("Contact", contact), ("Accept", "application/sdp".to_owned())];
        let question = Question { method: "OPTIONS", from: us, to: way.uri.clone(), fields };
        send(core, trunk, &way, series, &question).await
    };
    let status = match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(response)) => Some(response.status_code.code()),
        Ok(Err(_)) | Err(_) => None,
    };
    let silent = status.is_none_or(|status| matches!(status, 408 | 503));
    if silent && trunk.another_server(core) {
        // Another server of the trunk's domain is asked first; it may carry on (RFC 3263 §4.3).
        return trunk.state().health.ask_again(monotonic());
    }
    let mut state = trunk.state();
    let before = state.health.is_up();
    state.health.asked(status, monotonic());
    match (before, state.health.is_up()) {
        (true, false) => tracing::error!(trunk = trunk.config.name, ?status, "a trunk is down: calls go another way"),
        (false, true) => tracing::info!(trunk = trunk.config.name, "a trunk is up again"),
        (true, true) | (false, false) => {}
    }
}

async fn register_once(core: &Arc<Core>, trunk: &Trunk, series: &mut Series) {
    let Some(expires) = trunk.state().registration.as_ref().map(|registration| registration.expires()) else { return };
    let answer = match register(core, trunk, series, expires).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::warn!(trunk = trunk.config.name, %error, "a trunk's registrar cannot be reached");
            Answer::Failed
        }
    };
    let now = monotonic();
    let mut state = trunk.state();
    if let Some(registration) = &mut state.registration {
        if !registration.is_registered(now) && matches!(answer, Answer::Granted(_)) {
            tracing::info!(trunk = trunk.config.name, "registered");
        }
        registration.answered(answer, rand::random(), now);
    }
}

/// REGISTER (RFC 3261 §10.2); for no time at all, it ends the registration.
async fn register(core: &Arc<Core>, trunk: &Trunk, series: &mut Series, expires: Duration) -> Result<Answer, SipError> {
    let answer = async {
        let way = reach(core, trunk).await?;
        let config = &trunk.config;
        let user = config.login.as_ref().map_or(config.caller_id.as_str(), |(user, _)| user);
        let us = config.identity(user);
        // Calls for us then bear our number in the Request-URI, by which the line is chosen.
        let bare = contact(way.contact, &way.connection, false);
        let ours = bare.replacen("<sip:", &format!("<sip:{}@", config.caller_id), 1);
        let fields = vec![("Contact", ours), ("Expires", expires.as_secs().to_string())];
        let question = Question { method: "REGISTER", from: us.clone(), to: us, fields };
        let response = send(core, trunk, &way, series, &question).await?;
        judge(&response, way.contact, expires)
    };
    tokio::time::timeout(PATIENCE, answer).await.unwrap_or(Err(SipError::Unresponsive))
}

/// What a registrar's final response comes to (RFC 3261 §10.2.4, §10.2.8).
fn judge(response: &Response, contact: SocketAddr, asked: Duration) -> Result<Answer, SipError> {
    let seconds = |text: &str| text.trim().parse().ok().map(Duration::from_secs);
    match response.status_code.code() {
        200..=299 => {
            let host = contact.to_string();
            let bindings = wire::all(response, "Contact").flat_map(list).filter_map(NameAddr::parse);
            let ours = bindings.filter(|binding| Uri::parse(binding.uri).is_ok_and(|uri| uri.hostport == host));
            let granted = ours.filter_map(|binding| binding.param("expires").and_then(seconds)).max();
            let granted = granted.or_else(|| wire::field(response, "Expires").and_then(seconds));
            Ok(Answer::Granted(granted.unwrap_or(asked)))
        }
        423 => Ok(wire::field(response, "Min-Expires").and_then(seconds).map_or(Answer::Failed, Answer::TooBrief)),
        _ => Err(wire::refused(response)),
    }
}

/// Finds the trunk, and keeps the way to it for the calls.
async fn reach(core: &Arc<Core>, trunk: &Trunk) -> Result<Way, SipError> {
    let uri = trunk.config.uri(None);
    let unusable = || SipError::Uri { uri: uri.clone() };
    let transport = Uri::parse(&uri).ok().and_then(|uri| transport(&uri)).ok_or_else(unusable)?;
    let peer = core.names.find(&uri).await.ok_or_else(unusable)?;
    let expected = Expected::new(Arc::clone(&core.door), peer.ip());
    let flow = trunk.state().flow.clone();
    let connection = client::reach(core, transport, &uri, peer, flow).await?;
    let local = connection.get_addr().get_socketaddr().unwrap_or(peer);
    let contact = address_towards(core.bound(&connection).unwrap_or(local), peer);
    let mut state = trunk.state();
    state.expected = Some(expected);
    state.flow = (trunk.config.transport != TrunkTransport::Udp).then(|| connection.clone());
    drop(state);
    Ok(Way { uri, peer, connection, contact })
}

/// Sends one request outside of calls, with credentials where the trunk asks for them.
async fn send(
    core: &Arc<Core>,
    trunk: &Trunk,
    way: &Way,
    series: &mut Series,
    question: &Question,
) -> Result<Response, SipError> {
    let mut authorization: Option<(&str, String)> = None;
    let mut tries = 1;
    loop {
        let request = series.request(core, way, question, authorization.take())?;
        let hop = Hop { uri: way.uri.clone(), fallback: way.peer, connection: way.connection.clone() };
        let response = client::request(core, hop, request).await?;
        let (ask, tell) = match response.status_code.code() {
            401 => ("WWW-Authenticate", "Authorization"),
            407 => ("Proxy-Authenticate", "Proxy-Authorization"),
            _ => return Ok(response),
        };
        let challenges: Vec<&str> = wire::all(&response, ask).collect();
        let again = tries == 1 || (tries < TRIES && challenges.iter().any(|challenge| is_stale(challenge)));
        let login = trunk.config.login.as_ref().filter(|_| again);
        let answer = login.and_then(|(_, login)| login.answer(&challenges, question.method, &way.uri));
        let Some(answer) = answer else { return Ok(response) };
        authorization = Some((tell, answer));
        tries += 1;
    }
}

impl Series {
    fn new() -> Self {
        Self {
            call_id: format!("{:032x}", rand::random::<u128>()),
            tag: format!("{:016x}", rand::random::<u64>()),
            cseq: 0,
        }
    }

    fn request(
        &mut self,
        core: &Core,
        way: &Way,
        question: &Question,
        authorization: Option<(&str, String)>,
    ) -> Result<Request, SipError> {
        self.cseq += 1;
        let Self { call_id, tag, cseq } = self;
        let Question { method, from, to, fields } = question;
        let (target, via, agent) = (&way.uri, via(way.contact, &way.connection), &core.user_agent);
        let text = format!(
            "{method} {target} SIP/2.0\r\nVia: {via}\r\nFrom: <{from}>;tag={tag}\r\nTo: <{to}>\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\nUser-Agent: {agent}\r\nAllow: {ALLOW}\r\nSupported: {SUPPORTED}\r\n"
        );
        let fields: Vec<(&str, String)> = fields.iter().cloned().chain(authorization).collect();
        finish(text, &fields, None)
    }
}
