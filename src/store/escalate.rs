//! Who is told of cases that run out of time: [`cases::escalation`](crate::cases::escalation) plans it, this keeps it as
//! tasks, each once.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use sqlx::{FromRow, PgPool};

use super::cases::parse_state;
use crate::cases::Life;
use crate::cases::escalation::{Notice, Role, plan};
use crate::directory::{Directory, PersonId, PostId};

/// Office time within which a notice is to have been heard.
const HEAR_WITHIN: TimeDelta = TimeDelta::hours(2);

/// Cases looked at in one query.
const PAGE: i64 = 1_000;

#[derive(FromRow)]
struct Open {
    number: i64,
    state: String,
    owner_post_id: i64,
    first_post_id: i64,
    offered_post_id: Option<i64>,
    offered_at: Option<DateTime<Utc>>,
    clock_from: DateTime<Utc>,
    due_on: NaiveDate,
}

/// Makes the tasks that are due by `now`; returns how many were new.
///
/// # Errors
/// When the database fails or is away.
pub async fn escalate(pool: &PgPool, directory: &Directory, now: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    let (mut last, mut made) = (0, 0);
    loop {
        let cases: Vec<Open> = sqlx::query_as(
            "SELECT number, state, owner_post_id, first_post_id, offered_post_id, offered_at, clock_from, due_on FROM cases
             WHERE number > $1 AND state IN ('received', 'assigned', 'accepted', 'handling') ORDER BY number LIMIT $2",
        )
        .bind(last)
        .bind(PAGE)
        .fetch_all(pool)
        .await?;
        let Some(newest) = cases.last() else { return Ok(made) };
        last = newest.number;
        let mut notices = Vec::new();
        for case in cases {
            let owner = PostId(case.owner_post_id);
            let leader = directory.leader_of(owner).unwrap_or(owner);
            let number = case.number;
            let planned = plan(&case.life()?, leader, now, &directory.calendar);
            notices.extend(planned.into_iter().map(|notice| (number, notice)));
        }
        made += keep(pool, directory, &notices, now).await?;
    }
}

impl Open {
    /// Where the case stands, as far as deadlines ask.
    fn life(&self) -> Result<Life, sqlx::Error> {
        Ok(Life {
            state: parse_state(&self.state)?,
            owner: PostId(self.owner_post_id),
            first: PostId(self.first_post_id),
            offered: self.offered_post_id.map(PostId),
            offered_at: self.offered_at,
            clock_from: self.clock_from,
            due_on: self.due_on,
            stopped_at: None,
            returns: 0,
            extensions: 0,
            supervised: false,
            lead: None,
            parts_open: 0,
        })
    }
}

async fn keep(
    pool: &PgPool,
    directory: &Directory,
    notices: &[(i64, Notice)],
    now: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let person = |notice: &Notice| -> Option<PersonId> {
        let post = directory.posts.get(&notice.post)?;
        Some(match notice.role {
            Role::A => post.a,
            Role::B => post.b,
        })
    };
    let about = |number: i64, notice: &Notice| format!("case/{number}/{}/{}", notice.due_on, notice.post.0);
    let made = sqlx::query(
        "INSERT INTO tasks (kind, about, case_number, person_id, number, promised, created_at, due_at)
         SELECT new.kind, new.about, new.case_number, p.id, p.phone, new.promised, $6, $7
         FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::date[])
             AS new (kind, about, case_number, person_id, promised)
         LEFT JOIN persons AS p ON p.id = new.person_id
         ON CONFLICT DO NOTHING",
    )
    .bind(notices.iter().map(|(_, n)| n.step.code()).collect::<Vec<_>>())
    .bind(notices.iter().map(|(number, n)| about(*number, n)).collect::<Vec<_>>())
    .bind(notices.iter().map(|(number, _)| *number).collect::<Vec<_>>())
    .bind(notices.iter().map(|(_, n)| person(n).map(|p| p.0)).collect::<Vec<_>>())
    .bind(notices.iter().map(|(_, n)| n.due_on).collect::<Vec<_>>())
    .bind(now)
    .bind(directory.calendar.after_open(now, HEAR_WITHIN))
    .execute(pool)
    .await?;
    Ok(made.rows_affected())
}
