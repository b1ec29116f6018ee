//! The words of the evaluators' pages, one table per language. A word missing in one language does not compile.

mod en;
mod zh;

use super::Lang;
use crate::store::campaigns::CampaignState;
use crate::survey::award::Cause;
use crate::survey::{Disposition, Kind, Measure, Mode};

macro_rules! table {
    ($($word:ident),* $(,)?) => {
        /// The words of the evaluators' pages.
        #[derive(Debug)]
        pub struct SurveyText {
            $(#[doc = concat!("`", stringify!($word), "`")] pub $word: &'static str,)*
        }

        #[cfg(test)]
        impl SurveyText {
            fn words(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($word), self.$word)),*]
            }
        }
    };
}

table! {
    // The frame.
    nav_evaluation, nav_results, nav_campaigns, nav_surveys, nav_disclosure, nav_awards,
    // Campaigns.
    campaign, campaign_new, campaigns_none, questionnaire, version, progress, remaining, made, made_by, numbers,
    attempts, calling, key_interviewed, key_refused, key_not_reached, any_trunk, became, meaning, code, share, drawn,
    rates, rate, value, formula, rates_note, to_results, steer, pause, resume, stop, pause_hint, resume_hint,
    stop_hint, stop_sure, stopped_for_good, numbers_of, numbers_none, last_outcome, open_call, to_first, next,
    c_running, c_paused, c_stopped,
    // Dispositions.
    d_complete, d_partial, d_refused, d_break_off, d_other, d_not_attempted, d_busy, d_no_answer, d_machine,
    d_technical, d_fax, d_non_working, d_out_of_service, o_thanked, o_hung_up, o_opted_out, o_to_person, o_ours,
    o_declined, o_unreachable, o_trunk_fault, o_lost,
    // Results.
    results_none, own_only, unit, whole, from, until, compare_by, level, level_village, level_township, look,
    reached, too_few, fewer_than_five, missing, league, league_note, rank, unranked, good, not_good, by_question,
    answer, answers, more_values, mean, good_share, trend, as_table, month, beside, by_window, by_age, by_mode,
    by_hour, age_band, mode_head, hour, unknown, everybody, question, told_apart_by, group, low, high, method,
    by_key, by_speech, by_person, yes, no, l_5, l_4, l_3, l_2, l_1, has_remark, m_responded, m_solved, m_kept,
    m_attitude, m_satisfied, m_trips, m_coached, k_rating, k_yes_no, k_choice, k_number, k_remark,
    // One answer.
    calls_make_it, phone, answered_at, latency, whole_call, withdrawn, replaced, no_sound, asked, nothing_said,
    call_unknown, resident, scale_up, scale_down,
    // Questionnaires.
    surveys_hint, surveys_none, approved, not_approved, current, earlier, check_good, check_bad, play_all, play_stop,
    needs_case, does_not_count, reopens, otherwise, next_question, file, s_notice, s_opening, s_opening_without_case,
    s_thanks, s_no_more, s_person, s_pass, fact_case, fact_date, fact_unit, fact_promise,
    // Award bars.
    cause_attitude, cause_not_delivered, cause_dissatisfied,
    // Making a campaign.
    trouble, row, what_is_wrong, more_trouble, choose_again, what_is_asked, whom_to_ring, trunk, attempts_max, seed,
    seed_hint, by_file, sample_file, file_hint, by_closed, quota_kind, quota_total, quota_each, quota, check_it,
    check_hint, f_table, f_column, f_no_numbers, f_size, f_number, f_case, f_unknown_case, f_unit, f_window,
    f_age_band, f_weight, f_twice, draft, draft_good, draft_stale, draft_unapproved, draft_sum, draft_refused,
    begin_sure, begin, begin_hint, forecast, forecast_ends, forecast_hint, draft_first, weight,
    // Published figures.
    disclosures_none, heading, scope, scope_hint, objections, objections_from, objections_until, objections_by_phone,
    frozen, freeze_title, freeze_none, freeze, freeze_hint, still_ringing, verify, holds, doubted, whole_document,
    sheet_number, asked_in, rung_and_answered, sheet_rung, sheet_people, sheet_response, not_published, no_unit,
    rank_th, method_title, how_to_verify, sheet_file, previous, office,
    // Award bars.
    awards_none, awards_note, cause, bad_answers, bad_share, bound, minimum, evidence, reply_until, replies,
    reply_none, reply_take, reply_said, reply_call, reply_by, decision, decide, decide_bar, decide_no, decide_reason,
    decide_early, decide_other, decided_by, bar_until, a_waiting, a_ready, a_barred, a_refused, a_expired, propose,
    propose_hint, proposed_new, proposed, period, period_all,
    // What stands in the audit trail.
    ac_results, ac_results_export, ac_evidence, ac_evidence_export, ac_answer, ac_numbers, ac_campaign_create,
    ac_campaign_running, ac_campaign_paused, ac_campaign_stopped, ac_campaigns_export, ac_disclose,
    ac_disclosure_export, ac_award_look, ac_award_propose, ac_award_evidence, ac_award_reply, ac_award_bar,
    ac_award_refuse, ac_awards_export, ac_withdraw, ac_do_not_call, ac_reopen,
}

