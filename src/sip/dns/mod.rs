//! Where a SIP URI leads (RFC 3263): an address as it stands, the servers of its domain by SRV, or the host itself.
//!
//! A trunk's transport is configured, so NAPTR, which would choose one, is not asked (RFC 3263 §4.1). Names are asked of the
//! system's name servers by UDP; an answer too long for a datagram counts as none, and the host's own address is taken. What
//! was found is kept for its time to live, and of several servers the one in use until it fails (RFC 3263 §4.3).

mod message;
mod order;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rsipstack::sip::{HostWithPort, Transport};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::address::Uri;
use super::state::{resolve, transport};
use crate::clock::monotonic;
use message::{ANSWER_MAX, Data, Fault, Kind, Record, Srv};

/// How long a name server may take; then the next is asked.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Name servers asked, at most.
const SERVERS_MAX: usize = 3;
/// Servers of one service that are looked up.
const TARGETS_MAX: usize = 8;
/// Bounds of how long an answer is kept, whatever it says itself.
const KEEP: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(3_600));
/// That there are no SRV records is kept so long.
const KEEP_NONE: Duration = Duration::from_secs(300);
/// Services kept; beyond it all are forgotten.
const KEPT_MAX: usize = 256;

/// Finds peers, and remembers.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Who is asked; empty: nobody, and only hosts' own addresses are found.
    servers: Vec<SocketAddr>,
    kept: Mutex<BTreeMap<String, Kept>>,
}

/// The servers of a service.
#[derive(Clone, Debug)]
struct Kept {
    /// In the order in which they are tried; empty: the service has no SRV records.
    targets: Vec<SocketAddr>,
    /// The one in use.
    at: usize,
    until: Instant,
}

impl Names {
    /// Asks these name servers.
    pub(super) fn new(servers: Vec<SocketAddr>) -> Self {
        Self { servers, kept: Mutex::default() }
    }

    /// Where a URI leads; `None` where its host is not known.
    pub(super) async fn find(&self, uri: &str) -> Option<SocketAddr> {
        let Some(service) = service(uri) else { return resolve(uri).await };
        let known = self.kept().get(&service).filter(|kept| kept.until > monotonic()).cloned();
        let kept = match known {
            Some(kept) => kept,
            None => self.look_up(service).await,
        };
        match kept.targets.get(kept.at) {
            Some(target) => Some(*target),
            None => resolve(uri).await,
        }
    }

    /// What a URI leads to has failed: the next server of its service is taken from now on. `false` where there is none that
    /// was not tried since the service was looked up.
    pub(super) fn failed(&self, uri: &str) -> bool {
        let Some(service) = service(uri) else { return false };
        let mut kept = self.kept();
        let Some(found) = kept.get_mut(&service) else { return false };
        found.at += 1;
        if found.at < found.targets.len() {
            return true;
        }
        // Everybody failed: looked up anew at the next occasion.
        kept.remove(&service);
        false
    }

    /// A panic while the lock was held leaves the map whole: every change is one insertion or removal.
    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look_up(&self, service: String) -> Kept {
        let records = self.ask(&service, Kind::Srv).await.unwrap_or_else(|fault| {
            tracing::debug!(service, %fault, "no servers of a SIP service are known");
            Vec::new()
        });
        let ttl = records.iter().map(|record| record.ttl).min();
        let servers = records.into_iter().filter_map(|record| match record.data {
            Data::Server(server) => Some(server),
            Data::Address(_) => None,
        });
        let mut targets = Vec::new();
        for Srv { port, target, .. } in order::order(servers.collect(), draw).into_iter().take(TARGETS_MAX) {
            targets.extend(self.host(&target).await.map(|ip| SocketAddr::new(ip, port)));
        }
        let lasts = ttl.map_or(KEEP_NONE, |ttl| ttl.clamp(KEEP.0, KEEP.1));
        let found = Kept { targets, at: 0, until: monotonic() + lasts };
        let mut kept = self.kept();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(service, found.clone());
        found
    }

    async fn host(&self, name: &str) -> Option<IpAddr> {
        for kind in [Kind::A, Kind::Aaaa] {
            let found = self.ask(name, kind).await.unwrap_or_default();
            let address = found.into_iter().find_map(|record| match record.data {
                Data::Address(ip) => Some(ip),
                Data::Server(_) => None,
            });
            if address.is_some() {
                return address;
            }
        }
        None
    }

    /// Asks one name server after the other until one answers.
    async fn ask(&self, name: &str, kind: Kind) -> Result<Vec<Record>, Fault> {
        let mut last = Fault::Other;
        for server in self.servers.iter().take(SERVERS_MAX) {
            match timeout(PATIENCE, ask_one(*server, name, kind)).await {
                Ok(Ok(records)) => return Ok(records),
                Ok(Err(fault)) => last = fault,
                Err(_) => {}
            }
        }
        Err(last)
    }
}

/// Reads octets as an answer to every kind of question: an entrance for the fuzz target.
#[cfg(fuzzing)]
pub(super) fn read_any(data: &[u8]) {
    let id = data.first_chunk().map_or(0, |id| u16::from_be_bytes(*id));
    for kind in [Kind::A, Kind::Aaaa, Kind::Srv] {
        if let Ok(records) = message::answer(data, id, "trunk.example", kind) {
            let servers = records.into_iter().filter_map(|record| match record.data {
                Data::Server(server) => Some(server),
                Data::Address(_) => None,
            });
            order::order(servers.collect(), |below| below - 1);
        }
    }
}

