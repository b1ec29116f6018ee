//! The thread that is all telephones: sockets, time, and the tally.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use socket2::SockRef;

use super::figures::{Report, Server, Spread};
use super::process::Process;
use super::signalling::{Message, Method, Script};
use super::telephone::{Asked, Due, State, Telephone, Up, Voice};
use super::{Load, sound};
use crate::clock::monotonic;
use crate::media::Clip;
use crate::media::ports::{PortPair, PortPool};
use crate::media::rtcp;
use crate::media::rtp::Packet;
use crate::media::wheel::Wheel;
use crate::units::PTIME;

/// Calls that share a pair of audio sockets; the far end's ports tell them apart.
const CALLS_PER_SOCKET: usize = 128;
/// Receive buffer of each socket, in octets, where the system allows it: half a second of its calls.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Largest datagram taken in.
const MAX_DATAGRAM: usize = 4_096;
/// How often the sockets are looked at, and so the finest that is measured. They are polled rather than waited for, since
/// over loopback it is the sender who pays for waking a receiver, which over a network no server does.
const POLL: Duration = Duration::from_micros(250);
/// How often unanswered requests, and what the watched process uses, are looked at.
const ROUND: Duration = Duration::from_millis(100);
/// How long answers and packets on their way are waited for after the last BYE.
const AFTERMATH: Duration = Duration::from_millis(200);

/// See the module's documentation.
pub struct Exchange {
    load: Load,
    script: Script,
    sip: UdpSocket,
    audio: Vec<PortPair>,
    timer: OwnedFd,
    clip: Arc<Clip>,
    process: Option<Process>,
    origin: Instant,
    calls: Vec<Telephone>,
    /// The call behind each RTP port of the far end.
    by_port: BTreeMap<u16, usize>,
    wheel: Wheel,
    tally: Tally,
}

/// What is counted while it runs.
#[derive(Default)]
struct Tally {
    report: Report,
    up: usize,
    over: usize,
    setup_us: Vec<u32>,
    teardown_us: Vec<u32>,
    lateness_us: Vec<u32>,
    steady: Steady,
}

/// The span in which all calls were up.
#[derive(Default)]
struct Steady {
    began: Option<(Instant, Duration)>,
    ended: Option<(Instant, Duration)>,
}

impl Exchange {
    /// Opens sockets.
    pub fn new(load: Load) -> anyhow::Result<Self> {
        let any: IpAddr = if load.peer.is_ipv4() { [0, 0, 0, 0].into() } else { [0; 16].into() };
        let sip = UdpSocket::bind((any, 0)).context("no socket for signalling")?;
        sip.connect(load.peer).with_context(|| format!("{} cannot be reached", load.peer))?;
        sip.set_nonblocking(true)?;
        let local = sip.local_addr()?;
        let pool = PortPool::new(local.ip(), load.ports);
        let sockets = if load.audio { load.calls.div_ceil(CALLS_PER_SOCKET) } else { 1 };
        let audio = (0..sockets).map(|_| pool.lend()).collect::<Result<Vec<_>, _>>()?;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        for socket in audio.iter().flat_map(|pair| [&pair.rtp, &pair.rtcp]).chain([&sip]) {
            SockRef::from(socket).set_recv_buffer_size(RECEIVE_BUFFER)?;
        }
        let now = monotonic();
        Ok(Self {
            script: Script::new(load.uri.clone(), local, rand::random()),
            sip,
            audio,
            timer,
            clip: Arc::new(Clip::from_pcm(&sound::voice(load.voice.as_deref())?)),
            process: load.pid.map(Process::new).transpose()?,
            origin: now,
            calls: Vec::with_capacity(load.calls),
            by_port: BTreeMap::new(),
            wheel: Wheel::new(now, load.calls),
            tally: Tally::default(),
            load,
        })
    }

