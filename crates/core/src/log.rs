//! How much is said to the operator: a line for each failure until there are too many, then how many were left out.

use crate::time::Timestamp;
use std::cell::Cell;
use std::fmt;

/// Lines that one instance writes in a second; what is above is counted.
const LINES_A_SECOND: u32 = 10;

/// Counts the lines of the current second.
#[derive(Debug, Default)]
pub struct Log {
    second: Cell<i64>,
    lines: Cell<u32>,
    left_out: Cell<u32>,
}

/// What is printed behind a line: how many were left out before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct More(u32);

impl fmt::Display for More {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            n => write!(f, " ({n} lines before this one were left out)"),
        }
    }
}

impl Log {
    /// Whether a line may be written now, and what stands behind it.
    pub fn say(&self, now: Timestamp) -> Option<More> {
        let second = now.0.div_euclid(1000);
        if self.second.replace(second) != second {
            self.lines.set(0);
        }
        if self.lines.get() >= LINES_A_SECOND {
            self.left_out.set(self.left_out.get().saturating_add(1));
            return None;
        }
        self.lines.set(self.lines.get() + 1);
        Some(More(self.left_out.take()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_flood_is_counted_instead_of_written() {
        let log = Log::default();
        let written = (0..100).filter(|_| log.say(Timestamp(5_000)).is_some()).count();
        assert_eq!(written, 10);
        assert_eq!(log.say(Timestamp(6_000)).unwrap().to_string(), " (90 lines before this one were left out)");
        assert_eq!(log.say(Timestamp(6_001)).unwrap().to_string(), "");
    }
}
