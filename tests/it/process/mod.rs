//! The real program as a process: killed at any moment, told to stop, started again on the same data; its commands
//! and its demo.

mod audit;
mod author;
mod campus;
mod checker;
mod cluster;
mod commands;
mod demo;
mod kill;
mod oracle;
mod restart;
mod review;
mod sabotage;
mod service;
mod tls;
