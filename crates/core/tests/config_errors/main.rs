//! What a wrong `terrace.toml` is told: every row a file and, for each error, its place and its exact words.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod form;
mod structure;
mod values;
mod watches;

use terrace_core::config::Config;

/// The errors of a file, a line each, without the source lines.
fn told(text: &str) -> String {
    let errors = Config::parse(text, "t.toml").expect_err(text);
    let line = |error: &terrace_core::config::Error| {
        let shown = error.to_string();
        let first = shown.lines().next().unwrap();
        first.strip_prefix("t.toml:").unwrap().replacen(" error:", "", 1)
    };
    errors.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn check(rows: &[(&str, &str)]) {
    for (text, expected) in rows {
        let told = told(text);
        assert_eq!(told, *expected, "\n--- file:\n{text}\n--- told:\n{told}\n");
    }
}
