//! What may be kept for everybody: no-store, private, no-cache, Authorization, Set-Cookie, and a request's own directives.

use super::Behaviour;
use crate::client::Request;
use crate::reply::Reply;
use crate::world::World;

pub const ALL: &[Behaviour] = behaviours![
    what_the_origin_closes_is_never_stored,
    no_cache_is_stored_and_validated_every_time,
    private_and_no_cache_with_a_field_list_hide_only_the_fields,
    a_no_store_answer_leaves_the_fresh_older_one,
    an_answer_to_authorization_is_kept_only_where_it_says_so,
    a_response_that_sets_a_cookie_is_not_stored_by_default,
    set_cookie_strip_stores_the_response_without_the_cookie,
    set_cookie_store_stores_it_as_it_is,
    the_rfc9111_profile_stores_cookies_and_honours_requests,
    request_directives_of_strangers_are_ignored_by_default,
    request_directives_are_honoured_where_the_configuration_says_so,
    max_stale_never_opens_what_the_origin_closed,
    must_understand_outranks_no_store_for_a_status_that_is_understood,
];

async fn what_the_origin_closes_is_never_stored(world: World) {
    let (origin, terrace) = world.serve("[cache]\ndefault_ttl = \"1h\"").await;
    let closed = [
        "no-store",
        "NO-STORE",
        "private",
        "Private, max-age=60",
        "max-age=60, no-store",
        "public, no-store, s-maxage=60",
    ];
    for (number, value) in closed.iter().enumerate() {
        let path = format!("/closed/{number}");
        origin.serve(&path, Reply::ok("closed").with("Cache-Control", *value).with("ETag", "\"c\""));
        let response = terrace.get(&path).await;
        response.has_body("closed");
        assert!(!response.cache_status().flag("stored"), "{value}: {response:?}");
        terrace.stays_a_miss(&Request::get(&path)).await;
    }
}

async fn no_cache_is_stored_and_validated_every_time(world: World) {
    let (origin, terrace) = world.serve("[cache]\nstale_while_revalidate = \"1m\"").await;
    origin.on("/x", |seen| {
        let reply = match seen.field("if-none-match") {
            Some("\"e\"") => Reply::status(304),
            _ => Reply::ok("checked"),
        };
        reply.with("Cache-Control", "no-cache, max-age=100").with("ETag", "\"e\"")
    });
    terrace.get("/x").await.has_tier("MISS").has_body("checked");
    let validated = |response: &crate::client::Response| response.tier() == "REVALIDATED";
    let response = terrace.until(&Request::get("/x"), "validated", validated).await;
    response.has_status(200).has_body("checked");
    let asked = origin.count("/x");
    terrace.get("/x").await.has_tier("REVALIDATED").has_body("checked");
    assert_eq!(origin.count("/x"), asked + 1);
    assert_eq!(origin.last("/x").field("if-none-match"), Some("\"e\""));
}

async fn private_and_no_cache_with_a_field_list_hide_only_the_fields(world: World) {
    let (origin, terrace) = world.serve("").await;
    for (path, directive) in [("/private", "private=\"x-mine\""), ("/no-cache", "no-cache=\"X-Mine, X-Too\"")] {
        let reply = Reply::ok("rest").with("Cache-Control", format!("max-age=60, {directive}"));
        origin.serve(path, reply.with("X-Mine", "1").with("X-Other", "2"));
        terrace.get(path).await.has_field("x-mine", "1");
        terrace.warm(path).await.has_body("rest").has_field("x-other", "2").lacks("x-mine");
    }
}

async fn a_no_store_answer_leaves_the_fresh_older_one(world: World) {
    let (origin, terrace) = world.serve("[cache]\nrequest_directives = \"honour\"").await;
    origin.on("/x", |seen| match seen.field("x-mode") {
        Some("closed") => Reply::ok("closed").with("Cache-Control", "no-store"),
        _ => Reply::fresh("open"),
    });
    terrace.warm("/x").await.has_body("open");
    let forced = Request::get("/x").with("Cache-Control", "no-cache").with("X-Mode", "closed");
    terrace.send(&forced).await.has_body("closed");
    terrace.get("/x").await.has_tier("L1-HIT").has_body("open");
}

async fn an_answer_to_authorization_is_kept_only_where_it_says_so(world: World) {
    let (origin, terrace) = world.serve("").await;
    let with = |path: &str| Request::get(path).with("Authorization", "Bearer secret");
    origin.serve("/mine", Reply::fresh("mine"));
    let response = terrace.send(&with("/mine")).await;
    assert!(!response.cache_status().flag("stored"), "{response:?}");
    terrace.stays_a_miss(&with("/mine")).await;
    assert_eq!(origin.last("/mine").field("authorization"), Some("Bearer secret"));
    for (path, value) in [
        ("/public", "public, max-age=60"),
        ("/s-maxage", "s-maxage=60"),
        ("/must-revalidate", "must-revalidate, max-age=60"),
    ] {
        origin.serve(path, Reply::ok("ours").with("Cache-Control", value));
        terrace.warm_with(&with(path)).await.has_body("ours");
        terrace.get(path).await.has_tier("L1-HIT");
    }
}

