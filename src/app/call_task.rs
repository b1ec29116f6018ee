//! One call's task: carries what happens between signalling, audio, recogniser and store to the call's state machine, and
//! what it wants back to them. Decides nothing.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use super::captions::Captions;
use super::check_line;
use super::desk::{self, CallerSeat};
use super::interviewing::Interviewing;
use super::keeping::Keeper;
use super::put_through::{PutThrough, put_through};
use super::shared::{Drain, Shared};
use super::spoken::Spoken;
use super::transfer::Caller;
use crate::call::{
    Action, Call, CaseDraft, EndReason, EventKind, Facts, Input, KeySource, LineProfile, Nothing, PlayId, TimelineEvent,
};
use crate::clock::{monotonic, wall};
use crate::desk::protocol::Shown;
use crate::flow::{Expect, PromptId};
use crate::ids::{CallId, CaseNumber, PhoneNumber};
use crate::media::{DigitSource, MediaEvent, MediaSession, MediaSummary, Recording};
use crate::sip::{Dialog, DialogEvent, IncomingCall, Reject};
use crate::speech::{self, SpeechError};
use crate::store::records::{self, CallAnswered, CallEnded, CallEvent, CallStarted};
use crate::store::{Record, Store};
use crate::survey::Outcome;
use crate::units::millis;

/// The folder of recordings, below the data directory.
pub(super) const RECORDINGS: &str = "recordings";

/// Retry-After of a call that finds no free port, in seconds.
const NO_PORT_RETRY_S: u32 = 10;

/// How long a call's last case may take to become durable after the caller hung up, before it is left to itself.
const LAST_CASE_WAIT: Duration = Duration::from_secs(30);

/// Takes a call that rings, from the first answer to the closed recording.
pub(super) async fn run(shared: Arc<Shared>, incoming: IncomingCall, profile: Arc<LineProfile>, line: String) {
    let id = CallId::fresh();
    let media = match shared.engine.open(id) {
        Ok(media) => media,
        Err(error) => {
            tracing::error!(call = %id, sip_call_id = incoming.sip_call_id, %error, "no audio for a call");
            shared.counters.refused.inc();
            return incoming.reject(Reject::Unavailable { retry_after_s: NO_PORT_RETRY_S }).await;
        }
    };
    let started_at = wall();
    tracing::info!(call = %id, sip_call_id = incoming.sip_call_id, line, "a call rings");
    shared.counters.started(&line);
    shared.board.started(id, &line, incoming.caller.as_ref(), started_at);
    let started = Record::CallStarted(CallStarted {
        call: id,
        line: line.clone(),
        caller: incoming.caller.clone(),
        called: incoming.called.clone(),
        sip_call_id: incoming.sip_call_id.clone(),
        started_at,
    });
    let rung = check_line::rung(&shared.store, incoming.caller.as_ref());
    let ((rung, revocable), ()) = tokio::join!(rung, keep(&shared.store, started));

    let facts = Facts { call: id, line, caller: incoming.caller.clone(), rung };
    let flow = profile.flow_label();
    let mut call = Call::new(profile, facts);
    let wants_answer = call.handle(Input::Start, monotonic(), wall()).contains(&Action::Answer);
    let answered = if wants_answer { incoming.answer(media.local_rtp()).await.ok() } else { None };
    let end = match answered {
        Some(dialog) => {
            let conversation = Conversation::new(Arc::clone(&shared), id, call, dialog, media, flow, None);
            conversation.revocable(revocable).talk().await
        }
        None => End { reason: EndReason::Cancelled, outcome: None, summary: media.close().await, spoken: Vec::new() },
    };
    finish(&shared, id, end).await;
}

/// How a call ended, and what remains of it.
pub(super) struct End {
    reason: EndReason,
    /// How an interview came out; `None` for a call of a line.
    pub(super) outcome: Option<Outcome>,
    summary: MediaSummary,
    spoken: Vec<records::Segment>,
}

pub(super) async fn finish(shared: &Shared, id: CallId, end: End) {
    shared.counters.ended(end.reason.code());
    let recording = end.summary.recording.and_then(|r| {
        let path = r.path.strip_prefix(&shared.data_dir).ok()?.to_str()?.to_owned();
        Some(records::Recording { path, sha256: hex::encode(r.sha256), duration_ms: millis(r.duration) })
    });
    tracing::info!(call = %id, reason = %end.reason, recorded = recording.is_some(), "a call ended");
    let ended = CallEnded {
        call: id,
        ended_at: wall(),
        reason: end.reason.code().to_owned(),
        quality: end.summary.quality.as_ref().map(super::figures::quality),
        recording,
        spoken: end.spoken,
    };
    keep(&shared.store, Record::CallEnded(ended)).await;
    shared.board.ended(id);
}

