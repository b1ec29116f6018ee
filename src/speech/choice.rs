//! Understands an answer where only a few answers make sense.
//!
//! Free recognition has too little to go by in half a second of telephone audio: 三 becomes 山, 是 becomes 事. Here the question
//! is turned round: how probable is each answer that was asked for, in any of the ways in which it is worded and in which
//! Whisper writes it? The wordings of one answer add up. Beside them stand things that people say instead of an answer, so
//! that those have somewhere to go. What free recognition wrote is the second witness: how far is it, by its sound, from the
//! nearest wording? [`Evidence`] gathers both, and a logistic function of it says how likely the verdict is right.

use std::sync::LazyLock;

use ferrous_opencc::OpenCC;
use ferrous_opencc::config::BuiltinConfig;

use super::Expect;
use super::numbers;
use crate::directory::Spoken;

/// Longer audio holds more than an answer; free recognition does better there.
pub const ANSWER_MS: i64 = 2_600;

/// Logarithms below this are all the same: hopeless.
const FLOOR: f32 = -14.0;

/// What a syllable's distance is worth in logarithms of probability, when the best answer is chosen.
const SOUND_WEIGHT: f32 = 3.0;

/// What Whisper writes of a cough or a hum has less probability a token than this.
const NOISE_LOGPROB: f32 = -3.5;

/// An answer, and the texts by which it is recognised.
#[derive(Debug)]
pub struct Choice {
    /// As it is handed on; `None` for what is no answer.
    pub text: Option<&'static str>,
    /// In simplified characters.
    wordings: Vec<&'static str>,
    /// The same as they sound.
    sounds: Vec<Spoken>,
}

impl Choice {
    fn new(text: Option<&'static str>, wordings: Vec<&'static str>) -> Self {
        let sounds = wordings.iter().map(|w| Spoken::new(w)).collect();
        Self { text, wordings, sounds }
    }
}

/// The answers to one kind of question.
#[derive(Debug)]
pub struct Choices {
    all: Vec<Choice>,
    /// Every text that is scored, with the place of its answer: wordings in both scripts.
    texts: Vec<(usize, String)>,
    /// What Whisper is told to have heard before, so that it expects more of the kind: without it single digits are hardly
    /// told apart. It makes everything look like an answer, so whether one was given at all is judged without it. Empty
    /// where words of more than a syllable need no such help.
    pub prompt: &'static str,
    belief: &'static Belief,
}

/// One answer a line: what is handed on, a tab, its wordings.
const YES_NO: &str = include_str!("choice/yes_no.txt");
const RATING: &str = include_str!("choice/rating.txt");
const DIGIT: &str = include_str!("choice/digit.txt");

/// What people say instead of an answer.
const OTHER: &str = include_str!("choice/other.txt");

static YES_NO_CHOICES: LazyLock<Choices> = LazyLock::new(|| Choices::new(YES_NO, "", &YES_NO_BELIEF));
static RATING_CHOICES: LazyLock<Choices> = LazyLock::new(|| Choices::new(RATING, "", &RATING_BELIEF));
static DIGIT_CHOICES: LazyLock<Choices> =
    LazyLock::new(|| Choices::new(DIGIT, "零。一。二。三。四。五。六。七。八。九。", &DIGIT_BELIEF));

/// The answers that make sense; `None` where anything may be said.
pub fn choices(expect: Expect) -> Option<&'static Choices> {
    match expect {
        Expect::Free => None,
        Expect::YesNo => Some(&YES_NO_CHOICES),
        Expect::Digits => Some(&DIGIT_CHOICES),
        Expect::Rating => Some(&RATING_CHOICES),
    }
}

/// Number of [`Evidence::features`].
pub const FEATURES: usize = 9;

/// When an answer is believed.
#[derive(Debug)]
pub struct Belief {
    /// Weights of [`Evidence::features`] in the logistic function.
    pub weights: [f32; FEATURES],
    /// A verdict less likely right than this is a guess, and asked again.
    pub from: f32,
}

// Fitted on the half of the set that is for it, which leaves the other half's speakers and wordings unseen, by
// `cargo test --lib answers_are_calibrated -- --ignored --nocapture`, which prints them.
const YES_NO_BELIEF: Belief =
    Belief { weights: [-0.209, 0.961, 0.731, 1.438, -1.351, 1.304, 2.213, 0.547, 0.0], from: 0.81 };
const RATING_BELIEF: Belief =
    Belief { weights: [0.935, 0.998, 0.336, 2.642, -1.809, 1.813, 1.718, 0.365, 0.0], from: 0.5 };
const DIGIT_BELIEF: Belief =
    Belief { weights: [1.521, 1.968, 3.262, -0.591, -0.476, -1.130, 1.277, -0.548, 0.296], from: 0.8 };

