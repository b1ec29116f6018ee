//! Campaigns as somebody prepared them: checked, looked at once more, and begun or forgotten.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::types::Json;

use super::campaigns::Sampled;
use super::sample_file::{FAULTS_MAX, Fault, FaultKind, Lines};
use crate::directory::{OrgId, WindowCode};
use crate::ids::{CaseNumber, PhoneNumber};
use crate::survey::SurveyHash;

/// How long a draft waits; whole numbers are not kept longer than they are needed.
pub const KEPT_FOR: Duration = Duration::from_secs(24 * 3_600);

/// Drafts of one person; the oldest is forgotten for a new one.
pub const DRAFTS_MAX: i64 = 5;

/// A campaign that nobody began yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// The questionnaire's name.
    pub survey: String,
    /// Its version.
    pub hash: SurveyHash,
    /// The trunk that is tried first; empty: any.
    pub trunk: String,
    /// Attempts to reach one number.
    pub attempts_max: u16,
    /// What its draws by lot come from.
    pub seed: u64,
    /// The numbers.
    sample: Vec<Kept>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    number: PhoneNumber,
    case: Option<CaseNumber>,
    unit: Option<i64>,
    window: Option<i16>,
    age_band: Option<String>,
    weight: f64,
}

impl Draft {
    /// Of these numbers.
    pub fn new(
        survey: &str,
        hash: SurveyHash,
        trunk: String,
        attempts_max: u16,
        seed: u64,
        sample: Vec<Sampled>,
    ) -> Self {
        let kept = |s: Sampled| Kept {
            number: s.number,
            case: s.case,
            unit: s.unit.map(|u| u.0),
            window: s.window.map(|w| w.0),
            age_band: s.age_band,
            weight: s.weight,
        };
        let sample = sample.into_iter().map(kept).collect();
        Self { survey: survey.to_owned(), hash, trunk, attempts_max, seed, sample }
    }

    /// The numbers, due at `due_at`.
    pub fn sample(&self, due_at: DateTime<Utc>) -> Vec<Sampled> {
        let sampled = |kept: &Kept| Sampled {
            number: kept.number.clone(),
            case: kept.case,
            unit: kept.unit.map(OrgId),
            window: kept.window.map(WindowCode),
            age_band: kept.age_band.clone(),
            weight: kept.weight,
            due_at,
        };
        self.sample.iter().map(sampled).collect()
    }
}

/// Keeps a draft; returns its key. Old ones are swept out.
pub async fn keep(pool: &PgPool, draft: &Draft, actor: &str, now: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    let mut tx = pool.begin().await?;
    sqlx::query("DELETE FROM campaign_drafts WHERE created_at <= $1").bind(now - KEPT_FOR).execute(&mut *tx).await?;
    let id = sqlx::query_scalar(
        "INSERT INTO campaign_drafts (created_by, created_at, body) VALUES ($1, $2, $3) RETURNING id",
    )
    .bind(actor)
    .bind(now)
    .bind(Json(draft))
    .fetch_one(&mut *tx)
    .await?;
    sqlx::query(
        "DELETE FROM campaign_drafts WHERE created_by = $1
             AND id NOT IN (SELECT id FROM campaign_drafts WHERE created_by = $1 ORDER BY id DESC LIMIT $2)",
    )
    .bind(actor)
    .bind(DRAFTS_MAX)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(id)
}

/// A draft of this person; `None`: there is none, or it is too old.
pub async fn read(pool: &PgPool, id: i64, actor: &str, now: DateTime<Utc>) -> Result<Option<Draft>, sqlx::Error> {
    let body: Option<Json<Draft>> =
        sqlx::query_scalar("SELECT body FROM campaign_drafts WHERE id = $1 AND created_by = $2 AND created_at > $3")
            .bind(id)
            .bind(actor)
            .bind(now - KEPT_FOR)
            .fetch_optional(pool)
            .await?;
    Ok(body.map(|body| body.0))
}

/// Takes a draft away, so that it begins once however often somebody presses the button.
pub async fn take(pool: &PgPool, id: i64, actor: &str, now: DateTime<Utc>) -> Result<Option<Draft>, sqlx::Error> {
    let body: Option<Json<Draft>> = sqlx::query_scalar(
        "DELETE FROM campaign_drafts WHERE id = $1 AND created_by = $2 AND created_at > $3 RETURNING body",
    )
    .bind(id)
    .bind(actor)
    .bind(now - KEPT_FOR)
    .fetch_optional(pool)
    .await?;
    Ok(body.map(|body| body.0))
}

