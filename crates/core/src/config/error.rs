//! What is wrong with a file, where, and what to do next; printed the way rustc does.

use std::fmt;

/// The most errors that one reading reports; what is beyond is counted.
pub const MAX_ERRORS: usize = 20;

/// The longest piece of a source line that is printed, in characters.
const MAX_SHOWN: usize = 160;

/// One thing that is wrong with the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The file's name, as the caller gave it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The key's path, such as `cache.negative_ttl.404` or `route[2].ttl`; routes count from 0. Empty where the TOML itself
    /// is broken.
    pub path: String,
    /// What is wrong and what to do next.
    pub message: String,
    /// What was probably meant.
    pub hint: Option<String>,
    /// The line as it stands in the file, with characters that a terminal would obey replaced. `None` where it may hold
    /// what should not be printed, such as a password.
    pub source: Option<String>,
    /// How many characters of the line the error is about.
    pub width: usize,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: error: ", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, " (did you mean {hint}?)")?;
        }
        let Some(source) = &self.source else {
            return Ok(());
        };
        // A long line is shown from a little before the error on.
        let before = self.column.saturating_sub(1);
        let cut = if before < MAX_SHOWN / 2 { 0 } else { before - MAX_SHOWN / 4 };
        let shown: String = source.chars().skip(cut).take(MAX_SHOWN).collect();
        let room = shown.chars().count().saturating_sub(before - cut).max(1);
        let line = self.line.to_string();
        write!(f, "\n{line} | {shown}\n{:gutter$} | ", "", gutter = line.len())?;
        write!(f, "{:indent$}", "", indent = before - cut)?;
        write!(f, "{:^<width$}", "", width = self.width.clamp(1, room))
    }
}

impl std::error::Error for Error {}

/// All that is wrong with the file, in the order of the lines; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors {
    list: Vec<Error>,
    omitted: usize,
}

impl Errors {
    /// The errors, in the order of the lines, at most [`MAX_ERRORS`].
    pub fn iter(&self) -> std::slice::Iter<'_, Error> {
        self.list.iter()
    }

    /// How many more there are.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// The errors at their places in `text`.
    pub(super) fn locate(mut found: Vec<Found>, text: &str, file: &str) -> Errors {
        found.sort_by_key(|one| one.span.start);
        let omitted = found.len().saturating_sub(MAX_ERRORS);
        found.truncate(MAX_ERRORS);
        let list = found.into_iter().map(|one| one.locate(text, file)).collect();
        Errors { list, omitted }
    }
}

impl<'a> IntoIterator for &'a Errors {
    type Item = &'a Error;
    type IntoIter = std::slice::Iter<'a, Error>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.list.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        match self.omitted {
            0 => Ok(()),
            1 => f.write_str("\nand 1 more error"),
            n => write!(f, "\nand {n} more errors"),
        }
    }
}

impl std::error::Error for Errors {}

/// An error that still knows its place as bytes of the text.
#[derive(Debug)]
pub(super) struct Found {
    /// The bytes it is about.
    pub span: std::ops::Range<usize>,
    /// The key's path.
    pub path: String,
    /// What is wrong.
    pub wrong: Wrong,
}

impl Found {
    fn locate(self, text: &str, file: &str) -> Error {
        let (line, column, source) = position(text, self.span.start);
        let spanned = text.get(self.span.start.min(text.len())..self.span.end.min(text.len()));
        let width = spanned.and_then(|s| s.lines().next()).map_or(1, |s| s.chars().count());
        Error {
            file: file.to_string(),
            line,
            column,
            path: printable(&self.path),
            message: printable(&self.wrong.message),
            hint: self.wrong.hint.map(|hint| printable(&hint)),
            source: (!self.wrong.private).then(|| printable(source)),
            width: width.max(1),
        }
    }
}

/// What is wrong with a value, whatever its place.
#[derive(Debug)]
pub(super) struct Wrong {
    /// What is wrong and what to do next.
    pub message: String,
    /// What was probably meant.
    pub hint: Option<String>,
    /// The source line should not be printed.
    pub private: bool,
}

impl Wrong {
    /// Just the message.
    pub fn new(message: impl Into<String>) -> Wrong {
        Wrong { message: message.into(), hint: None, private: false }
    }

    /// With what was probably meant, in quotes.
    pub fn hint(self, hint: Option<impl fmt::Display>) -> Wrong {
        Wrong { hint: hint.map(|hint| format!("\"{hint}\"")), ..self }
    }

    /// Without the source line.
    pub fn private(self) -> Wrong {
        Wrong { private: true, ..self }
    }
}

/// The line and column of a byte, from 1, and the line's text.
pub(super) fn position(text: &str, at: usize) -> (usize, usize, &str) {
    let at = text.floor_char_boundary(at);
    let before = text.get(..at).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    // A byte order mark is no character of the first line.
    let start = if start == 0 && text.starts_with('\u{feff}') { 3.min(at) } else { start };
    let line = before.matches('\n').count() + 1;
    let column = text.get(start..at).map_or(0, |s| s.chars().count()) + 1;
    let source = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    (line, column, source)
}

/// One character for one, so that the caret stays in its column: what a terminal would obey, and tabs, become harmless.
fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\t' => ' ',
        c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}
