//! Who and what gets in: trusted sources, admission of calls, digest, and the counts of all of it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rsipstack::transaction::transaction::Transaction;

use super::counters::Counters;
use super::digest::{Authenticator, Proof};
use super::front::{self, Framing, Gate, Verdict};
use super::message::Message;
use super::rate::CallRate;
use super::registry::Registry;
use super::reply::Reply;
use super::wire;
use crate::clock::{monotonic, wall};
use crate::network::Network;

/// Retry-After when calls are turned away for want of capacity: a trunk tries its other route meanwhile.
const RETRY_OVER_CAPACITY_S: u64 = 5;
/// Retry-After while draining: about the time of a restart.
const RETRY_DRAINING_S: u64 = 30;

/// The state behind [`front::judge`].
pub(super) struct Door {
    pub(super) trusted: Vec<Network>,
    pub(super) auth: Option<Authenticator>,
    pub(super) max_calls: usize,
    pub(super) max_calls_per_source: usize,
    pub(super) rate: CallRate,
    pub(super) draining: AtomicBool,
    /// Transactions are boxed: a channel sets room aside for 32 of what it carries, 29 kB for each call otherwise.
    pub(super) registry: Registry<Box<Transaction>>,
    pub(super) counters: Counters,
    /// Hosts that we called ourselves, with the number of calls: they may answer.
    pub(super) callees: Mutex<HashMap<IpAddr, usize>>,
}

impl Door {
    /// Whether anything from this address is looked at.
    pub(super) fn trusts(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.trusted.iter().any(|network| network.contains(source)) || self.lock_callees().contains_key(&source)
    }

    /// Judges a message and counts it.
    pub(super) fn screen(&self, data: &[u8], source: SocketAddr, framing: Framing) -> Verdict {
        if !self.trusts(source.ip()) {
            Counters::count(&self.counters.untrusted);
            return Verdict::Drop("untrusted source");
        }
        let is_response = data.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"));
        Counters::count(if is_response { &self.counters.responses } else { &self.counters.requests });
        let verdict = front::judge(data, source, framing, self);
        match &verdict {
            Verdict::Answer { status, .. } => {
                match status {
                    400 => Counters::count(&self.counters.malformed),
                    401 => Counters::count(&self.counters.unauthorized),
                    503 => Counters::count(&self.counters.over_capacity),
                    300.. => Counters::count(&self.counters.refused),
                    _ => {}
                }
                tracing::debug!(%source, status, "request answered at the front door");
            }
            Verdict::Drop("keep-alive") | Verdict::Pass(_) => {}
            Verdict::Drop(reason) => {
                Counters::count(&self.counters.malformed);
                tracing::debug!(%source, reason, "message dropped");
            }
        }
        verdict
    }

    /// Whether `source` may set up another call.
    pub(super) fn has_room(&self, source: IpAddr) -> bool {
        self.registry.calls() < self.max_calls
            && self.registry.count_from(source.to_canonical()) < self.max_calls_per_source
    }

    /// The refusal of a call for want of capacity.
    pub(super) fn over_capacity() -> Reply {
        Reply::unavailable(RETRY_OVER_CAPACITY_S)
    }

    fn lock_callees(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.callees.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate for Door {
    fn admit(&self, invite: &Message, source: IpAddr) -> Option<Reply> {
        if let Some(refusal) = self.draining() {
            return Some(refusal);
        }
        if !self.has_room(source) || !self.rate.admit(source, monotonic()) {
            return Some(Self::over_capacity());
        }
        let auth = self.auth.as_ref()?;
        let now_s = u64::try_from(wall().timestamp()).unwrap_or_default();
        let proof = invite.field("Authorization").map_or(Proof::Bad, |value| auth.check(value, "INVITE", now_s));
        if proof == Proof::Good {
            return None;
        }
        let [best, other] = auth.challenges(now_s, proof == Proof::Stale);
        Some(Reply::new(401).with("WWW-Authenticate", best).with("WWW-Authenticate", other))
    }

    fn knows(&self, call_id: &str) -> bool {
        self.registry.knows(call_id, monotonic())
    }

    fn readable(&self, message: &[u8]) -> bool {
        wire::readable(message)
    }

    fn draining(&self) -> Option<Reply> {
        self.draining.load(Ordering::Relaxed).then(|| Reply::unavailable(RETRY_DRAINING_S))
    }
}

/// Lets a host that we call answer, for as long as this is held.
pub(super) struct Expected {
    door: Arc<Door>,
    host: IpAddr,
}

impl Expected {
    pub(super) fn new(door: Arc<Door>, host: IpAddr) -> Self {
        let host = host.to_canonical();
        *door.lock_callees().entry(host).or_default() += 1;
        Self { door, host }
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        let mut callees = self.door.lock_callees();
        if let Some(calls) = callees.get_mut(&self.host) {
            *calls -= 1;
            if *calls == 0 {
                callees.remove(&self.host);
            }
        }
    }
}
