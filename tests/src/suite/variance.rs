//! No-Vary-Search: what has many URLs is one object.

use super::Behaviour;
use crate::client::Request;
use crate::reply::Reply;
use crate::world::World;

pub const ALL: &[Behaviour] = behaviours![
    a_url_without_what_means_nothing_finds_what_was_stored_by_one_with_it,
    urls_that_differ_in_what_means_nothing_are_one_object,
    a_response_without_the_field_is_of_its_own_url_alone,
    an_unsafe_request_ends_the_object_by_whichever_of_its_urls_it_comes,
];

fn utm(body: String) -> Reply {
    Reply::fresh(body).with("No-Vary-Search", "key-order, params=(\"utm\")")
}

async fn a_url_without_what_means_nothing_finds_what_was_stored_by_one_with_it(world: World) {
    let (origin, mut terrace) = world.serve("").await;
    origin.on("/x", |seen| utm(seen.target.clone()));
    terrace.warm("/x?a=1&utm=1&b=2").await.has_body("/x?a=1&utm=1&b=2");
    terrace.warm("/x?a=1&b=2").await.has_body("/x?a=1&utm=1&b=2");
    terrace.restart().await;
    terrace.get("/x?a=1&b=2").await.has_tier("L2-HIT").has_body("/x?a=1&utm=1&b=2");
}

async fn urls_that_differ_in_what_means_nothing_are_one_object(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.on("/x", |seen| utm(format!("v{}", seen.nth)));
    let first = terrace.warm("/x?a=1&utm=1&b=2").await.text();
    for target in ["/x?b=2&a=1", "/x?utm=2&b=2&a=1", "/x?%61=1&b=2&utm"] {
        terrace.get(target).await.has_tier("L1-HIT").has_body(&first);
    }
    for target in ["/x?a=2&b=2", "/x?a=1", "/x?a=1&b=2&UTM=1"] {
        terrace.get(target).await.has_tier("MISS");
    }
}

async fn a_response_without_the_field_is_of_its_own_url_alone(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.on("/x", |seen| match seen.target.contains("a=1") {
        true => utm(seen.target.clone()),
        false => Reply::fresh(seen.target.clone()),
    });
    for target in ["/x?a=1&utm=1", "/x?a=2", "/x?a=2&utm=1", "/x?utm=1&a=2"] {
        terrace.warm(target).await.has_body(target);
    }
    terrace.get("/x?a=2").await.has_tier("L1-HIT").has_body("/x?a=2");
}

async fn an_unsafe_request_ends_the_object_by_whichever_of_its_urls_it_comes(world: World) {
    let (origin, mut terrace) = world.serve("").await;
    origin.on("/x", |seen| utm(format!("v{}", seen.nth)));
    for target in ["/x?a=1&utm=9", "/x?a=1", "/x?utm=1&a=1"] {
        terrace.warm("/x?a=1&utm=1").await;
        let before = terrace.warm("/x?a=1").await.text();
        // An instance that has seen nothing knows it, too.
        terrace.restart().await;
        terrace.send(&Request::new("PUT", target).body("")).await.has_status(200);
        let after = terrace.get("/x?a=1").await;
        assert!(!after.is_hit() && after.text() != before, "{target}\n{after:?}");
    }
}
