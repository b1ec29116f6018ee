//! How an attempt, and in the end a sampled number, came out: AAPOR's final disposition codes.
//!
//! The American Association for Public Opinion Research, Standard Definitions, 10th edition (2023), telephone surveys. Only codes
//! that a telephone can tell apart are used: a bell that nobody answers does not say whether a household is there.

use std::fmt;

/// Share of the applicable questions, in per cent, from which a broken-off interview is a partial one (Standard Definitions,
/// "Complete and partial questionnaires").
const PARTIAL_PERCENT: u32 = 50;

/// The same for a complete one.
const COMPLETE_PERCENT: u32 = 80;

/// A final disposition code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// 1.1: interviewed to the end.
    Complete,
    /// 1.2: enough was answered to count.
    Partial,
    /// 2.11: refused, before an interview began or by asking not to be rung.
    Refused,
    /// 2.12: broken off with too little answered to count.
    BreakOff,
    /// 2.36: reached, but for another reason not interviewed: wanted a person, or our side ended the call.
    Other,
    /// 3.11: not rung at all.
    NotAttempted,
    /// 3.12: always busy.
    Busy,
    /// 3.13: nobody answered.
    NoAnswer,
    /// 3.14: a machine answered that did not say whose it is.
    Machine,
    /// 3.16: the network or we ourselves failed.
    Technical,
    /// 4.20: a fax or data line.
    Fax,
    /// 4.31: the number is not in service (空号).
    NonWorking,
    /// 4.33: temporarily out of service (停机).
    OutOfService,
}

/// How one attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A person was reached and greeted.
    Reached {
        /// Questions answered.
        answered: u16,
        /// Questions that applied to this person, as far as the answers tell.
        applicable: u16,
        /// How it ended.
        end: InterviewEnd,
    },
    /// A voice mailbox or an announcement answered.
    Machine,
    /// 486 or 600: busy.
    Busy,
    /// Rang until we gave up, or 408, 480 after ringing.
    NoAnswer,
    /// 603 or 403 by the person's telephone: rejected by key.
    Declined,
    /// Switched off, out of coverage, or the network failed for now.
    Unreachable,
    /// 404, 410, 604: there is no such number.
    NonWorking,
    /// Barred or suspended for now.
    OutOfService,
    /// Fax or data.
    Fax,
    /// No trunk took the call: nobody's telephone rang, so that it counts as no attempt.
    TrunkFault,
    /// The gateway died during the attempt, so that nobody knows whether a telephone rang.
    Lost,
}

/// How an interview ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InterviewEnd {
    /// Every question was put, and thanks were said.
    Thanked,
    /// The person hung up, or the line went dead.
    HungUp,
    /// The person asked never to be rung again.
    OptedOut,
    /// The person wanted to speak with a person, who is to ring back.
    ToPerson,
    /// The person was put through to a person.
    Transferred,
    /// Our side ended it: shutdown or the longest duration.
    Ours,
}

/// The groups that rates are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// I: complete interviews.
    Complete,
    /// P: partial interviews.
    Partial,
    /// R: refusals and break-offs.
    Refusal,
    /// NC: eligible, not contacted.
    NonContact,
    /// O: eligible, contacted, another reason.
    Other,
    /// UH: unknown whether there is a household.
    UnknownHousehold,
    /// UO: a household, unknown whether anybody eligible lives there.
    UnknownOther,
    /// Not eligible: in no rate.
    NotEligible,
}

impl Disposition {
    /// All, in the order of their codes.
    pub const ALL: [Self; 13] = [
        Self::Complete,
        Self::Partial,
        Self::Refused,
        Self::BreakOff,
        Self::Other,
        Self::NotAttempted,
        Self::Busy,
        Self::NoAnswer,
        Self::Machine,
        Self::Technical,
        Self::Fax,
        Self::NonWorking,
        Self::OutOfService,
    ];

