//! A browser of the webrtc crate's own stack against a [`Peer`], without a network.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rtc_crypto::default_provider;
use rtc_dtls::config::ConfigBuilder;
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::Endpoint;
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;

use super::ice::CONSENT;
use super::stun;
use super::*;
use crate::call::stream::{Codec, SrtpSuite, Stream};

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

/// A browser: checks its way in, then is the client of DTLS.
struct Browser {
    dtls: Endpoint,
    fingerprint: Fingerprint,
    at: SocketAddr,
}

impl Browser {
    fn new(at: SocketAddr, profile: SrtpProtectionProfile, now: Instant) -> Self {
        let provider = default_provider().expect("a provider");
        let certificate = Certificate::generate_self_signed(vec![], provider.crypto()).expect("a certificate");
        let hash = ring::digest::digest(&ring::digest::SHA256, &certificate.certificate[0]);
        let config = ConfigBuilder::default()
            .with_crypto_provider(provider)
            .with_certificates(vec![certificate])
            .with_srtp_protection_profiles(vec![profile])
            .with_insecure_skip_verify(true)
            .build(true, None)
            .expect("a configuration");
        let mut dtls = Endpoint::new(at, TransportProtocol::UDP, None);
        dtls.connect(now, address(1), Arc::new(config), None).expect("begun");
        Self { dtls, fingerprint: Fingerprint(hash.as_ref().try_into().expect("32 octets")), at }
    }

    fn offer(&self) -> Offer {
        Offer { mid: "0".into(), fingerprint: self.fingerprint, event_type: Some(126) }
    }

    /// Lets both talk until neither has anything to say; what the peer tells.
    fn talk(&mut self, peer: &mut Peer, now: Instant) -> Vec<News> {
        for _ in 0..32 {
            let mut quiet = true;
            while let Some(transmit) = self.dtls.poll_transmit() {
                quiet = false;
                peer.datagram(&transmit.message, self.at, now);
            }
            while let Some((to, datagram)) = peer.poll_transmit() {
                quiet = false;
                if to == self.at && !stun::is_stun(&datagram) {
                    // Who is refused hears of it by an alert.
                    let _ = self.dtls.read(now, address(1), None, datagram.as_slice().into());
                }
            }
            if quiet {
                break;
            }
        }
        std::iter::from_fn(|| peer.poll_news()).collect()
    }

    fn check(&self, peer: &mut Peer, now: Instant) {
        let Credentials { ufrag, password } = peer.credentials().clone();
        let request = stun::binding(&format!("{ufrag}:theirs"), password.as_bytes(), [3; 12], true);
        peer.datagram(&request, self.at, now);
    }
}

fn stream(news: &[News]) -> &Stream {
    match news {
        [News::Stream(stream)] => stream,
        other => panic!("no stream: {other:?}"),
    }
}

#[test]
fn a_browser_that_is_who_it_said_gets_a_stream() {
    let now = Instant::now();
    let identity = Identity::generate().expect("an identity");
    for (profile, suite) in [
        (SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm, SrtpSuite::AeadAes256Gcm),
        (SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm, SrtpSuite::AeadAes128Gcm),
        (SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80, SrtpSuite::AesCm128HmacSha1_80),
    ] {
        let mut browser = Browser::new(address(5_000), profile, now);
        let mut peer = Peer::new(&identity, &browser.offer(), now).expect("a peer");
        browser.check(&mut peer, now);
        let news = browser.talk(&mut peer, now);
        let stream = stream(&news);
        assert_eq!((stream.remote_rtp, stream.remote_rtcp, stream.codec), (browser.at, browser.at, Codec::Pcma));
        let srtp = stream.srtp.as_deref().expect("keys");
        assert_eq!(srtp.suite, suite);
        // The browser's own export: the client's key comes first.
        let state = browser.dtls.get_connection_state(address(1)).expect("a connection");
        let material =
            state.export_keying_material("EXTRACTOR-dtls_srtp", &[], 2 * (suite.key_len() + suite.salt_len()));
        let material = material.expect("exported");
        let (keys, salts) = AsRef::<[u8]>::as_ref(&material).split_at(2 * suite.key_len());
        assert_eq!(srtp.theirs.octets(), [&keys[..suite.key_len()], &salts[..suite.salt_len()]].concat());
        assert_eq!(srtp.ours.octets(), [&keys[suite.key_len()..], &salts[suite.salt_len()..]].concat());
    }
}

