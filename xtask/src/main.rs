//! Everything a machine does to this repository: `cargo xtask --help`.

mod bench;
mod conformance;
mod cost;
mod packages;
mod size;
mod test;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The chores of terrace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = "Example:\n  cargo xtask test")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Sets everything up and runs every test: what CI runs.
    ///
    /// Installs missing rustup targets, the conformance suite and wrangler (npm), builds the program and the Worker once, and then
    /// runs formatting, clippy, the unit tests, the behaviour suite on every host that is here, and the conformance suite.
    Test(test::Options),
    /// Runs the public HTTP cache test suite and compares it with the baseline.
    Conformance(conformance::Options),
    /// Compares docs/conformance.md with the committed results of the public suite.
    ConformancePage(conformance::Page),
    /// Compares docs/cost.md with what traces cost.
    Cost(cost::Options),
    /// Prints how large the Worker and the Spin component are, and compares with docs/size.md.
    Size(size::Options),
    /// Compares L1 hits of `terrace serve` with native hyper and nginx proxy_cache, on this machine, in one run.
    Bench(bench::Options),
    /// Compares CPU per L1 hit of the Worker with JavaScript Workers that do one `KV.get`, on raw workerd, in one run.
    BenchWorker(bench::worker::Options),
    /// A server that always answers the same: a peer of `bench`.
    #[command(hide = true)]
    BenchNative(bench::native::Options),
    /// A load generator for `bench`, where wrk is not installed.
    #[command(hide = true)]
    BenchLoad(bench::load::Options),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Test(options) => test::run(&options),
        Chore::Conformance(options) => conformance::run(&options),
        Chore::ConformancePage(options) => conformance::page(&options),
        Chore::Cost(options) => cost::run(&options),
        Chore::Size(options) => size::run(&options),
        Chore::Bench(options) => bench::run(&options),
        Chore::BenchWorker(options) => bench::worker::run(&options),
        Chore::BenchNative(options) => bench::native::run(&options),
        Chore::BenchLoad(options) => bench::load::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why:#}");
            ExitCode::FAILURE
        }
    }
}
