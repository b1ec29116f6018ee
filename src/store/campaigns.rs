//! Campaigns: numbers to ring with one version of a questionnaire, how far they are, and what was answered.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::approvals;
use super::audit::{self, Deed};
use crate::directory::{OrgId, WindowCode};
use crate::ids::{CaseNumber, PhoneNumber};
use crate::survey::listing::Listed;
use crate::survey::random::Random;
use crate::survey::{ATTEMPTS_MAX, Disposition, SurveyHash};

/// Numbers of one campaign, at most: the district has fewer households.
pub const SAMPLE_MAX: usize = 200_000;

/// A campaign to make.
#[derive(Clone, Debug)]
pub struct NewCampaign {
    /// The questionnaire's name.
    pub survey: String,
    /// Its version.
    pub hash: SurveyHash,
    /// Its file.
    pub body: String,
    /// The trunk that is tried first; empty: any.
    pub trunk: String,
    /// What its draws by lot come from.
    pub seed: u64,
    /// Attempts to reach one number, at most [`ATTEMPTS_MAX`].
    pub attempts_max: u16,
    /// Whether closed cases are added to it.
    pub standing: bool,
    /// User name.
    pub created_by: String,
    /// The numbers.
    pub sample: Vec<Sampled>,
}

/// A number to ring.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// The number.
    pub number: PhoneNumber,
    /// The case it is about.
    pub case: Option<CaseNumber>,
    /// The organisation that is rated; `None`: the case's village, where there is a case.
    pub unit: Option<OrgId>,
    /// The window that is rated; `None`: the case's, where there is a case.
    pub window: Option<WindowCode>,
    /// As drawn.
    pub age_band: Option<String>,
    /// Design weight.
    pub weight: f64,
    /// Not to be rung before.
    pub due_at: DateTime<Utc>,
}

impl Sampled {
    /// A number that stands for itself.
    pub fn new(number: PhoneNumber, case: Option<CaseNumber>, due_at: DateTime<Utc>) -> Self {
        Self { number, case, unit: None, window: None, age_band: None, weight: 1.0, due_at }
    }

    /// A line of a list.
    pub fn listed(line: Listed, due_at: DateTime<Utc>) -> Self {
        let Listed { number, case, unit, window, age_band, weight } = line;
        Self { number, case, unit, window, age_band, weight, due_at }
    }
}

/// Whether a campaign's numbers are rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CampaignState {
    /// They are.
    Running,
    /// Not for now.
    Paused,
    /// Never again.
    Stopped,
}

impl CampaignState {
    /// As stored and as in the JSON interface.
    pub fn code(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }

    /// The state with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Running, Self::Paused, Self::Stopped].into_iter().find(|s| s.code() == code)
    }
}

/// Why a campaign was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// There is no such campaign.
    #[error("no campaign {0}")]
    Unknown(i64),
    /// It was stopped, and stays so.
    #[error("campaign {0} was stopped")]
    Stopped(i64),
    /// There are no numbers, or too many.
    #[error("a campaign has 1 to {SAMPLE_MAX} numbers, not {0}")]
    Size(usize),
    /// A number stands in the sample twice with the same case.
    #[error("sample[{0}]: the number stands there twice")]
    Twice(usize),
    /// There is no such case.
    #[error("sample[{at}]: no case {case}")]
    UnknownCase {
        /// Its place in the sample, from 0.
        at: usize,
        /// The case.
        case: CaseNumber,
    },
    /// There is no such unit or window.
    #[error("sample: there is no such unit or window ({0})")]
    UnknownPlace(String),
    /// Nobody but its author has looked at the questionnaire as it is.
    #[error("survey: nobody has approved `{survey}` as it is now, version {hash}")]
    NotApproved {
        /// The questionnaire's name.
        survey: String,
        /// Its version.
        hash: SurveyHash,
    },
    /// One runs already that closed cases are added to.
    #[error("closed cases are added to another campaign already")]
    Standing,
    /// The database failed or is away.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
}

/// How far a campaign is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Its key.
    pub id: i64,
    /// The questionnaire's name.
    pub survey: String,
    /// Its version.
    pub hash: String,
    /// The trunk that is tried first.
    pub trunk: String,
    /// Whether it runs.
    pub state: CampaignState,
    /// User who made it.
    pub created_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Numbers in all.
    pub total: i64,
    /// Numbers that are rung or will be; none once it is stopped.
    pub remaining: i64,
    /// Numbers being rung.
    pub calling: i64,
    /// Attempts made.
    pub attempts: i64,
    /// Numbers by disposition, final or so far.
    pub dispositions: BTreeMap<Disposition, u64>,
}

