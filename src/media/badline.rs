//! Whole calls over bad lines in virtual time: a [`Leg`] between packets and ticks, without sockets.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use super::codec::Coder;
use super::event::MediaEvent;
use super::g711::{self, Law};
use super::impair::{Conditions, Jitter, Line, Loss};
use super::junction::Plug;
use super::leg::{Leg, Outlet};
use super::player::Finished;
use super::quality::CallQuality;
use super::rtcp::NtpTime;
use super::rtp::{HEADER_LEN, Header, SeqNo, Timestamp};
use super::tape::{Block, Shelf, TapeItem};
use crate::call::stream::{Codec, Stream};
use crate::clock;
use crate::units::{FRAME_SAMPLES, PTIME};

/// What every test begins with; a failing one says which seed it had.
const SEED: u64 = 20_261_124;

/// Takes what a leg gives: the caller's track of its recording, and the wait of each frame.
#[derive(Default)]
struct Ears {
    left: Vec<i16>,
}

impl Shelf for Ears {
    fn take(&mut self) -> Option<Box<Block>> {
        Some(Block::empty())
    }

    fn give(&mut self, item: TapeItem) -> bool {
        if let TapeItem::Block(block) = item {
            assert_eq!(block.start, self.left.len() as u64, "blocks come in order and without a gap");
            let mut samples = vec![0; block.len];
            g711::decode(block.law, &block.left[..block.len], &mut samples);
            self.left.extend(samples);
        }
        true
    }
}

impl Outlet for Ears {
    fn rtp(&mut self, _: &[u8], _: SocketAddr) -> bool {
        true
    }
    fn rtcp(&mut self, _: &[u8], _: SocketAddr) {}
    fn event(&mut self, _: MediaEvent) {}
    fn finished(&mut self, _: Finished) {}
    fn unplugged(&mut self, _: Plug) {}
    fn heard(&mut self, _: i64, _: &[i16; FRAME_SAMPLES]) -> bool {
        true
    }
}

/// What came of a call.
struct Outcome {
    /// The caller's track of the recording.
    left: Vec<i16>,
    figures: CallQuality,
    /// How long each frame waited, in samples, sorted: from the fastest packet's arrival to the frame's tick.
    waits: Vec<i32>,
    /// Packets that the line lost.
    lost: u64,
}

impl Outcome {
    /// The wait that this share of the frames did not exceed, in samples.
    fn wait(&self, share: f64) -> i32 {
        self.waits[((self.waits.len() - 1) as f64 * share) as usize]
    }
}

fn stream(peer: SocketAddr) -> Stream {
    Stream { recv_event_type: Some(101), ..Stream::new(peer, Codec::Pcma) }
}

/// Sends `packets` frames of `source`, again and again, over a line to a leg that ticks `phase` after each frame is
/// complete at the sender, and records.
fn call(source: &[i16], packets: u32, conditions: Conditions, seed: u64, phase: Duration) -> Outcome {
    let peer = SocketAddr::from(([127, 0, 0, 1], 4_000));
    let opened: Instant = clock::monotonic(); // Only an origin: nothing below reads the clock.
    let mut ears = Ears::default();
    let mut leg = Leg::new(opened, NtpTime::default(), 1, 2);
    let stream = stream(peer);
    let coder = Coder::new(&stream).expect("a coder");
    leg.connect(stream, coder, opened);
    leg.record(1, opened, opened, &mut ears);
    let mut line = Line::new(seed, conditions);
    let mut arrivals = Vec::new();
    let mut lost = 0;
    for n in 0..packets {
        // A packet leaves when its audio is complete.
        let came = line.arrivals(PTIME * (n + 1));
        lost += u64::from(came[0].is_none());
        arrivals.extend(came.into_iter().flatten().map(|at| (at, n)));
    }
    arrivals.sort_unstable();
    let mut waiting = arrivals.into_iter().peekable();
    let (frames, _) = source.as_chunks::<FRAME_SAMPLES>();
    let mut waits = Vec::new();
    for tick in 1..=packets {
        let due = PTIME * tick + phase;
        while let Some((at, n)) = waiting.next_if(|(at, _)| *at <= due) {
            let header = Header {
                marker: n == 0,
                payload_type: 8,
                seq: SeqNo(n as u16),
                timestamp: Timestamp(n * FRAME_SAMPLES as u32),
                ssrc: 7,
            };
            let mut datagram = [0; HEADER_LEN + FRAME_SAMPLES];
            header.write(datagram.first_chunk_mut().expect("room"));
            g711::encode(Law::A, &frames[n as usize % frames.len()], &mut datagram[HEADER_LEN..]);
            leg.rtp_datagram(&datagram, peer, opened + at, &mut ears);
        }
        leg.tick(opened + due, opened + due, &mut ears);
        waits.extend(leg.wait());
    }
    leg.finish(opened + PTIME * packets, &mut ears);
    waits.sort_unstable();
    Outcome { left: ears.left, figures: leg.figures(), waits, lost }
}

