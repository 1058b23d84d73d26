//! One fetch for many: who asks the origin, who waits, and what those are answered that have waited.

use super::support::*;
use http::Method;
use terrace_core::host::OriginError;
use terrace_core::message::Body;

/// A slow answer.
fn slow(ms: u64, status: u16, fields: &[(&'static str, &str)], body: &'static str) -> Script {
    Script::After(ms, Box::new(Script::Respond(status, owned(fields), vec![body.as_bytes()])))
}

const FRESH: &[(&str, &str)] = &[("cache-control", "max-age=100")];

/// As many GETs without fields.
fn crowd(cache: &mut Cache, n: usize) -> Vec<Answer> {
    cache.get_at_once("/a", &vec![&[] as &[(&str, &str)]; n])
}

#[test]
fn those_that_miss_at_once_share_one_fetch() {
    let mut cache = Cache::new("");
    cache.origin(slow(800, 200, FRESH, "hello"));
    let answers = crowd(&mut cache, 20);
    assert_eq!(cache.asked(), 1);
    assert!(answers.iter().all(|a| (a.status, a.text()) == (200, "hello")));
    assert_eq!(answers[0].field("cache-status"), "terrace; fwd=uri-miss; stored");
    for follower in &answers[1..] {
        assert_eq!(follower.field("cache-status"), "terrace; fwd=uri-miss; collapsed");
        assert_eq!((follower.tier(), follower.field("x-cache")), ("MISS", "MISS"));
        assert_eq!((follower.field("content-length"), follower.field("age")), ("5", "0"));
    }
    assert_eq!(cache.proxy.collapsing().collapsed.get(), 19);
    assert_eq!(cache.get("/a").tier(), "L1-HIT");
}

#[test]
fn off_is_off() {
    let mut cache = Cache::new("[cache]\ncollapse = \"off\"\n");
    for _ in 0..3 {
        cache.origin(slow(800, 200, FRESH, "hello"));
    }
    let answers = crowd(&mut cache, 3);
    assert!(answers.iter().all(|a| a.field("cache-status") == "terrace; fwd=uri-miss; stored"));
    assert_eq!(cache.asked(), 3);
}

#[test]
fn those_that_find_it_stale_share_one_validation() {
    let mut cache = Cache::new("[cache]\nstale_while_revalidate = \"0s\"\n");
    cache.respond(200, &[("cache-control", "max-age=10"), ("etag", "\"1\"")], "hello");
    cache.get("/a");
    cache.wait(20);
    cache.origin(slow(300, 304, &[("cache-control", "max-age=10"), ("etag", "\"1\""), ("x-n", "2")], ""));
    let answers = crowd(&mut cache, 5);
    assert_eq!(cache.asked(), 2);
    assert!(answers.iter().all(|a| (a.status, a.text(), a.field("x-n")) == (200, "hello", "2")));
    assert_eq!(answers[0].field("cache-status"), "terrace; fwd=stale; fwd-status=304; detail=L1");
    assert_eq!(answers[4].field("cache-status"), "terrace; fwd=stale; fwd-status=304; collapsed; detail=L1");
    assert_eq!((answers[4].tier(), answers[4].field("age")), ("REVALIDATED", "0"));
}

#[test]
fn each_is_answered_as_it_asked() {
    let mut cache = Cache::new("");
    cache.origin(slow(300, 200, &[("cache-control", "max-age=10"), ("etag", "\"1\"")], "hello"));
    let mut late = vec![cache.begin(Method::GET, "/a", &[], Body::Empty)];
    for (method, fields) in [
        (Method::HEAD, &[] as &[(&str, &str)]),
        (Method::GET, &[("if-none-match", "\"1\"")]),
        (Method::GET, &[("if-none-match", "\"2\"")]),
    ] {
        late.push(cache.begin(method, "/a", fields, Body::Empty));
    }
    let answers: Vec<Answer> = late.into_iter().map(|late| cache.finish(late)).collect();
    let seen: Vec<_> = answers.iter().map(|a| (a.status, a.text())).collect();
    assert_eq!(seen, [(200, "hello"), (200, ""), (304, ""), (200, "hello")]);
    assert_eq!(cache.asked(), 1);
}

#[test]
fn what_is_for_its_own_request_alone_is_known_by_its_head_and_is_never_waited_for_again() {
    for (control, detail) in [("no-store", "no-store"), ("private", "private"), ("max-age=0", "no-freshness")] {
        let mut cache = Cache::new("");
        let (tx, content) = futures::channel::mpsc::unbounded();
        let fields = owned(&[("cache-control", control)]);
        cache.origin(Script::After(100, Box::new(Script::Open(200, fields.clone(), content))));
        for _ in 0..9 {
            cache.origin(Script::After(100, Box::new(Script::Respond(200, fields.clone(), vec![b"own"]))));
        }
        let first = cache.begin(Method::GET, "/a", &[], Body::Empty);
        let start = cache.host.world.now.get();
        let others = crowd(&mut cache, 9);
        // The first one's content has not even begun.
        assert!(others.iter().all(|a| a.text() == "own" && a.field("cache-status").ends_with(detail)), "{others:?}");
        assert_eq!((cache.asked(), cache.proxy.collapsing().in_vain.get()), (10, 9));
        assert!(cache.host.world.now.get() - start <= 250, "{}", cache.host.world.now.get() - start);
        tx.unbounded_send(Ok("first".into())).unwrap();
        drop(tx);
        assert_eq!(cache.finish(first).text(), "first");
        // From now on nobody waits.
        for _ in 0..9 {
            cache.origin(Script::After(100, Box::new(Script::Respond(200, fields.clone(), vec![b"own"]))));
        }
        let start = cache.host.world.now.get();
        crowd(&mut cache, 9);
        assert_eq!((cache.asked(), cache.proxy.collapsing().in_vain.get()), (19, 9));
        assert!(cache.host.world.now.get() - start <= 120);
        // For a while: it may have changed its mind.
        cache.wait(61);
        cache.origin(slow(100, 200, FRESH, "shared"));
        assert!(crowd(&mut cache, 9).iter().all(|a| a.text() == "shared"));
        assert_eq!(cache.asked(), 20);
    }
}

#[test]
fn authorization_and_ranges_are_for_themselves() {
    for fields in [&[("authorization", "Bearer a")] as &[(&str, &str)], &[("range", "bytes=0-1")]] {
        let mut cache = Cache::new("");
        for _ in 0..3 {
            cache.origin(slow(100, 200, FRESH, "hello"));
        }
        let answers = cache.get_at_once("/a", &[fields, fields, fields]);
        assert!(answers.iter().all(|a| !a.field("cache-status").contains("collapsed")));
        assert_eq!(cache.asked(), 3);
    }
    // What is stored is known to be for all.
    let mut cache = Cache::new("[cache]\nstale_while_revalidate = \"0s\"\n");
    let public: &[(&str, &str)] = &[("cache-control", "public, max-age=10")];
    cache.respond(200, public, "hello");
    cache.get("/a");
    cache.wait(20);
    cache.origin(slow(100, 200, public, "new"));
    let bearer: &[(&str, &str)] = &[("authorization", "Bearer a")];
    let answers = cache.get_at_once("/a", &[bearer, bearer, bearer]);
    assert!(answers.iter().all(|a| a.text() == "new"));
    assert_eq!(cache.asked(), 2);
}

#[test]
fn who_is_gone_is_replaced_by_one_that_waits() {
    let mut cache = Cache::new("");
    cache.origin(slow(800, 200, FRESH, "for nobody")).origin(slow(800, 200, FRESH, "hello"));
    let first = cache.begin(Method::GET, "/a", &[], Body::Empty);
    let waiting: Vec<_> = (0..5).map(|_| cache.begin(Method::GET, "/a", &[], Body::Empty)).collect();
    let start = cache.host.world.now.get();
    drop(first);
    let answers: Vec<Answer> = waiting.into_iter().map(|late| cache.finish(late)).collect();
    assert!(answers.iter().all(|a| a.text() == "hello"), "{answers:?}");
    assert_eq!((cache.asked(), cache.proxy.collapsing().taken_over.get()), (2, 1));
    let collapsed = answers.iter().filter(|a| a.field("cache-status").contains("collapsed")).count();
    assert_eq!(collapsed, 4);
    // One origin's time, and what it takes to see it.
    assert!(cache.host.world.now.get() - start <= 800 * 12 / 10);
}

#[test]
fn who_is_ended_without_a_word_is_replaced_when_it_gives_no_sign_of_life() {
    let mut cache = Cache::new("");
    cache.origin(slow(800, 200, FRESH, "for nobody")).origin(slow(800, 200, FRESH, "hello"));
    cache.begin_and_lose("/a");
    let start = cache.host.world.now.get();
    let answers = crowd(&mut cache, 5);
    assert!(answers.iter().all(|a| a.text() == "hello"), "{answers:?}");
    assert_eq!((cache.asked(), cache.proxy.collapsing().taken_over.get()), (2, 1));
    assert!(cache.host.world.now.get() - start <= 2 * 800);
}

#[test]
fn when_the_origin_fails_all_are_told_at_once_and_it_is_asked_once() {
    let mut cache = Cache::new("");
    cache.origin(Script::After(200, Box::new(Script::Fail(OriginError::ConnectionRefused))));
    let start = cache.host.world.now.get();
    let answers = crowd(&mut cache, 50);
    assert!(answers.iter().all(|a| (a.status, a.field("proxy-status")) == (502, "terrace; error=connection_refused")));
    assert_eq!(answers[49].field("cache-status"), "terrace; fwd=uri-miss; collapsed; detail=connection_refused");
    assert_eq!(cache.asked(), 1);
    assert!(cache.host.world.now.get() - start <= 300);
    // A failure is not remembered.
    cache.origin(slow(200, 200, FRESH, "hello"));
    assert!(crowd(&mut cache, 5).iter().all(|a| a.text() == "hello"));
    assert_eq!(cache.asked(), 2);
}

#[test]
fn a_failure_that_may_be_of_one_requests_own_making_is_not_for_the_others() {
    for error in [OriginError::ConnectionTerminated, OriginError::HttpProtocolError] {
        let mut cache = Cache::new("");
        cache.origin(Script::After(200, Box::new(Script::Fail(error)))).origin(slow(200, 200, FRESH, "hello"));
        let answers = crowd(&mut cache, 50);
        let failed = answers.iter().filter(|a| a.status == 502).count();
        assert_eq!((failed, cache.asked()), (1, 2), "{error:?}");
        assert!(answers.iter().filter(|a| a.status == 200).all(|a| a.text() == "hello"));
    }
}

#[test]
fn a_failure_that_two_requests_meet_is_of_neithers_own_making() {
    for error in [OriginError::ConnectionTerminated, OriginError::HttpProtocolError] {
        let mut cache = Cache::new("");
        for _ in 0..50 {
            cache.origin(Script::After(200, Box::new(Script::Fail(error))));
        }
        let answers = crowd(&mut cache, 50);
        assert!(answers.iter().all(|a| a.status == 502));
        assert_eq!(cache.asked(), 2, "{error:?}");
    }
}

#[test]
fn large_content_that_many_are_sent_counts_once() {
    let mut cache = Cache::new("");
    let large: &'static str = Box::leak("x".repeat(12 << 20).into_boxed_str());
    cache.origin(slow(200, 200, FRESH, large));
    let answers = crowd(&mut cache, 20);
    assert!(answers.iter().all(|a| (a.status, a.text().len()) == (200, large.len())), "{:?}", answers[0].status);
    assert_eq!(cache.asked(), 1);
}

#[test]
fn an_error_of_the_origin_is_for_whom_it_was_said_to_and_nobody_waits_for_a_second_one() {
    let mut cache = Cache::new("");
    for _ in 0..10 {
        cache.origin(slow(200, 503, &[], "busy"));
    }
    let start = cache.host.world.now.get();
    let answers = crowd(&mut cache, 10);
    assert!(answers.iter().all(|a| (a.status, a.text()) == (503, "busy")));
    assert_eq!(cache.asked(), 10);
    assert!(cache.host.world.now.get() - start <= 500);
    cache.origin(slow(200, 200, FRESH, "hello"));
    crowd(&mut cache, 10);
    assert_eq!(cache.asked(), 11);
}

#[test]
fn when_the_origin_fails_stale_content_is_for_all_that_may_have_it() {
    for fail in [Script::Fail(OriginError::ConnectionRefused), Script::Respond(503, vec![], vec![b"busy"])] {
        let mut cache = Cache::new("[cache]\nstale_while_revalidate = \"0s\"\nstale_if_error = \"1h\"\n");
        cache.respond(200, &[("cache-control", "max-age=10")], "old");
        cache.get("/a");
        cache.wait(20);
        cache.origin(Script::After(200, Box::new(fail)));
        let answers = crowd(&mut cache, 5);
        assert!(answers.iter().all(|a| (a.status, a.text(), a.tier()) == (200, "old", "STALE-L1")), "{answers:?}");
        assert!(answers[4].field("cache-status").contains("; collapsed; detail=\"L1, stale-if-error\""));
        assert_eq!(cache.asked(), 2);
    }
}

#[test]
fn another_variant_is_asked_for_once_and_stored_beside() {
    let mut cache = Cache::new("");
    let varied = [("cache-control", "max-age=100"), ("vary", "accept-language")];
    cache.origin(slow(300, 200, &varied, "hallo")).origin(slow(300, 200, &varied, "hello"));
    let de: &[(&str, &str)] = &[("accept-language", "de")];
    let en: &[(&str, &str)] = &[("accept-language", "en")];
    let answers = cache.get_at_once("/a", &[de, en, de, en, en, de, en]);
    let texts: Vec<_> = answers.iter().map(Answer::text).collect();
    assert_eq!(texts, ["hallo", "hello", "hallo", "hello", "hello", "hallo", "hello"]);
    assert_eq!(cache.asked(), 2);
    assert_eq!((cache.get_with("/a", de).text(), cache.get_with("/a", en).text()), ("hallo", "hello"));
    // It is known now by what they differ: nobody waits for another's.
    cache.respond(204, &[], "");
    cache.send(Method::DELETE, "/a", &[]);
    cache.origin(slow(300, 200, &varied, "hallo")).origin(slow(300, 200, &varied, "hello"));
    let start = cache.host.world.now.get();
    cache.get_at_once("/a", &[de, en, de, en, en, de, en]);
    assert_eq!(cache.asked(), 5);
    assert!(cache.host.world.now.get() - start <= 400);
}

#[test]
fn what_was_asked_for_before_an_unsafe_request_is_not_for_whoever_asks_after_it() {
    let mut cache = Cache::new("");
    cache.origin(slow(800, 200, FRESH, "old"));
    let first = cache.begin(Method::GET, "/a", &[], Body::Empty);
    cache.respond(204, &[], "");
    cache.send(Method::DELETE, "/a", &[]);
    cache.origin(slow(100, 200, FRESH, "new"));
    assert!(crowd(&mut cache, 5).iter().all(|a| a.text() == "new"));
    assert_eq!(cache.finish(first).text(), "old");
    assert_eq!((cache.get("/a").text(), cache.asked()), ("new", 3));
}

#[test]
fn what_was_asked_for_before_a_purge_is_not_for_whoever_asks_after_it() {
    let mut cache = Cache::new("[admin]\ntoken = { secret = \"ADMIN_TOKEN\" }\n");
    cache.origin(slow(800, 200, FRESH, "old"));
    let first = cache.begin(Method::GET, "/a", &[], Body::Empty);
    cache.wait(1);
    assert_eq!(cache.purge(r#"{"everything":true}"#).status, 200);
    cache.wait(1);
    cache.origin(slow(100, 200, FRESH, "new"));
    assert!(crowd(&mut cache, 5).iter().all(|a| a.text() == "new"));
    assert_eq!(cache.asked(), 2);
    assert_eq!(cache.finish(first).text(), "old");
}

#[test]
fn who_asks_for_a_reload_waits_for_nobody() {
    let mut cache = Cache::new("[cache]\nrequest_directives = \"honour\"\n");
    cache.origin(slow(300, 200, FRESH, "first")).origin(slow(300, 200, FRESH, "second"));
    let answers = cache.get_at_once("/a", &[&[], &[], &[("cache-control", "no-cache")]]);
    assert_eq!(answers.iter().map(Answer::text).collect::<Vec<_>>(), ["first", "first", "second"]);
}

fn cut(body: &'static [u8]) -> Script {
    Script::After(100, Box::new(Script::Cut(200, owned(FRESH), vec![body])))
}

#[test]
fn content_that_is_cut_is_asked_for_once_more_for_all_that_wait() {
    let mut cache = Cache::new("[admin]\ntoken = { secret = \"ADMIN_TOKEN\" }\n");
    cache.origin(cut(b"hel")).origin(slow(100, 200, FRESH, "hello"));
    let answers = crowd(&mut cache, 1000);
    assert_eq!(answers[0].body, None);
    assert!(answers[1..].iter().all(|a| a.text() == "hello"));
    assert_eq!((cache.asked(), cache.proxy.collapsing().taken_over.get()), (2, 1));
    // Nor is anything remembered of it.
    assert_eq!(cache.purge(r#"{"everything":true}"#).status, 200);
    cache.wait(1);
    cache.origin(slow(100, 200, FRESH, "again"));
    assert!(crowd(&mut cache, 20).iter().all(|a| a.text() == "again"));
    assert_eq!(cache.asked(), 3);
}

#[test]
fn content_that_is_shorter_than_it_was_said_to_be_is_asked_for_once_more() {
    let mut cache = Cache::new("");
    let short = [("cache-control", "max-age=100"), ("content-length", "5")];
    cache.origin(slow(100, 200, &short, "hel")).origin(slow(100, 200, FRESH, "hello"));
    let answers = crowd(&mut cache, 20);
    assert!(answers[1..].iter().all(|a| a.text() == "hello"));
    assert_eq!(cache.asked(), 2);
}

#[test]
fn content_that_is_cut_again_and_again_is_not_waited_for_longer() {
    let mut cache = Cache::new("");
    for _ in 0..10 {
        cache.origin(cut(b"hel"));
    }
    let answers = crowd(&mut cache, 10);
    assert!(answers.iter().all(|a| a.body.is_none()));
    assert_eq!(cache.asked(), 10);
}

#[test]
fn what_is_on_its_way_into_the_store_is_there_for_whoever_looked_before_it_was() {
    // L1 shows nothing for a minute, as Workers KV may.
    let mut cache = Cache::new("");
    cache.host.world.kv_lag.set(60_000);
    cache.origin(slow(100, 200, FRESH, "hello"));
    let answers = crowd(&mut cache, 30);
    assert!(answers.iter().all(|a| a.text() == "hello"));
    assert_eq!((cache.asked(), cache.get("/a").tier()), (1, "L2-HIT"));
}

#[test]
fn ten_thousand_at_once_are_one_fetch_and_wait_hardly_longer_than_it_takes() {
    let mut cache = Cache::new("");
    cache.origin(slow(800, 200, FRESH, "hello"));
    let start = cache.host.world.now.get();
    let answers = crowd(&mut cache, 10_000);
    assert_eq!(cache.asked(), 1);
    assert!(answers.iter().all(|a| (a.status, a.text()) == (200, "hello")));
    assert!(cache.host.world.now.get() - start <= 800 * 12 / 10);
}

#[test]
fn ten_thousand_at_once_are_not_serialised_where_nothing_may_be_shared() {
    let mut cache = Cache::new("");
    for _ in 0..10_000 {
        cache.origin(slow(800, 200, &[("cache-control", "no-store")], "own"));
    }
    let start = cache.host.world.now.get();
    let answers = crowd(&mut cache, 10_000);
    assert_eq!(cache.asked(), 10_000);
    assert!(answers.iter().all(|a| a.text() == "own"));
    assert!(cache.host.world.now.get() - start <= 2 * 800 + 200);
}

#[test]
fn what_another_instance_has_refreshed_is_found_in_l2_while_l1_shows_what_was_there_before() {
    // Once where the old one may not be served any more, and once where it may while it is refreshed.
    for (window, old) in [("0s", "new"), ("1h", "old")] {
        let mut cache = Cache::new(&format!("[cache]\nstale_while_revalidate = \"{window}\"\n"));
        cache.host.world.kv_lag.set(60_000);
        let control: &[(&str, &str)] = &[("cache-control", "max-age=70")];
        cache.respond(200, control, "old");
        cache.get("/a");
        cache.wait_at_work(75);
        cache.respond(200, control, "new");
        assert_eq!(cache.get("/a").text(), old);
        cache.wait_at_work(1);
        let _ = cache.another();
        let answer = cache.get("/a");
        assert_eq!((answer.text(), cache.asked()), (old, 2), "{answer:?}");
        if old == "new" {
            assert_eq!(answer.tier(), "L2-HIT");
        }
        // The one that is behind is not looked for behind every answer.
        cache.wait_at_work(1);
        cache.host.world.queries.set(0);
        (0..20).for_each(|_| drop(cache.get("/a")));
        assert_eq!(cache.asked(), 2);
        assert!(old == "new" || cache.host.world.queries.get() <= 2, "{}", cache.host.world.queries.get());
    }
}
