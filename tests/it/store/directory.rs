//! Departments, users, tags and the feed.

use std::cell::Cell;
use std::collections::BTreeMap;

use campanile::domain::change::ChangeKind;
use campanile::domain::channel::Channel;
use campanile::domain::directory::{
    ADMINISTRATOR, ADMINISTRATOR_ID, AddressDraft, FIRST_ORDINAL, SIMULATED, Tag, TagKind, UserDraft, UserKind,
    UserStatus,
};
use campanile::domain::id::GrantId;
use campanile::domain::refusal::Reason;
use campanile::domain::set::Set;
use campanile::store::{DirectoryImage, TagDraft, UserFilter};
use futures::future::join_all;

use super::Store;
use super::fixture::{NOW, campus, department, mailbox, nth, person, refused, set};

super::cases! {
    a_fresh_store_holds_only_users_of_its_own,
    departments_form_a_tree_and_keep_their_ids,
    a_department_is_refused_under_itself_or_under_nobody_known,
    users_read_back_as_they_were_written,
    ordinals_ascend_in_the_order_of_the_rows,
    an_unchanged_row_writes_nothing,
    a_bad_row_is_refused_alone,
    two_rows_of_one_user_leave_the_last,
    the_sets_follow_the_users,
    groups_and_people_who_left_are_not_everyone,
    users_are_listed_by_pages_and_filters,
    a_tag_keeps_its_kind,
    what_is_said_of_a_tag_reads_back_and_versions_guard_it,
    a_static_tag_is_edited_by_differences,
    a_deleted_tag_takes_its_members_along,
    the_feed_rebuilds_the_image,
    writers_at_once_leave_no_gap_in_the_feed,
    ids_of_deleted_tags_are_not_used_again,
    sets_span_segments,
}

fn tag_draft(name: &str, kind: TagKind) -> TagDraft {
    let rule = (kind == TagKind::Rule).then(|| "grade:2021".to_owned());
    let (title, department) = (format!("Title of {name}"), Some("cs".into()));
    TagDraft { title, rule, department, ..TagDraft::new(name, kind) }
}

fn student(external_id: &str, tags: &[&str]) -> UserDraft {
    UserDraft { tags: tags.iter().map(|&tag| tag.into()).collect(), ..person(external_id, "cs") }
}

async fn members(store: &Store, kind: TagKind, name: &str) -> Set {
    let image = store.directory.load().await.unwrap();
    let found = image.tags.into_iter().find(|(tag, _)| tag.kind == kind && tag.name == name);
    found.map(|(_, set)| set).unwrap_or_default()
}

async fn a_fresh_store_holds_only_users_of_its_own(store: &Store) {
    let image = store.directory.load().await.unwrap();
    assert_eq!((image.seq, store.directory.head().await.unwrap()), (0, 0));
    let own = std::iter::once((ADMINISTRATOR, ADMINISTRATOR_ID)).chain(SIMULATED);
    assert_eq!(image.users, own.clone().map(|(ordinal, id)| (ordinal, id.to_owned())).collect::<Vec<_>>());
    let administrator = store.directory.user(ADMINISTRATOR_ID).await.unwrap().unwrap();
    assert_eq!((administrator.ordinal, administrator.kind), (0, UserKind::Group));
    let rows: Vec<_> = own.map(|(_, id)| person(id, "cs")).collect();
    let n = rows.len();
    let written = store.directory.upsert_users(rows, NOW).await.unwrap();
    assert_eq!(written.errors.iter().filter(|error| error.refusal.reason == Reason::IdTaken).count(), n);
    assert!(store.directory.list_users(UserFilter::default(), None, 9).await.unwrap().is_empty());
}

