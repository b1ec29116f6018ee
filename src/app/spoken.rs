//! What the gateway said in a call, and when: the transcript of our own channel, whose words are known.

use std::time::Duration;

use crate::store::records::Segment;
use crate::units::millis;

/// The gateway's channel in recordings and transcripts.
const GATEWAY: i16 = 1;

/// Most segments kept of one call; a call is ended long before.
const SEGMENTS_MAX: usize = 2_000;

/// What was and is being said.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    segments: Vec<Segment>,
    now: Option<(u64, Duration, String)>,
}

impl Spoken {
    /// Prompts with this text begin to play, instead of those before.
    pub(super) fn begin(&mut self, play: u64, at: Duration, text: String) {
        self.close(at);
        self.now = Some((play, at, text));
    }

    /// A playback ended.
    pub(super) fn done(&mut self, play: u64, at: Duration) {
        if self.now.as_ref().is_some_and(|(current, ..)| *current == play) {
            self.close(at);
        }
    }

    /// Everything said, up to the end of the call.
    pub(super) fn finish(mut self, at: Duration) -> Vec<Segment> {
        self.close(at);
        self.segments
    }

    fn close(&mut self, at: Duration) {
        let Some((_, from, text)) = self.now.take() else { return };
        let kept = !text.is_empty() && at > from && self.segments.len() < SEGMENTS_MAX;
        if kept {
            let (start_ms, end_ms) = (millis(from), millis(at));
            self.segments.push(Segment { channel: GATEWAY, start_ms, end_ms, text, confidence: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn each_prompt_has_its_stretch_of_time() {
        let mut spoken = Spoken::default();
        spoken.begin(1, ms(0), "您好".into());
        spoken.done(1, ms(900));
        spoken.begin(2, ms(1_000), "请按键".into());
        spoken.begin(3, ms(1_400), "好的".into()); // Barge-in: the second one's end comes after the third began.
        spoken.done(2, ms(1_420));
        let said: Vec<_> = spoken.finish(ms(2_000)).into_iter().map(|s| (s.start_ms, s.end_ms, s.text)).collect();
        assert_eq!(said, [(0, 900, "您好".into()), (1_000, 1_400, "请按键".into()), (1_400, 2_000, "好的".into())]);
    }

    #[test]
    fn silence_and_what_never_sounded_leave_nothing() {
        let mut spoken = Spoken::default();
        spoken.begin(1, ms(5), String::new());
        spoken.begin(2, ms(9), "没有播".into());
        spoken.done(2, ms(9));
        assert!(spoken.finish(ms(10)).is_empty());
    }
}
