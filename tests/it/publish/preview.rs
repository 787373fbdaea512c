//! The dry run.

use campanile::domain::id::GrantId;
use campanile::domain::refusal::Reason;
use campanile::publish::{Count, Wish};

use super::house::{house, notice};

#[tokio::test]
async fn an_allowed_audience_is_counted_and_read_back_in_words() {
    let house = house().await;
    let draft = notice("", "department:cs AND tag:rare");
    let preview = house.publisher.preview(&house.library().await, draft, Wish::default()).await.unwrap();
    assert_eq!((preview.allowed, preview.grant_id), (true, Some(GrantId(1))));
    assert_eq!(preview.recipient_count, Count::Exactly(2));
    assert_eq!(preview.in_words, "members of Department of cs and all below it who are also those tagged rare");
    let clauses: Vec<_> = preview.clauses.iter().map(|one| (one.clause.as_str(), one.count)).collect();
    assert_eq!(clauses, [("department:cs", Count::Exactly(30)), ("tag:rare", Count::Exactly(2))]);
    assert_eq!((preview.departments.len(), &*preview.departments[0].department_id), (1, "cs"));
    assert_eq!(preview.channels[0].reachable, 2);
    assert_eq!(house.stored().await, 0);
}

#[tokio::test]
async fn few_people_outside_the_grant_are_not_counted_out() {
    let house = house().await;
    let library = house.library().await;
    let few = house.publisher.preview(&library, notice("", "user:u31 OR user:u32"), Wish::default()).await.unwrap();
    assert_eq!(few.refusal.unwrap().reason, Reason::AudienceOutsideGrant);
    assert_eq!((few.allowed, few.recipient_count, few.outside), (false, Count::BelowFive, Count::BelowFive));
    assert!(few.departments.is_empty() && few.channels.is_empty());
    let many = house.publisher.preview(&library, notice("", "department:xjtu"), Wish::default()).await.unwrap();
    assert_eq!((many.recipient_count, many.outside), (Count::Exactly(40), Count::Exactly(10)));
}