async fn departments_form_a_tree_and_keep_their_ids(store: &Store) {
    let directory = &store.directory;
    campus(store, 0).await;
    let before = directory.load().await.unwrap();
    let [school, cs] = &before.departments[..] else { panic!("{:?}", before.departments) };
    assert_eq!((school.parent_id, cs.parent_id), (None, Some(school.id)));
    assert!(
        before
            .tags
            .iter()
            .any(|(tag, _)| tag.kind == TagKind::Department && tag.name == "cs" && tag.department_id == Some(cs.id))
    );

    let mut moved = department("cs", None);
    moved.name = "Computing".into();
    let seq = directory.upsert_departments(vec![moved.clone()], NOW).await.unwrap();
    assert_eq!(seq, before.seq + 1);
    let changes = directory.changes_after(before.seq, 10).await.unwrap();
    assert!(matches!(&changes[0].what, ChangeKind::Department(d) if d.id == cs.id && d.parent_id.is_none()));
    assert_eq!(directory.upsert_departments(vec![moved], NOW).await.unwrap(), seq, "unchanged");
}

async fn a_department_is_refused_under_itself_or_under_nobody_known(store: &Store) {
    let directory = &store.directory;
    campus(store, 0).await;
    let seq = directory.head().await.unwrap();
    let rows = vec![department("new", None), department("xjtu", Some("cs"))];
    assert_eq!(refused(directory.upsert_departments(rows, NOW).await), Reason::DepartmentCycle);
    let rows = vec![department("xjtu", Some("xjtu"))];
    assert_eq!(refused(directory.upsert_departments(rows, NOW).await), Reason::DepartmentCycle);
    let rows = vec![department("new", None), department("other", Some("nowhere"))];
    assert_eq!(refused(directory.upsert_departments(rows, NOW).await), Reason::UnknownDepartment);
    let image = directory.load().await.unwrap();
    assert_eq!((image.seq, image.departments.len()), (seq, 2), "all or nothing");
}

async fn users_read_back_as_they_were_written(store: &Store) {
    campus(store, 0).await;
    let mut draft = student("3121151001", &["role:student", "grade:2021", "grade:2021"]);
    draft.departments = vec!["xjtu".into()];
    draft.addresses = vec![
        AddressDraft::new(Channel::Wechat, "3121151001"),
        mailbox("b@stu.example.edu"),
        mailbox("a@stu.example.edu"),
    ];
    let written = store.directory.upsert_users(vec![draft.clone()], NOW).await.unwrap();
    assert_eq!((written.created, written.errors.len()), (1, 0));
    let user = store.directory.user("3121151001").await.unwrap().unwrap();
    assert_eq!((user.ordinal, user.version, user.name.as_str()), (nth(1), 1, draft.name.as_str()));
    assert_eq!((user.kind, user.status, user.locale.as_str()), (UserKind::Person, UserStatus::Active, "zh-CN"));
    assert_eq!(user.primary_department.as_deref(), Some("cs"));
    assert_eq!(user.departments, ["cs", "xjtu"], "the primary one is among them");
    assert_eq!(user.tags, ["grade:2021", "role:student"]);
    let mut addresses = user.addresses.clone();
    addresses.sort_by_key(|address| (address.channel, address.value.clone()));
    assert_eq!(addresses[0], mailbox("a@stu.example.edu").over(None));
    assert_eq!(addresses.len(), 3);
    assert_eq!(store.directory.users(vec![nth(9), nth(1)]).await.unwrap(), vec![user]);
    assert_eq!(store.directory.user("nobody").await.unwrap(), None);
}

async fn ordinals_ascend_in_the_order_of_the_rows(store: &Store) {
    campus(store, 3).await;
    let written = store.directory.upsert_users(vec![person("z", "cs"), person("u2", "cs"), person("a", "cs")], NOW);
    assert_eq!(written.await.unwrap().created, 2);
    let users = store.directory.load().await.unwrap().users;
    let written = users.iter().filter(|(ordinal, _)| *ordinal >= FIRST_ORDINAL);
    let names: Vec<_> = written.map(|(ordinal, id)| (*ordinal + 1 - FIRST_ORDINAL, id.as_str())).collect();
    assert_eq!(names, [(1, "u1"), (2, "u2"), (3, "u3"), (4, "z"), (5, "a")]);
}

