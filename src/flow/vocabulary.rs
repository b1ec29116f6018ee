//! The prompts that the machine itself chooses, beside those that a flow names.

use super::numerals::Piece;
use super::prompts::PromptId;
use crate::cases::State;
use crate::directory::{Level, OrgId, WindowCode};

/// "Take your time, I am waiting."
pub(crate) const NUDGE: &str = "nudge";
/// "You may also press a key; 0 for a person."
pub(crate) const NUDGE_KEY: &str = "nudge.key";
/// "I did not catch that, please say it again."
pub(crate) const NOT_UNDERSTOOD: &str = "not_understood.1";
/// "I did not understand; I record it for somebody who does."
pub(super) const GIVE_UP: &str = "not_understood.2";
/// "This key means nothing here."
pub(crate) const WRONG_KEY: &str = "wrong_key";
/// "I shall speak more slowly."
pub(crate) const SLOWER: &str = "slower_on";
/// "We go back one step."
pub(crate) const BACK: &str = "back";
/// "I noted what you said."
pub(super) const NOTED: &str = "thanks_words";
/// "If right press 1 or say so; if wrong press 2."
pub(super) const CONFIRM: &str = "readback.confirm";
/// "Let us do that again."
pub(super) const AGAIN: &str = "readback.again";
/// "Speak after the tone, press # when done."
pub(super) const RECORD: &str = "record.begin";
/// "I heard nothing; leave a message after the tone."
pub(super) const SILENT: &str = "silence.record";
/// "Listening is slow at present: please use keys."
pub(crate) const DEGRADED: &str = "degraded.speech";
/// "Something is wrong on our side; what you say is recorded."
pub(super) const TROUBLE: &str = "trouble.sorry";
/// "In danger hang up and dial 110, 119 or 120."
pub(crate) const EMERGENCY: &str = "emergency.advice";
/// "One moment, please": said by the call when the recogniser takes long.
pub const MOMENT: &str = "moment";
/// "Your matter is registered under"
pub(super) const OPENED: &str = "case.opened";
/// "I repeat, under"
pub(super) const OPENED_REPEAT: &str = "case.repeat";
/// "It is with", owner, [`OWNER_TAIL`].
pub(super) const OWNER: &str = "case.owner";
/// Ends [`OWNER`].
pub(super) const OWNER_TAIL: &str = "case.owner.tail";
/// "We promise an answer by", date, [`DUE_TAIL`].
pub(super) const DUE: &str = "case.due";
/// Ends [`DUE`].
pub(super) const DUE_TAIL: &str = "case.due.tail";
/// "You will be rung back before", date and time, [`CALLBACK_TAIL`].
pub(super) const CALLBACK: &str = "callback.promise";
/// Ends [`CALLBACK`].
pub(super) const CALLBACK_TAIL: &str = "callback.promise.tail";
/// "You will be rung back soon."
pub(super) const CALLBACK_SOON: &str = "callback.soon";
/// "Your matter is now", state.
pub(super) const PROGRESS: &str = "progress.is";
/// "There is no such number."
pub(super) const PROGRESS_UNKNOWN: &str = "progress.unknown";
/// "The number seems mistyped."
pub(super) const PROGRESS_WRONG: &str = "progress.wrong_check";
/// "We must stop here for now."
pub(crate) const GOODBYE_EARLY: &str = "goodbye.early";

/// "It was us; the last time was", day and time.
pub(super) const CHECK_OURS: &str = "survey.check.ours";
/// "It was not us; do not believe who says so."
pub(super) const CHECK_NONE: &str = "survey.check.none";

/// "It was about what you", date, [`CHECK_CASE_TAIL`], number.
pub(super) const CHECK_CASE: &str = "survey.check.case";
/// "registered under".
pub(super) const CHECK_CASE_TAIL: &str = "survey.check.case.tail";
/// "1 takes your answers back, 2 gives them anew, # neither."
pub(super) const CHECK_OFFER: &str = "survey.check.offer";
/// "Your answers are taken back."
pub(super) const CHECK_WITHDRAWN: &str = "survey.check.withdrawn";
/// "We ask everything again."
pub(super) const CHECK_AGAIN: &str = "survey.check.again";

