//! Keeps out what nobody said. Whisper was trained on subtitles: on sounds that are no speech it writes their sign-offs, and
//! it can fall into a loop.
//!
//! The talkspurt detector has kept silence away before; here the text itself is judged, by its own probability, by its form,
//! and as a last resort by a list of phrases. Everything dropped is counted under the rule that dropped it. A short answer is
//! never dropped for being short.

use std::collections::BTreeMap;

/// Least mean log-probability of a token. Whisper's own threshold.
const LEAST_LOGPROB: f32 = -1.0;

/// Shorter audio is never dropped for its probability: a single word gives Whisper little to go by, and its low confidence
/// makes the flow ask again.
const SHORT_MS: i64 = 2_000;

/// Most characters a second: fast Mandarin has eight syllables.
const MOST_CHARS_PER_SECOND: f32 = 14.0;

/// Allowed on top, whatever the length: a word cut short by the line.
const SPARE_CHARS: f32 = 6.0;

/// Longest unit of a loop, in characters.
const LONGEST_UNIT: usize = 16;

/// So many times the same unit in a row is a loop: a caller may say 对对对对 or read out 000000, but no sentence five times.
const LOOP_OF_CHARACTERS: usize = 9;
const LOOP_OF_WORDS: usize = 5;

/// What Whisper writes where nothing is said, in simplified characters, without spaces and punctuation. The last is our own
/// prompt, which it repeats at times.
const BOILERPLATE: [&str; 16] = [
    "字幕由amaraorg",
    "amaraorg社群",
    "请不吝点赞",
    "订阅转发打赏",
    "点赞订阅",
    "打赏支持明镜",
    "明镜与点点栏目",
    "字幕志愿者",
    "中文字幕志愿",
    "字幕组",
    "字幕制作",
    "谢谢观看",
    "感谢观看",
    "感谢收看",
    "谢谢收看",
    super::PROMPT_BARE,
];

/// Why something was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Loud, but no voice: it never reached Whisper.
    NoVoice,
    /// The text begins after the end of the audio.
    PastEnd,
    /// Nothing but punctuation.
    Empty,
    /// Whisper itself does not believe it.
    Improbable,
    /// More characters than anybody says in that time.
    TooFast,
    /// The same words over and over.
    Loop,
    /// A subtitle's sign-off, or our own prompt.
    Boilerplate,
}

impl Rule {
    /// A name for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoVoice => "no_voice",
            Self::PastEnd => "past_end",
            Self::Empty => "empty",
            Self::Improbable => "improbable",
            Self::TooFast => "too_fast",
            Self::Loop => "loop",
            Self::Boilerplate => "boilerplate",
        }
    }
}

/// How often each rule has dropped something.
pub type Drops = BTreeMap<Rule, u64>;

/// A stretch of recognised text, before it is believed. Times count from the start of the audio given to the recogniser.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub text: String,
    pub start_ms: i64,
    pub end_ms: i64,
    /// Mean natural logarithm of the probability of its tokens.
    pub logprob: f32,
}

/// The rule that keeps `candidate` out, if one does; `audio_ms` is the length of the real audio, without padding.
pub fn judge(candidate: &Candidate, audio_ms: i64) -> Option<Rule> {
    let bare: Vec<char> = candidate.text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    let span_ms = candidate.end_ms.min(audio_ms) - candidate.start_ms;
    if bare.is_empty() {
        Some(Rule::Empty)
    } else if candidate.start_ms >= audio_ms {
        Some(Rule::PastEnd)
    } else if candidate.logprob < LEAST_LOGPROB && audio_ms >= SHORT_MS {
        Some(Rule::Improbable)
    } else if bare.len() as f32 > SPARE_CHARS + MOST_CHARS_PER_SECOND * span_ms as f32 / 1000.0 {
        Some(Rule::TooFast)
    } else if is_loop(&bare) {
        Some(Rule::Loop)
    } else if is_boilerplate(&bare) {
        Some(Rule::Boilerplate)
    } else {
        None
    }
}

/// Whether some unit follows itself often enough. Digits are read out in any pattern, so they are no loop.
fn is_loop(text: &[char]) -> bool {
    (1..=LONGEST_UNIT.min(text.len())).any(|unit| {
        let most = if unit <= 2 { LOOP_OF_CHARACTERS } else { LOOP_OF_WORDS };
        let mut same = 0;
        (unit..text.len()).any(|i| {
            same = if text[i] == text[i - unit] && !text[i].is_ascii_digit() { same + 1 } else { 0 };
            same >= unit * (most - 1)
        })
    })
}

fn is_boilerplate(text: &[char]) -> bool {
    let text: String = text.iter().collect();
    BOILERPLATE.iter().any(|phrase| text.contains(phrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, rule: Option<Rule>) {
        let audio_ms = 400 * text.chars().count() as i64;
        let candidate = Candidate { text: text.to_owned(), start_ms: 0, end_ms: audio_ms, logprob: -0.3 };
        assert_eq!(judge(&candidate, audio_ms), rule, "{text}");
    }

    #[test]
    fn speech_passes() {
        for text in [
            "是",
            "不是。",
            "满意",
            "对对对对对对",
            "我家门口的路灯坏了三天了",
            "谢谢,谢谢大家。",
            "0000000000000000000000",
            "幺幺零",
            "这个字幕看不清",
            "哈哈哈哈哈",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn sign_offs_and_our_prompt_go() {
        for text in [
            "字幕由 Amara.org 社群提供",
            "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
            "谢谢观看!",
            "中文字幕志愿者 李宗盛",
            "以下是普通话的句子。",
        ] {
            check(text, Some(Rule::Boilerplate));
        }
    }

    #[test]
    fn loops_go() {
        check(&"啊".repeat(9), Some(Rule::Loop));
        check(&"谢谢".repeat(9), Some(Rule::Loop));
        check(&"我知道了,".repeat(5), Some(Rule::Loop));
        check(&format!("好的{}再见", "你好吗".repeat(6)), Some(Rule::Loop));
        check(&"我知道了".repeat(4), None);
    }

    #[test]
    fn nothing_but_punctuation_goes() {
        check("……", Some(Rule::Empty));
        check("", Some(Rule::Empty));
    }

    #[test]
    fn times_and_probability() {
        let candidate =
            |start_ms, logprob| Candidate {
                text: "一二三四五六七".to_owned(), start_ms, end_ms: 30_000, logprob
            };
        assert_eq!(judge(&candidate(0, -0.5), 2000), None);
        assert_eq!(judge(&candidate(1999, -0.5), 2000), Some(Rule::TooFast));
        assert_eq!(judge(&candidate(2000, -0.5), 2000), Some(Rule::PastEnd));
        assert_eq!(judge(&candidate(0, -1.01), 2000), Some(Rule::Improbable));
        assert_eq!(judge(&candidate(0, -1.0), 2000), None);
        assert_eq!(judge(&candidate(0, -3.0), 1999), None);
    }

    #[test]
    fn the_list_is_as_text_is_compared() {
        for phrase in BOILERPLATE {
            assert!(phrase.chars().all(|c| c.is_alphanumeric() && !c.is_uppercase()), "{phrase}");
        }
    }
}
