//! What cuts what short, and how long is waited.

use super::*;

#[test]
fn the_first_nudge_comes_after_ten_seconds_the_next_after_twenty() {
    let mut world = World::new(&[]);
    world.give(Input::Start);
    world.give(Input::Answered);
    let mut waits = Vec::new();
    while waits.len() < 3 {
        let before = world.now;
        let waiting = world.playing.is_none();
        world.step();
        if waiting {
            waits.push((world.now - before).as_secs());
        }
    }
    assert_eq!(waits, [10, 20, 20]);
}

#[test]
fn the_first_key_mutes_speech() {
    let mut world = World::new(&[Key('#'), Key('1')]);
    world.give(Input::Start);
    world.give(Input::Answered);
    while !world.script.is_empty() {
        world.step();
    }
    // Talk while keying: no utterance, and the time between keys goes on running.
    let due = world.call.poll_timeout();
    world.give(Input::SpeechStarted { at: world.media_time() });
    world.give(Input::SpeechEnded { at: world.media_time() });
    assert_eq!(world.call.poll_timeout(), due);
    for key in "0000004#".chars() {
        world.give(Input::Digit { key, source: KeySource::Rtp });
    }
    assert_eq!(world.log.last().map(String::as_str), Some("progress.unknown"));
}

#[test]
fn a_key_stops_a_prompt_at_once_and_its_speech_is_not_awaited() {
    let world = run(&[KeyOver("welcome", '2'), HangUp]);
    assert_eq!(world.log[3..6], [MENU, "stop", "say_request"]);
    // An utterance that was under way is dropped.
    let mut world = World::new(&[]);
    world.give(Input::Start);
    world.give(Input::Answered);
    while world.playing.is_some() {
        world.step();
    }
    world.give(Input::SpeechStarted { at: world.media_time() });
    world.give(Input::Digit { key: '2', source: KeySource::Info });
    world.give(Input::SpeechEnded { at: world.media_time() });
    assert_eq!(world.log.last().map(String::as_str), Some("say_request"));
    assert_eq!(world.call.last_ask, 0);
}

#[test]
fn speech_of_a_quarter_second_stops_a_prompt_that_allows_it() {
    let world = run(&[SayOver("welcome", 1_500, "医保报销要什么材料"), HangUp]);
    assert_eq!(world.log[3..6], [MENU, "stop", "dictate_place"]);
    // A click does not.
    let world = run(&[SayOver("welcome", 40, ""), Key('2'), HangUp]);
    assert_eq!(world.log[3..5], [MENU, "say_request"]);
}

#[test]
fn who_speaks_into_the_end_of_a_prompt_is_heard_from_the_first_sound() {
    let mut world = World::new(&[Key('2'), Say("我要办退休")]);
    world.give(Input::Start);
    world.give(Input::Answered);
    // To the read-back of the place, which only a key stops.
    while world.log.last().is_none_or(|l| l != "dictate_place") {
        world.step();
    }
    let from = world.media_time();
    world.hears.push_back(Ok("大营社区三号"));
    world.give(Input::SpeechStarted { at: from });
    world.idle_until(from + Duration::from_millis(100));
    let (id, _, end) = world.playing.clone().expect("the question");
    world.at(end);
    world.playing = None;
    world.give(Input::PlaybackDone { id, interrupted: false });
    world.pass(Duration::from_secs(1));
    world.give(Input::SpeechEnded { at: world.media_time() });
    world.time_out();
    assert_eq!(world.log.last().map(String::as_str), Some("readback.place d.3.end"));
}

#[test]
fn a_pause_within_a_sentence_does_not_end_it() {
    let mut world = World::new(&[]);
    world.give(Input::Start);
    world.give(Input::Answered);
    while world.playing.is_some() {
        world.step();
    }
    world.hears.push_back(Ok(PENSION));
    let first = world.media_time();
    world.give(Input::SpeechStarted { at: first });
    world.pass(Duration::from_secs(1));
    world.give(Input::SpeechEnded { at: world.media_time() });
    world.pass(Duration::from_millis(700));
    world.give(Input::Timeout);
    assert_eq!(world.call.last_ask, 0);
    world.give(Input::SpeechStarted { at: world.media_time() });
    world.pass(Duration::from_secs(1));
    world.give(Input::SpeechEnded { at: world.media_time() });
    world.pass(Duration::from_millis(800));
    world.give(Input::Timeout);
    assert_eq!(world.call.last_ask, 1);
    assert_eq!(world.log.last().map(String::as_str), Some("readback.window window.7"));
}

