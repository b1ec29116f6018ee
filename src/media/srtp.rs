//! SRTP and SRTCP (RFC 3711, RFC 7714): one call's packets are protected on their way out and opened on their way in.
//!
//! Works in the caller's buffers and allocates nothing. A packet that is too short, has a wrong tag, or was seen before is
//! refused and changes nothing here, so that no stranger can end or confuse a call (CVE-2021-41105). What is known of
//! each of the peer's sources lies in a table of [`SOURCES`] entries, into which only authentic packets get; when it is
//! full, further sources are refused until the keys change.

mod transform;

use super::rtp::{Header, SeqNo};
use crate::call::stream::Srtp;
use transform::Transform;

/// Sources of the peer under one pair of keys: its own, and some more for a peer that begins anew.
const SOURCES: usize = 8;
/// Packets behind the newest that are still taken (RFC 3711 §3.3.2 asks for 64 at least).
const WINDOW: u64 = 128;
/// Octets by which protection lengthens a packet at most: a tag, and for SRTCP the index.
pub const MAX_GROWTH: usize = 20;

/// Why a packet is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SrtpError {
    /// It has no room for its header and tag.
    #[error("a protected packet of {len} octets is too short")]
    Short { len: usize },
    /// Its tag is wrong: it is not the peer's, or was changed on the way.
    #[error("the authentication tag is wrong")]
    Tag,
    /// It was received before, or is too old to tell.
    #[error("the packet was seen before")]
    Replayed,
    /// The table of sources is full.
    #[error("the peer has had {SOURCES} sources under one key")]
    Sources,
}

/// Both directions of one call.
pub struct Session {
    keys: Srtp,
    ours: Transform,
    theirs: Transform,
    /// The packet sent last.
    sent: Option<(u32, u64)>,
    /// SRTCP packets sent: the next index.
    reports: u32,
    rtp: Sources,
    rtcp: Sources,
}

impl Session {
    /// A session at the beginning of its keys.
    pub fn new(srtp: &Srtp) -> Self {
        Self {
            keys: srtp.clone(),
            ours: Transform::new(srtp.suite, &srtp.ours),
            theirs: Transform::new(srtp.suite, &srtp.theirs),
            sent: None,
            reports: 0,
            rtp: Sources::default(),
            rtcp: Sources::default(),
        }
    }

    /// Goes on under keys of a later agreement. A key of ours that stays goes on with its indices: none may be used twice.
    pub fn agree(&mut self, srtp: &Srtp) {
        let fresh = Self::new(srtp);
        let before = std::mem::replace(self, fresh);
        if before.keys.suite == srtp.suite && before.keys.ours == srtp.ours {
            (self.sent, self.reports) = (before.sent, before.reports);
        }
        if before.keys.suite == srtp.suite && before.keys.theirs == srtp.theirs {
            (self.rtp, self.rtcp) = (before.rtp, before.rtcp);
        }
    }

    /// Protects the RTP packet that is the first `len` octets of `buffer`; its new length, `None` where it is no RTP or
    /// there is no room for [`MAX_GROWTH`] more.
    pub fn protect(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        let (header, payload_at) = Header::parse(buffer.get(..len)?).ok()?;
        let index = match self.sent {
            Some((ssrc, newest)) if ssrc == header.ssrc => extend(newest, header.seq)?,
            Some(_) | None => u64::from(header.seq.0),
        };
        self.sent = Some((header.ssrc, index));
        self.ours.seal_rtp(buffer, len, payload_at, header.ssrc, index)
    }

    /// Opens an RTP packet in place; its length in the clear.
    ///
    /// # Errors
    /// Those of [`SrtpError`]; what stands in `packet` then is of no use.
    pub fn open(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let short = SrtpError::Short { len: packet.len() };
        let (header, payload_at) = Header::parse(packet).map_err(|_| short)?;
        let index = self.rtp.index(header.ssrc, header.seq).ok_or(SrtpError::Replayed)?;
        self.rtp.check(header.ssrc, index)?;
        if packet.len() < payload_at + self.theirs.rtp_overhead() {
            return Err(short);
        }
        let len = self.theirs.open_rtp(packet, payload_at, header.ssrc, index).ok_or(SrtpError::Tag)?;
        self.rtp.note(header.ssrc, index);
        Ok(len)
    }

