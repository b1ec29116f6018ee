//! One recording at the writer: its file, and what becomes of it when the file cannot be written.
//!
//! Without room the recording waits, tries again about once a second, and goes on where the call is by then; the gap is
//! silence. Any other error ends it, because after a failed write nobody knows what the kernel kept: that file is not
//! touched again. The call hears of the first trouble and goes on either way.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};

use super::disk::{Disk, DiskFile};
use super::event::{MediaEvent, RecordingFault};
use super::g711;
use super::recorder::{RecordingSummary, Start};
use super::tape::{BLOCK_SAMPLES, Block};
use super::wav;
use crate::units::NARROWBAND_HZ;

/// Blocks between two updates of a file's header: 1.92 s.
const FLUSH_BLOCKS: u32 = 6;
/// Blocks between two attempts at a full disk: 0.96 s.
const RETRY_BLOCKS: u32 = 3;
/// Octets of one pair of samples.
const PAIR: usize = 4;

/// What befell recordings, for metrics.
#[derive(Debug, Default)]
pub struct RecorderStats {
    /// Recordings that wait for room at present.
    pub waiting: AtomicU64,
    /// Recordings given up since the start because their file could not be written.
    pub given_up: AtomicU64,
    /// Audio that was not written, in milliseconds since the start.
    pub lost_ms: AtomicU64,
}

/// The samples of one block on their way to the disk.
pub struct Scratch {
    left: [i16; BLOCK_SAMPLES],
    right: [i16; BLOCK_SAMPLES],
    pairs: Vec<u8>,
}

/// See the module's documentation.
pub struct Track {
    /// The file.
    pub path: PathBuf,
    /// Where the summary goes.
    pub done: oneshot::Sender<RecordingSummary>,
    events: Option<mpsc::Sender<MediaEvent>>,
    state: State,
    /// Whether the present trouble has been told.
    told: bool,
    /// Sample pairs from the file's beginning to behind the last one written.
    len: u64,
    /// Whether a block has been written: what lies before the first is silence by right.
    begun: bool,
    /// Whether nothing is missing since.
    complete: bool,
    /// Blocks since the header was brought up to date.
    unflushed: u32,
}

enum State {
    Writing(Box<dyn DiskFile>),
    /// There is no room: the file, unless even that could not be made, and the blocks until the next attempt.
    Waiting(Option<Box<dyn DiskFile>>, u32),
    GivenUp,
}

impl Default for Scratch {
    fn default() -> Self {
        let pairs = Vec::with_capacity(PAIR * BLOCK_SAMPLES);
        Self { left: [0; BLOCK_SAMPLES], right: [0; BLOCK_SAMPLES], pairs }
    }
}

impl Scratch {
    /// The block as it lies in the file.
    fn encode(&mut self, block: &Block) -> &[u8] {
        let len = block.len.min(BLOCK_SAMPLES);
        g711::decode(block.law, &block.left[..len], &mut self.left);
        g711::decode(block.law, &block.right[..len], &mut self.right);
        self.pairs.resize(PAIR * len, 0);
        let (pairs, _) = self.pairs.as_chunks_mut::<PAIR>();
        for ((pair, left), right) in pairs.iter_mut().zip(&self.left).zip(&self.right) {
            let ([a, b], [c, d]) = (left.to_le_bytes(), right.to_le_bytes());
            *pair = [a, b, c, d];
        }
        &self.pairs
    }
}

impl Track {
    /// Creates the file.
    pub fn begin(start: Start, disk: &dyn Disk, stats: &RecorderStats) -> Self {
        let Start { recording: _, path, events, done } = start;
        let state = State::Waiting(None, 0);
        let mut track =
            Self { path, done, events, state, told: false, len: 0, begun: false, complete: true, unflushed: 0 };
        stats.waiting.fetch_add(1, Ordering::Relaxed);
        track.attempt(disk, stats, |_, _| Ok(()));
        track
    }

    /// Writes a block, if the file takes it.
    pub fn block(&mut self, block: &Block, disk: &dyn Disk, scratch: &mut Scratch, stats: &RecorderStats) {
        let len = block.len.min(BLOCK_SAMPLES) as u64;
        if self.begun && block.start > self.len {
            self.complete = false; // The engine thread found no room for what lies between.
        }
        let wrote = self.attempt(disk, stats, |track, file| {
            if track.unflushed == 0 {
                file.check_room()?;
            }
            file.write_at(scratch.encode(block), wav::offset(block.start))?;
            track.len = track.len.max(block.start + len);
            track.unflushed += 1;
            if track.unflushed >= FLUSH_BLOCKS { track.flush(file) } else { Ok(()) }
        });
        self.begun = true;
        if !wrote {
            self.complete = false;
            stats.lost_ms.fetch_add(len * 1_000 / u64::from(NARROWBAND_HZ), Ordering::Relaxed);
        }
    }

