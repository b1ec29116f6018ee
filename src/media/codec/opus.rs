//! Opus (RFC 6716, RFC 7587), by libopus, which is asked for 8 kHz both ways.
//!
//! Packets wait here until their sound is due; how long is the jitter buffer's decision. A packet that did not come is
//! taken from the forward error correction in the one after it, where that has come by then and brings it.

use ::opus::{Application, Bitrate, Channels, Signal};

use super::super::jitter::CELL;
use super::super::rtp::Timestamp;
use super::MAX_PAYLOAD;
use crate::call::stream::OpusWishes;
use crate::units::NARROWBAND_HZ;

/// What we spend where the peer does not ask for less, in bit/s: transparent for narrow-band speech (RFC 7587 §3.1.1
/// names 8 to 12 kbit/s), with room for error correction.
const BITRATE: u32 = 20_000;
/// Least that libopus takes for speech, in bit/s.
const LEAST_BITRATE: u32 = 6_000;
/// Effort of the encoder, 0 to 10: low, because each call pays for it 50 times a second and telephone speech gains little.
const COMPLEXITY: i32 = 2;
/// Loss that the encoder prepares for where the peer uses forward error correction, in percent.
const EXPECTED_LOSS: i32 = 10;

/// Octets of packets kept: a second at 64 kbit/s. The oldest go first.
const ARENA: u64 = 8_192;
/// Packets kept: 640 ms of the shortest that telephones send.
const KEPT: usize = 64;
/// Longest packet, in samples at 8 kHz: 120 ms (RFC 6716 §3.2.5).
const LONGEST: usize = 960;
/// The step in which libopus makes up lost sound, in samples: 2.5 ms.
const LOSS_STEP: i32 = 20;

/// What we send.
pub struct Encoder(::opus::Encoder);

impl Encoder {
    /// An encoder to the peer's wishes.
    pub fn new(wishes: OpusWishes) -> Result<Self, ::opus::Error> {
        let mut encoder = ::opus::Encoder::new(NARROWBAND_HZ, Channels::Mono, Application::Voip)?;
        let most = wishes.max_bitrate.unwrap_or(BITRATE).clamp(LEAST_BITRATE, BITRATE);
        encoder.set_bitrate(Bitrate::Bits(most as i32))?;
        encoder.set_complexity(COMPLEXITY)?;
        encoder.set_signal(Signal::Voice)?;
        encoder.set_dtx(wishes.dtx)?;
        encoder.set_inband_fec(wishes.fec)?;
        encoder.set_packet_loss_perc(if wishes.fec { EXPECTED_LOSS } else { 0 })?;
        Ok(Self(encoder))
    }

    /// One packet of 10, 20, 40 or 60 ms at 8 kHz; its length in octets, 0 where it need not be sent.
    pub fn encode(&mut self, samples: &[i16], payload: &mut [u8; MAX_PAYLOAD]) -> usize {
        match self.0.encode(samples, payload) {
            // "If the return value is 2 bytes or less, then the packet does not need to be transmitted" (opus.h).
            Ok(0..=2) | Err(_) => 0,
            Ok(len) => len,
        }
    }
}

/// What the peer sends.
pub struct Decoder {
    opus: ::opus::Decoder,
    arena: [u8; ARENA as usize],
    /// Octets written to the arena since the beginning, with those left out at its end.
    written: u64,
    packets: [Option<Kept>; KEPT],
    next: usize,
    /// Sound decoded last: where it begins, and how much of `sound` it is.
    sound: [i16; LONGEST],
    begins: Timestamp,
    len: usize,
}

/// A packet in the arena.
#[derive(Clone, Copy)]
struct Kept {
    timestamp: Timestamp,
    samples: u16,
    /// Where it begins, counted as [`Decoder::written`].
    at: u64,
    len: u16,
}

impl Decoder {
    /// An empty decoder.
    pub fn new() -> Result<Self, ::opus::Error> {
        Ok(Self {
            opus: ::opus::Decoder::new(NARROWBAND_HZ, Channels::Mono)?,
            arena: [0; ARENA as usize],
            written: 0,
            packets: [None; KEPT],
            next: 0,
            sound: [0; LONGEST],
            begins: Timestamp(0),
            len: 0,
        })
    }

