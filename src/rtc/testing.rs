//! A browser of the webrtc crate's own stack, for tests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use rtc_crypto::default_provider;
use rtc_dtls::config::ConfigBuilder;
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::Endpoint;
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;

use super::{Credentials, Fingerprint, News, Offer, Peer, stun};
use crate::call::stream::{MasterKey, Srtp, SrtpSuite};

/// Addresses of one host.
pub(crate) fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

/// A browser: checks its way in, then is the client of DTLS.
pub(crate) struct Browser {
    /// Its DTLS, which speaks with [`address`] 1.
    pub(crate) dtls: Endpoint,
    fingerprint: Fingerprint,
    /// Where it is.
    pub(crate) at: SocketAddr,
}

impl Browser {
    /// One at this address, which knows one way to protect its sound.
    pub(crate) fn new(at: SocketAddr, profile: SrtpProtectionProfile, now: Instant) -> Self {
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

    /// What of its offer matters.
    pub(crate) fn offer(&self) -> Offer {
        Offer { mid: "0".into(), fingerprint: self.fingerprint, event_type: Some(126) }
    }

    /// Lets both talk until neither has anything to say; what the peer tells.
    pub(crate) fn talk(&mut self, peer: &mut Peer, now: Instant) -> Vec<News> {
        for _ in 0..32 {
            let mut quiet = true;
            while let Some(transmit) = self.dtls.poll_transmit() {
                quiet = false;
                peer.datagram(&transmit.message, self.at, now);
            }
            while let Some((to, datagram)) = peer.poll_transmit() {
                quiet = false;
                if to == self.at {
                    self.read(&datagram, now);
                }
            }
            if quiet {
                break;
            }
        }
        std::iter::from_fn(|| peer.poll_news()).collect()
    }

    /// Its connectivity check, which chooses the pair of addresses.
    pub(crate) fn binding(credentials: &Credentials) -> Vec<u8> {
        let Credentials { ufrag, password } = credentials;
        stun::binding(&format!("{ufrag}:theirs"), password.as_bytes(), [3; 12], true)
    }

    pub(crate) fn check(&self, peer: &mut Peer, now: Instant) {
        peer.datagram(&Self::binding(peer.credentials()), self.at, now);
    }

    /// What its DTLS wants to send.
    pub(crate) fn flight(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.dtls.poll_transmit()).map(|transmit| transmit.message.to_vec()).collect()
    }

    /// Takes in a datagram from the gateway's port; STUN says nothing to it.
    pub(crate) fn read(&mut self, datagram: &[u8], now: Instant) {
        if !stun::is_stun(datagram) {
            // Who is refused hears of it by an alert.
            let _ = self.dtls.read(now, address(1), None, datagram.into());
        }
    }

    /// Repeats what was not answered.
    pub(crate) fn timeout(&mut self, now: Instant) {
        let _ = self.dtls.handle_timeout(address(1), now);
    }

    /// Its keys, once the handshake is complete.
    pub(crate) fn keys(&self, suite: SrtpSuite) -> Option<Srtp> {
        let (key, salt) = (suite.key_len(), suite.salt_len());
        let state = self.dtls.get_connection_state(address(1))?;
        let material = state.export_keying_material("EXTRACTOR-dtls_srtp", &[], 2 * (key + salt)).ok()?;
        let (keys, salts) = AsRef::<[u8]>::as_ref(&material).split_at(2 * key);
        let master = |n: usize| MasterKey::new(suite, &[&keys[n * key..][..key], &salts[n * salt..][..salt]].concat());
        Some(Srtp { suite, ours: master(0)?, theirs: master(1)? })
    }
}
