//! Rows for people's spreadsheets. Numbers leave masked.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgPool;
use tokio_stream::StreamExt;
use uuid::Uuid;

use crate::clock::china;
use crate::ids::PhoneNumber;

/// Every case, oldest first, a header row first; `write` takes one row at a time.
pub async fn cases(pool: &PgPool, mut write: impl FnMut(&[&str])) -> Result<(), sqlx::Error> {
    type Row = (
        i64,
        DateTime<Utc>,
        String,
        String,
        Option<String>,
        Option<String>,
        String,
        String,
        Option<String>,
        String,
        NaiveDate,
    );
    write(&["number", "opened", "line", "state", "window", "village", "place", "summary", "callback", "owner", "due"]);
    let mut rows = sqlx::query_as::<_, Row>(
        "SELECT c.number, c.opened_at, c.line, c.state, w.name, v.name, c.place, c.summary, c.callback, p.title, c.due_on
         FROM cases AS c JOIN posts AS p ON p.id = c.owner_post_id
         LEFT JOIN windows AS w ON w.code = c.window_code LEFT JOIN organisations AS v ON v.id = c.village_id
         ORDER BY c.opened_at, c.number",
    )
    .fetch(pool);
    while let Some((number, opened, line, state, window, village, place, summary, callback, owner, due)) =
        rows.try_next().await?
    {
        write(&[
            &number.to_string(),
            &local(opened),
            &line,
            &state,
            window.as_deref().unwrap_or_default(),
            village.as_deref().unwrap_or_default(),
            &place,
            &summary,
            &masked(callback),
            &owner,
            &due.to_string(),
        ]);
    }
    Ok(())
}

/// Every call, as [`cases`].
pub async fn calls(pool: &PgPool, mut write: impl FnMut(&[&str])) -> Result<(), sqlx::Error> {
    type Row =
        (Uuid, DateTime<Utc>, String, Option<String>, Option<DateTime<Utc>>, Option<DateTime<Utc>>, Option<String>);
    write(&["id", "started", "line", "caller", "answered", "ended", "end_reason"]);
    let mut rows = sqlx::query_as::<_, Row>(
        "SELECT id, started_at, line, caller, answered_at, ended_at, end_reason FROM calls ORDER BY started_at, id",
    )
    .fetch(pool);
    while let Some((id, started, line, caller, answered, ended, reason)) = rows.try_next().await? {
        write(&[
            &id.to_string(),
            &local(started),
            &line,
            &masked(caller),
            &answered.map(local).unwrap_or_default(),
            &ended.map(local).unwrap_or_default(),
            reason.as_deref().unwrap_or_default(),
        ]);
    }
    Ok(())
}

fn local(at: DateTime<Utc>) -> String {
    at.with_timezone(&china()).format("%Y-%m-%d %H:%M:%S").to_string()
}

fn masked(number: Option<String>) -> String {
    number.and_then(|n| PhoneNumber::parse(&n)).map(|n| n.masked()).unwrap_or_default()
}
