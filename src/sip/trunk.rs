//! Trunks: the ways out. Which one carries the next call, how many it carries, and what happens when it cannot.

mod health;
mod keeper;
mod ledger;
mod load;
mod registration;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rsipstack::transport::SipConnection;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::Uri;
use super::dialog::Dialog;
use super::door::Expected;
use super::endpoint::Core;
use super::failure::Failure;
use super::login::Login;
use super::outgoing::{self, Early, OutgoingCall};
use crate::call::{Barred, DialPolicy, Standing, Usage};
use crate::clock::{monotonic, wall};
use crate::ids::PhoneNumber;
use health::Health;
use ledger::Ledger;
use load::Load;
use registration::Registration;

/// How long the trunks may take over the end of their registrations.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// One trunk, as configured.
#[derive(Clone, Debug)]
pub struct TrunkConfig {
    /// Our name for it.
    pub name: String,
    /// Host, or host and port, where it takes calls.
    pub address: String,
    /// How it is spoken to.
    pub transport: TrunkTransport,
    /// User name and credentials, where it asks for them.
    pub login: Option<(String, Arc<Login>)>,
    /// The number that we show.
    pub caller_id: String,
    /// Whether that number goes into P-Asserted-Identity as well (RFC 3325): for a trunk that takes our word for it.
    pub assert_identity: bool,
    /// Whether audio is to be protected by SRTP.
    pub srtp: bool,
    /// Most calls at once.
    pub channels: usize,
    /// Most new calls a second.
    pub calls_per_second: f64,
    /// Most calls within an hour of the clock.
    pub calls_per_hour: u32,
    /// Most calls within a day.
    pub calls_per_day: u32,
    /// How long each registration shall hold; `None` for a trunk that knows where we are.
    pub register: Option<Duration>,
}

/// How a trunk is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrunkTransport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS; its certificate must bear the name in the trunk's address.
    Tls,
}

impl TrunkConfig {
    /// The URI of `user` at this trunk, or of the trunk itself.
    fn uri(&self, user: Option<&str>) -> String {
        let (at, address) = (user.map_or_else(String::new, |user| format!("{user}@")), &self.address);
        match self.transport {
            TrunkTransport::Udp => format!("sip:{at}{address}"),
            TrunkTransport::Tcp => format!("sip:{at}{address};transport=tcp"),
            TrunkTransport::Tls => format!("sip:{at}{address};transport=tls"),
        }
    }

    /// An address of record in the trunk's domain: without port and transport (RFC 3261 §10.2).
    fn identity(&self, user: &str) -> String {
        let whole = self.uri(None);
        let host = Uri::parse(&whole).map_or(self.address.as_str(), |uri| uri.host());
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        format!("sip:{user}@{host}")
    }
}

/// Whom to ring by a trunk.
#[derive(Debug)]
pub struct TrunkCall<'a> {
    /// The number.
    pub number: &'a PhoneNumber,
    /// Why it may be rung.
    pub standing: Standing,
    /// The trunk to try first; `None` for the first that is up.
    pub prefer: Option<&'a str>,
    /// Where audio is received; RTCP one port above.
    pub local_rtp: std::net::SocketAddr,
    /// How long it may ring.
    pub ring_timeout: Duration,
    /// Learns what happens before the answer.
    pub early: Option<mpsc::Sender<Early>>,
}

/// A call that was answered.
#[derive(Debug)]
pub struct TrunkAnswer {
    /// The call.
    pub dialog: Dialog,
    /// By which trunk.
    pub trunk: String,
    /// Its channel; to be kept as long as the call.
    pub channel: Channel,
}

/// A trunk's figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkStats {
    /// Its name.
    pub name: String,
    /// Whether calls go this way.
    pub up: bool,
    /// Whether its registrar knows us; `None` where we do not register.
    pub registered: Option<bool>,
    /// Calls that are set up or up.
    pub in_use: usize,
    /// Calls that were given to it.
    pub tried: u64,
    /// Those that it could not carry.
    pub failed: u64,
}

/// All trunks, in the order of the configuration.
pub struct Trunks {
    core: Arc<Core>,
    policy: DialPolicy,
    trunks: Vec<Arc<Trunk>>,
    stop: CancellationToken,
    keepers: TaskTracker,
}

struct Trunk {
    config: TrunkConfig,
    state: Mutex<State>,
    tried: AtomicU64,
    failed: AtomicU64,
}

