//! One call's audio, without its sockets: datagrams and ticks in, packets, events and audio out.
//!
//! Owns no socket, clock, thread or lock, and allocates nothing once made, so that a call can be run again from its
//! packets and times with identical results.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::codec::{self, Coder};
use super::event::{MediaEvent, RecordingFault};
use super::g711::Law;
use super::junction::{Junction, Plug};
use super::latch::{Latch, Verdict};
use super::player::Finished;
use super::quality::{CallQuality, mos};
use super::receiver::{Kind, Receiver, samples};
use super::rtcp::{self, NtpTime};
use super::rtp::{Header, Packet};
use super::sender::Sender;
use super::srtp;
use super::tape::{Frame, Shelf, Tape, TapeItem};
use super::vad::SILENT;
use crate::call::stream::Stream;
use crate::units::{FRAME_SAMPLES, NARROWBAND_HZ};

/// No valid packet for this long is reported.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// Audio from before [`Leg::listen`] that the listener gets: 500 ms, in frames.
const PRE_ROLL: usize = 25;
/// Longest packet that is opened or protected, in octets; no telephone's comes near it.
const MAX_PROTECTED: usize = 1_500;
/// Static payload type of comfort noise (RFC 3389).
const COMFORT_NOISE: u8 = 13;

/// Where a leg's output goes. The engine thread's side of a call; tests have their own.
pub trait Outlet: Shelf {
    /// Sends a datagram from the RTP socket; false where the system refused.
    fn rtp(&mut self, datagram: &[u8], to: SocketAddr) -> bool;
    /// Sends a datagram from the RTCP socket.
    fn rtcp(&mut self, datagram: &[u8], to: SocketAddr);
    /// Something happened.
    fn event(&mut self, event: MediaEvent);
    /// A playback is over.
    fn finished(&mut self, finished: Finished);
    /// A line of a bridge is over: to be freed, not here.
    fn unplugged(&mut self, plug: Plug);
    /// The caller's audio, for the listener; false where it was dropped.
    fn heard(&mut self, at: i64, frame: &[i16; FRAME_SAMPLES]) -> bool;
}

/// See the module's documentation.
pub struct Leg {
    opened: Instant,
    ntp_opened: NtpTime,
    cname: [u8; 16],
    link: Option<Link>,
    sender: Sender,
    receiver: Receiver,
    junction: Junction,
    /// Level of our last frame, in dBov.
    sent_level: f32,
    tape: Option<Tape>,
    /// The end of a recording that the writer had no room for yet.
    untold: Option<TapeItem>,
    listening: bool,
    pre_roll: PreRoll,
    next_report: Duration,
    /// Middle NTP time of the peer's last sender report, and when it came.
    last_sender_report: Option<(u32, Duration)>,
    last_valid: Duration,
    silent_reported: Duration,
    figures: CallQuality,
}

/// A stream and its peer.
struct Link {
    stream: Stream,
    /// What protects it, where it is protected.
    srtp: Option<Box<srtp::Session>>,
    latch: Latch,
    since: Duration,
}

