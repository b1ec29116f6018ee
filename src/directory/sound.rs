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

    /// Whether it is a digit or a unit of a Chinese number.
    pub(super) fn is_numeral(&self) -> bool {
        self.written.is_ascii_digit() || "零一二两三四五六七八九十百千万".contains(self.written)
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

/// A text as it is spoken: its syllables, without punctuation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken(Vec<Sound>);

/// What a syllable costs that is missing or too many.
const GAP: f32 = 1.0;

impl Spoken {
    /// The letters and digits of `text`, as they are spoken.
    pub fn new(text: &str) -> Self {
        Self(Sound::of_words(text))
    }

    /// How far this is from `other` by its sound, from 0, the same syllables in any tone, to 1, nothing alike: the cheapest
    /// way to turn one into the other, for each syllable of the longer one.
    pub fn distance(&self, other: &Self) -> f32 {
        let longest = self.0.len().max(other.0.len());
        if longest == 0 { 0.0 } else { edits(&self.0, &other.0) / longest as f32 }
    }

    /// How far the nearest stretch of this is from `part`, for each syllable of `part`: 0 where it occurs in it.
    pub fn distance_within(&self, part: &Self) -> f32 {
        let length = part.0.len();
        if length == 0 {
            return 0.0;
        }
        // A stretch may have a syllable more or less than what it stands for.
        let stretches = [length, length + 1, length.saturating_sub(1).max(1)].into_iter();
        let costs = stretches.flat_map(|l| self.0.windows(l)).map(|stretch| edits(stretch, &part.0));
        costs.fold(edits(&self.0, &part.0), f32::min).min(length as f32 * GAP) / length as f32
    }

    /// How many syllables.
    pub fn syllables(&self) -> usize {
        self.0.len()
    }
}

/// The cost of turning `one` into `other`, in one row of memory.
fn edits(one: &[Sound], other: &[Sound]) -> f32 {
    let mut row: Vec<f32> = (0..=other.len()).map(|n| n as f32 * GAP).collect();
    for (i, x) in one.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], (i + 1) as f32 * GAP);
        for (j, y) in other.iter().enumerate() {
            let replaced = diagonal + x.cost(y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + GAP).min(row[j] + GAP);
        }
    }
    row[other.len()]
}

/// Initials that a telephone line confuses: aspiration, nasals, hissing.
const NEAR_INITIALS: [&str; 12] =
    ["b p", "d t", "g k h", "j q x", "z c s", "z zh j", "c ch q", "s sh x", "l n r", "f h", "m n", "b d g"];

/// Finals that it confuses.
const NEAR_FINALS: [&str; 11] = [
    "an ang ian uan",
    "en eng un ong",
    "in ing",
    "ian in ie iang",
    "ang uang iang",
    "e uo o",
    "ao ou uo",
    "ei ui i",
    "ai ei uai",
    "u v ou",
    "a ia ua",
];

/// An initial or a final that is near, quite another one, and a whole syllable that has nothing in common.
const NEAR: f32 = 0.2;
const OTHER: f32 = 0.5;

impl Sound {
    /// What it costs to take this syllable for `other`, from 0 to 1.
    fn cost(&self, other: &Self) -> f32 {
        match (self.likeness(other), self.syllable, other.syllable) {
            (Likeness::Same | Likeness::SameSound, ..) => 0.0,
            (Likeness::NearSound, ..) => 0.1,
            (Likeness::None, Some(one), Some(other)) => {
                let ((initial, last), (other_initial, other_last)) = (parted(one), parted(other));
                part_cost(initial, other_initial, &NEAR_INITIALS) + part_cost(last, other_last, &NEAR_FINALS)
            }
            (Likeness::None, ..) => 1.0,
        }
    }
}

fn part_cost(one: &str, other: &str, near: &[&str]) -> f32 {
    let both = |group: &&str| group.split(' ').any(|p| p == one) && group.split(' ').any(|p| p == other);
    if one == other {
        0.0
    } else if near.iter().any(both) {
        NEAR
    } else {
        OTHER
    }
}

/// A syllable's initial, if it has one, and its final.
fn parted(syllable: &str) -> (&str, &str) {
    let initial = if syllable[1..].starts_with('h') { 2 } else { 1 };
    match syllable.chars().next() {
        Some('a' | 'e' | 'o') | None => ("", syllable),
        Some(_) => syllable.split_at(initial),
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

    #[track_caller]
    fn distance(one: &str, other: &str, expected: f32) {
        let found = Spoken::new(one).distance(&Spoken::new(other));
        assert!((found - expected).abs() < 1e-4, "{one} {other}: {found}");
    }

    #[test]
    fn distance_by_syllables() {
        distance("继绝了", "解决了", OTHER / 3.0); // ji for jie.
        distance("班好了", "办好了", 0.0);
        distance("高零今天", "高龄津贴", NEAR / 4.0); // tian for tie.
        distance("贾井", "夏井", NEAR / 2.0);
        distance("是", "不是", GAP / 2.0);
        distance("八", "开", 1.0);
        distance("", "", 0.0);
        distance("", "对", 1.0);
        distance("对。", "对", 0.0);
        distance("3", "三", 1.0);
    }

    #[test]
    fn a_name_within_a_sentence() {
        let within = |text: &str, part: &str| Spoken::new(text).distance_within(&Spoken::new(part));
        assert!(within("我们住在高龙谈社区", "高龙潭") < 1e-6);
        assert!((within("我们住在高龙社区", "高龙潭") - GAP / 3.0).abs() < 1e-6);
        assert!(within("我想办低保", "高龙潭") > 0.5);
        assert!((within("高", "高龙潭") - 2.0 / 3.0).abs() < 1e-6);
        assert_eq!(within("", "高龙潭"), 1.0);
    }

    #[test]
    fn punctuation_is_not_spoken() {
        assert_eq!(Sound::of_words("OK，对。"), Sound::of_words("ok对"));
    }
}
