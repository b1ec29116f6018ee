//! The container of captures: pcapng (draft-ietf-opsawg-pcapng), so that Wireshark shows a call's packets as they were.
//!
//! Two interfaces: on the first lie the datagrams in both directions, on the second, of a link type for private use, our own
//! notes. Writes and reads only what captures need; both are tried against each other and against Wireshark.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const SECTION_HEADER: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1A2B_3C4D;
/// LINKTYPE_RAW: an IPv4 or IPv6 packet. LINKTYPE_USER0: for private use.
const LINK_TYPES: [u16; 2] = [101, 147];
const OPTION_TIME_RESOLUTION: u16 = 9;
const OPTION_FLAGS: u16 = 2;
/// Times are nanoseconds.
const NANOSECONDS: u8 = 9;
const UDP: u8 = 17;
const UDP_HEADER: usize = 8;
/// Octets of a note in one packet: Wireshark refuses a file in which a packet has more than 262,144. A longer note, a sound
/// of some length, lies in several packets.
const MAX_NOTE: usize = 128 << 10;
/// Begins each piece of a note but the last. No note begins so: they are JSON objects or strings.
const GOES_ON: u8 = b'+';
/// Largest block read: far more than any packet.
const MAX_BLOCK: usize = 64 << 20;

/// One packet of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// A datagram.
    Datagram { at: Duration, from: SocketAddr, to: SocketAddr, inbound: bool, payload: Vec<u8> },
    /// A note of ours.
    Note { at: Duration, text: Vec<u8> },
}

/// A file that is no capture, or one cut short within a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PcapngError {
    /// The first block is no section header in our byte order.
    #[error("the file does not begin as a little-endian pcapng file")]
    Header,
    /// A length contradicts the file's, or its own copy.
    #[error("a block's length is wrong at octet {at}")]
    Length { at: usize },
    /// A packet on the first interface is no UDP datagram as we write them.
    #[error("no UDP datagram at octet {at}")]
    Datagram { at: usize },
}

/// Begins a file.
///
/// # Errors
/// Those of the writer.
pub fn begin(out: &mut impl Write) -> io::Result<()> {
    let mut section = Vec::new();
    section.extend(BYTE_ORDER.to_le_bytes());
    section.extend([1, 0, 0, 0]); // Version 1.0.
    section.extend((-1i64).to_le_bytes()); // The section's length is not known.
    block(out, SECTION_HEADER, &section)?;
    for link_type in LINK_TYPES {
        let mut interface = Vec::new();
        interface.extend(link_type.to_le_bytes());
        interface.extend([0; 6]); // Reserved; packets of any length.
        option(&mut interface, OPTION_TIME_RESOLUTION, &[NANOSECONDS]);
        option(&mut interface, 0, &[]);
        block(out, INTERFACE, &interface)?;
    }
    Ok(())
}

/// Writes a packet; returns the octets that it took.
///
/// # Errors
/// Those of the writer.
pub fn write(out: &mut impl Write, packet: &Packet) -> io::Result<u64> {
    match packet {
        Packet::Datagram { at, from, to, inbound, payload } => {
            let flags = if *inbound { 1 } else { 2 };
            write_enhanced(out, 0, *at, &datagram(*from, *to, payload), flags)
        }
        Packet::Note { at, text } => {
            let mut written = 0;
            let mut pieces = text.chunks(MAX_NOTE).peekable();
            while let Some(piece) = pieces.next() {
                let more = pieces.peek().map(|_| GOES_ON);
                let data: Vec<u8> = more.into_iter().chain(piece.iter().copied()).collect();
                written += write_enhanced(out, 1, *at, &data, 0)?;
            }
            Ok(written)
        }
    }
}

fn write_enhanced(out: &mut impl Write, interface: u32, at: Duration, data: &[u8], flags: u32) -> io::Result<u64> {
    let nanos = at.as_nanos() as u64;
    let len = (data.len() as u32).to_le_bytes();
    let mut body = Vec::with_capacity(data.len() + 48);
    body.extend(interface.to_le_bytes());
    body.extend(((nanos >> 32) as u32).to_le_bytes());
    body.extend((nanos as u32).to_le_bytes());
    body.extend(len);
    body.extend(len);
    body.extend(data);
    pad(&mut body);
    if interface == 0 {
        option(&mut body, OPTION_FLAGS, &flags.to_le_bytes());
        option(&mut body, 0, &[]);
    }
    block(out, ENHANCED_PACKET, &body)?;
    Ok(body.len() as u64 + 12)
}

