//! Two legs that talk to each other in virtual time, in every codec and under SRTP, without sockets.

use std::f32::consts::TAU;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::clip::Clip;
use super::codec::Coder;
use super::codec::tests_support::tone;
use super::event::{MediaEvent, PlayId};
use super::junction::Plug;
use super::leg::{Leg, Outlet};
use super::player::Finished;
use super::rtcp::NtpTime;
use super::rtp::{HEADER_LEN, Header, SeqNo, Timestamp};
use super::tape::{Block, Shelf, TapeItem};
use crate::call::stream::{Codec, MasterKey, Srtp, SrtpSuite, Stream};
use crate::clock;
use crate::units::{FRAME_SAMPLES, PTIME};

/// One side: its leg, and all that came out of it.
struct Side {
    leg: Leg,
    address: SocketAddr,
    out: Out,
}

#[derive(Default)]
struct Out {
    /// RTP and RTCP that is on the way.
    packets: Vec<(bool, Vec<u8>)>,
    heard: Vec<i16>,
    keys: String,
}

impl Shelf for Out {
    fn take(&mut self) -> Option<Box<Block>> {
        Some(Block::empty())
    }

    fn give(&mut self, _: TapeItem) -> bool {
        true
    }
}

impl Outlet for Out {
    fn rtp(&mut self, datagram: &[u8], _: SocketAddr) -> bool {
        self.packets.push((false, datagram.to_vec()));
        true
    }
    fn rtcp(&mut self, datagram: &[u8], _: SocketAddr) {
        self.packets.push((true, datagram.to_vec()));
    }
    fn event(&mut self, event: MediaEvent) {
        if let MediaEvent::Digit { key, .. } = event {
            self.keys.push(key);
        }
    }
    fn finished(&mut self, _: Finished) {}
    fn unplugged(&mut self, _: Plug) {}
    fn heard(&mut self, _: i64, frame: &[i16; FRAME_SAMPLES]) -> bool {
        self.heard.extend_from_slice(frame);
        true
    }
}

/// A call between two sides.
struct Crossing {
    sides: [Side; 2],
    now: Instant,
}

impl Crossing {
    fn new() -> Self {
        let now = clock::monotonic(); // Only an origin: nothing below waits.
        let side = |n: u16| {
            let leg = Leg::new(now, NtpTime::default(), u32::from(n), u64::from(n) << 40);
            let mut side = Side { leg, address: ([127, 0, 0, 1], 4_000 + 2 * n).into(), out: Out::default() };
            side.leg.listen(true, &mut side.out);
            side
        };
        Self { sides: [side(1), side(2)], now }
    }

    /// Each side obeys its stream.
    fn connect(&mut self, streams: [Stream; 2]) {
        for (side, stream) in self.sides.iter_mut().zip(streams) {
            let coder = Coder::new(&stream).expect("a coder");
            side.leg.connect(stream, coder, self.now);
        }
    }

    /// The stream of side `n` in a codec.
    fn stream(&self, n: usize, codec: Codec, ptime_ms: u64) -> Stream {
        let mut stream = Stream::new(self.sides[1 - n].address, codec);
        stream.ptime = Duration::from_millis(ptime_ms);
        stream.send_event_type = Some(101);
        stream.recv_event_type = Some(101);
        stream
    }

    fn streams(&self, codec: Codec, ptime_ms: u64) -> [Stream; 2] {
        [self.stream(0, codec, ptime_ms), self.stream(1, codec, ptime_ms)]
    }

    fn play(&mut self, n: usize, sound: &[i16]) {
        self.sides[n].leg.sender().player.play(PlayId(1), vec![Arc::new(Clip::from_pcm(sound))]);
    }

    /// Lets so many ticks of 20 ms pass; every packet takes 5 ms.
    fn pass(&mut self, ticks: u32) {
        for _ in 0..ticks {
            for side in &mut self.sides {
                side.leg.tick(self.now, self.now, &mut side.out);
            }
            let arrives = self.now + Duration::from_millis(5);
            for n in [0, 1] {
                let packets = std::mem::take(&mut self.sides[n].out.packets);
                let (from, to) = (self.sides[n].address, &mut self.sides[1 - n]);
                for (rtcp, packet) in packets {
                    if rtcp {
                        to.leg.rtcp_datagram(&packet, SocketAddr::new(from.ip(), from.port() + 1), arrives);
                    } else {
                        to.leg.rtp_datagram(&packet, from, arrives, &mut to.out);
                    }
                }
            }
            self.now += PTIME;
        }
    }

