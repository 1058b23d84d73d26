//! `cargo xtask cost`: what traces cost, compared with docs/cost.md. The traces are of the simulation, where a test compares them, too.

use crate::test::{cargo, succeed};
use anyhow::Result;
use clap::Args;

#[derive(Args)]
#[command(after_help = "Example:\n  cargo xtask cost --bless\n\nThe page is docs/cost.md; the traces take a minute.")]
pub struct Options {
    /// Write the page anew.
    #[arg(long)]
    bless: bool,
}

pub fn run(options: &Options) -> Result<()> {
    let mut test = cargo(&["test", "--locked", "--release", "-p", "terrace-simulation", "--test", "cost", "page"]);
    match options.bless {
        true => test.env("TERRACE_BLESS", "1"),
        false => test.env_remove("TERRACE_BLESS"),
    };
    succeed(&mut test)
}
