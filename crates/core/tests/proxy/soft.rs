//! Soft purges: since when something is stale, however often it is made so.

use super::support::*;
use terrace_core::host::OriginError;

const MINUTE: i64 = 60;

fn cache() -> Cache {
    Cache::new(
        "[admin]\ntoken = { secret = \"ADMIN_TOKEN\" }\n[cache]\nstale_while_revalidate = \"0s\"\nstale_if_error = \"1h\"\n",
    )
}

fn soft(cache: &mut Cache) {
    assert_eq!(cache.purge(r#"{"tags":["t"],"soft":true}"#).status, 200);
}

/// What `/a` is answered while the origin is down.
fn status(cache: &mut Cache) -> u16 {
    cache.host.world.script.borrow_mut().clear();
    cache.origin(Script::Fail(OriginError::ConnectionRefused));
    cache.get("/a").status
}

fn fill(cache: &mut Cache) {
    cache.host.world.script.borrow_mut().clear();
    cache.respond(200, &[("cache-control", "max-age=1000000"), ("xkey", "t")], "x");
    cache.get("/a");
}

#[test]
fn a_soft_purge_that_is_repeated_renews_no_stale_window() {
    // By an instance that has seen all of them, and by one that has the log alone.
    for restarts in [false, true] {
        let mut cache = cache();
        fill(&mut cache);
        for minute in 1..180 {
            cache.wait(MINUTE);
            soft(&mut cache);
            if restarts {
                cache.restart();
            }
            cache.wait(1);
            let served = status(&mut cache);
            // An hour from the first one on, and a slot of ten minutes more at the most.
            match minute {
                ..59 => assert_eq!(served, 200, "{minute} {restarts}"),
                72.. => assert_eq!(served, 502, "{minute} {restarts}"),
                _ => {}
            }
        }
        // What is refreshed has its own hour, from the next one on.
        fill(&mut cache);
        for minute in 1..59 {
            cache.wait(MINUTE);
            soft(&mut cache);
            cache.wait(1);
            assert_eq!(status(&mut cache), 200, "{minute} {restarts}");
        }
    }
}

#[test]
fn what_is_purged_softly_again_and_again_leaves_a_bounded_log() {
    let mut cache = cache();
    for _ in 0..3000 {
        cache.wait(MINUTE);
        soft(&mut cache);
    }
    let rows = |cache: &Cache| -> i64 {
        cache.host.database.query_row("SELECT count(*) FROM purges", [], |row| row.get(0)).unwrap()
    };
    assert!((20..84).contains(&rows(&cache)), "{}", rows(&cache));
    assert_eq!(cache.purge(r#"{"tags":["t"]}"#).status, 200);
    assert_eq!(rows(&cache), 1);
}
