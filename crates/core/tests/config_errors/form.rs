//! How errors are shown: their place, their bound, and what they keep to themselves.

use terrace_core::config::{Config, MAX_ERRORS, limits};

use crate::check;

#[test]
fn it_prints_like_rustc() {
    let text = "[cache]\n  # Zeit: µ\n  defualt_ttl = \"0s\"\n\tprofile = 'saef' # tab\n";
    let errors = Config::parse(text, "terrace.toml").unwrap_err();
    assert_eq!(
        errors.to_string(),
        "terrace.toml:3:3: error: cache.defualt_ttl: unknown key (did you mean \"default_ttl\"?)\n\
         3 |   defualt_ttl = \"0s\"\n  \
           |   ^^^^^^^^^^^\n\
         terrace.toml:4:12: error: cache.profile: \"saef\" is not one of \"safe\", \"rfc9111\" (did you mean \"safe\"?)\n\
         4 |  profile = 'saef' # tab\n  \
           |            ^^^^^^"
    );
    let first = errors.iter().next().unwrap();
    assert_eq!((first.line, first.column, first.width), (3, 3, 11));
    assert_eq!(first.path, "cache.defualt_ttl");
    assert_eq!(first.hint.as_deref(), Some("\"default_ttl\""));
}

#[test]
fn columns_are_characters() {
    check(&[
        (
            "\"äöü\" = 1",
            "1:1: \"äöü\": unknown key; the keys here are origin, tiers, cache, route, purge, admin, watch",
        ),
        ("\u{feff}cache = 1", "1:9: cache: expected a section [cache], found the integer 1"),
        (
            "tiers = { l1 = { admit = 'ä' }, l4 = 1 }\r\nroute = 1",
            "1:26: tiers.l1.admit: \"ä\" is not one of \"auto\", \"always\", \"second-hit\"\n\
             1:33: tiers.l4: unknown key (did you mean \"l0\"?)\n\
             2:9: route: expected sections [[route]], in two pairs of brackets, found the integer 1",
        ),
    ]);
}

/// What may be a credential is not printed, neither in the message nor as the source line.
#[test]
fn credentials_stay_unseen() {
    for text in [
        "[origin]\nurl = 'https://user:geheim@example.org'",
        "[origin]\nurl = 'user:geheim@example.org'",
        "[origin]\nurl = 'https://example.org?key=geheim'",
        "[origin]\nurl = 'ftp://geheim@example.org'",
        "[origin.headers]\na = \"geheim\\n\"",
        "[origin.headers]\na = { secret = 'Bearer geheim' }",
        "[admin]\ntoken = 'geheim'",
    ] {
        let shown = Config::parse(text, "t.toml").unwrap_err().to_string();
        assert!(!shown.contains("geheim"), "{shown}");
    }
}

/// Nothing of the file reaches the terminal as a command.
#[test]
fn control_characters_are_shown_as_such() {
    let shown = Config::parse("[cache]\n\"\\u001b[2J\" = '\u{202e}' # \u{202e}", "t.toml").unwrap_err().to_string();
    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
}

#[test]
fn long_lines_are_cut() {
    let text = format!("tiers = {{ {}, l9 = 1 }}", "l1 = { timeout = '1s' }".to_string() + &" ".repeat(10_000));
    let shown = Config::parse(&text, "t.toml").unwrap_err().to_string();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[1].contains("l9 = 1"), "{shown}");
    assert_eq!(lines[1].find("l9"), lines[2].find('^'), "{shown}");
}

#[test]
fn errors_are_bounded() {
    let many: String = (0..100).map(|n| format!("x{n} = 1\n")).collect();
    let errors = Config::parse(&many, "t.toml").unwrap_err();
    assert_eq!((errors.iter().count(), errors.omitted()), (MAX_ERRORS, 100 - MAX_ERRORS));
    assert_eq!(errors.iter().last().unwrap().line, MAX_ERRORS);
    assert!(errors.to_string().ends_with("\nand 80 more errors"));

    let routes: String = (0..=limits::MAX_ROUTES).map(|n| format!("[[route]]\nmatch = '/{n}'\n")).collect();
    check(&[(
        &routes,
        "1:1: route: 1001 routes are too many, because each request walks them; join patterns with \"*\" to at most 1000",
    )]);
    let large = "#".repeat(limits::MAX_FILE + 1);
    check(&[(&large, "1:1: the file is larger than 1 MiB; is it the right one?")]);
}
