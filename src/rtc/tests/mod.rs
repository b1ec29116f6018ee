//! A browser of the webrtc crate's own stack against a [`Peer`], without a network.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;

use super::ice::CONSENT;
use super::testing::{Browser, address};
use super::*;
use crate::call::stream::{Codec, SrtpSuite, Stream};

fn stream(news: &[News]) -> &Stream {
    match news {
        [News::Stream(stream)] => stream,
        other => panic!("no stream: {other:?}"),
    }
}

#[test]
fn a_browser_that_is_who_it_said_gets_a_stream() {
    let now = crate::clock::monotonic();
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
        let theirs = browser.keys(suite).expect("exported");
        assert_eq!((&srtp.ours, &srtp.theirs), (&theirs.theirs, &theirs.ours), "the client's key comes first");
    }
}

#[test]
fn another_certificate_gets_no_keys() {
    let now = crate::clock::monotonic();
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
    let now = crate::clock::monotonic();
    let identity = Identity::generate().expect("an identity");
    let mut browser = Browser::new(address(5_000), SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm, now);
    let mut peer = Peer::new(&identity, &browser.offer(), now).expect("a peer");
    assert_eq!(browser.talk(&mut peer, now), []);
    // What a stranger sent before did not take the browser's place.
    let later = now + Duration::from_secs(2);
    browser.check(&mut peer, later);
    browser.timeout(later);
    stream(&browser.talk(&mut peer, later));
}

/// Seeded: noise of every kind, also from the browser's own address once the keys stand, changes nothing.
#[test]
fn noise_ends_nothing() {
    let now = crate::clock::monotonic();
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
    let now = crate::clock::monotonic();
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
