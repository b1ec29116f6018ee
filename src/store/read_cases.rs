//! Reads of cases for the web view and the JSON interface. Numbers to ring back come whole: whoever shows them masks them.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

/// Which cases a list shows; every part that is `None` lets all through.
#[derive(Clone, Debug, Default)]
pub struct CaseFilter {
    /// The state's code; `open` stands for every state in which somebody still has to act.
    pub state: Option<String>,
    /// The window.
    pub window: Option<i16>,
    /// The post that answers for it.
    pub owner: Option<i64>,
    /// Only cases whose clock runs, promised for a day before this one.
    pub due_before: Option<NaiveDate>,
    /// Only cases whose clock runs, promised for this day or a later one.
    pub due_from: Option<NaiveDate>,
    /// Only cases of the posts that this user holds: owned, or offered to them.
    pub holder: Option<i64>,
    /// Only cases that were given back.
    pub returned: bool,
    /// Only cases whose resident waits to be rung.
    pub callback: bool,
    /// Words that the summary, the recognised words or the place must hold.
    pub words: Option<String>,
    /// Only cases older than this one.
    pub before: Option<i64>,
}

/// One row of a list of cases.
#[derive(Clone, Debug, FromRow)]
pub struct CaseRow {
    /// Its number, check digit included.
    pub number: i64,
    /// What kind of request.
    pub kind: String,
    /// The state's code.
    pub state: String,
    /// The window, once chosen.
    pub window_code: Option<i16>,
    /// The place in the caller's words.
    pub place: String,
    /// The caller's words as recognised.
    pub words: String,
    /// What it is about, as corrected.
    pub summary: String,
    /// The number to ring back, whole.
    pub callback: Option<String>,
    /// The title of the post that answers for it.
    pub owner: String,
    /// The organisation of that post.
    pub owner_org: String,
    /// The last day of the promise.
    pub due_on: NaiveDate,
    /// From when the time of the promise counts.
    pub clock_from: DateTime<Utc>,
    /// Times it was given back.
    pub returns: i16,
    /// Whether leadership watches it.
    pub supervised: bool,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// When it was closed.
    pub closed_at: Option<DateTime<Utc>>,
}

/// Everything stored about one case but its history.
#[derive(Clone, Debug, FromRow)]
pub struct CaseDetail {
    /// Its number, check digit included.
    pub number: i64,
    /// The call that opened it.
    pub call_id: Uuid,
    /// The line that was dialled.
    pub line: String,
    /// How it came about.
    pub origin: String,
    /// What kind of request.
    pub kind: String,
    /// The state's code.
    pub state: String,
    /// The window, once chosen.
    pub window_code: Option<i16>,
    /// The service item's name, where the words named one.
    pub item: Option<String>,
    /// What the item takes, as published.
    pub procedure: Option<String>,
    /// The village's name, where the words named one.
    pub village: Option<String>,
    /// The place in the caller's words.
    pub place: String,
    /// The caller's words as recognised.
    pub words: String,
    /// What operators corrected them to.
    pub summary: String,
    /// The number to ring back, whole.
    pub callback: Option<String>,
    /// The post that answers for it.
    pub owner_post_id: i64,
    /// Its title.
    pub owner: String,
    /// Its organisation.
    pub owner_org: String,
    /// Who holds the post's A role.
    pub owner_a: String,
    /// Who stands in.
    pub owner_b: String,
    /// The post that was asked first, with its organisation.
    pub first: String,
    /// The post that is to accept it, while it is assigned.
    pub offered_post_id: Option<i64>,
    /// As `first`.
    pub offered: Option<String>,
    /// Times it was given back.
    pub returns: i16,
    /// Times its promise was extended.
    pub extensions: i16,
    /// Whether leadership watches it.
    pub supervised: bool,
    /// What was promised, in words.
    pub promise: String,
    /// The last day of the promise.
    pub due_on: NaiveDate,
    /// When the caller first spoke.
    pub received_at: DateTime<Utc>,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// When it was closed.
    pub closed_at: Option<DateTime<Utc>>,
    /// Goes up with every change: a form carries it, so that nobody overwrites what they have not seen.
    pub version: i32,
}

/// One step in the life of a case.
#[derive(Clone, Debug, FromRow)]
pub struct CaseEventRow {
    /// Its place in the case's log, from 1.
    pub seq: i32,
    /// When.
    pub at: DateTime<Utc>,
    /// Who: a user's name, or `gateway`.
    pub actor: String,
    /// `opened`, `moved`, `assigned`, `corrected` or `noted`.
    pub kind: String,
    /// The move, where it is one.
    #[sqlx(rename = "move")]
    pub mv: Option<String>,
    /// The state it left.
    pub from_state: Option<String>,
    /// The state it came to.
    pub to_state: Option<String>,
    /// Why.
    pub reason: String,
    /// What belongs to this kind.
    pub detail: serde_json::Value,
    /// Its link in the chain over all cases.
    pub link: i64,
    /// The link's hash.
    pub hash: String,
}

