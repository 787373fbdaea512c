//! `cargo bench`: our figures beside the limit measured in the same run, as ratios. Absolute times on a shared
//! machine say little; every row names what it counts and who pays for the load.
//!
//! `cargo bench -- publish` runs one part; `--full` runs each longer and larger.

#![expect(clippy::expect_used, reason = "what must hold here stops the run with its own sentence")]

mod audience;
mod campus;
mod cluster;
mod directory;
mod echo;
mod history;
mod load;
mod notice;
mod publish;
mod service;
mod store;
mod watch;

use std::time::{Duration, Instant};

/// How much to measure.
#[derive(Clone, Copy)]
pub struct Effort {
    /// How long a rate is measured.
    pub span: Duration,
    /// Rounds whose median counts.
    pub rounds: usize,
    /// Measure the largest sizes too.
    pub full: bool,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|argument| argument == "echo-server") {
        return runtime().block_on(echo::serve());
    }
    let full = arguments.iter().any(|argument| argument == "--full");
    let effort = if full {
        Effort { span: Duration::from_secs(10), rounds: 3, full }
    } else {
        Effort { span: Duration::from_secs(3), rounds: 1, full }
    };
    let names: Vec<&str> = arguments.iter().map(String::as_str).filter(|name| !name.starts_with("--")).collect();
    let wanted = |name: &str| names.is_empty() || names.contains(&name);
    let began = Instant::now();
    println!("{} cores; the load and the stand-ins run on the same machine\n", cores());
    if wanted("audience") {
        audience::run(effort);
    }
    let runtime = runtime();
    if wanted("store") {
        runtime.block_on(store::run(effort));
    }
    if wanted("history") {
        runtime.block_on(history::run(effort));
    }
    if wanted("directory") {
        runtime.block_on(directory::run(effort));
    }
    if wanted("publish") {
        runtime.block_on(publish::run(effort));
    }
    if wanted("cluster") {
        runtime.block_on(cluster::run(effort));
    }
    if wanted("notice") {
        runtime.block_on(notice::run(effort));
    }
    println!("whole run: {:.0} s", began.elapsed().as_secs_f64());
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// One line: what, our figure, the limit of the same run, the ratio and what it should be.
pub fn row(what: &str, ours: f64, limit: Option<(&str, f64)>, unit: &str, aim: &str) {
    match limit {
        Some((name, limit)) => {
            println!("  {what:<46} {ours:>12.0} {unit:<4} | {name} {limit:>10.0} | ratio {:.2} | {aim}", ours / limit);
        }
        None => println!("  {what:<46} {ours:>12.0} {unit:<4} | {aim}"),
    }
}

/// The middle one.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(0.0)
}