/// What a leg records of packets, each arriving with the tick whose number it has, and the figures at the end.
fn recorded(packets: &[(u32, Header, Vec<u8>)], ticks: u32) -> (Vec<i16>, CallQuality) {
    let peer = SocketAddr::from(([127, 0, 0, 1], 4_000));
    let opened: Instant = clock::monotonic(); // Only an origin: nothing below reads the clock.
    let mut ears = Ears::default();
    let mut leg = Leg::new(opened, NtpTime::default(), 1, 2);
    let stream = stream(peer);
    let coder = Coder::new(&stream).expect("a codec");
    leg.connect(stream, coder, opened);
    leg.record(1, opened, opened, &mut ears);
    for tick in 0..ticks {
        let now = opened + PTIME * tick;
        for (_, header, payload) in packets.iter().filter(|(at, ..)| *at == tick) {
            let mut datagram = vec![0; HEADER_LEN];
            header.write(datagram.first_chunk_mut().expect("room"));
            datagram.extend(payload);
            leg.rtp_datagram(&datagram, peer, now, &mut ears);
        }
        leg.tick(now, now, &mut ears);
    }
    leg.finish(opened + PTIME * ticks, &mut ears);
    (ears.left, leg.figures())
}

/// Packets of a loud hum, one a tick from `first` on, from a source whose clock is at `timestamp` then.
fn hum(first: u32, packets: u32, ssrc: u32, timestamp: u32) -> impl Iterator<Item = (u32, Header, Vec<u8>)> {
    let samples: [i16; FRAME_SAMPLES] = std::array::from_fn(|n| if n / 32 % 2 == 0 { 6_000 } else { -6_000 });
    let mut codes = vec![0; FRAME_SAMPLES];
    g711::encode(Law::A, &samples, &mut codes);
    (0..packets).map(move |n| {
        let header = Header {
            marker: n == 0,
            payload_type: 8,
            seq: SeqNo((first + n) as u16),
            timestamp: Timestamp(timestamp.wrapping_add(n * FRAME_SAMPLES as u32)),
            ssrc,
        };
        (first + n, header, codes.clone())
    })
}

/// Level of some frames of a track in dBov.
fn level(track: &[i16], ticks: std::ops::Range<usize>) -> f32 {
    super::vad::level(&track[ticks.start * FRAME_SAMPLES..ticks.end * FRAME_SAMPLES])
}

#[test]
fn a_described_background_is_heard_in_a_pause() {
    let noise = Header { marker: false, payload_type: 13, seq: SeqNo(50), timestamp: Timestamp(8_000), ssrc: 7 };
    let mut packets: Vec<_> = hum(0, 50, 7, 0).collect();
    packets.push((50, noise, vec![40]));
    // Its sequence numbers go on behind the noise.
    packets.extend(hum(51, 50, 7, 100 * 160).map(|(tick, header, payload)| (tick + 49, header, payload)));
    let (track, figures) = recorded(&packets, 160);
    let (speech, pause) = (level(&track, 20..45), level(&track, 56..96));
    assert!((-20.0..-10.0).contains(&speech) && (-42.0..-38.0).contains(&pause), "{speech} and {pause} dBov");
    assert!(level(&track, 105..145) > -20.0, "the next talkspurt");
    assert_eq!((figures.concealed_ms, figures.lost), (0, 0));
}

#[test]
fn another_source_and_another_time_are_heard_at_once() {
    for (ssrc, timestamp) in [(8, 0xFFFF_FF00), (7, 5_000_000), (7, 50 * 160 + 16_000)] {
        let packets: Vec<_> = hum(0, 50, 7, 0).chain(hum(50, 60, ssrc, timestamp)).collect();
        let (track, figures) = recorded(&packets, 110);
        let after = level(&track, 56..100);
        assert!((-20.0..-10.0).contains(&after), "source {ssrc} at {timestamp}: {after} dBov, {figures:?}");
        assert!(figures.concealed_ms <= 100, "source {ssrc} at {timestamp}: {figures:?}");
    }
}

