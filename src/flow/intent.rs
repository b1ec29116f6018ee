//! What a caller means whatever the question was: wants a person, agrees, asks for a repeat, reports an emergency.

/// A meaning that does not depend on the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Intent {
    /// Wants to speak with a person.
    Person,
    /// Asks how a case stands.
    Progress,
    /// Did not catch what was said.
    Repeat,
    /// Wants it slower or louder.
    Slower,
    /// Wants to go back.
    Back,
}

/// Words longer than this are a request, though 找人 or 进度 may occur in them.
const COMMAND_MAX_CHARS: usize = 12;

/// Commands with their wordings. The first that fits counts: 听不清 asks to be louder, 没听清 to hear it again.
const COMMANDS: [(Intent, &[&str]); 5] = [
    (
        Intent::Person,
        &[
            "人工",
            "找人",
            "找个人",
            "真人",
            "接线员",
            "客服",
            "话务员",
            "有人吗",
            "值班的人",
            "跟人说",
            "和人说",
            "工作人员",
        ],
    ),
    (Intent::Slower, &["慢一点", "慢点", "慢些", "大声", "听不清", "听不见", "声音小", "太快"]),
    (
        Intent::Repeat,
        &["重复", "再说一遍", "再说一次", "再讲一遍", "再听一遍", "没听清", "没听见", "没听到", "你说什么"],
    ),
    (
        Intent::Progress,
        &["进度", "查询办理", "办到哪", "办得怎么样", "办得怎样", "办好了吗", "办好没有", "查编号", "查案件"],
    ),
    (Intent::Back, &["返回", "上一步", "回到前面"]),
];

/// Words of immediate danger (R1.10).
const EMERGENCY: [&str; 22] = [
    "着火",
    "起火",
    "失火",
    "火灾",
    "救命",
    "打人",
    "杀人",
    "砍人",
    "抢劫",
    "打架",
    "晕倒",
    "昏倒",
    "昏迷",
    "没有呼吸",
    "大出血",
    "心脏病发",
    "中毒",
    "触电",
    "溺水",
    "煤气泄漏",
    "自杀",
    "车祸",
];

/// The command in `words`, when they are short enough to be one.
pub fn command(words: &str) -> Option<Intent> {
    let spoken = words.chars().filter(|c| c.is_alphanumeric()).count();
    if spoken > COMMAND_MAX_CHARS {
        return None;
    }
    COMMANDS.iter().find(|(_, wordings)| wordings.iter().any(|w| words.contains(w))).map(|(intent, _)| *intent)
}

/// Whether `words` only greet: 喂，你好.
pub fn greeting(words: &str) -> bool {
    let mut rest: String = words.chars().filter(|c| c.is_alphanumeric()).collect();
    for greeting in ["你好", "您好", "喂", "哈喽", "哎", "啊", "嗨"] {
        rest = rest.replace(greeting, "");
    }
    rest.is_empty()
}

/// Whether `words` report immediate danger, at any length.
pub fn emergency(words: &str) -> bool {
    EMERGENCY.iter().any(|word| words.contains(word))
}

/// Whether `words` agree or disagree; `None` where they do neither.
pub fn yes_or_no(words: &str) -> Option<bool> {
    // 不是 holds 是, 不对 holds 对: disagreement is looked for first. 对不起, 是不是 and 不知道 are neither.
    const NEITHER: [&str; 10] =
        ["对不起", "是不是", "对不对", "有没有", "不知道", "不清楚", "不晓得", "不记得", "记不得", "说不清"];
    const NO: [&str; 9] = ["不是", "不对", "错", "不正确", "不行", "没有", "不要", "否", "不"];
    const YES: [&str; 8] = ["对", "是", "嗯", "好", "正确", "可以", "行", "要得"];
    let mut rest = words.to_owned();
    for neither in NEITHER {
        rest = rest.replace(neither, "");
    }
    let says = |list: &[&str]| list.iter().any(|w| rest.contains(w));
    if says(&["没错", "没问题", "不错"]) {
        Some(true)
    } else if says(&NO) {
        Some(false)
    } else if says(&YES) {
        Some(true)
    } else {
        // The keys' names, spoken; bare, since 一 stands in many words.
        match rest.trim_matches(|c: char| !c.is_alphanumeric()) {
            "一" | "1" | "幺" | "按一" | "按1" => Some(true),
            "二" | "2" | "两" | "按二" | "按2" => Some(false),
            _ => None,
        }
    }
}

