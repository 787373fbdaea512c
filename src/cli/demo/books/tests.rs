//! The checker's own proof: honest books balance, and each kind of fault is found and named.

use super::*;
use crate::demo::audience::Who;
use campanile::domain::id::MessageId;
use campanile::standin::log;

const MESSAGE: MessageId = MessageId(0x7000_0010);
const EMAIL: i32 = Channel::Email as i32;

fn published(people: Vec<u32>) -> Vec<Published> {
    let mut plan = plan::cancelled_notice(0);
    plan.kind = Kind::Notice;
    plan.who = Who::People(people);
    vec![Published { plan, message_id: MESSAGE.to_string() }]
}

fn receipt(address: &str) -> log::Receipt<'static> {
    let id = MESSAGE.leg(1).to_string().into();
    log::Receipt { id, address: address.to_owned().into(), at_ms: 5, content: "".into(), from: "".into() }
}

fn recipient(campus: &Campus, person: u32, outcome: Outcome) -> v1::Recipient {
    let delivery = v1::Delivery { channel: EMAIL, outcome: outcome.into(), ..Default::default() };
    let user_id = campus.people[person as usize].id.clone();
    v1::Recipient { user_id, deliveries: vec![delivery], ..Default::default() }
}

/// Four people with good mailboxes.
fn four(campus: &Campus) -> Vec<u32> {
    (0..100).filter(|&n| campus.reachable(n, Channel::Email)).take(4).collect()
}

fn balance(given: &dyn Fn(&mut Vec<String>), listed: &dyn Fn(&mut Vec<v1::Recipient>)) -> (bool, String) {
    let campus = Campus::draw(1, 1_500);
    let people = four(&campus);
    let day = published(people[..3].to_vec());
    let mut addresses: Vec<_> = people[..3].iter().filter_map(|&n| campus.people[n as usize].mailbox.clone()).collect();
    let mut recipients: Vec<_> = people[..3].iter().map(|&n| recipient(&campus, n, Outcome::Sent)).collect();
    given(&mut addresses);
    listed(&mut recipients);
    let mut books = Books::open(&campus, &day, None);
    for address in &addresses {
        books.enter_receipt(Channel::Email, &receipt(address));
    }
    books.enter(0, &recipients);
    books.close();
    books.verdict()
}

#[test]
fn honest_books_balance() {
    let (good, text) = balance(&|_| (), &|_| ());
    assert!(good, "{text}");
    assert_eq!(text, "books balance: 3 deliveries, 0 missing, 0 duplicated");
}

#[test]
fn a_lost_delivery_is_named() {
    let campus = Campus::draw(1, 1_500);
    let (good, text) = balance(&|given| drop(given.remove(1)), &|_| ());
    assert!(!good && text.starts_with("books do NOT balance: 3 deliveries, 1 missing, 0 duplicated"), "{text}");
    let user = &campus.people[four(&campus)[1] as usize].id;
    assert!(text.contains(&format!("message {MESSAGE}, user {user}, email")), "{text}");
}

#[test]
fn a_repeated_delivery_is_found() {
    let (good, text) = balance(&|given| given.push(given[0].clone()), &|_| ());
    assert!(!good && text.contains("0 missing, 1 duplicated"), "{text}");
}

#[test]
fn the_wrong_person_is_found() {
    let (good, text) = balance(&|given| given[2] = log_wrong(), &|_| ());
    assert!(!good && text.contains("1 missing") && text.contains("1 to the wrong person"), "{text}");
    let campus = Campus::draw(1, 1_500);
    let stranger = campus.people[four(&campus)[3] as usize].mailbox.clone().unwrap();
    let (good, text) = balance(&|given| given.push(stranger.clone()), &|_| ());
    assert!(!good && text.contains("1 to the wrong person"), "{text}");
}

fn log_wrong() -> String {
    log::WRONG_PERSON.to_owned()
}

#[test]
fn what_the_service_leaves_out_or_leaves_open_is_found() {
    let (good, text) = balance(&|_| (), &|listed| drop(listed.pop()));
    assert!(!good && text.contains("1 missing"), "{text}");
    let (good, text) = balance(&|_| (), &|listed| listed[0].deliveries[0].outcome = Outcome::Pending.into());
    assert!(!good && text.contains("pending"), "{text}");
    let (good, text) = balance(&|_| (), &|listed| listed.push(listed[0].clone()));
    assert!(!good && text.contains("1 duplicated"), "{text}");
}
