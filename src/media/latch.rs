//! Whose RTP we take and where ours goes: the address in the description, or once another that proves itself.
//!
//! The description's own address always wins and is taken at its first packet. Another source is considered only where
//! the peer may sit behind a translator: the same host under another port, or a description with a private address
//! (RFC 1918, RFC 6598); or where it is a telephone on this very machine, which may describe any of the machine's
//! addresses and then send from loopback. It must then come soon after the offer and send [`RUN`] packets of one source
//! in a row. After that nothing changes until the next offer; everybody else is ignored.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::rtp::{Header, SeqNo};

/// Consecutive packets that a source other than the described one must show.
pub const RUN: u8 = 5;
/// Time after (re)connecting in which such a source may begin.
const WINDOW: Duration = Duration::from_secs(2);

/// Whether a packet is the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Accept,
    /// It is, and its source is the peer's address from here on.
    Latched,
    /// It may be: its source is being watched.
    Candidate,
    /// It is not.
    Foreign,
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct Latch {
    described: SocketAddr,
    since: Duration,
    /// Where the peer was before an offer that did not change its description: taken again at its first packet.
    before: Option<SocketAddr>,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Open,
    Watching { source: SocketAddr, ssrc: u32, newest: SeqNo, run: u8 },
    Locked(SocketAddr),
}

impl Latch {
    /// Opens at `now`, a span since the call began, for the address of a description.
    pub fn new(described: SocketAddr, now: Duration) -> Self {
        Self { described, since: now, before: None, state: State::Open }
    }

    /// Opens again for a later description. Where the address is the old one, the peer most likely is too.
    pub fn reopen(&self, described: SocketAddr, now: Duration) -> Self {
        let before = Some(self.remote()).filter(|_| described == self.described);
        Self { before, ..Self::new(described, now) }
    }

    /// Where our RTP goes.
    pub fn remote(&self) -> SocketAddr {
        match self.state {
            State::Locked(source) => source,
            State::Open | State::Watching { .. } => self.before.unwrap_or(self.described),
        }
    }

    /// The peer's address, once no packet from any other would be taken before the next offer.
    pub fn settled(&self) -> Option<SocketAddr> {
        match self.state {
            State::Locked(source) if source == self.described => Some(source),
            State::Open | State::Watching { .. } | State::Locked(_) => None,
        }
    }

    /// Whether the peer sends from another address than described.
    pub fn translated(&self) -> bool {
        self.remote() != self.described
    }

    /// Whether nothing that a packet from `source` shows could make it the peer's.
    pub fn excludes(&self, source: SocketAddr) -> bool {
        matches!(self.state, State::Locked(locked) if source != locked) && source != self.described
    }

    /// Judges a packet that is valid in itself: its payload type is negotiated.
    pub fn judge(&mut self, source: SocketAddr, header: &Header, now: Duration) -> Verdict {
        if let State::Locked(locked) = self.state {
            if source == locked {
                return Verdict::Accept;
            }
            if source != self.described {
                return Verdict::Foreign;
            }
        }
        if source == self.described || self.before == Some(source) {
            self.before = None;
            self.state = State::Locked(source);
            return Verdict::Latched;
        }
        self.watch(source, header, now)
    }

    fn watch(&mut self, source: SocketAddr, header: &Header, now: Duration) -> Verdict {
        if !self.may_be_translated(source) {
            return Verdict::Foreign;
        }
        let in_time = now.saturating_sub(self.since) < WINDOW;
        let run = match self.state {
            State::Watching { source: watched, ssrc, newest, run } if watched == source => {
                if ssrc == header.ssrc && newest.next() == header.seq { run + 1 } else { 1 }
            }
            // Two sources at once: neither is proved; the later begins anew.
            State::Open | State::Watching { .. } | State::Locked(_) if in_time => 1,
            State::Open | State::Watching { .. } | State::Locked(_) => return Verdict::Foreign,
        };
        if run >= RUN {
            self.before = None;
            self.state = State::Locked(source);
            return Verdict::Latched;
        }
        self.state = State::Watching { source, ssrc: header.ssrc, newest: header.seq, run };
        Verdict::Candidate
    }

    fn may_be_translated(&self, source: SocketAddr) -> bool {
        source.ip() == self.described.ip() || is_private(self.described.ip()) || source.ip().is_loopback()
    }
}

