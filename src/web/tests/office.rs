//! A small office: a database of its own with the demo district, a user of each role, some calls and cases, a recording.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use chrono::{DateTime, Days, TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;
use tower::ServiceExt;
use uuid::Uuid;

use crate::clock;
use crate::directory::OrgId;
use crate::ids::{CaseNumber, PhoneNumber};
use crate::store::campaigns::{self, CampaignState, NewCampaign, Sampled};
use crate::store::disclosures::{self, Publication};
use crate::store::drafts::{self, Draft};
use crate::store::invention::{Extent, invent};
use crate::store::testing::{self, TestDatabase, tempdir};
use crate::store::users::Role;
use crate::store::{sessions, tokens, users};
use crate::survey::example::{book, callback};
use crate::web::live::Board;
use crate::web::{Check, LineInfo, WebConfig, router, show};

/// The number planted in every place that may hold one: no page and no answer may show it whole.
pub const PLANTED: &str = "13988776655";
/// As it may be shown.
pub const MASKED: &str = "139****6655";
/// The administrator's password.
pub const PASSWORD: &str = "correct horse battery staple";

/// The rated unit of the user of that role: a village.
pub const UNIT: OrgId = OrgId(20_010);

/// One office.
pub struct Office {
    pub pool: PgPool,
    pub dir: TempDir,
    pub live: Board,
    pub router: Router,
    /// The call with everything: recording, transcript, events, case.
    pub call: Uuid,
    /// The case that it opened.
    pub case: CaseNumber,
    sessions: Vec<(Role, sessions::NewSession)>,
    tokens: Vec<(Role, String)>,
    _database: TestDatabase,
}

/// A campaign with one answer, a draft of the evaluator's, a disclosure, and a proposal of the administrator's.
pub struct Surveyed {
    pub campaign: i64,
    pub attempt: Uuid,
    pub draft: i64,
    pub disclosure: i64,
    pub award: i64,
}

/// An answer, read whole.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().expect("text"))
    }
}

impl Office {
    /// Opens it.
    pub async fn open() -> Self {
        let database = TestDatabase::fresh().await;
        let pool = database.pool.clone();
        let dir = tempdir();
        let now = clock::wall();
        let mut sessions = Vec::new();
        let mut tokens = Vec::new();
        for role in Role::ALL {
            let hash = (role == Role::Admin).then(|| hash(PASSWORD));
            let user = match role {
                Role::Unit => users::add_to_unit(&pool, name(role), UNIT, None, now).await,
                Role::Operator | Role::Evaluator | Role::Admin | Role::Auditor => {
                    users::add(&pool, name(role), role, hash.as_deref(), now).await
                }
            };
            let user = user.expect("a user");
            sessions.push((role, sessions::create(&pool, user, now).await.expect("a session")));
            tokens.push((role, tokens::create(&pool, user, now).await.expect("a token")));
        }
        let live = Board::new();
        let directory = Arc::new(testing::directory(&pool).await);
        let config = WebConfig {
            pool: pool.clone(),
            recordings: dir.path().to_owned(),
            live: live.clone(),
            lines: vec![LineInfo { name: "民心热线".into(), numbers: vec!["12345".into(), "08772012345".into()] }],
            surveys: BTreeMap::from([("callback".to_owned(), callback())]),
            book: Arc::new(book()),
            prompts: Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/zh-CN"),
            trunks: vec!["main".into()],
            desk: super::desk_socket::nobody(),
            directory: Arc::new(move || Arc::clone(&directory)),
            health: Arc::new(|| vec![Check { name: "database", ok: true, detail: String::new() }]),
            metrics: Arc::new(|| "minxin_calls 1\n# EOF\n".to_owned()),
            secure: false,
        };
        let (call, case) = furnish(&pool, dir.path(), now).await;
        Self { pool, dir, live, router: router(config), call, case, sessions, tokens, _database: database }
    }

    /// An office that asked invented people, the same ones in every test: two campaigns of so many numbers, the second of
    /// which is under way.
    pub async fn invented(numbers: usize) -> Self {
        let office = Self::open().await;
        let extent = Extent { campaigns: 2, numbers, seed: 20_261 };
        invent(&office.pool, &callback(), extent, clock::wall()).await.expect("invents");
        office
    }

