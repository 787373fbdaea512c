//! The audience expression as a tree, and the audience of a message as the caller gave it.
//!
//! Reading text into the tree is `audience::parse`; turning a tree into a set is `audience::resolve`.

/// Limits of an expression: bytes of text, terms, and depth of parentheses and negations.
pub const TEXT_BYTES_MAX: usize = 4 * 1024;
/// The most terms in one expression.
pub const TERMS_MAX: usize = 64;
/// The deepest nesting of one expression.
pub const DEPTH_MAX: usize = 16;
/// The most users in one list.
pub const USER_LIST_MAX: usize = 1_000;

/// Whom a message is for, as the caller says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// An audience expression, for people.
    Expression(String),
    /// A list of users, for machines.
    Users {
        /// External ids, in the caller's order.
        ids: Vec<String>,
        /// What to do about ids that nobody has.
        unknown: UnknownUsers,
    },
}

/// What to do about ids in a user list that nobody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownUsers {
    /// Refuse the publish.
    Reject,
    /// Leave them out and list them in the answer.
    Skip,
}

/// An expression as a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// One named set.
    Term(Term),
    /// Those not in it, of `everyone`.
    Not(Box<Expression>),
    /// Those in all of them; two or more.
    And(Vec<Expression>),
    /// Those in any of them; two or more.
    Or(Vec<Expression>),
}

/// One named set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// Everybody who receives.
    Everyone,
    /// A tag: `grade:2021`, or `tag:freshman` for a plain one.
    Tag(String),
    /// A department and all below it: `department:cs`.
    Under(String),
    /// A department without those below it: `department=cs`.
    Exactly(String),
    /// One user: `user:3121151001`.
    User(String),
}
