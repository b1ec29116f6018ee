//! Interviews as scripts: what is done, and what comes of it.

use super::*;
use crate::directory::example::district;
use crate::flow::{Keys, Listening};
use crate::survey::example::{at, book, callback};

/// Scales with key 1 as the worst, and as the best.
const UP: Draw = Draw(0);
const DOWN: Draw = Draw(1);

fn subject() -> Subject {
    Subject {
        number: CaseNumber::from_serial(1_234_567),
        opened_on: NaiveDate::from_ymd_opt(2026, 9, 20).unwrap_or_default(),
        owner: PostId(4),
        due_on: NaiveDate::from_ymd_opt(2026, 9, 25).unwrap_or_default(),
    }
}

fn key(key: char) -> Event {
    Event::Key(key)
}

fn digits(digits: &str) -> Event {
    Event::Entered(digits.to_owned())
}

fn words(text: &str) -> Event {
    Event::Words { text: text.to_owned(), confidence: 0.9 }
}

fn interview(draw: Draw) -> Interview {
    Interview::new(callback(), Arc::new(district()), Some(subject()), draw, [])
}

/// Runs a script after the greeting; the answers as `question=value`, in order.
fn run(interview: &mut Interview, script: &[Event]) -> (Vec<String>, Turn) {
    let wall = at("2026-09-28T10:00");
    let mut turn = interview.handle(Event::Began, wall);
    let mut answers = Vec::new();
    for event in script {
        turn = interview.handle(event.clone(), wall);
        answers.extend(interview.take_answers().into_iter().map(|a| format!("{}={}", a.question, a.value)));
    }
    (answers, turn)
}

#[track_caller]
fn check(draw: Draw, script: &[Event], expected: &str, code: &str) {
    let mut interview = interview(draw);
    let (answers, _) = run(&mut interview, script);
    assert_eq!(answers.join(" "), expected);
    assert_eq!(interview.outcome(false).disposition().code(), code);
}

#[test]
fn a_whole_interview_by_keys() {
    let script = [key('1'), key('1'), key('4'), key('5'), digits("2"), key('2'), key('2')];
    check(UP, &script, "solved=yes kept=yes attitude=4 overall=5 trips=2 more=no coached=no", "1.1");
    check(DOWN, &script, "solved=yes kept=yes attitude=2 overall=1 trips=2 more=no coached=no", "1.1");
}

#[test]
fn a_whole_interview_in_words_needs_no_direction() {
    let script = [
        words("没有解决。"),
        words("没做到"),
        words("非常不满意"),
        words("一般"),
        words("跑了三趟"),
        words("有"),
        Event::Recorded,
        words("没有人"),
    ];
    let expected = "solved=no kept=no attitude=1 overall=3 trips=3 more=yes remark=remark coached=no";
    check(UP, &script, expected, "1.1");
    check(DOWN, &script, expected, "1.1");
}

#[test]
fn keys_and_words_mix_and_hash_is_no_trip() {
    let script = [words("解决了"), key('2'), words("四"), words("满意"), key('#'), key('2'), key('1')];
    check(UP, &script, "solved=yes kept=no attitude=4 overall=4 trips=0 more=no coached=yes", "1.1");
}

#[test]
fn what_was_answered_before_a_hang_up_is_kept() {
    check(UP, &[], "", "2.11");
    check(UP, &[key('1')], "solved=yes", "2.12");
    check(UP, &[key('1'), key('1'), key('5')], "solved=yes kept=yes attitude=5", "1.2");
}

#[test]
fn an_interview_goes_on_at_the_first_question_without_an_answer() {
    let given = [("solved", "yes"), ("kept", "no"), ("attitude", "6"), ("gone", "1")];
    let given = given.map(|(question, value)| (question.to_owned(), value.to_owned()));
    let mut interview = Interview::new(callback(), Arc::new(district()), Some(subject()), UP, given);
    let (answers, _) = run(&mut interview, &[key('5'), key('5'), key('#'), key('2'), key('2')]);
    assert_eq!(answers.join(" "), "attitude=5 overall=5 trips=0 more=no coached=no");
    assert_eq!(interview.outcome(false).disposition().code(), "1.1");
}

#[test]
fn going_back_gives_an_answer_anew() {
    let script = [key('1'), key('*'), key('2'), key('2')];
    check(UP, &script, "solved=yes solved=no kept=no", "2.12");
    check(UP, &[key('*')], "", "2.11");
}

#[test]
fn the_promise_is_not_asked_about_where_there_is_no_case() {
    let mut interview = Interview::new(callback(), Arc::new(district()), None, UP, []);
    let wall = at("2026-09-28T10:00");
    let opening = interview.handle(Event::Began, wall).say;
    assert_eq!(opening[0].as_str(), "survey.about_service");
    interview.handle(key('2'), wall);
    assert_eq!(interview.state(), "attitude");
    assert!(interview.take_answers().iter().all(|a| !a.reopens), "no case, nothing to reopen");
}

#[test]
fn dissatisfaction_reopens_the_case() {
    let mut interview = interview(DOWN);
    let wall = at("2026-09-28T10:00");
    interview.handle(Event::Began, wall);
    for event in [key('2'), key('2'), key('4'), key('3')] {
        interview.handle(event, wall);
    }
    let reopens: Vec<_> = interview.take_answers().into_iter().map(|a| (a.value.to_string(), a.reopens)).collect();
    let expected = [("no", true), ("no", false), ("2", true), ("3", false)];
    assert_eq!(reopens, expected.map(|(value, reopens)| (value.to_owned(), reopens)));
}

