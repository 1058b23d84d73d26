//! What Cache-Control and the fields that go before it say (RFC 9111 5.2, RFC 9213, the W3C's Edge Architecture note).
//!
//! Where a directive occurs twice, the first one counts (RFC 9111 4.2.1). An argument that is not a number of seconds counts as
//! zero: a response with a broken max-age is stale (RFC 9111 4.2.1 encourages it).

use crate::fields::Fields;
use std::borrow::Cow;

/// The longest delta-seconds; larger ones count as this (RFC 9111 1.2.2).
pub const MAX_DELTA: u64 = 1 << 31;

/// Our own targeted field (RFC 9213 2).
pub const OWN_TARGETED: &str = "terrace-cache-control";

/// The name under which Surrogate-Control addresses us: `max-age=60;terrace`.
pub const OWN_NAME: &str = "terrace";

/// What `private` or `no-cache` covers (RFC 9111 5.2.2.4, 5.2.2.7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// The directive is not there.
    #[default]
    Absent,
    /// The whole response.
    Whole,
    /// These fields, lower-case; the rest of the response may be kept.
    Fields(Vec<String>),
}

impl Scope {
    /// Whether it covers the whole response.
    pub fn is_whole(&self) -> bool {
        matches!(self, Scope::Whole)
    }

    /// The fields that it covers; none where it covers everything or nothing.
    pub fn fields(&self) -> &[String] {
        match self {
            Scope::Fields(names) => names,
            Scope::Absent | Scope::Whole => &[],
        }
    }

    /// Adds what a further occurrence covers. A list of names that is empty or broken covers everything, and so does one with
    /// a field without which the content could not be read.
    fn widen(&mut self, names: Option<&[u8]>) {
        const NEEDED: [&str; 4] = ["content-encoding", "content-length", "content-range", "content-type"];
        let listed = names.and_then(|names| {
            let mut list = Vec::new();
            for name in names.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|n| !n.is_empty()) {
                let name = std::str::from_utf8(name).ok().filter(|n| n.bytes().all(is_token))?.to_ascii_lowercase();
                if NEEDED.contains(&name.as_str()) {
                    return None;
                }
                list.push(name);
            }
            (!list.is_empty()).then_some(list)
        });
        match (listed, &mut *self) {
            (None, _) => *self = Scope::Whole,
            (Some(_), Scope::Whole) => {}
            (Some(list), Scope::Fields(names)) => names.extend(list),
            (Some(list), Scope::Absent) => *self = Scope::Fields(list),
        }
    }
}

/// The response directives (RFC 9111 5.2.2, RFC 5861). Spans are in seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseControl {
    /// no-store (RFC 9111 5.2.2.5).
    pub no_store: bool,
    /// public (RFC 9111 5.2.2.9).
    pub public: bool,
    /// must-revalidate (RFC 9111 5.2.2.2).
    pub must_revalidate: bool,
    /// proxy-revalidate (RFC 9111 5.2.2.8).
    pub proxy_revalidate: bool,
    /// must-understand (RFC 9111 5.2.2.3).
    pub must_understand: bool,
    /// no-transform (RFC 9111 5.2.2.6).
    pub no_transform: bool,
    /// immutable (RFC 8246 2).
    pub immutable: bool,
    /// private (RFC 9111 5.2.2.7).
    pub private: Scope,
    /// no-cache (RFC 9111 5.2.2.4).
    pub no_cache: Scope,
    /// max-age (RFC 9111 5.2.2.1).
    pub max_age: Option<u64>,
    /// s-maxage (RFC 9111 5.2.2.10).
    pub s_maxage: Option<u64>,
    /// stale-while-revalidate (RFC 5861 3).
    pub stale_while_revalidate: Option<u64>,
    /// stale-if-error (RFC 5861 4).
    pub stale_if_error: Option<u64>,
}

/// Where a response's directives come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlSource {
    /// A targeted field, ours or everybody's (RFC 9213). Cache-Control and Expires do not count.
    Targeted,
    /// Surrogate-Control. Cache-Control and Expires do not count.
    Surrogate,
    /// Cache-Control, and Expires where it has no lifetime.
    CacheControl,
}

impl ControlSource {
    /// Whether it replaces Cache-Control and Expires (RFC 9213 2.2).
    pub fn replaces_expires(self) -> bool {
        self != ControlSource::CacheControl
    }
}

