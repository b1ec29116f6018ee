//! Writes an invented survey into a database, to see the evaluators' pages filled and to measure them. Nobody is rung.

use std::collections::HashMap;

use chrono::{DateTime, Months, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::approvals;
use crate::clock::china;
use crate::survey::invented::{self, Person};
use crate::survey::random::Random;
use crate::survey::{Disposition, Mode, Survey};

/// Who stands as the maker of invented campaigns.
const MAKER: &str = "invented";

/// The line under which survey calls are kept.
const LINE: &str = "回访";

/// How much is invented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Campaigns, one for each month up to this one.
    pub campaigns: u32,
    /// Numbers of each.
    pub numbers: usize,
    /// What everything is drawn from.
    pub seed: u64,
}

/// Why nothing was invented.
#[derive(Debug, thiserror::Error)]
pub enum InventionError {
    /// Invented answers must never stand beside real ones.
    #[error("the database has campaigns already: invented ones go only into a database without any")]
    Occupied,
    /// There is nobody to rate.
    #[error("the database has no villages or no windows: load a district first")]
    Empty,
    /// The database failed or is away.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Invented {
    /// Numbers.
    pub numbers: usize,
    /// Attempts.
    pub attempts: usize,
    /// Answers.
    pub answers: usize,
}

/// Invents campaigns that asked `survey` in the months before `now`; the last one is still under way.
pub async fn invent(
    pool: &PgPool,
    survey: &Survey,
    extent: Extent,
    now: DateTime<Utc>,
) -> Result<Invented, InventionError> {
    let mut tx = pool.begin().await?;
    if sqlx::query_scalar("SELECT EXISTS (SELECT FROM campaigns)").fetch_one(&mut *tx).await? {
        return Err(InventionError::Occupied);
    }
    let units: Vec<i64> = sqlx::query_scalar("SELECT id FROM organisations WHERE level = 'village' ORDER BY id")
        .fetch_all(&mut *tx)
        .await?;
    let windows: Vec<i16> = sqlx::query_scalar("SELECT code FROM windows ORDER BY code").fetch_all(&mut *tx).await?;
    if units.is_empty() || windows.is_empty() {
        return Err(InventionError::Empty);
    }
    approvals::enter(&mut tx, &survey.name, &survey.hash, &survey.body, MAKER, now).await?;
    let mut written = Invented::default();
    for back in (0..extent.campaigns).rev() {
        let start = morning(now).checked_sub_months(Months::new(back)).unwrap_or(now) - TimeDelta::days(12);
        let people = invented::people(survey, &units, &windows, extent.numbers, start, now, extent.seed);
        let id = campaign(&mut tx, survey, start, back == 0, extent.seed).await?;
        let samples = sample(&mut tx, id, &people, now).await?;
        let done = attempts(&mut tx, &samples, &people, extent.seed).await?;
        written.numbers += people.len();
        written.attempts += done.attempts;
        written.answers += done.answers;
    }
    tx.commit().await?;
    Ok(written)
}

/// Nine o'clock on the day of `now` in China.
fn morning(now: DateTime<Utc>) -> DateTime<Utc> {
    let day = now.with_timezone(&china()).date_naive();
    day.and_hms_opt(9, 0, 0).and_then(|at| at.and_local_timezone(china()).single()).map_or(now, |at| at.to_utc())
}

async fn campaign(
    tx: &mut PgConnection,
    survey: &Survey,
    start: DateTime<Utc>,
    running: bool,
    seed: u64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "INSERT INTO campaigns (survey_hash, trunk, state, seed, attempts_max, created_by, created_at)
         VALUES ($1, '', $2, $3, 3, $4, $5) RETURNING id",
    )
    .bind(&survey.hash.0)
    .bind(if running { "paused" } else { "stopped" })
    .bind(seed.cast_signed())
    .bind(MAKER)
    .bind(start)
    .fetch_one(tx)
    .await
}

