//! Shows on the live board how loud calls are. One task looks at all of them: with a timer for each, a thousand calls would
//! wake the gateway a thousand times a second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use crate::ids::CallId;
use crate::media::Loudness;
use crate::web::live::Level;

/// How often the live board learns how loud a call is.
const EVERY: Duration = Duration::from_secs(1);

/// The calls that are looked at.
#[derive(Debug, Default)]
pub(super) struct Levels(Mutex<Vec<(CallId, Loudness)>>);

impl Levels {
    /// Looks at a call from now on, for as long as its audio lasts.
    pub(super) fn watch(&self, call: CallId, loudness: Loudness) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((call, loudness));
    }

    /// How loud each call was since the last look.
    fn look(&self) -> Vec<(CallId, Level)> {
        let mut levels = Vec::new();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(call, loudness)| {
            let Some(heard) = loudness.take() else { return false };
            levels.push((*call, Level { caller_dbov: heard.received_dbov, gateway_dbov: heard.sent_dbov }));
            true
        });
        levels
    }
}

/// Shows them until it is told to stop.
pub(super) async fn show(shared: Arc<Shared>, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => shared.board.level(shared.levels.look()),
            () = stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Engine, MediaConfig};

    #[test]
    fn a_call_is_looked_at_for_as_long_as_its_audio_lasts() {
        let config = MediaConfig { address: [127, 0, 0, 1].into(), ports: (25_900, 25_999), threads: 1 };
        let engine = Engine::start(config).expect("an engine");
        let (call, levels) = (CallId::fresh(), Levels::default());
        let media = engine.open(call).expect("a session");
        levels.watch(call, media.loudness());
        assert_eq!(levels.look(), [(call, Level::SILENT)]);
        drop(media);
        engine.shutdown();
        assert_eq!(levels.look(), []);
    }
}
