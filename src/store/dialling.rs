//! The queue of numbers to ring: claimed with a lease, so that whatever dies, no number is rung twice.
//!
//! [`claim_due`] writes the attempt before anybody dials. While the call lasts its lease is renewed; its end is the record
//! [`AttemptEnded`](super::records::AttemptEnded), which takes effect once. An attempt whose lease ran out belonged to a
//! gateway that died: [`lost`] names it, and its end is written by the same record, so that a number whose telephone may have
//! rung counts as rung.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::records::AttemptEnded;
use crate::clock::china;
use crate::directory::PostId;
use crate::ids::{CallId, CaseNumber, PhoneNumber};
use crate::survey::{Attempt, Draw, Outcome, Plan, Subject, SurveyHash, Windows, plan};

/// Serialises claims, so that two gateways do not ring two numbers of one household at once.
const CLAIM_LOCK: i64 = 0x6d69_6e78_696e_0007;

/// Numbers claimed at once, at most.
pub const CLAIM_MAX: i64 = 200;

/// A number to ring, with everything that the call needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The sampled number's key.
    pub sample: i64,
    /// Its campaign.
    pub campaign: i64,
    /// The attempt: the call is to have this id.
    pub attempt: CallId,
    /// The number.
    pub number: PhoneNumber,
    /// The trunk that is tried first; empty: any.
    pub trunk: String,
    /// What is asked.
    pub survey: SurveyHash,
    /// The questionnaire's file.
    pub survey_body: String,
    /// Attempts to reach the number, this one included.
    pub attempts_max: u16,
    /// The case it is about.
    pub subject: Option<Subject>,
    /// Its draw by lot.
    pub draw: Draw,
    /// What was answered in earlier attempts, as question and value.
    pub given: Vec<(String, String)>,
    /// The attempts before this one, oldest first.
    pub before: Vec<Attempt>,
    /// When this one was claimed.
    pub started_at: DateTime<Utc>,
}

impl Claimed {
    /// What follows from this outcome and the attempts before.
    pub fn plan(&self, outcome: Outcome, windows: &Windows, now: DateTime<Utc>) -> Plan {
        let mut attempts = self.before.clone();
        attempts.push(Attempt { at: self.started_at, outcome });
        plan(&attempts, self.attempts_max, windows, now)
    }

    /// The record of its end, which is followed by `plan`.
    pub fn ended(&self, outcome: Outcome, plan: Plan, at: DateTime<Utc>) -> AttemptEnded {
        AttemptEnded {
            attempt: self.attempt,
            sample: self.sample,
            ended_at: at,
            outcome: outcome.code().to_owned(),
            reached: outcome.reached(),
            disposition: outcome.disposition().code().to_owned(),
            standing: plan.disposition.code().to_owned(),
            again_at: plan.again_at,
        }
    }
}

/// Takes up to `limit` numbers that are due, each for `lease`, and writes their attempts. Left out: campaigns that do not run,
/// numbers that asked not to be rung, numbers and households that are being rung, and households surveyed within 7 days or
/// twice within 30 (R7.2); an interview that was broken off is no second one, and a notice is none at all.
pub async fn claim_due(
    pool: &PgPool,
    limit: i64,
    now: DateTime<Utc>,
    lease: Duration,
) -> Result<Vec<Claimed>, sqlx::Error> {
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(CLAIM_LOCK).execute(&mut *tx).await?;
    let due: Vec<(i64, String, String)> = sqlx::query_as(
        "SELECT s.id, s.number, s.household FROM sample AS s JOIN campaigns AS c ON c.id = s.campaign_id
         WHERE s.state = 'due' AND s.due_at <= $1 AND c.state = 'running'
             AND NOT EXISTS (SELECT FROM do_not_call AS d WHERE d.number = s.number)
             AND NOT EXISTS (SELECT FROM sample AS o
                 WHERE o.state = 'calling' AND (o.number = s.number OR o.household = s.household))
             AND (c.notice IS NOT NULL OR
                 (SELECT count(DISTINCT o.id) < 2 AND coalesce(bool_and(a.ended_at < $1 - interval '7 days'), true)
                  FROM sample AS o JOIN attempts AS a ON a.sample_id = o.id JOIN campaigns AS oc ON oc.id = o.campaign_id
                  WHERE o.household = s.household AND o.id <> s.id AND a.answered IS NOT NULL AND oc.notice IS NULL
                      AND a.ended_at >= $1 - interval '30 days'))
         ORDER BY s.due_at, s.id LIMIT $2 FOR UPDATE OF s SKIP LOCKED",
    )
    .bind(now)
    .bind(limit.clamp(0, CLAIM_MAX))
    .fetch_all(&mut *tx)
    .await?;
    let mut taken: Vec<(i64, Uuid)> = Vec::with_capacity(due.len());
    let mut busy = BTreeSet::new();
    for (sample, number, household) in due {
        // A number may be its own household.
        if !busy.contains(&household) && !busy.contains(&number) {
            busy.extend([household, number]);
            taken.push((sample, CallId::fresh().0));
        }
    }
    let (samples, ids): (Vec<i64>, Vec<Uuid>) = taken.into_iter().unzip();
    sqlx::query(
        "WITH taken AS (SELECT * FROM unnest($1::bigint[], $2::uuid[]) AS t (sample_id, id)),
              claimed AS (UPDATE sample AS s SET state = 'calling', due_at = NULL, leased_until = $4, attempts = attempts + 1
                          FROM taken WHERE s.id = taken.sample_id RETURNING s.id, s.attempts)
         INSERT INTO attempts (id, sample_id, ordinal, started_at)
         SELECT taken.id, claimed.id, claimed.attempts, $3 FROM claimed JOIN taken ON taken.sample_id = claimed.id",
    )
    .bind(&samples)
    .bind(&ids)
    .bind(now)
    .bind(now + lease)
    .execute(&mut *tx)
    .await?;
    let claimed = read(&mut tx, &ids).await?;
    tx.commit().await?;
    Ok(claimed)
}

