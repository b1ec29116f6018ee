//! Joins sessions, so that their peers hear each other: two parties, a conference, or somebody who monitors.
//!
//! A bridge is control only: it lays a line ([`super::feed`]) from each party to each that may hear it, and takes lines
//! away. The audio goes from engine thread to engine thread without it. Prompts, digits, talkspurts and recordings of
//! each session go on as before; a recording's right side is what its party hears.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::error::MediaError;
use super::feed::{self, Hold};
use super::junction::Plug;
use super::session::MediaSession;
use super::shared::{Lane, SessionShared};
use super::worker::Order;

/// Parties of one bridge, those that monitor included; one more is refused.
pub const MAX_PARTIES: usize = 8;

/// A session as a party of a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartyId(pub u64);

/// What a party may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Hears everybody and is heard by everybody.
    Talk,
    /// Hears everybody who talks and is heard by nobody.
    Listen,
    /// Hears everybody who talks and is heard by this one party.
    Whisper(PartyId),
}

/// See the module's documentation. Dropping it parts everybody within a tick.
#[derive(Debug, Default)]
pub struct Bridge {
    members: Vec<Member>,
    /// Lines by speaker and listener.
    lines: BTreeMap<(PartyId, PartyId), Hold>,
}

/// Where a session lives.
#[derive(Clone)]
pub struct Seat {
    /// Its engine thread.
    pub lane: Arc<Lane>,
    /// Its place there.
    pub slot: u32,
    /// What it shares with the thread.
    pub shared: Arc<SessionShared>,
}

#[derive(Debug)]
struct Member {
    party: PartyId,
    seat: Seat,
    role: Role,
}

impl Bridge {
    /// A bridge of parties that all talk.
    ///
    /// # Errors
    /// As [`Self::join`].
    pub fn between(parties: &[&MediaSession]) -> Result<Self, MediaError> {
        let mut bridge = Self::default();
        for party in parties {
            bridge.join(party, Role::Talk)?;
        }
        Ok(bridge)
    }

    /// Takes a session in.
    ///
    /// # Errors
    /// [`MediaError::BridgeFull`], [`MediaError::AlreadyBridged`] when the session is in a bridge, or
    /// [`MediaError::Unresponsive`]; the bridge then stays as it was.
    pub fn join(&mut self, session: &MediaSession, role: Role) -> Result<(), MediaError> {
        self.members.retain(|member| !member.seat.shared.closing.load(Ordering::Acquire));
        if self.members.len() >= MAX_PARTIES {
            return Err(MediaError::BridgeFull { most: MAX_PARTIES });
        }
        let (party, seat) = (session.party(), session.seat());
        if seat.shared.bridged.swap(true, Ordering::AcqRel) {
            return Err(MediaError::AlreadyBridged);
        }
        self.members.push(Member { party, seat, role });
        self.rewire().inspect_err(|_| self.leave(party))
    }

    /// Gives a party another role; nothing where it is not in the bridge.
    ///
    /// # Errors
    /// [`MediaError::Unresponsive`]: the party may then not be heard by all who should hear it; ask again.
    pub fn set_role(&mut self, party: PartyId, role: Role) -> Result<(), MediaError> {
        for member in self.members.iter_mut().filter(|member| member.party == party) {
            member.role = role;
        }
        self.rewire()
    }

    /// Lets a party go; its session goes on alone.
    pub fn leave(&mut self, party: PartyId) {
        self.members.retain(|member| member.party != party);
        self.lines.retain(|(speaker, listener), _| *speaker != party && *listener != party);
    }

    /// Lays the lines that are wanted and missing, takes away those that are not wanted.
    fn rewire(&mut self) -> Result<(), MediaError> {
        let roles: Vec<(PartyId, Role)> = self.members.iter().map(|member| (member.party, member.role)).collect();
        let wanted = lines(&roles);
        self.lines.retain(|line, _| wanted.contains(line));
        for (speaker, listener) in wanted {
            if self.lines.contains_key(&(speaker, listener)) {
                continue;
            }
            let seat = |party| self.members.iter().find(|member| member.party == party).map(|member| &member.seat);
            let (Some(from), Some(to)) = (seat(speaker), seat(listener)) else { continue };
            let (tap, feed, hold) = feed::line(speaker);
            // Where the second order fails, the first one's end finds itself alone and goes too.
            to.plug(Plug::Feed(Box::new(feed)))?;
            from.plug(Plug::Tap(tap))?;
            self.lines.insert((speaker, listener), hold);
        }
        Ok(())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.seat.shared.bridged.store(false, Ordering::Release);
    }
}

impl Seat {
    fn plug(&self, plug: Plug) -> Result<(), MediaError> {
        self.lane.order(self.slot, self.shared.serial, Order::Plug(plug))
    }
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").field("slot", &self.slot).field("serial", &self.shared.serial).finish_non_exhaustive()
    }
}

/// Who is heard by whom: pairs of speaker and listener.
fn lines(roles: &[(PartyId, Role)]) -> Vec<(PartyId, PartyId)> {
    let hears = |listener: PartyId, speaker: PartyId, role: Role| {
        listener != speaker
            && match role {
                Role::Talk => true,
                Role::Listen => false,
                Role::Whisper(to) => listener == to,
            }
    };
    let pairs = roles.iter().flat_map(|(speaker, role)| {
        let listeners = roles.iter().map(|(listener, _)| *listener);
        listeners.filter(move |listener| hears(*listener, *speaker, *role)).map(move |listener| (*speaker, listener))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: PartyId = PartyId(1);
    const OFFICE: PartyId = PartyId(2);
    const THIRD: PartyId = PartyId(3);

    #[track_caller]
    fn check(third: Role, heard_by: &[PartyId]) {
        let mut pairs = lines(&[(CALLER, Role::Talk), (OFFICE, Role::Talk), (THIRD, third)]);
        pairs.sort_unstable();
        let mut expected = vec![(CALLER, OFFICE), (CALLER, THIRD), (OFFICE, CALLER), (OFFICE, THIRD)];
        expected.extend(heard_by.iter().map(|listener| (THIRD, *listener)));
        assert_eq!(pairs, expected, "{third:?}");
    }

    #[test]
    fn roles_say_who_hears_the_third_party() {
        check(Role::Talk, &[CALLER, OFFICE]);
        check(Role::Listen, &[]);
        check(Role::Whisper(OFFICE), &[OFFICE]);
        check(Role::Whisper(PartyId(9)), &[]);
        check(Role::Whisper(THIRD), &[]);
    }

    #[test]
    fn one_who_whispers_is_not_heard_by_another_who_monitors() {
        let pairs = lines(&[(CALLER, Role::Talk), (OFFICE, Role::Whisper(CALLER)), (THIRD, Role::Listen)]);
        assert_eq!(pairs, [(CALLER, OFFICE), (CALLER, THIRD), (OFFICE, CALLER)]);
    }
}
