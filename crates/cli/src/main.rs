//! terrace: the program. `serve` puts the cache before an API, `demo` shows it before a slow origin of its own, `check`
//! validates a configuration, `purge` has a running cache forget, `warm` has it fetch.
//!
//! It parses arguments, reads the configuration, and hands both to terrace-host. No rule of caching lives here.
//!
//! Exit codes: 0 done, 1 the answer is no, 2 usage.

mod args;
mod check;
mod client;
mod data_dir;
mod demo;
mod failure;
mod logging;
mod purge;
mod serve;
mod settings;
mod stores;
mod warm;

use clap::Parser;
use std::process::ExitCode;

/// The host moves a few short-lived objects per request on every core; the system's allocator is the slower one at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    logging::start(cli.log, cli.log_level);
    let done = match cli.command {
        args::Command::Serve(args) => serve::run(args),
        args::Command::Demo(args) => demo::run(args),
        args::Command::Check(args) => check::run(&args),
        args::Command::Purge(args) => purge::run(&args),
        args::Command::Warm(args) => warm::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            logging::failure(cli.log, &failure);
            failure.exit_code()
        }
    }
}
