//! The engine: threads, their pumps and the recorder; opens sessions.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rtrb::RingBuffer;
use tokio::sync::{Notify, mpsc, oneshot};

use super::beside::{self, BesidePort};
use super::capture::{CapturedLeg, Captures, Identity};
use super::disk::{Disk, LocalDisk};
use super::ear::Ear;
use super::error::MediaError;
use super::leg::Leg;
use super::meter::Meter;
use super::ports::{PortPair, PortPool};
use super::pump::Pump;
use super::recorder::{self, Source, Starts, Writer};
use super::rtcp::NtpTime;
use super::session::MediaSession;
use super::shared::{Lane, Registry, SessionShared, lock};
use super::stats::{EngineStats, ThreadStats};
use super::track::RecorderStats;
use super::wake::Wake;
use super::worker::{Call, MAX_CALLS, Order, Rings, Worker};
use crate::clock;
use crate::ids::CallId;

/// Commands that may wait for one thread; more are dropped and counted.
const COMMAND_RING: usize = 8_192;
/// News that may wait for one pump; more are dropped and counted.
const NOTE_RING: usize = 8_192;
/// Frames of callers' audio that may wait for one pump; more are dropped and counted.
const HEARD_RING: usize = 4_096;
/// Datagrams beside RTP that may wait for one pump; more are dropped and counted.
const BESIDE_RING: usize = 256;
/// Blocks of recordings that may wait for the writer; more are dropped and counted.
const TAPE_RING: usize = 16_384;
/// Recordings that may wait to begin; more are refused.
const START_QUEUE: usize = 1_024;
/// Events that may wait for one session; more are dropped and counted.
const EVENT_QUEUE: usize = 256;

/// What the engine needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaConfig {
    /// The local address of all RTP.
    pub address: IpAddr,
    /// First and last port, both included: RTP takes the even ones, RTCP the odd ones above.
    pub ports: (u16, u16),
    /// Engine threads: as many as there are cores for audio; at least one is started.
    pub threads: usize,
}

/// The audio of all calls. Dropping it ends them.
pub struct Engine {
    ports: Arc<PortPool>,
    lanes: Vec<Arc<Lane>>,
    next_serial: AtomicU64,
    undelivered: Arc<AtomicU64>,
    captures: Option<Captures>,
    starts: Option<Starts>,
    disk: LocalDisk,
    recorder: Arc<RecorderStats>,
    recorder_wake: Arc<Wake>,
    /// Engine threads and pumps; then those that end after them.
    threads: Vec<JoinHandle<()>>,
    recorder_threads: Vec<JoinHandle<()>>,
}

impl Engine {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system has no descriptors or threads left.
    pub fn start(config: MediaConfig) -> Result<Self, MediaError> {
        let disk = LocalDisk::default();
        let mut engine = Self::start_on(config, Box::new(disk.clone()))?;
        engine.disk = disk;
        Ok(engine)
    }

    /// As [`Self::start`], with another disk.
    pub(super) fn start_on(config: MediaConfig, disk: Box<dyn Disk>) -> Result<Self, MediaError> {
        let start = |step| move |source| MediaError::Start { step, source };
        let recorder_wake = Arc::new(Wake::blocking().map_err(start("recorder wake-up"))?);
        let mut engine = Self {
            ports: PortPool::new(config.address, config.ports),
            lanes: Vec::new(),
            next_serial: AtomicU64::new(1),
            undelivered: Arc::default(),
            captures: None,
            starts: None,
            disk: LocalDisk::default(),
            recorder: Arc::default(),
            recorder_wake,
            threads: Vec::new(),
            recorder_threads: Vec::new(),
        };
        let mut sources = Vec::new();
        for n in 0..config.threads.max(1) {
            sources.push(engine.start_lane(n)?);
        }
        let (starts, starting) = std::sync::mpsc::sync_channel(START_QUEUE);
        let (finished, finishing) = std::sync::mpsc::channel();
        let (wake, stats) = (Arc::clone(&engine.recorder_wake), Arc::clone(&engine.recorder));
        let writer = Writer { starts: starting, sources, wake, disk, stats, finished };
        engine.starts = Some(starts);
        let writing = spawn("media-record", move || writer.run())?;
        engine.recorder_threads.push(writing);
        let hashing = spawn("media-hash", move || recorder::hash_all(&finishing))?;
        engine.recorder_threads.push(hashing);
        Ok(engine)
    }

