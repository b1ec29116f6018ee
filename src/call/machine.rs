//! The call's state machine: what each input does, and when time runs out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::json;

use super::action::{Action, EndReason, EventKind, TimelineEvent};
use super::input::{Facts, Input, PlayId};
use super::phase::{Asking, Comfort, Phase, Request};
use super::profile::LineProfile;
use super::script::Script;
use crate::cases::Origin;
use crate::directory::PostId;
use crate::flow::{CaseFacts, Dialogue, Event, PromptBook, PromptId, Then, Timing};
use crate::survey::{Interview, Outcome, REMARK_MAX};

/// Longest call (P20).
pub const MAX_CALL: Duration = Duration::from_secs(60 * 60);

/// An answered call that lasted this long leaves a case behind, whatever happened in it (R5.1).
pub const CASE_AFTER: Duration = Duration::from_secs(5);

/// What [`Call::state`] says while the notice plays, before the flow's first state.
pub const NOTICE: &str = "notice";

/// How often the notice is tried when its playing is cut from our side, before the call is given up.
const NOTICE_TRIES: u8 = 3;

/// One call.
#[derive(Debug)]
pub struct Call {
    pub(super) facts: Facts,
    pub(super) script: Script,
    pub(super) book: Arc<PromptBook>,
    pub(super) timing: Timing,
    notice: Vec<PromptId>,
    /// The post of last resort; an interview needs none.
    duty: Option<PostId>,
    pub(super) phase: Phase,
    /// When the other side's turn began, and how long it then took to the first key or sound.
    pub(super) turn_began: Option<Instant>,
    pub(super) latency: Option<Duration>,
    /// The answer, by both clocks.
    answered: Option<(Instant, DateTime<Utc>)>,
    /// When the caller first spoke or keyed.
    pub(super) spoke_at: Option<DateTime<Utc>>,
    /// Since when, as media time, the caller speaks without a pause.
    pub(super) talking: Option<Duration>,
    pub(super) held: bool,
    /// Whether the caller wanted a person.
    pub(super) sought: bool,
    /// The gateway shuts down: the end of the call will be put down to that.
    draining: bool,
    /// Whether the shells keep the caller's audio.
    pub(super) kept: bool,
    last_play: u32,
    pub(super) last_ask: u32,
    /// The state last noted.
    noted_state: String,
}

/// What an input leads to, in order, with the moment it happens.
pub(super) struct Moment {
    pub(super) now: Instant,
    pub(super) wall: DateTime<Utc>,
    pub(super) actions: Vec<Action>,
}

impl Call {
    /// A call that rings. The profile stays its own until it ends.
    pub fn new(profile: Arc<LineProfile>, facts: Facts) -> Self {
        let dialogue = Dialogue::new(
            Arc::clone(&profile.flow),
            Arc::clone(&profile.directory),
            Arc::clone(&profile.book),
            facts.caller.clone(),
            facts.rung,
        );
        Self {
            duty: Some(profile.duty),
            notice: profile.flow.notice.clone(),
            ..Self::with(Script::Dialogue(Box::new(dialogue)), Arc::clone(&profile.book), profile.flow.timing, facts)
        }
    }

    /// A call of ours that was answered: `interview` speaks. Begins with [`Input::Answered`].
    pub fn interview(interview: Interview, book: Arc<PromptBook>, facts: Facts) -> Self {
        let notice = interview.survey().notice.clone();
        Self { notice, ..Self::with(Script::Interview(Box::new(interview)), book, interview_timing(), facts) }
    }

    /// The interview that [`Action::Retake`] asked for takes over from the dialogue. When it comes too late, nothing happens.
    pub fn retake(&mut self, interview: Interview, now: Instant, wall: DateTime<Utc>) -> Vec<Action> {
        let mut moment = Moment { now, wall, actions: Vec::new() };
        if matches!(self.phase, Phase::AtStore { request: Request::Retake, .. }) {
            self.script = Script::Interview(Box::new(interview));
            self.timing = interview_timing();
            self.event(Event::Began, &mut moment);
        }
        moment.actions
    }

    fn with(script: Script, book: Arc<PromptBook>, timing: Timing, facts: Facts) -> Self {
        Self {
            facts,
            script,
            book,
            timing,
            notice: Vec::new(),
            duty: None,
            phase: Phase::Ringing,
            turn_began: None,
            latency: None,
            answered: None,
            spoke_at: None,
            talking: None,
            held: false,
            sought: false,
            draining: false,
            kept: false,
            last_play: 0,
            last_ask: 0,
            noted_state: String::new(),
        }
    }

