//! A recording as the real-time thread sees it: two tracks of codes, cut into blocks that go to the writer.
//!
//! Our track is placed by the tick in which we sent; the caller's by the time at which it left its phone on the fastest
//! way, so the jitter buffer's wait does not shift it. Blocks come from a pool and return to it; without a free one the
//! audio is dropped and counted, and the writer fills its place with silence.

use std::time::Duration;

use super::g711::{self, Law};
use crate::units::{FRAME_SAMPLES, NARROWBAND_HZ};

/// Samples of one block: 320 ms. Also the most by which the caller's audio may lag ours and still find its place.
pub const BLOCK_SAMPLES: usize = 16 * FRAME_SAMPLES;
/// Blocks that one recording brings into the pool: two open, two on their way to the disk and back (0.64 s). The pool is
/// common to a thread's recordings, and blocks are most of what a recording holds in memory.
pub const BLOCKS: usize = 4;
/// How far the caller's audio may lie from where it belongs, in samples, before it is moved even where that is heard: 40 ms.
const MAX_SKEW: i64 = 320;
/// And before it is moved in a quiet stretch: 1 ms.
const QUIET_SKEW: i64 = 8;
/// Longest recording; then it stops and the call goes on.
pub const MAX_RECORDING: Duration = Duration::from_secs(3_600);

/// Some 320 ms of a recording.
#[derive(Debug)]
pub struct Block {
    /// Whose.
    pub recording: u64,
    /// The law of its codes.
    pub law: Law,
    /// Where it begins, in samples since the recording began.
    pub start: u64,
    /// How many of its samples count; less than [`BLOCK_SAMPLES`] at the end only.
    pub len: usize,
    /// The caller.
    pub left: [u8; BLOCK_SAMPLES],
    /// Us.
    pub right: [u8; BLOCK_SAMPLES],
}

impl Block {
    /// A block for the pool.
    pub fn empty() -> Box<Self> {
        let blank = [0; BLOCK_SAMPLES];
        Box::new(Self { recording: 0, law: Law::A, start: 0, len: 0, left: blank, right: blank })
    }
}

/// What goes to the writer.
#[derive(Debug)]
pub enum TapeItem {
    /// The next block of a recording.
    Block(Box<Block>),
    /// A recording is over and so many samples long.
    End { recording: u64, samples: u64 },
}

/// Where blocks come from and go to.
pub trait Shelf {
    /// A free block.
    fn take(&mut self) -> Option<Box<Block>>;
    /// Hands an item to the writer; false where it was dropped.
    fn give(&mut self, item: TapeItem) -> bool;
}

/// One frame of both tracks; times in samples on the session's clock.
#[derive(Debug)]
pub struct Frame<'a> {
    /// When we sent.
    pub at: i64,
    /// What we sent; `None` where we sent nothing.
    pub right: Option<&'a [u8; FRAME_SAMPLES]>,
    /// When the caller's audio belongs.
    pub left_at: i64,
    /// The caller's audio, in the recording's law.
    pub left: &'a [u8; FRAME_SAMPLES],
    /// Whether a cut in the caller's audio is not heard here.
    pub quiet: bool,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Tape {
    recording: u64,
    law: Law,
    /// The session's clock where the recording's time axis begins.
    origin: i64,
    /// Where on that axis the caller is first heard: what left its phone earlier is not kept.
    begin: i64,
    previous: Option<Box<Block>>,
    current: Option<Box<Block>>,
    /// Index of the current block, whether or not one was free for it.
    block: u64,
    /// One past the last sample that our track reached.
    len: u64,
    /// Where the caller's next frame joins the one before.
    left_next: Option<i64>,
}

impl Tape {
    /// A recording whose time axis begins at `origin` on the session's clock, and which holds silence up to `now`.
    pub fn new(recording: u64, law: Law, origin: i64, now: i64, shelf: &mut impl Shelf) -> Self {
        let len = u64::try_from(now - origin).unwrap_or(0);
        let block = len / BLOCK_SAMPLES as u64;
        let begin = now - origin;
        let mut tape =
            Self { recording, law, origin, begin, previous: None, current: None, block, len, left_next: None };
        tape.current = tape.blank(block, shelf);
        tape
    }

    /// Whether the recording has reached [`MAX_RECORDING`].
    pub fn is_full(&self) -> bool {
        self.len >= MAX_RECORDING.as_secs() * u64::from(NARROWBAND_HZ)
    }

