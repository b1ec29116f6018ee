//! What an engine thread costs with its sockets: recorded calls that play a prompt, while telephones of this process, on
//! another core, speak to them and measure what they hear. `cargo bench --bench engine -- CALLS SECONDS THREADS`; the
//! program under target/ may be run as it is, by `chrt -f 10` where other work would disturb it.

#![expect(clippy::print_stdout, reason = "a measurement that prints its figures")]

use std::collections::HashMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use minxin::call::stream::{Codec, Stream};
use minxin::clock::monotonic;
use minxin::ids::CallId;
use minxin::media::rtp::{Packet, Timestamp};
use minxin::media::sender::Sender;
use minxin::media::{Clip, Engine, MediaConfig, MediaSession, PlayId, Recording};
use rustix::thread::{CpuSet, Pid, sched_setaffinity};

/// Calls that share one socket of the telephones.
const CALLS_PER_SOCKET: usize = 128;
/// How often the telephones look at their sockets: the finest that is measured.
const POLL: Duration = Duration::from_micros(500);
/// Polls in a millisecond, which is a phase of the calls.
const POLLS_PER_PHASE: u32 = 2;
/// Phases of 20 ms.
const PHASES: usize = 20;
/// Microseconds of one sample at 8 kHz.
const MICROS_PER_SAMPLE: i64 = 125;
/// Packets of a call that are not judged: until the engine has found its pace.
const WARM_UP: usize = 100;

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    // `cargo test` runs benches too, without this.
    if !std::env::args().any(|arg| arg == "--bench") && numbers.is_empty() {
        return;
    }
    let number = |n: usize, usual| numbers.get(n).copied().unwrap_or(usual);
    let (calls, seconds, threads) = (number(0, 500), number(1, 8), number(2, 1));
    let folder = tempfile::tempdir().expect("a folder");
    let config = MediaConfig { address: Ipv4Addr::LOCALHOST.into(), ports: (21_000, 30_999), threads };
    let engine = Engine::start(config).expect("an engine");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // Each engine thread a core of its own, from the first on; all else but the telephones is on the first.
    for (id, name, _) in tasks() {
        let thread = name.strip_prefix("media-").and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
        pin(id, thread % cores);
    }

    let clip = Arc::new(Clip::from_pcm(&voice()));
    let sockets: Vec<UdpSocket> = (0..calls.div_ceil(CALLS_PER_SOCKET)).map(|_| socket()).collect();
    let (sessions, telephones) = (0..calls)
        .map(|n| {
            let peer = sockets[n / CALLS_PER_SOCKET].local_addr().expect("bound");
            call(&engine, n, peer, &clip, folder.path())
        })
        .unzip::<_, _, Vec<MediaSession>, Vec<Telephone>>();
    let stop = Arc::new(AtomicBool::new(false));
    let speaking = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            pin(rustix::thread::gettid(), cores - 1);
            speak(telephones, &sockets, &stop)
        }
    });

    std::thread::sleep(Duration::from_secs(2));
    let (before, at) = (tasks(), monotonic());
    std::thread::sleep(Duration::from_secs(seconds as u64));
    let (after, call_seconds) = (tasks(), at.elapsed().as_secs_f64() * calls as f64);
    stop.store(true, Ordering::Relaxed);
    let errors_us = speaking.join().expect("the telephones");
    for (id, name, used_ms) in after {
        let earlier = before.iter().find(|task| task.0 == id).map_or(0.0, |task| task.2);
        if name.starts_with("media-") {
            println!("{name:14} {:.3} ms a call and second", (used_ms - earlier) / call_seconds);
        }
    }
    let of = |share: f64| errors_us.get(((errors_us.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or(0);
    println!("pacing error   p50 {} us, p99 {} us, p99.9 {} us", of(0.5), of(0.99), of(0.999));
    let stats = engine.stats();
    println!("dropped {}, not sent {}", stats.taps_dropped, stats.send_errors);
    drop(sessions);
}

/// A telephone: what it says, and to whom.
struct Telephone {
    sender: Sender,
    stream: Stream,
}

/// One recorded call that plays, and its telephone.
fn call(engine: &Engine, n: usize, peer: SocketAddr, clip: &Arc<Clip>, folder: &Path) -> (MediaSession, Telephone) {
    let session = engine.open(CallId::fresh()).expect("a session");
    let stream =
        |remote| Stream { send_event_type: Some(101), recv_event_type: Some(101), ..Stream::new(remote, Codec::Pcma) };
    session.connect(stream(peer)).expect("taken");
    session.record(Recording { path: folder.join(format!("{n}.wav")), origin: monotonic() }).expect("taken");
    session.play(PlayId(1), vec![Arc::clone(clip); 20]).expect("taken");
    std::thread::sleep(Duration::from_micros(700)); // As calls come, not all in one millisecond.
    let mut sender = Sender::new(n as u32 + 1, n as u64 * 77 + 5);
    sender.player.play(PlayId(0), vec![Arc::clone(clip); 20]);
    let remote = session.local_rtp();
    (session, Telephone { sender, stream: stream(remote) })
}

/// Speaks until told to stop. How late each packet came against its stream's own timestamps through the earliest one, in
/// microseconds and in order.
fn speak(mut telephones: Vec<Telephone>, sockets: &[UdpSocket], stop: &AtomicBool) -> Vec<i64> {
    let origin = monotonic();
    let mut heard: HashMap<u16, (Timestamp, Vec<i64>)> = HashMap::new();
    let mut datagram = [0; 2_048];
    for poll in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        std::thread::sleep((origin + POLL * poll).saturating_duration_since(monotonic()));
        if poll % POLLS_PER_PHASE == 0 {
            let phase = (poll / POLLS_PER_PHASE) as usize;
            let due = telephones.iter_mut().enumerate().skip(phase % PHASES).step_by(PHASES);
            for (n, Telephone { sender, stream }) in due {
                let to = stream.remote_rtp;
                sender.tick(stream, (phase / PHASES) as i64 * 160, |datagram| {
                    let _ = sockets[n / CALLS_PER_SOCKET].send_to(datagram, to); // Lost, as on a network.
                });
            }
        }
        for socket in sockets {
            while let Ok((len, from)) = socket.recv_from(&mut datagram) {
                let Ok(packet) = Packet::parse(&datagram[..len]) else { continue };
                let at_us = monotonic().saturating_duration_since(origin).as_micros() as i64;
                let (first, late) = heard.entry(from.port()).or_insert((packet.header.timestamp, Vec::new()));
                late.push(at_us - i64::from(packet.header.timestamp.since(*first)) * MICROS_PER_SAMPLE);
            }
        }
    }
    let mut errors_us = Vec::new();
    for (_, late) in heard.values() {
        let judged = late.get(WARM_UP..).unwrap_or_default();
        let earliest = judged.iter().min().copied().unwrap_or(0);
        errors_us.extend(judged.iter().map(|late| late - earliest));
    }
    errors_us.sort_unstable();
    errors_us
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.set_nonblocking(true).expect("not blocking");
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20); // As much as the system allows.
    socket
}