/// What in a sample does not fit the database: cases, units and windows that do not exist. In the order of lines, at most
/// [`FAULTS_MAX`].
pub async fn examine(pool: &PgPool, lines: &Lines) -> Result<Vec<Fault>, sqlx::Error> {
    let numbers: Vec<i64> = lines.iter().map(|(line, _)| line.cast_signed()).collect();
    let cases: Vec<Option<i64>> = lines.iter().map(|(_, s)| s.case.map(CaseNumber::as_i64)).collect();
    let units: Vec<Option<i64>> = lines.iter().map(|(_, s)| s.unit.map(|u| u.0)).collect();
    let windows: Vec<Option<i16>> = lines.iter().map(|(_, s)| s.window.map(|w| w.0)).collect();
    let rows: Vec<(i64, bool, bool)> = sqlx::query_as(
        "SELECT n.line, k.number IS NULL AND n.case_number IS NOT NULL, o.id IS NULL AND n.unit IS NOT NULL
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[]) AS n (line, case_number, unit, code)
         LEFT JOIN cases AS k ON k.number = n.case_number LEFT JOIN organisations AS o ON o.id = n.unit
         LEFT JOIN windows AS w ON w.code = n.code
         WHERE (n.case_number IS NOT NULL AND k.number IS NULL) OR (n.unit IS NOT NULL AND o.id IS NULL)
             OR (n.code IS NOT NULL AND w.code IS NULL)
         ORDER BY n.line LIMIT $5",
    )
    .bind(numbers)
    .bind(cases)
    .bind(units)
    .bind(windows)
    .bind(i64::try_from(FAULTS_MAX).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await?;
    let fault = |(line, case, unit): (i64, bool, bool)| {
        let kind = match (case, unit) {
            (true, _) => FaultKind::UnknownCase,
            (false, true) => FaultKind::Unit,
            (false, false) => FaultKind::Window,
        };
        Fault { line: line.unsigned_abs(), kind }
    };
    Ok(rows.into_iter().map(fault).collect())
}

/// How many of these numbers asked not to be rung.
pub async fn refused(pool: &PgPool, sample: &[Sampled]) -> Result<i64, sqlx::Error> {
    let numbers: Vec<&str> = sample.iter().map(|s| s.number.reveal()).collect();
    sqlx::query_scalar("SELECT count(*) FROM do_not_call WHERE number = ANY($1)").bind(numbers).fetch_one(pool).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TestDatabase, noon};
    use crate::survey::example::callback;

    fn draft(seed: u64) -> Draft {
        let number = |n| PhoneNumber::parse(&format!("1390000{n:04}")).expect("a number");
        let sample = (0..3).map(|n| Sampled::new(number(n), None, noon())).collect();
        Draft::new("callback", callback().hash.clone(), String::new(), 5, seed, sample)
    }

    #[tokio::test]
    async fn a_draft_is_its_makers_for_a_day_and_begins_once() {
        let database = TestDatabase::fresh().await;
        let pool = &database.pool;
        let id = keep(pool, &draft(1), "li", noon()).await.expect("keeps");
        assert_eq!(read(pool, id, "li", noon()).await.expect("reads"), Some(draft(1)));
        assert_eq!(read(pool, id, "wang", noon()).await.expect("reads"), None, "another person's");
        assert_eq!(read(pool, id, "li", noon() + KEPT_FOR).await.expect("reads"), None, "too old");
        assert_eq!(take(pool, id, "li", noon()).await.expect("takes"), Some(draft(1)));
        assert_eq!(take(pool, id, "li", noon()).await.expect("takes"), None, "begun already");
        assert_eq!(draft(1).sample(noon()).len(), 3);
    }

    #[tokio::test]
    async fn drafts_are_few() {
        let database = TestDatabase::fresh().await;
        let pool = &database.pool;
        let other = keep(pool, &draft(0), "wang", noon()).await.expect("keeps");
        let mut ids = Vec::new();
        for seed in 0..=DRAFTS_MAX.unsigned_abs() {
            ids.push(keep(pool, &draft(seed), "li", noon()).await.expect("keeps"));
        }
        assert_eq!(read(pool, ids[0], "li", noon()).await.expect("reads"), None, "the oldest is forgotten");
        assert!(read(pool, ids[1], "li", noon()).await.expect("reads").is_some());
        assert!(read(pool, other, "wang", noon()).await.expect("reads").is_some());
        keep(pool, &draft(9), "li", noon() + KEPT_FOR).await.expect("keeps");
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM campaign_drafts").fetch_one(pool).await.expect("rows");
        assert_eq!(left, 1, "old ones are swept out");
    }

    #[tokio::test]
    async fn a_sample_is_held_against_the_database() {
        let database = TestDatabase::fresh().await;
        let file = "number,case,unit,window\n13900000001,,20010,7\n13900000002,10000014,,\n13900000003,,77,\n\
                    13900000004,,,9\n";
        let case = CaseNumber::from_serial(CaseNumber::FIRST_SERIAL).to_string();
        let lines = crate::store::sample_file::read(file.replace("10000014", &case).as_bytes(), noon());
        let found = examine(&database.pool, &lines.expect("a sample")).await.expect("examines");
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            ["line 3: there is no such case", "line 4: there is no such unit", "line 5: there is no such window"]
        );
    }
}
