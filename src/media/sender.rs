//! Our side of a stream: prompts, digits and comfort silence as an unbroken series of RTP packets.

use std::time::Duration;

use super::dtmf::EventSender;
use super::g711;
use super::mixer::Mixer;
use super::player::{Finished, Player};
use super::rtp::{HEADER_LEN, Header, SeqNo, Timestamp};
use super::vad::{SILENT, level};
use crate::call::stream::{Codec, Stream};
use crate::units::{FRAME_SAMPLES, PTIME};

/// Longest packet that we send, in frames: 60 ms.
const MAX_FRAMES: usize = 3;

/// What went out in one tick.
#[derive(Debug)]
pub struct Sent {
    /// The audio, silence where a digit was sent.
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
    seq: SeqNo,
    /// Timestamp at the session's opening; random (RFC 3550 §5.1).
    origin: Timestamp,
    /// Whether the last tick sent nothing, or silence: the next prompt packet begins a talkspurt.
    pause: bool,
    packet: [u8; HEADER_LEN + MAX_FRAMES * FRAME_SAMPLES],
    /// Frames in `packet`, and the timestamp and marker that it begins with.
    gathered: usize,
    begun: (Timestamp, bool),
    packets: u32,
    octets: u32,
}

impl Sender {
    /// A sender whose identity and origins are `random`.
    pub fn new(ssrc: u32, random: u64) -> Self {
        Self {
            ssrc,
            player: Player::default(),
            mixer: Mixer::default(),
            digits: EventSender::default(),
            seq: SeqNo(random as u16),
            origin: Timestamp((random >> 32) as u32),
            pause: true,
            packet: [0; HEADER_LEN + MAX_FRAMES * FRAME_SAMPLES],
            gathered: 0,
            begun: (Timestamp(0), false),
            packets: 0,
            octets: 0,
        }
    }

    /// One tick, `elapsed` samples after the opening: what is due goes to `send`.
    pub fn tick(&mut self, stream: &Stream, elapsed: i64, mut send: impl FnMut(&[u8])) -> Sent {
        let timestamp = self.timestamp(elapsed);
        let mut sent = Sent {
            payload: [g711::silence(stream.codec); FRAME_SAMPLES],
            level: SILENT,
            prompt: false,
            finished: None,
        };
        if let Some(payload_type) = stream.send_event_type
            && let Some(event) = self.digits.tick(timestamp)
        {
            self.flush(stream, &mut send);
            self.packet[HEADER_LEN..HEADER_LEN + event.payload.len()].copy_from_slice(&event.payload);
            self.emit(event.marker, payload_type, event.timestamp, event.payload.len(), &mut send);
            self.pause = true;
            return sent;
        }
        if let Some(level) = self.player.frame(stream.codec, &mut sent.payload) {
            sent.level = level;
            sent.prompt = true;
        }
        sent.finished = self.player.finished();
        let bridged = self.mixer.is_sounding();
        if bridged {
            sent.level = self.mix(stream.codec, sent.prompt, &mut sent.payload);
        }
        if self.gathered == 0 {
            self.begun = (timestamp, self.pause && (sent.prompt || bridged || self.packets == 0));
        }
        self.pause = !(sent.prompt || bridged);
        let at = HEADER_LEN + self.gathered * FRAME_SAMPLES;
        self.packet[at..at + FRAME_SAMPLES].copy_from_slice(&sent.payload);
        self.gathered += 1;
        if self.gathered >= frames_per_packet(stream.ptime) {
            self.flush(stream, &mut send);
        }
        sent
    }

    /// A tick in which the stream does not let us send.
    pub fn hold(&mut self) {
        self.gathered = 0;
        self.pause = true;
    }

    /// Our RTP timestamp `elapsed` samples after the opening.
    pub fn timestamp(&self, elapsed: i64) -> Timestamp {
        Timestamp(self.origin.0.wrapping_add(elapsed as u32))
    }

    /// Packets and payload octets sent.
    pub fn counts(&self) -> (u32, u32) {
        (self.packets, self.octets)
    }

    /// Puts what the others say into `payload`, under the prompt that is there, if any; the level of both, in dBov.
    fn mix(&mut self, codec: Codec, prompt: bool, payload: &mut [u8; FRAME_SAMPLES]) -> f32 {
        if prompt {
            let mut announced = [0; FRAME_SAMPLES];
            g711::decode(codec, payload, &mut announced);
            self.mixer.announce(&announced);
        }
        let frame = self.mixer.frame();
        g711::encode(codec, &frame, payload);
        level(&frame)
    }

    fn flush(&mut self, stream: &Stream, send: &mut impl FnMut(&[u8])) {
        if self.gathered > 0 {
            let (timestamp, marker) = self.begun;
            let len = self.gathered * FRAME_SAMPLES;
            self.gathered = 0;
            self.emit(marker, stream.send_payload_type, timestamp, len, send);
        }
    }

    fn emit(&mut self, marker: bool, payload_type: u8, timestamp: Timestamp, len: usize, send: &mut impl FnMut(&[u8])) {
        let header = Header { marker, payload_type, seq: self.seq, timestamp, ssrc: self.ssrc };
        if let Some(out) = self.packet.first_chunk_mut() {
            header.write(out);
        }
        send(&self.packet[..HEADER_LEN + len]);
        self.seq = self.seq.next();
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(len as u32);
    }
}

fn frames_per_packet(ptime: Duration) -> usize {
    ((ptime.as_millis() / PTIME.as_millis()) as usize).clamp(1, MAX_FRAMES)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::call::stream::Direction;
    use crate::media::clip::Clip;
    use crate::media::event::PlayId;
    use crate::media::rtp::Packet;

    pub(crate) fn stream(ptime_ms: u64) -> Stream {
        let remote = "127.0.0.1:4000".parse().expect("an address");
        Stream {
            remote_rtp: remote,
            remote_rtcp: remote,
            codec: Codec::Pcma,
            send_payload_type: 8,
            recv_payload_type: 8,
            send_event_type: Some(101),
            recv_event_type: Some(101),
            ptime: Duration::from_millis(ptime_ms),
            direction: Direction::SendRecv,
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

    #[test]
    fn longer_packets_hold_several_frames() {
        let mut sender = Sender::new(1, 0);
        let found = packets(&mut sender, &stream(60), 0..7);
        assert_eq!(found.iter().map(|packet| (packet.1, packet.4)).collect::<Vec<_>>(), [(0, 480), (480, 480)]);
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
