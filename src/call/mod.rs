//! One call: joins signalling, media and flow. Events in, actions out; owns no socket, task or clock.
//!
//! [`Call`] plays and times the turns of a [`Dialogue`](crate::flow::Dialogue) or an [`Interview`](crate::survey::Interview): what interrupts a prompt, when an utterance
//! or a number ends, what happens on hold and at the end. What is said and asked is the dialogue's business.
//!
//! Invariants: no recording before the notice was heard to its end; a case number is spoken only after
//! [`Input::CaseOpened`]; an answered call of [`CASE_AFTER`] or more leaves a case behind, unless it only asked how one
//! stands; [`Action::HangUp`] comes exactly once and last.

mod action;
pub mod answered;
mod input;
mod listening;
mod machine;
mod phase;
mod policy;
mod profile;
mod script;
mod seeking;
mod speaking;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod tone;

pub use action::{Action, EndReason, EventKind, TimelineEvent};
pub use input::{AskId, Facts, Input, KeySource, Nothing, PlayId};
pub use machine::{CASE_AFTER, Call, MAX_CALL, NOTICE};
pub use policy::{Barred, DialPolicy, Standing, Usage};
pub use profile::{LineProfile, ProfileError};
pub use speaking::BARGE_IN;

pub use crate::cases::{CaseDraft, ProgressAnswer};

/// How long the store may take to make a case durable or to look one up; after it the caller is told that we have trouble.
pub const STORE_WAIT: std::time::Duration = std::time::Duration::from_secs(5);