/// Writes the numbers; returns their keys in the order of `people`.
async fn sample(
    tx: &mut PgConnection,
    campaign: i64,
    people: &[Person],
    now: DateTime<Utc>,
) -> Result<Vec<i64>, sqlx::Error> {
    let number = |at: usize| format!("199{campaign:02}{at:06}");
    let numbers: Vec<String> = (0..people.len()).map(number).collect();
    // Somebody who was not reached yet and may be rung again.
    let waits = |p: &Person| p.disposition() == Disposition::NotAttempted;
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "INSERT INTO sample (campaign_id, number, household, unit_id, window_code, age_band, weight, draw, state, due_at,
             attempts, disposition)
         SELECT $1, n.number, n.number, n.unit, n.window_code, n.age, n.weight, n.draw,
             CASE WHEN n.waits THEN 'due' ELSE 'done' END, CASE WHEN n.waits THEN $10::timestamptz END, n.attempts,
             n.disposition
         FROM unnest($2::text[], $3::bigint[], $4::smallint[], $5::text[], $6::float8[], $7::bigint[], $8::smallint[],
                     $9::text[], $11::boolean[])
             AS n (number, unit, window_code, age, weight, draw, attempts, disposition, waits)
         RETURNING id, number",
    )
    .bind(campaign)
    .bind(&numbers)
    .bind(people.iter().map(|p| p.unit).collect::<Vec<_>>())
    .bind(people.iter().map(|p| p.window).collect::<Vec<_>>())
    .bind(people.iter().map(|p| p.age_band).collect::<Vec<_>>())
    .bind(people.iter().map(|p| p.weight).collect::<Vec<_>>())
    .bind(people.iter().map(|p| p.draw.0.cast_signed()).collect::<Vec<_>>())
    .bind(people.iter().map(|p| i16::try_from(p.attempts.len()).unwrap_or(i16::MAX)).collect::<Vec<_>>())
    .bind(people.iter().map(|p| p.disposition().code()).collect::<Vec<_>>())
    .bind(now + TimeDelta::days(1))
    .bind(people.iter().map(waits).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    let keys: HashMap<String, i64> = rows.into_iter().map(|(id, number)| (number, id)).collect();
    Ok(numbers.iter().filter_map(|number| keys.get(number).copied()).collect())
}

/// The columns of attempts with their calls, and of answers with what happened in those.
#[derive(Default)]
struct Columns {
    attempt: Vec<Uuid>,
    sample: Vec<i64>,
    ordinal: Vec<i16>,
    started: Vec<DateTime<Utc>>,
    ended: Vec<DateTime<Utc>>,
    outcome: Vec<&'static str>,
    answered: Vec<Option<i16>>,
    applicable: Vec<Option<i16>>,
    disposition: Vec<&'static str>,
    called: Vec<Uuid>,
    number: Vec<i64>,
    connected: Vec<DateTime<Utc>>,
    hung_up: Vec<DateTime<Utc>>,
    reply: Replies,
}

#[derive(Default)]
struct Replies {
    attempt: Vec<Uuid>,
    ordinal: Vec<i16>,
    sample: Vec<i64>,
    question: Vec<String>,
    value: Vec<String>,
    mode: Vec<&'static str>,
    latency: Vec<i32>,
    at: Vec<DateTime<Utc>>,
    asked_ms: Vec<i64>,
    given_ms: Vec<i64>,
}

async fn attempts(
    tx: &mut PgConnection,
    samples: &[i64],
    people: &[Person],
    seed: u64,
) -> Result<Invented, sqlx::Error> {
    let mut random = Random::stream(seed, samples.first().copied().unwrap_or_default().unsigned_abs());
    let columns = columns(samples, people, &mut random);
    let written =
        Invented { numbers: people.len(), attempts: columns.attempt.len(), answers: columns.reply.attempt.len() };
    write_attempts(tx, &columns).await?;
    write_replies(tx, &columns.reply).await?;
    Ok(written)
}

fn columns(samples: &[i64], people: &[Person], random: &mut Random) -> Columns {
    let mut columns = Columns::default();
    let narrow = |n: u16| i16::try_from(n).unwrap_or(i16::MAX);
    for (sample, person) in samples.iter().zip(people) {
        for (ordinal, attempt) in (1..).zip(&person.attempts) {
            let bits = (u128::from(random.bits()) << 64) | u128::from(random.bits());
            let id = uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid();
            let ended = attempt.at + attempt.lasted;
            let reached = attempt.outcome.reached();
            columns.attempt.push(id);
            columns.sample.push(*sample);
            columns.ordinal.push(ordinal);
            columns.started.push(attempt.at);
            columns.ended.push(ended);
            columns.outcome.push(attempt.outcome.code());
            columns.answered.push(reached.map(|(answered, _)| narrow(answered)));
            columns.applicable.push(reached.map(|(_, applicable)| narrow(applicable)));
            columns.disposition.push(attempt.outcome.disposition().code());
            if reached.is_none() {
                continue;
            }
            let connected = attempt.at + TimeDelta::seconds(9);
            columns.called.push(id);
            columns.number.push(*sample);
            columns.connected.push(connected);
            columns.hung_up.push(ended);
            for (place, reply) in (0..).zip(&attempt.answers) {
                let replies = &mut columns.reply;
                replies.attempt.push(id);
                replies.ordinal.push(place);
                replies.sample.push(*sample);
                replies.question.push(reply.question.clone());
                replies.value.push(reply.value.clone());
                replies.mode.push(reply.mode.code());
                replies.latency.push(reply.latency_ms);
                replies.at.push(connected + reply.given);
                replies.asked_ms.push(reply.asked.num_milliseconds());
                replies.given_ms.push(reply.given.num_milliseconds());
            }
        }
    }
    columns
}

