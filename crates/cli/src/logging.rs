//! Where the program says what it does: stderr, for people or for machines. stdout is kept for answers.

use crate::failure::Failure;
use clap::ValueEnum;
use std::io::{IsTerminal, stderr};
use tracing::level_filters::LevelFilter;

/// `--log`: the shape of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// `--log-level`: what is worth a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> LevelFilter {
        match level {
            Level::Off => LevelFilter::OFF,
            Level::Error => LevelFilter::ERROR,
            Level::Warn => LevelFilter::WARN,
            Level::Info => LevelFilter::INFO,
            Level::Debug => LevelFilter::DEBUG,
            Level::Trace => LevelFilter::TRACE,
        }
    }
}

/// Sends everything that is traced from here on to stderr.
pub fn start(format: Format, level: Level) {
    let lines =
        tracing_subscriber::fmt().with_writer(stderr).with_max_level(LevelFilter::from(level)).with_target(false);
    match format {
        Format::Human => lines.with_ansi(stderr().is_terminal()).init(),
        Format::Json => lines.json().flatten_event(true).init(),
    }
}

/// The last line of a command that failed, whatever the level: in the shape in which stderr is read.
pub fn failure(format: Format, failure: &Failure) {
    match format {
        // A line that begins with file:line:column is one that editors can follow.
        Format::Human if matches!(failure, Failure::Places(_)) => eprintln!("{failure}"),
        Format::Human => eprintln!("error: {failure}"),
        Format::Json => {
            eprintln!("{}", serde_json::json!({ "level": "ERROR", "message": failure.to_string() }));
        }
    }
}