    /// Takes in a frame; blocks that are complete are given away. Returns how much was dropped: frames that found no free
    /// block, and blocks that the writer had no room for.
    pub fn frame(&mut self, frame: &Frame<'_>, shelf: &mut impl Shelf) -> u64 {
        let Ok(at) = u64::try_from(frame.at - self.origin) else { return 0 };
        let mut dropped = 0;
        let mut give = |block: Option<Box<Block>>, shelf: &mut _| {
            dropped += block.map_or(0, |block| u64::from(!Shelf::give(shelf, TapeItem::Block(block))));
        };
        let block = at / BLOCK_SAMPLES as u64;
        if block < self.block {
            return 0; // A tick that was due before the recording began and came late.
        }
        if block != self.block {
            give(self.previous.take(), shelf);
            self.previous = self.current.take();
            if block != self.block + 1 {
                // The thread stood still: nothing can be added to what lies before the gap.
                give(self.previous.take(), shelf);
            }
            self.current = self.blank(block, shelf);
            self.block = block;
        }
        self.len = at + FRAME_SAMPLES as u64;
        // Reckoned, not read from the blocks: those are only written to here, and for that nothing waits.
        let begins = (block * BLOCK_SAMPLES as u64) as i64;
        if let (Some(current), Some(right)) = (&mut self.current, frame.right) {
            let offset = (at % BLOCK_SAMPLES as u64) as usize;
            let room = &mut current.right[offset..];
            let fitting = right.len().min(room.len());
            room[..fitting].copy_from_slice(&right[..fitting]);
        }
        let start = self.left_start(frame);
        let early = (self.begin - start).clamp(0, FRAME_SAMPLES as i64);
        for (block, begins) in [(&mut self.current, begins), (&mut self.previous, begins - BLOCK_SAMPLES as i64)] {
            if let Some(block) = block
                && start < begins + BLOCK_SAMPLES as i64
            {
                place(&mut block.left, start + early - begins, &frame.left[early as usize..]);
            }
        }
        dropped + u64::from(self.current.is_none())
    }

    /// Where the caller's frame goes: right behind the one before it as long as that is nearly where it belongs, because a
    /// sample too many or too few would be a click.
    fn left_start(&mut self, frame: &Frame<'_>) -> i64 {
        let belongs = frame.left_at - self.origin;
        let joined = self.left_next.unwrap_or(belongs);
        let off = (belongs - joined).abs();
        let start = if off > MAX_SKEW || (frame.quiet && off > QUIET_SKEW) { belongs } else { joined };
        self.left_next = Some(start + FRAME_SAMPLES as i64);
        start
    }

    /// Goes on in another law.
    pub fn set_law(&mut self, law: Law) {
        for block in [&mut self.previous, &mut self.current].into_iter().flatten() {
            g711::recode(block.law, law, &mut block.left);
            g711::recode(block.law, law, &mut block.right);
            block.law = law;
        }
        self.law = law;
    }

    /// Gives away what is left. Returns the item that ends the recording, and how many blocks were dropped.
    pub fn finish(mut self, shelf: &mut impl Shelf) -> (TapeItem, u64) {
        if let Some(current) = &mut self.current {
            current.len = (self.len.saturating_sub(current.start) as usize).min(BLOCK_SAMPLES);
        }
        let mut dropped = 0;
        for block in [self.previous.take(), self.current.take()].into_iter().flatten() {
            dropped += u64::from(!shelf.give(TapeItem::Block(block)));
        }
        (TapeItem::End { recording: self.recording, samples: self.len }, dropped)
    }

    fn blank(&self, index: u64, shelf: &mut impl Shelf) -> Option<Box<Block>> {
        let mut block = shelf.take()?;
        block.recording = self.recording;
        block.law = self.law;
        block.start = index * BLOCK_SAMPLES as u64;
        block.len = BLOCK_SAMPLES;
        block.left.fill(g711::silence(self.law));
        block.right.fill(g711::silence(self.law));
        Some(block)
    }
}