/// Holds an attempt's number until `until`; `false`: it is not ours any more, since the attempt has ended.
pub async fn renew(pool: &PgPool, attempt: CallId, until: DateTime<Utc>) -> Result<bool, sqlx::Error> {
    let held = sqlx::query(
        "UPDATE sample SET leased_until = $2 FROM attempts AS a
         WHERE a.id = $1 AND a.ended_at IS NULL AND sample.id = a.sample_id AND sample.state = 'calling'",
    )
    .bind(attempt.0)
    .bind(until)
    .execute(pool)
    .await?;
    Ok(held.rows_affected() == 1)
}

/// Attempts of a gateway that died: under way as far as the database knows, and their lease ran out before `now`. Asked once
/// the records of an earlier run are in the database; each is then ended, as lost or with what was answered.
pub async fn lost(pool: &PgPool, now: DateTime<Utc>) -> Result<Vec<Claimed>, sqlx::Error> {
    let mut db = pool.acquire().await?;
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "SELECT a.id FROM attempts AS a JOIN sample AS s ON s.id = a.sample_id
         WHERE a.ended_at IS NULL AND s.state = 'calling' AND s.leased_until < $1 ORDER BY a.id LIMIT $2",
    )
    .bind(now)
    .bind(CLAIM_MAX)
    .fetch_all(&mut *db)
    .await?;
    read(&mut db, &ids).await
}

/// Whether a number asked not to be rung: looked at once more before its INVITE.
pub async fn refuses_calls(pool: &PgPool, number: &PhoneNumber) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM do_not_call WHERE number = $1)")
        .bind(number.reveal())
        .fetch_one(pool)
        .await
}

#[derive(sqlx::FromRow)]
struct Row {
    attempt: Uuid,
    started_at: DateTime<Utc>,
    sample: i64,
    campaign: i64,
    number: String,
    trunk: String,
    hash: String,
    body: String,
    attempts_max: i16,
    draw: i64,
    case_number: Option<i64>,
    opened_at: Option<DateTime<Utc>>,
    owner: Option<i64>,
    due_on: Option<NaiveDate>,
}

/// What is known of attempts under way, in the order of their ids.
pub(super) async fn read(db: &mut PgConnection, attempts: &[Uuid]) -> Result<Vec<Claimed>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT a.id AS attempt, a.started_at, s.id AS sample, c.id AS campaign, s.number, c.trunk, v.hash, v.body,
             c.attempts_max, s.draw, s.case_number, k.opened_at, k.owner_post_id AS owner, k.due_on
         FROM attempts AS a JOIN sample AS s ON s.id = a.sample_id JOIN campaigns AS c ON c.id = s.campaign_id
         JOIN surveys AS v ON v.hash = c.survey_hash LEFT JOIN cases AS k ON k.number = s.case_number
         WHERE a.id = ANY($1) ORDER BY a.id",
    )
    .bind(attempts)
    .fetch_all(&mut *db)
    .await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        let given = sqlx::query_as(
            "SELECT DISTINCT ON (question) question, value FROM answers WHERE sample_id = $1
             ORDER BY question, at DESC, ordinal DESC",
        )
        .bind(row.sample)
        .fetch_all(&mut *db)
        .await?;
        let before: Vec<Ended> = sqlx::query_as(
            "SELECT started_at, outcome, answered, applicable FROM attempts
             WHERE sample_id = $1 AND outcome IS NOT NULL ORDER BY ordinal",
        )
        .bind(row.sample)
        .fetch_all(&mut *db)
        .await?;
        let before = before.into_iter().map(attempt).collect::<Result<_, _>>()?;
        claimed.push(row.claimed(given, before)?);
    }
    Ok(claimed)
}

impl Row {
    fn claimed(self, given: Vec<(String, String)>, before: Vec<Attempt>) -> Result<Claimed, sqlx::Error> {
        let subject = match (self.case_number, self.opened_at, self.owner, self.due_on) {
            (Some(number), Some(opened_at), Some(owner), Some(due_on)) => Some(Subject {
                number: CaseNumber::try_from(number).map_err(|e| sqlx::Error::Decode(e.into()))?,
                opened_on: opened_at.with_timezone(&china()).date_naive(),
                owner: PostId(owner),
                due_on,
            }),
            _ => None,
        };
        Ok(Claimed {
            sample: self.sample,
            campaign: self.campaign,
            attempt: CallId(self.attempt),
            number: PhoneNumber::parse(&self.number)
                .ok_or_else(|| sqlx::Error::Decode("sample.number is no telephone number".into()))?,
            trunk: self.trunk,
            survey: SurveyHash(self.hash),
            survey_body: self.body,
            attempts_max: self.attempts_max.unsigned_abs(),
            subject,
            draw: Draw(self.draw.cast_unsigned()),
            given,
            before,
            started_at: self.started_at,
        })
    }
}

/// An attempt that has ended: when it began, its outcome, questions answered and questions that applied.
type Ended = (DateTime<Utc>, String, Option<i16>, Option<i16>);

fn attempt((at, code, answered, applicable): Ended) -> Result<Attempt, sqlx::Error> {
    let outcome = Outcome::from_code(&code, answered.map(i16::unsigned_abs), applicable.map(i16::unsigned_abs))
        .ok_or_else(|| sqlx::Error::Decode(format!("attempts.outcome is {code:?}").into()))?;
    Ok(Attempt { at, outcome })
}
