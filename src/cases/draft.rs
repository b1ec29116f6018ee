//! A case as it is opened: first without its number, then under it.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{Kind, Origin};
use crate::directory::{ItemId, OrgId, PostId, WindowCode};
use crate::ids::{CallId, CaseNumber, PhoneNumber};

/// Everything known of a case but its number, which the store gives when it makes the case durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// A case at the moment it is opened. Written to the spool before its number is spoken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewCase {
    /// Its number.
    pub number: CaseNumber,
    /// Everything else.
    #[serde(flatten)]
    pub draft: CaseDraft,
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