/// Addresses that mean nothing outside the peer's own network.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let shared = first == 100 && (64..128).contains(&second); // RFC 6598.
            ip.is_private() || ip.is_link_local() || ip.is_unspecified() || shared
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Accept, Candidate, Foreign, Latched};
    use super::*;
    use crate::media::rtp::Timestamp;

    /// Packets as `(source, sequence number, milliseconds)`.
    #[track_caller]
    fn check(described: &str, packets: &[(&str, u16, u64)], expected: &[Verdict], remote: &str) {
        let mut latch = Latch::new(described.parse().expect("an address"), Duration::ZERO);
        let verdicts: Vec<Verdict> = packets
            .iter()
            .map(|(source, seq, millis)| {
                let header =
                    Header { marker: false, payload_type: 8, seq: SeqNo(*seq), timestamp: Timestamp(0), ssrc: 1 };
                latch.judge(source.parse::<SocketAddr>().expect("an address"), &header, Duration::from_millis(*millis))
            })
            .collect();
        assert_eq!(verdicts, expected);
        assert_eq!(latch.remote(), remote.parse::<SocketAddr>().expect("an address"));
    }

    const PUBLIC: &str = "203.0.113.5:4000";
    const OTHER_PORT: &str = "203.0.113.5:5000";
    const STRANGER: &str = "198.51.100.9:4000";

    #[test]
    fn the_described_address_is_taken_at_once() {
        check(PUBLIC, &[(PUBLIC, 1, 0), (PUBLIC, 2, 20)], &[Latched, Accept], PUBLIC);
        check(PUBLIC, &[(PUBLIC, 1, 60_000)], &[Latched], PUBLIC);
    }

    #[test]
    fn only_the_described_address_settles() {
        let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let header = |seq| Header { marker: false, payload_type: 8, seq: SeqNo(seq), timestamp: Timestamp(0), ssrc: 1 };
        let mut latch = Latch::new(at(PUBLIC), Duration::ZERO);
        assert_eq!(latch.settled(), None);
        for n in 0..6 {
            latch.judge(at(OTHER_PORT), &header(n), Duration::ZERO);
        }
        assert_eq!((latch.remote(), latch.settled()), (at(OTHER_PORT), None), "the described one may still come");
        latch.judge(at(PUBLIC), &header(1), Duration::ZERO);
        assert_eq!(latch.settled(), Some(at(PUBLIC)));
        assert_eq!(latch.reopen(at(PUBLIC), Duration::ZERO).settled(), None);
    }

    #[test]
    fn a_stranger_is_never_taken() {
        let sprayed: Vec<_> = (0..20).map(|n| (STRANGER, n, 0)).collect();
        check(PUBLIC, &sprayed, &[Foreign; 20], PUBLIC);
    }

    #[test]
    fn another_port_of_the_host_after_a_run() {
        let run: Vec<_> = (0..6).map(|n| (OTHER_PORT, n, 0)).collect();
        check(PUBLIC, &run, &[Candidate, Candidate, Candidate, Candidate, Latched, Accept], OTHER_PORT);
    }

    #[test]
    fn once_it_is_settled_only_two_addresses_are_considered() {
        let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let mut latch = Latch::new(at(PUBLIC), Duration::ZERO);
        assert!(![PUBLIC, OTHER_PORT, STRANGER].map(at).iter().any(|source| latch.excludes(*source)));
        for n in 0..5 {
            let header = Header { marker: false, payload_type: 8, seq: SeqNo(n), timestamp: Timestamp(0), ssrc: 1 };
            latch.judge(at(OTHER_PORT), &header, Duration::ZERO);
        }
        assert_eq!([PUBLIC, OTHER_PORT, STRANGER].map(|source| latch.excludes(at(source))), [false, false, true]);
    }

    #[test]
    fn a_broken_run_begins_anew() {
        let run: Vec<_> = [1, 2, 3, 5, 6, 7, 8].map(|n| (OTHER_PORT, n, 0)).to_vec();
        check(PUBLIC, &run, &[Candidate; 7], PUBLIC);
    }

    #[test]
    fn a_run_that_begins_too_late_is_not_watched() {
        check(PUBLIC, &[(OTHER_PORT, 1, 2_000)], &[Foreign], PUBLIC);
    }

    #[test]
    fn a_private_description_allows_any_source_once() {
        let mut packets: Vec<_> = (0..5).map(|n| (STRANGER, n, 0)).collect();
        packets.extend((0..5).map(|n| (PUBLIC, n, 100)));
        let mut expected = vec![Candidate, Candidate, Candidate, Candidate, Latched];
        expected.extend([Foreign; 5]);
        check("10.0.0.7:4000", &packets, &expected, STRANGER);
    }

    #[test]
    fn a_telephone_on_this_machine_may_describe_another_of_its_addresses() {
        let near = "127.0.0.1:4000";
        let packets: Vec<_> = (0..6).map(|n| (near, n, 0)).collect();
        check(PUBLIC, &packets, &[Candidate, Candidate, Candidate, Candidate, Latched, Accept], near);
    }

    #[test]
    fn the_described_address_wins_over_a_latched_one() {
        let mut packets: Vec<_> = (0..5).map(|n| (OTHER_PORT, n, 0)).collect();
        packets.extend([(PUBLIC, 1, 100), (OTHER_PORT, 5, 100)]);
        let expected = [Candidate, Candidate, Candidate, Candidate, Latched, Latched, Foreign];
        check(PUBLIC, &packets, &expected, PUBLIC);
    }

    #[test]
    fn a_later_offer_latches_anew_and_keeps_the_old_place_meanwhile() {
        let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let header = |seq| Header { marker: false, payload_type: 8, seq: SeqNo(seq), timestamp: Timestamp(0), ssrc: 1 };
        let mut latch = Latch::new(at(PUBLIC), Duration::ZERO);
        (0..5).for_each(|n| {
            latch.judge(at(OTHER_PORT), &header(n), Duration::ZERO);
        });
        let later = Duration::from_secs(60);
        let mut same = latch.reopen(at(PUBLIC), later);
        assert_eq!(same.remote(), at(OTHER_PORT));
        assert_eq!(same.judge(at(OTHER_PORT), &header(9), later), Latched);
        let third = "203.0.113.5:6000";
        let mut moved = latch.reopen(at(PUBLIC), later);
        let verdicts: Vec<_> = (0..5).map(|n| moved.judge(at(third), &header(n), later)).collect();
        assert_eq!((verdicts[4], moved.remote()), (Latched, at(third)));
        assert_eq!(latch.reopen(at(STRANGER), later).remote(), at(STRANGER));
    }
}
