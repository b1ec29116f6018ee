//! Which calls there are, and where their requests go.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

/// How long the Call-ID of a call that ended is remembered: 64*T1, as long as the peer may retransmit (RFC 3261
/// §17.1.1.2).
const REMEMBERED: Duration = Duration::from_secs(32);
/// Most Call-IDs remembered after their end; the oldest give way.
const MAX_REMEMBERED: usize = 16_384;

/// One side of a call under its local tag.
struct Leg<T> {
    local_tag: String,
    mailbox: mpsc::Sender<T>,
    inbound: Option<Inbound>,
    /// Whether the call is over but for the answer to our BYE.
    leaving: bool,
}

/// Where an inbound leg comes from.
#[derive(Clone, Debug)]
pub(super) struct Inbound {
    /// Its INVITE.
    pub(super) origin: Origin,
    /// The address that sent it, in canonical form.
    pub(super) source: IpAddr,
}

/// The INVITE that made an inbound leg, to tell a merged request (RFC 3261 §8.2.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// Tag in From.
    pub(super) from_tag: String,
    /// Number in CSeq.
    pub(super) cseq: u32,
}

/// Live legs by Call-ID, and the Call-IDs of those that ended lately.
pub(super) struct Registry<T> {
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    live: HashMap<String, Vec<Leg<T>>>,
    legs: usize,
    /// How many of them are not leaving.
    up: usize,
    /// How many of the inbound ones that are up each source has: live sources only, so never more entries than legs.
    by_source: HashMap<IpAddr, usize>,
    /// When each Call-ID ended last.
    ended: HashMap<Arc<str>, Instant>,
    /// The same in the order in which they ended; of a Call-ID that ended twice the earlier end says nothing.
    order: VecDeque<(Instant, Arc<str>)>,
}

impl<T> Registry<T> {
    pub(super) fn new() -> Self {
        let inner = Inner {
            live: HashMap::new(),
            legs: 0,
            up: 0,
            by_source: HashMap::new(),
            ended: HashMap::new(),
            order: VecDeque::new(),
        };
        Self { inner: Mutex::new(inner) }
    }

    /// Adds a leg; requests for it go to `mailbox`.
    pub(super) fn insert(&self, call_id: &str, local_tag: &str, mailbox: mpsc::Sender<T>, inbound: Option<Inbound>) {
        let mut inner = self.lock();
        inner.legs += 1;
        inner.up += 1;
        if let Some(inbound) = &inbound {
            *inner.by_source.entry(inbound.source).or_default() += 1;
        }
        let leg = Leg { local_tag: local_tag.to_owned(), mailbox, inbound, leaving: false };
        inner.live.entry(call_id.to_owned()).or_default().push(leg);
    }

    /// A leg is over but for the answer to our BYE, which may take 32 s to fail: it still gets its requests, and counts
    /// among the calls no more.
    pub(super) fn leave(&self, call_id: &str, local_tag: &str) {
        let mut inner = self.lock();
        let Some(legs) = inner.live.get_mut(call_id) else { return };
        let Some(leg) = legs.iter_mut().find(|leg| leg.local_tag == local_tag && !leg.leaving) else { return };
        leg.leaving = true;
        let source = leg.inbound.as_ref().map(|inbound| inbound.source);
        inner.step_out(source);
    }

    /// Takes a leg out.
    pub(super) fn remove(&self, call_id: &str, local_tag: &str, now: Instant) {
        let mut inner = self.lock();
        let Some(legs) = inner.live.get_mut(call_id) else { return };
        let gone: Vec<Leg<T>> = legs.extract_if(.., |leg| leg.local_tag == local_tag).collect();
        if legs.is_empty() {
            inner.live.remove(call_id);
            inner.remember(call_id, now);
        }
        inner.legs -= gone.len();
        for leg in gone.into_iter().filter(|leg| !leg.leaving) {
            inner.step_out(leg.inbound.map(|inbound| inbound.source));
        }
    }

    /// Where requests with this Call-ID and To tag go.
    pub(super) fn mailbox(&self, call_id: &str, local_tag: &str) -> Option<mpsc::Sender<T>> {
        let inner = self.lock();
        let leg = inner.live.get(call_id)?.iter().find(|leg| leg.local_tag == local_tag)?;
        Some(leg.mailbox.clone())
    }

