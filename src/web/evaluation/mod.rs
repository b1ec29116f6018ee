//! The evaluators' pages: questionnaires, campaigns, results with the calls behind them, published figures, award bars.
//!
//! Invariants: whose answers are looked at is in the audit trail before they are shown; a rated unit sees shares of its own
//! people, of five or more, of campaigns that are over, and never who they are.

pub(super) mod awards;
pub(super) mod campaign;
pub(super) mod campaigns;
mod chart;
pub(super) mod disclosure;
pub(super) mod draft;
pub(super) mod evidence;
mod figure;
mod filter;
pub(super) mod heard;
pub(super) mod results;
mod sheet;
pub(super) mod surveys;
mod units;
