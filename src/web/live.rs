//! The live board: which calls are in progress, and the stream of what changes, for pages that update themselves.
//!
//! The board is fed by the call tasks and by the store's change notices; it never waits for a browser. A browser that
//! falls behind gets the whole board anew. Numbers stand masked on it from the start.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::ids::{CallId, CaseNumber, PhoneNumber};
use crate::store::Change;

/// Most calls kept on the board; the gateway's own limit lies below. A call beyond it is not shown live.
pub const CALLS_LIMIT: usize = 4_000;
/// Events kept for a browser that reconnects; one that was away for longer gets the whole board.
pub const HISTORY_LIMIT: usize = 1_024;
/// Longest caption kept, in characters; more is cut at the end.
pub const CAPTION_LIMIT: usize = 200;

/// A call in progress, as shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LiveCall {
    /// Its key.
    pub id: CallId,
    /// The configured name of the line.
    pub line: String,
    /// The caller's number, masked; `None` when withheld.
    pub caller: Option<String>,
    /// When the INVITE came.
    pub started_at: DateTime<Utc>,
    /// Where the flow stands, by its state's name; empty while it rings.
    pub state: String,
    /// The last words heard.
    pub caption: String,
    /// Whether they are still being said: the caption may change.
    pub partial: bool,
    /// How loud it is.
    pub level: Level,
}

/// How loud a call in progress is, told by the audio engine about once a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Level {
    /// The caller's level in dBov (0 is full scale; -127 is silence).
    pub caller_dbov: i8,
    /// Our own level in dBov.
    pub gateway_dbov: i8,
}

impl Level {
    /// Nothing is heard from either side.
    pub const SILENT: Self = Self { caller_dbov: -127, gateway_dbov: -127 };
}

/// One thing that a page learns.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum News {
    /// A call began or moved on.
    Call(LiveCall),
    /// A call ended.
    Ended {
        /// Which.
        id: CallId,
    },
    /// The record of a call changed in the store.
    CallStored {
        /// Which.
        id: CallId,
    },
    /// A case changed in the store.
    CaseStored {
        /// Which.
        number: CaseNumber,
    },
}

/// News with its place in the stream.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its place, counted from the board's start.
    pub seq: u64,
    /// What happened.
    pub news: News,
}

/// The board. Cheap to clone; every clone is the same board.
#[derive(Clone, Debug)]
pub struct Board {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Tells this run's sequence numbers from those of a run before.
    run: u32,
    inner: Mutex<Inner>,
    sender: broadcast::Sender<Arc<Event>>,
}

#[derive(Debug, Default)]
struct Inner {
    calls: BTreeMap<CallId, LiveCall>,
    history: VecDeque<Arc<Event>>,
    seq: u64,
    overloaded: bool,
}

/// What a page that (re)connects gets first.
#[derive(Debug)]
pub enum Resume {
    /// What it missed, oldest first; possibly nothing.
    Missed(Vec<Arc<Event>>),
    /// Too much: the whole board, and the place in the stream where it stands.
    Whole(Vec<LiveCall>, u64),
}

impl Default for Board {
    fn default() -> Self {
        Self::new()
    }
}

impl Board {
    /// An empty board.
    pub fn new() -> Self {
        let (sender, _) = broadcast::channel(HISTORY_LIMIT);
        Self { shared: Arc::new(Shared { run: rand::random(), inner: Mutex::default(), sender }) }
    }

    /// A call came in.
    pub fn started(&self, id: CallId, line: &str, caller: Option<&PhoneNumber>, at: DateTime<Utc>) {
        let mut inner = self.lock();
        if inner.calls.len() >= CALLS_LIMIT {
            return;
        }
        let call = LiveCall {
            id,
            line: line.to_owned(),
            caller: caller.map(PhoneNumber::masked),
            started_at: at,
            state: String::new(),
            caption: String::new(),
            partial: false,
            level: Level::SILENT,
        };
        inner.calls.insert(id, call.clone());
        self.tell(&mut inner, News::Call(call));
    }

    /// The flow moved to the state of this name.
    pub fn state(&self, id: CallId, state: &str) {
        self.update(id, |call| state.clone_into(&mut call.state));
    }

    /// The caller was understood to say this; `partial` while it is still being said.
    pub fn caption(&self, id: CallId, text: &str, partial: bool) {
        let text = super::mask::mask(text);
        self.update(id, |call| {
            call.caption = text.chars().take(CAPTION_LIMIT).collect();
            call.partial = partial;
        });
    }

    /// Whether recognition is overloaded, so that callers are led by keys and recordings. Like levels, each page asks for it
    /// in its own rhythm, with [`Self::is_overloaded`].
    pub fn overloaded(&self, overloaded: bool) {
        self.lock().overloaded = overloaded;
    }

    /// As last told.
    pub fn is_overloaded(&self) -> bool {
        self.lock().overloaded
    }

    /// The engine's figures of all calls. They make no event: each page asks for them in its own rhythm with
    /// [`Self::levels`].
    pub fn level(&self, levels: Vec<(CallId, Level)>) {
        let mut inner = self.lock();
        for (id, level) in levels {
            if let Some(call) = inner.calls.get_mut(&id) {
                call.level = level;
            }
        }
    }

    /// A call ended.
    pub fn ended(&self, id: CallId) {
        let mut inner = self.lock();
        if inner.calls.remove(&id).is_some() {
            self.tell(&mut inner, News::Ended { id });
        }
    }

