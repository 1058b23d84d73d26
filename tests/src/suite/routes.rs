//! What a route of the configuration changes.

use super::Behaviour;
use crate::client::Request;
use crate::reply::Reply;
use crate::world::World;

pub const ALL: &[Behaviour] = behaviours![
    a_ttl_overrides_the_origin_but_opens_nothing,
    cache_off_is_a_bypass,
    cache_only_never_asks_the_origin,
    the_first_route_that_matches_wins,
    a_route_overrides_what_the_cache_section_says,
];

async fn a_ttl_overrides_the_origin_but_opens_nothing(world: World) {
    let (origin, terrace) = world.serve("[[route]]\nmatch = \"/api/*\"\nttl = \"1h\"").await;
    for (path, value) in [("/api/short", "max-age=1"), ("/api/long", "max-age=86400"), ("/api/zero", "max-age=0")] {
        origin.serve(path, Reply::ok("x").with("Cache-Control", value));
        let hit = terrace.warm(path).await;
        let ttl = hit.cache_status().number("ttl").unwrap_or(-1);
        assert!((3500..=3600).contains(&ttl), "{path}: {hit:?}");
    }
    origin.serve("/api/bare", Reply::ok("bare"));
    terrace.warm("/api/bare").await.has_body("bare");
    for (path, value) in [("/api/private", "private"), ("/api/no-store", "no-store")] {
        origin.serve(path, Reply::ok("closed").with("Cache-Control", value));
        terrace.stays_a_miss(&Request::get(path)).await;
    }
    origin.serve("/api/error", Reply::status(500).body("error"));
    terrace.stays_a_miss(&Request::get("/api/error")).await;
}

async fn cache_off_is_a_bypass(world: World) {
    let (origin, terrace) = world.serve("[[route]]\nmatch = \"/live/*\"\ncache = \"off\"").await;
    origin.on("/live/x", |seen| Reply::fresh(format!("v{}", seen.nth)));
    for nth in 1..=4 {
        let response = terrace.get("/live/x").await;
        response.has_tier("BYPASS").has_field("x-cache", "MISS").has_body(format!("v{nth}"));
        let status = response.cache_status();
        assert_eq!(status.text("fwd"), Some("bypass"), "{response:?}");
        assert!(!status.flag("stored"), "{response:?}");
        tokio::time::sleep(std::time::Duration::from_millis(40)).await;
    }
}

async fn cache_only_never_asks_the_origin(world: World) {
    let (origin, terrace) = world.serve("[[route]]\nmatch = \"/offline/*\"\ncache = \"only\"").await;
    origin.serve("/offline/x", Reply::fresh("x"));
    for _ in 0..3 {
        terrace.get("/offline/x").await.is_problem(504);
    }
    terrace.send(&Request::new("POST", "/offline/x").body("b")).await;
    assert_eq!(origin.count("/offline/x"), 0);
}

async fn the_first_route_that_matches_wins(world: World) {
    let config = "[[route]]\nmatch = \"/a/b*\"\nttl = \"10m\"\n[[route]]\nmatch = \"/a/*\"\nttl = \"20m\"\n\
                  [[route]]\nmatch = \"*.json\"\nttl = \"30m\"";
    let (origin, terrace) = world.serve(config).await;
    origin.otherwise(|_| Reply::fresh("x"));
    for (path, minutes) in [("/a/bc", 10), ("/a/c", 20), ("/a/b.json", 10), ("/c/x.json", 30), ("/c/x.jsonp", 1)] {
        let hit = terrace.warm(path).await;
        let ttl = hit.cache_status().number("ttl").unwrap_or(-1);
        assert!((minutes * 60 - 40..=minutes * 60).contains(&ttl), "{path}: {hit:?}");
    }
}

async fn a_route_overrides_what_the_cache_section_says(world: World) {
    let config = "[cache]\nset_cookie = \"never\"\nrequest_directives = \"ignore\"\nnegative_ttl = {}\ndefault_ttl = \"0s\"\n\
                  [[route]]\nmatch = \"/own/*\"\nset_cookie = \"store\"\nrequest_directives = \"honour\"\n\
                  negative_ttl = { 404 = \"1m\" }\ndefault_ttl = \"1m\"";
    let (origin, terrace) = world.serve(config).await;
    for prefix in ["/own", "/other"] {
        origin.serve(&format!("{prefix}/cookie"), Reply::fresh("c").with("Set-Cookie", "a=1"));
        origin.serve(&format!("{prefix}/bare"), Reply::ok("b"));
        origin.serve(&format!("{prefix}/missing"), Reply::status(404).body("m"));
    }
    for name in ["cookie", "bare", "missing"] {
        terrace.warm(&format!("/own/{name}")).await;
        terrace.stays_a_miss(&Request::get(&format!("/other/{name}"))).await;
    }
    let asked = origin.count("/own/bare");
    terrace.get_with("/own/bare", "Cache-Control", "no-cache").await.has_status(200);
    assert_eq!(origin.count("/own/bare"), asked + 1);
}
