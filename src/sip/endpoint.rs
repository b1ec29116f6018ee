//! The endpoint: sockets, the SIP library's transactions, and which call a request belongs to.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rsipstack::EndpointBuilder;
use rsipstack::sip::{Method, Transport};
use rsipstack::transaction::TransactionReceiver;
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::udp::UdpConnection;
use rsipstack::transport::{SipConnection, TransportLayer};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::address::NameAddr;
use super::counters::Counters;
use super::digest::{Authenticator, DigestCredentials};
use super::dns::Names;
use super::door::Door;
use super::incoming::{self, IncomingCall};
use super::rate::CallRate;
use super::registry::Registry;
use super::reply::Reply;
use super::sdp::Protection;
use super::session_timer::{Limits, MIN_SE};
use super::tls::{self, TlsConfig};
use super::trunk::{TrunkConfig, Trunks};
use super::udp::ScreenedSocket;
use super::{SipError, dialog::Dialog, outgoing, outgoing::OutgoingCall, tcp, wire};
use crate::call::DialPolicy;
use crate::call::stream::Codec;
use crate::network::Network;

/// Calls that can wait for the application to take them; beyond it a new one gets 503 (RFC 3261 §21.5.4).
const INCOMING: usize = 64;
/// Requests that can wait for one call's task; beyond it a request gets 500 and may come again.
pub(super) const MAILBOX: usize = 16;
/// How long calls may take to end when the endpoint shuts down.
const SHUTDOWN_TIME: Duration = Duration::from_secs(5);

/// How the endpoint is set up.
#[derive(Clone, Debug)]
pub struct SipConfig {
    /// Where to listen for UDP.
    pub udp: Option<SocketAddr>,
    /// Where to listen for TCP.
    pub tcp: Option<SocketAddr>,
    /// Where to listen for TLS, and by which certificate.
    pub tls: Option<TlsConfig>,
    /// A PEM file with the authorities that vouch for hosts we call by TLS; `None` for those that browsers trust.
    pub tls_authorities: Option<PathBuf>,
    /// Whether SRTP keys are taken, and ours told, over connections other than TLS too: where the network is nobody
    /// else's.
    pub srtp_without_tls: bool,
    /// Networks that are answered; all others get nothing.
    pub trusted: Vec<Network>,
    /// When set, INVITEs are challenged.
    pub auth: Option<DigestCredentials>,
    /// Calls at once, inbound and outbound; beyond it a new inbound one gets 503.
    pub max_calls: usize,
    /// Inbound calls at once from one address, those that ring or wait for their ACK included: what one source floods
    /// takes no more of `max_calls`. Beyond it a new one gets 503.
    pub max_calls_per_source: usize,
    /// New inbound calls a second from one address; beyond it, and a burst of as many, they get 503. Not below what the
    /// trunk is contracted for.
    pub max_calls_per_second: u32,
    /// The session timer that we want (RFC 4028).
    pub session_expires: Duration,
    /// The shortest session timer that we agree to; RFC 4028 §4 recommends no less than the default.
    pub min_session_expires: Duration,
    /// Name servers that are asked for the servers of a domain (RFC 3263); none: hosts are taken by their own addresses.
    pub name_servers: Vec<SocketAddr>,
    /// The User-Agent header field.
    pub user_agent: String,
}