#[test]
fn a_cough_is_no_answer_and_does_not_lengthen_the_wait() {
    let mut world = World::new(&[Noise(300)]);
    world.give(Input::Start);
    world.give(Input::Answered);
    while world.playing.is_some() {
        world.step();
    }
    let due = world.call.poll_timeout();
    world.step();
    assert_eq!(world.call.last_ask, 1);
    assert_eq!(world.call.poll_timeout(), due);
    world.step();
    assert_eq!(world.log.last().map(String::as_str), Some("nudge"));
}

#[test]
fn nothing_cuts_the_notice_and_nothing_is_recorded_before_its_end() {
    let mut world = World::new(&[]);
    world.give(Input::Start);
    world.give(Input::Answered);
    world.give(Input::Digit { key: '0', source: KeySource::Rtp });
    world.give(Input::SpeechStarted { at: Duration::ZERO });
    world.pass(Duration::from_secs(2));
    world.give(Input::SpeechEnded { at: world.media_time() });
    world.give(Input::Timeout);
    assert_eq!(world.log, ["answer", "notice"]);
    world.step();
    assert_eq!(world.log[2..], ["record", MENU]);
}

#[test]
fn a_notice_that_cannot_be_played_ends_the_call_unrecorded() {
    let mut world = World::new(&[]);
    world.give(Input::Start);
    world.give(Input::Answered);
    for _ in 0..3 {
        let (id, _, _) = world.playing.take().expect("the notice");
        world.give(Input::PlaybackDone { id, interrupted: true });
    }
    assert_eq!(world.log, ["answer", "notice", "notice", "notice", "hang up error"]);
}

/// A caller's hold music never pauses: each stretch is cut at the recogniser's window, and none is sent twice (P16).
#[test]
fn endless_sound_is_cut_and_leads_to_a_recording() {
    let mut world = World::new(&[]);
    world.give(Input::Start);
    world.give(Input::Answered);
    world.give(Input::SpeechStarted { at: world.media_time() });
    for _ in 0..200 {
        if world.ended.is_some() {
            break;
        }
        world.hears.push_back(Err(Nothing::Empty));
        world.step();
    }
    assert!(world.log.contains(&"not_understood.2 record.begin".to_owned()), "{:?}", world.log);
    assert_eq!(world.ended, Some(EndReason::Flow));
    assert!(world.now - world.start < Duration::from_secs(8 * 60), "{:?}", world.now - world.start);
    assert!(
        world.asked.windows(2).all(|pair| pair[0].1 <= pair[1].0 + Duration::from_millis(300)),
        "{:?}",
        world.asked
    );
}

/// What the caller hears after a talkspurt, and how long a pause must be to end it.
#[track_caller]
fn pause(way: &[Do], expected_ms: u128) {
    let mut world = World::welcome(way);
    while !world.script.is_empty() || world.playing.is_some() {
        world.step();
    }
    world.give(Input::SpeechStarted { at: world.media_time() });
    world.pass(Duration::from_secs(1));
    world.give(Input::SpeechEnded { at: world.media_time() });
    assert_eq!(world.patience().as_millis(), expected_ms, "{way:?}");
}

#[test]
fn slow_speakers_and_those_who_dictate_have_more_time() {
    pause(&[], 800);
    pause(&[Key('9')], 2_500);
    pause(&[Key('2')], 800);
    pause(&[Key('2'), Say("我要办退休手续")], 3_000);
    pause(&[Key('9'), Key('2'), Say("我要办退休手续")], 3_000);
    pause(&[Key('#')], 3_000);
}

#[test]
fn slow_keys_have_more_time() {
    let check = |way: &[Do], expected| {
        let mut world = World::welcome(way);
        while !world.script.is_empty() || world.playing.is_some() {
            world.step();
        }
        world.press('1');
        assert_eq!(world.patience().as_secs(), expected, "{way:?}");
    };
    check(&[Key('#')], 4);
    check(&[Key('9'), Key('#')], 6);
}

#[test]
fn hash_ends_a_request_at_once() {
    let mut world = World::welcome(&[Key('2')]);
    while !world.script.is_empty() || world.playing.is_some() {
        world.step();
    }
    let from = world.media_time();
    world.hears.push_back(Ok("我要办退休手续"));
    world.give(Input::SpeechStarted { at: from });
    world.pass(Duration::from_secs(2));
    world.press('#');
    assert_eq!(world.last(), "dictate_place");
    assert_eq!(world.asked, [(from.saturating_sub(Duration::from_millis(300)), from + Duration::from_secs(2))]);
}

