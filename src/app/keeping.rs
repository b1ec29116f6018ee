//! What a surveyed person says, on its way to the disk: each answer, and the wish not to be rung again.

use std::sync::Arc;

use super::call_task;
use crate::clock::wall;
use crate::ids::{CallId, CaseNumber};
use crate::store::dialling::Claimed;
use crate::store::records::{DoNotCall, PersonWanted, Retaken, SurveyAnswered};
use crate::store::{Record, Store};
use crate::survey::{Answer, Disposition, InterviewEnd, Outcome};
use crate::units::millis;

/// Keeps what one person answers in one call.
pub(super) struct Keeper {
    store: Store,
    claimed: Arc<Claimed>,
    /// The call in which it is said: the attempt's own, or one of the person's to us.
    call: CallId,
    answers: i16,
    refused: bool,
}

impl Keeper {
    /// For what is said in `call` about what the attempt `claimed` asked.
    pub(super) fn new(store: Store, claimed: Arc<Claimed>, call: CallId) -> Self {
        Self { store, claimed, call, answers: 0, refused: false }
    }

    /// Answers kept so far.
    pub(super) fn answers(&self) -> i16 {
        self.answers
    }

    /// Makes an answer durable; when this returns, it is on the disk.
    pub(super) async fn answer(&mut self, answer: Answer) {
        let claimed = &self.claimed;
        let record = Record::SurveyAnswered(SurveyAnswered {
            attempt: claimed.attempt,
            ordinal: self.answers,
            sample: claimed.sample,
            question: answer.question,
            value: answer.value.to_string(),
            mode: answer.mode,
            latency_ms: answer.latency.map(|latency| i32::try_from(millis(latency)).unwrap_or(i32::MAX)),
            at: answer.at,
            reopens: claimed.subject.filter(|_| answer.reopens).map(|subject| subject.number),
            call: Some(self.call).filter(|call| *call != claimed.attempt),
        });
        self.answers = self.answers.saturating_add(1);
        call_task::keep(&self.store, record).await;
    }

    /// Keeps, once, that the person asked never to be rung again; at once, before the call is over.
    pub(super) async fn refuse(&mut self, outcome: Option<Outcome>) {
        let refuses = matches!(outcome, Some(Outcome::Reached { end: InterviewEnd::OptedOut, .. }));
        if refuses && !std::mem::replace(&mut self.refused, true) {
            let wish = DoNotCall { call: self.call, number: self.claimed.number.clone(), at: wall() };
            call_task::keep(&self.store, Record::DoNotCall(wish)).await;
        }
    }

    /// The case that was asked about.
    pub(super) fn case(&self) -> Option<CaseNumber> {
        self.claimed.subject.map(|subject| subject.number)
    }

    /// Keeps that one of ours is to ring back; when this returns, it is on the disk.
    pub(super) async fn person_wanted(&self) {
        let wanted = PersonWanted { call: self.call, attempt: self.claimed.attempt, at: wall() };
        call_task::keep(&self.store, Record::PersonWanted(wanted)).await;
    }

    /// Keeps how an interview came out that the person rang us for. What an attempt comes to, the dialler keeps.
    pub(super) async fn retaken(&self, outcome: Outcome) {
        if matches!(outcome, Outcome::Reached { end: InterviewEnd::ToPerson, .. }) {
            self.person_wanted().await;
        }
        let disposition = outcome.disposition();
        if disposition == Disposition::Complete {
            let (call, sample) = (self.call, self.claimed.sample);
            let retaken = Retaken { call, sample, disposition: disposition.code().to_owned() };
            call_task::keep(&self.store, Record::Retaken(retaken)).await;
        }
    }
}
