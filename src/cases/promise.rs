//! What is promised for a case, and how much of the time is gone (B16, B17).

use chrono::{DateTime, NaiveDate, Utc};

use super::Kind;
use crate::clock::china;
use crate::directory::{Calendar, ServiceItem};

/// Share of the time, in per cent, after which a case is amber.
pub(super) const AMBER_PERCENT: i64 = 80;

/// What is promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// In words, as published with the service item.
    pub words: String,
    /// The last day, China Standard Time.
    pub due_on: NaiveDate,
}

/// How a case stands against its promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Light {
    /// Time enough.
    Green,
    /// Most of the time is gone.
    Amber,
    /// The last day is over.
    Red,
}

impl Kind {
    /// Work days promised where no service item says otherwise (R5.3).
    pub fn default_workdays(self) -> u16 {
        match self {
            Self::Enquiry => 1,
            Self::Request => 5,
            Self::Complaint => 10,
        }
    }

    /// What kind of request these words are: a complaint where they complain, an enquiry where they ask; else something to do.
    pub fn of_words(words: &str) -> Self {
        const COMPLAINT: [&str; 16] = [
            "投诉",
            "举报",
            "态度差",
            "态度不好",
            "态度恶劣",
            "不作为",
            "推诿",
            "乱收费",
            "不满意",
            "没人管",
            "扰民",
            "拖欠",
            "欠薪",
            "骗",
            "违规",
            "不公平",
        ];
        const ENQUIRY: [&str; 17] = [
            "咨询",
            "问一下",
            "问问",
            "问一问",
            "请问",
            "怎么",
            "怎样",
            "如何",
            "哪里",
            "在哪",
            "什么",
            "多少",
            "几点",
            "几号",
            "能不能",
            "可不可以",
            "是不是",
        ];
        let says = |list: &[&str]| list.iter().any(|word| words.contains(word));
        if says(&COMPLAINT) {
            Self::Complaint
        } else if says(&ENQUIRY) {
            Self::Enquiry
        } else {
            Self::Request
        }
    }
}

impl Promise {
    /// The promise for a case received at `received_at`: the service item's, or else its kind's. Counted from the day after.
    pub fn new(item: Option<&ServiceItem>, kind: Kind, received_at: DateTime<Utc>, calendar: &Calendar) -> Self {
        let day = received_at.with_timezone(&china()).date_naive();
        match item {
            Some(item) => {
                Self { words: item.promise.clone(), due_on: calendar.add_workdays(day, item.promise_workdays) }
            }
            None => {
                let days = kind.default_workdays();
                Self { words: format!("{days}个工作日内答复"), due_on: calendar.add_workdays(day, days) }
            }
        }
    }
}

/// The light of an open case at `now`, reckoned in office time from its receipt to the end of its last day.
pub fn light(received_at: DateTime<Utc>, due_on: NaiveDate, now: DateTime<Utc>, calendar: &Calendar) -> Light {
    if now.with_timezone(&china()).date_naive() > due_on {
        return Light::Red;
    }
    let whole = calendar.open_between(received_at, calendar.close_of(due_on)).num_seconds();
    let gone = calendar.open_between(received_at, now).num_seconds();
    if gone * 100 >= whole * AMBER_PERCENT { Light::Amber } else { Light::Green }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::example::district;

    fn at(text: &str) -> DateTime<Utc> {
        format!("{text}:00+08:00").parse().expect("a moment")
    }

    #[test]
    fn kinds_by_words() {
        let check = |words: &str, kind| assert_eq!(Kind::of_words(words), kind, "{words}");
        check("我想问一下高龄津贴怎么申请", Kind::Enquiry);
        check("我要投诉，你们怎么没人接电话", Kind::Complaint);
        check("我家门口的路灯坏了", Kind::Request);
        check("", Kind::Request);
    }

    #[test]
    fn the_item_promises_before_the_kind_does() {
        let district = district();
        let item = &district.items[&crate::directory::ItemId(1)];
        let check = |item, kind, words: &str, due: &str| {
            let promise = Promise::new(item, kind, at("2026-09-28T23:30"), &district.calendar);
            assert_eq!((promise.words.as_str(), promise.due_on.to_string().as_str()), (words, due));
        };
        check(None, Kind::Enquiry, "1个工作日内答复", "2026-09-29");
        check(None, Kind::Request, "5个工作日内答复", "2026-10-05");
        check(None, Kind::Complaint, "10个工作日内答复", "2026-10-12");
        check(Some(item), Kind::Enquiry, "5个工作日办结", "2026-10-05");
    }

    #[test]
    fn amber_when_four_fifths_of_the_office_time_are_gone() {
        // From the end of Monday: Tuesday to the next Monday, five days of seven hours.
        let check = |now: &str, expected| {
            let due = "2026-10-05".parse().expect("a date");
            assert_eq!(light(at("2026-09-28T17:30"), due, at(now), &district().calendar), expected, "{now}");
        };
        check("2026-09-28T17:31", Light::Green);
        check("2026-10-02T17:29", Light::Green);
        check("2026-10-02T17:30", Light::Amber);
        check("2026-10-05T23:59", Light::Amber);
        check("2026-10-06T00:00", Light::Red);
    }
}
