//! Simplified characters, whatever the recogniser wrote: Whisper mixes both scripts at random.
//!
//! OpenCC's tables convert phrase by phrase, so that 乾隆 stays and 乾淨 becomes 干净. Afterwards no character is left that has
//! a simplified form of its own.

use std::sync::LazyLock;

use ferrous_opencc::OpenCC;
use ferrous_opencc::config::BuiltinConfig;

static TABLES: LazyLock<OpenCC> = LazyLock::new(|| {
    OpenCC::from_config(BuiltinConfig::T2s).expect("the tables are built into the program, and a test loads them")
});

/// The tables chain at most this often: 薴 becomes 苧, and 苧 becomes 苎.
const MOST_PASSES: usize = 4;

/// `text` in simplified characters.
pub fn simplified(text: &str) -> String {
    let mut text = TABLES.convert(text);
    for _ in 1..MOST_PASSES {
        let again = TABLES.convert(&text);
        if again == text {
            break;
        }
        text = again;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_hotline() {
        for (traditional, simplified_) in [
            ("請不吝點贊訂閱", "请不吝点赞订阅"),
            ("我要反映門口的路燈壞了", "我要反映门口的路灯坏了"),
            ("滿意", "满意"),
            ("乾淨的街道,乾隆年間", "干净的街道,乾隆年间"),
            ("以後電話裡說", "以后电话里说"),
            ("已经是简体", "已经是简体"),
            ("", ""),
        ] {
            assert_eq!(simplified(traditional), simplified_);
        }
    }

    /// Every character of the basic block that has a simplified form of its own, alone and within a text. What the conversion
    /// leaves is what it leaves again: nothing convertible stays behind.
    #[test]
    fn no_character_with_a_simplified_form_is_left() {
        let traditional: Vec<char> =
            ('\u{4e00}'..='\u{9fff}').filter(|&c| simplified(&c.to_string()) != c.to_string()).collect();
        assert!(traditional.len() > 2500, "{}", traditional.len());
        for &c in &traditional {
            let once = simplified(&c.to_string());
            assert_eq!(simplified(&once), once, "{c}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_convertible_is_left_in_a_text(text in "[\u{4e00}-\u{9fff}，。0-9a-z]{0,40}") {
            let once = simplified(&text);
            for c in once.chars() {
                let alone = simplified(&c.to_string());
                // 乾 and 著 stand in simplified text too, within the phrases for which the tables keep them.
                proptest::prop_assert!(alone == c.to_string() || KEPT_IN_PHRASES.contains(&c), "{} in {}", c, once);
            }
        }
    }

    const KEPT_IN_PHRASES: [char; 6] = ['乾', '著', '藉', '瞭', '徵', '夥'];
}
