//! Random expressions over a random campus, against an evaluator that asks of each person alone.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::{department, tag};
use crate::audience::Index;
use crate::audience::resolve::{Usable, expression};
use crate::domain::audience::{Expression, Term};
use crate::domain::directory::TagKind;
use crate::store::DirectoryImage;

const PEOPLE: u32 = 60;
/// Spread over several segments, so that sets have more than one container.
const STRIDE: u32 = 5_000;

/// Members by name: `everyone`, tags `t:0` to `t:3`, departments `d0` to `d3`, each below the one before.
type World = HashMap<String, HashSet<u32>>;

fn worlds() -> impl Strategy<Value = World> {
    let names: Vec<String> =
        ["everyone".to_owned()].into_iter().chain((0..4).flat_map(|n| [format!("t:{n}"), format!("d{n}")])).collect();
    let sets = prop::collection::vec(prop::collection::hash_set(0..PEOPLE, 0..PEOPLE as usize), names.len());
    sets.prop_map(move |sets| names.iter().cloned().zip(sets).collect())
}

fn trees() -> impl Strategy<Value = Expression> {
    let term = prop_oneof![
        Just(Term::Everyone),
        (0..4).prop_map(|n| Term::Tag(format!("t:{n}"))),
        (0..4).prop_map(|n| Term::Under(format!("d{n}"))),
        (0..4).prop_map(|n| Term::Exactly(format!("d{n}"))),
        (0..PEOPLE).prop_map(|n| Term::User(format!("u{n}"))),
    ]
    .prop_map(Expression::Term);
    term.prop_recursive(4, 32, 5, |inner| {
        let many = prop::collection::vec(inner.clone(), 2..5);
        let without =
            (prop::collection::vec(inner.clone(), 1..3), prop::collection::vec(inner, 1..3)).prop_map(|(all, none)| {
                let none = none.into_iter().map(|one| Expression::Not(Box::new(one)));
                Expression::And(none.chain(all).collect())
            });
        prop_oneof![many.clone().prop_map(Expression::And), many.prop_map(Expression::Or), without]
    })
}

fn holds(tree: &Expression, person: u32, world: &World) -> bool {
    let receives = |name: &str| world["everyone"].contains(&person) && world[name].contains(&person);
    match tree {
        Expression::Term(Term::Everyone) => receives("everyone"),
        Expression::Term(Term::Tag(name)) | Expression::Term(Term::Exactly(name)) => receives(name),
        Expression::Term(Term::Under(name)) => {
            let top: u32 = name[1..].parse().unwrap();
            (top..4).any(|n| receives(&format!("d{n}")))
        }
        Expression::Term(Term::User(name)) => *name == format!("u{person}"),
        Expression::Not(inner) => !holds(inner, person, world),
        Expression::And(operands) => operands.iter().all(|one| holds(one, person, world)),
        Expression::Or(operands) => operands.iter().any(|one| holds(one, person, world)),
    }
}

fn index(world: &World) -> Index {
    let kind = |name: &str| match name {
        "everyone" => (1, TagKind::Everyone),
        _ if name.starts_with('d') => (10, TagKind::Department),
        _ => (20, TagKind::Static),
    };
    let tags = world.iter().map(|(name, members)| {
        let (base, kind) = kind(name);
        let number = name.chars().last().and_then(|c| c.to_digit(10)).unwrap_or(0);
        let shown = if kind == TagKind::Everyone { "" } else { name };
        (tag(base + i64::from(number), kind, shown, None), members.iter().map(|n| n * STRIDE).collect())
    });
    Index::new(DirectoryImage {
        seq: 1,
        users: (0..PEOPLE).map(|n| (n * STRIDE, format!("u{n}"))).collect(),
        departments: (0..4).map(|n| department(n, &format!("d{n}"), n.checked_sub(1).filter(|p| *p >= 0))).collect(),
        tags: tags.collect(),
    })
}

proptest! {
    #[test]
    fn the_set_is_those_of_whom_the_expression_holds(world in worlds(), trees in prop::collection::vec(trees(), 4)) {
        let snapshot = index(&world).snapshot();
        for tree in trees {
            let expected: Vec<u32> = (0..PEOPLE).filter(|n| holds(&tree, *n, &world)).map(|n| n * STRIDE).collect();
            let found: Vec<u32> = expression(&tree, &snapshot, &Usable::Any).unwrap().iter().collect();
            prop_assert_eq!(found, expected, "{}", tree);
        }
    }
}
