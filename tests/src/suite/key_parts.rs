//! What a route makes part of the key, and that the origin is asked for nothing else.

use super::Behaviour;
use crate::client::Request;
use crate::reply::Reply;
use crate::world::World;

pub const ALL: &[Behaviour] = behaviours![
    a_parameter_that_is_not_in_the_key_does_not_reach_the_origin,
    parameters_that_are_not_allowed_are_left_out,
    a_cookie_named_by_a_route_is_part_of_the_key_and_the_others_do_not_reach_the_origin,
    languages_are_reduced_to_those_that_a_route_names,
    tenants_never_share_an_object_and_what_is_nobodys_is_not_stored,
];

async fn a_parameter_that_is_not_in_the_key_does_not_reach_the_origin(world: World) {
    let config = "[[route]]\nmatch = \"/*\"\nquery = { ignore = [\"utm_*\"] }";
    let (origin, terrace) = world.serve(config).await;
    origin.otherwise(|seen| Reply::fresh(format!("<a href=\"{}\">", seen.target)));
    terrace.warm("/x?id=1&utm_source=%22evil%22").await.has_body("<a href=\"/x?id=1\">");
    terrace.get("/x?id=1").await.has_tier("L1-HIT").has_body("<a href=\"/x?id=1\">");
    // What is not for the cache goes through as it came.
    terrace.send(&Request::new("POST", "/x?id=1&utm_source=a").body("")).await.has_status(200);
    assert_eq!(origin.last("/x").target, "/x?id=1&utm_source=a");
}

async fn parameters_that_are_not_allowed_are_left_out(world: World) {
    let config = "[[route]]\nmatch = \"/a\"\nquery = { allow = [\"page\", \"filter_*\"], ignore = [\"filter_x\"] }\n\
                  [[route]]\nmatch = \"/b\"\nquery = { allow = [] }";
    let (origin, terrace) = world.serve(config).await;
    origin.otherwise(|seen| Reply::fresh(seen.target.clone()));
    terrace.warm("/a?page=1&sort=up&filter_a=1&filter_x=1").await.has_body("/a?page=1&filter_a=1");
    terrace.get("/a?filter_x=2&page=1&filter_a=1&sort").await.has_tier("L1-HIT");
    terrace.get("/a?page=1&filter_a=2").await.has_tier("MISS");
    terrace.warm("/b?anything").await.has_body("/b");
    terrace.get("/b").await.has_tier("L1-HIT");
}

async fn a_cookie_named_by_a_route_is_part_of_the_key_and_the_others_do_not_reach_the_origin(world: World) {
    let (origin, terrace) = world.serve("[[route]]\nmatch = \"/*\"\nkey = { cookies = [\"plan\"] }").await;
    origin.on("/x", |seen| Reply::fresh(seen.field("cookie").unwrap_or("none").to_owned()));
    let with = |cookie: &str| Request::get("/x").with("Cookie", cookie);
    terrace.warm_with(&with("session=mine; plan=pro")).await.has_body("plan=pro");
    terrace.send(&with("plan=pro; session=yours")).await.has_tier("L1-HIT").has_body("plan=pro");
    terrace.send(&with("plan=free; session=mine")).await.has_tier("MISS").has_body("plan=free");
    terrace.send(&with("session=mine")).await.has_tier("MISS").has_body("none");
    terrace.warm("/x").await.has_body("none");
}

async fn languages_are_reduced_to_those_that_a_route_names(world: World) {
    let config = "[[route]]\nmatch = \"/*\"\nkey = { language = [\"en\", \"de\"] }";
    let (origin, terrace) = world.serve(config).await;
    origin.on("/x", |seen| {
        let language = seen.field("accept-language").unwrap_or("none").to_owned();
        Reply::fresh(language).with("Vary", "Accept-Language")
    });
    let with = |asked: &str| Request::get("/x").with("Accept-Language", asked);
    terrace.warm_with(&with("de-AT,de;q=0.9,en;q=0.8")).await.has_body("de");
    terrace.send(&with("fr-FR, DE-ch;q=0.5, en;q=0.1")).await.has_tier("L1-HIT").has_body("de");
    terrace.send(&with("de;q=0.1, en-GB;q=0.2")).await.has_tier("MISS").has_body("en");
    terrace.warm_with(&with("fr, *;q=0.1")).await.has_body("en");
    terrace.get("/x").await.has_tier("L1-HIT").has_body("en");
}

async fn tenants_never_share_an_object_and_what_is_nobodys_is_not_stored(world: World) {
    let config = "[[route]]\nmatch = \"/*\"\nkey = { tenant = \"header:x-tenant\" }";
    let (origin, terrace) = world.serve(config).await;
    origin.on("/x", |seen| Reply::fresh(seen.field("x-tenant").unwrap_or("nobody").to_owned()));
    let of = |tenant: &str| Request::get("/x").with("X-Tenant", tenant);
    for tenant in ["one", "two"] {
        terrace.warm_with(&of(tenant)).await.has_body(tenant);
    }
    terrace.send(&of("one")).await.has_tier("L1-HIT").has_body("one");
    terrace.stays_a_miss(&Request::get("/x")).await;
    let response = terrace.get("/x").await;
    response.has_tier("BYPASS").has_body("nobody");
    assert_eq!(response.cache_status().text("detail"), Some("no-tenant"), "{response:?}");
}
