//! The public HTTP cache test suite (`http-cache-tests` from npm, pinned in `tests/conformance`), run against a host.
//!
//! Its origin server and its client are Node programs; the classes of results are the suite's own. A required test that fails
//! without standing in `exceptions.toml` fails the run, an exception that passes does too, and so does every required or
//! optimal test that `baseline.json` has seen passing.

pub mod page;

use crate::host::{Host, Place, Process};
use crate::npm;
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long the suite's client may take; a run takes about a minute.
const BOUND: Duration = Duration::from_secs(600);

/// The cache in its most permissive form. A stale response is served in the foreground only where the origin fails, since
/// the suite counts every request.
const CONFIG: &str = "[cache]\nprofile = \"rfc9111\"\n";

/// Prints what the package knows about its tests.
const LIST: &str = "import suites from 'http-cache-tests/tests/index.mjs';
import surrogate from 'http-cache-tests/tests/surrogate-control.mjs';
const list = [...suites, surrogate].flatMap(suite => suite.tests.map(test => ({
  suite: suite.id, area: suite.name, id: test.id, name: test.name, kind: test.kind || 'required',
  depends_on: test.depends_on || [], browser_only: test.browser_only === true })));
console.log(JSON.stringify(list));";

/// What a test asks for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// What the RFC demands.
    Required,
    /// What a good cache does.
    Optimal,
    /// What is merely interesting.
    Check,
}

/// A test as the package describes it.
#[derive(Clone, Debug, Deserialize)]
pub struct Test {
    suite: String,
    area: String,
    id: String,
    name: String,
    kind: Kind,
    depends_on: Vec<String>,
    browser_only: bool,
}

/// What became of it: the suite's own classes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// It did what was asked (of a check: yes).
    Pass,
    /// It did not (of a check: no).
    Fail,
    /// Its set-up failed: the cache did something else first.
    Setup,
    /// A request came twice.
    Retry,
    /// A test that it builds on failed.
    Dependency,
    /// It gave no result.
    Untested,
}