    /// Samples at 8 kHz in a packet; `None` where it is none.
    pub fn samples(&self, payload: &[u8]) -> Option<usize> {
        self.opus.get_nb_samples(payload).ok().filter(|samples| (1..=LONGEST).contains(samples))
    }

    /// Keeps a packet of so many samples until its time.
    pub fn keep(&mut self, timestamp: Timestamp, samples: usize, payload: &[u8]) {
        let room = ARENA - self.written % ARENA;
        let len = payload.len() as u64;
        if len > ARENA {
            return;
        }
        if len > room {
            self.written += room;
        }
        let at = self.written;
        let start = (at % ARENA) as usize;
        self.arena[start..start + payload.len()].copy_from_slice(payload);
        self.written += len;
        self.packets[self.next] = Some(Kept { timestamp, samples: samples as u16, at, len: len as u16 });
        self.next = (self.next + 1) % KEPT;
    }

    /// The 10 ms that begin `at`; false where a packet of them is not here or cannot be decoded.
    pub fn cell(&mut self, at: Timestamp, cell: &mut [i16; CELL]) -> bool {
        let mut done = 0;
        while done < CELL {
            let here = at.plus(done as i32);
            let copied = self.copy(here, &mut cell[done..]);
            if copied == 0 && !self.decode(here) {
                return false;
            }
            done += copied;
        }
        true
    }

    /// The 10 ms that begin `at`, from the packet after them.
    pub fn recover(&mut self, at: Timestamp, cell: &mut [i16; CELL]) -> bool {
        if self.copy(at, cell) == CELL {
            return true;
        }
        let after = |kept: &Kept| kept.timestamp.since(at);
        let Some(kept) = self.alive().filter(|kept| after(kept) > 0).min_by_key(after) else { return false };
        let missing = after(&kept);
        // Of a longer loss the packet brings the end only.
        if missing > i32::from(kept.samples) || missing < CELL as i32 || missing % LOSS_STEP != 0 {
            return false;
        }
        let (octets, sound) = (Self::octets(&self.arena, &kept), &mut self.sound[..missing as usize]);
        let Ok(len) = self.opus.decode(octets, sound, true) else { return false };
        (self.begins, self.len) = (at, len);
        self.copy(at, cell) == CELL
    }

    /// Forgets all packets and the sound before.
    pub fn restart(&mut self) {
        self.packets = [None; KEPT];
        self.len = 0;
        // Without it the first packets sound as if they went on from the source before; no state of ours can refuse it.
        let _ = self.opus.reset_state();
    }

    /// Decodes the packet that `here` falls into.
    fn decode(&mut self, here: Timestamp) -> bool {
        let covers = |kept: &Kept| (0..i32::from(kept.samples)).contains(&here.since(kept.timestamp));
        let Some(kept) = self.alive().find(covers) else { return false };
        let Ok(len) = self.opus.decode(Self::octets(&self.arena, &kept), &mut self.sound, false) else { return false };
        (self.begins, self.len) = (kept.timestamp, len);
        here.since(self.begins) < len as i32
    }

    /// Copies decoded sound from `here` on; how much there is.
    fn copy(&self, here: Timestamp, out: &mut [i16]) -> usize {
        let into = usize::try_from(here.since(self.begins)).unwrap_or(usize::MAX);
        let Some(rest) = self.sound[..self.len].get(into..) else { return 0 };
        let len = rest.len().min(out.len());
        out[..len].copy_from_slice(&rest[..len]);
        len
    }

    /// Packets that later ones have not overwritten.
    fn alive(&self) -> impl Iterator<Item = Kept> {
        self.packets.iter().flatten().copied().filter(|kept| self.written - kept.at <= ARENA)
    }

