//! Puts a surveyed person through to one of ours: the telephone of `[survey] person` is rung by a trunk, told which case it is
//! about, and joined with the call.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;

use super::keeping::Keeper;
use super::shared::{Drain, Shared, at_goodbye};
use super::transfer::{Answered, Caller, Outcome, PersonLeg, transfer_caller};
use crate::call::Standing;
use crate::call::tone::Tone;
use crate::flow::{PromptId, case_number, vocabulary as say};
use crate::ids::{CallId, PhoneNumber};
use crate::media::{PlayId, tones};
use crate::sip::{TrunkCall, Trunks};

/// Longest talk with a person: the survey call itself ends soon after.
const TALK_MAX: Duration = Duration::from_secs(50 * 60);

/// The ring-back that is heard meanwhile; no prompt has this number.
const RING_BACK: PlayId = PlayId(u64::MAX);

/// Who takes calls of surveyed people.
pub(super) struct PersonLine {
    /// The ways to the telephone; gone once the gateway stops.
    pub(super) trunks: Weak<Trunks>,
    /// Its number.
    pub(super) number: PhoneNumber,
    /// How long it may ring.
    pub(super) ring: Duration,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PutThrough {
    /// They talked; whether the surveyed person ended it.
    Talked {
        /// It was not the person of ours who hung up.
        caller_left: bool,
    },
    /// Nobody took the call. That somebody is to ring back is on the disk.
    NobodyThere {
        /// The surveyed person did not wait.
        caller_left: bool,
    },
}

/// Rings the person and joins the two until one of them hangs up.
pub(super) async fn put_through(
    shared: &Arc<Shared>,
    call: CallId,
    caller: Caller<'_>,
    keeper: &Keeper,
    drain: &mut watch::Receiver<Drain>,
) -> PutThrough {
    let Some((line, trunks)) = shared.person.get().and_then(|line| Some((line, line.trunks.upgrade()?))) else {
        keeper.person_wanted().await;
        return PutThrough::NobodyThere { caller_left: false };
    };
    let ring_back = Arc::new(tones::clip(Tone::RingBack));
    let periods = line.ring.as_secs() / ring_back.duration().as_secs().max(1) + 1;
    if let Err(error) = caller.media.play(RING_BACK, (0..periods).map(|_| Arc::clone(&ring_back)).collect()) {
        tracing::debug!(%call, %error, "no ring-back");
    }
    let mut briefing: Vec<PromptId> = vec![say::TRANSFER_BRIEF.into()];
    if let Some(case) = keeper.case() {
        briefing.push(say::TRANSFER_CASE.into());
        briefing.extend(case_number(case));
    }
    let briefing = shared.voice.sounds(&briefing, false).into_iter().map(|(clip, _)| clip).collect();
    // What is said is in the call's own recording already: it hears the person.
    let leg = PersonLeg { call: CallId::fresh(), recording: None, briefing };
    let joined = transfer_caller(caller, &shared.engine, leg, async |local_rtp| {
        let asked = TrunkCall {
            number: &line.number,
            standing: Standing::Listed,
            prefer: None,
            local_rtp,
            ring_timeout: line.ring,
            early: None,
        };
        let answer = trunks.call(asked).await?;
        Ok(Answered { dialog: answer.dialog, channel: Some(answer.channel) })
    });
    let outcome = tokio::select! {
        outcome = joined => outcome,
        () = tokio::time::sleep(TALK_MAX) => return PutThrough::Talked { caller_left: false },
        () = at_goodbye(drain) => return PutThrough::Talked { caller_left: false },
    };
    let caller_left = match outcome {
        Ok(Outcome::Talked(talk)) => {
            tracing::info!(%call, lasted = ?talk.lasted, "a surveyed person spoke with one of ours");
            return PutThrough::Talked { caller_left: talk.caller_left };
        }
        Ok(Outcome::GivenUp) => true,
        Ok(Outcome::NotReached(failure)) => {
            tracing::info!(%call, failure = failure.code(), "nobody took a surveyed person's call: somebody is to ring back");
            false
        }
        Err(error) => {
            tracing::error!(%call, %error, "a surveyed person cannot be put through");
            false
        }
    };
    keeper.person_wanted().await;
    PutThrough::NobodyThere { caller_left }
}
