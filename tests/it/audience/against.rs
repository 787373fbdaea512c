//! Random expressions against the naive evaluator, over sets of every density in more than four segments.

use std::collections::HashMap;
use std::thread;
use std::time::Instant;

use campanile::audience::resolve::{Usable, resolve};
use campanile::audience::{Index, Snapshot};
use campanile::domain::audience::Audience;
use campanile::domain::directory::{Department, Tag, TagKind};
use campanile::domain::set::{SEGMENT, Set};
use campanile::domain::time::At;
use campanile::store::DirectoryImage;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::naive::{People, Tree, World, union};

const EXPRESSIONS: u64 = 100_000;
const THREADS: u64 = 2;

/// Where people live: the first ordinal of a run and its length, one of them across the border of two segments and
/// one with more people than a Roaring container keeps as a list. A run here is a run in the naive evaluator's
/// vectors, so that a whole vector becomes a set at once.
const RUNS: [(u32, u32); 6] = [
    (64, 640),
    (SEGMENT - 320, 640),
    (3 * SEGMENT + 640, 4_480),
    (4 * SEGMENT, 320),
    (9 * SEGMENT + 30_016, 640),
    (40 * SEGMENT - 640, 640),
];
/// All of them.
const PEOPLE: usize = 7_360;
/// The segments in which they live.
const SEGMENTS: [u32; 6] = [0, 1, 3, 4, 9, 39];

/// The ordinals in the order of the naive evaluator's bits.
fn ordinals() -> impl Iterator<Item = u32> {
    RUNS.into_iter().flat_map(|(first, length)| first..first + length)
}

/// The set of the ordinals of these people.
fn set_of(people: &People) -> Set {
    let mut set = Set::new();
    let mut rest = &people[..];
    let mut bytes = Vec::new();
    for (first, length) in RUNS {
        let (words, others) = rest.split_at(length as usize / 64);
        rest = others;
        bytes.clear();
        words.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        set |= Set::from_lsb0_bytes(first, &bytes);
    }
    set
}

/// People taken at random: of any density, in runs, or in one place only.
fn some_people(chance: &mut StdRng) -> People {
    let all = PEOPLE / 64;
    let (from, to) = match chance.random_range(0..4) {
        0 => (0, all / 3),
        1 => (all / 2, all),
        _ => (0, all),
    };
    let kind = chance.random_range(0..6);
    let word = |chance: &mut StdRng| match kind {
        0 => u64::MAX,
        1 => chance.random::<u64>() | chance.random::<u64>(),
        2 => chance.random::<u64>(),
        3 => chance.random::<u64>() & chance.random::<u64>() & chance.random::<u64>(),
        4 if chance.random_bool(0.5) => u64::MAX,
        5 if chance.random_bool(0.05) => 1 << chance.random_range(0..64),
        _ => 0,
    };
    (0..all).map(|n| if (from..to).contains(&n) { word(chance) } else { 0 }).collect()
}

/// The same campus twice: as the naive evaluator knows it, and as the directory loads it.
struct Campus {
    world: World,
    image: DirectoryImage,
    /// What kind of term stands at each place of the world.
    kinds: Vec<&'static str>,
}

fn tag(id: i64, kind: TagKind, name: &str, rule: Option<String>) -> Tag {
    Tag { rule, ..Tag::new(id, kind, name) }
}

fn campus(chance: &mut StdRng) -> Campus {
    let everyone: People =
        (0..PEOPLE / 64).map(|_| chance.random::<u64>() | chance.random::<u64>() | chance.random::<u64>()).collect();
    let users = ordinals().zip(0..).map(|(ordinal, n): (u32, usize)| (ordinal, format!("u{n}"))).collect();
    let tags = vec![(tag(1, TagKind::Everyone, "", None), set_of(&everyone))];
    let image = DirectoryImage { seq: 1, users, tags, ..DirectoryImage::default() };
    let world = World { terms: vec![("Everyone".to_owned(), everyone.clone())], everyone };
    let mut campus = Campus { world, image, kinds: vec!["everyone"] };
    campus.departments(chance);
    for n in 0..24 {
        let (people, name) = (some_people(chance), if n % 2 == 0 { format!("年级:{n}") } else { format!("plain-{n}") });
        let text = if n % 2 == 0 { name.clone() } else { format!("tag:{name}") };
        campus.image.tags.push((tag(100 + n, TagKind::Static, &name, None), set_of(&people)));
        campus.add("tag", text, &people);
    }
    for n in 0..8 {
        let (tree, name) = (campus.world.tree(chance, 2), format!("rule:{n}"));
        let (text, people) = (campus.world.text(&tree, chance), campus.world.people(&tree));
        campus.image.tags.push((tag(200 + n, TagKind::Rule, &name, Some(text)), Set::new()));
        campus.add("rule", name, &people);
    }
    for _ in 0..6 {
        let n = chance.random_range(0..PEOPLE);
        campus.world.person(format!("user:u{n}"), n);
        campus.kinds.push("user");
    }
    let left = campus.world.everyone.iter().position(|word| *word != u64::MAX).unwrap();
    let left = left * 64 + campus.world.everyone[left].trailing_ones() as usize;
    campus.world.person(format!("user:u{left}"), left);
    campus.kinds.push("user");
    campus
}

impl Campus {
    fn add(&mut self, kind: &'static str, text: String, people: &People) {
        self.world.set(text, people);
        self.kinds.push(kind);
    }