#[test]
fn another_certificate_gets_no_keys() {
    let now = Instant::now();
    let identity = Identity::generate().expect("an identity");
    for _ in 0..5 {
        let profile = SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm;
        let mut browser = Browser::new(address(5_000), profile, now);
        let other = Browser::new(address(5_001), profile, now);
        let mut peer = Peer::new(&identity, &other.offer(), now).expect("a peer");
        browser.check(&mut peer, now);
        assert_eq!(browser.talk(&mut peer, now), [News::Lost(Lost::Handshake)]);
    }
}

#[test]
fn a_handshake_without_a_check_is_not_heard() {
    let now = Instant::now();
    let identity = Identity::generate().expect("an identity");
    let mut browser = Browser::new(address(5_000), SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm, now);
    let mut peer = Peer::new(&identity, &browser.offer(), now).expect("a peer");
    assert_eq!(browser.talk(&mut peer, now), []);
    // What a stranger sent before did not take the browser's place.
    let later = now + Duration::from_secs(2);
    browser.check(&mut peer, later);
    browser.dtls.handle_timeout(address(1), later).expect("repeated");
    stream(&browser.talk(&mut peer, later));
}

/// Seeded: noise of every kind, also from the browser's own address once the keys stand, changes nothing.
#[test]
fn noise_ends_nothing() {
    let now = Instant::now();
    let identity = Identity::generate().expect("an identity");
    let mut rng = StdRng::seed_from_u64(11);
    let mut noise = move || {
        let mut datagram: Vec<u8> = (0..rng.random_range(1..200)).map(|_| rng.random()).collect();
        datagram[0] = [0, 1, 20, 21, 22, 23, 63][rng.random_range(0..7)];
        if rng.random() && datagram.len() > 13 {
            datagram[1..3].copy_from_slice(&[254, 253]); // DTLS 1.2, so that its record is looked into.
            let len = datagram.len() - 13;
            datagram[11..13].copy_from_slice(&(len as u16).to_be_bytes());
        }
        datagram
    };
    let mut browser = Browser::new(address(5_000), SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm, now);
    let mut peer = Peer::new(&identity, &browser.offer(), now).expect("a peer");
    for _ in 0..500 {
        peer.datagram(&noise(), address(6_000), now);
    }
    browser.check(&mut peer, now);
    let news = browser.talk(&mut peer, now);
    stream(&news);
    for _ in 0..2_000 {
        peer.datagram(&noise(), browser.at, now);
    }
    assert_eq!(peer.poll_news(), None);
}

#[test]
fn a_browser_that_moves_is_followed_and_one_that_falls_silent_is_lost() {
    let now = Instant::now();
    let identity = Identity::generate().expect("an identity");
    let mut browser = Browser::new(address(5_000), SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm, now);
    let mut peer = Peer::new(&identity, &browser.offer(), now).expect("a peer");
    browser.check(&mut peer, now);
    let first = stream(&browser.talk(&mut peer, now)).clone();
    browser.check(&mut peer, now);
    assert_eq!(peer.poll_news(), None, "it stayed where it was");
    browser.at = address(5_002);
    browser.check(&mut peer, now);
    let Some(News::Stream(moved)) = peer.poll_news() else { panic!("it moved") };
    assert_eq!((moved.remote_rtp, moved.srtp), (address(5_002), first.srtp));
    let due = peer.poll_timeout().expect("a deadline");
    assert_eq!(due, now + CONSENT);
    peer.timeout(due);
    assert_eq!(peer.poll_news(), Some(News::Lost(Lost::Silent)));
    assert_eq!(peer.poll_timeout(), None);
}
