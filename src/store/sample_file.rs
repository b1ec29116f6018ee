//! A sample as a file of comma-separated values: read whole, with every fault and the line it stands in.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};

use super::campaigns::{SAMPLE_MAX, Sampled};
use crate::ids::{CaseNumber, CaseNumberError};
use crate::survey::listing::{Line, LineFault};

/// The columns that a sample may have; `number` it must.
pub const COLUMNS: [&str; 6] = ["number", "case", "unit", "window", "age_band", "weight"];

/// Longest name of an age band, in characters.
const AGE_BAND_MAX: usize = 20;

/// Faults told; a file of another kind has one in every line.
pub const FAULTS_MAX: usize = 100;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line of the file, from 1; 0 for the file as a whole.
    pub line: u64,
    /// What.
    pub kind: FaultKind,
}

/// What can be wrong with a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It is no table of this kind: what the reader says.
    Table(String),
    /// A column that samples do not have.
    Column(String),
    /// There is no column of numbers.
    NoNumbers,
    /// There are no rows, or more than [`SAMPLE_MAX`].
    Size(usize),
    /// It is no telephone number.
    Number,
    /// It is no case number.
    Case(CaseNumberError),
    /// There is no such case.
    UnknownCase,
    /// It is no key of an organisation, or of none that there is.
    Unit,
    /// It is no window's key.
    Window,
    /// The name of the age band is too long.
    AgeBand,
    /// A weight is a number above 0.
    Weight,
    /// The same number with the same case stands in this line already.
    Twice(u64),
}

impl fmt::Display for Fault {
    /// `line 7: is no telephone number`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        match &self.kind {
            FaultKind::Table(why) => write!(f, "is no table of comma-separated values: {why}"),
            FaultKind::Column(name) => write!(f, "there is no column {name:?}; there are: {}", COLUMNS.join(", ")),
            FaultKind::NoNumbers => f.write_str("there is no column `number`"),
            FaultKind::Size(n) => write!(f, "a sample has 1 to {SAMPLE_MAX} numbers, not {n}"),
            FaultKind::Number => f.write_str("is no telephone number"),
            FaultKind::Case(error) => write!(f, "{error}"),
            FaultKind::UnknownCase => f.write_str("there is no such case"),
            FaultKind::Unit => f.write_str("there is no such unit"),
            FaultKind::Window => f.write_str("there is no such window"),
            FaultKind::AgeBand => write!(f, "an age band has at most {AGE_BAND_MAX} characters"),
            FaultKind::Weight => f.write_str("a weight is a number above 0"),
            FaultKind::Twice(line) => write!(f, "the number stands in line {line} already"),
        }
    }
}

/// A sample as read, each number with its line.
pub type Lines = Vec<(u64, Sampled)>;

/// Reads a file: UTF-8, with or without byte-order mark, a header line first. Every number is due at `due_at`.
///
/// # Errors
/// Every fault, at most [`FAULTS_MAX`].
pub fn read(file: &[u8], due_at: DateTime<Utc>) -> Result<Lines, Vec<Fault>> {
    let file = file.strip_prefix("\u{feff}".as_bytes()).unwrap_or(file);
    let whole = |kind| vec![Fault { line: 0, kind }];
    // With both characters the reader tells a line too few.
    let file: Vec<u8> = without_returns(file);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(&*file);
    let columns = columns(&mut reader).map_err(whole)?;
    let mut lines: Lines = Vec::new();
    let mut faults = Vec::new();
    let mut seen: BTreeMap<(String, Option<CaseNumber>), u64> = BTreeMap::new();
    let mut row = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut row) {
            Ok(false) => break,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                faults.push(Fault { line, kind: FaultKind::Table(error.to_string()) });
                break;
            }
            Ok(true) => {}
        }
        let line = row.position().map_or(0, csv::Position::line);
        let sampled = sampled(&row, &columns, due_at).and_then(|sampled| {
            match seen.insert((sampled.number.reveal().to_owned(), sampled.case), line) {
                None => Ok(sampled),
                Some(first) => Err(FaultKind::Twice(first)),
            }
        });
        match sampled {
            Ok(sampled) => lines.push((line, sampled)),
            Err(kind) => faults.push(Fault { line, kind }),
        }
        if faults.len() >= FAULTS_MAX {
            break;
        }
        if lines.len() > SAMPLE_MAX {
            return Err(whole(FaultKind::Size(lines.len())));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    if lines.is_empty() {
        return Err(whole(FaultKind::Size(0)));
    }
    Ok(lines)
}

