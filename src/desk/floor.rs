//! The queue and the operators, as one machine.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::agent::{AgentId, PARK, RING, State, WRAP_UP};
use super::protocol::{Shown, View};
use crate::ids::CallId;

/// Callers who wait, at most; one more leaves a message instead.
pub const MAX_WAITING: usize = 50;
/// Operators signed in, at most; one more is refused.
pub const MAX_AGENTS: usize = 256;
/// How often a caller who waits is told the place (R3.9 asks for the first within 20 s: it comes at once).
const PLACE_EVERY: Duration = Duration::from_secs(20);
/// A caller who has waited for so long is offered to leave a message and be rung back.
const OFFER_AFTER: Duration = Duration::from_secs(60);
/// Calls are to be answered within this time (R9.1).
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// What a call is thought to take until there was one.
const FIRST_GUESS: Duration = Duration::from_secs(180);
/// Calls over which the mean length is taken, roughly.
const MEAN_OVER: u32 = 16;

/// A caller who wants a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeker {
    /// The call.
    pub call: CallId,
    /// What an operator sees of it.
    pub shown: Shown,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// An operator's browser came, or came back.
    SignedIn {
        /// Who.
        agent: AgentId,
        /// As colleagues see the operator.
        name: String,
    },
    /// It went, of itself or for good.
    SignedOut {
        /// Who.
        agent: AgentId,
    },
    /// The operator takes calls.
    Ready {
        /// Who.
        agent: AgentId,
    },
    /// The operator takes no calls.
    Busy {
        /// Who.
        agent: AgentId,
    },
    /// The operator takes this call: one that rings, or one that is parked.
    Answered {
        /// Who.
        agent: AgentId,
        /// Which.
        call: CallId,
    },
    /// The operator leaves this call to the next.
    Declined {
        /// Who.
        agent: AgentId,
        /// Which.
        call: CallId,
    },
    /// The caller shall wait, or wait no longer.
    Held {
        /// Who.
        agent: AgentId,
        /// Which it is.
        on: bool,
    },
    /// The operator ended the call.
    HungUp {
        /// Who.
        agent: AgentId,
    },
    /// The operator gives the caller to a colleague, by name.
    Transferred {
        /// Who.
        agent: AgentId,
        /// To whom.
        to: String,
    },
    /// The operator's sound is gone, the signalling is not.
    Lost {
        /// In this call.
        call: CallId,
    },
    /// A caller wants a person.
    Sought(Seeker),
    /// The caller hung up, or waits no longer.
    Left {
        /// Which.
        call: CallId,
    },
    /// [`Floor::poll_timeout`] has come.
    Timeout,
}

/// Something to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Show the operator [`Floor::view`].
    Show(AgentId),
    /// Join the operator with the caller.
    Connect {
        /// Who.
        agent: AgentId,
        /// With whom.
        call: CallId,
    },
    /// Tell the caller's call.
    Caller {
        /// Which.
        call: CallId,
        /// What.
        news: CallerNews,
    },
}

/// What a waiting or talking caller's call is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerNews {
    /// The place in the queue.
    Place {
        /// So many are before.
        ahead: usize,
        /// The likely wait.
        wait: Duration,
        /// Whether to offer a message instead.
        offer: bool,
    },
    /// Nobody will come: leave a message.
    Nobody,
    /// The operator holds the call, or takes it back.
    Held(bool),
    /// The operator's browser is gone for the moment, or the call goes to another operator: wait.
    Parked,
    /// The operator ended the call.
    Ended,
}

/// Why an operator's wish is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The desk has no room for another operator.
    #[error("the desk is full")]
    Full,
    /// It does not fit what the operator does: somebody else was faster, or the call is over.
    #[error("that is not possible now")]
    NotNow,
    /// The colleague is not ready.
    #[error("the colleague is not ready")]
    NotReady,
}

