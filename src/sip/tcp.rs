//! TCP connections, plain or within TLS: accepted and dialled ones, each read through the front door.
//!
//! The SIP library writes; reading and framing are ours, because its reader answers nothing to a malformed message and
//! reserves 128 KiB for every connection. A stranger is cut off before the TLS handshake.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::sip::{HostWithPort, SipMessage, Transport};
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transport::stream::StreamConnection as _;
use rsipstack::transport::tcp::TcpConnection;
use rsipstack::transport::{SipAddr, SipConnection};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::CancellationToken;

use super::counters::Counters;
use super::door::Door;
use super::framing::{self, Frame};
use super::front::{Framing, Verdict};
use super::message::Message;
use super::reply::Reply;
use super::tls;

/// Most connections of one socket at once; a further one is closed as soon as it is accepted.
pub(super) const MAX_CONNECTIONS: usize = 1024;
/// How long a peer may take over one message, the first included: a slow sender is cut off (S5).
const MESSAGE_TIME: Duration = Duration::from_secs(30);
/// How long a connection that has carried a message may be silent: longer than the longest call.
const IDLE_TIME: Duration = Duration::from_secs(2 * 3600);
/// How long connecting and writing may take.
const WRITE_TIME: Duration = Duration::from_secs(5);
/// How long a TLS handshake may take, ours or the peer's part.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// Most TLS handshakes of one socket at once, each of which costs a signature; a further connection is closed.
const MAX_HANDSHAKES: usize = 64;
/// Octets read at once.
const CHUNK: usize = 4096;

/// What reads a connection, whatever it is made of.
type Reader = Box<dyn AsyncRead + Send + Unpin>;

/// Accepts until `cancel`; with an acceptor each connection must begin by a TLS handshake.
pub(super) async fn serve(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    door: Arc<Door>,
    stack: EndpointInnerRef,
    cancel: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    loop {
        let accepted = tokio::select! {
            () = cancel.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, source) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: accepting again at once would spin.
                tracing::warn!(%error, "cannot accept a SIP connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if !door.trusts(source.ip()) {
            Counters::count(&door.counters.untrusted);
            continue;
        }
        let slot = Arc::clone(&slots).try_acquire_owned();
        let handshake = Arc::clone(&handshakes).try_acquire_owned();
        let (Ok(slot), Ok(handshake)) = (slot, handshake) else {
            Counters::count(&door.counters.connections_refused);
            continue;
        };
        let local = listener.local_addr().ok().map(|addr| addr.port());
        let (door, stack, cancel) = (Arc::clone(&door), Arc::clone(&stack), cancel.child_token());
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let _slot = slot;
            let adopted = accept(stream, acceptor, local, cancel).await;
            drop(handshake);
            match adopted {
                Ok((connection, reader)) => read(connection, reader, source, door, stack).await,
                Err(error) => tracing::debug!(%source, %error, "SIP connection lost at once"),
            }
        });
    }
}

async fn accept(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    port: Option<u16>,
    cancel: CancellationToken,
) -> io::Result<(SipConnection, Reader)> {
    prepare(&stream)?;
    match acceptor {
        None => adopt(stream, port, cancel).await,
        Some(acceptor) => {
            let addrs = (stream.local_addr()?, stream.peer_addr()?);
            let stream =
                timeout(HANDSHAKE_TIME, acceptor.accept(stream)).await.map_err(|_| io::ErrorKind::TimedOut)??;
            adopt_tls(stream, addrs, port, cancel).await
        }
    }
}

