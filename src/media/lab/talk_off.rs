//! Speech that is taken for digits, or for tones of the network: talk-off.

use super::*;
use crate::media::inband::ToneReceiver;
use crate::media::progress::ToneListener;
use crate::units::FRAME_SAMPLES;

/// `sound` read at another speed: pitch and pace change together.
fn at_speed(sound: &[i16], speed: f32) -> Vec<f32> {
    let samples = (sound.len() as f32 / speed) as usize;
    let read = |n: usize| {
        let at = n as f32 * speed;
        let (whole, part) = (at as usize, at.fract());
        let sample = |n: usize| f32::from(sound.get(n).copied().unwrap_or(0));
        sample(whole) * (1.0 - part) + sample(whole + 1) * part
    };
    (0..samples).map(read).collect()
}

/// Plays every recording of the project but its beep, at these speeds; seconds of speech, false digits, false tones.
fn listen(speeds: &[f32], every: usize) -> (f32, usize, usize) {
    let mut voices = people();
    for folder in ["prompts/zh-CN", "tests/data/answered", "tests/data/speech"] {
        voices.extend(recordings(folder, |name| name != "beep.wav" && !name.starts_with("person")));
    }
    let (mut digits, mut tones) = (ToneReceiver::default(), ToneListener::default());
    let (mut frames, mut false_digits, mut false_tones) = (0usize, 0, 0);
    for (case, speed) in speeds.iter().enumerate() {
        for (_, voice) in voices.iter().skip(case % every).step_by(every) {
            let heard = line(&[&telephone(&at_speed(voice, *speed))]);
            for frame in heard.as_chunks::<FRAME_SAMPLES>().0 {
                frames += 1;
                false_digits += usize::from(digits.samples(frame).is_some());
                false_tones += usize::from(tones.frame(frame).is_some());
            }
        }
    }
    let seconds = frames as f32 / 50.0;
    println!("{seconds:.0} s of speech: {false_digits} false digits, {false_tones} false tones");
    (seconds, false_digits, false_tones)
}

#[test]
fn minutes_of_speech_hold_no_digit() {
    let (seconds, digits, _) = listen(&[1.0, 1.15], 8);
    assert!(seconds > 100.0 && digits == 0, "{digits} in {seconds} s");
}

#[test]
#[ignore = "an hour of speech"]
fn an_hour_of_speech_holds_no_digit() {
    let (seconds, digits, tones) = listen(&[1.0, 0.8, 0.85, 0.9, 0.95, 1.1, 1.2, 1.3], 1);
    assert!(seconds >= 3_600.0, "{seconds} s");
    assert!(digits == 0 && tones <= 2, "{digits} digits, {tones} tones");
}
