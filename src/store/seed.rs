//! Loads a district from tables in files, again and again without harm: a row that is there is brought to what the file
//! says, and none is removed.

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{PgConnection, PgPool, Postgres};

/// Why a district was not loaded. Nothing of it was, then.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// A file is missing or not a table of the right columns; the source names the line.
    #[error("cannot read {}", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// Why, and where in it.
        source: csv::Error,
    },
    /// The database refused a row.
    #[error("{}, row {row}, does not fit the others", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The row, the first below the heading being 1.
        row: usize,
        /// Which rule it breaks.
        source: sqlx::Error,
    },
    /// The database failed or is away.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
}

/// Rows that were read, by file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded(pub Vec<(&'static str, usize)>);

/// Loads every table in `dir`, in one transaction.
///
/// # Errors
/// See [`SeedError`].
pub async fn seed(pool: &PgPool, dir: &Path) -> Result<Loaded, SeedError> {
    let mut tx = pool.begin().await?;
    let mut loaded = Loaded::default();
    table::<Organisation>(&mut tx, dir, &mut loaded).await?;
    table::<Window>(&mut tx, dir, &mut loaded).await?;
    table::<Item>(&mut tx, dir, &mut loaded).await?;
    table::<StationItems>(&mut tx, dir, &mut loaded).await?;
    table::<Person>(&mut tx, dir, &mut loaded).await?;
    table::<Post>(&mut tx, dir, &mut loaded).await?;
    table::<Household>(&mut tx, dir, &mut loaded).await?;
    table::<Team>(&mut tx, dir, &mut loaded).await?;
    table::<CalendarDay>(&mut tx, dir, &mut loaded).await?;
    table::<OfficeHours>(&mut tx, dir, &mut loaded).await?;
    tx.commit().await?;
    Ok(loaded)
}

/// One row of one file.
trait Row: DeserializeOwned {
    /// The file's name.
    const FILE: &'static str;
    /// The statement that brings the row into the database.
    fn upsert(&self) -> Query<'_, Postgres, PgArguments>;
}

async fn table<R: Row>(tx: &mut PgConnection, dir: &Path, loaded: &mut Loaded) -> Result<(), SeedError> {
    let path = dir.join(R::FILE);
    let failed = |source| SeedError::Table { path: path.clone(), source };
    let rows: Vec<R> = csv::Reader::from_path(&path).and_then(|mut r| r.deserialize().collect()).map_err(failed)?;
    for (at, row) in rows.iter().enumerate() {
        let done = row.upsert().execute(&mut *tx).await;
        done.map_err(|source| SeedError::Row { path: path.clone(), row: at + 1, source })?;
    }
    loaded.0.push((R::FILE, rows.len()));
    Ok(())
}

/// Words separated by spaces.
fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[derive(Deserialize)]
struct Organisation {
    id: i64,
    parent: Option<i64>,
    level: String,
    kind: String,
    name: String,
    address: Option<String>,
    phone: Option<String>,
}

impl Row for Organisation {
    const FILE: &'static str = "organisations.csv";

    fn upsert(&self) -> Query<'_, Postgres, PgArguments> {
        sqlx::query(
            "INSERT INTO organisations (id, parent_id, level, kind, name, address, phone) VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (id) DO UPDATE SET parent_id = $2, level = $3, kind = $4, name = $5, address = $6, phone = $7",
        )
        .bind(self.id)
        .bind(self.parent)
        .bind(&self.level)
        .bind(&self.kind)
        .bind(&self.name)
        .bind(&self.address)
        .bind(&self.phone)
    }
}

#[derive(Deserialize)]
struct Window {
    code: i16,
    name: String,
    name_en: String,
    keywords: String,
}

impl Row for Window {
    const FILE: &'static str = "windows.csv";

    fn upsert(&self) -> Query<'_, Postgres, PgArguments> {
        sqlx::query(
            "INSERT INTO windows (code, name, name_en, keywords) VALUES ($1, $2, $3, $4)
             ON CONFLICT (code) DO UPDATE SET name = $2, name_en = $3, keywords = $4",
        )
        .bind(self.code)
        .bind(&self.name)
        .bind(&self.name_en)
        .bind(words(&self.keywords))
    }
}

#[derive(Deserialize)]
struct Item {
    id: i64,
    window: i16,
    name: String,
    promise: String,
    promise_workdays: i16,
    procedure: String,
    keywords: String,
}

impl Row for Item {
    const FILE: &'static str = "items.csv";

    fn upsert(&self) -> Query<'_, Postgres, PgArguments> {
        sqlx::query(
            "INSERT INTO service_items (id, window_code, name, promise, promise_workdays, procedure, keywords)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (id) DO UPDATE SET window_code = $2, name = $3, promise = $4, promise_workdays = $5, procedure = $6,
                 keywords = $7",
        )
        .bind(self.id)
        .bind(self.window)
        .bind(&self.name)
        .bind(&self.promise)
        .bind(self.promise_workdays)
        .bind(&self.procedure)
        .bind(words(&self.keywords))
    }
}

