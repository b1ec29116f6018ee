//! Captions of a call in progress: what the caller is saying, shown on the live board before it is finished.
//!
//! While somebody speaks, all of it so far is recognised again and again, so that each caption has its whole sentence to
//! understand. The recogniser spares a worker for this or says no at once, and the next try has more to show. The words of a
//! finished answer replace the caption. Nothing decides by captions, and nobody waits for them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::sleep_until;

use super::shared::Shared;
use crate::clock::monotonic;
use crate::ids::CallId;
use crate::media::MediaSession;

/// From the beginning of speech to the first caption, and from one to the next at least.
const EVERY: Duration = Duration::from_millis(600);

/// Speech may begin so long before it is noticed.
const BEFORE: Duration = Duration::from_millis(300);

/// One call's captions.
#[derive(Debug, Default)]
pub(super) struct Captions {
    turn: Turn,
    /// The caption in hand.
    running: Option<Running>,
}

/// When the captions of one turn are due. Holds no clock: it takes `now`.
#[derive(Debug, Default)]
struct Turn {
    /// Where what is shown began, on the session's clock; `None` before anybody spoke.
    from: Option<Duration>,
    /// When the next caption is due.
    due: Option<Instant>,
    /// Whether the caller is silent, so that the next caption is the last.
    paused: bool,
}

impl Turn {
    fn speech_started(&mut self, at: Duration, now: Instant) {
        self.from.get_or_insert(at.saturating_sub(BEFORE));
        self.paused = false;
        self.due = Some(now + EVERY);
    }

    /// What was said last is in no caption yet.
    fn speech_ended(&mut self, now: Instant) {
        self.paused = true;
        self.due = self.from.map(|_| now);
    }

    /// A caption is due: where it begins, unless the one before is still in hand.
    fn take(&mut self, busy: bool, now: Instant) -> Option<Duration> {
        self.due = (busy || !self.paused).then_some(now + EVERY);
        self.from.filter(|_| !busy)
    }
}

/// A task that ends with this: a caption that comes too late is not shown.
#[derive(Debug)]
struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Captions {
    /// Somebody speaks, since `at` on the session's clock.
    pub(super) fn speech_started(&mut self, at: Duration) {
        self.turn.speech_started(at, monotonic());
    }

    /// A pause, or the end.
    pub(super) fn speech_ended(&mut self) {
        self.turn.speech_ended(monotonic());
    }

    /// The answer itself is being recognised: what comes next is another sentence.
    pub(super) fn end_turn(&mut self) {
        *self = Self::default();
    }

    /// Resolves when a caption is to be made.
    pub(super) async fn due(&self) {
        match self.turn.due {
            Some(due) => sleep_until(due.into()).await,
            None => std::future::pending().await,
        }
    }

    /// Has a caption made of what was said so far, unless one is being made.
    pub(super) fn take(&mut self, shared: &Arc<Shared>, call: CallId, media: &MediaSession) {
        let busy = self.running.as_ref().is_some_and(|running| !running.0.is_finished());
        let Some(from) = self.turn.take(busy, monotonic()) else { return };
        if shared.speech.is_none() {
            return;
        }
        let pcm = media.heard_since(from);
        let shared = Arc::clone(shared);
        self.running = Some(Running(tokio::spawn(async move {
            let Some(speech) = &shared.speech else { return };
            // No worker to spare, or nothing understood: the caption stays as it is.
            if let Ok(Some(heard)) = speech.caption(&pcm).await {
                shared.board.caption(call, &heard.text, true);
            }
        })));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_come_while_somebody_speaks_and_once_after() {
        let origin = monotonic();
        let at = |ms| origin + Duration::from_millis(ms);
        let mut turn = Turn::default();
        turn.speech_ended(at(0));
        assert_eq!(turn.due, None, "nobody has spoken");
        turn.speech_started(Duration::from_millis(5_000), at(0));
        assert_eq!(turn.due, Some(at(600)));
        let from = Some(Duration::from_millis(4_700));
        assert_eq!(turn.take(false, at(600)), from);
        assert_eq!(turn.take(true, at(1_200)), None, "one is in hand");
        turn.speech_ended(at(1_500));
        assert_eq!(turn.due, Some(at(1_500)));
        assert_eq!(turn.take(true, at(1_500)), None);
        assert_eq!(turn.due, Some(at(2_100)), "the last words are still to be shown");
        assert_eq!(turn.take(false, at(2_100)), from);
        assert_eq!(turn.due, None);
        turn.speech_started(Duration::from_millis(9_000), at(4_000));
        assert_eq!(turn.take(false, at(4_600)), from, "a pause within a turn begins no new caption");
    }
}
