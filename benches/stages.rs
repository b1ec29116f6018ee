//! What each stage of the audio engine costs for one 20 ms frame: `cargo bench --bench stages`.

use std::f32::consts::TAU;
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use minxin::call::stream::{Codec, Stream};
use minxin::media::codec::Coder;
use minxin::media::conceal::Concealer;
use minxin::media::g711::{self, Law};
use minxin::media::inband::ToneReceiver;
use minxin::media::jitter::{CELL, JitterBuffer};
use minxin::media::junction::Plug;
use minxin::media::leg::{Leg, Outlet};
use minxin::media::player::Finished;
use minxin::media::playout::Playout;
use minxin::media::resample::Upsampler;
use minxin::media::rtcp::NtpTime;
use minxin::media::rtp::{HEADER_LEN, Header, Packet, SeqNo, Timestamp};
use minxin::media::sender::Sender;
use minxin::media::tape::{BLOCKS, Block, Shelf, TapeItem};
use minxin::media::vad::Vad;
use minxin::media::{Clip, MediaEvent, PlayId};
use minxin::units::FRAME_SAMPLES;

/// A voiced sound: a few harmonics of 120 Hz.
fn voice() -> [i16; FRAME_SAMPLES] {
    std::array::from_fn(|n| {
        let t = n as f32 / 8_000.0;
        (1..5).map(|k| 2_000.0 / k as f32 * (TAU * 120.0 * k as f32 * t).sin()).sum::<f32>() as i16
    })
}

fn peer() -> SocketAddr {
    ([127, 0, 0, 1], 4_000).into()
}

fn stream() -> Stream {
    Stream::new(peer(), Codec::Pcma)
}

fn codecs(c: &mut Criterion) {
    let sound = voice();
    for law in [Law::A, Law::Mu] {
        let mut codes = [0; FRAME_SAMPLES];
        c.bench_function(&format!("encode {law:?}-law"), |b| {
            b.iter(|| g711::encode(law, black_box(&sound), black_box(&mut codes)));
        });
        let mut samples = [0; FRAME_SAMPLES];
        c.bench_function(&format!("decode {law:?}-law"), |b| {
            b.iter(|| g711::decode(law, black_box(&codes), black_box(&mut samples)));
        });
    }
}

fn packets(c: &mut Criterion) {
    let mut datagram = [0xD5; HEADER_LEN + FRAME_SAMPLES];
    let header = Header { marker: false, payload_type: 8, seq: SeqNo(1), timestamp: Timestamp(2), ssrc: 3 };
    if let Some(out) = datagram.first_chunk_mut() {
        header.write(out);
    }
    c.bench_function("parse RTP", |b| b.iter(|| Packet::parse(black_box(&datagram)).is_ok()));

    let mut buffer = JitterBuffer::default();
    let (mut timestamp, mut now) = (Timestamp(0), 0);
    let mut codes = [0; CELL];
    c.bench_function("jitter push and pull", |b| {
        b.iter(|| {
            buffer.push(timestamp, black_box(&datagram[HEADER_LEN..]), true, now);
            timestamp = timestamp.plus(FRAME_SAMPLES as i32);
            now += FRAME_SAMPLES as i64;
            let first = buffer.pull(black_box(&mut codes), 0, now);
            (first, buffer.pull(black_box(&mut codes), CELL as i32, now))
        });
    });

    let stream = stream();
    let mut sender = Sender::new(1, 2);
    let mut elapsed = 0;
    c.bench_function("make RTP", |b| {
        b.iter(|| {
            elapsed += FRAME_SAMPLES as i64;
            sender.tick(&stream, elapsed, |datagram| {
                black_box(datagram);
            })
        });
    });
}

