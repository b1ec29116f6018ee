//! Writes captures: one thread for all calls.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rtrb::{Consumer, RingBuffer};

use super::entry::{Entry, Identity};
use super::pcapng::{self, Packet};
use super::{Item, RING, Tap};
use crate::ids::CallId;
use crate::media::clip::Clip;

/// Longest capture of one call, in octets: three quarters of an hour of G.711. What comes later is left out, and the file
/// says so.
pub const MAX_FILE: u64 = 64 << 20;
/// Octets of all captures together; the oldest are removed before a new one begins.
pub const MAX_FOLDER: u64 = 1 << 30;
/// How often the rings are emptied: far less than a ring holds.
const EVERY: Duration = Duration::from_millis(50);
/// Captures that may wait to begin; one more is not made.
const QUEUE: usize = 64;

/// Decides which calls are captured, and owns the thread that writes them. Dropping it waits until all is written, which is
/// when the last captured call has ended.
#[derive(Debug)]
pub struct Captures {
    percent: u32,
    calls: AtomicU32,
    begin: Option<SyncSender<Begin>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Begin {
    ring: Consumer<Item>,
    call: CallId,
    identity: Identity,
    opened: Duration,
}

impl Captures {
    /// Captures `percent` of the calls, evenly spread, into files under `folder`.
    ///
    /// # Errors
    /// When the folder cannot be made or the system has no threads left.
    pub fn start(folder: PathBuf, percent: u32) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let (begin, beginning) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new().name("media-capture".to_owned()).spawn(move || {
            Writer { folder, beginning, running: Vec::new() }.run();
        })?;
        Ok(Self { percent: percent.min(100), calls: AtomicU32::new(0), begin: Some(begin), thread: Some(thread) })
    }

    /// The tap of a call that opens at `opened`, `since_1970` by the wall clock; `None` where it is not to be captured.
    pub fn tap(&self, call: CallId, identity: Identity, opened: Instant, since_1970: Duration) -> Option<Tap> {
        let n = u64::from(self.calls.fetch_add(1, Ordering::Relaxed));
        let share = |n: u64| n * u64::from(self.percent) / 100;
        if share(n + 1) == share(n) {
            return None;
        }
        let (tap, ring) = RingBuffer::new(RING);
        // A queue as full as this means that the disk stands still: the call matters more.
        self.begin.as_ref()?.try_send(Begin { ring, call, identity, opened: since_1970 }).ok()?;
        Some(Tap { ring: tap, opened, cut: false })
    }
}

impl Drop for Captures {
    fn drop(&mut self) {
        self.begin = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes captures panicked");
        }
    }
}

struct Writer {
    folder: PathBuf,
    beginning: Receiver<Begin>,
    running: Vec<Capture>,
}

impl Writer {
    fn run(mut self) {
        loop {
            match self.beginning.recv_timeout(EVERY) {
                Ok(begin) => self.begin(begin),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) if self.running.is_empty() => return,
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(EVERY),
            }
            self.running.retain_mut(Capture::drain);
        }
    }

    fn begin(&mut self, begin: Begin) {
        if let Err(error) = make_room(&self.folder, MAX_FOLDER) {
            tracing::warn!(folder = %self.folder.display(), %error, "old captures cannot be removed");
        }
        let path = self.folder.join(format!("{}.pcapng", begin.call));
        match Capture::create(&path, begin) {
            Ok(capture) => self.running.push(capture),
            Err(error) => tracing::warn!(path = %path.display(), %error, "a capture cannot be begun"),
        }
    }
}

/// Removes the oldest captures until those left have at most `most` octets together.
fn make_room(folder: &Path, most: u64) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_file() && entry.path().extension().is_some_and(|extension| extension == "pcapng") {
            files.push((metadata.modified()?, metadata.len(), entry.path()));
        }
    }
    files.sort_unstable();
    let mut total: u64 = files.iter().map(|(_, len, _)| len).sum();
    for (_, len, path) in files {
        if total <= most {
            break;
        }
        fs::remove_file(path)?;
        total -= len;
    }
    Ok(())
}

/// One call's file.
struct Capture {
    ring: Consumer<Item>,
    /// `None` once writing has failed, or the file is full; the ring is emptied all the same.
    out: Option<BufWriter<File>>,
    path: PathBuf,
    identity: Identity,
    opened: Duration,
    /// When the last thing happened, since the opening: what comes of something happens when it does.
    at: Duration,
    written: u64,
    /// Sounds written so far, and those of the next playback.
    clips: Vec<Arc<Clip>>,
    queued: Vec<usize>,
}

impl Capture {
    fn create(path: &Path, begin: Begin) -> io::Result<Self> {
        let Begin { ring, call: _, identity, opened } = begin;
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        let mut out = BufWriter::new(file);
        pcapng::begin(&mut out)?;
        let (at, clips, queued) = (Duration::ZERO, Vec::new(), Vec::new());
        let mut capture =
            Self { ring, out: Some(out), path: path.to_owned(), identity, opened, at, written: 0, clips, queued };
        capture.attempt(|capture| capture.note(&Entry::Open { identity, opened }));
        Ok(capture)
    }