/// The name servers in the text of `resolv.conf` (resolv.conf(5)).
pub fn name_servers(resolv_conf: &str) -> Vec<SocketAddr> {
    const PORT: u16 = 53;
    let server = |line: &str| line.trim().strip_prefix("nameserver")?.trim().parse().ok();
    resolv_conf.lines().filter_map(server).map(|ip: IpAddr| SocketAddr::new(ip, PORT)).take(SERVERS_MAX).collect()
}

/// The service that a URI names: its host with the transport, where it has neither an address nor a port (RFC 3263 §4.2).
fn service(uri: &str) -> Option<String> {
    let uri = Uri::parse(uri).ok()?;
    let host_port = HostWithPort::try_from(uri.hostport).ok()?;
    let host = uri.host();
    if host_port.port.is_some() || host.parse::<IpAddr>().is_ok() {
        return None;
    }
    let labels = match transport(&uri)? {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        Transport::Sctp | Transport::TlsSctp | Transport::Ws | Transport::Wss => return None,
    };
    Some(format!("{labels}.{}", host.to_ascii_lowercase()))
}

/// One question to one server. Whatever comes that answers another question is left, so that a guess from elsewhere gains
/// nothing; the socket takes datagrams of that server only.
async fn ask_one(server: SocketAddr, name: &str, kind: Kind) -> Result<Vec<Record>, Fault> {
    let id = rand::random();
    let question = message::question(id, name, kind).ok_or(Fault::Other)?;
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let unreachable = |_| Fault::Other;
    let socket = UdpSocket::bind((any, 0)).await.map_err(unreachable)?;
    socket.connect(server).await.map_err(unreachable)?;
    socket.send(&question).await.map_err(unreachable)?;
    let mut buffer = [0; ANSWER_MAX as usize];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(unreachable)?;
        match message::answer(&buffer[..length], id, name, kind) {
            Err(Fault::Other) => {}
            answered => return answered,
        }
    }
}

fn draw(below: u32) -> u32 {
    use rand::RngExt;
    rand::rng().random_range(0..below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_of_the_system() {
        let text = "# by hand\nsearch example\nnameserver 192.0.2.1\nnameserver 2001:db8::53\nnameserver nowhere\n";
        assert_eq!(
            name_servers(text),
            ["192.0.2.1:53", "[2001:db8::53]:53"].map(|a| a.parse::<SocketAddr>().expect("an address"))
        );
    }

    #[test]
    fn services_of_uris() {
        let check = |uri: &str, expected: Option<&str>| assert_eq!(service(uri).as_deref(), expected, "{uri}");
        check("sip:1@Trunk.example", Some("_sip._udp.trunk.example"));
        check("sip:trunk.example;transport=tcp", Some("_sip._tcp.trunk.example"));
        check("sip:trunk.example;transport=tls", Some("_sips._tcp.trunk.example"));
        check("sips:trunk.example", Some("_sips._tcp.trunk.example"));
        check("sip:trunk.example:5060", None);
        check("sip:192.0.2.1", None);
        check("sip:[2001:db8::1]", None);
    }

    /// A name server with two trunks behind one name; the second is tried when the first has failed.
    #[tokio::test]
    async fn the_next_server_is_taken_when_one_fails() {
        let server = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let names = Names::new(vec![server.local_addr().expect("an address")]);
        let answering = tokio::spawn(async move {
            let mut buffer = [0; 512];
            loop {
                let (length, from) = server.recv_from(&mut buffer).await.expect("a question");
                server.send_to(&answered(&buffer[..length]), from).await.expect("sent");
            }
        });
        let uri = "sip:139@trunk.example";
        let at = |text: &str| Some(text.parse::<SocketAddr>().expect("an address"));
        assert_eq!(names.find(uri).await, at("192.0.2.1:5070"));
        assert!(names.failed(uri));
        assert_eq!(names.find(uri).await, at("192.0.2.2:5080"));
        assert!(!names.failed(uri), "both have failed");
        assert_eq!(names.find(uri).await, at("192.0.2.1:5070"), "looked up anew");
        // Without SRV records the host itself is taken.
        assert_eq!(names.find("sip:localhost;transport=tcp").await.map(|a| a.port()), Some(5_060));
        answering.abort();
    }

    /// What the name server of these tests says: `a.example` and `b.example` serve `_sip._udp.trunk.example`.
    fn answered(question: &[u8]) -> Vec<u8> {
        let name_end = 12 + question[12..].iter().position(|b| *b == 0).expect("an end") + 1;
        let kind = question[name_end + 1];
        let name = question[12..name_end].to_vec();
        let records: Vec<Vec<u8>> = match (kind, &name[..]) {
            (33, b"\x04_sip\x04_udp\x05trunk\x07example\x00") => vec![
                [&[0, 20, 0, 0], &5_080_u16.to_be_bytes()[..], b"\x01b\x07example\x00"].concat(),
                [&[0, 10, 0, 0], &5_070_u16.to_be_bytes()[..], b"\x01a\x07example\x00"].concat(),
            ],
            (1, b"\x01a\x07example\x00") => vec![vec![192, 0, 2, 1]],
            (1, b"\x01b\x07example\x00") => vec![vec![192, 0, 2, 2]],
            _ => Vec::new(),
        };
        let mut out = question[..name_end + 4].to_vec();
        out[2..4].copy_from_slice(&[0x81, if records.is_empty() { 0x83 } else { 0x80 }]);
        out[7] = records.len() as u8;
        out[11] = 0;
        for record in records {
            out.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, record.len() as u8]);
            out.extend(record);
        }
        out
    }
}