/// A minute of telephone speech: residents with their requests, as they will sound after A-law.
fn speech() -> Vec<i16> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/calls");
    let mut speech = Vec::new();
    for name in ["pension", "job", "medical", "streetlight", "birth", "disability", "enterprise"] {
        let path = folder.join(format!("request.{name}.wav"));
        let samples = hound::WavReader::open(path).expect("a test's sound").into_samples::<i16>();
        speech.extend(samples.map(|sample| sample.expect("a sample")));
    }
    speech.truncate(speech.len() / FRAME_SAMPLES * FRAME_SAMPLES);
    let mut codes = vec![0; speech.len()];
    g711::encode(Law::A, &speech, &mut codes);
    g711::decode(Law::A, &codes, &mut speech);
    speech
}

/// Where in `source` (which repeats) the second of `track` that begins at `at` comes from, as samples that it lies too
/// late; `drift_ppm` says how the sender's clock ran.
fn skew(source: &[i16], track: &[i16], at: usize, drift_ppm: f64) -> i64 {
    const REACH: i64 = 1_600;
    const LEN: usize = 16_000;
    let heard = &track[at..at + LEN];
    let likeness = |skew: i64| -> f64 {
        let (mut product, mut energy) = (0.0, 1.0);
        for (n, sample) in heard.iter().enumerate().step_by(3) {
            // The first frame's samples leave one packet time before the packet that carries them.
            let here = (at + n) as i64 - skew;
            let there = (here as f64 / (1.0 + drift_ppm / 1e6)).round() as i64 - FRAME_SAMPLES as i64;
            let value = f64::from(source[there.rem_euclid(source.len() as i64) as usize]);
            product += value * f64::from(*sample);
            energy += value * value;
        }
        product / energy.sqrt()
    };
    let best = (-REACH..=REACH).max_by(|a, b| likeness(*a).total_cmp(&likeness(*b)));
    best.expect("a range that is not empty")
}

/// Clicks: places where the track leaps from one sample to the next by more than twice what its source does within 100 ms
/// of there, and by more than a fiftieth of full scale.
fn clicks(source: &[i16], track: &[i16], drift_ppm: f64) -> usize {
    const NEAR: usize = 800;
    let leap = |pair: &[i16]| (i32::from(pair[1]) - i32::from(pair[0])).abs();
    let steps: Vec<i32> = source.windows(2).map(leap).collect();
    let steepest = |from: usize| {
        let range = from.saturating_sub(NEAR)..(from + NEAR).min(steps.len());
        steps[range].iter().copied().max().unwrap_or(0)
    };
    let bounds: Vec<i32> = (0..steps.len()).step_by(FRAME_SAMPLES).map(steepest).collect();
    let mut found = 0;
    for (n, pair) in track.windows(2).enumerate() {
        let leap = leap(pair);
        let there = (n as f64 / (1.0 + drift_ppm / 1e6)) as usize % source.len();
        if leap > 655 && leap > 2 * bounds[(there / FRAME_SAMPLES).min(bounds.len() - 1)] {
            found += 1;
        }
    }
    found
}

/// The line's jitter costs at most `late` of the packets, and 19 of 20 frames wait at most `wait_ms`, over seeds and phases.
#[track_caller]
fn check_jitter(name: &str, jitter: Jitter, late: f64, wait_ms: i32) {
    let packets = 3_000;
    let source = speech();
    let (mut made_up_ms, mut waits) = (0, Vec::new());
    for run in 0..5 {
        let phase = Duration::from_micros(1_000 + 4_000 * run);
        let conditions = Conditions { jitter, ..Conditions::GOOD };
        let outcome = call(&source, packets, conditions, SEED + run, phase);
        made_up_ms += outcome.figures.concealed_ms;
        waits.extend(outcome.waits);
    }
    waits.sort_unstable();
    let share = made_up_ms as f64 / 20.0 / f64::from(packets) / 5.0; // Nothing was lost: all of it came late.
    let wait = |of: f64| f64::from(waits[((waits.len() - 1) as f64 * of) as usize]) / 8.0;
    println!("{name}: late {:.3} %, wait median {:.1} p95 {:.1} ms", share * 100.0, wait(0.5), wait(0.95));
    assert!(share <= late, "{name}, seeds from {SEED}: {share} late");
    assert!(wait(0.95) <= f64::from(wait_ms), "{name}, seeds from {SEED}: p95 {} ms", wait(0.95));
}

#[test]
fn jitter_costs_little_loss_and_little_delay() {
    let ms = Duration::from_millis;
    check_jitter("even, 40 ms", Jitter::Uniform(ms(40)), 0.005, 60);
    check_jitter("even, 60 ms", Jitter::Uniform(ms(60)), 0.005, 85);
    check_jitter("gamma, mean 10 ms", Jitter::Gamma(ms(10)), 0.01, 85);
    check_jitter("stand-stills, 60 ms", Jitter::Bursts(ms(60)), 0.01, 85);
    check_jitter("leaps, 80 ms", Jitter::Spikes(ms(80)), 0.02, 105);
}

