//! What is said and asked, call by call.

use super::*;

#[test]
fn words_alone_open_the_case() {
    let draft = check(
        &[Say(PENSION), Say("对"), Say("对的"), Key('1')],
        &[
            MENU,
            "readback.window window.7",
            "readback.confirm",
            "readback.place org.100",
            "readback.confirm",
            PHONE,
            "readback.confirm",
            "open Dialogue",
            &told("owner.township", 10, 5, 1),
            "goodbye",
            "hang up flow",
        ],
    );
    assert_eq!(draft.words, PENSION);
    assert_eq!(draft.place, "我们住在高龙潭社区");
    assert_eq!(draft.callback, PhoneNumber::parse("13812341234"));
    assert_eq!(draft.owner, PostId(7));
    assert_eq!(draft.promise, "5个工作日办结");
    assert!(draft.received_at < draft.opened_at);
}

#[test]
fn keys_alone_open_the_case() {
    let draft = check(
        &[Key('2'), Say("我要办退休"), Say("高龙坝四十二号"), Key('1'), Key('2'), Keys("13900001111"), Key('1')],
        &[
            MENU,
            "say_request",
            "dictate_place",
            "readback.place d.4 d.2.end",
            "readback.confirm",
            PHONE,
            "readback.confirm",
            "readback.again key_phone",
            "readback.phone d.yao d.3 d.9 pause d.0 d.0 d.0 d.0 pause d.yao d.yao d.yao d.yao.end",
            "readback.confirm",
            "open Dialogue",
            &told("owner.district.2", 10, 5, 1),
            "goodbye",
            "hang up flow",
        ],
    );
    assert_eq!(draft.window.map(|w| w.0), Some(2));
    assert_eq!(draft.callback, PhoneNumber::parse("13900001111"));
}

#[test]
fn a_person_is_a_recording_that_becomes_a_case() {
    for asks in [Key('0'), Say("我要找人"), Say("转人工")] {
        let draft = check(
            &[asks, Say("请给我回电话"), Silent],
            &[
                MENU,
                "person.none",
                "beep",
                "record.done",
                "open Person",
                &format!("{} callback.soon", told("owner.duty", 10, 5, 1)),
                "goodbye",
                "hang up flow",
            ],
        );
        assert_eq!(draft.window, None);
    }
}

#[test]
fn out_of_hours_the_time_of_the_call_back_is_promised() {
    let mut world = World::new(&[Key('0'), Say("请给我回电话")]);
    world.wall = "2026-09-28T20:00:00+08:00".parse().expect("a moment");
    world.run();
    assert_eq!(world.log[4], "person.afterhours");
    let told = &world.log[8];
    assert!(told.ends_with("callback.promise tomorrow noon hour.12 callback.promise.tail"), "{told}");
}

#[test]
fn three_silences_lead_to_a_recording() {
    check(
        &[Silent, Silent, Silent, Silent],
        &[
            MENU,
            "nudge",
            "nudge.key",
            "silence.record",
            "beep",
            "record.done",
            "open Recording",
            &format!("{} callback.soon", told("owner.duty", 10, 5, 1)),
            "goodbye",
            "hang up flow",
        ],
    );
}

#[test]
fn three_wrong_keys_lead_to_a_recording() {
    check(
        &[Key('A'), Key('B'), Key('C'), Say("我找不到窗口")],
        &[
            MENU,
            &format!("wrong_key {MENU_AGAIN}"),
            &format!("wrong_key {MENU_AGAIN}"),
            "record.begin",
            "beep",
            "record.done",
            "open Recording",
            &format!("{} callback.soon", told("owner.duty", 10, 5, 1)),
            "goodbye",
            "hang up flow",
        ],
    );
}

#[test]
fn twice_not_understood_leads_to_keys_thrice_to_a_recording() {
    check(
        &[Say("嗯哪"), Noise(2_000), Say("哦哟"), Say("……")],
        &[
            MENU,
            "not_understood.1",
            &format!("nudge.key {MENU_AGAIN}"),
            "not_understood.2 record.begin",
            "beep",
            "record.done",
            "open Recording",
            &format!("{} callback.soon", told("owner.duty", 10, 5, 1)),
            "goodbye",
            "hang up flow",
        ],
    );
}

