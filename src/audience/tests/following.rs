//! How the index follows the change feed.

use std::sync::Arc;

use super::{campus_index, department, set, tag};
use crate::audience::Index;
use crate::audience::resolve::{Usable, resolve};
use crate::domain::audience::Audience;
use crate::domain::change::{Change, ChangeKind};
use crate::domain::directory::TagKind;
use crate::domain::id::KeyId;
use crate::domain::set::Set;
use crate::domain::time::At;

fn change(seq: i64, what: ChangeKind) -> Change {
    Change { seq, at: At(0), what }
}

fn members(seq: i64, tag_id: i64, added: Set, removed: Set) -> Change {
    change(seq, ChangeKind::Members { tag_id, segment: 0, added, removed })
}

fn who(index: &Index, text: &str) -> Set {
    resolve(&Audience::Expression(text.to_owned()), &index.snapshot(), &Usable::any(At(0))).unwrap().set
}

#[test]
fn a_snapshot_in_use_does_not_change_under_its_reader() {
    let index = campus_index();
    let before = index.snapshot();
    index.apply(&[members(8, 30, set([1]), set([10]))]);
    assert_eq!(before.members(30).len(), 20);
    assert!(before.members(30).contains(10));
    assert_eq!(who(&index, "grade:2021"), set((11..30).chain([1])));
}

#[test]
fn changes_that_are_known_already_are_passed_over() {
    let index = campus_index();
    assert_eq!(index.apply(&[members(8, 30, set([1]), set([]))]), 8);
    let again = [members(8, 30, set([1]), set([])), members(9, 30, set([]), set([1]))];
    assert_eq!(index.apply(&again), 9);
    assert_eq!(index.apply(&again), 9);
    assert_eq!(who(&index, "grade:2021"), set(10..30));
}

#[test]
fn moved_departments_and_new_members_show_in_every_union() {
    let index = campus_index();
    assert_eq!(who(&index, "department:cs"), set(10..50));
    assert_eq!(who(&index, "department:school").len(), 89);
    index.apply(&[members(8, 14, set([50]), set([40]))]);
    assert_eq!(who(&index, "department:cs"), set((10..40).chain(41..51)));
    index.apply(&[change(9, ChangeKind::Department(department(4, "lab", Some(3))))]);
    assert_eq!(who(&index, "department:cs"), set(10..40));
    assert_eq!(who(&index, "department:law"), set((41..51).chain(50..90)));
}

#[test]
fn new_tags_rules_and_users_are_known_and_deleted_ones_are_not() {
    let index = campus_index();
    assert_eq!(who(&index, "rule:young").len(), 60);
    index.apply(&[
        change(8, ChangeKind::Users(vec![(100, "u100".to_owned())])),
        members(9, 50, set([5, 100]), set([])),
        change(10, ChangeKind::Tag(tag(50, TagKind::Static, "club:chess", None))),
        change(11, ChangeKind::Tag(tag(40, TagKind::Rule, "rule:young", Some("club:chess OR user:u100")))),
        members(12, 10, set([100]), set([])),
    ]);
    assert_eq!(who(&index, "club:chess"), set([5, 100]));
    assert_eq!(who(&index, "rule:young"), set([5, 100]));
    index.apply(&[change(13, ChangeKind::TagDeleted { tag_id: 50 })]);
    assert!(index.snapshot().tag("club:chess").is_none());
    assert!(index.snapshot().members(50).is_empty());
}

#[test]
fn rights_move_the_number_but_not_the_edition() {
    let index = campus_index();
    index.apply(&[change(8, ChangeKind::Key { id: KeyId(1) })]);
    assert_eq!((index.snapshot().seq(), index.snapshot().edition()), (8, 7));
}

#[tokio::test]
async fn waiting_ends_when_the_change_is_in() {
    let index = Arc::new(campus_index());
    index.wait_for(7).await;
    let waiting = tokio::spawn({
        let index = Arc::clone(&index);
        async move {
            index.wait_for(9).await;
            index.seq()
        }
    });
    index.apply(&[change(8, ChangeKind::Key { id: KeyId(1) })]);
    index.apply(&[change(9, ChangeKind::Key { id: KeyId(1) })]);
    assert_eq!(waiting.await.unwrap(), 9);
}
