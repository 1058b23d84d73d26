//! What `wrangler dev` and `wrangler deploy` run: checks terrace.toml, builds the Worker, and lays out its modules in
//! `target/worker`, where wrangler.toml looks for them. Needs nothing but rustup. The Worker is given what terrace.toml says as
//! JSON, since a reader of TOML and all that is said of errors would be a fifth of its size.
//!
//! With the argument `configuration` it only checks a terrace.toml, from standard input, and prints that JSON.
//!
//! Everything here is pinned by Cargo.lock; the official `worker-build` would download its tools.

use anyhow::{Context, Result, anyhow, ensure};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use terrace_core::config::Config;
use wasm_bindgen_cli_support::Bindgen;

const PACKAGE: &str = "terrace-cloudflare";
const TARGET: &str = "wasm32-unknown-unknown";
const PROFILE: &str = "worker";

/// The JavaScript of the Worker, as it is.
const SCRIPTS: [&str; 2] = ["worker.mjs", "platform.mjs"];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let done = match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => build(),
        (Some("configuration"), None) => convert(),
        _ => Err(anyhow!("give no argument, to build, or `configuration`, to turn a terrace.toml into JSON")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why:#}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<()> {
    // As cargo says when it runs this: clones that share a target folder share this program.
    let own = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let root = own.join("../../..").canonicalize()?;
    let out = root.join("target/worker");
    let configuration = root.join("terrace.toml");
    let text = std::fs::read_to_string(&configuration).with_context(|| configuration.display().to_string())?;
    // Before anything is built: it takes a moment, and is the more likely mistake.
    let told = told(&text)?;
    set_up_target(&root)?;
    let wasm = compile(&root)?;
    std::fs::create_dir_all(&out).with_context(|| out.display().to_string())?;
    bind(&wasm, &out)?;
    for script in SCRIPTS {
        replace(&out.join(script), &std::fs::read(root.join("edge/cloudflare/js").join(script))?)?;
    }
    replace(&out.join("terrace.json"), told.as_bytes())
}

/// What the Worker is told of a terrace.toml.
fn told(text: &str) -> Result<String> {
    let config = Config::parse(text, "terrace.toml").map_err(|errors| anyhow!("{errors}"))?;
    Ok(config.to_json()?)
}

fn convert() -> Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("standard input")?;
    println!("{}", told(&text)?);
    Ok(())
}

/// Writes a file unless it is like that already: `wrangler dev` watches them.
fn replace(path: &Path, content: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    std::fs::write(path, content).with_context(|| path.display().to_string())
}

/// Makes the Wasm module and its JavaScript half.
fn bind(wasm: &Path, out: &Path) -> Result<()> {
    let mut output = Bindgen::new()
        .module(true)?
        .input_path(wasm)
        .out_name("terrace")
        .typescript(false)
        .reset_state_function(true)
        .force_enable_abort_handler(true)
        .remove_producers_section(true)
        .remove_name_section(true)
        .generate_output()?;
    for (crate_id, snippets) in output.snippets() {
        let folder = out.join("snippets").join(crate_id);
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        for (n, snippet) in snippets.iter().enumerate() {
            replace(&folder.join(format!("inline{n}.js")), snippet.as_bytes())?;
        }
    }
    // Workers import a compiled module by a plain import.
    let script = output.js().replace("import source ", "import ");
    replace(&out.join("terrace.js"), script.as_bytes())?;
    replace(&out.join("terrace_bg.wasm"), &output.wasm_mut().emit_wasm())
}

/// The toolchain that rust-toolchain.toml names, whichever one runs this.
fn command(program: &str, root: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root).stdin(Stdio::null());
    command
}

fn compile(root: &Path) -> Result<PathBuf> {
    let mut cargo = command("cargo", root);
    cargo.args(["build", "--locked", "--package", PACKAGE, "--profile", PROFILE, "--target", TARGET]);
    // Flags meant for the native build must not leak into this one.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(name);
    }
    let status = cargo.status().context("cargo cannot be run: install Rust by https://rustup.rs")?;
    ensure!(status.success(), "the Worker did not build; its errors are above");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    Ok(target.join(TARGET).join(PROFILE).join(format!("{}.wasm", PACKAGE.replace('-', "_"))))
}

/// rustup installs the targets of rust-toolchain.toml by itself, unless it may not.
fn set_up_target(root: &Path) -> Result<()> {
    let here = || {
        let output = command("rustc", root).args(["--print", "target-libdir", "--target", TARGET]).output().ok()?;
        Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim().to_owned())).filter(|folder| folder.is_dir())
    };
    if here().is_none() {
        let added = command("rustup", root).args(["target", "add", TARGET]).status();
        ensure!(
            added.is_ok_and(|status| status.success()) && here().is_some(),
            "the Rust target {TARGET} is missing and could not be added. Run: rustup target add {TARGET}"
        );
    }
    Ok(())
}
