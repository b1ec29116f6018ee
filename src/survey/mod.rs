//! Questionnaires put to residents by telephone: what is asked, when people may be rung, how an attempt counts, and the
//! figures that come of it. Pure: no call, no table.
//!
//! [`Survey`] is a file of `config/surveys`; [`check()`] finds what is wrong with it; [`Interview`] runs it. Like
//! [`flow::Dialogue`](crate::flow::Dialogue) it is a machine of turns, one [`Event`](crate::flow::Event) in and one
//! [`Turn`](crate::flow::Turn) out, so that [`crate::call`] plays and times both alike.
//!
//! A number's way through a campaign: [`Windows`] says when it may be rung, an attempt ends with an [`Outcome`],
//! [`plan`] makes of its attempts a [`Disposition`] and the next moment to ring, if any.

mod answer;
pub mod award;
mod check;
pub mod coaching;
mod delivered;
pub mod disclosure;
mod disposition;
#[cfg(test)]
pub(crate) mod example;
pub mod figures;
mod file;
pub mod groups;
mod interview;
pub mod invented;
pub mod listing;
mod model;
pub mod random;
pub mod rates;
mod results;
mod retry;
pub mod sampling;
pub mod simulation;
pub mod trend;
mod windows;
#[cfg(test)]
mod year;

/// The line under which survey calls are listed.
pub const LINE: &str = "回访";

pub use answer::{Answer, Mode, Value};
pub use check::check;
pub use delivered::is_delivered;
pub use disposition::{Disposition, Group, InterviewEnd, Outcome};
pub use interview::{Draw, Interview, Subject};
pub use model::{ChoiceOption, Fact, Goto, Kind, LEVELS, Measure, Question, REMARK_MAX, Say, Survey, SurveyHash};
pub use results::{Given, QuestionResult, Respondent, good, results};
pub use retry::{ATTEMPTS_MAX, Attempt, Plan, first_attempt, plan};
pub use windows::{DayPart, Windows};