    /// A campaign of one number, which is due some day.
    pub async fn campaign(&self) -> i64 {
        let (survey, now) = (callback(), clock::wall());
        let sampled = Sampled::new(PhoneNumber::parse(PLANTED).expect("a number"), None, now + TimeDelta::days(900));
        let new = NewCampaign {
            survey: survey.name.clone(),
            hash: survey.hash.clone(),
            body: survey.body.clone(),
            trunk: "main".into(),
            seed: 5,
            attempts_max: 5,
            standing: false,
            created_by: name(Role::Evaluator).into(),
            sample: vec![sampled],
        };
        campaigns::create(&self.pool, &new, now).await.expect("a campaign")
    }

    /// A campaign whose one number answered a question, in a call of which nothing else is known.
    pub async fn surveyed(&self) -> Surveyed {
        let (campaign, attempt, at) = (self.campaign().await, Uuid::now_v7(), clock::wall() - TimeDelta::hours(1));
        let sample: i64 = sqlx::query_scalar("SELECT id FROM sample WHERE campaign_id = $1")
            .bind(campaign)
            .fetch_one(&self.pool)
            .await
            .expect("a number");
        sqlx::query(
            "INSERT INTO attempts (id, sample_id, ordinal, started_at, ended_at, outcome, answered, applicable, disposition)
             VALUES ($1, $2, 1, $3, $3, 'hung_up', 1, 6, '2.12')",
        )
        .bind(attempt)
        .bind(sample)
        .bind(at)
        .execute(&self.pool)
        .await
        .expect("an attempt");
        sqlx::query(
            "INSERT INTO answers (attempt_id, ordinal, sample_id, question, value, mode, latency_ms, at)
             VALUES ($1, 0, $2, 'overall', '5', 'key', 1400, $3)",
        )
        .bind(attempt)
        .bind(sample)
        .bind(at)
        .execute(&self.pool)
        .await
        .expect("an answer");
        let survey = callback();
        let list = vec![Sampled::new(PhoneNumber::parse(PLANTED).expect("a number"), None, at)];
        let draft = Draft::new(&survey.name, survey.hash.clone(), String::new(), 5, 7, list);
        let draft = drafts::keep(&self.pool, &draft, name(Role::Evaluator), clock::wall()).await.expect("a draft");
        let frozen = self.publish().await;
        let award = sqlx::query_scalar(
            "INSERT INTO award_proposals (unit_id, cause, survey_hash, bad, answers, low, high, samples, proposed_by,
                 proposed_at, reply_until)
             VALUES ($1, 'attitude', $2, 1, 30, 0.3, 0.5, ARRAY[$3::bigint], $4, $5, $6) RETURNING id",
        )
        .bind(UNIT.0)
        .bind(&survey.hash.0)
        .bind(sample)
        .bind(name(Role::Admin))
        .bind(at)
        .bind(show::day(at))
        .fetch_one(&self.pool)
        .await
        .expect("a proposal");
        Surveyed { campaign, attempt, draft, disclosure: frozen, award }
    }

    /// Publishes the figures of a campaign that was stopped before anybody was rung.
    async fn publish(&self) -> i64 {
        let (campaign, now) = (self.campaign().await, clock::wall());
        let actor = name(Role::Evaluator);
        campaigns::set_state(&self.pool, campaign, CampaignState::Stopped, actor, now).await.expect("stops");
        let day = show::day(now);
        let what = Publication {
            campaign,
            title: "回访结果公示".into(),
            scope: "红塔区".into(),
            objections: (day, day + Days::new(5)),
            actor: actor.into(),
        };
        disclosures::freeze(&self.pool, &what, now).await.expect("a disclosure").0
    }

    /// The login session of a role.
    pub fn session(&self, role: Role) -> &sessions::NewSession {
        &self.sessions.iter().find(|(r, _)| *r == role).expect("each role").1
    }

    /// The bearer token of a role.
    pub fn token(&self, role: Role) -> &str {
        &self.tokens.iter().find(|(r, _)| *r == role).expect("each role").1
    }

    /// Asks for a page as somebody.
    pub async fn get(&self, role: Role, path: &str) -> Answer {
        let cookie = format!("minxin={}", self.session(role).token);
        self.send(Request::get(path).header("cookie", cookie).body(Body::empty()).expect("a request")).await
    }

    /// Sends a form as somebody, with the token that their forms carry.
    pub async fn post(&self, role: Role, path: &str, fields: &[(&str, &str)]) -> Answer {
        let session = self.session(role);
        let fields: Vec<_> = fields.iter().copied().chain([("csrf", &*session.csrf)]).collect();
        self.send(form(path, &format!("minxin={}", session.token), &fields)).await
    }

    /// Asks the JSON interface as somebody's program.
    pub async fn ask(&self, role: Role, path: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token(role));
        self.send(Request::get(path).header("authorization", bearer).body(Body::empty()).expect("a request")).await
    }

    /// Sends JSON as somebody's program.
    pub async fn tell(&self, role: Role, path: &str, body: &Value) -> Answer {
        let request = Request::post(path)
            .header("authorization", format!("Bearer {}", self.token(role)))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()));
        self.send(request.expect("a request")).await
    }

    /// Sends anything.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 64 << 20).await.expect("a body").to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// The audit trail, newest first: actor, action, object.
    pub async fn trail(&self) -> Vec<(String, String, String)> {
        sqlx::query_as("SELECT actor, action, object FROM audit ORDER BY seq DESC")
            .fetch_all(&self.pool)
            .await
            .expect("the trail")
    }
}