/// All items of one station.
#[derive(Deserialize)]
struct StationItems {
    org: i64,
    items: String,
}

impl Row for StationItems {
    const FILE: &'static str = "station_items.csv";

    fn upsert(&self) -> Query<'_, Postgres, PgArguments> {
        sqlx::query(
            "INSERT INTO station_items (org_id, item_id) SELECT $1, item::bigint FROM unnest($2::text[]) AS item
             ON CONFLICT DO NOTHING",
        )
        .bind(self.org)
        .bind(words(&self.items))
    }
}

#[derive(Deserialize)]
struct Person {
    id: i64,
    org: i64,
    name: String,
    phone: Option<String>,
    member: bool,
    agent: bool,
}

impl Row for Person {
    const FILE: &'static str = "persons.csv";

    fn upsert(&self) -> Query<'_, Postgres, PgArguments> {
        sqlx::query(
            "INSERT INTO persons (id, org_id, name, phone, member, agent) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (id) DO UPDATE SET org_id = $2, name = $3, phone = $4, member = $5, agent = $6",
        )
        .bind(self.id)
        .bind(self.org)
        .bind(&self.name)
        .bind(&self.phone)
        .bind(self.member)
        .bind(self.agent)
    }
}

#[derive(Deserialize)]
struct Post {
    id: i64,
    org: i64,
    window: Option<i16>,
    title: String,
    a: i64,
    b: i64,
}

impl Row for Post {
    const FILE: &'static str = "posts.csv";

    fn upsert(&self) -> Query<'_, Postgres, PgArguments> {
        sqlx::query(
            "INSERT INTO posts (id, org_id, window_code, title, a_person_id, b_person_id) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (id) DO UPDATE SET org_id = $2, window_code = $3, title = $4, a_person_id = $5, b_person_id = $6",
        )
        .bind(self.id)
        .bind(self.org)
        .bind(self.window)
        .bind(&self.title)
        .bind(self.a)
        .bind(self.b)
    }
}

#[derive(Deserialize)]
struct Household {
    id: i64,
    org: i64,
    head: String,
    phone: Option<String>,
    member: i64,
}

impl Row for Household {
    const FILE: &'static str = "households.csv";

    fn upsert(&self) -> Query<'_, Postgres, PgArguments> {
        sqlx::query(
            "INSERT INTO households (id, org_id, head, phone, member_id) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (id) DO UPDATE SET org_id = $2, head = $3, phone = $4, member_id = $5",
        )
        .bind(self.id)
        .bind(self.org)
        .bind(&self.head)
        .bind(&self.phone)
        .bind(self.member)
    }
}

#[derive(Deserialize)]
struct Team {
    id: i64,
    org: i64,
    name: String,
    kind: String,
}

impl Row for Team {
    const FILE: &'static str = "teams.csv";

    fn upsert(&self) -> Query<'_, Postgres, PgArguments> {
        sqlx::query(
            "INSERT INTO teams (id, org_id, name, kind) VALUES ($1, $2, $3, $4)
             ON CONFLICT (id) DO UPDATE SET org_id = $2, name = $3, kind = $4",
        )
        .bind(self.id)
        .bind(self.org)
        .bind(&self.name)
        .bind(&self.kind)
    }
}

#[derive(Deserialize)]
struct CalendarDay {
    day: NaiveDate,
    worked: bool,
    name: String,
}

impl Row for CalendarDay {
    const FILE: &'static str = "calendar_days.csv";

    fn upsert(&self) -> Query<'_, Postgres, PgArguments> {
        sqlx::query(
            "INSERT INTO calendar_days (day, worked, name) VALUES ($1, $2, $3)
             ON CONFLICT (day) DO UPDATE SET worked = $2, name = $3",
        )
        .bind(self.day)
        .bind(self.worked)
        .bind(&self.name)
    }
}

#[derive(Deserialize)]
struct OfficeHours {
    opens: String,
    closes: String,
}

impl Row for OfficeHours {
    const FILE: &'static str = "office_hours.csv";