async fn an_unchanged_row_writes_nothing(store: &Store) {
    campus(store, 0).await;
    let mut draft = student("u1", &["b", "a"]);
    draft.addresses = vec![mailbox("b@x.cn"), mailbox("a@x.cn")];
    let first = store.directory.upsert_users(vec![draft.clone()], NOW).await.unwrap();
    draft.addresses.reverse();
    draft.tags.reverse();
    draft.departments = vec!["cs".into()];
    let second = store.directory.upsert_users(vec![draft], NOW).await.unwrap();
    assert_eq!((second.unchanged, second.updated, second.seq), (1, 0, first.seq));
    assert_eq!(store.directory.user("u1").await.unwrap().unwrap().version, 1);
}

async fn a_bad_row_is_refused_alone(store: &Store) {
    campus(store, 0).await;
    store.directory.upsert_tag(tag_draft("rule", TagKind::Rule), NOW).await.unwrap();
    let group = UserDraft { kind: UserKind::Group, ..student("g", &["a"]) };
    let rows = vec![student("bad", &["fresh"]), student("good", &[]), group, student("ruled", &["rule"])];
    let mut rows = rows;
    rows[0].departments = vec!["nowhere".into()];
    let written = store.directory.upsert_users(rows, NOW).await.unwrap();
    assert_eq!(written.created, 1);
    let errors: Vec<_> = written.errors.iter().map(|e| (e.row, e.refusal.reason, e.refusal.field.as_deref())).collect();
    assert_eq!(
        errors,
        [
            (0, Reason::UnknownDepartment, Some("user.department_ids")),
            (2, Reason::FieldInvalid, Some("user.tags")),
            (3, Reason::FieldInvalid, Some("user.tags")),
        ]
    );
    let image = store.directory.load().await.unwrap();
    assert!(image.users.iter().any(|(_, id)| id == "good") && !image.users.iter().any(|(_, id)| id == "bad"));
    assert!(!image.tags.iter().any(|(tag, _)| tag.name == "fresh"), "a refused row creates no tag");
}

async fn two_rows_of_one_user_leave_the_last(store: &Store) {
    campus(store, 0).await;
    let written = store.directory.upsert_users(vec![student("u1", &["a", "b"]), student("u1", &["b", "c"])], NOW);
    let written = written.await.unwrap();
    assert_eq!((written.created, written.updated), (1, 1));
    assert_eq!(store.directory.user("u1").await.unwrap().unwrap().tags, ["b", "c"]);
    for (tag, expected) in [("a", set([])), ("b", set([1])), ("c", set([1]))] {
        assert_eq!(members(store, TagKind::Static, tag).await, expected, "{tag}");
    }
}

async fn the_sets_follow_the_users(store: &Store) {
    campus(store, 0).await;
    let mut draft = student("u1", &["grade:2021"]);
    draft.addresses = vec![mailbox("a@x.cn")];
    store.directory.upsert_users(vec![draft.clone(), student("u2", &["grade:2021"])], NOW).await.unwrap();
    assert_eq!(members(store, TagKind::Static, "grade:2021").await, set([1, 2]));
    assert_eq!(members(store, TagKind::Department, "cs").await, set([1, 2]));
    assert_eq!(members(store, TagKind::Department, "xjtu").await, set([]), "only direct members");
    assert_eq!(members(store, TagKind::Reachable, "email").await, set([1]));
    assert_eq!(members(store, TagKind::Everyone, "").await, set([1, 2]));

    draft.addresses = vec![AddressDraft::new(Channel::Wechat, "u1")];
    draft.tags = vec!["grade:2022".into()];
    draft.primary_department = Some("xjtu".into());
    store.directory.upsert_users(vec![draft], NOW).await.unwrap();
    assert_eq!(members(store, TagKind::Static, "grade:2021").await, set([2]));
    assert_eq!(members(store, TagKind::Static, "grade:2022").await, set([1]));
    assert_eq!(members(store, TagKind::Department, "cs").await, set([2]));
    assert_eq!(members(store, TagKind::Department, "xjtu").await, set([1]));
    assert_eq!(members(store, TagKind::Reachable, "email").await, set([]));
    assert_eq!(members(store, TagKind::Reachable, "wechat").await, set([1]));
    let user = store.directory.user("u1").await.unwrap().unwrap();
    assert_eq!((user.version, user.departments), (2, vec!["xjtu".to_owned()]));
}