    /// Whether the Call-ID belongs to a call that is live or ended within the last [`REMEMBERED`].
    pub(super) fn knows(&self, call_id: &str, now: Instant) -> bool {
        let inner = self.lock();
        inner.live.contains_key(call_id)
            || inner.ended.get(call_id).is_some_and(|at| now.saturating_duration_since(*at) < REMEMBERED)
    }

    /// Whether an INVITE outside a dialog came another way already.
    pub(super) fn has_origin(&self, call_id: &str, origin: &Origin) -> bool {
        let inner = self.lock();
        inner
            .live
            .get(call_id)
            .is_some_and(|legs| legs.iter().any(|leg| leg.inbound.as_ref().is_some_and(|i| i.origin == *origin)))
    }

    /// Live legs, those included that wait for the answer to our BYE.
    pub(super) fn len(&self) -> usize {
        self.lock().legs
    }

    /// Legs that are set up or up.
    pub(super) fn calls(&self) -> usize {
        self.lock().up
    }

    /// Inbound legs from this address that are set up or up.
    pub(super) fn count_from(&self, source: IpAddr) -> usize {
        self.lock().by_source.get(&source).copied().unwrap_or_default()
    }

    /// A panic while the lock was held leaves the table whole: every change is one insertion or removal.
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Inner<T> {
    /// A leg counts no more.
    fn step_out(&mut self, source: Option<IpAddr>) {
        self.up -= 1;
        let Some(source) = source else { return };
        if let Some(legs) = self.by_source.get_mut(&source) {
            *legs -= 1;
            if *legs == 0 {
                self.by_source.remove(&source);
            }
        }
    }

    fn remember(&mut self, call_id: &str, now: Instant) {
        while let Some((at, _)) = self.order.front()
            && (now.saturating_duration_since(*at) >= REMEMBERED || self.order.len() >= MAX_REMEMBERED)
        {
            let Some((at, oldest)) = self.order.pop_front() else { break };
            if self.ended.get(&oldest) == Some(&at) {
                self.ended.remove(&oldest);
            }
        }
        let call_id: Arc<str> = call_id.into();
        self.order.push_back((now, Arc::clone(&call_id)));
        self.ended.insert(call_id, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic;

    #[test]
    fn a_call_id_is_known_a_while_after_its_end() {
        let now = monotonic(); // Only an origin: nothing below sleeps.
        let registry = Registry::<()>::new();
        let (mailbox, _inbox) = mpsc::channel(1);
        let origin = Origin { from_tag: "f".into(), cseq: 1 };
        let source = IpAddr::from([192, 0, 2, 1]);
        registry.insert("id", "a", mailbox.clone(), Some(Inbound { origin: origin.clone(), source }));
        assert_eq!(registry.count_from(source), 1);
        registry.insert("id", "b", mailbox, None);
        assert_eq!(registry.len(), 2);
        assert!(registry.has_origin("id", &origin));
        assert!(!registry.has_origin("id", &Origin { cseq: 2, ..origin }));
        registry.leave("id", "a");
        registry.leave("id", "a");
        assert_eq!((registry.len(), registry.calls(), registry.count_from(source)), (2, 1, 0));
        assert!(registry.mailbox("id", "a").is_some(), "it still gets its requests");
        registry.remove("id", "a", now);
        registry.remove("id", "a", now);
        assert!(registry.lock().by_source.is_empty());
        assert!(registry.mailbox("id", "a").is_none() && registry.mailbox("id", "b").is_some());
        registry.remove("id", "b", now);
        assert_eq!((registry.len(), registry.calls()), (0, 0));
        assert!(registry.knows("id", now + REMEMBERED - Duration::from_millis(1)));
        assert!(!registry.knows("id", now + REMEMBERED));
    }

    #[test]
    fn ended_calls_are_forgotten_in_time_and_in_number() {
        let now = monotonic(); // Only an origin: nothing below sleeps.
        let registry = Registry::<()>::new();
        let (mailbox, _inbox) = mpsc::channel(1);
        for i in 0..MAX_REMEMBERED + 10 {
            let id = i.to_string();
            registry.insert(&id, "a", mailbox.clone(), None);
            registry.remove(&id, "a", now + Duration::from_micros(i as u64));
        }
        assert_eq!(registry.lock().ended.len(), MAX_REMEMBERED);
        assert!(!registry.knows("9", now) && registry.knows("10", now));
        registry.insert("last", "a", mailbox, None);
        registry.remove("last", "a", now + REMEMBERED * 2);
        let inner = registry.lock(); // Once: a second lock in one statement would wait for the first.
        assert_eq!((inner.ended.len(), inner.order.len()), (1, 1));
    }
}
