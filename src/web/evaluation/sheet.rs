//! Tables for people's spreadsheets: as CSV, or as a workbook.
//!
//! Text that a spreadsheet would take for a formula begins with an apostrophe in CSV (CWE-1236); in a workbook text is text by
//! its cell's type, whatever it begins with.

use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use rust_xlsxwriter::{Format, Workbook, XlsxError};

use super::super::error::WebError;

/// Widest column of a workbook, in characters.
const WIDTH_MAX: f64 = 48.0;

/// In which form a table is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// RFC 4180.
    Csv,
    /// Office Open XML (ISO/IEC 29500).
    Xlsx,
}

impl Form {
    /// As in an address.
    pub(super) fn from_code(code: &str) -> Result<Self, WebError> {
        match code {
            "csv" => Ok(Self::Csv),
            "xlsx" => Ok(Self::Xlsx),
            _ => Err(WebError::NotFound),
        }
    }
}

/// One field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// Nothing is known.
    Empty,
    /// Text.
    Text(String),
    /// A count.
    Count(u64),
    /// A share from 0 to 1, shown in per cent.
    Share(f64),
}

impl Cell {
    /// Of text that may be missing.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A share that may be missing.
    pub(super) fn share(share: Option<f64>) -> Self {
        share.map_or(Self::Empty, Self::Share)
    }

    fn plain(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) => text.clone(),
            Self::Count(n) => n.to_string(),
            Self::Share(x) => format!("{x:.4}"),
        }
    }
}

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sheet {
    /// The file's name, without its ending; ASCII.
    pub name: String,
    /// The columns' names.
    pub head: Vec<String>,
    /// The rows, each as wide as the head.
    pub rows: Vec<Vec<Cell>>,
}

impl Sheet {
    /// As an answer that browsers keep as a file.
    pub(super) fn into_response(self, form: Form) -> Result<Response, WebError> {
        let (kind, ending, body) = match form {
            Form::Csv => ("text/csv; charset=utf-8", "csv", self.csv().into_bytes()),
            Form::Xlsx => {
                let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
                (kind, "xlsx", self.xlsx().map_err(WebError::Workbook)?)
            }
        };
        let head = [
            (CONTENT_TYPE, kind.to_owned()),
            (CACHE_CONTROL, "no-store".to_owned()),
            (CONTENT_DISPOSITION, format!("attachment; filename=\"{}.{ending}\"", self.name)),
        ];
        Ok((head, body).into_response())
    }

    /// RFC 4180, behind the byte-order mark without which spreadsheets take Chinese for something else.
    fn csv(&self) -> String {
        let mut out = String::from("\u{feff}");
        let head = self.head.iter().map(|h| Cell::text(h.as_str())).collect();
        for row in std::iter::once(&head).chain(&self.rows) {
            let fields: Vec<String> = row.iter().map(field).collect();
            out.push_str(&fields.join(","));
            out.push_str("\r\n");
        }
        out
    }

    fn xlsx(&self) -> Result<Vec<u8>, XlsxError> {
        let mut workbook = Workbook::new();
        let (bold, share) = (Format::new().set_bold(), Format::new().set_num_format("0.0%"));
        let sheet = workbook.add_worksheet();
        sheet.set_freeze_panes(1, 0)?;
        for (column, name) in (0..).zip(&self.head) {
            sheet.write_string_with_format(0, column, name, &bold)?;
            let cells = self.rows.iter().filter_map(|row| row.get(usize::from(column)));
            let widest = cells.map(|cell| width(&cell.plain())).fold(width(name), f64::max);
            sheet.set_column_width(column, (widest + 2.0).min(WIDTH_MAX))?;
        }
        for (at, row) in (1..).zip(&self.rows) {
            for (column, cell) in (0..).zip(row) {
                match cell {
                    Cell::Empty => {}
                    Cell::Text(text) => _ = sheet.write_string(at, column, text)?,
                    Cell::Count(n) => _ = sheet.write_number(at, column, *n as f64)?,
                    Cell::Share(x) => _ = sheet.write_number_with_format(at, column, *x, &share)?,
                }
            }
        }
        workbook.save_to_buffer()
    }
}

/// Width in a spreadsheet's characters: a Chinese one takes two.
fn width(text: &str) -> f64 {
    text.chars().map(|c| if c.is_ascii() { 1.0 } else { 2.0 }).sum()
}

fn field(cell: &Cell) -> String {
    let text = cell.plain();
    let formula =
        matches!(cell, Cell::Text(_)) && text.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
    let guard = if formula { "'" } else { "" };
    if formula || text.contains([',', '"', '\n', '\r']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn sheet(cells: Vec<Cell>) -> Sheet {
        Sheet { name: "test".into(), head: cells.iter().map(|_| "列".to_owned()).collect(), rows: vec![cells] }
    }

    #[test]
    fn no_text_becomes_a_formula() {
        let check = |text: &str, written: &str| {
            let csv = sheet(vec![Cell::text(text)]).csv();
            assert_eq!(csv, format!("\u{feff}列\r\n{written}\r\n"));
        };
        check("高龙潭社区", "高龙潭社区");
        check("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\"");
        check("@SUM(1)", "\"'@SUM(1)\"");
        check("＋1", "\"'＋1\"");
        check("一,二", "\"一,二\"");
    }

    #[test]
    fn figures_stay_figures() {
        let csv = sheet(vec![Cell::Share(-0.5), Cell::Count(3), Cell::Share(0.25), Cell::Empty]).csv();
        assert!(csv.ends_with("-0.5000,3,0.2500,\r\n"), "{csv}");
    }

    #[test]
    fn a_workbook_holds_text_as_text() {
        let bytes = sheet(vec![Cell::text("=1+1"), Cell::Share(0.25)]).xlsx().expect("a workbook");
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("an archive");
        let mut part = |name: &str| {
            let mut text = String::new();
            archive.by_name(name).expect("a part").read_to_string(&mut text).expect("text");
            text
        };
        let cells = part("xl/worksheets/sheet1.xml");
        assert!(!cells.contains("<f>"), "{cells}");
        assert!(cells.contains("t=\"s\"") && cells.contains("<v>0.25</v>"), "{cells}");
        assert!(part("xl/sharedStrings.xml").contains("=1+1"));
    }
}
