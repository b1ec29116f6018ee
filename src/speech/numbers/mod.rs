//! Numbers as callers say them and as a recogniser writes them.
//!
//! A string of digits is text: its zeros lead, and 幺 is its one (零幺零 is `010`, 幺幺零 is `110`). A number with units is an
//! amount (一百一十 is 110 of something). Telephone numbers are told by their form: eleven digits from 13 to 19, or a short
//! number of the emergency and public services. Nothing here is certain enough to act on unheard: flows read it back.

mod amount;

use std::ops::Range;

/// Short numbers that everybody knows: police, fire, ambulance, traffic, and public service lines.
const SERVICES: [&str; 16] = [
    "110", "114", "119", "120", "122", "999", "12110", "12119", "12122", "12309", "12315", "12328", "12333", "12345",
    "12348", "12388",
];

/// Fewest digits in a row that are read as a string; two may be an estimate, as in 五六个.
const SHORTEST_STRING: usize = 3;

/// Set phrases whose digits are none.
const IDIOMS: [&str; 4] = ["七七八八", "三三两两", "不三不四", "一五一十"];

/// What follows an amount: measures, money, dates.
const MEASURES: &str =
    "个块元角毛分米斤两吨亩岁人户次张件天年月日号时点周栋幢楼层间套平公千克度名位只条口头辆家倍成折%";

/// After these, a short string of plain digits is an amount too; a year or a house is read digit by digit.
const AMOUNT_MEASURES: &str = "个块元角毛米斤吨亩岁人户次张件天平公克度名位只条口头辆家倍%";

/// A number found in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Number {
    /// A mobile telephone: eleven digits.
    Mobile(String),
    /// A short number of a public service.
    Service(String),
    /// Any other digits, as they were said.
    Digits(String),
    /// How much or how many.
    Amount(u64),
    /// With a fraction, as decimal text.
    Decimal(String),
}

/// The numbers in a text, in order.
pub fn find(text: &str) -> Vec<Number> {
    let chars: Vec<char> = text.chars().map(narrow).collect();
    runs(&chars).into_iter().filter_map(|run| number(&chars, &run)).collect()
}

/// The text with its strings of digits written in digits, and with full-width digits made plain. Amounts stay as they were
/// said: rewriting them would only add mistakes.
pub fn normalised(text: &str) -> String {
    let chars: Vec<char> = text.chars().map(narrow).collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for run in runs(&chars) {
        out.extend(&chars[at..run.span.start]);
        match number(&chars, &run) {
            Some(Number::Mobile(digits) | Number::Service(digits)) => out.push_str(&digits),
            Some(Number::Digits(digits)) if digits.len() >= SHORTEST_STRING => out.push_str(&digits),
            Some(Number::Digits(_) | Number::Amount(_) | Number::Decimal(_)) | None => {
                out.extend(&chars[run.span.clone()]);
            }
        }
        at = run.span.end;
    }
    out.extend(&chars[at..]);
    out
}

/// The digits of an answer to a question for digits: all of them, in order. Here a sound-alike counts (妖 for 幺, 洞 for 零),
/// 两个八 is `88`, and an amount gives its digits. `None` without any.
pub fn digits(text: &str) -> Option<String> {
    let chars: Vec<char> = text.chars().map(narrow).map(sound_alike).collect();
    let mut digits = String::new();
    let mut at = 0;
    while at < chars.len() {
        let run = &chars[at..run_end(&chars, at).unwrap_or(at)];
        if let Some((repeated, len)) = repetition(&chars[at..]) {
            digits.push_str(&repeated);
            at += len;
        } else if run.iter().any(|&c| amount::is_unit(c))
            && let Some(amount) = amount::parse(run)
        {
            digits.push_str(&amount.to_string());
            at += run.len();
        } else {
            digits.extend(digit(chars[at]));
            at += 1;
        }
    }
    (!digits.is_empty()).then_some(digits)
}

/// Whether `text` holds digits and what goes with them, and nothing else: of 20158要79 somebody said more or other than was
/// understood.
pub fn alone(text: &str) -> bool {
    let goes_with = |c: char| digit(c).is_some() || amount::is_unit(c) || "个趟次回号".contains(c);
    text.chars().map(narrow).filter(|c| c.is_alphanumeric()).all(goes_with)
}

/// 两个八, 三个零: the digit so many times, and how many characters say so.
fn repetition(chars: &[char]) -> Option<(String, usize)> {
    let &[times, '个', repeated, ..] = chars else { return None };
    let times = digit(times)?.to_digit(10)? as usize;
    let repeated = digit(repeated)?;
    (2..=6).contains(&times).then(|| (repeated.to_string().repeat(times), 3))
}

/// A stretch of digits and units.
#[derive(Debug)]
struct Run {
    span: Range<usize>,
    /// Joined over spaces, commas and dashes: a telephone number in groups.
    joined: bool,
}

fn runs(chars: &[char]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let Some(end) = run_end(chars, at) else {
            at += 1;
            continue;
        };
        let run = match grouped_end(chars, at..end) {
            Some(end) => Run { span: at..end, joined: true },
            None => Run { span: at..end, joined: false },
        };
        at = run.span.end;
        runs.push(run);
    }
    runs
}