    /// A fresh tone from each side to the other; how pure it arrives, at worst.
    fn likeness(&mut self) -> f32 {
        const HZ: [f32; 2] = [700.0, 1_100.0];
        for (n, hz) in HZ.into_iter().enumerate() {
            self.play(n, &tone(hz, 8_000.0, 12_000));
            self.sides[n].out.heard.clear();
        }
        self.pass(70);
        let purity = |n: usize| purity(HZ[1 - n], &self.sides[n].out.heard[4_000..10_000]);
        purity(0).min(purity(1))
    }
}

/// The share of a tone, said at 8,000, in half of the 50 ms pieces of a sound at least; 0 where these are not as loud. What
/// wait the buffer chose does not matter.
fn purity(hz: f32, heard: &[i16]) -> f32 {
    let shares = heard.chunks_exact(400).map(|piece| {
        let (mut re, mut im, mut power) = (0.0, 0.0, 0.0);
        for (n, sample) in piece.iter().enumerate() {
            let (sample, phase) = (f32::from(*sample), TAU * hz * n as f32 / 8_000.0);
            (re, im, power) = (re + sample * phase.cos(), im + sample * phase.sin(), power + sample * sample);
        }
        let loud = (16e6..64e6).contains(&(power / 400.0));
        if loud { 2.0 * (re * re + im * im) / (400.0 * power) } else { 0.0 }
    });
    let mut shares: Vec<f32> = shares.collect();
    shares.sort_unstable_by(f32::total_cmp);
    shares[shares.len() / 2]
}

#[test]
fn every_codec_at_every_packet_time_both_ways() {
    for codec in Codec::ALL {
        // The two sides need not agree.
        for (near_ms, far_ms) in [(10, 60), (20, 20), (30, 40), (50, 10), (60, 30)] {
            let mut call = Crossing::new();
            call.connect([call.stream(0, codec, near_ms), call.stream(1, codec, far_ms)]);
            call.pass(20);
            let likeness = call.likeness();
            assert!(likeness > 0.97, "{codec:?} at {near_ms} and {far_ms} ms: {likeness}");
            for side in &mut call.sides {
                let figures = side.leg.figures();
                assert_eq!((figures.lost, figures.invalid, figures.late), (0, 0, 0), "{codec:?}: {figures:?}");
            }
        }
    }
}

#[test]
fn the_codec_changes_while_both_speak() {
    let mut call = Crossing::new();
    call.sides[0].leg.record(1, call.now, call.now, &mut call.sides[0].out);
    for codec in [Codec::Pcmu, Codec::Opus, Codec::Pcma, Codec::G722, Codec::Opus, Codec::Opus] {
        call.connect(call.streams(codec, 20));
        call.pass(15);
        let likeness = call.likeness();
        assert!(likeness > 0.97, "{codec:?}: {likeness}");
    }
    let figures = call.sides[1].leg.figures();
    assert_eq!((figures.foreign, figures.invalid), (0, 0), "{figures:?}");
}

#[test]
fn payload_types_differ_by_side_and_change() {
    let mut call = Crossing::new();
    for (near, far) in [(96, 111), (98, 97)] {
        let mut streams = call.streams(Codec::Opus, 20);
        // Each side sends by the other's numbers.
        for (stream, (ours, theirs)) in streams.iter_mut().zip([(near, far), (far, near)]) {
            (stream.recv_payload_type, stream.send_payload_type) = (ours, theirs);
            (stream.recv_event_type, stream.send_event_type) = (Some(ours - 10), Some(theirs - 10));
        }
        call.connect(streams);
        call.pass(15);
        let likeness = call.likeness();
        assert!(likeness > 0.97, "{near} and {far}: {likeness}");
        assert!(call.sides[0].leg.sender().digits.send('7', Duration::from_millis(100)));
        call.pass(20);
    }
    assert_eq!(call.sides[1].out.keys, "77");
}

#[test]
fn keys_are_counted_by_the_clock_that_was_agreed_on() {
    for (codec, event_hz) in [(Codec::Opus, 48_000), (Codec::Opus, 8_000), (Codec::G722, 8_000)] {
        let mut call = Crossing::new();
        let streams = call.streams(codec, 20).map(|stream| Stream { event_hz, ..stream });
        call.connect(streams);
        for key in "159".chars() {
            assert!(call.sides[0].leg.sender().digits.send(key, Duration::from_secs(2)));
        }
        call.pass(400);
        assert_eq!(call.sides[1].out.keys, "159", "{codec:?} {event_hz}");
    }
}

