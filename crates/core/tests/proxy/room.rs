//! What is over leaves both tiers, and L2 holds no more than it may.

use super::support::{Cache, Script, owned};

/// What is over is of no use for anything.
const BRIEF: &str =
    "[cache]\nstale_if_error = \"0s\"\nstale_while_revalidate = \"0s\"\ncompress = []\nearly_refresh = 0\n";

fn count(cache: &Cache, sql: &str) -> i64 {
    cache.host.database.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn held(cache: &Cache) -> i64 {
    count(cache, "SELECT coalesce(sum(length(head) + length(body)), 0) FROM entries")
        + count(cache, "SELECT coalesce(sum(length(body)), 0) FROM chunks")
}

fn entries(cache: &Cache) -> i64 {
    count(cache, "SELECT count(*) FROM entries")
}

fn has(cache: &Cache, target: &str) -> bool {
    count(cache, &format!("SELECT count(*) FROM entries WHERE url = 'http://cache.test{target}'")) > 0
}

/// Content of so many bytes.
fn content(bytes: usize) -> &'static [u8] {
    vec![b'x'; bytes].leak()
}

/// Asks for what the origin answers with this content.
fn store(cache: &mut Cache, target: &str, cache_control: &str, content: &'static [u8]) {
    cache.origin(Script::Respond(200, owned(&[("cache-control", cache_control)]), vec![content]));
    assert_eq!(cache.get(target).tier(), "MISS", "{target}");
}

#[test]
fn what_is_over_leaves_both_tiers() {
    let mut cache = Cache::new(BRIEF);
    let large = content(2 << 20);
    for n in 0..1200 {
        let lifetime = if n % 3 == 0 { "max-age=1000" } else { "max-age=10" };
        store(&mut cache, &format!("/{n}"), lifetime, if n == 1 { large } else { b"hello" });
    }
    let near = |cache: &Cache| cache.host.world.kv.borrow().len();
    assert_eq!((entries(&cache), near(&cache)), (1200, 1199), "content above tiers.l1.max_size is in L2 alone");
    assert_eq!(count(&cache, "SELECT count(*) FROM chunks"), 2);
    cache.wait(100);
    cache.sweep();
    assert_eq!((entries(&cache), near(&cache)), (400, 400));
    assert_eq!(count(&cache, "SELECT count(*) FROM chunks"), 0);
    assert_eq!(cache.proxy.counters().over.get(), 800);
    assert_eq!(cache.get("/0").tier(), "L1-HIT");
}

#[test]
fn writes_remove_what_is_over_without_a_clock_to_call_for_it() {
    let mut cache = Cache::new(BRIEF);
    for n in 0..100 {
        store(&mut cache, &format!("/old/{n}"), "max-age=10", b"hello");
    }
    cache.wait(100);
    for n in 0..500 {
        store(&mut cache, &format!("/new/{n}"), "max-age=1000", b"hello");
    }
    assert!(!has(&cache, "/old/1"), "{} entries", entries(&cache));
    assert_eq!(cache.host.world.kv.borrow().len() as i64, entries(&cache));
}

#[test]
fn what_has_lost_its_entry_goes_too() {
    let mut cache = Cache::new(BRIEF);
    store(&mut cache, "/kept", "max-age=1000", content(2 << 20));
    cache
        .host
        .database
        .execute_batch(
            "INSERT INTO chunks (key, n, body) VALUES ('aa', 1, x'00'), ('ff', 1, x'00');
         INSERT INTO uses (key, at, hits) SELECT key, stored, 3 FROM entries;
         INSERT INTO uses (key, at, hits) VALUES ('aa', 1, 3)",
        )
        .unwrap();
    cache.sweep();
    let rows = |table| count(&cache, &format!("SELECT count(*) FROM {table}"));
    assert_eq!((rows("chunks"), rows("uses"), entries(&cache)), (2, 1, 1));
}