/// A result: `true`, or the kind of error and its message.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Raw {
    Done(bool),
    Error(String, Option<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exceptions {
    #[serde(default)]
    exception: Vec<Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    id: String,
    reason: String,
    /// The hosts that it is about; where it names none, all.
    #[serde(default)]
    hosts: Vec<String>,
}

/// What passed so far, by host.
type Baseline = BTreeMap<String, BTreeSet<String>>;

/// One run.
pub struct Outcome {
    host: Host,
    tests: Vec<Test>,
    results: BTreeMap<String, Raw>,
}

/// Where the package is pinned.
pub fn folder() -> PathBuf {
    crate::root().join("tests/conformance")
}

/// Installs the package where it is missing.
pub fn install() -> Result<()> {
    npm::install(&folder())
}

fn node(arguments: &[&str]) -> Command {
    let mut command = npm::without_npm(Command::new("node"));
    command.arg("--no-warnings").args(arguments);
    command
}

/// Every test of the package that is about shared caches.
fn list() -> Result<Vec<Test>> {
    let listed = node(&["--input-type=module", "-e", LIST]).current_dir(folder()).output()?;
    ensure!(listed.status.success(), "the suite cannot be listed: {}", String::from_utf8_lossy(&listed.stderr));
    let mut tests: Vec<Test> = serde_json::from_slice(&listed.stdout)?;
    // Those are about caches inside browsers.
    tests.retain(|test| !test.browser_only);
    Ok(tests)
}

/// Runs the suite against a host.
pub fn run(host: Host) -> Result<Outcome> {
    install()?;
    let tests = list()?;
    let package = folder().join("node_modules/http-cache-tests");
    let dir = tempfile::Builder::new().prefix("terrace-conformance-").tempdir()?;
    let places = [dir.path().join("origin"), dir.path().join("cache")];
    places.iter().try_for_each(std::fs::create_dir)?;
    let mut server = node(&["server/server.mjs"]);
    server.current_dir(&package);
    server.envs([("npm_config_protocol", "http"), ("npm_config_port", "0")]);
    server.env("npm_config_pidfile", dir.path().join("origin.pid"));
    // It listens on every address, and says so: `Listening on http://[::]:PORT/`.
    let origin = Process::announced(server, &places[0], |line| {
        let port = line.strip_prefix("Listening on ")?.trim_end_matches('/').rsplit(':').next()?;
        Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?)))
    })?;
    let url = format!("http://{}", origin.address);
    let config = format!("[origin]\nurl = \"{url}\"\n{CONFIG}");
    let place = Place { dir: &places[1], config: &config, origin: &url, arguments: &[] };
    let mut cache = host.start(&place)?;

    let output = dir.path().join("results.json");
    let mut client = node(&["cli.mjs"]);
    client.current_dir(&package).stdin(Stdio::null()).stdout(File::create(&output)?);
    client.env("npm_package_config_id", "").env("npm_config_base", format!("http://{}", cache.address));
    let mut client = client.spawn()?;
    let started = Instant::now();
    let status = loop {
        if let Some(status) = client.try_wait()? {
            break status;
        }
        if started.elapsed() > BOUND {
            client.kill()?;
            client.wait()?;
            bail!("the suite's client takes more than {BOUND:?}\n{}", cache.log());
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    ensure!(status.success(), "the suite's client failed: {status}");
    ensure!(cache.is_alive(), "the cache died\n{}", cache.log());
    let results = std::fs::read_to_string(&output)?;
    let results = serde_json::from_str(&results).with_context(|| format!("no results: {results}"))?;
    Ok(Outcome { host, tests, results })
}

impl Outcome {
    fn test(&self, id: &str) -> Option<&Test> {
        self.tests.iter().find(|test| test.id == id)
    }

    fn class(&self, test: &Test) -> Class {
        let Some(result) = self.results.get(&test.id) else { return Class::Untested };
        for id in &test.depends_on {
            let passed = self.test(id).is_some_and(|other| self.class(other) == Class::Pass);
            if !passed {
                return Class::Dependency;
            }
        }
        match result {
            Raw::Done(true) => Class::Pass,
            Raw::Error(kind, message) if kind == "Setup" => match message.as_deref() {
                Some("retry") => Class::Retry,
                _ => Class::Setup,
            },
            Raw::Done(false) | Raw::Error(..) => Class::Fail,
        }
    }

    fn message(&self, test: &Test) -> String {
        match self.results.get(&test.id) {
            Some(Raw::Error(kind, message)) => format!("{kind}: {}", message.as_deref().unwrap_or_default()),
            _ => String::new(),
        }
    }

    /// Passed and all tests of a kind, in one suite or in all.
    pub fn count(&self, kind: Kind, suite: Option<&str>) -> (usize, usize) {
        let asked = |test: &&Test| test.kind == kind && suite.is_none_or(|suite| test.suite == suite);
        let all = self.tests.iter().filter(asked);
        let passed = all.clone().filter(|test| self.class(test) == Class::Pass);
        (passed.count(), all.count())
    }

    /// The counts in one line.
    pub fn summary(&self) -> String {
        let [required, optimal, check] = [Kind::Required, Kind::Optimal, Kind::Check].map(|kind| {
            let (passed, all) = self.count(kind, None);
            format!("{passed}/{all}")
        });
        format!("{}: required {required}, optimal {optimal}, checks {check}", self.host.name())
    }

    /// The table of suites, and every test that did not pass, as Markdown.
    pub fn table(&self) -> String {
        let mut text = format!("# http-cache-tests against {}\n\n", self.host.name());
        text += "| suite | required | optimal | check |\n|---|---|---|---|\n";
        let mut suites: Vec<&str> = self.tests.iter().map(|test| test.suite.as_str()).collect();
        suites.dedup();
        for suite in suites.into_iter().map(Some).chain([None]) {
            let _ = write!(text, "| {} |", suite.unwrap_or("**all**"));
            for kind in [Kind::Required, Kind::Optimal, Kind::Check] {
                let (passed, all) = self.count(kind, suite);
                let _ = write!(text, " {passed}/{all} |");
            }
            text.push('\n');
        }
        for kind in [Kind::Required, Kind::Optimal, Kind::Check] {
            let _ = writeln!(text, "\n## {kind:?}, not passed\n");
            for test in self.tests.iter().filter(|test| test.kind == kind) {
                let class = self.class(test);
                if class != Class::Pass {
                    let (id, name, why) = (&test.id, &test.name, self.message(test));
                    let _ = writeln!(text, "- `{id}` ({class:?}): {name}\n  {why}");
                }
            }
        }
        text
    }

    fn passed(&self) -> BTreeSet<String> {
        let counts = |test: &&Test| test.kind != Kind::Check && self.class(test) == Class::Pass;
        self.tests.iter().filter(counts).map(|test| test.id.clone()).collect()
    }

    /// Compares with the exceptions and the baseline. The error lists everything that is wrong; the text what has improved.
    pub fn judge(&self) -> Result<String> {
        let exceptions = exceptions()?;
        let mut wrong = Vec::new();
        let mut excepted = BTreeSet::new();
        for exception in &exceptions.exception {
            let id = &exception.id;
            for host in &exception.hosts {
                if !Host::ALL.iter().any(|known| known.name() == host) {
                    wrong.push(format!("the exception `{id}` names an unknown host: {host}"));
                }
            }
            if !exception.hosts.is_empty() && !exception.hosts.iter().any(|host| host == self.host.name()) {
                continue;
            }
            if exception.reason.trim().is_empty() {
                wrong.push(format!("the exception `{id}` gives no reason"));
            }
            if !excepted.insert(id.as_str()) {
                wrong.push(format!("the exception `{id}` is listed twice"));
            }
            match self.test(id) {
                None => wrong.push(format!("the exception `{id}` names no test")),
                Some(test) if self.class(test) == Class::Pass => {
                    wrong.push(format!("`{id}` passes: take it out of exceptions.toml"));
                }
                Some(_) => {}
            }
        }
        for test in self.tests.iter().filter(|test| test.kind == Kind::Required) {
            let class = self.class(test);
            if class != Class::Pass && !excepted.contains(test.id.as_str()) {
                let (id, name, why) = (&test.id, &test.name, self.message(test));
                wrong.push(format!("required: `{id}` ({class:?}): {name}\n    {why}"));
            }
        }
        let passed = self.passed();
        let before = baseline()?.remove(self.host.name()).unwrap_or_default();
        for id in before.difference(&passed) {
            let why = self.test(id).map(|test| format!("{:?}: {}", self.class(test), self.message(test)));
            wrong.push(format!("`{id}` passed before: {}", why.unwrap_or_else(|| "it is gone".to_owned())));
        }
        ensure!(wrong.is_empty(), "{} findings\n  {}", wrong.len(), wrong.join("\n  "));
        let risen: Vec<&str> = passed.difference(&before).map(String::as_str).collect();
        Ok(match risen.len() {
            0 => String::new(),
            count => format!("{count} tests have risen, bless them: {}", risen.join(", ")),
        })
    }

    /// Makes what passes now the baseline. What has fallen is not forgotten: that takes an editor, and a reason.
    pub fn bless(&self) -> Result<()> {
        let mut all = baseline()?;
        let passed = self.passed();
        let before = all.entry(self.host.name().to_owned()).or_default();
        let fallen: Vec<&str> = before.difference(&passed).map(String::as_str).collect();
        ensure!(fallen.is_empty(), "the baseline may only rise; these have fallen: {}", fallen.join(", "));
        *before = passed;
        let text = serde_json::to_string_pretty(&all)? + "\n";
        std::fs::write(folder().join("baseline.json"), text)?;
        Ok(())
    }
}

fn baseline() -> Result<Baseline> {
    let text = std::fs::read_to_string(folder().join("baseline.json"))?;
    serde_json::from_str(&text).context("tests/conformance/baseline.json")
}

fn exceptions() -> Result<Exceptions> {
    let text = std::fs::read_to_string(folder().join("exceptions.toml"))?;
    toml::from_str(&text).context("tests/conformance/exceptions.toml")
}
