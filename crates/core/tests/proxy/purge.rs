//! Purges: over instances, over an L1 that lags, and over tiers that fail.

use super::support::*;
use http::Method;
use std::collections::HashMap;
use std::rc::Rc;

const ADMIN: &str = "[admin]\ntoken = { secret = \"ADMIN_TOKEN\" }\n";

const FRESH: (&str, &str) = ("cache-control", "max-age=1000");

fn cache(config: &str) -> Cache {
    Cache::new(&format!("{ADMIN}{config}"))
}

fn costs(cache: &Cache) -> (u32, u32, u32, u32) {
    let world = &cache.host.world;
    (world.kv_gets.take(), world.kv_puts.take(), world.queries.take(), world.batches.take())
}

#[test]
fn without_a_token_there_is_no_admin_and_purge_is_a_method_like_any() {
    let mut cache = Cache::new("");
    assert_eq!(cache.purge("{\"everything\":true}").status, 404);
    cache.respond(405, &[], "");
    assert_eq!(cache.send(Method::from_bytes(b"PURGE").unwrap(), "/a", &[]).status, 405);
    assert_eq!(cache.asked(), 1);
}

#[test]
fn who_may_purge_and_what_is_said_to_the_others() {
    let mut cache = cache("");
    let purge = Method::from_bytes(b"PURGE").unwrap();
    for (method, target) in [(Method::POST, "/_terrace/purge"), (Method::GET, "/_terrace/purge"), (purge, "/a")] {
        for token in [&[][..], &[("authorization", "Bearer no")]] {
            let refused = cache.send(method.clone(), target, token);
            assert_eq!((refused.status, refused.field("www-authenticate")), (401, "Bearer"), "{method} {target}");
        }
    }
    let token = ("authorization", "Bearer t0ken");
    let wrong = cache.send(Method::GET, "/_terrace/purge", &[token]);
    assert_eq!((wrong.status, wrong.field("allow")), (405, "POST"));
    assert_eq!(cache.send(Method::POST, "/_terrace/purge", &[token]).status, 411);
    let large = [token, ("content-length", "65537")];
    assert_eq!(cache.send(Method::POST, "/_terrace/purge", &large).status, 413);
    assert_eq!(cache.send(Method::POST, "/_terrace/purges", &[token]).status, 404);
    let pointed = cache.purge("{\"tags\":[\"a b\"]}");
    assert!(pointed.status == 400 && pointed.text().contains("tags[0]: no tag"), "{pointed:?}");
    assert_eq!(cache.asked(), 0);
}

#[test]
fn the_answer_names_the_purge_and_when_it_holds_everywhere() {
    let mut cache = cache("[purge]\npoll = \"10s\"");
    let first = cache.purge("{\"tags\":[\"a\"]}");
    assert_eq!((first.status, first.field("cache-control")), (200, "no-store"));
    assert_eq!(
        first.text(),
        "{\"id\":\"1\",\"soft\":false,\"holds_everywhere_at\":\"Fri, 15 Jan 2027 08:00:10 GMT\",\"holds_everywhere_in_ms\":10000,\"matched\":0,\"looked_at\":0,\"all_looked_at\":true}"
    );
    assert!(cache.purge("{\"tags\":[\"a\"],\"soft\":true}").text().starts_with("{\"id\":\"2\",\"soft\":true"));
}

