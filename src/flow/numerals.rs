//! Numbers as a caller hears them: digit strings, counts, money, dates, times, as sequences of recorded pieces and as text.
//!
//! A piece is chosen by the rules of spoken Mandarin: 幺 for 1 in telephone and case numbers; 两 before measure words and
//! 百, 千, 万, 亿; 一 with the tone its neighbour asks for; 零 for gaps; no 一 before a leading 十.

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};

use super::PromptId;

/// One recorded piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// A digit within a string.
    Digit(u8),
    /// The last digit of a string: falls.
    LastDigit(u8),
    /// 幺: 1 within a telephone or case number.
    Yao,
    /// 幺 at the end.
    LastYao,
    /// 零 to 九十九, as one unit.
    Count(u8),
    /// 一百 to 九百.
    Hundred(u8),
    /// 一千 to 九千.
    Thousand(u8),
    /// 两.
    Liang,
    /// 一 in the rising tone: before a falling one.
    YiRising,
    /// 一 in the falling tone: before the three others.
    YiFalling,
    /// 万.
    Wan,
    /// 亿.
    Yi,
    /// 点 of a decimal fraction.
    Point,
    /// 元.
    Yuan,
    /// 角.
    Jiao,
    /// 分.
    Fen,
    /// 百分之.
    Percent,
    /// 年.
    Year,
    /// 一月 to 十二月.
    Month(u8),
    /// 一号 to 三十一号.
    Day(u8),
    /// 星期一 (1) to 星期天 (7).
    Weekday(u8),
    /// 今天.
    Today,
    /// 明天.
    Tomorrow,
    /// 后天.
    DayAfter,
    /// 上午.
    Morning,
    /// 中午.
    Noon,
    /// 下午.
    Afternoon,
    /// 晚上.
    Evening,
    /// 零点 to 二十三点.
    Hour(u8),
    /// 零一分 to 五十九分.
    Minute(u8),
    /// 半.
    Half,
    /// 个工作日.
    Workdays,
    /// A short silence between groups of digits.
    Pause,
}

/// How 1 is said in a digit string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum One {
    /// 幺: telephone, case and house numbers.
    Yao,
    /// 一: years.
    Yi,
}

impl Piece {
    /// The prompt that says it.
    pub fn id(self) -> PromptId {
        match self {
            Self::Digit(d) => format!("d.{d}").into(),
            Self::LastDigit(d) => format!("d.{d}.end").into(),
            Self::Yao => "d.yao".into(),
            Self::LastYao => "d.yao.end".into(),
            Self::Count(n) => format!("n.{n}").into(),
            Self::Hundred(n) => format!("hundred.{n}").into(),
            Self::Thousand(n) => format!("thousand.{n}").into(),
            Self::Liang => "liang".into(),
            Self::YiRising => "yi.rising".into(),
            Self::YiFalling => "yi.falling".into(),
            Self::Wan => "unit.wan".into(),
            Self::Yi => "unit.yi".into(),
            Self::Point => "unit.point".into(),
            Self::Yuan => "unit.yuan".into(),
            Self::Jiao => "unit.jiao".into(),
            Self::Fen => "unit.fen".into(),
            Self::Percent => "percent".into(),
            Self::Year => "year.tail".into(),
            Self::Month(n) => format!("month.{n}").into(),
            Self::Day(n) => format!("day.{n}").into(),
            Self::Weekday(n) => format!("week.{n}").into(),
            Self::Today => "today".into(),
            Self::Tomorrow => "tomorrow".into(),
            Self::DayAfter => "day_after".into(),
            Self::Morning => "morning".into(),
            Self::Noon => "noon".into(),
            Self::Afternoon => "afternoon".into(),
            Self::Evening => "evening".into(),
            Self::Hour(n) => format!("hour.{n}").into(),
            Self::Minute(n) => format!("minute.{n}").into(),
            Self::Half => "half".into(),
            Self::Workdays => "workdays".into(),
            Self::Pause => "pause".into(),
        }
    }