    /// Captures `percent` of the calls that open from here on into files under `folder`; see [`super::capture`].
    ///
    /// # Errors
    /// When the folder cannot be made or the system has no threads left.
    pub fn capture(&mut self, folder: PathBuf, percent: u32) -> Result<(), MediaError> {
        let captures = Captures::start(folder, percent);
        self.captures = Some(captures.map_err(|source| MediaError::Start { step: "captures", source })?);
        Ok(())
    }

    /// Opens a session on the thread with the fewest. `call` names it in the log.
    ///
    /// # Errors
    /// When ports or slots are used up, or the thread takes no commands.
    pub fn open(&self, call: CallId) -> Result<MediaSession, MediaError> {
        self.open_on(call, self.ports.lend()?, None)
    }

    /// As [`Self::open`], with the way for what comes to the RTP port and is not RTP: a browser's STUN and DTLS.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with_beside(&self, call: CallId) -> Result<(MediaSession, BesidePort), MediaError> {
        let ports = self.ports.lend()?;
        let socket = ports.rtp.try_clone().map_err(|source| MediaError::Socket {
            address: SocketAddr::new(self.ports.address(), ports.port()),
            source,
        })?;
        let (sender, arriving) = mpsc::channel(beside::QUEUE);
        Ok((self.open_on(call, ports, Some(sender))?, BesidePort::new(socket, arriving)))
    }

    fn open_on(
        &self,
        call: CallId,
        ports: PortPair,
        beside: Option<mpsc::Sender<(SocketAddr, Vec<u8>)>>,
    ) -> Result<MediaSession, MediaError> {
        let most = MediaError::CallsExhausted { most: self.lanes.len() * MAX_CALLS };
        let Some(lane) = self.lanes.iter().min_by_key(|lane| lane.load.load(Ordering::Relaxed)) else {
            return Err(most);
        };
        let local = SocketAddr::new(self.ports.address(), ports.port());
        let serial = self.next_serial.fetch_add(1, Ordering::Relaxed);
        let (events, arriving) = mpsc::channel(EVENT_QUEUE);
        let (closed, closing) = oneshot::channel();
        let shared = Arc::new(SessionShared {
            serial,
            closing: AtomicBool::new(false),
            bridged: AtomicBool::new(false),
            meter: Meter::default(),
            events: Mutex::new(Some(events)),
            ear: Mutex::new(Ear::default()),
            ear_grew: Notify::new(),
            beside,
            closed: Mutex::new(Some(closed)),
        });
        let Some(slot) = lock(&lane.registry).insert(Arc::clone(&shared)) else { return Err(most) };
        let unix = Duration::from_micros(u64::try_from(clock::wall().timestamp_micros()).unwrap_or(0));
        let (opened, ntp) = (clock::monotonic(), NtpTime::from_unix(unix));
        let identity = Identity { ntp: ntp.0, ssrc: rand::random(), random: rand::random(), local };
        let leg = Leg::new(opened, ntp, identity.ssrc, identity.random);
        let tap = self.captures.as_ref().and_then(|captures| captures.tap(call, identity, opened, unix));
        let leg = CapturedLeg::new(leg, tap);
        let carried = Call { slot, ports, leg, shared: Arc::clone(&shared), place: None, played: false };
        lane.load.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = lane.order(slot, serial, Order::Open(Box::new(carried))) {
            lock(&lane.registry).remove(slot, serial);
            lane.load.fetch_sub(1, Ordering::Relaxed);
            return Err(error);
        }
        tracing::debug!(%call, port = local.port(), "audio opened");
        let starts = self.starts.clone();
        Ok(MediaSession::new(call, local, slot, shared, Arc::clone(lane), starts, arriving, closing))
    }

    /// Octets that recordings leave free on their disk, for the spool and the database beside them.
    pub fn keep_free(&self, bytes: u64) {
        self.disk.keep_free(bytes);
    }

    /// Figures over all sessions so far.
    pub fn stats(&self) -> EngineStats {
        let mut stats = EngineStats {
            ports_available: self.ports.available(),
            events_dropped: self.undelivered.load(Ordering::Relaxed),
            recordings_waiting: self.recorder.waiting.load(Ordering::Relaxed),
            recordings_given_up: self.recorder.given_up.load(Ordering::Relaxed),
            recording_lost_ms: self.recorder.lost_ms.load(Ordering::Relaxed),
            ..EngineStats::default()
        };
        for lane in &self.lanes {
            stats.add(&lane.stats.read());
            stats.sessions += lane.load.load(Ordering::Relaxed);
            stats.commands_dropped += lane.commands_dropped.load(Ordering::Relaxed);
        }
        stats
    }

    /// Ends all sessions, finishes their recordings and waits for the threads. Blocks for as long as files take.
    pub fn shutdown(self) {
        drop(self);
    }

    fn start_lane(&mut self, n: usize) -> Result<Source, MediaError> {
        let start = |step| move |source| MediaError::Start { step, source };
        let (commanding, commands) = RingBuffer::new(COMMAND_RING);
        let (notes, noted) = RingBuffer::new(NOTE_RING);
        let (heard, hearing) = RingBuffer::new(HEARD_RING);
        let (beside, arriving) = RingBuffer::new(BESIDE_RING);
        let (tape, taped) = RingBuffer::new(TAPE_RING);
        let (writing, written) = RingBuffer::new(TAPE_RING);
        let pump_wake = Arc::new(Wake::blocking().map_err(start("pump wake-up"))?);
        let lane = Arc::new(Lane {
            wake: Wake::polled().map_err(start("wake-up"))?,
            stopping: AtomicBool::new(false),
            stats: ThreadStats::default(),
            load: AtomicUsize::new(0),
            commands_dropped: AtomicU64::new(0),
            commands: Mutex::new(commanding),
            registry: Mutex::new(Registry::new(MAX_CALLS)),
        });
        let recorder = Arc::clone(&self.recorder_wake);
        let rings = Rings { commands, notes, heard, beside, tape, written, pump: Arc::clone(&pump_wake), recorder };
        let worker = Worker::new(Arc::clone(&lane), rings).map_err(start("descriptors"))?;
        let (ended, recorder_ended) = (Arc::clone(&pump_wake), Arc::clone(&self.recorder_wake));
        let running = spawn(&format!("media-{n}"), move || {
            worker.run();
            // The rings are gone now: whoever waits at them may go as well.
            ended.wake();
            recorder_ended.wake();
        })?;
        self.threads.push(running);
        let pump = Pump {
            lane: Arc::clone(&lane),
            notes: noted,
            heard: hearing,
            beside: arriving,
            wake: pump_wake,
            dropped: Arc::clone(&self.undelivered),
        };
        let pumping = spawn(&format!("media-pump-{n}"), move || pump.run())?;
        self.threads.push(pumping);
        self.lanes.push(lane);
        Ok(Source { tape: taped, written: writing })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for lane in &self.lanes {
            lane.stopping.store(true, Ordering::Release);
            lane.wake.wake();
        }
        for thread in self.threads.drain(..).chain(self.recorder_threads.drain(..)) {
            if thread.join().is_err() {
                tracing::error!("an audio thread panicked");
            }
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("threads", &self.lanes.len()).field("stats", &self.stats()).finish()
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, MediaError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|source| MediaError::Start { step: "thread", source })
}