/// How well callers were served since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Callers who reached a person.
    pub answered: u64,
    /// Of them, those who did within 15 s.
    pub in_time: u64,
    /// Callers who left before.
    pub given_up: u64,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Floor {
    agents: BTreeMap<AgentId, Agent>,
    waiting: VecDeque<Waiting>,
    mean: Duration,
    service: Service,
}

#[derive(Debug)]
struct Agent {
    name: String,
    state: State,
    since: Instant,
    /// Whether the browser is there.
    here: bool,
    /// The present or last call, for what is shown.
    shown: Option<Shown>,
}

#[derive(Debug)]
struct Waiting {
    seeker: Seeker,
    came: Instant,
    /// Only this operator is rung: a colleague handed the caller over.
    meant_for: Option<AgentId>,
    rung: Option<AgentId>,
    told: Instant,
    offered: bool,
    /// Whether the caller talked with somebody before.
    again: bool,
}

impl Default for Floor {
    fn default() -> Self {
        Self { agents: BTreeMap::new(), waiting: VecDeque::new(), mean: FIRST_GUESS, service: Service::default() }
    }
}

impl Floor {
    /// What an input leads to, in order.
    ///
    /// # Errors
    /// See [`Refused`]; then nothing has changed.
    pub fn handle(&mut self, input: Input, now: Instant) -> Result<Vec<Output>, Refused> {
        let mut out = Vec::new();
        match input {
            Input::SignedIn { agent, name } => self.signed_in(agent, name, now, &mut out)?,
            Input::SignedOut { agent } => self.signed_out(agent, now, &mut out),
            Input::Ready { agent } => self.choose(agent, State::Ready, now, &mut out)?,
            Input::Busy { agent } => self.choose(agent, State::Busy, now, &mut out)?,
            Input::Answered { agent, call } => self.answered(agent, call, now, &mut out)?,
            Input::Declined { agent, call } => {
                self.rung_for(agent, call)?;
                self.unring(agent, now, &mut out);
            }
            Input::Held { agent, on } => {
                let call = self.talks(agent)?;
                self.set(agent, State::Talking { call, held: on }, now, &mut out);
                out.push(Output::Caller { call, news: CallerNews::Held(on) });
            }
            Input::HungUp { agent } => {
                let call = self.talks(agent)?;
                out.push(Output::Caller { call, news: CallerNews::Ended });
                self.wrap_up(agent, now, &mut out);
            }
            Input::Transferred { agent, to } => self.transferred(agent, &to, now, &mut out)?,
            Input::Lost { call } => self.lost(call, now, &mut out),
            Input::Sought(seeker) => self.sought(seeker, now, &mut out),
            Input::Left { call } => self.left(call, now, &mut out),
            Input::Timeout => {}
        }
        self.expire(now, &mut out);
        self.ring(now, &mut out);
        self.tell(now, &mut out);
        out.dedup(); // Who is ready and at once rung is shown once.
        Ok(out)
    }

