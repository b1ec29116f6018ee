//! What we prove to a peer that challenges us (RFC 3261 §22, RFC 8760), over all our requests to it.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::digest::{DigestCredentials, authorize};
use super::text::auth_params;

/// A name and a password for one peer, and how they were used.
///
/// They are for one realm: the one given, else the one of the peer's first challenge. A challenge from another realm,
/// such as of a proxy behind the peer, gets nothing (CVE-2021-41158 was a leak of this kind).
pub struct Login {
    username: String,
    password: String,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    realm: Option<String>,
    /// The nonce answered last, and how often.
    nonce: (String, u32),
}

impl Login {
    /// Credentials for `realm`; without one, for that of the first challenge.
    pub fn new(realm: Option<String>, username: &str, password: &str) -> Self {
        Self {
            username: username.to_owned(),
            password: password.to_owned(),
            used: Mutex::new(Used { realm, nonce: Default::default() }),
        }
    }

    /// As [`Self::answer`], but only for a realm that is known: configured, or the one that asked before. Within a call nobody
    /// becomes known who did not ask when it was placed.
    pub(super) fn answer_known(&self, challenges: &[&str], method: &str, uri: &str) -> Option<String> {
        let known = self.used.lock().unwrap_or_else(PoisonError::into_inner).realm.is_some();
        known.then(|| self.answer(challenges, method, uri)).flatten()
    }

    /// The value of Authorization or Proxy-Authorization, or `None` where no challenge is for us.
    pub(super) fn answer(&self, challenges: &[&str], method: &str, uri: &str) -> Option<String> {
        // A panic while this was held would have left a whole record of use.
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let Used { realm, nonce: (last, times) } = &mut *used;
        let known = realm.clone().or_else(|| challenges.iter().find_map(|challenge| realm_of(challenge)))?;
        let who = DigestCredentials { realm: known, username: self.username.clone(), password: self.password.clone() };
        let cnonce = format!("{:016x}", rand::random::<u64>());
        let value = authorize(challenges.iter().copied(), &who, method, uri, &cnonce, |nonce| {
            if nonce != last {
                (*last, *times) = (nonce.to_owned(), 0);
            }
            *times += 1;
            *times
        })?;
        *realm = Some(who.realm);
        Some(value)
    }
}

/// Whether a challenge says that only the nonce was too old (RFC 7616 §3.3): the password was right.
pub(super) fn is_stale(challenge: &str) -> bool {
    parameter(challenge, "stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true"))
}

fn realm_of(challenge: &str) -> Option<String> {
    parameter(challenge, "realm").map(str::to_owned)
}

fn parameter<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let (scheme, params) = challenge.trim().split_once(' ')?;
    let mut params = auth_params(params).filter(|_| scheme.eq_ignore_ascii_case("Digest"));
    params.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({})", self.username)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(login: &Login, challenge: &str, holds: Option<&[&str]>) {
        let answer = login.answer(&[challenge], "INVITE", "sip:1@h");
        assert_eq!(answer.is_some(), holds.is_some(), "{challenge}: {answer:?}");
        for part in holds.unwrap_or_default() {
            assert!(answer.as_ref().is_some_and(|value| value.contains(part)), "{challenge}: {answer:?}");
        }
    }

    #[test]
    fn the_realm_is_the_first_one_seen() {
        let login = Login::new(None, "alice", "secret");
        check(&login, r#"Basic realm="trunk""#, None);
        check(&login, r#"Digest realm="trunk", nonce="a""#, Some(&[r#"realm="trunk""#]));
        check(&login, r#"Digest realm="behind", nonce="b""#, None);
        check(&Login::new(Some("trunk".into()), "alice", "secret"), r#"Digest realm="behind", nonce="b""#, None);
    }

    #[test]
    fn a_nonce_is_counted_as_often_as_it_is_answered() {
        let login = Login::new(None, "alice", "secret");
        let challenge =
            |nonce: &str| format!(r#"Digest realm="trunk", nonce="{nonce}", qop="auth", algorithm=SHA-256"#);
        check(&login, &challenge("a"), Some(&["nc=00000001"]));
        check(&login, &challenge("a"), Some(&["nc=00000002"]));
        check(&login, &challenge("b"), Some(&["nc=00000001"]));
    }

    #[test]
    fn staleness_is_told_from_a_wrong_password() {
        assert!(is_stale(r#"Digest realm="trunk", nonce="a", stale=TRUE"#));
        assert!(!is_stale(r#"Digest realm="trunk", nonce="a", stale=false"#));
        assert!(!is_stale(r#"Digest realm="stale=true", nonce="a""#));
    }
}
