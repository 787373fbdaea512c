//! A five-term expression over the index in memory.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use campanile::access::{Grants, Policy, Request};
use campanile::audience::{Index, Usable, parse, resolve};
use campanile::domain::access::{Grant, Principal};
use campanile::domain::audience::{Audience, UnknownUsers};
use campanile::domain::channel::Channel;
use campanile::domain::class::Class;
use campanile::domain::directory::{Department, Tag, TagKind};
use campanile::domain::id::{ApplicationId, GrantId};
use campanile::domain::set::Set;
use campanile::domain::time::At;
use campanile::store::DirectoryImage;

use crate::{Effort, median};

const EXPRESSION: &str = "(grade:2021 OR grade:2022) AND campus:east AND NOT role:staff AND department:d3";

/// At 50 thousand, 1 million and 10 million users.
pub fn run(effort: Effort) {
    println!("audience: {EXPRESSION}");
    for (users, aim) in [(50_000, ""), (1_000_000, "aim <= 500"), (10_000_000, "")] {
        let index = Index::new(image(users));
        let snapshot = index.snapshot();
        let tree = parse::parse(EXPRESSION).expect("an expression");
        let usable = Usable::any(At(0));
        let mut spans = Vec::new();
        let mut found = 0;
        for _ in 0..if effort.full { 500 } else { 100 } {
            let began = Instant::now();
            let set = resolve::expression(&tree, &snapshot, &usable).expect("a set");
            spans.push(began.elapsed().as_secs_f64() * 1e6);
            found = black_box(set).len();
        }
        println!("  {users:>10} users: {:>8.0} µs for {found} people  {aim}", median(spans));
    }
    rights(effort);
    println!();
}

/// What a publish costs before its commit: the audience resolved, and every right to it checked.
fn rights(effort: Effort) {
    const USERS: u32 = 1_000_000;
    let index = Index::new(image(USERS));
    let snapshot = index.snapshot();
    let policy = Policy::new(Arc::new(Grants::new(vec![grant()])));
    let expression = Audience::Expression(EXPRESSION.into());
    let one = Audience::Users { ids: vec![(USERS / 64 * 7).to_string()], unknown: UnknownUsers::Reject };
    for (what, audience, aim) in [("one-to-one", one, "aim <= 20"), ("five terms", expression, "aim <= 500")] {
        let mut spans = Vec::new();
        for _ in 0..if effort.full { 5_000 } else { 1_000 } {
            let began = Instant::now();
            let found = resolve::resolve(&audience, &snapshot, &Usable::any(At(0))).expect("a set");
            let request = Request {
                principal: Principal::Application(ApplicationId(7)),
                sender: None,
                class: Class::Notice,
                channels: &[Channel::Email],
                department_id: 4,
                owner_id: Some(4),
                tags: &found.tags,
                audience: &found.set,
                snapshot: &snapshot,
                now: At(1),
                used_today: &|_| 0,
            };
            black_box(policy.decide(&request).expect("a right"));
            spans.push(began.elapsed().as_secs_f64() * 1e6);
        }
        println!(
            "  rights, {USERS} users, {what}: {:>6.1} µs for audience, access and scope together  {aim}",
            median(spans)
        );
    }
}

/// A right over two departments, one of which holds everybody whom the expression names.
fn grant() -> Grant {
    let holder = Principal::Application(ApplicationId(7));
    Grant {
        department_ids: vec![4, 5],
        any_tag: true,
        channels: vec![Channel::Email],
        classes: vec![Class::Notice],
        ..Grant::new(GrantId(1), holder, Principal::Person(0), At(0))
    }
}

fn image(users: u32) -> DirectoryImage {
    let departments = (0..8).map(|number| Department {
        id: number + 1,
        external_id: format!("d{number}"),
        parent_id: None,
        name: format!("Department {number}"),
        version: 1,
    });
    let mut image = DirectoryImage {
        seq: 1,
        users: (0..users).map(|number| (number + 16, format!("{number}"))).collect(),
        departments: departments.collect(),
        ..DirectoryImage::default()
    };
    // People are imported by grade and department, so those are runs; campus and role are scattered.
    let grade = |number: u32| u64::from(number) * 4 / u64::from(users);
    let department = |number: u32| u64::from(number) * 32 / u64::from(users) % 8;
    for year in 0..4 {
        put(&mut image, TagKind::Static, &format!("grade:{}", 2020 + year), set(users, |n| grade(n) == year));
    }
    for number in 0..8 {
        put(&mut image, TagKind::Department, &format!("d{number}"), set(users, |n| department(n) == number));
    }
    put(&mut image, TagKind::Static, "campus:east", set(users, |n| n.wrapping_mul(2_654_435_761) % 3 == 0));
    put(&mut image, TagKind::Static, "role:staff", set(users, |n| n.wrapping_mul(40_503) % 10 == 0));
    put(&mut image, TagKind::Everyone, "", set(users, |_| true));
    put(&mut image, TagKind::Reachable, Channel::Email.name(), set(users, |n| n % 50 != 0));
    image
}

fn set(users: u32, member: impl Fn(u32) -> bool) -> Set {
    (0..users).filter(|number| member(*number)).map(|number| number + 16).collect()
}

fn put(image: &mut DirectoryImage, kind: TagKind, name: &str, members: Set) {
    let id = image.tags.len() as i64 + 100;
    let department_id = (kind == TagKind::Department).then(|| name[1..].parse::<i64>().unwrap_or(0) + 1);
    let tag = Tag { department_id, ..Tag::new(id, kind, name) };
    image.tags.push((tag, members));
}