/// A record that the call can go on without: the disk is full or broken, which the store has said in its own words.
pub(super) async fn keep(store: &Store, record: Record) {
    let call = record.call();
    if let Err(error) = store.append(record).await {
        tracing::error!(%call, error = &error as &dyn std::error::Error, "a record of a call is lost");
    }
}

/// An answered call.
pub(super) struct Conversation {
    shared: Arc<Shared>,
    id: CallId,
    call: Call,
    dialog: Dialog,
    media: MediaSession,
    /// When audio began: the origin of the call's time axis, recording and transcript included.
    answered: Option<Instant>,
    flow: String,
    /// What listens and keeps beside an interview.
    beside: Option<Interviewing>,
    /// Sampled numbers whose answers the caller may take back.
    revocable: Vec<i64>,
    /// What keeps the answers of an interview that the caller gives anew.
    keeper: Option<Keeper>,
    /// When the last thing happened that was not of our own making.
    came: Instant,
    /// The place at the desk of a caller who wants a person.
    seat: Option<CallerSeat>,
    /// Questions to recogniser and store whose answers are awaited.
    jobs: JoinSet<Input>,
    /// Inputs that arose from actions.
    waiting: VecDeque<Input>,
    notes: Vec<CallEvent>,
    next_note: i32,
    spoken: Spoken,
    captions: Captions,
    drain: watch::Receiver<Drain>,
    end: Option<EndReason>,
}

impl Conversation {
    pub(super) fn new(
        shared: Arc<Shared>,
        id: CallId,
        call: Call,
        dialog: Dialog,
        media: MediaSession,
        flow: String,
        beside: Option<Interviewing>,
    ) -> Self {
        let drain = shared.drain.subscribe();
        shared.levels.watch(id, media.loudness());
        Self {
            shared,
            id,
            call,
            dialog,
            media,
            answered: None,
            flow,
            beside,
            revocable: Vec::new(),
            keeper: None,
            came: monotonic(),
            seat: None,
            jobs: JoinSet::new(),
            waiting: VecDeque::new(),
            notes: Vec::new(),
            next_note: 0,
            spoken: Spoken::default(),
            captions: Captions::default(),
            drain,
            end: None,
        }
    }

    /// The same, where the caller may take back what was answered at these sampled numbers.
    fn revocable(self, revocable: Vec<i64>) -> Self {
        Self { revocable, ..self }
    }

    pub(super) async fn talk(mut self) -> End {
        self.connect();
        if let Some(beside) = &mut self.beside {
            // A call of ours stands already: the other side answered it.
            beside.answered();
            self.tell_engine(self.media.listen(true));
            self.answer();
            self.waiting.push_back(Input::Answered);
        }
        while self.end.is_none() {
            let input = match self.waiting.pop_front() {
                Some(input) => Some(input),
                None => {
                    let input = self.next_input().await;
                    self.came = monotonic();
                    input
                }
            };
            if let Some(input) = input {
                self.feed(input).await;
            }
        }
        self.seat = None;
        let reason = self.end.unwrap_or(EndReason::Caller);
        let ours = matches!(reason, EndReason::Drain | EndReason::MaxDuration | EndReason::Error);
        let outcome = self.call.outcome(ours);
        let outcome = outcome.map(|o| self.beside.as_ref().map_or(o, |beside| beside.outcome(o)));
        if let (Some(keeper), Some(outcome)) = (&self.keeper, outcome) {
            keeper.retaken(outcome).await;
        }
        if reason != EndReason::Caller {
            self.dialog.hang_up(None).await;
        }
        // A case that the call left behind must be durable before the call counts as over.
        let rest = async { while self.jobs.join_next().await.is_some() {} };
        if timeout(LAST_CASE_WAIT, rest).await.is_err() {
            tracing::error!(call = %self.id, "the store takes long over a case of an ended call");
            self.jobs.detach_all();
        }
        let ended = self.since_answer();
        let spoken = self.spoken.finish(ended);
        End { reason, outcome, summary: self.media.close().await, spoken }
    }

