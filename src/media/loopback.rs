//! Two engines that talk to each other over the loopback interface.

use std::f32::consts::TAU;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::disk::faulty::FaultyDisk;
use super::rtp::{HEADER_LEN, Header, SeqNo, Timestamp};
use super::*;
use crate::call::stream::{Codec, Direction, Stream};
use crate::call::tone::Tone;
use crate::clock;
use crate::ids::CallId;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn engine() -> Engine {
    engine_with(1)
}

pub(super) fn engine_with(threads: usize) -> Engine {
    Engine::start(config(threads)).expect("an engine")
}

fn config(threads: usize) -> MediaConfig {
    // Below the system's own range of ports; pairs that another test holds are passed over.
    MediaConfig { address: Ipv4Addr::LOCALHOST.into(), ports: (20_000, 30_999), threads }
}

pub(super) fn stream(remote_rtp: SocketAddr) -> Stream {
    Stream { send_event_type: Some(101), recv_event_type: Some(101), ..Stream::new(remote_rtp, Codec::Pcma) }
}

/// A tone of this many milliseconds.
pub(super) fn tone(hz: f32, millis: usize) -> Vec<i16> {
    (0..millis * 8).map(|n| (8_000.0 * (TAU * hz * n as f32 / 8_000.0).sin()) as i16).collect()
}

pub(super) fn clip(samples: &[i16]) -> Vec<Arc<Clip>> {
    vec![Arc::new(Clip::from_pcm(samples))]
}

/// The next event that `wanted` maps to something.
pub(super) async fn wait<T>(session: &mut MediaSession, mut wanted: impl FnMut(MediaEvent) -> Option<T>) -> T {
    let found = async {
        while let Some(event) = session.next().await {
            if let Some(found) = wanted(event) {
                return found;
            }
        }
        panic!("the session ended");
    };
    tokio::time::timeout(PATIENCE, found).await.expect("the event in time")
}

/// The end of a playback: which, and whether it was cut short.
pub(super) fn done(event: MediaEvent) -> Option<(PlayId, bool)> {
    if let MediaEvent::PlaybackDone { id, interrupted } = event { Some((id, interrupted)) } else { None }
}

/// The key of a digit that came as a telephone event.
pub(super) fn digit(event: MediaEvent) -> Option<char> {
    let MediaEvent::Digit { key, source: DigitSource::TelephoneEvent, .. } = event else { return None };
    Some(key)
}

/// Both tracks of a recording: the caller, us.
pub(super) fn tracks(path: &Path) -> (Vec<i16>, Vec<i16>) {
    let samples: Vec<i16> =
        hound::WavReader::open(path).expect("a recording").into_samples().collect::<Result<_, _>>().expect("samples");
    samples.as_chunks::<2>().0.iter().map(|[left, right]| (*left, *right)).unzip()
}

fn power(samples: &[i16]) -> f64 {
    samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len().max(1) as f64
}