impl Leg {
    /// A leg that opens at `opened`, wall clock `ntp_opened`, with a random identity.
    pub fn new(opened: Instant, ntp_opened: NtpTime, ssrc: u32, random: u64) -> Self {
        let mut cname = [0; 16];
        for (n, digit) in cname.iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[(random >> (4 * n)) as usize & 0xF]; // RFC 7022 §4.2: random, per call.
        }
        Self {
            opened,
            ntp_opened,
            cname,
            link: None,
            sender: Sender::new(ssrc, random),
            receiver: Receiver::new(),
            junction: Junction::default(),
            sent_level: SILENT,
            tape: None,
            untold: None,
            listening: false,
            pre_roll: PreRoll::default(),
            next_report: rtcp::INTERVAL,
            last_sender_report: None,
            last_valid: Duration::ZERO,
            silent_reported: Duration::ZERO,
            figures: CallQuality::default(),
        }
    }

    /// Obeys a negotiated stream, the first or a later one; `coder` is made for it. Where its keys are new, this
    /// allocates.
    pub fn connect(&mut self, stream: Stream, coder: Coder, now: Instant) {
        let now = self.since_opening(now);
        let codec = stream.codec;
        let same = |before: &Link| before.stream.codec == codec && before.stream.opus == stream.opus;
        if !self.link.as_ref().is_some_and(same) {
            self.receiver.change_codec(codec, coder.decoder);
            self.sender.change_codec(codec, coder.encoder);
            if let Some(tape) = &mut self.tape {
                tape.set_law(Law::of(codec));
            }
        }
        self.receiver.set_event_clock(stream.event_hz);
        let mut srtp = None;
        let latch = match self.link.take() {
            Some(before) => {
                srtp = before.srtp;
                if let (Some(srtp), Some(keys)) = (&mut srtp, &stream.srtp) {
                    srtp.agree(keys);
                }
                if !before.stream.direction.receives() {
                    self.receiver.resumed();
                }
                before.latch.reopen(stream.remote_rtp, now)
            }
            None => Latch::new(stream.remote_rtp, now),
        };
        let srtp = stream.srtp.as_deref().map(|keys| srtp.unwrap_or_else(|| Box::new(srtp::Session::new(keys))));
        self.link = Some(Link { stream, srtp, latch, since: now });
        self.last_valid = now;
        self.silent_reported = now;
    }

    /// Takes up one end of a line of a bridge.
    pub fn plug(&mut self, plug: Plug, outlet: &mut impl Outlet) {
        self.junction.plug(plug, |plug| outlet.unplugged(plug));
    }

    /// The peer's address, once RTP from any other would be dropped until the next [`Self::connect`]. The port of a browser
    /// stays open to its connectivity checks, which come from wherever it moves to.
    pub fn settled(&self) -> Option<SocketAddr> {
        self.link.as_ref().filter(|link| !link.is_muxed()).and_then(|link| link.latch.settled())
    }

    /// What is played and which digits are sent.
    pub fn sender(&mut self) -> &mut Sender {
        &mut self.sender
    }

    /// Begins a recording under this number, whose time axis begins at `origin`, before `now` or then; false when one is
    /// running.
    pub fn record(&mut self, recording: u64, origin: Instant, now: Instant, outlet: &mut impl Outlet) -> bool {
        if self.tape.is_some() {
            return false;
        }
        let law = self.link.as_ref().map_or(Law::A, |link| Law::of(link.stream.codec));
        // A party that joins a call is recorded on the call's axis, which began before its session did.
        let origin = match self.opened.checked_duration_since(origin) {
            Some(before) => -samples(before),
            None => samples(self.since_opening(origin)),
        };
        self.tape = Some(Tape::new(recording, law, origin, samples(self.since_opening(now)), outlet));
        true
    }

    /// Whether the caller's audio goes to the listener; at the beginning, what was just said goes first.
    pub fn listen(&mut self, on: bool, outlet: &mut impl Outlet) {
        if on && !self.listening {
            for (at, frame) in self.pre_roll.frames() {
                self.figures.tap_dropped += u64::from(!outlet.heard(at, frame));
            }
        }
        self.listening = on;
    }

    /// Takes in a datagram from the RTP socket.
    pub fn rtp_datagram(&mut self, datagram: &[u8], from: SocketAddr, now: Instant, outlet: &mut impl Outlet) {
        let now = self.since_opening(now);
        let Some(link) = &mut self.link else { return };
        if link.is_muxed() && is_rtcp(datagram) {
            return self.rtcp_in_link(datagram, from, now);
        }
        let kind = Header::parse(datagram).ok().and_then(|(header, _)| link.kind(header.payload_type));
        let mut buffer; // Filled for a protected packet only: most are not.
        let datagram = match &mut link.srtp {
            // Who cannot be the peer is not worth the reckoning, and must not use up an index.
            Some(_) if link.latch.excludes(from) => {
                self.figures.foreign += 1;
                return;
            }
            Some(srtp) if kind.is_some() => {
                buffer = [0; MAX_PROTECTED];
                let Some(opened) = opened(datagram, &mut buffer, |copied| srtp.open(copied)) else {
                    self.figures.unauthentic += 1;
                    return;
                };
                opened
            }
            Some(_) | None => datagram,
        };
        let (Ok(packet), Some(kind)) = (Packet::parse(datagram), kind) else {
            self.figures.invalid += 1;
            return;
        };
        match link.latch.judge(from, &packet.header, now) {
            Verdict::Accept | Verdict::Latched => {}
            Verdict::Candidate => return,
            Verdict::Foreign => {
                self.figures.foreign += 1;
                return;
            }
        }
        self.last_valid = now;
        if self.figures.first_packet.is_none() {
            self.figures.first_packet = Some(now);
            outlet.event(MediaEvent::FirstPacket { at: now });
        }
        if link.stream.direction.receives() {
            self.receiver.packet(&packet, kind, now, |event| outlet.event(event));
        }
    }

    /// Takes in a datagram from the RTCP socket.
    pub fn rtcp_datagram(&mut self, datagram: &[u8], from: SocketAddr, now: Instant) {
        self.rtcp_in_link(datagram, from, self.since_opening(now));
    }

    fn rtcp_in_link(&mut self, datagram: &[u8], from: SocketAddr, now: Duration) {
        let Some(link) = &mut self.link else { return };
        if from.ip() != link.remote_rtcp().ip() {
            self.figures.foreign += 1;
            return;
        }
        let mut buffer;
        let datagram = match &mut link.srtp {
            Some(srtp) => {
                buffer = [0; MAX_PROTECTED];
                let Some(opened) = opened(datagram, &mut buffer, |copied| srtp.open_rtcp(copied)) else {
                    self.figures.unauthentic += 1;
                    return;
                };
                opened
            }
            None => datagram,
        };
        let Ok(received) = rtcp::parse(datagram, self.sender.ssrc) else {
            self.figures.invalid += 1;
            return;
        };
        if let Some((ssrc, info)) = received.sender
            && Some(ssrc) == self.receiver.ssrc()
        {
            self.last_sender_report = Some((info.ntp.middle(), now));
        }
        if let Some(block) = received.about_us {
            self.figures.remote_loss = Some(f32::from(block.fraction_lost) / 256.0);
            if block.last_report != 0 {
                let sent = block.last_report.wrapping_add(block.since_last_report);
                let trip = self.ntp(now).middle().wrapping_sub(sent);
                // A peer that counts its own delay wrongly would make the trip negative.
                self.figures.round_trip = Some(rtcp::span(trip)).filter(|trip| *trip < Duration::from_secs(60));
            }
        }
    }

    /// Plays, sends, records and reports 20 ms that were due at `due`; it is `now`.
    pub fn tick(&mut self, due: Instant, now: Instant, outlet: &mut impl Outlet) {
        let at = self.since_opening(due);
        let clock = samples(at);
        let mut heard = [0; FRAME_SAMPLES];
        let lag = self.receive(at, &mut heard, outlet);
        self.converse(&heard, outlet);
        let right = self.send(at, now.saturating_duration_since(due), outlet);
        self.pre_roll.push(clock, &heard);
        if self.listening {
            self.figures.tap_dropped += u64::from(!outlet.heard(clock, &heard));
        }
        let quiet = self.receiver.quiet();
        let left_at = clock - i64::from(lag);
        self.tape(&Frame { at: clock, right: right.as_ref(), left_at, left: &heard, quiet }, outlet);
        self.watch(at, outlet);
        if at >= self.next_report {
            self.next_report = at + rtcp::INTERVAL;
            self.report(at, false, outlet);
        }
    }

    /// Ends recording, playback and stream. False when the writer has no room yet for the end: ask again.
    pub fn finish(&mut self, now: Instant, outlet: &mut impl Outlet) -> bool {
        if self.link.is_some() {
            self.report(self.since_opening(now), true, outlet);
            self.link = None;
        }
        if let Some(finished) = self.sender.player.stop() {
            outlet.finished(finished);
        }
        self.end_tape(outlet);
        self.untold.is_none()
    }

    /// The levels of the last frame received and of the last one sent, in dBov.
    pub fn levels(&self) -> (f32, f32) {
        let receives = self.link.as_ref().is_some_and(|link| link.stream.direction.receives());
        (if receives { self.receiver.level() } else { SILENT }, self.sent_level)
    }

    /// How long the caller's audio waits in the buffers, in samples after the fastest packets; `None` before there is any.
    pub fn wait(&self) -> Option<i32> {
        self.receiver.wait()
    }

    /// The call in figures.
    pub fn figures(&mut self) -> CallQuality {
        let counters = self.receiver.counters();
        let target = self.receiver.target();
        let (share, bursts) = (self.receiver.concealed_share(), self.receiver.burst_ratio());
        let reception = self.receiver.reception();
        let per_ms = NARROWBAND_HZ as f32 / 1_000.0;
        let buffered = Duration::from_millis(u64::try_from(target / 8).unwrap_or(0));
        let way = self.figures.round_trip.map_or(Duration::ZERO, |trip| trip / 2);
        CallQuality {
            packets_received: reception.received(),
            lost: reception.lost(),
            late: counters.late,
            duplicate: reception.duplicates(),
            concealed_ms: counters.concealed_cells * 10,
            jitter_ms: reception.jitter() as f32 / per_ms,
            buffer_ms: target as f32 / per_ms,
            mos: mos(share, bursts, buffered + way),
            ..self.figures
        }
    }

    fn receive(&mut self, at: Duration, heard: &mut [i16; FRAME_SAMPLES], outlet: &mut impl Outlet) -> i32 {
        match &self.link {
            Some(link) if link.stream.direction.receives() => {
                self.receiver.frame(at, self.sent_level, heard, |event| outlet.event(event))
            }
            Some(_) | None => 0,
        }
    }

    /// Passes what the peer says to the others of a bridge, and what they say to the sender.
    fn converse(&mut self, heard: &[i16; FRAME_SAMPLES], outlet: &mut impl Outlet) {
        let mixer = &mut self.sender.mixer;
        mixer.begin();
        let lost = self.junction.tick(heard, mixer, |plug| outlet.unplugged(plug));
        self.figures.bridge_lost += lost.unheard + lost.gaps;
    }

    /// Sends what is due; the audio that went out, if the stream lets us send.
    fn send(&mut self, at: Duration, late: Duration, outlet: &mut impl Outlet) -> Option<[u8; FRAME_SAMPLES]> {
        self.sent_level = SILENT;
        let link = self.link.as_mut()?;
        if !link.stream.direction.sends() {
            self.sender.hold();
            return None;
        }
        let to = link.latch.remote();
        let figures = &mut self.figures;
        let srtp = &mut link.srtp;
        let sent = self.sender.tick(&link.stream, samples(at), |datagram| {
            figures.packets_sent += 1;
            let sent = match srtp {
                Some(srtp) => {
                    let mut buffer = [0; MAX_PROTECTED];
                    let protected = copy(datagram, &mut buffer).map(|copied| copied.len());
                    let protected = protected.and_then(|len| srtp.protect(&mut buffer, len));
                    protected.is_some_and(|len| outlet.rtp(&buffer[..len], to))
                }
                None => outlet.rtp(datagram, to),
            };
            figures.send_errors += u64::from(!sent);
        });
        figures.pacing_error_max = figures.pacing_error_max.max(late);
        if sent.prompt && figures.first_audio_sent.is_none() {
            figures.first_audio_sent = Some((at + late).saturating_sub(link.since));
        }
        if let Some(finished) = sent.finished {
            outlet.finished(finished);
        }
        self.sent_level = sent.level;
        Some(sent.payload)
    }

    fn tape(&mut self, frame: &Frame<'_>, outlet: &mut impl Outlet) {
        self.tell_end(outlet);
        let Some(tape) = &mut self.tape else { return };
        self.figures.tap_dropped += tape.frame(frame, outlet);
        if tape.is_full() {
            outlet.event(MediaEvent::RecordingFailed { fault: RecordingFault::TooLong });
            self.end_tape(outlet);
        }
    }

    fn end_tape(&mut self, outlet: &mut impl Outlet) {
        if let Some(tape) = self.tape.take() {
            let (end, dropped) = tape.finish(outlet);
            self.figures.tap_dropped += dropped;
            self.untold = Some(end);
        }
        self.tell_end(outlet);
    }

    /// Tells the writer that a recording is over; later, where it has no room now.
    fn tell_end(&mut self, outlet: &mut impl Outlet) {
        if let Some(TapeItem::End { recording, samples }) = self.untold
            && outlet.give(TapeItem::End { recording, samples })
        {
            self.untold = None;
        }
    }

    fn watch(&mut self, at: Duration, outlet: &mut impl Outlet) {
        let Some(link) = &self.link else { return };
        if !link.stream.direction.receives() {
            self.last_valid = at;
        }
        if at.saturating_sub(self.last_valid.max(self.silent_reported)) >= SILENCE_LIMIT {
            self.silent_reported = at;
            outlet.event(MediaEvent::Silent { lasting: at - self.last_valid });
        }
    }

    fn report(&mut self, at: Duration, goodbye: bool, outlet: &mut impl Outlet) {
        let Some(link) = &self.link else { return };
        let (to, muxed) = (link.remote_rtcp(), link.is_muxed());
        let (packets, octets) = self.sender.counts();
        let rtp = self.sender.timestamp(samples(at)).0;
        let sender = (packets > 0).then(|| rtcp::SenderInfo { ntp: self.ntp(at), rtp, packets, octets });
        let block = self.receiver.ssrc().map(|ssrc| {
            let reception = self.receiver.reception();
            let (last_report, since) =
                self.last_sender_report.map_or((0, 0), |(middle, came)| (middle, rtcp::short(at.saturating_sub(came))));
            rtcp::ReportBlock {
                ssrc,
                fraction_lost: reception.fraction_lost(),
                lost: i32::try_from(reception.lost()).unwrap_or(i32::MAX),
                highest: reception.highest(),
                jitter: reception.jitter() * codec::factor(link.stream.codec),
                last_report,
                since_last_report: since,
            }
        });
        let report = rtcp::Report { ssrc: self.sender.ssrc, sender, block, cname: &self.cname, goodbye };
        let mut out = [0; rtcp::MAX_LEN + srtp::MAX_GROWTH];
        let len = out.first_chunk_mut().map_or(0, |out| report.write(out));
        let srtp = self.link.as_mut().and_then(|link| link.srtp.as_mut());
        let len = srtp.map_or(Some(len), |srtp| srtp.protect_rtcp(&mut out, len));
        match len {
            // A report that the system refused is lost, as on the network.
            Some(len) if muxed => drop(outlet.rtp(&out[..len], to)),
            Some(len) => outlet.rtcp(&out[..len], to),
            None => {}
        }
    }

    fn ntp(&self, at: Duration) -> NtpTime {
        self.ntp_opened.plus(at)
    }

    fn since_opening(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.opened)
    }
}

