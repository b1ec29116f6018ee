//! What looks after cases while nobody does: finds what is to be done, plans who is told, and hands to the dialler what is
//! told by telephone. All of it is found anew in the database each time, so that nothing hangs on this task's memory.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use crate::call::CASE_AFTER;
use crate::clock::wall;
use crate::store::notices::{self, Notices};
use crate::store::{DatabaseState, escalate, tasks};

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// The questionnaire by which staff are told of a case.
const STAFF: &str = "notice";
/// The questionnaire by which a resident is told of a new day.
const EXTENDED: &str = "extended";

/// Looks until `stop`.
pub(super) async fn look_after(shared: Arc<Shared>, stop: CancellationToken) {
    if !(shared.voice.surveys.contains_key(STAFF) && shared.voice.surveys.contains_key(EXTENDED)) {
        tracing::warn!("config/surveys has no notice.toml or no extended.toml: nobody is told of cases by telephone");
    }
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {}
        }
        if *shared.store.state().borrow() != DatabaseState::Up {
            continue;
        }
        if let Err(error) = look(&shared).await {
            tracing::warn!(%error, "cases are not looked after for now");
        }
    }
}

async fn look(shared: &Shared) -> Result<(), sqlx::Error> {
    let (pool, directory, now) = (shared.store.pool(), shared.store.directory(), wall());
    let found = tasks::gather(pool, &directory.calendar, CASE_AFTER, now).await?;
    let told = escalate::escalate(pool, &directory, now).await?;
    let moot = tasks::settle(pool, now).await?;
    let surveys = &shared.voice.surveys;
    let rung = match (surveys.get(STAFF), surveys.get(EXTENDED)) {
        (Some(staff), Some(extended)) => notices::ring(pool, Notices { staff, extended }, now).await?,
        (None, _) | (_, None) => 0,
    };
    if found + told + moot > 0 || rung > 0 {
        tracing::info!(found, told, moot, rung, "tasks");
    }
    Ok(())
}
