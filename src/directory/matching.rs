//! What a caller's words point to: the names and keywords found in recognised text, ranked.
//!
//! Recognised text is mostly wrong by sound: 残级证 for 残疾证. So words are compared as they are spoken, and the better
//! they agree, the more they count. A longer word beats the shorter ones within it; a name of at least
//! [`NAME_FUZZY_CHARS`] characters, or a keyword of [`KEYWORD_FUZZY_CHARS`], is also found with one character that sounds
//! like nothing of the kind.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::sound::{Likeness, Sound, Spoken};
use super::{Directory, ItemId, Level, OrgId, PersonId, WindowCode};

/// Shortest name that is also found with one character quite wrong; in a shorter one too little is left to tell it by.
const NAME_FUZZY_CHARS: usize = 3;

/// The same for keywords, which are everyday words: 开公司 must not be found in 去公司.
const KEYWORD_FUZZY_CHARS: usize = 4;

/// Endings that people leave off a place's name.
const PLACE_ENDINGS: [&str; 8] = ["村民委员会", "居委会", "村委会", "社区", "街道", "村", "乡", "镇"];

/// Keywords of the window for enquiries that stand in requests of every kind: they count when nothing else is found.
const ASKING: [&str; 14] = [
    "问一下",
    "问问",
    "请问",
    "咨询",
    "打听",
    "了解",
    "政策",
    "电话",
    "地址",
    "上班时间",
    "怎么办",
    "材料",
    "办事",
    "信息",
];

/// Keywords that are as often the setting of a request as its matter: 公司 is where somebody works and 身份证 what he brings.
/// They count half.
const SETTING: [&str; 9] = ["公司", "企业", "身份证", "上班", "老板", "老人", "户口", "户口本", "店"];

/// Shortest name left after its ending is dropped.
const STEM_MIN_CHARS: usize = 2;

/// A village that is named nowhere is taken for meant up to this distance of its sound, and when the next is so much farther.
const NEAR: f32 = 0.14;
const NEARER: f32 = 0.08;

/// Something the words point to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate<K> {
    /// What.
    pub key: K,
    /// How strongly; only comparable within one ranking. Grows with the square of each word's agreement.
    pub score: u32,
    /// The words of the directory that were found.
    pub matched: Vec<String>,
}

impl Directory {
    /// Windows by keyword, by the keywords and names of their items, and by name; the best first.
    pub fn match_windows(&self, words: &str) -> Vec<Candidate<WindowCode>> {
        let mut lexicon = Vec::new();
        for window in self.windows.values() {
            lexicon.push(Entry::keyword(window.code, &window.name));
            lexicon.extend(window.keywords.iter().map(|k| Entry::keyword(window.code, k)));
        }
        for item in self.items.values() {
            lexicon.push(Entry::name(item.window, &item.name));
            lexicon.extend(item.keywords.iter().map(|k| Entry::keyword(item.window, k)));
        }
        let (mut asking, telling): (Vec<_>, Vec<_>) = lexicon.into_iter().partition(|e| ASKING.contains(&e.word));
        let told = rank(words, &telling);
        if !told.is_empty() {
            return told;
        }
        // What tells so little must at least have been said: 节约 is no 了解.
        asking.retain(|e| words.contains(e.word));
        rank(words, &asking)
    }

    /// The items of one window, or of all, by keyword and name; the best first.
    pub fn match_items(&self, words: &str, window: Option<WindowCode>) -> Vec<Candidate<ItemId>> {
        let mut lexicon = Vec::new();
        for item in self.items.values().filter(|i| window.is_none_or(|w| i.window == w)) {
            lexicon.push(Entry::name(item.id, &item.name));
            lexicon.extend(item.keywords.iter().map(|k| Entry::keyword(item.id, k)));
        }
        rank(words, &lexicon)
    }

