//! A line of a sample's list, as people or programs write it, and what it must be. One rule for files and for the JSON
//! interface.

use crate::directory::{OrgId, WindowCode};
use crate::ids::{CaseNumber, CaseNumberError, PhoneNumber};

/// Digits of the shortest number that can be rung.
const DIGITS_MIN: usize = 3;

/// A line as it was written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// The number, with or without separators.
    pub number: String,
    /// The case it is about; empty counts as none.
    pub case: Option<String>,
    /// The organisation that is rated.
    pub unit: Option<i64>,
    /// The window that is rated.
    pub window: Option<i16>,
    /// As drawn; empty counts as none.
    pub age_band: Option<String>,
    /// Design weight; 1 where it is left out.
    pub weight: Option<f64>,
}

/// A line that makes sense. Whether there is such a case, unit or window, the store says.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The number.
    pub number: PhoneNumber,
    /// The case it is about.
    pub case: Option<CaseNumber>,
    /// The organisation that is rated.
    pub unit: Option<OrgId>,
    /// The window that is rated.
    pub window: Option<WindowCode>,
    /// As drawn.
    pub age_band: Option<String>,
    /// Design weight, above 0.
    pub weight: f64,
}

/// What is wrong with a line: the column, and why.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LineFault {
    /// Nothing that can be rung.
    #[error("number: is no telephone number")]
    Number,
    /// Mistyped.
    #[error("case: {0}")]
    Case(#[from] CaseNumberError),
    /// Nothing to weigh by.
    #[error("weight: must be above 0")]
    Weight,
}

impl Line {
    /// What the line says.
    ///
    /// # Errors
    /// The first column that cannot be.
    pub fn parsed(self) -> Result<Listed, LineFault> {
        let long = |number: &PhoneNumber| number.reveal().trim_start_matches('+').len() >= DIGITS_MIN;
        let number = PhoneNumber::parse(&self.number).filter(long).ok_or(LineFault::Number)?;
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let case = filled(self.case).map(|case| case.parse()).transpose()?;
        let weight = self.weight.unwrap_or(1.0);
        if !(weight.is_finite() && weight > 0.0) {
            return Err(LineFault::Weight);
        }
        Ok(Listed {
            number,
            case,
            unit: self.unit.map(OrgId),
            window: self.window.map(WindowCode),
            age_band: filled(self.age_band),
            weight,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: &str) -> Line {
        Line { number: number.to_owned(), ..Line::default() }
    }

    #[track_caller]
    fn check(line: Line, expected: Result<(&str, f64), &str>) {
        let found = line.parsed().map_err(|fault| fault.to_string());
        let found = found.as_ref().map(|l| (l.number.reveal(), l.weight)).map_err(String::as_str);
        assert_eq!(found, expected);
    }

    #[test]
    fn columns_are_read_alike_wherever_they_come_from() {
        check(line("139-0877 0001"), Ok(("13908770001", 1.0)));
        check(line("110"), Ok(("110", 1.0)));
        check(line("11"), Err("number: is no telephone number"));
        check(line("+11"), Err("number: is no telephone number"));
        check(line("anonymous"), Err("number: is no telephone number"));
        check(Line { weight: Some(2.5), ..line("13908770001") }, Ok(("13908770001", 2.5)));
        for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            check(Line { weight: Some(weight), ..line("13908770001") }, Err("weight: must be above 0"));
        }
        let mistyped = Line { case: Some("12345678".into()), ..line("13908770001") }.parsed();
        assert!(matches!(mistyped, Err(LineFault::Case(_))), "{mistyped:?}");
    }

    #[test]
    fn empty_columns_are_none() {
        let line = Line { case: Some(String::new()), age_band: Some(String::new()), ..line("13908770001") };
        let listed = line.parsed().expect("a sound line");
        assert_eq!((listed.case, listed.age_band), (None, None));
    }
}