async fn write_attempts(tx: &mut PgConnection, columns: &Columns) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO attempts (id, sample_id, ordinal, started_at, ended_at, outcome, answered, applicable, disposition)
         SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::smallint[], $4::timestamptz[], $5::timestamptz[], $6::text[],
                              $7::smallint[], $8::smallint[], $9::text[])",
    )
    .bind(&columns.attempt)
    .bind(&columns.sample)
    .bind(&columns.ordinal)
    .bind(&columns.started)
    .bind(&columns.ended)
    .bind(&columns.outcome)
    .bind(&columns.answered)
    .bind(&columns.applicable)
    .bind(&columns.disposition)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO calls (id, line, called, sip_call_id, flow, started_at, answered_at, ended_at, end_reason, codec)
         SELECT c.id, $1, s.number, c.id::text, v.name || '@' || left(v.hash, 8), c.answered_at - interval '9 s',
             c.answered_at, c.ended_at, 'flow', 'PCMA'
         FROM unnest($2::uuid[], $3::bigint[], $4::timestamptz[], $5::timestamptz[])
             AS c (id, sample_id, answered_at, ended_at)
         JOIN sample AS s ON s.id = c.sample_id JOIN campaigns AS p ON p.id = s.campaign_id
         JOIN surveys AS v ON v.hash = p.survey_hash",
    )
    .bind(LINE)
    .bind(&columns.called)
    .bind(&columns.number)
    .bind(&columns.connected)
    .bind(&columns.hung_up)
    .execute(tx)
    .await?;
    Ok(())
}

async fn write_replies(tx: &mut PgConnection, replies: &Replies) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO answers (attempt_id, ordinal, sample_id, question, value, mode, latency_ms, at)
         SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::integer[],
                              $8::timestamptz[])",
    )
    .bind(&replies.attempt)
    .bind(&replies.ordinal)
    .bind(&replies.sample)
    .bind(&replies.question)
    .bind(&replies.value)
    .bind(&replies.mode)
    .bind(&replies.latency)
    .bind(&replies.at)
    .execute(&mut *tx)
    .await?;
    // What a call leaves on its time axis: the question begins, a key or words come.
    sqlx::query(
        "INSERT INTO call_events (call_id, seq, at_ms, kind, detail)
         SELECT r.id, 2 * r.ordinal, r.asked, 'state', jsonb_build_object('state', r.question, 'window', NULL)
         FROM unnest($1::uuid[], $2::smallint[], $3::text[], $4::bigint[]) AS r (id, ordinal, question, asked)",
    )
    .bind(&replies.attempt)
    .bind(&replies.ordinal)
    .bind(&replies.question)
    .bind(&replies.asked_ms)
    .execute(&mut *tx)
    .await?;
    let speech = Mode::Speech.code();
    sqlx::query(
        "INSERT INTO call_events (call_id, seq, at_ms, kind, detail)
         SELECT r.id, 2 * r.ordinal + 1, r.given, CASE WHEN r.mode = $1 THEN 'heard' ELSE 'key' END,
             CASE WHEN r.mode = $1 THEN jsonb_build_object('text', r.value) ELSE jsonb_build_object('key', '1') END
         FROM unnest($2::uuid[], $3::smallint[], $4::text[], $5::text[], $6::bigint[])
             AS r (id, ordinal, value, mode, given)",
    )
    .bind(speech)
    .bind(&replies.attempt)
    .bind(&replies.ordinal)
    .bind(&replies.value)
    .bind(&replies.mode)
    .bind(&replies.given_ms)
    .execute(tx)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::TestDatabase;
    use crate::store::{campaigns, results};
    use crate::survey::example::{at, callback};

    const SMALL: Extent = Extent { campaigns: 2, numbers: 120, seed: 11 };

    #[tokio::test]
    async fn invented_people_are_read_as_real_ones_are() {
        let database = TestDatabase::fresh().await;
        let (pool, survey) = (&database.pool, callback());
        let written = invent(pool, &survey, SMALL, at("2026-06-20T12:00")).await.expect("invents");
        assert_eq!(written.numbers, 240);
        let recent = campaigns::recent(pool, None, 10).await.expect("campaigns");
        assert_eq!(recent.iter().map(|c| c.total).collect::<Vec<_>>(), [120, 120]);
        assert_eq!(recent.iter().map(|c| c.attempts).sum::<i64>(), written.attempts as i64);
        let mut answers = 0;
        for campaign in &recent {
            let respondents = results::respondents(pool, campaign.id).await.expect("respondents");
            answers += respondents.iter().map(|r| r.given.len()).sum::<usize>();
        }
        assert_eq!(answers, written.answers, "nobody answers twice");
    }

    #[tokio::test]
    async fn never_beside_real_answers() {
        let database = TestDatabase::fresh().await;
        let (pool, survey) = (&database.pool, callback());
        invent(pool, &survey, SMALL, at("2026-06-20T12:00")).await.expect("invents");
        let again = invent(pool, &survey, SMALL, at("2026-06-20T12:00")).await;
        assert!(matches!(again, Err(InventionError::Occupied)));
    }
}
