//! What comes to a session's RTP port and is not RTP: STUN and DTLS, by which a browser finds and keys its way in (RFC 7983).
//!
//! The engine thread copies such a datagram into a ring and reads nothing of it; whoever opened the session judges it and
//! answers from the same port. Sessions that were not opened so never hand anything on.

use std::net::{SocketAddr, UdpSocket};

use tokio::sync::mpsc;

/// Longest datagram handed on, in octets: what fits an Ethernet frame. Longer ones are dropped.
pub const MAX_BESIDE: usize = 1_500;
/// Datagrams that may wait for one session; more are dropped, and their senders repeat them.
pub const QUEUE: usize = 32;

/// A datagram on its way from an engine thread to its pump.
pub struct Beside {
    /// The session's slot.
    pub slot: u32,
    /// The session's number.
    pub serial: u64,
    /// Who sent it.
    pub from: SocketAddr,
    len: usize,
    octets: [u8; MAX_BESIDE],
}

impl Beside {
    /// A copy of a datagram; `None` where it is too long.
    pub fn of(slot: u32, serial: u64, datagram: &[u8], from: SocketAddr) -> Option<Self> {
        let mut octets = [0; MAX_BESIDE];
        octets.get_mut(..datagram.len())?.copy_from_slice(datagram);
        Some(Self { slot, serial, from, len: datagram.len(), octets })
    }

    /// The datagram.
    pub fn octets(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}

/// Whether a datagram is not RTP or RTCP, by its first octet (RFC 7983 §7).
pub fn is_beside(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| !(128..192).contains(first))
}

/// A session's RTP port as STUN and DTLS see it.
#[derive(Debug)]
pub struct BesidePort {
    socket: UdpSocket,
    arriving: mpsc::Receiver<(SocketAddr, Vec<u8>)>,
}

impl BesidePort {
    pub(super) fn new(socket: UdpSocket, arriving: mpsc::Receiver<(SocketAddr, Vec<u8>)>) -> Self {
        Self { socket, arriving }
    }

    /// The next datagram, with who sent it; `None` once the session has ended. Safe to cancel.
    pub async fn next(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.arriving.recv().await
    }

    /// Sends a datagram from the RTP port. A system that refuses loses it, as the network may.
    pub fn send(&self, datagram: &[u8], to: SocketAddr) {
        if let Err(error) = self.socket.send_to(datagram, to) {
            tracing::trace!(%error, "a datagram beside RTP was not sent");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::call::stream::{Codec, Stream};
    use crate::ids::CallId;
    use crate::media::{Engine, MediaConfig};

    #[test]
    fn the_first_octet_tells_what_is_no_rtp() {
        for (first, beside) in [(0, true), (3, true), (20, true), (63, true), (128, false), (191, false), (192, true)] {
            assert_eq!(is_beside(&[first, 0, 0, 0]), beside, "{first}");
        }
        assert!(!is_beside(&[]));
    }

    #[tokio::test]
    async fn one_port_carries_checks_sound_and_reports() {
        let config = MediaConfig { address: Ipv4Addr::LOCALHOST.into(), ports: (29_000, 29_099), threads: 1 };
        let engine = Engine::start(config).expect("an engine");
        let (session, mut port) = engine.open_with_beside(CallId::fresh()).expect("ports");
        let browser = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        browser.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
        let (at, mut datagram) = (browser.local_addr().expect("bound"), [0; MAX_BESIDE]);
        browser.send_to(&[128, 8, 0, 0], session.local_rtp()).expect("sent"); // RTP.
        browser.send_to(&[0, 1, 2], session.local_rtp()).expect("sent");
        let heard = timeout(Duration::from_secs(5), port.next()).await.expect("in time");
        assert_eq!(heard, Some((at, vec![0, 1, 2])), "and not the RTP before it");
        port.send(&[22, 254], at);
        let (len, from) = browser.recv_from(&mut datagram).expect("an answer");
        assert_eq!((&datagram[..len], from), (&[22, 254][..], session.local_rtp()));
        let stream = Stream { remote_rtcp: at, ..Stream::new(at, Codec::Pcma) };
        session.connect(stream).expect("connected");
        session.close().await;
        loop {
            let (len, from) = browser.recv_from(&mut datagram).expect("a report");
            assert_eq!(from.port() % 2, 0, "from the RTP port");
            if len > 1 && (192..224).contains(&datagram[1]) {
                break; // The last report comes to the browser's one port (RFC 5761).
            }
        }
        assert_eq!(timeout(Duration::from_secs(5), port.next()).await.expect("in time"), None);
    }

    #[test]
    fn a_datagram_longer_than_a_frame_is_not_handed_on() {
        let from = SocketAddr::from(([127, 0, 0, 1], 9));
        assert_eq!(Beside::of(0, 1, &[7; MAX_BESIDE], from).expect("it fits").octets(), [7; MAX_BESIDE]);
        assert!(Beside::of(0, 1, &[7; MAX_BESIDE + 1], from).is_none());
    }
}