    /// Waits for the next thing that happens; `None` for what the call need not know.
    async fn next_input(&mut self) -> Option<Input> {
        let deadline = self.call.poll_timeout();
        let at = tokio::time::Instant::from_std(deadline.unwrap_or_else(monotonic));
        tokio::select! {
            event = self.dialog.next() => match event {
                Some(event) => self.signalled(event),
                None => Some(Input::HungUp),
            },
            Some(event) = self.media.next() => {
                if let Some(beside) = &mut self.beside {
                    beside.sounded(&event, &self.media).await;
                }
                self.sounded(event).or_else(|| self.nobody())
            }
            () = listen_beside(&mut self.beside) => self.nobody(),
            event = desk::next(&mut self.seat) => self.seat.as_mut().and_then(|seat| seat.take_in(event, &self.media)),
            Some(done) = self.jobs.join_next() => match done {
                Ok(input) => Some(input),
                Err(error) => {
                    tracing::error!(call = %self.id, %error, "a question of a call failed");
                    None
                }
            },
            Ok(()) = self.drain.changed() => (*self.drain.borrow() == Drain::Goodbye).then_some(Input::Drain),
            () = self.captions.due() => {
                self.captions.take(&self.shared, self.id, &self.media);
                None
            }
            () = sleep_until(at), if deadline.is_some() => {
                if let Some(beside) = self.beside.as_mut().filter(|_| self.call.waits()) {
                    beside.unanswered();
                }
                self.nobody().or(Some(Input::Timeout))
            }
        }
    }

    fn signalled(&mut self, event: DialogEvent) -> Option<Input> {
        match event {
            DialogEvent::Confirmed => {
                self.connect();
                self.answer();
                Some(Input::Answered)
            }
            DialogEvent::Stream(stream) => {
                let held = !(stream.direction.sends() && stream.direction.receives());
                self.connect();
                self.answered.is_some().then_some(Input::StreamChanged { held })
            }
            DialogEvent::Digit { key, duration: _ } => {
                if let Some(beside) = &mut self.beside {
                    beside.keyed();
                }
                Some(Input::Digit { key, source: KeySource::Info })
            }
            DialogEvent::Ended(reason) => {
                tracing::debug!(call = %self.id, ?reason, "the dialog ended");
                Some(Input::HungUp)
            }
        }
    }

    /// It is certain that no person answered a call of ours.
    fn nobody(&self) -> Option<Input> {
        self.beside.as_ref().and_then(Interviewing::nobody).map(|_| Input::NobodyThere)
    }

    fn sounded(&mut self, event: MediaEvent) -> Option<Input> {
        match event {
            MediaEvent::Digit { key, source, .. } => {
                let source = match source {
                    DigitSource::TelephoneEvent => KeySource::Rtp,
                    DigitSource::Tone => KeySource::InBand,
                };
                Some(Input::Digit { key, source })
            }
            MediaEvent::SpeechStarted { at } => {
                self.captions.speech_started(at);
                Some(Input::SpeechStarted { at })
            }
            MediaEvent::SpeechEnded { at } => {
                self.captions.speech_ended();
                Some(Input::SpeechEnded { at })
            }
            MediaEvent::PlaybackDone { id, interrupted } => {
                self.spoken.done(id.0, self.since_answer(), interrupted);
                let id = PlayId(u32::try_from(id.0).ok()?);
                Some(Input::PlaybackDone { id, interrupted })
            }
            MediaEvent::Silent { .. } => Some(Input::MediaSilent),
            // Who rings us is there, whatever tones are heard of him; whom we ring, [`Interviewing`] judges.
            MediaEvent::FirstPacket { .. } | MediaEvent::Tone { .. } => None,
            MediaEvent::RecordingFailed { fault } => {
                tracing::error!(call = %self.id, %fault, "a recording has a gap or stopped; the call goes on");
                self.shared.counters.recordings_failed.inc();
                None
            }
        }
    }

    /// Tells the engine what signalling agreed on.
    fn connect(&mut self) {
        let Some(stream) = self.dialog.stream().cloned() else { return };
        if let Err(error) = self.media.connect(stream) {
            tracing::error!(call = %self.id, %error, "the agreed audio cannot be used");
            self.waiting.push_back(Input::MediaSilent);
        }
    }

    /// The call's time axis begins.
    fn answer(&mut self) {
        self.answered = Some(monotonic());
        let codec = self.dialog.stream().map_or("", |s| s.codec.name());
        self.shared.store.append_soon(Record::CallAnswered(CallAnswered {
            call: self.id,
            flow: self.flow.clone(),
            codec: codec.to_owned(),
            answered_at: wall(),
        }));
    }

