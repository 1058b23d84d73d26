//! Why a command did not do what it was asked, and the exit code that says so.

use std::fmt;
use std::process::ExitCode;

/// What the user reads on stderr, and which exit code goes with it.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// The answer is no: a configuration that is wrong, a port in use, a database that does not open.
    No(String),
    /// The answer is no, and the text points at the places in a file, as compilers do.
    Places(String),
    /// The command line does not say what to do.
    Usage(String),
}

impl Failure {
    pub fn no(message: impl Into<String>) -> Failure {
        Failure::No(message.into())
    }

    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::Usage(message.into())
    }

    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::No(_) | Failure::Places(_) => ExitCode::from(1),
            Failure::Usage(_) => ExitCode::from(2),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::No(message) | Failure::Places(message) | Failure::Usage(message) => f.write_str(message),
        }
    }
}
