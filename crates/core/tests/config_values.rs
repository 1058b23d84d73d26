//! What a right `terrace.toml` means, and what holds where it says nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;
use terrace_core::config::{
    Admit, CacheMode, Config, HeaderSource, L0, Policy, Profile, Query, Rate, RequestDirectives, SetCookie, Watch,
};

use terrace_core::entry::coded::{Coding, Codings};

const MIB: u64 = 1024 * 1024;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[track_caller]
fn parse(text: &str) -> Config {
    let config = Config::parse(text, "t.toml").unwrap_or_else(|errors| panic!("{errors}"));
    let json = config.to_json().unwrap();
    assert_eq!(Config::from_json(&json).unwrap(), config, "{json}");
    config
}

fn shipped() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../terrace.toml")).unwrap()
}

#[test]
fn an_empty_file_means_the_defaults() {
    let config = parse("");
    assert_eq!(config, Config::default());
    assert_eq!(config.origin.url, None);
    assert_eq!((config.origin.connect_timeout, config.origin.timeout), (secs(2), secs(30)));
    assert_eq!((config.l1.max_size, config.l1.max_ttl, config.l1.admit), (MIB, secs(3600), Admit::Auto));
    assert_eq!((config.l1.min_size, config.l1.writes), (0, None));
    assert_eq!((config.l2.max_size, config.l2.max_ttl), (20 * MIB, secs(30 * 86_400)));
    assert_eq!(config.l1.timeout, Duration::from_millis(50));
    assert_eq!(config.l2.timeout, Duration::from_millis(500));
    let policy = config.default_policy;
    assert_eq!((policy.ttl, policy.default_ttl), (None, secs(0)));
    assert_eq!((policy.stale_while_revalidate, policy.stale_if_error), (secs(30), secs(86_400)));
    assert_eq!((policy.profile, policy.set_cookie), (Profile::Safe, SetCookie::Never));
    assert_eq!((policy.request_directives, policy.cache), (RequestDirectives::Ignore, CacheMode::On));
    assert_eq!((policy.compress, policy.compress_min_size), (Codings::from([Coding::Br, Coding::Gzip]), 1024));
    assert_eq!((policy.negative_ttl, policy.vary, policy.query), (vec![], vec![], Query::default()));
}

#[test]
fn writes_to_l1_are_so_many_a_period() {
    for (text, count, per) in [("1/s", 1, 1), ("1000/m", 1000, 60), ("40/h", 40, 3600), ("1000/d", 1000, 86_400)] {
        let read = parse(&format!("[tiers.l1]\nwrites = '{text}'\nmin_size = '2KiB'")).l1;
        assert_eq!((read.writes, read.min_size), (Some(Rate { count, per: secs(per) }), 2048), "{text}");
    }
}

#[test]
fn l0_is_on_where_its_section_is_there() {
    assert_eq!(parse("").l0, None);
    let l0 = |size, max_size, max_ttl| Some(L0 { size, max_size, max_ttl });
    assert_eq!(parse("[tiers.l0]\nsize = '8MiB'").l0, l0(8 * MIB, 64 << 10, secs(10)));
    let all = "[tiers.l0]\nsize = '1MiB'\nmax_size = '1MiB'\nmax_ttl = '1m'";
    assert_eq!(parse(all).l0, l0(MIB, MIB, secs(60)));
}

/// Every line of the file that comes with terrace states the default.
#[test]
fn the_shipped_file_states_the_defaults() {
    let mut expected = Config::default();
    expected.set_origin("http://127.0.0.1:3000").unwrap();
    assert_eq!(parse(&shipped()), expected);
}

/// Its examples are right too: they are the lines that begin with `#` and no space.
#[test]
fn the_examples_of_the_shipped_file_are_right() {
    let example = |line: &str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).map(str::to_string);
    let lines: Vec<String> = shipped().lines().map(|line| example(line).unwrap_or(line.to_string())).collect();
    let config = parse(&lines.join("\n"));
    assert_eq!(config.secrets().collect::<Vec<_>>(), ["ORIGIN_API_KEY", "ADMIN_TOKEN"]);
    assert_eq!(config.default_policy.negative_ttl, [(404, secs(10)), (410, secs(60))]);
    assert_eq!(config.l1.writes, Some(Rate { count: 1000, per: secs(60) }));
    assert_eq!(config.routes.len(), 4);
    assert_eq!((config.watches.len(), config.watches[0].tags.len(), config.watches[0].soft), (1, 3, false));
    let shop = config.policy("/shop/1");
    assert_eq!((shop.key.language.len(), shop.key.tenant.as_deref()), (2, Some("x-tenant")));
    let products = config.policy("/api/products/7");
    assert_eq!(products.ttl, Some(secs(3600)));
    assert_eq!(products.query, Query { allow: None, ignore: vec!["utm_*".to_string()], sort: true });
    assert_eq!(products.stale_if_error, secs(7 * 86_400));
    assert_eq!(config.policy("/api/account/me").cache, CacheMode::Off);
    assert_eq!(config.policy("/"), &config.default_policy);
}

