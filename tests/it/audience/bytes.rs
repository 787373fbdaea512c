//! Texts that nobody should write, and what grows out of them. `corpus/read` and `corpus/refused` hold one input a
//! file; a run replays them and then mutates them, keeping what the parser answers in a new way. More rounds or
//! another beginning: `CAMPANILE_FUZZ_ROUNDS=1000000 CAMPANILE_FUZZ_SEED=7 cargo test --test it audience::bytes`.
//! An input that fails is printed; put it into the corpus with the change that mends it.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use campanile::audience::parse::parse;
use campanile::audience::resolve::{Usable, expression};
use campanile::audience::{Index, Snapshot};
use campanile::domain::audience::Expression;
use campanile::domain::directory::{Department, Tag, TagKind};
use campanile::domain::refusal::{Reason, Refusal};
use campanile::domain::time::At;
use campanile::store::DirectoryImage;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// What mutations put in.
const WORDS: [&str; 24] = [
    "AND",
    "or",
    "Not",
    "(",
    ")",
    " ",
    "tag:a",
    "everyone",
    "department:",
    "department=",
    "user:1",
    "k:1",
    "=",
    ":",
    "：",
    "（",
    "&&",
    "或",
    "\"",
    "\u{301}",
    "\u{200d}",
    "\u{202e}",
    "\u{1b}[",
    "\0",
];
/// Answers of a new kind that are kept for further mutation.
const KEPT_MAX: usize = 2_000;
/// More suggestions than any text needs one after the other.
const SUGGESTIONS_MAX: usize = 400;

fn corpus(folder: &str) -> Vec<(String, Vec<u8>)> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/audience/corpus").join(folder);
    let mut found: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    found.sort();
    found
}

fn directory() -> Index {
    let tag = |id, kind, name: &str| Tag::new(id, kind, name);
    let department =
        Department { id: 1, external_id: "cs".to_owned(), parent_id: None, name: String::new(), version: 1 };
    Index::new(DirectoryImage {
        seq: 1,
        users: (1..=9).map(|n| (n, n.to_string())).collect(),
        departments: vec![department],
        aliases: Vec::new(),
        tags: vec![
            (tag(1, TagKind::Everyone, ""), (1..8).collect()),
            (tag(2, TagKind::Department, "cs"), (1..5).collect()),
            (tag(3, TagKind::Static, "a"), (3..9).collect()),
            (tag(4, TagKind::Static, "k:1"), (5..7).collect()),
        ],
        ..DirectoryImage::default()
    })
}

/// Terms, and the deepest nesting that the tree itself shows.
fn size(tree: &Expression) -> (usize, usize) {
    let all = |parts: &[Expression]| {
        parts.iter().map(size).fold((0, 0), |(terms, depth), (more, deep)| (terms + more, depth.max(deep)))
    };
    match tree {
        Expression::Term(_) => (1, 0),
        Expression::Not(inner) => (size(inner).0, size(inner).1 + 1),
        Expression::And(parts) | Expression::Or(parts) => (all(parts).0, all(parts).1 + 1),
    }
}

fn fact<'a>(refusal: &'a Refusal, key: &str) -> Option<&'a str> {
    refusal.metadata.iter().find(|(known, _)| *known == key).map(|(_, value)| value.as_str())
}

/// What holds for every input; returns the kind of answer.
fn hold(input: &[u8], snapshot: &Snapshot) -> String {
    let text = String::from_utf8_lossy(input);
    match parse(&text) {
        Ok(tree) => {
            let (terms, depth) = size(&tree);
            // A level without parentheses of its own counts one in the tree and none in the text.
            assert!((1..=64).contains(&terms) && depth <= 17 && text.len() <= 4_096);
            let canonical = tree.to_string();
            if canonical.len() <= 4_096 {
                assert_eq!(parse(&canonical).as_ref(), Ok(&tree), "the canonical text means the same");
            }
            let people = expression(&tree, snapshot, &Usable::any(At(0)));
            assert!(people.as_ref().map_or(true, |set| set.max().is_none_or(|last| last < 10)));
            let known = people.map_or_else(|refusal| refusal.reason.text(), |_| "resolved");
            format!("{} {terms} {depth} {known}", canonical.split(' ').filter(|word| word.len() < 4).count())
        }
        Err(refusal) => {
            holds_of_refusal(&text, &refusal);
            let suggested = fact(&refusal, "suggestion").is_some();
            format!("{} {:?} {suggested}", refusal.reason.text(), fact(&refusal, "expected"))
        }
    }
}