    /// Villages and points by name, with or without 社区, 村 and the like; the best first. Where none is found so, the one
    /// village that sounds nearest, if it is near and no other is.
    pub fn match_villages(&self, words: &str) -> Vec<Candidate<OrgId>> {
        let mut lexicon = Vec::new();
        for org in self.organisations.values() {
            let lowest = match org.level {
                Level::Village | Level::Point => true,
                Level::District | Level::Township => false,
            };
            if lowest {
                lexicon.push(Entry::place(org.id, &org.name));
                lexicon.extend(stem(&org.name).map(|s| Entry::name(org.id, s)));
            }
        }
        let ranked = rank(words, &lexicon);
        if !ranked.is_empty() {
            return ranked;
        }
        match self.nearest_villages(words, 2).as_slice() {
            [(key, name, far), rest @ ..] if *far <= NEAR && rest.iter().all(|(.., next)| next - far >= NEARER) => {
                vec![Candidate { key: *key, score: 1, matched: vec![(*name).to_owned()] }]
            }
            _ => vec![],
        }
    }

    /// The villages whose names, without 社区 and the like, sound most like some part of `words`, at most `most`, the nearest
    /// first, each with its name and how far it is, as in [`Spoken::distance_within`].
    pub fn nearest_villages(&self, words: &str, most: usize) -> Vec<(OrgId, &str, f32)> {
        let villages = self.organisations.values().filter(|org| org.level == Level::Village);
        nearest(words, villages.map(|org| (org.id, stem(&org.name).unwrap_or(&org.name))), most)
    }

    /// The same for persons.
    pub fn nearest_persons(&self, words: &str, most: usize) -> Vec<(PersonId, &str, f32)> {
        nearest(words, self.persons.values().map(|p| (p.id, p.name.as_str())), most)
    }

    /// The same for service items.
    pub fn nearest_items(&self, words: &str, most: usize) -> Vec<(ItemId, &str, f32)> {
        nearest(words, self.items.values().map(|i| (i.id, i.name.as_str())), most)
    }

    /// Persons by name; the best first.
    pub fn match_persons(&self, words: &str) -> Vec<Candidate<PersonId>> {
        let lexicon: Vec<_> = self.persons.values().map(|p| Entry::name(p.id, &p.name)).collect();
        rank(words, &lexicon)
    }
}

/// Those of `names` that sound most like some part of `words`.
fn nearest<'a, K: Copy + Ord>(
    words: &str,
    names: impl Iterator<Item = (K, &'a str)>,
    most: usize,
) -> Vec<(K, &'a str, f32)> {
    let words = Spoken::new(words);
    let mut all: Vec<_> = names.map(|(key, name)| (key, name, words.distance_within(&Spoken::new(name)))).collect();
    // Of two that are as near, the longer one agrees in more.
    all.sort_by(|a, b| a.2.total_cmp(&b.2).then(b.1.chars().count().cmp(&a.1.chars().count())).then(a.0.cmp(&b.0)));
    all.truncate(most);
    all
}

/// A place's name without its ending, where enough is left.
fn stem(name: &str) -> Option<&str> {
    let stem = PLACE_ENDINGS.iter().find_map(|ending| name.strip_suffix(ending))?;
    (stem.chars().count() >= STEM_MIN_CHARS).then_some(stem)
}

/// One word that points to a key.
struct Entry<'a, K> {
    key: K,
    word: &'a str,
    /// Characters from which on one may be quite wrong.
    fuzzy_from: usize,
}

impl<'a, K> Entry<'a, K> {
    fn name(key: K, word: &'a str) -> Self {
        Self { key, word, fuzzy_from: NAME_FUZZY_CHARS }
    }

    fn keyword(key: K, word: &'a str) -> Self {
        Self { key, word, fuzzy_from: KEYWORD_FUZZY_CHARS }
    }

