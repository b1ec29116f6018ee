//! The lite side of ICE (RFC 8445 §2.5): answers connectivity checks, and learns from them where the browser is.
//!
//! The browser makes all checks and chooses; whoever shows our password owns the address it sends from. Once nothing has
//! been shown for [`CONSENT`], the browser is taken for gone (RFC 7675 §5.1).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::distr::{Alphanumeric, SampleString};

use super::stun;

/// Without a check for so long the browser is gone. Browsers check every five seconds at the latest (RFC 7675 §5.1 allows
/// 30 s; a caller who hears nothing waits for less).
pub const CONSENT: Duration = Duration::from_secs(12);
/// Addresses of one browser that are kept: its interfaces, and its relays. The oldest makes room.
const PAIRS: usize = 8;
/// Letters of a fragment and a password: 47 and 142 bits (RFC 8445 §5.3 asks for 24 and 128).
const UFRAG_LEN: usize = 8;
const PASSWORD_LEN: usize = 24;

/// What our description says of us, and checks must show.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `a=ice-ufrag`.
    pub ufrag: String,
    /// `a=ice-pwd`.
    pub password: String,
}

impl Credentials {
    /// Fresh ones.
    pub fn random() -> Self {
        let text = |len| Alphanumeric.sample_string(&mut rand::rng(), len);
        Self { ufrag: text(UFRAG_LEN), password: text(PASSWORD_LEN) }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Lite {
    credentials: Credentials,
    /// Addresses that showed the password, the latest last.
    proved: Vec<SocketAddr>,
    chosen: Option<SocketAddr>,
    seen: Instant,
}

impl Lite {
    pub(super) fn new(credentials: Credentials, now: Instant) -> Self {
        Self { credentials, proved: Vec::new(), chosen: None, seen: now }
    }

    /// What our description says.
    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Takes in a STUN datagram; the response, for whoever sent it, where there is one.
    pub(super) fn check(&mut self, datagram: &[u8], from: SocketAddr, now: Instant) -> Option<Vec<u8>> {
        let Credentials { ufrag, password } = &self.credentials;
        let request = stun::request(datagram, ufrag, password.as_bytes())?;
        self.seen = now;
        if !self.proved.contains(&from) {
            if self.proved.len() == PAIRS {
                self.proved.remove(0);
            }
            self.proved.push(from);
        }
        if request.nominates {
            self.chosen = Some(from);
        }
        Some(stun::success(&request, from, password.as_bytes()))
    }

    /// Whether an address showed the password.
    pub(super) fn proved(&self, address: SocketAddr) -> bool {
        self.proved.contains(&address)
    }

    /// Where the browser wants to be reached, once it has chosen.
    pub(super) fn chosen(&self) -> Option<SocketAddr> {
        self.chosen
    }

    /// When the browser counts as gone, unless it is heard of before.
    pub(super) fn expires(&self) -> Instant {
        self.seen + CONSENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn check(ice: &mut Lite, port: u16, nominates: bool, now: Instant) -> bool {
        let Credentials { ufrag, password } = ice.credentials().clone();
        let request = stun::binding(&format!("{ufrag}:theirs"), password.as_bytes(), [1; 12], nominates);
        ice.check(&request, address(port), now).is_some()
    }

    #[test]
    fn an_address_is_proved_by_the_password_and_chosen_by_the_browser() {
        let began = crate::clock::monotonic();
        let mut ice = Lite::new(Credentials::random(), began);
        assert!(ice.check(&stun::binding("x:y", b"guessed", [1; 12], true), address(1), began).is_none());
        assert!(!ice.proved(address(1)) && ice.chosen().is_none());
        assert!(check(&mut ice, 2, false, began));
        assert!(ice.proved(address(2)) && ice.chosen().is_none());
        assert!(check(&mut ice, 3, true, began));
        assert_eq!(ice.chosen(), Some(address(3)));
        assert!(check(&mut ice, 2, true, began), "the browser moved");
        assert_eq!(ice.chosen(), Some(address(2)));
    }

    #[test]
    fn only_a_true_check_keeps_the_browser() {
        let began = crate::clock::monotonic();
        let mut ice = Lite::new(Credentials::random(), began);
        let later = began + Duration::from_secs(5);
        ice.check(&[0; 20], address(1), later);
        assert_eq!(ice.expires(), began + CONSENT);
        check(&mut ice, 1, false, later);
        assert_eq!(ice.expires(), later + CONSENT);
    }

    #[test]
    fn addresses_are_bounded() {
        let now = crate::clock::monotonic();
        let mut ice = Lite::new(Credentials::random(), now);
        for port in 0..=PAIRS as u16 {
            check(&mut ice, 1_000 + port, false, now);
        }
        assert!(!ice.proved(address(1_000)) && ice.proved(address(1_000 + PAIRS as u16)));
    }
}
