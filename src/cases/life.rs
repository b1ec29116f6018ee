//! Where a case stands, folded from its log and from nothing else; and what a wished move would add to that log.
//!
//! Invariants: a case has an owner at every moment, first the post that was asked first (B15); a post owns it only once it
//! accepted it; the clock runs from the caller's first word and stands still only while the resident has an answer.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::moves::{Ground, Hand, Move};
use super::{State, deadline};
use crate::clock::china;
use crate::directory::{Calendar, PostId};
use crate::ids::CaseNumber;

/// Times that a case may be given back. At the last of them it goes to the arbiter, whose word is final (R5.7).
pub const RETURNS_MAX: u16 = 2;

/// Times that a promise may be extended.
pub const EXTENSIONS_MAX: u16 = 2;

/// How a case began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The post that was asked first.
    pub owner: PostId,
    /// When the caller spoke the first word.
    pub received_at: DateTime<Utc>,
    /// The last day of the promise as the caller heard it, China Standard Time.
    pub due_on: NaiveDate,
}

/// One entry of a case's log that changes where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A move.
    Moved(Moved),
    /// Given to a post without asking it: only in logs of earlier versions.
    Given(PostId),
    /// It joined another case, or with `None` parted from it.
    Joined(Option<CaseNumber>),
    /// Another post was asked to do a part of it.
    PartAdded,
    /// A part of it is done.
    PartDone,
}

/// A move as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Which.
    pub mv: Move,
    /// When.
    pub at: DateTime<Utc>,
    /// Where it led.
    pub to: State,
    /// What came of it.
    pub outcome: Outcome,
}

/// What a move changed beside the state; lies in the log as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The owner from here on; `None`: unchanged, in logs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<PostId>,
    /// Assigned: the post that is to accept it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<PostId>,
    /// Extended or redone: the last day from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_on: Option<NaiveDate>,
    /// Returned: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<Ground>,
}

/// Where a case stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// The state.
    pub state: State,
    /// The post that answers for it.
    pub owner: PostId,
    /// The post that was asked first.
    pub first: PostId,
    /// The post that is to accept it, while it is assigned.
    pub offered: Option<PostId>,
    /// When it was offered, while it is assigned.
    pub offered_at: Option<DateTime<Utc>>,
    /// From when the time of the promise counts: the caller's first word, or the last 重办.
    pub clock_from: DateTime<Utc>,
    /// The last day of the promise.
    pub due_on: NaiveDate,
    /// Since when the clock stands still.
    pub stopped_at: Option<DateTime<Utc>>,
    /// Times it was given back.
    pub returns: u16,
    /// Times its promise was extended.
    pub extensions: u16,
    /// Whether leadership watches it.
    pub supervised: bool,
    /// The case that it has joined.
    pub lead: Option<CaseNumber>,
    /// Parts of it that other posts have not done yet.
    pub parts_open: u16,
}

/// A wish to move a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Which move.
    pub mv: Move,
    /// Assign: to whom.
    pub post: Option<PostId>,
    /// Extend: the new last day.
    pub due_on: Option<NaiveDate>,
    /// Return: why.
    pub ground: Option<Ground>,
}

/// What a decision rests on beside the case.
#[derive(Clone, Copy, Debug)]
pub struct Office<'a> {
    /// Work days.
    pub calendar: &'a Calendar,
    /// The post that has the last word: the district's duty post.
    pub arbiter: PostId,
}

/// Why a case is not moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// It is not a move of this state.
    #[error("{mv} is not possible in {from}")]
    State {
        /// The move.
        mv: Move,
        /// Where the case stands.
        from: State,
    },
    /// It is not for this hand.
    #[error("{0} is for leadership")]
    Hand(Move),
    /// A reason must be given.
    #[error("{0} needs a reason")]
    Reason(Move),
    /// 派单 without a post.
    #[error("to whom?")]
    Post,
    /// 退单 without a ground.
    #[error("on what ground?")]
    Ground,
    /// 延期 without a day, to a day that is not later, or to one that nobody works.
    #[error("a later work day is needed")]
    Day,
    /// 延期 after the promise was broken.
    #[error("the promise is broken: it cannot be extended any more")]
    Expired,
    /// Extended too often.
    #[error("extended {EXTENSIONS_MAX} times already")]
    Extended,
    /// 办结 while another post has not done its part.
    #[error("a part of it is open")]
    Parts,
    /// Given back too often: the arbiter has decided.
    #[error("returned {RETURNS_MAX} times already: the arbiter's word is final")]
    Final,
}

impl Order {
    /// The move alone.
    pub fn new(mv: Move) -> Self {
        Self { mv, post: None, due_on: None, ground: None }
    }
}

