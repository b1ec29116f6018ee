//! What durability costs. `cargo test --lib store::tests::measure -- --ignored --nocapture`

use super::*;
use crate::clock::monotonic;
use crate::store::spool::{Spool, Weight};
use crate::store::testing::{self, TestDatabase};

/// The value below which this share of the sorted spans lies.
fn quantile(spans: &[Duration], share: f64) -> Duration {
    let at = (spans.len() as f64 * share) as usize;
    spans[at.min(spans.len() - 1)]
}

fn report(what: &str, mut spans: Vec<Duration>, whole: Duration) {
    spans.sort_unstable();
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| quantile(&spans, share));
    let rate = spans.len() as f64 / whole.as_secs_f64();
    println!("{what}: {} in {whole:.1?}, {rate:.0}/s; p50 {p50:.2?}, p99 {p99:.2?}, longest {max:.2?}", spans.len());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, not a test"]
async fn appends_by_so_many_at_once() {
    let dir = testing::tempdir();
    let spool = std::sync::Arc::new(Spool::open(dir.path(), |_, _| {}).expect("opens"));
    for tasks in [1, 10, 100, 1_000] {
        let begun = monotonic();
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..tasks {
            let spool = spool.clone();
            running.spawn(async move {
                let mut spans = Vec::new();
                for _ in 0..(2_000 / tasks).max(10) {
                    let from = monotonic();
                    spool.append(vec![b'x'; 600], Weight::Essential).await.expect("appends");
                    spans.push(from.elapsed());
                }
                spans
            });
        }
        let spans = running.join_all().await.concat();
        report(&format!("append, {tasks} at once"), spans, begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, not a test"]
async fn cases_opened_while_the_database_takes_them() {
    let database = TestDatabase::fresh().await;
    let dir = testing::tempdir();
    let store = open(dir.path(), Some(&database.url)).await;
    let begun = monotonic();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let store = store.clone();
        running.spawn(async move {
            let mut spans = Vec::new();
            for _ in 0..100 {
                let from = monotonic();
                let call = CallId::fresh();
                store.open_case(testing::draft(call)).await.expect("opens");
                spans.push(from.elapsed());
            }
            spans
        });
    }
    let spans = running.join_all().await.concat();
    let spooled = begun.elapsed();
    report("open_case, 20 at once", spans, spooled);
    sent(&store).await;
    println!("all in the database {:.1?} after the last was opened", begun.elapsed() - spooled);
    store.shutdown().await;
}
