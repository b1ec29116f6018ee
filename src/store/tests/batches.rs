//! Rated units learn whom a campaign rang once it is over.

use super::survey::{COMPLETE, answer, campaign, claim, ended, number, write};
use crate::ids::CallId;
use crate::store::batches;
use crate::store::campaigns::{self, CampaignState, Sampled};
use crate::store::read_calls::{self, CallFilter};
use crate::store::records::{CallStarted, Record};
use crate::store::testing::{TestDatabase, noon};
use crate::survey::{LINE, Outcome};

#[tokio::test]
async fn a_unit_does_not_see_whom_until_the_batch_closes() {
    let pool = TestDatabase::fresh().await.pool;
    let unit: i64 = sqlx::query_scalar("SELECT min(id) FROM organisations WHERE level = 'village'")
        .fetch_one(&pool)
        .await
        .expect("a village");
    let sampled = |n| Sampled { unit: Some(crate::directory::OrgId(unit)), ..Sampled::new(number(n), None, noon()) };
    let id = campaigns::create(&pool, &campaign((0..6).map(sampled).collect()), noon()).await.expect("a campaign");
    let hotline = CallId::fresh();
    let started = |call, line: &str| {
        Record::CallStarted(CallStarted {
            call,
            line: line.into(),
            caller: None,
            called: "12345".into(),
            sip_call_id: String::new(),
            started_at: noon(),
        })
    };
    write(&pool, started(hotline, "民心热线")).await;
    let claimed = claim(&pool, 9, noon()).await;
    for claimed in &claimed {
        write(&pool, started(claimed.attempt, LINE)).await;
    }
    let seen = async |for_rated| {
        let filter = CallFilter { for_rated, ..CallFilter::default() };
        read_calls::calls(&pool, &filter, 50).await.expect("reads").len()
    };
    let closed = async || batches::closed_for(&pool, unit, 9).await.expect("reads");
    let check = async |seen_by_unit, withheld, closed_now: &[i64]| {
        assert_eq!((seen(true).await, seen(false).await), (seen_by_unit, 7));
        let first = batches::is_withheld(&pool, claimed[0].attempt.0).await.expect("asks");
        let other = batches::is_withheld(&pool, hotline.0).await.expect("asks");
        assert_eq!((first, other), (withheld, false));
        assert_eq!(closed().await, closed_now);
    };
    for claimed in &claimed[..4] {
        write(&pool, answer(claimed, 0, "solved", "yes")).await;
        write(&pool, ended(claimed, COMPLETE, None)).await;
    }
    check(1, true, &[]).await;
    write(&pool, ended(&claimed[4], Outcome::NoAnswer, Some(noon()))).await;
    write(&pool, ended(&claimed[5], Outcome::NoAnswer, None)).await;
    // Stopped, so nobody is rung any more; but only four have answered to the end.
    campaigns::set_state(&pool, id, CampaignState::Stopped, "li", noon()).await.expect("stops");
    check(1, true, &[]).await;
    sqlx::query("UPDATE sample SET disposition = '1.1' WHERE id = $1")
        .bind(claimed[5].sample)
        .execute(&pool)
        .await
        .expect("a fifth");
    check(7, false, &[id]).await;
}
