//! `[[watch]]`: which documents of the origin are watched, and what is purged when their values change.

use super::error::Wrong;
use super::limits::{EVERY, MAX_NAME, MAX_TARGET, MAX_WATCHED, MAX_WATCHES};
use super::reader::{Item, Table};
use super::{Watch, defaults, value};
use crate::watch::pointer;

/// Reads all watches.
pub(super) fn read(item: &Item<'_>) -> Option<Vec<Watch>> {
    let items = item.array("sections [[watch]], in two pairs of brackets")?;
    if items.len() > MAX_WATCHES {
        item.wrong(Wrong::new(format!(
            "{} watches are too many, because each is asked for by itself; name at most {MAX_WATCHES}",
            items.len()
        )));
        return None;
    }
    // URLs, and where they stand.
    let mut earlier: Vec<(String, Item<'_>)> = Vec::new();
    let read = items.iter().filter_map(|item| item.table("a section [[watch]]", |table| watch(table, &mut earlier)));
    Some(read.collect::<Vec<_>>().into_iter().flatten().collect())
}

fn watch<'d>(table: &mut Table<'d>, earlier: &mut Vec<(String, Item<'d>)>) -> Option<Watch> {
    let item = table.require("url", "\"/last-updated\"");
    let url = item.as_ref().and_then(|item| item.parse("a path such as \"/last-updated\"", target));
    if let (Some(item), Some(url)) = (item, &url) {
        if let Some((_, place)) = earlier.iter().find(|(before, _)| before == url) {
            item.wrong(Wrong::new(format!("watched on line {} already; join the two", place.line())));
        }
        earlier.push((url.clone(), item));
    }
    let every = table.get("every").and_then(|item| item.duration(&EVERY));
    let tags = table.require("tags", "{ products = \"/products/updated\" }").and_then(|item| tags(&item));
    let soft = table.get("soft").and_then(|item| item.boolean());
    let every = every.unwrap_or(defaults::WATCH_EVERY);
    Some(Watch { url: url?, every, tags: tags?, soft: soft.unwrap_or_default() })
}

/// Tags, and what each is purged by.
fn tags(item: &Item<'_>) -> Option<Vec<(String, String)>> {
    let entries = item.entries("a table of tags with JSON pointers, such as { products = \"/products/updated\" }")?;
    if entries.is_empty() {
        item.wrong(Wrong::new("no tag, so nothing could ever be purged; name one, or remove the section"));
    }
    if entries.len() > MAX_WATCHED {
        item.wrong(Wrong::new(format!("more than {MAX_WATCHED} tags; name fewer, or many at once by a \"*\"")));
        return None;
    }
    let mut read = Vec::new();
    for entry in entries {
        let tag = entry.name();
        if let Err(wrong) = value::tag(&tag.replacen('*', "x", 1)) {
            entry.wrong_key(wrong);
            continue;
        }
        let Some(pointer) = entry.parse("a JSON pointer such as \"/products/updated\"", pointed) else { continue };
        match (tag.matches('*').count(), pointer::is_many(&pointer)) {
            (1, true) | (0, false) => read.push((tag.to_string(), pointer)),
            (0, true) => {
                let hint = (tag.len() <= 50).then(|| format!("{tag}-*"));
                let message = "a pointer with \"*\" finds many values, which one tag would not tell apart; have a \"*\" in the tag, too";
                entry.wrong_key(Wrong::new(message).hint(hint));
            }
            _ => entry.wrong_key(Wrong::new(
                "one \"*\" in a tag stands for the name of the member that \"*\" in its pointer finds; have one in each, or in neither",
            )),
        }
    }
    Some(read)
}

/// A JSON pointer.
fn pointed(text: &str) -> Result<String, Wrong> {
    if text.len() > MAX_NAME {
        return Err(Wrong::new(format!("longer than {MAX_NAME} bytes; watch something less deep")));
    }
    match pointer::check(text) {
        Ok(()) => Ok(text.to_string()),
        Err(why) => {
            // What other languages write for a path.
            let steps = text.trim_start_matches('$').trim_start_matches('.');
            let hint = format!("/{}", steps.replace('.', "/"));
            let near = !text.starts_with('/') && !text.contains(['~', '[', ' ']) && hint.len() <= 60;
            Err(Wrong::new(why).hint(near.then_some(hint)))
        }
    }
}

/// A path at the origin, with its query.
fn target(text: &str) -> Result<String, Wrong> {
    let hint = |text: &str| (text.len() <= 60 && !text.contains("//")).then(|| text.to_string());
    if let Some((_, rest)) = text.split_once("://") {
        let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/");
        return Err(Wrong::new("nothing but the origin is ever asked; write the path there alone").hint(hint(path)));
    }
    if !text.starts_with('/') {
        return Err(Wrong::new("a path begins with \"/\"").hint(hint(&format!("/{text}"))));
    }
    if text.len() > MAX_TARGET {
        return Err(Wrong::new(format!("longer than {MAX_TARGET} bytes; watch a shorter one")));
    }
    let path = text.split_once('?').map_or(text, |(path, _)| path);
    if path.starts_with("//") || path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(Wrong::new("a path has no \"//\" at its beginning, and no \".\" and \"..\"; write what it means"));
    }
    match text.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '#' | '\\')) {
        Some(c) => Err(Wrong::new(format!("{c:?} is not sent to an origin; remove it, or percent-encode it"))),
        None => Ok(text.to_string()),
    }
}