struct State {
    load: Load,
    ledger: Ledger,
    health: Health,
    registration: Option<Registration>,
    /// The stream to it, where it has one.
    flow: Option<SipConnection>,
    /// Its address is answered as long as it is a trunk of ours.
    expected: Option<Expected>,
}

/// A channel of a trunk, given back when dropped.
pub struct Channel(Arc<Trunk>);

impl Trunks {
    pub(super) fn start(core: &Arc<Core>, policy: DialPolicy, configs: Vec<TrunkConfig>) -> Self {
        let now = monotonic();
        let trunk = |config: TrunkConfig| {
            let state = State {
                load: Load::new(config.channels, config.calls_per_second, now),
                ledger: Ledger::new(config.calls_per_hour, config.calls_per_day),
                health: Health::new(now),
                registration: config.register.map(|expires| Registration::new(expires, now)),
                flow: None,
                expected: None,
            };
            Arc::new(Trunk { config, state: Mutex::new(state), tried: AtomicU64::new(0), failed: AtomicU64::new(0) })
        };
        let trunks: Vec<_> = configs.into_iter().map(trunk).collect();
        let (stop, keepers) = (core.closing.child_token(), TaskTracker::new());
        for trunk in &trunks {
            keepers.spawn(keeper::keep(Arc::clone(core), Arc::clone(trunk), stop.clone()));
        }
        keepers.close();
        Self { core: Arc::clone(core), policy, trunks, stop, keepers }
    }

    /// Calls that may begin now, on all trunks together.
    pub fn room(&self) -> usize {
        let now = monotonic();
        self.trunks.iter().filter(|trunk| trunk.usable()).map(|trunk| trunk.state().load.room(now)).sum()
    }

    /// Rings a number by the first trunk that carries the call, and waits for the answer. Dropping the future gives up.
    ///
    /// # Errors
    /// Why nobody answered: [`Failure::Barred`] and [`Failure::NoRoom`] when nothing was sent, [`Failure::Trunk`] when no trunk
    /// carried it.
    pub async fn call(&self, call: TrunkCall<'_>) -> Result<TrunkAnswer, Failure> {
        self.call_before(call, None).await
    }

    /// As [`Self::call`], but from `closes` on nothing is sent any more: by then the hours are over in which people may be rung.
    ///
    /// # Errors
    /// As [`Self::call`]; [`Barred::Closed`] when it was too late.
    pub async fn call_before(
        &self,
        call: TrunkCall<'_>,
        closes: Option<DateTime<Utc>>,
    ) -> Result<TrunkAnswer, Failure> {
        let mut outcome = Failure::NoRoom;
        let preferred = |trunk: &&Arc<Trunk>| call.prefer.is_some_and(|name| trunk.config.name == name);
        let (first, rest): (Vec<_>, Vec<_>) = self.trunks.iter().partition(preferred);
        let mut ways: VecDeque<&Arc<Trunk>> = first.into_iter().chain(rest).collect();
        while let Some(trunk) = ways.pop_front() {
            let channel = match Channel::take(trunk, &self.policy, &call, closes) {
                Ok(channel) => channel,
                Err(Failure::NoRoom) => continue,
                Err(barred) => {
                    outcome = barred;
                    continue;
                }
            };
            trunk.tried.fetch_add(1, Ordering::Relaxed);
            let flow = trunk.state().flow.clone();
            match outgoing::call(Arc::clone(&self.core), trunk.outgoing(&call), flow).await {
                Ok(dialog) => {
                    trunk.state().health.carried();
                    return Ok(TrunkAnswer { dialog, trunk: trunk.config.name.clone(), channel });
                }
                Err(error) => outcome = Failure::of(&error),
            }
            if outcome != Failure::Trunk {
                trunk.state().health.carried();
                return Err(outcome);
            }
            trunk.failed.fetch_add(1, Ordering::Relaxed);
            if trunk.another_server(&self.core) {
                // It goes the same way once more: a domain has only so many servers.
                ways.push_front(trunk);
                continue;
            }
            trunk.state().health.failed(monotonic());
            tracing::warn!(trunk = trunk.config.name, "a call could not be carried; trying the next trunk");
        }
        Err(outcome)
    }

    /// What each trunk was given in this hour and on this day.
    pub fn usage(&self) -> Vec<(String, Usage)> {
        let now = wall();
        self.trunks.iter().map(|trunk| (trunk.config.name.clone(), trunk.state().ledger.usage(now))).collect()
    }