impl ResponseControl {
    /// Reads the lines of a Cache-Control field as one list (RFC 9111 5.2).
    pub fn parse<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut control = ResponseControl::default();
        for line in lines {
            directives(line, |name, argument| control.take(name, argument));
        }
        control
    }

    /// Whether a shared cache must not serve it stale (RFC 9111 4.2.4).
    pub fn forbids_stale(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.s_maxage.is_some()
    }

    /// Whether a response to a request with Authorization may be stored (RFC 9111 3.5).
    pub fn allows_authorized(&self) -> bool {
        self.public || self.must_revalidate || self.s_maxage.is_some()
    }

    fn take(&mut self, name: &[u8], argument: Argument<'_>) {
        if name.eq_ignore_ascii_case(b"max-age") {
            self.max_age.get_or_insert(argument.delta());
        } else if name.eq_ignore_ascii_case(b"s-maxage") {
            self.s_maxage.get_or_insert(argument.delta());
        } else if name.eq_ignore_ascii_case(b"no-store") {
            self.no_store = true;
        } else if name.eq_ignore_ascii_case(b"no-cache") {
            self.no_cache.widen(argument.text());
        } else if name.eq_ignore_ascii_case(b"private") {
            self.private.widen(argument.text());
        } else if name.eq_ignore_ascii_case(b"public") {
            self.public = true;
        } else if name.eq_ignore_ascii_case(b"must-revalidate") {
            self.must_revalidate = true;
        } else if name.eq_ignore_ascii_case(b"proxy-revalidate") {
            self.proxy_revalidate = true;
        } else if name.eq_ignore_ascii_case(b"must-understand") {
            self.must_understand = true;
        } else if name.eq_ignore_ascii_case(b"no-transform") {
            self.no_transform = true;
        } else if name.eq_ignore_ascii_case(b"immutable") {
            self.immutable = true;
        } else if name.eq_ignore_ascii_case(b"stale-while-revalidate") {
            self.stale_while_revalidate.get_or_insert(argument.delta());
        } else if name.eq_ignore_ascii_case(b"stale-if-error") {
            self.stale_if_error.get_or_insert(argument.delta());
        }
    }
}

/// The directives that hold for us: `Terrace-Cache-Control`, else `CDN-Cache-Control` (RFC 9213), else `Surrogate-Control`, else
/// `Cache-Control`. A field that is empty or broken is as if it were not there.
pub fn response_control(fields: &Fields) -> (ResponseControl, ControlSource) {
    for name in [OWN_TARGETED, "cdn-cache-control"] {
        if let Some(control) = fields.combined(name).and_then(|value| targeted(&value)) {
            return (control, ControlSource::Targeted);
        }
    }
    if let Some(control) = surrogate(fields) {
        return (control, ControlSource::Surrogate);
    }
    (ResponseControl::parse(fields.get_all("cache-control")), ControlSource::CacheControl)
}

/// RFC 9213 2: a Dictionary Structured Field. `None` where it is empty, cannot be parsed, or gives a lifetime of the wrong type.
fn targeted(value: &[u8]) -> Option<ResponseControl> {
    use sfv::{BareItem, ListEntry};
    let dictionary = sfv::Parser::new(value).parse::<sfv::Dictionary>().ok()?;
    if dictionary.is_empty() {
        return None;
    }
    let mut control = ResponseControl::default();
    for (name, member) in &dictionary {
        let delta = || match member {
            // A negative span has passed already: it counts as zero.
            ListEntry::Item(item) => {
                item.bare_item.as_integer().map(|n| clamp(u64::try_from(i64::from(n)).unwrap_or(0)))
            }
            ListEntry::InnerList(_) => None,
        };
        let on = !matches!(member, ListEntry::Item(item) if item.bare_item == BareItem::Boolean(false));
        let names = match member {
            ListEntry::Item(item) => match &item.bare_item {
                BareItem::String(names) => Some(names.as_str().as_bytes().to_vec()),
                BareItem::Token(name) => Some(name.as_str().as_bytes().to_vec()),
                _ => None,
            },
            ListEntry::InnerList(_) => None,
        };
        match name.as_str() {
            "max-age" => control.max_age = Some(delta()?),
            "s-maxage" => control.s_maxage = Some(delta()?),
            "stale-while-revalidate" => control.stale_while_revalidate = Some(delta()?),
            "stale-if-error" => control.stale_if_error = Some(delta()?),
            "no-store" => control.no_store = on,
            "no-cache" if on => control.no_cache.widen(names.as_deref()),
            "private" if on => control.private.widen(names.as_deref()),
            "public" => control.public = on,
            "must-revalidate" => control.must_revalidate = on,
            "proxy-revalidate" => control.proxy_revalidate = on,
            "must-understand" => control.must_understand = on,
            "no-transform" => control.no_transform = on,
            "immutable" => control.immutable = on,
            _ => {}
        }
    }
    Some(control)
}

