//! STUN messages (RFC 8489), as far as the lite side of ICE needs them: Binding requests in, Binding responses out.

use std::net::{IpAddr, SocketAddr};

use ring::hmac;

/// The third word of every message (RFC 8489 §5).
const MAGIC_COOKIE: u32 = 0x2112_A442;
const HEADER_LEN: usize = 20;
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
/// HMAC-SHA1 (RFC 8489 §14.5).
const INTEGRITY_LEN: usize = 20;
/// What the CRC is combined with (RFC 8489 §14.7).
const FINGERPRINT_XOR: u32 = 0x5354_554E;

/// A Binding request whose sender knows the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Comes back in the response.
    pub(super) transaction: [u8; 12],
    /// Whether the sender has chosen this pair of addresses (RFC 8445 §7.1.2).
    pub(super) nominates: bool,
}

/// Whether a datagram may be a STUN message, by its first octet (RFC 7983 §7).
pub(super) fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4)
}

/// Reads a Binding request meant for `ufrag` and signed by `password`; `None` for everything else, which gets no answer: an
/// error response would tell a stranger that somebody listens.
pub(super) fn request(datagram: &[u8], ufrag: &str, password: &[u8]) -> Option<Request> {
    let header: &[u8; HEADER_LEN] = datagram.first_chunk()?;
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let long = usize::from(word(2));
    let cookie = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    if word(0) != BINDING_REQUEST || cookie != MAGIC_COOKIE || datagram.len() != HEADER_LEN + long || long % 4 != 0 {
        return None;
    }
    let transaction = *header.last_chunk::<12>()?;
    let (mut for_us, mut nominates) = (false, false);
    let mut at = HEADER_LEN;
    while let Some(head) = datagram.get(at..at + 4) {
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = datagram.get(at + 4..at + 4 + len)?;
        match kind {
            // Ours stands before the colon (RFC 8445 §7.2.2).
            USERNAME => {
                let name = value.split(|octet| *octet == b':').next();
                for_us = name == Some(ufrag.as_bytes());
            }
            USE_CANDIDATE => nominates = true,
            // What follows it is not signed, and so not believed.
            MESSAGE_INTEGRITY => {
                let signed = signed(datagram, at);
                let valid = hmac::verify(&key(password), &signed, value).is_ok();
                return (valid && for_us).then_some(Request { transaction, nominates });
            }
            _ => {}
        }
        at += 4 + len.next_multiple_of(4);
    }
    None
}

/// The response to a request that came from `from`.
pub(super) fn success(request: &Request, from: SocketAddr, password: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(96);
    message.extend(BINDING_SUCCESS.to_be_bytes());
    message.extend([0, 0]); // The length, known at the end.
    message.extend(MAGIC_COOKIE.to_be_bytes());
    message.extend(request.transaction);
    attribute(&mut message, XOR_MAPPED_ADDRESS, &mapped(from, &request.transaction));
    let at = message.len();
    let tag = hmac::sign(&key(password), &signed(&message, at));
    attribute(&mut message, MESSAGE_INTEGRITY, tag.as_ref());
    // The CRC covers a length that counts the fingerprint itself.
    set_length(&mut message, 8);
    let crc = crc32fast::hash(&message) ^ FINGERPRINT_XOR;
    attribute(&mut message, FINGERPRINT, &crc.to_be_bytes());
    message
}

/// What MESSAGE-INTEGRITY at `at` signs: all before it, under a length that ends with it (RFC 8489 §14.5).
fn signed(message: &[u8], at: usize) -> Vec<u8> {
    let mut signed = message[..at].to_vec();
    set_length(&mut signed, 4 + INTEGRITY_LEN);
    signed
}

/// Sets the header's length to what stands in `message` and `more` octets.
fn set_length(message: &mut [u8], more: usize) {
    let len = u16::try_from(message.len() - HEADER_LEN + more).unwrap_or(u16::MAX);
    message[2..4].copy_from_slice(&len.to_be_bytes());
}

fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend(kind.to_be_bytes());
    message.extend((value.len() as u16).to_be_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
    set_length(message, 0);
}

