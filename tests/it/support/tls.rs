//! A certificate that lives as long as a test, and the handshake of whoever trusts it.

use std::path::PathBuf;
use std::sync::Arc;

use minxin::sip::TlsConfig;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, rustls};

/// A self-signed certificate for 127.0.0.1, in files.
pub(crate) struct Certificate {
    dir: TempDir,
    made: CertifiedKey<KeyPair>,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let made = generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let certificate = Self { dir, made };
        std::fs::write(certificate.path(), certificate.made.cert.pem()).expect("written");
        std::fs::write(certificate.key_path(), certificate.made.signing_key.serialize_pem()).expect("written");
        certificate
    }

    /// The certificate, which is its own authority.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("certificate.pem")
    }

    pub(crate) fn key_path(&self) -> PathBuf {
        self.dir.path().join("key.pem")
    }

    /// A TLS socket that shows it, on a free port.
    pub(crate) fn config(&self) -> TlsConfig {
        TlsConfig { listen: ([127, 0, 0, 1], 0).into(), certificate: self.path(), key: self.key_path() }
    }

    /// The handshake of a telephone that trusts it.
    pub(crate) async fn handshake(&self, stream: TcpStream) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.made.cert.der().clone()).expect("a certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = rustls::pki_types::ServerName::from(std::net::IpAddr::from([127, 0, 0, 1]));
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake")
    }
}