/// Where the track first is loud for 10 ms, in samples.
pub(super) fn onset(track: &[i16]) -> Option<usize> {
    track.windows(80).position(|window| power(window) > 1e6)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_is_heard_and_recorded_at_its_place_on_both_sides() {
    let folder = tempfile::tempdir().expect("a folder");
    let (near, far) = (engine(), engine());
    let mut us = near.open(CallId::fresh()).expect("a session");
    let caller = far.open(CallId::fresh()).expect("a session");
    let opened = clock::monotonic();
    us.record(Recording { path: folder.path().join("a/us.wav"), origin: clock::monotonic() }).expect("taken");
    caller.record(Recording { path: folder.path().join("caller.wav"), origin: clock::monotonic() }).expect("taken");
    assert!(matches!(
        us.record(Recording { path: "x".into(), origin: clock::monotonic() }),
        Err(MediaError::AlreadyRecording)
    ));
    us.connect(stream(caller.local_rtp())).expect("connected");
    caller.connect(stream(us.local_rtp())).expect("connected");
    wait(&mut us, |event| matches!(event, MediaEvent::FirstPacket { .. }).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(500)).await;

    us.play(PlayId(1), clip(&tone(440.0, 600))).expect("taken");
    assert_eq!(wait(&mut us, done).await, (PlayId(1), false));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let lasted = opened.elapsed();
    let (ours, theirs) = (us.close().await, caller.close().await);

    let quality = ours.quality.expect("figures");
    assert_eq!((quality.lost, quality.foreign, quality.invalid, quality.send_errors), (0, 0, 0, 0), "{quality:?}");
    assert!(quality.packets_sent > 50 && quality.packets_received > 50, "{quality:?}");
    assert!(quality.first_audio_sent.is_some() && quality.mos > 4.2, "{quality:?}");
    let recording = ours.recording.expect("a recording");
    assert!(recording.complete);
    assert!(recording.duration.abs_diff(lasted) <= Duration::from_millis(60), "{recording:?} of {lasted:?}");
    let (_, sent) = tracks(&recording.path);
    assert_eq!(sent.len() as u64, recording.frames);
    let (heard, _) = tracks(&theirs.recording.expect("a recording").path);
    // Both files begin with their sessions, which opened one after the other; the sound takes no time on loopback.
    let (sent, heard) = (onset(&sent).expect("the prompt"), onset(&heard).expect("the prompt"));
    assert!(sent.abs_diff(heard) <= 400, "sent at {sent}, heard at {heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn digits_arrive_once_and_a_stopped_playback_says_so() {
    let (near, far) = (engine(), engine());
    let us = near.open(CallId::fresh()).expect("a session");
    let mut caller = far.open(CallId::fresh()).expect("a session");
    us.connect(stream(caller.local_rtp())).expect("connected");
    caller.connect(stream(us.local_rtp())).expect("connected");
    for key in "1590*#".chars() {
        us.send_digit(key, Duration::from_millis(80)).expect("taken");
    }
    caller.play(PlayId(1), clip(&tone(440.0, 10_000))).expect("taken");
    let mut keys = String::new();
    while keys.len() < 6 {
        keys.push(wait(&mut caller, digit).await);
    }
    assert_eq!(keys, "1590*#");
    caller.play(PlayId(2), clip(&tone(440.0, 10_000))).expect("taken");
    caller.stop().expect("taken");
    for id in [1, 2] {
        let done = |event| {
            assert_eq!(digit(event), None, "a digit too many");
            done(event)
        };
        assert_eq!(wait(&mut caller, done).await, (PlayId(id), true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_utterance_is_found_and_cut_out() {
    let engine = engine();
    let us = engine.open(CallId::fresh()).expect("a session");
    let mut caller = engine.open(CallId::fresh()).expect("a session");
    us.connect(stream(caller.local_rtp())).expect("connected");
    caller.connect(stream(us.local_rtp())).expect("connected");
    wait(&mut caller, |event| matches!(event, MediaEvent::FirstPacket { .. }).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    us.play(PlayId(1), clip(&tone(300.0, 600))).expect("taken");
    let started = |event| if let MediaEvent::SpeechStarted { at } = event { Some(at) } else { None };
    let from = wait(&mut caller, started).await;
    caller.listen(true).expect("taken"); // Only now: what was said before comes from the pre-roll.
    let ended = |event| if let MediaEvent::SpeechEnded { at } = event { Some(at) } else { None };
    let to = wait(&mut caller, ended).await;
    assert!((to - from).abs_diff(Duration::from_millis(600)) <= Duration::from_millis(40), "{from:?} to {to:?}");
    let words = caller.utterance(from, to).await;
    assert_eq!(words.len(), ((to - from).as_millis() * 8) as usize);
    assert!(power(&words[80..words.len() - 80]) > 2e7, "{}", power(&words));
    assert_eq!(caller.utterance(to + Duration::from_secs(60), to + Duration::from_secs(61)).await, [0_i16; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_stream_is_silent_in_both_directions() {
    let engine = engine();
    let us = engine.open(CallId::fresh()).expect("a session");
    let mut caller = engine.open(CallId::fresh()).expect("a session");
    us.connect(Stream { direction: Direction::Inactive, ..stream(caller.local_rtp()) }).expect("connected");
    caller.connect(stream(us.local_rtp())).expect("connected");
    us.play(PlayId(1), clip(&tone(440.0, 100))).expect("taken");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let resumed = stream(caller.local_rtp());
    us.connect(resumed).expect("connected");
    wait(&mut caller, |event| matches!(event, MediaEvent::FirstPacket { .. }).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let quality = us.close().await.quality.expect("figures");
    assert!((5..=18).contains(&quality.packets_sent), "nothing was sent while held: {quality:?}");
    assert!(quality.first_audio_sent.is_some_and(|after| after < Duration::from_millis(100)), "{quality:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_during_a_hold_is_not_lost() {
    let engine = engine();
    let us = engine.open(CallId::fresh()).expect("a session");
    let caller = engine.open(CallId::fresh()).expect("a session");
    caller.connect(stream(us.local_rtp())).expect("connected");
    for direction in [Direction::SendRecv, Direction::Inactive, Direction::SendRecv] {
        us.connect(Stream { direction, ..stream(caller.local_rtp()) }).expect("connected");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let quality = us.close().await.quality.expect("figures");
    assert!((10..=40).contains(&quality.packets_received) && quality.lost == 0, "{quality:?}");
}

/// A line between `to` and whoever sends to it: loses and delays packets as the seed wants.
fn bad_line(
    seed: u64,
    to: SocketAddr,
    loss: f64,
    jitter: Duration,
    stop: Arc<AtomicBool>,
) -> (SocketAddr, Arc<AtomicU64>) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(1))).expect("set");
    let address = socket.local_addr().expect("bound");
    let dropped = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&dropped);
    std::thread::spawn(move || {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut waiting = Vec::new();
        let mut buffer = [0; 2_048];
        while !stop.load(Ordering::Relaxed) {
            let received = socket.recv_from(&mut buffer);
            let now = clock::monotonic();
            // One way only: what the far end sends back goes nowhere.
            if let Ok((len, from)) = received
                && from != to
            {
                if rng.random_bool(loss) {
                    counted.fetch_add(1, Ordering::Relaxed);
                } else {
                    waiting.push((now + rng.random_range(Duration::ZERO..=jitter), buffer[..len].to_vec()));
                }
            }
            waiting.retain(|(due, datagram)| {
                let kept = *due > now;
                if !kept {
                    let _ = socket.send_to(datagram, to);
                }
                kept
            });
        }
    });
    (address, dropped)
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_bad_line_little_more_is_concealed_than_was_lost() {
    const SEED: u64 = 21;
    let (near, far) = (engine(), engine());
    let us = near.open(CallId::fresh()).expect("a session");
    let caller = far.open(CallId::fresh()).expect("a session");
    let stop = Arc::new(AtomicBool::new(false));
    let (line, dropped) = bad_line(SEED, caller.local_rtp(), 0.03, Duration::from_millis(60), Arc::clone(&stop));
    us.connect(stream(line)).expect("connected");
    caller.connect(stream(line)).expect("connected");
    us.play(PlayId(1), clip(&tone(440.0, 60_000))).expect("taken");
    tokio::time::sleep(Duration::from_secs(10)).await;
    stop.store(true, Ordering::Relaxed);
    let quality = caller.close().await.quality.expect("figures");
    let concealed = quality.concealed_ms / 20;
    let lost = dropped.load(Ordering::Relaxed);
    assert!(lost > 5 && quality.lost.abs_diff(lost) <= 5, "seed {SEED}: {lost} lost, {quality:?}");
    // Half of what a wait that learnt nothing would cost is far off; a machine that stands still for a while is not. What
    // exactly is concealed at which jitter, the runs in virtual time say.
    assert!(concealed <= lost + 60, "seed {SEED}: {lost} lost, {quality:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_nothing_and_is_not_heard() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine();
    let us = engine.open(CallId::fresh()).expect("a session");
    let mut caller = engine.open(CallId::fresh()).expect("a session");
    us.record(Recording { path: folder.path().join("us.wav"), origin: clock::monotonic() }).expect("taken");
    us.connect(stream(caller.local_rtp())).expect("connected");
    caller.connect(stream(us.local_rtp())).expect("connected");
    wait(&mut caller, |event| matches!(event, MediaEvent::FirstPacket { .. }).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(100)).await;

    let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    stranger.set_nonblocking(true).expect("set");
    for n in 0..400u16 {
        let mut datagram = vec![0x2A; HEADER_LEN + 160]; // As loud as it gets.
        let header = Header {
            marker: false,
            payload_type: if n % 10 == 9 { 101 } else { 8 },
            seq: SeqNo(n),
            timestamp: Timestamp(u32::from(n) * 160),
            ssrc: 0xBAD,
        };
        header.write(datagram.first_chunk_mut().expect("room"));
        stranger.send_to(&datagram, us.local_rtp()).expect("sent");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut answer = [0; 2_048];
    assert!(stranger.recv_from(&mut answer).is_err(), "the stranger got a packet");
    let summary = us.close().await;
    let quality = summary.quality.expect("figures");
    // Most of it stops at the kernel, since the socket is connected to the caller.
    assert!(quality.packets_received < 200, "{quality:?}");
    let (heard, _) = tracks(&summary.recording.expect("a recording").path);
    assert!(heard.iter().all(|sample| sample.unsigned_abs() < 1_000), "the stranger is in the recording");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_cannot_be_written_does_not_stop_the_call() {
    let engine = engine();
    let mut us = engine.open(CallId::fresh()).expect("a session");
    us.connect(stream(us.local_rtp())).expect("connected"); // Our own echo.
    us.record(Recording { path: "/dev/full".into(), origin: clock::monotonic() }).expect("taken");
    let failed = |event| if let MediaEvent::RecordingFailed { fault } = event { Some(fault) } else { None };
    let fault = wait(&mut us, failed).await;
    assert_eq!(fault, RecordingFault::Write(std::io::ErrorKind::StorageFull));
    us.play(PlayId(1), clip(&tone(440.0, 100))).expect("taken");
    let done = |event| matches!(event, MediaEvent::PlaybackDone { interrupted: false, .. }).then_some(());
    wait(&mut us, done).await;
    us.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_joins_late_is_recorded_on_the_call_s_time_axis() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine();
    let origin = clock::monotonic();
    tokio::time::sleep(Duration::from_millis(700)).await;
    let us = engine.open(CallId::fresh()).expect("a session");
    us.record(Recording { path: folder.path().join("us.wav"), origin }).expect("taken");
    us.connect(stream(us.local_rtp())).expect("connected");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let lasted = origin.elapsed();
    let recording = us.close().await.recording.expect("a recording");
    assert!(recording.complete);
    assert!(recording.duration.abs_diff(lasted) <= Duration::from_millis(150), "{recording:?} of {lasted:?}");
}

/// Each block takes the disk half a second to write: more than it lasts.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_disk_costs_the_recording_and_not_the_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = FaultyDisk::default();
    disk.slow_ms.store(500, Ordering::Relaxed);
    let near = Engine::start_on(config(1), Box::new(disk.clone())).expect("an engine");
    let far = engine();
    let mut us = near.open(CallId::fresh()).expect("a session");
    let caller = far.open(CallId::fresh()).expect("a session");
    us.record(Recording { path: folder.path().join("us.wav"), origin: clock::monotonic() }).expect("taken");
    us.connect(stream(caller.local_rtp())).expect("connected");
    caller.connect(stream(us.local_rtp())).expect("connected");
    us.play(PlayId(1), clip(&tone(440.0, 4_000))).expect("taken");
    assert_eq!(wait(&mut us, done).await, (PlayId(1), false));
    let heard = caller.close().await.quality.expect("figures");
    assert!(heard.lost == 0 && heard.packets_received > 150, "{heard:?}");
    disk.slow_ms.store(0, Ordering::Relaxed);
    let summary = us.close().await;
    let recording = summary.recording.expect("a recording");
    assert!(!recording.complete && recording.duration >= Duration::from_secs(4), "{recording:?}");
    assert!(near.stats().taps_dropped > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_calls_go_on_and_recordings_come_back_with_the_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = FaultyDisk::default();
    let engine = Engine::start_on(config(1), Box::new(disk.clone())).expect("an engine");
    let mut us = engine.open(CallId::fresh()).expect("a session");
    us.connect(stream(us.local_rtp())).expect("connected");
    us.record(Recording { path: folder.path().join("us.wav"), origin: clock::monotonic() }).expect("taken");
    tokio::time::sleep(Duration::from_millis(700)).await;
    disk.full.store(true, Ordering::Relaxed);
    let failed = |event| if let MediaEvent::RecordingFailed { fault } = event { Some(fault) } else { None };
    let fault = wait(&mut us, failed).await;
    assert_eq!(fault, RecordingFault::Write(std::io::ErrorKind::StorageFull));
    assert_eq!(engine.stats().recordings_waiting, 1);
    us.play(PlayId(1), clip(&tone(440.0, 700))).expect("taken");
    assert_eq!(wait(&mut us, done).await, (PlayId(1), false));
    disk.full.store(false, Ordering::Relaxed);
    let room = clock::monotonic();
    while engine.stats().recordings_waiting > 0 {
        assert!(room.elapsed() < PATIENCE, "it does not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    us.play(PlayId(2), clip(&tone(440.0, 700))).expect("taken");
    assert_eq!(wait(&mut us, done).await, (PlayId(2), false));
    let recording = us.close().await.recording.expect("a recording");
    assert!(!recording.complete && engine.stats().recording_lost_ms > 0);
    let (_, sent) = tracks(&recording.path);
    assert!(onset(&sent).is_some(), "what came after the room is in it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_engine_ends_its_sessions_and_finishes_their_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("us.wav");
    let engine = engine();
    let mut us = engine.open(CallId::fresh()).expect("a session");
    us.record(Recording { path: path.clone(), origin: clock::monotonic() }).expect("taken");
    us.connect(stream(us.local_rtp())).expect("connected");
    tokio::time::sleep(Duration::from_millis(500)).await;
    tokio::task::spawn_blocking(move || engine.shutdown()).await.expect("stopped");
    let ended = async { while us.next().await.is_some() {} };
    tokio::time::timeout(PATIENCE, ended).await.expect("the session ends");
    assert!(matches!(us.play(PlayId(1), Vec::new()), Err(MediaError::Unresponsive)));
    let recording = us.close().await.recording.expect("a recording");
    assert!(recording.complete && recording.frames > 2_400, "{recording:?}");
    assert_eq!(tracks(&path).0.len() as u64, recording.frames);
}

#[test]
fn a_peer_of_another_family_is_refused() {
    let engine = engine();
    let us = engine.open(CallId::fresh()).expect("a session");
    let peer = "[::1]:4000".parse().expect("an address");
    assert!(matches!(us.connect(stream(peer)), Err(MediaError::Family { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tone_that_one_side_plays_is_recognised_by_the_other() {
    let (near, far) = (engine(), engine());
    let us = near.open(CallId::fresh()).expect("a session");
    let mut caller = far.open(CallId::fresh()).expect("a session");
    us.connect(stream(caller.local_rtp())).expect("connected");
    caller.connect(stream(us.local_rtp())).expect("connected");
    let busy = Arc::new(tones::clip(Tone::Busy));
    us.play(PlayId(1), vec![busy; 4]).expect("taken");
    let tone = |event| if let MediaEvent::Tone { tone, .. } = event { Some(tone) } else { None };
    assert_eq!(wait(&mut caller, tone).await, Tone::Busy);
}