    /// What it says.
    pub fn text(self) -> String {
        match self {
            Self::Digit(d) | Self::LastDigit(d) => count_text(d),
            Self::Yao | Self::LastYao => "幺".to_owned(),
            Self::Count(n) => count_text(n),
            Self::Hundred(n) => format!("{}百", before_power(n)),
            Self::Thousand(n) => format!("{}千", before_power(n)),
            Self::Liang => "两".to_owned(),
            Self::YiRising | Self::YiFalling => "一".to_owned(),
            Self::Wan => "万".to_owned(),
            Self::Yi => "亿".to_owned(),
            Self::Point => "点".to_owned(),
            Self::Yuan => "元".to_owned(),
            Self::Jiao => "角".to_owned(),
            Self::Fen => "分".to_owned(),
            Self::Percent => "百分之".to_owned(),
            Self::Year => "年".to_owned(),
            Self::Month(n) => format!("{}月", count_text(n)),
            Self::Day(n) => format!("{}号", count_text(n)),
            Self::Weekday(7) => "星期天".to_owned(),
            Self::Weekday(n) => format!("星期{}", count_text(n)),
            Self::Today => "今天".to_owned(),
            Self::Tomorrow => "明天".to_owned(),
            Self::DayAfter => "后天".to_owned(),
            Self::Morning => "上午".to_owned(),
            Self::Noon => "中午".to_owned(),
            Self::Afternoon => "下午".to_owned(),
            Self::Evening => "晚上".to_owned(),
            Self::Hour(2) => "两点".to_owned(),
            Self::Hour(n) => format!("{}点", count_text(n)),
            Self::Minute(n @ 0..=9) => format!("零{}分", count_text(n)),
            Self::Minute(n) => format!("{}分", count_text(n)),
            Self::Half => "半".to_owned(),
            Self::Workdays => "个工作日".to_owned(),
            Self::Pause => String::new(),
        }
    }

    /// Every piece there is: each must be recorded.
    pub fn all() -> impl Iterator<Item = Self> {
        let plain = [
            Self::Yao,
            Self::LastYao,
            Self::Liang,
            Self::YiRising,
            Self::YiFalling,
            Self::Wan,
            Self::Yi,
            Self::Point,
            Self::Yuan,
            Self::Jiao,
            Self::Fen,
            Self::Percent,
            Self::Year,
            Self::Today,
            Self::Tomorrow,
            Self::DayAfter,
            Self::Morning,
            Self::Noon,
            Self::Afternoon,
            Self::Evening,
            Self::Half,
            Self::Workdays,
            Self::Pause,
        ];
        plain
            .into_iter()
            .chain((0..=9).flat_map(|d| [Self::Digit(d), Self::LastDigit(d)]))
            .chain((0..=99).map(Self::Count))
            .chain((1..=9).flat_map(|n| [Self::Hundred(n), Self::Thousand(n)]))
            .chain((1..=12).map(Self::Month))
            .chain((1..=31).map(Self::Day))
            .chain((1..=7).map(Self::Weekday))
            .chain((0..=23).map(Self::Hour))
            .chain((1..=59).map(Self::Minute))
    }
}

/// What a sequence of pieces says.
pub fn text(pieces: &[Piece]) -> String {
    pieces.iter().map(|p| p.text()).collect()
}

/// The prompts that say a sequence of pieces.
pub fn prompts(pieces: &[Piece]) -> Vec<PromptId> {
    pieces.iter().map(|p| p.id()).collect()
}

/// The digits of `string` one by one, in groups with pauses as people say them; other characters are left out.
pub fn digits(string: &str, one: One) -> Vec<Piece> {
    let digits: Vec<u8> = string.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect();
    let mut pieces = Vec::with_capacity(digits.len() + 4);
    let mut at = 0;
    for size in groups(&digits) {
        if at > 0 {
            pieces.push(Piece::Pause);
        }
        for digit in &digits[at..at + size] {
            at += 1;
            let last = at == digits.len();
            pieces.push(match (*digit, one) {
                (1, One::Yao) if last => Piece::LastYao,
                (1, One::Yao) => Piece::Yao,
                (d, _) if last => Piece::LastDigit(d),
                (d, _) => Piece::Digit(d),
            });
        }
    }
    pieces
}

