//! Browsers that find their way in while others spray every port with garbage (S10).

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::browser::drive;
use crate::call::stream::SrtpSuite;
use crate::clock::monotonic;
use crate::ids::CallId;
use crate::media::rtp::{HEADER_LEN, Header, SeqNo, Timestamp};
use crate::media::{Engine, MediaConfig, MediaEvent, srtp};
use crate::rtc::testing::Browser;
use crate::rtc::{Identity, News, Peer};

const PORTS: (u16, u16) = (29_100, 29_199);
/// Far longer than a set-up takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends ClientHellos that want no encryption, false SRTP and false STUN to every port; seeded.
struct Sprayer {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Sprayer {
    fn start() -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopping, counting) = (Arc::clone(&stop), Arc::clone(&sent));
        let thread = std::thread::spawn(move || {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
            let mut rng = StdRng::seed_from_u64(23);
            while !stopping.load(Ordering::Relaxed) {
                for port in PORTS.0..=PORTS.1 {
                    let datagram = garbage(&mut rng);
                    let sent = socket.send_to(&datagram, (Ipv4Addr::LOCALHOST, port)).is_ok();
                    counting.fetch_add(u64::from(sent), Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(2)); // 50,000 a second would starve the machine, not the ports.
            }
        });
        Self { stop, sent, thread: Some(thread) }
    }
}

impl Drop for Sprayer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(std::thread::JoinHandle::join);
    }
}

fn garbage(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..3) {
        // ClientHello of DTLS 1.2 with TLS_NULL_WITH_NULL_NULL as its only suite.
        0 => {
            let mut hello = vec![254, 253];
            hello.extend((0..32).map(|_| rng.random::<u8>()));
            hello.extend([0, 0, 0, 2, 0, 0, 1, 0]);
            let len = [0, 0, hello.len() as u8];
            let mut handshake = [&[1][..], &len, &[0, 0, 0, 0, 0], &len].concat();
            handshake.extend(hello);
            [&[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, handshake.len() as u8][..], &handshake].concat()
        }
        1 => {
            let mut srtp: Vec<u8> = (0..182).map(|_| rng.random()).collect();
            srtp[..2].copy_from_slice(&[128, 8]);
            srtp
        }
        _ => {
            let mut stun: Vec<u8> = (0..100).map(|_| rng.random()).collect();
            stun[..8].copy_from_slice(&[0, 1, 0, 80, 0x21, 0x12, 0xA4, 0x42]);
            stun
        }
    }
}

/// One browser, from its offer to its first packet of sound.
async fn set_up(engine: &Engine, identity: &Identity) {
    let socket = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
    let at = socket.local_addr().expect("bound");
    let profile = SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm;
    let mut browser = Browser::new(at, profile, monotonic());
    let peer = Peer::new(identity, &browser.offer(), monotonic()).expect("a peer");
    let check = Browser::binding(peer.credentials());
    let (mut media, port) = engine.open_with_beside(CallId::fresh()).expect("ports");
    let to: SocketAddr = media.local_rtp();
    let (sender, mut news) = mpsc::channel(8);
    tokio::spawn(drive(port, peer, sender));
    let mut datagram = [0; 2_048];
    let stream = loop {
        socket.send_to(&check, to).await.expect("sent");
        browser.timeout(monotonic());
        for flight in browser.flight() {
            socket.send_to(&flight, to).await.expect("sent");
        }
        // What is lost is repeated by the next turn.
        while let Ok(received) = timeout(Duration::from_millis(50), socket.recv_from(&mut datagram)).await {
            let (len, _) = received.expect("received");
            browser.read(&datagram[..len], monotonic());
            for flight in browser.flight() {
                socket.send_to(&flight, to).await.expect("sent");
            }
            if !news.is_empty() {
                break;
            }
        }
        if let Ok(told) = news.try_recv() {
            break match told {
                News::Stream(stream) => stream,
                News::Lost(why) => panic!("lost: {why:?}"),
            };
        }
    };
    media.connect(stream).expect("connected");
    let keys = browser.keys(SrtpSuite::AeadAes128Gcm).expect("keys");
    let mut session = srtp::Session::new(&keys);
    for seq in 0..500 {
        let mut packet = vec![0xD5; HEADER_LEN + 160 + srtp::MAX_GROWTH];
        let timestamp = Timestamp(u32::from(seq) * 160);
        let header = Header { marker: false, payload_type: 8, seq: SeqNo(seq), timestamp, ssrc: 7 };
        header.write(packet.first_chunk_mut().expect("room"));
        let len = session.protect(&mut packet, HEADER_LEN + 160).expect("protected");
        socket.send_to(&packet[..len], to).await.expect("sent");
        match timeout(Duration::from_millis(20), media.next()).await {
            Ok(Some(MediaEvent::FirstPacket { .. })) => break,
            Ok(None) => panic!("the session is gone"),
            Ok(Some(_)) | Err(_) => {}
        }
    }
    let summary = media.close().await.quality.expect("figures");
    assert!(summary.first_packet.is_some(), "its sound came through: {summary:?}");
    assert!(summary.packets_received < 500, "and the false did not: {summary:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_browsers_of_a_hundred_find_their_way_through_a_spray() {
    let config = MediaConfig { address: Ipv4Addr::LOCALHOST.into(), ports: PORTS, threads: 1 };
    let engine = Engine::start(config).expect("an engine");
    let identity = Identity::generate().expect("an identity");
    let sprayer = Sprayer::start();
    for n in 0..100 {
        timeout(PATIENCE, set_up(&engine, &identity)).await.unwrap_or_else(|_| panic!("browser {n} came not in"));
    }
    let sent = sprayer.sent.load(Ordering::Relaxed);
    assert!(sent > 1_000, "only {sent} false datagrams");
}