#[test]
fn a_request_that_fits_no_window_is_kept() {
    let draft = check(
        &[Say("我家后面的水沟堵了很久了"), Key('8'), Say("大营社区"), Key('1')],
        &[
            MENU,
            "thanks_words",
            &format!("nudge.key {MENU_AGAIN}"),
            // The words are known: only the place is asked for.
            "dictate_place",
            PHONE,
            "readback.confirm",
            "open Dialogue",
            &told("owner.district.8", 10, 5, 1),
            "goodbye",
            "hang up flow",
        ],
    );
    assert_eq!(draft.words, "我家后面的水沟堵了很久了");
}

#[test]
fn a_late_recogniser_offers_keys_then_records() {
    check(
        &[SayBusy, SayBusy, Say("没办法")],
        &[
            MENU,
            "degraded.speech",
            MENU_AGAIN,
            "trouble.sorry record.begin",
            "beep",
            "record.done",
            "open Recording",
            &format!("{} callback.soon", told("owner.duty", 10, 5, 1)),
            "goodbye",
            "hang up flow",
        ],
    );
    // What is dictated needs no recogniser: the recording has it.
    let draft = check(
        &[Key('4'), SayBusy, SayBusy, Key('1')],
        &[
            MENU,
            "say_request",
            "thanks_words",
            "dictate_place",
            &format!("thanks_words {PHONE}"),
            "readback.confirm",
            "open Dialogue",
            &told("owner.duty", 10, 5, 1),
            "goodbye",
            "hang up flow",
        ],
    );
    assert_eq!(draft.words, "");
}

#[test]
fn nine_speaks_slowly_from_then_on() {
    let world = run(&[Key('9'), Say("慢一点"), HangUp]);
    assert_eq!(world.log[3..8], [MENU, "slowly slower_on", "slowly ask menu", "slowly slower_on", "slowly ask menu"]);
}

#[test]
fn star_goes_back() {
    let world = run(&[Key('3'), Key('*'), Key('2'), Say("返回"), HangUp]);
    let there_and_back = ["say_request", "back", MENU_AGAIN];
    assert_eq!(world.log[4..7], there_and_back);
    assert_eq!(world.log[7..10], there_and_back);
}

#[test]
fn progress_by_number() {
    let answer = ProgressAnswer {
        state: crate::cases::State::Handling,
        owner: PostId(3),
        due_on: "2026-10-09".parse().expect("a date"),
    };
    let mut world = World::new(&[Key('#'), Keys("10000005#"), Keys("10000004#"), Say("再说一遍")]);
    world.progress = Some(answer);
    world.run();
    let told = "progress.is state.handling case.owner owner.district.2 case.owner.tail case.due month.10 day.9 week.5 case.due.tail";
    assert_eq!(
        world.log[3..],
        [MENU, "progress.ask", "progress.wrong_check", "look up 10000004", told, told, "goodbye", "hang up flow",]
    );
    assert_eq!(world.drafts, 0, "whoever only asks needs no case");
}

#[test]
fn an_unknown_number_thrice_leads_to_a_recording() {
    let world = run(&[Key('#'), Keys("10000004#"), Say("一零零零零零零四"), Keys("10000004#"), Say("我的编号查不到")]);
    let asked = ["look up 10000004", "progress.unknown"];
    assert_eq!(
        world.log[5..],
        [
            asked[0],
            asked[1],
            asked[0],
            asked[1],
            asked[0],
            "record.begin",
            "beep",
            "record.done",
            "open Recording",
            &format!("{} callback.soon", told("owner.duty", 10, 5, 1)),
            "goodbye",
            "hang up flow",
        ]
    );
}

#[test]
fn a_lone_zero_is_a_person_even_where_numbers_are_keyed() {
    let world = run(&[Key('#'), Key('0'), HangUpAt(Duration::from_secs(10))]);
    assert_eq!(world.log[4..6], ["progress.ask", "person.none"]);
}

#[test]
fn a_number_ends_with_hash_or_a_pause_and_star_begins_it_anew() {
    let world = run(&[Key('#'), Keys("999*10000004"), HangUpAt(Duration::from_secs(40))]);
    assert_eq!(world.log[4..6], ["progress.ask", "look up 10000004"]);
}

#[test]
fn the_number_can_be_heard_again_but_not_for_ever() {
    let world = run(&[
        Say(PENSION),
        Key('1'),
        Key('1'),
        Key('1'),
        Say("再说一遍"),
        Key('5'),
        Key('9'),
        Key('*'),
        Say("没听清"),
    ]);
    let told = told("owner.township", 10, 5, 1);
    let count = world.log.iter().filter(|l| l.contains(&told)).count();
    assert_eq!(count, 4);
    assert_eq!(world.drafts, 1);
    assert_eq!(world.ended, Some(EndReason::Flow));
}

