//! The dialler: takes numbers that are due as fast as trunks carry them and windows allow, and ends what a gateway that died
//! left behind.
//!
//! An attempt is in the database before its INVITE goes out, and its end takes effect once; so whatever dies when, no
//! number is rung twice for one attempt. Nobody is rung outside the windows, while the gateway drains, or while the
//! database is away: what may be rung is known only there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::shared::{Drain, Shared};
use super::survey_call::{Attempting, LEASE, after_death};
use crate::clock::wall;
use crate::config::Dialling;
use crate::ids::CallId;
use crate::sip::Trunks;
use crate::store::dialling::{self, Claimed};
use crate::store::usage::{self, TrunkUsage};
use crate::store::{DatabaseState, Record, population};
use crate::survey::{Survey, SurveyHash, Windows};

/// How often the queue is asked.
const TICK: Duration = Duration::from_millis(500);
/// How often attempts of a gateway that died are looked for.
const SWEEP: Duration = Duration::from_secs(10);
/// How often closed cases are taken up by the standing campaign.
const FOLLOW: Duration = Duration::from_secs(60);
/// Most questionnaires kept parsed; beyond it they are parsed anew.
const SURVEYS: usize = 64;

/// Takes numbers and rings them.
pub(super) struct Dialler {
    shared: Arc<Shared>,
    trunks: Arc<Trunks>,
    settings: Dialling,
    surveys: BTreeMap<SurveyHash, Arc<Survey>>,
    /// What the trunks were given, as it was last written; `None` until an earlier run's counts are read.
    counted: Option<Vec<TrunkUsage>>,
    /// Attempts of our own that are under way.
    live: Arc<Mutex<BTreeSet<CallId>>>,
    calls: TaskTracker,
}

impl Dialler {
    /// A dialler whose calls run in `calls`.
    pub(super) fn new(shared: Arc<Shared>, trunks: Arc<Trunks>, settings: Dialling, calls: TaskTracker) -> Self {
        Self { shared, trunks, settings, surveys: BTreeMap::new(), counted: None, live: Arc::default(), calls }
    }

