//! Header fields as they came: order and repeated lines kept (RFC 9110 5.2, 5.3).
//!
//! The representation is the one wasi:http speaks (a list of name and value), so the edge hands its list in and takes it
//! back without a conversion. Names are lower-case; values are bytes. What may not enter: the meaning of any field.

use std::borrow::Cow;

/// One field line: a lower-case name and its value without leading or trailing white space.
pub type Field = (String, Vec<u8>);

/// A list of field lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<Field>);

impl Fields {
    /// No fields.
    pub const fn new() -> Self {
        Fields(Vec::new())
    }

    /// No fields, with room for some.
    pub fn with_capacity(lines: usize) -> Self {
        Fields(Vec::with_capacity(lines))
    }

    /// Takes a host's list; names that are not lower-case are made so.
    pub fn from_list(mut list: Vec<Field>) -> Self {
        for (name, _) in &mut list {
            if name.bytes().any(|b| b.is_ascii_uppercase()) {
                name.make_ascii_lowercase();
            }
        }
        Fields(list)
    }

    /// The list, as a host takes it.
    pub fn into_list(self) -> Vec<Field> {
        self.0
    }

    /// The lines in the order they came.
    pub fn as_list(&self) -> &[Field] {
        &self.0
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no line at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first line's value. `name` must be lower-case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_slice())
    }

    /// The first line's value where it is visible ASCII or valid UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|v| std::str::from_utf8(v).ok())
    }

    /// Every line's value, in order. `name` must be lower-case.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_slice())
    }

    /// All lines as one value, joined by `", "` (RFC 9110 5.3); `None` where the field is absent.
    pub fn combined(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let mut lines = self.0.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_slice());
        let first = lines.next()?;
        let Some(second) = lines.next() else { return Some(Cow::Borrowed(first)) };
        let mut all = first.to_vec();
        for line in std::iter::once(second).chain(lines) {
            all.extend_from_slice(b", ");
            all.extend_from_slice(line);
        }
        Some(Cow::Owned(all))
    }

    /// Makes one line of several, joined by `separator`.
    pub fn join(&mut self, name: &str, separator: &[u8]) {
        let mut lines = self.0.iter().filter(|(n, _)| n == name);
        if lines.next().is_none() || lines.next().is_none() {
            return;
        }
        let values: Vec<&[u8]> = self.0.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_slice()).collect();
        let joined = values.join(separator);
        self.set(name, joined);
    }

    /// Whether the field is there.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    /// Adds a line at the end. `name` must be lower-case.
    pub fn append(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.0.push((name.into(), value.into()));
    }

    /// Replaces every line of the field by one.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.remove(name);
        self.append(name, value);
    }

    /// Removes every line of the field; says whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(n, _)| n != name);
        before != self.0.len()
    }

    /// Keeps the lines for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &[u8]) -> bool) {
        self.0.retain(|(n, v)| keep(n, v));
    }

    /// Bytes of all names and values, as limits count them.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(n, v)| n.len() + v.len()).sum()
    }
}

impl FromIterator<Field> for Fields {
    fn from_iter<T: IntoIterator<Item = Field>>(iter: T) -> Self {
        Fields::from_list(iter.into_iter().collect())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Fields {
    fn from(list: [(&str, &str); N]) -> Self {
        list.into_iter().map(|(n, v)| (n.to_string(), v.as_bytes().to_vec())).collect()
    }
}
