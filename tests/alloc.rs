//! What the audio engine takes from the system: nothing per packet, and all of it comes back.
//!
//! A test binary of its own, because it counts for the whole process. Its tests take turns.

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use minxin::call::stream::{Codec, Stream};
use minxin::ids::CallId;
use minxin::media::{Bridge, Clip, Engine, MediaConfig, MediaSession, PlayId, Recording, Role};

/// Counts what is allocated, by any thread.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[expect(unsafe_code, reason = "an allocator cannot be written otherwise; it hands everything on")]
// SAFETY: every call goes to the system's allocator with its arguments unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
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
    let stream =
        Stream { send_event_type: Some(101), recv_event_type: Some(101), ..Stream::new(peer.local_rtp(), Codec::Pcma) };
    us.connect(stream).expect("connected");
}

/// Calls that play, record, hear, talk in a bridge and report (RTCP falls into the counted time) while nothing begins or ends.
#[test]
fn nothing_is_allocated_per_packet() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a folder");
    let (near, far) = (engine(), engine());
    let voice: Vec<i16> = (0..8_000 * 12).map(|n| ((n % 67) * 200 - 6_700) as i16).collect();
    let clip = Arc::new(Clip::from_pcm(&voice));
    let mut pairs = Vec::new();
    for n in 0..5 {
        let us = near.open(CallId::fresh()).expect("a session");
        let caller = far.open(CallId::fresh()).expect("a session");
        us.record(Recording { path: folder.path().join(format!("{n}.wav")), origin: minxin::clock::monotonic() })
            .expect("taken");
        connect(&us, &caller);
        connect(&caller, &us);
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

    assert!(received > 1_000, "{received} packets");
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
