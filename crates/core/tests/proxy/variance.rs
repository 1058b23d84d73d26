//! No-Vary-Search: what has many URLs is one object.

use super::support::*;
use bytes::Bytes;
use http::Method;
use terrace_core::message::Body;

const FRESH: (&str, &str) = ("cache-control", "max-age=60");
const UTM: (&str, &str) = ("no-vary-search", "key-order, params=(\"utm\")");

#[test]
fn urls_that_differ_in_what_means_nothing_are_one_object_at_one_read_each() {
    let mut cache = Cache::new("");
    cache.respond(200, &[FRESH, UTM], "one");
    assert_eq!(cache.get("/x?b=2&utm=1&a=1").field("cache-status"), "terrace; fwd=uri-miss; stored");
    // The origin gets the query as it was sent: by its own word it may see what it likes.
    assert_eq!(cache.last_seen().target, "/x?b=2&utm=1&a=1");
    for target in ["/x?b=2&utm=1&a=1", "/x?a=1&b=2", "/x?a=1&utm=2&b=2", "/x?%61=1&b=2&&utm"] {
        let reads = cache.host.world.kv_gets.get();
        let answer = cache.get(target);
        assert_eq!((answer.tier(), answer.text()), ("L1-HIT", "one"), "{target}");
        assert_eq!(cache.host.world.kv_gets.get() - reads, 1, "{target}");
    }
    for target in ["/x?a=2&b=2", "/x?a=1", "/x", "/x?a=1&b=2&Utm=1"] {
        cache.respond(200, &[FRESH, UTM], "other");
        assert_eq!((cache.get(target).text(), cache.get(target).tier()), ("other", "L1-HIT"), "{target}");
    }
}

#[test]
fn a_new_instance_learns_from_what_is_stored() {
    let mut cache = Cache::new("");
    cache.respond(200, &[FRESH, UTM], "one");
    cache.get("/x?a=1&utm=1");
    cache.restart();
    assert_eq!(cache.get("/x?a=1&utm=1").tier(), "L2-HIT");
    cache.restart();
    // It does not know the field yet, but the canonical form is where it looks anyway.
    assert_eq!(cache.get("/x?a=1").tier(), "L2-HIT");
    assert_eq!(cache.get("/x?utm=2&a=1").tier(), "L1-HIT");
}

#[test]
fn a_response_that_says_nothing_speaks_of_its_own_url_alone() {
    let mut cache = Cache::new("");
    cache.respond(200, &[FRESH, UTM], "one");
    cache.get("/x?a=1");
    cache.respond(200, &[FRESH], "two");
    cache.get("/x?a=2");
    cache.respond(200, &[FRESH], "three");
    let answer = cache.get("/x?a=2&utm=1");
    assert_eq!((answer.tier(), answer.text()), ("MISS", "three"));
    assert_eq!((cache.get("/x?a=2&utm=1").text(), cache.get("/x?a=2").text()), ("three", "two"));
}

#[test]
fn another_field_takes_the_place_of_the_first() {
    let mut cache = Cache::new("");
    cache.respond(200, &[FRESH, UTM], "one");
    cache.get("/x?a=1&utm=1");
    cache.respond(200, &[FRESH, ("no-vary-search", "params=(\"b\")")], "two");
    assert_eq!(cache.get("/x?a=2&b=1&utm=1").text(), "two");
    assert_eq!(cache.get("/x?a=2&utm=1&b=2").text(), "two");
    cache.respond(200, &[FRESH, ("no-vary-search", "params=(\"b\")")], "three");
    assert_eq!(cache.get("/x?a=2&utm=2").text(), "three");
}

#[test]
fn an_unsafe_request_ends_the_object_by_whichever_of_its_urls_it_comes() {
    for restarted in [false, true] {
        for target in ["/x?a=1", "/x?a=1&utm=1", "/x?utm=2&a=1"] {
            let mut cache = Cache::new("");
            cache.respond(200, &[FRESH, UTM], "old");
            cache.get("/x?a=1&utm=1");
            if restarted {
                cache.restart();
            }
            cache.respond(204, &[], "");
            cache.send(Method::PUT, target, &[]);
            for target in ["/x?a=1&utm=1", "/x?a=1", "/x?a=1&utm=3"] {
                cache.respond(200, &[FRESH, UTM], "new");
                assert_eq!(cache.get(target).text(), "new", "{restarted} {target}");
                cache.host.world.script.borrow_mut().clear();
            }
            // What came since is stored again.
            cache.wait(1);
            cache.respond(200, &[FRESH, UTM], "newer");
            cache.get("/x?a=1&utm=4");
            cache.host.world.script.borrow_mut().clear();
            assert_eq!(cache.get("/x?a=1&utm=5").tier(), "L1-HIT", "{restarted} {target}");
        }
    }
}

