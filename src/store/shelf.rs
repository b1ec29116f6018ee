//! The directory as calls use it: read from the database, kept in memory, and kept on disk for a start without one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use chrono::{NaiveDate, NaiveTime};
use sqlx::{PgConnection, PgPool};

use crate::directory::{
    Calendar, Directory, Hours, ItemId, Level, OrgId, Organisation, Person, PersonId, Post, PostId, ServiceItem,
    Window, WindowCode,
};

/// The current directory and its copy on disk.
#[derive(Debug)]
pub struct Shelf {
    path: PathBuf,
    current: RwLock<Arc<Directory>>,
    /// The copy on disk, to write only what differs.
    written: Mutex<Vec<u8>>,
}

impl Shelf {
    /// Begins with the copy at `path`, or empty where there is none.
    ///
    /// # Errors
    /// When the file exists and cannot be read.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(e),
        };
        let parsed = if bytes.is_empty() { Ok(Directory::default()) } else { serde_json::from_slice(&bytes) };
        let (directory, written) = match parsed {
            Ok(directory) => (directory, bytes),
            Err(e) => {
                tracing::warn!(file = %path.display(), error = %e, "the directory's copy is unreadable: waiting for the database");
                (Directory::default(), Vec::new())
            }
        };
        Ok(Self { path, current: RwLock::new(Arc::new(directory)), written: Mutex::new(written) })
    }

    /// The directory as last read.
    pub fn current(&self) -> Arc<Directory> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the database; replaces and writes only what differs. A copy that cannot be written is logged, not an error:
    /// it is for the next start.
    pub async fn refresh(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let directory = load(pool).await?;
        let bytes = serde_json::to_vec(&directory).map_err(|e| sqlx::Error::Encode(e.into()))?;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if *written != bytes {
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(directory);
            match replace(&self.path, &bytes) {
                Ok(()) => *written = bytes,
                Err(e) => tracing::error!(file = %self.path.display(), error = %e, "cannot write the directory's copy"),
            }
        }
        Ok(())
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    fs::write(&fresh, bytes)?;
    fs::rename(fresh, path)
}

/// The directory as the database has it.
pub async fn load(pool: &PgPool) -> Result<Directory, sqlx::Error> {
    // One snapshot, or a post could name a person who was not read.
    let mut tx = pool.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *tx).await?;
    let mut directory = Directory::default();

    let rows: Vec<(i64, Option<i64>, String, String)> =
        sqlx::query_as("SELECT id, parent_id, level, name FROM organisations").fetch_all(&mut *tx).await?;
    for (id, parent, level, name) in rows {
        let level = level_from(&level)?;
        let organisation = Organisation { id: OrgId(id), parent: parent.map(OrgId), level, name };
        directory.organisations.insert(organisation.id, organisation);
    }
    let rows: Vec<(i16, String, Vec<String>)> =
        sqlx::query_as("SELECT code, name, keywords FROM windows").fetch_all(&mut *tx).await?;
    for (code, name, keywords) in rows {
        directory.windows.insert(WindowCode(code), Window { code: WindowCode(code), name, keywords });
    }
    let rows: Vec<(i64, i16, String, String, i16, Vec<String>)> =
        sqlx::query_as("SELECT id, window_code, name, promise, promise_workdays, keywords FROM service_items")
            .fetch_all(&mut *tx)
            .await?;
    for (id, window, name, promise, workdays, keywords) in rows {
        let promise_workdays = u16::try_from(workdays).map_err(|e| sqlx::Error::Decode(e.into()))?;
        let item =
            ServiceItem { id: ItemId(id), window: WindowCode(window), name, promise, promise_workdays, keywords };
        directory.items.insert(item.id, item);
    }
    let rows: Vec<(i64, i64, Option<i16>, String, i64, i64)> =
        sqlx::query_as("SELECT id, org_id, window_code, title, a_person_id, b_person_id FROM posts")
            .fetch_all(&mut *tx)
            .await?;
    for (id, org, window, title, a, b) in rows {
        let post = Post {
            id: PostId(id),
            org: OrgId(org),
            window: window.map(WindowCode),
            title,
            a: PersonId(a),
            b: PersonId(b),
        };
        directory.posts.insert(post.id, post);
    }
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "SELECT id, name FROM persons WHERE id IN (SELECT a_person_id FROM posts UNION SELECT b_person_id FROM posts)",
    )
    .fetch_all(&mut *tx)
    .await?;
    directory.persons = rows.into_iter().map(|(id, name)| (PersonId(id), Person { id: PersonId(id), name })).collect();
    directory.calendar = calendar(&mut tx).await?;
    Ok(directory)
}

/// Work days and office hours.
pub async fn calendar(db: &mut PgConnection) -> Result<Calendar, sqlx::Error> {
    let days: Vec<(NaiveDate, bool)> =
        sqlx::query_as("SELECT day, worked FROM calendar_days").fetch_all(&mut *db).await?;
    let hours: Vec<(NaiveTime, NaiveTime)> =
        sqlx::query_as("SELECT opens, closes FROM office_hours ORDER BY opens").fetch_all(db).await?;
    let hours = hours.into_iter().map(|(from, until)| Hours { from, until }).collect();
    Ok(Calendar { exceptions: days.into_iter().collect(), hours })
}

fn level_from(code: &str) -> Result<Level, sqlx::Error> {
    match code {
        "district" => Ok(Level::District),
        "township" => Ok(Level::Township),
        "village" => Ok(Level::Village),
        "point" => Ok(Level::Point),
        other => Err(sqlx::Error::Decode(format!("organisations.level is {other:?}").into())),
    }
}
