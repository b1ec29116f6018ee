//! A case before it has its number.

use chrono::{DateTime, NaiveDate, Utc};

use super::{Kind, NewCase, Origin};
use crate::directory::{ItemId, OrgId, PostId, WindowCode};
use crate::ids::{CallId, CaseNumber, PhoneNumber};

/// Everything a [`NewCase`] holds but its number, which the store gives when the case is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseDraft {
    /// The call that opens it.
    pub call: CallId,
    /// The line that was dialled.
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
    /// The place in the caller's words; may be empty.
    pub place: String,
    /// The caller's words as recognised; may be empty.
    pub words: String,
    /// Number to ring back.
    pub callback: Option<PhoneNumber>,
    /// The post that answers for it first.
    pub owner: PostId,
    /// What is promised, in words.
    pub promise: String,
    /// The last day of the promise, China Standard Time.
    pub due_on: NaiveDate,
    /// When the caller spoke the first word.
    pub received_at: DateTime<Utc>,
    /// When it is opened.
    pub opened_at: DateTime<Utc>,
}

impl CaseDraft {
    /// The case under its number.
    pub fn numbered(self, number: CaseNumber) -> NewCase {
        NewCase {
            number,
            call: self.call,
            line: self.line,
            origin: self.origin,
            kind: self.kind,
            window: self.window,
            item: self.item,
            village: self.village,
            place: self.place,
            words: self.words,
            callback: self.callback,
            owner: self.owner,
            promise: self.promise,
            due_on: self.due_on,
            received_at: self.received_at,
            opened_at: self.opened_at,
        }
    }
}

/// What a caller hears who asks how a case stands (R5.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgressAnswer {
    /// Where it stands.
    pub state: super::State,
    /// The post that answers for it now.
    pub owner: PostId,
    /// The last day of the promise, China Standard Time.
    pub due_on: NaiveDate,
}
