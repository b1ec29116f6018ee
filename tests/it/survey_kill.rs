//! The gateway dies at random moments of a campaign: nobody is rung twice for it, and no answer is lost (P26, S16).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use minxin::clock::{monotonic, wall};
use sqlx::PgPool;

use crate::support::campaign::{CONTENT, create, database, number, trunk};
use crate::support::gateway::Gateway;
use crate::support::residents::{Habit, Rung, Village};

/// Names the number of kills, for a longer run.
const KILLS: &str = "MINXIN_KILLS";

/// The kills come so long after each start, in milliseconds: from before the first call's answer to after its last question.
const KILL_BETWEEN_MS: (u64, u64) = (700, 16_000);

/// People for each kill, and calls at once.
const PEOPLE_PER_KILL: usize = 12;
const CHANNELS: usize = 8;

/// An answer keyed this long before the kill must be there. It has to be on the disk 100 ms after its key; the rest is for
/// the way of the key, and for a machine that runs other tests beside.
const DURABLE: Duration = Duration::from_millis(600);

/// How long the attempts of a dead gateway may stay open: their lease, and the look for them.
const BURIED: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_rung_twice_and_no_answer_is_lost() {
    let kills: usize = std::env::var(KILLS).ok().map_or(2, |text| text.parse().expect("a number of kills"));
    let people: Vec<String> = (0..kills * PEOPLE_PER_KILL).map(number).collect();
    let village = Village::new(people.iter().map(|n| (n.clone(), Habit::Keys(CONTENT))).collect()).await;
    let mut gateway = tokio::task::block_in_place(|| Gateway::start_with_more(&trunk(&village, CHANNELS, 4)));
    let campaign = create(&database(&gateway).await, people.iter().cloned(), 5).await;
    let mut random = Lcg(0x6469_616c);
    // By number: answers keyed long enough before the kill that cut the call.
    let mut keyed: BTreeMap<String, Cut> = BTreeMap::new();
    let mut before: BTreeSet<String> = BTreeSet::new();
    for kill in 0..kills {
        let moment = Duration::from_millis(random.between(KILL_BETWEEN_MS));
        println!("kill {kill}: {moment:?} after the start");
        tokio::time::sleep(moment).await;
        let killed = monotonic();
        tokio::task::block_in_place(|| gateway.kill());
        let seen = village.seen();
        for (number, rung) in &seen {
            // Somebody whose call was cut goes on pressing keys for a while: in vain.
            if !before.contains(number) {
                keyed.insert(number.clone(), Cut::of(rung, killed));
            }
        }
        before = seen.into_keys().collect();
        tokio::task::block_in_place(|| gateway.run());
    }
    let pool = database(&gateway).await;
    buried(&pool, &gateway).await;

    let twice: Vec<_> = village.rung().into_iter().filter(|(_, times)| *times > 1).collect();
    assert!(twice.is_empty(), "rung more than once: {twice:?}\n{}", gateway.log());
    let mut cut = 0;
    for (number, Cut { least, keys_before }) in &keyed {
        let found: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM answers AS a JOIN sample AS s ON s.id = a.sample_id WHERE s.number = $1",
        )
        .bind(number)
        .fetch_one(&pool)
        .await
        .expect("a count");
        cut += least;
        let found = usize::try_from(found).expect("no negative count");
        assert!(
            found >= *least,
            "{number}: {least} answers were keyed, {found} are there; keys before the kill: {keys_before:?}\n{}",
            gateway.log()
        );
    }
    let unattempted: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM sample AS s WHERE s.campaign_id = $1 AND s.number = ANY($2)
         AND NOT EXISTS (SELECT FROM attempts AS a WHERE a.sample_id = s.id)",
    )
    .bind(campaign)
    .bind(village.rung().into_keys().collect::<Vec<_>>())
    .fetch_one(&pool)
    .await
    .expect("a count");
    assert_eq!(unattempted, 0, "rung without an attempt on record");
    println!("{kills} kills, {} numbers rung, {cut} answers keyed in time, none lost", village.rung().len());
    let delays = delays(&pool, &village).await;
    let at = |part: f64| delays[((delays.len() - 1) as f64 * part) as usize];
    println!(
        "{} answers taken {} ms after the end of their key (median), {} ms (p99), {} ms at most",
        delays.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
    assert!(cut > 0, "no answer was keyed before a kill: nothing is shown");
}

/// Waits until no attempt of a dead gateway is open.
async fn buried(pool: &PgPool, gateway: &Gateway) {
    let done = async {
        loop {
            let open: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM attempts AS a JOIN sample AS s ON s.id = a.sample_id
                 WHERE a.ended_at IS NULL AND s.leased_until < now()",
            )
            .fetch_one(pool)
            .await
            .expect("a count");
            let oldest: Option<f64> = sqlx::query_scalar(
                "SELECT extract(epoch FROM now() - min(started_at))::float8 FROM attempts WHERE ended_at IS NULL",
            )
            .fetch_one(pool)
            .await
            .expect("an age");
            // The last kill's attempts hold their lease for a while yet.
            if open == 0 && oldest.is_none_or(|age| age < 30.0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(BURIED, done).await.unwrap_or_else(|_| panic!("open attempts\n{}", gateway.log()));
}

/// A call that a kill cut.
struct Cut {
    /// Answers that were keyed long enough before.
    least: usize,
    /// Its keys, each with the time from its end to the kill.
    keys_before: Vec<(char, Duration)>,
}

impl Cut {
    fn of(rung: &Rung, killed: Instant) -> Self {
        let before = |(key, at): &(char, Instant)| Some((*key, killed.checked_duration_since(*at)?));
        Self { least: answers(rung, killed - DURABLE), keys_before: rung.pressed.iter().filter_map(before).collect() }
    }
}

/// How long after the end of its key each answer was taken, in milliseconds, sorted; most are taken while the key is held.
async fn delays(pool: &PgPool, village: &Village) -> Vec<i64> {
    const KEYS: [(&str, usize); 6] =
        [("solved", 0), ("attitude", 1), ("overall", 2), ("trips", 4), ("more", 5), ("coached", 6)];
    let rows: Vec<(String, String, DateTime<Utc>)> =
        sqlx::query_as("SELECT s.number, a.question, a.at FROM answers AS a JOIN sample AS s ON s.id = a.sample_id")
            .fetch_all(pool)
            .await
            .expect("the answers");
    let (seen, now, at) = (village.seen(), monotonic(), wall());
    let delay = |(number, question, taken): &(String, String, DateTime<Utc>)| {
        let key = KEYS.iter().find(|(id, _)| id == question)?.1;
        let (_, pressed) = seen.get(number)?.pressed.get(key)?;
        let pressed = at - (now - *pressed);
        Some((*taken - pressed).num_milliseconds())
    };
    let mut delays: Vec<i64> = rows.iter().filter_map(delay).collect();
    delays.sort_unstable();
    delays
}

/// How many answers these keys gave by `until`: a number counts with its #.
fn answers(rung: &Rung, until: Instant) -> usize {
    let keys: String = rung.pressed.iter().take_while(|(_, at)| *at <= until).map(|(key, _)| *key).collect();
    assert!(CONTENT.starts_with(&keys), "{keys}");
    // The fourth key is the number, which the fifth ends.
    keys.len() - usize::from(keys.len() > 3)
}

/// Knuth's generator: the same kills at every run.
struct Lcg(u64);

impl Lcg {
    fn between(&mut self, (least, most): (u64, u64)) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        least + (self.0 >> 33) % (most - least)
    }
}
