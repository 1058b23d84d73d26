//! JSON Pointer (RFC 6901), with one step of our own: `*` stands for each member of an object, once at most.

use serde_json::Value;

/// What stands for each member.
const EACH: &str = "*";

/// Whether a text is a pointer (RFC 6901 3).
///
/// # Errors
/// What is wrong with it.
pub fn check(pointer: &str) -> Result<(), &'static str> {
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return Err("a JSON pointer begins with \"/\" (RFC 6901)");
    }
    if pointer.split('~').skip(1).any(|rest| !rest.starts_with(['0', '1'])) {
        return Err(
            "a \"~\" in a JSON pointer is followed by 0 or 1: \"~0\" is the sign itself, \"~1\" is \"/\" (RFC 6901)",
        );
    }
    match pointer.split('/').filter(|step| *step == EACH).count() {
        0 | 1 => Ok(()),
        _ => Err("one \"*\" in a pointer is all that there may be"),
    }
}

/// Whether a pointer may find several values.
pub fn is_many(pointer: &str) -> bool {
    pointer.split('/').any(|step| step == EACH)
}

/// The values that a pointer finds, each with the name of the member that `*` stands for, or the empty name where there is no `*`
/// in it; `None` where it finds nothing (RFC 6901 4). With `*`, an object without members is a find of no values, and one of which no member has the rest is none.
pub fn find<'a>(document: &'a Value, pointer: &str) -> Option<Vec<(&'a str, &'a Value)>> {
    let Some((before, after)) = parts(pointer) else {
        return document.pointer(pointer).map(|value| vec![("", value)]);
    };
    let members = document.pointer(before)?.as_object()?;
    let found: Vec<_> =
        members.iter().filter_map(|(name, member)| Some((name.as_str(), member.pointer(after)?))).collect();
    // Of members that all lack the rest, it is the rest that is wrong.
    (members.is_empty() || !found.is_empty()).then_some(found)
}

/// What is before `/*`, and behind it.
fn parts(pointer: &str) -> Option<(&str, &str)> {
    match pointer.split_once("/*/") {
        Some((before, _)) => Some((before, pointer.get(before.len() + 2..)?)),
        None => Some((pointer.strip_suffix("/*")?, "")),
    }
}
