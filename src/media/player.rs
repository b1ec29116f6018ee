//! Plays clips back to back, one frame a tick.

use std::sync::Arc;

use super::clip::Clip;
use super::event::PlayId;
use super::g711::Law;
use crate::units::FRAME_SAMPLES;

/// A playback that is over. Its clips go to whoever may free them: never the real-time thread.
#[derive(Debug)]
pub struct Finished {
    /// Which.
    pub id: PlayId,
    /// Whether it was cut short.
    pub interrupted: bool,
    /// What was played.
    pub clips: Vec<Arc<Clip>>,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Player {
    playback: Option<Playback>,
}

#[derive(Debug)]
struct Playback {
    id: PlayId,
    clips: Vec<Arc<Clip>>,
    clip: usize,
    frame: usize,
}

impl Player {
    /// Begins a playback; the one before it, if any, is cut short.
    pub fn play(&mut self, id: PlayId, clips: Vec<Arc<Clip>>) -> Option<Finished> {
        let before = self.stop();
        self.playback = Some(Playback { id, clips, clip: 0, frame: 0 });
        before
    }

    /// Cuts the playback short.
    pub fn stop(&mut self) -> Option<Finished> {
        self.playback.take().map(|playback| playback.finished(true))
    }

    /// Copies the next frame into `payload` and returns its level in dBov; `None` when nothing is left to play.
    pub fn frame(&mut self, law: Law, payload: &mut [u8; FRAME_SAMPLES]) -> Option<f32> {
        let playback = self.playback.as_mut()?;
        while let Some(clip) = playback.clips.get(playback.clip) {
            if let Some((frame, level)) = clip.frame(law, playback.frame) {
                payload.copy_from_slice(frame);
                playback.frame += 1;
                return Some(level);
            }
            playback.clip += 1;
            playback.frame = 0;
        }
        None
    }

    /// The playback, if all of it has been handed out; asked after [`Self::frame`].
    pub fn finished(&mut self) -> Option<Finished> {
        self.playback.take_if(|playback| playback.is_over()).map(|playback| playback.finished(false))
    }
}

impl Playback {
    fn is_over(&self) -> bool {
        let played = self.clips.get(self.clip).map_or(0, |clip| clip.frames()) <= self.frame;
        played && self.clips.iter().skip(self.clip + 1).all(|clip| clip.frames() == 0)
    }

    fn finished(self, interrupted: bool) -> Finished {
        Finished { id: self.id, interrupted, clips: self.clips }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays clips of these lengths in frames; the number of frames heard and the tick in which the end is reported.
    #[track_caller]
    fn check(lengths: &[usize], frames: usize, done_in: usize) {
        let clips = lengths.iter().map(|frames| Arc::new(Clip::from_pcm(&vec![1_000; frames * 160]))).collect();
        let mut player = Player::default();
        assert!(player.play(PlayId(7), clips).is_none());
        let mut heard = 0;
        for tick in 0..20 {
            heard += usize::from(player.frame(Law::A, &mut [0; FRAME_SAMPLES]).is_some());
            if let Some(finished) = player.finished() {
                assert_eq!((finished.id, finished.interrupted), (PlayId(7), false));
                assert_eq!((heard, tick), (frames, done_in), "{lengths:?}");
                return;
            }
        }
        panic!("{lengths:?} never ended");
    }

    #[test]
    fn clips_follow_each_other_without_a_gap() {
        check(&[3], 3, 2);
        check(&[2, 1], 3, 2);
        check(&[1, 0, 2, 0], 3, 2);
        check(&[0, 0], 0, 0);
        check(&[], 0, 0);
    }

    #[test]
    fn a_later_playback_interrupts() {
        let clip = Arc::new(Clip::from_pcm(&[0; 480]));
        let mut player = Player::default();
        player.play(PlayId(1), vec![Arc::clone(&clip)]);
        let before = player.play(PlayId(2), vec![clip]).expect("a playback before");
        assert_eq!((before.id, before.interrupted), (PlayId(1), true));
        assert!(player.stop().is_some_and(|finished| finished.id == PlayId(2) && finished.interrupted));
        assert!(player.stop().is_none());
    }
}
