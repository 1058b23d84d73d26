//! What responses can be purged by, and what purges (RFC 9875, the document of a purge).
//!
//! Input: the fields of a stored response, those of a newer one of the same content, parted by an empty line; and, behind one more,
//! the document of a purge.

use super::block::{MOST, blocks};
use http::Method;
use terrace_core::admin::{self, MAX_TARGETS};
use terrace_core::config::Config;
use terrace_core::purge::fields::{hide, invalidated, is_group, is_tag, marks, updated};
use terrace_core::purge::{Fate, Index, MAX_MARKS, Marks, Target, Times};
use terrace_core::time::Timestamp;

const URL: &str = "http://a.test/x?q=1";
const CONFIG: &str = "[origin]\nurl = \"http://a.test\"\n";
const AT: Timestamp = Timestamp(5);

pub fn holds(data: &[u8]) {
    if data.len() > MOST {
        return;
    }
    let [first, second] = blocks(data);
    let route = ["route".to_string()];
    let (stored, _) = marks(URL, &route, &first);
    sound(&stored);
    sound(&updated(&stored, &route, &second).0);
    let (again, _) = updated(&stored, &route, &first);
    assert_eq!(again, stored, "the same fields name the same");

    let mut seen = first.clone();
    hide(&mut seen);
    assert!(["cache-tag", "surrogate-key", "xkey"].iter().all(|name| !seen.contains(name)));
    assert_eq!(seen.get_all("cache-groups").count(), first.get_all("cache-groups").count());

    assert!(invalidated(&Method::GET, URL, 200, &first).0.is_empty(), "not by a safe method (RFC 9875 3)");
    let (groups, _) = invalidated(&Method::POST, URL, 200, &first);
    assert!(groups.len() <= MAX_MARKS);
    agree(&groups, &stored);

    let Some(document) = third(data) else { return };
    let config = Config::parse(CONFIG, "terrace.toml").unwrap();
    if let Ok(order) = admin::order(document, &config, "cache.test") {
        // A URL is two of them, and everything is one more.
        assert!(!order.targets.is_empty() && order.targets.len() <= 2 * MAX_TARGETS + 1);
        agree(&order.targets, &stored);
    }
}

/// What is behind the second empty line.
fn third(data: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    for _ in 0..2 {
        at += data.get(at..)?.windows(2).position(|w| w == b"\n\n")? + 2;
    }
    data.get(at..)
}

/// Marks are few, each is what it may be, and they come back from a store as they were.
fn sound(marks: &Marks) {
    assert_eq!(marks.url(), URL);
    assert!(marks.tags().count() <= MAX_MARKS && marks.groups().count() <= MAX_MARKS);
    assert!(marks.tags().all(is_tag) && marks.groups().all(is_group), "{marks:?}");
    assert_eq!(&Marks::from_text(marks.as_text().to_string()), marks);
    let tags = marks.tags().map(Target::tag);
    let groups = marks.groups().flat_map(|group| [Target::group(group), Target::group_of(URL, group)]);
    for target in tags.chain(groups).chain([Target::url(URL), Target::prefix("/"), Target::everything()]) {
        assert!(target.is_for(marks), "{target:?} {marks:?}");
    }
    assert!(
        !marks.groups().any(|group| Target::group_of("http://b.test/", group).is_for(marks)),
        "of its origin alone"
    );
}

/// The index of purges is the plain reading, whatever the order they came in; and a target comes back from the log as it was.
fn agree(targets: &[Target], marks: &Marks) {
    let mut index = Index::default();
    for target in targets.iter().rev() {
        assert_eq!(&Target::from_text(target.as_text().to_string()), target);
        index.add(target.clone(), Times::of(AT, false));
    }
    let hit = targets.iter().any(|target| target.is_for(marks));
    assert_eq!(index.fate(marks, AT) == Fate::Dead, hit, "{targets:?} {marks:?}");
}