fn run_end(chars: &[char], start: usize) -> Option<usize> {
    let is_number = |i: usize| {
        let c = chars[i];
        let between =
            |f: fn(char) -> bool| i > start && chars.get(i + 1).is_some_and(|&next| f(next)) && f(chars[i - 1]);
        digit(c).is_some()
            || amount::is_unit(c)
            // A point stands between digits only: 三点五, but not 差一点.
            || (c == '点' && between(|c| digit(c).is_some()))
            || (c == '.' && between(|c| c.is_ascii_digit()))
    };
    let end = (start..chars.len()).take_while(|&i| is_number(i)).last()? + 1;
    Some(end)
}

/// Where a telephone number in groups ends, if one begins with the digits at `first`.
fn grouped_end(chars: &[char], first: Range<usize>) -> Option<usize> {
    let all_digits = |range: Range<usize>| chars[range].iter().all(|&c| digit(c).is_some());
    if !all_digits(first.clone()) {
        return None;
    }
    let mut digits: String = chars[first.clone()].iter().filter_map(|&c| digit(c)).collect();
    let mut end = first.end;
    let mut found = None;
    while chars.get(end).is_some_and(|c| matches!(c, ' ' | '-' | ',' | '、')) {
        let Some(next) = run_end(chars, end + 1).filter(|&next| all_digits(end + 1..next)) else { break };
        digits.extend(chars[end + 1..next].iter().filter_map(|&c| digit(c)));
        end = next;
        let singles = digits.len() >= SHORTEST_STRING && end - first.start == 2 * digits.len() - 1;
        if is_mobile(&digits) || is_landline(&digits) || singles {
            found = Some(end);
        }
    }
    found
}

fn number(chars: &[char], run: &Run) -> Option<Number> {
    let said = &chars[run.span.clone()];
    let next = chars.get(run.span.end).copied();
    // 一点 is a little more often than an hour.
    let is_measured = |measures: &str| next.is_some_and(|c| measures.contains(c) && (c != '点' || said != ['一']));
    if IDIOMS.iter().any(|phrase| lies_in_phrase(chars, &run.span, phrase)) {
        return None;
    }
    if let Some(point) = said.iter().position(|&c| c == '点' || c == '.') {
        return decimal(said, point);
    }
    if said.iter().any(|&c| amount::is_unit(c)) {
        return amount::parse(said).map(Number::Amount);
    }
    let digits: String = said.iter().filter_map(|&c| digit(c)).collect();
    let written = said.iter().all(char::is_ascii_digit);
    if is_mobile(&digits) {
        Some(Number::Mobile(digits))
    } else if SERVICES.contains(&digits.as_str()) && !is_measured(AMOUNT_MEASURES) {
        Some(Number::Service(digits))
    } else if run.joined {
        Some(Number::Digits(digits))
    } else if written && is_measured(AMOUNT_MEASURES) && !digits.starts_with('0') {
        digits.parse().ok().map(Number::Amount)
    } else if digits.len() >= SHORTEST_STRING || (written && digits.len() > 1) {
        Some(Number::Digits(digits))
    } else if digits.len() == 1 && said[0] != '幺' && (is_measured(MEASURES) || said.len() == chars.len()) {
        digits.parse().ok().map(Number::Amount)
    } else if digits.len() == 2 && !is_measured(MEASURES) && !said.contains(&'两') && said.len() == chars.len() {
        Some(Number::Digits(digits))
    } else {
        // A lone 一 is mostly part of a word, and two digits before a measure are an estimate.
        None
    }
}

/// Whether the stretch is all or part of the phrase where it stands. A longer string may hold the same digits by chance: a
/// telephone number with 七七八八 in it is one.
fn lies_in_phrase(chars: &[char], span: &Range<usize>, phrase: &str) -> bool {
    let phrase: Vec<char> = phrase.chars().collect();
    let first = span.end.saturating_sub(phrase.len());
    (first..=span.start).any(|from| chars.get(from..from + phrase.len()).is_some_and(|w| w == phrase))
}

/// 三点五 and 12.80.
fn decimal(said: &[char], point: usize) -> Option<Number> {
    let whole = amount::parse(&said[..point])?;
    let fraction: String = said[point + 1..].iter().map(|&c| digit(c)).collect::<Option<_>>()?;
    Some(Number::Decimal(format!("{whole}.{fraction}")))
}

fn is_mobile(digits: &str) -> bool {
    digits.len() == 11 && matches!(digits.as_bytes(), [b'1', b'3'..=b'9', ..])
}

/// Area code and seven or eight digits: 0877 and 2012345.
fn is_landline(digits: &str) -> bool {
    digits.starts_with('0') && (10..=12).contains(&digits.len())
}

/// The digit that a character stands for.
fn digit(c: char) -> Option<char> {
    Some(match c {
        '0'..='9' => c,
        '零' | '〇' | '○' => '0',
        '一' | '幺' | '壹' => '1',
        '二' | '两' | '贰' => '2',
        '三' | '叁' => '3',
        '四' | '肆' => '4',
        '五' | '伍' => '5',
        '六' | '陆' => '6',
        '七' | '柒' => '7',
        '八' | '捌' => '8',
        '九' | '玖' => '9',
        _ => return None,
    })
}

/// Full-width digits and points are the plain ones.
fn narrow(c: char) -> char {
    match c {
        '０'..='９' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '．' => '.',
        '－' => '-',
        _ => c,
    }
}

/// Where nothing but digits is expected, these are digits: mishearings of 幺, and the radio alphabet of soldiers and drivers.
fn sound_alike(c: char) -> char {
    match c {
        '妖' | '腰' | '夭' | '邀' | '么' => '幺',
        '洞' => '零',
        '拐' => '七',
        '勾' => '九',
        _ => c,
    }
}

#[cfg(test)]
mod tests;
