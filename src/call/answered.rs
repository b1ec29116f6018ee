//! Who answered a call that we placed: a person, a machine, the network, a tone (P17, R7.5).
//!
//! Never holds the greeting: it only listens beside it. People greet in a word or two and wait; a machine speaks on, and
//! then it beeps. A key, or an answer to a question, is a person whatever was heard before. Each verdict has a weight,
//! and only a heavier one replaces it, so that nothing a machine cannot do is ever taken back.
//!
//! Before the answer only tones and words count: where China's callers hear music instead of ring-back, early media that
//! sounds like speech says nothing.

use std::fmt;
use std::time::Duration;

use super::tone::Tone;
use crate::flow;

/// The greeting: how it sounds counts for so long after the answer.
pub const GREETING: Duration = Duration::from_secs(10);
/// A shorter pause is one within a greeting, not its end.
const PAUSE_WITHIN: Duration = Duration::from_millis(700);
/// Silence after a short greeting that makes it a person's: they wait for an answer.
const WAITS: Duration = Duration::from_millis(1_000);
/// Who speaks this long, pauses included, does not wait for an answer.
const LONG_GREETING: Duration = Duration::from_millis(3_200);
/// Shorter sounds are clicks of the line, not a greeting.
const SHORTEST_WORD: Duration = Duration::from_millis(120);
/// Nothing at all heard for so long after the answer.
const SILENCE: Duration = Duration::from_secs(5);
/// A beep counts as a machine's when somebody spoke for so long before it.
const BEFORE_BEEP: Duration = Duration::from_millis(1_000);
/// Longer sentences are not a person's greeting, though 喂 or 哪位 may occur in them.
const GREETING_MAX_CHARS: usize = 14;

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// A person. The only one whose answers count.
    Person,
    /// An answering machine, a mailbox, or a phone's assistant: the attempt ends, and is made again later.
    Machine,
    /// The network tells why nobody can be reached.
    Announcement(Notice),
    /// A tone of the network, or a fax machine.
    Tone(Tone),
    /// Nobody said enough.
    Unknown,
}

/// What an announcement of the network says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// 已关机: the phone is switched off.
    SwitchedOff,
    /// 正在通话中: engaged.
    Busy,
    /// 暂时无法接通, 不在服务区: out of reach for now.
    Unreachable,
    /// 是空号: no such number.
    NoSuchNumber,
    /// 已停机, 暂停服务: out of service.
    OutOfService,
    /// 暂时无人接听: it rang and nobody answered.
    NoAnswer,
    /// Another one.
    Other,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A key was pressed.
    Key,
    /// A question was answered.
    Answer,
    /// What was said.
    Words,
    /// A tone.
    Tone,
    /// A beep after a greeting.
    Beep,
    /// Somebody spoke on and on.
    LongGreeting,
    /// A word or two, then silence.
    ShortGreeting,
    /// Nothing was heard.
    Silence,
    /// [`GREETING`] passed and nothing was clear.
    Unclear,
}

/// Who answered, and why we think so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Who.
    pub party: Party,
    /// Why.
    pub reason: Reason,
}

