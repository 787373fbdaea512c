//! The rules of reviews.

use super::fingerprint::Shown;
use super::view::View;
use super::*;
use crate::access::Seal;
use crate::domain::channel::Channel;
use crate::domain::content::Content;
use crate::domain::id::{ApplicationId, GrantId, KeyId, MessageId};
use crate::domain::message::LostAnswer;
use crate::domain::set::Set;

fn facts(principal: Principal, sender: Option<u32>) -> MessageFacts {
    MessageFacts {
        id: MessageId(16),
        principal,
        key_id: KeyId(1),
        grant: (GrantId(1), 1),
        department_id: 3,
        sender,
        class: Class::Notice,
        mode: Mode::Live,
        channels: vec![Channel::App],
        audience_text: "everyone".into(),
        directory_seq: 0,
        members_n: 2_000,
        topic: None,
        reference: None,
        labels: Default::default(),
        lost_answer: LostAnswer::Repeat,
        relation: None,
        proof: false,
        created_at: At(0),
        send_at: At(0),
        expire_at: At(1),
    }
}

#[test]
fn the_number_of_people_and_their_place_say_who_is_asked() {
    let rules = Rules { campus_approvals: 2, ..Rules::default() };
    let need = |mode, class, people, inside| rules.need(mode, class, people, || inside);
    assert_eq!(need(Mode::Live, Class::Notice, 1_000, false), None);
    let department = Need { timing: Timing::Before, panel: Panel::Department, approvals: 1 };
    assert_eq!(need(Mode::Live, Class::Notice, 1_001, true), Some(department));
    let campus = Need { panel: Panel::Campus, approvals: 2, ..department };
    assert_eq!(need(Mode::Live, Class::Bulk, 1_001, false), Some(campus));
    assert_eq!(need(Mode::Test, Class::Notice, 50_000, false), None, "reaches nobody");
    let afterwards = Need { timing: Timing::Afterwards, ..campus };
    assert_eq!(need(Mode::Live, Class::Emergency, 1, true), Some(afterwards));
    let off = Rules { threshold: None, ..rules };
    assert_eq!(off.need(Mode::Live, Class::Notice, u64::MAX, || false), None);
    assert!(off.need(Mode::Live, Class::Emergency, 1, || false).is_some(), "is never off");
}

#[test]
fn nobody_decides_about_a_message_of_their_own() {
    let deputy = |of, deputy| Deputy { of, deputy, until: At(9) };
    let deputies = [deputy(20, 30), deputy(21, 31), deputy(22, 21), deputy(29, 32)];
    let reviewers = Reviewers::of(&facts(Principal::Person(20), Some(21)), vec![20, 21, 22, 23], &deputies);
    assert_eq!(reviewers.all(), [22, 23], "neither the author, nor the person spoken for, nor whoever stands in");
    let seat = |person| reviewers.seat(person, |_| false).map_err(|refusal| refusal.reason);
    assert_eq!(seat(20), Err(Reason::OwnMessage));
    assert_eq!(seat(21), Err(Reason::OwnMessage), "not as a deputy either");
    assert_eq!((seat(22), seat(30), seat(32)), (Ok(None), Err(Reason::NotFound), Err(Reason::NotFound)));
}

#[test]
fn a_deputy_has_the_seat_of_whoever_said_nothing_yet() {
    let deputies = [Deputy { of: 20, deputy: 30, until: At(9) }, Deputy { of: 21, deputy: 30, until: At(9) }];
    let application = Principal::Application(ApplicationId(7));
    let reviewers = Reviewers::of(&facts(application, None), vec![20, 21], &deputies);
    assert_eq!(reviewers.seat(30, |_| false), Ok(Some(20)));
    assert_eq!(reviewers.seat(30, |of| of == 20), Ok(Some(21)));
    assert_eq!(reviewers.seat(30, |_| true), Ok(Some(20)));
    assert!(reviewers.has(30) && !reviewers.has(31));
}

#[test]
fn every_part_of_what_is_shown_is_in_the_fingerprint() {
    let (content, facts) = (Content { title: "One".into(), ..Content::default() }, facts(Principal::Person(1), None));
    let (people, others) = (Set::from_iter([20, 21]), Set::from_iter([20, 22]));
    let shown = Shown::of(&facts, &content, &people, 2);
    let more = Content { body: "more".into(), ..content.clone() };
    let different = [
        shown.fingerprint(),
        Shown { content: &more, ..shown }.fingerprint(),
        Shown { audience: "grade:2021", ..shown }.fingerprint(),
        Shown { audience: "", ..shown }.fingerprint(),
        Shown { audience: "", people: &others, ..shown }.fingerprint(),
        Shown { channels: &[Channel::App, Channel::Email], ..shown }.fingerprint(),
        Shown { class: Class::Bulk, ..shown }.fingerprint(),
        Shown { department_id: 4, ..shown }.fingerprint(),
        Shown { message: MessageId(32), ..shown }.fingerprint(),
        Shown { count: 3, ..shown }.fingerprint(),
    ];
    let distinct: std::collections::HashSet<_> = different.iter().collect();
    assert_eq!(distinct.len(), different.len());
    assert_eq!(Shown { people: &others, ..shown }.fingerprint(), shown.fingerprint(), "an expression names its people");
}

#[test]
fn a_view_is_one_persons_of_one_message() {
    let (seal, other) = (Seal::new(&[7; 32]), Seal::new(&[8; 32]));
    let view = View { fingerprint: [5; 32], at: At(1_790_000_000_000) };
    let text = view.sign(MessageId(16), 20, &seal);
    assert_eq!(View::verify(&text, MessageId(16), 20, &seal), Some(view));
    assert_eq!(View::verify(&text, MessageId(32), 20, &seal), None);
    assert_eq!(View::verify(&text, MessageId(16), 21, &seal), None);
    assert_eq!(View::verify(&text, MessageId(16), 20, &other), None);
    for place in 0..text.len() {
        let mut damaged = text.clone().into_bytes();
        damaged[place] = if damaged[place] == b'A' { b'B' } else { b'A' };
        let damaged = String::from_utf8(damaged).unwrap();
        // The last character holds bits that mean nothing, and must be zero.
        assert_eq!(View::verify(&damaged, MessageId(16), 20, &seal), None, "{place}");
    }
    assert_eq!(View::verify("", MessageId(16), 20, &seal), None);
}
