//! `cargo xtask test`: every set-up, every check, one summary.

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;
use terrace_tests::host::workerd;
use terrace_tests::{conformance, root};

#[derive(Args)]
#[command(
    after_help = "Example:\n  cargo xtask test\n\nThe suites need Node 20 or later with npm, for themselves and for wrangler."
)]
pub struct Options {
    /// Stop at the first step that fails.
    #[arg(long)]
    fail_fast: bool,
}

/// The targets that the workspace builds for.
const TARGETS: [&str; 2] = ["wasm32-wasip2", "wasm32-unknown-unknown"];

/// Where cargo builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A cargo that picks its toolchain anew, from the repository's root.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    // What cargo told this program about itself is not for the next one.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") || text == "CARGO" {
            command.env_remove(&name);
        }
    }
    command
}

/// The command as one would type it.
fn shown(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

pub fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| shown(command))?;
    ensure!(status.success(), "`{}`: {status}", shown(command));
    Ok(())
}

/// Adds the wasm targets where they are missing; rustup does it by itself only where it may.
pub fn set_up_targets() -> Result<()> {
    for target in TARGETS {
        let mut ask = Command::new("rustc");
        ask.args(["--print", "target-libdir", "--target", target]).current_dir(root());
        let output = ask.output().context("rustc")?;
        let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        if output.status.success() && folder.is_dir() {
            continue;
        }
        let mut add = Command::new("rustup");
        add.args(["target", "add", target]).current_dir(root());
        succeed(&mut add).with_context(|| format!("the target {target} is missing and `rustup target add` failed"))?;
    }
    Ok(())
}

/// Adds clippy and rustfmt where they are missing.
fn set_up_components() -> Result<()> {
    for (component, name) in [("clippy", "clippy"), ("rustfmt", "fmt")] {
        let here = cargo(&[name, "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !here.is_ok_and(|status| status.success()) {
            let mut add = Command::new("rustup");
            add.args(["component", "add", component]).current_dir(root());
            succeed(&mut add).with_context(|| format!("{component} is missing and `rustup component add` failed"))?;
        }
    }
    Ok(())
}

/// Builds the program that the suites run, once, as users do.
pub fn build_program() -> Result<()> {
    succeed(&mut cargo(&["build", "--release", "--locked", "-p", "terrace"]))
}

/// The component, as the host's build builds it and in the same place.
const COMPONENT: [&str; 7] = ["--locked", "-p", "terrace-spin", "--profile", "guest", "--target", "wasm32-wasip2"];

/// Builds the component.
pub fn build_component() -> Result<()> {
    succeed(cargo(&["build"]).args(COMPONENT).arg("--target-dir").arg(target().join("guest")))
}

/// What test runners said.
#[derive(Default)]
struct Count {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Count {
    /// Takes in `test result: ok. 3 passed; 0 failed; 1 ignored; ...`.
    fn line(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("test result: ") else { return };
        for part in rest.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let (number, what) = (words.next().and_then(|word| word.parse::<u64>().ok()), words.next());
            match (number, what) {
                (Some(number), Some("passed")) => self.passed += number,
                (Some(number), Some("failed")) => self.failed += number,
                (Some(number), Some("ignored")) => self.ignored += number,
                _ => {}
            }
        }
    }
}

struct Run {
    count: Count,
    steps: Vec<(&'static str, Result<()>, f32)>,
    fail_fast: bool,
}

impl Run {
    fn step(&mut self, name: &'static str, work: impl FnOnce(&mut Count) -> Result<()>) {
        if self.stopped() {
            return;
        }
        eprintln!("\n=== {name}");
        let started = Instant::now();
        let done = work(&mut self.count);
        if let Err(why) = &done {
            eprintln!("--- {name} failed: {why:#}");
        }
        self.steps.push((name, done, started.elapsed().as_secs_f32()));
    }

    fn stopped(&self) -> bool {
        self.fail_fast && self.failed() > 0
    }

    fn failed(&self) -> usize {
        self.steps.iter().filter(|(_, done, _)| done.is_err()).count()
    }
}

/// Runs a test runner, shows what it prints, and counts.
fn count(command: &mut Command, count: &mut Count) -> Result<()> {
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| shown(command))?;
    let stdout = child.stdout.take().context("stdout")?;
    for line in BufReader::new(stdout).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        println!("{line}");
        count.line(&line);
    }
    let status = child.wait()?;
    ensure!(status.success(), "`{}`: {status}", shown(command));
    Ok(())
}

