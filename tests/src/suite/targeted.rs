//! Targeted fields: RFC 9213. `rules_targeted.rs` of the core has a row per sentence.

use super::Behaviour;
use crate::client::Request;
use crate::origin::date_in;
use crate::reply::Reply;
use crate::world::World;

pub const ALL: &[Behaviour] = behaviours![
    a_targeted_field_outranks_cache_control_and_is_passed_on,
    a_malformed_cdn_cache_control_is_ignored,
    a_targeted_field_is_a_structured_field,
    a_targeted_field_that_counts_is_the_only_one,
    what_a_targeted_field_closes_stays_closed,
    stale_windows_are_those_of_the_targeted_field,
];

async fn a_targeted_field_outranks_cache_control_and_is_passed_on(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/cdn", Reply::ok("c").with("Cache-Control", "no-store").with("CDN-Cache-Control", "max-age=600"));
    origin.serve(
        "/ours",
        Reply::ok("o").with("CDN-Cache-Control", "no-store").with("Terrace-Cache-Control", "max-age=600"),
    );
    for (path, field, value) in
        [("/cdn", "cdn-cache-control", "max-age=600"), ("/ours", "cdn-cache-control", "no-store")]
    {
        let hit = terrace.warm(path).await;
        let ttl = hit.cache_status().number("ttl").unwrap_or(-1);
        assert!((570..=600).contains(&ttl), "{hit:?}");
        hit.has_field(field, value);
    }
    origin.serve("/closed", Reply::ok("x").with("Cache-Control", "max-age=600").with("CDN-Cache-Control", "no-store"));
    terrace.stays_a_miss(&Request::get("/closed")).await;
}

async fn a_malformed_cdn_cache_control_is_ignored(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve(
        "/x",
        Reply::ok("x").with("Cache-Control", "max-age=100").with("CDN-Cache-Control", "no-store, max-age=\"ten"),
    );
    let hit = terrace.warm("/x").await;
    assert!((70..=100).contains(&hit.cache_status().number("ttl").unwrap_or(-1)), "{hit:?}");
}

async fn a_targeted_field_is_a_structured_field(world: World) {
    let (origin, terrace) = world.serve("").await;
    // Beside `Cache-Control: max-age=100`: 600 where the field counts.
    let rows: [(&str, &[&str], i64); 13] = [
        ("/plain", &["max-age=600"], 600),
        ("/extensions", &["foo, max-age=600, bar=(a b);x"], 600),
        ("/parameters", &["max-age=600;x=1"], 600),
        ("/lines", &["foo", "max-age=600"], 600),
        ("/last-of-two", &["max-age=1, max-age=600"], 600),
        ("/empty", &[""], 100),
        ("/string", &["max-age=\"600\""], 100),
        ("/decimal", &["max-age=600.5"], 100),
        ("/boolean", &["max-age"], 100),
        ("/capitals", &["Max-Age=600"], 100),
        ("/trailing-comma", &["max-age=600,"], 100),
        ("/space", &["max-age =600"], 100),
        ("/one-broken-line", &["max-age=600", "&"], 100),
    ];
    for (path, lines, _) in rows {
        let reply = Reply::ok(path).with("Cache-Control", "max-age=100");
        origin.serve(path, lines.iter().fold(reply, |reply, line| reply.with("CDN-Cache-Control", *line)));
    }
    for (path, _, lifetime) in rows {
        let hit = terrace.warm(path).await;
        let told = hit.cache_status().number("ttl").unwrap_or(-1);
        assert!((lifetime - 30..=lifetime).contains(&told), "{path}: ttl={told}, not {lifetime}\n{hit:?}");
    }
}

async fn a_targeted_field_that_counts_is_the_only_one(world: World) {
    let (origin, terrace) = world.serve("").await;
    let aged = Reply::ok("aged").with("CDN-Cache-Control", "max-age=600").with("Cache-Control", "max-age=10");
    origin.serve("/aged", aged.with("Age", "300"));
    let expired = Reply::ok("expired").with("CDN-Cache-Control", "max-age=300");
    origin.serve("/expired", expired.with("Date", date_in(0)).with("Expires", date_in(-100)));
    for path in ["/aged", "/expired"] {
        let hit = terrace.warm(path).await;
        let told = hit.cache_status().number("ttl").unwrap_or(-1);
        assert!((270..=300).contains(&told), "{hit:?}");
    }
    // It is valid and gives no lifetime, so there is none.
    let bare = Reply::ok("bare").with("CDN-Cache-Control", "none").with("Cache-Control", "max-age=600");
    origin.serve("/bare", bare.with("Date", date_in(0)).with("Expires", date_in(600)));
    terrace.stays_a_miss(&Request::get("/bare")).await;
}

async fn what_a_targeted_field_closes_stays_closed(world: World) {
    let (origin, terrace) = world.serve("").await;
    for (path, value) in [("/no-store", "max-age=600, no-store"), ("/private", "max-age=600, private")] {
        let open = Reply::ok(path).with("Cache-Control", "public, max-age=600");
        origin.serve(path, open.with("CDN-Cache-Control", value));
        terrace.stays_a_miss(&Request::get(path)).await;
    }
    origin.on("/no-cache", |seen| {
        let reply = match seen.field("if-none-match") {
            Some("\"e\"") => Reply::status(304),
            _ => Reply::ok("checked"),
        };
        let reply = reply.with("ETag", "\"e\"").with("Cache-Control", "max-age=600");
        reply.with("CDN-Cache-Control", "max-age=600, no-cache")
    });
    terrace.get("/no-cache").await.has_body("checked");
    terrace
        .until(&Request::get("/no-cache"), "validated", |response| response.tier() == "REVALIDATED")
        .await
        .has_status(200)
        .has_body("checked");
    let asked = origin.count("/no-cache");
    terrace.get("/no-cache").await.has_tier("REVALIDATED");
    assert_eq!(origin.count("/no-cache"), asked + 1);
}

async fn stale_windows_are_those_of_the_targeted_field(world: World) {
    let config = "[cache]\nstale_while_revalidate = \"0s\"\nstale_if_error = \"0s\"";
    let (mut origin, terrace) = world.serve(config).await;
    let targeted = |cdn: &str, plain: &str| {
        Reply::ok("old").with("CDN-Cache-Control", cdn).with("Cache-Control", plain).with("ETag", "\"e\"")
    };
    origin.serve("/opens", targeted("max-age=1, stale-if-error=1000", "no-store"));
    origin.serve("/closes", targeted("max-age=1", "max-age=1, stale-if-error=1000"));
    for path in ["/opens", "/closes"] {
        terrace.warm(path).await;
    }
    origin.down().await;
    let stale = |response: &crate::client::Response| response.tier().starts_with("STALE-");
    terrace.until(&Request::get("/opens"), "stale", stale).await.has_status(200).has_body("old");
    terrace.until(&Request::get("/closes"), "an error", |response| response.status == 502).await.is_problem(502);
}
