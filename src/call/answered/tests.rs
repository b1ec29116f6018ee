//! Signs in order, with the verdict that each leaves.

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
