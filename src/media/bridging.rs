//! Bridges between real sessions over the loopback interface: each party a telephone of another engine, each session on
//! an engine thread of its own.

use std::f64::consts::TAU;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::loopback::{clip, digit, done, engine, engine_with, onset, stream, tone, tracks, wait};
use super::*;
use crate::clock;
use crate::ids::CallId;

/// Tones that the parties say; none is part of a key's pair.
const TONES_HZ: [f32; 3] = [440.0, 1_050.0, 2_000.0];
/// How long each stage of a conference lasts.
const STAGE: Duration = Duration::from_millis(1_200);

/// A telephone, and our session with it.
struct Party {
    us: MediaSession,
    phone: MediaSession,
    folder: PathBuf,
}

/// Telephones that are connected and recorded at both ends; and when the recordings began.
async fn parties(near: &Engine, far: &Engine, folder: &std::path::Path, count: usize) -> (Vec<Party>, Instant) {
    let mut parties = Vec::new();
    let began = clock::monotonic();
    for n in 0..count {
        let folder = folder.join(n.to_string());
        let mut us = near.open(CallId::fresh()).expect("a session");
        let phone = far.open(CallId::fresh()).expect("a session");
        for (session, file) in [(&us, "us.wav"), (&phone, "phone.wav")] {
            session.record(Recording { path: folder.join(file), origin: began }).expect("taken");
        }
        us.connect(stream(phone.local_rtp())).expect("connected");
        phone.connect(stream(us.local_rtp())).expect("connected");
        wait(&mut us, |event| matches!(event, MediaEvent::FirstPacket { .. }).then_some(())).await;
        parties.push(Party { us, phone, folder });
    }
    (parties, began)
}

/// Both sides of both recordings of a party: what we heard and sent, what the telephone heard and sent.
async fn close(party: Party) -> [Vec<i16>; 4] {
    for session in [party.us, party.phone] {
        assert!(session.close().await.recording.is_some());
    }
    let (heard, sent) = tracks(&party.folder.join("us.wav"));
    let (phone_heard, phone_sent) = tracks(&party.folder.join("phone.wav"));
    [heard, sent, phone_heard, phone_sent]
}

/// Mean amplitude of one frequency. In pieces of 20 ms: a listener whose wait changes hears a tone shifted by some hertz.
fn amplitude(samples: &[i16], hz: f32) -> f64 {
    let pieces = samples.chunks_exact(160);
    pieces.clone().map(|piece| goertzel(piece, hz)).sum::<f64>() / pieces.len() as f64
}

fn goertzel(samples: &[i16], hz: f32) -> f64 {
    let coefficient = 2.0 * (TAU * f64::from(hz) / 8_000.0).cos();
    let (mut one, mut two) = (0.0, 0.0);
    for sample in samples {
        (one, two) = (f64::from(*sample) + coefficient * one - two, one);
    }
    let power = one * one + two * two - coefficient * one * two;
    2.0 * power.max(0.0).sqrt() / samples.len() as f64
}