/// What speaks for one answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// The answer's place among the choices.
    pub answer: usize,
    /// Logarithm of the probability of all its wordings, without a prompt.
    pub score: f32,
    /// How much more probable it is than the next answer, and than everything that is no answer, as logarithms; the first
    /// with the prompt.
    pub ahead: f32,
    pub ahead_of_other: f32,
    /// Mean logarithm of the probability of a token of what free recognition wrote: very low for noise.
    pub free: f32,
    /// How far that is from the answer's nearest wording by sound, from 0 to 1 a syllable; and how much nearer than to any
    /// other answer's.
    pub distance: f32,
    pub nearer: f32,
}

impl Choices {
    fn new(table: &'static str, prompt: &'static str, belief: &'static Belief) -> Self {
        static TRADITIONAL: LazyLock<Option<OpenCC>> = LazyLock::new(|| OpenCC::from_config(BuiltinConfig::S2t).ok());
        let mut all: Vec<Choice> = table
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(text, wordings)| Choice::new(Some(text), wordings.split_whitespace().collect()))
            .collect();
        let taken = |wording: &&str| !all.iter().any(|c| c.wordings.contains(wording));
        let other = OTHER.split_whitespace().filter(taken).collect();
        all.push(Choice::new(None, other));
        let mut texts = Vec::new();
        for (place, choice) in all.iter().enumerate() {
            for wording in &choice.wordings {
                texts.push((place, (*wording).to_owned()));
                // Whisper mixes both scripts at random.
                let traditional = TRADITIONAL.as_ref().map(|t| t.convert(wording));
                texts.extend(traditional.filter(|t| t != wording).map(|t| (place, t)));
            }
        }
        Self { all, texts, prompt, belief }
    }

    /// Everything to be scored, in the order in which [`evidence`](Self::evidence) takes the scores.
    pub fn texts(&self) -> Vec<&str> {
        self.texts.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// What speaks for the likeliest answer; `None` where there is none at all.
    ///
    /// `plain` and `prompted` hold the natural logarithm of the probability of each text, as the whole of what was said;
    /// `heard` is what free recognition wrote, and `free` the mean logarithm of the probability of its tokens.
    pub fn evidence(&self, plain: &[f32], prompted: &[f32], heard: &str, free: f32) -> Option<Evidence> {
        let (plain, prompted) = (self.masses(plain), self.masses(prompted));
        let heard = Spoken::new(heard);
        let far = |choice: &Choice| choice.sounds.iter().map(|s| s.distance(&heard)).fold(1.0, f32::min);
        let distances: Vec<f32> = self.all.iter().map(far).collect();
        let worth = |place: usize| prompted[place] - SOUND_WEIGHT * distances[place];
        let answers = || (0..self.all.len()).filter(|&place| self.all[place].text.is_some());
        let answer = answers().max_by(|&a, &b| worth(a).total_cmp(&worth(b)))?;
        let others = || answers().filter(|&place| place != answer);
        let next = others().map(|place| prompted[place]).fold(FLOOR, f32::max);
        let nearest = others().map(|place| distances[place]).fold(1.0, f32::min);
        let none = self.all.iter().position(|c| c.text.is_none()).map_or(FLOOR, |place| plain[place]);
        Some(Evidence {
            answer,
            score: plain[answer],
            ahead: prompted[answer] - next,
            ahead_of_other: plain[answer] - none,
            free,
            distance: distances[answer],
            nearer: nearest - distances[answer],
        })
    }

    /// The logarithm of the probability of each choice: its wordings together.
    fn masses(&self, scores: &[f32]) -> Vec<f32> {
        let mut masses = vec![0.0_f32; self.all.len()];
        for ((place, _), score) in self.texts.iter().zip(scores) {
            masses[*place] += score.exp();
        }
        masses.into_iter().map(|mass| mass.ln().max(FLOOR)).collect()
    }

    /// The answer that `evidence` speaks for, how likely it is right, and whether that is enough to believe it.
    pub fn verdict(&self, evidence: &Evidence) -> Option<Verdict> {
        let odds: f32 = evidence.features().iter().zip(&self.belief.weights).map(|(x, w)| x * w).sum();
        let likely = 1.0 / (1.0 + (-odds).exp());
        let text = self.all.get(evidence.answer)?.text?;
        Some(Verdict { text, likely, believed: likely >= self.belief.from })
    }
}

/// What was probably answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The answer, as it is handed on.
    pub text: &'static str,
    /// The probability that it is right.
    pub likely: f32,
    /// Whether it is taken for an answer.
    pub believed: bool,
}