fn analysis(c: &mut Criterion) {
    let sound = voice();
    let cell: [i16; CELL] = std::array::from_fn(|n| sound[n]);
    let mut vad = Vad::default();
    c.bench_function("voice activity", |b| {
        b.iter(|| (vad.heard(black_box(&cell)), vad.heard(black_box(&cell))));
    });
    let mut tones = ToneReceiver::default();
    c.bench_function("tones (Goertzel)", |b| b.iter(|| tones.samples(black_box(&sound))));
    let mut concealer = Concealer::default();
    c.bench_function("concealer, nothing lost", |b| {
        b.iter(|| {
            let (mut first, mut second) = (cell, cell);
            concealer.received(black_box(&mut first));
            concealer.received(black_box(&mut second));
        });
    });
    c.bench_function("concealer, every other frame lost", |b| {
        b.iter(|| {
            let (mut first, mut second) = (cell, cell);
            concealer.lost(black_box(&mut first));
            concealer.lost(black_box(&mut second));
            concealer.received(&mut first);
            concealer.received(&mut second);
        });
    });
    for (name, excess) in [("playout, no drift", 0), ("playout, shifting", 40)] {
        let mut playout = Playout::default();
        let mut out = [0; FRAME_SAMPLES];
        c.bench_function(name, |b| {
            b.iter(|| {
                playout.steer(black_box(excess), false);
                while playout.wants() {
                    playout.push(black_box(&cell));
                }
                playout.frame(black_box(&mut out));
            });
        });
    }
    if let Ok(mut upsampler) = Upsampler::new() {
        c.bench_function("resample 8 to 16 kHz", |b| b.iter(|| upsampler.frame(black_box(&sound)).is_ok()));
    }
}

/// A call's way out that keeps nothing, and gives blocks of the recording back at once.
#[derive(Default)]
struct Nowhere(Vec<Box<Block>>);

impl Shelf for Nowhere {
    fn take(&mut self) -> Option<Box<Block>> {
        self.0.pop()
    }

    fn give(&mut self, item: TapeItem) -> bool {
        if let TapeItem::Block(block) = item {
            self.0.push(block);
        }
        true
    }
}

impl Outlet for Nowhere {
    fn rtp(&mut self, datagram: &[u8], _to: SocketAddr) -> bool {
        black_box(datagram);
        true
    }

    fn rtcp(&mut self, _datagram: &[u8], _to: SocketAddr) {}

    fn event(&mut self, _event: MediaEvent) {}

    fn finished(&mut self, _finished: Finished) {}

    fn unplugged(&mut self, _plug: Plug) {}

    fn heard(&mut self, _at: i64, _frame: &[i16; FRAME_SAMPLES]) -> bool {
        true
    }
}

/// Calls that take a packet in, play a prompt and are recorded, in turn: one alone stays in the cache, as no call of a
/// busy engine does.
fn whole_calls(c: &mut Criterion) {
    let origin = minxin::clock::monotonic();
    let clip = Arc::new(Clip::from_pcm(&voice().repeat(50 * 60)));
    let mut codes = [0; FRAME_SAMPLES];
    g711::encode(Law::A, &voice(), &mut codes);
    // Within an hour, the longest recording.
    const FRAMES: u32 = 100_000;
    for calls in [1, 2_000] {
        let mut nowhere = Nowhere::default();
        let begun = |nowhere: &mut Nowhere| -> Vec<Box<Leg>> {
            nowhere.0.resize_with(BLOCKS * calls as usize, Block::empty);
            let begin = |n| {
                let mut leg = Box::new(Leg::new(origin, NtpTime::default(), n, 7));
                leg.connect(stream(), Coder::new(&stream()).expect("G.711 needs no setting up"), origin);
                leg.record(u64::from(n), origin, origin, nowhere);
                leg.sender().player.play(PlayId(1), vec![Arc::clone(&clip); 40]);
                leg
            };
            (0..calls).map(begin).collect()
        };
        let mut legs = begun(&mut nowhere);
        let (mut turn, mut frame) = (0, 0);
        let mut datagram = [0; HEADER_LEN + FRAME_SAMPLES];
        datagram[HEADER_LEN..].copy_from_slice(&codes);
        c.bench_function(&format!("whole frame, {calls} calls in turn"), |b| {
            b.iter(|| {
                let now = origin + Duration::from_millis(20) * frame;
                let (seq, timestamp) = (SeqNo(frame as u16), Timestamp(frame * FRAME_SAMPLES as u32));
                let header = Header { marker: false, payload_type: 8, seq, timestamp, ssrc: 3 };
                if let Some(out) = datagram.first_chunk_mut() {
                    header.write(out);
                }
                legs[turn].rtp_datagram(&datagram, peer(), now, &mut nowhere);
                legs[turn].tick(now, now, &mut nowhere);
                turn += 1;
                if turn == legs.len() {
                    (turn, frame) = (0, frame + 1);
                }
                if frame == FRAMES {
                    (legs, frame) = (begun(&mut nowhere), 0);
                }
            });
        });
    }
}

criterion_group!(stages, codecs, packets, analysis, whole_calls);
criterion_main!(stages);
