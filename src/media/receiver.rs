//! The peer's side of a stream: from packets to steady audio, digits and talkspurts.

use std::time::Duration;

use super::conceal::Concealer;
use super::dtmf::{EventPayload, EventReceiver};
use super::event::{DigitSource, MediaEvent};
use super::g711;
use super::inband::ToneReceiver;
use super::jitter::{CELL, CELLS, Cell, Counters, JitterBuffer};
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
    reception: Reception,
    digits: EventReceiver,
    tones: ToneReceiver,
    /// Tones are leakage of telephone events once one of those was seen (P10).
    events_seen: bool,
    vad: Vad,
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
        let mut codes = [0; FRAME_SAMPLES];
        let pulled = self.jitter.pull(&mut codes, self.vad.quiet(), samples(at));
        let (cells, _) = pcm.as_chunks_mut::<CELL>();
        for (n, cell) in cells.iter_mut().enumerate() {
            match pulled.cells[n] {
                Cell::Audio => {
                    g711::decode(codec, &codes[n * CELL..], cell);
                    self.concealer.received(cell);
                    self.heard_cells += 1;
                }
                Cell::Missing => {
                    self.concealer.lost(cell);
                    self.heard_cells += 1;
                }
                Cell::Idle => {
                    cell.fill(0);
                    self.concealer.received(cell);
                }
            }
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
            && pulled.cells != [Cell::Idle; CELLS]
            && let Some(key) = self.tones.samples(pcm)
        {
            report(MediaEvent::Digit { key, source: DigitSource::Tone, at, duration: TONE_HELD });
        }
        pulled.delay
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
