//! A case: what it holds at opening, the states it goes through, and the moves between them.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::directory::{ItemId, OrgId, PostId, WindowCode};
use crate::ids::{CallId, CaseNumber, PhoneNumber};

mod draft;

pub use draft::{CaseDraft, ProgressAnswer};

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

/// Everything known of a case at the moment it is opened. Written to the spool before its number is spoken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewCase {
    /// Its number.
    pub number: CaseNumber,
    /// The call that opened it.
    pub call: CallId,
    /// The line that was dialled, by its configured name.
    pub line: String,
    /// How it came about.
    pub origin: Origin,
    /// What it is.
    pub kind: Kind,
    /// The window, where one was chosen.
    pub window: Option<WindowCode>,
    /// The service item, where the words named one.
    pub item: Option<ItemId>,
    /// The village, where the words named one.
    pub village: Option<OrgId>,
    /// The place in the caller's words; empty where none was given.
    pub place: String,
    /// The caller's words as recognised; empty where there is only the recording.
    pub words: String,
    /// Number to ring back: keyed by the caller, or else signalled by the network.
    pub callback: Option<PhoneNumber>,
    /// The post that answers for it first (B15).
    pub owner: PostId,
    /// What was promised, in words.
    pub promise: String,
    /// The last day of the promise, China Standard Time.
    pub due_on: NaiveDate,
    /// When the caller spoke the first word: the clock of every deadline.
    pub received_at: DateTime<Utc>,
    /// When the case was opened.
    pub opened_at: DateTime<Utc>,
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

    /// Whether a case may go from here to `to`. The database holds the same table and refuses the rest.
    ///
    /// Backwards moves are 退单 (returned by the owner, to be assigned anew) and 重办 (not solved, to be worked on again).
    pub fn may_become(self, to: Self) -> bool {
        use State::{Accepted, Answered, Archived, Assigned, Closed, FollowUp, Handling, Received};
        matches!(
            (self, to),
            (Received, Assigned)
                | (Assigned, Accepted | Received)
                | (Accepted, Handling | Received)
                | (Handling, Answered | Received)
                | (Answered, FollowUp | Closed | Handling)
                | (FollowUp, Closed | Handling)
                | (Closed, Archived | Handling)
        )
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
