//! A typed reader over parsed TOML, which knows every value's path and place, and lets no key go unread.

use super::error::{Errors, Found, Wrong, position};
use super::limits::Bounds;
use super::{suggest, value};
use std::cell::Cell;
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where the errors of one reading gather.
pub(super) struct Report<'t> {
    text: &'t str,
    found: Cell<Vec<Found>>,
}

impl<'t> Report<'t> {
    /// Nothing wrong yet.
    pub fn new(text: &'t str) -> Report<'t> {
        Report { text, found: Cell::default() }
    }

    /// One more error.
    pub fn add(&self, span: Range<usize>, path: &str, wrong: Wrong) {
        let mut found = self.found.take();
        found.push(Found { span, path: path.to_string(), wrong });
        self.found.set(found);
    }

    /// The value, if nothing was wrong.
    pub fn finish<T>(self, file: &str, value: T) -> Result<T, Errors> {
        let found = self.found.into_inner();
        if found.is_empty() { Ok(value) } else { Err(Errors::locate(found, self.text, file)) }
    }

    /// The text of some bytes.
    pub fn text_at(&self, span: &Range<usize>) -> &'t str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// The line of a byte, from 1.
    pub fn line(&self, at: usize) -> usize {
        position(self.text, at).0
    }
}

/// A key with its value.
#[derive(Clone)]
pub(super) struct Item<'d> {
    /// The path from the top, such as `cache.negative_ttl.404`.
    pub path: String,
    name: &'d str,
    key: Range<usize>,
    value: &'d Spanned<DeValue<'d>>,
    report: &'d Report<'d>,
}

