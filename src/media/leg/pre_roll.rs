//! What the caller said last, for a listener who comes when he is already speaking.

use super::super::g711::{self, Law};
use crate::units::FRAME_SAMPLES;

/// Frames kept: 500 ms.
const FRAMES: usize = 25;

/// The last frames heard, as codes: half the memory that samples would take, and a call's memory is cold at each tick.
pub struct PreRoll {
    frames: [Kept; FRAMES],
    next: usize,
}

#[derive(Clone, Copy)]
struct Kept {
    /// Position on the session's clock, in samples; `None` where nothing was kept yet.
    at: Option<i64>,
    law: Law,
    codes: [u8; FRAME_SAMPLES],
}

impl Default for PreRoll {
    fn default() -> Self {
        Self { frames: [Kept { at: None, law: Law::A, codes: [0; FRAME_SAMPLES] }; FRAMES], next: 0 }
    }
}

impl PreRoll {
    /// Keeps a frame in place of the oldest.
    pub fn push(&mut self, at: i64, law: Law, codes: &[u8; FRAME_SAMPLES]) {
        self.frames[self.next] = Kept { at: Some(at), law, codes: *codes };
        self.next = (self.next + 1) % FRAMES;
    }

    /// What is kept, oldest first.
    pub fn frames(&self) -> impl Iterator<Item = (i64, [i16; FRAME_SAMPLES])> {
        let (newer, older) = self.frames.split_at(self.next);
        older.iter().chain(newer).filter_map(|kept| {
            let mut samples = [0; FRAME_SAMPLES];
            g711::decode(kept.law, &kept.codes, &mut samples);
            Some((kept.at?, samples))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_half_second_is_kept_in_order_and_in_its_law() {
        let mut pre_roll = PreRoll::default();
        let kept = |pre_roll: &PreRoll| pre_roll.frames().map(|(at, samples)| (at, samples[7])).collect::<Vec<_>>();
        assert_eq!(kept(&pre_roll), []);
        for n in 0..30 {
            let law = if n < 20 { Law::A } else { Law::Mu };
            let mut codes = [0; FRAME_SAMPLES];
            g711::encode(law, &[n as i16 * 1_000; FRAME_SAMPLES], &mut codes);
            pre_roll.push(n, law, &codes);
        }
        let kept = kept(&pre_roll);
        assert_eq!(kept.iter().map(|(at, _)| *at).collect::<Vec<_>>(), (5..30).collect::<Vec<_>>());
        assert!(kept.iter().all(|(at, sample)| (i64::from(*sample) - at * 1_000).abs() < 600), "{kept:?}");
    }
}