#[test]
fn reordering_and_duplicates_conceal_nothing() {
    let conditions =
        Conditions { jitter: Jitter::Uniform(Duration::from_millis(40)), duplicate: 0.1, ..Conditions::GOOD };
    let outcome = call(&speech(), 1_000, conditions, SEED, Duration::from_millis(5));
    assert!(outcome.figures.duplicate > 60, "{:?}", outcome.figures);
    assert!(outcome.figures.lost <= 2 && outcome.figures.concealed_ms <= 100, "{:?}", outcome.figures);
}

#[test]
fn a_good_line_passes_the_sound_through_bit_by_bit() {
    let source = speech();
    let outcome = call(&source, 1_500, Conditions::GOOD, SEED, Duration::from_millis(5));
    let start = 16_000; // The first second or two may still be fitted to its place.
    let offset = skew(&source, &outcome.left, start, 0.0);
    assert!(offset.abs() <= 8, "the caller lies {offset} samples from where it belongs");
    let from = (start - FRAME_SAMPLES).wrapping_add_signed(-offset as isize);
    let differ = outcome.left[start..][..200_000].iter().zip(&source[from..]).filter(|(a, b)| a != b).count();
    assert_eq!(differ, 0, "samples that differ");
}

/// `seconds` with 5 % loss, 60 ms of jitter and 200 ppm of drift.
fn long_call(seconds: u32, drift_ppm: f64) {
    let source = speech();
    let conditions = Conditions {
        loss: Loss::Bernoulli(0.05),
        jitter: Jitter::Uniform(Duration::from_millis(60)),
        duplicate: 0.01,
        drift_ppm,
    };
    let packets = seconds * 50;
    let outcome = call(&source, packets, conditions, SEED, Duration::from_millis(5));
    let begin = skew(&source, &outcome.left, 40_000, drift_ppm);
    let end = skew(&source, &outcome.left, outcome.left.len() - 60_000, drift_ppm);
    let concealed = outcome.figures.concealed_ms / 20;
    let clicks = clicks(&source, &outcome.left, drift_ppm);
    println!(
        "{seconds} s, {drift_ppm} ppm: lost {}, late {}, concealed {concealed} frames, skew {begin} and {end} samples, \
         {clicks} clicks, wait p95 {} samples, MOS {:.2}",
        outcome.lost,
        outcome.figures.late,
        outcome.wait(0.95),
        outcome.figures.mos
    );
    assert!(begin.abs() <= 80 && end.abs() <= 80, "seed {SEED}: skew {begin}, {end}");
    assert!(concealed <= outcome.lost + u64::from(packets) / 100, "seed {SEED}: {:?}", outcome.figures);
}

#[test]
fn two_minutes_of_loss_jitter_and_drift_keep_their_place() {
    long_call(120, 200.0);
}

#[test]
#[ignore = "an hour takes minutes without optimisation: CARGO_PROFILE_DEV_OPT_LEVEL=3"]
fn an_hour_of_loss_jitter_and_drift_keeps_its_place() {
    long_call(3_600, 200.0);
    long_call(3_600, -200.0);
}

/// Drift alone, on a good line: no cell is made up and nothing leaps.
#[track_caller]
fn check_drift(seconds: u32, drift_ppm: f64) {
    let source = speech();
    let conditions = Conditions { drift_ppm, ..Conditions::GOOD };
    let outcome = call(&source, seconds * 50, conditions, SEED, Duration::from_millis(5));
    let end = skew(&source, &outcome.left, outcome.left.len() - 60_000, drift_ppm);
    let clicks = clicks(&source, &outcome.left, drift_ppm);
    println!("{seconds} s, {drift_ppm} ppm alone: {:?}, skew {end}, {clicks} clicks", outcome.figures);
    assert_eq!((outcome.figures.late, clicks), (0, 0), "{drift_ppm} ppm");
    assert!(
        outcome.figures.concealed_ms <= 40 && end.abs() <= 24,
        "{drift_ppm} ppm: skew {end}, {:?}",
        outcome.figures
    );
}

#[test]
fn drift_is_followed_without_a_click() {
    check_drift(120, 200.0);
    check_drift(120, -200.0);
}

#[test]
#[ignore = "an hour takes minutes without optimisation: CARGO_PROFILE_DEV_OPT_LEVEL=3"]
fn drift_is_followed_for_an_hour_without_a_click() {
    check_drift(3_600, 200.0);
    check_drift(3_600, -200.0);
}