/// How a digit string falls into groups: 138 1234 5678, 0877 201 2345, 400 800 1100, 1000 0004.
fn groups(digits: &[u8]) -> Vec<usize> {
    match (digits.len(), digits.first()) {
        (0, _) => vec![],
        (n @ 1..=5, _) => vec![n],
        (6, _) => vec![3, 3],
        (9, _) => vec![3, 3, 3],
        (10, _) => vec![3, 3, 4],
        (11, Some(0)) => vec![4, 3, 4],
        (11, _) => vec![3, 4, 4],
        (n, _) => {
            // Fours from the end; what is left over stands in front, and never alone.
            let mut sizes = match n % 4 {
                0 => vec![],
                1 => vec![3, 2],
                rest => vec![rest],
            };
            let taken: usize = sizes.iter().sum();
            sizes.extend(std::iter::repeat_n(4, (n - taken) / 4));
            sizes
        }
    }
}

/// A whole number by itself: 零, 十五, 一百一十, 两千零二, 一亿零三万.
pub fn cardinal(n: u64) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let (yi, wan, rest) = (n / 100_000_000, n / 10_000 % 10_000, n % 10_000);
    if yi > 0 {
        power(&mut pieces, yi, Piece::Yi);
    }
    if wan > 0 {
        zero_below(&mut pieces, wan, 1_000);
        power(&mut pieces, wan, Piece::Wan);
    }
    if rest > 0 {
        // After 亿 with no 万 at all there is a gap too.
        let gap = if yi > 0 && wan == 0 { 10_000 } else { 1_000 };
        zero_below(&mut pieces, rest, gap);
        section(&mut pieces, rest);
    }
    if pieces.is_empty() {
        pieces.push(Piece::Count(0));
    }
    pieces
}

/// `n` before a measure word: 一 takes the tone that `falling` (whether the measure's own tone falls) asks for, 2 is 两.
pub(super) fn counted(n: u64, falling: bool) -> Vec<Piece> {
    match n {
        1 if falling => vec![Piece::YiRising],
        1 => vec![Piece::YiFalling],
        2 => vec![Piece::Liang],
        n => cardinal(n),
    }
}

/// A number of work days: 一个工作日, 两个工作日, 十五个工作日.
pub fn workdays(n: u64) -> Vec<Piece> {
    let mut pieces = counted(n, true);
    pieces.push(Piece::Workdays);
    pieces
}

/// An amount in fen: 十二元五角, 三元零五分.
pub fn money(fen: u64) -> Vec<Piece> {
    let (yuan, jiao, rest) = (fen / 100, fen / 10 % 10, fen % 10);
    let mut pieces = Vec::new();
    if yuan > 0 || fen == 0 {
        pieces.extend(counted(yuan, false));
        pieces.push(Piece::Yuan);
    }
    if jiao > 0 {
        pieces.extend(counted(jiao, false));
        pieces.push(Piece::Jiao);
    }
    if rest > 0 {
        if yuan > 0 && jiao == 0 {
            pieces.push(Piece::Count(0));
        }
        pieces.extend(counted(rest, false));
        pieces.push(Piece::Fen);
    }
    pieces
}

/// A share in hundredths of a per cent: 百分之八十五, 百分之九十九点五.
pub fn percent(hundredths: u64) -> Vec<Piece> {
    let mut pieces = vec![Piece::Percent];
    pieces.extend(cardinal(hundredths / 100));
    let fraction = format!("{:02}", hundredths % 100);
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        pieces.push(Piece::Point);
        pieces.extend(digits(fraction, One::Yi));
    }
    pieces
}

/// A day within the year, with its day of the week: 十一月二十四号星期二.
pub fn date(day: NaiveDate) -> Vec<Piece> {
    vec![Piece::Month(small(day.month())), Piece::Day(small(day.day())), weekday(day)]
}

