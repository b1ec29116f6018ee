//! The line from one party of a bridge to another: a bounded lock-free ring of 20 ms frames between two engine threads,
//! or within one.
//!
//! Both ends tick every 20 ms by the same clock, so a frame waits for the phase between them, less than 20 ms, and the
//! line does not drift. A thread that is late once makes the line a frame deeper; if that frame proves spare it is
//! taken out again by blending two frames into one. So a line adds at most [`MOST_WAITING`] frames.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rtrb::{Consumer, Producer, RingBuffer};

use super::bridge::PartyId;
use crate::units::FRAME_SAMPLES;

/// 20 ms of a party's audio.
pub type AudioFrame = [i16; FRAME_SAMPLES];

/// Frames that a line holds: 80 ms. A frame that finds it full is dropped, and counted at its speaker.
const LINE_FRAMES: usize = 4;
/// Frames that may wait on a line: 40 ms. More are blended away at once.
pub const MOST_WAITING: usize = 2;
/// Frames for which one frame must have been spare before it is blended away: 5 s. Doubled after each gap, so that a
/// thread that is late again and again settles a frame deeper.
const PATIENCE: u32 = 250;
/// Bound of that doubling: 160 s.
const MAX_PATIENCE: u32 = 8_000;
/// Samples over which sound fades where a gap begins or ends: 2.5 ms.
const FADE: usize = 20;

/// The speaker's end.
#[derive(Debug)]
pub struct Tap(Producer<AudioFrame>);

/// The listener's end.
#[derive(Debug)]
pub struct Feed {
    from: PartyId,
    line: Consumer<AudioFrame>,
    open: Arc<AtomicBool>,
    /// The last sample played.
    last: i16,
    /// Whether the last frame was audio.
    flowing: bool,
    /// Frames in a row after which another one was waiting.
    spare: u32,
    patience: u32,
    gaps: u64,
}

/// Keeps a line open; dropping it closes the line within the listener's next tick, whatever any ring or thread does.
#[derive(Debug)]
pub struct Hold(Arc<AtomicBool>);

