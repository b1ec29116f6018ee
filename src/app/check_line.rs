//! The check line: whether we rang who rings us, and what that person may do about the answers given (N1, N14).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::keeping::Keeper;
use super::shared::Shared;
use crate::clock::wall;
use crate::flow::Rung;
use crate::ids::{CallId, PhoneNumber};
use crate::store::consent::{self, OurCalls};
use crate::store::records::AnswersWithdrawn;
use crate::store::{DatabaseState, Record, Store};
use crate::survey::{Interview, Survey};

/// Longest wait for the answer to whether we rang a caller: it delays the answer to the call.
const RUNG_WITHIN: Duration = Duration::from_millis(200);

/// Longest wait for the interview that a caller gives anew: a silence on the line.
const RETAKE_WITHIN: Duration = Duration::from_millis(1_500);

/// Whether we rang a caller lately, and the sampled numbers whose answers can be taken back. Not worth a wait: without a
/// database it cannot be told.
pub(super) async fn rung(store: &Store, caller: Option<&PhoneNumber>) -> (Rung, Vec<i64>) {
    let Some(caller) = caller else { return (Rung::Unknown, Vec::new()) };
    if *store.state().borrow() == DatabaseState::Down {
        return (Rung::Unknown, Vec::new());
    }
    match timeout(RUNG_WITHIN, consent::our_calls(store.pool(), caller, wall())).await {
        Ok(Ok(Some(OurCalls { last, revocable }))) => (Rung::Ours(last), revocable),
        Ok(Ok(None)) => (Rung::Never, Vec::new()),
        Ok(Err(_)) | Err(_) => (Rung::Unknown, Vec::new()),
    }
}

/// Takes answers back; whether that is on the disk.
pub(super) async fn withdraw(store: &Store, call: CallId, samples: Vec<i64>) -> bool {
    let withdrawn = AnswersWithdrawn { call, samples, at: wall() };
    match store.append(Record::AnswersWithdrawn(withdrawn)).await {
        Ok(()) => true,
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(%call, error, "answers could not be taken back");
            false
        }
    }
}

/// The interview of a sampled number from its beginning, with what keeps its answers; `None` where it cannot be had.
pub(super) async fn retake(shared: &Arc<Shared>, call: CallId, sample: i64) -> Option<(Interview, Keeper)> {
    let read = timeout(RETAKE_WITHIN, consent::interviewed(shared.store.pool(), sample)).await;
    let claimed = match read {
        Ok(Ok(claimed)) => claimed?,
        Ok(Err(error)) => {
            tracing::error!(%call, %error, "an interview to be given anew cannot be read");
            return None;
        }
        Err(_) => {
            tracing::error!(%call, "the database takes long over an interview to be given anew");
            return None;
        }
    };
    let survey = Survey::parse(&claimed.survey_body).inspect_err(|problems| {
        tracing::error!(survey = %claimed.survey, problems = problems.len(), "a questionnaire cannot be read");
    });
    let directory = shared.store.directory();
    let interview = Interview::new(Arc::new(survey.ok()?), directory, claimed.subject, claimed.draw, [])
        .with_transfers(shared.person.get().is_some());
    Some((interview, Keeper::new(shared.store.clone(), Arc::new(claimed), call)))
}
