//! How long a stored response is used: RFC 9111 4.2, and the configuration.

use super::Behaviour;
use crate::client::Request;
use crate::origin::date_in;
use crate::reply::Reply;
use crate::world::World;
use std::ops::RangeInclusive;

pub const ALL: &[Behaviour] = behaviours![
    the_lifetime_is_what_the_response_says,
    a_response_without_freshness_or_validator_is_not_reused,
    default_ttl_applies_where_the_origin_says_nothing,
    errors_are_stored_only_where_the_configuration_lists_them,
    an_expired_response_is_fetched_again,
    age_grows_while_a_response_is_stored,
];

/// Fields of a response, and the seconds that `ttl` may be right after it was stored.
type Row = (&'static str, Vec<(&'static str, String)>, RangeInclusive<i64>);

async fn the_lifetime_is_what_the_response_says(world: World) {
    let (origin, terrace) = world.serve("").await;
    let cc = |value: &str| ("Cache-Control", value.to_owned());
    let rows: Vec<Row> = vec![
        ("/max-age", vec![cc("max-age=100")], 70..=100),
        ("/s-maxage", vec![cc("max-age=1, s-maxage=200")], 170..=200),
        ("/case", vec![cc("MaX-aGe=100")], 70..=100),
        ("/lines", vec![cc("public"), cc("max-age=100")], 70..=100),
        ("/expires", vec![("Date", date_in(0)), ("Expires", date_in(300))], 270..=300),
        ("/max-age-over-expires", vec![cc("max-age=100"), ("Expires", date_in(5000))], 70..=100),
        ("/age", vec![cc("max-age=1000"), ("Age", "400".to_owned())], 570..=600),
        ("/heuristic", vec![("Date", date_in(0)), ("Last-Modified", date_in(-10_000))], 900..=1000),
        ("/huge", vec![cc("max-age=99999999999999999999")], 1_000_000..=i64::MAX),
        ("/quoted", vec![cc("foo=\"a, max-age=5\", max-age=100")], 70..=100),
    ];
    for (path, fields, _) in &rows {
        let reply = fields.iter().fold(Reply::ok(*path), |reply, (name, value)| reply.with(name, value.as_str()));
        origin.serve(path, reply);
    }
    for (path, _, ttl) in &rows {
        let hit = terrace.warm(path).await;
        hit.has_body(path);
        let told = hit.cache_status().number("ttl").unwrap_or(-1);
        assert!(ttl.contains(&told), "{path}: ttl={told} is not in {ttl:?}\n{hit:?}");
    }
}

async fn a_response_without_freshness_or_validator_is_not_reused(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/bare", Reply::ok("bare"));
    origin.serve("/zero", Reply::ok("zero").with("Cache-Control", "max-age=0"));
    origin.serve("/expired", Reply::ok("old").with("Expires", date_in(-100)));
    origin.serve("/broken", Reply::ok("broken").with("Expires", "0"));
    origin.serve("/aged", Reply::ok("aged").with("Cache-Control", "max-age=10").with("Age", "2000"));
    for path in ["/bare", "/zero", "/expired", "/broken", "/aged"] {
        terrace.stays_a_miss(&Request::get(path)).await;
        assert_eq!(origin.count(path), 4, "{path}");
    }
}

async fn default_ttl_applies_where_the_origin_says_nothing(world: World) {
    let (origin, terrace) = world.serve("[cache]\ndefault_ttl = \"5m\"").await;
    origin.serve("/bare", Reply::ok("bare"));
    let hit = terrace.warm("/bare").await;
    let ttl = hit.cache_status().number("ttl").unwrap_or(-1);
    assert!((270..=300).contains(&ttl), "{hit:?}");
    origin.serve("/short", Reply::ok("short").with("Cache-Control", "max-age=50"));
    let hit = terrace.warm("/short").await;
    assert!(hit.cache_status().number("ttl") <= Some(50), "{hit:?}");
    origin.serve("/no-store", Reply::ok("n").with("Cache-Control", "no-store"));
    terrace.stays_a_miss(&Request::get("/no-store")).await;
    origin.serve("/error", Reply::status(500).body("e"));
    terrace.stays_a_miss(&Request::get("/error")).await;
}

async fn errors_are_stored_only_where_the_configuration_lists_them(world: World) {
    let (origin, terrace) = world.serve("[cache]\nnegative_ttl = { 404 = \"1m\", 503 = \"1m\" }").await;
    for status in [404, 503] {
        let path = format!("/listed/{status}");
        origin.serve(&path, Reply::status(status).body("listed"));
        terrace.warm(&path).await.has_status(status).has_body("listed");
    }
    for status in [400, 401, 403, 500, 502, 504] {
        let path = format!("/other/{status}");
        origin.serve(&path, Reply::status(status).body("other"));
        terrace.get(&path).await.has_status(status);
        terrace.stays_a_miss(&Request::get(&path)).await;
    }
    origin.serve("/explicit", Reply::status(500).body("e").with("Cache-Control", "max-age=60"));
    terrace.warm("/explicit").await.has_status(500).has_body("e");
}

async fn an_expired_response_is_fetched_again(world: World) {
    let off = "[cache]\nstale_while_revalidate = \"0s\"\nstale_if_error = \"0s\"\nearly_refresh = 0";
    let (origin, terrace) = world.serve(off).await;
    origin.on("/x", |seen| Reply::ok(format!("v{}", seen.nth)).with("Cache-Control", "max-age=1"));
    terrace.warm("/x").await;
    let asked = origin.count("/x");
    let stale = terrace.until(&Request::get("/x"), "expired", |response| !response.is_hit()).await;
    stale.has_body(format!("v{}", asked + 1));
    let why = stale.cache_status();
    assert!(matches!(why.text("fwd"), Some("stale" | "uri-miss")), "{stale:?}");
}

async fn age_grows_while_a_response_is_stored(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("x").with("Age", "7"));
    let first = terrace.warm("/x").await;
    assert!(first.age() >= Some(7), "{first:?}");
    let grown = |response: &crate::client::Response| response.age() > first.age();
    let later = terrace.until(&Request::get("/x"), "older", grown).await;
    later.has_tier("L1-HIT");
    assert_eq!(later.all("age").len(), 1, "{later:?}");
}
