//! Digits within recognised text, for entering a number by voice and for reading a place's numbers back.

/// Runs of digits in `text`, as keyed: 零一零 is 010, 幺三八 is 138, 四十二 is 42. At most [`MAX_RUN`] digits each.
pub fn digit_runs(text: &str) -> Vec<String> {
    let mut runs = Vec::new();
    let mut run = String::new();
    // A comma or a space within a dictated number is only a pause.
    let chars: Vec<char> = text.chars().filter(|c| !matches!(c, ' ' | ',' | '，' | '、' | '-')).collect();
    for c in &chars {
        if is_numeral(*c) {
            run.push(*c);
        } else if !run.is_empty() {
            runs.extend(value(&std::mem::take(&mut run)));
        }
    }
    runs.extend(value(&run));
    runs
}

/// Whether these digits can be a telephone number to ring back: a mobile number has eleven digits and begins with 1, and
/// what begins so and is shorter was not heard to its end; a landline has seven or eight, or with its area code ten to
/// twelve.
pub(crate) fn is_phone(digits: &str) -> bool {
    if digits.starts_with('1') { digits.len() == MOBILE_DIGITS } else { PHONE_DIGITS.contains(&digits.len()) }
}

/// Digits of a mobile number in China.
pub(crate) const MOBILE_DIGITS: usize = 11;

/// Digits of a number to ring back: from a local number without area code to a landline with it.
pub(crate) const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=12;

/// Longest run kept; nothing that people dictate is longer.
const MAX_RUN: usize = 20;

/// Largest 十 or 百 form taken as a number; 一 to 九 百 九十九 covers houses and groups.
fn value(run: &str) -> Option<String> {
    if run.is_empty() {
        return None;
    }
    let positional = run.chars().any(|c| matches!(c, '十' | '百' | '千'));
    let digits = if positional { cardinal(run)?.to_string() } else { run.chars().filter_map(digit).collect() };
    Some(digits.chars().take(MAX_RUN).collect())
}

/// 四十二, 一百零五, 十; `None` where the run is a lone 十 or 百 of some other word (十分) or too large to be meant.
fn cardinal(run: &str) -> Option<u32> {
    let mut total = 0_u32;
    let mut ones: Option<u32> = None;
    for c in run.chars() {
        let unit = match c {
            '十' => 10,
            '百' => 100,
            '千' => 1_000,
            _ => {
                let d = digit(c)?.to_digit(10)?;
                ones = Some(ones.unwrap_or(0).checked_mul(10)?.checked_add(d)?);
                continue;
            }
        };
        total = total.checked_add(ones.take().unwrap_or(1).checked_mul(unit)?)?;
    }
    total.checked_add(ones.unwrap_or(0))
}

fn is_numeral(c: char) -> bool {
    digit(c).is_some() || matches!(c, '十' | '百' | '千')
}

fn digit(c: char) -> Option<char> {
    Some(match c {
        '0'..='9' => c,
        '零' | '〇' => '0',
        '一' | '幺' => '1',
        '二' | '两' => '2',
        '三' => '3',
        '四' => '4',
        '五' => '5',
        '六' => '6',
        '七' => '7',
        '八' => '8',
        '九' => '9',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_as_keyed() {
        let check = |text: &str, runs: &[&str]| assert_eq!(digit_runs(text), runs, "{text}");
        check("幺三八，零零一三，八零零零", &["13800138000"]);
        check("138 0013 8000", &["13800138000"]);
        check("零一零", &["010"]);
        check("高龙潭社区四十二号三单元", &["42", "3"]);
        check("一百零五号", &["105"]);
        check("两百一十二号", &["212"]);
        check("十号", &["10"]);
        check("12号", &["12"]);
        check("没有数字", &[]);
        check("", &[]);
    }

    #[test]
    fn telephone_numbers() {
        for digits in ["13800138000", "2012345", "08772012345"] {
            assert!(is_phone(digits), "{digits}");
        }
        for digits in ["1380013800", "138001380001", "1234567", "201234", ""] {
            assert!(!is_phone(digits), "{digits}");
        }
    }

    #[test]
    fn absurd_runs_are_cut_or_dropped() {
        assert_eq!(digit_runs(&"9".repeat(50)), ["9".repeat(MAX_RUN)]);
        assert_eq!(digit_runs(&format!("{}千", "9".repeat(30))), [] as [&str; 0]);
    }
}