/// Makes a campaign; returns its key. Numbers that asked not to be rung are part of it, as refusals.
pub async fn create(pool: &PgPool, new: &NewCampaign, now: DateTime<Utc>) -> Result<i64, CampaignError> {
    let size = new.sample.len();
    if size > SAMPLE_MAX || (size == 0 && !new.standing) {
        return Err(CampaignError::Size(size));
    }
    let mut tx = pool.begin().await?;
    if !approvals::approved(&mut tx, &new.survey, &new.hash, &new.body, now).await? {
        return Err(CampaignError::NotApproved { survey: new.survey.clone(), hash: new.hash.clone() });
    }
    let made: Result<i64, sqlx::Error> = sqlx::query_scalar(
        "INSERT INTO campaigns (survey_hash, trunk, state, seed, attempts_max, standing, created_by, created_at)
         VALUES ($1, $2, 'running', $3, $4, $5, $6, $7) RETURNING id",
    )
    .bind(&new.hash.0)
    .bind(&new.trunk)
    .bind(new.seed.cast_signed())
    .bind(i16::try_from(new.attempts_max.clamp(1, ATTEMPTS_MAX)).unwrap_or(1))
    .bind(new.standing)
    .bind(&new.created_by)
    .bind(now)
    .fetch_one(&mut *tx)
    .await;
    let id = made.map_err(|e| match e.as_database_error().and_then(|e| e.constraint()) {
        Some("campaigns_standing") => CampaignError::Standing,
        _ => e.into(),
    })?;
    add(&mut tx, id, new.seed, &new.sample).await?;
    let object = format!("campaign/{id}");
    let deed = Deed { actor: &new.created_by, action: "campaign_create", object: &object, reason: "", at: now };
    audit::append_in(&mut tx, deed).await?;
    tx.commit().await?;
    Ok(id)
}

/// Adds numbers to a campaign.
pub(super) async fn add(
    tx: &mut sqlx::PgConnection,
    campaign: i64,
    seed: u64,
    sample: &[Sampled],
) -> Result<(), CampaignError> {
    let mut seen = std::collections::BTreeSet::new();
    if let Some(at) = sample.iter().position(|s| !seen.insert((s.number.reveal(), s.case))) {
        return Err(CampaignError::Twice(at));
    }
    let cases: Vec<Option<i64>> = sample.iter().map(|s| s.case.map(CaseNumber::as_i64)).collect();
    let unknown: Option<i64> = sqlx::query_scalar(
        "SELECT c.ordinality FROM unnest($1::bigint[]) WITH ORDINALITY AS c (number, ordinality)
         WHERE c.number IS NOT NULL AND NOT EXISTS (SELECT FROM cases WHERE cases.number = c.number)
         ORDER BY c.ordinality LIMIT 1",
    )
    .bind(&cases)
    .fetch_optional(&mut *tx)
    .await?;
    let unknown = unknown.and_then(|at| usize::try_from(at - 1).ok());
    if let Some((at, case)) = unknown.and_then(|at| Some((at, sample.get(at)?.case?))) {
        return Err(CampaignError::UnknownCase { at, case });
    }
    let numbers: Vec<&str> = sample.iter().map(|s| s.number.reveal()).collect();
    let units: Vec<Option<i64>> = sample.iter().map(|s| s.unit.map(|u| u.0)).collect();
    let windows: Vec<Option<i16>> = sample.iter().map(|s| s.window.map(|w| w.0)).collect();
    let bands: Vec<Option<&str>> = sample.iter().map(|s| s.age_band.as_deref()).collect();
    let weights: Vec<f64> = sample.iter().map(|s| s.weight).collect();
    let due: Vec<DateTime<Utc>> = sample.iter().map(|s| s.due_at).collect();
    let mut draws = Random::stream(seed, DRAWS);
    let draws: Vec<i64> = sample.iter().map(|_| draws.bits().cast_signed()).collect();
    sqlx::query(
        "INSERT INTO sample (campaign_id, number, household, case_number, unit_id, window_code, age_band, weight, draw,
             due_at, state, disposition)
         SELECT $1, n.number,
             coalesce((SELECT 'household/' || min(h.id) FROM households AS h WHERE h.phone = n.number), n.number),
             n.case_number, coalesce(n.unit_id, k.village_id), coalesce(n.window_code, k.window_code), n.age_band,
             n.weight, n.draw, CASE WHEN d.number IS NULL THEN n.due_at END,
             CASE WHEN d.number IS NULL THEN 'due' ELSE 'done' END, CASE WHEN d.number IS NULL THEN '3.11' ELSE '2.11' END
         FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::smallint[], $6::text[], $7::float8[], $8::bigint[],
                     $9::timestamptz[])
             AS n (number, case_number, unit_id, window_code, age_band, weight, draw, due_at)
         LEFT JOIN cases AS k ON k.number = n.case_number LEFT JOIN do_not_call AS d ON d.number = n.number",
    )
    .bind(campaign)
    .bind(numbers)
    .bind(cases)
    .bind(units)
    .bind(windows)
    .bind(bands)
    .bind(weights)
    .bind(draws)
    .bind(due)
    .execute(tx)
    .await
    .map_err(|e| match e.as_database_error() {
        Some(fault) if fault.is_foreign_key_violation() => {
            CampaignError::UnknownPlace(fault.constraint().unwrap_or_default().to_owned())
        }
        _ => e.into(),
    })?;
    Ok(())
}

