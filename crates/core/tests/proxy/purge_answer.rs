//! What a purge is answered: how much it hits, and what in it can hardly be meant.

use super::support::*;

const FRESH: (&str, &str) = ("cache-control", "max-age=1000");

fn cache() -> Cache {
    Cache::new("[admin]\ntoken = { secret = \"ADMIN_TOKEN\" }\n")
}

#[test]
fn the_scheme_keeps_no_purge_from_hitting() {
    // Behind whoever ends TLS, terrace is asked by http for what is https to everybody else.
    for document in [r#"{"urls":["https://cache.test/a"]}"#, r#"{"prefixes":["https://cache.test/"]}"#] {
        let mut cache = cache();
        cache.respond(200, &[FRESH], "old");
        cache.get("/a");
        cache.wait(1);
        let answer = cache.purge(document);
        assert!(answer.status == 200 && !answer.text().contains("warnings"), "{answer:?}");
        cache.wait(1);
        cache.respond(200, &[FRESH], "new");
        assert_eq!(cache.get("/a").text(), "new", "{document}");
    }
}

#[test]
fn a_purge_by_a_url_of_the_api_is_answered_with_a_warning() {
    let mut cache = cache();
    let answer = cache.purge(r#"{"urls":["http://origin.test/a"]}"#);
    let said: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
    let warning = said["warnings"][0].as_str().unwrap();
    assert!(answer.status == 200 && warning.contains("urls[0]: this is the API's own host"), "{answer:?}");
    assert_eq!(cache.purge(r#"{"prefixes":["/a*"]}"#).status, 400);
}

/// Matched, looked at, and whether that is all.
fn matching(answer: &Answer) -> (u64, u64, bool) {
    let said: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
    let number = |name: &str| said[name].as_u64().unwrap();
    (number("matched"), number("looked_at"), said["all_looked_at"].as_bool().unwrap())
}

#[test]
fn the_answer_tells_how_much_of_what_is_stored_the_purge_hits() {
    for (document, matched) in [
        (r#"{"tags":["red"]}"#, 2),
        (r#"{"tags":["Red"]}"#, 0),
        (r#"{"groups":["g"]}"#, 4),
        (r#"{"urls":["https://cache.test/a"]}"#, 1),
        (r#"{"urls":["http://cache.test/b"]}"#, 2),
        (r#"{"urls":["/b"],"tags":["red"]}"#, 4),
        (r#"{"urls":["http://other.test/b"]}"#, 0),
        (r#"{"prefixes":["/b"]}"#, 2),
        (r#"{"everything":true,"soft":true}"#, 4),
    ] {
        let mut cache = cache();
        for (path, tag) in [("/a", "red"), ("/c", "red blue"), ("/b", "green"), ("/b", "green")] {
            let language = if cache.asked() == 3 { "de" } else { "en" };
            cache.respond(200, &[FRESH, ("xkey", tag), ("cache-groups", "\"g\""), ("vary", "Accept-Language")], "x");
            cache.get_with(path, &[("accept-language", language)]);
        }
        cache.wait(1);
        assert_eq!(matching(&cache.purge(document)), (matched, 4, true), "{document}");
        cache.wait(1);
        // What is gone is not hit again; what is stale is.
        let left = if document.contains("soft") { matched } else { 0 };
        assert_eq!(matching(&cache.purge(document)).0, left, "{document}");
    }
}

#[test]
fn of_much_that_is_stored_a_sample_is_looked_at_and_what_is_named_by_its_url() {
    let mut cache = cache();
    for n in 0..400 {
        cache.respond(200, &[FRESH, ("xkey", "all")], "x");
        cache.get(&format!("/{n}"));
    }
    cache.wait(1);
    let queries = cache.host.world.queries.get();
    assert_eq!(matching(&cache.purge(r#"{"tags":["none"]}"#)), (0, 256, false));
    assert_eq!(cache.host.world.queries.get(), queries + 1);
    let urls: Vec<String> = (0..200).map(|n| format!("\"/{n}\"")).collect();
    let document: &'static str = format!("{{\"urls\":[{}]}}", urls.join(",")).leak();
    let (matched, looked_at, all) = matching(&cache.purge(document));
    assert!(matched == 200 && (256..456).contains(&looked_at) && !all, "{matched} {looked_at} {all}");
    assert!(matching(&cache.purge(r#"{"tags":["all"]}"#)).0 > 0);
}