    /// A place's name with its ending, which many share and which tells nothing: 小河村 must not be found as 小塘村.
    fn place(key: K, word: &'a str) -> Self {
        Self { key, word, fuzzy_from: NAME_FUZZY_CHARS + 1 }
    }
}

/// A part of the text in which a word of the lexicon was found.
struct Hit<'a, K> {
    start: usize,
    end: usize,
    /// How well, by [`agreement`].
    agreement: u32,
    key: K,
    word: &'a str,
}

impl<K: PartialEq> Hit<'_, K> {
    /// Several keys may share a word, each counting it once; otherwise no character counts twice.
    fn leaves_room_for(&self, other: &Self) -> bool {
        let apart = self.end <= other.start || other.end <= self.start;
        let shared = (self.start, self.end, self.agreement) == (other.start, other.end, other.agreement);
        apart || (shared && self.key != other.key)
    }
}

/// Weight of a character, by how it was heard; a word agrees as much as its characters together.
const fn weight(likeness: Likeness) -> u32 {
    match likeness {
        Likeness::Same => 4,
        Likeness::SameSound => 3,
        Likeness::NearSound => 2,
        Likeness::None => 0,
    }
}

/// How well a part of the text agrees with a word of the same length; `None` where it does not. At most `allowed`
/// characters may be quite wrong; the others must on average sound the same; and one at least must be right, without
/// which any four syllables would resemble some word.
fn agreement(part: &[Sound], word: &[Sound], allowed: usize) -> Option<u32> {
    let heard: Vec<Likeness> = part.iter().zip(word).map(|(heard, meant)| heard.likeness(meant)).collect();
    let count = |likeness| heard.iter().filter(|l| **l == likeness).count();
    let wrong = count(Likeness::None);
    let total: u32 = heard.iter().copied().map(weight).sum();
    let alike = u32::try_from(word.len() - wrong).ok()?;
    // 四十多岁 is no misheard 八十多岁.
    let numerals = part
        .iter()
        .zip(word)
        .zip(&heard)
        .any(|((heard, meant), likeness)| *likeness == Likeness::None && heard.is_numeral() && meant.is_numeral());
    let agrees =
        !numerals && wrong <= allowed && count(Likeness::Same) > 0 && total >= alike * weight(Likeness::SameSound);
    agrees.then_some(total)
}

