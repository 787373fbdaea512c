//! What several families of tests stand on.

pub mod app;
pub mod postgres;
pub mod proxy;
pub mod redis;
pub mod refusal;
