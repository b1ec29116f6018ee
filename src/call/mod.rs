//! One call: joins signalling, media and flow. Events in, actions out; owns no socket, task or clock.

pub mod stream;