async fn groups_and_people_who_left_are_not_everyone(store: &Store) {
    campus(store, 0).await;
    let mut group = UserDraft { kind: UserKind::Group, ..person("group", "cs") };
    group.addresses = vec![mailbox("all@x.cn")];
    let leave = UserDraft { status: UserStatus::OnLeave, ..student("leave", &["t"]) };
    let left = UserDraft { status: UserStatus::Left, ..student("left", &["t"]) };
    store.directory.upsert_users(vec![group.clone(), leave, left.clone()], NOW).await.unwrap();
    assert_eq!(members(store, TagKind::Everyone, "").await, set([2]));
    assert_eq!(members(store, TagKind::Department, "cs").await, set([2, 3]));
    assert_eq!(members(store, TagKind::Static, "t").await, set([2, 3]));
    assert_eq!(members(store, TagKind::Reachable, "email").await, set([1]));
    assert_eq!(store.directory.user("group").await.unwrap().unwrap().departments, ["cs"]);
    let edit = store.directory.edit_tag("t", set([1]), set([]), NOW).await;
    assert_eq!(refused(edit), Reason::FieldInvalid);

    group.kind = UserKind::Person;
    let back = UserDraft { status: UserStatus::Active, ..left };
    store.directory.upsert_users(vec![group, back], NOW).await.unwrap();
    assert_eq!(members(store, TagKind::Everyone, "").await, set([1, 2, 3]));
    assert_eq!(members(store, TagKind::Department, "cs").await, set([1, 2, 3]));
}

async fn users_are_listed_by_pages_and_filters(store: &Store) {
    campus(store, 12).await;
    let list = async |filter: UserFilter, after: Option<u32>, limit| {
        let users = store.directory.list_users(filter, after.map(nth), limit).await.unwrap();
        users.into_iter().map(|user| user.ordinal + 1 - FIRST_ORDINAL).collect::<Vec<_>>()
    };
    let everybody = UserFilter::default();
    assert_eq!(list(everybody.clone(), Some(0), 3).await, [1, 2, 3]);
    assert_eq!(list(everybody.clone(), Some(10), 3).await, [11, 12]);
    assert!(store.directory.list_users(everybody, Some(u32::MAX), 3).await.unwrap().is_empty());
    let query = |text: &str| UserFilter { query: Some(text.into()), ..UserFilter::default() };
    assert_eq!(list(query("u1"), None, 9).await, [1, 10, 11, 12], "start of the id");
    assert_eq!(list(query("name OF u3"), None, 9).await, [3], "part of the name");
    assert_eq!(list(query("%"), None, 9).await, [0; 0], "no pattern language");
    let among = UserFilter { among: Some(set([2, 10, 11, 99])), query: Some("u1".into()) };
    assert_eq!(list(among.clone(), None, 1).await, [10]);
    assert_eq!(list(among, Some(10), 9).await, [11]);
}

async fn a_tag_keeps_its_kind(store: &Store) {
    let directory = &store.directory;
    campus(store, 1).await;
    let (tag, seq) = directory.upsert_tag(tag_draft("freshman", TagKind::Rule), NOW).await.unwrap();
    assert_eq!((tag.kind, tag.rule.as_deref()), (TagKind::Rule, Some("grade:2021")));
    assert_eq!(directory.upsert_tag(tag_draft("freshman", TagKind::Rule), NOW).await.unwrap(), (tag.clone(), seq));
    assert_eq!(refused(directory.upsert_tag(tag_draft("freshman", TagKind::Static), NOW).await), Reason::IdTaken);
    let renamed = TagDraft { title: "New".into(), ..tag_draft("freshman", TagKind::Rule) };
    let (changed, next) = directory.upsert_tag(renamed, NOW).await.unwrap();
    assert_eq!((changed.id, changed.title.as_str(), next), (tag.id, "New", seq + 1));
    let department = tag_draft("cs", TagKind::Department);
    assert_eq!(refused(directory.upsert_tag(department, NOW).await), Reason::FieldInvalid);
    let ownerless = TagDraft { department: Some("nowhere".into()), ..tag_draft("x", TagKind::Static) };
    assert_eq!(refused(directory.upsert_tag(ownerless, NOW).await), Reason::UnknownDepartment);
    assert_eq!(refused(directory.edit_tag("freshman", set([1]), set([]), NOW).await), Reason::FieldInvalid);
}