/// Somebody who speaks for 2.4 s and pauses for 0.8 s.
fn voice() -> Vec<i16> {
    use std::f32::consts::TAU;
    let sample = |n: usize| {
        let t = n as f32 / 8_000.0;
        let phase = TAU * (130.0 * t + 1.5 * (TAU * 1.7 * t).sin());
        let voiced: f32 = (1..12).map(|k| (phase * k as f32).sin() / k as f32).sum();
        if n % 25_600 < 19_200 { (voiced * (TAU * 2.0 * t).sin().abs() * 4_000.0) as i16 } else { 0 }
    };
    (0..102_400).map(sample).collect()
}

/// This process's threads: number, name, and processor time so far in ms.
fn tasks() -> Vec<(Pid, String, f64)> {
    let folders = fs::read_dir("/proc/self/task").expect("Linux").filter_map(Result::ok);
    let task = |folder: fs::DirEntry| {
        let id = Pid::from_raw(folder.file_name().to_str()?.parse().ok()?)?;
        let name = fs::read_to_string(folder.path().join("comm")).ok()?.trim().to_owned();
        let used = fs::read_to_string(folder.path().join("schedstat")).ok()?;
        let used_ns: f64 = used.split(' ').next()?.parse().ok()?;
        Some((id, name, used_ns / 1e6))
    };
    folders.filter_map(task).collect()
}

fn pin(thread: Pid, core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    let _ = sched_setaffinity(Some(thread), &cores); // Elsewhere it costs more and works as well.
}
