//! The codecs of a leg behind one face: what the peer sends becomes 8 kHz sound, G.711 codes become what it wants.
//!
//! Inside the gateway sound is 8 kHz and, where it is stored, G.711. G.711 and G.722 have an octet for each unit of their
//! RTP clock, so any run of octets can be decoded by itself; an Opus packet can only be decoded whole, so the decoder
//! keeps packets until their time. State is boxed and exists only for the codec that was negotiated; making it
//! allocates, using it does not.

mod g722;
mod opus;

use super::g711::{self, Law};
use super::jitter::CELL;
use super::rtp::Timestamp;
use crate::call::stream::{Codec, Stream};

/// Most samples of ours in one packet, at 8 kHz: 60 ms.
pub const MAX_SENT: usize = 480;
/// Room for the payload that any encoder makes of [`MAX_SENT`] samples, in octets.
pub const MAX_PAYLOAD: usize = MAX_SENT;

/// A codec that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// libopus has no memory, or does not know a setting.
    #[error("Opus cannot be set up")]
    Opus(#[from] ::opus::Error),
}

/// Both directions of one negotiated codec.
pub struct Coder {
    /// Which.
    pub codec: Codec,
    /// For what the peer sends.
    pub decoder: Decoder,
    /// For what we send.
    pub encoder: Encoder,
}

/// What the peer sends.
pub enum Decoder {
    /// Either law.
    G711(Law),
    /// G.722.
    G722(Box<g722::Decoder>),
    /// Opus.
    Opus(Box<opus::Decoder>),
}

/// What we send.
pub enum Encoder {
    /// The codes go out as they are.
    G711,
    /// G.722.
    G722(Law, Box<g722::Encoder>),
    /// Opus.
    Opus(Law, Box<opus::Encoder>),
}

impl Coder {
    /// All that the codec of `stream` needs.
    ///
    /// # Errors
    /// When Opus has no memory.
    pub fn new(stream: &Stream) -> Result<Self, CodecError> {
        let codec = stream.codec;
        let law = Law::of(codec);
        let (decoder, encoder) = match codec {
            Codec::Pcma | Codec::Pcmu => (Decoder::G711(law), Encoder::G711),
            Codec::G722 => (Decoder::G722(Box::default()), Encoder::G722(law, Box::default())),
            Codec::Opus => (
                Decoder::Opus(Box::new(opus::Decoder::new()?)),
                Encoder::Opus(law, Box::new(opus::Encoder::new(stream.opus)?)),
            ),
        };
        Ok(Self { codec, decoder, encoder })
    }
}

impl Decoder {
    /// The 10 ms that begin `at`; `codes` is what the jitter buffer held of them. False where they cannot be decoded.
    pub fn cell(&mut self, codes: &[u8; CELL], at: Timestamp, cell: &mut [i16; CELL]) -> bool {
        match self {
            Self::G711(law) => {
                g711::decode(*law, codes, cell);
                true
            }
            Self::G722(decoder) => decoder.decode(codes, cell),
            Self::Opus(decoder) => decoder.cell(at, cell),
        }
    }

    /// Lost sound that a later packet brings along; false where none does.
    pub fn recover(&mut self, at: Timestamp, cell: &mut [i16; CELL]) -> bool {
        match self {
            Self::G711(_) | Self::G722(_) => false,
            Self::Opus(decoder) => decoder.recover(at, cell),
        }
    }

    /// Forgets what it holds: another source sends.
    pub fn restart(&mut self) {
        match self {
            Self::G711(_) => {}
            Self::G722(decoder) => **decoder = g722::Decoder::default(),
            Self::Opus(decoder) => decoder.restart(),
        }
    }
}

impl Encoder {
    /// Turns codes of at most [`MAX_SENT`] samples into a payload; its length in octets, 0 where nothing is to be sent.
    pub fn encode(&mut self, codes: &[u8], payload: &mut [u8; MAX_PAYLOAD]) -> usize {
        let codes = &codes[..codes.len().min(MAX_SENT)];
        let decoded = |law| {
            let mut samples = [0; MAX_SENT];
            g711::decode(law, codes, &mut samples);
            samples
        };
        match self {
            Self::G711 => {
                payload[..codes.len()].copy_from_slice(codes);
                codes.len()
            }
            Self::G722(law, encoder) => encoder.encode(&decoded(*law)[..codes.len()], payload),
            Self::Opus(law, encoder) => encoder.encode(&decoded(*law)[..codes.len()], payload),
        }
    }
}

/// Turns RTP timestamps of a codec's clock into timestamps of 8 kHz, without a jump where they wrap.
#[derive(Debug)]
pub struct Narrowing {
    /// Units of the codec's clock in one sample at 8 kHz.
    factor: i32,
    /// A timestamp of the peer and what it became.
    known: Option<(Timestamp, Timestamp)>,
}

impl Narrowing {
    /// For this codec.
    pub fn of(codec: Codec) -> Self {
        Self { factor: factor(codec) as i32, known: None }
    }

    /// The timestamp at 8 kHz.
    pub fn narrow(&mut self, timestamp: Timestamp) -> Timestamp {
        if self.factor == 1 {
            return timestamp;
        }
        let (wide, narrow) = *self.known.get_or_insert((timestamp, timestamp));
        let whole = timestamp.since(wide).div_euclid(self.factor);
        // Whole samples only, so that no rounding adds up.
        let known = (wide.plus(whole * self.factor), narrow.plus(whole));
        self.known = Some(known);
        known.1
    }
}

/// Units of the codec's RTP clock in one sample at 8 kHz.
pub fn factor(codec: Codec) -> u32 {
    codec.clock_hz() / crate::units::NARROWBAND_HZ
}

/// Sounds and their likeness, for the tests of the codecs.
#[cfg(test)]
pub(super) mod tests_support {
    use std::f32::consts::TAU;

    /// A tone of amplitude 8,000.
    pub(in crate::media) fn tone(hz: f32, rate_hz: f32, samples: usize) -> Vec<i16> {
        (0..samples).map(|n| (8_000.0 * (TAU * hz * n as f32 / rate_hz).sin()) as i16).collect()
    }

    /// How alike two sounds are at the best delay up to 40 ms, leaving out the first 50 ms: 1 is the same sound.
    pub(in crate::media) fn correlation(sent: &[i16], heard: &[i16]) -> f32 {
        (0..320).map(|lag| at_lag(&sent[400..], heard.get(400 + lag..).unwrap_or_default())).fold(0.0, f32::max)
    }

    fn at_lag(a: &[i16], b: &[i16]) -> f32 {
        let sum = |x: &[i16], y: &[i16]| x.iter().zip(y).map(|(x, y)| f32::from(*x) * f32::from(*y)).sum::<f32>();
        let len = a.len().min(b.len());
        let (a, b) = (&a[..len], &b[..len]);
        sum(a, b) / (sum(a, a) * sum(b, b)).sqrt().max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_narrowed_across_the_wrap_and_back() {
        let mut clock = Narrowing::of(Codec::Opus);
        let first = u32::MAX - 1_000;
        let narrow = |clock: &mut Narrowing, after: u32| clock.narrow(Timestamp(first.wrapping_add(after)));
        let start = narrow(&mut clock, 0);
        for (after, samples) in [(960, 160), (1_920, 320), (960, 160), (2_883, 480), (2_880, 480), (9_600, 1_600)] {
            assert_eq!(narrow(&mut clock, after).since(start), samples, "{after}");
        }
        let mut same = Narrowing::of(Codec::G722);
        assert_eq!(same.narrow(Timestamp(77)), Timestamp(77));
    }
}