#[test]
fn danger_is_answered_with_advice_first() {
    let world = run(&[Say("楼上着火了"), HangUpAt(Duration::from_secs(10))]);
    assert_eq!(world.log[4..6], ["emergency.advice", "person.none"]);
    assert_eq!(world.draft.expect("a case").words, "楼上着火了");
    // A matter of a window goes on as one.
    let world = run(&[Say("我爸晕倒住院了医保怎么报销"), HangUp]);
    assert_eq!(world.log[4], "emergency.advice");
    assert_eq!(world.log[5], "dictate_place");
}

#[test]
fn a_field_found_wrong_thrice_leads_to_a_recording() {
    let world = run(&[
        Say(PENSION),
        Key('2'),
        Say(PENSION),
        Say("不对"),
        Say(PENSION),
        Key('2'),
        HangUpAt(Duration::from_secs(60)),
    ]);
    let asked = ["readback.window window.7", "readback.confirm"];
    let again = ["readback.again", MENU_AGAIN];
    assert_eq!(world.log[4..6], asked);
    assert_eq!(world.log[6..8], again);
    assert_eq!(world.log[8..10], asked);
    assert_eq!(world.log[10..12], again);
    assert_eq!(world.log[12..14], asked);
    assert_eq!(world.log[14], "not_understood.2 record.begin");
}

#[test]
fn what_was_understood_once_is_kept_when_another_field_is_wrong() {
    let world = run(&[Say("高龙潭社区的路灯坏了很久了"), Key('2'), Say("我要办医保报销的手续"), Key('1'), HangUp]);
    assert_eq!(world.log[4], "readback.window window.8");
    assert_eq!(world.log[8], "readback.window window.2");
    assert_eq!(world.log[10], "readback.place org.100");
    assert_eq!(world.draft.expect("a case").words, "高龙潭社区的路灯坏了很久了。我要办医保报销的手续");
}

#[test]
fn after_the_number_there_is_no_way_back_into_the_questions() {
    let world = run(&[Say(PENSION), Key('1'), Key('1'), Key('1'), Key('*')]);
    let told = told("owner.township", 10, 5, 1);
    let last: Vec<_> = world.log[world.log.len() - 4..].iter().map(String::as_str).collect();
    assert_eq!(last, [&told, &told, "goodbye", "hang up flow"]);
}

#[test]
fn the_country_code_is_not_read_out() {
    let mut world = World::new(&[Key('2'), Say("我要办退休"), Say("大营社区"), Key('1')]);
    let caller = PhoneNumber::parse("+8613812341234");
    world.call = Call::new(Arc::clone(&world.profile), Facts { caller, ..world.call.facts.clone() });
    world.run();
    assert_eq!(world.log[6], PHONE);
}

#[test]
fn a_closed_matter_has_no_date_to_wait_for() {
    let mut world = World::new(&[Key('#'), Keys("10000004#")]);
    world.progress = Some(ProgressAnswer {
        state: crate::cases::State::Closed,
        owner: PostId(3),
        due_on: "2026-10-09".parse().expect("a date"),
    });
    world.run();
    assert_eq!(world.log[6], "progress.is state.closed");
}

#[test]
fn zero_reaches_a_person_from_everywhere() {
    let ways: [&[Do]; 9] = [
        &[],
        &[Key('2')],
        &[Key('2'), Say("我要办退休手续")],
        &[Say(PENSION)],
        &[Say(PENSION), Key('1')],
        &[Say(PENSION), Key('1'), Key('1')],
        &[Say(PENSION), Key('1'), Key('1'), Key('2')],
        &[Say(PENSION), Key('1'), Key('1'), Key('1')],
        &[Key('#')],
    ];
    for way in ways {
        let mut script = way.to_vec();
        script.extend([Key('0'), Silent, Silent, Silent]);
        let world = run(&script);
        assert!(world.log.iter().any(|l| l == "person.none"), "{way:?}: {:?}", world.log);
        assert_eq!(world.drafts, 1, "{way:?}");
    }
}

#[test]
fn a_greeting_is_met_with_patience() {
    let world = run(&[Say("喂，你好"), Say(PENSION), HangUp]);
    assert_eq!(world.log[4..6], ["nudge", "readback.window window.7"]);
}

#[test]
fn a_window_that_the_district_lacks_is_no_choice() {
    let mut smaller = district();
    smaller.windows.remove(&crate::directory::WindowCode(8));
    let mut world = World::in_district(smaller, &[Key('8'), HangUp]);
    world.run();
    assert!(world.log[4].starts_with("wrong_key"), "{:?}", world.log);
}

