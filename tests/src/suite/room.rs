//! An L2 that is bounded: what is asked for stays, what is not makes room, and no answer is cut by that.

use super::{Behaviour, noise};
use crate::client::{Request, Response};
use crate::origin::Origin;
use crate::reply::Reply;
use crate::world::{Terrace, World};
use std::time::Duration;

pub const ALL: &[Behaviour] = behaviours![
    a_flood_of_urls_leaves_what_is_asked_for_and_takes_no_more_room,
    an_answer_on_its_way_is_not_cut_by_what_needs_its_room,
];

async fn a_flood_of_urls_leaves_what_is_asked_for_and_takes_no_more_room(world: World) {
    let (origin, mut terrace) = world
        .serve("[cache]\nrequest_directives = \"honour\"\n[tiers.l2]\ncapacity = \"64KiB\"\nmax_size = \"32KiB\"")
        .await;
    let hour = |body: &[u8]| Reply::ok(body.to_vec()).with("Cache-Control", "max-age=3600");
    let hot: Vec<String> = (0..5).map(|n| format!("/hot/{n}")).collect();
    for path in &hot {
        origin.serve(path, hour(&noise(1, 2000)));
        terrace.warm(path).await;
    }
    for _ in 0..40 {
        for path in &hot {
            terrace.get(path).await;
        }
    }
    let cold: Vec<String> = (0..120).map(|n| format!("/cold/{n}")).collect();
    for (n, path) in cold.iter().enumerate() {
        origin.serve(path, hour(&noise(n as u64, 2000)));
        terrace.get(path).await.has_status(200).has_tier("MISS");
        terrace.get(&hot[n % hot.len()]).await.has_status(200);
    }
    // Whatever was under way is stored by then, and L1 is as it is after a restart.
    terrace.restart().await;
    for path in &hot {
        let asked = origin.count(path);
        assert!(terrace.get(path).await.has_body(noise(1, 2000)).is_hit(), "{path}");
        assert_eq!(origin.count(path), asked, "{path}");
    }
    let mut held = 0;
    for (n, path) in cold.iter().enumerate() {
        let response = terrace.get_with(path, "Cache-Control", "only-if-cached").await;
        if response.status == 200 {
            response.has_body(noise(n as u64, 2000));
            held += 1;
        }
    }
    assert!(held > 0 && (held + hot.len()) * 2000 <= 64 << 10, "{held} entries are held beside {}", hot.len());
}

async fn an_answer_on_its_way_is_not_cut_by_what_needs_its_room(world: World) {
    let (origin, terrace) = world
        .serve(
            "[tiers.l1]\nmax_size = \"1KiB\"\n[tiers.l2]\ncapacity = \"6MiB\"\nmax_size = \"4MiB\"\ntimeout = \"10s\"",
        )
        .await;
    let film = noise(5, 4 << 20);
    let hour = |body: Vec<u8>| Reply::ok(body).with("Cache-Control", "max-age=3600");
    origin.serve("/film", hour(film.clone()));
    terrace.until(&Request::get("/film"), "stored", Response::is_hit).await.has_tier("L2-HIT");
    // It asks for four megabytes and reads none of them yet.
    let mut lazy = terrace.connect().await;
    lazy.request(&Request::get("/film")).await;
    let head = lazy.head("GET").await.expect("a head");
    head.has_tier("L2-HIT");
    fill(&origin, &terrace, 0).await;
    lazy.rest(head).await.has_body(&film);
    // Others have its room. A database that is slow has it made later.
    for n in 1..=3 {
        let asked = origin.count("/film");
        terrace.get("/film").await.has_body(&film);
        if origin.count("/film") > asked {
            return;
        }
        fill(&origin, &terrace, n).await;
    }
    panic!("it is still there, and the test shows nothing");
}

/// Ten objects of a megabyte each, when what was asked for just now has been asked for a while ago and so need not stay.
async fn fill(origin: &Origin, terrace: &Terrace, round: u64) {
    tokio::time::sleep(Duration::from_secs(11)).await;
    for n in 10 * round..10 * (round + 1) {
        let path = format!("/{n}");
        origin.serve(&path, Reply::ok(noise(n, 1 << 20)).with("Cache-Control", "max-age=3600"));
        terrace.until(&Request::get(&path), "stored", Response::is_hit).await;
    }
}
