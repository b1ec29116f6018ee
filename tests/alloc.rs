//! What the gateway takes from the system: nothing per packet, so much per call and no more, and all of it comes back.
//!
//! A test binary of its own, because it counts for the whole process. Its tests take turns.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use minxin::app::Gateway;
use minxin::call::stream::{Codec, MasterKey, Srtp, SrtpSuite, Stream};
use minxin::config::Config;
use minxin::ids::CallId;
use minxin::media::{Bridge, Clip, Engine, MediaConfig, MediaSession, PlayId, Recording, Role};

/// Counts what is allocated and what is held, by any thread.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static HELD_BYTES: AtomicU64 = AtomicU64::new(0);

#[expect(unsafe_code, reason = "an allocator cannot be written otherwise; it hands everything on")]
// SAFETY: every call goes to the system's allocator with its arguments unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        HELD_BYTES.fetch_add(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        HELD_BYTES.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        HELD_BYTES.fetch_add(new_size as u64, Ordering::Relaxed);
        HELD_BYTES.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(block, layout, new_size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

static TURN: Mutex<()> = Mutex::new(());

fn engine() -> Engine {
    let config = MediaConfig { address: Ipv4Addr::LOCALHOST.into(), ports: (31_000, 32_499), threads: 1 };
    Engine::start(config).expect("an engine")
}

fn connect(us: &MediaSession, peer: &MediaSession) {
    connect_by(us, peer, Codec::Pcma, None);
}

fn connect_by(us: &MediaSession, peer: &MediaSession, codec: Codec, srtp: Option<Srtp>) {
    let stream = Stream {
        send_event_type: Some(101),
        recv_event_type: Some(101),
        srtp: srtp.map(Box::new),
        ..Stream::new(peer.local_rtp(), codec)
    };
    us.connect(stream).expect("connected");
}

/// The keys of both ends.
fn keys(suite: SrtpSuite) -> (Srtp, Srtp) {
    let key = |octet| MasterKey::new(suite, &vec![octet; suite.key_len() + suite.salt_len()]).expect("its length");
    let (near, far) = (key(1), key(2));
    (Srtp { suite, ours: near.clone(), theirs: far.clone() }, Srtp { suite, ours: far, theirs: near })
}

/// What each call of the test below speaks, and how it is protected.
const LINES: [(Codec, Option<SrtpSuite>); 10] = [
    (Codec::Pcma, None),
    (Codec::Pcma, None),
    (Codec::Pcma, None),
    (Codec::Pcmu, None),
    (Codec::G722, None),
    (Codec::Opus, None),
    (Codec::Pcma, Some(SrtpSuite::AesCm128HmacSha1_80)),
    (Codec::Pcma, Some(SrtpSuite::AesCm128HmacSha1_32)),
    (Codec::G722, Some(SrtpSuite::AeadAes128Gcm)),
    (Codec::Opus, Some(SrtpSuite::AeadAes256Gcm)),
];

/// Calls that play, record, hear, talk in a bridge and report (RTCP falls into the counted time) while nothing begins or
/// ends, in all codecs and under all kinds of protection. What libopus takes from C's own allocator is not counted; by its
/// documentation it takes nothing but at the making of its states.
#[test]
fn nothing_is_allocated_per_packet() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a folder");
    let (near, far) = (engine(), engine());
    let voice: Vec<i16> = (0..8_000 * 12).map(|n| ((n % 67) * 200 - 6_700) as i16).collect();
    let clip = Arc::new(Clip::from_pcm(&voice));
    let mut pairs = Vec::new();
    for (n, (codec, suite)) in LINES.into_iter().enumerate() {
        let us = near.open(CallId::fresh()).expect("a session");
        let caller = far.open(CallId::fresh()).expect("a session");
        us.record(Recording { path: folder.path().join(format!("{n}.wav")), origin: minxin::clock::monotonic() })
            .expect("taken");
        let (ours, theirs) = suite.map(keys).unzip();
        connect_by(&us, &caller, codec, ours);
        connect_by(&caller, &us, codec, theirs);
        us.play(PlayId(1), vec![Arc::clone(&clip)]).expect("taken");
        caller.play(PlayId(1), vec![Arc::clone(&clip)]).expect("taken");
        pairs.push((us, caller));
    }
    // The callers of two calls talk to each other as well, a third listens.
    let mut bridge = Bridge::between(&[&pairs[0].0, &pairs[1].0]).expect("a bridge");
    bridge.join(&pairs[2].0, Role::Listen).expect("a bridge");
    std::thread::sleep(Duration::from_secs(2)); // Warm-up: files open, first events, writer's buffers.

    let (allocated, received) = (ALLOCATIONS.load(Ordering::Relaxed), near.stats().received);
    std::thread::sleep(Duration::from_secs(6));
    let (allocated, received) = (ALLOCATIONS.load(Ordering::Relaxed) - allocated, near.stats().received - received);

    assert!(received > 280 * LINES.len() as u64, "{received} packets");
    // The two `stats` calls themselves allocate nothing; anything here is the engine's.
    assert_eq!(allocated, 0, "in {received} packets");
    assert_eq!((near.stats().taps_dropped, near.stats().events_dropped), (0, 0));
}

