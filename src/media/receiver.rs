//! The peer's side of a stream: from packets to steady audio, digits and talkspurts.

use std::time::Duration;

use super::codec::{Decoder, Narrowing};
use super::comfort::ComfortNoise;
use super::conceal::{self, Concealer};
use super::dtmf::{EventPayload, EventReceiver};
use super::event::{DigitSource, MediaEvent};
use super::g711::Law;
use super::inband::ToneReceiver;
use super::jitter::{CELL, Cell, Counters, JitterBuffer};
use super::playout::{Fitted, Playout};
use super::progress::ToneListener;
use super::reception::{Order, Reception};
use super::rtp::{Packet, Timestamp};
use super::vad::{Activity, Vad};
use crate::call::stream::Codec;
use crate::units::{FRAME_SAMPLES, NARROWBAND_HZ};

/// The length of a [`CELL`].
const CELL_TIME: Duration = Duration::from_millis(10);
/// How long a tone keeps quiet about itself before it is recognised: two blocks.
const TONE_HELD: Duration = Duration::from_millis(26);

/// What a packet of the peer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Audio of the negotiated codec.
    Audio,
    /// A telephone event.
    Event,
    /// Comfort noise (RFC 3389): what is heard until the next audio.
    ComfortNoise,
}

/// See the module's documentation.
pub struct Receiver {
    decoder: Decoder,
    clock: Narrowing,
    /// Units of the events' durations in one sample at 8 kHz.
    event_factor: u16,
    jitter: JitterBuffer,
    concealer: Concealer,
    comfort: ComfortNoise,
    playout: Playout,
    reception: Reception,
    digits: EventReceiver,
    tones: ToneReceiver,
    progress: ToneListener,
    /// Tones are leakage of telephone events once one of those was seen (P10).
    events_seen: bool,
    vad: Vad,
    /// How long the last frame waited, in samples.
    waited: Option<i32>,
    ssrc: Option<u32>,
    heard_cells: u64,
    /// Runs of cells that had to be made up, and whether one is going on.
    losses: u64,
    losing: bool,
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}

impl Receiver {
    /// A receiver of A-law that allocates nothing later.
    pub fn new() -> Self {
        Self {
            decoder: Decoder::G711(Law::A),
            clock: Narrowing::of(Codec::Pcma),
            event_factor: 1,
            jitter: JitterBuffer::default(),
            concealer: Concealer::default(),
            comfort: ComfortNoise::default(),
            playout: Playout::default(),
            reception: Reception::default(),
            digits: EventReceiver::new(),
            tones: ToneReceiver::default(),
            progress: ToneListener::default(),
            events_seen: false,
            vad: Vad::default(),
            waited: None,
            ssrc: None,
            heard_cells: 0,
            losses: 0,
            losing: false,
        }
    }

    /// Takes in a packet that arrived `at` after the opening.
    pub fn packet(&mut self, packet: &Packet<'_>, kind: Kind, at: Duration, mut report: impl FnMut(MediaEvent)) {
        let header = &packet.header;
        if self.ssrc.replace(header.ssrc).is_some_and(|before| before != header.ssrc) {
            self.reception.new_source();
            self.jitter.restart();
            self.decoder.restart();
            self.comfort.forget();
        }
        let now = samples(at);
        let timestamp = self.clock.narrow(header.timestamp);
        let contiguous = match self.reception.packet(header.seq, timestamp, now as u32) {
            Order::First => true,
            Order::Ahead { skipped } => skipped == 0,
            Order::Reordered => false,
            Order::Duplicate | Order::Stray => return,
        };
        match kind {
            Kind::Audio => self.audio(timestamp, packet.payload, contiguous, now),
            Kind::ComfortNoise => {
                self.comfort.describe(packet.payload);
                self.jitter.pause(timestamp);
            }
            Kind::Event => {
                let Some(mut payload) = EventPayload::parse(packet.payload) else { return };
                payload.duration /= self.event_factor;
                self.events_seen = true;
                if let Some((key, duration)) = self.digits.packet(timestamp, payload) {
                    report(MediaEvent::Digit { key, source: DigitSource::TelephoneEvent, at, duration });
                }
            }
        }
    }

    fn audio(&mut self, timestamp: Timestamp, payload: &[u8], contiguous: bool, now: i64) {
        match &mut self.decoder {
            Decoder::G711(_) | Decoder::G722(_) => self.jitter.push(timestamp, payload, contiguous, now),
            Decoder::Opus(opus) => {
                let Some(samples) = opus.samples(payload) else { return };
                if self.jitter.expect(timestamp, samples, contiguous, now).is_some() {
                    opus.keep(timestamp, samples, payload);
                }
            }
        }
    }

    /// Takes packets in again: what came while it took none was not lost.
    pub fn resumed(&mut self) {
        self.reception.new_source();
        self.jitter.restart();
    }

