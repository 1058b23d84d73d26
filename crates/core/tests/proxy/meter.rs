//! The meter: what it has counted is what the stores and the origin were asked for, and who has the token may read it.

use super::support::*;
use http::Method;
use terrace_core::host::OriginError;

const ADMIN: &str = "[admin]\ntoken = { secret = \"ADMIN_TOKEN\" }\n";

/// What the page says of an operation.
fn billed(page: &str, service: &str, op: &str) -> Option<u32> {
    let name = format!("terrace_billable_ops_total{{service=\"{service}\",op=\"{op}\"}} ");
    page.lines().find_map(|line| line.strip_prefix(&name)).map(|count| count.parse().unwrap())
}

fn metrics(cache: &mut Cache) -> Answer {
    cache.get_with("/_terrace/metrics", &[("authorization", "Bearer t0ken")])
}

#[test]
fn what_it_has_counted_is_what_was_asked_for() {
    let mut cache = Cache::new(&format!("{ADMIN}[tiers.l1]\nmax_size = \"1KiB\"\n"));
    let world = cache.host.world.clone();
    let large: &'static [u8] = vec![b'l'; 3000].leak();
    let mut requests = 0;
    for round in 0..3 {
        for n in 0..10 {
            let target = format!("/{round}/{n}?q={n}");
            for _ in 0..2 {
                // What is answered from a tier leaves its answer over.
                cache.host.world.script.borrow_mut().clear();
                match n % 5 {
                    0 => cache.origin(Script::Respond(200, owned(&[("cache-control", "max-age=100")]), vec![large])),
                    1 => cache.respond(200, &[("cache-control", "no-store")], "not kept"),
                    2 => cache.origin(Script::Fail(OriginError::DnsError)),
                    _ => cache.respond(200, &[("cache-control", "max-age=100"), ("etag", "\"1\"")], "small"),
                };
                cache.get(&target);
                requests += 1;
            }
        }
        cache.host.world.script.borrow_mut().clear();
        cache.wait(60);
        cache.respond(204, &[], "");
        cache.send(Method::DELETE, &format!("/{round}/3?q=3"), &[]);
        cache.wait(200);
        cache.respond(304, &[("etag", "\"1\"")], "");
        cache.get(&format!("/{round}/4?q=4"));
        cache.purge("{\"everything\":true}");
        requests += 3;
        // Calls that fail are calls.
        world.kv_fails.set(round == 0);
        world.sql_fails.set(round == 1);
    }
    world.sql_fails.set(false);
    let page = metrics(&mut cache);
    let page = page.text();
    let asked = cache.asked() as u32;
    for (service, op, counted) in [
        ("http", "request", requests + 1),
        ("origin", "fetch", asked),
        ("kv", "read", world.kv_gets.get()),
        ("kv", "write", world.kv_puts.get()),
        ("kv", "delete", world.kv_deletes.get()),
        ("sql", "query", world.queries.get()),
        ("sql", "batch", world.batches.get()),
    ] {
        assert!(counted > 0, "{op} was never asked for");
        assert_eq!(billed(page, service, op), Some(counted), "{service} {op}\n{page}");
    }
    // SQLite bills no rows.
    assert_eq!(billed(page, "sql", "rows_read"), None, "{page}");
}

#[test]
fn a_page_is_what_prometheus_reads() {
    let mut cache = Cache::new(ADMIN);
    let answer = metrics(&mut cache);
    assert_eq!((answer.status, answer.field("cache-control")), (200, "no-store"));
    assert_eq!(answer.field("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let name = |text: &str| {
        text.starts_with("terrace_") && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let mut typed: Vec<&str> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    assert!(answer.text().ends_with('\n'));
    for line in answer.text().lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (family, kind) = rest.split_once(' ').unwrap();
            assert!(name(family) && kind == "counter" && !typed.contains(&family), "{line}");
            typed.push(family);
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            assert!(name(rest.split_once(' ').unwrap().0), "{line}");
        } else if line.starts_with("# ") {
            assert!(line.contains("the instance that answered"), "{line}");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let family = series.split('{').next().unwrap();
            assert!(value.parse::<u64>().is_ok(), "{line}");
            // The samples of a family stand together, behind its type, each once.
            assert_eq!(typed.last(), Some(&family), "{line}");
            assert!(!seen.contains(&series), "{line}");
            seen.push(series);
        }
    }
    assert!(typed.contains(&"terrace_billable_ops_total"));
}

#[test]
fn metrics_take_the_token_and_are_read_by_get() {
    let mut cache = Cache::new(ADMIN);
    assert_eq!(cache.get("/_terrace/metrics").status, 401);
    let token = [("authorization", "Bearer t0ken")];
    let posted = cache.send(Method::POST, "/_terrace/metrics", &token);
    assert_eq!((posted.status, posted.field("allow")), (405, "GET"));
    assert_eq!(Cache::new("").get_with("/_terrace/metrics", &token).status, 404);
}