    fn upsert(&self) -> Query<'_, Postgres, PgArguments> {
        sqlx::query(
            "INSERT INTO office_hours (opens, closes) VALUES ($1::text::time, $2::text::time)
             ON CONFLICT (opens) DO UPDATE SET closes = $2::text::time",
        )
        .bind(&self.opens)
        .bind(&self.closes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::shelf;
    use crate::store::testing::{TestDatabase, seeds};

    async fn counts(pool: &PgPool, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(pool).await.expect(query)
    }

    #[tokio::test]
    async fn the_demo_district_is_whole() {
        let pool = TestDatabase::fresh().await.pool;
        for (wanted, query) in [
            // A4, A5: every village has a station and somebody to answer for it.
            (11, "SELECT count(*) FROM organisations WHERE level = 'township'"),
            (0, "SELECT count(*) FROM organisations AS v WHERE level IN ('township', 'village') AND NOT EXISTS
                 (SELECT FROM organisations AS s WHERE s.parent_id = v.id AND s.kind IN ('station', 'centre') AND s.phone IS NOT NULL)"),
            (0, "SELECT count(*) FROM organisations AS o WHERE level <> 'point' AND NOT EXISTS
                 (SELECT FROM posts WHERE org_id = o.id AND window_code IS NULL)"),
            (2, "SELECT count(*) FROM organisations WHERE kind IN ('centre', 'party_centre') AND parent_id = 1"),
            // A7, B19.
            (8, "SELECT count(DISTINCT window_code) FROM posts WHERE org_id = 1"),
            (0, "SELECT count(*) FROM posts WHERE a_person_id = b_person_id"),
            // A12: three stations and five points.
            (3, "SELECT count(*) FROM organisations WHERE name LIKE '高龙潭社区%' AND kind LIKE '%station'"),
            (5, "SELECT count(*) FROM organisations WHERE name LIKE '高龙潭社区%' AND kind = 'point'"),
            (1, "SELECT count(*) FROM organisations WHERE name = '泷水塘社区'"),
            // C2.
            (0, "SELECT count(*) FROM organisations AS o WHERE (kind LIKE '%station' OR kind LIKE '%centre') AND
                 (SELECT count(*) FROM station_items WHERE org_id = o.id) < 10"),
            (0, "SELECT count(*) FROM service_items WHERE cardinality(keywords) < 3 OR procedure = ''"),
            // C9, C11.
            (79, "SELECT count(*) FROM teams"),
            (9, "SELECT count(DISTINCT kind) FROM teams"),
            (287, "SELECT count(*) FROM persons WHERE agent"),
            // B9: who is in contact with a household is a Party member.
            (0, "SELECT count(*) FROM households JOIN persons ON persons.id = member_id WHERE NOT member"),
            // No number that could belong to anybody.
            (0, "SELECT count(*) FROM (SELECT phone FROM persons UNION ALL SELECT phone FROM households) AS p WHERE phone NOT LIKE '1400%'"),
            // The notice: 33 days off, six weekend days worked.
            (33, "SELECT count(*) FROM calendar_days WHERE NOT worked"),
            (6, "SELECT count(*) FROM calendar_days WHERE worked AND extract(isodow FROM day) >= 6"),
        ] {
            assert_eq!(counts(&pool, query).await, wanted, "{query}");
        }
        assert!(counts(&pool, "SELECT count(*) FROM service_items").await >= 30);
    }

    #[tokio::test]
    async fn loading_again_mends_what_differs_and_doubles_nothing() {
        let pool = TestDatabase::fresh().await.pool;
        let before = shelf::load(&pool).await.expect("loads");
        assert_eq!((before.windows.len(), before.calendar.hours.len()), (8, 2));
        assert!(before.posts.values().all(|p| before.persons.contains_key(&p.a) && before.persons.contains_key(&p.b)));
        sqlx::query("UPDATE windows SET name = '' WHERE code = 1").execute(&pool).await.expect("changes");
        seed(&pool, &seeds()).await.expect("seeds");
        let after = shelf::load(&pool).await.expect("loads");
        let text = |directory| serde_json::to_string(directory).expect("text");
        assert_eq!(text(&after), text(&before));
    }

    #[tokio::test]
    async fn a_bad_row_is_named_and_nothing_is_loaded() {
        let pool = TestDatabase::fresh().await.pool;
        let dir = tempfile::tempdir().expect("a directory");
        for file in std::fs::read_dir(seeds()).expect("lists") {
            let file = file.expect("lists");
            std::fs::copy(file.path(), dir.path().join(file.file_name())).expect("copies");
        }
        std::fs::write(dir.path().join("windows.csv"), "code,name,name_en,keywords\n1,改了,Changed,词\n")
            .expect("writes");
        std::fs::write(dir.path().join("posts.csv"), "id,org,window,title,a,b\n1,1,1,窗口,1,1\n").expect("writes");
        let refused = seed(&pool, dir.path()).await.expect_err("A and B are the same");
        assert!(matches!(&refused, SeedError::Row { path, row: 1, .. } if path.ends_with("posts.csv")), "{refused}");
        assert_eq!(counts(&pool, "SELECT count(*) FROM windows WHERE name = '改了'").await, 0);
    }

    #[tokio::test]
    async fn every_table_and_column_says_what_it_means() {
        let pool = TestDatabase::fresh().await.pool;
        let silent: Vec<String> = sqlx::query_scalar(
            "SELECT c.relname || '.' || coalesce(a.attname, '')
             FROM pg_class AS c
             JOIN LATERAL (SELECT 0 AS attnum, NULL::name AS attname UNION ALL
                           SELECT attnum, attname FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS a ON true
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> '_sqlx_migrations'
               AND col_description(c.oid, a.attnum) IS NULL AND (a.attnum > 0 OR obj_description(c.oid) IS NULL)",
        )
        .fetch_all(&pool)
        .await
        .expect("reads");
        assert!(silent.is_empty(), "{silent:?}");
    }
}
