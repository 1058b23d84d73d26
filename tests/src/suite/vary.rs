//! Variants of one URL (RFC 9111 4.1).

use super::Behaviour;
use crate::client::Request;
use crate::reply::Reply;
use crate::world::World;

pub const ALL: &[Behaviour] = behaviours![
    variants_are_stored_side_by_side,
    variants_survive_a_restart,
    a_variant_miss_is_told_from_a_url_miss,
    vary_star_is_never_reused,
    values_are_normalised_before_they_are_compared,
    a_repeated_field_is_compared_whole,
    a_missing_field_matches_only_a_missing_field,
    a_field_the_response_does_not_name_does_not_matter,
    a_gzip_encoded_response_passes_through_and_its_variants_stay_apart,
    vary_on_two_fields_keeps_every_combination,
    what_depends_on_who_asks_is_not_given_to_another,
    an_underscore_in_a_name_does_not_poison_a_variant,
];

fn by_language(seen: &crate::origin::Seen) -> Reply {
    let language = seen.field("accept-language").unwrap_or("none");
    Reply::fresh(format!("in {language}")).with("Vary", "Accept-Language")
}

async fn variants_are_stored_side_by_side(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.on("/x", by_language);
    let languages = ["de", "en", "fr", "ja"];
    for language in languages {
        let request = Request::get("/x").with("Accept-Language", language);
        terrace.warm_with(&request).await.has_body(format!("in {language}"));
    }
    let asked = origin.count("/x");
    for language in languages.iter().rev() {
        let hit = terrace.get_with("/x", "Accept-Language", language).await;
        hit.has_tier("L1-HIT").has_body(format!("in {language}")).has_field("vary", "Accept-Language");
    }
    assert_eq!(origin.count("/x"), asked);
}

async fn variants_survive_a_restart(world: World) {
    let (origin, mut terrace) = world.serve("").await;
    origin.on("/x", by_language);
    for language in ["de", "en"] {
        terrace.warm_with(&Request::get("/x").with("Accept-Language", language)).await;
    }
    terrace.restart().await;
    let asked = origin.count("/x");
    for language in ["en", "de"] {
        let hit = terrace.get_with("/x", "Accept-Language", language).await;
        hit.has_tier("L2-HIT").has_body(format!("in {language}"));
    }
    assert_eq!(origin.count("/x"), asked);
}

async fn a_variant_miss_is_told_from_a_url_miss(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.on("/x", by_language);
    let first = terrace.get_with("/x", "Accept-Language", "de").await;
    assert_eq!(first.cache_status().text("fwd"), Some("uri-miss"), "{first:?}");
    terrace.warm_with(&Request::get("/x").with("Accept-Language", "de")).await;
    let other = terrace.get_with("/x", "Accept-Language", "en").await;
    assert_eq!(other.cache_status().text("fwd"), Some("vary-miss"), "{other:?}");
}

async fn vary_star_is_never_reused(world: World) {
    let (origin, terrace) = world.serve("").await;
    for (path, value) in [("/star", "*"), ("/list", "Accept, *")] {
        origin.serve(path, Reply::fresh("any").with("Vary", value));
        terrace.stays_a_miss(&Request::get(path)).await;
    }
    origin.serve("/lines", Reply::fresh("any").with("Vary", "Accept").with("Vary", "*"));
    terrace.stays_a_miss(&Request::get("/lines")).await;
}

async fn values_are_normalised_before_they_are_compared(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("x").with("Vary", "X-List"));
    terrace.warm_with(&Request::get("/x").with("X-List", "a, b")).await;
    terrace.get_with("/x", "X-List", "a,b").await.has_tier("L1-HIT");
    terrace.get_with("/x", "X-List", "a  ,  b").await.has_tier("L1-HIT");
    let lines = Request::get("/x").with("X-List", "a").with("X-List", "b");
    terrace.send(&lines).await.has_tier("L1-HIT");
    terrace.get_with("/x", "X-List", "b, a").await.has_tier("MISS");
}

async fn a_repeated_field_is_compared_whole(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.on("/x", |seen| Reply::fresh(seen.fields.joined("x-role")).with("Vary", "X-Role"));
    terrace.warm_with(&Request::get("/x").with("X-Role", "user")).await.has_body("user");
    let lines = Request::get("/x").with("X-Role", "user").with("X-Role", "admin");
    let other = terrace.send(&lines).await;
    other.has_tier("MISS");
    assert!(other.text().contains("admin"), "{other:?}");
}

async fn a_missing_field_matches_only_a_missing_field(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.on("/x", by_language);
    terrace.warm("/x").await.has_body("in none");
    terrace.get_with("/x", "Accept-Language", "de").await.has_tier("MISS").has_body("in de");
    terrace.get("/x").await.has_tier("L1-HIT").has_body("in none");
}