async fn what_is_said_of_a_tag_reads_back_and_versions_guard_it(store: &Store) {
    let directory = &store.directory;
    campus(store, 1).await;
    let wanted = TagDraft {
        description: "Two\nlines".into(),
        sensitive: true,
        user_grants: vec![GrantId(7), GrantId(9)],
        expire_at: Some(NOW),
        ..tag_draft("aid", TagKind::Static)
    };
    let (made, seq) = directory.upsert_tag(wanted.clone(), NOW).await.unwrap();
    let image = directory.load().await.unwrap();
    assert!(image.tags.iter().any(|(tag, _)| *tag == made), "as it is loaded");
    let changes = directory.changes_after(seq - 1, 9).await.unwrap();
    assert_eq!(changes[0].what, ChangeKind::Tag(made.clone()), "as it is followed");
    let seen = (made.description.as_str(), made.sensitive, made.user_grants.len(), made.expire_at);
    assert_eq!(seen, ("Two\nlines", true, 2, Some(NOW)));

    let plain = TagDraft { version: Some(made.version), ..tag_draft("aid", TagKind::Static) };
    let (changed, _) = directory.upsert_tag(plain.clone(), NOW).await.unwrap();
    assert!(!changed.sensitive && changed.user_grants.is_empty() && changed.version > made.version);
    assert_eq!(refused(directory.upsert_tag(plain, NOW).await), Reason::EtagMismatch);
    let stale = directory.delete_tag("aid", Some(made.version), NOW).await;
    assert_eq!(refused(stale), Reason::EtagMismatch);
    directory.delete_tag("aid", Some(changed.version), NOW).await.unwrap();
    let gone = TagDraft { version: Some(changed.version), ..wanted.clone() };
    assert_eq!(refused(directory.upsert_tag(gone, NOW).await), Reason::EtagMismatch);
    let (again, _) = directory.upsert_tag(wanted, NOW).await.unwrap();
    assert!(again.version > changed.version, "no version of a name comes twice");
}

async fn a_static_tag_is_edited_by_differences(store: &Store) {
    let directory = &store.directory;
    campus(store, 5).await;
    assert_eq!(refused(directory.edit_tag("t", set([1]), set([]), NOW).await), Reason::NotFound);
    directory.upsert_tag(tag_draft("t", TagKind::Static), NOW).await.unwrap();
    let written = directory.edit_tag("t", set([1, 2, 3, 77]), set([4]), NOW).await.unwrap();
    assert_eq!((written.added, written.removed), (3, 0), "nobody has 77, and 4 was not in it");
    let again = directory.edit_tag("t", set([1, 2]), set([]), NOW).await.unwrap();
    assert_eq!((again.added, again.removed, again.seq), (0, 0, written.seq));
    let written = directory.edit_tag("t", set([2, 4]), set([2, 3]), NOW).await.unwrap();
    assert_eq!((written.added, written.removed), (1, 2), "who is in both is taken out");
    assert_eq!(members(store, TagKind::Static, "t").await, set([1, 4]));
    let tags = async |id: &str| directory.user(id).await.unwrap().unwrap().tags;
    assert_eq!((tags("u4").await, tags("u2").await), (vec!["t".to_owned()], vec![]));
    let last = directory.changes_after(again.seq, 9).await.unwrap();
    let [change] = &last[..] else { panic!("{last:?}") };
    let ChangeKind::Members { segment: 0, added, removed, .. } = &change.what else { panic!("{change:?}") };
    assert_eq!((added.clone(), removed.clone()), (set([4]), set([2, 3])));
}