    /// Counts what a trunk was given before the gateway's start, up to `at`: caps hold whatever restarts.
    pub fn restore_usage(&self, name: &str, at: DateTime<Utc>, in_hour: u32, in_day: u32) {
        for trunk in self.trunks.iter().filter(|trunk| trunk.config.name == name) {
            trunk.state().ledger.restore(at, in_hour, in_day);
        }
    }

    /// Figures of each trunk.
    pub fn stats(&self) -> Vec<TrunkStats> {
        let now = monotonic();
        let stats = |trunk: &Arc<Trunk>| {
            let state = trunk.state();
            TrunkStats {
                name: trunk.config.name.clone(),
                up: state.health.is_up(),
                registered: state.registration.as_ref().map(|registration| registration.is_registered(now)),
                in_use: state.load.in_use(),
                tried: trunk.tried.load(Ordering::Relaxed),
                failed: trunk.failed.load(Ordering::Relaxed),
            }
        };
        self.trunks.iter().map(stats).collect()
    }

    /// Ends the registrations; waits a moment for the registrars' answers.
    pub async fn close(&self) {
        self.stop.cancel();
        if tokio::time::timeout(CLOSE_TIME, self.keepers.wait()).await.is_err() {
            tracing::warn!("a registration could not be ended: it runs out by itself");
        }
    }
}

impl Trunk {
    /// A panic while the lock was held leaves the state whole: every change is one assignment.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is up. A registration that has run out does not keep calls from it: whether they need one, only the
    /// trunk knows, and it says so.
    fn usable(&self) -> bool {
        self.state().health.is_up()
    }

    /// The server of its domain that is in use has failed; whether there is another (RFC 3263 §4.3).
    fn another_server(&self, core: &Core) -> bool {
        let another = core.names.failed(&self.config.uri(None));
        if another {
            self.state().flow = None;
        }
        another
    }

    fn outgoing(&self, call: &TrunkCall<'_>) -> OutgoingCall {
        let config = &self.config;
        let identity = config.identity(&config.caller_id);
        OutgoingCall {
            to: config.uri(Some(call.number.reveal())),
            from: identity.clone(),
            asserted: config.assert_identity.then_some(identity),
            credentials: config.login.as_ref().map(|(_, login)| Arc::clone(login)),
            local_rtp: call.local_rtp,
            codecs: Vec::new(),
            srtp: config.srtp,
            ring_timeout: call.ring_timeout,
            early: call.early.clone(),
        }
    }
}

impl Channel {
    /// The last gate before an INVITE: nothing passes that the policy forbids.
    fn take(
        trunk: &Arc<Trunk>,
        policy: &DialPolicy,
        call: &TrunkCall<'_>,
        closes: Option<DateTime<Utc>>,
    ) -> Result<Self, Failure> {
        let now = wall();
        if closes.is_some_and(|closes| now >= closes) {
            return Err(Failure::Barred(Barred::Closed));
        }
        let mut state = trunk.state();
        policy.check(call.number, call.standing, state.ledger.usage(now), now).map_err(Failure::Barred)?;
        if !state.health.is_up() || !state.load.take(monotonic()) {
            return Err(Failure::NoRoom);
        }
        state.ledger.count(now);
        drop(state);
        Ok(Self(Arc::clone(trunk)))
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.0.state().load.give_back();
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Channel({})", self.0.config.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_of_a_trunk() {
        let check = |address: &str, transport, uri: &str, identity: &str| {
            let config = TrunkConfig {
                name: "a".into(),
                address: address.into(),
                transport,
                login: None,
                caller_id: "12345".into(),
                assert_identity: false,
                srtp: false,
                channels: 1,
                calls_per_second: 1.0,
                calls_per_hour: 1,
                calls_per_day: 1,
                register: None,
            };
            assert_eq!((config.uri(Some("139")).as_str(), config.identity("12345").as_str()), (uri, identity));
        };
        check("trunk.example", TrunkTransport::Udp, "sip:139@trunk.example", "sip:12345@trunk.example");
        check("10.0.0.1:5070", TrunkTransport::Tcp, "sip:139@10.0.0.1:5070;transport=tcp", "sip:12345@10.0.0.1");
        check(
            "[2001:db8::1]:5061",
            TrunkTransport::Tls,
            "sip:139@[2001:db8::1]:5061;transport=tls",
            "sip:12345@[2001:db8::1]",
        );
    }
}
