//! One attempt to interview one resident: from the INVITE to the record of how it came out.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::call_task::{self, Conversation};
use super::interviewing::Interviewing;
use super::shared::{Shared, at_goodbye};
use crate::call::{Call, Facts, Standing};
use crate::clock::{monotonic, wall};
use crate::flow::Rung;
use crate::media::MediaSession;
use crate::sip::{Early, Failure, TrunkAnswer, TrunkCall, Trunks};
use crate::store::Record;
use crate::store::dialling::{self, Claimed};
use crate::store::records::CallStarted;
use crate::survey::{Interview, LINE, Outcome, Survey, Windows};

/// News before an answer that can wait; what has no room is lost.
const EARLY: usize = 8;

/// How long an attempt is ours without a renewal: as long as the number of a gateway that died stays untouched.
pub(super) const LEASE: Duration = Duration::from_secs(30);

/// What an attempt works with.
pub(super) struct Attempting {
    pub(super) shared: Arc<Shared>,
    pub(super) trunks: Arc<Trunks>,
    pub(super) windows: Arc<Windows>,
    pub(super) survey: Arc<Survey>,
    pub(super) claimed: Arc<Claimed>,
    /// How long it may ring.
    pub(super) ring: Duration,
}

impl Attempting {
    /// Rings, interviews, and keeps how it came out. The lease is renewed as long as this runs.
    pub(super) async fn run(self) {
        let outcome = {
            let attempt = self.attempt();
            tokio::pin!(attempt);
            let mut renewal = tokio::time::interval(LEASE / 3);
            renewal.tick().await;
            loop {
                tokio::select! {
                    outcome = &mut attempt => break outcome,
                    _ = renewal.tick() => self.renew().await,
                }
            }
        };
        self.ended(outcome).await;
    }

    async fn attempt(&self) -> Outcome {
        let Claimed { attempt, number, .. } = &*self.claimed;
        // Whoever asked a second ago not to be rung is not rung (R7.8).
        match dialling::refuses_calls(self.shared.store.pool(), number).await {
            Ok(false) => {}
            Ok(true) => return Outcome::Declined,
            Err(error) => {
                tracing::warn!(call = %attempt, %error, "a number is not rung: the database does not say whether it may be");
                return Outcome::TrunkFault;
            }
        }
        let mut media = match self.shared.engine.open(*attempt) {
            Ok(media) => media,
            Err(error) => {
                tracing::error!(call = %attempt, %error, "no audio for a survey call");
                return Outcome::TrunkFault;
            }
        };
        let mut beside = Interviewing::new(Arc::clone(&self.claimed), monotonic(), Arc::clone(&self.shared));
        match self.ring(&mut media, &mut beside).await {
            Ok(answer) => self.interview(answer, media, beside).await,
            Err(outcome) => {
                media.close().await;
                outcome
            }
        }
    }

    /// Rings until somebody answers, or it is certain that nobody will: what the network lets us hear says so earlier than
    /// its signalling, and more of it.
    async fn ring(&self, media: &mut MediaSession, beside: &mut Interviewing) -> Result<TrunkAnswer, Outcome> {
        let claimed = &self.claimed;
        let (news, mut early) = mpsc::channel(EARLY);
        let closes = self.windows.closes(claimed.started_at);
        let call = TrunkCall {
            number: &claimed.number,
            standing: if claimed.subject.is_some() { Standing::Case } else { Standing::Listed },
            prefer: Some(claimed.trunk.as_str()).filter(|trunk| !trunk.is_empty()),
            local_rtp: media.local_rtp(),
            ring_timeout: self.ring,
            early: Some(news),
        };
        let call = self.trunks.call_before(call, closes);
        tokio::pin!(call);
        let mut drain = self.shared.drain.subscribe();
        loop {
            tokio::select! {
                answered = &mut call => {
                    return answered.map_err(|failure| beside.nobody().unwrap_or_else(|| outcome_of(failure)));
                }
                Some(news) = early.recv() => self.hear(media, news),
                Some(event) = media.next() => beside.sounded(&event, media).await,
                () = beside.next() => {}
                () = at_goodbye(&mut drain) => return Err(Outcome::NoAnswer),
            }
            if let Some(outcome) = beside.nobody() {
                return Err(outcome);
            }
        }
    }