/// How many a list says that it has.
pub fn total(page: &str) -> Option<u64> {
    page.split_once("data-total>")?.1.split_once('<')?.0.parse().ok()
}

/// A form as a browser sends it.
pub fn form(path: &str, cookie: &str, fields: &[(&str, &str)]) -> Request<Body> {
    let body: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}={}", crate::web::page::percent(value))).collect();
    Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("cookie", cookie)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(body.join("&")))
        .expect("a request")
}

/// The name of the user of a role.
pub fn name(role: Role) -> &'static str {
    match role {
        Role::Operator => "李坐席",
        Role::Evaluator => "王评估",
        Role::Admin => "admin",
        Role::Auditor => "赵审计",
        Role::Unit => "高龙潭社区",
    }
}

fn hash(password: &str) -> String {
    use argon2::password_hash::PasswordHasher;
    argon2::Argon2::default().hash_password(password.as_bytes()).expect("a hash").to_string()
}

/// What is said in the call with everything: channel, start, end, text, confidence.
const SAID: [(i16, i64, i64, &str, Option<f32>); 10] = [
    (1, 200, 5_400, "您好，这里是红塔区民心热线。请直接说您的事，或者按键选择。", None),
    (0, 6_100, 10_900, "我想问一下，我父亲今年八十二岁了，高龄津贴怎么申请？", Some(0.91)),
    (0, 11_300, 13_600, "我们住在高龙潭社区。", Some(0.42)),
    (1, 14_200, 18_300, "您要找的是老年人服务窗口，地点是高龙潭社区。对的请按1，不对请按2。", None),
    (0, 19_000, 19_600, "对。", Some(0.88)),
    (1, 20_200, 22_900, "请按键输入联系电话，井号结束。", None),
    (0, 23_400, 27_800, "我的电话是13988776655，白天都可以打。", Some(0.83)),
    (1, 28_600, 33_900, "您的事已经登记，由老年人服务窗口负责办理，十个工作日之前答复您。", None),
    (0, 34_500, 35_900, "好的，谢谢你啊。", Some(0.95)),
    (1, 36_300, 38_200, "不客气，祝您生活愉快，再见。", None),
];