impl<'d> Item<'d> {
    /// The key itself.
    pub fn name(&self) -> &'d str {
        self.name
    }

    /// An error at the key.
    pub fn wrong_key(&self, wrong: Wrong) {
        self.report.add(self.key.clone(), &self.path, wrong);
    }

    /// An error at the value.
    pub fn wrong(&self, wrong: Wrong) {
        self.report.add(self.value.span(), &self.path, wrong);
    }

    /// The line of the value.
    pub fn line(&self) -> usize {
        self.report.line(self.value.span().start)
    }

    /// This key is understood, and does nothing yet.
    pub fn not_supported(&self) {
        self.wrong_key(Wrong::new("not supported yet; remove it"));
    }

    fn expected<T>(&self, what: &str) -> Option<T> {
        self.wrong(Wrong::new(format!("expected {what}, found {}", describe(self.value.get_ref()))));
        None
    }

    /// A string that `parse` takes.
    pub fn parse<T>(&self, what: &str, parse: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        match self.value.get_ref() {
            DeValue::String(text) => parse(text).map_err(|wrong| self.wrong(wrong)).ok(),
            _ => self.expected(what),
        }
    }

    /// A string that `parse` takes, or an integer that lacks its unit.
    fn measure<T: PartialOrd + Copy>(
        &self,
        (what, unit): (&str, &str),
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
        bounds: &Bounds<T>,
        show: impl Fn(T) -> String,
    ) -> Option<T> {
        if let DeValue::Integer(number) = self.value.get_ref() {
            let digits = number.radix() == 10 && number.as_str().bytes().all(|b| b.is_ascii_digit());
            let hint = digits.then(|| format!("{number}{unit}"));
            self.wrong(Wrong::new(format!("expected {what}, found the integer {number}")).hint(hint));
            return None;
        }
        let read = self.parse(what, parse)?;
        if read < bounds.least {
            let (least, why) = (show(bounds.least), bounds.least_why);
            self.wrong(Wrong::new(format!(
                "\"{}\" is too little, because {why}; write \"{least}\" or more",
                show(read)
            )));
            return None;
        }
        if read > bounds.most {
            let (most, why) = (show(bounds.most), bounds.most_why);
            self.wrong(Wrong::new(format!("\"{}\" is too much; write \"{most}\" or less ({why})", show(read))));
            return None;
        }
        Some(read)
    }

    /// A duration.
    pub fn duration(&self, bounds: &Bounds<Duration>) -> Option<Duration> {
        self.measure(("a duration such as \"30s\"", "s"), value::duration, bounds, value::show_duration)
    }

    /// A size in bytes.
    pub fn size(&self, bounds: &Bounds<u64>) -> Option<u64> {
        self.measure(("a size such as \"1MiB\"", "B"), value::size, bounds, value::show_size)
    }

    /// One of some words.
    pub fn choice<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let listed = format!("one of \"{}\"", names.join("\", \""));
        if let DeValue::Boolean(switch) = self.value.get_ref() {
            let meant = if *switch { "on" } else { "off" };
            let hint = names.iter().find(|name| **name == meant);
            self.wrong(Wrong::new(format!("expected {listed}, found {switch}")).hint(hint));
            return None;
        }
        self.parse(&listed, |text| match words.iter().find(|(word, _)| *word == text) {
            Some((_, choice)) => Ok(*choice),
            None => {
                Err(Wrong::new(format!("\"{}\" is not {listed}", value::short(text))).hint(value::word(text, &names)))
            }
        })
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(switch) => Some(*switch),
            _ => self.expected("true or false"),
        }
    }

    /// An integer.
    pub fn integer(&self, from: i64, to: i64) -> Option<i64> {
        let what = format!("a whole number from {from} to {to}");
        match self.value.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .ok()
                .filter(|n| (from..=to).contains(n))
                .or_else(|| self.expected(&what)),
            _ => self.expected(&what),
        }
    }

    /// A number, with or without a fraction.
    pub fn number(&self, from: f64, to: f64) -> Option<f64> {
        let read = match self.value.get_ref() {
            DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok().map(|n| n as f64),
            DeValue::Float(n) => n.as_str().parse().ok(),
            _ => None,
        };
        read.filter(|n: &f64| (from..=to).contains(n))
            .or_else(|| self.expected(&format!("a number from {from} to {to}")))
    }

    /// The elements of an array, each an item of its own.
    pub fn array(&self, what: &str) -> Option<Vec<Item<'d>>> {
        let DeValue::Array(elements) = self.value.get_ref() else {
            return self.expected(what);
        };
        let element = |(n, value): (usize, &'d Spanned<DeValue<'d>>)| Item {
            path: format!("{}[{n}]", self.path),
            key: value.span(),
            value,
            ..self.clone()
        };
        Some(elements.iter().enumerate().map(element).collect())
    }

    /// An array of strings, each of which `parse` takes, none twice.
    pub fn strings(&self, what: &str, parse: fn(&str) -> Result<String, Wrong>) -> Option<Vec<String>> {
        let mut read: Vec<String> = Vec::new();
        for element in self.array(&format!("an array of strings, such as {what}"))? {
            match element.parse("a string", parse) {
                Some(text) if read.contains(&text) => {
                    element.wrong(Wrong::new("named twice; remove one of the two"));
                }
                Some(text) => read.push(text),
                None => {}
            }
        }
        Some(read)
    }

    /// A table whose keys are known: `read` asks for each, and what it did not ask for is an error.
    pub fn table<T>(&self, what: &str, read: impl FnOnce(&mut Table<'d>) -> T) -> Option<T> {
        let DeValue::Table(table) = self.value.get_ref() else {
            return self.expected(what);
        };
        Some(Table::read(&self.path, self.value.span(), table, self.report, read))
    }

    /// A table whose keys are free, in the order of the file.
    pub fn entries(&self, what: &str) -> Option<Vec<Item<'d>>> {
        let DeValue::Table(table) = self.value.get_ref() else {
            return self.expected(what);
        };
        let mut entries: Vec<Item<'d>> = table
            .iter()
            .map(|(key, value)| Item {
                path: join(&self.path, key.get_ref()),
                name: key.get_ref(),
                key: key.span(),
                value,
                report: self.report,
            })
            .collect();
        entries.sort_by_key(|entry| entry.key.start);
        Some(entries)
    }

    /// Whether the value is a table.
    pub fn is_table(&self) -> bool {
        self.value.get_ref().is_table()
    }
}

