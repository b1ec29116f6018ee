//! How one record lies in a segment: length, checksum, sequence number, payload. Pure.
//!
//! ```text
//! | payload length, u32 LE | CRC-32 of the rest, u32 LE | sequence number, u64 LE | payload |
//! ```

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 16;

/// Longest payload. A record is a few kilobytes; a greater length read from disk is damage.
pub const MAX_PAYLOAD_BYTES: usize = 4 << 20;

/// What stands at the beginning of the given bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// A whole record and the bytes it takes.
    Frame {
        /// Its place in the order of all records, for ever increasing.
        seq: u64,
        /// What was appended.
        payload: &'a [u8],
        /// Length of the frame, header included.
        len: usize,
    },
    /// Nothing: the end.
    End,
    /// The beginning of a record whose rest is missing: the writer died, or is still writing.
    Torn,
    /// Bytes that no writer wrote.
    Damaged,
}

/// Appends one frame to `out`. `payload` is at most [`MAX_PAYLOAD_BYTES`] long: the caller has checked.
pub fn write(out: &mut Vec<u8>, seq: u64, payload: &[u8]) {
    let seq = seq.to_le_bytes();
    let len = u32::try_from(payload.len()).expect("the caller keeps to MAX_PAYLOAD_BYTES");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&checksum(&seq, payload).to_le_bytes());
    out.extend_from_slice(&seq);
    out.extend_from_slice(payload);
}

/// Reads the frame at the beginning of `bytes`.
pub fn parse(bytes: &[u8]) -> Parsed<'_> {
    if bytes.is_empty() {
        return Parsed::End;
    }
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return Parsed::Torn };
    let [l0, l1, l2, l3, c0, c1, c2, c3, seq @ ..] = *header;
    let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if len > MAX_PAYLOAD_BYTES {
        return Parsed::Damaged;
    }
    let Some(payload) = rest.get(..len) else { return Parsed::Torn };
    if checksum(&seq, payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Parsed::Damaged;
    }
    Parsed::Frame { seq: u64::from_le_bytes(seq), payload, len: HEADER_BYTES + len }
}

fn checksum(seq: &[u8; 8], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(seq);
    crc.update(payload);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, 7, b"first");
        write(&mut bytes, 8, b"");
        bytes
    }

    /// Every whole frame, and what stops the reading.
    fn read(mut bytes: &[u8]) -> (Vec<(u64, Vec<u8>)>, &'static str) {
        let mut frames = Vec::new();
        loop {
            match parse(bytes) {
                Parsed::Frame { seq, payload, len } => {
                    frames.push((seq, payload.to_vec()));
                    bytes = &bytes[len..];
                }
                Parsed::End => return (frames, "end"),
                Parsed::Torn => return (frames, "torn"),
                Parsed::Damaged => return (frames, "damaged"),
            }
        }
    }

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(read(&two()), (vec![(7, b"first".to_vec()), (8, Vec::new())], "end"));
    }

    #[test]
    fn a_torn_tail_loses_only_itself() {
        let bytes = two();
        let first = HEADER_BYTES + 5;
        for cut in 1..bytes.len() {
            let (frames, stop) = read(&bytes[..cut]);
            assert_eq!(frames.len(), usize::from(cut >= first), "cut at {cut}");
            assert_eq!(stop, if cut == first { "end" } else { "torn" }, "cut at {cut}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = two();
        for bit in 0..bytes.len() * 8 {
            let mut bent = bytes.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(read(&bent), read(&bytes), "bit {bit}");
            assert_ne!(read(&bent).1, "end", "bit {bit}");
        }
    }

    #[test]
    fn an_absurd_length_is_damage_and_not_awaited() {
        assert_eq!(parse(&[0xff; HEADER_BYTES]), Parsed::Damaged);
    }
}