async fn a_deleted_tag_takes_its_members_along(store: &Store) {
    let directory = &store.directory;
    campus(store, 2).await;
    directory.upsert_tag(tag_draft("t", TagKind::Static), NOW).await.unwrap();
    directory.edit_tag("t", set([1, 2]), set([]), NOW).await.unwrap();
    let seq = directory.delete_tag("t", None, NOW).await.unwrap();
    assert!(directory.user("u1").await.unwrap().unwrap().tags.is_empty());
    let changes = directory.changes_after(seq - 1, 9).await.unwrap();
    assert!(matches!(changes[0].what, ChangeKind::TagDeleted { .. }));
    assert_eq!(refused(directory.delete_tag("t", None, NOW).await), Reason::NotFound);
    assert_eq!(refused(directory.delete_tag("cs", None, NOW).await), Reason::NotFound, "a department's set stays");
}

async fn ids_of_deleted_tags_are_not_used_again(store: &Store) {
    let directory = &store.directory;
    campus(store, 1).await;
    let (first, _) = directory.upsert_tag(tag_draft("t", TagKind::Static), NOW).await.unwrap();
    directory.delete_tag("t", None, NOW).await.unwrap();
    let (second, _) = directory.upsert_tag(tag_draft("t", TagKind::Static), NOW).await.unwrap();
    assert!(second.id > first.id);
}

/// What a node makes of the feed.
#[derive(Default)]
struct Follower {
    seen: i64,
    users: BTreeMap<u32, String>,
    aliases: BTreeMap<u32, Vec<String>>,
    departments: BTreeMap<i64, (String, Option<i64>)>,
    tags: BTreeMap<i64, (Tag, Set)>,
}

impl Follower {
    /// Takes over everything that is new.
    async fn catch_up(&mut self, store: &Store) {
        loop {
            let changes = store.directory.changes_after(self.seen, 7).await.unwrap();
            if changes.is_empty() {
                break;
            }
            for change in changes {
                assert_eq!(change.seq, self.seen + 1, "no gaps");
                self.seen = change.seq;
                self.apply(change.what);
            }
        }
    }

    fn apply(&mut self, what: ChangeKind) {
        match what {
            ChangeKind::Members { tag_id, segment, added, removed } => {
                let all = &added | &removed;
                assert!(all.iter().all(|ordinal| ordinal / 65_536 == segment));
                if let Some((_, members)) = self.tags.get_mut(&tag_id) {
                    assert!(added.is_disjoint(members) && removed.is_subset(members));
                    *members |= added;
                    *members -= removed;
                }
            }
            ChangeKind::Tag(tag) => {
                let members = self.tags.remove(&tag.id).map(|(_, members)| members).unwrap_or_default();
                self.tags.insert(tag.id, (tag, members));
            }
            ChangeKind::TagDeleted { tag_id } => drop(self.tags.remove(&tag_id)),
            ChangeKind::Department(d) => drop(self.departments.insert(d.id, (d.external_id, d.parent_id))),
            ChangeKind::Users(users) => self.users.extend(users),
            ChangeKind::Aliases(people) => self.aliases.extend(people),
            ChangeKind::Key { .. } | ChangeKind::Grant { .. } | ChangeKind::Application { .. } => {}
            ChangeKind::Cancel { .. } | ChangeKind::Role { .. } | ChangeKind::TokensEnded(_) => {}
            ChangeKind::Topic { .. } => {}
            ChangeKind::DepartmentDeleted { id } => drop(self.departments.remove(&id)),
        }
    }