#[test]
fn a_watch_asks_every_minute_and_purges_hard_unless_it_says_otherwise() {
    let tags = vec![("a".to_string(), String::new()), ("b-*".to_string(), "/b/*/v".to_string())];
    let url = "/u?x=/../%20".to_string();
    let watch = |every, soft| vec![Watch { url: url.clone(), every, tags: tags.clone(), soft }];
    let text = "[[watch]]\nurl = '/u?x=/../%20'\ntags = { a = '', \"b-*\" = '/b/*/v' }\n";
    assert_eq!(parse(text).watches, watch(secs(60), false));
    assert_eq!(parse(&format!("{text}every = '1s'\nsoft = true")).watches, watch(secs(1), true));
    assert_eq!(parse("").watches, []);
}

#[test]
fn l2_is_as_large_as_its_database_unless_it_says_otherwise() {
    assert_eq!(parse("").l2.capacity, None);
    assert_eq!(parse("tiers.l2.capacity = '1GiB'").l2.capacity, Some(1024 * MIB));
    assert_eq!(parse("tiers.l2.capacity = '64KiB'\ntiers.l2.max_size = '64KiB'").l2.capacity, Some(65_536));
}

#[test]
fn units() {
    for (text, ttl) in [
        ("0s", Duration::ZERO),
        ("250ms", Duration::from_millis(250)),
        ("90s", secs(90)),
        ("5m", secs(300)),
        ("2h", secs(7200)),
        ("30d", secs(30 * 86_400)),
        ("007s", secs(7)),
    ] {
        assert_eq!(parse(&format!("cache.default_ttl = '{text}'")).default_policy.default_ttl, ttl, "{text}");
    }
    for (text, size) in [("1B", 1), ("64KiB", 65_536), ("20MiB", 20 * MIB), ("0064MiB", 64 * MIB)] {
        assert_eq!(parse(&format!("tiers.l2.max_size = '{text}'")).l2.max_size, size, "{text}");
    }
}

#[test]
fn every_word() {
    for (text, word) in [("auto", Admit::Auto), ("always", Admit::Always), ("second-hit", Admit::SecondHit)] {
        assert_eq!(parse(&format!("tiers.l1.admit = '{text}'")).l1.admit, word);
    }
    for (text, word) in [("on", CacheMode::On), ("off", CacheMode::Off), ("only", CacheMode::Only)] {
        let config = parse(&format!("[[route]]\nmatch = '/'\ncache = '{text}'"));
        assert_eq!(config.policy("/").cache, word);
    }
    for (text, word) in [("never", SetCookie::Never), ("strip", SetCookie::Strip), ("store", SetCookie::Store)] {
        assert_eq!(parse(&format!("cache.set_cookie = '{text}'")).default_policy.set_cookie, word);
    }
    for (text, word) in [("ignore", RequestDirectives::Ignore), ("honour", RequestDirectives::Honour)] {
        assert_eq!(parse(&format!("cache.request_directives = '{text}'")).default_policy.request_directives, word);
    }
    let compress = |list: &str| parse(&format!("cache.compress = {list}")).default_policy.compress;
    assert_eq!(compress("[]"), Codings::NONE);
    assert_eq!(compress("['gzip', 'zstd', 'br']"), Coding::ALL.into());
    assert_eq!(parse("cache.compress_min_size = '2KiB'").default_policy.compress_min_size, 2048);
    // What is not built may be switched off in so many words.
    assert_eq!(parse("cache = { collapse = 'local', early_refresh = 1 }"), Config::default());
    assert_eq!(parse("cache = { early_refresh = 0.0 }").default_policy.early_refresh, 0.0);
}

#[test]
fn the_profile_changes_what_is_left_open() {
    let rfc = parse("cache.profile = 'rfc9111'").default_policy;
    assert_eq!(rfc, Policy::of(Profile::Rfc9111));
    assert_eq!((rfc.set_cookie, rfc.request_directives), (SetCookie::Store, RequestDirectives::Honour));
    assert_eq!((rfc.stale_while_revalidate, rfc.stale_if_error), (secs(0), secs(86_400)));
    assert_eq!(rfc.compress, Codings::NONE, "what the origin sent is what clients get");
    let said =
        parse("cache = { profile = 'rfc9111', set_cookie = 'strip', stale_while_revalidate = '5s' }").default_policy;
    assert_eq!((said.set_cookie, said.stale_while_revalidate), (SetCookie::Strip, secs(5)));
    assert_eq!(said.request_directives, RequestDirectives::Honour);
}

