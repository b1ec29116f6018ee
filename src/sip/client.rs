//! One client transaction: a request sent, its final response awaited.

use std::net::SocketAddr;
use std::sync::Arc;

use rsipstack::sip::{Request, Response, SipMessage, StatusCodeKind};
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::SipConnection;

use super::endpoint::Core;
use super::state::{resolve, sip_addr};
use super::{SipError, tcp};

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
    let peer = resolve(&hop.uri).await.unwrap_or(hop.fallback);
    let connection = live_connection(core, hop.connection, peer).await?;
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

/// The connection as it is, or a new one where a TCP connection has gone.
async fn live_connection(core: &Arc<Core>, old: SipConnection, peer: SocketAddr) -> Result<SipConnection, SipError> {
    let gone = matches!(&old, SipConnection::Tcp(tcp) if tcp.cancel_token().is_some_and(|token| token.is_cancelled()));
    if gone { dial(core, peer).await } else { Ok(old) }
}

/// A new TCP connection to `peer`.
pub(super) async fn dial(core: &Arc<Core>, peer: SocketAddr) -> Result<SipConnection, SipError> {
    let port = core.tcp.map(|addr| addr.port());
    let (door, stack) = (Arc::clone(&core.door), Arc::clone(&core.stack));
    tcp::dial(peer, port, door, stack, core.cancel.child_token())
        .await
        .map_err(|source| SipError::Connect { peer, source })
}
