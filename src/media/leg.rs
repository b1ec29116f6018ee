//! One call's audio, without its sockets: datagrams and ticks in, packets, events and audio out.
//!
//! Owns no socket, clock, thread or lock, and allocates nothing once made, so that a call can be run again from its
//! packets and times with identical results.

mod link;
mod pre_roll;
mod reports;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::codec::Coder;
use super::event::{MediaEvent, RecordingFault};
use super::g711::{self, Law};
use super::junction::{Junction, Plug};
use super::latch::{Latch, Verdict};
use super::player::Finished;
use super::quality::{CallQuality, mos};
use super::receiver::{Receiver, samples};
use super::rtcp::{self, NtpTime};
use super::sender::Sender;
use super::srtp;
use super::tape::{Frame, Shelf, Tape, TapeItem};
use super::vad::SILENT;
use crate::call::stream::Stream;
use crate::units::{FRAME_SAMPLES, NARROWBAND_HZ};
use link::{Link, Refused};
use pre_roll::PreRoll;

/// No valid packet for this long is reported.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(30);

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
        let law = self.law();
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
                self.figures.tap_dropped += u64::from(!outlet.heard(at, &frame));
            }
        }
        self.listening = on;
    }

    /// Takes in a datagram from the RTP socket.
    pub fn rtp_datagram(&mut self, datagram: &[u8], from: SocketAddr, now: Instant, outlet: &mut impl Outlet) {
        let now = self.since_opening(now);
        let Some(link) = &mut self.link else { return };
        if link.is_muxed() && link::is_rtcp(datagram) {
            return self.rtcp_in_link(datagram, from, now);
        }
        let mut room = None;
        let (packet, kind) = match link.open(datagram, from, &mut room) {
            Ok(opened) => opened,
            Err(refused) => return self.refuse(refused),
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

    /// Plays, sends, records and reports 20 ms that were due at `due`; it is `now`.
    pub fn tick(&mut self, due: Instant, now: Instant, outlet: &mut impl Outlet) {
        let at = self.since_opening(due);
        let clock = samples(at);
        let mut heard = [0; FRAME_SAMPLES];
        let lag = self.receive(at, &mut heard, outlet);
        self.converse(&heard, outlet);
        let right = self.send(at, now.saturating_duration_since(due), outlet);
        // Encoded once, for the pre-roll and the recording.
        let law = self.law();
        let mut codes = [0; FRAME_SAMPLES];
        g711::encode(law, &heard, &mut codes);
        self.pre_roll.push(clock, law, &codes);
        if self.listening {
            self.figures.tap_dropped += u64::from(!outlet.heard(clock, &heard));
        }
        let quiet = self.receiver.quiet();
        let left_at = clock - i64::from(lag);
        self.tape(&Frame { at: clock, right: right.as_ref(), left_at, left: &codes, quiet }, outlet);
        self.watch(at, outlet);
        self.report_due(at, outlet);
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
                Some(srtp) => link::send_protected(srtp, datagram, |protected| outlet.rtp(protected, to)),
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

    /// The law in which the caller's audio is kept.
    fn law(&self) -> Law {
        self.link.as_ref().map_or(Law::A, |link| Law::of(link.stream.codec))
    }

    fn refuse(&mut self, refused: Refused) {
        match refused {
            Refused::Foreign => self.figures.foreign += 1,
            Refused::Unauthentic => self.figures.unauthentic += 1,
            Refused::Invalid => self.figures.invalid += 1,
        }
    }

    fn since_opening(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.opened)
    }
}
