//! Requests for grants.

use campanile::domain::access::{Grant, Principal};
use campanile::domain::change::ChangeKind;
use campanile::domain::channel::Channel;
use campanile::domain::id::{GrantId, RequestId};
use campanile::domain::request::{Request, RequestDecision, RequestState, RequestVote};
use campanile::domain::time::At;
use campanile::store::{Decided, RequestFilter};

use super::Store;
use super::fixture::NOW;

super::cases! {
    a_request_reads_back_and_is_listed_newest_first,
    of_two_decisions_on_the_same_version_one_counts,
    the_grant_is_made_with_the_decision_or_not_at_all,
    what_nobody_decides_lapses_in_time_and_once,
}

fn request(id: i64, requester: u32) -> Request {
    let holder = Principal::Person(requester);
    Request {
        id: RequestId(id),
        requester,
        wanted: Grant {
            department_ids: vec![2],
            channels: vec![Channel::Email],
            expire_at: Some(At(NOW.0 + 9)),
            ..Grant::new(GrantId(id), holder, holder, NOW)
        },
        home: 2,
        why: "给本系学生发通知".into(),
        state: RequestState::Open,
        due_at: At(NOW.0 + id),
        votes: Vec::new(),
        grant_id: None,
        version: 1,
    }
}

fn decided(id: i64, version: i64, decision: RequestDecision) -> Decided {
    let vote = RequestVote { ordinal: 30, decision, comment: "好".into(), at: NOW };
    Decided { id: RequestId(id), version, state: decision.leads_to(), vote, grant: None }
}

async fn a_request_reads_back_and_is_listed_newest_first(store: &Store) {
    for (id, requester) in [(1, 20), (2, 21), (3, 20)] {
        store.requests.make(request(id, requester)).await.unwrap();
    }
    assert_eq!(store.requests.request(RequestId(2)).await.unwrap(), Some(request(2, 21)));
    assert_eq!(store.requests.request(RequestId(4)).await.unwrap(), None);
    let list = async |filter, before, limit| {
        let found = store.requests.list(filter, before, limit).await.unwrap();
        found.into_iter().map(|one| one.id.0).collect::<Vec<_>>()
    };
    assert_eq!(list(RequestFilter::default(), None, 2).await, [3, 2]);
    assert_eq!(list(RequestFilter::default(), Some(RequestId(2)), 9).await, [1]);
    assert_eq!(list(RequestFilter { requester: Some(20), state: None }, None, 9).await, [3, 1]);
    assert!(store.requests.decide(decided(3, 1, RequestDecision::Refuse)).await.unwrap());
    let open = RequestFilter { requester: Some(20), state: Some(RequestState::Open) };
    assert_eq!(list(open, None, 9).await, [1]);
}

async fn of_two_decisions_on_the_same_version_one_counts(store: &Store) {
    store.requests.make(request(1, 20)).await.unwrap();
    assert!(store.requests.decide(decided(1, 1, RequestDecision::Agree)).await.unwrap());
    assert!(!store.requests.decide(decided(1, 1, RequestDecision::Refuse)).await.unwrap());
    assert!(store.requests.decide(decided(1, 2, RequestDecision::SendBack)).await.unwrap());
    assert!(!store.requests.decide(decided(1, 3, RequestDecision::Agree)).await.unwrap(), "it is not open");
    assert!(!store.requests.decide(decided(7, 1, RequestDecision::Agree)).await.unwrap(), "there is none");
    let found = store.requests.request(RequestId(1)).await.unwrap().unwrap();
    let votes: Vec<_> = found.votes.iter().map(|vote| vote.decision).collect();
    assert_eq!(votes, [RequestDecision::Agree, RequestDecision::SendBack]);
    assert_eq!((found.state, found.version, found.is_agreed()), (RequestState::SentBack, 3, true));
}

async fn the_grant_is_made_with_the_decision_or_not_at_all(store: &Store) {
    store.requests.make(request(1, 20)).await.unwrap();
    let holder = Principal::Person(20);
    let grant = Grant {
        ceiling: Some(vec![2]),
        while_in: Some(2),
        ..Grant::new(GrantId(50), holder, Principal::Person(30), NOW)
    };
    let granted = |version| Decided { grant: Some(grant.clone()), ..decided(1, version, RequestDecision::Grant) };
    assert!(!store.requests.decide(granted(2)).await.unwrap());
    assert_eq!(store.access.grant(GrantId(50)).await.unwrap(), None);
    assert_eq!(store.directory.head().await.unwrap(), 0);
    assert!(store.requests.decide(granted(1)).await.unwrap());
    assert_eq!(store.access.grant(GrantId(50)).await.unwrap(), Some(grant.clone()));
    let found = store.requests.request(RequestId(1)).await.unwrap().unwrap();
    assert_eq!((found.state, found.grant_id), (RequestState::Granted, Some(GrantId(50))));
    let changes = store.directory.changes_after(0, 9).await.unwrap();
    assert_eq!(changes.into_iter().map(|one| one.what).collect::<Vec<_>>(), [ChangeKind::Grant { id: GrantId(50) }]);
}

async fn what_nobody_decides_lapses_in_time_and_once(store: &Store) {
    for id in 1..=4 {
        store.requests.make(request(id, 20)).await.unwrap();
    }
    store.requests.decide(decided(1, 1, RequestDecision::Refuse)).await.unwrap();
    let lapsed = store.requests.lapse(At(NOW.0 + 3), 1).await.unwrap();
    assert_eq!(lapsed, [RequestId(2)]);
    assert_eq!(store.requests.lapse(At(NOW.0 + 3), 9).await.unwrap(), [RequestId(3)]);
    assert_eq!(store.requests.lapse(At(NOW.0 + 3), 9).await.unwrap(), []);
    assert_eq!(store.requests.request(RequestId(3)).await.unwrap().unwrap().state, RequestState::Lapsed);
    assert!(!store.requests.decide(decided(3, 1, RequestDecision::Agree)).await.unwrap());
}
