//! TLS: certificates, and how the SIP library writes to a stream that we read (RFC 3261 §26.3.1).
//!
//! Peers of an accepted connection show no certificate: who they are, the list of trusted networks and digest say. A
//! host that we call must show one that an authority of ours vouches for.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::{fs, io};

use async_trait::async_trait;
use rsipstack::platform::tls::{TlsClientConfig, TlsConnector as Seam, TlsStream, set_client_connector};
use rsipstack::transport::{PlatformTlsConnection, SipAddr};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Mutex;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::CancellationToken;

use super::address::Uri;

/// A TLS socket with its certificate.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Our certificate and those between it and its authority, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// What is wrong with a certificate or key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{} holds no {what} in PEM form", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// The certificate cannot be used.
    #[error("the certificate in {} cannot be used", path.display())]
    Certificate {
        /// Which.
        path: PathBuf,
        /// Why: the key is of another certificate, or of a kind that TLS has no use for.
        source: rustls::Error,
    },
    /// The library knows no protocol version; a fault of the build.
    #[error("TLS cannot be set up")]
    Setup(#[from] rustls::Error),
}

/// Does the handshake with whoever connects.
pub(super) fn acceptor(config: &TlsConfig) -> Result<TlsAcceptor, TlsError> {
    let chain = certificates(&config.certificate)?;
    let no_key = |_| TlsError::Pem { path: config.key.clone(), what: "private key" };
    let key = PrivateKeyDer::from_pem_slice(&read(&config.key)?).map_err(no_key)?;
    let server = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|source| TlsError::Certificate { path: config.certificate.clone(), source })?;
    Ok(TlsAcceptor::from(Arc::new(server)))
}

/// Does the handshake with whom we call. `authorities` is a PEM file; without it those that browsers trust vouch.
pub(super) fn connector(authorities: Option<&Path>) -> Result<TlsConnector, TlsError> {
    let roots = match authorities {
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                let unusable = |source| TlsError::Certificate { path: path.to_owned(), source };
                roots.add(certificate).map_err(unusable)?;
            }
            roots
        }
    };
    let client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(client)))
}

/// The name that the certificate of `uri`'s host must bear (RFC 5922 §7.1), or the address of `peer` where it has none.
pub(super) fn server_name(uri: &str, peer: SocketAddr) -> ServerName<'static> {
    let host = Uri::parse(uri).ok().and_then(|uri| ServerName::try_from(uri.host().to_owned()).ok());
    host.unwrap_or_else(|| ServerName::from(peer.ip()))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let none = || TlsError::Pem { path: path.to_owned(), what: "certificate" };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(none)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::File { path: path.to_owned(), source })
}

/// Wraps the writing half of a stream for the library.
///
/// Its own TLS connections can only be made together with its own reader; a foreign stream comes in by a connector that
/// is registered once for the process. Ours gives out the half that the running task holds ready.
pub(super) async fn adopt(
    half: impl AsyncWrite + Send + Unpin + 'static,
    local: SocketAddr,
    remote: &SipAddr,
    cancel: CancellationToken,
) -> io::Result<PlatformTlsConnection> {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| set_client_connector(Arc::new(HandOver)));
    let writer = Writer { half: Mutex::new(Box::new(half)), local };
    HANDED
        .scope(Cell::new(Some(writer)), PlatformTlsConnection::connect(remote, None, Some(cancel)))
        .await
        .map_err(io::Error::other)
}

tokio::task_local! {
    static HANDED: Cell<Option<Writer>>;
}

struct HandOver;

#[async_trait]
impl Seam for HandOver {
    async fn connect(&self, _: &TlsClientConfig, _: SocketAddr) -> rsipstack::Result<Box<dyn TlsStream>> {
        match HANDED.try_with(Cell::take) {
            Ok(Some(writer)) => Ok(Box::new(writer)),
            Ok(None) | Err(_) => Err(rsipstack::Error::Error("TLS connections are dialled by src/sip/tcp.rs".into())),
        }
    }
}

/// The half that the library writes to.
struct Writer {
    half: Mutex<Box<dyn AsyncWrite + Send + Unpin>>,
    local: SocketAddr,
}

#[async_trait]
impl TlsStream for Writer {
    /// The stream is read elsewhere; to the library it is at its end.
    async fn recv(&self) -> rsipstack::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    async fn send_all(&self, data: Vec<u8>) -> rsipstack::Result<()> {
        let mut half = self.half.lock().await;
        half.write_all(&data).await?;
        Ok(half.flush().await?)
    }

    async fn shutdown(&self) -> rsipstack::Result<()> {
        Ok(self.half.lock().await.shutdown().await?)
    }

    fn local_addr(&self) -> rsipstack::Result<SocketAddr> {
        Ok(self.local)
    }
}
