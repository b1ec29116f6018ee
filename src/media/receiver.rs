//! The peer's side of a stream: from packets to steady audio, digits and talkspurts.

use std::time::Duration;

use super::conceal::{self, Concealer};
use super::dtmf::{EventPayload, EventReceiver};
use super::event::{DigitSource, MediaEvent};
use super::g711;
use super::inband::ToneReceiver;
use super::jitter::{CELL, Cell, Counters, JitterBuffer};
use super::playout::{Fitted, Playout};
use super::progress::ToneListener;
use super::reception::{Order, Reception};
use super::rtp::Packet;
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
    /// Comfort noise (RFC 3389): a sign of life, not played.
    ComfortNoise,
}

/// See the module's documentation.
#[derive(Default)]
pub struct Receiver {
    jitter: JitterBuffer,
    concealer: Concealer,
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
}

impl Receiver {
    /// A receiver that allocates nothing later.
    pub fn new() -> Self {
        Self { digits: EventReceiver::new(), ..Self::default() }
    }

    /// Takes in a packet that arrived `at` after the opening.
    pub fn packet(&mut self, packet: &Packet<'_>, kind: Kind, at: Duration, mut report: impl FnMut(MediaEvent)) {
        let header = &packet.header;
        if self.ssrc.replace(header.ssrc).is_some_and(|before| before != header.ssrc) {
            self.reception.new_source();
            self.jitter.restart();
        }
        let now = samples(at);
        let contiguous = match self.reception.packet(header.seq, header.timestamp, now as u32) {
            Order::First => true,
            Order::Ahead { skipped } => skipped == 0,
            Order::Reordered => false,
            Order::Duplicate | Order::Stray => return,
        };
        match kind {
            Kind::Audio => self.jitter.push(header.timestamp, packet.payload, contiguous, now),
            Kind::ComfortNoise => {}
            Kind::Event => {
                let Some(payload) = EventPayload::parse(packet.payload) else { return };
                self.events_seen = true;
                if let Some((key, duration)) = self.digits.packet(header.timestamp, payload) {
                    report(MediaEvent::Digit { key, source: DigitSource::TelephoneEvent, at, duration });
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
        codec: Codec,
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
            idle &= self.cell(codec, now) == Cell::Idle;
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
    fn cell(&mut self, codec: Codec, now: i64) -> Cell {
        let (mut codes, mut pcm) = ([0; CELL], [0; CELL]);
        let cell = self.jitter.pull(&mut codes, self.playout.held(), now);
        match cell {
            Cell::Audio => {
                g711::decode(codec, &codes, &mut pcm);
                self.concealer.received(&mut pcm);
                self.heard_cells += 1;
            }
            Cell::Missing => {
                self.concealer.lost(&mut pcm);
                self.heard_cells += 1;
            }
            Cell::Idle => self.concealer.received(&mut pcm),
        }
        self.playout.push(&pcm);
        cell
    }

    /// The codec changes: what is buffered cannot be decoded any more.
    pub fn codec_changed(&mut self) {
        self.jitter.restart();
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
}

/// A span in samples at 8 kHz.
pub fn samples(span: Duration) -> i64 {
    i64::try_from(span.as_micros() * u128::from(NARROWBAND_HZ) / 1_000_000).unwrap_or(i64::MAX)
}