async fn a_response_that_sets_a_cookie_is_not_stored_by_default(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("x").with("Set-Cookie", "id=1").with("Set-Cookie", "b=2"));
    let response = terrace.get("/x").await;
    assert_eq!(response.all("set-cookie"), ["id=1", "b=2"], "{response:?}");
    assert!(!response.cache_status().flag("stored"), "{response:?}");
    terrace.stays_a_miss(&Request::get("/x")).await;
}

async fn set_cookie_strip_stores_the_response_without_the_cookie(world: World) {
    let (origin, terrace) = world.serve("[cache]\nset_cookie = \"strip\"").await;
    origin.serve("/x", Reply::fresh("x").with("Set-Cookie", "id=1").with("X-Other", "1"));
    terrace.warm("/x").await.lacks("set-cookie").has_field("x-other", "1").has_body("x");
}

async fn set_cookie_store_stores_it_as_it_is(world: World) {
    let (origin, terrace) = world.serve("[cache]\nset_cookie = \"store\"").await;
    origin.serve("/x", Reply::fresh("x").with("Set-Cookie", "id=1").with("Set-Cookie", "b=2, c"));
    let hit = terrace.warm("/x").await;
    assert_eq!(hit.all("set-cookie"), ["id=1", "b=2, c"], "{hit:?}");
}

async fn the_rfc9111_profile_stores_cookies_and_honours_requests(world: World) {
    let (origin, terrace) = world.serve("[cache]\nprofile = \"rfc9111\"").await;
    origin.serve("/x", Reply::fresh("x").with("Set-Cookie", "id=1"));
    terrace.warm("/x").await.has_field("set-cookie", "id=1");
    let asked = origin.count("/x");
    terrace.get_with("/x", "Cache-Control", "no-cache").await.has_status(200);
    assert_eq!(origin.count("/x"), asked + 1);
}

async fn request_directives_of_strangers_are_ignored_by_default(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("x"));
    terrace.warm("/x").await;
    let asked = origin.count("/x");
    for value in ["no-cache", "no-store", "max-age=0", "min-fresh=1000", "only-if-cached"] {
        terrace.get_with("/x", "Cache-Control", value).await.has_tier("L1-HIT").has_body("x");
    }
    terrace.get_with("/x", "Pragma", "no-cache").await.has_tier("L1-HIT");
    assert_eq!(origin.count("/x"), asked);
    origin.serve("/y", Reply::fresh("y"));
    terrace.get_with("/y", "Cache-Control", "only-if-cached").await.has_status(200).has_body("y");
}

async fn request_directives_are_honoured_where_the_configuration_says_so(world: World) {
    let (origin, terrace) = world.serve("[cache]\nrequest_directives = \"honour\"").await;
    origin.serve("/x", Reply::fresh("x"));
    let missing = terrace.get_with("/x", "Cache-Control", "only-if-cached").await;
    missing.is_problem(504);
    assert_eq!(origin.count("/x"), 0);
    terrace.warm("/x").await;
    terrace.get_with("/x", "Cache-Control", "only-if-cached").await.has_tier("L1-HIT");
    for value in ["no-cache", "max-age=0", "min-fresh=1000"] {
        let asked = origin.count("/x");
        terrace.get_with("/x", "Cache-Control", value).await.has_status(200).has_body("x");
        assert_eq!(origin.count("/x"), asked + 1, "{value}");
    }
    origin.serve("/never", Reply::fresh("never"));
    terrace.stays_a_miss(&Request::get("/never").with("Cache-Control", "no-store")).await;
}

async fn max_stale_never_opens_what_the_origin_closed(world: World) {
    let config = "[cache]\nrequest_directives = \"honour\"\nstale_while_revalidate = \"0s\"\nstale_if_error = \"0s\"";
    let (origin, terrace) = world.serve(config).await;
    let closed =
        [("/must", "max-age=0, must-revalidate"), ("/no-cache", "no-cache"), ("/proxy", "max-age=0, proxy-revalidate")];
    for (path, value) in closed {
        origin.serve(path, Reply::ok("closed").with("Cache-Control", value).with("ETag", "\"e\""));
        terrace.stays_a_miss(&Request::get(path).with("Cache-Control", "max-stale=1000")).await;
    }
    origin.serve("/private", Reply::ok("p").with("Cache-Control", "private, max-age=60"));
    terrace.stays_a_miss(&Request::get("/private").with("Cache-Control", "max-stale")).await;
    origin.serve("/open", Reply::ok("open").with("Cache-Control", "max-age=0").with("ETag", "\"e\""));
    let open = Request::get("/open").with("Cache-Control", "max-stale=1000");
    let stale = terrace.until(&open, "served stale", |response| !response.is_miss()).await;
    stale.has_status(200).has_tier("STALE-L1").has_body("open");
}

async fn must_understand_outranks_no_store_for_a_status_that_is_understood(world: World) {
    let (origin, terrace) = world.serve("").await;
    let value = "max-age=60, no-store, must-understand";
    origin.serve("/known", Reply::ok("known").with("Cache-Control", value));
    terrace.warm("/known").await.has_body("known");
    origin.serve("/unknown", Reply::status(299).body("u").with("Cache-Control", value));
    terrace.stays_a_miss(&Request::get("/unknown")).await;
}