/// N14: who was rung and doubts it rings back, presses `#`, and hears whether it was us; then a case can be asked about.
#[test]
fn the_check_line_says_whether_we_rang() {
    let check = |rung: Rung, expected: &str| {
        let mut world = World::new(&[Key('#')]);
        world.call = Call::new(Arc::clone(&world.profile), Facts { rung, ..world.call.facts.clone() });
        world.run();
        let expected = format!("{expected}progress.ask");
        assert!(world.log.contains(&expected), "{expected} is not in {:?}", world.log);
    };
    let ours = |text: &str, case| Rung::Ours(OurCall { at: text.parse().expect("a moment"), case, revocable: false });
    let at = |text: &str| ours(text, None);
    check(at("2026-09-28T09:30:00+08:00"), "survey.check.ours today morning hour.9 half pause ");
    check(at("2026-09-26T15:00:00+08:00"), "survey.check.ours month.9 day.26 week.6 afternoon hour.3 pause ");
    let case = (CaseNumber::from_serial(1_000_000), "2026-09-21".parse().expect("a day"));
    check(
        ours("2026-09-28T09:30:00+08:00", Some(case)),
        "survey.check.ours today morning hour.9 half pause survey.check.case month.9 day.21 week.1 survey.check.case.tail \
         d.yao d.0 d.0 d.0 pause d.0 d.0 d.0 d.4.end pause ",
    );
    check(Rung::Never, "survey.check.none ");
    check(Rung::Unknown, "");
}

/// N1: who answered within a day takes the answers back, or gives them anew; whatever goes wrong, the caller goes on.
#[test]
fn answers_are_taken_back_or_given_anew() {
    let ring = |script: &[Do], store_fails| {
        let mut world = World::new(&[&[Key('#')], script].concat());
        world.store_fails = store_fails;
        let at = "2026-09-28T09:30:00+08:00".parse().expect("a moment");
        let rung = Rung::Ours(OurCall { at, case: None, revocable: true });
        world.call = Call::new(Arc::clone(&world.profile), Facts { rung, ..world.call.facts.clone() });
        world.run();
        world
    };
    let check = |script: &[Do], store_fails, expected: &[&str], drafts| {
        let world = ring(script, store_fails);
        let offer = "survey.check.ours today morning hour.9 half pause survey.check.offer";
        let at = world.log.iter().position(|line| line == offer).expect("the offer");
        assert_eq!(world.log[at + 1..][..expected.len()], *expected, "{script:?}");
        assert_eq!(world.drafts, drafts, "{script:?}: {:?}", world.log);
    };
    let withdrawn = "survey.check.withdrawn progress.ask";
    check(&[Key('1'), HangUp], false, &["withdraw", withdrawn, "hang up caller"], 0);
    check(&[Say("我要收回"), HangUp], false, &["withdraw", withdrawn, "hang up caller"], 0);
    check(&[Key('#'), HangUp], false, &["progress.ask", "hang up caller"], 0);
    // Three silences lead on, not to a recording.
    check(&[Silent, Silent, Silent, HangUp], false, &["nudge", "nudge.key", "progress.ask"], 1);
    check(&[Key('1')], true, &["withdraw", "trouble.sorry record.begin"], 1);
    let again = "survey.check.again";
    let first = "survey.about_service survey.trust survey.solved";
    check(&[Key('2'), Key('2'), HangUp], false, &[again, first, "keep solved=no by key"], 0);
    check(&[Key('2')], true, &[again, "trouble.sorry record.begin"], 1);
}

#[test]
fn a_withheld_number_is_asked_for() {
    let mut world = World::new(&[Key('2'), Say("我要办退休"), Say("大营社区"), Keys("8771234#"), Key('1')]);
    world.call = Call::new(Arc::clone(&world.profile), Facts { caller: None, ..world.call.facts.clone() });
    world.run();
    assert_eq!(world.log[6..8], ["key_phone", "readback.phone d.8 d.7 d.7 pause d.yao d.2 d.3 d.4.end"]);
    assert_eq!(world.draft.expect("a case").callback, PhoneNumber::parse("8771234"));
}

#[test]
fn a_line_without_anybody_on_duty_takes_no_calls() {
    let mut deserted = district();
    deserted.posts.retain(|_, post| post.window.is_some());
    let flow = Arc::new(Flow::parse(HOTLINE).expect("a flow"));
    let refused = LineProfile::new(flow, Arc::new(deserted), Arc::new(book()));
    assert_eq!(refused.err(), Some(ProfileError::NoDutyPost));
}
