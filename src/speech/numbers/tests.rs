use super::*;

/// What [`find`] finds: one line for each, the text and the numbers in it. `M` a mobile, `S` a service, `D` digits, `A` an
/// amount, `F` a fraction.
const FOUND: &str = include_str!("found.txt");

#[test]
fn every_line_of_the_table() {
    let mut wrong = Vec::new();
    for line in FOUND.lines() {
        let (said, expected) = line.split_once('|').expect("text|numbers");
        let found: Vec<_> = find(said)
            .into_iter()
            .map(|number| match number {
                Number::Mobile(d) => format!("M{d}"),
                Number::Service(d) => format!("S{d}"),
                Number::Digits(d) => format!("D{d}"),
                Number::Amount(n) => format!("A{n}"),
                Number::Decimal(d) => format!("F{d}"),
            })
            .collect();
        let found = found.join(" ");
        if found != expected {
            wrong.push(format!("{said}: {found:?} instead of {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} lines:\n{}", wrong.len(), wrong.join("\n"));
    assert!(FOUND.lines().count() >= 300);
}

#[test]
fn text_keeps_everything_but_strings_of_digits() {
    for (text, normalised_) in [
        ("我住三零一二室,欠了三百五十元。", "我住3012室,欠了三百五十元。"),
        ("电话是幺三八零零幺三八零零零", "电话是13800138000"),
        ("电话138-0013-8000,谢谢", "电话13800138000,谢谢"),
        ("区号零一零", "区号010"),
        ("打幺幺零", "打110"),
        ("五六个人等了一下", "五六个人等了一下"),
        ("今年５月份", "今年5月份"),
        ("修得七七八八了", "修得七七八八了"),
        ("不三不四的", "不三不四的"),
        ("三九七七八八六", "3977886"),
        ("一二十个", "一二十个"),
        ("差一点，一百二", "差一点，一百二"),
        ("", ""),
    ] {
        assert_eq!(normalised(text), normalised_, "{text}");
        assert_eq!(normalised(&normalised(text)), normalised(text), "twice is once");
    }
}

#[test]
fn a_number_alone() {
    for text in ["138-0013 8000", "十二", "三趟。", "两个八", "２０８３", ""] {
        assert!(alone(text), "{text}");
    }
    for text in ["20158要79", "2058要持久", "208审", "去了四次"] {
        assert!(!alone(text), "{text}");
    }
}

#[test]
fn answers_to_a_question_for_digits() {
    for (text, expected) in [
        ("幺三八,零零幺三,八零零零。", Some("13800138000")),
        ("妖妖零", Some("110")),
        ("零一零", Some("010")),
        ("三", Some("3")),
        ("两个八", Some("88")),
        ("幺三八三个零", Some("138000")),
        ("十二", Some("12")),
        ("一百一十", Some("110")),
        ("洞幺拐", Some("017")),
        ("号码是 1 2 3 四五", Some("12345")),
        ("１２", Some("12")),
        ("不知道", None),
        ("", None),
    ] {
        assert_eq!(digits(text).as_deref(), expected, "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_survived(text in "[零一二三四五六七八九十百千万亿幺两点个0-9 .,-]{0,24}") {
        let _ = (find(&text), digits(&text));
        let once = normalised(&text);
        proptest::prop_assert_eq!(normalised(&once), once);
    }

    #[test]
    fn digits_read_out_are_the_same_digits(number in "[0-9]{3,30}", ones in "[一幺]") {
        let said: String = number
            .chars()
            .map(|c| if c == '1' { ones.clone() } else { "零一二三四五六七八九".chars().nth(c as usize - 48).unwrap().to_string() })
            .collect();
        // Alone it is a set phrase, which nobody can tell from the digits.
        proptest::prop_assume!(said != "七七八八");
        proptest::prop_assert_eq!(normalised(&said), number.clone());
        proptest::prop_assert_eq!(digits(&said), Some(number));
    }

    #[test]
    fn amounts_read_out_are_the_same_amounts(amount in 1_u64..1_000_000_000) {
        let said: Vec<char> = read_out(amount).chars().collect();
        proptest::prop_assert_eq!(amount::parse(&said), Some(amount), "{}", read_out(amount));
    }
}

/// An amount in full Chinese form, with a zero for each gap.
fn read_out(amount: u64) -> String {
    fn group(n: u64) -> String {
        let mut out = String::new();
        let mut gap = false;
        for (scale, name) in [(1000, "千"), (100, "百"), (10, "十"), (1, "")] {
            let digit = n / scale % 10;
            if digit == 0 {
                gap = !out.is_empty();
            } else {
                if gap {
                    out.push('零');
                }
                gap = false;
                out.push("零一二三四五六七八九".chars().nth(digit as usize).unwrap());
                out.push_str(name);
            }
        }
        out
    }
    let mut out = String::new();
    for (scale, name) in [(100_000_000, "亿"), (10_000, "万"), (1, "")] {
        let part = amount / scale % 10_000;
        if part > 0 {
            if !out.is_empty() && part < 1000 {
                out.push('零');
            }
            out.push_str(&group(part));
            out.push_str(name);
        }
    }
    out
}