    /// Something stored has changed.
    pub fn changed(&self, change: Change) {
        let mut inner = self.lock();
        let news = match change {
            Change::Call(id) => News::CallStored { id },
            Change::Case(number) => News::CaseStored { number },
        };
        self.tell(&mut inner, news);
    }

    /// The calls in progress, newest first.
    pub fn calls(&self) -> Vec<LiveCall> {
        self.lock().calls.values().rev().cloned().collect()
    }

    /// Every call's figures.
    pub fn levels(&self) -> Vec<(CallId, Level)> {
        self.lock().calls.values().map(|c| (c.id, c.level)).collect()
    }

    /// The name of a place in the stream, as sent in `id:` and given back in `Last-Event-ID`.
    pub fn event_id(&self, seq: u64) -> String {
        format!("{:08x}-{seq}", self.shared.run)
    }

    /// What a page gets that last saw `last_event_id`, and everything after it.
    pub fn follow(&self, last_event_id: Option<&str>) -> (Resume, broadcast::Receiver<Arc<Event>>) {
        // Subscribing under the lock leaves no gap between what is replayed and what comes.
        let inner = self.lock();
        let receiver = self.shared.sender.subscribe();
        let seen = last_event_id.and_then(|id| {
            let (run, seq) = id.split_once('-')?;
            let same_run = u32::from_str_radix(run, 16).ok()? == self.shared.run;
            same_run.then(|| seq.parse::<u64>().ok())?
        });
        let oldest = inner.seq - u64::try_from(inner.history.len()).unwrap_or(inner.seq);
        let resume = match seen {
            Some(seen) if (oldest..=inner.seq).contains(&seen) => {
                Resume::Missed(inner.history.iter().filter(|e| e.seq > seen).cloned().collect())
            }
            Some(_) | None => Resume::Whole(inner.calls.values().rev().cloned().collect(), inner.seq),
        };
        (resume, receiver)
    }

    fn update(&self, id: CallId, change: impl FnOnce(&mut LiveCall)) {
        let mut inner = self.lock();
        let Some(call) = inner.calls.get_mut(&id) else { return };
        let before = call.clone();
        change(call);
        if *call != before {
            let call = call.clone();
            self.tell(&mut inner, News::Call(call));
        }
    }

    fn tell(&self, inner: &mut Inner, news: News) {
        inner.seq += 1;
        let event = Arc::new(Event { seq: inner.seq, news });
        if inner.history.len() == HISTORY_LIMIT {
            inner.history.pop_front();
        }
        inner.history.push_back(Arc::clone(&event));
        // Nobody watching is no fault.
        self.shared.sender.send(event).ok();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves the board usable: each change is one insert or remove.
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(board: &Board) -> CallId {
        let id = CallId::fresh();
        board.started(id, "hotline", PhoneNumber::parse("13812341234").as_ref(), DateTime::UNIX_EPOCH);
        id
    }

    fn missed(board: &Board, since: u64) -> Option<Vec<u64>> {
        match board.follow(Some(&board.event_id(since))).0 {
            Resume::Missed(events) => Some(events.iter().map(|e| e.seq).collect()),
            Resume::Whole(..) => None,
        }
    }

    #[test]
    fn a_call_comes_moves_and_goes() {
        let board = Board::new();
        let (_, mut events) = board.follow(None);
        let id = start(&board);
        board.state(id, "ask");
        board.state(id, "ask"); // No change, no event.
        board.caption(id, "打13812341234", true);
        board.ended(id);
        board.ended(id);
        let told: Vec<News> = std::iter::from_fn(|| events.try_recv().ok()).map(|e| e.news.clone()).collect();
        assert_eq!(told.len(), 4);
        assert!(matches!(&told[2], News::Call(c) if c.caption == "打138****1234" && c.partial && c.state == "ask"));
        assert_eq!(told[3], News::Ended { id });
        assert!(board.calls().is_empty());
    }

    #[test]
    fn no_number_stands_whole_on_the_board() {
        let board = Board::new();
        start(&board);
        let shown = serde_json::to_string(&board.calls()).expect("plain data");
        assert!(shown.contains("138****1234") && !shown.contains("13812341234"), "{shown}");
    }

    #[test]
    fn a_page_that_comes_back_gets_what_it_missed() {
        let board = Board::new();
        let id = start(&board);
        board.state(id, "a");
        board.state(id, "b");
        assert_eq!(missed(&board, 1), Some(vec![2, 3]));
        assert_eq!(missed(&board, 3), Some(vec![]));
        assert_eq!(missed(&board, 4), None, "a place not reached yet is from another run");
    }

    #[test]
    fn a_page_away_too_long_gets_the_whole_board() {
        let board = Board::new();
        let id = start(&board);
        for n in 0..HISTORY_LIMIT {
            board.state(id, &n.to_string());
        }
        assert_eq!(missed(&board, 0), None);
        assert_eq!(missed(&board, 1).map(|e| e.len()), Some(HISTORY_LIMIT));
        let other_run = Board::new().event_id(5);
        assert!(matches!(board.follow(Some(&other_run)).0, Resume::Whole(calls, _) if calls.len() == 1));
        assert!(matches!(board.follow(Some("nonsense")).0, Resume::Whole(..)));
    }

    #[test]
    fn the_board_is_bounded() {
        let board = Board::new();
        for _ in 0..=CALLS_LIMIT {
            start(&board);
        }
        assert_eq!(board.calls().len(), CALLS_LIMIT);
    }
}
