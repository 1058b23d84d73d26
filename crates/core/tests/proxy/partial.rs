//! Parts that are stored, answered from, joined and completed: what the client sees and what the origin is asked.

use super::support::*;
use http::Method;
use terrace_core::host::OriginError;

const ALL: &str = "0123456789";

/// Bytes `start` to `end` (exclusive) of [`ALL`], under an ETag, fresh for a minute.
fn part(start: usize, end: usize, etag: &str) -> Script {
    part_with(start, end, etag, &[("cache-control", "max-age=60")])
}

fn part_with(start: usize, end: usize, etag: &str, more: &[(&'static str, &str)]) -> Script {
    let mut fields = vec![
        ("content-range", format!("bytes {start}-{}/10", end - 1)),
        ("content-length", (end - start).to_string()),
        ("content-type", "text/x".to_string()),
    ];
    if !etag.is_empty() {
        fields.push(("etag", etag.to_string()));
    }
    fields.extend(more.iter().map(|(n, v)| (*n, v.to_string())));
    Script::Respond(206, fields, vec![&ALL.as_bytes()[start..end]])
}

fn range(cache: &mut Cache, range: &str) -> Answer {
    cache.get_with("/a", &[("range", range)])
}

fn seen(cache: &Cache, name: &str) -> Option<String> {
    cache.last_seen().fields.get_str(name).map(str::to_string)
}

#[test]
fn a_stored_part_answers_for_the_ranges_within_it() {
    let mut cache = Cache::new("");
    cache.origin(part(2, 8, "\"v\""));
    let first = range(&mut cache, "bytes=2-7");
    assert_eq!((first.status, first.text(), first.tier()), (206, "234567", "MISS"));
    assert_eq!(first.field("cache-status"), "terrace; fwd=uri-miss; stored");
    cache.wait(5);
    for tier in ["L1-HIT", "L2-HIT"] {
        let exact = range(&mut cache, "bytes=2-7");
        assert_eq!((exact.status, exact.text(), exact.tier(), exact.field("age")), (206, "234567", tier, "5"));
        assert_eq!((exact.field("content-range"), exact.field("content-length")), ("bytes 2-7/10", "6"));
        let within = range(&mut cache, "bytes=3-4");
        assert_eq!((within.status, within.text(), within.field("content-range")), (206, "34", "bytes 3-4/10"));
        assert_eq!((within.field("content-type"), within.field("etag")), ("text/x", "\"v\""));
        let two = range(&mut cache, "bytes=2-3,6-7");
        assert!(two.text().contains("Content-Range: bytes 2-3/10\r\n\r\n23\r\n"), "{}", two.text());
        assert!(two.text().contains("Content-Range: bytes 6-7/10\r\n\r\n67\r\n"), "{}", two.text());
        let have = cache.get_with("/a", &[("range", "bytes=2-7"), ("if-none-match", "\"v\"")]);
        assert_eq!(have.status, 304);
        cache.restart();
    }
    assert_eq!(cache.asked(), 1);
}

#[test]
fn a_part_is_never_used_for_anything_else() {
    let mut cache = Cache::new("");
    cache.origin(part(2, 8, "\"v\""));
    range(&mut cache, "bytes=2-7");
    cache.respond(200, &[("content-length", "10"), ("cache-control", "no-store")], "");
    let head = cache.send(Method::HEAD, "/a", &[("range", "bytes=2-7")]);
    assert_eq!((head.status, head.field("content-length"), head.tier()), (200, "10", "MISS"));
    cache.respond(200, &[("cache-control", "no-store")], ALL);
    let whole = cache.get("/a");
    assert_eq!((whole.status, whole.text(), seen(&cache, "range")), (200, ALL, None));
    assert_eq!(whole.field("cache-status"), "terrace; fwd=partial; detail=no-store");
    for other in ["bytes=1-7", "bytes=2-8", "bytes=-2", "bytes=20-", "bytes=0-0,3-4"] {
        cache.respond(416, &[("content-range", "bytes */10")], "");
        assert_eq!(range(&mut cache, other).status, 416);
        assert_eq!(seen(&cache, "range").as_deref(), Some(other));
        assert_eq!(seen(&cache, "if-none-match"), None);
    }
    // An If-Range that does not hold asks for the whole.
    cache.respond(200, &[("cache-control", "no-store")], ALL);
    let other = cache.get_with("/a", &[("range", "bytes=2-7"), ("if-range", "\"other\"")]);
    assert_eq!((other.status, other.text()), (200, ALL));
    // The origin fails: a part is no answer to who asks for the whole, not even a stale one.
    cache.wait(100);
    cache.origin(Script::Fail(OriginError::ConnectionRefused));
    assert_eq!(cache.get("/a").status, 502);
    cache.respond(503, &[], "down");
    assert_eq!(cache.get("/a").status, 503);
    // A 304 that nobody asked for makes no whole of it.
    cache.respond(304, &[], "");
    assert_eq!(cache.get("/a").status, 502);
    cache.respond(503, &[], "down");
    assert_eq!(range(&mut cache, "bytes=2-7").tier(), "STALE-L1");
}

#[test]
fn what_is_no_proper_part_is_passed_on_and_not_stored() {
    let mut cache = Cache::new("");
    let rows: &[&[(&'static str, &str)]] = &[
        &[],
        &[("content-range", "bytes 0-4/*")],
        &[("content-range", "bytes 0-5/10"), ("content-length", "5")],
        &[("content-range", "items 0-4/10")],
        &[("content-type", "multipart/byteranges; boundary=x")],
    ];
    for row in rows {
        let mut fields = vec![("cache-control", "max-age=60")];
        fields.extend_from_slice(row);
        cache.respond(206, &fields, "01234");
        let answer = range(&mut cache, "bytes=0-4");
        assert_eq!((answer.status, answer.text()), (206, "01234"));
        assert_eq!(answer.field("cache-status"), "terrace; fwd=uri-miss; detail=partial");
    }
    // It says that it is five bytes, and is four.
    cache.respond(206, &[("cache-control", "max-age=60"), ("content-range", "bytes 0-4/10")], "0123");
    range(&mut cache, "bytes=0-4");
    // It is cut.
    let fields = vec![("cache-control", "max-age=60".into()), ("content-range", "bytes 0-4/10".into())];
    cache.origin(Script::Cut(206, fields, vec![b"01234"]));
    range(&mut cache, "bytes=0-4");
    // It answers If-Range, so that fields may be missing.
    cache.origin(part(0, 5, "\"v\""));
    let resumed = cache.get_with("/a", &[("range", "bytes=0-4"), ("if-range", "\"v\"")]);
    assert_eq!(resumed.field("cache-status"), "terrace; fwd=uri-miss; detail=partial");
    cache.origin(part(0, 5, "\"v\""));
    assert_eq!(range(&mut cache, "bytes=0-4").field("cache-status"), "terrace; fwd=uri-miss; stored");
}

#[test]
fn a_206_that_is_all_there_is_becomes_a_200() {
    let mut cache = Cache::new("");
    cache.origin(part(0, 10, ""));
    assert_eq!(range(&mut cache, "bytes=0-").status, 206);
    let whole = cache.get("/a");
    assert_eq!((whole.status, whole.text(), whole.tier()), (200, ALL, "L1-HIT"));
    assert_eq!((whole.field("content-range"), whole.field("content-length")), ("", "10"));
}

#[test]
fn parts_under_the_same_strong_etag_are_joined_and_become_the_whole() {
    for rest in [(5, 10), (3, 10)] {
        let mut cache = Cache::new("");
        cache.origin(part_with(0, 5, "\"v\"", &[("cache-control", "max-age=10"), ("x-a", "1"), ("x-b", "1")]));
        range(&mut cache, "bytes=0-4");
        cache.wait(5);
        cache.origin(part_with(rest.0, rest.1, "\"v\"", &[("cache-control", "max-age=60"), ("x-a", "2")]));
        let asked = format!("bytes={}-", rest.0);
        assert_eq!(range(&mut cache, &asked).field("cache-status"), "terrace; fwd=partial; stored");
        cache.wait(20);
        for tier in ["L1-HIT", "L2-HIT"] {
            let whole = cache.get("/a");
            assert_eq!((whole.status, whole.text(), whole.tier(), whole.field("age")), (200, ALL, tier, "20"));
            assert_eq!((whole.field("x-a"), whole.field("x-b"), whole.field("content-range")), ("2", "1", ""));
            assert_eq!((whole.field("content-length"), whole.field("content-type")), ("10", "text/x"));
            cache.restart();
        }
        let head = cache.send(Method::HEAD, "/a", &[]);
        assert_eq!((head.status, head.field("content-length")), (200, "10"));
        assert_eq!(cache.asked(), 2);
    }
}

#[test]
fn parts_grow_in_both_directions_and_a_resumed_download_joins() {
    let mut cache = Cache::new("");
    for (start, end) in [(4, 6), (6, 8), (2, 5)] {
        cache.origin(part(start, end, "\"v\""));
        range(&mut cache, &format!("bytes={start}-{}", end - 1));
    }
    assert_eq!(range(&mut cache, "bytes=2-7").text(), "234567");
    cache.origin(Script::Respond(
        206,
        vec![
            ("content-range", "bytes 8-9/10".into()),
            ("etag", "\"v\"".into()),
            ("cache-control", "max-age=60".into()),
        ],
        vec![b"89"],
    ));
    let resumed = cache.get_with("/a", &[("range", "bytes=8-"), ("if-range", "\"v\"")]);
    assert_eq!((resumed.status, resumed.field("cache-status")), (206, "terrace; fwd=partial; stored"));
    let all = range(&mut cache, "bytes=2-");
    assert_eq!((all.text(), all.tier(), all.field("content-type")), ("23456789", "L1-HIT", "text/x"));
    assert_eq!(cache.asked(), 4);
}

#[test]
fn a_resumed_download_that_does_not_join_is_not_stored() {
    let mut cache = Cache::new("");
    cache.origin(part(0, 5, "\"v\""));
    range(&mut cache, "bytes=0-4");
    cache.wait(1);
    let fields = [("etag", "\"v\""), ("cache-control", "max-age=60"), ("content-range", "bytes 5-9/11")];
    cache.respond(206, &fields, "56789");
    let resumed = cache.get_with("/a", &[("range", "bytes=5-9"), ("if-range", "\"v\"")]);
    assert_eq!((resumed.status, resumed.text()), (206, "56789"));
    // It may lack fields, so that it does not stand alone.
    assert_eq!(range(&mut cache, "bytes=0-4").tier(), "L1-HIT");
}

#[test]
fn what_is_not_of_one_content_is_not_joined_and_the_newer_is_kept() {
    for (old, new) in [("\"v\"", "\"w\""), ("W/\"v\"", "W/\"v\""), ("", ""), ("\"v\"", "W/\"v\"")] {
        let mut cache = Cache::new("");
        cache.origin(part(0, 5, old));
        range(&mut cache, "bytes=0-4");
        cache.wait(1);
        cache.origin(part(5, 10, new));
        range(&mut cache, "bytes=5-9");
        assert_eq!(range(&mut cache, "bytes=5-9").tier(), "L1-HIT", "{old} {new}");
        cache.respond(200, &[("cache-control", "no-store")], "something else");
        assert_eq!(cache.get("/a").text(), "something else", "{old} {new}");
    }
    // The same tag, but another length, or other bytes where both have some: the origin errs, and the newer is kept.
    for (content_range, body) in [("bytes 5-9/11", "56789"), ("bytes 3-7/10", "xxxxx")] {
        let mut cache = Cache::new("");
        cache.origin(part(0, 5, "\"v\""));
        range(&mut cache, "bytes=0-4");
        cache.wait(1);
        let fields = [("etag", "\"v\""), ("cache-control", "max-age=60"), ("content-range", content_range)];
        cache.respond(206, &fields, body);
        range(&mut cache, "bytes=3-9");
        cache.respond(416, &[], "");
        assert_eq!(range(&mut cache, "bytes=0-4").status, 416, "the older one is gone");
    }
}

#[test]
fn of_two_parts_with_a_gap_the_larger_is_kept() {
    for (first, second, kept) in
        [((0, 5), (6, 8), "bytes=0-4"), ((0, 2), (5, 9), "bytes=5-8"), ((0, 2), (5, 7), "bytes=5-6")]
    {
        let mut cache = Cache::new("");
        for (start, end) in [first, second] {
            cache.origin(part(start, end, "\"v\""));
            range(&mut cache, &format!("bytes={start}-{}", end - 1));
        }
        assert_eq!(range(&mut cache, kept).tier(), "L1-HIT");
        assert_eq!(cache.asked(), 2);
    }
}

#[test]
fn two_parts_that_are_too_large_together_are_not_joined() {
    let mut cache = Cache::new("[tiers.l1]\nmax_size = \"6B\"\n[tiers.l2]\nmax_size = \"6B\"\n");
    for (start, end) in [(0, 4), (4, 8)] {
        cache.origin(part(start, end, "\"v\""));
        range(&mut cache, &format!("bytes={start}-{}", end - 1));
    }
    assert_eq!(range(&mut cache, "bytes=4-7").tier(), "L1-HIT");
    cache.origin(part(0, 7, "\"v\""));
    assert_eq!(range(&mut cache, "bytes=0-6").field("cache-status"), "terrace; fwd=partial; detail=too-large");
    // The whole would not be kept, so that the rest is not asked for.
    cache.origin(part(0, 6, "\"v\""));
    assert_eq!(range(&mut cache, "bytes=0-5").field("cache-status"), "terrace; fwd=partial; stored");
    cache.respond(200, &[("cache-control", "max-age=60")], ALL);
    assert_eq!(cache.get("/a").text(), ALL);
    assert_eq!(seen(&cache, "range"), None);
}

#[test]
fn who_asks_for_the_whole_gets_it_from_what_is_held_and_the_rest() {
    for (held, rest, asked) in [((0, 5), (5, 10), "bytes=5-"), ((5, 10), (0, 5), "bytes=0-4")] {
        let mut cache = Cache::new("");
        cache.origin(part(held.0, held.1, "\"v\""));
        range(&mut cache, &format!("bytes={}-{}", held.0, held.1 - 1));
        cache.wait(100);
        cache.origin(part_with(rest.0, rest.1, "\"v\"", &[("cache-control", "max-age=60"), ("x-new", "1")]));
        let whole = cache.get_with("/a", &[("if-none-match", "\"old\"")]);
        assert_eq!((whole.status, whole.text(), whole.tier()), (200, ALL, "REVALIDATED"));
        assert_eq!(whole.field("cache-status"), "terrace; fwd=partial; fwd-status=206; stored; detail=L1");
        assert_eq!((whole.field("content-range"), whole.field("content-length")), ("", "10"));
        assert_eq!(seen(&cache, "range").as_deref(), Some(asked));
        assert_eq!(seen(&cache, "if-range").as_deref(), Some("\"v\""));
        assert_eq!(seen(&cache, "if-none-match"), None);
        let again = cache.get("/a");
        assert_eq!((again.status, again.text(), again.tier(), again.field("x-new")), (200, ALL, "L1-HIT", "1"));
    }
}

#[test]
fn where_the_rest_does_not_come_the_whole_is_asked_for() {
    let begin = || {
        let mut cache = Cache::new("");
        cache.origin(part(0, 5, "\"v\""));
        range(&mut cache, "bytes=0-4");
        cache
    };
    // It has changed: the origin sends all of it.
    let mut cache = begin();
    cache.respond(200, &[("cache-control", "max-age=60"), ("etag", "\"w\"")], "changed");
    let answer = cache.get("/a");
    assert_eq!((answer.status, answer.text()), (200, "changed"));
    assert_eq!(answer.field("cache-status"), "terrace; fwd=partial; stored");
    assert_eq!(cache.get("/a").tier(), "L1-HIT");
    // What it sends is not the rest.
    let cut = vec![
        ("content-range", "bytes 5-9/10".into()),
        ("etag", "\"v\"".into()),
        ("cache-control", "max-age=60".into()),
    ];
    let wrong = [
        Script::Respond(412, vec![], vec![]),
        Script::Respond(416, vec![("content-range", "bytes */3".into())], vec![]),
        Script::Respond(304, vec![("etag", "\"v\"".into())], vec![]),
        part(5, 10, "\"w\""),
        part(5, 10, ""),
        part(5, 9, "\"v\""),
        part(6, 10, "\"v\""),
        part_with(5, 10, "\"v\"", &[("cache-control", "no-store")]),
        Script::Cut(206, cut.clone(), vec![b"56"]),
        Script::Respond(206, cut, vec![b"56"]),
    ];
    for script in wrong {
        let mut cache = begin();
        cache.origin(script).respond(200, &[("cache-control", "max-age=60"), ("etag", "\"w\"")], "all of it");
        let answer = cache.get("/a");
        assert_eq!((answer.status, answer.text()), (200, "all of it"));
        assert_eq!((seen(&cache, "range"), seen(&cache, "if-range")), (None, None));
        assert_eq!(cache.asked(), 3);
        assert_eq!((cache.get("/a").text(), cache.asked()), ("all of it", 3));
    }
    // It fails, or is gone.
    let mut cache = begin();
    cache.origin(Script::Fail(OriginError::ConnectionRefused));
    assert_eq!(cache.get("/a").status, 502);
    cache.respond(404, &[], "gone");
    assert_eq!((cache.get("/a").text(), cache.asked()), ("gone", 3));
}

#[test]
fn the_rest_is_not_asked_for_where_nothing_may_be_asked_or_it_is_most_of_it() {
    let mut cache = Cache::new("[cache]\nrequest_directives = \"honour\"\n");
    cache.origin(part(0, 5, "\"v\""));
    range(&mut cache, "bytes=0-4");
    assert_eq!(cache.get_with("/a", &[("cache-control", "only-if-cached")]).status, 504);
    let within = cache.get_with("/a", &[("cache-control", "only-if-cached"), ("range", "bytes=1-2")]);
    assert_eq!((within.status, within.text()), (206, "12"));
    assert_eq!(cache.asked(), 1);
    cache.origin(part(0, 4, "\"v\""));
    cache.get_with("/b", &[("range", "bytes=0-3")]);
    cache.respond(200, &[("cache-control", "max-age=60")], ALL);
    assert_eq!(cache.get("/b").text(), ALL);
    assert_eq!(seen(&cache, "range"), None);
}

#[test]
fn a_stale_part_is_validated_as_a_part() {
    let mut cache = Cache::new("[cache]\nstale_while_revalidate = \"0s\"\n");
    cache.origin(part(2, 8, "\"v\""));
    range(&mut cache, "bytes=2-7");
    cache.wait(100);
    cache.respond(304, &[("cache-control", "max-age=60"), ("etag", "\"v\"")], "");
    let answer = range(&mut cache, "bytes=3-5");
    assert_eq!((answer.status, answer.text(), answer.tier()), (206, "345", "REVALIDATED"));
    assert_eq!(seen(&cache, "if-none-match").as_deref(), Some("\"v\""));
    assert_eq!(seen(&cache, "range").as_deref(), Some("bytes=3-5"));
    assert_eq!(range(&mut cache, "bytes=2-7").tier(), "L1-HIT");
    // It has changed: the part that was asked for comes, and replaces the old one.
    cache.wait(100);
    cache.origin(part(3, 6, "\"w\""));
    let answer = range(&mut cache, "bytes=3-5");
    assert_eq!((answer.status, answer.text(), answer.field("etag")), (206, "345", "\"w\""));
    assert_eq!(range(&mut cache, "bytes=3-5").tier(), "L1-HIT");
    // The origin fails: stale, within its window.
    cache.wait(100);
    cache.origin(Script::Fail(OriginError::ConnectionRefused));
    let answer = range(&mut cache, "bytes=4-4");
    assert_eq!((answer.status, answer.text(), answer.tier()), (206, "4", "STALE-L1"));
}

#[test]
fn a_stale_part_is_refreshed_behind_the_answer_as_a_part() {
    let mut cache = Cache::new("");
    cache.origin(part(2, 8, "\"v\""));
    range(&mut cache, "bytes=2-7");
    cache.wait(70);
    cache.origin(part(2, 8, "\"w\""));
    assert_eq!(range(&mut cache, "bytes=2-7").tier(), "STALE-L1");
    assert_eq!(seen(&cache, "range").as_deref(), Some("bytes=2-7"));
    let fresh = range(&mut cache, "bytes=2-7");
    assert_eq!((fresh.tier(), fresh.field("etag"), cache.asked()), ("L1-HIT", "\"w\"", 2));
}

#[test]
fn a_part_never_takes_the_place_of_a_good_whole_that_came_meanwhile() {
    for etag in ["\"v\"", "", "\"w\""] {
        let mut cache = Cache::new("");
        // The part is on its way while the whole is asked for, comes and is stored.
        cache.origin(Script::After(500, Box::new(part(0, 5, etag))));
        cache.respond(200, &[("cache-control", "max-age=600"), ("etag", "\"v\"")], ALL);
        let answers = cache.get_side_by_side("/a", &[&[("range", "bytes=0-4")], &[]]);
        assert_eq!((answers[0].status, answers[0].text()), (206, "01234"));
        assert_eq!((answers[1].status, answers[1].text()), (200, ALL));
        let after = cache.get("/a");
        assert_eq!((after.status, after.text(), after.tier()), (200, ALL, "L1-HIT"), "{etag}");
    }
}

#[test]
fn a_part_that_l1_still_shows_does_not_undo_the_whole_in_l2() {
    let mut cache = Cache::new("[tiers.l1]\nadmit = \"second-hit\"\n");
    cache.origin(part(0, 5, "\"v\""));
    range(&mut cache, "bytes=0-4");
    range(&mut cache, "bytes=0-4");
    let old = cache.host.world.kv.borrow().clone();
    cache.origin(part(5, 10, "\"v\""));
    range(&mut cache, "bytes=5-9");
    // Another instance completed it, and the key-value store shows here what it was before.
    *cache.host.world.kv.borrow_mut() = old;
    cache.origin(part(6, 8, "\"v\""));
    assert_eq!(range(&mut cache, "bytes=6-7").text(), "67");
    for tier in ["L1-HIT", "L2-HIT"] {
        let whole = cache.get("/a");
        assert_eq!((whole.status, whole.text(), whole.tier()), (200, ALL, tier));
        cache.restart();
    }
}

#[test]
fn parts_that_come_in_another_order_than_they_were_asked_for_are_joined() {
    let mut cache = Cache::new("");
    let late = |script| Script::After(500, Box::new(script));
    cache.origin(late(part(0, 5, "\"v\""))).origin(part(4, 7, "\"v\"")).origin(late(part(7, 10, "\"v\"")));
    let ranges: [&[(&str, &str)]; 3] =
        [&[("range", "bytes=0-4")], &[("range", "bytes=4-6")], &[("range", "bytes=7-9")]];
    let answers: Vec<Answer> = cache.get_side_by_side("/a", &ranges);
    assert_eq!(answers.iter().map(Answer::text).collect::<Vec<_>>(), ["01234", "456", "789"]);
    let whole = cache.get("/a");
    assert_eq!((whole.status, whole.text(), whole.tier()), (200, ALL, "L1-HIT"));
}

#[test]
fn a_part_joins_a_whole_of_the_same_content_by_updating_its_fields() {
    let mut cache = Cache::new("[cache]\nstale_while_revalidate = \"0s\"\n");
    cache.respond(200, &[("cache-control", "max-age=10"), ("etag", "\"v\"")], ALL);
    cache.get("/a");
    cache.wait(20);
    // The origin confirms something else than what is held, and then sends a part of it after all.
    cache.respond(304, &[("etag", "\"x\"")], "");
    cache.origin(part_with(2, 4, "\"v\"", &[("cache-control", "max-age=60"), ("x-a", "1")]));
    assert_eq!(range(&mut cache, "bytes=2-3").text(), "23");
    let whole = cache.get("/a");
    assert_eq!((whole.status, whole.text(), whole.tier(), whole.field("x-a")), (200, ALL, "L1-HIT", "1"));
}

#[test]
fn a_head_that_differs_ends_a_part() {
    for (length, tier) in [("10", "L1-HIT"), ("11", "MISS")] {
        let mut cache = Cache::new("");
        cache.origin(part(2, 8, "\"v\""));
        range(&mut cache, "bytes=2-7");
        cache.respond(200, &[("etag", "\"v\""), ("cache-control", "max-age=60"), ("content-length", length)], "");
        let head = cache.send(Method::HEAD, "/a", &[]);
        assert_eq!((head.status, head.field("content-length")), (200, length));
        cache.origin(part(2, 8, "\"w\""));
        assert_eq!(range(&mut cache, "bytes=2-7").tier(), tier, "{length}");
    }
}

#[test]
fn a_range_that_means_nothing_is_not_sent_on() {
    let many = (0..17).map(|n| format!("{}-{}", n * 2, n * 2)).collect::<Vec<_>>().join(",");
    for bad in ["bytes=4-0", "bytes=x", &format!("bytes={many}")] {
        let mut cache = Cache::new("");
        cache.respond(200, &[("cache-control", "max-age=60")], ALL);
        let answer = range(&mut cache, bad);
        assert_eq!((answer.status, answer.text(), seen(&cache, "range")), (200, ALL, None));
        assert_eq!(cache.get("/a").tier(), "L1-HIT");
    }
}

#[test]
fn variants_have_parts_of_their_own() {
    let mut cache = Cache::new("");
    let ask = |cache: &mut Cache, lang: &str, range: &str| {
        cache.get_with("/a", &[("accept-language", lang), ("range", range)])
    };
    for lang in ["de", "en"] {
        cache.origin(part_with(0, 5, "\"v\"", &[("cache-control", "max-age=60"), ("vary", "accept-language")]));
        assert_eq!(ask(&mut cache, lang, "bytes=0-4").tier(), "MISS");
        assert_eq!(ask(&mut cache, lang, "bytes=1-2").text(), "12");
    }
    cache.origin(part_with(5, 10, "\"v\"", &[("cache-control", "max-age=60"), ("vary", "accept-language")]));
    ask(&mut cache, "en", "bytes=5-");
    let whole = cache.get_with("/a", &[("accept-language", "en")]);
    assert_eq!((whole.status, whole.text(), whole.tier()), (200, ALL, "L1-HIT"));
    assert_eq!(ask(&mut cache, "de", "bytes=0-4").tier(), "L1-HIT");
    cache.origin(part_with(5, 10, "\"v\"", &[("cache-control", "max-age=60"), ("vary", "accept-language")]));
    assert_eq!(cache.get_with("/a", &[("accept-language", "de")]).text(), ALL);
    assert_eq!(cache.asked(), 4);
}

#[test]
fn an_invalidation_ends_a_part_and_what_would_complete_it() {
    let mut cache = Cache::new("");
    cache.origin(part(0, 5, "\"v\""));
    range(&mut cache, "bytes=0-4");
    cache.respond(204, &[], "");
    cache.send(Method::DELETE, "/a", &[]);
    cache.respond(200, &[("cache-control", "max-age=60")], "new");
    assert_eq!((cache.get("/a").text(), seen(&cache, "range")), ("new", None));
}
