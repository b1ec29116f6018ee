//! The moves of a case, each from where to where and by whose hand (R5.2): the table that the database holds too.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::State;
use State::{Accepted, Answered, Archived, Assigned, Closed, FollowUp, Handling, Received};

/// What can be done with a case, by the words of GB/T 33358 and of the hotlines that work by it. Stored by [`Move::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Move {
    /// 派单: offered to a post. Who gives it stays responsible until it is accepted.
    Assign,
    /// 签收: the post that it was offered to takes it, and is its owner from then on.
    Accept,
    /// 办理: work begins.
    Handle,
    /// 反馈: the resident is answered; the clock of the promise stands still.
    Answer,
    /// 回访: the resident is asked whether it is solved.
    FollowUp,
    /// 办结: closed.
    Close,
    /// 归档: filed.
    Archive,
    /// 退单: given back, with a ground.
    Return,
    /// 重办: not solved, worked on again; the clock goes on with the time that was left.
    Redo,
    /// 延期: promised for a later day.
    Extend,
    /// 催办: the owner is reminded. It changes nothing else, and never lowers a case's place.
    Urge,
    /// 督办: leadership watches it.
    Supervise,
}

/// Who moves a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hand {
    /// Somebody who works on cases.
    Operator,
    /// Somebody who answers for the work of others.
    Leader,
    /// The gateway itself, for what a resident said on the telephone.
    Gateway,
}

/// Why a post gives a case back (R5.7). Stored by [`Ground::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// 职责不符: by law or by the list of duties another office is competent.
    Duty,
    /// 属地不符: the place belongs to another office.
    Place,
    /// 信息不全: what is needed is missing, and the resident could not be reached for it.
    Facts,
}

/// Every move from where it starts to where it leads, in the order in which people are offered them.
pub const MOVES: &[(Move, State, State)] = &[
    (Move::Assign, Received, Assigned),
    (Move::Accept, Assigned, Accepted),
    (Move::Handle, Accepted, Handling),
    (Move::Answer, Handling, Answered),
    (Move::FollowUp, Answered, FollowUp),
    (Move::Close, Answered, Closed),
    (Move::Close, FollowUp, Closed),
    (Move::Archive, Closed, Archived),
    // Offered elsewhere: before it was accepted, or handed on by its owner.
    (Move::Assign, Assigned, Assigned),
    (Move::Assign, Accepted, Assigned),
    (Move::Assign, Handling, Assigned),
    (Move::Return, Assigned, Received),
    (Move::Return, Accepted, Received),
    (Move::Return, Handling, Received),
    (Move::Redo, Answered, Handling),
    (Move::Redo, FollowUp, Handling),
    (Move::Redo, Closed, Handling),
    // What leaves a case where it stands.
    (Move::Extend, Received, Received),
    (Move::Extend, Assigned, Assigned),
    (Move::Extend, Accepted, Accepted),
    (Move::Extend, Handling, Handling),
    (Move::Urge, Received, Received),
    (Move::Urge, Assigned, Assigned),
    (Move::Urge, Accepted, Accepted),
    (Move::Urge, Handling, Handling),
    (Move::Supervise, Received, Received),
    (Move::Supervise, Assigned, Assigned),
    (Move::Supervise, Accepted, Accepted),
    (Move::Supervise, Handling, Handling),
];

impl Move {
    /// All moves.
    pub const ALL: [Self; 12] = [
        Self::Assign,
        Self::Accept,
        Self::Handle,
        Self::Answer,
        Self::FollowUp,
        Self::Close,
        Self::Archive,
        Self::Return,
        Self::Redo,
        Self::Extend,
        Self::Urge,
        Self::Supervise,
    ];

