//! Questionnaires: no version is asked that one person wrote and nobody else looked at.

use super::survey::{CALLBACK, campaign, number};
use crate::store::approvals::{self, ApprovalError, INSTALLATION};
use crate::store::campaigns::{self, CampaignError, NewCampaign, Sampled};
use crate::store::testing::{TestDatabase, noon};
use crate::survey::Survey;

/// The delivered questionnaire with another title.
fn changed() -> Survey {
    Survey::parse(&CALLBACK.replacen("办结回访", "秋季回访", 1)).unwrap_or_else(|p| panic!("{p:?}"))
}

fn asking(survey: &Survey) -> NewCampaign {
    let sample = vec![Sampled::new(number(1), None, noon())];
    NewCampaign { hash: survey.hash.clone(), body: survey.body.clone(), ..campaign(sample) }
}

#[tokio::test]
async fn a_second_person_signs_before_a_version_is_asked() {
    let pool = TestDatabase::fresh().await.pool;
    let survey = changed();
    let hash = &survey.hash.0;
    let make = async || campaigns::create(&pool, &asking(&survey), noon()).await;
    let refused = make().await.expect_err("nobody approved it");
    assert!(matches!(&refused, CampaignError::NotApproved { survey: name, .. } if name == "callback"), "{refused}");

    assert!(matches!(approvals::approve(&pool, hash, "wang", noon()).await, Err(ApprovalError::Unknown(_))));
    approvals::submit(&pool, &survey, "li", noon()).await.expect("submits");
    let again = approvals::submit(&pool, &survey, "wang", noon()).await;
    assert!(matches!(again, Err(ApprovalError::Twice(_))), "nobody else becomes its author");
    assert!(make().await.is_err(), "it waits");
    let own = approvals::approve(&pool, hash, "li", noon()).await;
    assert!(matches!(own, Err(ApprovalError::Own(author)) if author == "li"));
    assert!(make().await.is_err(), "its author's signature is none");
    approvals::approve(&pool, hash, "wang", noon()).await.expect("approves");
    assert!(matches!(approvals::approve(&pool, hash, "zhao", noon()).await, Err(ApprovalError::Twice(_))));
    make().await.expect("it may be asked");

    let versions = approvals::versions(&pool).await.expect("reads");
    let [version] = &versions[..] else { panic!("{versions:?}") };
    assert_eq!((version.author.as_deref(), version.approved_by.as_deref()), (Some("li"), Some("wang")));
    let trail: Vec<(String, String, String)> =
        sqlx::query_as("SELECT actor, action, reason FROM audit WHERE object = 'survey/callback' ORDER BY seq")
            .fetch_all(&pool)
            .await
            .expect("the trail");
    let row = |actor: &str, action: &str| (actor.to_owned(), action.to_owned(), hash.clone());
    assert_eq!(trail, [row("li", "survey_submit"), row("wang", "survey_approve")]);
    let forged = sqlx::query(
        "INSERT INTO surveys (hash, name, body, author, approved_by, approved_at) VALUES (repeat('0', 64), 'x', '', 'li', 'li', now())",
    );
    assert!(forged.execute(&pool).await.is_err(), "not even past the program");
}

#[tokio::test]
async fn what_is_delivered_is_approved_by_the_installation() {
    let pool = TestDatabase::fresh().await.pool;
    let survey = Survey::parse(CALLBACK).unwrap_or_else(|p| panic!("{p:?}"));
    assert!(matches!(approvals::submit(&pool, &survey, "li", noon()).await, Err(ApprovalError::Twice(_))));
    for _ in 0..2 {
        campaigns::create(&pool, &asking(&survey), noon()).await.expect("it may be asked");
    }
    let versions = approvals::versions(&pool).await.expect("reads");
    let [version] = &versions[..] else { panic!("{versions:?}") };
    assert_eq!((version.author.as_deref(), version.approved_by.as_deref()), (None, Some(INSTALLATION)));
}