    /// The code as AAPOR writes it: `1.1`; as stored.
    pub fn code(self) -> &'static str {
        match self {
            Self::Complete => "1.1",
            Self::Partial => "1.2",
            Self::Refused => "2.11",
            Self::BreakOff => "2.12",
            Self::Other => "2.36",
            Self::NotAttempted => "3.11",
            Self::Busy => "3.12",
            Self::NoAnswer => "3.13",
            Self::Machine => "3.14",
            Self::Technical => "3.16",
            Self::Fax => "4.20",
            Self::NonWorking => "4.31",
            Self::OutOfService => "4.33",
        }
    }

    /// The disposition with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|d| d.code() == code)
    }

    /// The group it counts in.
    pub fn group(self) -> Group {
        match self {
            Self::Complete => Group::Complete,
            Self::Partial => Group::Partial,
            Self::Refused | Self::BreakOff => Group::Refusal,
            Self::Other => Group::Other,
            Self::NotAttempted | Self::Busy | Self::NoAnswer | Self::Machine | Self::Technical => {
                Group::UnknownHousehold
            }
            Self::Fax | Self::NonWorking | Self::OutOfService => Group::NotEligible,
        }
    }

    /// Whether a person was reached: what limits on surveying one household count.
    pub fn contacted(self) -> bool {
        matches!(self.group(), Group::Complete | Group::Partial | Group::Refusal | Group::Other)
    }

    /// Which of two results of one number tells more about it. Standard Definitions, "Final disposition codes": an interview
    /// before a refusal, a contact before none, what is known before what is not.
    pub fn stronger(self, other: Self) -> Self {
        let rank = |d: Self| match d.group() {
            Group::Complete => 0,
            Group::Partial => 1,
            Group::Refusal => 2,
            Group::Other => 3,
            Group::NonContact => 4,
            Group::NotEligible => 5,
            Group::UnknownOther => 6,
            Group::UnknownHousehold if d == Self::Machine => 7,
            Group::UnknownHousehold if d == Self::NoAnswer => 8,
            Group::UnknownHousehold if d == Self::Busy => 9,
            Group::UnknownHousehold if d == Self::Technical => 10,
            Group::UnknownHousehold => 11,
        };
        if rank(other) < rank(self) { other } else { self }
    }
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Outcome {
    /// Questions answered and questions that applied, of a person who was reached.
    pub fn reached(self) -> Option<(u16, u16)> {
        match self {
            Self::Reached { answered, applicable, .. } => Some((answered, applicable)),
            Self::Machine
            | Self::Busy
            | Self::NoAnswer
            | Self::Declined
            | Self::Unreachable
            | Self::NonWorking
            | Self::OutOfService
            | Self::Fax
            | Self::TrunkFault
            | Self::Lost => None,
        }
    }

    /// What it is by AAPOR's codes.
    pub fn disposition(self) -> Disposition {
        match self {
            Self::Reached { answered, applicable, end } => reached(answered, applicable, end),
            Self::Machine => Disposition::Machine,
            Self::Busy => Disposition::Busy,
            Self::NoAnswer => Disposition::NoAnswer,
            Self::Declined => Disposition::Refused,
            Self::Unreachable | Self::Lost => Disposition::Technical,
            Self::NonWorking => Disposition::NonWorking,
            Self::OutOfService => Disposition::OutOfService,
            Self::Fax => Disposition::Fax,
            Self::TrunkFault => Disposition::NotAttempted,
        }
    }

    /// The outcome so stored, with the counts of a person who was reached.
    pub fn from_code(code: &str, answered: Option<u16>, applicable: Option<u16>) -> Option<Self> {
        let reached = |end| Self::Reached { answered: answered.unwrap_or(0), applicable: applicable.unwrap_or(0), end };
        Some(match code {
            "thanked" => reached(InterviewEnd::Thanked),
            "hung_up" => reached(InterviewEnd::HungUp),
            "opted_out" => reached(InterviewEnd::OptedOut),
            "to_person" => reached(InterviewEnd::ToPerson),
            "transferred" => reached(InterviewEnd::Transferred),
            "ours" => reached(InterviewEnd::Ours),
            "machine" => Self::Machine,
            "busy" => Self::Busy,
            "no_answer" => Self::NoAnswer,
            "declined" => Self::Declined,
            "unreachable" => Self::Unreachable,
            "non_working" => Self::NonWorking,
            "out_of_service" => Self::OutOfService,
            "fax" => Self::Fax,
            "trunk_fault" => Self::TrunkFault,
            "lost" => Self::Lost,
            _ => return None,
        })
    }

    /// As stored with the attempt.
    pub fn code(self) -> &'static str {
        match self {
            Self::Reached { end, .. } => match end {
                InterviewEnd::Thanked => "thanked",
                InterviewEnd::HungUp => "hung_up",
                InterviewEnd::OptedOut => "opted_out",
                InterviewEnd::ToPerson => "to_person",
                InterviewEnd::Transferred => "transferred",
                InterviewEnd::Ours => "ours",
            },
            Self::Machine => "machine",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Declined => "declined",
            Self::Unreachable => "unreachable",
            Self::NonWorking => "non_working",
            Self::OutOfService => "out_of_service",
            Self::Fax => "fax",
            Self::TrunkFault => "trunk_fault",
            Self::Lost => "lost",
        }
    }
}

