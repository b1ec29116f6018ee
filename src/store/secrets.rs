//! Tokens that whoever holds them is let in by: made here, kept only as hashes.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rand::Rng;
use sha2::{Digest, Sha256};

/// Random bytes in a token: beyond guessing, and more than any check asks for.
const TOKEN_BYTES: usize = 32;

/// A fresh token, fit for a cookie, a URL and a header.
pub fn token() -> String {
    let mut bytes = [0; TOKEN_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// As stored: a stolen database opens nothing. A fast hash will do, since nobody guesses a token.
pub fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}