/// A day with its year: 二零二六年十一月二十四号.
pub fn full_date(day: NaiveDate) -> Vec<Piece> {
    // The year's last digit stands before 年 and does not fall.
    let mut pieces: Vec<_> =
        day.year().to_string().bytes().filter(u8::is_ascii_digit).map(|b| Piece::Digit(b - b'0')).collect();
    pieces.extend([Piece::Year, Piece::Month(small(day.month())), Piece::Day(small(day.day()))]);
    pieces
}

/// A day as people say it on `today`: 今天, 明天, 后天, else as [`date`].
pub fn near_date(day: NaiveDate, today: NaiveDate) -> Vec<Piece> {
    match (day - today).num_days() {
        0 => vec![Piece::Today],
        1 => vec![Piece::Tomorrow],
        2 => vec![Piece::DayAfter],
        _ => date(day),
    }
}

/// A time of day as people say it: 上午八点半, 中午十二点, 下午五点四十五分; before 5 o'clock by the bare hour.
pub fn clock(time: NaiveTime) -> Vec<Piece> {
    let (hour, minute) = (small(time.hour()), small(time.minute()));
    let (part, hour) = match hour {
        0..=4 => (None, hour),
        5..=11 => (Some(Piece::Morning), hour),
        12 => (Some(Piece::Noon), 12),
        13..=17 => (Some(Piece::Afternoon), hour - 12),
        _ => (Some(Piece::Evening), hour - 12),
    };
    let mut pieces: Vec<_> = part.into_iter().collect();
    pieces.push(Piece::Hour(hour));
    match minute {
        0 => {}
        30 => pieces.push(Piece::Half),
        minute => pieces.push(Piece::Minute(minute)),
    }
    pieces
}

fn weekday(day: NaiveDate) -> Piece {
    Piece::Weekday(small(day.weekday().number_from_monday()))
}

/// `n` (1 to 9999) before 万 or 亿, both falling.
fn power(pieces: &mut Vec<Piece>, n: u64, unit: Piece) {
    match n {
        1 if pieces.is_empty() => pieces.push(Piece::YiRising),
        2 if pieces.is_empty() => pieces.push(Piece::Liang),
        n => section(pieces, n),
    }
    pieces.push(unit);
}

/// 零 where the section that follows does not fill its highest place.
fn zero_below(pieces: &mut Vec<Piece>, n: u64, full: u64) {
    if !pieces.is_empty() && n < full {
        pieces.push(Piece::Count(0));
    }
}

/// 1 to 9999, after whatever stands before it.
fn section(pieces: &mut Vec<Piece>, n: u64) {
    let (thousands, hundreds, rest) = (small(n / 1_000), small(n / 100 % 10), small(n % 100));
    if thousands > 0 {
        pieces.push(Piece::Thousand(thousands));
    }
    if hundreds > 0 {
        pieces.push(Piece::Hundred(hundreds));
    }
    let gap = (hundreds > 0 && rest < 10) || (thousands > 0 && hundreds == 0);
    if rest > 0 {
        if gap {
            pieces.push(Piece::Count(0));
        }
        // 十 in front, but 一百一十.
        if (10..20).contains(&rest) && !pieces.is_empty() {
            pieces.push(Piece::Count(1));
        }
        pieces.push(Piece::Count(rest));
    }
}

/// 零 to 九十九.
fn count_text(n: u8) -> String {
    const DIGITS: [&str; 10] = ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九"];
    let (tens, ones) = (usize::from(n / 10 % 10), usize::from(n % 10));
    let tail = if ones == 0 { "" } else { DIGITS[ones] };
    match tens {
        0 => DIGITS[ones].to_owned(),
        1 => format!("十{tail}"),
        tens => format!("{}十{tail}", DIGITS[tens]),
    }
}

/// A digit before 百 or 千.
fn before_power(n: u8) -> String {
    if n == 2 { "两".to_owned() } else { count_text(n) }
}

/// A value that its calendar or decimal place keeps below 256.
fn small(n: impl TryInto<u8>) -> u8 {
    n.try_into().unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests;
