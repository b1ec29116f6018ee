//! Award bars: what is proposed, what the unit replied, what a person decided.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::audit::{self, Deed};
use crate::clock::china;
use crate::survey::award::{Cause, MayDecide, Proposal, may_decide};

/// A proposal as it stands.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Proposed {
    /// Its key.
    pub id: i64,
    /// The unit.
    pub unit_id: i64,
    /// [`Cause::code`].
    pub cause: String,
    /// The questionnaire's version.
    pub survey_hash: String,
    /// First day that was looked at.
    pub period_from: Option<NaiveDate>,
    /// Last day that was looked at.
    pub period_until: Option<NaiveDate>,
    /// Bad answers.
    pub bad: i32,
    /// Answers.
    pub answers: i32,
    /// Lower end of the interval for the share of bad answers.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// The sampled numbers that gave the bad answers.
    pub samples: Vec<i64>,
    /// Who proposed.
    pub proposed_by: String,
    /// When.
    pub proposed_at: DateTime<Utc>,
    /// Last day for the unit to reply.
    pub reply_until: NaiveDate,
    /// Replies taken down.
    pub replies: i64,
    /// What was decided; `None`: nothing yet.
    pub barred: Option<bool>,
    /// Why.
    pub reason: Option<String>,
    /// By whom.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<DateTime<Utc>>,
}

/// A reply of a unit.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Reply {
    /// What was said.
    pub said: String,
    /// The call in which it was said.
    pub call_id: Option<Uuid>,
    /// Who took it down.
    pub taken_by: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// What was looked at for proposals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The questionnaire's version.
    pub survey: String,
    /// First and last day; `None`: without bound.
    pub period: (Option<NaiveDate>, Option<NaiveDate>),
    /// Last day for units to reply.
    pub reply_until: NaiveDate,
    /// Who looked.
    pub actor: String,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum AwardError {
    /// There is no such proposal.
    #[error("no proposal {0}")]
    Unknown(i64),
    /// There is no such call.
    #[error("no such call")]
    UnknownCall,
    /// It is decided, and stays so.
    #[error("proposal {0} is decided")]
    Decided(i64),
    /// The time to reply is not over, and no reply was taken down.
    #[error("the unit can still reply")]
    TooEarly,
    /// Whoever proposed does not decide.
    #[error("whoever proposed does not decide")]
    Proposer,
    /// The database failed or is away.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
}

/// Writes down what is proposed; what is proposed already for the same unit, cause, questionnaire and period is left as it is.
/// Returns how many are new.
pub async fn propose(
    pool: &PgPool,
    looked: &Looked,
    proposals: &[(i64, Proposal)],
    now: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let mut new = 0;
    for (unit, proposal) in proposals {
        let id: Option<i64> = sqlx::query_scalar(
            "INSERT INTO award_proposals (unit_id, cause, survey_hash, period_from, period_until, bad, answers, low, high,
                 samples, proposed_by, proposed_at, reply_until)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING RETURNING id",
        )
        .bind(unit)
        .bind(proposal.cause.code())
        .bind(&looked.survey)
        .bind(looked.period.0)
        .bind(looked.period.1)
        .bind(i32::try_from(proposal.bad.0).unwrap_or(i32::MAX))
        .bind(i32::try_from(proposal.bad.1).unwrap_or(i32::MAX))
        .bind(proposal.interval.low)
        .bind(proposal.interval.high)
        .bind(&proposal.samples)
        .bind(&looked.actor)
        .bind(now)
        .bind(looked.reply_until)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(id) = id else { continue };
        new += 1;
        let object = format!("award/{id}");
        let deed = Deed { actor: &looked.actor, action: "award_propose", object: &object, reason: "", at: now };
        audit::append_in(&mut tx, deed).await?;
    }
    tx.commit().await?;
    Ok(new)
}

