//! One browser, from the answer to its offer until it is gone.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use super::dtls::{DtlsError, Identity, Server};
use super::ice::{Credentials, Lite};
use super::sdp::{Fingerprint, Offer};
use super::stun::is_stun;
use crate::call::stream::{Codec, Srtp, Stream};

/// Datagrams that wait to be sent, at most: the longest flight of a handshake, and responses. More are lost, as on the
/// network, and repeated.
const MAX_WAITING: usize = 32;

/// Something that its owner shall know.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// The audio is agreed on, or goes to another address from here on: tell the engine.
    Stream(Stream),
    /// The browser is gone, or was none: nothing follows.
    Lost(Lost),
}

/// Why a browser is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// No connectivity check came any more, or none ever.
    Silent,
    /// The handshake failed: another certificate, or nothing in common.
    Handshake,
}

/// See the module's documentation.
pub struct Peer {
    ice: Lite,
    dtls: Server,
    event_type: Option<u8>,
    /// Where its DTLS came from last.
    replies_to: Option<SocketAddr>,
    keys: Option<Srtp>,
    /// Where the engine was told that it is.
    told: Option<SocketAddr>,
    transmits: VecDeque<(SocketAddr, Vec<u8>)>,
    news: VecDeque<News>,
    lost: bool,
}

impl Peer {
    /// The browser that made `offer`.
    ///
    /// # Errors
    /// When our own certificate cannot be used.
    pub fn new(identity: &Identity, offer: &Offer, now: Instant) -> Result<Self, DtlsError> {
        Self::with(identity, offer.fingerprint, offer.event_type, now)
    }

    fn with(
        identity: &Identity,
        browser: Fingerprint,
        event_type: Option<u8>,
        now: Instant,
    ) -> Result<Self, DtlsError> {
        Ok(Self {
            ice: Lite::new(Credentials::random(), now),
            dtls: Server::new(identity, browser)?,
            event_type,
            replies_to: None,
            keys: None,
            told: None,
            transmits: VecDeque::new(),
            news: VecDeque::new(),
            lost: false,
        })
    }

    /// What the answer says of us.
    pub fn credentials(&self) -> &Credentials {
        self.ice.credentials()
    }

    /// Takes in a datagram that is neither RTP nor RTCP.
    pub fn datagram(&mut self, datagram: &[u8], from: SocketAddr, now: Instant) {
        if self.lost {
            return;
        }
        if is_stun(datagram) {
            if let Some(response) = self.ice.check(datagram, from, now) {
                self.send(from, response);
                self.tell();
            }
            return;
        }
        if !self.ice.proved(from) {
            return;
        }
        self.replies_to = Some(from);
        let read = self.dtls.read(datagram, now);
        self.flush();
        match read {
            Ok(Some(keys)) => {
                self.keys = Some(keys);
                self.tell();
            }
            Ok(None) => {}
            // Keys that stand are not given up for a datagram that anybody on the way may have made.
            Err(_) if self.keys.is_some() => {}
            Err(error) => {
                tracing::info!(%error, "a browser's handshake failed");
                self.lose(Lost::Handshake);
            }
        }
    }

    /// When [`Self::timeout`] is due next; `None` once the browser is lost.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let expires = self.ice.expires();
        (!self.lost).then(|| self.dtls.poll_timeout().map_or(expires, |at| at.min(expires)))
    }

    /// Does what is due.
    pub fn timeout(&mut self, now: Instant) {
        if self.lost {
            return;
        }
        if now >= self.ice.expires() {
            return self.lose(Lost::Silent);
        }
        if self.dtls.poll_timeout().is_some_and(|at| now >= at) {
            let repeated = self.dtls.timeout(now);
            self.flush();
            if let Err(error) = repeated {
                tracing::info!(%error, "a browser's handshake came to no end");
                self.lose(Lost::Handshake);
            }
        }
    }

    /// The next datagram to send, and where.
    pub fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.transmits.pop_front()
    }

    /// The next thing to know.
    pub fn poll_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// Tells of the stream once keys and address are known, and again when the browser moved.
    fn tell(&mut self) {
        let (Some(keys), Some(remote)) = (&self.keys, self.ice.chosen()) else { return };
        if self.told.replace(remote) != Some(remote) {
            let events = self.event_type;
            let stream = Stream {
                remote_rtcp: remote, // RFC 5761: one port for both.
                send_event_type: events,
                recv_event_type: events,
                srtp: Some(Box::new(keys.clone())),
                ..Stream::new(remote, Codec::Pcma)
            };
            self.news.push_back(News::Stream(stream));
        }
    }

    fn flush(&mut self) {
        while let Some(datagram) = self.dtls.transmit() {
            if let Some(to) = self.replies_to {
                self.send(to, datagram);
            }
        }
    }

    fn send(&mut self, to: SocketAddr, datagram: Vec<u8>) {
        if self.transmits.len() < MAX_WAITING {
            self.transmits.push_back((to, datagram));
        }
    }

    fn lose(&mut self, why: Lost) {
        self.lost = true;
        self.news.push_back(News::Lost(why));
    }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").field("told", &self.told).field("lost", &self.lost).finish_non_exhaustive()
    }
}
