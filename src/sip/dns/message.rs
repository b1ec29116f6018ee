//! Questions to a name server and its answers (RFC 1035 §4), as far as finding a SIP server needs them. Pure; the answer may
//! hold anything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// Longest name (RFC 1035 §2.3.4).
const NAME_MAX: usize = 255;
/// Longest label.
const LABEL_MAX: usize = 63;
/// Pointers followed within one name; each leads backwards, so that more make no sense.
const JUMPS_MAX: usize = 16;
/// Records read of one answer; further ones are left.
const RECORDS_MAX: usize = 64;
/// Octets of an answer that we take (RFC 9715 §3.1: what passes without fragments), told by EDNS (RFC 6891).
pub(super) const ANSWER_MAX: u16 = 1_232;

/// The class of the Internet.
const IN: u16 = 1;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Addresses of version 4.
    A,
    /// Addresses of version 6.
    Aaaa,
    /// Servers of a service (RFC 2782).
    Srv,
}

/// Where a service is (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Srv {
    /// Lower ones are tried first.
    pub(super) priority: u16,
    /// Share among those of one priority.
    pub(super) weight: u16,
    /// Where it listens.
    pub(super) port: u16,
    /// On which host; empty: the service is decidedly not there.
    pub(super) target: String,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    /// A host's address.
    Address(IpAddr),
    /// A service's server.
    Server(Srv),
}

/// A record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// How long it may be kept.
    pub(super) ttl: Duration,
    /// What it says.
    pub(super) data: Data,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Fault {
    /// It answers another question, or is none.
    #[error("not an answer to this question")]
    Other,
    /// It was cut off.
    #[error("the answer does not fit a datagram")]
    Truncated,
    /// The server cannot or will not say (RFC 1035 §4.1.1).
    #[error("the name server failed with code {0}")]
    Server(u8),
    /// It ends in the middle, or leads round in a ring.
    #[error("a malformed answer")]
    Malformed,
}

impl Kind {
    fn code(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Aaaa => 28,
            Self::Srv => 33,
        }
    }
}

/// The question as a datagram; `None` where `name` is none.
pub(super) fn question(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(64);
    out.extend(id.to_be_bytes());
    // Recursion desired; one question, one additional record.
    out.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 1]);
    let name = name.trim_end_matches('.');
    if name.is_empty() || name.len() > NAME_MAX - 2 {
        return None;
    }
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|n| *n > 0 && usize::from(*n) <= LABEL_MAX)?;
        out.push(length);
        out.extend(label.as_bytes());
    }
    out.push(0);
    out.extend(kind.code().to_be_bytes());
    out.extend(IN.to_be_bytes());
    // OPT (RFC 6891 §6.1.2): the root, type 41, our size, no flags, no data.
    out.push(0);
    out.extend(41_u16.to_be_bytes());
    out.extend(ANSWER_MAX.to_be_bytes());
    out.extend([0; 6]);
    Some(out)
}

