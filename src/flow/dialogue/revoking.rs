//! The check line's second half: who answered our survey within a day takes the answers back, or gives them anew (N1).

use chrono::{DateTime, Utc};

use super::{CaseState, Dialogue, Rung, Then, Turn};
use crate::flow::vocabulary as say;

/// The keys of the offer.
const WITHDRAW: char = '1';
const RETAKE: char = '2';
const NEITHER: char = '#';

impl Dialogue {
    /// Whether something was answered that can still be taken back.
    pub(super) fn revocable(&self) -> bool {
        matches!(self.rung, Rung::Ours(ours) if ours.revocable)
    }

    /// What a key of the offer leads to; `None` where it is none.
    pub(super) fn revoking(&mut self, key: char, wall: DateTime<Utc>) -> Option<Turn> {
        match key {
            NEITHER => Some(self.onward(vec![], wall)),
            WITHDRAW => Some(Turn { say: vec![], then: Then::Withdraw }),
            RETAKE => Some(Turn { say: vec![say::CHECK_AGAIN.into()], then: Then::Retake }),
            _ => None,
        }
    }

    /// The answers are durably taken back: said, and not offered again. Who came for that is owed no case.
    pub(super) fn withdrawn(&mut self, wall: DateTime<Utc>) -> Turn {
        if let Rung::Ours(ours) = &mut self.rung {
            ours.revocable = false;
        }
        self.case = match self.case {
            CaseState::None | CaseState::NotNeeded => CaseState::NotNeeded,
            CaseState::Asked => CaseState::Asked,
        };
        self.onward(vec![say::CHECK_WITHDRAWN.into()], wall)
    }
}

/// The key that words mean; `None` where they say nothing of it.
pub(super) fn meant(text: &str) -> Option<char> {
    let says = |list: &[&str]| list.iter().any(|w| text.contains(w));
    if says(&["不算", "作废"]) {
        Some(WITHDRAW)
    } else if text.contains(['不', '别', '没']) {
        Some(NEITHER)
    } else if says(&["收回", "撤", "取消"]) {
        Some(WITHDRAW)
    } else if says(&["重新", "重来", "改", "再问", "再答"]) {
        Some(RETAKE)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_offer() {
        let check = |text: &str, key| assert_eq!(meant(text), key, "{text}");
        check("收回", Some(WITHDRAW));
        check("我要撤回我的回答", Some(WITHDRAW));
        check("那次不算数", Some(WITHDRAW));
        check("不收回", Some(NEITHER));
        check("都不用", Some(NEITHER));
        check("重新回答", Some(RETAKE));
        check("想改一下", Some(RETAKE));
        check("喂", None);
    }
}
