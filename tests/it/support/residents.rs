//! People who are rung: each number has its habit, and answers by real SIP and RTP.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use minxin::clock::monotonic;
use minxin::ids::CallId;
use minxin::media::{Clip, Engine, MediaConfig, MediaSession, PlayId};
use minxin::sip::{Dialog, DialogEvent, Endpoint, IncomingCall, Reject, SipConfig, start};
use tokio::time::{sleep, timeout};

use super::{repository, samples};

/// RTP ports for each village.
const PORTS_EACH: u16 = 400;

/// Where those of the first begin.
const FIRST_PORT: u16 = 29_600;

/// How long a bell rings before it is answered.
const BELL: Duration = Duration::from_millis(150);

/// From the answer until the notice, in which no key counts, is over on a busy machine.
const NOTICE: Duration = Duration::from_millis(7_500);

/// From one key to the next; a key is held for [`HELD`].
const BETWEEN_KEYS: Duration = Duration::from_millis(900);

/// From the answer to the first word.
const LIFTS: Duration = Duration::from_millis(400);

/// How long somebody listens who then hangs up.
const LISTENS: Duration = Duration::from_secs(13);

/// How long a key is held.
const HELD: Duration = Duration::from_millis(100);

/// What somebody does when the telephone rings.
#[derive(Clone, Debug)]
pub enum Habit {
    /// Answers, presses these keys one after the other, and stays until the other side hangs up.
    Keys(&'static str),
    /// The same, and hangs up after the last key.
    HangsUpAfter(&'static str),
    /// Is on the telephone.
    Busy,
    /// Presses the red button.
    Declines,
    /// Does not hear it.
    Away,
    /// Is not there at all: no such number.
    NoSuchNumber,
    /// Has a machine that plays this recording, and then beeps.
    Machine(&'static str),
    /// Says this, listens for a while, and hangs up.
    Greets(&'static str),
    /// Is out of reach: the network says this, and then nothing.
    Announced(&'static str),
}

impl Habit {
    /// The keys that are pressed, if any.
    pub fn keys(&self) -> &'static str {
        match self {
            Self::Keys(keys) | Self::HangsUpAfter(keys) => keys,
            Self::Busy
            | Self::Declines
            | Self::Away
            | Self::NoSuchNumber
            | Self::Machine(_)
            | Self::Greets(_)
            | Self::Announced(_) => "",
        }
    }
}

/// Longest call: a gateway that died hangs up nothing.
const LONGEST: Duration = Duration::from_secs(60);

/// Some people and their telephones.
pub struct Village {
    endpoint: Endpoint,
    seen: Seen,
}

/// What happened at each number.
type Seen = Arc<Mutex<BTreeMap<String, Rung>>>;

/// What happened at one number.
#[derive(Clone, Debug, Default)]
pub struct Rung {
    /// How often it was rung.
    pub times: usize,
    /// Keys that were pressed to their end, and when.
    pub pressed: Vec<(char, Instant)>,
}

impl Village {
    /// People by their numbers.
    pub async fn new(people: BTreeMap<String, Habit>) -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let first = FIRST_PORT + PORTS_EACH * (NEXT.fetch_add(1, Ordering::Relaxed) % 2);
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let config = SipConfig {
            udp: Some(SocketAddr::new(local, 0)),
            max_calls_per_second: 10_000,
            max_calls_per_source: 1_000,
            ..SipConfig::default()
        };
        let (endpoint, mut calls) = start(config).await.expect("telephones");
        let engine = MediaConfig { address: local, ports: (first, first + PORTS_EACH - 1), threads: 1 };
        let engine = Arc::new(Engine::start(engine).expect("an audio engine"));
        let seen = Seen::default();
        let noted = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Some(call) = calls.recv().await {
                lock(&noted).entry(call.called.clone()).or_default().times += 1;
                let habit = people.get(&call.called).cloned().unwrap_or(Habit::NoSuchNumber);
                tokio::spawn(take(Arc::clone(&engine), Arc::clone(&noted), call, habit));
            }
        });
        Self { endpoint, seen }
    }

    /// Where they are rung.
    pub fn addr(&self) -> SocketAddr {
        self.endpoint.udp_addr().expect("UDP is on")
    }

    /// What happened at each number that was rung.
    pub fn seen(&self) -> BTreeMap<String, Rung> {
        lock(&self.seen).clone()
    }

    /// How often each number was rung.
    pub fn rung(&self) -> BTreeMap<String, usize> {
        self.seen().into_iter().map(|(number, rung)| (number, rung.times)).collect()
    }
}

fn lock(seen: &Mutex<BTreeMap<String, Rung>>) -> std::sync::MutexGuard<'_, BTreeMap<String, Rung>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn take(engine: Arc<Engine>, seen: Seen, mut call: IncomingCall, habit: Habit) {
    let (keys, leaves) = match &habit {
        Habit::Busy => return call.reject(Reject::Busy).await,
        Habit::Declines => return call.reject(Reject::Decline).await,
        Habit::NoSuchNumber => return call.reject(Reject::NotFound).await,
        Habit::Away => {
            call.ring().await;
            return call.cancelled().await;
        }
        Habit::Keys(keys) => (*keys, false),
        Habit::HangsUpAfter(keys) => (*keys, true),
        Habit::Machine(_) | Habit::Announced(_) => ("", false),
        Habit::Greets(_) => ("", true),
    };
    let number = call.called.clone();
    call.ring().await;
    sleep(BELL).await;
    let media = engine.open(CallId::fresh()).expect("a free port");
    let Ok(mut dialog) = call.answer(media.local_rtp()).await else { return };
    media.connect(dialog.stream().expect("an offer").clone()).expect("audio");
    let pressed = |key| lock(&seen).entry(number.clone()).or_default().pressed.push((key, monotonic()));
    tokio::select! {
        () = talk(&media, &habit, keys, pressed) => {}
        () = ended(&mut dialog) => return,
    }
    if leaves || timeout(LONGEST, ended(&mut dialog)).await.is_err() {
        dialog.hang_up(None).await;
    }
}

async fn talk(media: &MediaSession, habit: &Habit, keys: &str, pressed: impl Fn(char)) {
    if let Habit::Machine(recording) = habit {
        let pcm = [samples(&repository(recording)), beep()].concat();
        media.play(PlayId(1), vec![Arc::new(Clip::from_pcm(&pcm))]).expect("it plays");
        return;
    }
    if let Habit::Greets(recording) | Habit::Announced(recording) = habit {
        sleep(LIFTS).await;
        let clip = Arc::new(Clip::from_pcm(&samples(&repository(recording))));
        media.play(PlayId(1), vec![clip]).expect("it plays");
        sleep(LISTENS).await;
        return;
    }
    sleep(NOTICE).await;
    for key in keys.chars() {
        media.send_digit(key, HELD).expect("a key");
        sleep(HELD).await;
        pressed(key);
        sleep(BETWEEN_KEYS - HELD).await;
    }
}

/// The signal to speak: half a second of silence, then of 1,000 Hz, at 8 kHz.
fn beep() -> Vec<i16> {
    let tone = |n: i16| (8_000.0 * (f32::from(n) * std::f32::consts::TAU / 8.0).sin()) as i16;
    (0..4_000).map(|_| 0).chain((0..4_000).map(tone)).collect()
}

async fn ended(dialog: &mut Dialog) {
    while let Some(event) = dialog.next().await {
        if matches!(event, DialogEvent::Ended(_)) {
            return;
        }
    }
}