    /// Runs until `stop`. Rings nobody new once the gateway drains.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut follow = tokio::time::interval(FOLLOW);
        follow.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => self.ring().await,
                _ = sweep.tick() => self.bury().await,
                _ = follow.tick() => {
                    self.follow().await;
                    Ok(())
                }
            };
            if let Err(error) = done
                && *self.shared.store.state().borrow() == DatabaseState::Up
            {
                tracing::error!(%error, "the queue of numbers to ring");
            }
        }
    }

    /// Rings as many numbers as trunks carry now.
    async fn ring(&mut self) -> Result<(), sqlx::Error> {
        let draining = *self.shared.drain.borrow() != Drain::Running;
        if *self.shared.store.state().borrow() != DatabaseState::Up {
            return Ok(());
        }
        self.count(0).await?;
        let room = self.trunks.room();
        if draining || room == 0 {
            return Ok(());
        }
        let (windows, now) = (Arc::new(self.windows()), wall());
        if !windows.open(now) {
            return Ok(());
        }
        let limit = i64::try_from(room).unwrap_or(dialling::CLAIM_MAX);
        let claims = dialling::claim_due(self.shared.store.pool(), limit, now, LEASE).await?;
        if let Err(error) = self.count(claims.len()).await {
            // Who was claimed is rung all the same: the trunks themselves know how much they were given.
            tracing::warn!(%error, "what the trunks were given is not written: the next look does it");
        }
        for claimed in claims {
            let attempt = claimed.attempt;
            let Some(survey) = self.survey(&claimed) else { continue };
            let attempting = Attempting {
                shared: Arc::clone(&self.shared),
                trunks: Arc::clone(&self.trunks),
                windows: Arc::clone(&windows),
                survey,
                claimed: Arc::new(claimed),
                ring: self.settings.ring,
            };
            lock(&self.live).insert(attempt);
            let live = Arc::clone(&self.live);
            self.calls.spawn(async move {
                attempting.run().await;
                lock(&live).remove(&attempt);
            });
        }
        Ok(())
    }

    /// Writes how many calls each trunk was given, those counted in that are under way and `more`, which may still get to any of
    /// them. The first time it reads what an earlier run wrote.
    async fn count(&mut self, more: usize) -> Result<(), sqlx::Error> {
        let pool = self.shared.store.pool();
        if self.counted.is_none() {
            let earlier = usage::read(pool).await?;
            let count = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
            for TrunkUsage { trunk, at, in_hour, in_day } in &earlier {
                self.trunks.restore_usage(trunk, *at, count(*in_hour), count(*in_day));
            }
            self.counted = Some(earlier);
        }
        let coming = i64::try_from(more + lock(&self.live).len()).unwrap_or(i64::MAX);
        let at = wall();
        let counts = self.trunks.usage().into_iter().map(|(trunk, used)| TrunkUsage {
            trunk,
            at,
            in_hour: i64::from(used.hour.0).saturating_add(coming),
            in_day: i64::from(used.day.0).saturating_add(coming),
        });
        let counts: Vec<TrunkUsage> = counts.collect();
        let same =
            |a: &TrunkUsage, b: &TrunkUsage| (a.in_hour, a.in_day) == (b.in_hour, b.in_day) && a.trunk == b.trunk;
        let known = self
            .counted
            .as_ref()
            .is_some_and(|old| old.len() == counts.len() && old.iter().zip(&counts).all(|(a, b)| same(a, b)));
        if !known {
            usage::write(pool, &counts).await?;
            self.counted = Some(counts);
        }
        Ok(())
    }

    /// Adds the cases closed since to the campaign that asks after each.
    async fn follow(&self) {
        if *self.shared.store.state().borrow() != DatabaseState::Up {
            return;
        }
        match population::follow_closed(self.shared.store.pool(), &self.windows()).await {
            Ok(0) => {}
            Ok(added) => tracing::info!(added, "closed cases are to be asked about"),
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "closed cases are not asked about"),
        }
    }

    /// Ends the attempts of a gateway that died, once everything it kept on the disk is in the database.
    async fn bury(&mut self) -> Result<(), sqlx::Error> {
        if self.shared.store.unsent() > 0 || *self.shared.store.state().borrow() != DatabaseState::Up {
            return Ok(());
        }
        let now = wall();
        for claimed in dialling::lost(self.shared.store.pool(), now).await? {
            if lock(&self.live).contains(&claimed.attempt) {
                continue;
            }
            let Some(survey) = self.survey(&claimed) else { continue };
            let outcome = after_death(&claimed, &survey, &self.shared);
            tracing::warn!(call = %claimed.attempt, outcome = outcome.code(), "an attempt was cut off by the end of its gateway");
            let plan = claimed.plan(outcome, &self.windows(), now);
            let ended = Record::AttemptEnded(claimed.ended(outcome, plan, now));
            super::call_task::keep(&self.shared.store, ended).await;
        }
        Ok(())
    }

    /// When people may be rung, by the calendar as it is.
    fn windows(&self) -> Windows {
        if self.settings.always_open {
            return Windows::always();
        }
        Windows::standard(&self.shared.store.directory().calendar, self.settings.quiet_days.iter().copied())
    }

    fn survey(&mut self, claimed: &Claimed) -> Option<Arc<Survey>> {
        if let Some(survey) = self.surveys.get(&claimed.survey) {
            return Some(Arc::clone(survey));
        }
        match Survey::parse(&claimed.survey_body) {
            Ok(survey) => {
                if self.surveys.len() >= SURVEYS {
                    self.surveys.clear();
                }
                let survey = Arc::new(survey);
                self.surveys.insert(claimed.survey.clone(), Arc::clone(&survey));
                Some(survey)
            }
            Err(problems) => {
                // Checked before its campaign was made; so this gateway is older than the one that made it.
                tracing::error!(survey = %claimed.survey, problems = problems.len(), "a questionnaire cannot be read");
                None
            }
        }
    }
}

/// A panic while the lock was held leaves the set whole: every change is one insertion or removal.
fn lock(live: &Mutex<BTreeSet<CallId>>) -> std::sync::MutexGuard<'_, BTreeSet<CallId>> {
    live.lock().unwrap_or_else(PoisonError::into_inner)
}