/// Copies the part of `codes` that falls into `track` when it begins at `start`, which may lie outside.
fn place(track: &mut [u8; BLOCK_SAMPLES], start: i64, codes: &[u8]) {
    let skipped = (-start).clamp(0, codes.len() as i64) as usize;
    let start = start.clamp(0, BLOCK_SAMPLES as i64) as usize;
    let len = (codes.len() - skipped).min(BLOCK_SAMPLES - start);
    track[start..start + len].copy_from_slice(&codes[skipped..skipped + len]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes of a frame of 16,000, and of silence.
    fn loud(law: Law) -> [u8; FRAME_SAMPLES] {
        let mut codes = [0; FRAME_SAMPLES];
        g711::encode(law, &[16_000; FRAME_SAMPLES], &mut codes);
        codes
    }

    const STILL: [u8; FRAME_SAMPLES] = [g711::silence(Law::A); FRAME_SAMPLES];

    struct Store {
        pool: Vec<Box<Block>>,
        items: Vec<TapeItem>,
    }

    impl Store {
        fn of(blocks: usize) -> Self {
            Self { pool: (0..blocks).map(|_| Block::empty()).collect(), items: Vec::new() }
        }
    }

    impl Shelf for Store {
        fn take(&mut self) -> Option<Box<Block>> {
            self.pool.pop()
        }

        fn give(&mut self, item: TapeItem) -> bool {
            self.items.push(item);
            true
        }
    }

    /// Records `frames` frames; in frame n the caller's audio lags by `lag(n)` samples and is loud in frame `loud_at`.
    fn recorded(frames: i64, lag: impl Fn(i64) -> i64, loud_at: i64, blocks: usize) -> (Vec<TapeItem>, u64) {
        let mut store = Store::of(blocks);
        let mut tape = Tape::new(1, Law::A, 1_000, 1_000, &mut store);
        let mut dropped = 0;
        for n in 0..frames {
            let at = 1_000 + n * 160;
            let left = if n == loud_at { &loud(Law::A) } else { &STILL };
            let frame = Frame { at, right: Some(&[7; FRAME_SAMPLES]), left_at: at - lag(n), left, quiet: true };
            dropped += tape.frame(&frame, &mut store);
        }
        let (end, _) = tape.finish(&mut store);
        store.items.push(end);
        (store.items, dropped)
    }

    /// The caller's samples, by position.
    fn left(items: &[TapeItem]) -> Vec<i16> {
        let mut track = Vec::new();
        for item in items {
            let TapeItem::Block(block) = item else { continue };
            assert_eq!(track.len() as u64, block.start);
            let mut samples = [0; BLOCK_SAMPLES];
            g711::decode(block.law, &block.left[..block.len], &mut samples);
            track.extend_from_slice(&samples[..block.len]);
        }
        track
    }

    #[track_caller]
    fn check_place(lag: i64, loud: i64) {
        let (items, _) = recorded(60, |_| lag, loud, 10);
        let track = left(&items);
        let first = track.iter().position(|sample| *sample > 10_000);
        assert_eq!(first, usize::try_from(loud * 160 - lag).ok(), "lag {lag}");
        assert_eq!(track.iter().filter(|sample| **sample > 10_000).count(), FRAME_SAMPLES, "lag {lag}");
    }

    #[test]
    fn the_caller_is_placed_by_its_own_time() {
        check_place(0, 20);
        check_place(480, 20);
        check_place(490, 16); // Into the block before.
        check_place(80, 16); // Across two blocks.
        check_place(2_560, 40);
    }

    #[test]
    fn the_length_is_that_of_the_call() {
        for frames in [1, 15, 16, 17, 50] {
            let (items, _) = recorded(frames, |_| 400, 0, 10);
            let blocks: usize =
                items.iter().map(|item| if let TapeItem::Block(block) = item { block.len } else { 0 }).sum();
            assert_eq!(blocks as i64, frames * 160);
            assert!(
                matches!(items.last(), Some(TapeItem::End { recording: 1, samples }) if *samples as i64 == frames * 160)
            );
        }
    }

    /// Sixty frames of a loud caller who lags by 490 samples, recorded from 5,000 samples after the origin.
    #[test]
    fn before_the_recording_begins_there_is_silence() {
        const BEGIN: i64 = 5_000;
        let mut store = Store::of(10);
        let mut tape = Tape::new(1, Law::A, 1_000, 1_000 + BEGIN, &mut store);
        for n in 0..60 {
            let at = 1_000 + BEGIN + n * 160;
            tape.frame(&Frame { at, right: None, left_at: at - 490, left: &loud(Law::A), quiet: true }, &mut store);
        }
        let (end, _) = tape.finish(&mut store);
        assert!(matches!(end, TapeItem::End { samples, .. } if samples as i64 == BEGIN + 60 * 160));
        let mut items = store.items.iter();
        let Some(TapeItem::Block(first)) = items.next() else { panic!("a block") };
        assert_eq!(first.start, 2_560, "blocks before the recording are the writer's to fill");
        let mut samples = [0; BLOCK_SAMPLES];
        g711::decode(first.law, &first.left, &mut samples);
        assert!(samples[..2_440].iter().all(|sample| sample.abs() < 10), "nothing from before the beginning");
        assert!(samples[2_440..].iter().all(|sample| *sample > 10_000), "all from there on");
    }

    #[test]
    fn without_blocks_audio_is_dropped_and_the_rest_keeps_its_place() {
        let (items, dropped) = recorded(64, |_| 0, 0, 2);
        assert_eq!(dropped, 32);
        assert!(matches!(items.last(), Some(TapeItem::End { samples: 10_240, .. })));
    }

    #[test]
    fn another_law_mid_call_keeps_the_sound() {
        let mut store = Store::of(4);
        let mut tape = Tape::new(1, Law::A, 0, 0, &mut store);
        tape.frame(&Frame { at: 0, right: None, left_at: 0, left: &loud(Law::A), quiet: true }, &mut store);
        tape.set_law(Law::Mu);
        tape.frame(&Frame { at: 160, right: None, left_at: 160, left: &loud(Law::Mu), quiet: true }, &mut store);
        tape.finish(&mut store);
        assert!(left(&store.items)[..320].iter().all(|sample| (15_000..17_000).contains(sample)));
    }
}