impl Life {
    /// At its beginning.
    pub fn new(opening: Opening) -> Self {
        Self {
            state: State::Received,
            owner: opening.owner,
            first: opening.owner,
            offered: None,
            offered_at: None,
            clock_from: opening.received_at,
            due_on: opening.due_on,
            stopped_at: None,
            returns: 0,
            extensions: 0,
            supervised: false,
            lead: None,
            parts_open: 0,
        }
    }

    /// Takes the next entry of its log.
    pub fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Moved(moved) => self.moved(moved),
            Entry::Given(post) => {
                self.owner = *post;
                self.offered = self.offered.map(|_| *post);
            }
            Entry::Joined(lead) => self.lead = *lead,
            Entry::PartAdded => self.parts_open = self.parts_open.saturating_add(1),
            Entry::PartDone => self.parts_open = self.parts_open.saturating_sub(1),
        }
    }

    /// What `order`, given for `reason`, would add to the log, if it is possible.
    ///
    /// # Errors
    /// The first rule against it.
    pub fn decide(
        &self,
        order: Order,
        hand: Hand,
        reason: &str,
        now: DateTime<Utc>,
        office: Office<'_>,
    ) -> Result<Moved, Refusal> {
        let Order { mv, .. } = order;
        let to = mv.leads(self.state).ok_or(Refusal::State { mv, from: self.state })?;
        if !mv.held_by(hand) {
            return Err(Refusal::Hand(mv));
        }
        if mv.needs_reason() && reason.trim().is_empty() {
            return Err(Refusal::Reason(mv));
        }
        if mv == Move::Close && self.parts_open > 0 {
            return Err(Refusal::Parts);
        }
        let mut outcome = Outcome { owner: Some(self.owner), ..Outcome::default() };
        match mv {
            Move::Assign => outcome.offered = Some(order.post.ok_or(Refusal::Post)?),
            Move::Accept => outcome.owner = self.offered.or(outcome.owner),
            Move::Return => {
                outcome.ground = Some(order.ground.ok_or(Refusal::Ground)?);
                outcome.owner = Some(self.after_return(office.arbiter)?);
            }
            Move::Redo => {
                let stopped = self.stopped_at.unwrap_or(now);
                outcome.due_on = Some(deadline::resumed(self.due_on, stopped, now, office.calendar));
            }
            Move::Extend => {
                outcome.due_on = Some(self.extended(order.due_on, now, office.calendar)?);
            }
            Move::Handle
            | Move::Answer
            | Move::FollowUp
            | Move::Close
            | Move::Archive
            | Move::Urge
            | Move::Supervise => {}
        }
        Ok(Moved { mv, at: now, to, outcome })
    }

    fn moved(&mut self, moved: &Moved) {
        let Moved { mv, at, to, outcome } = moved;
        self.state = *to;
        self.owner = outcome.owner.unwrap_or(self.owner);
        self.due_on = outcome.due_on.unwrap_or(self.due_on);
        (self.offered, self.offered_at) = match mv {
            Move::Assign => (outcome.offered.or(Some(self.owner)), Some(*at)),
            // A case stays offered as it was.
            Move::Extend | Move::Urge | Move::Supervise => (self.offered, self.offered_at),
            Move::Accept
            | Move::Handle
            | Move::Answer
            | Move::FollowUp
            | Move::Close
            | Move::Archive
            | Move::Return
            | Move::Redo => (None, None),
        };
        match mv {
            Move::Answer => self.stopped_at = Some(*at),
            Move::Return => self.returns = self.returns.saturating_add(1),
            Move::Extend => self.extensions = self.extensions.saturating_add(1),
            Move::Supervise => self.supervised = true,
            Move::Redo => {
                self.stopped_at = None;
                self.clock_from = *at;
            }
            Move::Assign | Move::Accept | Move::Handle | Move::FollowUp | Move::Close | Move::Archive | Move::Urge => {}
        }
    }

    /// Who owns the case once it is given back. What was offered and not taken stays with who offered it; what was owned
    /// goes back to who was asked first, or where that is the same, to the arbiter; so does every case at its last return.
    fn after_return(&self, arbiter: PostId) -> Result<PostId, Refusal> {
        match self.returns + 1 {
            n if n > RETURNS_MAX => Err(Refusal::Final),
            RETURNS_MAX => Ok(arbiter),
            _ if self.state == State::Assigned => Ok(self.owner),
            _ if self.owner == self.first => Ok(arbiter),
            _ => Ok(self.first),
        }
    }

    fn extended(&self, day: Option<NaiveDate>, now: DateTime<Utc>, calendar: &Calendar) -> Result<NaiveDate, Refusal> {
        if now.with_timezone(&china()).date_naive() > self.due_on {
            return Err(Refusal::Expired);
        }
        if self.extensions >= EXTENSIONS_MAX {
            return Err(Refusal::Extended);
        }
        day.filter(|day| *day > self.due_on && calendar.is_workday(*day)).ok_or(Refusal::Day)
    }
}

#[cfg(test)]
mod tests;