/// The same with lines ended by a line feed alone.
fn without_returns(file: &[u8]) -> Vec<u8> {
    let next = file.iter().skip(1).map(Some).chain([None]);
    file.iter()
        .zip(next)
        .filter(|(byte, next)| (**byte, next.copied()) != (b'\r', Some(b'\n')))
        .map(|(b, _)| *b)
        .collect()
}

/// Which of [`COLUMNS`] stands where.
fn columns(reader: &mut csv::Reader<&[u8]>) -> Result<Vec<usize>, FaultKind> {
    let header = reader.headers().map_err(|e| FaultKind::Table(e.to_string()))?;
    let place = |name: &str| {
        COLUMNS.iter().position(|column| *column == name).ok_or_else(|| FaultKind::Column(name.to_owned()))
    };
    let columns = header.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    if columns.contains(&0) { Ok(columns) } else { Err(FaultKind::NoNumbers) }
}

fn sampled(row: &csv::StringRecord, columns: &[usize], due_at: DateTime<Utc>) -> Result<Sampled, FaultKind> {
    let field = |name: usize| {
        let found = columns.iter().position(|column| *column == name).and_then(|at| row.get(at));
        found.filter(|text| !text.is_empty())
    };
    let parsed = Line {
        number: field(0).unwrap_or_default().to_owned(),
        case: field(1).map(str::to_owned),
        unit: field(2).map(str::parse).transpose().map_err(|_| FaultKind::Unit)?,
        window: field(3).map(str::parse).transpose().map_err(|_| FaultKind::Window)?,
        age_band: field(4).map(str::to_owned),
        weight: field(5).map(str::parse).transpose().map_err(|_| FaultKind::Weight)?,
    }
    .parsed();
    let listed = parsed.map_err(|fault| match fault {
        LineFault::Number => FaultKind::Number,
        LineFault::Case(error) => FaultKind::Case(error),
        LineFault::Weight => FaultKind::Weight,
    })?;
    if listed.age_band.as_ref().is_some_and(|band| band.chars().count() > AGE_BAND_MAX) {
        return Err(FaultKind::AgeBand);
    }
    Ok(Sampled::listed(listed, due_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-03-02T04:00:00Z".parse().expect("a time")
    }

    #[track_caller]
    fn faults(file: &str, expected: &[&str]) {
        let found = read(file.as_bytes(), noon()).expect_err("a fault");
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn columns_stand_in_any_order_and_most_may_be_left_out() {
        let file = "\u{feff}weight,number,age_band\r\n2.5, 139-0000-0001 ,70+\r\n,13900000002,\r\n";
        let lines = read(file.as_bytes(), noon()).expect("a sample");
        let (line, first) = &lines[0];
        assert_eq!((*line, first.number.reveal(), first.weight), (2, "13900000001", 2.5));
        assert_eq!(first.age_band.as_deref(), Some("70+"));
        assert_eq!((lines[1].1.weight, lines[1].1.age_band.clone()), (1.0, None));
    }

    #[test]
    fn every_fault_names_its_line() {
        let case = CaseNumber::from_serial(CaseNumber::FIRST_SERIAL);
        let file = format!(
            "number,case,unit,window,weight\n13900000001,{case},20010,7,1\nanonymous,,,,\n13900000002,12345678,,,\n\
             13900000003,,x,,\n13900000003,,,x,\n13900000004,,,,0\n13900000001,{case},,,\n13900000001,,,,\n"
        );
        faults(
            &file,
            &[
                "line 3: is no telephone number",
                "line 4: the check digit does not fit",
                "line 5: there is no such unit",
                "line 6: there is no such window",
                "line 7: a weight is a number above 0",
                "line 8: the number stands in line 2 already",
            ],
        );
    }

    #[test]
    fn what_is_no_sample_is_told_as_a_whole() {
        faults("", &["there is no column `number`"]);
        faults("number\n", &["a sample has 1 to 200000 numbers, not 0"]);
        faults(
            "number,name\n1,2\n",
            &["there is no column \"name\"; there are: number, case, unit, window, age_band, weight"],
        );
        faults("case\n", &["there is no column `number`"]);
        let found = read("number\n139\n1,2\n".as_bytes(), noon()).expect_err("a fault");
        assert!(matches!(&found[..], [Fault { line: 3, kind: FaultKind::Table(_) }]), "{found:?}");
    }

    #[test]
    fn faults_are_bounded() {
        let file = format!("number\n{}", "x\n".repeat(1_000));
        assert_eq!(read(file.as_bytes(), noon()).expect_err("faults").len(), FAULTS_MAX);
    }
}
