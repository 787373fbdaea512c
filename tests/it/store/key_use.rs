//! When and from where keys were used last.

use campanile::domain::id::KeyId;
use campanile::domain::time::At;
use campanile::store::KeyUse;

use super::Store;
use super::fixture::NOW;

super::cases! {
    the_latest_use_of_each_key_is_kept,
}

fn used(key: i64, ms: i64, address: &str) -> KeyUse {
    KeyUse { key: KeyId(key), at: At(NOW.0 + ms), address: address.to_owned() }
}

async fn the_latest_use_of_each_key_is_kept(store: &Store) {
    let of = async |keys: &[i64]| {
        let found = store.key_uses.of(keys.iter().map(|key| KeyId(*key)).collect()).await.unwrap();
        let mut uses: Vec<_> = found.into_iter().map(|(key, one)| (key.0, one.at.0 - NOW.0, one.address)).collect();
        uses.sort_unstable();
        uses
    };
    assert_eq!(of(&[1, 2]).await, []);
    store.key_uses.note(vec![]).await.unwrap();
    store.key_uses.note(vec![used(1, 5, "10.0.0.1"), used(2, 5, ""), used(1, 3, "10.0.0.9")]).await.unwrap();
    assert_eq!(of(&[1, 2, 3]).await, [(1, 5, "10.0.0.1".to_owned()), (2, 5, String::new())]);
    store.key_uses.note(vec![used(1, 4, "10.0.0.8"), used(2, 9, "::1")]).await.unwrap();
    assert_eq!(of(&[1, 2]).await, [(1, 5, "10.0.0.1".to_owned()), (2, 9, "::1".to_owned())]);
    assert_eq!(store.directory.head().await.unwrap(), 0, "no change that anybody would have to follow");
}
