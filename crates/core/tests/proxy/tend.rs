//! What is done without a request.

use crate::support::*;
use std::time::Duration;

#[test]
fn what_is_over_is_removed_from_l2_and_no_more_often_than_is_of_use() {
    let mut cache = Cache::new("");
    let batches = |cache: &Cache| cache.host.world.batches.get();
    let minutes = |n: u64| Duration::from_secs(60 * n);
    cache.respond(200, &[("cache-control", "max-age=60")], "one");
    cache.get("/a");
    let before = batches(&cache);
    assert_eq!(cache.tend(), minutes(10));
    assert!(batches(&cache) > before);
    let before = batches(&cache);
    cache.wait(240);
    assert_eq!(cache.tend(), minutes(6));
    assert_eq!(batches(&cache), before);
    cache.wait(2 * 24 * 3600);
    assert_eq!(cache.tend(), minutes(10));
    let rows: i64 = cache.host.database.query_row("SELECT count(*) FROM entries", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 0);
}