    async fn feed(&mut self, input: Input) {
        if let Input::Heard { text, .. } = &input {
            self.shared.board.caption(self.id, text, false);
            if let Some(beside) = &mut self.beside {
                beside.heard(text);
            }
        }
        let mut actions = VecDeque::from(self.call.handle(input, monotonic(), wall()));
        while let Some(action) = actions.pop_front() {
            if action == Action::Retake {
                actions.extend(self.retake().await);
            } else {
                self.perform(action).await;
            }
        }
        if let Some(beside) = &mut self.beside {
            beside.refuse(self.call.outcome(false)).await;
        } else if let Some(keeper) = &mut self.keeper {
            keeper.refuse(self.call.outcome(false)).await;
        }
        self.shared.board.state(self.id, self.call.state());
        if !self.notes.is_empty() {
            let events = std::mem::take(&mut self.notes);
            self.shared.store.append_soon(Record::CallEvents { call: self.id, events });
        }
    }

    async fn perform(&mut self, action: Action) {
        match action {
            // The dialog stands already, and the interview is here.
            Action::Answer | Action::Retake => {}
            Action::Play { id, prompts, slow } => self.play(id, &prompts, slow),
            Action::StopPlay => self.tell_engine(self.media.stop()),
            Action::StartRecording => self.record(),
            // What nobody recognises need not be kept.
            Action::Listen(on) => self.tell_engine(self.media.listen(on && self.shared.speech.is_some())),
            Action::Recognise { ask, .. } if self.shared.speech.is_none() => {
                self.waiting.push_back(Input::HeardNothing { ask, why: Nothing::Busy });
            }
            Action::Recognise { ask, from, to, expect, within } => {
                self.captions.end_turn();
                let pcm = self.media.utterance(from, to).await;
                let shared = Arc::clone(&self.shared);
                self.jobs.spawn(async move {
                    match recognise(&shared, pcm, expect, within).await {
                        Ok(Some((text, confidence))) => Input::Heard { ask, text, confidence },
                        Ok(None) => Input::HeardNothing { ask, why: Nothing::Empty },
                        Err(why) => Input::HeardNothing { ask, why },
                    }
                });
            }
            Action::OpenCase(draft) => {
                let shared = Arc::clone(&self.shared);
                self.jobs.spawn(async move { open_case(&shared, draft).await });
            }
            Action::KeepAnswer(answer) => {
                if let Some(beside) = &mut self.beside {
                    beside.keep(answer).await;
                } else if let Some(keeper) = &mut self.keeper {
                    keeper.answer(answer).await;
                }
                self.shared.counters.answer_kept.after(self.came.elapsed());
            }
            Action::Withdraw => {
                let (store, call, samples) = (self.shared.store.clone(), self.id, self.revocable.clone());
                self.jobs.spawn(async move { Input::Withdrawn(check_line::withdraw(&store, call, samples).await) });
            }
            Action::LookUp(number) => {
                let store = self.shared.store.clone();
                self.jobs.spawn(async move { look_up(&store, number).await });
            }
            Action::Transfer => self.put_through().await,
            Action::SeekPerson => self.seek(),
            Action::LeaveDesk => self.seat = None,
            Action::HangUp(reason) => self.end = Some(reason),
            Action::Note(event) => self.note(event),
        }
    }

    /// Puts a surveyed person through to one of ours; other callers have nobody who keeps what they want.
    async fn put_through(&mut self) {
        let beside = self.beside.as_ref().map(Interviewing::keeper);
        let Some(keeper) = beside.or(self.keeper.as_ref()) else {
            return self.waiting.push_back(Input::Transferred(false));
        };
        let caller = Caller { dialog: &mut self.dialog, media: &mut self.media };
        let went = put_through(&self.shared, self.id, caller, keeper, &mut self.drain).await;
        let (reached, caller_left) = match went {
            PutThrough::Talked { caller_left } => (true, caller_left),
            PutThrough::NobodyThere { caller_left } => (false, caller_left),
        };
        self.waiting.push_back(Input::Transferred(reached));
        if caller_left {
            self.waiting.push_back(Input::HungUp);
        }
    }

    /// What the caller answered last is asked anew.
    async fn retake(&mut self) -> Vec<Action> {
        let found = match self.revocable.first() {
            Some(sample) => check_line::retake(&self.shared, self.id, *sample).await,
            None => None,
        };
        match found {
            Some((interview, keeper)) => {
                self.keeper = Some(keeper);
                self.call.retake(interview, monotonic(), wall())
            }
            None => self.call.handle(Input::NotRetaken, monotonic(), wall()),
        }
    }

