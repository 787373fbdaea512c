//! The real program as a process: killed at any moment, told to stop, started again on the same data.

mod author;
mod campus;
mod checker;
mod kill;
mod oracle;
mod restart;
mod sabotage;
mod service;
