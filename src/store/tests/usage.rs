//! Trunks' caps outlive the gateway.

use crate::store::testing::{TestDatabase, noon};
use crate::store::usage::{self, TrunkUsage};

#[tokio::test]
async fn what_trunks_were_given_is_read_as_it_was_written() {
    let pool = TestDatabase::fresh().await.pool;
    let used = |trunk: &str, in_hour, in_day| TrunkUsage { trunk: trunk.into(), at: noon(), in_hour, in_day };
    usage::write(&pool, &[used("b", 3, 30), used("a", 1, 10)]).await.expect("writes");
    usage::write(&pool, &[used("a", 2, 11)]).await.expect("writes");
    assert_eq!(usage::read(&pool).await.expect("reads"), [used("a", 2, 11), used("b", 3, 30)]);
}