    /// Takes a place at the desk. Whoever is there and whoever waits is the desk's to know.
    fn seek(&mut self) {
        self.seat = None; // Given up before it is taken anew.
        let facts = self.call.facts();
        let shown = Shown { line: facts.line.clone(), caller: facts.caller.as_ref().map(PhoneNumber::masked) };
        self.seat = Some(self.shared.desk.seek(self.id, shown));
    }

    fn play(&mut self, id: PlayId, prompts: &[PromptId], slow: bool) {
        let sounds = self.shared.voice.sounds(prompts, slow);
        let pieces = sounds.iter().map(|(clip, words)| (words.to_string(), clip.duration())).collect();
        let clips = sounds.into_iter().map(|(clip, _)| clip).collect();
        let played = self.media.play(crate::media::PlayId(u64::from(id.0)), clips);
        if let Err(error) = played {
            tracing::error!(call = %self.id, %error, "a prompt cannot be played");
            self.waiting.push_back(Input::PlaybackDone { id, interrupted: true });
            return;
        }
        self.spoken.begin(u64::from(id.0), self.since_answer(), pieces);
    }

    /// Recording begins; its file begins with the answer, so that file and call share one time axis.
    fn record(&mut self) {
        let path = recording_path(&self.shared.data_dir, self.id);
        let origin = self.answered.unwrap_or_else(monotonic);
        self.tell_engine(self.media.record(Recording { path, origin }));
    }

    fn tell_engine(&self, told: Result<(), crate::media::MediaError>) {
        if let Err(error) = told {
            tracing::error!(call = %self.id, %error, "the audio engine did not take an order");
        }
    }

    fn note(&mut self, event: TimelineEvent) {
        if event.kind == EventKind::Case {
            tracing::info!(call = %self.id, "a case was asked for or opened");
        }
        self.notes.push(CallEvent {
            seq: self.next_note,
            at_ms: millis(event.at),
            kind: event.kind.code().to_owned(),
            detail: event.detail,
        });
        self.next_note += 1;
    }

    fn since_answer(&self) -> Duration {
        self.answered.map_or(Duration::ZERO, |at| monotonic().saturating_duration_since(at))
    }
}

/// Waits for what runs beside an interview; for ever, where nothing does.
async fn listen_beside(beside: &mut Option<Interviewing>) {
    match beside {
        Some(beside) => beside.next().await,
        None => std::future::pending().await,
    }
}

/// Words and confidence; `None` where there are no words in it.
async fn recognise(
    shared: &Shared,
    pcm: Vec<i16>,
    expect: Expect,
    within: Duration,
) -> Result<Option<(String, f32)>, Nothing> {
    let recogniser = shared.speech.as_ref().ok_or(Nothing::Busy)?;
    let expect = match expect {
        Expect::Request | Expect::Place => speech::Expect::Free,
        Expect::YesNo => speech::Expect::YesNo,
        Expect::Digits => speech::Expect::Digits,
        Expect::Rating => speech::Expect::Rating,
    };
    match recogniser.answer(pcm, expect, monotonic() + within).await {
        Ok(heard) => Ok(Some((heard.text, heard.confidence)).filter(|(text, _)| !text.is_empty())),
        Err(SpeechError::NoSpeech) => Ok(None),
        Err(SpeechError::Busy) => Err(Nothing::Busy),
        Err(SpeechError::Late) => Err(Nothing::TooLate),
        Err(error @ (SpeechError::Recognise(_) | SpeechError::Thread(_) | SpeechError::ShuttingDown)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "recognition failed");
            Err(Nothing::Failed)
        }
    }
}

async fn open_case(shared: &Shared, draft: CaseDraft) -> Input {
    let call = draft.call;
    match shared.store.open_case(draft).await {
        Ok(case) => {
            shared.counters.cases.inc();
            Input::CaseOpened { number: case.number, owner: case.draft.owner, due_on: case.draft.due_on }
        }
        Err(error) => {
            tracing::error!(%call, error = &error as &dyn std::error::Error, "a case could not be opened");
            Input::CaseFailed
        }
    }
}

async fn look_up(store: &Store, number: CaseNumber) -> Input {
    match store.case_status(number).await {
        Ok(answer) => Input::Progress(answer),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a case could not be looked up");
            Input::ProgressFailed
        }
    }
}

/// Where a call's recording lies: by the day on which it rang, in UTC. Known from the call alone, so that a recording is
/// found again after a crash.
pub(super) fn recording_path(data_dir: &Path, call: CallId) -> PathBuf {
    data_dir.join(format!("{RECORDINGS}/{}/{call}.wav", call.made_at().format("%Y/%m/%d")))
}
