//! Rules of moves one by one, and a property over all of them.

use proptest::prelude::*;

use super::*;
use crate::cases::{Deadline, MOVES};
use crate::directory::example::{at, year_2026};

const FIRST: PostId = PostId(7);
const OTHER: PostId = PostId(8);
const ARBITER: PostId = PostId(1);

fn begun() -> Life {
    Life::new(Opening {
        owner: FIRST,
        received_at: at("2026-03-02T09:00"),
        due_on: "2026-03-09".parse().expect("a day"),
    })
}

fn order(mv: Move) -> Order {
    Order {
        mv,
        post: (mv == Move::Assign).then_some(OTHER),
        due_on: (mv == Move::Extend).then(|| "2026-03-16".parse().expect("a day")),
        ground: (mv == Move::Return).then_some(Ground::Duty),
    }
}

fn decide(life: &Life, order: Order, hand: Hand, now: &str) -> Result<Moved, Refusal> {
    life.decide(order, hand, "按规定", at(now), Office { calendar: &year_2026(), arbiter: ARBITER })
}

/// The life after these moves, all made on the first day.
#[track_caller]
fn after(moves: &[Move]) -> Life {
    let mut life = begun();
    for mv in moves {
        let moved = decide(&life, order(*mv), Hand::Leader, "2026-03-02T11:00").unwrap_or_else(|e| panic!("{mv}: {e}"));
        life.apply(&Entry::Moved(moved));
    }
    life
}

#[test]
fn a_post_owns_a_case_once_it_accepted_it() {
    use Move::{Accept, Assign, Handle, Return};
    let check = |moves: &[Move], owner, offered| {
        let life = after(moves);
        assert_eq!((life.owner, life.offered), (owner, offered), "{moves:?}");
    };
    check(&[], FIRST, None);
    check(&[Assign], FIRST, Some(OTHER));
    check(&[Assign, Move::Urge], FIRST, Some(OTHER));
    check(&[Assign, Accept], OTHER, None);
    check(&[Assign, Accept, Handle, Assign], OTHER, Some(OTHER));
    check(&[Assign, Return], FIRST, None);
    // What was owned goes back to who was asked first; the second return to the arbiter.
    check(&[Assign, Accept, Return], FIRST, None);
    check(&[Assign, Accept, Return, Assign, Return], ARBITER, None);
    check(&[Assign, Accept, Return, Assign, Accept, Handle, Return], ARBITER, None);
}

#[test]
fn who_was_asked_first_returns_to_the_arbiter() {
    let mut life = begun();
    let own = Order { post: Some(FIRST), ..order(Move::Assign) };
    for order in [own, order(Move::Accept), order(Move::Return)] {
        life.apply(&Entry::Moved(decide(&life, order, Hand::Operator, "2026-03-02T11:00").expect("possible")));
    }
    assert_eq!((life.owner, life.returns), (ARBITER, 1));
}

#[test]
fn refusals() {
    use Move::{Accept, Answer, Assign, Extend, Handle, Return, Supervise, Urge};
    let check = |moves: &[Move], order: Order, hand, now, expected| {
        assert_eq!(decide(&after(moves), order, hand, now).map(|moved| moved.to), expected, "{moves:?} {order:?}");
    };
    let (leader, now) = (Hand::Leader, "2026-03-04T10:00");
    let day = |text: &str| Some(text.parse().expect("a day"));
    check(&[], order(Answer), leader, now, Err(Refusal::State { mv: Answer, from: State::Received }));
    check(&[], Order { post: None, ..order(Assign) }, leader, now, Err(Refusal::Post));
    check(&[Assign], Order { ground: None, ..order(Return) }, leader, now, Err(Refusal::Ground));
    for mv in [Return, Extend, Urge, Supervise] {
        let office = Office { calendar: &year_2026(), arbiter: ARBITER };
        let silent = after(&[Assign]).decide(order(mv), leader, " ", at(now), office);
        assert_eq!(silent, Err(Refusal::Reason(mv)));
    }
    for mv in [Extend, Supervise] {
        check(&[], order(mv), Hand::Operator, now, Err(Refusal::Hand(mv)));
    }
    let twice = [Assign, Accept, Return, Assign, Accept, Handle, Return, Assign];
    check(&twice, order(Return), leader, now, Err(Refusal::Final));
    // A promise is extended while it is kept, to a later work day.
    check(&[], order(Extend), leader, "2026-03-09T23:59", Ok(State::Received));
    check(&[], order(Extend), leader, "2026-03-10T00:00", Err(Refusal::Expired));
    check(&[], Order { due_on: None, ..order(Extend) }, leader, now, Err(Refusal::Day));
    check(&[], Order { due_on: day("2026-03-09"), ..order(Extend) }, leader, now, Err(Refusal::Day));
    check(&[], Order { due_on: day("2026-03-14"), ..order(Extend) }, leader, now, Err(Refusal::Day)); // A Saturday.
    let mut life = begun();
    for day in ["2026-03-10", "2026-03-11"] {
        let order = Order { due_on: Some(day.parse().expect("a day")), ..order(Extend) };
        life.apply(&Entry::Moved(decide(&life, order, leader, now).expect("possible")));
    }
    assert_eq!(decide(&life, order(Extend), leader, now), Err(Refusal::Extended));
}

