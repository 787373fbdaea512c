//! Access tokens of providers: one version after the other, one who refreshes at a time.

use std::time::Duration;

use campanile::store::{Credential, Refresh, Turn};

use super::Store;

super::cases! {
    a_provider_has_no_credential_at_first,
    a_credential_is_kept_until_it_is_replaced,
    two_who_refresh_at_once_fetch_once,
    a_refresher_that_dies_loses_its_turn_after_its_time,
    a_turn_given_back_is_free_at_once,
    providers_do_not_hold_each_other_up,
    a_credential_that_has_run_out_lasts_no_longer,
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(30);

fn refresh(known: i64, by: i64) -> Refresh {
    Refresh { provider: "wechat.main".into(), known, by }
}

async fn kept(store: &Store) -> Option<Credential> {
    store.credentials.credential("wechat.main".into()).await.unwrap()
}

async fn begin(store: &Store, known: i64, by: i64, span: Duration) -> Turn {
    store.credentials.begin_refresh(refresh(known, by), span).await.unwrap()
}

async fn finish(store: &Store, known: i64, by: i64, body: &[u8]) -> Option<i64> {
    store.credentials.finish_refresh(refresh(known, by), body.to_vec(), LONG).await.unwrap()
}

async fn a_provider_has_no_credential_at_first(store: &Store) {
    assert_eq!(kept(store).await, None);
    assert_eq!(finish(store, 0, 1, b"unasked").await, None, "without a turn");
    assert_eq!(begin(store, 0, 1, LONG).await, Turn::Mine);
    assert_eq!(kept(store).await, None, "a turn is no credential");
}

async fn a_credential_is_kept_until_it_is_replaced(store: &Store) {
    for version in 0..3 {
        assert_eq!(begin(store, version, 1, LONG).await, Turn::Mine);
        let body = vec![u8::try_from(version).unwrap(); 700];
        assert_eq!(finish(store, version, 1, &body).await, Some(version + 1));
        let kept = kept(store).await.unwrap();
        assert_eq!((kept.version, kept.body), (version + 1, body));
        assert!(kept.lasts <= LONG && kept.lasts > LONG / 2, "{:?}", kept.lasts);
    }
    assert_eq!(finish(store, 2, 1, b"late").await, None, "the turn is over");
    let Turn::Replaced(newer) = begin(store, 1, 2, LONG).await else { panic!("an old version is replaced already") };
    assert_eq!(newer.version, 3);
}

async fn two_who_refresh_at_once_fetch_once(store: &Store) {
    let asked = futures::future::join_all((1..=20).map(|by| begin(store, 0, by, LONG))).await;
    let mine: Vec<_> = (1..=20).filter(|by| asked[*by as usize - 1] == Turn::Mine).collect();
    assert_eq!(mine.len(), 1, "{asked:?}");
    assert!(asked.iter().all(|turn| match turn {
        Turn::Theirs { left } => *left <= LONG && *left > LONG / 2,
        turn => *turn == Turn::Mine,
    }));
    let others = (1..=20).find(|by| *by != mine[0]).unwrap();
    assert_eq!(finish(store, 0, others, b"somebody else's").await, None);
    assert_eq!(finish(store, 0, mine[0], b"one").await, Some(1));
    assert!(matches!(begin(store, 0, others, LONG).await, Turn::Replaced(one) if one.body == b"one"));
}

async fn a_refresher_that_dies_loses_its_turn_after_its_time(store: &Store) {
    assert_eq!(begin(store, 0, 1, SHORT).await, Turn::Mine);
    let taken = async {
        while begin(store, 0, 2, LONG).await != Turn::Mine {
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    tokio::time::timeout(LONG, taken).await.expect("the turn passes on");
    assert_eq!(finish(store, 0, 1, b"from the dead").await, None);
    assert_eq!(finish(store, 0, 2, b"two").await, Some(1));
}

async fn a_turn_given_back_is_free_at_once(store: &Store) {
    assert_eq!(begin(store, 0, 1, LONG).await, Turn::Mine);
    assert_eq!(begin(store, 0, 1, LONG).await, Turn::Mine, "its holder may ask again");
    store.credentials.end_refresh(refresh(0, 2)).await.unwrap();
    assert!(matches!(begin(store, 0, 2, LONG).await, Turn::Theirs { .. }), "nobody gives another's turn back");
    store.credentials.end_refresh(refresh(0, 1)).await.unwrap();
    assert_eq!(begin(store, 0, 2, LONG).await, Turn::Mine);
}

async fn providers_do_not_hold_each_other_up(store: &Store) {
    assert_eq!(begin(store, 0, 1, LONG).await, Turn::Mine);
    let other = Refresh { provider: "wechat.other".into(), known: 0, by: 2 };
    assert_eq!(store.credentials.begin_refresh(other.clone(), LONG).await.unwrap(), Turn::Mine);
    assert_eq!(store.credentials.finish_refresh(other, b"x".to_vec(), LONG).await.unwrap(), Some(1));
    assert_eq!(kept(store).await, None);
}

async fn a_credential_that_has_run_out_lasts_no_longer(store: &Store) {
    assert_eq!(begin(store, 0, 1, LONG).await, Turn::Mine);
    let brief = store.credentials.finish_refresh(refresh(0, 1), b"x".to_vec(), Duration::ZERO);
    assert_eq!(brief.await.unwrap(), Some(1));
    assert_eq!(kept(store).await.unwrap().lasts, Duration::ZERO);
    assert_eq!(begin(store, 1, 2, LONG).await, Turn::Mine);
    assert!(kept(store).await.is_some(), "the old one is there until the new one is");
}
