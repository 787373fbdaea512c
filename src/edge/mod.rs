//! The HTTP edge: the same interface as JSON, for callers without gRPC.
//!
//! [`json`] turns a JSON call into the gRPC call that it stands for and the answer back; it knows no service by
//! name. [`refused`] is what a caller reads then. [`server`] listens.

pub mod json;
mod once;
mod refused;
pub mod server;
mod unary;
