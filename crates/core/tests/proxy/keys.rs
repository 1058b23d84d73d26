//! What the origin is asked for is what the key names.

use super::support::*;
use http::Method;

const ROUTE: &str = "[[route]]\nmatch = \"*\"\nquery = { ignore = [\"utm_*\"], sort = true }\n\
    key = { cookies = [\"plan\"], language = [\"en\", \"de\"], tenant = \"header:x-tenant\" }";

const FRESH: (&str, &str) = ("cache-control", "max-age=60");

#[test]
fn the_origin_sees_the_reduced_request_and_later_ones_that_reduce_to_it_are_hits() {
    let mut cache = Cache::new(ROUTE);
    cache.respond(200, &[FRESH, ("vary", "cookie, accept-language")], "hello");
    let sent = [("x-tenant", "a"), ("cookie", "session=1; plan=pro"), ("accept-language", "fr, de-AT;q=0.8")];
    assert_eq!(cache.get_with("/x?utm_source=evil&b=2&a=1", &sent).tier(), "MISS");
    let seen = cache.last_seen();
    assert_eq!(seen.target, "/x?a=1&b=2");
    let field = |name| seen.fields.get_str(name);
    assert_eq!(
        (field("cookie"), field("accept-language"), field("x-tenant")),
        (Some("plan=pro"), Some("de"), Some("a"))
    );
    let other = [("x-tenant", "a"), ("cookie", "plan=pro; session=2"), ("accept-language", "DE")];
    assert_eq!(cache.get_with("/x?a=1&b=2&utm_x", &other).tier(), "L1-HIT");
    cache.respond(200, &[FRESH], "other");
    let other = [("x-tenant", "b"), ("cookie", "plan=pro"), ("accept-language", "de")];
    assert_eq!(cache.get_with("/x?a=1&b=2", &other).tier(), "MISS");
}

#[test]
fn what_nobody_owns_is_not_kept() {
    let mut cache = Cache::new(ROUTE);
    for fields in [&[][..], &[("x-tenant", "a"), ("connection", "x-tenant")]] {
        for _ in 0..2 {
            cache.respond(200, &[FRESH], "whose?");
            let answer = cache.get_with("/x?utm_x=1", fields);
            assert_eq!(
                (answer.tier(), answer.field("cache-status")),
                ("BYPASS", "terrace; fwd=bypass; detail=no-tenant")
            );
            // It is not for the cache, so the origin may see all of it.
            assert_eq!(cache.last_seen().target, "/x?utm_x=1");
        }
    }
}

#[test]
fn an_unsafe_request_is_passed_as_it_is_and_reaches_what_it_changes() {
    let mut cache = Cache::new(ROUTE);
    let mine = [("x-tenant", "a"), ("accept-language", "de-DE"), ("cookie", "plan=pro; session=1")];
    cache.respond(200, &[FRESH], "old");
    cache.get_with("/x?b=2&a=1", &mine);
    cache.respond(200, &[("content-location", "/x?a=1&b=2&utm_x=1"), FRESH], "new");
    cache.send(Method::POST, "/x?a=1&b=2&utm_x=1", &mine);
    let seen = cache.last_seen();
    assert_eq!(
        (seen.target.as_str(), seen.fields.get_str("cookie")),
        ("/x?a=1&b=2&utm_x=1", Some("plan=pro; session=1"))
    );
    // Its answer is not kept for GET: the origin saw what the key does not have.
    cache.respond(200, &[FRESH], "newer");
    assert_eq!(cache.get_with("/x?a=1&b=2", &mine).text(), "newer");
}
