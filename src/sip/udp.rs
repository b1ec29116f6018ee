//! The UDP socket that the SIP library reads and writes: every datagram passes the front door first.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use rsipstack::platform::net::UdpSocket as StackSocket;

use super::door::Door;
use super::front::{Framing, Verdict};

/// A bound socket behind the front door.
///
/// The library hands in a buffer of 8 KiB. A longer datagram arrives cut, fails its Content-Length and gets a 400; no
/// telephone sends one (RFC 3261 §18.1.1 wants TCP beyond the path MTU).
pub(super) struct ScreenedSocket {
    socket: tokio::net::UdpSocket,
    door: Arc<Door>,
}

impl ScreenedSocket {
    pub(super) fn new(socket: tokio::net::UdpSocket, door: Arc<Door>) -> Self {
        Self { socket, door }
    }
}

#[async_trait]
impl StackSocket for ScreenedSocket {
    async fn recv_from(&self, buf: &mut [u8]) -> rsipstack::Result<(usize, SocketAddr)> {
        loop {
            let (len, source) = self.socket.recv_from(buf).await?;
            match self.door.screen(&buf[..len], source, Framing::Datagram) {
                Verdict::Pass(message) => match buf.get_mut(..message.len()) {
                    Some(room) => {
                        room.copy_from_slice(&message);
                        return Ok((message.len(), source));
                    }
                    None => tracing::debug!(%source, "message dropped: longer than a datagram may be"),
                },
                // A full send buffer loses the answer, as the network may; the peer retransmits.
                Verdict::Answer { response, .. } => drop(self.socket.try_send_to(&response, source)),
                Verdict::Drop(_) => {}
            }
        }
    }

    async fn send_to(&self, buf: &[u8], addr: SocketAddr) -> rsipstack::Result<usize> {
        Ok(self.socket.send_to(buf, addr).await?)
    }

    fn local_addr(&self) -> rsipstack::Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }
}
