//! L2's tables: of a newer terrace, or missing.

use super::support::*;
use http::Method;

const ADMIN: &str = "[admin]\ntoken = { secret = \"ADMIN_TOKEN\" }\n";
const FRESH: (&str, &str) = ("cache-control", "max-age=86400");

fn cache() -> Cache {
    let mut cache = Cache::new(ADMIN);
    cache.respond(200, &[FRESH], "held");
    cache.get("/held");
    cache
}

fn set_version(cache: &Cache, version: i64) {
    cache.host.database.execute("UPDATE terrace_schema SET version = ?1", [version]).unwrap();
}

/// All that is in the database.
fn contents(cache: &Cache) -> Vec<String> {
    let database = &cache.host.database;
    ["entries", "chunks", "gone", "purges", "leases", "watches", "walk", "uses", "terrace_schema"]
        .iter()
        .flat_map(|table| {
            let mut rows = database.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let columns = rows.column_count();
            let row = |row: &rusqlite::Row<'_>| {
                Ok((0..columns).map(|n| format!("{:?} ", row.get_ref(n).unwrap())).collect::<String>())
            };
            rows.query_map((), row).unwrap().map(|row| format!("{table}: {}", row.unwrap())).collect::<Vec<_>>()
        })
        .collect()
}

fn lines(cache: &Cache) -> Vec<String> {
    cache.host.world.warnings.borrow().clone()
}

#[test]
fn a_database_of_a_newer_terrace_is_not_used_by_whatever_comes_first_and_that_is_said_once() {
    type First = fn(&mut Cache);
    let firsts: [First; 4] = [
        |cache| {
            cache.respond(200, &[FRESH], "asked");
            assert_eq!(cache.get("/held").text(), "asked");
        },
        |cache| {
            cache.respond(204, &[], "");
            cache.send(Method::DELETE, "/held", &[]);
        },
        |cache| {
            cache.tend();
        },
        |_| {},
    ];
    for (n, first) in firsts.into_iter().enumerate() {
        let mut cache = cache();
        set_version(&cache, 99);
        let before = contents(&cache);
        cache.restart();
        first(&mut cache);
        cache.wait_at_work(10);
        for _ in 0..3 {
            let refused = cache.purge(r#"{"urls":["/held"]}"#);
            assert_eq!((refused.status, refused.field("retry-after")), (503, ""), "{n}");
            assert!(refused.text().contains("newer"), "{n}: {}", refused.text());
            cache.wait(6);
            cache.respond(200, &[FRESH], "asked");
            assert_eq!(cache.get("/b").text(), "asked", "{n}");
        }
        assert_eq!(contents(&cache), before, "{n}");
        let lines: Vec<_> = lines(&cache).into_iter().filter(|line| line.starts_with("L2")).collect();
        let [line] = lines.as_slice() else { panic!("{n}: {lines:?}") };
        assert!(line.contains("version 99") && line.contains("upgrade"), "{n}: {line}");
    }
}

#[test]
fn an_instance_lets_go_of_a_database_that_is_upgraded_under_it_and_takes_it_again() {
    let mut cache = cache();
    let fits: i64 = cache.host.database.query_row("SELECT version FROM terrace_schema", [], |row| row.get(0)).unwrap();
    set_version(&cache, 99);
    cache.wait(6);
    assert_eq!(cache.get("/held").tier(), "L1-HIT");
    let before = contents(&cache);
    assert_eq!(cache.purge(r#"{"everything":true}"#).status, 503);
    cache.respond(200, &[FRESH], "b");
    cache.get("/b");
    assert_eq!(contents(&cache), before);
    set_version(&cache, fits);
    cache.wait(6);
    cache.respond(200, &[FRESH], "c");
    cache.get("/c");
    assert_eq!(cache.purge(r#"{"urls":["/held"]}"#).status, 200);
    cache.restart();
    assert_eq!(cache.get("/c").tier(), "L2-HIT");
    assert!(lines(&cache).last().unwrap().contains("used again"), "{:?}", lines(&cache));
}

#[test]
fn a_table_that_is_missing_is_made_again_and_the_others_stay_as_they_are() {
    for table in ["chunks", "gone", "purges", "leases", "watches", "walk", "uses", "terrace_schema"] {
        let mut cache = cache();
        cache.host.database.execute(&format!("DROP TABLE {table}"), ()).unwrap();
        cache.restart();
        assert_eq!(cache.get("/held").tier(), "L2-HIT", "{table}");
        assert_eq!(cache.purge(r#"{"urls":["/other"]}"#).status, 200, "{table}");
        cache.respond(200, &[FRESH], "b");
        cache.get("/b");
        cache.sweep();
        cache.respond(204, &[], "");
        cache.send(Method::DELETE, "/held", &[]);
        cache.restart();
        assert_eq!(cache.get("/b").tier(), "L2-HIT", "{table}");
        assert_eq!(lines(&cache), Vec::<String>::new(), "{table}");
    }
    let mut cache = cache();
    cache.host.database.execute("DROP TABLE entries", ()).unwrap();
    cache.restart();
    cache.respond(200, &[FRESH], "again");
    assert_eq!(cache.get("/held").text(), "again");
    cache.restart();
    assert_eq!(cache.get("/held").tier(), "L2-HIT");
}

#[test]
fn what_making_tables_does_not_mend_is_not_tried_at_every_call() {
    let mut cache = cache();
    cache.host.database.execute_batch("DROP TABLE gone; CREATE VIEW gone AS SELECT * FROM absent").unwrap();
    cache.restart();
    let before = cache.host.world.batches.get();
    for n in 0..20 {
        let target = format!("/{n}");
        cache.respond(200, &[FRESH], "asked");
        assert_eq!(cache.get(&target).text(), "asked");
    }
    let spent = cache.host.world.batches.get() - before;
    assert!(spent <= 20 * 2 + 6, "{spent} batches");
}
