//! Every word that a page shows, one table per language. A word missing in one language does not compile.

mod desk;
mod en;
pub mod survey;
mod zh;

pub(super) use desk::DeskText;

use crate::cases::{Ground, Move, Refusal, State};
use crate::store::users::Role;

/// The languages of the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// Chinese: the first language of the office.
    #[default]
    Zh,
    /// English.
    En,
}

impl Lang {
    /// As in the cookie and in the address of the switch.
    pub fn code(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
        }
    }

    /// The language with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Zh, Self::En].into_iter().find(|l| l.code() == code)
    }

    /// The words in this language.
    pub fn text(self) -> &'static Text {
        match self {
            Self::Zh => &zh::TEXT,
            Self::En => &en::TEXT,
        }
    }
}

macro_rules! table {
    ($($word:ident),* $(,)?) => {
        /// The words of the pages.
        #[derive(Debug)]
        pub struct Text {
            /// The value of the `lang` attribute.
            pub lang: &'static str,
            /// The code of the other language.
            pub other_lang: &'static str,
            $(#[doc = concat!("`", stringify!($word), "`")] pub $word: &'static str,)*
        }

        #[cfg(test)]
        impl Text {
            fn words(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($word), self.$word)),*]
            }
        }
    };
}

table! {
    // The frame.
    product, tagline, skip, other_language, nav_calls, nav_cases, nav_users, nav_audit, log_out, theme_note,
    // Log in.
    log_in, name, password, log_in_hint, bad_login, locked, busy, once_title, once_text, once_button, once_bad,
    // Lists.
    filter, clear, all, line, window, date, number_suffix, number_suffix_hint, older, newest, from_start,
    // Calls.
    calls, live, live_none, live_lost, recent, calls_none, calls_none_filtered, caller, called, withheld, started, length,
    state, about, case_, ringing, in_progress, unanswered, not_recorded, level_caller, level_gateway, caption,
    // One call.
    call, back_to_calls, recording, recording_none, recording_none_text, play, pause, speed, waveform, waveform_hint,
    channel_caller, channel_gateway, transcript, transcript_none, transcript_waiting, transcript_failed, follow, way, way_none,
    quality, quality_none, keys_pressed, save, cancel, correct, corrected, history, as_recognised, low_confidence, at,
    facts, answered, ended, end_reason, codec, flow, sip_call_id, sha256, shortcuts, shortcut_play, shortcut_next,
    shortcut_previous, shortcut_search, shortcut_edit, listened_note, linked_cases,
    // What happened in a call.
    ev_state, ev_prompt, ev_key, ev_heard, ev_asked, ev_case, ev_hold, ev_note,
    // Why a call ended.
    end_caller, end_flow, end_cancelled, end_no_rtp, end_max_duration, end_drain, end_error, end_crash,
    // Figures of the engine.
    q_packets, q_lost, q_late, q_concealed, q_jitter, q_mos, q_duplicate, q_sent, q_rtt, q_first_audio,
    // Cases.
    cases, cases_none, cases_none_filtered, open_states, owner, overdue, due, due_today, days_left, days_over,
    words, words_hint, place, summary, opened, number,
    // One case.
    back_to_cases, words_recognised, summary_now, correct_summary, reason, reason_hint, assign_to, timeline, promise, received, callback, reveal, reveal_hint, revealed, from_call, origin, kind, item, village,
    procedure, role_a, role_b, nothing_to_do, version_conflict, saved, required,
    ck_opened, ck_moved, ck_assigned, ck_corrected, ck_noted, before, after, gateway,
    origin_dialogue, origin_person, origin_recording, origin_abandoned, kind_enquiry, kind_request, kind_complaint,
    // States.
    st_received, st_assigned, st_accepted, st_handling, st_answered, st_follow_up, st_closed, st_archived,
    // What can be done with a case, and why not.
    next_step, hand_on, assign_note, return_reason, return_hint, return_note, ground, gr_duty, gr_place, gr_facts,
    new_day, extend_note, add_note, returned, supervised, first_asked, offered, accept_by, amber_at, clock_stopped,
    mv_assign, mv_accept, mv_handle, mv_answer, mv_follow_up, mv_close, mv_archive, mv_return, mv_redo, mv_extend,
    mv_urge, mv_supervise, no_state, no_hand, no_reason, no_post, no_ground, no_day, no_expired, no_extended,
    no_final,
    view, view_mine, view_amber, view_callback, mine_none,
    // What is to be done.
    nav_tasks, tasks, tasks_mine, tasks_none, tasks_more, task, task_whom, task_due, task_rung, task_claim,
    task_claimed, task_release, task_done, task_unreachable, task_remark, task_taken, tk_missed, tk_missed_hint,
    tk_message, tk_message_hint, tk_dissatisfied, tk_dissatisfied_hint, tk_person, tk_person_hint, tk_extended,
    tk_extended_hint, tk_unaccepted, tk_unaccepted_hint, tk_amber, tk_amber_hint, tk_red, tk_red_hint, tk_red_leader,
    tk_red_leader_hint, tk_listed, tk_listed_hint,
    // Cases that belong together.
    no_join, no_parts, ck_linked, ck_unlinked, ck_part_added, ck_part_done, tk_answered, tk_answered_hint, parts,
    parts_none, part_post, part_what, part_add, part_end, part_result, joins, joined_lead, joined_here, join,
    join_number, unjoin, maybe_same, join_note,
    // Users.
    users, users_hint, role, last_seen, added, disabled, disable, enable, active, never, locked_until,
    role_operator, role_evaluator, role_admin, role_auditor, role_unit, you,
    // Audit.
    audit, audit_hint, audit_check, chain_whole, chain_broken, actor, action, object, audit_none, rows,
    // Trouble.
    not_found, not_found_text, forbidden, forbidden_text, bad_request, bad_request_text, unavailable, unavailable_text,
    too_many, too_many_text, conflict, internal, internal_text, to_start, form_old,
    // Where a call stands in its flow.
    fs_main, fs_request, fs_place, fs_confirm_window, fs_confirm_place, fs_phone, fs_confirm_phone, fs_case, fs_progress, fs_person, fs_recording, fs_goodbye, fs_notice,
    // What stands in the audit trail.
    ac_login, ac_logout, ac_bad_login, ac_lock, ac_listen, ac_download, ac_reveal, ac_correct, ac_move, ac_assign, ac_disable, ac_enable, ac_user_add, ac_token,
    actions, due_tomorrow, recording_silent, no_words, no_words_text, live_more, recognition_overloaded, live_caption, live_caption_none,
    // What was asked of the recogniser, and why it has no words.
    expect_request, expect_place, expect_yes_no, expect_digits, nothing_too_late, nothing_busy, nothing_empty, nothing_failed,
    hold_on, hold_off,
    // Before anybody can log in.
    first_user, first_user_text,
}

