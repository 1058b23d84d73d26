//! `docs/conformance.md`, written from what is committed: what the package lists, `baseline.json` and `exceptions.toml`.

use super::{Baseline, Exceptions, Kind, Test, baseline, exceptions, install, list};
use crate::host::Host;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

/// The published results of the suite: required of 160, optimal of 105.
const PUBLISHED: [(&str, u32, u32); 8] = [
    ("Traffic Server", 132, 70),
    ("httpd", 131, 68),
    ("Squid", 122, 59),
    ("Souin", 121, 44),
    ("Varnish", 119, 45),
    ("nginx", 99, 59),
    ("Fastly", 96, 49),
    ("HAProxy", 89, 40),
];

/// Where the page is.
pub fn file() -> PathBuf {
    crate::root().join("docs/conformance.md")
}

/// The page as it should be.
///
/// # Errors
/// Where the package cannot be installed or listed, or what is committed cannot be read.
pub fn written() -> Result<String> {
    install()?;
    render(&list()?, &baseline()?, &exceptions()?)
}

/// Compares the page with the results.
///
/// # Errors
/// Says what to run where they differ.
pub fn check() -> Result<()> {
    let file = file();
    let page = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let right = written()?;
    let line = page.lines().zip(right.lines()).take_while(|(page, right)| page == right).count() + 1;
    ensure!(
        page == right,
        "docs/conformance.md, line {line}, does not say what the results are: run `cargo xtask conformance-page --bless`"
    );
    Ok(())
}

