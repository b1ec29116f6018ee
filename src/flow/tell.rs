//! Sentences composed of prompts: a case opened, how it stands, what was understood.

use chrono::{DateTime, Utc};

use super::dialogue::{OurCall, Rung};
use super::numerals::{self, One};
use super::prompts::{PromptBook, PromptId};
use super::slots::Slots;
use super::spoken::digit_runs;
use super::vocabulary as say;
use crate::cases::{ProgressAnswer, State};
use crate::clock::china;
use crate::directory::{Directory, PostId};
use crate::ids::{CaseNumber, PhoneNumber};

/// Shortest opening that counts for a promise to ring back within it, in minutes.
const RING_BACK_MINUTES: i64 = 30;

/// "Your matter is registered under …, I repeat …; it is with …; we promise an answer by …"
pub(super) fn case_opened(
    directory: &Directory,
    number: CaseNumber,
    owner: PostId,
    due: chrono::NaiveDate,
) -> Vec<PromptId> {
    let mut out: Vec<PromptId> = vec![say::OPENED.into()];
    out.extend(case_number(number));
    out.push(say::OPENED_REPEAT.into());
    out.extend(case_number(number));
    out.extend(owned(directory, owner));
    out.extend(promised(due));
    out
}

/// "Your matter is now …; it is with …; we promise an answer by …". What is closed has no owner or date to wait for.
pub(super) fn progress(directory: &Directory, answer: &ProgressAnswer) -> Vec<PromptId> {
    let mut out: Vec<PromptId> = vec![say::PROGRESS.into(), say::state(answer.state)];
    match answer.state {
        State::Received | State::Assigned | State::Accepted | State::Handling | State::Answered | State::FollowUp => {
            out.extend(owned(directory, answer.owner));
            out.extend(promised(answer.due_on));
        }
        State::Closed | State::Archived => {}
    }
    out
}

/// When the caller is rung back (R3.7): soon, while offices are open; else within their next hours.
pub(super) fn callback(directory: &Directory, wall: DateTime<Utc>) -> Vec<PromptId> {
    let calendar = &directory.calendar;
    let Some(opening) = calendar.next_opening(wall).filter(|_| !calendar.is_open(wall)) else {
        return vec![say::CALLBACK_SOON.into()];
    };
    if (opening.until - opening.from).num_minutes() < RING_BACK_MINUTES {
        return vec![say::CALLBACK_SOON.into()];
    }
    let today = wall.with_timezone(&china()).date_naive();
    let mut out: Vec<PromptId> = vec![say::CALLBACK.into()];
    out.extend(numerals::prompts(&numerals::near_date(opening.until.date(), today)));
    out.extend(numerals::prompts(&numerals::clock(opening.until.time())));
    out.push(say::CALLBACK_TAIL.into());
    out
}

/// "It was us, at …, about …", or "it was not us"; nothing where that cannot be told.
pub(super) fn rung(rung: Rung, wall: DateTime<Utc>) -> Vec<PromptId> {
    match rung {
        Rung::Unknown => Vec::new(),
        Rung::Never => vec![say::CHECK_NONE.into()],
        Rung::Ours(OurCall { at, case, .. }) => {
            let (at, today) = (at.with_timezone(&china()), wall.with_timezone(&china()).date_naive());
            let mut out: Vec<PromptId> = vec![say::CHECK_OURS.into()];
            out.extend(numerals::prompts(&numerals::near_date(at.date_naive(), today)));
            out.extend(numerals::prompts(&numerals::clock(at.time())));
            out.push(numerals::Piece::Pause.id());
            if let Some((number, opened_on)) = case {
                out.push(say::CHECK_CASE.into());
                out.extend(numerals::prompts(&numerals::date(opened_on)));
                out.push(say::CHECK_CASE_TAIL.into());
                out.extend(case_number(number));
                out.push(numerals::Piece::Pause.id());
            }
            out
        }
    }
}

/// The window, as read back; empty where none was chosen by words, or none has a recorded name.
pub(super) fn window(slots: &Slots, book: &PromptBook) -> Vec<PromptId> {
    slots.window.filter(|_| slots.window_by_words).map(say::window).filter(|id| book.has(id)).into_iter().collect()
}

/// The village, where its name is recorded, and the place's numbers digit by digit.
pub(super) fn place(slots: &Slots, book: &PromptBook) -> Vec<PromptId> {
    let name = slots.village.map(say::village).filter(|id| book.has(id));
    let mut out: Vec<PromptId> = name.into_iter().collect();
    for run in digit_runs(&slots.place) {
        if !out.is_empty() {
            out.push(numerals::Piece::Pause.id());
        }
        out.extend(numerals::prompts(&numerals::digits(&run, One::Yao)));
    }
    out
}

/// A telephone number, digit by digit.
pub(super) fn phone(number: &PhoneNumber) -> Vec<PromptId> {
    // A trunk may signal +86 before it, which nobody says.
    let digits = number.reveal();
    let national = digits.strip_prefix("+86").unwrap_or(digits);
    numerals::prompts(&numerals::digits(national, One::Yao))
}

/// A case number, digit by digit.
pub(crate) fn case_number(number: CaseNumber) -> Vec<PromptId> {
    numerals::prompts(&numerals::digits(&number.to_string(), One::Yao))
}

/// The post that answers, as people speak of it.
pub(crate) fn owner_name(directory: &Directory, owner: PostId) -> PromptId {
    let post = directory.posts.get(&owner);
    let level = post.and_then(|p| directory.level_of(p));
    say::owner(level, post.and_then(|p| p.window))
}

fn owned(directory: &Directory, owner: PostId) -> [PromptId; 3] {
    [say::OWNER.into(), owner_name(directory, owner), say::OWNER_TAIL.into()]
}

fn promised(due: chrono::NaiveDate) -> Vec<PromptId> {
    let mut out: Vec<PromptId> = vec![say::DUE.into()];
    out.extend(numerals::prompts(&numerals::date(due)));
    out.push(say::DUE_TAIL.into());
    out
}
