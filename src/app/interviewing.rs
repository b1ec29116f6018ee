//! What runs beside an interview: who answered, and its answers on their way to the disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::keeping::Keeper;
use super::shared::Shared;
use crate::call::answered::{GREETING, Notice, Party, Sign, WhoAnswered};
use crate::call::tone::Tone;
use crate::clock::monotonic;
use crate::media::{MediaEvent, MediaSession};
use crate::speech;
use crate::store::dialling::Claimed;
use crate::survey::{Answer, InterviewEnd, Outcome};

/// Most utterances of a greeting that are sent to the recogniser.
const UTTERANCES: usize = 4;
/// An utterance of a greeting that is not recognised by then says nothing any more.
const RECOGNISE_WITHIN: Duration = Duration::from_secs(6);

/// The side of a survey call that listens for who is there, and keeps what is answered.
pub(super) struct Interviewing {
    claimed: Arc<Claimed>,
    /// The origin of media times.
    opened: Instant,
    who: WhoAnswered,
    shared: Arc<Shared>,
    /// Since when, as media time, somebody speaks.
    speaks: Option<Duration>,
    asked: usize,
    words: JoinSet<Option<String>>,
    keeper: Keeper,
    /// A machine, as it seems, let a question pass.
    silent: bool,
}

impl Interviewing {
    /// Beside the call of this attempt, whose media session was opened at `opened`.
    pub(super) fn new(claimed: Arc<Claimed>, opened: Instant, shared: Arc<Shared>) -> Self {
        let keeper = Keeper::new(shared.store.clone(), Arc::clone(&claimed), claimed.attempt);
        Self {
            claimed,
            opened,
            who: WhoAnswered::default(),
            shared,
            speaks: None,
            asked: 0,
            words: JoinSet::new(),
            keeper,
            silent: false,
        }
    }

    /// The call was answered.
    pub(super) fn answered(&mut self) {
        self.sign(Sign::Answered);
    }

    /// A key came, by whichever way.
    pub(super) fn keyed(&mut self) {
        self.sign(Sign::Key);
    }

    /// The call's own recogniser made words of an utterance.
    pub(super) fn heard(&mut self, words: &str) {
        self.sign(Sign::Words(words));
    }

    /// Something sounded. Utterances of the greeting are recognised, whatever the call itself listens to.
    pub(super) async fn sounded(&mut self, event: &MediaEvent, media: &MediaSession) {
        match *event {
            MediaEvent::SpeechStarted { at } => {
                self.speaks = Some(at);
                self.sign(Sign::SpeechStarted { at });
            }
            MediaEvent::SpeechEnded { at } => {
                self.sign(Sign::SpeechEnded { at });
                if let Some(from) = self.speaks.take() {
                    self.recognise(from, at, media).await;
                }
            }
            MediaEvent::Tone { tone, .. } => self.sign(Sign::Tone(tone)),
            MediaEvent::Digit { .. } => self.sign(Sign::Key),
            MediaEvent::FirstPacket { .. }
            | MediaEvent::PlaybackDone { .. }
            | MediaEvent::Silent { .. }
            | MediaEvent::RecordingFailed { .. } => {}
        }
    }

    /// Waits until time or a recogniser says something of who is there. Never ends while neither may. Safe to cancel.
    pub(super) async fn next(&mut self) {
        let due = self.who.poll_timeout().map(|at| self.opened + at);
        tokio::select! {
            Some(words) = self.words.join_next() => {
                if let Ok(Some(words)) = words {
                    self.sign(Sign::Words(&words));
                }
            }
            () = tokio::time::sleep_until(due.unwrap_or_else(monotonic).into()), if due.is_some() => {
                self.sign(Sign::Timeout);
            }
            else => std::future::pending().await,
        }
    }

    /// How the attempt comes out when it is certain that no person is there; the call is then over.
    pub(super) fn nobody(&self) -> Option<Outcome> {
        let verdict = self.who.verdict()?;
        let machine = self.silent && verdict.party == Party::Machine;
        (machine || verdict.is_sure()).then(|| outcome_of(verdict.party)).flatten()
    }

    /// A question is met with silence. By then whoever spoke on and on without waiting for an answer was a machine: no
    /// person greets like that and then says nothing to a question.
    pub(super) fn unanswered(&mut self) {
        self.silent |=
            self.keeper.answers() == 0 && self.who.verdict().is_some_and(|verdict| verdict.party == Party::Machine);
    }

    /// How an answered call came out, where the interview itself ended with `interview`. A machine that hung up before the
    /// first question was no person either.
    pub(super) fn outcome(&self, interview: Outcome) -> Outcome {
        let hung_up =
            matches!(interview, Outcome::Reached { end: InterviewEnd::HungUp, .. }) && self.keeper.answers() == 0;
        let seems_one = self.who.verdict().is_some_and(|verdict| verdict.party == Party::Machine);
        self.nobody().unwrap_or(if hung_up && seems_one { Outcome::Machine } else { interview })
    }

    /// Makes an answer durable; when this returns, it is on the disk.
    pub(super) async fn keep(&mut self, answer: Answer) {
        self.sign(Sign::Answer);
        self.keeper.answer(answer).await;
    }

    /// What keeps the answers.
    pub(super) fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// Keeps, once, that the person asked never to be rung again; at once, before the call is over.
    pub(super) async fn refuse(&mut self, outcome: Option<Outcome>) {
        self.keeper.refuse(outcome).await;
    }

    async fn recognise(&mut self, from: Duration, to: Duration, media: &MediaSession) {
        let settled = self.who.verdict().is_some_and(|verdict| verdict.is_sure());
        let late = self.media_time() > from + GREETING * 2;
        if self.shared.speech.is_none() || settled || late || self.asked >= UTTERANCES {
            return;
        }
        self.asked += 1;
        let pcm = media.utterance(from, to).await;
        let by = monotonic() + RECOGNISE_WITHIN;
        let shared = Arc::clone(&self.shared);
        self.words.spawn(async move {
            let speech = shared.speech.as_ref()?;
            let heard = speech.answer(pcm, speech::Expect::Free, by).await.ok()?;
            Some(heard.text).filter(|text| !text.is_empty())
        });
    }

    fn sign(&mut self, sign: Sign<'_>) {
        let now = self.media_time();
        if let Some(verdict) = self.who.handle(sign, now) {
            tracing::debug!(call = %self.claimed.attempt, ?verdict, "who answered");
        }
    }

    fn media_time(&self) -> Duration {
        monotonic().saturating_duration_since(self.opened)
    }
}

/// What an attempt is when such a party answered; `None` where a person may be there.
fn outcome_of(party: Party) -> Option<Outcome> {
    match party {
        Party::Person | Party::Unknown => None,
        Party::Machine => Some(Outcome::Machine),
        Party::Announcement(notice) => Some(match notice {
            Notice::SwitchedOff | Notice::Unreachable => Outcome::Unreachable,
            Notice::Busy => Outcome::Busy,
            Notice::NoSuchNumber => Outcome::NonWorking,
            Notice::OutOfService => Outcome::OutOfService,
            Notice::NoAnswer => Outcome::NoAnswer,
            Notice::Other => Outcome::Unreachable,
        }),
        Party::Tone(tone) => Some(match tone {
            Tone::Busy => Outcome::Busy,
            Tone::Fax => Outcome::Fax,
            Tone::SpecialInformation => Outcome::NonWorking,
            Tone::Congestion | Tone::Dial | Tone::RingBack | Tone::Beep => Outcome::Unreachable,
        }),
    }
}
