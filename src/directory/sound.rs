//! How alike two characters sound on a telephone, to a recogniser that must guess the character.
//!
//! Tones are left out: a telephone line and a dialect both bend them. Syllables count as near when the speech of Yunnan
//! makes one of them: no retroflex zh, ch, sh; -ing and -eng like -in and -en; n- like l-; ü like i.

use pinyin::ToPinyin;

/// How alike two characters are, the most alike first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    /// The same character.
    Same,
    /// Another one of the same syllable: 疾 and 级.
    SameSound,
    /// One of a syllable that the dialect does not tell apart: 育 and 意.
    NearSound,
    /// Neither.
    None,
}

/// A character and how it is spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sound {
    written: char,
    /// The commonest reading without its tone; `None` for what is no Chinese character.
    syllable: Option<&'static str>,
    /// The same as the dialect merges it.
    merged: Option<String>,
}

impl Sound {
    /// The letters and digits of a text in small letters; punctuation is not spoken.
    pub(super) fn of_words(text: &str) -> Vec<Self> {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).map(Self::of).collect()
    }

    fn of(written: char) -> Self {
        let syllable = written.to_pinyin().map(pinyin::Pinyin::plain);
        Self { written, syllable, merged: syllable.map(merged) }
    }

    pub(super) fn likeness(&self, other: &Self) -> Likeness {
        if self.written == other.written {
            Likeness::Same
        } else if self.syllable.is_some() && self.syllable == other.syllable {
            Likeness::SameSound
        } else if self.merged.is_some() && self.merged == other.merged {
            Likeness::NearSound
        } else {
            Likeness::None
        }
    }
}

/// A syllable as the dialect merges it with others. The result is a key, not a spelling.
fn merged(syllable: &str) -> String {
    const INITIALS: [(&str, &str); 9] = [
        ("zh", "z"),
        ("ch", "c"),
        ("sh", "s"),
        ("n", "l"),
        ("yu", "yi"),
        ("ju", "ji"),
        ("qu", "qi"),
        ("xu", "xi"),
        ("", ""),
    ];
    let (initial, becomes) =
        INITIALS.into_iter().find(|(initial, _)| syllable.starts_with(initial)).unwrap_or_default();
    let rest = &syllable[initial.len()..];
    let rest = match rest.strip_suffix('g') {
        Some(nasal) if nasal.ends_with("in") || nasal.ends_with("en") => nasal,
        Some(_) | None => rest,
    };
    format!("{becomes}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(one: char, other: char, expected: Likeness) {
        let (one, other) = (Sound::of(one), Sound::of(other));
        assert_eq!((one.likeness(&other), other.likeness(&one)), (expected, expected), "{one:?} {other:?}");
    }

    #[test]
    fn the_same_character() {
        check('疾', '疾', Likeness::Same);
        check('8', '8', Likeness::Same);
    }

    #[test]
    fn the_same_syllable_in_any_tone() {
        check('疾', '级', Likeness::SameSound);
        check('医', '以', Likeness::SameSound);
        check('谈', '潭', Likeness::SameSound);
    }

    #[test]
    fn what_the_dialect_merges() {
        check('育', '意', Likeness::NearSound);
        check('证', '镇', Likeness::NearSound);
        check('知', '资', Likeness::NearSound);
        check('春', '村', Likeness::NearSound);
        check('社', '色', Likeness::NearSound);
        check('营', '银', Likeness::NearSound);
        check('龙', '农', Likeness::NearSound);
        check('去', '气', Likeness::NearSound);
    }

    #[test]
    fn what_is_told_apart() {
        check('贴', '天', Likeness::None);
        check('坝', '潭', Likeness::None);
        check('三', '桑', Likeness::None);
        check('8', '9', Likeness::None);
        check('八', '8', Likeness::None);
    }

    #[test]
    fn punctuation_is_not_spoken() {
        assert_eq!(Sound::of_words("OK，对。"), Sound::of_words("ok对"));
    }
}
