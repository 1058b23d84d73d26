//! Bodies on their way: nothing is held back, nothing is cut, every byte is the right one.

use super::{Behaviour, noise};
use crate::client::Request;
use crate::reply::{Gate, Reply, Step};
use crate::world::World;

pub const ALL: &[Behaviour] = behaviours![
    the_first_chunk_reaches_the_client_before_the_origin_ends,
    a_stored_response_is_not_held_up_by_a_client_that_reads_slowly,
    a_client_that_leaves_early_leaves_nothing_truncated,
    small_bodies_are_the_same_from_every_tier,
    a_body_of_1_mib_is_the_same_from_every_tier,
    the_largest_body_is_the_same_from_every_tier,
    a_chunked_body_gets_a_length_once_it_is_stored,
    trailers_and_chunk_extensions_do_not_end_up_in_the_body,
];

async fn the_first_chunk_reaches_the_client_before_the_origin_ends(world: World) {
    let (origin, terrace) = world.serve("").await;
    for (path, chunked) in [("/chunked", true), ("/length", false)] {
        let gate = Gate::new();
        let reply = Reply::fresh("first ").then(Step::Wait(gate.clone())).send("second");
        origin.serve(path, if chunked { reply.chunked() } else { reply });
        let mut client = terrace.connect().await;
        client.request(&Request::get(path)).await;
        let head = client.head("GET").await.expect("a head");
        head.has_status(200).has_tier("MISS");
        let first = client.piece().await.expect("a piece").expect("not the end");
        assert_eq!(first, "first ");
        gate.open();
        client.rest(head).await.has_body("second");
        terrace.warm(path).await.has_body("first second");
    }
}

async fn a_stored_response_is_not_held_up_by_a_client_that_reads_slowly(world: World) {
    let (origin, terrace) = world.serve("[tiers.l1]\nmax_size = \"16MiB\"").await;
    let body = noise(3, 8 << 20);
    origin.serve("/x", Reply::fresh(body.clone()));
    terrace.warm("/x").await;
    // It asks for eight megabytes and does not read them.
    let mut lazy = terrace.connect().await;
    lazy.request(&Request::get("/x")).await;
    let head = lazy.head("GET").await.expect("a head");
    for _ in 0..5 {
        terrace.get("/x").await.has_tier("L1-HIT").has_body(&body);
    }
    lazy.rest(head).await.has_body(&body);
}

async fn a_client_that_leaves_early_leaves_nothing_truncated(world: World) {
    let (origin, mut terrace) = world.serve("[tiers.l1]\nmax_size = \"8MiB\"").await;
    let body = noise(4, 4 << 20);
    let gate = Gate::new();
    let rest = body[1000..].to_vec();
    origin.serve("/x", Reply::fresh(body[..1000].to_vec()).then(Step::Wait(gate.clone())).send(rest));
    let mut client = terrace.connect().await;
    client.request(&Request::get("/x")).await;
    client.head("GET").await.expect("a head");
    client.piece().await.expect("a piece");
    drop(client);
    gate.open();
    for _ in 0..5 {
        terrace.get("/x").await.has_status(200).has_body(&body);
    }
    terrace.warm("/x").await.has_body(&body);
    terrace.restart().await;
    terrace.get("/x").await.has_status(200).has_body(&body);
}

/// The bytes on MISS, from L1, from L2, and from L1 after promotion; with a length and in chunks.
async fn same_from_every_tier(world: World, sizes: &[usize]) {
    let config =
        "[tiers.l1]\nmax_size = \"32MiB\"\ntimeout = \"10s\"\n[tiers.l2]\nmax_size = \"32MiB\"\ntimeout = \"10s\"";
    let (origin, mut terrace) = world.serve(config).await;
    let mut paths = Vec::new();
    for size in sizes {
        for chunked in [false, true] {
            let (path, body) = (format!("/{size}/{chunked}"), noise(*size as u64 + 1, *size));
            let reply = if chunked {
                body.chunks(100_000).fold(Reply::fresh(""), |reply, chunk| reply.send(chunk.to_vec())).chunked()
            } else {
                Reply::fresh(body.clone())
            };
            origin.serve(&path, reply);
            terrace.get(&path).await.has_status(200).has_tier("MISS").has_body(&body);
            terrace.warm(&path).await.has_tier("L1-HIT").has_body(&body);
            paths.push((path, body));
        }
    }
    terrace.restart().await;
    for (path, body) in &paths {
        terrace.get(path).await.has_status(200).has_tier("L2-HIT").has_body(body);
        let promoted = |response: &crate::client::Response| response.tier() == "L1-HIT";
        let hit = terrace.until(&Request::get(path), "promoted to L1", promoted).await;
        hit.has_body(body).has_field("content-length", &body.len().to_string());
    }
}

async fn small_bodies_are_the_same_from_every_tier(world: World) {
    same_from_every_tier(world, &[0, 1, 2048, 65_535, 65_536, 65_537]).await;
}

async fn a_body_of_1_mib_is_the_same_from_every_tier(world: World) {
    same_from_every_tier(world, &[1 << 20]).await;
}

async fn the_largest_body_is_the_same_from_every_tier(world: World) {
    let largest = world.host.largest_everywhere();
    same_from_every_tier(world, &[largest]).await;
}

async fn a_chunked_body_gets_a_length_once_it_is_stored(world: World) {
    let (origin, terrace) = world.serve("").await;
    origin.serve("/x", Reply::fresh("one, ").send("two").chunked());
    terrace.get("/x").await.has_status(200).has_body("one, two");
    terrace.warm("/x").await.has_field("content-length", "8").lacks("transfer-encoding").has_body("one, two");
}

async fn trailers_and_chunk_extensions_do_not_end_up_in_the_body(world: World) {
    let (origin, terrace) = world.serve("").await;
    let raw = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
               3;name=value\r\none\r\n4\r\n two\r\n0\r\nX-Sum: 7\r\n\r\n";
    origin.serve("/x", Reply::ok("").before(Step::Raw(raw.into())).before(Step::Cut));
    terrace.get("/x").await.has_status(200).has_body("one two");
    terrace.warm("/x").await.has_body("one two").lacks("x-sum");
}
