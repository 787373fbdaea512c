//! Private servers for tests and the demo: real ones from the distribution's packages, on free ports, in a
//! folder of their own, ended with their handle and also when this process is killed.
//!
//! Everything here blocks for a moment; within a service call it where blocking is allowed.

mod guard;
pub mod postgres;
pub mod redis;

use std::io;
use std::net::{Ipv4Addr, TcpListener};

pub use self::postgres::Postgres;
pub use self::redis::Redis;

/// Why a private server cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not installed.
    #[error("{program} is not installed; install the package {package} (apt-get install {package})")]
    Missing {
        /// The program.
        program: &'static str,
        /// The distribution's package that has it.
        package: &'static str,
    },
    /// The system refuses a step.
    #[error("a private server cannot be started: {0}")]
    System(#[from] io::Error),
    /// A program ran and failed, or a server did not become ready; with the end of what it said.
    #[error("{program} failed: {said}")]
    Failed {
        /// The program.
        program: &'static str,
        /// The last lines of its log.
        said: String,
    },
}

/// A port of this machine that nobody listened on a moment ago.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
