//! Holds, and how calls end.

use super::*;

#[test]
fn whoever_hangs_up_leaves_a_case() {
    for script in [
        &[HangUpAt(Duration::from_secs(5))] as &[Do],
        &[Say(PENSION), HangUp],
        &[Key('0'), HangUpAt(Duration::from_secs(8))],
    ] {
        let world = run(script);
        let last = [world.log[world.log.len() - 2].as_str(), world.log[world.log.len() - 1].as_str()];
        assert_eq!(last, ["open Abandoned", "hang up caller"], "{script:?}");
        assert_eq!(world.drafts, 1);
    }
    let world = run(&[Say(PENSION), HangUp]);
    assert_eq!(world.draft.expect("a case").words, PENSION);
    // Too short to have said anything.
    assert_eq!(run(&[HangUpAt(Duration::from_secs(2))]).drafts, 0);
}

#[test]
fn whoever_hangs_up_while_the_number_is_told_leaves_one_case_only() {
    let world = run(&[Say(PENSION), Key('1'), Key('1'), Key('1'), HangUp]);
    assert_eq!(world.drafts, 1);
    assert_eq!(world.ended, Some(EndReason::Caller));
}

#[test]
fn no_number_is_spoken_that_is_not_durable() {
    let mut world = World::new(&[Say(PENSION), Key('1'), Key('1'), Key('1')]);
    world.store_fails = true;
    world.run();
    let log = &world.log[world.log.len() - 4..];
    assert_eq!(log, ["open Dialogue", "trouble.sorry callback.soon", "goodbye", "hang up flow"]);
}

#[test]
fn after_a_hold_the_question_is_asked_again() {
    let world = run(&[Key('2'), HoldAndBack, HangUp]);
    assert_eq!(world.log[4..6], ["say_request", "say_request"]);
}

#[test]
fn silence_of_the_line_the_longest_time_and_shutdown_end_the_call() {
    let check = |input: Input, reason| {
        let world = run(&[Say(PENSION), Give(input)]);
        assert_eq!((world.ended, world.drafts), (Some(reason), 1));
    };
    check(Input::MediaSilent, EndReason::NoRtp);
    check(Input::Drain, EndReason::Drain);
    let mut world = World::new(&[]);
    world.give(Input::Start);
    world.give(Input::Answered);
    world.give(Input::StreamChanged { held: true });
    world.give(Input::MediaSilent);
    assert_eq!(world.ended, None, "a held call is silent by right");
    assert_eq!(world.call.poll_timeout(), Some(world.start + MAX_CALL));
    world.pass(MAX_CALL);
    world.give(Input::Timeout);
    assert_eq!(world.ended, Some(EndReason::MaxDuration));
}

#[test]
fn who_gives_up_before_the_answer_is_noted_as_such() {
    let mut world = World::new(&[]);
    world.give(Input::Start);
    world.give(Input::HungUp);
    assert_eq!((world.ended, world.drafts), (Some(EndReason::Cancelled), 0));
}

#[test]
fn shutdown_waits_for_a_case_that_is_being_opened() {
    let mut world = World::new(&[Say(PENSION), Key('1'), Key('1')]);
    world.give(Input::Start);
    world.give(Input::Answered);
    while !world.script.is_empty() || world.playing.is_some() {
        world.step();
    }
    world.nobody_answers = true;
    world.press('1');
    world.give(Input::Drain);
    assert_eq!(world.last(), "open Dialogue");
    let due_on = "2026-10-05".parse().expect("a date");
    world.give(Input::CaseOpened { number: CaseNumber::from_serial(1_000_000), owner: PostId(7), due_on });
    assert_eq!(world.last(), told("owner.township", 10, 5, 1));
    while world.ended.is_none() {
        world.step();
    }
    assert_eq!((world.ended, world.drafts), (Some(EndReason::Drain), 1));
}

#[test]
fn a_number_told_into_a_hold_is_told_again() {
    let mut world = World::new(&[Say(PENSION), Key('1'), Key('1'), Key('1'), HoldAndBack]);
    world.run();
    let told = told("owner.township", 10, 5, 1);
    assert_eq!(world.log.iter().filter(|l| **l == told).count(), 2);
    assert_eq!(world.drafts, 1);
}

/// Somebody who presses keys for ever is served by a recording in the end.
#[test]
fn turns_without_end_lead_to_a_recording() {
    let mut world = World::welcome(&[]);
    for _ in 1..crate::flow::MAX_TURNS {
        world.press('9');
    }
    assert_eq!(world.last(), "slowly record.begin");
}

#[test]
fn a_notice_held_away_is_played_again() {
    let mut world = World::new(&[]);
    world.give(Input::Start);
    world.give(Input::Answered);
    world.give(Input::StreamChanged { held: true });
    world.give(Input::StreamChanged { held: false });
    assert_eq!(world.log, ["answer", "notice", "notice"]);
}

#[test]
fn a_message_goes_on_after_a_hold() {
    let mut world = World::welcome(&[Key('0')]);
    while !world.script.is_empty() || world.playing.is_some() {
        world.step();
    }
    world.give(Input::StreamChanged { held: true });
    world.pass(Duration::from_secs(100));
    world.give(Input::StreamChanged { held: false });
    assert_eq!((world.last(), world.patience()), ("beep", Duration::from_secs(10)));
}
