//! What an expression means, told a second time: trees over plain vectors, one bit a person. At most 100 lines that
//! use nothing of the project, so that reading them is enough to believe them.

use rand::Rng;
use rand::rngs::StdRng;

/// One bit a person.
pub type People = Vec<u64>;

/// An expression; a term is a place in the world.
pub enum Tree {
    Term(usize),
    Not(Box<Tree>),
    And(Vec<Tree>),
    Or(Vec<Tree>),
}

/// Every term: how it is written, and its people.
#[derive(Default)]
pub struct World {
    pub everyone: People,
    pub terms: Vec<(String, People)>,
}

fn merge(mut a: People, b: &People, operation: fn(u64, u64) -> u64) -> People {
    a.iter_mut().zip(b).for_each(|(a, b)| *a = operation(*a, *b));
    a
}

/// Those in any of these.
pub fn union<'a>(all: impl Iterator<Item = &'a People>) -> People {
    all.fold(Vec::new(), |a, b| if a.is_empty() { b.clone() } else { merge(a, b, |a, b| a | b) })
}

impl World {
    /// A term that names those of its people who receive.
    pub fn set(&mut self, text: String, people: &People) {
        self.terms.push((text, merge(people.clone(), &self.everyone, |a, b| a & b)));
    }

    /// A term that names one person, whether she receives or not.
    pub fn person(&mut self, text: String, n: usize) {
        let mut people = vec![0; self.everyone.len()];
        people[n / 64] = 1 << (n % 64);
        self.terms.push((text, people));
    }

    /// Who is in it.
    pub fn people(&self, tree: &Tree) -> People {
        match tree {
            Tree::Term(n) => self.terms[*n].1.clone(),
            Tree::Not(inner) => self.people(inner).into_iter().map(|word| !word).collect(),
            Tree::And(parts) => self.fold(parts, |a, b| a & b),
            Tree::Or(parts) => self.fold(parts, |a, b| a | b),
        }
    }

    fn fold(&self, parts: &[Tree], operation: fn(u64, u64) -> u64) -> People {
        parts[1..].iter().fold(self.people(&parts[0]), |a, b| merge(a, &self.people(b), operation))
    }

    /// A random expression in which `NOT` always has something to take from.
    pub fn tree(&self, chance: &mut StdRng, depth: usize) -> Tree {
        let kind = if depth == 0 { 0 } else { chance.random_range(0..20) };
        if kind < 7 {
            return Tree::Term(chance.random_range(0..self.terms.len()));
        }
        let parts: Vec<Tree> = (0..chance.random_range(2..4)).map(|_| self.tree(chance, depth - 1)).collect();
        if kind < 13 {
            return Tree::Or(parts);
        }
        let kept = chance.random_range(0..parts.len());
        let mut not = |n| n != kept && chance.random_bool(0.5);
        let parts = parts.into_iter().enumerate();
        Tree::And(parts.map(|(n, part)| if not(n) { Tree::Not(Box::new(part)) } else { part }).collect())
    }

    /// How it is written: operators in any case, and parentheses where they are needed or do no harm.
    pub fn text(&self, tree: &Tree, chance: &mut StdRng) -> String {
        let mut word = |words: [&'static str; 3]| words[chance.random_range(0..3)];
        match tree {
            Tree::Term(n) => self.terms[*n].0.clone(),
            Tree::Not(inner) => format!("{} {}", word(["NOT", "not", "Not"]), self.operand(inner, chance)),
            Tree::And(parts) | Tree::Or(parts) => {
                let and = matches!(tree, Tree::And(_));
                let operator = word(if and { [" AND ", " and ", "\tAnd\n"] } else { [" OR ", " or ", "  oR "] });
                parts.iter().map(|part| self.operand(part, chance)).collect::<Vec<_>>().join(operator)
            }
        }
    }

    fn operand(&self, tree: &Tree, chance: &mut StdRng) -> String {
        let text = self.text(tree, chance);
        let bare = matches!(tree, Tree::Term(_) | Tree::Not(_)) && chance.random_bool(0.9);
        if bare { text } else { format!("({text})") }
    }
}