/// What joins a proposal with its replies and its decision.
macro_rules! proposed {
    ($condition:literal) => {
        concat!(
            "SELECT p.*, (SELECT count(*) FROM award_replies AS r WHERE r.proposal_id = p.id) AS replies,
                 d.barred, d.reason, d.decided_by, d.decided_at
             FROM award_proposals AS p LEFT JOIN award_decisions AS d ON d.proposal_id = p.id ",
            $condition
        )
    };
}

/// The newest proposals, at most `limit`; those before the one with key `before`, where one is given.
pub async fn list(pool: &PgPool, before: Option<i64>, limit: i64) -> Result<Vec<Proposed>, sqlx::Error> {
    sqlx::query_as(proposed!("WHERE p.id < coalesce($1, p.id + 1) ORDER BY p.id DESC LIMIT $2"))
        .bind(before)
        .bind(limit)
        .fetch_all(pool)
        .await
}

/// One proposal with its replies, oldest first; `None`: there is none with this key.
pub async fn read(pool: &PgPool, id: i64) -> Result<Option<(Proposed, Vec<Reply>)>, sqlx::Error> {
    let found = sqlx::query_as(proposed!("WHERE p.id = $1")).bind(id).fetch_optional(pool).await?;
    let Some(proposed) = found else { return Ok(None) };
    let replies =
        sqlx::query_as("SELECT said, call_id, taken_by, at FROM award_replies WHERE proposal_id = $1 ORDER BY id")
            .bind(id)
            .fetch_all(pool)
            .await?;
    Ok(Some((proposed, replies)))
}

