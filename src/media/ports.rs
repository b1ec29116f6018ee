//! Lends pairs of UDP ports: an even one for RTP and the odd one above it for RTCP (RFC 3550 §11).

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::MediaError;

/// Socket receive buffer, in octets: about 100 packets of 20 ms, two seconds.
const RECEIVE_BUFFER: usize = 64 * 1024;

/// The pairs that are free. A pair given back goes to the end, so that a late packet of the call before meets nobody.
#[derive(Debug)]
pub struct PortPool {
    address: IpAddr,
    range: (u16, u16),
    free: Mutex<VecDeque<u16>>,
}

/// A bound pair of sockets; the pair is free again when this is dropped.
#[derive(Debug)]
pub struct PortPair {
    /// For RTP.
    pub rtp: UdpSocket,
    /// For RTCP.
    pub rtcp: UdpSocket,
    /// Whom `rtp` is connected to.
    peer: Option<SocketAddr>,
    lease: Lease,
}

#[derive(Debug)]
struct Lease {
    port: u16,
    pool: Arc<PortPool>,
}

impl PortPool {
    /// The pairs within `range`, both ends included.
    pub fn new(address: IpAddr, range: (u16, u16)) -> Arc<Self> {
        let first = range.0.max(2).next_multiple_of(2);
        let free = (first..range.1).step_by(2).collect();
        Arc::new(Self { address, range, free: Mutex::new(free) })
    }

    /// Lends a pair. Pairs that another program holds are passed over.
    ///
    /// # Errors
    /// [`MediaError::PortsExhausted`] when none is free, or the system's error when sockets cannot be had at all.
    pub fn lend(self: &Arc<Self>) -> Result<PortPair, MediaError> {
        let tries = self.free().len();
        for _ in 0..tries {
            let Some(port) = self.free().pop_front() else { break };
            let lease = Lease { port, pool: Arc::clone(self) };
            match self.bind(port).and_then(|rtp| Ok((rtp, self.bind(port + 1)?))) {
                Ok((rtp, rtcp)) => return Ok(PortPair { rtp, rtcp, peer: None, lease }),
                Err(source) if source.kind() == std::io::ErrorKind::AddrInUse => {}
                Err(source) => return Err(MediaError::Socket { address: SocketAddr::new(self.address, port), source }),
            }
        }
        Err(MediaError::PortsExhausted { first: self.range.0, last: self.range.1 })
    }

    /// The address that all pairs are bound to.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many pairs are free.
    pub fn available(&self) -> usize {
        self.free().len()
    }

    fn bind(&self, port: u16) -> std::io::Result<UdpSocket> {
        let address = SocketAddr::new(self.address, port);
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::DGRAM.nonblocking(),
            Some(socket2::Protocol::UDP),
        )?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.bind(&address.into())?;
        Ok(socket.into())
    }

    fn free(&self) -> std::sync::MutexGuard<'_, VecDeque<u16>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PortPair {
    /// The RTP port.
    pub fn port(&self) -> u16 {
        self.lease.port
    }

    /// Connects the RTP socket to the only peer that it shall hear, or frees it again. Connected, the kernel looks its
    /// route up once instead of for each packet, and strangers' packets do not wake us.
    pub fn settle(&mut self, peer: Option<SocketAddr>) {
        if self.peer == peer {
            return;
        }
        let done = match peer {
            Some(peer) => self.rtp.connect(peer).is_ok(),
            None => rustix::net::connect_unspec(&self.rtp).is_ok(),
        };
        // A system that refuses leaves the socket as it was, which works as well and costs more.
        if done {
            self.peer = peer;
        }
    }

    /// Receives a datagram at the RTP port, and says from whom.
    ///
    /// # Errors
    /// The system's.
    pub fn recv(&self, datagram: &mut [u8]) -> std::io::Result<(usize, SocketAddr)> {
        match self.peer {
            Some(peer) => Ok((self.rtp.recv(datagram)?, peer)),
            None => self.rtp.recv_from(datagram),
        }
    }

    /// Sends a datagram from the RTP port.
    ///
    /// # Errors
    /// The system's.
    pub fn send(&self, datagram: &[u8], to: SocketAddr) -> std::io::Result<usize> {
        if self.peer == Some(to) { self.rtp.send(datagram) } else { self.rtp.send_to(datagram, to) }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.free().push_back(self.port);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    /// A range of `pairs` pairs that nobody holds at the moment.
    fn pool(pairs: u16) -> Arc<PortPool> {
        let probe = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let first = probe.local_addr().expect("bound").port().clamp(10_000, 60_000) & !1;
        PortPool::new(Ipv4Addr::LOCALHOST.into(), (first, first + 2 * pairs - 1))
    }

    #[test]
    fn pairs_are_even_and_adjacent_and_come_back() {
        let pool = pool(8);
        let pair = pool.lend().expect("a pair");
        let rtp = pair.rtp.local_addr().expect("bound").port();
        assert!(rtp.is_multiple_of(2));
        assert_eq!((pair.port(), pair.rtcp.local_addr().expect("bound").port()), (rtp, rtp + 1));
        let free = pool.available();
        drop(pair);
        assert_eq!(pool.available(), free + 1);
        assert_ne!(pool.lend().expect("a pair").port(), rtp, "the oldest pair goes first");
    }

    #[test]
    fn a_settled_pair_hears_its_peer_alone_until_it_is_freed() {
        let pool = pool(8);
        let mut pair = pool.lend().expect("a pair");
        let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let (peer, stranger, us) = (bind(), bind(), pair.rtp.local_addr().expect("bound"));
        let heard = |pair: &PortPair| {
            stranger.send_to(b"stranger", us).expect("sent");
            peer.send_to(b"peer", us).expect("sent");
            let mut datagram = [0; 16];
            let all = std::iter::from_fn(|| pair.rtp.recv(&mut datagram).ok().map(|len| datagram[..len].to_vec()));
            all.filter(|datagram| !datagram.is_empty()).collect::<Vec<_>>()
        };
        let address = peer.local_addr().expect("bound");
        pair.settle(Some(address));
        assert_eq!(heard(&pair), [b"peer"]);
        assert_eq!(pair.send(b"x", address).expect("sent"), 1);
        pair.settle(None);
        assert_eq!(pair.rtp.local_addr().expect("bound"), us, "freed, it keeps its port");
        assert_eq!(heard(&pair), [b"stranger".to_vec(), b"peer".to_vec()]);
        let other = bind();
        assert_eq!(pair.send(b"other", other.local_addr().expect("bound")).expect("sent"), 5);
    }

    #[test]
    fn an_empty_pool_says_its_range() {
        let pool = PortPool::new(Ipv4Addr::LOCALHOST.into(), (10_000, 10_000));
        let error = pool.lend().expect_err("no pair");
        assert!(matches!(error, MediaError::PortsExhausted { first: 10_000, last: 10_000 }));
    }

    #[test]
    fn a_pair_that_is_taken_elsewhere_is_passed_over() {
        let pool = pool(8);
        let taken = pool.free().front().copied().expect("a pair");
        let _other = UdpSocket::bind((Ipv4Addr::LOCALHOST, taken + 1));
        let pair = pool.lend().expect("a pair");
        assert_ne!(pair.port(), taken);
        assert_eq!(pool.available(), 7, "the pair that was passed over stays in the pool");
    }
}
