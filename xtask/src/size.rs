//! `cargo xtask size`: how large what users upload is, compared with the committed table.

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use terrace_tests::host::workerd;
use terrace_tests::root;

/// The committed table.
const TABLE: &str = "docs/size.md";

/// What the whole Worker may weigh, in bytes, gzipped: an eighth of what Cloudflare's free plan takes.
const WORKER_LIMIT: usize = 400_000;

/// How far an artifact may be from the table, in percent: compilers and gzip differ by less, a new dependency by more.
const TOLERANCE: usize = 2;

const HEAD: &str = "# Size

What is uploaded, in bytes. `cargo xtask size` compares, and fails where an artifact has grown by more than 2 %, or the Worker is
larger than 400,000 bytes gzipped; `cargo xtask size --bless` writes this page.

| artifact | bytes | gzip |
|---|---:|---:|
";

#[derive(Args)]
#[command(after_help = "Example:\n  cargo xtask size --bless\n\nThe table is docs/size.md.")]
pub struct Options {
    /// Write what is measured into the table.
    #[arg(long)]
    bless: bool,
    /// Do not build first.
    #[arg(long)]
    no_build: bool,
}

/// One artifact, measured.
#[derive(Debug, PartialEq, Eq)]
struct Artifact {
    name: String,
    raw: usize,
    gzip: usize,
}

impl Artifact {
    fn of(name: &str, files: &[PathBuf]) -> Result<Artifact> {
        ensure!(!files.is_empty(), "{name}: nothing to measure");
        let mut bytes = Vec::new();
        for file in files {
            bytes.extend(std::fs::read(file).with_context(|| file.display().to_string())?);
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&bytes)?;
        Ok(Artifact { name: name.to_owned(), raw: bytes.len(), gzip: encoder.finish()?.len() })
    }

    fn row(&self) -> String {
        format!("| {} | {} | {} |", self.name, self.raw, self.gzip)
    }

    /// Reads a row of the table.
    fn read(line: &str) -> Option<Artifact> {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        let name = cells.next()?.to_owned();
        Some(Artifact { name, raw: cells.next()?.parse().ok()?, gzip: cells.next()?.parse().ok()? })
    }
}

/// The modules of the Worker as they are uploaded, and the component as its build leaves it.
fn measure() -> Result<Vec<Artifact>> {
    let folder = workerd::upload()?;
    let mut modules = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        modules.push(entry?.path());
    }
    modules.sort();
    let of = |extension: &str| -> Vec<PathBuf> {
        let is = |path: &&PathBuf| path.extension().is_some_and(|found| found == extension);
        modules.iter().filter(is).cloned().collect()
    };
    let (wasm, script, text) = (of("wasm"), of("js"), of("json"));
    let component = crate::test::target().join("guest/wasm32-wasip2/guest/terrace_spin.wasm");
    Ok(vec![
        Artifact::of("Worker, Wasm", &wasm)?,
        Artifact::of("Worker, JavaScript", &script)?,
        Artifact::of("Worker, all that is uploaded", &[wasm, script, text].concat())?,
        Artifact::of("Spin component", &[component])?,
    ])
}

/// How long workerd takes to run the Worker's modules before the first request, by its profiler, in milliseconds.
fn startup() -> Result<f64> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Profile {
        start_time: f64,
        end_time: f64,
    }
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("startup.cpuprofile");
    let output = workerd::wrangler(&["check", "startup", "--outfile", &file.to_string_lossy()], &root()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`wrangler check startup` failed: {said}");
    let profile: Profile = serde_json::from_slice(&std::fs::read(file)?)?;
    Ok((profile.end_time - profile.start_time) / 1000.0)
}

fn build() -> Result<()> {
    crate::test::set_up_targets()?;
    workerd::install()?;
    workerd::build()?;
    crate::test::build_component()
}

pub fn run(options: &Options) -> Result<()> {
    if !options.no_build {
        build()?;
    }
    let measured = measure()?;
    for Artifact { name, raw, gzip } in &measured {
        println!("{name:<30} {raw:>9} bytes {gzip:>9} gzip");
    }
    println!("{:<30} {:>9.1} ms on this machine; Cloudflare allows 1000", "Worker, start-up", startup()?);
    let table = root().join(TABLE);
    if options.bless {
        let rows = measured.iter().fold(String::new(), |mut rows, artifact| {
            let _ = writeln!(rows, "{}", artifact.row());
            rows
        });
        std::fs::write(&table, format!("{HEAD}{rows}"))?;
    }
    compare(&measured, &table)
}

/// Compares what is built with the table.
pub fn check() -> Result<()> {
    run(&Options { bless: false, no_build: true })
}

fn compare(measured: &[Artifact], table: &Path) -> Result<()> {
    let text = std::fs::read_to_string(table).with_context(|| TABLE.to_owned())?;
    let wrong = differences(measured, &text);
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n  "));
    }
    Ok(())
}

/// What is wrong with what was measured, in words that say what to do.
fn differences(measured: &[Artifact], table: &str) -> Vec<String> {
    let known: Vec<Artifact> = table.lines().filter_map(Artifact::read).collect();
    let mut wrong = Vec::new();
    for artifact in measured {
        let name = &artifact.name;
        if name == "Worker, all that is uploaded" && artifact.gzip > WORKER_LIMIT {
            wrong.push(format!(
                "{name}: {} bytes gzipped are more than {WORKER_LIMIT}: find what has grown",
                artifact.gzip
            ));
        }
        let Some(before) = known.iter().find(|before| before.name == *name) else {
            wrong.push(format!("{name} is not in {TABLE}: run `cargo xtask size --bless`"));
            continue;
        };
        for (what, now, then) in [("bytes", artifact.raw, before.raw), ("bytes gzipped", artifact.gzip, before.gzip)] {
            let far = now.abs_diff(then) * 100 > then * TOLERANCE;
            if far && now > then {
                wrong.push(format!(
                    "{name}: {now} {what}, {then} in {TABLE}: find what has grown, or accept it by `cargo xtask size --bless`"
                ));
            } else if far {
                wrong.push(format!("{name}: {now} {what}, {then} in {TABLE}: keep it by `cargo xtask size --bless`"));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(gzip: usize) -> Artifact {
        Artifact { name: "Worker, all that is uploaded".into(), raw: 1000, gzip }
    }

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let artifact = all(500);
        assert_eq!(Artifact::read(&artifact.row()), Some(artifact));
        assert_eq!(HEAD.lines().filter_map(Artifact::read).count(), 0);
    }

    #[test]
    fn what_is_near_the_table_is_good_and_what_is_far_is_not() {
        let table = format!("{HEAD}{}\n", all(500).row());
        assert_eq!(differences(&[all(509)], &table), Vec::<String>::new());
        assert_eq!(differences(&[all(491)], &table), Vec::<String>::new());
        assert!(differences(&[all(511)], &table)[0].contains("find what has grown"));
        assert!(differences(&[all(480)], &table)[0].contains("keep it"));
        assert!(differences(&[all(500)], HEAD)[0].contains("is not in"));
    }

    #[test]
    fn the_worker_may_not_pass_its_limit_whatever_the_table_says() {
        let table = format!("{HEAD}{}\n", all(WORKER_LIMIT + 1).row());
        assert_eq!(differences(&[all(WORKER_LIMIT)], &table), Vec::<String>::new());
        assert!(differences(&[all(WORKER_LIMIT + 1)], &table)[0].contains("are more than"));
    }
}