/// Something that was heard. Times are media times: spans since the media session opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign<'a> {
    /// The call was answered.
    Answered,
    /// A talkspurt began at `at`.
    SpeechStarted { at: Duration },
    /// A talkspurt ended at `at`.
    SpeechEnded { at: Duration },
    /// A tone.
    Tone(Tone),
    /// A key, by whichever way it came.
    Key,
    /// What the recogniser made of an utterance.
    Words(&'a str),
    /// A question was answered in a way that the questionnaire understood.
    Answer,
    /// [`WhoAnswered::poll_timeout`] has come.
    Timeout,
}

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct WhoAnswered {
    verdict: Option<Verdict>,
    answered: Option<Duration>,
    /// The present or last stretch of speech with nothing but short pauses in it.
    talk: Option<Talk>,
    /// Speech up to the last pause, stretches added up.
    spoken: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Talk {
    from: Duration,
    /// Where the last talkspurt ended; `None` while it lasts.
    to: Option<Duration>,
    /// Beginning of the present talkspurt.
    spurt: Duration,
}

impl WhoAnswered {
    /// Takes in what was heard; the verdict, where it changes by this. `now` is a media time.
    pub fn handle(&mut self, sign: Sign<'_>, now: Duration) -> Option<Verdict> {
        let before = self.verdict;
        match sign {
            Sign::Answered => {
                self.answered.get_or_insert(now);
            }
            Sign::SpeechStarted { at } => self.speech_started(at),
            Sign::SpeechEnded { at } => self.speech_ended(at),
            Sign::Tone(tone) => self.tone(tone),
            Sign::Key => self.settle(Party::Person, Reason::Key),
            Sign::Answer => self.settle(Party::Person, Reason::Answer),
            Sign::Words(words) => {
                if let Some(party) = party_of(words) {
                    self.settle(party, Reason::Words);
                }
            }
            Sign::Timeout => {}
        }
        self.weigh_cadence(now);
        self.verdict.filter(|verdict| before != Some(*verdict))
    }

    /// Who answered, as far as is known.
    pub fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    /// When [`Sign::Timeout`] is due next, as media time; `None` while only something heard can change the verdict.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let answered = self.answered?;
        let ends = answered + GREETING;
        let weight = self.verdict.map(|verdict| verdict.weight());
        let cadence = match self.talk.filter(|talk| talk.from < ends) {
            None => weight.is_none().then_some(answered + SILENCE),
            Some(Talk { from, to: None, .. }) => {
                (weight < Some(Reason::LongGreeting.weight())).then_some(from.max(answered) + LONG_GREETING)
            }
            Some(Talk { to: Some(to), .. }) => (weight < Some(Reason::ShortGreeting.weight())).then_some(to + WAITS),
        };
        cadence.into_iter().chain(weight.is_none().then_some(ends)).min()
    }

    fn speech_started(&mut self, at: Duration) {
        match &mut self.talk {
            Some(talk) if talk.to.is_none_or(|to| at.saturating_sub(to) < PAUSE_WITHIN) => {
                talk.to = None;
                talk.spurt = at;
            }
            Some(_) | None => self.talk = Some(Talk { from: at, to: None, spurt: at }),
        }
    }

    fn speech_ended(&mut self, at: Duration) {
        if let Some(talk) = &mut self.talk
            && talk.to.is_none()
        {
            talk.to = Some(at);
            self.spoken += at.saturating_sub(talk.spurt);
            if at.saturating_sub(talk.from) < SHORTEST_WORD {
                self.talk = None;
            }
        }
    }

    fn tone(&mut self, tone: Tone) {
        match tone {
            // It rings on behind an exchange that answered: nobody is there yet.
            Tone::RingBack => self.talk = None,
            Tone::Beep if self.answered.is_some() && self.spoken >= BEFORE_BEEP => {
                self.settle(Party::Machine, Reason::Beep);
            }
            Tone::Beep => {}
            Tone::Dial | Tone::Busy | Tone::Congestion | Tone::SpecialInformation | Tone::Fax => {
                self.settle(Party::Tone(tone), Reason::Tone);
            }
        }
    }

    /// What the lengths of speech and silence tell by `now`.
    fn weigh_cadence(&mut self, now: Duration) {
        let Some(answered) = self.answered else { return };
        let ends = answered + GREETING;
        match self.talk {
            // Who spoke before the answer was the network.
            Some(talk) if talk.from < answered && talk.to.is_some_and(|to| to <= answered) => self.talk = None,
            Some(Talk { from, to, .. }) if from < ends => {
                let from = from.max(answered);
                let until = to.unwrap_or(now);
                if until.saturating_sub(from) >= LONG_GREETING {
                    self.settle(Party::Machine, Reason::LongGreeting);
                } else if to.is_some_and(|to| now.saturating_sub(to) >= WAITS) {
                    self.settle(Party::Person, Reason::ShortGreeting);
                }
            }
            Some(_) => {}
            None if now >= answered + SILENCE => self.settle(Party::Unknown, Reason::Silence),
            None => {}
        }
        if now >= ends && self.verdict.is_none() {
            self.settle(Party::Unknown, Reason::Unclear);
        }
    }

    fn settle(&mut self, party: Party, reason: Reason) {
        let verdict = Verdict { party, reason };
        if self.verdict.is_none_or(|before| before.outweighed_by(verdict)) {
            self.verdict = Some(verdict);
        }
    }
}

impl Verdict {
    /// Whether it rests on more than the lengths of speech and silence. Only such a verdict is a reason to hang up on
    /// somebody who may be a person: a cautious caller puts its first question before it believes another.
    pub fn is_sure(&self) -> bool {
        self.weight() >= Reason::Beep.weight()
    }

    fn outweighed_by(&self, other: Verdict) -> bool {
        other.weight() > self.weight()
    }

    fn weight(&self) -> u8 {
        match (self.reason, self.party) {
            // A person says 你好, and so do machines: what only they say counts more.
            (Reason::Words, Party::Person) => Reason::Words.weight() - 2,
            _ => self.reason.weight(),
        }
    }
}

