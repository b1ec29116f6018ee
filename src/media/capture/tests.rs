//! A call between two engines, captured at one of them, run again.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::pcapng::{self, Packet};
use super::replay::{self, ReplayError};
use crate::call::stream::{Codec, Stream};
use crate::clock;
use crate::ids::CallId;
use crate::media::{Clip, Engine, MediaConfig, MediaEvent, MediaSummary, PlayId, Recording};

fn engine() -> Engine {
    // Below the system's own range of ports; pairs that another test holds are passed over.
    let config = MediaConfig { address: Ipv4Addr::LOCALHOST.into(), ports: (20_000, 30_999), threads: 1 };
    Engine::start(config).expect("an engine")
}

fn voice(seconds: usize) -> Vec<Arc<Clip>> {
    let samples: Vec<i16> = (0..seconds * 8_000).map(|n| ((n * n / 977) % 8_000) as i16 - 4_000).collect();
    vec![Arc::new(Clip::from_pcm(&samples))]
}

/// A call of two seconds with all that can happen in one; its capture and what remains of it.
async fn captured(folder: &Path, codec: Codec) -> (Vec<u8>, MediaSummary) {
    let (mut near, far) = (engine(), engine());
    near.capture(folder.to_owned(), 100).expect("captured");
    let call = CallId::fresh();
    let mut us = near.open(call).expect("a session");
    let caller = far.open(CallId::fresh()).expect("a session");
    let stream =
        |remote| Stream { send_event_type: Some(101), recv_event_type: Some(101), ..Stream::new(remote, codec) };
    us.connect(stream(caller.local_rtp())).expect("connected");
    caller.connect(stream(us.local_rtp())).expect("connected");
    us.record(Recording { path: folder.join("call.wav"), origin: clock::monotonic() }).expect("taken");
    us.play(PlayId(1), voice(1)).expect("taken");
    caller.play(PlayId(1), voice(2)).expect("taken");
    us.listen(true).expect("taken");
    tokio::time::sleep(Duration::from_millis(400)).await;
    us.stop().expect("taken");
    us.play(PlayId(2), voice(1)).expect("taken");
    us.send_digit('5', Duration::from_millis(80)).expect("taken");
    caller.send_digit('7', Duration::from_millis(80)).expect("taken");
    let digit = async {
        while let Some(event) = us.next().await {
            if matches!(event, MediaEvent::Digit { key: '7', .. }) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), digit).await.expect("the digit in time");
    tokio::time::sleep(Duration::from_millis(600)).await;
    let summary = us.close().await;
    caller.close().await;
    // The capture is whole once its engine has gone.
    tokio::task::spawn_blocking(move || near.shutdown()).await.expect("stopped");
    let file = std::fs::read(folder.join(format!("{call}.pcapng"))).expect("a capture");
    (file, summary)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_captured_call_comes_out_the_same() {
    for codec in [Codec::Pcma, Codec::G722] {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, summary) = captured(folder.path(), codec).await;
        let replayed = replay::run(&file, clock::monotonic()).expect("run again");
        assert_eq!((replayed.differing, &replayed.differences[..]), (0, &[][..]), "{codec:?}");
        assert!(replayed.complete && replayed.datagrams.0 > 50 && replayed.datagrams.1 > 50, "{codec:?}: {replayed:?}");
        let events: Vec<&str> = replayed.events.iter().map(|(_, event)| event.as_str()).collect();
        for expected in ["FirstPacket", "key: '7'", "PlaybackDone { id: 1, interrupted: true }"] {
            assert!(events.iter().any(|event| event.contains(expected)), "{codec:?}: {expected} in {events:?}");
        }
        let quality = summary.quality.expect("figures");
        assert_eq!(replayed.figures, quality, "{codec:?}");
        let again = folder.path().join("again.wav");
        replayed.write_recording(&again).expect("written");
        let recording = summary.recording.expect("a recording");
        assert!(recording.frames > 4_000);
        let same = std::fs::read(&again).expect("a file") == std::fs::read(&recording.path).expect("a file");
        assert!(same, "{codec:?}: the recording differs");
        // And a second time: the hash is a function of the capture.
        let twice = replay::run(&file, clock::monotonic() + Duration::from_secs(3)).expect("run again");
        assert_eq!(twice.sha256, replayed.sha256);
    }
}

/// The capture with one of its datagrams, the tenth that came in, changed.
#[tokio::test(flavor = "multi_thread")]
async fn another_packet_makes_another_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, _) = captured(folder.path(), Codec::Pcma).await;
    let same = replay::run(&file, clock::monotonic()).expect("run again");
    let mut changed = Vec::new();
    pcapng::begin(&mut changed).expect("written");
    let mut inbound = 0;
    for mut packet in pcapng::read(&file).expect("a capture") {
        if let Packet::Datagram { inbound: true, payload, .. } = &mut packet {
            inbound += 1;
            if inbound == 10 {
                payload[100..].fill(0x2A);
            }
        }
        pcapng::write(&mut changed, &packet).expect("written");
    }
    let other = replay::run(&changed, clock::monotonic()).expect("run again");
    assert_ne!(other.sha256, same.sha256);
}

#[test]
fn what_is_no_capture_is_refused() {
    let origin = clock::monotonic();
    assert!(matches!(replay::run(b"RIFF....WAVE", origin), Err(ReplayError::Container(_))));
    let mut file = Vec::new();
    pcapng::begin(&mut file).expect("written");
    assert!(matches!(replay::run(&file, origin), Err(ReplayError::NoOpening)));
    let note = |text: &[u8]| Packet::Note { at: Duration::ZERO, text: text.to_vec() };
    pcapng::write(&mut file, &note(b"{\"opening\":1}")).expect("written");
    assert!(matches!(replay::run(&file, origin), Err(ReplayError::Note { number: 0, .. })));
}