/// A table that is being read.
pub(super) struct Table<'d> {
    path: String,
    span: Range<usize>,
    table: &'d DeTable<'d>,
    report: &'d Report<'d>,
    known: Vec<&'static str>,
    later: Vec<&'static str>,
}

impl<'d> Table<'d> {
    /// Reads a table: every key that `read` did not ask for is an error.
    pub fn read<T>(
        path: &str,
        span: Range<usize>,
        table: &'d DeTable<'d>,
        report: &'d Report<'d>,
        read: impl FnOnce(&mut Table<'d>) -> T,
    ) -> T {
        let mut table = Table { path: path.to_string(), span, table, report, known: Vec::new(), later: Vec::new() };
        let value = read(&mut table);
        for (key, _) in table.table {
            let name: &str = key.get_ref();
            if !table.known.contains(&name) && !table.later.contains(&name) {
                report.add(key.span(), &join(path, name), table.unknown(name));
            }
        }
        value
    }

    /// The key's item, if it is there; from now on the key is known.
    pub fn get(&mut self, name: &'static str) -> Option<Item<'d>> {
        self.known.push(name);
        self.find(name)
    }

    /// The item of a key that nothing does yet: it is known, and suggested to nobody.
    pub fn get_later(&mut self, name: &'static str) -> Option<Item<'d>> {
        self.later.push(name);
        self.find(name)
    }

    /// As [`Self::get`]; an error if it is not there.
    pub fn require(&mut self, name: &'static str, such_as: &str) -> Option<Item<'d>> {
        let item = self.get(name);
        if item.is_none() {
            let wrong = Wrong::new(format!("missing; add {name} = {such_as}"));
            self.report.add(self.span.clone(), &join(&self.path, name), wrong);
        }
        item
    }

    /// How many keys were asked for so far.
    pub fn asked(&self) -> usize {
        self.known.len()
    }

    /// The keys that were asked for since then, and found.
    pub fn found_since(&self, asked: usize) -> Vec<Item<'d>> {
        self.known.iter().skip(asked).filter_map(|name| self.find(name)).collect()
    }

    fn find(&self, name: &str) -> Option<Item<'d>> {
        let (key, value) = self.table.get_key_value(name)?;
        let path = join(&self.path, name);
        Some(Item { path, name: key.get_ref(), key: key.span(), value, report: self.report })
    }

    fn unknown(&self, name: &str) -> Wrong {
        let near = suggest::nearest(name, self.known.iter().copied());
        let message = match (near, super::schema::home(name)) {
            (Some(_), _) => "unknown key".to_string(),
            (None, Some(home)) => format!("unknown key here; it belongs {home}"),
            (None, None) => format!("unknown key; the keys here are {}", self.known.join(", ")),
        };
        Wrong::new(message).hint(near)
    }
}

/// The path of a key in a table.
pub(super) fn join(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let key = if plain { key.to_string() } else { format!("{:?}", value::short(key)) };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// What a value is, in words.
fn describe(value: &DeValue<'_>) -> String {
    match value {
        // Not its content: it may be a secret in the wrong place.
        DeValue::String(_) => "a string".to_string(),
        DeValue::Integer(number) => format!("the integer {}", value::short(&number.to_string())),
        DeValue::Float(number) => format!("the number {}", value::short(number.as_str())),
        DeValue::Boolean(switch) => switch.to_string(),
        DeValue::Datetime(_) => "a date".to_string(),
        DeValue::Array(_) => "an array".to_string(),
        DeValue::Table(_) => "a table".to_string(),
    }
}
