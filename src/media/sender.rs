//! Our side of a stream: prompts, digits and comfort silence as an unbroken series of RTP packets.

use super::codec::{self, Encoder, MAX_PAYLOAD, MAX_SENT};
use super::dtmf::EventSender;
use super::g711::{self, Law};
use super::mixer::Mixer;
use super::player::{Finished, Player};
use super::rtp::{HEADER_LEN, Header, SeqNo, Timestamp};
use super::vad::{SILENT, level};
use crate::call::stream::{Codec, Stream};
use crate::units::FRAME_SAMPLES;

/// Codes that may wait for their packet: what is left of a packet, and a frame.
const MAX_WAITING: usize = MAX_SENT + FRAME_SAMPLES;
/// Longest packet, in octets.
const MAX_PACKET: usize = HEADER_LEN + MAX_PAYLOAD;
/// Packet times that libopus has a frame for (RFC 6716 §2.1.4), in samples at 8 kHz; for others we send the second.
const OPUS_TIMES: [usize; 4] = [80, FRAME_SAMPLES, 320, 480];

/// What went out in one tick.
#[derive(Debug)]
pub struct Sent {
    /// The audio in the law of the stream ([`Law::of`]), silence where a digit was sent.
    pub payload: [u8; FRAME_SAMPLES],
    /// Its level in dBov.
    pub level: f32,
    /// Whether it is part of a prompt.
    pub prompt: bool,
    /// A playback that ended with it.
    pub finished: Option<Finished>,
}

/// See the module's documentation.
pub struct Sender {
    /// Our synchronisation source.
    pub ssrc: u32,
    /// What is played.
    pub player: Player,
    /// What the others of a bridge say in this tick.
    pub mixer: Mixer,
    /// Digits on their way out.
    pub digits: EventSender,
    encoder: Encoder,
    /// Units of the RTP clock in one sample at 8 kHz.
    factor: u32,
    seq: SeqNo,
    /// Timestamp at the session's opening; random (RFC 3550 §5.1).
    origin: Timestamp,
    /// Whether the last tick sent nothing, or silence: the next prompt packet begins a talkspurt.
    pause: bool,
    /// Codes that wait for their packet, how many, and the timestamp and marker with which it begins.
    waiting: [u8; MAX_WAITING],
    gathered: usize,
    begun: (Timestamp, bool),
    packets: u32,
    octets: u32,
}

impl Sender {
    /// A sender of G.711 whose identity and origins are `random`.
    pub fn new(ssrc: u32, random: u64) -> Self {
        Self {
            ssrc,
            player: Player::default(),
            mixer: Mixer::default(),
            digits: EventSender::default(),
            encoder: Encoder::G711,
            factor: 1,
            seq: SeqNo(random as u16),
            origin: Timestamp((random >> 32) as u32),
            pause: true,
            waiting: [0; MAX_WAITING],
            gathered: 0,
            begun: (Timestamp(0), false),
            packets: 0,
            octets: 0,
        }
    }

    /// Goes on in another codec. Where its RTP clock is another one, we become another source: what was said of the
    /// timestamps before does not hold any more (RFC 7160 §4.2).
    pub fn change_codec(&mut self, codec: Codec, encoder: Encoder) {
        self.encoder = encoder;
        self.hold();
        let factor = codec::factor(codec);
        if self.factor != factor {
            self.factor = factor;
            self.ssrc = self.ssrc.rotate_left(16) ^ self.origin.0;
            (self.packets, self.octets) = (0, 0);
        }
    }

    /// One tick, `elapsed` samples at 8 kHz after the opening: what is due goes to `send`.
    pub fn tick(&mut self, stream: &Stream, elapsed: i64, mut send: impl FnMut(&[u8])) -> Sent {
        let timestamp = self.timestamp(elapsed);
        let law = Law::of(stream.codec);
        let mut sent =
            Sent { payload: [g711::silence(law); FRAME_SAMPLES], level: SILENT, prompt: false, finished: None };
        if let Some(payload_type) = stream.send_event_type
            && let Some(event) = self.digits.tick(timestamp)
        {
            self.flush(stream, &mut send);
            let payload = event.payload.at_clock(stream.event_hz).print();
            let mut packet = [0; MAX_PACKET];
            packet[HEADER_LEN..HEADER_LEN + payload.len()].copy_from_slice(&payload);
            self.emit(
                event.marker,
                payload_type,
                event.timestamp,
                &mut packet[..HEADER_LEN + payload.len()],
                &mut send,
            );
            self.pause = true;
            return sent;
        }
        if let Some(level) = self.player.frame(law, &mut sent.payload) {
            sent.level = level;
            sent.prompt = true;
        }
        sent.finished = self.player.finished();
        let bridged = self.mixer.is_sounding();
        if bridged {
            sent.level = self.mix(law, sent.prompt, &mut sent.payload);
        }
        if self.gathered == 0 {
            self.begun = (timestamp, self.pause && (sent.prompt || bridged || self.packets == 0));
        }
        self.pause = !(sent.prompt || bridged);
        let len = samples_per_packet(stream);
        if self.gathered == 0 && len == FRAME_SAMPLES {
            self.emit_audio(stream, &sent.payload, &mut send); // As nearly always: nothing waits.
            return sent;
        }
        self.waiting[self.gathered..self.gathered + FRAME_SAMPLES].copy_from_slice(&sent.payload);
        self.gathered += FRAME_SAMPLES;
        while self.gathered >= len {
            self.emit_waiting(stream, len, &mut send);
        }
        sent
    }