/// The records of the asked kind in an answer to this question; none where there is no such name.
pub(super) fn answer(message: &[u8], id: u16, name: &str, kind: Kind) -> Result<Vec<Record>, Fault> {
    let mut reader = Reader { message, at: 0 };
    let (found, flags) = (reader.u16()?, reader.u16()?);
    let (questions, answers) = (reader.u16()?, reader.u16()?);
    reader.skip(4)?;
    let response = flags & 0x8000 != 0;
    if !response || found != id || questions != 1 {
        return Err(Fault::Other);
    }
    let same = reader.name()?.eq_ignore_ascii_case(name.trim_end_matches('.'));
    if !same || reader.u16()? != kind.code() || reader.u16()? != IN {
        return Err(Fault::Other);
    }
    match flags & 0x000f {
        // NXDOMAIN says that there is no such name: an answer too.
        0 | 3 => {}
        code => return Err(Fault::Server(code as u8)),
    }
    if flags & 0x0200 != 0 {
        return Err(Fault::Truncated);
    }
    let mut records = Vec::new();
    for _ in 0..usize::from(answers).min(RECORDS_MAX) {
        // An alias leads from the name that was asked for to another: whose records these are does not matter.
        reader.name()?;
        let (found, class, ttl, length) = (reader.u16()?, reader.u16()?, reader.u32()?, reader.u16()?);
        let ends = reader.at + usize::from(length);
        if found == kind.code() && class == IN {
            let data = reader.data(kind, usize::from(length))?;
            records.push(Record { ttl: Duration::from_secs(ttl.into()), data });
        }
        if ends > message.len() || reader.at > ends {
            return Err(Fault::Malformed);
        }
        reader.at = ends;
    }
    Ok(records)
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let found = self.message.get(self.at..).and_then(|rest| rest.first_chunk::<N>()).ok_or(Fault::Malformed)?;
        self.at += N;
        Ok(*found)
    }

    fn u16(&mut self) -> Result<u16, Fault> {
        self.bytes().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        self.bytes().map(u32::from_be_bytes)
    }

    fn skip(&mut self, octets: usize) -> Result<(), Fault> {
        self.at += octets;
        if self.at <= self.message.len() { Ok(()) } else { Err(Fault::Malformed) }
    }

    /// A name, compressed or not (RFC 1035 §4.1.4); only of characters that a host's or service's name may have.
    fn name(&mut self) -> Result<String, Fault> {
        let mut name = String::new();
        let (mut at, mut after) = (self.at, None);
        let mut jumps = 0;
        loop {
            let length = *self.message.get(at).ok_or(Fault::Malformed)?;
            match length {
                0 => break,
                1..=63 => {
                    let label = self.message.get(at + 1..at + 1 + usize::from(length)).ok_or(Fault::Malformed)?;
                    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
                    if !label.iter().all(plain) || name.len() + label.len() + 1 > NAME_MAX {
                        return Err(Fault::Malformed);
                    }
                    if !name.is_empty() {
                        name.push('.');
                    }
                    name.extend(label.iter().map(|b| char::from(*b)));
                    at += 1 + label.len();
                }
                192..=255 => {
                    let low = *self.message.get(at + 1).ok_or(Fault::Malformed)?;
                    after = after.or(Some(at + 2));
                    at = usize::from(length & 0x3f) << 8 | usize::from(low);
                    jumps += 1;
                    if jumps > JUMPS_MAX {
                        return Err(Fault::Malformed);
                    }
                }
                64..=191 => return Err(Fault::Malformed),
            }
        }
        self.at = after.unwrap_or(at + 1);
        Ok(name)
    }

    fn data(&mut self, kind: Kind, length: usize) -> Result<Data, Fault> {
        Ok(match kind {
            Kind::A if length == 4 => Data::Address(IpAddr::V4(Ipv4Addr::from(self.bytes::<4>()?))),
            Kind::Aaaa if length == 16 => Data::Address(IpAddr::V6(Ipv6Addr::from(self.bytes::<16>()?))),
            Kind::A | Kind::Aaaa => return Err(Fault::Malformed),
            Kind::Srv => Data::Server(Srv {
                priority: self.u16()?,
                weight: self.u16()?,
                port: self.u16()?,
                target: self.name()?,
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: &str = "_sip._udp.trunk.example";

    /// An answer with these records behind the question; `data` may point back to the question's name at 12.
    fn answered(flags: u16, kind: Kind, records: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let asked = question(7, NAME, kind).expect("a name");
        let mut out = asked[..asked.len() - 11].to_vec();
        out[2..4].copy_from_slice(&flags.to_be_bytes());
        out[6..8].copy_from_slice(&(records.len() as u16).to_be_bytes());
        out[10..12].fill(0);
        for (found, data) in records {
            out.extend([0xc0, 12]);
            out.extend(found.to_be_bytes());
            out.extend([0, 1, 0, 0, 0, 60]);
            out.extend((data.len() as u16).to_be_bytes());
            out.extend(data);
        }
        out
    }

    fn server(port: u16, target: &[u8]) -> Vec<u8> {
        [&[0, 10, 0, 5], &port.to_be_bytes()[..], target].concat()
    }

    #[test]
    fn servers_are_read_compressed_or_not() {
        // "trunk.example" begins at 12 + 5 + 5.
        let records = [(33, server(5_060, b"\x01a\xc0\x16")), (33, server(5_070, b"\x01b\x07example\x00"))];
        let found = answer(&answered(0x8180, Kind::Srv, &records), 7, NAME, Kind::Srv).expect("an answer");
        let record = |port, target: &str| Record {
            ttl: Duration::from_secs(60),
            data: Data::Server(Srv { priority: 10, weight: 5, port, target: target.into() }),
        };
        assert_eq!(found, [record(5_060, "a.trunk.example"), record(5_070, "b.example")]);
    }

    #[test]
    fn an_alias_before_the_address_is_passed_over() {
        let records = [(5, b"\xc0\x16".to_vec()), (1, vec![192, 0, 2, 7])];
        let found = answer(&answered(0x8180, Kind::A, &records), 7, NAME, Kind::A).expect("an answer");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].data, Data::Address("192.0.2.7".parse().expect("an address")));
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        let whole = answered(0x8180, Kind::Srv, &[(33, server(5_060, b"\x01a\xc0\x16"))]);
        let check =
            |message: &[u8], expected| assert_eq!(answer(message, 7, NAME, Kind::Srv).map(|r| r.len()), expected);
        check(&whole, Ok(1));
        check(&answered(0x8183, Kind::Srv, &[]), Ok(0));
        check(&answered(0x8182, Kind::Srv, &[]), Err(Fault::Server(2)));
        check(&answered(0x8380, Kind::Srv, &[]), Err(Fault::Truncated));
        check(&answered(0x0100, Kind::Srv, &[]), Err(Fault::Other));
        assert_eq!(answer(&whole, 8, NAME, Kind::Srv), Err(Fault::Other));
        assert_eq!(answer(&whole, 7, "_sip._udp.other.example", Kind::Srv), Err(Fault::Other));
        assert_eq!(answer(&whole, 7, NAME, Kind::A), Err(Fault::Other));
        // A pointer to itself.
        check(&answered(0x8180, Kind::Srv, &[(33, server(5_060, b"\xc0\x3b"))]), Err(Fault::Malformed));
        check(&answered(0x8180, Kind::Srv, &[(33, server(5_060, b"\x01 \x00"))]), Err(Fault::Malformed));
        for end in 0..whole.len() {
            assert!(answer(&whole[..end], 7, NAME, Kind::Srv).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn names_that_are_none_are_not_asked_for() {
        for name in ["", ".", "a..b", &"a".repeat(64), &"a.".repeat(130)] {
            assert_eq!(question(1, name, Kind::A), None, "{name}");
        }
        assert!(question(1, "a.example.", Kind::A).is_some());
    }

    proptest! {
        /// Whatever a server sends, reading it ends.
        #[test]
        fn anything_may_be_read(mut message in proptest::collection::vec(any::<u8>(), 0..200), keep in 0_usize..60) {
            let whole = answered(0x8180, Kind::Srv, &[(33, server(5_060, b"\x01a\xc0\x16"))]);
            let kept = keep.min(message.len());
            message[..kept].copy_from_slice(&whole[..kept]);
            for kind in [Kind::A, Kind::Aaaa, Kind::Srv] {
                let _ = answer(&message, 7, NAME, kind);
            }
        }
    }
}