/// Connects to `remote` and reads what comes back. `listen_port` is where a new connection to us would arrive. With
/// `secure`, by TLS with a peer that proves this name.
pub(super) async fn dial(
    remote: SocketAddr,
    secure: Option<(TlsConnector, ServerName<'static>)>,
    listen_port: Option<u16>,
    door: Arc<Door>,
    stack: EndpointInnerRef,
    cancel: CancellationToken,
) -> io::Result<SipConnection> {
    let stream = timeout(WRITE_TIME, TcpStream::connect(remote)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    prepare(&stream)?;
    let (connection, reader) = match secure {
        None => adopt(stream, listen_port, cancel).await?,
        Some((connector, name)) => {
            let addrs = (stream.local_addr()?, remote);
            let handshake = timeout(HANDSHAKE_TIME, connector.connect(name, stream));
            let stream = handshake.await.map_err(|_| io::ErrorKind::TimedOut)??;
            adopt_tls(stream, addrs, listen_port, cancel).await?
        }
    };
    tokio::spawn(read(connection.clone(), reader, remote, door, stack));
    Ok(connection)
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // A peer that no longer takes what we write would hold the writer, and with it a call's task, for ever.
    SockRef::from(stream).set_tcp_user_timeout(Some(MESSAGE_TIME))
}

/// Wraps a stream for the library, which reports `port` as ours, and takes the reading half back.
async fn adopt(stream: TcpStream, port: Option<u16>, cancel: CancellationToken) -> io::Result<(SipConnection, Reader)> {
    let mut local = stream.local_addr()?;
    local.set_port(port.unwrap_or(local.port()));
    let local = address(local, Transport::Tcp);
    let connection = TcpConnection::from_stream(stream, local, Some(cancel)).map_err(io::Error::other)?;
    let reader = connection.inner.read_half.lock().await.take().ok_or(io::ErrorKind::NotConnected)?;
    Ok((SipConnection::Tcp(connection), Box::new(reader)))
}

/// The same after a handshake, between the addresses `(local, remote)`.
async fn adopt_tls(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    (mut local, remote): (SocketAddr, SocketAddr),
    port: Option<u16>,
    cancel: CancellationToken,
) -> io::Result<(SipConnection, Reader)> {
    local.set_port(port.unwrap_or(local.port()));
    let (reader, writer) = tokio::io::split(stream);
    let connection = tls::adopt(writer, local, &address(remote, Transport::Tls), cancel).await?;
    Ok((SipConnection::TlsPlatform(connection), Box::new(reader)))
}

/// The library's form of an address.
fn address(addr: SocketAddr, transport: Transport) -> SipAddr {
    SipAddr { r#type: Some(transport), addr: HostWithPort::from(addr) }
}

async fn read(
    connection: SipConnection,
    mut reader: Reader,
    source: SocketAddr,
    door: Arc<Door>,
    stack: EndpointInnerRef,
) {
    let cancel = connection.cancel_token().unwrap_or_default();
    // Cancelled whichever way this ends, so that no dialog writes to a connection that nobody reads.
    let _closed = cancel.clone().drop_guard();
    let mut buf = Vec::new();
    let mut chunk = [0; CHUNK];
    let mut deadline = Instant::now() + MESSAGE_TIME;
    loop {
        let read = tokio::select! {
            () = cancel.cancelled() => break,
            read = timeout_at(deadline, reader.read(&mut chunk)) => read,
        };
        match read {
            Ok(Ok(len @ 1..)) => {
                let fresh = buf.is_empty();
                buf.extend_from_slice(&chunk[..len]);
                if fresh {
                    deadline = Instant::now() + MESSAGE_TIME;
                }
            }
            Ok(Ok(0)) | Ok(Err(_)) | Err(_) => break,
        }
        match drain(&mut buf, &connection, source, &door, &stack).await {
            Some(true) if buf.is_empty() => deadline = Instant::now() + IDLE_TIME,
            Some(true) => deadline = Instant::now() + MESSAGE_TIME,
            Some(false) => {}
            None => break,
        }
    }
    match &connection {
        SipConnection::Tcp(connection) => drop(connection.close().await),
        SipConnection::TlsPlatform(connection) => drop(connection.close().await),
        // No other kind is made here.
        SipConnection::Channel(_)
        | SipConnection::Udp(_)
        | SipConnection::TcpListener(_)
        | SipConnection::Tls(_)
        | SipConnection::TlsListener(_) => {}
    }
}

/// Handles every whole message in `buf`: whether there was one, or `None` when the stream is of no more use.
async fn drain(
    buf: &mut Vec<u8>,
    connection: &SipConnection,
    source: SocketAddr,
    door: &Door,
    stack: &EndpointInnerRef,
) -> Option<bool> {
    let mut any = false;
    loop {
        match framing::next(buf) {
            Frame::Incomplete => return Some(any),
            Frame::Ping => write(connection, b"\r\n").await?,
            Frame::Message(message) => {
                any = true;
                match door.screen(&message, source, Framing::Stream) {
                    Verdict::Pass(message) => deliver(&message, connection, source, stack).await,
                    Verdict::Answer { response, .. } => write(connection, &response).await?,
                    Verdict::Drop(_) => {}
                }
            }
            Frame::Broken(message) => {
                if let Verdict::Answer { response, .. } = door.screen(&message, source, Framing::Stream) {
                    write(connection, &response).await?;
                }
                return None;
            }
            Frame::TooLong(head) => {
                let message = head.and_then(|head| Message::read(&head));
                let is_request = |m: &Message| !m.start_line.starts_with("SIP/") && !m.start_line.starts_with("ACK ");
                if let Some(response) = message.filter(is_request).and_then(|m| Reply::new(513).print(&m, source)) {
                    write(connection, &response).await?;
                }
                return None;
            }
        }
    }
}

/// Writes, or gives the connection up when the peer does not read.
async fn write(connection: &SipConnection, data: &[u8]) -> Option<()> {
    let written = async {
        match connection {
            SipConnection::Tcp(connection) => connection.send_raw(data).await,
            SipConnection::TlsPlatform(connection) => connection.send_raw(data).await,
            // No other kind is made here.
            SipConnection::Channel(_)
            | SipConnection::Udp(_)
            | SipConnection::TcpListener(_)
            | SipConnection::Tls(_)
            | SipConnection::TlsListener(_) => Ok(()),
        }
    };
    timeout(WRITE_TIME, written).await.ok()?.ok()
}

async fn deliver(message: &[u8], connection: &SipConnection, source: SocketAddr, stack: &EndpointInnerRef) {
    let transport = connection.transport();
    let sent_by = address(source, transport);
    let delivered = match SipMessage::try_from(message).map_err(rsipstack::Error::from) {
        Ok(message) => match SipConnection::update_msg_received(message, source, transport) {
            Ok(message) => stack.on_received_message(message, connection.clone(), &sent_by).await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    if let Err(error) = delivered {
        tracing::debug!(%source, %error, "the SIP library refused a message");
    }
}
