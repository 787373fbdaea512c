//! Pure values and pure decisions. No async, no I/O, nothing of the rest of the crate.
//!
//! Read in the order of a message's life: who and where ([`directory`], [`audience`]), who may
//! ([`access`], [`role`]), what ([`content`], [`message`]), how it is cut up ([`leg`], [`batch`]) what became of it
//! ([`verdict`], [`outcome`]), and who does the work ([`node`]).

pub mod access;
pub mod address;
pub mod audience;
pub mod audit;
pub mod batch;
pub mod certificate;
pub mod change;
pub mod channel;
pub mod class;
pub mod content;
pub mod directory;
pub mod id;
pub mod language;
pub mod leg;
pub mod line;
pub mod message;
pub mod network;
pub mod node;
pub mod outcome;
pub mod page;
pub mod refusal;
pub mod relation;
pub mod request;
pub mod review;
pub mod role;
pub mod set;
pub mod tag;
pub mod time;
pub mod topic;
pub mod verdict;
