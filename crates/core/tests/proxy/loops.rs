//! A request that comes back (RFC 8586).

use super::support::*;
use http::Method;

#[test]
fn a_request_that_was_sent_from_here_is_not_sent_again() {
    let mut cache = Cache::new("");
    cache.respond(200, &[("cache-control", "max-age=60")], "hello");
    cache.get_with("/a", &[("cdn-loop", "other; x=1"), ("connection", "cdn-loop, via"), ("via", "1.1 front")]);
    let seen = cache.last_seen().fields;
    let lines: Vec<&str> = seen.get_all("cdn-loop").map(|line| std::str::from_utf8(line).unwrap()).collect();
    let [other, ours] = lines[..] else { panic!("{lines:?}") };
    assert_eq!((other, ours.starts_with("terrace-")), ("other; x=1", true));
    assert_eq!(seen.combined("via").as_deref(), Some(&b"1.1 front, 1.1 terrace"[..]));
    // Whether it could be answered or not: the loop is what has to be seen.
    for (method, target) in [(Method::GET, "/a"), (Method::GET, "/b"), (Method::POST, "/b"), (Method::OPTIONS, "/b")] {
        let answer = cache.send(method, target, &[("cdn-loop", &format!("x, {ours}; p=1, y"))]);
        assert_eq!((answer.status, answer.field("proxy-status")), (508, "terrace; error=proxy_loop_detected"));
        assert_eq!(
            (answer.field("cache-control"), answer.field("content-type")),
            ("no-store", "application/problem+json")
        );
    }
    assert_eq!(cache.asked(), 1);
}

#[test]
fn two_deployments_in_a_row_are_no_loop() {
    let mut cache = Cache::new("cdn_id = \"inner\"\n");
    for loops in ["terrace-0123456789abcdef", "outer", "outer, terrace"] {
        cache.respond(200, &[("cache-control", "no-store")], "");
        assert_eq!(cache.get_with("/a", &[("cdn-loop", loops)]).status, 200, "{loops}");
        let seen = cache.last_seen().fields;
        assert_eq!(seen.combined("cdn-loop").as_deref(), Some(format!("{loops}, inner").as_bytes()));
    }
    assert_eq!(cache.get_with("/a", &[("cdn-loop", "Inner")]).status, 508);
}
