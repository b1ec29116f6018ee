//! Hides numbers within text: telephone numbers and identity cards that a caller spoke or an operator typed.
//!
//! What is shown is masked; what is stored is whole. A person who edits masked text gives back masked runs of digits, and
//! [`restore`] puts the hidden digits back, so that correcting a word never destroys a number.

use crate::ids::{CaseNumber, PhoneNumber};

/// Fewest digits that could ring somebody: a local number in Yuxi.
const SHORTEST: usize = 7;

/// Most digits taken for a telephone number: 86 and a mobile number.
const LONGEST_PHONE: usize = 13;

/// `text` with everything that could be somebody's number masked: runs of digits, Arabic or Chinese, also where single
/// spaces, dashes or commas part them as they do when a number is read out.
///
/// A case number of the usual length stays readable: it names nobody, and operators need it. So does a date.
pub fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Plain(plain) => out.push_str(plain),
            Piece::Number(number) => out.push_str(&masked(number)),
        }
    }
    out
}

/// `edited`, in which masked numbers stand, with the digits of `original` put back where its masked form still stands.
pub fn restore(edited: &str, original: &str) -> String {
    let mut out = edited.to_owned();
    let mut from = 0;
    for piece in pieces(original) {
        let Piece::Number(number) = piece else { continue };
        let hidden = masked(number);
        // Each masked form is used once and in order, so that two numbers with the same ends do not swap.
        let found = out[from..].find(&hidden).map(|at| from + at).or_else(|| out.find(&hidden));
        if let Some(at) = found {
            out.replace_range(at..at + hidden.len(), number);
            from = at + number.len();
        }
    }
    out
}

/// A stored number as shown; `None` stays `None`.
pub fn phone(number: Option<&str>) -> Option<String> {
    number.map(|n| PhoneNumber::parse(n).map_or_else(|| mask(n), |n| n.masked()))
}

enum Piece<'a> {
    Plain(&'a str),
    Number(&'a str),
}

/// The text in pieces, none lost.
fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end =
            if digit(first).is_some() { run(rest) } else { rest.find(|c| digit(c).is_some()).unwrap_or(rest.len()) };
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(if hides(piece) { Piece::Number(piece) } else { Piece::Plain(piece) })
    })
}

/// The length in bytes of the digits at the beginning of `text`, separators between them included.
fn run(text: &str) -> usize {
    let mut end = 0;
    let mut parted = false;
    for (at, c) in text.char_indices() {
        if digit(c).is_some() {
            end = at + c.len_utf8();
            parted = false;
        } else if parts(c) && !parted {
            parted = true;
        } else {
            break;
        }
    }
    end
}

fn parts(c: char) -> bool {
    matches!(c, ' ' | '-' | '－' | '‐' | '、' | '，')
}

fn digit(c: char) -> Option<char> {
    match c {
        '0'..='9' => Some(c),
        '０'..='９' => char::from_digit(u32::from(c) - u32::from('０'), 10),
        '零' | '〇' | '洞' => Some('0'),
        '一' | '幺' => Some('1'),
        '二' | '两' => Some('2'),
        '三' => Some('3'),
        '四' => Some('4'),
        '五' => Some('5'),
        '六' => Some('6'),
        '七' | '拐' => Some('7'),
        '八' => Some('8'),
        '九' => Some('9'),
        _ => None,
    }
}

fn digits(number: &str) -> String {
    number.chars().filter_map(digit).collect()
}

fn hides(piece: &str) -> bool {
    let digits = digits(piece);
    let case_number = digits.len() == CaseNumber::MIN_DIGITS && digits.parse::<CaseNumber>().is_ok();
    let date = piece.parse::<chrono::NaiveDate>().is_ok();
    digits.len() >= SHORTEST && !case_number && !date
}

fn masked(number: &str) -> String {
    let digits = digits(number);
    // An identity card begins with where and when somebody was born (GB 11643): its beginning stays hidden too.
    if digits.len() > LONGEST_PHONE {
        return format!("****{}", &digits[digits.len() - 4..]);
    }
    PhoneNumber::parse(&digits).map_or_else(|| "****".to_owned(), |number| number.masked())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, shown: &str) {
        assert_eq!(mask(text), shown);
    }

    #[test]
    fn numbers_in_text_are_hidden() {
        check("我的电话是13812341234，", "我的电话是138****1234，");
        check("座机2012345", "座机****45");
        check("身份证530402199001011234", "身份证****1234");
        check("+8613812341234", "+86138****1234");
    }

    #[test]
    fn numbers_read_out_are_hidden() {
        check("是138 1234 1234吗", "是138****1234吗");
        check("是138-1234-1234吗", "是138****1234吗");
        check("幺三八，幺二三四，幺二三四。", "138****1234。");
        check("１３８１２３４１２３４", "138****1234");
        check("一三八 一 二 三 四 1 2 3 4", "138****1234");
    }

    #[test]
    fn short_runs_dates_and_case_numbers_stay() {
        check("拨打12345或110，3栋1204号", "拨打12345或110，3栋1204号");
        check("2026-11-24到期", "2026-11-24到期");
        check("一九九八年三月，七八十人", "一九九八年三月，七八十人");
        check("编号是幺零零零零零零四", "编号是幺零零零零零零四");
        let number = CaseNumber::from_serial(CaseNumber::FIRST_SERIAL).to_string();
        check(&number, &number);
    }

    #[test]
    fn a_mobile_that_happens_to_fit_the_check_digit_is_still_hidden() {
        let fits = (0..10).map(|d| format!("1381234123{d}")).find(|m| m.parse::<CaseNumber>().is_ok());
        assert!(mask(&fits.expect("one of ten fits")).starts_with("138****123"));
    }

    #[test]
    fn editing_keeps_what_was_hidden() {
        let check = |original: &str, edited: &str, kept: &str| assert_eq!(restore(edited, original), kept);
        check("电话13812341234，路登坏了", "电话138****1234，路灯坏了", "电话13812341234，路灯坏了");
        check("13811111234和13822221234", "138****1234和138****1234", "13811111234和13822221234");
        check("幺三八，幺二三四，幺二三四", "找138****1234", "找幺三八，幺二三四，幺二三四");
        check("电话13812341234", "号码删去", "号码删去");
        check("没有号码", "写上138****0000", "写上138****0000");
    }
}
