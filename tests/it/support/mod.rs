//! What several families of tests stand on.

pub mod app;
pub mod audit;
pub mod postgres;
pub mod proxy;
pub mod redis;
pub mod refusal;
