//! A caller is handed to a person: two telephones, each with signalling and audio of its own, talk through the gateway.

use std::f64::consts::TAU;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use minxin::app::phone::{Answer, Phone, Step, Talk};
use minxin::app::transfer::{Answered, Outcome, Party, PersonLeg, transfer};
use minxin::clock;
use minxin::ids::CallId;
use minxin::media::{Clip, Engine, MediaConfig, PlayId, Recording};
use minxin::sip::{DialogEvent, Endpoint, Failure, IncomingCall, OutgoingCall, Reject};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::support::samples;
use crate::support::sip::{PATIENCE, config, gateway};

/// What the caller says, the person says, and the person is told before, in Hz.
const CALLER_HZ: f64 = 440.0;
const PERSON_HZ: f64 = 1_050.0;
const BRIEFING_HZ: f64 = 2_000.0;

fn tone(hz: f64, millis: usize) -> Vec<i16> {
    (0..millis * 8).map(|n| (8_000.0 * (TAU * hz * n as f64 / 8_000.0).sin()) as i16).collect()
}

/// The amplitude of a tone in a stretch of audio.
fn amplitude(audio: &[i16], hz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (n, sample) in audio.iter().enumerate() {
        let angle = TAU * hz * n as f64 / 8_000.0;
        re += f64::from(*sample) * angle.cos();
        im += f64::from(*sample) * angle.sin();
    }
    2.0 * (re * re + im * im).sqrt() / audio.len().max(1) as f64
}

/// How many tenths of a second hold the tone. In pieces of 20 ms: a listener whose wait changes hears a tone shifted by some
/// hertz.
fn tenths(audio: &[i16], hz: f64) -> usize {
    let holds = |tenth: &[i16]| tenth.chunks_exact(160).all(|piece| amplitude(piece, hz) > 4_000.0);
    audio.chunks_exact(800).filter(|tenth| holds(tenth)).count()
}

fn engine() -> Engine {
    let config = MediaConfig { address: Ipv4Addr::LOCALHOST.into(), ports: (28_000, 28_999), threads: 2 };
    Engine::start(config).expect("an engine")
}

/// A telephone that rings the gateway and says the caller's tone for `stay`.
fn caller(to: SocketAddr, record: PathBuf, stay: Duration) -> JoinHandle<Talk> {
    let phone = Phone {
        steps: vec![(Duration::ZERO, Step::Speak(Arc::new(tone(CALLER_HZ, 20_000))))],
        record: Some(record),
        ..Phone::new(format!("sip:12345@{to}"), "13987650000".into(), stay)
    };
    tokio::spawn(async move {
        match phone.ring().await.expect("the telephone works") {
            Answer::Talked(talk) => *talk,
            Answer::Refused { status, .. } => panic!("refused: {status}"),
        }
    })
}