/// "I put you through to a person; please hold the line."
pub(crate) const TRANSFER_WAIT: &str = "survey.transfer.wait";
/// "Nobody takes the call; you will be rung back. We go on."
pub(crate) const TRANSFER_NONE: &str = "survey.transfer.none";
/// Told to the person: "a call from a survey".
pub(crate) const TRANSFER_BRIEF: &str = "survey.transfer.brief";
/// Told to the person: "its case is".
pub(crate) const TRANSFER_CASE: &str = "survey.transfer.case";

const PLAIN: [&str; 41] = [
    NUDGE,
    NUDGE_KEY,
    NOT_UNDERSTOOD,
    GIVE_UP,
    WRONG_KEY,
    SLOWER,
    BACK,
    NOTED,
    CONFIRM,
    AGAIN,
    RECORD,
    SILENT,
    DEGRADED,
    TROUBLE,
    EMERGENCY,
    MOMENT,
    OPENED,
    OPENED_REPEAT,
    OWNER,
    OWNER_TAIL,
    DUE,
    DUE_TAIL,
    CALLBACK,
    CALLBACK_TAIL,
    CALLBACK_SOON,
    PROGRESS,
    PROGRESS_UNKNOWN,
    PROGRESS_WRONG,
    GOODBYE_EARLY,
    CHECK_OURS,
    CHECK_NONE,
    CHECK_CASE,
    CHECK_CASE_TAIL,
    CHECK_OFFER,
    CHECK_WITHDRAWN,
    CHECK_AGAIN,
    TRANSFER_WAIT,
    TRANSFER_NONE,
    TRANSFER_BRIEF,
    TRANSFER_CASE,
    OWNER_DUTY,
];

const OWNER_DUTY: &str = "owner.duty";
const OWNER_TOWNSHIP: &str = "owner.township";
const OWNER_VILLAGE: &str = "owner.village";

/// The windows that have recorded names.
const WINDOWS: std::ops::RangeInclusive<i16> = 1..=8;

/// Every prompt that the machine may choose by itself: each must be in the book.
pub fn vocabulary() -> impl Iterator<Item = PromptId> {
    PLAIN
        .into_iter()
        .chain([OWNER_TOWNSHIP, OWNER_VILLAGE])
        .chain(super::queue::ALL)
        .map(PromptId::from)
        .chain(WINDOWS.map(|code| window(WindowCode(code))))
        .chain(WINDOWS.map(|code| owner(Some(Level::District), Some(WindowCode(code)))))
        .chain(State::ALL.map(state))
        .chain(Piece::all().map(Piece::id))
}

/// A window's bare name.
pub(super) fn window(code: WindowCode) -> PromptId {
    format!("window.{code}").into()
}

/// A village's name, where somebody recorded one: the only prompts that a book may lack.
pub(super) fn village(id: OrgId) -> PromptId {
    format!("org.{}", id.0).into()
}

/// A case's state.
pub(super) fn state(state: State) -> PromptId {
    match state {
        State::Received => "state.received",
        State::Assigned => "state.assigned",
        State::Accepted => "state.accepted",
        State::Handling => "state.handling",
        State::Answered => "state.answered",
        State::FollowUp => "state.followup",
        State::Closed => "state.closed",
        State::Archived => "state.archived",
    }
    .into()
}

/// The post that answers, by its level and window; windows without a recorded name are spoken of as the duty post.
pub(super) fn owner(level: Option<Level>, served: Option<WindowCode>) -> PromptId {
    match (level, served) {
        (Some(Level::Township), _) => OWNER_TOWNSHIP.into(),
        (Some(Level::Village | Level::Point), _) => OWNER_VILLAGE.into(),
        (Some(Level::District), Some(code)) if WINDOWS.contains(&code.0) => format!("owner.district.{code}").into(),
        (Some(Level::District) | None, _) => OWNER_DUTY.into(),
    }
}
