//! Digest authentication (RFC 8760, RFC 7616), both sides. Pure.
//!
//! As server: a nonce carries its own time and a keyed check, so nothing is stored per challenge; a wrong name and a
//! wrong password are told apart by nothing. As client: SHA-256 before MD5, always with `cnonce` and `nc`, and only for
//! the realm that the credentials are for.

use std::time::Duration;

use md5::Md5;
use sha2::{Digest, Sha256};

use super::text::auth_params;

/// How long a nonce is good. Long enough for a slow peer's second INVITE, short enough to be no password.
pub(super) const NONCE_LIFETIME: Duration = Duration::from_secs(60);

/// A name and a password within a realm.
#[derive(Clone, PartialEq, Eq)]
pub struct DigestCredentials {
    /// The realm, as shown in the challenge.
    pub realm: String,
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for DigestCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DigestCredentials({} in {})", self.username, self.realm)
    }
}

/// Hash functions of RFC 8760 §2.1 that peers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Sha256,
    Md5,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Sha256, Self::Md5].into_iter().find(|algorithm| name.eq_ignore_ascii_case(algorithm.name()))
    }

    fn hash(self, text: &str) -> String {
        match self {
            Self::Sha256 => hex::encode(Sha256::digest(text.as_bytes())),
            Self::Md5 => hex::encode(Md5::digest(text.as_bytes())),
        }
    }

    /// `response` of RFC 7616 §3.4.1 with `qop=auth`, or of RFC 2069 without.
    fn response(self, who: &DigestCredentials, method: &str, uri: &str, nonce: &str, qop: Option<Qop<'_>>) -> String {
        let a1 = self.hash(&format!("{}:{}:{}", who.username, who.realm, who.password));
        let a2 = self.hash(&format!("{method}:{uri}"));
        match qop {
            Some(Qop { nc, cnonce }) => self.hash(&format!("{a1}:{nonce}:{nc}:{cnonce}:auth:{a2}")),
            None => self.hash(&format!("{a1}:{nonce}:{a2}")),
        }
    }
}

#[derive(Clone, Copy)]
struct Qop<'a> {
    nc: &'a str,
    cnonce: &'a str,
}

/// What an Authorization header field is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Name and password are right.
    Good,
    /// They are right, but the nonce is too old: challenge again with `stale=true`.
    Stale,
    /// Anything else.
    Bad,
}

/// The server's side.
pub(super) struct Authenticator {
    credentials: DigestCredentials,
    secret: [u8; 32],
}

impl Authenticator {
    /// `secret` makes the nonces unforgeable; fresh at every start.
    pub(super) fn new(credentials: DigestCredentials, secret: [u8; 32]) -> Self {
        Self { credentials, secret }
    }

    /// Values for two WWW-Authenticate header fields, the better first (RFC 8760 §2.4).
    pub(super) fn challenges(&self, now_s: u64, stale: bool) -> [String; 2] {
        let nonce = self.nonce(now_s);
        let stale = if stale { ", stale=true" } else { "" };
        [Algorithm::Sha256, Algorithm::Md5].map(|algorithm| {
            let (realm, name) = (&self.credentials.realm, algorithm.name());
            format!(r#"Digest realm="{realm}", nonce="{nonce}", algorithm={name}, qop="auth"{stale}"#)
        })
    }

    /// Judges the value of an Authorization header field. Every wrong one takes the same path to its end.
    pub(super) fn check(&self, authorization: &str, method: &str, now_s: u64) -> Proof {
        let Some((scheme, params)) = authorization.trim().split_once(' ') else { return Proof::Bad };
        let value = |name: &str| auth_params(params).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v);
        let (Some(nonce), Some(uri), Some(response)) = (value("nonce"), value("uri"), value("response")) else {
            return Proof::Bad;
        };
        let Some(algorithm) = Algorithm::parse(value("algorithm").unwrap_or("MD5")) else { return Proof::Bad };
        let (Some(nc), Some(cnonce), Some("auth")) = (value("nc"), value("cnonce"), value("qop")) else {
            return Proof::Bad;
        };
        let expected = algorithm.response(&self.credentials, method, uri, nonce, Some(Qop { nc, cnonce }));
        let right = same(expected.as_bytes(), response.to_ascii_lowercase().as_bytes())
            & same(self.credentials.username.as_bytes(), value("username").unwrap_or_default().as_bytes())
            & same(self.credentials.realm.as_bytes(), value("realm").unwrap_or_default().as_bytes())
            & scheme.eq_ignore_ascii_case("Digest");
        let issued_s = nonce.get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or_default();
        let ours = same(self.nonce(issued_s).as_bytes(), nonce.as_bytes());
        match (right && ours, now_s.saturating_sub(issued_s) <= NONCE_LIFETIME.as_secs() && issued_s <= now_s) {
            (true, true) => Proof::Good,
            (true, false) => Proof::Stale,
            (false, _) => Proof::Bad,
        }
    }

    fn nonce(&self, issued_s: u64) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.secret);
        hasher.update(issued_s.to_be_bytes());
        let check = hasher.finalize();
        format!("{issued_s:016x}{}", hex::encode(&check[..16]))
    }
}

