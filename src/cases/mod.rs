//! A case: what it holds at opening, the states it goes through, and the moves between them.

use std::fmt;

use serde::{Deserialize, Serialize};

mod draft;
mod promise;

pub use draft::{CaseDraft, NewCase, ProgressAnswer};
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

    /// Where a case may go from here, in the order in which operators are offered it.
    ///
    /// Backwards moves are 退单 (returned by the owner, to be assigned anew) and 重办 (not solved, to be worked on again).
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::Received => &[Self::Assigned],
            Self::Assigned => &[Self::Accepted, Self::Received],
            Self::Accepted => &[Self::Handling, Self::Received],
            Self::Handling => &[Self::Answered, Self::Received],
            Self::Answered => &[Self::FollowUp, Self::Closed, Self::Handling],
            Self::FollowUp => &[Self::Closed, Self::Handling],
            Self::Closed => &[Self::Archived, Self::Handling],
            Self::Archived => &[],
        }
    }

    /// Whether a case may go from here to `to`.
    pub fn may_become(self, to: Self) -> bool {
        self.next().contains(&to)
    }

    /// Every allowed move: the table that the database holds too, refusing the rest.
    pub fn moves() -> impl Iterator<Item = (Self, Self)> {
        Self::ALL.into_iter().flat_map(|from| from.next().iter().map(move |to| (from, *to)))
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
    use proptest::prelude::*;

    use super::*;

    fn any_state() -> impl Strategy<Value = State> {
        (0..State::ALL.len()).prop_map(|i| State::ALL[i])
    }

    proptest! {
        /// However a case is pushed about: only listed moves happen, and what is filed never moves again.
        #[test]
        fn no_push_leaves_the_table(pushes in proptest::collection::vec(any_state(), 0..60)) {
            let mut at = State::Received;
            for to in pushes {
                let allowed = State::moves().any(|m| m == (at, to));
                prop_assert_eq!(at.may_become(to), allowed);
                prop_assert!(!(allowed && at == State::Archived));
                if allowed {
                    at = to;
                }
            }
        }
    }

    #[test]
    fn every_state_is_reached_and_can_be_filed() {
        let mut reached = vec![State::Received];
        while let Some((_, to)) = State::moves().find(|(from, to)| reached.contains(from) && !reached.contains(to)) {
            reached.push(to);
        }
        assert_eq!(reached.len(), State::ALL.len());
        let mut files = vec![State::Archived];
        while let Some((from, _)) = State::moves().find(|(from, to)| files.contains(to) && !files.contains(from)) {
            files.push(from);
        }
        assert_eq!(files.len(), State::ALL.len());
    }

    #[test]
    fn no_state_is_closed_without_an_answer() {
        for from in [State::Received, State::Assigned, State::Accepted, State::Handling] {
            assert!(!from.may_become(State::Closed) && !from.may_become(State::Archived), "{from}");
        }
    }

    #[test]
    fn codes_go_both_ways() {
        for state in State::ALL {
            assert_eq!(State::from_code(state.code()), Some(state));
            assert_eq!(serde_json::to_value(state).expect("a string"), state.code());
        }
        assert_eq!(State::from_code("lost"), None);
    }
}