    /// The next 20 ms of the peer's audio, due `at` after the opening, while we send at `sent_level` dBov. Returns by how
    /// many samples it lags the fastest packets.
    pub fn frame(
        &mut self,
        at: Duration,
        sent_level: f32,
        pcm: &mut [i16; FRAME_SAMPLES],
        mut report: impl FnMut(MediaEvent),
    ) -> i32 {
        let now = samples(at);
        let wait = self.jitter.wait(self.playout.held(), now);
        self.playout.steer(wait.map_or(0, |wait| wait.is - wait.wanted), self.vad.quiet());
        let mut idle = true;
        while self.playout.wants() {
            idle &= self.cell(now) == Cell::Idle;
        }
        self.waited = self.jitter.wait(self.playout.held(), now).map(|wait| wait.is);
        let lag = self.waited.map_or(0, |waited| waited + conceal::DELAY as i32);
        self.playout.frame(pcm);
        for (n, cell) in pcm.as_chunks::<CELL>().0.iter().enumerate() {
            self.vad.sent(sent_level);
            let end = at + CELL_TIME * (n as u32 + 1);
            match self.vad.heard(cell) {
                Some(Activity::Started { ago }) => {
                    report(MediaEvent::SpeechStarted { at: end.saturating_sub(CELL_TIME * ago) });
                }
                Some(Activity::Ended { ago }) => {
                    report(MediaEvent::SpeechEnded { at: end.saturating_sub(CELL_TIME * ago) });
                }
                None => {}
            }
        }
        if !self.events_seen
            && !idle
            && let Some(key) = self.tones.samples(pcm)
        {
            report(MediaEvent::Digit { key, source: DigitSource::Tone, at, duration: TONE_HELD });
        }
        if !idle && let Some(tone) = self.progress.frame(pcm) {
            report(MediaEvent::Tone { tone, at });
        }
        lag
    }

    /// Moves the next cell from the jitter buffer to the playout.
    fn cell(&mut self, now: i64) -> Cell {
        let (mut codes, mut pcm) = ([0; CELL], [0; CELL]);
        let before = self.jitter.position();
        let cell = self.jitter.pull(&mut codes, self.playout.held(), now);
        self.losses += u64::from(cell == Cell::Missing && !self.losing);
        self.losing = cell == Cell::Missing;
        // Where the cell lies in the stream; nowhere, while that stands still.
        let at = self.jitter.position().filter(|after| Some(*after) != before).map(|after| after.plus(-(CELL as i32)));
        let received = match cell {
            Cell::Audio => at.is_some_and(|at| self.decoder.cell(&codes, at, &mut pcm)),
            Cell::Missing => at.is_some_and(|at| self.decoder.recover(at, &mut pcm)),
            Cell::Idle => {
                self.comfort.cell(&mut pcm);
                true
            }
        };
        if received {
            self.concealer.received(&mut pcm);
        } else {
            self.concealer.lost(&mut pcm);
        }
        self.heard_cells += u64::from(cell != Cell::Idle);
        self.playout.push(&pcm);
        cell
    }

    /// The codec changes, to this one: what is buffered cannot be decoded any more.
    pub fn change_codec(&mut self, codec: Codec, decoder: Decoder) {
        self.decoder = decoder;
        self.clock = Narrowing::of(codec);
        self.jitter.restart();
    }

    /// The clock of the events' durations, in hertz.
    pub fn set_event_clock(&mut self, event_hz: u32) {
        self.event_factor = u16::try_from(event_hz / NARROWBAND_HZ).unwrap_or(1).max(1);
    }

    /// The peer's synchronisation source, once heard.
    pub fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    /// Counters of what came.
    pub fn reception(&mut self) -> &mut Reception {
        &mut self.reception
    }

    /// Counters of what was played.
    pub fn counters(&self) -> Counters {
        self.jitter.counters()
    }

    /// How long the last frame waited, in samples after the fastest packets; `None` before there are any.
    pub fn wait(&self) -> Option<i32> {
        self.waited
    }

    /// How the audio was fitted to our clock.
    pub fn fitted(&self) -> Fitted {
        self.playout.fitted()
    }

    /// Whether the last frame ended in a stretch where a cut is not heard.
    pub fn quiet(&self) -> bool {
        self.vad.quiet()
    }

    /// The level of the last 10 ms, in dBov.
    pub fn level(&self) -> f32 {
        self.vad.level()
    }

    /// The jitter buffer's wait, in samples.
    pub fn target(&self) -> i32 {
        self.jitter.target()
    }

    /// Share of the audio heard that had to be made up.
    pub fn concealed_share(&self) -> f32 {
        self.jitter.counters().concealed_cells as f32 / self.heard_cells.max(1) as f32
    }

    /// By how much losses were longer than if each packet had been lost for itself (the burst ratio of ITU-T G.107 §3.5).
    pub fn burst_ratio(&self) -> f32 {
        let cells = self.jitter.packet() as f32 / CELL as f32;
        let length = self.jitter.counters().concealed_cells as f32 / (self.losses.max(1) as f32 * cells);
        (length * (1.0 - self.concealed_share())).max(1.0)
    }
}

/// A span in samples at 8 kHz.
pub fn samples(span: Duration) -> i64 {
    i64::try_from(span.as_micros() * u128::from(NARROWBAND_HZ) / 1_000_000).unwrap_or(i64::MAX)
}