/// The value of XOR-MAPPED-ADDRESS (RFC 8489 §14.2).
fn mapped(from: SocketAddr, transaction: &[u8; 12]) -> Vec<u8> {
    let cookie = MAGIC_COOKIE.to_be_bytes();
    let port = from.port() ^ (MAGIC_COOKIE >> 16) as u16;
    let (family, address): (u8, Vec<u8>) = match from.ip() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let mask = cookie.iter().chain(transaction);
    let mut value = vec![0, family];
    value.extend(port.to_be_bytes());
    value.extend(address.iter().zip(mask).map(|(octet, mask)| octet ^ mask));
    value
}

fn key(password: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password)
}

/// A request as browsers send it.
#[cfg(test)]
pub(super) fn binding(username: &str, password: &[u8], transaction: [u8; 12], nominates: bool) -> Vec<u8> {
    let mut message = Vec::new();
    message.extend(BINDING_REQUEST.to_be_bytes());
    message.extend([0, 0]);
    message.extend(MAGIC_COOKIE.to_be_bytes());
    message.extend(transaction);
    attribute(&mut message, USERNAME, username.as_bytes());
    if nominates {
        attribute(&mut message, USE_CANDIDATE, &[]);
    }
    let at = message.len();
    let tag = hmac::sign(&key(password), &signed(&message, at));
    attribute(&mut message, MESSAGE_INTEGRITY, tag.as_ref());
    message
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The sample request of RFC 5769 §2.1.
    const SAMPLE: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff\
                          80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249\
                          c1b571a280280004e57a3bcf";
    /// And the response to it, of §2.2.
    const RESPONSE: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643\
                            000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";
    const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";

    fn sample() -> Vec<u8> {
        hex::decode(SAMPLE).expect("hex")
    }

    #[test]
    fn the_sample_of_rfc_5769_is_read() {
        let read = request(&sample(), "evtj", PASSWORD).expect("a request");
        assert_eq!(hex::encode(read.transaction), "b7e7a701bc34d686fa87dfae");
        assert!(!read.nominates);
        assert_eq!(request(&sample(), "h6vY", PASSWORD), None, "meant for the other side");
        assert_eq!(request(&sample(), "evtj", b"another"), None);
    }

    #[test]
    fn the_response_holds_what_the_sample_holds() {
        let from = "192.0.2.1:32853".parse().expect("an address");
        let request = Request { transaction: sample()[8..20].try_into().expect("12 octets"), nominates: false };
        let response = success(&request, from, PASSWORD);
        let sample = hex::decode(RESPONSE).expect("hex");
        assert_eq!(response[4..20], sample[4..20]);
        assert_eq!(response[20..32], sample[36..48], "the mapped address");
        assert_eq!(usize::from(u16::from_be_bytes([response[2], response[3]])), response.len() - HEADER_LEN);
        let tag = hmac::sign(&key(PASSWORD), &signed(&response, 32));
        assert_eq!(response[36..56], *tag.as_ref());
        let crc = crc32fast::hash(&response[..56]) ^ FINGERPRINT_XOR;
        assert_eq!(response[60..], crc.to_be_bytes());
    }

    #[test]
    fn every_octet_before_the_tag_counts() {
        let whole = binding("ours:theirs", PASSWORD, [7; 12], true);
        assert!(request(&whole, "ours", PASSWORD).is_some_and(|request| request.nominates));
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert_eq!(request(&changed, "ours", PASSWORD), None, "octet {at}");
            assert_eq!(request(&whole[..at], "ours", PASSWORD), None, "{at} octets");
        }
    }

    #[test]
    fn what_follows_the_tag_is_not_believed() {
        let mut message = binding("ours:theirs", PASSWORD, [7; 12], false);
        attribute(&mut message, USE_CANDIDATE, &[]);
        assert!(request(&message, "ours", PASSWORD).is_some_and(|request| !request.nominates));
    }

    proptest! {
        #[test]
        fn any_datagram_is_refused(datagram in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(request(&datagram, "ours", PASSWORD), None);
        }
    }
}