#[test]
fn it_says_who_rings_and_about_which_case() {
    let said = interview(UP).handle(Event::Began, at("2026-09-28T10:00")).say;
    let text = book().text(&said);
    assert!(text.contains("九月") && text.contains("二十号"), "{text}");
    assert!(text.contains("二三四五六七"), "{text}");
    assert!(text.contains("按井号核实"), "{text}");
}

#[test]
fn who_wants_no_calls_or_a_person_is_heard_anywhere() {
    for event in [key('8'), words("你们别再打了")] {
        check(UP, std::slice::from_ref(&event), "", "2.11");
        let mut interview = interview(UP);
        let (_, turn) = run(&mut interview, &[key('1'), event]);
        assert_eq!(turn, Turn { say: vec!["survey.no_more".into()], then: Then::HangUp });
    }
    for event in [key('0'), words("我要找人")] {
        check(UP, std::slice::from_ref(&event), "", "2.36");
        // While a number is keyed, a lone 0 still asks for a person; a number with one does not.
        check(UP, &[key('1'), key('1'), key('5'), key('5'), event], "solved=yes kept=yes attitude=5 overall=5", "1.2");
    }
    let at_trips = [key('1'), key('1'), key('5'), key('5'), digits("10")];
    check(UP, &at_trips, "solved=yes kept=yes attitude=5 overall=5 trips=10", "1.2");
}

#[test]
fn slower_and_again_repeat_the_question() {
    let mut interview = interview(UP);
    let (_, turn) = run(&mut interview, &[key('9')]);
    assert_eq!(turn.say, [PromptId::from("slower_on"), "survey.solved".into()]);
    assert!(interview.slow());
    let Then::Listen(Listening { end_of_turn, .. }) = turn.then else { panic!("{turn:?}") };
    assert!(end_of_turn.as_millis() >= 2_500, "an elder has time to think");
    assert_eq!(interview.handle(words("再说一遍"), at("2026-09-28T10:00")).say, [PromptId::from("survey.solved")]);
}

#[test]
fn silence_leads_on_and_at_last_to_goodbye() {
    let silence = [Event::Silence, Event::Silence, Event::Silence];
    let mut interview = interview(UP);
    let (_, turn) = run(&mut interview, &silence);
    assert_eq!((interview.state(), turn.say[0].as_str()), ("kept", "survey.pass"));
    let mut turn = turn;
    for _ in 0..3 {
        turn = interview.handle(Event::Silence, at("2026-09-28T10:00"));
    }
    assert_eq!(turn.then, Then::HangUp);
    assert_eq!(interview.outcome(false).disposition().code(), "2.11");
}

#[test]
fn what_nobody_understands_is_passed_over() {
    let unclear = [words("我家的鸡跑了"), words("不知道"), Event::Unintelligible];
    let mut interview = interview(UP);
    run(&mut interview, &unclear);
    assert_eq!(interview.state(), "kept");
    // An uncertain word is no answer.
    let unsure = Event::Words { text: "对".into(), confidence: 0.2 };
    let (answers, _) = run(&mut super::tests::interview(UP), &[unsure]);
    assert_eq!(answers, [] as [&str; 0]);
}

#[test]
fn a_number_has_as_many_digits_as_its_greatest() {
    let mut interview = interview(UP);
    let (_, turn) = run(&mut interview, &[key('1'), key('1'), key('5'), key('5')]);
    let Then::Listen(Listening { keys, .. }) = turn.then else { panic!("{turn:?}") };
    assert_eq!(keys, Keys::Number(2));
    assert!(keys.complete("12") && !keys.complete("1"));
}

#[test]
fn a_shutdown_says_goodbye_and_the_rest_is_asked_another_day() {
    let mut interview = interview(UP);
    run(&mut interview, &[key('1'), Event::Drain]);
    let outcome = interview.outcome(true);
    assert!(matches!(outcome, Outcome::Reached { answered: 1, end: InterviewEnd::Ours, .. }), "{outcome:?}");
}

#[test]
fn random_events_always_end() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let mut interview = interview(Draw(seed));
        let wall = at("2026-09-28T10:00");
        interview.handle(Event::Began, wall);
        let ended = (0..200).any(|_| {
            let event = match random.below(6) {
                0 => Event::Key(char::from(b"12345679*#"[random.below(10) as usize])),
                1 => Event::Entered(random.below(1_000).to_string()),
                2 => words(["满意", "没有", "啊", "再说一遍", "返回", "三"][random.below(6) as usize]),
                3 => Event::Silence,
                4 => Event::Recorded,
                _ => Event::RecogniserDown,
            };
            interview.handle(event, wall).then == Then::HangUp
        });
        assert!(ended, "seed {seed}");
        assert_eq!(interview.handle(Event::Key('1'), wall).then, Then::HangUp, "seed {seed}: nothing after the end");
    }
}

/// An interview is over within two minutes at normal speed, with two seconds for each answer.
#[test]
fn an_interview_takes_less_than_two_minutes() {
    let mut interview = interview(UP);
    let wall = at("2026-09-28T10:00");
    let mut said = interview.survey().notice.clone();
    said.extend(interview.handle(Event::Began, wall).say);
    let script = [key('1'), key('1'), key('4'), key('5'), digits("2"), key('2'), key('2')];
    for event in &script {
        said.extend(interview.handle(event.clone(), wall).say);
    }
    let seconds = |id: &PromptId| {
        let path = format!("{}/prompts/zh-CN/{id}.wav", env!("CARGO_MANIFEST_DIR"));
        let wav = hound::WavReader::open(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        f64::from(wav.duration()) / f64::from(wav.spec().sample_rate)
    };
    let spoken: f64 = said.iter().map(seconds).sum();
    let whole = spoken + 2.0 * script.len() as f64;
    assert!((60.0..120.0).contains(&whole), "{spoken:.1} s spoken, {whole:.1} s in all");
}
