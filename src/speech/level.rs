//! Brings an utterance to one level, so that a whisper far from the handset and a shout are the same to the recogniser.

/// Level of the active parts that is aimed at, in decibels below full scale: ITU-T P.56 speech at the usual -20.
const TARGET_DB: f32 = -20.0;

/// Samples in one stretch whose level is measured: 20 ms at 16 kHz.
const STRETCH: usize = 320;

/// Stretches this far below the loudest are pauses, and do not count.
const PAUSE_DB: f32 = 25.0;

/// Most amplification, in decibels: more would lift only the noise of the line.
const MOST_GAIN_DB: f32 = 30.0;

/// Scales `pcm` to the target; silence stays. Peaks are held below full scale.
pub fn normalise(pcm: &mut [f32]) {
    let powers: Vec<f32> = pcm.chunks(STRETCH).map(|c| c.iter().map(|s| s * s).sum::<f32>() / c.len() as f32).collect();
    let loudest = powers.iter().copied().fold(0.0, f32::max);
    let least = loudest * 10_f32.powf(-PAUSE_DB / 10.0);
    let active: Vec<f32> = powers.into_iter().filter(|&p| p > 0.0 && p >= least).collect();
    if active.is_empty() {
        return;
    }
    let level_db = 10.0 * (active.iter().sum::<f32>() / active.len() as f32).log10();
    let gain = 10_f32.powf((TARGET_DB - level_db).min(MOST_GAIN_DB) / 20.0);
    for sample in pcm {
        *sample = (*sample * gain).clamp(-1.0, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half of it a tone of that amplitude, half silence.
    fn clip(amplitude: f32) -> Vec<f32> {
        let tone = (0..8000).map(|n| amplitude * (n as f32 * 0.3).sin());
        tone.chain(std::iter::repeat_n(0.0, 8000)).collect()
    }

    fn active_db(pcm: &[f32]) -> f32 {
        10.0 * (pcm[..8000].iter().map(|s| s * s).sum::<f32>() / 8000.0).log10()
    }

    #[test]
    fn loud_and_soft_come_out_alike() {
        for amplitude in [0.9, 0.1, 0.01] {
            let mut pcm = clip(amplitude);
            normalise(&mut pcm);
            assert!((active_db(&pcm) - TARGET_DB).abs() < 0.3, "{amplitude}: {}", active_db(&pcm));
        }
    }

    #[test]
    fn the_line_itself_is_not_blown_up() {
        let mut pcm = clip(0.0001);
        normalise(&mut pcm);
        assert!((active_db(&pcm) + 83.0 - MOST_GAIN_DB).abs() < 0.3, "{}", active_db(&pcm));
        let mut silence = vec![0.0; 1000];
        normalise(&mut silence);
        assert_eq!(silence, vec![0.0; 1000]);
    }
}