    /// When [`Input::Timeout`] is due next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let states = self.agents.values().filter_map(|agent| agent.state.until());
        let places = self.waiting.iter().map(|waiting| waiting.told + PLACE_EVERY);
        states.chain(places).min()
    }

    /// How callers were served.
    pub fn service(&self) -> Service {
        self.service
    }

    /// Operators who are ready, and callers who wait.
    pub fn load(&self) -> (usize, usize) {
        let ready = self.agents.values().filter(|agent| agent.state == State::Ready).count();
        (ready, self.waiting.len())
    }

    /// What an operator is shown; `None` for one who is not signed in.
    pub fn view(&self, agent: AgentId, now: Instant) -> Option<View> {
        let one = self.agents.get(&agent)?;
        let colleagues = self.agents.iter().filter(|(id, other)| **id != agent && other.state == State::Ready);
        Some(View {
            state: one.state.code(),
            call: one.state.call(),
            shown: one.shown.clone(),
            for_s: now.saturating_duration_since(one.since).as_secs(),
            left_s: one.state.until().map(|until| until.saturating_duration_since(now).as_secs()),
            waiting: self.waiting.len(),
            ready_colleagues: colleagues.map(|(_, other)| other.name.clone()).collect(),
        })
    }

    fn signed_in(&mut self, agent: AgentId, name: String, now: Instant, out: &mut Vec<Output>) -> Result<(), Refused> {
        let full = self.agents.len() >= MAX_AGENTS;
        match self.agents.get_mut(&agent) {
            // A call that is parked waits for a browser that can speak again.
            Some(known) => (known.name, known.here) = (name, true),
            None if full => return Err(Refused::Full),
            None => {
                self.agents.insert(agent, Agent { name, state: State::Busy, since: now, here: true, shown: None });
            }
        }
        out.push(Output::Show(agent));
        Ok(())
    }

    fn signed_out(&mut self, agent: AgentId, now: Instant, out: &mut Vec<Output>) {
        if let Some(one) = self.agents.get_mut(&agent) {
            one.here = false;
        }
        match self.agents.get(&agent).map(|agent| agent.state) {
            Some(State::Talking { call, .. }) => {
                self.set(agent, State::Parked { call, until: now + PARK }, now, out);
                out.push(Output::Caller { call, news: CallerNews::Parked });
            }
            Some(State::Ringing { .. }) => {
                self.unring(agent, now, out);
                self.agents.remove(&agent);
            }
            Some(State::Busy | State::Ready | State::WrapUp { .. }) => drop(self.agents.remove(&agent)),
            Some(State::Parked { .. }) | None => {}
        }
    }

    fn choose(&mut self, agent: AgentId, wanted: State, now: Instant, out: &mut Vec<Output>) -> Result<(), Refused> {
        match self.agents.get(&agent).map(|agent| agent.state) {
            // Who was ready stays the longest ready.
            Some(state) if state == wanted => Ok(()),
            Some(State::Busy | State::Ready | State::WrapUp { .. }) => {
                self.set(agent, wanted, now, out);
                Ok(())
            }
            Some(State::Ringing { .. } | State::Talking { .. } | State::Parked { .. }) | None => Err(Refused::NotNow),
        }
    }

    fn answered(&mut self, agent: AgentId, call: CallId, now: Instant, out: &mut Vec<Output>) -> Result<(), Refused> {
        match self.agents.get(&agent).map(|agent| agent.state) {
            Some(State::Ringing { call: rung, .. }) if rung == call => {
                if let Some(at) = self.waiting.iter().position(|waiting| waiting.seeker.call == call)
                    && let Some(waiting) = self.waiting.remove(at)
                    && !waiting.again
                {
                    self.service.answered += 1;
                    self.service.in_time += u64::from(now.saturating_duration_since(waiting.came) <= ANSWER_WITHIN);
                }
            }
            Some(State::Parked { call: parked, .. }) if parked == call => {}
            Some(_) | None => return Err(Refused::NotNow),
        }
        self.set(agent, State::Talking { call, held: false }, now, out);
        out.push(Output::Connect { agent, call });
        Ok(())
    }

    fn transferred(&mut self, agent: AgentId, to: &str, now: Instant, out: &mut Vec<Output>) -> Result<(), Refused> {
        let call = self.talks(agent)?;
        let ready = |(id, other): (&AgentId, &Agent)| {
            (*id != agent && other.name == to && other.state == State::Ready).then_some(*id)
        };
        let colleague = self.agents.iter().find_map(ready).ok_or(Refused::NotReady)?;
        self.requeue(agent, call, Some(colleague), now);
        out.push(Output::Caller { call, news: CallerNews::Parked });
        self.wrap_up(agent, now, out);
        Ok(())
    }

    /// The sound is gone: as a browser that is gone, but the operator still sees it and can take the call back.
    fn lost(&mut self, call: CallId, now: Instant, out: &mut Vec<Output>) {
        if let Some(agent) = self.agent_in(call)
            && let Some(State::Talking { .. }) = self.agents.get(&agent).map(|agent| agent.state)
        {
            self.set(agent, State::Parked { call, until: now + PARK }, now, out);
            out.push(Output::Caller { call, news: CallerNews::Parked });
        }
    }

    fn sought(&mut self, seeker: Seeker, now: Instant, out: &mut Vec<Output>) {
        let call = seeker.call;
        let known = self.waiting.iter().any(|waiting| waiting.seeker.call == call) || self.agent_in(call).is_some();
        if known {
            return;
        }
        if self.waiting.len() >= MAX_WAITING {
            out.push(Output::Caller { call, news: CallerNews::Nobody });
            return;
        }
        // Long ago enough to be told at once.
        let told = now.checked_sub(PLACE_EVERY).unwrap_or(now);
        self.waiting.push_back(Waiting {
            seeker,
            came: now,
            meant_for: None,
            rung: None,
            told,
            offered: false,
            again: false,
        });
    }

    fn left(&mut self, call: CallId, now: Instant, out: &mut Vec<Output>) {
        if let Some(at) = self.waiting.iter().position(|waiting| waiting.seeker.call == call)
            && let Some(waiting) = self.waiting.remove(at)
        {
            self.service.given_up += u64::from(!waiting.again);
            if let Some(agent) = waiting.rung {
                self.set(agent, State::Ready, now, out);
            }
        }
        if let Some(agent) = self.agent_in(call) {
            match self.agents.get(&agent).map(|agent| agent.state) {
                Some(State::Parked { .. }) => self.leave_desk(agent, now, out),
                Some(_) => self.wrap_up(agent, now, out),
                None => {}
            }
        }
    }

    /// Ends what has lasted too long, and the wait of those for whom nobody could come.
    fn expire(&mut self, now: Instant, out: &mut Vec<Output>) {
        let due = |(id, agent): (&AgentId, &Agent)| agent.state.until().is_some_and(|at| now >= at).then_some(*id);
        let due: Vec<AgentId> = self.agents.iter().filter_map(due).collect();
        for agent in due {
            match self.agents.get(&agent).map(|agent| agent.state) {
                Some(State::Ringing { .. }) => self.unring(agent, now, out),
                Some(State::WrapUp { .. }) => self.set(agent, State::Ready, now, out),
                Some(State::Parked { call, .. }) => {
                    self.requeue(agent, call, None, now);
                    self.leave_desk(agent, now, out);
                }
                Some(State::Busy | State::Ready | State::Talking { .. }) | None => {}
            }
        }
        if self.agents.values().any(|agent| agent.state.serves()) {
            return;
        }
        for waiting in self.waiting.drain(..) {
            self.service.given_up += u64::from(!waiting.again);
            out.push(Output::Caller { call: waiting.seeker.call, news: CallerNews::Nobody });
        }
    }

    /// Rings ready operators for callers who wait, first come first served.
    fn ring(&mut self, now: Instant, out: &mut Vec<Output>) {
        for at in 0..self.waiting.len() {
            let waiting = &self.waiting[at];
            if waiting.rung.is_some() {
                continue;
            }
            let fits = |id: &AgentId| waiting.meant_for.is_none_or(|only| only == *id);
            let ready = self.agents.iter().filter(|(id, agent)| agent.state == State::Ready && fits(id));
            let Some((agent, _)) = ready.min_by_key(|(id, agent)| (agent.since, **id)) else { continue };
            let (agent, call, shown) = (*agent, waiting.seeker.call, waiting.seeker.shown.clone());
            self.waiting[at].rung = Some(agent);
            if let Some(one) = self.agents.get_mut(&agent) {
                one.shown = Some(shown);
            }
            self.set(agent, State::Ringing { call, until: now + RING }, now, out);
        }
    }

    /// Tells callers their place.
    fn tell(&mut self, now: Instant, out: &mut Vec<Output>) {
        let serving = self.agents.values().filter(|agent| agent.state.serves()).count().max(1);
        for (ahead, waiting) in self.waiting.iter_mut().enumerate() {
            if now < waiting.told + PLACE_EVERY {
                continue;
            }
            waiting.told = now;
            let offer = !waiting.offered && now >= waiting.came + OFFER_AFTER;
            waiting.offered |= offer;
            let turns = u32::try_from(ahead / serving + 1).unwrap_or(u32::MAX);
            // Half a call is left on average of the one that ends next.
            let wait = self.mean.saturating_mul(turns) / 2;
            out.push(Output::Caller { call: waiting.seeker.call, news: CallerNews::Place { ahead, wait, offer } });
        }
    }

    /// The operator who is rung does not take the call: it goes on to the next, the operator counts as busy.
    fn unring(&mut self, agent: AgentId, now: Instant, out: &mut Vec<Output>) {
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.rung == Some(agent)) {
            waiting.rung = None;
            waiting.meant_for = None;
        }
        self.set(agent, State::Busy, now, out);
    }

    /// Puts a caller who talked already at the head of the queue.
    fn requeue(&mut self, from: AgentId, call: CallId, meant_for: Option<AgentId>, now: Instant) {
        let shown = self.agents.get(&from).and_then(|agent| agent.shown.clone()).unwrap_or_default();
        let seeker = Seeker { call, shown };
        let waiting = Waiting { seeker, came: now, meant_for, rung: None, told: now, offered: false, again: true };
        self.waiting.push_front(waiting);
    }

    fn wrap_up(&mut self, agent: AgentId, now: Instant, out: &mut Vec<Output>) {
        if let Some(one) = self.agents.get(&agent) {
            let lasted = now.saturating_duration_since(one.since);
            self.mean = (self.mean * (MEAN_OVER - 1) + lasted) / MEAN_OVER;
        }
        self.set(agent, State::WrapUp { until: now + WRAP_UP }, now, out);
    }

    /// The call that a parked operator had is over for them: busy, or gone where the browser is.
    fn leave_desk(&mut self, agent: AgentId, now: Instant, out: &mut Vec<Output>) {
        if self.agents.get(&agent).is_some_and(|one| one.here) {
            self.set(agent, State::Busy, now, out);
        } else {
            self.agents.remove(&agent);
        }
    }

    fn set(&mut self, agent: AgentId, state: State, now: Instant, out: &mut Vec<Output>) {
        let Some(one) = self.agents.get_mut(&agent) else { return };
        // Hold is part of a talk, whose length is shown and counted.
        let goes_on = matches!((one.state, state), (State::Talking { .. }, State::Talking { .. }));
        one.state = state;
        if !goes_on {
            one.since = now;
        }
        out.push(Output::Show(agent));
    }

    fn rung_for(&self, agent: AgentId, call: CallId) -> Result<(), Refused> {
        let state = self.agents.get(&agent).map(|agent| agent.state);
        let rung = matches!(state, Some(State::Ringing { call: rung, .. }) if rung == call);
        if rung { Ok(()) } else { Err(Refused::NotNow) }
    }

    fn talks(&self, agent: AgentId) -> Result<CallId, Refused> {
        match self.agents.get(&agent).map(|agent| agent.state) {
            Some(State::Talking { call, .. }) => Ok(call),
            Some(_) | None => Err(Refused::NotNow),
        }
    }

    /// Who has this call, other than being rung for it.
    fn agent_in(&self, call: CallId) -> Option<AgentId> {
        let has = |state| match state {
            State::Talking { call: other, .. } | State::Parked { call: other, .. } => other == call,
            State::Busy | State::Ready | State::Ringing { .. } | State::WrapUp { .. } => false,
        };
        self.agents.iter().find_map(|(id, agent)| has(agent.state).then_some(*id))
    }
}
