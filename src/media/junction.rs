//! Where a leg meets the others of its bridge: the lines into which it speaks, and those that it hears.
//!
//! Lives on the leg's engine thread. Lines that are over are handed out to be freed elsewhere.

use super::bridge::MAX_PARTIES;
use super::feed::{AudioFrame, Feed, Tap};
use super::mixer::Mixer;

/// Everybody but oneself.
const OTHERS: usize = MAX_PARTIES - 1;

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Junction {
    taps: [Option<Tap>; OTHERS],
    feeds: [Option<Box<Feed>>; OTHERS],
    /// Lines that are plugged in, so that a leg without any costs nothing.
    plugged: usize,
}

/// One end of a line.
#[derive(Debug)]
pub enum Plug {
    /// To speak into.
    Tap(Tap),
    /// To hear.
    Feed(Box<Feed>),
}

/// What a tick at the junction came to, in frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Said, and dropped because a listener's thread lags.
    pub unheard: u64,
    /// Not there in time from a speaker's thread.
    pub gaps: u64,
}

impl Junction {
    /// Plugs a line in; one that finds no place goes to `spent` again, like those that made room.
    pub fn plug(&mut self, plug: Plug, mut spent: impl FnMut(Plug)) {
        self.sweep(&mut spent);
        let refused = match plug {
            Plug::Tap(tap) => fill(&mut self.taps, tap).map(Plug::Tap),
            Plug::Feed(feed) => fill(&mut self.feeds, feed).map(Plug::Feed),
        };
        match refused {
            Some(plug) => spent(plug),
            None => self.plugged += 1,
        }
    }

    /// Says a frame to all who listen, and adds what the others said to `mixer`, whose frame is begun.
    pub fn tick(&mut self, said: &AudioFrame, mixer: &mut Mixer, spent: impl FnMut(Plug)) -> Lost {
        let mut lost = Lost::default();
        if self.plugged == 0 {
            return lost;
        }
        for tap in self.taps.iter_mut().flatten() {
            lost.unheard += u64::from(!tap.is_over() && !tap.say(said));
        }
        for feed in self.feeds.iter_mut().flatten().filter(|feed| !feed.is_over()) {
            if let Some(frame) = feed.frame() {
                mixer.add(&frame);
            }
            lost.gaps += feed.take_gaps();
        }
        self.sweep(spent);
        lost
    }

    fn sweep(&mut self, mut spent: impl FnMut(Plug)) {
        for place in &mut self.taps {
            if let Some(tap) = place.take_if(|tap| tap.is_over()) {
                self.plugged -= 1;
                spent(Plug::Tap(tap));
            }
        }
        for place in &mut self.feeds {
            if let Some(feed) = place.take_if(|feed| feed.is_over()) {
                self.plugged -= 1;
                spent(Plug::Feed(feed));
            }
        }
    }
}

/// Puts `item` into a free place, or gives it back.
fn fill<T>(places: &mut [Option<T>], item: T) -> Option<T> {
    match places.iter_mut().find(|place| place.is_none()) {
        Some(place) => {
            *place = Some(item);
            None
        }
        None => Some(item),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::bridge::PartyId;
    use crate::media::feed::{Hold, line};
    use crate::units::FRAME_SAMPLES;

    /// Junctions of as many parties, each hearing all others.
    fn all(parties: usize) -> (Vec<Junction>, Vec<Hold>) {
        let mut junctions: Vec<Junction> = (0..parties).map(|_| Junction::default()).collect();
        let mut holds = Vec::new();
        for speaker in 0..parties {
            for listener in (0..parties).filter(|listener| *listener != speaker) {
                let (tap, feed, hold) = line(PartyId(speaker as u64));
                let kept = |_| panic!("no room");
                junctions[speaker].plug(Plug::Tap(tap), kept);
                junctions[listener].plug(Plug::Feed(Box::new(feed)), kept);
                holds.push(hold);
            }
        }
        (junctions, holds)
    }

    /// What each hears in one round in which party n says 10^n; `None` for silence.
    fn round(junctions: &mut [Junction]) -> Vec<Option<i16>> {
        let round = junctions.iter_mut().enumerate().map(|(n, junction)| {
            let mut mixer = Mixer::default();
            mixer.begin();
            junction.tick(&[10i16.pow(n as u32); FRAME_SAMPLES], &mut mixer, drop);
            mixer.is_sounding().then(|| mixer.frame()[FRAME_SAMPLES - 1])
        });
        round.collect()
    }

    #[test]
    fn everybody_hears_all_others_and_nobody_themselves() {
        let (mut junctions, _holds) = all(3);
        round(&mut junctions);
        assert_eq!(round(&mut junctions), [Some(110), Some(101), Some(11)]);
    }

    #[test]
    fn who_leaves_is_gone_from_every_sum_and_its_lines_are_handed_out() {
        let (mut junctions, _holds) = all(3);
        round(&mut junctions);
        junctions.pop();
        round(&mut junctions); // What was said on the way out is heard to its end.
        round(&mut junctions);
        assert_eq!(round(&mut junctions), [Some(10), Some(1)]);
        assert!(junctions.iter().all(|junction| junction.plugged == 2), "its lines are unplugged");
    }

    #[test]
    fn a_closed_line_is_silent_at_once() {
        let (mut junctions, mut holds) = all(2);
        round(&mut junctions);
        holds.remove(0); // From party 0 to party 1.
        assert_eq!(round(&mut junctions), [Some(10), None]);
    }

    #[test]
    fn lines_beyond_the_bridge_are_refused() {
        let (mut junctions, _holds) = all(MAX_PARTIES);
        let (tap, feed, _hold) = line(PartyId(99));
        let mut refused = 0;
        for plug in [Plug::Tap(tap), Plug::Feed(Box::new(feed))] {
            junctions[0].plug(plug, |_| refused += 1);
        }
        assert_eq!(refused, 2);
    }
}