impl Link {
    fn kind(&self, payload_type: u8) -> Option<Kind> {
        if payload_type == self.stream.recv_payload_type {
            Some(Kind::Audio)
        } else if Some(payload_type) == self.stream.recv_event_type {
            Some(Kind::Event)
        } else {
            (payload_type == COMFORT_NOISE).then_some(Kind::ComfortNoise)
        }
    }

    /// Whether RTP and RTCP share the peer's port, and ours (RFC 5761).
    fn is_muxed(&self) -> bool {
        self.stream.remote_rtcp == self.stream.remote_rtp
    }

    /// Where RTCP goes: as described, or beside the RTP of a peer behind a translator.
    fn remote_rtcp(&self) -> SocketAddr {
        if self.is_muxed() {
            self.latch.remote()
        } else if self.latch.translated() {
            let rtp = self.latch.remote();
            SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1))
        } else {
            self.stream.remote_rtcp
        }
    }
}

/// Whether a packet at a shared port is RTCP, by its second octet (RFC 5761 §4).
fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.get(1).is_some_and(|second| (192..224).contains(second))
}

/// The beginning of `buffer` with a copy of the datagram; `None` where that is too long.
fn copy<'a>(datagram: &[u8], buffer: &'a mut [u8; MAX_PROTECTED]) -> Option<&'a mut [u8]> {
    let copied = buffer.get_mut(..datagram.len())?;
    copied.copy_from_slice(datagram);
    Some(copied)
}

