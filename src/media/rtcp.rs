//! RTCP (RFC 3550 §6): sender and receiver reports, source description and goodbye, in compound packets.

use std::time::Duration;

/// Time between our reports (RFC 3550 §6.2: a minimum of 5 s; two parties never need longer).
pub const INTERVAL: Duration = Duration::from_secs(5);

/// Room for the largest packet that [`Report::write`] prints, in octets.
pub const MAX_LEN: usize = 128;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
/// Item type of the canonical name (RFC 3550 §6.5.1).
const CNAME: u8 = 1;

/// NTP time as RTCP carries it: seconds since 1900 in the upper half, their fraction in the lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// Seconds from 1900 to 1970.
    const UNIX_EPOCH: u64 = 2_208_988_800;

    /// The NTP time of a span since the Unix epoch.
    pub fn from_unix(since_epoch: Duration) -> Self {
        let fraction = (u64::from(since_epoch.subsec_nanos()) << 32) / 1_000_000_000;
        Self(((since_epoch.as_secs() + Self::UNIX_EPOCH) << 32) | fraction)
    }

    /// The time a span later.
    pub fn plus(self, span: Duration) -> Self {
        let fraction = (u64::from(span.subsec_nanos()) << 32) / 1_000_000_000;
        Self(self.0.wrapping_add((span.as_secs() << 32) + fraction))
    }

    /// The middle 32 bits: 16 of seconds, 16 of fraction.
    pub fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// A span in units of 1/65536 s, as report blocks carry it; saturates.
pub fn short(span: Duration) -> u32 {
    u32::try_from(span.as_nanos() * 65_536 / 1_000_000_000).unwrap_or(u32::MAX)
}

/// The span of a [`short`] value.
pub fn span(short: u32) -> Duration {
    Duration::from_nanos(u64::from(short) * 1_000_000_000 / 65_536)
}

/// What we, or the peer, sent (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// When the report was made.
    pub ntp: NtpTime,
    /// The same instant as an RTP timestamp.
    pub rtp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload octets sent.
    pub octets: u32,
}

/// How one source is received (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source reported on.
    pub ssrc: u32,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the beginning; 24 bits, signed.
    pub lost: i32,
    /// Extended highest sequence number.
    pub highest: u32,
    /// Interarrival jitter in samples.
    pub jitter: u32,
    /// Middle of the NTP time of the last sender report from that source; 0 for none.
    pub last_report: u32,
    /// Time since that report, in 1/65536 s.
    pub since_last_report: u32,
}

/// A compound packet of ours: a sender report where we sent, else a receiver report; our name; on leaving, a goodbye.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// Our source.
    pub ssrc: u32,
    /// Present once we sent.
    pub sender: Option<SenderInfo>,
    /// Present once we received.
    pub block: Option<ReportBlock>,
    /// Canonical name; at most 32 octets are printed.
    pub cname: &'a [u8],
    /// Whether we leave.
    pub goodbye: bool,
}

impl Report<'_> {
    /// Prints the packet and returns its length.
    pub fn write(&self, out: &mut [u8; MAX_LEN]) -> usize {
        let mut packet = Writer { out, at: 0 };
        let kind = if self.sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
        packet.section(u8::from(self.block.is_some()), kind, |packet| {
            packet.word(self.ssrc);
            if let Some(sender) = &self.sender {
                packet.word((sender.ntp.0 >> 32) as u32);
                packet.word(sender.ntp.0 as u32);
                packet.word(sender.rtp);
                packet.word(sender.packets);
                packet.word(sender.octets);
            }
            if let Some(block) = &self.block {
                packet.word(block.ssrc);
                let lost = block.lost.clamp(-0x80_0000, 0x7F_FFFF) as u32 & 0xFF_FFFF;
                packet.word((u32::from(block.fraction_lost) << 24) | lost);
                packet.word(block.highest);
                packet.word(block.jitter);
                packet.word(block.last_report);
                packet.word(block.since_last_report);
            }
        });
        packet.section(1, SOURCE_DESCRIPTION, |packet| {
            let name = &self.cname[..self.cname.len().min(32)];
            packet.word(self.ssrc);
            packet.bytes(&[CNAME, name.len() as u8]);
            packet.bytes(name);
            packet.bytes(&[0]); // Ends the items; `section` pads to a word.
        });
        if self.goodbye {
            packet.section(1, GOODBYE, |packet| packet.word(self.ssrc));
        }
        packet.at
    }
}

struct Writer<'a> {
    out: &'a mut [u8; MAX_LEN],
    at: usize,
}

impl Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.out[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn word(&mut self, word: u32) {
        self.bytes(&word.to_be_bytes());
    }

    fn section(&mut self, count: u8, kind: u8, body: impl FnOnce(&mut Self)) {
        let start = self.at;
        self.bytes(&[0x80 | count, kind, 0, 0]);
        body(self);
        while !(self.at - start).is_multiple_of(4) {
            self.bytes(&[0]);
        }
        let words = ((self.at - start) / 4 - 1) as u16;
        self.out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
    }
}

/// What matters to us in the peer's compound packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Source and sender information of a sender report.
    pub sender: Option<(u32, SenderInfo)>,
    /// The report block about our source.
    pub about_us: Option<ReportBlock>,
    /// Whether the peer said goodbye.
    pub goodbye: bool,
}

/// A datagram that is no compound RTCP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtcpError {
    /// A section ends before a field that it announces.
    #[error("RTCP packet of {len} octets ends within a section at {at}")]
    Truncated { len: usize, at: usize },
    /// Not version 2.
    #[error("RTCP version {0}")]
    Version(u8),
    /// The first section is neither a sender nor a receiver report (RFC 3550 A.2).
    #[error("RTCP packet begins with type {0}")]
    First(u8),
}