    /// Runs all calls to their end.
    pub fn run(mut self) -> anyhow::Result<Report> {
        let idle = self.process.map(|p| Ok::<_, anyhow::Error>((p.cpu()?, p.resident_kb()?))).transpose()?;
        self.arm()?;
        self.origin = monotonic();
        let mut next_round = self.origin;
        let mut ended: Option<Instant> = None;
        let mut peak_kb = 0;
        while ended.is_none_or(|at| at.elapsed() < AFTERMATH) {
            rustix::io::read(&self.timer, &mut [0; 8])?;
            self.receive()?;
            let now = monotonic();
            self.begin_due(now)?;
            self.speak()?;
            self.leave_due(now)?;
            if now >= next_round {
                next_round = now + ROUND;
                self.repeat(now)?;
                if let Some(process) = self.process {
                    peak_kb = process.resident_kb()?.max(peak_kb);
                    self.steady(process.cpu()?, now);
                }
            }
            if self.tally.over == self.load.calls && ended.is_none() {
                ended = Some(now);
            }
        }
        let ended = ended.unwrap_or_else(monotonic);
        self.finish(ended, idle, peak_kb)
    }

    /// Rings those that are due; no more at once than the kernel surely buffers.
    fn begin_due(&mut self, now: Instant) -> io::Result<()> {
        const BURST: usize = 20;
        let elapsed = now.saturating_duration_since(self.origin).as_secs_f64();
        let due = ((elapsed * self.load.per_second) as usize + 1).min(self.load.calls);
        for call in self.calls.len()..due.min(self.calls.len() + BURST) {
            let pair = &self.audio[call / CALLS_PER_SOCKET % self.audio.len()];
            let local = self.sip.local_addr()?.ip();
            let invite = self.script.invite(call, SocketAddr::new(local, pair.port()));
            let sent = monotonic();
            send(&self.sip, invite.as_bytes())?;
            let packets = if self.load.audio { self.load.duration.as_millis() / PTIME.as_millis() + 100 } else { 0 };
            self.calls.push(Telephone::new(invite, packets as usize, sent));
        }
        Ok(())
    }

    /// Sends what the calls say in the steps that are due.
    fn speak(&mut self) -> io::Result<()> {
        while let Some(due) = self.wheel.due(monotonic()) {
            let late = monotonic().saturating_duration_since(due.at);
            for n in 0..self.wheel.calls(due.phase).len() {
                let Some(call) = self.wheel.calls(due.phase).get(n).copied().map(|call| call as usize) else { break };
                let Some(voice) = self.calls[call].voice.as_mut() else { continue };
                self.tally.lateness_us.push(micros(late));
                let socket = &self.audio[call / CALLS_PER_SOCKET % self.audio.len()].rtp;
                voice.tick(due.at, |datagram, to| {
                    let _ = socket.send_to(datagram, to); // What is not sent, the far end reports as lost.
                });
            }
        }
        Ok(())
    }

    /// Hangs up where the time has come.
    fn leave_due(&mut self, now: Instant) -> io::Result<()> {
        // Calls are answered about in order; those that are up the longest stand first.
        for call in 0..self.calls.len() {
            let telephone = &mut self.calls[call];
            let State::Up(up) = &telephone.state else { continue };
            if now.saturating_duration_since(up.since) < self.load.duration {
                continue;
            }
            let bye = self.script.bye(call, &up.to, &up.contact);
            send(&self.sip, bye.as_bytes())?;
            self.tally.report.call_seconds += now.saturating_duration_since(up.since).as_secs_f64();
            telephone.asked = Some(Asked::new(Method::Bye, bye, now));
            telephone.state = State::Leaving;
            self.silence(call);
        }
        Ok(())
    }

    fn silence(&mut self, call: usize) {
        self.tally.up -= 1;
        if let Some(voice) = self.calls[call].voice.take() {
            self.tally.report.packets_sent += voice.sent();
        }
    }