#[test]
fn a_route_overrides_the_cache_section() {
    let config = parse(
        "[[route]]\nmatch = '/a/*'\nttl = '1m'\nvary = ['Accept-Language', 'x-a']\nnegative_ttl = { 503 = '1s' }\n\
         [[route]]\nmatch = '/b'\nprofile = 'rfc9111'\n\
         [[route]]\nmatch = '/*'\ndefault_ttl = '3s'\nnegative_ttl = {}\n\
         [cache]\ndefault_ttl = '1s'\nset_cookie = 'strip'\nnegative_ttl = { 410 = '2s', 404 = '1s' }\n",
    );
    let a = config.policy("/a/1");
    assert_eq!((a.ttl, a.default_ttl, a.set_cookie), (Some(secs(60)), secs(1), SetCookie::Strip));
    assert_eq!(a.vary, ["accept-language", "x-a"]);
    assert_eq!(a.negative_ttl, [(503, secs(1))], "replaced as a whole");
    // What [cache] says outranks the profile of the route; what it leaves open follows that profile.
    let b = config.policy("/b");
    assert_eq!((b.profile, b.set_cookie), (Profile::Rfc9111, SetCookie::Strip));
    assert_eq!((b.request_directives, b.stale_while_revalidate), (RequestDirectives::Honour, secs(0)));
    let rest = config.policy("/a");
    assert_eq!((rest.default_ttl, rest.negative_ttl.len(), rest.ttl), (secs(3), 0, None));
    assert_eq!(config.default_policy.negative_ttl, [(404, secs(1)), (410, secs(2))]);
    assert_eq!(config.routes[0].pattern, "/a/*");
}

#[test]
fn a_deployment_is_known_by_its_origin_or_by_the_name_that_it_is_given() {
    let of = |text: &str| parse(text).cdn_id().to_string();
    let derived = of("origin.url = 'http://a.example'");
    assert_eq!((derived.len(), derived.starts_with("terrace-")), (24, true));
    assert_ne!(derived, of("origin.url = 'http://b.example'"));
    assert_ne!(derived, of("origin.url = 'http://a.example/base'"));
    assert_eq!(derived, of("origin.url = 'HTTP://A.example:80/'"));
    assert_eq!(of("origin.url = 'http://a.example'\norigin.cdn_id = 'edge-eu'"), "edge-eu");
}

#[test]
fn key_parts() {
    let config = parse(
        "[[route]]\nmatch = '/a'\nquery = { allow = ['page', 'filter_*'], ignore = ['filter_x'] }\n\
         key = { cookies = ['Plan'], language = ['en', 'pt-BR'], tenant = 'header:X-Tenant' }\n\
         [[route]]\nmatch = '/b'\nquery = { allow = [] }\nkey = { cookies = [] }",
    );
    let [a, b] = [&config.routes[0].policy, &config.routes[1].policy];
    let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    assert_eq!(
        (a.query.allow.clone(), a.query.ignore.clone()),
        (Some(names(&["page", "filter_*"])), names(&["filter_x"]))
    );
    assert_eq!((b.query.allow.clone(), b.key.cookies.clone()), (Some(vec![]), Some(vec![])));
    assert_eq!((a.key.cookies.clone(), a.key.language.clone()), (Some(names(&["Plan"])), names(&["en", "pt-BR"])));
    assert_eq!((a.key.tenant.as_deref(), b.key.tenant.as_deref()), (Some("x-tenant"), None));
    let content = |key: &str| {
        let rule = parse(&format!("[[route]]\nmatch = '/a'\nkey = {{ {key} }}")).routes[0].policy.key.content.clone();
        rule.map(|rule| (rule.max_size, rule.methods.iter().map(|method| method.to_string()).collect::<Vec<_>>()))
    };
    assert_eq!(content(""), None);
    assert_eq!(content("content = '64KiB'"), Some((65_536, names(&["QUERY"]))));
    assert_eq!(content("content = '1MiB', methods = ['POST', 'QUERY']"), Some((MIB, names(&["POST", "QUERY"]))));
}

#[test]
fn the_first_route_wins_where_patterns_overlap() {
    let config = parse("[[route]]\nmatch = '/a*c'\nttl = '1s'\n[[route]]\nmatch = '/ab*'\nttl = '2s'");
    assert_eq!(config.policy("/abc").ttl, Some(secs(1)));
    assert_eq!(config.policy("/abd").ttl, Some(secs(2)));
}

