//! Campanile, a unified message push service.

pub mod access;
pub mod api;
pub mod app;
pub mod audience;
pub mod channel;
pub mod config;
pub mod coordination;
pub mod delivery;
pub mod directory;
pub mod domain;
pub mod edge;
pub mod inbox;
pub mod operations;
pub mod publish;
pub mod report;
pub mod runtime;
pub mod standin;
pub mod store;
pub mod telemetry;
