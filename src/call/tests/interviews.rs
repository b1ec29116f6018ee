//! Interviews within calls of ours: the notice first, answers kept before anything else is said, and every end.

use super::*;
use crate::survey::example::book;
use crate::survey::{InterviewEnd, Outcome};

/// A call that was answered, with no case and key 1 as the worst of each scale.
fn interview(script: &[Do]) -> World {
    let mut world = World::new(script);
    let interview = Interview::new(callback(), Arc::new(district()), None, Draw(0), []);
    world.call = Call::interview(interview, Arc::new(book()), world.call.facts.clone());
    world
}

#[track_caller]
fn check(script: &[Do], kept: &[&str], ended: EndReason, outcome: Outcome) {
    let mut world = interview(script);
    world.give(Input::Answered);
    for _ in 0..MAX_STEPS {
        if world.ended.is_none() {
            world.step();
        }
    }
    assert_eq!(world.log[..2], ["survey.notice", "record"]);
    let found: Vec<_> = world.log.iter().filter_map(|line| line.strip_prefix("keep ")).collect();
    assert_eq!(found, kept, "{:?}", world.log);
    assert_eq!((world.ended, world.call.outcome(false)), (Some(ended), Some(outcome)));
    assert_eq!(world.drafts, 0, "an interview leaves no case behind");
}

fn reached(answered: u16, applicable: u16, end: InterviewEnd) -> Outcome {
    Outcome::Reached { answered, applicable, end }
}

#[test]
fn every_question_by_key() {
    let keys = [Key('1'), Key('5'), Key('4'), Keys("3#"), Key('2'), Key('2')];
    let kept = [
        "solved=yes by key",
        "attitude=5 by key",
        "overall=4 by key",
        "trips=3 by key",
        "more=no by key",
        "coached=no by key",
    ];
    check(&keys, &kept, EndReason::Flow, reached(5, 5, InterviewEnd::Thanked));
}

#[test]
fn words_count_as_keys_do() {
    let kept = ["solved=yes by speech", "attitude=5 by key"];
    check(&[Say("解决了"), Key('5'), HangUp], &kept, EndReason::Caller, reached(2, 5, InterviewEnd::HungUp));
}

#[test]
fn who_wants_no_calls_is_left_alone() {
    check(&[Key('1'), Key('8')], &["solved=yes by key"], EndReason::Flow, reached(1, 5, InterviewEnd::OptedOut));
}

#[test]
fn a_machine_is_left_to_itself() {
    let mut world = interview(&[]);
    world.give(Input::Answered);
    world.give(Input::NobodyThere);
    assert_eq!(world.ended, Some(EndReason::Machine));
}

#[test]
fn an_answer_is_kept_before_the_next_question_and_its_delay_measured() {
    let mut world = interview(&[]);
    world.give(Input::Answered);
    for _ in 0..10 {
        if world.playing.is_some() {
            world.step();
        }
    }
    world.pass(Duration::from_millis(1_400));
    world.press('1');
    assert_eq!(world.latency, Some(Duration::from_millis(1_400)));
    let at = world.log.iter().position(|line| line == "keep solved=yes by key").expect("it was kept");
    assert!(world.log[at + 1].starts_with("survey.attitude"), "{:?}", world.log);
    // Over the question there is nothing to measure.
    world.press('5');
    assert_eq!(world.latency, None);
}

/// Put through once; when nobody takes the call the interview goes on, and who asks again is rung back.
#[test]
fn who_wants_a_person_is_put_through_or_goes_on() {
    let run = |script: &[Do], nobody_answers| {
        let mut world = World::new(script);
        let interview = Interview::new(callback(), Arc::new(district()), None, Draw(0), []).with_transfers(true);
        world.call = Call::interview(interview, Arc::new(book()), world.call.facts.clone());
        world.nobody_answers = nobody_answers;
        world.give(Input::Answered);
        for _ in 0..MAX_STEPS {
            if world.ended.is_none() {
                world.step();
            }
        }
        world
    };
    let talked = run(&[Key('1'), Say("转人工")], false);
    let at = talked.log.iter().position(|line| line == "survey.transfer.wait").expect("a word before");
    assert_eq!(talked.log[at + 1..], ["transfer", "hang up flow"]);
    assert_eq!(talked.call.outcome(false), Some(reached(1, 5, InterviewEnd::Transferred)));

    let nobody = run(&[Key('1'), Key('0'), Key('4'), Key('0')], true);
    let at = nobody.log.iter().position(|line| line == "transfer").expect("a trial");
    assert_eq!(nobody.log[at + 1], "survey.transfer.none");
    assert!(nobody.log[at + 2].starts_with("survey.attitude"), "{:?}", nobody.log);
    assert_eq!(nobody.log[at + 3], "keep attitude=4 by key");
    assert_eq!(nobody.log.iter().filter(|line| *line == "transfer").count(), 1, "{:?}", nobody.log);
    assert_eq!(nobody.call.outcome(false), Some(reached(2, 5, InterviewEnd::ToPerson)));
}
