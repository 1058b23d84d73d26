//! Watched documents: who asks for them and when, what is purged, and what becomes of failures.

use crate::support::*;
use terrace_core::host::OriginError;

/// Two tags of one document, asked for every minute.
const WATCH: &str = "[cache]\nstale_while_revalidate = \"0s\"\n\
                     [[watch]]\nurl = \"/updated?x=1\"\nevery = \"1m\"\ntags = { products = \"/products\", docs = \"/docs\" }\n";

/// A minute's pause, in seconds, and one more.
const PAUSE: i64 = 55;

fn tagged(cache: &Cache, tag: &str, body: &'static str) {
    cache.respond(200, &[("cache-control", "max-age=86400"), ("cache-tag", tag)], body);
}

/// A cache that has seen the document, and has an object of each tag.
fn begun(config: &str) -> Cache {
    let mut cache = Cache::new(config);
    cache.respond(200, &[], r#"{"products":1,"docs":1}"#);
    cache.tend();
    for (target, tag) in [("/p", "products"), ("/d", "docs")] {
        tagged(&cache, tag, "old");
        cache.get(target);
    }
    cache.wait(PAUSE);
    cache
}

/// What `/p` and `/d` are answered, asked for anew where they are purged.
fn bodies(cache: &mut Cache) -> [String; 2] {
    cache.wait(1);
    [("/p", "products"), ("/d", "docs")].map(|(target, tag)| {
        tagged(cache, tag, "new");
        let asked = cache.asked();
        let text = cache.get(target).text().to_string();
        if cache.asked() == asked {
            cache.host.world.script.borrow_mut().pop_back();
        }
        text
    })
}

/// Does what is due, and says in how many seconds something will be again.
fn again(cache: &mut Cache) -> u64 {
    cache.tend();
    // It is known when the origin has answered.
    cache.tend().as_millis().div_ceil(1000) as u64
}

fn warnings(cache: &Cache) -> Vec<String> {
    cache.host.world.warnings.borrow_mut().drain(..).collect()
}

#[test]
fn what_has_changed_is_purged_and_nothing_else() {
    let mut cache = begun(WATCH);
    assert_eq!(warnings(&cache), [""; 0]);
    cache.respond(200, &[], r#"{"products":2,"docs":1}"#);
    cache.tend();
    assert_eq!(bodies(&mut cache), ["new", "old"]);
    let infos = cache.host.world.infos.borrow().clone();
    assert_eq!(infos, ["watch /updated?x=1: purged products, whose values have changed"]);
    // Nor is what has not changed since.
    cache.wait(PAUSE);
    cache.respond(200, &[], r#"{"products":2,"docs":1}"#);
    cache.tend();
    tagged(&cache, "products", "newer");
    assert_eq!(cache.get("/p").text(), "new");
}

#[test]
fn the_document_is_asked_for_with_the_secret_fields_and_as_it_is_now() {
    let config = format!("headers = {{ \"api-key\" = {{ secret = \"ORIGIN_API_KEY\" }} }}\n{WATCH}");
    let mut cache = Cache::new(&config);
    cache.respond(200, &[("etag", "\"v1\"")], r#"{"products":1,"docs":1}"#);
    cache.tend();
    let seen = cache.last_seen();
    let field = |name| seen.fields.get_str(name).unwrap_or("");
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/updated?x=1"));
    assert_eq!(
        ["api-key", "accept", "accept-encoding", "cache-control", "if-none-match"].map(field),
        ["s3cret", "application/json", "identity", "no-cache", ""]
    );
    cache.wait(PAUSE);
    cache.respond(304, &[("etag", "\"v1\"")], "");
    cache.tend();
    assert_eq!(cache.last_seen().fields.get_str("if-none-match"), Some("\"v1\""));
    // A change after a 304 is one since the last 200.
    tagged(&cache, "products", "old");
    cache.get("/p");
    cache.wait(PAUSE);
    cache.respond(200, &[("etag", "\"v2\"")], r#"{"products":2,"docs":1}"#);
    cache.tend();
    tagged(&cache, "products", "new");
    assert_eq!(cache.get("/p").text(), "new");
}

#[test]
fn it_is_asked_for_when_it_is_due_and_by_one_instance_of_all() {
    let mut cache = Cache::new(WATCH);
    cache.respond(200, &[], "{}");
    assert_eq!(again(&mut cache), 54);
    let first = cache.another();
    // Another one learns when it is due, and then asks nobody.
    cache.tend();
    let queries = cache.host.world.queries.get();
    for _ in 0..10 {
        cache.wait(2);
        cache.tend();
    }
    assert_eq!((cache.asked(), cache.host.world.queries.get()), (1, queries));
    assert!(again(&mut cache) <= 34);
    cache.wait(40);
    cache.respond(200, &[], "{}");
    cache.tend();
    let second = std::mem::replace(&mut cache.proxy, first);
    cache.tend();
    assert_eq!(cache.asked(), 2);
    // Both at once.
    for (n, script) in (0..20).map(|n| (n, Script::After(500, Box::new(Script::Respond(200, vec![], vec![b"{}"]))))) {
        cache.host.world.script.borrow_mut().clear();
        cache.origin(script).wait(PAUSE);
        cache.tend_each(&[cache.proxy.clone(), second.clone()]);
        cache.wait_at_work(1);
        assert_eq!(cache.asked(), 3 + n);
    }
}

#[test]
fn it_is_looked_at_behind_an_answer_where_no_clock_does() {
    let mut cache = begun(WATCH);
    cache.respond(200, &[], r#"{"products":2,"docs":2}"#);
    assert_eq!(cache.get("/p").text(), "old");
    assert_eq!(cache.last_seen().target, "/updated?x=1");
    assert_eq!(bodies(&mut cache), ["new", "new"]);
    let asked = cache.asked();
    cache.get("/p");
    assert_eq!(cache.asked(), asked);
}

#[test]
fn what_changed_while_nothing_ran_is_purged_after_the_restart() {
    let mut cache = begun(WATCH);
    cache.restart();
    cache.respond(200, &[], r#"{"products":1,"docs":2}"#);
    cache.tend();
    assert_eq!(bodies(&mut cache), ["old", "new"]);
}

#[test]
fn a_soft_watch_makes_stale() {
    let mut cache = begun(&format!("{WATCH}soft = true\n"));
    cache.respond(200, &[], r#"{"products":2,"docs":1}"#);
    cache.tend();
    cache.origin(Script::Fail(OriginError::ConnectionRefused));
    let answer = cache.get("/p");
    assert_eq!((answer.text(), answer.tier()), ("old", "STALE-L1"));
}

#[test]
fn a_document_that_cannot_be_read_purges_nothing_and_the_operator_is_told_what_to_do() {
    let large: &'static str = Box::leak(format!("[{}0]", "0,".repeat(150_000)).into_boxed_str());
    let script = |status, fields: &[(&'static str, &str)], body: &'static str| {
        let fields = fields.iter().map(|(name, value)| (*name, value.to_string())).collect();
        Script::Respond(status, fields, vec![body.as_bytes()])
    };
    for (script, told) in [
        (
            Script::Fail(OriginError::ConnectionRefused),
            "the origin gave no answer: see whether it is up (connection_refused)",
        ),
        (script(404, &[], r#"{"products":2}"#), "the answer is no 200: see whether `url` is right"),
        (script(500, &[], ""), "(500)"),
        // Nobody asked for it by an ETag.
        (script(304, &[], ""), "(304)"),
        (script(200, &[], "<html>"), "it is no JSON: watch a document that is (6 bytes)"),
        (script(200, &[("content-encoding", "br")], "{}"), "content coding"),
        (script(200, &[("content-encoding", "gzip")], "{}"), "content coding"),
        (
            script(200, &[("content-encoding", "gzip")], "no gzip, whatever its last four bytes are:\0\0\0\0"),
            "content coding",
        ),
        (script(200, &[], large), "larger than 256 KiB"),
        (Script::Cut(200, vec![], vec![b"{}"]), "did not come whole"),
    ] {
        let mut cache = begun(WATCH);
        cache.origin(script);
        assert_eq!(again(&mut cache), 10, "{told}");
        let said = warnings(&cache).join("\n");
        assert!(said.starts_with("watch /updated?x=1: ") && said.contains(told), "{said}");
        assert!(said.ends_with("It is asked for again in 10 s"), "{said}");
        assert_eq!(bodies(&mut cache), ["old", "old"], "{told}");
        // It is tried again, less and less often, and recovers.
        cache.wait(11);
        cache.origin(Script::Fail(OriginError::ConnectionRefused));
        assert_eq!(again(&mut cache), 20, "{told}");
        cache.wait(21);
        cache.respond(200, &[], r#"{"products":2,"docs":1}"#);
        assert_eq!(again(&mut cache), 54, "{told}");
        assert_eq!(bodies(&mut cache), ["new", "old"], "{told}");
    }
}

#[test]
fn a_document_that_comes_in_gzip_all_the_same_is_read() {
    use std::io::Write;
    let zipped = |text: &str| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(text.as_bytes()).unwrap();
        gzip.finish().unwrap()
    };
    // RFC 1952 2.2: members, one after the other.
    let members: [&'static [u8]; 2] = [r#"{"products":2,"#, r#""docs":1}"#].map(|text| &*zipped(text).leak());
    let large: &'static [u8] = zipped(&format!("{{\"products\":3{}}}", " ".repeat(256 << 10))).leak();
    for (chunks, products) in [(members.to_vec(), "new"), (vec![large], "old")] {
        let mut cache = begun(WATCH);
        cache.origin(Script::Respond(200, vec![("content-encoding", "gzip".into())], chunks));
        cache.tend();
        assert_eq!(bodies(&mut cache), [products, "old"]);
    }
}

#[test]
fn an_origin_that_hangs_is_given_up_and_retry_after_is_obeyed() {
    let mut cache = begun(WATCH);
    cache.origin(Script::Late(100_000));
    cache.tend();
    cache.wait_at_work(33);
    assert!(warnings(&cache).join("\n").contains("the origin gave no answer"));
    cache.wait(11);
    cache.respond(503, &[("retry-after", "300")], "");
    assert_eq!(again(&mut cache), 300);
}

#[test]
fn a_pointer_that_finds_nothing_is_told_and_keeps_its_value() {
    let mut cache = begun(WATCH);
    cache.respond(200, &[], r#"{"products":2}"#);
    cache.tend();
    let said = warnings(&cache).join("\n");
    assert!(said.contains("nothing is at /docs: nothing is purged by that until something is"), "{said}");
    assert_eq!(bodies(&mut cache), ["new", "old"]);
    cache.wait(PAUSE);
    cache.respond(200, &[], r#"{"products":2,"docs":2}"#);
    cache.tend();
    assert_eq!(bodies(&mut cache), ["new", "new"]);
}

#[test]
fn what_goes_on_as_it_is_is_told_once_and_a_purge_is_no_warning() {
    let mut cache = begun(WATCH);
    let infos = |cache: &Cache| cache.host.world.infos.borrow_mut().drain(..).collect::<Vec<_>>().join("\n");
    for (document, warned, told) in [
        (r#"{"products":2}"#, "nothing is at /docs", "purged products, whose values have changed"),
        (r#"{"products":2}"#, "", ""),
        (r#"{"products":3}"#, "", "purged products"),
        ("{}", "nothing is at /products, /docs", ""),
        (r#"{"products":3,"docs":1}"#, "", "all that is watched is there"),
        (r#"{"products":3,"docs":1}"#, "", ""),
        (r#"{"products":3}"#, "nothing is at /docs", ""),
    ] {
        cache.respond(200, &[], document);
        cache.tend();
        let (warnings, infos) = (warnings(&cache).join("\n"), infos(&cache));
        assert!(warnings.is_empty() == warned.is_empty() && warnings.contains(warned), "{document}: {warnings}");
        assert!(infos.is_empty() == told.is_empty() && infos.contains(told), "{document}: {infos}");
        cache.wait(PAUSE);
    }
}

#[test]
fn while_l2_fails_nobody_is_asked_and_nothing_is_forgotten() {
    let mut cache = begun(WATCH);
    let asked = cache.asked();
    cache.host.world.sql_fails.set(true);
    assert_eq!(again(&mut cache), 10);
    assert_eq!(cache.asked(), asked);
    cache.host.world.sql_fails.set(false);
    cache.wait(11);
    cache.respond(200, &[], r#"{"products":2,"docs":1}"#);
    cache.tend();
    assert_eq!(bodies(&mut cache), ["new", "old"]);
}

#[test]
fn the_next_instance_takes_over_from_one_that_is_gone_in_the_middle() {
    let mut cache = begun(WATCH);
    cache.origin(Script::Late(1_000_000));
    // The clock moves, and nothing more becomes of it.
    cache.tend();
    cache.another();
    cache.tend();
    let asked = cache.asked();
    cache.wait(40);
    cache.respond(200, &[], r#"{"products":2,"docs":1}"#);
    cache.tend();
    assert_eq!(cache.asked(), asked + 1);
    assert_eq!(bodies(&mut cache), ["new", "old"]);
}

#[test]
fn while_one_asks_the_others_look_again_after_the_usual_time() {
    let mut cache = Cache::new(&WATCH.replace("1m", "3s"));
    cache.origin(Script::Late(1_000_000));
    cache.tend();
    cache.another();
    assert_eq!(again(&mut cache), 3);
    assert_eq!(cache.asked(), 1);
}

#[test]
fn another_configuration_of_the_same_document_need_not_wait_for_the_old_one() {
    let mut cache = Cache::new(&WATCH.replace("1m", "1d"));
    cache.respond(200, &[], "{}");
    cache.tend();
    cache.proxy = Cache::new(WATCH).proxy;
    cache.respond(200, &[], "{}");
    cache.tend();
    assert_eq!(cache.asked(), 2);
}

#[test]
fn a_hit_costs_nothing_more_while_nothing_is_due() {
    let mut cache = begun(WATCH);
    cache.respond(200, &[], r#"{"products":1,"docs":1}"#);
    cache.get("/p");
    let world = cache.host.world.clone();
    let before = (world.queries.get(), world.batches.get());
    for _ in 0..20 {
        assert_eq!(cache.get("/p").tier(), "L1-HIT");
    }
    assert_eq!((world.queries.get(), world.batches.get()), before);
}
