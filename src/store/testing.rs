//! One private Postgres for all tests of this binary, with a fresh database, schema and demo district for each.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool};
use tempfile::TempDir;

use super::cases::{By, move_case};
use super::postgres::{Cluster, Tenure};
use super::records::{CallAnswered, CallEnded, CallEvent, CallStarted, Record, Recording, Segment};
use super::{pool, seed};
use crate::cases::{CaseDraft, Ground, Hand, Kind, Move, Order, Origin};
use crate::directory::{Directory, PostId, WindowCode};
use crate::ids::{CallId, CaseNumber, PhoneNumber};

/// How to reach the shared cluster. Made by the first test that asks; ended by a shell that waits for this process's end,
/// which no destructor would see.
static SHARED: Mutex<Option<(PgConnectOptions, PathBuf)>> = Mutex::new(None);

/// The demo district's tables.
pub fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds")
}

/// A directory that the account which runs Postgres may enter.
pub fn tempdir() -> TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o711)).tempdir().expect("a directory")
}

/// A database of one's own, with schema and district.
pub struct TestDatabase {
    pub pool: PgPool,
    pub url: String,
}

impl TestDatabase {
    pub async fn fresh() -> Self {
        Self::from_template("minxin").await
    }

    /// Another one that holds the same, once nobody is connected to the first.
    pub async fn copy_of(pool: &PgPool) -> Self {
        let name = pool.connect_options().get_database().expect("a name").to_owned();
        // A template has no visitors.
        let mut admin = Self::admin().await;
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        sqlx::query(others).bind(&name).execute(&mut admin).await.expect("ends connections");
        Self::from_template(&name).await
    }

    async fn admin() -> PgConnection {
        let (options, _) = tokio::task::spawn_blocking(shared).await.expect("the shared cluster starts");
        PgConnection::connect_with(&options.database("postgres")).await.expect("connects")
    }

    async fn from_template(template: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (options, sockets) = tokio::task::spawn_blocking(shared).await.expect("the shared cluster starts");
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut admin = Self::admin().await;
        admin
            .execute(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")))
            .await
            .expect("makes a database");
        let url = format!("postgres:///{name}?host={}&user=minxin&sslmode=disable", sockets.display());
        Self { pool: pool::lazy(options.database(&name)), url }
    }
}

fn shared() -> (PgConnectOptions, PathBuf) {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.get_or_insert_with(start).clone()
}

fn start() -> (PgConnectOptions, PathBuf) {
    let dir = tempdir().keep();
    let (ready, started) = mpsc::channel();
    let at = dir.clone();
    // A runtime that outlives every test's own, for the watch over the server.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let cluster = Cluster::start(&at.join("pg"), Tenure::Own).await.expect("Postgres starts");
            let pool = pool::lazy(cluster.options());
            pool::migrate(&pool).await.expect("migrates");
            seed::seed(&pool, &seeds()).await.expect("seeds");
            pool.close().await; // A template has no visitors.
            ready.send(cluster.options()).expect("somebody waits");
            std::future::pending::<()>().await;
        });
    });
    let options = started.recv().expect("Postgres starts; its error stands above");
    end_with_us(&dir);
    let sockets = options.get_socket().expect("a socket").clone();
    (options, sockets)
}

/// Leaves a shell behind whose input ends when this process does, however that is.
fn end_with_us(dir: &Path) {
    let script = r#"cat >/dev/null; pid="$(head -n 1 "$1/pg/data/postmaster.pid")"; kill -INT "$pid"
        while kill -0 "$pid"; do sleep 0.1; done; rm -rf "$1""#;
    let shell = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    std::mem::forget(shell); // Its input is closed by the kernel at our end, and not before.
}

/// A fixed time, to the microsecond that Postgres keeps.
pub fn noon() -> DateTime<Utc> {
    "2026-03-02T04:00:00Z".parse().expect("a time")
}