fn holds_of_refusal(text: &str, refusal: &Refusal) {
    assert_eq!(refusal.field.as_deref(), Some("audience.expression"));
    assert!(!refusal.message.chars().any(char::is_control), "{:?}", refusal.message);
    let told: usize = refusal.metadata.iter().map(|(_, value)| value.len()).sum();
    assert!(refusal.message.len() + told < 8_000, "an answer fits its header");
    match refusal.reason {
        Reason::AudienceSyntax => {
            let position: usize = fact(refusal, "position").unwrap().parse().unwrap();
            assert!((1..=text.chars().count() + 1).contains(&position));
            assert!(fact(refusal, "expected").is_some_and(|expected| !expected.is_empty()));
        }
        Reason::AudienceAmbiguous => {
            let readings = [fact(refusal, "reading_a").unwrap(), fact(refusal, "reading_b").unwrap()];
            assert_ne!(readings[0], readings[1]);
        }
        Reason::AudienceTooComplex => assert!(fact(refusal, "limit").is_some()),
        other => panic!("{other:?} is no answer of a parser"),
    }
    let mut next = fact(refusal, "suggestion").map(str::to_owned);
    for step in 0.. {
        let Some(mended) = next else { break };
        assert!(step < SUGGESTIONS_MAX && mended != text, "suggestions lead in a ring: {mended:?}");
        next = parse(&mended).err().and_then(|refusal| fact(&refusal, "suggestion").map(str::to_owned));
    }
}

/// [`hold`], and the input in full where it does not.
fn check(input: &[u8], snapshot: &Snapshot) -> String {
    catch_unwind(AssertUnwindSafe(|| hold(input, snapshot)))
        .unwrap_or_else(|_| panic!("this input fails: b\"{}\"", input.escape_ascii()))
}

/// One or more small changes.
fn mutated(pool: &[Vec<u8>], chance: &mut StdRng) -> Vec<u8> {
    let mut made = pool[chance.random_range(0..pool.len())].clone();
    for _ in 0..chance.random_range(1..5) {
        let (a, b) = (chance.random_range(0..=made.len()), chance.random_range(0..=made.len()));
        let (from, to) = (a.min(b), a.max(b).min(a.min(b) + 40));
        match chance.random_range(0..8) {
            0 => drop(made.drain(from..to)),
            1 | 2 => {
                let word = WORDS[chance.random_range(0..WORDS.len())];
                let word = if chance.random_bool(0.5) { format!(" {word} ") } else { word.to_owned() };
                made.splice(from..from, word.bytes());
            }
            3 => {
                let piece = made[from..to].repeat(chance.random_range(1..20));
                made.splice(from..from, piece);
            }
            4 if from < made.len() => made[from] ^= 1 << chance.random_range(0..8),
            5 => made.truncate(to),
            6 => made[from..to].iter_mut().for_each(u8::make_ascii_uppercase),
            _ => {
                let other = &pool[chance.random_range(0..pool.len())];
                let cut = chance.random_range(0..=other.len());
                made.splice(from.., other[cut..].iter().copied());
            }
        }
    }
    made.truncate(5_000);
    made
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

#[test]
fn the_corpus_is_read_and_refused_as_it_is_sorted() {
    let snapshot = directory().snapshot();
    for (name, input) in corpus("read") {
        check(&input, &snapshot);
        parse(str::from_utf8(&input).unwrap()).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
    }
    for (name, input) in corpus("refused") {
        check(&input, &snapshot);
        assert!(parse(&String::from_utf8_lossy(&input)).is_err(), "{name} is read");
    }
}

#[test]
fn nothing_that_grows_out_of_the_corpus_does_harm() {
    let (rounds, seed) = (setting("CAMPANILE_FUZZ_ROUNDS", 100_000), setting("CAMPANILE_FUZZ_SEED", 1));
    let snapshot = directory().snapshot();
    let mut pool: Vec<Vec<u8>> = ["read", "refused"].into_iter().flat_map(corpus).map(|(_, input)| input).collect();
    let given = pool.len();
    let mut seen: BTreeSet<String> = pool.iter().map(|input| check(input, &snapshot)).collect();
    let mut chance = StdRng::seed_from_u64(seed);
    let (mut slowest, mut resolved) = (Duration::ZERO, 0_u64);
    for _ in 0..rounds {
        let input = mutated(&pool, &mut chance);
        let started = Instant::now();
        let answer = check(&input, &snapshot);
        slowest = slowest.max(started.elapsed());
        resolved += u64::from(answer.ends_with("resolved"));
        if seen.insert(answer) && pool.len() < KEPT_MAX {
            pool.push(input);
        }
    }
    let kept = pool.len() - given;
    println!(
        "{rounds} inputs from {given}, seed {seed}: {} answers, {kept} kept, {resolved} resolved, {slowest:?} for the slowest",
        seen.len()
    );
    let all =
        ["AUDIENCE_SYNTAX", "AUDIENCE_AMBIGUOUS", "AUDIENCE_TOO_COMPLEX", "UNKNOWN_TAG", "UNKNOWN_USER", "resolved"];
    for kind in all {
        assert!(seen.iter().any(|answer| answer.contains(kind)), "{kind} was never answered");
    }
}
