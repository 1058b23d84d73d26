//! What stands in one string: durations, sizes, URLs, patterns, field names and values. Each says what is wrong with it.

use super::Rate;
use super::error::Wrong;
use super::percent::normal_percent;
use super::suggest::nearest;
use crate::entry::coded::Coding;
use crate::purge;
use crate::rules::connection;
use std::time::Duration;
use url::Url;

/// The units of a duration, in milliseconds, the largest first.
const TIMES: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// The units of a size, in bytes, the largest first.
const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// What people write for a unit, lower-case, and what they mean.
const SLIPS: [(&str, &str); 24] = [
    ("msec", "ms"),
    ("millis", "ms"),
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("hr", "h"),
    ("hour", "h"),
    ("hours", "h"),
    ("day", "d"),
    ("days", "d"),
    ("b", "B"),
    ("k", "KiB"),
    ("kb", "KiB"),
    ("kib", "KiB"),
    ("mb", "MiB"),
    ("mib", "MiB"),
    ("g", "GiB"),
    ("gb", "GiB"),
    ("gib", "GiB"),
];

/// A duration: a whole number and one of `ms`, `s`, `m`, `h`, `d`.
pub(super) fn duration(text: &str) -> Result<Duration, Wrong> {
    measure(text, "duration", "ms, s, m, h, d", &TIMES, "s").map(Duration::from_millis)
}

/// A rate such as `50/s`.
pub(super) fn rate(text: &str) -> Result<Rate, Wrong> {
    let parts = text.split_once('/').filter(|(number, _)| number.bytes().all(|b| b.is_ascii_digit()));
    let read = parts.and_then(|(number, unit)| {
        let count = number.parse::<u32>().ok().filter(|count| *count > 0)?;
        let (_, ms) = TIMES.iter().find(|(name, ms)| *name == unit && *ms >= 1000)?;
        Some(Rate { count, per: Duration::from_millis(*ms) })
    });
    let message = "no rate; write a whole number above 0, \"/\" and a unit of s, m, h, d, such as \"50/s\"";
    read.ok_or_else(|| Wrong::new(message))
}

/// A size: a whole number and one of `B`, `KiB`, `MiB`, `GiB`.
pub(super) fn size(text: &str) -> Result<u64, Wrong> {
    measure(text, "size", "B, KiB, MiB, GiB", &SIZES, "B")
}

fn measure(text: &str, what: &str, names: &str, units: &[(&str, u64)], usual: &str) -> Result<u64, Wrong> {
    let known = |unit: &str| units.iter().find(|(name, _)| *name == unit);
    let tidy: String = text.chars().filter(|c| !c.is_whitespace() && *c != '_').take(40).collect();
    let digits = |s: &str| s.chars().take_while(char::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits(text)).unwrap_or_default();
    match known(unit) {
        Some((_, scale)) if !number.is_empty() => {
            number.parse::<u64>().ok().and_then(|n| n.checked_mul(*scale)).ok_or_else(|| {
                Wrong::new(format!("\"{}\" is far too large a {what}; write a smaller one", short(text)))
            })
        }
        _ => {
            let (number, unit) = tidy.split_at_checked(digits(&tidy)).unwrap_or_default();
            let lower = unit.to_ascii_lowercase();
            let meant = match unit {
                "" => Some(usual),
                _ => [unit, lower.as_str()]
                    .into_iter()
                    .chain(SLIPS.iter().filter(|(slip, _)| *slip == lower).map(|(_, meant)| *meant))
                    .find_map(|unit| known(unit).map(|(name, _)| *name)),
            };
            let hint = meant.filter(|_| !number.is_empty()).map(|unit| format!("{number}{unit}"));
            Err(Wrong::new(format!("\"{}\" is no {what}; write a whole number and one unit of {names}", short(text)))
                .hint(hint))
        }
    }
}