    /// Ends the file after so many sample pairs; whether all of the recording is in it.
    pub fn end(&mut self, pairs: u64, disk: &dyn Disk, stats: &RecorderStats) -> bool {
        if let State::Waiting(_, blocks) = &mut self.state {
            *blocks = 0; // The last chance.
        }
        self.complete &= self.begun && pairs <= self.len;
        self.len = self.len.max(pairs);
        let wrote = self.attempt(disk, stats, |track, file| {
            file.set_len(wav::offset(track.len))?;
            track.flush(file)
        });
        self.close(stats);
        self.complete && wrote
    }

    /// Lets the file go as it is.
    pub fn close(&mut self, stats: &RecorderStats) {
        if matches!(std::mem::replace(&mut self.state, State::GivenUp), State::Waiting(..)) {
            stats.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Tries to write; false where it is not the time to, or it failed.
    fn attempt(
        &mut self,
        disk: &dyn Disk,
        stats: &RecorderStats,
        write: impl FnOnce(&mut Self, &mut dyn DiskFile) -> io::Result<()>,
    ) -> bool {
        let waiting = matches!(self.state, State::Waiting(..));
        let mut file = match std::mem::replace(&mut self.state, State::GivenUp) {
            State::Writing(file) => Some(file),
            State::Waiting(file, 0) => file,
            State::Waiting(file, blocks) => {
                self.state = State::Waiting(file, blocks - 1);
                return false;
            }
            State::GivenUp => return false,
        };
        let outcome = match &mut file {
            Some(file) => write(self, file.as_mut()),
            None => self.create(disk, &mut file).and_then(|file| write(self, file)),
        };
        let without_room = |kind| matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        self.state = match (&outcome, file) {
            (Ok(()), Some(file)) => State::Writing(file),
            (Err(error), file) if without_room(error.kind()) => State::Waiting(file, RETRY_BLOCKS - 1),
            (Ok(()) | Err(_), _) => State::GivenUp,
        };
        match &self.state {
            State::Writing(_) => stats.waiting.fetch_sub(u64::from(waiting), Ordering::Relaxed),
            State::Waiting(..) => stats.waiting.fetch_add(u64::from(!waiting), Ordering::Relaxed),
            State::GivenUp => {
                stats.given_up.fetch_add(1, Ordering::Relaxed);
                stats.waiting.fetch_sub(u64::from(waiting), Ordering::Relaxed)
            }
        };
        match outcome {
            Ok(()) => self.told = false,
            Err(error) => self.trouble(&error),
        }
        matches!(self.state, State::Writing(_))
    }

    /// Makes the file, with a header that a crash can leave behind.
    fn create<'a>(
        &self,
        disk: &dyn Disk,
        place: &'a mut Option<Box<dyn DiskFile>>,
    ) -> io::Result<&'a mut dyn DiskFile> {
        let mut file = disk.create(&self.path)?;
        file.write_at(&wav::header(self.len), 0)?;
        Ok(place.insert(file).as_mut())
    }

    /// Makes the header say what the file holds.
    fn flush(&mut self, file: &mut dyn DiskFile) -> io::Result<()> {
        self.unflushed = 0;
        file.write_at(&wav::header(self.len), 0)
    }