pub fn run(options: &Options) -> Result<()> {
    let started = Instant::now();
    // What cannot be mended by trying the rest: said before anything is built.
    set_up_targets()?;
    set_up_components()?;
    conformance::install()?;
    workerd::install()?;
    crate::packages::install();

    let mut run = Run { count: Count::default(), steps: vec![], fail_fast: options.fail_fast };
    run.step("formatting", |_| succeed(&mut cargo(&["fmt", "--all", "--check"])));
    run.step("release build", |_| build_program());
    // In release as well, since macros and build scripts of the dependencies are then there already.
    let native = ["clippy", "--locked", "--release", "--workspace", "--all-targets"];
    let wasm = ["--exclude", "terrace-spin", "--exclude", "terrace-cloudflare"];
    run.step("clippy", |_| succeed(cargo(&native).args(wasm).args(["--", "-D", "warnings"])));
    // Where the host's build built it, for the same reason.
    run.step("clippy, the component", |_| {
        let mut clippy = cargo(&["clippy"]);
        succeed(clippy.args(COMPONENT).arg("--target-dir").arg(target().join("guest")).args(["--", "-D", "warnings"]))
    });
    run.step("the Worker, by wrangler deploy --dry-run", |_| workerd::build());
    let worker = ["clippy", "--locked", "-p", "terrace-cloudflare", "--profile", "worker"];
    run.step("clippy, the Worker", |_| {
        succeed(cargo(&worker).args(["--target", "wasm32-unknown-unknown", "--", "-D", "warnings"]))
    });
    run.step("size", |_| crate::size::check());
    let chores = ["test", "--locked", "-p", "terrace-core", "-p", "terrace-worker-build", "-p", "xtask"];
    run.step("unit tests: core and chores", |sum| count(cargo(&chores).arg("--no-fail-fast"), sum));
    // In release, for the millions of requests.
    let simulation = ["test", "--locked", "--release", "-p", "terrace-simulation", "--no-fail-fast"];
    run.step("simulation", |sum| count(&mut cargo(&simulation), sum));
    // In release, as wasmtime is built once and not twice.
    let host = ["test", "--locked", "--release", "-p", "terrace-host", "-p", "terrace", "--no-fail-fast"];
    run.step("unit tests: host and program", |sum| count(&mut cargo(&host), sum));
    let suites = ["test", "--locked", "-p", "terrace-tests", "--no-fail-fast"];
    let program = target().join("release/terrace");
    run.step("behaviour, conformance, the Worker's stores", |sum| {
        count(cargo(&suites).env("TERRACE_BIN", program).env("RUST_TEST_THREADS", "6"), sum)
    });

    println!();
    for (name, done, seconds) in &run.steps {
        println!("{:>8.1} s  {}  {name}", seconds, if done.is_ok() { "ok    " } else { "FAILED" });
    }
    let Count { passed, failed, ignored } = run.count;
    let verdict = if run.failed() == 0 { "ok" } else { "FAILED" };
    println!(
        "test result: {verdict}. {passed} passed; {failed} failed; {ignored} ignored; {} of {} steps failed; \
         finished in {:.2}s",
        run.failed(),
        run.steps.len(),
        started.elapsed().as_secs_f32()
    );
    if run.failed() > 0 {
        let names: Vec<&str> =
            run.steps.iter().filter(|(_, done, _)| done.is_err()).map(|(name, _, _)| *name).collect();
        bail!("failed: {}", names.join(", "));
    }
    Ok(())
}