/// Scores every key by its words in `text`: the best agreement first, so that a word within a longer one that was found
/// adds nothing, and 高龙潭 as said is no misheard 高龙村.
fn rank<K: Copy + Ord>(text: &str, lexicon: &[Entry<'_, K>]) -> Vec<Candidate<K>> {
    let text = Sound::of_words(text);
    let mut hits = Vec::new();
    for Entry { key, word, fuzzy_from } in lexicon {
        let meant = Sound::of_words(word);
        if meant.is_empty() {
            continue;
        }
        let allowed = usize::from(meant.len() >= *fuzzy_from);
        for (start, part) in text.windows(meant.len()).enumerate() {
            if let Some(agreement) = agreement(part, &meant, allowed) {
                hits.push(Hit { start, end: start + meant.len(), agreement, key: *key, word });
            }
        }
    }
    hits.sort_by_key(|h| (Reverse(h.agreement), h.end - h.start, h.start, h.key));

    let mut taken: Vec<Hit<'_, K>> = Vec::new();
    let mut found: BTreeMap<K, Candidate<K>> = BTreeMap::new();
    for hit in hits {
        if !taken.iter().all(|t| t.leaves_room_for(&hit)) {
            continue;
        }
        let entry = found.entry(hit.key).or_insert_with(|| Candidate { key: hit.key, score: 0, matched: Vec::new() });
        let half = if SETTING.contains(&hit.word) { 2 } else { 1 };
        entry.score = entry.score.saturating_add(hit.agreement.saturating_mul(hit.agreement) / half);
        entry.matched.push(hit.word.to_owned());
        taken.push(hit);
    }
    let mut ranked: Vec<_> = found.into_values().collect();
    ranked.sort_by_key(|c| (Reverse(c.score), c.key));
    ranked
}

#[cfg(test)]
mod tests {
    use super::super::example::district;
    use super::*;

    #[track_caller]
    fn window(words: &str, expected: Option<i16>) {
        let ranked = district().match_windows(words);
        assert_eq!(ranked.first().map(|c| c.key.0), expected, "{words}: {ranked:?}");
    }

    #[track_caller]
    fn village(words: &str, expected: Option<&str>) {
        let district = district();
        let ranked = district.match_villages(words);
        let name = ranked.first().map(|c| district.organisations[&c.key].name.as_str());
        assert_eq!(name, expected, "{words}: {ranked:?}");
    }

    #[test]
    fn words_choose_the_window() {
        window("我想问一下，我父亲今年八十二岁了，高龄津贴怎么申请", Some(7));
        window("医保报销要什么材料？", Some(2));
        window("社会保障", Some(2));
        window("残疾证到期了", Some(5));
        window("今天天气真好", None);
        window("我想问一下医保怎么办", Some(2));
        window("我想问一下", Some(8));
        window("我想文一下", None);
        window("我去公司上班", None); // Not 开公司.
        window("", None);
    }

    #[test]
    fn a_word_is_found_by_its_sound() {
        window("高零今天怎么申请", Some(7)); // 高龄津贴.
        window("想办残级证", Some(5)); // 残疾证.
        window("以保怎么报", Some(2)); // 医保.
        window("生意登记", Some(3)); // 生育, as Yunnan says it.
        // Two syllables of a dialect, or four without one right character, are anybody's.
        window("泥宝", None); // 低保.
        window("经田很高兴", None);
    }

    #[test]
    fn a_longer_word_beats_the_shorter_one_within_it() {
        // 津贴 alone belongs to civil affairs, 高龄津贴 to the aged.
        window("津贴", Some(4));
        window("高龄津贴", Some(7));
    }

    #[test]
    fn one_wrong_character_is_forgiven_in_three() {
        village("我们住在高龙潭社区", Some("高龙潭社区"));
        village("我们住在高龙潭", Some("高龙潭社区"));
        village("我们住在高隆潭", Some("高龙潭社区"));
        village("我们住在高隆谭", Some("高龙潭社区")); // By its sound.
        village("我们住在高雄山", None);
        village("我住泷水塘村", Some("泷水塘社区"));
        village("我家在大云社区", Some("大营社区"));
        // Of two characters both must be right, and the ending counts little.
        village("我家在小河村", None);
        village("大营的人", Some("大营社区"));
        village("小营的人", None);
    }

    #[test]
    fn what_was_said_exactly_excludes_what_is_near() {
        let district = district();
        let ranked = district.match_villages("我家在高龙坝");
        let names: Vec<_> = ranked.iter().map(|c| district.organisations[&c.key].name.as_str()).collect();
        assert_eq!(names, ["高龙坝社区"]);
        // What sounds the same is nearer than what does not; where nothing does, both are possible.
        assert_eq!(district.match_villages("我家在高龙谈").len(), 1);
        assert_eq!(district.match_villages("我家在高龙山").len(), 2);
    }

    #[test]
    fn persons_by_name() {
        let district = district();
        let ranked = district.match_persons("请帮我找李秀兰");
        assert_eq!(ranked.first().map(|c| district.persons[&c.key].name.as_str()), Some("李秀兰"));
        assert_eq!(district.match_persons("没有人"), []);
    }

    #[test]
    fn items_within_the_window() {
        let district = district();
        let ranked = district.match_items("高龄津贴怎么申请", Some(WindowCode(7)));
        assert_eq!(ranked.first().map(|c| district.items[&c.key].name.as_str()), Some("高龄津贴申领"));
        assert_eq!(district.match_items("高龄津贴怎么申请", Some(WindowCode(1))), []);
    }
}
