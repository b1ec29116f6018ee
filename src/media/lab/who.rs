//! Who answered, by sound alone: the confusion matrix of the labelled set in `tests/data/answered`.
//!
//! Each recording is answered after 0.2 to 0.8 s at two levels in two kinds of noise, through A-law; most machines beep, and
//! for each kind of tone there are as many calls. Our own greeting is not played: its echo is measured in `barge_in`.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;

use super::*;
use crate::call::answered::{GREETING, Party, Sign, WhoAnswered};
use crate::call::tone::Tone;
use crate::media::jitter::CELL;
use crate::media::progress::ToneListener;
use crate::media::tones::sound;
use crate::media::vad::{Activity, Vad};
use crate::units::FRAME_SAMPLES;

const CELL_TIME: Duration = Duration::from_millis(10);

/// What the detectors make of a call, and when that was settled.
fn verdict(heard: &[i16]) -> (Party, Duration) {
    let (mut who, mut vad, mut tones) = (WhoAnswered::default(), Vad::default(), ToneListener::default());
    let mut settled = Duration::ZERO;
    let mut tell = |sign: Sign<'_>, now: Duration| {
        if who.handle(sign, now).is_some() {
            settled = now;
        }
    };
    tell(Sign::Answered, Duration::ZERO);
    for (n, frame) in heard.as_chunks::<FRAME_SAMPLES>().0.iter().enumerate() {
        for (half, cell) in frame.as_chunks::<CELL>().0.iter().enumerate() {
            let now = CELL_TIME * (2 * n + half + 1) as u32;
            match vad.heard(cell) {
                Some(Activity::Started { ago }) => {
                    tell(Sign::SpeechStarted { at: now.saturating_sub(CELL_TIME * ago) }, now);
                }
                Some(Activity::Ended { ago }) => {
                    tell(Sign::SpeechEnded { at: now.saturating_sub(CELL_TIME * ago) }, now)
                }
                None => tell(Sign::Timeout, now),
            }
            if half == 1
                && let Some(tone) = tones.frame(frame)
            {
                tell(Sign::Tone(tone), now);
            }
        }
    }
    (who.verdict().map_or(Party::Unknown, |verdict| verdict.party), settled)
}

/// Calls with their labels.
fn calls() -> Vec<(String, Vec<i16>)> {
    let voices = recordings("tests/data/answered", |_| true);
    let babble = people();
    let mut calls = Vec::new();
    let mut case = 0;
    let seconds = (GREETING.as_secs() + 2) as usize * 8_000;
    let mut add = |label: &str, said: &[f32], kind: Noise, noise_dbov: f32| {
        let mut rng = seeded(17, case);
        case += 1;
        let mut said = delayed(said, rng.random_range(1_600..6_400));
        said.resize(seconds, 0.0);
        let hiss = noise(kind, noise_dbov, seconds, &babble, &mut rng);
        calls.push((label.to_owned(), line(&[&telephone(&said), &hiss])));
    };
    for (name, voice) in &voices {
        let label = name.split('.').next().unwrap_or_default();
        let number: usize = name.split('.').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
        for (dbov, kind, noise_dbov) in
            [(-20.0, Noise::White, -60.0), (-28.0, Noise::Pink, -48.0), (-20.0, Noise::Car, -36.0)]
        {
            let mut said = levelled(voice, dbov);
            // Two machines of eight are assistants, which do not beep.
            if label == "machine" && number != 4 && number != 5 {
                said.extend(delayed(&levelled(&sound(Tone::Beep, Duration::from_millis(400)), -16.0), 3_200));
            }
            add(label, &said, kind, noise_dbov);
        }
    }
    for tone in [Tone::Busy, Tone::Congestion, Tone::SpecialInformation, Tone::Fax, Tone::Dial] {
        for (gain, noise_dbov) in [(1.0, -60.0), (0.5, -50.0), (0.3, -50.0)] {
            let played: Vec<f32> =
                sound(tone, Duration::from_secs(9)).iter().map(|sample| f32::from(*sample) * gain).collect();
            add("tone", &played, Noise::White, noise_dbov);
        }
    }
    for noise_dbov in [-70.0, -60.0, -50.0, -45.0] {
        add("silence", &[], Noise::Pink, noise_dbov);
    }
    calls
}

#[test]
fn who_answered_by_sound_alone() {
    let mut matrix: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    let mut times: Vec<f32> = Vec::new();
    for (label, heard) in calls() {
        let (party, settled) = verdict(&heard);
        *matrix.entry(label.clone()).or_default().entry(party.to_string()).or_default() += 1;
        if label == "person" && party == Party::Person {
            times.push(settled.as_secs_f32());
        }
    }
    println!("| | person | machine | announcement | tone | unknown |\n|---|---|---|---|---|---|");
    let count = |label: &str, party: &str| matrix[label].get(party).copied().unwrap_or(0);
    for label in matrix.keys() {
        let row = ["person", "machine", "announcement", "tone", "unknown"].map(|party| count(label, party).to_string());
        println!("| {label} | {} |", row.join(" | "));
    }
    println!("a person is known after {:.1} s, p95 {:.1} s", quantile(&mut times, 0.5), quantile(&mut times, 0.95));
    let share = |label: &str, party: &str| count(label, party) as f32 / matrix[label].values().sum::<usize>() as f32;
    assert!(share("person", "person") >= 0.9, "people taken for something else");
    assert!(share("machine", "machine") >= 0.9, "machines taken for something else");
    // Without its words an announcement is a machine; what matters is that it is no person.
    assert!(share("announcement", "person") <= 0.25, "announcements taken for people");
    assert!(share("tone", "person") == 0.0 && share("silence", "person") == 0.0, "tones or silence taken for people");
}