/// Surrogate-Control: `max-age=N`, `max-age=N+M` (M seconds of staleness while it is refreshed), `no-store`, each perhaps with the
/// name of the one it is for. `None` where nothing that we know is for us.
fn surrogate(fields: &Fields) -> Option<ResponseControl> {
    let mut control = ResponseControl::default();
    let mut known = false;
    for line in fields.get_all("surrogate-control") {
        for member in members(line) {
            let mut parts = member.split(|b| *b == b';').map(<[u8]>::trim_ascii);
            let Some(directive) = parts.next() else {
                continue;
            };
            let mut targets = parts.filter(|target| !target.is_empty()).peekable();
            if targets.peek().is_some() && !targets.any(|target| target.eq_ignore_ascii_case(OWN_NAME.as_bytes())) {
                continue;
            }
            let (name, argument) = directive_of(directive);
            if name.eq_ignore_ascii_case(b"no-store") || name.eq_ignore_ascii_case(b"no-store-remote") {
                (control.no_store, known) = (true, true);
            } else if name.eq_ignore_ascii_case(b"max-age") {
                known = true;
                if control.max_age.is_some() {
                    continue;
                }
                let text = argument.text().unwrap_or_default();
                let mut spans = text.splitn(2, |b| *b == b'+');
                control.max_age = Some(spans.next().and_then(delta).unwrap_or(0));
                if let Some(stale) = spans.next().and_then(delta) {
                    control.stale_while_revalidate = Some(stale);
                    control.stale_if_error = Some(stale);
                }
            }
        }
    }
    known.then_some(control)
}

/// The request directives (RFC 9111 5.2.1, RFC 5861 4). Spans are in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestControl {
    /// no-store (RFC 9111 5.2.1.5).
    pub no_store: bool,
    /// no-cache (RFC 9111 5.2.1.4), or `Pragma: no-cache` without Cache-Control (RFC 9111 5.4).
    pub no_cache: bool,
    /// only-if-cached (RFC 9111 5.2.1.7).
    pub only_if_cached: bool,
    /// max-age (RFC 9111 5.2.1.1).
    pub max_age: Option<u64>,
    /// min-fresh (RFC 9111 5.2.1.3).
    pub min_fresh: Option<u64>,
    /// max-stale (RFC 9111 5.2.1.2); `Some(None)` accepts any staleness.
    pub max_stale: Option<Option<u64>>,
    /// stale-if-error (RFC 5861 4).
    pub stale_if_error: Option<u64>,
    /// no-transform (RFC 9111 5.2.1.6).
    pub no_transform: bool,
}

impl RequestControl {
    /// What the client asks for; nothing at all where it is not listened to.
    pub fn of(request: &Fields, honour: bool) -> Self {
        let mut control = RequestControl::default();
        if !honour {
            return control;
        }
        let mut lines = request.get_all("cache-control").peekable();
        if lines.peek().is_none() {
            control.no_cache = request
                .get_all("pragma")
                .any(|line| members(line).any(|member| member.eq_ignore_ascii_case(b"no-cache")));
            return control;
        }
        for line in lines {
            directives(line, |name, argument| control.take(name, argument));
        }
        control
    }

    fn take(&mut self, name: &[u8], argument: Argument<'_>) {
        if name.eq_ignore_ascii_case(b"no-cache") {
            self.no_cache = true;
        } else if name.eq_ignore_ascii_case(b"no-store") {
            self.no_store = true;
        } else if name.eq_ignore_ascii_case(b"only-if-cached") {
            self.only_if_cached = true;
        } else if name.eq_ignore_ascii_case(b"no-transform") {
            self.no_transform = true;
        } else if name.eq_ignore_ascii_case(b"max-age") {
            self.max_age.get_or_insert(argument.delta());
        } else if name.eq_ignore_ascii_case(b"min-fresh") {
            self.min_fresh.get_or_insert(argument.delta());
        } else if name.eq_ignore_ascii_case(b"stale-if-error") {
            self.stale_if_error.get_or_insert(argument.delta());
        } else if name.eq_ignore_ascii_case(b"max-stale") {
            let limit = match argument {
                Argument::None => None,
                _ => Some(argument.delta()),
            };
            self.max_stale.get_or_insert(limit);
        }
    }
}

