//! Who says such words: a machine, the network, a person.

use super::{Notice, Party};
use crate::flow;

/// Longer sentences are not a person's greeting, though 喂 or 哪位 may occur in them.
const GREETING_MAX_CHARS: usize = 14;

/// Who says such words; `None` where anybody may.
pub(super) fn party_of(words: &str) -> Option<Party> {
    // What machines say; people use some of these words too, but not in these forms.
    const MACHINE: [&str; 20] = [
        "请留言",
        "后留言",
        "留下您的",
        "留下你的",
        "语音信箱",
        "语音留言",
        "滴声",
        "嘀声",
        "哔声",
        "提示音",
        "语音助手",
        "智能助",
        "来电助",
        "电话助理",
        "小秘书",
        "机主",
        "代为接听",
        "leave a message",
        "after the tone",
        "after the beep",
    ];
    let words = words.to_lowercase();
    let holds = |list: &[&str]| list.iter().any(|word| words.contains(word));
    if holds(&MACHINE) {
        return Some(Party::Machine);
    }
    if let Some(notice) = notice(&words) {
        return Some(Party::Announcement(notice));
    }
    const PERSON: [&str; 12] =
        ["喂", "哪位", "哪个", "找谁", "你是谁", "是谁", "什么事", "干什么", "做什么", "哪里", "说吧", "请讲"];
    let chars = words.chars().filter(|c| c.is_alphanumeric()).count();
    let greets = chars > 0 && flow::greeting(&words);
    (greets || (chars <= GREETING_MAX_CHARS && holds(&PERSON))).then_some(Party::Person)
}

/// What an announcement of the network says; `None` where `words`, in lower case, are none.
fn notice(words: &str) -> Option<Notice> {
    /// How the network addresses a caller, in Chinese and in the English that follows it.
    const FORMS: [&str; 13] = [
        "您拨打的",
        "你拨打的",
        "您拨叫的",
        "您呼叫的",
        "您所拨打的",
        "拨打的电话",
        "拨打的用户",
        "稍后再拨",
        "再拨",
        "查证后",
        "you dialed",
        "you have dialed",
        "you are calling",
    ];
    const KINDS: [(Notice, &[&str]); 6] = [
        (Notice::SwitchedOff, &["关机", "power off", "powered off", "switched off"]),
        (Notice::NoSuchNumber, &["空号", "号码不存在", "号码有误", "does not exist", "not exist"]),
        (Notice::Busy, &["正在通话", "通话中", "用户忙", "正忙", "is busy", "engaged"]),
        (Notice::OutOfService, &["停机", "暂停服务", "out of service", "not in service"]),
        (Notice::NoAnswer, &["无人接听", "无应答", "no answer", "not answer"]),
        (Notice::Unreachable, &["无法接通", "不在服务区", "无法接听", "cannot be connected", "not reachable"]),
    ];
    let form = FORMS.iter().any(|form| words.contains(form));
    let kind = KINDS.iter().find(|(_, list)| list.iter().any(|word| words.contains(word))).map(|(kind, _)| *kind);
    // Without the form it takes words that nobody says of himself.
    let own = ["是空号", "暂时无法接通", "暂时无人接听", "已停机", "不在服务区"].iter().any(|w| words.contains(w));
    (form || own).then(|| kind.unwrap_or(Notice::Other))
}
