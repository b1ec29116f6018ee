//! Whole calls as scripts, in virtual time: nothing here sleeps.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::*;
use crate::directory::example::district;
use crate::directory::{Directory, PostId};
use crate::flow::example::{HOTLINE, book};
use crate::flow::{Flow, OurCall, Rung};
use crate::ids::{CallId, CaseNumber, PhoneNumber};
use crate::survey::example::callback;
use crate::survey::{Draw, Interview};

mod ending;
mod interviews;
mod random;
mod seeking;
mod talks;
mod timing;

/// What the caller does, or what the shells report.
#[derive(Clone, Debug)]
enum Do {
    /// Presses a key, once the gateway listens.
    Key(char),
    /// Presses keys one after the other.
    Keys(&'static str),
    /// Presses a key over the first prompt that begins with this id.
    KeyOver(&'static str, char),
    /// Says this, once the gateway listens.
    Say(&'static str),
    /// Speaks for this many milliseconds over the first prompt that begins with this id, then is heard as.
    SayOver(&'static str, u64, &'static str),
    /// Makes a sound of this many milliseconds without words.
    Noise(u64),
    /// Says something that the recogniser has no time for.
    SayBusy,
    /// Says nothing until the gateway loses patience.
    Silent,
    /// Hangs up, once the gateway listens.
    HangUp,
    /// Hangs up this long after the answer, whatever happens.
    HangUpAt(Duration),
    /// Put on hold and taken back.
    HoldAndBack,
    /// Any other input.
    Give(Input),
}

use Do::{Give, HangUp, HangUpAt, HoldAndBack, Key, KeyOver, Keys, Noise, Say, SayBusy, SayOver, Silent};

/// Steps after which a call counts as stuck.
const MAX_STEPS: usize = 3_000;

struct World {
    profile: Arc<LineProfile>,
    call: Call,
    start: Instant,
    now: Instant,
    wall: DateTime<Utc>,
    /// What is being played, with its end.
    playing: Option<(PlayId, String, Instant)>,
    /// Whether the gateway waits for the caller.
    script: VecDeque<Do>,
    hears: VecDeque<Result<&'static str, Nothing>>,
    /// What happened, a line each.
    log: Vec<String>,
    draft: Option<CaseDraft>,
    drafts: usize,
    /// The spans sent to the recogniser.
    asked: Vec<(Duration, Duration)>,
    store_fails: bool,
    /// Neither store nor recogniser ever answers.
    nobody_answers: bool,
    /// Whether a person may come to a caller who wants one.
    staffed: bool,
    confidence: f32,
    progress: Option<ProgressAnswer>,
    ended: Option<EndReason>,
    /// How long the last answer took.
    latency: Option<Duration>,
}

impl World {
    fn new(script: &[Do]) -> Self {
        Self::in_district(district(), script)
    }

    fn in_district(district: Directory, script: &[Do]) -> Self {
        let flow = Arc::new(Flow::parse(HOTLINE).expect("a flow"));
        let profile = Arc::new(LineProfile::new(flow, Arc::new(district), Arc::new(book())).expect("a duty post"));
        let facts = Facts {
            call: CallId(Uuid::nil()),
            line: "hotline".to_owned(),
            caller: PhoneNumber::parse("13812341234"),
            rung: Rung::Unknown,
        };
        let start = crate::clock::monotonic(); // Only an origin.
        Self {
            call: Call::new(Arc::clone(&profile), facts),
            profile,
            start,
            now: start,
            // A Monday at ten in the morning.
            wall: "2026-09-28T10:00:00+08:00".parse().expect("a moment"),
            playing: None,
            script: script.iter().cloned().collect(),
            hears: VecDeque::new(),
            log: Vec::new(),
            draft: None,
            drafts: 0,
            asked: Vec::new(),
            store_fails: false,
            nobody_answers: false,
            staffed: false,
            confidence: 0.9,
            progress: None,
            ended: None,
            latency: None,
        }
    }

    /// Up to the caller's turn, after the welcome.
    fn welcome(script: &[Do]) -> Self {
        let mut world = Self::new(script);
        world.give(Input::Start);
        world.give(Input::Answered);
        while world.playing.is_some() {
            world.step();
        }
        world
    }

    fn last(&self) -> &str {
        self.log.last().map_or("", String::as_str)
    }

    fn press(&mut self, key: char) {
        self.give(Input::Digit { key, source: KeySource::Rtp });
    }

    /// How long the gateway waits from now on.
    fn patience(&self) -> Duration {
        self.call.poll_timeout().expect("a deadline") - self.now
    }

    fn run(&mut self) {
        self.give(Input::Start);
        self.give(Input::Answered);
        for _ in 0..MAX_STEPS {
            if self.ended.is_some() {
                return;
            }
            self.step();
        }
        panic!("stuck: {:?}", &self.log[self.log.len().saturating_sub(20)..]);
    }

    /// The next thing that happens.
    fn step(&mut self) {
        if let Some(HangUpAt(after)) = self.script.front().cloned()
            && self.next_event().is_none_or(|at| at >= self.start + after)
        {
            self.at(self.start + after);
            self.give(Input::HungUp);
            return;
        }
        if let Some((id, first, end)) = self.playing.clone() {
            match self.script.front().cloned() {
                Some(KeyOver(prompt, key)) if prompt == first => {
                    self.script.pop_front();
                    self.give(Input::Digit { key, source: KeySource::Rtp });
                }
                Some(SayOver(prompt, ms, text)) if prompt == first => {
                    self.script.pop_front();
                    self.speak(ms, Ok(text));
                }
                _ => {
                    self.at(end);
                    self.playing = None;
                    self.give(Input::PlaybackDone { id, interrupted: false });
                }
            }
            return;
        }
        match self.script.pop_front() {
            Some(Key(key)) => self.give(Input::Digit { key, source: KeySource::Rtp }),
            Some(Keys(keys)) => {
                for key in keys.chars() {
                    self.pass(Duration::from_millis(500));
                    self.give(Input::Digit { key, source: KeySource::Rtp });
                }
            }
            Some(Say(text)) => self.speak(1_500, Ok(text)),
            Some(Noise(ms)) => self.speak(ms, Err(Nothing::Empty)),
            Some(SayBusy) => self.speak(1_500, Err(Nothing::Busy)),
            Some(HangUp) => self.give(Input::HungUp),
            Some(HoldAndBack) => {
                self.give(Input::StreamChanged { held: true });
                self.pass(Duration::from_secs(600));
                self.give(Input::Timeout);
                self.give(Input::StreamChanged { held: false });
            }
            Some(Give(input)) => self.give(input),
            Some(Silent) | None => self.time_out(),
            Some(over @ (KeyOver(..) | SayOver(..) | HangUpAt(_))) => {
                self.script.push_front(over);
                self.time_out();
            }
        }
    }

    fn next_event(&self) -> Option<Instant> {
        let played = self.playing.as_ref().map(|(_, _, end)| *end);
        [played, self.call.poll_timeout()].into_iter().flatten().min()
    }

    /// Speech of so many milliseconds; its end is told 200 ms late, and the recogniser needs 300 ms.
    fn speak(&mut self, ms: u64, heard: Result<&'static str, Nothing>) {
        let from = self.media_time();
        self.hears.push_back(heard);
        self.pass(Duration::from_millis(60));
        self.give(Input::SpeechStarted { at: from });
        self.idle_until(from + Duration::from_millis(ms + 200));
        self.give(Input::SpeechEnded { at: from + Duration::from_millis(ms) });
        let asked = self.call.last_ask;
        for _ in 0..3 {
            if self.call.last_ask == asked && self.playing.is_none() && self.ended.is_none() {
                self.time_out();
            }
        }
        self.hears.clear();
    }

    /// Lets time pass, firing what is due.
    fn idle_until(&mut self, media: Duration) {
        let until = self.start + media;
        for _ in 0..100 {
            let Some(at) = self.call.poll_timeout().filter(|at| *at <= until) else { break };
            self.at(at);
            self.give(Input::Timeout);
        }
        self.at(until);
    }

    fn time_out(&mut self) {
        let at = self.call.poll_timeout().expect("a call that waits has a deadline");
        self.at(at);
        self.give(Input::Timeout);
    }

    fn media_time(&self) -> Duration {
        self.now - self.start
    }

    fn pass(&mut self, span: Duration) {
        self.at(self.now + span);
    }

    fn at(&mut self, then: Instant) {
        let span = then.saturating_duration_since(self.now);
        self.now += span;
        self.wall += TimeDelta::from_std(span).expect("a short span");
    }

    fn give(&mut self, input: Input) {
        if self.ended.is_some() {
            assert_eq!(self.call.handle(input, self.now, self.wall), [], "after the end");
            return;
        }
        for action in self.call.handle(input, self.now, self.wall) {
            assert_eq!(self.ended, None, "something follows the end: {action:?}");
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Answer => self.log.push("answer".to_owned()),
            Action::Play { id, prompts, slow } => {
                let names: Vec<_> = prompts.iter().map(|p| p.as_str()).collect();
                let slowly = if slow { "slowly " } else { "" };
                self.log.push(format!("{slowly}{}", names.join(" ")));
                let end = self.now + Duration::from_millis(400) * u32::try_from(prompts.len()).expect("a few");
                self.playing = Some((id, names[0].to_owned(), end));
            }
            Action::StopPlay => {
                self.log.push("stop".to_owned());
                self.playing = None;
            }
            Action::StartRecording => self.log.push("record".to_owned()),
            Action::Listen(_) | Action::Note(_) => {}
            Action::Recognise { ask, from, to, .. } => {
                assert!(from <= to && to <= self.media_time(), "{from:?} to {to:?} at {:?}", self.media_time());
                self.asked.push((from, to));
                let heard = self.hears.pop_front().expect("something was said");
                if self.nobody_answers {
                    return;
                }
                self.pass(Duration::from_millis(300));
                self.give(match heard {
                    Ok(text) => Input::Heard { ask, text: text.to_owned(), confidence: self.confidence },
                    Err(why) => Input::HeardNothing { ask, why },
                });
            }
            Action::KeepAnswer(answer) => {
                self.log.push(format!("keep {}={} by {}", answer.question, answer.value, answer.mode.code()));
                self.latency = answer.latency;
            }
            Action::OpenCase(draft) => {
                self.log.push(format!("open {:?}", draft.origin));
                self.drafts += 1;
                let (owner, due_on) = (draft.owner, draft.due_on);
                self.draft = Some(draft);
                if !self.call.is_over() && !self.nobody_answers {
                    self.give(if self.store_fails {
                        Input::CaseFailed
                    } else {
                        Input::CaseOpened { number: CaseNumber::from_serial(1_000_000), owner, due_on }
                    });
                }
            }
            Action::LookUp(number) => {
                self.log.push(format!("look up {number}"));
                if !self.nobody_answers {
                    self.give(Input::Progress(self.progress.clone()));
                }
            }
            Action::Withdraw => {
                self.log.push("withdraw".to_owned());
                self.give(Input::Withdrawn(!self.store_fails));
            }
            Action::Transfer => {
                self.log.push("transfer".to_owned());
                self.give(Input::Transferred(!self.nobody_answers));
            }
            Action::Retake if self.store_fails => self.give(Input::NotRetaken),
            Action::Retake => {
                let interview = Interview::new(callback(), Arc::new(district()), None, Draw(0), []);
                for action in self.call.retake(interview, self.now, self.wall) {
                    self.act(action);
                }
            }
            Action::SeekPerson if self.staffed => self.log.push("seek".to_owned()),
            Action::SeekPerson => self.give(Input::NobodyReady),
            Action::LeaveDesk => self.log.push("leave desk".to_owned()),
            Action::HangUp(reason) => {
                self.log.push(format!("hang up {reason}"));
                self.ended = Some(reason);
            }
        }
    }
}

/// Runs a script; returns what happened from the first prompt after the notice on.
#[track_caller]
fn check(script: &[Do], expected: &[&str]) -> CaseDraft {
    let world = run(script);
    assert_eq!(world.log[..3], ["answer", "notice", "record"]);
    assert_eq!(world.log[3..], *expected, "{script:?}");
    assert_eq!(world.drafts, 1);
    world.draft.expect("a case")
}

fn run(script: &[Do]) -> World {
    let mut world = World::new(script);
    world.run();
    world
}

const MENU: &str = "welcome ask menu";
const MENU_AGAIN: &str = "ask menu";
const PENSION: &str = "我想问一下，我父亲今年八十二岁了，高龄津贴怎么申请，我们住在高龙潭社区";
const PHONE: &str = "readback.phone d.yao d.3 d.8 pause d.yao d.2 d.3 d.4 pause d.yao d.2 d.3 d.4.end";
const TOLD: &str = "case.opened d.yao d.0 d.0 d.0 pause d.0 d.0 d.0 d.4.end case.repeat d.yao d.0 d.0 d.0 pause d.0 d.0 d.0 \
                    d.4.end";

fn told(owner: &str, month: u8, day: u8, week: u8) -> String {
    format!("{TOLD} case.owner {owner} case.owner.tail case.due month.{month} day.{day} week.{week} case.due.tail")
}