impl Default for SipConfig {
    /// No sockets, loopback trusted, limits of one machine.
    fn default() -> Self {
        Self {
            udp: None,
            tcp: None,
            tls: None,
            tls_authorities: None,
            srtp_without_tls: false,
            trusted: ["127.0.0.0/8", "::1"].iter().filter_map(|network| network.parse().ok()).collect(),
            auth: None,
            max_calls: 1000,
            max_calls_per_source: 750,
            max_calls_per_second: 100,
            session_expires: Duration::from_secs(1800),
            min_session_expires: MIN_SE,
            name_servers: Vec::new(),
            user_agent: concat!("minxin/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Counts since the start, and what is live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SipStats {
    /// Requests from trusted sources.
    pub requests: u64,
    /// Responses from trusted sources.
    pub responses: u64,
    /// Datagrams and connections from untrusted sources: dropped unread.
    pub untrusted: u64,
    /// Messages answered 400, or dropped because no answer was possible.
    pub malformed: u64,
    /// Requests answered 401.
    pub unauthorized: u64,
    /// Calls answered 503.
    pub over_capacity: u64,
    /// Requests refused for another reason.
    pub refused: u64,
    /// TCP and TLS connections closed because there were too many.
    pub connections_refused: u64,
    /// Calls that are being set up or are up.
    pub calls: usize,
}

/// What every call shares.
pub(super) struct Core {
    pub(super) door: Arc<Door>,
    pub(super) stack: EndpointInnerRef,
    pub(super) udp: Option<(UdpConnection, SocketAddr)>,
    pub(super) tcp: Option<SocketAddr>,
    pub(super) tls: Option<SocketAddr>,
    pub(super) connector: TlsConnector,
    pub(super) srtp_without_tls: bool,
    pub(super) session_limits: Limits,
    pub(super) user_agent: String,
    pub(super) names: Names,
    incoming: mpsc::Sender<IncomingCall>,
    /// Ends calls.
    pub(super) closing: CancellationToken,
    /// Ends sockets and transactions.
    pub(super) cancel: CancellationToken,
}

/// A running SIP endpoint. Dropping it closes its sockets at once; [`Endpoint::shutdown`] hangs up first.
pub struct Endpoint {
    core: Arc<Core>,
}

/// Opens the sockets and starts serving. Inbound calls come out of the receiver.
pub async fn start(config: SipConfig) -> Result<(Endpoint, mpsc::Receiver<IncomingCall>), SipError> {
    if config.udp.is_none() && config.tcp.is_none() && config.tls.is_none() {
        return Err(SipError::NoListener);
    }
    let acceptor = config.tls.as_ref().map(tls::acceptor).transpose()?;
    let connector = tls::connector(config.tls_authorities.as_deref())?;
    let cancel = CancellationToken::new();
    let door = Arc::new(Door {
        trusted: config.trusted,
        auth: config.auth.map(|credentials| Authenticator::new(credentials, rand::random())),
        max_calls: config.max_calls,
        max_calls_per_source: config.max_calls_per_source,
        rate: CallRate::new(config.max_calls_per_second),
        draining: AtomicBool::new(false),
        registry: Registry::new(),
        counters: Counters::default(),
        callees: Default::default(),
    });
    let transports = TransportLayer::new(cancel.clone());
    let udp = match config.udp {
        Some(addr) => Some(listen_udp(addr, &door, &cancel).await?),
        None => None,
    };
    if let Some((connection, _)) = &udp {
        transports.add_transport(SipConnection::Udp(connection.clone()));
    }
    let listener = listen_tcp(config.tcp).await?;
    let tls_listener = listen_tcp(config.tls.map(|tls| tls.listen)).await?;
    let bound = |listener: &Option<TcpListener>| listener.as_ref().and_then(|listener| listener.local_addr().ok());

    let stack = EndpointBuilder::new()
        .with_user_agent(&config.user_agent)
        .with_transport_layer(transports)
        .with_cancel_token(cancel.clone())
        .build();
    let transactions = stack.incoming_transactions().map_err(|_| SipError::NoListener)?;
    let (incoming, calls) = mpsc::channel(INCOMING);
    let core = Arc::new(Core {
        door: Arc::clone(&door),
        stack: Arc::clone(&stack.inner),
        udp,
        tcp: bound(&listener),
        tls: bound(&tls_listener),
        connector,
        srtp_without_tls: config.srtp_without_tls,
        session_limits: Limits {
            wanted: config.session_expires.max(config.min_session_expires),
            min: config.min_session_expires,
        },
        user_agent: config.user_agent,
        names: Names::new(config.name_servers),
        incoming,
        closing: cancel.child_token(),
        cancel: cancel.clone(),
    });
    for (listener, acceptor) in [(listener, None), (tls_listener, acceptor)] {
        if let Some(listener) = listener {
            tokio::spawn(tcp::serve(listener, acceptor, Arc::clone(&door), Arc::clone(&stack.inner), cancel.clone()));
        }
    }
    tokio::spawn(async move { stack.serve().await });
    tokio::spawn(route(Arc::clone(&core), transactions));
    Ok((Endpoint { core }, calls))
}

impl Endpoint {
    /// Where UDP is heard.
    pub fn udp_addr(&self) -> Option<SocketAddr> {
        self.core.udp.as_ref().map(|(_, addr)| *addr)
    }

    /// Where TCP is heard.
    pub fn tcp_addr(&self) -> Option<SocketAddr> {
        self.core.tcp
    }

    /// Where TLS is heard.
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.core.tls
    }

    /// Turns new calls and OPTIONS away with 503 from now on; calls that are up go on.
    pub fn drain(&self) {
        self.core.door.draining.store(true, Ordering::Relaxed);
    }

    /// Whether [`Self::drain`] was called.
    pub fn is_draining(&self) -> bool {
        self.core.door.draining.load(Ordering::Relaxed)
    }

    /// Hangs up every call, waits a few seconds for the peers' answers, and closes the sockets.
    pub async fn shutdown(self) {
        self.drain();
        self.core.closing.cancel();
        let empty = async {
            while self.core.door.registry.len() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(SHUTDOWN_TIME, empty).await.is_err() {
            tracing::warn!(calls = self.core.door.registry.len(), "calls left open at shutdown");
        }
    }

    /// Counts for the metrics.
    pub fn stats(&self) -> SipStats {
        let Counters {
            requests,
            responses,
            untrusted,
            malformed,
            unauthorized,
            over_capacity,
            refused,
            connections_refused,
        } = &self.core.door.counters;
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        SipStats {
            requests: read(requests),
            responses: read(responses),
            untrusted: read(untrusted),
            malformed: read(malformed),
            unauthorized: read(unauthorized),
            over_capacity: read(over_capacity),
            refused: read(refused),
            connections_refused: read(connections_refused),
            calls: self.core.door.registry.calls(),
        }
    }

    /// Calls somebody and waits for the answer. Dropping the future gives up: the peer gets a CANCEL.
    pub async fn call(&self, call: OutgoingCall) -> Result<Dialog, SipError> {
        outgoing::call(Arc::clone(&self.core), call, None).await
    }

    /// Starts to keep these trunks: asks whether they are there, and registers where that is wanted. Nothing goes out by
    /// them that `policy` forbids.
    pub fn trunks(&self, policy: DialPolicy, configs: Vec<TrunkConfig>) -> Trunks {
        Trunks::start(&self.core, policy, configs)
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.core.cancel.cancel();
    }
}

async fn listen_tcp(addr: Option<SocketAddr>) -> Result<Option<TcpListener>, SipError> {
    match addr {
        Some(addr) => Ok(Some(TcpListener::bind(addr).await.map_err(|source| SipError::Listen { addr, source })?)),
        None => Ok(None),
    }
}

async fn listen_udp(
    addr: SocketAddr,
    door: &Arc<Door>,
    cancel: &CancellationToken,
) -> Result<(UdpConnection, SocketAddr), SipError> {
    let fault = |source| SipError::Listen { addr, source };
    let socket = UdpSocket::bind(addr).await.map_err(fault)?;
    let local = socket.local_addr().map_err(fault)?;
    let socket = ScreenedSocket::new(socket, Arc::clone(door));
    let connection = UdpConnection::from_socket(Arc::new(socket), None, Some(cancel.child_token()))
        .await
        .map_err(|error| fault(std::io::Error::other(error)))?;
    Ok((connection, local))
}

impl Core {
    /// Whether audio may be protected by keys that are told over `connection`.
    pub(super) fn protection(&self, connection: &SipConnection) -> Protection {
        let is_private = self.srtp_without_tls || connection.transport() == Transport::Tls;
        if is_private { Protection::Allowed } else { Protection::Never }
    }

    /// The port that a new connection to us would come to, for the transport of `connection`.
    pub(super) fn bound(&self, connection: &SipConnection) -> Option<SocketAddr> {
        match connection.transport() {
            Transport::Tcp => self.tcp,
            Transport::Tls => self.tls,
            Transport::Udp | Transport::TlsSctp | Transport::Sctp | Transport::Ws | Transport::Wss => {
                self.udp.as_ref().map(|(_, addr)| *addr)
            }
        }
    }
}

/// Hands every new transaction to its call.
async fn route(core: Arc<Core>, mut transactions: TransactionReceiver) {
    loop {
        let transaction = tokio::select! {
            () = core.cancel.cancelled() => return,
            transaction = transactions.recv() => transaction,
        };
        let Some(transaction) = transaction else { return };
        dispatch(&core, transaction);
    }
}

fn dispatch(core: &Arc<Core>, transaction: Transaction) {
    let request = &transaction.original;
    let to_tag = wire::field(request, "To").and_then(NameAddr::parse).and_then(|to| to.tag().map(str::to_owned));
    let call_id = wire::field(request, "Call-ID").unwrap_or_default();
    match to_tag {
        None if request.method == Method::Invite => {
            incoming::receive(core, transaction, |call| core.incoming.try_send(call).map_err(drop));
        }
        None => reply(core, transaction, Reply::new(481)),
        Some(tag) => match core.door.registry.mailbox(call_id, &tag) {
            None => reply(core, transaction, Reply::new(481)),
            Some(mailbox) => match mailbox.try_send(Box::new(transaction)) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(transaction)) => {
                    reply(core, *transaction, Reply::new(500).with("Retry-After", "1"));
                }
                Err(mpsc::error::TrySendError::Closed(transaction)) => reply(core, *transaction, Reply::new(481)),
            },
        },
    }
}

/// Answers a transaction that belongs to no call.
pub(super) fn reply(core: &Arc<Core>, mut transaction: Transaction, reply: Reply) {
    if reply.status == 503 {
        Counters::count(&core.door.counters.over_capacity);
    } else {
        Counters::count(&core.door.counters.refused);
    }
    let is_invite = transaction.original.method == Method::Invite;
    tokio::spawn(async move {
        let fields = reply.fields().map(|(name, value)| (name, value.to_owned())).collect();
        let sent = transaction.reply_with(wire::status_code(reply.status), wire::headers(fields), None).await;
        if let Err(error) = sent {
            tracing::debug!(%error, status = reply.status, "cannot answer a request");
        }
        // A refused INVITE is retransmitted until its ACK.
        if is_invite {
            while transaction.receive().await.is_some() {}
        }
    });
}

/// The codecs that we offer and take where nobody says otherwise, best first.
pub(super) fn default_codecs() -> Vec<Codec> {
    Codec::ALL.to_vec()
}