impl Reason {
    const fn weight(self) -> u8 {
        match self {
            Self::Silence | Self::Unclear => 0,
            Self::ShortGreeting => 1,
            Self::LongGreeting => 2,
            Self::Beep => 4,
            Self::Words | Self::Tone => 5,
            Self::Answer | Self::Key => 6,
        }
    }
}

/// Who says such words; `None` where anybody may.
fn party_of(words: &str) -> Option<Party> {
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

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Person => "person",
            Self::Machine => "machine",
            Self::Announcement(_) => "announcement",
            Self::Tone(_) => "tone",
            Self::Unknown => "unknown",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Answer => "answer",
            Self::Words => "words",
            Self::Tone => "tone",
            Self::Beep => "beep",
            Self::LongGreeting => "long_greeting",
            Self::ShortGreeting => "short_greeting",
            Self::Silence => "silence",
            Self::Unclear => "unclear",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// What happens after an answer at 1 s, each with its time in ms since the answer.
    enum Heard {
        Speech(u64, u64),
        Sign(u64, Sign<'static>),
    }
    use Heard::{Sign as At, Speech};

    /// Runs signs in order, time-outs among them, up to 15 s after the answer; each verdict with its time in ms.
    fn verdicts(heard: &[Heard]) -> Vec<(u64, Party, Reason)> {
        let answered = ms(1_000);
        let mut signs = vec![(answered, Sign::Answered)];
        for heard in heard {
            match heard {
                Speech(from, to) => {
                    let (from, to) = (answered + ms(*from), answered + ms(*to));
                    signs.push((from + ms(50), Sign::SpeechStarted { at: from }));
                    signs.push((to + ms(200), Sign::SpeechEnded { at: to }));
                }
                At(at, sign) => signs.push((answered + ms(*at), *sign)),
            }
        }
        signs.push((ms(16_000), Sign::Timeout));
        let mut who = WhoAnswered::default();
        let mut found = Vec::new();
        let mut note = |now: Duration, verdict: Option<Verdict>| {
            found.extend(verdict.map(|v| ((now - answered).as_millis() as u64, v.party, v.reason)));
        };
        for (at, sign) in signs {
            for _ in 0..8 {
                let Some(due) = who.poll_timeout().filter(|due| *due < at) else { break };
                note(due, who.handle(Sign::Timeout, due));
            }
            assert!(who.poll_timeout().is_none_or(|due| due >= at), "a deadline that does not go away");
            note(at, who.handle(sign, at));
        }
        found
    }

    #[track_caller]
    fn check(heard: &[Heard], expected: &[(u64, Party, Reason)]) {
        assert_eq!(verdicts(heard), expected);
    }

    #[test]
    fn a_short_greeting_is_a_person() {
        check(&[Speech(400, 800)], &[(1_800, Party::Person, Reason::ShortGreeting)]);
        check(&[Speech(400, 800), Speech(1_200, 2_000)], &[(3_000, Party::Person, Reason::ShortGreeting)]);
    }

    #[test]
    fn who_speaks_on_is_a_machine() {
        check(&[Speech(500, 6_000)], &[(3_700, Party::Machine, Reason::LongGreeting)]);
        let sentences = [Speech(500, 1_900), Speech(2_400, 3_500), Speech(4_000, 5_000)];
        check(&sentences, &[(4_050, Party::Machine, Reason::LongGreeting)]);
        // It greets, pauses, and speaks on.
        check(
            &[Speech(300, 900), Speech(2_500, 8_000)],
            &[(1_900, Party::Person, Reason::ShortGreeting), (5_700, Party::Machine, Reason::LongGreeting)],
        );
    }

    #[test]
    fn a_person_who_tells_a_story_later_stays_one() {
        check(&[Speech(300, 900), Speech(10_500, 14_500)], &[(1_900, Party::Person, Reason::ShortGreeting)]);
    }

    #[test]
    fn a_beep_after_a_greeting_is_a_machine() {
        let beep = Sign::Tone(Tone::Beep);
        let greeting = (2_600, Party::Person, Reason::ShortGreeting);
        check(&[Speech(300, 1_600), At(2_700, beep)], &[greeting, (2_700, Party::Machine, Reason::Beep)]);
        check(&[At(300, beep), Speech(700, 1_600)], &[greeting]);
    }

    #[test]
    fn nothing_heard_is_unknown_until_something_is() {
        check(&[], &[(5_000, Party::Unknown, Reason::Silence)]);
        check(&[Speech(500, 560)], &[(5_000, Party::Unknown, Reason::Silence)]);
        check(
            &[Speech(6_000, 6_500)],
            &[(5_000, Party::Unknown, Reason::Silence), (7_500, Party::Person, Reason::ShortGreeting)],
        );
        check(
            &[Speech(9_500, 12_000)],
            &[(5_000, Party::Unknown, Reason::Silence), (13_000, Party::Person, Reason::ShortGreeting)],
        );
    }

    #[test]
    fn a_key_or_an_answer_is_a_person_and_stays_one() {
        let machine = (3_700, Party::Machine, Reason::LongGreeting);
        let talk = || Speech(500, 5_000);
        check(&[talk(), At(6_000, Sign::Key)], &[machine, (6_000, Party::Person, Reason::Key)]);
        check(&[talk(), At(6_000, Sign::Answer)], &[machine, (6_000, Party::Person, Reason::Answer)]);
        let key = (100, Party::Person, Reason::Key);
        check(&[At(100, Sign::Key), talk(), At(6_000, Sign::Words("请在滴声后留言"))], &[key]);
        check(&[At(100, Sign::Key), At(6_000, Sign::Tone(Tone::Busy))], &[key]);
    }

    #[test]
    fn tones_tell_that_nobody_is_there() {
        for tone in [Tone::Busy, Tone::Congestion, Tone::SpecialInformation, Tone::Fax, Tone::Dial] {
            check(&[At(1_500, Sign::Tone(tone))], &[(1_500, Party::Tone(tone), Reason::Tone)]);
        }
        // Ring-back sounds like talkspurts of a second.
        let ringing = [Speech(300, 1_300), At(1_400, Sign::Tone(Tone::RingBack))];
        check(&ringing, &[(5_000, Party::Unknown, Reason::Silence)]);
    }

    #[test]
    fn what_was_heard_before_the_answer_is_no_greeting() {
        let mut who = WhoAnswered::default();
        assert_eq!(who.handle(Sign::SpeechStarted { at: ms(100) }, ms(150)), None);
        assert_eq!(who.handle(Sign::SpeechEnded { at: ms(5_000) }, ms(5_200)), None);
        assert_eq!(who.poll_timeout(), None);
        assert_eq!(who.handle(Sign::Answered, ms(6_000)), None);
        assert_eq!(who.poll_timeout(), Some(ms(11_000)));
        let words = who.handle(Sign::Words("您拨打的电话已关机"), ms(6_500)).expect("a verdict");
        assert_eq!(words.party, Party::Announcement(Notice::SwitchedOff));
    }

    #[test]
    fn words_tell_who_speaks() {
        let check = |words: &str, expected| assert_eq!(party_of(words), expected, "{words}");
        let says = |notice| Some(Party::Announcement(notice));
        check("您好，您拨打的电话已关机。", says(Notice::SwitchedOff));
        check("Sorry, the subscriber you dialed is power off.", says(Notice::SwitchedOff));
        check("您拨打的用户正在通话中，请稍后再拨", says(Notice::Busy));
        check("您所拨打的电话暂时无法接通", says(Notice::Unreachable));
        check("对不起，您拨打的号码是空号，请查证后再拨", says(Notice::NoSuchNumber));
        check("您拨打的电话已停机", says(Notice::OutOfService));
        check("您拨打的电话暂时无人接听", says(Notice::NoAnswer));
        check("您拨打的电话已启用来电提醒功能", says(Notice::Other));
        check("您好，我现在不方便接听电话，请在滴声后留言。", Some(Party::Machine));
        check("您好，我是机主的智能助理，请问有什么事", Some(Party::Machine));
        check("喂？", Some(Party::Person));
        check("你好", Some(Party::Person));
        check("喂，哪位啊", Some(Party::Person));
        check("我儿子的手机关机了", None);
        check("这边的路灯坏了好久了都没有人来修哪里可以反映", None);
        check("", None);
    }

    #[test]
    fn words_weigh_by_who_alone_would_say_them() {
        let hello = At(1_000, Sign::Words("你好"));
        let person = (1_000, Party::Person, Reason::Words);
        check(&[hello, Speech(1_500, 6_000)], &[person]);
        let hello = At(1_000, Sign::Words("你好"));
        check(&[hello, At(3_000, Sign::Words("请留言"))], &[person, (3_000, Party::Machine, Reason::Words)]);
        let sure = |party, reason| Verdict { party, reason }.is_sure();
        assert!(sure(Party::Machine, Reason::Beep) && sure(Party::Machine, Reason::Words));
        assert!(!sure(Party::Machine, Reason::LongGreeting) && !sure(Party::Person, Reason::Words));
    }
}