#[test]
fn a_walk_goes_on_where_another_instance_has_left_it() {
    let mut cache = Cache::new(BRIEF);
    let mut many = 0..;
    let mut store_many = |cache: &mut Cache, n: usize| {
        for n in many.by_ref().take(n) {
            store(cache, &format!("/{n}"), "max-age=1000", b"hello");
        }
    };
    store_many(&mut cache, 1300);
    let passed = |cache: &Cache| {
        cache.host.database.query_row("SELECT passed FROM walk", [], |row| row.get::<_, String>(0)).unwrap()
    };
    assert_eq!(passed(&cache), "", "the second slice was the last of what there was");
    cache.another();
    store_many(&mut cache, 512);
    let first = passed(&cache);
    assert_eq!(first.len(), 64);
    cache.another();
    store_many(&mut cache, 512);
    assert!(passed(&cache) > first, "{first} {}", passed(&cache));
    cache.another();
    cache.sweep();
    assert_eq!(passed(&cache), "");
    let told = count(&cache, "SELECT held FROM walk");
    let real = held(&cache) + 256 * entries(&cache);
    assert_eq!(told, real);
}

#[test]
fn a_flood_of_keys_stays_within_the_capacity_and_leaves_what_is_asked_for() {
    let config =
        format!("{BRIEF}[tiers.l2]\ncapacity = \"4MiB\"\nmax_size = \"1MiB\"\n[tiers.l1]\nmax_ttl = \"10s\"\n");
    let (mut cache, body) = (Cache::new(&config), content(4000));
    let hot: Vec<String> = (0..50).map(|n| format!("/hot/{n}")).collect();
    for target in &hot {
        store(&mut cache, target, "max-age=100000", body);
    }
    let mut most = 0;
    for n in 0..8000 {
        store(&mut cache, &format!("/cold/{n}"), "max-age=100000", body);
        if n % 4 == 0 {
            let target = &hot[n / 4 % hot.len()];
            assert!(cache.get(target).tier().ends_with("HIT"), "{target} is gone after {n}");
            cache.wait(1);
        }
        most = most.max(held(&cache));
    }
    assert!(most <= 4 << 20, "{most} bytes were held");
    assert!(held(&cache) > 3 << 20, "{} bytes are held", held(&cache));
    assert!(cache.proxy.counters().evicted.get() > 6000);
    assert_eq!(cache.proxy.counters().over.get(), 0);
    assert!(count(&cache, "SELECT count(*) FROM uses") <= 50, "what was let go leaves no row behind");
    assert_eq!(cache.host.world.kv.borrow().len() as i64, entries(&cache), "L1 holds nothing that L2 does not name");
}

#[test]
fn what_another_instance_was_asked_for_stays() {
    let config = format!("{BRIEF}[tiers.l2]\ncapacity = \"2MiB\"\nmax_size = \"1MiB\"\n");
    let (mut cache, body) = (Cache::new(&config), content(4000));
    let hot: Vec<String> = (0..20).map(|n| format!("/hot/{n}")).collect();
    for target in &hot {
        store(&mut cache, target, "max-age=100000", body);
        for _ in 0..8 {
            cache.get(target);
        }
    }
    cache.wait(60);
    cache.another();
    for n in 0..2000 {
        store(&mut cache, &format!("/cold/{n}"), "max-age=100000", body);
    }
    assert!(hot.iter().all(|target| has(&cache, target)));
    assert!(held(&cache) <= 2 << 20);
}

#[test]
fn large_content_is_let_go_with_all_its_rows() {
    let config = format!("{BRIEF}[tiers.l2]\ncapacity = \"20MiB\"\nmax_size = \"4MiB\"\n");
    let (mut cache, body) = (Cache::new(&config), content(3 << 20));
    for n in 0..20 {
        store(&mut cache, &format!("/{n}"), "max-age=100000", body);
        assert!(held(&cache) <= 20 << 20, "{} bytes after {n}", held(&cache));
    }
    assert!(entries(&cache) >= 5, "{} are left", entries(&cache));
    assert_eq!(count(&cache, "SELECT count(*) FROM chunks"), 3 * entries(&cache));
}

#[test]
fn what_is_on_its_way_to_a_client_is_not_cut() {
    let config = format!("{BRIEF}[tiers.l2]\ncapacity = \"4MiB\"\nmax_size = \"4MiB\"\n");
    let mut cache = Cache::new(&config);
    store(&mut cache, "/film", "max-age=100000", content(3 << 20));
    cache.wait(3600);
    let open = cache.open("/film");
    cache.wait(3600);
    for n in 0..10 {
        store(&mut cache, &format!("/{n}"), "max-age=100000", content(1 << 20));
    }
    assert!(!has(&cache, "/film"));
    let film = cache.read(open);
    assert_eq!((film.tier(), film.body.as_ref().map(Vec::len)), ("L2-HIT", Some(3 << 20)));
}