#[test]
fn no_encoding_slips_past_a_route() {
    let config = parse("[[route]]\nmatch = '/private/*'\ncache = 'off'\n[[route]]\nmatch = '/%C3%A4'\nttl = '1s'");
    for path in ["/private/a", "/%70rivate/a", "/%70%72%69vate/%zz"] {
        assert_eq!(config.policy(path).cache, CacheMode::Off, "{path}");
    }
    assert_eq!(config.policy("/%c3%a4").ttl, Some(secs(1)));
    // %2F is data, not a separator.
    assert_eq!(config.policy("/private%2Fa").cache, CacheMode::On);
}

#[test]
fn defaults_give_way_to_what_is_said() {
    assert_eq!(parse("tiers.l2.max_size = '100KiB'").l1.max_size, 102_400);
    assert_eq!(parse("tiers.l2.max_size = '100KiB'\ntiers.l1.admit = 'always'").l1.max_size, 102_400);
    assert_eq!(parse("origin.timeout = '500ms'").origin.connect_timeout, Duration::from_millis(500));
    assert_eq!(parse("tiers.l1.max_size = '20MiB'").l1.max_size, 20 * MIB);
    // The near tier may keep an entry longer than the far one.
    assert_eq!(parse("tiers.l2.max_ttl = '1m'\ncache.default_ttl = '30m'").l1.max_ttl, secs(3600));
}

#[test]
fn purges() {
    let config = parse(
        "[purge]\npoll = '10s'\n[admin]\ntoken = { secret = 'ADMIN_TOKEN' }\n[[route]]\nmatch = '/a'\ntags = ['a', 'b:1']",
    );
    assert_eq!((config.poll, config.admin_token.as_deref()), (secs(10), Some("ADMIN_TOKEN")));
    assert_eq!(config.secrets().collect::<Vec<_>>(), ["ADMIN_TOKEN"]);
    assert_eq!((config.policy("/a").tags.join(" "), config.policy("/b").tags.len()), ("a b:1".to_string(), 0));
    let silent = parse("");
    assert_eq!((silent.poll, silent.admin_token), (secs(5), None));
}

#[test]
fn headers() {
    let config = parse(
        "[origin.headers]\nX-B = 'a \\ b'\napi-key = { secret = 'ORIGIN_API_KEY' }\nx-empty = ''\nx-c = { secret = 'c' }",
    );
    let literal = |text: &str| HeaderSource::Literal(text.to_string());
    let secret = |name: &str| HeaderSource::Secret(name.to_string());
    assert_eq!(
        config.origin.headers,
        [
            ("x-b".to_string(), literal("a \\ b")),
            ("api-key".to_string(), secret("ORIGIN_API_KEY")),
            ("x-empty".to_string(), literal("")),
            ("x-c".to_string(), secret("c")),
        ]
    );
    assert_eq!(config.secrets().collect::<Vec<_>>(), ["ORIGIN_API_KEY", "c"]);
}

#[test]
fn origins() {
    for (text, url) in [
        ("https://library.example.org", "https://library.example.org/"),
        ("http://127.0.0.1:3000/", "http://127.0.0.1:3000/"),
        ("HTTPS://Example.ORG:443/base/path/", "https://example.org/base/path/"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example/"),
        ("https://XN--Bcher-KVA.example/", "https://xn--bcher-kva.example/"),
    ] {
        let mut config = parse(&format!("[origin]\nurl = '{text}'"));
        assert_eq!(config.origin.url.as_ref().map(url::Url::as_str), Some(url));
        config.origin.url = None;
        config.set_origin(text).unwrap();
        assert_eq!(config.origin.url.as_ref().map(url::Url::as_str), Some(url));
    }
}

#[test]
fn json_of_another_version_is_refused() {
    let json = parse("[origin]\nheaders = { \"api-key\" = { secret = \"NAME\" } }").to_json().unwrap();
    assert!(json.contains("NAME"), "{json}");
    for other in ["", "{}", "[]", &json[1..], &json.replace("poll", "pool"), &json.replace("\"Safe\"", "\"Sage\"")] {
        assert!(Config::from_json(other).is_err(), "{other}");
    }
}

#[test]
fn an_origin_from_outside_meets_the_same_rules() {
    let mut config = parse("origin.url = 'http://a.example'");
    let before = config.clone();
    for (text, message) in [
        ("", "an origin starts with http:// or https://"),
        ("localhost:3000", "an origin starts with http:// or https:// (did you mean \"http://localhost:3000\"?)"),
        (
            "https://user:geheim@a.example",
            "a URL holds no user name or password; put them into origin.headers as a secret: \
             { authorization = { secret = \"NAME\" } }",
        ),
        ("https://a.example?x", "an origin has no query; remove what follows the \"?\""),
    ] {
        assert_eq!(config.set_origin(text).unwrap_err(), message);
    }
    assert_eq!(config, before);
}
