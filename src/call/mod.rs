//! One call: joins signalling, media and flow. Events in, actions out; owns no socket, task or clock.

mod action;
mod input;
pub mod stream;

pub use action::{Action, EndReason, EventKind, TimelineEvent};
pub use input::{AskId, Facts, Input, KeySource, Nothing, PlayId};

pub use crate::cases::CaseDraft;