/// The client's answer to the challenges of a 401 or 407, or `None` where none of them is for these credentials.
///
/// `count` says for which time a nonce is answered, from 1: the peer takes a repeated count for a replay (RFC 7616 §3.4).
pub(super) fn authorize<'a>(
    challenges: impl Iterator<Item = &'a str>,
    credentials: &DigestCredentials,
    method: &str,
    uri: &str,
    cnonce: &str,
    count: impl FnOnce(&str) -> u32,
) -> Option<String> {
    let mut best: Option<(Algorithm, &str, Option<&str>, bool)> = None;
    for challenge in challenges {
        let Some((scheme, params)) = challenge.trim().split_once(' ') else { continue };
        let value = |name: &str| auth_params(params).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v);
        let Some(algorithm) = Algorithm::parse(value("algorithm").unwrap_or("MD5")) else { continue };
        let for_us = scheme.eq_ignore_ascii_case("Digest") && value("realm") == Some(credentials.realm.as_str());
        let has_auth = value("qop").map(|qop| qop.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth")));
        let Some(nonce) = value("nonce").filter(|_| for_us && has_auth != Some(false)) else { continue };
        if best.is_none_or(|(chosen, ..)| chosen == Algorithm::Md5 && algorithm == Algorithm::Sha256) {
            best = Some((algorithm, nonce, value("opaque"), has_auth.is_some()));
        }
    }
    let (algorithm, nonce, opaque, has_qop) = best?;
    let nc = format!("{:08x}", count(nonce));
    let qop = has_qop.then_some(Qop { nc: &nc, cnonce });
    let response = algorithm.response(credentials, method, uri, nonce, qop);
    let DigestCredentials { realm, username, .. } = credentials;
    let name = algorithm.name();
    let mut value = format!(
        r#"Digest username="{username}", realm="{realm}", nonce="{nonce}", uri="{uri}", response="{response}", algorithm={name}"#
    );
    if has_qop {
        value.push_str(&format!(r#", qop=auth, cnonce="{cnonce}", nc={nc}"#));
    }
    if let Some(opaque) = opaque {
        value.push_str(&format!(r#", opaque="{opaque}""#));
    }
    Some(value)
}

/// Compares in a time that depends on the lengths only.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (x, y)| diff | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> DigestCredentials {
        DigestCredentials { realm: "minxin".into(), username: "alice".into(), password: "secret".into() }
    }

    fn server() -> Authenticator {
        Authenticator::new(alice(), [7; 32])
    }

    #[test]
    fn hashes_as_the_rfc_does() {
        // RFC 7616 §3.9.1.
        let who = DigestCredentials {
            realm: "http-auth@example.org".into(),
            username: "Mufasa".into(),
            password: "Circle of Life".into(),
        };
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let qop = Qop { nc: "00000001", cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ" };
        let check = |algorithm: Algorithm, expected: &str| {
            assert_eq!(algorithm.response(&who, "GET", "/dir/index.html", nonce, Some(qop)), expected);
        };
        check(Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec");
        check(Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
    }

    #[test]
    fn the_right_password_opens_within_the_nonces_life() {
        let server = server();
        let check = |who: &DigestCredentials, method: &str, later_s: u64, proof: Proof| {
            let challenges = server.challenges(1_000, false);
            let value = authorize(challenges.iter().map(String::as_str), &alice(), "INVITE", "sip:1@h", "c", |_| 1)
                .map(|value| if who == &alice() { value } else { value.replace("alice", &who.username) })
                .expect("an answer");
            assert!(value.contains("algorithm=SHA-256"), "{value}");
            assert_eq!(server.check(&value, method, 1_000 + later_s), proof, "{value}");
        };
        check(&alice(), "INVITE", 60, Proof::Good);
        check(&alice(), "INVITE", 61, Proof::Stale);
        check(&alice(), "BYE", 0, Proof::Bad);
        check(&DigestCredentials { username: "bob".into(), ..alice() }, "INVITE", 0, Proof::Bad);
    }

    #[test]
    fn forgeries_fail() {
        let server = server();
        let who = alice();
        let forge = |nonce: &str, qop: &str| {
            let response =
                Algorithm::Md5.response(&who, "INVITE", "sip:1@h", nonce, Some(Qop { nc: "00000001", cnonce: "c" }));
            format!(
                r#"Digest username="alice", realm="minxin", nonce="{nonce}", uri="sip:1@h", response="{response}"{qop}"#
            )
        };
        let qop = r#", qop=auth, cnonce="c", nc=00000001"#;
        let nonce = server.nonce(1_000);
        assert_eq!(server.check(&forge(&nonce, qop), "INVITE", 1_000), Proof::Good);
        assert_eq!(server.check(&forge(&nonce, ""), "INVITE", 1_000), Proof::Bad, "no qop");
        assert_eq!(server.check(&forge(&server.nonce(2_000), qop), "INVITE", 1_000), Proof::Stale, "from the future");
        let mut other = nonce.clone();
        other.replace_range(20..21, if &nonce[20..21] == "0" { "1" } else { "0" });
        assert_eq!(server.check(&forge(&other, qop), "INVITE", 1_000), Proof::Bad, "a nonce of our shape");
        assert_eq!(server.check("Digest", "INVITE", 1_000), Proof::Bad);
        assert_eq!(server.check("NoOneKnowsThisScheme opaque-data=here", "INVITE", 1_000), Proof::Bad);
    }

    #[test]
    fn credentials_go_to_their_realm_only() {
        let check = |challenge: &str, answered: bool| {
            let answer = authorize([challenge].into_iter(), &alice(), "INVITE", "sip:1@h", "c", |_| 1);
            assert_eq!(answer.is_some(), answered, "{challenge}");
        };
        check(r#"Digest realm="minxin", nonce="n""#, true);
        check(r#"Digest realm="minxin", nonce="n", qop="auth-int,auth", algorithm=MD5"#, true);
        check(r#"Digest realm="other", nonce="n""#, false);
        check(r#"Digest realm="minxin", nonce="n", qop="auth-int""#, false);
        check(r#"Digest realm="minxin", nonce="n", algorithm=SHA-512-256"#, false);
        check(r#"Basic realm="minxin""#, false);
    }
}