impl Evidence {
    /// Numbers of about the same size, the first of which is constant.
    pub fn features(&self) -> [f32; FEATURES] {
        [
            1.0,
            (self.score / 4.0).max(-3.0),
            (self.ahead / 4.0).min(1.5),
            (self.ahead_of_other / 4.0).clamp(-1.5, 1.5),
            self.free.clamp(-5.0, 0.0) / 2.0,
            1.0 - 2.0 * self.distance,
            2.0 * self.nearer,
            if self.distance < 0.01 { 1.0 } else { 0.0 },
            if self.free < NOISE_LOGPROB { 1.0 } else { 0.0 },
        ]
    }
}

/// Whether freely recognised `text` is a number of several digits and nothing else, which no single choice can be.
pub fn number(expect: Expect, text: &str) -> bool {
    match expect {
        Expect::Digits => numbers::alone(text) && numbers::digits(text).is_some_and(|digits| digits.len() > 1),
        Expect::Free | Expect::YesNo | Expect::Rating => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{satisfaction, yes_or_no};

    /// The verdict on what was heard, where these texts have these scores and all others are hopeless.
    fn verdict(expect: Expect, heard: &str, free: f32, scores: &[(&str, f32)]) -> Verdict {
        let choices = choices(expect).unwrap();
        let score = |text: &&str| scores.iter().find(|s| s.0 == *text).map_or(f32::NEG_INFINITY, |s| s.1);
        let scores: Vec<f32> = choices.texts().iter().map(score).collect();
        choices.verdict(&choices.evidence(&scores, &scores, heard, free).unwrap()).unwrap()
    }

    #[track_caller]
    fn check(expect: Expect, heard: &str, free: f32, scores: &[(&str, f32)], expected: Option<&str>) {
        let verdict = verdict(expect, heard, free, scores);
        assert_eq!(verdict.believed.then_some(verdict.text), expected, "{heard}: {verdict:?}");
    }

    #[test]
    fn a_sound_alike_is_the_answer() {
        check(Expect::YesNo, "队", -0.8, &[("对", -0.3), ("不对", -4.0)], Some("是"));
        check(Expect::YesNo, "不队", -0.8, &[("不对", -0.8), ("对", -3.0)], Some("不是"));
        check(Expect::Rating, "比较满意", -0.2, &[("比较满意", -0.3), ("满意", -6.0)], Some("满意"));
        check(Expect::Digits, "", -1.0, &[("3", -1.0), ("三", -1.2), ("4", -6.0)], Some("3"));
    }

    #[test]
    fn wordings_of_one_answer_add_up() {
        let one = verdict(Expect::YesNo, "队", -0.8, &[("对", -2.0), ("不对", -2.0)]);
        let both = verdict(Expect::YesNo, "队", -0.8, &[("对", -2.0), ("對", -2.0), ("不对", -2.0)]);
        assert!(both.likely > one.likely, "{one:?} {both:?}");
    }

    #[test]
    fn what_fits_no_answer_is_not_believed() {
        check(Expect::YesNo, "路灯坏了", -0.2, &[("对", -11.0)], None);
        check(Expect::YesNo, "你说什么", -0.2, &[("你说什么", -0.3), ("对", -7.0)], None);
        check(Expect::Rating, "路灯坏了", -0.2, &[], None);
        // Two answers as probable as each other.
        check(Expect::Digits, "一", -1.0, &[("1", -2.5), ("7", -2.5)], None);
    }

    #[test]
    fn every_answer_is_one_that_flows_understand() {
        let texts = |expect| choices(expect).unwrap().all.iter().filter_map(|c| c.text).collect::<Vec<_>>();
        assert_eq!(texts(Expect::YesNo).into_iter().map(yes_or_no).collect::<Vec<_>>(), [Some(true), Some(false)]);
        let rating = texts(Expect::Rating);
        assert_eq!(rating[..5].iter().map(|t| satisfaction(t)).collect::<Vec<_>>(), [5, 4, 3, 2, 1].map(Some));
        assert_eq!(rating[5..], ["1", "2", "3", "4", "5"]);
        assert_eq!(texts(Expect::Digits), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        assert!(choices(Expect::Free).is_none());
    }

    #[test]
    fn no_text_stands_for_two_answers() {
        for expect in [Expect::YesNo, Expect::Rating, Expect::Digits] {
            let mut texts = choices(expect).unwrap().texts();
            let all = texts.len();
            texts.sort_unstable();
            texts.dedup();
            assert_eq!(texts.len(), all, "{expect:?}");
        }
    }

    #[test]
    fn a_number_of_several_digits_needs_no_choice() {
        assert!(number(Expect::Digits, "138-0013 8000") && number(Expect::Digits, "十二"));
        assert!(!number(Expect::Digits, "三") && !number(Expect::Digits, "208审") && !number(Expect::YesNo, "十二"));
    }
}
