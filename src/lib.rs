//! Minxin (民心): a civic hotline and IVR telephony gateway.
//!
//! Dependency rule, lowest first; a test reads every `use crate::` line and fails on an arrow that points up:
//!
//! ```text
//! ids, units, network, clock  <-  directory, cases, flow, survey  <-  call  <-  sip, media, speech, store, web, ops  <-  app  <-  cli
//! ```
//!
//! Modules up to and including [`call`] are pure: no socket, file, task or clock; they take `now`. Shells do not import
//! each other, except that [`web`] reads through [`store`]; they meet in [`app`] over bounded channels.
//!
//! Invariants: a case number that a caller heard is on disk; no number leaves unmasked; a peer cannot panic us.

pub mod app;
pub mod call;
pub mod cases;
pub mod cli;
pub mod clock;
pub mod config;
pub mod desk;
pub mod directory;
pub mod flow;
pub mod ids;
pub mod media;
pub mod network;
pub mod ops;
pub mod rtc;
pub mod sip;
pub mod speech;
pub mod store;
pub mod survey;
pub mod units;
pub mod web;
