//! The district: organisations in three levels, windows, service items, posts, people, and the work-day calendar.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

mod calendar;
#[cfg(test)]
pub(crate) mod example;
mod matching;
mod owner;
#[cfg(test)]
pub(crate) mod requests;
mod sound;

pub use calendar::{Calendar, Hours, Opening};
pub use matching::Candidate;
pub use sound::Spoken;

/// An organisation's key in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrgId(pub i64);

/// A post's key in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PostId(pub i64);

/// A person's key in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonId(pub i64);

/// A service item's key in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId(pub i64);

/// A window's number: the key a caller presses for it, 1 to 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WindowCode(pub i16);

impl fmt::Display for WindowCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The three levels of the service network (区、乡、村), and the points below a village.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// 区: the government service centre and the Party-member service centre.
    District,
    /// 乡、街道.
    Township,
    /// 村、社区.
    Village,
    /// 居民小组: a service point.
    Point,
}

/// One unit of the service network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organisation {
    /// Its key.
    pub id: OrgId,
    /// The unit above; `None` for the district alone.
    pub parent: Option<OrgId>,
    /// Where it stands.
    pub level: Level,
    /// As people say it: 高龙潭社区.
    pub name: String,
}

/// One of the eight windows (A7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The key a caller presses.
    pub code: WindowCode,
    /// 社会保障.
    pub name: String,
    /// Words of a caller that point here, most telling first.
    pub keywords: Vec<String>,
}

/// What a resident can ask for, with what is promised (B16).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceItem {
    /// Its key.
    pub id: ItemId,
    /// The window that handles it.
    pub window: WindowCode,
    /// 高龄津贴申领.
    pub name: String,
    /// The promise in words, as published.
    pub promise: String,
    /// The promise in work days, counted from the day after opening.
    pub promise_workdays: u16,
    /// Words of a caller that point here.
    pub keywords: Vec<String>,
}

/// A post with its A and B role (B19): somebody always answers for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// Its key.
    pub id: PostId,
    /// Where it stands.
    pub org: OrgId,
    /// The window it serves; `None` for a duty post.
    pub window: Option<WindowCode>,
    /// 社会保障窗口.
    pub title: String,
    /// Who holds the A role.
    pub a: PersonId,
    /// Who stands in.
    pub b: PersonId,
}

/// Someone who works for the district. Never a caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Their key.
    pub id: PersonId,
    /// Their name.
    pub name: String,
}

/// What a running call needs of the directory: read once, shared, replaced as a whole when the district edits it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Directory {
    /// Every unit.
    pub organisations: BTreeMap<OrgId, Organisation>,
    /// The windows by key.
    pub windows: BTreeMap<WindowCode, Window>,
    /// The service items.
    pub items: BTreeMap<ItemId, ServiceItem>,
    /// The posts.
    pub posts: BTreeMap<PostId, Post>,
    /// Their holders.
    pub persons: BTreeMap<PersonId, Person>,
    /// Work days and hours.
    pub calendar: Calendar,
}