/// A line that `from` speaks into.
pub fn line(from: PartyId) -> (Tap, Feed, Hold) {
    let (tap, line) = RingBuffer::new(LINE_FRAMES);
    let open = Arc::new(AtomicBool::new(true));
    let hold = Hold(Arc::clone(&open));
    let feed = Feed { from, line, open, last: 0, flowing: false, spare: 0, patience: PATIENCE, gaps: 0 };
    (Tap(tap), feed, hold)
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Tap {
    /// Whether nobody listens any more.
    pub fn is_over(&self) -> bool {
        self.0.is_abandoned()
    }

    /// Gives a frame to the listener; false where the line is full.
    pub fn say(&mut self, frame: &AudioFrame) -> bool {
        self.0.push(*frame).is_ok()
    }
}

impl Feed {
    /// Who speaks.
    pub fn from(&self) -> PartyId {
        self.from
    }

    /// Whether the line is closed, or its speaker has gone and all is heard.
    pub fn is_over(&self) -> bool {
        !self.open.load(Ordering::Acquire) || (self.line.is_abandoned() && self.line.is_empty() && !self.flowing)
    }

    /// The next frame; `None` while nothing comes.
    pub fn frame(&mut self) -> Option<AudioFrame> {
        let waiting = self.line.slots();
        let Ok(mut frame) = self.line.pop() else { return self.gap() };
        if !self.flowing {
            self.flowing = true;
            for (n, sample) in frame.iter_mut().take(FADE).enumerate() {
                *sample = scaled(*sample, n, FADE);
            }
        }
        self.spare = if waiting > 1 { self.spare + 1 } else { 0 };
        if (waiting > MOST_WAITING || self.spare >= self.patience)
            && let Ok(next) = self.line.pop()
        {
            self.spare = 0;
            for (n, (sample, next)) in frame.iter_mut().zip(next).enumerate() {
                let (old, new) = (i32::from(*sample), i32::from(next));
                *sample = ((old * (FRAME_SAMPLES - n) as i32 + new * n as i32) / FRAME_SAMPLES as i32) as i16;
            }
        }
        self.last = frame[FRAME_SAMPLES - 1];
        Some(frame)
    }

    /// Frames that should have come and did not, since the last question.
    pub fn take_gaps(&mut self) -> u64 {
        std::mem::take(&mut self.gaps)
    }

    fn gap(&mut self) -> Option<AudioFrame> {
        if !self.flowing {
            return None;
        }
        self.flowing = false;
        if !self.line.is_abandoned() {
            self.gaps += 1;
            self.patience = (self.patience * 2).min(MAX_PATIENCE);
        }
        self.spare = 0;
        Some(std::array::from_fn(|n| scaled(self.last, FADE.saturating_sub(n + 1), FADE)))
    }
}

/// `sample` times `part` of `whole`.
fn scaled(sample: i16, part: usize, whole: usize) -> i16 {
    (i32::from(sample) * part as i32 / whole as i32) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEAKER: PartyId = PartyId(1);

    /// A line into which `before` frames are said ahead of each of the listener's frames; what it heard: first sample.
    fn heard(before: &[usize]) -> (Vec<Option<i16>>, Feed) {
        let (mut tap, mut feed, hold) = line(SPEAKER);
        let mut said = 0;
        let mut heard = Vec::new();
        for count in before {
            for _ in 0..*count {
                said += 1;
                tap.say(&[said * 100; FRAME_SAMPLES]);
            }
            heard.push(feed.frame().map(|frame| frame[FRAME_SAMPLES / 2]));
        }
        drop(hold);
        (heard, feed)
    }

    #[track_caller]
    fn check(before: &[usize], expected: &[Option<i16>], gaps: u64) {
        let (heard, mut feed) = heard(before);
        assert_eq!((heard.as_slice(), feed.take_gaps()), (expected, gaps), "{before:?}");
    }

    #[test]
    fn frames_come_as_they_were_said_and_nothing_is_no_gap() {
        check(&[0, 1, 1, 1], &[None, Some(100), Some(200), Some(300)], 0);
    }

    #[test]
    fn a_late_thread_makes_one_gap_and_then_the_line_is_a_frame_deeper() {
        check(&[1, 0, 2, 1, 0, 1], &[Some(100), Some(0), Some(200), Some(300), Some(400), Some(500)], 1);
    }

    #[test]
    fn a_burst_is_blended_at_once() {
        // The blend's middle lies half-way between its two frames.
        check(&[3, 1, 1], &[Some(150), Some(300), Some(400)], 0);
    }

    #[test]
    fn a_spare_frame_is_blended_away_in_time_and_without_a_step() {
        let (mut tap, mut feed, _hold) = line(SPEAKER);
        let ramp = |n: usize| -> AudioFrame { std::array::from_fn(|i| (n * FRAME_SAMPLES + i) as i16 / 4) };
        tap.say(&ramp(0));
        let mut last = 0;
        for n in 1..=PATIENCE as usize + 10 {
            let waited = feed.line.slots();
            tap.say(&ramp(n % 200));
            let frame = feed.frame().expect("audio");
            if n % 200 > 2 {
                let steps = frame.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max().expect("samples");
                assert!(steps <= 2 && (frame[0] - last).abs() <= 2, "frame {n}");
            }
            last = frame[FRAME_SAMPLES - 1];
            assert_eq!(waited, usize::from(n <= PATIENCE as usize), "frame {n}");
        }
    }

    #[test]
    fn gaps_make_it_more_patient_up_to_a_bound() {
        let (_, feed) = heard(&[1, 0, 1, 0, 1, 0]);
        assert_eq!(feed.patience, PATIENCE * 8);
        let many: Vec<usize> = (0..40).map(|n| n % 2).collect();
        assert_eq!(heard(&many).1.patience, MAX_PATIENCE);
    }

    #[test]
    fn gaps_fade_out_and_in() {
        let (mut tap, mut feed, _hold) = line(SPEAKER);
        tap.say(&[8_000; FRAME_SAMPLES]);
        let first = feed.frame().expect("audio");
        let gap = feed.frame().expect("its fading");
        let joined: Vec<i16> = [0].into_iter().chain(first).chain(gap).collect();
        assert!(joined.windows(2).all(|pair| (pair[1] - pair[0]).abs() <= 400), "{joined:?}");
        assert_eq!((feed.frame(), gap[FRAME_SAMPLES - 1]), (None, 0));
    }

    #[test]
    fn a_full_line_drops_at_its_speaker() {
        let (mut tap, _feed, _hold) = line(SPEAKER);
        let taken = (0..6).filter(|_| tap.say(&[0; FRAME_SAMPLES])).count();
        assert_eq!(taken, LINE_FRAMES);
    }

    #[test]
    fn each_end_sees_the_other_go() {
        let (mut tap, feed, hold) = line(SPEAKER);
        tap.say(&[1; FRAME_SAMPLES]);
        assert!(!tap.is_over() && !feed.is_over());
        drop(hold);
        assert!(feed.is_over(), "closed with a frame on the line");
        drop(feed);
        assert!(tap.is_over());

        let (mut tap, mut feed, _hold) = line(SPEAKER);
        tap.say(&[1; FRAME_SAMPLES]);
        drop(tap);
        assert!(!feed.is_over(), "what was said is heard");
        assert!(feed.frame().is_some() && feed.frame().is_some() && feed.is_over());
        assert_eq!(feed.take_gaps(), 0, "an end is no gap");
        feed = line(SPEAKER).1;
        assert!(feed.is_over(), "its speaker went before a word");
    }
}
