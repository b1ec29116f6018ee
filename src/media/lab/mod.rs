//! Telephone lines made up for measuring the detectors: recordings, noises, an echo path. Seeded: the same every time.

mod activity;
mod barge_in;
mod signals;
mod talk_off;
mod who;

pub(super) use signals::*;