/// How satisfied `words` are, from 1, very dissatisfied, to 5, very satisfied; `None` where they do not say.
pub fn satisfaction(words: &str) -> Option<u8> {
    // The first that fits counts: 非常不满意 holds 不满意, which holds 满意.
    const LEVELS: [(u8, &[&str]); 5] = [
        (1, &["非常不满", "很不满", "太不满", "极不满", "特别不满", "完全不满", "十分不满", "最不满", "太差", "很差"]),
        (2, &["不满", "不太满", "不是很满", "不怎么满", "不大满", "没有满意"]),
        (5, &["非常满", "很满", "特别满", "十分满", "太满意", "最满意", "相当满", "非常好", "很好"]),
        (3, &["一般", "还行", "凑合", "将就", "马马虎虎", "普通"]),
        (4, &["满意"]),
    ];
    LEVELS.into_iter().find(|(_, wordings)| wordings.iter().any(|w| words.contains(w))).map(|(level, _)| level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let check = |words: &str, expected| assert_eq!(command(words), expected, "{words}");
        check("我要找人。", Some(Intent::Person));
        check("转人工", Some(Intent::Person));
        check("请再说一遍。", Some(Intent::Repeat));
        check("没听清", Some(Intent::Repeat));
        check("听不清楚，大声点", Some(Intent::Slower));
        check("说慢一点", Some(Intent::Slower));
        check("我想查一下进度", Some(Intent::Progress));
        check("返回", Some(Intent::Back));
        check("路灯坏了", None);
        check("", None);
        // A request in which the word merely occurs.
        check("村里工程进度太慢了，水泥堆在我家门口三个月没有人管", None);
    }

    #[test]
    fn greetings() {
        for words in ["喂", "喂，你好", "您好您好", "喂喂"] {
            assert!(greeting(words), "{words}");
        }
        assert!(!greeting("你好，我想办老年证"));
    }

    #[test]
    fn danger_is_heard_at_any_length() {
        for words in ["着火了", "我家楼上有个老人刚才在楼梯上晕倒了，叫不醒", "有人打人"] {
            assert!(emergency(words), "{words}");
        }
        assert!(!emergency("我想办老年证"));
    }

    #[test]
    fn satisfaction_in_its_wordings() {
        let check = |words: &str, level| assert_eq!(satisfaction(words), level, "{words}");
        check("非常满意。", Some(5));
        check("很满意", Some(5));
        check("满意", Some(4));
        check("比较满意吧", Some(4));
        check("一般般", Some(3));
        check("不满意", Some(2));
        check("不是很满意", Some(2));
        check("非常不满意", Some(1));
        check("很不满意。", Some(1));
        check("三", None);
        check("水管还是漏", None);
    }

    #[test]
    fn yes_and_no_in_their_wordings() {
        let check = |words: &str, expected| assert_eq!(yes_or_no(words), expected, "{words}");
        for yes in ["对", "对的。", "是", "是的", "嗯", "好的", "没错", "对对对", "一", "1", "可以", "要得", "不错"]
        {
            check(yes, Some(true));
        }
        for no in ["不对", "不是", "不是的。", "错了", "二", "2", "不", "不行"] {
            check(no, Some(false));
        }
        for neither in ["", "对不起", "高龙潭", "第一", "是不是", "我不知道", "吃饭了有没有", "说不清楚"]
        {
            check(neither, None);
        }
    }
}
