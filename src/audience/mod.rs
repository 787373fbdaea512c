//! Who a message is for: text is parsed into a tree ([`parse`]), the tree is planned and resolved to a set
//! ([`resolve`]) over an in-memory picture of the directory ([`index`], [`snapshot`]) that follows the change
//! feed.
//!
//! The audience fails closed: what is unknown, unusable, cyclic or too complex is refused and names nobody.

pub mod index;
mod lexer;
mod mend;
pub mod nearest;
pub mod parse;
mod plan;
pub mod resolve;
pub mod rule;
pub mod show;
pub mod snapshot;
pub mod tree;
pub mod users;
pub mod words;

mod advance;

#[cfg(test)]
pub(crate) mod tests;

pub use index::Index;
pub use resolve::{Resolved, Usable};
pub use snapshot::Snapshot;