    /// As stored and as in the JSON interface.
    pub fn code(self) -> &'static str {
        match self {
            Self::Assign => "assign",
            Self::Accept => "accept",
            Self::Handle => "handle",
            Self::Answer => "answer",
            Self::FollowUp => "follow_up",
            Self::Close => "close",
            Self::Archive => "archive",
            Self::Return => "return",
            Self::Redo => "redo",
            Self::Extend => "extend",
            Self::Urge => "urge",
            Self::Supervise => "supervise",
        }
    }

    /// The move with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.code() == code)
    }

    /// Where it leads from `from`; `None`: it is not possible there.
    pub fn leads(self, from: State) -> Option<State> {
        MOVES.iter().find(|(m, start, _)| *m == self && *start == from).map(|(.., to)| *to)
    }

    /// Whether this hand may make it. A promise is changed, and a case put under supervision, by leadership only.
    pub fn held_by(self, hand: Hand) -> bool {
        match self {
            Self::Extend | Self::Supervise => hand == Hand::Leader,
            Self::Redo => true,
            Self::Assign
            | Self::Accept
            | Self::Handle
            | Self::Answer
            | Self::FollowUp
            | Self::Close
            | Self::Archive
            | Self::Return
            | Self::Urge => matches!(hand, Hand::Operator | Hand::Leader),
        }
    }

    /// Whether it is made only for a stated reason: what departs from the straight way.
    pub fn needs_reason(self) -> bool {
        match self {
            Self::Return | Self::Redo | Self::Extend | Self::Urge | Self::Supervise => true,
            Self::Assign
            | Self::Accept
            | Self::Handle
            | Self::Answer
            | Self::FollowUp
            | Self::Close
            | Self::Archive => false,
        }
    }

    /// The moves that this hand may make from `from`, in the order of [`MOVES`].
    pub fn possible(from: State, hand: Hand) -> impl Iterator<Item = Self> {
        MOVES.iter().filter(move |(m, start, _)| *start == from && m.held_by(hand)).map(|(m, ..)| *m)
    }

    /// Whether it takes a case to a state that it is not in.
    pub fn goes_on(self, from: State) -> bool {
        self.leads(from).is_some_and(|to| to > from)
    }
}

impl Ground {
    /// All grounds.
    pub const ALL: [Self; 3] = [Self::Duty, Self::Place, Self::Facts];

    /// As stored and as in the JSON interface.
    pub fn code(self) -> &'static str {
        match self {
            Self::Duty => "duty",
            Self::Place => "place",
            Self::Facts => "facts",
        }
    }

    /// The ground with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|g| g.code() == code)
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Assign => "派单",
            Self::Accept => "签收",
            Self::Handle => "办理",
            Self::Answer => "反馈",
            Self::FollowUp => "回访",
            Self::Close => "办结",
            Self::Archive => "归档",
            Self::Return => "退单",
            Self::Redo => "重办",
            Self::Extend => "延期",
            Self::Urge => "催办",
            Self::Supervise => "督办",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_reached_and_can_be_filed() {
        let mut reached = vec![Received];
        while let Some((.., to)) = MOVES.iter().find(|(_, from, to)| reached.contains(from) && !reached.contains(to)) {
            reached.push(*to);
        }
        assert_eq!(reached.len(), State::ALL.len());
        let mut files = vec![Archived];
        while let Some((_, from, _)) = MOVES.iter().find(|(_, from, to)| files.contains(to) && !files.contains(from)) {
            files.push(*from);
        }
        assert_eq!(files.len(), State::ALL.len());
    }

    #[test]
    fn nothing_is_closed_without_an_answer_and_nothing_filed_moves() {
        for (mv, from, to) in MOVES {
            assert!(*from != Archived, "{mv}");
            assert!(!matches!(to, Closed | Archived) || from.is_answered(), "{mv} from {from}");
        }
    }

    #[test]
    fn a_move_leads_to_one_place() {
        for (at, (mv, from, _)) in MOVES.iter().enumerate() {
            assert!(MOVES[..at].iter().all(|(m, f, _)| (m, f) != (mv, from)), "{mv} from {from} twice");
        }
        assert!(Move::ALL.iter().all(|mv| MOVES.iter().any(|(m, ..)| m == mv)));
    }

    #[test]
    fn only_leadership_changes_a_promise() {
        let check = |hand, expected: &[Move]| assert_eq!(Move::possible(Handling, hand).collect::<Vec<_>>(), expected);
        use Move::{Answer, Assign, Extend, Return, Supervise, Urge};
        check(Hand::Operator, &[Answer, Assign, Return, Urge]);
        check(Hand::Leader, &[Answer, Assign, Return, Extend, Urge, Supervise]);
        check(Hand::Gateway, &[]);
        assert_eq!(Move::possible(Closed, Hand::Gateway).collect::<Vec<_>>(), [Move::Redo]);
    }

    #[test]
    fn codes_go_both_ways() {
        for mv in Move::ALL {
            assert_eq!(
                (Move::from_code(mv.code()), serde_json::to_value(mv).expect("a string")),
                (Some(mv), mv.code().into())
            );
        }
        for ground in Ground::ALL {
            assert_eq!(Ground::from_code(ground.code()), Some(ground));
            assert_eq!(serde_json::to_value(ground).expect("a string"), ground.code());
        }
        assert_eq!((Move::from_code("lose"), Ground::from_code("mood")), (None, None));
    }
}