    /// A tick in which the stream does not let us send.
    pub fn hold(&mut self) {
        self.gathered = 0;
        self.pause = true;
    }

    /// Our RTP timestamp `elapsed` samples at 8 kHz after the opening.
    pub fn timestamp(&self, elapsed: i64) -> Timestamp {
        Timestamp(self.origin.0.wrapping_add((elapsed as u32).wrapping_mul(self.factor)))
    }

    /// Packets and payload octets sent.
    pub fn counts(&self) -> (u32, u32) {
        (self.packets, self.octets)
    }

    /// Puts what the others say into `payload`, under the prompt that is there, if any; the level of both, in dBov.
    fn mix(&mut self, law: Law, prompt: bool, payload: &mut [u8; FRAME_SAMPLES]) -> f32 {
        if prompt {
            let mut announced = [0; FRAME_SAMPLES];
            g711::decode(law, payload, &mut announced);
            self.mixer.announce(&announced);
        }
        let frame = self.mixer.frame();
        g711::encode(law, &frame, payload);
        level(&frame)
    }

    /// Sends what waits, though it makes no whole packet.
    fn flush(&mut self, stream: &Stream, send: &mut impl FnMut(&[u8])) {
        if self.gathered > 0 {
            self.emit_waiting(stream, self.gathered, send);
        }
    }

    /// Sends the first `len` of the codes that wait.
    fn emit_waiting(&mut self, stream: &Stream, len: usize, send: &mut impl FnMut(&[u8])) {
        let waiting = self.waiting;
        self.emit_audio(stream, &waiting[..len], send);
        self.waiting.copy_within(len..self.gathered, 0);
        self.gathered -= len;
    }

    /// Sends these codes as one packet.
    fn emit_audio(&mut self, stream: &Stream, codes: &[u8], send: &mut impl FnMut(&[u8])) {
        let (timestamp, marker) = self.begun;
        let mut packet = [0; MAX_PACKET];
        let Some(payload) = packet[HEADER_LEN..].first_chunk_mut() else { return };
        let octets = self.encoder.encode(codes, payload);
        self.begun = (timestamp.plus((codes.len() as u32 * self.factor) as i32), false);
        if octets > 0 {
            self.emit(marker, stream.send_payload_type, timestamp, &mut packet[..HEADER_LEN + octets], send);
        } else {
            self.pause = true; // Discontinuous transmission: what comes next begins a talkspurt.
        }
    }

    /// Sends a packet whose payload is in its place.
    fn emit(
        &mut self,
        marker: bool,
        payload_type: u8,
        timestamp: Timestamp,
        packet: &mut [u8],
        send: &mut impl FnMut(&[u8]),
    ) {
        let header = Header { marker, payload_type, seq: self.seq, timestamp, ssrc: self.ssrc };
        let Some(out) = packet.first_chunk_mut() else { return };
        header.write(out);
        send(packet);
        self.seq = self.seq.next();
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add((packet.len() - HEADER_LEN) as u32);
    }
}