    /// A tree of ten departments, each below the one with half its number.
    fn departments(&mut self, chance: &mut StdRng) {
        let members: Vec<People> = (0..10).map(|_| some_people(chance)).collect();
        let above = |n: usize| n.checked_sub(1).map(|n| n / 2);
        let under = |n: usize, top: usize| std::iter::successors(Some(n), |n| above(*n)).any(|one| one == top);
        for (n, people) in members.iter().enumerate() {
            let (id, name) = (i64::try_from(n).unwrap(), format!("d{n}"));
            let parent_id = above(n).map(|n| i64::try_from(n).unwrap());
            let department = Department { id, external_id: name.clone(), parent_id, name: name.clone(), version: 1 };
            self.image.departments.push(department);
            self.image.tags.push((tag(50 + id, TagKind::Department, &name, None), set_of(people)));
            self.add("department=", format!("department={name}"), people);
            let all = union((0..10).filter(|one| under(*one, n)).map(|one| &members[one]));
            self.add("department:", format!("Department:{name}"), &all);
        }
    }
}

/// What the expressions of a run were like.
#[derive(Default)]
struct Seen {
    expressions: u64,
    somebody: u64,
    many_segments: u64,
    people: u64,
    terms: u64,
    nots: u64,
    ands: u64,
    ors: u64,
    kinds: HashMap<&'static str, u64>,
}

impl Seen {
    fn add(&mut self, other: Seen) {
        self.expressions += other.expressions;
        self.somebody += other.somebody;
        self.many_segments += other.many_segments;
        self.people += other.people;
        self.terms += other.terms;
        self.nots += other.nots;
        self.ands += other.ands;
        self.ors += other.ors;
        other.kinds.into_iter().for_each(|(kind, n)| *self.kinds.entry(kind).or_default() += n);
    }

    fn tree(&mut self, tree: &Tree, campus: &Campus) {
        match tree {
            Tree::Term(n) => {
                self.terms += 1;
                *self.kinds.entry(campus.kinds[*n]).or_default() += 1;
            }
            Tree::Not(inner) => {
                self.nots += 1;
                self.tree(inner, campus);
            }
            Tree::And(parts) => {
                self.ands += 1;
                parts.iter().for_each(|part| self.tree(part, campus));
            }
            Tree::Or(parts) => {
                self.ors += 1;
                parts.iter().for_each(|part| self.tree(part, campus));
            }
        }
    }

    fn set(&mut self, set: &Set) {
        self.expressions += 1;
        self.somebody += u64::from(!set.is_empty());
        self.people += set.len();
        let in_it =
            |segment: &&u32| set.range_cardinality(**segment * SEGMENT..=**segment * SEGMENT + (SEGMENT - 1)) > 0;
        self.many_segments += u64::from(SEGMENTS.iter().filter(in_it).count() >= 4);
    }
}

/// Every expression with a number that leaves this rest.
fn run(campus: &Campus, snapshot: &Snapshot, rest: u64) -> Seen {
    let mut seen = Seen::default();
    for number in (0..EXPRESSIONS).filter(|n| n % THREADS == rest) {
        let mut chance = StdRng::seed_from_u64(number);
        let tree = campus.world.tree(&mut chance, if number % 5 == 0 { 3 } else { 2 });
        let text = campus.world.text(&tree, &mut chance);
        let expected = set_of(&campus.world.people(&tree));
        let found = resolve(&Audience::Expression(text.clone()), snapshot, &Usable::any(At(0)));
        let found = found.unwrap_or_else(|refusal| panic!("expression {number}: {refusal}\n{text}")).set;
        assert!(found == expected, "expression {number}: {} people, expected {}\n{text}", found.len(), expected.len());
        seen.tree(&tree, campus);
        seen.set(&found);
    }
    seen
}

#[test]
fn a_hundred_thousand_expressions_are_what_the_naive_evaluator_says() {
    let started = Instant::now();
    let campus = campus(&mut StdRng::seed_from_u64(4));
    let snapshot = Index::new(campus.image.clone()).snapshot();
    let mut seen = Seen::default();
    let (campus, snapshot) = (&campus, &*snapshot);
    thread::scope(|scope| {
        let runs: Vec<_> = (0..THREADS).map(|rest| scope.spawn(move || run(campus, snapshot, rest))).collect();
        runs.into_iter().for_each(|run| seen.add(run.join().unwrap()));
    });
    let share = |n: u64| n as f64 * 100.0 / seen.expressions as f64;
    println!(
        "{} expressions over {PEOPLE} people: {:.1} % name somebody, {:.1} % people of four segments and more; on average \
         {} people, {:.1} terms, {:.1} AND, {:.1} OR, {:.1} NOT; terms {:?}; {:.1} s",
        seen.expressions,
        share(seen.somebody),
        share(seen.many_segments),
        seen.people / seen.expressions,
        share(seen.terms) / 100.0,
        share(seen.ands) / 100.0,
        share(seen.ors) / 100.0,
        share(seen.nots) / 100.0,
        seen.kinds,
        started.elapsed().as_secs_f64(),
    );
    assert_eq!((seen.expressions, ordinals().count()), (EXPRESSIONS, PEOPLE));
    assert!(share(seen.somebody) >= 50.0 && share(seen.many_segments) >= 25.0);
    assert!(seen.somebody < EXPRESSIONS, "some name nobody");
    assert!(seen.kinds.len() == 6 && seen.kinds.values().all(|n| *n >= 1_000));
}

#[test]
fn the_naive_evaluator_is_short_and_shares_nothing_with_the_real_one() {
    let source = include_str!("naive.rs");
    assert!(source.lines().count() <= 100);
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    assert!(
        code.into_iter()
            .all(|line| !line.contains("campanile") && !line.contains("crate") && !line.contains("roaring"))
    );
}