    /// Sends again what was not answered.
    fn repeat(&mut self, now: Instant) -> io::Result<()> {
        for call in 0..self.calls.len() {
            let Some(asked) = &mut self.calls[call].asked else { continue };
            match asked.due(now) {
                Due::Wait => {}
                Due::Again => {
                    self.tally.report.retransmissions += 1;
                    send(&self.sip, asked.request.as_bytes())?;
                }
                Due::GiveUp => {
                    let why = match asked.method {
                        Method::Invite => "no answer",
                        Method::Bye => "no answer to BYE",
                    };
                    self.over(call, Some(why.into()));
                }
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> anyhow::Result<()> {
        let mut datagram = [0; MAX_DATAGRAM];
        while let Ok(len) = self.sip.recv(&mut datagram) {
            if let Ok(text) = std::str::from_utf8(&datagram[..len]) {
                self.signalled(text)?;
            }
        }
        for n in 0..self.audio.len() {
            while let Ok((len, from)) = self.audio[n].rtp.recv_from(&mut datagram) {
                self.heard(&datagram[..len], from);
            }
            while let Ok((len, from)) = self.audio[n].rtcp.recv_from(&mut datagram) {
                self.told(&datagram[..len], from);
            }
        }
        Ok(())
    }

    fn heard(&mut self, datagram: &[u8], from: SocketAddr) {
        let Some(telephone) = self.by_port.get(&from.port()).and_then(|call| self.calls.get_mut(*call)) else { return };
        let Ok(packet) = Packet::parse(datagram) else { return };
        let now = monotonic();
        let at_us = now.saturating_duration_since(self.origin).as_micros() as i64;
        telephone.hear(&packet, now, at_us);
    }

    /// A report of the far end, which comes from the port above that of its audio.
    fn told(&mut self, datagram: &[u8], from: SocketAddr) {
        let call = from.port().checked_sub(1).and_then(|port| self.by_port.get(&port));
        let Some(telephone) = call.and_then(|call| self.calls.get_mut(*call)) else { return };
        let report = telephone.ssrc.and_then(|ssrc| rtcp::parse(datagram, ssrc).ok());
        if let Some(block) = report.and_then(|report| report.about_us) {
            telephone.lost_at_peer = block.lost;
        }
    }

    fn signalled(&mut self, text: &str) -> anyhow::Result<()> {
        let now = monotonic();
        match self.script.read(text) {
            Some(Message::Bye { call }) if call < self.calls.len() => {
                send(&self.sip, Script::ok(text).as_bytes())?;
                if matches!(self.calls[call].state, State::Up(_)) {
                    self.silence(call);
                    self.over(call, Some("hung up".into()));
                }
            }
            Some(Message::Response { call, status, method, to, contact, rtp }) if call < self.calls.len() => {
                match method {
                    Method::Invite => self.invited(call, status, to, contact, rtp, now)?,
                    Method::Bye => self.left(call, status, now),
                }
            }
            Some(Message::Bye { .. } | Message::Response { .. }) | None => {}
        }
        Ok(())
    }

    fn invited(
        &mut self,
        call: usize,
        status: u16,
        to: &str,
        contact: Option<&str>,
        rtp: Option<SocketAddr>,
        now: Instant,
    ) -> anyhow::Result<()> {
        if status < 200 {
            return Ok(());
        }
        let contact = contact.unwrap_or(&self.load.uri);
        // Each 200 is acknowledged, the first and every repetition (RFC 3261 §13.2.2.4).
        let ack = self.script.ack(call, to, (status < 300).then_some(contact));
        send(&self.sip, ack.as_bytes())?;
        let telephone = &mut self.calls[call];
        if !matches!(telephone.state, State::Inviting) {
            return Ok(());
        }
        if status >= 300 {
            self.over(call, Some(status.to_string()));
            return Ok(());
        }
        telephone.asked = None;
        self.tally.setup_us.push(micros(now.saturating_duration_since(telephone.begun)));
        telephone.state = State::Up(Up { since: monotonic(), to: to.to_owned(), contact: contact.to_owned() });
        self.tally.up += 1;
        self.tally.report.most_at_once = self.tally.report.most_at_once.max(self.tally.up);
        if self.load.audio {
            let remote = rtp.context("a 200 without an audio address")?;
            let voice = Voice::new(&self.clip, remote, self.load.duration, self.load.key, now);
            telephone.ssrc = Some(voice.ssrc());
            telephone.voice = Some(voice);
            self.by_port.insert(remote.port(), call);
            self.wheel.insert(call as u32);
        }
        Ok(())
    }

    fn left(&mut self, call: usize, status: u16, now: Instant) {
        let telephone = &self.calls[call];
        if status < 200 || !matches!(telephone.state, State::Leaving) {
            return;
        }
        if let Some(asked) = &telephone.asked {
            self.tally.teardown_us.push(micros(asked.age(now)));
        }
        let silent = self.load.audio && telephone.first_audio.is_none();
        let why = if status >= 300 { Some(status.to_string()) } else { silent.then(|| "no audio".to_owned()) };
        self.over(call, why);
    }

    fn over(&mut self, call: usize, why: Option<String>) {
        self.calls[call].state = State::Over;
        self.calls[call].asked = None;
        self.tally.over += 1;
        match why {
            Some(why) => *self.tally.report.failed.entry(why).or_default() += 1,
            None => self.tally.report.completed += 1,
        }
    }

    /// Notes what the process used when the last call came up, and before the first one ends.
    fn steady(&mut self, cpu: Duration, now: Instant) {
        let all_up = self.tally.up == self.load.calls;
        let steady = &mut self.tally.steady;
        if all_up && steady.began.is_none() {
            steady.began = Some((now, cpu));
        }
        if all_up {
            steady.ended = Some((now, cpu));
        }
    }

    fn finish(mut self, ended: Instant, idle: Option<(Duration, u64)>, peak_kb: u64) -> anyhow::Result<Report> {
        let mut report = std::mem::take(&mut self.tally.report);
        report.calls = self.calls.len();
        report.seconds = ended.saturating_duration_since(self.origin).as_secs_f64();
        let mut errors_us = Vec::new();
        let mut first_us = Vec::new();
        for telephone in self.calls {
            let heard = telephone.meter.finish();
            errors_us.extend(heard.errors_us);
            report.packets_expected += heard.expected;
            report.packets_received += heard.received;
            report.lost_at_peer += i64::from(telephone.lost_at_peer);
            first_us.extend(telephone.first_audio.map(micros));
        }
        report.pacing = Spread::of(errors_us);
        report.first_audio = Spread::of(first_us);
        report.setup = Spread::of(self.tally.setup_us);
        report.teardown = Spread::of(self.tally.teardown_us);
        report.own_lateness = Spread::of(self.tally.lateness_us);
        if let (Some(process), Some((cpu_before, idle_kb))) = (self.process, idle) {
            let cpu_ms = process.cpu()?.saturating_sub(cpu_before).as_secs_f64() * 1e3;
            let steady = &self.tally.steady;
            let steady_ms_per_call_second = steady.began.zip(steady.ended).and_then(|((from, before), (to, after))| {
                let call_seconds = to.saturating_duration_since(from).as_secs_f64() * self.load.calls as f64;
                let used = after.saturating_sub(before).as_secs_f64() * 1e3;
                (to.saturating_duration_since(from) >= Duration::from_secs(1)).then_some(used / call_seconds)
            });
            report.server = Some(Server {
                cpu_ms_per_call_second: cpu_ms / report.call_seconds.max(f64::MIN_POSITIVE),
                steady_ms_per_call_second,
                cpu_ms_per_call: cpu_ms / report.calls.max(1) as f64,
                idle_kb,
                peak_kb,
                kb_per_call: peak_kb.saturating_sub(idle_kb) as f64 / report.most_at_once.max(1) as f64,
            });
        }
        Ok(report)
    }

    /// Starts the timer.
    fn arm(&self) -> io::Result<()> {
        let every = Timespec { tv_sec: 0, tv_nsec: i64::from(POLL.subsec_nanos()) };
        let spec = Itimerspec { it_interval: every, it_value: every };
        rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec)?;
        Ok(())
    }
}

/// Sends a message. One that finds no room is sent again when its time comes, as one lost on the way is.
fn send(socket: &UdpSocket, message: &[u8]) -> io::Result<()> {
    match socket.send(message) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused) => Ok(()),
        Err(error) => Err(error),
    }
}

fn micros(span: Duration) -> u32 {
    u32::try_from(span.as_micros()).unwrap_or(u32::MAX)
}