impl Text {
    /// A state of a case.
    pub fn case_state(&self, state: State) -> &'static str {
        match state {
            State::Received => self.st_received,
            State::Assigned => self.st_assigned,
            State::Accepted => self.st_accepted,
            State::Handling => self.st_handling,
            State::Answered => self.st_answered,
            State::FollowUp => self.st_follow_up,
            State::Closed => self.st_closed,
            State::Archived => self.st_archived,
        }
    }

    /// A move of a case.
    pub fn case_move(&self, mv: Move) -> &'static str {
        match mv {
            Move::Assign => self.mv_assign,
            Move::Accept => self.mv_accept,
            Move::Handle => self.mv_handle,
            Move::Answer => self.mv_answer,
            Move::FollowUp => self.mv_follow_up,
            Move::Close => self.mv_close,
            Move::Archive => self.mv_archive,
            Move::Return => self.mv_return,
            Move::Redo => self.mv_redo,
            Move::Extend => self.mv_extend,
            Move::Urge => self.mv_urge,
            Move::Supervise => self.mv_supervise,
        }
    }

    /// Why a move is not possible.
    pub fn refusal(&self, rule: Refusal) -> &'static str {
        match rule {
            Refusal::State { .. } => self.no_state,
            Refusal::Hand(_) => self.no_hand,
            Refusal::Reason(_) => self.no_reason,
            Refusal::Post => self.no_post,
            Refusal::Ground => self.no_ground,
            Refusal::Day => self.no_day,
            Refusal::Expired => self.no_expired,
            Refusal::Extended => self.no_extended,
            Refusal::Final => self.no_final,
            Refusal::Parts => self.no_parts,
        }
    }

    /// What is to be done, and how, by its stored code.
    pub fn task<'a>(&self, code: &'a str) -> (&'a str, &'a str) {
        match code {
            "missed" => (self.tk_missed, self.tk_missed_hint),
            "message" => (self.tk_message, self.tk_message_hint),
            "dissatisfied" => (self.tk_dissatisfied, self.tk_dissatisfied_hint),
            "person" => (self.tk_person, self.tk_person_hint),
            "extended" => (self.tk_extended, self.tk_extended_hint),
            "unaccepted" => (self.tk_unaccepted, self.tk_unaccepted_hint),
            "amber" => (self.tk_amber, self.tk_amber_hint),
            "red" => (self.tk_red, self.tk_red_hint),
            "red_leader" => (self.tk_red_leader, self.tk_red_leader_hint),
            "listed" => (self.tk_listed, self.tk_listed_hint),
            "answered" => (self.tk_answered, self.tk_answered_hint),
            other => (other, ""),
        }
    }

    /// Why a case was given back, by its stored code.
    pub fn ground_code<'a>(&self, code: &'a str) -> &'a str {
        match Ground::from_code(code) {
            Some(Ground::Duty) => self.gr_duty,
            Some(Ground::Place) => self.gr_place,
            Some(Ground::Facts) => self.gr_facts,
            None => code,
        }
    }

    /// A state by its stored code; a code of a later version shows as it is.
    pub fn case_state_code<'a>(&self, code: &'a str) -> &'a str {
        State::from_code(code).map_or(code, |state| self.case_state(state))
    }

    /// A role.
    pub fn role(&self, role: Role) -> &'static str {
        match role {
            Role::Operator => self.role_operator,
            Role::Evaluator => self.role_evaluator,
            Role::Admin => self.role_admin,
            Role::Auditor => self.role_auditor,
            Role::Unit => self.role_unit,
        }
    }

    /// A role by its stored code.
    pub fn role_code<'a>(&self, code: &'a str) -> &'a str {
        Role::from_code(code).map_or(code, |role| self.role(role))
    }

    /// Why a call ended, by its stored code.
    pub fn end_reason<'a>(&self, code: &'a str) -> &'a str {
        match code {
            "caller" => self.end_caller,
            "flow" => self.end_flow,
            "cancelled" => self.end_cancelled,
            "no_rtp" => self.end_no_rtp,
            "max_duration" => self.end_max_duration,
            "drain" => self.end_drain,
            "error" => self.end_error,
            "crash" => self.end_crash,
            other => other,
        }
    }

    /// What happened in a call, by its stored code.
    pub fn event<'a>(&self, code: &'a str) -> &'a str {
        match code {
            "state" => self.ev_state,
            "prompt" => self.ev_prompt,
            "key" => self.ev_key,
            "heard" => self.ev_heard,
            "asked" => self.ev_asked,
            "case" => self.ev_case,
            "hold" => self.ev_hold,
            "note" => self.ev_note,
            other => other,
        }
    }

    /// What happened to a case, by its stored code.
    pub fn case_event<'a>(&self, code: &'a str) -> &'a str {
        match code {
            "opened" => self.ck_opened,
            "moved" => self.ck_moved,
            "assigned" => self.ck_assigned,
            "corrected" => self.ck_corrected,
            "noted" => self.ck_noted,
            "linked" => self.ck_linked,
            "unlinked" => self.ck_unlinked,
            "part_added" => self.ck_part_added,
            "part_done" => self.ck_part_done,
            other => other,
        }
    }

    /// How a case came about, by its stored code.
    pub fn origin<'a>(&self, code: &'a str) -> &'a str {
        match code {
            "dialogue" => self.origin_dialogue,
            "person" => self.origin_person,
            "recording" => self.origin_recording,
            "abandoned" => self.origin_abandoned,
            other => other,
        }
    }

    /// What kind of request a case is, by its stored code.
    pub fn kind<'a>(&self, code: &'a str) -> &'a str {
        match code {
            "enquiry" => self.kind_enquiry,
            "request" => self.kind_request,
            "complaint" => self.kind_complaint,
            other => other,
        }
    }

    /// Where a call stands in its flow, by the state's name in the flow's file; a name of the district's own shows as it is.
    pub fn flow_state<'a>(&self, name: &'a str) -> &'a str {
        self.flow_states().into_iter().find(|(known, _)| *known == name).map_or(name, |(_, said)| said)
    }

    /// What the recogniser was to listen for, by its stored code.
    pub fn expected<'a>(&self, code: &'a str) -> &'a str {
        match code {
            "request" => self.expect_request,
            "place" => self.expect_place,
            "yes_no" => self.expect_yes_no,
            "digits" => self.expect_digits,
            other => other,
        }
    }

    /// Why the recogniser gave no words, by its stored code; `None` where it is words.
    pub fn nothing(&self, code: &str) -> Option<&'static str> {
        Some(match code {
            "too_late" => self.nothing_too_late,
            "busy" => self.nothing_busy,
            "empty" => self.nothing_empty,
            "failed" => self.nothing_failed,
            _ => return None,
        })
    }

    /// The names of the states that come with the gateway, with their words.
    pub fn flow_states(&self) -> [(&'static str, &'static str); 13] {
        [
            ("main", self.fs_main),
            ("request", self.fs_request),
            ("place", self.fs_place),
            ("confirm_window", self.fs_confirm_window),
            ("confirm_place", self.fs_confirm_place),
            ("phone", self.fs_phone),
            ("confirm_phone", self.fs_confirm_phone),
            ("case", self.fs_case),
            ("progress", self.fs_progress),
            ("person", self.fs_person),
            ("recording", self.fs_recording),
            ("goodbye", self.fs_goodbye),
            ("notice", self.fs_notice),
        ]
    }

    /// What somebody did, by its code in the audit trail; a code of another part shows as it is.
    pub fn deed<'a>(&self, action: &'a str) -> &'a str {
        match action {
            "login" => self.ac_login,
            "logout" => self.ac_logout,
            "bad_login" => self.ac_bad_login,
            "lock" => self.ac_lock,
            "listen" => self.ac_listen,
            "download" => self.ac_download,
            "reveal" => self.ac_reveal,
            "correct" => self.ac_correct,
            "move" => self.ac_move,
            "assign" => self.ac_assign,
            "disable" => self.ac_disable,
            "enable" => self.ac_enable,
            "user_add" => self.ac_user_add,
            "token" => self.ac_token,
            other => other,
        }
    }

    /// One of the audio engine's figures, by its key in the record; `None` for a figure that pages do not name.
    pub fn figure(&self, key: &str) -> Option<&'static str> {
        Some(match key {
            "packets" | "packets_received" => self.q_packets,
            "packets_sent" => self.q_sent,
            "lost" => self.q_lost,
            "late" => self.q_late,
            "duplicate" => self.q_duplicate,
            "concealed_ms" => self.q_concealed,
            "jitter_ms" => self.q_jitter,
            "rtt_ms" => self.q_rtt,
            "first_audio_ms" => self.q_first_audio,
            "mos" => self.q_mos,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_said_in_both_languages() {
        for lang in [Lang::Zh, Lang::En] {
            for (word, said) in lang.text().words() {
                assert!(!said.trim().is_empty(), "{word} in {lang:?}");
            }
        }
    }

    #[test]
    fn english_holds_no_chinese() {
        for (word, said) in Lang::En.text().words() {
            let chinese = said.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
            assert!(!chinese || matches!(word, "other_language" | "product"), "{word}: {said}");
        }
    }
}