/// A directive's argument (RFC 9111 5.2: token or quoted-string, both accepted).
enum Argument<'a> {
    None,
    Text(Cow<'a, [u8]>),
    /// There is one, and it is not of that form.
    Broken,
}

impl Argument<'_> {
    /// Seconds; zero where it is not a number of them.
    fn delta(&self) -> u64 {
        self.text().and_then(delta).unwrap_or(0)
    }

    fn text(&self) -> Option<&[u8]> {
        match self {
            Argument::Text(text) => Some(text),
            Argument::None | Argument::Broken => None,
        }
    }
}

/// delta-seconds: digits only (RFC 9111 1.2.2).
pub(super) fn delta(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |n: u64, digit| clamp(n * 10 + u64::from(digit - b'0'))))
}

fn clamp(seconds: u64) -> u64 {
    seconds.min(MAX_DELTA)
}

pub(super) fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

fn directives<'a>(line: &'a [u8], mut each: impl FnMut(&'a [u8], Argument<'a>)) {
    for member in members(line) {
        let (name, argument) = directive_of(member);
        each(name, argument);
    }
}

fn directive_of(member: &[u8]) -> (&[u8], Argument<'_>) {
    let Some(at) = member.iter().position(|b| *b == b'=') else {
        return (member, Argument::None);
    };
    let (name, value) = (member.get(..at).unwrap_or_default(), member.get(at + 1..).unwrap_or_default());
    let argument = match value {
        _ if name.trim_ascii_end().len() != name.len() => Argument::Broken,
        [b'"', rest @ ..] => unquoted(rest).map_or(Argument::Broken, Argument::Text),
        token if !token.is_empty() && token.iter().all(|b| is_token(*b)) => Argument::Text(Cow::Borrowed(token)),
        _ => Argument::Broken,
    };
    (name.trim_ascii_end(), argument)
}

/// What stands between the quotes; `rest` begins behind the first.
fn unquoted(rest: &[u8]) -> Option<Cow<'_, [u8]>> {
    let inside = rest.strip_suffix(b"\"")?;
    if !inside.iter().any(|b| matches!(b, b'\\' | b'"')) {
        return Some(Cow::Borrowed(inside));
    }
    let mut out = Vec::with_capacity(inside.len());
    let mut bytes = inside.iter();
    while let Some(b) = bytes.next() {
        match b {
            b'\\' => out.push(*bytes.next()?),
            b'"' => return None,
            _ => out.push(*b),
        }
    }
    Some(Cow::Owned(out))
}

/// The members of a list, without empty ones. A comma in a quoted string does not part them; a quote that is not closed at the
/// end of a member or before a parameter is taken as any other character, so that it hides nothing that follows.
pub(super) fn members(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut start, mut searched) = (0, 0);
    std::iter::from_fn(move || {
        while start < line.len() {
            let end = member_end(line, start, &mut searched);
            let member = line.get(start..end).unwrap_or_default().trim_ascii();
            start = end + 1;
            if !member.is_empty() {
                return Some(member);
            }
        }
        None
    })
}

/// Where the member that begins at `start` ends. Up to `searched` it is known that no quote closes as it should: one that is
/// escaped there would close where the one before it does.
fn member_end(line: &[u8], start: usize, searched: &mut usize) -> usize {
    let mut at = start;
    while let Some(b) = line.get(at) {
        match b {
            b',' => return at,
            b'"' if at >= *searched => match quoted_end(line, at) {
                Some(end) if ends_there(line, end) => at = end,
                end => *searched = end.unwrap_or(line.len()),
            },
            _ => {}
        }
        at += 1;
    }
    line.len()
}

fn ends_there(text: &[u8], quoted_end: usize) -> bool {
    let rest = text.get(quoted_end + 1..).unwrap_or_default();
    matches!(rest.trim_ascii_start(), [] | [b',' | b';', ..])
}

/// Where the quoted string that opens at `open` closes.
pub(super) fn quoted_end(text: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}