async fn a_field_the_response_does_not_name_does_not_matter(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("x").with("Vary", "Accept-Language"));
    terrace.warm("/x").await;
    for (name, value) in [("User-Agent", "one"), ("Cookie", "id=9"), ("Accept", "text/html"), ("Origin", "https://a")] {
        terrace.get_with("/x", name, value).await.has_tier("L1-HIT");
    }
}

async fn a_gzip_encoded_response_passes_through_and_its_variants_stay_apart(world: World) {
    let (origin, mut terrace) = world.serve("").await;
    let plain = "squeeze me ".repeat(500);
    let packed = super::gzip(plain.as_bytes());
    let (origin_plain, origin_packed) = (plain.clone(), packed.clone());
    origin.on("/x", move |seen| {
        let reply = if seen.fields.joined("accept-encoding").contains("gzip") {
            Reply::fresh(origin_packed.clone()).with("Content-Encoding", "gzip")
        } else {
            Reply::fresh(origin_plain.clone())
        };
        reply.with("Vary", "Accept-Encoding").with("Content-Type", "text/plain")
    });
    let gzip = Request::get("/x").with("Accept-Encoding", "gzip");
    terrace.send(&gzip).await.has_field("content-encoding", "gzip").has_body(&packed);
    terrace.warm_with(&gzip).await.has_tier("L1-HIT").has_field("content-encoding", "gzip").has_body(&packed);
    terrace.get("/x").await.has_tier("MISS").lacks("content-encoding").has_body(&plain);
    terrace.warm("/x").await.has_tier("L1-HIT").lacks("content-encoding").has_body(&plain);
    terrace.send(&gzip).await.has_tier("L1-HIT").has_body(&packed);
    terrace.restart().await;
    terrace.send(&gzip).await.has_tier("L2-HIT").has_field("content-encoding", "gzip").has_body(&packed);
    terrace.get("/x").await.has_tier("L2-HIT").lacks("content-encoding").has_body(&plain);
}

async fn vary_on_two_fields_keeps_every_combination(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.on("/x", |seen| {
        let text = format!("{:?} {:?}", seen.field("x-a"), seen.field("x-b"));
        Reply::fresh(text).with("Vary", "X-A, X-B")
    });
    let combinations = [("1", "1"), ("1", "2"), ("2", "1"), ("2", "2")];
    let request = |(a, b): (&str, &str)| Request::get("/x").with("X-A", a).with("X-B", b);
    for combination in combinations {
        terrace.warm_with(&request(combination)).await;
    }
    for (a, b) in combinations {
        let hit = terrace.send(&request((a, b))).await;
        hit.has_tier("L1-HIT").has_body(format!("{:?} {:?}", Some(a), Some(b)));
    }
}

async fn what_depends_on_who_asks_is_not_given_to_another(world: World) {
    let (origin, terrace) = world.serve("").await;
    // Terrace itself adds to the field: what selects would not be what the origin saw.
    origin.on("/x", |seen| {
        let from = seen.field("x-forwarded-for").unwrap_or("nobody").to_owned();
        Reply::fresh(from).with("Vary", "X-Forwarded-For")
    });
    for asked in 1..=3 {
        let answer = terrace.get("/x").await;
        answer.has_tier("MISS");
        assert!(answer.field("cache-status").is_some_and(|status| status.ends_with("detail=vary-star")), "{answer:?}");
        assert_eq!(origin.count("/x"), asked);
    }
}

async fn an_underscore_in_a_name_does_not_poison_a_variant(world: World) {
    let (origin, terrace) = world.serve("[[route]]\nmatch = \"/t\"\nkey = { tenant = \"header:x-tenant\" }").await;
    // As CGI and its kin read it.
    for path in ["/t", "/v"] {
        origin.on(path, |seen| {
            let of = |name| seen.field(name).unwrap_or("none");
            Reply::fresh(format!("{} {}", of("x_tenant"), of("x-tenant"))).with("Vary", "X-Tenant")
        });
    }
    let victim = |path| Request::get(path).with("X-Tenant", "victim");
    // What the route has in the key is known beforehand; what Vary names is only known then.
    terrace.send(&victim("/t").with("X_Tenant", "attacker")).await.has_body("none victim");
    terrace.send(&victim("/v").with("X_Tenant", "attacker")).await.has_body("attacker victim").has_tier("MISS");
    terrace.warm_with(&victim("/t")).await.has_body("none victim");
    terrace.warm_with(&victim("/v")).await.has_body("none victim");
}
