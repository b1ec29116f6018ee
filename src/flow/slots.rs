//! What is known so far of the caller's matter, and the case draft it makes.

use chrono::{DateTime, Utc};

use crate::cases::{CaseDraft, Kind, Origin, Promise};
use crate::directory::{Directory, ItemId, OrgId, PostId, WindowCode};
use crate::ids::{CallId, PhoneNumber};

/// Characters of a request that says enough not to be asked for again: 高龄津贴怎么申请 has eight.
pub(super) const REQUEST_MIN_CHARS: usize = 8;

/// Characters of the caller's words kept; a longer request is in the recording.
const WORDS_MAX_CHARS: usize = 2_000;

/// What the call itself says about a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseFacts {
    /// The call.
    pub call: CallId,
    /// The line's configured name.
    pub line: String,
    /// Who answers when the directory names nobody else.
    pub duty: PostId,
    /// When the caller spoke the first word.
    pub received_at: DateTime<Utc>,
}

/// What is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Slots {
    pub(super) window: Option<WindowCode>,
    /// Words chose the window, so it is read back; a key needs no reading back.
    pub(super) window_by_words: bool,
    pub(super) item: Option<ItemId>,
    pub(super) village: Option<OrgId>,
    pub(super) place: String,
    pub(super) words: String,
    pub(super) phone: Option<PhoneNumber>,
}

impl Slots {
    /// Adds to the request, with the village and the item it names.
    pub(super) fn take_words(&mut self, words: &str, directory: &Directory) {
        let kept = self.words.chars().count();
        if kept > 0 && !self.words.ends_with(['。', '？', '！']) {
            self.words.push('。');
        }
        self.words.extend(words.trim().chars().take(WORDS_MAX_CHARS.saturating_sub(kept)));
        if self.village.is_none() {
            self.village = directory.match_villages(words).first().map(|c| c.key);
            if self.village.is_some() && self.place.is_empty() {
                self.place = place_in(words, self.village, directory);
            }
        }
        self.name_item(directory);
    }

    /// Takes the place in the caller's words.
    pub(super) fn take_place(&mut self, words: &str, directory: &Directory) {
        self.place = words.trim().chars().take(WORDS_MAX_CHARS).collect();
        self.village = directory.match_villages(words).first().map(|c| c.key);
    }

    /// Sets the window that key or words chose.
    pub(super) fn choose(&mut self, window: WindowCode, by_words: bool, directory: &Directory) {
        self.window = Some(window);
        self.window_by_words = by_words;
        self.name_item(directory);
    }

    /// Forgets the window, which was wrong.
    pub(super) fn unchoose(&mut self) {
        self.window = None;
        self.window_by_words = false;
        self.item = None;
    }

    /// Whether the caller's request needs no asking for.
    pub(super) fn has_request(&self) -> bool {
        self.words.chars().count() >= REQUEST_MIN_CHARS
    }

    /// The case that these make.
    pub(super) fn draft(
        &self,
        facts: &CaseFacts,
        origin: Origin,
        directory: &Directory,
        wall: DateTime<Utc>,
    ) -> CaseDraft {
        let kind = Kind::of_words(&self.words);
        let item = self.item.and_then(|id| directory.items.get(&id));
        let promise = Promise::new(item, kind, facts.received_at, &directory.calendar);
        CaseDraft {
            call: facts.call,
            line: facts.line.clone(),
            origin,
            kind,
            window: self.window,
            item: self.item,
            village: self.village,
            place: self.place.clone(),
            words: self.words.clone(),
            callback: self.phone.clone(),
            owner: directory.first_owner(self.window, self.village).unwrap_or(facts.duty),
            promise: promise.words,
            due_on: promise.due_on,
            received_at: facts.received_at,
            opened_at: wall,
        }
    }

    fn name_item(&mut self, directory: &Directory) {
        if self.window.is_some() {
            self.item = directory.match_items(&self.words, self.window).first().map(|c| c.key);
        }
    }
}

/// The clause of a request that names the village, with its house number; the rest is no place.
fn place_in(words: &str, village: Option<OrgId>, directory: &Directory) -> String {
    let names = |clause: &&str| directory.match_villages(clause).first().map(|c| c.key) == village;
    words.split(['，', '。', '？', '！', ',', ' ']).find(names).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::directory::example::district;

    fn at(text: &str) -> DateTime<Utc> {
        format!("{text}:00+08:00").parse().expect("a moment")
    }

    #[test]
    fn the_promise_counts_from_the_first_word() {
        let facts = CaseFacts {
            call: CallId(Uuid::nil()),
            line: "hotline".to_owned(),
            duty: PostId(1),
            received_at: at("2026-09-28T23:58"),
        };
        let draft = Slots::default().draft(&facts, Origin::Recording, &district(), at("2026-09-29T00:03"));
        assert_eq!(draft.due_on.to_string(), "2026-10-05");
        assert_eq!((draft.received_at, draft.opened_at), (at("2026-09-28T23:58"), at("2026-09-29T00:03")));
    }

    #[test]
    fn the_place_is_the_clause_that_names_it() {
        let check = |words: &str, place: &str| {
            let mut slots = Slots::default();
            slots.take_words(words, &district());
            assert_eq!(slots.place, place, "{words}");
        };
        check("我想办低保，家在高龙潭社区四十二号，怎么申请？", "家在高龙潭社区四十二号");
        check("我想办低保", "");
    }

    #[test]
    fn words_are_bounded() {
        let mut slots = Slots::default();
        for _ in 0..10 {
            slots.take_words(&"长".repeat(900), &district());
        }
        assert!(slots.words.chars().count() <= WORDS_MAX_CHARS + 10);
    }
}
