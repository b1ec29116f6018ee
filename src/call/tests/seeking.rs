//! Callers who want a person.

use super::*;

/// A call whose caller pressed 0 while somebody is at the desk.
fn seeking() -> World {
    let mut world = World::welcome(&[]);
    world.staffed = true;
    world.press('0');
    assert_eq!(world.last(), "seek");
    world
}

fn queued(ahead: usize, offer: bool) -> Input {
    Input::Queued { ahead, wait: Duration::from_secs(100), offer }
}

/// Lets what is playing end.
fn play_out(world: &mut World) {
    let (id, _, end) = world.playing.take().expect("something plays");
    world.at(end);
    world.give(Input::PlaybackDone { id, interrupted: false });
}

#[test]
fn a_caller_hears_the_place_then_the_telephone_ring_until_somebody_answers() {
    let mut world = seeking();
    world.give(queued(1, false));
    assert_eq!(
        world.last(),
        "queue.connecting queue.ahead yi.rising queue.people queue.wait liang queue.minutes queue.ringing"
    );
    for _ in 0..3 {
        play_out(&mut world);
        assert_eq!(world.last(), "queue.ringing");
    }
    world.give(queued(0, false));
    assert_eq!(world.last(), "queue.next queue.ringing");
    world.give(Input::PersonAnswered);
    assert_eq!(world.last(), "stop");
    assert_eq!(world.call.poll_timeout(), Some(world.start + MAX_CALL), "a talk is not timed");
}

#[test]
fn the_person_ends_the_call_and_leaves_a_case() {
    let mut world = seeking();
    world.give(queued(0, false));
    world.give(Input::PersonAnswered);
    world.press('0');
    world.pass(Duration::from_secs(20));
    world.give(Input::PersonLeft);
    assert_eq!(world.log[world.log.len() - 2..], ["open Person", "hang up flow"]);
}

#[test]
fn a_caller_on_hold_hears_music_and_one_who_is_parked_is_asked_to_stay() {
    let mut world = seeking();
    world.give(queued(0, false));
    world.give(Input::PersonAnswered);
    world.give(Input::PersonAway { held: true });
    assert_eq!(world.last(), "queue.held queue.music");
    play_out(&mut world);
    assert_eq!(world.last(), "queue.music");
    world.give(Input::PersonAnswered);
    assert_eq!(world.last(), "stop");
    world.give(Input::PersonAway { held: false });
    assert_eq!(world.last(), "queue.parked queue.music");
    world.give(queued(0, false));
    assert_eq!(world.last(), "queue.next queue.ringing", "at the head of the queue again");
    world.pass(CASE_AFTER);
    world.give(Input::NobodyReady);
    assert_eq!(
        world.log[world.log.len() - 2..],
        ["open Person", "hang up flow"],
        "after a talk no message is asked for"
    );
}

#[test]
fn nobody_means_a_message() {
    let mut world = seeking();
    world.give(queued(3, false));
    world.give(Input::NobodyReady);
    assert_eq!(world.last(), "person.none");
}

#[test]
fn who_has_waited_long_may_leave_a_message_instead() {
    let mut world = seeking();
    world.give(queued(3, false));
    world.press('1');
    assert!(world.last().ends_with("queue.ringing"), "nothing was offered yet: {}", world.last());
    world.give(queued(3, true));
    assert!(world.last().contains("queue.offer"), "{}", world.last());
    play_out(&mut world);
    world.press('1');
    assert_eq!(world.log[world.log.len() - 2..], ["leave desk", "person.none"]);
}

#[test]
fn shutdown_says_goodbye_to_who_waits() {
    let mut world = seeking();
    world.give(queued(0, false));
    world.give(Input::Drain);
    assert_eq!(world.log[world.log.len() - 2..], ["leave desk", "goodbye.early"]);
}
