//! A case: what it holds at opening, the states it goes through, the moves between them, and its deadlines.

use std::fmt;

use serde::{Deserialize, Serialize};

pub mod alike;
mod deadline;
mod draft;
pub mod escalation;
mod life;
mod moves;
mod promise;

pub use deadline::Deadline;
pub use draft::{CaseDraft, NewCase, ProgressAnswer};
pub use life::{EXTENSIONS_MAX, Entry, Life, Moved, Office, Opening, Order, Outcome, RETURNS_MAX, Refusal};
pub use moves::{Ground, Hand, MOVES, Move};
pub use promise::{Light, Promise, light};

/// Where a case stands (受理→派单→签收→办理→反馈→回访→办结→归档). Stored by [`State::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// 受理: opened; the clock runs.
    Received,
    /// 派单: given to an owner.
    Assigned,
    /// 签收: the owner took it.
    Accepted,
    /// 办理: being worked on.
    Handling,
    /// 反馈: the resident was answered.
    Answered,
    /// 回访: the resident is asked whether it is solved.
    FollowUp,
    /// 办结: closed.
    Closed,
    /// 归档: filed; nothing moves it any more.
    Archived,
}

/// What kind of request a case is (B21).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// 咨询: a question.
    Enquiry,
    /// 求助: something to be done.
    Request,
    /// 投诉: something went wrong.
    Complaint,
}

/// Why a case came to be without a window having been chosen: shown to operators, who then choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The caller's words or keys chose a window.
    Dialogue,
    /// The caller asked for a person and left a recording.
    Person,
    /// Nothing was understood or nothing was said; the recording is what there is.
    Recording,
    /// The caller hung up before the end; what was said until then is kept.
    Abandoned,
}

impl State {
    /// All states, in the order of a case's life.
    pub const ALL: [Self; 8] = [
        Self::Received,
        Self::Assigned,
        Self::Accepted,
        Self::Handling,
        Self::Answered,
        Self::FollowUp,
        Self::Closed,
        Self::Archived,
    ];

    /// As stored and as in the JSON interface.
    pub fn code(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Assigned => "assigned",
            Self::Accepted => "accepted",
            Self::Handling => "handling",
            Self::Answered => "answered",
            Self::FollowUp => "follow_up",
            Self::Closed => "closed",
            Self::Archived => "archived",
        }
    }

    /// The state with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.code() == code)
    }

    /// Whether the clock of the promise stands still: the resident has been answered.
    pub fn is_answered(self) -> bool {
        match self {
            Self::Received | Self::Assigned | Self::Accepted | Self::Handling => false,
            Self::Answered | Self::FollowUp | Self::Closed | Self::Archived => true,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Received => "受理",
            Self::Assigned => "派单",
            Self::Accepted => "签收",
            Self::Handling => "办理",
            Self::Answered => "反馈",
            Self::FollowUp => "回访",
            Self::Closed => "办结",
            Self::Archived => "归档",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_both_ways() {
        for state in State::ALL {
            assert_eq!(State::from_code(state.code()), Some(state));
            assert_eq!(serde_json::to_value(state).expect("a string"), state.code());
        }
        assert_eq!(State::from_code("lost"), None);
    }
}
