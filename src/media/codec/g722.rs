//! G.722 at 64 kbit/s, by the `audio-codec` crate, from and to 8 kHz.
//!
//! Of the peer's two bands only the lower one is decoded: it is the sound at 8 kHz, and neither the upper band nor the
//! synthesis filter has to be reckoned. Ours is raised to 16 kHz first.

use audio_codec::Encoder as _;
use audio_codec::g722::{Bitrate, G722Decoder, G722Encoder};

use super::super::jitter::CELL;
use super::{MAX_PAYLOAD, MAX_SENT};

/// What the peer sends.
pub struct Decoder(G722Decoder);

impl Default for Decoder {
    fn default() -> Self {
        let (packed, low_band_only) = (false, true);
        Self(G722Decoder::with_options(Bitrate::Mode1_64000, packed, low_band_only))
    }
}

impl Decoder {
    /// 10 ms; a sample of the lower band for each octet.
    pub fn decode(&mut self, octets: &[u8; CELL], cell: &mut [i16; CELL]) -> bool {
        self.0.decode_frame_into(octets, cell).is_ok()
    }
}

/// What we send.
pub struct Encoder {
    g722: G722Encoder,
    doubler: Doubler,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { g722: G722Encoder::new(), doubler: Doubler::default() }
    }
}

impl Encoder {
    /// An octet for each sample at 8 kHz; at most [`MAX_SENT`]. Returns how many.
    pub fn encode(&mut self, samples: &[i16], payload: &mut [u8; MAX_PAYLOAD]) -> usize {
        let mut wide = [0; 2 * MAX_SENT];
        let wide = &mut wide[..2 * samples.len()];
        self.doubler.double(samples, wide);
        self.g722.encode_into(wide, payload).unwrap_or(0)
    }
}

/// Half of the filter's taps.
const HALF: usize = 12;
/// What lies between two samples: the upper half of a windowed sinc (Kaiser, beta 5), in 1/32768. Up to 3.4 kHz it is
/// flat to 0.05 dB and leaves 53 dB less of the image.
const TAPS: [i32; HALF] = [20_798, -6_720, 3_787, -2_458, 1_677, -1_159, 795, -531, 341, -206, 113, -53];

/// Raises 8 kHz to 16 kHz, by a half-band filter that lags 12 samples.
#[derive(Default)]
struct Doubler {
    /// The last samples, oldest first.
    past: [i16; 2 * HALF],
}

impl Doubler {
    fn double(&mut self, samples: &[i16], wide: &mut [i16]) {
        for (sample, pair) in samples.iter().zip(wide.as_chunks_mut::<2>().0) {
            self.past.copy_within(1.., 0);
            self.past[2 * HALF - 1] = *sample;
            let between: i32 = TAPS
                .iter()
                .enumerate()
                .map(|(n, tap)| tap * (i32::from(self.past[HALF - 1 - n]) + i32::from(self.past[HALF + n])))
                .sum();
            let between = (between + (1 << 14)) >> 15;
            *pair = [self.past[HALF - 1], between.clamp(i16::MIN.into(), i16::MAX.into()) as i16];
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::media::codec::tests_support::{correlation, tone};

    #[test]
    fn doubling_keeps_a_tone_and_adds_no_image() {
        for hz in [300.0, 1_000.0, 3_400.0] {
            let narrow = tone(hz, 8_000.0, 1_600);
            let mut wide = vec![0; 3_200];
            Doubler::default().double(&narrow, &mut wide);
            let power = |at: f32| {
                let (re, im) = wide[400..3_200].iter().enumerate().fold((0.0, 0.0), |(re, im), (n, sample)| {
                    let phase = TAU * at * n as f32 / 16_000.0;
                    (re + f32::from(*sample) * phase.cos(), im + f32::from(*sample) * phase.sin())
                });
                re * re + im * im
            };
            let image_db = 10.0 * (power(8_000.0 - hz) / power(hz)).log10();
            assert!(image_db < -45.0, "{hz} Hz: {image_db} dB");
        }
    }

    /// The SHA-256 of what ffmpeg 5.1.9 hears in the second half of these octets (`ffmpeg -f g722 -i octets -f s16le -ar
    /// 16000 heard`). Its first tenth of a second differs: the crate's decoder begins in another state.
    const FFMPEG_HEARD: &str = "9e6b379a454c142a52696b173e3663fdb1bf371a57dc2ef84b9d4be171ade2f0";

    #[test]
    fn our_octets_are_heard_alike_by_another_decoder() {
        let sound = |n: i64| {
            let level = 3_000 + n / 4_000 * 500;
            ((n / 3) * (n / 3) % 701 * 2 - 701) + (n % 133 * level / 133 - level / 2)
        };
        let sound: Vec<i16> = (0..32_000).map(|n| sound(n) as i16).collect();
        let (mut octets, mut heard) = (vec![0; 16_000], vec![0; 32_000]);
        assert_eq!(G722Encoder::new().encode_into(&sound, &mut octets).ok(), Some(16_000));
        assert_eq!(G722Decoder::new().decode_frame_into(&octets, &mut heard).ok(), Some(32_000));
        let heard: Vec<u8> = heard[16_000..].iter().flat_map(|sample| sample.to_le_bytes()).collect();
        assert_eq!(hex::encode(Sha256::digest(&heard)), FFMPEG_HEARD);
    }

    #[test]
    fn speech_band_survives_both_ways() {
        for hz in [300.0, 1_000.0, 3_000.0] {
            let sound = tone(hz, 8_000.0, 1_600);
            let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
            let mut heard = Vec::new();
            for frame in sound.chunks(160) {
                let mut payload = [0; MAX_PAYLOAD];
                assert_eq!(encoder.encode(frame, &mut payload), 160);
                for octets in payload[..160].as_chunks::<CELL>().0 {
                    let mut cell = [0; CELL];
                    assert!(decoder.decode(octets, &mut cell));
                    heard.extend_from_slice(&cell);
                }
            }
            let found = correlation(&sound, &heard);
            assert!(found > 0.98, "{hz} Hz: {found}");
        }
    }
}
