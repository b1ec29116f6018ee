//! Which cases may tell of the same matter (R5.8): by place, window, day and words. People are never compared: a number or a
//! name plays no part, so that nobody's calls are put together.

use std::collections::BTreeSet;

use crate::directory::{OrgId, WindowCode};
use crate::ids::CaseNumber;

/// Days within which two cases may tell of the same matter.
pub const WITHIN_DAYS: i64 = 7;

/// Share of the pairs of characters that two texts must have in common: measured by [`likeness`].
const ALIKE: f64 = 0.3;

/// The same where the place is the same too.
const ALIKE_AT_PLACE: f64 = 0.15;

/// Suggestions at most.
const SUGGESTED_MAX: usize = 5;

/// What is compared of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch {
    /// Its number.
    pub number: CaseNumber,
    /// The window, once chosen.
    pub window: Option<WindowCode>,
    /// The village, where one was named.
    pub village: Option<OrgId>,
    /// The place in the caller's words.
    pub place: String,
    /// What it is about.
    pub summary: String,
}

/// The cases of `others` that may tell of the same matter as `case`, most alike first. Cases of two windows never do, nor
/// cases of two villages.
pub fn suggest(case: &Sketch, others: &[Sketch]) -> Vec<CaseNumber> {
    let mut alike: Vec<(f64, CaseNumber)> = others
        .iter()
        .filter(|other| other.number != case.number && other.window == case.window)
        .filter(|other| case.village.is_none() || other.village.is_none() || case.village == other.village)
        .filter_map(|other| {
            let words = likeness(&case.summary, &other.summary);
            let enough = if same_place(case, other) { ALIKE_AT_PLACE } else { ALIKE };
            (words >= enough).then_some((words, other.number))
        })
        .collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    alike.into_iter().take(SUGGESTED_MAX).map(|(_, number)| number).collect()
}

fn same_place(a: &Sketch, b: &Sketch) -> bool {
    let village = a.village.is_some() && a.village == b.village;
    village || (!a.place.trim().is_empty() && a.place.trim() == b.place.trim())
}

/// How alike two texts are, from 0 to 1: twice the pairs of neighbouring characters in common over all pairs (Dice, 1945).
/// Marks and spaces do not count.
fn likeness(a: &str, b: &str) -> f64 {
    let (a, b) = (pairs(a), pairs(b));
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    2.0 * a.intersection(&b).count() as f64 / (a.len() + b.len()) as f64
}

fn pairs(text: &str) -> BTreeSet<(char, char)> {
    let letters: Vec<char> = text.chars().filter(|c| c.is_alphanumeric()).collect();
    letters.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(serial: i64, window: i16, village: Option<i64>, place: &str, summary: &str) -> Sketch {
        Sketch {
            number: CaseNumber::from_serial(5_000_000 + serial),
            window: Some(WindowCode(window)),
            village: village.map(OrgId),
            place: place.to_owned(),
            summary: summary.to_owned(),
        }
    }

    #[test]
    fn the_same_lamp_is_found_and_other_matters_are_not() {
        let case = sketch(0, 8, Some(100), "高龙潭社区三组", "高龙潭三组村口的路灯坏了，晚上黑得看不见");
        let others = [
            sketch(1, 8, Some(100), "高龙潭三组", "村口路灯不亮，坏了三天了，老人晚上看不见路"),
            sketch(2, 8, Some(100), "高龙潭社区", "自来水又停了，什么时候来水"),
            sketch(3, 8, Some(110), "泷水塘社区", "泷水塘村口的路灯坏了，晚上黑得看不见"), // Another village.
            sketch(4, 4, Some(100), "高龙潭社区", "高龙潭三组村口的路灯坏了"),             // Another window.
            sketch(5, 8, None, "", "村口的路灯坏了，晚上黑得看不见人"),
            sketch(0, 8, Some(100), "高龙潭社区三组", "高龙潭三组村口的路灯坏了，晚上黑得看不见"), // Itself.
        ];
        let found: Vec<i64> = suggest(&case, &others).iter().map(|number| number.serial() - 5_000_000).collect();
        assert_eq!(found, [5, 1]);
    }

    #[test]
    fn likeness_of_texts() {
        let check =
            |a, b, expected: f64| assert!((likeness(a, b) - expected).abs() < 1e-9, "{a} {b}: {}", likeness(a, b));
        check("路灯坏了", "路灯坏了", 1.0);
        check("路灯坏了。", " 路灯，坏了", 1.0);
        check("路灯坏了", "停水停电", 0.0);
        check("路灯坏了", "路灯不亮", 1.0 / 3.0);
        check("", "路灯坏了", 0.0);
        check("灯", "灯", 0.0);
    }

    #[test]
    fn suggestions_are_few() {
        let case = sketch(0, 8, None, "", "村口的路灯坏了");
        let others: Vec<_> = (1..20).map(|n| sketch(n, 8, None, "", "村口的路灯坏了")).collect();
        assert_eq!(suggest(&case, &others).len(), SUGGESTED_MAX);
    }
}
