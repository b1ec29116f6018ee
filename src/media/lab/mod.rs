//! Telephone lines made up for measuring the detectors: recordings, noises, an echo path. Seeded: the same every time.

mod activity;
mod barge_in;
mod signals;

pub(super) use signals::*;
