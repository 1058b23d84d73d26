#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::config::Config;
use crate::rules::reduce;

fn policy(text: &str) -> Policy {
    let text = format!("[origin]\nurl = \"http://o\"\n[[route]]\nmatch = \"*\"\n{text}");
    Config::parse(&text, "t").unwrap().routes.remove(0).policy
}

fn key(authority: &str, target: &str, fields: &Fields, policy: &Policy) -> Key {
    let (target, mut fields) = (&*reduce::target(target, &policy.query), fields.clone());
    reduce::fields(&mut fields, policy);
    let fields = &fields;
    primary(Parts { origin: "http://o/", scheme: "http", authority, target, fields }, policy)
}

#[test]
fn different_urls_have_different_keys() {
    let (policy, none) = (policy(""), Fields::new());
    let urls = [
        ("a.test", "/a?b=1"),
        ("a.test", "/a%3Fb=1"),
        ("a.test", "/a"),
        ("a.test", "/a?"),
        ("a.test", "/a/"),
        ("a.test", "//a"),
        ("a.test", "/a%2Fb"),
        ("a.test", "/a/b"),
        ("a.testx", "/a/b"),
        ("a.test:8080", "/a/b"),
        ("a.test", "/A/b"),
        ("a.test", "/a?b=1&c=2"),
        ("a.test", "/a?c=2&b=1"),
    ];
    let mut keys: Vec<Key> = urls.iter().map(|(a, t)| key(a, t, &none, &policy)).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), urls.len());
}

#[test]
fn equivalent_urls_have_one_key() {
    let (policy, none) = (policy(""), Fields::new());
    let same = |a: (&str, &str), b: (&str, &str)| {
        assert_eq!(key(a.0, a.1, &none, &policy), key(b.0, b.1, &none, &policy), "{a:?} {b:?}");
    };
    same(("a.test", "/%7euser"), ("A.TEST", "/~user"));
    same(("a.test:80", "/a%2fb"), ("a.test", "/a%2Fb"));
    same(("a.test", "/%41?%42=%43"), ("a.test", "/A?B=C"));
}

#[test]
fn ignored_parameters_and_their_order_leave_the_key_as_it_is() {
    let (policy, none) = (policy("query = { ignore = [\"utm_*\", \"ref\"], sort = true }"), Fields::new());
    let plain = key("a", "/x?a=1&b=2", &none, &policy);
    assert_eq!(key("a", "/x?b=2&utm_source=q&a=1&ref", &none, &policy), plain);
    assert_ne!(key("a", "/x?b=2&a=1&reference=1", &none, &policy), plain);
    // Equal names keep their order: it may mean something.
    assert_ne!(key("a", "/x?a=1&a=2", &none, &policy), key("a", "/x?a=2&a=1", &none, &policy));
}

#[test]
fn a_routes_vary_is_part_of_the_key() {
    let policy = policy("vary = [\"accept-language\"]");
    let with = |value: &str| key("a", "/x", &Fields::from([("accept-language", value)]), &policy);
    assert_ne!(with("de"), with("en"));
    assert_ne!(with("de"), key("a", "/x", &Fields::new(), &policy));
    assert_eq!(with("de, en"), with("de,en"));
}

#[test]
fn cookies_language_and_tenant_are_part_of_the_key_where_the_route_says_so() {
    let of = |route: &str, lines: &[(&str, &str)]| {
        let fields = lines.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
        key("a", "/x", &fields, &policy(route))
    };
    const COOKIES: &str = "key = { cookies = [\"plan\"] }";
    let plan = |cookie| of(COOKIES, &[("cookie", cookie)]);
    assert_eq!(plan("plan=pro"), plan("session=1; plan=pro"));
    assert_ne!(plan("plan=pro"), plan("plan=free"));
    assert_eq!(plan("session=1"), of(COOKIES, &[]));
    assert_ne!(plan("session=1"), plan("plan="));
    const LANGUAGE: &str = "key = { language = [\"en\", \"de\"] }";
    let language = |asked| of(LANGUAGE, &[("accept-language", asked)]);
    assert_eq!(language("de-AT, en;q=0.5"), language("de"));
    assert_ne!(language("de"), language("en"));
    assert_eq!(language("fr"), of(LANGUAGE, &[]));
    const TENANT: &str = "key = { tenant = \"header:x-tenant\" }";
    let tenant = |name| of(TENANT, &[("x-tenant", name)]);
    assert_ne!(tenant("one"), tenant("two"));
    // One value as two parts of a key is two keys.
    assert_ne!(tenant("one"), of("vary = [\"x-tenant\"]", &[("x-tenant", "one")]));
}

#[test]
fn the_text_of_a_key_is_64_hexadecimal_digits() {
    assert_eq!(Key([0xa5; 32]).text(), "a5".repeat(32));
}

#[test]
fn another_origin_is_another_object() {
    let (policy, fields) = (policy(""), Fields::new());
    let of = |origin| primary(Parts { origin, scheme: "http", authority: "a", target: "/", fields: &fields }, &policy);
    assert_ne!(of("http://staging.test/"), of("http://live.test/"));
}