#[test]
fn a_database_that_is_full_gets_room_and_clients_see_nothing_of_it() {
    let (mut cache, body) = (Cache::new(BRIEF), content(4000));
    store(&mut cache, "/0", "max-age=100000", body);
    cache.host.database.pragma_update(None, "max_page_count", 200).unwrap();
    for n in 1..400 {
        store(&mut cache, &format!("/{n}"), "max-age=100000", body);
    }
    assert!(cache.host.world.warnings.borrow().iter().any(|line| line.contains("full")));
    assert!(cache.proxy.counters().evicted.get() > 100);
    // All but the few that found it full are stored.
    let failed = cache.proxy.counters().l2_errors.get();
    assert!((1..=40).contains(&failed), "{failed}");
    assert!(has(&cache, "/399") || has(&cache, "/398"));
    assert!(entries(&cache) >= 60, "{}", entries(&cache));
}

#[test]
fn a_hit_writes_nothing_but_now_and_then() {
    let config = format!("{BRIEF}[tiers.l2]\ncapacity = \"4MiB\"\nmax_size = \"1MiB\"\n");
    for (config, most) in [(BRIEF, 0), (config.as_str(), 4)] {
        let mut cache = Cache::new(config);
        store(&mut cache, "/a", "max-age=1000", b"hello");
        cache.get("/a");
        let world = cache.host.world.clone();
        let (gets, queries, batches) = (world.kv_gets.get(), world.queries.get(), world.batches.get());
        for _ in 0..600 {
            assert_eq!(cache.get("/a").tier(), "L1-HIT");
            cache.host.world.now.set(cache.host.world.now.get() + 1000);
        }
        assert_eq!(world.kv_gets.get() - gets, 600);
        let told = world.batches.get() - batches;
        assert!(told <= most, "{told}");
        assert!(world.queries.get() - queries <= 200, "the purge log is read");
    }
}

#[test]
fn a_further_variant_keeps_the_record_that_leads_to_it() {
    let config = format!("{BRIEF}[tiers.l2]\ncapacity = \"2MiB\"\nmax_size = \"1MiB\"\n");
    let (mut cache, body) = (Cache::new(&config), content(4000));
    let vary = [("cache-control", "max-age=100000"), ("vary", "x-plan")];
    for plan in ["a", "b"] {
        cache.origin(Script::Respond(200, owned(&vary), vec![body]));
        cache.get_with("/page", &[("x-plan", plan)]);
    }
    for n in 0..2000 {
        store(&mut cache, &format!("/cold/{n}"), "max-age=100000", body);
        if n % 20 == 0 {
            let tier = cache.get_with("/page", &[("x-plan", "b")]).tier().to_string();
            assert!(tier.ends_with("HIT"), "{tier} after {n}");
        }
    }
}

#[test]
fn what_is_asked_for_again_and_again_comes_to_stay_beside_what_was_hit_before() {
    let mut cache = Cache::new(&format!(
        "{BRIEF}[tiers.l1]\nmax_size = \"1KiB\"\n[tiers.l2]\ncapacity = \"6MiB\"\nmax_size = \"4MiB\"\n"
    ));
    for (target, bytes) in [("/film", 4 << 20), ("/0", 1 << 20)] {
        store(&mut cache, target, "max-age=3600", content(bytes));
        for _ in 0..8 {
            assert_eq!(cache.get(target).tier(), "L2-HIT", "{target}");
        }
    }
    cache.wait(11);
    let wanted = content(1 << 20);
    for _ in 0..12 {
        cache.origin(Script::Respond(200, owned(&[("cache-control", "max-age=3600")]), vec![wanted]));
    }
    let tiers: Vec<String> = (0..12).map(|_| cache.get("/1").tier().to_string()).collect();
    assert_eq!(tiers.last().map(String::as_str), Some("L2-HIT"), "{tiers:?}");
}