    fn octets<'a>(arena: &'a [u8; ARENA as usize], kept: &Kept) -> &'a [u8] {
        let start = (kept.at % ARENA) as usize;
        &arena[start..start + usize::from(kept.len)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::tests_support::{correlation, tone};
    use crate::units::FRAME_SAMPLES;

    const FEC: OpusWishes = OpusWishes { fec: true, dtx: false, max_bitrate: None };

    /// 20 ms packets of a sound.
    fn packets(wishes: OpusWishes, sound: &[i16]) -> Vec<Vec<u8>> {
        let mut encoder = Encoder::new(wishes).expect("an encoder");
        let encode = |frame: &[i16]| {
            let mut payload = [0; MAX_PAYLOAD];
            let len = encoder.encode(frame, &mut payload);
            payload[..len].to_vec()
        };
        sound.chunks(FRAME_SAMPLES).map(encode).collect()
    }

    /// A voice: a sawtooth of 276 Hz, above what the encoder takes away below, that swells twice a second.
    fn voice(samples: usize) -> Vec<i16> {
        let swell = tone(2.0, 8_000.0, samples);
        (0..samples).map(|n| ((n as i32 % 29 - 14) * (9_000 + i32::from(swell[n])) / 30) as i16).collect()
    }

    #[test]
    fn sound_survives_in_cells_across_packets() {
        let sound = voice(8_000);
        let mut decoder = Decoder::new().expect("a decoder");
        let mut heard = vec![0; 40];
        for (n, packet) in packets(FEC, &sound).iter().enumerate() {
            let begins = Timestamp(u32::MAX - 3_000).plus(n as i32 * 160);
            let samples = decoder.samples(packet).expect("a packet");
            decoder.keep(begins, samples, packet);
            // The cells lie half a cell into the packets.
            for at in [-40, 40] {
                let mut cell = [0; CELL];
                if decoder.cell(begins.plus(at), &mut cell) {
                    heard.extend_from_slice(&cell);
                }
            }
        }
        assert!(heard.len() > 7_800, "{}", heard.len());
        let found = correlation(&sound, &heard);
        assert!(found > 0.9, "{found}");
    }

    #[test]
    fn a_lost_packet_comes_back_with_the_next_one() {
        let likeness = |wishes| {
            let sound = voice(16_000);
            let mut decoder = Decoder::new().expect("a decoder");
            let mut heard = Vec::new();
            let mut recovered = 0;
            for (n, packet) in packets(wishes, &sound).iter().enumerate() {
                let begins = n as u32 * 160;
                if n % 5 != 3 {
                    decoder.keep(Timestamp(begins), 160, packet);
                }
                // Heard 20 ms later, when the packet after a lost one is there.
                for at in [0, 80].map(|cell| Timestamp(begins).plus(cell - 160)) {
                    let mut cell = [0; CELL];
                    if !decoder.cell(at, &mut cell) && decoder.recover(at, &mut cell) {
                        recovered += 1;
                    }
                    heard.extend_from_slice(&cell);
                }
            }
            assert_eq!(recovered, 21, "once before the first packet");
            correlation(&sound, &heard)
        };
        let (with, without) = (likeness(FEC), likeness(OpusWishes::default()));
        assert!(with > 0.9 && with > without, "{with} with, {without} without");
    }

    #[test]
    fn a_longer_loss_is_not_recovered() {
        let sound = voice(1_600);
        let mut decoder = Decoder::new().expect("a decoder");
        decoder.keep(Timestamp(480), 160, &packets(FEC, &sound)[3]);
        let mut recover = |at| decoder.recover(Timestamp(at), &mut [0; CELL]);
        assert_eq!([0, 160, 320].map(&mut recover), [false, false, true]);
    }

    #[test]
    fn silence_is_left_out_where_the_peer_likes_it() {
        let sent = |dtx| packets(OpusWishes { dtx, ..FEC }, &[0; 16_000]).iter().filter(|p| !p.is_empty()).count();
        assert_eq!(sent(false), 100);
        assert!(sent(true) < 30, "{}", sent(true));
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        let decoder = Decoder::new().expect("a decoder");
        for (payload, samples) in [
            (&b""[..], None),
            (&b"\x08"[..], Some(160)), // Nothing but a table of contents: 20 ms of silence (RFC 6716 §3.1).
            (&b"\x1B\x02"[..], Some(960)),
            (&b"\x1B\x3F"[..], None), // 63 frames of 60 ms.
        ] {
            assert_eq!(decoder.samples(payload), samples, "{payload:x?}");
        }
    }

    #[test]
    fn the_oldest_packets_make_room() {
        let mut decoder = Decoder::new().expect("a decoder");
        let packet = &packets(FEC, &voice(160))[0];
        decoder.keep(Timestamp(0), 160, packet);
        (1..=20).for_each(|n| decoder.keep(Timestamp(n * 160), 160, &[0; 1_000]));
        assert!(!decoder.cell(Timestamp(0), &mut [0; CELL]));
        decoder.keep(Timestamp(0), 160, packet);
        assert!(decoder.cell(Timestamp(0), &mut [0; CELL]));
    }
}