fn reached(answered: u16, applicable: u16, end: InterviewEnd) -> Disposition {
    let share = u32::from(answered) * 100 / u32::from(applicable.max(1));
    match end {
        // A person may let a question pass; too many, and it was no interview.
        InterviewEnd::Thanked if share >= COMPLETE_PERCENT => Disposition::Complete,
        _ if share >= PARTIAL_PERCENT => Disposition::Partial,
        InterviewEnd::OptedOut => Disposition::Refused,
        InterviewEnd::HungUp if answered == 0 => Disposition::Refused,
        InterviewEnd::ToPerson | InterviewEnd::Transferred | InterviewEnd::Ours if answered == 0 => Disposition::Other,
        InterviewEnd::Thanked
        | InterviewEnd::HungUp
        | InterviewEnd::ToPerson
        | InterviewEnd::Transferred
        | InterviewEnd::Ours => Disposition::BreakOff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_both_ways() {
        for disposition in Disposition::ALL {
            assert_eq!(Disposition::from_code(disposition.code()), Some(disposition));
        }
        assert_eq!(Disposition::from_code("9.9"), None);
        assert!(Disposition::ALL.is_sorted());
    }

    #[test]
    fn outcomes_are_read_as_they_were_written() {
        use InterviewEnd::{HungUp, OptedOut, Ours, Thanked, ToPerson, Transferred};
        let reached = [Thanked, HungUp, OptedOut, ToPerson, Transferred, Ours].map(|end| Outcome::Reached {
            answered: 3,
            applicable: 8,
            end,
        });
        let others = [
            Outcome::Machine,
            Outcome::Busy,
            Outcome::NoAnswer,
            Outcome::Declined,
            Outcome::Unreachable,
            Outcome::NonWorking,
            Outcome::OutOfService,
            Outcome::Fax,
            Outcome::TrunkFault,
            Outcome::Lost,
        ];
        for outcome in reached.into_iter().chain(others) {
            assert_eq!(Outcome::from_code(outcome.code(), Some(3), Some(8)), Some(outcome));
        }
        assert_eq!(Outcome::from_code("gone", None, None), None);
    }

    #[test]
    fn interviews_by_share_of_answers() {
        let check = |answered, end, code: &str| {
            let outcome = Outcome::Reached { answered, applicable: 8, end };
            assert_eq!(outcome.disposition().code(), code, "{answered} of 8, {end:?}");
        };
        check(8, InterviewEnd::Thanked, "1.1");
        check(7, InterviewEnd::Thanked, "1.1");
        check(5, InterviewEnd::Thanked, "1.2");
        check(3, InterviewEnd::Thanked, "2.12");
        check(7, InterviewEnd::HungUp, "1.2");
        check(4, InterviewEnd::HungUp, "1.2");
        check(3, InterviewEnd::HungUp, "2.12");
        check(1, InterviewEnd::HungUp, "2.12");
        check(0, InterviewEnd::HungUp, "2.11");
        check(3, InterviewEnd::OptedOut, "2.11");
        check(4, InterviewEnd::OptedOut, "1.2");
        check(0, InterviewEnd::ToPerson, "2.36");
        check(2, InterviewEnd::ToPerson, "2.12");
        check(0, InterviewEnd::Transferred, "2.36");
        check(5, InterviewEnd::Transferred, "1.2");
        check(0, InterviewEnd::Ours, "2.36");
    }

    #[test]
    fn the_telling_result_stays() {
        use Disposition::{BreakOff, Busy, Complete, Machine, NoAnswer, NonWorking, NotAttempted, Partial};
        let check = |results: &[Disposition], last| {
            assert_eq!(results.iter().copied().reduce(Disposition::stronger), Some(last), "{results:?}");
        };
        check(&[NoAnswer, Busy, NoAnswer], NoAnswer);
        check(&[BreakOff, NoAnswer, Busy], BreakOff);
        check(&[BreakOff, Complete], Complete);
        check(&[Partial, Machine], Partial);
        check(&[NotAttempted, Busy], Busy);
        check(&[NoAnswer, Machine], Machine);
        check(&[NoAnswer, NonWorking], NonWorking);
    }
}