/// Reads a file's packets in their order. Blocks of other kinds are skipped; a last block that is cut short ends the file.
///
/// # Errors
/// See [`PcapngError`].
pub fn read(file: &[u8]) -> Result<Vec<Packet>, PcapngError> {
    if word(file, 0) != Some(SECTION_HEADER) || word(file, 8) != Some(BYTE_ORDER) {
        return Err(PcapngError::Header);
    }
    let (mut packets, mut unfinished) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let (Some(kind), Some(len)) = (word(file, at), word(file, at + 4)) {
        let len = len as usize;
        if !(12..=MAX_BLOCK).contains(&len) || !len.is_multiple_of(4) {
            return Err(PcapngError::Length { at });
        }
        let Some(block) = file.get(at..at + len) else { break };
        let body = &block[8..len - 4];
        if word(file, at + len - 4) != Some(len as u32) {
            return Err(PcapngError::Length { at });
        }
        if kind == ENHANCED_PACKET {
            match enhanced(body, at)? {
                Packet::Note { text, .. } if text.first() == Some(&GOES_ON) => unfinished.extend_from_slice(&text[1..]),
                Packet::Note { at, text } => {
                    unfinished.extend(text);
                    packets.push(Packet::Note { at, text: std::mem::take(&mut unfinished) });
                }
                datagram @ Packet::Datagram { .. } => packets.push(datagram),
            }
        }
        at += len;
    }
    Ok(packets)
}

fn enhanced(body: &[u8], at: usize) -> Result<Packet, PcapngError> {
    let field = |n: usize| word(body, 4 * n).ok_or(PcapngError::Length { at });
    let time = Duration::from_nanos((u64::from(field(1)?) << 32) | u64::from(field(2)?));
    let len = field(3)? as usize;
    let data = body.get(20..20 + len).ok_or(PcapngError::Length { at })?;
    if field(0)? != 0 {
        return Ok(Packet::Note { at: time, text: data.to_vec() });
    }
    // The flags are the only option that we write.
    let flags = word(body, 20 + len.next_multiple_of(4) + 4).unwrap_or(0);
    let (from, to, payload) = parts(data).ok_or(PcapngError::Datagram { at })?;
    Ok(Packet::Datagram { at: time, from, to, inbound: flags & 3 == 1, payload: payload.to_vec() })
}

/// Addresses and payload of a UDP datagram over IPv4 without options, or over IPv6 without extensions.
fn parts(packet: &[u8]) -> Option<(SocketAddr, SocketAddr, &[u8])> {
    let (from, to, udp): (IpAddr, IpAddr, _) = match packet.first()? >> 4 {
        4 if packet.get(9) == Some(&UDP) => {
            let address = |at: usize| packet.get(at..)?.first_chunk::<4>().map(|octets| IpAddr::from(*octets));
            (address(12)?, address(16)?, packet.get(20..)?)
        }
        6 if packet.get(6) == Some(&UDP) => {
            let address = |at: usize| packet.get(at..)?.first_chunk::<16>().map(|octets| IpAddr::from(*octets));
            (address(8)?, address(24)?, packet.get(40..)?)
        }
        _ => return None,
    };
    let port = |at: usize| udp.get(at..)?.first_chunk().map(|octets| u16::from_be_bytes(*octets));
    Some((SocketAddr::new(from, port(0)?), SocketAddr::new(to, port(2)?), udp.get(UDP_HEADER..)?))
}