/// Which of the tones, said at 8,000, are in half a second around `at`.
fn found(track: &[i16], at: Duration) -> Vec<usize> {
    let middle = at.as_millis() as usize * 8;
    let window = &track[middle - 2_000..middle + 2_000];
    let amplitudes = TONES_HZ.map(|hz| amplitude(window, hz));
    let present = |n: &usize| {
        let amplitude = amplitudes[*n];
        assert!(!(1_000.0..3_000.0).contains(&amplitude), "neither there nor gone: {amplitudes:?}");
        amplitude > 1_000.0
    };
    (0..TONES_HZ.len()).filter(present).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_parties_and_one_of_them_talking_listening_whispering_and_leaving() {
    let folder = tempfile::tempdir().expect("a folder");
    let (near, far) = (engine_with(3), engine());
    let (parties, began) = parties(&near, &far, folder.path(), 3).await;
    for (party, hz) in parties.iter().zip(TONES_HZ) {
        party.phone.play(PlayId(1), clip(&tone(hz, 20_000))).expect("taken");
    }
    let sessions: Vec<&MediaSession> = parties.iter().map(|party| &party.us).collect();
    let (office, third) = (sessions[1].party(), sessions[2].party());
    let mut bridge = Bridge::between(&sessions).expect("a bridge");
    assert!(matches!(bridge.join(sessions[0], Role::Talk), Err(MediaError::AlreadyBridged)));
    let mut middles = Vec::new();
    for role in [None, Some(Role::Listen), Some(Role::Whisper(office)), Some(Role::Talk)] {
        if let Some(role) = role {
            bridge.set_role(third, role).expect("taken");
        }
        middles.push(began.elapsed() + STAGE * 2 / 3);
        tokio::time::sleep(STAGE).await;
    }
    bridge.leave(third);
    middles.push(began.elapsed() + STAGE * 2 / 3);
    tokio::time::sleep(STAGE).await;
    drop(bridge);
    middles.push(began.elapsed() + STAGE * 2 / 3);
    tokio::time::sleep(STAGE).await;

    // Who hears whom: talking, listening, whispering to the second, talking again, gone, nobody joined.
    let expected: [[&[usize]; 3]; 6] = [
        [&[1, 2], &[0, 2], &[0, 1]],
        [&[1], &[0], &[0, 1]],
        [&[1], &[0, 2], &[0, 1]],
        [&[1, 2], &[0, 2], &[0, 1]],
        [&[1], &[0], &[]],
        [&[], &[], &[]],
    ];
    for (n, party) in parties.into_iter().enumerate() {
        let [heard, sent, phone_heard, _] = close(party).await;
        for (stage, at) in middles.iter().enumerate() {
            assert_eq!(found(&phone_heard, *at), expected[stage][n], "party {n} in stage {stage}");
            assert_eq!(found(&sent, *at), expected[stage][n], "the recording of party {n} in stage {stage}");
            assert_eq!(found(&heard, *at), [n], "the own track of party {n} in stage {stage}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_party_hears_its_prompt_over_the_other_and_keys_are_still_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let (near, far) = (engine_with(2), engine());
    let (mut parties, began) = parties(&near, &far, folder.path(), 2).await;
    let [caller, office] = parties.as_mut_slice() else { panic!("two parties") };
    let _bridge = Bridge::between(&[&caller.us, &office.us]).expect("a bridge");
    for (party, hz) in [&*caller, &*office].into_iter().zip(TONES_HZ) {
        party.phone.play(PlayId(1), clip(&tone(hz, 20_000))).expect("taken");
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    caller.us.play(PlayId(7), clip(&tone(TONES_HZ[2], 1_000))).expect("taken");
    let middle = began.elapsed() + Duration::from_millis(550);
    assert_eq!(wait(&mut caller.us, done).await, (PlayId(7), false));
    caller.phone.send_digit('5', Duration::from_millis(80)).expect("taken");
    assert_eq!(wait(&mut caller.us, digit).await, '5');
    tokio::time::sleep(Duration::from_millis(500)).await;

    let at = middle.as_millis() as usize * 8;
    let [caller, office] = <[Party; 2]>::try_from(parties).unwrap_or_else(|_| panic!("two parties"));
    let [_, _, heard, _] = close(caller).await;
    let window = &heard[at - 2_000..at + 2_000];
    let (prompt, other) = (amplitude(window, TONES_HZ[2]), amplitude(window, TONES_HZ[1]));
    // A busy machine loses frames of either alike.
    assert!((5_000.0..9_000.0).contains(&prompt), "the prompt at {prompt}");
    assert!((1_200.0..2_300.0).contains(&other), "the office steps back by 12 dB: {other}");
    let [_, _, heard, _] = close(office).await;
    assert_eq!(found(&heard, middle), [0], "the office hears the caller and no prompt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_party_that_hangs_up_leaves_the_other_in_silence_and_free_for_another_bridge() {
    let (near, far) = (engine_with(2), engine());
    let folder = tempfile::tempdir().expect("a folder");
    let (mut parties, _) = parties(&near, &far, folder.path(), 3).await;
    let bridge = Bridge::between(&[&parties[0].us, &parties[1].us]).expect("a bridge");
    close(parties.remove(1)).await;
    drop(bridge);
    Bridge::between(&[&parties[0].us, &parties[1].us]).expect("another bridge");
}

/// Our share of the way from mouth to ear: from one telephone's socket to the other's, jitter buffer included.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_says_the_other_hears_soon() {
    let folder = tempfile::tempdir().expect("a folder");
    let (near, far) = (engine_with(2), engine());
    let (mut parties, _) = parties(&near, &far, folder.path(), 2).await;
    let _bridge = Bridge::between(&[&parties[0].us, &parties[1].us]).expect("a bridge");
    tokio::time::sleep(Duration::from_secs(2)).await; // The jitter buffers learn how good the line is.
    for party in &mut parties {
        party.phone.play(PlayId(1), clip(&tone(440.0, 100))).expect("taken");
        wait(&mut party.phone, done).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    let mut tracks = Vec::new();
    for party in parties {
        tracks.push(close(party).await);
    }
    let [first, second] = tracks.as_slice() else { panic!("two parties") };
    for (said, heard) in [(&first[3], &second[2]), (&second[3], &first[2])] {
        let (said, heard) = (onset(said).expect("said"), onset(heard).expect("heard"));
        let took = Duration::from_micros((heard.saturating_sub(said) as u64) * 125);
        println!("from telephone to telephone: {took:?}");
        assert!(took < Duration::from_millis(200), "{took:?}");
    }
}