#[test]
fn a_recogniser_or_store_that_never_answers_is_not_waited_for() {
    let mut world = World::welcome(&[Say("医保")]);
    world.nobody_answers = true;
    world.step();
    let asked = world.now;
    while world.last() != "degraded.speech" {
        world.step();
    }
    assert_eq!((world.now - asked).as_millis(), 6_500);

    let mut world = World::new(&[Say(PENSION), Key('1'), Key('1')]);
    world.give(Input::Start);
    world.give(Input::Answered);
    while !world.script.is_empty() || world.playing.is_some() {
        world.step();
    }
    world.nobody_answers = true;
    world.press('1');
    assert_eq!((world.last(), world.patience()), ("open Dialogue", STORE_WAIT));
    world.time_out();
    assert_eq!(world.last(), "trouble.sorry callback.soon");

    let mut world = World::welcome(&[Key('#')]);
    world.nobody_answers = true;
    world.script.push_back(Keys("10000004#"));
    while !world.script.is_empty() || world.playing.is_some() {
        world.step();
    }
    world.time_out();
    assert_eq!(world.last(), "trouble.sorry record.begin");
}

#[test]
fn a_message_ends_at_hash_a_long_pause_or_its_longest_time() {
    let begin = || {
        let mut world = World::welcome(&[Key('0')]);
        while !world.script.is_empty() || world.playing.is_some() {
            world.step();
        }
        world.give(Input::SpeechStarted { at: world.media_time() });
        world
    };
    let mut world = begin();
    world.press('5');
    assert_eq!(world.last(), "beep");
    world.press('#');
    assert_eq!(world.last(), "record.done");

    let mut world = begin();
    world.pass(Duration::from_secs(5));
    world.give(Input::SpeechEnded { at: world.media_time() });
    assert_eq!(world.patience(), Duration::from_secs(6));

    let mut world = begin();
    assert_eq!(world.patience(), Duration::from_secs(180));
    world.time_out();
    assert_eq!(world.last(), "record.done");
}

#[test]
fn a_key_skips_what_leads_to_the_tone_but_not_the_tone() {
    let mut world = World::welcome(&[Key('0')]);
    world.step();
    assert_eq!(world.last(), "person.none");
    world.press('#');
    assert_eq!(world.last(), "beep");
    world.press('#');
    assert_eq!(world.last(), "beep");
}

#[test]
fn a_key_cuts_the_goodbye() {
    let world = run(&[Say(PENSION), Key('1'), Key('1'), Key('1'), KeyOver("goodbye", '1')]);
    assert_eq!(world.log[world.log.len() - 3..], ["goodbye", "stop", "hang up flow"]);
}

#[test]
fn an_uncertain_yes_is_asked_for_again() {
    let mut world = World::welcome(&[Say(PENSION), Say("对")]);
    world.confidence = 0.3;
    while !world.script.is_empty() || world.playing.is_some() {
        world.step();
    }
    assert_eq!(world.last(), "not_understood.1");
}

#[test]
fn a_slow_recogniser_has_the_caller_asked_for_patience() {
    let begin = || {
        let mut world = World::welcome(&[Say("医保")]);
        world.nobody_answers = true;
        world.step();
        assert_eq!(world.patience().as_millis(), 1_500);
        world.time_out();
        assert_eq!(world.last(), "moment");
        world
    };
    let heard = || Input::Heard { ask: AskId(1), text: "医保怎么报销啊".to_owned(), confidence: 0.9 };

    // The answer waits for the end of what is being said, and comes at once after it.
    let mut world = begin();
    world.give(heard());
    assert_eq!(world.last(), "moment");
    world.step();
    assert_eq!(world.last(), "say_request");
    let mut world = begin();
    world.step();
    world.give(heard());
    assert_eq!(world.last(), "say_request");

    // A key or more words cut it.
    let mut world = begin();
    world.press('2');
    assert_eq!(world.log[world.log.len() - 2..], ["stop", "say_request"]);
    let mut world = begin();
    world.give(Input::SpeechStarted { at: world.media_time() });
    assert_eq!(world.last(), "stop");
    world.give(heard());
    assert_eq!(world.last(), "stop", "the whole utterance is asked for again");
}

#[test]
fn speech_that_goes_on_into_a_prompt_that_allows_it_stops_it() {
    let mut world = World::welcome(&[Say(PENSION)]);
    world.step();
    assert_eq!(world.last(), "readback.window window.7");
    world.hears.push_back(Ok("对"));
    world.give(Input::SpeechStarted { at: world.media_time() });
    // Only a key stops this one.
    assert_eq!(world.call.poll_timeout(), Some(world.start + MAX_CALL));
    world.step();
    assert_eq!(world.last(), "readback.confirm");
    world.time_out();
    assert_eq!(world.last(), "stop");
    world.give(Input::SpeechEnded { at: world.media_time() });
    world.time_out();
    assert_eq!(world.last(), "readback.place org.100");
}