/// Everything that a case needs: the gateway, the caller on it, and the person's telephone.
struct Scene {
    gateway: Endpoint,
    engine: Engine,
    caller: Party,
    phone: JoinHandle<Talk>,
    person: Endpoint,
    ringing: mpsc::Receiver<IncomingCall>,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn set(stay: Duration) -> Self {
        let (gateway, mut incoming) = gateway(config()).await;
        let (person, ringing) = crate::support::sip::gateway(config()).await;
        let engine = engine();
        let folder = tempfile::tempdir().expect("a folder");
        let phone = caller(gateway.udp_addr().expect("UDP"), folder.path().join("caller.wav"), stay);
        let call = timeout(PATIENCE, incoming.recv()).await.expect("in time").expect("a call");
        let media = engine.open(CallId::fresh()).expect("ports");
        let dialog = call.answer(media.local_rtp()).await.expect("answered");
        let mut caller = Party { dialog, media };
        assert_eq!(caller.dialog.next().await, Some(DialogEvent::Confirmed));
        caller.media.connect(caller.dialog.stream().cloned().expect("audio")).expect("connected");
        Self { gateway, engine, caller, phone, person, ringing, folder }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Hands the caller over, as the gateway does.
    async fn transfer(&mut self, briefing: Vec<Arc<Clip>>) -> Outcome {
        let to = format!("sip:person@{}", self.person.udp_addr().expect("UDP"));
        let recording = Some(Recording { path: self.path("leg.wav"), origin: clock::monotonic() });
        let leg = PersonLeg { call: CallId::fresh(), recording, briefing };
        let gateway = &self.gateway;
        let dial = async |local_rtp| match gateway.call(OutgoingCall::new(to, "12345", local_rtp)).await {
            Ok(dialog) => Ok(Answered { dialog, channel: None }),
            Err(error) => Err(Failure::of(&error)),
        };
        let done = timeout(PATIENCE * 2, transfer(&mut self.caller, &self.engine, leg, dial)).await;
        done.expect("in time").expect("the engine works")
    }
}

/// The person takes the call, says a tone, and hangs up after `stay` unless the other side is faster; what was heard.
async fn person(call: IncomingCall, record: PathBuf, stay: Duration) -> (bool, Vec<i16>, String) {
    let engine = engine();
    let mut media = engine.open(CallId::fresh()).expect("ports");
    media.record(Recording { path: record.clone(), origin: clock::monotonic() }).expect("taken");
    let mut dialog = call.answer(media.local_rtp()).await.expect("answered");
    media.connect(dialog.stream().cloned().expect("audio")).expect("connected");
    media.play(PlayId(1), vec![Arc::new(Clip::from_pcm(&tone(PERSON_HZ, 20_000)))]).expect("taken");
    media.send_digit('7', Duration::from_millis(100)).expect("taken");
    let until = tokio::time::Instant::now() + stay;
    let mut keys = String::new();
    let ended_by_peer = loop {
        tokio::select! {
            event = dialog.next() => if matches!(event, Some(DialogEvent::Ended(_)) | None) { break true },
            Some(event) = media.next() => if let minxin::media::MediaEvent::Digit { key, .. } = event { keys.push(key) },
            () = tokio::time::sleep_until(until) => break false,
        }
    };
    dialog.hang_up(None).await;
    assert!(media.close().await.recording.is_some());
    (ended_by_peer, left(&record), keys)
}

/// What came from the far end: the left side of an engine's recording.
fn left(path: &Path) -> Vec<i16> {
    let stereo: Vec<i16> =
        hound::WavReader::open(path).expect("a recording").into_samples().collect::<Result<_, _>>().expect("samples");
    stereo.iter().step_by(2).copied().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_hear_each_other_and_the_caller_stays_when_the_person_hangs_up() {
    let mut scene = Scene::set(Duration::from_secs(30)).await;
    let record = scene.path("person.wav");
    let mut ringing = std::mem::replace(&mut scene.ringing, mpsc::channel(1).1);
    let person = tokio::spawn(async move {
        let mut call = ringing.recv().await.expect("a call");
        call.ring().await;
        sleep(Duration::from_millis(300)).await;
        person(call, record, Duration::from_secs(3)).await
    });
    let outcome = scene.transfer(Vec::new()).await;
    let Outcome::Talked(talk) = outcome else { panic!("{outcome:?}") };
    assert!(!talk.caller_left && talk.lasted >= Duration::from_secs(2), "{talk:?}");
    assert!(talk.person.recording.is_some_and(|recording| recording.complete));

    let (ended_by_peer, heard, _) = person.await.expect("the person's telephone works");
    assert!(!ended_by_peer && tenths(&heard, CALLER_HZ) >= 15, "the person hears {}", tenths(&heard, CALLER_HZ));
    // The person's own leg: left the person, right what the person heard.
    let leg = left(&scene.path("leg.wav"));
    assert!(tenths(&leg, PERSON_HZ) >= 15 && tenths(&leg, CALLER_HZ) == 0);

    // The caller is with us again: hears a prompt of ours and no person.
    scene.caller.media.play(PlayId(9), vec![Arc::new(Clip::from_pcm(&tone(BRIEFING_HZ, 1_000)))]).expect("taken");
    sleep(Duration::from_millis(1_300)).await;
    scene.caller.dialog.hang_up(None).await;
    let call = scene.phone.await.expect("the caller's telephone works");
    assert!(call.ended_by_peer);
    assert_eq!(call.digits, "7", "keys are passed on");
    let heard = samples(&scene.folder.path().join("caller.wav"));
    assert!(tenths(&heard, PERSON_HZ) >= 15 && tenths(&heard, BRIEFING_HZ) >= 8);
    assert_eq!(tenths(&heard, CALLER_HZ), 0, "no echo of oneself");
    assert_eq!(tenths(&heard[heard.len() - 8_000..], PERSON_HZ), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_hangs_up_ends_it_for_the_person_too() {
    let mut scene = Scene::set(Duration::from_secs(4)).await;
    let record = scene.path("person.wav");
    let mut ringing = std::mem::replace(&mut scene.ringing, mpsc::channel(1).1);
    let person = tokio::spawn(async move {
        let call = ringing.recv().await.expect("a call");
        person(call, record, Duration::from_secs(30)).await
    });
    let briefing = vec![Arc::new(Clip::from_pcm(&tone(BRIEFING_HZ, 20_000)))];
    // The person's key cuts the briefing short.
    let outcome = scene.transfer(briefing).await;
    assert!(matches!(&outcome, Outcome::Talked(talk) if talk.caller_left), "{outcome:?}");
    let (ended_by_peer, heard, _) = person.await.expect("the person's telephone works");
    assert!(ended_by_peer && tenths(&heard, CALLER_HZ) >= 10);
    assert!((0..30).contains(&tenths(&heard, BRIEFING_HZ)));
    assert!(!scene.phone.await.expect("the caller's telephone works").ended_by_peer);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_person_leaves_the_caller_with_us() {
    let mut scene = Scene::set(Duration::from_secs(30)).await;
    let mut ringing = std::mem::replace(&mut scene.ringing, mpsc::channel(1).1);
    tokio::spawn(async move { ringing.recv().await.expect("a call").reject(Reject::Busy).await });
    let outcome = scene.transfer(Vec::new()).await;
    assert!(matches!(outcome, Outcome::NotReached(Failure::Busy)), "{outcome:?}");
    scene.caller.dialog.hang_up(None).await;
    assert!(scene.phone.await.expect("the caller's telephone works").ended_by_peer, "it was still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_gives_up_stops_the_ringing() {
    let mut scene = Scene::set(Duration::from_secs(1)).await;
    let mut ringing = std::mem::replace(&mut scene.ringing, mpsc::channel(1).1);
    let person = tokio::spawn(async move {
        let mut call = ringing.recv().await.expect("a call");
        call.ring().await;
        timeout(PATIENCE, call.cancelled()).await.expect("the ringing stops");
    });
    let outcome = scene.transfer(Vec::new()).await;
    assert!(matches!(outcome, Outcome::GivenUp), "{outcome:?}");
    person.await.expect("cancelled");
}