/// A call's first record.
pub fn started(call: CallId) -> Record {
    Record::CallStarted(CallStarted {
        call,
        line: "民心热线".into(),
        caller: PhoneNumber::parse("14008771234"),
        called: "08770001000".into(),
        sip_call_id: format!("{call}@test"),
        started_at: noon(),
    })
}

/// A case of that call.
pub fn draft(call: CallId) -> CaseDraft {
    CaseDraft {
        call,
        line: "民心热线".into(),
        origin: Origin::Dialogue,
        kind: Kind::Request,
        window: Some(WindowCode(7)),
        item: None,
        village: None,
        place: "高龙潭社区".into(),
        words: "我想给老人申请高龄津贴".into(),
        callback: PhoneNumber::parse("14008771234"),
        owner: PostId(7),
        promise: "十个工作日内办结".into(),
        due_on: NaiveDate::from_ymd_opt(2026, 3, 16).expect("a day"),
        received_at: noon(),
        opened_at: noon(),
    }
}

/// The call's answer.
pub fn answered(call: CallId) -> Record {
    let answered_at = noon();
    Record::CallAnswered(CallAnswered { call, flow: "hotline@1".into(), codec: "PCMA".into(), answered_at })
}

/// Two steps of the call.
pub fn events(call: CallId) -> Record {
    let event = |seq, kind: &str| CallEvent {
        seq,
        at_ms: i64::from(seq) * 1_000,
        kind: kind.into(),
        detail: serde_json::json!({ "digit": "7" }),
    };
    Record::CallEvents { call, events: vec![event(0, "prompt"), event(1, "key")] }
}

/// The call's end, with a recording.
pub fn ended(call: CallId) -> Record {
    Record::CallEnded(CallEnded {
        call,
        ended_at: noon(),
        reason: "caller".into(),
        quality: Some(serde_json::json!({ "packets": 1_500 })),
        recording: Some(Recording { path: format!("recordings/{call}.wav"), sha256: "00".into(), duration_ms: 30_000 }),
        spoken: Vec::new(),
    })
}

/// What was said, on both channels.
pub fn transcript(call: CallId) -> Record {
    Record::Transcript { call, segments: segments() }
}

/// Two segments.
pub fn segments() -> Vec<Segment> {
    let segment =
        |channel, text: &str, confidence| Segment { channel, start_ms: 0, end_ms: 900, text: text.into(), confidence };
    vec![segment(0, "我想申请高领津贴", Some(0.8)), segment(1, "您好", None)]
}

/// Applies a record as the uploader does.
pub async fn apply(pool: &PgPool, record: &Record) {
    let mut tx = pool.begin().await.expect("begins");
    super::apply::apply(&mut tx, [record]).await.expect("applies");
    tx.commit().await.expect("commits");
}

/// The directory as stored.
pub async fn directory(pool: &PgPool) -> Directory {
    super::shelf::load(pool).await.expect("a directory")
}

/// A change of a case by an operator who saw `version`.
pub fn by(number: CaseNumber, version: i32) -> By<'static> {
    By { number, version, actor: "li", reason: "test", at: noon() }
}

/// An order with everything that its move needs: assigned to the post that is asked first, extended to a later day.
pub fn order(mv: Move) -> Order {
    Order {
        mv,
        post: (mv == Move::Assign).then_some(PostId(7)),
        due_on: if mv == Move::Extend { NaiveDate::from_ymd_opt(2026, 3, 23) } else { None },
        ground: (mv == Move::Return).then_some(Ground::Duty),
    }
}

/// Moves a case that stands at `version` along; returns its new version.
pub async fn walk(pool: &PgPool, number: CaseNumber, version: i32, moves: &[Move]) -> i32 {
    let mut version = version;
    for mv in moves {
        let moved = move_case(pool, by(number, version), order(*mv), Hand::Leader).await;
        version = moved.unwrap_or_else(|e| panic!("{mv}: {e}: {:?}", std::error::Error::source(&e)));
    }
    version
}
