//! The floor in scripts, in virtual time.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::protocol::Shown;
use super::*;
use crate::ids::CallId;

/// A floor, and what it said as lines: `1:ready` shown to an operator, `a>…` told to a caller, `1+a` joined.
struct World {
    floor: Floor,
    began: Instant,
    now: Instant,
    calls: Vec<CallId>,
}

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;

impl World {
    fn new() -> Self {
        let began = crate::clock::monotonic();
        Self { floor: Floor::default(), began, now: began, calls: (0..60).map(|_| CallId::fresh()).collect() }
    }

    fn seeker(&self, call: usize) -> Input {
        let shown = Shown { line: "hotline".into(), caller: Some("138****0001".into()) };
        Input::Sought(Seeker { call: self.calls[call], shown })
    }

    fn sign_in(&mut self, agent: i64) -> String {
        self.give(Input::SignedIn { agent: AgentId(agent), name: format!("agent{agent}") })
    }

    fn ready(&mut self, agent: i64) -> String {
        self.sign_in(agent);
        self.give(Input::Ready { agent: AgentId(agent) })
    }

    fn seek(&mut self, call: usize) -> String {
        self.give(self.seeker(call))
    }

    fn answer(&mut self, agent: i64, call: usize) -> String {
        self.give(Input::Answered { agent: AgentId(agent), call: self.calls[call] })
    }

    fn hang_up(&mut self, agent: i64) -> String {
        self.give(Input::HungUp { agent: AgentId(agent) })
    }

    fn leave(&mut self, call: usize) -> String {
        self.give(Input::Left { call: self.calls[call] })
    }

    fn transfer(&mut self, agent: i64, to: &str) -> String {
        self.give(Input::Transferred { agent: AgentId(agent), to: to.into() })
    }

    fn give(&mut self, input: Input) -> String {
        match self.floor.handle(input, self.now) {
            Ok(outputs) => self.lines(&outputs),
            Err(refused) => format!("{refused:?}"),
        }
    }

    /// Lets time pass, time-outs among it.
    fn pass(&mut self, seconds: u64) -> String {
        let until = self.now + Duration::from_secs(seconds);
        let mut lines = Vec::new();
        for _ in 0..1_000 {
            let Some(due) = self.floor.poll_timeout().filter(|due| *due <= until) else {
                self.now = until;
                return lines.join(" ");
            };
            self.now = due.max(self.now);
            let said = self.give(Input::Timeout);
            if !said.is_empty() {
                lines.push(format!("[{}] {said}", self.now.duration_since(self.began).as_secs()));
            }
        }
        panic!("a deadline that does not go away");
    }