#[test]
fn a_hundred_calls_leave_no_descriptor_and_no_port() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let descriptors = || std::fs::read_dir("/proc/self/fd").expect("Linux").count();
    let engine = engine();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (open, ports) = (descriptors(), engine.stats().ports_available);
    for n in 0..100 {
        let us = engine.open(CallId::fresh()).expect("a session");
        connect(&us, &us);
        if n % 2 == 0 {
            assert!(runtime.block_on(us.close()).quality.is_some());
        }
    }
    let begun = minxin::clock::monotonic();
    while engine.stats().sessions > 0 && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let stats = engine.stats();
    assert_eq!((stats.sessions, stats.ports_available, descriptors()), (0, ports, open));
}

/// The most that a recorded call may hold from the system's allocator, all buffers included, in octets.
const CALL_BYTES_MAX: u64 = 80_000;

/// Calls that stand at once: enough that what the gateway takes once for all of them hardly counts.
const STANDING: usize = 150;

/// A gateway of which every part works, in this process; its telephones are another, so that they are not counted.
///
/// It takes as long as the notice lasts, because nothing is recorded before.
#[test]
fn a_standing_call_holds_little() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::TempDir::with_prefix("minxin-alloc-").expect("a folder");
    // The database does not run as root, and has to get in.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).expect("permissions");
    let text = format!(
        "home = {:?}\ndata_dir = {:?}\n\
         [sip]\nudp = \"127.0.0.1:0\"\ntrusted = [\"127.0.0.0/8\"]\nmax_calls_per_source = {STANDING}\n\
         [[lines]]\nname = \"民心热线\"\nnumbers = [\"12345\"]\nflow = \"hotline\"\n\
         [media]\nports = [32_500, 33_499]\n[web]\nlisten = \"127.0.0.1:0\"\n[speech]\nthreads = 0\n",
        env!("CARGO_MANIFEST_DIR"),
        folder.path().join("data"),
    );
    let config = Config::parse(Path::new("minxin.toml"), text, BTreeMap::new()).expect("a configuration");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let gateway = runtime.block_on(Gateway::start(config)).expect("a gateway");
    let idle = HELD_BYTES.load(Ordering::Relaxed);
    let sip = gateway.sip_udp().expect("UDP is on");
    let mut telephones = Command::new(env!("CARGO_BIN_EXE_minxin"))
        .args(["load", &format!("sip:12345@{sip}"), "--cps", "75", "--duration", "9", "--first-port", "33500"])
        .args(["--calls", &STANDING.to_string()])
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("telephones");
    let began = minxin::clock::monotonic();
    let recordings = || recordings(&folder.path().join("data/recordings"));
    while recordings() < STANDING && began.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let (standing, held) = (gateway.board().calls().len(), HELD_BYTES.load(Ordering::Relaxed) - idle);
    telephones.wait().expect("they hang up");
    runtime.block_on(gateway.stop());
    assert_eq!(standing, STANDING, "{} recordings", recordings());
    let each = held / STANDING as u64;
    println!("{each} octets a call");
    assert!(each < CALL_BYTES_MAX, "{each} octets a call");
}

/// Files below a folder, at any depth.
fn recordings(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.map(|path| if path.is_dir() { recordings(&path) } else { 1 }).sum()
}
