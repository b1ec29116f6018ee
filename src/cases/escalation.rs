//! Who is to be told that a case runs out of time (R5.4, R5.6): a pure plan from where the case stands. Each step is taken
//! once for each promise; who takes it, and whether it was heard, the caller keeps.

use chrono::{DateTime, NaiveDate, Utc};

use super::{Deadline, Life, Light};
use crate::clock::china;
use crate::directory::{Calendar, PostId};

/// Work days after the last day of a promise from which a case stands on the list that is made public (通报).
pub const LISTED_AFTER_WORKDAYS: u16 = 5;

/// A step of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Offered, and not accepted in time: the B role of the post that it was offered to.
    Unaccepted,
    /// Amber: the A role of its owner.
    Amber,
    /// Red: the B role of its owner.
    Red,
    /// Red: leadership.
    RedLeader,
    /// Red for [`LISTED_AFTER_WORKDAYS`]: leadership, for the list.
    Listed,
}

/// Who holds a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A 角.
    A,
    /// B 角.
    B,
}

/// Somebody to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Why.
    pub step: Step,
    /// The post.
    pub post: PostId,
    /// Which of its holders.
    pub role: Role,
    /// The promise that it is about: a new one is told anew.
    pub due_on: NaiveDate,
}

impl Step {
    /// All steps.
    pub const ALL: [Self; 5] = [Self::Unaccepted, Self::Amber, Self::Red, Self::RedLeader, Self::Listed];

    /// As stored.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unaccepted => "unaccepted",
            Self::Amber => "amber",
            Self::Red => "red",
            Self::RedLeader => "red_leader",
            Self::Listed => "listed",
        }
    }

    /// The step with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.code() == code)
    }

    /// Whether somebody is rung for it. The list is read, not heard.
    pub fn rings(self) -> bool {
        match self {
            Self::Unaccepted | Self::Amber | Self::Red | Self::RedLeader => true,
            Self::Listed => false,
        }
    }
}

/// Everybody who is to have been told by `now`, where `leader` is the duty post above the owner. Nobody while the clock
/// stands still.
pub fn plan(life: &Life, leader: PostId, now: DateTime<Utc>, calendar: &Calendar) -> Vec<Notice> {
    let deadline = Deadline::of(life, calendar);
    let notice = |step, post, role| Notice { step, post, role, due_on: life.due_on };
    let mut notices = Vec::new();
    if let Some(post) = life.offered.filter(|_| deadline.acceptance_is_late(now)) {
        notices.push(notice(Step::Unaccepted, post, Role::B));
    }
    match deadline.light(now) {
        None | Some(Light::Green) => {}
        Some(Light::Amber) => notices.push(notice(Step::Amber, life.owner, Role::A)),
        Some(Light::Red) => {
            notices.push(notice(Step::Red, life.owner, Role::B));
            notices.push(notice(Step::RedLeader, leader, Role::A));
            let today = now.with_timezone(&china()).date_naive();
            if calendar.workdays_after(life.due_on, today) >= LISTED_AFTER_WORKDAYS {
                notices.push(notice(Step::Listed, leader, Role::A));
            }
        }
    }
    notices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::{Entry, Move, Moved, Opening, Outcome, State};
    use crate::directory::example::{at, year_2026};

    const OWNER: PostId = PostId(7);
    const OTHER: PostId = PostId(8);
    const LEADER: PostId = PostId(1);

    /// Received on Monday morning, promised for the Monday after.
    fn life() -> Life {
        let due_on = "2026-03-09".parse().expect("a day");
        Life::new(Opening { owner: OWNER, received_at: at("2026-03-02T08:30"), due_on })
    }

    fn moved(mut life: Life, mv: Move, to: State, when: &str) -> Life {
        let outcome = Outcome { offered: (mv == Move::Assign).then_some(OTHER), ..Outcome::default() };
        life.apply(&Entry::Moved(Moved { mv, at: at(when), to, outcome }));
        life
    }

    #[track_caller]
    fn check(life: &Life, now: &str, expected: &[(Step, PostId, Role)]) {
        let told: Vec<_> = plan(life, LEADER, at(now), &year_2026()).iter().map(|n| (n.step, n.post, n.role)).collect();
        assert_eq!(told, expected, "{now}");
    }

    #[test]
    fn the_ladder() {
        check(&life(), "2026-03-06T15:00", &[]);
        // 42 office hours; four fifths are gone on Friday at 16:06.
        check(&life(), "2026-03-06T16:05", &[]);
        check(&life(), "2026-03-06T16:06", &[(Step::Amber, OWNER, Role::A)]);
        check(&life(), "2026-03-09T23:59", &[(Step::Amber, OWNER, Role::A)]);
        let red = [(Step::Red, OWNER, Role::B), (Step::RedLeader, LEADER, Role::A)];
        check(&life(), "2026-03-10T00:00", &red);
        check(&life(), "2026-03-13T23:59", &red);
        check(&life(), "2026-03-16T00:00", &[red[0], red[1], (Step::Listed, LEADER, Role::A)]);
    }

    #[test]
    fn nobody_is_told_of_a_case_that_is_answered() {
        let answered = moved(life(), Move::Answer, State::Answered, "2026-03-03T09:00");
        check(&answered, "2026-04-20T00:00", &[]);
    }

    #[test]
    fn what_is_not_accepted_is_told_whatever_the_light() {
        let offered = moved(life(), Move::Assign, State::Assigned, "2026-03-02T10:00");
        check(&offered, "2026-03-02T11:59", &[]);
        check(&offered, "2026-03-02T14:30", &[(Step::Unaccepted, OTHER, Role::B)]);
        check(&offered, "2026-03-09T10:00", &[(Step::Unaccepted, OTHER, Role::B), (Step::Amber, OWNER, Role::A)]);
        let accepted = moved(offered, Move::Accept, State::Accepted, "2026-03-02T15:00");
        check(&accepted, "2026-03-02T16:00", &[]);
    }

    #[test]
    fn codes_go_both_ways() {
        for step in Step::ALL {
            assert_eq!(Step::from_code(step.code()), Some(step));
        }
    }
}
