//! The operators' desk in the running gateway: browsers on one side, calls on the other, [`Floor`] between them.
//!
//! Each operator's browser has a task that takes its wishes in; each caller who wants a person has a [`CallerSeat`] in the
//! task of the call. Both sides are told by bounded channels: a browser that does not read is let go, and a call that does
//! not is one that has ended.

mod browser;
mod caller;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant as TokioInstant, sleep_until};
use tokio_util::sync::CancellationToken;

pub(super) use caller::{CallerSeat, next};

use super::shared::Shared;
use crate::clock::monotonic;
use crate::desk::protocol::{Command, Message, Shown};
use crate::desk::{AgentId, CallerNews, Floor, Input, Output, Refused, Seeker, Service};
use crate::ids::CallId;
use crate::media::MediaSession;
use crate::rtc;
use crate::web::desk::Seat;

/// Messages that may wait for one browser; one more, and it is let go.
const MESSAGES: usize = 64;
/// Wishes of one browser that may wait.
const COMMANDS: usize = 16;
/// News that may wait for one call.
const CALLER_NEWS: usize = 32;

/// See the module's documentation.
pub(super) struct Desk {
    identity: rtc::Identity,
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    floor: Floor,
    browsers: BTreeMap<AgentId, Browser>,
    callers: BTreeMap<CallId, mpsc::Sender<ToCaller>>,
    /// Browsers so far: tells one of an operator's from the one before.
    entries: u64,
}

struct Browser {
    entry: u64,
    messages: mpsc::Sender<Message>,
}

/// What a caller's call is told.
pub(super) enum ToCaller {
    News(CallerNews),
    /// An operator takes the call.
    Person(Leg),
}

/// An operator's side of a talk.
pub(super) struct Leg {
    media: MediaSession,
    /// What the browser's way in tells; ends with the browser.
    news: mpsc::Receiver<rtc::News>,
}

impl Desk {
    /// An empty desk, with a certificate of its own.
    ///
    /// # Errors
    /// When the system has no randomness for one.
    pub(super) fn new() -> Result<Self, rtc::DtlsError> {
        Ok(Self { identity: rtc::Identity::generate()?, inner: Mutex::default(), changed: Notify::new() })
    }

    /// A caller wants a person; the first word comes at once.
    pub(super) fn seek(self: &Arc<Self>, call: CallId, shown: Shown) -> CallerSeat {
        let (sender, news) = mpsc::channel(CALLER_NEWS);
        self.lock().callers.insert(call, sender);
        // A caller is never refused: who has no place is told that nobody comes.
        let _ = self.give(Input::Sought(Seeker { call, shown }));
        CallerSeat::new(Arc::clone(self), call, news)
    }

    /// How callers were served; operators who are ready, and callers who wait.
    pub(super) fn figures(&self) -> (Service, usize, usize) {
        let inner = self.lock();
        let (ready, waiting) = inner.floor.load();
        (inner.floor.service(), ready, waiting)
    }

    /// Fires what is due, until it is told to stop.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let changed = self.changed.notified();
            let due = self.lock().floor.poll_timeout();
            let at = TokioInstant::from_std(due.unwrap_or_else(monotonic));
            tokio::select! {
                () = changed => {}
                () = sleep_until(at), if due.is_some() => drop(self.give(Input::Timeout)),
                () = stop.cancelled() => return,
            }
        }
    }

    /// Lets an operator's browser in; one that is there already is told to go.
    pub(super) fn enter(self: &Arc<Self>, shared: &Weak<Shared>, agent: AgentId, name: String) -> Seat {
        let (messages, reading) = mpsc::channel(MESSAGES);
        let (commands, wishes) = mpsc::channel(COMMANDS);
        let entry = {
            let mut inner = self.lock();
            inner.entries += 1;
            let entry = inner.entries;
            if let Some(before) = inner.browsers.insert(agent, Browser { entry, messages: messages.clone() }) {
                // One that does not read learns it from the closed connection.
                let _ = before.messages.try_send(Message::Replaced);
                // The sound was in the window before.
                let _ = inner.give(Input::SignedOut { agent });
            }
            entry
        };
        if let Err(refused) = self.give(Input::SignedIn { agent, name }) {
            let _ = messages.try_send(Message::Error { error: code(refused) });
        }
        tokio::spawn(browser::serve(Arc::clone(self), Weak::clone(shared), agent, entry, wishes));
        Seat { commands, messages: reading }
    }

    /// The browser of this entry is gone.
    fn leave(&self, agent: AgentId, entry: u64) {
        let mut inner = self.lock();
        if inner.browsers.get(&agent).is_some_and(|browser| browser.entry == entry) {
            inner.browsers.remove(&agent);
            let _ = inner.give(Input::SignedOut { agent });
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Tells an operator's browser.
    fn tell(&self, agent: AgentId, message: Message) {
        self.lock().tell(agent, message);
    }

    /// Hands an operator's side to the caller's call; false where that has ended.
    fn hand_over(&self, call: CallId, leg: Leg) -> bool {
        let sender = self.lock().callers.get(&call).cloned();
        sender.is_some_and(|sender| sender.try_send(ToCaller::Person(leg)).is_ok())
    }

    fn give(&self, input: Input) -> Result<Vec<Output>, Refused> {
        let done = self.lock().give(input);
        self.changed.notify_one();
        done
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The floor's own steps do not panic half-way, and maps stay whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Gives the floor an input and tells everybody what follows.
    fn give(&mut self, input: Input) -> Result<Vec<Output>, Refused> {
        let now = monotonic();
        let outputs = self.floor.handle(input, now)?;
        for output in &outputs {
            match output {
                Output::Show(agent) => {
                    if let Some(view) = self.floor.view(*agent, now) {
                        self.tell(*agent, Message::State(view));
                    }
                }
                // Whoever asked has the operator's side, and hands it over.
                Output::Connect { .. } => {}
                Output::Caller { call, news } => {
                    // A call that ended tells so itself.
                    if let Some(sender) = self.callers.get(call) {
                        let _ = sender.try_send(ToCaller::News(*news));
                    }
                }
            }
        }
        Ok(outputs)
    }

    /// A browser that reads nothing any more is let go: its connection closes, and it comes anew.
    fn tell(&mut self, agent: AgentId, message: Message) {
        let stuck = self.browsers.get(&agent).is_some_and(|browser| browser.messages.try_send(message).is_err());
        if stuck {
            tracing::warn!(agent = agent.0, "an operator's browser does not read and is let go");
            self.browsers.remove(&agent);
        }
    }
}

/// What a browser is told of a refusal.
fn code(refused: Refused) -> &'static str {
    match refused {
        Refused::Full => "full",
        Refused::NotNow => "not_now",
        Refused::NotReady => "not_ready",
    }
}

/// What a browser wants, as the floor takes it; `None` for an answer, which needs sound first.
fn input(agent: AgentId, command: &Command) -> Option<Input> {
    Some(match command {
        Command::Ready => Input::Ready { agent },
        Command::Busy => Input::Busy { agent },
        Command::Answer { .. } => return None,
        Command::Decline { call } => Input::Declined { agent, call: *call },
        Command::Hold { on } => Input::Held { agent, on: *on },
        Command::HangUp => Input::HungUp { agent },
        Command::Transfer { to } => Input::Transferred { agent, to: to.clone() },
    })
}