    /// Writes what waits; false once the call has ended and all is written.
    fn drain(&mut self) -> bool {
        let ended = self.ring.is_abandoned();
        while let Ok(item) = self.ring.pop() {
            self.attempt(|capture| capture.item(item));
        }
        if ended {
            self.attempt(|capture| capture.out.as_mut().map_or(Ok(()), Write::flush));
        }
        !ended
    }

    fn attempt(&mut self, write: impl FnOnce(&mut Self) -> io::Result<()>) {
        if self.out.is_none() {
            return;
        }
        if let Err(error) = write(self) {
            tracing::warn!(path = %self.path.display(), %error, "a capture cannot be written");
            self.out = None;
        } else if self.written >= MAX_FILE {
            // Whether or not the last word reaches the disk, nothing follows it.
            let _ = self.note(&Entry::Cut);
            self.out = None;
        }
    }

    fn item(&mut self, item: Item) -> io::Result<()> {
        match item {
            Item::Received { at, from, rtcp, datagram } => {
                self.at = at;
                let to = self.local(rtcp);
                let payload = datagram.octets().to_vec();
                self.packet(&Packet::Datagram { at: self.opened + at, from, to, inbound: true, payload })
            }
            Item::Sent { to, rtcp, datagram } => {
                let from = self.local(rtcp);
                let payload = datagram.octets().to_vec();
                self.packet(&Packet::Datagram { at: self.opened + self.at, from, to, inbound: false, payload })
            }
            Item::Tick { due, now } => {
                self.at = now;
                self.note(&Entry::Tick { due, now })
            }
            Item::Connect { at, stream } => self.note(&Entry::Connect { at, stream }),
            Item::Clip(clip) => self.clip(clip),
            Item::Play(id) => {
                let clips = std::mem::take(&mut self.queued);
                self.note(&Entry::Play { id: id.0, clips })
            }
            Item::Stop => self.note(&Entry::Stop),
            Item::Digit(key, held) => self.note(&Entry::Digit { key, held }),
            Item::Record { recording, origin, at } => self.note(&Entry::Record { recording, origin_ns: origin, at }),
            Item::Listen(on) => self.note(&Entry::Listen { on }),
            Item::Finish { at } => {
                self.at = at;
                self.note(&Entry::Finish { at })
            }
            Item::Event(event) => self.note(&Entry::Event { text: format!("{event:?}") }),
            Item::Finished { id, interrupted } => self.note(&Entry::Finished { id: id.0, interrupted }),
            Item::Cut => self.note(&Entry::Cut),
        }
    }

    fn clip(&mut self, clip: Arc<Clip>) -> io::Result<()> {
        let known = self.clips.iter().position(|known| Arc::ptr_eq(known, &clip));
        self.queued.push(known.unwrap_or(self.clips.len()));
        if known.is_some() {
            return Ok(());
        }
        self.note(&Entry::of_clip(&clip))?;
        self.clips.push(clip);
        Ok(())
    }

    fn note(&mut self, entry: &Entry) -> io::Result<()> {
        let text = serde_json::to_vec(entry)?;
        self.packet(&Packet::Note { at: self.opened + self.at, text })
    }

    fn packet(&mut self, packet: &Packet) -> io::Result<()> {
        if let Some(out) = &mut self.out {
            self.written += pcapng::write(out, packet)?;
        }
        Ok(())
    }

    fn local(&self, rtcp: bool) -> std::net::SocketAddr {
        let mut local = self.identity.local;
        local.set_port(local.port() + u16::from(rtcp));
        local
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_captures_make_room() {
        let folder = tempfile::tempdir().expect("a folder");
        for (n, name) in ["c.pcapng", "a.pcapng", "b.pcapng", "other.txt"].into_iter().enumerate() {
            let file = File::create(folder.path().join(name)).expect("made");
            file.set_len(1_000).expect("sized");
            let modified = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(n as u64);
            file.set_modified(modified).expect("dated");
        }
        make_room(folder.path(), 2_500).expect("removed");
        let mut left: Vec<_> =
            fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
        left.sort_unstable();
        assert_eq!(left, ["a.pcapng", "b.pcapng", "other.txt"]);
    }

    #[test]
    fn the_share_of_calls_is_the_one_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let identity = Identity { ntp: 0, ssrc: 1, random: 2, local: ([127, 0, 0, 1], 4_000).into() };
        for (percent, expected) in [(0, 0), (2, 4), (100, 200)] {
            let captures = Captures::start(folder.path().to_owned(), percent).expect("started");
            let now = crate::clock::monotonic();
            let mut taps = 0;
            for _ in 0..200 {
                // One at a time, so that the queue never refuses one.
                let tap = captures.tap(CallId::fresh(), identity, now, Duration::ZERO);
                taps += u32::from(tap.is_some());
                if tap.is_some() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            assert_eq!(taps, expected, "{percent} percent");
        }
    }
}
