//! Tells the live board when recognition has more to do than it can, so that callers are led by keys and recordings (P9).

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use crate::clock::monotonic;
use crate::speech::SpeechStats;

/// How often the recogniser is asked.
const EVERY: Duration = Duration::from_secs(1);

/// How long after the last answer that was turned away or late the board says so.
const LASTS: Duration = Duration::from_secs(30);

/// Tells the board until told to stop.
pub(super) async fn watch(shared: Arc<Shared>, stop: CancellationToken) {
    let Some(speech) = &shared.speech else { return };
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut overload = Overload::default();
    let mut told = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        let now = overload.look(&speech.stats(), monotonic());
        if now != told {
            match now {
                true => tracing::warn!("recognition is overloaded: callers are led by keys and recordings"),
                false => tracing::info!("recognition keeps up again"),
            }
            shared.board.overloaded(now);
            told = now;
        }
    }
}

/// Whether answers were turned away or late of late.
#[derive(Debug, Default)]
struct Overload {
    failed: u64,
    last: Option<Instant>,
}

impl Overload {
    fn look(&mut self, stats: &SpeechStats, now: Instant) -> bool {
        let failed = stats.busy + stats.late;
        if failed > self.failed {
            self.failed = failed;
            self.last = Some(now);
        }
        self.last.is_some_and(|last| now.saturating_duration_since(last) < LASTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_turned_away_or_late_lasts_for_a_while() {
        let origin = monotonic();
        let mut overload = Overload::default();
        for (at_s, busy, late, overloaded) in [
            (0, 0, 0, false),
            (1, 1, 0, true),
            (30, 1, 0, true),
            (31, 1, 0, false),
            (40, 1, 1, true),
            (69, 1, 1, true),
            (70, 1, 1, false),
        ] {
            let stats = SpeechStats { busy, late, ..SpeechStats::default() };
            assert_eq!(overload.look(&stats, origin + Duration::from_secs(at_s)), overloaded, "{at_s} s");
        }
    }
}