#[test]
fn an_unsafe_request_ends_what_another_instance_has_stored_under_a_field_that_this_one_has_not_seen() {
    let mut cache = Cache::new("");
    let [old, new] = ["params=(\"a\")", "params=(\"a\" \"b\")"].map(|params| [FRESH, ("no-vary-search", params)]);
    cache.respond(200, &old, "old");
    cache.get("/p?a=1&b=2&c=3");
    let mut second = cache.another();
    cache.respond(200, &new, "older");
    assert_eq!(cache.get("/p?a=1&b=2&c=4").text(), "older");
    assert_eq!(cache.get("/p?a=2&b=3&c=4").tier(), "L1-HIT");
    std::mem::swap(&mut cache.proxy, &mut second);
    cache.wait(1);
    cache.respond(204, &[], "");
    cache.send(Method::POST, "/p?a=1&b=2&c=4", &[]);
    std::mem::swap(&mut cache.proxy, &mut second);
    cache.wait(5);
    cache.respond(200, &new, "new");
    for target in ["/p?a=1&b=2&c=4", "/p?a=2&b=3&c=4"] {
        assert_eq!(cache.get(target).text(), "new", "{target}");
    }
}

#[test]
fn an_unsafe_request_ends_what_was_stored_under_an_earlier_field_of_the_path() {
    let [first, other] = ["params=(\"a\")", "params=(\"b\")"].map(|params| [FRESH, ("no-vary-search", params)]);
    for failing in [false, true] {
        let mut cache = Cache::new("");
        cache.respond(200, &first, "old");
        cache.get("/p?a=1&b=2");
        cache.respond(200, &other, "other");
        cache.get("/p?a=9");
        cache.wait(1);
        cache.respond(204, &[], "");
        cache.host.world.sql_fails.set(failing);
        cache.send(Method::POST, "/p?a=1&b=2", &[]);
        cache.host.world.sql_fails.set(false);
        cache.wait_at_work(2);
        if failing {
            // What L2 has refused was tried again, so that others know it, too.
            cache.another();
        }
        cache.respond(200, &first, "first");
        cache.get("/p?b=7");
        cache.respond(200, &first, "new");
        assert_eq!(cache.get("/p?a=1&b=2").text(), "new", "{failing}");
        assert_eq!(cache.get("/p?a=3&b=2").tier(), "L1-HIT", "{failing}");
    }
}