fn protected(streams: [Stream; 2], suite: SrtpSuite, octets: [u8; 2]) -> [Stream; 2] {
    let key = |octet| MasterKey::new(suite, &vec![octet; suite.key_len() + suite.salt_len()]).expect("its length");
    let [near, far] = streams;
    let srtp = |ours, theirs| Some(Box::new(Srtp { suite, ours: key(ours), theirs: key(theirs) }));
    [Stream { srtp: srtp(1, octets[0]), ..near }, Stream { srtp: srtp(2, octets[1]), ..far }]
}

#[test]
fn every_suite_protects_sound_keys_and_reports() {
    for suite in SrtpSuite::ALL {
        for codec in [Codec::Pcma, Codec::Opus] {
            let mut call = Crossing::new();
            for _ in 0..2 {
                call.connect(protected(call.streams(codec, 20), suite, [2, 1]));
                call.pass(15);
                let likeness = call.likeness();
                assert!(likeness > 0.97, "{suite:?} {codec:?}: {likeness}");
            }
            assert!(call.sides[0].leg.sender().digits.send('#', Duration::from_millis(80)));
            call.pass(200);
            let figures = call.sides[1].leg.figures();
            assert_eq!(call.sides[1].out.keys, "#");
            assert_eq!((figures.unauthentic, figures.invalid, figures.lost), (0, 0, 0), "{suite:?}: {figures:?}");
            assert!(figures.remote_loss.is_some(), "{suite:?}: reports are read");
        }
    }
}

#[test]
fn who_has_another_key_is_not_heard_and_ends_nothing() {
    let mut call = Crossing::new();
    let suite = SrtpSuite::AesCm128HmacSha1_80;
    // What the far side sends is protected by a key that the near side does not know.
    call.connect(protected(call.streams(Codec::Pcma, 20), suite, [9, 1]));
    call.play(1, &tone(700.0, 8_000.0, 8_000));
    call.pass(60);
    assert!(call.sides[0].out.heard.iter().all(|sample| *sample == 0));
    let figures = call.sides[0].leg.figures();
    assert_eq!((figures.packets_received, figures.first_packet), (0, None), "{figures:?}");
    assert!(figures.unauthentic >= 60, "{figures:?}");
}

/// Seeded: bad SRTP, replayed packets and DTLS of strangers, from the peer's own address and from others.
#[test]
fn a_spray_of_bad_packets_changes_nothing() {
    const SEED: u64 = 41_105;
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut call = Crossing::new();
    call.connect(protected(call.streams(Codec::Pcma, 20), SrtpSuite::AesCm128HmacSha1_80, [2, 1]));
    let sound = tone(700.0, 8_000.0, 16_000);
    call.play(1, &sound);
    let strangers: [SocketAddr; 2] = [call.sides[1].address, "203.0.113.9:4000".parse().expect("an address")];
    // A ClientHello that offers TLS_NULL_WITH_NULL_NULL only.
    let client_hello = hex::decode("16feff0000000000000000002e010000220000000000000022feff").expect("octets");
    let mut captured: Vec<Vec<u8>> = Vec::new();
    for tick in 0..90u16 {
        let mut forged = vec![0x2A; HEADER_LEN + 170];
        let header = Header {
            marker: true,
            payload_type: 8,
            seq: SeqNo(rng.random()),
            timestamp: Timestamp(rng.random()),
            ssrc: 2,
        };
        header.write(forged.first_chunk_mut().expect("room"));
        for from in strangers {
            let side = &mut call.sides[0];
            for packet in [&forged, &client_hello] {
                side.leg.rtp_datagram(packet, from, call.now, &mut side.out);
                side.leg.rtcp_datagram(packet, from, call.now);
            }
            if let Some(old) = captured.get(usize::from(tick / 2)) {
                side.leg.rtp_datagram(old, from, call.now, &mut side.out);
            }
        }
        // The far side's packets of this tick, seen on the way.
        let side = &mut call.sides[1];
        side.leg.tick(call.now, call.now, &mut side.out);
        let packets = std::mem::take(&mut side.out.packets);
        let from = side.address;
        let near = &mut call.sides[0];
        for (_, packet) in packets.iter().filter(|(rtcp, _)| !rtcp) {
            near.leg.rtp_datagram(packet, from, call.now, &mut near.out);
            captured.push(packet.clone());
        }
        near.leg.tick(call.now, call.now, &mut near.out);
        call.now += PTIME;
    }
    let likeness = purity(700.0, &call.sides[0].out.heard[4_000..12_000]);
    assert!(likeness > 0.97, "seed {SEED}: {likeness}");
    let figures = call.sides[0].leg.figures();
    assert_eq!((figures.packets_received, figures.lost), (90, 0), "seed {SEED}: {figures:?}");
    assert!(figures.unauthentic > 200 && figures.foreign > 100 && figures.invalid > 80, "seed {SEED}: {figures:?}");
}
