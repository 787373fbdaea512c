//! People in detail: further ids, addresses that may not be used, versions, and what is left of an erased person.

use campanile::domain::access::{Grant, Key, Principal};
use campanile::domain::address::{AddressDraft, AddressState};
use campanile::domain::change::ChangeKind;
use campanile::domain::channel::Channel;
use campanile::domain::content::Content;
use campanile::domain::directory::{ADMINISTRATOR_ID, SIMULATED, UserDraft};
use campanile::domain::id::{GrantId, KeyId};
use campanile::domain::outcome::{Outcome, Reason as Why};
use campanile::domain::refusal::Reason;
use campanile::domain::set::Set;
use campanile::domain::tag::{TagKind, unreachable};
use campanile::domain::time::At;
use campanile::store::UserFilter;

use super::Store;
use super::fixture::{NOW, campus, mailbox, nth, person, refused, set};
use super::publishing::{EPOCH, accept, claim, counts, grant, id, key, office, publish, settle, whole};

super::cases! {
    a_person_is_found_by_every_one_of_her_ids,
    an_id_is_one_persons_and_who_takes_anothers_is_refused_alone,
    what_one_gives_up_another_may_take_in_the_same_write,
    an_address_that_may_not_be_used_reaches_nobody,
    a_row_that_says_nothing_of_an_address_leaves_it_as_it_is,
    a_version_guards_a_user,
    an_erased_person_leaves_a_number_behind,
    what_is_on_its_way_to_an_erased_person_still_balances,
    the_services_own_users_are_not_erased,
}

fn called(external_id: &str, aliases: &[&str]) -> UserDraft {
    UserDraft { alias_ids: aliases.iter().map(|id| (*id).to_owned()).collect(), ..person(external_id, "cs") }
}

async fn sets_of(store: &Store, kind: TagKind) -> Vec<(String, Set)> {
    let tags = store.directory.load().await.unwrap().tags;
    let mut sets: Vec<_> = tags.into_iter().filter(|(tag, members)| tag.kind == kind && !members.is_empty()).collect();
    sets.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    sets.into_iter().map(|(tag, members)| (tag.name, members)).collect()
}

async fn a_person_is_found_by_every_one_of_her_ids(store: &Store) {
    campus(store, 1).await;
    let directory = &store.directory;
    let written = directory.upsert_users(vec![called("s1", &["b", "a", "a", "s1"])], NOW).await.unwrap();
    assert_eq!((written.created, written.errors.len()), (1, 0));
    let user = directory.user("s1").await.unwrap().unwrap();
    assert_eq!(user.alias_ids, ["a", "b"]);
    assert_eq!(directory.user("a").await.unwrap(), Some(user.clone()));
    let found = directory.list_users(UserFilter { query: Some("b".into()), ..UserFilter::default() }, None, 9).await;
    assert_eq!(found.unwrap(), [user]);
    assert_eq!(directory.load().await.unwrap().aliases, [(nth(2), vec!["a".to_owned(), "b".to_owned()])]);
    let changes = directory.changes_after(0, 999).await.unwrap();
    let renamed = changes.iter().filter(|one| matches!(one.what, ChangeKind::Aliases(_))).count();
    assert_eq!(renamed, 1);

    // A row by a further id is about the same person: her own id stays, and so does the one she was called by.
    let by_alias = UserDraft { name: "New".into(), ..called("a", &[]) };
    let written = directory.upsert_users(vec![by_alias], NOW).await.unwrap();
    assert_eq!((written.created, written.updated), (0, 1));
    let user = directory.user("s1").await.unwrap().unwrap();
    assert_eq!((user.name.as_str(), user.alias_ids.as_slice()), ("New", &["a".to_owned()][..]));
    assert_eq!(directory.user("b").await.unwrap(), None);
}

async fn an_id_is_one_persons_and_who_takes_anothers_is_refused_alone(store: &Store) {
    campus(store, 2).await;
    let rows = vec![
        called("s1", &["u1"]),
        called("s2", &["x"]),
        called("s3", &["x"]),
        called("u2", &[ADMINISTRATOR_ID]),
        called("s4", &[SIMULATED[0].1]),
    ];
    let written = store.directory.upsert_users(rows, NOW).await.unwrap();
    let errors: Vec<_> = written.errors.iter().map(|e| (e.row, e.refusal.reason, e.refusal.field.as_deref())).collect();
    let taken = |row| (row, Reason::IdTaken, Some("user.alias_ids"));
    assert_eq!((errors, written.created), (vec![taken(0), taken(2), taken(3), taken(4)], 1));
    assert!(written.errors.iter().all(|one| !one.refusal.message.contains("s2")), "not whose it is");
    assert_eq!(store.directory.user("x").await.unwrap().unwrap().external_id, "s2");
}