    fn lines(&self, outputs: &[Output]) -> String {
        let name = |call: &CallId| {
            let at = self.calls.iter().position(|other| other == call).expect("a call of ours");
            char::from(b'a' + at as u8)
        };
        let line = |output: &Output| match output {
            Output::Show(agent) => {
                let view = self.floor.view(*agent, self.now);
                format!("{}:{}", agent.0, view.map_or("gone", |view| view.state))
            }
            Output::Connect { agent, call } => format!("{}+{}", agent.0, name(call)),
            Output::Caller { call, news } => match news {
                CallerNews::Place { ahead, offer, .. } => {
                    format!("{}>{ahead}{}", name(call), if *offer { "!" } else { "" })
                }
                CallerNews::Nobody => format!("{}>nobody", name(call)),
                CallerNews::Held(on) => format!("{}>held {on}", name(call)),
                CallerNews::Parked => format!("{}>parked", name(call)),
                CallerNews::Ended => format!("{}>ended", name(call)),
            },
        };
        outputs.iter().map(line).collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn a_caller_reaches_the_operator_and_the_operator_writes_it_up() {
    let mut w = World::new();
    assert_eq!(w.ready(1), "1:ready");
    assert_eq!(w.seek(A), "1:ringing a>0");
    assert_eq!(w.answer(1, A), "1:talking 1+a");
    assert_eq!(w.pass(100), "");
    assert_eq!(w.hang_up(1), "a>ended 1:wrap_up");
    assert_eq!(w.leave(A), "", "the call is over for the desk");
    assert_eq!(w.pass(60), "[160] 1:ready");
    assert_eq!(w.floor.service(), Service { answered: 1, in_time: 1, given_up: 0 });
}

#[test]
fn nobody_at_the_desk_or_everybody_busy_means_a_message() {
    let mut w = World::new();
    assert_eq!(w.seek(A), "a>nobody");
    w.sign_in(1);
    assert_eq!(w.seek(B), "b>nobody", "who came in is not ready yet");
    w.ready(1);
    w.seek(A);
    w.answer(1, A);
    assert_eq!(w.seek(B), "b>0", "an operator who talks will come");
    assert_eq!(w.give(Input::SignedOut { agent: AgentId(1) }), "1:parked a>parked b>nobody");
}

#[test]
fn who_has_been_ready_for_longest_is_rung_first() {
    let mut w = World::new();
    w.ready(2);
    w.pass(1);
    w.ready(1);
    w.give(Input::Ready { agent: AgentId(2) }); // Said again: nothing changes.
    assert_eq!(w.seek(A), "2:ringing a>0");
    assert_eq!(w.seek(B), "1:ringing b>1");
}

#[test]
fn callers_are_served_in_the_order_of_coming_and_told_their_place() {
    let mut w = World::new();
    w.ready(1);
    w.seek(A);
    w.answer(1, A);
    assert_eq!(w.seek(B), "b>0");
    assert_eq!(w.seek(C), "c>1");
    assert_eq!(w.pass(70), "[20] b>0 c>1 [40] b>0 c>1 [60] b>0! c>1!");
    w.hang_up(1);
    assert_eq!(w.give(Input::Ready { agent: AgentId(1) }), "1:ringing");
    assert_eq!(w.answer(1, C), "NotNow");
    assert_eq!(w.answer(1, B), "1:talking 1+b");
    assert_eq!(w.floor.service(), Service { answered: 2, in_time: 1, given_up: 0 });
}

#[test]
fn the_wait_follows_how_long_calls_take() {
    let mut w = World::new();
    w.ready(1);
    for _ in 0..40 {
        w.seek(A);
        w.answer(1, A);
        w.pass(30);
        w.hang_up(1);
        w.give(Input::Ready { agent: AgentId(1) });
    }
    w.seek(A);
    w.answer(1, A);
    let news = w.floor.handle(w.seeker(B), w.now).expect("taken");
    let Some(Output::Caller { news: CallerNews::Place { wait, .. }, .. }) = news.last() else { panic!("{news:?}") };
    assert!((15..30).contains(&wait.as_secs()), "{wait:?}");
}

#[test]
fn an_operator_who_does_not_answer_counts_as_busy_and_the_next_is_rung() {
    let mut w = World::new();
    w.ready(1);
    w.pass(1);
    w.ready(2);
    w.seek(A);
    assert_eq!(w.pass(20), "[21] 1:busy 2:ringing a>0");
    assert_eq!(w.give(Input::Declined { agent: AgentId(2), call: w.calls[A] }), "2:busy a>nobody");
}

#[test]
fn a_caller_who_gives_up_frees_the_operator() {
    let mut w = World::new();
    w.ready(1);
    w.seek(A);
    assert_eq!(w.leave(A), "1:ready");
    assert_eq!(w.answer(1, A), "NotNow");
    assert_eq!(w.floor.service().given_up, 1);
    w.seek(B);
    w.answer(1, B);
    assert_eq!(w.leave(B), "1:wrap_up");
}

#[test]
fn hold_is_told_both_ways_and_needs_a_call() {
    let mut w = World::new();
    w.ready(1);
    assert_eq!(w.give(Input::Held { agent: AgentId(1), on: true }), "NotNow");
    w.seek(A);
    w.answer(1, A);
    assert_eq!(w.give(Input::Held { agent: AgentId(1), on: true }), "1:holding a>held true");
    assert_eq!(w.give(Input::Busy { agent: AgentId(1) }), "NotNow");
    assert_eq!(w.give(Input::Held { agent: AgentId(1), on: false }), "1:talking a>held false");
}

#[test]
fn a_lost_browser_parks_the_call_and_takes_it_back() {
    let mut w = World::new();
    w.ready(1);
    w.seek(A);
    w.answer(1, A);
    assert_eq!(w.give(Input::SignedOut { agent: AgentId(1) }), "1:parked a>parked");
    assert_eq!(w.pass(10), "");
    assert_eq!(w.sign_in(1), "1:parked");
    assert_eq!(w.answer(1, A), "1:talking 1+a");
    assert_eq!(w.give(Input::Lost { call: w.calls[A] }), "1:parked a>parked", "only the sound was lost");
    assert_eq!(w.answer(1, A), "1:talking 1+a");
    assert_eq!(w.floor.service().answered, 1, "one caller");
}

#[test]
fn a_call_that_nobody_takes_back_goes_to_the_head_of_the_queue() {
    let mut w = World::new();
    w.ready(1);
    w.ready(2);
    for (agent, call) in [(1, A), (2, B)] {
        w.seek(call);
        w.answer(agent, call);
    }
    w.seek(C);
    w.give(Input::SignedOut { agent: AgentId(1) });
    w.pass(29);
    assert_eq!(w.pass(1), "", "the operator is gone");
    w.hang_up(2);
    assert_eq!(w.give(Input::Ready { agent: AgentId(2) }), "2:ringing");
    assert_eq!(w.answer(2, A), "2:talking 2+a");
}

#[test]
fn a_caller_is_given_to_a_colleague_who_is_ready() {
    let mut w = World::new();
    w.ready(1);
    w.seek(A);
    w.answer(1, A);
    w.sign_in(2);
    assert_eq!(w.transfer(1, "agent2"), "NotReady");
    w.ready(2);
    w.pass(1);
    w.ready(3);
    assert_eq!(w.transfer(1, "agent3"), "a>parked 1:wrap_up 3:ringing");
    assert_eq!(w.answer(3, A), "3:talking 3+a");
    // Who does not take it leaves it to anybody.
    assert_eq!(w.transfer(3, "agent2"), "a>parked 3:wrap_up 2:ringing");
    w.give(Input::Ready { agent: AgentId(1) });
    assert_eq!(w.give(Input::Declined { agent: AgentId(2), call: w.calls[A] }), "2:busy 1:ringing");
}

#[test]
fn the_queue_and_the_desk_are_bounded() {
    let mut w = World::new();
    w.ready(1);
    w.seek(59);
    w.answer(1, 59);
    for call in 0..MAX_WAITING {
        w.seek(call);
    }
    assert!(w.seek(MAX_WAITING).ends_with(">nobody"));
    for agent in 2..=MAX_AGENTS as i64 {
        assert_ne!(w.sign_in(agent), "Full");
    }
    assert_eq!(w.sign_in(1_000), "Full");
}

proptest! {
    /// Whatever happens in whatever order: each call is with one operator at most, and nobody waits for nobody.
    #[test]
    fn no_call_is_in_two_places(steps in proptest::collection::vec((0..9u8, 0..4i64, 0..4usize, 0..40u64), 0..80)) {
        let mut w = World::new();
        for (what, agent, call, seconds) in steps {
            let (id, call_id) = (AgentId(agent), w.calls[call]);
            match what {
                0 => w.sign_in(agent),
                1 => w.ready(agent),
                2 => w.seek(call),
                3 => w.answer(agent, call),
                4 => w.give(Input::SignedOut { agent: id }),
                5 => w.hang_up(agent),
                6 => w.leave(call),
                7 => w.transfer(agent, &format!("agent{}", call)),
                _ => w.give(Input::Lost { call: call_id }),
            };
            w.pass(seconds);
            let views: Vec<_> = (0..4).filter_map(|agent| w.floor.view(AgentId(agent), w.now)).collect();
            for call in &w.calls[..4] {
                prop_assert!(views.iter().filter(|view| view.call == Some(*call)).count() <= 1);
            }
            let waiting = views.first().map_or(0, |view| view.waiting);
            let served = views.iter().any(|view| !matches!(view.state, "busy" | "parked"));
            prop_assert!(waiting == 0 || served, "{waiting} wait for nobody");
        }
    }
}