    /// Protects the RTCP packet that is the first `len` octets of `buffer`, as [`Self::protect`] does.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        let ssrc = rtcp_ssrc(buffer.get(..len)?)?;
        // 31 bits at a report every five seconds last for 340 years.
        self.reports = (self.reports + 1) & !transform::ENCRYPTED;
        self.ours.seal_rtcp(buffer, len, ssrc, self.reports)
    }

    /// Opens an RTCP packet in place; its length in the clear.
    ///
    /// # Errors
    /// Those of [`SrtpError`]; what stands in `packet` then is of no use.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let short = SrtpError::Short { len: packet.len() };
        let ssrc = rtcp_ssrc(packet).ok_or(short)?;
        if packet.len() < transform::RTCP_CLEAR + self.theirs.rtcp_overhead() {
            return Err(short);
        }
        let index = u64::from(self.theirs.rtcp_index(packet));
        self.rtcp.check(ssrc, index)?;
        let len = self.theirs.open_rtcp(packet, ssrc).ok_or(SrtpError::Tag)?;
        self.rtcp.note(ssrc, index);
        Ok(len)
    }
}

/// The source of an RTCP packet.
fn rtcp_ssrc(packet: &[u8]) -> Option<u32> {
    packet.get(4..transform::RTCP_CLEAR)?.first_chunk().map(|ssrc| u32::from_be_bytes(*ssrc))
}

/// The 48-bit index of a sequence number near the newest index (RFC 3711 §3.3.1); `None` before the first or after the
/// last.
fn extend(newest: u64, seq: SeqNo) -> Option<u64> {
    newest.checked_add_signed(seq.since(SeqNo(newest as u16)).into()).filter(|index| *index < 1 << 48)
}

/// Which packets of which sources were received.
#[derive(Default)]
struct Sources([Option<Source>; SOURCES]);

#[derive(Clone, Copy)]
struct Source {
    ssrc: u32,
    newest: u64,
    /// Bit n: the packet `newest - n` was received.
    seen: u128,
}

impl Sources {
    fn find(&self, ssrc: u32) -> Option<&Source> {
        self.0.iter().flatten().find(|source| source.ssrc == ssrc)
    }

    fn index(&self, ssrc: u32, seq: SeqNo) -> Option<u64> {
        self.find(ssrc).map_or(Some(u64::from(seq.0)), |source| extend(source.newest, seq))
    }

    /// Whether a packet may be opened.
    fn check(&self, ssrc: u32, index: u64) -> Result<(), SrtpError> {
        match self.find(ssrc) {
            Some(source) if index > source.newest => Ok(()),
            Some(source) => {
                let behind = source.newest - index;
                let fresh = behind < WINDOW && source.seen & (1 << behind) == 0;
                if fresh { Ok(()) } else { Err(SrtpError::Replayed) }
            }
            None if self.0.iter().all(Option::is_some) => Err(SrtpError::Sources),
            None => Ok(()),
        }
    }