async fn what_one_gives_up_another_may_take_in_the_same_write(store: &Store) {
    campus(store, 0).await;
    let directory = &store.directory;
    directory.upsert_users(vec![called("s1", &["x", "y"]), called("s2", &[])], NOW).await.unwrap();
    let rows = vec![called("s1", &[]), called("s2", &["x"]), called("y", &[]), called("s1", &["z"])];
    let written = directory.upsert_users(rows, NOW).await.unwrap();
    assert_eq!((written.created, written.errors.len()), (1, 0));
    for (id, owner) in [("x", "s2"), ("y", "y"), ("z", "s1")] {
        assert_eq!(directory.user(id).await.unwrap().unwrap().external_id, owner, "{id}");
    }
}

async fn an_address_that_may_not_be_used_reaches_nobody(store: &Store) {
    campus(store, 0).await;
    let at = |state| AddressDraft { state: Some(state), ..mailbox(&format!("{}@x.cn", state as u8)) };
    let having = |id: &str, states: &[AddressState]| UserDraft {
        addresses: states.iter().map(|state| at(*state)).collect(),
        ..person(id, "cs")
    };
    use AddressState::{Dead, Invalid, Unverified, Usable};
    let rows = vec![
        having("u1", &[Dead, Usable, Unverified]),
        having("u2", &[Dead, Unverified]),
        having("u3", &[Dead]),
        having("u4", &[Invalid, Dead]),
        having("u5", &[]),
    ];
    store.directory.upsert_users(rows, NOW).await.unwrap();
    assert_eq!(sets_of(store, TagKind::Reachable).await, [("email".to_owned(), set([1]))]);
    let name = |why| unreachable(why, Channel::Email);
    let expected = [
        (name(Why::AddressDead), set([3])),
        (name(Why::AddressInvalid), set([4])),
        (name(Why::AddressUnverified), set([2])),
    ];
    assert_eq!(sets_of(store, TagKind::Unreachable).await, expected);
    let found = store.deliveries.reach(Channel::Email, (1..=5).map(nth).collect()).await.unwrap();
    let states: Vec<_> = found.into_iter().map(|one| one.address.map(|(_, state)| state)).collect();
    assert_eq!(states, [Some(Usable), Some(Unverified), Some(Dead), Some(Invalid), None]);

    store.directory.upsert_users(vec![having("u3", &[Usable])], NOW).await.unwrap();
    assert_eq!(sets_of(store, TagKind::Reachable).await, [("email".to_owned(), set([1, 3]))]);
}

async fn a_row_that_says_nothing_of_an_address_leaves_it_as_it_is(store: &Store) {
    campus(store, 0).await;
    let directory = &store.directory;
    let with = |address: AddressDraft| UserDraft { addresses: vec![address], ..person("u1", "cs") };
    let kept = async || directory.user("u1").await.unwrap().unwrap().addresses.remove(0);
    let dead = AddressDraft { state: Some(AddressState::Dead), verified_at: Some(At(5)), ..mailbox("a@x.cn") };
    directory.upsert_users(vec![with(dead)], NOW).await.unwrap();
    let written = directory.upsert_users(vec![with(mailbox("a@x.cn"))], NOW).await.unwrap();
    assert_eq!((written.unchanged, kept().await.state, kept().await.verified_at), (1, AddressState::Dead, Some(At(5))));
    let usable = AddressDraft { state: Some(AddressState::Usable), ..mailbox("a@x.cn") };
    let twice = UserDraft { addresses: vec![usable.clone(), usable], ..person("u1", "cs") };
    assert_eq!(directory.upsert_users(vec![twice], NOW).await.unwrap().updated, 1);
    assert_eq!((kept().await.state, kept().await.verified_at), (AddressState::Usable, Some(At(5))));
    directory.upsert_users(vec![with(mailbox("b@x.cn"))], NOW).await.unwrap();
    assert_eq!((kept().await.state, kept().await.verified_at), (AddressState::Usable, None), "another address");
}

async fn a_version_guards_a_user(store: &Store) {
    campus(store, 1).await;
    let directory = &store.directory;
    let version = directory.user("u1").await.unwrap().unwrap().version;
    let row = |name: &str, version| UserDraft { name: name.into(), version, ..person("u1", "cs") };
    let rows = vec![row("A", Some(version)), row("B", Some(version)), row("C", Some(version + 1))];
    let written = directory.upsert_users(rows, NOW).await.unwrap();
    let errors: Vec<_> = written.errors.iter().map(|e| (e.row, e.refusal.reason)).collect();
    assert_eq!((errors, written.updated), (vec![(1, Reason::EtagMismatch)], 2));
    assert_eq!(directory.user("u1").await.unwrap().unwrap().name, "C");
    let new = UserDraft { version: Some(1), ..person("new", "cs") };
    assert_eq!(directory.upsert_users(vec![new], NOW).await.unwrap().errors.len(), 1);
}