/// The stream of a campaign's seed that its scales and orders are drawn from.
const DRAWS: u64 = 1;

/// Pauses, resumes or stops a campaign. Calls under way go on; a stopped campaign stays stopped.
pub async fn set_state(
    pool: &PgPool,
    id: i64,
    to: CampaignState,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<(), CampaignError> {
    set_state_because(pool, id, to, actor, "", now).await
}

/// As [`set_state`], with the reason that its actor gives.
pub async fn set_state_because(
    pool: &PgPool,
    id: i64,
    to: CampaignState,
    actor: &str,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), CampaignError> {
    let mut tx = pool.begin().await?;
    let from: Option<String> = sqlx::query_scalar("SELECT state FROM campaigns WHERE id = $1 FOR UPDATE")
        .bind(id)
        .fetch_optional(&mut *tx)
        .await?;
    match from.as_deref().map(CampaignState::from_code) {
        None | Some(None) => return Err(CampaignError::Unknown(id)),
        Some(Some(from)) if from == to => return Ok(()),
        Some(Some(CampaignState::Stopped)) => return Err(CampaignError::Stopped(id)),
        Some(Some(CampaignState::Running | CampaignState::Paused)) => {}
    }
    sqlx::query("UPDATE campaigns SET state = $2 WHERE id = $1").bind(id).bind(to.code()).execute(&mut *tx).await?;
    let (object, action) = (format!("campaign/{id}"), format!("campaign_{}", to.code()));
    audit::append_in(&mut tx, Deed { actor, action: &action, object: &object, reason, at: now }).await?;
    tx.commit().await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    name: String,
    hash: String,
    trunk: String,
    state: String,
    created_by: String,
    created_at: DateTime<Utc>,
    total: i64,
    open: i64,
    calling: i64,
    attempts: i64,
}

/// How far a campaign is.
pub async fn progress(pool: &PgPool, id: i64) -> Result<Progress, CampaignError> {
    progress_of(pool, &[id]).await?.pop().ok_or(CampaignError::Unknown(id))
}

/// The newest campaigns that are surveys, at most `limit`; those made before the one with key `before`, where one is given.
pub async fn recent(pool: &PgPool, before: Option<i64>, limit: i64) -> Result<Vec<Progress>, sqlx::Error> {
    let ids: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM campaigns WHERE notice IS NULL AND id < coalesce($1, id + 1) ORDER BY id DESC LIMIT $2",
    )
    .bind(before)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    progress_of(pool, &ids).await
}

/// How far these campaigns are, the newest first.
async fn progress_of(pool: &PgPool, ids: &[i64]) -> Result<Vec<Progress>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT c.id, v.name, v.hash, c.trunk, c.state, c.created_by, c.created_at, count(s.id) AS total,
             count(s.id) FILTER (WHERE s.state <> 'done') AS open, count(s.id) FILTER (WHERE s.state = 'calling') AS calling,
             coalesce(sum(s.attempts), 0)::bigint AS attempts
         FROM campaigns AS c JOIN surveys AS v ON v.hash = c.survey_hash LEFT JOIN sample AS s ON s.campaign_id = c.id
         WHERE c.id = ANY($1) GROUP BY c.id, v.hash ORDER BY c.id DESC",
    )
    .bind(ids)
    .fetch_all(pool)
    .await?;
    let counts: Vec<(i64, String, i64)> = sqlx::query_as(
        "SELECT campaign_id, disposition, count(*) FROM sample WHERE campaign_id = ANY($1) GROUP BY 1, 2",
    )
    .bind(ids)
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(|row| row.progress(&counts)).collect()
}

impl Row {
    fn progress(self, counts: &[(i64, String, i64)]) -> Result<Progress, sqlx::Error> {
        let own = counts.iter().filter(|(campaign, ..)| *campaign == self.id);
        let dispositions = own.map(|(_, code, n)| Ok((disposition(code)?, n.unsigned_abs())));
        let state = CampaignState::from_code(&self.state)
            .ok_or_else(|| sqlx::Error::Decode(format!("campaigns.state is {:?}", self.state).into()))?;
        Ok(Progress {
            dispositions: dispositions.collect::<Result<_, sqlx::Error>>()?,
            id: self.id,
            survey: self.name,
            hash: self.hash,
            trunk: self.trunk,
            state,
            created_by: self.created_by,
            created_at: self.created_at,
            total: self.total,
            remaining: if state == CampaignState::Stopped { self.calling } else { self.open },
            calling: self.calling,
            attempts: self.attempts,
        })
    }
}

/// A disposition as stored.
pub(super) fn disposition(code: &str) -> Result<Disposition, sqlx::Error> {
    Disposition::from_code(code).ok_or_else(|| sqlx::Error::Decode(format!("a disposition is {code:?}").into()))
}