/// A duration as a file would say it.
pub(super) fn show_duration(duration: Duration) -> String {
    show(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &TIMES, "0s")
}

/// A size as a file would say it.
pub(super) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZES, "0B")
}

fn show(number: u64, units: &[(&str, u64)], zero: &str) -> String {
    units
        .iter()
        .find(|(_, scale)| number > 0 && number.is_multiple_of(*scale))
        .map_or_else(|| zero.to_string(), |(unit, scale)| format!("{}{unit}", number / scale))
}

/// Where requests go: `http` or `https`, a host, at most a base path.
pub(super) fn origin_url(text: &str) -> Result<Url, Wrong> {
    let lower = text.to_ascii_lowercase();
    if !lower.starts_with("http://") && !lower.starts_with("https://") {
        // `localhost:3000` and `example.org` lack the scheme; `ftp://...` has a wrong one.
        let plain = !text.is_empty() && !text.contains("://") && !text.contains('@');
        let local = ["localhost", "127.", "[::1]"].iter().any(|host| lower.starts_with(host));
        let scheme = if local { "http" } else { "https" };
        let hint = plain.then(|| format!("{scheme}://{}", text.trim_start_matches('/')));
        let wrong = Wrong::new("an origin starts with http:// or https://");
        return Err(if plain { wrong.hint(hint.filter(|hint| hint.len() <= 60)) } else { wrong.private() });
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(Wrong::new("a URL has no spaces, control characters or backslashes").private());
    }
    let authority = text.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    // `url` would take the path's first segment for the host of `https:///x`.
    if authority.is_empty() {
        return Err(Wrong::new("the URL has no host; write it as \"https://host\""));
    }
    if authority.contains('@') {
        return Err(Wrong::new(
            "a URL holds no user name or password; put them into origin.headers as a secret: \
             { authorization = { secret = \"NAME\" } }",
        )
        .private());
    }
    if !authority.is_ascii() {
        return Err(Wrong::new("a host is written in ASCII; a name in other letters as punycode: \"xn--...\""));
    }
    let url = Url::parse(text).map_err(|error| Wrong::new(format!("not a URL: {error}")))?;
    if url.port() == Some(0) {
        return Err(Wrong::new("port 0 cannot be reached; name the port that the origin listens on"));
    }
    if url.query().is_some() {
        return Err(Wrong::new("an origin has no query; remove what follows the \"?\"").private());
    }
    if url.fragment().is_some() {
        return Err(Wrong::new("an origin has no fragment; remove what follows the \"#\"").private());
    }
    Ok(url)
}

/// The fields that belong to one connection, and never pass it (RFC 9110 7.6.1).
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

/// The fields with which the cache itself asks for a part or a change (RFC 9110 13, 14).
const CONDITIONS: [&str; 6] =
    ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range"];

/// The name of a field that is set on every request to the origin, in lower case.
pub(super) fn set_field_name(text: &str) -> Result<String, Wrong> {
    let name = field_name(text)?;
    let refused = match name.as_str() {
        "host" => "Host comes from origin.url",
        "content-length" => "Content-Length follows from the content of each request",
        name if HOP_BY_HOP.contains(&name) => "this field belongs to one connection, which the host manages",
        "via" | "cdn-loop" => {
            "terrace adds its own to this field, for loops to be found; for its name see origin.cdn_id"
        }
        name if CONDITIONS.contains(&name) => "the cache itself asks conditionally and for ranges",
        _ => return Ok(name),
    };
    Err(Wrong::new(format!("{refused}; remove it")))
}

/// The name of a field that becomes part of the key, in lower case.
pub(super) fn key_field_name(text: &str) -> Result<String, Wrong> {
    if text == "*" {
        return Err(Wrong::new("\"*\" would make every request its own object; name the fields"));
    }
    let name = field_name(text)?;
    let refused = match name.as_str() {
        "host" => "the host is part of the key already",
        name if HOP_BY_HOP.contains(&name) => "this field belongs to one connection",
        name if CONDITIONS.contains(&name) => "the cache answers conditions and ranges itself",
        name if connection::is_rewritten(name) => "terrace adds to it, so that the origin sees another value",
        name if connection::never_forwarded(name) => "it never reaches the origin",
        _ => return Ok(name),
    };
    Err(Wrong::new(format!("{refused}; remove it")))
}