async fn furnish(pool: &PgPool, dir: &Path, now: DateTime<Utc>) -> (Uuid, CaseNumber) {
    let full = call(pool, now - TimeDelta::minutes(12), PLANTED, "caller").await;
    let wav = format!("recordings/{full}.wav");
    std::fs::create_dir_all(dir.join("recordings")).expect("a directory");
    speak(&dir.join(&wav));
    sqlx::query(
        "UPDATE calls SET recording_path = $2, recording_sha256 = $3, recording_ms = 39000, transcript_state = 'done',
                          quality = $4 WHERE id = $1",
    )
    .bind(full)
    .bind(&wav)
    .bind("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
    .bind(json!({"packets_received": 2248, "lost": 6, "late": 2, "concealed_ms": 160, "jitter_ms": 7.3, "mos": 4.32,
                 "rtt_ms": 24, "packets_sent": 2250, "first_audio_ms": 41}))
    .execute(pool)
    .await
    .expect("a recording");
    for (channel, start, end, text, confidence) in SAID {
        sqlx::query(
            "INSERT INTO transcript_segments (call_id, channel, start_ms, end_ms, text, confidence)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(full)
        .bind(channel)
        .bind(start)
        .bind(end)
        .bind(text)
        .bind(confidence)
        .execute(pool)
        .await
        .expect("a segment");
    }
    let serial = CaseNumber::FIRST_SERIAL;
    let words = format!("我想问一下，我父亲今年八十二岁了，高龄津贴怎么申请？我的电话是{PLANTED}。");
    let number = case(pool, full, serial, 7, &words, now - TimeDelta::minutes(11), 10).await;
    events(pool, full, number).await;
    let others = [
        (40, "13312340001", "caller", 4, "村口低保名单什么时候公示？", 3),
        (95, "13312340002", "flow", 2, "想问灵活就业人员社保怎么交。", 0),
        (190, "08772010003", "caller", 6, "我女儿大学毕业了，想找个离家近的工作，请帮忙留意。", -2),
        (300, "13312340004", "drain", 8, "北城街道大石板路口的路灯坏了三天了，晚上黑得看不见，老人走路不安全。", 1),
    ];
    for (n, (minutes, caller, reason, window, words, due)) in (1..).zip(others) {
        let at = now - TimeDelta::minutes(minutes);
        let id = call(pool, at, caller, reason).await;
        case(pool, id, serial + n, window, words, at + TimeDelta::minutes(1), due).await;
    }
    let missed = call(pool, now - TimeDelta::minutes(400), "13312340005", "cancelled").await;
    sqlx::query("UPDATE calls SET answered_at = NULL, caller = NULL WHERE id = $1")
        .bind(missed)
        .execute(pool)
        .await
        .expect("a call");
    (full, number)
}

async fn call(pool: &PgPool, at: DateTime<Utc>, caller: &str, reason: &str) -> Uuid {
    let id = Uuid::now_v7();
    sqlx::query(
        "INSERT INTO calls (id, line, caller, called, sip_call_id, flow, started_at, answered_at, ended_at, end_reason, codec)
         VALUES ($1, '民心热线', $2, '12345', $3, 'hotline@3', $4, $5, $6, $7, 'PCMA')",
    )
    .bind(id)
    .bind(caller)
    .bind(format!("{}@10.0.0.7", id.simple()))
    .bind(at)
    .bind(at + TimeDelta::milliseconds(180))
    .bind(at + TimeDelta::milliseconds(45_180))
    .bind(reason)
    .execute(pool)
    .await
    .expect("a call");
    id
}

async fn case(
    pool: &PgPool,
    call: Uuid,
    serial: i64,
    window: i16,
    words: &str,
    at: DateTime<Utc>,
    due_in: i64,
) -> CaseNumber {
    let number = CaseNumber::from_serial(serial);
    let due = if due_in < 0 {
        show::day(clock::wall()) - Days::new(due_in.unsigned_abs())
    } else {
        show::day(clock::wall()) + Days::new(due_in.unsigned_abs())
    };
    let mut tx = pool.begin().await.expect("a transaction");
    sqlx::query(
        "INSERT INTO cases (number, call_id, line, origin, kind, state, window_code, item_id, place, words, summary, callback,
                            owner_post_id, promise, due_on, received_at, opened_at)
         SELECT $1, $2, '民心热线', 'dialogue', 'request', 'received', $3,
                (SELECT id FROM service_items WHERE window_code = $3 ORDER BY id LIMIT 1), '高龙潭社区', $4, $4, $5,
                (SELECT id FROM posts WHERE window_code = $3 ORDER BY id LIMIT 1), '十个工作日内答复', $6, $7, $7",
    )
    .bind(number.as_i64())
    .bind(call)
    .bind(window)
    .bind(words)
    .bind(PLANTED)
    .bind(due)
    .bind(at)
    .execute(&mut *tx)
    .await
    .expect("a case");
    sqlx::query(
        "INSERT INTO case_events (case_number, seq, at, actor, kind, to_state, reason, detail)
         SELECT $1, 1, $2, 'gateway', 'opened', 'received', '', jsonb_build_object('owner', owner_post_id, 'due_on', due_on)
         FROM cases WHERE number = $1",
    )
    .bind(number.as_i64())
    .bind(at)
    .execute(&mut *tx)
    .await
    .expect("an event");
    tx.commit().await.expect("a case with its event");
    number
}

async fn events(pool: &PgPool, call: Uuid, number: CaseNumber) {
    let mut events = vec![
        (0, "prompt", json!({"prompts": ["notice", "welcome"], "text": SAID[0].3, "slow": false})),
        (5_500, "state", json!({"state": "main", "window": null})),
        (11_000, "asked", json!({"expect": "request"})),
        (11_500, "heard", json!({"text": SAID[1].3, "confidence": 0.91})),
        (14_000, "state", json!({"state": "confirm_window", "window": 7})),
        (14_200, "prompt", json!({"prompts": ["readback.window"], "text": SAID[3].3, "slow": false})),
        (19_500, "key", json!({"key": "1", "source": "rtp"})),
        (20_000, "state", json!({"state": "phone", "window": 7})),
    ];
    for (key, n) in PLANTED.chars().zip(0..) {
        events.push((22_000 + n * 350, "key", json!({"key": key.to_string(), "source": "rtp"})));
    }
    events.push((26_200, "key", json!({"key": "#", "source": "rtp"})));
    let (area, rest) = PLANTED.split_at(3);
    let read_out = format!("您的电话是{area}，{}，{}。", &rest[..4], &rest[4..]);
    events.push((26_800, "prompt", json!({"prompts": ["readback.phone"], "text": read_out, "slow": false})));
    events.push((28_000, "case", json!({"number": number.to_string(), "due_on": "2026-12-04"})));
    events.push((28_600, "prompt", json!({"prompts": ["case.opened"], "text": SAID[7].3, "slow": false})));
    events.push((36_000, "state", json!({"state": "goodbye", "window": 7})));
    for ((at, kind, detail), seq) in events.into_iter().zip(0_i32..) {
        sqlx::query("INSERT INTO call_events (call_id, seq, at_ms, kind, detail) VALUES ($1, $2, $3, $4, $5)")
            .bind(call)
            .bind(seq)
            .bind(i64::from(at))
            .bind(kind)
            .bind(detail)
            .execute(pool)
            .await
            .expect("an event");
    }
}

/// Writes 39 seconds of voiced, syllable-shaped sound where the transcript has words.
fn speak(path: &Path) {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut random = StdRng::seed_from_u64(7);
    let mut writer = hound::WavWriter::create(path, spec).expect("a file");
    let mut loudness = 0.6_f64;
    for frame in 0..39 * 8_000_i64 {
        let (ms, t) = (frame / 8, frame as f64 / 8_000.0);
        if frame % 1_600 == 0 {
            loudness = random.random_range(0.25..1.0);
        }
        for channel in 0..2 {
            let speaks = SAID.iter().any(|(c, start, end, ..)| *c == channel && (*start..*end).contains(&ms));
            let noise = random.random_range(-40.0..40.0);
            let pitch = if channel == 0 { 130.0 } else { 210.0 };
            let syllable = (TAU * 2.3 * t).sin().abs().powf(0.7) * loudness;
            let voice: f64 = (1..6).map(|h| (TAU * pitch * f64::from(h) * t).sin() / f64::from(h)).sum();
            let sample = if speaks { voice * syllable * 7_000.0 + noise } else { noise };
            writer.write_sample(sample as i16).expect("a sample");
        }
    }
    writer.finalize().expect("a file");
}
