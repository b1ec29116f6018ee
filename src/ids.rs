//! Identifiers: of calls, cases, telephone numbers.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Our name for one call, made before anything else is known of it; sorts by time (UUID version 7, RFC 9562 §5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(pub Uuid);

impl CallId {
    /// A fresh identifier.
    pub fn fresh() -> Self {
        Self(Uuid::now_v7())
    }

    /// When it was made, to the millisecond; the epoch for an identifier that is not one of ours.
    pub fn made_at(self) -> DateTime<Utc> {
        let unix = self.0.get_timestamp().map(|t| t.to_unix());
        unix.and_then(|(s, ns)| DateTime::from_timestamp(i64::try_from(s).ok()?, ns)).unwrap_or_default()
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for CallId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// The number of a case as a caller hears and keys it: a serial followed by one check digit (Damm, 2004), which catches
/// every single wrong digit and every swap of neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CaseNumber(i64);

/// Text that is no case number.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CaseNumberError {
    /// Not between [`CaseNumber::MIN_DIGITS`] and [`CaseNumber::MAX_DIGITS`] ASCII digits.
    #[error("a case number has {} to {} digits", CaseNumber::MIN_DIGITS, CaseNumber::MAX_DIGITS)]
    Shape,
    /// The check digit does not fit: mistyped or misheard.
    #[error("the check digit does not fit")]
    Check,
}

impl CaseNumber {
    /// The first serial, so that every number has the same, speakable length for the first nine million cases.
    pub const FIRST_SERIAL: i64 = 1_000_000;
    /// Digits of the shortest number, check digit included.
    pub const MIN_DIGITS: usize = 8;
    /// Digits of the longest number, check digit included.
    pub const MAX_DIGITS: usize = 12;

    /// The number of the case with this serial.
    ///
    /// # Panics
    /// When `serial` is below [`Self::FIRST_SERIAL`] or needs more than [`Self::MAX_DIGITS`] digits; serials come from
    /// blocks that the database hands out within these bounds.
    pub fn from_serial(serial: i64) -> Self {
        assert!((Self::FIRST_SERIAL..100_000_000_000).contains(&serial), "serial {serial} is out of bounds");
        Self(serial * 10 + i64::from(damm(&serial.to_string())))
    }

    /// The serial within: what blocks are counted in.
    pub fn serial(self) -> i64 {
        self.0 / 10
    }

    /// The number as stored.
    pub fn as_i64(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for CaseNumber {
    type Error = CaseNumberError;

    fn try_from(value: i64) -> Result<Self, Self::Error> {
        value.to_string().parse()
    }
}

impl std::str::FromStr for CaseNumber {
    type Err = CaseNumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shaped = (Self::MIN_DIGITS..=Self::MAX_DIGITS).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_digit())
            && !text.starts_with('0');
        if !shaped {
            return Err(CaseNumberError::Shape);
        }
        if damm(text) != 0 {
            return Err(CaseNumberError::Check);
        }
        text.parse().map(Self).map_err(|_| CaseNumberError::Shape)
    }
}

impl fmt::Display for CaseNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Damm's check digit over ASCII digits: 0 for a number that already carries its own.
fn damm(digits: &str) -> u8 {
    /// A totally anti-symmetric quasigroup of order 10 (H. M. Damm, Total anti-symmetrische Quasigruppen, 2004).
    const TABLE: [[u8; 10]; 10] = [
        [0, 3, 1, 7, 5, 9, 8, 6, 4, 2],
        [7, 0, 9, 2, 1, 5, 4, 8, 6, 3],
        [4, 2, 0, 6, 8, 7, 1, 3, 5, 9],
        [1, 7, 5, 0, 9, 8, 3, 4, 2, 6],
        [6, 1, 2, 3, 0, 4, 5, 9, 7, 8],
        [3, 6, 7, 4, 2, 0, 9, 5, 8, 1],
        [5, 8, 6, 9, 7, 2, 0, 1, 3, 4],
        [8, 9, 4, 5, 3, 6, 2, 0, 1, 7],
        [9, 4, 3, 8, 6, 1, 7, 2, 0, 5],
        [2, 5, 8, 1, 4, 3, 6, 7, 9, 0],
    ];
    digits.bytes().fold(0, |row, b| TABLE[usize::from(row)][usize::from((b - b'0') % 10)])
}

/// A telephone number as signalled. Shown masked wherever it is printed; the whole number is had only by [`Self::reveal`].
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// Longest number kept, in characters (E.164 allows 15 digits; some trunks add a prefix).
    pub const MAX_LEN: usize = 32;

    /// The number in `text` without separators, or `None` where there is none (anonymous, withheld, a name).
    pub fn parse(text: &str) -> Option<Self> {
        let kept: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
        let digits = kept.strip_prefix('+').unwrap_or(&kept);
        let valid = !digits.is_empty() && kept.len() <= Self::MAX_LEN && digits.bytes().all(|b| b.is_ascii_digit());
        valid.then_some(Self(kept))
    }

    /// The whole number. Whoever shows it to a person writes an audit row first.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// `138****1234`; a number of up to seven characters shows its last two only.
    pub fn masked(&self) -> String {
        let n = self.0.len();
        if n >= 8 {
            format!("{}****{}", &self.0[..n - 8], &self.0[n - 4..])
        } else {
            format!("****{}", &self.0[n.saturating_sub(2)..])
        }
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_survives_being_spoken_and_keyed() {
        let number = CaseNumber::from_serial(1_234_567);
        assert_eq!(number.to_string().parse(), Ok(number));
        assert_eq!(number.serial(), 1_234_567);
    }

    #[test]
    fn every_wrong_digit_and_every_swap_is_caught() {
        for serial in (CaseNumber::FIRST_SERIAL..).step_by(7_919).take(200) {
            let right = CaseNumber::from_serial(serial).to_string();
            for at in 0..right.len() {
                for digit in b'0'..=b'9' {
                    let mut wrong = right.clone().into_bytes();
                    wrong[at] = digit;
                    let wrong = String::from_utf8(wrong).expect("digits");
                    assert_eq!(wrong.parse::<CaseNumber>().is_ok(), wrong == right, "{wrong}");
                }
                let mut swapped = right.clone().into_bytes();
                if at + 1 < swapped.len() && swapped[at] != swapped[at + 1] {
                    swapped.swap(at, at + 1);
                    let swapped = String::from_utf8(swapped).expect("digits");
                    assert!(swapped.parse::<CaseNumber>().is_err(), "{swapped}");
                }
            }
        }
    }

    #[test]
    fn numbers_print_masked() {
        let check = |text: &str, shown: &str| {
            assert_eq!(format!("{:?}", PhoneNumber::parse(text).expect("a number")), shown);
        };
        check("13812341234", "138****1234");
        check("+86 877-201 2345", "+8687****2345");
        check("12345", "****45");
        assert!(PhoneNumber::parse("anonymous").is_none());
    }
}
