//! PostgreSQL as L2: what it takes, what hosts share by it, and what becomes of requests when it is gone. Either the host connects to
//! it, or the component by Spin's `postgres`.

use crate::{By, WORLD, all_is_well, described};
use std::sync::Arc;
use std::time::{Duration, Instant};
use terrace_core::tiers::sql::postgres::{BEGIN, LOCK_ALL, translate};
use terrace_core::tiers::sql::{MIGRATIONS, STATEMENTS, statements};
use terrace_tests::client::{Request, Response};
use terrace_tests::host::ADMIN_TOKEN;
use terrace_tests::origin::Origin;
use terrace_tests::postgres::{PASSWORD, Postgres};
use terrace_tests::reply::Reply;
use terrace_tests::suite::noise;
use terrace_tests::world::Terrace;

pub const ALL: &[crate::Test] = tests![
    every_statement_and_migration_of_the_core_is_taken,
    what_one_host_stores_is_a_hit_of_the_other(By::Host),
    large_content_comes_back_whole(By::Host),
    hosts_may_make_the_tables_at_once(By::Host),
    numbers_of_the_purge_log_show_in_their_order(By::Host),
    a_response_from_before_an_invalidation_is_not_stored_after_it(By::Host),
    no_more_connections_are_opened_than_the_url_allows,
    a_postgres_that_was_never_there_costs_no_request_and_is_found_later(By::Host),
    a_wrong_password_costs_no_request_and_is_never_shown(By::Host),
];

pub const BY_COMPONENT: &[crate::Test] = tests![
    what_one_host_stores_is_a_hit_of_the_other(By::Component),
    large_content_comes_back_whole(By::Component),
    hosts_may_make_the_tables_at_once(By::Component),
    numbers_of_the_purge_log_show_in_their_order(By::Component),
    a_response_from_before_an_invalidation_is_not_stored_after_it(By::Component),
    a_postgres_that_was_never_there_costs_no_request_and_is_found_later(By::Component),
    a_wrong_password_costs_no_request_and_is_never_shown(By::Component),
    a_transaction_begins_on_no_connection_that_is_in_one,
    what_is_cut_off_while_it_waits_for_a_lock_leaves_nothing_behind,
];

const ADMIN: &str = "[admin]\ntoken = { secret = \"ADMIN_TOKEN\" }\n";

fn postgres() -> Postgres {
    Postgres::start().expect("PostgreSQL starts")
}

/// A cache that has nothing but PostgreSQL to share with another: its L1 is its own.
async fn with_l2(by: By, origin: &Origin, postgres: &str, config: &str) -> Terrace {
    let arguments = [&["--l2", postgres], by.arguments()].concat();
    WORLD.in_front_of(&origin.url(), config, &arguments).await
}

