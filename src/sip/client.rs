//! One client transaction: a request sent, its final response awaited.

use std::net::SocketAddr;
use std::sync::Arc;

use rsipstack::sip::{Request, Response, SipMessage, StatusCodeKind, Transport};
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::SipConnection;

use super::endpoint::Core;
use super::state::sip_addr;
use super::{SipError, tcp, tls};

/// Where a request goes, before any name is resolved.
pub(super) struct Hop {
    /// First route, else the peer's Contact.
    pub(super) uri: String,
    /// Where the peer's messages come from: taken when the name does not resolve.
    pub(super) fallback: SocketAddr,
    /// The connection used so far.
    pub(super) connection: SipConnection,
}

/// Sends `request` and waits for its final response; the library retransmits, gives up after 64*T1 with a 408 of its
/// own, and acknowledges a final response to an INVITE.
pub(super) async fn request(core: &Arc<Core>, hop: Hop, request: Request) -> Result<Response, SipError> {
    let peer = core.names.find(&hop.uri).await.unwrap_or(hop.fallback);
    let connection = live_connection(core, hop.connection, &hop.uri, peer).await?;
    let mut transaction = start(core, request, connection, peer).await?;
    while let Some(message) = transaction.receive().await {
        if let SipMessage::Response(response) = message
            && response.status_code.kind() != StatusCodeKind::Provisional
        {
            return Ok(response);
        }
    }
    Err(SipError::NoAnswer)
}

/// Starts a client transaction.
pub(super) async fn start(
    core: &Arc<Core>,
    request: Request,
    connection: SipConnection,
    peer: SocketAddr,
) -> Result<Transaction, SipError> {
    let key =
        TransactionKey::from_request(&request, TransactionRole::Client).map_err(|_| SipError::Malformed("request"))?;
    let destination = sip_addr(peer, &connection);
    let mut transaction = Transaction::new_client(key, request, Arc::clone(&core.stack), Some(connection));
    transaction.destination = Some(destination);
    transaction.send().await.map_err(|error| SipError::Connect { peer, source: std::io::Error::other(error) })?;
    Ok(transaction)
}

/// A way to `peer`: the one UDP socket, `flow` where it is a live stream, else a new stream.
pub(super) async fn reach(
    core: &Arc<Core>,
    transport: Transport,
    uri: &str,
    peer: SocketAddr,
    flow: Option<SipConnection>,
) -> Result<SipConnection, SipError> {
    if transport == Transport::Udp {
        let (udp, _) = core.udp.as_ref().ok_or(SipError::NoTransport("UDP"))?;
        return Ok(SipConnection::Udp(udp.clone()));
    }
    match flow.filter(|flow| flow.transport() == transport && !is_gone(flow)) {
        Some(flow) => Ok(flow),
        None => dial(core, transport, uri, peer).await,
    }
}

/// Whether a stream has ended.
fn is_gone(connection: &SipConnection) -> bool {
    connection.is_reliable() && connection.cancel_token().is_some_and(|token| token.is_cancelled())
}

/// The connection as it is, or a new one of its kind where a stream has gone.
async fn live_connection(
    core: &Arc<Core>,
    old: SipConnection,
    uri: &str,
    peer: SocketAddr,
) -> Result<SipConnection, SipError> {
    if is_gone(&old) { dial(core, old.transport(), uri, peer).await } else { Ok(old) }
}

/// A new connection to `peer`, by TLS if that is the transport: then its certificate must bear the name in `uri`.
async fn dial(core: &Arc<Core>, transport: Transport, uri: &str, peer: SocketAddr) -> Result<SipConnection, SipError> {
    let (secure, port) = if transport == Transport::Tls {
        (Some((core.connector.clone(), tls::server_name(uri, peer))), core.tls.map(|addr| addr.port()))
    } else {
        (None, core.tcp.map(|addr| addr.port()))
    };
    let (door, stack) = (Arc::clone(&core.door), Arc::clone(&core.stack));
    tcp::dial(peer, secure, port, door, stack, core.cancel.child_token())
        .await
        .map_err(|source| SipError::Connect { peer, source })
}
