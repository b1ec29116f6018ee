//! Understands a one-word answer where only a few answers make sense.
//!
//! Free recognition has too little to go by in half a second of telephone audio: 三 becomes 山, 是 becomes 事. Here the question
//! is turned round: how probable is each answer that was asked for, in any of the ways in which Whisper writes it? The texts of
//! one answer add up, for 对, 对。 and 队 are the same sound. What fits no answer is rejected, so that the flow asks again.

use super::Expect;
use crate::flow::{satisfaction, yes_or_no};

/// Longer audio holds more than a word; free recognition does better there.
pub const ONE_WORD_MS: i64 = 1_500;

/// Least logarithm of the probability of all answers together: below it, something else was said.
const LEAST_MASS: f32 = -9.0;

/// Least share of the best answer among all: below it, two answers sound alike.
const LEAST_SHARE: f32 = 0.5;

/// An answer, and the texts by which Whisper writes its sound.
#[derive(Debug)]
pub struct Choice {
    /// As it is handed on.
    pub text: &'static str,
    /// The text itself and its homophones.
    pub wordings: &'static [&'static str],
}

const YES_NO: &[Choice] = &[
    Choice { text: "是", wordings: &["是", "是的", "是啊", "事", "式", "试"] },
    Choice { text: "对", wordings: &["对", "对的", "对啊", "队", "兑"] },
    Choice { text: "好", wordings: &["好", "好的"] },
    Choice { text: "可以", wordings: &["可以"] },
    Choice { text: "嗯", wordings: &["嗯"] },
    Choice { text: "没错", wordings: &["没错"] },
    Choice { text: "不是", wordings: &["不是", "不是的", "不事"] },
    Choice { text: "不对", wordings: &["不对", "不对的", "不队"] },
    Choice { text: "不行", wordings: &["不行", "不要"] },
    Choice { text: "没有", wordings: &["没有"] },
];

const DIGITS: &[Choice] = &[
    Choice { text: "0", wordings: &["零", "0", "〇", "灵", "林", "铃"] },
    Choice { text: "1", wordings: &["一", "1", "衣", "医", "幺", "腰"] },
    Choice { text: "2", wordings: &["二", "2", "两", "儿", "而"] },
    Choice { text: "3", wordings: &["三", "3", "山", "伞"] },
    Choice { text: "4", wordings: &["四", "4", "寺"] },
    Choice { text: "5", wordings: &["五", "5", "午", "无"] },
    Choice { text: "6", wordings: &["六", "6", "流"] },
    Choice { text: "7", wordings: &["七", "7", "期"] },
    Choice { text: "8", wordings: &["八", "8", "吧", "爸"] },
    Choice { text: "9", wordings: &["九", "9", "酒", "久"] },
];

const RATING: &[Choice] = &[
    Choice { text: "非常满意", wordings: &["非常满意", "很满意"] },
    Choice { text: "满意", wordings: &["满意", "比较满意", "挺满意"] },
    Choice { text: "一般", wordings: &["一般", "一班", "一般般", "还行"] },
    Choice { text: "不满意", wordings: &["不满意", "不太满意"] },
    Choice { text: "非常不满意", wordings: &["非常不满意", "很不满意"] },
    Choice { text: "1", wordings: &["一", "1"] },
    Choice { text: "2", wordings: &["二", "2"] },
    Choice { text: "3", wordings: &["三", "3", "山"] },
    Choice { text: "4", wordings: &["四", "4"] },
    Choice { text: "5", wordings: &["五", "5", "午"] },
];

/// The answers that make sense; none where anything may be said.
pub fn choices(expect: Expect) -> &'static [Choice] {
    match expect {
        Expect::Free => &[],
        Expect::YesNo => YES_NO,
        Expect::Digits => DIGITS,
        Expect::Rating => RATING,
    }
}

/// Whether freely recognised `text` already is an answer of the kind.
pub fn fits(expect: Expect, text: &str) -> bool {
    match expect {
        Expect::Free => true,
        // A lone 不 is rather a misheard 对 than an answer.
        Expect::YesNo => yes_or_no(text).is_some() && text.trim_end_matches(['。', '，', '！']) != "不",
        Expect::Digits => super::numbers::digits(text).is_some(),
        Expect::Rating => satisfaction(text).is_some() || super::numbers::digits(text).is_some(),
    }
}

/// All wordings of `choices`, in the order in which [`pick`] takes their scores.
pub fn wordings(choices: &[Choice]) -> Vec<&'static str> {
    choices.iter().flat_map(|c| c.wordings).copied().collect()
}

/// The answer that was given, and its share of the probability of all answers, from zero to one; `None` where none was.
///
/// `scores` holds the natural logarithm of the probability of each wording, as the whole of what was said.
pub fn pick(choices: &'static [Choice], scores: &[f32]) -> Option<(&'static str, f32)> {
    let mut rest = scores.iter().map(|s| s.exp());
    let masses: Vec<f32> = choices.iter().map(|c| rest.by_ref().take(c.wordings.len()).sum()).collect();
    let all: f32 = masses.iter().sum();
    let (best, mass) = choices.iter().zip(masses).max_by(|a, b| a.1.total_cmp(&b.1))?;
    let share = mass / all.max(f32::MIN_POSITIVE);
    (all.ln() >= LEAST_MASS && share >= LEAST_SHARE).then_some((best.text, share))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[Choice] =
        &[Choice { text: "对", wordings: &["对", "队"] }, Choice { text: "不对", wordings: &["不对"] }];

    #[track_caller]
    fn check(scores: [f32; 3], expected: Option<&str>) {
        assert_eq!(pick(TWO, &scores).map(|p| p.0), expected, "{scores:?}");
    }

    #[test]
    fn wordings_of_one_answer_add_up() {
        check([-2.0, -2.0, -1.5], Some("对"));
        check([-2.0, f32::NEG_INFINITY, -1.5], Some("不对"));
        let (_, share) = pick(TWO, &[-2.0, -2.0, -2.0]).unwrap();
        assert!((share - 2.0 / 3.0).abs() < 1e-6, "{share}");
    }

    #[test]
    fn what_fits_no_answer_is_rejected() {
        check([f32::NEG_INFINITY; 3], None);
        check([LEAST_MASS - 0.1, f32::NEG_INFINITY, f32::NEG_INFINITY], None);
        check([LEAST_MASS + 0.1, f32::NEG_INFINITY, f32::NEG_INFINITY], Some("对"));
        assert_eq!(pick(&[], &[]), None);
    }

    #[test]
    fn answers_that_sound_alike_are_rejected() {
        const THREE: &[Choice] = &[
            Choice { text: "1", wordings: &["1"] },
            Choice { text: "7", wordings: &["7"] },
            Choice { text: "9", wordings: &["9"] },
        ];
        assert_eq!(pick(THREE, &[-1.0, -1.0, -1.1]), None);
    }

    #[test]
    fn every_answer_is_one_that_the_flow_understands() {
        for choice in YES_NO {
            assert!(fits(Expect::YesNo, choice.text), "{choice:?}");
        }
        for choice in DIGITS {
            assert!(fits(Expect::Digits, choice.text), "{choice:?}");
        }
        for choice in RATING {
            assert!(fits(Expect::Rating, choice.text), "{choice:?}");
        }
        assert!(!fits(Expect::YesNo, "事") && !fits(Expect::Digits, "山"));
    }
}
