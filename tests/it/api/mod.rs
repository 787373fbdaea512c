//! The interface as clients see it.

mod access;
mod departments;
mod descriptors;
mod directory;
mod errors;
mod explain;
mod export;
mod health_reflection;
mod history;
mod inbox;
mod keys;
mod leaving;
mod node;
mod operations;
mod people;
mod preview;
mod proof;
mod publish;
mod refusals;
mod relation;
mod review;
mod shared;
mod sync;
mod tags;
mod topics;
