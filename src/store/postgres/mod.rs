//! The backend for many nodes: PostgreSQL 15 or newer, over a pool of connections.
//!
//! Each method is one statement, one snapshot or one transaction of a [`session::Session`], which holds every
//! step to a deadline. Nothing waits for the network inside a lock that another node could need, except the
//! row `change` of `head`, by which the order of change numbers is the order of commits. Whoever changes the
//! directory or cancels takes it first, whoever changes access last of all, and neither waits for the other's
//! rows; so two such writers never lock each other out.
//!
//! A connection that broke is replaced when it is next asked for, so that a restart of the database needs none
//! of a node: calls fail as unavailable meanwhile and succeed afterwards.

mod accept;
mod access;
mod audit;
mod batch;
mod cancel;
mod claim;
mod credential;
mod delivery;
mod department;
mod directory;
mod durability;
mod encode;
mod erasure;
mod fault;
mod feed;
mod history;
mod inbox;
mod inspection;
mod key_use;
mod leaving;
mod leg;
mod made;
mod member;
mod message;
mod node;
mod open;
mod pool;
mod relation;
mod report;
mod request;
mod review;
mod role;
mod row;
mod session;
mod settle;
mod source;
mod tag;
mod tally;
mod topic;
mod upsert;
mod user;

use std::sync::Arc;

use deadpool_postgres::Pool;

pub use durability::Durability;
use fault::fault;
pub use open::Options;

use crate::runtime::clock::SharedClock;

/// The store on PostgreSQL; cheap to clone.
#[derive(Clone)]
pub struct Postgres {
    pool: Pool,
    clock: SharedClock,
    durability: Arc<Durability>,
}