    /// What sounds before the answer is listened to, and not recorded.
    fn hear(&self, media: &MediaSession, news: Early) {
        let Early::Media(stream) = news else { return };
        if let Err(error) = media.connect(stream).and_then(|()| media.listen(true)) {
            tracing::debug!(call = %self.claimed.attempt, %error, "early media cannot be heard");
        }
    }

    async fn interview(&self, answer: TrunkAnswer, media: MediaSession, beside: Interviewing) -> Outcome {
        let TrunkAnswer { dialog, trunk, channel } = answer;
        let Claimed { attempt, number, subject, draw, given, started_at, .. } = &*self.claimed;
        let shared = &self.shared;
        tracing::info!(call = %attempt, sip_call_id = dialog.sip_call_id(), trunk, "a survey call was answered");
        shared.counters.started(LINE);
        shared.board.started(*attempt, LINE, Some(number), *started_at);
        let started = Record::CallStarted(CallStarted {
            call: *attempt,
            line: LINE.to_owned(),
            caller: Some(number.clone()),
            called: trunk,
            sip_call_id: dialog.sip_call_id().to_owned(),
            started_at: *started_at,
        });
        call_task::keep(&shared.store, started).await;
        let interview =
            Interview::new(Arc::clone(&self.survey), shared.store.directory(), *subject, *draw, given.iter().cloned())
                .with_transfers(shared.person.get().is_some());
        let facts = Facts { call: *attempt, line: LINE.to_owned(), caller: Some(number.clone()), rung: Rung::Unknown };
        let call = Call::interview(interview, Arc::clone(&shared.voice.book), facts);
        let conversation =
            Conversation::new(Arc::clone(shared), *attempt, call, dialog, media, self.survey.label(), Some(beside));
        let end = conversation.talk().await;
        let outcome = end.outcome.unwrap_or(Outcome::Lost);
        call_task::finish(shared, *attempt, end).await;
        drop(channel);
        outcome
    }

    async fn renew(&self) {
        let until = wall() + LEASE;
        match dialling::renew(self.shared.store.pool(), self.claimed.attempt, until).await {
            Ok(true) => {}
            Ok(false) => tracing::debug!(call = %self.claimed.attempt, "an attempt has ended in the database already"),
            Err(error) => tracing::debug!(call = %self.claimed.attempt, %error, "a lease could not be renewed"),
        }
    }

    async fn ended(&self, outcome: Outcome) {
        tracing::info!(call = %self.claimed.attempt, outcome = outcome.code(), "a survey attempt ended");
        let now = wall();
        let plan = self.claimed.plan(outcome, &self.windows, now);
        let ended = Record::AttemptEnded(self.claimed.ended(outcome, plan, now));
        call_task::keep(&self.shared.store, ended).await;
    }
}

/// Ends an attempt whose gateway died: with what was answered in it, or as lost.
pub(super) fn after_death(claimed: &Claimed, survey: &Arc<Survey>, shared: &Shared) -> Outcome {
    let interview = Interview::new(
        Arc::clone(survey),
        shared.store.directory(),
        claimed.subject,
        claimed.draw,
        claimed.given.iter().cloned(),
    );
    let known = |outcome: Outcome| outcome.reached().map_or(0, |(answered, _)| answered);
    let earlier = claimed.before.iter().map(|attempt| known(attempt.outcome)).max().unwrap_or_default();
    let reached = interview.outcome(true);
    if known(reached) > earlier { reached } else { Outcome::Lost }
}

/// What an unanswered call means for the sample.
fn outcome_of(failure: Failure) -> Outcome {
    match failure {
        Failure::Busy => Outcome::Busy,
        Failure::NoAnswer | Failure::Withdrawn => Outcome::NoAnswer,
        Failure::Declined => Outcome::Declined,
        Failure::Unreachable => Outcome::Unreachable,
        // Whoever has the calls sent elsewhere has said all the same that nobody is at this number.
        Failure::Redirected => Outcome::Unreachable,
        Failure::Gone => Outcome::NonWorking,
        Failure::Barred(barred) if !barred.passes() => Outcome::NonWorking,
        Failure::Barred(_) | Failure::Trunk | Failure::NoRoom => Outcome::TrunkFault,
    }
}