async fn an_erased_person_leaves_a_number_behind(store: &Store) {
    office(store, 3).await;
    let directory = &store.directory;
    let her = UserDraft { addresses: vec![mailbox("a@x.cn")], tags: vec!["t".into()], ..called("u2", &["old"]) };
    directory.upsert_users(vec![her], NOW).await.unwrap();
    let holder = Principal::Person(nth(2));
    store.access.create_key(Key { principal: holder, hash: [9; 32], title: "hers".into(), ..key(9) }).await.unwrap();
    store.access.create_grant(Grant { principal: holder, ..grant(9) }).await.unwrap();
    let mut alone = publish(store, 1, set([2]), &[Channel::App]).await;
    alone.facts.reference = Some("case 7".into());
    alone.facts.labels.insert("who".into(), "u2".into());
    accept(store, alone).await;
    accept(store, publish(store, 2, set([1, 2]), &[Channel::App]).await).await;

    let before = directory.head().await.unwrap();
    let counted = store.erasures.erase("old", true, NOW).await.unwrap();
    let seen = (counted.ordinal, counted.addresses, counted.messages, counted.tags, counted.rights, counted.seq);
    assert_eq!(seen, (nth(2), 1, 1, 1, 2, 0));
    assert_eq!(directory.head().await.unwrap(), before, "only counted");
    assert!(directory.user("u2").await.unwrap().is_some());

    let erased = store.erasures.erase("u2", false, At(NOW.0 + 1)).await.unwrap();
    assert_eq!((erased.seq, directory.head().await.unwrap() > before), (directory.head().await.unwrap(), true));
    assert!(directory.user("u2").await.unwrap().is_none() && directory.user("old").await.unwrap().is_none());
    assert!(directory.users(vec![nth(2)]).await.unwrap().is_empty());
    let image = directory.load().await.unwrap();
    assert!(image.aliases.is_empty() && !image.users.iter().any(|(ordinal, _)| *ordinal == nth(2)));
    assert!(image.tags.iter().all(|(_, members)| !members.contains(nth(2))), "in no set");
    let changes = directory.changes_after(before, 99).await.unwrap();
    assert!(changes.iter().any(|one| one.what == ChangeKind::Users(vec![(nth(2), String::new())])));
    assert!(changes.iter().any(|one| one.what == ChangeKind::Aliases(vec![(nth(2), vec![])])));
    assert!(changes.iter().any(|one| one.what == ChangeKind::Key { id: KeyId(9) }));
    assert!(changes.iter().any(|one| one.what == ChangeKind::Grant { id: GrantId(9) }));
    let hers = store.access.key(KeyId(9)).await.unwrap().unwrap();
    assert_eq!((hers.revoked_at, hers.title.as_str(), hers.version), (Some(At(NOW.0 + 1)), "", 2));
    assert!(store.access.grant(GrantId(9)).await.unwrap().unwrap().revoked_at.is_some());
    let reach = store.deliveries.reach(Channel::Email, vec![nth(2)]).await.unwrap().remove(0);
    assert!(reach.erased && reach.address.is_none());

    let alone = store.messages.message(id(1)).await.unwrap().unwrap();
    assert_eq!((alone.content.as_ref(), alone.facts.reference.as_deref()), (&Content::default(), None));
    assert!(alone.facts.labels.is_empty() && alone.facts.audience_text.is_empty());
    assert_eq!(store.messages.message(id(2)).await.unwrap().unwrap().content.title, "Notice 2", "others have it too");
    assert!(store.messages.members(id(2)).await.unwrap().contains(nth(2)), "a number in a finished set");
    assert!(store.inbox.personal(nth(2), None, 9).await.unwrap().is_empty());
    assert_eq!(refused(store.erasures.erase("u2", false, NOW).await), Reason::NotFound);

    let again = directory.upsert_users(vec![person("u2", "cs")], NOW).await.unwrap();
    assert_eq!(again.created, 1);
    assert_eq!(directory.user("u2").await.unwrap().unwrap().ordinal, nth(4), "somebody new");
}

async fn what_is_on_its_way_to_an_erased_person_still_balances(store: &Store) {
    office(store, 2).await;
    accept(store, publish(store, 1, set([1]), &[Channel::Email]).await).await;
    accept(store, publish(store, 2, set([1, 2]), &[Channel::Email]).await).await;
    store.erasures.erase("u1", false, NOW).await.unwrap();
    for claimed in claim(store, NOW, 9, EPOCH).await {
        assert!(settle(store, whole(&claimed, Outcome::Suppressed)).await);
    }
    let suppressed = |n| Outcome::ALL.map(|outcome| if outcome == Outcome::Suppressed { n } else { 0 });
    assert_eq!((counts(store, 1, 1).await, counts(store, 2, 1).await), (suppressed(1), suppressed(2)));
}

async fn the_services_own_users_are_not_erased(store: &Store) {
    for id in [ADMINISTRATOR_ID, SIMULATED[0].1] {
        assert_eq!(refused(store.erasures.erase(id, false, NOW).await), Reason::UserIsOwn);
    }
    assert_eq!(refused(store.erasures.erase("nobody\0", true, NOW).await), Reason::NotFound);
    assert!(store.directory.user(ADMINISTRATOR_ID).await.unwrap().is_some());
}
