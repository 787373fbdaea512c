//! The program: a thin door to the command line.

use std::process::ExitCode;

use campanile_cli::Cli;
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whoever reads our output may close it early, as `head` does; that is no fault of the program.
fn end_quietly_with_a_closed_pipe() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let said = info.payload_as_str().unwrap_or_default();
        if said.starts_with("failed printing to stdout") && said.contains("Broken pipe") {
            std::process::exit(0);
        }
        usual(info);
    }));
}

fn main() -> ExitCode {
    end_quietly_with_a_closed_pipe();
    campanile_cli::run(Cli::parse())
}