/// The field that names the tenant, as `header:NAME`; its name in lower case.
pub(super) fn tenant(text: &str) -> Result<String, Wrong> {
    match text.strip_prefix("header:") {
        Some(name) => key_field_name(name),
        None => Err(Wrong::new("no tenant; write \"header:NAME\" (the host is part of the key already)")),
    }
}

/// What a deployment calls itself in CDN-Loop (RFC 8586 2: a pseudonym is a token).
pub(super) fn cdn_id(text: &str) -> Result<String, Wrong> {
    if text.is_empty() || text.len() > 64 || !text.bytes().all(is_token) {
        let message = format!(
            "\"{}\" is no name for CDN-Loop; write at most 64 letters, digits and -, such as \"edge-eu\"",
            short(text)
        );
        return Err(Wrong::new(message));
    }
    Ok(text.to_string())
}

/// The name of a cookie (RFC 6265 4.1.1), whose case counts.
pub(super) fn cookie_name(text: &str) -> Result<String, Wrong> {
    if text.is_empty() || !text.bytes().all(is_token) {
        let message =
            format!("\"{}\" is no name of a cookie; it has letters, digits, - and _, such as \"plan\"", short(text));
        return Err(Wrong::new(message));
    }
    Ok(text.to_string())
}

/// A language tag (RFC 5646 2.1): subtags of 1 to 8 letters and digits.
pub(super) fn language_tag(text: &str) -> Result<String, Wrong> {
    let subtag = |s: &str| (1..=8).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_alphanumeric());
    if text.split('-').all(subtag) && text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Ok(text.to_string());
    }
    let hint = text.replace('_', "-");
    let near = hint != text && hint.split('-').all(subtag);
    let wrong = Wrong::new(format!("\"{}\" is no language tag; write one such as \"en\" or \"pt-BR\"", short(text)));
    Err(wrong.hint(near.then_some(hint)))
}

/// A field's name (RFC 9110 5.1), in lower case.
fn field_name(text: &str) -> Result<String, Wrong> {
    if text.is_empty() || text.len() > 256 || !text.bytes().all(is_token) {
        let message = format!(
            "\"{}\" is no field name; it has letters, digits and - only, such as \"x-api-version\"",
            short(text)
        );
        return Err(Wrong::new(message));
    }
    Ok(text.to_ascii_lowercase())
}

/// A character of a token (RFC 9110 5.6.2).
fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// A field's value (RFC 9110 5.5), of visible ASCII, spaces and tabs.
pub(super) fn field_value(text: &str) -> Result<String, Wrong> {
    let visible = |b: u8| b == b'\t' || (b' '..=b'~').contains(&b);
    // The value may be a credential, so it is not shown.
    if !text.bytes().all(visible) {
        return Err(Wrong::new("a field's value holds visible ASCII characters and spaces only").private());
    }
    if text.trim() != text {
        return Err(Wrong::new("a field's value has no spaces around it; remove them").private());
    }
    Ok(text.to_string())
}

/// The name of a content coding.
pub(super) fn coding(text: &str) -> Result<String, Wrong> {
    let names = Coding::ALL.map(Coding::as_str);
    match names.contains(&text) {
        true => Ok(text.to_string()),
        false => {
            let message = format!("\"{}\" is no coding; write \"br\", \"zstd\" or \"gzip\"", short(text));
            Err(Wrong::new(message).hint(word(text, &names)))
        }
    }
}