/// The newest cases that pass `filter`, at most `limit`.
pub async fn cases(pool: &PgPool, filter: &CaseFilter, limit: i64) -> Result<Vec<CaseRow>, sqlx::Error> {
    let anchor: Option<(DateTime<Utc>, i64)> = match filter.before {
        Some(number) => {
            let anchor = sqlx::query_as("SELECT opened_at, number FROM cases WHERE number = $1").bind(number);
            let Some(anchor) = anchor.fetch_optional(pool).await? else { return Ok(Vec::new()) };
            Some(anchor)
        }
        None => None,
    };
    sqlx::query_as(
        "SELECT k.number, k.kind, k.state, k.window_code, k.place, k.words, k.summary, k.callback, p.title AS owner,
                o.name AS owner_org, k.due_on, k.clock_from, k.returns, k.supervised, k.opened_at, k.closed_at
         FROM cases k
         JOIN posts p ON p.id = k.owner_post_id
         JOIN organisations o ON o.id = p.org_id
         WHERE ($1::text IS NULL OR k.state = $1 OR ($1 = 'open' AND k.state NOT IN ('closed', 'archived')))
           AND ($2::smallint IS NULL OR k.window_code = $2)
           AND ($3::bigint IS NULL OR k.owner_post_id = $3)
           AND ($4::date IS NULL OR (k.due_on < $4 AND k.state IN ('received', 'assigned', 'accepted', 'handling')))
           AND ($9::date IS NULL OR (k.due_on >= $9 AND k.state IN ('received', 'assigned', 'accepted', 'handling')))
           AND ($10::bigint IS NULL OR EXISTS (
               SELECT FROM users AS u JOIN posts AS h ON u.person_id IN (h.a_person_id, h.b_person_id)
               WHERE u.id = $10 AND h.id IN (k.owner_post_id, k.offered_post_id)))
           AND (NOT $11 OR k.returns > 0)
           AND (NOT $12 OR EXISTS (
               SELECT FROM tasks AS t WHERE t.case_number = k.number AND t.done_at IS NULL
                   AND t.kind IN ('message', 'dissatisfied', 'person', 'extended', 'answered')))
           AND ($5::text IS NULL OR k.summary ILIKE $5 OR k.words ILIKE $5 OR k.place ILIKE $5)
           AND ($6::timestamptz IS NULL OR (k.opened_at, k.number) < ($6, $7::bigint))
         ORDER BY k.opened_at DESC, k.number DESC
         LIMIT $8",
    )
    .bind(&filter.state)
    .bind(filter.window)
    .bind(filter.owner)
    .bind(filter.due_before)
    .bind(filter.words.as_deref().map(contains))
    .bind(anchor.map(|a| a.0))
    .bind(anchor.map(|a| a.1))
    .bind(limit)
    .bind(filter.due_from)
    .bind(filter.holder)
    .bind(filter.returned)
    .bind(filter.callback)
    .fetch_all(pool)
    .await
}

/// One case.
pub async fn case(pool: &PgPool, number: i64) -> Result<Option<CaseDetail>, sqlx::Error> {
    sqlx::query_as(
        "SELECT k.number, k.call_id, k.line, k.origin, k.kind, k.state, k.window_code, i.name AS item, i.procedure,
                v.name AS village, k.place, k.words, k.summary, k.callback, k.owner_post_id, p.title AS owner,
                o.name AS owner_org, a.name AS owner_a, b.name AS owner_b, f.title || ' · ' || fo.name AS first,
                k.offered_post_id, n.title || ' · ' || nu.name AS offered, k.returns, k.extensions, k.supervised,
                k.promise, k.due_on, k.received_at, k.opened_at, k.closed_at, k.version
         FROM cases k
         JOIN posts p ON p.id = k.owner_post_id
         JOIN organisations o ON o.id = p.org_id
         JOIN persons a ON a.id = p.a_person_id
         JOIN persons b ON b.id = p.b_person_id
         JOIN posts f ON f.id = k.first_post_id
         JOIN organisations fo ON fo.id = f.org_id
         LEFT JOIN posts n ON n.id = k.offered_post_id
         LEFT JOIN organisations nu ON nu.id = n.org_id
         LEFT JOIN service_items i ON i.id = k.item_id
         LEFT JOIN organisations v ON v.id = k.village_id
         WHERE k.number = $1",
    )
    .bind(number)
    .fetch_optional(pool)
    .await
}

/// The life of a case, oldest step first, at most `limit` steps.
pub async fn case_events(pool: &PgPool, number: i64, limit: i64) -> Result<Vec<CaseEventRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT e.seq, e.at, e.actor, e.kind, e.move, e.from_state, e.to_state, e.reason, e.detail, l.link, l.hash
         FROM case_events AS e JOIN case_log AS l ON l.case_number = e.case_number AND l.seq = e.seq
         WHERE e.case_number = $1 ORDER BY e.seq LIMIT $2",
    )
    .bind(number)
    .bind(limit)
    .fetch_all(pool)
    .await
}

/// The numbers of the cases that a call opened.
pub async fn cases_of_call(pool: &PgPool, call: Uuid) -> Result<Vec<CaseRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT k.number, k.kind, k.state, k.window_code, k.place, k.words, k.summary, k.callback, p.title AS owner,
                o.name AS owner_org, k.due_on, k.clock_from, k.returns, k.supervised, k.opened_at, k.closed_at
         FROM cases k
         JOIN posts p ON p.id = k.owner_post_id
         JOIN organisations o ON o.id = p.org_id
         WHERE k.call_id = $1 ORDER BY k.number",
    )
    .bind(call)
    .fetch_all(pool)
    .await
}

/// A pattern for `ILIKE` that finds `words` anywhere, each character standing for itself.
fn contains(words: &str) -> String {
    let mut pattern = String::from("%");
    for c in words.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_themselves() {
        assert_eq!(contains("路灯"), "%路灯%");
        assert_eq!(contains(r"100%_\"), r"%100\%\_\\%");
    }
}
