//! The operators' desk: who is there, who waits, who is rung, who talks with whom.
//!
//! [`Floor`] decides; it owns no socket, task, clock or sound. A caller who wants a person waits in one queue, in the order
//! of coming; the operator who has been ready for longest is rung. [`protocol`] is what a browser and the gateway say to
//! each other about it.
//!
//! Invariants: a call waits at most once and is rung at one operator at a time; an operator has at most one call; a caller
//! is never left in the queue while nobody could come to take the call.

mod agent;
mod floor;
pub mod protocol;
#[cfg(test)]
mod tests;

pub use agent::{AgentId, PARK, RING, State, WRAP_UP};
pub use floor::{CallerNews, Floor, Input, MAX_AGENTS, MAX_WAITING, Output, Refused, Seeker, Service};