/// The name of a secret, which every host can keep: a letter, then letters, digits and `_`.
pub(super) fn secret_name(text: &str) -> Result<String, Wrong> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if text.len() > 64 || !text.starts_with(|c: char| c.is_ascii_alphabetic()) || !text.bytes().all(word) {
        // Whoever puts the secret itself here should not find it in a log.
        let message = "no name of a secret; it is a letter, then letters, digits and _, such as \"ORIGIN_API_KEY\"";
        return Err(Wrong::new(message).private());
    }
    Ok(text.to_string())
}

/// A pattern of paths.
pub(super) fn path_pattern(text: &str) -> Result<String, Wrong> {
    if !text.starts_with(['/', '*']) {
        let path = text.starts_with(|c: char| c.is_ascii_alphanumeric()) && !text.contains("://");
        let hint = (path && text.len() <= 60).then(|| format!("/{text}"));
        return Err(Wrong::new("a pattern starts with \"/\" or \"*\", because paths start with \"/\"").hint(hint));
    }
    if text.contains('?') {
        return Err(Wrong::new(
            "a pattern matches the path alone, which has no \"?\"; for one character or more write \"*\", for the query \
             see `query`",
        ));
    }
    sent_form(text, |b| b != b'#')?;
    if text.starts_with("//") || text.contains('\\') || text.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(Wrong::new(
            "no path that is asked for has \"//\" at its beginning, a backslash, or \".\" and \"..\" as segments: such requests \
             are refused; write the path that they mean",
        ));
    }
    if text == "/_terrace" || text.starts_with("/_terrace/") {
        return Err(Wrong::new("everything under /_terrace is terrace's own and never reaches a route; remove it"));
    }
    Ok(text.to_string())
}

/// A pattern of names of query parameters.
pub(super) fn query_pattern(text: &str) -> Result<String, Wrong> {
    if text.is_empty() {
        return Err(Wrong::new("the name of a parameter is missing; write it, or remove the empty string"));
    }
    sent_form(text, |b| !matches!(b, b'&' | b'=' | b'#'))?;
    Ok(text.to_string())
}

/// Patterns are compared with what clients send in its normal form (RFC 3986 6.2.2): another form would never match.
fn sent_form(text: &str, allowed: impl Fn(u8) -> bool) -> Result<(), Wrong> {
    if let Some(c) = text.chars().find(|c| !c.is_ascii_graphic() || !u8::try_from(*c).is_ok_and(&allowed)) {
        let mut bytes = [0; 4];
        let encoded: String = c.encode_utf8(&mut bytes).bytes().map(|b| format!("%{b:02X}")).collect();
        return Err(Wrong::new(format!(
            "{c:?} never stands in what is matched here, so this can never match; percent-encoded it is {encoded}"
        )));
    }
    for code in text.split('%').skip(1) {
        if !code.get(..2).is_some_and(|code| code.bytes().all(|b| b.is_ascii_hexdigit())) {
            return Err(Wrong::new("a \"%\" is followed by two hexadecimal digits; for the sign itself write \"%25\""));
        }
    }
    let normal = normal_percent(text);
    if normal != text {
        let message = "percent-encoding is matched in its normal form, so this can never match";
        return Err(Wrong::new(message).hint((normal.len() <= 60).then_some(normal)));
    }
    Ok(())
}

/// A tag, which stands in fields that part their lists with commas or spaces.
pub(super) fn tag(text: &str) -> Result<String, Wrong> {
    if purge::fields::is_tag(text) {
        return Ok(text.to_string());
    }
    Err(Wrong::new(format!(
        "no tag; it has visible ASCII characters without spaces and commas, at most {}",
        purge::MAX_MARK
    )))
}

/// A value as a message quotes it.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(60) {
        None => text.to_string(),
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
    }
}

/// The word among `words` that `text` was probably meant to be.
pub(super) fn word<'a>(text: &str, words: &[&'a str]) -> Option<&'a str> {
    nearest(text, words.iter().copied())
}