impl Lang {
    /// The words of the evaluators' pages in this language.
    pub fn survey(self) -> &'static SurveyText {
        match self {
            Self::Zh => &zh::TEXT,
            Self::En => &en::TEXT,
        }
    }
}

impl SurveyText {
    /// What a figure measures.
    pub fn measure(&self, measure: Measure) -> &'static str {
        match measure {
            Measure::Responded => self.m_responded,
            Measure::Solved => self.m_solved,
            Measure::Kept => self.m_kept,
            Measure::Attitude => self.m_attitude,
            Measure::Satisfied => self.m_satisfied,
            Measure::Trips => self.m_trips,
            Measure::Coached => self.m_coached,
        }
    }

    /// By what an answer was given.
    pub fn mode(&self, mode: Mode) -> &'static str {
        match mode {
            Mode::Key => self.by_key,
            Mode::Speech => self.by_speech,
            Mode::Person => self.by_person,
        }
    }

    /// An AAPOR disposition.
    pub fn disposition(&self, disposition: Disposition) -> &'static str {
        match disposition {
            Disposition::Complete => self.d_complete,
            Disposition::Partial => self.d_partial,
            Disposition::Refused => self.d_refused,
            Disposition::BreakOff => self.d_break_off,
            Disposition::Other => self.d_other,
            Disposition::NotAttempted => self.d_not_attempted,
            Disposition::Busy => self.d_busy,
            Disposition::NoAnswer => self.d_no_answer,
            Disposition::Machine => self.d_machine,
            Disposition::Technical => self.d_technical,
            Disposition::Fax => self.d_fax,
            Disposition::NonWorking => self.d_non_working,
            Disposition::OutOfService => self.d_out_of_service,
        }
    }

    /// How an attempt came out, by its stored code.
    pub fn outcome<'a>(&self, code: &'a str) -> &'a str {
        match code {
            "thanked" => self.o_thanked,
            "hung_up" => self.o_hung_up,
            "opted_out" => self.o_opted_out,
            "to_person" => self.o_to_person,
            "ours" => self.o_ours,
            "machine" => self.d_machine,
            "busy" => self.d_busy,
            "no_answer" => self.d_no_answer,
            "declined" => self.o_declined,
            "unreachable" => self.o_unreachable,
            "non_working" => self.d_non_working,
            "out_of_service" => self.d_out_of_service,
            "fax" => self.d_fax,
            "trunk_fault" => self.o_trunk_fault,
            "lost" => self.o_lost,
            other => other,
        }
    }

    /// How a question is answered.
    pub fn kind(&self, kind: &Kind) -> &'static str {
        match kind {
            Kind::Rating { .. } => self.k_rating,
            Kind::YesNo => self.k_yes_no,
            Kind::Choice { .. } => self.k_choice,
            Kind::Number { .. } => self.k_number,
            Kind::Remark => self.k_remark,
        }
    }

    /// An answer as stored; an option's code shows as it is.
    pub fn value(&self, kind: &Kind, value: &str) -> String {
        match (kind, value) {
            (Kind::Rating { .. }, "5") => self.l_5.to_owned(),
            (Kind::Rating { .. }, "4") => self.l_4.to_owned(),
            (Kind::Rating { .. }, "3") => self.l_3.to_owned(),
            (Kind::Rating { .. }, "2") => self.l_2.to_owned(),
            (Kind::Rating { .. }, "1") => self.l_1.to_owned(),
            (Kind::YesNo, "yes") => self.yes.to_owned(),
            (Kind::YesNo, "no") => self.no.to_owned(),
            (Kind::Remark, "remark") => self.has_remark.to_owned(),
            (Kind::Rating { .. } | Kind::YesNo | Kind::Remark | Kind::Choice { .. } | Kind::Number { .. }, other) => {
                other.to_owned()
            }
        }
    }

    /// Whether a campaign rings.
    pub fn campaign_state(&self, state: CampaignState) -> &'static str {
        match state {
            CampaignState::Running => self.c_running,
            CampaignState::Paused => self.c_paused,
            CampaignState::Stopped => self.c_stopped,
        }
    }

    /// Why a bar is proposed.
    pub fn cause(&self, cause: Cause) -> &'static str {
        match cause {
            Cause::Attitude => self.cause_attitude,
            Cause::NotDelivered => self.cause_not_delivered,
            Cause::Dissatisfied => self.cause_dissatisfied,
        }
    }

    /// What somebody did, by its code in the audit trail; `None` for what is of another part.
    pub fn deed(&self, action: &str) -> Option<&'static str> {
        Some(match action {
            "results" => self.ac_results,
            "results_export" => self.ac_results_export,
            "evidence" => self.ac_evidence,
            "evidence_export" => self.ac_evidence_export,
            "answer" => self.ac_answer,
            "numbers" => self.ac_numbers,
            "campaign_create" => self.ac_campaign_create,
            "campaign_running" => self.ac_campaign_running,
            "campaign_paused" => self.ac_campaign_paused,
            "campaign_stopped" => self.ac_campaign_stopped,
            "campaigns_export" => self.ac_campaigns_export,
            "disclose" => self.ac_disclose,
            "disclosure_export" => self.ac_disclosure_export,
            "award_look" => self.ac_award_look,
            "award_propose" => self.ac_award_propose,
            "award_evidence" => self.ac_award_evidence,
            "award_reply" => self.ac_award_reply,
            "award_bar" => self.ac_award_bar,
            "award_refuse" => self.ac_award_refuse,
            "awards_export" => self.ac_awards_export,
            "withdraw" => self.ac_withdraw,
            "do_not_call" => self.ac_do_not_call,
            "reopen" => self.ac_reopen,
            _ => return None,
        })
    }

    /// AAPOR's rates with their formulas, in AAPOR's order.
    pub fn rates(&self) -> [(&'static str, &'static str); 16] {
        [
            ("RR1", "I / (I+P+R+NC+O+U)"),
            ("RR2", "(I+P) / (I+P+R+NC+O+U)"),
            ("RR3", "I / (I+P+R+NC+O+e·U)"),
            ("RR4", "(I+P) / (I+P+R+NC+O+e·U)"),
            ("RR5", "I / (I+P+R+NC+O)"),
            ("RR6", "(I+P) / (I+P+R+NC+O)"),
            ("COOP1", "I / (I+P+R+O)"),
            ("COOP2", "(I+P) / (I+P+R+O)"),
            ("COOP3", "I / (I+P+R)"),
            ("COOP4", "(I+P) / (I+P+R)"),
            ("REF1", "R / (I+P+R+NC+O+U)"),
            ("REF2", "R / (I+P+R+NC+O+e·U)"),
            ("REF3", "R / (I+P+R+NC+O)"),
            ("CON1", "(I+P+R+O) / (I+P+R+NC+O+U)"),
            ("CON2", "(I+P+R+O) / (I+P+R+NC+O+e·U)"),
            ("CON3", "(I+P+R+O) / (I+P+R+NC+O)"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_said_in_both_languages() {
        for lang in [Lang::Zh, Lang::En] {
            for (word, said) in lang.survey().words() {
                assert!(!said.trim().is_empty(), "{word} in {lang:?}");
                let chinese = said.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
                assert!(!chinese || lang == Lang::Zh, "{word}: {said}");
            }
        }
    }

    #[test]
    fn every_rate_has_its_formula() {
        let rates = crate::survey::rates::Counts::default().rates();
        assert_eq!(rates.map(|r| r.name), Lang::Zh.survey().rates().map(|(name, _)| name));
    }
}