/// Ends it. Instances as Spin has them are not waited for: their stores have their time before.
async fn stop(by: By, terrace: &mut Terrace) {
    if by == By::Component {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    terrace.stop().await;
}

async fn every_statement_and_migration_of_the_core_is_taken() {
    let postgres = postgres();
    for sql in MIGRATIONS.iter().flat_map(|migration| statements(migration)) {
        postgres.ask(&translate(sql)).expect("a migration");
    }
    // A parameter has one of three types; which one the core binds, its text does not tell. What is read has types that SQLite has.
    // Spin tells the server no types: there the text does.
    postgres
        .ask(
            "CREATE FUNCTION takes(sql text, n int, by_text bool) RETURNS text LANGUAGE plpgsql AS $f$
             DECLARE types text[]; said text; text text; taken regtype[];
             BEGIN
               FOR i IN 0 .. (3 ^ n)::int - 1 LOOP
                 SELECT array_agg((ARRAY['bigint', 'text', 'bytea'])[1 + i / (3 ^ p)::int % 3])
                   INTO types FROM generate_series(0, n - 1) p;
                 BEGIN
                   IF by_text THEN
                     text := sql;
                     FOR p IN 1 .. n LOOP
                       text := regexp_replace(text, '\\$' || p || '(?!\\d)', '$' || p || '::' || types[p], 'g');
                     END LOOP;
                     EXECUTE 'PREPARE it AS ' || text;
                     SELECT parameter_types INTO taken FROM pg_prepared_statements WHERE name = 'it';
                     IF taken <> coalesce(types, '{}')::regtype[] THEN
                       RETURN array_to_string(taken, ', ') || ' and not ' || array_to_string(types, ', ');
                     END IF;
                   ELSE
                     EXECUTE 'PREPARE it' || coalesce('(' || array_to_string(types, ',') || ')', '') || ' AS ' || sql;
                   END IF;
                   said := 'ok';
                   IF sql LIKE 'SELECT%' THEN
                     EXECUTE 'CREATE TABLE found AS EXECUTE it'
                       || coalesce('(' || nullif(rtrim(repeat('NULL,', n), ','), '') || ')', '');
                     SELECT coalesce(string_agg(attname || ' is ' || typname, ', '), 'ok') INTO said
                       FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
                       WHERE attrelid = 'found'::regclass AND attnum > 0
                       AND typname NOT IN ('int8', 'int4', 'bytea', 'text', 'float8', 'bool');
                     DROP TABLE found;
                   END IF;
                   DEALLOCATE it;
                   RETURN said;
                 EXCEPTION WHEN OTHERS THEN said := sqlerrm;
                 END;
               END LOOP;
               RETURN said;
             END $f$",
        )
        .expect("a function");
    for text in STATEMENTS.iter().copied().flatten() {
        let sql = translate(text.bytes);
        let parameters = (1..10).filter(|n| sql.contains(&format!("${n}"))).count();
        for by_text in [false, true] {
            let ask = format!("SELECT takes($sql${sql}$sql$, {parameters}, {by_text})");
            assert_eq!(postgres.ask(&ask).expect("an answer"), ["ok"], "{sql}, types by its text: {by_text}");
        }
    }
}

async fn what_one_host_stores_is_a_hit_of_the_other(by: By) {
    let (postgres, origin) = (postgres(), Origin::start().await);
    origin.serve("/x", Reply::fresh("shared").with("ETag", "\"s\""));
    let mut one = with_l2(by, &origin, &postgres.url(), "").await;
    let other = with_l2(by, &origin, &postgres.url(), "").await;
    one.warm("/x").await;
    stop(by, &mut one).await;
    let asked = origin.count("/x");
    other.get("/x").await.has_status(200).has_tier("L2-HIT").has_body("shared").has_field("etag", "\"s\"");
    assert_eq!(origin.count("/x"), asked, "the origin was asked");
}

async fn large_content_comes_back_whole(by: By) {
    let (postgres, origin) = (postgres(), Origin::start().await);
    let body = noise(7, 5 << 20);
    origin.serve("/large", Reply::fresh(body.clone()));
    let one = with_l2(by, &origin, &postgres.url(), "").await;
    let other = with_l2(by, &origin, &postgres.url(), "").await;
    one.warm("/large").await.has_body(&body);
    other.get("/large").await.has_tier("L2-HIT").has_body(&body);
    // A shorter one in its place leaves none of its pieces.
    let purge = Request::new("DELETE", "/large");
    origin.serve("/large", Reply::fresh("short"));
    one.send(&purge).await;
    one.warm("/large").await.has_body("short");
    let left = postgres.ask("SELECT count(*) FROM chunks").expect("an answer");
    assert_eq!(left, ["0"]);
}

async fn hosts_may_make_the_tables_at_once(by: By) {
    let (postgres, origin) = (postgres(), described().await);
    let url = postgres.url();
    let (mut one, mut other) = tokio::join!(with_l2(by, &origin, &url, ""), with_l2(by, &origin, &url, ""));
    tokio::join!(all_is_well(&one), all_is_well(&other));
    let newest = MIGRATIONS.len().to_string();
    let is = |ask: &str, answer: &str| postgres.ask(ask).is_ok_and(|rows| rows == [answer]);
    // Each statement of the component is two ways to the server: within its deadline it makes the tables that it needs, and those that
    // come after them another time.
    while by == By::Host && !is("SELECT version FROM terrace_schema", &newest) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for (n, terrace) in [&one, &other].into_iter().enumerate() {
        for k in 0.. {
            terrace.get(&format!("/later/{n}/{k}")).await.has_status(200);
            tokio::time::sleep(Duration::from_millis(50)).await;
            if is(&format!("SELECT count(*) > 0 FROM entries WHERE url LIKE '%/later/{n}/%'"), "t") {
                break;
            }
        }
    }
    for terrace in [&mut one, &mut other] {
        let log = terrace.process().log();
        assert!(!log.contains("does not exist") && !log.contains("duplicate"), "{log}");
    }
}

fn purge(what: &str) -> Request {
    let request = Request::new("POST", "/_terrace/purge").with("Content-Type", "application/json");
    request.with("Authorization", format!("Bearer {ADMIN_TOKEN}")).body(format!("{{\"tags\":[\"{what}\"]}}"))
}

/// A reader that has seen a number never misses a lower one that shows later: PostgreSQL draws numbers from a sequence, in whatever
/// order transactions end. Every other purge is held up after it has drawn its number.
async fn numbers_of_the_purge_log_show_in_their_order(by: By) {
    let (postgres, origin) = (postgres(), Origin::start().await);
    let config = format!("{ADMIN}[purge]\npoll = \"1s\"\n[tiers.l2]\ntimeout = \"3s\"\n");
    let one = with_l2(by, &origin, &postgres.url(), &config).await;
    let other = with_l2(by, &origin, &postgres.url(), &config).await;
    one.send(&purge("first")).await.has_status(200);
    postgres
        .ask(
            "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
             $f$ BEGIN IF NEW.what LIKE '%slow%' THEN PERFORM pg_sleep(0.15); END IF; RETURN NULL; END $f$;
             CREATE TRIGGER hold AFTER INSERT ON purges FOR EACH ROW EXECUTE FUNCTION hold()",
        )
        .expect("a trigger");
    let purges = async |terrace: &Terrace, name: &str| {
        for n in 0..12 {
            terrace.send(&purge(&format!("{name}{n}"))).await.has_status(200);
        }
    };
    let done = std::cell::Cell::new(false);
    let watch = async {
        let mut seen: Vec<i64> = Vec::new();
        while !done.get() {
            let rows = postgres.ask("SELECT seq FROM purges ORDER BY seq").expect("numbers");
            let shown: Vec<i64> = rows.iter().map(|row| row.parse().expect("a number")).collect();
            let highest = seen.iter().max().copied().unwrap_or_default();
            let late: Vec<_> = shown.iter().filter(|seq| **seq < highest && !seen.contains(seq)).collect();
            assert!(late.is_empty(), "{late:?} showed after {highest}");
            seen = shown;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        seen
    };
    let work = async {
        tokio::join!(purges(&one, "slow"), purges(&other, "quick"));
        done.set(true);
    };
    let (seen, ()) = tokio::join!(watch, work);
    assert!(seen.len() > 20, "{seen:?}");
}

/// Requests that write, and reads through another host meanwhile: once a write has been answered and told, no host shows what was there
/// before.
async fn a_response_from_before_an_invalidation_is_not_stored_after_it(by: By) {
    let (postgres, origin) = (postgres(), Origin::start().await);
    let version = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let of = version.clone();
    origin.on("/doc", move |seen| match seen.method.as_str() {
        "POST" => Reply::ok(format!("{}", 1 + of.fetch_add(1, std::sync::atomic::Ordering::SeqCst))),
        _ => Reply::fresh(format!("{}", of.load(std::sync::atomic::Ordering::SeqCst))),
    });
    let config = "[purge]\npoll = \"1s\"\n";
    let one = with_l2(by, &origin, &postgres.url(), config).await;
    let other = with_l2(by, &origin, &postgres.url(), config).await;
    for _ in 0..3 {
        let reads = async |terrace: &Terrace| {
            for _ in 0..20 {
                terrace.get("/doc").await.has_status(200);
            }
        };
        let writes = async {
            for _ in 0..10 {
                one.send(&Request::new("POST", "/doc").body("")).await.has_status(200);
            }
        };
        tokio::join!(reads(&one), reads(&other), reads(&other), writes);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let newest = version.load(std::sync::atomic::Ordering::SeqCst).to_string();
        for terrace in [&one, &other] {
            for _ in 0..8 {
                terrace.get("/doc").await.has_status(200).has_body(&newest);
            }
        }
    }
}

async fn no_more_connections_are_opened_than_the_url_allows() {
    let (postgres, origin) = (postgres(), described().await);
    let terrace = with_l2(By::Host, &origin, &format!("{}?pool=2", postgres.url()), "").await;
    let count = async {
        let mut most = 0;
        for _ in 0..20 {
            let open = postgres.ask("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'terrace'");
            most = most.max(open.expect("an answer").concat().parse::<u32>().expect("a number"));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        most
    };
    let (most, ()) = tokio::join!(count, all_is_well(&terrace));
    assert!((1..=2).contains(&most), "{most} connections");
}

/// What is asked for from now on is stored in L2.
async fn is_shared(one: &Terrace, postgres: &Postgres, path: &str) {
    let stored = format!("SELECT count(*) FROM entries WHERE url LIKE '%{path}'");
    let stored = |_: &Response| postgres.ask(&stored).is_ok_and(|rows| rows == ["1"]);
    one.until(&Request::get(path), "stored in L2", stored).await;
}

async fn a_postgres_that_was_never_there_costs_no_request_and_is_found_later(by: By) {
    let (mut postgres, origin) = (postgres(), described().await);
    postgres.stop();
    let terrace = with_l2(by, &origin, &postgres.url(), "").await;
    all_is_well(&terrace).await;
    postgres.resume().expect("PostgreSQL starts again");
    is_shared(&terrace, &postgres, "/later").await;
}

async fn a_wrong_password_costs_no_request_and_is_never_shown(by: By) {
    let (postgres, origin) = (postgres(), described().await);
    for (password, works) in [("wr0ng-4711", false), (PASSWORD, true)] {
        let mut terrace = with_l2(by, &origin, &postgres.url_with(password), "").await;
        all_is_well(&terrace).await;
        stop(by, &mut terrace).await;
        let made = postgres.ask("SELECT 1 FROM entries LIMIT 1").is_ok_and(|rows| rows == ["1"]);
        assert_eq!(made, works, "with {password}");
        terrace.start().await;
        let log = terrace.process().log();
        assert!(!log.contains(password), "{log}");
        assert_eq!(log.contains("not reached"), !works, "{log}");
    }
}

/// A pool may hand on a connection that somebody died on: what is stored next must not be part of what he had begun.
async fn a_transaction_begins_on_no_connection_that_is_in_one() {
    let postgres = postgres();
    let begin = |before: &str| postgres.ask(&format!("{before} {BEGIN}; SELECT 1; COMMIT"));
    assert_eq!(begin("").expect("a transaction"), ["1"]);
    let refused = begin("BEGIN; SELECT 1;").expect_err("in a transaction");
    assert!(refused.to_string().contains("must be called before any query"), "{refused:#}");
}

/// Somebody has the database for himself for longer than a store may take: it is given up, its transaction ends, and it is not made up
/// for later.
async fn what_is_cut_off_while_it_waits_for_a_lock_leaves_nothing_behind() {
    let (postgres, origin) = (Arc::new(postgres()), described().await);
    let config = "[tiers.l2]\ntimeout = \"200ms\"\n";
    // The server would not end what is left behind.
    let url = format!("{}?options=-cidle_in_transaction_session_timeout%3D60000", postgres.url());
    let terrace = with_l2(By::Component, &origin, &url, config).await;
    is_shared(&terrace, &postgres, "/before").await;
    let holder = {
        let postgres = postgres.clone();
        tokio::task::spawn_blocking(move || postgres.ask(&format!("BEGIN; {LOCK_ALL}; SELECT pg_sleep(2); COMMIT")))
    };
    let is = |ask: &str, answer: &str| postgres.ask(ask).is_ok_and(|rows| rows == [answer]);
    let until = async |ask: &str, answer: &str| {
        let started = Instant::now();
        while !is(ask, answer) {
            assert!(started.elapsed() < Duration::from_millis(1500), "{ask} is not {answer}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    until("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted", "1")
        .await;
    for n in 0..4 {
        terrace.get(&format!("/cut/{n}")).await.has_status(200).has_tier("MISS");
    }
    let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'terrace' AND state <> 'idle'";
    until(open, "0").await;
    holder.await.expect("a thread").expect("a lock");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(is("SELECT count(*) FROM entries WHERE url LIKE '%/cut/%'", "0"), "stored although it was given up");
    is_shared(&terrace, &postgres, "/after").await;
}