fn render(tests: &[Test], baseline: &Baseline, exceptions: &Exceptions) -> Result<String> {
    let hosts: Vec<(&str, &BTreeSet<String>)> =
        Host::ALL.iter().filter_map(|host| Some((host.name(), baseline.get(host.name())?))).collect();
    ensure!(!hosts.is_empty(), "baseline.json has no host");
    let mut out = String::from(
        "# Conformance

How terrace does in [http-cache-tests](https://cache-tests.fyi), the public suite by the editor of RFC 9111, on every host that is
tested. Written from the committed results by `cargo xtask conformance-page --bless`; a test fails when the two differ.

## Other caches

What is published, of 160 required and 105 optimal tests:

| cache | required | optimal |
|---|---:|---:|
",
    );
    for (cache, required, optimal) in PUBLISHED {
        let _ = writeln!(out, "| {cache} | {required} | {optimal} |");
    }
    let all = |kind| tests.iter().filter(|test| test.kind == kind).count();
    let _ = write!(
        out,
        "
Their edition of the suite is later than the one on npm (0.4.5), which terrace is tested with: that one has {} required and {}
optimal tests, lacks CDN-Cache-Control and interim responses, and wants the opposite in a few. So the totals stand side by side and
rank nobody test by test, and by area there are terrace's figures alone. What the package lacks is in terrace's own tests:
`crates/core/tests/rules_targeted.rs` and the behaviour suite.

## By area

Passed on each host, required and optimal.

| area | required, optimal |",
        all(Kind::Required),
        all(Kind::Optimal)
    );
    for (name, _) in &hosts {
        let _ = write!(out, " {name} |");
    }
    let _ = write!(out, "\n|---|---|{}\n", "---|".repeat(hosts.len()));
    let mut areas: Vec<&str> = tests.iter().map(|test| test.area.as_str()).collect();
    areas.dedup();
    for area in areas.into_iter().map(Some).chain([None]) {
        let count = |kind, passed: Option<&BTreeSet<String>>| {
            let here = |test: &&Test| test.kind == kind && area.is_none_or(|area| test.area == area);
            tests.iter().filter(here).filter(|test| passed.is_none_or(|passed| passed.contains(&test.id))).count()
        };
        let cell = |passed| format!("{}, {}", count(Kind::Required, passed), count(Kind::Optimal, passed));
        if count(Kind::Required, None) + count(Kind::Optimal, None) == 0 {
            continue;
        }
        let _ = write!(out, "| {} | {} |", area.unwrap_or("**all**"), cell(None));
        for (_, passed) in &hosts {
            let _ = write!(out, " {} |", cell(Some(passed)));
        }
        out.push('\n');
    }
    out.push_str(
        "
`wasmtime` is `terrace serve`; `like_spin` and `like_spin_fresh` run the component as Spin does, the latter with a new instance for
each request; `workerd` is the Worker on Cloudflare's own runtime. The profile is `rfc9111`, all else as terrace.toml has it.

## Exceptions

What is not passed, and why.

",
    );
    let mut reasons: Vec<&str> = Vec::new();
    for exception in &exceptions.exception {
        if !reasons.contains(&exception.reason.as_str()) {
            reasons.push(&exception.reason);
        }
    }
    for reason in reasons {
        let of_it = exceptions.exception.iter().filter(|exception| exception.reason == reason);
        let ids: Vec<String> = of_it.clone().map(|exception| format!("`{}`", exception.id)).collect();
        let on: BTreeSet<&str> = of_it.flat_map(|exception| exception.hosts.iter().map(String::as_str)).collect();
        let on: Vec<&str> = on.into_iter().collect();
        let on = if on.is_empty() { String::new() } else { format!(" (on {} alone)", on.join(", ")) };
        let _ = writeln!(out, "- {}{on}: {reason}", ids.join(", "));
    }
    let excepted: BTreeSet<&str> = exceptions.exception.iter().map(|exception| exception.id.as_str()).collect();
    let mut rest: Vec<String> = Vec::new();
    for test in tests.iter().filter(|test| test.kind != Kind::Check && !excepted.contains(test.id.as_str())) {
        let fails: Vec<&str> =
            hosts.iter().filter(|(_, passed)| !passed.contains(&test.id)).map(|(name, _)| *name).collect();
        if !fails.is_empty() {
            rest.push(format!("- `{}` (on {}): {}", test.id, fails.join(", "), test.name));
        }
    }
    if !rest.is_empty() {
        let _ = write!(out, "\nOptimal tests that are not passed either:\n\n{}\n", rest.join("\n"));
    }
    out.push_str(
        "
## Run it

With Node 20 or later and npm:

```sh
cargo xtask conformance
cargo xtask conformance --host workerd
```

Each takes a minute or two once all is built, compares with `tests/conformance/baseline.json`, which may only rise, and writes every
test that was not passed to `target/conformance/HOST.md`.
",
    );
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(id: &str, area: &str, kind: Kind) -> Test {
        let [suite, id, name] = [area, id, "A name"].map(str::to_owned);
        Test { suite, area: area.to_owned(), id, name, kind, depends_on: vec![], browser_only: false }
    }

    #[test]
    fn an_area_has_its_counts_and_what_fails_its_reason() {
        let tests = [
            test("a", "One", Kind::Required),
            test("b", "One", Kind::Required),
            test("c", "One", Kind::Optimal),
            test("d", "Two", Kind::Optimal),
            test("e", "Three", Kind::Check),
        ];
        let passed = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
        let baseline: Baseline =
            [("wasmtime".to_owned(), passed(&["a", "c", "d"])), ("workerd".to_owned(), passed(&["a", "c"]))].into();
        let exceptions = "[[exception]]\nid = \"b\"\nreason = \"It is wrong.\"\nhosts = [\"workerd\"]\n";
        let page = render(&tests, &baseline, &toml::from_str(exceptions).expect("TOML")).expect("a page");
        for line in [
            "| area | required, optimal | wasmtime | workerd |",
            "| One | 2, 1 | 1, 1 | 1, 1 |",
            "| Two | 0, 1 | 0, 1 | 0, 0 |",
            "| **all** | 2, 2 | 1, 2 | 1, 1 |",
            "- `b` (on workerd alone): It is wrong.",
            "- `d` (on workerd): A name",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
        assert!(!page.contains("Three"), "checks are neither passed nor failed");
    }
}
