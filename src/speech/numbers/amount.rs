//! Amounts: digits with units, as 一百二十三, and as colloquial 三百五 and 一万二.

use super::digit;

/// Whether a character multiplies what stands before it.
pub(super) fn is_unit(c: char) -> bool {
    unit(c).is_some()
}

fn unit(c: char) -> Option<u64> {
    Some(match c {
        '十' | '拾' => 10,
        '百' | '佰' => 100,
        '千' | '仟' => 1_000,
        '万' => 10_000,
        '亿' => 100_000_000,
        _ => return None,
    })
}

/// The amount that these characters say, if they say one: 两千零五, 十五, 3万5千, 三百五 (350).
pub(super) fn parse(said: &[char]) -> Option<u64> {
    for large in ['亿', '万'] {
        if let Some(at) = said.iter().position(|&c| c == large) {
            let scale = unit(large)?;
            let head = parse(&said[..at])?;
            let tail = match &said[at + 1..] {
                [] => 0,
                // 一万二 is 12 000, but 一万零二 is 10 002.
                &[last] if large == '万' => plain(&[last])? * 1_000,
                tail => below(tail, scale)?,
            };
            return head.checked_mul(scale)?.checked_add(tail);
        }
    }
    if said.iter().all(|&c| !is_unit(c)) { plain(said) } else { thousands(said) }
}

/// An amount that is smaller than `scale`, with the zero that a gap is said with.
fn below(said: &[char], scale: u64) -> Option<u64> {
    let said = said.strip_prefix(&['零']).unwrap_or(said);
    parse(said).filter(|&amount| amount < scale)
}

/// Digits without units.
fn plain(said: &[char]) -> Option<u64> {
    let digits: String = said.iter().map(|&c| digit(c)).collect::<Option<_>>()?;
    digits.parse().ok()
}

/// Up to 千, each unit smaller than the one before.
fn thousands(said: &[char]) -> Option<u64> {
    let mut total = 0_u64;
    let mut last = u64::MAX;
    let mut rest = said;
    let mut gap = false;
    while let Some((&c, after)) = rest.split_first() {
        if c == '零' {
            gap = true;
            rest = after;
            continue;
        }
        let digits = rest.iter().take_while(|&&c| digit(c).is_some()).count();
        let (head, tail) = rest.split_at(digits);
        match tail.split_first() {
            Some((&c, after)) => {
                let scale = unit(c).filter(|&scale| scale < last)?;
                // 十五 needs no one before it.
                let times =
                    if head.is_empty() && scale == 10 { 1 } else { plain(head).filter(|&n| (1..10).contains(&n))? };
                total += times * scale;
                last = scale;
                rest = after;
            }
            None => {
                let ones = plain(head).filter(|&n| n < last)?;
                // 三百五 is 350, 三百零五 is 305.
                let scale = if !gap && digits == 1 && (100..u64::MAX).contains(&last) { last / 10 } else { 1 };
                total += ones * scale;
                rest = &[];
            }
        }
    }
    Some(total)
}