    /// Tells of the trouble, unless it is the old one.
    fn trouble(&mut self, error: &io::Error) {
        self.unflushed = 0;
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        tracing::error!(path = %self.path.display(), %error, "a recording cannot be written; its call goes on");
        if let Some(events) = &self.events {
            // A session so far behind loses an event that its summary repeats.
            let _ = events.try_send(MediaEvent::RecordingFailed { fault: RecordingFault::Write(error.kind()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::disk::faulty::FaultyDisk;
    use crate::media::g711::Law;
    use crate::media::repair;
    use std::path::Path;

    const LOUD: u8 = 0xAA; // 32,256 in A-law.

    struct Run {
        disk: FaultyDisk,
        stats: RecorderStats,
        track: Track,
        events: mpsc::Receiver<MediaEvent>,
        blocks: u64,
        _folder: tempfile::TempDir,
    }

    /// A recording that begins on a disk with these faults: full, broken.
    fn begin(full: bool, broken: bool) -> Run {
        let folder = tempfile::tempdir().expect("a folder");
        let (disk, stats) = (FaultyDisk::default(), RecorderStats::default());
        disk.full.store(full, Ordering::Relaxed);
        disk.broken.store(broken, Ordering::Relaxed);
        let (events, told) = mpsc::channel(8);
        let (done, _) = oneshot::channel();
        let start = Start { recording: 1, path: folder.path().join("call.wav"), events: Some(events), done };
        let track = Track::begin(start, &disk, &stats);
        Run { disk, stats, track, events: told, blocks: 0, _folder: folder }
    }

    impl Run {
        fn blocks(&mut self, count: u64) {
            for _ in 0..count {
                let mut block = Block::empty();
                block.law = Law::A;
                block.start = self.blocks * BLOCK_SAMPLES as u64;
                block.len = BLOCK_SAMPLES;
                block.left.fill(LOUD);
                block.right.fill(g711::silence(Law::A));
                self.track.block(&block, &self.disk, &mut Scratch::default(), &self.stats);
                self.blocks += 1;
            }
        }

        fn end(&mut self) -> bool {
            self.track.end(self.blocks * BLOCK_SAMPLES as u64, &self.disk, &self.stats)
        }

        /// Which blocks of the file are loud; the file has its whole length and a right header.
        fn loud(&self) -> Vec<bool> {
            assert_eq!(repair::file(&self.track.path).expect("readable"), None, "in order");
            let loud = loud(&self.track.path);
            assert_eq!(loud.len() as u64, self.blocks);
            loud
        }

        /// Troubles told, recordings that wait, given up, and milliseconds lost.
        fn figures(&mut self) -> (usize, u64, u64, u64) {
            let told = std::iter::from_fn(|| self.events.try_recv().ok()).count();
            let load = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
            (told, load(&self.stats.waiting), load(&self.stats.given_up), load(&self.stats.lost_ms))
        }
    }

    fn loud(path: &Path) -> Vec<bool> {
        let samples: Vec<i16> =
            hound::WavReader::open(path).expect("a file").into_samples().collect::<Result<_, _>>().expect("samples");
        let loud = |block: &[i16]| {
            let left = block.iter().step_by(2).filter(|sample| **sample == 32_256).count();
            assert!(left == 0 || left == block.len() / 2, "half a block");
            left > 0
        };
        samples.chunks(2 * BLOCK_SAMPLES).map(loud).collect()
    }

    #[test]
    fn a_recording_is_written_whole() {
        let mut run = begin(false, false);
        run.blocks(7);
        assert!(run.end());
        assert_eq!(run.loud(), [true; 7]);
        assert_eq!(run.figures(), (0, 0, 0, 0));
    }

    #[test]
    fn what_lies_before_the_first_block_is_silence_and_nothing_missing() {
        let mut run = begin(false, false);
        run.blocks = 3;
        run.blocks(2);
        assert!(run.end());
        assert_eq!(run.loud(), [false, false, false, true, true]);
        run.blocks += 1;
        assert!(!run.end(), "ended already");
    }

    #[test]
    fn on_a_full_disk_it_waits_and_goes_on_in_its_place() {
        let mut run = begin(false, false);
        run.blocks(2);
        run.disk.full.store(true, Ordering::Relaxed);
        run.blocks(10);
        assert_eq!(run.figures(), (1, 1, 0, 3_200), "told once");
        run.disk.full.store(false, Ordering::Relaxed);
        run.blocks(6);
        assert_eq!(run.figures().1, 0, "within a second of room");
        assert!(!run.end(), "it has a gap");
        let loud = run.loud();
        assert_eq!(loud[..12], [[true; 2].as_slice(), &[false; 10]].concat());
        let back = loud.iter().skip(12).position(|loud| *loud).expect("it goes on");
        assert!(back < RETRY_BLOCKS as usize && loud[12 + back..].iter().all(|loud| *loud), "{loud:?}");
    }

    #[test]
    fn a_second_trouble_is_told_again() {
        let mut run = begin(false, false);
        for _ in 0..2 {
            run.disk.full.store(true, Ordering::Relaxed);
            run.blocks(4);
            run.disk.full.store(false, Ordering::Relaxed);
            run.blocks(4);
        }
        assert_eq!(run.figures().0, 2);
    }

    #[test]
    fn a_call_that_begins_on_a_full_disk_is_recorded_from_where_there_is_room() {
        let mut run = begin(true, false);
        run.blocks(4);
        assert_eq!(run.figures(), (1, 1, 0, 1_280));
        run.disk.full.store(false, Ordering::Relaxed);
        run.blocks(4);
        assert!(!run.end());
        assert!(run.loud()[6..].iter().all(|loud| *loud));
    }

    #[test]
    fn a_call_that_ends_on_a_full_disk_keeps_what_it_has() {
        let mut run = begin(false, false);
        run.blocks(5);
        run.disk.full.store(true, Ordering::Relaxed);
        run.blocks(1);
        assert!(!run.end());
        assert_eq!(run.figures().1, 0, "nobody waits any more");
        repair::file(&run.track.path).expect("mended");
        assert_eq!(loud(&run.track.path)[..5], [true; 5]);
    }

    #[test]
    fn after_any_other_error_the_file_is_left_alone() {
        let mut run = begin(false, false);
        run.blocks(u64::from(FLUSH_BLOCKS));
        run.disk.broken.store(true, Ordering::Relaxed);
        run.blocks(1);
        run.disk.broken.store(false, Ordering::Relaxed);
        run.blocks(5);
        assert!(!run.end());
        assert_eq!(run.figures(), (1, 0, 1, 1_920));
        assert_eq!(loud(&run.track.path), [true; 6]);
        assert_eq!(begin(false, true).figures(), (1, 0, 1, 0));
    }

    #[test]
    fn blocks_that_never_came_make_it_incomplete() {
        let mut run = begin(false, false);
        run.blocks(2);
        run.blocks += 2;
        run.blocks(1);
        assert!(!run.end());
        assert_eq!(run.loud(), [true, true, false, false, true]);
    }
}
