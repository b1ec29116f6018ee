//! The tones that we play, as China's network sounds them.
//!
//! One frequency, 450 Hz, told apart by their rhythm (GF 002-9002, and ITU-T E.180 supplement 2, entry for China). Every
//! burst holds whole half-waves, so that it begins and ends without a click.

use std::f32::consts::TAU;
use std::time::Duration;

use super::clip::Clip;
use crate::call::tone::Tone;
use crate::units::NARROWBAND_HZ;

/// The frequency of China's network tones, in Hz, and by how much it may be off.
pub const NETWORK_HZ: (f32, f32) = (450.0, 25.0);
/// ITU-T E.180 §3.7: the three tones before an announcement, in Hz, and by how much each may be off.
pub const ANNOUNCEMENT_HZ: ([f32; 3], f32) = ([950.0, 1_400.0, 1_800.0], 50.0);
/// ITU-T T.30 §4.1: what a calling fax machine sends, in Hz, and by how much it may be off.
pub const CALLING_FAX_HZ: (f32, f32) = (1_100.0, 38.0);
/// ITU-T T.30 §4.2: what an answering fax machine sends, in Hz, and by how much it may be off.
pub const ANSWERING_FAX_HZ: (f32, f32) = (2_100.0, 15.0);
/// Our own signal to speak, in Hz: that of prompt `beep`.
const BEEP_HZ: f32 = 1_000.0;

/// Half the sum of peaks of a tone of -10 dBm0, the level that E.180 recommends: a full-scale sine is +3.14 dBm0 in A-law.
const AMPLITUDE: f32 = 7_217.0;

/// Frequency in Hz (0 is silence) and length in milliseconds.
type Part = (f32, u32);

/// One period of a tone. None is longer than 5 s, and all but the announcement's hold whole frames.
fn period(tone: Tone) -> &'static [Part] {
    const HZ: f32 = NETWORK_HZ.0;
    match tone {
        Tone::Dial => &[(HZ, 1_000)],
        Tone::RingBack => &[(HZ, 1_000), (0.0, 4_000)],
        Tone::Busy => &[(HZ, 350), (0.0, 350)],
        Tone::Congestion => &[(HZ, 700), (0.0, 700)],
        Tone::SpecialInformation => {
            &[(HZ, 100), (0.0, 100), (HZ, 100), (0.0, 100), (HZ, 100), (0.0, 100), (HZ, 400), (0.0, 400)]
        }
        Tone::Fax => &[(CALLING_FAX_HZ.0, 500), (0.0, 3_000)],
        Tone::Beep => &[(BEEP_HZ, 400)],
    }
}

/// One period of `tone`, ready to be played over and over without a seam.
pub fn clip(tone: Tone) -> Clip {
    Clip::from_pcm(&render(period(tone)))
}

/// `tone` for as long as asked, at 8 kHz. What comes round only once, a beep, is not repeated.
pub fn sound(tone: Tone, lasting: Duration) -> Vec<i16> {
    let once = render(period(tone));
    let wanted = (lasting.as_millis() * u128::from(NARROWBAND_HZ) / 1_000) as usize;
    let repeats = tone != Tone::Beep;
    let mut sound: Vec<i16> = if repeats {
        once.iter().copied().cycle().take(wanted).collect()
    } else {
        once.into_iter().take(wanted).collect()
    };
    sound.resize(wanted, 0);
    sound
}

/// Tones and silences one after the other.
fn render(parts: &[Part]) -> Vec<i16> {
    let mut sound = Vec::new();
    for (hz, millis) in parts {
        let samples = millis * NARROWBAND_HZ / 1_000;
        let step = TAU * hz / NARROWBAND_HZ as f32;
        sound.extend((0..samples).map(|n| (AMPLITUDE * (step * n as f32).sin()) as i16));
    }
    sound
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::vad::level;

    /// Lengths of sound and silence, in ms, by 10 ms steps.
    fn rhythm(sound: &[i16]) -> Vec<i32> {
        let mut lengths: Vec<i32> = Vec::new();
        for cell in sound.chunks(80) {
            let step = if level(cell) > -40.0 { 10 } else { -10 };
            match lengths.last_mut() {
                Some(length) if (*length > 0) == (step > 0) => *length += step,
                Some(_) | None => lengths.push(step),
            }
        }
        lengths
    }

    #[track_caller]
    fn check(tone: Tone, expected: &[i32]) {
        let once = render(period(tone));
        assert_eq!(rhythm(&once), expected, "{tone}");
        assert!(once.len().is_multiple_of(160), "{tone} cannot be repeated without a seam");
        assert_eq!(clip(tone).frames(), once.len() / 160, "{tone}");
        // No jump within it is steeper than the wave itself.
        let steepest = once.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max();
        let hz = period(tone)[0].0;
        assert!(steepest <= Some((AMPLITUDE * TAU * hz / 8_000.0) as i32 + 2), "{tone}: {steepest:?}");
    }

    #[test]
    fn rhythms_of_the_network() {
        check(Tone::Dial, &[1_000]);
        check(Tone::RingBack, &[1_000, -4_000]);
        check(Tone::Busy, &[350, -350]);
        check(Tone::Congestion, &[700, -700]);
        check(Tone::SpecialInformation, &[100, -100, 100, -100, 100, -100, 400, -400]);
        check(Tone::Fax, &[500, -3_000]);
        check(Tone::Beep, &[400]);
    }

    #[test]
    fn the_level_is_minus_10_dbm0() {
        // A sine of full scale is -3.01 dBov and +3.14 dBm0, so -10 dBm0 is -16.15 dBov.
        let found = level(&sound(Tone::Dial, Duration::from_secs(1)));
        assert!((found + 16.15).abs() < 0.1, "{found}");
    }

    #[test]
    fn a_sound_lasts_as_asked() {
        assert_eq!(rhythm(&sound(Tone::Busy, Duration::from_millis(1_200))), [350, -350, 350, -150]);
        assert_eq!(rhythm(&sound(Tone::Beep, Duration::from_millis(1_200))), [400, -800]);
    }
}
