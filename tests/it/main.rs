//! Everything that needs the whole house: one binary, one link.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod access;
mod api;
mod audience;
mod audit;
mod channel;
mod coordination;
mod directory;
mod documents;
mod edge;
mod foreign;
mod inbox;
mod process;
mod publish;
mod sim;
mod store;
mod support;