/// Samples at 8 kHz in a packet of the stream. Frames come every 20 ms: of shorter packets two leave at once, others
/// that are no multiple of it leave by turns after one frame and after two.
fn samples_per_packet(stream: &Stream) -> usize {
    let samples = (stream.ptime.as_millis() as usize * 8).clamp(80, MAX_SENT);
    match stream.codec {
        Codec::Opus if !OPUS_TIMES.contains(&samples) => FRAME_SAMPLES,
        Codec::Opus | Codec::Pcma | Codec::Pcmu | Codec::G722 => samples,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::media::clip::Clip;
    use crate::media::codec::Coder;
    use crate::media::event::PlayId;
    use crate::media::rtp::Packet;

    pub(crate) fn stream(ptime_ms: u64) -> Stream {
        let remote = "127.0.0.1:4000".parse().expect("an address");
        Stream {
            send_event_type: Some(101),
            ptime: Duration::from_millis(ptime_ms),
            ..Stream::new(remote, Codec::Pcma)
        }
    }

    /// Sequence step, timestamp step, payload type, marker and payload length of each packet of some ticks.
    fn packets(sender: &mut Sender, stream: &Stream, ticks: std::ops::Range<i64>) -> Vec<(u16, u32, u8, bool, usize)> {
        let mut packets = Vec::new();
        for tick in ticks {
            sender.tick(stream, tick * 160, |datagram| {
                let packet = Packet::parse(datagram).expect("valid");
                let header = packet.header;
                packets.push((
                    header.seq.0,
                    header.timestamp.0,
                    header.payload_type,
                    header.marker,
                    packet.payload.len(),
                ));
            });
        }
        packets
    }

    #[test]
    fn silence_prompt_and_silence_are_one_series() {
        let mut sender = Sender::new(1, 0xFFFF_FF00_0000_FFFE);
        let stream = stream(20);
        let mut found = packets(&mut sender, &stream, 0..2);
        sender.player.play(PlayId(1), vec![Arc::new(Clip::from_pcm(&[5_000; 320]))]);
        found.extend(packets(&mut sender, &stream, 2..6));
        for pair in found.windows(2) {
            assert_eq!(pair[1].0.wrapping_sub(pair[0].0), 1);
            assert_eq!(pair[1].1.wrapping_sub(pair[0].1), 160);
        }
        let markers: Vec<bool> = found.iter().map(|packet| packet.3).collect();
        assert_eq!(markers, [true, false, true, false, false, false]);
        assert!(found.iter().all(|packet| packet.2 == 8 && packet.4 == 160));
    }

    #[test]
    fn digits_replace_audio_and_share_its_numbers() {
        let mut sender = Sender::new(1, 0);
        let stream = stream(20);
        assert!(sender.digits.send('5', Duration::from_millis(60)));
        let found = packets(&mut sender, &stream, 0..7);
        let kinds: Vec<(u8, bool, u32)> = found.iter().map(|packet| (packet.2, packet.3, packet.1)).collect();
        assert_eq!(kinds[..5], [(101, true, 0), (101, false, 0), (101, false, 0), (101, false, 0), (101, false, 0)]);
        assert_eq!(kinds[5].0, 8);
        assert_eq!(found.iter().map(|packet| packet.0).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
    }

    /// Timestamps and payload lengths of what seven ticks send.
    #[track_caller]
    fn check_packet_time(ptime_ms: u64, codec: Codec, expected: &[(u32, usize)]) {
        let mut sender = Sender::new(1, 0);
        let stream = Stream { codec, ..stream(ptime_ms) };
        let coder = Coder::new(&stream).expect("a coder");
        sender.change_codec(codec, coder.encoder);
        let found: Vec<_> = packets(&mut sender, &stream, 0..7).iter().map(|p| (p.1, p.4)).collect();
        assert_eq!(found, expected, "{ptime_ms} ms of {codec:?}");
    }

    #[test]
    fn packets_hold_what_the_peer_wants() {
        let every = |step: u32, n| (0..n).map(|at| (at * step, step as usize)).collect::<Vec<_>>();
        for codec in [Codec::Pcma, Codec::G722] {
            check_packet_time(10, codec, &every(80, 14));
            check_packet_time(20, codec, &every(160, 7));
            check_packet_time(30, codec, &every(240, 4));
            check_packet_time(50, codec, &every(400, 2));
            check_packet_time(60, codec, &every(480, 2));
        }
    }

    #[test]
    fn opus_packets_are_of_a_length_that_it_has() {
        for (ptime_ms, step, count) in [(10, 480, 14), (20, 960, 7), (30, 960, 7), (40, 1_920, 3), (60, 2_880, 2)] {
            let stream = Stream { codec: Codec::Opus, ..stream(ptime_ms) };
            let mut sender = Sender::new(1, 0);
            sender.change_codec(Codec::Opus, Coder::new(&stream).expect("a coder").encoder);
            let found: Vec<u32> = packets(&mut sender, &stream, 0..7).iter().map(|packet| packet.1).collect();
            assert_eq!(found, (0..count).map(|n| n * step).collect::<Vec<_>>(), "{ptime_ms} ms");
        }
    }

    #[test]
    fn another_clock_makes_another_source() {
        let mut sender = Sender::new(1, 7 << 32);
        let wide = Stream { codec: Codec::Opus, ..stream(20) };
        packets(&mut sender, &stream(20), 0..2);
        sender.change_codec(
            Codec::G722,
            Coder::new(&Stream { codec: Codec::G722, ..stream(20) }).expect("a coder").encoder,
        );
        assert_eq!((sender.ssrc, sender.counts().0), (1, 2));
        sender.change_codec(Codec::Opus, Coder::new(&wide).expect("a coder").encoder);
        assert_ne!(sender.ssrc, 1);
        let found = packets(&mut sender, &wide, 2..4);
        assert_eq!((found[1].0, found[1].1 - found[0].1, sender.counts().0), (3, 960, 2));
    }

    #[test]
    fn a_hold_keeps_the_clock_running() {
        let mut sender = Sender::new(1, 0);
        let stream = stream(20);
        let before = packets(&mut sender, &stream, 0..1);
        sender.hold();
        let after = packets(&mut sender, &stream, 10..11);
        assert_eq!((after[0].0 - before[0].0, after[0].1 - before[0].1), (1, 1_600));
    }
}