/// What a protected datagram holds, in `buffer`; `None` where it is too long, or `open` finds that it is not the peer's.
fn opened<'a, E>(
    datagram: &[u8],
    buffer: &'a mut [u8; MAX_PROTECTED],
    open: impl FnOnce(&mut [u8]) -> Result<usize, E>,
) -> Option<&'a [u8]> {
    let copied = copy(datagram, buffer)?;
    let len = open(copied).ok()?;
    copied.get(..len)
}

/// The last frames heard.
struct PreRoll {
    frames: [(i64, [i16; FRAME_SAMPLES]); PRE_ROLL],
    next: usize,
}

impl Default for PreRoll {
    fn default() -> Self {
        Self { frames: [(i64::MIN, [0; FRAME_SAMPLES]); PRE_ROLL], next: 0 }
    }
}

impl PreRoll {
    fn push(&mut self, at: i64, frame: &[i16; FRAME_SAMPLES]) {
        self.frames[self.next] = (at, *frame);
        self.next = (self.next + 1) % PRE_ROLL;
    }

    fn frames(&self) -> impl Iterator<Item = (i64, &[i16; FRAME_SAMPLES])> {
        let (newer, older) = self.frames.split_at(self.next);
        older.iter().chain(newer).filter(|(at, _)| *at != i64::MIN).map(|(at, frame)| (*at, frame))
    }
}
