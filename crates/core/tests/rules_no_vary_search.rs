//! draft-ietf-httpbis-no-vary-search: its own examples, a row each.
#![allow(clippy::unwrap_used)]

mod rules_support;

use rules_support::fields;
use terrace_core::rules::no_vary_search::variance;

const FIELD: &str = "no-vary-search";

#[test]
fn what_cannot_be_understood_says_nothing() {
    for value in [
        "unknown-key",
        "key-order=\"not a boolean\"",
        "params=\"not a boolean or inner list\"",
        "params=(not-a-string)",
        "params=(\"a\"), except=(\"x\")",
        "params=(), except=()",
        "params=?0, except=(\"x\")",
        "params, except=(not-a-string)",
        "params, except=\"not an inner list\"",
        "params, except=?1",
        "except=(\"x\")",
        "except=()",
        // Unconventional forms of nothing.
        "params=?0",
        "params=()",
        "key-order=?0",
        // Names that are seldom meant so.
        "params=(\"a&b\")",
        "params=(\"a=1\")",
        // No dictionary.
        "",
        "params=(\"a\"",
        "Params",
    ] {
        assert_eq!(variance(&fields(&[(FIELD, value)])), None, "5.2: {value}");
    }
    assert_eq!(variance(&fields(&[])), None);
    let many = |n: usize| format!("params=({})", (0..n).map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(" "));
    assert!(variance(&fields(&[(FIELD, &many(64))])).is_some());
    assert!(variance(&fields(&[(FIELD, &many(65))])).is_none());
}

#[test]
fn which_targets_are_the_same() {
    for (lines, one, other, same, section) in [
        (&["params"][..], "/x?a=1", "/x", true, "5.2 none counts"),
        (&["params=?1"], "/x?a=1&b", "/x?c", true, "5.2"),
        (&["params"], "/x", "/y", false, "6 the path counts"),
        (&["params=(\"a\")"], "/x?a=1&b=2", "/x?b=2&a=3&a", true, "5.2"),
        (&["params=(\"a\")"], "/x?b=2", "/x?b=3", false, "5.2"),
        (&["params=(\"a\")"], "/x?a=2", "/x?A=2", false, "6 case counts"),
        (&["params, except=(\"x\")"], "/x?x=1&y=2", "/x?z&x=1", true, "5.2"),
        (&["params, except=(\"x\")"], "/x?x=1", "/x?x=2", false, "5.2"),
        (&["key-order"], "/x?a=1&b=2", "/x?b=2&a=1", true, "5.2"),
        (&["key-order"], "/x?a=1&a=2", "/x?a=2&a=1", false, "6 values keep their order"),
        (&["params=(\"z\")"], "/x?a=1&b=2", "/x?b=2&a=1", false, "5.2 the order counts"),
        (&["key-order, params=(\"z\")"], "/x?z&b=2&a=1", "/x?a=1&b=2", true, "5.2"),
        (&["key-order", "params=(\"z\")"], "/x?z&b=2&a=1", "/x?a=1&b=2", true, "9651 4.2 lines are one dictionary"),
        (&["params=(\"z\"), new=1"], "/x?z", "/x", true, "5.1 what is not known is ignored"),
        (&["params=(\"z\";p);q"], "/x?z", "/x", true, "9651 3.1.2 parameters are ignored"),
        (&["params=(\"%C3%A9+%E6%B0%97\")"], "/x?%C3%A9%20%E6%B0%97=3", "/x?%C3%A9+%E6%B0%97=4", true, "5.3"),
        (&["params=(\"a%26\" \"c%3d\")"], "/x?a%26&c%3D=1", "/x", true, "5.3"),
        (&["params=(\"\")"], "/x?=1&a", "/x?a", true, "5.3 an empty name"),
        (&["key-order"], "/", "/?", true, "6.1 no query is an empty one"),
        (&["key-order"], "/x?a=x", "/x?%61=%78", true, "6.1 decoded"),
        (&["key-order"], "/x?a=%f6", "/x?a=%ef%bf%bd", true, "6.1 both are U+FFFD"),
        (&["key-order"], "/x?a=x&&&&", "/x?a=x", true, "6.1"),
        (&["key-order"], "/x?a=", "/x?a", true, "6.1"),
        (&["key-order"], "/x?a=%20", "/x?a=+&", true, "6.1"),
        (&["key-order"], "/x?a=1%26b=2", "/x?a=1&b=2", false, "6 what is encoded parts nothing"),
    ] {
        let response = fields(&lines.iter().map(|line| (FIELD, *line)).collect::<Vec<_>>());
        let variance = variance(&response).unwrap();
        let [one, other] = [one, other].map(|target| variance.canonical(target));
        assert_eq!(one == other, same, "{section}: {lines:?}: {one} {other}");
        assert_eq!(variance.canonical(&one), one, "{section}: once more");
    }
}