    /// What an input leads to, in order. Inputs that come too late, or not in this phase, lead to nothing.
    pub fn handle(&mut self, input: Input, now: Instant, wall: DateTime<Utc>) -> Vec<Action> {
        let mut moment = Moment { now, wall, actions: Vec::new() };
        if !matches!(self.phase, Phase::Over) {
            self.dispatch(input, &mut moment);
        }
        moment.actions
    }

    /// When [`Input::Timeout`] is due next; `None` before the answer and after the end.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let (answered, _) = self.answered.filter(|_| !self.is_over())?;
        let ends = answered + MAX_CALL;
        let phase = if self.held { None } else { self.phase.deadline() };
        Some(phase.map_or(ends, |at| at.min(ends)))
    }

    /// How an interview came out; `None` for a call of a line. `ours`: the end came from our side.
    pub fn outcome(&self, ours: bool) -> Option<Outcome> {
        match &self.script {
            Script::Dialogue(_) => None,
            Script::Interview(interview) => Some(interview.outcome(ours)),
        }
    }

    /// What was known of it when it rang.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether the call has ended: [`Action::HangUp`] was given.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Whether the other side is asked something and says nothing.
    pub fn waits(&self) -> bool {
        matches!(self.phase, Phase::Waiting { .. }) && !self.held
    }

    /// The name of the flow's present state, for the live board; [`NOTICE`] until the notice was heard.
    pub fn state(&self) -> &str {
        match self.phase {
            Phase::Ringing | Phase::Notice { .. } => NOTICE,
            Phase::Saying(_)
            | Phase::Waiting { .. }
            | Phase::Speaking(_)
            | Phase::Pausing { .. }
            | Phase::Keying { .. }
            | Phase::Asking { .. }
            | Phase::Message { .. }
            | Phase::AtStore { .. }
            | Phase::AtPerson
            | Phase::Person(_)
            | Phase::Over => self.script.state(),
        }
    }

    fn dispatch(&mut self, input: Input, m: &mut Moment) {
        match input {
            Input::Start => {
                if matches!(self.phase, Phase::Ringing) && self.answered.is_none() {
                    m.actions.push(Action::Answer);
                }
            }
            Input::Answered => {
                if self.answered.is_none() {
                    self.answered = Some((m.now, m.wall));
                    self.play_notice(1, m);
                }
            }
            Input::StreamChanged { held } => self.hold(held, m),
            Input::Digit { key, source } => {
                self.note(EventKind::Key, json!({ "key": key.to_string(), "source": source.to_string() }), m);
                self.key(key, m);
            }
            Input::SpeechStarted { at } => self.speech_started(at, m),
            Input::SpeechEnded { at } => self.speech_ended(at, m),
            Input::PlaybackDone { id, interrupted } => self.playback_done(id, interrupted, m),
            Input::Heard { ask, text, confidence } => self.heard(ask, &text, confidence, m),
            Input::HeardNothing { ask, why } => self.heard_nothing(ask, why, m),
            Input::CaseOpened { number, owner, due_on } => {
                self.note(EventKind::Case, json!({ "number": number.to_string(), "due_on": due_on.to_string() }), m);
                self.store_answered(Request::OpenCase, Event::Opened { number, owner, due_on }, m);
            }
            Input::CaseFailed => self.store_answered(Request::OpenCase, Event::NotOpened, m),
            Input::Progress(answer) => self.store_answered(Request::LookUp, Event::Progress(answer), m),
            Input::ProgressFailed => self.store_answered(Request::LookUp, Event::NotLookedUp, m),
            Input::Withdrawn(done) => self.store_answered(Request::Withdraw, Event::Withdrawn(done), m),
            Input::Transferred(reached) => self.transferred(reached, m),
            Input::NotRetaken => self.store_answered(Request::Retake, Event::NotRetaken, m),
            Input::Queued { ahead, wait, offer } => self.queued(ahead, wait, offer, m),
            Input::NobodyReady => self.nobody_ready(m),
            Input::PersonAnswered => self.person_answered(m),
            Input::PersonAway { held } => self.person_away(held, m),
            Input::PersonLeft => self.person_left(m),
            Input::MediaSilent if !self.held => self.finish(EndReason::NoRtp, m),
            Input::MediaSilent => {}
            Input::NobodyThere => self.finish(EndReason::Machine, m),
            Input::HungUp if self.answered.is_none() => self.finish(EndReason::Cancelled, m),
            Input::HungUp => self.finish(EndReason::Caller, m),
            Input::Drain => self.drain(m),
            Input::Timeout => self.timeout(m),
        }
    }

    /// Plays the notice; nothing is recorded, and no key or word counts, before it was heard to its end (R12.1).
    fn play_notice(&mut self, tries: u8, m: &mut Moment) {
        let play = self.next_play();
        self.phase = Phase::Notice { play, tries };
        self.note_prompts(&self.notice, false, m);
        m.actions.push(Action::Play { id: play, prompts: self.notice.clone(), slow: false });
    }

    fn playback_done(&mut self, id: PlayId, interrupted: bool, m: &mut Moment) {
        match &self.phase {
            Phase::Notice { play, tries } if *play == id => match (interrupted, *tries) {
                (false, _) => {
                    m.actions.push(Action::StartRecording);
                    self.event(Event::Began, m);
                }
                (true, tries) if tries < NOTICE_TRIES => self.play_notice(tries + 1, m),
                (true, _) => self.finish(EndReason::Error, m),
            },
            Phase::Saying(saying) if saying.play == id => self.run_done(m),
            Phase::Asking(Asking { comfort: Comfort::Playing(play, _), .. }) if *play == id => self.comforted(m),
            Phase::Person(_) => self.waited(id, m),
            Phase::Ringing
            | Phase::Notice { .. }
            | Phase::Saying(_)
            | Phase::Waiting { .. }
            | Phase::Speaking(_)
            | Phase::Pausing { .. }
            | Phase::Keying { .. }
            | Phase::Asking(_)
            | Phase::Message { .. }
            | Phase::AtStore { .. }
            | Phase::AtPerson
            | Phase::Over => {}
        }
    }

    /// On hold nothing is timed, so nothing is recognised; afterwards what was being asked is asked again.
    fn hold(&mut self, held: bool, m: &mut Moment) {
        if self.held == held {
            return;
        }
        self.held = held;
        self.talking = None;
        self.note(EventKind::Hold, json!({ "held": held }), m);
        if held {
            return;
        }
        match &mut self.phase {
            Phase::Notice { tries, .. } => {
                let tries = *tries;
                self.play_notice(tries, m);
            }
            Phase::Saying(_)
            | Phase::Waiting { .. }
            | Phase::Speaking(_)
            | Phase::Pausing { .. }
            | Phase::Keying { .. }
            | Phase::Asking(_) => {
                let turn = self.script.again(m.wall);
                self.begin(turn, m);
            }
            Phase::Message { until, ends } => {
                *until = (*ends).min(m.now + self.timing.first_nudge);
                if *ends <= m.now {
                    *ends = *until;
                }
            }
            Phase::Ringing | Phase::AtStore { .. } | Phase::AtPerson | Phase::Person(_) | Phase::Over => {}
        }
    }

    fn store_answered(&mut self, answers: Request, event: Event, m: &mut Moment) {
        if matches!(self.phase, Phase::AtStore { request, .. } if request == answers) {
            self.event(event, m);
        }
    }

    fn transferred(&mut self, reached: bool, m: &mut Moment) {
        if matches!(self.phase, Phase::AtPerson) {
            self.event(if reached { Event::Transferred } else { Event::NotTransferred }, m);
        }
    }

    /// Says goodbye and ends. A case being opened is told first; before the notice is over there is nothing to say.
    fn drain(&mut self, m: &mut Moment) {
        self.draining = true;
        match self.phase {
            Phase::Ringing | Phase::Notice { .. } => self.finish(EndReason::Drain, m),
            Phase::AtStore { .. } | Phase::AtPerson | Phase::Over => {}
            Phase::Person(_) => {
                m.actions.push(Action::LeaveDesk);
                self.event(Event::Drain, m);
            }
            Phase::Saying(_)
            | Phase::Waiting { .. }
            | Phase::Speaking(_)
            | Phase::Pausing { .. }
            | Phase::Keying { .. }
            | Phase::Asking(_)
            | Phase::Message { .. } => self.event(Event::Drain, m),
        }
    }

    fn timeout(&mut self, m: &mut Moment) {
        if self.answered.is_some_and(|(answered, _)| m.now >= answered + MAX_CALL) {
            return self.finish(EndReason::MaxDuration, m);
        }
        let due = self.phase.deadline().is_some_and(|at| m.now >= at);
        if self.held || !due {
            return; // Stale.
        }
        match &self.phase {
            Phase::Saying(_) => self.barge_in(m),
            Phase::Waiting { .. } => self.event(Event::Silence, m),
            Phase::Speaking(utterance) => {
                let utterance = *utterance;
                self.ask(utterance, utterance.media_time(m.now), m);
            }
            Phase::Pausing { utterance, to, .. } => {
                let (utterance, to) = (*utterance, *to);
                self.ask(utterance, to, m);
            }
            Phase::Keying { digits, .. } => {
                let digits = digits.clone();
                self.event(Event::Entered(digits), m);
            }
            Phase::Asking(_) => self.recogniser_slow(m),
            Phase::Message { .. } => self.event(Event::Recorded, m),
            Phase::AtStore { request: Request::OpenCase, .. } => self.event(Event::NotOpened, m),
            Phase::AtStore { request: Request::LookUp, .. } => self.event(Event::NotLookedUp, m),
            Phase::AtStore { request: Request::Withdraw, .. } => self.event(Event::Withdrawn(false), m),
            Phase::AtStore { request: Request::Retake, .. } => self.event(Event::NotRetaken, m),
            Phase::Ringing | Phase::Notice { .. } | Phase::AtPerson | Phase::Person(_) | Phase::Over => {}
        }
    }

    /// Gives the dialogue an event and begins the turn it answers with.
    pub(super) fn event(&mut self, event: Event, m: &mut Moment) {
        let turn = self.script.handle(event, m.wall);
        for mut answer in self.script.take_answers() {
            answer.latency = self.latency;
            m.actions.push(Action::KeepAnswer(answer));
        }
        self.begin(turn, m);
    }

    /// Does what a turn leads to once it is spoken.
    pub(super) fn settle(&mut self, then: Then, m: &mut Moment) {
        match then {
            Then::Listen(listening) => self.listen(listening, m),
            Then::SeekPerson => self.seek(m),
            Then::TakeMessage => {
                let timing = self.timing;
                let ends = m.now + timing.message_max;
                self.phase = Phase::Message { until: ends.min(m.now + timing.first_nudge), ends };
            }
            Then::OpenCase(origin) => {
                self.open_case(origin, m);
                self.phase = Phase::AtStore { request: Request::OpenCase, until: m.now + super::STORE_WAIT };
            }
            Then::LookUp(number) => self.ask_store(Request::LookUp, Action::LookUp(number), m),
            Then::Withdraw => self.ask_store(Request::Withdraw, Action::Withdraw, m),
            Then::Retake => self.ask_store(Request::Retake, Action::Retake, m),
            Then::Transfer => {
                m.actions.push(Action::Transfer);
                self.phase = Phase::AtPerson;
            }
            Then::HangUp => self.finish(EndReason::Flow, m),
        }
    }

    fn ask_store(&mut self, request: Request, action: Action, m: &mut Moment) {
        m.actions.push(action);
        self.phase = Phase::AtStore { request, until: m.now + super::STORE_WAIT };
    }

    fn open_case(&mut self, origin: Origin, m: &mut Moment) {
        let Some(duty) = self.duty else { return };
        let began = self.answered.map_or(m.wall, |(_, wall)| wall);
        let facts = CaseFacts {
            call: self.facts.call,
            line: self.facts.line.clone(),
            duty,
            received_at: self.spoke_at.unwrap_or(began),
        };
        if let Some(draft) = self.script.draft(&facts, origin, m.wall) {
            m.actions.push(Action::OpenCase(draft));
        }
    }

    /// Ends the call; what the caller is owed is opened first (R5.1, B31).
    pub(super) fn finish(&mut self, reason: EndReason, m: &mut Moment) {
        let lasted = self.answered.is_some_and(|(answered, _)| m.now >= answered + CASE_AFTER);
        if lasted && self.script.owes_case() {
            self.open_case(if self.sought { Origin::Person } else { Origin::Abandoned }, m);
        }
        self.phase = Phase::Over;
        let reason = if self.draining && reason == EndReason::Flow { EndReason::Drain } else { reason };
        m.actions.push(Action::HangUp(reason));
    }

    pub(super) fn next_play(&mut self) -> PlayId {
        self.last_play = self.last_play.wrapping_add(1);
        PlayId(self.last_play)
    }

    /// Notes the state when it is another one.
    pub(super) fn note_state(&mut self, m: &mut Moment) {
        if self.noted_state != self.script.state() {
            self.script.state().clone_into(&mut self.noted_state);
            let window = self.script.window();
            let detail = json!({ "state": self.noted_state, "window": window });
            self.note(EventKind::State, detail, m);
        }
    }

    pub(super) fn note(&self, kind: EventKind, detail: serde_json::Value, m: &mut Moment) {
        let at = self.answered.map_or(Duration::ZERO, |(answered, _)| m.now.saturating_duration_since(answered));
        m.actions.push(Action::Note(TimelineEvent { at, kind, detail }));
    }
}

/// The dialogue's own, but for the length of a remark.
fn interview_timing() -> Timing {
    Timing { message_max: REMARK_MAX, ..Timing::default() }
}
