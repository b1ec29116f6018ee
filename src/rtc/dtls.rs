//! DTLS-SRTP (RFC 5764): the handshake by which a browser shows its certificate and both sides get their keys.
//!
//! The handshake itself is that of the webrtc crate's stack. It speaks with one peer whatever address that has at the
//! moment: where its datagrams go is the matter of ICE.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use ring::digest;
use rtc_crypto::{CryptoError, RTCCryptoProvider, default_provider};
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_dtls::state::State;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;

use super::sdp::Fingerprint;
use crate::call::stream::{MasterKey, Srtp, SrtpSuite};

/// The exporter's label (RFC 5764 §4.2).
const LABEL: &str = "EXTRACTOR-dtls_srtp";
/// What the handshake takes for the address of the only peer it has.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
/// Both have forward secrecy and authenticate what they encrypt; every browser has the first (RFC 8827 §6.5).
const SUITES: [CipherSuiteId; 2] = [
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
];
/// How SRTP may be protected, best first.
const PROFILES: [SrtpProtectionProfile; 3] = [
    SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
    SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
];

/// Why a handshake failed, or cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum DtlsError {
    /// There is no cryptography to build on.
    #[error("no cryptography: {0}")]
    Crypto(#[from] CryptoError),
    /// The handshake, or what it is made from, is not acceptable.
    #[error("DTLS: {0}")]
    Handshake(#[from] Error),
    /// It ended without a profile of SRTP that we know.
    #[error("no SRTP profile in common")]
    NoProfile,
}

/// Our certificate, made anew at each start: a browser believes its fingerprint, which signalling tells.
#[derive(Clone)]
pub struct Identity {
    provider: Arc<dyn RTCCryptoProvider>,
    certificate: Certificate,
    fingerprint: Fingerprint,
}

impl Identity {
    /// Makes a key and a certificate that it signs itself.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, DtlsError> {
        let provider = default_provider()?;
        let certificate = Certificate::generate_self_signed(vec!["minxin".to_owned()], provider.crypto())?;
        let fingerprint = certificate.certificate.first().map(|der| sha256(der)).ok_or(DtlsError::NoProfile)?;
        Ok(Self { provider, certificate, fingerprint })
    }

    /// The fingerprint for our description.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// One browser's handshake, we being the server.
pub(super) struct Server {
    endpoint: Endpoint,
}

impl Server {
    /// Waits for the browser whose certificate has this fingerprint.
    pub(super) fn new(identity: &Identity, browser: Fingerprint) -> Result<Self, DtlsError> {
        let config = ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(&identity.provider))
            .with_certificates(vec![identity.certificate.clone()])
            .with_cipher_suites(SUITES.to_vec())
            .with_srtp_protection_profiles(PROFILES.to_vec())
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            // Nobody signs a browser's certificate: its fingerprint is all there is (RFC 8827 §5.6.4).
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_insecure_skip_verify(true)
            .with_verify_peer_certificate(Some(Arc::new(move |shown: &[Vec<u8>], _: &[_]| {
                let fits = shown.first().is_some_and(|der| sha256(der) == browser);
                if fits {
                    Ok(())
                } else {
                    Err(Error::Other("the certificate is not the one that was signalled".into()))
                }
            })))
            .build(false, None)?;
        Ok(Self { endpoint: Endpoint::new(PEER, TransportProtocol::UDP, Some(Arc::new(config))) })
    }

    /// Takes in a datagram of the browser's; the keys, once they are agreed on. `Ok(None)` also where the browser ended
    /// the association, which ends no call: ICE tells when it is gone.
    pub(super) fn read(&mut self, datagram: &[u8], now: Instant) -> Result<Option<Srtp>, DtlsError> {
        let events = self.endpoint.read(now, PEER, None, datagram.into())?;
        if !events.iter().any(|event| matches!(event, EndpointEvent::HandshakeComplete)) {
            return Ok(None);
        }
        self.endpoint.get_connection_state(PEER).map(keys).transpose()
    }

    /// The next datagram for the browser.
    pub(super) fn transmit(&mut self) -> Option<Vec<u8>> {
        self.endpoint.poll_transmit().map(|transmit| transmit.message.to_vec())
    }

    /// When [`Self::timeout`] is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout(&PEER)
    }

    /// Repeats what was not answered.
    pub(super) fn timeout(&mut self, now: Instant) -> Result<(), DtlsError> {
        Ok(self.endpoint.handle_timeout(PEER, now)?)
    }
}

/// The keys of a handshake that is complete: client's key, server's key, client's salt, server's salt (RFC 5764 §4.2).
fn keys(state: &State) -> Result<Srtp, DtlsError> {
    let suite = match state.srtp_protection_profile() {
        SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm => SrtpSuite::AeadAes256Gcm,
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => SrtpSuite::AeadAes128Gcm,
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => SrtpSuite::AesCm128HmacSha1_80,
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32 | SrtpProtectionProfile::Unsupported => {
            return Err(DtlsError::NoProfile);
        }
        _ => return Err(DtlsError::NoProfile), // The crate may come to know others.
    };
    let (key, salt) = (suite.key_len(), suite.salt_len());
    let material = state.export_keying_material(LABEL, &[], 2 * (key + salt))?;
    let (keys, salts) = AsRef::<[u8]>::as_ref(&material).split_at(2 * key);
    let master = |n: usize| MasterKey::new(suite, &[&keys[n * key..][..key], &salts[n * salt..][..salt]].concat());
    let (theirs, ours) = master(0).zip(master(1)).ok_or(DtlsError::NoProfile)?;
    Ok(Srtp { suite, ours, theirs })
}

fn sha256(der: &[u8]) -> Fingerprint {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
    Fingerprint(hash)
}