fn datagram(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let udp_len = (UDP_HEADER + payload.len()) as u16;
    let mut packet = Vec::with_capacity(payload.len() + 48);
    match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            packet.extend([0x45, 0]);
            packet.extend((20 + udp_len).to_be_bytes());
            packet.extend([0, 0, 0, 0, 64, UDP, 0, 0]);
            packet.extend(from.octets());
            packet.extend(to.octets());
            let checksum = checksum(&packet);
            packet[10..12].copy_from_slice(&checksum.to_be_bytes());
        }
        (from, to) => {
            let octets = |ip| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            packet.extend([0x60, 0, 0, 0]);
            packet.extend(udp_len.to_be_bytes());
            packet.extend([UDP, 64]);
            packet.extend(octets(from));
            packet.extend(octets(to));
        }
    }
    packet.extend(from.port().to_be_bytes());
    packet.extend(to.port().to_be_bytes());
    packet.extend(udp_len.to_be_bytes());
    packet.extend([0, 0]); // No checksum: the network's own was checked by the kernel.
    packet.extend(payload);
    packet
}

/// The checksum of an IPv4 header whose own field is zero (RFC 1071).
fn checksum(header: &[u8]) -> u16 {
    let sum: u32 = header.as_chunks::<2>().0.iter().map(|pair| u32::from(u16::from_be_bytes(*pair))).sum();
    let folded = (sum & 0xFFFF) + (sum >> 16);
    !((folded & 0xFFFF) + (folded >> 16)) as u16
}

fn block(out: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let len = (body.len() as u32 + 12).to_le_bytes();
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&len)?;
    out.write_all(body)?;
    out.write_all(&len)
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    pad(body);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

fn word(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk().map(|octets| u32::from_le_bytes(*octets))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(packets: &[Packet]) -> Vec<u8> {
        let mut file = Vec::new();
        begin(&mut file).expect("written");
        packets.iter().for_each(|packet| {
            write(&mut file, packet).expect("written");
        });
        file
    }

    fn datagram(from: &str, to: &str, inbound: bool, payload: &[u8]) -> Packet {
        let (from, to) = (from.parse().expect("an address"), to.parse().expect("an address"));
        Packet::Datagram { at: Duration::new(1_790_000_000, 123_456_789), from, to, inbound, payload: payload.to_vec() }
    }

    #[test]
    fn what_is_written_is_read() {
        let packets = [
            Packet::Note { at: Duration::from_nanos(7), text: b"{}".to_vec() },
            datagram("192.0.2.1:4000", "192.0.2.2:20000", true, &[1, 2, 3, 4, 5]),
            datagram("[2001:db8::1]:4000", "[2001:db8::2]:20000", false, &[9; 172]),
            datagram("192.0.2.2:20000", "192.0.2.1:4000", false, &[]),
        ];
        assert_eq!(read(&file(&packets)), Ok(packets.to_vec()));
    }

    #[test]
    fn no_packet_is_longer_than_wireshark_reads() {
        let text: Vec<u8> = (0..600_000).map(|n| b'a' + (n % 26) as u8).collect();
        let note = Packet::Note { at: Duration::from_nanos(7), text };
        let packets = vec![note.clone(), datagram("192.0.2.1:4000", "192.0.2.2:20000", true, &[1]), note];
        let file = file(&packets);
        assert_eq!(read(&file), Ok(packets));
        let (mut at, mut longest) = (0, 0);
        while let Some(len) = word(&file, at + 4) {
            longest = longest.max(len);
            at += len as usize;
        }
        assert!((MAX_NOTE as u32..262_144).contains(&longest), "{longest}");
    }

    #[test]
    fn the_header_checksum_is_right() {
        let packet = super::datagram(
            "192.0.2.1:4000".parse().expect("an address"),
            "192.0.2.2:20000".parse().expect("an address"),
            &[0; 172],
        );
        let sum: u32 = packet[..20].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        assert_eq!((sum & 0xFFFF) + (sum >> 16), 0xFFFF);
    }

    #[test]
    fn a_file_cut_short_keeps_its_whole_packets() {
        let packets = vec![datagram("192.0.2.1:4000", "192.0.2.2:20000", true, &[1; 100]); 3];
        let file = file(&packets);
        assert_eq!(read(&file[..file.len() - 1]), Ok(packets[..2].to_vec()));
        assert_eq!(read(b"RIFF"), Err(PcapngError::Header));
    }

    proptest! {
        #[test]
        fn no_file_is_too_strange(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut strange = file(&[]);
            strange.extend(octets);
            let _ = read(&strange);
        }
    }
}
