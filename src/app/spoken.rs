//! What the gateway said in a call, and when: the transcript of our own channel, whose words are known.

use std::time::Duration;

use crate::store::records::Segment;
use crate::units::millis;

/// The gateway's channel in recordings and transcripts.
const GATEWAY: i16 = 1;

/// Stands where a prompt was cut short.
const CUT: &str = "……";

/// Most segments kept of one call; a call is ended long before.
const SEGMENTS_MAX: usize = 2_000;

/// One prompt of a playback: its words, and how long they last.
pub(super) type Piece = (String, Duration);

/// What was and is being said.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    segments: Vec<Segment>,
    now: Option<Playback>,
}

#[derive(Debug)]
struct Playback {
    id: u64,
    from: Duration,
    pieces: Vec<Piece>,
}

impl Spoken {
    /// Prompts begin to play, instead of those before.
    pub(super) fn begin(&mut self, play: u64, at: Duration, pieces: Vec<Piece>) {
        self.close(at, true);
        self.now = Some(Playback { id: play, from: at, pieces });
    }

    /// A playback ended, or was cut short.
    pub(super) fn done(&mut self, play: u64, at: Duration, interrupted: bool) {
        if self.now.as_ref().is_some_and(|now| now.id == play) {
            self.close(at, interrupted);
        }
    }

    /// Everything said, up to the end of the call.
    pub(super) fn finish(mut self, at: Duration) -> Vec<Segment> {
        self.close(at, true);
        self.segments
    }

    fn close(&mut self, at: Duration, interrupted: bool) {
        let Some(Playback { from, pieces, .. }) = self.now.take() else { return };
        let text: String = if interrupted {
            heard(&pieces, at.saturating_sub(from))
        } else {
            pieces.into_iter().map(|(words, _)| words).collect()
        };
        let kept = !text.is_empty() && at > from && self.segments.len() < SEGMENTS_MAX;
        if kept {
            let (start_ms, end_ms) = (millis(from), millis(at));
            self.segments.push(Segment { channel: GATEWAY, start_ms, end_ms, text, confidence: None });
        }
    }
}

/// The words that sounded within so long: of the prompt that was cut short as large a share of its characters as of its
/// time, which is right to a character or two.
fn heard(pieces: &[Piece], within: Duration) -> String {
    let mut text = String::new();
    let mut left = within;
    for (words, lasts) in pieces {
        if let Some(after) = left.checked_sub(*lasts) {
            left = after;
            text.push_str(words);
            continue;
        }
        let count = words.chars().count() as f64 * left.as_secs_f64() / lasts.as_secs_f64();
        text.extend(words.chars().take(count.ceil() as usize));
        text.push_str(CUT);
        break;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// Prompts of a second each.
    fn seconds(prompts: &[&str]) -> Vec<Piece> {
        prompts.iter().map(|words| ((*words).to_owned(), ms(1_000))).collect()
    }

    #[test]
    fn each_prompt_has_its_stretch_of_time() {
        let mut spoken = Spoken::default();
        spoken.begin(1, ms(0), seconds(&["您好"]));
        spoken.done(1, ms(980), false); // The end is told a little early: all of it was played.
        spoken.begin(2, ms(1_000), seconds(&["您好", "请您按键"]));
        spoken.begin(3, ms(2_500), seconds(&["好的"])); // Barge-in: the second one's end comes after the third began.
        spoken.done(2, ms(2_520), true);
        let said: Vec<_> = spoken.finish(ms(3_600)).into_iter().map(|s| (s.start_ms, s.end_ms, s.text)).collect();
        assert_eq!(said, [(0, 980, "您好".into()), (1_000, 2_500, "您好请您……".into()), (2_500, 3_600, "好的".into())]);
    }

    #[test]
    fn silence_and_what_never_sounded_leave_nothing() {
        let mut spoken = Spoken::default();
        spoken.begin(1, ms(5), Vec::new());
        spoken.begin(2, ms(9), seconds(&["没有播"]));
        spoken.done(2, ms(9), true);
        assert!(spoken.finish(ms(10)).is_empty());
    }
}
