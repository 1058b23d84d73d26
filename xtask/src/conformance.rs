//! `cargo xtask conformance`.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use terrace_tests::conformance;
use terrace_tests::host::{Host, workerd};

#[derive(Args)]
#[command(
    after_help = "Example:\n  cargo xtask conformance --bless\n\nThe table is written to target/conformance/HOST.md."
)]
pub struct Options {
    /// The host to run against.
    #[arg(long, default_value = "wasmtime")]
    host: Name,
    /// Make what passes now the baseline, which may only rise.
    #[arg(long)]
    bless: bool,
    /// Do not build the program, or the Worker, first.
    #[arg(long)]
    no_build: bool,
}

#[derive(Args)]
#[command(after_help = "Example:\n  cargo xtask conformance-page --bless\n\nThe page is docs/conformance.md.")]
pub struct Page {
    /// Write the page anew.
    #[arg(long)]
    bless: bool,
}

/// Compares the page with the committed results, or writes it.
pub fn page(options: &Page) -> Result<()> {
    if options.bless {
        std::fs::write(conformance::page::file(), conformance::page::written()?)?;
    }
    conformance::page::check()
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Name {
    Wasmtime,
    LikeSpin,
    LikeSpinFresh,
    Spin,
    Workerd,
}

pub fn run(options: &Options) -> Result<()> {
    let host = match options.host {
        Name::Wasmtime => Host::Wasmtime,
        Name::LikeSpin => Host::LikeSpin,
        Name::LikeSpinFresh => Host::LikeSpinFresh,
        Name::Spin => Host::Spin,
        Name::Workerd => Host::Workerd,
    };
    if !options.no_build {
        crate::test::set_up_targets()?;
        match host {
            Host::Workerd => {
                workerd::install()?;
                workerd::build()?;
            }
            _ => crate::test::build_program()?,
        }
    }
    if let Some(why) = host.missing() {
        bail!("{} is not here: {why}", host.name());
    }
    let outcome = conformance::run(host)?;
    let folder = crate::test::target().join("conformance");
    std::fs::create_dir_all(&folder)?;
    let table = folder.join(format!("{}.md", host.name()));
    std::fs::write(&table, outcome.table())?;
    println!("{}", outcome.table());
    let judged = if options.bless { outcome.bless().and_then(|()| outcome.judge()) } else { outcome.judge() };
    println!("{}\nwritten to {}", outcome.summary(), table.display());
    let risen = judged?;
    if !risen.is_empty() {
        println!("{risen}");
    }
    Ok(())
}