    /// Takes note of an authentic packet.
    fn note(&mut self, ssrc: u32, index: u64) {
        if let Some(source) = self.0.iter_mut().flatten().find(|source| source.ssrc == ssrc) {
            if let Some(behind) = source.newest.checked_sub(index) {
                source.seen |= 1u128.checked_shl(behind as u32).unwrap_or(0);
            } else {
                let ahead = u32::try_from(index - source.newest).unwrap_or(u32::MAX);
                source.seen = source.seen.checked_shl(ahead).unwrap_or(0) | 1;
                source.newest = index;
            }
        } else if let Some(free) = self.0.iter_mut().find(|entry| entry.is_none()) {
            *free = Some(Source { ssrc, newest: index, seen: 1 });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::seq::SliceRandom;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::call::stream::{MasterKey, SrtpSuite};
    use crate::media::rtp::{HEADER_LEN, Timestamp};

    fn pair(suite: SrtpSuite) -> (Session, Session) {
        let key = |octet| MasterKey::new(suite, &vec![octet; suite.key_len() + suite.salt_len()]).expect("its length");
        let (ours, theirs) = (key(1), key(2));
        let turned = Srtp { suite, ours: theirs.clone(), theirs: ours.clone() };
        (Session::new(&Srtp { suite, ours, theirs }), Session::new(&turned))
    }

    fn packet(ssrc: u32, seq: u16) -> Vec<u8> {
        let mut packet = vec![seq as u8; HEADER_LEN + 160];
        let header = Header { marker: false, payload_type: 8, seq: SeqNo(seq), timestamp: Timestamp(9), ssrc };
        header.write(packet.first_chunk_mut().expect("room"));
        packet
    }

    fn protected(session: &mut Session, packet: &[u8]) -> Vec<u8> {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + MAX_GROWTH, 0);
        let len = session.protect(&mut buffer, packet.len()).expect("protected");
        buffer.truncate(len);
        buffer
    }

    fn opened(session: &mut Session, protected: &[u8]) -> Result<Vec<u8>, SrtpError> {
        let mut buffer = protected.to_vec();
        session.open(&mut buffer).map(|len| buffer[..len].to_vec())
    }

    #[test]
    fn what_is_protected_is_opened_once() {
        for suite in SrtpSuite::ALL {
            let (mut us, mut them) = pair(suite);
            for seq in [65_534, 65_535, 0, 1] {
                let clear = packet(7, seq);
                let hidden = protected(&mut us, &clear);
                assert_ne!(hidden[HEADER_LEN..clear.len()], clear[HEADER_LEN..], "{suite:?}");
                assert_eq!(opened(&mut them, &hidden), Ok(clear), "{suite:?} {seq}");
                assert_eq!(opened(&mut them, &hidden), Err(SrtpError::Replayed), "{suite:?} {seq}");
            }
            let mut report = vec![0x80, 201, 0, 1, 0, 0, 0, 7, 1, 2, 3, 4];
            let clear = report.clone();
            report.resize(clear.len() + MAX_GROWTH, 0);
            let len = us.protect_rtcp(&mut report, clear.len()).expect("protected");
            let mut again = report[..len].to_vec();
            assert_ne!(report[8..12], clear[8..12]);
            assert_eq!(them.open_rtcp(&mut report[..len]), Ok(clear.len()));
            assert_eq!(report[..clear.len()], clear);
            assert_eq!(them.open_rtcp(&mut again), Err(SrtpError::Replayed));
        }
    }

    #[test]
    fn every_octet_counts() {
        for suite in SrtpSuite::ALL {
            let (mut us, mut them) = pair(suite);
            let hidden = protected(&mut us, &packet(7, 1));
            for at in 0..hidden.len() {
                let mut changed = hidden.clone();
                changed[at] ^= 0x10;
                assert!(opened(&mut them, &changed).is_err(), "{suite:?}: octet {at}");
            }
            for len in 0..hidden.len() {
                assert!(opened(&mut them, &hidden[..len]).is_err(), "{suite:?}: {len} octets");
            }
            assert!(opened(&mut them, &hidden).is_ok(), "{suite:?}: what was refused changed something");
        }
    }

    #[test]
    fn the_index_follows_the_newest_across_the_wrap() {
        let check = |newest, seq, index| assert_eq!(extend(newest, SeqNo(seq)), index, "{newest} {seq}");
        check(10, 11, Some(11));
        check(10, 9, Some(9));
        check(10, 65_535, None); // Before the first.
        check(65_535, 0, Some(65_536));
        check(65_536, 65_535, Some(65_535));
        check(0x2_8000, 0x0001, Some(0x2_0001));
        check(0x2_8000, 0x7FFF, Some(0x2_7FFF));
        check(0x2_C000, 0x0001, Some(0x3_0001));
        check((1 << 48) - 1, 0, None);
    }

    /// Seeded: reordered within the window and partly twice, each packet is opened exactly once.
    #[test]
    fn reordering_costs_nothing_and_a_replay_is_told() {
        for seed in 0..5 {
            let mut rng = StdRng::seed_from_u64(seed);
            let (mut us, mut them) = pair(SrtpSuite::AesCm128HmacSha1_80);
            let packets: Vec<_> =
                (0..2_000u16).map(|n| protected(&mut us, &packet(7, n.wrapping_add(64_000)))).collect();
            let mut taken = 0;
            for run in packets.chunks(40) {
                let mut run: Vec<_> = run.iter().collect();
                let twice = rng.random_range(0..run.len());
                run.push(run[twice]);
                run.shuffle(&mut rng);
                taken += run.iter().filter(|hidden| opened(&mut them, hidden).is_ok()).count();
            }
            assert_eq!(taken, packets.len(), "seed {seed}");
            assert_eq!(opened(&mut them, &packets[0]), Err(SrtpError::Replayed), "seed {seed}: older than the window");
        }
    }

    #[test]
    fn indices_go_on_under_a_key_that_stays() {
        let suite = SrtpSuite::AesCm128HmacSha1_80;
        let key = |octet| MasterKey::new(suite, &[octet; 30]).expect("its length");
        let keys = |ours, theirs| Srtp { suite, ours: key(ours), theirs: key(theirs) };
        let (mut us, mut them) = (Session::new(&keys(1, 2)), Session::new(&keys(2, 1)));
        let first = protected(&mut us, &packet(7, 65_535));
        let second = protected(&mut us, &packet(7, 0));
        for hidden in [&first, &second] {
            assert!(opened(&mut them, hidden).is_ok());
        }
        us.agree(&keys(1, 3)); // Only the peer's key is new.
        them.agree(&keys(3, 1));
        assert_eq!(opened(&mut them, &second), Err(SrtpError::Replayed));
        let third = protected(&mut us, &packet(7, 1));
        assert_eq!(opened(&mut them, &third), Ok(packet(7, 1)), "the rollover counter went on");
        us.agree(&keys(4, 3));
        them.agree(&keys(3, 4));
        assert_eq!(opened(&mut them, &third), Err(SrtpError::Tag));
        let fourth = protected(&mut us, &packet(7, 2));
        assert_eq!(opened(&mut them, &fourth), Ok(packet(7, 2)));
    }

    #[test]
    fn sources_are_bounded_and_strangers_take_no_place() {
        let (mut us, mut them) = pair(SrtpSuite::AeadAes128Gcm);
        let mut forged = protected(&mut us, &packet(99, 1));
        for ssrc in 200..300u32 {
            forged[8..12].copy_from_slice(&ssrc.to_be_bytes());
            assert_eq!(opened(&mut them, &forged), Err(SrtpError::Tag));
        }
        for ssrc in 0..SOURCES as u32 {
            assert!(opened(&mut them, &protected(&mut us, &packet(ssrc, 1))).is_ok());
        }
        assert_eq!(opened(&mut them, &protected(&mut us, &packet(99, 1))), Err(SrtpError::Sources));
        assert!(opened(&mut them, &protected(&mut us, &packet(0, 2))).is_ok());
    }

    proptest! {
        #[test]
        fn any_datagram_is_refused(datagram in proptest::collection::vec(any::<u8>(), 0..100)) {
            let (_, mut them) = pair(SrtpSuite::AesCm128HmacSha1_32);
            prop_assert!(them.open(&mut datagram.clone()).is_err());
            prop_assert!(them.open_rtcp(&mut datagram.clone()).is_err());
        }
    }
}
