//! The store as a whole, against a real Postgres.

use std::path::Path;
use std::time::Duration;

use sqlx::PgPool;

use super::{DatabaseState, Store, StoreConfig};
use crate::cases::NewCase;
use crate::ids::CallId;

mod approvals;
mod batches;
mod joins;
mod kill;
mod measure;
mod outage;
mod replay;
mod survey;
mod tasks;
mod usage;

/// Longest wait for anything that happens by itself; reached only when it does not happen.
const PATIENCE: Duration = Duration::from_secs(60);

async fn open(data_dir: &Path, url: Option<&str>) -> Store {
    let config = StoreConfig { data_dir: data_dir.to_owned(), url: url.map(str::to_owned) };
    Store::open(config).await.expect("the store opens")
}

/// A whole call of one case: four records.
async fn call_with_case(store: &Store) -> NewCase {
    let call = CallId::fresh();
    store.append(super::testing::started(call)).await.expect("kept");
    let case = store.open_case(super::testing::draft(call)).await.expect("opened");
    store.append(super::testing::events(call)).await.expect("kept");
    store.append(super::testing::ended(call)).await.expect("kept");
    case
}

/// Waits until everything is in the database.
async fn sent(store: &Store) {
    until(|| store.unsent() == 0).await;
}

async fn until(done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it happens in the end");
}

async fn becomes(store: &Store, state: DatabaseState) {
    let mut watch = store.state();
    let wait = watch.wait_for(|now| *now == state);
    tokio::time::timeout(PATIENCE, wait).await.expect("it happens in the end").expect("the uploader runs");
}

async fn count(pool: &PgPool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(pool).await.expect("counts")
}