    fn assert_is(&self, image: DirectoryImage) {
        assert_eq!(image.seq, self.seen);
        let renamed = self.aliases.iter().filter(|(_, ids)| !ids.is_empty()).map(|(o, ids)| (*o, ids.clone()));
        assert_eq!(image.aliases, renamed.collect::<Vec<_>>());
        assert!(
            image.users.iter().filter(|(ordinal, _)| *ordinal >= FIRST_ORDINAL).eq(self
                .users
                .iter()
                .map(|(o, id)| (*o, id.clone()))
                .collect::<Vec<_>>()
                .iter())
        );
        let departments = image.departments.into_iter().map(|d| (d.id, (d.external_id, d.parent_id)));
        assert_eq!(departments.collect::<BTreeMap<_, _>>(), self.departments);
        let tags = image.tags.into_iter().map(|(tag, members)| (tag.id, (tag, members)));
        assert_eq!(tags.collect::<BTreeMap<_, _>>(), self.tags);
    }
}

async fn the_feed_rebuilds_the_image(store: &Store) {
    let directory = &store.directory;
    let mut follower = Follower::default();
    campus(store, 40).await;
    for round in 0..6_u32 {
        let rows = (1..=40).map(|n| {
            let mut draft = student(&format!("u{n}"), &[]);
            draft.tags = (0..5).filter(|tag| (n * 7 + round * tag) % 3 == 0).map(|tag| format!("t:{tag}")).collect();
            draft.status = if (n + round) % 5 == 0 { UserStatus::Graduated } else { UserStatus::Active };
            draft.alias_ids = if (n + round) % 7 == 0 { vec![format!("a{}", n + round)] } else { vec![] };
            draft.addresses = if (n + round) % 2 == 0 { vec![mailbox(&format!("u{n}@x.cn"))] } else { vec![] };
            draft
        });
        directory.upsert_users(rows.collect(), NOW).await.unwrap();
        if round == 3 {
            directory.delete_tag("t:1", None, NOW).await.unwrap();
            directory.upsert_departments(vec![department("cs", None)], NOW).await.unwrap();
        }
        if round % 2 == 1 {
            follower.catch_up(store).await;
            follower.assert_is(directory.load().await.unwrap());
        }
    }
}

async fn writers_at_once_leave_no_gap_in_the_feed(store: &Store) {
    let directory = &store.directory;
    campus(store, 40).await;
    directory.upsert_tag(tag_draft("shared", TagKind::Static), NOW).await.unwrap();
    // Each writes the same people in an order of its own, and somebody new.
    let writers = [1, 3, 7, 9, 11, 13].map(|step| async move {
        for round in 0..5_u32 {
            let mut rows: Vec<_> = (0..40)
                .map(|n| student(&format!("u{}", n * step % 40 + 1), &[&format!("t:{}", (n + step + round) % 4)]))
                .collect();
            rows.push(student(&format!("new-{step}-{round}"), &[&format!("by:{step}")]));
            let written = directory.upsert_users(rows, NOW).await.unwrap();
            assert_eq!((written.created, written.errors.len()), (1, 0));
            let people = (nth(1)..=nth(20)).filter(|ordinal| ordinal % 5 == round).collect();
            directory.edit_tag("shared", people, set([step]), NOW).await.unwrap();
            let departments = vec![department(&format!("d{step}"), Some("cs")), department("cs", Some("xjtu"))];
            directory.upsert_departments(departments, NOW).await.unwrap();
        }
    });
    let (mut follower, written) = (Follower::default(), Cell::new(false));
    let write = async {
        join_all(writers).await;
        written.set(true);
    };
    let follow = async {
        while !written.get() {
            follower.catch_up(store).await;
        }
    };
    tokio::join!(write, follow);
    follower.catch_up(store).await;
    let image = directory.load().await.unwrap();
    assert_eq!(image.users.iter().filter(|(ordinal, _)| *ordinal >= FIRST_ORDINAL).count(), 40 + 6 * 5);
    follower.assert_is(image);
}

async fn sets_span_segments(store: &Store) {
    campus(store, 0).await;
    // Over 65,536 users: their everyone set lies in two segments.
    for block in 0..7_u32 {
        let rows = (1..=10_000)
            .map(|n| UserDraft { primary_department: None, ..person(&format!("{}", block * 10_000 + n), "cs") });
        store.directory.upsert_users(rows.collect(), NOW).await.unwrap();
    }
    assert_eq!(members(store, TagKind::Everyone, "").await, (nth(1)..=nth(70_000)).collect());
}
