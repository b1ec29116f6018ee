//! RTP packets on the wire (RFC 3550 §5.1): parsed without copying, printed into the caller's buffer.

/// Octets of a header without contributing sources or extension.
pub const HEADER_LEN: usize = 12;

/// RTP sequence number: wraps at 2^16 (RFC 3550 §5.1), so it has no `Ord`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeqNo(pub u16);

impl SeqNo {
    /// Signed distance from `earlier`; negative when `self` is the older one.
    pub const fn since(self, earlier: Self) -> i16 {
        self.0.wrapping_sub(earlier.0) as i16
    }

    /// The one after.
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// RTP timestamp in samples: wraps at 2^32 (RFC 3550 §5.1), so it has no `Ord`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp(pub u32);

impl Timestamp {
    /// Signed distance in samples from `earlier`; negative when `self` is the older one.
    pub const fn since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }

    /// `samples` later, or earlier where negative.
    pub const fn plus(self, samples: i32) -> Self {
        Self(self.0.wrapping_add_signed(samples))
    }
}

/// The fixed header fields that we act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Start of a talkspurt (RFC 3551 §4.1), or of an event (RFC 4733 §2.3.1).
    pub marker: bool,
    /// What the payload is; 7 bits.
    pub payload_type: u8,
    /// Counts packets.
    pub seq: SeqNo,
    /// Sampling instant of the first sample.
    pub timestamp: Timestamp,
    /// The synchronisation source.
    pub ssrc: u32,
}

/// A parsed packet: its header and the payload without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Fixed header.
    pub header: Header,
    /// Payload after contributing sources and extension, before padding.
    pub payload: &'a [u8],
}

/// A datagram that is no RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtpError {
    /// Ends before a field that it announces.
    #[error("RTP packet of {len} octets ends within its {part}")]
    Truncated { len: usize, part: &'static str },
    /// Not version 2.
    #[error("RTP version {0}")]
    Version(u8),
    /// The padding count is zero or larger than the payload (RFC 3550 §5.1).
    #[error("RTP padding of {padding} octets in a payload of {payload}")]
    Padding { padding: u8, payload: usize },
}

impl<'a> Packet<'a> {
    /// Parses one datagram.
    ///
    /// # Errors
    /// When it is not version 2 or its lengths contradict each other.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, RtpError> {
        let (header, payload_at) = Header::parse(datagram)?;
        let mut payload = &datagram[payload_at..];
        if datagram[0] & 0x20 != 0 {
            let padding = payload.last().copied().unwrap_or(0);
            let kept = payload.len().checked_sub(usize::from(padding)).filter(|_| padding > 0);
            payload = kept.map(|len| &payload[..len]).ok_or(RtpError::Padding { padding, payload: payload.len() })?;
        }
        Ok(Self { header, payload })
    }
}

impl Header {
    /// Parses the part of a datagram that SRTP leaves in the clear; where what follows it begins. Padding is not looked
    /// at.
    ///
    /// # Errors
    /// When it is not version 2 or its lengths contradict each other.
    pub fn parse(datagram: &[u8]) -> Result<(Self, usize), RtpError> {
        let truncated = |part| RtpError::Truncated { len: datagram.len(), part };
        let (fixed, rest) = datagram.split_first_chunk::<HEADER_LEN>().ok_or(truncated("header"))?;
        let version = fixed[0] >> 6;
        if version != 2 {
            return Err(RtpError::Version(version));
        }
        let mut after = rest.get(4 * usize::from(fixed[0] & 0x0F)..).ok_or(truncated("contributing sources"))?;
        if fixed[0] & 0x10 != 0 {
            let (extension, following) = after.split_first_chunk::<4>().ok_or(truncated("extension"))?;
            let words = usize::from(u16::from_be_bytes([extension[2], extension[3]]));
            after = following.get(4 * words..).ok_or(truncated("extension"))?;
        }
        let header = Self {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7F,
            seq: SeqNo(u16::from_be_bytes([fixed[2], fixed[3]])),
            timestamp: Timestamp(u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]])),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        };
        Ok((header, datagram.len() - after.len()))
    }

    /// Prints the header, without contributing sources or extension.
    pub fn write(&self, out: &mut [u8; HEADER_LEN]) {
        out[0] = 0x80;
        out[1] = (u8::from(self.marker) << 7) | (self.payload_type & 0x7F);
        out[2..4].copy_from_slice(&self.seq.0.to_be_bytes());
        out[4..8].copy_from_slice(&self.timestamp.0.to_be_bytes());
        out[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(datagram: &[u8], expected: Result<&[u8], RtpError>) {
        assert_eq!(Packet::parse(datagram).map(|packet| packet.payload), expected);
    }

    /// A header with these first two octets, followed by `rest`.
    fn datagram(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut datagram = vec![first, 8, 0, 1, 0, 0, 0, 160, 0, 0, 0, 7];
        datagram.extend_from_slice(rest);
        datagram
    }

    #[test]
    fn payload_is_what_lies_between_extension_and_padding() {
        check(&datagram(0x80, b"abc"), Ok(b"abc"));
        check(&datagram(0x80, b""), Ok(b""));
        check(&datagram(0x82, b"ssrcSSRCabc"), Ok(b"abc"));
        check(&datagram(0x90, b"\xBE\xDE\x00\x01wordabc"), Ok(b"abc"));
        check(&datagram(0xB1, b"ssrc\xBE\xDE\x00\x00abc\x00\x02"), Ok(b"abc"));
        check(&datagram(0xA0, b"\x01"), Ok(b""));
    }

    #[test]
    fn contradictions_are_errors() {
        check(b"\x80\x08\x00", Err(RtpError::Truncated { len: 3, part: "header" }));
        check(&datagram(0x40, b""), Err(RtpError::Version(1)));
        check(&datagram(0x81, b"abc"), Err(RtpError::Truncated { len: 15, part: "contributing sources" }));
        check(&datagram(0x90, b"ab"), Err(RtpError::Truncated { len: 14, part: "extension" }));
        check(&datagram(0x90, b"\xBE\xDE\x00\x02word"), Err(RtpError::Truncated { len: 20, part: "extension" }));
        check(&datagram(0xA0, b"a\x00"), Err(RtpError::Padding { padding: 0, payload: 2 }));
        check(&datagram(0xA0, b"a\x03"), Err(RtpError::Padding { padding: 3, payload: 2 }));
        check(&datagram(0xA0, b""), Err(RtpError::Padding { padding: 0, payload: 0 }));
    }

    #[test]
    fn distances_wrap() {
        assert_eq!(SeqNo(1).since(SeqNo(65_535)), 2);
        assert_eq!(SeqNo(65_535).since(SeqNo(1)), -2);
        assert_eq!(Timestamp(10).since(Timestamp(u32::MAX)), 11);
        assert_eq!(Timestamp(0).plus(-1), Timestamp(u32::MAX));
    }

    proptest! {
        #[test]
        fn any_datagram_is_parsed_or_refused(datagram in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Packet::parse(&datagram);
        }

        #[test]
        fn a_printed_header_is_read_back(marker: bool, payload_type in 0u8..128, seq: u16, timestamp: u32, ssrc: u32) {
            let header =
                Header { marker, payload_type, seq: SeqNo(seq), timestamp: Timestamp(timestamp), ssrc };
            let mut out = [0; HEADER_LEN];
            header.write(&mut out);
            prop_assert_eq!(Packet::parse(&out), Ok(Packet { header, payload: &[] }));
        }
    }
}