#[test]
fn what_another_instance_must_know_of_a_path_is_written_again_when_it_is_over_or_purged() {
    for purged in [false, true] {
        let mut cache = Cache::new("[admin]\ntoken = { secret = \"ADMIN_TOKEN\" }\n");
        cache.respond(200, &[FRESH, UTM], "older");
        cache.get("/x?a=1&utm=1");
        cache.wait(1);
        match purged {
            true => assert_eq!(cache.purge(r#"{"everything":true}"#).status, 200),
            false => cache.wait(400 * 24 * 3600),
        }
        cache.wait(1);
        cache.respond(200, &[FRESH, UTM], "old");
        cache.get("/x?a=1&utm=1");
        cache.wait(1);
        let first = cache.another();
        cache.respond(204, &[], "");
        cache.send(Method::DELETE, "/x?a=1&utm=1", &[]);
        cache.proxy = first;
        cache.wait(5);
        cache.respond(200, &[FRESH, UTM], "new");
        assert_eq!(cache.get("/x?a=1&utm=1").text(), "new", "{purged}");
    }
}

#[test]
fn an_unsafe_request_writes_to_the_purge_log_where_a_path_has_the_field_alone() {
    let mut cache = Cache::new("");
    let mut batches = |target: &str, field: Option<(&'static str, &'static str)>| {
        let fields: Vec<_> = [Some(FRESH), field].into_iter().flatten().collect();
        cache.respond(200, &fields, "a");
        cache.get(target);
        cache.wait(1);
        let before = cache.host.world.batches.get();
        cache.respond(204, &[], "");
        cache.send(Method::POST, target, &[]);
        let spent = cache.host.world.batches.get() - before;
        let logged: i64 = cache.host.database.query_row("SELECT count(*) FROM purges", [], |row| row.get(0)).unwrap();
        (spent, logged)
    };
    assert_eq!(batches("/plain?a=1", None).1, 0);
    // Its canonical form is ended, as its URL is, and then all that may stand for it.
    let (plain, field) = (batches("/other?a=1", None).0, batches("/x?a=1&utm=1", Some(UTM)));
    assert_eq!((field.0 - plain, field.1), (2, 1));
    // A URL without a query is its own canonical form.
    assert_eq!(batches("/x", Some(UTM)), (plain, 1));
}

#[test]
fn what_was_on_its_way_during_an_invalidation_is_not_found_again() {
    let mut cache = Cache::new("");
    for known in [false, true] {
        let (tx, rx) = futures::channel::mpsc::unbounded();
        cache.origin(Script::Open(200, owned(&[FRESH, UTM]), rx));
        let asked = cache.asked();
        let late = cache.begin(Method::GET, "/x?a=1&utm=1", &[], Body::Empty);
        assert_eq!(cache.asked(), asked + 1, "{known}");
        cache.respond(204, &[], "");
        cache.send(Method::DELETE, "/x?a=1&utm=1", &[]);
        tx.unbounded_send(Ok(Bytes::from_static(b"old"))).unwrap();
        drop(tx);
        assert_eq!(cache.finish(late).text(), "old");
        for target in ["/x?a=1", "/x?a=1&utm=1", "/x?a=1&utm=2"] {
            cache.respond(200, &[FRESH, UTM], "new");
            assert_eq!(cache.get(target).text(), "new", "{known} {target}");
            cache.host.world.script.borrow_mut().clear();
        }
        cache.respond(204, &[], "");
        cache.send(Method::DELETE, "/x?a=1&utm=1", &[]);
    }
}

#[test]
fn vary_counts_beside_it() {
    let mut cache = Cache::new("");
    for tongue in ["de", "en"] {
        cache.respond(200, &[FRESH, UTM, ("vary", "accept-language")], tongue);
        cache.get_with("/x?utm=1", &[("accept-language", tongue)]);
    }
    for tongue in ["de", "en"] {
        let answer = cache.get_with("/x?utm=2", &[("accept-language", tongue)]);
        assert_eq!((answer.tier(), answer.text()), ("L1-HIT", tongue));
    }
}

#[test]
fn what_is_read_and_written_for_it_is_so_once_a_path() {
    let mut cache = Cache::new("");
    let counts = |cache: &Cache| {
        let world = &cache.host.world;
        (world.kv_gets.get(), world.kv_puts.get(), world.queries.get(), world.batches.get())
    };
    cache.respond(200, &[FRESH], "a");
    cache.get("/y");
    let before = counts(&cache);
    cache.respond(200, &[FRESH], "a");
    cache.get("/x?a=0");
    let first = counts(&cache);
    cache.respond(200, &[FRESH], "a");
    cache.get("/x?a=1");
    let miss = counts(&cache);
    cache.respond(200, &[FRESH, UTM], "a");
    cache.get("/z?a=1&utm=1");
    let learned = counts(&cache);
    // Where the field is new, the record of the path is looked up and written, and then whether the URL was invalidated meanwhile.
    assert_eq!((first.0 - before.0, first.1 - before.1), (2, 1));
    assert_eq!((miss.0 - first.0, miss.1 - first.1), (1, 1));
    assert_eq!((learned.0 - miss.0, learned.1 - miss.1), (4, 2));
    cache.respond(200, &[FRESH, UTM], "a");
    cache.get("/z?a=2&utm=1");
    let known = counts(&cache);
    assert_eq!((known.0 - learned.0, known.1 - learned.1, known.3 - learned.3), (1, 1, miss.3 - first.3));
}