/// Parses a compound packet, keeping what concerns `our_ssrc`. Unknown sections are skipped.
///
/// # Errors
/// When lengths contradict each other, or the validity checks of RFC 3550 A.2 fail.
pub fn parse(datagram: &[u8], our_ssrc: u32) -> Result<Received, RtcpError> {
    let mut received = Received::default();
    let mut at = 0;
    loop {
        let truncated = RtcpError::Truncated { len: datagram.len(), at };
        let header = datagram.get(at..at + 4).ok_or(truncated)?;
        let (version, count, kind) = (header[0] >> 6, header[0] & 0x1F, header[1]);
        if version != 2 {
            return Err(RtcpError::Version(version));
        }
        if at == 0 && kind != SENDER_REPORT && kind != RECEIVER_REPORT {
            return Err(RtcpError::First(kind));
        }
        let len = 4 * usize::from(u16::from_be_bytes([header[2], header[3]]));
        let body = datagram.get(at + 4..at + 4 + len).ok_or(truncated)?;
        match kind {
            SENDER_REPORT => {
                received.sender = Some(sender_info(body).ok_or(truncated)?);
                blocks(body.get(24..).ok_or(truncated)?, count, our_ssrc, &mut received).ok_or(truncated)?;
            }
            RECEIVER_REPORT => {
                blocks(body.get(4..).ok_or(truncated)?, count, our_ssrc, &mut received).ok_or(truncated)?;
            }
            GOODBYE => received.goodbye = true,
            _ => {} // Source descriptions and feedback tell us nothing.
        }
        at += 4 + len;
        if at == datagram.len() {
            return Ok(received);
        }
    }
}

fn word(bytes: &[u8], index: usize) -> Option<u32> {
    let chunk = bytes.get(4 * index..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*chunk))
}

fn sender_info(body: &[u8]) -> Option<(u32, SenderInfo)> {
    let ntp = NtpTime((u64::from(word(body, 1)?) << 32) | u64::from(word(body, 2)?));
    let info = SenderInfo { ntp, rtp: word(body, 3)?, packets: word(body, 4)?, octets: word(body, 5)? };
    Some((word(body, 0)?, info))
}

fn blocks(mut body: &[u8], count: u8, our_ssrc: u32, received: &mut Received) -> Option<()> {
    for _ in 0..count {
        let (block, rest) = body.split_at_checked(24)?;
        body = rest;
        if word(block, 0)? == our_ssrc {
            let loss = word(block, 1)?;
            received.about_us = Some(ReportBlock {
                ssrc: our_ssrc,
                fraction_lost: (loss >> 24) as u8,
                lost: ((loss << 8) as i32) >> 8, // Sign-extends the 24 bits.
                highest: word(block, 2)?,
                jitter: word(block, 3)?,
                last_report: word(block, 4)?,
                since_last_report: word(block, 5)?,
            });
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SENDER: SenderInfo = SenderInfo { ntp: NtpTime(0x0102_0304_0506_0708), rtp: 9, packets: 10, octets: 1_600 };
    const BLOCK: ReportBlock = ReportBlock {
        ssrc: 0xCAFE,
        fraction_lost: 12,
        lost: -3,
        highest: 0x1_0005,
        jitter: 40,
        last_report: 0x0304_0506,
        since_last_report: 65_536,
    };

    fn printed(sender: Option<SenderInfo>, block: Option<ReportBlock>, goodbye: bool) -> Vec<u8> {
        let mut out = [0; MAX_LEN];
        let len = Report { ssrc: 7, sender, block, cname: b"a-name-of-ours", goodbye }.write(&mut out);
        out[..len].to_vec()
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for sender in [None, Some(SENDER)] {
            for block in [None, Some(BLOCK)] {
                for goodbye in [false, true] {
                    let packet = printed(sender, block, goodbye);
                    assert!(packet.len().is_multiple_of(4));
                    let expected = Received { sender: sender.map(|info| (7, info)), about_us: block, goodbye };
                    assert_eq!(parse(&packet, 0xCAFE), Ok(expected));
                }
            }
        }
    }

    #[test]
    fn a_block_about_someone_else_is_not_ours() {
        assert_eq!(parse(&printed(None, Some(BLOCK), false), 1).map(|r| r.about_us), Ok(None));
    }

    #[test]
    fn broken_packets_are_errors() {
        let good = printed(Some(SENDER), Some(BLOCK), true);
        for len in 0..good.len() {
            // Cut between sections, what is left is whole.
            if [52, 80].contains(&len) {
                continue;
            }
            assert!(matches!(parse(&good[..len], 1), Err(RtcpError::Truncated { .. })), "{len}");
        }
        assert_eq!(parse(&good[52..], 1), Err(RtcpError::First(SOURCE_DESCRIPTION)));
        assert_eq!(parse(&[0x40, 200, 0, 0], 1), Err(RtcpError::Version(1)));
        assert!(parse(&[0x81, 201, 0, 1, 0, 0, 0, 1], 1).is_err(), "a block is announced and missing");
    }

    #[test]
    fn times_convert() {
        let ntp = NtpTime::from_unix(Duration::from_millis(1_500));
        assert_eq!(ntp.0, ((NtpTime::UNIX_EPOCH + 1) << 32) | 0x8000_0000);
        assert_eq!(span(short(Duration::from_millis(250))), Duration::from_millis(250));
    }

    proptest! {
        #[test]
        fn any_datagram_is_parsed_or_refused(datagram in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&datagram, 7);
        }
    }
}
