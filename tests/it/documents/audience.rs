//! `docs/audience.md`: its examples are read or refused as it says, and all that its grammar makes is read.

use std::collections::HashMap;
use std::fs;

use campanile::audience::parse::parse;
use campanile::domain::refusal::{Reason, Refusal};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::root;

fn document() -> String {
    fs::read_to_string(root().join("docs/audience.md")).unwrap()
}

/// The rows of all tables whose first column has this heading, without backticks.
fn rows<'a>(text: &'a str, heading: &str, columns: usize) -> Vec<Vec<&'a str>> {
    let cells = |line: &'a str| -> Vec<&'a str> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect()
    };
    let mut found = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.starts_with('|') {
            false => inside = false,
            true if cells(line)[0] == heading => inside = cells(line).len() == columns,
            true if inside && !line.contains("---") => found.push(cells(line)),
            true => {}
        }
    }
    found
}

fn fact<'a>(refusal: &'a Refusal, key: &str) -> &'a str {
    refusal.metadata.iter().find(|(known, _)| *known == key).map_or("", |(_, value)| value)
}

#[test]
fn examples_of_the_audience_document_are_read_or_refused_as_it_says() {
    let text = document();
    let read = [rows(&text, "term", 2), rows(&text, "expression", 2)].concat();
    assert!(read.len() >= 14, "{read:?}");
    for row in read {
        parse(row[0]).unwrap_or_else(|refusal| panic!("{}: {refusal}", row[0]));
    }
    let refused = rows(&text, "expression", 4);
    assert!(refused.len() >= 18, "{refused:?}");
    for row in refused {
        let refusal = parse(row[0]).expect_err(row[0]);
        let told = [refusal.reason.text(), fact(&refusal, "position"), fact(&refusal, "suggestion")];
        assert_eq!(told, row[1..], "{}", row[0]);
        if !row[3].is_empty() {
            parse(row[3]).unwrap_or_else(|refusal| panic!("{}: {refusal}", row[3]));
        }
    }
}

/// The rules of the grammar: names to the words of their right-hand sides.
fn grammar(text: &str) -> HashMap<&str, Vec<&str>> {
    let block = text.split_once("```ebnf\n").unwrap().1.split_once("```").unwrap().0;
    let rules = block.split(" ;\n").filter(|rule| !rule.trim().is_empty());
    rules
        .map(|rule| rule.split_once('=').unwrap())
        .map(|(name, right)| (name.trim(), right.split_whitespace().collect()))
        .collect()
}

/// Makes texts by the rules.
struct Maker<'a> {
    rules: HashMap<&'a str, Vec<&'a str>>,
    chance: StdRng,
    made: String,
    terms: usize,
}

impl<'a> Maker<'a> {
    fn rule(&mut self, name: &str, depth: usize) {
        // Deep down the shortest of each rule is taken, so that every text ends.
        let right = match (name, depth > 24) {
            ("set", true) => vec!["one"],
            ("one", true) => vec!["term"],
            ("removal", true) => vec!["\"NOT\"", "term"],
            _ => self.rules[name].clone(),
        };
        self.terms += usize::from(name == "term");
        self.one_of(&right, depth + 1);
    }

    fn one_of(&mut self, words: &[&'a str], depth: usize) {
        let alternatives: Vec<_> = split(words);
        let chosen = alternatives[self.chance.random_range(0..alternatives.len())];
        let mut rest = chosen;
        while let Some((&word, after)) = rest.split_first() {
            rest = after;
            match word {
                "{" | "(" => {
                    let end = closing(rest);
                    let times = if word == "{" { self.chance.random_range(0..3) } else { 1 };
                    (0..times).for_each(|_| self.one_of(&rest[..end], depth));
                    rest = &rest[end + 1..];
                }
                "PART" => self.pick(&["x", "2021", "创新港", "é", "a.b_c-d", "ΑΒ"]),
                "ID" => self.pick(&["cs", "3121151001", "A.b_c-1", "0"]),
                _ => match word.strip_prefix('"') {
                    Some(literal) => self.literal(literal.trim_end_matches('"')),
                    None => self.rule(word, depth),
                },
            }
        }
    }

    fn pick(&mut self, from: &[&str]) {
        self.made.push_str(from[self.chance.random_range(0..from.len())]);
    }

    /// Operators get blanks and any case; what belongs to a term gets none.
    fn literal(&mut self, text: &str) {
        let operator = ["AND", "OR", "NOT"].contains(&text);
        let text = if self.chance.random_bool(0.2) { text.to_ascii_lowercase() } else { text.to_owned() };
        let blank = ["", " ", "\t\u{3000}\n"][if operator { self.chance.random_range(1..3) } else { 0 }];
        self.made.extend([blank, &text, blank]);
    }
}

/// The alternatives of a right-hand side.
fn split<'b, 'a>(words: &'b [&'a str]) -> Vec<&'b [&'a str]> {
    let (mut found, mut from, mut depth) = (Vec::new(), 0, 0);
    for (place, word) in words.iter().enumerate() {
        match *word {
            "{" | "(" => depth += 1,
            "}" | ")" => depth -= 1,
            "|" if depth == 0 => {
                found.push(&words[from..place]);
                from = place + 1;
            }
            _ => {}
        }
    }
    found.push(&words[from..]);
    found
}

fn closing(words: &[&str]) -> usize {
    let mut depth = 0;
    words
        .iter()
        .position(|word| {
            depth += i32::from(matches!(*word, "{" | "(")) - i32::from(matches!(*word, "}" | ")"));
            depth < 0
        })
        .unwrap()
}

#[test]
fn all_that_the_grammar_of_the_audience_document_makes_is_read() {
    let text = document();
    let (mut read, mut large) = (0, 0);
    for seed in 0..4_000 {
        let chance = StdRng::seed_from_u64(seed);
        let mut maker = Maker { rules: grammar(&text), chance, made: String::new(), terms: 0 };
        maker.rule("expression", 0);
        match parse(&maker.made) {
            Ok(_) => read += 1,
            Err(refusal) if refusal.reason == Reason::AudienceTooComplex => large += 1,
            Err(refusal) => panic!("seed {seed}: {refusal}\n{}", maker.made),
        }
        assert!(maker.terms > 0);
    }
    assert!(read > 1_000, "{read} were read, {large} were too large");
}
