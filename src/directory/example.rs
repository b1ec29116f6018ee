//! A small district for tests; all people invented.

use chrono::{DateTime, NaiveTime, Utc};

use super::{
    Calendar, Directory, Hours, ItemId, Level, OrgId, Organisation, Person, PersonId, Post, PostId, ServiceItem,
    Window, WindowCode,
};

/// One district, two townships, four villages; window 6 has no post anywhere.
pub(crate) fn district() -> Directory {
    let mut d = Directory::default();
    for (id, parent, level, name) in [
        (1, None, Level::District, "红塔区"),
        (10, Some(1), Level::Township, "玉兴街道"),
        (11, Some(1), Level::Township, "大营街街道"),
        (100, Some(10), Level::Village, "高龙潭社区"),
        (101, Some(10), Level::Village, "高龙坝社区"),
        (110, Some(11), Level::Village, "泷水塘社区"),
        (111, Some(11), Level::Village, "大营社区"),
        (112, Some(11), Level::Village, "小塘村"),
    ] {
        let org = Organisation { id: OrgId(id), parent: parent.map(OrgId), level, name: name.to_owned() };
        d.organisations.insert(org.id, org);
    }
    for (code, name, keywords) in [
        (1, "企业服务", "营业执照 开公司 办厂"),
        (2, "社会保障", "社保 医保 养老金 退休金 报销"),
        (3, "计生服务", "准生证 生育 独生子女"),
        (4, "民政", "低保 津贴 结婚 救助"),
        (5, "残疾人服务", "残疾 残疾证 轮椅"),
        (6, "劳动就业", "找工作 就业 招工 欠薪"),
        (7, "老年人服务", "老年证 养老院 高龄津贴"),
        (8, "信息咨询", "路灯 停水 停电 噪音 问一下 怎么办"),
    ] {
        let keywords = keywords.split(' ').map(str::to_owned).collect();
        d.windows.insert(WindowCode(code), Window { code: WindowCode(code), name: name.to_owned(), keywords });
    }
    for (id, window, name, days) in [(1, 7, "高龄津贴申领", 5), (2, 2, "医保报销", 10), (3, 5, "残疾证办理", 20)]
    {
        let item = ServiceItem {
            id: ItemId(id),
            window: WindowCode(window),
            name: name.to_owned(),
            promise: format!("{days}个工作日办结"),
            promise_workdays: days,
            keywords: vec![name.chars().take(name.chars().count() - 2).collect()],
        };
        d.items.insert(item.id, item);
    }
    for (id, name) in [(1, "李秀兰"), (2, "王建国")] {
        d.persons.insert(PersonId(id), Person { id: PersonId(id), name: name.to_owned() });
    }
    for (id, org, window, title) in [
        (1, 1, None, "区值班员"),
        (2, 1, Some(1), "区企业服务窗口"),
        (3, 1, Some(2), "区社会保障窗口"),
        (4, 1, Some(7), "区老年人服务窗口"),
        (5, 1, Some(8), "区信息咨询窗口"),
        (6, 10, None, "玉兴街道值班员"),
        (7, 10, Some(7), "玉兴街道老年人服务窗口"),
        (8, 100, Some(2), "高龙潭社会保障代办"),
    ] {
        let post = Post {
            id: PostId(id),
            org: OrgId(org),
            window: window.map(WindowCode),
            title: title.to_owned(),
            a: PersonId(1),
            b: PersonId(2),
        };
        d.posts.insert(post.id, post);
    }
    let time = |h, m| NaiveTime::from_hms_opt(h, m, 0).expect("a time");
    d.calendar = Calendar {
        hours: vec![Hours { from: time(8, 30), until: time(12, 0) }, Hours { from: time(14, 0), until: time(17, 30) }],
        ..Calendar::default()
    };
    d
}

/// The work days of 2026 as delivered, with the usual office hours.
pub(crate) fn year_2026() -> Calendar {
    let rows = include_str!("../../seeds/calendar_days.csv").lines().skip(1);
    let exceptions = rows.map(|row| {
        let (day, rest) = row.split_once(',').expect("a day");
        (day.parse().expect("a day"), rest.starts_with("true"))
    });
    Calendar { exceptions: exceptions.collect(), ..district().calendar }
}

/// `2026-09-28T09:00` in China Standard Time.
#[track_caller]
pub(crate) fn at(text: &str) -> DateTime<Utc> {
    format!("{text}:00+08:00").parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}
