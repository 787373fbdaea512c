//! Several nodes as processes on one private PostgreSQL, and where it matters one private Redis. One is killed, one is
//! stopped for a while and goes on, the database restarts, Redis goes away or forgets, everybody publishes the same,
//! rights end, messages are called off: what was promised holds on all of them together.
//!
//! An ordinary run has few rounds of each. With CAMPANILE_NIGHTLY=1 in the environment there are many.

mod cancel;
mod crowd;
mod freeze;
mod identical;
mod kill;
mod nodes;
mod rate;
mod redis;
mod restart;
mod revoke;
#[cfg(feature = "sabotage")]
mod sabotage;

use super::checker::Finding;

/// Set for the long form.
const NIGHTLY: &str = "CAMPANILE_NIGHTLY";

/// How many rounds: few, or in the long form many.
fn rounds(few: usize, many: usize) -> usize {
    if is_nightly() { many } else { few }
}

/// Whether this is the long form.
fn is_nightly() -> bool {
    std::env::var_os(NIGHTLY).is_some_and(|value| value == "1")
}

/// Fails with the first findings, if there are any.
fn assert_none(findings: &[Finding], seed: u64) {
    let shown = &findings[..findings.len().min(20)];
    assert!(findings.is_empty(), "seed {seed}: {} findings: {shown:#?}", findings.len());
}