#[test]
fn each_kind_of_purge_removes_what_it_names_and_nothing_else() {
    for (document, gone, kept) in [
        (r#"{"tags":["red"]}"#, "/a", "/b"),
        (r#"{"tags":["route"]}"#, "/b", "/c"),
        (r#"{"groups":["g"]}"#, "/b", "/a"),
        (r#"{"urls":["http://cache.test/a"]}"#, "/a", "/b"),
        (r#"{"urls":["/a"]}"#, "/a", "/b"),
        (r#"{"prefixes":["http://cache.test/a"]}"#, "/a", "/b"),
        (r#"{"prefixes":["/b"]}"#, "/b", "/a"),
    ] {
        let mut cache = cache("[[route]]\nmatch = \"/b\"\ntags = [\"route\"]");
        for tier in ["L1-HIT", "L2-HIT"] {
            for (path, tag) in [("/a", "red, x"), ("/b", "blue"), ("/c", "green")] {
                let group = if path == "/b" { "\"g\"" } else { "\"h\"" };
                cache.respond(200, &[FRESH, ("cache-tag", tag), ("cache-groups", group)], "first");
                let first = cache.get(path);
                assert_eq!((first.field("cache-tag"), first.field("cache-groups")), ("", group));
                let hit = cache.get(path);
                assert_eq!((hit.tier(), hit.field("cache-tag"), hit.field("cache-groups")), ("L1-HIT", "", group));
            }
            if tier == "L2-HIT" {
                cache.restart();
            }
            cache.wait(1);
            assert_eq!(cache.purge(document).status, 200);
            cache.wait(1);
            assert_eq!(cache.get(kept).tier(), tier, "{document}");
            cache.respond(200, &[FRESH], "second");
            assert_eq!((cache.get(gone).tier(), cache.get(gone).tier()), ("MISS", "L1-HIT"), "{document}");
            assert_eq!(cache.purge(r#"{"everything":true}"#).status, 200);
            cache.wait(1);
            for path in [gone, kept] {
                cache.respond(200, &[FRESH], "third");
                assert_eq!(cache.get(path).tier(), "MISS");
            }
            cache.purge(r#"{"everything":true}"#);
            cache.wait(1);
        }
    }
}

#[test]
fn a_url_is_purged_with_all_its_variants_whatever_is_in_the_key() {
    let mut cache =
        cache("[[route]]\nmatch = \"/*\"\nvary = [\"x-part\"]\nquery = { ignore = [\"utm_*\"], sort = true }\n");
    let langs = ["de", "en"];
    let asks: Vec<[(&str, &str); 2]> =
        ["1", "2"].iter().flat_map(|part| langs.map(|lang| [("x-part", *part), ("accept-language", lang)])).collect();
    let fill = |cache: &mut Cache, tier: &str| {
        for ask in &asks {
            if tier == "MISS" {
                cache.respond(200, &[FRESH, ("vary", "Accept-Language")], "v");
            }
            assert_eq!(cache.get_with("/p?a=1&b=2", ask).tier(), tier, "{ask:?}");
        }
    };
    fill(&mut cache, "MISS");
    fill(&mut cache, "L1-HIT");
    cache.wait(1);
    cache.purge(r#"{"urls":["/p?b=2&utm_source=x&a=1"]}"#);
    cache.wait(1);
    fill(&mut cache, "MISS");
    cache.wait(1);
    let token = [("authorization", "Bearer t0ken")];
    let answer = cache.send(Method::from_bytes(b"PURGE").unwrap(), "/p?utm_x=y&a=1&b=2", &token);
    assert_eq!(answer.status, 200, "{answer:?}");
    cache.wait(1);
    fill(&mut cache, "MISS");
    assert_eq!(cache.asked(), 12);
}

#[test]
fn what_stands_for_many_urls_is_purged_by_any_of_them() {
    let mut cache = cache("");
    let fields = [FRESH, ("no-vary-search", "params=(\"x\")")];
    cache.respond(200, &fields, "one");
    cache.get("/s?x=1");
    assert_eq!(cache.get("/s?x=2").tier(), "L1-HIT");
    cache.wait(1);
    cache.purge(r#"{"urls":["/s?x=3"]}"#);
    cache.wait(1);
    cache.respond(200, &fields, "two");
    assert_eq!(cache.get("/s?x=2").text(), "two");
}

#[test]
fn what_stands_for_many_urls_is_purged_by_the_beginning_of_any_of_them() {
    for prefix in [r#"{"prefixes":["/r?a=5"]}"#, r#"{"prefixes":["http://cache.test/r?a=5&"]}"#] {
        let mut cache = cache("");
        let fields = [FRESH, ("no-vary-search", "params=(\"a\")")];
        cache.respond(200, &fields, "one");
        cache.get("/r?a=1&b=2");
        assert_eq!(cache.get("/r?a=5&b=2").tier(), "L1-HIT");
        cache.wait(1);
        cache.purge(prefix);
        cache.wait(1);
        cache.respond(200, &fields, "two");
        assert_eq!(cache.get("/r?a=5&b=2").text(), "two", "{prefix}");
    }
}

#[test]
fn a_soft_purge_makes_stale_what_is_then_refreshed_or_served_when_the_origin_fails() {
    let mut cache = cache("");
    let fields = [FRESH, ("etag", "\"e\""), ("xkey", "t")];
    cache.respond(200, &fields, "kept");
    cache.get("/a");
    cache.wait(10);
    cache.purge(r#"{"tags":["t"],"soft":true}"#);
    cache.wait(1);
    cache.respond(304, &fields, "");
    assert_eq!((cache.get("/a").tier(), cache.asked()), ("STALE-L1", 2));
    assert_eq!(cache.last_seen().fields.get_str("if-none-match"), Some("\"e\""));
    assert_eq!(cache.get("/a").tier(), "L1-HIT");
    cache.purge(r#"{"tags":["t"],"soft":true}"#);
    // Past the 30 s of stale-while-revalidate the origin is asked first, and stale-if-error holds.
    cache.wait(31);
    cache.respond(503, &[], "");
    assert_eq!(cache.get("/a").tier(), "STALE-L1");
    // A hard one leaves nothing to serve.
    cache.purge(r#"{"tags":["t"]}"#);
    cache.wait(100);
    cache.respond(503, &[], "down");
    assert_eq!(cache.get("/a").status, 503);
}

#[test]
fn what_was_under_way_when_the_purge_came_is_hit_as_well() {
    let mut cache = cache("");
    let late = vec![FRESH, ("xkey", "t")].into_iter().map(|(n, v)| (n, v.to_string())).collect();
    cache.origin(Script::After(500, Box::new(Script::Respond(200, late, vec![b"old"]))));
    let answer = cache.begin(Method::GET, "/a", &[], terrace_core::message::Body::Empty);
    cache.host.world.now.set(cache.host.world.now.get() + 100);
    cache.purge(r#"{"tags":["t"]}"#);
    let old = cache.finish(answer);
    assert_eq!(old.text(), "old");
    cache.respond(200, &[FRESH], "new");
    assert_eq!(cache.get("/a").text(), "new");
}

#[test]
fn what_is_purged_soon_after_it_was_invalidated_is_stored_again() {
    for restarted in [false, true] {
        let mut cache = cache("");
        cache.respond(204, &[], "");
        cache.send(Method::DELETE, "/a", &[]);
        cache.respond(200, &[FRESH], "first");
        cache.get("/a");
        cache.wait(1);
        cache.purge(r#"{"urls":["/a"]}"#);
        cache.wait(1);
        if restarted {
            cache.restart();
        }
        cache.respond(200, &[FRESH], "second");
        assert_eq!((cache.get("/a").tier(), cache.get("/a").tier()), ("MISS", "L1-HIT"), "{restarted}");
    }
}

#[test]
fn an_unsafe_request_invalidates_the_groups_that_its_answer_names() {
    let mut cache = cache("");
    for path in ["/a", "/b"] {
        cache.respond(200, &[FRESH, ("cache-groups", if path == "/a" { "\"g\"" } else { "\"h\"" })], "first");
        cache.get(path);
    }
    cache.wait(1);
    // Not because of a GET, and not because of an error.
    for (method, status) in [(Method::GET, 200), (Method::POST, 500)] {
        cache.respond(status, &[("cache-control", "no-store"), ("cache-group-invalidation", "\"g\"")], "");
        cache.send(method, "/do", &[]);
        assert_eq!(cache.get("/a").tier(), "L1-HIT");
    }
    cache.respond(200, &[("cache-group-invalidation", "\"g\", \"x\"")], "");
    let answer = cache.send(Method::POST, "/do", &[]);
    assert_eq!(answer.field("cache-group-invalidation"), "\"g\", \"x\"");
    cache.wait(1);
    assert_eq!(cache.get("/b").tier(), "L1-HIT");
    cache.respond(200, &[FRESH], "second");
    assert_eq!(cache.get("/a").text(), "second");
    // Another instance over the same stores knows of it, too.
    cache.respond(200, &[FRESH, ("cache-groups", "\"h\"")], "first");
    cache.get("/c");
    let other = cache.another();
    cache.respond(200, &[("cache-group-invalidation", "\"h\"")], "");
    cache.send(Method::POST, "/do", &[]);
    cache.proxy = other;
    cache.wait(5);
    cache.respond(200, &[FRESH], "second");
    assert_eq!(cache.get("/c").text(), "second");
}

/// RFC 9875 2.2.1: a grouped invalidation does not cascade. What shares a group with what is invalid, and not the one named, stays.
#[test]
fn a_grouped_invalidation_goes_no_further_than_its_group() {
    let mut cache = cache("");
    for (path, groups) in [("/a", "\"g\""), ("/both", "\"g\", \"h\""), ("/b", "\"h\""), ("/none", "\"G\"")] {
        cache.respond(200, &[FRESH, ("cache-groups", groups)], "first");
        cache.get(path);
    }
    cache.wait(1);
    cache.respond(200, &[("cache-group-invalidation", "\"g\"")], "");
    cache.send(Method::POST, "/do", &[]);
    cache.wait(1);
    for (path, stays) in [("/a", false), ("/both", false), ("/b", true), ("/none", true)] {
        if !stays {
            cache.respond(200, &[FRESH], "second");
        }
        assert_eq!(cache.get(path).text(), if stays { "first" } else { "second" }, "{path}");
    }
}

/// RFC 9111 4.4, RFC 9875 2.2.1: an invalid URL takes nothing of its groups with it, which is a cache's choice.
#[test]
fn an_invalidation_of_a_url_leaves_its_groups_alone() {
    let mut cache = cache("");
    for path in ["/a", "/b"] {
        cache.respond(200, &[FRESH, ("cache-groups", "\"g\"")], "first");
        cache.get(path);
    }
    cache.wait(1);
    cache.respond(200, &[], "");
    cache.send(Method::POST, "/a", &[]);
    cache.wait(1);
    assert_eq!(cache.get("/b").text(), "first");
    cache.respond(200, &[FRESH], "second");
    assert_eq!(cache.get("/a").text(), "second");
}

#[test]
fn invalid_tags_are_counted_and_told() {
    let mut cache = cache("");
    cache.respond(200, &[FRESH, ("cache-tag", "good, not good, b@d")], "x");
    cache.get("/a");
    assert_eq!(cache.proxy.counters().invalid_marks.get(), 1);
    assert!(cache.host.world.warnings.borrow()[0].starts_with("1 tags or cache groups of a response are invalid"));
}

#[test]
fn the_log_is_read_before_the_first_lookup_and_then_behind_responses() {
    let mut cache = cache("");
    cache.respond(200, &[FRESH], "x");
    cache.get("/a");
    let _ = cache.another();
    costs(&cache);
    cache.get("/a");
    assert_eq!(costs(&cache), (1, 0, 1, 0), "the log");
    cache.wait(3);
    cache.get("/a");
    assert_eq!(costs(&cache), (1, 0, 0, 0));
    // A hit a second for a minute: a query every four seconds at most, and no hit that is not one read.
    let mut queries = 0;
    for n in 0..60 {
        cache.wait(1);
        cache.get("/a");
        let (reads, puts, asked, batches) = costs(&cache);
        assert_eq!((reads, puts, batches), (1, 0, 0), "{n}");
        queries += asked;
    }
    assert!((12..=15).contains(&queries), "{queries}");
}

#[test]
fn a_purge_that_l2_does_not_take_is_not_acknowledged() {
    let mut cache = cache("");
    cache.host.world.sql_fails.set(true);
    let answer = cache.purge(r#"{"everything":true}"#);
    assert_eq!((answer.status, answer.field("retry-after")), (503, "1"));
    cache.host.world.sql_fails.set(false);
    assert_eq!(cache.purge(r#"{"everything":true}"#).status, 200);
}

#[test]
fn an_instance_that_knows_the_log_goes_on_without_l2_and_a_new_one_asks_the_origin() {
    let mut cache = cache("");
    cache.respond(200, &[FRESH], "old");
    cache.get("/a");
    cache.wait(1);
    cache.host.world.sql_fails.set(true);
    cache.wait(60);
    for _ in 0..3 {
        assert_eq!(cache.get("/a").tier(), "L1-HIT");
        cache.wait(5);
    }
    let _ = cache.another();
    cache.respond(200, &[FRESH], "new");
    assert_eq!((cache.get("/a").text(), cache.get("/a").tier()), ("new", "L1-HIT"));
    // And once L2 is back, all is known.
    cache.host.world.sql_fails.set(false);
    cache.wait(6);
    cache.purge(r#"{"urls":["/a"]}"#);
    cache.wait(1);
    cache.respond(200, &[FRESH], "newer");
    assert_eq!(cache.get("/a").text(), "newer");
}

#[test]
fn an_instance_that_has_asked_for_purges_in_vain_and_then_idled_asks_before_it_serves() {
    let mut cache = cache("");
    cache.respond(200, &[FRESH], "old");
    cache.get("/a");
    cache.wait(10);
    cache.host.world.sql_fails.set(true);
    assert_eq!(cache.get("/a").tier(), "L1-HIT");
    cache.host.world.sql_fails.set(false);
    let idle = cache.another();
    assert_eq!(cache.purge(r#"{"urls":["/a"]}"#).status, 200);
    cache.wait(6);
    cache.proxy = idle;
    cache.respond(200, &[FRESH], "new");
    assert_eq!(cache.get("/a").text(), "new");
}

#[test]
fn a_log_that_was_made_anew_is_read_from_its_beginning() {
    let mut cache = cache("");
    for _ in 0..3 {
        assert_eq!(cache.purge(r#"{"tags":["x"]}"#).status, 200);
        cache.wait(1);
    }
    cache.respond(200, &[FRESH], "old");
    cache.get("/a");
    cache.wait(10);
    assert_eq!(cache.get("/a").tier(), "L1-HIT");
    let other = cache.another();
    cache.host.database.execute_batch("DELETE FROM purges; DELETE FROM sqlite_sequence").unwrap();
    assert_eq!(cache.purge(r#"{"urls":["/a"]}"#).status, 200);
    cache.proxy = other;
    cache.wait(6);
    cache.respond(200, &[FRESH], "new");
    assert_eq!(cache.get("/a").text(), "new");
}

/// More purges than an instance remembers, all at `at` and after it.
fn flood(cache: &Cache, at: i64) {
    let fill = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000) \
         INSERT INTO purges (what, at, soft) SELECT 't' || i, {at} + i, 0 FROM n"
    );
    cache.host.database.execute(&fill, []).unwrap();
}

#[test]
fn what_is_older_than_the_purges_that_are_remembered_counts_as_purged() {
    // Whether the instance knew the log before the flood or not.
    for knows in [true, false] {
        let mut cache = cache("");
        for path in ["/old", "/gone"] {
            cache.respond(200, &[FRESH, ("xkey", path)], "old");
            cache.get(path);
        }
        cache.wait(1);
        cache.purge(r#"{"tags":["/gone"]}"#);
        flood(&cache, cache.host.world.now.get() + 1000);
        cache.wait(20);
        if !knows {
            let _ = cache.another();
        }
        for path in ["/old", "/gone"] {
            cache.respond(200, &[FRESH], "new");
            assert_eq!(cache.get(path).text(), "new");
            assert_eq!(cache.get(path).tier(), "L1-HIT");
        }
    }
}

#[test]
fn the_log_is_swept_and_bounded() {
    let mut cache = cache("");
    cache.purge(r#"{"tags":["x"]}"#);
    let rows = |cache: &Cache| -> i64 {
        cache.host.database.query_row("SELECT count(*) FROM purges", [], |row| row.get(0)).unwrap()
    };
    // 31 days later nothing that is stored can be as old.
    cache.wait(29 * 24 * 3600);
    cache.sweep();
    assert_eq!(rows(&cache), 1);
    cache.wait(2 * 24 * 3600);
    cache.sweep();
    assert_eq!(rows(&cache), 0);
    flood(&cache, cache.host.world.now.get());
    cache.sweep();
    assert_eq!(rows(&cache), 10_000);
    let oldest: i64 = cache.host.database.query_row("SELECT min(at) FROM purges", [], |row| row.get(0)).unwrap();
    assert_eq!(oldest, cache.host.world.now.get() + 2001, "the newest stay");
    // A number is never used again.
    cache.host.database.execute("DELETE FROM purges", []).unwrap();
    assert!(cache.purge(r#"{"tags":["x"]}"#).text().starts_with("{\"id\":\"12002\""));
}

#[test]
fn a_purge_reaches_l2_whose_sql_carries_text_alone() {
    let mut cache = cache("");
    cache.host.world.sql_is_text.set(true);
    cache.respond(200, &[FRESH], "old");
    cache.get("/a");
    cache.wait(1);
    assert_eq!(cache.purge(r#"{"urls":["/a"]}"#).status, 200);
    cache.wait(1);
    cache.restart();
    cache.respond(200, &[FRESH], "new");
    assert_eq!(cache.get("/a").text(), "new");
}

#[test]
fn an_invalidation_reaches_the_l1_of_other_instances_within_the_poll() {
    let mut cache = cache("");
    cache.host.world.kv_lag.set(60_000);
    cache.respond(200, &[FRESH], "old");
    cache.get("/a");
    cache.wait(70);
    assert_eq!(cache.get("/a").tier(), "L1-HIT");
    let other = cache.another();
    cache.respond(200, &[], "changed");
    cache.send(Method::POST, "/a", &[]);
    // L1 shows the old one for a minute, and the first instance has not seen the POST.
    cache.proxy = other;
    cache.wait(5);
    cache.respond(200, &[FRESH], "new");
    assert_eq!(cache.get("/a").text(), "new");
}

/// xorshift64*
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) % sides
    }
}

#[test]
fn no_instance_serves_what_was_purged_later_than_the_poll_on_an_l1_that_lags_a_minute() {
    const INSTANCES: u64 = 20;
    const REQUESTS: u32 = 20_000;
    const POLL: i64 = 5_000;
    let mut cache = cache("[cache]\nstale_while_revalidate = \"0s\"");
    cache.host.world.kv_lag.set(60_000);
    let mut instances: Vec<Rc<terrace_core::Proxy>> = (0..INSTANCES).map(|_| cache.another()).collect();
    let mut dice = Dice(0x7E44_ACE5);
    // When each tag was last purged, as far as it must hold everywhere by now: (acknowledged, asked for).
    let mut purged: HashMap<u64, Vec<(i64, i64)>> = HashMap::new();
    let (mut hits, mut purges) = (0, 0);
    for _ in 0..REQUESTS {
        let world = cache.host.world.clone();
        world.now.set(world.now.get() + dice.roll(120) as i64);
        let n = dice.roll(INSTANCES) as usize;
        cache.proxy = instances[n].clone();
        if dice.roll(400) == 0 {
            // An instance ends, and a new one knows nothing.
            cache.another();
            instances[n] = cache.proxy.clone();
        }
        let object = dice.roll(40);
        let tag = object % 8;
        if dice.roll(200) == 0 {
            let document: &'static str = Box::leak(format!("{{\"tags\":[\"t{tag}\"]}}").into_boxed_str());
            let asked = world.now.get();
            assert_eq!(cache.purge(document).status, 200);
            purged.entry(tag).or_default().push((world.now.get(), asked));
            purges += 1;
            continue;
        }
        world.script.borrow_mut().clear();
        let asked = world.now.get();
        let version = asked.to_string();
        cache.respond(
            200,
            &[("cache-control", "max-age=300"), ("xkey", &format!("t{tag}")), ("x-version", &version)],
            "v",
        );
        let answer = cache.get(&format!("/{object}"));
        let version: i64 = answer.field("x-version").parse().unwrap();
        if answer.tier() == "L1-HIT" {
            hits += 1;
        }
        for (acknowledged, at) in purged.get(&tag).into_iter().flatten() {
            assert!(asked <= acknowledged + POLL || version >= *at, "purged at {at}, served of {version} at {asked}");
        }
    }
    assert!(purges > 50 && hits > i64::from(REQUESTS) / 4, "{purges} purges, {hits} hits in L1");
}