#[test]
fn the_clock_runs_from_the_first_word_whoever_has_the_case() {
    use Move::{Accept, Answer, Assign, Handle, Redo, Return};
    let first = begun();
    for moves in [&[Assign][..], &[Assign, Accept], &[Assign, Accept, Handle], &[Assign, Accept, Return, Assign]] {
        let life = after(moves);
        assert_eq!((life.clock_from, life.due_on), (first.clock_from, first.due_on), "{moves:?}");
        assert_eq!(Deadline::of(&life, &year_2026()).amber_at, Deadline::of(&first, &year_2026()).amber_at);
    }
    let mut life = after(&[Assign, Accept, Handle, Answer]);
    assert_eq!(life.stopped_at, Some(at("2026-03-02T11:00")));
    let again = decide(&life, order(Redo), Hand::Gateway, "2026-03-20T10:00").expect("possible");
    life.apply(&Entry::Moved(again));
    assert_eq!((life.state, life.stopped_at, life.clock_from), (State::Handling, None, at("2026-03-20T10:00")));
    assert_eq!(life.due_on.to_string(), "2026-03-27", "five work days were left");
}

#[test]
fn nothing_is_closed_while_a_part_of_it_is_open() {
    let mut life = after(&[Move::Assign, Move::Accept, Move::Handle]);
    life.apply(&Entry::PartAdded);
    life.apply(&Entry::PartAdded);
    let answered = decide(&life, order(Move::Answer), Hand::Operator, "2026-03-03T10:00").expect("possible");
    life.apply(&Entry::Moved(answered));
    let close = |life: &Life| decide(life, order(Move::Close), Hand::Operator, "2026-03-03T10:00").map(|m| m.to);
    life.apply(&Entry::PartDone);
    assert_eq!(close(&life), Err(Refusal::Parts));
    life.apply(&Entry::PartDone);
    assert_eq!(close(&life), Ok(State::Closed));
}

#[test]
fn logs_of_earlier_versions_are_read() {
    let mut life = begun();
    let moved = |mv, to| Entry::Moved(Moved { mv, at: at("2026-03-02T11:00"), to, outcome: Outcome::default() });
    life.apply(&moved(Move::Assign, State::Assigned));
    assert_eq!((life.owner, life.offered), (FIRST, Some(FIRST)));
    life.apply(&Entry::Given(OTHER));
    assert_eq!((life.owner, life.offered), (OTHER, Some(OTHER)));
    life.apply(&moved(Move::Accept, State::Accepted));
    assert_eq!((life.owner, life.offered), (OTHER, None));
}

fn any_order() -> impl Strategy<Value = (Order, Hand, &'static str)> {
    let moves = (0..Move::ALL.len()).prop_map(|i| Move::ALL[i]);
    let posts = proptest::option::of((1_i64..12).prop_map(PostId));
    let days = proptest::option::of(
        (0_u64..40).prop_map(|n| "2026-03-01".parse::<NaiveDate>().unwrap_or_default() + chrono::Days::new(n)),
    );
    let grounds = proptest::option::of((0..3_usize).prop_map(|i| Ground::ALL[i]));
    let hands = (0..3_usize).prop_map(|i| [Hand::Operator, Hand::Leader, Hand::Gateway][i]);
    (moves, posts, days, grounds, proptest::bool::weighted(0.9), hands).prop_map(
        |(mv, post, due_on, ground, reasoned, hand)| {
            (Order { mv, post, due_on, ground }, hand, if reasoned { "因为" } else { "" })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever is ordered, in whatever order, by whatever hand: the rules of the trade hold, said here in other words.
    #[test]
    fn no_order_breaks_a_rule(orders in proptest::collection::vec((any_order(), 0_i64..3_000), 0..60)) {
        let calendar = year_2026();
        let office = Office { calendar: &calendar, arbiter: ARBITER };
        let (mut life, mut now) = (begun(), at("2026-03-02T10:00"));
        let mut log = Vec::new();
        for ((order, hand, reason), minutes) in orders {
            now += chrono::TimeDelta::minutes(minutes);
            let before = life.clone();
            let Ok(moved) = life.decide(order, hand, reason, now, office) else { continue };
            life.apply(&Entry::Moved(moved.clone()));
            prop_assert!(MOVES.contains(&(order.mv, before.state, life.state)));
            prop_assert!(before.state != State::Archived);
            // Ownership passes by acceptance, or back by a return; by nothing else.
            if life.owner != before.owner {
                let accepted = order.mv == Move::Accept && before.offered == Some(life.owner);
                let returned = order.mv == Move::Return && [FIRST, ARBITER].contains(&life.owner);
                prop_assert!(accepted || returned);
            }
            prop_assert_eq!(life.offered.is_some(), life.state == State::Assigned);
            prop_assert_eq!(life.offered.is_some(), life.offered_at.is_some());
            prop_assert!(life.first == FIRST && life.returns <= RETURNS_MAX && life.extensions <= EXTENSIONS_MAX);
            prop_assert!(life.returns < RETURNS_MAX || order.mv != Move::Return || life.owner == ARBITER);
            // A promise never moves forward in time, and only by leadership or by work taken up again.
            prop_assert!(life.due_on >= before.due_on || order.mv == Move::Redo);
            if life.due_on != before.due_on {
                let kept = now.with_timezone(&china()).date_naive() <= before.due_on;
                prop_assert!(order.mv == Move::Redo || (order.mv == Move::Extend && hand == Hand::Leader && kept));
            }
            prop_assert!(life.clock_from == before.clock_from || order.mv == Move::Redo);
            prop_assert_eq!(life.stopped_at.is_some(), life.state.is_answered());
            log.push(Entry::Moved(moved));
        }
        // The log alone tells where the case stands.
        let mut told = begun();
        log.iter().for_each(|entry| told.apply(entry));
        prop_assert_eq!(told, life);
    }
}