/// Takes down what a unit replied.
pub async fn reply(
    pool: &PgPool,
    id: i64,
    said: &str,
    call: Option<Uuid>,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<(), AwardError> {
    let mut tx = pool.begin().await?;
    let decided: Option<bool> = sqlx::query_scalar(
        "SELECT d.proposal_id IS NOT NULL FROM award_proposals AS p
         LEFT JOIN award_decisions AS d ON d.proposal_id = p.id WHERE p.id = $1",
    )
    .bind(id)
    .fetch_optional(&mut *tx)
    .await?;
    if decided.ok_or(AwardError::Unknown(id))? {
        return Err(AwardError::Decided(id));
    }
    sqlx::query("INSERT INTO award_replies (proposal_id, said, call_id, taken_by, at) VALUES ($1, $2, $3, $4, $5)")
        .bind(id)
        .bind(said)
        .bind(call)
        .bind(actor)
        .bind(now)
        .execute(&mut *tx)
        .await
        .map_err(|e| match e.as_database_error() {
            Some(fault) if fault.is_foreign_key_violation() => AwardError::UnknownCall,
            _ => e.into(),
        })?;
    let object = format!("award/{id}");
    audit::append_in(&mut tx, Deed { actor, action: "award_reply", object: &object, reason: "", at: now }).await?;
    tx.commit().await?;
    Ok(())
}

/// Decides on a proposal, once.
pub async fn decide(
    pool: &PgPool,
    id: i64,
    barred: bool,
    reason: &str,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<(), AwardError> {
    let mut tx = pool.begin().await?;
    let found: Option<(String, NaiveDate, bool)> = sqlx::query_as(
        "SELECT proposed_by, reply_until, EXISTS (SELECT FROM award_replies AS r WHERE r.proposal_id = p.id)
         FROM award_proposals AS p WHERE p.id = $1",
    )
    .bind(id)
    .fetch_optional(&mut *tx)
    .await?;
    let (proposer, reply_until, replied) = found.ok_or(AwardError::Unknown(id))?;
    let today = now.with_timezone(&china()).date_naive();
    match may_decide(&proposer, actor, reply_until, replied, today) {
        MayDecide::Yes => {}
        MayDecide::TooEarly => return Err(AwardError::TooEarly),
        MayDecide::Proposer => return Err(AwardError::Proposer),
    }
    let done = sqlx::query(
        "INSERT INTO award_decisions (proposal_id, barred, reason, decided_by, decided_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING",
    )
    .bind(id)
    .bind(barred)
    .bind(reason)
    .bind(actor)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    if done.rows_affected() == 0 {
        return Err(AwardError::Decided(id));
    }
    let (object, action) = (format!("award/{id}"), if barred { "award_bar" } else { "award_refuse" });
    audit::append_in(&mut tx, Deed { actor, action, object: &object, reason, at: now }).await?;
    tx.commit().await?;
    Ok(())
}

impl Proposed {
    /// Why it is proposed.
    ///
    /// # Errors
    /// A cause that this program does not know.
    pub fn cause(&self) -> Result<Cause, sqlx::Error> {
        Cause::from_code(&self.cause)
            .ok_or_else(|| sqlx::Error::Decode(format!("award_proposals.cause is {:?}", self.cause).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TestDatabase, noon};
    use crate::survey::example::callback;
    use crate::survey::figures::Interval;

    async fn proposed(pool: &PgPool) -> i64 {
        let survey = callback();
        sqlx::query("INSERT INTO surveys (hash, name, body, approved_by, approved_at) VALUES ($1, $2, $3, 'li', $4)")
            .bind(&survey.hash.0)
            .bind(&survey.name)
            .bind(&survey.body)
            .bind(noon())
            .execute(pool)
            .await
            .expect("a questionnaire");
        let looked = Looked {
            survey: survey.hash.0.clone(),
            period: (None, None),
            reply_until: "2026-03-16".parse().expect("a day"),
            actor: "li".into(),
        };
        let interval = Interval { low: 0.3, high: 0.6 };
        let proposal = Proposal { cause: Cause::Attitude, bad: (3, 30), interval, samples: vec![1, 2, 3] };
        let proposals = [(20_010, proposal)];
        assert_eq!(propose(pool, &looked, &proposals, noon()).await.expect("proposes"), 1);
        assert_eq!(propose(pool, &looked, &proposals, noon()).await.expect("proposes"), 0, "once is enough");
        list(pool, None, 9).await.expect("proposals")[0].id
    }

    #[tokio::test]
    async fn nobody_is_barred_unheard() {
        let database = TestDatabase::fresh().await;
        let pool = &database.pool;
        let id = proposed(pool).await;
        let early = decide(pool, id, true, "属实", "wang", noon()).await;
        assert!(matches!(early, Err(AwardError::TooEarly)), "{early:?}");
        reply(pool, id, "当天停电", None, "li", noon()).await.expect("a reply");
        let own = decide(pool, id, true, "属实", "li", noon()).await;
        assert!(matches!(own, Err(AwardError::Proposer)), "{own:?}");
        decide(pool, id, true, "属实", "wang", noon()).await.expect("decides");
        let again = decide(pool, id, false, "改主意", "zhao", noon()).await;
        assert!(matches!(again, Err(AwardError::Decided(_))), "{again:?}");
        let late = reply(pool, id, "不服", None, "li", noon()).await;
        assert!(matches!(late, Err(AwardError::Decided(_))), "{late:?}");
        let (found, replies) = read(pool, id).await.expect("reads").expect("a proposal");
        assert_eq!((found.barred, found.decided_by.as_deref(), replies.len()), (Some(true), Some("wang"), 1));
        let trail: Vec<String> =
            sqlx::query_scalar("SELECT action FROM audit ORDER BY seq").fetch_all(pool).await.expect("a trail");
        assert_eq!(trail, ["award_propose", "award_reply", "award_bar"]);
    }

    #[tokio::test]
    async fn silence_is_waited_out() {
        let database = TestDatabase::fresh().await;
        let pool = &database.pool;
        let id = proposed(pool).await;
        decide(pool, id, false, "样本偏差", "wang", noon() + chrono::TimeDelta::days(15)).await.expect("decides");
        let unknown = reply(pool, 99, "x", None, "li", noon()).await;
        assert!(matches!(unknown, Err(AwardError::Unknown(99))), "{unknown:?}");
    }
}
