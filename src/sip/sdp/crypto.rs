//! `a=crypto`: SRTP keys in the session description (RFC 4568), to be sent only where nobody reads along.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::call::stream::{MasterKey, SrtpSuite};

/// One `a=crypto` line of a suite that we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Crypto {
    /// Tells the lines of an offer apart; the answer repeats it.
    pub(super) tag: u32,
    /// How packets are protected.
    pub(super) suite: SrtpSuite,
    /// The key of whoever sends the line.
    pub(super) key: MasterKey,
}

impl Crypto {
    /// A line with a new key.
    pub(super) fn fresh(tag: u32, suite: SrtpSuite) -> Option<Self> {
        let octets: [u8; 64] = rand::random();
        let key = MasterKey::new(suite, &octets[..suite.key_len() + suite.salt_len()])?;
        Some(Self { tag, suite, key })
    }

    /// Reads the value of the attribute; `None` where it is malformed, or asks for what we do not do: another suite, several
    /// keys, a master key identifier in each packet, or a session parameter (RFC 4568 §6.3) that changes the protection.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split_ascii_whitespace();
        let tag = parts.next().filter(|tag| tag.len() <= 9)?.parse().ok()?;
        let suite = SrtpSuite::named(parts.next()?)?;
        let mut key = parts.next()?.strip_prefix("inline:")?.split('|');
        let octets = STANDARD.decode(key.next()?).ok()?;
        // A lifetime is a wish for new keys after so many packets, of which no call has enough; `1:4` is an identifier.
        if key.any(|more| more.contains(':')) {
            return None;
        }
        // Those that begin with a minus may be ignored.
        if parts.any(|parameter| !parameter.starts_with('-')) {
            return None;
        }
        Some(Self { tag, suite, key: MasterKey::new(suite, &octets)? })
    }

    /// The value of the attribute.
    pub(super) fn print(&self) -> String {
        format!("{} {} inline:{}", self.tag, self.suite.name(), STANDARD.encode(self.key.octets()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 4568 §10.1.
    const EXAMPLE: &str = "1 AES_CM_128_HMAC_SHA1_80 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj";

    #[test]
    fn lines_of_other_telephones() {
        let check = |value: &str, expected: Option<(u32, SrtpSuite)>| {
            assert_eq!(Crypto::parse(value).map(|crypto| (crypto.tag, crypto.suite)), expected, "{value}");
        };
        let usual = Some((1, SrtpSuite::AesCm128HmacSha1_80));
        check(EXAMPLE, usual);
        check(&format!("{EXAMPLE}|2^20"), usual);
        check(&format!("{EXAMPLE} -WSH=64"), usual);
        check(&EXAMPLE.replace("_80", "_32").replace("1 AES", "7 aes"), Some((7, SrtpSuite::AesCm128HmacSha1_32)));
        check(&format!("{EXAMPLE}|2^20|1:4"), None);
        check(&format!("{EXAMPLE} UNENCRYPTED_SRTP"), None);
        check(&format!("{EXAMPLE};inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj"), None);
        check(&EXAMPLE.replace("_128_", "_512_"), None);
        check(&EXAMPLE.replace("AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM"), None); // A key of 30 octets, not 28.
        check("1 AES_CM_128_HMAC_SHA1_80 inline:", None);
        check("1 AES_CM_128_HMAC_SHA1_80", None);
        check("", None);
    }

    #[test]
    fn what_we_print_we_can_read_and_no_key_comes_twice() {
        for suite in SrtpSuite::ALL {
            let line = Crypto::fresh(3, suite).expect("a line");
            assert_eq!(Crypto::parse(&line.print()), Some(line.clone()));
            assert_ne!(Crypto::fresh(3, suite), Some(line.clone()));
            assert!(!format!("{line:?}").contains(&STANDARD.encode(line.key.octets())[..8]), "{line:?}");
        }
    }
}
