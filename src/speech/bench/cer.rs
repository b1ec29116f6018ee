//! Character error rate: the edits that turn what was recognised into what was said, per character said.

/// Edits and the length of the reference, for one text; they add up over a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    /// Characters replaced, left out or put in.
    pub edits: usize,
    /// Characters of the reference.
    pub reference: usize,
}

impl Errors {
    /// Compares letters, characters and digits; case, punctuation and space do not count, and full-width forms are their
    /// plain ones. Numerals are not converted: `5月` for `五月` is an error.
    pub fn between(reference: &str, heard: &str) -> Self {
        let (reference, heard) = (bare(reference), bare(heard));
        Self { edits: distance(&reference, &heard), reference: reference.len() }
    }

    /// Edits per character of the reference; may exceed one. Nothing said and nothing heard is no error.
    pub fn rate(self) -> f64 {
        match self.reference {
            0 if self.edits == 0 => 0.0,
            0 => f64::INFINITY,
            reference => self.edits as f64 / reference as f64,
        }
    }
}

impl std::ops::Add for Errors {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { edits: self.edits + other.edits, reference: self.reference + other.reference }
    }
}

impl std::iter::Sum for Errors {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), std::ops::Add::add)
    }
}

fn bare(text: &str) -> Vec<char> {
    text.chars()
        .map(|c| match c {
            // Full-width ASCII (U+FF01 to U+FF5E) lies so far above the plain one.
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            _ => c,
        })
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Levenshtein distance, in one row of memory.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reference: &str, heard: &str, edits: usize, length: usize) {
        assert_eq!(Errors::between(reference, heard), Errors { edits, reference: length });
    }

    #[test]
    fn counts_each_kind_of_edit() {
        check("我要反映路灯", "我要反映路灯", 0, 6);
        check("我要反映路灯", "我想反映路灯", 1, 6);
        check("我要反映路灯", "我要反映灯", 1, 6);
        check("我要反映路灯", "我要反映的路灯", 1, 6);
        check("我要", "", 2, 2);
        check("", "我", 1, 0);
        check("路灯坏了", "坏了路灯", 4, 4);
    }

    #[test]
    fn ignores_punctuation_space_case_and_width() {
        check("你好，世界。ABC１２", "你好 世界abc12!", 0, 9);
    }

    #[test]
    fn sums_over_a_set() {
        let total: Errors = [Errors::between("甲乙", "甲"), Errors::between("丙丁", "丙丁")].into_iter().sum();
        assert_eq!((total.rate(), Errors::default().rate()), (0.25, 0.0));
        assert!(Errors::between("", "多").rate().is_infinite());
    }
}
