//! Speech to text with Whisper on this machine, and the rules that make its text trustworthy.

pub mod model;
